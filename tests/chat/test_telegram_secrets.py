"""What the token may never be in, and which settings are refused."""

import io
import logging
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from bot.chats.telegram import DEFAULT_BASE_URL, Telegram, base_url
from bot.redaction import install
from bot.surface import Card, ChatDown
from tests.chat.telegram_world import BOB, Desk, World, a_world
from tests.fakes.telegram_api import TOKEN
from trading.clock import SystemClock
from trading.errors import BadSettings


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        yield world


async def test_the_token_is_in_no_log_line_not_even_at_debug(world: World, caplog: pytest.LogCaptureFixture) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    root.addHandler(handler)
    undo = install([SecretStr(TOKEN)])
    caplog.set_level(logging.DEBUG)
    try:
        await world.up()
        for name in ("httpx", "httpcore"):  # louder than they are ever allowed to be
            logging.getLogger(name).setLevel(logging.DEBUG)
        world.api.fail("sendMessage", 200 + 229, "Too Many", retry_after=1)
        with pytest.raises(ChatDown):
            await world.send(Card(title="x"))
        world.api.down = True
        with pytest.raises(ChatDown):
            await world.send(Card(title="y"), to=BOB, key="y")
        logging.getLogger("anyone").info("url %s", f"{world.api.url}{TOKEN}/getMe")
        try:
            raise RuntimeError(f"gave up on {world.api.url}{TOKEN}")
        except RuntimeError:
            logging.getLogger("anyone").exception("failed")
        world.api.down = False
        await world.stop()
    finally:
        undo()
        root.removeHandler(handler)
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.NOTSET)
    logged = stream.getvalue() + caplog.text
    assert "HTTP Request: POST" in logged
    assert "RuntimeError: gave up on" in logged
    assert "bot***/getMe" in logged
    assert TOKEN not in logged
    assert TOKEN.partition(":")[2] not in logged


async def test_the_libraries_that_log_the_url_are_silenced(world: World) -> None:
    await world.up()
    assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)
    assert not logging.getLogger("httpcore").isEnabledFor(logging.DEBUG)


def test_an_empty_list_of_users_means_nobody() -> None:
    with pytest.raises(BadSettings, match="TELEGRAM_ALLOWED_USERS is empty: nobody may use the bot, so it is not"):
        Telegram(token=TOKEN, service=Desk(roles={}), clock=SystemClock())


@pytest.mark.parametrize(
    ("given", "used"),
    [
        (DEFAULT_BASE_URL, DEFAULT_BASE_URL),
        ("https://api.telegram.org/", DEFAULT_BASE_URL),
        ("http://127.0.0.1:8081/bot", "http://127.0.0.1:8081/bot"),
        ("http://localhost:8081", "http://localhost:8081/bot"),
        ("http://[::1]:8081/bot/", "http://[::1]:8081/bot"),
    ],
)
def test_base_urls(given: str, used: str) -> None:
    assert base_url(given) == used


@pytest.mark.parametrize(
    "given",
    [
        "http://api.telegram.org/bot",
        "https://example.org/bot",
        "https://127.0.0.1.example.org/bot",
        "http://127.0.0.1@example.org/bot",
        "http://api.telegram.org@127.0.0.1/bot",
        "10.0.0.1:80",
        "",
        "http://[::1/bot",
    ],
)
def test_a_foreign_base_url_would_get_the_token_and_is_refused(given: str) -> None:
    with pytest.raises(BadSettings, match="TELEGRAM_BASE_URL"):
        base_url(given)
