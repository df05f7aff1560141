"""A card as lines of a terminal, within sixty columns. Pure."""

import textwrap
from collections.abc import Iterator

from bot.surface import AGAIN, ASK, CANCEL, CONFIRM, STOP, Card, Table

WIDTH = 60
_INSIDE = WIDTH - 2
_GAP = "  "


def layout(card: Card, *, folded: bool) -> tuple[str, list[str]]:
    """Title and lines. A folded card keeps its detail back, as a phone does."""
    title, *rest = textwrap.wrap(card.title, _INSIDE) or [""]
    texts = (*card.lines, *(() if folded else card.detail), *_hints(card))
    pieces = [*rest, *_rows(card.table), *(piece for text in texts for piece in _wrapped(text))]
    return f"┌ {title}", [*(f"│ {piece}" for piece in pieces), "└"]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _INSIDE, subsequent_indent="  ", break_on_hyphens=False)


# --- tables -------------------------------------------------------------------------------------------------------


def _rows(table: Table | None) -> list[str]:
    """Columns where they fit, else each row as a line or two."""
    if table is None:
        return []
    return _columns(table) or [piece for line in table.lines() for piece in _wrapped(line)]


def _columns(table: Table) -> list[str]:
    """Nothing where they are too wide. A column of numbers stands at its right end."""
    across = list(zip(table.head, *table.rows, strict=True))
    widths = [max(len(cell) for cell in column) for column in across]
    if not table.rows or sum(widths) + len(_GAP) * (len(widths) - 1) > _INSIDE:
        return []
    right = [all(_is_number(cell) for cell in column[1:]) for column in across]
    rows = (zip(row, widths, right, strict=True) for row in (table.head, *table.rows))
    return [_GAP.join(cell.rjust(w) if ends else cell.ljust(w) for cell, w, ends in row).rstrip() for row in rows]


def _is_number(cell: str) -> bool:
    return not cell or (cell.lstrip("+-")[:1].isdigit() and " " not in cell)


# --- buttons ------------------------------------------------------------------------------------------------------


def _hints(card: Card) -> Iterator[str]:
    """What the buttons would do, as words to type. A code that is asked for is named by the card itself."""
    if card.token:
        coded = any(button.form for button in card.buttons)
        yes = f"Type yes to confirm or no to cancel (or /confirm {card.token})"
        yield f"> /cancel {card.token}" if coded else yes
    stops = [f"/stop {b.data.removeprefix(STOP)}" for b in card.buttons if b.data.startswith(STOP)]
    typed = [b.data.removeprefix(ASK).removeprefix(AGAIN) for b in card.buttons if b.data.startswith((ASK, AGAIN))]
    if typed or stops:
        yield "> " + _GAP.join(dict.fromkeys((*typed, *stops)))


def button_of(text: str, asked: str) -> tuple[str, str]:
    """The tap that a line stands for, and what is typed with it: "yes" and "no" about the question `asked`,
    "/confirm TOKEN [CODE]", "/cancel TOKEN", "/stop TOKEN". ("", text) for all else.
    """
    word, _, rest = text.partition(" ")
    token, _, code = rest.strip().partition(" ")
    match word.lower():
        case "/confirm" if token:
            return f"{CONFIRM}{token}", code.strip()
        case "/cancel" if token:
            return f"{CANCEL}{token}", ""
        case "/stop" if token:
            return f"{STOP}{token}", ""
        case "yes" if asked and not rest:
            return f"{CONFIRM}{asked}", ""
        case "no" if asked and not rest:
            return f"{CANCEL}{asked}", ""
        case _:
            return "", text
