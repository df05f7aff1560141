"""What the Bybit profile asks for, and what it makes of the answers. ccxt is real, the answers are written here."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.builders import BTC, D, a_protection
from tests.recorded import InTurn, Request, compare, recorded, recorder, sample
from trading.errors import Misuse, OrderRejected, UnknownOutcome
from trading.market.series import from_ms, to_ms
from trading.model import (
    ClientId,
    DecisionId,
    Direction,
    Instrument,
    Leg,
    Order,
    OrderKind,
    OrderStatus,
    Quote,
    Side,
    Symbol,
)
from trading.venues.exchange.bybit import DIALECT
from trading.venues.exchange.bybit_account_reading import execution_of, held_of, order_of, payment_of, purse_of
from trading.venues.exchange.bybit_codes import refined
from trading.venues.exchange.bybit_reading import Names, funding_of, lowest_tier, quote_of
from trading.venues.exchange.parsing import Garbled, Row
from trading.venues.exchange.profile import Profile
from trading.venues.exchange.wire import Code, Grade, Lane, Listing, Margin, Seen, Stir, Traded

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ID = ClientId("gv-abcdefghijklmnopqrstuvwx-e0")
CREATE, STOPS, CANCEL = "/v5/order/create", "/v5/position/trading-stop", "/v5/order/cancel"


def ok(result: Any = None, *, at: datetime = AT) -> dict[str, Any]:
    return {"retCode": 0, "retMsg": "OK", "result": result or {}, "retExtInfo": {}, "time": to_ms(at)}


def listed(*rows: Any, cursor: str = "", at: datetime = AT) -> dict[str, Any]:
    return ok({"category": "linear", "list": list(rows), "nextPageCursor": cursor}, at=at)


def a_profile(answers: dict[str, Any], *, key: bool = True, practice: str = "") -> tuple[Profile, list[Request]]:
    caller, requests = recorder(DIALECT, answers, key=key, practice=practice)
    return DIALECT.profile(caller, caller if key else None, practice=practice), requests


def an_order(**changes: Any) -> Order:
    made: dict[str, Any] = {
        "client_id": ID,
        "decision_id": DecisionId("gv-abcdefghijklmnopqrstuvwx"),
        "leg": Leg.ENTRY,
        "symbol": BTC,
        "side": Side.BUY,
        "kind": OrderKind.MARKET,
        "quantity": D("0.0120"),
        "created_at": AT,
    }
    return Order(**made | changes)


def acknowledged(request: Request) -> dict[str, Any]:
    return ok({"orderId": "b-1", "orderLinkId": request.params["orderLinkId"]})


def order_row(**changes: Any) -> dict[str, Any]:
    row = {
        "symbol": "BTCUSDT",
        "orderId": "b-1",
        "orderLinkId": ID,
        "side": "Buy",
        "orderType": "Market",
        "orderStatus": "Filled",
        "stopOrderType": "",
        "tpslMode": "",
        "qty": "0.012",
        "cumExecQty": "0.012",
        "price": "63000",
        "triggerPrice": "",
        "triggerDirection": 0,
        "reduceOnly": False,
        "closeOnTrigger": False,
        "rejectReason": "EC_NoError",
        "cancelType": "UNKNOWN",
        "createdTime": str(to_ms(AT)),
        "updatedTime": str(to_ms(AT)),
    }
    return row | changes


STOP_ROW = order_row(
    orderId="b-2",
    orderLinkId="",
    side="Sell",
    orderStatus="Untriggered",
    stopOrderType="StopLoss",
    tpslMode="Full",
    cumExecQty="0",
    price="0",
    triggerPrice="58500",
    triggerDirection=2,
    reduceOnly=True,
    closeOnTrigger=True,
)


def a_stop(**changes: Any) -> Seen:
    return order_of(Row(STOP_ROW | changes, "test"), Names())


def position_row(**changes: Any) -> dict[str, Any]:
    row = {"symbol": "BTCUSDT", "side": "Buy", "size": "0.012", "avgPrice": "60000.5", "leverage": "5"}
    return row | {"positionIdx": 0, "liqPrice": "", "stopLoss": "58500", "takeProfit": "0"} | changes


def fill_row(**changes: Any) -> dict[str, Any]:
    row = {
        "symbol": "BTCUSDT",
        "execId": "x-1",
        "orderId": "b-1",
        "orderLinkId": ID,
        "side": "Buy",
        "execQty": "0.012",
        "execPrice": "60000.5",
        "execFee": "0.396",
        "execTime": str(to_ms(AT)),
        "execType": "Trade",
        "stopOrderType": "UNKNOWN",
        "createType": "CreateByUser",
        "feeCurrency": "USDT",
        "isMaker": False,
    }
    return row | changes


# --- requests, field by field beside ccxt's own -------------------------------------------------------------------

ONE_WAY = {"positionIdx": "one-way mode is said, so that a hedged account refuses"}
AT_ONCE = ONE_WAY | {"timeInForce": "Bybit's default for a market order, said"}
LEVEL = "all of the position, at market, on the mark: ccxt leaves it to the exchange"
LEVELS = dict.fromkeys(
    ("tpslMode", "tpTriggerBy", "slTriggerBy", "tpOrderType", "slOrderType", "takeProfit", "stopLoss"), LEVEL
)
OURS = {"orderLinkId": "our id", "qty": "our size"}


async def asked(call: str, answers: dict[str, Any], *, key: bool = True) -> Request:
    """The last request of one call of the profile."""
    profile, requests = a_profile(answers, key=key)
    order = an_order(side=Side.SELL, leg=Leg.CLOSE, reduce_only=True, quantity=D("0.010"))
    plain = order_of(Row(order_row(orderId="7371"), "test"), Names())
    conditional = order_of(
        Row(order_row(orderId="7371", orderStatus="Untriggered", stopOrderType="Stop", triggerPrice="1"), "test"),
        Names(),
    )
    calls: dict[str, Any] = {
        "candles": lambda: profile.candles(BTC, 5 * MINUTE, start=None, limit=2),
        "book": lambda: profile.book(BTC, 20),
        "quote": lambda: profile.quote(BTC),
        "funding now": lambda: profile.funding_now(BTC),
        "leverage": lambda: profile.set_leverage(BTC, 5),
        "isolated": lambda: profile.set_isolated(BTC, 5),
        "one way": lambda: profile.set_one_way(BTC),
        "entry": lambda: profile.place(an_order(), a_protection("60000.1", "80000.1")),
        "close": lambda: profile.place(order, None),
        "by id": lambda: profile.find_by_id(BTC, "1"),
        "by our id": lambda: profile.find(BTC, "cb-1", conditional=False),
        "working": lambda: profile.working(BTC),
        "cancel": lambda: profile.cancel(plain),
        "cancel conditional": lambda: profile.cancel(conditional),
        "positions": profile.positions,
        "purse": profile.purse,
    }
    await calls[call]()
    return requests[-1]


EMPTY = listed()
SAME: list[tuple[str, str, dict[str, Any], dict[str, str]]] = [
    ("candles", "fetch_ohlcv", {"/v5/market/kline": EMPTY}, {}),
    (
        "book",
        "fetch_order_book",
        {"/v5/market/orderbook": ok({"s": "BTCUSDT", "b": [], "a": [], "ts": to_ms(AT)})},
        {},
    ),
    ("leverage", "set_leverage(5)", {"/v5/position/set-leverage": ok()}, {}),
    (
        "isolated",
        "set_margin_mode(isolated)",
        {"/v5/account/set-margin-mode": ok({"reasons": []})},
        {"leverage": "a field that this request does not have: leverage is set by itself"},
    ),
    ("one way", "set_position_mode(one-way)", {"/v5/position/switch-mode": ok()}, {}),
    (
        "entry",
        "create market buy + attached SL/TP dicts",
        {CREATE: acknowledged},
        {"orderLinkId": "our id"} | AT_ONCE | {k: v for k, v in LEVELS.items() if k not in ("takeProfit", "stopLoss")},
    ),
    ("close", "close: market sell reduceOnly", {CREATE: acknowledged}, {"orderLinkId": "our id"} | AT_ONCE),
    ("by id", "fetch_order by id", {"/v5/order/realtime": listed(order_row(orderId="1"))}, {}),
    (
        "by our id",
        "fetch_order by clientOrderId",
        {"/v5/order/realtime": listed(order_row(orderLinkId="cb-1"))},
        {"orderId": "ccxt sends the word None, which outranks our id (venues.md 1.3-7)"},
    ),
    (
        "working",
        "fetch_open_orders",
        {"/v5/order/realtime": EMPTY},
        {"orderFilter": "plain and conditional are asked for apart", "openOnly": "the default", "limit": "full pages"},
    ),
    ("cancel", "cancel_order", {CANCEL: ok({"orderId": "7371", "orderLinkId": ""})}, {}),
    (
        "cancel conditional",
        "cancel_order trigger",
        {CANCEL: ok({"orderId": "7371", "orderLinkId": ""})},
        {"trigger": "ccxt's own word, which Bybit does not know", "orderFilter": "Bybit's word for it"},
    ),
    (
        "positions",
        "fetch_positions",
        {"/v5/position/list": EMPTY},
        {"symbol": "of the whole account", "settleCoin": "which needs the coin"},
    ),
    (
        "purse",
        "fetch_balance",
        {"/v5/account/wallet-balance": ok({"list": [{"coin": []}]})},
        {"coin": "only what we trade with"},
    ),
]


@pytest.mark.parametrize(("call", "theirs", "answers", "differs"), SAME, ids=[each[0] for each in SAME])
async def test_a_request_is_what_ccxt_sends_but_for_what_is_meant(
    call: str, theirs: str, answers: dict[str, Any], differs: dict[str, str]
) -> None:
    compare(await asked(call, answers), recorded("bybit", theirs)[-1], differs=differs)


@pytest.mark.parametrize(("call", "theirs"), [("quote", "fetch_ticker"), ("funding now", "fetch_funding_rate")])
async def test_quote_and_funding_come_from_one_ticker(call: str, theirs: str) -> None:
    row = {"symbol": "BTCUSDT", "bid1Price": "1", "ask1Price": "2", "markPrice": "1.5", "fundingRate": "0.0001"}
    answers = {"/v5/market/tickers": listed(row | {"nextFundingTime": str(to_ms(AT)), "fundingIntervalHour": "4"})}
    compare(await asked(call, answers, key=False), recorded("bybit", theirs)[-1])


async def test_conditional_orders_are_asked_for_as_ccxt_does() -> None:
    profile, requests = a_profile({"/v5/order/realtime": EMPTY})
    await profile.working(BTC)
    differs = {"openOnly": "the default", "limit": "full pages"}
    compare(requests[0], recorded("bybit", "fetch_open_orders trigger")[-1], differs=differs)


async def test_instruments_are_asked_for_one_by_one_and_not_all_of_them() -> None:
    profile, requests = a_profile(MARKET, key=False)
    await profile.listings(["BTC"], "USDT")
    [_, theirs, _] = recorded("bybit", "load_markets")
    compare(requests[0], theirs, differs={"symbol": "650 rows are not read for eight", "limit": "of one"})
    [tiers] = recorded("bybit", "fetch_leverage_tiers")
    compare(requests[1], tiers, differs={"symbol": "only what is wanted"})


# --- the market ---------------------------------------------------------------------------------------------------

INSTRUMENT = {
    "symbol": "BTCUSDT",
    "contractType": "LinearPerpetual",
    "status": "Trading",
    "baseCoin": "BTC",
    "quoteCoin": "USDT",
    "settleCoin": "USDT",
    "launchTime": str(to_ms(AT - 3 * MINUTE)),
    "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
    "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": "0.10"},
    "lotSizeFilter": {
        "maxOrderQty": "1190.000",
        "minOrderQty": "0.001",
        "qtyStep": "0.001",
        "maxMktOrderQty": "500.000",
        "minNotionalValue": "5",
    },
    "fundingInterval": 480,
    "isPreListing": False,
}
TIERS = [
    {
        "symbol": "BTCUSDT",
        "riskLimitValue": "4000000",
        "maintenanceMargin": "0.01",
        "initialMargin": "0.02",
        "maxLeverage": "50.00",
    },
    {
        "symbol": "BTCUSDT",
        "riskLimitValue": "2000000",
        "maintenanceMargin": "0.005",
        "initialMargin": "0.01",
        "maxLeverage": "100.00",
    },
]
MARKET = {"/v5/market/instruments-info": listed(INSTRUMENT), "/v5/market/risk-limit": listed(*TIERS)}
FEES = listed({"symbol": "BTCUSDT", "makerFeeRate": "0.0001", "takerFeeRate": "0.0004"})


async def test_an_instrument_is_read_with_its_lowest_tier_and_the_published_fees() -> None:
    profile, _ = a_profile(MARKET, key=False)
    assert await profile.listings(["BTC"], "USDT") == {
        BTC: Listing(
            instrument=Instrument(
                symbol=BTC,
                tick=D("0.10"),
                step=D("0.001"),
                min_quantity=D("0.001"),
                max_quantity=D(1190),
                min_notional=D(5),
                max_leverage=100,
                maker_fee=D("0.0002"),
                taker_fee=D("0.00055"),
                maintenance=D("0.005"),
            ),
            native="BTCUSDT",
            max_market=D(500),
            raw=INSTRUMENT,
        )
    }


async def test_a_maintenance_margin_in_percent_is_seen_to_be_one() -> None:
    percent = TIERS[1] | {"maintenanceMargin": "0.5", "initialMargin": "1"}
    profile, _ = a_profile(MARKET | {"/v5/market/risk-limit": listed(percent)}, key=False)
    assert (await profile.listings(["BTC"], "USDT"))[BTC].instrument.maintenance == D("0.005")


async def test_with_a_key_the_fees_are_the_accounts_own() -> None:
    profile, _ = a_profile(MARKET | {"/v5/account/fee-rate": FEES})
    instrument = (await profile.listings(["BTC"], "USDT"))[BTC].instrument
    assert (instrument.maker_fee, instrument.taker_fee) == (D("0.0001"), D("0.0004"))


async def test_a_demo_account_is_not_asked_for_its_fees() -> None:
    profile, requests = a_profile(MARKET, practice="demo")
    assert await profile.listings(["BTC"], "USDT")
    assert {request.host for request in requests} == {"api-demo.bybit.com"}


@pytest.mark.parametrize(
    ("change", "why"),
    [({"status": "Closed"}, "its status is Closed"), ({"isPreListing": True}, "not launched yet")],
)
async def test_what_does_not_trade_is_listed_as_not_tradable(change: dict[str, Any], why: str) -> None:
    answers = MARKET | {"/v5/market/instruments-info": listed(INSTRUMENT | change)}
    profile, _ = a_profile(answers, key=False)
    listing = (await profile.listings(["BTC"], "USDT"))[BTC]
    assert (listing.tradable, listing.why) == (False, why)


async def test_what_is_not_listed_is_left_out() -> None:
    unknown = OrderRejected("bybit: params error: symbol invalid (10001)", code=Code.OTHER)
    profile, _ = a_profile(MARKET | {"/v5/market/instruments-info": InTurn([unknown, listed(INSTRUMENT)])}, key=False)
    assert set(await profile.listings(["NOSUCH", "BTC"], "USDT")) == {BTC}


async def test_an_instrument_without_its_market_limit_is_garbled_and_not_guessed() -> None:
    lots = {k: v for k, v in INSTRUMENT["lotSizeFilter"].items() if k != "maxMktOrderQty"}  # type: ignore[attr-defined]
    answers = MARKET | {"/v5/market/instruments-info": listed(INSTRUMENT | {"lotSizeFilter": lots})}
    profile, _ = a_profile(answers, key=False)
    with pytest.raises(Garbled, match="maxMktOrderQty"):
        await profile.listings(["BTC"], "USDT")


def bar(at: datetime) -> list[str]:
    return [str(to_ms(at)), "1", "3", "0.5", "2", "10", "20"]


def klines(request: Request) -> dict[str, Any]:
    """The exchange's bars: one a minute until AT, newest first; the last ones of a window."""
    limit, end = int(request.params["limit"]), int(request.params.get("end", to_ms(AT)))
    newest = min(from_ms(end).replace(second=0, microsecond=0), AT)
    bars = [newest - MINUTE * i for i in range(limit)]
    start = int(request.params.get("start", 0))
    return listed(*[bar(at) for at in bars if to_ms(at) >= start])


async def test_the_last_candles_come_oldest_first_over_several_pages() -> None:
    profile, requests = a_profile({"/v5/market/kline": klines}, key=False)
    found = await profile.candles(BTC, MINUTE, start=None, limit=1500)
    assert list(found.opened) == [to_ms(AT - MINUTE * i) for i in reversed(range(1500))]
    assert len(requests) == 2
    assert found.rows[0] == (D(1), D(3), D("0.5"), D(2), D(10))
    assert found.taker_buy is None
    assert found.trades is None


async def test_candles_from_a_time_on_begin_there_and_end_with_the_present() -> None:
    profile, requests = a_profile({"/v5/market/kline": klines}, key=False)
    found = await profile.candles(BTC, MINUTE, start=AT - 1200 * MINUTE, limit=1100)
    assert list(found.opened) == [to_ms(AT - MINUTE * i) for i in range(1200, 100, -1)]
    assert len(requests) == 2
    found = await profile.candles(BTC, MINUTE, start=AT - 5 * MINUTE, limit=100)
    assert len(found.opened) == 6


async def test_candles_are_not_asked_for_before_the_instrument_was_launched() -> None:
    profile, requests = a_profile(MARKET | {"/v5/market/kline": klines}, key=False)
    await profile.listings(["BTC"], "USDT")
    await profile.candles(BTC, MINUTE, start=AT - timedelta(days=900), limit=10)
    assert requests[-1].params["start"] == str(to_ms(AT - 3 * MINUTE))


async def test_a_length_that_bybit_has_no_candles_of_is_a_mistake() -> None:
    profile, _ = a_profile({}, key=False)
    with pytest.raises(ValueError, match="no candles"):
        await profile.candles(BTC, timedelta(minutes=7), start=None, limit=1)


async def test_funding_rates_are_read_back_to_the_beginning() -> None:
    hours = [AT - timedelta(hours=8 * i) for i in range(250)]

    def history(request: Request) -> dict[str, Any]:
        end = int(request.params.get("endTime", to_ms(AT)))
        fits = [at for at in hours if to_ms(at) <= end][:200]
        return listed(
            *[{"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingRateTimestamp": str(to_ms(a))} for a in fits]
        )

    profile, requests = a_profile({"/v5/market/funding/history": history}, key=False)
    found = await profile.funding_rates(BTC, hours[230])
    assert [at for at, _ in found] == list(reversed(hours[:231]))
    assert len(requests) == 2


async def test_a_quote_wears_the_exchanges_time() -> None:
    row = {"symbol": "BTCUSDT", "bid1Price": "1", "ask1Price": "2", "markPrice": "1.5"}
    profile, _ = a_profile({"/v5/market/tickers": listed(row)}, key=False)
    assert await profile.quote(BTC) == Quote(symbol=BTC, at=AT, bid=D(1), ask=D(2), mark=D("1.5"))


@pytest.mark.parametrize(
    "row", [{"bid1Price": "3"}, {"markPrice": ""}, {"ask1Price": "NaN"}, {"bid1Price": None}], ids=str
)
async def test_a_quote_that_is_none_is_garbled(row: dict[str, Any]) -> None:
    whole = {"symbol": "BTCUSDT", "bid1Price": "1", "ask1Price": "2", "markPrice": "1.5"} | row
    profile, _ = a_profile({"/v5/market/tickers": listed(whole)}, key=False)
    with pytest.raises(Garbled):
        await profile.quote(BTC)


# --- the account --------------------------------------------------------------------------------------------------


def wallet(**account: Any) -> Row:
    coin = {"coin": "USDT", "walletBalance": "1000", "totalPositionIM": "200", "totalOrderIM": "50"}
    return Row({"totalAvailableBalance": "", "coin": [{"coin": "BTC"}, coin]} | account, "test")


def test_in_isolated_mode_what_is_free_is_what_no_position_and_no_order_binds() -> None:
    purse = purse_of(wallet(), "USDT")
    assert (purse.wallet, purse.available) == (D(1000), D(750))


def test_what_other_coins_are_worth_is_not_ours_to_spend() -> None:
    assert purse_of(wallet(totalAvailableBalance="90000"), "USDT").available == D(750)
    assert purse_of(wallet(totalAvailableBalance="700"), "USDT").available == D(700)


async def test_an_answer_without_an_account_is_not_an_empty_purse() -> None:
    profile, _ = a_profile({"/v5/account/wallet-balance": ok({"list": []})})
    with pytest.raises(Garbled):
        await profile.purse()


async def test_positions_have_their_levels_and_what_is_flat_is_left_out() -> None:
    short = position_row(symbol="1000PEPEUSDT", side="Sell", liqPrice="70000", leverage="4.2", stopLoss="")
    flat = position_row(symbol="ETHUSDT", side="", size="0")
    profile, _ = a_profile({"/v5/position/list": listed(position_row(), flat, short, cursor="c")})
    mine, foreign = await profile.positions()
    assert (mine.symbol, mine.direction, mine.quantity, mine.entry) == (BTC, Direction.LONG, D("0.012"), D("60000.5"))
    assert (mine.leverage, mine.liquidation, mine.stop, mine.target) == (5, None, D(58500), None)
    assert (foreign.symbol, foreign.direction, foreign.leverage) == ("1000PEPE/USDT:USDT", Direction.SHORT, None)
    assert (foreign.liquidation, foreign.stop) == (D(70000), None)


async def test_levels_are_conditional_orders_for_all_of_the_position() -> None:
    def realtime(request: Request) -> dict[str, Any]:
        return listed(STOP_ROW) if request.params["orderFilter"] == "StopOrder" else listed()

    profile, requests = a_profile({"/v5/order/realtime": realtime})
    [stop] = await profile.working()
    assert (stop.kind, stop.client_id, stop.quantity, stop.closes) == (OrderKind.STOP, "", D(0), Direction.LONG)
    assert (stop.conditional, stop.reduce_only, stop.trigger, stop.status) == (True, True, D(58500), OrderStatus.OPEN)
    assert {request.params["settleCoin"] for request in requests} == {"USDT"}


@pytest.mark.parametrize(
    ("row", "kind", "closes", "conditional"),
    [
        ({"stopOrderType": "TakeProfit"}, OrderKind.TAKE_PROFIT, Direction.LONG, True),
        ({"stopOrderType": "PartialStopLoss", "tpslMode": "Partial"}, OrderKind.STOP, Direction.LONG, True),
        ({"stopOrderType": "Stop", "side": "Buy", "triggerDirection": 1}, OrderKind.STOP, Direction.SHORT, True),
        ({"stopOrderType": "Stop", "side": "Buy", "triggerDirection": 2}, OrderKind.TAKE_PROFIT, Direction.SHORT, True),
        ({"stopOrderType": "TrailingStop"}, OrderKind.STOP, None, True),
        ({"stopOrderType": "", "triggerPrice": "", "orderStatus": "New"}, OrderKind.MARKET, Direction.LONG, False),
        ({"orderStatus": "Filled"}, OrderKind.STOP, Direction.LONG, True),
    ],
    ids=str,
)
def test_an_orders_kind_and_side_are_read_from_what_it_waits_for(
    row: dict[str, Any], kind: OrderKind, closes: Direction | None, conditional: bool
) -> None:
    seen = a_stop(**row)
    assert (seen.kind, seen.closes, seen.conditional) == (kind, closes, conditional)


@pytest.mark.parametrize(
    ("native", "status"),
    [
        ("New", OrderStatus.OPEN),
        ("PartiallyFilled", OrderStatus.PARTLY_FILLED),
        ("Filled", OrderStatus.FILLED),
        ("Cancelled", OrderStatus.CANCELLED),
        ("PartiallyFilledCanceled", OrderStatus.CANCELLED),
        ("Rejected", OrderStatus.REJECTED),
        ("Deactivated", OrderStatus.CANCELLED),
        ("Triggered", OrderStatus.OPEN),
    ],
)
def test_every_status_is_known(native: str, status: OrderStatus) -> None:
    assert order_of(Row(order_row(orderStatus=native), "test"), Names()).status is status


def test_a_status_nobody_knows_is_garbled() -> None:
    with pytest.raises(Garbled, match="orderStatus"):
        order_of(Row(order_row(orderStatus="Confused"), "test"), Names())


def test_a_market_order_that_found_nothing_says_why_and_keeps_what_it_got() -> None:
    row = order_row(orderStatus="Cancelled", cumExecQty="0.005", rejectReason="EC_NoImmediateQtyToFill")
    seen = order_of(Row(row, "test"), Names())
    assert (seen.status, seen.filled, seen.note) == (OrderStatus.CANCELLED, D("0.005"), "EC_NoImmediateQtyToFill")
    assert seen.price is None  # the cap on its slippage is no price


async def test_an_order_is_looked_for_where_it_works_and_then_in_the_history() -> None:
    profile, requests = a_profile({"/v5/order/realtime": listed(), "/v5/order/history": listed(order_row())})
    found = await profile.find(BTC, ID, conditional=False)
    assert found is not None
    assert (found.client_id, found.filled) == (ID, D("0.012"))
    assert [request.line for request in requests] == ["GET /v5/order/realtime", "GET /v5/order/history"]
    profile, _ = a_profile({"/v5/order/realtime": listed(), "/v5/order/history": listed(order_row(orderLinkId="x"))})
    assert await profile.find(BTC, ID, conditional=False) is None


async def test_a_lookup_that_fails_is_no_absence() -> None:
    profile, _ = a_profile({"/v5/order/realtime": ok({"list": None})})
    with pytest.raises(Garbled):
        await profile.find(BTC, ID, conditional=False)


async def test_fills_are_read_page_by_page_and_week_by_week_oldest_first() -> None:
    weeks = [AT - timedelta(days=10), AT - timedelta(days=9), AT - timedelta(minutes=1), AT]
    rows = [fill_row(execId=f"x-{n}", execTime=str(to_ms(at))) for n, at in enumerate(weeks)]

    def executions(request: Request) -> dict[str, Any]:
        start, end = int(request.params["startTime"]), int(request.params["endTime"])
        assert end - start <= 7 * 86_400_000
        fits = [row for row in reversed(rows) if start <= int(row["execTime"]) <= end]
        first = int(request.params.get("cursor", "page%3A0").removeprefix("page%3A").removeprefix("page:"))
        return listed(*fits[first : first + 1], cursor=f"page%3A{first + 1}" if fits[first:] else "")

    profile, requests = a_profile({"/v5/execution/list": executions})
    found = await profile.executions(weeks[0], None)
    assert [each.trade for each in found] == ["x-0", "x-1", "x-2", "x-3"]
    assert all("symbol" not in request.params for request in requests)
    assert len(requests) == 6


async def test_only_trades_are_fills_and_a_liquidation_is_marked() -> None:
    kinds = ["Trade", "BustTrade", "AdlTrade", "Funding", "Settle"]
    rows = [fill_row(execId=kind, execType=kind) for kind in kinds]
    profile, _ = a_profile({"/v5/execution/list": InTurn([listed(*rows), listed()])})
    found = await profile.executions(AT, BTC)
    assert {each.trade: each.liquidation for each in found} == {"Trade": False, "BustTrade": True, "AdlTrade": True}


@pytest.mark.parametrize(
    ("row", "leg"),
    [
        ({"stopOrderType": "StopLoss"}, Leg.STOP),
        ({"stopOrderType": "TakeProfit"}, Leg.TARGET),
        ({"createType": "CreateByStopLoss"}, Leg.STOP),
        ({"createType": "CreateByPartialTakeProfit"}, Leg.TARGET),
        ({}, None),
    ],
    ids=str,
)
def test_a_fill_says_which_guard_it_was(row: dict[str, Any], leg: Leg | None) -> None:
    assert execution_of(Row(fill_row(**row), "test"), Names()).guard is leg


def test_a_fee_in_another_coin_does_not_touch_the_purse() -> None:
    fill = execution_of(Row(fill_row(feeCurrency="BTC"), "test"), Names())
    assert (fill.fee, fill.fee_asset) == (D(0), "BTC")


@pytest.mark.parametrize(
    ("side", "fee", "rate", "amount", "market"),
    [
        ("Buy", "0.5", "0.0001", "-0.5", "0.0001"),  # long and a positive rate: paid
        ("Sell", "-0.5", "-0.0001", "0.5", "0.0001"),  # short at the same rate, as the position sees it
        ("Sell", "-0.5", "0.0001", "0.5", "0.0001"),  # and as the market sees it
        ("Sell", "0.5", "-0.0001", "-0.5", "-0.0001"),
    ],
)
def test_funding_that_was_paid_is_negative_and_its_rate_is_the_markets(
    side: str, fee: str, rate: str, amount: str, market: str
) -> None:
    row = fill_row(execType="Funding", side=side, execFee=fee, feeRate=rate)
    payment = payment_of(Row(row, "test"), Names())
    assert (payment.amount, payment.rate) == (D(amount), D(market))


@pytest.mark.parametrize(
    ("rows", "mode", "expected"),
    [
        ([position_row()], "ISOLATED_MARGIN", (5, Margin.ISOLATED, True)),
        ([position_row(size="0", side="")], "REGULAR_MARGIN", (5, Margin.CROSS, True)),
        (
            [position_row(positionIdx=1), position_row(positionIdx=2, leverage="7")],
            "PORTFOLIO_MARGIN",
            (None, Margin.CROSS, False),
        ),
    ],
    ids=["isolated", "cross", "hedged"],
)
async def test_terms_are_read_back(rows: list[dict[str, Any]], mode: str, expected: tuple[Any, ...]) -> None:
    profile, _ = a_profile({"/v5/position/list": listed(*rows), "/v5/account/info": ok({"marginMode": mode})})
    terms = await profile.terms(BTC)
    assert (terms.leverage, terms.margin, terms.one_way) == expected


async def test_terms_that_nobody_tells_are_garbled() -> None:
    profile, _ = a_profile({"/v5/position/list": listed(), "/v5/account/info": ok({"marginMode": "ISOLATED_MARGIN"})})
    with pytest.raises(Garbled):
        await profile.terms(BTC)


async def test_without_a_key_nothing_of_an_account_is_asked() -> None:
    profile, requests = a_profile({}, key=False)
    with pytest.raises(Misuse, match="key"):
        await profile.positions()
    assert requests == []


# --- writes -------------------------------------------------------------------------------------------------------


async def test_an_entry_carries_both_levels_on_the_mark() -> None:
    profile, requests = a_profile({CREATE: acknowledged})
    seen = await profile.place(an_order(), a_protection("58500.0", "63000.5"))
    assert requests[0].params == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "side": "Buy",
        "orderType": "Market",
        "qty": "0.012",
        "orderLinkId": ID,
        "positionIdx": "0",
        "timeInForce": "IOC",
        "tpslMode": "Full",
        "stopLoss": "58500",
        "slTriggerBy": "MarkPrice",
        "slOrderType": "Market",
        "takeProfit": "63000.5",
        "tpTriggerBy": "MarkPrice",
        "tpOrderType": "Market",
    }
    assert (seen.id, seen.client_id, seen.status, seen.filled) == ("b-1", ID, OrderStatus.OPEN, D(0))
    assert (seen.quantity, seen.at) == (D("0.012"), AT)


async def test_an_order_counts_and_a_close_goes_before_an_entry() -> None:
    profile, requests = a_profile({CREATE: acknowledged, STOPS: ok(), CANCEL: ok()})
    await profile.place(an_order(), None)
    await profile.place(an_order(side=Side.SELL, leg=Leg.CLOSE, reduce_only=True), None)
    await profile.guard(BTC, Direction.LONG, D(1), Leg.STOP, D(58500), "")
    await profile.cancel(order_of(Row(order_row(), "test"), Names()))
    assert [(r.lane, r.orders) for r in requests] == [(Lane.ENTRY, 1), (Lane.EXIT, 1), (Lane.EXIT, 1), (Lane.EXIT, 1)]
    assert requests[1].params["reduceOnly"] == "true"
    assert "reduceOnly" not in requests[0].params


async def test_a_limit_order_waits_at_its_price() -> None:
    profile, requests = a_profile({CREATE: acknowledged})
    await profile.place(an_order(kind=OrderKind.LIMIT, price=D("59000.10")), None)
    sent = requests[0].params
    assert (sent["orderType"], sent["price"], sent["timeInForce"]) == ("Limit", "59000.1", "GTC")


async def test_a_stop_is_no_order_here() -> None:
    profile, requests = a_profile({CREATE: acknowledged})
    stop = an_order(kind=OrderKind.STOP, leg=Leg.STOP, side=Side.SELL, trigger=D(58500), reduce_only=True)
    with pytest.raises(ValueError, match="level of the position"):
        await profile.place(stop, None)
    assert requests == []


@pytest.mark.parametrize(
    "answer",
    [
        {},
        ok(),
        ok({"orderId": "", "orderLinkId": ID}),
        ok({"orderId": "b-1", "orderLinkId": "gv-other"}),
        {"retCode": 10001, "retMsg": "?", "result": {}, "time": 1},
        [],
        UnknownOutcome("no answer came back"),
    ],
    ids=["nothing", "no ids", "no id", "another's", "a code that slipped through", "a list", "none"],
)
async def test_an_answer_to_an_order_that_is_none_leaves_it_unknown(answer: Any) -> None:
    profile, requests = a_profile({CREATE: answer})
    with pytest.raises(UnknownOutcome):
        await profile.place(an_order(), None)
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("leg", "sent"),
    [
        (Leg.STOP, {"stopLoss": "59000", "slTriggerBy": "MarkPrice", "slOrderType": "Market"}),
        (Leg.TARGET, {"takeProfit": "59000", "tpTriggerBy": "MarkPrice", "tpOrderType": "Market"}),
    ],
)
async def test_one_level_is_set_and_moved_without_touching_the_other(leg: Leg, sent: dict[str, str]) -> None:
    whole = {"category": "linear", "symbol": "BTCUSDT", "tpslMode": "Full", "positionIdx": "0"} | sent
    profile, requests = a_profile({STOPS: ok()})
    await profile.guard(BTC, Direction.LONG, D("0.012"), leg, D("59000.0"), "gv-s0")
    await profile.move(BTC, Direction.LONG, leg, a_stop(), D(59000))
    assert [request.params for request in requests] == [whole, whole]


async def test_a_level_that_stands_there_already_is_success() -> None:
    profile, _ = a_profile({STOPS: OrderRejected("bybit: not modified (34040)", code=Code.UNCHANGED)})
    await profile.guard(BTC, Direction.LONG, D(1), Leg.STOP, D(59000), "gv-s0")
    await profile.move(BTC, Direction.LONG, Leg.STOP, a_stop(), D(59000))


async def test_moving_where_nothing_is_open_any_more_says_that_the_guard_is_gone() -> None:
    nothing = OrderRejected("bybit: can not set tp/sl/ts for zero position (10001)", code=Code.OTHER)
    profile, _ = a_profile({STOPS: nothing})
    with pytest.raises(OrderRejected) as moved:
        await profile.move(BTC, Direction.LONG, Leg.STOP, a_stop(), D(59000))
    assert moved.value.code == Code.GONE
    with pytest.raises(OrderRejected) as hung:
        await profile.guard(BTC, Direction.LONG, D(1), Leg.STOP, D(59000), "gv-s0")
    assert hung.value.code == Code.REDUCE_ONLY


async def test_moving_over_the_market_says_that_it_would_fire() -> None:
    words = "bybit: StopLoss:611000000 set for Buy position should lower than base_price:600000000??MarkPrice (10001)"
    profile, _ = a_profile({STOPS: OrderRejected(words, code=Code.OTHER)})
    with pytest.raises(OrderRejected) as refusal:
        await profile.move(BTC, Direction.LONG, Leg.STOP, a_stop(), D(61100))
    assert refusal.value.code == Code.TRIGGERS


async def test_a_level_is_taken_away_by_its_name_and_nothing_else_is() -> None:
    profile, requests = a_profile({STOPS: ok()})
    await profile.cancel(a_stop())
    await profile.cancel(a_stop(stopOrderType="TakeProfit"))
    assert [request.params["stopLoss"] for request in requests[:1]] == ["0"]
    assert requests[1].params["takeProfit"] == "0"
    assert "takeProfit" not in requests[0].params
    assert "stopLoss" not in requests[1].params


@pytest.mark.parametrize(
    "row",
    [
        {"stopOrderType": "PartialStopLoss", "tpslMode": "Partial"},
        {"stopOrderType": "TrailingStop", "qty": "0"},
        {"stopOrderType": "Stop", "orderLinkId": "gv-x"},
    ],
    ids=str,
)
async def test_other_conditional_orders_are_cancelled_by_their_id(row: dict[str, Any]) -> None:
    profile, requests = a_profile({CANCEL: ok()})
    await profile.cancel(a_stop(**row))
    assert requests[0].meant["orderId"] == "b-2"
    assert requests[0].meant["orderFilter"] == "StopOrder"


@pytest.mark.parametrize(
    "refusal",
    [
        OrderRejected("bybit: not modified (34040)", code=Code.UNCHANGED),
        OrderRejected("bybit: can not set tp/sl/ts for zero position (10001)", code=Code.OTHER),
    ],
    ids=["no level", "no position"],
)
async def test_a_level_that_is_not_there_is_gone(refusal: OrderRejected) -> None:
    profile, _ = a_profile({STOPS: refusal})
    with pytest.raises(OrderRejected) as no:
        await profile.cancel(a_stop())
    assert no.value.code == Code.GONE


async def test_what_is_so_already_is_told_as_unchanged() -> None:
    profile, _ = a_profile({"/v5/position/set-leverage": OrderRejected("not modified (110043)", code=Code.UNCHANGED)})
    with pytest.raises(OrderRejected) as no:
        await profile.set_leverage(BTC, 5)
    assert no.value.code == Code.UNCHANGED


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("110007", Code.MARGIN),
        ("110012", Code.MARGIN),
        ("110017", Code.REDUCE_ONLY),
        ("110072", Code.DUPLICATE),
        ("110094", Code.SIZE),
        ("110003", Code.PRICE),
        ("110043", Code.UNCHANGED),
        ("110025", Code.UNCHANGED),
        ("34040", Code.UNCHANGED),
        ("110024", Code.BUSY),
        ("110028", Code.BUSY),
        ("110013", Code.LEVERAGE),
        ("110001", Code.GONE),
        ("10003", Code.AUTH),
        ("10004", Code.AUTH),
        ("33004", Code.AUTH),
        ("10005", Code.PERMISSION),
        ("10010", Code.IP),
        ("110009", Code.OTHER),
        ("110020", Code.OTHER),
    ],
)
def test_refusals_have_our_words(number: str, code: Code) -> None:
    assert DIALECT.codes[number] is code


def test_no_code_is_refused_and_unknown_at_once() -> None:
    kinds = [set(DIALECT.codes), DIALECT.unknown, DIALECT.not_done, DIALECT.clock]
    assert len(set().union(*kinds)) == sum(len(kind) for kind in kinds)
    assert {"10000", "10016"} <= DIALECT.unknown
    assert {"10006", "429", "10018"} <= DIALECT.not_done
    assert "10002" in DIALECT.clock


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("position idx not match position mode", Code.MODE),
        ("The number of contracts exceeds maximum limit allowed: too large", Code.SIZE),
        ("Qty invalid", Code.STEP),
        ("not modified", Code.UNCHANGED),
        ("expect Rising, but trigger_price[1] <= current[2]??1", Code.TRIGGERS),
        ("Illegal category", Code.OTHER),
    ],
)
def test_the_code_for_everything_is_read_by_its_text(words: str, code: Code) -> None:
    assert refined(OrderRejected(f"bybit: {words} (10001)", code=Code.OTHER)).code == code


def test_a_text_does_not_outweigh_a_number_that_says_why() -> None:
    refusal = OrderRejected("bybit: leverage too high for this margin (110007)", code=Code.MARGIN)
    assert refined(refusal) is refusal


# --- the examination ----------------------------------------------------------------------------------------------

KEY = {
    "readOnly": 0,
    "permissions": {"ContractTrade": ["Order", "Position"], "Wallet": []},
    "ips": ["10.0.0.1"],
    "type": 1,
    "expiredAt": "1970-01-01T00:00:00Z",
    "uta": 1,
}


@pytest.mark.parametrize(
    ("key", "name", "grade"),
    [
        ({}, "permissions of the key", Grade.OK),
        ({"permissions": {"Wallet": ["Withdraw"]}}, "permissions of the key", Grade.ERROR),
        ({"readOnly": 1}, "permissions of the key", Grade.ERROR),
        ({"permissions": {"ContractTrade": ["Position"], "Wallet": []}}, "permissions of the key", Grade.ERROR),
        (
            {"permissions": KEY["permissions"] | {"Wallet": ["AccountTransfer"]}},  # type: ignore[operator]
            "permissions of the key",
            Grade.WARNING,
        ),
        ({}, "IP allow-list", Grade.OK),
        ({"ips": ["*"]}, "IP allow-list", Grade.WARNING),
        ({"ips": []}, "IP allow-list", Grade.WARNING),
        ({}, "expiry of the key", Grade.OK),
        ({"expiredAt": "2026-01-12T00:00:00Z"}, "expiry of the key", Grade.WARNING),
        ({"expiredAt": "2026-06-12T00:00:00Z"}, "expiry of the key", Grade.OK),
        ({"type": 2}, "kind of the key", Grade.WARNING),
        ({}, "kind of the account", Grade.OK),
        ({"uta": 0}, "kind of the account", Grade.ERROR),
    ],
    ids=str,
)
async def test_a_key_is_examined(key: dict[str, Any], name: str, grade: Grade) -> None:
    profile, _ = a_profile({"/v5/user/query-api": ok(KEY | key), "/v5/account/info": ok({"unifiedMarginStatus": 6})})
    [finding] = [each for each in await profile.examine_key() if each.name == name]
    assert finding.grade is grade
    assert bool(finding.mend) is (grade is not Grade.OK)


async def test_a_classic_account_is_refused() -> None:
    profile, _ = a_profile({"/v5/user/query-api": ok(KEY), "/v5/account/info": ok({"unifiedMarginStatus": 1})})
    assert (await profile.examine_key())[-1].grade is Grade.ERROR


async def test_a_demo_account_tells_nothing_of_its_key() -> None:
    profile, requests = a_profile({}, practice="demo")
    [finding] = await profile.examine_key()
    assert finding.grade is Grade.WARNING
    assert requests == []


# --- streams ------------------------------------------------------------------------------------------------------


def ticker(kind: str = "delta", *, cs: int = 1, ts: datetime = AT, **data: str) -> dict[str, Any]:
    return {"topic": "tickers.BTCUSDT", "type": kind, "cs": cs, "ts": to_ms(ts), "data": {"symbol": "BTCUSDT"} | data}


FIRST = ticker("snapshot", bid1Price="100", ask1Price="101", markPrice="100.5")


def test_a_delta_is_merged_into_the_snapshot() -> None:
    profile, _ = a_profile({}, key=False)
    assert list(profile.public_news(ticker(bid1Price="99"))) == []  # the rest is not known yet
    assert list(profile.public_news(FIRST)) == [Quote(symbol=BTC, at=AT, bid=D(100), ask=D(101), mark=D("100.5"))]
    [quote] = profile.public_news(ticker(cs=2, ts=AT + MINUTE, ask1Price="102"))
    assert quote == Quote(symbol=BTC, at=AT + MINUTE, bid=D(100), ask=D(102), mark=D("100.5"))
    assert list(profile.public_news(ticker(cs=3, openInterest="5"))) == []


def test_a_delta_that_comes_late_changes_nothing_newer() -> None:
    profile, _ = a_profile({}, key=False)
    list(profile.public_news(FIRST))
    list(profile.public_news(ticker(cs=3, bid1Price="90")))
    assert list(profile.public_news(ticker(cs=2, bid1Price="95"))) == []
    [quote] = profile.public_news(ticker(cs=2, markPrice="91"))
    assert isinstance(quote, Quote)
    assert (quote.bid, quote.mark) == (D(90), D(91))


def test_a_snapshot_replaces_all_even_where_the_exchange_counts_anew() -> None:
    profile, _ = a_profile({}, key=False)
    list(profile.public_news(FIRST | {"cs": 900}))
    [quote] = profile.public_news(ticker("snapshot", cs=1, bid1Price="5", ask1Price="6", markPrice="5"))
    assert isinstance(quote, Quote)
    assert quote.bid == D(5)


def test_public_trades_say_what_the_taker_did() -> None:
    profile, _ = a_profile({}, key=False)
    row = {"T": to_ms(AT), "s": "BTCUSDT", "S": "Sell", "v": "0.5", "p": "100"}
    [trade] = profile.public_news({"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 1, "data": [row]})
    assert trade == Traded(symbol=BTC, at=AT, price=D(100), quantity=D("0.5"), buy=False)


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        "pong",
        {},
        {"op": "subscribe", "success": True},
        {"topic": "tickers.BTCUSDT"},
        ticker("snapshot", bid1Price="9", ask1Price="1", markPrice="1"),
        ticker("snapshot", bid1Price="x", ask1Price="1", markPrice="1"),
        {"topic": "publicTrade.BTCUSDT", "data": [{"S": "Sideways"}]},
    ],
    ids=str,
)
def test_a_public_message_of_another_shape_says_nothing(message: Any) -> None:
    profile, _ = a_profile({}, key=False)
    assert list(profile.public_news(message)) == []


def test_without_symbols_nothing_is_subscribed_to() -> None:
    profile, _ = a_profile({}, key=False)
    assert profile.public_channels([]) == ()


@pytest.mark.parametrize(
    ("topic", "row", "stir"),
    [
        (
            "order",
            {"orderLinkId": ID, "orderStatus": "Cancelled"},
            Stir(symbol=BTC, client_id=ID, ended=True, what="order"),
        ),
        ("order", {"orderLinkId": ID, "orderStatus": "New"}, Stir(symbol=BTC, client_id=ID, what="order")),
        ("order", {"orderStatus": "Filled", "stopOrderType": "StopLoss"}, Stir(symbol=BTC, ended=True, what="algo")),
        ("execution", {"orderLinkId": ID, "execType": "Trade"}, Stir(symbol=BTC, client_id=ID, what="fill")),
        ("execution", {"execType": "Funding"}, Stir(symbol=BTC, what="funding")),
        ("position", {"side": ""}, Stir(symbol=BTC, what="position")),
    ],
    ids=str,
)
def test_a_message_of_the_account_is_a_stir(topic: str, row: dict[str, Any], stir: Stir) -> None:
    profile, _ = a_profile({})
    data = [{"category": "linear", "symbol": "BTCUSDT"} | row, {"category": "spot", "symbol": "BTCUSDT"}]
    assert list(profile.private_news({"topic": topic, "data": data})) == [stir]


@pytest.mark.parametrize(
    "message",
    [None, [], {"topic": "order"}, {"topic": "order", "data": [{}]}, {"topic": "new thing", "data": []}, {"a": 1}],
    ids=str,
)
def test_a_message_of_the_account_that_is_not_understood_stirs_everything(message: Any) -> None:
    profile, _ = a_profile({})
    [stir] = profile.private_news(message)
    assert stir.symbol is None


@pytest.mark.parametrize(
    "message", [{"op": "auth", "success": True}, {"op": "pong"}, {"success": True, "ret_msg": "pong"}], ids=str
)
def test_an_acknowledgement_stirs_nothing(message: Any) -> None:
    profile, _ = a_profile({})
    assert list(profile.private_news(message)) == []


# --- the dialect --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("practice", "host"), [("", "api"), ("testnet", "api-testnet"), ("demo", "api-demo")])
async def test_a_practice_account_has_its_own_hosts_and_they_are_all_allowed(practice: str, host: str) -> None:
    caller, requests = recorder(DIALECT, {"/v5/market/time": ok()}, practice=practice)
    profile = DIALECT.profile(caller, caller, practice=practice)
    assert await profile.server_time() == AT
    assert requests[0].host == f"{host}.bybit.com"
    assert requests[0].host in DIALECT.domains
    sockets = caller.exchange.urls["api"]["ws"]
    for url in (sockets["public"]["linear"], sockets["private"]["contract"]):
        assert caller.exchange.implode_hostname(url).split("/")[2] in DIALECT.domains


def test_an_unknown_practice_account_is_refused() -> None:
    caller, _ = recorder(DIALECT, {})
    with pytest.raises(Misuse, match="demo and testnet"):
        DIALECT.practise(caller.exchange, "paper")


# --- what ccxt keeps as comments ----------------------------------------------------------------------------------


def row_in(name: str, number: int = 0) -> Row:
    return Row(sample("bybit", name)[number]["result"]["list"][0], f"sample {name}")


def test_the_samples_of_the_market_are_read() -> None:
    ticker_row = row_in("fetch_ticker")
    assert quote_of(ticker_row, BTC, AT).mark == D("16596.00")
    now = funding_of(ticker_row, timedelta(hours=8))
    assert (now.rate, now.every) == (D("-0.001034"), timedelta(hours=8))
    tier = lowest_tier([Row(row, "sample") for row in sample("bybit", "parse_leverage_tiers")[0]], "BTCUSD")
    assert tier.number("maintenanceMargin") == D("0.5")


def test_the_sample_of_an_old_instrument_lacks_what_we_need() -> None:
    assert "maxMktOrderQty" not in row_in("fetch_future_markets").row("lotSizeFilter").raw


def test_the_samples_of_orders_and_fills_are_read() -> None:
    [_, order, _] = sample("bybit", "parse_order")
    seen = order_of(Row(order, "sample"), Names())
    assert (seen.symbol, seen.side, seen.status, seen.reduce_only) == (BTC, Side.SELL, OrderStatus.FILLED, True)
    fill = execution_of(row_in("fetch_my_trades"), Names())
    assert (fill.symbol, fill.fee, fill.price) == (Symbol("ETH/USDC:USDC"), D("0.071409"), D("1190.15"))
    [funding] = sample("bybit", "parse_income")
    assert payment_of(Row(funding, "sample"), Names()).amount == D("0.10232512")


def test_the_samples_of_positions_and_money_are_read() -> None:
    held = held_of(row_in("fetch_position"), Names())
    assert held is not None
    assert (held.symbol, held.direction, held.entry) == ("XRP/USDT:USDT", Direction.LONG, D("0.3615"))
    account = Row(sample("bybit", "fetch_balance")[2]["result"]["list"][0], "sample")
    assert purse_of(account, "BTC").wallet == Decimal("0.805994")


def test_the_samples_of_the_streams_are_read() -> None:
    profile, _ = a_profile({})
    linear, _, _, _, delta = sample("bybit", "ws:handle_ticker")
    [quote] = profile.public_news(linear)
    assert isinstance(quote, Quote)
    assert (quote.bid, quote.ask, quote.mark) == (D("17215.50"), D("17216.00"), D("17217.33"))
    assert list(profile.public_news(delta)) == []
    [trade] = profile.public_news(sample("bybit", "ws:handle_trades")[0])
    assert isinstance(trade, Traded)
    assert trade.buy
    _, execution, fast = sample("bybit", "ws:handle_my_trades")
    assert [stir.what for stir in (*profile.private_news(execution), *profile.private_news(fast))] == ["fill", "fill"]
