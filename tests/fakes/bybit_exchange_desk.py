"""The real ccxt client, with its real URLs, TLS and signatures, sent to the emulated Bybit V5 on loopback."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import ccxt.pro
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.fakes.bybit_exchange import BybitExchange
from tests.fakes.exchange_core import Core
from tests.fakes.exchange_tls import Loop

BTC, NATIVE = "BTC/USDT:USDT", "BTCUSDT"
SECRET = "a secret of the tests"
GUARDED = {"stopLoss": "95000", "takeProfit": "99000", "slTriggerBy": "MarkPrice", "tpTriggerBy": "MarkPrice"}


class ToLoopback(AbstractResolver):
    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        there = {"hostname": host, "host": "127.0.0.1", "port": self._port, "family": socket.AF_INET, "proto": 0}
        return [ResolveResult(**there, flags=socket.AI_NUMERICHOST)]

    async def close(self) -> None:
        pass


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Desk:
    """`another`: a further client, with settings of its own."""

    core: Core
    front: BybitExchange
    client: Any
    another: Callable[..., Any]

    async def create(self, link: str, side: str = "Buy", qty: str = "0.01", **more: Any) -> Any:
        order = {"category": "linear", "symbol": NATIVE, "side": side, "orderType": "Market", "qty": qty}
        return await self.client.private_post_v5_order_create(order | {"orderLinkId": link} | more)

    async def realtime(self, **query: Any) -> list[Any]:
        query = {"category": "linear", "symbol": NATIVE} | query
        return (await self.client.private_get_v5_order_realtime(query))["result"]["list"]

    async def position(self) -> Any:
        answer = await self.client.private_get_v5_position_list({"category": "linear", "symbol": NATIVE})
        return answer["result"]["list"][0]

    async def stop(self, **levels: str) -> Any:
        body = {"category": "linear", "symbol": NATIVE, "tpslMode": "Full", "positionIdx": 0}
        return await self.client.private_post_v5_position_trading_stop(body | levels)


@contextlib.asynccontextmanager
async def bybit_desk() -> AsyncIterator[Desk]:
    """An emulated Bybit behind TLS on loopback, and ccxt's own client to it."""
    core = Core(now=now_ms)
    front = BybitExchange(core, keys=("key", SECRET))
    async with contextlib.AsyncExitStack() as stack:
        loop = await stack.enter_async_context(Loop([front]))

        def another(**settings: Any) -> Any:
            context = ssl.create_default_context(cafile=str(loop.ca))
            connector = aiohttp.TCPConnector(resolver=ToLoopback(loop.port), ssl=context, use_dns_cache=False)
            session = aiohttp.ClientSession(connector=connector, trust_env=False)
            client = ccxt.pro.bybit({"apiKey": "key", "secret": SECRET, "session": session} | settings)
            client.options |= {"fetchCurrencies": False, "enableUnifiedMargin": False, "enableUnifiedAccount": True}
            client.options["fetchMarkets"] = {"types": ["linear"]}
            client.options["watchPositions"] = {"fetchPositionsSnapshot": False}
            client.has["fetchCurrencies"] = False
            client.enableRateLimit = False
            stack.push_async_callback(session.close)
            stack.push_async_callback(client.close)
            return client

        yield Desk(core, front, another(), another)


async def within(awaitable: Any) -> Any:
    return await asyncio.wait_for(awaitable, 8)
