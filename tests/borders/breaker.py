"""The circuit breaker: each tripwire at each level, cool-downs, what is unknown, who may enter, what people may do."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.borders.row import Family, Row
from tests.builders import NOW
from trading.breaker import (
    BreakerFacts,
    BreakerState,
    Change,
    Check,
    Level,
    Override,
    Recovery,
    Trip,
    Tripwire,
    allows,
    describe,
    effects,
    in_force,
    override,
    reset,
    step,
)
from trading.decision import MICRO
from trading.errors import IllegalTransition
from trading.health import Severity
from trading.risk_policies import BreakerPolicy
from trading.state import Samples

D = Decimal
POLICY = BreakerPolicy()
CLOSED, ALERT, THROTTLE, HALT, SHUTDOWN = Level
SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)
Look = dict[str, Any]


def calm(**changes: Any) -> BreakerFacts:
    """All is known, nothing is wrong, and nothing has happened yet."""
    made: Look = {
        "latencies": (), "failures": (), "slippages": (), "last_fill": "", "day_loss": D(0),
        "health": Severity.NONE, "last_trade": "",
        "journal_writable": Check(ok=True, at=NOW), "books_agree": Check(ok=True, at=NOW),
    }  # fmt: skip
    return BreakerFacts(**(made | changes))


def after(state: BreakerState, wait: timedelta, **changes: Any) -> BreakerState:
    return step(state, calm(**changes), NOW + wait, POLICY)[0]


# --- tripwire x level -----------------------------------------------------------------------------------------------


def latency(*seconds: str) -> list[Look]:
    return [{"latencies": tuple(map(D, seconds))}]


def failures(count: int, oldest: timedelta = timedelta(0)) -> list[Look]:
    """Looked at a second after NOW."""
    return [{"failures": (NOW + SECOND - oldest, *[NOW] * (count - 1))}]


def slippage(*fractions: str) -> list[Look]:
    return [{"slippages": tuple(map(D, fractions)), "last_fill": "f1"}]


def loss(fraction: str) -> list[Look]:
    return [{"day_loss": D(fraction)}]


def health(severity: Severity) -> list[Look]:
    return [{"health": severity, "last_trade": "t1"}]


def looks(field: str, *answers: bool) -> list[Look]:
    return looks_at(field, *enumerate(answers))


def looks_at(field: str, *answers: tuple[int, bool]) -> list[Look]:
    """So many microseconds after NOW."""
    return [{field: Check(ok=ok, at=NOW + at * MICROSECOND)} for at, ok in answers]


def trips(of: tuple[Tripwire, Level], seen: Sequence[Look]) -> bool:
    """One look after the other, all within the second after NOW."""
    state = BreakerState()
    for look in seen:
        state = after(state, SECOND, **look)
    return state.level is of[1] and [c.trigger for c in state.causes] == [of[0]]


W = Tripwire
JOURNAL, BOOKS = "journal_writable", "books_agree"
WITHIN = POLICY.failures_within
TRIPWIRES = (
    Row((W.LATENCY, ALERT), "mean 0.5 s", latency("0.4", "0.6"), latency("0.4", "0.599999"), "breaker.latency"),
    Row((W.LATENCY, ALERT), "the last 10", latency("5", *["0"] * 9), latency("5", *["0"] * 10), "breaker.samples"),
    Row((W.LATENCY, THROTTLE), "mean 1 s", latency("1"), latency("0.999999"), "breaker.latency"),
    Row((W.LATENCY, HALT), "mean 3 s", latency("3"), latency("2.999999"), "breaker.latency"),
    Row((W.FAILURES, ALERT), "2 of them", failures(2), failures(1), "breaker.failures"),
    Row((W.FAILURES, ALERT), "within 5 min", failures(2, WITHIN - MICROSECOND), failures(2, WITHIN),
        "breaker.failures_within"),
    Row((W.FAILURES, THROTTLE), "3 of them", failures(3), failures(2), "breaker.failures"),
    Row((W.FAILURES, HALT), "5 of them", failures(5), failures(4), "breaker.failures"),
    Row((W.FAILURES, SHUTDOWN), "10 of them", failures(10), failures(9), "breaker.failures"),
    Row((W.SLIPPAGE, ALERT), "mean 0.1 %", slippage("0.003", "-0.001"), slippage("0.003", "-0.001000001"),
        "breaker.slippage"),
    Row((W.SLIPPAGE, ALERT), "the last 10", slippage("0.01", *["0"] * 9), slippage("0.01", *["0"] * 10),
        "breaker.samples"),
    Row((W.SLIPPAGE, THROTTLE), "mean 0.3 %", slippage("0.003"), slippage("0.002999999"), "breaker.slippage"),
    Row((W.SLIPPAGE, HALT), "mean 0.5 %", slippage("0.005"), slippage("0.004999999"), "breaker.slippage"),
    Row((W.DAY_LOSS, ALERT), "2 % of the day's equity", loss("0.02"), loss("0.019999999"), "breaker.day_loss"),
    Row((W.DAY_LOSS, THROTTLE), "3.5 %", loss("0.035"), loss("0.034999999"), "breaker.day_loss"),
    Row((W.DAY_LOSS, HALT), "5 %", loss("0.05"), loss("0.049999999"), "breaker.day_loss"),
    Row((W.DAY_LOSS, SHUTDOWN), "10 %", loss("0.10"), loss("0.099999999"), "breaker.day_loss"),
    Row((W.HEALTH, ALERT), "minor", health(Severity.MINOR), health(Severity.NONE)),
    Row((W.HEALTH, THROTTLE), "moderate", health(Severity.MODERATE), health(Severity.MINOR)),
    Row((W.HEALTH, HALT), "severe", health(Severity.SEVERE), health(Severity.MODERATE)),
    Row((W.HEALTH, SHUTDOWN), "critical", health(Severity.CRITICAL), health(Severity.SEVERE)),
    Row((W.JOURNAL, HALT), "at once", looks(JOURNAL, False), looks(JOURNAL, True)),
    Row((W.JOURNAL, SHUTDOWN), "the third look", looks(JOURNAL, *[False] * 3), looks(JOURNAL, *[False] * 2),
        "breaker.broken_books"),
    Row((W.JOURNAL, SHUTDOWN), "in a row", looks(JOURNAL, *[False] * 3), looks(JOURNAL, False, False, True, False)),
    Row((W.JOURNAL, HALT), "a good look at the same moment hides none", looks_at(JOURNAL, (1, True), (1, False)),
        looks_at(JOURNAL, (1, True))),
    Row((W.JOURNAL, SHUTDOWN), "one look twice is one", looks_at(JOURNAL, (1, False), (2, False), (3, False)),
        looks_at(JOURNAL, (1, False), (2, False), (2, False))),
    Row((W.JOURNAL, SHUTDOWN), "only a later look mends",
        looks_at(JOURNAL, (1, False), (2, False), (2, True), (3, False)),
        looks_at(JOURNAL, (1, False), (2, False), (3, True), (4, False))),
    Row((W.BOOKS, HALT), "at once", looks(BOOKS, False), looks(BOOKS, True)),
    Row((W.BOOKS, SHUTDOWN), "the third look", looks(BOOKS, *[False] * 3), looks(BOOKS, *[False] * 2),
        "breaker.broken_books"),
    Row((W.BOOKS, SHUTDOWN), "in a row", looks(BOOKS, *[False] * 3), looks(BOOKS, False, False, True, False)),
)  # fmt: skip


def shuts_down(of: tuple[Tripwire, Level], allowed: int) -> bool:
    """Whether the first failed look does, where a playbook allows so many."""
    policy = BreakerPolicy(broken_books=allowed)
    state, _ = step(BreakerState(), calm(**looks(JOURNAL, False)[0]), NOW + SECOND, policy)
    return state.level is SHUTDOWN


AT_ONCE = (Row((W.JOURNAL, SHUTDOWN), "the first look, where a playbook says so", 1, 2, "breaker.broken_books"),)


# --- evidence that stands still, and what is not known --------------------------------------------------------------

HALTING: dict[Tripwire, Look] = {
    W.SLIPPAGE: {"slippages": (D("0.005"),), "last_fill": "f1"},
    W.HEALTH: {"health": Severity.SEVERE, "last_trade": "t1"},
}
NEWER = {W.SLIPPAGE: {"last_fill": "f2"}, W.HEALTH: {"last_trade": "t2"}}


def holds_a_halt(of: Tripwire, newer: Look) -> bool:
    """Whether a HALT goes on when it could end, with the same values seen once more."""
    state = after(BreakerState(), timedelta(0), **HALTING[of])
    assert state.level is HALT
    return after(state, POLICY.cool_halt, **HALTING[of] | newer).level is HALT


STANDING_STILL = tuple(
    Row(wire, "only new evidence holds a HALT", NEWER[wire], {}) for wire in (W.SLIPPAGE, W.HEALTH)
)  # fmt: skip

FIELDS = {
    W.LATENCY: "latencies", W.FAILURES: "failures", W.SLIPPAGE: "slippages", W.DAY_LOSS: "day_loss",
    W.HEALTH: "health", W.JOURNAL: JOURNAL, W.BOOKS: BOOKS,
}  # fmt: skip


def is_held(of: Tripwire, seen: Look) -> bool:
    """Whether an ALERT outlives its cool-down."""
    state = after(BreakerState(), timedelta(0), day_loss=D("0.02"))
    return after(state, POLICY.cool_alert, **seen).level is ALERT


UNKNOWN = tuple(Row(wire, "unknown is not fine", {field: None}, {}) for wire, field in FIELDS.items())


# --- the way down ---------------------------------------------------------------------------------------------------

AT_LEVEL = {ALERT: "0.02", THROTTLE: "0.035", HALT: "0.05", SHUTDOWN: "0.10"}
Act = Callable[[BreakerState], BreakerState]


def waits(wait: timedelta, **seen: Any) -> Act:
    return lambda state: after(state, wait, **seen)


def person(state: BreakerState) -> BreakerState:
    return reset(state, NOW + SECOND, "anna")


def goes_down(of: Level, act: Act) -> bool:
    """One level, from one that was breached at NOW; a person takes it down at once."""
    state = after(BreakerState(), timedelta(0), day_loss=D(AT_LEVEL[of]))
    assert state.level is of
    lower = act(state).level
    assert lower in (of, Level(of - 1), CLOSED)
    return lower is not of


COOL_DOWNS = (
    Row(ALERT, "60 s", waits(POLICY.cool_alert), waits(POLICY.cool_alert - MICROSECOND), "breaker.cool_alert"),
    Row(THROTTLE, "5 min", waits(POLICY.cool_throttle), waits(POLICY.cool_throttle - MICROSECOND),
        "breaker.cool_throttle"),
    Row(HALT, "15 min", waits(POLICY.cool_halt), waits(POLICY.cool_halt - MICROSECOND), "breaker.cool_halt"),
    Row(HALT, "the reason is over", waits(POLICY.cool_halt, day_loss=D("0.049999999")),
        waits(POLICY.cool_halt, day_loss=D("0.05"))),
    Row(SHUTDOWN, "by a person only", person, waits(timedelta(days=365))),
)  # fmt: skip


def can_step(of: tuple[Level, Level], levels: tuple[Level, Level]) -> bool:
    try:
        return BreakerState(level=levels[0]).to(levels[1], at=NOW, until=None, breached=False).level is levels[1]
    except IllegalTransition:
        return False


def _steps(level: Level, *to: Level, never: Level) -> tuple[Row, ...]:
    return tuple(Row((level, other), f"but not to {never.name}", (level, other), (level, never)) for other in to)


TRANSITIONS = (
    *_steps(CLOSED, ALERT, THROTTLE, HALT, SHUTDOWN, never=CLOSED),
    *_steps(ALERT, CLOSED, THROTTLE, HALT, SHUTDOWN, never=ALERT),
    *_steps(THROTTLE, ALERT, HALT, SHUTDOWN, never=CLOSED),
    *_steps(HALT, THROTTLE, SHUTDOWN, never=ALERT),
)


def can_reset(of: Level, state: BreakerState) -> bool:
    try:
        return reset(state, NOW, "anna").level is CLOSED
    except IllegalTransition:
        return False


BROKEN = after(BreakerState(level=HALT), SECOND, journal_writable=Check(ok=False, at=NOW))
RESETS = (
    *(
        Row(level, "there is something to reset", BreakerState(level=level), BreakerState())
        for level in (ALERT, THROTTLE, HALT, SHUTDOWN)
    ),
    Row(HALT, "the journal is mended", BreakerState(level=HALT), BROKEN),
    Row(HALT, "the books are mended", BreakerState(level=HALT), replace(BROKEN, book_failures=BROKEN.journal_failures)),
)


# --- what a level means ---------------------------------------------------------------------------------------------


def denies(of: Level, asked: tuple[Level, int]) -> bool:
    level, confidence = asked
    return not allows(effects(level, POLICY), confidence).passed


ENTRIES = (
    Row(THROTTLE, "confidence 0.8", (THROTTLE, 799_999), (THROTTLE, 800_000), "breaker.throttle_confidence"),
    Row(THROTTLE, "not yet at ALERT", (THROTTLE, 0), (ALERT, 0)),
    Row(HALT, "no confidence helps", (HALT, MICRO), (THROTTLE, MICRO)),
    Row(SHUTDOWN, "no confidence helps", (SHUTDOWN, MICRO), (THROTTLE, MICRO)),
)

CLOSING = BreakerPolicy(close_on_shutdown=True)


def closes(of: Level, asked: tuple[Level, BreakerPolicy]) -> bool:
    return effects(*asked).close_positions


EMERGENCY = (
    Row(SHUTDOWN, "when the playbook says so", (SHUTDOWN, CLOSING), (SHUTDOWN, POLICY), "breaker.close_on_shutdown"),
    Row(SHUTDOWN, "not yet at HALT", (SHUTDOWN, CLOSING), (HALT, CLOSING)),
)


# --- what is told ---------------------------------------------------------------------------------------------------


def is_told(of: type[Change], asked: tuple[Level, timedelta, Look]) -> bool:
    level, wait, seen = asked
    state = after(BreakerState(), timedelta(0), day_loss=D(AT_LEVEL[level]))
    _, changes = step(state, calm(**seen), NOW + wait, POLICY)
    return [type(change) for change in changes] == [of]


TOLD = (
    Row(Trip, "a worse level", (ALERT, SECOND, {"day_loss": D("0.035")}), (ALERT, SECOND, {"day_loss": D("0.034999")})),
    Row(Recovery, "a milder level", (ALERT, POLICY.cool_alert, {}), (ALERT, POLICY.cool_alert - MICROSECOND, {})),
)


def is_renewed(of: Tripwire, seen: Look) -> bool:
    """Whether a second look keeps its cause alive for longer."""
    state = after(after(BreakerState(), timedelta(0), day_loss=D("0.02")), SECOND, **seen)
    return [c.at for c in state.causes if c.trigger is of] == [NOW + SECOND]


RENEWED = (Row(W.DAY_LOSS, "asked once more", {"day_loss": D("0.02")}, {"day_loss": D("0.019999")}),)


# --- an override ----------------------------------------------------------------------------------------------------

HOUR = timedelta(hours=1)
MILD = Override(level=ALERT, until=NOW + HOUR, by="anna")


def is_in_force(of: str, wait: timedelta) -> bool:
    state = BreakerState(level=HALT, override=MILD)
    assert (describe(state, NOW + wait).override is None) == (in_force(state, NOW + wait) is HALT)
    return in_force(state, NOW + wait) is ALERT


def is_refused(of: str, asked: tuple[Level, timedelta, timedelta]) -> bool:
    """Asked so long after the journal was found broken, for so long."""
    level, wait, runs = asked
    state = after(BreakerState(), timedelta(0), journal_writable=Check(ok=False, at=NOW))
    try:
        override(state, level, now=NOW + wait, until=NOW + wait + runs, by="anna")
    except IllegalTransition:
        return True
    return False


def is_ended(of: str, asked: tuple[BreakerState, timedelta, Look]) -> bool:
    state, wait, seen = asked
    return after(state, wait, **seen).override is None


def overridden(level: Level, *, loss: str = "0") -> BreakerState:
    """One that begins after this loss was seen."""
    return replace(after(BreakerState(), timedelta(0), day_loss=D(loss)), override=replace(MILD, level=level))


MILDLY, SHUT, STRICT = overridden(ALERT), overridden(ALERT, loss="0.10"), overridden(SHUTDOWN)
LOST, BROKE = {"day_loss": D("0.10")}, {BOOKS: Check(ok=False, at=NOW)}
COOL = POLICY.cool_halt
OVERRIDES_RUN = (Row("override", "until its hour is over", HOUR - MICROSECOND, HOUR),)
OVERRIDES_REFUSED = (
    Row("override", "it would hide a broken journal", (THROTTLE, SECOND, HOUR), (HALT, SECOND, HOUR)),
    Row("override", "while that stands", (THROTTLE, COOL - MICROSECOND, HOUR), (THROTTLE, COOL, HOUR)),
    Row("override", "it is over before it begins", (HALT, SECOND, timedelta(0)), (HALT, SECOND, MICROSECOND)),
)
OVERRIDES_ENDED = (
    Row("override", "its hour is over", (MILDLY, HOUR, {}), (MILDLY, HOUR - MICROSECOND, {})),
    Row("override", "a SHUTDOWN", (MILDLY, SECOND, LOST), (MILDLY, SECOND, {"day_loss": D("0.099999")})),
    Row("override", "a new one", (MILDLY, SECOND, LOST), (SHUT, SECOND, LOST)),
    Row("override", "milder than the SHUTDOWN", (overridden(HALT), SECOND, LOST), (STRICT, SECOND, LOST)),
    Row("override", "broken books", (MILDLY, SECOND, BROKE), (MILDLY, SECOND, {})),
    Row("override", "milder than their HALT", (overridden(THROTTLE), SECOND, BROKE), (overridden(HALT), SECOND, BROKE)),
)

# --- evidence that grows old ----------------------------------------------------------------------------------------


def still_counts(_of: Tripwire, age: timedelta) -> bool:
    samples = Samples(slippages=(D("0.01"),), slipped_at=(NOW - age,), last_fill="1")
    return bool(samples.slipped_since(NOW - POLICY.slippage_within))


AGES = (
    Row(W.SLIPPAGE, "within a day", POLICY.slippage_within - MICROSECOND, POLICY.slippage_within,
        "breaker.slippage_within"),
)  # fmt: skip

FAMILIES = (
    Family("tripwire", trips, TRIPWIRES),
    Family("shut at once", shuts_down, AT_ONCE),
    Family("standing still", holds_a_halt, STANDING_STILL),
    Family("unknown", is_held, UNKNOWN),
    Family("cool-down", goes_down, COOL_DOWNS),
    Family("evidence counts", still_counts, AGES),
    Family("transition", can_step, TRANSITIONS),
    Family("reset", can_reset, RESETS),
    Family("entries", denies, ENTRIES),
    Family("emergency", closes, EMERGENCY),
    Family("told", is_told, TOLD),
    Family("cause renewed", is_renewed, RENEWED),
    Family("override runs", is_in_force, OVERRIDES_RUN),
    Family("override refused", is_refused, OVERRIDES_REFUSED),
    Family("override ended", is_ended, OVERRIDES_ENDED),
)
