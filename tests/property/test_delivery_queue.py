"""Whatever comes between commits, readings and sendings: no row is lost or sent twice, lanes keep their order."""

from collections import Counter
from collections.abc import Coroutine, Generator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bot.delivery.queue import Queue
from storage.mail import Delivery, Lane, Outgoing
from trading.events import BooksAgreed

AT = datetime(2026, 3, 1, tzinfo=UTC)
MOST = 4
EVENT = BooksAgreed(at=AT, symbol="BTC")


class Meanwhile:
    """Awaited: the event loop does something else first."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class Sending(RuleBasedStateMachine):
    """A destination's worker, step by step, over an outbox that is a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = Queue(MOST)
        self.rows: dict[int, Outgoing] = {}  # as the database has them
        self.handed: list[Outgoing] = []  # committed, and on its way to `hear`
        self.reading: Coroutine[Any, Any, None] | None = None
        self.sent: list[Outgoing] = []
        self.promised = False  # a claimed row is on its way: nothing goes before it
        self.fresh = False  # read since the last sending

    async def _read(self, limit: int) -> list[Outgoing]:
        pending = (row for row in self.rows.values() if row.state is Delivery.PENDING)
        found = sorted(pending, key=lambda row: (row.lane, row.id))[:limit]
        await Meanwhile()
        return found

    def _move(self, row: Outgoing, to: Delivery) -> None:
        self.rows[row.id] = replace(self.rows[row.id], state=to)

    # --- what happens -------------------------------------------------------------------------------------------

    @rule(lanes=st.lists(st.sampled_from(Lane), min_size=1, max_size=6))
    def commit(self, lanes: list[Lane]) -> None:
        """The first is claimed where the worker has nothing to do."""
        idle = self.queue.known and not len(self.queue) and self.reading is None and not self.promised
        rows = [
            Outgoing(id=id, destination="x", lane=lane, silent=False, event=EVENT, seq=id, queued_at=AT)
            for id, lane in enumerate(lanes, len(self.rows) + 1)
        ]
        if idle:
            self.promised = True
            first = min(rows, key=lambda row: (row.lane, row.id))
            rows[rows.index(first)] = replace(first, state=Delivery.SENDING)
        self.rows |= {row.id: row for row in rows}
        self.handed += rows

    @precondition(lambda self: self.handed)
    @rule(count=st.integers(1, 6))
    def hear(self, count: int) -> None:
        heard, self.handed = self.handed[:count], self.handed[count:]
        for row in heard:
            self.promised = self.promised and row.state is not Delivery.SENDING
            self.queue.hear(row)

    @precondition(lambda self: self.reading is None and not self.queue.known and not self.promised)
    @rule()
    def begin_reading(self) -> None:
        self.reading = self.queue.fill(self._read)
        self.reading.send(None)

    @precondition(lambda self: self.reading is not None)
    @rule()
    def end_reading(self) -> None:
        assert self.reading is not None
        with suppress(StopIteration):
            self.reading.send(None)
        self.reading, self.fresh = None, True

    @rule()
    def wake(self) -> None:
        self.queue.forget()

    @precondition(lambda self: self.reading is None and not self.promised and (self.queue.known or self.fresh))
    @precondition(lambda self: self.queue.first() is not None)
    @rule(arrives=st.booleans())
    def send(self, arrives: bool) -> None:
        row = self.queue.first()
        assert row is not None
        assert self.rows[row.id].state is row.state  # the outbox would refuse the step otherwise
        self._move(row, Delivery.SENDING)
        self.queue.take([row.id])
        self.fresh = False
        if arrives:
            self._move(row, Delivery.SENT)
            self.sent.append(row)
        else:
            self._move(row, Delivery.PENDING)
            self.queue.give_back([row])

    # --- what always holds --------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_sent_twice(self) -> None:
        assert max(Counter(row.id for row in self.sent).values(), default=0) <= 1

    @invariant()
    def memory_is_bounded(self) -> None:
        assert len(self.queue) <= MOST + 1  # what was claimed stays

    def teardown(self) -> None:
        if self.reading is not None:
            self.end_reading()
        self.hear(len(self.handed))
        while len(self.sent) < len(self.rows):
            if not self.queue.known:
                self.begin_reading()
                self.end_reading()
            assert self.queue.first() is not None, "a row was lost"
            self.send(True)
        for lane in Lane:
            ids = [row.id for row in self.sent if row.lane is lane]
            assert ids == sorted(ids)


TestSending = Sending.TestCase
TestSending.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
