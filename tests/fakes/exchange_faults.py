"""What goes wrong between us and an exchange: a plan for REST requests, and one for streams. The fronts of the emulated
exchanges ask it; tests write it."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Literal, get_args

from aiohttp import WSCloseCode, web

Kind = Literal[
    "hang",
    "drop before",
    "drop after",
    "mid body",
    "empty 200",
    "500 before",
    "500 after",
    "502 after",
    "503 unknown",
    "429",
    "418",
    "403",
    "clock",
    "html 403",
    "slow",
    "unknown code",
    "duplicate",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
# The exchange has done what was asked, whatever its answer looks like.
PROCESSED: frozenset[str] = frozenset(
    {"drop after", "mid body", "empty 200", "500 after", "502 after", "503 unknown", "slow"}
)
_LONGEST = 60.0  # seconds that a request may hang
_HTML = "<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>"
_STATUS = {"clock": 400, "unknown code": 400, "duplicate": 400, "html 403": 403}

Answer = Callable[[str], web.Response | None]  # a kind of fault to the exchange's own body; None: it has none
Process = Callable[[], Awaitable[web.Response]]


@dataclass(slots=True, kw_only=True)
class Fault:
    """One line of the plan. `match`: an exact path, a pattern with `*`, or (without a leading slash) a part of it.

    The first `after` requests that match go well, then `times` (None: all) do not. `processed`: whether the exchange
    does what was asked; None: as the kind says.
    """

    kind: Kind
    match: str = ""
    method: str = ""
    times: int | None = 1
    after: int = 0
    seconds: float = 0.2  # for "slow"
    processed: bool | None = None
    struck: int = 0

    def done_anyway(self) -> bool:
        return self.kind in PROCESSED if self.processed is None else self.processed

    def fits(self, method: str, path: str) -> bool:
        if self.times == 0 or self.method not in ("", method):
            return False
        if "*" in self.match:
            return fnmatchcase(path, self.match)
        return path == self.match if self.match.startswith("/") else self.match in path


@dataclass(slots=True, kw_only=True)
class Scatter:
    """Faults by chance, the same for the same seed and the same order of requests."""

    dice: random.Random
    share: float
    kinds: tuple[Kind, ...]
    methods: tuple[str, ...]
    match: str


@dataclass(slots=True)
class Faults:
    """The plan, what it did (`struck`: method, path and kind), and the streams that are open."""

    over: asyncio.Event = field(default_factory=asyncio.Event)
    plan: list[Fault] = field(default_factory=list)
    struck: list[tuple[str, str, Kind]] = field(default_factory=list)
    stream: Literal["", "silent", "reordered", "doubled", "late"] = ""
    streams_hit: Literal["all", "public", "private"] = "all"
    late_by: float = 0.15  # seconds
    _scatter: Scatter | None = None
    _streams: dict[web.WebSocketResponse, web.Request] = field(default_factory=dict)
    _held: dict[web.WebSocketResponse, str] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    # --- writing the plan -------------------------------------------------------------------------------------------

    def add(
        self,
        kind: Kind,
        match: str = "",
        method: str = "",
        times: int | None = 1,
        after: int = 0,
        *,
        seconds: float = 0.2,
        processed: bool | None = None,
    ) -> Fault:
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is no kind of fault")
        fault = Fault(
            kind=kind, match=match, method=method, times=times, after=after, seconds=seconds, processed=processed
        )
        self.plan.append(fault)
        return fault

    def scatter(
        self,
        *,
        seed: int,
        share: float,
        kinds: tuple[Kind, ...],
        methods: tuple[str, ...] = (),
        match: str = "",
    ) -> None:
        """From now on that share of the requests goes wrong in one of those ways; a share of 0 ends it."""
        self._scatter = Scatter(dice=random.Random(seed), share=share, kinds=kinds, methods=methods, match=match)

    def clear(self) -> None:
        """Everything goes well from now on; requests that hang are let go."""
        self.plan.clear()
        self._scatter = None
        self.stream = ""
        self.over.set()
        self.over = asyncio.Event()

    # --- for the fronts: REST ---------------------------------------------------------------------------------------

    async def serve(self, request: web.Request, process: Process, answer: Answer = lambda kind: None) -> web.Response:
        """Processes a request, or does not, and answers as the plan has it. `answer` has the exchange's own bodies."""
        fault = self.take(request.method, request.path)
        if fault is None:
            return await process()
        if fault.kind == "slow":
            await self._pause(fault.seconds)
        reply = await process() if fault.done_anyway() else None
        return await self.spoil(request, fault, reply, answer)

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that strikes this request. It counts as struck."""
        for fault in self.plan:
            if fault.fits(method, path):
                if fault.after > 0:
                    fault.after -= 1
                    continue
                return self._strike(fault, method, path)
        chance = self._by_chance(method, path)
        return None if chance is None else self._strike(chance, method, path)

    async def spoil(
        self, request: web.Request, fault: Fault, reply: web.Response | None, answer: Answer = lambda kind: None
    ) -> web.Response:
        """What is sent instead of the reply (None where nothing was processed)."""
        kind = fault.kind
        if kind == "hang":
            await self._hang(request)
            return _cut(request)
        if kind in ("drop before", "drop after"):
            return _cut(request)
        if kind == "mid body":
            return await _half(request, reply or web.Response(text="{}", content_type="application/json"))
        if kind == "empty 200":
            return web.Response(status=200, body=b"", content_type="application/json")
        if kind == "slow" and reply is not None:
            return reply
        return answer(kind) or _plain(kind)

    # --- for the fronts: streams ------------------------------------------------------------------------------------

    def join(self, stream: web.WebSocketResponse, request: web.Request) -> None:
        """An open websocket, so that it can be dropped."""
        self._streams[stream] = request

    def leave(self, stream: web.WebSocketResponse) -> None:
        self._streams.pop(stream, None)
        self._held.pop(stream, None)

    @property
    def open_streams(self) -> int:
        return len(self._streams)

    async def send(self, stream: web.WebSocketResponse, text: str, *, private: bool = True) -> None:
        """Pushes a message as the plan has it. Answers to subscriptions and pings are not sent through here."""
        hit = self.streams_hit in ("all", "private" if private else "public")
        how = self.stream if hit else ""
        if how == "silent":
            return
        if how == "late":
            self._later(self.late_by, stream, text)
            return
        if how == "reordered":
            await self._swap(stream, text)
            return
        await self._let_go(stream)
        for _ in range(2 if how == "doubled" else 1):
            await _push(stream, text)

    async def drop_streams(self, *, politely: bool = False) -> int:
        """Cuts every open websocket (or closes it with a frame); how many."""
        streams = list(self._streams.items())
        for stream, request in streams:
            self.leave(stream)
            if politely:
                await stream.close(code=WSCloseCode.SERVICE_RESTART)
            elif request.transport is not None:
                request.transport.abort()
        return len(streams)

    async def end(self) -> None:
        """Nothing hangs any more and no stream is open."""
        self.over.set()
        await self.drop_streams()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _strike(self, fault: Fault, method: str, path: str) -> Fault:
        if fault.times is not None:
            fault.times -= 1
        fault.struck += 1
        self.struck.append((method, path, fault.kind))
        return fault

    def _by_chance(self, method: str, path: str) -> Fault | None:
        scatter = self._scatter
        if scatter is None or (scatter.methods and method not in scatter.methods) or scatter.match not in path:
            return None
        if scatter.dice.random() >= scatter.share:
            return None
        return Fault(kind=scatter.dice.choice(scatter.kinds), seconds=0.02)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.over.wait()

    async def _hang(self, request: web.Request) -> None:
        over = self.over
        for _ in range(int(_LONGEST / 0.05)):
            if over.is_set() or request.transport is None or request.transport.is_closing():
                return
            await self._pause(0.05)

    def _later(self, seconds: float, stream: web.WebSocketResponse, text: str | None) -> None:
        """Sends a text after a while, or (None) what is held back."""
        task = asyncio.get_running_loop().create_task(self._after(seconds, stream, text))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _after(self, seconds: float, stream: web.WebSocketResponse, text: str | None) -> None:
        await asyncio.sleep(seconds)
        if text is None:
            await self._let_go(stream)
        else:
            await _push(stream, text)

    async def _swap(self, stream: web.WebSocketResponse, text: str) -> None:
        """Every second message overtakes the one before it; one that nobody overtakes follows a little later."""
        if stream not in self._held:
            self._held[stream] = text
            self._later(0.05, stream, None)
            return
        first = self._held.pop(stream)
        await _push(stream, text)
        await _push(stream, first)

    async def _let_go(self, stream: web.WebSocketResponse) -> None:
        if (held := self._held.pop(stream, None)) is not None:
            await _push(stream, held)


async def _push(stream: web.WebSocketResponse, text: str) -> None:
    if not stream.closed:
        with suppress(ConnectionError, RuntimeError):
            await stream.send_str(text)


def _plain(kind: str) -> web.Response:
    """What a server in front of the exchange would say, where the exchange has no body of its own for it."""
    status = _STATUS.get(kind) or int(kind.split()[0])
    if kind in ("html 403", "500 before", "500 after", "502 after"):
        title = f"{status} {HTTPStatus(status).phrase}"
        return web.Response(status=status, text=_HTML.format(title=title), content_type="text/html")
    return web.json_response({}, status=status)


async def _half(request: web.Request, reply: web.Response) -> web.Response:
    """A whole head and half of the body; then the connection is cut."""
    body = reply.body if isinstance(reply.body, bytes) else b"{}"
    head = [
        f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}",
        f"Content-Type: {reply.content_type}",
        f"Content-Length: {len(body)}",
    ]
    if request.transport is not None:
        request.transport.write(("\r\n".join(head) + "\r\n\r\n").encode() + body[: len(body) // 2])
        await asyncio.sleep(0.02)  # what was written has to leave before the cut overtakes it
    return _cut(request)


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
