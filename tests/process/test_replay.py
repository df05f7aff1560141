"""`gavel replay` as its user meets it: offline, read-only, and it names what is not as it was."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.process import program

BARS = 150


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A desk that has played candles, and whose playbook's file says something else since."""
    place = tmp_path_factory.mktemp("replay")
    program.candles(place / "candles", BARS)
    (place / "busy.toml").write_text(program.BUSY)
    done = program.run(
        "demo", "--history", "candles", "--playbook", "busy.toml", "--data-dir", "data", "--json", cwd=place
    )
    assert done.returncode == 0, done.stderr
    (place / "busy.toml").unlink()
    return place


def replay(place: Path, *args: str) -> tuple[int, str, str]:
    done = program.run("replay", *args, "--data-dir", "data", cwd=place)
    return done.returncode, done.stdout, done.stderr


def decisions(place: Path) -> list[str]:
    with closing(sqlite3.connect(place / "data" / "gavel.db")) as database:
        return [id for (id,) in database.execute("select id from decisions order by seq")]


@contextmanager
def changed(place: Path, id: str, before: str, after: str) -> Iterator[None]:
    """One place of a record, by somebody who can write to the file."""
    with closing(sqlite3.connect(place / "data" / "gavel.db")) as database:
        where = "seq = (select seq from decisions where id = ?)"
        (body,) = database.execute(f"select body from journal where {where}", (id,)).fetchone()
        assert before in body
        database.execute(f"update journal set body = ? where {where}", (body.replace(before, after, 1), id))
        database.commit()
        yield
        database.execute(f"update journal set body = ? where {where}", (body, id))
        database.commit()


def test_every_decision_is_the_same_by_the_settings_of_then_whatever_the_file_says_now(place: Path) -> None:
    code, out, _ = replay(place, "--all")
    assert (code, out) == (
        0, f"{len(decisions(place))} decisions: all the same, bit for bit; 0 with raw answers read again, "
        "0 without them\n"
    )  # fmt: skip
    code, out, _ = replay(place, "--all", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["decision"] for line in lines] == decisions(place)
    assert {(line["same"], line["settings"], line["first"]) for line in lines} == {(True, "then", "")}


def test_one_decision_is_found_by_the_beginning_of_its_id(place: Path) -> None:
    id = decisions(place)[-1]
    assert replay(place, id)[:2] == (0, f"{id}: the same, bit for bit\n")
    assert replay(place, id[:9])[0] == 0


def test_a_record_that_was_touched_is_named_with_its_first_field(place: Path) -> None:
    id = decisions(place)[3]
    with changed(place, id, '"tally":{"long":', '"tally":{"long":1'):
        code, out, _ = replay(place, id)
        assert code == 1
        assert out.startswith(f"{id}: verdict tally long: 1")
        code, out, _ = replay(place, "--all")
        assert code == 1
        assert [line.split(":")[0] for line in out.splitlines()] == [id, f"{len(decisions(place))} decisions"]
        assert "1 differ;" in out
    assert replay(place, "--all")[0] == 0, "nothing was written"


def test_what_is_not_there_is_said_so(place: Path) -> None:
    assert replay(place, "xyz-aaaaaaaa") == (2, "", "no decision xyz-aaaaaaaa\n")
    code, out, said = replay(place, "b")
    assert (code, out) == (2, "")
    assert "too short" in said
    done = program.run("replay", "--all", "--data-dir", "nowhere", cwd=place)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "no journal in nowhere\n")
    assert program.run("replay", cwd=place).returncode == 2
    assert program.run("replay", "--all", "btc-aaaa", cwd=place).returncode == 2
