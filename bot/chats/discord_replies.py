"""Where an answer goes: to all in the channel, to who asked alone, into the place of what was tapped, or by a message
of its own when the interaction is over."""

import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import discord

from bot.chats.discord_answer import Answer, Gone, Patience
from bot.chats.discord_files import enclosed
from bot.chats.discord_sender import PLATFORM, Sender
from bot.chats.growing import grow
from bot.surface import CANCEL, CONFIRM, Artist, Card, ChatError, Request, Role, Service

log = logging.getLogger(__name__)
_REMEMBERED = 100  # questions


LATE = Card(title="Nothing was done: Discord was too slow. Send it again.")


class Replies:
    """`rival`: told when another process has answered what was asked of us. `growth`: seconds between two edits of a
    card that grows, in private and where others read."""

    def __init__(
        self,
        *,
        service: Service,
        sender: Sender,
        artist: Artist | None,
        patience: Patience,
        rival: Callable[[], None],
        growth: tuple[float, float],
    ) -> None:
        self._service = service
        self._sender = sender
        self._artist = artist
        self._patience = patience
        self._rival = rival
        self._growth = growth
        self._asked: OrderedDict[str, Answer] = OrderedDict()  # by the id of the message that asks

    def begin(self, interaction: discord.Interaction[Any], *, in_place: bool, hidden: bool) -> Answer:
        return Answer(interaction, in_place=in_place, hidden=hidden, patience=self._patience)

    def role(self, request: Request) -> Role | None:
        """His own, or that of the channel. The gate decides; this is about who may see what it says."""
        channel = request.place.partition(":")[2].partition("/")[0]
        keys = (request.who.id, f"#{channel}")
        return max((role for who, role in self._service.members(PLATFORM) if who.id in keys), default=None)

    async def give(self, answer: Answer, request: Request, card: Card | None) -> None:
        known = self.role(request) is not None
        if card is None:
            if not answer.in_place or (known and request.button.startswith((CONFIRM, CANCEL))):
                await answer.take_back()
            return
        aside = not known or card.refused
        hidden = not request.private and (aside or card.private)
        try:
            reference = await answer.give(card, hidden=hidden, aside=aside)
        except Gone as error:
            log.info("an answer goes as a message of its own: %s", error)
            await self._send_instead(answer, request, card, hidden=hidden or answer.hidden)
            return
        await self._note(answer, request, card, reference)
        if files := await enclosed(card, self._artist, dark=self._service.dark(request.place)):
            await answer.add(files, hidden=hidden)
        if card.grows:
            await self._grow(answer, request, card, reference, hidden=hidden)

    async def _grow(self, answer: Answer, request: Request, card: Card, reference: str, *, hidden: bool) -> None:
        async def say(grown: Card) -> None:
            await self._send_instead(answer, request, grown, hidden=hidden or answer.hidden)

        quick, slow = self._growth
        cards = self._service.growing(card, quick if request.private else slow)
        await grow(cards, lambda grown: answer.edit(reference, grown), say)

    async def give_up(self, answer: Answer) -> None:
        """It was not acknowledged, and not done. Who asked is told so, if that can still be."""
        if answer.taken:
            self._rival()
            return
        try:
            await answer.give(LATE, hidden=True, aside=True)
        except Gone as error:
            log.info("nobody hears that it was too late: %s", error)

    async def edit(self, reference: str, card: Card) -> bool:
        """Put a card in the place of a question, which nobody but who asked may be able to see. False: too late."""
        answer = self._asked.get(reference)
        return answer is not None and await answer.edit(reference, card)

    async def _note(self, answer: Answer, request: Request, card: Card, reference: str) -> None:
        """Where a question stands, so that it can be greyed out."""
        if not card.token:
            return
        self._asked[reference] = answer
        while len(self._asked) > _REMEMBERED:
            self._asked.popitem(last=False)
        await self._service.shown(card, request.place, reference)

    async def _send_instead(self, answer: Answer, request: Request, card: Card, *, hidden: bool) -> None:
        """The interaction is over: fifteen minutes went by, or its message is gone. What others may not see goes to
        his private chat."""
        place = f"{PLATFORM}:@{request.who.id}" if hidden else request.place
        try:
            reference = await self._sender.send(place, card, key=f"r-{answer.id}", first=True)
        except ChatError as error:
            log.warning("an answer could not be delivered: %s", error)
            return
        await self._service.shown(card, place, reference)
        dark = self._service.dark(place)
        self._sender.enclose(place, reference, lambda: enclosed(card, self._artist, dark=dark))
