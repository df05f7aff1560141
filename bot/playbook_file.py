"""A playbook as text: the whole of it as a file would say it, and what is allowed in it but hardly meant. Pure."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from trading.errors import BadPlaybook
from trading.playbook import Playbook, Seat, SizingMethod, parse, span_text
from trading.policies import OF_SEATS

_WIDE = 100  # characters up to which a list stands on one line


def as_toml(book: Playbook) -> Iterator[str]:
    """Line by line, defaults included: read as a file it is the same playbook, to the last digit."""
    data = book.model_dump()
    data["panel"] = {name: _seat(name, book.panel[name]) for name in book.panel}
    yield f"# {book.title}; settings {book.hash}"
    yield from _table((), data)
    absent = [name for name, part in data.items() if part is None]
    if absent:
        yield ""
        yield f"# Not in this playbook: {', '.join(absent)}."


def _seat(name: str, seat: Seat) -> dict[str, Any]:
    """What means something to this persona, and what the file says although it does not."""
    told = {"weight", "enabled", "tiers", *OF_SEATS.get(name, ())}
    fields = type(seat).model_fields
    return {key: value for key, value in seat if key in told or value != fields[key].default}


def _table(place: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[str]:
    """Values first: in a file everything after a [heading] belongs to it."""
    inner = {key: value for key, value in table.items() if isinstance(value, Mapping) or _is_tables(value)}
    for key, value in table.items():
        if key not in inner and value is not None:
            yield from _setting(_key(key), value)
    for key, value in inner.items():
        here = (*place, key)
        if isinstance(value, Mapping):
            yield from _headed(f"[{_dotted(here)}]", here, value)
            continue
        for item in value:
            yield from _headed(f"[[{_dotted(here)}]]", here, item)


def _headed(heading: str, place: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[str]:
    lines = list(_table(place, table))
    if not lines or lines[0] != "":  # a table of nothing but tables needs no heading of its own
        yield ""
        yield heading
    yield from lines


def _is_tables(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all("name" in v for v in value if isinstance(v, Mapping))
        and all(isinstance(v, Mapping) for v in value)
    )


def _setting(key: str, value: Any) -> Iterator[str]:
    line = f"{key} = {_value(value)}"
    if len(line) <= _WIDE or not isinstance(value, list | tuple):
        yield line
        return
    yield f"{key} = ["
    yield from (f"    {_value(item)}," for item in value)
    yield "]"


def _dotted(place: tuple[str, ...]) -> str:
    return ".".join(_key(part) for part in place)


def _key(key: str) -> str:
    return key if key.replace("-", "").replace("_", "").isalnum() and key.isascii() else json.dumps(key)


def _value(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case Decimal():
            return _number(value)
        case timedelta():
            return json.dumps(span_text(value))
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case Mapping():
            return f"{{ {', '.join(f'{_key(k)} = {_value(v)}' for k, v in value.items() if v is not None)} }}"
        case list() | tuple():
            return f"[{', '.join(_value(item) for item in value)}]"
        case int():
            return str(value)
        case _:
            return json.dumps(str(value), ensure_ascii=False)


def _number(value: Decimal) -> str:
    """Plain digits, as they were given: 0.60 stays 0.60."""
    return f"{value:f}"


# --- a new one --------------------------------------------------------------------------------------------------------

_PAIR = re.compile(r"(?:^|\s)([A-Za-z0-9_.~-]+)\s*=\s*")


def pairs_in(text: str) -> dict[str, str]:
    """ "judge.min_confidence=0.7 title=Calm and slow" -> each dotted key with its value. Raises BadPlaybook."""
    before, *found = _PAIR.split(text.strip())
    if before.strip():
        raise BadPlaybook(f"{before.strip()[:30]!r} is no setting=value, like judge.min_confidence=0.7")
    keys, values = found[::2], [value.strip() for value in found[1::2]]
    if len(set(keys)) != len(keys):
        raise BadPlaybook("a setting stands twice")
    return dict(zip(keys, values, strict=True))


def amended_from(parent: Playbook, name: str, changes: Mapping[str, str]) -> Playbook:
    """The parent with a name of its own and some values changed. Raises BadPlaybook that names each fault."""
    title = json.dumps(f"{parent.title} (from {parent.name})", ensure_ascii=False)
    return parent.amended({"title": title, **changes, "name": json.dumps(name)})


def pasted(text: str, name: str, parent: Playbook | None) -> Playbook:
    """What was pasted as TOML: the whole of a playbook, or with `parent` those tables of it that say something else.

    Raises BadPlaybook that names each fault.
    """
    lines = [line for line in text.splitlines() if not line.startswith("```")]
    try:
        said = tomllib.loads("\n".join(lines), parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise BadPlaybook(f"{name}: not TOML: {error}") from error
    if said.get("name", name) != name:
        raise BadPlaybook(f"the text calls itself {str(said['name'])[:30]!r}, and you {name!r}")
    base = tomllib.loads("\n".join(as_toml(parent)), parse_float=Decimal) if parent else {}
    whole = _merged(base, {**said, "name": name})
    return parse("\n".join(_table((), whole)), origin=name)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Tables go into each other; anything else takes the place of what was there."""
    found = dict(base)
    for key, value in over.items():
        under = found.get(key)
        both = isinstance(value, Mapping) and isinstance(under, Mapping)
        found[key] = _merged(under, value) if both and isinstance(under, Mapping) else value
    return found


# --- what fits the schema and is hardly meant ---------------------------------------------------------------------


def remarks(book: Playbook) -> Iterator[str]:
    """One line each. A playbook with remarks runs; it will not do what its writer expects."""
    least = book.judge.min_agreeing
    if silent := [base for base in book.universe if len(book.seats(base)) < least]:
        yield f"judge.min_agreeing is {least}, and fewer personas exist for {', '.join(silent)}: never a trade there"
    if (council := book.panel.get("council")) and not council.models:
        yield "panel.council has no models: it never speaks"
    if book.exits.stop_at_invalidation and "council" not in book.panel:
        yield "exits.stop_at_invalidation asks for a price that only the council names: never a trade"
    if book.sizing.method is not SizingMethod.FIXED and book.sizing.min_leverage > 1:
        yield "sizing.min_leverage keeps out instruments that allow less"
