"""The emulated WEEX and its orders, driven by the real ccxt client over TLS on loopback, and by hand where ccxt would
not go."""

from decimal import Decimal
from typing import Any

import ccxt.pro as ccxt
import pytest

from tests.weex_stage import BTC, on_stage

# --- entries and their guards ---------------------------------------------------------------------------------------


async def test_an_entry_brings_its_stop_and_target_as_orders_of_their_own() -> None:
    async with on_stage() as stage:
        stop, target = {"triggerPrice": 90_000, "triggerPriceType": "mark"}, {"triggerPrice": 100_000}
        made = await stage.client.create_order(
            BTC,
            "market",
            "buy",
            0.01,
            None,
            {"clientOrderId": "gv-a-e0", "stopLoss": stop, "takeProfit": target},
        )
        guards = await stage.client.fetch_open_orders(BTC, params={"trigger": True})
        by_kind = {each["info"]["orderType"]: each["info"] for each in guards}
        assert set(by_kind) == {"STOP_MARKET", "TAKE_PROFIT_MARKET"}
        stopped = by_kind["STOP_MARKET"]
        assert (str(stopped["actualOrderId"]), stopped["quantity"]) == (made["id"], "0.01")
        assert (stopped["algoStatus"], stopped["reduceOnly"]) == ("UNTRIGGERED", True)
        assert str(stopped["algoId"]) != made["id"]
        assert len(stopped["clientAlgoId"]) == 36
        assert stopped["workingType"] == "MARK_PRICE"
        assert by_kind["TAKE_PROFIT_MARKET"]["workingType"] == "CONTRACT_PRICE"


async def test_attached_guards_appear_a_moment_after_the_fill() -> None:
    async with on_stage(attach_delay_ms=500) as stage:
        await stage.order(slTriggerPrice="90000")
        assert await stage.ask("GET", "openAlgoOrders") == []
        stage.clock.ahead += 501
        assert len(await stage.ask("GET", "openAlgoOrders")) == 1


@pytest.mark.parametrize("cancels", [False, True])
async def test_what_becomes_of_guards_when_the_position_is_gone_can_be_either(cancels: bool) -> None:
    async with on_stage(cancels_guards_on_flat=cancels) as stage:
        await stage.order(slTriggerPrice="90000", tpTriggerPrice="99000")
        await stage.order("gv-a-c0", side="SELL")
        assert await stage.ask("GET", "account/position/allPosition") == []
        assert len(await stage.ask("GET", "openAlgoOrders")) == (0 if cancels else 2)


async def test_a_stop_that_fires_closes_the_position_under_a_new_order_id() -> None:
    async with on_stage() as stage:
        await stage.order(slTriggerPrice="95000", SlWorkingType="MARK_PRICE")
        (guard,) = await stage.ask("GET", "openAlgoOrders")
        stage.core.move("BTCUSDT", Decimal("94000"))
        assert await stage.ask("GET", "account/position/allPosition") == []
        told = await stage.ask("GET", "allAlgoOrders", symbol="BTCUSDT")
        (fired,) = told["orders"]
        assert (fired["algoId"], fired["algoStatus"], told["hasMore"]) == (guard["algoId"], "TRIGGERED", False)
        assert fired["actualOrderId"] not in (guard["algoId"], guard["actualOrderId"])
        sold = await stage.ask("GET", "userTrades", orderId=fired["actualOrderId"])
        assert [(each["side"], each["positionSide"], each["qty"]) for each in sold] == [("SELL", "LONG", "0.01")]
        assert Decimal(sold[0]["realizedPnl"]) < 0


async def test_a_stop_on_the_last_price_does_not_fire_when_the_mark_alone_passes_it() -> None:
    async with on_stage() as stage:
        await stage.order(slTriggerPrice="95000")
        stage.core.move_mark("BTCUSDT", Decimal("94000"))
        assert len(await stage.ask("GET", "account/position/allPosition")) == 1


async def test_guards_of_a_limit_entry_come_with_its_fill_and_watch_the_price_it_named() -> None:
    async with on_stage() as stage:
        await stage.order(type="LIMIT", price="95500", slTriggerPrice="90000", SlWorkingType="MARK_PRICE")
        await stage.order("gv-b-e0", symbol="ETHUSDT", quantity="0.1", slTriggerPrice="3000")
        assert len(await stage.ask("GET", "openAlgoOrders", symbol="BTCUSDT")) == 0
        stage.core.move("BTCUSDT", Decimal("95400"))
        (guard,) = await stage.ask("GET", "openAlgoOrders", symbol="BTCUSDT")
        assert (guard["workingType"], guard["quantity"]) == ("MARK_PRICE", "0.01")


async def test_a_market_order_that_finds_too_little_ends_partly_filled_and_guards_what_it_has() -> None:
    async with on_stage() as stage:
        stage.core.liquidity, stage.core.levels = Decimal("0.004"), 2
        made = await stage.order(slTriggerPrice="90000")
        told = await stage.ask("GET", "order", orderId=made["orderId"])
        assert (told["status"], told["origQty"], told["executedQty"]) == ("EXPIRED", "0.01", "0.008")
        assert len(await stage.ask("GET", "userTrades", orderId=made["orderId"])) == 2
        (guard,) = await stage.ask("GET", "openAlgoOrders")
        assert guard["quantity"] == "0.008"


async def test_fills_can_be_shown_late_while_the_position_is_there() -> None:
    async with on_stage() as stage:
        stage.core.late_fills_ms = 2000
        await stage.order()
        assert await stage.ask("GET", "userTrades") == []
        assert len(await stage.ask("GET", "account/position/allPosition")) == 1
        stage.clock.ahead += 2001
        assert len(await stage.ask("GET", "userTrades")) == 1


async def test_a_guard_moves_in_place_under_the_same_id() -> None:
    async with on_stage() as stage:
        await stage.order(slTriggerPrice="90000")
        (before,) = await stage.ask("GET", "openAlgoOrders")
        moved = await stage.ask("POST", "modifyTpSlOrder", orderId=before["algoId"], triggerPrice="93000")
        assert moved == {"success": True}
        (after,) = await stage.ask("GET", "openAlgoOrders")
        assert (after["algoId"], after["triggerPrice"]) == (before["algoId"], "93000.0")
        gone = await stage.ask("POST", "modifyTpSlOrder", orderId="1", triggerPrice="93000")
        assert (stage.status, gone["code"]) == (400, -3200)


async def test_a_guard_without_a_quantity_is_for_the_whole_position() -> None:
    async with on_stage() as stage:
        await stage.order()
        wanted = {"symbol": "BTCUSDT", "planType": "STOP_LOSS", "positionSide": "LONG", "triggerPrice": "95000"}
        (made,) = await stage.ask("POST", "placeTpSlOrder", **wanted, executePrice="0")
        assert made["success"] is True
        (guard,) = await stage.ask("GET", "openAlgoOrders")
        assert (guard["algoId"], guard["closePosition"]) == (made["orderId"] and int(made["orderId"]), True)
        await stage.order("gv-b-e0", quantity="0.02")
        stage.core.move("BTCUSDT", Decimal("94000"))
        assert not stage.core.positions
        stage.weex.whole_position_guards = False
        assert (await stage.ask("POST", "placeTpSlOrder", **wanted))["code"] == -1141


# --- both sides -----------------------------------------------------------------------------------------------------


async def test_trap_3_a_sell_without_reduce_only_opens_a_short_beside_the_long() -> None:
    async with on_stage() as stage:
        await stage.client.create_order(BTC, "market", "buy", 0.01, None, {"clientOrderId": "gv-a-e0"})
        await stage.client.create_order(BTC, "market", "sell", 0.01, None, {"clientOrderId": "gv-a-c0"})
        held = await stage.client.fetch_positions()
        assert sorted(each["side"] for each in held) == ["long", "short"]
        await stage.client.create_order(
            BTC, "market", "sell", 0.01, None, {"clientOrderId": "gv-a-c1", "reduceOnly": True}
        )
        assert [each["side"] for each in await stage.client.fetch_positions()] == ["short"]


async def test_quantities_are_base_coin_and_steps_may_be_a_hundred() -> None:
    async with on_stage() as stage:
        told = await stage.order(symbol="DOGEUSDT", quantity="150")
        assert (stage.status, told["code"]) == (400, -1160)
        await stage.order(symbol="DOGEUSDT", quantity="300")
        (held,) = await stage.ask("GET", "account/position/allPosition")
        assert (held["size"], held["openValue"]) == ("300", "114.003")
        listed = await stage.ask("GET", "market/exchangeInfo")
        doge = next(each for each in listed["symbols"] if each["symbol"] == "DOGEUSDT")
        assert (doge["quantityPrecision"], doge["contractVal"], doge["sellLimitPriceRatio"]) == ("-2", "100", "0.05")


# --- looking up and cancelling --------------------------------------------------------------------------------------


async def test_an_order_is_looked_up_by_the_exchange_s_id_and_never_by_ours() -> None:
    async with on_stage() as stage:
        made = await stage.order()
        found = await stage.client.fetch_order(made["orderId"], BTC)
        assert (found["status"], found["filled"], found["clientOrderId"]) == ("closed", 0.01, "gv-a-e0")
        assert (await stage.ask("GET", "order", origClientOrderId="gv-a-e0"))["code"] == -1140
        assert (await stage.ask("GET", "order", orderId="1"))["code"] == -3200


async def test_cancelling_plain_orders_leaves_the_conditional_ones() -> None:
    async with on_stage() as stage:
        await stage.order(slTriggerPrice="90000")
        await stage.order("gv-b-e0", type="LIMIT", price="95500")
        await stage.order("gv-c-e0", type="LIMIT", price="95400")
        assert len(await stage.client.fetch_open_orders(BTC)) == 2
        gone = await stage.ask("DELETE", "order", origClientOrderId="gv-b-e0")
        assert gone["success"] is True
        assert len(await stage.ask("DELETE", "allOpenOrders", symbol="BTCUSDT")) == 1
        (guard,) = await stage.ask("GET", "openAlgoOrders")
        assert (await stage.ask("DELETE", "order", orderId=guard["algoId"]))["success"] is False
        assert (await stage.ask("DELETE", "algoOrder", orderId=guard["algoId"]))["success"] is True
        assert await stage.ask("GET", "openAlgoOrders") == []


async def test_cancelling_what_is_gone_is_said_in_either_of_two_ways() -> None:
    async with on_stage() as stage:
        made = await stage.order()
        told = await stage.ask("DELETE", "order", orderId=made["orderId"])
        assert (stage.status, told["success"], told["errorMessage"]) == (200, False, "FAILED_ORDER_NOT_FOUND")
        stage.weex.gone_as_text = False
        assert (await stage.ask("DELETE", "order", orderId=made["orderId"]))["code"] == -3200


async def test_a_cancelled_order_can_be_shown_as_canceling_for_a_while() -> None:
    async with on_stage() as stage:
        stage.weex.canceling_ms = 3000
        made = await stage.order(type="LIMIT", price="95500")
        await stage.ask("DELETE", "order", orderId=made["orderId"])
        assert [each["status"] for each in await stage.ask("GET", "openOrders")] == ["CANCELING"]
        assert await stage.ask("GET", "order/history") == []
        stage.clock.ahead += 3001
        assert await stage.ask("GET", "openOrders") == []
        assert [each["status"] for each in await stage.ask("GET", "order/history")] == ["CANCELED"]


async def test_history_holds_both_kinds_newest_first_in_pages() -> None:
    async with on_stage() as stage:
        await stage.order(slTriggerPrice="90000")
        await stage.ask("DELETE", "algoOpenOrders", symbol="BTCUSDT")
        await stage.order("gv-a-c0", side="SELL")
        rows = await stage.ask("GET", "order/history", symbol="BTCUSDT", limit=2)
        assert [(each["type"], each["status"]) for each in rows] == [("MARKET", "FILLED"), ("STOP_MARKET", "CANCELED")]
        (last,) = await stage.ask("GET", "order/history", symbol="BTCUSDT", limit=2, page=2)
        assert last["clientOrderId"] == "gv-a-e0"
        assert (await stage.ask("GET", "order/history", limit=1001))["code"] == -1140


async def test_fills_are_asked_for_by_the_week() -> None:
    async with on_stage() as stage:
        await stage.order()
        now, week = stage.clock(), 7 * 86_400_000
        assert len(await stage.ask("GET", "userTrades", startTime=now - week + 1000, endTime=now + 1000)) == 1
        assert (await stage.ask("GET", "userTrades", startTime=now - week - 1000, endTime=now + 1000))["code"] == -1170
        (seen,) = await stage.client.fetch_my_trades(BTC)
        assert (seen["side"], seen["amount"], seen["info"]["positionSide"]) == ("buy", 0.01, "LONG")


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"quantity": "0.00015"}, -1160),
        ({"quantity": "0.00001"}, -1142),
        ({"quantity": "101"}, -3007),
        ({"quantity": 0.01}, -1142),
        ({"type": "LIMIT", "price": "97000"}, -1140),
        ({"type": "LIMIT", "price": "95000.05"}, -1160),
        ({"newClientOrderId": ""}, -1141),
        ({"newClientOrderId": "x" * 37}, -1180),
        ({"newClientOrderId": "a b"}, -1180),
        ({"side": "buy"}, -1117),
        ({"positionSide": "BOTH"}, -1142),
        ({"type": "STOP"}, -1116),
        ({"type": "LIMIT", "price": "95000", "timeInForce": "DAY"}, -1115),
        ({"symbol": "NOUSDT"}, -1121),
        ({"slTriggerPrice": "97000"}, -1142),
        ({"side": "SELL", "slTriggerPrice": "90000"}, -1128),
    ],
)
async def test_an_order_that_breaks_a_rule_is_refused_with_its_code(changed: dict[str, Any], code: int) -> None:
    async with on_stage() as stage:
        told = await stage.order(**changed)
        assert (stage.status, told["code"]) == (400, code)
        assert not stage.core.orders


async def test_a_client_id_is_unique_among_open_orders_only() -> None:
    async with on_stage() as stage:
        await stage.order(type="LIMIT", price="95500")
        assert (await stage.order())["code"] == -1180
        await stage.ask("DELETE", "allOpenOrders")
        assert (await stage.order())["success"] is True
        assert (await stage.order())["success"] is True, "resending a filled market order doubles the position"
        assert stage.core.positions["BTCUSDT", "LONG"].quantity == Decimal("0.02")


async def test_money_that_is_not_there_is_a_no_under_http_200() -> None:
    async with on_stage(wallet=Decimal(10)) as stage:
        told = await stage.order(quantity="1")
        assert (stage.status, told["success"], told["errorCode"]) == (200, False, "-1054")
        assert "amount not enough" in told["errorMessage"]
        stage.weex.soft_rejects = False
        with pytest.raises(ccxt.InsufficientFunds):
            await stage.client.create_order(BTC, "market", "buy", 1, None, {"clientOrderId": "gv-a-e0"})


async def test_closing_what_is_not_open_is_refused() -> None:
    async with on_stage() as stage:
        told = await stage.order(side="SELL")
        assert (told["success"], stage.core.positions) == (False, {})


async def test_answers_come_as_an_object_or_as_a_list() -> None:
    async with on_stage() as stage:
        stage.weex.order_in_list, stage.weex.tpsl_in_list, stage.weex.singles = True, False, True
        (made,) = await stage.order()
        assert made["success"] is True
        wanted = {"symbol": "BTCUSDT", "planType": "TAKE_PROFIT", "positionSide": "LONG", "triggerPrice": "99000"}
        assert (await stage.ask("POST", "placeTpSlOrder", **wanted))["success"] is True
        assert (await stage.ask("GET", "market/premiumIndex", symbol="BTCUSDT"))["collectCycle"] == 480


async def test_batches_are_not_supported() -> None:
    async with on_stage() as stage:
        assert (await stage.ask("POST", "batchOrders", orders=[]))["code"] == -1150
        assert (await stage.ask("DELETE", "modifyTpSlOrder"))["code"] == -1150


async def test_an_empty_close_of_everything_is_written_down_as_a_violation() -> None:
    async with on_stage() as stage:
        await stage.order()
        await stage.order("gv-b-e0", symbol="ETHUSDT", quantity="0.1")
        (closed,) = await stage.ask("POST", "closePositions", symbol="ETHUSDT")
        assert (closed["success"], stage.weex.violations) == (True, [])
        await stage.ask("POST", "closePositions")
        assert (stage.core.positions, len(stage.weex.violations)) == ({}, 1)
