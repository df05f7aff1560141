"""Live ballots: what a model's answer comes to, who is absent and why, and that no model votes twice."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.briefings import a_snapshot
from tests.builders import ETH, NOW
from tests.voices import COST, Scripted
from trading.asking import NoAnswer
from trading.ballot import Ballot, Category, Mark, Signal
from trading.decision import Abstention, Opinion, Stance
from trading.personas.ballots import CouncilAnswer, LiveBallots, absent, ballot_of
from trading.personas.council import Council
from trading.personas.council_count import Absent, count, distinct, identity
from trading.playbook import Seat
from trading.prompting import Facts, facts_of
from trading.voice import Lack, Voice

D = Decimal
MODELS = ("ann", "bob", "cid")
MINUTE = timedelta(minutes=1)
FACTS: Facts = facts_of("[E1] mark = 60123.4 quote (quote, now)\n[E2] RSI(14) = 55.1235 (1h candles, now)")
KEYS = [category.name.lower() for category in Category]


def says(signal: str = "BUY", **changes: Any) -> dict[str, Any]:
    """Sure of itself: all seven are bullish, and each names its evidence."""
    marks = {key: part for name in KEYS for key, part in ((f"{name}_reason", "strong [E2]"), (name, "BULLISH"))}
    made = {"thesis": "It rises.", **marks, "invalidation": 58000.5, "confidence": 0.8, "signal": signal}
    return {**made, **changes}


def a_seat(**changes: Any) -> Seat:
    return Seat(weight=D(1), models=MODELS, **changes)


def ballot(**changes: Any) -> Ballot | Absent:
    voice = Voice(model="ann-2", exchanges=())
    return ballot_of(CouncilAnswer(**says(**changes)), voice, model="ann", at=NOW, facts=FACTS)


# --- what an answer comes to ------------------------------------------------------------------------------------------


def test_an_answer_becomes_a_ballot() -> None:
    found = ballot()
    assert isinstance(found, Ballot)
    assert (found.model, found.at, found.signal, found.confidence) == ("ann", NOW, Signal.BUY, 800_000)
    assert (found.invalidation, found.bullish, found.thesis) == (D("58000.5"), 7, "It rises.")
    assert found.categories[0].reason == "strong (RSI(14) 55.1235)"


def test_each_category_keeps_its_own_verdict() -> None:
    for category in Category:
        found = ballot(**{category.name.lower(): "BEARISH"})
        assert isinstance(found, Ballot)
        assert [j.category for j in found.categories if j.mark is Mark.BEARISH] == [category]


@pytest.mark.parametrize("reason", ["strong", "", "everybody knows", "E2 is fine", "\uff3bE\uff3d"])
def test_a_verdict_without_evidence_is_unknown_whatever_it_is_called(reason: str) -> None:
    found = ballot(macro_reason=reason)
    assert isinstance(found, Ballot)
    assert [j.category for j in found.categories if j.mark is Mark.UNKNOWN] == [Category.MACRO]
    assert found.bullish == 6


@pytest.mark.parametrize("field", ["thesis", "regime_reason", "institutions_reason"])
@pytest.mark.parametrize("words", ["RSI is 72 [E2]", "inflows [E7]"])
def test_a_figure_that_is_not_in_the_evidence_costs_the_ballot(field: str, words: str) -> None:
    found = ballot(**{field: words})
    assert isinstance(found, Absent)
    assert found.failed
    assert found.reason.startswith("number not in the evidence: ")


def test_a_buy_names_the_price_at_which_it_gives_up() -> None:
    assert ballot(invalidation=0) == Absent(model="ann", reason="a BUY without an invalidation price", failed=True)
    none = ballot(signal="NONE", invalidation=0)
    assert isinstance(none, Ballot)
    assert none.invalidation is None


def test_words_are_cleaned_and_cut() -> None:
    found = ballot(thesis="a\n\u202eb" + "x" * 999, setup_reason="c\x00d [E2]" + "y" * 999)
    assert isinstance(found, Ballot)
    assert found.thesis.startswith("a b")
    assert found.categories[1].reason.startswith("c d (RSI(14) 55.1235)")
    assert (len(found.thesis), len(found.categories[1].reason)) == (400, 160)


@pytest.mark.parametrize("lack", Lack)
def test_a_lack_is_an_absence_with_its_reason_and_what_it_has_cost(lack: Lack) -> None:
    found = absent("ann", NoAnswer(lack=lack, reason=""))
    assert found.reason == lack.value
    assert absent("ann", NoAnswer(lack=lack, reason="a\n\u202eb")).reason == "a b"


# --- asking -----------------------------------------------------------------------------------------------------------


async def test_every_model_is_asked_the_same_each_under_its_own_name() -> None:
    model = Scripted({"council": says()})
    found = await Council(a_seat(), LiveBallots(model, a_seat())).opine(a_snapshot())
    assert isinstance(found, Opinion)
    assert (found.stance, found.confidence, found.invalidation) == (Stance.LONG, 800_000, D("58000.5"))
    assert [(q.purpose, q.about, q.model) for q in model.questions] == [
        ("council", "btc-k3f9x2pa", name) for name in MODELS
    ]
    assert len(set(model.prompts("council"))) == 1
    assert model.questions[0].search is None
    assert model.questions[0].within == timedelta(seconds=30)


async def test_the_voice_of_the_council_names_who_answered_and_holds_every_exchange() -> None:
    script = {"ann": says(), "bob": says("NONE", invalidation=0, macro="UNKNOWN"), "cid": Lack.LATE}
    model = Scripted(script, returned={"ann": "ann-2"})
    found = await Council(a_seat(), LiveBallots(model, a_seat())).opine(a_snapshot())
    assert isinstance(found, Opinion)
    assert found.voice is not None
    assert found.voice.model == "ann-2, bob"
    assert [e.requested for e in found.voice.exchanges] == list(MODELS)
    assert found.voice.cost == 3 * COST
    ann, bob, cid = found.voice.notes
    assert ann.startswith(
        "ann: BUY 0.80, gives up at 58000.5: It rises. market regime BULLISH (strong (RSI(14) 55.1235)); tech"
    )
    assert "macro catalysts UNKNOWN (strong (RSI(14) 55.1235))" in bob
    assert cid == "cid: absent, late"


async def test_too_few_ballots_are_no_opinion_and_their_exchanges_are_kept() -> None:
    model = Scripted({"ann": says(), "bob": Lack.SERVER, "cid": Lack.OFF})
    found = await Council(a_seat(), LiveBallots(model, a_seat())).opine(a_snapshot())
    assert isinstance(found, Abstention)
    assert found.reason == "1 of 3 models have a ballot, 2 are needed (bob: provider's fault; cid: no key)"
    assert found.failed
    assert found.voice is not None
    assert [e.requested for e in found.voice.exchanges] == ["ann", "bob"]


async def test_without_keys_nothing_has_failed() -> None:
    found = await Council(a_seat(), LiveBallots(Scripted({}), a_seat())).opine(a_snapshot())
    assert isinstance(found, Abstention)
    assert (found.failed, found.voice) == (False, None)


async def test_a_ballot_is_not_asked_for_again_within_its_lifetime() -> None:
    model = Scripted({"council": says(), "cid": Lack.LATE})
    council = Council(a_seat(), LiveBallots(model, a_seat()))
    await council.opine(a_snapshot())
    again = await council.opine(a_snapshot(at=NOW + 30 * MINUTE))
    assert isinstance(again, Opinion)
    assert [q.model for q in model.questions] == [*MODELS, "cid"], "who had no ballot is asked again"
    assert again.voice is not None
    assert again.voice.cost == COST, "the others were paid for before"
    assert again.evidence[0].as_of == NOW
    await council.opine(a_snapshot(ETH, at=NOW + 30 * MINUTE))
    await council.opine(a_snapshot(at=NOW + 30 * MINUTE + timedelta(microseconds=1)))
    assert len(model.questions) == 4 + 3 + 3


async def test_two_desks_that_ask_at_once_share_the_ballots_and_one_pays() -> None:
    model = Scripted({"council": says(), "cid": Lack.SERVER})
    live = LiveBallots(model, a_seat())
    found = await asyncio.gather(*(Council(a_seat(), live).opine(a_snapshot()) for _ in range(2)))
    assert [q.model for q in model.questions] == list(MODELS)
    assert [o.stance for o in found if isinstance(o, Opinion)] == [Stance.LONG, Stance.LONG]
    assert [o.voice.cost for o in found if o.voice] == [3 * COST, 0]


def test_the_council_waits_a_little_longer_than_each_model_may_take() -> None:
    seat = a_seat(answer_within=timedelta(seconds=9))
    assert Council(seat, LiveBallots(Scripted({}), seat))._within == 11.0


# --- one vote a model -------------------------------------------------------------------------------------------------


async def test_two_names_that_one_model_answers_are_one_vote() -> None:
    model = Scripted({"council": says()}, returned={"bob": "ann-2", "ann": "ann-2"})
    seat = Seat(weight=D(1), models=("ann", "bob"))
    found = await Council(seat, LiveBallots(model, seat)).opine(a_snapshot())
    assert isinstance(found, Abstention)
    assert "bob: another model answered: the one that voted for ann already" in found.reason
    assert found.failed
    assert found.voice is not None
    assert (found.voice.model, len(found.voice.exchanges)) == ("ann-2", 2)


async def test_the_third_vote_still_counts_beside_them() -> None:
    model = Scripted({"council": says()}, returned={"bob": "ann"})
    found = await Council(a_seat(), LiveBallots(model, a_seat())).opine(a_snapshot())
    assert isinstance(found, Opinion)
    assert (found.stance, len(found.evidence)) == (Stance.LONG, 2)


async def test_ballots_that_were_written_down_go_by_their_own_names() -> None:
    live = LiveBallots(Scripted({"council": says()}, returned={"ann": "one"}), a_seat())
    cast = [await live.ask("ann", a_snapshot()), *(replace_model(ballot(), name) for name in ("bob", "cid"))]
    assert [identity(b) for b in cast if isinstance(b, Ballot)] == ["one", "bob", "cid"]
    assert distinct(cast) == cast
    written = count(cast[1:], at=NOW, price=D(60000), seat=a_seat())
    assert isinstance(written, Opinion)
    assert written.voice is None


def replace_model(found: Ballot | Absent, name: str) -> Ballot:
    assert isinstance(found, Ballot)
    return replace(found, model=name)


def test_the_schema_is_flat_and_the_signal_comes_last() -> None:
    assert list(CouncilAnswer.model_fields) == [
        "thesis", *(f for key in KEYS for f in (f"{key}_reason", key)), "invalidation", "confidence", "signal"
    ]  # fmt: skip
