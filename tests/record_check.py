"""Whether an answer says only what a record holds: every number, side and symbol of it is looked up there."""

import dataclasses
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from enum import Enum

from trading.decision import Calibrated, Decision, Opinion, Ruling, Tally, Verdict
from trading.events import Event
from trading.model import Position, Trade, base_of
from trading.playbook import available, load

_MILLION, _BILLION = Decimal(10) ** 6, Decimal(10) ** 9
_DATE, _CLOCK = re.compile(r"\d{4}-\d{2}-\d{2}"), re.compile(r"\b\d{2}:\d{2}(?= [A-Z]{3})")
_FACT = re.compile(r"\[E(\d+)\]")
_NUMBER = re.compile(r"[-+−]?\d[\d,]*(?:\.\d+)?")
_SIDES = {"long", "short", "buy", "sell", "bought", "sold"}
_SAME = {"bought": "buy", "sold": "sell"}


@dataclasses.dataclass
class _Held:
    """All that a record and its story hold, taken apart."""

    numbers: set[Decimal] = dataclasses.field(default_factory=set)
    fractions: set[Decimal] = dataclasses.field(default_factory=set)  # may be said in percent
    words: set[str] = dataclasses.field(default_factory=set)
    times: list[datetime] = dataclasses.field(default_factory=list)
    sides: set[str] = dataclasses.field(default_factory=set)
    bases: set[str] = dataclasses.field(default_factory=set)


def _scaled(value: object) -> Iterator[Decimal]:
    """Numbers that the record keeps as whole millionths, thousandths or billionths, as people read them."""
    match value:
        case Opinion(confidence=c) | Verdict(confidence=c):
            yield c / _MILLION
        case Ruling(confidence=int(c)) | Calibrated(value=c):
            yield c / _MILLION
        case Tally():
            yield from (Decimal(n) / _BILLION for n in (value.long, value.short, value.missing))
            yield value.confidence / _MILLION
        case Decision():
            yield from (Decimal(w) / 1000 for w in value.weights.values())
        case Position():
            yield from (value.entry, value.margin, value.risk)
        case Trade():
            yield value.net


def _take_text(text: str, held: _Held) -> None:
    held.words.update(text.split())
    held.sides.update(w for w in re.findall(r"[a-z]+", text.lower()) if w in _SIDES)
    held.bases.update(re.findall(r"\b[A-Z]{2,6}\b", text))
    for found in _NUMBER.findall(text):
        held.numbers.add(Decimal(found.replace(",", "").replace("−", "-")))


def _take(value: object, held: _Held) -> None:
    match value:
        case bool() | None:
            return
        case Enum():
            _take_text(str(value.value), held)
        case str():
            _take_text(value, held)
            if "/" in value:
                held.bases.add(base_of(value))
        case int():
            held.numbers.add(Decimal(value))
        case float():
            held.numbers.add(Decimal(repr(value)))
        case Decimal():
            held.numbers.add(value)
            held.fractions.add(value)
        case datetime():
            held.times.append(value)
        case timedelta():
            held.numbers.update(Decimal(int(value.total_seconds() // s)) for s in (1, 60, 3600, 86400))
        case dict():
            for key, inner in value.items():
                _take(key, held)
                _take(inner, held)
        case tuple() | list():
            for inner in value:
                _take(inner, held)
        case _ if dataclasses.is_dataclass(value):
            held.numbers.update(_scaled(value))
            for field in dataclasses.fields(value):
                if not isinstance(value, Opinion | Verdict | Tally) or field.name not in (
                    "confidence",
                    "long",
                    "short",
                ):
                    _take(getattr(value, field.name), held)


def _all_held(decision: Decision, story: Sequence[Event]) -> _Held:
    held = _Held()
    _take(decision, held)
    _take(list(story), held)
    return held


def _fits(shown: str, held: set[Decimal]) -> bool:
    """Equal to a held number, rounded or (a confidence) cut to the decimals shown. A sign may be left away, not turned.

    Whole numbers are rounded only from a thousand on, where four digits say enough.
    """
    said = Decimal(shown.replace(",", "").replace("−", "-"))
    unit = Decimal(1).scaleb(-max(0, -int(said.as_tuple().exponent)))
    ways = (ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_DOWN) if unit < 1 else (ROUND_HALF_EVEN, ROUND_HALF_UP)
    whole = unit == 1 and abs(said) < 1000
    unsigned = shown[0] not in "+-−"
    for number in held:
        value = abs(number) if unsigned and said >= 0 else number
        if value == said or (
            not whole and abs(value - said) <= unit and any(value.quantize(unit, way) == said for way in ways)
        ):
            return True
    return False


def _bare(answer: str, held: _Held) -> str:
    """The answer without fact numbers, and without words that stand in the record as they are (ids, "1h", "10x")."""
    words = (w for w in _FACT.sub(" ", answer).split() if not (w in held.words or w.strip("().,;:") in held.words))
    return " ".join(words)


def numbers_outside(answer: str, decision: Decision, story: Sequence[Event]) -> list[str]:
    """Every number, date and time in `answer` that neither the decision's record nor its story holds."""
    held = _all_held(decision, story)
    dates, clocks = {f"{t:%Y-%m-%d}" for t in held.times}, {f"{t:%H:%M}" for t in held.times}
    outside = [d for d in _DATE.findall(answer) if d not in dates]
    outside += [c for c in _CLOCK.findall(answer) if c not in clocks and c not in held.words]
    outside += [f"[E{n}]" for n in _FACT.findall(answer) if not 1 <= int(n) <= len(decision.evidence())]
    text = _bare(_CLOCK.sub(" ", _DATE.sub(" ", answer)), held)
    percents = held.numbers | {f * 100 for f in held.fractions}
    for found in re.finditer(_NUMBER, text):
        is_percent = text[found.end() : found.end() + 2].strip().startswith("%")
        if not _fits(found[0], percents if is_percent else held.numbers):
            outside.append(found[0])
    return outside


def sides_outside(answer: str, decision: Decision, story: Sequence[Event]) -> list[str]:
    """Every side (long, short, buy, sell, bought, sold) in `answer` that the record does not hold."""
    held = _all_held(decision, story).sides
    said = [w for w in re.findall(r"[a-z]+", answer.lower()) if w in _SIDES]
    known = held | {_SAME.get(w, w) for w in held}
    return [w for w in said if w not in known and _SAME.get(w, w) not in known]


def symbols_outside(answer: str, decision: Decision, story: Sequence[Event]) -> list[str]:
    """Every instrument of any shipped playbook in `answer` that the record does not hold."""
    bases = {base for name in available() for base in load(name).universe}
    held = _all_held(decision, story).bases
    return [w for w in re.findall(r"\b[A-Z]{2,6}\b", answer) if w in bases and w not in held]


def outside(answer: str, decision: Decision, story: Sequence[Event]) -> list[str]:
    """All three: an empty list is an answer bound to its record."""
    checks = (numbers_outside, sides_outside, symbols_outside)
    return [found for check in checks for found in check(answer, decision, story)]
