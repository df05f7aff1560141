"""WEEX's V3 contract API on the emulated exchange: REST and streams, signatures, clock, limits, error codes.

Where WEEX's documents are silent or disagree the front has a switch, so that both readings can be tested.
"""

import json
import time
from collections import defaultdict, deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from aiohttp import web

from tests.fakes import weex_exchange_account as account
from tests.fakes import weex_exchange_lookups as lookups
from tests.fakes import weex_exchange_market as market
from tests.fakes import weex_exchange_orders as orders
from tests.fakes.exchange_core import Core, CoreOrder, CorePosition, Happening, Refused, Spec
from tests.fakes.exchange_faults import Faults
from tests.fakes.weex_exchange_gate import DOWN, Gate, WeexCall, read, refused
from tests.fakes.weex_exchange_rows import WEEX_SPECS, Json
from tests.fakes.weex_exchange_streams import Streams
from tests.fakes.weex_exchange_words import REFUSALS, Refusal, needed, said

__all__ = ["WEEX_SPECS", "WeexCall", "WeexExchange"]

REST, STREAMS, SPOT = "api-contract.weex.com", "ws-contract.weex.com", "api-spot.weex.com"
Handler = tuple[int, market.Call]
PUBLIC: dict[tuple[str, str], Handler] = {
    (method, f"/capi/v3/market/{name}"): handler for (method, name), handler in market.CALLS.items()
}
PRIVATE: dict[tuple[str, str], Handler] = {
    (method, f"/capi/v3/{name}"): handler
    for calls in (account.CALLS, orders.CALLS, lookups.CALLS)
    for (method, name), handler in calls.items()
}
COUNTED = {(method, f"/capi/v3/{name}") for method, name in orders.COUNTED}
SPOT_ANSWERS: dict[str, Any] = {"/api/v3/coins": [], "/api/v3/exchangeInfo": {"symbols": []}}  # for ccxt's load_markets


class WeexExchange:
    """`core` has to be hedged: WEEX knows LONG and SHORT, and nothing else. Specs as WEEX lists them: WEEX_SPECS.

    `clock` is the exchange's own time in milliseconds, and `skew_ms` is added to it. `permissions`: "trade",
    "withdraw", "ai_log". `ip_ok` False: HTTP 521, or with `ip_as_code` the code -1056. `violations` lists what nobody
    may ever send.
    """

    hosts: tuple[str, ...] = (REST, STREAMS, SPOT)

    def __init__(
        self,
        core: Core,
        *,
        keys: tuple[str, str, str] = ("key", "secret", "pass"),
        clock: Callable[[], int] | None = None,
        faults: Faults | None = None,
        padding: int = 0,
        cancels_guards_on_flat: bool = False,
    ) -> None:
        if not core.hedged:
            raise ValueError("WEEX holds both sides: Core(..., hedged=True)")
        self.core = core
        self.faults = faults or Faults()
        self.gate = Gate(*keys)
        self.requests: list[WeexCall] = []
        self.violations: list[str] = []
        self.ai_logs: list[Json] = []
        self.skew_ms = 0
        self.permissions = {"trade": True, "withdraw": False, "ai_log": False}
        self.ip_ok = True
        self.ip_as_code = False
        self.padding = padding
        self.cancels_guards_on_flat = cancels_guards_on_flat
        # Both readings of what the documents leave open.
        self.soft_rejects = True  # the engine's no comes under HTTP 200 with success false; else as an error
        self.gone_as_text = True  # a cancel of what is gone: HTTP 200, FAILED_ORDER_NOT_FOUND; else -3200
        self.order_in_list = False
        self.tpsl_in_list = True
        self.singles = False  # market and terms of one symbol: an object; else a list of one
        self.newest_first = False  # candles
        self.whole_position_guards = True  # placeTpSlOrder without a quantity
        self.first_page = 1
        self.partial_status = "PARTIALLY_FILLED"
        self.canceling_ms = 0  # so long a plain order that was cancelled is still shown as CANCELING
        self.terms = {native: account.Terms() for native in core.specs}
        self.rates = dict.fromkeys(core.specs, Decimal("0.0001"))  # the forecast
        self.last_rates = dict.fromkeys(core.specs, Decimal("0.0001"))
        self.trades: dict[str, deque[tuple[int, int, Decimal, Decimal, bool]]] = defaultdict(lambda: deque(maxlen=1000))
        self.riding: dict[str, str] = {}
        self._rides: dict[int, dict[str, str]] = {}
        self._dressed: set[int] = set()
        self._counted: dict[str, int] = defaultdict(int)
        self._clock = clock or _milliseconds
        self.streams = Streams(self)
        core.margin.update(dict.fromkeys(core.specs, "CROSSED"))  # as a new account is
        core.listeners.append(self._happened)

    @property
    def weight_limit(self) -> int:
        return self.gate.weight_limit

    @property
    def order_limit(self) -> int:
        return self.gate.order_limit

    def server_time(self) -> int:
        return self._clock() + self.skew_ms

    # --- the door ---------------------------------------------------------------------------------------------------

    async def handle(self, request: web.Request) -> web.StreamResponse:
        call = await read(request, self.server_time())
        self.requests.append(call)
        if not self.ip_ok:
            if self.ip_as_code:
                return refused(Refusal(-1056, "Invalid IP address."))
            return web.Response(status=521, text=DOWN, content_type="text/html")
        if call.host == STREAMS:
            return await self.streams.serve(request, call)
        if call.host == SPOT:
            return web.json_response(SPOT_ANSWERS.get(call.path, {}), status=200 if call.path in SPOT_ANSWERS else 404)
        return await self.faults.serve(request, lambda: self._answer(call, request), _body_of_fault)

    async def _answer(self, call: WeexCall, request: web.Request) -> web.Response:
        now = self.server_time()
        try:
            answer = web.json_response(self._processed(call, request, now))
        except Refused as no:
            answer = refused(said(no))
        except Refusal as no:
            answer = refused(no)
        answer.headers.update(self.gate.headers(now))
        return answer

    def _processed(self, call: WeexCall, request: web.Request, now: int) -> Any:
        where = (call.method, call.path)
        handler = PUBLIC.get(where) or PRIVATE.get(where)
        if handler is None:
            raise _unknown(call)
        weight, work = handler
        self.gate.spend(weight, 1 if where in COUNTED else 0, now)
        if where not in PRIVATE:
            return work(self, dict(request.query))
        if call.method == "POST" and request.content_type != "application/json":
            raise Refusal(-1045, "Invalid Content-Type, please use application/json.")
        self.gate.check(call.headers, call.method + call.target + call.body, now)
        return work(self, _body(call) if call.method == "POST" or call.body else dict(request.query))

    # --- for the calls ----------------------------------------------------------------------------------------------

    def spec(self, params: Json) -> Spec:
        spec = self.core.specs.get(needed(params, "symbol"))
        if spec is None:
            raise Refusal(-1121, "Invalid symbol.")
        return spec

    def listed(self, params: Json, row: Callable[["WeexExchange", Spec], Json]) -> Any:
        """A row a symbol; of one symbol where one is named."""
        if not params.get("symbol"):
            return [row(self, spec) for spec in self.core.specs.values()]
        found = row(self, self.spec(params))
        return found if self.singles else [found]

    def book_number(self, native: str) -> int:
        return 14_138_610_208 + self._counted[native]

    def canceling(self, order: CoreOrder) -> bool:
        young = self.core.now() - order.updated < self.canceling_ms
        return young and order.status == "CANCELED" and not order.conditional

    def remember(self, order: CoreOrder) -> None:
        """By which price the guards of this entry trigger, when they appear."""
        if order.attach != (None, None):
            self._rides[order.id] = self.riding

    # --- what happens -----------------------------------------------------------------------------------------------

    def _happened(self, happening: Happening) -> None:
        match happening:
            case ("order", CoreOrder() as order) if order.parent and order.conditional:
                self._dress(order)
            case ("position", CorePosition() as position) if not position.quantity and self.cancels_guards_on_flat:
                self._sweep(position)
            case ("book", str() as native):
                self._counted[native] += 1
            case ("trade", native, price, quantity, buy):
                self._counted["trades"] += 1
                seen = (self._counted["trades"], self.server_time(), price, quantity, buy)
                self.trades[native].append(seen)
            case ("balance", _) if self.core.incomes and self.core.incomes[-1].kind == "FUNDING":
                paid = self.core.incomes[-1]
                self.last_rates[paid.native] = paid.rate or Decimal(0)
        self.streams.happened(happening)

    def _dress(self, copy: CoreOrder) -> None:
        """An attached guard has appeared: the price that it watches is the one its entry named."""
        live = self.core.by_id(copy.id)
        if live is None or copy.parent is None or copy.id in self._dressed:
            return
        self._dressed.add(copy.id)
        working = self._rides.get(copy.parent, self.riding).get(copy.kind, orders.LAST)
        live.working = copy.working = "MARK" if working == orders.MARK else "LAST"

    def _sweep(self, position: CorePosition) -> None:
        for order in self.core.working(position.native, conditional=True):
            if order.reduce_only and not order.close_all and order.direction == position.direction:
                self.core.cancel(order.id)


def _body(call: WeexCall) -> Json:
    try:
        body = json.loads(call.body or "{}")
    except ValueError:
        raise Refusal(-1135, "Invalid JSON request.") from None
    if not isinstance(body, dict):
        raise Refusal(-1135, "Invalid JSON request.")
    return body


def _unknown(call: WeexCall) -> Refusal:
    known = {path for _, path in (*PUBLIC, *PRIVATE)}
    if call.path in known:
        return Refusal(-1150, f"Request method '{call.method}' not supported")
    return Refusal(404, "Not Found", status=404)


def _body_of_fault(kind: str) -> web.Response | None:
    """WEEX's own words for what the plan lets go wrong; None: what stands before it answers."""
    match kind:
        case "429":
            return refused(Refusal(429, "Too many requests, please slow down.", status=429))
        case "503 unknown":
            return refused(Refusal(-1054, "System error, please retry later.", status=500))
        case "clock":
            return refused(Refusal(-1046, "Request timestamp expired."))
        case "duplicate":
            return refused(Refusal(*REFUSALS["duplicate"]))
        case "unknown code":
            return refused(Refusal(-9999, "Something that no document names."))
    return None


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000
