"""Binance USD-M's rows into checked values. Its names need no table: "BTC/USDT:USDT" is BTCUSDT, dated ones carry _."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from trading.model import Direction, Instrument, Leg, OrderKind, OrderStatus, Side, Symbol
from trading.venues.exchange.parsing import Garbled, Row
from trading.venues.exchange.wire import Execution, Held, Listing, Payment, Seen

T = TypeVar("T")

QUOTES = ("USDT", "USDC", "BUSD", "USD1", "BTC")
HOURS = 8  # between two fundings, where the exchange says nothing else

_STATUSES = {
    "NEW": OrderStatus.OPEN,
    "PARTIALLY_FILLED": OrderStatus.PARTLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELLED,
    "REJECTED": OrderStatus.REJECTED,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
}
# Of a conditional order. FINISHED tells only that its plain order has ended, not how: that is read there.
_ALGO_STATUSES = {
    "NEW": OrderStatus.OPEN,
    "TRIGGERING": OrderStatus.OPEN,
    "TRIGGERED": OrderStatus.OPEN,
    "FINISHED": OrderStatus.OPEN,
    "CANCELED": OrderStatus.CANCELLED,
    "REJECTED": OrderStatus.REJECTED,
    "EXPIRED": OrderStatus.EXPIRED,
}
_KINDS = {
    "LIMIT": OrderKind.LIMIT,
    "MARKET": OrderKind.MARKET,
    "LIQUIDATION": OrderKind.MARKET,
    "STOP": OrderKind.STOP,
    "STOP_MARKET": OrderKind.STOP,
    "TRAILING_STOP_MARKET": OrderKind.STOP,
    "TAKE_PROFIT": OrderKind.TAKE_PROFIT,
    "TAKE_PROFIT_MARKET": OrderKind.TAKE_PROFIT,
}
GUARDS = {Leg.STOP: "STOP_MARKET", Leg.TARGET: "TAKE_PROFIT_MARKET"}


FORCED = ("autoclose-", "adl_autoclose")  # ids of orders by which the exchange closes a position itself


def native_of(symbol: Symbol) -> str:
    """ "BTC/USDT:USDT" -> "BTCUSDT", "BTC/USDT:USDT-260327" -> "BTCUSDT_260327"."""
    pair, _, settled = symbol.partition(":")
    expiry = settled.partition("-")[2]
    return pair.replace("/", "") + (f"_{expiry}" if expiry else "")


def symbol_of(native: str) -> Symbol:
    """The way back. With a quote asset that we do not know it is left as it is: nothing of ours is called so, and what
    somebody else holds must not stop us from reading what we hold."""
    pair, _, expiry = native.partition("_")
    for quote in QUOTES:
        if pair.endswith(quote) and pair != quote:
            dated = f"-{expiry}" if expiry else ""
            return Symbol(f"{pair.removesuffix(quote)}/{quote}:{quote}{dated}")
    return Symbol(native)


def quote_of(symbol: Symbol) -> str:
    return symbol.partition("/")[2].partition(":")[0]


def listing(
    row: Row, *, leverage: int, maintenance: Decimal, fees: tuple[Decimal, Decimal], hours: int = HOURS
) -> Listing:
    """The filters rule; the precisions beside them are for showing only."""
    filters = {each.text("filterType"): each for each in row.rows("filters")}
    price, lot, market = (_filter(row, filters, name) for name in ("PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE"))
    coarser = market.above_zero("stepSize") or Decimal(0)
    instrument = Instrument(
        symbol=symbol_of(row.text("symbol")),
        tick=_positive(price, "tickSize"),
        step=max(_positive(lot, "stepSize"), coarser),
        min_quantity=max(_positive(lot, "minQty"), market.number("minQty")),
        max_quantity=_positive(lot, "maxQty"),
        min_notional=_filter(row, filters, "MIN_NOTIONAL").number("notional"),
        max_leverage=leverage,
        maker_fee=fees[0],
        taker_fee=fees[1],
        maintenance=maintenance,
        funding_every=timedelta(hours=hours),
    )
    status = row.text("status")
    trades = status == "TRADING"
    return Listing(
        instrument=instrument,
        native=row.text("symbol"),
        max_market=_positive(market, "maxQty"),
        tradable=trades,
        why="" if trades else f"the exchange says {status}",
        raw=row.raw,
    )


def _filter(row: Row, filters: dict[str, Row], name: str) -> Row:
    if name not in filters:
        raise Garbled(f"{row.where} {row.maybe('symbol')}: no filter {name}")
    return filters[name]


def _positive(row: Row, key: str) -> Decimal:
    value = row.above_zero(key)
    if value is None:
        raise Garbled(f"{row.where}: {key} is {row.maybe(key)!r}")
    return value


def plain(row: Row) -> Seen:
    """A plain order as any of the reading endpoints shows it."""
    side = side_of(row)
    all_of_it = row.flag("closePosition") if "closePosition" in row.raw else False
    reduces = all_of_it or row.flag("reduceOnly")
    status = one_of(_STATUSES, row, "status")
    return Seen(
        symbol=symbol_of(row.text("symbol")),
        id=row.text("orderId"),
        client_id=row.maybe("clientOrderId"),
        kind=one_of(_KINDS, row, "origType" if row.maybe("origType") else "type"),
        side=side,
        quantity=Decimal(0) if all_of_it else row.number("origQty"),
        filled=row.number("executedQty"),
        status=status,
        at=row.at("updateTime"),
        reduce_only=reduces,
        price=row.above_zero("price"),
        trigger=row.above_zero("stopPrice"),
        closes=_closes(row, side) if reduces else None,
        forced=row.maybe("clientOrderId").startswith(FORCED),
        note="" if status.working or status is OrderStatus.FILLED else row.text("status").lower(),
    )


def algo(row: Row) -> Seen:
    """A conditional order. What became of it after it fired stands in the plain order `fired`."""
    side = side_of(row)
    all_of_it = row.flag("closePosition")
    reduces = all_of_it or row.flag("reduceOnly")
    fired = row.maybe("actualOrderId")
    status = one_of(_ALGO_STATUSES, row, "algoStatus")
    return Seen(
        symbol=symbol_of(row.text("symbol")),
        id=row.text("algoId"),
        client_id=row.maybe("clientAlgoId"),
        kind=one_of(_KINDS, row, "orderType"),
        side=side,
        quantity=Decimal(0) if all_of_it else row.number("quantity"),
        filled=Decimal(0),
        status=status,
        at=row.at("updateTime"),
        reduce_only=reduces,
        price=row.above_zero("price"),
        trigger=row.above_zero("triggerPrice"),
        conditional=True,
        closes=_closes(row, side) if reduces else None,
        fired="" if fired == "0" else fired,
        note="" if status.working else row.text("algoStatus").lower(),
    )


def _closes(row: Row, side: Side) -> Direction:
    named = row.maybe("positionSide").lower()
    if named in ("long", "short"):
        return Direction(named)
    return Direction.LONG if side is Side.SELL else Direction.SHORT


def side_of(row: Row) -> Side:
    return one_of({"BUY": Side.BUY, "SELL": Side.SELL}, row, "side")


def one_of(table: dict[str, T], row: Row, key: str) -> T:
    """What a word of theirs means; a word that is not in the table is Garbled."""
    word = row.text(key)
    if word not in table:
        raise Garbled(f"{row.where}: {key} is {word[:40]!r}")
    return table[word]


def held(row: Row) -> Held | None:
    """None: nothing is open there."""
    amount = row.number("positionAmt")
    if not amount:
        return None
    leverage = row.maybe_number("leverage")  # version 3 has none; an older answer may
    return Held(
        symbol=symbol_of(row.text("symbol")),
        direction=Direction.LONG if amount > 0 else Direction.SHORT,
        quantity=abs(amount),
        entry=row.number("entryPrice"),
        leverage=None if leverage is None else int(leverage),
        liquidation=row.above_zero("liquidationPrice"),
    )


def execution(row: Row) -> Execution:
    """A fee in another asset (BNB) does not touch the wallet in the quote asset."""
    symbol = symbol_of(row.text("symbol"))
    asset = row.text("commissionAsset")
    ours = asset == quote_of(symbol)
    return Execution(
        symbol=symbol,
        trade=row.text("id"),
        order=row.text("orderId"),
        client_id="",  # not told here
        side=side_of(row),
        quantity=row.number("qty"),
        price=row.number("price"),
        fee=row.number("commission") if ours else Decimal(0),
        at=row.at("time"),
        maker=row.flag("maker"),
        realised=row.number("realizedPnl"),
        fee_asset="" if ours else asset,
    )


def payment(row: Row) -> Payment:
    return Payment(
        symbol=symbol_of(row.text("symbol")),
        id=row.text("tranId"),
        at=row.at("time"),
        amount=row.number("income"),
    )


def settled(row: Row) -> tuple[datetime, Decimal]:
    """When, and at which rate."""
    return row.at("fundingTime"), row.number("fundingRate")
