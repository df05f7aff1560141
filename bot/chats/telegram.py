"""Telegram: transport only. Every message and every tap goes to `handle`; what it answers goes back."""

import asyncio
import ipaddress
import logging
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr
from telegram import BotCommand, Update
from telegram.error import BadRequest, TelegramError
from telegram.ext import Application, ApplicationBuilder, TypeHandler
from telegram.request import HTTPXRequest

from bot.chats.pace import Limits
from bot.chats.telegram_inbox import PLATFORM, Handle, Inbox, Patience
from bot.chats.telegram_sender import Sender, describe
from bot.chats.telegram_watch import OnTrouble, Polling, Watch
from bot.surface import Card, ChatRefused
from trading.errors import BadSettings
from trading.ports import Clock
from trading.status import Capability

DEFAULT_BASE_URL = "https://api.telegram.org/bot"

log = logging.getLogger(__name__)
_App = Application[Any, Any, Any, Any, Any, Any]
_CONNECTIONS = 32
_AT_ONCE = 1000  # updates in hand; Telegram gives 100 at a time
_DESCRIPTION = 256  # characters of a command in the menu


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Every wait of the adapter. Tests shorten them."""

    poll: timedelta = timedelta(seconds=10)  # how long Telegram keeps a poll open
    settle: timedelta = timedelta(seconds=60)  # without a conflict for so long, the second poller is gone
    read: timedelta = timedelta(seconds=20)  # for an answer to what we send
    first_pause: timedelta = timedelta(seconds=1)  # before connecting or answering again; doubles up to ...
    longest_pause: timedelta = timedelta(seconds=60)
    reply_for: timedelta = timedelta(minutes=5)  # an answer that could not be delivered for so long is given up
    stop: timedelta = timedelta(seconds=1)  # for each step of stopping


def base_url(given: str) -> str:
    """What the token is appended to. Raises BadSettings for any host but Telegram's and this machine."""
    url = given.rstrip("/")
    url = url if url.endswith("/bot") else f"{url}/bot"
    if url != DEFAULT_BASE_URL and not _loopback(url):
        raise BadSettings(f"TELEGRAM_BASE_URL: {given!r} is not Telegram, not this machine, and would get the token")
    return url


def _loopback(url: str) -> bool:
    try:
        parts = urlsplit(url)
        here = parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
    return here and parts.scheme in ("http", "https") and parts.username is None


class Telegram:
    """Raises BadSettings when nobody may use it or the base URL is foreign. `urgent` commands wait for no other."""

    platform = PLATFORM

    def __init__(
        self,
        *,
        token: SecretStr | str,
        allowed: frozenset[int],
        handle: Handle,
        clock: Clock,
        menu: Sequence[tuple[str, str]] = (),
        url: str = DEFAULT_BASE_URL,
        on_trouble: OnTrouble | None = None,
        urgent: frozenset[str] = frozenset({"halt"}),
        limits: Limits | None = None,
        timing: Timing | None = None,
    ) -> None:
        if not allowed:
            raise BadSettings("TELEGRAM_ALLOWED_USERS is empty: nobody may use the bot, so it is not started")
        self.destinations = tuple(f"{self.platform}:{user}" for user in sorted(allowed))
        self._token = token.get_secret_value() if isinstance(token, SecretStr) else token
        self._url = base_url(url)
        self._menu = tuple(BotCommand(name, text[:_DESCRIPTION]) for name, text in menu)
        self._timing = timing or Timing()
        self._certificates = httpx.create_ssl_context()
        self._watch = Watch(clock=clock, settle=self._timing.settle, on_trouble=on_trouble)
        self._sender = Sender(token=self._token, base_url=self._url, request=self._request(), limits=limits or Limits())
        patience = Patience(
            first=self._timing.first_pause, longest=self._timing.longest_pause, altogether=self._timing.reply_for
        )
        self._inbox = Inbox(handle=handle, sender=self._sender, clock=clock, urgent=urgent, patience=patience)

    @property
    def state(self) -> Capability:
        return self._watch.state

    async def send(self, destination: str, card: Card, *, key: str, silent: bool) -> str:
        return await self._sender.send(_chat(destination), card, key=key, silent=silent)

    async def await_turn(self, destination: str) -> None:
        """Wait until the pace of this chat lets an alert go."""
        with suppress(ChatRefused):  # not a chat: `send` says so
            await self._sender.await_turn(_chat(destination))

    async def close(self) -> None:
        """After the last `send`; `run` leaves the way out open, so that a stopping desk can say goodbye."""
        await self._sender.close()

    async def run(self) -> None:
        """Receive for ever; ends by cancellation only. Telegram being down is waited out."""
        for name in ("httpx", "httpcore"):  # they log the URL, and the token is in it
            logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger("telegram.ext.Updater").setLevel(logging.CRITICAL)  # a page a failure; the watch says it once
        pause = self._timing.first_pause
        self._watch.connecting()
        try:
            while True:
                await self._try_session()
                pause = self._timing.first_pause if self._watch.fresh() else pause
                await asyncio.sleep(pause.total_seconds())
                pause = min(pause * 2, self._timing.longest_pause)
        finally:
            self._watch.off()

    async def _try_session(self) -> None:
        try:
            await self._session()
        except TelegramError as error:
            self._watch.lost(describe(error))
        except Exception as error:  # whatever it is, it must not reach the desk
            log.exception("receiving from Telegram failed")
            self._watch.lost(type(error).__name__)

    async def _session(self) -> None:
        """From connecting to the end of polling, which only a refused token brings. Raises TelegramError."""
        app = self._build()
        try:
            await app.initialize()
            self._inbox.name = app.bot.username
            await self._set_menu(app)
            if app.updater is not None:
                await app.updater.start_polling(
                    timeout=self._timing.poll,
                    bootstrap_retries=-1,
                    allowed_updates=["message", "callback_query"],
                    drop_pending_updates=False,
                    error_callback=self._watch.failed,
                )
            await app.start()
            self._watch.answered()  # by getMe; the first poll may stay open for long
            await self._watch.refused.wait()
        finally:
            self._watch.refused.clear()
            await self._stop(app)

    def _build(self) -> _App:
        """The library's application, without its rate limiter, job queue and signal handlers."""
        polling = Polling(self._watch, read_timeout=self._timing.read.total_seconds(), httpx_kwargs=self._client())
        app = (
            ApplicationBuilder()
            .token(self._token)
            .base_url(self._url)
            .request(self._request())
            .get_updates_request(polling)
            .job_queue(None)
            .concurrent_updates(_AT_ONCE)  # the order within a chat is kept by its lane
            .build()
        )
        app.add_handler(TypeHandler(Update, self._inbox.on_update))
        app.add_error_handler(self._inbox.on_fault)
        return app

    def _request(self) -> HTTPXRequest:
        read = self._timing.read.total_seconds()
        return HTTPXRequest(_CONNECTIONS, read_timeout=read, pool_timeout=read, httpx_kwargs=self._client())

    def _client(self) -> dict[str, Any]:
        """A proxy from the environment is for the internet, never for this machine. One set of certificates does for
        all connections: it takes long to load, and much memory."""
        return {"trust_env": self._url == DEFAULT_BASE_URL, "verify": self._certificates}

    async def _set_menu(self, app: _App) -> None:
        try:
            await app.bot.set_my_commands(self._menu)
        except BadRequest as error:
            log.warning("the command menu was not set: %s", describe(error))

    async def _stop(self, app: _App) -> None:
        """In the library's order, no step for longer than its share."""
        if app.updater is not None and app.updater.running:
            await self._bounded(app.updater.stop())
        if app.running:
            await self._bounded(app.stop())
        await self._inbox.stop()
        await self._bounded(app.shutdown())
        await self._bounded(app.bot.shutdown())  # left open by shutdown() when initialize() has failed

    async def _bounded(self, step: Awaitable[Any]) -> None:
        try:
            async with asyncio.timeout(self._timing.stop.total_seconds()):
                await step
        except (TimeoutError, TelegramError, RuntimeError) as error:
            log.info("stopping Telegram: a step was cut short: %r", error)


def _chat(destination: str) -> int:
    number = destination.partition(":")[2]
    if not number.removeprefix("-").isdecimal():
        raise ChatRefused(f"{destination!r} is not a Telegram chat")
    return int(number)
