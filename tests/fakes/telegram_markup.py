"""The markup that Telegram takes, read as strictly as Telegram reads it: HTML messages, rich messages, keyboards."""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

DATA_LIMIT, BUTTONS, PER_ROW = 64, 100, 8
RICH_LIMIT, RICH_BLOCKS, RICH_DEPTH, RICH_COLUMNS = 32768, 500, 16, 20

Params = dict[str, Any]
Keyboard = list[list[dict[str, str]]]


class Refusal(Exception):
    """An answer that is no success."""

    def __init__(self, code: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


# --- HTML messages ---------------------------------------------------------------------------------------------------

_UNPARSED = "Bad Request: can't parse entities: "
_TAG = re.compile(r"<(/?)([a-z][a-z0-9-]*|)((?:\s+[a-z-]+(?:=\"[^\"]*\")?)*)\s*(/?)>")
_TAGS = ("b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "a", "code", "pre", "blockquote", "tg-spoiler")


def parse_html(text: str) -> str:
    """The text of Telegram's HTML; Refusal as Telegram words it when it is not well formed."""
    found: list[str] = []
    open_tags: list[str] = []
    at = 0
    for start in _angles(text):
        found.append(html.unescape(text[at:start]))
        tag = _TAG.match(text, start)
        name = tag[2] if tag else ""
        if tag is None or name not in _TAGS or tag[4]:
            raise Refusal(400, f'{_UNPARSED}Unsupported start tag "{name}" at byte offset {start}')
        if tag[1] and (not open_tags or open_tags.pop() != name):
            raise Refusal(400, f"{_UNPARSED}Unmatched end tag at byte offset {start}")
        if not tag[1]:
            if name == "blockquote" and name in open_tags:
                raise Refusal(400, f"{_UNPARSED}Nested blockquote at byte offset {start}")
            open_tags.append(name)
        at = tag.end()
    if open_tags:
        raise Refusal(400, f'{_UNPARSED}Can\'t find end tag corresponding to start tag "{open_tags[-1]}"')
    return "".join((*found, html.unescape(text[at:])))


def _angles(text: str) -> Iterator[int]:
    return (match.start() for match in re.finditer("<", text))


# --- rich messages, since Bot API 10.1: https://core.telegram.org/bots/api#rich-message-formatting-options ------------

_STYLED = ("b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "code", "mark", "sub", "sup", "tg-spoiler")
_INLINE = frozenset((*_STYLED, "a", "br", "cite"))
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_BLOCKS = frozenset((*_HEADINGS, "p", "pre", "footer", "hr", "ul", "ol", "blockquote", "aside", "table", "details"))
_COUNTED = _BLOCKS | {"li", "tr"}
_VOID = frozenset(("br", "hr"))
_HOLDS: dict[str, frozenset[str]] = {
    "": _BLOCKS | _INLINE,
    "table": frozenset(("caption", "tr")),
    "tr": frozenset(("th", "td")),
    "ul": frozenset(("li",)),
    "ol": frozenset(("li",)),
    "li": _BLOCKS | _INLINE,
    "details": _BLOCKS | _INLINE | {"summary"},
}
_BARE = frozenset(("table", "tr", "ul", "ol"))  # text stands in their children only
_ATTRIBUTES: dict[str, dict[str, str]] = {  # name -> what its value has to look like
    "table": {"bordered": "", "striped": ""},
    "td": {"align": "left|center|right", "valign": "top|middle|bottom", "colspan": r"\d+", "rowspan": r"\d+"},
    "details": {"open": ""},
    "a": {"href": ".+", "name": ".+"},
    "ol": {"start": r"\d+", "type": "[aAiI1]", "reversed": ""},
}
_ATTRIBUTES["th"] = _ATTRIBUTES["td"]
_NAMED = frozenset(
    ("lt", "gt", "amp", "quot", "apos", "nbsp", "hellip", "mdash", "ndash", "lsquo", "rsquo", "ldquo", "rdquo")
)
_ENTITY = re.compile(r"&(?:#\d+;|#x[0-9a-fA-F]+;|([a-zA-Z]+);|)")


@dataclass(slots=True)
class RichText:
    """What a phone shows of a rich message. The cells of a row are parted by " | "."""

    text: str = ""
    tables: list[list[list[str]]] = field(default_factory=list)


@dataclass(slots=True)
class _RichReader:
    said: list[str] = field(default_factory=list)
    tables: list[list[list[str]]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    blocks: int = 0

    def text(self, text: str) -> None:
        for entity in _ENTITY.finditer(text):
            if entity[0] == "&" or (entity[1] and entity[1] not in _NAMED):
                raise _not_rich(f"unsupported entity at {text[entity.start() :][:8]!r}")
        shown = re.sub(r"[ \t\r\n]+", " ", html.unescape(text))
        if shown.strip() and self.open and self.open[-1] in _BARE:
            raise _not_rich(f"text directly inside <{self.open[-1]}>")
        self.said.append(shown)
        if self.tables and {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += shown

    def tag(self, name: str, attributes: str, *, ends: bool, closed: bool) -> None:
        if name not in _INLINE | _COUNTED | {"caption", "th", "td", "summary"}:
            raise _not_rich(f"unsupported tag <{name}>")
        if ends:
            self._close(name)
            return
        parent = self.open[-1] if self.open else ""
        if name not in _HOLDS.get(parent, _INLINE):
            raise _not_rich(f"<{name}> inside <{parent}>")
        _check_attributes(name, attributes)
        self._start(name)
        if name in _VOID:
            self.said.append("\n")
        elif closed:
            raise _not_rich(f"<{name}/> is not an empty tag")
        else:
            self.open.append(name)

    def _start(self, name: str) -> None:
        self.blocks += name in _COUNTED
        if len(self.open) >= RICH_DEPTH:
            raise _not_rich("nested too deeply")
        if name == "table":
            self.tables.append([])
        elif name == "tr":
            self.tables[-1].append([])
        elif name in ("td", "th"):
            self.tables[-1][-1].append("")
            self.said.append(" | " if len(self.tables[-1][-1]) > 1 else "")

    def _close(self, name: str) -> None:
        if not self.open or self.open.pop() != name:
            raise _not_rich(f"unmatched </{name}>")
        if name in _COUNTED or name in ("caption", "summary"):
            self.said.append("\n")

    def read(self) -> RichText:
        if self.open:
            raise _not_rich(f"<{self.open[-1]}> is not closed")
        widths = [{len(row) for row in table} for table in self.tables]
        if any(len(width) != 1 or not 1 <= max(width) <= RICH_COLUMNS for width in widths):
            raise _not_rich(f"rows of {widths} cells")
        if self.blocks > RICH_BLOCKS:
            raise _not_rich("too many blocks")
        text = "\n".join(line for part in "".join(self.said).split("\n") if (line := part.strip(" ")))
        if not text.strip():
            raise Refusal(400, "Bad Request: message text is empty")
        if len(text) > RICH_LIMIT:
            raise Refusal(400, "Bad Request: message is too long")
        return RichText(text, self.tables)


def parse_rich(text: str) -> RichText:
    """Refusal when it is not well formed, or over a limit."""
    reader = _RichReader()
    at = 0
    for start in _angles(text):
        reader.text(text[at:start])
        tag = _TAG.match(text, start)
        if tag is None or not tag[2]:
            raise _not_rich(f"no tag at {text[start:][:12]!r}")
        reader.tag(tag[2], tag[3], ends=bool(tag[1]), closed=bool(tag[4]))
        at = tag.end()
    reader.text(text[at:])
    return reader.read()


def _check_attributes(name: str, given: str) -> None:
    known = _ATTRIBUTES.get(name, {})
    for key, _, value in (part.partition("=") for part in given.split()):
        if key not in known or not re.fullmatch(known[key], value.strip('"')):
            raise _not_rich(f"<{name}{given}>")


def _not_rich(why: str) -> Refusal:
    return Refusal(400, f"Bad Request: can't parse rich message: {why}")


# --- keyboards -------------------------------------------------------------------------------------------------------

_STYLES = ("danger", "success", "primary")
_Check = Callable[[dict[str, str]], bool]
_KEY_RULES: tuple[tuple[str, _Check], ...] = (
    ("Text buttons are unallowed in the inline keyboard", lambda key: "callback_data" in key),
    ("BUTTON_DATA_INVALID", lambda key: 1 <= len(key["callback_data"].encode()) <= DATA_LIMIT),
    ("BUTTON_TEXT_INVALID", lambda key: bool(key["text"].strip())),
    ("BUTTON_STYLE_INVALID", lambda key: key.get("style", "danger") in _STYLES),
    ("unknown field of a button", lambda key: not key.keys() - {"text", "callback_data", "style"}),
)


def keyboard(params: Params) -> Keyboard:
    rows: Keyboard = params.get("reply_markup", {}).get("inline_keyboard", [])
    keys = [key for row in rows for key in row]
    if len(keys) > BUTTONS or any(not 1 <= len(row) <= PER_ROW for row in rows):
        raise Refusal(400, "Bad Request: too many buttons")
    for fault, right in _KEY_RULES:
        if not all(right(key) for key in keys):
            raise Refusal(400, f"Bad Request: {fault}")
    return rows
