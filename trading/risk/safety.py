"""The hard limits, one function each. A function says what it allows and what it saw; the gate asks them in order."""

from collections.abc import Callable
from decimal import Decimal

from trading.breaker import allows
from trading.decision import GateAnswer, Plan
from trading.locks import against, words
from trading.model import TradingState
from trading.risk import expectancy as evidence
from trading.risk import portfolio as shares
from trading.risk.facts import Facts
from trading.risk.levels import room_for_stop
from trading.risk.portfolio import Exposure


def _answer(rule: str, passed: bool, *, value: str, limit: str, reason: str) -> GateAnswer:
    return GateAnswer(rule=rule, passed=passed, value=value, limit=limit, reason="" if passed else reason)


def _not_known(rule: str) -> GateAnswer:
    """A second line: `facts_known` was asked before."""
    return _answer(rule, False, value="not known", limit="known", reason="what the account is worth is not known")


def trading_state(f: Facts, _: Plan) -> GateAnswer:
    active = f.trading is TradingState.ACTIVE
    reason = f"trading is halted: {f.halt_reason}" if f.halt_reason else "trading is halted"
    return _answer("trading state", active, value=f.trading.value, limit="active", reason=reason)


def by_hand(f: Facts, _: Plan) -> GateAnswer | None:
    if f.asked is None:
        return None
    allowed = f.playbook.limits.manual_entry
    return _answer(
        "by hand",
        allowed,
        value=f"asked by {f.asked.by}",
        limit="allowed" if allowed else "never",
        reason=f"{f.playbook.name} takes no entries by hand (limits.manual_entry)",
    )


def locked(f: Facts, p: Plan) -> GateAnswer:
    lock = against(f.locks, p.direction)
    said = words(lock) if lock else "free"
    return _answer("locked", lock is None, value=said, limit="free", reason=f"{f.instrument.base} is {said}")


def books_known(f: Facts, _: Plan) -> GateAnswer:
    return _answer("books", not f.frozen, value=f.frozen or "agree", limit="agree", reason=f.frozen)


def facts_known(f: Facts, _: Plan) -> GateAnswer:
    missing = ", ".join(f.unknown)
    return _answer("facts known", not missing, value=missing or "all", limit="all", reason=f"not known: {missing}")


def price_as_shown(f: Facts, _: Plan) -> GateAnswer | None:
    """A person said yes to an entry at the price he saw, and to none that is much different."""
    quoted = f.asked.quoted if f.asked else None
    if quoted is None:
        return None
    moved, limit, now = quoted.moved(f.quote.mark), f.playbook.limits.max_requote, f.quote.mark.normalize()
    return _answer(
        "price as shown",
        moved <= limit,
        value=f"{moved:.3%} ({quoted.mark:f} to {now:f})",
        limit=f"{limit:.3%}",
        reason=f"the price was {quoted.mark:f} when it was shown, and is {now:f} now",
    )


def thought_in_time(f: Facts, _: Plan) -> GateAnswer | None:
    """A verdict is about the market it was made on: an old one is about another."""
    if f.decided_on is None:
        return None
    took, limit = f.now - f.decided_on.at, f.playbook.limits.max_thought
    return _answer(
        "thought in time",
        took <= limit,
        value=f"{took.total_seconds():.0f} s",
        limit=f"{limit.total_seconds():.0f} s",
        reason="the market it was made on is too old",
    )


def price_as_decided(f: Facts, _: Plan) -> GateAnswer | None:
    """The price may not have run away while somebody thought."""
    if f.decided_on is None:
        return None
    then, now, limit = f.decided_on.mark, f.quote.mark, f.playbook.limits.max_requote
    moved = abs(now / then - 1)
    return _answer(
        "price as decided",
        moved <= limit,
        value=f"{moved:.3%} ({then.normalize():f} to {now.normalize():f})",
        limit=f"{limit:.3%}",
        reason=f"the price was {then.normalize():f} when it was asked about, and is {now.normalize():f} now",
    )


def circuit_breaker(f: Facts, _: Plan) -> GateAnswer:
    return allows(f.breaker, f.confidence)


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


def expectancy(f: Facts, _: Plan) -> GateAnswer | None:
    return None if f.sized is None else evidence.expectancy(f.sized)


def leverage(f: Facts, p: Plan) -> GateAnswer:
    """At most what the playbook and the venue allow, and at least what the playbook's sizing needs."""
    least, cap = f.playbook.sizing.min_leverage, min(f.playbook.limits.max_leverage, f.instrument.max_leverage)
    return _answer(
        "leverage",
        least <= p.leverage <= cap,
        value=f"{p.leverage}x",
        limit=f"{least}x to {cap}x",
        reason="above the cap" if p.leverage > cap else f"the playbook trades from {least}x on only",
    )


def stop_before_liquidation(f: Facts, p: Plan) -> GateAnswer:
    """The stop must lie inside a part of the way to liquidation (isolated margin, linear contract)."""
    room = room_for_stop(f, price=p.price, leverage=p.leverage)
    distance = (p.price - p.protection.stop) * p.direction.sign
    near = f"at {p.leverage}x the stop is too near to liquidation"
    return _answer(
        "stop before liquidation",
        0 < distance <= room,
        value=f"{distance / p.price:.2%}",
        limit=f"{room / p.price:.2%}",
        reason=near if distance > 0 else f"the price has passed the stop {p.protection.stop}",
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
    if f.equity is None:
        return _not_known("risk")
    lost, allowed = abs(p.price - p.protection.stop) * p.quantity, f.equity * f.playbook.limits.max_risk
    return _answer(
        "risk", lost <= allowed, value=f"{lost:.2f}", limit=f"{allowed:.2f}", reason="the stop would cost too much"
    )


def trade_margin(f: Facts, p: Plan) -> GateAnswer:
    if f.equity is None:
        return _not_known("trade margin")
    limit = f.equity * f.playbook.limits.max_trade
    return _answer(
        "trade margin",
        p.margin <= limit,
        value=f"{p.margin:.2f}",
        limit=f"{limit:.2f}",
        reason="too much margin in one position",
    )


def asset_share(f: Facts, p: Plan) -> GateAnswer | None:
    return None if f.portfolio is None else shares.asset_share(f.portfolio, Exposure.of(p))


def correlated_group(f: Facts, p: Plan) -> GateAnswer | None:
    return None if f.portfolio is None else shares.group_share(f.portfolio, Exposure.of(p))


def sector_share(f: Facts, p: Plan) -> GateAnswer | None:
    return None if f.portfolio is None else shares.sector_share(f.portfolio, Exposure.of(p))


def one_sided(f: Facts, p: Plan) -> GateAnswer | None:
    return None if f.portfolio is None else shares.one_sided(f.portfolio, Exposure.of(p))


def free_balance(f: Facts, p: Plan) -> GateAnswer:
    if f.available is None:
        return _not_known("free balance")
    needed = p.margin + p.notional * f.instrument.taker_fee * 2
    return _answer(
        "free balance",
        needed <= f.available,
        value=f"{needed:.2f}",
        limit=f"{f.available:.2f}",
        reason="not enough is free",
    )


def margin_in_use(f: Facts, p: Plan) -> GateAnswer:
    if f.equity is None or f.margin_used is None:
        return _not_known("margin in use")
    total, limit = f.margin_used + p.margin, f.equity * f.playbook.limits.max_margin
    return _answer(
        "margin in use", total <= limit, value=f"{total:.2f}", limit=f"{limit:.2f}", reason="too much margin in use"
    )


def daily_loss(f: Facts, _: Plan) -> GateAnswer:
    """Realised and unrealised, fees and funding included, against the UTC day's opening equity: once, not per look."""
    if f.equity is None or f.day_equity is None:
        return _not_known("daily loss")
    lost, limit = f.day_equity - f.equity, f.day_equity * f.playbook.limits.max_daily_loss
    return _answer(
        "daily loss",
        lost < limit,
        value=f"{max(lost, Decimal(0)):.2f}",
        limit=f"under {limit:.2f}",
        reason="the day's loss limit is reached",
    )


Rule = Callable[[Facts, Plan], GateAnswer | None]  # None: there is nothing to ask about
RULES: tuple[Rule, ...] = (
    trading_state,
    by_hand,
    locked,
    books_known,
    facts_known,
    price_as_shown,
    thought_in_time,
    price_as_decided,
    circuit_breaker,
    symbol_allowed,
    one_per_instrument,
    position_count,
    wash_guard,
    expectancy,
    leverage,
    stop_before_liquidation,
    size,
    risk,
    trade_margin,
    asset_share,
    correlated_group,
    sector_share,
    one_sided,
    free_balance,
    margin_in_use,
    daily_loss,
)
