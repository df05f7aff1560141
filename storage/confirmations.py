"""Questions that wait for one answer: by who may give it, in time, once. In the database: a restart forgets none."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import partial

from sqlalchemy import Connection, Row, and_, insert, or_, select, update

from storage.database import Database
from storage.tables import CONFIRMATIONS as ASKED
from trading.messages import Quoted
from trading.ports import Clock

TTL = timedelta(seconds=120)


class Why(StrEnum):
    UNKNOWN = "unknown"
    NOT_YOURS = "not yours"
    YOURS = "yours"  # a second person has to answer it
    WRONG_CODE = "wrong code"  # the question stays open
    EXPIRED = "expired"
    CONFIRMED = "already confirmed"
    CANCELLED = "already cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The confirmation is used up; what it was asked for is to be done now."""

    command: str
    summary: str
    asked_by: str = ""
    quoted: Quoted | None = None  # what was shown with the question


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuestion:
    token: str
    command: str
    summary: str
    code: str
    place: str
    asked_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Lapsed:
    """A question that stands in a chat with its buttons although it is over."""

    token: str
    destination: str
    reference: str
    command: str
    summary: str
    outcome: str  # "already confirmed", "already cancelled", or "" for expired
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """`by` and `at`: who used it up and when; for one that is not yours, whose it is."""

    reason: Why
    by: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    who: str
    outcome: Why
    typed: str | None  # None: whoever cancels types no code
    tapped_in: str
    at: datetime


class Confirmations:
    def __init__(self, database: Database, wall: Clock) -> None:
        self._database = database
        self._wall = wall

    async def ask(
        self,
        owner: str,
        place: str,
        command: str,
        summary: str,
        *,
        ttl: timedelta = TTL,
        code: str = "",
        quoted: Quoted | None = None,
        others: bool = False,
    ) -> str:
        """A token of 16 hexadecimal digits: all that a button has to carry. `others`: anybody but the owner answers.
        `code`: what has to be typed with the answer."""
        now, token = self._wall.now(), secrets.token_hex(8)
        row: dict[str, object] = {"token": token, "owner": owner, "place": place, "command": command}
        row |= {
            "summary": summary,
            "used_by": "",
            "outcome": "",
            "code": code,
            "quoted": _quoted(quoted),
            "others": others,
        }
        row |= {"others": others, "destination": "", "reference": "", "greyed": False}
        times = {"asked_at": now, "expires_at": now + ttl}
        await self._database.write(lambda connection: connection.execute(insert(ASKED), [row | times]).rowcount)
        return token

    async def take(self, token: str, who: str, typed: str = "", *, tapped_in: str = "") -> Taken | Refused:
        """Use it, if `who` may answer it and `typed` is its code, and it is open: at most one call ever gets Taken.

        `tapped_in`: the place of its button that was tapped. Where that is where it stands, the answer takes the
        question's place, and there is nothing to grey out.
        """
        return await self._use(token, who, Why.CONFIRMED, typed, tapped_in)

    async def cancel(self, token: str, who: str, *, tapped_in: str = "") -> Taken | Refused:
        """Use it up without doing anything; Taken says what will not be done."""
        return await self._use(token, who, Why.CANCELLED, None, tapped_in)

    async def open_for(self, who: str) -> list[OpenQuestion]:
        """What `who` may answer now, the newest first."""
        now = self._wall.now()
        return await self._database.read(lambda connection: _open_for(connection, who, now))

    async def shown(self, token: str, destination: str, reference: str) -> None:
        """Where the question stands. One that is shown again elsewhere, by /questions, stands where it stood."""
        new = update(ASKED).where(ASKED.c.token == token, ASKED.c.reference == "")
        placed = new.values(destination=destination, reference=reference)
        await self._database.write(lambda connection: connection.execute(placed).rowcount)

    async def lapsed(self) -> list[Lapsed]:
        """Questions that are over, and stand in a chat as if they were not."""
        now = self._wall.now()
        return await self._database.read(lambda connection: _lapsed(connection, now))

    async def greyed(self, token: str) -> None:
        done = update(ASKED).where(ASKED.c.token == token).values(greyed=True)
        await self._database.write(lambda connection: connection.execute(done).rowcount)

    async def _use(self, token: str, who: str, outcome: Why, typed: str | None, tapped_in: str) -> Taken | Refused:
        answer = _Answer(who=who, outcome=outcome, typed=typed, tapped_in=tapped_in, at=self._wall.now())
        return await self._database.write(partial(_use, token=token, answer=answer))


def _quoted(quoted: Quoted | None) -> str:
    if quoted is None:
        return ""
    return f"{quoted.mark}|{'' if quoted.quantity is None else quoted.quantity}"


def _as_quoted(text: str) -> Quoted | None:
    if not text:
        return None
    mark, _, quantity = text.partition("|")
    return Quoted(mark=Decimal(mark), quantity=Decimal(quantity) if quantity else None)


def _open_for(connection: Connection, who: str, now: datetime) -> list[OpenQuestion]:
    mine = or_(and_(ASKED.c.owner == who, ~ASKED.c.others), and_(ASKED.c.owner != who, ASKED.c.others))
    open_ = select(ASKED).where(mine, ASKED.c.used_at.is_(None), ASKED.c.expires_at > now)
    return [
        OpenQuestion(
            token=row.token,
            command=row.command,
            summary=row.summary,
            code=row.code,
            place=row.place,
            asked_at=row.asked_at,
            expires_at=row.expires_at,
        )
        for row in connection.execute(open_.order_by(ASKED.c.asked_at.desc(), ASKED.c.token))
    ]


def _lapsed(connection: Connection, now: datetime) -> list[Lapsed]:
    over = or_(ASKED.c.used_at.is_not(None), ASKED.c.expires_at <= now)
    standing = select(ASKED).where(over, ASKED.c.reference != "", ~ASKED.c.greyed)
    return [
        Lapsed(
            token=row.token,
            destination=row.destination,
            reference=row.reference,
            command=row.command,
            summary=row.summary,
            outcome=row.outcome,
            by=row.used_by,
            at=row.used_at or row.expires_at,
        )
        for row in connection.execute(standing.order_by(ASKED.c.asked_at))
    ]


def _use(connection: Connection, *, token: str, answer: _Answer) -> Taken | Refused:
    row = connection.execute(select(ASKED).where(ASKED.c.token == token)).one_or_none()
    if row is None:
        return Refused(reason=Why.UNKNOWN)
    if refusal := _refusal(row, answer.who, answer.at):
        return refusal
    if row.code and answer.typed is not None and not secrets.compare_digest(row.code.encode(), answer.typed.encode()):
        return Refused(reason=Why.WRONG_CODE)
    replaced = answer.tapped_in != "" and row.destination in ("", answer.tapped_in)
    used = {"used_at": answer.at, "used_by": answer.who, "outcome": answer.outcome.value, "greyed": replaced}
    free = update(ASKED).where(ASKED.c.token == token, ASKED.c.used_at.is_(None))
    if connection.execute(free.values(used)).rowcount != 1:
        # another process was faster: only a database with several writers gets here
        return _use(connection, token=token, answer=answer)
    return Taken(command=row.command, summary=row.summary, asked_by=row.owner, quoted=_as_quoted(row.quoted))


def _refusal(row: Row[tuple[object, ...]], who: str, now: datetime) -> Refused | None:
    if row.others and row.owner == who:
        return Refused(reason=Why.YOURS, by=row.owner)
    if not row.others and row.owner != who:
        return Refused(reason=Why.NOT_YOURS, by=row.owner)
    if row.used_at is not None:
        return Refused(reason=Why(row.outcome), by=row.used_by, at=row.used_at)
    if now >= row.expires_at:
        return Refused(reason=Why.EXPIRED, at=row.expires_at)
    return None
