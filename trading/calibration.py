"""What a stated confidence has been worth: running sums over labelled calls, and the judge's own record by side. Pure.

Too few calls (under 100): the hit rate, pulled towards one half as by fifty calls of before, Beta(25, 25); whatever was
stated. From then on Platt's line (1999) in log-odds of the stated confidence, fitted with a prior that keeps it near
"worth a little less than stated". Its slope is never negative: who states more is never worth less.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from functools import lru_cache
from math import exp, log

from trading.decision import MICRO, Calibrated
from trading.model import Direction
from trading.performance import wilson

LABEL = "direction-1"  # right: the move in the call's direction, net of both taker fees, was above zero
ENOUGH = 30  # calls; under so many nothing is said
MANY = 100  # calls; from here on a line is fitted, and a calibration error means something
EDGES = (600_000, 700_000, 800_000, 900_000)  # millionths: the borders of the bins of confidence
KEPT = 12  # records of judges that are kept: one a model and side
_PRIOR = 25  # calls right, and as many wrong, that everybody begins with
_HUNDREDTH = MICRO // 100
_CLIP = Decimal("0.001")  # no confidence counts as surer than this
_SLOPE, _SLOPE_SPREAD = 0.8, 0.5  # of the prior
_INTERCEPT_SPREAD = 0.5  # around zero
_STEPS = 30
_PARTS = tuple(0.5**n for n in range(20))  # of a step
_DIGIT = Decimal("1e-6")
_FURTHEST = Decimal(50)  # in log-odds
_EXACT = Context(prec=28, rounding=ROUND_HALF_EVEN)


# --- sums ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Calls of about one confidence."""

    n: int = 0
    right: int = 0
    stated: int = 0  # sum of confidences, millionths

    @property
    def interval(self) -> tuple[float, float]:
        """Of being right, 95 %."""
        return wilson(self.right, self.n)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Exact sums over labelled calls: what is asked of them takes the same time after ten calls as after a million."""

    n: int = 0
    right: int = 0
    stated: int = 0  # sum of confidences, millionths
    squares: int = 0  # sum of (confidence - outcome) squared, millionths squared
    bins: tuple[Bin, ...] = (Bin(),) * (len(EDGES) + 1)  # by confidence, rising

    def plus(self, confidence: int, right: bool) -> "Sums":
        return added((self, in_one_bin(place(confidence), 1, right, confidence, squared(confidence, right))))

    @property
    def interval(self) -> tuple[float, float]:
        """Of being right, 95 %."""
        return wilson(self.right, self.n)

    @property
    def brier(self) -> float | None:
        """Mean squared error of the confidence (Brier 1950); None without a call."""
        return self.squares / self.n / MICRO**2 if self.n else None

    @property
    def skill(self) -> float | None:
        """1 - Brier / the Brier score of always stating the base rate. None where all came out the same."""
        base = self.right * (self.n - self.right)
        return 1 - self.squares / MICRO**2 * self.n / base if base else None

    @property
    def error(self) -> float | None:
        """Expected calibration error over the bins; None under MANY calls, where it is mostly noise."""
        if self.n < MANY:
            return None
        return sum(abs(b.right - b.stated / MICRO) for b in self.bins) / self.n


def place(confidence: int) -> int:
    """Of its bin, from 0."""
    return sum(confidence >= edge for edge in EDGES)


def squared(confidence: int, right: bool) -> int:
    """The squared error of a confidence, millionths squared."""
    return (confidence - MICRO * right) ** 2


def in_one_bin(at: int, n: int, right: int, stated: int, squares: int) -> Sums:
    """The sums of calls that are all of one bin."""
    bins = [Bin()] * (len(EDGES) + 1)
    bins[at] = Bin(n=n, right=right, stated=stated)
    return Sums(n=n, right=right, stated=stated, squares=squares, bins=tuple(bins))


def added(parts: Iterable[Sums]) -> Sums:
    """All of them as one."""
    found = tuple(parts)
    columns = zip(*(part.bins for part in found), strict=True) if found else ((),) * (len(EDGES) + 1)
    return Sums(
        n=sum(p.n for p in found),
        right=sum(p.right for p in found),
        stated=sum(p.stated for p in found),
        squares=sum(p.squares for p in found),
        bins=tuple(
            Bin(n=sum(b.n for b in bins), right=sum(b.right for b in bins), stated=sum(b.stated for b in bins))
            for bins in columns
        ),
    )


# --- the judge's record --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Labelled calls at one hundredth of stated confidence."""

    at: int  # hundredths
    n: int
    right: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationRecord:
    """Of one judge on one side: all that its calibration is computed from."""

    model: str  # "" for a judge that is arithmetic
    direction: Direction
    cells: tuple[Cell, ...] = ()  # rising, none without a call

    @property
    def n(self) -> int:
        return sum(cell.n for cell in self.cells)

    @property
    def right(self) -> int:
        return sum(cell.right for cell in self.cells)

    @property
    def log_loss(self) -> float | None:
        """Mean surprise in nats, confidences clipped to 0.001 .. 0.999; None without a call."""
        if not self.cells:
            return None
        lost = sum(c.right * log(_clipped(c)) + (c.n - c.right) * log(1 - _clipped(c)) for c in self.cells)
        return -lost / self.n

    def plus(self, stated: int, right: bool) -> "CalibrationRecord":
        at = (stated + _HUNDREDTH // 2) // _HUNDREDTH
        cells = {cell.at: cell for cell in self.cells}
        before = cells.get(at, Cell(at=at, n=0, right=0))
        cells[at] = Cell(at=at, n=before.n + 1, right=before.right + right)
        return replace(self, cells=tuple(cells[key] for key in sorted(cells)))


def record_of(records: Sequence[CalibrationRecord], model: str, direction: Direction) -> CalibrationRecord:
    """An empty one where there is none."""
    found = (r for r in records if (r.model, r.direction) == (model, direction))
    return next(found, CalibrationRecord(model=model, direction=direction))


def labelled(
    records: Sequence[CalibrationRecord], model: str, direction: Direction, *, stated: int, right: bool
) -> tuple[CalibrationRecord, ...]:
    """With one more call; the record that grew comes last, those that have not for longest are let go."""
    grown = record_of(records, model, direction).plus(stated, right)
    rest = [r for r in records if (r.model, r.direction) != (model, direction)]
    return (*rest, grown)[-KEPT:]


# --- calibrating ----------------------------------------------------------------------------------------------------


def calibrated(stated: int, record: CalibrationRecord) -> Calibrated | None:
    """What a confidence (millionths) is worth by its record; None: not enough is known."""
    return estimate(stated, record) if record.n >= ENOUGH else None


def estimate(stated: int, record: CalibrationRecord) -> Calibrated:
    """Likewise, however little is known: one half before the first call."""
    n, right = record.n, record.right
    if n < MANY:
        found = Calibrated(value=0, version=f"{LABEL} shrunk", n=n, right=right)
    else:
        slope, intercept = _line(record)
        found = Calibrated(value=0, version=f"{LABEL} platt", n=n, right=right, slope=slope, intercept=intercept)
    return replace(found, value=worth(stated, found))


def worth(stated: int, by: Calibrated) -> int:
    """The value (millionths) of a stated confidence, from what a record holds of its calibration and nothing else. In
    decimal arithmetic: the same digits on every machine."""
    if by.slope is None or by.intercept is None:
        return (MICRO * (by.right + _PRIOR) + (by.n + 2 * _PRIOR) // 2) // (by.n + 2 * _PRIOR)
    with localcontext(_EXACT):
        p = min(max(Decimal(stated) / MICRO, _CLIP), 1 - _CLIP)
        z = min(max(by.slope * (p / (1 - p)).ln() + by.intercept, -_FURTHEST), _FURTHEST)
        return int((MICRO / (1 + (-z).exp())).to_integral_value())


@lru_cache(maxsize=4 * KEPT)
def _line(record: CalibrationRecord) -> tuple[Decimal, Decimal]:
    """Slope and intercept, to a millionth."""
    points = tuple((_log_odds(cell), cell.n, cell.right) for cell in record.cells)
    slope, intercept = _fitted(points, _SLOPE, free=True)
    if slope < 0:
        slope, intercept = _fitted(points, 0.0, free=False)
    return Decimal(slope).quantize(_DIGIT), Decimal(intercept).quantize(_DIGIT)


Points = tuple[tuple[float, int, int], ...]  # (log-odds stated, calls, right)


def _fitted(points: Points, slope: float, *, free: bool) -> tuple[float, float]:
    """Newton's steps towards the likeliest line under the prior, each halved until it leads there. `free`: the
    slope is fitted too."""
    intercept = 0.0
    cost = _cost(points, slope, intercept)
    for _ in range(_STEPS):
        by_slope, by_intercept = _newton(points, slope, intercept, free=free)
        steps = ((slope - part * by_slope, intercept - part * by_intercept) for part in _PARTS)
        found = next((at for at in steps if _cost(points, *at) < cost), None)
        if found is None:
            break
        slope, intercept = found
        cost = _cost(points, slope, intercept)
    return slope, intercept


def _newton(points: Points, slope: float, intercept: float, *, free: bool) -> tuple[float, float]:
    by_slope = (slope - _SLOPE) / _SLOPE_SPREAD**2
    by_intercept = intercept / _INTERCEPT_SPREAD**2
    aa, ab, bb = 1 / _SLOPE_SPREAD**2, 0.0, 1 / _INTERCEPT_SPREAD**2
    for x, n, right in points:
        p = _logistic(slope * x + intercept)
        miss, weight = n * p - right, n * p * (1 - p)
        by_slope, by_intercept = by_slope + miss * x, by_intercept + miss
        aa, ab, bb = aa + weight * x * x, ab + weight * x, bb + weight
    if not free:
        return 0.0, by_intercept / bb
    area = aa * bb - ab * ab  # above zero: the prior alone sees to it
    return (bb * by_slope - ab * by_intercept) / area, (aa * by_intercept - ab * by_slope) / area


def _cost(points: Points, slope: float, intercept: float) -> float:
    prior = ((slope - _SLOPE) / _SLOPE_SPREAD) ** 2 / 2 + (intercept / _INTERCEPT_SPREAD) ** 2 / 2
    return prior + sum(n * _softplus(z := slope * x + intercept) - right * z for x, n, right in points)


def _softplus(z: float) -> float:
    return max(z, 0.0) + log(1 + exp(-abs(z)))


def _logistic(z: float) -> float:
    return 1 / (1 + exp(-z)) if z >= 0 else exp(z) / (1 + exp(z))


def _clipped(cell: Cell) -> float:
    return min(max(cell.at / 100, float(_CLIP)), 1 - float(_CLIP))


def _log_odds(cell: Cell) -> float:
    p = _clipped(cell)
    return log(p / (1 - p))
