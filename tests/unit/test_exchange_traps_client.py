"""The traps of venues.md 1.3 that the client layer has to know, by their numbers there."""

import asyncio
import copy
from typing import Any

import pytest

from tests.exchange_stub import KEYS, MARKET, StubDialect, a_bench, says, until
from trading.clock import SystemClock
from trading.errors import OrderRejected, UnknownOutcome
from trading.venues.exchange.client import open_clients
from trading.venues.exchange.wire import Code, Lane

PLACE = "/fapi/v1/order"


async def test_trap_5_parameters_are_never_changed() -> None:
    """ccxt adds to the dictionaries that it is given, and hands parts of them on."""
    params = {"symbol": "BTCUSDT", "orders": [{"side": "BUY"}], "newClientOrderId": "gv-abc-e0"}
    before = copy.deepcopy(params)
    async with a_bench() as bench:
        exchange = bench.client.exchange
        plain = type(exchange).sign

        def meddling(self: Any, path: Any, api: Any, method: Any, given: Any, *rest: Any) -> Any:
            signed = plain(self, path, api, method, {**given, "orders": ""}, *rest)
            given["orders"][0]["side"] = "SELL"
            given["added"] = True
            return signed

        type(exchange).sign = meddling
        await bench.client.write("fapiPrivatePostOrder", params, lane=Lane.ENTRY)
        await bench.client.read("fapiPrivateGetOpenOrders", params)
    assert params == before


async def test_trap_5_an_empty_answer_is_an_unknown_outcome_and_no_order_without_an_id() -> None:
    async with a_bench() as bench:
        bench.exchange.plan(PLACE, says(""))
        with pytest.raises(UnknownOutcome):
            await bench.client.write("fapiPrivatePostOrder", {"symbol": "BTCUSDT"}, lane=Lane.ENTRY)


async def test_trap_6_an_order_never_waits_behind_market_data() -> None:
    """ccxt's throttler is one queue an instance: 200 reads before an order would hold it up by seconds.

    Here the client for the market has used up its share altogether, and the order leaves before the reads come back.
    """
    async with a_bench() as bench:
        released = asyncio.Event()

        async def slow(request: Any) -> Any:
            await released.wait()
            return await says({})(request)

        bench.exchange.plan("/fapi/v1/depth", slow)
        data, trade = open_clients(StubDialect(), keys=KEYS, practice="", loopback=bench.loopback, clock=SystemClock())
        assert trade is not None
        assert data.exchange.enableRateLimit is False
        assert trade.exchange.enableRateLimit is False
        assert data.exchange.session is not trade.exchange.session
        try:
            reads = [
                asyncio.create_task(data.read("fapiPublicGetDepth", {"symbol": "BTCUSDT"}, cost=168)) for _ in range(10)
            ]
            await until(lambda: len(bench.exchange.asked("/fapi/v1/depth")) == 10)
            assert data.limiter.used()["weight"] == (1680, 2400)
            await trade.write("fapiPrivatePostOrder", {"symbol": "BTCUSDT"}, lane=Lane.ENTRY, orders=1)
            assert not any(read.done() for read in reads)
            released.set()
            await asyncio.gather(*reads)
        finally:
            await data.close()
            await trade.close()


async def test_trap_6_within_one_client_reading_does_not_hold_up_an_order_either() -> None:
    async with a_bench() as bench:
        await bench.client.limiter.take(Lane.EXIT, cost=1700)  # more than reading may use
        reading = asyncio.create_task(bench.client.read("fapiPublicGetDepth", {"symbol": "BTCUSDT"}))
        await bench.client.write("fapiPrivatePostOrder", {"symbol": "BTCUSDT"}, lane=Lane.EXIT, orders=1)
        assert [seen.path for seen in bench.exchange.seen] == [PLACE]
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def a_fill(number: int) -> dict[str, Any]:
    order = {"s": "BTCUSDT", "c": f"gv-{number}-e0", "S": "BUY", "o": "MARKET", "f": "GTC", "q": "0.010", "p": "0"}
    order |= {"ap": "69000", "sp": "0", "x": "TRADE", "X": "FILLED", "i": number, "l": "0.010", "z": "0.010"}
    order |= {"L": "69000", "n": "0.3", "N": "USDT", "T": number, "t": number, "m": False, "R": False, "ps": "BOTH"}
    return {"e": "ORDER_TRADE_UPDATE", "T": number, "E": number, "o": order | {"ot": "MARKET", "cp": False, "rp": "0"}}


async def test_trap_13_every_message_passes_the_tap_at_arrival() -> None:
    """Three fills in a burst, and one while nobody awaits `watch_orders`: ccxt alone would show one of the four."""
    got: list[int] = []

    def tap(message: Any) -> None:
        if message.get("e") == "ORDER_TRADE_UPDATE":
            got.append(message["o"]["i"])

    async with a_bench() as bench:
        bench.exchange.plan("/fapi/v1/listenKey", says({"listenKey": "a-listen-key"}))
        exchange = bench.client.stream(tap)
        exchange.options["watchOrders"] = {"fetchOrdersSnapshot": False}
        exchange.set_markets([exchange.parse_market(MARKET)])
        watching = asyncio.create_task(exchange.watch_orders("BTC/USDT:USDT"))
        socket = await bench.exchange.connected()
        for number in (1, 2, 3):
            await socket.send_json(a_fill(number))
        await watching
        await until(lambda: got == [1, 2, 3])
        await socket.send_json(a_fill(4))  # between two watches
        await until(lambda: got == [1, 2, 3, 4])


async def test_trap_15_a_revoked_key_is_no_ban() -> None:
    """-2015 after a success is raised as DDoSProtection: by that we would wait for ever for a key that is gone."""
    async with a_bench() as bench:
        refusal = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
        bench.exchange.plan(PLACE, says(refusal, status=401))
        bench.client.exchange.options["hasAlreadyAuthenticatedSuccessfully"] = True
        with pytest.raises(OrderRejected) as caught:
            await bench.client.write("fapiPrivatePostOrder", {"symbol": "BTCUSDT"}, lane=Lane.ENTRY)
        assert caught.value.code == Code.AUTH
        assert bench.client.limiter.silent_for == 0


async def test_trap_15_nothing_is_sent_a_second_time_whatever_the_failure() -> None:
    """`maxRetriesOnFailure` repeats orders; a dialect's own options cannot bring it back."""

    class Eager(StubDialect):
        options = {**StubDialect.options, "maxRetriesOnFailure": 3}  # noqa: RUF012

    async with a_bench(dialect=Eager()) as bench:
        bench.exchange.plan(PLACE, says({"code": -1006, "msg": "Unexpected."}, status=503))
        with pytest.raises(UnknownOutcome):
            await bench.client.write("fapiPrivatePostOrder", {"symbol": "BTCUSDT"}, lane=Lane.ENTRY)
        assert len(bench.exchange.seen) == 1
