"""Whether the database can be written at this moment, found out by writing."""

from storage.database import Database, upsert
from storage.tables import PULSE
from trading.ports import Clock


class Pulse:
    def __init__(self, database: Database, wall: Clock) -> None:
        self._database = database
        self._wall = wall

    async def beat(self) -> None:
        """Write the time: a full disk shows, or a lock that nobody gives back. Raises JournalUnwritable."""
        row = {"id": 1, "at": self._wall.now()}
        await self._database.write(lambda connection: upsert(connection, PULSE, [row]))
