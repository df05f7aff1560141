"""The gate: every rule of the one door, and every fact it must know first.

10,000 of equity; the plan buys 0.1 BTC at 60,000, 10x, 600 of margin, with its stop at 58,500.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.borders.expectancy import CENT, even, traded
from tests.borders.row import Family, Row
from tests.builders import (
    BTC,
    ETH,
    NOW,
    a_lock,
    a_plain_playbook,
    a_plan,
    a_portfolio,
    a_protection,
    a_quote,
    an_instrument,
    an_outlook,
    asked_for,
    some_facts,
)
from trading.breaker import Level, effects
from trading.model import Direction, Symbol, TradingState
from trading.playbook import Playbook
from trading.risk import safety
from trading.risk.expectancy import risk_fraction
from trading.risk.facts import Facts
from trading.risk.portfolio import Exposure
from trading.risk.safety import Rule

D = Decimal
LONG, SHORT = Direction.LONG, Direction.SHORT
SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)
SOL = Symbol("SOL/USDT:USDT")
PLAIN = a_plain_playbook()
# With every part that a rule asks for: the gross budget is 10,000 x 20.
HOUSE = a_plain_playbook(expectancy={}, portfolio={}, exits={**PLAIN.exits.model_dump(), "rebalance": {}})


def house(part: str, **changes: Any) -> Playbook:
    return HOUSE.model_copy(update={part: getattr(HOUSE, part).model_copy(update=changes)})


@dataclass(frozen=True)
class Entry:
    """Changes of what is known, and of the plan."""

    facts: dict[str, Any] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)
    direction: Direction = LONG


def known(**facts: Any) -> Entry:
    return Entry(facts)


def planned(**plan: Any) -> Entry:
    return Entry(plan=plan)


def some(changes: dict[str, Any]) -> Facts:
    return some_facts(**{"playbook": HOUSE, **changes})


def is_denied(of: Rule, entry: Entry) -> bool:
    answer = of(some(entry.facts), a_plan(entry.direction, **entry.plan))
    assert answer is not None, "the playbook has no part for it"
    return not answer.passed


# --- the rules ------------------------------------------------------------------------------------------------------


def breaker(level: Level, confidence: int) -> Entry:
    return known(breaker=effects(level, HOUSE.breaker), confidence=confidence)


def shown_at(before: str, now: str) -> Entry:
    return known(asked=asked_for(at=before), quote=a_quote(now))


def thought(before: str = "60000", now: str = "60000", ago: timedelta = SECOND) -> Entry:
    """By a panel that had seen this price so long ago."""
    return known(decided_on=a_quote(before, at=NOW - ago), quote=a_quote(now))


def closed(side: Direction, ago: timedelta) -> Entry:
    return known(last_exit=(side, NOW - ago))


def sized(*nets: Decimal) -> Entry:
    assert HOUSE.expectancy is not None
    return known(sized=risk_fraction(traded(list(nets)), HOUSE.expectancy))


def held(new: str, *notionals: tuple[str, int]) -> Entry:
    """A long of BTC for this much, beside longs of these."""
    others = tuple(
        Exposure(symbol=Symbol(f"{base}/USDT:USDT"), base=base, direction=LONG, notional=D(notional))
        for base, notional in notionals
    )
    return Entry({"portfolio": a_portfolio(HOUSE, "10000", *others)}, {"notional": D(new)})


def stop(price: str, **facts: Any) -> Entry:
    return Entry(facts, {"protection": a_protection(stop=price)})


BIG = an_instrument(min_quantity=D("0.1"), max_quantity=D("0.2"))
LOW = an_instrument(max_leverage=15)
RULES = (
    Row(safety.trading_state, "active", known(trading=TradingState.HALTED), known()),
    Row(safety.by_hand, "the playbook allows it",
        known(asked=asked_for(), playbook=house("limits", manual_entry=False)), known(asked=asked_for()),
        "limits.manual_entry"),
    Row(safety.locked, "on both sides", known(locks=(a_lock(),)), known()),
    Row(safety.locked, "on one side", known(locks=(a_lock(LONG),)), known(locks=(a_lock(SHORT),))),
    Row(safety.books_known, "they agree", known(frozen="the venue holds what we do not know"), known()),
    Row(safety.facts_known, "all of them", known(day_equity=None), known()),
    Row(safety.price_as_shown, "0.5 % above", shown_at("60000", "60300.1"), shown_at("60000", "60300"),
        "limits.max_requote"),
    Row(safety.price_as_shown, "0.5 % below", shown_at("60000", "59699.9"), shown_at("60000", "59700"),
        "limits.max_requote"),
    Row(safety.thought_in_time, "90 s", thought(ago=90 * SECOND + MICROSECOND), thought(ago=90 * SECOND),
        "limits.max_thought"),
    Row(safety.price_as_decided, "0.5 % above", thought("60000", "60300.1"), thought("60000", "60300"),
        "limits.max_requote"),
    Row(safety.price_as_decided, "0.5 % below", thought("60000", "59699.9"), thought("60000", "59700"),
        "limits.max_requote"),
    Row(safety.circuit_breaker, "at THROTTLE, confidence 0.8", breaker(Level.THROTTLE, 799_999),
        breaker(Level.THROTTLE, 800_000), "breaker.throttle_confidence"),
    Row(safety.circuit_breaker, "below HALT", breaker(Level.HALT, 1_000_000), breaker(Level.THROTTLE, 1_000_000)),
    Row(safety.symbol_allowed, "in the universe", known(instrument=an_instrument(Symbol("PEPE/USDT:USDT"))),
        known(instrument=an_instrument(SOL))),
    Row(safety.one_per_instrument, "free", known(taken=frozenset({BTC})), known(taken=frozenset({ETH, SOL}))),
    Row(safety.position_count, "5 positions", known(positions=5), known(positions=4), "limits.max_positions"),
    Row(safety.wash_guard, "60 s after the other side", closed(SHORT, 60 * SECOND - MICROSECOND),
        closed(SHORT, 60 * SECOND), "limits.wash_guard"),
    Row(safety.wash_guard, "the other side", closed(SHORT, SECOND), closed(LONG, SECOND)),
    Row(safety.expectancy, "E above 0", sized(*even(30)), sized(*even(30, CENT))),
    Row(safety.leverage, "20x", planned(leverage=21), planned(leverage=20), "limits.max_leverage"),
    Row(safety.leverage, "the venue's own cap", Entry({"instrument": LOW}, {"leverage": 16}),
        Entry({"instrument": LOW}, {"leverage": 15})),
    Row(safety.leverage, "the least that is traded", known(playbook=house("sizing", min_leverage=11)),
        known(playbook=house("sizing", min_leverage=10)), "sizing.min_leverage"),
    # At 10x with 1 % of maintenance there are 9 % to liquidation; 70 % of them are 3780.
    Row(safety.stop_before_liquidation, "70 % of the way", stop("56219.9"), stop("56220"), "limits.stop_within"),
    Row(safety.stop_before_liquidation, "on the right side of the price", stop("60000"), stop("59999.9")),
    Row(safety.size, "the least quantity", Entry({"instrument": BIG}, {"quantity": D("0.099")}),
        Entry({"instrument": BIG}, {"quantity": D("0.1")})),
    Row(safety.size, "the greatest quantity", Entry({"instrument": BIG}, {"quantity": D("0.201")}),
        Entry({"instrument": BIG}, {"quantity": D("0.2")})),
    Row(safety.size, "the least notional", planned(notional=D("4.999999")), planned(notional=D(5))),
    Row(safety.risk, "2 % of equity at the stop", known(equity=D("7499.99")), known(equity=D(7500)),
        "limits.max_risk"),
    Row(safety.trade_margin, "25 % of equity in one", known(playbook=house("limits", max_trade=D("0.25")),
        equity=D("2399.99")), known(playbook=house("limits", max_trade=D("0.25")), equity=D(2400)),
        "limits.max_trade"),
    Row(safety.asset_share, "40 % of the budget", held("80000.01"), held("80000"), "portfolio.asset"),
    Row(safety.correlated_group, "60 % of the budget", held("60000.01", ("ETH", 60000)), held("60000", ("ETH", 60000)),
        "portfolio.group"),
    Row(safety.sector_share, "50 % of the budget", held("50000.01", ("BNB", 50000)), held("50000", ("BNB", 50000)),
        "portfolio.sector"),
    Row(safety.one_sided, "50 % net", held("20000.01", ("SOL", 40000), ("XRP", 40000)),
        held("20000", ("SOL", 40000), ("XRP", 40000)), "exits.rebalance.net"),
    Row(safety.one_sided, "with 3 positions", held("60000", ("SOL", 60000), ("XRP", 0)), held("60000", ("SOL", 60000)),
        "exits.rebalance.positions"),
    Row(safety.free_balance, "margin and fees both ways", known(margin_used=D("9394.01")), known(margin_used=D(9394))),
    Row(safety.free_balance, "what is won and not realised is not free", known(booked=D("605.99")),
        known(booked=D(606))),
    Row(safety.free_balance, "what is lost is gone", known(equity=D("605.99")), known(equity=D(606))),
    Row(safety.margin_in_use, "60 % of equity", known(margin_used=D("5400.01")), known(margin_used=D(5400)),
        "limits.max_margin"),
    Row(safety.daily_loss, "5 % of the day's equity", known(equity=D(9500)), known(equity=D("9500.01")),
        "limits.max_daily_loss"),
    # A second line, should facts_known ever be passed over.
    *(
        Row(rule, "what is not known denies", known(**{fact: None}), known())
        for rule, fact in (
            (safety.risk, "equity"), (safety.trade_margin, "equity"),
            (safety.free_balance, "equity"), (safety.free_balance, "margin_used"),
            (safety.margin_in_use, "equity"), (safety.margin_in_use, "margin_used"),
            (safety.daily_loss, "equity"), (safety.daily_loss, "day_equity"),
        )
    ),
)  # fmt: skip


def is_said(of: tuple[Rule, str], entry: Entry) -> bool:
    """Of two reasons for a rule's no, this one."""
    rule, reason = of
    answer = rule(some(entry.facts), a_plan(entry.direction, **entry.plan))
    assert answer is not None
    assert not answer.passed
    return reason in answer.reason


NEVER = house("sizing", min_leverage=21)
REASONS = (
    Row((safety.leverage, "above the cap"), "not at the cap", planned(leverage=21),
        Entry({"playbook": NEVER}, {"leverage": 20})),
    Row((safety.stop_before_liquidation, "has passed the stop"), "at the stop", stop("60000"), stop("56219.9")),
)  # fmt: skip


# --- what must be known ---------------------------------------------------------------------------------------------

BY_ATR = HOUSE.exits.model_copy(update={"stop_atr": D("1.5")})
TO_ATR = HOUSE.exits.model_copy(update={"target_atr": D(3)})
GIVES_UP = HOUSE.exits.model_copy(update={"stop_at_invalidation": True})
NO_ATR = an_outlook(atr=None)


def is_missing(of: str, changes: dict[str, Any]) -> bool:
    facts = some(changes)
    answer = safety.facts_known(facts, a_plan())
    assert answer.passed == (not facts.unknown)
    return of in facts.unknown


def needed(what: str, border: str, without: dict[str, Any], with_it: dict[str, Any] | None = None) -> Row:
    return Row(what, border, without, with_it or {})


BLIND = {"portfolio": None}
FACTS = (
    needed("a fresh price", "always", {"fresh": False}),
    needed("equity", "always", {"equity": None}),
    needed("the day's opening equity", "always", {"day_equity": None}),
    needed("the margin in use", "always", {"margin_used": None}),
    needed("the ATR", "for a stop", {"exits": BY_ATR, "outlook": NO_ATR}, {"outlook": NO_ATR}),
    needed("the ATR", "for a target", {"exits": TO_ATR, "outlook": NO_ATR}, {"exits": TO_ATR}),
    needed("the ATR", "something moved", {"exits": BY_ATR, "outlook": an_outlook(atr=D(0))},
           {"exits": BY_ATR, "outlook": an_outlook(atr=D("0.1"))}),
    needed("an invalidation price", "for a stop", {"exits": GIVES_UP, "invalidation": None}, {"invalidation": None}),
    needed("the regime", "for expectancy", {"outlook": an_outlook(regime=None)},
           {"outlook": an_outlook(regime=None), "playbook": PLAIN}),
    needed("the volatility", "for expectancy", {"outlook": an_outlook(volatility=None)},
           {"outlook": an_outlook(volatility=None), "playbook": PLAIN}),
    needed("what closed trades have shown", "for expectancy", {"sized": None}, {"sized": None, "playbook": PLAIN}),
    needed("the open exposure", "for portfolio limits", BLIND, {**BLIND, "playbook": PLAIN}),
)  # fmt: skip

FAMILIES = (
    Family("gate", is_denied, RULES),
    Family("gate's reason", is_said, REASONS),
    Family("fact", is_missing, FACTS),
)
