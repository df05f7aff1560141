"""What is written is what is read: every event and every stored entity, whatever its values."""

import dataclasses
import json
import math
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.codec import from_json, from_row, to_json, to_row
from tests.strategies import events, of
from trading import decision
from trading.breaker import BreakerState, Level
from trading.decision import Abstention, Decision, Denied, Opinion
from trading.errors import BadRecord
from trading.events import EVENTS, BooksAgreed, DecisionMade, DeskStarted
from trading.exit_plan import ExitPlan, Memory, StopMove
from trading.health import Health
from trading.model import Fill, FundingPayment, Order, Position, Trade
from trading.risk.expectancy import Evidence
from trading.state import Amendment, DeskState, Samples

AT = datetime(2026, 1, 5, 10, tzinfo=UTC)


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_every_event_is_read_as_it_was_written(name: str) -> None:
    cls = EVENTS[name]

    @settings(max_examples=15, deadline=None)
    @given(of(cls))
    def check(event: object) -> None:
        written = to_json(event)
        read = from_json(cls, written)
        assert read == event
        assert to_json(read) == written

    check()


@pytest.mark.parametrize("cls", [Order, Fill, FundingPayment, Position, Trade, DeskState])
def test_every_entity_is_read_as_its_row_was_written(cls: type) -> None:
    @settings(max_examples=25, deadline=None)
    @given(of(cls))
    def check(value: object) -> None:
        assert from_row(cls, to_row(value)) == value

    check()


INSIDE = [BreakerState, Samples, Evidence, Health, Memory, StopMove, ExitPlan, Amendment, Denied]


@pytest.mark.parametrize("cls", INSIDE, ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
def test_what_states_and_events_hold_is_read_as_it_was_written(cls: type) -> None:
    @settings(max_examples=25, deadline=None)
    @given(of(cls))
    def check(value: object) -> None:
        assert from_json(cls, to_json(value)) == value

    check()


def test_a_level_is_written_as_its_rank_and_read_as_itself() -> None:
    """An IntEnum: equal to its number, so that a number alone would pass for it."""
    read = from_json(BreakerState, to_json(BreakerState(level=Level.HALT)))
    assert read.level is Level.HALT
    assert b'"level":3' in to_json(BreakerState(level=Level.HALT))
    with pytest.raises(BadRecord):
        from_json(Level, b"9")


def test_evidence_by_playbook_is_read_by_playbook() -> None:
    """A column that is a dict of records, with tuples of decimals in them."""
    evidence = {"smt-3.1": Evidence(trades=(Decimal("-1.50"), Decimal("2e-8")), stopped=True), "desk": Evidence()}
    state = DeskState(desk="gavel", playbook="desk", start_equity=Decimal(1), evidence=evidence)
    row = to_row(state)
    assert isinstance(row["evidence"], str)
    assert from_row(DeskState, row).evidence == evidence


def test_a_column_that_has_changed_is_written_anew() -> None:
    """The text of the last value is kept by the value itself, and a dict may change where it stands."""
    state = DeskState(desk="gavel", playbook="desk", start_equity=Decimal(1), overrides={"a": "1"})
    assert to_row(state)["overrides"] == '{"a":"1"}'
    state.overrides["a"] = "2"
    assert to_row(state)["overrides"] == '{"a":"2"}'


def test_two_threads_that_write_at_once_write_each_their_own() -> None:
    """A shadow desk has a writer thread of its own, and the same classes."""

    def rows(start: int) -> list[bool]:
        samples = [Samples(latencies=(Decimal(n),)) for n in range(start, start + 300)]
        desks = [DeskState(desk="d", playbook="p", start_equity=Decimal(1), samples=s) for s in samples]
        return [from_row(DeskState, to_row(desk)) == desk for desk in desks]

    with ThreadPoolExecutor(4) as pool:
        assert all(all(found) for found in pool.map(rows, range(0, 4000, 1000)))


@settings(max_examples=50, deadline=None)
@given(events())
def test_bytes_do_not_depend_on_the_order_of_a_dict(event: object) -> None:
    if isinstance(event, DecisionMade):
        turned = dict(reversed(event.decision.weights.items()))
        other = dataclasses.replace(event, decision=dataclasses.replace(event.decision, weights=turned))
        assert to_json(other) == to_json(event)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_decimal_keeps_every_digit_and_its_exponent(value: Decimal) -> None:
    read = from_json(Decimal, to_json(value))
    assert read.as_tuple() == value.as_tuple()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_keeps_every_bit(value: float) -> None:
    assert from_json(float, to_json(value)).hex() == value.hex()


def test_text_form() -> None:
    event = BooksAgreed(at=AT, symbol="BTC/USDT:USDT")
    assert to_json(event) == b'{"at":"2026-01-05T10:00:00Z","symbol":"BTC/USDT:USDT"}'
    assert to_json(timedelta(hours=3)) == b"10800"
    assert to_json(timedelta(milliseconds=1500)) == b"1.5"
    assert to_json(Decimal("0.00000100")) == b'"0.00000100"'


def _evidence(value: float, as_of: datetime = AT) -> decision.Evidence:
    return decision.Evidence(label="RSI(14)", value=value, as_of=as_of)


def _opinion(value: float) -> Opinion:
    return Opinion(persona="flow", stance="long", confidence=1, thesis="", evidence=(_evidence(value),))


def test_a_numpy_float_is_a_float() -> None:
    assert from_json(decision.Evidence, to_json(_evidence(np.float64(0.1)))) == _evidence(0.1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused_when_it_is_written(value: float) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        to_json(_opinion(value))
    with pytest.raises(TypeError):
        to_json(Decimal(value))


@pytest.mark.parametrize("at", [AT.replace(tzinfo=None), AT.astimezone(timezone(timedelta(hours=2)))])
def test_a_time_that_is_not_utc_is_refused_when_it_is_written(at: datetime) -> None:
    with pytest.raises(TypeError):
        to_json(_evidence(1.0, at))


def test_members_of_a_union_are_told_apart_without_a_tag() -> None:
    assert from_json(Opinion | Abstention, to_json(_opinion(1.0))) == _opinion(1.0)
    absent = Abstention(persona="whale", reason="no data")
    assert from_json(Opinion | Abstention, to_json(absent)) == absent


def test_a_union_that_cannot_be_told_apart_is_refused() -> None:
    first = dataclasses.make_dataclass("First", [("a", int)])
    second = dataclasses.make_dataclass("Second", [("a", int)])
    with pytest.raises(TypeError, match="no field of its own"):
        from_json(first | second, b'{"a":1}')


def test_a_field_with_a_default_may_be_missing_in_an_older_record() -> None:
    event = DeskStarted(
        at=AT, playbook="p", market="m", mode="PAPER", equity=Decimal(1), open_positions=0, resumed=False
    )
    older = json.loads(to_json(event))
    del older["personas_off"]
    assert from_json(DeskStarted, json.dumps(older)) == event


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"at":"2026-01-05T10:00:00Z"}',
        '{"at":"2026-01-05T10:00:00","symbol":"X"}',
        '{"at":"2026-01-05T10:00:00+02:00","symbol":"X"}',
        '{"at":"2026-01-05T10:00:00Z","symbol":7}',
        '{"at":"2026-01-05T10:00:00Z","symbol":"X","more":1}',
    ],
)
def test_what_our_own_code_did_not_write_is_a_bad_record(text: str) -> None:
    with pytest.raises(BadRecord):
        from_json(BooksAgreed, text)


@pytest.mark.parametrize(("hint", "text"), [(Decimal, "0.1"), (Decimal, '"NaN"'), (float, "null"), (int, "true")])
def test_a_number_of_another_kind_is_a_bad_record(hint: type, text: str) -> None:
    with pytest.raises(BadRecord):
        from_json(hint, text)


def test_a_decision_is_not_read_from_another_class() -> None:
    with pytest.raises(BadRecord):
        from_json(Decision, to_json(BooksAgreed(at=AT, symbol="X")))
