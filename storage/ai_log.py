"""The outbox of an exchange's AI log: written in the transaction of the events it is about, sent from in order."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

import orjson
from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from storage.database import Database
from storage.tables import AI_LOG
from trading.ailog import Entry, Lookup, Settled
from trading.errors import BadRecord
from trading.events import Event
from trading.model import ClientId, Symbol
from trading.ports import Clock, State

log = logging.getLogger(__name__)


class Stand(StrEnum):
    """Where an entry stands."""

    HELD = "held"  # whether the exchange has its order is not known
    PENDING = "pending"
    SENT = "sent"
    REFUSED = "refused"  # for good
    VOID = "void"  # its order never came to be


_OPEN = (Stand.HELD.value, Stand.PENDING.value)
_CHECK = "check "  # before the hash of a key that the exchange has let write to its log

Kept = Callable[[Sequence[Event], Sequence[State]], Sequence[Entry | Settled]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The entry whose turn it is."""

    id: int
    at: datetime
    held: bool
    symbol: Symbol
    lookup: Lookup
    client_id: ClientId
    fill: str
    order_id: str
    body: dict[str, Any]  # stage, model, input, output, explanation


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    waiting: int
    refused: int  # since the last that was taken
    refusal: str = ""  # why, of the last of them


class AiLogBox:
    """`kept`: what a transaction of the journal adds. `told`: called on the loop when something was added."""

    def __init__(self, database: Database, *, kept: Kept, wall: Clock) -> None:
        self._database = database
        self._kept = kept
        self._wall = wall
        self.told: Callable[[], None] = lambda: None
        self.lost = ""  # an entry could not be made, and why: the log has a hole that nothing will fill

    # --- beside the journal -----------------------------------------------------------------------------------------

    def beside(self, events: Sequence[Event], states: Sequence[State]) -> Callable[[Connection], None] | None:
        """What is to be written in the journal's own transaction; None for nothing. Never raises: no fault of the log
        may keep a trade from being written."""
        try:
            now = self._wall.now()
            rows = [_change(each, now) for each in self._kept(events, states)]
        except Exception as error:
            log.exception("an entry of the AI log could not be made")
            self.lost = f"{type(error).__name__}: {error}"
            return None
        return partial(_write, rows=rows, at=now) if rows else None

    def done(self) -> None:
        self.told()

    # --- sent from --------------------------------------------------------------------------------------------------

    async def first(self) -> Waiting | None:
        """The oldest that is not sent. Raises BadRecord."""
        return await self._database.read(_first)

    async def counts(self) -> Counts:
        return await self._database.read(_counts)

    async def found(self, id: int, order_id: str) -> None:
        """The exchange's id of its order."""
        await self._database.write(
            lambda c: c.execute(update(AI_LOG).where(AI_LOG.c.id == id).values(order_id=order_id))
        )

    async def ended(self, id: int, stand: Stand, note: str = "") -> None:
        values = {"state": stand.value, "note": note, "done_at": self._wall.now()}
        await self._database.write(lambda c: c.execute(update(AI_LOG).where(AI_LOG.c.id == id).values(values)))

    async def prune(self, before: datetime) -> None:
        """Forget what was sent, or void, before then: the journal has what it was made from."""
        gone = AI_LOG.c.state.in_([Stand.SENT.value, Stand.VOID.value]) & (AI_LOG.c.done_at < before)
        await self._database.write(lambda c: c.execute(delete(AI_LOG).where(gone, ~AI_LOG.c.key.startswith(_CHECK))))

    # --- the key's permission ---------------------------------------------------------------------------------------

    async def verified(self, credential: str) -> bool:
        """Whether the exchange has taken an entry by this key before. `credential`: its hash."""
        key = AI_LOG.c.key == _CHECK + credential
        return await self._database.read(lambda c: c.execute(select(AI_LOG.c.id).where(key)).first() is not None)

    async def verify(self, credential: str, body: dict[str, Any]) -> None:
        """The exchange has taken `body`, the first entry by this key."""
        now = self._wall.now()
        row = _row(_CHECK + credential, now, body) | {"state": Stand.SENT.value, "done_at": now}
        await self._database.write(lambda c: _add(c, row))

    async def distrust(self, credential: str) -> None:
        """It has refused the key since."""
        await self._database.write(lambda c: c.execute(delete(AI_LOG).where(AI_LOG.c.key == _CHECK + credential)))


Change = dict[str, Any] | Settled


def _change(each: Entry | Settled, at: datetime) -> Change:
    if isinstance(each, Settled):
        return each
    body = {name: getattr(each, name) for name in ("stage", "model", "input", "output", "explanation")}
    return _row(each.key, at, body) | {
        "state": (Stand.HELD if each.held else Stand.PENDING).value,
        "symbol": each.symbol,
        "decision": each.decision,
        "lookup": each.lookup.value,
        "client_id": each.client_id,
        "fill": each.fill,
    }


def _row(key: str, at: datetime, body: dict[str, Any]) -> dict[str, Any]:
    rest = dict.fromkeys(("symbol", "decision", "lookup", "client_id", "fill", "order_id", "note"), "")
    return {**rest, "key": key, "at": at, "body": orjson.dumps(body).decode(), "done_at": None}


def _write(connection: Connection, *, rows: Sequence[Change], at: datetime) -> None:
    for row in rows:
        if isinstance(row, Settled):
            _settle(connection, row, at)
        else:
            _add(connection, row)


def _add(connection: Connection, row: dict[str, Any]) -> None:
    """What is there already stays as it is."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(AI_LOG).on_conflict_do_nothing(index_elements=[AI_LOG.c.key]), row)


def _settle(connection: Connection, settled: Settled, at: datetime) -> None:
    which = AI_LOG.c.key == settled.key
    if not settled.key:
        which = (AI_LOG.c.decision == settled.decision) & (AI_LOG.c.lookup == Lookup.GUARD.value)
    stand = Stand.PENDING if settled.came else Stand.VOID
    values = {"state": stand.value, "note": settled.why, "done_at": None if settled.came else at}
    connection.execute(update(AI_LOG).where(which, AI_LOG.c.state == Stand.HELD.value).values(values))


def _first(connection: Connection) -> Waiting | None:
    oldest = select(func.min(AI_LOG.c.id)).where(AI_LOG.c.state.in_(_OPEN)).scalar_subquery()
    row = connection.execute(select(AI_LOG).where(AI_LOG.c.id == oldest)).first()
    if row is None:
        return None
    try:
        return Waiting(
            id=row.id,
            at=row.at,
            held=row.state == Stand.HELD.value,
            symbol=Symbol(row.symbol),
            lookup=Lookup(row.lookup),
            client_id=ClientId(row.client_id),
            fill=row.fill,
            order_id=row.order_id,
            body=orjson.loads(row.body),
        )
    except ValueError as error:
        raise BadRecord(f"entry {row.id} of the AI log: {error}") from error


def _counts(connection: Connection) -> Counts:
    waiting = select(func.count()).select_from(AI_LOG).where(AI_LOG.c.state.in_(_OPEN))
    taken = select(func.coalesce(func.max(AI_LOG.c.id), 0)).where(AI_LOG.c.state == Stand.SENT.value).scalar_subquery()
    refused = select(AI_LOG.c.note).where(AI_LOG.c.state == Stand.REFUSED.value, AI_LOG.c.id > taken)
    notes = list(connection.scalars(refused.order_by(AI_LOG.c.id)))
    return Counts(waiting=connection.scalar(waiting) or 0, refused=len(notes), refusal=notes[-1] if notes else "")
