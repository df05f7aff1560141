"""What Binance USD-M's profile sends, and what it makes of the answers."""

from decimal import Decimal as D
from typing import Any

import pytest

from tests.binance_answers import (
    ANSWERS,
    AT,
    BTC,
    ID,
    STOP_ID,
    F,
    algo_row,
    held_row,
    order,
    plain_row,
    profile,
    standing,
)
from trading.errors import OrderRejected, RateLimited, UnknownOutcome
from trading.model import (
    Direction,
    Leg,
    OrderKind,
    OrderStatus,
    Side,
)
from trading.venues.exchange.wire import Code, Lane


async def test_a_market_order_is_sent_as_it_is_and_read_back_filled() -> None:
    it, requests = profile(ANSWERS)
    seen = await it.place(order(), None)
    assert (seen.id, seen.client_id, seen.status, seen.filled) == ("7371", ID, OrderStatus.FILLED, D("0.012"))
    assert (requests[0].lane, requests[0].cost, requests[0].orders) == (Lane.ENTRY, 0, 1)
    assert requests[0].meant == {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "MARKET",
        "quantity": "0.012",
        "newClientOrderId": ID,
        "newOrderRespType": "RESULT",
    }


async def test_a_limit_order_stays_until_it_is_cancelled() -> None:
    row = plain_row(type="LIMIT", origType="LIMIT", price="65000.10", status="NEW", executedQty="0", origQty="1200")
    it, requests = profile({f"POST {F}/order": row})
    seen = await it.place(order(kind=OrderKind.LIMIT, price=D("65000.10"), quantity=D("1.2E+3")), None)
    assert (seen.status, seen.price, seen.kind) == (OrderStatus.OPEN, D("65000.10"), OrderKind.LIMIT)
    assert {key: requests[0].meant[key] for key in ("price", "quantity", "timeInForce")} == {
        "price": "65000.1",
        "quantity": "1200",
        "timeInForce": "GTC",
    }


async def test_a_close_goes_on_the_lane_of_exits() -> None:
    it, requests = profile({f"POST {F}/order": plain_row(side="SELL", reduceOnly=True)})
    await it.place(order(side=Side.SELL, reduce_only=True), None)
    assert (requests[0].lane, requests[0].meant["reduceOnly"]) == (Lane.EXIT, "true")


async def test_a_bare_acknowledgement_is_an_open_order_as_it_was_asked_for() -> None:
    it, _ = profile({f"POST {F}/order": {"orderId": 7371, "clientOrderId": ID, "symbol": "BTCUSDT"}})
    seen = await it.place(order(), None)
    assert (seen.status, seen.filled, seen.quantity, seen.at) == (OrderStatus.OPEN, D(0), D("0.012"), AT)


UNREADABLE = [
    {},
    [],
    None,
    {"orderId": 1},
    {"orderId": 1, "clientOrderId": "another"},
    {"clientOrderId": ID},
    {"orderId": 1, "clientOrderId": ID, "status": "ODD"},
    {"orderId": 1, "clientOrderId": ID, "origQty": "5"},
    {"orderId": 1, "clientOrderId": ID, "executedQty": "a lot"},
]


@pytest.mark.parametrize("answer", UNREADABLE)
async def test_an_answer_to_an_order_that_cannot_be_read_leaves_it_open(answer: Any) -> None:
    it, requests = profile({f"POST {F}/order": answer})
    with pytest.raises(UnknownOutcome):
        await it.place(order(), None)
    assert len(requests) == 1


@pytest.mark.parametrize("answer", [{}, [], None, {"algoId": 1, "clientAlgoId": "another"}, {"clientAlgoId": STOP_ID}])
async def test_an_answer_to_a_guard_that_cannot_be_read_leaves_it_open(answer: Any) -> None:
    it, _ = profile({f"POST {F}/algoOrder": answer})
    with pytest.raises(UnknownOutcome):
        await it.guard(BTC, Direction.LONG, D(1), Leg.STOP, D(60000), STOP_ID)


@pytest.mark.parametrize("answer", [{}, [], {"algoId": 1}, {"code": "200"}])
async def test_an_answer_to_a_cancel_that_cannot_be_read_leaves_it_open(answer: Any) -> None:
    it, _ = profile({f"DELETE {F}/algoOrder": answer})
    with pytest.raises(UnknownOutcome):
        await it.cancel(standing())


async def test_terms_that_come_back_otherwise_are_not_taken_for_done() -> None:
    it, _ = profile(
        {f"POST {F}/leverage": {"leverage": 20, "symbol": "BTCUSDT"}, f"POST {F}/marginType": {"code": 201}}
    )
    with pytest.raises(UnknownOutcome):
        await it.set_leverage(BTC, 5)
    with pytest.raises(UnknownOutcome):
        await it.set_isolated(BTC, 5)


async def test_a_guard_by_the_position_is_followed_by_one_by_quantity_and_only_then_cancelled() -> None:
    it, requests = profile(
        {
            "GET /fapi/v3/positionRisk": [held_row("-0.012")],
            f"POST {F}/algoOrder": algo_row(clientAlgoId=STOP_ID + ".1"),
            f"DELETE {F}/algoOrder": {"algoId": 2146760, "code": "200", "msg": "success"},
        }
    )
    await it.move(BTC, Direction.SHORT, Leg.STOP, standing(), D("71000.10"))
    assert [each.method for each in requests] == ["GET", "POST", "DELETE"]
    assert {each.lane for each in requests} == {Lane.EXIT}
    new = requests[1].meant
    assert {key: new[key] for key in ("clientAlgoId", "quantity", "reduceOnly", "triggerPrice", "side")} == {
        "clientAlgoId": STOP_ID + ".1",
        "quantity": "0.012",
        "reduceOnly": "true",
        "triggerPrice": "71000.1",
        "side": "BUY",
    }
    assert "closePosition" not in new
    assert requests[2].meant == {"algoId": "2146760"}


async def test_a_guard_by_quantity_is_followed_by_one_by_the_position() -> None:
    it, requests = profile(
        {
            f"POST {F}/algoOrder": algo_row(clientAlgoId=STOP_ID + ".8"),
            f"DELETE {F}/algoOrder": {"algoId": 2146760, "code": "200", "msg": "success"},
        }
    )
    await it.move(BTC, Direction.LONG, Leg.TARGET, standing(quantity=D(1), client_id=STOP_ID + ".7"), D(80000))
    assert [each.method for each in requests] == ["POST", "DELETE"]
    assert requests[0].meant["closePosition"] == "true"
    assert requests[0].meant["type"] == "TAKE_PROFIT_MARKET"
    assert not {"quantity", "reduceOnly"} & requests[0].meant.keys()
    assert requests[0].meant["clientAlgoId"] == STOP_ID + ".8"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (UnknownOutcome("no answer"), UnknownOutcome),
        ({}, UnknownOutcome),
        (RateLimited("slower", retry_after=1), RateLimited),
        (OrderRejected("would fire at once", code=Code.TRIGGERS), OrderRejected),
        (OrderRejected("one stands", code=Code.EXISTS), UnknownOutcome),
        (OrderRejected("known", code=Code.DUPLICATE), UnknownOutcome),
    ],
)
async def test_the_old_guard_stays_where_it_is_unless_the_new_one_certainly_stands(answer: Any, error: Any) -> None:
    it, requests = profile({"GET /fapi/v3/positionRisk": [held_row()], f"POST {F}/algoOrder": answer})
    with pytest.raises(error):
        await it.move(BTC, Direction.LONG, Leg.STOP, standing(), D(61000))
    assert "DELETE" not in [each.method for each in requests]


@pytest.mark.parametrize(
    "answer",
    [
        UnknownOutcome("no answer"),
        RateLimited("slower", retry_after=1),
        OrderRejected("no", code=Code.AUTH),
        {"algoId": "another"},
    ],
)
async def test_an_old_guard_that_may_still_stand_is_not_passed_over(answer: Any) -> None:
    it, _ = profile(
        {
            "GET /fapi/v3/positionRisk": [held_row()],
            f"POST {F}/algoOrder": algo_row(clientAlgoId=STOP_ID + ".1"),
            f"DELETE {F}/algoOrder": answer,
        }
    )
    with pytest.raises(UnknownOutcome):
        await it.move(BTC, Direction.LONG, Leg.STOP, standing(), D(61000))


async def test_an_old_guard_that_is_gone_already_is_what_was_wanted() -> None:
    it, _ = profile(
        {
            "GET /fapi/v3/positionRisk": [held_row()],
            f"POST {F}/algoOrder": algo_row(clientAlgoId=STOP_ID + ".1"),
            f"DELETE {F}/algoOrder": OrderRejected("Unknown order sent.", code=Code.GONE),
        }
    )
    await it.move(BTC, Direction.LONG, Leg.STOP, standing(), D(61000))


async def test_there_is_nothing_to_guard_without_a_position() -> None:
    it, requests = profile({"GET /fapi/v3/positionRisk": [held_row("0")]})
    with pytest.raises(OrderRejected) as no:
        await it.move(BTC, Direction.LONG, Leg.STOP, standing(), D(61000))
    assert no.value.code == Code.GONE
    assert len(requests) == 1
