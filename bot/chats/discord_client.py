"""The connection to Discord's gateway: the library's client, told what to hear and whom to tell."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import discord
from discord.http import Route
from pydantic import SecretStr

from bot.catalogue import Entry
from bot.chats.discord_inbox import UNREAD, Inbox
from bot.chats.discord_menu import in_guild, in_private
from bot.chats.discord_watch import Watch
from bot.chats.discord_wire import FAILURES, describe
from bot.chats.pace import Limit, Window

log = logging.getLogger(__name__)
_LONGEST_WAIT = 30.0  # seconds that the library may sit a rate limit out; the least it takes
_DROPS = (Limit(count=5, seconds=60.0),)  # more than so many, and we pause before we come back
_AUTOCOMPLETE, _HIDDEN = 4, 64


class Menu:
    """The slash commands, registered once a process."""

    def __init__(self, commands: Mapping[str, Entry], *, guild: int, urgent: frozenset[str]) -> None:
        self._in_guild = in_guild(commands, urgent=urgent)
        self._in_private = in_private(commands)
        self._guild = guild
        self._registered = False

    async def register(self, client: discord.Client) -> None:
        """Raises what the library raises."""
        if self._registered or client.application_id is None:
            return
        await client.http.bulk_upsert_guild_commands(client.application_id, self._guild, self._in_guild)
        await client.http.bulk_upsert_global_commands(client.application_id, self._in_private)
        self._registered = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    ready: timedelta  # from logging in, or from a cut, until Discord has taken us
    guilds: timedelta  # for the list of servers after that
    silence: timedelta  # without a sign of life for so long, the connection is dead
    goodbye: timedelta


class Gateway(discord.Client):
    """One session. It resumes after a cut by itself; whatever else ends it, ends `stay`."""

    def __init__(self, *, inbox: Inbox, watch: Watch, menu: Menu, waits: Waits) -> None:
        super().__init__(
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_messages=None,
            max_ratelimit_timeout=_LONGEST_WAIT,
            guild_ready_timeout=waits.guilds.total_seconds(),
            heartbeat_timeout=waits.silence.total_seconds(),
        )
        self._inbox = inbox
        self._watch = watch
        self._menu = menu
        self._waits = waits
        self._patience: asyncio.Timeout | None = None
        self._drops = Window(_DROPS)
        self._thrown_out = False
        self._hear_whatever_comes()

    async def stay(self, token: SecretStr) -> None:
        """From logging in to the end of the connection. Raises what the library raises, and TimeoutError."""
        try:
            async with asyncio.timeout(self._waits.ready.total_seconds()) as self._patience:
                await self.start(token.get_secret_value(), reconnect=False)
        except TimeoutError:
            if not self._thrown_out:
                raise
        finally:
            self._patience = None
            await self.close()

    async def close(self) -> None:
        """Without waiting for a goodbye that does not come."""
        closing = asyncio.ensure_future(super().close())
        await asyncio.wait({closing}, timeout=self._waits.goodbye.total_seconds())
        if not closing.done() or closing.cancelled() or closing.exception() is not None:
            closing.cancel()
            await self.http.close()

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        """The library goes on telling things for a while after its end, and trips over it."""
        if not self.is_closed():
            super().dispatch(event, *args, **kwargs)

    async def setup_hook(self) -> None:
        await self._register()

    async def on_menus_wanted(self) -> None:
        await self._register()

    async def _register(self) -> None:
        """Without its commands the bot still alerts, and its buttons work."""
        try:
            await self._menu.register(self)
        except FAILURES as error:
            self._watch.fault(f"the slash commands could not be registered: {describe(error)}")
        else:
            self._watch.fault("")

    async def on_ready(self) -> None:
        self._taken()

    async def on_resumed(self) -> None:
        self._taken()

    async def on_disconnect(self) -> None:
        """The library comes back at once, however often it is thrown out."""
        now = asyncio.get_running_loop().time()
        self._drops.count(now)
        self._watch.lost("the connection to Discord was cut")
        self._thrown_out = self._drops.due() > now
        self._wait_until(now if self._thrown_out else now + self._waits.ready.total_seconds())

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        await self._inbox.on_interaction(interaction)

    async def on_unreadable(self, data: Any) -> None:
        """Whoever waits for an answer gets one."""
        try:
            number, token, kind = int(data["id"]), str(data["token"]), data.get("type")
        except (TypeError, KeyError, ValueError, AttributeError):
            return  # there is nobody to answer
        said: dict[str, Any] = {"type": 4, "data": {"content": UNREAD, "flags": _HIDDEN}}
        if kind == _AUTOCOMPLETE:
            said = {"type": 8, "data": {"choices": []}}
        where = Route("POST", "/interactions/{number}/{token}/callback", number=number, token=token)
        try:
            await self.http.request(where, json=said)
        except FAILURES as error:
            log.info("an interaction stays without an answer: %s", describe(error))

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        log.exception("%s failed", event_method)

    def _taken(self) -> None:
        self._wait_until(None)
        self._watch.up()

    def _wait_until(self, when: float | None) -> None:
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(when)

    def _hear_whatever_comes(self) -> None:
        """An interaction that the library cannot read would cost the connection."""
        read = self._connection.parsers["INTERACTION_CREATE"]

        def parse(data: Any) -> None:
            try:
                read(data)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                log.warning("an interaction could not be read: %s", type(error).__name__)
                self.dispatch("unreadable", data)

        self._connection.parsers["INTERACTION_CREATE"] = parse
