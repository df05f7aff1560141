"""The traps of venues.md 1.3 that concern Binance USD-M, one test or more for each, named after it."""

from decimal import Decimal as D
from typing import Any

import pytest

from tests.binance_answers import (
    ANSWERS,
    BTC,
    STOP_ID,
    F,
    algo_row,
    held_row,
    market_row,
    order,
    profile,
)
from tests.recorded import Request, recorded, recorder
from trading.errors import UnknownOutcome
from trading.model import ClientId, Direction, Leg, Protection
from trading.venues.exchange.binance import DIALECT
from trading.venues.exchange.wire import Lane

GUARD = Protection(
    stop_id=ClientId(STOP_ID),
    stop=D(60000),
    target_id=ClientId("gv-aaaaaaaaaaaaaaaaaaaaaaaa-t0"),
    target=D(80000),
)


async def test_trap_1_stop_and_target_never_ride_on_a_binance_order() -> None:
    it, requests = profile(ANSWERS)
    assert not it.attaches
    with pytest.raises(ValueError, match="attaches nothing"):
        await it.place(order(), GUARD)
    assert not requests


async def test_trap_1_is_still_there_in_ccxt_itself() -> None:
    [theirs] = recorded("binanceusdm", "create market buy + attached SL/TP dicts")
    assert theirs.path == f"{F}/order"
    assert "triggerPrice" in theirs.params["stopLoss"]  # a dictionary as text: the exchange passes over it


async def test_trap_1_stop_and_target_go_to_the_service_for_conditional_orders() -> None:
    it, requests = profile(ANSWERS | {f"POST {F}/algoOrder": echoed})
    for leg, trigger, id in ((Leg.STOP, GUARD.stop, GUARD.stop_id), (Leg.TARGET, GUARD.target, GUARD.target_id)):
        await it.guard(BTC, Direction.LONG, D("0.012"), leg, trigger, id)
    assert [each.line for each in requests] == [f"POST {F}/algoOrder"] * 2
    for request, kind in zip(requests, ("STOP_MARKET", "TAKE_PROFIT_MARKET"), strict=True):
        assert (request.meant["type"], request.meant["side"]) == (kind, "SELL")
        assert (request.meant["closePosition"], request.meant["workingType"]) == ("true", "MARK_PRICE")
        assert (request.lane, request.orders) == (Lane.EXIT, 1)


def echoed(request: Request) -> dict[str, Any]:
    return algo_row(clientAlgoId=request.params["clientAlgoId"])


async def test_trap_5_the_ids_are_ours_and_ccxt_adds_none_of_its_own() -> None:
    it, requests = profile(ANSWERS | {f"POST {F}/algoOrder": echoed})
    await it.place(order(), None)
    await it.guard(BTC, Direction.LONG, D("0.012"), Leg.STOP, D(60000), STOP_ID)
    assert [each.params.get("newClientOrderId") for each in requests] == [order().client_id, None]
    assert [each.params.get("clientAlgoId") for each in requests] == [None, STOP_ID]
    assert not [value for each in requests for value in each.params.values() if value.startswith("x-")]


@pytest.mark.parametrize("answer", [None, {}, [], ""])
async def test_trap_5_an_empty_200_is_no_order_and_no_rejection(answer: Any) -> None:
    it, _ = profile({f"POST {F}/{path}": answer for path in ("order", "algoOrder", "leverage", "marginType")})
    writes = (
        lambda: it.place(order(), None),
        lambda: it.guard(BTC, Direction.LONG, D(1), Leg.STOP, D(60000), STOP_ID),
        lambda: it.set_leverage(BTC, 5),
        lambda: it.set_isolated(BTC, 5),
    )
    for write in writes:
        with pytest.raises(UnknownOutcome):
            await write()


async def test_trap_8_loading_markets_with_a_key_asks_no_other_host() -> None:
    caller, requests = recorder(DIALECT, {"/fapi/v1/exchangeInfo": {"symbols": [market_row()]}})
    await caller.exchange.load_markets()
    assert {(each.host, each.path) for each in requests} == {("fapi.binance.com", "/fapi/v1/exchangeInfo")}
    assert len(recorded("binanceusdm", "load_markets")) == 3  # what it asks without our options


async def test_trap_8_a_position_has_no_leverage_and_the_terms_have_it() -> None:
    config = [{"symbol": "BTCUSDT", "marginType": "ISOLATED", "leverage": 7}]
    it, requests = profile(
        {
            "GET /fapi/v3/positionRisk": [held_row()],
            f"GET {F}/symbolConfig": config,
            f"GET {F}/accountConfig": {"dualSidePosition": False},
        }
    )
    [held] = await it.positions()
    assert held.leverage is None
    assert (await it.terms(BTC)).leverage == 7
    assert f"{F}/leverageBracket" not in {each.path for each in requests}


async def test_trap_9_a_market_order_has_a_largest_size_of_its_own() -> None:
    it, _ = profile(ANSWERS | {f"GET {F}/exchangeInfo": {"symbols": [market_row()]}}, key=False)
    listing = (await it.listings(["BTC"], "USDT"))[BTC]
    assert (listing.max_market, listing.instrument.max_quantity) == (D(120), D(1000))


async def test_trap_11_what_is_left_of_a_lost_connection_is_not_taken_for_news() -> None:
    """Quotes are whole touches and marks and never differences to a book: the first message after a gap is right, and
    one that was overtaken is passed over."""
    it, _ = profile({}, key=False)
    before = {"e": "bookTicker", "s": "BTCUSDT", "b": "100", "a": "101", "T": 1_000_000, "E": 1_000_000}
    mark = {"e": "markPriceUpdate", "s": "BTCUSDT", "p": "100", "E": 1_000_500}
    after = before | {"b": "90", "a": "91", "T": 1_005_000, "E": 1_005_000}
    list(it.public_news(before))
    list(it.public_news(mark))
    [quote] = it.public_news(after)
    assert (quote.bid, quote.ask) == (D(90), D(91))  # type: ignore[union-attr]
    assert list(it.public_news(before)) == []
