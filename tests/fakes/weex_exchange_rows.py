"""What the emulated WEEX writes: its JSON objects, over REST and on its streams, from the core's values.

REST writes ids as numbers (only the acknowledgements quote them), the streams write everything as text.
"""

import uuid
import zlib
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tests.fakes.exchange_core import SPECS, CoreFill, CoreIncome, CoreOrder, CorePosition, Spec

Json = dict[str, Any]
ID_BASE = 737_000_000_000_000_000  # its ids have eighteen digits: more than a float holds
ZERO = Decimal(0)
BANDS = {"DOGE": Decimal("0.05")}
# WEEX publishes no smallest notional, takes 0.08 %, and lets a limit price be one per cent off.
WEEX_SPECS: tuple[Spec, ...] = tuple(
    replace(spec, min_notional=ZERO, taker_fee=Decimal("0.0008"), band=BANDS.get(spec.base, Decimal("0.01")))
    for spec in SPECS
)


def plain(number: Decimal) -> str:
    text = f"{number:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def money(number: Decimal) -> str:
    return f"{number:.8f}"


def ticked(number: Decimal | None, spec: Spec) -> str:
    """A price with all the decimals of its tick."""
    return f"{(number or ZERO).quantize(spec.tick):f}"


def wire_id(number: int) -> int:
    return ID_BASE + number


def core_id(text: object) -> int:
    """0 for what is no id of ours: the core knows no such order."""
    digits = str(text)
    return max(0, int(digits) - ID_BASE) if digits.isdigit() else 0


def guard_id(order: CoreOrder) -> str:
    """An order that carries no id of the client's shows one that the exchange has made up."""
    return order.client_id or str(uuid.uuid5(uuid.NAMESPACE_OID, str(order.id)))


def position_id(it: CorePosition) -> int:
    return wire_id(it.opened % 10**10 * 1000 + zlib.crc32(f"{it.native}{it.direction}".encode()) % 1000)


def exponent(step: Decimal) -> int:
    """A signed power of ten: 2 for 0.01, -2 for 100."""
    return -step.normalize().as_tuple().exponent  # type: ignore[operator]


def symbol(spec: Spec) -> Json:
    hours = [f"{hour:02}:00:00" for hour in range(0, 24, spec.funding_hours)]
    return {
        "symbol": spec.native,
        "baseAsset": spec.base,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": str(exponent(spec.tick)),
        "quantityPrecision": str(exponent(spec.step)),
        "baseAssetPrecision": "3",
        "quotePrecision": "8",
        "contractVal": plain(spec.step),
        "delivery": hours,
        "forwardContractFlag": True,
        "minLeverage": "1",
        "maxLeverage": str(spec.max_leverage),
        "buyLimitPriceRatio": plain(spec.band),
        "sellLimitPriceRatio": plain(spec.band),
        "makerFeeRate": plain(spec.maker_fee),
        "takerFeeRate": plain(spec.taker_fee),
        "minOrderSize": plain(spec.min_quantity),
        "maxOrderSize": plain(spec.max_quantity),
        "maxPositionSize": "500000000",
        "marketOpenLimitSize": plain(spec.max_market),
    }


def candle(bar: tuple[Any, ...], minutes: int, spec: Spec) -> list[Any]:
    """Eleven columns; 9 and 10 are what takers bought, in base and quote."""
    opened, open_, high, low, close, volume, bought, trades = bar
    middle = (high + low) / 2
    prices = [ticked(price, spec) for price in (open_, high, low, close)]
    ends = opened + minutes * 60_000
    return [opened, *prices, plain(volume), ends, money(volume * middle), trades, plain(bought), money(bought * middle)]


# --- orders --------------------------------------------------------------------------------------------------------


def order(it: CoreOrder, spec: Spec, *, partial: str) -> Json:
    """A plain order, or a conditional one as the plain look-up and the history show it."""
    status = partial if it.status == "PARTIALLY_FILLED" else it.status
    average = it.value / it.filled if it.filled else ZERO
    return {
        "avgPrice": ticked(average, spec),
        "clientOrderId": guard_id(it),
        "cumQuote": plain(it.value),
        "executedQty": plain(it.filled),
        "orderId": wire_id(it.id),
        "origQty": plain(it.quantity),
        "price": ticked(it.price, spec),
        "reduceOnly": it.reduce_only or it.close_all,
        "side": it.side,
        "positionSide": it.direction,
        "status": status,
        "stopPrice": ticked(it.trigger, spec) if it.trigger else "0",
        "symbol": it.native,
        "time": it.created,
        "timeInForce": in_force(it),
        "type": it.kind,
        "updateTime": it.updated,
        "workingType": working_type(it),
    }


def algo(it: CoreOrder, spec: Spec) -> Json:
    """`actualOrderId`: of the entry while a guard that rode on it waits, of what it became afterwards."""
    actual = it.fired or it.parent
    fired = it.updated if it.fired else 0
    return {
        "algoId": wire_id(it.id),
        "clientAlgoId": guard_id(it),
        "algoType": "CONDITIONAL",
        "orderType": it.kind,
        "symbol": it.native,
        "side": it.side,
        "positionSide": it.direction,
        "timeInForce": in_force(it),
        "quantity": plain(it.quantity),
        "algoStatus": it.status,
        "actualOrderId": wire_id(actual) if actual else None,
        "actualPrice": ticked(it.value / it.filled if it.filled else None, spec),
        "triggerPrice": ticked(it.trigger, spec),
        "price": ticked(it.price, spec),
        "tpTriggerPrice": None,
        "tpPrice": None,
        "slTriggerPrice": None,
        "slPrice": None,
        "tpOrderType": None,
        "workingType": working_type(it),
        "closePosition": it.close_all,
        "reduceOnly": it.reduce_only or it.close_all,
        "createTime": it.created,
        "updateTime": it.updated,
        "triggerTime": fired,
    }


def working_type(it: CoreOrder) -> str:
    if not it.conditional:
        return "UNKNOWN_PRICE_TYPE"
    return "MARK_PRICE" if it.working == "MARK" else "CONTRACT_PRICE"


def in_force(it: CoreOrder) -> str:
    return "GTC" if it.kind == "LIMIT" and it.tif == "GTC" else it.tif if it.kind == "LIMIT" else "IOC"


def fill(it: CoreFill) -> Json:
    return {
        "id": wire_id(it.id),
        "orderId": wire_id(it.order),
        "symbol": it.native,
        "buyer": it.side == "BUY",
        "commission": money(it.fee),
        "commissionAsset": "USDT",
        "maker": it.maker,
        "price": plain(it.price),
        "qty": plain(it.quantity),
        "quoteQty": plain(it.price * it.quantity),
        "realizedPnl": plain(it.realised),
        "side": it.side,
        "positionSide": it.direction,
        "time": it.at,
    }


def accepted(order_id: int, client_id: str) -> Json:
    return {
        "orderId": str(wire_id(order_id)),
        "clientOrderId": client_id,
        "success": True,
        "errorCode": "",
        "errorMessage": "",
    }


def rejected(code: int, text: str, client_id: str = "") -> Json:
    """HTTP 200, and yet a no."""
    return {
        "orderId": None,
        "clientOrderId": client_id,
        "success": False,
        "errorCode": str(code),
        "errorMessage": text,
    }


def cancelled(order_id: object, client_id: str, *, failure: str = "") -> Json:
    return {
        "orderId": str(order_id),
        "origClientOrderId": client_id,
        "success": not failure,
        "errorCode": "-3200" if failure else "",
        "errorMessage": failure,
    }


# --- positions and money -------------------------------------------------------------------------------------------


def position(it: CorePosition, fills: Iterable[CoreFill], *, margin: str, mark: Decimal, maintenance: Decimal) -> Json:
    """`fills`: those of this position since it was opened. `liquidatePrice` 0: there is none."""
    isolated = margin == "ISOLATED"
    level = it.liquidation(maintenance) if isolated else None
    return {
        **both_ways(it, list(fills), whole=False),
        "asset": "USDT",
        "marginType": margin,
        "marginSize": plain(it.margin),
        "isolatedMargin": plain(it.margin) if isolated else "0",
        "isAutoAppendIsolatedMargin": False,
        "createdTime": it.opened,
        "updatedTime": it.updated,
        "unrealizePnl": plain(it.unrealised(mark)),
        "liquidatePrice": f"{level:.8f}" if level else "0",
    }


def both_ways(it: CorePosition, fills: list[CoreFill], *, whole: bool) -> Json:
    opening = "BUY" if it.direction == "LONG" else "SELL"
    opened = [each for each in fills if each.side == opening]
    closed = [each for each in fills if each.side != opening]
    number: Any = position_id(it)
    return {
        "id": str(number) if whole else number,
        "symbol": it.native,
        "side": it.direction,
        "separatedMode": "COMBINED",
        "separatedOpenOrderId": "0" if whole else 0,
        "leverage": f"{it.leverage}" if whole else f"{it.leverage}.00",
        "size": plain(it.quantity),
        "openValue": plain(it.cost),
        "openFee": plain(sum((each.fee for each in opened), ZERO)),
        "fundingFee": "0",
        **_sums("Open", opened),
        **_sums("Close", closed),
        "cumFundingFee": "0",
        "cumLiquidateFee": plain(sum((each.fee for each in closed if each.liquidation), ZERO)),
        "createdMatchSequenceId": str(it.opened) if whole else it.opened,
        "updatedMatchSequenceId": str(it.updated) if whole else it.updated,
    }


def _sums(name: str, fills: list[CoreFill]) -> Json:
    return {
        f"cum{name}Size": plain(sum((each.quantity for each in fills), ZERO)),
        f"cum{name}Value": plain(sum((each.quantity * each.price for each in fills), ZERO)),
        f"cum{name}Fee": plain(sum((each.fee for each in fills), ZERO)),
    }


def bill(it: CoreIncome, balance: Decimal, of: CoreFill | None) -> Json:
    """A line of the account's income, named after what the fill did: "position_open_long". What a
    liquidation is called is a guess: nothing but the list of names is documented."""
    return {
        "billId": wire_id(it.id),
        "asset": "USDT",
        "symbol": it.native,
        "income": plain(it.amount),
        "incomeType": _bill_type(it, of),
        "balance": money(balance),
        "fillFee": plain(-it.amount) if it.kind == "COMMISSION" else "0",
        "time": it.at,
        "transferReason": "UNKNOWN_TRANSFER_REASON",
    }


def _bill_type(it: CoreIncome, of: CoreFill | None) -> str:
    if it.kind == "FUNDING":
        return "position_funding"
    if of is None:
        return "transfer_in" if it.amount > 0 else "transfer_out"
    if of.liquidation:
        return "finish_liquidate"
    opened = (of.side == "BUY") == (of.direction == "LONG")
    return f"position_{'open' if opened else 'close'}_{of.direction.lower()}"
