"""Telegram: transport only. Every message and every tap goes to the service; what it answers goes back."""

import asyncio
import ipaddress
import logging
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr
from telegram import Update
from telegram.error import TelegramError
from telegram.ext import Application, ApplicationBuilder, TypeHandler
from telegram.request import HTTPXRequest

from bot.chats.pace import Limits
from bot.chats.patience import Patience
from bot.chats.telegram_enclosures import Enclosures
from bot.chats.telegram_inbox import Inbox
from bot.chats.telegram_menus import Menus
from bot.chats.telegram_place import PLATFORM, Place, ids_of
from bot.chats.telegram_sender import Sender
from bot.chats.telegram_voice import Voice
from bot.chats.telegram_watch import Polling, Watch
from bot.chats.telegram_wire import Wire, describe
from bot.chats.trouble import OnTrouble
from bot.surface import Artist, Card, ChatRefused, Service
from trading.errors import BadSettings
from trading.ports import Clock
from trading.status import Capability

DEFAULT_BASE_URL = "https://api.telegram.org/bot"

log = logging.getLogger(__name__)
_App = Application[Any, Any, Any, Any, Any, Any]
_CONNECTIONS = 32
_AT_ONCE = 1000  # updates in hand; Telegram gives 100 at a time


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
    growth: timedelta = timedelta(seconds=1)  # between two edits of a card that grows
    growth_in_group: timedelta = timedelta(seconds=3)


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
    """Implements Chat. Raises BadSettings when nobody may use it or the base URL is foreign.

    `urgent` commands wait for no other; `artist` None: no pictures; `rich`: native tables where the server knows them.
    """

    platform = PLATFORM

    def __init__(
        self,
        *,
        token: SecretStr | str,
        service: Service,
        clock: Clock,
        url: str = DEFAULT_BASE_URL,
        on_trouble: OnTrouble | None = None,
        artist: Artist | None = None,
        urgent: frozenset[str] = frozenset({"halt"}),
        limits: Limits | None = None,
        timing: Timing | None = None,
        rich: bool = True,
    ) -> None:
        if not service.members(PLATFORM):
            raise BadSettings("TELEGRAM_ALLOWED_USERS is empty: nobody may use the bot, so it is not started")
        self._token = token.get_secret_value() if isinstance(token, SecretStr) else token
        self._url = base_url(url)
        self._timing = timing = timing or Timing()
        self._certificates = httpx.create_ssl_context()
        self._watch = Watch(clock=clock, settle=timing.settle, on_trouble=on_trouble)
        patience = Patience(first=timing.first_pause, longest=timing.longest_pause, altogether=timing.reply_for)
        self._wire = Wire(token=self._token, base_url=self._url, request=self._request(), limits=limits or Limits())
        self._sender = Sender(self._wire, rich=rich)
        self._enclosures = Enclosures(self._wire, artist=artist, dark=service.dark, patience=patience)
        self._voice = Voice(sender=self._sender, enclosures=self._enclosures, service=service)
        self._menus = Menus(
            self._wire.bot, service=service, first_pause=timing.first_pause, longest_pause=timing.longest_pause
        )
        self._inbox = Inbox(
            service=service,
            voice=self._voice,
            clock=clock,
            urgent=urgent,
            patience=patience,
            heard=self._menus.heard,
            distrust=lambda: self._watch.conflict,
            growth=lambda place: (timing.growth if place.private else timing.growth_in_group).total_seconds(),
        )
        self._unpinned: set[int] = set()  # chats where pinning was refused, and that was said

    @property
    def state(self) -> Capability:
        return self._watch.state

    @property
    def distrust(self) -> str:
        """Why commands from here must not be obeyed now; "" where they may."""
        return self._watch.conflict

    def refresh_menus(self) -> None:
        """Call it when people or roles have changed: the menus follow. Returns at once."""
        self._menus.refresh()

    # --- the way out --------------------------------------------------------------------------------------------

    async def send(self, destination: str, card: Card, *, key: str, silent: bool, reply_to: str = "") -> str:
        answered = ids_of(reply_to)
        return await self._voice.send(
            Place.of(destination), card, key=key, silent=silent, reply_to=answered[0] if answered else None
        )

    async def edit(self, destination: str, reference: str, card: Card) -> bool:
        return await self._voice.edit(Place.of(destination), reference, card)

    async def pin(self, destination: str, reference: str) -> None:
        place, ids = Place.of(destination), ids_of(reference)
        if not ids:
            raise ChatRefused(f"{reference!r} is no message in Telegram")
        try:
            await self._sender.pin(place, ids[0])
        except ChatRefused as error:
            if place.chat not in self._unpinned:
                self._unpinned.add(place.chat)
                log.warning("nothing can be pinned in %s: %s", place, error)
            raise

    async def await_turn(self, destination: str) -> None:
        """Wait until the pace of this chat lets an alert go."""
        with suppress(ChatRefused):  # not a chat: `send` says so
            await self._wire.await_turn(Place.of(destination).chat)

    async def close(self) -> None:
        """After the last `send`; `run` leaves the way out open, so that a stopping desk can say goodbye."""
        await self._enclosures.close(self._timing.stop.total_seconds())
        await self._wire.close()

    # --- the way in ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Receive for ever; ends by cancellation only. Telegram being down is waited out."""
        for name in ("httpx", "httpcore"):  # they log the URL, and the token is in it
            logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger("telegram.ext.Updater").setLevel(logging.CRITICAL)  # a page a failure; the watch says it once
        pause = self._timing.first_pause
        self._watch.connecting()
        menus = asyncio.create_task(self._menus.run(), name="telegram menus")
        try:
            while True:
                await self._try_session()
                pause = self._timing.first_pause if self._watch.fresh() else pause
                await asyncio.sleep(pause.total_seconds())
                pause = min(pause * 2, self._timing.longest_pause)
        finally:
            self._watch.off()
            menus.cancel()
            await asyncio.gather(menus, return_exceptions=True)

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
