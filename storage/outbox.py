"""The outbox: one row for each event and destination, written with the event itself, delivered at least once.

A row is `sending` before its request leaves, so that a crash in between is seen: after a restart it is pending again
with its attempts counted, and the chat is asked by key whether it has shown it already. Times here are wall time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, bindparam, func, select, update

from storage.codec import from_json
from storage.database import Database
from storage.tables import JOURNAL, OUTBOX
from trading.errors import IllegalTransition
from trading.messages import EVENTS, Event
from trading.ports import Clock


class Lane(IntEnum):
    """What may overtake what: a lower lane goes first. Within a lane and a destination order is kept."""

    RISK = 0
    REPLY = 1
    FILL = 2
    DECISION = 3
    DIGEST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where an event is to be told, how urgently, and whether the phone stays quiet."""

    destination: str  # "console:main", "telegram:12345"
    lane: Lane
    silent: bool = False


class Delivery(StrEnum):
    PENDING = "pending"
    SENDING = "sending"  # a request may have left
    SENT = "sent"
    DEAD = "dead"  # this destination will never take it


# The life of an outbox row. A step that is not here raises IllegalTransition.
DELIVERY_TRANSITIONS: dict[Delivery, frozenset[Delivery]] = {
    Delivery.PENDING: frozenset({Delivery.SENDING, Delivery.DEAD}),
    Delivery.SENDING: frozenset({Delivery.SENT, Delivery.PENDING, Delivery.DEAD}),
    Delivery.SENT: frozenset(),
    Delivery.DEAD: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    id: int
    destination: str
    lane: Lane
    silent: bool
    event: Event
    seq: int  # of the event in the journal
    queued_at: datetime
    attempts: int  # requests that may have left before this one
    state: Delivery

    @property
    def key(self) -> str:
        """Unique per message and the same after every restart."""
        return f"{self.seq}:{self.destination}"


class Outbox:
    """Rows are added by the journal; this is what the delivery does with them. Every method is one transaction."""

    def __init__(self, database: Database, wall: Clock) -> None:
        self._database = database
        self._wall = wall

    async def pending(self, destination: str, limit: int) -> list[Outgoing]:
        """What may be sent now: by lane, then in order. A row that waits for a retry holds up its lane behind it."""
        now = self._wall.now()
        return await self._database.read(lambda connection: _pending(connection, destination, limit, now))

    async def sending(self, ids: Sequence[int]) -> None:
        """Say before the request leaves that it may have left. Raises IllegalTransition."""
        await self._step(ids, Delivery.SENDING, attempts=OUTBOX.c.attempts + 1)

    async def sent(self, id: int, reference: str) -> None:
        """`reference`: the platform's own name of the message, for later edits and replies."""
        await self._step([id], Delivery.SENT, reference=reference, sent_at=self._wall.now(), error="")

    async def sent_all(self, references: Mapping[int, str]) -> None:
        """`sent` for many rows, id -> reference, in one transaction. Raises IllegalTransition: then for none."""
        now = self._wall.now()
        await self._database.write(lambda connection: _sent_all(connection, references, now))

    async def retry(self, id: int, *, at: datetime, error: str) -> None:
        await self._step([id], Delivery.PENDING, next_try_at=at, error=error)

    async def dead(self, id: int, error: str) -> None:
        await self._step([id], Delivery.DEAD, error=error)

    async def unfinished(self) -> list[int]:
        """At start: rows whose request may have left when the last process ended become pending again. Their ids."""
        return await self._database.write(_recover)

    async def depth(self) -> dict[str, tuple[int, datetime]]:
        """By destination: how many are not delivered yet, and since when the oldest waits."""
        return await self._database.read(_depth)

    async def _step(self, ids: Sequence[int], to: Delivery, **values: Any) -> None:
        await self._database.write(lambda connection: _step(connection, ids, to, values))


_WAITING = OUTBOX.c.state == Delivery.PENDING.value
_UNDELIVERED = OUTBOX.c.state.in_([Delivery.PENDING.value, Delivery.SENDING.value])


def _pending(connection: Connection, destination: str, limit: int, now: datetime) -> list[Outgoing]:
    mine = and_(_WAITING, OUTBOX.c.destination == destination)
    held = (  # the first of each lane that is not due yet: nothing behind it may overtake it
        select(OUTBOX.c.lane, func.min(OUTBOX.c.id).label("first"))
        .where(mine, OUTBOX.c.next_try_at > now)
        .group_by(OUTBOX.c.lane)
        .subquery()
    )
    rows = connection.execute(
        select(OUTBOX, JOURNAL.c.kind, JOURNAL.c.body)
        .join(JOURNAL, JOURNAL.c.seq == OUTBOX.c.seq)
        .outerjoin(held, held.c.lane == OUTBOX.c.lane)
        .where(mine, (held.c.first.is_(None)) | (OUTBOX.c.id < held.c.first))
        .order_by(OUTBOX.c.lane, OUTBOX.c.id)
        .limit(limit)
    )
    return [_outgoing(row) for row in rows.mappings()]


def _outgoing(row: RowMapping) -> Outgoing:
    return Outgoing(
        id=row["id"],
        destination=row["destination"],
        lane=Lane(row["lane"]),
        silent=row["silent"],
        event=from_json(EVENTS[row["kind"]], row["body"]),
        seq=row["seq"],
        queued_at=row["queued_at"],
        attempts=row["attempts"],
        state=Delivery(row["state"]),
    )


def _step(connection: Connection, ids: Sequence[int], to: Delivery, values: dict[str, Any]) -> None:
    origins = [state.value for state, ways in DELIVERY_TRANSITIONS.items() if to in ways]
    done = connection.execute(
        update(OUTBOX).where(OUTBOX.c.id.in_(ids), OUTBOX.c.state.in_(origins)).values(state=to.value, **values)
    )
    if done.rowcount != len(set(ids)):
        raise IllegalTransition(f"outbox rows {list(ids)}: not all can become {to}")


def _sent_all(connection: Connection, references: Mapping[int, str], now: datetime) -> None:
    if not references:
        return
    statement = (
        update(OUTBOX)
        .where(OUTBOX.c.id == bindparam("row"), OUTBOX.c.state == Delivery.SENDING.value)
        .values(state=Delivery.SENT.value, reference=bindparam("told"), sent_at=now, error="")
    )
    done = connection.execute(statement, [{"row": id, "told": reference} for id, reference in references.items()])
    if done.rowcount != len(references):
        raise IllegalTransition(f"outbox rows {list(references)}: not all can become {Delivery.SENT}")


def _recover(connection: Connection) -> list[int]:
    ids = list(connection.scalars(select(OUTBOX.c.id).where(OUTBOX.c.state == Delivery.SENDING.value)))
    _step(connection, ids, Delivery.PENDING, {})
    return ids


def _depth(connection: Connection) -> dict[str, tuple[int, datetime]]:
    rows = connection.execute(
        select(OUTBOX.c.destination, func.count(), func.min(OUTBOX.c.queued_at))
        .where(_UNDELIVERED)
        .group_by(OUTBOX.c.destination)
    )
    return {destination: (count, oldest) for destination, count, oldest in rows}
