"""A playbook as text: the whole of it as a file would say it, and what is allowed in it but hardly meant. Pure."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from trading.playbook import Playbook, Seat, SizingMethod, span_text

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


_OF_SEATS = {
    "flow": ("window", "book_depth", "max_book_age", "min_trades"),
    "technical": ("min_bars",),
    "sigma": ("min_bars",),
    "council": ("models", "agree", "bullish", "max_age"),
}


def _seat(name: str, seat: Seat) -> dict[str, Any]:
    """What means something to this persona, and what the file says although it does not."""
    told = {"weight", "enabled", "tiers", *_OF_SEATS.get(name, ())}
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
