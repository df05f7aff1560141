"""The emulated WEEX: its streams, what goes wrong on the wire, and its rows beside recorded ones."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import aiohttp
import ccxt.pro as ccxt
import pytest
from yarl import URL

from tests.weex_stage import BTC, DOGE, GIVEN_UP, on_stage, samples, soon, within

# --- streams --------------------------------------------------------------------------------------------------------


async def test_orders_are_pushed_to_the_account_s_stream() -> None:
    async with on_stage() as stage:
        watching = asyncio.create_task(stage.client.watch_orders(BTC))
        await soon(lambda: any("orders" in socket.channels for socket in stage.weex.streams.sockets))
        await stage.order(type="LIMIT", price="95500")
        (seen,) = await within(watching)
        assert (seen["clientOrderId"], seen["info"]["status"], seen["info"]["positionSide"]) == (
            "gv-a-e0",
            "PENDING",
            "LONG",
        )


async def test_fills_positions_and_money_are_pushed_with_a_version() -> None:
    async with on_stage() as stage:
        heard = _tap(stage.client)
        rest = asyncio.create_task(stage.client.watch_orders(DOGE))
        fills = asyncio.create_task(stage.client.watch_my_trades(BTC))
        await soon(lambda: any(set(each.channels) >= {"orders", "fill"} for each in stage.weex.streams.sockets))
        await stage.order(slTriggerPrice="90000")
        (fill,) = await within(fills)
        assert (fill["amount"], fill["info"]["positionSide"]) == (0.01, "LONG")
        await soon(lambda: sum(each.get("e") == "orders" for each in heard) >= 3)
        versions = [each["v"] for each in heard if "v" in each]
        assert versions == sorted(set(versions))
        rest.cancel()


async def test_a_book_is_a_snapshot_and_then_what_has_changed() -> None:
    async with on_stage() as stage:
        first = await within(stage.client.watch_order_book(BTC))
        assert first["bids"][0][0] == 95999.9
        waiting = asyncio.create_task(stage.client.watch_order_book(BTC))
        await asyncio.sleep(0)
        stage.core.move("BTCUSDT", Decimal("96000.5"))
        book = await within(waiting)
        assert (book["bids"][0][0], book["asks"][0][0]) == (96000.4, 96000.6)
        assert (len(book["bids"]), len(book["asks"])) == (200, 200)


async def test_trades_and_candles_are_pushed() -> None:
    async with on_stage() as stage:
        waiting = asyncio.create_task(stage.client.watch_trades(BTC))
        candle = asyncio.create_task(stage.client.watch_ohlcv(BTC, "1m"))
        await soon(lambda: any(len(socket.channels) == 2 for socket in stage.weex.streams.sockets))
        stage.core.print_trade("BTCUSDT", Decimal("96000"), Decimal("0.5"), buy=False)
        (trade,) = await within(waiting)
        assert (trade["side"], trade["amount"]) == ("sell", 0.5)
        assert (await within(candle))[-1][4] == 96_000


async def test_a_channel_that_does_not_exist_is_refused() -> None:
    async with on_stage() as stage, stage.http.ws_connect("wss://ws-contract.weex.com/v3/ws/public") as public:
        for channel, told in (("NOUSDT@trade", "invalid symbol"), ("BTCUSDT@bookTicker", "invalid channel")):
            await public.send_json({"id": "7", "method": "SUBSCRIBE", "params": [channel]})
            answer = await within(public.receive_json())
            assert (answer["result"], answer["id"], told in answer["msg"]) == (False, 7, True)


async def test_what_is_given_up_is_pushed_no_more() -> None:
    async with on_stage() as stage, stage.http.ws_connect("wss://ws-contract.weex.com/v3/ws/public") as public:
        for method in ("SUBSCRIBE", "UNSUBSCRIBE"):
            await public.send_json({"id": "1", "method": method, "params": ["BTCUSDT@trade"]})
            assert (await within(public.receive_json()))["result"] is True
        stage.core.print_trade("BTCUSDT", Decimal("96000"), Decimal(1), buy=True)
        (socket,) = stage.weex.streams.sockets
        assert socket.queue.empty()
        await stage.weex.streams.ping()
        assert (await within(public.receive_json()))["event"] == "ping"


async def test_a_stream_without_a_user_agent_is_refused() -> None:
    async with on_stage() as stage:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await stage.http.ws_connect("wss://ws-contract.weex.com/v3/ws/public", headers={"User-Agent": ""})
        assert refusal.value.status == 403


async def test_the_account_s_stream_wants_a_signed_handshake() -> None:
    async with on_stage() as stage:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await stage.http.ws_connect("wss://ws-contract.weex.com/v3/ws/private")
        assert refusal.value.status == 401


async def test_a_ping_is_answered_and_silence_ends_the_stream() -> None:
    async with on_stage() as stage:
        await within(stage.client.watch_ticker(BTC))
        await stage.weex.streams.ping()
        await soon(lambda: stage.weex.streams.pongs == 1)
        async with stage.http.ws_connect("wss://ws-contract.weex.com/v3/ws/public") as mute:
            await soon(lambda: len(stage.weex.streams.sockets) == 2)
            for _ in range(6):
                await stage.weex.streams.ping()
            assert not mute.closed
            await stage.weex.streams.ping()
            async with asyncio.timeout(GIVEN_UP):
                kinds = [message.type async for message in mute]
            assert (len(kinds), mute.closed) == (6, True)


@pytest.mark.parametrize(
    ("how", "seen"),
    [("", [1, 2, 3]), ("doubled", [1, 1, 2, 2, 3, 3]), ("reordered", [2, 1, 3]), ("late", [1, 2, 3]), ("silent", [])],
)
async def test_a_stream_can_be_faulty(how: Any, seen: list[int]) -> None:
    async with on_stage() as stage, stage.http.ws_connect("wss://ws-contract.weex.com/v3/ws/public") as public:
        await public.send_json({"id": "1", "method": "SUBSCRIBE", "params": ["BTCUSDT@trade"]})
        assert (await within(public.receive_json()))["result"] is True
        stage.weex.faults.stream = how
        for size in (1, 2, 3):
            stage.core.print_trade("BTCUSDT", Decimal("96000"), Decimal(size), buy=True)
        got = [int((await within(public.receive_json()))["d"][0]["q"]) for _ in seen]
        assert got == seen


async def test_a_dropped_stream_is_gone_for_the_exchange_too() -> None:
    async with on_stage() as stage:
        await within(stage.client.watch_ticker(BTC))
        waiting = asyncio.create_task(stage.client.watch_ticker(BTC))
        await asyncio.sleep(0)
        await stage.weex.faults.drop_streams()
        with pytest.raises(ccxt.NetworkError):
            await within(waiting)
        await soon(lambda: not stage.weex.streams.sockets)


# --- faults over REST -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "error", "placed"),
    [
        ("drop before", ccxt.ExchangeNotAvailable, 0),
        ("drop after", ccxt.ExchangeNotAvailable, 1),
        ("500 after", ccxt.ExchangeNotAvailable, 1),
        ("503 unknown", ccxt.ExchangeError, 1),
        ("clock", ccxt.BadRequest, 0),
        ("duplicate", ccxt.InvalidOrder, 0),
        ("unknown code", ccxt.ExchangeError, 0),
        ("mid body", ccxt.ExchangeError, 1),
    ],
)
async def test_faults_leave_the_order_placed_or_not(kind: Any, error: type[Exception], placed: int) -> None:
    async with on_stage() as stage:
        await stage.client.load_markets()
        stage.weex.faults.add(kind, "/capi/v3/order", "POST")
        with pytest.raises(error):
            await stage.client.create_order(BTC, "market", "buy", 0.01, None, {"clientOrderId": "gv-a-e0"})
        assert len(stage.core.orders) == placed


# --- shapes, against what the real one was seen to write ------------------------------------------------------------


async def test_rows_have_the_fields_of_the_recorded_ones() -> None:
    recorded = samples("upstream_ccxt_static/weex_response_subset.json")
    async with on_stage() as stage:
        made = await stage.order(slTriggerPrice="90000")
        await stage.order("gv-b-e0", type="LIMIT", price="95500")
        asked = {
            "fetchPositions": ("account/position/allPosition", {}),
            "fetchOrder": ("order", {"orderId": made["orderId"]}),
            "fetchCanceledAndClosedOrders": ("order/history", {}),
            "fetchMyTrades": ("userTrades", {}),
            "fetchBalance": ("account/balance", {}),
            "fetchFundingRate": ("market/premiumIndex", {"symbol": "BTCUSDT"}),
            "fetchFundingRateHistory": ("market/fundingRate", {"symbol": "BTCUSDT"}),
            "fetchOpenInterest": ("market/openInterest", {"symbol": "BTCUSDT"}),
            "fetchTrades": ("market/trades", {"symbol": "BTCUSDT"}),
            "fetchLeverage": ("account/symbolConfig", {"symbol": "BTCUSDT"}),
            "fetchTradingFee": ("account/commissionRate", {"symbol": "BTCUSDT"}),
        }
        for name, (path, params) in asked.items():
            told = await stage.ask("GET", path, **params)
            assert _fields(told) == _fields(recorded[name]["httpResponse"]), name
        resting, algo = (each["httpResponse"] for each in recorded["fetchOpenOrders"])
        assert _fields(await stage.ask("GET", "openOrders")) == _fields(resting)
        assert _fields(await stage.ask("GET", "openAlgoOrders")) == _fields(algo)


@pytest.mark.parametrize(
    "name",
    [
        "createOrderWithTakeProfitAndStopLoss",
        "createOrder_market",
        "createStopLossOrder",
        "setLeverage_cross",
        "setLeverage_isolated",
        "setPositionMode",
        "cancelAllOrders_trigger",
        "fetchFundingRate",
    ],
)
async def test_what_others_were_recorded_to_send_is_understood(name: str) -> None:
    recorded = samples("upstream_ccxt_static/weex_request_subset.json")[name]
    async with on_stage() as stage:
        stage.core.move("DOGEUSDT", Decimal("0.09175"))
        if name == "createStopLossOrder":
            await stage.order(symbol="DOGEUSDT", quantity="100")
        url, body = URL(recorded["url"]), json.loads(recorded["output"] or "{}")
        method = "POST" if body else "DELETE" if name.startswith("cancel") else "GET"
        told = await stage.ask(method, url.path.removeprefix("/capi/v3/"), **dict(url.query), **body)
        assert stage.status == 200
        assert "success" not in told or told["success"] is True


async def test_pushes_have_the_fields_of_the_recorded_ones() -> None:
    recorded = samples("source_samples/weex.json")
    wanted = {"orders": "ws:parse_ws_order", "fill": "ws:handle_my_trades", "positions": "ws:handle_positions"}
    async with on_stage() as stage, stage.listening() as private:
        await private.send_json({"id": "1", "method": "SUBSCRIBE", "params": list(wanted)})
        assert (await within(private.receive_json()))["result"] is True
        await stage.order()
        told: dict[str, Any] = {}
        while set(told) != set(wanted):
            push = await within(private.receive_json())
            told[push["e"]] = push["d"][0]
        for event, name in wanted.items():
            sample = recorded[name][-1]["json"]
            sample = sample["d"][0] if "d" in sample else sample
            assert set(told[event]) == set(sample), event


def _fields(told: Any) -> Any:
    return set(told[0] if isinstance(told, list) else told)


def _tap(client: Any) -> list[Any]:
    heard: list[Any] = []
    handle = client.handle_message

    def tapped(socket: Any, message: Any) -> Any:
        heard.append(message)
        return handle(socket, message)

    client.handle_message = tapped
    return heard
