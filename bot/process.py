"""One running process: the player, the chats beside it, and an orderly end."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bot.catalogue import COMMANDS
from bot.chats.console import Console
from bot.delivery import Delivery, DestinationHealth
from bot.gate import Surface
from bot.markets import Market
from bot.player import Player
from bot.scheduler import wall_jobs
from bot.settings import Settings
from bot.shadows import Shadows
from storage.outbox import Outbox
from storage.queries import Queries
from trading.desk import Desk
from trading.errors import BadSettings
from trading.messages import ChatTroubled
from trading.ports import Clock
from trading.status import Armed, Capability

log = logging.getLogger(__name__)

SAY_GOODBYE = timedelta(seconds=1.5)  # for what is still to be told when the desk stops


@dataclass(slots=True, kw_only=True)
class Chats:
    """How the chats and their deliveries stand, for /health."""

    telegram: Any = None  # Telegram | None; its library loads only where a token is
    refused: tuple[Capability, ...] = ()  # chats that are not started, and why
    mail: tuple[DestinationHealth, ...] = field(default=())

    def states(self) -> tuple[Capability, ...]:
        running = (self.telegram.state,) if self.telegram else ()
        return (*running, *self.refused, *(_mail_state(m) for m in self.mail))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gavel:
    """One process: a desk, its market, its chats."""

    desk: Desk
    player: Player
    delivery: Delivery
    console: Console
    chats: Chats
    surface: Surface
    queries: Queries
    shadows: Shadows
    outbox: Outbox
    market: Market
    resumed_at: datetime | None

    async def run(self) -> bool:
        """Play until the market ends (True) or somebody stops it (False); chats come and go beside it."""
        beside = [asyncio.create_task(self.delivery.run(), name="delivery")]
        beside.append(asyncio.create_task(self.console.run(self.surface.handle), name="console"))
        if self.chats.telegram is not None:
            beside.append(asyncio.create_task(self.chats.telegram.run(), name="telegram"))
        for task in beside:
            task.add_done_callback(_report)
        jobs = wall_jobs([("outbox", timedelta(seconds=2), self._wake)])
        try:
            ended = await self.player.run(self.market.feed.steps(self.resumed_at))
            await self.desk.stop("the market's data has ended" if ended else "asked to stop")
            return ended
        finally:
            jobs.shutdown(wait=False)
            for task in beside[1:]:
                task.cancel()
            beside[0].cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await self.delivery.drain(SAY_GOODBYE)
            if self.chats.telegram is not None:
                await self.chats.telegram.close()

    async def _wake(self) -> None:
        """Rows whose time for another try has come; and how the deliveries stand."""
        self.delivery.wake(await self.outbox.depth())
        self.chats.mail = await self.delivery.health()


def _mail_state(mail: DestinationHealth) -> Capability:
    """One destination's deliveries as a line of /health."""
    faults = [mail.error] if mail.error else []
    if faults and mail.waiting:
        faults.append(f"{mail.waiting} waiting")
    if mail.dead:
        faults.append(f"{mail.dead} refused for good: {mail.refusal}")
    state = Armed.DEGRADED if faults else Armed.ARMED
    return Capability(name=f"messages to {mail.destination}", state=state, why="; ".join(faults), since=mail.since)


def _report(task: "asyncio.Task[None]") -> None:
    """A chat that dies takes nothing with it, but never in silence."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%s ended: %s", task.get_name(), error, exc_info=error)


# --- telegram ---------------------------------------------------------------------------------------------------------


def teller(desk: Desk) -> Callable[[str, bool], None]:
    """Journal what a chat's own thread of events has to say, without making it wait."""
    telling: set[asyncio.Task[None]] = set()

    def tell(detail: str, over: bool) -> None:
        event = ChatTroubled(at=desk.now(), chat="telegram", detail=detail, over=over)
        task = asyncio.create_task(desk.tell(event))
        telling.add(task)
        task.add_done_callback(telling.discard)

    return tell


def add_telegram(
    chats: Chats, settings: Settings, surface: Surface, wall: Clock, *, tell: Callable[[str, bool], None]
) -> None:
    """The bot, where there is a token; else, or when nobody may use it, the reason in one line."""
    if settings.telegram_token is None:
        chats.refused = (Capability(name="telegram", state=Armed.OFF, why="no TELEGRAM_BOT_TOKEN"),)
        return
    from bot.chats.telegram import DEFAULT_BASE_URL, Telegram
    from bot.chats.telegram_watch import Trouble

    try:
        chats.telegram = Telegram(
            token=settings.telegram_token,
            allowed=frozenset(settings.telegram_users),
            handle=surface.handle,
            clock=wall,
            menu=[(entry.name, entry.help) for entry in COMMANDS.values()],
            url=settings.telegram_base_url or DEFAULT_BASE_URL,
            on_trouble=lambda kind, detail: tell(detail, kind in (Trouble.BACK, Trouble.CONFLICT_OVER)),
        )
    except BadSettings as error:
        log.error("%s", error)
        chats.refused = (Capability(name="telegram", state=Armed.OFF, why=str(error)),)
