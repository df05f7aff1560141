"""Bybit V5's order endpoints: create, cancel, cancel-all, realtime, history, and execution/list."""

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.fakes.bybit_exchange_book import (
    Book,
    BybitRefusal,
    Params,
    is_closed,
    paged,
    refusal,
    whole,
    window,
)
from tests.fakes.bybit_exchange_levels import Wanted, change_levels, check_level
from tests.fakes.bybit_exchange_rows import order_number, order_uuid
from tests.fakes.exchange_core import CoreOrder, Refused

TEXTS = frozenset(
    (
        *("category", "symbol", "side", "orderType", "qty", "price", "timeInForce", "orderLinkId", "orderFilter"),
        *("triggerPrice", "triggerBy", "takeProfit", "stopLoss", "tpTriggerBy", "slTriggerBy", "tpslMode"),
        *("tpLimitPrice", "slLimitPrice", "tpOrderType", "slOrderType", "smpType", "orderIv", "marketUnit"),
        *("slippageToleranceType", "slippageTolerance"),
    )
)
NUMBERS = frozenset(("isLeverage", "triggerDirection", "positionIdx"))
FLAGS = frozenset(("reduceOnly", "closeOnTrigger", "mmp"))
LINK_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
LEVEL_FIELDS = (("stopLoss", "slTriggerBy", "STOP_MARKET"), ("takeProfit", "tpTriggerBy", "TAKE_PROFIT_MARKET"))
CONDITIONAL_LIMIT = 10  # of a symbol
ACTIVE_LIMIT = 500
REALTIME_CLOSED = 500
DAY = 24 * 3_600_000


class Trade:
    """`lenient`: unknown fields of order/create are passed over. `realtime_delay_ms`, `history_delay_ms`: how long
    after the acknowledgement an order shows, and after its end the history has it."""

    def __init__(self, book: Book, *, now: Callable[[], int]) -> None:
        self._book = book
        self._core = book.core
        self._now = now
        self.lenient = False
        self.realtime_delay_ms = 0
        self.history_delay_ms = 0
        self._restarted = 0

    def restart(self) -> None:
        """The exchange restarts: order/realtime forgets what has closed."""
        self._restarted = max(self._core.orders, default=0)

    # --- writes -----------------------------------------------------------------------------------------------------

    def create(self, body: Params) -> Params:
        """An acknowledgement: nothing of it says what became of the order."""
        self._check_fields(body)
        native = linear(self._book, body)
        wanted = level_fields(body)
        try:
            order = self._conditional(native, body) if body.get("triggerPrice") else self._plain(native, body, wanted)
        except Refused as refused:
            raise refusal(refused) from None
        return {"orderId": order_uuid(order.id), "orderLinkId": order.client_id}

    def _check_fields(self, body: Params) -> None:
        for name, value in body.items():
            if name not in TEXTS | NUMBERS | FLAGS:
                if not self.lenient:
                    raise BybitRefusal(10001, f"Request parameter error: unknown field {name}")
                continue
            kind = str if name in TEXTS else bool if name in FLAGS else int
            if type(value) is not kind:
                raise BybitRefusal(10001, f"Request parameter error: {name} must be a {kind.__name__}")
        link = body.get("orderLinkId", "")
        if link and not LINK_ID.fullmatch(link):
            raise BybitRefusal(10001, "params error: OrderLinkId is invalid")
        if body.get("side") not in ("Buy", "Sell"):
            raise BybitRefusal(10001, "side invalid")
        if body.get("orderType") not in ("Market", "Limit"):
            raise BybitRefusal(10001, "OrderType invalid")
        if body.get("timeInForce", "GTC") not in ("GTC", "IOC", "FOK", "PostOnly"):
            raise BybitRefusal(10001, "TimeInForce invalid")
        if body.get("tpslMode", "Full") != "Full" or "tpLimitPrice" in body or "slLimitPrice" in body:
            raise BybitRefusal(10001, "only the Full mode of TP/SL is emulated")

    def _plain(self, native: str, body: Params, wanted: Wanted) -> CoreOrder:
        market = body["orderType"] == "Market"
        price = None if market else number(body, "price")
        long = body["side"] == "Buy"
        if wanted and body.get("reduceOnly"):
            raise BybitRefusal(10001, "reduce-only order can not set take profit or stop loss")
        for kind, (level, on_mark) in wanted.items():
            check_level(self._book, native, kind, level, long=long, on_mark=on_mark, base=price)
        if len(self._core.working(native, conditional=False)) >= ACTIVE_LIMIT:
            raise BybitRefusal(110020, "Cannot have more than 500 active orders.")
        attach = tuple(wanted.get(kind, (None, False))[0] or None for _, _, kind in LEVEL_FIELDS)
        riding = market or self._beyond_mark(native, attach, long=long)
        tif = "IOC" if market else body.get("timeInForce", "GTC")
        order = self._core.place(
            native=native,
            side=body["side"].upper(),
            direction=self._direction(body),
            kind="MARKET" if market else "LIMIT",
            quantity=self._quantity(native, body),
            client_id=body.get("orderLinkId", ""),
            price=price,
            reduce_only=body.get("reduceOnly", False),
            tif="POST_ONLY" if tif == "PostOnly" else tif,
            attach=attach if riding else (None, None),
        )
        self._core.orders[order.id].attach = attach
        self._book.time_in_force[order.id] = tif
        if wanted:
            self._book.attach(order, body)
        return order

    def _beyond_mark(self, native: str, attach: tuple[Decimal | None, ...], *, long: bool) -> bool:
        """The core measures levels by the mark. Those of a resting order may lie between its price and the mark."""
        stop, target = attach
        sign, mark = 1 if long else -1, self._core.mark(native)
        return (stop is None or (mark - stop) * sign > 0) and (target is None or (target - mark) * sign > 0)

    def _quantity(self, native: str, body: Params) -> Decimal:
        """0 with reduceOnly and closeOnTrigger closes all that one order may."""
        quantity = number(body, "qty")
        position = self._book.held(native)
        if quantity == 0 and body.get("reduceOnly") and body.get("closeOnTrigger") and position is not None:
            return min(position.quantity, self._core.specs[native].max_market)
        return quantity

    def _direction(self, body: Params) -> Any:
        """One way: it follows from the position. Hedged: positionIdx says it."""
        index = body.get("positionIdx", 0)
        if (index == 0) == self._core.hedged or index not in (0, 1, 2):
            raise BybitRefusal(10001, "position idx not match position mode")
        return {0: None, 1: "LONG", 2: "SHORT"}[index]

    def _conditional(self, native: str, body: Params) -> CoreOrder:
        """Fires a market order when the price gets there; triggerDirection 1: by rising, 2: by falling."""
        direction = body.get("triggerDirection")
        if direction not in (1, 2):
            raise BybitRefusal(10001, "triggerDirection invalid")
        if body["orderType"] != "Market" or level_fields(body):
            raise BybitRefusal(110057, "Conditional order or limit order contains TP/SL related params")
        standing = [each for each in self._core.working(native, conditional=True) if not each.close_all]
        if len(standing) >= CONDITIONAL_LIMIT:
            raise BybitRefusal(110009, "The number of stop orders exceeds maximum limit allowed")
        on_mark = body.get("triggerBy", "LastPrice") != "LastPrice"
        self._check_trigger(native, number(body, "triggerPrice"), up=direction == 1, on_mark=on_mark)
        return self._core.place(
            native=native,
            side=body["side"].upper(),
            direction=self._direction(body),
            kind="STOP_MARKET" if (direction == 1) == (body["side"] == "Buy") else "TAKE_PROFIT_MARKET",
            quantity=number(body, "qty"),
            client_id=body.get("orderLinkId", ""),
            trigger=number(body, "triggerPrice"),
            reduce_only=body.get("reduceOnly", False),
            working="MARK" if on_mark else "LAST",
        )

    def _check_trigger(self, native: str, trigger: Decimal, *, up: bool, on_mark: bool) -> None:
        here = self._core.mark(native) if on_mark else self._core.last(native)
        shown, current = int(trigger * 10_000), int(here * 10_000)
        if up and trigger <= here:
            raise BybitRefusal(110092, f"expect Rising, but trigger_price[{shown}] <= current[{current}]")
        if not up and trigger >= here:
            raise BybitRefusal(110093, f"expect Falling, but trigger_price[{shown}] >= current[{current}]")

    def cancel(self, body: Params) -> Params:
        native = linear(self._book, body)
        order = self._named(body)
        if order is None or order.native != native:
            raise BybitRefusal(110001, "order not exists or too late to cancel")
        return self._cancelled(order)

    def _cancelled(self, order: CoreOrder) -> Params:
        order.note = "by user"
        try:
            self._core.cancel((self._book.child(order) or order).id)
        except Refused as refused:
            raise refusal(refused) from None
        return {"orderId": order_uuid(order.id), "orderLinkId": order.client_id}

    def cancel_all(self, body: Params) -> Params:
        """Without orderFilter it takes the levels of positions as well."""
        keep = scope(self._book, body)
        wanted = {"Order": (False,), "StopOrder": (True,), None: (False, True)}.get(body.get("orderFilter"))
        if wanted is None:
            raise BybitRefusal(10001, "Request parameter error: orderFilter")
        only_stops = body.get("stopOrderType") == "Stop"
        chosen = [each for each in self._core.working() if keep(each) and each.conditional in wanted]
        roots = [self._book.root(each.id) for each in chosen if not (only_stops and each.close_all)]
        return {"list": [self._cancelled(each) for each in roots], "success": "1"}

    def trading_stop(self, body: Params) -> Params:
        native = linear(self._book, body)
        if body.get("tpslMode") != "Full" or "positionIdx" not in body:
            raise BybitRefusal(10001, "Request parameter error: tpslMode (only Full is emulated), positionIdx")
        self._direction(body)
        try:
            change_levels(self._book, native, level_fields(body))
        except Refused as refused:
            raise refusal(refused) from None
        return {}

    # --- reads ------------------------------------------------------------------------------------------------------

    def realtime(self, query: Params) -> Params:
        """Open orders; by an id also one that has closed, and with openOnly 1 what has closed."""
        keep, since = scope(self._book, query), self._now() - self.realtime_delay_ms
        if query.get("orderId") or query.get("orderLinkId"):
            rows = [self._book.row(order)] if (order := self._named(query)) and keep(order) else []
            rows = [row for row in rows if not is_closed(row) or self._remembered(row)]
        elif whole(query, "openOnly", 0):
            rows = self._filtered(query, lambda order: keep(order) and self._book.closed(order))
            rows = [row for row in rows if self._remembered(row)]
        else:
            rows = self._filtered(query, lambda order: keep(order) and not self._book.closed(order))
        rows = [row for row in rows if int(row["createdTime"]) <= since] if self.realtime_delay_ms else rows
        return {"category": "linear"} | paged(rows[:REALTIME_CLOSED], _order_key, query, most=50, usual=20)

    def history(self, query: Params) -> Params:
        """What has ended, seven days back at the most; cancelled without a fill is gone after a day."""
        linear_category(query)
        start, end = window(query, self._now())
        if query.get("orderId") or query.get("orderLinkId"):
            rows = [self._book.row(order)] if (order := self._named(query)) else []
        else:
            rows = self._filtered(query, scope(self._book, query, required=False))
        late = self._now() - self.history_delay_ms
        rows = [row for row in rows if is_closed(row) and start <= int(row["createdTime"]) <= end]
        rows = [row for row in rows if int(row["updatedTime"]) <= late and not self._outlived(row)]
        return {"category": "linear"} | paged(rows, _order_key, query, most=50, usual=20)

    def executions(self, query: Params) -> Params:
        """Fills, liquidations and settlements of funding, newest first."""
        linear_category(query)
        start, end = window(query, self._now())
        named = next((name for name in ("orderId", "orderLinkId") if query.get(name)), "")
        fills = [fill for fill in self._core.visible_fills() if named or start <= fill.at <= end]
        rows = [self._book.execution(fill) for fill in fills] + self._book.settlements()
        if named:
            rows = [row for row in rows if row[named] == query[named]]
        else:
            rows = [row for row in rows if start <= int(row["execTime"]) <= end and _of_symbol(row, query)]
        if kind := query.get("execType"):
            rows = [row for row in rows if row["execType"] == kind]
        rows.sort(key=lambda row: (int(row["execTime"]), row["execId"]), reverse=True)
        return {"category": "linear"} | paged(rows, lambda row: row["execId"], query, most=100, usual=50)

    def _filtered(self, query: Params, keep: Callable[[CoreOrder], bool]) -> list[Params]:
        rows = self._book.rows(keep)
        if (kind := query.get("orderFilter")) in ("Order", "StopOrder"):
            rows = [row for row in rows if bool(row["stopOrderType"]) == (kind == "StopOrder")]
        if status := query.get("orderStatus"):
            rows = [row for row in rows if row["orderStatus"] == status]
        return rows

    def _named(self, params: Params) -> CoreOrder | None:
        """orderId outranks orderLinkId, whatever it says."""
        if uuid := params.get("orderId"):
            number = order_number(uuid)
            found = self._core.orders.get(number) if number is not None else None
            return found if found is not None and found.origin is None else None
        link = params.get("orderLinkId")
        if not link:
            raise BybitRefusal(10001, "Request parameter error: orderId or orderLinkId is needed")
        found = self._core.find(link)
        return self._book.root(found.id) if found is not None else None

    def _remembered(self, row: Params) -> bool:
        number = order_number(row["orderId"])
        return number is not None and number > self._restarted

    def _outlived(self, row: Params) -> bool:
        unfilled = row["cumExecQty"] == "0" and row["orderStatus"] in ("Cancelled", "Rejected")
        return unfilled and self._now() - int(row["updatedTime"]) > DAY


def _order_key(row: Params) -> str:
    return f"{row['orderId']}:{row['createdTime']}"


def _of_symbol(row: Params, query: Params) -> bool:
    base = query.get("baseCoin", "")
    return row["symbol"] == query.get("symbol", row["symbol"]) and row["symbol"].startswith(base)


def linear_category(params: Params) -> None:
    if params.get("category") != "linear":
        raise BybitRefusal(10001, "Illegal category")


def linear(book: Book, params: Params) -> str:
    """The symbol of a request about one linear instrument."""
    linear_category(params)
    native = params.get("symbol")
    if native not in book.core.specs:
        raise BybitRefusal(10001, "Not supported symbols")
    return str(native)


def scope(book: Book, params: Params, *, required: bool = True) -> Callable[[CoreOrder], bool]:
    """Which orders a request is about: symbol before baseCoin before settleCoin."""
    linear_category(params)
    if native := params.get("symbol"):
        linear(book, params)
        return lambda order: order.native == native
    if base := params.get("baseCoin"):
        return lambda order: order.native == f"{base}USDT"
    if params.get("settleCoin") == "USDT" or not required:
        return lambda order: True
    if params.get("settleCoin"):
        return lambda order: False
    raise BybitRefusal(10001, "Missing some parameters that must be filled in, symbol or settleCoin or baseCoin")


def number(params: Params, name: str) -> Decimal:
    try:
        value = Decimal(params[name])
    except (KeyError, InvalidOperation, TypeError):
        raise BybitRefusal(10001, f"{name.capitalize()} invalid") from None
    if not value.is_finite() or value < 0:
        raise BybitRefusal(10001, f"{name.capitalize()} invalid")
    return value


def level_fields(params: Params) -> Wanted:
    """The levels that a request names; the last price fires them where it does not say."""
    wanted: Wanted = {}
    for field, by, kind in LEVEL_FIELDS:
        if params.get(field) is not None:
            wanted[kind] = (number(params, field), params.get(by, "LastPrice") != "LastPrice")
    return wanted
