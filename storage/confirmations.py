"""Questions that wait for one tap: by their owner, in time, once. In the database, so that a restart forgets none."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

from sqlalchemy import Connection, Row, insert, select, update

from storage.database import Database
from storage.tables import CONFIRMATIONS as ASKED
from trading.ports import Clock

TTL = timedelta(seconds=120)


class Why(StrEnum):
    UNKNOWN = "unknown"
    NOT_YOURS = "not yours"
    EXPIRED = "expired"
    CONFIRMED = "already confirmed"
    CANCELLED = "already cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The confirmation is used up; what it was asked for is to be done now."""

    command: str
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """`by` and `at`: who used it up and when; for one that is not yours, whose it is."""

    reason: Why
    by: str = ""
    at: datetime | None = None


class Confirmations:
    def __init__(self, database: Database, wall: Clock) -> None:
        self._database = database
        self._wall = wall

    async def ask(self, owner: str, place: str, command: str, summary: str, *, ttl: timedelta = TTL) -> str:
        """A token of 16 hexadecimal digits: all that a button has to carry."""
        now, token = self._wall.now(), secrets.token_hex(8)
        row = {"token": token, "owner": owner, "place": place, "command": command, "summary": summary}
        row |= {"used_by": "", "outcome": ""}
        times = {"asked_at": now, "expires_at": now + ttl}
        await self._database.write(lambda connection: connection.execute(insert(ASKED), [row | times]).rowcount)
        return token

    async def take(self, token: str, who: str) -> Taken | Refused:
        """Use it, if it is `who`'s, still open and not used: at most one call ever gets Taken."""
        return await self._use(token, who, Why.CONFIRMED)

    async def cancel(self, token: str, who: str) -> Taken | Refused:
        """Use it up without doing anything; Taken says what will not be done."""
        return await self._use(token, who, Why.CANCELLED)

    async def _use(self, token: str, who: str, outcome: Why) -> Taken | Refused:
        use = partial(_use, token=token, who=who, outcome=outcome, now=self._wall.now())
        return await self._database.write(use)


def _use(connection: Connection, *, token: str, who: str, outcome: Why, now: datetime) -> Taken | Refused:
    row = connection.execute(select(ASKED).where(ASKED.c.token == token)).one_or_none()
    if row is None:
        return Refused(reason=Why.UNKNOWN)
    if refusal := _refusal(row, who, now):
        return refusal
    free = update(ASKED).where(ASKED.c.token == token, ASKED.c.used_at.is_(None))
    done = connection.execute(free.values(used_at=now, used_by=who, outcome=outcome.value))
    if done.rowcount != 1:  # another process was faster: only a database with several writers gets here
        return _use(connection, token=token, who=who, outcome=outcome, now=now)
    return Taken(command=row.command, summary=row.summary)


def _refusal(row: Row[tuple[object, ...]], who: str, now: datetime) -> Refused | None:
    if row.owner != who:
        return Refused(reason=Why.NOT_YOURS, by=row.owner)
    if row.used_at is not None:
        return Refused(reason=Why(row.outcome), by=row.used_by, at=row.used_at)
    if now >= row.expires_at:
        return Refused(reason=Why.EXPIRED, at=row.expires_at)
    return None
