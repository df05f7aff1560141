"""A Bot API server on loopback that is as strict as Telegram, for the people of telegram_people.

It enforces what chat.md says real Telegram does: UTF-16 limits counted after the entities are parsed, well-formed HTML,
64 bytes of button data, one poller (the newest wins, the older gets 409), flood limits for each chat with retry_after,
403 from who has blocked the bot, privacy mode in groups, topics that have to exist, rights to write and to pin. Beyond
Telegram it refuses parameters it does not know: a typing error must not pass.
"""

import asyncio
import contextlib
import json
import math
import re
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web

from tests.fakes.telegram_markup import Params, Refusal, parse_html, parse_rich, utf16
from tests.fakes.telegram_methods import FILE_BYTES, KNOWN, Methods, admit_to_group
from tests.fakes.telegram_people import BOT, Flood, Group, Line, Message, Note, Person, Upload, now

__all__ = [
    "BOT",
    "TOKEN",
    "Call",
    "Flood",
    "Group",
    "Line",
    "Message",
    "Note",
    "Person",
    "Refusal",
    "TelegramApi",
    "Upload",
    "parse_html",
    "parse_rich",
    "utf16",
]

TOKEN = "123456789:AAfake-token_for-the-tests-0123456789"

_LOADED = {"link_preview_options", "reply_markup", "reply_parameters", "commands", "scope", "allowed_updates"}
_LOADED |= {"rich_message", "media"}
_PACED = {name for name in KNOWN if name.startswith(("send", "edit"))} | {"pinChatMessage"}


@dataclass(frozen=True, slots=True)
class Call:
    """One line of the log of calls. `code` 0: the connection was cut."""

    at: float
    method: str
    params: Params
    code: int
    description: str = ""


class TelegramApi(Methods):
    """`async with TelegramApi() as api:` and give `api.url` to the bot. `rich`: a server that knows rich messages."""

    def __init__(self, *, flood: Flood | None = None, rich: bool = False) -> None:
        super().__init__()
        self.flood = flood or Flood()
        self.rich = rich
        self.calls: list[Call] = []
        self.down = False  # every connection is cut
        self.held: dict[int, float] = {}  # chat -> until when every call gets 429
        self.slow: dict[str, asyncio.Event] = {}  # method -> what its calls wait for
        self.too_early = 0  # calls into a chat before its retry_after was over
        self._faults: dict[str, deque[Callable[[], None]]] = defaultdict(deque)
        self._lost_answers: dict[str, int] = defaultdict(int)
        self._poller: asyncio.Future[None] | None = None
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=FILE_BYTES + 2**20)
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
        self.held[chat] = now() + seconds

    # --- what was called --------------------------------------------------------------------------------------------

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
        params = {k: _load(k, v) for k, v in (await request.post()).items()} | dict(request.query)
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
        self.calls.append(Call(now(), method, params, code, description))

    async def _call(self, method: str, params: Params) -> Any:
        if method not in KNOWN or (method == "sendRichMessage" and not self.rich):
            raise Refusal(404, "Not Found")
        required, optional = KNOWN[method]
        if missing := required - params.keys():
            raise Refusal(400, f"Bad Request: {sorted(missing)} missing")
        if strange := params.keys() - required - optional - _attached(params):
            raise Refusal(400, f"Bad Request: unknown parameters {sorted(strange)}")
        if method in self.slow:
            await self.slow[method].wait()
        if self._faults[method]:
            self._faults[method].popleft()()
        if "chat_id" in params:
            self._admit(int(params["chat_id"]), method)
        if method == "getUpdates":
            return await self._get_updates(params)
        return getattr(self, f"_{_snake(method)}")(params)

    def _admit(self, chat: int, method: str) -> None:
        group = self.groups.get(chat)
        if group is None and chat not in self._people:
            raise Refusal(400, "Bad Request: chat not found")
        if chat in self.blocked:
            raise Refusal(403, "Forbidden: bot was blocked by the user")
        if group is not None:
            admit_to_group(group, method)
        if method not in _PACED:
            return
        at = now()
        if (left := self.held.get(chat, 0.0) - at) > 0:
            self.too_early += self.held[chat] != 0.0 and self._was_told(chat)
        else:
            left = self.flood.wait(chat, at)
        if left > 0:
            self.held[chat] = max(self.held.get(chat, 0.0), at + math.ceil(left))
            pause = math.ceil(left)
            raise Refusal(429, f"Too Many Requests: retry after {pause}", retry_after=pause)

    def _was_told(self, chat: int) -> bool:
        return any(c.code == 429 and int(c.params["chat_id"]) == chat for c in self.calls)

    # --- updates ----------------------------------------------------------------------------------------------------

    async def _get_updates(self, params: Params) -> Any:
        self._end_poll()
        mine = self._poller = asyncio.get_running_loop().create_future()
        offset = int(params.get("offset", 0))
        while self._updates and self._updates[0]["update_id"] < offset:
            self._updates.popleft()
        until = now() + float(params.get("timeout", 0))
        wanted = params.get("allowed_updates")
        while not (found := self._pending(wanted)) and not mine.done() and now() < until and not self.down:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(until - now()):
                    await self._news.wait()
        if mine.done():
            raise Refusal(409, "Conflict: terminated by other getUpdates request")
        self._poller = None
        return found[: int(params.get("limit", 100))]

    def _pending(self, wanted: list[str] | None) -> list[dict[str, Any]]:
        return [u for u in self._updates if wanted is None or u.keys() & set(wanted)]

    def _end_poll(self) -> None:
        if self._poller is not None and not self._poller.done():
            self._poller.set_result(None)
        self._news.set()


def _attached(params: Params) -> set[str]:
    """Files that another parameter refers to."""
    media = params.get("media")
    return {str(media["media"]).removeprefix("attach://")} if isinstance(media, dict) else set()


def _load(name: str, value: Any) -> Any:
    """Nested values arrive as JSON text."""
    if isinstance(value, web.FileField):
        return Upload(name=value.filename, content=value.file.read())
    return json.loads(value) if name in _LOADED else str(value)


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
