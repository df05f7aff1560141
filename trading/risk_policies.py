"""The parts of a playbook that put risk first: regime, expectancy, portfolio, breaker, health. Fractions."""

import itertools
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from trading.policies import Base, Fraction, Part, Span, agreed, rises

Rho = Annotated[Decimal, Field(ge=-1, le=1)]
Count = Annotated[int, Field(ge=1)]
Pair = Annotated[str, Field(pattern=r"^[A-Z0-9]{1,15}-[A-Z0-9]{1,15}$", description='two assets, like "BTC-ETH"')]
Share = Annotated[Decimal, Field(ge=0, le=1)]
Above = Annotated[Decimal, Field(gt=0)]


class RegimePolicy(Part):
    """When a market is in which regime, and how much risk each allows."""

    trend_adx: Decimal = Field(default=Decimal(30), gt=0)
    quiet_adx: Decimal = Field(default=Decimal(20), gt=0)
    volatile: Decimal = Field(default=Decimal("0.8"), gt=0)  # annualised Garman-Klass
    median_over: Span = timedelta(days=30)
    trend: Decimal = Field(default=Decimal("1.3"), ge=0)  # risk multipliers
    volatile_risk: Decimal = Field(default=Decimal("0.3"), ge=0)
    range: Decimal = Field(default=Decimal("0.8"), ge=0)
    chop: Decimal = Field(default=Decimal("0.4"), ge=0)
    lowest: Decimal = Field(default=Decimal("0.3"), ge=0)
    highest: Decimal = Field(default=Decimal("1.5"), ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        return agreed(
            self,
            (
                self.quiet_adx >= self.trend_adx,
                "quiet_adx trend_adx",
                f"{self.quiet_adx} is not below trend_adx ({self.trend_adx})",
            ),
            (self.lowest > self.highest, "lowest highest", f"{self.lowest} is above highest ({self.highest})"),
        )


class Damp(Part):
    """Volatility penalty: at a Garman-Klass volatility under `below`, risk is multiplied by `factor`."""

    below: Decimal = Field(gt=0)
    factor: Decimal = Field(gt=0, le=1)


class ExpectancyPolicy(Part):
    """How much may be risked on the evidence of closed trades."""

    windows: tuple[Count, ...] = (30, 100, 500)
    enough: int = Field(default=30, ge=1)  # closed trades before Kelly is used
    exploration: Fraction = Decimal("0.005")  # of equity at risk until then
    kelly: Fraction = Decimal("0.25")  # of the full Kelly fraction
    shadow: int = Field(default=30, ge=1)  # shadow trades whose expectancy must turn before real size comes back
    max_risk: Fraction = Decimal("0.02")
    damps: tuple[Damp, ...] = (
        Damp(below=Decimal("0.3"), factor=Decimal(1)),
        Damp(below=Decimal("0.5"), factor=Decimal("0.85")),
        Damp(below=Decimal("0.7"), factor=Decimal("0.65")),
        Damp(below=Decimal("0.9"), factor=Decimal("0.45")),
    )
    damp_above: Fraction = Decimal("0.3")

    @model_validator(mode="after")
    def _calmer_is_more(self) -> Self:
        factors = [*(d.factor for d in self.damps), self.damp_above]
        return agreed(
            self,
            (not rises([d.below for d in self.damps]), "damps", "must rise strictly in `below`"),
            (factors != sorted(factors, reverse=True), "damps damp_above", "more volatility must never allow more"),
        )


_STATIC = {
    "BTC-ETH": Decimal("0.85"),
    "BTC-BNB": Decimal("0.80"),
    "ETH-BNB": Decimal("0.82"),
    "SOL-ADA": Decimal("0.75"),
    "XRP-LTC": Decimal("0.70"),
}
_SECTORS = {
    "large cap": ("BTC", "ETH", "BNB"),
    "L1": ("SOL", "ADA", "AVAX"),
    "payment": ("XRP", "LTC"),
    "meme": ("DOGE",),
    "oracle": ("LINK",),
}


class PortfolioLimits(Part):
    """Shares of the gross exposure budget: equity x leverage cap x `budget`."""

    budget: Decimal = Field(default=Decimal(1), gt=0)
    asset: Fraction = Decimal("0.40")
    group: Fraction = Decimal("0.60")
    sector: Fraction = Decimal("0.50")
    correlated: Fraction = Decimal("0.7")  # rho from which two assets are one group
    measured_over: Span = timedelta(days=30)
    static: dict[Pair, Rho] = Field(default=_STATIC)  # where there is not enough history to measure
    otherwise: Rho = Decimal("0.5")
    sectors: dict[str, tuple[Base, ...]] = Field(default=_SECTORS)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        bases = [base for named in self.sectors.values() for base in named]
        twice = sorted({base for base in bases if bases.count(base) > 1})
        pairs = [frozenset(pair.split("-")) for pair in self.static]
        return agreed(
            self,
            (bool(twice), "sectors", f"{', '.join(twice)} stands in two"),
            (any(len(pair) == 1 for pair in pairs), "static", "a pair is of two different assets"),
            (len(set(pairs)) != len(pairs), "static", "a pair stands twice: A-B and B-A are the same"),
        )


class Trigger(Part):
    """Values at which a breaker level begins; None where it has none."""

    alert: Above | None = None
    throttle: Above | None = None
    halt: Above | None = None
    shutdown: Above | None = None

    @model_validator(mode="after")
    def _rises(self) -> Self:
        levels = [(name, value) for name, value in self if value is not None]
        pairs = itertools.pairwise(levels)
        return agreed(
            self, *((a >= b, f"{worse} {name}", f"{b} is not above {name} ({a})") for (name, a), (worse, b) in pairs)
        )


class BreakerPolicy(Part):
    latency: Trigger = Trigger(alert=Decimal("0.5"), throttle=Decimal(1), halt=Decimal(3))  # seconds, mean of last 10
    failures: Trigger = Trigger(alert=Decimal(2), throttle=Decimal(3), halt=Decimal(5), shutdown=Decimal(10))
    failures_within: Span = timedelta(minutes=5)
    slippage: Trigger = Trigger(alert=Decimal("0.001"), throttle=Decimal("0.003"), halt=Decimal("0.005"))
    slippage_within: Span = timedelta(days=1)  # older fills are no evidence: where none comes, they must not stay
    day_loss: Trigger = Trigger(
        alert=Decimal("0.02"), throttle=Decimal("0.035"), halt=Decimal("0.05"), shutdown=Decimal("0.10")
    )
    samples: int = Field(default=10, ge=1)
    broken_books: int = Field(default=3, ge=1)  # in a row, from HALT to SHUTDOWN
    cool_alert: Span = timedelta(seconds=60)
    cool_throttle: Span = timedelta(minutes=5)
    cool_halt: Span = timedelta(minutes=15)
    throttle_confidence: Fraction = Decimal("0.8")
    throttle_size: Fraction = Decimal("0.5")
    close_on_shutdown: bool = False


class HealthPolicy(Part):
    """The strategy monitor: looks every `every` rounds at the last `over` trades, from `enough` on."""

    every: int = Field(default=5, ge=1)
    over: int = Field(default=100, ge=1)
    enough: int = Field(default=20, ge=1)
    win_rate: tuple[Share, Share] = (Decimal("0.45"), Decimal("0.35"))  # warn below, critical below
    sharpe: tuple[Decimal, Decimal] = (Decimal("0.5"), Decimal(0))
    losses: tuple[Count, Count] = (7, 10)  # in a row, from
    expectancy: tuple[Decimal, Decimal] = (Decimal(0), Decimal("-0.001"))  # of equity; warn at or below, critical below
    drawdown: tuple[Fraction, Fraction] = (Decimal("0.08"), Decimal("0.15"))  # from
    close_on_emergency: bool = False

    @model_validator(mode="after")
    def _critical_is_worse(self) -> Self:
        falling = {"win_rate": self.win_rate, "sharpe": self.sharpe, "expectancy": self.expectancy}
        rising = {"losses": rises(self.losses), "drawdown": rises(self.drawdown)}
        return agreed(
            self,
            (self.enough > self.over, "enough over", f"{self.enough} is above over ({self.over}): it would never look"),
            *((a <= b, name, "warns first: the second, critical value is lower") for name, (a, b) in falling.items()),
            *((not up, name, "warns first: the second, critical value is higher") for name, up in rising.items()),
        )
