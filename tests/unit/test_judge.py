"""The judge at its borders, worked out by hand."""

import pytest

from tests.builders import an_abstention, an_opinion
from trading.decision import MICRO, Abstention, Action, Opinion, Stance
from trading.judge import judge
from trading.playbook import JudgePolicy, Quorum, load
from trading.risk.sizing import margin_fraction

L, S, N = Stance.LONG, Stance.SHORT, Stance.NEUTRAL
FLOW, TECH, SENT = "flow", "technical", "sentiment"
WEIGHTS = {FLOW: 1500, TECH: 1000}
FOUR = {"whale": 2000, SENT: 1500, FLOW: 1500, TECH: 1000}


def a_panel(*votes: tuple[str, Stance, float]) -> list[Opinion | Abstention]:
    return [an_opinion(*v) for v in votes]


@pytest.mark.parametrize(
    ("confidence", "action"),
    [(599_999, Action.WAIT), (600_000, Action.LONG), (600_001, Action.LONG)],
)
def test_the_border_of_an_entry_is_exact(confidence: int, action: Action) -> None:
    panel = [an_opinion(FLOW, L, confidence), an_opinion(TECH, L, confidence)]
    verdict = judge(panel, WEIGHTS, JudgePolicy())
    assert verdict.confidence == confidence
    assert verdict.action is action


@pytest.mark.parametrize(
    ("confidence", "fraction"),
    [
        (600_000, "0.05"),
        (600_001, "0.07"),
        (700_000, "0.07"),
        (700_001, "0.09"),
        (800_000, "0.09"),
        (800_001, "0.105"),
        (1_000_000, "0.105"),
    ],
)
def test_the_borders_of_the_size_are_exact_and_strict(confidence: int, fraction: str) -> None:
    assert str(margin_fraction(confidence, load("smt-3.1").sizing)) == fraction


def test_confidence_is_the_lead_over_the_weight_that_spoke() -> None:
    # (1.5 x 0.9 + 1.0 x 0.8 - 1.5 x 0.2) / (1.5 + 1.0 + 1.5 + 0.5 x 2.0) = 1.85 / 5 = 0.37
    panel = a_panel(("whale", N, 0.0), (SENT, S, 0.2), (FLOW, L, 0.9), (TECH, L, 0.8))
    verdict = judge(panel, FOUR, JudgePolicy())
    assert verdict.tally.confidence == 370_000
    assert verdict.tally.lead is Action.LONG
    assert verdict.action is Action.WAIT
    assert "0.37 is under 0.60" in verdict.reason


def test_a_missing_voice_is_hostile() -> None:
    # (1.5 + 1.0 - 1.5) / (1.5 + 1.0 + 1.5) = 0.25
    panel = [an_opinion(FLOW, L, 1.0), an_opinion(TECH, L, 1.0), an_abstention(SENT)]
    weights = {SENT: 1500, **WEIGHTS}
    assert judge(panel, weights, JudgePolicy()).tally.confidence == 250_000
    renormalised = judge(panel, weights, JudgePolicy(quorum=Quorum.RENORMALISE))
    assert renormalised.confidence == MICRO
    assert renormalised.action is Action.LONG


def test_one_who_never_answered_is_missing_too() -> None:
    panel = a_panel((FLOW, L, 1.0), (TECH, L, 1.0))
    assert judge(panel, {SENT: 1500, **WEIGHTS}, JudgePolicy()).action is Action.WAIT


def test_one_who_does_not_exist_for_the_pair_is_no_loss() -> None:
    panel = a_panel((FLOW, L, 1.0), (TECH, L, 1.0))
    assert judge(panel, WEIGHTS, JudgePolicy()).action is Action.LONG


@pytest.mark.parametrize(
    "panel",
    [
        a_panel((FLOW, L, 0.4), (TECH, S, 0.6)),  # 0.6 against 0.6
        a_panel((FLOW, N, 0.0), (TECH, N, 0.0)),
        [an_abstention(FLOW), an_abstention(TECH)],
        [],
    ],
)
def test_a_tie_waits(panel: list[Opinion | Abstention]) -> None:
    verdict = judge(panel, WEIGHTS, JudgePolicy())
    assert verdict.action is Action.WAIT
    assert verdict.confidence == 0


def test_the_winner_needs_company() -> None:
    panel = a_panel((FLOW, L, 1.0), (TECH, N, 0.0))
    verdict = judge(panel, WEIGHTS, JudgePolicy())
    assert verdict.action is Action.WAIT
    assert "fewer than 2 voices" in verdict.reason


@pytest.mark.parametrize(("panel", "says"), [((FLOW,), "with 1 voice;"), ((FLOW, TECH), "with 2 voices;")])
def test_voices_are_counted_in_plain_words(panel: tuple[str, ...], says: str) -> None:
    votes = a_panel(*((name, L, 1.0) for name in panel))
    assert says in judge(votes, dict.fromkeys(panel, 1000), JudgePolicy(min_agreeing=1)).reason


@pytest.mark.parametrize(("against", "lead"), [(0.869566, Action.WAIT), (0.869565, Action.LONG)])
def test_the_winner_needs_1_15_times_the_loser(against: float, lead: Action) -> None:
    # 1.0 to 0.869565 is just over 1.15 times, to 0.869566 just under
    weights = {"a": 500, "b": 500, "c": 1000}
    panel = [an_opinion("a", L, 1.0), an_opinion("b", L, 1.0), an_opinion("c", S, against)]
    assert judge(panel, weights, JudgePolicy()).tally.lead is lead
