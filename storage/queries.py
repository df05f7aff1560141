"""Read-only views for the surface. Each method is one consistent look; nothing here writes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal, Inexact, localcontext
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, Row, Select, Table, exists, or_, select, text

from storage.codec import from_json, from_row
from storage.database import Database
from storage.journal import chain_head
from storage.tables import DECISIONS, FILLS, JOURNAL, ORDERS, TRADES
from trading.decision import Decision
from trading.messages import EVENTS, AccessRefused, AlertsChanged, CommandRun, DecisionMade, Event
from trading.model import ZERO, DecisionId, Fill, Order, Symbol, Trade

T = TypeVar("T")

_SHORTEST = 3  # characters of an id that may stand for the whole
_CANDIDATES = 5
_AUDIT = [cls.__name__ for cls in (CommandRun, AccessRefused, AlertsChanged)]
_EXACT = Context(prec=200, traps=[Inexact])  # a sum that would have to be rounded raises


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionLine:
    """A decision in the index: what a list shows of it."""

    id: DecisionId
    symbol: Symbol
    at: datetime
    outcome: str  # "long", "short", "wait", "denied"
    action: str
    confidence: int  # millionths


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeTotals:
    """Exact sums over closed trades, quote units. net = gross - fees + funding = won + lost."""

    count: int
    wins: int  # net above zero
    gross: Decimal
    fees: Decimal
    funding: Decimal
    net: Decimal
    won: Decimal  # sum of the net of winners
    lost: Decimal  # sum of the net of the others: zero or negative


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An event with its place in the journal."""

    seq: int
    hash: str
    event: Event


class Queries:
    """Ids may be given as a prefix of three or more characters; an ambiguous one raises LookupError with candidates."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def decision(self, id_or_prefix: str) -> Decision | None:
        return await self._database.read(partial(_decision, id_or_prefix=id_or_prefix))

    async def decisions(
        self, n: int, symbol: str | None = None, outcomes: Collection[str] | None = None
    ) -> list[DecisionLine]:
        """The last `n`, newest first."""
        found = select(DECISIONS).order_by(DECISIONS.c.seq.desc()).limit(n)
        if symbol is not None:
            found = found.where(DECISIONS.c.symbol == symbol)
        if outcomes is not None:
            found = found.where(DECISIONS.c.outcome.in_(sorted(outcomes)))
        return await self._rows(DecisionLine, found)

    async def outcomes(self, after: datetime) -> dict[tuple[datetime, Symbol], str]:
        """What was decided at each moment after this one on each instrument: "long", "short", "wait", "denied"."""
        found = select(DECISIONS.c.at, DECISIONS.c.symbol, DECISIONS.c.outcome).where(DECISIONS.c.at > after)
        rows = await self._database.read(lambda c: c.execute(found.order_by(DECISIONS.c.seq)).all())
        return {(row.at, Symbol(row.symbol)): row.outcome for row in rows}

    async def trade(self, id_or_prefix: str) -> Trade | None:
        return await self._database.read(partial(_trade, id_or_prefix=id_or_prefix))

    async def trades(self, n: int, since: datetime | None = None, until: datetime | None = None) -> list[Trade]:
        """The last `n` closed in [since, until), newest first."""
        found = _closed(select(TRADES), since, until)
        return await self._rows(Trade, found.order_by(TRADES.c.seq.desc(), TRADES.c.id.desc()).limit(n))

    async def all_trades(self) -> list[Trade]:
        """In the order in which they closed."""
        return await self._rows(Trade, select(TRADES).order_by(TRADES.c.seq, TRADES.c.id))

    async def trade_totals(self, since: datetime | None = None) -> TradeTotals:
        """Of all trades closed at or after `since`."""
        return await self._database.read(partial(_totals, since=since))

    async def orders_of(self, decision_id: str) -> list[Order]:
        found = select(ORDERS).where(ORDERS.c.decision_id == decision_id)
        return await self._rows(Order, found.order_by(ORDERS.c.created_at, ORDERS.c.client_id))

    async def fills_of(self, decision_id: str) -> list[Fill]:
        return await self._rows(Fill, select(FILLS).where(FILLS.c.decision_id == decision_id).order_by(FILLS.c.seq))

    async def story(self, decision_id: str) -> list[Event]:
        """All that happened because of a decision, in order."""
        made = select(DECISIONS.c.seq).where(DECISIONS.c.id == decision_id).scalar_subquery()
        decided = await self._events(JOURNAL_ROWS.where(JOURNAL.c.seq == made))
        followed = JOURNAL.c.decision_id == decision_id, text("kind != 'DecisionMade'")  # as its index says it
        return decided + await self._events(JOURNAL_ROWS.where(*followed).order_by(JOURNAL.c.seq))

    async def last_event(self, kind: str) -> Event | None:
        """`kind`: an event's class name."""
        found = JOURNAL_ROWS.where(JOURNAL.c.kind == kind).order_by(JOURNAL.c.seq.desc()).limit(1)
        return next(iter(await self._events(found)), None)

    async def audit(self, n: int) -> list[Event]:
        """The last `n` commands and refusals of the surface, newest first."""
        found = JOURNAL_ROWS.where(JOURNAL.c.kind.in_(_AUDIT)).order_by(JOURNAL.c.seq.desc()).limit(n)
        return await self._events(found)

    async def journal_size(self) -> int:
        """How many events there are."""
        return (await self._database.read(chain_head))[0]

    async def events(self, after_seq: int, limit: int) -> list[Recorded]:
        """A batch for those who read the whole journal: go on after the last seq of it, until it is empty."""
        return await self._recorded(JOURNAL_ROWS.where(JOURNAL.c.seq > after_seq).order_by(JOURNAL.c.seq).limit(limit))

    async def records(
        self,
        kinds: Collection[str],
        *,
        after_seq: int,
        limit: int,
        since: datetime | None = None,
        outcomes: Collection[str] | None = None,
    ) -> list[Recorded]:
        """A batch of the events of some kinds, oldest first: go on after the last seq of it, until it is empty.

        `since`: those of that moment of desk time or later. `outcomes`: of decisions only those that came to these.
        """
        kind = JOURNAL.c.kind.concat("")  # not by the index: it would sort all the rest for each batch of several kinds
        found = JOURNAL_ROWS.where(JOURNAL.c.seq > after_seq, kind.in_(sorted(kinds)))
        if since is not None:
            found = found.where(JOURNAL.c.at >= since)
        if outcomes is not None:
            came_to = exists().where(DECISIONS.c.seq == JOURNAL.c.seq, DECISIONS.c.outcome.in_(sorted(outcomes)))
            found = found.where(or_(kind != DecisionMade.__name__, came_to))
        return await self._recorded(found.order_by(JOURNAL.c.seq).limit(limit))

    async def newest(self) -> datetime | None:
        """The time of the last event; None without any."""
        last = select(JOURNAL.c.at).order_by(JOURNAL.c.seq.desc()).limit(1)
        return await self._database.read(lambda connection: connection.scalar(last))

    async def _events(self, found: Select[tuple[object, ...]]) -> list[Event]:
        return [recorded.event for recorded in await self._recorded(found)]

    async def _recorded(self, found: Select[tuple[object, ...]]) -> list[Recorded]:
        return await self._database.read(lambda connection: [_recorded(row) for row in connection.execute(found)])

    async def _rows(self, cls: type[T], found: Select[tuple[object, ...]]) -> list[T]:
        def look(connection: Connection) -> list[T]:
            return [from_row(cls, row) for row in connection.execute(found).mappings()]

        return await self._database.read(look)


JOURNAL_ROWS = select(JOURNAL.c.seq, JOURNAL.c.kind, JOURNAL.c.body, JOURNAL.c.hash)


def _recorded(row: Row[tuple[object, ...]]) -> Recorded:
    return Recorded(seq=row.seq, hash=row.hash, event=from_json(EVENTS[row.kind], row.body))


def _closed(
    found: Select[tuple[object, ...]], since: datetime | None, until: datetime | None
) -> Select[tuple[object, ...]]:
    if since is not None:
        found = found.where(TRADES.c.closed_at >= since)
    if until is not None:
        found = found.where(TRADES.c.closed_at < until)
    return found


def _decision(connection: Connection, *, id_or_prefix: str) -> Decision | None:
    id = _whole_id(connection, DECISIONS, id_or_prefix)
    if id is None:
        return None
    body = select(JOURNAL.c.body).join(DECISIONS, DECISIONS.c.seq == JOURNAL.c.seq).where(DECISIONS.c.id == id)
    return from_json(DecisionMade, connection.execute(body).scalar_one()).decision


def _trade(connection: Connection, *, id_or_prefix: str) -> Trade | None:
    id = _whole_id(connection, TRADES, id_or_prefix)
    if id is None:
        return None
    return from_row(Trade, connection.execute(select(TRADES).where(TRADES.c.id == id)).mappings().one())


def _whole_id(connection: Connection, table: Table, given: str) -> str | None:
    """The id that `given` is or begins; None: there is none. Raises LookupError when it is too short or ambiguous."""
    given = given.strip().lower()
    if connection.scalar(select(table.c.id).where(table.c.id == given)):
        return given
    if len(given) < _SHORTEST:
        raise LookupError(f"{given!r} is too short: at least {_SHORTEST} characters of an id")
    begun = select(table.c.id).where(table.c.id.startswith(given, autoescape=True))
    found = connection.scalars(begun.order_by(table.c.seq.desc()).limit(_CANDIDATES + 1)).all()
    if len(found) > 1:
        raise LookupError(f"{given!r} could be {_candidates(found)}")
    return found[0] if found else None


def _candidates(ids: Sequence[str]) -> str:
    """The newest few, and whether there are more."""
    return ", ".join(ids[:_CANDIDATES]) + (", ..." if len(ids) > _CANDIDATES else "")


def _totals(connection: Connection, *, since: datetime | None) -> TradeTotals:
    columns = select(TRADES.c.gross, TRADES.c.fees, TRADES.c.funding)
    count = wins = 0
    gross = fees = funding = won = lost = ZERO
    with localcontext(_EXACT):
        for row in connection.execute(_closed(columns, since, None)):
            net = row.gross - row.fees + row.funding
            count, gross, fees, funding = count + 1, gross + row.gross, fees + row.fees, funding + row.funding
            if net > 0:
                wins, won = wins + 1, won + net
            else:
                lost += net
        return TradeTotals(
            count=count, wins=wins, gross=gross, fees=fees, funding=funding, net=won + lost, won=won, lost=lost
        )
