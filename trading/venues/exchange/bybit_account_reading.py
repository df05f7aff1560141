"""Bybit's rows of an account as checked values: orders, positions, money, fills, funding. Pure: no requests."""

from trading.model import ZERO, Direction, Leg, OrderKind, OrderStatus, Side
from trading.venues.exchange.bybit_reading import Names, side_of
from trading.venues.exchange.parsing import Garbled, Row
from trading.venues.exchange.wire import Execution, Held, Payment, Purse, Seen

WORKING = frozenset({"Created", "New", "Active", "Untriggered", "Triggered"})
STATUSES = dict.fromkeys(WORKING, OrderStatus.OPEN) | {
    "PartiallyFilled": OrderStatus.PARTLY_FILLED,
    "Filled": OrderStatus.FILLED,
    "Cancelled": OrderStatus.CANCELLED,
    "Deactivated": OrderStatus.CANCELLED,
    "PartiallyFilledCanceled": OrderStatus.CANCELLED,
    "Rejected": OrderStatus.REJECTED,
}
ENDED = frozenset(native for native, status in STATUSES.items() if status.final)
WAITING = frozenset({"Untriggered", "Deactivated"})  # a conditional order that has not fired
FILLS = frozenset({"Trade", "AdlTrade", "BustTrade"})  # of execType; funding and settlements are no fills
_LEVELS = {"StopLoss": OrderKind.STOP, "TakeProfit": OrderKind.TAKE_PROFIT}
_PARTIAL = {"PartialStopLoss": OrderKind.STOP, "PartialTakeProfit": OrderKind.TAKE_PROFIT}
_GUARDS = {
    "StopLoss": Leg.STOP,
    "PartialStopLoss": Leg.STOP,
    "TakeProfit": Leg.TARGET,
    "PartialTakeProfit": Leg.TARGET,
}
_RISING = "1"  # of triggerDirection


def order_of(row: Row, names: Names) -> Seen:
    """Plain and conditional orders look alike. A conditional one keeps its id when it fires."""
    status = STATUSES.get(row.text("orderStatus"))
    if status is None:
        raise Garbled(f"{row.where}: orderStatus is {row.text('orderStatus')[:40]!r}")
    kind, side, stop_type = _kind(row), side_of(row), row.maybe("stopOrderType")
    waiting = row.text("orderStatus") in WAITING
    level = stop_type in _LEVELS and row.maybe("tpslMode") != "Partial"
    reduces = level or _is_set(row, "reduceOnly") or _is_set(row, "closeOnTrigger")
    triggered = kind in (OrderKind.STOP, OrderKind.TAKE_PROFIT)
    # A level of the position is for all of it. A trailing stop hangs on the position too, but is not one of its two
    # levels, and must not be taken for one: its side is left out.
    return Seen(
        symbol=names.symbol(row.text("symbol")),
        id=row.text("orderId"),
        client_id=row.maybe("orderLinkId"),
        kind=kind,
        side=side,
        quantity=ZERO if level and waiting else row.number("qty"),
        filled=row.number("cumExecQty"),
        status=status,
        at=row.at("updatedTime"),
        reduce_only=reduces,
        price=row.above_zero("price") if row.text("orderType") == "Limit" else None,
        trigger=row.above_zero("triggerPrice"),
        conditional=waiting or (triggered and status.final),
        closes=_reduced(side) if reduces and stop_type != "TrailingStop" else None,
        fired=row.text("orderId") if triggered and not waiting and row.number("cumExecQty") > 0 else "",
        note=_note(row) if status.final else "",
    )


def _kind(row: Row) -> OrderKind:
    stop_type = row.maybe("stopOrderType")
    known = _LEVELS.get(stop_type) or _PARTIAL.get(stop_type)
    if known is not None:
        return known
    if row.above_zero("triggerPrice") is not None:
        favourable = (row.maybe("triggerDirection") == _RISING) == (side_of(row) is Side.SELL)
        return OrderKind.TAKE_PROFIT if favourable else OrderKind.STOP
    if stop_type == "TrailingStop":
        return OrderKind.STOP
    return OrderKind.LIMIT if row.text("orderType") == "Limit" else OrderKind.MARKET


def _is_set(row: Row, key: str) -> bool:
    return row.maybe(key).lower() == "true"


def _note(row: Row) -> str:
    why = (row.maybe("rejectReason"), row.maybe("cancelType"))
    return ", ".join(word for word in why if word not in ("", "EC_NoError", "UNKNOWN"))


def _reduced(side: Side) -> Direction:
    return Direction.LONG if side is Side.SELL else Direction.SHORT


def held_of(row: Row, names: Names) -> Held | None:
    """None: the row of an instrument on which nothing is open."""
    size = row.number("size")
    if size == 0:
        return None
    return Held(
        symbol=names.symbol(row.text("symbol")),
        direction=Direction.LONG if side_of(row) is Side.BUY else Direction.SHORT,
        quantity=size,
        entry=row.number("avgPrice"),
        leverage=leverage_of([row]),
        liquidation=row.above_zero("liqPrice"),
        stop=row.above_zero("stopLoss"),
        target=row.above_zero("takeProfit"),
    )


def purse_of(account: Row, coin: str) -> Purse:
    """Of one coin. The exchange's own figure of what is available is in dollars and of all coins together, and it is
    left out in isolated mode: margin of one coin is not to be had from the others then."""
    own = next((row for row in account.rows("coin") if row.text("coin") == coin), None)
    if own is None:
        return Purse(wallet=ZERO, available=ZERO)  # the account has never had any
    wallet = own.number("walletBalance")
    bound = (own.maybe_number("totalPositionIM") or ZERO) + (own.maybe_number("totalOrderIM") or ZERO)
    told = account.maybe_number("totalAvailableBalance")
    free = wallet - bound
    return Purse(wallet=wallet, available=max(ZERO, free if told is None else min(free, told)))


def leverage_of(found: list[Row]) -> int | None:
    """None where the sides differ, where it is not told, and where it is not a whole number."""
    told = {row.above_zero("leverage") for row in found}
    one = told.pop() if len(told) == 1 else None
    return int(one) if one is not None and one == int(one) else None


def execution_of(row: Row, names: Names) -> Execution:
    created, coin = row.maybe("createType"), row.maybe("feeCurrency")
    kind = row.maybe("stopOrderType")
    if kind not in _GUARDS:
        kind = created.removeprefix("CreateBy")
    own = coin in ("", "USDT")
    return Execution(
        symbol=names.symbol(row.text("symbol")),
        trade=row.text("execId"),
        order=row.text("orderId"),
        client_id=row.maybe("orderLinkId"),
        side=side_of(row),
        quantity=row.number("execQty"),
        price=row.number("execPrice"),
        fee=row.number("execFee") if own else ZERO,
        at=row.at("execTime"),
        maker=row.flag("isMaker"),
        liquidation=row.text("execType") != "Trade" or created.startswith(("CreateByLiq", "CreateByAdl")),
        guard=_GUARDS.get(kind),
        realised=row.maybe_number("execPnl"),
        fee_asset="" if own else coin,
    )


def payment_of(row: Row, names: Names) -> Payment:
    """A settlement's fee is what was paid, so that what was received is negative."""
    amount, rate = -row.number("execFee"), row.maybe_number("feeRate")
    if rate is not None and row.maybe("side") in ("Buy", "Sell"):
        # The sign of its rate has been seen both ways. Whoever is long pays a positive one.
        pays = amount < 0
        rate = abs(rate) if pays == (side_of(row) is Side.BUY) else -abs(rate)
    return Payment(
        symbol=names.symbol(row.text("symbol")),
        id=row.text("execId"),
        at=row.at("execTime"),
        amount=amount,
        rate=rate,
    )
