"""A Discord on loopback, REST and gateway, that is as strict as the real one, and the people who use it.

It enforces what chat.md says real Discord does: every limit, three seconds until an interaction is acknowledged,
fifteen minutes until its token is over, nonces that are shown once, rate limits by channel with their headers. Answers
are exactly application/json, and a 429 has a Via header: without them discord.py takes them for something else.
"""

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import BodyPartReader, web

from tests.fakes.discord_markup import Refusal
from tests.fakes.discord_people import Interaction, Message, Person, Upload, now, until
from tests.fakes.discord_rest import Asked, answered, failed
from tests.fakes.discord_store import DESK, GUILD, TOKEN, Rates, Store

__all__ = ["DESK", "GUILD", "TOKEN", "DiscordApi", "Interaction", "Message", "Person", "Rates", "until"]


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `status` 0: the connection was cut."""

    at: float
    method: str
    path: str
    body: Any
    status: int
    note: str = ""


@dataclass(slots=True)
class _Fault:
    method: str
    path: re.Pattern[str]
    refusal: Refusal
    times: int


class DiscordApi(Store):
    """`async with DiscordApi() as api:` and give `api.base` and `api.gateway_url` to the bot."""

    def __init__(
        self, *, rates: Rates | None = None, acknowledge_within: float = 3.0, token_life: float = 900.0
    ) -> None:
        usual = Rates(count=1000, per=1.0)
        super().__init__(rates=rates or usual, acknowledge_within=acknowledge_within, token_life=token_life)
        self.calls: list[Call] = []
        self.down = False  # every connection is cut, but for the gateway's
        self.bare = False  # a 429 comes from a proxy in front of Discord
        self._faults: list[_Fault] = []
        self._lost: dict[tuple[str, str], int] = defaultdict(int)
        self._runner: web.AppRunner | None = None
        self.base = self.gateway_url = ""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=30 * 2**20)
        app.router.add_get("/gw/", self.gateway.serve)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.base, self.gateway_url = f"http://{host}:{port}/api/v10", f"ws://{host}:{port}/gw/"
        self.gateway.url = self.gateway_url
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.gateway.close()
        if self._runner is not None:
            await self._runner.cleanup()

    # --- faults -----------------------------------------------------------------------------------------------------

    def fail(
        self,
        method: str,
        path: str,
        status: int,
        message: str = "",
        *,
        code: int = 0,
        retry_after: float | None = None,
        times: int = 1,
    ) -> None:
        """The next calls whose path fits this expression are answered so."""
        refusal = failed(status, message, code, retry_after)
        self._faults.append(_Fault(method, re.compile(path), refusal, times))

    def lose_answer(self, method: str, path: str) -> None:
        """The next call is carried out, and the connection cut before the answer."""
        self._lost[method, path] += 1

    def hold(self, channel: int, seconds: float) -> None:
        """Every message into this channel gets 429 until then."""
        self.held[channel] = now() + seconds

    def made(self, method: str, path: str = "") -> list[Call]:
        return [c for c in self.calls if c.method == method and re.search(path, c.path)]

    def transcript(self) -> str:
        return "\n".join(f"{c.at:.3f} {c.method} {c.path} {c.body} -> {c.status} {c.note}" for c in self.calls)

    # --- the server -------------------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/api/v10")
        if self.down:
            return self._cut(request, path, {})
        asked = await _taken_apart(request)
        try:
            self._admit(request, path)
            result = answered(self, request.method, path, asked)
        except Refusal as refusal:
            self._note(request.method, path, asked.body, refusal.status, refusal.body["message"])
            return _refused(refusal, asked.headers, bare=self.bare)
        lost = next((k for k in self._lost if k[0] == request.method and re.search(k[1], path)), None)
        if lost is not None and self._lost[lost] > 0:
            self._lost[lost] -= 1
            return self._cut(request, path, asked.body)
        self._note(request.method, path, asked.body, 204 if result is None else 200, "")
        return _json(result, headers=asked.headers)

    def _admit(self, request: web.Request, path: str) -> None:
        for fault in self._faults:
            if fault.method == request.method and fault.path.search(path) and fault.times > 0:
                fault.times -= 1
                raise fault.refusal
        by_token = path.startswith(("/interactions/", "/webhooks/"))
        if not by_token and request.headers.get("Authorization") != f"Bot {TOKEN}":
            raise Refusal(401, "401: Unauthorized", code=0)

    def _cut(self, request: web.Request, path: str, body: Any) -> web.StreamResponse:
        self._note(request.method, path, body, 0, "cut")
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    def _note(self, method: str, path: str, body: Any, status: int, note: str) -> None:
        self.calls.append(Call(now(), method, path, body, status, note))


async def _taken_apart(request: web.Request) -> Asked:
    if not request.content_type.startswith("multipart/"):
        text = await request.text()
        return Asked(json.loads(text) if text else {}, [])
    body: Any = {}
    files = []
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        if part.name == "payload_json":
            body = json.loads(await part.text())
        else:
            files.append(Upload(name=part.filename or "", content=bytes(await part.read())))
    return Asked(body, files)


def _refused(refusal: Refusal, headers: dict[str, str], *, bare: bool) -> web.Response:
    if refusal.status == 429:
        via = {} if bare else {"Via": "1.1 google"}
        headers = headers | via | {"Retry-After": str(refusal.body.get("retry_after", 1))}
    return _json(refusal.body, status=refusal.status, headers=headers)


def _json(shape: Any, *, status: int = 200, headers: dict[str, str]) -> web.Response:
    """Exactly application/json: with a charset behind it discord.py gives the text back as it is."""
    if shape is None:
        return web.Response(status=204, headers=headers)
    exactly = headers | {"Content-Type": "application/json"}
    return web.Response(body=json.dumps(shape).encode(), status=status, headers=exactly)
