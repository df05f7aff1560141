"""Who keeps an AI log: a live desk on WEEX that was told to. Here its parts are put together."""

import hashlib
from collections.abc import Mapping
from functools import partial

from bot.ai_log import NAME, AiLog
from bot.markets import Market
from bot.memory import Memory
from bot.settings import Settings
from bot.version import VERSION
from storage.ai_log import AiLogBox
from trading.ailog import kept
from trading.desk import Desk
from trading.events import ChatTroubled
from trading.ports import Clock


def credential(keys: Mapping[str, str]) -> str:
    """A name for a key that nothing can be read from."""
    return hashlib.sha256(keys["apiKey"].encode()).hexdigest()[:16]


def ai_log_of(settings: Settings, market: Market, memory: Memory, desk: Desk, wall: Clock) -> AiLog | None:
    """The log of a live desk on WEEX that is to keep one; from now on the journal fills its outbox. None: anywhere
    else nothing is written and nothing sent."""
    connection = market.connection
    if settings.weex_log == "off" or settings.venue != "weex" or not market.live or connection is None:
        return None
    if connection.trade is None or connection.venue is None:
        return None
    from bot.live_market import keys_of  # here: a market that is played does not need a network library
    from trading.venues.exchange.weex_ai import WeexLog

    feed, rules = connection.feed, f"gavel/{VERSION} rules"
    names = lambda: {symbol: listing.native for symbol, listing in feed.listings.items()}  # noqa: E731
    exchange = WeexLog(connection.trade, connection.venue, natives=names)
    box = AiLogBox(memory.database, kept=partial(kept, as_sent=exchange, rules=rules), wall=wall)
    memory.journal.beside.append(box)

    async def tell(detail: str, over: bool) -> None:
        await desk.tell(ChatTroubled(at=desk.now(), chat=NAME, detail=detail, over=over))

    made = AiLog(
        box,
        exchange,
        credential=credential(keys_of(settings) or {}),
        rules=rules,
        required=settings.weex_log == "required",
        wall=wall,
        tell=tell,
    )
    desk.holds.append(made.hold)
    return made
