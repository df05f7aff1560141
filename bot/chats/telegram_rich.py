"""Card -> one rich message with a native table, for servers that know them (Bot API 10.1).

https://core.telegram.org/bots/api#rich-message-formatting-options
"""

import re

from bot.chats.telegram_text import escaped, sendable
from bot.surface import Card, Table

LIMIT = 32768  # "UTF-8 characters"; counted here in bytes, which are never fewer
_COLUMNS, _BLOCKS = 20, 500
_FIGURE = re.compile(r"[+\-−]?[\d.,]*\d[%R]?|-|")
_FOLDED = "Details"  # what a folded part is opened with


def rich_html(card: Card, *, note: str = "") -> str | None:
    """None where the card has no table, or more than one rich message holds. `note`: a last paragraph."""
    table = card.table
    if table is None or not _fits(card, table, note):
        return None
    title, detail = _inline(card.title).strip(), _lines(card.detail)
    head = f"<p><b>{title}</b></p>" if title else ""
    folded = f"<details><summary>{_FOLDED}</summary>{detail}</details>" if detail else ""
    return "".join((head, _table(table), _lines(card.lines), folded, _lines((note,))))


def _fits(card: Card, table: Table, note: str) -> bool:
    shaped = 1 <= len(table.head) <= _COLUMNS and all(len(row) == len(table.head) for row in table.rows)
    size = len(sendable("".join((card.plain(), *table.head, _FOLDED, note))).encode())
    return shaped and 1 <= len(table.rows) <= _BLOCKS - 8 and size <= LIMIT


def _table(table: Table) -> str:
    aligned = [_align(column) for column in zip(*table.rows, strict=True)]
    head = "".join(f"<th{how}>{_inline(cell)}</th>" for how, cell in zip(aligned, table.head, strict=True))
    rows = (
        "".join(f"<td{how}>{_inline(cell)}</td>" for how, cell in zip(aligned, row, strict=True)) for row in table.rows
    )
    return f"<table striped><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _align(column: tuple[str, ...]) -> str:
    """Figures stand to the right, so that their digits stand under one another."""
    return ' align="right"' if all(_FIGURE.fullmatch(cell) for cell in column) else ""


def _lines(lines: tuple[str, ...]) -> str:
    said = "<br>".join(line for line in map(_inline, lines) if line.strip())
    return f"<p>{said}</p>" if said else ""


def _inline(text: str) -> str:
    return "<br>".join(escaped(part) for part in sendable(text).splitlines())
