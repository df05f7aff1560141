"""Ballots that were written down before: a JSONL file, joined to the market by time.

One ballot a line, its time with a zone:

    {"at": "2024-05-01T00:00:00Z", "model": "qwen/qwen3-max", "symbol": "BTC/USDT:USDT", "signal": "BUY",
     "confidence": 0.8, "invalidation": 58000, "thesis": "...",
     "categories": {"market regime": {"verdict": "BULLISH", "reason": "..."}, ... all seven of them}}

`invalidation` may be missing or null where the signal is NONE. The lines may stand in any order.
"""

import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from trading.ballot import Ballot, Category, Judged, Mark, Signal
from trading.decision import MICRO
from trading.errors import BadBallots, NoEvidence
from trading.model import Symbol

_NAMED = 10  # bad lines: a file of another kind is nothing else

Name = Annotated[str, Field(min_length=1)]


class Asked(Protocol):
    """What is asked about; a snapshot is one."""

    @property
    def symbol(self) -> Symbol: ...

    @property
    def at(self) -> datetime: ...


class _Judgement(BaseModel):
    model_config = ConfigDict(extra="forbid")

    verdict: Mark
    reason: str


class _Line(BaseModel):
    """One line of the file."""

    model_config = ConfigDict(extra="forbid")

    at: AwareDatetime
    model: Name
    symbol: Name
    signal: Signal
    confidence: Annotated[Decimal, Field(ge=0, le=1)]
    invalidation: Decimal | None = None
    thesis: str
    categories: dict[Category, _Judgement]

    def ballot(self) -> Ballot:
        """Raises ValueError."""
        if missing := [c.value for c in Category if c not in self.categories]:
            raise ValueError(f"categories: missing {', '.join(missing)}")
        return Ballot(
            model=self.model,
            at=self.at.astimezone(UTC),
            signal=self.signal,
            confidence=int(self.confidence * MICRO),
            invalidation=self.invalidation,
            thesis=self.thesis,
            categories=tuple(_judged(c, self.categories[c].verdict, self.categories[c].reason) for c in Category),
        )


@lru_cache(maxsize=4096)
def _judged(category: Category, mark: Mark, reason: str) -> Judged:
    """One object for what is said over and over: a year of ballots is in memory at once."""
    return Judged(category=category, mark=mark, reason=reason)


class RecordedBallots:
    """Answers with the newest ballot of a model and instrument that is not after the moment asked about."""

    instant = True

    def __init__(self, ballots: Iterable[tuple[Symbol, Ballot]]) -> None:
        found: defaultdict[tuple[str, Symbol], list[Ballot]] = defaultdict(list)
        for symbol, ballot in ballots:
            found[ballot.model, symbol].append(ballot)
        self._ballots = {key: sorted(them, key=lambda b: b.at) for key, them in found.items()}
        self._times = {key: [b.at for b in them] for key, them in self._ballots.items()}

    @property
    def models(self) -> frozenset[str]:
        return frozenset(model for model, _ in self._ballots)

    async def ask(self, model: str, snapshot: Asked) -> Ballot:
        """Raises NoEvidence. How old it may be is the council's business."""
        key = model, snapshot.symbol
        place = bisect.bisect_right(self._times.get(key, ()), snapshot.at)
        if place == 0:
            raise NoEvidence("no ballot up to this moment")
        return self._ballots[key][place - 1]


def read_ballots(path: Path) -> RecordedBallots:
    """Raises BadBallots that names the bad lines with their numbers, the first of them where there are many."""
    found: dict[tuple[str, str, datetime], tuple[int, Ballot]] = {}
    faults: list[str] = []
    for number, text in _lines(path):
        try:
            line = _Line.model_validate_json(text)
            ballot = line.ballot()
            first, _ = found.setdefault((line.symbol, ballot.model, ballot.at), (number, ballot))
            if first != number:
                raise ValueError(f"{ballot.model} has voted on {line.symbol} at this moment in line {first} already")
        except ValueError as error:  # pydantic's own is one
            faults.append(f"  line {number}: {_words(error)}")
    if faults or not found:
        more = [f"  and {len(faults) - _NAMED} more lines"] if len(faults) > _NAMED else []
        raise BadBallots("\n".join((f"{path.name}:", *(faults[:_NAMED] or ["  no ballots in it"]), *more)))
    return RecordedBallots((Symbol(symbol), ballot) for (symbol, _, _), (_, ballot) in found.items())


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered from 1; empty ones are left out."""
    try:
        with path.open("rb") as file:
            yield from ((number, line) for number, line in enumerate(file, 1) if line.strip())
    except OSError as error:
        raise BadBallots(f"{path.name} cannot be read: {error}") from error


def _words(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(f"{'.'.join(str(p) for p in e['loc']) or 'the line'}: {e['msg']}" for e in error.errors())
