"""The outgoing half of Discord, over REST alone: it works whether or not the gateway is connected."""

import asyncio
import hashlib
import logging
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
import discord
from discord import ui
from pydantic import SecretStr

from bot.chats.discord_buttons import keyboard
from bot.chats.discord_text import LIMIT, contents
from bot.chats.discord_wire import FAILURES, translated
from bot.chats.pace import Limit, Limits, Pace
from bot.surface import Card, ChatDown, ChatRefused

PLATFORM = "discord"
REPEAT = "\n(may be a repeat: no answer came when this was sent before)"

log = logging.getLogger(__name__)
_Result = TypeVar("_Result")
Files = Callable[[], Awaitable[list[discord.File]]]
_CHANNEL = (Limit(count=5, seconds=5.0),)
LIMITS = Limits(private=_CHANNEL, group=_CHANNEL, overall=(Limit(count=40, seconds=1.0),))  # Discord: 50 a second

_ROOM = LIMIT - len(REPEAT)
_REMEMBERED = 1000  # keys
_LONGEST_WAIT = 30.0  # seconds that the library may sit a rate limit out; the least it takes
_NONCE = 24  # characters; Discord takes 25
_NONCE_KEPT = 120.0  # seconds for which Discord surely knows a nonce: "a few minutes"
_NOT_SENT = (discord.DiscordException, aiohttp.ClientConnectorError)  # after any other failure it may have arrived
_DESTINATION = re.compile(r"discord:(?:@(?P<user>\d{1,20})|(?P<channel>\d{1,20})(?:/(?P<thread>\d{1,20}))?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a destination leads. A thread is a channel of its own."""

    id: int
    private: bool  # `id` is a user's

    @property
    def gate(self) -> int:
        return -self.id if self.private else self.id


def target(destination: str) -> Target:
    """Raises ChatRefused for what is no place on Discord."""
    found = _DESTINATION.fullmatch(destination)
    if found is None:
        raise ChatRefused(f"{destination!r} is not a Discord channel")
    if found["user"]:
        return Target(id=int(found["user"]), private=True)
    return Target(id=int(found["thread"] or found["channel"]), private=False)


def quiet_client() -> discord.Client:
    """Pings nobody, keeps no messages, and hears nothing: it is never connected to the gateway."""
    return discord.Client(
        intents=discord.Intents.none(),
        allowed_mentions=discord.AllowedMentions.none(),
        max_messages=None,
        max_ratelimit_timeout=_LONGEST_WAIT,
    )


@dataclass(slots=True, kw_only=True)
class _Errand:
    """One card on its way, and how far it has got."""

    key: str
    to: Target
    silent: bool
    first: bool
    reply_to: int | None
    ids: list[int] = field(default_factory=list)  # of the parts that are there
    unsure_since: float | None = None  # the next part may be there too; by the event loop's time

    def nonce(self, part: object) -> str:
        """Discord shows a second message with the same one not again, and answers with the first."""
        return hashlib.sha256(f"{self.key}:{part}".encode()).hexdigest()[:_NONCE]


class Sender:
    """Raises ChatDown or ChatRefused, and nothing else."""

    def __init__(self, *, token: SecretStr, limits: Limits = LIMITS, patience: float = 40.0) -> None:
        """`patience`: seconds for one call; more than the library may sit a rate limit out."""
        self._token = token
        self._patience = patience
        self._pace = Pace(limits)
        self._client: discord.Client | None = None
        self._logging_in = asyncio.Lock()
        self._private: dict[int, int] = {}  # user -> channel
        self._begun: OrderedDict[str, _Errand] = OrderedDict()
        self._done: OrderedDict[str, str] = OrderedDict()  # key -> reference
        self._later: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def await_turn(self, destination: str) -> None:
        """Wait until the pace lets an alert go."""
        await self._pace.gate(target(destination).gate).await_turn()

    async def send(
        self, destination: str, card: Card, *, key: str, silent: bool = False, first: bool = False, reply_to: str = ""
    ) -> str:
        """The card in as many messages as it takes, buttons under the last. Returns their ids, "17" or "17,18".

        A repetition under the same key goes on with the first part that is not there yet. `first`: before alerts.
        """
        if key in self._done:
            return self._done[key]
        answers = int(first_part) if (first_part := reply_to.partition(",")[0]).isdecimal() else None
        to = target(destination)
        errand = self._begun.setdefault(key, _Errand(key=key, to=to, silent=silent, first=first, reply_to=answers))
        parts = contents(card, limit=_ROOM)
        for number in range(len(errand.ids), len(parts)):
            view = keyboard(card.buttons) if number == len(parts) - 1 else None
            errand.ids.append(await self._post(errand, parts[number], view))
            errand.unsure_since = None
        self._done[key] = ",".join(map(str, errand.ids))
        self._forget(key)
        return self._done[key]

    def enclose(self, destination: str, reference: str, files: Files) -> None:
        """Send the files of a card under its words, when they are ready and without a sound. A failure costs a line
        in the log."""
        task = asyncio.create_task(self._enclose(destination, reference, files))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def edit(self, destination: str, reference: str, card: Card) -> bool:
        """Put the card in the place of a message. False when that cannot be done: too long, gone."""
        parts = contents(card)
        if len(parts) > 1 or not reference.isdecimal():
            return False
        to, view = target(destination), keyboard(card.buttons)

        async def put() -> None:
            channel = await self._channel(to)
            await channel.get_partial_message(int(reference)).edit(content=parts[0], view=view)

        try:
            await self._turn(to, put, first=False)
        except ChatRefused as error:
            log.info("a message was not edited: %s", error)
            return False
        return True

    async def pin(self, destination: str, reference: str) -> None:
        to, message = target(destination), reference.partition(",")[0]
        if not message.isdecimal():
            raise ChatRefused(f"{reference!r} is not a message")

        async def put() -> None:
            await (await self._channel(to)).get_partial_message(int(message)).pin()

        await self._turn(to, put, first=False)

    # --- one message --------------------------------------------------------------------------------------------

    async def _post(self, errand: _Errand, text: str, view: ui.View | None) -> int:
        """One message, in the best form that is taken: whole, and without buttons and reference."""
        now = asyncio.get_running_loop().time()
        if errand.unsure_since is not None and now - errand.unsure_since > _NONCE_KEPT:
            text += REPEAT
        nonce = errand.nonce(len(errand.ids))

        async def in_some_form() -> int:
            whole: dict[str, Any] = {"view": view} if view else {}
            channel = await self._channel(errand.to)
            if errand.reply_to is not None:
                whole["reference"] = _reference(channel.id, errand.reply_to)
            try:
                return (await channel.send(text, silent=errand.silent, nonce=nonce, **whole)).id
            except discord.HTTPException as error:
                if error.status != 400 or not whole:
                    raise
                log.warning("a message goes without its buttons: %s", error)
                return (await channel.send(text, silent=errand.silent, nonce=nonce)).id

        try:
            return await self._turn(errand.to, in_some_form, first=errand.first)
        except ChatDown as error:
            if errand.unsure_since is None and not isinstance(error.__cause__, _NOT_SENT):
                errand.unsure_since = now
            raise

    async def _enclose(self, destination: str, reference: str, files: Files) -> None:
        to, words = target(destination), int(reference.rpartition(",")[2])
        found = await files()

        async def put() -> None:
            channel = await self._channel(to)
            await channel.send(files=found, silent=True, reference=_reference(channel.id, words))

        try:
            if found:
                await self._turn(to, put, first=False)
        except (ChatDown, ChatRefused) as error:
            log.warning("a picture or file was not sent: %s", error)

    async def _turn(self, to: Target, call: Callable[[], Awaitable[_Result]], *, first: bool) -> _Result:
        """Make a call at the channel's pace. Raises ChatDown or ChatRefused."""
        gate = self._pace.gate(to.gate)
        async with gate.turn(first=first):
            try:
                async with asyncio.timeout(self._patience):
                    return await call()
            except FAILURES as error:
                failure = translated(error)
                if isinstance(failure, ChatDown) and failure.retry_after is not None:
                    gate.hold(failure.retry_after)
                raise failure from error

    async def _channel(self, to: Target) -> discord.PartialMessageable:
        client = await self._logged_in()
        if not to.private:
            return client.get_partial_messageable(to.id)
        if to.id not in self._private:
            self._private[to.id] = (await client.create_dm(discord.Object(to.id))).id
        return client.get_partial_messageable(self._private[to.id])

    async def _logged_in(self) -> discord.Client:
        async with self._logging_in:
            if self._client is None:
                client = quiet_client()
                try:
                    await client.login(self._token.get_secret_value())
                except BaseException:
                    await client.close()
                    raise
                self._client = client
            return self._client

    def _forget(self, done: str) -> None:
        self._begun.pop(done, None)
        for known in (self._begun, self._done):
            while len(known) > _REMEMBERED:
                known.popitem(last=False)


def _reference(channel: int, message: int) -> discord.MessageReference:
    return discord.MessageReference(message_id=message, channel_id=channel, fail_if_not_exists=False)
