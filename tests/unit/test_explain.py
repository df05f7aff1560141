"""/why and /ask say what the record holds, and say so when it does not hold an answer."""

import pytest

from bot import explain
from tests import surface_examples as examples
from tests.record_check import numbers_outside, outside, sides_outside, symbols_outside

STORY = examples.story()
OUTCOMES = ("long", "denied", "wait")
QUESTIONS = (
    "why?", "why not", "Why did you buy BTC?", "what about the size", "where is the stop", "how did it exit",
    "what did FLOW say", "and the whale?", "risk?", "which leverage", "how confident", "show the evidence",
    "when was it made", "what happened then", "price?",
)  # fmt: skip


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_why_says_only_what_the_record_holds(outcome: str) -> None:
    decision, story = examples.a_decision(outcome), STORY if outcome == "long" else []
    assert outside(explain.why(decision, story).plain(), decision, story) == []


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("question", QUESTIONS)
def test_ask_says_only_what_the_record_holds(outcome: str, question: str) -> None:
    decision, story = examples.a_decision(outcome), STORY if outcome == "long" else []
    assert outside(explain.ask(question, decision, story).plain(), decision, story) == []


def test_why_holds_evidence_votes_tally_gate_size_and_what_happened() -> None:
    said = explain.why(examples.a_decision(), STORY).plain()
    for part in (
        "[E1] FLOW: taker buy share 61.43%",
        "[E3] TECHNICAL: RSI(14) 58.22",
        "WHALE abstained: no key",
        "FLOW long 0.81, weight 1.5. Takers bought",
        "Tally: winning 1.87, losing 0.00, missing 0.00",
        "leverage passed: 10x",
        "Size: 0.0124 BTC at 64,210.5, 10x",
        "bought 0.0124 BTC @ 64,210.5",
        "protection confirmed, stop 62,605.2, target 67,421.1",
        "closed by take profit",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("question", "part"),
    [
        ("why this size", "Size: 0.0124 BTC"),
        ("where is the stop?", "Planned: stop 62,605.2"),
        ("how did it exit", "exit by take profit"),
        ("what did flow see", "[E1] FLOW"),
        ("how was the risk judged", "leverage passed"),
        ("what leverage", "Leverage 10x"),
        ("how confident were you", "confidence 0.71"),
        ("why", "Verdict: long"),
        ("what did the whale say", "WHALE abstained: no key"),
    ],
)
def test_ask_answers_with_the_matching_part(question: str, part: str) -> None:
    assert part in explain.ask(question, examples.a_decision(), STORY).plain()


@pytest.mark.parametrize(
    "question",
    ["what is the weather", "what will the price be tomorrow", "why did the president resign", "what did sentiment say",
     "should I sell", "who is the best goalkeeper"],
)  # fmt: skip
def test_what_the_record_does_not_hold_is_said_so(question: str) -> None:
    card = explain.ask(question, examples.a_decision(), STORY)
    assert card.lines[0] == "The record of decision btc-k3f9x2pa does not hold that."
    assert card.lines[1].startswith("It holds: votes, verdict, tally, evidence")


def test_a_wait_has_no_size_and_no_exit() -> None:
    decision = examples.a_decision("wait")
    assert "does not hold" in explain.ask("which size?", decision).plain()
    assert "does not hold" in explain.ask("how did it exit", decision).plain()
    assert "size" not in explain.ask("the weather", decision).plain()


def test_the_checker_finds_what_is_invented() -> None:
    decision = examples.a_decision()
    assert numbers_outside("stop 62,605.3", decision, STORY) == ["62,605.3"]
    assert numbers_outside("at 13:37 UTC", decision, STORY) == ["13:37"]
    assert numbers_outside("on 2031-01-01", decision, STORY) == ["2031-01-01"]
    assert numbers_outside("fact [E9]", decision, STORY) != []
    assert numbers_outside("lost -39.08", decision, STORY) == ["-39.08"]
    assert sides_outside("a short", decision, STORY) == ["short"]
    assert symbols_outside("DOGE", decision, STORY) == ["DOGE"]
