"""Records judged again: what is said to flip a decision flips it, and nothing nearer does."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.flips import Flip, flips, of_the_verdict
from bot.limits import RULES, compared
from bot.rejudging import NOT_KNOWN, Basis, basis, differences, judged, keys
from tests import surface_examples as examples
from trading.decision import MICRO, Abstention, Action, Approved, Decision, Denied, GateAnswer, Opinion, Stance
from trading.errors import BadPlaybook
from trading.judge import judge, rejudged
from trading.playbook import JudgePolicy, Playbook, Quorum, load

BOOK = load("desk")
NAMES = ("whale", "sentiment", "flow", "technical")


def a_record(said: dict[str, int | None], weights: dict[str, int], policy: JudgePolicy, **changes: Any) -> Decision:
    """`said`: convictions in signed millionths; None is missing."""
    opinions = tuple(
        Abstention(persona=name, reason="no data")
        if value is None
        else Opinion(
            persona=name,
            stance=Stance.LONG if value > 0 else Stance.SHORT if value < 0 else Stance.NEUTRAL,
            confidence=abs(value) if value else 500_000,
            thesis="so it seems",
            evidence=(),
        )
        for name, value in said.items()
    )
    made = replace(examples.a_decision("wait"), opinions=opinions, weights=weights, playbook_hash=BOOK.hash)
    return replace(made, verdict=judge(opinions, weights, policy), **changes)


def approved(*answers: GateAnswer, **changes: Any) -> Decision:
    said = {"whale": 700_000, "sentiment": 0, "flow": 800_000, "technical": 650_000}
    gate = Approved(plan=examples.plan(), answers=answers)
    return a_record(said, dict.fromkeys(said, 1000), BOOK.judge, gate=gate, **changes)


SAME = Basis(playbook=BOOK, same=True)
OTHER = Basis(playbook=BOOK, same=False)

# --- the verdict ---------------------------------------------------------------------------------------------------

convictions = st.one_of(st.none(), st.integers(-MICRO, MICRO), st.sampled_from([-900_000, 0, 900_000]))
records = st.tuples(
    st.fixed_dictionaries(dict.fromkeys(NAMES, convictions)),
    st.fixed_dictionaries({name: st.integers(1, 3000) for name in NAMES}),
)
policies = st.builds(
    JudgePolicy,
    min_confidence=st.integers(1, 100).map(lambda n: D(n) / 100),
    min_agreeing=st.integers(1, 3),
    dominance=st.integers(1000, 3000).map(lambda n: D(n) / 1000),
    drag=st.integers(0, 1000).map(lambda n: D(n) / 1000),
    quorum=st.sampled_from(Quorum),
)


def act(decision: Decision, policy: JudgePolicy) -> Action:
    return judge(decision.opinions, decision.weights, policy).action


def heard(decision: Decision, name: str, conviction: int) -> Decision:
    spoken = {o.persona: o.conviction if isinstance(o, Opinion) else None for o in decision.opinions}
    return a_record({**spoken, name: conviction}, decision.weights, BOOK.judge)


def applied(flip: Flip, decision: Decision, policy: JudgePolicy, *, less: int = 0) -> Action:
    """With the change made, or `less` steps of it nearer to what was."""
    _, _, last = flip.what.rpartition(".")
    if flip.before == "missing":
        stance, _, said = flip.after.partition(" ")
        return act(heard(decision, flip.what, int(D(said or 0) * MICRO - less) * Stance(stance).sign), policy)
    if flip.what == "judge.quorum":
        return act(decision, policy.model_copy(update={"quorum": Quorum(flip.after)}))
    step = D(1) if last == "min_agreeing" else D("0.000001") if last == "min_confidence" else D("0.001")
    before, after = D(flip.before), D(flip.after)
    value = after + less * step * (1 if before > after else -1)
    if last == "weight":
        name = flip.what.split(".")[1]
        return act(replace(decision, weights={**decision.weights, name: int(value * 1000)}), policy)
    return act(decision, policy.model_copy(update={last: int(value) if last == "min_agreeing" else value}))


@settings(max_examples=30, deadline=None)
@given(records, policies)
def test_what_is_said_to_flip_a_verdict_flips_it_and_one_step_less_does_not(
    record: tuple[dict[str, int | None], dict[str, int]], policy: JudgePolicy
) -> None:
    decision = a_record(*record, policy)
    now = act(decision, policy)
    for flip in of_the_verdict(decision, policy):
        assert applied(flip, decision, policy).value == flip.leads_to
        assert flip.leads_to != now.value
        if flip.what != "judge.quorum" and flip.after != "neutral" and not flip.after.endswith(" 0.000001"):
            assert applied(flip, decision, policy, less=1) is now, flip


@settings(max_examples=15, deadline=None)
@given(records, policies, st.data())
def test_what_is_not_named_cannot_flip_it(
    record: tuple[dict[str, int | None], dict[str, int]], policy: JudgePolicy, data: st.DataObject
) -> None:
    """Where no weight, vote or limit is named, none that is tried does it either."""
    decision = a_record(*record, policy)
    now, named = act(decision, policy), {flip.what for flip in of_the_verdict(decision, policy)}
    for name in NAMES:
        if f"panel.{name}.weight" not in named:
            weight = data.draw(st.integers(0, 100_000))
            assert act(replace(decision, weights={**decision.weights, name: weight}), policy) is now
        if record[0][name] is None and name not in named:
            assert act(heard(decision, name, data.draw(st.integers(-MICRO, MICRO))), policy) is now
    for name, values in (("drag", st.integers(0, 1000)), ("dominance", st.integers(1000, 100_000))):
        if f"judge.{name}" not in named:
            assert act(decision, policy.model_copy(update={name: D(data.draw(values)) / 1000})) is now


def test_a_missing_vote_is_named_with_what_it_had_to_say() -> None:
    said = {"whale": None, "sentiment": None, "flow": 900_000, "technical": 800_000}
    weights = {"whale": 200, "sentiment": 300, "flow": 1000, "technical": 1000}
    found = flips(a_record(said, weights, BOOK.judge), SAME)
    assert [(f.what, f.after, f.leads_to) for f in found if f.before == "missing"] == [
        ("whale", "long 0.5", "long"),
        ("sentiment", "neutral", "long"),
    ]


# --- under other settings ------------------------------------------------------------------------------------------


def test_a_record_is_judged_by_the_settings_of_then_where_they_are_at_hand() -> None:
    other, mine = load("sigma"), BOOK.amended({"judge.min_confidence": "0.5"})
    decision = replace(approved(), playbook="desk", playbook_hash=mine.hash)
    assert basis(decision, [other, BOOK, mine]) == Basis(playbook=mine, same=True)
    assert basis(decision, [other, BOOK]) == Basis(playbook=BOOK, same=False)
    assert basis(decision, [other]) == Basis(playbook=other, same=False)


def test_the_same_settings_come_to_the_same() -> None:
    decision = approved(*examples.PASSED)
    outcome = judged(decision, SAME, {"judge.drag": f"{BOOK.judge.drag}"})
    assert (outcome.said, outcome.verdict, outcome.resized) == ("long", decision.verdict, False)
    assert differences(decision.verdict, outcome.verdict) == ()


OUTCOMES: tuple[tuple[dict[str, str], str, str], ...] = (
    ({"judge.min_confidence": "0.9"}, "wait", "would not have been asked"),
    ({"panel.sentiment.weight": "0.5"}, "long", "every rule"),
    ({"judge.min_confidence": "0.5"}, "long", "every rule"),
)


@pytest.mark.parametrize(("changes", "said", "why"), OUTCOMES)
def test_what_another_setting_comes_to(changes: dict[str, str], said: str, why: str) -> None:
    outcome = judged(approved(*examples.PASSED), SAME, changes)
    assert outcome.said == said
    assert why in outcome.why


def test_a_value_that_does_not_fit_is_refused_by_the_schema() -> None:
    with pytest.raises(BadPlaybook, match="min_confidence"):
        judged(approved(), SAME, {"judge.min_confidence": "1.5"})


def test_a_side_that_turns_was_not_put_to_the_gate() -> None:
    decision = approved(*examples.PASSED)
    turned = {"whale": -700_000, "sentiment": 0, "flow": 800_000, "technical": -650_000}
    weights = dict.fromkeys(turned, 1000)
    short = a_record(turned, weights, BOOK.judge, gate=decision.gate)
    outcome = judged(replace(short, verdict=decision.verdict), SAME, {"judge.min_confidence": "0.05"})
    assert (outcome.said, outcome.verdict.action) == (NOT_KNOWN, Action.SHORT)
    assert "asked for long, not for short" in outcome.why


def test_what_can_be_asked_for_is_what_the_record_hangs_on() -> None:
    known = keys(approved(), BOOK)
    assert {"judge.quorum", "panel.whale.weight", "limits.max_positions"} <= set(known)
    assert "exits.take_profit" not in known
    phased = replace(approved(), phase="final")
    if (phase := BOOK.phase_named("final")) is not None and phase.max_positions is not None:
        assert "phases.final.max_positions" in keys(phased, BOOK)


# --- the gate's limits ---------------------------------------------------------------------------------------------

ANSWERS: tuple[tuple[GateAnswer, str, str], ...] = (
    (GateAnswer(rule="position count", passed=False, limit="under 5", value="5"), "limits.max_positions", "6"),
    (GateAnswer(rule="position count", passed=True, limit="under 5", value="1"), "limits.max_positions", "1"),
    (
        GateAnswer(rule="wash guard", passed=False, limit="60 s", value="12 s since the other side closed"),
        "limits.wash_guard",
        "12",
    ),
    (
        GateAnswer(rule="correlated group", passed=False, limit="120000.00 (60.0% of 200000.00)",
                   value="123456.78 (net long in BTC, ETH)"),
        "portfolio.group",
        "0.6173",
    ),
    (
        GateAnswer(rule="sector share", passed=True, limit="100000.00 (50.0% of 200000.00)", value="60000.00 (L1)"),
        "portfolio.sector",
        "0.2999",
    ),
    (GateAnswer(rule="margin in use", passed=False, limit="6000.00", value="6500.00"), "limits.max_margin", "0.65"),
    (GateAnswer(rule="daily loss", passed=False, limit="under 500.00", value="500.00"),
     "limits.max_daily_loss", "0.0501"),
    (GateAnswer(rule="price as shown", passed=False, limit="0.50%", value="0.72% (100 to 100.72)"),
     "limits.max_requote", "0.0072"),
    (GateAnswer(rule="leverage", passed=True, limit="1x to 20x", value="10x"), "sizing.min_leverage", "11"),
)  # fmt: skip


def denied(answer: GateAnswer) -> Decision:
    gate = Denied(rule=answer.rule, reason="too much", answers=(examples.PASSED[0], answer))
    return replace(approved(), gate=gate)


@pytest.mark.parametrize(("answer", "key", "after"), ANSWERS, ids=lambda a: getattr(a, "rule", None))
def test_the_nearest_limit_that_turns_an_answer(answer: GateAnswer, key: str, after: str) -> None:
    decision = approved(answer) if answer.passed else denied(answer)
    of = compared(answer, decision, BOOK, same=True)
    assert of is not None
    assert (of.key, of.turns()) == (key, D(after))
    step = of.rule.step if D(after) < of.then else -of.rule.step
    assert of.passes(D(after)) is not answer.passed
    assert of.passes(D(after) + step) is answer.passed


NOT_COMPARED: tuple[tuple[GateAnswer, bool], ...] = (
    (GateAnswer(rule="wash guard", passed=True, limit="60 s", value="no recent opposite exit"), True),
    (GateAnswer(rule="margin in use", passed=False, limit="6000.00", value="6500.00"), False),
    (GateAnswer(rule="risk", passed=False, limit="200.00", value="250.00"), True),
    (GateAnswer(rule="sector share", passed=False, limit="50.0% of the gross budget", value="not known"), True),
    (GateAnswer(rule="circuit breaker", passed=True, limit="any", value="CLOSED, confidence 0.71"), True),
    (GateAnswer(rule="daily loss", passed=True, limit="under 500.00", value="500.00"), True),
    (
        GateAnswer(rule="one-sided", passed=True, limit="1000.00 (50.0% of the gross budget, from 3 positions on)",
                   value="900.00 (net long, 2 open)"),
        True,
    ),
)  # fmt: skip


@pytest.mark.parametrize(("answer", "same"), NOT_COMPARED, ids=lambda a: getattr(a, "rule", str(a)))
def test_what_the_record_does_not_hold_is_not_compared(answer: GateAnswer, same: bool) -> None:
    assert compared(answer, approved(answer), BOOK, same=same) is None


def test_the_breaker_answers_another_confidence() -> None:
    said = GateAnswer(
        rule="circuit breaker", passed=False, limit="confidence from 0.80", value="THROTTLE, confidence 0.71"
    )
    decision = denied(said)
    assert decision.verdict.confidence < 800_000
    lowered = judged(decision, SAME, {"breaker.throttle_confidence": "0.5"})
    assert (lowered.said, lowered.gate[0].passed) == (NOT_KNOWN, True)
    assert "circuit breaker would have passed; the rules behind it were not asked" in lowered.why
    surer = judged(decision, SAME, {"panel.sentiment.weight": "0", "judge.drag": "0"})
    assert surer.verdict.confidence > decision.verdict.confidence
    assert surer.gate[0].of.value == D(surer.verdict.confidence) / MICRO
    assert surer.resized


def test_a_tighter_limit_denies_what_was_approved() -> None:
    answer = GateAnswer(rule="position count", passed=True, limit="under 5", value="3")
    decision = approved(answer, examples.PASSED[1])
    assert judged(decision, SAME, {"limits.max_positions": "3"}).said == "denied"
    assert judged(decision, SAME, {"limits.max_positions": "4"}).said == "long"


def test_a_limit_that_the_schema_does_not_allow_is_not_named() -> None:
    whole = GateAnswer(rule="margin in use", passed=False, limit="6000.00", value="11000.00")
    assert [f.what for f in flips(denied(whole), SAME) if f.what.startswith("limits")] == []


def test_a_person_chose_the_side() -> None:
    decision = replace(approved(*examples.PASSED), by="Ana (telegram:7)")
    assert all(not flip.what.startswith(("judge", "panel")) for flip in flips(decision, SAME))
    assert rejudged(decision, BOOK.judge).action is Action.LONG


def test_the_smallest_change_comes_first() -> None:
    found = [flip.size for flip in flips(approved(*(a for a, _, _ in ANSWERS if a.passed)), SAME)]
    known = [size for size in found if size is not None]
    assert known == sorted(known)
    assert found[: len(known)] == known


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_names_a_setting_that_there_is(rule: str) -> None:
    book: Playbook = load("desk")
    require: Callable[[str], object] = book.require
    require(RULES[rule].key)
