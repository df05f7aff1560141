"""How much: worked out by hand."""

from decimal import Decimal
from typing import Any

import pytest

from tests.builders import BTC, a_playbook, a_quote, an_instrument
from trading.decision import Plan
from trading.identity import client_id
from trading.model import DecisionId, Direction, Leg, Quote
from trading.playbook import Playbook, Step
from trading.risk.sizing import margin_fraction, plan_entry

D = Decimal
ID = DecisionId("btc-aaaaaaaa")


def a_house(**sections: dict[str, Any]) -> Playbook:
    base = a_playbook()
    changed = {k: getattr(base, k).model_copy(update=v) for k, v in sections.items()}
    return base.model_copy(update=changed)


def plan(
    direction: Direction = Direction.LONG,
    *,
    confidence: int = 900_000,
    equity: str = "10000",
    quote: Quote | None = None,
    playbook: Playbook | None = None,
    **instrument: Any,
) -> Plan:
    playbook = playbook or a_house()
    return plan_entry(
        desk="test",
        decision=ID,
        direction=direction,
        confidence=confidence,
        equity=D(equity),
        quote=quote or a_quote("60000"),
        instrument=an_instrument(**instrument),
        playbook=playbook,
        exits=playbook.exits,
    )


def test_the_stop_bounds_the_size() -> None:
    # 10.5 % x 10 = 10500 by confidence; 2 % of 10000 at a stop of 2.5 % is 8000: 8000 / 60000.1 = 0.1333
    found = plan()
    assert found.quantity == D("0.133")
    assert found.price == D("60000.1"), "a buyer meets the ask"
    assert found.notional == D("0.133") * D("60000.1")
    assert found.margin == found.notional / 10
    assert "cut to 2.0% of equity at the stop" in found.size_note


def test_confidence_bounds_the_size_where_it_is_the_smaller() -> None:
    # 7 % x 10 = 7000 / 60000.1 = 0.11666
    found = plan(confidence=650_000)
    assert found.quantity == D("0.116")
    assert found.size_note == "confidence 0.65: 7.0% of equity as margin at 10x"


def test_a_seller_meets_the_bid() -> None:
    found = plan(Direction.SHORT)
    assert found.price == D("59999.9")
    assert found.protection.target < found.price < found.protection.stop


@pytest.mark.parametrize(
    ("direction", "stop", "target"),
    [(Direction.LONG, "58500.0", "63000.2"), (Direction.SHORT, "61499.9", "56999.9")],
)
def test_stop_and_target_are_never_nearer_than_the_playbook_says(direction: Direction, stop: str, target: str) -> None:
    # long: 60000.1 x 0.975 = 58500.0975 down, x 1.05 = 63000.105 up; short: 59999.9 x 1.025 = 61499.8975 up ...
    guard = plan(direction).protection
    assert (guard.stop, guard.target) == (D(stop), D(target))
    assert guard.stop_id == client_id("test", ID, Leg.STOP)
    assert guard.target_id == client_id("test", ID, Leg.TARGET)


@pytest.mark.parametrize(
    ("sizing", "limit", "venue", "used"), [(10, 20, 50, 10), (20, 20, 15, 15), (20, 12, 50, 12), (5, 20, 50, 5)]
)
def test_leverage_is_the_smallest_of_the_three(sizing: int, limit: int, venue: int, used: int) -> None:
    house = a_house(sizing={"leverage": sizing}, limits={"max_leverage": limit})
    assert plan(playbook=house, max_leverage=venue).leverage == used


def test_a_size_below_the_step_is_nothing_and_not_the_minimum() -> None:
    found = plan(equity="1")
    assert (found.quantity, found.notional, found.margin) == (0, 0, 0)


@pytest.mark.parametrize("equity", ["0", "-500"])
def test_without_equity_there_is_no_size(equity: str) -> None:
    assert plan(equity=equity).quantity == 0


def test_a_large_step_is_kept() -> None:
    # 8000 / 0.4 = 20000 -> 19500 would be the next lower at a step of 1500
    cheap = Quote(symbol=BTC, at=a_quote().at, bid=D("0.4"), ask=D("0.41"), mark=D("0.4"))
    found = plan(quote=cheap, tick=D("0.00001"), step=D(1500), min_quantity=D(1500), max_quantity=D(10**9))
    assert found.quantity == 19500
    assert found.quantity % 1500 == 0


def test_the_fraction_lies_between_floor_and_ceiling() -> None:
    sizing = a_playbook().sizing
    tall = sizing.model_copy(update={"steps": (Step(above=D("0.5"), margin=D("0.5")),)})
    assert margin_fraction(900_000, tall) == D("0.12")
    low = sizing.model_copy(update={"otherwise": D("0.01")})
    assert margin_fraction(100_000, low) == D("0.05")
