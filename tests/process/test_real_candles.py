"""The real `gavel demo` over real candles: whole trades, exact money, the same journal twice, answers bound to it."""

import gzip
import json
import sqlite3
import subprocess
from contextlib import closing
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path

import pytest

from bot import explain
from storage.database import Database
from storage.queries import Queries
from tests.process import program, proofs
from tests.process.records import Chain, Records, read
from tests.record_check import outside
from trading.events import TradeClosed
from trading.model import ZERO

FULL = "spot-1h-12col-8pairs-2024-05"
ROWS = 600  # of each pair, for the quick version
SAMPLE = 10  # decisions of each outcome that are asked about
HOUR = 3600  # seconds that the whole period may take where the machine is shared
QUESTIONS = (
    "why?", "why not", "what did FLOW say", "and the whale?", "how confident", "show the evidence", "price?",
    "what about the size", "which leverage", "where is the stop", "how did it exit", "what happened then", "fees?",
    "risk?", "which limits were there", "when was it made", "what will happen tomorrow",
)  # fmt: skip


def play(place: Path, history: Path, funding: Path, data: str) -> subprocess.CompletedProcess[str]:
    """Play all of it, as fast as it can; the output goes to a file, so that it may take its time."""
    # Of the quick run the default playbook, which waits for several voices, would make a trade or two.
    playbook = "desk" if data.startswith("full") else "sigma"
    args = ("--history", history, "--funding", funding, "--playbook", playbook, "--json", "--data-dir", data)
    started = program.start("demo", *args, cwd=place / data)
    try:
        code = started.wait(HOUR)
    finally:
        started.kill()
    out, err = ((place / data / name).read_text() for name in ("out.txt", "err.txt"))
    return subprocess.CompletedProcess(started.args, code, out, err)


@pytest.fixture(scope="module")
def candles(shared: Path) -> Path:
    return shared / "data" / "candles"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("real")
    for data in ("one", "two", "full-one", "full-two"):
        (place / data).mkdir()
    return place


@pytest.fixture(scope="module")
def beginning(place: Path, candles: Path) -> Path:
    """The first rows of each file, in a directory that is called like the original."""
    directory = place / FULL
    directory.mkdir()
    for path in sorted((candles / FULL).glob("*.csv.gz")):
        with gzip.open(path, "rt") as lines:
            (directory / path.stem).write_text("".join(line for line, _ in zip(lines, range(ROWS + 1), strict=False)))
    return directory


def check(place: Path, done: subprocess.CompletedProcess[str], data: str) -> Records:
    """What acceptance 2 asks of one run."""
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    figures = json.loads(line)
    directory = place / data / data
    records = read(directory)
    assert proofs.faults(records, stopped=True) == []
    assert Chain().faults(directory) == []
    assert records.positions == [], "at the end of the data everything is settled"
    nets = [event.trade.net for event in records.of(TradeClosed)]
    assert len(nets) == figures["trades"] > 10
    assert records.start is not None
    assert records.start + sum(nets, ZERO) == Decimal(figures["equity"]) == records.account.wallet
    return records


def same_journal(one: Path, two: Path) -> bool:
    """Every column of every row, the hash included."""
    with closing(sqlite3.connect(one / "gavel.db")) as a, closing(sqlite3.connect(two / "gavel.db")) as b:
        rows = (database.execute("SELECT * FROM journal ORDER BY seq") for database in (a, b))
        return all(first == second for first, second in zip_longest(*rows))


@pytest.fixture(scope="module")
def quick(place: Path, beginning: Path, candles: Path) -> Records:
    """Played once, and checked."""
    return check(place, play(place, beginning, candles / "funding", "one"), "one")


def test_every_trade_is_whole_and_money_is_exact(quick: Records) -> None:
    assert len({event.trade.reason for event in quick.of(TradeClosed)}) >= 2
    assert quick.account.payments != []


def test_played_twice_the_journal_is_the_same_byte_for_byte(
    quick: Records, place: Path, beginning: Path, candles: Path
) -> None:
    check(place, play(place, beginning, candles / "funding", "two"), "two")
    assert same_journal(place / "one" / "one", place / "two" / "two")


@pytest.mark.parametrize("outcomes", [("long", "short"), ("denied",), ("wait",)], ids=["traded", "denied", "wait"])
async def test_answers_hold_only_what_the_record_holds(quick: Records, place: Path, outcomes: tuple[str, ...]) -> None:
    database = await Database.open(place / "one" / "one" / "gavel.db")
    try:
        records = Queries(database)
        lines = await records.decisions(SAMPLE, outcomes=outcomes)
        assert lines
        for line in lines:
            decision, story = await records.decision(line.id), await records.story(line.id)
            assert decision is not None
            answers = [explain.why(decision, story), *(explain.ask(q, decision, story) for q in QUESTIONS)]
            assert decision.id in answers[0].plain()
            for answer in answers:
                assert outside(answer.plain(), decision, story) == [], answer.plain()
    finally:
        await database.close()


@pytest.mark.slow
def test_the_whole_period_twice(place: Path, candles: Path) -> None:
    """Acceptance 2 in full: every pair, every hour."""
    for data in ("full-one", "full-two"):
        check(place, play(place, candles / FULL, candles / "funding", data), data)
    assert same_journal(place / "full-one" / "full-one", place / "full-two" / "full-two")
