"""Binance USD-M's rows as its documentation shows them, and a profile that reads them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal as D
from typing import Any

from tests.recorded import Request, recorder
from trading.market.series import to_ms
from trading.model import ClientId, DecisionId, Leg, Order, OrderKind, Side, Symbol
from trading.venues.exchange import binance_rows
from trading.venues.exchange.binance import DIALECT, BinanceProfile
from trading.venues.exchange.parsing import Row
from trading.venues.exchange.wire import Seen

BTC = Symbol("BTC/USDT:USDT")
ID = ClientId("gv-aaaaaaaaaaaaaaaaaaaaaaaa-e0")
STOP_ID = "gv-aaaaaaaaaaaaaaaaaaaaaaaa-s0"
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
MS = to_ms(AT)
F = "/fapi/v1"


def profile(
    answers: Mapping[str, Any], *, key: bool = True, practice: str = ""
) -> tuple[BinanceProfile, list[Request]]:
    caller, requests = recorder(DIALECT, answers, practice=practice, key=key)
    return DIALECT.profile(caller, caller if key else None, practice=practice), requests


def order(**changes: Any) -> Order:
    given = Order(
        client_id=ID,
        decision_id=DecisionId("btc-aaaaaaaa"),
        leg=Leg.ENTRY,
        symbol=BTC,
        side=Side.BUY,
        kind=OrderKind.MARKET,
        quantity=D("0.012"),
        created_at=AT,
    )
    return replace(given, **changes)


def plain_row(**changes: Any) -> dict[str, Any]:
    return {
        "orderId": 7371,
        "symbol": "BTCUSDT",
        "status": "FILLED",
        "clientOrderId": ID,
        "price": "0",
        "avgPrice": "69000.5",
        "origQty": "0.012",
        "executedQty": "0.012",
        "type": "MARKET",
        "origType": "MARKET",
        "reduceOnly": False,
        "closePosition": False,
        "side": "BUY",
        "positionSide": "BOTH",
        "stopPrice": "0",
        "time": MS,
        "updateTime": MS,
    } | changes


def algo_row(**changes: Any) -> dict[str, Any]:
    return {
        "algoId": 2146760,
        "clientAlgoId": STOP_ID,
        "algoType": "CONDITIONAL",
        "orderType": "STOP_MARKET",
        "symbol": "BTCUSDT",
        "side": "SELL",
        "positionSide": "BOTH",
        "timeInForce": "GTC",
        "quantity": "0.000",
        "algoStatus": "NEW",
        "actualOrderId": "",
        "triggerPrice": "60000.1",
        "price": "0.00",
        "workingType": "MARK_PRICE",
        "closePosition": True,
        "reduceOnly": True,
        "createTime": MS,
        "updateTime": MS,
        "triggerTime": 0,
    } | changes


def held_row(amount: str = "0.012", **changes: Any) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "positionSide": "BOTH",
        "positionAmt": amount,
        "entryPrice": "69000.1",
        "markPrice": "69010",
        "liquidationPrice": "0",
        "updateTime": MS,
    } | changes


def market_row(base: str = "BTC", **changes: Any) -> dict[str, Any]:
    return {
        "symbol": f"{base}USDT",
        "pair": f"{base}USDT",
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": base,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "4529764", "tickSize": "0.10"},
            {"filterType": "LOT_SIZE", "stepSize": "0.001", "minQty": "0.001", "maxQty": "1000"},
            {"filterType": "MARKET_LOT_SIZE", "stepSize": "0.001", "minQty": "0.001", "maxQty": "120"},
            {"filterType": "MIN_NOTIONAL", "notional": "100"},
        ],
    } | changes


def standing(**changes: Any) -> Seen:
    return replace(binance_rows.algo(Row(algo_row(), "a guard")), **changes)


KLINE = [MS, "1", "3", "0.5", "2", "10", MS + 299999, "20", 7, "6", "12", "0"]
ANSWERS: dict[str, Any] = {
    f"GET {F}/time": {"serverTime": MS},
    f"GET {F}/exchangeInfo": {"symbols": []},
    f"GET {F}/fundingInfo": [],
    f"GET {F}/leverageBracket": [],
    f"GET {F}/klines": [KLINE],
    f"GET {F}/depth": {"lastUpdateId": 1, "E": MS, "T": MS, "bids": [["1", "2"]], "asks": [["3", "4"]]},
    f"GET {F}/premiumIndex": {
        "symbol": "BTCUSDT",
        "markPrice": "69000.5",
        "lastFundingRate": "0.0001",
        "nextFundingTime": MS + 3600000,
        "time": MS,
    },
    f"GET {F}/ticker/bookTicker": {"symbol": "BTCUSDT", "bidPrice": "69000", "askPrice": "69001", "time": MS - 5},
    f"POST {F}/leverage": {"leverage": 5, "symbol": "BTCUSDT", "maxNotionalValue": "1"},
    f"POST {F}/marginType": {"code": 200, "msg": "success"},
    f"POST {F}/positionSide/dual": {"code": 200, "msg": "success"},
    f"POST {F}/order": plain_row(),
    f"GET {F}/order": plain_row(),
    f"POST {F}/algoOrder": algo_row(),
    f"GET {F}/openOrders": [],
    f"GET {F}/openAlgoOrders": [],
    f"DELETE {F}/order": {"orderId": 7371, "status": "CANCELED"},
    f"DELETE {F}/algoOrder": {"algoId": 7371, "clientAlgoId": STOP_ID, "code": "200", "msg": "success"},
    "GET /fapi/v3/positionRisk": [],
}
