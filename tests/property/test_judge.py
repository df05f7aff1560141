"""What the judge promises for every panel there can be."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import an_abstention, an_opinion
from trading.decision import MICRO, Abstention, Action, Opinion, Stance
from trading.judge import Vote, judge, strengths
from trading.playbook import JudgePolicy, Quorum

WEIGHTS = {"whale": 2000, "sentiment": 1500, "flow": 1500, "technical": 1000, "sigma": 1000}
POLICY = JudgePolicy()
MIRROR = {Action.LONG: Action.SHORT, Action.SHORT: Action.LONG, Action.WAIT: Action.WAIT}

Panel = list[Opinion | Abstention]


@st.composite
def panels(draw: st.DrawFn, *, missing: bool = True) -> Panel:
    panel: Panel = []
    for name in WEIGHTS:
        kind = draw(st.sampled_from(["long", "short", "neutral", *(["missing"] if missing else [])]))
        if kind == "missing":
            panel.append(an_abstention(name))
        else:
            panel.append(an_opinion(name, Stance(kind), draw(st.integers(0, MICRO))))
    return panel


policies = st.builds(
    JudgePolicy,
    min_confidence=st.decimals("0.01", "1", places=2),
    min_agreeing=st.integers(1, 4),
    dominance=st.decimals("1", "2", places=2),
    drag=st.decimals("0", "1", places=2),
)


def flipped(panel: Panel) -> Panel:
    turn = {Stance.LONG: Stance.SHORT, Stance.SHORT: Stance.LONG, Stance.NEUTRAL: Stance.NEUTRAL}
    return [o if isinstance(o, Abstention) else an_opinion(o.persona, turn[o.stance], o.confidence) for o in panel]


@given(panels(), policies)
def test_the_mirrored_panel_gives_the_mirrored_verdict(panel: Panel, policy: JudgePolicy) -> None:
    here, there = judge(panel, WEIGHTS, policy), judge(flipped(panel), WEIGHTS, policy)
    assert there.action is MIRROR[here.action]
    assert there.confidence == here.confidence


@given(panels(), policies, st.randoms(use_true_random=False))
def test_the_order_of_the_votes_does_not_matter(panel: Panel, policy: JudgePolicy, random: object) -> None:
    names = list(WEIGHTS)
    random.shuffle(names)  # type: ignore[attr-defined]
    shuffled = {n: WEIGHTS[n] for n in names}
    assert judge(panel, shuffled, policy) == judge(panel, WEIGHTS, policy)


@given(panels(), policies, st.sampled_from(list(WEIGHTS)))
def test_losing_a_voter_never_creates_or_turns_an_entry(panel: Panel, policy: JudgePolicy, lost: str) -> None:
    before = judge(panel, WEIGHTS, policy)
    after = judge([an_abstention(lost) if o.persona == lost else o for o in panel], WEIGHTS, policy)
    assert after.action in (before.action, Action.WAIT)
    assert after.confidence <= before.confidence or after.action is Action.WAIT


@given(panels(), policies, st.sampled_from(list(WEIGHTS)), st.integers(0, MICRO))
def test_a_stronger_voice_on_the_leading_side_never_weakens_it(
    panel: Panel, policy: JudgePolicy, name: str, more: int
) -> None:
    before = judge(panel, WEIGHTS, policy)
    voice = next(o for o in panel if o.persona == name)
    if isinstance(voice, Abstention) or voice.stance.value != before.action.value or voice.conviction == 0:
        return
    louder = an_opinion(name, voice.stance, max(voice.confidence, more))
    after = judge([louder if o.persona == name else o for o in panel], WEIGHTS, policy)
    assert after.action is before.action
    assert after.confidence >= before.confidence


@given(panels(), policies, st.sampled_from(list(WEIGHTS)), st.integers(0, MICRO))
def test_a_weaker_voice_on_the_other_side_never_weakens_the_lead(
    panel: Panel, policy: JudgePolicy, name: str, less: int
) -> None:
    before = judge(panel, WEIGHTS, policy)
    voice = next(o for o in panel if o.persona == name)
    if isinstance(voice, Abstention) or before.action is Action.WAIT or voice.conviction == 0:
        return
    if voice.stance.value == before.action.value:
        return
    softer = an_opinion(name, voice.stance, min(voice.confidence, less))
    after = judge([softer if o.persona == name else o for o in panel], WEIGHTS, policy)
    assert after.action is before.action
    assert after.confidence >= before.confidence


@given(panels(), st.integers(0, MICRO))
def test_no_single_voice_carries_an_entry(panel: Panel, confidence: int) -> None:
    alone: Panel = [
        an_opinion("whale", Stance.LONG, confidence),
        *(an_opinion(n, Stance.NEUTRAL, 0) for n in WEIGHTS if n != "whale"),
    ]
    assert judge(alone, WEIGHTS, POLICY).action is Action.WAIT


@given(st.lists(panels(), min_size=1, max_size=20), policies, st.sampled_from(list(Quorum)))
def test_a_column_of_bars_is_judged_as_each_bar_alone(rows: list[Panel], policy: JudgePolicy, quorum: Quorum) -> None:
    policy = policy.model_copy(update={"quorum": quorum})
    votes = [
        Vote(
            weight=weight,
            conviction=np.array([0 if isinstance(r[i], Abstention) else r[i].conviction for r in rows], np.int64),
            missing=np.array([isinstance(r[i], Abstention) for r in rows]),
        )
        for i, weight in enumerate(WEIGHTS.values())
    ]
    column = strengths(votes, policy)
    for n, row in enumerate(rows):
        one = judge(row, WEIGHTS, policy).tally
        assert (column.confidence[n], column.long[n], column.short[n], column.standing[n]) == (
            one.confidence,
            one.long,
            one.short,
            one.standing,
        )
        assert column.side[n] == {Action.LONG: 1, Action.SHORT: -1, Action.WAIT: 0}[one.lead]
