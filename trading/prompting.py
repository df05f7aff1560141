"""Prompts: files in trading/prompts, filled with values; the briefing in words; whether what a model says of the
briefing's numbers is so; and what all who ask a model have in common.

A file is a small header (`version: 1`), a `## system` and a `## user` part. Its version stands in the record of every
answer: whoever changes a text raises it.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from string import Template
from typing import Any, Generic, TypeVar

from trading.asking import NoAnswer, Prompt
from trading.decision import MICRO, Abstention, Evidence
from trading.envelope import clean
from trading.market.snapshot import Briefing, Snapshot
from trading.voice import Basis, Exchange, Lack, Voice

PROMPTS = Path(__file__).parent / "prompts"
ANSWER = "$answer"  # stays in an extraction's user text: the grounded answer goes there, in an envelope
UNKNOWN = "not known"

V = TypeVar("V")

_FILE = re.compile(r"version: ([1-9]\d{0,5})\n+## system\n(.+?)\n## user\n(.+)", re.DOTALL)
_NOTHING_BROKE = frozenset((Lack.OFF, Lack.OVER_BUDGET, Lack.NO_PRICE, Lack.UNGROUNDED, Lack.STALE))


# --- files ------------------------------------------------------------------------------------------------------------


@cache
def _file(name: str) -> tuple[int, Template, Template]:
    found = _FILE.fullmatch((PROMPTS / f"{name}.md").read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"prompts/{name}.md is not a version, a system part and a user part")
    return int(found[1]), Template(found[2].strip()), Template(found[3].strip())


def prompt(name: str, **values: str) -> Prompt:
    """Raises ValueError for a value that is missing or that the file has no place for.

    Values are put in once: what looks like a variable inside of one stays as it is.
    """
    version, system, user = _file(name)
    wanted = {*system.get_identifiers(), *user.get_identifiers()}
    if wanted != values.keys():
        raise ValueError(f"prompts/{name}.md: these values do not fit: {', '.join(sorted(wanted ^ values.keys()))}")
    return Prompt(name=name, version=version, system=system.substitute(values), user=user.substitute(values))


# --- the briefing -----------------------------------------------------------------------------------------------------


def briefed(snapshot: Snapshot) -> dict[str, str]:
    """What prompts about one market have a place for: pair, now, account, phase, reward, limits, evidence."""
    b = snapshot.briefing
    return {
        "pair": snapshot.symbol,
        **standing(snapshot),
        "reward": _reward(b) if b else UNKNOWN,
        "limits": _limits(b) if b else UNKNOWN,
        "evidence": fact_lines(b.facts if b else ()),
    }


def standing(snapshot: Snapshot) -> dict[str, str]:
    """The part of it that is the same for every market of one moment: now, account, phase."""
    b = snapshot.briefing
    return {
        "now": minute(snapshot.at),
        "account": _account(b) if b else UNKNOWN,
        "phase": _phase(b, snapshot.at) if b else UNKNOWN,
    }


def minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _account(b: Briefing) -> str:
    if b.equity is None:
        money = f"equity {UNKNOWN} (it began with {b.start_equity:.2f})"
    else:
        change = f", {(b.equity / b.start_equity - 1) * 100:+.2f} %" if b.start_equity else ""
        money = f"equity {b.equity:.2f} (it began with {b.start_equity:.2f}{change})"
    day = UNKNOWN if b.day_pnl is None else f"{b.day_pnl:+.2f}"
    return f"{money}; profit and loss today {day}; open positions {b.positions} of {b.max_positions}"


def _phase(b: Briefing, at: datetime) -> str:
    note = f" ({clean(b.phase_note)})" if b.phase_note else ""
    if b.phase_ends is None:
        return f"{b.phase}{note}; it has no end"
    left = max((b.phase_ends - at).total_seconds(), 0) / 86400
    return f"{b.phase}{note}; it ends {minute(b.phase_ends)}, {left:.1f} days left"


def _reward(b: Briefing) -> str:
    """Worked out here, so that no model has to: what is won and lost is net of a fee on the way in and one out."""
    fees = 2 * b.taker_fee
    won, lost = b.take_profit - fees, b.stop_loss + fees
    distances = f"target {percent(b.take_profit)} away, stop at most {percent(b.stop_loss)}, fees {percent(fees)}"
    if won <= 0:
        return f"{distances}: the target does not cover the fees"
    return (
        f"{distances}: net {percent(won)} to win, {percent(lost)} to lose, {won / lost:.2f} to 1; "
        f"it breaks even when {percent(lost / (won + lost), 1)} of such trades win"
    )


def _limits(b: Briefing) -> str:
    regime = b.regime.value.replace("_", " ") if b.regime else UNKNOWN
    return (
        f"leverage at most {b.leverage}; at risk in one trade at most {percent(b.max_risk)} of equity; "
        f"entries stop for the day at a loss of {percent(b.max_daily_loss)}; regime {regime}"
    )


def percent(fraction: Decimal, places: int = 2) -> str:
    return f"{fraction * 100:.{places}f} %"


# --- facts and what is said of them -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A fact as it stood in a prompt."""

    label: str
    value: Decimal


Facts = Mapping[int, Fact]  # by the number of [E#]

_LINE = re.compile(r"^\[E(\d{1,3})\] (.+?) = (-?\d+(?:\.\d+)?)(?= )", re.MULTILINE)
_REFERENCES = r"\[ ?[Ee]\d[^\[\]]{0,40}\]"  # "[E1]", "[E1, E3]"
_GROUP = re.compile(rf"{_REFERENCES}(?:[ ,]*(?:and )?{_REFERENCES})*")
_REFERENCE = re.compile(r"[Ee](\d{1,9})")
# A figure: no part of a word, a date or a time. "60k", "1.2 %" and "60,123.4" are figures; "15m", "10-bar" are not.
_FIGURE = re.compile(
    r"(?<!\w\()(?<![\w.,:/-])(?P<sign>[-+\u2212]?)\$?(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?P<scale>k|K|M|bn|B)?(?![\w:/-]|\.\d|,\d)"
)
_BESIDE = 16  # characters that may stand between a figure and its reference: "% of volume", "x ATR"
_BREAK = re.compile(r"[;!?\[\]]|[.,:](?= )")
_AFTER = re.compile(r"[ :=(]{0,3}(?:is |at |of |shows |stands at )?(?=[-+\u2212$\d])")
_CHECKED = 4_000  # characters; several times of what is kept
_SCALES = {"": 1, "k": 1_000, "K": 1_000, "M": 1_000_000, "bn": 1_000_000_000, "B": 1_000_000_000}


def fact_lines(facts: Sequence[Evidence]) -> str:
    """[E1] RSI(14) = 55.12 (1h candles, 2026-01-05 12:00 UTC)"""
    return "\n".join(f"[E{n}] {_fact(fact)}" for n, fact in enumerate(facts, 1)) or "none"


def _fact(fact: Evidence) -> str:
    value = f"{shortened(fact.value):f}"
    unit = f" {fact.unit}" if fact.unit else ""
    return clean(f"{fact.label} = {value}{unit} ({', '.join(filter(None, (fact.source, minute(fact.as_of))))})")


def shortened(value: float) -> Decimal:
    """Six digits are enough for anybody, and so are twelve places."""
    return Decimal(f"{round(value, 12):.6g}")


def facts_of(text: str) -> dict[int, Fact]:
    """The facts of a rendered prompt, as they were read there."""
    return {int(n): Fact(label=label, value=Decimal(value)) for n, label, value in _LINE.findall(text)}


def cited(text: str) -> tuple[int, ...]:
    """The numbers of the references in a text."""
    groups = _GROUP.findall(clean(text, _CHECKED))
    return tuple(int(n) for group in groups for n in _REFERENCE.findall(group))


def told(text: str, facts: Facts, most: int) -> str:
    """A model's words as they are kept: clean, and with the facts themselves in place of their references, whose
    numbers mean something in the prompt alone. "RSI is 55 [E2]" -> "RSI is 55 (RSI(14) 55.1235)".
    """
    return clean(_GROUP.sub(lambda group: _named(group, facts), clean(text, _CHECKED)), most)


def _named(group: re.Match[str], facts: Facts) -> str:
    known = [facts[int(n)] for n in _REFERENCE.findall(group[0]) if int(n) in facts]
    return f"({', '.join(f'{fact.label} {fact.value:f}' for fact in known)})" if known else "(no evidence)"


def misquoted(text: str, facts: Facts) -> str:
    """What is wrong with the figures of a text, or "".

    Checked is what names a fact: each [E#] must exist, and a figure right before it ("55.1 [E1]", with at most a few
    words of unit between) or right after it ("[E1] is 55.1") must be that fact's, rounded to the digits shown. A figure
    without a sign may be the size of a negative fact ("down 1.2 %"). Figures without a reference are the news' own
    (years, sums in headlines): they can be true without standing in the evidence, and nothing leans on them.
    """
    text = clean(text, _CHECKED)
    for group in _GROUP.finditer(text):
        numbers = [int(n) for n in _REFERENCE.findall(group[0])]
        if unknown := [n for n in numbers if n not in facts]:
            return f"[E{unknown[0]}] is not in the evidence"
        named = [facts[n] for n in numbers]
        for figure in _beside(text, group):
            if not any(_is(figure, fact) for fact in named):
                return f"{clean(figure[0], 30)} is not {group[0][:30]}"
    return ""


def _beside(text: str, group: re.Match[str]) -> list[re.Match[str]]:
    """The figures that a group of references stands with."""
    count = len(_REFERENCE.findall(group[0]))  # so many figures at most
    found: list[re.Match[str]] = []
    end = group.start()
    for figure in reversed(list(_FIGURE.finditer(text, max(0, end - 40 * count), end))):
        between = text[figure.end() : end]
        if len(found) == count or len(between) > _BESIDE or _BREAK.search(between):
            break
        found.append(figure)
        end = figure.start()
    link = _AFTER.match(text, group.end())
    after = _FIGURE.match(text, link.end()) if link and link.end() > group.end() else None
    return [*found, after] if after and not found else found


def _is(figure: re.Match[str], fact: Fact) -> bool:
    digits, scale = figure["digits"].replace(",", ""), _SCALES[figure["scale"] or ""]
    if digits in re.findall(r"\d+(?:\.\d+)?", fact.label):
        return True  # of its name: the 14 of RSI 14
    value, half = Decimal(digits) * scale, Decimal(scale).scaleb(-len(digits.partition(".")[2])) / 2
    meant = {"": abs(fact.value), "+": fact.value}.get(figure["sign"], -fact.value)
    return abs(meant - value) <= half


# --- answers ----------------------------------------------------------------------------------------------------------


class Shared(Generic[V]):
    """One question in flight for each topic: whoever comes second waits for the same answer, and who gives up waiting
    takes it from nobody."""

    def __init__(self) -> None:
        self._asking: dict[Hashable, asyncio.Task[V]] = {}

    async def ask(self, topic: Hashable, ask: Callable[[], Coroutine[Any, Any, V]]) -> tuple[V, bool]:
        """The answer, and whether somebody else has asked for it."""
        task = self._asking.get(topic)
        shared = task is not None
        if task is None:
            task = self._asking[topic] = asyncio.create_task(ask())
            task.add_done_callback(lambda _: self._asking.pop(topic, None))
        return await asyncio.shield(task), shared


def micro(confidence: float) -> int:
    """Millionths of a stated fraction, rounded down: never up into a trade."""
    return int(Decimal(repr(confidence)) * MICRO)


def broke(lack: Lack) -> bool:
    """Whether something failed; a switch, a cap or a lack of pages is no failure."""
    return lack not in _NOTHING_BROKE


def unheard(who: str, no: NoAnswer) -> Abstention:
    """`who`: a persona, "judge" or "validator"."""
    return Abstention(persona=who, reason=clean(no.reason) or no.lack.value, failed=broke(no.lack), voice=no.voice)


def free(voice: Voice) -> Voice:
    """Of an answer that another decision has paid for: the same bytes, and no cost."""
    return replace(voice, exchanges=unpaid(voice.exchanges))


def unpaid(exchanges: Sequence[Exchange]) -> tuple[Exchange, ...]:
    return tuple(replace(e, cost=Decimal(0), basis=Basis.FREE) for e in exchanges)
