"""Every hard limit at its border: one row in which it binds, and one in which it just does not."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

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
from trading.decision import Approved, Denied, GateAnswer, Plan
from trading.model import DecisionId, Direction, Symbol, TradingState
from trading.risk import safety
from trading.risk.expectancy import Evidence, risk_fraction
from trading.risk.facts import Facts
from trading.risk.gate import assess, judge_entry
from trading.risk.portfolio import Exposure
from trading.risk.safety import RULES
from trading.risk.sizing import plan_entry
from trading.risk_policies import ExpectancyPolicy

D = Decimal
SECOND = timedelta(seconds=1)
MINUTE = timedelta(seconds=60)
Changes = dict[str, Any]
PLAIN = a_plain_playbook()
# Every part that a rule asks for. The gross budget is 10000 x 20: an asset may have 80000, a group 120000, a sector and
# one side 100000. BTC and SOL are alike here, and of different sectors.
HOUSE = a_plain_playbook(
    expectancy={},
    portfolio={"static": {"BTC-SOL": "0.7", "BTC-ETH": "0.85"}},
    exits={**PLAIN.exits.model_dump(), "rebalance": {}},
)


@dataclass(frozen=True)
class Row:
    """What binds, and what just does not: changes of the facts and of the plan."""

    rule: Callable[[Facts, Plan], GateAnswer | None]
    denied: Changes = field(default_factory=dict)
    passed: Changes = field(default_factory=dict)
    plan_denied: Changes = field(default_factory=dict)
    plan_passed: Changes = field(default_factory=dict)
    says: str = ""


def playbook(part: str, **changes: Any) -> Changes:
    return {"playbook": HOUSE.model_copy(update={part: getattr(HOUSE, part).model_copy(update=changes)})}


def limits(**changes: Any) -> Changes:
    return playbook("limits", **changes)


def exits(**changes: Any) -> Changes:
    return {"exits": HOUSE.exits.model_copy(update=changes)}


def stop_at(price: str) -> Changes:
    return {"protection": a_protection(stop=price)}


def breaker(level: Level, confidence: int = 900_000) -> Changes:
    return {"breaker": effects(level, HOUSE.breaker), "confidence": confidence}


def held(**notionals: str) -> Changes:
    """held(ETH="94000"): what is open, negative when short."""
    return {
        "portfolio": a_portfolio(
            HOUSE,
            "10000",
            *(
                Exposure(
                    symbol=Symbol(f"{base}/USDT:USDT"),
                    base=base,
                    direction=Direction.LONG if D(notional) > 0 else Direction.SHORT,
                    notional=abs(D(notional)),
                )
                for base, notional in notionals.items()
            ),
        )
    }


def shown(*nets: str) -> Changes:
    return {"sized": risk_fraction(Evidence(trades=tuple(map(D, nets))), ExpectancyPolicy())}


EVEN = ["1", "-1"] * 15


def unknown_exposure() -> Changes:
    portfolio = a_portfolio(HOUSE)
    assert portfolio
    return {"portfolio": replace(portfolio, exposures=None)}


ROWS = (
    Row(
        safety.trading_state,
        denied={"trading": TradingState.HALTED, "halt_reason": "too hot"},
        passed={"trading": TradingState.ACTIVE},
        says="too hot",
    ),
    Row(safety.trading_state, denied={"trading": TradingState.HALTED}, says="trading is halted"),
    Row(
        safety.by_hand,
        denied=limits(manual_entry=False) | {"asked": asked_for()},
        passed={"asked": asked_for()},
        says="desk takes no entries by hand",
    ),
    Row(
        safety.locked,
        denied={"locks": (a_lock(Direction.LONG, until=NOW, reason="too wild"),)},
        passed={"locks": (a_lock(Direction.SHORT),)},
        says="BTC is locked for longs by the owner until 2026-01-05 12:00:00 UTC: too wild",
    ),
    Row(safety.locked, denied={"locks": (a_lock(Direction.SHORT), a_lock())}, says="until it is unlocked"),
    Row(safety.books_known, denied={"frozen": "the venue cannot be read"}, says="the venue cannot be read"),
    # What is needed and not known, and beside it the same as a playbook that does not need it.
    Row(safety.facts_known, denied={"fresh": False}, says="a fresh price"),
    Row(safety.facts_known, denied={"equity": None}, says="not known: equity"),
    Row(safety.facts_known, denied={"day_equity": None}, says="the day's opening equity"),
    Row(safety.facts_known, denied={"margin_used": None}, says="the margin in use"),
    Row(
        safety.facts_known,
        denied=exits(stop_atr=D("1.5")) | {"outlook": an_outlook(atr=None)},
        passed={"outlook": an_outlook(atr=None)},
        says="the ATR",
    ),
    Row(
        safety.facts_known,
        denied=exits(target_atr=D(3)) | {"outlook": an_outlook(atr=D(0))},
        passed=exits(target_atr=D(3)) | {"outlook": an_outlook(atr=D("0.01"))},
        says="the ATR",
    ),
    Row(
        safety.facts_known,
        denied=exits(stop_at_invalidation=True) | {"invalidation": None},
        passed={"invalidation": None},
        says="an invalidation price",
    ),
    Row(
        safety.facts_known,
        denied={"outlook": an_outlook(regime=None)},
        passed={"outlook": an_outlook(regime=None), "playbook": PLAIN, "sized": None, "portfolio": None},
        says="the regime",
    ),
    Row(
        safety.facts_known,
        denied={"outlook": an_outlook(volatility=None)},
        passed={"outlook": an_outlook(volatility=None), "playbook": PLAIN, "sized": None, "portfolio": None},
        says="the volatility",
    ),
    Row(safety.facts_known, denied={"sized": None}, says="what closed trades have shown"),
    Row(safety.facts_known, denied=unknown_exposure(), says="the open exposure"),
    Row(safety.facts_known, denied={"portfolio": None}, says="the open exposure"),
    Row(
        safety.price_as_shown,
        denied={"asked": asked_for(at="60000"), "quote": a_quote("60300.1")},
        passed={"asked": asked_for(at="60000"), "quote": a_quote("60300")},
        says="the price was 60000 when it was shown, and is 60300.1 now",
    ),
    Row(
        safety.thought_in_time,
        denied={"decided_on": a_quote(at=NOW - timedelta(seconds=90.001))},
        passed={"decided_on": a_quote(at=NOW - timedelta(seconds=90))},
        says="is too old",
    ),
    Row(
        safety.price_as_decided,
        denied={"decided_on": a_quote(), "quote": a_quote("60300.1")},
        passed={"decided_on": a_quote(), "quote": a_quote("60300")},
        says="the price was 60000 when it was asked about, and is 60300.1 now",
    ),
    Row(safety.circuit_breaker, denied=breaker(Level.HALT), passed=breaker(Level.ALERT), says="no entries"),
    Row(safety.circuit_breaker, denied=breaker(Level.SHUTDOWN, 1_000_000), passed=breaker(Level.CLOSED, 0)),
    Row(
        safety.circuit_breaker,
        denied=breaker(Level.THROTTLE, 799_999),
        passed=breaker(Level.THROTTLE, 800_000),
        says="confidence from 0.80",
    ),
    Row(safety.symbol_allowed, denied={"instrument": an_instrument("PEPE/USDT:USDT")}, says="universe"),  # type: ignore[arg-type]
    Row(
        safety.one_per_instrument,
        denied={"taken": frozenset({BTC, ETH})},
        passed={"taken": frozenset({ETH})},
        says="a position or order is open",
    ),
    Row(safety.position_count, denied={"positions": 5}, passed={"positions": 4}, says="5 of 5"),
    Row(safety.position_count, denied={"max_positions": 0}, passed={"max_positions": 1}, says="0 of 0"),
    Row(
        safety.wash_guard,
        denied={"last_exit": (Direction.SHORT, NOW - MINUTE + SECOND)},
        passed={"last_exit": (Direction.SHORT, NOW - MINUTE)},
        says="a moment ago",
    ),
    Row(safety.wash_guard, passed={"last_exit": (Direction.LONG, NOW)}),  # the same side again is no wash
    Row(safety.expectancy, denied=shown(*EVEN), passed=shown(*EVEN[:-1], "-0.99"), says="no real size"),
    Row(safety.expectancy, denied=shown(*["-1"] * 30), passed=shown(*["-1"] * 29), says="E -1.00"),
    Row(safety.leverage, denied=limits(max_leverage=9), passed=limits(max_leverage=10), says="above the cap"),
    Row(
        safety.leverage,
        denied={"instrument": an_instrument(max_leverage=9)},
        passed={"instrument": an_instrument(max_leverage=10)},
    ),
    Row(
        safety.leverage,
        denied=playbook("sizing", min_leverage=11),
        passed=playbook("sizing", min_leverage=10),
        says="from 11x on only",
    ),
    # (1/10 - 1 %) x 0.7 = 6.3 % of 60000: 56220
    Row(
        safety.stop_before_liquidation,
        plan_denied=stop_at("56219.9"),
        plan_passed=stop_at("56220"),
        denied=limits(max_risk=D("0.1")),
        passed=limits(max_risk=D("0.1")),
        says="at 10x",
    ),
    Row(
        safety.stop_before_liquidation,
        denied=limits(max_risk=D("0.1"), stop_within=D("0.6")),
        passed=limits(max_risk=D("0.1"), stop_within=D("0.6")),
        plan_denied=stop_at("56759.9"),
        plan_passed=stop_at("56760"),
    ),
    Row(
        safety.stop_before_liquidation,
        plan_denied=stop_at("60000"),
        plan_passed=stop_at("59999.9"),
        says="has passed the stop 60000",
    ),
    Row(safety.stop_before_liquidation, plan_denied=stop_at("60000.1"), says="has passed"),
    Row(
        safety.size,
        denied={"instrument": an_instrument(min_quantity=D("0.101"))},
        passed={"instrument": an_instrument(min_quantity=D("0.1"))},
        says="not enlarged",
    ),
    Row(
        safety.size,
        denied={"instrument": an_instrument(max_quantity=D("0.099"))},
        passed={"instrument": an_instrument(max_quantity=D("0.1"))},
    ),
    Row(
        safety.size,
        denied={"instrument": an_instrument(min_notional=D("6000.01"))},
        passed={"instrument": an_instrument(min_notional=D(6000))},
    ),
    Row(safety.size, plan_denied={"quantity": D(0), "notional": D(0), "margin": D(0)}),
    # The stop costs 1500 x 0.1 = 150
    Row(
        safety.risk,
        denied={"equity": D("7499.99"), "day_equity": D(7500)},
        passed={"equity": D(7500), "day_equity": D(7500)},
        says="cost too much",
    ),
    # 600 of margin, of 10000
    Row(
        safety.trade_margin,
        denied=limits(max_trade=D("0.0599")),
        passed=limits(max_trade=D("0.06")),
        says="too much margin in one",
    ),
    Row(safety.asset_share, denied=held(BTC="74000.01"), passed=held(BTC="74000"), says="in one asset (BTC)"),
    Row(
        safety.correlated_group, denied=held(SOL="114000.01"), passed=held(SOL="114000"), says="in one correlated group"
    ),
    Row(safety.sector_share, denied=held(ETH="94000.01"), passed=held(ETH="94000"), says="in one sector (large cap)"),
    Row(
        safety.one_sided,
        denied=held(ADA="47000", DOGE="47000.01"),
        passed=held(ADA="47000", DOGE="47000"),
        says="the weakest long would have to go again",
    ),
    Row(safety.one_sided, passed=held(DOGE="99999")),  # two positions are too few for it
    # 600 of margin and two taker fees of 0.05 % of 6000
    Row(safety.free_balance, denied={"booked": D("605.99")}, passed={"booked": D(606)}, says="not enough"),
    # 60 % of 10000
    Row(safety.margin_in_use, denied={"margin_used": D("5400.01")}, passed={"margin_used": D(5400)}, says="in use"),
    # 5 % of 10000 is reached at 9500
    Row(safety.daily_loss, denied={"equity": D(9500)}, passed={"equity": D("9500.01")}, says="limit is reached"),
    Row(safety.daily_loss, denied={"day_equity": D(10527), "equity": D(10000)}, passed={"day_equity": D(10526)}),
)


def facts_of(changes: Changes) -> Facts:
    return some_facts(**{"playbook": HOUSE, **changes})


def test_every_rule_of_the_gate_has_a_row_that_binds_and_one_that_does_not() -> None:
    binding = {row.rule for row in ROWS if row.denied or row.plan_denied}
    # Two rules have no number: what does not bind them is the plain case, which every row's other half is.
    passing = {row.rule for row in ROWS if row.passed or row.plan_passed} | {safety.books_known, safety.symbol_allowed}
    assert binding == set(RULES)
    assert passing == set(RULES)


def test_every_rule_of_the_module_is_asked() -> None:
    there = {f for f in vars(safety).values() if getattr(f, "__module__", "") == safety.__name__ and callable(f)}
    rules = {f for f in there if not isinstance(f, type) and not f.__name__.startswith("_")}
    assert rules == set(RULES)
    assert len(RULES) == len(set(RULES))


ORDER = [
    "trading state", "locked", "books", "facts known", "circuit breaker", "symbol", "one per instrument",
    "position count", "wash guard", "expectancy", "leverage", "stop before liquidation", "size", "risk",
    "trade margin", "asset share", "correlated group", "sector share", "one-sided", "free balance", "margin in use",
    "daily loss",
]  # fmt: skip
PARTS = {"expectancy", "asset share", "correlated group", "sector share", "one-sided"}


def test_the_rules_are_asked_in_their_order() -> None:
    assert [a.rule for a in assess(a_plan(), facts_of({})).answers] == ORDER
    layers = ["symbol", "leverage", "size", "risk", "free balance", "daily loss"]
    assert [rule for rule in ORDER if rule in layers] == layers, "the five layers of safety keep theirs"


def test_a_panel_that_took_its_time_is_asked_two_questions_more() -> None:
    asked = [a.rule for a in assess(a_plan(), facts_of({"decided_on": a_quote()})).answers]
    assert asked[:6] == ["trading state", "locked", "books", "facts known", "thought in time", "price as decided"]
    assert [rule for rule in asked if rule in ORDER] == ORDER


def test_what_a_person_asks_for_is_asked_two_questions_more() -> None:
    asked = [a.rule for a in assess(a_plan(), facts_of({"asked": asked_for(at="60000")})).answers]
    assert asked[:6] == ["trading state", "by hand", "locked", "books", "facts known", "price as shown"]
    assert [rule for rule in asked if rule in ORDER] == ORDER


def test_a_rule_without_a_part_in_the_playbook_is_not_asked() -> None:
    asked = [a.rule for a in assess(a_plan(), some_facts(playbook=PLAIN)).answers]
    assert asked == [rule for rule in ORDER if rule not in PARTS]
    lenient = a_plain_playbook(portfolio={})
    asked = [a.rule for a in assess(a_plan(), some_facts(playbook=lenient)).answers]
    assert set(ORDER) - set(asked) == {"expectancy", "one-sided"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule.__name__)
def test_a_rule_binds(row: Row) -> None:
    if not (row.denied or row.plan_denied):
        return
    facts, plan = facts_of(row.denied), a_plan(**row.plan_denied)
    answer = row.rule(facts, plan)
    assert answer is not None
    assert not answer.passed
    assert row.says in answer.reason
    verdict = assess(plan, facts)
    assert isinstance(verdict, Denied)
    assert (verdict.rule, verdict.reason) == (answer.rule, answer.reason)
    assert verdict.answers[-1] == answer, "what comes after a no is not asked"
    assert all(a.passed for a in verdict.answers[:-1])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule.__name__)
def test_a_rule_just_does_not_bind(row: Row) -> None:
    facts, plan = facts_of(row.passed), a_plan(**row.plan_passed)
    answer = row.rule(facts, plan)
    assert answer is not None
    assert answer.passed
    assert not answer.reason
    assert isinstance(assess(plan, facts), Approved)


def test_an_approval_holds_every_answer_with_value_and_limit() -> None:
    verdict = assess(a_plan(), facts_of({"asked": asked_for(at="60000"), "decided_on": a_quote()}))
    assert isinstance(verdict, Approved)
    assert len(verdict.answers) == len(RULES)
    assert all(a.limit and a.value for a in verdict.answers)
    assert len({a.rule for a in verdict.answers}) == len(RULES)


def test_a_halt_is_the_first_thing_asked() -> None:
    facts = some_facts(trading=TradingState.HALTED, frozen="lost", positions=9, equity=None)
    verdict = assess(a_plan(), facts)
    assert isinstance(verdict, Denied)
    assert [a.rule for a in verdict.answers] == ["trading state"]


def test_a_short_is_measured_like_a_long() -> None:
    plain = some_facts(playbook=PLAIN)
    assert isinstance(assess(a_plan(Direction.SHORT), plain), Approved)
    facts = some_facts(last_exit=(Direction.LONG, NOW))
    assert safety.wash_guard(facts, a_plan(Direction.SHORT)).passed is False
    for stop, passes in (("63780.1", False), ("63780", True), ("60000", False), ("60000.1", True)):
        plan = replace(a_plan(Direction.SHORT), protection=a_protection(stop, "57000"))
        assert safety.stop_before_liquidation(plain, plan).passed is passes


def test_what_is_free_is_the_worse_of_booked_and_equity() -> None:
    assert some_facts(booked=D(9000), margin_used=D(500)).available == 8500
    assert some_facts(equity=D(8000), margin_used=D(500)).available == 7500
    assert some_facts(equity=None).available is some_facts(margin_used=None).available is None


def test_a_profit_is_no_loss() -> None:
    answer = safety.daily_loss(some_facts(equity=D(12000)), a_plan())
    assert (answer.passed, answer.value) == (True, "0.00")


@pytest.mark.parametrize(
    ("rule", "needed"),
    [
        (safety.risk, "equity"),
        (safety.trade_margin, "equity"),
        (safety.free_balance, "equity"),
        (safety.free_balance, "margin_used"),
        (safety.margin_in_use, "equity"),
        (safety.margin_in_use, "margin_used"),
        (safety.daily_loss, "equity"),
        (safety.daily_loss, "day_equity"),
    ],
)
def test_a_rule_passes_nothing_on_what_is_not_known(rule: safety.Rule, needed: str) -> None:
    """Although it was asked before, by a rule of its own."""
    answer = rule(some_facts(**{needed: None}), a_plan())
    assert answer is not None
    assert (answer.passed, answer.value) == (False, "not known")


# --- the shadow of a denial ---------------------------------------------------------------------------------------


def judged(**changes: Any) -> Approved | Denied:
    draft = partial(plan_entry, direction=Direction.LONG, desk="test", decision=DecisionId("btc-x"))
    return judge_entry(draft, facts_of(changes))


def test_what_nothing_but_expectancy_denies_would_be_made_at_exploration_size() -> None:
    stopped = judged(**shown(*EVEN))
    exploring = judged()
    assert isinstance(stopped, Denied)
    assert isinstance(exploring, Approved)
    assert stopped.rule == "expectancy"
    assert stopped.would is not None
    assert stopped.would.quantity == exploring.plan.quantity > 0
    assert stopped.would.protection == exploring.plan.protection
    assert stopped.would.method == "expectancy (exploration)"
    assert "in shadow: 0.50% of equity; from 30 real trades, p 0.50, b 1.00, E 0.00, f 0.000" in stopped.would.size_note
    assert stopped.answers[-1].rule == "expectancy"


@pytest.mark.parametrize(
    "changes",
    [
        {"day_equity": D(10527)},  # comes after expectancy
        {"positions": 5},  # comes before it
        held(BTC="80000"),
        {"instrument": an_instrument(min_notional=D(2000))},
    ],
)
def test_what_another_rule_denies_too_has_no_shadow(changes: Changes) -> None:
    answer = judged(**shown(*EVEN), **changes)
    assert isinstance(answer, Denied)
    assert answer.would is None


def test_what_another_rule_denies_alone_has_no_shadow() -> None:
    answer = judged(day_equity=D(10527))
    assert isinstance(answer, Denied)
    assert (answer.rule, answer.would) == ("daily loss", None)


def test_a_side_that_a_person_has_chosen_has_no_shadow() -> None:
    answer = judged(**shown(*EVEN), asked=asked_for())
    assert isinstance(answer, Denied)
    assert (answer.rule, answer.would) == ("expectancy", None)


def test_a_locked_instrument_has_no_shadow() -> None:
    for changes in ({}, shown(*EVEN)):
        answer = judged(**changes, locks=(a_lock(),))
        assert isinstance(answer, Denied)
        assert (answer.rule, answer.would) == ("locked", None)


def test_a_plan_of_nothing_is_denied_by_its_size_too() -> None:
    """A second line behind the rule that asks for it."""
    stopped = facts_of(shown(*EVEN))
    plan = plan_entry(stopped, Direction.LONG, desk="test", decision=DecisionId("btc-x"))
    assert plan.quantity == 0
    assert safety.size(stopped, plan).passed is False
