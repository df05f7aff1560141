"""Binance USD-M's profile: its requests against those that ccxt was recorded to send, and its refusals."""

from datetime import timedelta
from decimal import Decimal as D

import pytest

from tests.binance_answers import (
    ANSWERS,
    BTC,
    ID,
    STOP_ID,
    F,
    order,
    plain_row,
    profile,
    standing,
)
from tests.recorded import compare, recorded
from trading.model import (
    Direction,
    Leg,
    Side,
)
from trading.venues.exchange import binance_codes
from trading.venues.exchange.binance import DIALECT, BinanceProfile
from trading.venues.exchange.wire import Code

NAMED = "our own name for it"
ALL_OF_IT = "it closes the position whatever its size is then, and goes away with it"
# ccxt's call -> ours, and which parameters are meant to differ, and why
SAME: dict[str, tuple[str, dict[str, str]]] = {
    "fetch_ohlcv": ("candles", {}),
    "fetch_order_book": ("book", {}),
    "fetch_funding_rate": ("funding_now", {}),
    "set_leverage(5)": ("set_leverage", {}),
    "set_margin_mode(isolated)": ("set_isolated", {"leverage": "the endpoint has no such parameter"}),
    "set_position_mode(one-way)": ("set_one_way", {}),
    "create market buy + attached SL/TP dicts": (
        "place",
        {
            "newClientOrderId": NAMED,
            "stopLoss": "trap 1: it is junk there",
            "takeProfit": "trap 1: it is junk there",
        },
    ),
    "create standalone stopLossPrice (reduceOnly)": (
        "guard stop",
        {
            "clientAlgoId": NAMED,
            "quantity": ALL_OF_IT,
            "reduceOnly": "not together with closePosition, which only reduces",
            "closePosition": ALL_OF_IT,
            "workingType": "the mark fires it; the last price would otherwise",
        },
    ),
    "create standalone takeProfitPrice (reduceOnly)": (
        "guard target",
        {
            "clientAlgoId": NAMED,
            "quantity": ALL_OF_IT,
            "reduceOnly": "not together with closePosition, which only reduces",
            "closePosition": ALL_OF_IT,
            "workingType": "the mark fires it; the last price would otherwise",
        },
    ),
    "close: market sell reduceOnly": ("close", {"newClientOrderId": NAMED}),
    "fetch_order by id": (
        "find_by_id",
        {"orderId": NAMED, "acknowledged": "ccxt's own switch, which it lets through to the exchange"},
    ),
    "fetch_order by clientOrderId": (
        "find",
        {"origClientOrderId": NAMED, "acknowledged": "ccxt's own switch, which it lets through to the exchange"},
    ),
    "cancel_order": ("cancel", {}),
    "cancel_order trigger": ("cancel guard", {"symbol": "the endpoint has no such parameter: the id is enough"}),
}


async def ours(call: str, it: BinanceProfile) -> None:
    long, stop = Direction.LONG, STOP_ID
    calls = {
        "candles": lambda: it.candles(BTC, timedelta(minutes=5), start=None, limit=2),
        "book": lambda: it.book(BTC, 20),
        "funding_now": lambda: it.funding_now(BTC),
        "set_leverage": lambda: it.set_leverage(BTC, 5),
        "set_isolated": lambda: it.set_isolated(BTC, 5),
        "set_one_way": lambda: it.set_one_way(BTC),
        "place": lambda: it.place(order(), None),
        "guard stop": lambda: it.guard(BTC, long, D("0.01"), Leg.STOP, D(60000), stop),
        "guard target": lambda: it.guard(BTC, long, D("0.01"), Leg.TARGET, D(80000), stop),
        "close": lambda: it.place(order(side=Side.SELL, quantity=D("0.01"), reduce_only=True), None),
        "find_by_id": lambda: it.find_by_id(BTC, "7371"),
        "find": lambda: it.find(BTC, ID, conditional=False),
        "cancel": lambda: it.cancel(standing(conditional=False, id="7371")),
        "cancel guard": lambda: it.cancel(standing(id="7371")),
    }
    await calls[call]()


@pytest.mark.parametrize("call", SAME)
async def test_each_request_is_the_one_that_ccxt_sends_but_for_what_is_meant_to_differ(call: str) -> None:
    name, differs = SAME[call]
    answers = dict(ANSWERS)
    if name == "close":
        answers[f"POST {F}/order"] = plain_row(side="SELL", origQty="0.01", executedQty="0.01", reduceOnly=True)
    it, requests = profile(answers)
    await ours(name, it)
    [theirs] = recorded("binanceusdm", call)
    compare(requests[0], theirs, differs=differs)
    assert ("X-MBX-APIKEY" in requests[0].headers) == ("X-MBX-APIKEY" in theirs.headers)
    assert ("signature" in requests[0].params) == ("signature" in theirs.params)


async def test_open_orders_are_read_from_both_services_conditional_ones_first() -> None:
    it, requests = profile(ANSWERS)
    await it.working(BTC)
    compare(requests[0], recorded("binanceusdm", "fetch_open_orders trigger")[0])
    compare(requests[1], recorded("binanceusdm", "fetch_open_orders")[0])
    await it.working()
    assert [(each.meant, each.cost) for each in requests[2:]] == [({}, 40), ({}, 40)]


async def test_positions_and_money_are_read_from_version_three() -> None:
    it, requests = profile(
        ANSWERS | {"GET /fapi/v3/balance": [{"asset": "USDT", "balance": "9", "availableBalance": "8"}]}
    )
    await it.positions()
    compare(requests[0], recorded("binanceusdm", "fetch_positions")[1])
    purse = await it.purse()
    assert (requests[1].path, purse.wallet, purse.available) == ("/fapi/v3/balance", D(9), D(8))


async def test_signed_requests_are_good_for_five_seconds() -> None:
    it, requests = profile(ANSWERS)
    await it.find_by_id(BTC, "7371")
    assert requests[0].params["recvWindow"] == "5000"
    assert it.clock_window == timedelta(seconds=5)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (-2014, Code.AUTH),
        (-2015, Code.AUTH),
        (-1022, Code.AUTH),
        (-2011, Code.GONE),
        (-2013, Code.GONE),
        (-2019, Code.MARGIN),
        (-2021, Code.TRIGGERS),
        (-2022, Code.REDUCE_ONLY),
        (-2027, Code.SIZE),
        (-4164, Code.SIZE),
        (-4005, Code.SIZE),
        (-1111, Code.STEP),
        (-4014, Code.STEP),
        (-4131, Code.PRICE),
        (-4116, Code.DUPLICATE),
        (-4130, Code.EXISTS),
        (-4028, Code.LEVERAGE),
        (-4061, Code.MODE),
        (-4046, Code.UNCHANGED),
        (-4059, Code.UNCHANGED),
        (-4067, Code.BUSY),
        (-4068, Code.BUSY),
        (-4161, Code.BUSY),
        (-1121, Code.SYMBOL),
        (-4120, Code.OTHER),
    ],
)
def test_a_refusal_has_our_word_for_it(number: int, code: Code) -> None:
    assert DIALECT.codes[str(number)] is code


def test_no_number_means_two_things() -> None:
    listed = [number for numbers in binance_codes.BY_CODE.values() for number in numbers]
    assert len(listed) == len(set(listed))
    open_ended = [DIALECT.unknown, DIALECT.not_done, DIALECT.clock]
    assert sum(map(len, open_ended)) == len(frozenset().union(*open_ended))
    assert not DIALECT.codes.keys() & frozenset().union(*open_ended)
    assert {"-1000", "-1001", "-1006", "-1007"} == DIALECT.unknown
    assert {"-1003", "-1008", "-1015"} <= DIALECT.not_done
    assert {"-1021", "-5028"} == DIALECT.clock
