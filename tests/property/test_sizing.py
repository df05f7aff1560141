"""A size never exceeds any of its caps, is never made larger to fit, and more of anything bad never makes it larger."""

from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import BTC, NOW, a_plain_playbook, an_instrument, an_outlook, some_facts
from trading.breaker import Level, effects
from trading.decision import MICRO, Approved, Denied, Plan
from trading.exit_plan import Rebalance, Regime
from trading.market.correlation import Correlations, Rho
from trading.market.regime import multiplier
from trading.model import DecisionId, Direction, Instrument, Quote, Symbol
from trading.playbook import Playbook
from trading.risk.expectancy import Evidence, damp, risk_fraction
from trading.risk.facts import Facts
from trading.risk.gate import assess, judge_entry
from trading.risk.portfolio import Exposure, Portfolio
from trading.risk.sizing import margin_fraction, on_line, plan_entry

D = Decimal
ZERO = D(0)
CASES = settings(max_examples=60)
BASES = ("BTC", "ETH", "SOL", "DOGE")
PAIRS = [(a, b) for i, a in enumerate(BASES) for b in BASES[:i]]
METHODS = ("confidence", "linear", "fixed", "expectancy")


def a_house(method: str, *, whole: bool) -> Playbook:
    """`whole`: with expectancy and portfolio, stops by ATR and a net that rebalances."""
    base = a_plain_playbook().model_dump()
    sizing = {**base["sizing"], "method": method, "margin": D(700)}
    if not whole:
        return Playbook.model_validate({**base, "sizing": sizing})
    exits = {**base["exits"], "stop_atr": D("1.5"), "target_atr": D(3), "rebalance": {}}
    portfolio = {"budget": D("0.1")}
    return Playbook.model_validate({**base, "sizing": sizing, "exits": exits, "expectancy": {}, "portfolio": portfolio})


PLAIN = [a_house(method, whole=False) for method in METHODS[:3]]
WHOLE = [a_house(method, whole=True) for method in METHODS]
COUNCIL = [h.model_copy(update={"exits": h.exits.model_copy(update={"stop_at_invalidation": True})}) for h in WHOLE[2:]]

cents = st.integers(10**4, 10**9).map(lambda n: D(n) / 100) | st.integers(-(10**6), 10**4).map(D)
prices = st.integers(1, 10**6).map(lambda n: D(n) / 10**4)
steps = st.sampled_from(["0.00001", "0.001", "0.3", "1", "100"]).map(D)
ticks = st.sampled_from(["0.00001", "0.0005", "0.1"]).map(D)
parts = st.integers(0, 1000).map(lambda n: D(n) / 1000)
volatilities = st.integers(0, 1500).map(lambda n: D(n) / 1000)
nets = st.lists(st.integers(-100, 120).map(D), min_size=10, max_size=40)
notionals = st.integers(0, 30_000).map(D)


def portfolio_of(playbook: Playbook, equity: Decimal, held: list[Exposure], rhos: list[Decimal]) -> Portfolio | None:
    policy, r, cap = playbook.portfolio, playbook.exits.rebalance, playbook.limits.max_leverage
    if policy is None:
        return None
    pairs = {}
    for (a, b), rho in zip(PAIRS, rhos, strict=True):
        pairs[a, b] = pairs[b, a] = Rho(value=rho, measured=True, returns=720)
    return Portfolio(
        equity=equity,
        exposures=tuple(held),
        leverage_cap=cap,
        correlations=Correlations(policy=policy, pairs=pairs),
        policy=policy,
        rebalance=Rebalance(net=r.net, positions=r.positions, budget=policy.budget * cap) if r else None,
    )


def an_exposure(base: str, notional: Decimal, direction: Direction) -> Exposure:
    return Exposure(symbol=Symbol(f"{base}/USDT:USDT"), base=base, direction=direction, notional=notional)


@st.composite
def markets(draw: st.DrawFn, playbooks: list[Playbook] = PLAIN + WHOLE + COUNCIL) -> Facts:
    """Any entry into BTC: everything is known, and what is open lies on one side."""
    playbook = draw(st.sampled_from(playbooks))
    step, tick, price = draw(steps), draw(ticks), draw(prices)
    instrument: Instrument = an_instrument(
        step=step, tick=tick, min_quantity=step, max_quantity=D(10**15), max_leverage=draw(st.integers(1, 125))
    )
    bid = instrument.round_price(price) + tick
    equity = draw(cents)
    trades = tuple(draw(nets)) * draw(st.sampled_from([0, 1, 2]))
    held = [
        an_exposure(b, draw(notionals), Direction.LONG) for b in draw(st.lists(st.sampled_from(BASES[1:]), max_size=3))
    ]
    return some_facts(
        playbook=playbook,
        instrument=instrument,
        quote=Quote(symbol=BTC, at=NOW, bid=bid, ask=bid + tick * draw(st.integers(0, 20)), mark=bid),
        confidence=draw(st.integers(0, MICRO)),
        breaker=effects(draw(st.sampled_from([Level.CLOSED, Level.ALERT, Level.THROTTLE])), playbook.breaker),
        outlook=an_outlook(
            regime=draw(st.sampled_from(Regime)),
            volatility=draw(volatilities),
            atr=bid * draw(parts) / 20 + D("0.0001"),
        ),
        invalidation=bid * draw(st.integers(900, 1010)) / 1000,
        equity=equity,
        booked=equity,
        day_equity=equity,
        sized=risk_fraction(Evidence(trades=trades), playbook.expectancy) if playbook.expectancy else None,
        portfolio=portfolio_of(playbook, equity, held, draw(st.lists(parts, min_size=6, max_size=6))),
    )


def planned(f: Facts, direction: Direction = Direction.LONG) -> Plan:
    return plan_entry(f, direction, desk="test", decision=DecisionId("btc-x"))


def entered(f: Facts) -> Decimal:
    """The quantity that goes out: nothing where the gate denies."""
    answer = assess(planned(f), f)
    return answer.plan.quantity if isinstance(answer, Approved) else ZERO


@dataclass(frozen=True)
class Caps:
    """Every bound on a notional, written down a second time and independently of the code."""

    f: Facts
    plan: Plan

    def method(self) -> Decimal:
        sizing, equity, lever = self.f.playbook.sizing, max(self.f.equity or ZERO, ZERO), self.plan.leverage
        return {
            "confidence": equity * margin_fraction(self.f.confidence, sizing) * lever,
            "linear": equity * on_line(self.f.confidence, sizing.tier1) * lever,
            "fixed": sizing.margin * lever,
            "expectancy": equity * lever,
        }[sizing.method.value]

    def asset(self) -> Decimal:
        """One asset's share of the gross budget."""
        portfolio = self.f.portfolio
        if portfolio is None or portfolio.budget is None:
            return Decimal("Infinity")
        return portfolio.budget * portfolio.policy.asset

    def risk(self) -> Decimal:
        """Of equity, at the stop."""
        policy, sized, outlook = self.f.playbook.expectancy, self.f.sized, self.f.outlook
        limit = self.f.playbook.limits.max_risk
        if policy is None or sized is None or outlook.regime is None:
            return limit
        allowed = sized.fraction * multiplier(outlook.regime, self.f.playbook.regime) * damp(outlook.volatility, policy)
        return min(limit, policy.max_risk, allowed)


@CASES
@given(markets(), st.sampled_from(Direction))
def test_a_size_never_exceeds_any_cap(f: Facts, direction: Direction) -> None:
    plan = planned(f, direction)
    caps, equity, factor = Caps(f, plan), max(f.equity or ZERO, ZERO), f.breaker.size_factor
    stop = abs(plan.price - plan.protection.stop)
    assert plan.leverage <= min(f.instrument.max_leverage, f.playbook.limits.max_leverage, f.playbook.sizing.leverage)
    assert plan.quantity >= 0
    assert plan.quantity % f.instrument.step == 0
    assert plan.notional <= caps.method() * factor
    assert plan.margin <= equity * f.playbook.limits.max_trade * factor
    assert plan.notional <= caps.asset() * factor
    assert plan.quantity * stop <= equity * caps.risk() * factor
    # Nor is it a step smaller than need be.
    if (plan.price - plan.protection.stop) * direction.sign > 0:
        bounds = (caps.method(), caps.asset(), equity * plan.leverage, equity * caps.risk() * plan.price / stop)
        assert (plan.quantity + f.instrument.step) * plan.price > min(bounds) * factor - D("1e-6")


@CASES
@given(markets(), st.sampled_from(Direction))
def test_stop_and_target_lie_on_their_sides_or_the_gate_denies(f: Facts, direction: Direction) -> None:
    plan = planned(f, direction)
    if isinstance(assess(plan, f), Approved):
        assert (plan.price - plan.protection.stop) * direction.sign > 0
        assert (plan.protection.target - plan.price) * direction.sign > 0
        assert plan.protection.stop % f.instrument.tick == plan.protection.target % f.instrument.tick == 0


@CASES
@given(markets(), st.integers(1, 50))
def test_a_size_under_the_minimum_is_denied_and_not_raised(f: Facts, least: int) -> None:
    f = replace(f, instrument=replace(f.instrument, min_quantity=f.instrument.step * least))
    quantity = entered(f)
    assert quantity == 0 or quantity >= f.instrument.min_quantity
    assert quantity in (0, planned(f).quantity)


# --- more of anything bad -----------------------------------------------------------------------------------------


@CASES
@given(markets(), volatilities)
def test_more_volatility_never_raises_a_size(f: Facts, more: Decimal) -> None:
    """What is planned, that is: the gate may have denied the larger plan, and let the smaller one pass."""
    assert f.outlook.volatility is not None
    wilder = replace(f, outlook=replace(f.outlook, volatility=f.outlook.volatility + more))
    assert entered(wilder) <= planned(wilder).quantity <= planned(f).quantity
    stormy = replace(f, outlook=replace(f.outlook, regime=Regime.VOLATILE))
    assert planned(stormy).quantity <= planned(f).quantity, "the volatile regime allows the least"


@CASES
@given(markets(WHOLE), parts)
def test_a_larger_atr_never_raises_a_size(f: Facts, more: Decimal) -> None:
    assert f.outlook.atr is not None
    wilder = replace(f, outlook=replace(f.outlook, atr=f.outlook.atr + more * f.quote.bid))
    assert planned(wilder).quantity <= planned(f).quantity


@CASES
@given(markets(WHOLE), st.lists(parts, min_size=6, max_size=6))
def test_more_correlation_never_raises_a_size(f: Facts, rhos: list[Decimal]) -> None:
    """Among positions on one side: between two sides likeness is a hedge."""
    assert f.portfolio
    assert f.equity is not None
    assert f.portfolio.exposures is not None
    before = f.portfolio.correlations
    raised = [max(rho, before.rho(a, b).value) for (a, b), rho in zip(PAIRS, rhos, strict=True)]
    alike = portfolio_of(f.playbook, f.equity, list(f.portfolio.exposures), raised)
    assert entered(replace(f, portfolio=alike)) <= entered(f)


@CASES
@given(markets(WHOLE), st.sampled_from(BASES), notionals, st.integers(0, 3000).map(D))
def test_more_open_exposure_never_raises_a_size(f: Facts, base: str, notional: Decimal, margin: Decimal) -> None:
    assert f.portfolio
    assert f.portfolio.exposures is not None
    assert f.margin_used is not None
    held = (*f.portfolio.exposures, an_exposure(base, notional, Direction.LONG))
    more = replace(
        f,
        portfolio=replace(f.portfolio, exposures=held),
        positions=f.positions + 1,
        margin_used=f.margin_used + margin,
    )
    assert entered(more) <= entered(f)


@CASES
@given(markets(), parts)
def test_a_drawdown_never_raises_a_size(f: Facts, left: Decimal) -> None:
    assert f.equity is not None
    less = f.equity * left if f.equity > 0 else f.equity - left
    down = replace(f, equity=less, booked=less, portfolio=replace(f.portfolio, equity=less) if f.portfolio else None)
    assert planned(down).quantity <= planned(f).quantity
    assert entered(down) <= entered(f)


@CASES
@given(markets(), st.sampled_from(Level), st.sampled_from(Level))
def test_a_worse_breaker_never_raises_a_size(f: Facts, one: Level, other: Level) -> None:
    better, worse = (replace(f, breaker=effects(level, f.playbook.breaker)) for level in sorted((one, other)))
    assert entered(worse) <= entered(better)
    if worse.breaker.level >= Level.HALT:
        assert entered(worse) == 0


@CASES
@given(markets())
def test_throttle_halves(f: Facts) -> None:
    """To the step: an odd number of steps loses half a step more."""
    full, half = (
        planned(replace(f, breaker=effects(level, f.playbook.breaker))) for level in (Level.CLOSED, Level.THROTTLE)
    )
    assert full.quantity - half.quantity * 2 in (0, f.instrument.step)


# --- what is not known ----------------------------------------------------------------------------------------------

LOST: dict[str, Any] = {
    "a fresh price": lambda f: replace(f, fresh=False),
    "equity": lambda f: replace(f, equity=None),
    "the day's opening equity": lambda f: replace(f, day_equity=None),
    "the margin in use": lambda f: replace(f, margin_used=None),
    "the ATR": lambda f: replace(f, outlook=replace(f.outlook, atr=None)),
    "an invalidation price": lambda f: replace(f, invalidation=None),
    "the regime": lambda f: replace(f, outlook=replace(f.outlook, regime=None)),
    "the volatility": lambda f: replace(f, outlook=replace(f.outlook, volatility=None)),
    "what closed trades have shown": lambda f: replace(f, sized=None),
    "the open exposure": lambda f: replace(f, portfolio=replace(f.portfolio, exposures=None)),
}


@CASES
@given(markets(COUNCIL), st.sets(st.sampled_from(sorted(LOST)), min_size=1))
def test_nothing_enters_when_any_needed_fact_is_unknown(f: Facts, lost: set[str]) -> None:
    for what in lost:
        f = LOST[what](f)
    assert set(f.unknown) == lost
    assert planned(f).quantity == 0
    answer = judge_entry(partial(planned), f)
    assert isinstance(answer, Denied)
    assert answer.rule == "facts known"
    assert answer.would is None
    assert all(what in answer.reason for what in lost)
