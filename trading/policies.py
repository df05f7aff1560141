"""The parts of a playbook: what each policy holds, its defaults and its ranges. Fractions, not percent."""

import itertools
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from trading.exit_plan import Entered, ExitPlan, Partial, Rebalance, TimeLimits, Trailing
from trading.model import require_utc

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST = timedelta(days=3660)


def parse_span(text: object) -> object:
    """ "15m" -> timedelta(minutes=15). Anything else is left as it is."""
    match = re.fullmatch(r"(\d{1,9})([smhd])", text) if isinstance(text, str) else None
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]]) if match else text


@cache
def span_text(span: timedelta) -> str:
    """timedelta(hours=1) -> "1h": the largest unit that divides it."""
    seconds = int(span.total_seconds())
    unit = next(u for u in reversed(_UNITS) if seconds % _UNITS[u] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def _span(value: object) -> object:
    """Nothing else: a bare 24 would be 24 seconds, and nobody means that."""
    found = parse_span(value)
    if not isinstance(found, timedelta):
        raise ValueError("not a length of time")
    return found


def _at(value: object) -> object:
    if not isinstance(value, datetime):
        raise ValueError("not a time")
    require_utc(value)
    return value


Span = Annotated[timedelta, BeforeValidator(_span), Field(gt=timedelta(0), le=LONGEST)]
At = Annotated[datetime, BeforeValidator(_at)]
Fraction = Annotated[Decimal, Field(gt=0, le=1)]
Base = Annotated[str, Field(pattern=r"^[A-Z0-9]{1,15}$", description='an asset as venues write it, like "BTC"')]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


Keys = tuple[tuple[str | int, ...], ...]  # places below a part
Fault = tuple[bool, str | Keys, str]  # whether it is one; what it is about, "a.b c" or places; what is wrong


class Clash(ValueError):
    """Settings that fit one by one and do not go together. `found`: where, the first place is named; what is wrong."""

    def __init__(self, found: Sequence[tuple[Keys, str]]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, keys[0]))}: {words}" for keys, words in found))
        self.found = tuple(found)


P = TypeVar("P", bound=Part)


def agreed(part: P, *faults: Fault) -> P:
    """The part itself. Raises Clash with all that is wrong in it."""
    found = [(_places(keys), words) for wrong, keys, words in faults if wrong]
    if found:
        raise Clash(found)
    return part


def _places(keys: str | Keys) -> Keys:
    return tuple(tuple(key.split(".")) for key in keys.split()) if isinstance(keys, str) else keys


def rises(values: Sequence[Decimal | int]) -> bool:
    """Strictly."""
    return all(a < b for a, b in itertools.pairwise(values))


class Scope(StrEnum):
    PAIR = "pair"
    MARKET = "market"


class Seat(Part):
    """One persona's place on the panel."""

    weight: Decimal = Field(ge=0, le=100, decimal_places=3)
    enabled: bool = True
    tiers: tuple[Annotated[int, Field(ge=1, le=2)], ...] = Field(default=(1, 2), min_length=1)  # it exists for these
    window: Span = timedelta(minutes=15)  # FLOW: taker volume, by time
    book_depth: Fraction = Decimal("0.005")  # FLOW: the part of the book that counts, around mid
    max_book_age: Span = timedelta(seconds=10)
    min_trades: int = Field(default=50, ge=0)
    min_bars: int = Field(default=60, ge=1)  # TECHNICAL, SIGMA
    model: str = ""  # SENTIMENT: a name of models.toml; "" is the default of that file
    scope: Scope = Scope.PAIR  # SENTIMENT: asked for each pair, or once for all
    fresh: Span = timedelta(hours=6)  # SENTIMENT: how old a page may be that it leans on
    answer_within: Span = timedelta(seconds=30)  # SENTIMENT, COUNCIL: each model's deadline
    correlated: tuple[Base, ...] = ()  # WHALE: pairs that borrow ETH's view, at half weight; the card says so
    models: tuple[str, ...] = ()  # COUNCIL: who sits on it
    agree: int = Field(default=2, ge=1)  # COUNCIL: votes to buy that make a long
    bullish: int = Field(default=7, ge=0, le=7)  # COUNCIL: categories that must be bullish for a vote to buy to count
    max_age: Span = timedelta(minutes=30)  # COUNCIL, SENTIMENT, WHALE: what was heard is not asked again before, nor
    # used after

    @property
    def milli(self) -> int:
        return int(self.weight * 1000)


OF_SEATS: dict[str, tuple[str, ...]] = {  # what means something to one persona only
    "flow": ("window", "book_depth", "max_book_age", "min_trades"),
    "technical": ("min_bars",),
    "sigma": ("min_bars",),
    "sentiment": ("model", "scope", "fresh", "answer_within", "max_age"),
    "whale": ("correlated", "max_age"),
    "council": ("models", "agree", "bullish", "answer_within", "max_age"),
}


class Quorum(StrEnum):
    WORST_CASE = "worst_case"
    RENORMALISE = "renormalise"


class Unavailable(StrEnum):
    """What becomes of an entry that a model was to be asked about, and could not be."""

    WAIT = "wait"
    MECHANICAL = "mechanical"  # the votes decide alone


class JudgePolicy(Part):
    min_confidence: Fraction = Decimal("0.60")
    min_agreeing: int = Field(default=2, ge=1)
    dominance: Decimal = Field(default=Decimal("1.15"), ge=1)
    drag: Decimal = Field(default=Decimal("0.5"), ge=0, le=1)
    quorum: Quorum = Quorum.WORST_CASE
    model: str = ""  # a name of models.toml: it may lower the confidence or say WAIT; "": the votes decide alone
    answer_within: Span = timedelta(seconds=20)
    unavailable: Unavailable = Unavailable.WAIT


class ValidationPolicy(Part):
    """A model that says APPROVE or REJECT of an entry, after the judge and before the gate."""

    model: str = Field(min_length=1)
    answer_within: Span = timedelta(seconds=20)
    unavailable: Unavailable = Unavailable.WAIT


class StatedOr(StrEnum):
    """Which confidence sizes a trade."""

    STATED = "stated"
    CALIBRATED = "calibrated"  # the smaller of both; the lowest step while nothing is known


class Step(Part):
    above: Fraction  # confidence strictly above this ...
    margin: Fraction  # ... commits this fraction of equity as margin


class SizingMethod(StrEnum):
    CONFIDENCE = "confidence"  # margin by steps of the judge's confidence
    LINEAR = "linear"  # margin on a line between two confidences
    FIXED = "fixed"  # the same margin each time, at the instrument's highest leverage within a range
    EXPECTANCY = "expectancy"  # by what the closed trades allow to risk, and nothing else


class Line(Part):
    """Margin, a fraction of equity, that rises with confidence on a straight line; flat outside of it."""

    since: Fraction = Decimal("0.6")  # confidence
    until: Fraction = Decimal("0.95")
    low: Fraction = Decimal("0.05")  # margin
    high: Fraction = Decimal("0.10")

    @model_validator(mode="after")
    def _rises(self) -> Self:
        return agreed(
            self,
            (self.since >= self.until, "since until", f"{self.since} is not below until ({self.until})"),
            (self.low > self.high, "low high", f"{self.low} is above high ({self.high})"),
        )


class Sizing(Part):
    method: SizingMethod = SizingMethod.CONFIDENCE
    confidence: StatedOr = StatedOr.STATED
    steps: tuple[Step, ...] = (
        Step(above=Decimal("0.80"), margin=Decimal("0.105")),
        Step(above=Decimal("0.70"), margin=Decimal("0.09")),
        Step(above=Decimal("0.60"), margin=Decimal("0.07")),
    )
    otherwise: Fraction = Decimal("0.05")
    floor: Fraction = Decimal("0.05")
    ceiling: Fraction = Decimal("0.12")
    tier1: Line = Line(high=Decimal("0.20"))  # linear
    tier2: Line = Line()
    margin: Decimal = Field(default=Decimal(1), gt=0)  # fixed: quote units
    leverage: int = Field(default=10, ge=1)  # fixed: the most
    min_leverage: int = Field(default=1, ge=1)  # an instrument that does not allow this much is not traded

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        falls = rises([step.above for step in reversed(self.steps)])
        return agreed(
            self,
            (not falls, "steps", "must fall strictly in `above`: the highest confidence comes first"),
            (self.floor > self.ceiling, "floor ceiling", f"{self.floor} is above ceiling ({self.ceiling})"),
            (
                self.min_leverage > self.leverage,
                "min_leverage leverage",
                f"{self.min_leverage} is above leverage ({self.leverage})",
            ),
        )


class Limits(Part):
    max_positions: int = Field(default=5, ge=0)
    max_leverage: int = Field(default=20, ge=1)
    max_risk: Fraction = Decimal("0.02")  # of equity, lost when the stop is hit
    stop_within: Fraction = Decimal("0.7")  # of the way to liquidation
    max_trade: Fraction = Decimal(1)  # of equity, the margin of one position
    max_margin: Fraction = Decimal("0.60")  # of equity, all positions together
    max_daily_loss: Fraction = Decimal("0.05")  # of the UTC day's opening equity
    max_thought: Span = timedelta(seconds=90)  # a verdict that took longer is not traded
    wash_guard: Span = timedelta(seconds=60)  # no entry on the other side so soon after a close
    manual_entry: bool = True  # whether people may enter by hand
    max_requote: Fraction = Decimal("0.005")  # how far the mark may move between what a person saw and his yes


class TrailingPolicy(Part):
    """Fractions of price; the distance behind the best mark is by regime."""

    arm: Fraction = Decimal("0.015")
    step: Fraction = Decimal("0.0005")
    trend: Fraction = Decimal("0.02")
    range: Fraction = Decimal("0.015")
    chop: Fraction = Decimal("0.01")
    volatile: Fraction = Decimal("0.025")


class TimePolicy(Part):
    """How long a position may run in each regime."""

    trend: Span = timedelta(hours=4)
    range: Span = timedelta(hours=2)
    chop: Span = timedelta(hours=1)
    volatile: Span = timedelta(minutes=30)


class PartialPolicy(Part):
    at: Fraction  # move
    share: Fraction  # of the quantity that was entered


class RebalancePolicy(Part):
    net: Fraction = Decimal("0.5")  # of the gross exposure budget, on one side
    positions: int = Field(default=3, ge=2)


class Exits(Part):
    """Stop and target are the nearest of what is set here; a rule that is left out does not exist."""

    take_profit: Fraction = Decimal("0.05")
    stop_loss: Fraction = Decimal("0.025")
    stop_atr: Decimal | None = Field(default=None, gt=0)  # ATRs of the bars that are decided on
    target_atr: Decimal | None = Field(default=None, gt=0)
    target_of_margin: Decimal | None = Field(default=None, gt=0)  # 10 is +1000 % of margin: 10 / leverage of price
    stop_at_invalidation: bool = False  # the nearest price at which a voice on the winning side gives up
    early_after: Span | None = None
    early_loss: Fraction | None = None
    force_loss: Fraction | None = None
    max_hold: Span | None = None
    trailing: TrailingPolicy | None = None
    time_limits: TimePolicy | None = None
    regime_change: bool = False  # from a trend to chop
    rebalance: RebalancePolicy | None = None
    invalidation: bool = False  # the evidence that opened the trade has turned
    break_even: Fraction | None = None
    partials: tuple[PartialPolicy, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        given, missing = ("early_loss", "early_after") if self.early_after is None else ("early_after", "early_loss")
        shares = sum(p.share for p in self.partials)
        return agreed(
            self,
            (
                (self.early_after is None) != (self.early_loss is None),
                f"{missing} {given}",
                f"missing: {given} is of no use without it",
            ),
            (not rises([p.at for p in self.partials]), "partials", "must rise strictly in `at`"),
            (shares > 1, "partials", f"close more than there is: the shares add up to {shares}"),
        )

    def plan(
        self, *, phase: str, stop_loss: Decimal, take_profit: Decimal, entered: Entered, budget: Decimal
    ) -> ExitPlan:
        """What a position keeps of it. `stop_loss` and `take_profit`: the distances it is opened with."""
        r, t, h = self.rebalance, self.trailing, self.time_limits
        return ExitPlan(
            phase=phase,
            take_profit=take_profit,
            stop_loss=stop_loss,
            early_after=self.early_after,
            early_loss=self.early_loss,
            force_loss=self.force_loss,
            max_hold=self.max_hold,
            trailing=Trailing(**t.model_dump()) if t else None,
            time_limits=TimeLimits(**h.model_dump()) if h else None,
            regime_change=self.regime_change,
            rebalance=Rebalance(net=r.net, positions=r.positions, budget=budget) if r else None,
            invalidation=self.invalidation,
            break_even=self.break_even,
            partials=tuple(Partial(at=p.at, share=p.share) for p in self.partials),
            entered=entered,
        )


class Schedule(Part):
    bar: Span = timedelta(minutes=5)  # indicators are computed on bars of this length, or the data's own if longer
    signals_every: Span = timedelta(minutes=5)
    watch_every: Span | None = None  # None: on every quote
    sweep_every: Span = timedelta(seconds=30)
    digest_every: Span = timedelta(hours=4)  # WAITs, summed
    look_again: bool = True  # at once after a close


class Phase(Part):
    """A stretch of time with its own limits. What it leaves out, the base settings say."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_-]{0,19}$",
        description="a name of small letters, digits, - and _, a letter first",
    )
    note: str = ""
    starts: At | None = None  # None: only when chosen by hand
    ends: At | None = None
    max_positions: int | None = Field(default=None, ge=0)
    take_profit: Fraction | None = None
    stop_loss: Fraction | None = None
    max_hold: Span | None = None

    @model_validator(mode="after")
    def _dates(self) -> Self:
        given, missing = ("ends", "starts") if self.starts is None else ("starts", "ends")
        backwards = bool(self.starts and self.ends and self.starts >= self.ends)
        return agreed(
            self,
            (
                (self.starts is None) != (self.ends is None),
                f"{missing} {given}",
                f"missing: {given} is of no use without it",
            ),
            (backwards, "starts ends", "is not before ends"),
        )
