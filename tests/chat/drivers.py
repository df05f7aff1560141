"""Hands and eyes of the people in the dialogues: the same few gestures on every chat.

A driver types, taps and looks through the platform's own door: the fake Bot API, SimCord's Discord, a terminal's pipes.
"""

import asyncio
import io
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from bot.catalogue import Argument, BadArguments, Entry, actions, find
from bot.chats.console import Console
from bot.chats.discord import Discord
from bot.chats.pace import Limit, Limits
from bot.chats.telegram import Telegram, Timing
from bot.reach import Tools
from bot.surface import CANCEL, CONFIRM, Card, Identity
from tests.chat.discord_stage import QUICK as DISCORD_QUICK
from tests.chat.house import IDS, House
from tests.fakes.discord_api import GUILD, DiscordApi
from tests.fakes.discord_api import TOKEN as DISCORD_TOKEN
from tests.fakes.telegram_api import TOKEN, Flood, TelegramApi
from trading.status import Armed

GROUP = -1001
QUICK = Timing(
    poll=timedelta(seconds=1),
    settle=timedelta(seconds=0.5),
    read=timedelta(seconds=2),
    first_pause=timedelta(seconds=0.05),
    longest_pause=timedelta(seconds=0.2),
    stop=timedelta(seconds=0.3),
    growth=timedelta(seconds=0.01),
    growth_in_group=timedelta(seconds=0.01),
)
MANY = (Limit(count=500, seconds=1.0),)
FAST = Limits(private=MANY, group=MANY, overall=MANY)


@dataclass(frozen=True)
class Seen:
    """A message as it stands on somebody's screen."""

    id: str
    text: str
    buttons: tuple[str, ...]
    raw: Any = None


class Driver(Protocol):
    platform: str
    forms: bool  # a button can ask for a word

    async def type(self, who: str, text: str, *, room: bool) -> None: ...

    async def tap(self, who: str, on: Seen, label: str, typed: str = "", *, room: bool) -> None: ...

    def seen(self, who: str, *, room: bool) -> list[Seen]:
        """The bot's messages that he sees there, oldest first."""
        ...


def words(text: str) -> str:
    """What is said, whatever stands between the words."""
    return " ".join(text.split())


async def until(condition: Callable[[], object], what: str, within: float = 10.0) -> None:
    try:
        async with asyncio.timeout(within):
            while not condition():  # noqa: ASYNC110 - sockets and threads: nothing of ours to be woken by
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise AssertionError(f"waited in vain for {what}") from None


# --- telegram ---------------------------------------------------------------------------------------------------------


@dataclass
class OnTelegram:
    api: TelegramApi
    platform: str = "telegram"
    forms: bool = False

    def _chat(self, who: str, room: bool) -> int:
        return GROUP if room else int(IDS[who])

    async def type(self, who: str, text: str, *, room: bool) -> None:
        self.api.person(int(IDS[who]), who.capitalize()).type(text, chat=self._chat(who, room))

    async def tap(self, who: str, on: Seen, label: str, typed: str = "", *, room: bool) -> None:
        if typed:
            await self.type(who, typed, room=room)
            return
        self.api.person(int(IDS[who])).tap(on.raw, label)

    def seen(self, who: str, *, room: bool) -> list[Seen]:
        """What a tap on somebody else's question is answered with is shown for a moment, to who tapped alone."""
        found = self.api.inbox(self._chat(who, room))
        notes = self.api.person(int(IDS[who])).notes
        return [
            *(Seen(str(m.id), m.text, tuple(key["text"] for row in m.keyboard for key in row), m) for m in found),
            *(Seen(f"note {n}", text, ()) for n, text in enumerate(notes)),
        ]


@asynccontextmanager
async def on_telegram(house: House, _: Path) -> AsyncIterator[OnTelegram]:
    async with TelegramApi(flood=Flood(every=0.001, burst=500)) as api:
        for name, id in IDS.items():
            api.person(int(id), name.capitalize())
        chat = Telegram(token=TOKEN, service=house.service, clock=house.wall, url=api.url, limits=FAST, timing=QUICK)
        running = asyncio.create_task(chat.run())
        await until(lambda: chat.state.state is Armed.ARMED and api.polling, "polling")
        try:
            yield OnTelegram(api)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await chat.close()


# --- discord ----------------------------------------------------------------------------------------------------------


@dataclass
class OnDiscord:
    """Slash commands in the server's channel; their answers, where they are nobody else's business, for one alone."""

    house: House
    api: DiscordApi
    platform: str = "discord"
    forms: bool = True

    def _person(self, who: str) -> Any:
        return self.api.person(int(IDS[who]), who.capitalize())

    async def type(self, who: str, text: str, *, room: bool) -> None:
        entry, left = find(text)
        assert entry is not None, f"Discord offers no {text}"
        name = f"{entry.path} show" if " " not in entry.path and actions(entry.name) else entry.path
        self._person(who).slash(name, **options(entry, left, self.house.service.surface._tools))

    async def tap(self, who: str, on: Seen, label: str, typed: str = "", *, room: bool) -> None:
        if typed:
            await self._person(who).submit(on.raw, label, typed)
        else:
            self._person(who).tap(on.raw, label)

    def seen(self, who: str, *, room: bool) -> list[Seen]:
        found = self.api.inbox(reader=int(IDS[who]))
        return [Seen(str(m.id), m.text, tuple(m.labels), m) for m in found]


def options(entry: Entry, left: str, tools: Tools) -> dict[str, Any]:
    """What would be filled in for the words after a command: each where it fits, what fits nowhere where it is next."""
    found: dict[str, Any] = {}
    open_, rest = list(entry.args), left.split()
    while rest and open_:
        taker = next((a for a in open_ if _fits(a, rest, tools)), open_[0])
        value = " ".join(rest) if taker.rest else rest[0]
        found[taker.name] = int(value) if taker.bounds and value.isdigit() else value
        rest = [] if taker.rest else rest[1:]
        open_.remove(taker)
    return found


def _fits(argument: Argument, rest: list[str], tools: Tools) -> bool:
    try:
        argument.read(" ".join(rest) if argument.rest else rest[0], tools)
    except BadArguments:
        return False
    return True


@asynccontextmanager
async def on_discord(house: House, _: Path) -> AsyncIterator[OnDiscord]:
    async with DiscordApi() as api:
        for name, id in IDS.items():
            api.person(int(id), name.capitalize())
        chat = Discord(
            token=DISCORD_TOKEN,
            guild=GUILD,
            service=house.service,
            clock=house.wall,
            api_base=api.base,
            gateway=api.gateway_url,
            limits=FAST,
            timing=DISCORD_QUICK,
        )
        running = asyncio.create_task(chat.run())
        await until(lambda: chat.state.state is Armed.ARMED and api.commands, "Discord")
        try:
            yield OnDiscord(house, api)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await chat.close()


# --- console ----------------------------------------------------------------------------------------------------------


@dataclass
class _Seat:
    """One person's terminal: what was printed, card by card."""

    console: Console
    out: io.StringIO

    def cards(self) -> list[list[str]]:
        found: list[list[str]] = []
        for line in self.out.getvalue().splitlines():
            if line.startswith("┌"):
                found.append([line[1:]])
            elif line.startswith("│") and found:
                found[-1].append(line[1:])
        return found


@dataclass
class OnConsole:
    """The console has one owner; for the dialogues each person sits at one of his own."""

    house: House
    directory: Path
    seats: dict[str, _Seat] = field(default_factory=dict)
    platform: str = "console"
    forms: bool = False

    def _seat(self, who: str) -> _Seat:
        if who not in self.seats:
            out = io.StringIO()
            id = "owner" if who == "ann" else IDS[who]
            console = Console(
                self.directory / who,
                stop=lambda: None,
                interactive=False,
                stdin=io.StringIO(),
                stdout=out,
                now=self.house.wall.now,
                owner=Identity(platform="console", id=id, name="" if who == "ann" else who.capitalize()),
            )
            self.seats[who] = _Seat(console, out)
        return self.seats[who]

    async def type(self, who: str, text: str, *, room: bool) -> None:
        await self._seat(who).console.answer(text, self.house.service)

    async def tap(self, who: str, on: Seen, label: str, typed: str = "", *, room: bool) -> None:
        data = next(b.data for b in on.raw.buttons if b.label == label)
        said = typed or (
            f"/confirm {data.removeprefix(CONFIRM)}"
            if data.startswith(CONFIRM)
            else f"/cancel {data.removeprefix(CANCEL)}"
            if data.startswith(CANCEL)
            else data.partition(":")[2]
        )
        await self.type(who, said, room=room)

    def seen(self, who: str, *, room: bool) -> list[Seen]:
        """The hints under a card stand for its buttons; they are compared with the card that was answered."""
        said = [c for r, c in self.house.service.said if r.who.id == self._seat(who).console.owner.id and c]
        shown = self._seat(who).cards()
        return [
            Seen(f"{who}-{n}", _without_hints(lines, card), tuple(b.label for b in card.buttons), card)
            for n, (lines, card) in enumerate(zip(shown, said, strict=False))
        ]


def _without_hints(lines: list[str], card: Card) -> str:
    kept = [line for line in lines if not re.match(r"\s*(> /|Type yes to confirm)", line)]
    return " ".join(kept)


@asynccontextmanager
async def on_console(house: House, directory: Path) -> AsyncIterator[OnConsole]:
    driver = OnConsole(house, directory)
    try:
        yield driver
    finally:
        for seat in driver.seats.values():
            seat.console.close()
