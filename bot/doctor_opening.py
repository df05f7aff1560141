"""Where the self-check gets its exchange from: the market that a process has open, or a line of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bot.doctor import Doctor
from bot.doctor_account import Books
from bot.doctor_line import Line, line_to
from bot.doctor_looks import Found, Look, error
from bot.memory import books_in
from bot.settings import Settings
from trading.errors import BadSettings
from trading.model import Symbol
from trading.playbook import Playbook
from trading.ports import Clock
from trading.venues.exchange.wire import Finding, Listing

if TYPE_CHECKING:  # they load a whole network library
    from trading.venues.exchange.connection import Connection


def doctor_beside(
    settings: Settings, connection: "Connection | None", playbook: Playbook, directory: Path, wall: Clock
) -> Doctor:
    """For a process whose market is open: it goes by what the database holds until it has a desk to follow."""
    if connection is None:
        return Doctor.of(settings, directory=directory, market=None, wall=wall)
    from bot.doctor_market import Checkup

    checkup = Checkup(
        profile=connection.profile,
        data=connection.data,
        trade=connection.trade,
        market=_OfFeed(connection),
        playbook=lambda: playbook,
        books=_kept(directory),
        clock=wall,
    )
    return Doctor.of(settings, directory=directory, market=checkup, wall=wall)


@asynccontextmanager
async def doctor_alone(settings: Settings, playbook: Playbook, directory: Path, wall: Clock) -> AsyncIterator[Doctor]:
    """For a process without a desk."""
    async with AsyncExitStack() as opened:
        market: Look | None = None
        if settings.venue is not None:
            try:
                line = await opened.enter_async_context(line_to(settings, wall))
                market = _alone(line, playbook, directory, wall)
            except BadSettings as fault:
                market = _said(error("key", str(fault), "complete the settings, see .env.example"))
        yield Doctor.of(settings, directory=directory, market=market, wall=wall)


def _said(finding: Finding) -> Look:
    async def look() -> Found:
        return (finding,)

    return look


def _alone(line: Line, playbook: Playbook, directory: Path, wall: Clock) -> Look:
    from bot.doctor_market import Asked, Checkup

    asked = Asked(line.profile, bases=playbook.universe, quote=playbook.quote, every=playbook.schedule.bar)
    return Checkup(
        profile=line.profile,
        data=line.data,
        trade=line.trade,
        market=asked,
        playbook=lambda: playbook,
        books=_kept(directory),
        clock=wall,
    ).look


def _kept(directory: Path) -> Callable[[], Awaitable[Books | None]]:
    async def read() -> Books | None:
        found = await books_in(directory)
        return None if found is None else Books.of(found.positions, found.orders)

    return read


class _OfFeed:
    def __init__(self, connection: "Connection") -> None:
        self._feed = connection.feed

    async def listings(self) -> Mapping[Symbol, Listing]:
        return self._feed.listings

    async def lacking(self) -> Mapping[Symbol, str]:
        return self._feed.lacking
