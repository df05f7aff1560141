"""Every hard limit at its border: one row in which it binds, and one in which it just does not."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.builders import BTC, ETH, NOW, a_plan, a_playbook, a_protection, an_instrument, some_facts
from trading.decision import Approved, Denied, GateAnswer, Plan
from trading.model import Direction, TradingState
from trading.risk import safety
from trading.risk.gate import assess
from trading.risk.safety import RULES, Facts

D = Decimal
SECOND = timedelta(seconds=1)
MINUTE = timedelta(seconds=60)
Changes = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """What binds, and what just does not: changes of the facts and of the plan."""

    rule: Callable[[Facts, Plan], GateAnswer]
    denied: Changes = field(default_factory=dict)
    passed: Changes = field(default_factory=dict)
    plan_denied: Changes = field(default_factory=dict)
    plan_passed: Changes = field(default_factory=dict)
    says: str = ""


def limits(**changes: Any) -> Changes:
    base = a_playbook()
    return {"playbook": base.model_copy(update={"limits": base.limits.model_copy(update=changes)})}


def stop_at(price: str) -> Changes:
    return {"protection": a_protection(stop=price)}


ROWS = (
    Row(
        safety.trading_state,
        denied={"trading": TradingState.HALTED, "halt_reason": "too hot"},
        passed={"trading": TradingState.ACTIVE},
        says="too hot",
    ),
    Row(safety.trading_state, denied={"trading": TradingState.HALTED}, says="trading is halted"),
    Row(safety.books_known, denied={"frozen": "the venue cannot be read"}, says="the venue cannot be read"),
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
    Row(safety.leverage, denied=limits(max_leverage=9), passed=limits(max_leverage=10), says="above the cap"),
    Row(
        safety.leverage,
        denied={"instrument": an_instrument(max_leverage=9)},
        passed={"instrument": an_instrument(max_leverage=10)},
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
    # The stop costs 1500 x 0.1 = 150; a tick of 0.1 x 0.1 is let pass: 7499.5 x 2 % + 0.01 = 150
    Row(
        safety.risk,
        denied={"equity": D("7499.49"), "day_equity": D(7500)},
        passed={"equity": D("7499.5"), "day_equity": D(7500)},
        says="cost too much",
    ),
    # 600 of margin and two taker fees of 0.05 % of 6000
    Row(safety.free_balance, denied={"available": D("605.99")}, passed={"available": D(606)}, says="not enough"),
    # 60 % of 10000
    Row(safety.margin_in_use, denied={"margin_used": D("5400.01")}, passed={"margin_used": D(5400)}, says="in use"),
    # 5 % of 10000 is reached at 9500
    Row(safety.daily_loss, denied={"equity": D(9500)}, passed={"equity": D("9500.01")}, says="limit is reached"),
    Row(safety.daily_loss, denied={"day_equity": D(10527), "equity": D(10000)}, passed={"day_equity": D(10526)}),
)


def test_every_rule_of_the_gate_has_a_row_that_binds_and_one_that_does_not() -> None:
    binding = {row.rule for row in ROWS if row.denied or row.plan_denied}
    # Two rules have no number: what does not bind them is the plain case, which every row's other half is.
    passing = {row.rule for row in ROWS if row.passed or row.plan_passed} | {safety.books_known, safety.symbol_allowed}
    assert binding == set(RULES)
    assert passing == set(RULES)


def test_every_rule_of_the_module_is_asked() -> None:
    there = {f for name, f in vars(safety).items() if getattr(f, "__module__", "") == safety.__name__ and callable(f)}
    rules = {f for f in there if not isinstance(f, type) and not f.__name__.startswith("_")}
    assert rules == set(RULES)
    assert len(RULES) == len(set(RULES))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule.__name__)
def test_a_rule_binds(row: Row) -> None:
    if not (row.denied or row.plan_denied):
        return
    facts, plan = some_facts(**row.denied), a_plan(**row.plan_denied)
    answer = row.rule(facts, plan)
    assert not answer.passed
    assert row.says in answer.reason
    verdict = assess(plan, facts)
    assert isinstance(verdict, Denied)
    assert (verdict.rule, verdict.reason) == (answer.rule, answer.reason)
    assert verdict.answers[-1] == answer, "what comes after a no is not asked"
    assert all(a.passed for a in verdict.answers[:-1])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule.__name__)
def test_a_rule_just_does_not_bind(row: Row) -> None:
    facts, plan = some_facts(**row.passed), a_plan(**row.plan_passed)
    answer = row.rule(facts, plan)
    assert answer.passed
    assert not answer.reason
    assert isinstance(assess(plan, facts), Approved)


def test_an_approval_holds_every_answer_with_value_and_limit() -> None:
    verdict = assess(a_plan(), some_facts())
    assert isinstance(verdict, Approved)
    assert len(verdict.answers) == len(RULES)
    assert all(a.limit and a.value for a in verdict.answers)
    assert len({a.rule for a in verdict.answers}) == len(RULES)


def test_a_halt_is_the_first_thing_asked() -> None:
    facts = some_facts(trading=TradingState.HALTED, frozen="lost", positions=9, equity=D(1))
    verdict = assess(a_plan(), facts)
    assert isinstance(verdict, Denied)
    assert [a.rule for a in verdict.answers] == ["trading state"]


def test_a_short_is_measured_like_a_long() -> None:
    assert isinstance(assess(a_plan(Direction.SHORT), some_facts()), Approved)
    facts = some_facts(last_exit=(Direction.LONG, NOW))
    assert safety.wash_guard(facts, a_plan(Direction.SHORT)).passed is False
    wide = replace(a_plan(Direction.SHORT), protection=a_protection("63780.1", "57000"))
    assert safety.stop_before_liquidation(some_facts(), wide).passed is False
    edge = replace(a_plan(Direction.SHORT), protection=a_protection("63780", "57000"))
    assert safety.stop_before_liquidation(some_facts(), edge).passed is True


def test_a_profit_is_no_loss() -> None:
    answer = safety.daily_loss(some_facts(equity=D(12000)), a_plan())
    assert (answer.passed, answer.value) == (True, "0.00")
