"""A size never exceeds any of its caps, and is never made larger to fit."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import BTC, NOW, a_playbook, an_instrument, some_facts
from trading.decision import MICRO, Approved
from trading.model import DecisionId, Direction, Quote
from trading.risk.gate import assess
from trading.risk.sizing import margin_fraction, plan_entry

D = Decimal
HOUSE = a_playbook()
cents = st.integers(-(10**6), 10**10).map(lambda n: D(n) / 100)
prices = st.integers(1, 10**10).map(lambda n: D(n) / 10**4)
steps = st.sampled_from(["0.00001", "0.001", "0.3", "1", "100", "1500"]).map(D)
ticks = st.sampled_from(["0.00001", "0.0005", "0.1", "5"]).map(D)


@given(
    equity=cents,
    price=prices,
    spread=st.integers(0, 100),
    confidence=st.integers(0, MICRO),
    step=steps,
    tick=ticks,
    leverage=st.integers(1, 125),
    direction=st.sampled_from(Direction),
    risk=st.integers(1, 100).map(lambda n: D(n) / 1000),
)
def test_a_size_never_exceeds_any_cap(
    equity: Decimal,
    price: Decimal,
    spread: int,
    confidence: int,
    step: Decimal,
    tick: Decimal,
    leverage: int,
    direction: Direction,
    risk: Decimal,
) -> None:
    house = HOUSE.model_copy(update={"limits": HOUSE.limits.model_copy(update={"max_risk": risk})})
    instrument = an_instrument(step=step, tick=tick, min_quantity=step, max_quantity=D(10**15), max_leverage=leverage)
    quote = Quote(symbol=BTC, at=NOW, bid=price, ask=price * (1 + D(spread) / 10**5), mark=price)
    plan = plan_entry(
        desk="test",
        decision=DecisionId("btc-x"),
        direction=direction,
        confidence=confidence,
        equity=equity,
        quote=quote,
        instrument=instrument,
        playbook=house,
        exits=house.exits,
    )
    fraction = margin_fraction(confidence, house.sizing)
    assert plan.leverage <= min(leverage, house.limits.max_leverage, house.sizing.leverage)
    assert plan.quantity % step == 0
    assert plan.quantity >= 0
    assert plan.margin <= max(equity, D(0)) * fraction
    assert plan.notional <= max(equity, D(0)) * fraction * plan.leverage
    assert plan.notional * house.exits.stop_loss <= max(equity, D(0)) * risk
    # Never enlarged, and never a step smaller than need be.
    wanted = min(max(equity, D(0)) * fraction * plan.leverage, max(equity, D(0)) * risk / house.exits.stop_loss)
    assert plan.quantity * plan.price <= wanted
    assert (plan.quantity + step) * plan.price > wanted - D("1e-9")


@given(equity=cents, price=prices, step=steps, least=st.integers(1, 50))
def test_a_size_under_the_minimum_is_denied_and_not_raised(
    equity: Decimal, price: Decimal, step: Decimal, least: int
) -> None:
    instrument = an_instrument(step=step, min_quantity=step * least, max_quantity=D(10**15))
    quote = Quote(symbol=BTC, at=NOW, bid=price, ask=price, mark=price)
    plan = plan_entry(
        desk="test",
        decision=DecisionId("btc-x"),
        direction=Direction.LONG,
        confidence=MICRO,
        equity=equity,
        quote=quote,
        instrument=instrument,
        playbook=HOUSE,
        exits=HOUSE.exits,
    )
    facts = some_facts(equity=equity, available=equity, day_equity=equity, instrument=instrument)
    if isinstance(assess(plan, facts), Approved):
        assert plan.quantity >= step * least
        assert plan.notional >= instrument.min_notional
