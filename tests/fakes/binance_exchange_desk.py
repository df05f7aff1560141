"""The real ccxt client before the emulated Binance USD-M: real addresses, TLS and signatures, on loopback."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import ccxt.pro

from tests.fakes.binance_exchange import HOSTS, BinanceExchange
from tests.fakes.exchange_core import Core
from tests.fakes.exchange_tls import Loop
from trading.venues.exchange.hosts import Loopback, session

BTC = "BTC/USDT:USDT"
SECONDS = 10  # no single wait takes that long unless something is broken


def wall() -> int:
    return time.time_ns() // 1_000_000


class Tapped(ccxt.pro.binanceusdm):  # type: ignore[misc]
    """Keeps every raw message, as our adapter will."""

    def handle_message(self, client: Any, message: Any) -> Any:
        self.heard.append(message)
        return super().handle_message(client, message)


@dataclass
class Desk:
    core: Core
    front: BinanceExchange
    http: aiohttp.ClientSession
    client: Any
    heard: list[Any] = field(default_factory=list)

    def events(self, kind: str) -> list[Any]:
        return [each for each in self.heard if isinstance(each, dict) and each.get("e") == kind]

    async def until(self, done: Callable[[], Any]) -> None:
        async with asyncio.timeout(SECONDS):
            while not done():  # noqa: ASYNC110 - what another side does is waited for
                await asyncio.sleep(0.01)

    async def code(self, method: str, **params: Any) -> int:
        """The code of a refusal; 0 where it was not refused."""
        try:
            await getattr(self.client, method)(params)
        except ccxt.pro.BaseError as error:
            found = re.search(r'"code":(-?\d+)', str(error))
            return int(found[1]) if found else -1
        return 0

    async def buy(self, quantity: str = "0.01", **params: Any) -> Any:
        return await self.client.fapiPrivatePostOrder(
            {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": quantity, **params}
        )

    async def guard(self, kind: str, trigger: str, **params: Any) -> Any:
        asked = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "type": kind, "triggerPrice": trigger}
        asked |= {"closePosition": "true", "workingType": "MARK_PRICE", **params}
        return await self.client.fapiPrivatePostAlgoOrder(asked)


@asynccontextmanager
async def desk(
    *, now: Callable[[], int] = wall, keys: tuple[str, str] = ("key", "secret"), **front: Any
) -> AsyncIterator[Desk]:
    core = Core(now=now)
    exchange = BinanceExchange(core, clock=now, **front)
    async with Loop([exchange]) as loop, session(HOSTS, Loopback(port=loop.port, ca=loop.ca)) as http:
        options = {"fetchCurrencies": False, "fetchMargins": False, "fetchMarkets": {"types": ["linear"]}}
        client = Tapped({"apiKey": keys[0], "secret": keys[1], "session": http, "options": options})
        client.enableRateLimit = False
        made = Desk(core, exchange, http, client)
        client.heard = made.heard
        try:
            yield made
        finally:
            await client.close()
