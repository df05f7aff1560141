"""Views as nobody wishes them: every text in them is somebody's mischief, numbers are enormous or next to nothing,
dates are far away."""

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from itertools import cycle
from typing import Any

from hypothesis import strategies as st
from pydantic import BaseModel

from bot.catalogue import Entry
from bot.render.words import RenderContext, card, dressed
from bot.results import GROUPS, WINDOWS
from bot.surface import Card
from bot.wishes import WISHES
from tests.shown import ABOUT, Shown

PIECES = (
    "<b>bold</b>", "</b></blockquote>", "<script>", "&amp;&lt;", "<@1>", "<@&2>", "<#3>", "</halt:4>", "<t:5>",
    "@everyone", "@here", "**", "__x__", "~~", "||x||", "`", "```", "[text](https://x.y/z_)", "# ", "> ", "- ", "1. ",
    "-# ", ">>> ", "\\", "https://x.y/a_b*c", "tg://user?id=1", "/halt", "cf:8f3a", "{0}", "%s", "$code",
    "\x1b[2J", "\x00", "\x07", "\r\n", "\n\n\n", "\t", "\x85", "\u2028", "\ud800", "\udfff",
    "\u202e", "\u2066", "\u200b", "\u200d", "\ufeff", "\u00ad", "\u0301" * 5, "שלום", "🜁",
    "👩\u200d👧", "🏴\U000e0067\U000e007f", "字" * 9,
    " ", "…", "PAPER ", "LIVE ", "=1+1", "-", "NaN", "Infinity", "1E+400", " · ", "│", "|", "x" * 300, "word " * 90,
)  # fmt: skip
texts = st.one_of(
    st.text(max_size=20),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join),
    st.builds(lambda piece, times: piece * times, st.sampled_from(PIECES), st.sampled_from((1, 1, 1, 20))),
)
factors = st.sampled_from([Decimal(10) ** n for n in (-15, -6, 0, 3, 15)] + [Decimal("0.3333333333333333333333")])

_STAYS: tuple[type, ...] = (Entry, timedelta)  # code, and what is only ever added to a date
_CHOSEN = frozenset((*WINDOWS, *GROUPS, *WISHES))  # words that choose what is shown
_OURS = frozenset(("now", "curve", "leads_to", "token"))  # a curve is as long as its days; and words of our own
_COUNTS = frozenset(
    ("version", "undone", "trades", "wins", "bars", "waits", "denied", "withdrawn", "open", "same", "different",
     "ours_trades", "leverage")
)  # fmt: skip


@dataclasses.dataclass
class Mischief:
    """What is put in, in turn."""

    texts: Iterator[str]
    factors: Iterator[Decimal]
    days: Iterator[int]

    def spoil(self, value: Any) -> Any:
        """The same shape; a value that its class refuses stays as it was."""
        match value:
            case None | bool() | Enum() | RenderContext():
                return value
            case str():
                return value if value in _CHOSEN else next(self.texts)
            case Decimal():
                return value * next(self.factors)
            case float():
                return value * float(next(self.factors))
            case datetime():
                return value + timedelta(days=next(self.days))
            case Exception():
                return type(value)(next(self.texts))
            case Card():
                return dressed(card(next(self.texts), next(self.texts), buttons=value.buttons), ABOUT)
            case Mapping():
                return {key: self.spoil(inner) for key, inner in value.items()}
            case tuple() | list():
                return type(value)(self.spoil(inner) for inner in value)
            case BaseModel():
                said = next(self.texts).encode(errors="replace").decode()  # a file holds no half of a pair
                names = (name for name in ("title", "note") if name in type(value).model_fields)
                return value.model_copy(update=dict.fromkeys(names, said))
        return self._spoil_parts(value) if dataclasses.is_dataclass(value) and not isinstance(value, _STAYS) else value

    def _spoil_parts(self, value: Any) -> Any:
        there = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
        spoilt = {name: self._spoil_field(name, inner) for name, inner in there.items()}
        try:
            return dataclasses.replace(value, **spoilt)
        except ValueError:
            kept = {name: there[name] for name, inner in there.items() if isinstance(inner, Decimal | int)}
            return dataclasses.replace(value, **(spoilt | kept))

    def _spoil_field(self, name: str, value: Any) -> Any:
        if name in _OURS:
            return value
        return value * 10**9 if name in _COUNTS and type(value) is int else self.spoil(value)


def mischief(texts: list[str], factors: list[Decimal], days: list[int]) -> Mischief:
    return Mischief(cycle(texts), cycle(factors), cycle(days))


mischiefs = st.builds(
    mischief,
    st.lists(texts, min_size=1, max_size=5),
    st.lists(factors, min_size=1, max_size=3),
    st.lists(st.sampled_from((0, 1, -36_500, 300_000)), min_size=1, max_size=3),
)


def spoilt(shown: Shown, by: Mischief) -> Shown:
    given = tuple(by.spoil(value) for value in shown.given)
    named = {name: value if name in _OURS else by.spoil(value) for name, value in shown.named.items()}
    return shown.otherwise(given, named)
