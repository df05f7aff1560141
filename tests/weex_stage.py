"""A stage for the emulated WEEX: the exchange, TLS, the real ccxt client, and a hand that signs."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import ccxt.pro as ccxt
import pytest

from tests.fakes.exchange_core import Core
from tests.fakes.exchange_tls import Loop
from tests.fakes.weex_exchange import WEEX_SPECS, WeexExchange
from trading.venues.exchange.hosts import Loopback, session

SAMPLES = Path(__file__).resolve().parents[2] / "shared" / "fixtures"
BTC, DOGE = "BTC/USDT:USDT", "DOGE/USDT:USDT"
GIVEN_UP = 5.0


@dataclass
class Clock:
    """Real milliseconds, and as many more as a test says."""

    ahead: int = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead


@dataclass
class Stage:
    weex: WeexExchange
    core: Core
    client: Any
    http: aiohttp.ClientSession
    clock: Clock
    answers: list[tuple[int, Any]] = field(default_factory=list)

    async def ask(self, method: str, path: str, **params: Any) -> Any:
        """One signed request by hand; the answer's body. HTTP status and body are kept in `answers`."""
        body = json.dumps(params) if method == "POST" and params else ""
        query = "&".join(f"{key}={value}" for key, value in params.items()) if method != "POST" else ""
        target = f"/capi/v3/{path}" + (f"?{query}" if query else "")
        headers = {**self.signed(method + target + body), "Content-Type": "application/json"}
        url = f"https://api-contract.weex.com{target}"
        async with self.http.request(method, url, data=body or None, headers=headers) as answer:
            told = json.loads(await answer.text())
            self.answers.append((answer.status, told))
            return told

    def signed(self, text: str) -> dict[str, str]:
        stamp = str(self.weex.server_time())
        return {
            "ACCESS-KEY": "key",
            "ACCESS-PASSPHRASE": "pass",
            "ACCESS-TIMESTAMP": stamp,
            "ACCESS-SIGN": self.weex.gate.signature(stamp + text),
        }

    def listening(self) -> Any:
        """The account's stream, by hand."""
        path = "/v3/ws/private"
        return self.http.ws_connect(f"wss://ws-contract.weex.com{path}", headers=self.signed(path))

    async def order(self, name: str = "gv-a-e0", **changed: Any) -> Any:
        wanted = {
            "symbol": "BTCUSDT",
            "side": "BUY",
            "positionSide": "LONG",
            "type": "MARKET",
            "quantity": "0.01",
            "newClientOrderId": name,
        }
        return await self.ask("POST", "order", **{**wanted, **changed})

    @property
    def status(self) -> int:
        return self.answers[-1][0]


@asynccontextmanager
async def on_stage(**wanted: Any) -> AsyncIterator[Stage]:
    core_wanted = {key: wanted.pop(key) for key in ("attach_delay_ms", "wallet") if key in wanted}
    credentials = {"apiKey": "key", "secret": "secret", "password": "pass", **wanted.pop("credentials", {})}
    clock = Clock()
    core = Core(WEEX_SPECS, now=clock, hedged=True, **core_wanted)
    weex = WeexExchange(core, clock=clock, **wanted)
    async with Loop([weex]) as loop, session((".weex.com",), Loopback(port=loop.port, ca=loop.ca)) as http:
        options = {"defaultType": "swap"}
        client = ccxt.weex({**credentials, "session": http, "enableRateLimit": False, "options": options})
        try:
            yield Stage(weex, core, client, http, clock)
        finally:
            await client.close()


async def soon(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(GIVEN_UP):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def within(waiting: Any) -> Any:
    async with asyncio.timeout(GIVEN_UP):
        return await waiting


def samples(name: str) -> Any:
    path = SAMPLES / name
    if not path.exists():
        pytest.skip(f"no {path} beside the repository")
    return json.loads(path.read_text())
