"""The WEEX profile for tests: over recorded answers, and through the real client on the emulated exchange."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from tests.builders import NOW, an_order
from tests.fakes.exchange_core import Core
from tests.fakes.exchange_tls import Loop
from tests.fakes.weex_exchange import WEEX_SPECS, WeexExchange
from tests.recorded import RecordingCaller, recorder
from trading.clock import SystemClock
from trading.market.series import to_ms
from trading.model import ClientId, Direction, Leg, Order, OrderKind, OrderStatus, Protection, Side, Symbol
from trading.venues.exchange.client import Client, open_clients
from trading.venues.exchange.hosts import Loopback
from trading.venues.exchange.weex import DIALECT, WeexProfile
from trading.venues.exchange.wire import Margin, Seen

BTC, DOGE, ETH = Symbol("BTC/USDT:USDT"), Symbol("DOGE/USDT:USDT"), Symbol("ETH/USDT:USDT")
STATIC = Path(__file__).resolve().parents[2] / "shared" / "fixtures" / "upstream_ccxt_static"
_ID = "gv-aaaabbbbccccddddeeeeffff-"
ENTRY, STOP, TARGET, CLOSE = ClientId(f"{_ID}e0"), ClientId(f"{_ID}s0"), ClientId(f"{_ID}t0"), ClientId(f"{_ID}c0")
GUARD = Protection(stop_id=STOP, stop=D("60000.1"), target_id=TARGET, target=D("80000.1"))
CLOSING: dict[str, Any] = {
    "side": Side.SELL,
    "reduce_only": True,
    "leg": Leg.CLOSE,
    "client_id": CLOSE,
    "quantity": D("0.01"),
}
ACCEPTED = {"orderId": "7371", "clientOrderId": "", "success": True, "errorCode": "", "errorMessage": ""}


def a_profile(answers: dict[str, Any]) -> tuple[WeexProfile, RecordingCaller]:
    caller, _ = recorder(DIALECT, answers)
    return DIALECT.profile(caller, caller, practice=""), caller


def static(file: str, name: str) -> Any:
    """ccxt's own fixtures; skips where they are missing."""
    path = STATIC / f"weex_{file}.json"
    if not path.is_file():
        pytest.skip(f"{path} is not here: ccxt's static fixtures")
    return json.loads(path.read_text())[name]


def entry(**changes: Any) -> Order:
    return replace(an_order(client_id=ENTRY, quantity=D("0.0123"), protection=None), **changes)


def standing(**changes: Any) -> Seen:
    made = Seen(
        symbol=BTC,
        id="7371",
        client_id=STOP,
        kind=OrderKind.STOP,
        side=Side.SELL,
        quantity=D("0.01"),
        filled=D(0),
        status=OrderStatus.OPEN,
        at=NOW,
        reduce_only=True,
        trigger=D(60000),
        conditional=True,
        closes=Direction.LONG,
    )
    return replace(made, **changes)


def order_row(number: int, **changes: Any) -> dict[str, Any]:
    row = {"orderId": number, "clientOrderId": f"gv-{number}-e0", "symbol": "BTCUSDT", "side": "BUY"}
    row |= {"positionSide": "LONG", "origQty": "0.02", "executedQty": "0", "status": "NEW", "type": "LIMIT"}
    return {**row, "price": "60000", "stopPrice": "0", "updateTime": 1775758733006, **changes}


def algo_row(number: int, **changes: Any) -> dict[str, Any]:
    row = {"algoId": number, "clientAlgoId": f"gv-{number}-s0", "orderType": "STOP_MARKET", "symbol": "BTCUSDT"}
    row |= {"side": "SELL", "positionSide": "LONG", "quantity": "0.02", "algoStatus": "UNTRIGGERED"}
    return {**row, "actualOrderId": 55, "triggerPrice": "58000", "updateTime": 1775758733006, **changes}


def fill_row(number: int, at: int) -> dict[str, Any]:
    row = {"id": number, "orderId": 7, "symbol": "BTCUSDT", "side": "BUY", "commission": "0.1", "maker": False}
    row |= {"commissionAsset": "USDT", "price": "60000", "qty": "0.01", "realizedPnl": "0"}
    return {**row, "time": at}


@dataclass(frozen=True)
class Bench:
    front: WeexExchange
    core: Core
    profile: WeexProfile
    data: Client
    trade: Client

    async def isolate(self, leverage: int = 5) -> None:
        """BTC under the desk's terms."""
        await self.profile.set_one_way(BTC)
        await self.profile.set_isolated(BTC, leverage)
        await self.profile.set_leverage(BTC, leverage)
        terms = await self.profile.terms(BTC)
        assert (terms.leverage, terms.margin, terms.one_way) == (leverage, Margin.ISOLATED, True)

    def near(self, fraction: str) -> D:
        """A price that far from BTC's mark, on its tick."""
        return (self.core.mark("BTCUSDT") * D(fraction)).quantize(D("0.1"))


@asynccontextmanager
async def a_bench(**changes: Any) -> AsyncIterator[Bench]:
    """`changes`: attributes of the exchange."""
    clock = SystemClock()
    core = Core(WEEX_SPECS, now=lambda: to_ms(clock.now()), hedged=True)
    front = WeexExchange(core)
    for name, value in changes.items():
        setattr(front, name, value)
    keys = {"apiKey": "key", "secret": "secret", "password": "pass"}
    async with Loop([front]) as loop:
        through = Loopback(host="127.0.0.1", port=loop.port, ca=loop.ca)
        data, trade = open_clients(DIALECT, keys=keys, practice="", loopback=through, clock=clock)
        assert trade is not None
        try:
            profile = DIALECT.profile(data, trade, practice="")
            listings = await profile.listings(["BTC", "DOGE"], "USDT")
            for client in (data, trade):
                DIALECT.markets(client.exchange, listings.values())
            yield Bench(front, core, profile, data, trade)
        finally:
            await data.close()
            await trade.close()
