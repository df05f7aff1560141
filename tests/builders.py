"""Small real things for tests: a_quote(), an_instrument(), a_decision(). Every one can be varied by keyword."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from trading.decision import MICRO, Abstention, Evidence, Opinion, Plan, Stance
from trading.model import (
    ClientId,
    DecisionId,
    Direction,
    ExitPlan,
    Fill,
    Guard,
    Instrument,
    Leg,
    Order,
    OrderKind,
    Position,
    PositionId,
    Protection,
    Quote,
    Side,
    Symbol,
    TradingState,
)
from trading.playbook import Playbook, load
from trading.risk.safety import Facts

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
BTC = Symbol("BTC/USDT:USDT")
ETH = Symbol("ETH/USDT:USDT")
D = Decimal


def an_instrument(symbol: Symbol = BTC, **changes: Any) -> Instrument:
    made = Instrument(
        symbol=symbol,
        tick=D("0.1"),
        step=D("0.001"),
        min_quantity=D("0.001"),
        max_quantity=D(1000),
        min_notional=D(5),
        max_leverage=50,
        maker_fee=D("0.0002"),
        taker_fee=D("0.0005"),
        maintenance=D("0.01"),
    )
    return replace(made, **changes)


def a_quote(price: str | Decimal = "60000", *, symbol: Symbol = BTC, at: datetime = NOW) -> Quote:
    mark = D(price)
    return Quote(symbol=symbol, at=at, bid=mark - D("0.1"), ask=mark + D("0.1"), mark=mark)


def an_exit_plan(**changes: Any) -> ExitPlan:
    made = ExitPlan(
        phase="base",
        take_profit=D("0.05"),
        stop_loss=D("0.025"),
        early_after=timedelta(hours=3),
        early_loss=D("0.025"),
        force_loss=D("0.04"),
        max_hold=timedelta(hours=24),
    )
    return replace(made, **changes)


def a_protection(stop: str = "58500", target: str = "63000") -> Protection:
    return Protection(stop_id=ClientId("gv-s0"), stop=D(stop), target_id=ClientId("gv-t0"), target=D(target))


def a_position(direction: Direction = Direction.LONG, **changes: Any) -> Position:
    long = direction is Direction.LONG
    made = Position(
        id=PositionId("btc-aaaaaaaa"),
        symbol=BTC,
        direction=direction,
        quantity=D("0.1"),
        cost=D(6000),
        leverage=10,
        opened_at=NOW,
        plan=an_exit_plan(),
        protection=a_protection() if long else a_protection("61500", "57000"),
        playbook="desk",
        entry_quantity=D("0.1"),
        entry_cost=D(6000),
        fees=D(3),
        guard=Guard.CONFIRMED,
        guard_since=NOW,
    )
    return replace(made, **changes)


def an_order(**changes: Any) -> Order:
    made = Order(
        client_id=ClientId("gv-e0"),
        decision_id=DecisionId("btc-aaaaaaaa"),
        leg=Leg.ENTRY,
        symbol=BTC,
        side=Side.BUY,
        kind=OrderKind.MARKET,
        quantity=D("0.1"),
        created_at=NOW,
        leverage=10,
        protection=a_protection(),
        plan=an_exit_plan(),
    )
    return replace(made, **changes)


def a_fill(side: Side = Side.BUY, quantity: str = "0.1", price: str = "60000", **changes: Any) -> Fill:
    made = Fill(
        id="000000000001",
        client_id=ClientId("gv-e0"),
        symbol=BTC,
        side=side,
        quantity=D(quantity),
        price=D(price),
        fee=D("3"),
        at=NOW,
    )
    return replace(made, **changes)


def an_opinion(persona: str, stance: Stance, confidence: float | int) -> Opinion:
    """Confidence as a fraction (float) or in millionths (int)."""
    micro = confidence if isinstance(confidence, int) else round(confidence * MICRO)
    fact = Evidence(label="RSI(14)", value=55.0, as_of=NOW)
    return Opinion(persona=persona, stance=stance, confidence=micro, thesis="because", evidence=(fact,))


def an_abstention(persona: str) -> Abstention:
    return Abstention(persona=persona, reason="no key")


def a_playbook(name: str = "desk", **changes: Any) -> Playbook:
    made = load(name)
    return Playbook.model_validate({**made.model_dump(), **changes})


def a_plan(direction: Direction = Direction.LONG, **changes: Any) -> Plan:
    long = direction is Direction.LONG
    made = Plan(
        symbol=BTC,
        direction=direction,
        quantity=D("0.1"),
        price=D(60000),
        leverage=10,
        margin=D(600),
        notional=D(6000),
        protection=a_protection() if long else a_protection("61500", "57000"),
        method="confidence",
        size_note="",
    )
    return replace(made, **changes)


def some_facts(**changes: Any) -> Facts:
    made = Facts(
        now=NOW,
        trading=TradingState.ACTIVE,
        halt_reason="",
        frozen="",
        equity=D(10000),
        available=D(10000),
        margin_used=D(0),
        day_equity=D(10000),
        positions=0,
        max_positions=5,
        taken=frozenset(),
        last_exit=None,
        instrument=an_instrument(),
        playbook=a_playbook(),
        stop_loss=D("0.025"),
    )
    return replace(made, **changes)
