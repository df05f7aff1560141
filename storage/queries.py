"""Read-only views for the surface. Each method is one consistent look; nothing here writes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, Row, Select, Table, exists, or_, select, text

from storage.codec import from_json, from_row
from storage.database import Database
from storage.journal import chain_head
from storage.lists import JOURNAL_ROWS, closed_in, last_audited, last_decisions, last_trades
from storage.sums import EXACT, Sum, closed
from storage.tables import DECISIONS, FILLS, JOURNAL, ORDERS, TRADES
from storage.tallies import totals
from trading.decision import Decision
from trading.events import (
    EVENTS,
    DecisionMade,
    DeskStarted,
    Event,
    PlaybookChanged,
    PlaybookWritten,
    SettingsChanged,
    ShadowDeskChanged,
)
from trading.model import DecisionId, Fill, Order, Symbol, Trade
from trading.playbook import hash_of

T = TypeVar("T")

_SHORTEST = 3  # characters of an id that may stand for the whole
_CANDIDATES = 5
SETTLED = DeskStarted, SettingsChanged, PlaybookChanged  # what holds the playbook that runs from then on
_LAST = "z" * 32  # behind every id that begins the same


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
        self, n: int, symbol: str | None = None, outcomes: Collection[str] | None = None, *, skip: int = 0
    ) -> list[DecisionLine]:
        """The last `n` before the last `skip`, newest first."""
        return await self._rows(DecisionLine, last_decisions(n, symbol, outcomes, skip=skip))

    async def outcomes(self, after: datetime) -> dict[tuple[datetime, Symbol], str]:
        """What was decided at each moment after this one on each instrument: "long", "short", "wait", "denied"."""
        found = select(DECISIONS.c.at, DECISIONS.c.symbol, DECISIONS.c.outcome).where(DECISIONS.c.at > after)
        rows = await self._database.read(lambda c: c.execute(found.order_by(DECISIONS.c.seq)).all())
        return {(row.at, Symbol(row.symbol)): row.outcome for row in rows}

    async def trade(self, id_or_prefix: str) -> Trade | None:
        return await self._database.read(partial(_trade, id_or_prefix=id_or_prefix))

    async def trades(
        self, n: int, since: datetime | None = None, until: datetime | None = None, *, skip: int = 0
    ) -> list[Trade]:
        """The last `n` before the last `skip` that closed in [since, until), newest first."""
        return await self._rows(Trade, last_trades(n, since, until, skip=skip))

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

    async def audit(self, n: int, *, skip: int = 0) -> list[Event]:
        """The last `n` before the last `skip` of what people asked, were refused, and changed; newest first."""
        return await self._events(last_audited(n, skip=skip))

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

    async def settings_of(self, decision: Decision) -> str | None:
        """The playbook that a decision was made by, whole, as `Playbook.text` has it; None: the journal does not hold
        it (it is of before that was kept)."""
        made = select(DECISIONS.c.seq).where(DECISIONS.c.id == decision.id).scalar_subquery()
        told = JOURNAL_ROWS.where(JOURNAL.c.kind.in_([kind.__name__ for kind in SETTLED]), JOURNAL.c.seq < made)
        found = told.order_by(JOURNAL.c.seq.desc())
        return await self._database.read(partial(_settings, found=found, hash=decision.playbook_hash))

    async def life_of(self, playbook: str) -> list[PlaybookWritten | ShadowDeskChanged]:
        """That it was made in the chat, and when it came to run in shadow and ended; oldest first."""
        kinds = [PlaybookWritten.__name__, ShadowDeskChanged.__name__]
        events = await self._events(JOURNAL_ROWS.where(JOURNAL.c.kind.in_(kinds)).order_by(JOURNAL.c.seq))
        mine = (e for e in events if isinstance(e, PlaybookWritten | ShadowDeskChanged))
        return [event for event in mine if event.playbook == playbook]

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


def _recorded(row: Row[tuple[object, ...]]) -> Recorded:
    return Recorded(seq=row.seq, hash=row.hash, event=from_json(EVENTS[row.kind], row.body))


# --- one ----------------------------------------------------------------------------------------------------------


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
    # The range is for the index: LIKE alone would look at every id there is.
    begun = select(table.c.id).where(
        table.c.id.between(given, given + _LAST), table.c.id.startswith(given, autoescape=True)
    )
    found = connection.scalars(begun.limit(2)).all()
    if len(found) > 1:
        newest = begun.order_by((table.c.seq + 0).desc()).limit(_CANDIDATES + 1)  # + 0: not by the index of seq
        raise LookupError(f"{given!r} could be {_candidates(connection.scalars(newest).all())}")
    return found[0] if found else None


def _candidates(ids: Sequence[str]) -> str:
    """The newest few, and whether there are more."""
    return ", ".join(ids[:_CANDIDATES]) + (", ..." if len(ids) > _CANDIDATES else "")


def _settings(connection: Connection, *, found: Select[tuple[object, ...]], hash: str) -> str | None:
    """Newest first: it is nearly always the first of them."""
    for row in connection.execute(found):
        event = _recorded(row).event
        if isinstance(event, SETTLED) and hash_of(event.settings) == hash:
            return event.settings
    return None


# --- sums ---------------------------------------------------------------------------------------------------------


def _totals(connection: Connection, *, since: datetime | None) -> TradeTotals:
    """By the running sums of whole days; of a day that began before `since`, by its trades."""
    every = Sum()
    whole = since
    if since is not None and since.time() != time():
        whole = datetime.combine(since.date(), time(), UTC) + timedelta(days=1)
        _add_trades(connection, every, since, whole)
    for tally in totals(connection, "all", whole):
        every.take(tally)
    return TradeTotals(
        count=every.trades,
        wins=every.wins,
        gross=every.gross,
        fees=every.fees,
        funding=every.funding,
        net=EXACT.add(every.won, every.lost),
        won=every.won,
        lost=every.lost,
    )


def _add_trades(connection: Connection, every: Sum, since: datetime, until: datetime) -> None:
    for row in connection.execute(closed_in(select(TRADES), since, until)).mappings():
        every.add(closed(from_row(Trade, row), None))
