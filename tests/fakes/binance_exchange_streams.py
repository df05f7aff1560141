"""The websockets of the emulated Binance USD-M: market streams by subscription, the account's by listen key."""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal

from aiohttp import WSMsgType, web

from tests.fakes.binance_exchange_account import AccountSide
from tests.fakes.binance_exchange_market import MarketSide
from tests.fakes.binance_exchange_rows import (
    Json,
    account_event,
    algo_event,
    algo_status,
    order_event,
    position_event_row,
)
from tests.fakes.exchange_core import Core, CoreFill, CoreIncome, CoreOrder, CorePosition, Happening
from tests.fakes.exchange_faults import Faults

_PING_SECONDS = 180.0
_KEY_LIVES_MS = 3_600_000
_MOST_STREAMS = 1_024  # on one connection
_MOST_MESSAGES = 10  # that one connection may send within a second
_PUBLIC = ("bookTicker", "depth", "rpiDepth", "trade")
_REASONS = {"FUNDING": "FUNDING_FEE", "TRANSFER": "DEPOSIT"}


@dataclass(slots=True, eq=False)
class Connection:
    """One websocket. `path` is "public", "market", "private" or "" (the legacy one, which has everything)."""

    ws: web.WebSocketResponse
    path: str
    combined: bool
    account: bool = False
    streams: set[str] = field(default_factory=set)
    waiting: asyncio.Queue[tuple[str, bool]] = field(default_factory=asyncio.Queue)
    received: deque[float] = field(default_factory=deque)

    def carries(self, stream: str) -> bool:
        """A stream that was asked for on the wrong path is accepted, and never sent."""
        return stream in self.streams and self.path in ("", path_of(stream))

    def put(self, payload: Json, *, stream: str, private: bool) -> None:
        whole = {"stream": stream, "data": payload} if self.combined else payload
        self.waiting.put_nowait((json.dumps(whole), private))


class Streams:
    """`subscribed` keeps every stream that was ever asked for, with the path it was asked for on. The mark price is
    told every `mark_seconds`, moved or not. `legacy`: whether the old addresses without a path still serve."""

    def __init__(self, core: Core, market: MarketSide, account: AccountSide, faults: Faults, *, now: Callable[[], int]):
        self.core = core
        self.subscribed: list[tuple[str, str]] = []
        self.listen_key = ""
        self.legacy = True
        self.mark_seconds = 1.0
        self._market, self._account, self._faults, self._now = market, account, faults, now
        self._connections: set[Connection] = set()
        self._fills: dict[int, CoreFill] = {}
        self._changed: list[CorePosition] = []
        self._incomes_told = len(core.incomes)
        self._keys_made = 0
        self._key_until = 0
        self._last_event = 0
        core.listeners.append(self._happened)

    # --- listen keys ---

    def make_key(self) -> Json:
        """An account has one at a time: asking again gives the same, for an hour more."""
        self.end_old_key()
        if not self.listen_key:
            self._keys_made += 1
            self.listen_key = f"emulatedListenKey{self._keys_made:040d}"
        self._key_until = self._now() + _KEY_LIVES_MS
        return {"listenKey": self.listen_key}

    def end_old_key(self) -> None:
        if self.listen_key and self._now() > self._key_until:
            self.end_key()

    def end_key(self) -> None:
        key, self.listen_key = self.listen_key, ""
        self._tell({"e": "listenKeyExpired", "E": self._event_time(), "listenKey": key})

    # --- one connection ---

    async def serve(self, request: web.Request) -> web.StreamResponse:
        path, _, rest = request.path.strip("/").partition("/")
        if path in ("ws", "stream"):
            path, rest = "", request.path.strip("/")
        door, _, name = rest.partition("/")
        if path not in ("", "public", "market", "private") or door not in ("ws", "stream") or not (path or self.legacy):
            return web.Response(status=404, text="no such stream")
        key = request.query.get("listenKey") or name
        account = bool(self.listen_key) and key == self.listen_key and path in ("", "private")
        if path == "private" and not account:
            return web.Response(status=401, text="no such listen key")
        ws = web.WebSocketResponse(heartbeat=_PING_SECONDS)
        await ws.prepare(request)
        connection = Connection(ws, path, door == "stream", account)
        asked = request.query.get("streams", "") if door == "stream" else name
        self._subscribe(connection, [each for each in asked.split("/") if "@" in each])
        await self._run(connection, request)
        return ws

    async def _run(self, connection: Connection, request: web.Request) -> None:
        self._connections.add(connection)
        self._faults.join(connection.ws, request)
        tasks = [asyncio.ensure_future(each) for each in (self._write(connection), self._beat(connection))]
        try:
            async for message in connection.ws:
                if message.type is WSMsgType.TEXT and not await self._heard(connection, message.data):
                    break
        finally:
            self._connections.discard(connection)
            self._faults.leave(connection.ws)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write(self, connection: Connection) -> None:
        while True:
            text, private = await connection.waiting.get()
            await self._faults.send(connection.ws, text, private=private)

    async def _beat(self, connection: Connection) -> None:
        """What happens on its own: a real market tells the mark price every second."""
        while True:
            await asyncio.sleep(self.mark_seconds)
            self.end_old_key()
            for native in self.core.specs:
                self._publish_mark(native, only=connection)

    async def _heard(self, connection: Connection, text: str) -> bool:
        """False: it sends too much, and is cut off."""
        now = asyncio.get_running_loop().time()
        connection.received.append(now)
        while connection.received[0] < now - 1:
            connection.received.popleft()
        if len(connection.received) > _MOST_MESSAGES:
            await connection.ws.close(code=1008, message=b"Too many requests")
            return False
        with suppress(ConnectionError):
            await connection.ws.send_str(json.dumps(self._answer(connection, text)))
        return True

    def _answer(self, connection: Connection, text: str) -> Json:
        try:
            asked = json.loads(text)
            id, method, names = asked.get("id"), asked.get("method"), asked.get("params", [])
        except (ValueError, AttributeError):
            return {"error": {"code": 3, "msg": "Invalid JSON"}, "id": None}
        if method == "LIST_SUBSCRIPTIONS":
            return {"result": sorted(connection.streams), "id": id}
        if method not in ("SUBSCRIBE", "UNSUBSCRIBE") or not isinstance(names, list):
            return {"error": {"code": 2, "msg": "Invalid request: unknown variant"}, "id": id}
        if method == "UNSUBSCRIBE":
            connection.streams.difference_update(names)
        elif len(connection.streams | set(names)) > _MOST_STREAMS:
            return {"error": {"code": 2, "msg": "Invalid request: too many streams"}, "id": id}
        else:
            asyncio.get_running_loop().call_soon(self._subscribe, connection, names)  # the answer goes first
        return {"result": None, "id": id}

    def _subscribe(self, connection: Connection, names: list[str]) -> None:
        """A real market never stands still: what is asked for is told at once."""
        connection.streams.update(names)
        self.subscribed += [(connection.path, name) for name in names]
        for name in names:
            native = name.partition("@")[0].upper()
            if native in self.core.specs and name.endswith("@bookTicker"):
                self._publish_touch(native, only=connection)
            if native in self.core.specs and "@depth" in name:
                self._market.show_depth(native)
            if native in self.core.specs and "@markPrice" in name:
                self._publish_mark(native, only=connection)

    # --- what happens ---

    def _happened(self, happening: Happening) -> None:
        if happening[0] == "order":
            self._order(happening[1])
        elif happening[0] == "fill":
            self._fills[happening[1].order] = happening[1]
        elif happening[0] == "position":
            self._changed.append(happening[1])
        elif happening[0] == "balance":
            self._balance(happening[1])
        elif happening[0] == "book":
            self._book(happening[1])
        elif happening[0] == "mark":
            self._publish_mark(happening[1])
        else:
            _, native, price, quantity, buy = happening
            row = self._market.traded(native, price, quantity, buy=buy)
            event = {"e": "aggTrade", "E": self._event_time(), "s": native} | row
            self._publish(f"{native.lower()}@aggTrade", lambda: event)

    def _order(self, order: CoreOrder) -> None:
        spec, hedged = self.core.specs[order.native], self.core.hedged
        if order.conditional:
            for status in _algo_story(order, self._child(order)):
                child = self._child(order) if status in ("TRIGGERED", "FINISHED") else None
                self._tell(algo_event(order, spec, status, child, hedged=hedged, at=self._event_time()))
            return
        fill = self._fills.pop(order.id, None)
        what: str = order.status
        if fill is not None:
            what = "CALCULATED" if fill.liquidation else "TRADE"
        self._tell(order_event(order, spec, what, fill, hedged=hedged, at=self._event_time()))

    def _child(self, order: CoreOrder) -> CoreOrder | None:
        return self.core.by_id(order.fired) if order.fired is not None else None

    def _balance(self, wallet: Decimal) -> None:
        incomes = self.core.incomes[self._incomes_told :]
        self._incomes_told = len(self.core.incomes)
        funded = [each for each in incomes if each.kind == "FUNDING"]
        for each in funded:
            self._market.settled(each.native, each.rate or Decimal(0), each.at)
        changed, self._changed = self._changed, []
        if funded:
            natives = {each.native for each in funded if self._account.is_isolated(each.native)}
            changed = [each for each in self.core.positions.values() if each.native in natives]
        rows = [
            position_event_row(
                each,
                self.core.mark(each.native),
                hedged=self.core.hedged,
                isolated=self._account.is_isolated(each.native),
            )
            for each in changed
        ]
        cross = wallet - self._account.isolated_sum()
        reason, change = _reason(incomes), _beside_trading(incomes)
        self._tell(account_event(reason, wallet, cross, rows, change=change, at=self._event_time()))

    def _book(self, native: str) -> None:
        self._market.book_changed(native)
        names = [f"{native.lower()}@depth{suffix}" for suffix in ("", "@100ms", "@500ms")]
        wanted = [name for name in names if self._carriers(name)]
        if wanted:
            event = self._market.depth_event(native)
            for name in wanted:
                self._publish(name, lambda: event)
        self._publish_touch(native)

    def _publish_touch(self, native: str, only: Connection | None = None) -> None:
        self._publish(f"{native.lower()}@bookTicker", lambda: self._market.touch_event(native), only)

    def _publish_mark(self, native: str, only: Connection | None = None) -> None:
        for suffix in ("", "@1s"):
            self._publish(f"{native.lower()}@markPrice{suffix}", lambda: self._market.mark_event(native), only)

    def _publish(self, stream: str, make: Callable[[], Json], only: Connection | None = None) -> None:
        carriers = self._carriers(stream) if only is None else [only] if only.carries(stream) else []
        payload = make() if carriers else {}
        for connection in carriers:
            connection.put(payload, stream=stream, private=False)

    def _carriers(self, stream: str) -> list[Connection]:
        return [each for each in self._connections if each.carries(stream)]

    def _tell(self, payload: Json) -> None:
        for connection in self._connections:
            if connection.account:
                connection.put(payload, stream=self.listen_key, private=True)

    def _event_time(self) -> int:
        """Events of one account are strictly ordered by it."""
        self._last_event = max(self._now(), self._last_event + 1)
        return self._last_event


def path_of(stream: str) -> str:
    channel = stream.partition("@")[2].partition("@")[0]
    return "public" if channel.startswith(_PUBLIC) else "market"


def _algo_story(order: CoreOrder, child: CoreOrder | None) -> tuple[str, ...]:
    """What is told of a change of a conditional order: a fired one is told of step by step."""
    if order.status == "TRIGGERED" and order.fired is None:
        return ("TRIGGERING",)
    status = algo_status(order, child)
    return ("TRIGGERED", "FINISHED") if status == "FINISHED" else (status,)


def _reason(incomes: list[CoreIncome]) -> str:
    for income in incomes:
        if income.kind == "TRANSFER" and income.amount < 0:
            return "WITHDRAW"
        if income.kind in _REASONS:
            return _REASONS[income.kind]
    return "ORDER"


def _beside_trading(incomes: list[CoreIncome]) -> Decimal:
    """The change of the balance that is neither realised P&L nor a fee."""
    return sum((each.amount for each in incomes if each.kind in _REASONS), Decimal(0))
