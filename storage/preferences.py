"""What each destination wants to hear, whether it is one at all, and where its streams go."""

from sqlalchemy import Connection, and_, delete, select

from storage.database import Database, upsert
from storage.tables import ALERT_PREFS, DESTINATIONS, STREAMS
from trading.clock import SystemClock
from trading.ports import Clock

Modes = dict[tuple[str, str], str]
Streams = dict[tuple[str, str], str]


class Preferences:
    def __init__(self, database: Database, wall: Clock | None = None) -> None:
        self._database = database
        self._wall = wall or SystemClock()

    async def load(self) -> Modes:
        """(destination, kind) -> mode, of those that were ever set."""
        return await self._database.read(_load)

    async def destinations(self) -> dict[str, bool]:
        """Destination -> whether it is told anything, of those that were ever switched on or off in the chat."""
        return await self._database.read(_destinations)

    async def streams(self) -> Streams:
        """(destination, stream) -> where it goes instead."""
        return await self._database.read(_streams)

    async def put(self, destination: str, kind: str, mode: str) -> None:
        row = {"destination": destination, "kind": kind, "mode": mode}
        await self._database.write(lambda connection: upsert(connection, ALERT_PREFS, [row]))

    async def put_destination(self, destination: str, *, active: bool, by: str) -> None:
        row = {"destination": destination, "active": active, "by": by, "at": self._wall.now()}
        await self._database.write(lambda connection: upsert(connection, DESTINATIONS, [row]))

    async def put_stream(self, destination: str, stream: str, goes_to: str, *, by: str) -> None:
        """`goes_to` "": back to the destination itself."""
        row = {"destination": destination, "stream": stream, "goes_to": goes_to, "by": by, "at": self._wall.now()}
        await self._database.write(lambda connection: _put_stream(connection, row))


def _load(connection: Connection) -> Modes:
    return {(row.destination, row.kind): row.mode for row in connection.execute(select(ALERT_PREFS))}


def _destinations(connection: Connection) -> dict[str, bool]:
    return {row.destination: row.active for row in connection.execute(select(DESTINATIONS))}


def _streams(connection: Connection) -> Streams:
    return {(row.destination, row.stream): row.goes_to for row in connection.execute(select(STREAMS))}


def _put_stream(connection: Connection, row: dict[str, object]) -> None:
    if row["goes_to"]:
        upsert(connection, STREAMS, [row])
        return
    that = and_(STREAMS.c.destination == row["destination"], STREAMS.c.stream == row["stream"])
    connection.execute(delete(STREAMS).where(that))
