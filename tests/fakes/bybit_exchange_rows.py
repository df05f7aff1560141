"""How Bybit V5 writes the emulated exchange's orders, fills, positions and instruments: every number is text."""

from decimal import Decimal
from typing import Any

from tests.fakes.exchange_core import Core, CoreFill, CoreIncome, CoreOrder, CorePosition, Spec

SIDES = {"BUY": "Buy", "SELL": "Sell"}
STATUSES = {
    "NEW": "New",
    "PARTIALLY_FILLED": "PartiallyFilled",
    "FILLED": "Filled",
    "CANCELED": "Cancelled",
    "REJECTED": "Rejected",
    "UNTRIGGERED": "Untriggered",
    "TRIGGERED": "Triggered",
}
CLOSED = frozenset(("Filled", "Cancelled", "PartiallyFilledCanceled", "Rejected", "Deactivated"))
ZERO = Decimal(0)


def text(number: Decimal | int) -> str:
    """A number without exponent and without trailing zeros."""
    shown = f"{Decimal(number):f}"
    return (shown.rstrip("0").rstrip(".") if "." in shown else shown) or "0"


def order_uuid(number: int) -> str:
    return f"b0b0b0b0-0000-4000-8000-{number:012x}"


def order_number(uuid: str) -> int | None:
    """The core's number of an order id, None for what this exchange never gave."""
    head, _, tail = uuid.rpartition("-")
    if head != "b0b0b0b0-0000-4000-8000":
        return None
    try:
        return int(tail, 16)
    except ValueError:
        return None


def fill_uuid(number: int) -> str:
    return f"e0e0e0e0-0000-4000-8000-{number:012x}"


def funding_uuid(number: int) -> str:
    return f"f0f0f0f0-0000-4000-8000-{number:012x}"


def stop_type(order: CoreOrder) -> str:
    """StopLoss and TakeProfit are levels of a position; any other conditional order is a Stop."""
    if not order.conditional:
        return ""
    if not order.close_all:
        return "Stop"
    return "StopLoss" if order.kind == "STOP_MARKET" else "TakeProfit"


def create_type(order: CoreOrder) -> str:
    if order.liquidation:
        return "CreateByLiq"
    kinds = {
        "Stop": "CreateByStopOrder",
        "StopLoss": "CreateByStopLoss",
        "TakeProfit": "CreateByTakeProfit",
        "": "CreateByUser",
    }
    return kinds[stop_type(order)]


def rising(order: CoreOrder) -> bool:
    """Whether a conditional order waits for the price to rise."""
    return (order.side == "BUY") == (order.kind == "STOP_MARKET")


def order_row(
    core: Core, order: CoreOrder, child: CoreOrder | None, *, fee: Decimal, extra: dict[str, str], partly: str
) -> dict[str, Any]:
    """An order as order/realtime and the order stream show it; `child` is the plain order it became when it fired."""
    done = child or order
    status = STATUSES.get(done.status, "Cancelled")
    if done.status in ("CANCELED", "EXPIRED", "REJECTED") and done.filled:
        status = partly
    spec = core.specs[order.native]
    quantity = child.quantity if child else _shown_quantity(core, order)
    left = ZERO if status in CLOSED else quantity - done.filled
    market = done.kind != "LIMIT"
    return {
        "orderId": order_uuid(order.id),
        "orderLinkId": order.client_id,
        "blockTradeId": "",
        "symbol": order.native,
        "price": text(done.price) if done.price is not None else _slipped(core, order),
        "qty": text(quantity),
        "side": SIDES[order.side],
        "isLeverage": "",
        "positionIdx": 0,
        "orderStatus": status,
        "createType": create_type(order),
        "cancelType": _cancel_type(order, status),
        "rejectReason": _reject_reason(done),
        "avgPrice": text(_average(done, spec)) if done.filled else "",
        "leavesQty": text(left),
        "leavesValue": text(left * (done.price or core.mark(order.native))),
        "cumExecQty": text(done.filled),
        "cumExecValue": text(done.value),
        "cumExecFee": text(fee),
        "timeInForce": "IOC" if market else "GTC",
        "orderType": "Market" if market else "Limit",
        "stopOrderType": stop_type(order),
        "orderIv": "",
        "triggerPrice": text(order.trigger) if order.trigger is not None else "",
        "takeProfit": "",
        "stopLoss": "",
        "tpTriggerBy": "",
        "slTriggerBy": "",
        "triggerDirection": 0 if not order.conditional else 1 if rising(order) else 2,
        "triggerBy": "" if not order.conditional else "MarkPrice" if order.working == "MARK" else "LastPrice",
        "lastPriceOnCreated": "",
        "reduceOnly": order.reduce_only or order.close_all,
        "closeOnTrigger": order.close_all,
        "placeType": "",
        "smpType": "None",
        "smpGroup": 0,
        "smpOrderId": "",
        "tpslMode": "Full" if order.close_all or extra else "",
        "tpLimitPrice": "",
        "slLimitPrice": "",
        "createdTime": str(order.created),
        "updatedTime": str(max(order.updated, done.updated)),
    } | extra


def _shown_quantity(core: Core, order: CoreOrder) -> Decimal:
    """A level closes all of the position: it shows what is open, and what was open once that is gone."""
    position = core.positions.get((order.native, order.direction)) if order.close_all else None
    return position.quantity if position and position.quantity else order.quantity


def _slipped(core: Core, order: CoreOrder) -> str:
    """A market order is a limit order with a cap on its slippage: 5 % here."""
    if order.conditional:
        return "0"
    tick = core.specs[order.native].tick
    far = core.mark(order.native) * (Decimal("1.05") if order.side == "BUY" else Decimal("0.95"))
    return text(far // tick * tick)


def _average(order: CoreOrder, spec: Spec) -> Decimal:
    return (order.value / order.filled).quantize(spec.tick / 100)


def _cancel_type(order: CoreOrder, status: str) -> str:
    if status not in ("Cancelled", "PartiallyFilledCanceled"):
        return "UNKNOWN"
    if order.note == "by user":
        return "CancelByUser"
    if order.close_all:
        return "CancelByTpSlTsClear"
    return "CancelByReduceOnly" if order.note == "nothing to reduce" else "UNKNOWN"


def _reject_reason(order: CoreOrder) -> str:
    """Why an order ended that nobody cancelled."""
    if order.status != "EXPIRED" or order.conditional:
        return "EC_NoError"
    told = {"POST_ONLY": "EC_PostOnlyWillTakeLiquidity", "FOK": "EC_CancelForNoFullFill"}
    return told.get(order.tif, "EC_NoImmediateQtyToFill")


def execution_row(core: Core, fill: CoreFill, order: CoreOrder, child: CoreOrder | None) -> dict[str, Any]:
    """One fill; `order` is the one its id names: the conditional order where one had fired."""
    done = child or order
    spec = core.specs[fill.native]
    value = fill.quantity * fill.price
    closed = fill.quantity if fill.realised or done.reduce_only or order.close_all or fill.liquidation else ZERO
    return {
        "symbol": fill.native,
        "orderId": order_uuid(order.id),
        "orderLinkId": order.client_id,
        "side": SIDES[fill.side],
        "orderPrice": text(fill.price),
        "orderQty": text(done.quantity),
        "leavesQty": text(max(ZERO, done.quantity - done.filled)) if done.status != "EXPIRED" else "0",
        "createType": create_type(order),
        "orderType": "Limit" if done.kind == "LIMIT" else "Market",
        "stopOrderType": stop_type(order) or "UNKNOWN",
        "execFee": text(fill.fee),
        "execFeeV2": "",
        "feeCurrency": "USDT",
        "execId": fill_uuid(fill.id),
        "execPrice": text(fill.price),
        "execQty": text(fill.quantity),
        "execType": "BustTrade" if fill.liquidation else "Trade",
        "execValue": text(value),
        "execTime": str(fill.at),
        "execPnl": text(fill.realised),
        "isMaker": fill.maker,
        "feeRate": text(spec.maker_fee if fill.maker else spec.taker_fee),
        "tradeIv": "",
        "markIv": "",
        "markPrice": text(core.mark(fill.native)),
        "indexPrice": "",
        "underlyingPrice": "",
        "blockTradeId": "",
        "closedSize": text(closed),
        "seq": fill.id,
        "extraFees": "",
    }


def funding_row(paid: CoreIncome, *, side: str, size: Decimal, mark: Decimal) -> dict[str, Any]:
    """A settlement of funding is an execution too; its fee is positive when the account pays."""
    return {
        "symbol": paid.native,
        "orderId": f"{paid.at // 1000}-8-592324-1-2",
        "orderLinkId": "",
        "side": side,
        "orderPrice": "0",
        "orderQty": "0",
        "leavesQty": "0",
        "createType": "",
        "orderType": "UNKNOWN",
        "stopOrderType": "UNKNOWN",
        "execFee": text(-paid.amount),
        "execFeeV2": "",
        "feeCurrency": "USDT",
        "execId": funding_uuid(paid.id),
        "execPrice": text(mark),
        "execQty": text(size),
        "execType": "Funding",
        "execValue": text(size * mark),
        "execTime": str(paid.at),
        "execPnl": "0",
        "isMaker": False,
        "feeRate": text(paid.rate or ZERO),
        "tradeIv": "",
        "markIv": "",
        "markPrice": text(mark),
        "indexPrice": "",
        "underlyingPrice": "",
        "blockTradeId": "",
        "closedSize": "0",
        "seq": paid.id,
        "extraFees": "",
    }


def position_row(
    core: Core, native: str, position: CorePosition | None, *, levels: dict[str, str], earned: Decimal
) -> dict[str, Any]:
    """A position as position/list shows it, an empty one where nothing is open."""
    spec, mark = core.specs[native], core.mark(native)
    there = position if position is not None and position.quantity else None
    leverage = there.leverage if there else core.leverage[native]
    at = there.liquidation(spec.maintenance) if there else None
    return {
        "positionIdx": 0,
        "riskId": 1,
        "riskLimitValue": "2000000",
        "symbol": native,
        "side": ("Buy" if there.direction == "LONG" else "Sell") if there else "",
        "size": text(there.quantity) if there else "0",
        "avgPrice": text(_rounded(there.entry)) if there else "0",
        "positionValue": text(_rounded(there.cost)) if there else "",
        "tradeMode": 0,
        "positionStatus": "Normal",
        "autoAddMargin": 0,
        "adlRankIndicator": 2 if there else 0,
        "leverage": text(leverage),
        "positionBalance": text(there.margin) if there else "0",
        "markPrice": text(mark),
        "liqPrice": text((at // spec.tick) * spec.tick) if at is not None else "",
        "bustPrice": "",
        "positionMM": text(_rounded(there.quantity * mark * spec.maintenance)) if there else "0",
        "positionIM": text(there.margin) if there else "0",
        "tpslMode": "Full",
        "takeProfit": levels.get("TakeProfit", ""),
        "stopLoss": levels.get("StopLoss", ""),
        "trailingStop": "0",
        "unrealisedPnl": text(_rounded(there.unrealised(mark))) if there else "",
        "curRealisedPnl": text(earned),
        "cumRealisedPnl": text(earned),
        "seq": core.fills[-1].id if core.fills else -1,
        "isReduceOnly": False,
        "mmrSysUpdatedTime": "",
        "leverageSysUpdatedTime": "",
        "sessionAvgPrice": "",
        "createdTime": str(there.opened) if there else "",
        "updatedTime": str(there.updated) if there else "",
    }


def _rounded(number: Decimal) -> Decimal:
    return number.quantize(Decimal("0.00000001"))
