"""What single commands show of the market and of the portfolio: views for the surface, at this moment."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations

from trading.book import Book
from trading.errors import Misuse, NoEvidence
from trading.market.features import Features
from trading.market.outlook import Outlook, Outlooks
from trading.market.regime import multiplier
from trading.market.series import Floats, Series, to_ms
from trading.market.snapshot import Snapshot, Snapshots
from trading.model import ZERO, Symbol, base_of
from trading.personas.sigma import Sigma, SigmaView
from trading.playbook import Playbook, Seat, span_text
from trading.risk.expectancy import damp
from trading.risk.portfolio import heat, uses
from trading.situation import Situation, known
from trading.status import ExposureView, Figure, MarketView, RegimeLine

_BESIDE = Seat.model_validate({"weight": 1})  # SIGMA explains itself where it has no seat on the panel too
PRICE = "quote"  # a unit: that of the instrument's quote currency


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    unit: str
    of: Callable[[Features], Floats]
    scale: float = 1.0


# The sixteen indicators of SIGMA; some have several lines.
_COLUMNS = (
    _Column("RSI(14)", "", lambda f: f.rsi),
    _Column("MACD histogram", "x ATR", lambda f: f.macd_hist_atr),
    _Column("Stochastic %K", "", lambda f: f.stoch_k),
    _Column("Stochastic %D", "", lambda f: f.stoch_d),
    _Column("EMA(9)", PRICE, lambda f: f.ema9),
    _Column("EMA(20)", PRICE, lambda f: f.ema20),
    _Column("EMA(50)", PRICE, lambda f: f.ema50),
    _Column("EMA(200)", PRICE, lambda f: f.ema200),
    _Column("SMA(20)", PRICE, lambda f: f.sma20),
    _Column("Bollinger upper", PRICE, lambda f: f.bollinger_upper),
    _Column("Bollinger lower", PRICE, lambda f: f.bollinger_lower),
    _Column("ATR(14)", PRICE, lambda f: f.atr),
    _Column("ADX(14)", "", lambda f: f.adx),
    _Column("CCI(20)", "", lambda f: f.cci),
    _Column("MFI(14)", "", lambda f: f.mfi),
    _Column("OBV", "base", lambda f: f.obv),
    _Column("VWAP", PRICE, lambda f: f.vwap),
    _Column("Monte Carlo up", "%", lambda f: f.monte_carlo, 100),
    _Column("Garman-Klass", "% a year", lambda f: f.garman_klass, 100),
    _Column("z-score(20)", "deviations", lambda f: f.zscore),
    _Column("slope(10)", "% a bar", lambda f: f.slope, 100),
)


class Viewing:
    """Of the playbook that runs: its bars, its regimes, its limits."""

    def __init__(self, *, market: Snapshots, book: Book, playbook: Playbook) -> None:
        self.market = market
        self.book = book
        self.use(playbook)

    def use(self, playbook: Playbook) -> None:
        self.playbook = playbook
        self._outlooks = Outlooks(playbook.regime)
        self._sigma = Sigma(playbook.panel.get("sigma", _BESIDE))
        self._situation = Situation(market=self.market, book=self.book, playbook=playbook)

    def of_market(self, symbol: Symbol) -> MarketView:
        """Raises Misuse where there is no such instrument, or no fresh bar."""
        if symbol not in self.market.instruments():
            raise Misuse(f"This market has no {symbol}.")
        try:
            snapshot = self.market.snapshot(symbol)
        except NoEvidence as error:
            raise Misuse(f"There is nothing to show: {error}.") from error
        outlook = self._outlooks(snapshot)
        policy = self.playbook.expectancy
        sigma, silent = self._explained(snapshot)
        return MarketView(
            symbol=symbol,
            quote=snapshot.quote,
            interval=span_text(snapshot.every),
            outlook=outlook,
            multiplier=self._multiplier(outlook),
            damping=None if policy is None else damp(outlook.volatility, policy),
            figures=_figures(snapshot),
            sigma=sigma,
            sigma_silent=silent,
        )

    def _explained(self, snapshot: Snapshot) -> tuple[SigmaView | None, str]:
        """SIGMA's view, or why it has none."""
        try:
            return self._sigma.explain(snapshot.features, snapshot.row), ""
        except NoEvidence as error:
            return None, str(error)

    def of_candles(self, symbol: Symbol, bars: int) -> Series:
        """The last closed bars that decisions are made on, at most so many. Raises Misuse where there are none."""
        series = self.market.series().get(symbol)
        until = 0 if series is None else int(series.closed.searchsorted(to_ms(self.book.clock.now()), side="right"))
        if series is None or until == 0:
            raise Misuse(f"There are no candles of {base_of(symbol)}.")
        return series.rows(max(until - bars, 0), until)

    def of_regimes(self) -> tuple[RegimeLine, ...]:
        """The playbook's instruments, in its order."""
        symbols = {i.base: symbol for symbol, i in self.market.instruments().items()}
        return tuple(self._regime(symbols[base]) for base in self.playbook.universe if base in symbols)

    def _regime(self, symbol: Symbol) -> RegimeLine:
        try:
            outlook = self._outlooks(self.market.snapshot(symbol))
        except NoEvidence as error:
            return RegimeLine(symbol=symbol, outlook=None, multiplier=None, why=str(error))
        return RegimeLine(symbol=symbol, outlook=outlook, multiplier=self._multiplier(outlook))

    def _multiplier(self, outlook: Outlook) -> Decimal | None:
        return None if outlook.regime is None else multiplier(outlook.regime, self.playbook.regime)

    def of_exposure(self) -> ExposureView:
        """Each limit with its use. What a missing mark leaves open is None."""
        now = self._situation
        equity, held, portfolio = now.equity(), now.exposures(), now.portfolio()
        margin = known(lambda: self.book.margin_used(lambda order: self.market.quote(order.symbol).mark))
        correlations = portfolio.correlations if portfolio else None
        pairs = combinations(sorted({e.base for e in held or ()}), 2)
        unknown = (("equity", equity is None), ("the open exposure", held is None), ("the margin", margin is None))
        return ExposureView(
            equity=equity,
            gross=None if held is None else sum((e.notional for e in held), ZERO),
            net=None if held is None else sum((e.signed for e in held), ZERO),
            heat=None if held is None or correlations is None else heat(held, correlations),
            budget=portfolio.budget if portfolio else None,
            margin_used=margin,
            max_margin=None if equity is None else equity * self.playbook.limits.max_margin,
            uses=(uses(portfolio) or ()) if portfolio else (),
            correlations=tuple((a, b, correlations.rho(a, b)) for a, b in pairs) if correlations else (),
            limited=portfolio is not None,
            why=", ".join(what for what, missing in unknown if missing),
        )


def _figures(snapshot: Snapshot) -> tuple[Figure, ...]:
    units = {PRICE: snapshot.symbol.partition(":")[2], "base": base_of(snapshot.symbol)}
    return tuple(_figure(c, snapshot, units.get(c.unit, c.unit)) for c in _COLUMNS)


def _figure(column: _Column, snapshot: Snapshot, unit: str) -> Figure:
    value = float(column.of(snapshot.features)[snapshot.row]) * column.scale
    return Figure(name=column.name, value=value if math.isfinite(value) else None, unit=unit)
