"""Reading JSON of strangers: every look says what it wants, and gets nothing where something else stands."""

import json
import math
import re
import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

from trading.voice import Lack, Source

MOST_SOURCES = 12
_TITLE, _URL, _SAID = 120, 2000, 160  # characters
_MOST = 10**9  # tokens
_IN_URLS = "%/:?#[]@!$&'()*+,;=-._~"

_LONG = re.compile(r"[\w-]{20,}")
_PLAIN = re.compile(r"[^\W\d_]{1,14}|\d{1,8}")  # a part of an ordinary name: a word, or a number

NOT_JSON = object()


def parsed(body: bytes) -> Any:
    """What a body holds, its numbers exact; NOT_JSON where it is none."""
    try:
        return json.loads(body, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        return NOT_JSON


def table(value: Any, *keys: str) -> dict[str, Any]:
    """The object below these keys; an empty one where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def rows(value: Any) -> list[dict[str, Any]]:
    """The objects of a list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def count(value: Any) -> int:
    """A number of tokens or searches."""
    return min(value, _MOST) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def decimal(value: Any) -> Decimal | None:
    """An amount of money, from a number or from its text; none that is negative or without measure."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str) or len(str(value)) > 40:
        return None
    try:
        found = Decimal(value)
    except ArithmeticError:
        return None
    if not found.is_finite() or found < 0 or (found and not -18 <= found.adjusted() <= 6):
        return None
    return found


def line(text: str, most: int) -> str:
    """On one line, without what cannot be seen, and no longer than that."""
    seen = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    return " ".join(seen.split())[:most]


def said(text: str) -> str:
    """A provider's message, for a reason: on one line, short, and without what might be a key."""
    return line(_LONG.sub(lambda found: found[0] if _ordinary(found[0]) else "***", text), _SAID)


def _ordinary(token: str) -> bool:
    """A long name of words and numbers, such as that of a model, is no key."""
    return all(_PLAIN.fullmatch(part) for part in re.split(r"[-_]", token) if part)


def source(title: Any, url: Any) -> Source | None:
    """A page of the web; None for what is none."""
    address = quote(line(word(url), _URL + 1), safe=_IN_URLS)
    try:
        parts = urlsplit(address)
        known = parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return None
    if not known or len(address) > _URL:
        return None
    return Source(title=line(word(title), _TITLE) or str(parts.hostname), url=address)


def distinct(sources: list[Source | None]) -> tuple[Source, ...]:
    """Each page once, the first ones of many."""
    return tuple({s.url: s for s in reversed(sources) if s is not None}.values())[::-1][:MOST_SOURCES]


def by_status(status: int) -> Lack:
    """What an HTTP status alone says."""
    match status:
        case 401 | 402 | 403:
            return Lack.DENIED
        case 404 | 410:
            return Lack.RETIRED
        case 429:
            return Lack.RATE_LIMITED
        case 408:
            return Lack.SERVER
        case _ if 400 <= status < 500:
            return Lack.BAD_REQUEST
        case _ if status >= 500:
            return Lack.SERVER
        case _:
            return Lack.BROKEN  # a redirect, or no status at all


def pause(text: str, now: datetime) -> float | None:
    """Seconds of a Retry-After ("34", or a date) or of a RetryInfo ("34s"); None for anything else."""
    try:
        seconds = float(text.strip().removesuffix("s"))
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
            seconds = ((at.replace(tzinfo=UTC) if at.tzinfo is None else at) - now).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
        seconds = max(seconds, 0.0)
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
