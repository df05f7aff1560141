"""Long lists: a page at a time, with the buttons to the others, and the whole of it as a CSV file. Pure."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from bot.surface import AGAIN, ASK, Button, File

Row = TypeVar("Row")

DATA_LIMIT = 64  # bytes that a button carries
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run what begins so


def page_of(rows: Sequence[Row], page: int, per_page: int) -> tuple[Sequence[Row], int, int]:
    """Those of one page, the page it is, and how many there are. A page behind the last one is the last one."""
    pages = max(1, -(-len(rows) // per_page))
    page = min(max(1, page), pages)
    return rows[(page - 1) * per_page : page * per_page], page, pages


def page_buttons(line: str, page: int, pages: int, *, file: bool = True) -> tuple[Button, ...]:
    """Next and Back, in the place of the card they stand under, and CSV, which is a message of its own.

    `line`: the command without its page, "/trades BTC". Where the number of pages is not known, `pages` is one more
    than `page` as long as something comes after it. A line too long for a button has none: it can still be typed.
    """
    wanted = (
        Button(label="Back", data=f"{AGAIN}{line} page={page - 1}") if page > 1 else None,
        Button(label="Next", data=f"{AGAIN}{line} page={page + 1}") if page < pages else None,
        Button(label="CSV", data=f"{ASK}{line} csv") if file else None,
    )
    return tuple(b for b in wanted if b and carried(b.data))


def carried(data: str) -> bool:
    """Whether a button can hold it: half a surrogate pair, that somebody typed, is no text at all."""
    try:
        return len(data.encode()) <= DATA_LIMIT
    except UnicodeEncodeError:
        return False


def page_words(page: int, pages: int) -> str:
    """ "Page 2 of 5"; nothing where there is only one."""
    return f"Page {page} of {pages}" if pages > 1 else ""


def csv_file(name: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> File:
    """`name`: "trades.csv". Numbers and times stay what they are; a text that a spreadsheet would take for a formula
    is marked as text."""
    written = io.StringIO(newline="")
    table = csv.writer(written)
    table.writerow(head)
    table.writerows([_cell(value) for value in row] for row in rows)
    return File(name=name, content=encoded(written.getvalue()))


def encoded(text: str) -> bytes:
    """Half a surrogate pair becomes a question mark: a file is not refused for it."""
    return text.encode(errors="replace")


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case Decimal():
            return f"{value:f}"
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        return Decimal(text.strip()).is_finite()
    except InvalidOperation:
        return False
