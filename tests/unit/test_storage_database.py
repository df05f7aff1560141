"""One writer thread, whole transactions, exact columns, a schema that its migrations agree with."""

import asyncio
import logging
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, insert, inspect, select, text
from sqlalchemy.exc import StatementError

from storage.database import HEAD, Database, migrate, revision
from storage.journal import SqlJournal
from storage.migrations import config
from storage.tables import ALERT_PREFS, CHAIN, DESK, FILLS, FUNDING, METADATA, ORDERS, POSITIONS, TRADES
from storage.verify import Verified, verify
from tests.storage_builders import AT, a_desk, a_position, an_entry, decided
from trading.clock import ManualClock
from trading.errors import BadRecord, BadSettings, JournalUnwritable
from trading.exit_plan import NO_EVIDENCE, NOTHING_YET, Memory, StopKind
from trading.model import Fill, FundingPayment, Order, Position, Trade
from trading.risk.expectancy import Evidence
from trading.state import DeskState

PREF = {"destination": "console:main", "kind": "fill", "mode": "on"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "gavel.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(path, patience=timedelta(milliseconds=50))
    yield opened
    await opened.close()


def add(connection: Connection) -> None:
    connection.execute(insert(ALERT_PREFS), [PREF])


def count(connection: Connection) -> int:
    return len(connection.execute(select(ALERT_PREFS)).all())


def seen_from_outside(path: Path) -> int:
    other = sqlite3.connect(path)
    try:
        return int(other.execute("SELECT count(*) FROM alert_prefs").fetchone()[0])
    finally:
        other.close()


async def run(script: str, path: Path) -> int:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(path))
    return await asyncio.wait_for(process.wait(), timeout=60)


# --- transactions --------------------------------------------------------------------------------------------------


async def test_what_was_written_is_read_and_survives(path: Path, database: Database) -> None:
    await database.write(add)
    assert await database.read(count) == 1
    await database.close()
    again = await Database.open(str(path))
    assert await again.read(count) == 1
    await again.close()


async def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    def half(connection: Connection) -> None:
        add(connection)
        raise KeyError("halfway")

    with pytest.raises(KeyError):
        await database.write(half)
    assert await database.read(count) == 0


async def test_an_unfinished_transaction_is_invisible_to_everyone_else(path: Path, database: Database) -> None:
    def look_from_outside(connection: Connection) -> tuple[int, int]:
        add(connection)
        return count(connection), seen_from_outside(path)

    assert await database.write(look_from_outside) == (1, 0)
    assert seen_from_outside(path) == 1


async def test_a_process_that_dies_in_a_transaction_leaves_nothing_of_it(path: Path, database: Database) -> None:
    await database.write(add)
    await database.close()
    script = """
import asyncio, os, sys
from sqlalchemy import text
from storage.database import Database
def work(connection):
    connection.execute(text("DELETE FROM alert_prefs"))
    connection.execute(text("INSERT INTO alert_prefs VALUES ('x', 'y', 'z'), ('x', 'z', 'z')"))
    os._exit(9)
async def main():
    database = await Database.open(sys.argv[1])
    await database.write(work)
asyncio.run(main())
"""
    assert await run(script, path) == 9
    again = await Database.open(path)
    assert await again.read(count) == 1
    await again.close()


async def test_all_writes_run_in_one_thread_and_none_on_the_loop(database: Database) -> None:
    names = await asyncio.gather(*(database.write(lambda _: threading.current_thread().name) for _ in range(5)))
    assert len(set(names)) == 1
    assert names[0] != threading.current_thread().name


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(BadRecord):
        await database.read(add)


async def test_a_cancelled_caller_does_not_cut_a_transaction(database: Database) -> None:
    begun, go_on, told = threading.Event(), threading.Event(), []

    def slow(connection: Connection) -> str:
        add(connection)
        begun.set()
        go_on.wait(5)
        return "written"

    task = asyncio.create_task(database.write(slow, then=told.append))
    await asyncio.to_thread(begun.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    assert await database.write(count) == 1
    assert told == ["written"]


async def test_a_failure_nobody_waits_for_is_logged(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def fails(connection: Connection) -> None:
        begun.set()
        go_on.wait(5)
        connection.execute(text("SELECT no_such_function()"))

    task = asyncio.create_task(database.write(fails))
    await asyncio.to_thread(begun.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with caplog.at_level(logging.ERROR):
        go_on.set()
        await database.write(count)
    assert "after its caller was cancelled" in caplog.text


async def test_nothing_is_told_of_a_failed_transaction(database: Database) -> None:
    told: list[object] = []
    with pytest.raises(JournalUnwritable):
        await database.write(lambda c: c.execute(text("SELECT no_such_function()")).all(), then=told.append)
    assert told == []


# --- failure -------------------------------------------------------------------------------------------------------


async def test_a_locked_database_is_unwritable_and_heals(path: Path, database: Database) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalUnwritable, match="locked"):
        await database.write(add)
    assert await database.read(count) == 0
    other.execute("ROLLBACK")
    other.close()
    await database.write(add)
    assert await database.read(count) == 1


async def test_a_full_disk_is_unwritable(database: Database) -> None:
    def fill(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        add(connection)
        connection.execute(insert(ALERT_PREFS), [PREF | {"kind": f"{n}" * 5000} for n in range(50)])

    with pytest.raises(JournalUnwritable, match="full"):
        await database.write(fill)
    assert await database.read(count) == 0


async def test_a_broken_constraint_is_a_bad_record(database: Database) -> None:
    await database.write(add)
    with pytest.raises(BadRecord, match="UNIQUE"):
        await database.write(add)


async def test_a_file_that_is_no_database_is_unwritable(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(JournalUnwritable, match="not a database"):
        await Database.open(tmp_path / "x.db")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "://", "postgresql+nodriver://host/db"])
async def test_a_url_that_cannot_be_used_is_a_bad_setting(url: str) -> None:
    with pytest.raises(BadSettings):
        await Database.open(url)


# --- columns -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.1, 1, "1", Decimal("NaN"), Decimal("Infinity")])
async def test_money_is_a_finite_decimal_or_refused(database: Database, value: object) -> None:
    row = {"id": "1", "symbol": "X", "at": AT, "rate": value, "amount": Decimal(1), "position_id": "p", "seq": 1}
    with pytest.raises(StatementError, match="not a finite Decimal"):
        await database.write(lambda connection: connection.execute(insert(FUNDING), [row]).rowcount)


@pytest.mark.parametrize("at", [datetime(2026, 1, 5), datetime(2026, 1, 5, tzinfo=timezone(timedelta(hours=1)))])  # noqa: DTZ001
async def test_a_time_is_utc_or_refused(database: Database, at: datetime) -> None:
    row = {"id": "1", "symbol": "X", "at": at, "rate": Decimal(1), "amount": Decimal(1), "position_id": "p", "seq": 1}
    with pytest.raises(StatementError, match="not an aware UTC time"):
        await database.write(lambda connection: connection.execute(insert(FUNDING), [row]).rowcount)


async def test_columns_keep_every_digit_and_microsecond(database: Database) -> None:
    at, rate = datetime(2026, 1, 5, 10, 0, 0, 1, tzinfo=UTC), Decimal("0.000100000000000000000000000001")
    row = {"id": "1", "symbol": "X", "at": at, "rate": rate, "amount": Decimal("-0E-8"), "position_id": "p", "seq": 1}
    await database.write(lambda connection: connection.execute(insert(FUNDING), [row]).rowcount)
    read = await database.read(lambda connection: connection.execute(select(FUNDING)).one())
    assert (read.at, read.rate) == (at, rate)
    assert str(read.amount) == "-0E-8"
    assert read.at.tzinfo is UTC


PAIRS = [
    (Order, ORDERS),
    (Fill, FILLS),
    (FundingPayment, FUNDING),
    (Position, POSITIONS),
    (Trade, TRADES),
    (DeskState, DESK),
]


@pytest.mark.parametrize(("cls", "table"), PAIRS)
def test_a_table_has_a_column_for_every_field(cls: type, table: object) -> None:
    extra = {"decision_id", "seq", "position_id"}
    columns = {column.name for column in table.columns}  # type: ignore[attr-defined]
    names = {field.name for field in fields(cls)}
    assert names <= columns
    assert columns - names <= extra


# --- schema --------------------------------------------------------------------------------------------------------


async def test_tables_and_migrations_agree(database: Database) -> None:
    def compare(connection: Connection) -> list[object]:
        return compare_metadata(MigrationContext.configure(connection), METADATA)

    assert await database.read(compare) == []


async def test_the_known_head_is_alembics_head(database: Database) -> None:
    head = await database.read(lambda c: ScriptDirectory.from_config(config(c)).get_current_head())
    assert head == HEAD
    assert await database.read(revision) == HEAD


async def test_down_and_up_again_with_data_inside(database: Database) -> None:
    journal = SqlJournal(database, route=lambda _: (), wall=ManualClock(AT))
    await journal.commit([decided(outcome="long"), *an_entry()], [a_position(), a_desk()])
    await database.write(lambda c: migrate(c, to="base"))
    tables = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name <> 'alembic_version'"
    assert await database.read(lambda c: c.execute(text(tables)).scalar()) == 0
    await database.write(lambda c: migrate(c, to="head"))
    assert await database.read(lambda c: c.execute(select(CHAIN)).all()) == []
    await journal.commit([decided(outcome="long"), *an_entry()], [a_position(), a_desk()])
    assert isinstance(await verify(database), Verified)


def as_revision_1_wrote(connection: Connection) -> None:
    """A desk with one open position and its stop: rows and JSON as the first version wrote them."""
    migrate(connection, to="0001")
    plan = (
        '{"phase":"base","take_profit":"0.005","stop_loss":"0.004","early_after":600,"early_loss":"0.002",'
        '"force_loss":"0.03","max_hold":1800}'
    )
    guard = '{"stop_id":"gv-s0","stop":"107.91","target_id":"gv-t0","target":"106.94"}'
    at, ltc = "2026-01-01T00:22:00.000000Z", "LTC/USDT:USDT"
    rows: dict[str, tuple[object, ...]] = {
        "desk": ("gavel", "busy", "10000", "-53.36", "active", "", "", None, None, at, "", "", at, "10000", at, "{}"),
        "positions": (
            "ltc-a", ltc, "short", "23.24", "2495.9760", 5, at, plan, guard, "busy", "23.24", "2495.9760", "0", "0",
            "1.247988", "0", "confirmed", at, None, "", 0,
        ),
        "orders": (
            "gv-s0", "ltc-a", "stop", ltc, "buy", "stop", "23.24", at, None, "107.91", 1, 5, "open", "0", at, "", None,
            None,
        ),
    }  # fmt: skip
    for table, values in rows.items():
        places = ", ".join("?" * len(values))
        connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({places})", values)


def columns(connection: Connection) -> dict[str, list[str]]:
    return {t: [c["name"] for c in inspect(connection).get_columns(t)] for t in ("desk", "orders", "positions")}


async def an_old_database(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        as_revision_1_wrote(connection)
    engine.dispose()


async def test_a_desk_of_the_first_version_goes_on_with_its_open_position(path: Path) -> None:
    await an_old_database(path)
    database = await Database.open(path)
    found = await SqlJournal(database, route=lambda _: (), wall=ManualClock(AT)).load()
    await database.close()
    assert found is not None
    (position,), (order,) = found.positions, found.orders
    assert (position.plan.max_hold, position.plan.force_loss) == (timedelta(minutes=30), Decimal("0.03"))
    assert (position.plan.trailing, position.plan.partials, position.plan.entered) == (None, (), NO_EVIDENCE)
    assert (position.memory, position.moving) == (NOTHING_YET, None)
    assert (order.trigger, order.expected) == (Decimal("107.91"), None)
    bare = DeskState(desk="gavel", playbook="busy", start_equity=Decimal(10000))
    new = (
        "breaker",
        "samples",
        "evidence",
        "rounds",
        "health",
        "shadow",
        "overrides",
        "amendments",
        "version",
        "beside",
        "live_by",
        "live_at",
    )
    assert [getattr(found.state, name) for name in new] == [getattr(bare, name) for name in new]
    assert found.state.realised == Decimal("-53.36")


async def test_what_an_upgraded_desk_writes_is_read_back(path: Path) -> None:
    await an_old_database(path)
    database = await Database.open(path)
    journal = SqlJournal(database, route=lambda _: (), wall=ManualClock(AT))
    found = await journal.load()
    assert found is not None
    moved = replace(found.positions[0], memory=Memory(armed=True, best=Decimal("106.2"), stop=StopKind.TRAILING))
    stepped = replace(found.state, evidence={"busy": Evidence(trades=(Decimal("-1.5"),), stopped=True)}, version=3)
    await journal.commit([], [moved, stepped])
    again = await journal.load()
    assert again is not None
    assert (again.positions, again.state) == ((moved,), stepped)
    await database.close()


async def test_down_to_the_first_version_and_up_again_keeps_what_both_know(path: Path) -> None:
    await an_old_database(path)
    database = await Database.open(path)
    journal = SqlJournal(database, route=lambda _: (), wall=ManualClock(AT))
    before = await journal.load()
    head = await database.read(columns)
    await database.write(lambda c: migrate(c, to="0001"))
    assert await database.read(revision) == "0001"
    first = await database.read(columns)
    assert all(set(first[table]) < set(head[table]) for table in head)
    await database.write(lambda c: migrate(c, to="head"))
    assert await database.read(columns) == head
    assert await journal.load() == before
    await database.close()


async def test_a_look_takes_no_lock_and_changes_nothing(path: Path) -> None:
    await an_old_database(path)
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("PRAGMA journal_mode=WAL")
    raw.execute("BEGIN IMMEDIATE")  # a desk in the middle of a transaction
    database = await Database.look(path, patience=timedelta(0))
    assert await database.read(lambda c: c.execute(text("SELECT count(*) FROM positions")).scalar()) == 1
    with pytest.raises(JournalUnwritable):
        await database.write(add)
    assert await database.read(revision) == "0001", "an older file is not brought up to date by looking at it"
    await database.close()
    raw.close()


async def test_a_look_at_what_is_no_desk_is_refused(tmp_path: Path, path: Path, database: Database) -> None:
    with pytest.raises(BadRecord, match="no such file"):
        await Database.look(tmp_path / "empty.db")
    (tmp_path / "empty.db").touch()
    with pytest.raises(BadRecord, match="no desk"):
        await Database.look(tmp_path / "empty.db")
    await database.write(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")).rowcount)
    with pytest.raises(BadRecord, match="newer version"):
        await Database.look(path)


async def test_a_failed_migration_leaves_the_old_schema(database: Database) -> None:
    def down_and_fall(connection: Connection) -> None:
        migrate(connection, to="base")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        await database.write(down_and_fall)
    assert await database.read(revision) == HEAD
    await database.write(add)


async def test_a_schema_from_a_newer_version_is_refused(path: Path, database: Database) -> None:
    await database.write(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")).rowcount)
    await database.close()
    with pytest.raises(BadRecord, match="9999"):
        await Database.open(path)


async def test_an_up_to_date_database_opens_without_alembic(path: Path, database: Database) -> None:
    await database.close()
    script = """
import asyncio, sys
from storage.database import Database
async def main():
    await (await Database.open(sys.argv[1])).close()
asyncio.run(main())
sys.exit("alembic" in sys.modules)
"""
    assert await run(script, path) == 0


@pytest.mark.parametrize(("durable", "level"), [(False, 1), (True, 2)])
async def test_with_money_at_stake_each_commit_reaches_the_disk(tmp_path: Path, durable: bool, level: int) -> None:
    database = await Database.open(tmp_path / "gavel.db", durable=durable)

    def synchronous(connection: Connection) -> int:
        found = connection.execute(text("PRAGMA synchronous")).scalar()
        return int(found or 0)

    assert await database.write(synchronous) == level
    await database.close()
