"""The way out without a way in: single messages by each platform's plain HTTP, for a process beside the desk's own.

It asks for no updates and opens no gateway, so it takes nothing away from the bot that does.
"""

import ipaddress
import logging
from typing import Any
from urllib.parse import urlsplit

import httpx

from bot.chats.discord_text import contents
from bot.surface import Card, ChatDown, ChatRefused

TELEGRAM = "https://api.telegram.org/bot"
DISCORD = "https://discord.com/api/v10"
_TELEGRAM_LIMIT = 4096  # without markup; what is told here is short
_TIMEOUT = 10.0
_QUIET = 1 << 12  # Discord's flag of a message that does not ring
_AGENT = "DiscordBot (https://discord.com, 1)"  # in the form that Discord asks for


class Rest:
    """`telegram` and `discord`: tokens, "" where there is none. The URLs are those of the tests, or ""."""

    def __init__(self, *, telegram: str = "", discord: str = "", telegram_url: str = "", discord_url: str = "") -> None:
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs URLs, and Telegram's holds the token
        self._tokens = {"telegram": telegram, "discord": discord}
        url = (telegram_url or TELEGRAM).rstrip("/")
        self._telegram = url if url.endswith("/bot") else f"{url}/bot"
        self._discord = (discord_url or DISCORD).rstrip("/")
        outside = not any(map(_is_here, (telegram_url, discord_url)))  # a proxy is for the internet
        self._client = httpx.AsyncClient(timeout=_TIMEOUT, trust_env=outside)

    def reaches(self, destination: str) -> bool:
        """Whether there is a token for its platform."""
        return bool(self._tokens.get(destination.partition(":")[0]))

    async def close(self) -> None:
        await self._client.aclose()

    async def tell(self, destination: str, card: Card, *, silent: bool) -> None:
        """Raises ChatDown or ChatRefused, in words without the token."""
        platform, _, place = destination.partition(":")
        if not self._tokens.get(platform):
            raise ChatRefused(f"there is no token for {platform or destination!r}")
        if platform == "telegram":
            await self._tell_telegram(place, card.plain()[:_TELEGRAM_LIMIT], silent=silent)
        else:
            for text in contents(card):
                await self._tell_discord(place, text, silent=silent)

    async def _tell_telegram(self, place: str, text: str, *, silent: bool) -> None:
        chat, _, topic = place.partition("/")
        said = {"chat_id": chat, "text": text, "disable_notification": "true" if silent else "false"}
        if topic:
            said["message_thread_id"] = topic
        await self._post("Telegram", f"{self._telegram}{self._tokens['telegram']}/sendMessage", data=said)

    async def _tell_discord(self, place: str, text: str, *, silent: bool) -> None:
        channel = place.partition("/")[2] or place  # a thread is a channel of its own
        if channel.startswith("@"):
            opened = await self._ask_discord("users/@me/channels", {"recipient_id": channel.removeprefix("@")})
            channel = str(opened.get("id", ""))
        said: dict[str, Any] = {"content": text, "allowed_mentions": {"parse": []}}
        await self._ask_discord(f"channels/{channel}/messages", said | ({"flags": _QUIET} if silent else {}))

    async def _ask_discord(self, path: str, said: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bot {self._tokens['discord']}", "User-Agent": _AGENT}
        answer = await self._post("Discord", f"{self._discord}/{path}", json=said, headers=headers)
        found = answer.json()
        return found if isinstance(found, dict) else {}

    async def _post(self, name: str, url: str, **said: Any) -> httpx.Response:
        try:
            answer = await self._client.post(url, **said)
        except httpx.HTTPError as error:
            raise ChatDown(f"{name}: {type(error).__name__}") from None  # its words may hold the URL
        if answer.status_code in (400, 401, 403, 404):
            raise ChatRefused(f"{name} answers {answer.status_code}")
        if answer.status_code >= 300:
            raise ChatDown(f"{name} answers {answer.status_code}")
        return answer


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
