"""The real process on a stage: a simulated market played step by step, Telegram and Discord on fakes, and people in
front of both. Everything keeps the market's time, so that the same scene is the same transcript every time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bot import bootstrap, markets
from bot.delivery.ports import Paced
from bot.library import Library
from bot.process import Gavel
from bot.settings import Settings
from tests.chat.drivers import until
from tests.fakes import discord_api, telegram_api
from tests.fakes.discord_api import DESK, GUILD, DiscordApi
from tests.fakes.telegram_api import Flood, TelegramApi
from trading import playbook as playbooks
from trading.clock import ManualClock
from trading.market.moments import Step
from trading.status import Armed, DeskStatus

ANN, OTTO = 11, 12
PLACES = (f"telegram:{ANN}", f"discord:{DESK}")
_UNPACED = Flood(every=0.001, burst=500)  # the adapter keeps Telegram's pace all the same


@dataclass
class Stage:
    process: Gavel
    wall: ManualClock
    telegram: TelegramApi
    discord: DiscordApi
    steps: Iterator[Step] = field(init=False)

    def __post_init__(self) -> None:
        self.steps = iter(self.process.market.feed.steps(self.process.resumed_at))

    async def play(self, done: Callable[[DeskStatus], bool]) -> None:
        """The market goes on, and everybody is told what there is to tell, until that is so."""
        while not done(self.process.desk.status()):
            step = next(self.steps)
            self.wall.set(max(step.at, self.wall.now()))
            await self.process.player.play(step)
            await self.told()

    async def pass_by(self, *, minutes: int) -> None:
        until_then = self.wall.now() + timedelta(minutes=minutes)
        await self.play(lambda _: self.wall.now() >= until_then)

    async def told(self) -> None:
        """All words have gone, and whatever comes next can go at once."""
        outbox = self.process.housekeeping.telling.memory.outbox
        async with asyncio.timeout(60):
            while set(await outbox.depth()) & set(PLACES):  # noqa: ASYNC110 - a table: nothing wakes us
                await asyncio.sleep(0.005)
            for chat in self.process.chats.running:
                assert isinstance(chat, Paced)
                await chat.await_turn(next(place for place in PLACES if place.startswith(chat.platform)))

    # --- people -----------------------------------------------------------------------------------------------------

    async def say(self, text: str) -> None:
        """Ann types it on Telegram, and is answered."""
        before = len(self.telegram.inbox(ANN))
        self.telegram.person(ANN).type(text)
        await until(lambda: len(self.telegram.inbox(ANN)) > before, f"an answer to {text}")
        await self.told()

    async def tap(self, label: str) -> None:
        """Ann taps a button of the newest message that has it; the answer takes its place."""
        message = next(m for m in reversed(self.telegram.inbox(ANN)) if any(k["text"] == label for k in _keys(m)))
        before = message.text
        self.telegram.person(ANN).tap(message, label)
        await until(lambda: message.text != before, f"what comes of {label}")
        await self.told()

    async def slash(self, who: int, name: str, **options: Any) -> None:
        await self.discord.person(who).slash(name, **options).over()
        await self.told()

    async def press(self, who: int, label: str) -> None:
        """A button of the newest message in the channel that has it."""
        message = next(m for m in reversed(self.discord.inbox(reader=who)) if label in m.labels)
        before = message.text
        await self.discord.person(who).tap(message, label).over()
        await until(lambda: message.text != before, f"what comes of {label}")
        await self.told()


def _keys(message: telegram_api.Message) -> list[dict[str, str]]:
    return [key for row in message.keyboard for key in row]


@asynccontextmanager
async def a_stage(directory: Path, *, seed: int) -> AsyncIterator[Stage]:
    """Ann is an admin by the environment; Otto stands in the Discord server, and is nobody yet."""
    wall = ManualClock(markets.SIM_STARTS)
    async with AsyncExitStack() as opened:
        telegram = await opened.enter_async_context(TelegramApi(flood=_UNPACED))
        discord = await opened.enter_async_context(DiscordApi())
        telegram.person(ANN, "Ann")
        discord.person(ANN, "Ann")
        discord.person(OTTO, "Otto")
        settings = Settings(
            _env_file=None,
            TELEGRAM_BOT_TOKEN=telegram_api.TOKEN,
            TELEGRAM_ALLOWED_USERS=str(ANN),
            TELEGRAM_BASE_URL=telegram.url,
            DISCORD_BOT_TOKEN=discord_api.TOKEN,
            DISCORD_ALLOWED_USERS=str(ANN),
            DISCORD_GUILD_ID=GUILD,
            DISCORD_CHANNEL_ID=DESK,
            DISCORD_API_BASE=discord.base,
            DISCORD_GATEWAY_URL=discord.gateway_url,
        )
        opened.enter_context(patch.object(bootstrap, "SystemClock", lambda: wall))
        process = await opened.enter_async_context(a_process(directory, seed=seed, speed=1.0, settings=settings))
        stage = Stage(process, wall, telegram, discord)
        jobs = [process.housekeeping.delivery.run(), *(chat.run() for chat in process.chats.running)]
        tasks = [asyncio.create_task(job) for job in jobs]
        try:
            await until(lambda: all(c.state.state is Armed.ARMED for c in process.chats.running), "both chats")
            await until(lambda: discord.commands, "Discord's commands")
            yield stage
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(chat.close() for chat in process.chats.running))


@asynccontextmanager
async def a_process(
    directory: Path, *, seed: int, speed: float | None = None, settings: Settings | None = None
) -> AsyncIterator[Gavel]:
    """A desk in the simulated market, put together as `gavel run` does it; nothing of it is at work yet."""
    playbook = playbooks.load("desk")
    wanted = bootstrap.Wanted(
        market=markets.simulated(seed, playbook),
        playbook=playbook,
        library=Library(directory, playbook),
        data_dir=directory,
        speed=speed,
        quiet=True,
        mute=True,
    )
    async with bootstrap.assembled(settings or Settings(_env_file=None), wanted) as process:
        try:
            yield process
        finally:
            await process.housekeeping.close("the scene is over")
            await process.studio.close()
