"""Which sides are calls, when they are over, whether they were right; who was asked, and what that cost."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests import surface_examples as examples
from tests.builders import BTC, ETH, NOW, an_opinion
from trading.calibration import labelled
from trading.calls import (
    HORIZON,
    JUDGE,
    KNOWN,
    OTHERS,
    Attendance,
    Call,
    attended,
    due,
    identity,
    is_right,
    judge_of,
    lost,
    opened,
    without,
    worth_of,
)
from trading.decision import Abstention, Action, Decision, Opinion, Ruling, Stance
from trading.model import DecisionId, Direction, Symbol
from trading.voice import Exchange, Lack, Voice

D = Decimal
HOUR = timedelta(hours=1)
LONG, SHORT = Direction.LONG, Direction.SHORT


def an_exchange(id: int, cost: str = "0.01", *, returned: str = "m-1", **changes: Any) -> Exchange:
    return Exchange(
        id=id, purpose="sentiment", provider="gemini", requested="m", returned=returned, at=NOW, cost=D(cost), **changes
    )


def a_voice(*exchanges: Exchange, model: str = "m-1") -> Voice:
    return Voice(model=model, exchanges=exchanges)


def said_by(persona: str, stance: Stance = Stance.LONG, voice: Voice | None = None) -> Opinion:
    return replace(an_opinion(persona, stance, 0.7), voice=voice)


def a_ruling(said: str = "long", who: str = JUDGE, model: str = "j-1") -> Ruling:
    return Ruling(who=who, said=said, confidence=700_000, thesis="so it is", voice=a_voice(model=model))


def decided(
    *opinions: Opinion | Abstention,
    action: Action = Action.WAIT,
    symbol: Symbol = BTC,
    hours: int = 0,
    rulings: tuple[Ruling | Abstention, ...] = (),
    by: str = "",
) -> Decision:
    made = examples.a_decision("wait" if action is Action.WAIT else "long")
    return replace(
        made,
        id=DecisionId(f"btc-{hours:08}"),
        symbol=symbol,
        at=NOW + hours * HOUR,
        opinions=opinions,
        verdict=replace(made.verdict, action=action, confidence=640_000),
        rulings=rulings,
        by=by,
    )


def who(calls: tuple[Call, ...]) -> list[tuple[str, str, Direction]]:
    return [(call.persona, call.model, call.direction) for call in calls]


# --- opening --------------------------------------------------------------------------------------------------------


def test_each_side_that_was_taken_is_a_call_and_so_is_the_verdict() -> None:
    made = opened((), decided(
        said_by("flow"), said_by("technical", Stance.NEUTRAL), Abstention(persona="whale", reason="no key"),
        said_by("sentiment", Stance.SHORT, a_voice()), action=Action.LONG,
    ), 4 * HOUR)  # fmt: skip
    assert who(made) == [("flow", "", LONG), ("sentiment", "m-1", SHORT), (JUDGE, "", LONG)]
    flow, _, judge = made
    assert (flow.confidence, judge.confidence) == (700_000, 640_000)
    assert (flow.at, flow.until, flow.horizon) == (NOW, NOW + 4 * HOUR, 4 * HOUR)
    assert flow.price == examples.a_decision().seen.mark


def test_a_denied_verdict_is_a_call_too() -> None:
    denied = examples.a_decision("denied")
    assert (JUDGE, "", Direction(denied.verdict.action.value)) in who(opened((), denied, HOUR))


def test_waiting_is_no_call_and_a_persons_side_is_no_ones_judgement() -> None:
    assert opened((), decided(action=Action.WAIT), HOUR) == ()
    assert who(opened((), decided(said_by("flow"), action=Action.LONG, by="ann"), HOUR)) == [("flow", "", LONG)]


def test_the_judge_is_the_model_that_ruled() -> None:
    rulings = (a_ruling(), a_ruling("approve", "validator", "v-1"))
    assert who(opened((), decided(action=Action.LONG, rulings=rulings), HOUR)) == [(JUDGE, "j-1", LONG)]
    assert judge_of((Abstention(persona=JUDGE, reason="late", failed=True),)) == ""


def test_calls_of_one_persona_on_one_instrument_never_overlap() -> None:
    calls = opened((), decided(said_by("flow")), 4 * HOUR)
    assert opened(calls, decided(said_by("flow", Stance.SHORT), hours=1), 4 * HOUR) is calls
    other = opened(calls, decided(said_by("flow"), symbol=ETH, hours=1), 4 * HOUR)
    assert [call.symbol for call in other] == [BTC, ETH]
    both = opened(calls, decided(said_by("flow"), said_by("technical"), hours=1), 4 * HOUR)
    assert [call.persona for call in both] == ["flow", "technical"]


def test_another_model_behind_a_persona_waits_for_the_call_of_the_first() -> None:
    calls = opened((), decided(said_by("sentiment", voice=a_voice(model="a"))), HOUR)
    assert opened(calls, decided(said_by("sentiment", voice=a_voice(model="b"))), HOUR) is calls


def test_without_a_limit_of_the_playbook_the_horizon_is_a_day() -> None:
    (call,) = opened((), decided(said_by("flow")), None)
    assert call.horizon == HORIZON == 24 * HOUR


# --- being right ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "then", "right"),
    [
        (LONG, "60060.00", False),  # 0.1 % is what the two fees cost
        (LONG, "60060.01", True),
        (SHORT, "59940.00", False),
        (SHORT, "59939.99", True),
        (LONG, "59000", False),
        (SHORT, "61000", False),
    ],
)
def test_a_call_is_right_when_its_move_pays_both_fees(direction: Direction, then: str, right: bool) -> None:
    assert is_right(direction, price=D(60000), then=D(then), costs=D("0.001")) is right


def test_a_call_is_due_when_its_horizon_has_passed() -> None:
    calls = opened((), decided(said_by("flow")), 10 * HOUR)
    assert due(calls, NOW + 10 * HOUR - timedelta(microseconds=1)) == ()
    assert due(calls, NOW + 10 * HOUR) == calls
    assert calls[0].forgotten_at == NOW + 11 * HOUR


def test_a_call_that_is_over_makes_room() -> None:
    calls = opened((), decided(said_by("flow"), said_by("technical")), HOUR)
    assert [call.persona for call in without(calls, "flow", BTC)] == ["technical"]
    assert without(calls, "flow", ETH) is calls


# --- who was asked --------------------------------------------------------------------------------------------------


def rows(*decisions: Decision, before: tuple[Attendance, ...] = ()) -> dict[tuple[str, str], Attendance]:
    return {(row.persona, row.model): row for row in attended(before, decisions)}


def test_everybody_who_was_asked_is_counted() -> None:
    found = rows(
        decided(said_by("flow"), Abstention(persona="whale", reason="no key"), action=Action.LONG),
        decided(said_by("flow", Stance.NEUTRAL), Abstention(persona="whale", reason="broke", failed=True)),
    )
    assert found["flow", ""] == Attendance(persona="flow", asked=2, sided=1, neutral=1)
    assert found["whale", ""] == Attendance(persona="whale", asked=2, abstained=2, failed=1)
    assert found[JUDGE, ""] == Attendance(persona=JUDGE, asked=2, sided=1, neutral=1)


def test_another_returned_model_begins_a_new_row() -> None:
    found = rows(*(decided(said_by("sentiment", voice=a_voice(model=name))) for name in ("a", "b", "a")))
    assert {key: row.asked for key, row in found.items() if key[0] == "sentiment"} == {
        ("sentiment", "a"): 2,
        ("sentiment", "b"): 1,
    }


def test_who_fails_is_counted_under_the_model_that_was_asked() -> None:
    broken = an_exchange(7, "0", returned="", lack=Lack.LATE)
    failed = Abstention(persona="sentiment", reason="late", failed=True, voice=a_voice(broken, model=""))
    assert rows(decided(failed))["sentiment", "m"].failed == 1
    assert identity(Voice(exchanges=(an_exchange(1, returned="m-2"),))) == "m-2"
    assert identity(None) == ""


def test_an_exchange_that_pairs_share_is_paid_once() -> None:
    shared, own = an_exchange(5, "0.02"), an_exchange(6, "0.01")
    one = decided(said_by("sentiment", voice=a_voice(shared)))
    two = decided(said_by("sentiment", voice=a_voice(shared, own)), symbol=ETH)
    first = attended((), [two, one])
    assert rows(before=first)["sentiment", "m-1"].cost == D("0.03")
    again = rows(one, decided(said_by("sentiment", voice=a_voice(an_exchange(9, "0.5")))), before=first)
    assert again["sentiment", "m-1"].cost == D("0.53")
    assert again["sentiment", "m-1"].asked == 4


def test_ledger_numbers_that_come_out_of_order_in_one_round_are_all_paid() -> None:
    found = rows(
        decided(said_by("sentiment", voice=a_voice(an_exchange(8)))),
        decided(said_by("sentiment", voice=a_voice(an_exchange(7))), symbol=ETH),
    )
    assert found["sentiment", "m-1"].cost == D("0.02")


def test_a_judge_by_model_is_counted_instead_of_the_arithmetic() -> None:
    found = rows(decided(rulings=(a_ruling("wait"), a_ruling("reject", "validator", "v-1"))))
    assert found[JUDGE, "j-1"].neutral == 1
    assert found["validator", "v-1"].neutral == 1
    assert (JUDGE, "") not in found
    failed = rows(decided(rulings=(Abstention(persona=JUDGE, reason="late", failed=True),)))
    assert failed[JUDGE, ""] == Attendance(persona=JUDGE, asked=1, abstained=1, failed=1)


def test_a_person_who_chooses_is_not_the_judge() -> None:
    assert (JUDGE, "") not in rows(decided(said_by("flow"), action=Action.LONG, by="ann"))


def test_a_server_of_ever_new_names_fills_no_memory() -> None:
    found = rows(*(decided(said_by("sentiment", voice=a_voice(model=f"m-{n}"))) for n in range(KNOWN + 40)))
    assert len(found) <= KNOWN + 1
    assert found["sentiment", OTHERS].asked > 30


def test_calls_that_were_given_up_are_counted() -> None:
    decision = decided(said_by("flow"), said_by("sentiment", voice=a_voice()))
    found = lost(attended((), [decision]), opened((), decision, HOUR))
    assert {row.persona: row.lost for row in found} == {"flow": 1, "sentiment": 1, JUDGE: 0}


# --- what a verdict is worth ----------------------------------------------------------------------------------------


def test_a_verdict_is_worth_what_the_record_of_its_judge_and_side_says() -> None:
    records = ()
    for _ in range(30):
        records = labelled(records, "j-1", LONG, stated=640_000, right=True)
    long = decided(action=Action.LONG).verdict
    found = worth_of(records, long, (a_ruling(),))
    assert found is not None
    assert found.value == 687_500  # (30 + 25) / (30 + 50)
    assert worth_of(records, long) is None, "the arithmetic has no record"
    assert worth_of(records, replace(long, action=Action.SHORT), (a_ruling("short"),)) is None
    assert worth_of(records, decided().verdict, (a_ruling("wait"),)) is None
