"""Etherscan's V2 interface on loopback, in the shapes that were recorded of the real one, and as strict: key, chain,
calls a second, twenty addresses, a window of 10,000 rows. What goes wrong with it is a menu.

What it answers is synthetic. Its time is a number that a test moves; nothing here waits for a real second.
"""

import asyncio
import contextlib
import gzip
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from aiohttp import web

KEY = "FAKEKEY0123456789ABCDEFGHIJKLMNOPQ"
WINDOW = 10_000
MOST_BALANCES = 20
GENESIS, SECONDS = 1_438_269_973, 12  # a block every twelve seconds, since the first one
ACTIONS = ("txlist", "tokentx", "txlistinternal")
Row = dict[str, str]


def block_of(at: datetime) -> int:
    return (int(at.timestamp()) - GENESIS) // SECONDS


def ok(result: Any) -> dict[str, Any]:
    return {"status": "1", "message": "OK", "result": result}


def not_ok(result: Any, message: str = "NOTOK") -> dict[str, Any]:
    return {"status": "0", "message": message, "result": result}


TOO_FAST = not_ok("Max rate limit reached, please use API Key for higher rate limit")
EMPTY = not_ok([], "No transactions found")


@dataclass
class VirtualTime:
    """Seconds that pass when somebody waits."""

    t: float = 0.0
    waited: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.t

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.t += max(0.0, seconds)
        await asyncio.sleep(0)


@dataclass
class EtherscanApi:
    time: VirtualTime = field(default_factory=VirtualTime)
    rate: int = 5  # calls a second; 0: nobody counts
    lists: dict[tuple[str, str], list[Row]] = field(default_factory=dict)  # (action, address) -> rows, oldest first
    wei: dict[str, str] = field(default_factory=dict)
    faults: deque[str] = field(default_factory=deque)  # of the next answers, by their name in FAULTS
    always: str = ""  # the fault of every answer
    hold: asyncio.Event | None = None  # answers wait for it
    calls: list[dict[str, str]] = field(default_factory=list)  # without the key
    url: str = ""
    _stamps: deque[float] = field(default_factory=deque)
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/v2/api", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}/v2/api"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def add(self, action: str, address: str, *rows: Row) -> None:
        """To the list of an address, which stays oldest first."""
        there = self.lists.setdefault((action, address), [])
        there.extend(rows)
        there.sort(key=lambda row: int(row["blockNumber"]))

    def actions(self) -> list[str]:
        return [call["action"] for call in self.calls]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        key = query.pop("apikey", "")
        self.calls.append(query)
        if self.hold is not None:
            await self.hold.wait()
        name = self.faults.popleft() if self.faults else self.always
        if name:
            return await FAULTS[name](request)
        return web.json_response(self._answer(query, key))

    def _answer(self, query: dict[str, str], key: str) -> dict[str, Any]:
        if query.get("chainid") != "1":
            return not_ok("Missing or unsupported chainid parameter (required for v2 api)")
        if key != KEY:
            return not_ok("Invalid API Key" if key else "Missing/Invalid API Key")
        if self._too_fast():
            return TOO_FAST
        match query.get("module"), query.get("action"):
            case "account", ("txlist" | "tokentx" | "txlistinternal") as action:
                return self._list(action, query)
            case "account", "balancemulti":
                return self._balances(query)
            case "block", "getblocknobytime":
                return ok(str((int(query["timestamp"]) - GENESIS) // SECONDS))
        return not_ok("Error! Missing Or invalid Action name")

    def _too_fast(self) -> bool:
        now = self.time.now()
        while self._stamps and self._stamps[0] <= now - 1:
            self._stamps.popleft()
        if self.rate and len(self._stamps) >= self.rate:
            return True
        self._stamps.append(now)
        return False

    def _list(self, action: str, query: dict[str, str]) -> dict[str, Any]:
        if not _is_address(query.get("address", "")):
            return not_ok("Error! Invalid address format")
        page, offset = int(query.get("page", "1")), int(query.get("offset", str(WINDOW)))
        if page * offset > WINDOW:
            said = "Result window is too large, PageNo x Offset size must be less than or equal to 10000"
            return not_ok(None, said)
        first, last = int(query.get("startblock", "0")), int(query.get("endblock", "999999999"))
        rows = self.lists.get((action, query["address"].lower()), [])
        rows = [row for row in rows if first <= int(row["blockNumber"]) <= last]
        if query.get("sort") == "desc":
            rows = rows[::-1]
        rows = rows[(page - 1) * offset : page * offset]
        return ok(rows) if rows else EMPTY

    def _balances(self, query: dict[str, str]) -> dict[str, Any]:
        addresses = query.get("address", "").split(",")
        if len(addresses) > MOST_BALANCES or not all(map(_is_address, addresses)):
            return not_ok("Error! Invalid multi address format")
        return ok([{"account": a, "balance": self.wei.get(a.lower(), "0")} for a in addresses])


def _is_address(text: str) -> bool:
    return len(text) == 42 and text[:2] == "0x" and text[2:].isalnum()


# --- the menu -----------------------------------------------------------------------------------------------------

Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]
WHOLE = json.dumps(EMPTY).encode()
HTML = b"<html><head><title>502</title></head><body>cloudy</body></html>"


def _body(data: bytes | dict[str, Any], status: int = 200, **headers: str) -> Fault:
    async def answer(_: web.Request) -> web.StreamResponse:
        raw = data if isinstance(data, bytes) else json.dumps(data).encode()
        return web.Response(body=raw, status=status, headers=headers, content_type="application/json")

    return answer


async def _reset(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(WHOLE[:20])
    assert request.transport is not None
    request.transport.abort()
    return response


async def _short(request: web.Request) -> web.StreamResponse:
    """It says that more is to come, and hangs up."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(WHOLE)
    assert request.transport is not None
    request.transport.close()
    return response


async def _drip(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        for _ in range(100):
            await response.write(b" ")
            await asyncio.sleep(0.02)
    return response


async def _huge(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        for _ in range(40):
            await response.write(b" " * 2**20)
    return response


async def _silent(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(2)
    return web.Response()


async def _echo(request: web.Request) -> web.StreamResponse:
    return web.json_response(not_ok(f"Invalid API Key {request.query.get('apikey')}"))


async def _echo_in_a_row(request: web.Request) -> web.StreamResponse:
    return web.json_response(ok([{"note": request.query.get("apikey")}]))


FAULTS: dict[str, Fault] = {
    "429": _body(HTML, 429),
    "429 with a time": _body(b"{}", 429, **{"Retry-After": "1"}),
    "500 json": _body(not_ok("Internal"), 500),
    "502 html": _body(HTML, 502),
    "503": _body(b"", 503),
    "401": _body(b"{}", 401),
    "402": _body(b"{}", 402),
    "403 html": _body(HTML, 403),
    "404": _body(HTML, 404),
    "redirect": _body(b"", 302, Location="http://127.0.0.1:1/elsewhere"),
    "200 html": _body(HTML),
    "empty": _body(b""),
    "null": _body(b"null"),
    "a list": _body(b"[]"),
    "truncated": _body(WHOLE[:-7]),
    "code fence": _body(b"```json\n" + WHOLE + b"\n```"),
    "trailing prose": _body(WHOLE + b" Hope this helps!"),
    "two objects": _body(WHOLE + WHOLE),
    "a key twice": _body(b'{"status":"0","status":"1","message":"OK","result":[]}'),
    "not a number": _body(b'{"status":"1","message":"OK","result":[NaN]}'),
    "infinity": _body(b'{"status":"1","message":"OK","result":Infinity}'),
    "deep": _body(b"[" * 100_000),
    "no text at all": _body(b"\xff\xfe\x00\x80"),
    "status a number": _body(b'{"status":1,"message":"OK","result":[]}'),
    "message a number": _body(b'{"status":"1","message":1,"result":[]}'),
    "result missing": _body(b'{"status":"1","message":"OK"}'),
    "result null": _body(ok(None)),
    "result a text": _body(ok("many")),
    "result an object": _body(ok({})),
    "rows of text": _body(ok(["a", "b"])),
    "rows without fields": _body(ok([{}])),
    "rows of other types": _body(ok([{"blockNumber": 1, "timeStamp": 2, "from": 3, "to": 4, "value": 5}])),
    "a negative value": _body(ok([{"blockNumber": "1", "timeStamp": "1", "from": "", "to": "", "value": "-5"}])),
    "a value in words": _body(ok([{"blockNumber": "1", "timeStamp": "1", "from": "", "to": "", "value": "1e400"}])),
    "a time far away": _body(ok([{"blockNumber": "1", "timeStamp": "9" * 30, "from": "", "to": "", "value": "1"}])),
    "notok": _body(not_ok("Error! Something broke")),
    "daily limit": _body(not_ok("Max daily rate limit reached")),
    "too fast": _body(TOO_FAST),
    "reset": _reset,
    "short": _short,
    "drip": _drip,
    "silent": _silent,
    "huge": _huge,
    "broken gzip": _body(b"\x1f\x8b\x08broken", **{"Content-Encoding": "gzip"}),
    "wrong key": _body(not_ok("Invalid API Key")),
    "wrong key, repeated": _echo,
    "key in a row": _echo_in_a_row,
}
HARMLESS: dict[str, Fault] = {  # odd, and still an answer
    "leading space": _body(b"\r\n\t  " + WHOLE),
    "gzip": _body(gzip.compress(WHOLE), **{"Content-Encoding": "gzip"}),
}
FAULTS |= HARMLESS
