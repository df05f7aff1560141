"""What is to be told is told in order, and nothing of it is ever forgotten."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Select

from storage import outbox_rows
from storage.database import Database
from storage.journal import SqlJournal
from storage.outbox import DELIVERY_TRANSITIONS, Delivery, Lane, Outbox, Outgoing, Overdue, Route
from tests.storage_builders import AT, MINUTE, a_database, a_position, an_order
from trading.clock import ManualClock
from trading.errors import IllegalTransition
from trading.events import BooksAgreed, Event
from trading.model import OrderStatus
from trading.ports import State

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


async def tell(
    database: Database, wall: ManualClock, *names: str, lane: Lane = Lane.FILL, to: str = PHONE, **more: Any
) -> None:
    def route(_: Event) -> Sequence[Route]:
        return [Route(destination=to, lane=lane, silent=lane is Lane.DIGEST, **more)]

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


async def test_what_was_not_sent_is_first_again_in_its_lane(
    database: Database, wall: ManualClock, outbox: Outbox
) -> None:
    await tell(database, wall, "a", "b")
    (first, _) = await outbox.pending(PHONE, 10)
    await outbox.sending([first.id])
    await tell(database, wall, "halt", lane=Lane.RISK)
    await outbox.put_back([first.id], "429")
    found = await outbox.pending(PHONE, 10)
    assert names(found) == ["halt", "a", "b"]
    assert [row.attempts for row in found] == [0, 1, 0]
    with pytest.raises(IllegalTransition):
        await outbox.put_back([first.id], "429")


async def test_what_is_sent_or_dead_is_not_pending(database: Database, wall: ManualClock, outbox: Outbox) -> None:
    await tell(database, wall, "a", "b", "c")
    a, b, c = await outbox.pending(PHONE, 10)
    await outbox.sending([a.id, b.id])
    assert await outbox.depth() == {PHONE: (3, AT)}
    await outbox.sent(a.id, "message 17")
    await outbox.give_up([b.id], "blocked by the user")
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
    if to is Delivery.HELD:
        await outbox.hold([row.id], "venue", AT)
    elif to is not Delivery.PENDING:
        await outbox.sending([row.id])
    if to is Delivery.SENT:
        await outbox.sent(row.id, "1")
    if to is Delivery.DEAD:
        await outbox.give_up([row.id], "gone")


async def step(outbox: Outbox, row: Outgoing, to: Delivery) -> None:
    match to:
        case Delivery.HELD:
            await outbox.hold([row.id], "venue", AT)
        case Delivery.PENDING:
            await outbox.put_back([row.id], "")
        case Delivery.SENDING:
            await outbox.sending([row.id])
        case Delivery.SENT:
            await outbox.sent(row.id, "1")
        case Delivery.DEAD:
            await outbox.give_up([row.id], "gone")


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


# --- many as one ------------------------------------------------------------------------------------------------------


async def test_a_bundle_waits_apart_from_the_rest_and_is_told_together(
    database: Database, wall: ManualClock, outbox: Outbox
) -> None:
    await tell(database, wall, "a", "b", lane=Lane.DECISION, bundle="digest")
    wall.advance(MINUTE)
    await tell(database, wall, "c", lane=Lane.FILL, bundle="digest")
    await tell(database, wall, "now")
    assert names(await outbox.pending(PHONE, 9)) == ["now"]
    assert await outbox.depth() == {PHONE: (1, AT + MINUTE)}
    (bundle,) = await outbox.held()
    assert (bundle.destination, bundle.bundle, bundle.lane, bundle.count) == (PHONE, "digest", Lane.FILL, 3)
    assert bundle.oldest == bundle.due_at == AT
    them = await outbox.bundle(PHONE, "digest", 100, 2)
    assert them is not None
    assert (names(them.newest), len(them.ids), them.oldest, them.silent) == (["c", "b"], 3, AT, False)
    assert them.kinds == {"BooksAgreed": 3}
    await outbox.sending(them.ids)
    assert await outbox.bundle(PHONE, "digest", 100, 2) is None
    await outbox.sent_together(them.ids, "m1", "digest")
    assert await outbox.held() == []


async def test_a_bundle_that_was_being_sent_in_a_crash_is_a_bundle_again(
    database: Database, wall: ManualClock, outbox: Outbox
) -> None:
    await tell(database, wall, "a", "b", bundle="digest")
    await tell(database, wall, "c")
    them = await outbox.bundle(PHONE, "digest", 100, 9)
    assert them is not None
    await outbox.sending(them.ids)
    assert await outbox.unfinished() == list(them.ids)
    assert [bundle.count for bundle in await outbox.held()] == [2]
    assert names(await outbox.pending(PHONE, 9)) == ["c"]


async def test_only_decisions_and_digests_make_a_crowd(database: Database, wall: ManualClock, outbox: Outbox) -> None:
    await tell(database, wall, "d1", "d2", lane=Lane.DECISION)
    await tell(database, wall, "fill")
    await tell(database, wall, "sum", lane=Lane.DIGEST)
    await tell(database, wall, "d3", lane=Lane.DECISION)
    them = await outbox.crowd(PHONE, 100, 3)
    assert them is not None
    assert names(them.newest) == ["d3", "sum", "d2"]
    assert list(them.ids) == sorted(them.ids)
    few = await outbox.crowd(PHONE, 2, 3)
    assert few is not None
    assert names(few.newest) == ["d2", "d1"]
    assert await outbox.crowd(CONSOLE, 100, 3) is None


async def test_what_is_held_back_has_its_time(database: Database, wall: ManualClock, outbox: Outbox) -> None:
    await tell(database, wall, "a", "b", lane=Lane.RISK)
    (a, _) = await outbox.pending(PHONE, 9)
    await outbox.hold([a.id], "books BTC", AT + 5 * MINUTE)
    assert names(await outbox.pending(PHONE, 9)) == ["b"]
    (bundle,) = await outbox.held()
    assert (bundle.bundle, bundle.lane, bundle.due_at) == ("books BTC", Lane.RISK, AT + 5 * MINUTE)


async def test_thousands_become_one_card_in_one_step(database: Database, wall: ManualClock, outbox: Outbox) -> None:
    await tell(database, wall, *(f"n{n}" for n in range(1200)), lane=Lane.DECISION)
    them = await outbox.crowd(PHONE, 2000, 12)
    assert them is not None
    await outbox.sending(them.ids)
    await outbox.put_back(them.ids, "down")
    await outbox.sending(them.ids)
    await outbox.sent_together(them.ids, "m1", "late")
    assert await outbox.depth() == {}


# --- threads ----------------------------------------------------------------------------------------------------------


async def test_a_thread_is_answered_at_its_first_message_there(
    tmp_path: Path, database: Database, wall: ManualClock, outbox: Outbox
) -> None:
    await tell(database, wall, "unseen", "fill", "close", thread="btc-1")
    await tell(database, wall, "fill", thread="btc-1", to=CONSOLE)
    rows = await outbox.pending(PHONE, 9)
    assert {row.thread for row in rows} == {"btc-1"}
    await outbox.sending([row.id for row in rows])
    await outbox.sent_all({rows[0].id: "", rows[2].id: "m5,m6"})  # a fill may overtake its decision
    wall.advance(MINUTE)
    await outbox.sent(rows[1].id, "m9")
    assert await outbox.thread(PHONE, "btc-1") == "m5,m6"
    assert await outbox.thread(CONSOLE, "btc-1") == await outbox.thread(PHONE, "btc-2") == ""


async def test_a_card_of_many_is_nobodys_first_message(database: Database, wall: ManualClock, outbox: Outbox) -> None:
    await tell(database, wall, "a", thread="btc-1", lane=Lane.DECISION)
    (row,) = await outbox.pending(PHONE, 9)
    await outbox.sending([row.id])
    await outbox.sent_together([row.id], "m1", "late")
    assert await outbox.thread(PHONE, "btc-1") == ""


# --- what has gone wrong ----------------------------------------------------------------------------------------------


async def test_what_is_critical_and_not_confirmed_is_overdue(
    database: Database, wall: ManualClock, outbox: Outbox
) -> None:
    await tell(database, wall, "old", "sending", "sent", lane=Lane.RISK, critical=True, thread="btc-1")
    await tell(database, wall, "ordinary")
    wall.advance(MINUTE)
    await tell(database, wall, "young", lane=Lane.RISK, critical=True)
    old, sending, sent, *_ = await outbox.pending(PHONE, 9)
    await outbox.sending([sending.id, sent.id])
    await outbox.sent(sent.id, "m1")
    found = await outbox.overdue(AT + MINUTE / 2)
    assert [row.seq for row in found] == [old.seq, sending.seq]
    assert found[0] == Overdue(seq=old.seq, destination=PHONE)


async def test_a_stand_in_is_queued_once_and_is_never_overdue_itself(
    database: Database, wall: ManualClock, outbox: Outbox
) -> None:
    both = [Route(destination=d, lane=Lane.RISK, critical=True) for d in (PHONE, "discord:5")]
    await SqlJournal(database, route=lambda _: both, wall=wall).commit([BooksAgreed(at=AT, symbol="a")])
    phone = next(row for row in await outbox.overdue(AT) if row.destination == PHONE)
    assert await outbox.hand_over(phone, ["discord:5", "discord:@9"]) == ["discord:@9"]
    assert await outbox.hand_over(phone, ["discord:5", "discord:@9"]) == []
    (row,) = await outbox.pending("discord:@9", 9)
    assert (row.instead_of, row.lane, row.critical, row.queued_at) == (PHONE, Lane.RISK, True, AT)
    assert {row.destination for row in await outbox.overdue(AT)} == {PHONE, "discord:5"}


async def test_dead_letters_are_listed_newest_first(database: Database, wall: ManualClock, outbox: Outbox) -> None:
    await tell(database, wall, "a", "b", "c")
    rows = await outbox.pending(PHONE, 9)
    for row in rows[:2]:
        await outbox.give_up([row.id], f"blocked {row.id}")
    found = await outbox.dead(9)
    assert [letter.event for letter in found] == [rows[1].event, rows[0].event]
    assert (found[0].destination, found[0].queued_at, found[0].error) == (PHONE, AT, f"blocked {rows[1].id}")
    assert len(await outbox.dead(1)) == 1


# --- tidying up -------------------------------------------------------------------------------------------------------


async def test_old_mail_is_forgotten_but_for_what_is_still_needed(
    database: Database, wall: ManualClock, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_rows, "PAGE", 3)
    held: list[State] = [a_position("btc-open"), an_order("gv-1", "btc-ordered", status=OrderStatus.OPEN)]
    await SqlJournal(database, route=lambda _: [], wall=wall).commit([], held)
    await tell(database, wall, *(f"old {n}" for n in range(7)))
    await tell(database, wall, "closed", thread="btc-closed")
    await tell(database, wall, "open", thread="btc-open")
    await tell(database, wall, "ordered", thread="btc-ordered")
    await tell(database, wall, "waits", lane=Lane.DIGEST)
    await tell(database, wall, "refused", lane=Lane.DIGEST)
    wall.advance(timedelta(days=31))
    await tell(database, wall, "young")
    *rows, young, _, refused = await outbox.pending(PHONE, 99)
    sent = [*rows, young]
    await outbox.sending([row.id for row in sent])
    await outbox.sent_all({row.id: f"m{row.id}" for row in sent})
    await outbox.give_up([refused.id], "blocked")
    assert await outbox.prune(AT + timedelta(days=1)) == 8
    assert await outbox.thread(PHONE, "btc-open") != ""
    assert await outbox.thread(PHONE, "btc-ordered") != ""
    assert await outbox.thread(PHONE, "btc-closed") == ""
    assert names(await outbox.pending(PHONE, 9)) == ["waits"]
    assert len(await outbox.dead(9)) == 1
    assert await outbox.prune(AT + timedelta(days=1)) == 0


async def test_ids_go_on_rising_after_everything_was_forgotten(
    database: Database, wall: ManualClock, outbox: Outbox
) -> None:
    """Whoever hears of new rows tells them from those he has read by their ids."""
    await tell(database, wall, "a", "b")
    rows = await outbox.pending(PHONE, 9)
    await outbox.sending([row.id for row in rows])
    await outbox.sent_all({row.id: "m" for row in rows})
    await outbox.prune(AT + timedelta(days=1))
    await tell(database, wall, "c")
    (row,) = await outbox.pending(PHONE, 9)
    assert row.id > rows[-1].id


# --- what is handed over as it is committed ---------------------------------------------------------------------------


async def test_the_journal_hands_over_the_rows_as_they_will_be_read(
    database: Database, wall: ManualClock, outbox: Outbox
) -> None:
    journal = SqlJournal(
        database,
        route=lambda _: [
            Route(destination=PHONE, lane=Lane.RISK, thread="btc-1", critical=True, silent=True),
            Route(destination=CONSOLE, lane=Lane.FILL, bundle="digest"),
        ],
        wall=wall,
    )
    heard: list[Sequence[Outgoing]] = []
    journal.mail.append(heard.append)
    await journal.commit([BooksAgreed(at=AT, symbol="a"), BooksAgreed(at=AT, symbol="b")])
    assert [list(rows) for rows in heard] == [await outbox.pending(PHONE, 9)]


# --- how much is read for an answer -----------------------------------------------------------------------------------

QUESTIONS: dict[str, tuple[Select[Any], str]] = {
    "pending": (outbox_rows.PENDING, "ix_outbox_queue (state=? AND destination=?)"),
    "crowd": (outbox_rows.CROWD, "ix_outbox_queue (state=? AND destination=? AND lane=?)"),
    "bundle": (outbox_rows.BUNDLE, "ix_outbox_queue (state=? AND destination=?)"),
    "thread": (outbox_rows.FIRST_OF, "ix_outbox_thread (thread=? AND destination=?)"),
    "overdue": (outbox_rows.OVERDUE, "ix_outbox_critical (state=? AND queued_at<?)"),
}


@pytest.mark.parametrize("question", QUESTIONS)
async def test_no_question_reads_the_whole_outbox(database: Database, question: str) -> None:
    statement, index = QUESTIONS[question]

    def explain(connection: Connection) -> list[str]:
        asked = statement.params(there=PHONE, limit=5, name="digest", thread="btc-1", before=AT)
        words = str(asked.compile(connection, compile_kwargs={"render_postcompile": True}))
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {words}", (None,) * words.count("?"))
        return [row.detail for row in plan]

    plan = await database.read(explain)
    assert any(index in line for line in plan), plan
    assert not any(line.startswith("SCAN") for line in plan), plan
