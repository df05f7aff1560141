"""What holds the desk back, one example of each: breaker, health, sizing, markets, exposure, shadow desks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

from trading import breaker, health
from trading.decision import Stance
from trading.exit_plan import Regime
from trading.market.correlation import Correlations, Rho
from trading.market.outlook import NOTHING_KNOWN, Outlook
from trading.model import Direction, Quote, Symbol
from trading.personas.sigma import CategoryView, RuleView, SigmaView, Standing
from trading.personas.sigma_score import CATEGORIES, RULES, Outcome
from trading.risk import portfolio
from trading.risk.expectancy import Evidence, Sized, risk_fraction
from trading.risk_policies import BreakerPolicy, ExpectancyPolicy, HealthPolicy, PortfolioLimits
from trading.status import Difference, ExposureView, Figure, MarketView, RegimeLine, ShadowDeskView

AT = datetime(2024, 5, 3, 14, 5, tzinfo=UTC)
BTC = Symbol("BTC/USDT:USDT")
ETH = Symbol("ETH/USDT:USDT")
SOL = Symbol("SOL/USDT:USDT")
MINUTE = timedelta(minutes=1)


# --- circuit breaker ------------------------------------------------------------------------------------------------


def facts(**changes: object) -> breaker.BreakerFacts:
    """All is well, and known."""
    fine = breaker.BreakerFacts(
        latencies=(),
        failures=(),
        slippages=(),
        last_fill="",
        day_loss=D(0),
        health=health.Severity.NONE,
        last_trade="",
        journal_writable=breaker.Check(ok=True, at=AT),
        books_agree=breaker.Check(ok=True, at=AT),
    )
    return replace(fine, **changes)


def tripped(at: datetime = AT - 2 * MINUTE, **changes: object) -> breaker.BreakerState:
    """What one look at these facts makes of a closed breaker."""
    return breaker.step(breaker.BreakerState(), facts(**changes), at, BreakerPolicy())[0]


def throttled(at: datetime = AT - 2 * MINUTE) -> breaker.BreakerState:
    return tripped(at, day_loss=D("0.0361"), latencies=(D("0.612"),) * 10)


def shut_down() -> breaker.BreakerState:
    return tripped(failures=tuple(AT - 3 * MINUTE for _ in range(10)))


def overridden() -> breaker.BreakerState:
    state = tripped(day_loss=D("0.052"))
    until = AT + timedelta(hours=2)
    return breaker.override(state, breaker.Level.ALERT, now=AT, until=until, by="Ana (telegram:7)")


def view(state: breaker.BreakerState | None = None) -> breaker.BreakerView:
    return breaker.describe(state or breaker.BreakerState(), AT)


# --- health and sizing ----------------------------------------------------------------------------------------------


def a_health() -> health.Health:
    """Two warnings: few wins and many losses in a row."""
    shown = {
        health.Metric.WIN_RATE: (D("0.44"), health.Finding.WARNING),
        health.Metric.SHARPE: (D("0.8123"), health.Finding.FINE),
        health.Metric.LOSSES: (D(7), health.Finding.WARNING),
        health.Metric.EXPECTANCY: (D("0.0004"), health.Finding.FINE),
        health.Metric.DRAWDOWN: (D("0.0312"), health.Finding.FINE),
    }
    borders = health.limits(HealthPolicy())
    findings = tuple(
        health.Measured(metric=m, value=v, warn=borders[m][0], critical=borders[m][1], finding=f)
        for m, (v, f) in shown.items()
    )
    severity = health.grade([f.finding for f in findings])
    return health.Health(severity=severity, findings=findings, n=50, last_trade="btc-k3f9x2pa", close_positions=False)


def by_kelly() -> Sized:
    """68 of 100 win 2.15 for each 1 lost."""
    nets = tuple(D("21.5") if n % 25 < 17 else D(-10) for n in range(100))
    return risk_fraction(Evidence(trades=nets), ExpectancyPolicy(windows=(100,)))


def stopped() -> Sized:
    evidence = Evidence(trades=(D(5), D(-10)) * 15, shadow=(D(3), D(-2)), stopped=True)
    return risk_fraction(evidence, ExpectancyPolicy())


# --- markets --------------------------------------------------------------------------------------------------------


def an_outlook(**changes: object) -> Outlook:
    made = Outlook(
        at=AT - 5 * MINUTE,
        regime=Regime.TREND_UP,
        volatility=D("0.4512"),
        atr=D("512.34567891234"),
        rsi=58.2187,
        macd=0.2123,
    )
    return replace(made, **changes)


_VALUES = (58.2187, 0.2123, 85.1, 0.0121, 0.41, 0.671, 1.2, 0.00071, 31.4)
_STANCES = (0, 1, -1, 0, 1, 1, 0, 1, 0)
_A, _C, _S = Standing.AGREEING, Standing.CONFLICTING, Standing.SILENT
_STANDINGS = (_S, _A, _C, _S, _A, _A, _S, _A, _A)
_SIDES = {1: Stance.LONG, -1: Stance.SHORT, 0: Stance.NEUTRAL}


def a_sigma() -> SigmaView:
    values = (0.62, 0.81, 0.35, 0.2, -0.1, 0.9)
    return SigmaView(
        categories=tuple(
            CategoryView(name=c.name, weight=c.weight, value=v) for c, v in zip(CATEGORIES, values, strict=True)
        ),
        before=0.4695,
        volatility=0.4512,
        damping=0.686,
        score=322_077,
        rules=tuple(
            RuleView(
                name=r.name, label=r.label, value=v, unit=r.unit, threshold=r.threshold, stance=_SIDES[s], standing=w
            )
            for r, v, s, w in zip(RULES, _VALUES, _STANCES, _STANDINGS, strict=True)
        ),
        side=Stance.LONG,
        rules_confidence=600_000,
        agreeing=5,
        conflicting=1,
        share=4 / 9,
        valid=True,
        outcome=Outcome.KEPT,
        reason=Outcome.KEPT.value,
        stance=Stance.LONG,
        confidence=322_077,
    )


def a_market(**changes: object) -> MarketView:
    made = MarketView(
        symbol=BTC,
        quote=Quote(symbol=BTC, at=AT, bid=D("64210.4"), ask=D("64210.5"), mark=D("64210.4")),
        interval="5m",
        outlook=an_outlook(),
        multiplier=D("1.3"),
        damping=D("0.85"),
        figures=(
            Figure(name="RSI(14)", value=58.2187),
            Figure(name="MACD histogram", value=0.2123, unit="x ATR"),
            Figure(name="ADX(14)", value=31.4),
            Figure(name="MFI(14)", value=None),
            Figure(name="Garman-Klass", value=45.12, unit="%"),
        ),
        sigma=a_sigma(),
        sigma_silent="",
    )
    return replace(made, **changes)


def a_silent_market() -> MarketView:
    return a_market(
        outlook=NOTHING_KNOWN,
        multiplier=None,
        damping=None,
        sigma=None,
        sigma_silent="120 closed bars, 200 are needed",
    )


def regimes() -> tuple[RegimeLine, ...]:
    return (
        RegimeLine(symbol=BTC, outlook=an_outlook(), multiplier=D("1.3")),
        RegimeLine(symbol=ETH, outlook=an_outlook(regime=Regime.CHOP, volatility=D("0.61")), multiplier=D("0.4")),
        RegimeLine(symbol=SOL, outlook=None, multiplier=None, why="no fresh bar for 12 min"),
    )


# --- exposure -------------------------------------------------------------------------------------------------------


def an_exposure() -> ExposureView:
    """A long BTC past its limit, a smaller short ETH against it."""
    held = (
        portfolio.Exposure(symbol=BTC, base="BTC", direction=Direction.LONG, notional=D("84000")),
        portfolio.Exposure(symbol=ETH, base="ETH", direction=Direction.SHORT, notional=D("21000")),
        portfolio.Exposure(symbol=SOL, base="SOL", direction=Direction.LONG, notional=D("9000")),
    )
    rhos = {("BTC", "ETH"): Rho(value=D("0.871234"), measured=True, returns=700)}
    pairs = rhos | {(b, a): rho for (a, b), rho in rhos.items()}
    correlations = Correlations(policy=PortfolioLimits(), as_of=AT, pairs=pairs)
    whole = portfolio.Portfolio(
        equity=D(10000), exposures=held, leverage_cap=20, correlations=correlations, policy=PortfolioLimits()
    )
    return ExposureView(
        equity=D(10000),
        gross=D(114000),
        net=D(72000),
        heat=portfolio.heat(held, correlations),
        budget=whole.budget,
        margin_used=D(5400),
        max_margin=D(6000),
        uses=portfolio.uses(whole) or (),
        correlations=tuple((a, b, correlations.rho(a, b)) for a, b in (("BTC", "ETH"), ("BTC", "SOL"), ("ETH", "SOL"))),
        limited=True,
    )


def an_unknown_exposure() -> ExposureView:
    return ExposureView(
        equity=None,
        gross=None,
        net=None,
        heat=None,
        budget=None,
        margin_used=D("79.62"),
        max_margin=None,
        uses=(),
        correlations=(),
        limited=False,
        why="no fresh quote for BTC",
    )


# --- shadow desks ---------------------------------------------------------------------------------------------------


def a_shadow_desk(**changes: object) -> ShadowDeskView:
    made = ShadowDeskView(
        playbook="smt-3.1",
        since=AT - timedelta(days=2),
        start_equity=D(10000),
        equity=D("10120.5"),
        trades=12,
        net=D("110.25"),
        open=1,
        ours_trades=9,
        ours_net=D("80.1"),
        same=240,
        different=12,
        differences=(
            Difference(at=AT, symbol=BTC, ours="long", theirs="wait"),
            Difference(at=AT - timedelta(days=1), symbol=ETH, ours="denied", theirs="short"),
        ),
    )
    return replace(made, **changes)
