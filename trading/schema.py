"""Types and ranges of a settings schema in words: what a person may write at a place, and what he has written there."""

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from trading.policies import span_text

Path = tuple[str | int, ...]
_LONG = 60  # characters of a value that are worth quoting


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """A place of the schema: its type without what only qualifies it, and what qualifies it."""

    kind: Any
    bounds: tuple[Any, ...] = ()
    description: str = ""
    optional: bool = False  # it may be left out, or set to nothing

    @property
    def origin(self) -> Any:
        return get_origin(self.kind)

    @property
    def model(self) -> type[BaseModel] | None:
        return self.kind if isinstance(self.kind, type) and issubclass(self.kind, BaseModel) else None

    @property
    def length(self) -> int | None:
        """Of a list of fixed length."""
        args = get_args(self.kind)
        return None if self.origin is not tuple or Ellipsis in args else len(args)

    def inner(self, part: str | int) -> "Hint":
        """What is under a key or number of it. Raises KeyError where nothing can be."""
        if self.model is not None:
            return hint_of(self.model.model_fields[str(part)])
        args = get_args(self.kind)
        if self.origin is dict:
            return hint_of(args[1])
        return hint_of(args[0 if self.length is None else int(part)])

    def bound(self, kind: type, name: str) -> Any:
        return next((getattr(b, name) for b in self.bounds if isinstance(b, kind)), None)


def hint_of(hint: Any) -> Hint:
    """Of a field, or of a type hint."""
    bounds: list[Any] = []
    description, optional = "", False
    while True:
        if isinstance(hint, FieldInfo):
            bounds += hint.metadata
            description = description or hint.description or ""
            hint = hint.annotation
        elif get_origin(hint) is Annotated:
            hint, *more = get_args(hint)
            for info in more:
                bounds += info.metadata if isinstance(info, FieldInfo) else [info]
                description = description or (info.description or "" if isinstance(info, FieldInfo) else "")
        elif get_origin(hint) in (Union, types.UnionType):
            (hint,) = (member for member in get_args(hint) if member is not types.NoneType)
            optional = True
        else:
            return Hint(kind=hint, bounds=tuple(bounds), description=description, optional=optional)


@lru_cache(maxsize=2048)
def hint_at(model: type[BaseModel], path: Path) -> Hint:
    found = Hint(kind=model)
    for part in path:
        found = found.inner(part)
    return found


def key_of(table: Hint) -> Hint:
    """The keys of a table with free names."""
    return hint_of(get_args(table.kind)[0])


def named(path: Path) -> str:
    """("phases", 0, "name") -> "phases.0.name"."""
    return ".".join(str(part) for part in path) or "the file"


# --- what is expected -------------------------------------------------------------------------------------------------

_SPAN = 'a length of time above 0, like "90s", "15m", "4h" or "30d"'
_TIME = "a UTC time like 2026-01-05T00:00:00Z"


def expected(hint: Hint) -> str:
    """ "a number above 0 and up to 1"."""
    kind = hint.kind
    if hint.description:
        return hint.description
    if hint.model is not None or hint.origin in (dict, tuple):
        return _collection(hint)
    if kind in (int, Decimal):
        return " ".join(("a whole number" if kind is int else "a number", *_range(hint))).strip()
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "one of " + ", ".join(f'"{member.value}"' for member in kind)
    return {bool: "true or false", timedelta: _SPAN, datetime: _TIME, str: "text"}[kind]


def _collection(hint: Hint) -> str:
    if hint.model is not None:
        return "a table"
    each = expected(hint.inner(0))
    if hint.origin is dict:
        return f"a table, each value {each}"
    least = hint.bound(MinLen, "min_length")
    count = f" of {hint.length}" if hint.length else f" of at least {least}" if least else ""
    return f"a list{count}, each {each}"


def _range(hint: Hint) -> list[str]:
    least, above, most = hint.bound(Ge, "ge"), hint.bound(Gt, "gt"), hint.bound(Le, "le")
    low = f"from {least}" if least is not None else f"above {above}" if above is not None else ""
    high = "" if most is None else f"to {most}" if least is not None else f"up to {most}"
    places = next((b.decimal_places for b in hint.bounds if hasattr(b, "decimal_places")), None)
    both = " and ".join(filter(None, (low, high))) if least is None else f"{low} {high}".strip()
    return [both, *([f"with at most {places} decimals"] if places is not None else [])]


def range_of(hint: Hint) -> str:
    """In few words: "above 0, at most 1", "one of confidence, linear"; "" where any text goes."""
    return _few(hint) + (", or none" if hint.optional and _few(hint) else "")


def _few(hint: Hint) -> str:
    kind = hint.kind
    if hint.description:
        return hint.description
    if hint.model is not None or hint.origin is dict:
        return "a table"
    if hint.origin is tuple:
        return _few_of_list(hint)
    if kind in (int, Decimal):
        return ", ".join(filter(None, ("whole" if kind is int else "", *_few_bounds(hint)))) or "a number"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "one of " + ", ".join(str(member.value) for member in kind)
    return {bool: "yes or no", timedelta: "a span like 6h", datetime: _TIME}.get(kind, "")


def _few_of_list(hint: Hint) -> str:
    each = _few(hint.inner(0))
    count = f"{hint.length} values" if hint.length else "a list"
    return f"{count}, each {each}" if each else count


def _few_bounds(hint: Hint) -> Iterator[str]:
    least, above, most = hint.bound(Ge, "ge"), hint.bound(Gt, "gt"), hint.bound(Le, "le")
    if least is not None and most is not None:
        yield f"{least} to {most}"
        return
    if above is not None or least is not None:
        yield f"above {above}" if least is None else f"from {least}"
    if most is not None:
        yield f"at most {most}"


# --- what is there ----------------------------------------------------------------------------------------------------


def found_as(value: Any, hint: Hint) -> str:
    """The value as a file writes it; where a percentage was meant, what it is as a fraction."""
    return _written(value) + _as_fraction(value, hint)


def _written(value: Any) -> str:
    match value:
        case bool():
            text = str(value).lower()
        case str():
            text = f'"{value}"'
        case Mapping():
            text = "a table"
        case list() | tuple():
            text = f"[{', '.join(_written(item) for item in value)}]"
        case datetime() | date():
            text = value.isoformat()
        case timedelta():
            text = span_text(value)
        case _:
            text = str(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}..."


def _as_fraction(value: Any, hint: Hint) -> str:
    if hint.kind is not Decimal or hint.bound(Le, "le") != 1 or hint.bound(Ge, "ge") == -1:
        return ""
    text = value.removesuffix("%").strip() if isinstance(value, str) and value.endswith("%") else str(value)
    try:
        percent = Decimal(text)
    except ArithmeticError:
        return ""
    if not percent.is_finite() or not (isinstance(value, str) or 1 < percent <= 100):
        return ""
    return f"; fractions, not percent: {percent:f} % is {percent / 100:f}"
