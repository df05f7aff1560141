"""Sends what waits for one destination: the most urgent first, and where much waits that is not urgent, as one card."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from bot.delivery.line import Line
from bot.delivery.ports import Outbox, Paced
from bot.delivery.repeats import error_key
from bot.delivery.words import Pictures, Words, pictured
from bot.render.digest import TITLES
from bot.surface import Card, Chat, ChatRefused
from storage.mail import SUMMED, Delivery, Lane, Outgoing, Together
from trading.errors import GavelError
from trading.events import DecisionMade
from trading.ports import Clock

log = logging.getLogger(__name__)

DIGEST, CROWD = "digest", "late"  # bundles; the others are named after the fault that is repeated
BURST = 10  # more decisions than that at once are told as one card
FEW = 3  # of those that wait since an outage, more than that are
_MOST = 1000  # rows of one card: the next ones make another


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Rows that go as one card."""

    bundle: str
    them: Together
    lane: Lane


@dataclass(slots=True, kw_only=True)
class Courier:
    """`repeats`: rows whose request may have left when the last process ended."""

    outbox: Outbox
    words: Words
    pictures: Pictures
    wall: Clock
    late_after: timedelta
    repeats: set[int] = field(default_factory=set)

    async def send_some(self, line: Line, chat: Chat) -> bool:
        """The next message, or a batch where the chat knows its keys. False when there is none."""
        if line.waits_for_promise():
            return False
        read = partial(self.outbox.pending, line.destination)
        await line.queue.fill(read)
        if not line.queue and not line.due:
            return False
        if isinstance(chat, Paced):
            await chat.await_turn(line.destination)
            await line.queue.fill(read)
        chosen = await self._choose(line)
        if isinstance(chosen, Parcel):
            await self._send_parcel(line, chat, chosen)
        elif chosen:
            await self._send_rows(line, chat, chosen)
        return True

    # --- choosing -------------------------------------------------------------------------------------------------

    async def _choose(self, line: Line) -> Parcel | Sequence[Outgoing]:
        """Nothing: what was next is held back for now."""
        row = line.queue.first()
        bundle = min(line.due, key=lambda name: line.due[name], default="")
        if bundle and (row is None or line.due[bundle] <= row.lane):
            return await self._bundle(line, bundle)
        if row is None:
            return ()
        if line.batched:
            return line.queue.all()
        if hold := line.backoff.holds(row.event, self.wall.now()):
            await self.outbox.hold([row.id], hold.bundle, hold.until)
            line.backoff.held(hold.bundle, hold.until)
            line.queue.take([row.id])
            return ()
        if row.lane in SUMMED and row.state is Delivery.PENDING and self._crowded(line):
            them = line.begun.get(CROWD) or await self.outbox.crowd(line.destination, _MOST, TITLES)
            return () if them is None else Parcel(bundle=CROWD, them=them, lane=row.lane)
        return (row,)

    async def _bundle(self, line: Line, bundle: str) -> Parcel | Sequence[Outgoing]:
        lane = line.due.pop(bundle)
        them = line.begun.get(bundle) or await self.outbox.bundle(line.destination, bundle, _MOST, TITLES)
        return () if them is None else Parcel(bundle=bundle, them=them, lane=lane)

    def _crowded(self, line: Line) -> bool:
        """A burst, or what an outage has left."""
        waiting = [row for row in line.queue if row.lane in SUMMED]
        late = self.wall.now() - min(row.queued_at for row in waiting) > self.late_after
        return CROWD in line.begun or len(waiting) > (FEW if late else BURST)

    # --- one by one -----------------------------------------------------------------------------------------------

    async def _send_rows(self, line: Line, chat: Chat, rows: Sequence[Outgoing]) -> None:
        first = await self._begin(line, rows)
        line.queue.take(row.id for row in rows)
        told: dict[int, str] = {}
        line.book(partial(self.outbox.sent_all, told))
        for number, row in enumerate(rows):
            try:
                if isinstance(first, BaseException):
                    raise first
                card, reply_to = first if number == 0 else await self._dressed(line, row)
                await self._send(line, chat, row, card, reply_to, told)
            except Exception as error:
                self._put_back(line, rows[number:], str(error))
                await line.settle()
                raise
        await line.settle()

    async def _begin(self, line: Line, rows: Sequence[Outgoing]) -> tuple[Card | None, str] | BaseException:
        """Say that they are being sent, where that was not said with their commit, and meanwhile dress the first."""
        ids = [row.id for row in rows if row.state is not Delivery.SENDING]
        if not ids:
            return await self._dressed(line, rows[0])
        marked, first = await asyncio.gather(
            self.outbox.sending(ids), self._dressed(line, rows[0]), return_exceptions=True
        )
        if isinstance(marked, BaseException):
            line.queue.forget()  # somebody else has changed these rows, or the outbox cannot be written
            raise marked
        return first

    async def _dressed(self, line: Line, row: Outgoing) -> tuple[Card | None, str]:
        """Its card, and the message that it answers."""
        repeated = row.id in self.repeats and not line.batched
        card = self.words.of(row, self.wall.now(), repeated=repeated)
        if card is not None and self.words.pictured(row):
            card = pictured(card, await self.pictures.of(row))
        return card, "" if line.batched else await self._first_of(line, row)

    async def _first_of(self, line: Line, row: Outgoing) -> str:
        """The first message of its thread here: in memory, or in the outbox where it is from before."""
        if not row.thread:
            return ""
        known = line.thread(row.thread)
        if known is None and not isinstance(row.event, DecisionMade):  # which is where a thread begins
            known = await self._looked_up(line, row.thread)
        return known or ""

    async def _looked_up(self, line: Line, thread: str) -> str:
        try:
            known = await self.outbox.thread(line.destination, thread)
        except GavelError as error:  # it is told all the same, as an answer to nothing
            log.warning("the first message of %s at %s is not known: %s", thread, line.destination, error)
            return ""
        line.remember(thread, known)
        return known

    async def _send(
        self, line: Line, chat: Chat, row: Outgoing, card: Card | None, reply_to: str, told: dict[int, str]
    ) -> None:
        silent = self.words.silent(row, self.wall.now())
        try:
            if card is None:
                told[row.id] = ""
            else:
                to = line.destination
                told[row.id] = await chat.send(to, card, key=row.key, silent=silent, reply_to=reply_to)
                line.sent_at = self.wall.now()
                line.remember(row.thread, told[row.id])
                line.backoff.told(error_key(row.event), self.wall.now())
        except ChatRefused as refusal:
            line.refused(str(refusal))
            line.book(partial(self.outbox.give_up, [row.id], str(refusal)))
        self.repeats.discard(row.id)

    def _put_back(self, line: Line, rows: Sequence[Outgoing], error: str) -> None:
        line.book(partial(self.outbox.put_back, [row.id for row in rows], error))
        line.queue.give_back(rows)

    # --- many as one ----------------------------------------------------------------------------------------------

    async def _send_parcel(self, line: Line, chat: Chat, parcel: Parcel) -> None:
        them = parcel.them
        line.begun.pop(parcel.bundle, None)
        await self.outbox.sending(them.ids)
        line.queue.take(them.ids)
        card = self._card_of(line, parcel)
        try:
            reference = "" if card is None else await self._post(line, chat, parcel, card)
        except ChatRefused as refusal:
            line.refused(str(refusal))
            line.book(partial(self.outbox.give_up, them.ids, str(refusal)))
        except Exception as error:
            self._again(line, parcel, str(error))
            await line.settle()
            raise
        else:
            line.book(partial(self.outbox.sent_together, them.ids, reference, parcel.bundle))
            if parcel.bundle not in (DIGEST, CROWD):
                line.backoff.told(parcel.bundle, self.wall.now())
        self.repeats.difference_update(them.ids)
        await line.settle()

    def _card_of(self, line: Line, parcel: Parcel) -> Card | None:
        them, now = parcel.them, self.wall.now()
        repeated = not line.batched and not self.repeats.isdisjoint(them.ids)
        if parcel.bundle == DIGEST:
            return self.words.of_digest(them, now, repeated=repeated)
        if parcel.bundle == CROWD:
            return self.words.of_crowd(them, now, repeated=repeated)
        return self.words.of_repeats(them, line.backoff.told_at(parcel.bundle), now, repeated=repeated)

    async def _post(self, line: Line, chat: Chat, parcel: Parcel, card: Card) -> str:
        """A digest never rings: it was asked for so that nothing does."""
        them = parcel.them
        silent = them.silent or parcel.bundle == DIGEST or self.words.quiet(them.newest[0], self.wall.now())
        return await chat.send(line.destination, card, key=them.key, silent=silent)

    def _again(self, line: Line, parcel: Parcel, error: str) -> None:
        """The same rows under the same key next time: a chat may know it."""
        line.begun[parcel.bundle] = parcel.them
        if parcel.bundle != CROWD:
            line.due[parcel.bundle] = parcel.lane
        line.queue.forget()
        line.book(partial(self.outbox.put_back, parcel.them.ids, error))
