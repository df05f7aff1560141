"""What crosses the wire, taken down below the SDKs: they build and sign the request, the bytes of the answer are ours.

Imported on first use, in a thread: httpx2 is slow to load. An SDK never sees the body that came: whatever is in it, it
is read by pure code, and no SDK can stumble over it, follow it elsewhere or ask again.
"""

import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import httpx2

from trading.llm.loose import pause
from trading.llm.opening import PASSED
from trading.llm.provider import Raw, Unanswered
from trading.ports import Clock
from trading.voice import Lack

MOST = 2 * 2**20  # bytes of an answer
MOST_LISTED = 16 * 2**20  # of a list of models
_SENT = frozenset(
    {
        "accept",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
        "x-goog-api-client",
        "x-goog-api-key",
        "x-server-timeout",
    }
)  # what else an SDK finds in the environment stays here
_ZIPPED = frozenset({"gzip", "x-gzip", "deflate"})
_MASK = b"***"
_KEY = 8  # bytes: what is shorter is a word that stands in many bodies


@dataclass(slots=True)
class _Tape:
    """One request and its answer, as far as they came."""

    most: int
    built: bool = False  # the SDK made a request of what it was given
    request: bytes = b""  # its body
    left: bool = False  # the request began to leave
    status: int = 0
    retry_after: str = ""
    body: bytearray = field(default_factory=bytearray)
    whole: bool = False
    too_long: bool = False
    late: bool = False


_TAPE: ContextVar[_Tape] = ContextVar("_TAPE")


class Carrier(httpx2.AsyncBaseTransport):
    """Writes the request and the answer to the tape of the call, and hands the SDK an empty answer instead."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, *, keyed: bool) -> None:
        self._inner = inner
        self._keyed = keyed

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        tape = _TAPE.get()
        tape.built, tape.request = True, await request.aread()
        self._bare(request)
        request.extensions = {**request.extensions, "trace": _watching(tape)}
        try:
            response = await self._inner.handle_async_request(request)
            await _read(response, tape)
        except httpx2.TimeoutException:
            tape.late = True
            raise
        return httpx2.Response(response.status_code, json={}, request=request)

    def _bare(self, request: httpx2.Request) -> None:
        for name in list(request.headers):
            if name not in _SENT or (name == "authorization" and not self._keyed):
                del request.headers[name]
        request.headers["accept-encoding"] = "gzip"

    async def aclose(self) -> None:
        await self._inner.aclose()


def _watching(tape: _Tape) -> Callable[[str, dict[str, Any]], Awaitable[None]]:
    async def saw(step: str, _: dict[str, Any]) -> None:
        tape.left = tape.left or step.endswith("send_request_headers.started")

    return saw


async def _read(response: httpx2.Response, tape: _Tape) -> None:
    """In pieces, unpacked as far as the tape has room and no further."""
    tape.status = response.status_code
    tape.retry_after = response.headers.get("retry-after", "")
    zipped = response.headers.get("content-encoding", "").strip().lower() in _ZIPPED
    unzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32) if zipped else None
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    try:
        async for piece in response.stream:
            room = tape.most - len(tape.body) + 1
            tape.body += unzip.decompress(piece, room) if unzip else piece[:room]
            if len(tape.body) > tape.most:
                tape.too_long = True
                return
        tape.whole = True
    except zlib.error:
        tape.whole = True  # it came, and nobody can read it
    finally:
        await response.aclose()


class Line:
    """One HTTP client for one provider: no proxies of the environment, no redirects, nothing sent twice."""

    def __init__(self, *, key: str | None, wall: Clock, asked_pause: Callable[[bytes], str]) -> None:
        """`asked_pause`: what a body says of when to come again; the header goes first.

        Raises Unanswered for a key that no header can hold: the libraries below would write it into their logs.
        """
        if not (key or "").isascii() or not (key or "").isprintable():
            raise Unanswered(Lack.DENIED, "its key holds characters that no key has", left=False)
        self._key = (key or "").encode()
        self._wall = wall
        self._asked_pause = asked_pause
        inner = httpx2.AsyncHTTPTransport(trust_env=False, retries=0)
        carrier = Carrier(inner, keyed=bool(key))
        self.http = httpx2.AsyncClient(transport=carrier, trust_env=False, follow_redirects=False)

    async def carry(
        self, call: Callable[[], Awaitable[object]], *, deadline: float, model: str = "", listing: bool = False
    ) -> Raw:
        """What the one request of `call` brings. Raises Unanswered, and nothing else, whatever the SDK raises."""
        if deadline <= asyncio.get_running_loop().time():
            raise Unanswered(Lack.LATE, PASSED, left=False)
        tape = _Tape(MOST_LISTED if listing else MOST)
        token = _TAPE.set(tape)
        try:
            async with asyncio.timeout_at(deadline):
                await call()
        except TimeoutError:
            tape.late = True
        except Exception as error:  # noqa: BLE001 - the tape knows what came; the SDK's words may hold the key
            if not tape.built:
                why = f"no request could be made of it ({type(error).__name__})"
                raise Unanswered(Lack.BAD_REQUEST, why, left=False) from None
        finally:
            _TAPE.reset(token)
        return self._raw(tape, model)

    def _raw(self, tape: _Tape, model: str) -> Raw:
        """Raises Unanswered."""
        request = self._masked(_canonical(tape.request, model))
        body = self._masked(bytes(tape.body[: tape.most]))
        if tape.whole:
            asked = tape.retry_after or self._asked_pause(body)
            return Raw(request=request, status=tape.status, body=body, retry_after=pause(asked, self._wall.now()))
        if tape.too_long:
            lack, reason = Lack.CUT_OFF, f"the answer was longer than {tape.most // 2**20} MB"
        elif tape.late:
            lack, reason = Lack.LATE, "no whole answer before the deadline"
        else:
            lack, reason = Lack.UNREACHABLE, "the connection broke" if tape.left else "no connection"
        raise Unanswered(lack, reason, request=request, body=body, left=tape.left)

    def _masked(self, data: bytes) -> bytes:
        return data.replace(self._key, _MASK) if len(self._key) >= _KEY else data

    async def close(self) -> None:
        await self.http.aclose()


def _canonical(request: bytes, model: str) -> bytes:
    """The same question has the same bytes. The model is in them, also where it was in the address alone."""
    try:
        body = json.loads(request)
    except ValueError:
        return request
    asked = {"model": model, **body} if model else body
    return json.dumps(asked, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
