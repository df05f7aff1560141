"""What the two fakes of model providers share: the queue of answers, the queue of faults, and the server around them.

A subclass speaks one provider's shapes. Every request is checked as the real provider checks it; then a fault that was
ordered takes effect, or the next answer goes out. With nothing queued and no `reply` the server says 500, and why.
"""

import asyncio
import json as _json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Self

from aiohttp import web

from tests.fakes.http_faults import Listener, Payload, plainly
from tests.fakes.model_faults import FAULTS, Fault, Refusal, Reply
from trading.asking import Window
from trading.voice import Source

Json = dict[str, Any]
KEY = "AIzaSyFake-key_for-the-tests-0123456789"
_MOST = 32 * 2**20
_MODEL = web.RequestKey("model", str)  # that a request is about


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One question as it arrived."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes
    body: Json  # Gemini: its keys in camel case, whichever way they came
    model: str
    system: str  # the words of the system instruction
    user: str  # all other words
    mode: str  # "json_schema", "json_object" or "none"
    schema: Json | None
    searching: bool = False
    window: Window | None = None  # of the search
    streamed: bool = False
    dropped: tuple[str, ...] = ()  # parameters that the provider silently leaves out of account


ReplyFor = Callable[[ModelRequest], Reply | str | Json]


@dataclass(slots=True)
class _Ordered:
    """Something that happens to the next requests for a model (or for any)."""

    what: Any
    model: str | None
    times: int


@dataclass(slots=True)
class _Orders:
    waiting: deque[_Ordered] = field(default_factory=deque)

    def add(self, what: Any, model: str | None, times: int) -> None:
        self.waiting.append(_Ordered(what, model, times))

    def take(self, model: str) -> Any | None:
        found = next((o for o in self.waiting if o.model in (None, model)), None)
        if found is None:
            return None
        found.times -= 1
        if found.times <= 0:
            self.waiting.remove(found)
        return found.what


class ModelServer:
    """`async with ... as server:`, give `server.url` to the SDK, `server.answer(...)` what it shall say."""

    dialect = ""
    base = ""  # what the SDK's base URL has after the host

    def __init__(self, *, key: str | None = KEY) -> None:
        self.key = key
        self.url = ""
        self.requests: list[ModelRequest] = []  # questions that could be read, the refused ones too
        self.listings = 0  # how often the list of models was asked for
        self.unexpected = 0  # questions for which there was no answer
        self.strayed = 0  # requests for what is not there
        self.reply: ReplyFor | None = None  # answers when nothing is queued
        self._answers, self._faults, self._listing_faults = _Orders(), _Orders(), _Orders()
        self._listener = Listener()
        self._over = asyncio.Event()

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=_MOST)
        self.routes(app)
        host, port = await self._listener.open(app)
        self.url = f"http://{host}:{port}{self.base}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await self._listener.close()

    async def reopen(self) -> None:
        """Listen again, on the same port, after "connection_refused"."""
        await self._listener.reopen()

    # --- what it shall say ------------------------------------------------------------------------------------------

    def answer(
        self,
        text: str | None = None,
        *,
        json: Any = None,
        model: str | None = None,
        delay: float = 0.0,
        sources: Sequence[Source] | None = None,
        searches: Sequence[str] | None = None,
        tokens: tuple[int, int] | None = None,
        thoughts: int = 0,
        cost: Decimal | str | None = None,
        finish: str = "stop",
        as_model: str | None = None,
        times: int = 1,
    ) -> None:
        """Queue an answer, for one model or for any. `sources` None: two of its own if a search was asked for.

        `tokens`: of the prompt and of the answer without `thoughts`. `cost`: USD. `finish`: "stop", "length", "safety",
        "refusal", or a word of the provider's own. `as_model`: who says it answered.
        """
        if (text is None) == (json is None):
            raise ValueError("an answer is a text or an object")
        said = Reply(
            text=_json.dumps(json) if text is None else text,
            delay=delay,
            sources=None if sources is None else tuple(sources),
            searches=None if searches is None else tuple(searches),
            tokens=tokens,
            thoughts=thoughts,
            cost=None if cost is None else Decimal(cost),
            finish=finish,
            as_model=as_model,
        )
        self._answers.add(said, model, times)

    def fault(self, name: str, *, times: int = 1, model: str | None = None, on: str = "answer") -> None:
        """What FAULTS describes happens to the next questions (or with on="models" to the next listings).

        A refusal leaves the queued answer where it is; everything else takes it and spoils it.
        """
        fault = FAULTS[name]
        if self.dialect not in fault.dialects:
            raise ValueError(f"{self.dialect} has no fault {name}")
        if name == "connection_refused":
            self._listener.refuse()
            return
        if on == "models" and fault.reply is not None:
            raise ValueError(f"a list of models cannot have the fault {name}")
        (self._listing_faults if on == "models" else self._faults).add(fault, model, times)

    def mend(self) -> None:
        """Nothing that was ordered by `fault` and has not happened yet happens any more."""
        self._faults, self._listing_faults = _Orders(), _Orders()

    # --- a question -------------------------------------------------------------------------------------------------

    def kept(self, asked: ModelRequest, http: web.Request) -> None:
        """What could be read is kept, whether it is refused afterwards or not."""
        http[_MODEL] = asked.model
        self.requests.append(asked)

    async def answered(self, asked: ModelRequest, http: web.Request) -> web.StreamResponse:
        """The end of every handler that has a checked question. Raises Refusal."""
        fault: Fault | None = self._faults.take(asked.model)
        if fault is not None and fault.refusal is not None:
            raise fault.refusal
        reply = self._next(asked)
        if reply.delay:
            await self._wait(reply.delay)
        if fault is not None and fault.reply is not None:
            reply = fault.reply(reply)
        payload = self.rendered(asked, reply)
        return await self._sent(fault, http, payload)

    async def listed(self, body: Json, http: web.Request) -> web.StreamResponse:
        """The same for the list of models. Raises Refusal."""
        self.listings += 1
        fault: Fault | None = self._listing_faults.take("")
        if fault is not None and fault.refusal is not None:
            raise fault.refusal
        return await self._sent(fault, http, Payload(body=dumped(body)))

    async def _sent(self, fault: Fault | None, http: web.Request, payload: Payload) -> web.StreamResponse:
        if fault is None:
            return await plainly(http, payload, self._over)
        if fault.body is not None:
            payload = replace(payload, body=fault.body(payload.body))
        return await fault.wire(http, payload, self._over)

    def _next(self, asked: ModelRequest) -> Reply:
        said = self._answers.take(asked.model)
        if said is None and self.reply is not None:
            said = self.reply(asked)
        if said is None:
            self.unexpected += 1
            raise Refusal(500, "the fake has no answer queued for this question")
        if isinstance(said, Reply):
            return said
        return Reply(text=said if isinstance(said, str) else _json.dumps(said))

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._over.wait()
        except TimeoutError:
            return

    # --- what a provider adds ---------------------------------------------------------------------------------------

    def routes(self, app: web.Application) -> None:
        raise NotImplementedError

    def rendered(self, asked: ModelRequest, reply: Reply) -> Payload:
        raise NotImplementedError

    def refused(self, refusal: Refusal, model: str) -> Json:
        raise NotImplementedError

    def guarded(self, handler: Callable[[web.Request], Any]) -> Callable[[web.Request], Any]:
        """A handler whose Refusal becomes an answer in the provider's shape."""

        async def serve(http: web.Request) -> web.StreamResponse:
            try:
                return await handler(http)
            except Refusal as refusal:
                return await plainly(http, self._payload(refusal, http.get(_MODEL, "")), self._over)

        return serve

    def _payload(self, refusal: Refusal, model: str) -> Payload:
        headers = {} if refusal.retry_after is None else {"Retry-After": refusal.retry_after}
        if refusal.kind == "elsewhere":
            headers["Location"] = "/elsewhere"
        body, kind = refusal.raw, refusal.content_type
        if body is None:
            body = dumped(self.refused(refusal, model))
        return Payload(status=refusal.status, body=body, content_type=kind, headers=headers)

    def message(self, refusal: Refusal) -> str:
        return f"{refusal.message} {self.key}" if refusal.kind == "key told" else refusal.message

    async def nowhere(self, http: web.Request) -> web.StreamResponse:
        self.strayed += 1
        return web.Response(status=404, text="Not Found")


def dumped(body: Any) -> bytes:
    return _json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")


def read_json(raw: bytes) -> Json:
    """Raises Refusal, as every provider does with a body that is no JSON object."""
    try:
        body = _json.loads(raw)
    except ValueError:
        raise Refusal(400, "Invalid JSON payload received.") from None
    if not isinstance(body, dict):
        raise Refusal(400, "Invalid JSON payload received: not an object.")
    return body


def counted(text: str) -> int:
    """Tokens of a text, near enough and always the same."""
    return max(1, len(text) // 4)


def pieces(text: str, count: int = 3) -> list[str]:
    """A text as it comes in a stream."""
    size = max(1, -(-len(text) // count))
    return [text[i : i + size] for i in range(0, len(text), size)] or [""]
