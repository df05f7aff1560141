"""Who may use the desk: people, their roles, and their accounts on each platform."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from storage.database import Database, upsert
from storage.tables import ACCOUNTS, PEOPLE
from trading.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody, or a group or channel that stands for those in it. `role`: 1 viewer, 2 operator, 3 admin."""

    id: str  # "ann": made from the name, never changed
    name: str
    role: int
    source: str  # "environment": only that can remove him; "chat"; "terminal": who sits there, always
    accounts: tuple[str, ...]  # "telegram:7", "discord:9"; a group's or channel's "telegram:-1001", "discord:#55"


class Register:
    """The people as they are kept. What may become of them is decided in bot/people.py."""

    def __init__(self, database: Database, wall: Clock) -> None:
        self._database = database
        self._wall = wall

    async def load(self) -> list[Person]:
        """By id, each with his accounts in the order of their keys."""
        return await self._database.read(_load)

    async def keep(self, *people: Person, gone: Sequence[str] = (), by: str = "") -> None:
        """New ones, and others as they are now with all their accounts; `gone`: the ids of those who leave. An account
        that was somebody else's moves. All in one transaction. `by`: who added the new ones."""
        now = self._wall.now()
        await self._database.write(lambda connection: _keep(connection, people, gone, by=by, now=now))


def _load(connection: Connection) -> list[Person]:
    accounts: dict[str, list[str]] = defaultdict(list)
    for row in connection.execute(select(ACCOUNTS).order_by(ACCOUNTS.c.key)):
        accounts[row.person].append(row.key)
    return [
        Person(id=row.id, name=row.name, role=row.role, source=row.source, accounts=tuple(accounts[row.id]))
        for row in connection.execute(select(PEOPLE).order_by(PEOPLE.c.id))
    ]


def _keep(connection: Connection, people: Sequence[Person], gone: Sequence[str], *, by: str, now: datetime) -> None:
    connection.execute(delete(ACCOUNTS).where(ACCOUNTS.c.person.in_(gone)))
    connection.execute(delete(PEOPLE).where(PEOPLE.c.id.in_(gone)))
    for person in people:
        _keep_one(connection, person, by, now)


def _keep_one(connection: Connection, person: Person, by: str, now: datetime) -> None:
    said = {"name": person.name, "role": person.role, "source": person.source}
    if not connection.execute(update(PEOPLE).where(PEOPLE.c.id == person.id).values(said)).rowcount:
        connection.execute(insert(PEOPLE).values(said | {"id": person.id, "added_by": by, "added_at": now}))
    his = ACCOUNTS.c.person == person.id
    connection.execute(delete(ACCOUNTS).where(his, ACCOUNTS.c.key.not_in(person.accounts)))
    known = set(connection.scalars(select(ACCOUNTS.c.key).where(his)))
    if new := [{"key": key, "person": person.id, "added_at": now} for key in person.accounts if key not in known]:
        upsert(connection, ACCOUNTS, new)
