"""Records for other programs: every promised line, exact, with the fields that docs/records.md names."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.export import KINDS, Lines
from tests.desks import a_desk
from tests.storage_builders import AT, BTC, D, a_decision, a_plan, a_position, a_trade, an_order
from trading.breaker import Cause, Level, Tripwire
from trading.decision import Abstention, Calibrated, Denied, GateAnswer, Ruling
from trading.errors import OrderRejected, UnknownOutcome, VenueDown
from trading.events import (
    BooksAgreed,
    BreakerTripped,
    DecisionMade,
    Event,
    OrderEnded,
    OrderUncertain,
    ProtectionFailed,
    ShadowClosed,
    StopNotMoved,
    TradeClosed,
    VenueLost,
)
from trading.exit_plan import Regime
from trading.model import ExitReason, Guard, Leg, OrderStatus
from trading.voice import Basis, Exchange, Lack, Source, Voice

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "records.md").read_text()


def lines(kind: str, *events: Event) -> list[dict[str, Any]]:
    made = Lines(kind)
    wanted = [event for event in events if type(event).__name__ in made.events]
    raw = [line for seq, event in enumerate(wanted, 1) for line in made.of(seq, event)]
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in raw), "one object, one line"
    return [json.loads(line) for line in raw]


def line(kind: str, event: Event) -> dict[str, Any]:
    (found,) = lines(kind, event)
    return found


NO = GateAnswer(rule="daily loss", passed=False, value="512.40", limit="under 500.00", reason="the limit is reached")
YES = GateAnswer(rule="symbol", passed=True, value="BTC", limit="the playbook's universe")


def a_denial(**more: Any) -> DecisionMade:
    gate = Denied(rule="daily loss", reason=NO.reason, answers=(YES, NO), **more)
    return DecisionMade(at=AT, decision=replace(a_decision("btc-a", "denied"), gate=gate))


ASKED = Exchange(
    id=41,
    purpose="sentiment",
    provider="gemini",
    requested="lite",
    returned="lite-001",
    at=AT,
    prompt="sentiment 1",
    prompt_hash="a1",
    request="b2",
    response="c3",
    status=200,
    latency_ms=812,
    tokens_in=900,
    tokens_out=120,
    searches=2,
    cost=D("0.0142"),
    basis=Basis.TABLE,
)
UNSENT = Exchange(
    purpose="whale", provider="etherscan", requested="", at=AT, lack=Lack.LATE, reason="no answer in time"
)


def a_decision_of_voices() -> DecisionMade:
    """Words of models in every place: a vote, one that failed, a judge, a validator that failed, what it is worth."""
    decision = a_decision("btc-v", "long")
    flow, technical, _ = decision.opinions
    heard = Voice(
        model="lite-001",
        sources=(Source(title="A page", url="https://a.example/1"),),
        notes=("calm",),
        exchanges=(ASKED,),
    )
    lost = Voice(exchanges=(UNSENT,))
    rulings = (
        Ruling(who="judge", said="long", confidence=650_000, thesis="it holds", voice=replace(heard, model="grok-4")),
        Ruling(who="validator", said="approve", confidence=None, thesis="yes", voice=Voice(model="seer")),
        Abstention(persona="validator", reason="late: no answer", failed=True, voice=lost),
    )
    worth = Calibrated(
        value=540_000, version="direction-1 platt", n=312, right=170, slope=D("1E+1"), intercept=D("-0.2")
    )
    whale = Abstention(persona="whale", reason="no answer in time", failed=True, voice=lost)
    opinions = (replace(flow, voice=heard), technical, whale)
    return DecisionMade(at=AT, decision=replace(decision, opinions=opinions, rulings=rulings, calibrated=worth))


def an_end(status: OrderStatus, **more: Any) -> OrderEnded:
    order = an_order(trigger=None).to(status, at=AT, note="no margin")
    return OrderEnded(at=AT, order=order, **more)


def a_cause(wire: Tripwire, level: Level, value: str, limit: str) -> Cause:
    return Cause(trigger=wire, value=D(value), limit=D(limit), level=level, at=AT, until=AT + timedelta(minutes=5))


TRIP = BreakerTripped(
    at=AT,
    before=Level.CLOSED,
    after=Level.HALT,
    causes=(
        a_cause(Tripwire.SLIPPAGE, Level.ALERT, "0.0012", "0.001"),
        a_cause(Tripwire.DAY_LOSS, Level.HALT, "0.051", "0.05"),
    ),
)
BARE = a_position(guard=Guard.FAILED)
STUCK = StopNotMoved(at=AT, position=a_position(), wanted=D("100.10"), reason="price band")
EVERY: dict[str, list[Event]] = {
    "decisions": [
        DecisionMade(at=AT, decision=a_decision("btc-a", "long")),
        DecisionMade(at=AT, decision=a_decision("btc-b", "wait")),
        a_denial(would=a_plan()),
        a_decision_of_voices(),
    ],
    "safety_violations": [a_denial(), TRIP, ProtectionFailed(at=AT, position=BARE)],
    "execution_failures": [
        an_end(OrderStatus.REJECTED),
        an_end(OrderStatus.ABANDONED),
        an_end(OrderStatus.EXPIRED),
        OrderUncertain(at=AT, order=an_order().to(OrderStatus.UNKNOWN, at=AT)),
        STUCK,
        VenueLost(at=AT, detail="no answer for 30 s"),
    ],
    "pnl": [
        TradeClosed(at=AT, trade=a_trade(), equity=D("10002.445")),
        ShadowClosed(at=AT, trade=a_trade("btc-s", gross="-1.25")),
    ],
}


# --- the document -----------------------------------------------------------------------------------------------------


def documented(heading: str) -> list[str]:
    """The fields in the first table under a heading, in order."""
    text = DOCUMENT.partition(f"\n{heading}\n")[2]
    table = re.split(r"\n#|\n```", text)[0]
    return re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)


COMMON = re.findall(r"^\| `(\w+)` \|", DOCUMENT.partition("\n## ")[0].rpartition("begins with these:")[2], re.MULTILINE)


def examples() -> Iterator[tuple[str, dict[str, Any]]]:
    for kind in KINDS:
        text = DOCUMENT.partition(f"\n## `{kind}`\n")[2].partition("\n## ")[0]
        (found,) = re.findall(r"^```json\n(.*)\n```$", text, re.MULTILINE)
        yield kind, json.loads(found)


def shape(found: dict[str, Any]) -> dict[str, list[str]]:
    """The names of the fields of each table in a line, by the table's own name."""
    shapes = {"": list(found)}
    for name, value in found.items():
        tables = [value] if isinstance(value, dict) else value if isinstance(value, list) else []
        for table in (each for each in tables if isinstance(each, dict)):
            inner = shape(table)
            inner["plan" if name == "shadow_plan" else name] = inner.pop("")
            for key, names in inner.items():
                assert shapes.setdefault(key, names) == names, f"two tables {key} differ"
    return shapes


@pytest.mark.parametrize(("kind", "event"), [(kind, event) for kind, events in EVERY.items() for event in events])
def test_a_line_has_the_fields_that_the_document_names(kind: str, event: Event) -> None:
    for table, names in shape(line(kind, event)).items():
        assert names == ([*COMMON, *documented(f"## `{kind}`")] if not table else documented(f"### `{table}`"))


@pytest.mark.parametrize(("kind", "example"), list(examples()), ids=list(KINDS))
def test_the_examples_of_the_document_are_such_lines(kind: str, example: dict[str, Any]) -> None:
    for table, names in shape(example).items():
        assert names == ([*COMMON, *documented(f"## `{kind}`")] if not table else documented(f"### `{table}`"))


def test_every_kind_of_line_is_in_the_document_and_every_event_in_these_tests() -> None:
    for kind, makers in KINDS.items():
        assert {type(event) for event in EVERY[kind]} == set(makers)
        text = DOCUMENT.partition(f"\n## `{kind}`\n")[2].partition("\n| field")[0]
        assert {found["kind"] for found in lines(kind, *EVERY[kind])} == set(re.findall(r"`([a-z ]+)`", text)) & KNOWN


KNOWN = {found["kind"] for kind, events in EVERY.items() for found in lines(kind, *events)}


# --- decisions --------------------------------------------------------------------------------------------------------


def test_a_decision_with_its_votes_tally_gate_and_plan() -> None:
    found = line("decisions", EVERY["decisions"][0])
    assert (found["seq"], found["at"], found["decision"]) == (1, "2026-01-05T10:00:00Z", "btc-a")
    assert (found["outcome"], found["action"], found["confidence"]) == ("long", "long", "0.7")
    assert [(v["persona"], v["weight"], v["stance"], v["confidence"]) for v in found["votes"]] == [
        ("flow", "1", "long", "0.7"),
        ("technical", "1.2", "long", "0.7"),
        ("whale", None, None, None),
    ]
    assert [v["abstained"] for v in found["votes"]] == [None, None, "no data"]
    assert found["votes"][0]["evidence"][0] == {
        "label": "RSI(0)", "value": 31.25, "unit": "%", "source": "1h candles", "as_of": "2026-01-05T10:00:00Z",
    }  # fmt: skip
    assert (found["tally"]["long"], found["tally"]["directional_weight"]) == ("1.54", "2.2")
    assert len(found["gate"]) == 6
    assert (found["plan"]["quantity"], found["plan"]["stop"], found["plan"]["margin"]) == ("0.5", "97.5", "5.005")
    assert (found["denied_by"], found["shadow_plan"]) == (None, None)


def test_a_wait_has_neither_gate_nor_plan() -> None:
    found = line("decisions", EVERY["decisions"][1])
    assert (found["outcome"], found["gate"], found["plan"], found["denied_by"]) == ("wait", [], None, None)


def test_a_denial_has_every_answer_with_limit_and_value_and_the_plan_that_is_followed() -> None:
    found = line("decisions", EVERY["decisions"][2])
    assert (found["outcome"], found["denied_by"], found["plan"]) == ("denied", "daily loss", None)
    assert [(a["rule"], a["passed"], a["limit"], a["value"]) for a in found["gate"]] == [
        ("symbol", True, "the playbook's universe", "BTC"),
        ("daily loss", False, "under 500.00", "512.40"),
    ]
    assert found["shadow_plan"]["method"] == "confidence"


def test_what_is_not_known_is_null_and_what_is_known_is_exact() -> None:
    decision = a_decision()
    assert line("decisions", DecisionMade(at=AT, decision=decision))["seen"]["atr"] is None
    seen = replace(decision.seen, atr=D("0.35623535629343145"), regime=Regime.CHOP, volatility=D("1E+1"))
    found = line("decisions", DecisionMade(at=AT, decision=replace(decision, seen=seen)))["seen"]
    assert (found["atr"], found["regime"], found["volatility"]) == ("0.35623535629343145", "chop", "10")


# --- voices -----------------------------------------------------------------------------------------------------------


def test_every_table_of_voices_is_held_against_the_document() -> None:
    """A list that is empty shows no fields: this decision has something in each."""
    tables = {"votes", "sources", "exchanges", "rulings", "calibrated"}
    assert tables <= set(shape(line("decisions", a_decision_of_voices())))
    assert set(documented("## `decisions`")) >= {"votes", "rulings", "calibrated"}
    assert all(documented(f"### `{table}`") for table in tables)


def test_a_vote_of_a_model_says_who_answered_and_has_every_exchange_whole() -> None:
    vote = line("decisions", a_decision_of_voices())["votes"][0]
    assert (vote["failed"], vote["model"], vote["notes"]) == (False, "lite-001", ["calm"])
    assert vote["sources"] == [{"title": "A page", "url": "https://a.example/1"}]
    assert vote["exchanges"] == [
        {
            "id": 41, "purpose": "sentiment", "provider": "gemini", "requested": "lite", "returned": "lite-001",
            "at": "2026-01-05T10:00:00Z", "lack": None, "reason": "", "prompt": "sentiment 1", "prompt_hash": "a1",
            "request": "b2", "response": "c3", "status": 200, "latency_ms": 812, "tokens_in": 900, "tokens_out": 120,
            "searches": 2, "cost": "0.0142", "basis": "price table",
        }
    ]  # fmt: skip


def test_a_vote_by_rules_has_no_voice() -> None:
    vote = line("decisions", a_decision_of_voices())["votes"][1]
    found = {key: vote[key] for key in ("failed", "model", "sources", "notes", "exchanges")}
    assert found == {"failed": False, "model": None, "sources": [], "notes": [], "exchanges": []}


def test_one_that_failed_has_its_exchange_with_null_for_what_never_was() -> None:
    vote = line("decisions", a_decision_of_voices())["votes"][2]
    assert (vote["failed"], vote["abstained"], vote["model"]) == (True, "no answer in time", None)
    (tried,) = vote["exchanges"]
    assert (tried["lack"], tried["reason"], tried["basis"]) == ("late", "no answer in time", "free")
    assert {name for name, value in tried.items() if value is None} == {
        "id", "requested", "returned", "prompt", "prompt_hash", "request", "response", "status", "latency_ms",
        "tokens_in", "tokens_out",
    }  # fmt: skip
    assert (tried["searches"], tried["cost"]) == (0, "0")


def test_nothing_to_go_by_is_no_failure() -> None:
    assert line("decisions", EVERY["decisions"][0])["votes"][2]["failed"] is False


def test_rulings_stand_in_the_order_they_were_asked_with_what_each_said() -> None:
    judge, validator, lost = line("decisions", a_decision_of_voices())["rulings"]
    assert (judge["who"], judge["said"], judge["confidence"], judge["thesis"]) == ("judge", "long", "0.65", "it holds")
    assert (judge["abstained"], judge["failed"], judge["model"]) == (None, False, "grok-4")
    assert [exchange["id"] for exchange in judge["exchanges"]] == [41]
    assert (validator["said"], validator["confidence"], validator["exchanges"]) == ("approve", None, [])
    assert (lost["who"], lost["abstained"], lost["failed"]) == ("validator", "late: no answer", True)
    assert (lost["said"], lost["confidence"], lost["thesis"], lost["model"]) == (None, None, None, None)
    assert [exchange["lack"] for exchange in lost["exchanges"]] == ["late"]


def test_a_judge_that_is_sure_of_nothing_has_said_nought() -> None:
    decision = a_decision()
    ruling = Ruling(who="judge", said="wait", confidence=0, thesis="", voice=Voice())
    (found,) = line("decisions", DecisionMade(at=AT, decision=replace(decision, rulings=(ruling,))))["rulings"]
    assert (found["confidence"], found["thesis"], found["model"]) == ("0", "", None)


def test_what_a_confidence_has_been_worth() -> None:
    found = line("decisions", a_decision_of_voices())["calibrated"]
    known = {"value": "0.54", "version": "direction-1 platt", "n": 312, "right": 170}
    assert found == known | {"slope": "10", "intercept": "-0.2"}
    shrunk = replace(a_decision(), calibrated=Calibrated(value=510_000, version="direction-1 shrunk", n=40, right=20))
    found = line("decisions", DecisionMade(at=AT, decision=shrunk))["calibrated"]
    assert (found["value"], found["slope"], found["intercept"]) == ("0.51", None, None)


def test_a_decision_without_models_has_no_rulings() -> None:
    found = line("decisions", EVERY["decisions"][0])
    assert (found["rulings"], found["calibrated"]) == ([], None)


# --- safety violations ------------------------------------------------------------------------------------------------


def test_a_denial_by_a_rule_has_its_limit_and_value() -> None:
    found = line("safety_violations", a_denial())
    assert (found["kind"], found["rule"], found["decision"]) == ("denied", "daily loss", "btc-a")
    assert (found["limit"], found["value"], found["reason"]) == ("under 500.00", "512.40", "the limit is reached")


def test_a_decision_that_nothing_denied_is_no_violation() -> None:
    assert lines("safety_violations", *EVERY["decisions"][:2]) == []


def test_a_trip_names_the_worst_cause_and_tells_all() -> None:
    found = line("safety_violations", TRIP)
    assert (found["rule"], found["limit"], found["value"]) == ("day loss", "0.05", "0.051")
    assert found["reason"] == (
        "CLOSED -> HALT: slippage 0.0012 from 0.001 on is ALERT, day loss 0.051 from 0.05 on is HALT"
    )


def test_a_position_without_protection() -> None:
    found = line("safety_violations", ProtectionFailed(at=AT, position=BARE))
    assert (found["kind"], found["symbol"], found["value"]) == ("unprotected", BTC, "failed")


# --- execution failures -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [OrderStatus.REJECTED, OrderStatus.ABANDONED, OrderStatus.EXPIRED])
def test_an_order_that_failed(status: OrderStatus) -> None:
    found = line("execution_failures", an_end(status))
    assert (found["kind"], found["order"], found["reason"]) == (status.value, "gv-entry-e0", "no margin")


def test_an_order_that_was_cancelled_or_taken_back_has_not_failed() -> None:
    cancelled, withdrawn = an_end(OrderStatus.CANCELLED), an_end(OrderStatus.ABANDONED, withdrawn=True)
    assert lines("execution_failures", cancelled, withdrawn) == []


@pytest.mark.parametrize("leg", list(Leg))
def test_a_guard_that_ends_with_its_position_has_not_failed_and_any_other_order_has(leg: Leg) -> None:
    expired = OrderEnded(at=AT, order=an_order(leg=leg).to(OrderStatus.EXPIRED, at=AT))
    assert len(lines("execution_failures", expired)) == (0 if leg in (Leg.STOP, Leg.TARGET) else 1)


def test_a_stop_that_was_not_moved_says_where_it_stands() -> None:
    found = line("execution_failures", STUCK)
    assert (found["kind"], found["price"], found["side"]) == ("stop not moved", "100.10", "sell")
    assert found["reason"] == "price band; it stands at 97.5"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (OrderRejected("insufficient margin", code="margin"), "rejected"),
        (VenueDown("no route"), "abandoned"),
        (UnknownOutcome("no answer within 10 s"), "uncertain"),
    ],
)
async def test_what_a_desk_meets_is_exported(fault: Exception, kind: str) -> None:
    bench = await a_desk()
    bench.trouble.on("submit", fault)
    bench.script.long()
    await bench.decide()
    (found,) = lines("execution_failures", *bench.journal.events)
    assert (found["kind"], found["leg"], found["side"], found["filled"]) == (kind, "entry", "buy", "0")
    assert str(fault) in found["reason"]


# --- profit and loss --------------------------------------------------------------------------------------------------


def test_a_trade_adds_up_and_has_the_equity_after_it() -> None:
    found = line("pnl", EVERY["pnl"][0])
    gross, fees, funding, net = (Decimal(found[key]) for key in ("gross", "fees", "funding", "net"))
    assert net == gross - fees + funding
    assert (found["kind"], found["equity"], found["reason"]) == ("trade", "10002.445", "take profit")


def test_a_shadow_trade_is_marked_and_moves_no_equity() -> None:
    found = line("pnl", EVERY["pnl"][1])
    assert (found["kind"], found["equity"], found["gross"]) == ("shadow trade", None, "-1.25")


def test_every_exit_reason_is_written_as_people_read_it() -> None:
    for reason in ExitReason:
        assert line("pnl", TradeClosed(at=AT, trade=a_trade(reason=reason), equity=D(1)))["reason"] == reason.value


def test_events_of_another_kind_are_not_asked_for() -> None:
    assert lines("pnl", BooksAgreed(at=AT, symbol=BTC), *EVERY["decisions"]) == []
