"""One database, one writer thread.

A transaction is a plain function `(Connection) -> T`. `write` runs it whole in the one writer thread, `read` in a small
pool beside it. Why not SQLAlchemy's AsyncSession: there every statement is a hop to a thread and back, five or more to
a transaction, and a task cancelled between two hops leaves a transaction open in the middle. Here a transaction is one
hop, its function can be read and tested without an event loop, and a cancelled task cannot cut it in two: the thread
finishes what it began. One writer also means that no two of our own transactions compete for SQLite's single write
lock. SQLite by default (WAL: readers never wait for the writer); another SQLAlchemy URL is used as it is.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Executable, Table, create_engine, event, inspect, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError

from trading.errors import BadRecord, BadSettings, JournalUnwritable

T = TypeVar("T")

HEAD = "0008"  # the newest schema revision: known here, so that an up-to-date database opens without importing Alembic
READERS = 2
_FAULTS = (DBAPIError, sqlite3.Error)  # the second: what goes wrong while a connection is being set up

log = logging.getLogger(__name__)


class Database:
    """Made by `Database.open`. All methods belong to the event loop it was opened on."""

    def __init__(self, writer: Engine, readers: Engine, *, inline: bool = False) -> None:
        self._inline = inline
        self._write_engine = writer
        self._read_engine = readers
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._readers = ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="reader")

    @classmethod
    async def open(
        cls,
        url_or_path: str | Path,
        *,
        patience: timedelta = timedelta(seconds=5),
        inline: bool = False,
        durable: bool = False,
    ) -> "Database":
        """Open or create, and bring the schema up to date. `patience`: how long to wait for another process's lock.

        `inline`: transactions run on the event loop itself. For a replay at full speed, where nobody waits for the
        loop and two threads would only pass the interpreter's lock to and fro.

        `durable`: what is committed survives a loss of power, not only the death of the process. For real money: an
        intent must be on the disk before its order leaves.

        Raises BadSettings for a URL that cannot be used, BadRecord for a schema newer than this code, JournalUnwritable
        when the file cannot be written.
        """
        url = _url(url_or_path)
        writer = _engine(url, patience, writes=True, durable=durable)
        database = cls(writer, _engine(url, patience, writes=False), inline=inline)
        try:
            await database.write(_upgrade)
        except BaseException:
            await database.close()
            raise
        return database

    @classmethod
    async def look(cls, path: Path, *, patience: timedelta = timedelta(seconds=5)) -> "Database":
        """An existing file for reading alone: it takes no lock that a running desk could wait for, and changes nothing,
        the schema neither.

        Raises BadRecord for a file that is no database of ours, or is one of a newer version.
        """
        url = _there(path)
        database = cls(_engine(url, patience, writes=False), _engine(url, patience, writes=False))
        try:
            found = await database.read(revision)
            if found is None or found > HEAD:
                raise BadRecord(f"{path} holds {'no desk' if found is None else 'a desk of a newer version'}")
        except BaseException:
            await database.close()
            raise
        return database

    async def write(self, work: Callable[[Connection], T], *, then: Callable[[T], None] | None = None) -> T:
        """Run `work` as one transaction; `then` is called on the loop once it is committed, even if the caller is gone.

        Raises JournalUnwritable when the database did not take it, BadRecord when it breaks a constraint; whatever
        `work` raises comes through. In each case nothing of it was written.
        """
        if self._inline:
            done = self._transact(work)
            if then is not None:
                then(done)
            return done
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._writer, self._transact, work)
        if then is not None:
            future.add_done_callback(partial(_tell, then))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            future.add_done_callback(_report_lost)
            raise

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on one consistent view of what is committed. Raises BadRecord when it cannot be read."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._look, work)

    async def close(self) -> None:
        """Finish what was begun, then let go of the file. A second call does nothing."""
        await asyncio.to_thread(self._writer.shutdown)
        await asyncio.to_thread(self._readers.shutdown)
        self._write_engine.dispose()
        self._read_engine.dispose()

    def _transact(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._write_engine.begin() as connection:
                return work(connection)
        except IntegrityError as error:
            raise BadRecord(f"refused by the database: {error.orig}") from error
        except _FAULTS as error:
            raise JournalUnwritable(f"the database did not take it: {_words(error)}") from error

    def _look(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._read_engine.begin() as connection:
                return work(connection)
        except _FAULTS as error:
            raise BadRecord(f"the database could not be read: {_words(error)}") from error


def _words(error: Exception) -> str:
    return str(error.orig if isinstance(error, DBAPIError) else error)


def _tell(then: Callable[[T], None], future: "asyncio.Future[T]") -> None:
    if not future.cancelled() and future.exception() is None:
        then(future.result())


def _report_lost(future: "asyncio.Future[Any]") -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        log.error("a transaction failed after its caller was cancelled: %s", error)


def _url(url_or_path: str | Path) -> URL:
    if isinstance(url_or_path, Path) or "://" not in url_or_path:
        path = Path(url_or_path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return URL.create("sqlite", database=str(path))
    try:
        url = make_url(url_or_path)
    except ArgumentError as error:
        raise BadSettings("the database's URL cannot be read") from error
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise BadSettings("a database in memory has no second connection and no next start: give a file")
    return url


def _there(path: Path) -> URL:
    if not path.is_file():
        raise BadRecord(f"{path}: there is no such file")
    return URL.create("sqlite", database=str(path))


def _engine(url: URL, patience: timedelta, *, writes: bool, durable: bool = False) -> Engine:
    size = 1 if writes else READERS
    try:
        engine = create_engine(url, pool_size=size, max_overflow=0)
    except (ArgumentError, ModuleNotFoundError) as error:
        raise BadSettings(f"the driver for {url.drivername} is not installed: {error}") from error
    if url.get_backend_name() == "sqlite":
        _set_up_sqlite(engine, patience, writes=writes, durable=durable)
    return engine


def _set_up_sqlite(engine: Engine, patience: timedelta, *, writes: bool, durable: bool) -> None:
    """SQLAlchemy's documented recipe: take transactions away from pysqlite, which begins them late, and say BEGIN.

    A writer says IMMEDIATE: it takes the lock at once, so it can never be refused in the middle.
    """
    begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
    pragmas = (
        "page_size=8192",  # a decision is 2 kB: on small pages every second half stays empty
        f"busy_timeout={int(patience.total_seconds() * 1000)}",
        "journal_mode=WAL",
        f"synchronous={'FULL' if durable else 'NORMAL'}",
        "foreign_keys=ON",
        "wal_autocheckpoint=8000",
        f"query_only={'OFF' if writes else 'ON'}",
    )

    @event.listens_for(engine, "connect")
    def _connected(raw: Any, record: Any) -> None:  # noqa: ARG001
        raw.isolation_level = None
        for pragma in pragmas:
            raw.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


def revision(connection: Connection) -> str | None:
    """The schema's revision; None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection) -> None:
    if revision(connection) != HEAD:
        migrate(connection, to="head")


def migrate(connection: Connection, *, to: str) -> None:
    """Take the schema to a revision, up or down, in the caller's transaction. Raises BadRecord for an unknown one."""
    from alembic import command  # here: half a second that only a changed schema has to pay
    from alembic.util import CommandError

    from storage.migrations import config

    found = revision(connection)
    down = to == "base" or (found is not None and to < found)  # revisions are numbered; "head" comes after them all
    step = command.downgrade if down else command.upgrade
    try:
        step(config(connection), to)
    except CommandError as error:
        raise BadRecord(f"the database's schema is not one of this version's: {error}") from error


def upsert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows, or replace those with the same key."""
    connection.execute(_upsert(table, connection.dialect.name), rows)


@cache
def _upsert(table: Table, dialect: str) -> Executable:
    """SQLAlchemy has one ON CONFLICT for each database. Kept: to build the statement costs more than to run it."""
    new = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    rest = {column.name: new.excluded[column.name] for column in table.columns if not column.primary_key}
    statement: Executable = new.on_conflict_do_update(index_elements=list(table.primary_key), set_=rest)
    return statement
