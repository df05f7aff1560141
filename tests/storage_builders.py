"""Small, whole values for the tests of the memory; each argument changes what a test is about."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from storage.database import Database
from trading import events as m
from trading.decision import (
    Abstention,
    Action,
    Approved,
    Decision,
    Denied,
    Evidence,
    GateAnswer,
    Opinion,
    Plan,
    Seen,
    Stance,
    Tally,
    Verdict,
)
from trading.exit_plan import ExitPlan
from trading.model import (
    Direction,
    ExitReason,
    Fill,
    FundingPayment,
    Leg,
    Order,
    OrderKind,
    OrderStatus,
    Position,
    Protection,
    Side,
    Trade,
)
from trading.state import DeskState

D = Decimal
AT = datetime(2026, 1, 5, 10, tzinfo=UTC)
BTC = "BTC/USDT:USDT"
MINUTE = timedelta(minutes=1)

GUARD = Protection(stop_id="gv-stop-s0", stop=D("97.5"), target_id="gv-target-t0", target=D("105.0"))
EXITS = ExitPlan(
    phase="base",
    take_profit=D("0.05"),
    stop_loss=D("0.025"),
    early_after=timedelta(hours=3),
    early_loss=D("0.025"),
    force_loss=D("0.04"),
    max_hold=timedelta(hours=24),
)


def an_opinion(persona: str, evidences: int = 4) -> Opinion:
    facts = (
        Evidence(label=f"RSI({n})", value=31.25 + n, unit="%", source="1h candles", as_of=AT) for n in range(evidences)
    )
    return Opinion(
        persona=persona,
        stance=Stance.LONG,
        confidence=700_000,
        thesis="RSI is low and turning up",
        evidence=tuple(facts),
    )


def a_plan() -> Plan:
    return Plan(
        symbol=BTC,
        direction=Direction.LONG,
        quantity=D("0.5"),
        price=D("100.1"),
        leverage=10,
        margin=D("5.005"),
        notional=D("50.05"),
        protection=GUARD,
        method="confidence",
        size_note="7 % of equity",
    )


def a_decision(id: str = "btc-aaaa", outcome: str = "wait", at: datetime = AT, symbol: str = BTC) -> Decision:
    answers = tuple(GateAnswer(rule=f"rule {n}", passed=True, limit="5", value="2") for n in range(6))
    gates = {"wait": None, "denied": Denied(rule="positions", reason="5 of 5", answers=answers)}
    action = Action.WAIT if outcome == "wait" else Action.LONG
    tally = Tally(
        long=1_540_000_000,
        short=0,
        missing=0,
        neutral_weight=0,
        directional_weight=2200,
        missing_weight=0,
        standing=2,
        confidence=700_000,
        lead=Action.LONG,
    )
    return Decision(
        id=id,
        symbol=symbol,
        at=at,
        trigger="schedule",
        playbook="smt-3.1",
        playbook_hash="0123456789ab",
        phase="base",
        seen=Seen(
            close=D("100.1"),
            bid=D("100.0"),
            ask=D("100.2"),
            mark=D("100.10"),
            quote_at=at,
            bar_closed_at=at,
            interval="1h",
            funding_rate=None,
            source="simulated market",
        ),
        opinions=(an_opinion("flow"), an_opinion("technical"), Abstention(persona="whale", reason="no data")),
        weights={"technical": 1200, "flow": 1000},
        verdict=Verdict(action=action, confidence=700_000, reason="two agree", tally=tally),
        gate=gates.get(outcome, Approved(plan=a_plan(), answers=answers)),
    )


def decided(id: str = "btc-aaaa", outcome: str = "wait", at: datetime = AT, symbol: str = BTC) -> m.DecisionMade:
    return m.DecisionMade(at=at, decision=a_decision(id, outcome, at, symbol))


def an_order(client_id: str = "gv-entry-e0", decision: str = "btc-aaaa", **changes: Any) -> Order:
    values: dict[str, Any] = {
        "leg": Leg.ENTRY,
        "symbol": BTC,
        "side": Side.BUY,
        "kind": OrderKind.MARKET,
        "quantity": D("0.5"),
        "created_at": AT,
        "protection": GUARD,
        "plan": EXITS,
    }
    return Order(client_id=client_id, decision_id=decision, **values | changes)


def a_fill(id: str = "1", client_id: str = "gv-entry-e0", at: datetime = AT) -> Fill:
    return Fill(
        id=id,
        client_id=client_id,
        symbol=BTC,
        side=Side.BUY,
        quantity=D("0.5"),
        price=D("100.2"),
        fee=D("0.02505"),
        at=at,
    )


def a_payment(id: str = "1", at: datetime = AT) -> FundingPayment:
    return FundingPayment(id=id, symbol=BTC, at=at, rate=D("0.0001"), amount=D("-0.00501"))


def a_position(id: str = "btc-aaaa", **changes: Any) -> Position:
    values: dict[str, Any] = {
        "symbol": BTC,
        "direction": Direction.LONG,
        "quantity": D("0.5"),
        "cost": D("50.10"),
        "leverage": 10,
        "opened_at": AT,
        "plan": EXITS,
        "protection": GUARD,
        "playbook": "smt-3.1",
        "entry_quantity": D("0.5"),
        "entry_cost": D("50.10"),
    }
    return Position(id=id, **values | changes)


def a_trade(id: str = "btc-aaaa", closed_at: datetime = AT, gross: str = "2.5", **changes: Any) -> Trade:
    values: dict[str, Any] = {
        "symbol": BTC,
        "direction": Direction.LONG,
        "quantity": D("0.5"),
        "entry": D("100.2"),
        "exit": D("105.2"),
        "opened_at": AT,
        "fees": D("0.05"),
        "funding": D("-0.005"),
        "r": D("1.95"),
        "reason": ExitReason.TAKE_PROFIT,
        "note": "mark 105.2 at target 105.0",
        "playbook": "smt-3.1",
        "leverage": 10,
    }
    return Trade(id=id, closed_at=closed_at, gross=D(gross), **values | changes)


def a_desk(**changes: Any) -> DeskState:
    values: dict[str, Any] = {"desk": "gavel", "playbook": "smt-3.1", "start_equity": D("10000")}
    return DeskState(**values | changes)


def an_entry(decision: str = "btc-aaaa", fill: str = "1", at: datetime = AT) -> list[m.Event]:
    """Intent, answer and fill of one entry."""
    intent = an_order(f"gv-{decision}-e0", decision, created_at=at)
    sent = intent.to(OrderStatus.OPEN, at=at)
    filled = sent.to(OrderStatus.FILLED, at=at, filled=sent.quantity)
    return [
        m.OrderIntended(at=at, order=intent),
        m.OrderSent(at=at, order=sent),
        m.OrderFilled(at=at, order=filled, fill=a_fill(fill, intent.client_id, at)),
    ]


_EMPTY: list[bytes] = []


async def a_database(path: Path, *, patience: timedelta = timedelta(seconds=5)) -> Database:
    """A new one. The migrations run for the first only: later ones begin as its copy."""
    if not _EMPTY:
        await (await Database.open(path)).close()
        _EMPTY.append(await asyncio.to_thread(path.read_bytes))
    await asyncio.to_thread(path.write_bytes, _EMPTY[0])
    return await Database.open(path, patience=patience)
