"""A desk of this process: its panel, its view of the market, its account, its schedule; live and shadow alike."""

import contextlib
import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from bot.absence import live_through
from bot.arming import Voices, armed
from bot.library import Library
from bot.markets import Market
from bot.player import GROUP, Track
from bot.scheduler import MarketSchedule
from bot.shadows import Begin, Records, Shadow
from trading.clock import ManualClock, SystemClock
from trading.desk import LIVE, PAPER, Desk
from trading.errors import Misuse
from trading.market.moments import MarketFeed
from trading.market.view import View
from trading.model import Symbol
from trading.playbook import Playbook
from trading.ports import Clock, Journal, Remembered, Venue
from trading.running import Panel
from trading.venues.paper import PaperVenue

ACCOUNT = "paper.db"
SHADOWS = "shadow"  # a folder of the data directory, with one for each shadow desk
SINCE = "since"  # a tag: market time at which a shadow desk was added


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    desk: Desk
    view: View
    paper: PaperVenue | None  # None: orders go to the exchange
    clock: Clock
    schedule: MarketSchedule
    resumed_at: datetime | None  # None: it has lived through nothing yet


class Builder:
    """Builds desks on one market, with playbooks from one library."""

    def __init__(self, market: Market, library: Library, voices: Voices) -> None:
        self.market = market
        self.library = library
        self.voices = voices

    async def build(
        self,
        name: str,
        directory: Path,
        journal: Journal,
        *,
        playbook: Playbook,
        start: Decimal,
        at: datetime,
        tags: Mapping[str, str] | None = None,
        live: bool = False,
    ) -> Built:
        """A desk as its last process left it, or one that begins `at` with `start`. It is not started yet, and its
        paper account is the caller's to close. `live`: where the market is a live one, so is this desk; others beside
        it trade on paper."""
        feed, clock = self.market.feed, self._clock()
        exchange = self.market.connection.venue if self.market.connection and self.market.live and live else None
        paper = None if exchange else self._paper(directory, clock, start)
        venue: Venue | None = exchange or paper
        assert venue is not None
        try:
            resumed_at = _lived_until(await journal.load(), paper)
            if isinstance(clock, ManualClock):
                clock.set(resumed_at or at)
            elif paper is not None:
                await live_through(self.market, paper, resumed_at)
            view = View(feed, playbook)
            desk = await Desk.open(
                name=name,
                journal=journal,
                clock=clock,
                market=view,
                venue=venue,
                playbook=playbook,
                arm=self._arm,
                load=self.library.load,
                tags={**self.market.identity, **(tags or {})},
                mode=LIVE if exchange else PAPER,
            )
        except BaseException:
            if paper is not None:
                paper.close()
            raise
        if exchange is not None:
            exchange.follow(desk.book)
        view.use(desk.playbook)
        desk.followers.append(view.use)
        schedule = _schedule(desk, feed)
        if self.market.connection:
            self.market.connection.feed.followers += _on_relisting(desk, schedule, feed, paper)
        return Built(desk=desk, view=view, paper=paper, clock=clock, schedule=schedule, resumed_at=resumed_at)

    def _clock(self) -> Clock:
        return SystemClock() if self.market.connection else ManualClock(self.market.begins)

    def _paper(self, directory: Path, clock: Clock, start: Decimal) -> PaperVenue:
        instruments = self.market.feed.instruments()
        return PaperVenue(instruments=instruments, clock=clock, store=directory / ACCOUNT, start_balance=start)

    def _arm(self, playbook: Playbook) -> Panel:
        return armed(playbook, self.market.lacks, self.voices, self.market.ballots)


def _lived_until(remembered: Remembered | None, venue: PaperVenue | None) -> datetime | None:
    """Whichever of desk and venue lived longer: what the venue has seen already is not played again."""
    desk = remembered.state.market_at if remembered else None
    return max((at for at in (desk, venue.lived_until if venue else None) if at), default=None)


def _schedule(desk: Desk, feed: MarketFeed) -> MarketSchedule:
    """The schedule of the playbook that runs, for what of its universe this market has."""
    schedule = MarketSchedule(desk.playbook.schedule, _symbols(feed, desk.playbook))
    desk.followers.append(lambda playbook: schedule.use(playbook.schedule, _symbols(feed, playbook)))
    return schedule


def _symbols(feed: MarketFeed, playbook: Playbook) -> list[Symbol]:
    return sorted(s for s, i in feed.instruments().items() if i.base in playbook.universe)


def _on_relisting(
    desk: Desk, schedule: MarketSchedule, feed: MarketFeed, paper: PaperVenue | None
) -> list[Callable[[], None]]:
    """What has to be done when the exchange lists other instruments, or the same ones with other steps and fees."""
    again = [lambda: schedule.use(desk.playbook.schedule, _symbols(feed, desk.playbook))]
    return again if paper is None else [*again, lambda: paper.relist(feed.instruments())]


# --- beside the live one ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """A journal that has nobody to tell, and what reads it."""

    journal: Journal
    records: Records
    close: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Yard:
    """Where shadow desks are built and kept: a folder of the live desk's data directory."""

    builder: Builder
    directory: Path
    remember: Callable[[Path], Awaitable[Memory]]
    live: Desk
    hurried: bool  # at full speed decisions without consequence share transactions

    def put_aside(self, name: str) -> None:
        """What a removed shadow desk has left keeps its records, under the next free number."""
        place = self.directory / name
        if place.is_dir():
            numbered = (place.with_name(f"{name}~{n}") for n in itertools.count(1))
            place.rename(next(free for free in numbered if not free.exists()))

    async def prepare(self, name: str) -> Begin:
        """Raises Misuse when it cannot be."""
        playbook = self.builder.library.load(name)
        if not {i.base for i in self.builder.market.feed.instruments().values()} & set(playbook.universe):
            raise Misuse(f"This market has no instrument of {name}.")
        memory = await self.remember(self.directory / name)

        async def begin(equity: Callable[[], Decimal]) -> Shadow:
            async with contextlib.AsyncExitStack() as opened:
                opened.push_async_callback(memory.close)
                shadow = await self._begin(playbook, memory, opened, start=equity())
                opened.pop_all()
            return shadow

        return begin

    async def _begin(
        self, playbook: Playbook, memory: Memory, opened: contextlib.AsyncExitStack, *, start: Decimal
    ) -> Shadow:
        feed, now = self.builder.market.feed, self.live.now()
        built = await self.builder.build(
            "shadow",
            self.directory / playbook.name,
            memory.journal,
            playbook=playbook,
            start=start,
            at=now,
            tags={SINCE: now.isoformat()},
        )
        assert built.paper is not None, "a shadow desk trades on paper"
        paper = built.paper
        opened.callback(paper.close)
        desk = built.desk
        desk.book.patience = GROUP if self.hurried else 0
        desk.patient = self.hurried  # else the live desk would wait for a model that a shadow asks
        if built.resumed_at:
            feed.stand(built.resumed_at)
        await desk.start()

        async def close() -> None:
            paper.close()
            await memory.close()

        return Shadow(
            name=playbook.name,
            desk=desk,
            track=Track(
                desk=desk,
                feed=feed,
                venue=paper,
                clock=built.clock,
                due=built.schedule.due,
                since=None if self.builder.market.connection else built.resumed_at,
            ),
            records=memory.records,
            since=datetime.fromisoformat(desk.book.state.tags[SINCE]),
            close=close,
        )
