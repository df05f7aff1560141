"""The parts of a playbook: what each policy holds, its defaults and its ranges. Fractions, not percent."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from trading.model import ExitPlan, require_utc

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_span(text: object) -> object:
    """ "15m" -> timedelta(minutes=15). Anything else is left to the schema to refuse."""
    match = re.fullmatch(r"(\d+)([smhd])", text) if isinstance(text, str) else None
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]]) if match else text


@cache
def span_text(span: timedelta) -> str:
    """timedelta(hours=1) -> "1h": the largest unit that divides it."""
    seconds = int(span.total_seconds())
    unit = next(u for u in reversed(_UNITS) if seconds % _UNITS[u] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def _at(value: object) -> object:
    if isinstance(value, datetime):
        require_utc(value)
    return value


Span = Annotated[timedelta, BeforeValidator(parse_span), Field(gt=timedelta(0))]
At = Annotated[datetime, BeforeValidator(_at)]
Fraction = Annotated[Decimal, Field(gt=0, le=1)]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Seat(Part):
    """One persona's place on the panel."""

    weight: Decimal = Field(ge=0, le=100, decimal_places=3)
    enabled: bool = True
    tiers: tuple[int, ...] = (1, 2)  # instruments it exists for
    window: Span = timedelta(minutes=15)  # FLOW: taker volume, by time
    book_depth: Fraction = Decimal("0.005")  # FLOW: the part of the book that counts, around mid
    max_book_age: Span = timedelta(seconds=10)
    min_trades: int = Field(default=50, ge=0)
    min_bars: int = Field(default=60, ge=1)  # TECHNICAL

    @property
    def milli(self) -> int:
        return int(self.weight * 1000)


class Quorum(StrEnum):
    WORST_CASE = "worst_case"
    RENORMALISE = "renormalise"


class JudgePolicy(Part):
    min_confidence: Fraction = Decimal("0.60")
    min_agreeing: int = Field(default=2, ge=1)
    dominance: Decimal = Field(default=Decimal("1.15"), ge=1)
    drag: Decimal = Field(default=Decimal("0.5"), ge=0, le=1)
    quorum: Quorum = Quorum.WORST_CASE


class Step(Part):
    above: Fraction  # confidence strictly above this ...
    margin: Fraction  # ... commits this fraction of equity as margin


class Sizing(Part):
    steps: tuple[Step, ...] = (
        Step(above=Decimal("0.80"), margin=Decimal("0.105")),
        Step(above=Decimal("0.70"), margin=Decimal("0.09")),
        Step(above=Decimal("0.60"), margin=Decimal("0.07")),
    )
    otherwise: Fraction = Decimal("0.05")
    floor: Fraction = Decimal("0.05")
    ceiling: Fraction = Decimal("0.12")
    leverage: int = Field(default=10, ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if [s.above for s in self.steps] != sorted({s.above for s in self.steps}, reverse=True):
            raise ValueError("steps must fall strictly in `above`")
        if self.floor > self.ceiling:
            raise ValueError("floor is above ceiling")
        return self


class Limits(Part):
    max_positions: int = Field(default=5, ge=0)
    max_leverage: int = Field(default=20, ge=1)
    max_risk: Fraction = Decimal("0.02")  # of equity, lost when the stop is hit
    max_margin: Fraction = Decimal("0.60")  # of equity, all positions together
    max_daily_loss: Fraction = Decimal("0.05")  # of the UTC day's opening equity
    wash_guard: Span = timedelta(seconds=60)  # no entry on the other side so soon after a close


class Exits(Part):
    take_profit: Fraction = Decimal("0.05")
    stop_loss: Fraction = Decimal("0.025")
    early_after: Span = timedelta(hours=3)
    early_loss: Fraction = Decimal("0.025")
    force_loss: Fraction = Decimal("0.04")
    max_hold: Span = timedelta(hours=24)

    def plan(self, phase: str) -> ExitPlan:
        return ExitPlan(phase=phase, **self.model_dump())


class Schedule(Part):
    bar: Span = timedelta(minutes=5)  # indicators are computed on bars of this length, or the data's own if longer
    signals_every: Span = timedelta(minutes=5)
    watch_every: Span | None = None  # None: on every quote
    sweep_every: Span = timedelta(seconds=30)
    digest_every: Span = timedelta(hours=4)  # WAITs, summed
    look_again: bool = True  # at once after a close


class Phase(Part):
    """A stretch of time with its own limits. What it leaves out, the base settings say."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,19}$")
    note: str = ""
    starts: At | None = None  # None: only when chosen by hand
    ends: At | None = None
    max_positions: int | None = Field(default=None, ge=0)
    take_profit: Fraction | None = None
    stop_loss: Fraction | None = None
    max_hold: Span | None = None

    @model_validator(mode="after")
    def _dates(self) -> Self:
        if (self.starts is None) != (self.ends is None):
            raise ValueError("starts and ends go together")
        if self.starts and self.ends and self.starts >= self.ends:
            raise ValueError("starts is not before ends")
        return self


# --- risk first: regime, expectancy, portfolio, breaker, health -----------------------------------------------------


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


class Damp(Part):
    """Volatility penalty: at a Garman-Klass volatility under `below`, risk is multiplied by `factor`."""

    below: Decimal = Field(gt=0)
    factor: Decimal = Field(gt=0, le=1)


class ExpectancyPolicy(Part):
    """How much may be risked on the evidence of closed trades."""

    windows: tuple[int, ...] = (30, 100, 500)
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


class PortfolioLimits(Part):
    """Shares of the gross exposure budget: equity x leverage cap x `budget`."""

    budget: Decimal = Field(default=Decimal(1), gt=0)
    asset: Fraction = Decimal("0.40")
    group: Fraction = Decimal("0.60")
    sector: Fraction = Decimal("0.50")
    correlated: Fraction = Decimal("0.7")  # rho from which two assets are one group
    measured_over: Span = timedelta(days=30)
    static: dict[str, Decimal] = {
        "BTC-ETH": Decimal("0.85"),
        "BTC-BNB": Decimal("0.80"),
        "ETH-BNB": Decimal("0.82"),
        "SOL-ADA": Decimal("0.75"),
        "XRP-LTC": Decimal("0.70"),
    }
    otherwise: Decimal = Field(default=Decimal("0.5"), ge=-1, le=1)
    sectors: dict[str, tuple[str, ...]] = {
        "large cap": ("BTC", "ETH", "BNB"),
        "L1": ("SOL", "ADA", "AVAX"),
        "payment": ("XRP", "LTC"),
        "meme": ("DOGE",),
        "oracle": ("LINK",),
    }


class Trigger(Part):
    """Values at which a breaker level begins; None where it has none."""

    alert: Decimal | None = None
    throttle: Decimal | None = None
    halt: Decimal | None = None
    shutdown: Decimal | None = None


class BreakerPolicy(Part):
    latency: Trigger = Trigger(alert=Decimal("0.5"), throttle=Decimal(1), halt=Decimal(3))  # seconds, mean of last 10
    failures: Trigger = Trigger(alert=Decimal(2), throttle=Decimal(3), halt=Decimal(5), shutdown=Decimal(10))
    failures_within: Span = timedelta(minutes=5)
    slippage: Trigger = Trigger(alert=Decimal("0.001"), throttle=Decimal("0.003"), halt=Decimal("0.005"))
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
    win_rate: tuple[Decimal, Decimal] = (Decimal("0.45"), Decimal("0.35"))  # warn below, critical below
    sharpe: tuple[Decimal, Decimal] = (Decimal("0.5"), Decimal(0))
    losses: tuple[int, int] = (7, 10)  # in a row, from
    expectancy: tuple[Decimal, Decimal] = (Decimal(0), Decimal("-0.001"))  # of equity; warn at or below, critical below
    drawdown: tuple[Decimal, Decimal] = (Decimal("0.08"), Decimal("0.15"))  # from
    close_on_emergency: bool = False
