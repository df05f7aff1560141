"""Delivery from the real outbox, on a database, to chats in memory."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.delivery import REPEAT, Delivery
from bot.surface import Card, ChatDown, ChatRefused
from storage.database import Database
from storage.journal import SqlJournal
from storage.outbox import Lane, Outbox, Route
from trading.clock import ManualClock
from trading.errors import JournalUnwritable
from trading.messages import Event, TradingHalted, TradingResumed

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PHONE, OTHER, TERMINAL = "telegram:7", "telegram:8", "console:main"
SOON = timedelta(seconds=5)


def note(reason: str) -> Event:
    """An ordinary alert."""
    return TradingResumed(at=START, by="ann", halted_by="", halt_reason=reason)


def risk(reason: str) -> Event:
    return TradingHalted(at=START, by="ann", reason=reason)


def words(event: Event) -> Card | None:
    if isinstance(event, TradingHalted):
        return Card(title=event.reason)
    assert isinstance(event, TradingResumed)
    return None if event.halt_reason == "hush" else Card(title=event.halt_reason)


@dataclass
class Phone:
    """A chat that knows no keys. `faults` come first, one a send."""

    platform: str = "telegram"
    told: list[tuple[str, Card, str, bool]] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    trying: asyncio.Event = field(default_factory=asyncio.Event)
    open: bool = True

    async def send(self, destination: str, card: Card, *, key: str, silent: bool) -> str:
        self.trying.set()
        if not self.open:
            await self.gate.wait()
        if self.faults:
            raise self.faults.pop(0)
        self.told.append((destination, card, key, silent))
        return str(len(self.told))

    def titles(self, destination: str = PHONE) -> list[str]:
        return [card.title for where, card, _, _ in self.told if where == destination]


@dataclass
class PacedPhone(Phone):
    """Lets an alert go whenever the test says so."""

    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def await_turn(self, destination: str) -> None:
        await self.slots.acquire()


class Terminal:
    """A chat in memory that knows its keys."""

    platform = "console"

    def __init__(self) -> None:
        self.shown: dict[str, Card] = {}

    async def send(self, destination: str, card: Card, *, key: str, silent: bool) -> str:
        self.shown.setdefault(key, card)
        return key


class Desk:
    """Journal, outbox and a clock on one temporary database."""

    def __init__(self, database: Database) -> None:
        self.wall = ManualClock(START)
        self.outbox = Outbox(database, self.wall)
        self.to: tuple[str, ...] = (PHONE,)
        self.journal = SqlJournal(database, route=self.route, wall=self.wall)

    def route(self, event: Event) -> Sequence[Route]:
        lane = Lane.RISK if isinstance(event, TradingHalted) else Lane.DECISION
        return [Route(destination=to, lane=lane, silent=lane is Lane.DECISION) for to in self.to]

    def delivery(self, *chats: Phone | Terminal, render: Callable[[Event], Card | None] = words) -> Delivery:
        delivery = Delivery(
            outbox=self.outbox,
            chats={chat.platform: chat for chat in chats},
            render=render,
            wall=self.wall,
            first_pause=timedelta(milliseconds=5),
            longest_pause=timedelta(milliseconds=20),
        )
        self.journal.wake.append(delivery.wake)
        return delivery

    async def tell(self, *events: Event) -> None:
        await self.journal.commit(events)

    async def left(self) -> int:
        return sum(count for count, _ in (await self.outbox.depth()).values())


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its schema, made once: the migration takes longer than any of these tests."""

    async def make(path: Path) -> None:
        await (await Database.open(path)).close()

    path = tmp_path_factory.mktemp("empty") / "desk.db"
    asyncio.run(make(path))
    return path


@pytest.fixture
async def desk(tmp_path: Path, empty: Path) -> AsyncIterator[Desk]:
    shutil.copy(empty, tmp_path / "desk.db")
    database = await Database.open(tmp_path / "desk.db")
    yield Desk(database)
    await database.close()


class Running:
    """`async with Running(delivery)`: its workers are at work."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._delivery.run())

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while True:
            if condition():
                return
            await asyncio.sleep(0.002)


async def all_told(desk: Desk) -> None:
    async with asyncio.timeout(10):
        while True:
            if await desk.left() == 0:
                return
            await asyncio.sleep(0.002)


async def test_alerts_arrive_in_their_order_as_they_happen(desk: Desk) -> None:
    phone = Phone()
    await desk.tell(note("before the start"))
    async with Running(desk.delivery(phone)):
        await until(lambda: len(phone.told) == 1)
        for n in range(5):
            await desk.tell(note(f"n{n}"), note("hush"))
        await all_told(desk)
    assert phone.titles() == ["before the start", "n0", "n1", "n2", "n3", "n4"]
    assert all(silent for *_, silent in phone.told)
    assert len({key for *_, key, _ in phone.told}) == 6


async def test_a_halt_goes_before_the_decisions_that_wait(desk: Desk) -> None:
    phone = PacedPhone()
    async with Running(desk.delivery(phone)):
        await desk.tell(note("a"), note("b"), note("c"))
        phone.slots.release()
        await until(lambda: phone.titles() == ["a"])
        await desk.tell(risk("halted"))
        for _ in range(9):
            phone.slots.release()
        await all_told(desk)
    assert phone.titles() == ["a", "halted", "b", "c"]
    assert [silent for *_, silent in phone.told] == [True, False, True, True]


async def test_while_a_chat_is_down_nothing_is_lost_or_overtaken_and_health_tells(desk: Desk) -> None:
    phone = Phone(faults=[ChatDown("no network")] * 4)
    delivery = desk.delivery(phone)
    await desk.tell(note("a"), note("b"))
    async with Running(delivery):
        await until(lambda: len(phone.faults) <= 2)
        (health,) = await delivery.health()
        assert (health.destination, health.waiting, health.oldest) == (PHONE, 2, START)
        assert (health.error, health.since) == ("no network", START)
        await all_told(desk)
    assert phone.titles() == ["a", "b"]
    (health,) = await delivery.health()
    assert (health.waiting, health.error, health.since, health.dead) == (0, "", None, 0)


async def test_a_pause_that_the_chat_asks_for_is_kept(desk: Desk) -> None:
    phone = Phone(faults=[ChatDown("429", retry_after=0.3)])
    await desk.tell(note("a"))
    began = time.monotonic()
    async with Running(desk.delivery(phone)):
        await until(lambda: not phone.faults)
        await desk.tell(note("b"))  # the news must not cut the pause short
        await all_told(desk)
    assert time.monotonic() - began >= 0.3
    assert phone.titles() == ["a", "b"]


async def test_one_chat_that_hangs_holds_up_no_other(desk: Desk) -> None:
    phone, terminal = Phone(open=False), Terminal()
    desk.to = (PHONE, TERMINAL)
    async with Running(desk.delivery(phone, terminal)):
        await desk.tell(note("a"), note("b"))
        await until(lambda: len(terminal.shown) == 2)
        assert phone.told == []
        phone.open = True
        phone.gate.set()
        await all_told(desk)
    assert phone.titles() == ["a", "b"]


async def test_what_a_destination_refuses_is_dead_and_said_so_and_the_rest_goes_on(desk: Desk) -> None:
    phone = Phone(faults=[ChatRefused("blocked by the user")])
    delivery = desk.delivery(phone)
    await desk.tell(note("a"), note("b"))
    async with Running(delivery):
        await all_told(desk)
    assert phone.titles() == ["b"]
    (health,) = await delivery.health()
    assert (health.dead, health.refusal, health.waiting) == (1, "blocked by the user", 0)


async def test_a_late_alert_says_so(desk: Desk) -> None:
    phone = Phone()
    await desk.tell(note("a"))
    desk.wall.advance(timedelta(minutes=14, seconds=30))
    await desk.tell(note("b"))
    assert await desk.delivery(phone).drain(SOON) == 0
    assert [card.lines for _, card, _, _ in phone.told] == [("late: queued 12:00 UTC, 14 min ago",), ()]


async def test_an_alert_on_its_way_when_the_process_died_is_sent_again_and_marked(desk: Desk) -> None:
    first = Phone(open=False)
    await desk.tell(note("a"), note("b"))
    dying = asyncio.create_task(desk.delivery(first).drain(SOON))
    await first.trying.wait()
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)

    second = Phone()
    assert await desk.delivery(second).drain(SOON) == 0
    assert second.titles() == ["a", "b"]
    assert [card.lines for _, card, _, _ in second.told] == [(REPEAT,), ()]


async def test_a_chat_that_knows_its_keys_shows_nothing_twice_and_no_mark(desk: Desk) -> None:
    desk.to = (TERMINAL,)
    terminal = Terminal()
    await desk.tell(note("a"))
    (row,) = await desk.outbox.pending(TERMINAL, 9)
    await desk.outbox.sending([row.id])  # the last process showed it, and ended before it could say so
    await terminal.send(TERMINAL, Card(title="a"), key=row.key, silent=False)
    assert await desk.delivery(terminal).drain(SOON) == 0
    assert [(card.title, card.lines) for card in terminal.shown.values()] == [("a", ())]


async def test_stopping_lets_a_message_arrive_that_is_on_its_way(desk: Desk) -> None:
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


async def test_a_drain_does_not_wait_for_a_chat_that_is_down(desk: Desk) -> None:
    phone, terminal = Phone(faults=[ChatDown("down")] * 99), Terminal()
    desk.to = (PHONE, TERMINAL)
    await desk.tell(note("a"))
    began = time.monotonic()
    assert await desk.delivery(phone, terminal).drain(SOON) == 1
    assert time.monotonic() - began < 2
    assert len(phone.faults) == 98
    assert len(terminal.shown) == 1


async def test_mail_for_a_chat_that_is_not_there_waits(desk: Desk) -> None:
    delivery = desk.delivery(Terminal())
    await desk.tell(note("a"))
    assert await delivery.drain(SOON) == 1
    (health,) = await delivery.health()
    assert health.error == "there is no telegram chat in this process"
    phone = Phone()
    assert await desk.delivery(phone).drain(SOON) == 0
    assert phone.titles() == ["a"]


async def test_an_alert_is_not_lost_to_a_fault_in_its_wording(desk: Desk) -> None:
    def broken(event: Event) -> Card:
        raise KeyError("price")

    phone = Phone()
    await desk.tell(risk("margin"))
    assert await desk.delivery(phone, render=broken).drain(SOON) == 0
    assert phone.titles() == ["TradingHalted (not worded: KeyError('price'))"]
    assert "margin" in phone.told[0][1].detail[0]


async def test_a_fault_in_a_chat_is_survived(desk: Desk) -> None:
    phone = Phone(faults=[ZeroDivisionError("a bug")])
    await desk.tell(note("a"), note("b"))
    async with Running(desk.delivery(phone)):
        await all_told(desk)
    assert phone.titles() == ["a", "b"]


class Forgetful(Outbox):
    """A database that does not take the answer, twice."""

    refusals = 2

    async def sent_all(self, references: Mapping[int, str]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise JournalUnwritable("disk full")
        await super().sent_all(references)


async def test_what_was_told_is_not_told_again_because_the_database_did_not_note_it(desk: Desk, tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "desk.db")
    desk.outbox = Forgetful(database, desk.wall)
    phone = Phone()
    await desk.tell(note("a"), note("b"))
    async with Running(desk.delivery(phone)):
        await all_told(desk)
    await database.close()
    assert phone.titles() == ["a", "b"]


async def test_every_destination_gets_its_own_copy(desk: Desk) -> None:
    desk.to = (PHONE, OTHER)
    phone = Phone()
    await desk.tell(note("a"))
    assert await desk.delivery(phone).drain(SOON) == 0
    assert phone.titles(PHONE) == phone.titles(OTHER) == ["a"]
    keys = [key for *_, key, _ in phone.told]
    assert len(set(keys)) == 2


async def test_a_replays_alerts_flow_as_fast_as_the_terminal_takes_them(desk: Desk) -> None:
    desk.to = (TERMINAL,)
    terminal = Terminal()
    for start in range(0, 3000, 500):
        await desk.tell(*(note(f"n{n}") for n in range(start, start + 500)))
    began = time.monotonic()
    assert await desk.delivery(terminal).drain(timedelta(seconds=30)) == 0
    took = time.monotonic() - began
    assert [card.title for card in terminal.shown.values()] == [f"n{n}" for n in range(3000)]
    assert took < 3
