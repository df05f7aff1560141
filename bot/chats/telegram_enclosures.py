"""Pictures and files that belong to words. They follow them, and cost nobody anything when they fail."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeVar
from weakref import WeakValueDictionary

from telegram import InputMediaPhoto, ReplyParameters
from telegram.error import BadRequest

from bot.chats.patience import Patience
from bot.chats.telegram_place import Place, ids_of
from bot.chats.telegram_wire import Wire, describe, is_unchanged, may_have_arrived
from bot.pictures import Picture
from bot.surface import Artist, Card, ChatDown, ChatRefused, File

_Result = TypeVar("_Result")
_Words = tuple[int, int]  # chat and message
_REMEMBERED = 1000

log = logging.getLogger(__name__)


class Enclosures:
    """`dark`: whether pictures are dark at a destination."""

    def __init__(self, wire: Wire, *, artist: Artist | None, dark: Callable[[str], bool], patience: Patience) -> None:
        self._wire = wire
        self._artist = artist
        self._dark = dark
        self._patience = patience
        self._followed: OrderedDict[str, None] = OrderedDict()  # keys
        self._pictures: OrderedDict[_Words, int] = OrderedDict()  # words -> the message with their picture
        self._newest: dict[_Words, Card] = {}
        self._turns: WeakValueDictionary[_Words, asyncio.Lock] = WeakValueDictionary()
        self._at_work: set[asyncio.Task[None]] = set()

    def follow(self, place: Place, card: Card, reference: str, *, key: str = "") -> None:
        """Send what belongs to these words after them; once for a key. Words that were edited get their new picture in
        the place of the old one."""
        if (card.picture is None and card.file is None) or (key and key in self._followed):
            return
        if key:
            self._followed[key] = None
            _bound(self._followed)
        words = (place.chat, ids_of(reference)[-1])
        self._newest[words] = card
        task = asyncio.create_task(self._send(place, card, words), name=f"enclosures {words}")
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)

    async def close(self, within: float) -> None:
        """What is not there by then stays undone."""
        if self._at_work:
            await asyncio.wait(self._at_work, timeout=within)
        for task in self._at_work:
            task.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)

    async def _send(self, place: Place, card: Card, words: _Words) -> None:
        turn = self._turns.setdefault(words, asyncio.Lock())
        async with turn:  # a picture that took long to draw must not replace a newer one
            if self._newest.get(words) is card and card.picture is not None and self._artist is not None:
                await self._guarded(self._picture(place, card.picture, words, self._artist), "a picture")
            if card.file is not None:
                await self._guarded(self._file(place, card.file, words), "a file")
            if self._newest.get(words) is card:
                del self._newest[words]

    async def _guarded(self, sending: Awaitable[object], what: str) -> None:
        try:
            await sending
        except Exception as error:  # noqa: BLE001 - whatever a drawing or an upload raises, the words are there
            log.warning("%s was not sent: %r", what, error)

    async def _picture(self, place: Place, picture: Picture, words: _Words, artist: Artist) -> None:
        png = await artist.draw(picture, dark=self._dark(str(place)))
        name = f"{type(picture).__name__.removesuffix('Picture').lower()}.png"
        before = self._pictures.get(words)
        if before is not None and await self._exchange(place, before, png, name) is not False:
            return
        sent = await self._insist(
            place,
            lambda: self._wire.bot.send_photo(
                self._wire.now_at(place.chat),
                png,
                filename=name,
                disable_notification=True,
                reply_parameters=ReplyParameters(words[1]),
            ),
            "a picture",
        )
        if sent is not None:
            self._pictures[words] = sent.message_id
            _bound(self._pictures)

    async def _exchange(self, place: Place, message_id: int, png: bytes, name: str) -> bool | None:
        """False when there is no such picture any more; None when this could not be done."""

        async def exchange() -> bool:
            try:
                media = InputMediaPhoto(png, filename=name)
                await self._wire.bot.edit_message_media(media, self._wire.now_at(place.chat), message_id)
            except BadRequest as error:
                return is_unchanged(error)
            return True

        return await self._insist(place, exchange, "a picture")

    async def _file(self, place: Place, file: File, words: _Words) -> None:
        await self._insist(
            place,
            lambda: self._wire.bot.send_document(
                self._wire.now_at(place.chat),
                file.content,
                filename=file.name,
                disable_notification=True,
                disable_content_type_detection=True,
                reply_parameters=ReplyParameters(words[1]),
            ),
            "a file",
        )

    async def _insist(self, place: Place, call: Callable[[], Awaitable[_Result]], what: str) -> _Result | None:
        """Under its words or not at all, in their topic; what may be there already is not sent again."""

        async def once() -> _Result:
            try:
                return await self._wire.call(place.chat, call, first=False, upload=True)
            except BadRequest as error:
                raise ChatRefused(describe(error)) from error
            except ChatDown as error:
                if may_have_arrived(error):
                    raise ChatRefused(f"{error}; it may have arrived") from error
                raise

        return await self._patience.insist(once, what)


def _bound(known: OrderedDict[str, None] | OrderedDict[_Words, int]) -> None:
    while len(known) > _REMEMBERED:
        known.popitem(last=False)
