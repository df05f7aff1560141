"""Card -> the messages Telegram takes: HTML with everything escaped, at most 4096 UTF-16 units each, no word lost."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bot.surface import Button, Card, Style

LIMIT = 4096  # UTF-16 code units of a message's text, counted after its entities are parsed
NOTE_LIMIT = 200  # characters of what a tap is answered with
FORM = "fm:"  # begins the data of a button that wants a word typed: Telegram has no form, the word comes as a message

_DATA = 64  # bytes
_PER_ROW = 2
_UNSENDABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")  # control characters and halves of a surrogate pair
_TAGS = {"": ("", ""), "title": ("<b>", "</b>"), "detail": ("<blockquote expandable>", "</blockquote>")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message twice: with markup, and for the day when the markup is refused."""

    html: str
    plain: str


def units(text: str) -> int:
    """Length in UTF-16 code units, which is how Telegram counts."""
    return len(text) + sum(c > "\uffff" for c in text)


def messages(card: Card, *, limit: int = LIMIT) -> tuple[Message, ...]:
    """At least one message; their texts, read one after the other, hold every word of the card in its order."""
    spans = [(card.title, "title"), ("\n".join(card.body()), ""), ("\n".join(card.detail), "detail")]
    parts: list[list[tuple[str, str]]] = [[]]
    room = limit
    for text, style in spans:
        rest = sendable(text)
        while rest:
            join = 1 if parts[-1] else 0  # the line break between two spans
            head, rest = _cut(rest, room - join, whole=not parts[-1])
            if head:
                parts[-1].append((head, style))
                room -= join + units(head)
            if rest and parts[-1]:
                parts.append([])
                room = limit
    return tuple(_message(part) for part in parts if part) or (Message(html="-", plain="-"),)


def note(card: Card) -> str:
    """As much of it as the answer to a tap holds."""
    text = sendable(card.plain())
    return text[: _fitting(text, NOTE_LIMIT)]


def keyboard(buttons: Sequence[Button]) -> InlineKeyboardMarkup | None:
    keys = [InlineKeyboardButton(sendable(b.label), callback_data=_data(b), style=_style(b)) for b in buttons]
    return InlineKeyboardMarkup([keys[i : i + _PER_ROW] for i in range(0, len(keys), _PER_ROW)]) if keys else None


def _data(button: Button) -> str:
    marked = FORM + button.data
    return marked if button.form and len(marked.encode()) <= _DATA else button.data


def _style(button: Button) -> str | None:
    return None if button.style is Style.PLAIN else button.style.value


def sendable(text: str) -> str:
    """What UTF-8 or Telegram would refuse is shown as a replacement character; an outer blank line is none."""
    return _UNSENDABLE.sub("\ufffd", text).rstrip().lstrip("\n")


def escaped(text: str) -> str:
    return html.escape(text, quote=False)


def _message(part: list[tuple[str, str]]) -> Message:
    marked = (f"{_TAGS[style][0]}{escaped(text)}{_TAGS[style][1]}" for text, style in part)
    return Message(html="\n".join(marked), plain="\n".join(text for text, _ in part))


def _cut(text: str, room: int, *, whole: bool) -> tuple[str, str]:
    """(what fits, the rest), parted between words. `whole`: the room is a whole message, so a longer word is broken;
    otherwise such a word waits for the next message."""
    end = _fitting(text, room)
    if end == len(text):
        return text, ""
    line = text.rfind("\n", end // 2, end + 1)
    at = line if line > 0 else max(text.rfind(space, 1, end + 1) for space in " \n\t")
    if at > 0 and (head := text[:at].rstrip()):
        return head, text[at + 1 :].lstrip("\n")
    return (text[:end], text[end:]) if whole else ("", text)


def _fitting(text: str, room: int) -> int:
    """How many characters of `text` fit into `room` units."""
    for at, character in enumerate(text):
        room -= 2 if character > "\uffff" else 1
        if room < 0:
            return at
    return len(text)
