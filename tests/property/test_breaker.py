"""The breaker under any course of facts: one level at a time down, never by ignorance, never better for worse facts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from storage.codec import from_json, to_json
from tests.builders import NOW
from tests.strategies import of
from trading.breaker import (
    ACCOUNTS,
    TRANSITIONS,
    BreakerFacts,
    BreakerState,
    Change,
    Check,
    Level,
    Recovery,
    Trip,
    effects,
    end_override,
    in_force,
    override,
    reset,
    step,
)
from trading.errors import IllegalTransition
from trading.health import Severity
from trading.risk_policies import BreakerPolicy

POLICY = BreakerPolicy()
COOL = {Level.ALERT: POLICY.cool_alert, Level.THROTTLE: POLICY.cool_throttle, Level.HALT: POLICY.cool_halt}
CAN_BE_UNKNOWN = (
    "latencies", "failures", "slippages", "day_loss", "health", "journal_writable", "books_agree",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Look:
    """One moment, told twice: every pair holds a mild value and one that is at least as bad."""

    gap: timedelta  # since the look before
    latency: tuple[Decimal, Decimal]
    failures: tuple[int, int]
    slippage: tuple[Decimal, Decimal] | None  # None: no new fill
    loss: tuple[Decimal, Decimal]
    health: tuple[Severity, Severity] | None  # None: no new trade
    journal: tuple[bool, bool]
    books: tuple[bool, bool]
    unknown: frozenset[str]


GAPS = (0, 1, 29, 59, 60, 61, 299, 300, 301, 899, 900, 901, 5000)
latencies = st.sampled_from(["0.1", "0.499", "0.5", "1", "2.9", "3"]).map(Decimal)
slippages = st.sampled_from(["-0.001", "0", "0.001", "0.003", "0.005", "0.02"]).map(Decimal)
losses = st.sampled_from(["-0.01", "0", "0.0199", "0.02", "0.035", "0.05", "0.0999", "0.1"]).map(Decimal)
severities = st.sampled_from(Severity)


def pairs(values: st.SearchStrategy, calm: object) -> st.SearchStrategy:  # type: ignore[type-arg]
    """Mild and worse; often both calm, so that there are ways down as well."""
    return st.just((calm, calm)) | st.tuples(values, values).map(lambda pair: tuple(sorted(pair)))


oks = st.just((True, True)) | st.sampled_from([(True, False), (False, False)])
look = st.builds(
    Look,
    gap=st.sampled_from(GAPS).map(lambda s: timedelta(seconds=s)),
    latency=pairs(latencies, Decimal(0)),
    failures=pairs(st.integers(0, 11), 0),
    slippage=st.none() | pairs(slippages, Decimal(0)),
    loss=pairs(losses, Decimal(0)),
    health=st.none() | pairs(severities, Severity.NONE),
    journal=oks,
    books=oks,
    unknown=st.just(frozenset()) | st.frozensets(st.sampled_from(CAN_BE_UNKNOWN), max_size=2),
)
courses = st.lists(look, max_size=25)
MILD, WORSE = 0, 1


def told(course: Sequence[Look], lane: int) -> Iterator[tuple[datetime, BreakerFacts]]:
    """The facts of one lane, with evidence that stays as it is until something new happens."""
    now, slips, health, fill, trade = NOW, (), Severity.NONE, 0, 0
    for seen in course:
        now += seen.gap
        if seen.slippage is not None:
            slips, fill = (*slips, seen.slippage[lane]), fill + 1
        if seen.health is not None:
            health, trade = seen.health[lane], trade + 1
        facts = BreakerFacts(
            latencies=(seen.latency[lane],) * 10,
            failures=(now,) * seen.failures[lane],
            slippages=slips,
            last_fill=str(fill) if fill else "",
            day_loss=seen.loss[lane],
            health=health,
            last_trade=str(trade) if trade else "",
            journal_writable=Check(ok=seen.journal[lane], at=now),
            books_agree=Check(ok=seen.books[lane], at=now),
        )
        yield now, replace(facts, **dict.fromkeys(seen.unknown))


Moment = tuple[datetime, BreakerFacts, BreakerState, tuple[Change, ...]]


def run(course: Sequence[Look], lane: int = WORSE, start: BreakerState | None = None) -> list[Moment]:
    state, moments = start or BreakerState(), []
    for now, facts in told(course, lane):
        state, changes = step(state, facts, now, POLICY)
        moments.append((now, facts, state, changes))
    return moments


@given(courses)
def test_up_at_once_and_down_one_level_at_a_time(course: list[Look]) -> None:
    states = [BreakerState(), *(state for _, _, state, _ in run(course))]
    for before, after in pairwise(states):
        assert after.level is before.level or after.level in TRANSITIONS[before.level]
        assert after.level >= before.level - 1


@given(courses)
def test_no_level_is_left_before_it_has_cooled_down_and_shutdown_never(course: list[Look]) -> None:
    since: datetime = NOW
    for now, _, state, changes in run(course):
        for change in changes:
            if isinstance(change, Recovery):
                assert now - since >= COOL[change.before]
        if changes:
            since = now
        assert (state.until is not None) == (state.level in COOL)
        assert all(isinstance(c, Recovery) == (c.after < c.before) for c in changes if isinstance(c, Trip | Recovery))


@given(courses)
def test_an_unknown_fact_never_lowers_the_level(course: list[Look]) -> None:
    level = Level.CLOSED
    for _, facts, state, _ in run(course):
        if facts.unknown:
            assert state.level >= level
        level = state.level


@given(courses, st.frozensets(st.sampled_from(CAN_BE_UNKNOWN), min_size=1), st.timedeltas(timedelta(0)))
def test_nothing_known_lowers_nothing_whenever_it_is_asked(
    course: list[Look], unknown: frozenset[str], wait: timedelta
) -> None:
    for now, facts, state, _ in run(course)[-1:]:
        blind = replace(facts, **dict.fromkeys(unknown))
        later = min(wait, timedelta(days=10_000))
        assert step(state, blind, now + later, POLICY)[0].level >= state.level


@given(courses)
def test_worse_facts_never_give_a_lower_level(course: list[Look]) -> None:
    for mild, worse in zip(run(course, MILD), run(course, WORSE), strict=True):
        assert mild[2].level <= worse[2].level


@given(courses, look)
def test_worse_facts_never_give_a_lower_level_from_any_state(course: list[Look], last: Look) -> None:
    """One step from wherever a course has led, both lanes from the same state."""
    state = run(course)[-1][2] if course else BreakerState()
    later = replace(last, gap=sum((seen.gap for seen in course), last.gap))
    mild, worse = (run([later], lane, state)[0][2] for lane in (MILD, WORSE))
    assert mild.level <= worse.level


@given(courses)
def test_the_same_look_twice_is_one_look(course: list[Look]) -> None:
    for now, facts, state, _ in run(course):
        assert step(state, facts, now, POLICY) == (state, ())


@given(courses)
def test_what_asks_now_is_never_under_estimated(course: list[Look]) -> None:
    """The table once more, by hand, for what is measured anew at every look."""
    for now, facts, state, _ in run(course):
        latency = (facts.latencies or (Decimal(0),))[-1]
        failures = sum(at > now - timedelta(minutes=5) for at in facts.failures or ())
        loss = facts.day_loss or Decimal(0)
        asked = max(
            sum(latency >= Decimal(x) for x in ("0.5", "1", "3")),
            sum(failures >= x for x in (2, 3, 5, 10)),
            sum(loss >= Decimal(x) for x in ("0.02", "0.035", "0.05", "0.10")),
        )
        assert state.level >= asked
        assert not any(c for c in state.causes if c.level > Level.CLOSED and c.value < c.limit)


@given(courses)
def test_tripped_means_a_cause_and_closed_means_none(course: list[Look]) -> None:
    for _, _, state, changes in run(course):
        assert bool(state.causes) == (state.level is not Level.CLOSED)
        for change in changes:
            if isinstance(change, Trip):
                assert max(c.level for c in change.causes) is change.after


@given(courses, st.data())
def test_a_restart_changes_nothing(course: list[Look], data: st.DataObject) -> None:
    """The state goes through the journal's codec at random moments; the course is the same."""
    restarts = data.draw(st.sets(st.integers(0, 24)))
    state = BreakerState()
    for n, (now, facts, expected, told_then) in enumerate(run(course)):
        if n in restarts:
            state = from_json(BreakerState, to_json(state))
        state, changes = step(state, facts, now, POLICY)
        assert (state, changes) == (expected, told_then)


@settings(deadline=None)
@given(of(BreakerState))
def test_any_state_is_read_as_it_was_written(state: BreakerState) -> None:
    written = to_json(state)
    assert from_json(BreakerState, written) == state
    assert to_json(from_json(BreakerState, written)) == written


# --- with people in it ----------------------------------------------------------------------------------------------

acts = st.none() | st.sampled_from(["reset", "end"]) | st.tuples(st.sampled_from(Level), st.sampled_from(GAPS[1:]))


def act(state: BreakerState, what: object, now: datetime) -> BreakerState:
    """What a person tried; what is refused changes nothing."""
    try:
        match what:
            case "reset":
                return reset(state, now, "ann")
            case "end":
                return end_override(state, now, "ann")[0]
            case (Level() as level, int() as seconds):
                return override(state, level, now=now, until=now + timedelta(seconds=seconds), by="boss")
    except IllegalTransition:
        pass
    return state


@given(st.lists(st.tuples(look, acts), max_size=25))
def test_whatever_people_do_a_broken_journal_or_book_halts(course: list[tuple[Look, object]]) -> None:
    state = BreakerState()
    for (now, facts), (_, what) in zip(told([seen for seen, _ in course], WORSE), course, strict=True):
        state = act(step(state, facts, now, POLICY)[0], what, now)
        standing = [c.level for c in state.causes if c.trigger in ACCOUNTS and c.stands(now)]
        assert in_force(state, now) >= max(standing, default=Level.CLOSED)
        for check in (facts.journal_writable, facts.books_agree):
            if check and not check.ok:
                assert not effects(in_force(state, now), POLICY).entries


@given(courses, st.sampled_from(Level), st.integers(1, 10**6), st.integers(0, 2 * 10**6))
def test_an_override_ends_by_itself(course: list[Look], level: Level, lasts: int, asked: int) -> None:
    state = run(course)[-1][2] if course else BreakerState()
    now = sum((seen.gap for seen in course), NOW)
    until = now + timedelta(seconds=lasts)
    changed = act(state, (level, lasts), now)
    later = now + timedelta(seconds=asked)
    applies = changed.override is not None and later < until
    assert in_force(changed, later) is (level if applies else state.level)
    assert replace(changed, override=None) == replace(state, override=None)


@given(courses, st.sampled_from(Level), st.integers(1, 10**6), st.integers(0, 2 * 10**6))
def test_an_override_that_a_person_ends_leaves_what_was_measured(
    course: list[Look], level: Level, lasts: int, asked: int
) -> None:
    state = run(course)[-1][2] if course else BreakerState()
    now = sum((seen.gap for seen in course), NOW)
    changed, later = act(state, (level, lasts), now), now + timedelta(seconds=asked)
    runs = changed.override is not None and later < changed.override.until
    after = act(changed, "end", later)
    assert after == (replace(changed, override=None) if runs else changed)
    assert in_force(after, later) is state.level


def test_the_looks_cover_every_fact() -> None:
    ids = {"last_fill", "last_trade"}
    assert {f.name for f in fields(BreakerFacts)} == {*CAN_BE_UNKNOWN, *ids}
