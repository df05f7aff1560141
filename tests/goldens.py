"""Cards word for word: tests/golden/*.txt. GAVEL_GOLDEN=write rewrites them; then look at what has changed."""

import difflib
import os
from pathlib import Path

from bot.surface import Card

GOLDEN = Path(__file__).parent / "golden"


def as_text(card: Card) -> str:
    detail = ("--- detail", *card.detail) if card.detail else ()
    file = (f"--- file {card.file.name}", card.file.content.decode().rstrip("\n")) if card.file else ()
    buttons = (f"[{b.label}] {b.data}" + (f" ({b.form})" if b.form else "") for b in card.buttons)
    return "\n".join((card.title, *card.body(), *detail, *file, *buttons)) + "\n"


def check_golden(name: str, text: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("GAVEL_GOLDEN") == "write":
        path.write_text(text)
    assert path.is_file(), f"no golden file {name}: write it with GAVEL_GOLDEN=write"
    said = difflib.unified_diff(path.read_text().splitlines(), text.splitlines(), "golden", "now", lineterm="")
    diff = "\n".join(said)
    assert not diff, f"{name}:\n{diff}"
