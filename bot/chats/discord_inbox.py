"""The incoming half of Discord: who called, tapped or filled in what, in order, and where the answer goes."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import discord
from discord import app_commands

from bot.catalogue import Entry, find
from bot.chats.discord_buttons import Pressed, form, label_of, pressed, typed
from bot.chats.discord_menu import called
from bot.chats.discord_replies import Replies
from bot.chats.discord_sender import PLATFORM
from bot.chats.discord_wire import FAILURES, describe
from bot.chats.lane import Lane
from bot.surface import AGAIN, ASK, CANCEL, CONFIRM, STOP, Card, Identity, Request, Service
from trading.ports import Clock

UNREAD = "That could not be read, and nothing was done. Try it again."

log = logging.getLogger(__name__)
_IN_PLACE = (CONFIRM, CANCEL, AGAIN, STOP)
_CHOICES, _CHOICE = 25, 100  # suggestions, and characters of one

_Interaction = discord.Interaction[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """What somebody did, and how it is to be answered."""

    request: Request
    entry: Entry | None = None  # the command that it comes down to, where there is one
    in_place: bool = False


class Inbox:
    """Every command, tap and form becomes a Request to the service, in the order of its channel; `urgent` ones pass.

    It outlives the connections to Discord: what is being dealt with when one breaks is answered all the same.
    """

    def __init__(
        self,
        *,
        service: Service,
        commands: Mapping[str, Entry],
        replies: Replies,
        clock: Clock,
        guild: int,
        urgent: frozenset[str],
    ) -> None:
        self._service = service
        self._commands = commands
        self._replies = replies
        self._clock = clock
        self._guild = guild
        self._urgent = urgent
        self._lanes: WeakValueDictionary[str, Lane] = WeakValueDictionary()
        self._at_work: set[asyncio.Task[Any]] = set()

    async def on_interaction(self, interaction: _Interaction) -> None:
        """Raises nothing."""
        task = asyncio.current_task()
        if task is not None:
            self._watch_over(task)
        try:
            await self._deal_with(interaction)
        except Exception:  # whoever waits for an answer gets one
            log.exception("an interaction was not dealt with")
            await self._apologise(interaction)

    async def stop(self) -> None:
        """End what is still being dealt with."""
        for task in self._at_work:
            task.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)

    def _watch_over(self, task: asyncio.Task[Any]) -> None:
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)

    # --- what was done ------------------------------------------------------------------------------------------

    async def _deal_with(self, interaction: _Interaction) -> None:
        place = _place(interaction)
        data = interaction.data
        if place is None or not isinstance(data, Mapping):
            await self._apologise(interaction)
            return
        match interaction.type:
            case discord.InteractionType.application_command:
                await self._on_command(interaction, place, data)
            case discord.InteractionType.autocomplete:
                await self._on_typing(interaction, place, data)
            case discord.InteractionType.component:
                await self._on_tap(interaction, place, data)
            case discord.InteractionType.modal_submit:
                await self._on_form(interaction, place, data)
            case _:
                await self._apologise(interaction)

    async def _on_command(self, interaction: _Interaction, place: str, data: Mapping[str, Any]) -> None:
        command = called(data, self._commands)
        request = self._request(interaction, place, text=command.text)
        await self._serve(interaction, _Heard(request=request, entry=command.entry))

    async def _on_typing(self, interaction: _Interaction, place: str, data: Mapping[str, Any]) -> None:
        command = called(data, self._commands)
        so_far = command.values.get(command.typing, "")
        request = self._request(interaction, place)
        found = self._service.suggest(request, command.path, command.typing, so_far) if command.entry else ()
        fitting = [value for value in found if 0 < len(value) <= _CHOICE][:_CHOICES]
        choices = [app_commands.Choice(name=value, value=value) for value in fitting]
        try:
            await interaction.response.autocomplete(choices)
        except FAILURES as error:
            log.info("suggestions came too late: %s", describe(error))

    async def _on_tap(self, interaction: _Interaction, place: str, data: Mapping[str, Any]) -> None:
        custom_id = str(data.get("custom_id", ""))
        tapped = pressed(custom_id)
        if not tapped.form:
            await self._pressed(interaction, place, tapped, "")
            return
        try:
            await interaction.response.send_modal(form(label_of(interaction.message, custom_id), tapped))
        except FAILURES as error:
            log.warning("a form could not be shown: %s", describe(error))

    async def _on_form(self, interaction: _Interaction, place: str, data: Mapping[str, Any]) -> None:
        await self._pressed(interaction, place, pressed(str(data.get("custom_id", ""))), typed(data))

    async def _pressed(self, interaction: _Interaction, place: str, tapped: Pressed, word: str) -> None:
        request = self._request(interaction, place, text=word, button=tapped.data)
        line = tapped.data.removeprefix(ASK).removeprefix(AGAIN)
        entry = find(line, self._commands)[0] if line.startswith("/") else None
        in_place = tapped.data.startswith(_IN_PLACE) and interaction.message is not None
        await self._serve(interaction, _Heard(request=request, entry=entry, in_place=in_place))

    def _request(self, interaction: _Interaction, place: str, *, text: str = "", button: str = "") -> Request:
        user = interaction.user
        return Request(
            who=Identity(platform=PLATFORM, id=str(user.id), name=user.display_name),
            place=place,
            text=text,
            button=button,
            at=self._clock.now(),
            private=place.startswith(f"{PLATFORM}:@"),
        )

    # --- the answer ---------------------------------------------------------------------------------------------

    async def _serve(self, interaction: _Interaction, heard: _Heard) -> None:
        request = heard.request
        answer = self._replies.begin(interaction, in_place=heard.in_place, hidden=self._is_hidden(interaction, heard))
        self._watch_over(answer.acknowledged)
        urgent = heard.entry is not None and heard.entry.name in self._urgent
        late = False

        async def act() -> Card | None:
            nonlocal late
            # What is not acknowledged has failed for who asked, and may be asked again: so it is not done. What is
            # urgent is done before anything is waited for.
            late = not urgent and not await answer.acknowledged
            return None if late else await self._service.handle(request)

        async def reply(card: Card | None) -> None:
            await answer.acknowledged
            if late:
                await self._replies.give_up(answer)
            else:
                await self._replies.give(answer, request, card)

        lane = self._lanes.setdefault(request.place, Lane())
        await (lane.at_once if urgent else lane.in_order)(act, reply)

    def _is_hidden(self, interaction: _Interaction, heard: _Heard) -> bool:
        """Whether the answer is announced to who asked alone: it is private, or will be a refusal, or comes of a
        message that only he sees."""
        if interaction.message is not None and interaction.message.flags.ephemeral:
            return True
        if heard.request.private or heard.in_place:
            return False
        entry, role = heard.entry, self._replies.role(heard.request)
        mine = interaction.guild_id == self._guild
        return not mine or entry is None or entry.private or role is None or role < entry.role

    async def _apologise(self, interaction: _Interaction) -> None:
        """For what cannot be read, or went wrong in here."""
        try:
            if interaction.response.is_done():
                await interaction.followup.send(UNREAD, ephemeral=True)
            elif interaction.type is discord.InteractionType.autocomplete:
                await interaction.response.autocomplete([])
            else:
                await interaction.response.send_message(UNREAD, ephemeral=True)
        except FAILURES as error:
            log.info("an interaction stays without an answer: %s", describe(error))


def _place(interaction: _Interaction) -> str | None:
    """The destination it came from. None: nobody knows who it was, or where."""
    user, channel = getattr(interaction, "user", None), interaction.channel
    if not isinstance(user, discord.User | discord.Member):
        return None
    if interaction.guild_id is None:
        group = channel is not None and channel.type is discord.ChannelType.group
        return None if group else f"{PLATFORM}:@{user.id}"
    if isinstance(channel, discord.Thread):
        return f"{PLATFORM}:{channel.parent_id}/{channel.id}"
    return None if channel is None else f"{PLATFORM}:{channel.id}"
