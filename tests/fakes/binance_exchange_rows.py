"""Rows as Binance USD-M writes them: orders, conditional ("algo") ones, fills, positions, and events of the account."""

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from tests.fakes.exchange_core_values import CoreFill, CoreIncome, CoreOrder, CorePosition, Spec

Json = dict[str, Any]

INCOME_TYPES = {
    "FUNDING": "FUNDING_FEE",
    "REALISED": "REALIZED_PNL",
    "COMMISSION": "COMMISSION",
    "TRANSFER": "TRANSFER",
}
_WORKING = {"MARK": "MARK_PRICE", "LAST": "CONTRACT_PRICE"}


def digits(step: Decimal) -> int:
    """Decimals of a step; 0 for 1, 10 and 100."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -int(exponent))


def shown(number: Decimal | None, places: int | None = None) -> str:
    """A number as text, without exponent; `places` decimals where given."""
    number = Decimal(0) if number is None else number
    if places is not None:
        number = number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
    return f"{number:f}"


def money(number: Decimal) -> str:
    return shown(number, 8)


def client_id(order: CoreOrder) -> str:
    """A liquidation is an order of the exchange's own."""
    return f"autoclose-{order.id}" if order.liquidation else order.client_id


def average(order: CoreOrder, spec: Spec) -> str:
    return shown(order.average, max(5, digits(spec.tick) + 3))


def order_row(order: CoreOrder, spec: Spec, *, hedged: bool, acknowledged_only: bool = False) -> Json:
    """A plain order. `acknowledged_only`: as it was when it arrived, before anything was filled."""
    filled = Decimal(0) if acknowledged_only else order.filled
    value = Decimal(0) if acknowledged_only else order.value
    return {
        "orderId": order.id,
        "symbol": order.native,
        "status": "NEW" if acknowledged_only else order.status,
        "clientOrderId": client_id(order),
        "price": shown(order.price, digits(spec.tick)),
        "avgPrice": "0.00" if acknowledged_only or not order.filled else average(order, spec),
        "origQty": shown(order.quantity),
        "executedQty": shown(filled),
        "cumQty": shown(filled),
        "cumQuote": shown(value),
        "timeInForce": "GTC" if order.kind == "MARKET" else order.tif,
        "type": order.kind,
        "reduceOnly": order.reduce_only,
        "closePosition": order.close_all,
        "side": order.side,
        "positionSide": order.direction if hedged else "BOTH",
        "stopPrice": shown(order.trigger),
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": order.kind,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0,
        "updateTime": order.updated,
    }


def queried_row(order: CoreOrder, spec: Spec, *, hedged: bool) -> Json:
    return order_row(order, spec, hedged=hedged) | {"time": order.created}


def algo_status(order: CoreOrder, child: CoreOrder | None) -> str:
    """NEW until it fires; FINISHED once what it became has ended; EXPIRED where the exchange took it away."""
    if order.status == "UNTRIGGERED":
        return "NEW"
    if order.status == "TRIGGERED":
        return "TRIGGERED" if child is None or child.open else "FINISHED"
    if order.status == "CANCELED" and order.close_all and order.note == "the position is closed":
        return "EXPIRED"
    return order.status


def algo_row(order: CoreOrder, spec: Spec, *, hedged: bool) -> Json:
    """What placing a conditional order answers with."""
    return {
        "algoId": order.id,
        "clientAlgoId": order.client_id,
        "algoType": "CONDITIONAL",
        "orderType": order.kind,
        "symbol": order.native,
        "side": order.side,
        "positionSide": order.direction if hedged else "BOTH",
        "timeInForce": "GTE_GTC" if order.close_all else order.tif,
        "quantity": shown(Decimal(0) if order.close_all else order.quantity),
        "algoStatus": "NEW",
        "triggerPrice": shown(order.trigger, digits(spec.tick)),
        "price": shown(Decimal(0), digits(spec.tick)),
        "icebergQuantity": None,
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": _WORKING[order.working],
        "priceMatch": "NONE",
        "closePosition": order.close_all,
        "priceProtect": False,
        "reduceOnly": order.reduce_only or order.close_all,
        "activatePrice": "",
        "callbackRate": "",
        "createTime": order.created,
        "updateTime": order.updated,
        "triggerTime": 0,
        "goodTillDate": 0,
    }


def queried_algo_row(order: CoreOrder, spec: Spec, child: CoreOrder | None, *, hedged: bool) -> Json:
    row = algo_row(order, spec, hedged=hedged)
    for left_out in ("activatePrice", "callbackRate"):
        del row[left_out]
    nothing = shown(Decimal(0), digits(spec.tick))
    return row | {
        "algoStatus": algo_status(order, child),
        "actualOrderId": str(order.fired) if order.fired is not None else "",
        "actualPrice": average(child, spec) if child is not None else "0.00000",
        "tpTriggerPrice": nothing,
        "tpPrice": nothing,
        "slTriggerPrice": nothing,
        "slPrice": nothing,
        "tpOrderType": "",
        "triggerTime": order.updated if order.fired is not None else 0,
    }


def fill_row(fill: CoreFill, *, hedged: bool) -> Json:
    return {
        "buyer": fill.side == "BUY",
        "commission": shown(fill.fee),
        "commissionAsset": "USDT",
        "id": fill.id,
        "maker": fill.maker,
        "orderId": fill.order,
        "price": shown(fill.price),
        "qty": shown(fill.quantity),
        "quoteQty": shown(fill.price * fill.quantity),
        "realizedPnl": shown(fill.realised),
        "side": fill.side,
        "positionSide": fill.direction if hedged else "BOTH",
        "symbol": fill.native,
        "time": fill.at,
    }


def income_row(income: CoreIncome) -> Json:
    kind = INCOME_TYPES[income.kind]
    return {
        "symbol": income.native,
        "incomeType": kind,
        "income": shown(income.amount),
        "asset": "USDT",
        "info": kind if income.fill is None else str(income.fill),
        "time": income.at,
        "tranId": 9_000_000_000_000 + income.id,
        "tradeId": "" if income.fill is None else str(income.fill),
    }


def position_row(position: CorePosition, spec: Spec, mark: Decimal, *, hedged: bool, isolated: bool) -> Json:
    """/fapi/v3/positionRisk: no leverage, no margin mode."""
    notional = position.signed * mark
    liquidation = position.liquidation(spec.maintenance)
    margin = abs(notional) / position.leverage
    return {
        "symbol": position.native,
        "positionSide": position.direction if hedged else "BOTH",
        "positionAmt": shown(position.signed),
        "entryPrice": money(position.entry),
        "breakEvenPrice": money(position.entry),
        "markPrice": money(mark),
        "unRealizedProfit": money(position.unrealised(mark)),
        "liquidationPrice": money(liquidation) if liquidation is not None else "0",
        "isolatedMargin": money(position.margin + position.unrealised(mark)) if isolated else "0",
        "notional": money(notional),
        "marginAsset": "USDT",
        "isolatedWallet": money(position.margin) if isolated else "0",
        "initialMargin": money(margin),
        "maintMargin": money(abs(notional) * spec.maintenance),
        "positionInitialMargin": money(margin),
        "openOrderInitialMargin": "0",
        "adl": 2,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": position.updated,
    }


def empty_position_row(native: str, mark: Decimal, side: str) -> Json:
    zero = "0"
    names = ("positionAmt", "liquidationPrice", "isolatedMargin", "notional", "isolatedWallet", "initialMargin")
    more = ("maintMargin", "positionInitialMargin", "openOrderInitialMargin", "bidNotional", "askNotional")
    row: Json = {"symbol": native, "positionSide": side, "marginAsset": "USDT", "adl": 0, "updateTime": 0}
    row |= dict.fromkeys((*names, *more), zero)
    return row | {"entryPrice": "0.0", "breakEvenPrice": "0.0", "unRealizedProfit": "0.00", "markPrice": money(mark)}


# --- events of the account's stream -------------------------------------------------------------------------------


def order_event(order: CoreOrder, spec: Spec, what: str, fill: CoreFill | None, *, hedged: bool, at: int) -> Json:
    """ORDER_TRADE_UPDATE. `what` is its execution type: NEW, TRADE, CANCELED, EXPIRED, CALCULATED."""
    none = Decimal(0)
    body: Json = {
        "s": order.native,
        "c": client_id(order),
        "S": order.side,
        "o": "LIQUIDATION" if fill is not None and fill.liquidation else order.kind,
        "f": "GTC" if order.kind == "MARKET" else order.tif,
        "q": shown(order.quantity),
        "p": shown(order.price),
        "ap": average(order, spec) if order.filled else "0",
        "sp": "0",
        "x": what,
        "X": order.status,
        "i": order.id,
        "l": shown(fill.quantity if fill else none),
        "z": shown(order.filled),
        "L": shown(fill.price if fill else none),
    }
    if fill is not None:
        body |= {"n": shown(fill.fee), "N": "USDT"}
    body |= {
        "T": fill.at if fill else order.updated,
        "t": fill.id if fill else 0,
        "b": "0",
        "a": "0",
        "m": fill.maker if fill else False,
        "R": order.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": order.kind,
        "ps": order.direction if hedged else "BOTH",
        "cp": order.close_all,
        "rp": shown(fill.realised if fill else none),
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": "EXPIRE_MAKER",
        "pm": "NONE",
        "gtd": 0,
        "er": "0",
    }
    return {"e": "ORDER_TRADE_UPDATE", "E": at, "T": order.updated, "o": body}


def algo_event(order: CoreOrder, spec: Spec, status: str, child: CoreOrder | None, *, hedged: bool, at: int) -> Json:
    """ALGO_UPDATE. What it became in the matching engine is told once it was triggered."""
    body: Json = {
        "caid": order.client_id,
        "aid": order.id,
        "at": "CONDITIONAL",
        "o": order.kind,
        "s": order.native,
        "S": order.side,
        "ps": order.direction if hedged else "BOTH",
        "f": "GTE_GTC" if order.close_all else order.tif,
        "q": shown(Decimal(0) if order.close_all else order.quantity),
        "X": status,
        "ai": str(child.id) if child else "",
    }
    if child is not None:
        body |= {"ap": average(child, spec), "aq": shown(child.filled), "act": child.kind}
    body |= {
        "tp": shown(order.trigger, digits(spec.tick)),
        "p": "0",
        "V": "EXPIRE_MAKER",
        "wt": _WORKING[order.working],
        "pm": "NONE",
        "cp": order.close_all,
        "pP": False,
        "R": order.reduce_only or order.close_all,
        "tt": order.updated if order.fired is not None else 0,
        "gtd": 0,
        "rm": order.note,
    }
    return {"e": "ALGO_UPDATE", "T": order.updated, "E": at, "o": body}


def account_event(
    reason: str, wallet: Decimal, cross: Decimal, rows: Iterable[Json], *, change: Decimal, at: int
) -> Json:
    balance = {"a": "USDT", "wb": money(wallet), "cw": money(cross), "bc": shown(change)}
    return {"e": "ACCOUNT_UPDATE", "E": at, "T": at, "a": {"m": reason, "B": [balance], "P": list(rows)}}


def position_event_row(position: CorePosition, mark: Decimal, *, hedged: bool, isolated: bool) -> Json:
    return {
        "s": position.native,
        "pa": shown(position.signed),
        "ep": money(position.entry),
        "bep": money(position.entry),
        "cr": "0",
        "up": money(position.unrealised(mark)),
        "mt": "isolated" if isolated else "cross",
        "iw": money(position.margin) if isolated else "0",
        "ps": position.direction if hedged else "BOTH",
        "ma": "USDT",
    }
