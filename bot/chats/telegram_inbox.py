"""The incoming half of Telegram: who said or tapped what, in order, and where the answer goes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from weakref import WeakValueDictionary

from telegram import CallbackQuery, Message, Update, User
from telegram.error import TelegramError

from bot.chats.lane import Lane
from bot.chats.telegram_sender import Sender, describe
from bot.surface import Card, ChatDown, ChatRefused, Identity, Request
from trading.ports import Clock

PLATFORM = "telegram"

Handle = Callable[[Request], Awaitable[Card | None]]
_Answer = Callable[[Card | None], Awaitable[None]]

log = logging.getLogger(__name__)
_USED = ("cf:", "no:")  # buttons that are good for one tap


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How an answer that could not be delivered is tried again."""

    first: timedelta  # pause, doubled up to ...
    longest: timedelta
    altogether: timedelta


class Inbox:
    """Every message and every tap becomes a Request to `handle`, in the order of its chat; `urgent` commands pass."""

    def __init__(
        self, *, handle: Handle, sender: Sender, clock: Clock, urgent: frozenset[str], patience: Patience
    ) -> None:
        self.name = ""  # the bot's user name, once known
        self._handle = handle
        self._sender = sender
        self._clock = clock
        self._urgent = urgent
        self._patience = patience
        self._lanes: WeakValueDictionary[int, Lane] = WeakValueDictionary()
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

    async def _on_message(self, message: Message, user: User, key: str) -> None:
        text = addressed(message, self.name)
        if text is None:
            return
        chat = message.chat.id
        # In a group an answer hangs on its question: a button under it then has a visible owner.
        reply_to = message.message_id if chat < 0 else None

        async def answer(card: Card | None) -> None:
            if card is not None:
                await self._insist(lambda: self._sender.send(chat, card, key=key, first=True, reply_to=reply_to))

        request = Request(who=_identity(user), place=f"{PLATFORM}:{chat}", text=text, at=self._clock.now())
        await self._serve(chat, request, answer)

    async def _on_tap(self, query: CallbackQuery, key: str) -> None:
        chat = query.message.chat.id if query.message else query.from_user.id
        data = query.data or ""

        async def answer(card: Card | None) -> None:
            if query.message is not None and data.startswith(_USED) and _owns(query):
                message_id = query.message.message_id
                await self._insist(lambda: self._replace(chat, message_id, card, key))
            elif card is not None:
                await self._insist(lambda: self._sender.send(chat, card, key=key, first=True))

        request = Request(who=_identity(query.from_user), place=f"{PLATFORM}:{chat}", button=data, at=self._clock.now())
        spinner = asyncio.create_task(self._acknowledge(query))
        await self._serve(chat, request, answer)  # not as a task: its place in the lane is taken now
        await spinner

    async def _serve(self, chat: int, request: Request, answer: _Answer) -> None:
        lane = self._lanes.setdefault(chat, Lane())
        serve = lane.at_once if self._may_not_wait(request) else lane.in_order
        await serve(lambda: self._handle(request), answer)

    def _may_not_wait(self, request: Request) -> bool:
        words = (request.text or request.button.partition(":")[2]).split(maxsplit=1)
        return bool(words) and words[0].startswith("/") and words[0][1:].lower() in self._urgent

    async def _acknowledge(self, query: CallbackQuery) -> None:
        try:
            await query.answer()
        except TelegramError as error:
            log.info("a tap could not be acknowledged, its spinner goes on turning: %s", describe(error))

    async def _replace(self, chat: int, message_id: int, card: Card | None, key: str) -> None:
        """The question gives way to its answer, so that its buttons cannot be tapped again."""
        if card is None:
            await self._sender.strip(chat, message_id)
        elif not await self._sender.edit(chat, message_id, card):
            await self._sender.send(chat, card, key=key, first=True)
            await self._sender.strip(chat, message_id)

    async def _insist(self, say: Callable[[], Awaitable[object]]) -> None:
        """Answers are in no outbox: they are tried again from here, while somebody may still be waiting for them."""
        give_up = _now() + self._patience.altogether.total_seconds()
        pause = self._patience.first
        while True:
            try:
                await say()
                return
            except ChatRefused as error:
                log.warning("an answer was refused: %s", error)
                return
            except ChatDown as error:
                wait = pause.total_seconds() if error.retry_after is None else error.retry_after
                if _now() + wait > give_up:
                    log.warning("an answer could not be delivered and is given up: %s", error)
                    return
            await asyncio.sleep(wait)
            pause = min(pause * 2, self._patience.longest)


def addressed(message: Message, bot: str) -> str | None:
    """The text, where it is meant for this bot: "/halt@ThisBot now" -> "/halt now". Talk in a group is not."""
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


def _identity(user: User) -> Identity:
    return Identity(platform=PLATFORM, id=str(user.id), name=user.full_name)


def _owns(query: CallbackQuery) -> bool:
    """Whether the question was put to the one who taps: so in his private chat; in a group, when the message
    answers one of his. Another's tap must not take the buttons away."""
    message = query.message
    if message is None or message.chat.id > 0:
        return message is not None and message.chat.id == query.from_user.id  # a private chat has its person's id
    asked = message.reply_to_message if isinstance(message, Message) else None
    return asked is not None and asked.from_user == query.from_user


def _now() -> float:
    return asyncio.get_running_loop().time()
