"""WEEX: its requests beside those that ccxt was recorded to send, and its answers from ccxt's samples."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from tests.recorded import InTurn, RecordingCaller, compare, recorded, sample
from tests.weex_bench import (
    ACCEPTED,
    BTC,
    CLOSING,
    DOGE,
    ENTRY,
    ETH,
    GUARD,
    STOP,
    a_profile,
    algo_row,
    entry,
    fill_row,
    order_row,
    standing,
    static,
)
from trading.errors import BadSettings, OrderRejected, UnknownOutcome
from trading.market.series import from_ms
from trading.model import Direction, Leg, OrderKind, OrderStatus, Side
from trading.venues.exchange.parsing import Garbled, Row
from trading.venues.exchange.weex import DIALECT, WeexProfile
from trading.venues.exchange.wire import Code, Lane, Margin

MINUTE = timedelta(minutes=1)
OURS = "the id is the desk's"
MARKED = "guards trigger on the mark; the exchange's own choice is the last price"


def answered(name: str, at: int | None = None) -> Any:
    """What WEEX was seen to answer."""
    found = static("response_subset", name)
    return (found if at is None else found[at])["httpResponse"]


# --- requests -------------------------------------------------------------------------------------

Act = Callable[[WeexProfile], Any]


SAME: dict[str, tuple[str, Act, dict[str, str]]] = {
    "a market entry with stop and target": (
        "create market buy + attached SL/TP dicts",
        lambda profile: profile.place(entry(), GUARD),
        {"newClientOrderId": OURS, "SlWorkingType": MARKED, "TpWorkingType": MARKED},
    ),
    "a stop of its own": (
        "create standalone stopLossPrice (reduceOnly)",
        lambda profile: profile.guard(BTC, Direction.LONG, D("0.01"), Leg.STOP, D(60000), STOP),
        {"clientAlgoId": OURS, "SlWorkingType": MARKED},
    ),
    "a target of its own": (
        "create standalone takeProfitPrice (reduceOnly)",
        lambda profile: profile.guard(BTC, Direction.LONG, D("0.01"), Leg.TARGET, D(80000), "gv-x-t0"),
        {"clientAlgoId": OURS, "TpWorkingType": MARKED},
    ),
    "a close": (
        "close: market sell reduceOnly",
        lambda profile: profile.place(entry(**CLOSING), None),
        {"newClientOrderId": OURS},
    ),
    "a leverage": (
        "set_leverage(5)",
        lambda profile: profile.set_leverage(BTC, 5),
        dict.fromkeys(
            ("crossLeverage", "marginType", "isolatedLongLeverage", "isolatedShortLeverage"),
            "ccxt sets that of the cross margin where no mode is given",
        ),
    ),
    "isolated margin": (
        "set_margin_mode(isolated)",
        lambda profile: profile.set_isolated(BTC, 5),
        {"leverage": "no parameter of this endpoint", "separatedType": "both modes are set as they are wanted"},
    ),
    "one position a side": ("set_position_mode(one-way)", lambda profile: profile.set_one_way(BTC), {}),
    "a cancellation": ("cancel_order", lambda profile: profile.cancel(standing(conditional=False)), {}),
    "a cancellation of a guard": ("cancel_order trigger", lambda profile: profile.cancel(standing()), {}),
    "positions": ("fetch_positions", lambda profile: profile.positions(), {}),
    "money": ("fetch_balance", lambda profile: profile.purse(), {}),
    "an order by its id": (
        "fetch_order by id",
        lambda profile: profile.find_by_id(BTC, "7371"),
        {"acknowledged": "the recording's own parameter"},
    ),
    "the last candles": (
        "fetch_ohlcv",
        lambda profile: profile.candles(BTC, 5 * MINUTE, start=None, limit=2),
        {},
    ),
    "the book": ("fetch_order_book", lambda profile: profile.book(BTC, 200), {}),
    "funding": ("fetch_funding_rate", lambda profile: profile.funding_now(BTC), {}),
}
ANSWERS: dict[str, Any] = {
    "POST /capi/v3/order": ACCEPTED,
    "POST /capi/v3/algoOrder": ACCEPTED,
    "DELETE /capi/v3/order": ACCEPTED,
    "DELETE /capi/v3/algoOrder": ACCEPTED,
    "/capi/v3/modifyTpSlOrder": {"success": True},
    "/capi/v3/account/leverage": {"symbol": "BTCUSDT", "marginType": "ISOLATED", "isolatedLongLeverage": "5"},
    "/capi/v3/account/marginType": {"code": "200", "msg": "success", "requestTime": 1},
    "/capi/v3/account/position/allPosition": [],
    "/capi/v3/account/balance": [{"asset": "USDT", "balance": "20", "availableBalance": "20"}],
    "/capi/v3/market/klines": [],
    "/capi/v3/market/depth": {"asks": [["2", "1"]], "bids": [["1", "1"]]},
    "/capi/v3/market/premiumIndex": [
        {"symbol": "BTCUSDT", "lastFundingRate": "0.1", "nextFundingTime": 5, "collectCycle": 480, "time": 1}
    ],
    "GET /capi/v3/order": lambda request: {
        "orderId": 7371,
        "clientOrderId": ENTRY,
        "symbol": "BTCUSDT",
        "side": "BUY",
        "positionSide": "LONG",
        "origQty": "1",
        "executedQty": "1",
        "status": "FILLED",
        "type": "MARKET",
        "updateTime": 1,
        "price": "0",
    },
}


@pytest.mark.parametrize("what", SAME)
async def test_a_request_is_the_one_that_ccxt_was_recorded_to_send(what: str) -> None:
    call, act, differs = SAME[what]
    profile, caller = a_profile(ANSWERS)
    await act(profile)
    [ours] = caller.requests
    [theirs] = recorded("weex", call)
    compare(ours, theirs, differs=differs)
    signed = {name for name in ours.headers if name.startswith("ACCESS-")}
    assert signed == {name for name in theirs.headers if name.startswith("ACCESS-")}


LISTS = {"fetch_open_orders": "/capi/v3/openOrders", "fetch_open_orders trigger": "/capi/v3/openAlgoOrders"}


async def test_working_orders_are_read_as_ccxt_reads_them_but_for_the_size_of_a_page() -> None:
    profile, caller = a_profile({path: [] for path in LISTS.values()})
    assert await profile.working(BTC) == ()
    for ours, call in zip(caller.requests, LISTS, strict=True):
        [theirs] = recorded("weex", call)
        compare(ours, theirs, differs={"limit": "the most that a page holds"})


def as_sent(body: str) -> dict[str, str]:
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in json.loads(body).items()}


def doge(**changes: Any) -> Any:
    return entry(symbol=DOGE, quantity=D(100), **changes)


UPSTREAM: dict[str, tuple[Act, set[str]]] = {
    "createOrder_market": (lambda p: p.place(doge(), None), {"newClientOrderId"}),
    "createOrderWithTakeProfitAndStopLoss": (
        lambda p: p.place(doge(), replace(GUARD, stop=D("0.02"), target=D("0.20"))),
        {"newClientOrderId", "SlWorkingType", "TpWorkingType"},
    ),
    "createStopLossOrder": (
        lambda p: p.guard(DOGE, Direction.LONG, D(100), Leg.STOP, D("0.01"), STOP),
        {"clientAlgoId", "SlWorkingType", "reduceOnly"},
    ),
    "setLeverage_isolated": (lambda p: p.set_leverage(ETH, 8), set()),
    "setPositionMode": (lambda p: p.set_one_way(ETH), {"separatedType"}),  # theirs sets the other one
    "cancelOrder": (lambda p: p.cancel(standing(id="737191252214153576", conditional=False)), set()),
    "cancelOrder_trigger": (lambda p: p.cancel(standing(id="737188743538017640")), set()),
    "fetchOrder": (lambda p: p.find_by_id(DOGE, "737191855984214376"), set()),
}


@pytest.mark.parametrize("name", UPSTREAM)
async def test_a_request_is_the_one_of_ccxts_own_fixtures(name: str) -> None:
    act, differs = UPSTREAM[name]
    theirs = static("request_subset", name)
    profile, caller = a_profile({**ANSWERS, "/capi/v3/account/leverage": {"success": True}})
    await act(profile)
    [ours] = caller.requests
    url, _, query = theirs["url"].partition("?")
    assert f"https://{ours.host}{ours.path}" == url
    sent = as_sent(theirs["output"]) if theirs["output"] else dict(part.split("=") for part in query.split("&"))
    names = ours.params.keys() | sent.keys()
    assert {name for name in names if ours.params.get(name) != sent.get(name)} == differs


async def test_a_limit_entry_of_a_short_says_its_price_and_stays() -> None:
    profile, caller = a_profile(ANSWERS)
    seen = await profile.place(entry(side=Side.SELL, kind=OrderKind.LIMIT, price=D("70000.10")), None)
    [request] = caller.requests
    assert request.meant == {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "positionSide": "SHORT",
        "type": "LIMIT",
        "quantity": "0.0123",
        "price": "70000.1",
        "timeInForce": "GTC",
        "newClientOrderId": ENTRY,
    }
    assert (request.lane, request.orders) == (Lane.ENTRY, 1)
    assert (seen.id, seen.client_id, seen.status, seen.filled) == ("7371", ENTRY, OrderStatus.OPEN, D(0))


async def test_a_guard_is_moved_in_place_by_its_id_on_the_mark() -> None:
    profile, caller = a_profile(ANSWERS)
    await profile.move(BTC, Direction.LONG, Leg.STOP, standing(), D("61000.50"))
    [request] = caller.requests
    assert request.line == "POST /capi/v3/modifyTpSlOrder"
    assert request.meant == {"orderId": "7371", "triggerPrice": "61000.5", "triggerPriceType": "MARK_PRICE"}
    assert request.lane is Lane.EXIT


# --- answers to writes ----------------------------------------------------------------------------

NO: dict[str, tuple[Any, Code]] = {
    "margin": ({"success": False, "errorCode": "-1054", "errorMessage": "available amount not enough"}, Code.MARGIN),
    "a step": ({"success": False, "errorCode": "-1160", "errorMessage": "Decimal precision error."}, Code.STEP),
    "in a list": ([{"success": False, "errorCode": "-3007", "errorMessage": "Maximum"}], Code.SIZE),
    "as text": ({"success": "false", "errorCode": "x", "errorMessage": "y"}, Code.OTHER),
}


@pytest.mark.parametrize("what", NO)
async def test_success_false_is_a_refusal_whatever_http_says(what: str) -> None:
    answer, code = NO[what]
    profile, _ = a_profile({"/capi/v3/order": answer})
    with pytest.raises(OrderRejected) as refused:
        await profile.place(entry(), None)
    assert refused.value.code == code


async def test_a_system_error_may_have_been_carried_out() -> None:
    profile, _ = a_profile({"/capi/v3/order": {"success": False, "errorCode": "-1054", "errorMessage": "System error"}})
    with pytest.raises(UnknownOutcome):
        await profile.place(entry(), None)


NEITHER: tuple[Any, ...] = (
    {},
    {"code": "1"},
    [],
    [{}, {}],
    {"orderId": None},
    {"orderId": 0},
    {"clientOrderId": "gv-x"},
)


@pytest.mark.parametrize("answer", NEITHER, ids=str)
async def test_an_answer_that_says_neither_yes_nor_no_is_an_unknown_outcome(answer: Any) -> None:
    paths = ("order", "algoOrder", "modifyTpSlOrder", "account/leverage", "account/marginType")
    profile, _ = a_profile({f"/capi/v3/{path}": answer for path in paths})
    for write in (
        profile.place(entry(), GUARD),
        profile.guard(BTC, Direction.LONG, D(1), Leg.STOP, D(60000), STOP),
        profile.move(BTC, Direction.LONG, Leg.STOP, standing(), D(61000)),
        profile.cancel(standing()),
        profile.set_leverage(BTC, 5),
        profile.set_one_way(BTC),
    ):
        with pytest.raises(UnknownOutcome):
            await write


async def test_what_is_gone_cannot_be_cancelled_in_either_wording() -> None:
    for answer in (
        {"orderId": 121231, "status": "FAILED", "errorMsg": "FAILED_ORDER_NOT_FOUND"},
        {"orderId": "1", "success": False, "errorCode": "-3200", "errorMessage": "Order does not exist."},
    ):
        profile, _ = a_profile({"/capi/v3/algoOrder": answer})
        with pytest.raises(OrderRejected) as refused:
            await profile.cancel(standing())
        assert refused.value.code == Code.GONE


async def test_the_words_of_a_refusal_tell_more_than_a_general_number() -> None:
    general = OrderRejected("weex: INVALID_ARGUMENT: duplicate client_oid. (-1180), HTTP 400", code=Code.OTHER)
    profile, _ = a_profile({"/capi/v3/order": general})
    with pytest.raises(OrderRejected) as refused:
        await profile.place(entry(), None)
    assert refused.value.code == Code.DUPLICATE


async def test_an_order_that_nobody_knows_is_none_and_another_refusal_is_not() -> None:
    profile, _ = a_profile({"/capi/v3/order": OrderRejected("weex: Order does not exist.", code=Code.GONE)})
    assert await profile.find_by_id(BTC, "1") is None
    profile, _ = a_profile({"/capi/v3/order": OrderRejected("weex: no", code=Code.PERMISSION)})
    with pytest.raises(OrderRejected):
        await profile.find_by_id(BTC, "1")


async def test_a_trigger_order_is_no_plain_order() -> None:
    profile, caller = a_profile(ANSWERS)
    with pytest.raises(ValueError, match="no plain order"):
        await profile.place(entry(kind=OrderKind.STOP, trigger=D(60000)), None)
    assert caller.requests == []


# --- answers to reads: ccxt's samples -------------------------------------------------------------


async def test_positions_as_weex_was_seen_to_show_them() -> None:
    profile, _ = a_profile({"/capi/v3/account/position/allPosition": answered("fetchPositions")})
    [held] = await profile.positions()
    assert (held.symbol, held.direction, held.quantity, held.entry) == (DOGE, Direction.LONG, D(300), D("0.09323"))
    assert (held.leverage, held.liquidation) == (20, None)  # liquidatePrice 0: there is none


async def test_working_orders_as_weex_was_seen_to_show_them() -> None:
    profile, _ = a_profile(
        {
            "/capi/v3/openOrders": answered("fetchOpenOrders", 0),
            "/capi/v3/openAlgoOrders": answered("fetchOpenOrders", 1),
        }
    )
    resting, stop = await profile.working(DOGE)
    assert (resting.kind, resting.side, resting.price, resting.quantity) == (
        OrderKind.LIMIT,
        Side.BUY,
        D("0.05"),
        D(1400),
    )
    assert (resting.status, resting.reduce_only, resting.conditional) == (OrderStatus.OPEN, False, False)
    assert (stop.kind, stop.trigger, stop.closes, stop.conditional) == (
        OrderKind.STOP,
        D("0.01"),
        Direction.LONG,
        True,
    )
    assert (stop.client_id, stop.fired) == ("", "")  # its own id is the exchange's, actualOrderId is the entry's


async def test_fills_as_weex_was_seen_to_show_them() -> None:
    profile, caller = a_profile({"/capi/v3/userTrades": answered("fetchMyTrades")})
    [fill] = await profile.executions(from_ms(1775760234825), None)
    assert (fill.symbol, fill.trade, fill.order) == (DOGE, "737191855967437160", "737191855946465640")
    assert (fill.quantity, fill.price, fill.fee, fill.realised) == (D(100), D("0.09321"), D("0.0074568"), D(0))
    assert not fill.maker
    assert "symbol" not in caller.requests[0].params


async def test_an_order_an_ended_one_and_the_terms_as_weex_was_seen_to_show_them() -> None:
    profile, _ = a_profile(
        {
            "/capi/v3/order": answered("fetchOrder"),
            "/capi/v3/openOrders": [],
            "/capi/v3/order/history": answered("fetchCanceledAndClosedOrders"),
            "/capi/v3/account/symbolConfig": answered("fetchLeverage"),
            "/capi/v3/account/balance": answered("fetchBalance"),
        }
    )
    target = await profile.find_by_id(DOGE, "737191855984214376")
    assert target is not None
    assert (target.kind, target.trigger, target.status, target.conditional) == (
        OrderKind.TAKE_PROFIT,
        D("0.2"),
        OrderStatus.OPEN,
        True,
    )
    assert await profile.find(DOGE, ENTRY, conditional=False) is None
    terms = await profile.terms(ETH)
    assert (terms.leverage, terms.margin, terms.one_way) == (None, Margin.ISOLATED, True)  # 14 and 12
    assert (await profile.purse()).available == D(20)


async def test_the_market_as_weex_was_seen_to_show_it() -> None:
    profile, _ = a_profile(
        {
            "/capi/v3/market/klines": answered("fetchOHLCV"),
            "/capi/v3/market/fundingRate": answered("fetchFundingRateHistory"),
            "/capi/v3/market/premiumIndex": answered("fetchFundingRate"),
        }
    )
    bars = await profile.candles(ETH, MINUTE, start=None, limit=10)
    assert bars.opened == (1775590200000,)
    assert bars.rows == ((D("2095.73"), D("2095.73"), D("2093.59"), D("2093.77"), D("324.399")),)
    assert (bars.taker_buy, bars.trades) == ((D("161.723"),), (256,))
    rates = await profile.funding_rates(ETH, from_ms(1775577600000))
    assert rates == ((from_ms(1775577600000), D("0.00001031")),)
    now = await profile.funding_now(ETH)
    assert (now.rate, now.next_at, now.every) == (D("0.0000546"), from_ms(1775606400000), timedelta(hours=8))


async def test_every_sample_of_an_order_in_ccxts_source_is_understood() -> None:
    profile, _ = a_profile({})
    futures = [each for each in sample("weex", "parse_order") if "positionSide" in each]
    assert len(futures) >= 2
    for each in futures:
        seen = profile._algo(Row(each, "a sample")) if "algoId" in each else profile._plain(Row(each, "a sample"))
        assert seen.symbol == DOGE
        assert seen.status in (OrderStatus.OPEN, OrderStatus.CANCELLED)


async def test_funding_that_was_paid_as_ccxts_source_shows_it() -> None:
    profile, caller = a_profile({"/capi/v3/account/income": sample("weex", "fetch_funding_history")[0]})
    [paid] = await profile.payments(from_ms(1789214411964))
    assert (paid.symbol, paid.amount, paid.id) == ("VIRTUAL/USDT:USDT", D("0.00000378"), "793622764958253481")
    asked = caller.requests[0].params
    assert asked["incomeType"] == "position_funding"
    assert int(asked["startTime"]) <= int(asked["endTime"])  # one alone is refused


# --- listings -------------------------------------------------------------------------------------

SYMBOL = {
    "symbol": "BTCUSDT",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "marginAsset": "USDT",
    "pricePrecision": "1",
    "quantityPrecision": "4",
    "contractVal": "0.0001",
    "delivery": ["00:00:00"],
    "maxLeverage": "400",
    "makerFeeRate": "0.0002",
    "takerFeeRate": "0.0008",
    "minOrderSize": "0.0001",
    "maxOrderSize": "1200",
    "marketOpenLimitSize": "100",
}
DOGES = {**SYMBOL, "symbol": "DOGEUSDT", "baseAsset": "DOGE", "pricePrecision": 5, "quantityPrecision": -2}
DOGES |= {"maxLeverage": "50", "minOrderSize": "100", "maxOrderSize": "200200000", "marketOpenLimitSize": "200200000"}


async def listed(*rows: Any, open_to_api: Any = ("BTCUSDT",), cycles: Any = ()) -> Any:
    profile, _ = a_profile(
        {
            "/capi/v3/market/exchangeInfo": {"symbols": list(rows)},
            "/capi/v3/market/apiTradingSymbols": list(open_to_api),
            "/capi/v3/market/premiumIndex": list(cycles),
        }
    )
    return await profile.listings(["BTC", "DOGE", "ADA"], "USDT")


async def test_steps_are_signed_powers_of_ten_and_a_market_order_has_its_own_limit() -> None:
    found = await listed(SYMBOL, DOGES, cycles=[{"symbol": "DOGEUSDT", "collectCycle": 240}])
    btc, doge = found[BTC], found[DOGE]
    assert (btc.instrument.tick, btc.instrument.step) == (D("0.1"), D("0.0001"))
    assert (doge.instrument.tick, str(doge.instrument.step)) == (D("0.00001"), "100")
    assert (btc.instrument.max_quantity, btc.max_market) == (D(1200), D(100))
    assert (btc.instrument.maker_fee, btc.instrument.taker_fee) == (D("0.0002"), D("0.0008"))
    assert (btc.instrument.funding_every, doge.instrument.funding_every) == (timedelta(hours=8), timedelta(hours=4))
    assert doge.instrument.round_quantity(D(696)) == 600


async def test_what_the_api_may_not_trade_is_listed_with_the_reason() -> None:
    found = await listed(SYMBOL, DOGES)
    assert found[BTC].tradable
    assert not found[DOGE].tradable
    assert "apiTradingSymbols" in found[DOGE].why


async def test_a_row_that_makes_no_sense_leaves_out_one_instrument_and_not_all(
    caplog: pytest.LogCaptureFixture,
) -> None:
    percent = {**DOGES, "takerFeeRate": "0.08"}  # a percentage, as ccxt's own defaults are (venues.md 1.3-12)
    for wrong in (percent, {**DOGES, "quantityPrecision": "x"}, {**DOGES, "minOrderSize": "0"}):
        assert set(await listed(SYMBOL, wrong)) == {BTC}
    assert "DOGEUSDT is left out" in caplog.text


async def test_the_maintenance_margin_that_nobody_publishes_is_taken_to_be_large() -> None:
    found = await listed(SYMBOL, DOGES)
    assert found[BTC].instrument.maintenance == D("0.005")  # half of 1/400 would be 0.00125
    assert found[DOGE].instrument.maintenance == D("0.01")


async def test_an_answer_of_another_shape_is_no_empty_list() -> None:
    for answer in ({}, {"code": "0"}, "", [1], {"symbols": {}}):
        profile, _ = a_profile(
            {
                "/capi/v3/market/exchangeInfo": answer,
                "/capi/v3/market/apiTradingSymbols": [],
                "/capi/v3/market/premiumIndex": [],
                "/capi/v3/account/position/allPosition": answer,
            }
        )
        with pytest.raises(Garbled):
            await profile.listings(["BTC"], "USDT")
        with pytest.raises(Garbled):
            await profile.positions()


# --- candles, pages, ranges -----------------------------------------------------------------------

HOUR = 3_600_000


def bars_until(now: int, step: int, made: int) -> dict[int, list[Any]]:
    last = now // step * step
    opened = range(last - (made - 1) * step, last + 1, step)
    return {at: [at, "10", "12", "9", "11", "5", at + step, "50", 3, "2", "20"] for at in opened}


def candle_answers(step: int, made: int, *, backwards: bool = False) -> tuple[WeexProfile, RecordingCaller]:
    profile, caller = a_profile({})
    now = caller.exchange.nonce()
    caller.exchange.nonce = lambda: now
    bars = bars_until(now, step, made)

    def order(found: list[list[Any]]) -> list[list[Any]]:
        return found[::-1] if backwards else found

    def last(request: Any) -> Any:
        return order(list(bars.values())[-int(request.params["limit"]) :])

    def past(request: Any) -> Any:
        start, end = int(request.params["startTime"]), int(request.params["endTime"])
        assert end <= now
        found = [bar for at, bar in bars.items() if start <= at <= end]
        assert len(found) <= int(request.params["limit"]) <= 100
        return order(found)

    caller._answers = {"/capi/v3/market/klines": last, "/capi/v3/market/historyKlines": past}
    return profile, caller


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    ("back", "limit", "requests"),
    [(None, 2, 1), (None, 1000, 1), (5, 3, 1), (900, 500, 1), (1100, 50, 1), (1500, 1500, 7), (3000, 250, 3)],
)
async def test_candles_are_the_first_ones_from_the_start_in_few_requests(
    back: int | None, limit: int, requests: int, *, backwards: bool
) -> None:
    profile, caller = candle_answers(HOUR, 4000, backwards=backwards)
    present = caller.exchange.nonce() // HOUR * HOUR
    start = None if back is None else from_ms(present - back * HOUR)
    found = await profile.candles(BTC, timedelta(hours=1), start=start, limit=limit)
    first = present - (limit - 1) * HOUR if back is None else present - back * HOUR
    assert found.opened == tuple(first + number * HOUR for number in range(limit))
    assert len(caller.requests) == requests


async def test_an_interval_that_weex_does_not_have_is_not_put_together_in_secret() -> None:
    profile, _ = a_profile({})
    with pytest.raises(ValueError, match="no candles of"):
        await profile.candles(BTC, timedelta(hours=2), start=None, limit=1)


@pytest.mark.parametrize("newest_first", [False, True])
async def test_no_fill_is_lost_between_the_pages_whichever_end_an_answer_is_cut_at(*, newest_first: bool) -> None:
    profile, caller = a_profile({})
    now = caller.exchange.nonce()
    began = now - 20 * 24 * HOUR
    fills = [fill_row(number, began + number * HOUR // 2) for number in range(450)]

    def answer(request: Any) -> Any:
        start, end = int(request.params["startTime"]), int(request.params["endTime"])
        assert end - start <= 7 * 24 * HOUR
        found = [each for each in fills if start <= each["time"] <= end]
        return (found[::-1] if newest_first else found)[:100]

    caller._answers = {"/capi/v3/userTrades": answer}
    found = await profile.executions(from_ms(began), None)
    assert [each.trade for each in found] == [str(number) for number in range(450)]


async def test_more_fills_at_one_moment_than_an_answer_holds_are_not_passed_over() -> None:
    profile, caller = a_profile({})
    at = caller.exchange.nonce() - 1000
    crowd = [fill_row(number, at) for number in range(100)]
    caller._answers = {
        "/capi/v3/userTrades": lambda r: crowd if int(r.params["startTime"]) <= at <= int(r.params["endTime"]) else []
    }
    with pytest.raises(Garbled, match="more rows"):
        await profile.executions(from_ms(at - 5), None)


async def test_a_fee_in_another_asset_is_said_and_not_counted() -> None:
    profile, caller = a_profile({})
    now = caller.exchange.nonce()
    caller._answers = {"/capi/v3/userTrades": [{**fill_row(1, now - 5), "commissionAsset": "WXT"}]}
    [found] = await profile.executions(from_ms(now - 10), BTC)
    assert (found.fee, found.fee_asset) == (D(0), "WXT")


def paged(rows: list[dict[str, Any]], size: int) -> Callable[[Any], Any]:
    def answer(request: Any) -> Any:
        page = int(request.params.get("page", 1))
        return rows[(page - 1) * size : page * size]

    return answer


async def test_an_order_on_the_third_page_of_the_past_is_found() -> None:
    past = [order_row(number, status="FILLED", executedQty="0.02") for number in range(2100)]
    profile, caller = a_profile({"/capi/v3/openOrders": [], "/capi/v3/order/history": paged(past, 1000)})
    found = await profile.find(BTC, "gv-2099-e0", conditional=False)
    assert found is not None
    assert (found.id, found.status, found.filled) == ("2099", OrderStatus.FILLED, D("0.02"))
    assert not any("origClientOrderId" in request.params for request in caller.requests)
    assert await profile.find(BTC, "gv-9999-e0", conditional=False) is None


async def test_a_guard_is_found_working_and_fired_and_says_what_it_became() -> None:
    fired = algo_row(2, algoStatus="TRIGGERED", actualOrderId=77)
    pages = InTurn([{"orders": [algo_row(3, algoStatus="CANCELED")], "hasMore": True}, {"orders": [fired]}])
    pages[1]["hasMore"] = False
    profile, _ = a_profile({"/capi/v3/openAlgoOrders": [algo_row(1)], "/capi/v3/allAlgoOrders": pages})
    working = await profile.find(BTC, "gv-1-s0", conditional=True)
    assert working is not None
    assert (working.status, working.fired) == (OrderStatus.OPEN, "")
    found = await profile.find(BTC, "gv-2-s0", conditional=True)
    assert found is not None
    assert (found.status, found.fired, found.filled) == (OrderStatus.FILLED, "77", D("0.02"))


async def test_a_conditional_order_in_both_lists_is_one_order() -> None:
    plain = order_row(9, status="UNTRIGGERED", type="STOP_MARKET", stopPrice="58000", side="SELL", reduceOnly=True)
    profile, _ = a_profile({"/capi/v3/openOrders": [plain], "/capi/v3/openAlgoOrders": [algo_row(9)]})
    [only] = await profile.working()
    assert only.conditional


async def test_working_orders_are_read_to_the_last_page() -> None:
    rows = [order_row(number) for number in range(130)]
    profile, _ = a_profile({"/capi/v3/openOrders": paged(rows, 100), "/capi/v3/openAlgoOrders": []})
    assert len(await profile.working()) == 130


# --- the dialect ----------------------------------------------------------------------------------


def test_there_is_no_practice_account_to_turn_to() -> None:
    assert DIALECT.practices == ()
    with pytest.raises(BadSettings, match="practice"):
        DIALECT.practise(None, "demo")


def test_codes_are_in_one_class_only() -> None:
    classes = (set(DIALECT.codes), DIALECT.unknown, DIALECT.not_done, DIALECT.clock)
    assert sum(len(each) for each in classes) == len(set().union(*classes))
