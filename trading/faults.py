"""What does not fit in a settings file: each fault with its key, what was expected, and the nearest right key.

All at once: what is found is taken out of a copy, and the copy is looked at again, until nothing more is found. So a
wrong type does not hide that two other settings do not go together. A fault that touches what was taken out is not
told: it would be about the copy and not about the file.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from pydantic import BaseModel, ValidationError

from trading.policies import Clash
from trading.schema import Hint, Path, expected, found_as, hint_at, hint_of, key_of, named

_PASSES = 20  # more than any schema is deep
_CLOSE, _ALIKE = 0.8, 0.6  # how near a word must be: to be meant without doubt, to be worth a question


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    path: Path
    words: str

    def __str__(self) -> str:
        return f"{named(self.path)}: {self.words}"


Found = tuple[Fault, tuple[Path, ...]]  # with every place it is about


def faults(model: type[BaseModel], data: Mapping[str, Any], instead: Mapping[str, Any]) -> tuple[Fault, ...]:
    """Every fault of `data`, in the order of its tables. `instead`: a good value for each key that must be there."""
    rest: dict[str, Any] = _copied(data)
    gone: list[Path] = []
    told: list[Fault] = []
    for _ in range(_PASSES):
        found = _look(model, rest)
        if not found:
            break
        told += [fault for fault, about in found if not any(_touch(a, b) for a in about for b in gone)]
        for _, about in found:
            gone += _take_out(rest, about, instead)
    order: list[str | int] = [*data, *(key for key in model.model_fields if key not in data)]
    return tuple(sorted(dict.fromkeys(told), key=lambda f: order.index(f.path[0]) if f.path else -1))


def nearest(word: str, known: Sequence[str]) -> str:
    close = _close(word, known, _ALIKE)
    return f"; did you mean {close!r}?" if close else f"; known: {', '.join(known)}"


def _close(word: str, known: Sequence[str], cutoff: float) -> str | None:
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)), None)


def _look(model: type[BaseModel], data: Mapping[str, Any]) -> list[Found]:
    """Its shape first: what is there, and of which kind. What has the right shape is validated."""
    shape = [(fault, (fault.path,)) for fault in _misshapen(Hint(kind=model), data, ())]
    if shape:
        return [(_placed(fault, model), about) for fault, about in shape]
    try:
        model.model_validate(data)
    except ValidationError as error:
        found = [found for each in error.errors() for found in _invalid(model, each)]
        inner = {path[:-1] for _, about in found for path in about if isinstance(path[-1], int)}
        return [each for each in found if each[0].path not in inner]  # a list is short only for its own faulty items
    return []


# --- validation -------------------------------------------------------------------------------------------------------


def _invalid(model: type[BaseModel], error: Any) -> Iterator[Found]:
    *path, last = error["loc"] or ("",)
    clash = error.get("ctx", {}).get("error")
    if isinstance(clash, Clash):
        for keys, words in clash.found:
            about = tuple((*error["loc"], *key) for key in keys)
            yield Fault(path=about[0], words=words), about
        return
    place: Path = tuple(path) if last == "[key]" else tuple(error["loc"])
    hint = key_of(hint_at(model, place[:-1])) if last == "[key]" else hint_at(model, place)
    yield Fault(path=place, words=f"expected {expected(hint)}, found {found_as(error['input'], hint)}"), (place,)


# --- shape ------------------------------------------------------------------------------------------------------------

UNKNOWN, MISSING = "unknown key", "missing"


def _misshapen(hint: Hint, value: Any, path: Path) -> Iterator[Fault]:
    if value is None:
        return  # as the defaults have it
    if not _is_kind(hint, value):
        yield Fault(path=path, words=f"expected {expected(hint)}, found {found_as(value, hint)}")
    elif hint.model is not None:
        yield from _misshapen_table(hint.model, value, path)
    elif hint.origin is dict:
        for key, item in value.items():
            yield from _misshapen(hint.inner(key), item, (*path, key))
    elif hint.origin is tuple:
        for place, item in enumerate(value):
            yield from _misshapen(hint.inner(place), item, (*path, place))


def _misshapen_table(model: type[BaseModel], table: Mapping[str, Any], path: Path) -> Iterator[Fault]:
    for name, field in model.model_fields.items():
        if name in table:
            yield from _misshapen(hint_of(field), table[name], (*path, name))
        elif field.is_required():
            words = f"{MISSING}: expected {expected(hint_of(field))}"
            yield Fault(path=(*path, name), words=words)
    for name in table:
        if name not in model.model_fields:
            yield Fault(path=(*path, name), words=UNKNOWN)


def _is_kind(hint: Hint, value: Any) -> bool:
    """Whether a value may become what is asked for. Text that looks like a number is text; 5.0 is a whole number."""
    kind = hint.kind
    if hint.model is not None or hint.origin is dict:
        return isinstance(value, Mapping)
    if hint.origin is tuple:
        return isinstance(value, list | tuple) and (hint.length is None or len(value) == hint.length)
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) or (isinstance(value, Decimal) and value.is_finite() and value == int(value))
    if kind is Decimal:
        return isinstance(value, int | float | Decimal)
    if kind is timedelta:
        return isinstance(value, str | timedelta)
    if kind is datetime:
        return isinstance(value, datetime)
    return isinstance(value, str) if kind is str or issubclass(kind, Enum) else True


def _placed(fault: Fault, model: type[BaseModel]) -> Fault:
    """An unknown key with the nearest one at its place, or with the place where it is at home."""
    if fault.words != UNKNOWN:
        return fault
    word, here = str(fault.path[-1]), list(_fields(hint_at(model, fault.path[:-1])))
    if meant := _close(word, here, _CLOSE):
        return replace(fault, words=f"{UNKNOWN}; did you mean {meant!r}?")
    if at_home := [place for place in _places(Hint(kind=model), ()) if place[-1] == word]:
        homes = " or ".join(named(place) for place in at_home[:2])
        return replace(fault, words=f"{UNKNOWN} here; there is {homes}")
    return replace(fault, words=UNKNOWN + nearest(word, here))


def _fields(hint: Hint) -> Mapping[str, Any]:
    return hint.model.model_fields if hint.model is not None else {}


def _places(hint: Hint, path: Path) -> Iterator[Path]:
    """Every key of the schema, the tables in lists and under free names too."""
    for name, field in _fields(hint).items():
        yield (*path, name)
        yield from _places(hint_of(field), (*path, name))
    if hint.origin in (dict, tuple):
        yield from _places(hint.inner(0), (*path, "NAME") if hint.origin is dict else path)


# --- the copy ---------------------------------------------------------------------------------------------------------


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list | tuple) else value


def _touch(a: Path, b: Path) -> bool:
    """Whether one lies in the other."""
    return all(x == y for x, y in zip(a, b, strict=False))


def _take_out(data: dict[str, Any], about: Sequence[Path], instead: Mapping[str, Any]) -> list[Path]:
    """Those places that are there; where none is, what the first should have been in. What was taken out."""
    there = [path for path in about if _reach(data, path) is not None]
    path = about[0]
    while not there and len(path) > 1:
        path = path[:-1]
        there = [path] if _reach(data, path) is not None else []
    return [_drop(data, place, instead) for place in there or [path]]


def _reach(data: Any, path: Path) -> Any:
    """What stands at a place of the copy; None where nothing does."""
    for part in path:
        there = part in data if isinstance(data, dict) else isinstance(data, list) and part in range(len(data))
        if not there:
            return None
        data = data[part]
    return data


def _drop(data: dict[str, Any], path: Path, instead: Mapping[str, Any]) -> Path:
    """An item of a list goes with the whole list: the numbers of the others would not be theirs any more."""
    while isinstance(path[-1], int):
        path = path[:-1]
    table = _reach(data, path[:-1])
    if isinstance(table, dict):
        table.pop(path[-1], None)
    if len(path) == 1 and path[0] in instead:
        data[str(path[0])] = _copied(instead[str(path[0])])
    return path
