"""What the chain's provider has answered, so that nothing is asked twice within its lifetime, restarts included."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select

from storage.database import Database, upsert
from storage.tables import CHAIN_CACHE

KEPT_FOR = timedelta(days=3)  # longer than any answer is good for


class SqlChainCache:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, key: str) -> tuple[datetime, bytes] | None:
        """Raises BadRecord."""
        return await self._database.read(lambda connection: _get(connection, key))

    async def put(self, key: str, at: datetime, body: bytes) -> None:
        """Raises JournalUnwritable."""
        row = {"key": key, "at": at, "body": body.decode()}
        await self._database.write(lambda connection: _put(connection, row, at - KEPT_FOR))


def _get(connection: Connection, key: str) -> tuple[datetime, bytes] | None:
    row = connection.execute(select(CHAIN_CACHE).where(CHAIN_CACHE.c.key == key)).first()
    return None if row is None else (row.at, row.body.encode())


def _put(connection: Connection, row: dict[str, object], before: datetime) -> None:
    connection.execute(delete(CHAIN_CACHE).where(CHAIN_CACHE.c.at < before))
    upsert(connection, CHAIN_CACHE, [row])
