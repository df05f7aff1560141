"""What is to be told is told in order, and nothing of it is ever forgotten."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from storage.database import Database
from storage.journal import SqlJournal
from storage.outbox import DELIVERY_TRANSITIONS, Delivery, Lane, Outbox, Outgoing, Route
from tests.storage_builders import AT, MINUTE, a_database
from trading.clock import ManualClock
from trading.errors import IllegalTransition
from trading.messages import BooksAgreed, Event

PHONE, CONSOLE = "telegram:1", "console:main"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await a_database(tmp_path / "gavel.db")
    yield opened
    await opened.close()


@pytest.fixture
def wall() -> ManualClock:
    return ManualClock(AT)


@pytest.fixture
def outbox(database: Database, wall: ManualClock) -> Outbox:
    return Outbox(database, wall)


async def tell(database: Database, wall: ManualClock, *names: str, lane: Lane = Lane.FILL, to: str = PHONE) -> None:
    def route(_: Event) -> Sequence[Route]:
        return [Route(destination=to, lane=lane, silent=lane is Lane.DIGEST)]

    await SqlJournal(database, route=route, wall=wall).commit([BooksAgreed(at=AT, symbol=name) for name in names])


def names(rows: Sequence[Outgoing]) -> list[str]:
    return [row.event.symbol for row in rows if isinstance(row.event, BooksAgreed)]


async def test_lanes_first_then_order(database: Database, wall: ManualClock, outbox: Outbox) -> None:
    await tell(database, wall, "digest", lane=Lane.DIGEST)
    await tell(database, wall, "a", "b")
    await tell(database, wall, "halt", lane=Lane.RISK)
    await tell(database, wall, "c")
    await tell(database, wall, "elsewhere", to=CONSOLE)
    found = await outbox.pending(PHONE, 10)
    assert names(found) == ["halt", "a", "b", "c", "digest"]
    assert [row.silent for row in found] == [False] * 4 + [True]
    assert names(await outbox.pending(PHONE, 2)) == ["halt", "a"]
    assert len({row.key for row in found}) == 5


async def test_one_event_goes_to_many_and_once_to_each(database: Database, wall: ManualClock, outbox: Outbox) -> None:
    routes = [Route(destination=d, lane=Lane.FILL) for d in (PHONE, CONSOLE)]
    await SqlJournal(database, route=lambda _: routes, wall=wall).commit([BooksAgreed(at=AT, symbol="a")])
    assert await outbox.depth() == {PHONE: (1, AT), CONSOLE: (1, AT)}


async def test_a_retry_waits_and_holds_its_lane_but_no_other(
    database: Database, wall: ManualClock, outbox: Outbox
) -> None:
    await tell(database, wall, "a", "b")
    (first, _) = await outbox.pending(PHONE, 10)
    await outbox.sending([first.id])
    await outbox.retry(first.id, at=AT + MINUTE, error="429")
    await tell(database, wall, "halt", lane=Lane.RISK)
    await tell(database, wall, "digest", lane=Lane.DIGEST)
    assert names(await outbox.pending(PHONE, 10)) == ["halt", "digest"]
    wall.advance(MINUTE)
    found = await outbox.pending(PHONE, 10)
    assert names(found) == ["halt", "a", "b", "digest"]
    assert [row.attempts for row in found] == [0, 1, 0, 0]


async def test_what_is_sent_or_dead_is_not_pending(database: Database, wall: ManualClock, outbox: Outbox) -> None:
    await tell(database, wall, "a", "b", "c")
    a, b, c = await outbox.pending(PHONE, 10)
    await outbox.sending([a.id, b.id])
    assert await outbox.depth() == {PHONE: (3, AT)}
    await outbox.sent(a.id, "message 17")
    await outbox.dead(b.id, "blocked by the user")
    assert await outbox.pending(PHONE, 10) == [c]
    assert await outbox.depth() == {PHONE: (1, AT)}


async def test_after_a_crash_what_may_have_been_sent_is_pending_with_its_attempts(
    tmp_path: Path, database: Database, wall: ManualClock, outbox: Outbox
) -> None:
    await tell(database, wall, "a", "b", "c")
    a, b, _ = await outbox.pending(PHONE, 10)
    await outbox.sending([a.id, b.id])
    await outbox.sent(a.id, "1")
    await database.close()
    again = await Database.open(tmp_path / "gavel.db")
    after = Outbox(again, wall)
    assert await after.unfinished() == [b.id]
    found = await after.pending(PHONE, 10)
    assert [(row.key, row.attempts) for row in found] == [(b.key, 1), (found[1].key, 0)]
    assert names(found) == ["b", "c"]
    assert await after.unfinished() == []
    await again.close()


async def bring(outbox: Outbox, row: Outgoing, to: Delivery) -> None:
    if to is not Delivery.PENDING:
        await outbox.sending([row.id])
    if to is Delivery.SENT:
        await outbox.sent(row.id, "1")
    if to is Delivery.DEAD:
        await outbox.dead(row.id, "gone")


async def step(outbox: Outbox, row: Outgoing, to: Delivery) -> None:
    match to:
        case Delivery.PENDING:
            await outbox.retry(row.id, at=AT, error="")
        case Delivery.SENDING:
            await outbox.sending([row.id])
        case Delivery.SENT:
            await outbox.sent(row.id, "1")
        case Delivery.DEAD:
            await outbox.dead(row.id, "gone")


@pytest.mark.parametrize("to", Delivery)
@pytest.mark.parametrize("origin", Delivery)
async def test_there_is_no_step_outside_the_table(
    database: Database, wall: ManualClock, outbox: Outbox, origin: Delivery, to: Delivery
) -> None:
    await tell(database, wall, "a")
    (row,) = await outbox.pending(PHONE, 1)
    await bring(outbox, row, origin)
    if to in DELIVERY_TRANSITIONS[origin]:
        await step(outbox, row, to)
    else:
        with pytest.raises(IllegalTransition):
            await step(outbox, row, to)


async def test_one_wrong_id_stops_the_whole_step(database: Database, wall: ManualClock, outbox: Outbox) -> None:
    await tell(database, wall, "a")
    (row,) = await outbox.pending(PHONE, 1)
    with pytest.raises(IllegalTransition):
        await outbox.sending([row.id, 999])
    assert await outbox.pending(PHONE, 1) == [row]


async def test_many_are_sent_together_or_none(database: Database, wall: ManualClock, outbox: Outbox) -> None:
    await tell(database, wall, "a", "b", "c")
    a, b, c = await outbox.pending(PHONE, 10)
    await outbox.sending([a.id, b.id])
    with pytest.raises(IllegalTransition):
        await outbox.sent_all({a.id: "1", c.id: "3"})
    await outbox.sent_all({a.id: "1", b.id: "2"})
    await outbox.sent_all({})
    assert await outbox.depth() == {PHONE: (1, AT)}
    assert await outbox.unfinished() == []
