"""The cards that the README shows are those of a first start, word for word."""

import re
import time
from pathlib import Path

from tests.process import program

README = (program.ROOT / "README.md").read_text()


def cards(text: str) -> list[str]:
    return re.findall(r"^┌.*?^└", text, re.MULTILINE | re.DOTALL)


def test_a_first_start_prints_what_the_readme_shows(tmp_path: Path) -> None:
    """As fast as it can: then urgent cards may overtake others, and none is another one."""
    shown = cards(README)
    assert len(shown) > 5
    desk = program.start("run", "--speed", "max", cwd=tmp_path)
    try:
        missing = missing_in(tmp_path / "out.txt", shown)
    finally:
        desk.kill()
        desk.wait()
    assert missing == []


def missing_in(out: Path, shown: list[str]) -> list[str]:
    """What is not there when all of it is, or the first day is over, or the machine has had its time."""
    until = time.monotonic() + program.PATIENCE
    while True:
        text = out.read_text()
        missing = [card for card in shown if card not in cards(text)]
        if not missing or "│ 2026-01-02 " in text or time.monotonic() > until:
            return missing
        time.sleep(0.1)
