"""The emulated Binance USD-M under the real client: orders, guards, and what faults leave of them."""

from decimal import Decimal
from typing import Any

import ccxt.pro
import pytest

from tests.fakes.binance_exchange_desk import BTC, desk

# --- orders ---


async def test_a_market_order_moves_the_account_to_the_last_digit() -> None:
    async with desk() as at:
        placed = await at.buy(newClientOrderId="gv-one-e0", newOrderRespType="RESULT")
        assert (placed["status"], placed["executedQty"], placed["clientOrderId"]) == ("FILLED", "0.01", "gv-one-e0")
        fill = at.core.fills[0]
        trades = await at.client.fapiPrivateGetUserTrades({"symbol": "BTCUSDT"})
        assert [(each["orderId"], Decimal(each["commission"])) for each in trades] == [(placed["orderId"], fill.fee)]
        held = await at.client.fapiPrivateV3GetPositionRisk()
        assert [(each["symbol"], Decimal(each["positionAmt"])) for each in held] == [("BTCUSDT", Decimal("0.01"))]
        assert "leverage" not in held[0]
        purse = await at.client.fapiPrivateV3GetBalance()
        assert Decimal(purse[0]["balance"]) == at.core.wallet == 10_000 - fill.fee
        incomes = await at.client.fapiPrivateGetIncome()
        assert [(each["incomeType"], Decimal(each["income"])) for each in incomes] == [("COMMISSION", -fill.fee)]


async def test_an_acknowledgement_tells_nothing_of_the_fill() -> None:
    async with desk() as at:
        placed = await at.buy()
        assert (placed["status"], placed["executedQty"]) == ("NEW", "0")
        seen = await at.client.fapiPrivateGetOrder({"symbol": "BTCUSDT", "orderId": placed["orderId"]})
        assert (seen["status"], Decimal(seen["cumQuote"])) == ("FILLED", at.core.fills[0].price / 100)


async def test_a_market_order_that_finds_too_little_ends_expired_with_a_part_filled() -> None:
    async with desk() as at:
        at.core.liquidity, at.core.levels = Decimal("0.004"), 2
        placed = await at.buy(newOrderRespType="RESULT")
        assert (placed["status"], placed["executedQty"]) == ("EXPIRED", "0.0080")
        assert len(await at.client.fapiPrivateGetUserTrades({"symbol": "BTCUSDT"})) == 2


async def test_an_order_is_created_found_and_cancelled_by_its_client_id() -> None:
    async with desk() as at:
        made = await at.client.create_order(BTC, "limit", "buy", 0.01, 95000, {"clientOrderId": "gv-two-e0"})
        assert made["status"] == "open"
        seen = await at.client.fetch_order(None, BTC, {"origClientOrderId": "gv-two-e0"})
        assert (seen["id"], seen["status"], seen["amount"]) == (made["id"], "open", 0.01)
        assert [each["id"] for each in await at.client.fetch_open_orders(BTC)] == [made["id"]]
        ended = await at.client.cancel_order(None, BTC, {"origClientOrderId": "gv-two-e0"})
        assert ended["status"] == "canceled"
        assert await at.code("fapiPrivateDeleteOrder", symbol="BTCUSDT", origClientOrderId="gv-two-e0") == -2011
        assert await at.code("fapiPrivateGetOrder", symbol="BTCUSDT", origClientOrderId="nobody") == -2013
        assert await at.client.fetch_open_orders(BTC) == []


async def test_an_id_is_refused_twice_only_while_its_order_is_open() -> None:
    async with desk() as at:
        limit = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.01", "timeInForce": "GTC"}
        limit |= {"price": "95000", "newClientOrderId": "gv-three-e0"}
        assert await at.code("fapiPrivatePostOrder", **limit) == 0
        assert await at.code("fapiPrivatePostOrder", **limit) == -4116
        at.core.move("BTCUSDT", Decimal(95_000))
        assert await at.code("fapiPrivatePostOrder", **limit) == 0, "that is how a resent order doubles a position"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"quantity": "0.00001"}, -1111),
        ({"quantity": "0"}, -4003),
        ({"quantity": "101"}, -4005),
        ({"quantity": "0.0x"}, -1100),
        ({"quantity": ""}, -1102),
        ({"symbol": "DOGEUSDT", "quantity": "150"}, -4023),
        ({"symbol": "DOGEUSDT", "quantity": "10"}, -4004),
        ({"symbol": "NONEUSDT"}, -1121),
        ({"side": "UP"}, -1117),
        ({"type": "SOON"}, -1116),
        ({"type": "STOP_MARKET", "stopPrice": "90000"}, -4120),
        ({"positionSide": "LONG"}, -4061),
        ({"reduceOnly": "true"}, -2022),
        ({"price": "96000"}, -1106),
        ({"timeInForce": "GTC"}, -1106),
        ({"newClientOrderId": "a b"}, -4015),
        ({"newClientOrderId": "x" * 37}, -4015),
        ({"quantity": "90"}, -2019),
        ({"symbol": "BNBUSDT", "quantity": "0.001"}, -1111),
        ({"quantity": "0.0001", "symbol": "ETHUSDT"}, -1111),
        ({"quantity": "0.001", "symbol": "ETHUSDT"}, -4164),
        ({"type": "LIMIT", "price": "95000"}, -1102),
        ({"type": "LIMIT", "price": "95000.05", "timeInForce": "GTC"}, -1111),
        ({"type": "LIMIT", "price": "150000", "timeInForce": "GTC"}, -4016),
        ({"type": "LIMIT", "price": "95000", "timeInForce": "NOW"}, -1115),
        ({"stopLoss": "{'triggerPrice': 90000}"}, -1104),
    ],
)
async def test_an_order_is_refused_with_the_documented_code(changes: dict[str, str], code: int) -> None:
    async with desk() as at:
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01", **changes}
        assert await at.code("fapiPrivatePostOrder", **order) == code
        assert at.core.fills == []


async def test_a_lenient_exchange_swallows_attached_guards_and_the_position_is_naked() -> None:
    async with desk(lenient=True) as at:
        guards = {"stopLoss": {"triggerPrice": 90000}, "takeProfit": {"triggerPrice": 99000}}
        made = await at.client.create_order(BTC, "market", "buy", 0.01, None, guards)
        assert made["status"] == "closed"
        assert at.core.working() == []
        assert len(at.core.positions) == 1


async def test_an_order_may_be_invisible_for_a_while_and_is_forgotten_in_the_end() -> None:
    at_ms = [1_800_000_000_000]
    async with desk(now=lambda: at_ms[0]) as at:
        at.client.milliseconds = lambda: at_ms[0]
        at.front.trading.read_lag_ms = 2_000
        made = await at.client.create_order(BTC, "limit", "buy", 0.01, 95000)
        looked = {"symbol": "BTCUSDT", "orderId": made["id"]}
        assert await at.code("fapiPrivateGetOrder", **looked) == -2013
        assert await at.client.fetch_open_orders(BTC) == []
        at_ms[0] += 2_000
        assert await at.code("fapiPrivateGetOrder", **looked) == 0
        assert len(await at.client.fetch_open_orders(BTC)) == 1
        assert await at.code("fapiPrivateDeleteAllOpenOrders", symbol="BTCUSDT") == 0
        at_ms[0] += 4 * 86_400_000
        assert await at.code("fapiPrivateGetOrder", **looked) == -2013


async def test_a_slim_answer_leaves_out_what_was_filled() -> None:
    async with desk() as at:
        at.front.trading.slim_answers = True
        placed = await at.buy(newOrderRespType="RESULT")
        assert placed["status"] == "FILLED"
        assert not {"avgPrice", "cumQty", "cumQuote"} & set(placed)


async def test_reducing_never_opens() -> None:
    async with desk() as at:
        await at.buy()
        sold = await at.buy("0.05", side="SELL", reduceOnly="true", newOrderRespType="RESULT")
        assert sold["executedQty"] == "0.01"
        assert at.core.positions == {}


# --- conditional orders ---


async def test_a_stop_that_fires_becomes_a_plain_order_and_the_target_is_taken_away() -> None:
    async with desk() as at:
        await at.buy()
        stop = await at.guard("STOP_MARKET", "95000", clientAlgoId="gv-four-s0")
        await at.guard("TAKE_PROFIT_MARKET", "98000", clientAlgoId="gv-four-t0")
        assert (stop["algoStatus"], stop["closePosition"], stop["quantity"]) == ("NEW", True, "0")
        assert await at.client.fapiPrivateGetOpenOrders({"symbol": "BTCUSDT"}) == [], "they stand apart"
        assert len(await at.client.fapiPrivateGetOpenAlgoOrders({"symbol": "BTCUSDT"})) == 2
        at.core.move("BTCUSDT", Decimal(94_500))
        fired = await at.client.fapiPrivateGetAlgoOrder({"clientAlgoId": "gv-four-s0"})
        assert (fired["algoStatus"], fired["workingType"]) == ("FINISHED", "MARK_PRICE")
        became = await at.client.fapiPrivateGetOrder({"symbol": "BTCUSDT", "orderId": fired["actualOrderId"]})
        assert (became["status"], became["side"], became["executedQty"]) == ("FILLED", "SELL", "0.01")
        other = await at.client.fapiPrivateGetAlgoOrder({"clientAlgoId": "gv-four-t0"})
        assert (other["algoStatus"], other["actualOrderId"]) == ("EXPIRED", "")
        assert at.core.positions == {}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"triggerPrice": "97000"}, -2021),
        ({"triggerPrice": "95000.05"}, -1111),
        ({"triggerPrice": ""}, -1102),
        ({"quantity": "0.01"}, -4137),
        ({"reduceOnly": "true"}, -1106),
        ({"clientAlgoId": "no spaces"}, -4015),
        ({"algoType": "TWAP"}, -1130),
        ({"workingType": "GUESS"}, -4031),
        ({"type": "MARKET"}, -1116),
        ({"positionSide": "SHORT"}, -4061),
        ({"side": "BUY", "triggerPrice": "97000"}, -4509),
        ({"newClientOrderId": "gv-x-s0"}, -1104),
    ],
)
async def test_a_guard_is_refused_with_the_documented_code(changes: dict[str, str], code: int) -> None:
    async with desk() as at:
        await at.buy()
        guard = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET"}
        guard |= {"triggerPrice": "95000", "closePosition": "true", "workingType": "MARK_PRICE", **changes}
        assert await at.code("fapiPrivatePostAlgoOrder", **guard) == code
        assert at.core.working() == []


async def test_only_one_stop_closes_a_position_and_none_where_nothing_is_open() -> None:
    async with desk() as at:
        stop = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET"}
        stop |= {"closePosition": "true", "workingType": "MARK_PRICE", "triggerPrice": "95000"}
        assert await at.code("fapiPrivatePostAlgoOrder", **stop) == -4509
        await at.buy()
        assert await at.code("fapiPrivatePostAlgoOrder", **stop) == 0
        assert await at.code("fapiPrivatePostAlgoOrder", **{**stop, "triggerPrice": "95500"}) == -4130
        by_quantity = {**stop, "triggerPrice": "95500", "quantity": "0.01", "reduceOnly": "true"}
        del by_quantity["closePosition"]
        assert await at.code("fapiPrivatePostAlgoOrder", **by_quantity) == 0
        assert await at.code("fapiPrivateDeleteAlgoOpenOrders", symbol="BTCUSDT") == 0
        assert at.core.working() == []


async def test_a_guard_by_quantity_stays_when_the_position_is_gone() -> None:
    async with desk() as at:
        await at.buy()
        await at.client.create_order(
            BTC,
            "market",
            "sell",
            0.01,
            None,
            {"stopLossPrice": 95000, "reduceOnly": True, "clientOrderId": "gv-five-s0"},
        )
        await at.buy(side="SELL", reduceOnly="true")
        left = await at.client.fetch_open_orders(BTC, params={"trigger": True})
        assert [each["clientOrderId"] for each in left] == ["gv-five-s0"]
        at.core.move("BTCUSDT", Decimal(94_000))
        ended = await at.client.fapiPrivateGetAlgoOrder({"clientAlgoId": "gv-five-s0"})
        assert ended["algoStatus"] == "EXPIRED"
        assert at.core.positions == {}


async def test_cancelling_a_guard_answers_with_its_ids_and_a_second_time_it_is_unknown() -> None:
    async with desk() as at:
        await at.buy()
        stop = await at.guard("STOP_MARKET", "95000", clientAlgoId="gv-six-s0.1")
        gone = await at.client.fapiPrivateDeleteAlgoOrder({"clientAlgoId": "gv-six-s0.1"})
        assert (gone["algoId"], gone["code"], gone["msg"]) == (stop["algoId"], "200", "success")
        assert await at.code("fapiPrivateDeleteAlgoOrder", clientAlgoId="gv-six-s0.1") == -2011
        assert await at.code("fapiPrivateGetAlgoOrder", clientAlgoId="nobody") == -2013


# --- faults ---


@pytest.mark.parametrize(
    ("kind", "carried_out", "error"),
    [
        ("drop after", True, ccxt.pro.NetworkError),
        ("drop before", False, ccxt.pro.NetworkError),
        ("503 unknown", True, ccxt.pro.OperationFailed),
        ("unknown code", False, ccxt.pro.RequestTimeout),
        ("429", False, ccxt.pro.DDoSProtection),
        ("418", False, ccxt.pro.DDoSProtection),
        ("clock", False, ccxt.pro.InvalidNonce),
        ("duplicate", False, ccxt.pro.InvalidOrder),
    ],
)
async def test_a_fault_leaves_what_it_says(kind: Any, carried_out: bool, error: type[Exception]) -> None:
    async with desk() as at:
        at.front.faults.add(kind, match="/fapi/v1/order", method="POST")
        with pytest.raises(error):
            await at.buy(newClientOrderId="gv-ten-e0")
        assert (
            await at.code("fapiPrivateGetOrder", symbol="BTCUSDT", origClientOrderId="gv-ten-e0") == 0
        ) is carried_out
        assert len(at.core.fills) == carried_out
