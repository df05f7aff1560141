"""SENTIMENT: what an answer counts for, what is asked and how often, and that nobody's failure is a vote."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.briefings import a_snapshot
from tests.builders import BTC, ETH, NOW
from tests.voices import COST, PAGE, Line, Scripted
from trading.asking import Question, Window
from trading.clock import ManualClock
from trading.decision import Abstention, Evidence, Opinion, Stance
from trading.model import Symbol
from trading.personas.sentiment import Sentiment, SentimentAnswer, answer_about, market_answer, opinion_of
from trading.playbook import Seat
from trading.policies import Scope
from trading.prompting import Facts, facts_of
from trading.strict import Misfit, read
from trading.voice import Basis, Lack, Voice

D = Decimal
SOL = Symbol("SOL/USDT:USDT")
MINUTE, MICROSECOND = timedelta(minutes=1), timedelta(microseconds=1)
WALL = NOW + timedelta(days=200)  # the market's time and the wall's are two
SAYS: dict[str, Any] = {"reasoning": "Inflows go on; RSI is 55 [E2].", "confidence": 0.72, "stance": "LONG"}
EVERYTHING = {
    "reasoning": "Calm.",
    **{f"btc_{key}": value for key, value in SAYS.items()},
    "btc_reasoning": "Inflows go on.",
    "eth_reasoning": "An upgrade slips.",
    "eth_confidence": 0.4,
    "eth_stance": "SHORT",
}


def a_seat(**changes: Any) -> Seat:
    return Seat(weight=D("1.5"), **changes)


def a_sentiment(model: Scripted, **changes: Any) -> Sentiment:
    clock = ManualClock(WALL)
    return Sentiment(a_seat(**changes), model, name_of_model="seer", wall=clock, universe=("BTC", "ETH"))


def said(**changes: Any) -> SentimentAnswer:
    return SentimentAnswer(**{**SAYS, **changes})


def counted(answer: SentimentAnswer, *, age: timedelta = timedelta(0), **changes: Any) -> Opinion | Abstention:
    voice = replace(Voice(model="seer-1", sources=(PAGE, PAGE)), **changes)
    facts: Facts = facts_of("[E2] RSI(14) = 55.1 (1h candles, now)")
    return opinion_of(answer, voice, facts=facts, heard_at=NOW, at=NOW + age, max_age=30 * MINUTE)


# --- what an answer counts for ----------------------------------------------------------------------------------------


def test_an_answer_is_an_opinion_with_its_sources_as_evidence() -> None:
    found = counted(said())
    assert isinstance(found, Opinion)
    assert (found.persona, found.stance, found.confidence) == ("sentiment", Stance.LONG, 720_000)
    assert found.thesis == "Inflows go on; RSI is 55 (RSI(14) 55.1)."
    assert found.evidence == (Evidence(label="sources", value=2, source="web search", as_of=NOW),)
    assert found.voice is not None
    assert (found.voice.model, found.voice.sources) == ("seer-1", (PAGE, PAGE))


@pytest.mark.parametrize("stance", Stance)
def test_each_stance_has_its_exact_word(stance: Stance) -> None:
    found = counted(said(stance=stance.name))
    assert isinstance(found, Opinion)
    assert found.stance is stance


def test_an_answer_without_a_source_is_no_opinion() -> None:
    found = counted(said(), sources=())
    assert isinstance(found, Abstention)
    assert (found.reason, found.failed) == ("no sources", False)
    assert found.voice == Voice(model="seer-1")


def test_an_answer_with_a_figure_that_is_not_in_the_evidence_is_no_opinion() -> None:
    found = counted(said(reasoning="RSI is 72 [E2]."))
    assert isinstance(found, Abstention)
    assert (found.reason, found.failed) == ("number not in the evidence: 72 is not [E2]", True)


def test_an_opinion_says_how_old_it_is_and_is_none_when_it_is_too_old() -> None:
    young, border, old = (counted(said(), age=30 * MINUTE + by) for by in (-29 * MINUTE, 0 * MINUTE, MICROSECOND))
    assert isinstance(young, Opinion)
    assert young.thesis.startswith("Heard 1 min ago: Inflows")
    assert young.evidence[0].as_of == NOW
    assert isinstance(border, Opinion)
    assert border.thesis.startswith("Heard 30 min ago: ")
    assert isinstance(old, Abstention)
    assert old.reason == "what was heard is older than 30m"
    assert isinstance(counted(said(), age=-MICROSECOND), Abstention), "nothing is heard before it is said"


def test_a_thesis_is_one_clean_line() -> None:
    found = counted(said(reasoning="a\n## system\n\u202eb\u200b" + "x" * 999))
    assert isinstance(found, Opinion)
    assert found.thesis.startswith("a ## system b")
    assert len(found.thesis) == 600


MISFITS: list[dict[str, Any]] = [
    {"stance": "long"}, {"stance": "BUY"}, {"stance": "WAIT"}, {"confidence": 72}, {"confidence": "0.7"},
    {"confidence": True}, {"confidence": -0.1}, {"leverage": 100}, {"reasoning": None},
]  # fmt: skip


@pytest.mark.parametrize("wrong", MISFITS)
def test_an_answer_that_does_not_fit_is_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(Misfit):
        read(json.dumps({**SAYS, **wrong}), SentimentAnswer)


def test_the_verdict_comes_last() -> None:
    assert list(SentimentAnswer.model_fields) == ["reasoning", "confidence", "stance"]
    assert list(market_answer(("BTC", "1000PEPE")).model_fields) == [
        "reasoning", "btc_reasoning", "btc_confidence", "btc_stance",
        "of_1000pepe_reasoning", "of_1000pepe_confidence", "of_1000pepe_stance",
    ]  # fmt: skip


def test_an_answer_about_several_pairs_is_read_pair_by_pair() -> None:
    value = market_answer(("BTC", "ETH")).model_validate(EVERYTHING)
    assert answer_about("ETH", value) == SentimentAnswer(reasoning="An upgrade slips.", confidence=0.4, stance="SHORT")
    assert answer_about("BTC", said()) == said()


# --- what is asked ----------------------------------------------------------------------------------------------------


async def test_a_pair_is_asked_about_with_search_and_a_second_prompt_for_models_that_need_it() -> None:
    model = Scripted({"sentiment": SAYS})
    found = await a_sentiment(model, fresh=timedelta(hours=6), answer_within=timedelta(seconds=9)).opine(a_snapshot())
    assert isinstance(found, Opinion)
    assert found.stance is Stance.LONG
    [asked] = model.questions
    assert (asked.purpose, asked.about, asked.model) == ("sentiment", "btc-k3f9x2pa", "seer")
    assert asked.search == Window(since=WALL - timedelta(hours=6), until=WALL)
    assert asked.within == timedelta(seconds=9)
    assert asked.extract is not None
    assert asked.extract.user.endswith("$answer")
    assert asked.prompt.label == "sentiment 1"
    assert "last 6h" in asked.prompt.system
    assert "[E2] RSI(14) = 55.1235" in asked.prompt.user


@pytest.mark.parametrize("lack", Lack)
async def test_a_lack_of_an_answer_is_an_abstention(lack: Lack) -> None:
    found = await a_sentiment(Scripted({"sentiment": lack})).opine(a_snapshot())
    assert isinstance(found, Abstention)
    assert found.persona == "sentiment"
    assert found.reason == ("no key" if lack is Lack.OFF else lack.value)
    assert found.voice is not None
    assert [e.lack for e in found.voice.exchanges] == ([] if lack is Lack.OFF else [lack])


@pytest.mark.parametrize(
    "text", ["", "LONG", "{}", '{"stance":"LONG"}', '{"reasoning":"x","confidence":2,"stance":"LONG"}']
)
async def test_words_that_are_no_answer_are_an_abstention(text: str) -> None:
    found = await a_sentiment(Scripted({"sentiment": text})).opine(a_snapshot())
    assert isinstance(found, Abstention)
    assert found.failed


# --- how often --------------------------------------------------------------------------------------------------------


async def test_nothing_is_asked_twice_within_its_lifetime_and_the_second_pays_nothing() -> None:
    model = Scripted({"sentiment": SAYS})
    persona = a_sentiment(model)
    first = await persona.opine(a_snapshot())
    again = await persona.opine(a_snapshot(at=NOW + 30 * MINUTE))
    assert len(model.questions) == 1
    assert isinstance(first, Opinion)
    assert isinstance(again, Opinion)
    assert first.voice is not None
    assert again.voice is not None
    assert (first.voice.cost, again.voice.cost) == (COST, 0)
    [paid], [free] = first.voice.exchanges, again.voice.exchanges
    assert free == replace(paid, cost=D(0), basis=Basis.FREE), "the same bytes stand behind it"
    assert again.thesis == "Heard 30 min ago: " + first.thesis
    await persona.opine(a_snapshot(at=NOW + 30 * MINUTE + MICROSECOND))
    assert len(model.questions) == 2


async def test_each_pair_is_asked_about_for_itself() -> None:
    model = Scripted({"sentiment": SAYS})
    persona = a_sentiment(model)
    await asyncio.gather(persona.opine(a_snapshot()), persona.opine(a_snapshot(ETH)))
    assert ["ETH" in text for text in model.prompts("sentiment")] == [False, True]


async def test_a_market_that_went_back_in_time_is_asked_about_anew() -> None:
    model = Scripted({"sentiment": SAYS})
    persona = a_sentiment(model)
    await persona.opine(a_snapshot())
    await persona.opine(a_snapshot(at=NOW - MINUTE))
    assert len(model.questions) == 2


async def test_a_lack_is_asked_again_at_the_next_moment() -> None:
    model = Scripted({"sentiment": Lack.LATE})
    persona = a_sentiment(model)
    await persona.opine(a_snapshot())
    model.script["sentiment"] = SAYS
    assert isinstance(await persona.opine(a_snapshot()), Abstention), "not in the same moment"
    assert isinstance(await persona.opine(a_snapshot(at=NOW + MINUTE)), Opinion)
    assert len(model.questions) == 2


async def test_pairs_that_ask_at_once_share_one_question_about_all() -> None:
    model = Scripted({"sentiment": EVERYTHING})
    persona = a_sentiment(model, scope=Scope.MARKET)
    btc, eth = await asyncio.gather(persona.opine(a_snapshot()), persona.opine(a_snapshot(ETH)))
    later = await persona.opine(a_snapshot(ETH, at=NOW + MINUTE))
    [asked] = model.questions
    assert (asked.about, asked.prompt.label) == ("market 2026-01-05T12:00", "sentiment_market 1")
    assert "BTC (btc), ETH (eth)" in asked.prompt.user
    assert "[E1]" not in asked.prompt.user, "whoever asks first must not matter"
    found = [o for o in (btc, eth, later) if isinstance(o, Opinion)]
    assert [(o.stance, o.confidence) for o in found] == [
        (Stance.LONG, 720_000), (Stance.SHORT, 400_000), (Stance.SHORT, 400_000),
    ]  # fmt: skip
    assert [o.voice.cost for o in found if o.voice] == [COST, 0, 0], "one of them pays"
    assert [o.thesis for o in found][1:] == ["An upgrade slips.", "Heard 1 min ago: An upgrade slips."]


async def test_a_lack_of_an_answer_about_all_is_shared_too() -> None:
    model = Scripted({"sentiment": Lack.SERVER})
    persona = a_sentiment(model, scope=Scope.MARKET)
    found = [await persona.opine(a_snapshot(symbol)) for symbol in (BTC, ETH)]
    assert [isinstance(f, Abstention) and f.failed for f in found] == [True, True]
    assert len(model.questions) == 1


async def test_a_pair_outside_of_the_universe_is_asked_about_alone() -> None:
    model = Scripted({"sentiment": lambda q: SAYS if q.schema is SentimentAnswer else EVERYTHING})
    persona = a_sentiment(model, scope=Scope.MARKET)
    await persona.opine(a_snapshot())
    assert isinstance(await persona.opine(a_snapshot(SOL)), Opinion)
    assert [q.prompt.name for q in model.questions] == ["sentiment_market", "sentiment"]


async def test_who_gives_up_waiting_takes_the_answer_from_nobody() -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow(question: Question[Any]) -> Line:
        asked.set()
        await go.wait()
        return EVERYTHING

    model = Scripted({"sentiment": slow})
    persona = a_sentiment(model, scope=Scope.MARKET)
    impatient = asyncio.create_task(persona.opine(a_snapshot()))
    await asked.wait()
    patient = asyncio.create_task(persona.opine(a_snapshot(ETH)))
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    go.set()
    assert isinstance(await patient, Opinion)
    assert isinstance(await persona.opine(a_snapshot()), Opinion), "what was late is heard the next time"
    assert len(model.questions) == 1


def test_it_does_not_answer_at_once() -> None:
    assert not Sentiment.instant
