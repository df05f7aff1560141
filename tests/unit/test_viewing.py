"""What /market, /regime and /exposure show: the numbers the desk itself goes by, and what is not known said so."""

import math
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest

from tests.builders import BTC, ETH
from tests.desks import HOUR, Bench, a_desk, a_house, a_series, two_markets
from trading.errors import Misuse
from trading.market.regime import multiplier
from trading.market.series import Series
from trading.model import Symbol
from trading.playbook import Playbook
from trading.risk.expectancy import damp
from trading.risk_policies import ExpectancyPolicy, PortfolioLimits, RegimePolicy
from trading.status import ExposureView
from trading.viewing import Viewing

D = Decimal


def a_walk(symbol: Symbol = BTC, bars: int = 300, price: float = 60000.0) -> Series:
    """Hourly bars of a market that goes up and down."""
    steps = np.random.default_rng(7).normal(0.0002, 0.004, bars).cumsum()
    closes = [price * math.exp(s) for s in steps]
    rows = [(o, max(o, c) * 1.001, min(o, c) * 0.999, c) for o, c in zip([price, *closes], closes, strict=False)]
    return a_series(rows, symbol=symbol, every=HOUR)


async def stood(bars: int, *series: Series, playbook: Playbook | None = None) -> tuple[Bench, Viewing]:
    """After so many bars."""
    bench = await a_desk(*series, playbook=playbook or a_house())
    await bench.step(bars - 1)
    return bench, Viewing(market=bench.view, book=bench.desk.book, playbook=bench.playbook)


async def test_a_market_is_shown_at_its_last_closed_bar() -> None:
    bench, viewing = await stood(260, a_walk())
    view = viewing.of_market(BTC)
    snapshot = bench.view.snapshot(BTC)
    assert (view.symbol, view.quote, view.interval) == (BTC, snapshot.quote, "1h")
    assert view.outlook.at == bench.clock.now()
    assert view.sigma is not None
    assert view.sigma_silent == ""
    named = {f.name: f for f in view.figures}
    assert named["RSI(14)"].value == snapshot.features.rsi[snapshot.row]
    assert named["Garman-Klass"].value == snapshot.features.garman_klass[snapshot.row] * 100
    assert (named["ATR(14)"].unit, named["OBV"].unit, named["Garman-Klass"].unit) == ("USDT", "BTC", "% a year")


async def test_all_sixteen_indicators_are_there() -> None:
    _, viewing = await stood(260, a_walk())
    names = " ".join(f.name for f in viewing.of_market(BTC).figures)
    sixteen = ("RSI", "MACD", "Stochastic", "EMA(9)", "SMA(20)", "Bollinger", "ATR", "ADX", "CCI", "MFI", "OBV", "VWAP")
    for indicator in (*sixteen, "EMA(20)", "EMA(50)", "EMA(200)", "Monte Carlo", "Garman-Klass", "z-score", "slope"):
        assert indicator in names


async def test_what_is_not_known_yet_is_no_number() -> None:
    _, viewing = await stood(30, a_walk())
    view = viewing.of_market(BTC)
    values = {f.name: f.value for f in view.figures}
    assert values["EMA(200)"] is None
    assert values["RSI(14)"] is not None
    assert view.sigma is None
    assert view.sigma_silent == "30 closed bars, 200 are needed"


async def test_regime_and_volatility_are_shown_with_what_they_make_of_risk() -> None:
    everything = RegimePolicy(trend_adx=D("0.2"), quiet_adx=D("0.1"), volatile=D("0.0001"))
    house = a_house(regime=everything.model_dump(), expectancy=ExpectancyPolicy().model_dump())
    _, viewing = await stood(260, a_walk(), playbook=house)
    view = viewing.of_market(BTC)
    assert view.outlook.regime is not None
    assert view.multiplier == multiplier(view.outlook.regime, everything) == D("0.3")
    assert view.damping == damp(view.outlook.volatility, ExpectancyPolicy())
    viewing.use(a_house())
    assert viewing.of_market(BTC).damping is None, "a playbook that does not ask has no damping"


async def test_there_is_nothing_to_show_of_what_is_not_there() -> None:
    _, viewing = await stood(3, a_series([1, 2, None, 4], every=HOUR), a_walk(ETH, 4))
    with pytest.raises(Misuse, match="has no XRP"):
        viewing.of_market(Symbol("XRP/USDT:USDT"))
    with pytest.raises(Misuse, match=r"nothing to show.*the last bar closed"):
        viewing.of_market(BTC)


async def test_candles_are_the_last_closed_ones() -> None:
    walk = a_walk()
    bench, viewing = await stood(100, walk)
    found = viewing.of_candles(BTC, 20)
    assert len(found) == 20
    assert found.candle(19).closed_at == bench.clock.now()
    assert list(found.close) == list(walk.close[80:100]), "and nothing of the future"
    assert len(viewing.of_candles(BTC, 500)) == 100
    assert len(viewing.of_candles(BTC, 100)) == 100


async def test_candles_of_what_is_not_there_are_refused() -> None:
    _, viewing = await stood(3, a_walk(ETH, 4))
    for symbol in (Symbol("XRP/USDT:USDT"), BTC):
        with pytest.raises(Misuse, match="no candles of"):
            viewing.of_candles(symbol, 10)


async def test_regimes_are_of_the_playbooks_instruments_in_its_order() -> None:
    house = a_house(universe=("ETH", "SOL", "BTC"))
    _, viewing = await stood(260, a_walk(), a_walk(ETH, price=3000.0), playbook=house)
    lines = viewing.of_regimes()
    assert [line.symbol for line in lines] == [ETH, BTC]
    for line in lines:
        known = line.outlook is not None and line.outlook.regime is not None
        assert (line.multiplier is not None) == known


async def test_a_regime_that_cannot_be_read_says_why() -> None:
    _, viewing = await stood(3, a_series([1, 2, None, 4], every=HOUR), a_walk(ETH, 4))
    btc, eth = viewing.of_regimes()
    assert (btc.outlook, btc.multiplier) == (None, None)
    assert "the last bar closed" in btc.why
    assert eth.outlook is not None
    assert eth.outlook.regime is None


# --- exposure ---------------------------------------------------------------------------------------------------------

LIMITED = PortfolioLimits().model_dump()


async def exposed(*, portfolio: bool = True) -> tuple[Bench, ExposureView]:
    """A long in BTC and a long in ETH."""
    house = a_house(portfolio=LIMITED if portfolio else None)
    bench = await a_desk(*two_markets(), playbook=house)
    await bench.enter(BTC)
    await bench.enter(ETH)
    return bench, Viewing(market=bench.view, book=bench.desk.book, playbook=bench.playbook).of_exposure()


async def test_exposure_is_what_is_open_at_the_marks_with_each_limit() -> None:
    bench, view = await exposed()
    notional = sum((p.quantity * bench.feed.quote(p.symbol).mark for p in bench.desk.book.positions.values()), D(0))
    assert (view.gross, view.net, view.why, view.limited) == (notional, notional, "", True)
    assert view.equity is not None
    assert view.budget == view.equity * bench.playbook.limits.max_leverage
    assert view.max_margin == view.equity * D("0.60")
    assert view.margin_used == sum(p.margin for p in bench.desk.book.positions.values())
    assert {(u.limit, u.name) for u in view.uses} >= {("asset share", "BTC"), ("asset share", "ETH")}
    ((a, b, rho),) = view.correlations
    assert (a, b, rho.measured, rho.value) == ("BTC", "ETH", False, D("0.85"))
    assert view.heat == notional * D("1.85")


async def test_without_portfolio_limits_there_is_still_an_exposure() -> None:
    _, view = await exposed(portfolio=False)
    assert view.gross
    assert (view.limited, view.uses, view.budget, view.heat, view.correlations) == (False, (), None, None, ())


async def test_with_nothing_open_every_limit_is_free() -> None:
    bench = await a_desk(playbook=a_house(portfolio=LIMITED))
    view = Viewing(market=bench.view, book=bench.desk.book, playbook=bench.playbook).of_exposure()
    assert (view.gross, view.net, view.heat, view.margin_used) == (0, 0, 0, 0)
    assert all(use.used == 0 for use in view.uses)
    assert view.equity == 10000


async def test_a_missing_mark_leaves_open_what_depends_on_it() -> None:
    btc = a_series([60000, 60000, 60000, None, None, 60000])
    bench = await a_desk(btc, a_series([3000] * 6, symbol=ETH), playbook=a_house(portfolio=LIMITED))
    await bench.enter(BTC)
    await bench.step(3)
    view = Viewing(market=bench.view, book=bench.desk.book, playbook=bench.playbook).of_exposure()
    assert (view.equity, view.gross, view.net, view.heat, view.budget) == (None,) * 5
    assert view.why == "equity, the open exposure"
    assert view.uses == ()


async def test_correlations_are_measured_where_there_is_enough_history() -> None:
    house = a_house(portfolio=LIMITED, exits={"max_hold": "30d"})
    bench = await a_desk(a_walk(), a_walk(ETH, price=3000.0), playbook=house)
    await bench.step(250)
    await bench.enter(BTC)
    await bench.enter(ETH)
    view = Viewing(market=bench.view, book=bench.desk.book, playbook=bench.playbook).of_exposure()
    ((_, _, rho),) = view.correlations
    assert (rho.measured, rho.value) == (True, 1)
    assert rho.returns >= 168
    assert timedelta(hours=rho.returns) <= timedelta(hours=251)
