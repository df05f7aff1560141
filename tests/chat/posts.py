"""A journal, its outbox and chats in memory: what the tests of the delivery work with. Time stands till it is moved."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.delivery import Delivery
from bot.render.words import RenderContext
from bot.surface import Card, Chat, ChatRefused
from storage.database import Database
from storage.journal import SqlJournal
from storage.outbox import Lane, Outbox, Route
from tests.storage_builders import a_database
from trading.clock import ManualClock
from trading.events import Event, TradingHalted, TradingResumed

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PHONE, OTHER, TERMINAL, DISCORD = "telegram:7", "telegram:8", "console:main", "discord:@9"
SOON = timedelta(seconds=5)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def note(reason: str) -> Event:
    """An ordinary alert."""
    return TradingResumed(at=START, by="ann", halted_by="", halt_reason=reason)


def risk(reason: str) -> Event:
    return TradingHalted(at=START, by="ann", reason=reason)


def words(event: Event, about: RenderContext) -> Card | None:
    if isinstance(event, TradingHalted):
        return Card(title=event.reason)
    assert isinstance(event, TradingResumed)
    return None if event.halt_reason == "hush" else Card(title=event.halt_reason)


@dataclass(frozen=True)
class Told:
    destination: str
    card: Card
    key: str
    silent: bool
    reply_to: str
    reference: str


@dataclass
class Phone:
    """A chat that knows no keys. `faults` come first, one a send."""

    platform: str = "telegram"
    told: list[Told] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    trying: asyncio.Event = field(default_factory=asyncio.Event)
    open: bool = True

    async def send(self, destination: str, card: Card, *, key: str, silent: bool, reply_to: str = "") -> str:
        self.trying.set()
        if not self.open:
            await self.gate.wait()
        if self.faults:
            raise self.faults.pop(0)
        reference = f"m{len(self.told) + 1}"
        self.told.append(Told(destination, card, key, silent, reply_to, reference))
        return reference

    async def edit(self, destination: str, reference: str, card: Card) -> bool:
        return False

    async def pin(self, destination: str, reference: str) -> None:
        raise ChatRefused("nothing is pinned here")

    def titles(self, destination: str = PHONE) -> list[str]:
        return [told.card.title for told in self.told if told.destination == destination]


@dataclass
class PacedPhone(Phone):
    """Lets an alert go whenever the test says so."""

    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    waiting: int = 0

    async def await_turn(self, destination: str) -> None:
        self.waiting += 1
        await self.slots.acquire()

    def let(self, count: int = 1) -> None:
        for _ in range(count):
            self.slots.release()


class Terminal(Phone):
    """A chat in memory that knows its keys."""

    def __init__(self) -> None:
        super().__init__(platform="console")
        self.shown: dict[str, Card] = {}

    async def send(self, destination: str, card: Card, *, key: str, silent: bool, reply_to: str = "") -> str:
        self.shown.setdefault(key, card)
        return key


@dataclass
class Asked:
    """What owners wish, as a test has set it."""

    silence: set[str] = field(default_factory=set)
    pictureless: set[str] = field(default_factory=set)
    digest_every: timedelta = timedelta(hours=1)

    def quiet(self, owner: str, at: datetime) -> bool:
        return owner in self.silence

    def digest_at(self, owner: str, after: datetime) -> datetime:
        return START + self.digest_every * (1 + (after - START) // self.digest_every)

    def pictures(self, owner: str) -> bool:
        return owner not in self.pictureless


Routes = Callable[[Event], Sequence[Route]]


class Post:
    """Journal, outbox and a clock on one temporary database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.wall = ManualClock(START)
        self.outbox = Outbox(database, self.wall)
        self.to: tuple[str, ...] = (PHONE,)
        self.routes: Routes = self.usual
        self.journal = SqlJournal(database, route=lambda event: self.routes(event), wall=self.wall)
        self.wishes = Asked()

    def usual(self, event: Event) -> Sequence[Route]:
        """Halts are urgent, the rest is not and is silent."""
        lane = Lane.RISK if isinstance(event, TradingHalted) else Lane.DECISION
        return [Route(destination=to, lane=lane, silent=lane is Lane.DECISION) for to in self.to]

    def delivery(self, *chats: Chat, **others: Any) -> Delivery:
        usual: Mapping[str, Any] = {
            "outbox": self.outbox,
            "chats": {chat.platform: chat for chat in chats},
            "render": words,
            "wall": self.wall,
            "wishes": self.wishes,
            "first_pause": timedelta(milliseconds=5),
            "longest_pause": timedelta(milliseconds=20),
        }
        delivery = Delivery(**{**usual, **others})
        self.journal.mail[:] = [delivery.hear]
        self.journal.claim = delivery.claims
        return delivery

    async def tell(self, *events: Event) -> None:
        await self.journal.commit(events)

    async def left(self) -> int:
        return sum(count for count, _ in (await self.outbox.depth()).values())

    async def all_told(self) -> None:
        async with asyncio.timeout(10):
            while True:
                if await self.left() == 0:
                    return
                await asyncio.sleep(0.002)


@asynccontextmanager
async def a_post(directory: Path) -> AsyncIterator[Post]:
    database = await a_database(directory / "desk.db")
    yield Post(database)
    await database.close()


@asynccontextmanager
async def running(delivery: Delivery) -> AsyncIterator[None]:
    """Its workers are at work."""
    task = asyncio.create_task(delivery.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while True:
            if condition():
                return
            await asyncio.sleep(0.002)
