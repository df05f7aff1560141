"""Values to text and back, driven by dataclass fields and type hints: nothing here names an event or an entity.

JSON is canonical: fields in the order of their class, dict keys sorted, no spaces; Decimals as strings, times ISO 8601
with X whose members cannot be told apart is refused when its decoder is built.
"""

import dataclasses
import math
import types
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache, lru_cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import orjson

from trading.errors import BadRecord
from trading.model import require_utc

T = TypeVar("T")
Convert = Callable[[Any], Any]

# Times pass through our own hook because orjson would write a naive one without complaint.
_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME
_MISMATCH = (KeyError, TypeError, ValueError, ArithmeticError)


def to_json(value: object) -> bytes:
    """Raises TypeError or ValueError for what could not be read back: a naive time, NaN, an unknown type."""
    hint: Any = type(value)
    if (check := _finite_check(hint)) is not None:
        check(value)
    return orjson.dumps(value, default=_encode, option=_OPTIONS)


def from_json(cls: type[T], data: bytes | str) -> T:
    """Raises BadRecord when `data` is not what `to_json` writes of a `cls`; a field with a default may be missing."""
    return cast(T, _read(cls, data))


def to_row(value: Any) -> dict[str, Any]:
    """A flat dataclass as column values: scalars as they are, enums by value, what is nested as JSON text."""
    hint: Any = type(value)
    return {name: None if (item := getattr(value, name)) is None else write(item) for name, write, _ in _columns(hint)}


def from_row(cls: type[T], row: Mapping[Any, Any]) -> T:
    """The inverse of `to_row`; columns that are no field of `cls` are ignored. Raises BadRecord."""
    hint: Any = cls
    try:
        return cls(**{name: None if (item := row[name]) is None else read(item) for name, _, read in _columns(hint)})
    except _MISMATCH as error:
        raise BadRecord(f"{cls.__name__}: {error}") from error


def _encode(value: object) -> object:
    write = _HOOKS.get(type(value))
    if write is not None:
        return write(value)
    if isinstance(value, float):  # NumPy's float64 is one; orjson knows only the exact type
        return float(value)
    raise TypeError(f"{type(value).__name__} has no place in a record")


def _decimal_text(value: Decimal) -> str:
    return str(finite(value))


def _time_text(at: datetime) -> str:
    if at.tzinfo is not UTC:
        require_utc(at)
    return _utc_text(at)


@lru_cache(maxsize=64)  # all facts of one decision are of two or three moments
def _utc_text(at: datetime) -> str:
    return at.isoformat()[:-6] + "Z"


def _seconds(span: timedelta) -> int | float:
    return span.total_seconds() if span.microseconds else span // _SECOND


_SECOND = timedelta(seconds=1)
_HOOKS: dict[type, Convert] = {Decimal: _decimal_text, datetime: _time_text, timedelta: _seconds}


def finite(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise ValueError(f"{value} is not a finite number")
    return value


def _read(hint: Any, data: bytes | str) -> Any:
    decode = _decoder(hint)
    try:
        return decode(orjson.loads(data))
    except _MISMATCH as error:
        raise BadRecord(f"{getattr(hint, '__name__', hint)}: {error}") from error


# --- decoding: one closure per type hint, built once ---------------------------------------------------------------


def _exactly(kind: type) -> Convert:
    def decode(data: Any) -> Any:
        if type(data) is not kind:
            raise TypeError(f"expected {kind.__name__}, found {data!r}")
        return data

    return decode


_text = _exactly(str)


def _number(data: Any) -> float:
    if type(data) is not float and type(data) is not int:
        raise TypeError(f"expected a number, found {data!r}")
    return float(data)


def _time(data: Any) -> datetime:
    at = datetime.fromisoformat(_text(data))
    if at.tzinfo is not UTC:
        require_utc(at)
    return at


_SCALARS: dict[Any, Convert] = {
    str: _text,
    int: _exactly(int),
    bool: _exactly(bool),
    float: _number,
    Decimal: lambda data: finite(Decimal(_text(data))),
    datetime: _time,
    timedelta: lambda data: timedelta(seconds=_number(data)),
    types.NoneType: _exactly(types.NoneType),
}


@cache
def _decoder(hint: Any) -> Convert:
    hint = _plain(hint)
    if hint in _SCALARS:
        return _SCALARS[hint]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if dataclasses.is_dataclass(hint):
        return _record(cast(type, hint))
    if _is_union(hint):
        return _union(hint)
    if get_origin(hint) is tuple:
        return _tuple(get_args(hint))
    if get_origin(hint) is dict:
        return _dict(*get_args(hint))
    raise TypeError(f"a record cannot hold {hint}")


def _plain(hint: Any) -> Any:
    """A NewType is what it was made from."""
    while hasattr(hint, "__supertype__"):
        hint = hint.__supertype__
    return hint


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType)


def _record(cls: type) -> Convert:
    hints = get_type_hints(cls)
    plan = [(field.name, _decoder(hints[field.name])) for field in dataclasses.fields(cls)]

    def decode(data: Any) -> Any:
        if type(data) is not dict:
            raise TypeError(f"expected {cls.__name__}, found {data!r}")
        values = {name: read(data[name]) for name, read in plan if name in data}
        if len(values) != len(data):
            raise TypeError(f"{cls.__name__} has no field {', '.join(sorted(data.keys() - values))}")
        return cls(**values)

    return decode


def _tuple(args: tuple[Any, ...]) -> Convert:
    if len(args) == 2 and args[1] is Ellipsis:
        each = _decoder(args[0])
        listed = _exactly(list)
        return lambda data: tuple([each(item) for item in listed(data)])
    parts = [_decoder(arg) for arg in args]
    return lambda data: tuple([read(item) for read, item in zip(parts, data, strict=True)])


def _dict(key: Any, value: Any) -> Convert:
    name, read = _decoder(key), _decoder(value)
    return lambda data: {name(k): read(v) for k, v in data.items()} if type(data) is dict else _exactly(dict)(data)


def _union(hint: Any) -> Convert:
    members = [m for m in get_args(hint) if m is not types.NoneType]
    inner = _decoder(members[0]) if len(members) == 1 else _by_own_field(members)
    if len(members) == len(get_args(hint)):
        return inner
    return lambda data: None if data is None else inner(data)


def _by_own_field(members: list[Any]) -> Convert:
    choices = [(_own_field(member, members), _decoder(member)) for member in members]

    def decode(data: Any) -> Any:
        for key, read in choices:
            if key in data:
                return read(data)
        raise TypeError(f"none of {', '.join(m.__name__ for m in members)}: {data!r}")

    return decode


def _own_field(member: Any, members: list[Any]) -> str:
    """A field that `member` always has and no other member knows."""
    others = {f.name for m in members if m is not member for f in dataclasses.fields(m)}
    own = [f.name for f in dataclasses.fields(member) if _required(f) and f.name not in others]
    if not own:
        raise TypeError(f"{member.__name__} has no field of its own among {', '.join(m.__name__ for m in members)}")
    return own[0]


def _required(field: Any) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


# --- floats: orjson writes NaN as null, so those classes that hold floats are looked through first -------------------

Check = Callable[[Any], None]


def _finite_float(value: float) -> None:
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")


@cache
def _finite_check(hint: Any) -> Check | None:
    """What visits every float under `hint`; None where there is none."""
    if hint is float:
        return _finite_float
    if dataclasses.is_dataclass(hint):
        return _check_fields(cast(type, hint))
    if _is_union(hint):
        return _check_members(get_args(hint))
    if get_origin(hint) is tuple and get_args(hint)[-1] is Ellipsis:
        return _check_items(_finite_check(get_args(hint)[0]))
    return None


def _check_fields(cls: type) -> Check | None:
    hints = get_type_hints(cls)
    checks = [(f.name, check) for f in dataclasses.fields(cls) if (check := _finite_check(hints[f.name]))]

    def visit(value: Any) -> None:
        for name, check in checks:
            check(getattr(value, name))

    return visit if checks else None


def _check_members(members: tuple[Any, ...]) -> Check | None:
    checks = {member: check for member in members if (check := _finite_check(member))}

    def visit(value: Any) -> None:
        check = checks.get(type(value))
        if check is not None:
            check(value)

    return visit if checks else None


def _check_items(check: Check | None) -> Check | None:
    if check is None:
        return None

    def visit(values: Any) -> None:
        for value in values:
            check(value)

    return visit


# --- columns -------------------------------------------------------------------------------------------------------


def _as_is(value: Any) -> Any:
    return value


@cache
def _columns(cls: type) -> tuple[tuple[str, Convert, Convert], ...]:
    """Each field's name, how its column value is made, and how it is read back."""
    hints = get_type_hints(cls)
    return tuple((field.name, *_column(hints[field.name])) for field in dataclasses.fields(cls))


def _column(hint: Any) -> tuple[Convert, Convert]:
    if _is_union(hint):
        (hint,) = (member for member in get_args(hint) if member is not types.NoneType)
    hint = _plain(hint)
    if hint in (str, int, bool, Decimal, datetime):
        return _as_is, _as_is
    if isinstance(hint, type) and issubclass(hint, Enum):
        return (lambda item: item.value), hint
    return _same_again(lambda item: to_json(item).decode()), (lambda item: _read(hint, item))


def _same_again(write: Callable[[Any], str]) -> Convert:
    """The text of the last value, where the very same one comes again: most of a desk's state stays as it was.

    Shadow desks write from threads of their own: what is kept is exchanged whole, and never read twice.
    """
    last: list[tuple[Any, str]] = [(object(), "")]

    def remembered(item: Any) -> str:
        known, text = last[0]
        if item is known and type(item) is not dict:  # a dict may have been changed where it stands
            return text
        text = write(item)
        last[0] = item, text
        return text

    return remembered
