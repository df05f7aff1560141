"""A playbook is data: panel, judge, sizing, limits, exits, schedule, phases. Its parts are in policies.py."""

import difflib
import hashlib
import itertools
import tomllib
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from trading.errors import BadPlaybook
from trading.policies import (
    Exits,
    JudgePolicy,
    Limits,
    Part,
    Phase,
    Quorum,
    Schedule,
    Seat,
    Sizing,
    Step,
    parse_span,
    span_text,
)

__all__ = [
    "Exits",
    "JudgePolicy",
    "Limits",
    "Phase",
    "Playbook",
    "Quorum",
    "Schedule",
    "Seat",
    "Sizing",
    "Step",
    "parse_span",
    "span_text",
]

SHIPPED = Path(__file__).parent / "playbooks"


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
