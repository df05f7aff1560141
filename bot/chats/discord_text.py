"""Card -> the texts Discord takes: markdown with everything escaped, at most 2000 characters each, no word lost.

Plain content and no embeds: a lock screen shows the first line of a message, and of an embed nothing; an embed needs a
permission and can be switched off by who reads. Detail stands in a quote.
"""

import re
from collections.abc import Callable, Iterator

from bot.surface import Card

LIMIT = 2000  # characters of a message

_UNSENDABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")  # control characters and halves of a surrogate pair
_MARKUP = re.compile(r"[\\*_~`|<\[]")  # anywhere in a line: bold, spoiler, code, mention, time stamp, masked link
_LINE_MARKUP = re.compile(r"^(\s*)([#>+-]|\d{1,9}(?=\.\s))(\.?)")  # heading, quote, list
_EVERYBODY = re.compile(r"@(?=everyone|here)")
_LINK = re.compile(r"https?://[^\s<>]+")
_NOTHING = "-"  # Discord takes no empty message

_Mark = Callable[[str], str]


def units(text: str) -> int:
    """Length in UTF-16 code units: never less than Discord counts."""
    return len(text) + sum(c > "\uffff" for c in text)


def contents(card: Card, *, limit: int = LIMIT) -> tuple[str, ...]:
    """At least one text; read one after the other they hold every word of the card in its order."""
    parts: list[str] = []
    for line in _lines(card, limit):
        if parts and units(parts[-1]) + 1 + units(line) <= limit:
            parts[-1] += f"\n{line}"
        elif line.strip():
            parts.append(line)
    return tuple(part.rstrip() for part in parts) or (_NOTHING,)


def escaped(text: str) -> str:
    """One line, as it reads. A link stays one, without its preview."""
    found, at = [], 0
    for link in _LINK.finditer(text):
        found += [_escaped(text[at : link.start()], begins=at == 0), f"<{link[0]}>"]
        at = link.end()
    return "".join((*found, _escaped(text[at:], begins=at == 0)))


def _escaped(text: str, *, begins: bool) -> str:
    inner = _EVERYBODY.sub("@\u200b", _MARKUP.sub(r"\\\g<0>", text))
    return _LINE_MARKUP.sub(_behind_backslash, inner) if begins else inner


def _behind_backslash(found: re.Match[str]) -> str:
    space, mark, dot = found.groups()
    return f"{space}{mark}\\{dot}" if dot else f"{space}\\{mark}"


def _title(line: str) -> str:
    """Bold; a link in it is only text, so that nothing in it can end the bold."""
    return f"**{_escaped(line.strip(), begins=False)}**" if line.strip() else ""


def _quoted(line: str) -> str:
    return f"> {escaped(line)}" if line.strip() else ""


def _lines(card: Card, limit: int) -> Iterator[str]:
    spans: tuple[tuple[str, _Mark], ...] = (
        (card.title, _title),
        *((line, escaped) for line in card.body()),
        *((line, _quoted) for line in card.detail),
    )
    for text, mark in spans:
        for line in _UNSENDABLE.sub("\ufffd", text).split("\n"):
            yield from _fitting(line, mark, limit)


def _fitting(line: str, mark: _Mark, limit: int) -> Iterator[str]:
    """The line, in as many pieces as it takes, parted between words where there are any."""
    rest = line
    while units(mark(rest)) > limit:
        end = _most(rest, mark, limit)
        at = max(rest.rfind(" ", 1, end + 1), rest.rfind("\t", 1, end + 1))
        head, rest = (rest[:at], rest[at + 1 :]) if at > 0 and rest[:at].strip() else (rest[:end], rest[end:])
        yield mark(head)
    yield mark(rest)


def _most(line: str, mark: _Mark, limit: int) -> int:
    """How many characters of the line fit, marked up; at least one."""
    least, most = 1, min(len(line), limit)
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if units(mark(line[:middle])) <= limit else (least, middle - 1)
    return least
