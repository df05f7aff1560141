"""A Discord adapter in front of a small service, on the wire: what the tests of Discord share."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from bot.arguments import Base, Count, OneOf, Words
from bot.catalogue import Effect, Entry
from bot.chats.discord import Discord, Timing
from bot.chats.pace import Limit, Limits
from bot.pictures import Picture
from bot.surface import Button, Card, Identity, MenuLine, Request, Role, Style
from tests.fakes.discord_api import TOKEN, DiscordApi, until
from tests.fakes.discord_store import GUILD
from trading.clock import SystemClock
from trading.status import Armed

ANN, OTTO, VERA, EVE = 11, 12, 13, 666
ROLES = {str(ANN): Role.ADMIN, str(OTTO): Role.OPERATOR, str(VERA): Role.VIEWER}

QUICK = Timing(
    call=timedelta(seconds=5),
    ready=timedelta(seconds=5),
    guilds=timedelta(seconds=0.02),
    settle=timedelta(seconds=0.02),
    first_pause=timedelta(seconds=0.05),
    longest_pause=timedelta(seconds=0.2),
    stop=timedelta(seconds=0.3),
    growth=timedelta(seconds=0.01),
    growth_in_group=timedelta(seconds=0.01),
)
_MANY = (Limit(count=500, seconds=1.0),)
FAST = Limits(private=_MANY, group=_MANY, overall=_MANY)

QUESTION = Card(
    title="PAPER close BTC?",
    buttons=(
        Button(label="Yes", data="cf:1a2b", style=Style.DANGER),
        Button(label="No", data="no:1a2b"),
    ),
)
CODED = Card(title="PAPER flatten?", buttons=(Button(label="Flatten", data="cf:9f9f", form="Type 4821"),))
REFUSED = Card(title="PAPER refused", lines=("only ann can answer this question",), refused=True)


async def _unused(*_: Any, **__: Any) -> Card:
    raise AssertionError("the tests of a chat run no command")


def an_entry(path: str, role: Role, *args: Base, help: str = "", private: bool = False) -> Entry:
    words = {"example": f"/{path}", "help": help or f"About {path}"}
    return Entry(path=path, role=role, effect=Effect.READS, run=_unused, args=args, private=private, **words)


def catalogue(*entries: Entry) -> dict[str, Entry]:
    return {entry.path: entry for entry in entries}


COMMANDS = catalogue(
    an_entry("positions", Role.VIEWER),
    an_entry(
        "trades",
        Role.VIEWER,
        Count(name="n", help="how many", most=50),
        OneOf(name="by", help="by what", known=("day", "week")),
    ),
    an_entry("why", Role.VIEWER, Base(name="decision", help="which one", required=True)),
    an_entry("ask", Role.VIEWER, Words(name="question", help="what you want to know")),
    an_entry("balance", Role.VIEWER, private=True),
    an_entry("breaker", Role.VIEWER),
    an_entry("breaker reset", Role.OPERATOR, Words(name="reason", help="why")),
    an_entry("close", Role.OPERATOR, Base(name="position", help="which one", required=True)),
    an_entry("flatten", Role.OPERATOR),
    an_entry("halt", Role.OPERATOR, Words(name="reason", help="why")),
    an_entry("set", Role.ADMIN, Base(name="key", help="which", required=True), Base(name="value", help="to what")),
)


@dataclass
class Desk:
    """A service that notes every request and answers by a table."""

    requests: list[Request] = field(default_factory=list)
    answers: dict[str, Card | None] = field(default_factory=dict)
    slow: dict[str, asyncio.Event] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    asked_at: list[tuple[str, str, str]] = field(default_factory=list)  # token, destination, reference
    suggestions: tuple[str, ...] = ("BTC", "ETH")
    typing: list[tuple[str, str, str]] = field(default_factory=list)
    roles: Mapping[str, Role] = field(default_factory=lambda: dict(ROLES))

    async def handle(self, request: Request) -> Card | None:
        self.requests.append(request)
        asked = request.button or request.text
        if asked in self.slow:
            await self.slow[asked].wait()
        self.done.append(asked)
        if request.who.id not in self.roles:
            return Card(title="This desk is private.")
        return self.answers.get(asked, Card(title=f"PAPER answer to {asked}"))

    async def shown(self, card: Card, destination: str, reference: str) -> None:
        if card.token:
            self.asked_at.append((card.token, destination, reference))

    async def growing(self, card: Card, every: float) -> AsyncGenerator[Card, None]:
        for grown in ():
            yield grown

    def suggest(self, request: Request, command: str, argument: str, typed: str) -> tuple[str, ...]:
        self.typing.append((command, argument, typed))
        return self.suggestions if request.who.id in self.roles else ()

    def menu(self, role: Role | None) -> tuple[MenuLine, ...]:
        return ()

    def members(self, platform: str) -> tuple[tuple[Identity, Role], ...]:
        return tuple((Identity(platform=platform, id=id), role) for id, role in self.roles.items())

    def dark(self, destination: str) -> bool:
        return destination.startswith("discord:@")

    @property
    def heard(self) -> list[str]:
        return [r.button or r.text for r in self.requests]


@dataclass
class Painter:
    """Draws a few bytes, or fails."""

    failing: bool = False
    drawn: list[tuple[Picture, bool]] = field(default_factory=list)

    async def draw(self, picture: Picture, *, dark: bool) -> bytes:
        self.drawn.append((picture, dark))
        if self.failing:
            raise RuntimeError("no ink")
        return b"\x89PNG"


@dataclass
class Troubles:
    seen: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, kind: str, detail: str) -> None:
        self.seen.append((str(kind), detail))

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.seen]


@dataclass
class World:
    api: DiscordApi
    desk: Desk
    troubles: Troubles
    painter: Painter
    discord: Discord
    task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = asyncio.create_task(self.discord.run())

    async def up(self) -> None:
        self.start()
        await until(lambda: self.discord.state.state is Armed.ARMED and self.api.commands)

    async def rest(self) -> None:
        """Stop listening; the way out stays open."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            self.task = None

    async def stop(self) -> None:
        await self.rest()
        await self.discord.close()

    async def restart(self) -> None:
        """As a new process would come up: nothing is remembered."""
        await self.stop()
        self.discord = a_discord(self.api, self.desk, self.troubles, self.painter)
        await self.up()


def a_discord(
    api: DiscordApi, desk: Desk, troubles: Troubles | None = None, painter: Painter | None = None, **more: Any
) -> Discord:
    usual: dict[str, Any] = {
        "token": TOKEN,
        "guild": GUILD,
        "service": desk,
        "clock": SystemClock(),
        "commands": COMMANDS,
        "api_base": api.base,
        "gateway": api.gateway_url,
        "on_trouble": troubles,
        "artist": painter,
        "limits": FAST,
        "timing": QUICK,
    }
    return Discord(**{**usual, **more})


@asynccontextmanager
async def a_world(api: DiscordApi, **more: Any) -> AsyncIterator[World]:
    for id, name in ((ANN, "Ann"), (OTTO, "Otto"), (VERA, "Vera"), (EVE, "Eve")):
        api.person(id, name)
    desk, troubles, painter = Desk(), Troubles(), Painter()
    world = World(api, desk, troubles, painter, a_discord(api, desk, troubles, painter, **more))
    try:
        yield world
    finally:
        await world.stop()
