"""A Bot API server on loopback that is as strict as Telegram, and the people who use it.

It enforces what chat.md says real Telegram does: UTF-16 limits counted after the entities are parsed, well-formed HTML,
64 bytes of button data, one poller (the newest wins, the older gets 409), flood limits for each chat with retry_after,
403 from who has blocked the bot. Beyond Telegram it refuses parameters it does not know: a typing error must not pass.
"""

import asyncio
import contextlib
import html
import json
import math
import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

TOKEN = "123456789:AAfake-token_for-the-tests-0123456789"
BOT = {"id": 123456789, "is_bot": True, "first_name": "Gavel", "username": "GavelTestBot"}
BOT |= {"can_join_groups": True, "can_read_all_group_messages": False, "supports_inline_queries": False}
TEXT_LIMIT, DATA_LIMIT, BUTTONS, PER_ROW, COMMANDS = 4096, 64, 100, 8, 100

Params = dict[str, Any]

_SHOWN = {"parse_mode", "link_preview_options", "reply_markup"}
KNOWN: dict[str, tuple[set[str], set[str]]] = {  # method -> (required, optional)
    "getMe": (set(), set()),
    "getUpdates": (set(), {"offset", "limit", "timeout", "allowed_updates"}),
    "deleteWebhook": (set(), {"drop_pending_updates"}),
    "setMyCommands": ({"commands"}, {"scope", "language_code"}),
    "sendMessage": ({"chat_id", "text"}, _SHOWN | {"disable_notification", "reply_parameters"}),
    "editMessageText": ({"chat_id", "message_id", "text"}, _SHOWN),
    "editMessageReplyMarkup": ({"chat_id", "message_id"}, {"reply_markup"}),
    "answerCallbackQuery": ({"callback_query_id"}, {"text", "show_alert"}),
    "pinChatMessage": ({"chat_id", "message_id"}, {"disable_notification"}),
}
_LOADED = {"link_preview_options", "reply_markup", "reply_parameters", "commands", "scope", "allowed_updates"}
_PACED = ("sendMessage", "editMessageText", "editMessageReplyMarkup")


class Refusal(Exception):
    """An answer that is no success."""

    def __init__(self, code: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


@dataclass(frozen=True, slots=True)
class Call:
    """One line of the transcript. `code` 0: the connection was cut."""

    at: float
    method: str
    params: Params
    code: int
    description: str = ""


@dataclass(slots=True, kw_only=True)
class Message:
    """A message as the phone shows it."""

    id: int
    chat: int
    text: str  # after the entities were parsed
    mode: str | None
    silent: bool
    keyboard: list[list[dict[str, str]]]
    at: float
    by_bot: bool = True
    sender: dict[str, Any] = field(default_factory=lambda: BOT)
    reply_to: "Message | None" = None
    edited: bool = False

    def data(self, label: str) -> str:
        return next(key["callback_data"] for row in self.keyboard for key in row if key["text"] == label)


@dataclass(frozen=True, slots=True)
class Person:
    """A virtual user. Without a chat, he speaks in his private one."""

    api: "TelegramApi"
    id: int
    name: str

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "is_bot": False, "first_name": self.name}

    def type(self, text: str, *, chat: int | None = None, reply_to: Message | None = None) -> Message:
        return self.api.receive(self, text, chat or self.id, reply_to)

    def tap(self, message: Message, label: str) -> str:
        """Press a button, be it on a message to somebody else. Returns the id of the callback query."""
        return self.api.receive_tap(self, message, message.data(label))


@dataclass(slots=True, kw_only=True)
class Flood:
    """A token bucket for each chat: `burst` at once, then one in `every` seconds."""

    every: float = 1.0
    burst: int = 3
    levels: dict[int, tuple[float, float]] = field(default_factory=dict)  # chat -> (tokens, at)

    def wait(self, chat: int, now: float) -> float:
        """0: let it pass; else the seconds until it would."""
        tokens, at = self.levels.get(chat, (float(self.burst), now))
        tokens = min(float(self.burst), tokens + (now - at) / self.every)
        passed = tokens >= 1.0
        self.levels[chat] = (tokens - 1.0 if passed else tokens, now)
        return 0.0 if passed else (1.0 - tokens) * self.every


class TelegramApi:
    """`async with TelegramApi() as api:` and give `api.url` to the bot."""

    def __init__(self, *, flood: Flood | None = None) -> None:
        self.flood = flood or Flood()
        self.calls: list[Call] = []
        self.messages: dict[tuple[int, int], Message] = {}
        self.commands: list[dict[str, str]] = []
        self.down = False  # every connection is cut
        self.blocked: set[int] = set()
        self.held: dict[int, float] = {}  # chat -> until when every call gets 429
        self.too_early = 0  # calls into a chat before its retry_after was over
        self._faults: dict[str, deque[Callable[[], None]]] = defaultdict(deque)
        self._lost_answers: dict[str, int] = defaultdict(int)
        self._updates: deque[dict[str, Any]] = deque()
        self._numbers = iter(range(1, 10**9))
        self._queries: dict[str, bool] = {}  # id -> answered
        self._people: dict[int, Person] = {}
        self._news = asyncio.Event()
        self._poller: asyncio.Future[None] | None = None
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/bot"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._end_poll()
        if self._runner is not None:
            await self._runner.cleanup()

    # --- people -----------------------------------------------------------------------------------------------------

    def person(self, id: int, name: str = "Ann") -> Person:
        """Somebody who has started the bot, so that it may write to him."""
        return self._people.setdefault(id, Person(self, id, name))

    def receive(self, who: Person, text: str, chat: int, reply_to: Message | None) -> Message:
        said = self._keep(chat, text, sender=who.as_json(), by_bot=False, reply_to=reply_to)
        self._queue({"message": self._as_json(said)})
        return said

    def receive_tap(self, who: Person, message: Message, data: str) -> str:
        query = f"q{next(self._numbers)}"
        self._queries[query] = False
        tapped = {"id": query, "from": who.as_json(), "chat_instance": "1", "data": data}
        self._queue({"callback_query": tapped | {"message": self._as_json(message)}})
        return query

    def answered(self, query: str) -> bool:
        return self._queries[query]

    # --- faults -----------------------------------------------------------------------------------------------------

    def fail(self, method: str, code: int, description: str, **parameters: Any) -> None:
        """The next call of this method is answered so."""

        def refuse() -> None:
            raise Refusal(code, description, **parameters)

        self._faults[method].append(refuse)

    def lose_answer(self, method: str) -> None:
        """The next call of this method is carried out, and the connection cut before the answer."""
        self._lost_answers[method] += 1

    def hold(self, chat: int, seconds: float) -> None:
        """Flood control for one chat: 429 until then."""
        self.held[chat] = _now() + seconds

    # --- what was seen ----------------------------------------------------------------------------------------------

    def inbox(self, chat: int) -> list[Message]:
        """What the bot said there, oldest first."""
        return [m for (where, _), m in sorted(self.messages.items()) if where == chat and m.by_bot]

    def texts(self, chat: int) -> list[str]:
        return [m.text for m in self.inbox(chat)]

    @property
    def polling(self) -> bool:
        """Whether somebody's long poll is open."""
        return self._poller is not None and not self._poller.done()

    def made(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method == method]

    def transcript(self) -> str:
        return "\n".join(f"{c.at:.3f} {c.method} {c.params} -> {c.code} {c.description}" for c in self.calls)

    # --- the server -------------------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        method = request.path.rpartition("/")[2]
        if self.down:
            return self._cut(request, method, {})
        params = {k: _load(k, str(v)) for k, v in (await request.post()).items()} | dict(request.query)
        try:
            if request.path != f"/bot{TOKEN}/{method}":
                raise Refusal(401, "Unauthorized")
            result = await self._call(method, params)
        except Refusal as refusal:
            self._note(method, params, refusal.code, refusal.description)
            body = {"ok": False, "error_code": refusal.code, "description": refusal.description}
            extra = {"parameters": refusal.parameters} if refusal.parameters else {}
            return web.json_response(body | extra, status=refusal.code)
        if self._lost_answers[method] > 0:
            self._lost_answers[method] -= 1
            return self._cut(request, method, params)
        self._note(method, params, 200, "")
        return web.json_response({"ok": True, "result": result})

    def _cut(self, request: web.Request, method: str, params: Params) -> web.StreamResponse:
        self._note(method, params, 0, "cut")
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    def _note(self, method: str, params: Params, code: int, description: str) -> None:
        self.calls.append(Call(_now(), method, params, code, description))

    async def _call(self, method: str, params: Params) -> Any:
        if method not in KNOWN:
            raise Refusal(404, "Not Found")
        required, optional = KNOWN[method]
        if missing := required - params.keys():
            raise Refusal(400, f"Bad Request: {sorted(missing)} missing")
        if strange := params.keys() - required - optional:
            raise Refusal(400, f"Bad Request: unknown parameters {sorted(strange)}")
        if self._faults[method]:
            self._faults[method].popleft()()
        if "chat_id" in params:
            self._admit(int(params["chat_id"]), paced=method in _PACED)
        if method == "getUpdates":
            return await self._get_updates(params)
        return getattr(self, f"_{_snake(method)}")(params)

    def _admit(self, chat: int, *, paced: bool) -> None:
        if chat > 0 and chat not in self._people:
            raise Refusal(400, "Bad Request: chat not found")
        if chat in self.blocked:
            raise Refusal(403, "Forbidden: bot was blocked by the user")
        if not paced:
            return
        now = _now()
        if (left := self.held.get(chat, 0.0) - now) > 0:
            self.too_early += self.held[chat] != 0.0 and self._was_told(chat)
        else:
            left = self.flood.wait(chat, now)
        if left > 0:
            self.held[chat] = max(self.held.get(chat, 0.0), now + math.ceil(left))
            pause = math.ceil(left)
            raise Refusal(429, f"Too Many Requests: retry after {pause}", retry_after=pause)

    def _was_told(self, chat: int) -> bool:
        return any(c.code == 429 and int(c.params["chat_id"]) == chat for c in self.calls)

    # --- methods ----------------------------------------------------------------------------------------------------

    def _get_me(self, _: Params) -> Any:
        return BOT

    def _delete_webhook(self, _: Params) -> Any:
        return True

    def _set_my_commands(self, params: Params) -> Any:
        commands = params["commands"]
        named = all(re.fullmatch("[a-z0-9_]{1,32}", c["command"]) for c in commands)
        if len(commands) > COMMANDS or not named or not all(1 <= len(c["description"]) <= 256 for c in commands):
            raise Refusal(400, "Bad Request: BOT_COMMAND_INVALID")
        self.commands = commands
        return True

    def _send_message(self, params: Params) -> Any:
        text, keyboard = self._shown(params)
        chat = int(params["chat_id"])
        asked = params.get("reply_parameters", {}).get("message_id")
        message = self._keep(
            chat,
            text,
            mode=params.get("parse_mode"),
            silent=params.get("disable_notification") == "true",
            keyboard=keyboard,
            reply_to=self.messages.get((chat, int(asked))) if asked else None,
        )
        return self._as_json(message)

    def _edit_message_text(self, params: Params) -> Any:
        message = self._mine(params)
        text, keyboard = self._shown(params)
        if (text, keyboard) == (message.text, message.keyboard):
            raise Refusal(400, _NOT_MODIFIED)
        message.text, message.keyboard, message.edited = text, keyboard, True
        return self._as_json(message)

    def _edit_message_reply_markup(self, params: Params) -> Any:
        message = self._mine(params)
        keyboard = _keyboard(params)
        if keyboard == message.keyboard:
            raise Refusal(400, _NOT_MODIFIED)
        message.keyboard = keyboard
        return self._as_json(message)

    def _answer_callback_query(self, params: Params) -> Any:
        query = params["callback_query_id"]
        if self._queries.get(query, True):
            raise Refusal(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        self._queries[query] = True
        return True

    def _pin_chat_message(self, params: Params) -> Any:
        self._mine(params)
        return True

    async def _get_updates(self, params: Params) -> Any:
        self._end_poll()
        mine = self._poller = asyncio.get_running_loop().create_future()
        offset = int(params.get("offset", 0))
        while self._updates and self._updates[0]["update_id"] < offset:
            self._updates.popleft()
        until = _now() + float(params.get("timeout", 0))
        while not self._updates and not mine.done() and _now() < until and not self.down:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(until - _now()):
                    await self._news.wait()
        if mine.done():
            raise Refusal(409, "Conflict: terminated by other getUpdates request")
        self._poller = None
        return list(self._updates)[: int(params.get("limit", 100))]

    # --- the store --------------------------------------------------------------------------------------------------

    def _end_poll(self) -> None:
        if self._poller is not None and not self._poller.done():
            self._poller.set_result(None)
        self._news.set()

    def _queue(self, update: dict[str, Any]) -> None:
        self._updates.append({"update_id": next(self._numbers), **update})
        self._news.set()

    def _keep(self, chat: int, text: str, **more: Any) -> Message:
        values: dict[str, Any] = {"mode": None, "silent": False, "keyboard": []} | more
        message = Message(id=next(self._numbers), chat=chat, text=text, at=_now(), **values)
        self.messages[chat, message.id] = message
        return message

    def _mine(self, params: Params) -> Message:
        message = self.messages.get((int(params["chat_id"]), int(params["message_id"])))
        if message is None or not message.by_bot:
            raise Refusal(400, "Bad Request: message to edit not found")
        return message

    def _shown(self, params: Params) -> tuple[str, list[list[dict[str, str]]]]:
        text = params["text"]
        if params.get("parse_mode") == "HTML":
            text = parse_html(text)
        if not text.strip():
            raise Refusal(400, "Bad Request: message text is empty")
        if utf16(text.strip()) > TEXT_LIMIT:
            raise Refusal(400, "Bad Request: message is too long")
        return text.strip(), _keyboard(params)

    def _as_json(self, message: Message) -> dict[str, Any]:
        chat: dict[str, Any] = {"id": message.chat, "type": "private", "first_name": "x"}
        if message.chat < 0:
            chat = {"id": message.chat, "type": "supergroup", "title": "desk"}
        shape = {"message_id": message.id, "date": 1_700_000_000, "chat": chat, "from": message.sender}
        shape["text"] = message.text
        if message.keyboard:
            shape["reply_markup"] = {"inline_keyboard": message.keyboard}
        if message.reply_to is not None:
            shape["reply_to_message"] = self._as_json(message.reply_to)
        return shape


_NOT_MODIFIED = "Bad Request: message is not modified"
_UNPARSED = "Bad Request: can't parse entities: "
_TAG = re.compile(r"<(/?)([a-z-]*)((?:\s+[a-z-]+(?:=\"[^\"]*\")?)*)\s*>")
_TAGS = ("b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "a", "code", "pre", "blockquote", "tg-spoiler")


def parse_html(text: str) -> str:
    """The text of Telegram's HTML; Refusal as Telegram words it when it is not well formed."""
    found: list[str] = []
    open_tags: list[str] = []
    at = 0
    for start in _angles(text):
        found.append(html.unescape(text[at:start]))
        tag = _TAG.match(text, start)
        name = tag[2] if tag else ""
        if tag is None or name not in _TAGS:
            raise Refusal(400, f'{_UNPARSED}Unsupported start tag "{name}" at byte offset {start}')
        if tag[1] and (not open_tags or open_tags.pop() != name):
            raise Refusal(400, f"{_UNPARSED}Unmatched end tag at byte offset {start}")
        if not tag[1]:
            if name == "blockquote" and name in open_tags:
                raise Refusal(400, f"{_UNPARSED}Nested blockquote at byte offset {start}")
            open_tags.append(name)
        at = tag.end()
    if open_tags:
        raise Refusal(400, f'{_UNPARSED}Can\'t find end tag corresponding to start tag "{open_tags[-1]}"')
    return "".join((*found, html.unescape(text[at:])))


def _angles(text: str) -> Iterator[int]:
    return (match.start() for match in re.finditer("<", text))


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _keyboard(params: Params) -> list[list[dict[str, str]]]:
    rows: list[list[dict[str, str]]] = params.get("reply_markup", {}).get("inline_keyboard", [])
    keys = [key for row in rows for key in row]
    if len(keys) > BUTTONS or any(len(row) > PER_ROW for row in rows):
        raise Refusal(400, "Bad Request: too many buttons")
    if any(not 1 <= len(key.get("callback_data", "").encode()) <= DATA_LIMIT for key in keys):
        raise Refusal(400, "Bad Request: BUTTON_DATA_INVALID")
    return rows


def _load(name: str, value: str) -> Any:
    """Nested values arrive as JSON text."""
    return json.loads(value) if name in _LOADED else value


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def _now() -> float:
    return asyncio.get_running_loop().time()
