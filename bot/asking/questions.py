"""What a free question holds: its words, a span of time, a pair, a persona. Pure: words are compared, not guessed."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from trading.model import Symbol
from trading.playbook import PERSONAS

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """UTC days, as results are summed. `until` is not part of it."""

    name: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    text: str
    words: frozenset[str]
    span: Span | None = None
    pair: Symbol | None = None
    persona: str = ""

    def any(self, words: frozenset[str]) -> bool:
        return not self.words.isdisjoint(words)


_SPANS = (
    ("today", r"today|so far"),
    ("yesterday", r"yesterday"),
    ("this week", r"this week"),
    ("last week", r"(?:last|previous) week"),
    ("7d", r"7 ?d(?:ays)?|(?:last|past) (?:7|seven) days|past week"),
    ("30d", r"30 ?d(?:ays)?|(?:last|past) (?:30|thirty) days|past month"),
)


def asked(text: str, now: datetime, named: Callable[[str], Symbol | None]) -> Asked:
    """`named`: the pair that a word names."""
    low = " ".join(text.lower().replace("'", "").replace("’", "").split())
    words = re.findall(r"[a-z0-9&/]+", low)
    pairs = (symbol for word in words if (symbol := named(word)) is not None)
    return Asked(
        text=low,
        words=frozenset(words),
        span=next((span(name, now) for name, form in _SPANS if re.search(rf"\b(?:{form})\b", low)), None),
        pair=next(pairs, None),
        persona=next((word for word in words if word in PERSONAS), ""),
    )


def span(name: str, now: datetime) -> Span:
    """Days begin at midnight UTC, weeks on Monday."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    monday = today - today.weekday() * _DAY
    since, until = {
        "today": (today, today + _DAY),
        "yesterday": (today - _DAY, today),
        "this week": (monday, monday + 7 * _DAY),
        "last week": (monday - 7 * _DAY, monday),
        "7d": (today - 6 * _DAY, today + _DAY),
        "30d": (today - 29 * _DAY, today + _DAY),
    }[name]
    return Span(name=name, since=since, until=until)
