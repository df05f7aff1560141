"""Every cell of the breaker's table at its exact border; cool-downs, the way down, what people may do and what not."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from storage.codec import from_json, to_json
from tests.builders import NOW
from trading.breaker import (
    ACCOUNTS,
    RESETS,
    TRANSITIONS,
    WORKS,
    Activity,
    BreakerFacts,
    BreakerState,
    Check,
    Level,
    OverrideEnded,
    Recovery,
    Trip,
    Tripwire,
    allows,
    describe,
    effects,
    end_override,
    in_force,
    limits,
    override,
    reset,
    step,
)
from trading.decision import MICRO
from trading.errors import IllegalTransition
from trading.health import Severity
from trading.risk_policies import BreakerPolicy, Trigger
from trading.tripwires import READINGS

D = Decimal
POLICY = BreakerPolicy()
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
CLOSED, ALERT, THROTTLE, HALT, SHUTDOWN = Level
Facts = dict[str, Any]


def calm(**changes: Any) -> BreakerFacts:
    """All known, nothing wrong, and nothing has happened yet."""
    made: Facts = {
        "latencies": (), "failures": (), "slippages": (), "last_fill": "", "day_loss": D(0),
        "health": Severity.NONE, "last_trade": "",
        "journal_writable": Check(ok=True, at=NOW), "books_agree": Check(ok=True, at=NOW),
    }  # fmt: skip
    return BreakerFacts(**(made | changes))


def after(state: BreakerState, seconds: float, **changes: Any) -> BreakerState:
    return step(state, calm(**changes), NOW + timedelta(seconds=seconds), POLICY)[0]


def at_level(level: Level, **changes: Any) -> BreakerState:
    """Tripped at NOW by the day's loss, which is over at once."""
    loss = {CLOSED: "0", ALERT: "0.02", THROTTLE: "0.035", HALT: "0.05", SHUTDOWN: "0.10"}[level]
    return replace(after(BreakerState(), 0, day_loss=D(loss)), **changes)


def failed(*seconds: float) -> tuple[Any, ...]:
    return tuple(NOW - timedelta(seconds=s) for s in seconds)


# --- the table: what trips, and what just does not ------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    wire: Tripwire
    level: Level
    trips: Sequence[Facts]  # one look after the other
    spares: Sequence[Facts]


def latency(*seconds: str) -> list[Facts]:
    return [{"latencies": tuple(map(D, seconds))}]


def failures(count: int, *, oldest: float = 299.999999) -> list[Facts]:
    return [{"failures": failed(oldest, *range(count - 1))}]


def slippage(*fractions: str) -> list[Facts]:
    return [{"slippages": tuple(map(D, fractions)), "last_fill": "f1"}]


def loss(fraction: str) -> list[Facts]:
    return [{"day_loss": D(fraction)}]


def health(severity: Severity) -> list[Facts]:
    return [{"health": severity, "last_trade": "t1"}]


def looks(field: str, *answers: bool) -> list[Facts]:
    return [{field: Check(ok=ok, at=NOW + n * SECOND)} for n, ok in enumerate(answers, 1)]


TABLE = [
    Row(Tripwire.LATENCY, ALERT, latency(*["0.5"] * 10), latency(*["0.5"] * 9, "0.499999")),
    Row(Tripwire.LATENCY, THROTTLE, latency("0.1", "1.9"), latency("0.1", "1.899999")),
    Row(Tripwire.LATENCY, HALT, latency("3"), latency("2.999999")),
    Row(Tripwire.FAILURES, ALERT, failures(2), failures(1)),
    Row(Tripwire.FAILURES, THROTTLE, failures(3), failures(3, oldest=300)),
    Row(Tripwire.FAILURES, HALT, failures(5), failures(5, oldest=300)),
    Row(Tripwire.FAILURES, SHUTDOWN, failures(10), failures(9)),
    Row(Tripwire.SLIPPAGE, ALERT, slippage("0.003", "-0.001"), slippage("0.003", "-0.0010001")),
    Row(Tripwire.SLIPPAGE, THROTTLE, slippage(*["0.003"] * 10), slippage(*["0.003"] * 9, "0.0029999")),
    Row(Tripwire.SLIPPAGE, HALT, slippage("0.005"), slippage("0.0049999")),
    Row(Tripwire.DAY_LOSS, ALERT, loss("0.02"), loss("0.0199999")),
    Row(Tripwire.DAY_LOSS, THROTTLE, loss("0.035"), loss("0.0349999")),
    Row(Tripwire.DAY_LOSS, HALT, loss("0.05"), loss("0.0499999")),
    Row(Tripwire.DAY_LOSS, SHUTDOWN, loss("0.10"), loss("0.0999999")),
    Row(Tripwire.HEALTH, ALERT, health(Severity.MINOR), health(Severity.NONE)),
    Row(Tripwire.HEALTH, THROTTLE, health(Severity.MODERATE), health(Severity.MINOR)),
    Row(Tripwire.HEALTH, HALT, health(Severity.SEVERE), health(Severity.MODERATE)),
    Row(Tripwire.HEALTH, SHUTDOWN, health(Severity.CRITICAL), health(Severity.SEVERE)),
    Row(Tripwire.JOURNAL, HALT, looks("journal_writable", False), looks("journal_writable", True)),
    Row(
        Tripwire.JOURNAL,
        SHUTDOWN,
        looks("journal_writable", False, False, False),
        looks("journal_writable", False, False, True, False, False),
    ),
    Row(Tripwire.BOOKS, HALT, looks("books_agree", False), looks("books_agree", True)),
    Row(
        Tripwire.BOOKS,
        SHUTDOWN,
        looks("books_agree", False, False, False),
        looks("books_agree", False, False, True, False, False),
    ),
]


def run(seen: Sequence[Facts]) -> BreakerState:
    state = BreakerState()
    for facts in seen:
        state, _ = step(state, calm(**facts), NOW, POLICY)
    return state


@pytest.mark.parametrize("row", TABLE, ids=lambda r: f"{r.wire.value}-{r.level.name}")
def test_a_cell_of_the_table_trips_at_its_border_and_not_just_before(row: Row) -> None:
    tripped = run(row.trips)
    assert tripped.level is row.level
    (cause,) = tripped.causes
    assert (cause.trigger, cause.level) == (row.wire, row.level)
    assert cause.value >= cause.limit
    assert run(row.spares).level < row.level


def begins(trigger: Trigger) -> set[Level]:
    return {level for level in list(Level)[1:] if getattr(trigger, level.name.lower()) is not None}


def test_every_cell_of_the_policy_has_a_row() -> None:
    known = limits(POLICY)
    cells = {(wire, level) for wire, trigger in known.items() for level in begins(trigger)}
    assert cells == {(row.wire, row.level) for row in TABLE}
    assert len(TABLE) == len(cells)
    assert set(known) == set(Tripwire) == set(READINGS)


def test_every_trigger_of_the_policy_has_a_tripwire() -> None:
    """A new Trigger in the policy that nothing reads fails here."""
    for name, field in BreakerPolicy.model_fields.items():
        if field.annotation is Trigger:
            marked = POLICY.model_copy(update={name: Trigger(halt=D("7.7"))})
            assert Trigger(halt=D("7.7")) in limits(marked).values(), name


def test_the_dashes_of_the_table_are_kept() -> None:
    assert run(latency("100")).level is HALT
    assert run(slippage("0.9")).level is HALT
    assert begins(limits(POLICY)[Tripwire.JOURNAL]) == {HALT, SHUTDOWN}


def test_the_worst_of_several_decides_and_all_are_named() -> None:
    state, changes = step(BreakerState(), calm(day_loss=D("0.035"), latencies=(D("0.7"),)), NOW, POLICY)
    assert state.level is THROTTLE
    assert [(c.trigger, c.level) for c in state.causes] == [(Tripwire.LATENCY, ALERT), (Tripwire.DAY_LOSS, THROTTLE)]
    assert changes == (Trip(at=NOW, before=CLOSED, after=THROTTLE, causes=state.causes),)


@pytest.mark.parametrize("field", ["latencies", "slippages"])
def test_only_the_last_ten_samples_count(field: str) -> None:
    ids = {"last_fill": "f1"} if field == "slippages" else {}
    assert run([{field: (D(9), *[D(0)] * 10), **ids}]).level is CLOSED
    assert run([{field: (D(0), *[D(9)] * 10), **ids}]).level is HALT


def test_a_failure_told_ahead_of_our_clock_counts() -> None:
    assert run([{"failures": failed(0, -2)}]).level is ALERT


def test_a_profit_and_good_fills_are_no_breach() -> None:
    assert run([{"day_loss": D("-0.5"), "slippages": (D("-0.01"),), "last_fill": "f1"}]).level is CLOSED


# --- cool-downs and the way down ------------------------------------------------------------------------------------

COOL = {ALERT: 60, THROTTLE: 300, HALT: 900}


@pytest.mark.parametrize("level", COOL)
def test_a_level_ends_when_its_cool_down_is_over_and_not_just_before(level: Level) -> None:
    state = at_level(level)
    assert state.until == NOW + timedelta(seconds=COOL[level])
    assert after(state, COOL[level] - 0.000001).level is level
    lower, changes = step(state, calm(), NOW + timedelta(seconds=COOL[level]), POLICY)
    assert lower.level == level - 1
    assert changes == (Recovery(at=lower.since or NOW, before=level, after=lower.level, until=lower.until),)


def test_the_way_down_lives_through_every_level() -> None:
    state = at_level(HALT)
    path = []
    for second in range(1400):
        lower = after(state, second)
        if lower.level is not state.level:
            path.append((second, lower.level))
        state = lower
    assert path == [(900, THROTTLE), (1200, ALERT), (1260, CLOSED)]
    assert state.causes == ()


def test_one_step_after_a_long_sleep_comes_down_by_one_level() -> None:
    assert after(at_level(HALT), 10**6).level is THROTTLE


def test_the_cool_down_counts_from_the_last_breach() -> None:
    again = after(at_level(HALT), 600, day_loss=D("0.06"))
    assert again.last_breach == NOW + timedelta(seconds=600)
    assert after(again, 1499).level is HALT
    assert after(again, 1500).level is THROTTLE


def test_a_milder_breach_does_not_hold_a_level_but_holds_its_own() -> None:
    state = at_level(HALT)
    for minute in range(1, 120):
        state = after(state, 60 * minute, day_loss=D("0.036"))
    assert state.level is THROTTLE
    assert state.last_breach == NOW + timedelta(minutes=119)


def test_a_level_that_is_still_asked_for_is_breached_when_it_is_reached() -> None:
    state = after(at_level(HALT), 900, day_loss=D("0.035"))
    assert (state.level, state.last_breach) == (THROTTLE, NOW + timedelta(seconds=900))
    assert after(at_level(HALT), 900, day_loss=D("0.02")).last_breach == NOW


def test_a_cause_keeps_its_worst_until_that_has_cooled_down() -> None:
    state = after(at_level(HALT), 60, day_loss=D("0.02"))
    assert [(c.level, c.at) for c in state.causes] == [(HALT, NOW)]
    milder = after(state, 900, day_loss=D("0.02"))
    assert [(c.level, c.value) for c in milder.causes] == [(ALERT, D("0.02"))]


def test_a_new_breach_on_the_way_down_goes_up_at_once() -> None:
    lower = after(at_level(HALT), 900)
    state, changes = step(lower, calm(latencies=(D(3),)), NOW + timedelta(seconds=901), POLICY)
    assert state.level is HALT
    assert [type(c) for c in changes] == [Trip]
    assert after(state, 1801 - 0.000001).level is HALT


def test_shutdown_never_ends_by_itself() -> None:
    state = at_level(SHUTDOWN)
    assert state.until is None
    assert after(state, 10**9).level is SHUTDOWN


@pytest.mark.parametrize(
    ("field", "wire"),
    [
        ("latencies", Tripwire.LATENCY),
        ("failures", Tripwire.FAILURES),
        ("slippages", Tripwire.SLIPPAGE),
        ("day_loss", Tripwire.DAY_LOSS),
        ("health", Tripwire.HEALTH),
        ("journal_writable", Tripwire.JOURNAL),
        ("books_agree", Tripwire.BOOKS),
    ],
)
def test_an_unknown_fact_never_lowers_the_level_and_is_named(field: str, wire: Tripwire) -> None:
    held = after(at_level(HALT), 10**6, **{field: None})
    assert held.level is HALT
    assert describe(held, NOW).held_by == (wire,)
    assert after(held, 10**6 + 1).level is THROTTLE


def test_an_unknown_fact_is_no_breach() -> None:
    nothing = calm(
        latencies=None, failures=None, slippages=None, day_loss=None, health=None,
        journal_writable=None, books_agree=None,
    )  # fmt: skip
    assert step(BreakerState(), nothing, NOW, POLICY)[0].level is CLOSED


# --- evidence that stands still -------------------------------------------------------------------------------------

STILL = [("slippages", {"slippages": (D("0.01"),)}, "last_fill"), ("health", {"health": Severity.SEVERE}, "last_trade")]


@pytest.mark.parametrize(("name", "facts", "key"), STILL, ids=[s[0] for s in STILL])
def test_a_halt_that_only_trading_could_lift_ends_at_throttle_until_there_is_new_evidence(
    name: str, facts: Facts, key: str
) -> None:
    old, new = facts | {key: "x1"}, facts | {key: "x2"}
    state = after(BreakerState(), 0, **old)
    assert state.level is HALT
    for second in range(30, 900, 30):
        state = after(state, second, **old)
        assert state.level is HALT
    for second in range(900, 9000, 30):
        state = after(state, second, **old)
        assert state.level is THROTTLE
    assert after(state, 9001, **new).level is HALT
    assert after(state, 9001).level is THROTTLE
    assert after(after(state, 9001), 9001 + 300).level is ALERT


def test_what_was_said_is_not_forgotten_when_the_window_is_empty_for_a_while() -> None:
    state = after(BreakerState(), 0, slippages=(D("0.01"),), last_fill="x1")
    state = after(after(state, 900), 1200)
    assert after(state, 1230, slippages=(D("0.01"),), last_fill="x1").level is THROTTLE


def test_the_same_evidence_judged_worse_is_new() -> None:
    state = after(BreakerState(), 0, health=Severity.SEVERE, last_trade="t1")
    assert after(state, 1, health=Severity.CRITICAL, last_trade="t1").level is SHUTDOWN


def test_the_same_evidence_judged_milder_for_a_while_is_not_new_afterwards() -> None:
    """A change of the playbook's limits, and back."""
    state = after(BreakerState(), 0, health=Severity.SEVERE, last_trade="t1")
    state = after(after(state, 900, health=Severity.MINOR, last_trade="t1"), 1200)
    assert after(state, 1201, health=Severity.SEVERE, last_trade="t1").level is THROTTLE


def test_evidence_without_an_id_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="id of its newest"):
        calm(slippages=(D(0),))
    with pytest.raises(ValueError, match="id of its newest"):
        calm(health=Severity.MINOR)


# --- journal and books ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["journal_writable", "books_agree"])
def test_one_look_is_one_failure_however_often_the_breaker_steps(field: str) -> None:
    state = BreakerState()
    for second in range(50):
        state = after(state, second, **{field: Check(ok=False, at=NOW)})
    assert state.level is HALT


@pytest.mark.parametrize("field", ["journal_writable", "books_agree"])
def test_a_failure_at_the_very_moment_of_a_good_look_counts(field: str) -> None:
    good, bad = Check(ok=True, at=NOW), Check(ok=False, at=NOW)
    assert run([{field: good}, {field: bad}]).level is HALT
    mended_too_soon = run([{field: bad}, {field: good}])
    assert mended_too_soon.journal_failures.count + mended_too_soon.book_failures.count == 1


@pytest.mark.parametrize("field", ["journal_writable", "books_agree"])
def test_an_unknown_look_neither_mends_nor_breaks(field: str) -> None:
    state = BreakerState()
    for second, check in enumerate([False, None, False, None]):
        seen = None if check is None else Check(ok=check, at=NOW + second * SECOND)
        state = after(state, second, **{field: seen})
    assert state.level is HALT
    assert after(state, 9, **{field: Check(ok=False, at=NOW + 9 * SECOND)}).level is SHUTDOWN


def test_journal_and_books_are_counted_each_for_itself() -> None:
    state = BreakerState()
    for second in range(2):
        bad = Check(ok=False, at=NOW + second * SECOND)
        state = after(state, second, journal_writable=bad, books_agree=bad)
    assert state.level is HALT
    assert {c.trigger for c in state.causes} == set(ACCOUNTS)


# --- people ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", list(Level)[1:])
def test_a_reset_closes_the_breaker_from_any_level(level: Level) -> None:
    state = reset(at_level(level), NOW + MINUTE, "ann")
    assert (state.level, state.causes, state.until) == (CLOSED, (), None)
    assert (state.since, state.reset_by, state.reset_at) == (NOW + MINUTE, "ann", NOW + MINUTE)


def test_there_is_nothing_to_reset_at_closed() -> None:
    with pytest.raises(IllegalTransition, match="nothing to reset"):
        reset(BreakerState(), NOW, "ann")


def test_a_reset_is_no_override_what_still_stands_trips_again() -> None:
    state = reset(at_level(SHUTDOWN), NOW, "ann")
    assert after(state, 1, day_loss=D("0.10")).level is SHUTDOWN


def test_a_reset_after_critical_health_is_not_undone_by_the_same_trades() -> None:
    critical: Facts = {"health": Severity.CRITICAL, "last_trade": "t9"}
    state = reset(after(BreakerState(), 0, **critical), NOW, "ann")
    assert after(state, 1, **critical).level is THROTTLE
    assert after(state, 1, health=Severity.CRITICAL, last_trade="t10").level is SHUTDOWN


@pytest.mark.parametrize("field", ["journal_writable", "books_agree"])
def test_a_reset_waits_until_journal_and_books_are_mended(field: str) -> None:
    state = run(looks(field, False, False, False))
    with pytest.raises(IllegalTransition, match="not in order yet"):
        reset(state, NOW, "ann")
    mended = after(state, 9, **{field: Check(ok=True, at=NOW + 9 * SECOND)})
    assert mended.level is SHUTDOWN
    assert reset(mended, NOW, "ann").level is CLOSED


def test_an_override_is_in_force_until_its_end_and_not_a_moment_longer() -> None:
    state = override(at_level(HALT), ALERT, now=NOW, until=NOW + HOUR, by="boss")
    assert in_force(state, NOW + HOUR - timedelta(microseconds=1)) is ALERT
    assert in_force(state, NOW + HOUR) is HALT
    assert state.level is HALT
    still, changes = step(state, calm(), NOW + HOUR - SECOND, POLICY)
    assert still.override is not None
    assert not [c for c in changes if isinstance(c, OverrideEnded)]
    gone, changes = step(still, calm(), NOW + HOUR, POLICY)
    assert gone.override is None
    assert [c.why for c in changes if isinstance(c, OverrideEnded)] == ["expired"]


def test_an_override_can_also_be_stricter_and_a_reset_leaves_it() -> None:
    state = override(at_level(ALERT), SHUTDOWN, now=NOW, until=NOW + HOUR, by="boss")
    assert in_force(state, NOW) is SHUTDOWN
    assert in_force(reset(state, NOW, "ann"), NOW) is SHUTDOWN


def test_what_is_measured_goes_on_under_an_override() -> None:
    state = override(BreakerState(), ALERT, now=NOW, until=NOW + HOUR, by="boss")
    state = after(state, 1, day_loss=D("0.05"))
    assert (state.level, in_force(state, NOW + SECOND)) == (HALT, ALERT)
    assert after(state, 901).level is THROTTLE


def test_an_override_can_be_ended_early_once() -> None:
    state = override(at_level(HALT), ALERT, now=NOW, until=NOW + HOUR, by="boss")
    ended, told = end_override(state, NOW + SECOND, "ann")
    assert (in_force(ended, NOW + SECOND), told.override, told.why) == (HALT, state.override, "ended by ann")
    with pytest.raises(IllegalTransition, match="no override"):
        end_override(ended, NOW + SECOND, "ann")
    with pytest.raises(IllegalTransition, match="no override"):
        end_override(state, NOW + HOUR, "ann")


def test_an_override_must_end_after_it_begins() -> None:
    with pytest.raises(IllegalTransition, match="over already"):
        override(BreakerState(), HALT, now=NOW, until=NOW, by="boss")


@pytest.mark.parametrize("field", ["journal_writable", "books_agree"])
def test_an_override_never_hides_a_broken_journal_or_broken_books(field: str) -> None:
    """Refused while it lasts and for its cool-down; one that is set ends, and does not come back."""
    halted = run(looks(field, False))
    with pytest.raises(IllegalTransition, match="would hide HALT"):
        override(halted, THROTTLE, now=NOW, until=NOW + HOUR, by="boss")
    assert in_force(override(halted, HALT, now=NOW, until=NOW + HOUR, by="boss"), NOW) is HALT
    late = NOW + timedelta(seconds=900)
    assert in_force(override(halted, THROTTLE, now=late, until=late + HOUR, by="boss"), late) is THROTTLE
    with pytest.raises(IllegalTransition, match="would hide HALT"):
        override(halted, THROTTLE, now=late - timedelta(microseconds=1), until=late + HOUR, by="boss")

    before = override(BreakerState(), ALERT, now=NOW, until=NOW + HOUR, by="boss")
    state, changes = step(before, calm(**{field: Check(ok=False, at=NOW + SECOND)}), NOW + SECOND, POLICY)
    assert in_force(state, NOW + SECOND) is HALT
    (ended,) = [c for c in changes if isinstance(c, OverrideEnded)]
    assert ended.why in {wire.value for wire in ACCOUNTS}
    assert in_force(after(state, 2), NOW + 2 * SECOND) is HALT


def test_a_shutdown_by_the_books_is_opened_by_a_reset_and_by_no_override() -> None:
    state = after(run(looks("books_agree", False, False, False)), 10**7)
    with pytest.raises(IllegalTransition, match="would hide SHUTDOWN"):
        override(state, HALT, now=NOW + 365 * 24 * HOUR, until=NOW + 366 * 24 * HOUR, by="boss")


def test_an_override_as_strict_as_the_books_goes_on_until_they_ask_for_more() -> None:
    state = override(BreakerState(), HALT, now=NOW, until=NOW + HOUR, by="boss")
    for second in (1, 2):
        state = after(state, second, books_agree=Check(ok=False, at=NOW + second * SECOND))
        assert state.override is not None
    state = after(state, 3, books_agree=Check(ok=False, at=NOW + 3 * SECOND))
    assert (state.override, in_force(state, NOW)) == (None, SHUTDOWN)


def test_a_shutdown_by_the_books_is_not_softened_by_a_later_single_failure() -> None:
    state = after(run(looks("books_agree", False, False, False)), 9)
    assert state.book_failures.count == 3
    state = after(state, 10, books_agree=Check(ok=True, at=NOW + 10 * SECOND))
    state = after(state, 11, books_agree=Check(ok=False, at=NOW + 11 * SECOND))
    assert [c.level for c in state.causes] == [SHUTDOWN]
    with pytest.raises(IllegalTransition, match="would hide SHUTDOWN"):
        override(state, HALT, now=NOW + HOUR, until=NOW + 2 * HOUR, by="boss")


def test_a_shutdown_that_is_new_ends_a_looser_override() -> None:
    state = override(at_level(HALT), ALERT, now=NOW, until=NOW + HOUR, by="boss")
    assert in_force(after(state, 1, day_loss=D("0.0999")), NOW + SECOND) is ALERT
    assert in_force(after(state, 1, day_loss=D("0.10")), NOW + SECOND) is SHUTDOWN
    known = override(at_level(SHUTDOWN), ALERT, now=NOW, until=NOW + HOUR, by="boss")
    assert in_force(after(known, 1, day_loss=D("0.2")), NOW + SECOND) is ALERT


# --- the table of steps ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", Level)
@pytest.mark.parametrize("level", Level)
def test_no_step_outside_the_table(before: Level, level: Level) -> None:
    state = BreakerState(level=before)
    if level in TRANSITIONS[before]:
        assert state.to(level, at=NOW, until=None, breached=True).level is level
    else:
        with pytest.raises(IllegalTransition):
            state.to(level, at=NOW, until=None, breached=True)


def test_the_table_goes_up_anywhere_and_down_by_one() -> None:
    for before, reached in TRANSITIONS.items():
        up = {level for level in Level if level > before}
        down = {Level(before - 1)} if before in COOL else set()
        assert reached == up | down
        assert RESETS[before] == ({CLOSED} if before else set())


# --- what it means --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "confidence", "passed"),
    [
        (CLOSED, 0, True),
        (ALERT, 0, True),
        (THROTTLE, 800_000, True),
        (THROTTLE, 799_999, False),
        (HALT, MICRO, False),
        (SHUTDOWN, MICRO, False),
    ],
)
def test_the_gate_rule(level: Level, confidence: int, passed: bool) -> None:
    answer = allows(effects(level, POLICY), confidence)
    assert (answer.rule, answer.passed) == ("circuit breaker", passed)
    assert answer.value.startswith(level.name)
    assert answer.limit
    assert (answer.reason == "") is passed


def test_size_and_closing_follow_the_policy() -> None:
    assert [effects(level, POLICY).size_factor for level in Level] == [1, 1, D("0.5"), 0, 0]
    assert not any(effects(level, POLICY).close_positions for level in Level)
    closing = POLICY.model_copy(update={"close_on_shutdown": True})
    assert [level for level in Level if effects(level, closing).close_positions] == [SHUTDOWN]


def test_the_gate_reads_the_border_from_the_policy() -> None:
    strict = POLICY.model_copy(update={"throttle_confidence": D("0.9")})
    answer = allows(effects(THROTTLE, strict), 899_999)
    assert not answer.passed
    assert (answer.value, answer.limit) == ("THROTTLE, confidence 0.89", "confidence from 0.90")


def test_exits_and_protection_work_at_every_level() -> None:
    for level, works in WORKS.items():
        assert {Activity.EXITS, Activity.PROTECTION} <= set(works)
        entries = effects(level, POLICY).entries
        assert entries == bool({Activity.ENTRIES, Activity.CAREFUL_ENTRIES} & set(works))
    assert set(WORKS) == set(Level)


def test_the_view_says_state_causes_since_until_and_what_works() -> None:
    state = override(at_level(HALT), THROTTLE, now=NOW, until=NOW + HOUR, by="boss")
    view = describe(state, NOW + MINUTE)
    assert (view.level, view.measured, view.next) == (THROTTLE, HALT, THROTTLE)
    assert (view.since, view.until) == (NOW, NOW + 15 * MINUTE)
    assert [(c.trigger, c.value, c.limit) for c in view.causes] == [(Tripwire.DAY_LOSS, D("0.05"), D("0.05"))]
    assert view.override == state.override
    assert Activity.CAREFUL_ENTRIES in view.works
    assert view.held_by == ()
    late = describe(state, NOW + HOUR)
    assert (late.level, late.override) == (HALT, None)


def test_the_whole_state_is_read_as_it_was_written() -> None:
    bad = Check(ok=False, at=NOW)
    seen = calm(
        latencies=(D("3.25"),), failures=failed(1, 2), slippages=(D("0.004"),), last_fill="f7", day_loss=None,
        health=Severity.SEVERE, last_trade="t7", journal_writable=bad, books_agree=bad,
    )  # fmt: skip
    state = override(step(at_level(ALERT), seen, NOW, POLICY)[0], SHUTDOWN, now=NOW, until=NOW + HOUR, by="boss")
    assert from_json(BreakerState, to_json(state)) == state
    assert from_json(BreakerState, b"{}") == BreakerState()
