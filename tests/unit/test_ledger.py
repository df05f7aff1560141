"""The ledger of what models cost: reservations, what they came to, and the bytes, in the database."""

import logging
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from pathlib import Path

import pytest

from storage.database import Database
from storage.spending import SqlLedger
from storage.tables import EXCHANGES
from trading.asking import Kept
from trading.clock import ManualClock
from trading.errors import BadRecord, JournalUnwritable
from trading.llm.budget import Governor, NoBudget
from trading.spending import Caps
from trading.voice import Basis, Body, Exchange, Lack, sha

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def an_exchange(**changes: object) -> Exchange:
    usual: dict[str, object] = {
        "purpose": "sentiment",
        "provider": "gemini",
        "requested": "gemini-3.5-flash-lite",
        "at": AT,
        "cost": D("0.10"),
        "basis": Basis.RESERVED,
    }
    return Exchange(**{**usual, **changes})  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gavel.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(path, patience=timedelta(milliseconds=50))
    yield opened
    await opened.close()


@pytest.fixture
def ledger(database: Database) -> SqlLedger:
    return SqlLedger(database)


def test_every_field_of_an_exchange_has_a_column() -> None:
    assert {f.name for f in fields(Exchange)} | {"about", "settled"} == set(EXCHANGES.columns.keys())


async def test_a_reservation_is_there_before_the_call_and_after_a_restart(path: Path, ledger: SqlLedger) -> None:
    first = await ledger.reserve(an_exchange(), about="btc-1")
    second = await ledger.reserve(an_exchange(at=AT + HOUR), about="btc-2")
    assert 0 < first < second
    again = await Database.open(path)
    lines = await SqlLedger(again).spent(AT)
    assert [(line.id, line.about, line.cost, line.settled) for line in lines] == [
        (first, "btc-1", D("0.10"), False),
        (second, "btc-2", D("0.10"), False),
    ]
    assert [line.id for line in await SqlLedger(again).spent(AT + timedelta(microseconds=1))] == [second]
    await again.close()


async def test_what_it_came_to_takes_the_place_of_the_reservation(path: Path, ledger: SqlLedger) -> None:
    id = await ledger.reserve(an_exchange(), about="btc-1")
    question, answer = Body(data=b'{"q": 1}'), Body(data=b'{"a": 2}' * 100)
    done = an_exchange(
        id=id,
        returned="gemini-3.5-flash-lite-001",
        lack=Lack.BROKEN,
        reason="no JSON",
        request=question.sha,
        response=answer.sha,
        status=200,
        latency_ms=1234,
        tokens_in=900,
        tokens_out=200,
        searches=2,
        cost=D("0.0287700"),
        basis=Basis.TABLE,
    )
    await ledger.settle(Kept(exchange=done, bodies=(question, answer)))
    (line,) = await ledger.spent(AT)
    assert (line.id, line.about, line.purpose, line.model) == (id, "btc-1", "sentiment", "gemini-3.5-flash-lite")
    assert (str(line.cost), line.settled) == ("0.0287700", True)
    assert await ledger.bodies([question.sha, answer.sha, sha(b"other")]) == {
        question.sha: question.data,
        answer.sha: answer.data,
    }
    raw = sqlite3.connect(path)
    row = raw.execute("SELECT returned, lack, basis, latency_ms, searches, settled FROM exchanges").fetchone()
    size, kept = raw.execute("SELECT size, length(data) FROM bodies WHERE sha = ?", [answer.sha]).fetchone()
    raw.close()
    assert row == ("gemini-3.5-flash-lite-001", "not what was asked for", "price table", 1234, 2, 1)
    assert (size, kept < 100) == (800, True)


async def test_what_costs_nothing_is_kept_at_once(ledger: SqlLedger) -> None:
    free = an_exchange(purpose="whale", provider="etherscan", requested="txlist", cost=D(0), basis=Basis.FREE)
    body = Body(data=b"[]")
    id = await ledger.keep(Kept(exchange=free, bodies=(body,)))
    (line,) = await ledger.spent(AT)
    assert (line.id, line.cost, line.settled, line.purpose) == (id, D(0), True, "whale")
    assert await ledger.bodies([body.sha]) == {body.sha: b"[]"}


async def test_what_was_never_reserved_is_not_settled_and_leaves_no_bytes(ledger: SqlLedger) -> None:
    body = Body(data=b"x")
    with pytest.raises(BadRecord, match="never reserved"):
        await ledger.settle(Kept(exchange=an_exchange(id=7), bodies=(body,)))
    assert await ledger.spent(AT) == []
    assert await ledger.bodies([body.sha]) == {}


async def test_cost_and_bytes_are_one_transaction(path: Path, ledger: SqlLedger) -> None:
    id = await ledger.reserve(an_exchange(), about="btc-1")
    raw = sqlite3.connect(path)
    raw.execute("CREATE TRIGGER full BEFORE INSERT ON bodies BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    raw.commit()
    raw.close()
    with pytest.raises((JournalUnwritable, BadRecord)):
        await ledger.settle(Kept(exchange=an_exchange(id=id, cost=D(0)), bodies=(Body(data=b"x"),)))
    (line,) = await ledger.spent(AT)
    assert (line.cost, line.settled) == (D("0.10"), False)


async def test_a_ledger_that_does_not_take_it_says_so(path: Path, ledger: SqlLedger) -> None:
    await ledger.spent(AT)
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalUnwritable):
        await ledger.reserve(an_exchange(), about="btc-1")
    raw.close()
    assert await ledger.spent(AT) == []


async def test_the_same_bytes_are_kept_once_and_as_long_as_their_newest_use(path: Path, ledger: SqlLedger) -> None:
    body, other = Body(data=b"the same"), Body(data=b"another")
    for n, bodies in enumerate([(body, other), (body, body)]):
        id = await ledger.reserve(an_exchange(at=AT + n * HOUR), about="btc-1")
        await ledger.settle(Kept(exchange=an_exchange(id=id, at=AT + n * HOUR), bodies=bodies))
    raw = sqlite3.connect(path)
    assert raw.execute("SELECT count(*) FROM bodies").fetchone() == (2,)
    raw.close()
    assert await ledger.prune(AT + HOUR) == 1
    assert await ledger.bodies([body.sha, other.sha]) == {body.sha: b"the same"}
    assert await ledger.prune(AT + 2 * HOUR) == 1
    assert len(await ledger.spent(AT)) == 2, "what it cost is never forgotten"


@pytest.mark.parametrize("damage", ["X'00'", "substr(data, 1, 8)"], ids=["other", "cut off"])
async def test_bytes_that_are_not_what_was_written_are_left_out_and_logged(
    damage: str, path: Path, ledger: SqlLedger, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = Body(data=b"good"), Body(data=b"bad" * 100)
    await ledger.keep(Kept(exchange=an_exchange(), bodies=(good, bad)))
    raw = sqlite3.connect(path)
    raw.execute(f"UPDATE bodies SET data = {damage} WHERE sha = ?", [bad.sha])
    raw.commit()
    raw.close()
    with caplog.at_level(logging.ERROR):
        found = await ledger.bodies([good.sha, bad.sha])
    assert found == {good.sha: b"good"}
    assert bad.sha in caplog.text


async def test_bytes_put_in_the_place_of_others_are_noticed(
    path: Path, ledger: SqlLedger, caplog: pytest.LogCaptureFixture
) -> None:
    true, false = Body(data=b'{"vote": "LONG"}'), Body(data=b'{"vote": "SHORT"}')
    await ledger.keep(Kept(exchange=an_exchange(), bodies=(true, false)))
    raw = sqlite3.connect(path)
    raw.execute("UPDATE bodies SET data = (SELECT data FROM bodies WHERE sha = ?) WHERE sha = ?", [false.sha, true.sha])
    raw.commit()
    raw.close()
    with caplog.at_level(logging.ERROR):
        assert await ledger.bodies([true.sha, false.sha]) == {false.sha: false.data}
    assert true.sha in caplog.text


async def test_many_bodies_are_read_at_once(ledger: SqlLedger) -> None:
    bodies = tuple(Body(data=f"{n}".encode()) for n in range(1201))
    await ledger.keep(Kept(exchange=replace(an_exchange(), cost=D(0)), bodies=bodies))
    assert await ledger.bodies([b.sha for b in bodies]) == {b.sha: b.data for b in bodies}
    assert await ledger.bodies([]) == {}


async def test_a_budget_over_it_survives_a_crash_between_reservation_and_settlement(
    path: Path, ledger: SqlLedger
) -> None:
    caps = Caps(decision=D(1), hour=D("0.25"), day=D(1), month=D(1), words=D(1))
    wall = ManualClock(AT)
    first = Governor(caps, ledger, wall)
    await first.open()
    paid = await first.reserve(an_exchange(purpose="judge"), about="btc-1")
    assert isinstance(paid, Exchange)
    await first.settle(Kept(exchange=replace(paid, cost=D("0.02"), basis=Basis.TABLE)))
    assert isinstance(await first.reserve(an_exchange(purpose="judge"), about="btc-1"), Exchange)
    again = await Database.open(path)  # the first one is gone, without a word
    second = Governor(caps, SqlLedger(again), wall)
    await second.open()
    hour = second.view().caps[0]
    assert (hour.name, hour.settled, hour.reserved) == ("hour", D("0.02"), D("0.10"))
    assert isinstance(await second.reserve(an_exchange(purpose="judge"), about="btc-2"), Exchange)
    refused = await second.reserve(an_exchange(purpose="judge"), about="btc-3")
    assert isinstance(refused, NoBudget)
    assert (refused.cap, refused.used) == ("hour", D("0.22"))
    await again.close()
