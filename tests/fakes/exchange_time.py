"""An event loop whose time jumps: where everybody waits, it is at once the moment that somebody waits for.

A time limit of ten seconds costs nothing, and means ten seconds to the desk, the adapter and the emulated exchange
alike. Only what is computed takes real time, and of that the clock sees next to nothing, so that a slow machine changes
no outcome. For what goes on inside one process: sockets on loopback, no threads."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

BEGAN = datetime(2060, 3, 1, 12, 0, tzinfo=UTC)  # ccxt holds pongs against the machine's clock: ahead of that one
STEP = 0.0002  # seconds that pass with each look at the sockets that has found something
_GIVE_UP = 20.0  # real seconds without anything to wait for


class _Jumping(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        if found or (timeout is not None and timeout <= 0):
            self.now += STEP if found else 0.0
            return found
        found = super().select(_GIVE_UP if timeout is None else 0.0001)  # what is still on its way through the kernel
        if timeout is None and not found:
            raise RuntimeError("nothing is awaited that could ever happen")
        self.now += STEP if found or timeout is None else timeout
        return found


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


class LoopClock:
    """The time of the running loop, as of a day that is always the same."""

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=asyncio.get_running_loop().time())

    def ms(self) -> int:
        return round(self.now().timestamp() * 1000)


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """To its end, on a loop of its own."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(main())
