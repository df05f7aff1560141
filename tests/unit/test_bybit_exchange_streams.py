"""The emulated Bybit V5: its streams, watched by the real client."""

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import ccxt.pro
import pytest

from tests.fakes.bybit_exchange_desk import BTC, GUARDED, NATIVE, Desk, bybit_desk, within


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with bybit_desk() as desk:
        yield desk


# --- streams ----------------------------------------------------------------------------------------------------------


async def watching(desk: Desk, watch: Callable[[], Any], topic: str) -> "asyncio.Task[Any]":
    """A watch whose subscription has arrived."""
    await desk.client.load_markets()
    task = asyncio.ensure_future(watch())
    await within(desk.front.streams.until(topic))
    return task


async def test_orders_are_told_with_the_key_that_makes_them_contracts(desk: Desk) -> None:
    task = await watching(desk, lambda: desk.client.watch_orders(BTC), "order")
    await desk.create("gv-a-e1", orderType="Limit", price="95000")
    (order,) = await within(task)
    assert (order["symbol"], order["clientOrderId"], order["status"]) == (BTC, "gv-a-e1", "open")
    desk.core.move(NATIVE, Decimal(95000))
    (order,) = await within(desk.client.watch_orders(BTC))
    assert (order["status"], order["filled"], order["average"]) == ("closed", 0.01, 95000.0)


async def test_fills_and_positions_are_told(desk: Desk) -> None:
    trades = await watching(desk, lambda: desk.client.watch_my_trades(BTC), "execution")
    positions = await watching(desk, lambda: desk.client.watch_positions([BTC]), "position")
    await desk.create("gv-a-e1", **GUARDED)
    (trade,) = await within(trades)
    assert (trade["symbol"], trade["amount"], trade["price"]) == (BTC, 0.01, 96000.1)
    (position,) = await within(positions)
    assert (position["side"], position["contracts"], position["entryPrice"]) == ("long", 0.01, 96000.1)


async def test_a_level_that_fires_is_told_under_the_id_it_stood_with(desk: Desk) -> None:
    await desk.create("gv-a-e1", **GUARDED)
    stop = next(row for row in await desk.realtime() if row["stopOrderType"] == "StopLoss")
    task = await watching(desk, lambda: desk.client.watch_my_trades(BTC), "execution")
    desk.core.move(NATIVE, Decimal(94000))
    (trade,) = await within(task)
    assert (trade["order"], trade["info"]["stopOrderType"]) == (stop["orderId"], "StopLoss")


async def test_the_wallet_is_told(desk: Desk) -> None:
    task = await watching(desk, lambda: desk.client.watch_balance(), "wallet")
    desk.core.transfer(Decimal(5))
    assert (await within(task))["USDT"]["total"] == 10005.0


async def test_a_ticker_is_a_snapshot_and_then_deltas(desk: Desk) -> None:
    await desk.client.load_markets()
    first = await within(desk.client.watch_ticker(BTC))
    assert (first["bid"], first["ask"], first["markPrice"]) == (95999.9, 96000.1, 96000.0)
    task = asyncio.ensure_future(desk.client.watch_ticker(BTC))
    await asyncio.sleep(0)
    desk.core.move(NATIVE, Decimal(96050))
    ticker = await within(task)
    assert (ticker["bid"], ticker["markPrice"], ticker["info"]["fundingIntervalHour"]) == (96049.9, 96050.0, "8")


async def test_public_trades_are_told_with_the_side_of_the_taker(desk: Desk) -> None:
    task = await watching(desk, lambda: desk.client.watch_trades(BTC), f"publicTrade.{NATIVE}")
    desk.core.print_trade(NATIVE, Decimal(96000), Decimal("0.5"), buy=False)
    (trade,) = await within(task)
    assert (trade["side"], trade["amount"], trade["price"]) == ("sell", 0.5, 96000.0)


async def test_a_book_follows_its_deltas(desk: Desk) -> None:
    await desk.client.load_markets()
    await within(desk.client.watch_order_book(BTC, 50))
    task = asyncio.ensure_future(desk.client.watch_order_book(BTC, 50))
    await asyncio.sleep(0)
    desk.core.move(NATIVE, Decimal(96002))
    book = await within(task)
    bids, asks = desk.core.book(NATIVE, 50)
    assert [[float(price), float(size)] for price, size in bids] == [level[:2] for level in book["bids"]]
    assert [[float(price), float(size)] for price, size in asks] == [level[:2] for level in book["asks"]]


async def test_a_stream_with_a_wrong_secret_is_not_let_in(desk: Desk) -> None:
    client = desk.another(secret="another")
    await client.load_markets()
    with pytest.raises(ccxt.BaseError, match="error sign"):
        await within(client.watch_orders(BTC))
    assert "order" not in desk.front.streams.subscribed


async def raw(desk: Desk, path: str, *messages: Any) -> list[Any]:
    """Says these over a bare websocket and gives the answers, one for each."""
    session = desk.client.session
    async with session.ws_connect(f"wss://stream.bybit.com{path}", heartbeat=None) as stream:
        answers = []
        for message in messages:
            await stream.send_json(message)
            answers.append(await asyncio.wait_for(stream.receive_json(), 5))
        return answers


async def test_pings_are_answered_as_each_kind_of_stream_does(desk: Desk) -> None:
    await desk.client.private_get_v5_account_info()
    (public,) = await raw(desk, "/v5/public/linear", {"op": "ping", "req_id": "7"})
    assert (public["ret_msg"], public["op"], public["req_id"]) == ("pong", "ping", "7")
    (private,) = await raw(desk, "/v5/private", {"op": "ping", "req_id": "8"})
    assert (private["op"], private["req_id"]) == ("pong", "8")


async def test_private_topics_need_a_key_and_unknown_ones_are_refused(desk: Desk) -> None:
    await desk.client.private_get_v5_account_info()
    (private,) = await raw(desk, "/v5/private", {"op": "subscribe", "args": ["order"]})
    assert (private["success"], private["ret_msg"]) == (False, "Request not authorized")
    answers = await raw(
        desk,
        "/v5/public/linear",
        {"op": "subscribe", "args": ["tickers.NOPEUSDT"]},
        {"op": "subscribe", "args": ["publicTrade.BTCUSDT"]},
        {"op": "subscribe", "args": ["publicTrade.BTCUSDT"]},
        {"op": "unsubscribe", "args": ["publicTrade.BTCUSDT"]},
        {"op": "dance"},
    )
    assert [answer["success"] for answer in answers] == [False, True, False, True, False]


async def test_a_silent_stream_stays_open_and_a_dropped_one_is_an_error(desk: Desk) -> None:
    task = await watching(desk, lambda: desk.client.watch_orders(BTC), "order")
    desk.front.faults.stream = "silent"
    await desk.create("gv-a-e1", orderType="Limit", price="95000")
    await asyncio.sleep(0.1)
    assert not task.done()
    await desk.front.faults.drop_streams()
    with pytest.raises(ccxt.NetworkError):
        await within(task)
