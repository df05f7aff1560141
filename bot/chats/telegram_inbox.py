"""The incoming half of Telegram: who said or tapped what, in order, and where the answer goes."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakValueDictionary

from telegram import CallbackQuery, MaybeInaccessibleMessage, Message, Update, User
from telegram.error import TelegramError

from bot.chats.growing import grow
from bot.chats.lane import Lane
from bot.chats.patience import Patience
from bot.chats.telegram_place import PLATFORM, Place, ids_of
from bot.chats.telegram_text import FORM, note
from bot.chats.telegram_voice import Voice
from bot.chats.telegram_wire import describe
from bot.surface import AGAIN, CANCEL, CONFIRM, STOP, Card, ChatError, Identity, Request, Service
from trading.ports import Clock

ASIDE = Card(title="The answer is for you alone: it is in your private chat.")
UNREACHED = Card(title="The answer is for you alone: write to me privately first.")

_Answer = Callable[[Card | None], Awaitable[None]]

log = logging.getLogger(__name__)
_REMEMBERED = 1000  # cards in groups, with who asked for them


class Inbox:
    """Every message and every tap becomes a Request, in the order of its chat; `urgent` commands pass.

    `heard`: told who speaks in his private chat. `distrust`: whether nobody is obeyed now. `growth`: how fast a card
    may grow.
    """

    def __init__(
        self,
        *,
        service: Service,
        voice: Voice,
        clock: Clock,
        urgent: frozenset[str],
        patience: Patience,
        heard: Callable[[int], None],
        distrust: Callable[[], object],
        growth: Callable[[Place], float],
    ) -> None:
        self.name = ""  # the bot's user name, once known
        self._service = service
        self._voice = voice
        self._clock = clock
        self._urgent = urgent
        self._patience = patience
        self._heard = heard
        self._distrust = distrust
        self._growth = growth
        self._lanes: WeakValueDictionary[int, Lane] = WeakValueDictionary()
        self._askers: OrderedDict[tuple[int, int], int] = OrderedDict()  # a card in a group -> who asked for it
        self._at_work: set[asyncio.Task[Any]] = set()

    async def on_update(self, update: Update, _: Any) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._at_work.add(task)
            task.add_done_callback(self._at_work.discard)
        key = f"r-{update.update_id}"
        if update.callback_query is not None:
            await self._on_tap(update.callback_query, key)
        elif update.message is not None and update.message.from_user is not None:
            await self._on_message(update.message, update.message.from_user, key)

    async def on_fault(self, _: object, context: Any) -> None:
        log.error("an update from Telegram was not dealt with", exc_info=context.error)

    async def stop(self) -> None:
        """End what is still being dealt with."""
        for task in self._at_work:
            task.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)

    # --- messages -----------------------------------------------------------------------------------------------

    async def _on_message(self, message: Message, user: User, key: str) -> None:
        text = addressed(message, self.name)
        if text is None:
            return
        place = Place.under(message)
        if place.private:
            self._heard(place.chat)

        async def answer(card: Card | None) -> None:
            if card is not None:
                await self._say(place, card, key=key, to=user.id, under=message.message_id)

        await self._serve(place, self._request(user, place, text=text), answer)

    async def _say(self, place: Place, card: Card, *, key: str, to: int, under: int) -> None:
        """A new message. In a group it hangs on what it answers: it then has a visible owner."""
        card = await self._for_all(place, card, key=key, to=to)
        reply_to = None if place.private else under
        sent = await self._patience.insist(
            lambda: self._voice.send(place, card, key=key, first=True, reply_to=reply_to), "an answer"
        )
        if sent is not None and not place.private:
            self._askers[place.chat, ids_of(sent)[-1]] = to
            while len(self._askers) > _REMEMBERED:
                self._askers.popitem(last=False)
        if sent is not None and card.grows:
            await self._grow(place, card, sent, key=key, under=under)

    async def _grow(self, place: Place, card: Card, reference: str, *, key: str, under: int) -> None:
        """Nobody waits for it: the lane is free, and what people are answered goes before it."""
        reply_to = None if place.private else under
        await grow(
            self._service.growing(card, self._growth(place)),
            lambda grown: self._turned(place, reference, grown),
            lambda grown: self._patience.insist(
                lambda: self._voice.send(place, grown, key=f"{key}-grown", reply_to=reply_to), "an answer in words"
            ),
        )

    async def _turned(self, place: Place, reference: str, card: Card) -> bool:
        """Growing is no matter of life and death: what does not go through is left out."""
        try:
            return await self._voice.edit(place, reference, card)
        except ChatError as error:
            log.info("a card did not grow: %s", error)
            return False

    async def _for_all(self, place: Place, card: Card, *, key: str, to: int) -> Card:
        """What everybody there may read: what is for who asked alone goes to his private chat, with a word about it
        here."""
        if place.private or not card.private:
            return card
        sent = await self._patience.insist(
            lambda: self._voice.send(Place(to), card, key=f"{key}-alone", first=True), "an answer"
        )
        return UNREACHED if sent is None else ASIDE

    # --- taps ---------------------------------------------------------------------------------------------------

    async def _on_tap(self, query: CallbackQuery, key: str) -> None:
        message, data, user = query.message, query.data, query.from_user
        if not data or message is None:
            await self._acknowledge(query, None)
            return
        place = Place.under(message)
        request = self._request(user, place, button=data.removeprefix(FORM))

        async def aloud(card: Card | None) -> None:
            await self._answer_tap(message, user, card, data=request.button, key=key)

        async def aside(card: Card | None) -> None:
            await self._answer_aside(query, card, aloud)

        if self._is_at_home(message, user, data):
            spinner = asyncio.create_task(self._acknowledge(query, None))
            await self._serve(place, request, aloud)  # not as a task: its place in the lane is taken now
            await spinner
        else:
            await self._serve(place, request, aside)

    def _is_at_home(self, message: MaybeInaccessibleMessage, user: User, data: str) -> bool:
        """Whether a no may take the place of what was tapped: it was shown to him, and the no is final. Not so where
        a word has to be typed, while nobody is obeyed, or of an answer that stands."""
        final = not data.startswith((FORM, STOP)) and not self._distrust()
        return final and self._asker(message) == user.id and self._is_known(user.id, message.chat.id)

    async def _answer_aside(self, query: CallbackQuery, card: Card | None, aloud: _Answer) -> None:
        """A no is a note for who tapped, and takes nothing away: somebody else may still answer this question, or he
        himself with its code. A stranger gets nothing but notes."""
        known = query.message is not None and self._is_known(query.from_user.id, query.message.chat.id)
        noted = card is not None and (not known or card.refused)
        await self._acknowledge(query, card if noted else None)
        if card is not None and not noted:
            await aloud(card)

    async def _answer_tap(
        self, message: MaybeInaccessibleMessage, user: User, card: Card | None, *, data: str, key: str
    ) -> None:
        place, id = Place.under(message), message.message_id
        if data.startswith((CONFIRM, CANCEL)):
            shown = None if card is None else await self._for_all(place, card, key=key, to=user.id)
            await self._patience.insist(lambda: self._voice.replace(place, id, shown, key=key), "an answer")
        elif card is None:
            return
        elif data.startswith((AGAIN, STOP)) and (place.private or not card.private):
            turned = await self._patience.insist(
                lambda: self._voice.edit(place, str(id), card, first=True), "an answer"
            )
            if turned is False:
                await self._say(place, card, key=key, to=user.id, under=id)
        else:
            await self._say(place, card, key=key, to=user.id, under=id)

    def _asker(self, message: MaybeInaccessibleMessage) -> int | None:
        """Who a card was shown to; None in a group where it was shown to all. After a restart a message still tells
        whom it answers."""
        if message.chat.id > 0:
            return message.chat.id  # a private chat has its person's id
        known = self._askers.get((message.chat.id, message.message_id))
        asked = message.reply_to_message if isinstance(message, Message) else None
        return asked.from_user.id if known is None and asked and asked.from_user else known

    def _is_known(self, user: int, chat: int) -> bool:
        """Whether he, or the group, is on the list. The gate decides; this is about who may see what it says."""
        return any(who.id in (str(user), str(chat)) for who, _ in self._service.members(PLATFORM))

    async def _acknowledge(self, query: CallbackQuery, card: Card | None) -> None:
        try:
            await query.answer(note(card) if card is not None else None)
        except TelegramError as error:
            log.info("a tap could not be acknowledged, its spinner goes on turning: %s", describe(error))

    # --- both ---------------------------------------------------------------------------------------------------

    def _request(self, user: User, place: Place, *, text: str = "", button: str = "") -> Request:
        who = Identity(platform=PLATFORM, id=str(user.id), name=user.full_name)
        return Request(who=who, place=str(place), text=text, button=button, at=self._clock.now(), private=place.private)

    async def _serve(self, place: Place, request: Request, answer: _Answer) -> None:
        lane = self._lanes.setdefault(place.chat, Lane())
        serve = lane.at_once if self._may_not_wait(request) else lane.in_order
        await serve(lambda: self._service.handle(request), answer)

    def _may_not_wait(self, request: Request) -> bool:
        words = (request.text or request.button.partition(":")[2]).split(maxsplit=1)
        return bool(words) and words[0].startswith("/") and words[0][1:].lower() in self._urgent


def addressed(message: Message, bot: str) -> str | None:
    """The text, where it is meant for this bot: "/halt@ThisBot now" -> "/halt now". Talk in a group is not, unless it
    replies to the bot: so is a code typed there."""
    text = message.text
    if text is None:
        return None
    if not text.startswith("/"):
        return text if message.chat.id > 0 or _author(message.reply_to_message) == bot else None
    command, *rest = text.split(maxsplit=1)
    name, _, to = command.partition("@")
    return " ".join((name, *rest)) if to.lower() in ("", bot.lower()) else None


def _author(message: Message | None) -> str | None:
    return message.from_user.username if message and message.from_user else None
