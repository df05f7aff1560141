"""Events, state and messages in one transaction; a chain that notices every touch; a restart that finds everything."""

import hashlib
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from storage.database import Database
from storage.journal import SqlJournal
from storage.outbox import Lane, Outbox, Route
from storage.verify import Broken, Verified, verify
from tests.storage_builders import (
    AT,
    BTC,
    MINUTE,
    D,
    a_database,
    a_desk,
    a_payment,
    a_position,
    a_trade,
    an_entry,
    an_order,
    decided,
)
from trading.clock import ManualClock
from trading.errors import BadRecord, JournalUnwritable
from trading.events import BooksAgreed, DecisionMade, Event, FundingPaid, TradeClosed, TradingHalted
from trading.model import OrderStatus, TradingState
from trading.ports import Journal

CONSOLE = "console:main"


def to_console(event: Event) -> list[Route]:
    return [Route(destination=CONSOLE, lane=Lane.FILL)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gavel.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    opened = await a_database(path, patience=timedelta(milliseconds=50))
    yield opened
    await opened.close()


@pytest.fixture
def journal(database: Database) -> SqlJournal:
    return SqlJournal(database, route=to_console, wall=ManualClock(AT))


async def counts(database: Database) -> dict[str, int]:
    tables = ("journal", "decisions", "orders", "fills", "funding", "positions", "trades", "desk", "outbox")
    return await database.read(
        lambda c: {t: n for t in tables if (n := c.execute(text(f"SELECT count(*) FROM {t}")).scalar_one())}
    )


# --- commit --------------------------------------------------------------------------------------------------------


def test_it_is_the_port(journal: SqlJournal) -> None:
    port: Journal = journal
    assert port is journal


async def test_one_commit_writes_events_states_index_and_messages(journal: SqlJournal, database: Database) -> None:
    entry = an_entry()
    paid = FundingPaid(at=AT, payment=a_payment(), position_id="btc-aaaa")
    await journal.commit([decided(outcome="long"), *entry, paid], [entry[-1].order, a_position(), a_desk()])
    assert await counts(database) == {
        "journal": 5,
        "decisions": 1,
        "orders": 1,
        "fills": 1,
        "funding": 1,
        "positions": 1,
        "desk": 1,
        "outbox": 5,
    }


async def test_nothing_to_say_writes_nothing(journal: SqlJournal, database: Database) -> None:
    await journal.commit([])
    assert await counts(database) == {}


async def test_state_without_events_is_written(journal: SqlJournal) -> None:
    await journal.commit([], [a_desk(phase="calm")])
    found = await journal.load()
    assert found is not None
    assert found.state.phase == "calm"


async def test_a_state_replaces_the_one_before(journal: SqlJournal) -> None:
    await journal.commit([], [a_desk(), an_order()])
    sent = an_order().to(OrderStatus.OPEN, at=AT)
    await journal.commit([], [a_desk(trading=TradingState.HALTED, halted_by="me", halted_at=AT), sent])
    found = await journal.load()
    assert found is not None
    assert found.state == a_desk(trading=TradingState.HALTED, halted_by="me", halted_at=AT)
    assert found.orders == (sent,)


async def test_a_trade_takes_its_position_away_in_whatever_order_they_come(journal: SqlJournal) -> None:
    await journal.commit([], [a_desk(), a_position("a-1"), a_position("b-2")])
    await journal.commit([TradeClosed(at=AT, trade=a_trade("a-1"), equity=D(1))], [a_trade("a-1"), a_position("a-1")])
    found = await journal.load()
    assert found is not None
    assert [p.id for p in found.positions] == ["b-2"]


async def test_a_position_of_nothing_is_refused(journal: SqlJournal, database: Database) -> None:
    with pytest.raises(ValueError, match="commit its Trade"):
        await journal.commit([decided()], [a_position(quantity=D(0))])
    assert await counts(database) == {}


async def test_a_doubled_decision_fails_loudly_and_whole(journal: SqlJournal, database: Database) -> None:
    await journal.commit([decided()])
    with pytest.raises(BadRecord):
        await journal.commit([BooksAgreed(at=AT, symbol=BTC), decided()])
    assert await counts(database) == {"journal": 1, "decisions": 1, "outbox": 1}


async def test_a_doubled_fill_fails_loudly(journal: SqlJournal) -> None:
    await journal.commit(an_entry("a-1", fill="7"))
    with pytest.raises(BadRecord):
        await journal.commit(an_entry("b-2", fill="7"))


async def test_an_event_that_cannot_be_written_leaves_nothing(journal: SqlJournal, database: Database) -> None:
    await journal.commit([decided("a-1")])
    naive = TradingHalted(at=AT, by="me", reason="x")
    bad = replace(decided("b-2"), at=AT.replace(tzinfo=None))
    with pytest.raises((TypeError, ValueError)):
        await journal.commit([naive, bad])
    await journal.commit([naive])
    assert await verify(database) == Verified(rows=2, head=(await heads(database))[-1])


async def test_a_locked_database_stops_nothing_but_this_commit(journal: SqlJournal, path: Path) -> None:
    await journal.commit([decided("a-1")], [a_desk()])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    heard: list[frozenset[str]] = []
    journal.wake.append(heard.append)
    with pytest.raises(JournalUnwritable):
        await journal.commit([decided("b-2")], [a_desk(phase="lost")])
    other.execute("ROLLBACK")
    other.close()
    assert heard == []
    await journal.commit([decided("b-2")])
    assert heard == [frozenset({CONSOLE})]
    assert await journal.known(["a-1", "b-2"]) == {"a-1", "b-2"}
    found = await journal.load()
    assert found is not None
    assert found.state.phase is None


async def test_who_has_mail_is_woken_and_nobody_else(database: Database) -> None:
    def route(event: Event) -> list[Route]:
        return [] if isinstance(event, DecisionMade) else to_console(event)

    journal = SqlJournal(database, route=route, wall=ManualClock(AT))
    heard: list[frozenset[str]] = []
    journal.wake.append(heard.append)
    await journal.commit([decided()])
    assert heard == []
    await journal.commit([BooksAgreed(at=AT, symbol=BTC)])
    assert heard == [frozenset({CONSOLE})]


async def test_mail_is_stamped_with_wall_time_and_the_journal_is_not(database: Database) -> None:
    wall = ManualClock(AT + timedelta(days=900))
    journal = SqlJournal(database, route=to_console, wall=wall)
    await journal.commit([decided()])
    (mail,) = await Outbox(database, wall).pending(CONSOLE, 5)
    assert mail.queued_at == wall.now()
    assert mail.event == decided()


async def test_two_equal_runs_have_equal_journals(tmp_path: Path) -> None:
    found = []
    for day in (0, 400):
        database = await a_database(tmp_path / f"{day}.db")
        journal = SqlJournal(database, route=to_console, wall=ManualClock(AT + timedelta(days=day)))
        await journal.commit([decided(), *an_entry()], [a_desk(), a_position()])
        query = text("SELECT * FROM journal ORDER BY seq")
        found.append(await database.read(lambda c, q=query: [tuple(row) for row in c.execute(q)]))
        await database.close()
    assert found[0] == found[1]
    assert len(found[0]) == 4


# --- what is read back ---------------------------------------------------------------------------------------------


async def test_a_new_desk_remembers_nothing(journal: SqlJournal) -> None:
    assert await journal.load() is None


async def test_a_restart_finds_state_open_positions_and_unfinished_orders(journal: SqlJournal, path: Path) -> None:
    state = a_desk(realised=D("12.30"), tags={"seed": "7", "kind": "sim"}, market_at=AT, waits_since=AT)
    ended = an_order("gv-b-e0").to(OrderStatus.CANCELLED, at=AT)
    await journal.commit([], [state, an_order("gv-a-e0"), ended, a_position("b-2", closing=None), a_position("a-1")])
    again = await Database.open(path)
    found = await SqlJournal(again, route=to_console, wall=ManualClock(AT)).load()
    await again.close()
    assert found is not None
    assert found.state == state
    assert found.orders == (an_order("gv-a-e0"),)
    assert found.positions == (a_position("a-1"), a_position("b-2"))


async def test_a_restart_knows_what_it_has_booked_since_the_cursor(journal: SqlJournal) -> None:
    events: list[Event] = []
    for n, fill in enumerate(("8", "9", "10")):
        events += an_entry(f"x-{n}", fill, AT + n * MINUTE)
        events.append(FundingPaid(at=AT, payment=a_payment(fill, AT + n * MINUTE), position_id=f"x-{n}"))
    await journal.commit(events, [a_desk(last_fill="9", last_funding="")])
    found = await journal.load()
    assert found is not None
    assert found.fills == {"9", "10"}
    assert found.funding == {"8", "9", "10"}


async def test_two_desks_in_one_database_are_refused(journal: SqlJournal) -> None:
    await journal.commit([], [a_desk(desk="one"), a_desk(desk="two")])
    with pytest.raises(BadRecord, match="one, two"):
        await journal.load()


async def test_known(journal: SqlJournal) -> None:
    await journal.commit([decided(f"x-{n}") for n in range(3)])
    assert await journal.known([f"x-{n}" for n in range(2000)]) == {"x-0", "x-1", "x-2"}
    assert await journal.known([]) == frozenset()


async def test_waits_are_the_decisions_without_a_trade_since_then(journal: SqlJournal) -> None:
    made = [("old", "wait", -1), ("w-1", "wait", 0), ("long", "long", 1), ("d-2", "denied", 2), ("w-3", "wait", 3)]
    await journal.commit([decided(id, outcome, AT + n * MINUTE) for id, outcome, n in made])
    found = await journal.waits(AT)
    assert [d.id for d in found] == ["w-1", "d-2", "w-3"]
    assert found[0] == decided("w-1", "wait", AT).decision


# --- the chain -----------------------------------------------------------------------------------------------------


async def heads(database: Database) -> list[str]:
    return await database.read(lambda c: list(c.execute(text("SELECT hash FROM journal ORDER BY seq")).scalars()))


async def test_an_empty_journal_is_whole(database: Database) -> None:
    assert await verify(database) == Verified(rows=0, head="0" * 64)


async def test_the_hash_can_be_worked_out_by_hand(journal: SqlJournal, database: Database) -> None:
    await journal.commit([BooksAgreed(at=AT, symbol=BTC)])
    header = f'["{"0" * 64}",1,"2026-01-05T10:00:00+00:00","BooksAgreed","{BTC}",null]'
    body = '{"at":"2026-01-05T10:00:00Z","symbol":"BTC/USDT:USDT"}'
    expected = hashlib.sha256((header + body).encode()).hexdigest()
    assert await heads(database) == [expected]


async def test_the_chain_goes_on_over_commits_batches_and_restarts(path: Path, database: Database) -> None:
    for part in range(3):
        opened = await Database.open(path)
        journal = SqlJournal(opened, route=lambda _: (), wall=ManualClock(AT))
        await journal.commit([BooksAgreed(at=AT + n * MINUTE, symbol=f"{part}-{n}") for n in range(500)])
        await opened.close()
    assert await verify(database) == Verified(rows=1500, head=(await heads(database))[-1])


SWAP = (
    "UPDATE journal SET seq = -1 WHERE seq = 3; UPDATE journal SET seq = 3 WHERE seq = 4; "
    "UPDATE journal SET seq = 4 WHERE seq = -1"
)
ADD = "INSERT INTO journal SELECT 6, at, kind, symbol, decision_id, body, hash, 'x' FROM journal WHERE seq = 5"
TOUCHES = {
    "body": ("UPDATE journal SET body = replace(body, 'S-2', 'S-7') WHERE seq = 3", 3, "changed"),
    "time": ("UPDATE journal SET at = '2026-01-05T11:00:00.000000Z' WHERE seq = 4", 4, "changed"),
    "kind": ("UPDATE journal SET kind = 'VenueLost' WHERE seq = 1", 1, "changed"),
    "symbol": ("UPDATE journal SET symbol = NULL WHERE seq = 2", 2, "changed"),
    "decision": ("UPDATE journal SET decision_id = 'x' WHERE seq = 5", 5, "changed"),
    "hash": ("UPDATE journal SET hash = 'x' WHERE seq = 2", 2, "changed"),
    "last hash": ("UPDATE journal SET prev = 'x' WHERE seq = 5", 5, "does not follow"),
    "missing": ("DELETE FROM journal WHERE seq = 3", 3, "missing"),
    "first missing": ("DELETE FROM journal WHERE seq = 1", 1, "missing"),
    "cut off": ("DELETE FROM journal WHERE seq > 3", 4, "missing: the journal had 5 rows"),
    "emptied": ("DELETE FROM journal", 1, "missing"),
    "moved": (SWAP, 3, "does not follow"),
    "added": (ADD, 6, "changed"),
    "head": ("UPDATE chain SET hash = 'x'", 5, "not the row the journal ended with"),
}  # fmt: skip


@pytest.mark.parametrize("touch", TOUCHES)
async def test_a_touch_is_noticed_and_its_row_named(
    journal: SqlJournal, database: Database, path: Path, touch: str
) -> None:
    statement, seq, what = TOUCHES[touch]
    await journal.commit([BooksAgreed(at=AT, symbol=f"S-{n}") for n in range(5)])
    other = sqlite3.connect(path)
    other.executescript(statement)
    other.close()
    found = await verify(database)
    assert isinstance(found, Broken)
    assert found.seq == seq
    assert what in found.what
