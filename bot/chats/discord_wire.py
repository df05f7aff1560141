"""Where discord.py sends to, what it logs, and its errors in our words."""

import ipaddress
import logging
from collections.abc import Callable
from urllib.parse import urlsplit

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.surface import ChatDown, ChatError, ChatRefused
from trading.errors import BadSettings

UNANSWERED = (aiohttp.ClientError, OSError, TimeoutError, RuntimeError)  # RuntimeError: the session is closed
FAILURES = (discord.DiscordException, *UNANSWERED)  # all that a call of the library may raise

_BAD_TOKEN = "Discord does not accept the bot's token"  # noqa: S105 - words
_QUIET = {
    "discord": logging.ERROR,
    "discord.client": logging.CRITICAL,  # a page for each reconnect; the watch says it once
    "discord.gateway": logging.CRITICAL,
}


def point_at(api_base: str = "", gateway: str = "") -> Callable[[], None]:
    """Send to servers on this machine from now on, for tests. Returns the way back; "" leaves things as they are.

    Raises BadSettings for any other address: it would get the token.
    """
    _require_here("DISCORD_API_BASE", api_base, ("http", "https"))
    _require_here("DISCORD_GATEWAY_URL", gateway, ("ws", "wss"))
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    if api_base:
        Route.BASE = api_base.rstrip("/")
    if gateway:
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)

    def restore() -> None:
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = before

    return restore


def _require_here(name: str, url: str, schemes: tuple[str, ...]) -> None:
    if url and not _is_here(url, schemes):
        raise BadSettings(
            f"{name}: {url!r} is not this machine, and would get the token; {schemes[0]}://127.0.0.1:PORT"
        )


def _is_here(url: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(url)
        here = parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
    return here and parts.scheme in schemes and parts.username is None


def quieten() -> None:
    """The library's loggers say only what nobody else says."""
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)


def describe(error: BaseException) -> str:
    """An error in words that are safe to show."""
    match error:
        case discord.LoginFailure():
            return _BAD_TOKEN
        case discord.ConnectionClosed(code=4004):
            return _BAD_TOKEN
        case discord.ConnectionClosed(code=code):
            return f"Discord closed the connection ({code})"
        case discord.HTTPException(status=401, code=0):
            return _BAD_TOKEN
        case TimeoutError():
            return "Discord did not answer in time"
        case _:
            return f"{type(error).__name__}: {error}"


def translated(error: BaseException) -> ChatError:
    """What a failed call means for the message: try again later, or never."""
    match error:
        case discord.RateLimited(retry_after=pause):
            return ChatDown(describe(error), retry_after=pause)
        case discord.HTTPException(status=429):
            return ChatDown(describe(error), retry_after=_pause(error))
        case discord.HTTPException(status=status) if 400 <= status < 500 and status != 401:
            return ChatRefused(describe(error))
        case _:
            return ChatDown(describe(error))


def _pause(error: discord.HTTPException) -> float | None:
    said = error.response.headers.get("Retry-After", "")
    return float(said) if said.replace(".", "", 1).isdecimal() else None
