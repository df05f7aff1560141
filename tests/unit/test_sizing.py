"""How much: every method and every bound at its border, worked out by hand."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.builders import BTC, NOW, a_plain_playbook, an_instrument, an_outlook, some_facts
from trading.breaker import Level, effects
from trading.decision import Plan
from trading.exit_plan import Regime
from trading.identity import client_id
from trading.model import DecisionId, Direction, Leg, Quote, Symbol
from trading.playbook import Playbook, Step
from trading.policies import Line
from trading.risk.expectancy import Evidence, risk_fraction
from trading.risk.sizing import margin_fraction, on_line, plan_entry
from trading.risk_policies import ExpectancyPolicy

D = Decimal
ID = DecisionId("btc-aaaaaaaa")
ETH = Symbol("ETH/USDT:USDT")
SOL = Symbol("SOL/USDT:USDT")
# p .7, b 1: E .4, f .4, a quarter of it .1; no cap of the policy
WINNING = tuple(map(D, ["1"] * 21 + ["-1"] * 9))
POLICY = ExpectancyPolicy(max_risk=D(1))


def a_house(**sections: dict[str, Any]) -> Playbook:
    base = a_plain_playbook().model_dump()
    return Playbook.model_validate({**base, **{k: {**(base[k] or {}), **v} for k, v in sections.items()}})


def plan(
    direction: Direction = Direction.LONG,
    *,
    playbook: Playbook | None = None,
    symbol: Symbol = BTC,
    instrument: dict[str, Any] | None = None,
    **facts: Any,
) -> Plan:
    made = some_facts(playbook=playbook or a_house(), instrument=an_instrument(symbol, **(instrument or {})), **facts)
    return plan_entry(made, direction, desk="test", decision=ID)


# --- by confidence, and what is the same for all ---------------------------------------------------------------------


def test_the_stop_bounds_the_size() -> None:
    # 10.5 % x 10 = 10500 by confidence; 2 % of 10000 is 200, and the stop is 1500.1 away: 200 / 1500.1 = 0.13332
    found = plan()
    assert found.quantity == D("0.133")
    assert found.price == D("60000.1"), "a buyer meets the ask"
    assert found.notional == D("0.133") * D("60000.1")
    assert found.margin == found.notional / 10
    assert found.method == "risk limit"
    assert found.size_note == "confidence 0.90: 10.5% of equity as margin at 10x; cut to 2.0% of equity at the stop"


def test_confidence_bounds_the_size_where_it_is_the_smaller() -> None:
    # 7 % x 10 = 7000 / 60000.1 = 0.11666
    found = plan(confidence=650_000)
    assert found.quantity == D("0.116")
    assert found.method == "confidence"
    assert found.size_note == "confidence 0.65: 7.0% of equity as margin at 10x"


def test_two_bounds_that_are_the_same_name_the_method() -> None:
    # 7 % x 10 = 7000; the stop is 2.5 % of 60000 and 1.75 % of 10000 are 175: 175 / 0.025 = 7000
    even = Quote(symbol=BTC, at=NOW, bid=D(60000), ask=D(60000), mark=D(60000))
    at = plan(playbook=a_house(limits={"max_risk": D("0.0175")}), confidence=650_000, quote=even)
    under = plan(playbook=a_house(limits={"max_risk": D("0.0174999")}), confidence=650_000, quote=even)
    assert (at.method, under.method) == ("confidence", "risk limit")


def test_a_seller_meets_the_bid() -> None:
    found = plan(Direction.SHORT)
    assert found.price == D("59999.9")
    assert found.protection.target < found.price < found.protection.stop


def test_a_plan_names_its_guard_and_its_distances() -> None:
    found = plan()
    assert (found.protection.stop, found.protection.target) == (D("58500.0"), D("63000.2"))
    assert found.protection.stop_id == client_id("test", ID, Leg.STOP)
    assert found.protection.target_id == client_id("test", ID, Leg.TARGET)
    assert (found.stop_loss, found.take_profit) == (D("0.025"), D("0.05"))


@pytest.mark.parametrize(
    ("sizing", "limit", "venue", "used"), [(10, 20, 50, 10), (20, 20, 15, 15), (12, 12, 50, 12), (5, 20, 50, 5)]
)
def test_leverage_is_the_smallest_of_the_three(sizing: int, limit: int, venue: int, used: int) -> None:
    house = a_house(sizing={"leverage": sizing}, limits={"max_leverage": limit})
    assert plan(playbook=house, instrument={"max_leverage": venue}).leverage == used


@pytest.mark.parametrize(
    ("share", "method", "quantity"),
    [
        ("0.07", "confidence", "0.116"),
        ("0.0699", "trade limit", "0.116"),
        ("0.06", "trade limit", "0.099"),  # 6000 / 60000.1
    ],
)
def test_the_margin_of_one_trade_bounds_the_size(share: str, method: str, quantity: str) -> None:
    found = plan(playbook=a_house(limits={"max_trade": D(share)}), confidence=650_000)
    assert (found.method, found.quantity) == (method, D(quantity))
    assert ("as margin at 10x; cut to" in found.size_note) == (method == "trade limit")
    assert found.margin <= 10000 * D(share)


def test_a_size_below_the_step_is_nothing_and_not_the_minimum() -> None:
    found = plan(equity=D(1))
    assert (found.quantity, found.notional, found.margin) == (0, 0, 0)


@pytest.mark.parametrize("equity", ["0", "-500"])
def test_without_equity_there_is_no_size(equity: str) -> None:
    assert plan(equity=D(equity)).quantity == 0


@pytest.mark.parametrize("unknown", ["equity", "day_equity", "margin_used"])
def test_from_what_is_not_known_no_size_is_made(unknown: str) -> None:
    found = plan(**{unknown: None})
    assert (found.quantity, found.method) == (0, "nothing")
    assert found.size_note.startswith("not known: ")


def test_a_stop_on_the_wrong_side_makes_no_size() -> None:
    house = a_house(exits={"stop_at_invalidation": True})
    found = plan(playbook=house, invalidation=D(60001))
    assert (found.quantity, found.size_note) == (0, "the stop is on the wrong side of the price")


def test_a_large_step_is_kept() -> None:
    # 2 % of 10000 at a stop of 0.01025 is 19512; 18000 would be the next lower at a step of 1500
    cheap = Quote(symbol=BTC, at=NOW, bid=D("0.4"), ask=D("0.41"), mark=D("0.4"))
    step = {"tick": D("0.00001"), "step": D(1500), "min_quantity": D(1500), "max_quantity": D(10**9)}
    found = plan(quote=cheap, instrument=step)
    assert found.quantity == 19500
    assert found.quantity % 1500 == 0


@pytest.mark.parametrize(
    ("confidence", "fraction"),
    [
        (600_000, "0.05"), (600_001, "0.07"), (700_000, "0.07"), (700_001, "0.09"),
        (800_000, "0.09"), (800_001, "0.105"), (1_000_000, "0.105"),
    ],
)  # fmt: skip
def test_the_steps_of_confidence_are_strict(confidence: int, fraction: str) -> None:
    assert margin_fraction(confidence, a_house().sizing) == D(fraction)


def test_the_fraction_lies_between_floor_and_ceiling() -> None:
    sizing = a_house().sizing
    tall = sizing.model_copy(update={"steps": (Step(above=D("0.5"), margin=D("0.5")),)})
    assert margin_fraction(900_000, tall) == D("0.12")
    low = sizing.model_copy(update={"otherwise": D("0.01")})
    assert margin_fraction(100_000, low) == D("0.05")


# --- on a line -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("confidence", "margin"),
    [
        (0, "0.05"),
        (600_000, "0.05"),
        (600_007, "0.050003"),  # 7 of 350000 on the way to 0.20
        (775_000, "0.125"),
        (949_993, "0.199997"),
        (950_000, "0.20"),
        (1_000_000, "0.20"),
    ],
)
def test_margin_rises_on_a_line_and_is_flat_outside(confidence: int, margin: str) -> None:
    assert on_line(confidence, Line(high=D("0.20"))) == D(margin)


@pytest.mark.parametrize(("symbol", "margin"), [(BTC, "12.5%"), (ETH, "12.5%"), (SOL, "7.5%")])
def test_each_tier_has_its_line(symbol: Symbol, margin: str) -> None:
    house = a_house(sizing={"method": "linear"}, limits={"max_risk": D(1)})
    found = plan(playbook=house, symbol=symbol, confidence=775_000)
    tier = "20.0%" if margin == "12.5%" else "10.0%"
    assert found.method == "linear"
    assert found.size_note == f"confidence 0.77 on a line from 5.0% to {tier}: {margin} of equity as margin at 10x"
    assert D(0) <= 10000 * D(margin[:-1]) / 100 - found.margin < D("0.001") * 60001 / 10


# --- a fixed margin --------------------------------------------------------------------------------------------------


def council(**sizing: Any) -> Playbook:
    return a_house(
        sizing={"method": "fixed", "margin": D(1), "leverage": 100, "min_leverage": 50, **sizing},
        limits={"max_leverage": 100},
        exits={"stop_loss": D("0.002")},
    )


@pytest.mark.parametrize(
    ("venue", "used", "quantity"),
    [(125, 100, "0.001666"), (100, 100, "0.001666"), (75, 75, "0.001249"), (50, 50, "0.000833"), (49, 49, "0.000816")],
)
def test_a_fixed_margin_takes_the_highest_leverage_there_is(venue: int, used: int, quantity: str) -> None:
    """49 is under the playbook's least: the gate's leverage rule denies it."""
    found = plan(playbook=council(), instrument={"max_leverage": venue, "step": D("0.000001")})
    assert (found.leverage, found.quantity, found.method) == (used, D(quantity), "fixed")
    assert found.size_note == f"1 of margin at {used}x"
    assert found.margin <= 1


def test_a_fixed_margin_is_rounded_down_to_nothing_rather_than_up() -> None:
    assert plan(playbook=council(), instrument={"max_leverage": 100}).quantity == D("0.001")
    assert plan(playbook=council(), instrument={"max_leverage": 50}).quantity == 0


def test_a_fixed_margin_is_under_the_risk_limit_too() -> None:
    # 2 % of 5 at a stop of 0.2 % is 50, less than 100
    assert plan(playbook=council(), equity=D(5), instrument={"max_leverage": 100}).method == "risk limit"


# --- by expectancy ---------------------------------------------------------------------------------------------------


def sigma(method: str = "expectancy", policy: ExpectancyPolicy = POLICY, **limits: Any) -> Playbook:
    return a_house(
        sizing={"method": method, "margin": D(100)}, limits={"max_risk": D(1), **limits}, expectancy=policy.model_dump()
    )


def sized(*nets: Decimal, policy: ExpectancyPolicy = POLICY) -> dict[str, Any]:
    return {"sized": risk_fraction(Evidence(trades=nets), policy)}


EVEN = Quote(symbol=BTC, at=NOW, bid=D(60000), ask=D(60000), mark=D(60000))


def test_exploration_risks_its_share_of_equity() -> None:
    # 0.5 % x 0.8 (range) x 0.85 (volatility .4) = 0.34 % of 10000 = 34, at a stop of 2.5 %: 1360
    found = plan(playbook=sigma(), quote=EVEN)
    assert found.notional == D("0.022") * 60000
    assert (found.quantity + D("0.001")) * 60000 > 1360 >= found.notional
    assert found.method == "expectancy (exploration)"
    assert found.size_note == (
        "0 of 30 trades closed: 0.50% of equity; x 0.8 (range) x 0.85 (volatility 40%) = 0.34% of equity at risk"
    )


def test_kelly_says_its_numbers() -> None:
    # f .4 x .25 = 10 %; x 0.8 x 0.85 = 6.8 % of 10000 = 680, at 2.5 %: 27200
    found = plan(playbook=sigma(), quote=EVEN, **sized(*WINNING))
    assert found.notional == 27180
    assert found.method == "expectancy (kelly)"
    assert found.size_note == (
        "Kelly 0.400 x 0.25 = 10.00% of equity; from 30 real trades, p 0.70, b 1.00, E 0.40, f 0.400; "
        "x 0.8 (range) x 0.85 (volatility 40%) = 6.80% of equity at risk"
    )


@pytest.mark.parametrize(
    ("regime", "risk"),
    [
        (Regime.TREND_UP, "1.3"), (Regime.TREND_DOWN, "1.3"), (Regime.RANGE, "0.8"), (Regime.CHOP, "0.4"),
        (Regime.VOLATILE, "0.3"),
    ],
)  # fmt: skip
def test_each_regime_has_its_multiplier(regime: Regime, risk: str) -> None:
    found = plan(
        playbook=sigma(),
        quote=EVEN,
        outlook=an_outlook(regime=regime, volatility=D("0.1")),
        instrument={"step": D("0.0000001")},
    )
    assert found.notional == pytest.approx(2000 * D(risk), abs=D("0.01"))
    assert f"x {risk} ({regime.value}) x 1 (volatility 10%)" in found.size_note


@pytest.mark.parametrize(
    ("volatility", "factor"),
    [
        ("0.2999", "1"), ("0.3", "0.85"), ("0.4999", "0.85"), ("0.5", "0.65"), ("0.6999", "0.65"),
        ("0.7", "0.45"), ("0.8999", "0.45"), ("0.9", "0.3"),
    ],
)  # fmt: skip
def test_volatility_damps_the_size(volatility: str, factor: str) -> None:
    found = plan(
        playbook=sigma(),
        quote=EVEN,
        outlook=an_outlook(volatility=D(volatility)),
        instrument={"step": D("0.0000001")},
    )
    assert found.notional == pytest.approx(1600 * D(factor), abs=D("0.01"))


@pytest.mark.parametrize(("cap", "cut"), [("0.068", False), ("0.0679", True)])
def test_the_policys_own_cap_on_risk_is_said_where_it_binds(cap: str, cut: bool) -> None:
    house = sigma(policy=ExpectancyPolicy(max_risk=D(cap), kelly=D("0.25")))
    sized_uncut = risk_fraction(Evidence(trades=WINNING), POLICY)
    found = plan(playbook=house, quote=EVEN, sized=sized_uncut)
    assert ("cut to" in found.size_note) is cut
    assert found.notional * D("0.025") <= 10000 * D(cap)


def test_while_stopped_there_is_no_size() -> None:
    found = plan(playbook=sigma(), **sized(*[D(-1)] * 30))
    assert (found.quantity, found.method) == (0, "expectancy (stopped)")
    assert "30 real trades, p 0.00, b -, E -1.00" in found.size_note


def test_expectancy_is_an_upper_bound_for_any_method() -> None:
    # by confidence 0.65: 7000; exploring: 1360; with Kelly: 27200
    house = sigma("confidence")
    exploring = plan(playbook=house, quote=EVEN, confidence=650_000)
    assert (exploring.quantity, exploring.method) == (D("0.022"), "expectancy (exploration)")
    assert exploring.size_note.startswith("confidence 0.65: 7.0% of equity as margin at 10x; 0 of 30 trades closed")
    proven = plan(playbook=house, quote=EVEN, confidence=650_000, **sized(*WINNING))
    assert (proven.quantity, proven.method) == (D("0.116"), "confidence")
    assert "Kelly 0.400" in proven.size_note, "what did not bind had its say too"


def test_the_limits_bind_what_expectancy_allows() -> None:
    # 27200 by Kelly; 2 % at the stop is 8000; 5 % of margin at 10x is 5000
    by_risk = plan(playbook=sigma(max_risk=D("0.02")), quote=EVEN, **sized(*WINNING))
    assert (by_risk.method, by_risk.notional) == ("risk limit", D("0.133") * 60000)
    by_margin = plan(playbook=sigma(max_trade=D("0.05")), quote=EVEN, **sized(*WINNING))
    assert (by_margin.method, by_margin.notional) == ("trade limit", D("0.083") * 60000)


@pytest.mark.parametrize("missing", [{"regime": None}, {"volatility": None}])
def test_an_unknown_market_gives_no_size_by_expectancy(missing: dict[str, Any]) -> None:
    found = plan(playbook=sigma("confidence"), outlook=replace(an_outlook(), **missing))
    assert (found.quantity, found.method) == (0, "nothing")
    plain = plan(outlook=replace(an_outlook(), **missing))
    assert plain.quantity > 0, "a playbook that does not ask is not kept waiting"


# --- the breaker -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["confidence", "linear", "fixed", "expectancy"])
def test_throttle_halves_every_method(method: str) -> None:
    house = sigma(method)
    fine = {"step": D("0.00000001")}
    full = plan(playbook=house, instrument=fine)
    half = plan(playbook=house, instrument=fine, breaker=effects(Level.THROTTLE, house.breaker))
    assert D(0) <= full.quantity - half.quantity * 2 <= D("0.00000002")
    assert half.size_note == f"{full.size_note}; x 0.5: the breaker is at THROTTLE"
    assert half.method == full.method


@pytest.mark.parametrize(("level", "part"), [(Level.CLOSED, 1), (Level.ALERT, 1), (Level.HALT, 0), (Level.SHUTDOWN, 0)])
def test_other_levels_leave_the_size_or_allow_none(level: Level, part: int) -> None:
    assert plan(breaker=effects(level, a_house().breaker)).quantity == D("0.133") * part
