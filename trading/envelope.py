"""Text of others, made harmless: cleaned of what nobody sees, and fenced in where a model reads it. Pure."""

import json
import re
import unicodedata
from collections.abc import Iterable

MOST = 300  # characters of one line that people or a record keep
FENCED = 8_000  # of one item in an envelope

_SPACES = frozenset(("Cc", "Zl", "Zp", "Zs"))  # control characters and line breaks of every kind become a space
_GONE = frozenset(("Cf", "Co", "Cs", "Cn"))  # zero-width, bidi, tags, private use, halves of pairs, unassigned
# What is a letter or a mark by its class and shows nothing: fillers, joiners, variation selectors, an empty cell.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_MARKS = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]"
_PILED = re.compile(f"({_MARKS}{{2}}){_MARKS}+")  # more than two marks on one letter
_NAME = re.compile(r"[a-z][a-z_]{0,29}")
_FENCE = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
_CUT = "..."
_SLACK = 4  # so many times the characters that are kept are looked at: a long text costs no more time than that


def clean(text: str, most: int = MOST) -> str:
    """One line of at most `most` characters (3 at least), in compatibility form, with nothing in it that is not seen.

    What looks alike stays: a letter of another alphabet is a letter. Cleaning twice changes nothing.
    """
    plain = _settled(text, most * _SLACK)
    return plain if len(plain) <= most else plain[: most - len(_CUT)].rstrip() + _CUT


def _settled(text: str, most: int) -> str:
    """Until nothing changes: what is taken away may leave two characters side by side that become one."""
    before = None
    while text != before:
        before = text
        text = "".join(_kept(c) for c in unicodedata.normalize("NFKC", text[:most])[:most])
        text = " ".join(_PILED.sub(r"\1", _UNSEEN.sub("", text)).split())
    return text


def _kept(character: str) -> str:
    kind = unicodedata.category(character)
    return " " if kind in _SPACES else "" if kind in _GONE else character


def enveloped(name: str, items: Iterable[str], *, most: int = FENCED) -> str:
    """Items as data that cannot get out: one JSON string a line inside <data name="...">.

    `name` is ours, small letters. Raises ValueError for another.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for an envelope")
    lines = [json.dumps(clean(item, most), ensure_ascii=False).translate(_FENCE) for item in items]
    return "\n".join((f'<data name="{name}">', *lines, "</data>"))
