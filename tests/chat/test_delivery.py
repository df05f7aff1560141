"""Delivery from the real outbox, on a database, to chats in memory."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from bot.delivery import REPEAT, Delivery
from bot.render.words import RenderContext
from bot.surface import Card, ChatDown, ChatRefused
from storage.database import Database
from storage.outbox import Lane, Outbox, Outgoing, Route
from tests.chat.posts import (
    OTHER,
    PHONE,
    SECOND,
    SOON,
    START,
    TERMINAL,
    PacedPhone,
    Phone,
    Post,
    Terminal,
    Told,
    a_post,
    note,
    risk,
    running,
    until,
)
from trading.errors import JournalUnwritable
from trading.events import Event


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Post]:
    async with a_post(tmp_path) as post:
        yield post


async def test_alerts_arrive_in_their_order_as_they_happen(desk: Post) -> None:
    phone = Phone()
    await desk.tell(note("before the start"))
    async with running(desk.delivery(phone)):
        await until(lambda: len(phone.told) == 1)
        for n in range(5):
            await desk.tell(note(f"n{n}"), note("hush"))
        await desk.all_told()
    assert phone.titles() == ["before the start", "n0", "n1", "n2", "n3", "n4"]
    assert all(told.silent for told in phone.told)
    assert len({told.key for told in phone.told}) == 6


async def test_a_halt_goes_before_the_decisions_that_wait(desk: Post) -> None:
    phone = PacedPhone()
    async with running(desk.delivery(phone)):
        await desk.tell(note("a"), note("b"), note("c"))
        phone.let()
        await until(lambda: phone.titles() == ["a"])
        await desk.tell(risk("halted"))
        for _ in range(9):
            phone.let()
        await desk.all_told()
    assert phone.titles() == ["a", "halted", "b", "c"]
    assert [told.silent for told in phone.told] == [True, False, True, True]


async def test_while_a_chat_is_down_nothing_is_lost_or_overtaken_and_health_tells(desk: Post) -> None:
    phone = Phone(faults=[ChatDown("no network")] * 4)
    delivery = desk.delivery(phone)
    await desk.tell(note("a"), note("b"))
    async with running(delivery):
        await until(lambda: len(phone.faults) <= 2)
        (health,) = await delivery.health()
        assert (health.destination, health.waiting, health.oldest) == (PHONE, 2, START)
        assert (health.error, health.since) == ("no network", START)
        await desk.all_told()
    assert phone.titles() == ["a", "b"]
    (health,) = await delivery.health()
    assert (health.waiting, health.error, health.since, health.dead) == (0, "", None, 0)


async def test_a_pause_that_the_chat_asks_for_is_kept(desk: Post) -> None:
    phone = Phone(faults=[ChatDown("429", retry_after=0.3)])
    await desk.tell(note("a"))
    began = time.monotonic()
    async with running(desk.delivery(phone)):
        await until(lambda: not phone.faults)
        await desk.tell(note("b"))  # the news must not cut the pause short
        await desk.all_told()
    assert time.monotonic() - began >= 0.3
    assert phone.titles() == ["a", "b"]


async def test_one_chat_that_hangs_holds_up_no_other(desk: Post) -> None:
    phone, terminal = Phone(open=False), Terminal()
    desk.to = (PHONE, TERMINAL)
    async with running(desk.delivery(phone, terminal)):
        await desk.tell(note("a"), note("b"))
        await until(lambda: len(terminal.shown) == 2)
        assert phone.told == []
        phone.open = True
        phone.gate.set()
        await desk.all_told()
    assert phone.titles() == ["a", "b"]


async def test_what_a_destination_refuses_is_dead_and_said_so_and_the_rest_goes_on(desk: Post) -> None:
    phone = Phone(faults=[ChatRefused("blocked by the user")])
    delivery = desk.delivery(phone)
    await desk.tell(note("a"), note("b"))
    async with running(delivery):
        await desk.all_told()
    assert phone.titles() == ["b"]
    (health,) = await delivery.health()
    assert (health.dead, health.refusal, health.waiting) == (1, "blocked by the user", 0)


async def test_a_late_alert_says_so(desk: Post) -> None:
    phone = Phone()
    await desk.tell(note("a"))
    desk.wall.advance(timedelta(minutes=14, seconds=30))
    await desk.tell(note("b"))
    assert await desk.delivery(phone).drain(SOON) == 0
    assert [told.card.lines for told in phone.told] == [("late: queued 12:00 UTC, 14 min ago",), ()]


async def test_an_alert_on_its_way_when_the_process_died_is_sent_again_and_marked(desk: Post) -> None:
    first = Phone(open=False)
    await desk.tell(note("a"), note("b"))
    dying = asyncio.create_task(desk.delivery(first).drain(SOON))
    await first.trying.wait()
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)

    second = Phone()
    assert await desk.delivery(second).drain(SOON) == 0
    assert second.titles() == ["a", "b"]
    assert [told.card.lines for told in second.told] == [(REPEAT,), ()]


async def test_a_chat_that_knows_its_keys_shows_nothing_twice_and_no_mark(desk: Post) -> None:
    desk.to = (TERMINAL,)
    terminal = Terminal()
    await desk.tell(note("a"))
    (row,) = await desk.outbox.pending(TERMINAL, 9)
    await desk.outbox.sending([row.id])  # the last process showed it, and ended before it could say so
    await terminal.send(TERMINAL, Card(title="a"), key=row.key, silent=False)
    assert await desk.delivery(terminal).drain(SOON) == 0
    assert [(card.title, card.lines) for card in terminal.shown.values()] == [("a", ())]


async def test_stopping_lets_a_message_arrive_that_is_on_its_way(desk: Post) -> None:
    phone = Phone(open=False)
    await desk.tell(note("a"), note("b"))
    task = asyncio.create_task(desk.delivery(phone).run())
    await phone.trying.wait()
    task.cancel()
    phone.gate.set()
    await asyncio.gather(task, return_exceptions=True)
    assert phone.titles() == ["a"]
    assert await desk.outbox.unfinished() == []
    assert await desk.left() == 1


async def test_a_drain_does_not_wait_for_a_chat_that_is_down(desk: Post) -> None:
    phone, terminal = Phone(faults=[ChatDown("down")] * 99), Terminal()
    desk.to = (PHONE, TERMINAL)
    await desk.tell(note("a"))
    began = time.monotonic()
    assert await desk.delivery(phone, terminal).drain(SOON) == 1
    assert time.monotonic() - began < 2
    assert len(phone.faults) == 98
    assert len(terminal.shown) == 1


async def test_mail_for_a_chat_that_is_not_there_waits(desk: Post) -> None:
    delivery = desk.delivery(Terminal())
    await desk.tell(note("a"))
    assert await delivery.drain(SOON) == 1
    (health,) = await delivery.health()
    assert health.error == "there is no telegram chat in this process"
    phone = Phone()
    assert await desk.delivery(phone).drain(SOON) == 0
    assert phone.titles() == ["a"]


async def test_an_alert_is_not_lost_to_a_fault_in_its_wording(desk: Post) -> None:
    def broken(event: Event, about: RenderContext) -> Card:
        raise KeyError("price")

    phone = Phone()
    await desk.tell(risk("margin"))
    assert await desk.delivery(phone, render=broken).drain(SOON) == 0
    assert phone.titles() == ["PAPER TradingHalted (not worded: KeyError('price'))"]
    assert "margin" in phone.told[0].card.detail[0]


async def test_a_fault_in_a_chat_is_survived(desk: Post) -> None:
    phone = Phone(faults=[ZeroDivisionError("a bug")])
    await desk.tell(note("a"), note("b"))
    async with running(desk.delivery(phone)):
        await desk.all_told()
    assert phone.titles() == ["a", "b"]


class Forgetful(Outbox):
    """A database that does not take the answer, twice."""

    refusals = 2

    async def sent_all(self, references: Mapping[int, str]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise JournalUnwritable("disk full")
        await super().sent_all(references)


async def test_what_was_told_is_not_told_again_because_the_database_did_not_note_it(desk: Post, tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "desk.db")
    desk.outbox = Forgetful(database, desk.wall)
    phone = Phone()
    await desk.tell(note("a"), note("b"))
    async with running(desk.delivery(phone)):
        await desk.all_told()
    await database.close()
    assert phone.titles() == ["a", "b"]


async def test_every_destination_gets_its_own_copy(desk: Post) -> None:
    desk.to = (PHONE, OTHER)
    phone = Phone()
    await desk.tell(note("a"))
    assert await desk.delivery(phone).drain(SOON) == 0
    assert phone.titles(PHONE) == phone.titles(OTHER) == ["a"]
    keys = [told.key for told in phone.told]
    assert len(set(keys)) == 2


async def test_a_replays_alerts_flow_as_fast_as_the_terminal_takes_them(desk: Post) -> None:
    desk.to = (TERMINAL,)
    terminal = Terminal()
    for start in range(0, 3000, 500):
        await desk.tell(*(note(f"n{n}") for n in range(start, start + 500)))
    began = time.monotonic()
    assert await desk.delivery(terminal).drain(timedelta(seconds=30)) == 0
    took = time.monotonic() - began
    assert [card.title for card in terminal.shown.values()] == [f"n{n}" for n in range(3000)]
    assert took < 3


# --- straight from the commit -----------------------------------------------------------------------------------------


async def states(desk: Post) -> list[str]:
    return await desk.database.read(
        lambda connection: list(connection.exec_driver_sql("SELECT state FROM outbox ORDER BY id").scalars())
    )


async def rested(desk: Post, delivery: Delivery) -> None:
    """Everything is told, and the worker has gone back to waiting."""
    await desk.all_told()
    await until(lambda: delivery._line(PHONE).idle)
    desk.wall.advance(SECOND)


class Reading(Outbox):
    """Counts what is asked of it."""

    asked: int = 0
    marked: int = 0

    async def pending(self, destination: str, limit: int) -> list[Outgoing]:
        self.asked += 1
        return await super().pending(destination, limit)

    async def sending(self, ids: Sequence[int]) -> None:
        self.marked += 1
        await super().sending(ids)


async def test_a_chat_with_nothing_to_do_is_told_without_asking_the_outbox(desk: Post) -> None:
    outbox = desk.outbox = Reading(desk.database, desk.wall)
    phone = Phone()
    delivery = desk.delivery(phone)
    async with running(delivery):
        await desk.tell(note("first"))
        await rested(desk, delivery)
        outbox.asked = outbox.marked = 0
        for n in range(5):
            await desk.tell(note(f"n{n}"))
            await rested(desk, delivery)
    assert (outbox.asked, outbox.marked) == (0, 0)
    assert phone.titles() == ["first", *(f"n{n}" for n in range(5))]
    assert await states(desk) == ["sent"] * 6


async def test_of_several_at_once_the_most_urgent_goes_straight(desk: Post) -> None:
    outbox = desk.outbox = Reading(desk.database, desk.wall)
    phone = Phone()
    delivery = desk.delivery(phone)
    async with running(delivery):
        await desk.tell(note("first"))
        await rested(desk, delivery)
        outbox.marked = 0
        await desk.tell(note("a"), risk("halted"), note("b"))
        await desk.all_told()
    assert phone.titles() == ["first", "halted", "a", "b"]
    assert outbox.marked == 2


async def test_what_was_claimed_is_not_lost_to_a_wake_and_goes_before_what_came_later(desk: Post) -> None:
    phone = PacedPhone()
    delivery = desk.delivery(phone)
    async with running(delivery):
        phone.let()
        await desk.tell(note("first"))
        await rested(desk, delivery)
        await desk.tell(note("claimed"))
        assert await states(desk) == ["sent", "sending"]
        await desk.tell(note("later"))
        await until(lambda: phone.waiting == 2)
        for _ in range(3):
            await delivery.tick()
        phone.let(9)
        await desk.all_told()
    assert phone.titles() == ["first", "claimed", "later"]


async def test_what_was_claimed_in_a_crash_is_sent_once_more_and_marked(desk: Post) -> None:
    first = Phone()
    delivery = desk.delivery(first)
    async with running(delivery):
        await desk.tell(note("first"))
        await rested(desk, delivery)
        desk.journal.mail.clear()  # the process dies between the commit and its worker
        await desk.tell(note("claimed"))
    second = Phone()
    assert await desk.delivery(second).drain(SOON) == 0
    assert [(told.card.title, told.card.lines) for told in second.told] == [("claimed", (REPEAT,))]


async def test_what_was_claimed_and_had_not_left_when_it_was_stopped_is_no_repeat(desk: Post) -> None:
    phone = PacedPhone()
    delivery = desk.delivery(phone, grace=timedelta(milliseconds=20))
    async with running(delivery):
        phone.let()
        await desk.tell(note("first"))
        await rested(desk, delivery)
        await desk.tell(note("claimed"))
        await until(lambda: phone.waiting == 2)
        assert await states(desk) == ["sent", "sending"]
    assert await states(desk) == ["sent", "pending"]
    second = Phone()
    assert await desk.delivery(second).drain(SOON) == 0
    assert [(told.card.title, told.card.lines) for told in second.told] == [("claimed", ())]


async def test_a_commit_that_fails_holds_up_nothing_for_long(desk: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.delivery.line._PROMISE", 0.05)
    phone = Phone()
    delivery = desk.delivery(phone)
    async with running(delivery):
        await desk.tell(note("first"))
        await rested(desk, delivery)
        assert delivery.claims(PHONE)  # for a commit that never comes
        await desk.tell(note("next"))
        async with asyncio.timeout(5):
            while len(phone.told) < 2:
                await delivery.tick()
                await asyncio.sleep(0.005)
    assert phone.titles() == ["first", "next"]


async def test_a_chat_that_was_just_told_something_or_is_down_is_not_claimed(desk: Post) -> None:
    phone = Phone()
    delivery = desk.delivery(phone, calm=SECOND)
    assert not delivery.claims(PHONE)  # nobody works here yet
    async with running(delivery):
        assert not delivery.claims(PHONE)  # what waits for it is not known yet
        await desk.tell(note("first"))
        await desk.all_told()
        await until(lambda: delivery._line(PHONE).idle)
        assert not delivery.claims(PHONE)
        desk.wall.advance(SECOND)
        phone.faults = [ChatDown("cut")] * 3
        await desk.tell(note("second"))
        await until(lambda: len(phone.faults) < 3)
        assert not delivery.claims(PHONE)
        await desk.all_told()
        desk.wall.advance(SECOND)
        await until(lambda: delivery._line(PHONE).idle)
        assert delivery.claims(PHONE)
        assert not delivery.claims(PHONE)  # one at a time
    assert not delivery.claims(PHONE)
    assert phone.titles() == ["first", "second"]


@pytest.mark.parametrize("stops", [(1, 2, 3), (0, 0, 5), (4, 1, 1)])
async def test_stopped_and_started_amid_many_alerts_each_is_told_once_in_order(
    desk: Post, stops: tuple[int, ...]
) -> None:
    """A platform that takes some, then a stop as by SIGTERM, and the next process."""
    desk.routes = lambda _: [Route(destination=PHONE, lane=Lane.FILL)]
    told: list[Told] = []
    expected = [f"n{n}" for n in range(12)]
    for number, taken in enumerate(stops):
        phone = PacedPhone()
        async with running(desk.delivery(phone, grace=timedelta(milliseconds=20))):
            await desk.tell(*map(note, expected[4 * number : 4 * number + 4]))
            phone.let(taken)
            await until(lambda phone=phone, taken=taken: len(phone.told) == taken)  # type: ignore[misc]
        told += phone.told
    last = Phone()
    assert await desk.delivery(last).drain(SOON) == 0
    told += last.told
    assert [each.card.title for each in told] == expected
    assert not any(REPEAT in each.card.lines for each in told)
    assert len({each.key for each in told}) == 12
