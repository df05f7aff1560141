"""The emulated Binance USD-M under the real client: streams of the market and of the account."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import ccxt.pro
import pytest

from tests.fakes.binance_exchange_desk import BTC, SECONDS, Desk, desk


async def test_watching_orders_sees_what_is_placed_and_filled() -> None:
    async with desk() as at:
        await at.client.load_markets()
        watching = asyncio.ensure_future(at.client.watch_orders(BTC))
        await at.until(lambda: at.front.faults.open_streams)
        await at.buy(newClientOrderId="gv-eight-e0")
        async with asyncio.timeout(SECONDS):
            (seen, *_) = await watching
        assert seen["clientOrderId"] == "gv-eight-e0"
        await at.until(lambda: at.events("ACCOUNT_UPDATE") and len(at.events("ORDER_TRADE_UPDATE")) == 2)
        story = [(each["o"]["x"], each["o"]["X"]) for each in at.events("ORDER_TRADE_UPDATE")]
        assert story == [("NEW", "NEW"), ("TRADE", "FILLED")]
        (told,) = at.events("ACCOUNT_UPDATE")
        assert told["a"]["m"] == "ORDER"
        assert Decimal(told["a"]["B"][0]["wb"]) == at.core.wallet
        assert [(each["s"], each["pa"]) for each in told["a"]["P"]] == [("BTCUSDT", "0.01")]


async def test_the_accounts_stream_tells_of_a_guard_step_by_step_and_of_funding() -> None:
    async with desk() as at:
        await at.client.load_markets()
        watching = asyncio.ensure_future(at.client.watch_orders())
        await at.until(lambda: at.front.faults.open_streams)
        await at.buy()
        at.core.fund("BTCUSDT", Decimal("0.0001"))
        await at.guard("STOP_MARKET", "95000", clientAlgoId="gv-nine-s0")
        await at.guard("TAKE_PROFIT_MARKET", "98000", clientAlgoId="gv-nine-t0")
        at.core.move("BTCUSDT", Decimal(94_000))
        await at.until(lambda: len(at.events("ALGO_UPDATE")) == 6)
        story = [(each["o"]["caid"][-2:], each["o"]["X"]) for each in at.events("ALGO_UPDATE")]
        assert story[:3] == [("s0", "NEW"), ("t0", "NEW"), ("s0", "TRIGGERING")]
        assert sorted(story[3:]) == [("s0", "FINISHED"), ("s0", "TRIGGERED"), ("t0", "EXPIRED")]
        (funded,) = [each for each in at.events("ACCOUNT_UPDATE") if each["a"]["m"] == "FUNDING_FEE"]
        assert Decimal(funded["a"]["B"][0]["bc"]) < 0
        assert funded["a"]["P"][0]["s"] == "BTCUSDT"
        times = [each["E"] for each in at.heard if each.get("e") in ("ORDER_TRADE_UPDATE", "ALGO_UPDATE")]
        assert times == sorted(set(times))
        await watching


async def test_watching_quotes_marks_and_trades_follows_the_market() -> None:
    async with desk() as at:
        await at.client.load_markets()
        async with asyncio.timeout(SECONDS):
            first = await at.client.watch_bids_asks([BTC, "ETH/USDT:USDT"])
            assert first
            marks = await at.client.watch_mark_prices([BTC])
            assert marks[BTC]["markPrice"] == 96_000
        trades = asyncio.ensure_future(at.client.watch_trades(BTC, params={"name": "aggTrade"}))
        await at.until(lambda: ("market", "btcusdt@aggTrade") in at.front.streams.subscribed)
        at.core.move("BTCUSDT", Decimal(97_000))
        at.core.print_trade("BTCUSDT", Decimal(97_000), Decimal("0.5"), buy=False)
        async with asyncio.timeout(SECONDS):
            assert (await trades)[0]["price"] == 97_000
        await at.until(lambda: len(at.events("aggTrade")) == 2)
        assert at.events("aggTrade")[1]["m"] is True, "a seller took: the buyer is the maker"
        assert Decimal(at.events("bookTicker")[-1]["b"]) == at.core.bid("BTCUSDT")
        await at.until(lambda: Decimal(at.events("markPriceUpdate")[-1]["p"]) == 97_000)


async def test_watching_the_book_agrees_with_the_book() -> None:
    async with desk() as at:
        await at.client.load_markets()
        async with asyncio.timeout(SECONDS):
            await at.client.watch_order_book(BTC, 20)
            for price in (96_001, 96_000, 96_003):
                waiting = asyncio.ensure_future(at.client.watch_order_book(BTC, 20))
                await asyncio.sleep(0)
                at.core.move("BTCUSDT", Decimal(price))
                book = await waiting
        assert Decimal(str(book["bids"][0][0])) == at.core.bid("BTCUSDT")
        assert Decimal(str(book["asks"][0][0])) == at.core.ask("BTCUSDT")


@asynccontextmanager
async def socket(at: Desk, path: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with at.http.ws_connect(f"wss://fstream.binance.com{path}") as ws:
        yield ws


async def said(ws: aiohttp.ClientWebSocketResponse) -> Any:
    async with asyncio.timeout(SECONDS):
        return await ws.receive_json()


async def test_a_stream_asked_for_on_the_wrong_path_is_accepted_and_never_sent() -> None:
    async with desk() as at, socket(at, "/market/ws") as ws:
        at.front.streams.mark_seconds = 0.05
        names = ["btcusdt@bookTicker", "btcusdt@markPrice@1s"]
        await ws.send_json({"method": "SUBSCRIBE", "params": names, "id": 1})
        assert await said(ws) == {"result": None, "id": 1}
        assert [(await said(ws))["e"] for _ in range(2)] == ["markPriceUpdate"] * 2, "and that every second"


async def test_subscriptions_are_listed_ended_and_wrapped_on_a_combined_stream() -> None:
    async with desk() as at, socket(at, "/public/stream?streams=btcusdt@bookTicker/ethusdt@bookTicker") as ws:
        assert {(await said(ws))["stream"] for _ in range(2)} == {"btcusdt@bookTicker", "ethusdt@bookTicker"}
        await ws.send_json({"method": "UNSUBSCRIBE", "params": ["ethusdt@bookTicker"], "id": 2})
        assert await said(ws) == {"result": None, "id": 2}
        await ws.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 3})
        assert await said(ws) == {"result": ["btcusdt@bookTicker"], "id": 3}
        await ws.send_json({"method": "SING", "id": 4})
        assert (await said(ws))["error"]["code"] == 2


async def test_who_sends_more_than_ten_messages_a_second_is_cut_off() -> None:
    async with desk() as at, socket(at, "/public/ws") as ws:
        for number in range(11):
            await ws.send_json({"method": "LIST_SUBSCRIPTIONS", "id": number})
        async with asyncio.timeout(SECONDS):
            assert [message.type async for message in ws] == [aiohttp.WSMsgType.TEXT] * 10
        assert ws.close_code == 1008


async def test_an_account_stream_needs_a_listen_key_and_is_told_when_it_ends() -> None:
    async with desk() as at:
        assert await at.code("fapiPrivatePutListenKey") == -1125
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await at.http.ws_connect("wss://fstream.binance.com/private/ws?listenKey=guessed")
        key = (await at.client.fapiPrivatePostListenKey())["listenKey"]
        assert (await at.client.fapiPrivatePostListenKey())["listenKey"] == key
        assert await at.code("fapiPrivatePutListenKey") == 0
        for path in (f"/private/ws?listenKey={key}", f"/private/ws/{key}", f"/ws/{key}"):
            async with socket(at, path) as ws:
                await at.until(lambda: at.front.faults.open_streams)
                at.core.transfer(Decimal(5))
                assert (await said(ws))["a"]["m"] == "DEPOSIT"
            await at.until(lambda: not at.front.faults.open_streams)
        async with socket(at, f"/private/ws/{key}") as ws:
            await at.until(lambda: at.front.faults.open_streams)
            await at.client.fapiPrivateDeleteListenKey()
            assert (await said(ws))["e"] == "listenKeyExpired"


async def test_a_listen_key_ends_after_an_hour_unless_it_is_kept() -> None:
    at_ms = [1_800_000_000_000]
    async with desk(now=lambda: at_ms[0]) as at:
        at.front.streams.mark_seconds = 0.02
        key = (await at.client.fapiPrivatePostListenKey())["listenKey"]
        async with socket(at, f"/private/ws/{key}") as ws:
            at_ms[0] += 3_500_000
            assert await at.code("fapiPrivatePutListenKey") == 0
            at_ms[0] += 3_500_000
            at.core.transfer(Decimal(5))
            assert (await said(ws))["e"] == "ACCOUNT_UPDATE"
            at_ms[0] += 200_000
            assert (await said(ws))["e"] == "listenKeyExpired"
        assert await at.code("fapiPrivatePutListenKey") == -1125


async def test_a_dropped_stream_is_an_error_of_the_network_and_the_next_call_connects_again() -> None:
    async with desk() as at:
        await at.client.load_markets()
        async with asyncio.timeout(SECONDS):
            await at.client.watch_bids_asks([BTC])
            waiting = asyncio.ensure_future(at.client.watch_bids_asks([BTC]))
            await asyncio.sleep(0)
            assert await at.front.faults.drop_streams() == 1
            with pytest.raises(ccxt.pro.NetworkError):
                await waiting
            assert await at.client.watch_bids_asks([BTC])


async def test_a_silent_stream_says_nothing_and_a_doubled_one_everything_twice() -> None:
    async with desk() as at, socket(at, "/public/ws/btcusdt@bookTicker") as ws:
        await said(ws)
        at.front.faults.stream = "silent"
        at.core.move("BTCUSDT", Decimal(96_100))
        await asyncio.sleep(0.05)
        at.front.faults.stream = "doubled"
        at.core.move("BTCUSDT", Decimal(96_200))
        assert [(await said(ws))["b"] for _ in range(2)] == ["96199.9", "96199.9"]
