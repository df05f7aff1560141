"""Raw answers into checked values: what is not there, or not what it should be, is Garbled and never a default."""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from trading.errors import Transient
from trading.market.series import from_ms


class Garbled(Transient):
    """An answer of an undocumented shape. A read may be tried again; after a write it is an unknown outcome."""


class Row:
    """One JSON object of an answer. `where` names it in messages: "binance order"."""

    __slots__ = ("raw", "where")

    def __init__(self, raw: Any, where: str) -> None:
        if not isinstance(raw, dict):
            raise Garbled(f"{where}: an object is expected, {_shown(raw)} came")
        self.raw: dict[str, Any] = raw
        self.where = where

    def text(self, key: str) -> str:
        value = self.raw.get(key)
        if value is None or isinstance(value, dict | list | bool) or str(value) == "":
            raise Garbled(f"{self.where}: {key} is {_shown(value)}")
        return str(value)

    def maybe(self, key: str) -> str:
        """The text, "" where there is none."""
        value = self.raw.get(key)
        return "" if value is None or isinstance(value, dict | list) else str(value)

    def number(self, key: str) -> Decimal:
        return _decimal(self.text(key), f"{self.where}: {key}")

    def maybe_number(self, key: str) -> Decimal | None:
        """None where the exchange leaves it out or empty."""
        text = self.maybe(key)
        return _decimal(text, f"{self.where}: {key}") if text else None

    def above_zero(self, key: str) -> Decimal | None:
        """None for nothing and for 0, which exchanges write for "none"."""
        value = self.maybe_number(key)
        return value if value is not None and value > 0 else None

    def at(self, key: str) -> datetime:
        """A time in milliseconds since 1970."""
        number = self.number(key)
        if not 0 < number < 10**14:
            raise Garbled(f"{self.where}: {key} is no time: {number}")
        return from_ms(int(number))

    def flag(self, key: str) -> bool:
        value = self.raw.get(key)
        if isinstance(value, bool):
            return value
        if str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
        raise Garbled(f"{self.where}: {key} is {_shown(value)}")

    def row(self, key: str) -> "Row":
        return Row(self.raw.get(key), f"{self.where}: {key}")

    def rows(self, key: str) -> list["Row"]:
        return rows(self.raw.get(key), f"{self.where}: {key}")


def rows(raw: Any, where: str) -> list[Row]:
    """A list of objects; Garbled for anything else: an unknown answer is never an empty list."""
    if not isinstance(raw, list):
        raise Garbled(f"{where}: a list is expected, {_shown(raw)} came")
    return [Row(each, where) for each in raw]


def _decimal(text: str, where: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise Garbled(f"{where} is no number: {text[:40]!r}") from None
    if not value.is_finite():
        raise Garbled(f"{where} is no number: {text[:40]!r}")
    return value


def plain(number: Decimal) -> str:
    """A number as exchanges take it: no exponent, no trailing zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _shown(value: Any) -> str:
    return f"{value!r}"[:80]
