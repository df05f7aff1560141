"""A little of Binance on loopback, answering by script, and a dialect for it: for the tests of the client layer."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from aiohttp import WSMsgType, web

from tests.fakes.exchange_tls import Loop
from trading.clock import SystemClock
from trading.ports import Clock
from trading.venues.exchange.client import Client
from trading.venues.exchange.hosts import Loopback
from trading.venues.exchange.limiter import Limiter
from trading.venues.exchange.profile import Caller, Profile
from trading.venues.exchange.wire import Code, Listing, Pause, Rate

KEYS = {"apiKey": "planted-api-key-0123456789", "secret": "planted-secret-9876543210"}
MARKET = {
    "symbol": "BTCUSDT",
    "pair": "BTCUSDT",
    "contractType": "PERPETUAL",
    "deliveryDate": 4133404800000,
    "onboardDate": 1569398400000,
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "marginAsset": "USDT",
    "pricePrecision": 2,
    "quantityPrecision": 3,
    "baseAssetPrecision": 8,
    "quotePrecision": 8,
    "underlyingType": "COIN",
    "filters": [{"filterType": "PRICE_FILTER", "minPrice": "0.1", "maxPrice": "1000000", "tickSize": "0.10"}],
    "orderTypes": ["LIMIT", "MARKET"],
    "timeInForce": ["GTC"],
}


class StubDialect:
    """Binance USD-M as far as the client has to know it. Limits and pauses are the test's own."""

    name = "stub"
    ccxt_id = "binanceusdm"
    domains: tuple[str, ...] = ("fapi.binance.com", "fstream.binance.com", "demo-fapi.binance.com")
    secrets: tuple[str, ...] = ("apiKey", "secret")
    practices: tuple[str, ...] = ("demo",)
    options: Mapping[str, Any] = {"defaultType": "swap", "fetchCurrencies": False, "fetchMargins": False}
    rates: tuple[Rate, ...] = (
        Rate(name="weight", limit=2400, per=timedelta(minutes=1), header="X-MBX-USED-WEIGHT-1M"),
        Rate(name="orders", limit=300, per=timedelta(seconds=10), header="X-MBX-ORDER-COUNT-10S"),
    )
    pauses: tuple[Pause, ...] = (Pause(status=418, after=timedelta(minutes=2)),)
    codes: Mapping[str, Code] = {
        "-2015": Code.AUTH,
        "-2019": Code.MARGIN,
        "-4116": Code.DUPLICATE,
        "-2011": Code.GONE,
        "FAILED_ORDER_NOT_FOUND": Code.GONE,
    }
    unknown: frozenset[str] = frozenset({"-1000", "-1006", "-1007"})
    not_done: frozenset[str] = frozenset({"-1003", "-1008"})
    clock: frozenset[str] = frozenset({"-1021"})

    def practise(self, exchange: Any, practice: str) -> None:
        exchange.enable_demo_trading(True)

    def classes(self, plain: type[Any]) -> type[Any]:
        return plain

    def markets(self, exchange: Any, listings: Iterable[Listing]) -> None:
        exchange.set_markets([exchange.parse_market(listing.raw) for listing in listings])

    def profile(self, data: Caller, trade: Caller | None, *, practice: str) -> Profile:
        raise NotImplementedError


Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True, kw_only=True)
class Seen:
    method: str
    host: str
    path: str
    query: dict[str, str]
    body: str
    headers: Mapping[str, str]


@dataclass(slots=True)
class StubExchange:
    """Answers `{}` unless a reply is planned for the path; the last one planned stays."""

    hosts: tuple[str, ...] = ("fapi.binance.com", "fstream.binance.com", "demo-fapi.binance.com")
    seen: list[Seen] = field(default_factory=list)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    _plan: dict[str, list[Reply]] = field(default_factory=lambda: defaultdict(list))

    def plan(self, path: str, *replies: Reply) -> None:
        self._plan[path] = list(replies)

    def asked(self, path: str) -> list[Seen]:
        return [each for each in self.seen if each.path == path]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        host = request.host.partition(":")[0]
        seen = Seen(
            method=request.method,
            host=host,
            path=request.path,
            query=dict(request.query),
            body=await request.text(),
            headers=dict(request.headers),
        )
        self.seen.append(seen)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._socket(request)
        replies = self._plan[request.path]
        if not replies:
            return web.json_response({})
        return await (replies.pop(0) if len(replies) > 1 else replies[0])(request)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
        return socket

    async def connected(self) -> web.WebSocketResponse:
        await until(lambda: bool(self.sockets))
        return self.sockets[-1]


def says(body: Any = None, *, status: int = 200, **headers: str) -> Reply:
    """JSON, or with text as `body` that text as a page."""

    async def reply(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, str):
            return web.Response(text=body, status=status, headers=named, content_type="text/html")
        return web.json_response(body, status=status, headers=named)

    return reply


async def drops(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def hangs(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(3)
    return web.Response()


async def half(request: web.Request) -> web.StreamResponse:
    """A whole head, half of the body."""
    assert request.transport is not None
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    request.transport.write(head.encode() + b'{"orderId":')
    await asyncio.sleep(0.02)
    request.transport.close()
    return web.Response()


async def until(condition: Callable[[], bool]) -> None:
    """Until that is so, at most five seconds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 (the server's side of a connection has no event to wait for)
            await asyncio.sleep(0.005)


@dataclass(slots=True, kw_only=True)
class Bench:
    """A client and the exchange behind it."""

    client: Client
    exchange: StubExchange
    loopback: Loopback


@asynccontextmanager
async def a_bench(
    *,
    dialect: StubDialect | None = None,
    keys: Mapping[str, str] | None = KEYS,
    clock: Clock | None = None,
    practice: str = "",
    limiter: Limiter | None = None,
    patience: timedelta = timedelta(seconds=2),
) -> AsyncIterator[Bench]:
    dialect = dialect or StubDialect()
    exchange = StubExchange(hosts=dialect.domains)
    async with Loop([exchange]) as loop:
        loopback = Loopback(port=loop.port, ca=loop.ca)
        client = Client(
            dialect,
            clock=clock or SystemClock(),
            keys=keys,
            practice=practice,
            loopback=loopback,
            limiter=limiter,
            timeout=patience,
        )
        try:
            yield Bench(client=client, exchange=exchange, loopback=loopback)
        finally:
            await client.close()
            for socket in exchange.sockets:
                await socket.close()
