"""A Telegram adapter, with the real library, between the fake Bot API and a desk that answers by a table."""

import asyncio
import struct
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pydantic import SecretStr

from bot.chats.pace import Limit, Limits
from bot.chats.telegram import Telegram, Timing
from bot.pictures import Picture
from bot.surface import Artist, Button, Card, Identity, MenuLine, Request, Role
from tests.fakes.telegram_api import TOKEN, Flood, TelegramApi
from trading.clock import SystemClock
from trading.status import Armed

ANN, BOB, STRANGER, GROUP = 7, 8, 666, -1001
NAMES = {ANN: "Ann", BOB: "Bob", STRANGER: "Mallory"}
QUICK = Timing(
    poll=timedelta(seconds=1),
    settle=timedelta(seconds=0.5),
    read=timedelta(seconds=2),
    first_pause=timedelta(seconds=0.05),
    longest_pause=timedelta(seconds=0.2),
    stop=timedelta(seconds=0.3),
)
MANY = (Limit(count=50, seconds=1.0),)
FAST = Limits(private=MANY, group=MANY, overall=MANY)
CONFIRM = Card(title="Resume?", buttons=(Button(label="Yes", data="cf:1a2b"), Button(label="No", data="no:1a2b")))
LINES = {
    Role.VIEWER: ("status", "help"),
    Role.OPERATOR: ("status", "help", "halt"),
    Role.ADMIN: ("status", "help", "halt", "users"),
}


@dataclass
class Desk:
    """Implements Service: it notes every request and answers by a table."""

    requests: list[Request] = field(default_factory=list)
    answers: dict[str, Card | None] = field(default_factory=dict)
    slow: dict[str, asyncio.Event] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    roles: dict[int, Role] = field(default_factory=lambda: {ANN: Role.ADMIN, BOB: Role.OPERATOR})
    stood: list[tuple[str, str, str]] = field(default_factory=list)  # token, destination, reference
    fault: Exception | None = None  # of `shown`
    light: set[str] = field(default_factory=set)  # destinations

    async def handle(self, request: Request) -> Card | None:
        self.requests.append(request)
        asked = request.button or request.text
        if asked in self.slow:
            await self.slow[asked].wait()
        self.done.append(asked)
        return self.answers.get(asked, Card(title=f"answer to {asked}"))

    async def shown(self, card: Card, destination: str, reference: str) -> None:
        if self.fault is not None:
            raise self.fault
        self.stood.append((card.token, destination, reference))

    async def growing(self, card: Card, every: float) -> AsyncGenerator[Card, None]:
        for grown in ():
            yield grown

    def suggest(self, request: Request, command: str, argument: str, typed: str) -> tuple[str, ...]:
        return ()

    def menu(self, role: Role | None) -> tuple[MenuLine, ...]:
        return tuple(MenuLine(name=name, help=f"About {name}") for name in (LINES[role] if role else ()))

    def members(self, platform: str) -> tuple[tuple[Identity, Role], ...]:
        return tuple((Identity(platform=platform, id=str(id)), role) for id, role in self.roles.items())

    def dark(self, destination: str) -> bool:
        return destination not in self.light

    @property
    def asked(self) -> list[tuple[str, str, str]]:
        return [(r.who.key, r.place, r.button or r.text) for r in self.requests]


@dataclass
class Troubles:
    seen: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, kind: str, detail: str) -> None:
        self.seen.append((str(kind), detail))

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.seen]


@dataclass
class Painter:
    """Implements Artist: a grey field, different for each title and theme."""

    drawn: list[tuple[Picture, bool]] = field(default_factory=list)
    slow: dict[str, asyncio.Event] = field(default_factory=dict)
    fault: Exception | None = None

    async def draw(self, picture: Picture, *, dark: bool) -> bytes:
        if picture.title in self.slow:
            await self.slow[picture.title].wait()
        self.drawn.append((picture, dark))
        if self.fault is not None:
            raise self.fault
        return png(picture.title)


def png(comment: str = "", *, width: int = 4, height: int = 3) -> bytes:
    """A small real picture that carries a comment."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = zlib.compress((b"\x00" + b"\x80" * width) * height)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    note = chunk(b"tEXt", b"Comment\x00" + comment.encode("latin-1", "replace"))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + note + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while True:
            if condition():
                return
            await asyncio.sleep(0.002)


@dataclass
class World:
    api: TelegramApi
    desk: Desk
    troubles: Troubles
    telegram: Telegram
    painter: Painter = field(default_factory=Painter)
    task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = asyncio.create_task(self.telegram.run())

    async def up(self) -> None:
        self.start()
        await until(lambda: self.telegram.state.state is Armed.ARMED)

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await self.telegram.close()

    async def send(self, card: Card, *, to: int | str = ANN, key: str = "k", silent: bool = False, **more: Any) -> str:
        destination = f"telegram:{to}"
        return await self.telegram.send(destination, card, key=key, silent=silent, **more)

    async def send_and_hear(self, text: str, who: int = ANN) -> None:
        """Somebody says something and has his answer."""
        before = len(self.api.inbox(who))
        self.api.person(who).type(text)
        await until(lambda: len(self.api.inbox(who)) > before)


def a_telegram(
    api: TelegramApi,
    desk: Desk,
    troubles: Troubles,
    *,
    limits: Limits = FAST,
    token: str = TOKEN,
    artist: Artist | None = None,
    rich: bool = True,
    timing: Timing = QUICK,
) -> Telegram:
    return Telegram(
        token=SecretStr(token),
        service=desk,
        clock=SystemClock(),
        url=api.url,
        on_trouble=troubles,
        artist=artist,
        limits=limits,
        timing=timing,
        rich=rich,
    )


@asynccontextmanager
async def a_world(
    *, limits: Limits = FAST, rich: bool = False, native: bool = True, timing: Timing = QUICK
) -> AsyncIterator[World]:
    """`rich`: a server that knows rich messages; `native`: an adapter that would use them."""
    async with TelegramApi(flood=Flood(every=0.01, burst=50), rich=rich) as api:
        for id, name in NAMES.items():
            api.person(id, name)
        api.group(GROUP, privacy=False)
        desk, troubles, painter = Desk(), Troubles(), Painter()
        telegram = a_telegram(api, desk, troubles, limits=limits, artist=painter, rich=native, timing=timing)
        world = World(api, desk, troubles, telegram, painter)
        yield world
        await world.stop()
        known = [c for c in api.calls if c.method != "sendRichMessage"]
        strange = [c for c in known if "unknown" in c.description or c.code == 404]
        assert strange == [], api.transcript()
