"""What each destination wants to hear: a mode for each kind of alert."""

from sqlalchemy import Connection, select

from storage.database import Database, upsert
from storage.tables import ALERT_PREFS

Modes = dict[tuple[str, str], str]


class Preferences:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> Modes:
        """(destination, kind) -> mode, of those that were ever set."""
        return await self._database.read(_load)

    async def put(self, destination: str, kind: str, mode: str) -> None:
        row = {"destination": destination, "kind": kind, "mode": mode}
        await self._database.write(lambda connection: upsert(connection, ALERT_PREFS, [row]))


def _load(connection: Connection) -> Modes:
    return {(row.destination, row.kind): row.mode for row in connection.execute(select(ALERT_PREFS))}
