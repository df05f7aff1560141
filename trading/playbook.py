"""A playbook is data: panel, judge, sizing, limits, exits, schedule, phases. Here is its schema."""

import difflib
import hashlib
import itertools
import re
import tomllib
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from trading.errors import BadPlaybook
from trading.model import ExitPlan, require_utc

SHIPPED = Path(__file__).parent / "playbooks"
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


class Playbook(Part):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,29}$")
    title: str
    quote: str = "USDT"
    universe: tuple[str, ...] = Field(min_length=1)
    tier1: tuple[str, ...] = ("BTC", "ETH")
    panel: dict[str, Seat] = Field(min_length=1)
    judge: JudgePolicy = JudgePolicy()
    sizing: Sizing = Sizing()
    limits: Limits = Limits()
    exits: Exits = Exits()
    schedule: Schedule = Schedule()
    phases: tuple[Phase, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        unknown = [name for name in self.panel if name not in PERSONAS]
        if unknown:
            raise ValueError(f"panel.{unknown[0]}: no such persona{_nearest(unknown[0], PERSONAS)}")
        names = [p.name for p in self.phases]
        if len(set(names)) != len(names):
            raise ValueError("phases: a name stands twice")
        if self.sizing.leverage > self.limits.max_leverage:
            raise ValueError("sizing.leverage is above limits.max_leverage")
        dated = sorted((p.starts, p.ends, p.name) for p in self.phases if p.starts and p.ends)
        for (_, ends, a), (starts, _, b) in itertools.pairwise(dated):
            if starts < ends:
                raise ValueError(f"phases: {a} and {b} overlap")
        return self

    @cached_property
    def hash(self) -> str:
        """Names the exact settings a decision was made under."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    def tier(self, base: str) -> int:
        return 1 if base in self.tier1 else 2

    def seats(self, base: str) -> dict[str, Seat]:
        """The personas that exist for this instrument."""
        return {n: s for n, s in self.panel.items() if s.enabled and self.tier(base) in s.tiers}

    def phase_named(self, name: str) -> Phase | None:
        return next((p for p in self.phases if p.name == name), None)

    def phase_at(self, now: datetime) -> Phase | None:
        return next((p for p in self.phases if p.starts and p.ends and p.starts <= now < p.ends), None)

    def exits_in(self, phase: Phase | None) -> Exits:
        if phase is None:
            return self.exits
        changed = {k: v for k in ("take_profit", "stop_loss", "max_hold") if (v := getattr(phase, k)) is not None}
        return self.exits.model_copy(update=changed)

    def max_positions_in(self, phase: Phase | None) -> int:
        return self.limits.max_positions if phase is None or phase.max_positions is None else phase.max_positions


PERSONAS = ("whale", "sentiment", "flow", "technical", "sigma", "council")


def _nearest(word: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"


def _part_at(path: tuple[int | str, ...]) -> Mapping[str, Any]:
    """The fields known at a place of the schema."""
    fields: Mapping[str, Any] = Playbook.model_fields
    inner: dict[str, type[Part]] = {
        "panel": Seat, "judge": JudgePolicy, "sizing": Sizing, "limits": Limits,
        "exits": Exits, "schedule": Schedule, "phases": Phase, "steps": Step,
    }  # fmt: skip
    for key in path:
        if isinstance(key, str) and key in inner:
            fields = inner[key].model_fields
    return fields


def _fault(error: Any) -> str:
    path = tuple(error["loc"])
    where = ".".join(str(p) for p in path) or "the file"
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown key{_nearest(str(path[-1]), _part_at(path[:-1]))}"
    if error["type"] == "missing":
        return f"{where}: missing"
    return f"{where}: {error['msg'].removeprefix('Value error, ')} (found {error['input']!r})"


def parse(text: str, *, origin: str) -> Playbook:
    """Raises BadPlaybook that names every fault: key, what was expected, nearest known key."""
    try:
        return Playbook.model_validate(tomllib.loads(text, parse_float=Decimal))
    except tomllib.TOMLDecodeError as error:
        raise BadPlaybook(f"{origin}: not TOML: {error}") from error
    except ValidationError as error:
        faults = "\n".join(f"  {_fault(e)}" for e in error.errors())
        raise BadPlaybook(f"{origin}:\n{faults}") from error


def available() -> tuple[str, ...]:
    return tuple(sorted(p.stem for p in SHIPPED.glob("*.toml")))


def load(name_or_file: str) -> Playbook:
    """A shipped playbook by name, or any file ending in .toml."""
    path = Path(name_or_file) if name_or_file.endswith(".toml") else SHIPPED / f"{name_or_file}.toml"
    if not path.is_file():
        raise BadPlaybook(f"no playbook {name_or_file!r}{_nearest(name_or_file, available())}")
    return parse(path.read_text(), origin=str(path.name))
