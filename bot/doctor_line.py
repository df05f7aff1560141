"""An exchange, spoken to directly: for the self-check and for the shell, which have no desk and need none."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.settings import Settings
from trading.errors import BadSettings
from trading.ports import Clock

if TYPE_CHECKING:  # they load a whole network library
    from trading.venues.exchange.client import Client
    from trading.venues.exchange.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An exchange, spoken to directly. `trade` None: without a key."""

    profile: "Profile"
    data: "Client"
    trade: "Client | None"


@asynccontextmanager
async def line_to(settings: Settings, clock: Clock) -> AsyncIterator[Line]:
    """Raises BadSettings where the settings are not enough. Nothing has been asked of the exchange yet."""
    from bot.live_market import keys_of, loopback_of
    from trading.venues.exchange.client import open_clients
    from trading.venues.exchange.registry import DIALECTS

    live, practice = settings.mode == "live", settings.practice or ""
    if live and keys_of(settings) is None:
        raise BadSettings(f"GAVEL_MODE=live needs the keys of {settings.venue}: see .env.example")
    dialect = DIALECTS[settings.venue or ""]
    async with AsyncExitStack() as opened:
        data, trade = open_clients(
            dialect,
            keys=keys_of(settings) if live else None,
            practice=practice,
            loopback=loopback_of(settings),
            clock=clock,
        )
        for client in filter(None, (data, trade)):
            opened.push_async_callback(client.close)
        yield Line(profile=dialect.profile(data, trade, practice=practice), data=data, trade=trade)
