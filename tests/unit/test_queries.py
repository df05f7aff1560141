"""The read-only views: what a command shows is what the journal holds, to the last digit."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.dialects import sqlite

from storage.codec import to_row
from storage.database import Database, upsert
from storage.journal import SqlJournal
from storage.lists import AUDIT, last_audited, last_decisions, last_trades
from storage.queries import DecisionLine, Queries, TradeTotals, _totals
from storage.tables import METADATA, TRADES
from storage.tallies import rebuild
from tests.storage_builders import (
    AT,
    BTC,
    MINUTE,
    D,
    a_database,
    a_decision,
    a_fill,
    a_position,
    a_trade,
    an_entry,
    an_order,
    decided,
)
from trading.clock import ManualClock
from trading.events import (
    AccessRefused,
    BooksAgreed,
    CommandRun,
    PeopleChanged,
    PositionOpened,
    SettingsChanged,
    TradeClosed,
    VenueLost,
    WishChanged,
)

ETH = "ETH/USDT:USDT"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await a_database(tmp_path / "gavel.db")
    yield opened
    await opened.close()


@pytest.fixture
def journal(database: Database) -> SqlJournal:
    return SqlJournal(database, route=lambda _: (), wall=ManualClock(AT))


@pytest.fixture
def queries(database: Database) -> Queries:
    return Queries(database)


async def close(journal: SqlJournal, *gross: str) -> None:
    for n, each in enumerate(gross):
        at = AT + n * MINUTE
        trade = a_trade(f"btc-{n:04}", at, each)
        await journal.commit([TradeClosed(at=at, trade=trade, equity=D(1))], [trade])


# --- decisions -----------------------------------------------------------------------------------------------------


async def test_a_decision_by_id_or_by_what_it_begins_with(journal: SqlJournal, queries: Queries) -> None:
    await journal.commit([decided("btc-aaaa"), decided("btc-aabb"), decided("eth-cccc", symbol=ETH), decided("btc-aa")])
    assert await queries.decision("btc-aabb") == a_decision("btc-aabb")
    assert await queries.decision(" BTC-AAB ") == a_decision("btc-aabb")
    assert await queries.decision("eth") == a_decision("eth-cccc", symbol=ETH)
    assert await queries.decision("btc-aa") == a_decision("btc-aa")
    assert await queries.decision("sol-xxxx") is None


async def test_what_fits_several_names_them(journal: SqlJournal, queries: Queries) -> None:
    await journal.commit([decided(f"btc-a{n}") for n in range(9)])
    with pytest.raises(LookupError, match=r"btc-a8, btc-a7, .*, \.\.\."):
        await queries.decision("btc")
    with pytest.raises(LookupError, match="too short"):
        await queries.decision("bt")


@pytest.mark.parametrize("given", ["b_c", "%%%", "btc-\\", "btc' OR 1"])
async def test_a_prefix_is_no_pattern(journal: SqlJournal, queries: Queries, given: str) -> None:
    await journal.commit([decided("btc-aaaa")])
    assert await queries.decision(given) is None


async def test_the_list_of_decisions(journal: SqlJournal, queries: Queries) -> None:
    made = [("a-1", "wait", BTC), ("b-2", "denied", ETH), ("c-3", "long", BTC), ("d-4", "wait", ETH)]
    await journal.commit([decided(id, outcome, AT + n * MINUTE, s) for n, (id, outcome, s) in enumerate(made)])
    assert [line.id for line in await queries.decisions(3)] == ["d-4", "c-3", "b-2"]
    assert [line.id for line in await queries.decisions(9, symbol=ETH)] == ["d-4", "b-2"]
    assert [line.id for line in await queries.decisions(9, outcomes=["long", "denied"])] == ["c-3", "b-2"]
    (line,) = await queries.decisions(9, BTC, {"long"})
    at = AT + 2 * MINUTE
    assert line == DecisionLine(id="c-3", symbol=BTC, at=at, outcome="long", action="long", confidence=700_000)


# --- trades --------------------------------------------------------------------------------------------------------


async def test_trades_newest_first_within_a_time(journal: SqlJournal, queries: Queries) -> None:
    await close(journal, "1", "2", "3", "4")
    assert [t.gross for t in await queries.trades(2)] == [4, 3]
    assert [t.gross for t in await queries.trades(9, since=AT + MINUTE, until=AT + 3 * MINUTE)] == [3, 2]
    assert [t.gross for t in await queries.all_trades()] == [1, 2, 3, 4]
    assert await queries.trade("btc-0001") == a_trade("btc-0001", AT + MINUTE, "2")
    assert await queries.trade("btc-0002") == (await queries.trades(2))[1]
    assert await queries.trade("none") is None


async def test_trades_of_one_moment_keep_the_order_they_closed_in(journal: SqlJournal, queries: Queries) -> None:
    for id in ("z-9", "a-1", "m-5"):
        await journal.commit([TradeClosed(at=AT, trade=a_trade(id), equity=D(1))], [a_trade(id)])
    assert [t.id for t in await queries.all_trades()] == ["z-9", "a-1", "m-5"]
    assert [t.id for t in await queries.trades(9)] == ["m-5", "a-1", "z-9"]


async def test_totals(journal: SqlJournal, queries: Queries) -> None:
    await close(journal, "2.5", "-1.25", "0.055")
    assert await queries.trade_totals() == TradeTotals(
        count=3,
        wins=1,
        gross=D("1.305"),
        fees=D("0.15"),
        funding=D("-0.015"),
        net=D("1.140"),
        won=D("2.445"),
        lost=D("-1.305"),
    )
    assert (await queries.trade_totals(AT + MINUTE)).count == 2
    assert (await queries.trade_totals(AT + timedelta(days=1))).net == 0


async def test_totals_since_any_moment_are_those_of_the_trades(journal: SqlJournal, queries: Queries) -> None:
    """Of whole days by their sums, of the day it begins in by its trades."""
    for n in range(40):
        trade = a_trade(f"btc-{n:04}", AT + n * timedelta(hours=3), str(n - 20))
        await journal.commit([], [trade])
    midnight = AT.replace(hour=0) + timedelta(days=2)
    for since in (AT, AT + timedelta(hours=3), midnight - MINUTE, midnight, midnight + MINUTE, AT + timedelta(days=9)):
        left = [t.net for t in await queries.trades(99, since=since)]
        found = await queries.trade_totals(since)
        assert (found.count, found.net, found.wins) == (len(left), sum(left), sum(net > 0 for net in left)), since


money = st.decimals(min_value=-(10**12), max_value=10**12, places=18)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(money, money, money), max_size=8))
def test_totals_never_round(parts: list[tuple[Decimal, Decimal, Decimal]]) -> None:
    engine = create_engine("sqlite://")
    METADATA.create_all(engine)
    trades = [a_trade(f"x-{n}", gross=str(g), fees=f, funding=p) for n, (g, f, p) in enumerate(parts)]
    with engine.begin() as connection:
        if trades:
            upsert(connection, TRADES, [to_row(trade) | {"seq": 1} for trade in trades])
            rebuild(connection)
        found = _totals(connection, since=None)
    engine.dispose()
    nets = [Fraction(g) - Fraction(f) + Fraction(p) for g, f, p in parts]
    assert Fraction(found.net) == sum(nets)
    assert Fraction(found.won) == sum(net for net in nets if net > 0)
    assert Fraction(found.lost) == sum(net for net in nets if net <= 0)
    assert found.count == len(parts)


# --- lists, however long -------------------------------------------------------------------------------------------


async def test_lists_go_on_where_a_page_ended(journal: SqlJournal, queries: Queries) -> None:
    made = [("a-1", "wait", BTC), ("b-2", "denied", ETH), ("c-3", "long", BTC), ("d-4", "wait", ETH)]
    await journal.commit([decided(id, outcome, AT + n * MINUTE, s) for n, (id, outcome, s) in enumerate(made)])
    await close(journal, "1", "2", "3", "4")
    assert [line.id for line in await queries.decisions(2, skip=1)] == ["c-3", "b-2"]
    assert [line.id for line in await queries.decisions(2, BTC, skip=1)] == ["a-1"]
    assert [line.id for line in await queries.decisions(2, outcomes=["wait", "denied"], skip=1)] == ["b-2", "a-1"]
    assert [line.id for line in await queries.decisions(9, ETH, ["wait"])] == ["d-4"]
    assert [t.gross for t in await queries.trades(2, skip=1)] == [3, 2]
    assert [t.gross for t in await queries.trades(2, since=AT + MINUTE, skip=2)] == [2]
    assert await queries.trades(2, skip=4) == []


LISTS = {
    "decisions": last_decisions(10, None, None, skip=0),
    "decisions on a page": last_decisions(10, None, None, skip=500),
    "decisions of a pair": last_decisions(10, BTC, None, skip=0),
    "decisions of an outcome": last_decisions(10, None, ["long"], skip=0),
    "decisions that traded": last_decisions(10, None, ["long", "short"], skip=0),
    "decisions of a pair that traded": last_decisions(10, BTC, ["long", "short"], skip=0),
    "trades": last_trades(10, None, None, skip=0),
    "audit": last_audited(10, skip=20),
}


@pytest.mark.parametrize("name", LISTS)
async def test_no_list_reads_a_whole_table_or_sorts_it(database: Database, name: str) -> None:
    """By the query plan: only a few rows at the top of an index, whose ties may be sorted, and the few themselves."""
    written = LISTS[name].compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})

    def plan(connection: Connection) -> list[str]:
        return [row.detail for row in connection.execute(text(f"EXPLAIN QUERY PLAN {written}"))]

    steps = await database.read(plan)
    assert steps
    assert [s for s in steps if s.startswith("SCAN ") and " USING COVERING INDEX " not in s and "anon" not in s] == []
    if "USE TEMP B-TREE FOR ORDER BY" in steps:  # of the page alone: its rows were found before
        assert steps[0].startswith("SEARCH")
        assert any(step.startswith("LIST SUBQUERY") for step in steps)


# --- events --------------------------------------------------------------------------------------------------------


async def test_the_story_of_a_decision(journal: SqlJournal, queries: Queries) -> None:
    entry = an_entry("btc-aaaa")
    opened = PositionOpened(at=AT, position=a_position("btc-aaaa"))
    closed = TradeClosed(at=AT, trade=a_trade("btc-aaaa"), equity=D(1))
    mine = [decided("btc-aaaa", "long"), *entry, opened, closed]
    await journal.commit([mine[0], decided("btc-bbbb"), *mine[1:], BooksAgreed(at=AT, symbol=BTC)], [entry[-1].order])
    assert await queries.story("btc-aaaa") == mine
    assert await queries.orders_of("btc-aaaa") == [entry[-1].order]
    assert await queries.fills_of("btc-aaaa") == [a_fill("1", "gv-btc-aaaa-e0")]
    assert await queries.fills_of("btc-bbbb") == []


async def test_orders_of_a_decision_in_order(journal: SqlJournal, queries: Queries) -> None:
    orders = [an_order(f"gv-{9 - n}", created_at=AT + n * MINUTE) for n in range(3)]
    await journal.commit([], [*orders, an_order("gv-other", "other")])
    assert await queries.orders_of("btc-aaaa") == orders


async def test_last_event_audit_and_size(journal: SqlJournal, queries: Queries) -> None:
    assert await queries.last_event("VenueLost") is None
    assert await queries.journal_size() == 0
    asked = CommandRun(at=AT, who="me", place="console:main", text="/halt", result="done")
    knocked = AccessRefused(at=AT, who="x", place="telegram:9", text="/close", reason="not allowed")
    lost = [VenueLost(at=AT, detail="first"), VenueLost(at=AT, detail="second")]
    await journal.commit([asked, lost[0], knocked, lost[1]])
    assert await queries.last_event("VenueLost") == lost[1]
    assert await queries.audit(9) == [knocked, asked]
    assert await queries.audit(1) == [knocked]
    assert await queries.audit(1, skip=1) == [asked]
    assert await queries.journal_size() == 4


async def test_the_audit_holds_what_people_changed(journal: SqlJournal, queries: Queries) -> None:
    added = PeopleChanged(at=AT, by="ann", person="bob", what="added", before="", after="viewer")
    wished = WishChanged(at=AT, by="bob", owner="person:bob", wish="zone", before="", after="Europe/Vienna")
    set_ = SettingsChanged(at=AT, by="ann", version=2, changes=(("judge.drag", "0.5", "0.4"),))
    await journal.commit([added, VenueLost(at=AT, detail="x"), wished, set_])
    assert await queries.audit(9) == [set_, wished, added]
    assert {type(event) for event in (added, wished, set_)} < set(AUDIT)


async def test_the_whole_journal_in_batches(journal: SqlJournal, queries: Queries) -> None:
    events = [BooksAgreed(at=AT, symbol=f"S-{n}") for n in range(25)]
    await journal.commit(events)
    read, seq = [], 0
    while batch := await queries.events(seq, 10):
        assert [r.seq for r in batch] == list(range(seq + 1, seq + 1 + len(batch)))
        read += [r.event for r in batch]
        seq = batch[-1].seq
    assert read == events


async def read_all(queries: Queries, *kinds: str, **more: object) -> list[int]:
    found, seq = [], 0
    while batch := await queries.records(kinds, after_seq=seq, limit=2, **more):
        assert len(batch) <= 2
        found += [r.seq for r in batch]
        seq = batch[-1].seq
    return found


async def test_records_of_some_kinds_since_a_time_and_of_some_outcomes(journal: SqlJournal, queries: Queries) -> None:
    assert await queries.newest() is None
    await journal.commit(
        [
            decided("a-1", "wait", AT),
            VenueLost(at=AT, detail="x"),
            decided("b-2", "denied", AT + MINUTE),
            BooksAgreed(at=AT + MINUTE, symbol=BTC),
            decided("c-3", "long", AT + 2 * MINUTE),
            VenueLost(at=AT + 3 * MINUTE, detail="y"),
        ]
    )
    assert await queries.newest() == AT + 3 * MINUTE
    assert await read_all(queries, "DecisionMade") == [1, 3, 5]
    assert await read_all(queries, "VenueLost", "DecisionMade") == [1, 2, 3, 5, 6]
    assert await read_all(queries, "VenueLost", "DecisionMade", since=AT + MINUTE) == [3, 5, 6]
    assert await read_all(queries, "VenueLost", "DecisionMade", outcomes=["denied"]) == [2, 3, 6]
    assert await read_all(queries, "DecisionMade", outcomes=["denied", "long"], since=AT + 2 * MINUTE) == [5]
    assert await read_all(queries, "DataGap") == []
