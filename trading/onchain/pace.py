"""When the next call may leave: a bucket of one token, on the event loop's own clock."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

RATE = 4.0  # calls a second
SLOWEST = 1.0
SLOWER = 0.6  # a provider that has said "too fast" is asked at this part of the rate from then on


class Pace(Protocol):
    async def turn(self) -> None:
        """Wait until another call may leave. Callers are served in their order."""
        ...

    async def rest(self, seconds: float) -> None:
        """Wait, before the same is asked again."""
        ...

    def slow_down(self) -> None:
        """The provider has said that it is asked too often."""
        ...


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


class Bucket:
    def __init__(
        self,
        rate: float = RATE,
        *,
        now: Callable[[], float] = _loop_time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rate, self._now, self._sleep = rate, now, sleep
        self._next: float | None = None

    async def turn(self) -> None:
        now = self._now()
        mine = now if self._next is None else max(now, self._next)
        self._next = mine + 1 / self._rate
        if mine > now:
            await self._sleep(mine - now)

    async def rest(self, seconds: float) -> None:
        await self._sleep(seconds)

    def slow_down(self) -> None:
        self._rate = max(SLOWEST, self._rate * SLOWER)
