"""Keeps the subscriptions of a connection awake. What comes over them passes the client's tap, not here.

A channel that fails is opened again, with growing pauses. That it is gone, and that it is back, is said once each;
whoever is told that it is back reads what the gap may have hidden. A channel on which nothing happens is silent for
hours: it stands when it has not failed for a while, not only when it brings something.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from trading.ports import Clock
from trading.venues.exchange.wire import Channel

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 20.0  # seconds
STANDS_AFTER = 2.0  # seconds without a failure


class Listening:
    """`back` is called each time all channels have come to stand: the first time, and after each gap."""

    def __init__(
        self,
        name: str,
        channels: Sequence[Channel],
        clock: Clock,
        *,
        back: Callable[[], None],
        stands_after: float = STANDS_AFTER,
    ) -> None:
        self.name = name
        self.down_since: datetime | None = None
        self._channels = channels
        self._clock = clock
        self._back = back
        self._stands_after = stands_after
        self._tasks: list[asyncio.Task[None]] = []
        self._standing: set[str] = set()
        self._down: dict[str, str] = {}  # channel -> why
        self._pauses: dict[str, float] = {}  # channel -> before it is opened again

    @property
    def why(self) -> str:
        """What does not come; "" while all does."""
        return next(iter(self._down.values()), "")

    @property
    def stands(self) -> bool:
        return len(self._standing) == len(self._channels)

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._keep(c), name=f"{self.name}: {c.name}") for c in self._channels]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self._standing.clear()

    async def renew(self, channels: Sequence[Channel]) -> None:
        """Listen to these from now on."""
        running = bool(self._tasks)
        await self.close()
        self._channels = channels
        self._down.clear()
        self.down_since = None
        if running:
            self.start()

    async def _keep(self, channel: Channel) -> None:
        while True:
            try:
                await self._watch(channel)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a library raises, the channel is opened again
                self._lost(channel.name, type(error).__name__)
            pause = self._pauses.get(channel.name, FIRST_PAUSE)
            self._pauses[channel.name] = min(pause * 2, LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _watch(self, channel: Channel) -> None:
        """Until it fails."""
        patience = asyncio.get_running_loop().call_later(self._stands_after, self._stood, channel.name)
        try:
            while True:
                await channel.watch()
                self._stood(channel.name)
        finally:
            patience.cancel()

    def _lost(self, channel: str, why: str) -> None:
        if self.down_since is None:
            self.down_since = self._clock.now()
            log.warning("%s: the stream is down (%s); read over REST meanwhile", self.name, why)
        self._down[channel] = why
        self._standing.discard(channel)

    def _stood(self, channel: str) -> None:
        self._pauses.pop(channel, None)
        self._down.pop(channel, None)
        if channel in self._standing:
            return
        self._standing.add(channel)
        if not self.stands:
            return
        if self.down_since is not None:
            self.down_since = None
            log.info("%s: the stream is back", self.name)
        self._back()
