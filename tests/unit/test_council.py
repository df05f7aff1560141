"""The council: what a vote to buy needs to count, how many make a long, who is absent, and that nobody waits."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from tests.builders import BTC, NOW, a_quote
from tests.desks import a_series
from trading.ballot import Ballot, Category, Judged, Mark, Signal
from trading.decision import MICRO, Abstention, Evidence, Opinion, Stance
from trading.errors import NoEvidence, VenueDown
from trading.market.features import build
from trading.market.snapshot import Snapshot
from trading.personas.council import Council
from trading.personas.council_count import Absent, Standing, count, standing
from trading.playbook import Seat

D = Decimal
PRICE = D(60000)
GROK, QWEN, SEEK = MODELS = ("x-ai/grok-4-fast", "qwen/qwen3-max", "deepseek/deepseek-chat-v3.1")
TICK, MICROSECOND = D("0.1"), timedelta(microseconds=1)
HALF_AN_HOUR = timedelta(minutes=30)


def a_seat(**changes: Any) -> Seat:
    return Seat(weight=D(1), models=MODELS, **changes)


def a_ballot(model: str = GROK, signal: Signal = Signal.BUY, **changes: Any) -> Ballot:
    """Sure of itself: all seven are bullish. `bullish`: only the first few of them are."""
    bullish = changes.pop("bullish", len(Category))
    marks = [Mark.BULLISH] * bullish + [Mark.UNKNOWN] * (len(Category) - bullish)
    made: dict[str, Any] = {
        "model": model, "at": NOW, "signal": signal, "confidence": 800_000,
        "invalidation": D(58000) if signal is Signal.BUY else None, "thesis": "It rises.",
        "categories": tuple(Judged(category=c, mark=m, reason="so") for c, m in zip(Category, marks, strict=True)),
    }  # fmt: skip
    return Ballot(**{**made, **changes})


def buys(model: str, **changes: Any) -> Ballot:
    return a_ballot(model, **changes)


def declines(model: str, **changes: Any) -> Ballot:
    return a_ballot(model, Signal.NONE, **changes)


def no(model: str) -> Absent:
    return Absent(model=model, reason="no key")


def counted(*answers: Ballot | Absent, at: datetime = NOW, price: Decimal = PRICE, **seat: Any) -> Opinion | Abstention:
    return count(answers, at=at, price=price, seat=a_seat(**seat))


def stance(*answers: Ballot | Absent, **how: Any) -> Stance | None:
    found = counted(*answers, **how)
    return found.stance if isinstance(found, Opinion) else None


# --- how many -----------------------------------------------------------------------------------------------------

L, N, NO_OPINION = Stance.LONG, Stance.NEUTRAL, None
SEATS = [
    ((buys, buys, buys), L),
    ((buys, buys, declines), L),
    ((buys, declines, declines), N),
    ((declines, declines, declines), N),
    ((buys, buys, no), L),
    ((buys, declines, no), N),  # two are there, and they do not agree
    ((declines, declines, no), N),
    ((buys, no, no), NO_OPINION),
    ((declines, no, no), NO_OPINION),
    ((no, no, no), NO_OPINION),
]


@pytest.mark.parametrize(("votes", "expected"), SEATS)
def test_two_of_three_make_a_long(votes: tuple[Any, ...], expected: Stance | None) -> None:
    assert stance(*(vote(model) for vote, model in zip(votes, MODELS, strict=True))) is expected


def test_how_many_must_agree_is_a_setting() -> None:
    two, three = (buys(GROK), buys(QWEN), declines(SEEK)), (buys(GROK), buys(QWEN), buys(SEEK))
    assert stance(*two, agree=3) is Stance.NEUTRAL
    assert stance(*three, agree=3) is Stance.LONG
    assert stance(buys(GROK), buys(QWEN), no(SEEK), agree=3) is None, "it could not have said yes"
    assert stance(buys(GROK), declines(QWEN), declines(SEEK), agree=1) is Stance.LONG
    assert stance(buys(GROK), no(QWEN), no(SEEK), agree=1) is None, "one alone is no council"


def test_a_missing_voter_never_makes_a_long() -> None:
    for kept in ((buys, declines, declines), (declines, declines, declines)):
        votes = [vote(model) for vote, model in zip(kept, MODELS, strict=True)]
        for gone in range(3):
            fewer = [no(MODELS[n]) if n == gone else vote for n, vote in enumerate(votes)]
            assert stance(*fewer) is not Stance.LONG


# --- what counts --------------------------------------------------------------------------------------------------


def test_a_buy_counts_only_when_all_categories_are_bullish() -> None:
    assert standing(buys(GROK, bullish=7), PRICE, a_seat()) is Standing.BUYS
    assert standing(buys(GROK, bullish=6), PRICE, a_seat()) is Standing.DOUBTS
    assert stance(buys(GROK), buys(QWEN, bullish=6), declines(SEEK)) is Stance.NEUTRAL


def test_how_many_categories_is_a_setting() -> None:
    assert standing(buys(GROK, bullish=5), PRICE, a_seat(bullish=5)) is Standing.BUYS
    assert standing(buys(GROK, bullish=4), PRICE, a_seat(bullish=5)) is Standing.DOUBTS
    assert standing(buys(GROK, bullish=0), PRICE, a_seat(bullish=0)) is Standing.BUYS


@pytest.mark.parametrize("mark", [m for m in Mark if m is not Mark.BULLISH])
def test_nothing_else_than_bullish_is_bullish(mark: Mark) -> None:
    sure = a_ballot()
    less = (*sure.categories[1:], Judged(category=Category.INSTITUTIONS, mark=mark, reason=""))
    one_less = (*sure.categories[:-1], less[-1])
    assert standing(a_ballot(categories=one_less), PRICE, a_seat()) is Standing.DOUBTS


def test_all_bullish_and_no_signal_is_no_vote() -> None:
    assert standing(declines(GROK), PRICE, a_seat()) is Standing.NOTHING
    assert declines(GROK).bullish == 7


def test_at_its_invalidation_price_a_model_has_given_up() -> None:
    ballot = buys(GROK, invalidation=PRICE - TICK)
    assert standing(ballot, PRICE, a_seat()) is Standing.BUYS
    assert standing(ballot, PRICE - TICK, a_seat()) is Standing.GAVE_UP
    fallen = counted(ballot, buys(QWEN), price=PRICE - TICK)
    assert isinstance(fallen, Opinion)
    assert fallen.stance is Stance.NEUTRAL
    assert "where it gives up" in fallen.thesis


def test_a_ballot_lives_for_the_seats_time_and_not_a_moment_longer() -> None:
    pair = buys(GROK), buys(QWEN)
    assert stance(*pair, at=NOW + HALF_AN_HOUR) is Stance.LONG
    assert stance(*pair, at=NOW + HALF_AN_HOUR + MICROSECOND) is None
    late = counted(*pair, at=NOW + HALF_AN_HOUR + MICROSECOND)
    assert isinstance(late, Abstention)
    assert "older than 30m" in late.reason


def test_a_ballot_of_the_future_is_none() -> None:
    assert stance(buys(GROK), buys(QWEN), at=NOW - MICROSECOND) is None
    assert stance(buys(GROK), buys(QWEN), at=NOW) is Stance.LONG


# --- what it comes to ---------------------------------------------------------------------------------------------


def an_opinion(*answers: Ballot | Absent, **how: Any) -> Opinion:
    found = counted(*answers, **how)
    assert isinstance(found, Opinion), found
    return found


def test_confidence_is_the_mean_of_those_who_buy_rounded_down() -> None:
    pair = buys(GROK, confidence=700_000), buys(QWEN, confidence=800_001)
    assert an_opinion(*pair, declines(SEEK, confidence=MICRO)).confidence == 750_000
    assert an_opinion(*pair, buys(SEEK, bullish=6, confidence=0)).confidence == 750_000
    assert an_opinion(*pair, buys(SEEK, confidence=0)).confidence == 500_000


def test_the_stop_is_at_the_nearest_invalidation_of_those_who_buy() -> None:
    pair = buys(GROK, invalidation=D(57000)), buys(QWEN, invalidation=D("58500.5"))
    assert an_opinion(*pair, declines(SEEK, invalidation=D(59900))).invalidation == D("58500.5")
    assert an_opinion(*pair, buys(SEEK, invalidation=D(59900), bullish=0)).invalidation == D("58500.5")
    assert an_opinion(*pair, buys(SEEK, invalidation=D(59900))).invalidation == D(59900)


def test_without_agreement_there_is_neither_confidence_nor_a_stop() -> None:
    found = an_opinion(buys(GROK), declines(QWEN), declines(SEEK))
    assert (found.confidence, found.invalidation) == (0, None)


def test_the_thesis_names_every_model_and_each_leaves_one_fact() -> None:
    found = an_opinion(buys(GROK, confidence=712_345), buys(QWEN), buys(SEEK, bullish=5))
    assert found.thesis == (
        "The council buys: x-ai/grok-4-fast says BUY (0.71); qwen/qwen3-max says BUY (0.80); "
        "deepseek/deepseek-chat-v3.1 says BUY, but finds only 5 categories bullish."
    )
    assert found.evidence[0] == Evidence(
        label="x-ai/grok-4-fast says BUY", value=0.712345, unit="confidence", source="ballot", as_of=NOW
    )
    assert [(e.value, e.unit) for e in found.evidence[1:]] == [(0.8, "confidence"), (5, "bullish categories")]


def test_every_number_in_the_thesis_is_in_the_evidence() -> None:
    opinions = [
        an_opinion(buys(GROK, confidence=712_345), buys(QWEN, confidence=700_001), no(SEEK)),
        an_opinion(buys(GROK, bullish=3), declines(QWEN, confidence=0), buys(SEEK, invalidation=D("60000.25"))),
    ]
    for opinion in opinions:
        assert all(model in opinion.thesis for model in MODELS)
        words = opinion.thesis
        for model in MODELS:
            words = words.replace(model, "")
        for text in re.findall(r"\d+(?:\.\d+)?", words):
            digits = len(text.partition(".")[2])
            assert any(round(e.value, digits) == float(text) for e in opinion.evidence), (text, opinion)


def test_an_abstention_says_who_is_missing_and_why() -> None:
    found = counted(buys(GROK), no(QWEN), Absent(model=SEEK, reason="no answer within 15 s"))
    assert found == Abstention(
        persona="council",
        reason=f"1 of 3 models have a ballot, 2 are needed ({QWEN}: no key; {SEEK}: no answer within 15 s)",
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"confidence": MICRO + 1},
        {"confidence": -1},
        {"invalidation": None},
        {"invalidation": D(0)},
        {"invalidation": D("Infinity")},
        {"at": NOW.replace(tzinfo=None)},
        {"categories": a_ballot().categories[1:]},
        {"categories": a_ballot().categories[::-1]},
        {"categories": (*a_ballot().categories[:6], a_ballot().categories[0])},
    ],
)
def test_a_wrong_ballot_cannot_be_built(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        a_ballot(**wrong)


# --- asking -------------------------------------------------------------------------------------------------------

Act = Callable[[str], Awaitable[Ballot]]


class Voters:
    """Models that do what they are told to."""

    def __init__(self, *acts: Act, instant: bool = False) -> None:
        self.instant = instant
        self.asked: list[str] = []
        self._acts = dict(zip(MODELS, acts, strict=False))

    async def ask(self, model: str, snapshot: Snapshot) -> Ballot:
        self.asked.append(model)
        return await self._acts[model](model)


async def says_buy(model: str) -> Ballot:
    return buys(model)


async def hangs(model: str) -> Ballot:
    await asyncio.Event().wait()
    raise AssertionError


def raises(error: Exception) -> Act:
    async def act(model: str) -> Ballot:
        raise error

    return act


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    features = build(a_series(list(np.full(3, 60000.0))))
    return Snapshot(
        symbol=BTC, at=NOW, features=features, row=2, quote=a_quote(), book=None, funding_rate=None, source="a test"
    )


async def test_a_model_that_fails_or_is_late_is_absent_and_nobody_waits_for_it(snapshot: Snapshot) -> None:
    council = Council(a_seat(), Voters(says_buy, hangs, says_buy), within=0.01)
    found = await council.opine(snapshot)
    assert isinstance(found, Opinion)
    assert (found.stance, len(found.evidence)) == (Stance.LONG, 2)
    assert f"{QWEN} is absent" in found.thesis


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (hangs, "no answer within 0.01 s"),
        (raises(NoEvidence("no ballot")), "no ballot"),
        (raises(VenueDown("the network is down")), "failed: the network is down"),
        (raises(RuntimeError("the key sk-1 is wrong")), "failed: RuntimeError"),
    ],
)
async def test_an_absence_has_its_reason(snapshot: Snapshot, act: Act, why: str) -> None:
    found = await Council(a_seat(), Voters(says_buy, act, act), within=0.01).opine(snapshot)
    assert isinstance(found, Abstention)
    assert found.reason.endswith(f"({QWEN}: {why}; {SEEK}: {why})")


async def test_all_are_asked_at_the_same_time(snapshot: Snapshot) -> None:
    there = asyncio.Barrier(3)

    async def meets(model: str) -> Ballot:
        await there.wait()  # passed only when all three are in it
        return buys(model)

    found = await Council(a_seat(), Voters(meets, meets, meets), within=60).opine(snapshot)
    assert isinstance(found, Opinion)
    assert len(found.evidence) == 3


async def test_a_model_that_is_named_twice_votes_once(snapshot: Snapshot) -> None:
    voters = Voters(says_buy, instant=True)
    found = await Council(Seat(weight=D(1), models=(GROK, GROK)), voters).opine(snapshot)
    assert isinstance(found, Abstention)
    assert voters.asked == [GROK]


async def test_a_council_of_nobody_abstains(snapshot: Snapshot) -> None:
    found = await Council(Seat(weight=D(1)), Voters(instant=True)).opine(snapshot)
    assert found == Abstention(persona="council", reason="0 of 0 models have a ballot, 2 are needed")


async def test_a_council_that_answers_at_once_is_asked_at_once(snapshot: Snapshot) -> None:
    assert Council(a_seat(), Voters(instant=True)).instant
    assert not Council(a_seat(), Voters()).instant
