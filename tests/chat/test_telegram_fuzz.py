"""Whatever Telegram hands over: a request to the desk or nothing, and never a traceback."""

import asyncio
import json
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from telegram import Update
from telegram.request import BaseRequest, RequestData

from bot.chats.pace import Limit, Limits
from bot.chats.patience import Patience
from bot.chats.telegram_enclosures import Enclosures
from bot.chats.telegram_inbox import Inbox
from bot.chats.telegram_place import Place
from bot.chats.telegram_sender import Sender
from bot.chats.telegram_text import FORM
from bot.chats.telegram_voice import Voice
from bot.chats.telegram_wire import Wire
from bot.surface import Button, Card, Request, Style
from tests.chat.telegram_world import ANN, BOB, GROUP, STRANGER, Desk
from trading.clock import SystemClock

NAME = "GavelTestBot"
SECRET = "seventeen users"
KINDS = ("message", "callback_query")
FREE = (Limit(count=10**6, seconds=0.001),)
PATIENCE = Patience(first=timedelta(0), longest=timedelta(0), altogether=timedelta(seconds=1))
REFUSALS = (
    (400, "Bad Request: message can't be edited"),
    (400, "Bad Request: can't parse entities: x"),
    (400, "Bad Request: message thread not found"),
    (400, "Bad Request: chat not found"),
    (403, "Forbidden: bot was blocked by the user"),
    (404, "Not Found"),
)


@dataclass(frozen=True)
class Sent:
    method: str
    chat: int
    said: str


class Offline(BaseRequest):
    """Says yes to everything, or what it is told to say, without any server."""

    def __init__(self, answers: list[tuple[int, str]]) -> None:
        super().__init__()
        self._answers = answers
        self.sent: list[Sent] = []

    async def initialize(self) -> None: ...

    async def shutdown(self) -> None: ...

    @property
    def read_timeout(self) -> float:
        return 1.0

    async def do_request(
        self, url: str, method: str, request_data: RequestData | None = None, *_: Any, **__: Any
    ) -> tuple[int, bytes]:
        name = url.rpartition("/")[2]
        params = request_data.parameters if request_data else {}
        said = json.dumps(params, ensure_ascii=False)
        said.encode()  # no half of a surrogate pair
        self.sent.append(Sent(name, int(str(params.get("chat_id", 0))), said))
        if self._answers and name != "answerCallbackQuery":
            code, description = self._answers.pop()
            return code, json.dumps({"ok": False, "error_code": code, "description": description}).encode()
        chat = {"id": ANN, "type": "private"}
        message = {"message_id": 1 + len(self.sent), "date": 0, "chat": chat, "text": "x"}
        return 200, json.dumps({"ok": True, "result": name == "answerCallbackQuery" or message}).encode()


text = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["/halt", "/halt@" + NAME, "/halt@Other", "/", "@", "4821", "x" * 5000, "/\u202e\x00", "yes"]),
)
data = st.one_of(
    st.none(),
    st.text(max_size=64),
    st.binary(max_size=64).map(lambda b: b.decode("latin-1")),
    st.builds(str.__add__, st.sampled_from(["cf:", "no:", "do:", "re:", FORM, FORM + "cf:", ":", "cf"]), text),
)
ids = st.sampled_from([ANN, BOB, STRANGER])
users = st.builds(
    lambda id, name, bot: {"id": id, "is_bot": bot, "first_name": name, "username": NAME if bot else "someone"},
    ids,
    st.text(min_size=1, max_size=9),
    st.booleans(),
)
chats = st.one_of(
    ids.map(lambda id: {"id": id, "type": "private"}),
    st.just({"id": GROUP, "type": "supergroup", "title": "desk", "is_forum": True}),
    st.just({"id": -5, "type": "channel", "title": "news"}),
)


def messages(depth: int = 1) -> st.SearchStrategy[dict[str, Any]]:
    parts: dict[str, Any] = {
        "text": text,
        "caption": text,
        "from": users,
        "message_thread_id": st.integers(1, 9),
        "is_topic_message": st.booleans(),
        "pinned_message": st.just({"message_id": 1, "date": 0, "chat": {"id": ANN, "type": "private"}}),
        "new_chat_members": st.lists(users, max_size=1),
        "rich_message": st.just({"blocks": []}),
    }
    if depth:
        parts["reply_to_message"] = messages(depth - 1)
    whole = {"message_id": st.integers(1, 50), "date": st.sampled_from([0, 1_700_000_000]), "chat": chats}
    return st.fixed_dictionaries(whole, optional=parts)


def _without_none(given: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if value is not None}


taps = st.fixed_dictionaries(
    {"id": st.just("q"), "from": users, "chat_instance": st.just("1"), "data": data},
    optional={"message": messages(), "inline_message_id": st.just("i"), "game_short_name": st.just("chess")},
).map(_without_none)
updates = st.fixed_dictionaries(
    {"update_id": st.integers(1, 10**6)},
    optional={"message": messages(), "callback_query": taps, "edited_message": messages(), "channel_post": messages()},
)
buttons = st.builds(
    Button, label=text, data=text, style=st.sampled_from(Style), form=st.sampled_from(["", "Type 1 to confirm"])
)
cards = st.one_of(
    st.none(),
    st.builds(
        Card,
        title=text.map(lambda said: f"{SECRET} {said}"),
        lines=st.lists(text, max_size=2).map(tuple),
        buttons=st.lists(buttons, max_size=3).map(tuple),
        private=st.booleans(),
    ),
)


class Answering(Desk):
    """One answer to everything."""

    card: Card | None = None

    async def handle(self, request: Request) -> Card | None:
        self.requests.append(request)
        return self.card


class Faults(logging.Handler):
    """Collects whatever is logged as a fault of ours."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record.getMessage())


def an_inbox(desk: Answering, request: Offline) -> tuple[Inbox, Wire]:
    limits = Limits(private=FREE, group=FREE, overall=FREE)
    wire = Wire(token="1:x", base_url="http://127.0.0.1/bot", request=request, limits=limits)
    enclosures = Enclosures(wire, artist=None, dark=desk.dark, patience=PATIENCE)
    inbox = Inbox(
        service=desk,
        voice=Voice(sender=Sender(wire, rich=True), enclosures=enclosures, service=desk),
        clock=SystemClock(),
        urgent=frozenset({"halt"}),
        patience=PATIENCE,
        heard=lambda _: None,
        distrust=lambda: False,
        growth=lambda _: 0.0,
    )
    inbox.name = NAME
    return inbox, wire


async def receive(given: list[dict[str, Any]], desk: Answering, answers: list[tuple[int, str]]) -> list[Sent]:
    """All at once, as a storm comes. What is left to do then is ended."""
    request = Offline(answers)
    inbox, wire = an_inbox(desk, request)
    async with asyncio.timeout(10):
        await asyncio.gather(*(inbox.on_update(Update.de_json(update, wire.bot), None) for update in given))
    return request.sent


@settings(max_examples=120, deadline=None)
@given(st.lists(updates, min_size=1, max_size=5), cards, st.lists(st.sampled_from(REFUSALS), max_size=4))
def test_any_update_and_any_answer(
    given: list[dict[str, Any]], card: Card | None, answers: list[tuple[int, str]]
) -> None:
    desk, faults = Answering(), Faults()
    desk.card = card
    logging.getLogger("bot").addHandler(faults)
    try:
        sent = asyncio.run(receive(given, desk, answers))
    finally:
        logging.getLogger("bot").removeHandler(faults)
    assert faults.seen == []
    people = [str(update[kind]["from"]["id"]) for update in given for kind in KINDS if "from" in update.get(kind, {})]
    for request in desk.requests:
        place = Place.of(request.place)
        assert str(place) == request.place
        assert request.private == (place.chat > 0)
        assert not (request.text and request.button)
        assert request.who.id in people
    if card is None:
        assert {s.method for s in sent} <= {"answerCallbackQuery", "editMessageReplyMarkup"}
    if card is not None and card.private:
        aloud = [s for s in sent if s.chat < 0]
        assert not [s for s in aloud if SECRET in s.said]
