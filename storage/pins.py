"""The status card of each destination: which message it is, and what it says."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from storage.database import Database, upsert
from storage.tables import PINS


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    destination: str
    reference: str
    body: str  # every word of it
    at: datetime  # wall time of its last edit


class Pins:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> dict[str, Pin]:
        """By destination."""
        return await self._database.read(_load)

    async def put(self, pin: Pin) -> None:
        await self._database.write(lambda connection: upsert(connection, PINS, [asdict(pin)]))

    async def forget(self, destination: str) -> None:
        gone = delete(PINS).where(PINS.c.destination == destination)
        await self._database.write(lambda connection: connection.execute(gone).rowcount)


def _load(connection: Connection) -> dict[str, Pin]:
    return {row["destination"]: Pin(**row) for row in connection.execute(select(PINS)).mappings()}
