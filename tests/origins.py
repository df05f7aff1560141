"""Where the numbers of a card come from: each is looked up in what the card was made from, as bot/render/words writes
it. What a renderer works out itself is listed, with the reason, by the function that words the card."""

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from bot.render import words
from bot.surface import Card
from tests.shown import Shown
from trading.playbook import span_text

_NUMBER = re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d|\d[\d,]*(?:\.\d+)?")
_ROUND = "().,;:[]"  # may stand around a word


def numbers(text: str) -> list[str]:
    """Dates, times of day and numbers, without signs."""
    return [found.rstrip(",") for found in _NUMBER.findall(text)]


@dataclasses.dataclass
class Held:
    """All that a view holds: the words of its texts, and its numbers as they may be written."""

    zones: tuple[tzinfo, ...] = (UTC,)
    said: set[str] = dataclasses.field(default_factory=set)
    written: set[str] = dataclasses.field(default_factory=set)

    def take(self, value: Any) -> None:
        """Whatever it is, with all that is in it."""
        match value:
            case None | bool():
                return
            case str():
                self._text(value)
            case datetime():
                self.write(*(words.clock(value, zone=zone) for zone in self.zones))
            case date():
                self.write(value.isoformat())
            case timedelta():
                self.write(words.span(value), span_text(value))
            case Decimal():
                self.write(*_decimal(abs(value)))
            case int():
                self.write(
                    str(value), f"{value:,}", words.confidence(value), words.weight(value), words.strength(value)
                )
            case float():
                self.write(words.number(value), words.signed(value), f"{value:.0%}", f"{value:g}")
            case Exception():
                self._text(repr(value))
            case _:
                self._parts(value)

    def write(self, *texts: str) -> None:
        for text in texts:
            self.written.update(numbers(text))

    def _text(self, text: str) -> None:
        self.said.update(word.strip(_ROUND) for word in text.split())
        self.write(text)

    def _parts(self, value: Any) -> None:
        if isinstance(value, Mapping):
            self.take(len(value))
            self._all((*value.keys(), *value.values()))
        elif isinstance(value, Sequence):
            self.take(len(value))
            self._all(value)
        elif isinstance(value, BaseModel):
            own = (
                n for n, it in vars(type(value)).items() if n[0] != "_" and isinstance(it, property | cached_property)
            )
            self._all(getattr(value, name) for name in (*type(value).model_fields, *own))
        elif dataclasses.is_dataclass(value):
            self._all(getattr(value, name) for name in _names(type(value)))

    def _all(self, values: Iterable[Any]) -> None:
        for value in values:
            self.take(value.value if isinstance(value, Enum) else value)


def _names(cls: type) -> Iterator[str]:
    yield from (field.name for field in dataclasses.fields(cls))
    yield from (name for name in dir(cls) if isinstance(getattr(cls, name), property))


def _decimal(value: Decimal) -> Iterator[str]:
    ways: tuple[Callable[[Decimal], str], ...] = (
        words.price, words.amount, words.percent, words.share, words.rate, words.multiple, words.yearly,
    )  # fmt: skip
    yield from (way(value) for way in ways)
    yield from (f"{value:f}", f"{value.normalize():f}")
    yield from (f"{words.rounded(value, decimals):,f}" for decimals in (1, 2, 3))


def held_by(shown: Shown, *more: Any) -> Held:
    """What the view of a card holds, in the zones that are in it; `more`: what may be worked out of it."""
    view = (*shown.given, *shown.named.values())
    zones = {zone for part in view for zone in (part, getattr(part, "zone", None)) if isinstance(zone, tzinfo)}
    held = Held(zones=(UTC, *zones))
    for part in (*view, *more):
        held.take(part)
    return held


def outside(card: Card, held: Held) -> list[str]:
    """The numbers on a card that what it was made from does not hold. Commands on it are words, not facts."""
    text = "\n".join((card.plain(), *(button.label for button in card.buttons)))
    rest = " ".join(word for word in text.split() if word.strip(_ROUND) not in held.said)
    return [number for number in numbers(rest) if number not in held.written]
