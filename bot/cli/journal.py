"""The shell's way into the journal: check it, export it. Both work while the desk runs."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from bot.cli.options import DATA_DIR, FAILED, STOPPED, Since, guarded, settings
from bot.export import KINDS

DATABASE = "gavel.db"
BATCH = 500  # events at a time: what is in memory does not grow with the journal


@click.command()
@DATA_DIR
def verify(data_dir: Path | None) -> None:
    """Check the journal's hash chain, and name the first bad row."""
    _exit_with(_verify, data_dir)


@click.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.option(
    "--since", type=Since(), help="From then on: a time (UTC), or a span like 24h back from the newest record."
)
@DATA_DIR
def export(kind: str, since: datetime | timedelta | None, data_dir: Path | None) -> None:
    """Records as JSON lines on standard output; docs/records.md names every field."""
    _exit_with(lambda path: _export(path, kind, since), data_dir)


def _exit_with(work: Callable[[Path], Coroutine[Any, Any, int]], data_dir: Path | None) -> None:
    def look() -> int:
        directory = data_dir or settings().data_dir
        if not (directory / DATABASE).is_file():
            click.echo(f"no journal in {directory}", err=True)
            return FAILED
        return asyncio.run(work(directory / DATABASE))

    sys.exit(guarded(look))


async def _verify(path: Path) -> int:
    from storage.database import Database
    from storage.verify import Broken
    from storage.verify import verify as check

    database = await Database.open(path)
    try:
        found = await check(database)
    finally:
        await database.close()
    if isinstance(found, Broken):
        click.echo(f"broken at row {found.seq}: {found.what}", err=True)
        return FAILED
    click.echo(f"{found.rows} rows, unbroken; the last hash is {found.head}")
    return STOPPED


async def _export(path: Path, kind: str, since: datetime | timedelta | None) -> int:
    from bot.export import Lines
    from storage.database import Database
    from storage.queries import Queries

    database = await Database.look(path)
    try:
        queries, lines = Queries(database), Lines(kind)
        begins = await _moment(queries, since)
        after = 0
        while batch := await queries.records(
            lines.events, after_seq=after, limit=BATCH, since=begins, outcomes=lines.outcomes
        ):
            if not _write(b"".join(line for recorded in batch for line in lines.of(recorded.seq, recorded.event))):
                break
            after = batch[-1].seq
    finally:
        await database.close()
    return STOPPED


async def _moment(queries: Any, since: datetime | timedelta | None) -> datetime | None:
    """A span counts back from the newest record, in the desk's own time: that of a replay is not today's."""
    if not isinstance(since, timedelta):
        return since
    newest: datetime | None = await queries.newest()
    return None if newest is None else newest - since


def _write(data: bytes) -> bool:
    """False when nobody reads on: `| head` has seen enough, and that is no fault."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains as it ends
        return False
    return True
