"""What a Bybit V5 front keeps of the emulated exchange: which fills belong to which order, refusals, and pages."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from tests.fakes.bybit_exchange_rows import (
    CLOSED,
    execution_row,
    funding_row,
    order_row,
    position_row,
    stop_type,
    text,
)
from tests.fakes.exchange_core import Core, CoreFill, CoreIncome, CoreOrder, CorePosition, Refused

Params = dict[str, Any]

REFUSALS: dict[str, tuple[int, str]] = {
    "step": (10001, "Qty invalid"),
    "tick": (10001, "Price invalid"),
    "min": (10001, "The number of contracts exceeds minimum limit allowed"),
    "max": (10001, "The number of contracts exceeds maximum limit allowed: too large"),
    "notional": (110094, "Order does not meet minimum order value 5USDT"),
    "price": (110003, "Order price is out of permissible range"),
    "margin": (110007, "ab not enough for new order"),
    "reduce": (110017, "current position is zero, cannot fix reduce-only order qty"),
    "leverage": (110013, "cannot set leverage gt maxLeverage by risk limit"),
    "mode": (10001, "position idx not match position mode"),
    "duplicate": (110072, "OrderLinkedID is duplicate"),
    "gone": (110001, "order not exists or too late to cancel"),
    "symbol": (10001, "Not supported symbols"),
}


class BybitRefusal(Exception):
    """An answer with a retCode other than 0. Business refusals come with HTTP 200."""

    def __init__(self, code: int, text: str, *, result: Params | None = None) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text
        self.result: Params = result or {}


def refusal(refused: Refused) -> BybitRefusal:
    """Bybit's number and words for what the core refused."""
    code, text = REFUSALS.get(refused.kind, (10001, f"Request parameter error: {refused.text}"))
    return BybitRefusal(code, text)


class Book:
    """Follows a core. A conditional order that fired is shown as one order, under its own id, with the fills of the
    plain order it became."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.partly = "Cancelled"  # status of a derivative order that ended with a part filled (spot has another)
        self._attached: dict[int, Params] = {}  # what an order was created with: takeProfit, stopLoss, ...
        self._on_last: set[tuple[int, str]] = set()  # levels that ride on an order and that the last price fires
        self.time_in_force: dict[int, str] = {}
        self._fees: defaultdict[int, Decimal] = defaultdict(Decimal)
        self._earned: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._funded: dict[int, Params] = {}
        self._seen = len(core.incomes)

    def attach(self, order: CoreOrder, body: Params) -> None:
        """The levels that an order was created with are shown with it; which price fires them is kept for later."""
        fields = ("takeProfit", "stopLoss", "tpTriggerBy", "slTriggerBy")
        self._attached[order.id] = {name: body[name] for name in fields if name in body}
        for by, kind in (("slTriggerBy", "STOP_MARKET"), ("tpTriggerBy", "TAKE_PROFIT_MARKET")):
            if body.get(by, "LastPrice") == "LastPrice":
                self._on_last.add((order.id, kind))
        for level in self.level_orders(order.native):
            self.appeared(level)  # those that were there before this could be known

    def appeared(self, order: CoreOrder) -> None:
        """A level that rode on an entry: which price fires it was said there."""
        live = self.core.orders.get(order.id)
        if live is not None and order.close_all and order.parent is not None:
            live.working = "LAST" if (order.parent, order.kind) in self._on_last else "MARK"

    def filled(self, fill: CoreFill) -> None:
        self._fees[fill.order] += fill.fee
        self._earned[fill.native] += fill.realised - fill.fee

    def settled(self) -> list[Params]:
        """The funding that came since the last call, as executions: what was open then is known only now."""
        fresh, self._seen = self.core.incomes[self._seen :], len(self.core.incomes)
        rows = {paid.id: self._settlement(paid) for paid in fresh if paid.kind == "FUNDING"}
        self._funded |= rows
        return list(rows.values())

    def _settlement(self, paid: CoreIncome) -> Params:
        held = [each for each in self.core.positions.values() if each.native == paid.native]
        side = ("Buy" if held[0].direction == "LONG" else "Sell") if held else "None"
        size = held[0].quantity if held else Decimal(0)
        self._earned[paid.native] += paid.amount
        return funding_row(paid, side=side, size=size, mark=self.core.mark(paid.native))

    def settlements(self) -> list[Params]:
        self.settled()
        return list(self._funded.values())

    def position(self, native: str, held: CorePosition | None) -> Params:
        return position_row(self.core, native, held, levels=self.levels(native), earned=self._earned[native])

    def held(self, native: str) -> CorePosition | None:
        """What is open; where positions may be held on both sides, the first of them."""
        sides = (self.core.positions.get((native, "LONG")), self.core.positions.get((native, "SHORT")))
        return next((each for each in sides if each is not None and each.quantity), None)

    def levels(self, native: str) -> dict[str, str]:
        return {stop_type(each): text(each.trigger or 0) for each in self.level_orders(native)}

    def level_orders(self, native: str) -> list[CoreOrder]:
        return [each for each in self.core.working(native, conditional=True) if each.close_all]

    def root(self, number: int) -> CoreOrder:
        """The order under whose id an order of the core is shown."""
        order = self.core.orders[number]
        return self.core.orders[order.origin] if order.origin is not None else order

    def child(self, order: CoreOrder) -> CoreOrder | None:
        return self.core.orders[order.fired] if order.fired is not None else None

    def row(self, order: CoreOrder) -> Params:
        child = self.child(order)
        extra = dict(self._attached.get(order.id, {}))
        if (tif := self.time_in_force.get(order.id)) is not None:
            extra["timeInForce"] = tif
        fee = self._fees[(child or order).id]
        return order_row(self.core, order, child, fee=fee, extra=extra, partly=self.partly)

    def rows(self, keep: Callable[[CoreOrder], bool]) -> list[Params]:
        """Newest first."""
        roots = [order for order in self.core.orders.values() if order.origin is None and keep(order)]
        return [self.row(order) for order in sorted(roots, key=lambda each: (each.created, each.id), reverse=True)]

    def execution(self, fill: CoreFill) -> Params:
        order = self.root(fill.order)
        return execution_row(self.core, fill, order, self.child(order))

    def closed(self, order: CoreOrder) -> bool:
        return not (self.child(order) or order).open


def is_closed(row: Params) -> bool:
    return row["orderStatus"] in CLOSED


def paged(rows: Sequence[Params], key: Callable[[Params], str], params: Params, *, most: int, usual: int) -> Params:
    """One page. A cursor names the last row of the page before, and comes already percent-encoded, as Bybit's do; it is
    given with every page that has rows, so that the end is known by a page without any."""
    limit = whole(params, "limit", usual)
    if not 1 <= limit <= most:
        raise BybitRefusal(10001, f"Request parameter error: limit must be between 1 and {most}")
    start = 0
    if cursor := params.get("cursor", ""):
        keys = [f"page:{key(row)}" for row in rows]
        if cursor not in keys:
            raise BybitRefusal(10001, "Request parameter error: cursor")
        start = keys.index(cursor) + 1
    page = list(rows[start : start + limit])
    return {"list": page, "nextPageCursor": quote(f"page:{key(page[-1])}", safe="") if page else ""}


def whole(params: Params, name: str, usual: int) -> int:
    """A whole number of a query."""
    raw = str(params.get(name, usual))
    if not raw.isdecimal():
        raise BybitRefusal(10001, f"Request parameter error: {name}")
    return int(raw)


WEEK = 7 * 24 * 3_600_000


def window(params: Params, now: int) -> tuple[int, int]:
    """startTime and endTime as Bybit takes them: seven days at the most, seven days by default."""
    start = whole(params, "startTime", 0) if params.get("startTime") else None
    end = whole(params, "endTime", 0) if params.get("endTime") else None
    if start is None:
        end = now if end is None else end
        return end - WEEK, end
    if end is None:
        return start, start + WEEK
    if end < start or end - start > WEEK:
        raise BybitRefusal(10001, "The time range between startTime and endTime cannot exceed 7 days")
    return start, end
