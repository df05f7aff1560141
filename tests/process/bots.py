"""The real `gavel run` with the fakes of its chats at the other end, and what it leaves in its directory."""

import asyncio
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from tests.fakes.discord_api import DESK, GUILD, DiscordApi
from tests.fakes.discord_api import TOKEN as DISCORD_TOKEN
from tests.fakes.telegram_api import TOKEN, Message, Person, TelegramApi
from tests.process import program

# One instrument: a chat is written to only once a second, and a trade makes eight alerts.
ONE = re.sub(r"universe = .*", 'universe = ["BTC"]', program.BUSY)
# Nor the exits that have a card for every step: an answer must not wait behind them.
ONE = re.sub(r"(break_even|partials|trailing) = .*\n", "", ONE)
# And a position that stays while people ask for it.
LASTING = re.sub(r"(take_profit|stop_loss|early_loss) = .*", r"\1 = 0.05", ONE).replace('"30m"', '"24h"')

SECRETS = (TOKEN.partition(":")[2], DISCORD_TOKEN.rpartition(".")[2])  # the parts that nobody could guess


class Bot:
    """One process after the other, and where they live. Without `discord` it is armed with Telegram alone."""

    def __init__(self, place: Path, telegram: TelegramApi, discord: DiscordApi | None = None) -> None:
        self.place = place
        self.data = place / "data"
        self.telegram = telegram
        self.discord = discord

    @asynccontextmanager
    async def life(
        self, playbook: str, *, speed: int, users: tuple[int, ...], discord_users: tuple[int, ...] = ()
    ) -> AsyncIterator[subprocess.Popen[str]]:
        """From its start to SIGTERM, unless it was killed before; it connects in between."""
        (self.place / "busy.toml").write_text(playbook)
        polls, identified = (
            len(self.telegram.made("getUpdates")),
            self.discord.gateway.identified if self.discord else 0,
        )
        process = program.start(
            "run", "--speed", str(speed), "--data-dir", self.data,
            cwd=self.place, GAVEL_PLAYBOOK="busy.toml", **self.settings(users, discord_users),
        )  # fmt: skip
        try:
            await self.until(lambda: self._polls(polls) and self._listens(identified), "its chats")
            yield process
            if process.poll() != -signal.SIGKILL:
                await self.stop(process)
        finally:
            process.kill()
            process.wait()

    def settings(self, users: tuple[int, ...], discord_users: tuple[int, ...] = ()) -> dict[str, str]:
        """What the environment says."""
        found = {
            "GAVEL_LOG_LEVEL": "DEBUG",
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_ALLOWED_USERS": ",".join(map(str, users)),
            "TELEGRAM_BASE_URL": self.telegram.url,
        }
        if self.discord is None:
            return found
        return found | {
            "DISCORD_BOT_TOKEN": DISCORD_TOKEN,
            "DISCORD_GUILD_ID": str(GUILD),
            "DISCORD_CHANNEL_ID": str(DESK),
            "DISCORD_ALLOWED_USERS": ",".join(map(str, discord_users)),
            "DISCORD_API_BASE": self.discord.base,
            "DISCORD_GATEWAY_URL": self.discord.gateway_url,
        }

    def _polls(self, before: int) -> bool:
        """A poll that stays open ends only when something is said."""
        return self.telegram.polling or len(self.telegram.made("getUpdates")) > before

    def _listens(self, before: int) -> bool:
        api = self.discord
        return api is None or (api.gateway.identified > before and api.gateway.connected and GUILD in api.commands)

    async def stop(self, process: subprocess.Popen[str]) -> None:
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        await self.until(lambda: process.poll() is not None, "its end")
        assert time.monotonic() - began < program.STOPS_WITHIN
        assert process.returncode == 0, self.log()

    async def until(self, condition: Callable[[], object], what: str) -> None:
        try:
            async with asyncio.timeout(program.PATIENCE):
                while not condition():  # noqa: ASYNC110 - another process, and files: nothing to be woken by
                    await asyncio.sleep(0.05)
        except TimeoutError:
            calls = [api.transcript()[-3000:] for api in (self.telegram, self.discord) if api is not None]
            pytest.fail("\n".join((f"waited in vain for {what}", *calls, self.log()[-2000:])))

    # --- what is seen -----------------------------------------------------------------------------------------------

    async def hear(self, who: Person, words: str) -> Message:
        """The first message to somebody on Telegram that says this, a regular expression."""
        await self.until(lambda: self.said(who, words), f"{words!r} to {who.id}")
        return self.said(who, words)[0]

    def said(self, who: Person, words: str) -> list[Message]:
        return [m for m in self.telegram.inbox(who.id) if re.search(words, m.text)]

    def log(self) -> str:
        return (self.place / "err.txt").read_text()

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(f"file:{self.data / 'gavel.db'}?mode=ro", uri=True)) as database:
            return database.execute(query).fetchall()

    def holds_a_token(self) -> list[str]:
        """Which of the files, all outputs among them, hold what must be kept secret."""
        files = [path for path in self.place.rglob("*") if path.is_file()]
        assert {"err.txt", "out.txt", "gavel.db", "paper.db", "console.jsonl", "heartbeat"} <= {f.name for f in files}
        return [path.name for path in files if any(secret.encode() in path.read_bytes() for secret in SECRETS)]
