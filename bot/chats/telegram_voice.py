"""Saying a card: its words first, then to the gate where its question stands, then its picture and its file."""

import logging

from bot.chats.telegram_enclosures import Enclosures
from bot.chats.telegram_place import Place
from bot.chats.telegram_sender import Sender
from bot.surface import Card, Service

log = logging.getLogger(__name__)


class Voice:
    """Raises ChatDown or ChatRefused for the words, and nothing for what belongs to them."""

    def __init__(self, *, sender: Sender, enclosures: Enclosures, service: Service) -> None:
        self._sender = sender
        self._enclosures = enclosures
        self._service = service

    async def send(
        self,
        place: Place,
        card: Card,
        *,
        key: str,
        silent: bool = False,
        first: bool = False,
        reply_to: int | None = None,
    ) -> str:
        """The reference of its words. See Sender.send."""
        reference = await self._sender.send(place, card, key=key, silent=silent, first=first, reply_to=reply_to)
        await self._stands(place, card, reference)
        self._enclosures.follow(place, card, reference, key=key)
        return reference

    async def edit(self, place: Place, reference: str, card: Card, *, first: bool = False) -> bool:
        """See Sender.edit."""
        if not await self._sender.edit(place, reference, card, first=first):
            return False
        await self._stands(place, card, reference)
        self._enclosures.follow(place, card, reference)
        return True

    async def replace(self, place: Place, message_id: int, card: Card | None, *, key: str) -> None:
        """A question gives way to its answer, so that its buttons cannot be tapped again."""
        if card is None:
            await self._sender.strip(place, message_id)
        elif not await self.edit(place, str(message_id), card, first=True):
            reply_to = None if place.private else message_id
            await self.send(place, card, key=key, first=True, reply_to=reply_to)
            await self._sender.strip(place, message_id)

    async def _stands(self, place: Place, card: Card, reference: str) -> None:
        if card.token:
            try:
                await self._service.shown(card, str(place), reference)
            except Exception:  # the question is there; only its greying out is lost
                log.exception("where a question stands was not noted")
