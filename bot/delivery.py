"""Outbox -> chats. A worker for each destination: order within a lane, urgent lanes first, nothing dropped or twice.

A row is marked `sending` before its request leaves and `sent` after the answer. When a chat is down it is the
destination that pauses, never a single row, so nothing can overtake it within its lane. A row whose request was under
way when the last process ended is sent again under its old key; a chat that cannot tell gets a line that says so.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol, runtime_checkable

from bot.surface import Card, Chat, ChatDown, ChatRefused
from storage.outbox import Outgoing
from trading.errors import GavelError, IllegalTransition
from trading.messages import Event
from trading.ports import Clock

REPEAT = "(may be a repeat: the last process ended while this was being sent)"

log = logging.getLogger(__name__)
_BATCH = 500  # rows at a time, where a chat knows its keys


class Outbox(Protocol):
    """What is to be told, and how far that is. Every call may raise JournalUnwritable or BadRecord."""

    async def pending(self, destination: str, limit: int) -> list[Outgoing]: ...

    async def sending(self, ids: Sequence[int]) -> None: ...

    async def sent_all(self, references: Mapping[int, str]) -> None: ...

    async def retry(self, id: int, *, at: datetime, error: str) -> None: ...

    async def dead(self, id: int, error: str) -> None: ...

    async def unfinished(self) -> list[int]: ...

    async def depth(self) -> dict[str, tuple[int, datetime]]: ...


@runtime_checkable
class Paced(Protocol):
    """A chat with a speed limit. Waiting for it before a row is chosen lets an urgent one still go first, and leaves
    no row half sent when the process ends meanwhile."""

    async def await_turn(self, destination: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationHealth:
    destination: str
    waiting: int
    oldest: datetime | None  # when the oldest of them was queued
    error: str  # the last; empty once a message has got through again
    since: datetime | None  # when this trouble began
    dead: int  # messages this destination refused for good, since the process began
    refusal: str  # why, the last of them


@dataclass(slots=True, kw_only=True)
class _Line:
    """One destination's state in memory."""

    destination: str
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    mail: asyncio.Event = field(default_factory=asyncio.Event)
    books: deque[Callable[[], Awaitable[None]]] = field(default_factory=deque)  # what the outbox has not been told yet
    failures: int = 0  # in a row
    error: str = ""
    since: datetime | None = None
    dead: int = 0
    refusal: str = ""

    @property
    def platform(self) -> str:
        return self.destination.partition(":")[0]


class Delivery:
    """`remembering`: platforms that know a key after a restart. `render` gives None for what is not worth telling."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        chats: Mapping[str, Chat],
        render: Callable[[Event], Card | None],
        wall: Clock,
        remembering: frozenset[str] = frozenset({"console"}),
        late_after: timedelta = timedelta(seconds=60),
        first_pause: timedelta = timedelta(seconds=1),
        longest_pause: timedelta = timedelta(seconds=60),
        grace: timedelta = timedelta(seconds=2),
    ) -> None:
        self._outbox = outbox
        self._chats = chats
        self._render = render
        self._wall = wall
        self._remembering = remembering
        self._late_after = late_after
        self._first_pause = first_pause.total_seconds()
        self._longest_pause = longest_pause.total_seconds()
        self._grace = grace.total_seconds()
        self._lines: dict[str, _Line] = {}
        self._grown = asyncio.Event()
        self._starting = asyncio.Lock()
        self._started = False
        self._stopping = False
        self._repeats: set[int] = set()

    def wake(self, destinations: Iterable[str]) -> None:
        """Something was queued for these."""
        for destination in destinations:
            self._line(destination).mail.set()

    async def run(self) -> None:
        """Deliver for ever. On cancellation what is being sent is finished first, for as long as the grace lasts."""
        workers: dict[str, asyncio.Task[None]] = {}
        begin = asyncio.create_task(self._begin())
        try:
            while True:
                self._grown.clear()
                for name in self._lines.keys() - workers.keys():
                    workers[name] = asyncio.create_task(self._work(self._lines[name]), name=f"delivery {name}")
                await self._grown.wait()
        finally:
            begin.cancel()
            await self._stop(workers)

    async def drain(self, within: timedelta) -> int:
        """Send what is due, without waiting for a chat that is down. Returns how many messages are left."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self._start()
                waiting = list(await self._outbox.depth())
                await asyncio.gather(*(self._drain(self._line(name)) for name in waiting))
        except TimeoutError:
            log.info("not everything could be delivered within %s", within)
        return sum(count for count, _ in (await self._outbox.depth()).values())

    async def health(self) -> tuple[DestinationHealth, ...]:
        depth = await self._outbox.depth()
        return tuple(self._health(name, depth.get(name)) for name in sorted({*self._lines, *depth}))

    def _health(self, name: str, depth: tuple[int, datetime] | None) -> DestinationHealth:
        line = self._line(name)
        waiting, oldest = depth or (0, None)
        return DestinationHealth(
            destination=name,
            waiting=waiting,
            oldest=oldest,
            error=line.error,
            since=line.since,
            dead=line.dead,
            refusal=line.refusal,
        )

    # --- starting and stopping ----------------------------------------------------------------------------------

    async def _begin(self) -> None:
        """Wake whoever has mail from before."""
        pause = self._first_pause
        while True:
            try:
                await self._start()
                self.wake(await self._outbox.depth())
                return
            except GavelError as error:
                log.warning("the outbox cannot be read yet: %s", error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, self._longest_pause)

    async def _start(self) -> None:
        """Once, before anything is sent: what was being sent when the last process ended?"""
        async with self._starting:
            if not self._started:
                self._repeats.update(await self._outbox.unfinished())
                self._started = True

    async def _stop(self, workers: Mapping[str, asyncio.Task[None]]) -> None:
        self._stopping = True
        busy = {task for name, task in workers.items() if self._lines[name].busy.locked()}
        if busy:
            await asyncio.wait(busy, timeout=self._grace)
        for task in workers.values():
            task.cancel()
        await asyncio.gather(*workers.values(), return_exceptions=True)
        self._stopping = False

    def _line(self, destination: str) -> _Line:
        if destination not in self._lines:
            self._lines[destination] = _Line(destination=destination)
            self._grown.set()
        return self._lines[destination]

    async def _work(self, line: _Line) -> None:
        while not self._stopping:
            await line.mail.wait()
            line.mail.clear()
            pause = await self._deliver(line)
            if pause is not None:
                line.mail.set()
                await asyncio.sleep(pause)

    async def _drain(self, line: _Line) -> None:
        pause = await self._deliver(line)
        if pause is not None and line.failures == 0:  # the chat itself said how long
            await asyncio.sleep(pause)
            await self._drain(line)

    # --- sending ------------------------------------------------------------------------------------------------

    async def _deliver(self, line: _Line) -> float | None:
        """Send what is due. Returns None when nothing is, else the seconds to pause before the next try."""
        chat = self._chats.get(line.platform)
        if chat is None:
            self._trouble(line, f"there is no {line.platform} chat in this process")
            return None
        async with line.busy:
            try:
                await self._start()
                await self._settle(line)
                while not self._stopping and await self._send_some(line, chat):
                    self._well(line)
                self._well(line)
                return None
            except ChatDown as error:
                return self._failed(line, str(error), error.retry_after)
            except GavelError as error:
                return self._failed(line, str(error), None)
            except Exception as error:  # one destination must not silence the others
                log.exception("delivery to %s failed", line.destination)
                return self._failed(line, repr(error), None)

    async def _send_some(self, line: _Line, chat: Chat) -> bool:
        """The next message, or a batch where the chat knows its keys. False when there is none."""
        if isinstance(chat, Paced) and await self._outbox.pending(line.destination, 1):
            await chat.await_turn(line.destination)
        rows = await self._outbox.pending(line.destination, _BATCH if line.platform in self._remembering else 1)
        if not rows:
            return False
        await self._outbox.sending([row.id for row in rows])
        told: dict[int, str] = {}
        line.books.append(partial(self._outbox.sent_all, told))
        for number, row in enumerate(rows):
            try:
                await self._send(line, chat, row, told)
            except Exception as error:
                self._put_back(line, rows[number:], str(error))
                await self._settle(line)
                raise
        await self._settle(line)
        return True

    async def _send(self, line: _Line, chat: Chat, row: Outgoing, told: dict[int, str]) -> None:
        card = self._card(row)
        to = row.destination
        try:
            told[row.id] = "" if card is None else await chat.send(to, card, key=row.key, silent=row.silent)
        except ChatRefused as refusal:
            log.warning("%s refused a message for good: %s", to, refusal)
            line.dead, line.refusal = line.dead + 1, str(refusal)
            line.books.append(partial(self._outbox.dead, row.id, str(refusal)))
        self._repeats.discard(row.id)

    def _put_back(self, line: _Line, rows: Sequence[Outgoing], error: str) -> None:
        """Due again at once: it is the destination that pauses, so that the order is kept."""
        now = self._wall.now()
        line.books.extend(partial(self._outbox.retry, row.id, at=now, error=error) for row in rows)

    async def _settle(self, line: _Line) -> None:
        """Tell the outbox what became of its rows. What it does not take now is told again later."""
        while line.books:
            try:
                await line.books[0]()
            except IllegalTransition as error:
                log.warning("the outbox knew that already: %s", error)
            line.books.popleft()

    # --- words ----------------------------------------------------------------------------------------------------

    def _card(self, row: Outgoing) -> Card | None:
        card = self._worded(row.event)
        if card is None:
            return None
        notes = []
        age = self._wall.now() - row.queued_at
        if age > self._late_after:
            notes.append(f"late: queued {row.queued_at:%H:%M} UTC, {age // timedelta(minutes=1)} min ago")
        if row.id in self._repeats and row.destination.partition(":")[0] not in self._remembering:
            notes.append(REPEAT)
        return replace(card, lines=(*card.lines, *notes)) if notes else card

    def _worded(self, event: Event) -> Card | None:
        try:
            return self._render(event)
        except Exception as error:  # an alert is not lost to a fault in its wording
            log.exception("%s could not be worded", type(event).__name__)
            return Card(title=f"{type(event).__name__} (not worded: {error!r})", detail=(repr(event),))

    # --- health -------------------------------------------------------------------------------------------------

    def _failed(self, line: _Line, error: str, retry_after: float | None) -> float:
        """The pause before the next try: what the chat said, or 1, 2, 4 .. 60 seconds."""
        self._trouble(line, error)
        if retry_after is not None:
            return retry_after
        line.failures += 1
        return min(self._first_pause * 2.0 ** min(line.failures - 1, 30), self._longest_pause)

    def _trouble(self, line: _Line, error: str) -> None:
        if not line.error:
            log.warning("%s cannot be reached: %s", line.destination, error)
            line.since = self._wall.now()
        line.error = error

    def _well(self, line: _Line) -> None:
        if line.error:
            log.info("%s is reached again", line.destination)
        line.failures, line.error, line.since = 0, "", None
