"""What closed trades came to over a window, from their running sums: figures, groups, returns by day. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from storage.sums import UNKNOWN
from storage.tallies import Curve, Tally
from trading.model import ZERO
from trading.performance import wilson

WINDOWS = ("today", "7d", "30d", "all")
PERIODS = ("day", "week", "month")
GROUPS = (*PERIODS, "pair", "persona", "exit", "playbook")
NOTHING = Tally(key="", trades=0, wins=0, gross=ZERO, fees=ZERO, funding=ZERO, won=ZERO, lost=ZERO, r=ZERO)
_DAY = timedelta(days=1)


def since(window: str, now: datetime) -> datetime | None:
    """The UTC midnight at which a window begins; "7d" is today and the six days before. None: there is no border."""
    if window == "all":
        return None
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if window == "today" else midnight - (int(window.removesuffix("d")) - 1) * _DAY


def dimension(group: str) -> str:
    """What is to be asked for: weeks and months are made of days."""
    return "day" if group in PERIODS else group


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What is undefined is None."""

    window: str
    total: Tally
    pairs: tuple[Tally, ...]
    curve: Curve
    now: datetime

    @property
    def equity(self) -> Decimal:
        """By the closed trades."""
        return self.curve.start + self.total.net

    @property
    def roi(self) -> Decimal | None:
        """Of the equity that the window began with."""
        return self.total.net / self.curve.start if self.curve.start > 0 else None

    @property
    def best(self) -> Tally | None:
        return max(self.pairs, key=lambda pair: pair.net, default=None)

    @property
    def worst(self) -> Tally | None:
        """None where it would be the best."""
        return min(self.pairs, key=lambda pair: pair.net) if len(self.pairs) > 1 else None

    @property
    def returns(self) -> tuple[Decimal, ...]:
        """Of each UTC day from the first that closed a trade until now, days without a trade included."""
        return returns(self.curve, self.now.date())


def win_rate(of: Tally) -> Decimal | None:
    return Decimal(of.wins) / of.trades if of.trades else None


def expectancy(of: Tally) -> Decimal | None:
    return of.net / of.trades if of.trades else None


def average_r(of: Tally) -> Decimal | None:
    return of.r / of.trades if of.trades else None


def profit_factor(of: Tally) -> Decimal | None:
    """None without losses."""
    return of.won / -of.lost if of.lost else None


def returns(curve: Curve, until: date) -> tuple[Decimal, ...]:
    if not curve.points:
        return ()
    ends = [curve.start, *(point.equity for point in curve.points)]
    made = {p.day: (b - a) / a if a > 0 else ZERO for p, (a, b) in zip(curve.points, pairwise(ends), strict=True)}
    first = curve.points[0].day
    return tuple(made.get(first + n * _DAY, ZERO) for n in range((until - first).days + 1))


# --- groups -------------------------------------------------------------------------------------------------------


def added(key: str, tallies: Iterable[Tally]) -> Tally:
    parts = tuple(tallies)
    return Tally(
        key=key,
        trades=sum(t.trades for t in parts),
        wins=sum(t.wins for t in parts),
        gross=sum((t.gross for t in parts), ZERO),
        fees=sum((t.fees for t in parts), ZERO),
        funding=sum((t.funding for t in parts), ZERO),
        won=sum((t.won for t in parts), ZERO),
        lost=sum((t.lost for t in parts), ZERO),
        r=sum((t.r for t in parts), ZERO),
    )


def grouped(tallies: Sequence[Tally], group: str) -> tuple[Tally, ...]:
    """Periods newest first, personas by name, all else by its net, the best first."""
    if group == "day":
        return tuple(sorted(tallies, key=lambda t: t.key, reverse=True))
    if group in PERIODS:
        parts: dict[str, list[Tally]] = defaultdict(list)
        for tally in tallies:
            parts[period(tally.key, group)].append(tally)
        return tuple(added(key, parts[key]) for key in sorted(parts, reverse=True))
    if group == "persona":
        return tuple(sorted(tallies, key=lambda t: (t.key == UNKNOWN, t.key)))
    return tuple(sorted(tallies, key=lambda t: (-t.net, t.key)))


def period(day: str, group: str) -> str:
    """The ISO week "2026-W02", or the month "2026-01"."""
    match group:
        case "week":
            year, week, _ = date.fromisoformat(day).isocalendar()
            return f"{year}-W{week:02}"
        case _:
            return day[: len("2026-01")]


# --- personas -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Where one persona stood in trades that are closed. It is right with a winner, and against a loser."""

    name: str
    stood: Tally  # with the trade
    against: Tally
    neutral: Tally
    abstained: Tally

    @property
    def n(self) -> int:
        return self.stood.trades + self.against.trades

    @property
    def right(self) -> int:
        return self.stood.wins + self.against.trades - self.against.wins

    @property
    def interval(self) -> tuple[float, float]:
        """95 %."""
        return wilson(self.right, self.n)


def scoreboard(tallies: Sequence[Tally]) -> tuple[Record, ...]:
    """Of the dimension "persona"; the most often right first, those without a record last."""
    found: dict[str, dict[str, Tally]] = defaultdict(dict)
    for tally in tallies:
        name, _, relation = tally.key.rpartition(" ")
        if name:
            found[name][relation] = tally
    records = (
        Record(
            name=name,
            stood=parts.get("with", NOTHING),
            against=parts.get("against", NOTHING),
            neutral=parts.get("neutral", NOTHING),
            abstained=parts.get("abstained", NOTHING),
        )
        for name, parts in found.items()
    )
    return tuple(sorted(records, key=lambda r: (not r.n, -(r.right / r.n if r.n else 0), r.name)))
