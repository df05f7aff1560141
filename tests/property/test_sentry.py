"""The sentry leaves steps out where they could change nothing: what comes of it is what every step would give."""

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import NOW, a_quote
from tests.desks import MemoryJournal, a_house
from trading.book import Book
from trading.breaker import BreakerFacts, BreakerState, Check, Level, override, step
from trading.clock import ManualClock
from trading.events import Event
from trading.health import Severity
from trading.sentry import Sentry
from trading.state import DeskState

D = Decimal
PLAYBOOK = a_house()


@dataclass(frozen=True, kw_only=True)
class Moment:
    gap: int  # seconds since the last look
    failures: int
    slip: str | None  # of a new fill
    lost: int  # quote units of 10,000
    journal: bool
    books: bool | None
    halted: int | None  # seconds of an override


moments = st.builds(
    Moment,
    gap=st.sampled_from([0, 0, 1, 59, 60, 61, 300, 301, 900]),
    failures=st.sampled_from([0, 0, 0, 0, 1, 3]),
    slip=st.none() | st.sampled_from(["0", "0.001", "0.02"]),
    lost=st.sampled_from([0, 0, 199, 200, 350, 500]),
    journal=st.sampled_from([True, True, True, False]),
    books=st.sampled_from([True, True, True, None, False]),
    halted=st.none() | st.none() | st.sampled_from([1, 100]),
)


def stripped(state: BreakerState) -> BreakerState:
    """But for when it was last looked while all was well, which is of no consequence."""
    well = {name: replace(s, looked_at=None) for name in ("journal_failures", "book_failures")
            if (s := getattr(state, name)).count == 0}  # fmt: skip
    return replace(state, **well)


@settings(max_examples=60, deadline=None)
@given(st.lists(moments, max_size=25))
def test_leaving_steps_out_changes_nothing(course: list[Moment]) -> None:
    clock = ManualClock(NOW)
    books: list[Check | None] = [None]
    state = DeskState(desk="test", playbook="desk", start_equity=D(10000), day=NOW.replace(hour=0), day_equity=D(10000))
    book = Book(journal=MemoryJournal(), clock=clock, state=state, playbook=PLAYBOOK)
    sentry = Sentry(book=book, marks=lambda s: a_quote(symbol=s), books=lambda: books[0])
    told: list[Event] = []
    every, changes = BreakerState(), 0
    for number, moment in enumerate(course):
        clock.advance(timedelta(seconds=moment.gap))
        now, samples = clock.now(), book.state.samples
        if moment.failures:
            samples = replace(samples, failures=(*samples.failures, *[now] * moment.failures))
        if moment.slip is not None:
            samples = replace(
                samples,
                slippages=(*samples.slippages, D(moment.slip)),
                slipped_at=(*samples.slipped_at, now),
                last_fill=str(number),
            )
        if samples is not book.state.samples:
            book.note(samples=samples)
        book.note(realised=D(-moment.lost))
        book.writable = Check(ok=moment.journal, at=now)
        books[0] = None if moment.books is None else Check(ok=moment.books, at=now)
        if moment.halted is not None and every.level < Level.HALT:
            until = now + timedelta(seconds=moment.halted)
            every = override(every, Level.HALT, now=now, until=until, by="somebody")
            book.note(breaker=override(book.state.breaker, Level.HALT, now=now, until=until, by="somebody"))
        facts = BreakerFacts(
            latencies=samples.latencies, failures=samples.failures, slippages=samples.slippages,
            last_fill=samples.last_fill, day_loss=D(moment.lost) / 10000, health=Severity.NONE, last_trade="",
            journal_writable=book.writable, books_agree=books[0],
        )  # fmt: skip
        every, found = step(every, facts, now, PLAYBOOK.breaker)
        changes += len(found)
        sentry.look()
        told = [*book._noted]
        assert stripped(book.state.breaker) == stripped(every)
    assert len(told) == changes
