"""The answer to one interaction: acknowledged within Discord's three seconds, shown when it is there."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import discord
from discord import ui

from bot.chats.discord_buttons import keyboard
from bot.chats.discord_text import contents
from bot.chats.discord_wire import FAILURES, describe, translated
from bot.surface import Card, ChatDown

log = logging.getLogger(__name__)
_Result = TypeVar("_Result")
_ELSEWHERE = "(answered privately)"  # stands in the channel for a moment
_TAKEN = 40060  # it was acknowledged already, and not by us
_GONE = (10008, 10062, 10015, 50027)  # unknown message, interaction or webhook; the token is too old


class Gone(Exception):
    """There is no way left to answer through the interaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    acknowledge: timedelta  # Discord gives up after three seconds
    call: timedelta  # for one call
    first: timedelta  # pause before trying again, doubled up to ...
    longest: timedelta
    token: timedelta  # from the interaction on, for as long as its token may be used


class Answer:
    """`in_place`: it takes the place of the message that was tapped. `hidden`: from the beginning, only who asked sees
    anything of it; that can be decided later, but not be taken back."""

    def __init__(self, to: discord.Interaction[Any], *, in_place: bool, hidden: bool, patience: Patience) -> None:
        self.id = to.id
        self.in_place = in_place
        self.hidden = hidden
        self.taken = False  # another process has acknowledged it
        self._to = to
        self._patience = patience
        self._until = asyncio.get_running_loop().time() + patience.token.total_seconds()
        self.acknowledged = asyncio.create_task(self._acknowledge())

    async def give(self, card: Card, *, hidden: bool, aside: bool) -> str:
        """Show it, hidden from all others if that is wanted or was announced. `aside`: the message that was tapped
        stays as it is. Returns the ids of its messages. Raises Gone."""
        now_hidden = hidden and not self.hidden
        if now_hidden and not self.in_place:
            return await self._give_aside(card)
        stays = self.in_place and (aside or now_hidden)
        return await self._show(card, original=not stays, hidden=hidden or self.hidden)

    async def take_back(self) -> None:
        """Leave nothing of the announcement, or of the buttons that were used."""
        try:
            if self.in_place:
                await self._call(lambda: self._to.edit_original_response(view=None))
            else:
                await self._call(self._to.delete_original_response)
        except (Gone, *FAILURES) as error:
            log.info("nothing could be taken back: %s", describe(error))

    async def add(self, files: list[discord.File], *, hidden: bool) -> None:
        """After the words. A failure costs a line in the log."""
        try:
            await self._call(lambda: self._to.followup.send(files=files, ephemeral=hidden or self.hidden, wait=True))
        except (Gone, *FAILURES) as error:
            log.warning("a picture or file was not sent: %s", describe(error))

    async def edit(self, reference: str, card: Card) -> bool:
        """Put a card in the place of a message of this answer, be it hidden or not. False when it is too late."""
        parts = contents(card)
        if len(parts) > 1 or not reference.isdecimal():
            return False
        view, number = keyboard(card.buttons), int(reference)
        try:
            await self._call(lambda: self._to.followup.edit_message(number, content=parts[0], view=view))
        except (Gone, *FAILURES) as error:
            log.info("a message was not edited: %s", describe(error))
            return False
        return True

    async def _acknowledge(self) -> bool:
        """What Discord does not know to be heard has failed for who asked."""
        try:
            async with asyncio.timeout(self._patience.acknowledge.total_seconds()):
                await self._to.response.defer(ephemeral=self.hidden, thinking=not self.in_place)
        except FAILURES as error:
            self.taken = isinstance(error, discord.HTTPException) and error.code == _TAKEN
            log.warning("an interaction could not be acknowledged: %s", describe(error))
            return False
        return True

    async def _give_aside(self, card: Card) -> str:
        """What was announced to all is for one alone: the first message that follows would be seen by all."""
        await self._insist(lambda: self._to.edit_original_response(content=_ELSEWHERE, view=None))
        reference = await self._show(card, original=False, hidden=True)
        await self.take_back()
        return reference

    async def _show(self, card: Card, *, original: bool, hidden: bool) -> str:
        parts, ids = contents(card), []
        for number, text in enumerate(parts):
            view = keyboard(card.buttons) if number == len(parts) - 1 else None
            ids.append(await self._put(text, view, original=original and number == 0, hidden=hidden))
        return ",".join(map(str, ids))

    async def _put(self, text: str, view: ui.View | None, *, original: bool, hidden: bool) -> int:
        """One message; without its buttons where Discord does not take them."""

        async def put(under: ui.View | None) -> int:
            if original:
                return (await self._to.edit_original_response(content=text, view=under)).id
            more: dict[str, Any] = {"view": under} if under else {}
            sent: discord.WebhookMessage = await self._to.followup.send(text, ephemeral=hidden, wait=True, **more)
            return sent.id

        async def in_some_form() -> int:
            try:
                return await put(view)
            except discord.HTTPException as error:
                if error.status != 400 or view is None:
                    raise
                log.warning("an answer goes without its buttons: %s", error)
                return await put(None)

        return await self._insist(in_some_form)

    async def _insist(self, call: Callable[[], Awaitable[_Result]]) -> _Result:
        """Answers are in no outbox: they are tried again from here while the token lives. Raises Gone."""
        pause = self._patience.first.total_seconds()
        while True:
            try:
                return await self._call(call)
            except FAILURES as error:
                failure = translated(error)
                if not isinstance(failure, ChatDown) or self._is_over(pause):
                    raise Gone(describe(error)) from error
                wait = pause if failure.retry_after is None else failure.retry_after
            await asyncio.sleep(wait)
            pause = min(pause * 2, self._patience.longest.total_seconds())

    async def _call(self, call: Callable[[], Awaitable[_Result]]) -> _Result:
        try:
            async with asyncio.timeout(self._patience.call.total_seconds()):
                return await call()
        except discord.HTTPException as error:
            if error.code in _GONE:
                raise Gone(describe(error)) from error
            raise

    def _is_over(self, pause: float) -> bool:
        return self._to.client.is_closed() or asyncio.get_running_loop().time() + pause > self._until
