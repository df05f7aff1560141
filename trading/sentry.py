"""Stands watch over the desk itself: steps the circuit breaker, and has the strategy looked at every few rounds.

It only looks. What it finds is noted in the book at once, so that the very next decision sees it, and is written with
the next transaction.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from trading import breaker
from trading.book import Book, Marks
from trading.breaker import (
    BreakerFacts,
    Change,
    Check,
    Level,
    OverrideEnded,
    Recovery,
    Trip,
    Tripwire,
    effects,
    in_force,
    step,
)
from trading.errors import NoEvidence
from trading.events import (
    BreakerOverridden,
    BreakerOverrideEnded,
    BreakerRecovered,
    BreakerReset,
    BreakerTripped,
    Event,
    HealthChanged,
)
from trading.health import Severity, due, examine
from trading.model import ExitReason
from trading.tripwires import reached


class Sentry:
    """`books`: the last look at whether venue and desk agree; None when that is not known."""

    def __init__(self, *, book: Book, marks: Marks, books: Callable[[], Check | None]) -> None:
        self.book = book
        self._marks = marks
        self._books = books
        self._before: tuple[object, ...] = ()  # what the last step saw, and
        self._at: tuple[datetime, Decimal | None] | None = None  # when, and the day's loss then
        self._calm = False  # nothing asked for anything

    # --- the circuit breaker --------------------------------------------------------------------------------------

    def look(self) -> bool:
        """Step the breaker once. True when it changed, or has to stay where it is for longer: that wants to be written,
        its events are noted already."""
        self.book.roll_day(self._marks)
        facts, now = self._facts(), self.book.clock.now()
        if self._is_settled(facts, now):
            return False
        state, policy = self.book.state.breaker, self.book.playbook.breaker
        after, changes = step(state, facts, now, policy)
        events = [self._told(change, in_force(after, now)) for change in changes]
        self.book.note(*events, breaker=after)
        self._before, self._at = self._seen(facts), (now, facts.day_loss)
        self._calm = after.level is Level.CLOSED and after.override is None and not after.unknown
        return bool(changes) or after.until != state.until

    def closes(self) -> tuple[ExitReason, str] | None:
        """Why all that is open has to be closed: a person, or the playbook, wants that. None: it may stay open."""
        state, playbook = self.book.state, self.book.playbook
        if state.flattened_at is not None:
            return ExitReason.MANUAL, f"flattened by {state.halted_by}"
        effect = effects(in_force(state.breaker, self.book.clock.now()), playbook.breaker)
        if effect.level is not Level.SHUTDOWN:
            return None
        ill = [c for c in state.breaker.causes if c.trigger is Tripwire.HEALTH and c.level is Level.SHUTDOWN]
        if ill and state.health and state.health.close_positions:
            return ExitReason.HEALTH, f"emergency: the strategy is in {state.health.severity.name.lower()} health"
        causes = ", ".join(c.trigger.value for c in state.breaker.causes if c.level is Level.SHUTDOWN)
        return (ExitReason.BREAKER, f"SHUTDOWN: {causes or 'by hand'}") if effect.close_positions else None

    def day_loss(self) -> Decimal | None:
        """Fraction of the UTC day's opening equity that is lost now; None where one of the two is not known."""
        opening = self.book.state.day_equity
        if self.book.state.day is None or opening <= 0:
            return None
        try:
            return (opening - self.book.equity(self._marks)) / opening
        except NoEvidence:
            return None

    def _facts(self) -> BreakerFacts:
        state, now = self.book.state, self.book.clock.now()
        health = state.health if self.book.playbook.health else None
        return BreakerFacts(
            latencies=state.samples.latencies,
            failures=state.samples.failures,
            slippages=state.samples.slipped_since(now - self.book.playbook.breaker.slippage_within),
            last_fill=state.samples.last_fill,
            day_loss=self.day_loss(),
            health=health.severity if health else Severity.NONE,  # it has not looked yet: nothing was found
            last_trade=health.last_trade if health else "",
            journal_writable=self.book.writable,
            books_agree=self._books(),
        )

    def _is_settled(self, facts: BreakerFacts, now: datetime) -> bool:
        """Whether a step could change nothing: asked at every quote, so it compares what is the very same.

        The same facts at the same time do not; nor, while nothing asks for anything, does time alone: failures only
        grow old.
        """
        seen, loss = self._seen(facts), facts.day_loss
        if len(seen) != len(self._before) or any(a is not b for a, b in zip(self._before, seen, strict=True)):
            return False
        mild = loss is not None and reached(self.book.playbook.breaker.day_loss, loss) is None
        return (now, loss) == self._at or (self._calm and mild)

    def _seen(self, facts: BreakerFacts) -> tuple[object, ...]:
        """All but the day's loss and the time."""
        state = self.book.state
        looks = (facts.journal_writable, facts.books_agree)
        checks = (True if look is not None and look.ok else look for look in looks)  # a failed one is counted anew
        return (state.breaker, state.samples, state.health, self.book.playbook, *checks)

    def _told(self, change: Change, after: Level) -> Event:
        match change:
            case Trip():
                return BreakerTripped(
                    at=change.at, before=change.before, after=change.after, causes=change.causes, in_force=after
                )
            case Recovery():
                return BreakerRecovered(
                    at=change.at, before=change.before, after=change.after, until=change.until, in_force=after
                )
            case OverrideEnded():
                override = change.override
                return BreakerOverrideEnded(
                    at=change.at, by=override.by, level=override.level, after=after, why=change.why
                )

    # --- what people do -------------------------------------------------------------------------------------------

    def reset(self, by: str) -> str:
        """Back to CLOSED, as far as what is measured allows. Raises Misuse with the reason when it cannot be."""
        before, now = self.book.state.breaker, self.book.clock.now()
        closed = breaker.reset(before, now, by)
        event = BreakerReset(at=now, by=by, before=before.level, in_force=in_force(closed, now))
        self.book.note(event, breaker=closed)
        self.look()
        after = self.book.state.breaker
        if after.level is Level.CLOSED:
            return f"The breaker is CLOSED; it was at {before.level.name}."
        causes = ", ".join(cause.trigger.value for cause in after.causes)
        return f"Reset, and at {after.level.name} again at once: {causes}."

    def override(self, level: Level, lasts: timedelta, *, by: str) -> str:
        """Put a level in force for a while. Raises Misuse with the reason when it cannot be."""
        state, now = self.book.state.breaker, self.book.clock.now()
        until, before = now + lasts, in_force(state, now)
        event = BreakerOverridden(at=now, by=by, before=before, level=level, until=until)
        self.book.note(event, breaker=breaker.override(state, level, now=now, until=until, by=by))
        return f"{level.name} is in force until {until:%Y-%m-%d %H:%M:%S} UTC; it was {before.name}."

    def end_override(self, by: str) -> str:
        """Back to what is measured. Raises Misuse with the reason when it cannot be."""
        now = self.book.clock.now()
        after, ended = breaker.end_override(self.book.state.breaker, now, by)
        self.book.note(self._told(ended, in_force(after, now)), breaker=after)
        return f"The override is over; the breaker is at {after.level.name}, as measured."

    # --- the strategy ---------------------------------------------------------------------------------------------

    def count_round(self) -> None:
        """One more round of scheduled decisions; every few, the strategy's last closed trades are looked at."""
        book, now = self.book, self.book.clock.now()
        if book.state.rounds_at is not None and now <= book.state.rounds_at:
            return
        rounds, policy = book.state.rounds + 1, book.playbook.health
        book.note(rounds=rounds, rounds_at=now)
        if policy is not None and due(rounds, policy):
            self._examine()

    def _examine(self) -> None:
        book, policy = self.book, self.book.playbook.health
        if policy is None:
            return
        before = book.state.health.severity if book.state.health else Severity.NONE
        # Shadow trades are results too: while the breaker keeps real ones out, nothing else could show a change.
        trades = [t for t in (*book.trades, *book.shadow_trades) if t.playbook == book.playbook.name]
        health = examine(trades, book.state.start_equity + book.state.realised, policy)
        # New evidence trips again, and shadow trades come all the time: only a real one is new, or a worse grade.
        real = [t.id for t in book.trades if t.playbook == book.playbook.name]
        health = replace(health, last_trade=real[-1] if real else health.last_trade)
        changed = [HealthChanged(at=book.clock.now(), before=before, health=health)]
        book.note(*(changed if health.severity is not before else ()), health=health)
