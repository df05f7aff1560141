"""`gavel replay` over raw answers in a database: one changed byte is named, and what was pruned is said."""

import asyncio
import json
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.cli.replay import replay
from storage.database import Database
from storage.journal import SqlJournal
from storage.spending import SqlLedger
from tests.builders import NOW
from tests.wired import a_book, a_world, decided
from trading.asking import Kept
from trading.clock import ManualClock
from trading.decision import Decision
from trading.events import DecisionMade, DeskStarted
from trading.voice import Basis, Body, Exchange

IDS = ("eth-aaaaaaaa", "eth-bbbbbbbb")


def written(directory: Path, ledger: Path, place: Path) -> list[Decision]:
    """Two decisions of voices in the journal of `directory`, their bytes in that of `ledger`."""

    async def work() -> list[Decision]:
        world = await a_world(place, a_book())
        made = [replace(await decided(world, at=NOW + timedelta(hours=n)), id=id) for n, id in enumerate(IDS)]
        database, other = await Database.open(directory / "gavel.db"), await Database.open(ledger / "gavel.db")
        started = DeskStarted(
            at=NOW, playbook="desk", market="a test", mode="PAPER", equity=a_book().limits.max_risk, open_positions=0,
            resumed=False, settings=world.playbook.text,
        )  # fmt: skip
        journal = SqlJournal(database, route=lambda _: [], wall=ManualClock(NOW))
        await journal.commit([started, *(DecisionMade(at=d.at, decision=d) for d in made)])
        wrapping = Exchange(purpose="ask", provider="own", requested="x", at=NOW, basis=Basis.FREE)
        bodies = tuple(Body(data=data) for data in world.ledger.kept.values())
        await SqlLedger(other).keep(Kept(exchange=wrapping, bodies=bodies))
        await database.close()
        await other.close()
        return made

    return asyncio.run(work())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    written(tmp_path / "data", tmp_path / "data", tmp_path)
    return tmp_path


def run(directory: Path, *args: str) -> Result:
    return CliRunner().invoke(replay, [*args, "--data-dir", str(directory)])


def test_raw_answers_are_read_again_by_the_settings_of_the_journal(place: Path) -> None:
    found = run(place / "data", "--all")
    assert (found.exit_code, found.stdout) == (
        0,
        "2 decisions: all the same, bit for bit; 2 with raw answers read again, 0 without them\n",
    )
    one = run(place / "data", "eth-a")
    assert one.exit_code == 0
    assert one.stdout == (
        f"{IDS[0]}: the same, bit for bit\nread again from raw answers: sentiment, council, whale, judge, validator\n"
    )


def changed(directory: Path, change: Callable[[bytes], bytes], *, packed: bool) -> str:
    """One body of the judge; its hash."""
    with closing(sqlite3.connect(directory / "gavel.db")) as database:
        for sha, data in database.execute("select sha, data from bodies").fetchall():
            raw = zlib.decompress(data)
            if b'\\"side\\":\\"LONG\\"' in raw:
                now = change(data) if packed else zlib.compress(change(raw))
                database.execute("update bodies set data = ? where sha = ?", (now, sha))
                database.commit()
                return str(sha)
    raise AssertionError("no answer of the judge")


@pytest.mark.parametrize("packed", [False, True])
def test_one_changed_byte_is_found_and_named(place: Path, *, packed: bool) -> None:
    sha = changed(place / "data", lambda raw: raw[:40] + bytes([raw[40] ^ 1]) + raw[41:], packed=packed)
    found = run(place / "data", "--all")
    assert found.exit_code == 1
    assert f"judge response {sha[:8]}: its bytes are not those of then" in found.stdout
    lines = [json.loads(line) for line in run(place / "data", "--all", "--json").stdout.splitlines()]
    assert [line["decision"] for line in lines] == list(IDS)
    assert any(sha[:8] in line["first"] and line["same"] is False for line in lines)


def test_where_answers_were_pruned_the_parsed_votes_are_judged_and_that_is_said(place: Path) -> None:
    with closing(sqlite3.connect(place / "data" / "gavel.db")) as database:
        database.execute("delete from bodies")
        database.commit()
    found = run(place / "data", "--all")
    assert (found.exit_code, found.stdout) == (
        0,
        "2 decisions: all the same, bit for bit; 0 with raw answers read again, 2 without them\n",
    )
    assert "no longer kept: the raw answer of sentiment, council" in run(place / "data", IDS[1]).stdout


def test_a_shadow_desks_answers_are_with_the_desk_it_ran_beside(tmp_path: Path) -> None:
    shadow = tmp_path / "data" / "shadow" / "mine"
    shadow.mkdir(parents=True)
    written(shadow, tmp_path / "data", tmp_path)
    found = run(shadow, "--all")
    assert (found.exit_code, "2 with raw answers read again" in found.stdout) == (0, True)


def test_nothing_is_written(place: Path) -> None:
    before = (place / "data" / "gavel.db").read_bytes()
    run(place / "data", "--all")
    assert (place / "data" / "gavel.db").read_bytes() == before
