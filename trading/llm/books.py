"""What models have cost, by hour, day, month, decision and model: running sums, settled and reserved apart. Pure."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from trading.spending import WORDS, ModelCost, Paid

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DECISION, WORDED = "decision", "words"
ZERO = Decimal(0)
KEPT = 500  # lines that are at hand to be shown

Place = tuple[str, ...]  # ("day", "2026-11-20"), ("decision", "btc-k3f9x2pa"), ...


def purpose_of(purpose: str) -> str:
    """ "sentiment" of "sentiment extract": what the ladder ranks."""
    return purpose.partition(" ")[0]


@dataclass(slots=True, kw_only=True, eq=False)
class Line:
    """One exchange in the books."""

    at: datetime
    about: str
    purpose: str
    model: str
    cost: Decimal  # the reservation until it is settled
    settled: bool = False


@dataclass(slots=True)
class Sum:
    at: datetime  # of its newest line
    settled: Decimal = ZERO
    reserved: Decimal = ZERO
    calls: int = 0

    @property
    def all(self) -> Decimal:
        return self.settled + self.reserved


class Books:
    """Lines come in about the order of their time. What is older than a month is forgotten."""

    def __init__(self) -> None:
        self._sums: dict[Place, Sum] = {}
        self._recent: deque[Line] = deque()  # of the last hour, and some more
        self._last: deque[Line] = deque(maxlen=KEPT)

    def add(self, line: Line) -> None:
        self._recent.append(line)
        self._last.append(line)
        while self._recent[0].at <= line.at - 2 * HOUR:  # not at once: the clock may be put back
            self._recent.popleft()
        for place in _places(line):
            found = self._sums.setdefault(place, Sum(line.at))
            found.at = max(found.at, line.at)
            found.calls += 1
            _put(found, line, line.cost)

    def settle(self, line: Line, cost: Decimal) -> None:
        """What it came to takes the place of what was set aside for it."""
        self._count(line, -line.cost)
        line.cost, line.settled = cost, True
        self._count(line, cost)

    def drop(self, line: Line) -> None:
        """It never was."""
        for lines in (self._recent, self._last):
            if line in lines:
                lines.remove(line)
        for found in self._there(line):
            found.calls -= 1
        self._count(line, -line.cost)

    def used(self, cap: str, key: str, now: datetime) -> Sum:
        """Of a "decision" by its name; of the "hour", "day", "month" and "words" of `now`."""
        if cap == "hour":
            return self._last_hour(now)
        days = {"month": f"{now:%Y-%m}", DECISION: key}
        return self._sums.get((cap, days.get(cap, f"{now:%Y-%m-%d}")), Sum(now))

    def costs(self, now: datetime) -> tuple[ModelCost, ...]:
        """Of this month, the dearest first."""
        month = f"{now:%Y-%m}"
        found = [
            ModelCost(model=place[2], purpose=place[3], calls=each.calls, cost=each.all)
            for place, each in self._sums.items()
            if place[:2] == ("model", month) and each.calls
        ]
        return tuple(sorted(found, key=lambda c: (-c.cost, c.model, c.purpose)))

    def last(self) -> tuple[Paid, ...]:
        """The newest first."""
        return tuple(map(_paid, reversed(self._last)))

    def forget(self, now: datetime) -> None:
        """What no cap looks at any more."""
        month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        since = min(month, now - DAY)
        self._sums = {place: found for place, found in self._sums.items() if found.at >= since}

    def _last_hour(self, now: datetime) -> Sum:
        found, since = Sum(now), now - HOUR
        for line in self._recent:
            if line.at > since:
                _put(found, line, line.cost)
        return found

    def _count(self, line: Line, cost: Decimal) -> None:
        for found in self._there(line):
            _put(found, line, cost)

    def _there(self, line: Line) -> Iterator[Sum]:
        """Those of its sums that are not forgotten yet."""
        return (self._sums[place] for place in _places(line) if place in self._sums)


def _put(found: Sum, line: Line, cost: Decimal) -> None:
    if line.settled:
        found.settled += cost
    else:
        found.reserved += cost


def _places(line: Line) -> Sequence[Place]:
    day, month = f"{line.at:%Y-%m-%d}", f"{line.at:%Y-%m}"
    places: list[Place] = [("day", day), ("month", month), (DECISION, line.about)]
    places.append(("model", month, line.model, line.purpose))
    if purpose_of(line.purpose) in WORDS:
        places.append((WORDED, day))
    return places


def _paid(line: Line) -> Paid:
    return Paid(
        at=line.at,
        about=line.about,
        purpose=line.purpose,
        model=line.model,
        cost=line.cost,
        settled=line.settled,
    )
