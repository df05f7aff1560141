"""The hard limits, one function each. A function says what it allows and what it saw; the gate asks them in order."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trading.decision import GateAnswer, Plan
from trading.model import Direction, Instrument, Symbol, TradingState
from trading.playbook import Playbook


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that the gate may know, taken at one moment. What could not be read is in `frozen`, never a zero."""

    now: datetime
    trading: TradingState
    halt_reason: str
    frozen: str  # why entries are frozen (books, venue, journal, an unknown mark); "" when they are not
    equity: Decimal  # quote units, with unrealised P&L
    available: Decimal  # free for margin, after everything in flight
    margin_used: Decimal
    day_equity: Decimal  # when the UTC day began
    positions: int  # open, and entries on their way
    max_positions: int
    taken: frozenset[Symbol]  # instruments with a position or any unfinished order
    last_exit: tuple[Direction, datetime] | None  # on this instrument
    instrument: Instrument
    playbook: Playbook
    stop_loss: Decimal


def _answer(rule: str, passed: bool, *, value: str, limit: str, reason: str) -> GateAnswer:
    return GateAnswer(rule=rule, passed=passed, value=value, limit=limit, reason="" if passed else reason)


def trading_state(f: Facts, _: Plan) -> GateAnswer:
    active = f.trading is TradingState.ACTIVE
    reason = f"trading is halted: {f.halt_reason}" if f.halt_reason else "trading is halted"
    return _answer("trading state", active, value=f.trading.value, limit="active", reason=reason)


def books_known(f: Facts, _: Plan) -> GateAnswer:
    return _answer("books", not f.frozen, value=f.frozen or "agree", limit="agree", reason=f.frozen)


def symbol_allowed(f: Facts, _: Plan) -> GateAnswer:
    allowed = f.instrument.base in f.playbook.universe
    return _answer(
        "symbol", allowed, value=f.instrument.base, limit="the playbook's universe", reason="not in the universe"
    )


def one_per_instrument(f: Facts, p: Plan) -> GateAnswer:
    free = p.symbol not in f.taken
    return _answer(
        "one per instrument",
        free,
        value="free" if free else "taken",
        limit="free",
        reason="a position or order is open on it",
    )


def position_count(f: Facts, _: Plan) -> GateAnswer:
    return _answer(
        "position count",
        f.positions < f.max_positions,
        value=str(f.positions),
        limit=f"under {f.max_positions}",
        reason=f"{f.positions} of {f.max_positions} positions are open",
    )


def wash_guard(f: Facts, p: Plan) -> GateAnswer:
    limit = f.playbook.limits.wash_guard
    turned = f.last_exit is not None and f.last_exit[0] is p.direction.opposite
    since = f.now - f.last_exit[1] if f.last_exit and turned else None
    return _answer(
        "wash guard",
        since is None or since >= limit,
        value="no recent opposite exit"
        if since is None
        else f"{since.total_seconds():.0f} s since the other side closed",
        limit=f"{limit.total_seconds():.0f} s",
        reason="the other side was closed a moment ago",
    )


def leverage(f: Facts, p: Plan) -> GateAnswer:
    cap = min(f.playbook.limits.max_leverage, f.instrument.max_leverage)
    return _answer("leverage", p.leverage <= cap, value=f"{p.leverage}x", limit=f"{cap}x", reason="above the cap")


def stop_before_liquidation(f: Facts, p: Plan) -> GateAnswer:
    """The stop must lie inside 70 % of the way to liquidation (isolated margin, linear contract)."""
    room = (1 / Decimal(p.leverage) - f.instrument.maintenance) * Decimal("0.7")
    distance = abs(p.price - p.protection.stop) / p.price
    return _answer(
        "stop before liquidation",
        distance <= room,
        value=f"{distance:.2%}",
        limit=f"{room:.2%}",
        reason=f"at {p.leverage}x the stop is too near to liquidation",
    )


def size(f: Facts, p: Plan) -> GateAnswer:
    i = f.instrument
    fits = i.min_quantity <= p.quantity <= i.max_quantity and p.notional >= i.min_notional
    return _answer(
        "size",
        fits,
        value=f"{p.quantity.normalize():f} ({p.notional:.2f})",
        limit=f"{i.min_quantity.normalize():f} to {i.max_quantity.normalize():f}, notional from {i.min_notional}",
        reason="outside what the venue takes; it is not enlarged",
    )


def risk(f: Facts, p: Plan) -> GateAnswer:
    lost = abs(p.price - p.protection.stop) * p.quantity
    # One tick of rounding on the stop may push the plan a hair over the share it was sized to.
    allowed = f.equity * f.playbook.limits.max_risk + f.instrument.tick * p.quantity
    return _answer(
        "risk", lost <= allowed, value=f"{lost:.2f}", limit=f"{allowed:.2f}", reason="the stop would cost too much"
    )


def free_balance(f: Facts, p: Plan) -> GateAnswer:
    needed = p.margin + p.notional * f.instrument.taker_fee * 2
    return _answer(
        "free balance",
        needed <= f.available,
        value=f"{needed:.2f}",
        limit=f"{f.available:.2f}",
        reason="not enough is free",
    )


def margin_in_use(f: Facts, p: Plan) -> GateAnswer:
    total, limit = f.margin_used + p.margin, f.equity * f.playbook.limits.max_margin
    return _answer(
        "margin in use", total <= limit, value=f"{total:.2f}", limit=f"{limit:.2f}", reason="too much margin in use"
    )


def daily_loss(f: Facts, _: Plan) -> GateAnswer:
    """Realised and unrealised, fees and funding included, against the UTC day's opening equity: once, not per look."""
    lost, limit = f.day_equity - f.equity, f.day_equity * f.playbook.limits.max_daily_loss
    return _answer(
        "daily loss",
        lost < limit,
        value=f"{max(lost, Decimal(0)):.2f}",
        limit=f"under {limit:.2f}",
        reason="the day's loss limit is reached",
    )


Rule = Callable[[Facts, Plan], GateAnswer]
RULES: tuple[Rule, ...] = (
    trading_state,
    books_known,
    symbol_allowed,
    one_per_instrument,
    position_count,
    wash_guard,
    leverage,
    stop_before_liquidation,
    size,
    risk,
    free_balance,
    margin_in_use,
    daily_loss,
)
