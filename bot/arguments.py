"""The kinds of arguments that commands take. Each reads one value, says its range, and suggests what may be meant."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from bot.catalogue import BadArguments, nearest
from bot.reach import Tools
from trading.model import Symbol, base_of
from trading.playbook import Playbook, span_text

_SECOND, _MINUTE, _HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), _SECOND),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), _MINUTE),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), _HOUR),
    **dict.fromkeys(("d", "day", "days"), 24 * _HOUR),
}
SUGGESTED = 25
_MOST_MONEY = Decimal(10) ** 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    name: str
    help: str
    required: bool = False
    rest: bool = False

    @property
    def range(self) -> str:
        return ""

    @property
    def choices(self) -> tuple[str, ...]:
        return ()

    @property
    def bounds(self) -> tuple[int, int] | None:
        return None

    def read(self, text: str, tools: Tools) -> Any:  # noqa: ARG002
        return text

    def suggest(self, typed: str, tools: Tools) -> Iterable[str]:  # noqa: ARG002
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Words(Base):
    """Free text, cut where it is too long to keep."""

    rest: bool = True
    most: int = 200

    def read(self, text: str, tools: Tools) -> str:  # noqa: ARG002
        return text[: self.most]


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf(Base):
    """One of a few that never change. `also`: other words for them."""

    known: tuple[str, ...]
    also: Mapping[str, str] | None = None

    @property
    def range(self) -> str:
        return f"one of {', '.join(self.known)}"

    @property
    def choices(self) -> tuple[str, ...]:
        return self.known if len(self.known) <= SUGGESTED else ()

    def read(self, text: str, tools: Tools) -> str:  # noqa: ARG002
        return one_of((self.also or {}).get(text.lower(), text), self.known, self.name)

    def suggest(self, typed: str, tools: Tools) -> Iterable[str]:  # noqa: ARG002
        return (k for k in self.known if typed.lower() in k.lower())


@dataclass(frozen=True, slots=True, kw_only=True)
class Count(Base):
    """A whole number."""

    least: int = 1
    most: int

    @property
    def range(self) -> str:
        return f"{self.least} to {self.most}"

    @property
    def bounds(self) -> tuple[int, int]:
        return self.least, self.most

    def read(self, text: str, tools: Tools) -> int:  # noqa: ARG002
        if not text.isascii() or not text.isdigit() or not self.least <= int(text[:19]) <= self.most:
            raise BadArguments(f"{text[:20]!r} is not a number from {self.least} to {self.most}")
        return int(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageNumber(Base):
    """Which page of a long list: "page=2", typed or tapped. See bot/render/paging.py."""

    name: str = "page"
    help: str = "Which page of it, like page=2"
    most: int = 9999

    @property
    def range(self) -> str:
        return f"page=1 to page={self.most}"

    def read(self, text: str, tools: Tools) -> int:  # noqa: ARG002
        found = re.fullmatch(r"page=([1-9][0-9]{0,8})", text.lower())
        if not found or int(found[1]) > self.most:
            raise BadArguments(f"{text[:20]!r} is not a page like page=2")
        return int(found[1])

    def suggest(self, typed: str, tools: Tools) -> Iterable[str]:  # noqa: ARG002
        return (page for page in ("page=2", "page=3", "page=4", "page=5") if page.startswith(typed.lower()))


PAGE = PageNumber()
CSV = OneOf(name="csv", help="All of it as a file for a spreadsheet", known=("csv",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Share(Base):
    """A part of a whole: "50%", "0.5", "half", "all" -> a Decimal above 0 and at most 1."""

    @property
    def range(self) -> str:
        return "more than 0 and at most 100 %, like 50%"

    def read(self, text: str, tools: Tools) -> Decimal:  # noqa: ARG002
        words = {"half": "50%", "all": "100%", "third": "33.3%", "quarter": "25%"}
        bare = words.get(text.lower(), text)
        try:
            value = Decimal(bare.removesuffix("%")) / (100 if bare.endswith("%") else 1)
        except InvalidOperation:
            raise BadArguments(f"{text[:20]!r} is not a part like 50% or half") from None
        if not (value.is_finite() and 0 < value <= 1):
            raise BadArguments(f"{text[:20]!r} is not more than 0 and at most 100 %")
        return value

    def suggest(self, typed: str, tools: Tools) -> Iterable[str]:  # noqa: ARG002
        return (share for share in ("25%", "50%", "75%", "100%") if share.startswith(typed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount(Base):
    """Money with its sign: "250", "-12.5"."""

    @property
    def range(self) -> str:
        return "an amount like 250 or -12.5"

    def read(self, text: str, tools: Tools) -> Decimal:  # noqa: ARG002
        try:
            value = Decimal(text)
        except InvalidOperation:
            raise BadArguments(f"{text[:20]!r} is not {self.range}") from None
        if not (value.is_finite() and abs(value) < _MOST_MONEY):
            raise BadArguments(f"{text[:20]!r} is not {self.range}")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration(Base):
    """ "30m", "2h", "1h 30m", "for 90 minutes"."""

    rest: bool = True
    most: timedelta

    @property
    def range(self) -> str:
        return f"a time like 30m or 2h, at most {span_text(self.most)}"

    def read(self, text: str, tools: Tools) -> timedelta:  # noqa: ARG002
        return duration_in(re.sub(r"^(for|to)\s+", "", text, flags=re.IGNORECASE), most=self.most)

    def suggest(self, typed: str, tools: Tools) -> Iterable[str]:  # noqa: ARG002
        return (s for s in ("15m", "30m", "1h", "2h", "4h", "12h", "24h") if s.startswith(typed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair(Base):
    """An instrument of the running playbook."""

    @property
    def range(self) -> str:
        return "a pair of the playbook"

    def read(self, text: str, tools: Tools) -> Symbol:
        return pair_named(tools.desk.playbook, text)

    def suggest(self, typed: str, tools: Tools) -> Iterable[str]:
        return (base for base in tools.desk.playbook.universe if typed.upper() in base)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPosition(Base):
    """An open position, by id or pair: the word as it was typed, see lookup.position_named."""

    @property
    def range(self) -> str:
        return "an open position, by its id or pair"

    def suggest(self, typed: str, tools: Tools) -> Iterable[str]:
        held = [p.position for p in tools.desk.status().positions]
        names = [*(base_of(p.symbol) for p in held), *(p.id for p in held)]
        return (name for name in names if typed.lower() in name.lower())


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionName(Base):
    """A decision: its id or the beginning of it, a pair, or "last". The word as it was typed, see
    lookup.decision_named."""

    @property
    def range(self) -> str:
        return "an id, a pair, or last"

    def suggest(self, typed: str, tools: Tools) -> Iterable[str]:
        status = tools.desk.status()
        names = ["last", *status.last_decision.split()[:1], *(p.position.id for p in status.positions)]
        return (name for name in (*names, *tools.desk.playbook.universe) if typed.lower() in name.lower())


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookName(Base):
    @property
    def range(self) -> str:
        return "a playbook's name"

    def read(self, text: str, tools: Tools) -> str:
        return one_of(text, dict.fromkeys((tools.desk.playbook.name, *tools.library.names())), "playbook")

    def suggest(self, typed: str, tools: Tools) -> Iterable[str]:
        return (name for name in tools.library.names() if typed.lower() in name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowName(PlaybookName):
    """A playbook that runs in shadow, whose file may be gone meanwhile: the word as it was typed."""

    @property
    def range(self) -> str:
        return "a playbook that runs in shadow"

    def read(self, text: str, tools: Tools) -> str:  # noqa: ARG002
        return text[:30]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlaybookName(Base):
    """A name that no playbook has."""

    @property
    def range(self) -> str:
        return "a new name of small letters, digits, dots and -, 30 at most"

    def read(self, text: str, tools: Tools) -> str:
        name = text.lower()
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,29}", name):
            raise BadArguments(f"{text[:31]!r} is not {self.range}")
        if name in (tools.desk.playbook.name, *tools.library.names()):
            raise BadArguments(f"there is a playbook {name!r} already; a new one takes a new name")
        return name


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseName(Base):
    """A phase of the running playbook; with `auto`, the word for "by its dates" too."""

    auto: bool = True

    @property
    def range(self) -> str:
        return "a phase of the playbook" + (", or auto" if self.auto else "")

    def _known(self, tools: Tools) -> tuple[str, ...]:
        return (*(p.name for p in tools.desk.playbook.phases), *(("auto",) if self.auto else ()))

    def read(self, text: str, tools: Tools) -> str:
        return one_of(text, self._known(tools), "phase")

    def suggest(self, typed: str, tools: Tools) -> Iterable[str]:
        return (name for name in self._known(tools) if typed.lower() in name.lower())


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingKey(Base):
    """A setting of the running playbook, by its dotted key or the end of it."""

    @property
    def range(self) -> str:
        return "a setting's key, see /settings"

    def read(self, text: str, tools: Tools) -> str:
        keys = [line.key for line in tools.desk.settings()]
        word = text.lower()
        ends = [key for key in keys if key == word] or [key for key in keys if key.endswith(f".{word}")]
        if len(ends) == 1:
            return ends[0]
        if ends:
            raise BadArguments(f"{text[:30]!r} is the end of {len(ends)} settings: {', '.join(ends[:5])}")
        close = nearest(word, keys)
        hint = f"did you mean {close}?" if close else "/settings lists them"
        raise BadArguments(f"no setting {text[:30]!r}; {hint}")

    def suggest(self, typed: str, tools: Tools) -> Iterable[str]:
        return (line.key for line in tools.desk.settings() if typed.lower() in line.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingValue(Words):
    """What a setting is to be: a number, a time, a word; "" for what the playbook's file says."""

    @property
    def range(self) -> str:
        return "a value like 0.6, 2%, 6h or true; file: as the playbook's file has it"

    def read(self, text: str, tools: Tools) -> str:  # noqa: ARG002
        return setting_value(text[: self.most].removeprefix("=").strip())

    def suggest(self, typed: str, tools: Tools) -> Iterable[str]:  # noqa: ARG002
        return (word for word in ("file",) if word.startswith(typed.lower()))


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingFilter(Base):
    """A part of a setting's key, or the word for those that people have changed. One word that some key contains."""

    @property
    def range(self) -> str:
        return "a part of a setting's key, or changed"

    def read(self, text: str, tools: Tools) -> str:
        keys = [line.key for line in tools.desk.settings()]
        word = text.lower()
        if word == CHANGED or any(word in key for key in keys):
            return word
        parts = {part for key in keys for part in key.split(".")}
        close = nearest(word, parts)
        raise BadArguments(f"no setting has {text[:30]!r} in its key" + (f"; did you mean {close}?" if close else ""))

    def suggest(self, typed: str, tools: Tools) -> Iterable[str]:
        parts = dict.fromkeys((CHANGED, *(line.key.partition(".")[0] for line in tools.desk.settings())))
        return (part for part in parts if typed.lower() in part)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonName(Base):
    @property
    def range(self) -> str:
        return "a person's name, id or account"

    def suggest(self, typed: str, tools: Tools) -> Iterable[str]:
        return (p.id for p in tools.people.all() if typed.lower() in f"{p.id} {p.name}".lower())


CHANGED = "changed"
_AS_IN_FILE = frozenset({"", "file", "default"})


# --- what words mean ----------------------------------------------------------------------------------------------


def _bare(word: str) -> str:
    return re.sub(r"[\s_-]", "", word.lower())


def one_of(word: str, known: Iterable[str], what: str) -> str:
    """The one of `known` that is meant, whatever its case, spaces, dashes and underscores. Raises BadArguments with
    the nearest one."""
    names = list(known)
    same = [name for name in names if _bare(name) == _bare(word)]
    if len(same) == 1:
        return same[0]
    known_ones = f"known: {', '.join(names)}"
    if not word:
        raise BadArguments(f"which {what}? {known_ones}")
    lowered = {name.lower(): name for name in names}
    close = nearest(word.lower(), lowered)
    raise BadArguments(f"no {what} {word[:30]!r}; {f'did you mean {lowered[close]}?' if close else known_ones}")


def duration_in(text: str, *, most: timedelta) -> timedelta:
    """ "30m", "2h", "1h 30m", "90 minutes" -> how long. Raises BadArguments for none, and for more than `most`."""
    plain = text.lower().replace("and", " ")
    parts = re.findall(r"(\d{1,6})\s*([a-z]+)", plain)
    read = "".join(f"{count}{unit}" for count, unit in parts) == re.sub(r"[\s,]", "", plain)
    units = [_UNITS.get(unit) for _, unit in parts]
    if not parts or not read or None in units:
        raise BadArguments(f"{text[:20]!r} is not a time like 30m or 2h" if text else "for how long? 30m or 2h, say")
    total = sum((int(count) * unit for (count, _), unit in zip(parts, units, strict=True) if unit), timedelta(0))
    if not timedelta(0) < total <= most:
        raise BadArguments(f"{text[:20]} is not within {span_text(most)}")
    return total


def setting_value(text: str) -> str:
    """ "6 H" -> "6h", "2.5 %" -> "2.5%"; a word for "as in the file" -> ""; else as it was typed."""
    if text.lower() in _AS_IN_FILE:
        return ""
    sized = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd%])", text, re.IGNORECASE)
    return f"{sized[1]}{sized[2].lower()}" if sized else text


def symbol_named(playbook: Playbook, word: str) -> Symbol | None:
    """ "btc", "BTC/USDT", "btcusdt" or the full symbol -> the symbol, where the playbook trades it."""
    head = word.upper().partition("/")[0].strip()
    bases = (head, head.removesuffix(playbook.quote).rstrip(" -_"))
    found = next((base for base in bases if base in playbook.universe), None)
    return Symbol(f"{found}/{playbook.quote}:{playbook.quote}") if found else None


def pair_named(playbook: Playbook, word: str) -> Symbol:
    """A pair of the playbook. Raises BadArguments with the nearest one."""
    found = symbol_named(playbook, word)
    return found or pair_named(playbook, one_of(word.upper(), playbook.universe, "pair"))
