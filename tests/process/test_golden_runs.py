"""Acceptance 2: the five playbooks over real candles, each with a record that a change of behaviour shows up in.

Rewrite the records with GAVEL_GOLDEN=write, and read the difference before you keep it.
"""

import difflib
import gzip
import os
from datetime import timedelta
from pathlib import Path

import pytest

from tests.process import bounds, goldens, program, proofs
from tests.process.records import Chain, Records, read
from tests.scripted_council import write_opinions
from trading.playbook import available

GOLDEN = Path(__file__).parents[1] / "golden" / "runs"
CRASH = "spot-2h-12col-2020-03-crash"  # bitcoin halves in two days
MINUTES = "spot-15m-12col"
MINUTE_ROWS = 1500  # of each pair, fifteen days
YEAR = "spot-1h-12col-8pairs-2024-05"
HOUR = 3600


def played(playbook: str, history: Path, funding: Path, place: Path) -> Records:
    """`gavel demo` over all of it, as a user would type it."""
    args = ["--history", history, "--funding", funding, "--playbook", playbook, "--json", "--data-dir", place / "data"]
    if playbook == "council":
        args += ["--opinions", write_opinions(history, place / "opinions.jsonl")]
    started = program.start("demo", *args, cwd=place)
    try:
        code = started.wait(HOUR)
    finally:
        started.kill()
    assert code == 0, (place / "err.txt").read_text()
    records = read(place / "data")
    assert proofs.faults(records, stopped=True) == []
    assert Chain().faults(place / "data") == []
    return records


def compare(name: str, text: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("GAVEL_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.is_file(), f"no record {name}: write it with GAVEL_GOLDEN=write"
    before, now = path.read_text().splitlines(), text.splitlines()
    difference = list(difflib.unified_diff(before, now, "golden", "now", lineterm="", n=1))
    assert not difference, f"{name}, {len(difference)} lines:\n" + "\n".join(difference[:80])


@pytest.fixture(scope="module")
def candles(shared: Path) -> Path:
    return shared / "data" / "candles"


def beginning(source: Path, place: Path, rows: int) -> Path:
    directory = place / source.name
    directory.mkdir()
    for path in sorted(source.glob("*.csv.gz")):
        with gzip.open(path, "rt") as lines:
            (directory / path.stem).write_text("".join(line for line, _ in zip(lines, range(rows + 1), strict=False)))
    return directory


@pytest.mark.parametrize("playbook", available())
def test_through_the_crash_of_march_2020(playbook: str, candles: Path, tmp_path: Path) -> None:
    records = played(playbook, candles / CRASH, candles / "funding", tmp_path)
    assert list(bounds.no_entry_in_halt(records)) == []
    bars = bounds.bars_of(candles / CRASH)
    assert list(bounds.no_trade_loses_more_than_gaps_make_unavoidable(records, bars, timedelta(hours=2))) == []
    compare(f"crash-{playbook}", goldens.record(tmp_path / "data", records, orders=True))


@pytest.mark.parametrize("playbook", available())
def test_fifteen_days_of_fifteen_minutes(playbook: str, candles: Path, tmp_path: Path) -> None:
    history = beginning(candles / MINUTES, tmp_path, MINUTE_ROWS)
    records = played(playbook, history, candles / "funding", tmp_path)
    compare(f"minutes-{playbook}", goldens.record(tmp_path / "data", records, orders=True))


@pytest.mark.slow
@pytest.mark.parametrize("playbook", available())
def test_a_year_of_hours(playbook: str, candles: Path, tmp_path: Path) -> None:
    records = played(playbook, candles / YEAR, candles / "funding", tmp_path)
    compare(f"year-{playbook}", goldens.record(tmp_path / "data", records, orders=False))
