"""The running sums are those of the trades: to the last digit, in whatever order they closed, across restarts."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, delete, select

from storage.database import Database, migrate
from storage.journal import SqlJournal, _append, _index, _store
from storage.tables import CURVE, DESK, METADATA, TALLIES
from storage.tallies import DIMENSIONS, Curve, Tallies, Tally, _curve, rebuild, totals
from tests.storage_builders import AT, BTC, D, a_database, a_decision, a_desk, a_trade
from trading.clock import ManualClock
from trading.decision import Abstention, Decision, Opinion, Stance
from trading.events import DecisionMade
from trading.model import Direction, ExitReason, Trade, base_of
from trading.performance import summarise

START = D(10000)
DAY = timedelta(days=1)
PAIRS = (BTC, "ETH/USDT:USDT", "SOL/USDT:USDT")

# --- trades and the decisions that opened them ---------------------------------------------------------------------

money = st.decimals(min_value=-3000, max_value=3000, places=4)
steps = st.sampled_from([D(-50), D(-10), D(0), D(10), D(50)])
small = st.decimals(min_value=0, max_value=50, places=6)
minutes = st.integers(0, 4 * 24 * 60).map(lambda n: timedelta(minutes=n))
voices = st.dictionaries(st.sampled_from(["flow", "sigma", "whale"]), st.sampled_from([*Stance, None]), max_size=3)


def opened_by(id: str, said: dict[str, Stance | None]) -> Decision:
    opinions = tuple(
        Abstention(persona=name, reason="no data")
        if stance is None
        else Opinion(persona=name, stance=stance, confidence=500_000, thesis="so it seems", evidence=())
        for name, stance in said.items()
    )
    return replace(a_decision(id, "long"), opinions=opinions)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[Trade, Decision | None]]:
    """Trades of some days, each with its decision, or without one where the journal does not have it."""
    made = []
    even = draw(st.booleans())  # round results, so that equity comes to the same height again and again
    for n in range(draw(st.integers(1, 12))):
        trade = a_trade(
            f"x-{draw(st.integers(0, 9))}{n:03}",
            AT + draw(minutes) + DAY,
            str(draw(steps if even else money)),
            opened_at=AT + draw(minutes) / 8,
            fees=D(0) if even else draw(small),
            funding=D(0) if even else draw(small) - 25,
            r=draw(money) / 1000,
            symbol=draw(st.sampled_from(PAIRS)),
            direction=draw(st.sampled_from(Direction)),
            reason=draw(st.sampled_from(ExitReason)),
            playbook=draw(st.sampled_from(["desk", "sigma"])),
        )
        known = draw(st.booleans())
        made.append((trade, opened_by(trade.id, draw(voices)) if known else None))
    return made


def relation(trade: Trade, said: Opinion | Abstention) -> str:
    if isinstance(said, Abstention):
        return "abstained"
    if said.stance is Stance.NEUTRAL:
        return "neutral"
    return "with" if said.stance.sign == trade.direction.sign else "against"


def keys(trade: Trade, decision: Decision | None, dimension: str) -> list[str]:
    match dimension:
        case "all":
            return [""]
        case "day":
            return [f"{trade.closed_at:%Y-%m-%d}"]
        case "pair":
            return [base_of(trade.symbol)]
        case "exit":
            return [trade.reason.value]
        case "playbook":
            return [trade.playbook]
    if decision is None:
        return ["unknown"]
    return [f"{said.persona} {relation(trade, said)}" for said in decision.opinions]


def by_hand(history: Sequence[tuple[Trade, Decision | None]], dimension: str) -> dict[str, tuple[object, ...]]:
    groups: dict[str, list[Trade]] = defaultdict(list)
    for trade, decision in history:
        for key in keys(trade, decision, dimension):
            groups[key].append(trade)
    return {key: _added(trades) for key, trades in groups.items()}


def _added(trades: Sequence[Trade]) -> tuple[object, ...]:
    nets = [Fraction(t.gross) - Fraction(t.fees) + Fraction(t.funding) for t in trades]
    exact = [[Fraction(getattr(t, name)) for t in trades] for name in ("gross", "fees", "funding", "r")]
    won = [net for net in nets if net > 0]
    return len(nets), len(won), *(sum(each) for each in exact), sum(won), sum(nets) - sum(won)


def shown(tallies: Sequence[Tally]) -> dict[str, tuple[object, ...]]:
    return {
        t.key: (t.trades, t.wins, *(Fraction(value) for value in (t.gross, t.fees, t.funding, t.r, t.won, t.lost)))
        for t in tallies
    }


# --- the property --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    METADATA.create_all(engine)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def close(connection: Connection, batch: Sequence[tuple[Trade, Decision | None]]) -> None:
    """As one commit of the journal does."""
    events = [DecisionMade(at=decision.at, decision=decision) for _, decision in batch if decision is not None]
    head = _append(connection, events)
    _index(connection, events, head - len(events) + 1)
    _store(connection, [a_desk(start_equity=START), *(trade for trade, _ in batch)], head)


def windows(history: Sequence[tuple[Trade, Decision | None]]) -> list[datetime | None]:
    days = sorted({trade.closed_at.replace(hour=0, minute=0) for trade, _ in history})
    return [None, *days, days[-1] + DAY, days[0] + timedelta(hours=7)]


@settings(max_examples=60, deadline=None)
@given(histories(), st.lists(st.integers(1, 4), min_size=12, max_size=12))
def test_the_sums_are_those_of_the_trades_in_whatever_batches_they_close(
    connection: Connection, history: list[tuple[Trade, Decision | None]], sizes: list[int]
) -> None:
    for table in reversed(METADATA.sorted_tables):
        connection.execute(delete(table))
    left = list(history)
    while left:
        size = sizes.pop()
        close(connection, left[:size])
        left = left[size:]
    for since in windows(history):
        recent = [(t, d) for t, d in history if since is None or t.closed_at.date() >= since.date()]
        for dimension in DIMENSIONS:
            assert shown(totals(connection, dimension, since)) == by_hand(recent, dimension)
        assert_curve(_curve(connection, since), history, since)
    connection.rollback()


def assert_curve(curve: Curve, history: Sequence[tuple[Trade, Decision | None]], since: datetime | None) -> None:
    ordered = sorted((trade for trade, _ in history), key=lambda t: (t.closed_at, t.id))
    recent = [t for t in ordered if since is None or t.closed_at.date() >= since.date()]
    before = START + sum((t.net for t in ordered if t not in recent), D(0))
    assert curve.start == before
    assert curve.fall == summarise(recent, before).drawdown
    equity, ends, lows = before, {}, {}
    for trade in recent:
        equity += trade.net
        day = trade.closed_at.date()
        ends[day], lows[day] = equity, max(D(0), min(lows.get(day, equity), equity))
    assert [(p.day, p.equity, p.low) for p in curve.points] == [(day, ends[day], lows[day]) for day in ends]


# --- the database --------------------------------------------------------------------------------------------------


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await a_database(tmp_path / "gavel.db")
    yield opened
    await opened.close()


def journal_of(database: Database) -> SqlJournal:
    return SqlJournal(database, route=lambda _: (), wall=ManualClock(AT))


def in_tables(connection: Connection) -> list[list[tuple[object, ...]]]:
    tables = TALLIES, CURVE
    return [sorted(tuple(row) for row in connection.execute(select(table))) for table in tables]


async def three_trades(database: Database) -> None:
    said = {"flow": Stance.LONG, "sigma": Stance.SHORT, "whale": None}
    decision = opened_by("btc-1", said)
    await journal_of(database).commit([DecisionMade(at=AT, decision=decision)], [a_desk(), a_trade("btc-1", AT, "30")])
    for n, gross in ((2, "-120"), (3, "55")):
        await journal_of(database).commit([], [a_desk(), a_trade(f"btc-{n}", AT + n * DAY, gross)])


async def test_a_restart_goes_on_where_the_sums_stood(tmp_path: Path) -> None:
    for n in range(4):
        database = await Database.open(tmp_path / "gavel.db")
        await journal_of(database).commit([], [a_desk(), a_trade(f"btc-{n}", AT + n * DAY, "10")])
        await database.close()
    database = await Database.open(tmp_path / "gavel.db")
    figures = Tallies(database)
    (every,) = await figures.totals("all")
    assert (every.trades, every.gross, every.net) == (4, 40, D("39.780"))
    assert [t.trades for t in await figures.totals("day", AT + 2 * DAY)] == [1, 1]
    assert (await figures.curve()).points[-1].equity == D("10039.780")
    await database.close()


async def test_what_each_persona_said_of_the_trade(database: Database) -> None:
    await three_trades(database)
    found = {tally.key: tally for tally in await Tallies(database).totals("persona")}
    assert {key: tally.trades for key, tally in found.items()} == {
        "flow with": 1,
        "sigma against": 1,
        "whale abstained": 1,
        "unknown": 2,
    }
    assert found["flow with"].net == D("29.945")


async def test_a_transaction_that_fails_leaves_the_sums_alone(database: Database) -> None:
    await three_trades(database)
    before = await database.read(in_tables)

    def half(connection: Connection) -> None:
        _store(connection, [a_desk(), a_trade("btc-9", AT + 9 * DAY)], 9)
        assert in_tables(connection) != before
        raise KeyError("halfway")

    with pytest.raises(KeyError):
        await database.write(half)
    assert await database.read(in_tables) == before


async def test_a_trade_that_is_stored_again_counts_as_it_is_now(database: Database) -> None:
    await three_trades(database)
    await journal_of(database).commit([], [a_desk(), a_trade("btc-2", AT + 2 * DAY, "-20")])
    (every,) = await Tallies(database).totals("all")
    assert (every.trades, every.gross) == (3, D(65))
    curve = await Tallies(database).curve()
    assert curve.fall is not None
    assert (curve.fall.peak, curve.fall.low) == (D("10029.945"), D("10009.890"))


async def test_a_desk_whose_first_equity_comes_later_than_its_trades(database: Database) -> None:
    await journal_of(database).commit([], [a_trade("btc-1", AT, "30")])
    await journal_of(database).commit([], [a_desk(), a_trade("btc-2", AT + DAY, "1")])
    curve = await Tallies(database).curve()
    assert (curve.start, [p.equity for p in curve.points]) == (START, [D("10029.945"), D("10030.890")])


async def test_the_migration_sums_up_what_is_there_already(database: Database) -> None:
    await three_trades(database)
    before = await database.read(in_tables)
    assert all(before)
    await database.write(lambda c: migrate(c, to="0002"))
    await database.write(lambda c: migrate(c, to="head"))
    assert await database.read(in_tables) == before
    await database.write(rebuild)
    assert await database.read(in_tables) == before


async def test_without_trades_there_is_nothing_and_no_fall(database: Database) -> None:
    figures = Tallies(database)
    assert [await figures.totals(dimension) for dimension in DIMENSIONS] == [[]] * len(DIMENSIONS)
    assert await figures.curve(AT) == Curve(points=(), fall=None)
    with pytest.raises(ValueError, match="no dimension 'pairs'"):
        await figures.totals("pairs")


def test_the_start_is_the_desks_own(connection: Connection) -> None:
    connection.execute(delete(DESK))
    _store(connection, [a_desk(start_equity=D(500))], 0)
    assert _curve(connection, None).start == D(500)
    connection.rollback()


def test_a_hundred_digits_are_kept(connection: Connection) -> None:
    tiny = Decimal(1).scaleb(-40)
    close(connection, [(a_trade("x-1", AT, "1000000000000", fees=tiny, funding=D(0)), None)])
    close(connection, [(a_trade("x-2", AT, "1", fees=tiny, funding=D(0)), None)])
    (every,) = totals(connection, "all", None)
    assert Fraction(every.won) == Fraction(1000000000001) - 2 * Fraction(tiny)
    connection.rollback()
