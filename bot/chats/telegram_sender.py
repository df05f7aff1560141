"""The outgoing half of Telegram: pace, splitting, the plain-text way out, and its errors in our words."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import httpx
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions, ReplyParameters
from telegram.error import BadRequest, ChatMigrated, Forbidden, InvalidToken, RetryAfter, TelegramError
from telegram.request import BaseRequest

from bot.chats.pace import Limits, Pace
from bot.chats.telegram_text import LIMIT, Message, messages
from bot.surface import Button, Card, ChatDown, ChatRefused

REPEAT = "\n(may be a repeat: no answer came when this was sent before)"

_Result = TypeVar("_Result")
_ROOM = LIMIT - len(REPEAT)
_PER_ROW = 2
_REMEMBERED = 1000  # keys
_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_GONE = ("chat not found", "deactivated", "not enough rights", "have no rights", "write_forbidden", "peer_id_invalid")
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


def describe(error: TelegramError) -> str:
    """An error in words that are safe to show: the library puts the token into one of them."""
    if isinstance(error, InvalidToken):
        return "Telegram does not accept the bot's token"
    return f"{type(error).__name__}: {error}"


@dataclass(slots=True, kw_only=True)
class _Errand:
    """One card on its way, and how far it has got."""

    chat: int
    silent: bool
    first: bool
    reply_to: int | None
    ids: list[int] = field(default_factory=list)  # of the parts that are there
    unsure: bool = False  # the next part may be there too


class Sender:
    """Raises ChatDown or ChatRefused, and nothing else."""

    def __init__(self, *, token: str, base_url: str, request: BaseRequest, limits: Limits) -> None:
        self._request = request
        self._bot = Bot(token, base_url=base_url, request=request, get_updates_request=request)  # it never polls
        self._pace = Pace(limits)
        self._moved: dict[int, int] = {}  # groups that became supergroups
        self._begun: OrderedDict[str, _Errand] = OrderedDict()
        self._done: OrderedDict[str, str] = OrderedDict()  # key -> reference

    async def close(self) -> None:
        await self._request.shutdown()

    async def await_turn(self, chat: int) -> None:
        """Wait until the pace lets an alert go."""
        await self._pace.gate(chat).await_turn()

    async def send(
        self, chat: int, card: Card, *, key: str, silent: bool = False, first: bool = False, reply_to: int | None = None
    ) -> str:
        """The card in as many messages as it takes, buttons under the last. Returns their ids, "17" or "17,18".

        A repetition under the same key goes on with the first part that is not there yet. `first`: before alerts.
        """
        if key in self._done:
            return self._done[key]
        errand = self._begun.setdefault(key, _Errand(chat=chat, silent=silent, first=first, reply_to=reply_to))
        parts = messages(card, limit=_ROOM)
        for number in range(len(errand.ids), len(parts)):
            last = number == len(parts) - 1
            errand.ids.append(await self._post(errand, parts[number], card.buttons if last else ()))
            errand.unsure = False
        self._done[key] = ",".join(map(str, errand.ids))
        self._forget(key)
        return self._done[key]

    async def edit(self, chat: int, message_id: int, card: Card) -> bool:
        """Put the card in the place of a message. False when that cannot be done: too long, too old, gone."""
        parts = messages(card)
        if len(parts) > 1:
            return False
        markup = _keyboard(card.buttons)

        async def call(text: str, mode: str | None) -> object:
            return await self._bot.edit_message_text(
                text, chat, message_id, parse_mode=mode, link_preview_options=_NO_PREVIEW, reply_markup=markup
            )

        try:
            await self._turn(chat, lambda: _plain_if_refused(call, parts[0]), first=True)
        except BadRequest as error:
            return _unchanged(error)
        return True

    async def strip(self, chat: int, message_id: int) -> None:
        """Take the buttons off a message."""
        try:
            await self._turn(chat, lambda: self._bot.edit_message_reply_markup(chat, message_id), first=True)
        except BadRequest as error:
            if not _unchanged(error):
                raise ChatRefused(describe(error)) from error

    async def _post(self, errand: _Errand, part: Message, buttons: Sequence[Button]) -> int:
        """One message, in the best form that is taken: marked up, plain, plain without buttons."""
        repeat = REPEAT if errand.unsure else ""
        part = Message(html=part.html + repeat, plain=part.plain + repeat)

        async def call(text: str, mode: str | None, under: Sequence[Button] = buttons) -> int:
            return await self._send_message(errand, text, mode, under)

        async def in_some_form() -> int:
            try:
                return await _plain_if_refused(call, part)
            except BadRequest as error:
                if any(word in error.message.lower() for word in _GONE):
                    raise
                return await call(part.plain, None, ())  # a fault in a button must not cost the words

        try:
            return await self._turn(errand.chat, in_some_form, first=errand.first)
        except BadRequest as error:
            raise ChatRefused(describe(error)) from error
        except ChatDown as error:
            errand.unsure = errand.unsure or _may_have_arrived(error.__cause__)
            raise

    async def _send_message(self, errand: _Errand, text: str, mode: str | None, buttons: Sequence[Button]) -> int:
        answers = ReplyParameters(errand.reply_to, allow_sending_without_reply=True) if errand.reply_to else None
        sent = await self._bot.send_message(
            self._moved.get(errand.chat, errand.chat),
            text,
            parse_mode=mode,
            link_preview_options=_NO_PREVIEW,
            disable_notification=errand.silent,
            reply_markup=_keyboard(buttons),
            reply_parameters=answers,
        )
        return sent.message_id

    async def _turn(self, chat: int, call: Callable[[], Awaitable[_Result]], *, first: bool) -> _Result:
        """Make a call at the chat's pace. Raises ChatDown, ChatRefused, or BadRequest for the caller to judge."""
        gate = self._pace.gate(chat)
        async with gate.turn(first=first):
            try:
                return await call()
            except RetryAfter as error:
                pause = _seconds(error.retry_after)
                gate.hold(pause)
                raise ChatDown(describe(error), retry_after=pause) from error
            except ChatMigrated as error:
                self._moved[chat] = error.new_chat_id
                raise ChatDown(describe(error), retry_after=0.0) from error
            except Forbidden as error:
                raise ChatRefused(describe(error)) from error
            except BadRequest:
                raise
            except TelegramError as error:
                raise ChatDown(describe(error)) from error

    def _forget(self, done: str) -> None:
        self._begun.pop(done, None)
        for known in (self._begun, self._done):
            while len(known) > _REMEMBERED:
                known.popitem(last=False)


async def _plain_if_refused(call: Callable[[str, str | None], Awaitable[_Result]], part: Message) -> _Result:
    try:
        return await call(part.html, "HTML")
    except BadRequest as error:
        if "parse entities" not in error.message.lower():
            raise
        return await call(part.plain, None)


def _keyboard(buttons: Sequence[Button]) -> InlineKeyboardMarkup | None:
    keys = [InlineKeyboardButton(b.label, callback_data=b.data) for b in buttons]
    return InlineKeyboardMarkup([keys[i : i + _PER_ROW] for i in range(0, len(keys), _PER_ROW)]) if keys else None


def _unchanged(error: BadRequest) -> bool:
    """An edit that would change nothing is refused, although nothing is left to do."""
    return "not modified" in error.message.lower()


def _may_have_arrived(error: BaseException | None) -> bool:
    """Whether the connection failed under a request that had left; an error that was answered has done nothing."""
    cause = error.__cause__ if error else None
    return isinstance(cause, httpx.HTTPError) and not isinstance(cause, _NEVER_LEFT)


def _seconds(pause: int | timedelta) -> float:
    return pause.total_seconds() if isinstance(pause, timedelta) else float(pause)
