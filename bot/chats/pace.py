"""How fast a platform lets us talk: one turn at a time in each chat, people's answers before alerts, and a pause in one
chat holds up no other."""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

SLACK = 0.1  # seconds on top of a pause that was asked for: clocks differ
_MANY = 1000  # chats remembered; idle ones beyond that are forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most `count` messages in any `seconds`."""

    count: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Telegram's, by its own account: https://core.telegram.org/bots/faq, "My bot is hitting limits"."""

    private: tuple[Limit, ...] = (Limit(count=1, seconds=1.0),)
    group: tuple[Limit, ...] = (Limit(count=1, seconds=1.0), Limit(count=20, seconds=60.0))
    overall: tuple[Limit, ...] = (Limit(count=30, seconds=1.0),)


class Window:
    """Counts what was sent against limits. Times are the event loop's, in seconds."""

    def __init__(self, limits: Sequence[Limit]) -> None:
        self._limits = limits
        self._sent: deque[float] = deque(maxlen=max(limit.count for limit in limits))

    def count(self, now: float) -> None:
        self._sent.append(now)

    def due(self) -> float:
        """The moment from which one more message is within every limit."""
        full = [limit for limit in self._limits if len(self._sent) >= limit.count]
        return max((self._sent[-limit.count] + limit.seconds for limit in full), default=0.0)


class Gate:
    """One chat's turnstile."""

    def __init__(self, limits: Sequence[Limit], overall: Window) -> None:
        self._window = Window(limits)
        self._overall = overall
        self._held_until = 0.0
        self._waiting: list[tuple[bool, int]] = []
        self._number = itertools.count()
        self._inside = False
        self._changed = asyncio.Event()

    def hold(self, seconds: float) -> None:
        """The platform asked for a pause in this chat."""
        self._held_until = max(self._held_until, _now() + seconds + SLACK)

    @property
    def idle(self) -> bool:
        return not self._inside and not self._waiting and self._due() <= _now()

    @asynccontextmanager
    async def turn(self, *, first: bool) -> AsyncIterator[None]:
        """Enter when it is our turn and the pace allows it; `first` goes before those who are not."""
        await self._wait(first=first)
        self._inside = True
        self._overall.count(_now())
        try:
            yield
        finally:
            # Counted from the end of the call, so that two arrivals over there are never closer than two calls here.
            self._window.count(_now())
            self._inside = False
            self._tell()

    async def await_turn(self) -> None:
        """Wait until an alert could enter, without entering."""
        await self._wait(first=False)

    async def _wait(self, *, first: bool) -> None:
        me = (not first, next(self._number))
        self._waiting.append(me)
        try:
            while (pause := self._pause(me)) != 0:
                await self._change(pause)
        finally:
            self._waiting.remove(me)
            self._tell()

    def _pause(self, me: tuple[bool, int]) -> float | None:
        """Seconds until it may be our turn; 0: now; None: when something has changed."""
        if self._inside or min(self._waiting) != me:
            return None
        return max(0.0, self._due() - _now())

    def _due(self) -> float:
        return max(self._window.due(), self._overall.due(), self._held_until)

    async def _change(self, within: float | None) -> None:
        try:
            async with asyncio.timeout(within):
                await self._changed.wait()
        except TimeoutError:
            return  # the pace has come round; the caller looks again

    def _tell(self) -> None:
        """Wake all who wait; each looks for itself whether it is its turn."""
        self._changed.set()
        self._changed = asyncio.Event()


class Pace:
    """The gates of all chats. Negative ids are groups."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._overall = Window(limits.overall)
        self._gates: dict[int, Gate] = {}

    def gate(self, chat: int) -> Gate:
        if chat not in self._gates:
            self._forget()
            self._gates[chat] = Gate(self._limits.group if chat < 0 else self._limits.private, self._overall)
        return self._gates[chat]

    def _forget(self) -> None:
        if len(self._gates) >= _MANY:
            self._gates = {chat: gate for chat, gate in self._gates.items() if not gate.idle}


def _now() -> float:
    return asyncio.get_running_loop().time()
