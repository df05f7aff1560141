"""Outbox -> chats. A worker for each destination: order within a lane, urgent lanes first, nothing dropped or twice.

A row is marked `sending` before its request leaves and `sent` after the answer. When a chat is down it is the
destination that pauses, never a single row, so nothing can overtake it within its lane. A row whose request was under
way when the last process ended is sent again under its old key; a chat that cannot tell gets a line that says so.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from bot.delivery.courier import DIGEST, Courier
from bot.delivery.line import DestinationHealth, Line
from bot.delivery.ports import Illustrate, NoWishes, Outbox, Render, Wishes
from bot.delivery.words import Pictures, Words
from bot.render.alerts import render_event
from bot.render.words import RenderContext
from bot.surface import Chat, ChatDown
from storage.mail import Bundle, Outgoing, Overdue
from storage.mail import Delivery as RowState
from trading.errors import GavelError
from trading.ports import Clock

log = logging.getLogger(__name__)


def _plain(_: str) -> RenderContext:
    return RenderContext()


def _nowhere(_: str) -> Sequence[str]:
    return ()


class Delivery:
    """`remembering`: platforms that know a key after a restart. `stand_ins`: where else a critical alert goes."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        chats: Mapping[str, Chat],
        wall: Clock,
        render: Render = render_event,
        about: Callable[[str], RenderContext] = _plain,
        wishes: Wishes | None = None,
        owner: Callable[[str], str] = str,
        stand_ins: Callable[[str], Sequence[str]] = _nowhere,
        illustrate: Illustrate | None = None,
        remembering: frozenset[str] = frozenset({"console"}),
        late_after: timedelta = timedelta(seconds=60),
        stand_in_after: timedelta = timedelta(seconds=30),
        picture_within: timedelta = timedelta(seconds=1),
        first_pause: timedelta = timedelta(seconds=1),
        longest_pause: timedelta = timedelta(seconds=60),
        grace: timedelta = timedelta(seconds=2),
        calm: timedelta = timedelta(seconds=1),
    ) -> None:
        """`about`: how cards are dressed at a destination; `owner`: whose wishes hold there. `calm`: after so long
        without a message no chat's pace is in the way of the next."""
        self._outbox = outbox
        self._chats = chats
        self._wall = wall
        self._wishes = wishes or NoWishes()
        self._owner = owner
        self._stand_ins = stand_ins
        self._stand_in_after = stand_in_after
        self._remembering = remembering
        self._first_pause = first_pause.total_seconds()
        self._longest_pause = longest_pause.total_seconds()
        self._grace = grace.total_seconds()
        self._calm = calm
        words = Words(
            render=render,
            about=about,
            wishes=self._wishes,
            owner=owner,
            late_after=late_after,
            stand_in_after=stand_in_after,
        )
        pictures = Pictures(illustrate, within=picture_within)
        self._courier = Courier(outbox=outbox, words=words, pictures=pictures, wall=wall, late_after=late_after)
        self._lines: dict[str, Line] = {}
        self._grown = asyncio.Event()
        self._starting = asyncio.Lock()
        self._started_at: datetime | None = None
        self._handed: set[tuple[int, str]] = set()  # critical rows that were handed over
        self._running = False
        self._stopping = False

    # --- what is to be sent ---------------------------------------------------------------------------------------

    def hear(self, rows: Sequence[Outgoing]) -> None:
        """These were committed just now: they are sent without being read back. For `SqlJournal.mail`."""
        for row in rows:
            line = self._line(row.destination)
            if row.state is RowState.SENDING:
                line.promised = None
            line.queue.hear(row)
            line.mail.set()

    def claims(self, destination: str) -> bool:
        """Whether the row that is about to be committed for it is sent at once; then it is waited for, and goes before
        any other. For `SqlJournal.claim`."""
        line = self._lines.get(destination)
        if line is None or line.batched or not self._running or not line.idle:
            return False
        calm = line.sent_at is None or self._wall.now() - line.sent_at >= self._calm
        if calm:
            line.promise()
        return calm

    def wake(self, destinations: Iterable[str]) -> None:
        """Something waits for these in the outbox."""
        for destination in destinations:
            line = self._line(destination)
            line.queue.forget()
            line.mail.set()

    async def tick(self) -> None:
        """Every second or two: whatever was not handed over, bundles whose time has come, critical alerts that a
        platform does not take."""
        self.wake(await self._outbox.depth())
        now = self._wall.now()
        for bundle in await self._outbox.held():
            self._look_at(bundle, now)
        await self._stand_in(now)

    def _look_at(self, bundle: Bundle, now: datetime) -> None:
        line, name = self._line(bundle.destination), bundle.bundle
        due_at = bundle.due_at
        if name == DIGEST:
            due_at = self._wishes.digest_at(self._owner(bundle.destination), bundle.oldest)
        else:
            line.backoff.held(name, due_at)
        if due_at <= now:
            line.due[name] = bundle.lane
            line.mail.set()

    async def _stand_in(self, now: datetime) -> None:
        """A platform gets its time after a start too: what is from before it may only just have been read."""
        if self._started_at is None or now - self._started_at < self._stand_in_after:
            return
        overdue = await self._outbox.overdue(now - self._stand_in_after)
        self._handed &= {(row.seq, row.destination) for row in overdue}
        for row in overdue:
            if (row.seq, row.destination) not in self._handed:
                await self._hand_over(row)

    async def _hand_over(self, row: Overdue) -> None:
        new = await self._outbox.hand_over(row, self._stand_ins(row.destination))
        self._handed.add((row.seq, row.destination))
        self.wake(new)
        if new:
            log.warning("%s has not taken a critical alert: it goes to %s", row.destination, ", ".join(new))

    # --- running --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Deliver for ever. On cancellation what is being sent is finished first, for as long as the grace lasts."""
        workers: dict[str, asyncio.Task[None]] = {}
        begin = asyncio.create_task(self._begin())
        self._running = True
        try:
            while True:
                self._grown.clear()
                for name in self._lines.keys() - workers.keys():
                    workers[name] = asyncio.create_task(self._work(self._lines[name]), name=f"delivery {name}")
                await self._grown.wait()
        finally:
            self._running = False
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
        return tuple(self._line(name).health(depth.get(name)) for name in sorted({*self._lines, *depth}))

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
            if self._started_at is None:
                self._courier.repeats.update(await self._outbox.unfinished())
                self._started_at = self._wall.now()

    async def _stop(self, workers: Mapping[str, asyncio.Task[None]]) -> None:
        self._stopping = True
        busy = {task for name, task in workers.items() if self._lines[name].busy.locked()}
        if busy:
            await asyncio.wait(busy, timeout=self._grace)
        for task in workers.values():
            task.cancel()
        await asyncio.gather(*workers.values(), return_exceptions=True)
        await self._release()
        self._stopping = False

    async def _release(self) -> None:
        """What was claimed and has not left waits again: it is no repeat when the next process sends it."""
        ids = [id for line in self._lines.values() for id in line.queue.release()]
        try:
            if ids:
                await self._outbox.put_back(ids, "")
        except GavelError as error:
            log.warning("alerts that were not sent will be marked as repeats: %s", error)

    def _line(self, destination: str) -> Line:
        if destination not in self._lines:
            platform = destination.partition(":")[0]
            self._lines[destination] = Line(destination, batched=platform in self._remembering)
            self._grown.set()
        return self._lines[destination]

    # --- one destination's worker -----------------------------------------------------------------------------------

    async def _work(self, line: Line) -> None:
        while not self._stopping:
            await line.mail.wait()
            line.mail.clear()
            pause = await self._deliver(line)
            if pause is not None:
                line.mail.set()
                await asyncio.sleep(pause)

    async def _drain(self, line: Line) -> None:
        line.queue.forget()
        pause = await self._deliver(line)
        if pause is not None and line.failures == 0:  # the chat itself said how long
            await asyncio.sleep(pause)
            await self._drain(line)

    async def _deliver(self, line: Line) -> float | None:
        """Send what is due. Returns None when nothing is, else the seconds to pause before the next try."""
        chat = self._chats.get(line.platform)
        if chat is None:
            line.ill(f"there is no {line.platform} chat in this process", self._wall.now())
            return None
        async with line.busy:
            try:
                await self._start()
                await line.settle()
                while not self._stopping and await self._courier.send_some(line, chat):
                    line.well()
                line.well()
                return None
            except ChatDown as error:
                return self._failed(line, str(error), error.retry_after)
            except GavelError as error:
                return self._failed(line, str(error), None)
            except Exception as error:  # one destination must not silence the others
                log.exception("delivery to %s failed", line.destination)
                return self._failed(line, repr(error), None)

    def _failed(self, line: Line, error: str, retry_after: float | None) -> float:
        """The pause before the next try: what the chat said, or 1, 2, 4 .. 60 seconds."""
        line.ill(error, self._wall.now())
        if retry_after is not None:
            return retry_after
        line.failures += 1
        return min(self._first_pause * 2.0 ** min(line.failures - 1, 30), self._longest_pause)
