"""Words on their way to Telegram: split, in the best form that is taken, each shown once."""

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from telegram import LinkPreviewOptions, ReplyParameters
from telegram.error import BadRequest, EndPointNotFound, InvalidToken

from bot.chats.telegram_place import Place, ids_of, reference_of
from bot.chats.telegram_rich import rich_html
from bot.chats.telegram_text import LIMIT, Message, keyboard, messages
from bot.chats.telegram_wire import Wire, describe, is_gone, is_unchanged, may_have_arrived
from bot.surface import Button, Card, ChatDown, ChatRefused

REPEAT = "\n(may be a repeat: no answer came when this was sent before)"

_ROOM = LIMIT - len(REPEAT)
_REMEMBERED = 1000  # keys
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class _Errand:
    """One card on its way, and how far it has got."""

    place: Place
    silent: bool
    first: bool
    reply_to: int | None
    ids: list[int] = field(default_factory=list)  # of the parts that are there
    unsure: bool = False  # the next part may be there too
    whole: bool = False  # one message held it all


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """How a message is tried. What Telegram refuses is given up, one thing after the other; the words never are."""

    text: Message
    buttons: Sequence[Button]
    place: Place
    reply_to: int | None
    marked: bool = True

    def weaker(self, refusal: BadRequest) -> "_Form | None":
        said = refusal.message.lower()
        if is_gone(refusal):
            return None
        if self.reply_to is not None and "repl" in said:  # gone, and it stood in another topic
            return replace(self, reply_to=None)
        if self.place.topic is not None and ("thread" in said or "topic" in said):  # deleted or closed
            log.warning("%s takes no messages (%s): they go to the chat itself", self.place, refusal.message)
            return replace(self, place=Place(self.place.chat))
        if self.marked and "parse entities" in said:
            return replace(self, marked=False)
        if self.marked or self.buttons:  # a fault in a button must not cost the words
            return replace(self, marked=False, buttons=())
        return None


class Sender:
    """Raises ChatDown or ChatRefused, and nothing else. `rich`: native tables, where the server knows them."""

    def __init__(self, wire: Wire, *, rich: bool) -> None:
        self._wire = wire
        self._bot = wire.bot
        self._rich = rich
        self._begun: OrderedDict[str, _Errand] = OrderedDict()
        self._done: OrderedDict[str, str] = OrderedDict()  # key -> reference

    # --- sending ------------------------------------------------------------------------------------------------

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
        """The card in as many messages as it takes, buttons under the last. Returns their ids, "17" or "17,18".

        A repetition under the same key goes on with the first part that is not there yet. `first`: before alerts.
        """
        if key in self._done:
            return self._done[key]
        errand = self._begun.setdefault(key, _Errand(place=place, silent=silent, first=first, reply_to=reply_to))
        parts = messages(card, limit=_ROOM)
        for number in range(len(errand.ids), len(parts)):
            buttons = card.buttons if number == len(parts) - 1 else ()
            form = _Form(text=parts[number], buttons=buttons, place=place, reply_to=reply_to)
            errand.ids.append(await self._post(errand, form, card))
            errand.unsure = False
            if errand.whole:
                break
        self._done[key] = reference_of(errand.ids)
        self._forget(key)
        return self._done[key]

    async def _post(self, errand: _Errand, form: _Form, card: Card) -> int:
        repeat = REPEAT if errand.unsure else ""
        form = replace(form, text=Message(html=form.text.html + repeat, plain=form.text.plain + repeat))
        rich = rich_html(card, note=repeat) if self._rich and not errand.ids else None

        async def in_some_form() -> int:
            if rich is not None and (sent := await self._post_rich(errand, rich, card.buttons)) is not None:
                errand.whole = True
                return sent
            return await self._post_html(errand, form)

        try:
            return await self._wire.call(errand.place.chat, in_some_form, first=errand.first)
        except BadRequest as error:
            raise ChatRefused(describe(error)) from error
        except ChatDown as error:
            errand.unsure = errand.unsure or may_have_arrived(error)
            raise

    async def _post_html(self, errand: _Errand, form: _Form) -> int:
        """In the first form that is taken."""
        while True:
            try:
                sent = await self._bot.send_message(
                    self._wire.now_at(form.place.chat),
                    form.text.html if form.marked else form.text.plain,
                    parse_mode="HTML" if form.marked else None,
                    link_preview_options=_NO_PREVIEW,
                    disable_notification=errand.silent,
                    reply_markup=keyboard(form.buttons),
                    reply_parameters=_answering(form.reply_to),
                    message_thread_id=form.place.topic,
                )
            except BadRequest as error:
                weaker = form.weaker(error)
                if weaker is None:
                    raise
                form = weaker
            else:
                return sent.message_id

    async def _post_rich(self, errand: _Errand, html: str, buttons: Sequence[Button]) -> int | None:
        """None where it has to be said without a native table."""
        try:
            sent: dict[str, Any] = await self._bot.do_api_request(
                "send_rich_message",
                {
                    "chat_id": self._wire.now_at(errand.place.chat),
                    "rich_message": {"html": html},
                    "disable_notification": errand.silent,
                    "reply_markup": keyboard(buttons),
                    "reply_parameters": _answering(errand.reply_to),
                    "message_thread_id": errand.place.topic,
                },
            )
        except (EndPointNotFound, InvalidToken) as error:
            if "not found" not in str(error.__cause__).lower():  # else it is the token that is unknown
                raise
            self._rich = False
            log.info("this Telegram server knows no rich messages: tables are shown as lines")
        except BadRequest as error:
            if is_gone(error):
                raise
            log.info("a table was refused and is shown as lines: %s", error)
        else:
            return int(sent["message_id"])
        return None

    def _forget(self, done: str) -> None:
        self._begun.pop(done, None)
        for known in (self._begun, self._done):
            while len(known) > _REMEMBERED:
                known.popitem(last=False)

    # --- editing ------------------------------------------------------------------------------------------------

    async def edit(self, place: Place, reference: str, card: Card, *, first: bool = False) -> bool:
        """Put the card in the place of a message. False when that cannot be done: too long, too old, gone.

        Of a card that took several messages the last ones change, which is where its buttons are.
        """
        ids = ids_of(reference)
        rich = rich_html(card) if self._rich and len(ids) == 1 else None
        if rich is not None and await self._edit_rich(place, ids[0], rich, card.buttons, first=first):
            return True
        parts = messages(card)
        if len(parts) > len(ids):
            return False
        for number, (id, part) in enumerate(zip(ids[-len(parts) :], parts, strict=True), 1):
            buttons = card.buttons if number == len(parts) else ()
            if not await self._edit_html(place, id, part, buttons, first=first):
                return False
        return True

    async def _edit_html(self, place: Place, id: int, part: Message, buttons: Sequence[Button], *, first: bool) -> bool:
        async def call(text: str, mode: str | None) -> object:
            return await self._bot.edit_message_text(
                text,
                self._wire.now_at(place.chat),
                id,
                parse_mode=mode,
                link_preview_options=_NO_PREVIEW,
                reply_markup=keyboard(buttons),
            )

        async def in_some_form() -> object:
            try:
                return await call(part.html, "HTML")
            except BadRequest as error:
                if "parse entities" not in error.message.lower():
                    raise
                return await call(part.plain, None)

        try:
            await self._wire.call(place.chat, in_some_form, first=first)
        except BadRequest as error:
            return is_unchanged(error)
        return True

    async def _edit_rich(self, place: Place, id: int, html: str, buttons: Sequence[Button], *, first: bool) -> bool:
        """An older server knows no such parameter and misses the text."""

        async def call() -> object:
            return await self._bot.edit_message_text(
                "",
                self._wire.now_at(place.chat),
                id,
                reply_markup=keyboard(buttons),
                api_kwargs={"rich_message": {"html": html}, "text": None},
            )

        try:
            await self._wire.call(place.chat, call, first=first)
        except BadRequest as error:
            return is_unchanged(error)
        return True

    async def strip(self, place: Place, message_id: int) -> None:
        """Take the buttons off a message. One that is gone has none."""

        async def call() -> object:
            return await self._bot.edit_message_reply_markup(self._wire.now_at(place.chat), message_id)

        try:
            await self._wire.call(place.chat, call, first=True)
        except BadRequest as error:
            if not is_unchanged(error):
                log.info("the buttons of a message stay: %s", error)

    async def pin(self, place: Place, message_id: int) -> None:
        async def call() -> object:
            return await self._bot.pin_chat_message(
                self._wire.now_at(place.chat), message_id, disable_notification=True
            )

        try:
            await self._wire.call(place.chat, call, first=False)
        except BadRequest as error:
            raise ChatRefused(describe(error)) from error


def _answering(message_id: int | None) -> ReplyParameters | None:
    return None if message_id is None else ReplyParameters(message_id, allow_sending_without_reply=True)
