"""The Journal port on a database: events, the state they changed and the messages they call for, in one transaction.

Every event is a row of a hash chain: hash = SHA-256 over the previous hash, the row's seq, time, kind, symbol and
decision as a JSON list, and its body. The chain's head is read inside each transaction, never remembered outside: a
transaction that fails leaves nothing behind to be put right.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

import orjson
from sqlalchemy import Connection, RowMapping, Table, delete, func, insert, select

from storage import scores, tallies
from storage.codec import from_json, from_row, to_json, to_row
from storage.database import Database, upsert
from storage.mail import Delivery, Outgoing, Route
from storage.outbox_rows import a_row, next_id
from storage.tables import (
    CHAIN,
    DECISIONS,
    DESK,
    FILLS,
    FUNDING,
    JOURNAL,
    ORDERS,
    OUTBOX,
    POSITIONS,
    TRADES,
)
from trading.decision import Decision
from trading.errors import BadRecord
from trading.events import CallScored, DataEnded, DataGap, DecisionMade, Event, FundingPaid, OrderFilled, ShadowClosed
from trading.experts import Trial
from trading.model import Order, OrderStatus, Position, Symbol, Trade
from trading.ports import RECENT, Clock, State
from trading.state import DeskState

GENESIS = "0" * 64
_BATCH = 500
_HEAD = select(CHAIN.c.seq, CHAIN.c.hash)
_INSERTS = {table: insert(table) for table in (JOURNAL, DECISIONS, FILLS, FUNDING, OUTBOX)}  # built once: half the cost
_FINAL = [status.value for status in OrderStatus if status.final]
_TABLES: dict[type, Table] = {Order: ORDERS, Position: POSITIONS, Trade: TRADES, DeskState: DESK}

Rows = list[dict[str, Any]]


@dataclass(slots=True, kw_only=True)  # not frozen: the port's attributes are plain ones
class Remembered:
    """What a restart finds: the desk's state, its open positions, its unfinished orders, what it has booked lately.

    `fills` and `funding`: the ids applied at or after the time of the state's own last one. Ids rise with time, so all
    that the venue may tell again are among them. `told`: what was told of the data at the moment that is played again.
    """

    state: DeskState
    positions: tuple[Position, ...]
    orders: tuple[Order, ...]
    fills: frozenset[str]
    funding: frozenset[str]
    exits: tuple[Trade, ...]
    trades: tuple[Trade, ...]
    shadow_trades: tuple[Trade, ...]
    told: frozenset[tuple[str, Symbol]]


def _nobody(_: str) -> bool:
    return False


class Beside(Protocol):
    """What belongs to events and states, and is written with them or not at all."""

    def beside(self, events: Sequence[Event], states: Sequence[State]) -> Callable[[Connection], None] | None:
        """What to write; None for nothing."""
        ...

    def done(self) -> None:
        """It is written."""
        ...


class SqlJournal:
    """`route` says where an event is told. Who wants to hear, on the loop, what was queued: `mail` gets the rows that
    may be sent at once, `wake` the destinations of all. `claim`: whether somebody sends a row to a destination as soon
    as it is committed; it is then `sending` from the start, and no second transaction stands between it and its chat.
    """

    def __init__(self, database: Database, *, route: Callable[[Event], Sequence[Route]], wall: Clock) -> None:
        self._database = database
        self._route = route
        self._wall = wall
        self.wake: list[Callable[[frozenset[str]], None]] = []
        self.mail: list[Callable[[Sequence[Outgoing]], None]] = []
        self.claim: Callable[[str], bool] = _nobody
        self.beside: list[Beside] = []  # who else writes something in the same transaction

    async def commit(self, events: Sequence[Event], states: Sequence[State] = ()) -> None:
        """Raises JournalUnwritable, or BadRecord for a decision or fill that is there already: nothing was written."""
        if not events and not states:
            return
        events, states = tuple(events), tuple(states)
        routes = [self._route(event) for event in events]
        queued_at = self._wall.now()
        told = frozenset(route.destination for each in routes for route in each)
        at_once = {route.destination for each in routes for route in each if not route.bundle}
        claimed = frozenset(filter(self.claim, at_once))
        others = [(each, add) for each in self.beside if (add := each.beside(events, states)) is not None]

        def work(connection: Connection) -> list[Outgoing]:
            head = _append(connection, events)
            first = head - len(events) + 1
            _index(connection, events, first)
            _store(connection, states, head)
            for _, add in others:
                add(connection)
            mail = [(first + n, event, route) for n, event in enumerate(events) for route in routes[n]]
            return _queue(connection, mail, queued_at, claimed)

        await self._database.write(work, then=lambda rows: self._tell(rows, told))
        for each, _ in others:
            each.done()

    def _tell(self, rows: Sequence[Outgoing], destinations: frozenset[str]) -> None:
        for hear in self.mail if rows else ():
            hear(rows)
        for wake in self.wake if destinations else ():
            wake(destinations)

    async def load(self) -> Remembered | None:
        """What was there when the last process ended; None for a new desk. Raises BadRecord."""
        return await self._database.read(_load)

    async def known(self, decisions: Sequence[str]) -> frozenset[str]:
        """Which of these decision ids are in the journal already."""
        return await self._database.read(lambda connection: _known(connection, list(decisions)))

    async def waits(self, since: datetime) -> Sequence[Decision]:
        """Decisions without a trade at or after `since`, oldest first."""
        return await self._database.read(lambda connection: _waits(connection, since))

    async def trials(self, n: int) -> Sequence[Trial]:
        """The last decisions, so many at most, of which a call was scored; oldest first."""
        return await self._database.read(lambda connection: scores.trials(connection, n))


# --- the chain -----------------------------------------------------------------------------------------------------


def row_hash(row: dict[str, Any] | RowMapping) -> str:
    """SHA-256, hexadecimal, over all of a journal row but its own hash."""
    header = [row["prev"], row["seq"], row["at"].isoformat(), row["kind"], row["symbol"], row["decision_id"]]
    return hashlib.sha256(orjson.dumps(header) + row["body"].encode()).hexdigest()


def chain_head(connection: Connection) -> tuple[int, str]:
    """(seq, hash) of the last row; (0, GENESIS) for an empty journal."""
    found = connection.execute(_HEAD).one_or_none()
    return (0, GENESIS) if found is None else (found.seq, found.hash)


def _append(connection: Connection, events: Sequence[Event]) -> int:
    """Add the events to the chain; the seq of the last row."""
    seq, prev = chain_head(connection)
    rows: Rows = []
    for event in events:
        seq += 1
        symbol, decision = subject(event)
        row = {"seq": seq, "at": event.at, "kind": type(event).__name__, "symbol": symbol, "decision_id": decision}
        row |= {"body": to_json(event).decode(), "prev": prev}
        row["hash"] = prev = row_hash(row)
        rows.append(row)
    if rows:
        connection.execute(_INSERTS[JOURNAL], rows)
        upsert(connection, CHAIN, [{"id": 1, "seq": seq, "hash": prev}])
    return seq


def subject(event: Event) -> tuple[str | None, str | None]:
    """The instrument and the decision an event is about."""
    if isinstance(event, FundingPaid):
        return event.payment.symbol, event.position_id
    for name, key in _SUBJECTS:
        about = getattr(event, name, None)
        if about is not None:
            return about.symbol, getattr(about, key)
    return getattr(event, "symbol", None), None


# A position and a trade have the id of the decision that opened them.
_SUBJECTS = (("decision", "id"), ("order", "decision_id"), ("position", "id"), ("trade", "id"))


# --- what is stored beside it --------------------------------------------------------------------------------------


def _index(connection: Connection, events: Sequence[Event], first: int) -> None:
    found: dict[Table, Rows] = {DECISIONS: [], FILLS: [], FUNDING: []}
    for seq, event in enumerate(events, first):
        if isinstance(event, DecisionMade):
            found[DECISIONS].append(_decision_row(event.decision, seq))
        elif isinstance(event, OrderFilled):
            found[FILLS].append({**to_row(event.fill), "decision_id": event.order.decision_id, "seq": seq})
        elif isinstance(event, FundingPaid):
            found[FUNDING].append({**to_row(event.payment), "position_id": event.position_id, "seq": seq})
    for table, rows in found.items():
        if rows:
            connection.execute(_INSERTS[table], rows)
    scored = [event for event in events if isinstance(event, CallScored)]
    if scored:
        scores.keep(connection, scored)


def _decision_row(decision: Decision, seq: int) -> dict[str, Any]:
    return {
        "id": decision.id,
        "seq": seq,
        "symbol": decision.symbol,
        "at": decision.at,
        "outcome": decision.outcome,
        "action": decision.verdict.action.value,
        "confidence": decision.verdict.confidence,
    }


def _store(connection: Connection, states: Sequence[State], head: int) -> None:
    rows: dict[Table, Rows] = {table: [] for table in _TABLES.values()}
    trades = {state.id: state for state in states if isinstance(state, Trade)}
    for state in states:
        if isinstance(state, Position) and state.quantity <= 0:
            raise ValueError(f"position {state.id} is closed: commit its Trade")
        extra = {"seq": head} if isinstance(state, Trade) else {}
        rows[_TABLES[type(state)]].append(to_row(state) | extra)
    again = bool(trades) and tallies.counted(connection, list(trades))
    for table, found in rows.items():
        if found:
            upsert(connection, table, found)
    if trades:
        connection.execute(delete(POSITIONS).where(POSITIONS.c.id.in_(trades)))
        if again:
            tallies.rebuild(connection)
        else:
            tallies.keep(connection, list(trades.values()))


def _queue(
    connection: Connection, mail: Sequence[tuple[int, Event, Route]], at: datetime, claimed: frozenset[str]
) -> list[Outgoing]:
    """A row for each (seq, event, route). Returns those that may be sent now, as they would be read back. Of those for
    a destination that is `claimed`, the most urgent is being sent."""
    if not mail:
        return []
    first = next_id(connection)
    rows = [
        Outgoing(
            id=id,
            destination=route.destination,
            lane=route.lane,
            silent=route.silent,
            event=event,
            seq=seq,
            queued_at=at,
            state=Delivery.HELD if route.bundle else Delivery.PENDING,
            thread=route.thread,
            bundle=route.bundle,
            critical=route.critical,
        )
        for id, (seq, event, route) in enumerate(mail, first)
    ]
    for destination in claimed:
        mine = [row for row in rows if row.destination == destination and row.state is Delivery.PENDING]
        if mine:
            begun = min(mine, key=lambda row: (row.lane, row.id))
            rows[begun.id - first] = replace(begun, state=Delivery.SENDING)
    connection.execute(_INSERTS[OUTBOX], [a_row(row) for row in rows])
    return [row for row in rows if row.state is not Delivery.HELD]


# --- what is read back ---------------------------------------------------------------------------------------------


def _load(connection: Connection) -> Remembered | None:
    desks = connection.execute(select(DESK)).mappings().all()
    if not desks:
        return None
    if len(desks) > 1:
        raise BadRecord(f"one database is one desk; this one holds {', '.join(row['desk'] for row in desks)}")
    positions = connection.execute(select(POSITIONS).order_by(POSITIONS.c.opened_at, POSITIONS.c.id))
    orders = connection.execute(
        select(ORDERS).where(ORDERS.c.status.not_in(_FINAL)).order_by(ORDERS.c.created_at, ORDERS.c.client_id)
    )
    state = from_row(DeskState, desks[0])
    return Remembered(
        state=state,
        fills=_applied_since(connection, FILLS, state.last_fill),
        funding=_applied_since(connection, FUNDING, state.last_funding),
        positions=tuple(from_row(Position, row) for row in positions.mappings()),
        orders=tuple(from_row(Order, row) for row in orders.mappings()),
        exits=_last_exits(connection),
        trades=_last_trades(connection),
        shadow_trades=_last_shadow_trades(connection),
        told=_told_since(connection, state.market_at),
    )


def _last_exits(connection: Connection) -> tuple[Trade, ...]:
    last = select(func.max(TRADES.c.seq)).group_by(TRADES.c.symbol)
    found = connection.execute(select(TRADES).where(TRADES.c.seq.in_(last)).order_by(TRADES.c.seq))
    return tuple(from_row(Trade, row) for row in found.mappings())


def _last_trades(connection: Connection) -> tuple[Trade, ...]:
    found = connection.execute(select(TRADES).order_by(TRADES.c.seq.desc(), TRADES.c.id.desc()).limit(RECENT))
    return tuple(from_row(Trade, row) for row in reversed(found.mappings().all()))


def _last_shadow_trades(connection: Connection) -> tuple[Trade, ...]:
    found = select(JOURNAL.c.body).where(JOURNAL.c.kind == ShadowClosed.__name__).order_by(JOURNAL.c.seq.desc())
    bodies = connection.scalars(found.limit(RECENT)).all()
    return tuple(from_json(ShadowClosed, body).trade for body in reversed(bodies))


def _told_since(connection: Connection, at: datetime | None) -> frozenset[tuple[str, Symbol]]:
    kinds = [DataGap.__name__, DataEnded.__name__]
    found = select(JOURNAL.c.kind, JOURNAL.c.symbol).where(JOURNAL.c.kind.in_(kinds))
    rows = connection.execute(found if at is None else found.where(JOURNAL.c.at >= at))
    return frozenset((row.kind, row.symbol) for row in rows)


def _applied_since(connection: Connection, table: Table, last: str) -> frozenset[str]:
    """Ids from the time of `last` on; all of them when the desk has never booked `last` itself."""
    since = connection.scalar(select(table.c.at).where(table.c.id == last))
    found = select(table.c.id)
    return frozenset(connection.scalars(found if since is None else found.where(table.c.at >= since)))


def _known(connection: Connection, ids: list[str]) -> frozenset[str]:
    found: set[str] = set()
    for first in range(0, len(ids), _BATCH):
        part = ids[first : first + _BATCH]
        found.update(connection.scalars(select(DECISIONS.c.id).where(DECISIONS.c.id.in_(part))))
    return frozenset(found)


def _waits(connection: Connection, since: datetime) -> list[Decision]:
    bodies = connection.scalars(
        select(JOURNAL.c.body)
        .join(DECISIONS, DECISIONS.c.seq == JOURNAL.c.seq)
        .where(DECISIONS.c.at >= since, DECISIONS.c.outcome.in_(["wait", "denied"]))
        .order_by(DECISIONS.c.seq)
    )
    return [from_json(DecisionMade, body).decision for body in bodies]
