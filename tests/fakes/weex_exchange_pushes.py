"""What the emulated WEEX writes on its private streams: the same things as over REST under other names, all as text."""

from collections.abc import Iterable
from decimal import Decimal

from tests.fakes.exchange_core import CoreFill, CoreOrder, CorePosition, Spec
from tests.fakes.weex_exchange_rows import (
    ZERO,
    Json,
    both_ways,
    guard_id,
    in_force,
    money,
    plain,
    ticked,
    wire_id,
    working_type,
)


def stream_order(it: CoreOrder, spec: Spec, *, margin: str, leverage: int, partial: str, fee: Decimal) -> Json:
    price = it.value / it.filled if it.filled else ZERO
    status = partial if it.status == "PARTIALLY_FILLED" else "PENDING" if it.status == "NEW" else it.status
    return {
        "id": str(wire_id(it.id)),
        "coin": "USDT",
        "symbol": it.native,
        "marginMode": margin,
        "separatedMode": "COMBINED",
        "separatedOpenOrderId": "0",
        "positionSide": it.direction,
        "orderSide": it.side,
        "price": ticked(it.price, spec),
        "size": plain(it.quantity),
        "clientOrderId": guard_id(it),
        "type": it.kind,
        "timeInForce": in_force(it),
        "reduceOnly": it.reduce_only or it.close_all,
        "triggerPrice": ticked(it.trigger, spec) if it.trigger else "0",
        "triggerPriceType": working_type(it),
        "orderSource": "API",
        "openTpslParentOrderId": str(wire_id(it.parent)) if it.parent else "0",
        "positionTpsl": it.close_all,
        "setOpenTp": it.attach[1] is not None,
        "setOpenSl": it.attach[0] is not None,
        "leverage": str(leverage),
        "takerFeeRate": plain(spec.taker_fee),
        "makerFeeRate": plain(spec.maker_fee),
        "feeDiscount": "1",
        "liquidateFeeRate": "0.01",
        "status": status,
        "triggerTime": str(it.updated if it.fired else 0),
        "triggerPriceTime": "0",
        "triggerPriceValue": "0",
        "cancelReason": "UNKNOWN_ORDER_CANCEL_REASON",
        "latestFillPrice": plain(price),
        "maxFillPrice": plain(price),
        "minFillPrice": plain(price),
        "cumFillSize": plain(it.filled),
        "cumFillValue": plain(it.value),
        "cumFillFee": plain(fee),
        "cumLiquidateFee": "0",
        "cumRealizePnl": "0",
        "createdTime": str(it.created),
        "updatedTime": str(it.updated),
    }


def stream_fill(it: CoreFill, *, margin: str) -> Json:
    return {
        "id": str(wire_id(it.id)),
        "coin": "USDT",
        "symbol": it.native,
        "orderId": str(wire_id(it.order)),
        "marginMode": margin,
        "separatedMode": "COMBINED",
        "separatedOpenOrderId": "0",
        "positionSide": it.direction,
        "orderSide": it.side,
        "fillSize": plain(it.quantity),
        "fillValue": plain(it.quantity * it.price),
        "fillFee": money(it.fee),
        "liquidateFee": money(it.fee) if it.liquidation else "0",
        "realizePnl": plain(it.realised),
        "direction": "MAKER" if it.maker else "TAKER",
        "createdTime": str(it.at),
        "updatedTime": str(it.at),
    }


def stream_position(it: CorePosition, fills: Iterable[CoreFill], *, margin: str) -> Json:
    return {
        **both_ways(it, list(fills), whole=True),
        "coin": "USDT",
        "marginMode": margin,
        "isolatedMargin": plain(it.margin) if margin == "ISOLATED" else "0",
        "autoAppendIsolatedMargin": False,
        "createdTime": str(it.opened),
        "updatedTime": str(it.updated),
    }


def stream_account(wallet: Decimal, at: int) -> Json:
    """`amount` is the wallet; the long row of sums that WEEX sends with it is shortened to what is told apart here."""
    nothing = ("pendingDepositAmount", "pendingWithdrawAmount", "pendingTransferInAmount", "pendingTransferOutAmount")
    return {
        "coin": "USDT",
        "marginMode": "CROSSED",
        "crossSymbol": "0",
        "isolatedPositionId": "0",
        "amount": money(wallet),
        **dict.fromkeys(nothing, "0"),
        "liquidating": False,
        "legacyAmount": money(wallet),
        "createdTime": "1775605824300",
        "updatedTime": str(at),
    }
