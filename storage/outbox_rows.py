"""The transactions of the outbox, each a plain function of a connection. No question reads more rows than it answers
with, but for the counts, which stay within an index."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from storage.codec import from_json
from storage.mail import (
    DELIVERY_TRANSITIONS,
    SUMMED,
    Bundle,
    DeadLetter,
    Delivery,
    Lane,
    Outgoing,
    Overdue,
    Together,
)
from storage.tables import JOURNAL, ORDERS, OUTBOX, POSITIONS
from trading.errors import IllegalTransition
from trading.events import EVENTS
from trading.model import OrderStatus

PAGE = 1000  # rows looked at, at a time, by what tidies up
_BATCH = 500  # ids in one statement
_FINAL = [status.value for status in OrderStatus if status.final]


def _is(*states: Delivery) -> ColumnElement[bool]:
    return OUTBOX.c.state.in_([state.value for state in states])


_THERE = OUTBOX.c.destination == bindparam("there")
_WITH_EVENTS = select(OUTBOX, JOURNAL.c.kind, JOURNAL.c.body).join(JOURNAL, JOURNAL.c.seq == OUTBOX.c.seq)
PENDING = (  # built once: to build a statement costs more than to run it
    _WITH_EVENTS.where(OUTBOX.c.state == Delivery.PENDING.value, _THERE)
    .order_by(OUTBOX.c.lane, OUTBOX.c.id)
    .limit(bindparam("limit"))
)
_MEMBERS = (
    select(OUTBOX.c.id, OUTBOX.c.silent, OUTBOX.c.queued_at, JOURNAL.c.kind)
    .join(JOURNAL, JOURNAL.c.seq == OUTBOX.c.seq)
    .order_by(OUTBOX.c.lane, OUTBOX.c.id)
)
CROWD = _MEMBERS.where(
    OUTBOX.c.state == Delivery.PENDING.value, _THERE, OUTBOX.c.lane.in_(sorted(map(int, SUMMED)))
).limit(bindparam("limit"))
BUNDLE = _MEMBERS.where(OUTBOX.c.state == Delivery.HELD.value, _THERE, OUTBOX.c.bundle == bindparam("name")).limit(
    bindparam("limit")
)
FIRST_OF = (
    select(OUTBOX.c.reference)
    .where(text("thread != ''"), OUTBOX.c.thread == bindparam("thread"), _THERE)
    .where(OUTBOX.c.state == Delivery.SENT.value, OUTBOX.c.bundle == "", OUTBOX.c.reference != "")
    .order_by(OUTBOX.c.sent_at, OUTBOX.c.id)
    .limit(1)
)
_OF_EVENT = select(OUTBOX).where(OUTBOX.c.seq == bindparam("seq"))
OVERDUE = (
    select(OUTBOX.c.seq, OUTBOX.c.destination)
    .where(text("critical"), _is(Delivery.PENDING, Delivery.SENDING))
    .where(OUTBOX.c.queued_at <= bindparam("before"), OUTBOX.c.instead_of == "")
    .order_by(OUTBOX.c.id)
)


# --- what is read -------------------------------------------------------------------------------------------------


def pending(connection: Connection, *, destination: str, limit: int) -> list[Outgoing]:
    found = connection.execute(PENDING, {"there": destination, "limit": limit})
    return [_outgoing(row) for row in found.mappings()]


def crowd(connection: Connection, *, destination: str, limit: int, newest: int) -> Together | None:
    return _together(connection, connection.execute(CROWD, {"there": destination, "limit": limit}).all(), newest)


def bundle(connection: Connection, *, destination: str, name: str, limit: int, newest: int) -> Together | None:
    found = connection.execute(BUNDLE, {"there": destination, "name": name, "limit": limit}).all()
    return _together(connection, found, newest)


def _together(connection: Connection, members: Sequence[Any], newest: int) -> Together | None:
    if not members:
        return None
    members = sorted(members, key=lambda row: row.id)
    last = [row.id for row in members[-newest:]]
    shown = connection.execute(_WITH_EVENTS.where(OUTBOX.c.id.in_(last)).order_by(OUTBOX.c.id.desc()))
    return Together(
        ids=tuple(row.id for row in members),
        newest=tuple(_outgoing(row) for row in shown.mappings()),
        oldest=min(row.queued_at for row in members),
        silent=all(row.silent for row in members),
        kinds=Counter(row.kind for row in members),
    )


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
        thread=row["thread"],
        bundle=row["bundle"],
        critical=row["critical"],
        instead_of=row["instead_of"],
    )


def depth(connection: Connection) -> dict[str, tuple[int, datetime]]:
    """Counted within the index; the time is read of the first row alone."""
    waiting = (
        select(OUTBOX.c.destination, func.count().label("n"), func.min(OUTBOX.c.id).label("first"))
        .where(_is(Delivery.PENDING, Delivery.SENDING))
        .group_by(OUTBOX.c.destination)
        .subquery()
    )
    rows = connection.execute(
        select(waiting.c.destination, waiting.c.n, OUTBOX.c.queued_at).join(OUTBOX, OUTBOX.c.id == waiting.c.first)
    )
    return {destination: (count, oldest) for destination, count, oldest in rows}


def held(connection: Connection) -> list[Bundle]:
    rows = connection.execute(
        select(
            OUTBOX.c.destination,
            OUTBOX.c.bundle,
            func.min(OUTBOX.c.lane).label("lane"),
            func.count().label("count"),
            func.min(OUTBOX.c.queued_at).label("oldest"),
            func.min(OUTBOX.c.next_try_at).label("due_at"),
        )
        .where(OUTBOX.c.state == Delivery.HELD.value)
        .group_by(OUTBOX.c.destination, OUTBOX.c.bundle)
    )
    return [Bundle(**{**row, "lane": Lane(row["lane"])}) for row in rows.mappings()]


def thread(connection: Connection, *, destination: str, thread: str) -> str:
    return connection.scalar(FIRST_OF, {"thread": thread, "there": destination}) or ""


def overdue(connection: Connection, *, before: datetime) -> list[Overdue]:
    return [Overdue(seq=seq, destination=there) for seq, there in connection.execute(OVERDUE, {"before": before})]


def dead(connection: Connection, *, n: int) -> list[DeadLetter]:
    last = select(OUTBOX.c.id).where(OUTBOX.c.state == Delivery.DEAD.value).order_by(OUTBOX.c.id.desc()).limit(n)
    rows = connection.execute(_WITH_EVENTS.where(OUTBOX.c.id.in_(last)).order_by(OUTBOX.c.id.desc())).mappings()
    return [
        DeadLetter(
            destination=row["destination"],
            event=from_json(EVENTS[row["kind"]], row["body"]),
            queued_at=row["queued_at"],
            error=row["error"],
        )
        for row in rows
    ]


# --- what is written ------------------------------------------------------------------------------------------------


def step(connection: Connection, *, ids: Sequence[int], to: Delivery, values: Mapping[str, Any]) -> None:
    """All of them, or none."""
    origins = [state.value for state, ways in DELIVERY_TRANSITIONS.items() if to in ways]
    done = 0
    for part in _parts(ids):
        change = update(OUTBOX).where(OUTBOX.c.id.in_(part), OUTBOX.c.state.in_(origins))
        done += connection.execute(change.values(state=to.value, **values)).rowcount
    if done != len(set(ids)):
        raise IllegalTransition(f"outbox rows {_few(ids)}: not all can become {to}")


def sent_all(connection: Connection, *, references: Mapping[int, str], now: datetime) -> None:
    if not references:
        return
    statement = (
        update(OUTBOX)
        .where(OUTBOX.c.id == bindparam("row"), OUTBOX.c.state == Delivery.SENDING.value)
        .values(state=Delivery.SENT.value, reference=bindparam("told"), sent_at=now, error="")
    )
    done = connection.execute(statement, [{"row": id, "told": reference} for id, reference in references.items()])
    if done.rowcount != len(references):
        raise IllegalTransition(f"outbox rows {_few(references)}: not all can become {Delivery.SENT}")


def put_back(connection: Connection, *, ids: Sequence[int], error: str) -> None:
    done = 0
    for part in _parts(ids):
        mine = update(OUTBOX).where(OUTBOX.c.id.in_(part), OUTBOX.c.state == Delivery.SENDING.value)
        for state, those in ((Delivery.PENDING, OUTBOX.c.bundle == ""), (Delivery.HELD, OUTBOX.c.bundle != "")):
            done += connection.execute(mine.where(those).values(state=state.value, error=error)).rowcount
    if done != len(set(ids)):
        raise IllegalTransition(f"outbox rows {_few(ids)}: not all were being sent")


def recover(connection: Connection) -> list[int]:
    ids = list(connection.scalars(select(OUTBOX.c.id).where(OUTBOX.c.state == Delivery.SENDING.value)))
    put_back(connection, ids=ids, error="")
    return ids


def next_id(connection: Connection) -> int:
    """Given here, not by the database, so that whoever adds rows knows them without reading them back."""
    return (connection.scalar(select(func.max(OUTBOX.c.id))) or 0) + 1


def hand_over(connection: Connection, *, row: Overdue, to: Sequence[str]) -> list[str]:
    told = {found["destination"]: found for found in connection.execute(_OF_EVENT, {"seq": row.seq}).mappings()}
    new = [there for there in dict.fromkeys(to) if there not in told]
    copy = {**told[row.destination], "state": Delivery.PENDING.value, "attempts": 0, "silent": False}
    copy |= {"reference": "", "error": "", "instead_of": row.destination}
    rows = [copy | {"id": id, "destination": there} for id, there in enumerate(new, next_id(connection))]
    if rows:
        connection.execute(insert(OUTBOX), rows)
    return new


def a_row(row: Outgoing) -> dict[str, Any]:
    """A new one: the journal has its event."""
    return {
        "id": row.id,
        "seq": row.seq,
        "destination": row.destination,
        "lane": int(row.lane),
        "silent": row.silent,
        "state": row.state.value,
        "attempts": 1 if row.state is Delivery.SENDING else 0,
        "queued_at": row.queued_at,
        "next_try_at": row.queued_at,
        "reference": "",
        "error": "",
        "thread": row.thread,
        "bundle": row.bundle,
        "critical": row.critical,
        "instead_of": row.instead_of,
    }


# --- what tidies up -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A look at some old rows."""

    delivered: tuple[int, ...]  # may be forgotten
    last: int | None  # where the next page begins; None: there is none


def page(connection: Connection, *, after: int, before: datetime) -> Page:
    """The next rows behind `after`, as far as they were queued before that. The newest row of all always stays: ids
    go on from it."""
    rows = connection.execute(
        select(OUTBOX.c.id, OUTBOX.c.state, OUTBOX.c.queued_at, OUTBOX.c.thread)
        .where(OUTBOX.c.id > after)
        .order_by(OUTBOX.c.id)
        .limit(PAGE + 1)
    ).all()
    old = [row for row in rows[:PAGE] if row.queued_at < before]
    open_ = _open_threads(connection)
    newest = rows[-1].id if rows else 0
    gone = (r.id for r in old if r.state == Delivery.SENT.value and r.thread not in open_ and r.id != newest)
    return Page(delivered=tuple(gone), last=old[-1].id if len(old) == PAGE and len(rows) > PAGE else None)


def _open_threads(connection: Connection) -> frozenset[str]:
    orders = select(ORDERS.c.decision_id).where(ORDERS.c.status.not_in(_FINAL))
    return frozenset((*connection.scalars(select(POSITIONS.c.id)), *connection.scalars(orders)))


def forget(connection: Connection, *, ids: Sequence[int]) -> int:
    return sum(connection.execute(delete(OUTBOX).where(OUTBOX.c.id.in_(part))).rowcount for part in _parts(ids))


def _parts(ids: Sequence[int]) -> list[Sequence[int]]:
    return [ids[first : first + _BATCH] for first in range(0, len(ids), _BATCH)]


def _few(ids: Any) -> str:
    return f"{list(ids)[:10]}{' ...' if len(ids) > 10 else ''}"
