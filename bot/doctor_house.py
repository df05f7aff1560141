"""What the self-check looks at on this machine: the database, its directory, the disk. Nothing is written."""

import asyncio
import os
import shutil
import sqlite3
import stat
from pathlib import Path

from bot.doctor_looks import Found, Look, all_of, error, fine, warning
from bot.memory import DATABASE, schema_of

MB = 2**20
LITTLE, TOO_LITTLE = 1024 * MB, 100 * MB
LOCKED_FOR = 3.0  # seconds that another writer may hold the database


def house_looks(directory: Path) -> Look:
    async def database() -> Found:
        return await _database(directory)

    async def disk() -> Found:
        return await asyncio.to_thread(_disk, directory)

    async def owner() -> Found:
        return await asyncio.to_thread(_directory, directory)

    return lambda: all_of({"database": database, "disk": disk, "data directory": owner})


async def _database(directory: Path) -> Found:
    name, path = "database", directory / DATABASE
    if not path.is_file():
        return (fine(name, "there is none yet: the first start makes it"),)
    trouble = await asyncio.to_thread(_unwritable, path)
    if trouble:
        return (error(name, trouble, f"see who owns {path}, and whether another program holds it"),)
    found, newest = await schema_of(path)
    if found != newest:
        return (warning(name, f"schema {found}, this version's is {newest}", "nothing to do: a start brings it up"),)
    return (fine(name, f"can be written, schema {found}"),)


def _unwritable(path: Path) -> str:
    """Takes the lock that a writer takes, and gives it back."""
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=LOCKED_FOR)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        finally:
            connection.close()
    except sqlite3.Error as failed:
        return f"it cannot be written: {failed}"
    return ""


def _disk(directory: Path) -> Found:
    free = shutil.disk_usage(_there(directory)).free
    said, mend = f"{free // MB:,} MB free", "make room: without it nothing is entered any more"
    if free < TOO_LITTLE:
        return (error("disk", said, mend),)
    return (warning("disk", said, mend),) if free < LITTLE else (fine("disk", said),)


def _directory(directory: Path) -> Found:
    name, there = "data directory", _there(directory)
    if not os.access(there, os.W_OK | os.X_OK):
        return (error(name, f"{there} cannot be written", "give it to the user that runs Gavel"),)
    if there != directory:
        return (fine(name, f"{directory} is made at the first start, for its owner alone"),)
    if stat.S_IMODE(directory.stat().st_mode) & 0o077:
        return (warning(name, f"{directory} is open to others on this machine", f"chmod 700 {directory}"),)
    return (fine(name, f"{directory}, its owner's alone"),)


def _there(directory: Path) -> Path:
    """The directory, or the nearest above it that exists."""
    whole = directory.absolute()
    return directory if directory.is_dir() else next(p for p in whole.parents if p.is_dir())
