"""Discord: transport only. Every command, tap and form goes to the service; what it answers goes back."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from pydantic import SecretStr

from bot.catalogue import COMMANDS, Entry
from bot.chats.discord_answer import Patience
from bot.chats.discord_client import Gateway, Menu, Waits
from bot.chats.discord_files import enclosed
from bot.chats.discord_inbox import Inbox
from bot.chats.discord_replies import Replies
from bot.chats.discord_sender import LIMITS, PLATFORM, Sender
from bot.chats.discord_watch import Watch
from bot.chats.discord_wire import FAILURES, describe, point_at, quieten
from bot.chats.pace import Limits
from bot.chats.trouble import OnTrouble
from bot.surface import Artist, Card, ChatRefused, Service
from trading.ports import Clock
from trading.status import Capability

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Every wait of the adapter. Tests shorten them."""

    call: timedelta = timedelta(seconds=40)  # for an answer to what we send
    acknowledge: timedelta = timedelta(seconds=3)  # then Discord gives an interaction up
    token: timedelta = timedelta(minutes=14)  # an interaction's is good for a quarter of an hour
    ready: timedelta = timedelta(seconds=60)  # until Discord has taken us
    guilds: timedelta = timedelta(seconds=2)  # for the list of servers
    silence: timedelta = timedelta(seconds=60)  # without a sign of life for so long, the connection is dead
    settle: timedelta = timedelta(seconds=10)  # a cut that is shorter is not worth telling
    rivalry: timedelta = timedelta(minutes=5)  # a second process that was not noticed for so long is gone
    first_pause: timedelta = timedelta(seconds=1)  # before connecting or answering again; doubles up to ...
    longest_pause: timedelta = timedelta(seconds=60)
    stop: timedelta = timedelta(seconds=1)  # for each step of stopping
    growth: timedelta = timedelta(seconds=1)  # between two edits of a card that grows
    growth_in_group: timedelta = timedelta(seconds=3)


class Discord:
    """Implements Chat. `channel`: where alerts go; None: to each member. `urgent` commands wait for no other.

    `api_base` and `gateway` are for tests; raises BadSettings unless they are on this machine.
    """

    platform = PLATFORM

    def __init__(
        self,
        *,
        token: SecretStr | str,
        guild: int,
        service: Service,
        clock: Clock,
        channel: int | None = None,
        artist: Artist | None = None,
        commands: Mapping[str, Entry] = COMMANDS,
        api_base: str = "",
        gateway: str = "",
        on_trouble: OnTrouble | None = None,
        urgent: frozenset[str] = frozenset({"halt"}),
        limits: Limits = LIMITS,
        timing: Timing | None = None,
    ) -> None:
        quieten()
        self._restore = point_at(api_base, gateway)
        self._token = token if isinstance(token, SecretStr) else SecretStr(token)
        self._channel = channel
        self._service = service
        self._artist = artist
        self._timing = timing or Timing()
        self._watch = Watch(
            clock=clock, settle=self._timing.settle, rivalry=self._timing.rivalry, on_trouble=on_trouble
        )
        self._sender = Sender(token=self._token, limits=limits, patience=self._timing.call.total_seconds())
        self._menu = Menu(commands, guild=guild, urgent=urgent)
        self._replies = Replies(
            service=service,
            sender=self._sender,
            artist=artist,
            patience=_patience(self._timing),
            rival=self._watch.rival,
            growth=(self._timing.growth.total_seconds(), self._timing.growth_in_group.total_seconds()),
        )
        self._inbox = Inbox(
            service=service, commands=commands, replies=self._replies, clock=clock, guild=guild, urgent=urgent
        )
        self._client: Gateway | None = None

    @property
    def destinations(self) -> tuple[str, ...]:
        """The channel, or the private chat of each member; a channel among the members is one itself."""
        if self._channel is not None:
            return (f"{PLATFORM}:{self._channel}",)
        ids = (who.id for who, _ in self._service.members(PLATFORM))
        return tuple(f"{PLATFORM}:{id[1:] if id.startswith('#') else f'@{id}'}" for id in ids)

    @property
    def state(self) -> Capability:
        return self._watch.state

    @property
    def distrust(self) -> str:
        """Why commands from here must not be obeyed now; "" where they may."""
        return self._watch.conflict

    # --- out ----------------------------------------------------------------------------------------------------

    async def send(self, destination: str, card: Card, *, key: str, silent: bool, reply_to: str = "") -> str:
        reference = await self._sender.send(destination, card, key=key, silent=silent, reply_to=reply_to)
        await self._service.shown(card, destination, reference)
        if card.picture is not None or card.file is not None:
            dark = self._service.dark(destination)
            self._sender.enclose(destination, reference, lambda: enclosed(card, self._artist, dark=dark))
        return reference

    async def edit(self, destination: str, reference: str, card: Card) -> bool:
        done = await self._replies.edit(reference, card)
        return done or await self._sender.edit(destination, reference, card)

    async def pin(self, destination: str, reference: str) -> None:
        await self._sender.pin(destination, reference)

    async def await_turn(self, destination: str) -> None:
        """Wait until the pace of this channel lets an alert go."""
        with suppress(ChatRefused):  # not a channel: `send` says so
            await self._sender.await_turn(destination)

    async def close(self) -> None:
        """After the last `send`; `run` leaves the way out open, so that a stopping desk can say goodbye."""
        try:
            await self._sender.close()
        finally:
            self._restore()

    # --- in -----------------------------------------------------------------------------------------------------

    def refresh_menus(self) -> None:
        """Everybody is offered the same commands: only what could not be registered yet is done now."""
        if self._client is not None:
            self._client.dispatch("menus_wanted")

    async def run(self) -> None:
        """Listen for ever; ends by cancellation only. Discord being down is waited out."""
        pause = self._timing.first_pause
        self._watch.connecting()
        try:
            while True:
                began = asyncio.get_running_loop().time()
                await self._try_session()
                if asyncio.get_running_loop().time() - began > self._timing.longest_pause.total_seconds():
                    pause = self._timing.first_pause
                await asyncio.sleep(pause.total_seconds())
                pause = min(pause * 2, self._timing.longest_pause)
        finally:
            self._watch.off()
            await self._inbox.stop()

    def client(self) -> Gateway:
        """A new session, not yet connected."""
        t = self._timing
        waits = Waits(ready=t.ready, guilds=t.guilds, silence=t.silence, goodbye=t.stop)
        return Gateway(inbox=self._inbox, watch=self._watch, menu=self._menu, waits=waits)

    async def _try_session(self) -> None:
        self._client = self.client()
        try:
            await self._client.stay(self._token)
            self._watch.lost("the connection to Discord was cut again and again")
        except FAILURES as error:
            self._watch.lost(describe(error))
        except Exception as error:  # whatever it is, it must not reach the desk
            log.exception("listening to Discord failed")
            self._watch.lost(type(error).__name__)
        finally:
            self._client = None


def _patience(timing: Timing) -> Patience:
    return Patience(
        acknowledge=timing.acknowledge,
        call=timing.call,
        first=timing.first_pause,
        longest=timing.longest_pause,
        token=timing.token,
    )
