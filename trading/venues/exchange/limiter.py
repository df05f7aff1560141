"""The exchange's limits, kept on our side: sliding windows, and lanes so that an exit never waits behind reading."""

import asyncio
import itertools
import math
import time
from bisect import insort
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

from trading.errors import RateLimited
from trading.venues.exchange.wire import Lane, Rate

SHARE = {Lane.EXIT: 1.0, Lane.ENTRY: 0.85, Lane.READ: 0.7}  # of a window, so that exits find room
PATIENCE = {Lane.EXIT: 10.0, Lane.ENTRY: 2.0, Lane.READ: 5.0}  # seconds; who would wait longer is told at once
JITTER = 0.1  # seconds: requests may arrive closer to each other than they left


class Cancellable(Protocol):
    def cancel(self) -> None: ...


_urgent: ContextVar[bool] = ContextVar("urgent", default=False)


@contextmanager
def urgently() -> Iterator[None]:
    """What is read inside has the turn of an exit: a guard is looked for before everything else."""
    token = _urgent.set(True)
    try:
        yield
    finally:
        _urgent.reset(token)


Later = Callable[[float, Callable[[], None]], Cancellable]


@dataclass(slots=True)
class Silence:
    """Until when nothing may be sent. Shared by the clients of one address: a ban is of the address."""

    until: float = -math.inf


class Limiter:
    """Hands out the right to send. One event loop only.

    A rate whose name starts with "order" counts orders, every other one counts `cost`.
    """

    def __init__(
        self,
        rates: Sequence[Rate],
        *,
        silence: Silence | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        later: Later | None = None,
    ) -> None:
        """`later(seconds, call)` is the loop's call_later, another one in tests."""
        self._windows = [_Window(rate, name) for rate, name in zip(rates, _names(rates), strict=True)]
        self._silence = silence or Silence()
        self._monotonic = monotonic
        self._later = later
        self._numbers = itertools.count()
        self._waiting: list[_Waiter] = []
        self._alarm: Cancellable | None = None

    async def take(self, lane: Lane, *, cost: int = 1, orders: int = 0) -> None:
        """Wait for the turn. Raises RateLimited at once where that would take longer than the lane has patience."""
        waiter = self._waiter(Lane.EXIT if _urgent.get() else lane, cost, orders)
        insort(self._waiting, waiter, key=_rank)
        try:
            self._pump()
            refused = await waiter.turn
        finally:
            if waiter in self._waiting:  # cancelled
                self._waiting.remove(waiter)
                self._pump()
        if refused is not None:
            raise refused

    def pause(self, seconds: float) -> None:
        """Send nothing for so long, on any lane: the exchange has asked for it."""
        self._silence.until = max(self._silence.until, self._monotonic() + seconds)
        self._pump()

    def learn(self, headers: Mapping[str, str]) -> None:
        """Take in how much the exchange says is used, by others at this address too: the larger figure counts."""
        now = self._monotonic()
        for window in self._windows:
            if window.header:
                told = next((value for name, value in headers.items() if name.lower() == window.header), "")
                if told.isascii() and told.isdigit():
                    window.spend(now, int(told) - window.used(now))

    def used(self) -> dict[str, tuple[int, int]]:
        """Used and allowed, by the name of the rate."""
        now = self._monotonic()
        return {window.name: (window.used(now), window.limit) for window in self._windows}

    @property
    def silent_for(self) -> float:
        """Seconds; 0: not silent."""
        return max(0.0, self._silence.until - self._monotonic())

    def _waiter(self, lane: Lane, cost: int, orders: int) -> "_Waiter":
        needs = []
        for window in self._windows:
            amount = min(orders if window.of_orders else cost, window.limit)
            if amount > 0:
                needs.append((window, amount))
        turn: asyncio.Future[RateLimited | None] = asyncio.get_running_loop().create_future()
        return _Waiter(lane, next(self._numbers), needs, self._monotonic() + PATIENCE[lane], turn)

    def _pump(self) -> None:
        """Give everyone his turn who may have it, in order; refuse who would wait too long; be back in time."""
        now = self._monotonic()
        held: set[str] = set()  # windows that somebody further ahead is waiting for
        wake = math.inf
        left: list[_Waiter] = []
        for waiter in self._waiting:
            behind = not held.isdisjoint(window.name for window, _ in waiter.needs)
            ready = max(self._silence.until, waiter.ready(now))
            if waiter.turn.done():
                continue
            if ready <= now and not behind:
                waiter.go(now)
            elif ready > waiter.deadline or waiter.deadline <= now:
                waiter.refuse(max(ready - now, JITTER))
            else:
                left.append(waiter)
                held.update(window.name for window, _ in waiter.needs)
                wake = min(wake, waiter.deadline, ready if ready > now else math.inf)
        self._waiting = left
        self._wake_in(wake - now)

    def _wake_in(self, seconds: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if seconds < math.inf:
            later = self._later or asyncio.get_running_loop().call_later
            self._alarm = later(max(seconds, 0.001), self._pump)


class _Window:
    """What was spent within the last `per`."""

    __slots__ = ("_per", "_spent", "_total", "header", "limit", "name", "of_orders")

    def __init__(self, rate: Rate, name: str) -> None:
        self.name = name
        self.limit = rate.limit
        self.of_orders = rate.name.startswith("order")
        self.header = rate.header.lower()
        self._per = rate.per.total_seconds() + JITTER
        self._spent: deque[tuple[float, int]] = deque()
        self._total = 0

    def used(self, now: float) -> int:
        while self._spent and self._spent[0][0] + self._per <= now:
            self._total -= self._spent.popleft()[1]
        return self._total

    def spend(self, now: float, amount: int) -> None:
        if amount > 0:
            self._spent.append((now, amount))
            self._total += amount

    def ready(self, now: float, lane: Lane, amount: int) -> float:
        """When there is room for it, if nobody else spends."""
        # What is larger than its lane's share goes when the window is empty: else it would never go.
        room = max(int(self.limit * SHARE[lane]) - amount, 0)
        used = self.used(now)
        if used <= room:
            return now
        for at, spent in self._spent:
            used -= spent
            if used <= room:
                return at + self._per
        return now


@dataclass(slots=True, eq=False)
class _Waiter:
    lane: Lane
    number: int
    needs: list[tuple[_Window, int]]
    deadline: float
    turn: "asyncio.Future[RateLimited | None]" = field(repr=False)

    def ready(self, now: float) -> float:
        return max((window.ready(now, self.lane, amount) for window, amount in self.needs), default=now)

    def go(self, now: float) -> None:
        for window, amount in self.needs:
            window.spend(now, amount)
        self.turn.set_result(None)

    def refuse(self, seconds: float) -> None:
        why = f"our own limit for this exchange is reached: {seconds:.1f} s to wait"
        self.turn.set_result(RateLimited(why, retry_after=seconds))


def _rank(waiter: _Waiter) -> tuple[Lane, int]:
    return waiter.lane, waiter.number


def _names(rates: Sequence[Rate]) -> Iterator[str]:
    """Names as given, with the window's length where two have the same."""
    often = Counter(rate.name for rate in rates)
    for rate in rates:
        yield rate.name if often[rate.name] == 1 else f"{rate.name} in {rate.per.total_seconds():g} s"
