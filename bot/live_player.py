"""Takes a real market's steps to the desk. Nothing here waits for a venue, a model or a shadow: quotes come first."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta

from bot.player import Beside, Driven, nobody
from trading.desk import Desk
from trading.errors import NoEvidence
from trading.market.moments import Step
from trading.messages import Command
from trading.venues.exchange.live_feed import LiveFeed

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(seconds=1)  # at what is unfinished


class LivePlayer:
    """`venue`: a paper account that lives by these prices; None where orders go to the exchange. `keep`: what has to
    run beside, the exchange's streams and reads."""

    def __init__(
        self,
        *,
        desk: Desk,
        feed: LiveFeed,
        venue: Driven | None,
        due: Callable[[datetime], list[Command]],
        keep: Callable[[], Awaitable[None]],
        progress: Callable[[datetime], None] = lambda _: None,
        beside: Beside = nobody,
    ) -> None:
        self.desk = desk
        self.feed = feed
        self.venue = venue
        self.due = due
        self.keep = keep
        self.progress = progress
        self.beside = beside
        self.stopping = asyncio.Event()
        self._looked_at: datetime | None = None
        self._doing: dict[Command, asyncio.Task[None]] = {}
        self._aside: asyncio.Queue[Step] = asyncio.Queue()

    async def run(self) -> bool:
        """Until `stopping` is set (False). A real market never ends."""
        self.desk.patient = False
        self.feed.held = self.desk.watches
        beside = [
            asyncio.ensure_future(self.keep()),
            asyncio.create_task(self._shadow(), name="shadow desks"),
            asyncio.create_task(self._hurry(), name="end"),
        ]
        try:
            async for step in self.feed.steps():
                if self.stopping.is_set():
                    return False
                for task in beside:
                    if task.done():
                        task.result()  # what keeps the market current has died: so does the desk, and says why
                self.play(step)
                await asyncio.sleep(0)
        finally:
            for task in (*beside, *self._doing.values()):
                task.cancel()
            await asyncio.gather(*beside, *self._doing.values(), return_exceptions=True)
        return False

    def play(self, step: Step) -> None:
        """The paper account lives it first; then exits look; then whatever is due."""
        desk = self.desk
        if self.venue is not None:
            for candle in step.candles:
                self.venue.advance(candle, self.feed.touch(candle.symbol, candle.close, candle.closed_at))
            for symbol, at, rate in step.funding:
                self.venue.settle_funding(symbol, at, rate, self.feed.mark(symbol))
        for candle in step.candles:
            if desk.watches(candle.symbol):
                with suppress(NoEvidence):  # it came too late to act on
                    desk.on_quote(self.feed.quote(candle.symbol))
        if self._looked_at is None or step.at - self._looked_at >= LOOK_EVERY:
            self._looked_at = step.at
            desk.on_time()
        for command in self.due(step.due or step.at):
            self._do(command)
        self._aside.put_nowait(step)
        if step.candles:  # without a quote the market has not moved on
            self.progress(step.at)

    def _do(self, command: Command) -> None:
        """Beside the market, and not again while it is being done: a look at the venue's books may hang."""
        if command not in self._doing:
            task = asyncio.create_task(self._obey(command), name=type(command).__name__)
            self._doing[command] = task
            task.add_done_callback(lambda _: self._doing.pop(command, None))

    async def _obey(self, command: Command) -> None:
        try:
            await self.desk.obey(command)
        except Exception:
            log.exception("%s failed", type(command).__name__)

    async def _hurry(self) -> None:
        """Who wants to stop does not wait for the market."""
        await self.stopping.wait()
        self.feed.hurry()

    async def _shadow(self) -> None:
        while True:
            await self.beside(await self._aside.get())
