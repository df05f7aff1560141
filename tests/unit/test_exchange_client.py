"""The client layer, ccxt's real client against a server on loopback: what each answer comes out as."""

import asyncio
import decimal
import gc
import logging
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.exchange_stub import KEYS, MARKET, Bench, Reply, StubDialect, a_bench, drops, half, hangs, says, until
from tests.fakes.binance_exchange import BinanceExchange
from tests.fakes.bybit_exchange import BybitExchange
from tests.fakes.exchange_core import SPECS, Core
from tests.fakes.exchange_tls import Loop
from tests.fakes.weex_exchange import WEEX_SPECS, WeexExchange
from trading.clock import ManualClock, SystemClock
from trading.errors import BadSettings, OrderRejected, RateLimited, Transient, UnknownOutcome, VenueDown
from trading.venues.exchange.client import Client, open_clients
from trading.venues.exchange.hosts import Loopback
from trading.venues.exchange.limiter import Limiter
from trading.venues.exchange.registry import DIALECTS
from trading.venues.exchange.wire import Code, Lane

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010", "newClientOrderId": "gv-abc-e0"}
PLACE = "/fapi/v1/order"
TIME = "/fapi/v1/time"
DEPTH = "/fapi/v1/depth"


async def place(client: Client, params: Mapping[str, Any] = ORDER) -> Any:
    return await client.write("fapiPrivatePostOrder", params, lane=Lane.ENTRY, orders=1)


async def look(client: Client) -> Any:
    return await client.read("fapiPublicGetDepth", {"symbol": "BTCUSDT"})


async def test_a_write_goes_out_signed_with_the_key_and_comes_back_as_it_was_said() -> None:
    async with a_bench() as bench:
        bench.exchange.plan(PLACE, says({"orderId": 7, "clientOrderId": "gv-abc-e0"}))
        assert await place(bench.client) == {"orderId": 7, "clientOrderId": "gv-abc-e0"}
        (seen,) = bench.exchange.seen
        assert (seen.method, seen.host, seen.path) == ("POST", "fapi.binance.com", PLACE)
        assert seen.headers["X-MBX-APIKEY"] == KEYS["apiKey"]
        assert "newClientOrderId=gv-abc-e0" in seen.body
        assert "signature=" in seen.body
        assert "Referer" not in seen.headers


class BybitStub(StubDialect):
    ccxt_id = "bybit"
    domains = ("api.bybit.com",)


async def test_no_referral_of_ccxt_goes_with_an_order() -> None:
    """It puts its own name into a header of Bybit's, and an empty option does not stop it."""
    async with a_bench(dialect=BybitStub()) as bench:
        bench.exchange.plan("/v5/order/create", says({"retCode": 0, "result": {}}))
        await bench.client.write("privatePostV5OrderCreate", {"symbol": "BTCUSDT"}, lane=Lane.ENTRY)
        assert bench.exchange.seen[0].headers["X-BAPI-API-KEY"] == KEYS["apiKey"]
        assert "Referer" not in bench.exchange.seen[0].headers


async def test_a_bare_number_does_not_pass_through_a_float() -> None:
    async with a_bench() as bench:
        bench.exchange.plan(DEPTH, says({"price": 0.1234567890123456}))
        assert await look(bench.client) == {"price": "0.1234567890123456"}


async def test_the_time_of_a_request_is_the_clocks() -> None:
    at = datetime(2026, 11, 21, 12, tzinfo=UTC)
    async with a_bench(clock=ManualClock(at)) as bench:
        await place(bench.client)
        assert f"timestamp={int(at.timestamp() * 1000)}&" in bench.exchange.seen[0].body


BINANCE_SAYS = {
    "a refusal by its code": (says({"code": -2019, "msg": "Margin is insufficient."}, status=400), Code.MARGIN),
    "a duplicate": (says({"code": -4116, "msg": "ClientOrderId is duplicated."}, status=400), Code.DUPLICATE),
    "a refusal only ccxt knows": (says({"code": -1121, "msg": "Invalid symbol."}, status=400), Code.SYMBOL),
}


@pytest.mark.parametrize("what", BINANCE_SAYS)
async def test_a_certain_refusal_is_a_rejection(what: str) -> None:
    reply, code = BINANCE_SAYS[what]
    async with a_bench() as bench:
        bench.exchange.plan(PLACE, reply)
        with pytest.raises(OrderRejected) as caught:
            await place(bench.client)
        assert caught.value.code == code


LEAVES_IT_OPEN: dict[str, Reply] = {
    "a connection dropped": drops,
    "a connection dropped inside the body": half,
    "no answer in time": hangs,
    "an empty answer": says("", status=200),
    "a page instead of JSON": says("<html>hello</html>"),
    "a page with status 403": says("<html>blocked</html>", status=403),
    "a page with status 400": says("<html>bad</html>", status=400),
    "status 500": says({}, status=500),
    "status 502 with a page": says("<html>bad gateway</html>", status=502),
    "status 503, unknown": says({"code": -1000, "msg": "Unknown error, please check your request."}, status=503),
    "its code for unknown": says({"code": -1006, "msg": "An unexpected response was received."}, status=400),
    "its code for its own timeout": says({"code": -1007, "msg": "Timeout waiting for response."}, status=408),
    "a code that nobody knows": says({"code": -9999, "msg": "Something new."}, status=400),
    "a refusal of a class by status alone": says("<html>log in</html>", status=401),
    "a page that points elsewhere": says("moved", status=307, Location="https://fapi.binance.com/fapi/v1/time"),
}


async def a_short_patience(bench: Bench) -> None:
    """Once the connection stands, so that a slow machine does not change what is tested."""
    await look(bench.client)
    bench.client.exchange.timeout = 250


@pytest.mark.parametrize("what", LEAVES_IT_OPEN)
async def test_what_is_not_certain_leaves_a_write_open_and_it_goes_out_once(what: str) -> None:
    async with a_bench() as bench:
        await a_short_patience(bench)
        bench.exchange.plan(PLACE, LEAVES_IT_OPEN[what])
        with pytest.raises(UnknownOutcome):
            await place(bench.client)
        assert len(bench.exchange.asked(PLACE)) == 1


@pytest.mark.parametrize("what", LEAVES_IT_OPEN)
async def test_the_same_is_only_transient_for_a_read(what: str) -> None:
    async with a_bench() as bench:
        await a_short_patience(bench)
        bench.exchange.plan(DEPTH, LEAVES_IT_OPEN[what])
        with pytest.raises(Transient):
            await look(bench.client)


async def test_a_cancel_on_a_connection_that_breaks_is_not_sent_a_second_time() -> None:
    """aiohttp repeats DELETE by itself where a kept connection breaks: the second answer would say "unknown order"."""
    async with a_bench() as bench:
        bench.exchange.plan(PLACE, says({"orderId": 7}), drops)
        await bench.client.write("fapiPrivateDeleteOrder", {"symbol": "BTCUSDT", "orderId": "7"}, lane=Lane.EXIT)
        with pytest.raises(UnknownOutcome):
            await bench.client.write("fapiPrivateDeleteOrder", {"symbol": "BTCUSDT", "orderId": "7"}, lane=Lane.EXIT)
        assert len(bench.exchange.seen) == 2


async def test_a_server_that_is_not_there_is_down_and_nothing_has_left() -> None:
    async with a_bench() as bench:
        gone = Loopback(port=1, ca=bench.loopback.ca)
        client = Client(StubDialect(), clock=ManualClock(datetime(2026, 1, 1, tzinfo=UTC)), keys=KEYS, loopback=gone)
        try:
            with pytest.raises(VenueDown):
                await place(client)
            with pytest.raises(VenueDown):
                await look(client)
        finally:
            await client.close()


async def test_a_closed_client_sends_nothing() -> None:
    async with a_bench() as bench:
        await bench.client.close()
        with pytest.raises(VenueDown):
            await place(bench.client)
        assert bench.exchange.seen == []


THROTTLED = {
    "429": (says({"code": -1003, "msg": "Too many requests."}, status=429, Retry_After="7"), 7.0),
    "418": (says({"code": -1003, "msg": "Banned until 1."}, status=418), 120.0),
    "429 with nothing in it": (says("", status=429), 10.0),
}


@pytest.mark.parametrize("what", THROTTLED)
async def test_a_throttled_request_was_not_done_and_all_lanes_are_silent(what: str) -> None:
    reply, seconds = THROTTLED[what]
    async with a_bench() as bench:
        bench.exchange.plan(PLACE, reply)
        with pytest.raises(RateLimited) as caught:
            await place(bench.client)
        assert caught.value.retry_after == seconds
        with pytest.raises(RateLimited):
            await look(bench.client)
        assert len(bench.exchange.seen) == 1
        assert bench.client.limiter.silent_for == pytest.approx(seconds, abs=2)


async def test_a_read_refused_for_its_time_is_tried_once_more_with_the_time_set_right() -> None:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    server = int((now + timedelta(seconds=9)).timestamp() * 1000)
    async with a_bench(clock=ManualClock(now)) as bench:
        bench.exchange.plan(TIME, says({"serverTime": server}))
        late = says({"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}, status=400)
        bench.exchange.plan("/fapi/v3/account", late, says({"ok": True}))
        assert await bench.client.read("fapiPrivateV3GetAccount", {}) == {"ok": True}
        first, second = bench.exchange.asked("/fapi/v3/account")
        assert int(second.query["timestamp"]) - int(first.query["timestamp"]) == 9000


async def test_a_write_refused_for_its_time_is_transient_and_the_next_one_has_it_right() -> None:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    server = int((now + timedelta(seconds=9)).timestamp() * 1000)
    async with a_bench(clock=ManualClock(now)) as bench:
        bench.exchange.plan(TIME, says({"serverTime": server}))
        late = says({"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}, status=400)
        bench.exchange.plan(PLACE, late, says({"orderId": 7}))
        with pytest.raises(Transient):
            await place(bench.client)
        assert len(bench.exchange.asked(PLACE)) == 1
        await place(bench.client)
        assert f"timestamp={server}&" in bench.exchange.asked(PLACE)[1].body


FRONTS: dict[str, Callable[[Core], Any]] = {
    "binance": lambda core: BinanceExchange(core),
    "bybit": lambda core: BybitExchange(core),
    "weex": lambda core: WeexExchange(core),
}


@pytest.mark.parametrize("name", FRONTS)
async def test_each_exchange_takes_our_time_after_a_resync(name: str) -> None:
    """The real dialects against their emulated exchanges, whose clocks are two minutes ahead."""
    dialect = DIALECTS[name]
    specs = WEEX_SPECS if name == "weex" else SPECS
    core = Core(specs, now=lambda: time.time_ns() // 1_000_000, hedged=name == "weex")
    front = FRONTS[name](core)
    front.skew_ms = 120_000
    keys = {secret: {"apiKey": "key", "secret": "secret", "password": "pass"}[secret] for secret in dialect.secrets}
    async with Loop([front]) as loop:
        loopback = Loopback(port=loop.port, ca=loop.ca)
        data, trade = open_clients(dialect, keys=keys, practice="", loopback=loopback, clock=SystemClock())
        assert trade is not None
        try:
            purse = await dialect.profile(data, trade, practice="").purse()
            assert purse.wallet == core.wallet
            assert await data.resync() == pytest.approx(-timedelta(minutes=2), abs=timedelta(seconds=5))
        finally:
            await data.close()
            await trade.close()


async def test_many_reads_refused_for_one_clock_ask_for_the_time_once() -> None:
    async with a_bench() as bench:
        bench.exchange.plan(TIME, says({"serverTime": 1_800_000_000_000}))
        late = says({"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}, status=400)
        bench.exchange.plan("/fapi/v3/account", late, late, late, says({}))
        await asyncio.gather(*(bench.client.read("fapiPrivateV3GetAccount", {}) for _ in range(3)))
        assert len(bench.exchange.asked(TIME)) == 1


async def test_cancelling_passes_through_untouched() -> None:
    async with a_bench() as bench:
        bench.exchange.plan(PLACE, hangs)
        task = asyncio.create_task(place(bench.client))
        await until(lambda: bool(bench.exchange.seen))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_the_exchanges_own_count_reaches_the_limiter() -> None:
    async with a_bench() as bench:
        bench.exchange.plan(DEPTH, says({}, X_MBX_USED_WEIGHT_1M="1234", x_mbx_order_count_10s="6"))
        await look(bench.client)
        assert bench.client.limiter.used() == {"weight": (1234, 2400), "orders": (6, 300)}


async def test_neither_errors_nor_logs_nor_reprs_show_what_was_signed_or_where_to(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = []
    echo = f"Bad key {KEYS['apiKey']} sign=abcdef see https://fapi.binance.com/fapi/v1/order?signature=abc " + "z" * 500
    replies = [
        *LEAVES_IT_OPEN.values(),
        says({"code": -2019, "msg": echo}, status=400),
        says({"code": -1021, "msg": echo}, status=400),
        says({"code": -1003, "msg": echo}, status=429),
    ]
    for reply in replies:
        async with a_bench(patience=timedelta(seconds=0.25)) as bench:
            bench.exchange.plan(PLACE, reply)
            with pytest.raises((Transient, UnknownOutcome, OrderRejected)) as caught:
                await place(bench.client)
            assert len(str(caught.value)) < 250
            assert caught.value.__cause__ is None
            assert caught.value.__context__ is None
            shown += [*traceback.format_exception(caught.value), repr(bench.client), repr(bench.client.exchange)]
    text = "\n".join(shown) + caplog.text
    for secret in (*KEYS.values(), "signature", "https://", "timestamp=", "X-MBX-APIKEY", "abcdef"):
        assert secret not in text, secret


async def test_practice_has_the_practice_hosts() -> None:
    async with a_bench(practice="demo") as bench:
        await place(bench.client)
        assert bench.exchange.seen[0].host == "demo-fapi.binance.com"


async def test_missing_credentials_and_unknown_practice_are_told_by_name() -> None:
    def build(keys: Mapping[str, str], practice: str = "") -> object:
        clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        return open_clients(StubDialect(), keys=keys, practice=practice, loopback=None, clock=clock)

    with pytest.raises(BadSettings, match="secret"):
        build({"apiKey": "planted-api-key"})
    with pytest.raises(BadSettings, match="has no practice account 'testnet'; it has: demo"):
        build(KEYS, "testnet")


async def test_the_client_for_the_market_has_no_key_and_a_ban_silences_both(tmp_path: Path) -> None:
    async with a_bench() as bench:
        clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        data, trade = open_clients(StubDialect(), keys=KEYS, practice="", loopback=bench.loopback, clock=clock)
        assert trade is not None
        try:
            bench.exchange.plan(DEPTH, says({}), says("", status=429))
            await look(data)
            assert "X-MBX-APIKEY" not in bench.exchange.seen[0].headers
            assert data.limiter.used()["weight"] == (1, 2400)
            assert trade.limiter.used()["weight"] == (0, 2400)
            with pytest.raises(RateLimited):
                await look(data)
            with pytest.raises(RateLimited):
                await place(trade)
        finally:
            await data.close()
            await trade.close()


async def test_without_keys_there_is_no_client_for_trading() -> None:
    async with a_bench() as bench:
        clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        data, trade = open_clients(StubDialect(), keys=None, practice="", loopback=bench.loopback, clock=clock)
        await data.close()
        assert trade is None


async def test_a_stream_with_markets_set_asks_for_nothing_else() -> None:
    async with a_bench(keys=None) as bench:
        exchange = bench.client.stream(lambda message: None)
        exchange.set_markets([exchange.parse_market(MARKET)])
        watching = asyncio.create_task(exchange.watch_trades("BTC/USDT:USDT"))
        await bench.exchange.connected()
        assert {seen.path for seen in bench.exchange.seen if "Upgrade" not in seen.headers} == set()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_a_message_nobody_understands_does_not_end_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    """ccxt stops to read a socket when its handler raises, and tells nobody."""
    got: list[Any] = []

    def tap(message: Any) -> None:
        got.append(message)
        raise KeyError("the tap itself is broken")

    async with a_bench(keys=None) as bench:
        exchange = bench.client.stream(tap)
        exchange.set_markets([exchange.parse_market(MARKET)])
        watching = asyncio.create_task(exchange.watch_trades("BTC/USDT:USDT"))
        socket = await bench.exchange.connected()
        await socket.send_json({"e": "trade", "s": 5, "T": "no time"})
        await socket.send_json({"e": "trade", "n": 2})
        await until(lambda: len(got) == 2)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert [record.getMessage() for record in caplog.records].count(
        "a message of the stream was not understood: KeyError"
    ) == 1


async def test_closing_leaves_nothing_behind() -> None:
    """Warnings are errors here: an unclosed session or socket would fail this test."""
    async with a_bench(keys=None) as bench:
        exchange = bench.client.stream(lambda message: None)
        exchange.set_markets([exchange.parse_market(MARKET)])
        watching = asyncio.create_task(exchange.watch_trades("BTC/USDT:USDT"))
        await bench.exchange.connected()
        await look(bench.client)
        await bench.client.close()
        await bench.client.close()
        await asyncio.gather(watching, return_exceptions=True)
        del exchange
    gc.collect()


async def test_what_ccxt_meant_to_do_later_ends_with_the_client() -> None:
    """It renews a listen key by a timer of its own, twenty minutes later."""
    async with a_bench(keys=None) as bench:
        exchange = bench.client.exchange
        exchange.open()
        timer = exchange.delay(1_200_000, exchange.fetch_time)
        await bench.client.close()
        assert timer.cancelled()


async def test_a_server_that_says_nothing_does_not_hold_up_the_closing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trading.venues.exchange.client.CLOSING", 0.05)
    async with a_bench(keys=None) as bench:

        async def silent() -> None:
            await asyncio.Event().wait()

        bench.client.exchange.close_ws_clients = silent
        await bench.client.close()
        with pytest.raises(VenueDown):
            await look(bench.client)


def test_a_limiter_may_be_given() -> None:
    async def run() -> None:
        limiter = Limiter(())
        async with a_bench(limiter=limiter) as bench:
            assert bench.client.limiter is limiter

    asyncio.run(run())


async def test_ccxt_does_not_change_how_our_numbers_are_rounded() -> None:
    async with a_bench() as bench:
        before = decimal.getcontext().rounding
        assert bench.client.exchange.decimal_to_precision("1.25", 1, 1, 2, 5) == "1.3"
        assert decimal.getcontext().rounding == before == decimal.ROUND_HALF_EVEN
        assert not decimal.getcontext().traps[decimal.Underflow]
