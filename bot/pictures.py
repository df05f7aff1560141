"""What a picture shows: plain values, drawn elsewhere (bot/charts). Pure.

Money in quote units, prices as the venue gives them, times aware UTC. A picture never holds more than it draws. `foot`:
whose money and which market, for a picture that is passed on without its words.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from trading.model import Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityPicture:
    """Equity over time with its drawdown under it."""

    title: str
    at: tuple[datetime, ...]  # rising
    equity: tuple[Decimal, ...]  # as long as `at`
    foot: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaysPicture:
    """Net result by day (or week, month): one bar each."""

    title: str
    days: tuple[date, ...]  # rising; of a week its Monday, of a month its first
    net: tuple[Decimal, ...]
    unit: str = "day"
    foot: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    at: datetime  # opening time
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A fill on the candles."""

    at: datetime
    price: Decimal
    kind: str  # "entry", "partial", "exit"
    label: str = ""  # "take profit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A horizontal line from `since` on; a moved stop is several of them, one after the other."""

    since: datetime
    until: datetime | None  # None: to the right edge
    price: Decimal
    kind: str  # "entry", "stop", "target", "mark"


@dataclass(frozen=True, slots=True, kw_only=True)
class CandlesPicture:
    """A position's (or an instrument's) candles with entry, stop, target, partials and exits."""

    title: str
    every: timedelta  # length of a bar
    bars: tuple[Bar, ...]
    direction: Direction | None = None  # None: no position
    levels: tuple[Level, ...] = ()
    marks: tuple[Mark, ...] = ()
    foot: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One persona's record: how often it stood with the winning side, with a 95 % interval."""

    name: str
    n: int
    rate: float  # 0..1
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoresPicture:
    title: str
    scores: tuple[Score, ...]
    foot: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One limit and what of it is used, in the same unit."""

    name: str
    used: float
    limit: float
    text: str  # "1,200 of 6,000"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposurePicture:
    """Notional by position ("BTC long"), signed (short is negative), and each limit with its use."""

    title: str
    notionals: tuple[tuple[str, Decimal], ...]
    uses: tuple[Use, ...]
    foot: str = ""


Picture = EquityPicture | DaysPicture | CandlesPicture | ScoresPicture | ExposurePicture
