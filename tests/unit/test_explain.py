"""/why and /ask say what the record holds, and say so when it does not hold an answer."""

from dataclasses import replace
from decimal import Decimal as D

import pytest

from bot import explain
from tests import surface_examples as examples
from tests.record_check import numbers_outside, outside, sides_outside, symbols_outside
from trading.decision import Opinion

STORY = examples.story()
MOVING = examples.moving_story()
SHADOW = list(examples.shadow_events().values())
STORIES = {"long": MOVING, "stopped": SHADOW}
OUTCOMES = ("long", "denied", "stopped", "wait")
QUESTIONS = (
    "why?", "why not", "Why did you buy BTC?", "what about the size", "where is the stop", "how did it exit",
    "what did FLOW say", "and the whale?", "risk?", "which leverage", "how confident", "show the evidence",
    "when was it made", "what happened then", "price?", "why this size", "what would change it", "which regime",
    "was the breaker in it", "portfolio", "which method", "kelly?", "volatility", "what is missing",
)  # fmt: skip


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_why_says_only_what_the_record_holds(outcome: str) -> None:
    decision, story = examples.a_decision(outcome), STORIES.get(outcome, [])
    assert outside(explain.why(decision, story).plain(), decision, story) == []


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("question", QUESTIONS)
def test_ask_says_only_what_the_record_holds(outcome: str, question: str) -> None:
    decision, story = examples.a_decision(outcome), STORIES.get(outcome, [])
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
        ("why this size", "Size by confidence: confidence 0.71 commits 9 % of 10000 equity"),
        ("why this size", "circuit breaker passed: THROTTLE, confidence 0.71, limit confidence from 0.70"),
        ("which method set the size", "Size by confidence"),
        ("which regime", "Regime trend up, volatility 45.1% a year, ATR 512.3"),
        ("what did the breaker say", "circuit breaker passed: THROTTLE"),
        ("what about the portfolio", "asset share passed: 796.21 (BTC), limit 80000.00 (40.0% of 200000.00)"),
        ("what would change it", "Any of these, past its limit, would have kept it out:"),
        ("what could have changed the decision", "leverage passed: 10x, limit 20x"),
    ],
)
def test_ask_answers_with_the_matching_part(question: str, part: str) -> None:
    assert part in explain.ask(question, examples.a_decision(), STORY).plain()


STOPPED = (
    ("why not", "Denied by expectancy: no real size since E was not above 0; 2 of 30 shadow trades"),
    ("why this size", "Size in shadow, without an order: 0.0034 BTC at 64,210.5"),
    ("why this size", "Size by exploration: 2 of 30 trades closed"),
    ("what would change it", "expectancy refused: 0.00% of equity at risk (stopped), limit above 0"),
    ("what happened", "followed in shadow, stop 62,605.2"),
    ("what happened", "closed in shadow by take profit"),
    ("where is the stop", "Planned in shadow, without an order: stop 62,605.2"),
)


@pytest.mark.parametrize(("question", "part"), STOPPED)
def test_a_shadow_trade_is_told_as_one(question: str, part: str) -> None:
    assert part in explain.ask(question, examples.a_decision("stopped"), SHADOW).plain()


WAITED = (
    ("what would change it", "confidence 0.599 is under 0.60"),
    ("what would change it", "The side that leads is long."),
    ("what would change it", "WHALE abstained: no key"),
    ("why not", "The gate was not asked: the verdict was to wait"),
)


@pytest.mark.parametrize(("question", "part"), WAITED)
def test_a_wait_says_what_it_hung_on(question: str, part: str) -> None:
    assert part in explain.ask(question, examples.a_decision("wait")).plain()


def test_moved_stops_and_partial_exits_are_part_of_the_story() -> None:
    said = explain.why(examples.a_decision(), MOVING).plain()
    for part in (
        "stop 62,605.2 -> 64,274.8 (break-even stop). +1.02% reached +1.00%",
        "closing a part, 0.0031. +2.01% reached +2.00%",
        "stop 64,274.8 -> 64,680.0 (trailing stop)",
        "stop not moved to 64,712.4: stop would trigger at once",
    ):
        assert part in said
    exits = explain.ask("how did it exit", examples.a_decision(), MOVING).plain()
    assert "closing a part, 0.0031" in exits


def test_a_regime_that_was_not_known_is_said_so() -> None:
    decision = examples.a_decision()
    dark = replace(decision, seen=replace(decision.seen, regime=None, volatility=None, atr=None))
    assert explain.ask("which regime", dark).lines == ("The regime was not known at that bar.",)


def test_where_a_voice_gives_up_is_said() -> None:
    decision = examples.a_decision()
    flow, *rest = decision.opinions
    assert isinstance(flow, Opinion)
    bound = replace(decision, opinions=(replace(flow, invalidation=D("61000.5")), *rest))
    assert "FLOW gives its thesis up at 61,000.5" in explain.ask("what would change it", bound).plain()
    assert outside(explain.why(bound).plain(), bound, []) == []


@pytest.mark.parametrize(
    "question",
    ["what is the weather", "what will the price be tomorrow", "why did the president resign", "what did sentiment say",
     "should I sell", "who is the best goalkeeper", "would you buy it again", "could it go to the moon"],
)  # fmt: skip
def test_what_the_record_does_not_hold_is_said_so(question: str) -> None:
    card = explain.ask(question, examples.a_decision(), STORY)
    assert card.lines[0] == "The record of decision btc-k3f9x2pa does not hold that."
    assert card.lines[1].startswith("It holds: votes, verdict, tally, evidence")


def test_a_wait_has_no_size_and_no_exit() -> None:
    decision = examples.a_decision("wait")
    assert "does not hold" in explain.ask("which size?", decision).plain()
    assert "It was a wait: no order was sent." in explain.ask("which size?", decision).plain()
    assert "It was a wait" not in explain.ask("the weather", examples.a_decision()).plain()
    assert explain.answers("which size?", examples.a_decision())
    assert not explain.answers("which size?", decision)
    assert "does not hold" in explain.ask("how did it exit", decision).plain()
    assert "size" not in explain.ask("the weather", decision).plain()


def test_the_checker_finds_what_is_invented() -> None:
    decision = examples.a_decision()
    assert numbers_outside("stop 62,605.3", decision, STORY) == ["62,605.3"]
    assert numbers_outside("at 13:37 UTC", decision, STORY) == ["13:37"]
    assert numbers_outside("on 2031-01-01", decision, STORY) == ["2031-01-01"]
    assert numbers_outside("fact [E9]", decision, STORY) != []
    assert numbers_outside("lost -39.08", decision, STORY) == ["-39.08"]
    assert numbers_outside("volatility 45.2% a year", decision, STORY) == ["45.2"]
    assert numbers_outside("ATR 513.3", decision, STORY) == ["513.3"]
    assert sides_outside("a short", decision, STORY) == ["short"]
    assert symbols_outside("DOGE", decision, STORY) == ["DOGE"]
