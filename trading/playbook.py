"""A playbook is data: panel, judge, sizing, limits, exits, schedule, phases. Its parts are in policies.py."""

import hashlib
import itertools
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pydantic import Field, TypeAdapter, model_validator

from trading.errors import BadPlaybook
from trading.faults import Fault, faults, nearest
from trading.policies import (
    Base,
    Exits,
    JudgePolicy,
    Keys,
    Limits,
    Part,
    Phase,
    Quorum,
    Schedule,
    Seat,
    Sizing,
    SizingMethod,
    Step,
    ValidationPolicy,
    agreed,
    parse_span,
    span_text,
)
from trading.risk_policies import BreakerPolicy, ExpectancyPolicy, HealthPolicy, PortfolioLimits, RegimePolicy
from trading.schema import Hint, hint_at
from trading.schema import Path as Place

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
    "SizingMethod",
    "Step",
    "parse_span",
    "span_text",
]

SHIPPED = Path(__file__).parent / "playbooks"
CHAIN_ASSET = "ETH"  # whose large holders WHALE reads


class Playbook(Part):
    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9.-]{0,29}$", description="a name of small letters, digits, dots and -, 30 at most"
    )
    title: str
    quote: Base = "USDT"
    universe: tuple[Base, ...] = Field(min_length=1)
    tier1: tuple[Base, ...] = ("BTC", "ETH")
    panel: dict[str, Seat] = Field(min_length=1)
    judge: JudgePolicy = JudgePolicy()
    validation: ValidationPolicy | None = None
    sizing: Sizing = Sizing()
    limits: Limits = Limits()
    exits: Exits = Exits()
    schedule: Schedule = Schedule()
    phases: tuple[Phase, ...] = ()
    regime: RegimePolicy = RegimePolicy()
    expectancy: ExpectancyPolicy | None = None  # a part that is left out does not exist
    portfolio: PortfolioLimits | None = None
    breaker: BreakerPolicy = BreakerPolicy()  # this one always does
    health: HealthPolicy | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [p.name for p in self.phases]
        most, allowed = self.sizing.leverage, self.limits.max_leverage
        by_trades, rebalancing = self.sizing.method is SizingMethod.EXPECTANCY, self.exits.rebalance is not None
        return agreed(
            self,
            *((n not in PERSONAS, (("panel", n),), f"no such persona{nearest(n, PERSONAS)}") for n in self.panel),
            *((bool(words), f"panel.council.{key}", words) for key, words in self._council()),
            (len(set(self.universe)) != len(self.universe), "universe", "an asset stands twice"),
            *(
                (name in names[:n], (("phases", n, "name"),), f"the name {name} stands twice")
                for n, name in enumerate(names)
            ),
            *((True, keys, words) for keys, words in self._overlaps()),
            (
                most > allowed,
                "sizing.leverage limits.max_leverage",
                f"{most} is above limits.max_leverage ({allowed})",
            ),
            (
                by_trades and self.expectancy is None,
                "sizing.method expectancy",
                "expectancy needs an [expectancy] part, and there is none",
            ),
            (
                rebalancing and self.portfolio is None,
                "exits.rebalance portfolio",
                "needs the budget of a [portfolio] part, and there is none",
            ),
        )

    def _council(self) -> Iterator[tuple[str, str]]:
        seat = self.panel.get("council")
        if seat is not None and seat.models and seat.agree > len(set(seat.models)):
            yield "agree", f"{seat.agree} is more than there are models ({len(set(seat.models))})"

    def _overlaps(self) -> Iterator[tuple[Keys, str]]:
        dated = sorted((p.starts, p.ends, n, p.name) for n, p in enumerate(self.phases) if p.starts and p.ends)
        for (_, ends, m, first), (starts, _, n, second) in itertools.pairwise(dated):
            if starts < ends:
                yield (("phases", n, "starts"), ("phases", m, "ends")), f"{first} and {second} overlap"

    @cached_property
    def text(self) -> str:
        """All of it on one line, as the journal keeps it; `recalled` reads it."""
        return self.model_dump_json()

    @cached_property
    def hash(self) -> str:
        """Names the exact settings a decision was made under."""
        return hash_of(self.text)

    def amended(self, overrides: Mapping[str, str]) -> Self:
        """With single values changed: dotted key ("phases.final.max_hold") -> value as text ("6h", "3", "0.02", "2%").

        Raises BadPlaybook that names each key that is unknown, and each value that does not fit.
        """
        if not overrides:
            return self
        data = self.model_dump()
        for key, text in overrides.items():
            table, path = _table_of(data, key)
            table[path[-1]] = _value(text, _hint(path))
        self._refuse(data)
        return type(self).model_validate(data)

    def require(self, key: str) -> Hint:
        """What may stand at a place. Raises BadPlaybook, which names the nearest key, where there is no such place."""
        _, path = _table_of(self._data, key)
        hint = _hint(path)
        if hint is None:
            self.amended({key: "?"})  # raises
            raise BadPlaybook(f"{key}: there is none")
        return hint

    @cached_property
    def _data(self) -> dict[str, Any]:
        """Never changed where it stands."""
        return self.model_dump()

    def _refuse(self, data: dict[str, Any]) -> None:
        found = [replace(fault, path=_by_name(fault.path, data)) for fault in faults(type(self), data, _INSTEAD)]
        if found:
            raise BadPlaybook("\n".join(str(fault) for fault in found))

    def tier(self, base: str) -> int:
        return 1 if base in self.tier1 else 2

    def seats(self, base: str) -> dict[str, Seat]:
        """The personas that exist for this instrument. WHALE reads ETH; who borrows its view does so at half weight."""
        here = {n: s for n, s in self.panel.items() if s.enabled and self.tier(base) in s.tiers}
        whale = here.get("whale")
        if whale is None or base == CHAIN_ASSET:
            return here
        if base not in whale.correlated:
            return {n: s for n, s in here.items() if n != "whale"}
        return {**here, "whale": whale.model_copy(update={"weight": whale.weight / 2})}

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


# --- single values ----------------------------------------------------------------------------------------------------


def _value(text: str, hint: Hint | None) -> Any:
    """A value as a file would have it: a number, a time, a truth; anything else is text ("6h"). "2%" is 0.02.

    Where the schema knows what is wanted, it may also stand as it is shown: "yes", "none", "BTC, ETH".
    """
    kind = hint.kind if hint else None
    if hint and hint.origin is tuple and not text.startswith("["):
        text = "" if text.lower() == "none" else text
        return [_value(item.strip(), hint.inner(n)) for n, item in enumerate(text.split(",")) if item.strip()]
    if kind is str and not text.startswith('"'):
        return text
    if kind is bool and text.lower() in _TRUTHS:
        return _TRUTHS[text.lower()]
    if text.lower() == "none":
        return None
    if re.fullmatch(r"-?\d+(\.\d+)?%", text):
        return Decimal(text[:-1]) / 100
    try:
        return tomllib.loads(f"value = {text}", parse_float=Decimal)["value"]
    except (tomllib.TOMLDecodeError, KeyError):
        return text


_TRUTHS = {"yes": True, "on": True, "no": False, "off": False}


def _table_of(data: Any, key: str) -> tuple[dict[Any, Any], Place]:
    """The table that a key stands in, and its place in the schema. Raises BadPlaybook where there is no such table; an
    unknown last part is left to the schema to refuse."""
    *way, last = key.split(".")
    path: list[str | int] = []
    for n, part in enumerate(way):
        step = _step(data, part)
        if step is None:
            known = tuple(_names(data))
            raise BadPlaybook(f"{'.'.join(way[: n + 1])}: there is none{nearest(part, known) if known else ''}")
        path.append(step)
        data = data[step]
    if not isinstance(data, dict):
        raise BadPlaybook(f"{key}: there is none; known: {', '.join(_names(data))}")
    return data, (*path, last)


def _step(data: Any, part: str) -> str | int | None:
    """The key, or the number, of a table or of several tables under a name; None when there is none."""
    if isinstance(data, dict):
        found, step = data.get(part), part
        return step if isinstance(found, dict) or (isinstance(found, tuple | list) and _names(found)) else None
    return next((n for n, name in enumerate(_names(data)) if name == part), None)


def _names(data: Any) -> list[str]:
    """Of what is in a table, or of several tables: those without a name of their own are numbered from 1."""
    if isinstance(data, dict):
        return list(data)
    return [d.get("name", str(n)) for n, d in enumerate(data, 1) if isinstance(d, dict)]


def _hint(path: Place) -> Hint | None:
    """What the schema has at a place; None where it knows of none."""
    try:
        return hint_at(Playbook, path)
    except KeyError:
        return None


def _by_name(path: Place, data: Any) -> Place:
    """A fault's place with the names of tables instead of their numbers."""
    found: list[int | str] = []
    for part in path:
        data = data[part] if (isinstance(data, dict) and part in data) or isinstance(part, int) else None
        numbered = isinstance(part, int) and isinstance(data, dict)
        found.append(data.get("name", int(part) + 1) if numbered else part)
    return tuple(found)


# --- as the journal keeps it ------------------------------------------------------------------------------------------


def hash_of(text: str) -> str:
    """The hash of the playbook whose `text` this is."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def recalled(text: str) -> Playbook:
    """The inverse of `Playbook.text`. What the schema has learnt since has its default. Raises BadPlaybook."""
    try:
        return Playbook.model_validate(_plain(json.loads(text), Hint(kind=Playbook)))
    except (ValueError, KeyError, TypeError) as error:  # pydantic's own is a ValueError
        raise BadPlaybook(f"settings of the journal that do not fit any more: {type(error).__name__}") from error


def _plain(value: Any, hint: Hint) -> Any:
    """Times and lengths of time as what they are: JSON has only text for them."""
    match value:
        case dict():
            return {key: _plain(item, hint.inner(key)) for key, item in value.items()}
        case list():
            return [_plain(item, hint.inner(n)) for n, item in enumerate(value)]
        case str() if hint.kind is timedelta:
            return _SPAN.validate_python(value)
        case str() if hint.kind is datetime:
            return datetime.fromisoformat(value)
    return value


_SPAN = TypeAdapter(timedelta)


# --- files ------------------------------------------------------------------------------------------------------------


def parse(text: str, *, origin: str) -> Playbook:
    """Raises BadPlaybook that names every fault: key, what was expected, nearest known key."""
    try:
        data = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise BadPlaybook(f"{origin}: not TOML: {error}") from error
    _refuse(origin, faults(Playbook, data, _INSTEAD))
    return Playbook.model_validate(data)


# What stands in for a key that must be there and does not fit, while the rest of the file is looked at.
_INSTEAD = {"name": "x", "title": "x", "universe": ["BTC"], "panel": {"technical": {"weight": 1}}}


def _refuse(origin: str, found: Sequence[Fault]) -> None:
    if found:
        raise BadPlaybook("\n".join((f"{origin}:", *(f"  {fault}" for fault in found))))


def available() -> tuple[str, ...]:
    return tuple(sorted(p.stem for p in SHIPPED.glob("*.toml")))


def load(name_or_file: str) -> Playbook:
    """A shipped playbook by name, or any file ending in .toml."""
    path = Path(name_or_file) if name_or_file.endswith(".toml") else SHIPPED / f"{name_or_file}.toml"
    if not path.is_file():
        raise BadPlaybook(f"no playbook {name_or_file!r}{nearest(name_or_file, available())}")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadPlaybook(f"{path.name} cannot be read: {error}") from error
    return parse(text, origin=path.name)
