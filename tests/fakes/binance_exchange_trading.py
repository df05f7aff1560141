"""Orders of the emulated Binance USD-M: plain ones, and conditional ("algo") ones, which are a service of their own."""

from collections.abc import Callable
from decimal import Decimal
from itertools import count

from tests.fakes import binance_exchange_rules as rules
from tests.fakes.binance_exchange_gate import Params, Refusal, client_id
from tests.fakes.binance_exchange_market import span
from tests.fakes.binance_exchange_rows import Json, algo_row, order_row, queried_algo_row, queried_row
from tests.fakes.exchange_core import Core, CoreOrder, Refused, Spec
from tests.fakes.exchange_core_values import Direction

_MOST_PLAIN = 200  # working orders of one instrument
_MOST_ALGO = 200  # conditional orders over all instruments
_DAY_MS = 86_400_000
_WEEK_MS = 7 * _DAY_MS
_DONE = {"code": 200, "msg": "The operation of cancel all open order is done."}
_DIRECTIONS: dict[str, Direction] = {"LONG": "LONG", "SHORT": "SHORT"}
_LEFT_OUT = ("avgPrice", "cumQty", "cumQuote")


class TradingSide:
    """`lenient` swallows what rules.SWALLOWED names. `slim_answers`: new orders are answered without what was filled.
    `read_lag_ms`: so long after it was accepted no look-up finds an order."""

    def __init__(self, core: Core, *, spec_of: Callable[[str], Spec], now: Callable[[], int]) -> None:
        self.core = core
        self.lenient = False
        self.slim_answers = False
        self.read_lag_ms = 0
        self._spec_of = spec_of
        self._now = now
        self._made_ids = count(1)

    # --- plain orders ---

    def place(self, params: Params) -> Json:
        self._strict(params, rules.ORDER_PARAMS)
        spec = self._spec_of(params.text("symbol"))
        side, kind = rules.side_of(params), rules.plain_kind(params)
        direction = self._direction(params)
        quantity, price = rules.amount(params, spec), rules.price_of(params, "price", spec)
        tif, answer = rules.in_force(params, kind, price), rules.answer_type(params)
        reduce_only = self._reduce_only(params)
        id = client_id(params, "newClientOrderId", self._make_id)
        if len(self.core.working(spec.native, conditional=False)) >= _MOST_PLAIN:
            raise Refusal(-2025, "Reach max open order limit.")
        try:
            order = self.core.place(
                native=spec.native,
                side=side,
                direction=direction,
                kind=kind,
                client_id=id,
                quantity=quantity,
                price=price,
                reduce_only=reduce_only,
                tif=tif,
            )
        except Refused as refused:
            raise rules.order_refusal(refused, params, spec) from refused
        acknowledged = answer == "ACK" or (kind == "LIMIT" and tif not in ("IOC", "FOK"))
        row = order_row(order, spec, hedged=self.core.hedged, acknowledged_only=acknowledged)
        return {key: row[key] for key in row if not self.slim_answers or key not in _LEFT_OUT}

    def query(self, params: Params) -> Json:
        self._strict(params, rules.ORDER_KEYS)
        spec = self._spec_of(params.text("symbol"))
        params.either("origClientOrderId", "orderId")
        order = self._plain(params, spec)
        if order is None or not self._shown(order):
            raise Refusal(-2013, "Order does not exist.")
        return queried_row(order, spec, hedged=self.core.hedged)

    def cancel(self, params: Params) -> Json:
        self._strict(params, rules.ORDER_KEYS)
        spec = self._spec_of(params.text("symbol"))
        params.either("origClientOrderId", "orderId")
        order = self._plain(params, spec, open_first=True)
        if order is None or not order.open:
            raise Refusal(-2011, "Unknown order sent.")
        return order_row(self.core.cancel(order.id), spec, hedged=self.core.hedged)

    def open_orders(self, params: Params) -> list[Json]:
        return [self._row(order) for order in self._working(params, conditional=False)]

    def all_orders(self, params: Params) -> list[Json]:
        return self._paged(params, "orderId", conditional=False, row=self._row)

    def cancel_open(self, params: Params) -> Json:
        self._cancel_all(params, conditional=False)
        return dict(_DONE)

    # --- conditional orders ---

    def place_algo(self, params: Params) -> Json:
        self._strict(params, rules.ALGO_PARAMS)
        spec = self._spec_of(params.text("symbol"))
        side, kind = rules.side_of(params), rules.guard_kind(params)
        direction = self._direction(params)
        close_all = rules.closes_all(params)
        quantity = Decimal(0) if close_all else rules.amount(params, spec)
        params.text("triggerPrice")
        trigger, working = rules.price_of(params, "triggerPrice", spec), rules.working_type(params)
        rules.answer_type(params)
        reduce_only = self._reduce_only(params)
        id = client_id(params, "clientAlgoId", self._make_id)
        if len(self.core.working(conditional=True)) >= _MOST_ALGO:
            raise Refusal(-4045, "Reach max stop order limit.")
        try:
            order = self.core.place(
                native=spec.native,
                side=side,
                direction=direction,
                kind=kind,
                client_id=id,
                quantity=quantity,
                trigger=trigger,
                reduce_only=reduce_only,
                close_all=close_all,
                working=working,
            )
        except Refused as refused:
            raise rules.order_refusal(refused, params, spec) from refused
        return algo_row(order, spec, hedged=self.core.hedged)

    def query_algo(self, params: Params) -> Json:
        self._strict(params, rules.ALGO_KEYS)
        params.either("clientAlgoId", "algoId")
        order = self._algo(params)
        if order is None or not self._shown(order):
            raise Refusal(-2013, "Order does not exist.")
        return self._algo_row(order)

    def cancel_algo(self, params: Params) -> Json:
        self._strict(params, rules.ALGO_KEYS)
        params.either("clientAlgoId", "algoId")
        order = self._algo(params)
        if order is None or not order.open:
            raise Refusal(-2011, "Unknown order sent.")
        self.core.cancel(order.id)
        return {"algoId": order.id, "clientAlgoId": order.client_id, "code": "200", "msg": "success"}

    def open_algo_orders(self, params: Params) -> list[Json]:
        wanted = params.integer("algoId")
        working = self._working(params, conditional=True)
        return [self._algo_row(order) for order in working if wanted in (None, order.id)]

    def all_algo_orders(self, params: Params) -> list[Json]:
        return self._paged(params, "algoId", conditional=True, row=self._algo_row)

    def cancel_open_algo(self, params: Params) -> Json:
        self._cancel_all(params, conditional=True)
        return dict(_DONE)

    # --- rules that depend on the account ---

    def _strict(self, params: Params, known: frozenset[str]) -> None:
        params.refuse_unknown(known | rules.SWALLOWED if self.lenient else known)

    def _direction(self, params: Params) -> Direction | None:
        """The side of the position that is meant; None one way, where it follows."""
        side = params.maybe("positionSide") or "BOTH"
        if side not in ("BOTH", "LONG", "SHORT"):
            raise Refusal(-4060, "Invalid position side.")
        if (side == "BOTH") == self.core.hedged:
            raise Refusal(-4061, "Order's position side does not match user's setting.")
        return _DIRECTIONS.get(side)

    def _reduce_only(self, params: Params) -> bool:
        if self.core.hedged:
            params.none_of("reduceOnly")
        return params.flag("reduceOnly")

    # --- looking up ---

    def _plain(self, params: Params, spec: Spec, *, open_first: bool = False) -> CoreOrder | None:
        """An id outranks a client id. A client id may have been used again: the newest counts, or the open one."""
        number, id = params.integer("orderId"), params.maybe("origClientOrderId")
        if number is not None:
            order = self.core.by_id(number)
        else:
            working = self.core.working(spec.native, conditional=False) if open_first else []
            order = next((each for each in working if each.client_id == id), None)
            order = order or self.core.find(id or "", conditional=False)
        return order if order is not None and not order.conditional and order.native == spec.native else None

    def _algo(self, params: Params) -> CoreOrder | None:
        number, id = params.integer("algoId"), params.maybe("clientAlgoId")
        order = self.core.by_id(number) if number is not None else self.core.find(id or "", conditional=True)
        return order if order is not None and order.conditional else None

    def _shown(self, order: CoreOrder) -> bool:
        """What ended without a fill is forgotten after three days, and everything after ninety."""
        now = self._now()
        if order.created + self.read_lag_ms > now:
            return False
        vain = order.status in ("CANCELED", "EXPIRED") and not order.filled
        return order.created + (3 if vain else 90) * _DAY_MS >= now

    def _working(self, params: Params, *, conditional: bool) -> list[CoreOrder]:
        native = params.maybe("symbol")
        if native is not None:
            self._spec_of(native)
        working = self.core.working(native, conditional=conditional)
        return [each for each in working if each.created + self.read_lag_ms <= self._now()]

    def _row(self, order: CoreOrder) -> Json:
        return queried_row(order, self._spec_of(order.native), hedged=self.core.hedged)

    def _algo_row(self, order: CoreOrder) -> Json:
        child = self.core.by_id(order.fired) if order.fired is not None else None
        return queried_algo_row(order, self._spec_of(order.native), child, hedged=self.core.hedged)

    def _paged(self, params: Params, key: str, *, conditional: bool, row: Callable[[CoreOrder], Json]) -> list[Json]:
        """Of the last seven days, or of seven days from the start, or from an id on. Oldest first."""
        spec = self._spec_of(params.text("symbol"))
        start, end = span(params)
        limit, first = min(params.integer("limit", 500) or 500, 1_000), params.integer(key)
        if start is not None and end is not None and end - start > _WEEK_MS:
            raise Refusal(-4165, "Invalid time interval")
        found = [
            order
            for order in self.core.orders.values()
            if order.native == spec.native and order.conditional == conditional and self._shown(order)
        ]
        if first is not None:
            return [row(order) for order in found if order.id >= first][:limit]
        now = self._now()
        begins = start if start is not None else (end if end is not None else now) - _WEEK_MS
        ends = end if end is not None else begins + _WEEK_MS + 1_000
        rows = [row(order) for order in found if begins <= order.created <= ends]
        return rows[:limit] if start is not None else rows[-limit:]

    def _cancel_all(self, params: Params, *, conditional: bool) -> None:
        spec = self._spec_of(params.text("symbol"))
        for order in self.core.working(spec.native, conditional=conditional):
            self.core.cancel(order.id)

    def _make_id(self) -> str:
        return f"emulated{next(self._made_ids):014d}"
