"""A whole house behind a chat: a real desk on a paper venue, its journal in SQLite, the real gate, people of each role.

Whatever chat stands in front of it, the answers are recorded here, so that a test can hold what a phone shows against
what was said.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.front import Front
from bot.gate import Surface
from bot.library import Library
from bot.people import Directory
from bot.reach import Tools, Voices
from bot.render.words import RenderContext
from bot.routing import Routing
from bot.shadows import Begin, Shadows
from bot.surface import Card, Identity, MenuLine, Request, Role
from bot.wishes import Wishes
from storage.confirmations import Confirmations
from storage.database import Database
from storage.journal import SqlJournal
from storage.outbox import Outbox
from storage.people import Register
from storage.preferences import Preferences
from storage.queries import Queries
from storage.tallies import Tallies
from storage.wishes import WishList
from tests.desks import Bench, a_desk, a_house, two_markets
from tests.surfaces import NoLog, NoVoices
from trading.clock import ManualClock
from trading.errors import Misuse
from trading.viewing import Viewing

WALL = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
PLATFORMS = ("telegram", "discord", "console")
IDS = {"ann": "11", "otto": "12", "vera": "13", "bea": "14", "eve": "666"}  # the same on every platform
ROLES = {"ann": Role.ADMIN, "otto": Role.OPERATOR, "vera": Role.VIEWER}  # bea joins where a dialogue says so
BARS = 900

PHASES = (
    {"name": "calm", "max_positions": 2, "max_hold": "6h", "note": "small and slow"},
    {"name": "final", "max_positions": 5},
)


@dataclass
class Recorder:
    """Stands between a chat and the gate, and keeps what was said."""

    surface: Surface
    said: list[tuple[Request, Card | None]] = field(default_factory=list)

    async def handle(self, request: Request) -> Card | None:
        card = await self.surface.handle(request)
        self.said.append((request, card))
        return card

    async def shown(self, card: Card, destination: str, reference: str) -> None:
        await self.surface.shown(card, destination, reference)

    def growing(self, card: Card, every: float) -> AsyncGenerator[Card, None]:
        return self.surface.growing(card, every)

    def suggest(self, request: Request, command: str, argument: str, typed: str) -> tuple[str, ...]:
        return self.surface.suggest(request, command, argument, typed)

    def menu(self, role: Role | None) -> tuple[MenuLine, ...]:
        return self.surface.menu(role)

    def members(self, platform: str) -> tuple[tuple[Identity, Role], ...]:
        return self.surface.members(platform)

    def dark(self, destination: str) -> bool:
        return self.surface.dark(destination)


@dataclass
class House:
    bench: Bench
    database: Database
    wall: ManualClock
    routing: Routing
    directory: Directory
    confirmations: Confirmations
    wishes: Wishes
    outbox: Outbox
    queries: Queries
    service: Recorder

    @property
    def desk(self) -> Front:
        return self.service.surface._tools.desk  # type: ignore[return-value]

    def later(self, seconds: float) -> None:
        """Time goes by on the wall; the market stands still."""
        self.wall.set(self.wall.now() + timedelta(seconds=seconds))

    async def hold(self) -> str:
        """A protected long position in BTC; its id."""
        return (await self.bench.enter()).id


async def _no_shadow(name: str) -> Begin:
    raise Misuse(f"This house has no room for a shadow of {name}.")


@asynccontextmanager
async def a_house_of(directory: Path, *, voices: Voices | None = None) -> AsyncIterator[House]:
    database = await Database.open(directory / "gavel.db")
    wall = ManualClock(WALL)
    ann = [int(IDS["ann"])]
    people = await Directory.open(Register(database, wall), telegram=ann, discord=ann)
    await _settle_people(people)
    wishes = await Wishes.open(WishList(database, wall))
    routing = Routing(["console:main", f"telegram:{IDS['ann']}"], wishes=wishes, owner=people.owner)
    journal = SqlJournal(database, route=routing, wall=wall)
    playbook = a_house(phases=PHASES, title="A house for tests")
    bench = await a_desk(*two_markets(BARS), journal=journal, playbook=playbook)
    queries = Queries(database)
    shadows = Shadows(
        live=bench.desk,
        records=queries,
        feed=bench.feed,
        played=bench.feed.steps,
        prepare=_no_shadow,
        anew=lambda _: None,
    )
    viewing = Viewing(market=bench.view, book=bench.desk.book, playbook=bench.desk.playbook)
    bench.desk.followers.append(viewing.use)
    front = Front(bench.desk, chats=lambda: (), shadows=shadows, viewing=viewing)
    confirmations, outbox = Confirmations(database, wall), Outbox(database, wall)
    tools = Tools(
        desk=front,
        records=queries,
        figures=Tallies(database),
        confirmations=confirmations,
        people=people,
        preferences=Preferences(database),
        wishes=wishes,
        mail=outbox,
        routing=routing,
        library=Library(directory),
        log=NoLog(),
        voices=voices or NoVoices(),
        about=RenderContext(market="a test"),
        version="0.1.0",
    )
    house = House(
        bench=bench,
        database=database,
        wall=wall,
        routing=routing,
        directory=people,
        confirmations=confirmations,
        wishes=wishes,
        outbox=outbox,
        queries=queries,
        service=Recorder(Surface(tools)),
    )
    yield house
    await bench.kill()
    await shadows.close()
    await database.close()


async def _settle_people(people: Directory) -> None:
    """Everybody of IDS but the stranger and Bea has an account on each platform, and is one person on all of them."""
    owner = people.named("console:owner")
    assert owner is not None
    for platform in ("telegram", "discord"):
        await people.link(owner.id, f"{platform}:{IDS['ann']}")
    for name in ("otto", "vera"):
        person = await people.add(f"telegram:{IDS[name]}", ROLES[name], name=name, by="a test")
        for platform in ("discord", "console"):
            await people.link(person.id, f"{platform}:{IDS[name]}")
