"""How an answer crosses the wire, and all the ways in which it does not: each is a function of the request, of what
shall be sent, and of the event that says the server closes (nothing here waits longer than that, nor than a minute)."""

import asyncio
import gzip
import socket
import struct
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import web

_LONGEST = 60.0
_LINGER_NOT = struct.pack("ii", 1, 0)  # closing then resets the connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


Send = Callable[[web.Request, Payload, asyncio.Event], Coroutine[Any, Any, web.StreamResponse]]


async def plainly(http: web.Request, payload: Payload, over: asyncio.Event) -> web.StreamResponse:
    return _response(payload, {})


async def compressed(http: web.Request, payload: Payload, over: asyncio.Event) -> web.StreamResponse:
    small = Payload(
        body=gzip.compress(payload.body),
        status=payload.status,
        content_type=payload.content_type,
        headers=payload.headers,
    )
    return _response(small, {"Content-Encoding": "gzip"})


async def never(http: web.Request, payload: Payload, over: asyncio.Event) -> web.StreamResponse:
    """Not even a status line."""
    await _idle(http, over)
    return _cut(http)


async def dripping(http: web.Request, payload: Payload, over: asyncio.Event) -> web.StreamResponse:
    """Always a byte more, so that no pause between two reads is long; the last byte never comes."""
    _write(http, _head(payload, len(payload.body)))
    for at in range(len(payload.body) - 1):
        if await _pause(http, over, 0.02):
            return _cut(http)
        _write(http, payload.body[at : at + 1])
    await _idle(http, over)
    return _cut(http)


async def stalling(http: web.Request, payload: Payload, over: asyncio.Event) -> web.StreamResponse:
    """Half of the body, and then nothing."""
    _write(http, _head(payload, len(payload.body)) + _half(payload.body))
    await _idle(http, over)
    return _cut(http)


async def reset_first(http: web.Request, payload: Payload, over: asyncio.Event) -> web.StreamResponse:
    """The connection is reset where the answer would begin."""
    return _reset(http)


async def reset_in_the_middle(http: web.Request, payload: Payload, over: asyncio.Event) -> web.StreamResponse:
    _write(http, _head(payload, len(payload.body)) + _half(payload.body))
    await _pause(http, over, 0.05)  # what was written has to leave before the reset overtakes it
    return _reset(http)


async def shorter_than_said(http: web.Request, payload: Payload, over: asyncio.Event) -> web.StreamResponse:
    """The whole body, under a Content-Length that promises more; then the connection ends in good order."""
    _write(http, _head(payload, len(payload.body) + 100) + payload.body)
    return _closed(http)


async def longer_than_said(http: web.Request, payload: Payload, over: asyncio.Event) -> web.StreamResponse:
    """A Content-Length that ends the body in its middle."""
    _write(http, _head(payload, len(payload.body) // 2) + payload.body)
    return _closed(http)


class Listener:
    """The server's socket: it can refuse connections and take them again, on the same port."""

    def __init__(self) -> None:
        self._runner: web.AppRunner | None = None
        self._site: web.SockSite | None = None
        self._held: socket.socket | None = None
        self._port = 0

    async def open(self, app: web.Application) -> tuple[str, int]:
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._listen()
        return "127.0.0.1", self._port

    async def reopen(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None
            await self._listen()

    def refuse(self) -> None:
        """From now on connections are refused, and those that are open are cut."""
        if self._held is not None or self._site is None or self._runner is None:
            return
        assert self._site._server is not None
        self._site._server.close()
        for connection in list(self._runner.server.connections if self._runner.server else ()):
            if connection.transport is not None:
                connection.transport.abort()
        self._held = self._bound()  # nobody else may have the port meanwhile

    async def close(self) -> None:
        if self._held is not None:
            self._held.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _listen(self) -> None:
        assert self._runner is not None
        if self._site is not None:
            await self._site.stop()
        self._site = web.SockSite(self._runner, self._bound())
        await self._site.start()

    def _bound(self) -> socket.socket:
        found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.setblocking(False)
        found.bind(("127.0.0.1", self._port))
        self._port = found.getsockname()[1]
        return found


def _response(payload: Payload, more: dict[str, str]) -> web.Response:
    headers = {"Content-Type": payload.content_type} | dict(payload.headers) | more
    return web.Response(status=payload.status, body=payload.body, headers=headers)


def _head(payload: Payload, length: int) -> bytes:
    lines = [
        f"HTTP/1.1 {payload.status} {HTTPStatus(payload.status).phrase}",
        f"Content-Type: {payload.content_type}",
        f"Content-Length: {length}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in payload.headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _half(body: bytes) -> bytes:
    return body[: len(body) // 2]


def _write(http: web.Request, data: bytes) -> None:
    if http.transport is not None and not http.transport.is_closing():
        http.transport.write(data)


async def _pause(http: web.Request, over: asyncio.Event, seconds: float) -> bool:
    """Whether there is no more use in going on."""
    try:
        async with asyncio.timeout(seconds):
            await over.wait()
    except TimeoutError:
        pass
    return over.is_set() or http.transport is None or http.transport.is_closing()


async def _idle(http: web.Request, over: asyncio.Event) -> None:
    for _ in range(int(_LONGEST / 0.1)):
        if await _pause(http, over, 0.1):
            return


def _cut(http: web.Request) -> web.Response:
    if http.transport is not None:
        http.transport.abort()
    return web.Response()


def _closed(http: web.Request) -> web.Response:
    if http.transport is not None:
        http.transport.close()
    return web.Response()


def _reset(http: web.Request) -> web.Response:
    if http.transport is not None:
        http.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    return _cut(http)
