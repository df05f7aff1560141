"""The emulated Bybit V5: its market, its orders and the levels of a position, asked by the real client."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import ccxt.pro
import pytest

from tests.fakes.bybit_exchange_desk import BTC, GUARDED, NATIVE, Desk, bybit_desk, now_ms


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with bybit_desk() as desk:
        yield desk


# --- the market -----------------------------------------------------------------------------------------------------


async def test_the_client_loads_its_markets_and_their_rules(desk: Desk) -> None:
    markets = await desk.client.load_markets()
    assert set(markets) == {f"{spec.base}/USDT:USDT" for spec in desk.core.specs.values()}
    assert markets["DOGE/USDT:USDT"]["precision"]["amount"] == 100
    lot = markets[BTC]["info"]["lotSizeFilter"]
    assert (lot["maxOrderQty"], lot["maxMktOrderQty"]) == ("1200", "100")


async def test_padding_makes_the_list_long_and_paged_until_an_empty_cursor(desk: Desk) -> None:
    desk.front.market.padding = 642
    read = desk.client.public_get_v5_market_instruments_info
    first = (await read({"category": "linear"}))["result"]
    assert len(first["list"]) == 500
    second = (await read({"category": "linear", "cursor": first["nextPageCursor"]}))["result"]
    assert len(second["list"]) == 150
    assert second["nextPageCursor"] == ""


async def test_bars_come_newest_first_and_join_the_live_price(desk: Desk) -> None:
    desk.core.move(NATIVE, Decimal("96010"))
    rows = (await desk.client.public_get_v5_market_kline({"category": "linear", "symbol": NATIVE, "interval": "5"}))[
        "result"
    ]["list"]
    assert len(rows) == 200
    assert [int(row[0]) for row in rows] == sorted((int(row[0]) for row in rows), reverse=True)
    assert rows[0][4] == "96010"


async def test_ticker_book_trades_funding_and_risk_are_read_by_the_client(desk: Desk) -> None:
    await desk.client.load_markets()
    desk.core.move(NATIVE, Decimal("96010"))
    ticker = await desk.client.fetch_ticker(BTC)
    assert (ticker["bid"], ticker["ask"], ticker["markPrice"]) == (96009.9, 96010.1, 96010.0)
    book = await desk.client.fetch_order_book(BTC, 50)
    assert len(book["bids"]) == 50
    assert (await desk.client.fetch_trades(BTC))[-1]["price"] == 96010.0
    assert (await desk.client.fetch_funding_rate(BTC))["fundingRate"] == 0.0001
    assert len(await desk.client.fetch_funding_rate_history(BTC, limit=3)) == 3
    tiers = await desk.client.fetch_market_leverage_tiers(BTC)
    assert tiers[0]["maxLeverage"] == 400
    assert abs(await desk.client.fetch_time() - now_ms()) < 5000


# --- orders ---------------------------------------------------------------------------------------------------------


async def test_creating_is_only_acknowledged_and_the_order_is_found_by_its_link_id(desk: Desk) -> None:
    answer = await desk.create("gv-a-e1")
    assert set(answer["result"]) == {"orderId", "orderLinkId"}
    (row,) = await desk.realtime(orderLinkId="gv-a-e1")
    assert row["orderId"] == answer["result"]["orderId"]
    assert (row["orderStatus"], row["cumExecQty"], row["timeInForce"]) == ("Filled", "0.01", "IOC")
    assert await desk.realtime() == []
    assert [each["orderLinkId"] for each in await desk.realtime(openOnly=1)] == ["gv-a-e1"]


async def test_an_order_id_outranks_the_link_id(desk: Desk) -> None:
    await desk.create("gv-a-e1")
    assert await desk.realtime(orderId="None", orderLinkId="gv-a-e1") == []


async def test_a_limit_order_is_cancelled_by_its_link_id_and_stays_in_the_history(desk: Desk) -> None:
    await desk.create("gv-a-e1", orderType="Limit", price="95000", timeInForce="GTC")
    (row,) = await desk.realtime()
    assert (row["orderStatus"], row["leavesQty"], row["avgPrice"]) == ("New", "0.01", "")
    gone = {"category": "linear", "symbol": NATIVE, "orderLinkId": "gv-a-e1"}
    assert (await desk.client.private_post_v5_order_cancel(gone))["result"]["orderLinkId"] == "gv-a-e1"
    with pytest.raises(ccxt.OrderNotFound):
        await desk.client.private_post_v5_order_cancel(gone)
    rows = (await desk.client.private_get_v5_order_history(gone))["result"]["list"]
    assert [(row["orderStatus"], row["cancelType"]) for row in rows] == [("Cancelled", "CancelByUser")]


async def test_after_a_restart_what_has_closed_is_only_in_the_history(desk: Desk) -> None:
    await desk.create("gv-a-e1")
    desk.front.trade.restart()
    assert await desk.realtime(orderLinkId="gv-a-e1") == []
    query = {"category": "linear", "orderLinkId": "gv-a-e1"}
    assert len((await desk.client.private_get_v5_order_history(query))["result"]["list"]) == 1


async def test_a_link_id_is_never_taken_twice_even_after_its_order_has_ended(desk: Desk) -> None:
    await desk.create("gv-a-e1")
    with pytest.raises(ccxt.InvalidOrder, match="110072"):
        await desk.create("gv-a-e1")
    assert len(desk.core.fills) == 1


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"orderlinkid": "x"}, "10001"),
        ({"qty": "0.00005"}, "10001"),
        ({"qty": "0.01005"}, "10001"),
        ({"qty": "101"}, "10001"),
        ({"qty": 0.01}, "10001"),
        ({"qty": "90"}, "110007"),
        ({"symbol": "NOPEUSDT"}, "10001"),
        ({"orderType": "Limit", "price": "95000.05"}, "10001"),
        ({"orderType": "Limit", "price": "120000"}, "110003"),
        ({"reduceOnly": True}, "110017"),
        ({"positionIdx": 1}, "10001"),
        ({"stopLoss": "97000", "slTriggerBy": "MarkPrice"}, "10001"),
        ({"takeProfit": "95000"}, "10001"),
        ({"triggerPrice": "95000", "triggerDirection": 1}, "110092"),
        ({"triggerPrice": "97000", "triggerDirection": 2}, "110093"),
        ({"orderLinkId": "no spaces here"}, "10001"),
    ],
)
async def test_what_the_exchange_does_not_take_is_refused_with_its_code(
    desk: Desk, fields: dict[str, Any], code: str
) -> None:
    with pytest.raises(ccxt.BaseError, match=f'"retCode": {code}'):
        await desk.create("gv-a-e1", **fields)
    assert not desk.core.orders


async def test_under_the_least_value_an_order_is_refused(desk: Desk) -> None:
    desk.core.move(NATIVE, Decimal(40000))
    with pytest.raises(ccxt.InvalidOrder, match="110094"):
        await desk.create("gv-a-e1", qty="0.0001")


async def test_a_market_order_in_a_thin_market_ends_cancelled_with_what_it_got(desk: Desk) -> None:
    desk.core.liquidity = Decimal("0.001")
    desk.core.levels = 3
    await desk.create("gv-a-e1", qty="0.01")
    (row,) = await desk.realtime(orderLinkId="gv-a-e1")
    assert (row["orderStatus"], row["cumExecQty"], row["leavesQty"]) == ("Cancelled", "0.003", "0")
    assert row["rejectReason"] == "EC_NoImmediateQtyToFill"
    desk.front.book.partly = "PartiallyFilledCanceled"
    assert (await desk.realtime(orderLinkId="gv-a-e1"))[0]["orderStatus"] == "PartiallyFilledCanceled"


async def test_a_post_only_order_that_would_trade_ends_at_once_with_its_reason(desk: Desk) -> None:
    await desk.create("gv-a-e1", orderType="Limit", price="97000", timeInForce="PostOnly")
    (row,) = await desk.realtime(orderLinkId="gv-a-e1")
    assert (row["orderStatus"], row["rejectReason"]) == ("Cancelled", "EC_PostOnlyWillTakeLiquidity")
    assert (row["cancelType"], row["timeInForce"]) == ("UNKNOWN", "PostOnly")


async def test_where_nobody_sells_a_market_order_ends_without_a_fill(desk: Desk) -> None:
    desk.core.liquidity, desk.core.levels = Decimal(1), 0
    await desk.create("gv-a-e1")
    (row,) = await desk.realtime(orderLinkId="gv-a-e1")
    assert (row["orderStatus"], row["cumExecQty"], row["avgPrice"]) == ("Cancelled", "0", "")


async def test_an_acknowledged_order_may_show_a_little_later(desk: Desk) -> None:
    desk.front.trade.realtime_delay_ms = 60_000
    await desk.create("gv-a-e1")
    assert await desk.realtime(orderLinkId="gv-a-e1") == []
    desk.front.trade.realtime_delay_ms = 0
    assert len(await desk.realtime(orderLinkId="gv-a-e1")) == 1


# --- levels of the position -----------------------------------------------------------------------------------------


async def test_levels_that_ride_on_an_order_become_the_positions_and_show_as_conditional_orders(desk: Desk) -> None:
    await desk.create("gv-a-e1", tpslMode="Full", **GUARDED)
    position = await desk.position()
    assert (position["stopLoss"], position["takeProfit"], position["size"]) == ("95000", "99000", "0.01")
    rows = {row["stopOrderType"]: row for row in await desk.realtime(orderFilter="StopOrder")}
    assert set(rows) == {"StopLoss", "TakeProfit"}
    stop = rows["StopLoss"]
    assert (stop["orderLinkId"], stop["createType"], stop["tpslMode"]) == ("", "CreateByStopLoss", "Full")
    assert (stop["reduceOnly"], stop["closeOnTrigger"], stop["qty"]) == (True, True, "0.01")
    assert (stop["triggerBy"], stop["triggerDirection"], stop["side"]) == ("MarkPrice", 2, "Sell")


async def test_levels_wait_for_a_limit_order_to_fill(desk: Desk) -> None:
    await desk.create("gv-a-e1", orderType="Limit", price="95500", **GUARDED)
    assert await desk.realtime(orderFilter="StopOrder") == []
    desk.core.move(NATIVE, Decimal(95500))
    assert len(await desk.realtime(orderFilter="StopOrder")) == 2


async def test_a_resting_orders_target_may_lie_between_its_price_and_the_mark(desk: Desk) -> None:
    await desk.create("gv-a-e1", orderType="Limit", price="95000", takeProfit="95500", tpTriggerBy="MarkPrice")
    with pytest.raises(ccxt.BadRequest, match="should be greater than base_price:950000000"):
        await desk.create("gv-b-e1", orderType="Limit", price="95000", takeProfit="94000")
    desk.core.move(NATIVE, Decimal(95000))
    assert (await desk.position())["takeProfit"] == "95500"
    desk.core.move(NATIVE, Decimal(95600))
    assert (await desk.position())["size"] == "0"


async def test_levels_follow_the_size_of_the_position_and_a_later_order_moves_them(desk: Desk) -> None:
    await desk.create("gv-a-e1", **GUARDED)
    await desk.create("gv-b-e1", stopLoss="94000", slTriggerBy="MarkPrice")
    rows = {row["stopOrderType"]: row for row in await desk.realtime(orderFilter="StopOrder")}
    assert (rows["StopLoss"]["triggerPrice"], rows["StopLoss"]["qty"]) == ("94000", "0.02")
    assert rows["TakeProfit"]["qty"] == "0.02"


async def test_a_stop_level_fires_on_the_mark_and_takes_the_target_with_it(desk: Desk) -> None:
    await desk.create("gv-a-e1", **GUARDED)
    stop = next(row for row in await desk.realtime() if row["stopOrderType"] == "StopLoss")
    desk.core.move(NATIVE, Decimal(94000))
    assert await desk.realtime() == []
    assert (await desk.position())["size"] == "0"
    (row,) = await desk.realtime(orderId=stop["orderId"])
    assert (row["orderStatus"], row["cumExecQty"], row["avgPrice"]) == ("Filled", "0.01", "94999.9")
    query = {"category": "linear", "symbol": NATIVE}
    fill = (await desk.client.private_get_v5_execution_list(query))["result"]["list"][0]
    assert (fill["orderId"], fill["stopOrderType"], fill["createType"]) == (
        stop["orderId"],
        "StopLoss",
        "CreateByStopLoss",
    )
    assert (fill["execType"], fill["closedSize"], fill["orderLinkId"]) == ("Trade", "0.01", "")
    targets = await desk.realtime(openOnly=1, orderFilter="StopOrder")
    assert {row["cancelType"] for row in targets if row["stopOrderType"] == "TakeProfit"} == {"CancelByTpSlTsClear"}


async def test_a_level_that_waits_for_the_last_price_passes_over_the_mark(desk: Desk) -> None:
    await desk.create("gv-a-e1", stopLoss="95000")
    desk.core.move_mark(NATIVE, Decimal(94000))
    assert (await desk.position())["size"] == "0.01"
    desk.core.move(NATIVE, Decimal(94000))
    assert (await desk.position())["size"] == "0"


async def test_levels_are_set_moved_and_taken_away_through_the_position(desk: Desk) -> None:
    with pytest.raises(ccxt.BadRequest, match="zero position"):
        await desk.stop(stopLoss="95000", slTriggerBy="MarkPrice")
    await desk.create("gv-a-e1")
    await desk.stop(stopLoss="95000", slTriggerBy="MarkPrice")
    (before,) = await desk.realtime(orderFilter="StopOrder")
    await desk.stop(stopLoss="95500", slTriggerBy="MarkPrice")
    (after,) = await desk.realtime(orderFilter="StopOrder")
    assert (after["orderId"], after["triggerPrice"]) == (before["orderId"], "95500")
    with pytest.raises(ccxt.ExchangeError, match="34040"):
        await desk.stop(stopLoss="95500", slTriggerBy="MarkPrice")
    with pytest.raises(ccxt.BadRequest, match="should be lower than base_price"):
        await desk.stop(stopLoss="97000", slTriggerBy="MarkPrice")
    await desk.stop(stopLoss="0")
    assert await desk.realtime(orderFilter="StopOrder") == []
    with pytest.raises(ccxt.ExchangeError, match="34040"):
        await desk.stop(stopLoss="0")


async def test_a_wrong_level_leaves_the_other_one_of_the_same_request_where_it_was(desk: Desk) -> None:
    await desk.create("gv-a-e1", **GUARDED)
    with pytest.raises(ccxt.BadRequest):
        await desk.stop(stopLoss="94000", takeProfit="90000")
    assert (await desk.position())["stopLoss"] == "95000"


async def test_a_level_is_cancelled_by_the_id_of_its_order(desk: Desk) -> None:
    await desk.create("gv-a-e1", **GUARDED)
    target = next(row for row in await desk.realtime() if row["stopOrderType"] == "TakeProfit")
    await desk.client.private_post_v5_order_cancel(
        {"category": "linear", "symbol": NATIVE, "orderId": target["orderId"]}
    )
    position = await desk.position()
    assert (position["takeProfit"], position["stopLoss"]) == ("", "95000")


async def test_cancelling_all_without_a_filter_takes_the_levels_too(desk: Desk) -> None:
    await desk.create("gv-a-e1", **GUARDED)
    await desk.create("gv-b-e1", orderType="Limit", price="95500")
    body = {"category": "linear", "symbol": NATIVE}
    await desk.client.private_post_v5_order_cancel_all(body | {"orderFilter": "Order"})
    assert len(await desk.realtime()) == 2
    answer = await desk.client.private_post_v5_order_cancel_all(body)
    assert len(answer["result"]["list"]) == 2
    assert await desk.realtime() == []


async def test_a_conditional_order_of_its_own_keeps_its_id_when_it_fires(desk: Desk) -> None:
    await desk.create("gv-a-e1")
    body = {"triggerPrice": "95000", "triggerDirection": 2, "triggerBy": "MarkPrice", "reduceOnly": True}
    answer = await desk.create("gv-a-s1", "Sell", **body)
    (row,) = await desk.realtime()
    assert (row["orderStatus"], row["stopOrderType"], row["orderLinkId"]) == ("Untriggered", "Stop", "gv-a-s1")
    desk.core.move(NATIVE, Decimal(94000))
    (row,) = await desk.realtime(orderLinkId="gv-a-s1")
    assert (row["orderId"], row["orderStatus"]) == (answer["result"]["orderId"], "Filled")
    assert (await desk.position())["size"] == "0"


async def test_ten_conditional_orders_of_a_symbol_are_the_limit(desk: Desk) -> None:
    desk.front.limits.endpoints.clear()
    for number in range(10):
        await desk.create(f"gv-{number}", triggerPrice=f"{95000 - number}", triggerDirection=2)
    with pytest.raises(ccxt.InvalidOrder, match="110009"):
        await desk.create("gv-10", triggerPrice="94000", triggerDirection=2)


async def test_qty_zero_with_close_on_trigger_closes_all_of_the_position(desk: Desk) -> None:
    await desk.create("gv-a-e1", qty="0.02")
    await desk.create("gv-a-c1", "Sell", qty="0", reduceOnly=True, closeOnTrigger=True)
    assert (await desk.position())["size"] == "0"
