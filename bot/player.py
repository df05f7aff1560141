"""Plays a market through the desk: one moment after the other, in the order a venue and a desk would live them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from trading.clock import ManualClock
from trading.desk import Desk
from trading.errors import NoEvidence
from trading.events import DataGap
from trading.market.moments import MarketFeed, Step
from trading.messages import Command
from trading.model import Candle, Quote, Symbol
from trading.ports import Clock


class Pace:
    """How fast market time runs against the wall. `speed` None: as fast as it can."""

    def __init__(self, speed: float | None) -> None:
        self.speed = speed
        self._market: datetime | None = None
        self._wall = 0.0

    async def wait(self, at: datetime) -> None:
        """Until the wall has reached this market time; always lets others run."""
        delay = 0.0
        if self.speed is not None:
            if self._market is None:
                self._market, self._wall = at, time.monotonic()
            due = self._wall + (at - self._market) / timedelta(seconds=1) / self.speed
            delay = due - time.monotonic()
            if delay < -1:  # the machine could not keep up (or slept): go on from here instead of racing after it
                self._market, self._wall = at, time.monotonic()
        await asyncio.sleep(max(delay, 0))


GROUP = 32  # moments


class Driven(Protocol):
    """A venue that lives by the market it is shown: the paper one. A real one lives by itself."""

    def advance(self, candle: Candle, quote: Quote) -> None: ...

    def settle_funding(self, symbol: Symbol, at: datetime, rate: Decimal, mark: Decimal) -> None: ...

    def end_of_data(self, symbol: Symbol) -> None: ...


class Track:
    """One desk in the market: its account, its clock, and from which moment on it plays."""

    def __init__(
        self,
        *,
        desk: Desk,
        feed: MarketFeed,
        venue: Driven,
        clock: Clock,
        due: Callable[[datetime], list[Command]],
        since: datetime | None = None,
    ) -> None:
        self.desk = desk
        self.feed = feed
        self.venue = venue
        self.clock = clock
        self.due = due
        self.since = since  # what was before is lived already; this moment itself may have been interrupted

    async def play(self, step: Step) -> bool:
        """One moment: the venue lives it first, then the desk hears of it, looks at exits, and thinks. False, and
        nothing happens, where this desk has lived it already."""
        if self.since is not None and step.at < self.since:
            return False
        if isinstance(self.clock, ManualClock):  # a real market's is the wall's
            self.clock.set(max(step.at, self.clock.now()))
        await self._happen(step)
        await self._look(step)
        return True

    async def _happen(self, step: Step) -> None:
        desk = self.desk
        for candle in step.candles:
            self.venue.advance(candle, self.feed.touch(candle.symbol, candle.close, candle.closed_at))
            await desk.settle()
        for symbol, at, rate in step.funding:
            self.venue.settle_funding(symbol, at, rate, self.feed.mark(symbol))
            await desk.settle()
        for symbol, after, until, bars in step.gaps:
            await desk.on_gap(DataGap(at=step.at, symbol=symbol, after=after, until=until, bars=bars))
        for symbol in step.ended:
            self.venue.end_of_data(symbol)
            await desk.on_data_ended(symbol)
            await desk.settle()

    async def _look(self, step: Step) -> None:
        desk = self.desk
        for candle in step.candles:
            if desk.watches(candle.symbol):
                with suppress(NoEvidence):  # of a real market: it came too late to act on
                    desk.on_quote(self.feed.quote(candle.symbol))
                await desk.settle()
        desk.on_time()
        await desk.settle()
        for command in self.due(step.due or step.at):
            await desk.obey(command)
            await desk.settle()


Beside = Callable[[Step], Awaitable[None]]


async def nobody(_: Step) -> None:
    """No desk stands beside the live one."""


class Player:
    """Plays each moment for the live desk first, then for whoever stands beside it."""

    def __init__(
        self,
        *,
        desk: Desk,
        feed: MarketFeed,
        venue: Driven,
        clock: Clock,
        due: Callable[[datetime], list[Command]],
        pace: Pace,
        progress: Callable[[datetime], None] = lambda _: None,
        beside: Beside = nobody,
    ) -> None:
        self.desk = desk
        self.live = Track(desk=desk, feed=feed, venue=venue, clock=clock, due=due)
        self.pace = pace
        self.progress = progress
        self.beside = beside
        self.stopping = asyncio.Event()

    async def run(self, steps: Iterator[Step]) -> bool:
        """Play until the market ends (True) or `stopping` is set (False)."""
        # At full speed decisions without consequence share transactions; a crash only has them made again.
        self.desk.book.patience = GROUP if self.pace.speed is None else 0
        self.desk.patient = self.pace.speed is None
        for step in steps:
            await self._wait(step.at)
            if self.stopping.is_set():
                return False
            await self.play(step)
            self.progress(step.at)
        return True

    async def play(self, step: Step) -> None:
        await self.live.play(step)
        await self.beside(step)

    async def _wait(self, at: datetime) -> None:
        """Pace, but wake up at once when told to stop."""
        if self.pace.speed is None:
            await self.pace.wait(at)
            return
        waiting = asyncio.ensure_future(self.pace.wait(at))
        stopping = asyncio.ensure_future(self.stopping.wait())
        await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (waiting, stopping):
            task.cancel()
        await asyncio.gather(waiting, stopping, return_exceptions=True)
