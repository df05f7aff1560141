"""A second process tells the chats when the desk is gone: once, loudly, with what was open; once when it is back."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.chats.discord_text import contents
from bot.chats.rest import Rest
from bot.heartbeat import Signs, write_signs
from bot.surface import Card, ChatDown, ChatRefused
from bot.watchman import Watchman
from tests.fakes.telegram_api import TOKEN, TelegramApi
from trading.clock import ManualClock

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(seconds=60)
PHONE, CHANNEL = "telegram:7", "discord:55"
HELD = ("BTC long 0.0124 @ 64,210.5, stop 62,605.2, target 67,421.1",)
SIGNS = Signs(
    at=START, pid=1, mode="PAPER", well_at=START, why="", stopped="", held=HELD, destinations=(PHONE, CHANNEL)
)


@dataclass
class Street:
    """A data directory, a clock, and chats that hear what the watchman tells."""

    directory: Path
    wall: ManualClock = field(default_factory=lambda: ManualClock(START))
    told: list[tuple[str, str, bool]] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)
    faults: dict[str, Exception] = field(default_factory=dict)

    def watchman(self) -> Watchman:
        return Watchman(self.directory, wall=self.wall, older=MINUTE, tell=self._tell, otherwise=(PHONE,))

    async def _tell(self, destination: str, card: Card, silent: bool) -> None:
        if destination in self.faults:
            raise self.faults[destination]
        self.told.append((destination, card.title, silent))
        self.cards.append(card)

    def sign(self, **changes: Any) -> None:
        now = self.wall.now()
        write_signs(self.directory / "heartbeat", replace(SIGNS, **{"at": now, "well_at": now, **changes}))

    def heard(self) -> list[tuple[str, str, bool]]:
        told, self.told = self.told, []
        return told


@pytest.fixture
def street(tmp_path: Path) -> Street:
    return Street(tmp_path)


async def test_a_desk_that_is_gone_is_told_once_to_everybody_and_once_when_it_is_back(street: Street) -> None:
    watchman = street.watchman()
    street.sign()
    for _ in range(6):
        assert await watchman.look() is None
        street.wall.advance(MINUTE / 6)
    assert await watchman.look() is None
    street.wall.advance(timedelta(seconds=1))
    for _ in range(3):
        assert await watchman.look() is not None
        street.wall.advance(MINUTE)
    title = "PAPER THE DESK IS GONE, silent for 61 s"
    assert street.heard() == [(PHONE, title, False), (CHANNEL, title, False)]
    assert street.cards[0].lines == (
        "Last sign of life 2026-03-01 12:00 UTC",
        "Open then: 1 position",
        *HELD,
        "Paper positions stand still until the desk runs again.",
        "Look at the process and its log, and start it again: it goes on where it was.",
        "gavel watch",
    )
    street.sign()
    for _ in range(3):
        assert await watchman.look() is None
    title = "PAPER the desk is back after 4 min"
    assert street.heard() == [(PHONE, title, False), (CHANNEL, title, False)]


async def test_with_real_money_it_says_what_guards_the_positions(street: Street) -> None:
    street.sign(mode="LIVE")
    street.wall.advance(2 * MINUTE)
    await street.watchman().look()
    assert street.heard()[0][1] == "LIVE THE DESK IS GONE, silent for 2 min"
    assert "Stops and targets stand at the venue; every other exit waits for the desk." in street.cards[0].lines


async def test_the_next_run_does_not_tell_it_again(street: Street) -> None:
    """As `gavel watch --once` every minute."""
    street.sign()
    street.wall.advance(2 * MINUTE)
    for _ in range(3):
        assert await street.watchman().look(once=True) is not None
    assert len(street.heard()) == 2
    street.sign()
    for _ in range(3):
        assert await street.watchman().look(once=True) is None
    assert len(street.heard()) == 2


async def test_who_could_not_be_reached_is_told_when_he_can(street: Street) -> None:
    street.sign()
    street.wall.advance(2 * MINUTE)
    watchman = street.watchman()
    street.faults = {PHONE: ChatDown("cut"), CHANNEL: ChatRefused("gone")}
    await watchman.look()
    assert street.heard() == []
    street.faults.clear()
    await watchman.look()
    assert [to for to, *_ in street.heard()] == [PHONE]
    street.faults = {PHONE: ChatDown("cut")}
    street.sign()
    await watchman.look()
    street.faults.clear()
    await watchman.look()
    assert [to for to, *_ in street.heard()] == [CHANNEL, PHONE]


async def test_a_desk_that_runs_and_is_not_well_is_told_too(street: Street) -> None:
    watchman = street.watchman()
    street.wall.advance(2 * MINUTE)
    street.sign(well_at=START, why="the journal takes nothing: disk full")
    await watchman.look()
    assert street.heard()[0] == (PHONE, "PAPER THE DESK IS NOT WELL for 2 min", False)
    assert street.cards[0].lines[0] == "the journal takes nothing: disk full"
    street.wall.advance(2 * MINUTE)  # and then it dies
    await watchman.look()
    assert street.heard()[0][1] == "PAPER THE DESK IS GONE, silent for 2 min"


async def test_a_desk_that_was_stopped_on_purpose_wakes_nobody(street: Street) -> None:
    street.sign(stopped="asked to stop")
    watchman = street.watchman()
    assert await watchman.look() is None  # it may be back in a moment
    street.wall.advance(2 * MINUTE)
    await watchman.look()
    await watchman.look()
    assert street.heard() == [(to, "PAPER the desk is stopped, 1 left open", True) for to in (PHONE, CHANNEL)]
    street.sign()
    await watchman.look()
    assert [silent for *_, silent in street.heard()] == [True, True]


async def test_a_desk_that_never_gave_a_sign_is_waited_for_and_then_missed(street: Street) -> None:
    watchman = street.watchman()
    assert await watchman.look() is None
    street.wall.advance(MINUTE)
    assert await watchman.look() is not None
    assert street.heard() == [(PHONE, "GAVEL NO SIGN OF A DESK", False)]


# --- the way out ------------------------------------------------------------------------------------------------------

CARD = Card(title="PAPER THE DESK IS GONE", lines=("Open: <b>&", "@everyone"))
DISCORD_TOKEN = "aaaa.bbbb.secret-discord-token"


@dataclass
class Discord:
    posts: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    status: int = 200
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.posts.append((request.path, await request.json(), request.headers["Authorization"]))
        return web.json_response({"id": "900"}, status=self.status)


@pytest.fixture
async def discord() -> AsyncIterator[Discord]:
    server, app = Discord(), web.Application()
    app.router.add_post("/api/v10/{path:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/v10"
    yield server
    await runner.cleanup()


async def test_telegram_gets_the_words_and_is_never_polled() -> None:
    async with TelegramApi() as api:
        api.person(7)
        rest = Rest(telegram=TOKEN, telegram_url=api.url)
        await rest.tell(PHONE, CARD, silent=False)
        await rest.tell(PHONE, CARD, silent=True)
        await rest.close()
        assert api.texts(7) == [CARD.plain()] * 2
        assert [message.silent for message in api.inbox(7)] == [False, True]
        assert {call.method for call in api.calls} == {"sendMessage"}


@pytest.mark.parametrize(
    ("destination", "paths"),
    [
        ("discord:55", ["channels/55/messages"]),
        ("discord:55/77", ["channels/77/messages"]),
        ("discord:@9", ["users/@me/channels", "channels/900/messages"]),
    ],
)
async def test_discord_gets_the_words_and_nobody_is_pinged(
    discord: Discord, destination: str, paths: list[str]
) -> None:
    rest = Rest(discord=DISCORD_TOKEN, discord_url=discord.url)
    await rest.tell(destination, CARD, silent=False)
    await rest.close()
    assert [path.removeprefix("/api/v10/") for path, *_ in discord.posts] == paths
    _, said, authorization = discord.posts[-1]
    assert said == {"content": contents(CARD)[0], "allowed_mentions": {"parse": []}}
    assert authorization == f"Bot {DISCORD_TOKEN}"
    if len(paths) > 1:
        assert discord.posts[0][1] == {"recipient_id": "9"}


@pytest.mark.parametrize(
    ("status", "error"), [(403, ChatRefused), (404, ChatRefused), (429, ChatDown), (500, ChatDown)]
)
async def test_what_goes_wrong_is_said_without_the_token(discord: Discord, status: int, error: type[Exception]) -> None:
    discord.status = status
    rest = Rest(telegram=TOKEN, discord=DISCORD_TOKEN, telegram_url="http://127.0.0.1:9", discord_url=discord.url)
    with pytest.raises(error) as on_discord:
        await rest.tell(CHANNEL, CARD, silent=True)
    with pytest.raises(ChatDown) as on_telegram:
        await rest.tell(PHONE, CARD, silent=True)
    await rest.close()
    for caught in (on_discord, on_telegram):
        assert TOKEN not in str(caught.value)
        assert DISCORD_TOKEN not in str(caught.value)
        assert caught.value.__cause__ is None


async def test_a_platform_without_a_token_is_no_way_out() -> None:
    rest = Rest(telegram=TOKEN)
    assert (rest.reaches(PHONE), rest.reaches(CHANNEL)) == (True, False)
    with pytest.raises(ChatRefused):
        await rest.tell(CHANNEL, CARD, silent=False)
    await rest.close()


# --- the command ------------------------------------------------------------------------------------------------------


async def gavel_watch(directory: Path, url: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "GAVEL_DATA_DIR": str(directory),
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_ALLOWED_USERS": "7",
        "TELEGRAM_BASE_URL": url,
        "GAVEL_LOG_LEVEL": "DEBUG",
    }
    code = "from bot.cli.watch import watch; watch()"
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", code, "--once"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_the_command_tells_the_chat_and_says_it_by_its_exit_code(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    async with TelegramApi() as api:
        api.person(7)
        write_signs(tmp_path / "heartbeat", replace(SIGNS, at=now, well_at=now))
        alive = await gavel_watch(tmp_path, api.url)
        assert (alive.returncode, alive.stdout) == (0, "")
        write_signs(tmp_path / "heartbeat", replace(SIGNS, at=now - timedelta(minutes=5)))
        gone = await gavel_watch(tmp_path, api.url)
        assert gone.returncode == 1
        assert api.texts(7)[0].startswith("PAPER THE DESK IS GONE, silent for 5 min\n")
        told = json.loads((tmp_path / "watch").read_text())["told"]
        assert told == [PHONE, CHANNEL]
        for done in (alive, gone):
            assert TOKEN not in done.stdout + done.stderr
