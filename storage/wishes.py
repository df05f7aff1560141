"""How people and shared places want things told: time zone, quiet hours, the least result worth an alert, ..."""

from sqlalchemy import Connection, select

from storage.database import Database, upsert
from storage.tables import WISHES
from trading.ports import Clock

Wanted = dict[tuple[str, str], str]


class WishList:
    """The wishes as they are kept. What each of them may be stands in bot/wishes.py."""

    def __init__(self, database: Database, wall: Clock) -> None:
        self._database = database
        self._wall = wall

    async def load(self) -> Wanted:
        """(owner, wish) -> value, of those that were ever set."""
        return await self._database.read(_load)

    async def put(self, owner: str, wish: str, value: str, *, by: str) -> None:
        row = {"owner": owner, "wish": wish, "value": value, "by": by, "at": self._wall.now()}
        await self._database.write(lambda connection: upsert(connection, WISHES, [row]))


def _load(connection: Connection) -> Wanted:
    return {(row.owner, row.wish): row.value for row in connection.execute(select(WISHES))}
