"""Running exact sums over closed trades, kept up in the transaction that closes each."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import reduce
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, Text, bindparam, delete, insert, select, tuple_, type_coerce

from storage import scores
from storage.codec import from_row
from storage.database import Database, upsert
from storage.lists import Rows
from storage.sums import EVER, EXACT, FALL, Closed, Day, Said, Sum, Sums, closed, days, rows_of, said_in, summed
from storage.tables import CURVE, DECISIONS, DESK, JOURNAL, TALLIES, TRADES
from trading.model import ZERO, Trade
from trading.performance import Drawdown, Stretch, at_once, joined

DIMENSIONS = ("all", "day", "pair", "exit", "playbook", "persona")
_BATCH = 500

# As text: of a thousand days, a quarter of the time.
_ENDS = select(CURVE.c.day, type_coerce(CURVE.c.equity, Text), type_coerce(CURVE.c.low, Text)).order_by(CURVE.c.day)
_EACH_DAY = select(
    TALLIES.c.day,
    TALLIES.c.trades,
    TALLIES.c.wins,
    *(type_coerce(TALLIES.c[name], Text) for name in ("gross", "fees", "funding", "won", "lost", "r")),
).where(TALLIES.c.dimension == "all")

# Built once: each closing of a trade asks them all, and to build them costs more than to run them.
_IDS: BindParameter[str] = bindparam("ids", expanding=True)
_START = select(DESK.c.start_equity).limit(1)
_LAST_DAY = select(CURVE).order_by(CURVE.c.day.desc()).limit(1)
_THERE = select(TRADES.c.id).where(TRADES.c.id.in_(_IDS)).limit(1)
_LATER = select(TRADES.c.id, TRADES.c.closed_at).where(TRADES.c.closed_at >= bindparam("at"))
_PLACES = select(TALLIES).where(
    tuple_(TALLIES.c.dimension, TALLIES.c.key, TALLIES.c.day).in_(bindparam("places", expanding=True))
)
_BODIES = (
    select(DECISIONS.c.id, JOURNAL.c.body)
    .join(JOURNAL, JOURNAL.c.seq == DECISIONS.c.seq)
    .where(DECISIONS.c.id.in_(_IDS))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Of the trades with one key. Quote units; net = gross - fees + funding = won + lost."""

    key: str  # "", "2026-01-05", "BTC", "take profit", "desk", "flow with"
    trades: int
    wins: int  # net above zero
    gross: Decimal
    fees: Decimal
    funding: Decimal
    won: Decimal  # sum of the net of winners
    lost: Decimal  # sum of the net of the others: zero or negative
    r: Decimal  # sum of R-multiples

    @property
    def net(self) -> Decimal:
        return self.won + self.lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The end of a day that closed a trade."""

    day: date
    equity: Decimal  # start + realised
    low: Decimal  # the lowest of the day, not below zero


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    points: tuple[Point, ...]  # rising
    fall: Drawdown | None  # the deepest; None: equity has never fallen
    start: Decimal = ZERO  # equity before the first point


class Tallies:
    """Implements Figures: a few rows a look, however many trades there are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def totals(self, dimension: str, since: datetime | None = None) -> list[Tally]:
        """One a key, in the order of the keys. `since`: of the UTC days from that one on.

        Dimensions: "all" (its key is ""), "day", "pair", "exit", "playbook", "persona" ("flow with", "flow against",
        "flow neutral", "flow abstained"; "unknown" where a trade's decision is not in the journal).
        """
        if dimension not in DIMENSIONS:
            raise ValueError(f"no dimension {dimension!r}; known: {', '.join(DIMENSIONS)}")
        return await self._database.read(lambda connection: totals(connection, dimension, since))

    async def curve(self, since: datetime | None = None) -> Curve:
        """Equity by closed trades, of the UTC days from that one on, and the deepest fall within them."""
        return await self._database.read(lambda connection: _curve(connection, since))

    async def board(self) -> Sequence[scores.Score]:
        """How right everybody was, by persona and the model that answered."""
        return await self._database.read(scores.board)

    async def learned(self) -> scores.Learned:
        return await self._database.read(scores.learned)


# --- looking ------------------------------------------------------------------------------------------------------


def totals(connection: Connection, dimension: str, since: datetime | None) -> list[Tally]:
    if dimension == "day":
        rows = connection.execute(_from_day(_EACH_DAY, since).order_by(TALLIES.c.day))
        return [_of_day(row) for row in rows]
    found = select(TALLIES).where(TALLIES.c.dimension == dimension)
    if since is None:
        rows = connection.execute(found.where(TALLIES.c.day == EVER).order_by(TALLIES.c.key))
        return [_tally(row.key, row) for row in rows]
    sums: dict[str, Sum] = {}
    for row in connection.execute(_from_day(found, since)):
        sums.setdefault(row.key, Sum()).take(row)
    return [_tally(key, sums[key]) for key in sorted(sums)]


def _of_day(row: Sequence[Any]) -> Tally:
    day, trades, wins, *money = row
    gross, fees, funding, won, lost, r = map(Decimal, money)
    return Tally(key=day, trades=trades, wins=wins, gross=gross, fees=fees, funding=funding, won=won, lost=lost, r=r)


def _from_day(found: Rows, since: datetime | None) -> Rows:
    return found.where(TALLIES.c.day > EVER if since is None else TALLIES.c.day >= _day_of(since))


def _tally(key: str, of: Sum | Row[tuple[object, ...]]) -> Tally:
    return Tally(
        key=key,
        trades=of.trades,
        wins=of.wins,
        gross=of.gross,
        fees=of.fees,
        funding=of.funding,
        won=of.won,
        lost=of.lost,
        r=of.r,
    )


def _curve(connection: Connection, since: datetime | None) -> Curve:
    if since is None:
        return _whole_curve(connection)
    rows = connection.execute(select(CURVE).where(CURVE.c.day >= _day_of(since)).order_by(CURVE.c.day))
    parts = [_day(row) for row in rows]
    if not parts:
        return Curve(points=(), fall=None, start=_last_equity(connection, None))
    start = _last_equity(connection, parts[0].day)
    walked = reduce(joined, (part.walked for part in parts), at_once(start, parts[0].opened_at))
    points = tuple(Point(day=part.day, equity=part.equity, low=part.walked.low) for part in parts)
    return Curve(points=points, fall=walked.fall, start=start)


def _whole_curve(connection: Connection) -> Curve:
    """Its fall stands in its last row: of each day only the end is read."""
    rows = connection.execute(_ENDS)
    points = tuple(Point(day=date.fromisoformat(day), equity=Decimal(end), low=Decimal(low)) for day, end, low in rows)
    last = _last_day(connection)
    return Curve(points=points, fall=last.ever.fall if last else None, start=_start(connection))


def _day_of(at: datetime) -> str:
    return at.date().isoformat()


def _day(row: Row[tuple[object, ...]]) -> Day:
    walked = Stretch(high=row.high, high_at=row.high_at, low=row.low, low_at=row.low_at, fall=_fall(row, "fall"))
    ever = Stretch(high=row.peak, high_at=row.peak_at, low=row.bottom, low_at=row.bottom_at, fall=_fall(row, "ever"))
    day = date.fromisoformat(row.day)
    return Day(day=day, opened_at=row.opened_at, equity=row.equity, walked=walked, ever=ever)


def _fall(row: Row[tuple[object, ...]], name: str) -> Drawdown | None:
    parts = {part: getattr(row, f"{name}_{part}") for part in FALL}
    return None if parts["fraction"] is None else Drawdown(**parts)


def _last_day(connection: Connection) -> Day | None:
    row = connection.execute(_LAST_DAY).one_or_none()
    return None if row is None else _day(row)


def _last_equity(connection: Connection, before: date | None) -> Decimal:
    """After the last day before this one, or the last of all; what the desk began with where there is none."""
    found = select(CURVE.c.equity).order_by(CURVE.c.day.desc()).limit(1)
    if before is not None:
        found = found.where(CURVE.c.day < before.isoformat())
    equity: Decimal | None = connection.scalar(found)
    return _start(connection) if equity is None else equity


def _start(connection: Connection) -> Decimal:
    return connection.scalar(_START) or ZERO


# --- keeping up ---------------------------------------------------------------------------------------------------


def counted(connection: Connection, ids: Sequence[str]) -> bool:
    """Whether one of these trades is there already."""
    return connection.scalar(_THERE, {"ids": ids}) is not None


def keep(connection: Connection, trades: Sequence[Trade]) -> None:
    """Count trades that this transaction has stored, for the first time."""
    ordered, start = sorted(trades, key=_place), _start(connection)
    found = _with_voices(connection, ordered)
    net = _count(connection, summed(found))
    on = _are_the_last(connection, ordered)
    drawn = _draw(connection, found, start) if on else _redraw(connection, found[0].day, start)
    if drawn != EXACT.add(start, net):  # the desk's own row came later than its first trades
        _redraw(connection, EVER, start)


def rebuild(connection: Connection) -> None:
    """All of it, from the trades themselves."""
    connection.execute(delete(TALLIES))
    found = list(_history(connection, EVER))
    if found:
        connection.execute(insert(TALLIES), rows_of(summed(found)))
    _redraw(connection, EVER, _start(connection))


def _place(trade: Trade) -> tuple[datetime, str]:
    return trade.closed_at, trade.id


def _with_voices(connection: Connection, trades: Sequence[Trade]) -> list[Closed]:
    voices: dict[str, Said] = {}
    for first in range(0, len(trades), _BATCH):
        ids = [trade.id for trade in trades[first : first + _BATCH]]
        voices.update((id, said_in(body)) for id, body in connection.execute(_BODIES, {"ids": ids}))
    return [closed(trade, voices.get(trade.id)) for trade in trades]


def _count(connection: Connection, new: Sums) -> Decimal:
    """Net of all trades ever, with the new ones."""
    wanted = list(new)
    for first in range(0, len(wanted), _BATCH):
        for row in connection.execute(_PLACES, {"places": wanted[first : first + _BATCH]}):
            new[row.dimension, row.key, row.day].take(row)
    upsert(connection, TALLIES, rows_of(new))
    every = new["all", "", EVER]
    return EXACT.add(every.won, every.lost)


def _are_the_last(connection: Connection, ordered: Sequence[Trade]) -> bool:
    """Whether no other trade closed after the first of these."""
    new, first = {trade.id for trade in ordered}, ordered[0]
    later = connection.execute(_LATER, {"at": first.closed_at})
    return all(id in new or (closed_at, id) < _place(first) for id, closed_at in later)


def _draw(connection: Connection, trades: Iterable[Closed], start: Decimal) -> Decimal:
    """Go on with the curve where it ends; the equity it has come to."""
    drawn = list(days(trades, start, _last_day(connection)))
    if drawn:
        upsert(connection, CURVE, [day.row() for day in drawn])
    return drawn[-1].equity if drawn else start


def _redraw(connection: Connection, since: str, start: Decimal) -> Decimal:
    """The curve from a day on, by the trades themselves."""
    connection.execute(delete(CURVE).where(CURVE.c.day >= since))
    return _draw(connection, _history(connection, since), start)


def _history(connection: Connection, since: str) -> Iterator[Closed]:
    """All trades that closed on a day or later, in that order."""
    found = select(TRADES, JOURNAL.c.body).order_by(TRADES.c.closed_at, TRADES.c.id)
    found = found.outerjoin(DECISIONS, DECISIONS.c.id == TRADES.c.id)
    found = found.outerjoin(JOURNAL, JOURNAL.c.seq == DECISIONS.c.seq)
    if since != EVER:
        found = found.where(TRADES.c.closed_at >= datetime.combine(date.fromisoformat(since), time(), UTC))
    for row in connection.execute(found).mappings():
        yield closed(from_row(Trade, row), None if row["body"] is None else said_in(row["body"]))
