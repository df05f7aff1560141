"""Bybit V5's websockets over the emulated exchange: /v5/public/linear and /v5/private."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import WSMsgType, web

from tests.fakes.bybit_exchange_book import Book, Params
from tests.fakes.bybit_exchange_market import Market
from tests.fakes.exchange_faults import Faults

PRIVATE = frozenset(("order", "execution", "position", "wallet"))
DEPTHS = frozenset(("1", "50", "200", "1000"))
PATHS = {"/v5/public/linear": False, "/v5/private": True}


@dataclass(slots=True, eq=False)
class Socket:
    stream: web.WebSocketResponse
    private: bool
    authenticated: bool = False
    topics: set[str] = field(default_factory=set)
    outbox: asyncio.Queue[tuple[str, bool]] = field(default_factory=asyncio.Queue)  # text, and whether it is a push
    tickers: dict[str, Params] = field(default_factory=dict)  # as last told, by topic
    books: dict[str, Params] = field(default_factory=dict)

    def answer(self, message: Params) -> None:
        self.outbox.put_nowait((json.dumps(message), False))

    def push(self, message: Params) -> None:
        self.outbox.put_nowait((json.dumps(message), True))


class Owner(Protocol):
    """What the streams have to know of the front."""

    keys: tuple[str, ...]
    faults: Faults

    def now(self) -> int: ...


class Streams:
    def __init__(self, owner: Owner, book: Book, market: Market, wallet: Callable[[], Params]) -> None:
        self._owner = owner
        self._book = book
        self._market = market
        self._wallet = wallet
        self._sockets: list[Socket] = []
        self._count = 0
        self.subscribed: list[str] = []  # every topic that was ever asked for
        self._asked_for = asyncio.Event()

    async def until(self, topic: str) -> None:
        """Waits until somebody has subscribed to a topic."""
        while topic not in self.subscribed:
            self._asked_for.clear()
            await self._asked_for.wait()

    # --- one connection ---------------------------------------------------------------------------------------------

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if request.path not in PATHS:
            return web.Response(status=404)
        stream = web.WebSocketResponse()
        await stream.prepare(request)
        socket = Socket(stream, PATHS[request.path])
        self._sockets.append(socket)
        self._owner.faults.join(stream, request)
        pump = asyncio.get_running_loop().create_task(self._pump(socket))
        try:
            async for message in stream:
                if message.type == WSMsgType.TEXT:
                    self._asked(socket, message.data)
        finally:
            self._sockets.remove(socket)
            self._owner.faults.leave(stream)
            pump.cancel()
            with suppress(asyncio.CancelledError):
                await pump
        return stream

    async def _pump(self, socket: Socket) -> None:
        while True:
            text, pushed = await socket.outbox.get()
            if pushed:
                await self._owner.faults.send(socket.stream, text, private=socket.private)
            elif not socket.stream.closed:
                with suppress(ConnectionError, RuntimeError):
                    await socket.stream.send_str(text)

    # --- what a client asks -----------------------------------------------------------------------------------------

    def _asked(self, socket: Socket, text: str) -> None:
        try:
            message = json.loads(text)
            operation, arguments = message["op"], message.get("args") or []
        except (ValueError, KeyError, TypeError, AttributeError):
            socket.answer({"success": False, "ret_msg": "error:invalid op", "conn_id": "c", "request": {"op": ""}})
            return
        handler = {"ping": self._ping, "auth": self._auth, "subscribe": self._subscribe, "unsubscribe": self._leave}
        if (handle := handler.get(operation)) is None:
            self._say(socket, message, success=False, text="error:invalid op")
            return
        handle(socket, message, arguments)

    def _say(self, socket: Socket, message: Params, *, success: bool, text: str) -> None:
        told = {"success": success, "ret_msg": text, "op": message["op"], "conn_id": "cejreassvfrsfvb9v1a0-2m"}
        socket.answer(told | ({"req_id": str(message["req_id"])} if "req_id" in message else {}))

    def _ping(self, socket: Socket, message: Params, arguments: list[Any]) -> None:
        if not socket.private:
            self._say(socket, message, success=True, text="pong")
            return
        told = {"op": "pong", "args": [str(self._owner.now())], "conn_id": "cejreassvfrsfvb9v1a0-2m"}
        socket.answer(told | ({"req_id": str(message["req_id"])} if "req_id" in message else {}))

    def _auth(self, socket: Socket, message: Params, arguments: list[Any]) -> None:
        """The key, until when it may be used for this, and the signature of that."""
        key, secret = self._owner.keys[:2]
        whole = len(arguments) == 3 and str(arguments[1]).isdecimal()
        if not socket.private or not whole:
            self._say(socket, message, success=False, text="Params Error")
            return
        signed = hmac.new(secret.encode(), f"GET/realtime{arguments[1]}".encode(), hashlib.sha256).hexdigest()
        if arguments[0] != key:
            self._say(socket, message, success=False, text="API key is invalid.")
        elif int(arguments[1]) <= self._owner.now():
            self._say(socket, message, success=False, text="request expired")
        elif not hmac.compare_digest(signed, str(arguments[2])):
            self._say(socket, message, success=False, text="error sign")
        else:
            socket.authenticated = True
            self._say(socket, message, success=True, text="")

    def _subscribe(self, socket: Socket, message: Params, arguments: list[Any]) -> None:
        topics = [str(topic) for topic in arguments]
        wrong = [topic for topic in topics if not self._known(topic, private=socket.private)]
        if socket.private and not socket.authenticated:
            self._say(socket, message, success=False, text="Request not authorized")
            return
        if wrong or not topics:
            self._say(socket, message, success=False, text=f"error:handler not found,topic:{','.join(wrong)}")
            return
        if again := [topic for topic in topics if topic in socket.topics]:
            self._say(socket, message, success=False, text=f"error:already subscribed,topic:{again[0]}")
            return
        self._say(socket, message, success=True, text="")
        self.subscribed += topics
        self._asked_for.set()
        for topic in topics:
            socket.topics.add(topic)
            self._first(socket, topic)

    def _leave(self, socket: Socket, message: Params, arguments: list[Any]) -> None:
        for topic in arguments:
            socket.topics.discard(topic)
            socket.tickers.pop(topic, None)
            socket.books.pop(topic, None)
        self._say(socket, message, success=True, text="")

    def _known(self, topic: str, *, private: bool) -> bool:
        name, *rest = topic.split(".")
        if private:
            return name in PRIVATE and rest in ([], ["linear"]) and (name != "wallet" or not rest)
        native = rest[-1] if rest else ""
        if native not in self._book.core.specs:
            return False
        if name == "orderbook":
            return len(rest) == 2 and rest[0] in DEPTHS
        return name in ("tickers", "publicTrade") and len(rest) == 1

    def _first(self, socket: Socket, topic: str) -> None:
        """Tickers and books begin with a snapshot."""
        name, *rest = topic.split(".")
        if name == "tickers":
            row = self._market.ticker_row(rest[0])
            socket.tickers[topic] = row
            socket.push(self._message(topic, "snapshot", row) | {"cs": self._count})
        elif name == "orderbook":
            book = self._market.book_row(rest[1], int(rest[0]))
            socket.books[topic] = book
            socket.push(self._message(topic, "snapshot", book | {"u": self._next()}) | {"cts": self._owner.now()})

    # --- what the exchange has to tell ------------------------------------------------------------------------------

    def prices(self, native: str) -> None:
        """The touch, the mark or the last price of an instrument changed: deltas of what was told before."""
        for socket in self._public():
            topic = f"tickers.{native}"
            if topic in socket.topics:
                self._ticker_delta(socket, topic, self._market.live_row(native))
            for topic in [
                each for each in socket.topics if each.startswith("orderbook.") and each.endswith(f".{native}")
            ]:
                self._book_delta(socket, topic, native)

    def traded(self, native: str, row: Params) -> None:
        topic = f"publicTrade.{native}"
        for socket in self._public():
            if topic in socket.topics:
                socket.push(self._message(topic, "snapshot", [row]))

    def private(self, name: str, rows: Iterable[Params]) -> None:
        """Rows of the account for whoever subscribed to them."""
        told = None
        for socket in self._sockets:
            if socket.private and (topic := next((each for each in socket.topics if each.split(".")[0] == name), "")):
                told = told or [row | {"category": "linear"} for row in rows]
                at = self._owner.now()
                socket.push({"id": f"5923240c6880ab-{self._next()}", "topic": topic, "creationTime": at, "data": told})

    @property
    def anybody(self) -> bool:
        """Whether it is worth while to write a private message."""
        return any(socket.private and socket.topics for socket in self._sockets)

    def wallet(self) -> None:
        if self.anybody:
            self.private("wallet", [self._wallet()])

    def _public(self) -> list[Socket]:
        return [socket for socket in self._sockets if not socket.private]

    def _ticker_delta(self, socket: Socket, topic: str, live: Params) -> None:
        known = socket.tickers[topic]
        changed = {name: value for name, value in live.items() if known.get(name) != value}
        if changed:
            known |= changed
            row = {"symbol": topic.split(".")[1]} | changed
            socket.push(self._message(topic, "delta", row) | {"cs": self._next()})

    def _book_delta(self, socket: Socket, topic: str, native: str) -> None:
        """Levels that are new or changed, and with a size of 0 those that are gone. Depth 1 is always a snapshot."""
        depth = int(topic.split(".")[1])
        book = self._market.book_row(native, depth)
        known, socket.books[topic] = socket.books[topic], book
        if depth == 1:
            row, kind = book, "snapshot"
        else:
            row = book | {side: _changes(known[side], book[side]) for side in ("b", "a")}
            kind = "delta"
        if row["b"] or row["a"]:
            socket.push(self._message(topic, kind, row | {"u": self._next()}) | {"cts": self._owner.now()})

    def _message(self, topic: str, kind: str, data: Any) -> Params:
        return {"topic": topic, "type": kind, "ts": self._owner.now(), "data": data}

    def _next(self) -> int:
        self._count += 1
        return self._count


def _changes(known: list[list[str]], now: list[list[str]]) -> list[list[str]]:
    before, after = dict(map(tuple, known)), dict(map(tuple, now))
    gone = [[price, "0"] for price in before if price not in after]
    return gone + [[price, size] for price, size in after.items() if before.get(price) != size]
