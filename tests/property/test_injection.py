"""What strangers write moves nothing but the voice that has read it: no verdict that was not possible before, no size,
and not one byte of what another voice is asked.

Every item of the corpus goes in wherever words of others come in: as a page's title, as a wallet's label, as what a
model says, whole or in any of its fields.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from unicodedata import category

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.briefings import a_briefing, a_snapshot
from tests.builders import ETH, NOW, a_playbook, an_opinion, some_facts
from tests.injections import ALL
from tests.voices import PAGE, Line, Scripted
from trading.bench import Bench
from trading.clock import ManualClock
from trading.decision import Abstention, Action, Approved, Denied, Evidence, Opinion, Ruling, Stance, Verdict
from trading.envelope import enveloped
from trading.identity import decision_id
from trading.judge import bounded, judge
from trading.personas.ballots import LiveBallots
from trading.personas.council import Council
from trading.personas.sentiment import Sentiment
from trading.playbook import JudgePolicy, Seat
from trading.policies import Scope, ValidationPolicy
from trading.prompting import ANSWER, fact_lines, facts_of, prompt, told
from trading.risk.gate import judge_entry
from trading.risk.sizing import plan_entry
from trading.voice import Source, Voice

D = Decimal
HARMLESS = "Nothing of note."
POLICY, VALIDATION = JudgePolicy(model="oracle", min_confidence=D("0.3")), ValidationPolicy(model="checker")
WEIGHTS = {"whale": 2000, "sentiment": 1500, "flow": 1500, "technical": 1000}
MODELS = ("ann", "bob", "cid")
KEYS = ("regime", "setup", "on_chain", "macro", "reward", "timing", "institutions")
PROSE = ("thesis", *(f"{key}_reason" for key in KEYS))
LATER = NOW + timedelta(hours=2)  # nothing that was heard before is alive

FACTS = facts_of(fact_lines(a_briefing().facts))

every_item = pytest.mark.parametrize("item", ALL, ids=range(len(ALL)))
mixed = st.lists(st.sampled_from(ALL), min_size=1, max_size=3).map(" ".join)


def sendable(text: str) -> str:
    """As it can stand in the JSON of an answer: half of a pair of surrogates cannot."""
    return text.encode(errors="replace").decode()


@dataclass(frozen=True, kw_only=True)
class Came:
    """What a round came to: all that may follow from it, and all that was asked on the way."""

    opinions: tuple[Opinion | Abstention, ...]
    rulings: tuple[Ruling | Abstention, ...]
    verdict: Verdict
    gate: Approved | Denied | None
    asked: dict[str, list[str]]  # by purpose


async def a_round(item: str, *, sentiment: Line | None = None, judged: str = HARMLESS, sure: float = 0.65) -> Came:
    """One decision on BTC. The words of SENTIMENT's model and the titles of its pages are `item`, so are WHALE's labels
    and thesis; the judge's model says `judged`, and is this `sure`."""
    said = {"reasoning": sendable(item), "confidence": 0.8, "stance": "LONG"} if sentiment is None else sentiment
    model = Scripted(
        {
            "sentiment": said,
            "judge": {"reasoning": sendable(judged), "confidence": sure, "side": "LONG"},
            "validator": {"reasoning": HARMLESS, "verdict": "APPROVE"},
        },
        sources=(Source(title=item, url=f"https://example.org/{item}"), PAGE),
    )
    snapshot = a_snapshot()
    seat = Seat(weight=D("1.5"))
    persona = Sentiment(seat, model, name_of_model="seer", wall=ManualClock(NOW))
    opinions = (a_whale(item), await persona.opine(snapshot), backing("flow"), backing("technical"))
    votes = judge(opinions, WEIGHTS, POLICY)
    rulings = await Bench(POLICY, VALIDATION, model).rule(snapshot, votes, opinions, weights=WEIGHTS)
    verdict = bounded(votes, rulings, POLICY, VALIDATION)
    asked = {purpose: model.prompts(purpose) for purpose in ("sentiment", "judge", "validator")}
    return Came(opinions=opinions, rulings=rulings, verdict=verdict, gate=gate_of(verdict), asked=asked)


def backing(name: str) -> Opinion:
    return an_opinion(name, Stance.LONG, 0.75)


def a_whale(label: str) -> Opinion:
    fact = Evidence(label=label, value=120.0, unit=label, source=label, as_of=NOW)
    voice = Voice(model=label, sources=(Source(title=label, url=label),), notes=(label,))
    return replace(an_opinion("whale", Stance.LONG, 0.7), thesis=label, evidence=(fact,), voice=voice)


def gate_of(verdict: Verdict) -> Approved | Denied | None:
    if verdict.action is Action.WAIT:
        return None
    facts = some_facts(confidence=verdict.confidence, playbook=a_playbook("smt-3.1"))
    decision = decision_id("desk", "smt-3.1", facts.instrument.symbol, NOW, "schedule")
    return judge_entry(lambda f: plan_entry(f, verdict.action.direction, desk="desk", decision=decision), facts)


CALM = asyncio.run(a_round(HARMLESS))  # its sentiment has an opinion
SURE = asyncio.run(a_round(HARMLESS, sure=1))  # its judge's model agrees in full
SILENT = asyncio.run(a_round(HARMLESS, sentiment="no answer at all"))  # its sentiment has none


def test_the_calm_round_is_a_trade_and_the_silent_one_is_another_size_or_none() -> None:
    assert isinstance(CALM.gate, Approved)
    assert (CALM.verdict.action, CALM.verdict.confidence) == (Action.LONG, 650_000)
    assert isinstance(SILENT.opinions[1], Abstention)
    assert CALM.asked["judge"] != SILENT.asked["judge"]
    assert [len(prompts) for prompts in CALM.asked.values()] == [1, 1, 1]


def same(came: Came, as_in: Came) -> None:
    """Not a byte of a prompt, nor of a verdict, nor of a plan is another."""
    assert came.asked == as_in.asked
    assert came.verdict == as_in.verdict
    assert came.gate == as_in.gate


# --- one voice's reading and the others -------------------------------------------------------------------------------


@every_item
async def test_what_sentiment_and_whale_have_read_changes_nothing_else(item: str) -> None:
    came = await a_round(item)
    heard = came.opinions[1]
    same(came, CALM if isinstance(heard, Opinion) else SILENT)
    if isinstance(heard, Opinion):
        assert (heard.stance, heard.confidence) == (Stance.LONG, 800_000)
        assert heard.thesis == told(sendable(item), FACTS, 600)


@settings(max_examples=60, deadline=None)
@given(mixed)
async def test_so_do_several_of_them_together(item: str) -> None:
    came = await a_round(item)
    same(came, CALM if isinstance(came.opinions[1], Opinion) else SILENT)


@every_item
async def test_an_answer_that_is_nothing_but_mischief_is_no_vote(item: str) -> None:
    same(await a_round(HARMLESS, sentiment=item), SILENT)


@pytest.mark.parametrize("calm", [CALM, SURE], ids=["lowers", "agrees"])
@every_item
async def test_what_the_judges_model_says_beside_its_side_changes_nothing(item: str, calm: Came) -> None:
    came = await a_round(HARMLESS, judged=item, sure=1 if calm is SURE else 0.65)
    ruling = came.rulings[0]
    if isinstance(ruling, Ruling):
        same(came, calm)
        assert ruling.thesis == told(sendable(item), FACTS, 600)
    else:  # it has quoted a figure that is not so
        assert came.verdict.action is Action.WAIT
        assert came.asked == {**calm.asked, "validator": []}


@pytest.mark.parametrize("stance", ["LONG", "SHORT", "NEUTRAL"])
@pytest.mark.parametrize("confidence", [0, 0.61, 1])
async def test_even_a_model_that_was_taken_in_has_one_voice(stance: str, confidence: float) -> None:
    """Whatever it says, the other side cannot come of it, nor a size that its confidence has no step for."""
    came = await a_round(HARMLESS, sentiment={"reasoning": HARMLESS, "confidence": confidence, "stance": stance})
    assert came.verdict.action in (Action.LONG, Action.WAIT)
    assert came.verdict.confidence <= judge(came.opinions, WEIGHTS, POLICY).confidence
    if isinstance(came.gate, Approved):
        equity = some_facts().equity or D(0)
        assert came.gate.plan.margin <= D("0.105") * equity
        assert came.gate.plan.leverage <= 20


# --- other pairs ------------------------------------------------------------------------------------------------------


async def later_prompts(item: str, scope: Scope) -> list[str]:
    """What is asked about ETH, and later about BTC again, after a model has read `item` about BTC."""
    words = sendable(item)
    everything = {"reasoning": words, **{f"{b}_{k}": v for b in ("btc", "eth") for k, v in says(words).items()}}

    def answers(question: Any) -> dict[str, Any]:
        return everything if question.prompt.name == "sentiment_market" else says(words)

    model = Scripted({"sentiment": answers}, sources=(Source(title=item, url=item),))
    seat = Seat(weight=D(1), scope=scope)
    persona = Sentiment(seat, model, name_of_model="seer", wall=ManualClock(NOW), universe=("BTC", "ETH"))
    await persona.opine(a_snapshot())
    await persona.opine(a_snapshot(ETH))
    await persona.opine(a_snapshot(at=LATER))
    return model.prompts("sentiment")


def says(words: str) -> dict[str, Any]:
    return {"reasoning": words, "confidence": 0.8, "stance": "LONG"}


@every_item
@pytest.mark.parametrize("scope", Scope)
async def test_what_was_read_about_one_pair_is_in_no_prompt_about_another(item: str, scope: Scope) -> None:
    assert await later_prompts(item, scope) == await later_prompts(HARMLESS, scope)


# --- the council ------------------------------------------------------------------------------------------------------


def vote(words: str, fields: Sequence[str] = PROSE, **changes: Any) -> dict[str, Any]:
    """A BUY with all seven bullish; `words` in these fields, behind the evidence that a verdict needs."""
    made: dict[str, Any] = {"thesis": HARMLESS, "invalidation": 58000, "confidence": 0.8, "signal": "BUY", **changes}
    for key in KEYS:
        made |= {f"{key}_reason": "strong [E2]", key: "BULLISH"}
    return made | dict.fromkeys(fields, f"strong [E2]; {words}")


async def council(*answers: Line) -> tuple[Opinion | Abstention, list[str]]:
    """What it comes to, and what was asked: about BTC, and then about ETH."""
    model = Scripted(dict(zip(MODELS, answers, strict=True)))
    seat = Seat(weight=D(1), models=MODELS)
    sitting = Council(seat, LiveBallots(model, seat))
    found = await sitting.opine(a_snapshot())
    await sitting.opine(a_snapshot(ETH))
    return found, model.prompts("council")


def outcome(found: Opinion | Abstention) -> tuple[Any, ...]:
    """All of it that code acts on."""
    if isinstance(found, Abstention):
        return ("none",)
    return found.stance, found.confidence, found.invalidation, found.thesis, found.evidence


@every_item
async def test_the_words_of_a_ballot_change_neither_the_count_nor_another_ballot(item: str) -> None:
    words = sendable(item)
    calm, asked = await council(vote(HARMLESS), vote(HARMLESS), "gone")
    found, prompts = await council(vote(words), vote(HARMLESS), "gone")
    assert prompts == asked
    assert outcome(found) in (outcome(calm), ("none",)), "a wrong figure costs the ballot, and then two are not there"


@settings(max_examples=60, deadline=None)
@given(mixed, st.sampled_from(PROSE))
async def test_no_field_of_a_ballot_makes_a_buy_of_none(item: str, field: str) -> None:
    declines = vote(sendable(item), [field], signal="NONE")
    found, _ = await council(declines, declines, vote(HARMLESS))
    assert isinstance(found, Abstention) or found.stance is Stance.NEUTRAL


@every_item
async def test_mischief_in_place_of_a_ballot_is_an_absence(item: str) -> None:
    found, _ = await council(item, item, vote(HARMLESS))
    assert isinstance(found, Abstention)


# --- the fence --------------------------------------------------------------------------------------------------------

FENCED: dict[str, tuple[str, dict[str, str]]] = {  # what is data in it, and all else
    "ask": ("question", {"answer": "It waited.", "evidence": "[E1] RSI(14) = 55 (1h candles, now)"}),
    "playbook": ("wish", {"schema": "limits.max_leverage: 1 to 20", "example": "limits.max_leverage = 5"}),
}


def outside(text: str, name: str) -> tuple[str, str]:
    """What stands before and behind the one envelope of this name."""
    before, fence, rest = text.partition(f'<data name="{name}">\n')
    inside, end, behind = rest.partition("\n</data>")
    assert fence
    assert end
    assert not set(inside) & set("<>&\n"), "one line, and nothing that could be markup"
    assert not {category(c) for c in inside} & {"Cc", "Cf", "Co", "Cs", "Cn"}, "and nothing that nobody sees"
    assert "<data name" not in before + behind
    assert "</data>" not in before + behind
    return before, behind


@pytest.mark.parametrize("name", FENCED)
@every_item
def test_outside_of_the_fence_not_a_byte_is_another(name: str, item: str) -> None:
    field, rest = FENCED[name]
    hostile, calm = (prompt(name, **{field: enveloped(field, [text])}, **rest) for text in (item, HARMLESS))
    assert hostile.system == calm.system
    assert outside(hostile.user, field) == outside(calm.user, field)
    assert facts_of(hostile.user) == facts_of(calm.user), "nobody adds to the evidence"


@every_item
def test_the_answer_that_is_taken_apart_stays_in_its_fence(item: str) -> None:
    made = prompt("extract", pairs="BTC/USDT:USDT", answer=ANSWER)
    hostile, calm = (made.user.replace(ANSWER, enveloped("answer", [text])) for text in (item, HARMLESS))
    assert outside(hostile, "answer") == outside(calm, "answer")


def test_the_corpus_is_large_enough() -> None:
    assert len(set(ALL)) >= 60
