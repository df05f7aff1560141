"""The emulated Binance USD-M: its REST and websocket API over the emulated exchange's core, as Binance documents it.

A second reading: nothing here was taken from our own adapter. Where the documents are silent it does as people report:
a closePosition order without a position is refused with -4509.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from aiohttp import web

from tests.fakes.binance_exchange_account import AccountSide
from tests.fakes.binance_exchange_gate import Limits, Params, Refusal, check_key, check_signed, read_params
from tests.fakes.binance_exchange_market import MarketSide
from tests.fakes.binance_exchange_streams import Streams
from tests.fakes.binance_exchange_trading import TradingSide
from tests.fakes.exchange_core import Core, Refused
from tests.fakes.exchange_faults import Faults

_STREAM_HOSTS = ("fstream.binance.com", "demo-fstream.binance.com", "fstream.binancefuture.com")
HOSTS = ("fapi.binance.com", "api.binance.com", "demo-fapi.binance.com", *_STREAM_HOSTS)
_FORM = "application/x-www-form-urlencoded"

Handler = Callable[[Params], Any]
Weight = int | Callable[[Params], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request as it came."""

    method: str
    host: str
    path: str
    query: str
    body: str
    headers: dict[str, str]
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """`security`: "none", "key" or "signed". `orders`: it counts as an order. `trades`: needs permission."""

    handler: Handler
    weight: Weight
    security: str = "none"
    orders: bool = False
    trades: bool = False


class BinanceExchange:
    """A front for exchange_tls.Loop. `lenient` swallows stopLoss and takeProfit, as some accounts report (venues.md
    1.3-1). `skew_ms`: how far its clock is ahead. `limits`, `permissions`, `ip_ok` are for tests to change."""

    hosts = HOSTS

    def __init__(
        self,
        core: Core,
        *,
        keys: tuple[str, str] = ("key", "secret"),
        clock: Callable[[], int] | None = None,
        faults: Faults | None = None,
        lenient: bool = False,
        padding: int = 0,
    ) -> None:
        self.core = core
        self.faults = faults if faults is not None else Faults()
        self.requests: list[Call] = []
        self.skew_ms = 0
        self.ip_ok = True
        self.limits = Limits()
        self._key, self._secret = keys
        self._clock = clock or _wall_ms
        self.market = MarketSide(core, now=self.now, padding=padding)
        # Orders and fills carry the core's time: what is asked about them is held against it, skewed or not.
        self.trading = TradingSide(core, spec_of=self.market.spec_of, now=core.now)
        self.trading.lenient = lenient
        self.account = AccountSide(core, spec_of=self.market.spec_of, now=core.now)
        self.streams = Streams(core, self.market, self.account, self.faults, now=self.now)
        self._endpoints = self._table()

    @property
    def permissions(self) -> dict[str, Any]:
        """As /sapi/v1/account/apiRestrictions tells them."""
        return self.account.permissions

    def now(self) -> int:
        return self._clock() + self.skew_ms

    def calls(self, method: str, path: str) -> list[Call]:
        return [call for call in self.requests if (call.method, call.path) == (method, path)]

    def fund(self, native: str, rate: Decimal) -> None:
        """Settles funding, and keeps the rate also where nobody held anything."""
        before = len(self.core.incomes)
        self.core.fund(native, rate)
        if len(self.core.incomes) == before:
            self.market.settled(native, rate, self.now())

    async def handle(self, request: web.Request) -> web.StreamResponse:
        host = request.host.partition(":")[0]
        if host in _STREAM_HOSTS:
            return await self.streams.serve(request)
        call = await self._record(request, host)

        async def process() -> web.Response:
            return self._respond(call)

        return await self.faults.serve(request, process, self._spoilt)

    async def _record(self, request: web.Request, host: str) -> Call:
        call = Call(
            method=request.method,
            host=host,
            path=request.path,
            query=request.rel_url.raw_query_string,
            body=(await request.read()).decode(),
            headers=dict(request.headers),
            at=self.now(),
        )
        self.requests.append(call)
        return call

    def _respond(self, call: Call) -> web.Response:
        endpoint = self._endpoints.get((call.method, call.path))
        orders = endpoint is not None and endpoint.orders
        status, told = 200, {}
        try:
            payload = self._answer(call, endpoint)
        except Refusal as refusal:
            status, told = refusal.status, refusal.headers
            payload = {"code": refusal.code, "msg": refusal.text}
        told = self.limits.headers(self.now(), orders=orders) | told
        return _json(payload, status, told)

    def _answer(self, call: Call, endpoint: Endpoint | None) -> Any:
        if endpoint is None:
            raise Refusal(-5000, f"Path {call.path}, Method {call.method} is invalid", 404)
        at = self.now()
        params = read_params(call.query, call.body if call.headers.get("Content-Type", "").startswith(_FORM) else "")
        weight = endpoint.weight(params) if callable(endpoint.weight) else endpoint.weight
        self.limits.charge(weight, at, funding=call.path.startswith("/fapi/v1/funding"))
        if endpoint.security != "none":
            check_key(call.headers.get("X-MBX-APIKEY"), self._key, ip_ok=self.ip_ok)
        if endpoint.security == "signed":
            check_signed(call.query, call.body, params, self._secret, at)
        if endpoint.trades and not self.permissions["enableFutures"]:
            raise Refusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        if endpoint.orders:
            self.limits.check_orders(at)
            self.limits.count_order(at)
        try:
            return endpoint.handler(params)
        except Refused as refused:  # the handlers translate what they know: this one would be a surprise
            raise AssertionError(f"{call.method} {call.path}: {refused}") from refused

    def _spoilt(self, kind: str) -> web.Response | None:
        """What Binance says itself when something is wrong."""
        unknown = "Unknown error, please check your request or try again later."
        timeout = "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
        late = "Timestamp for this request is outside of the recvWindow."
        many = "Too many requests; current limit is 2400 requests per minute."
        banned = f"Way too many requests; IP banned until {self.now() + 120_000}."
        said = {
            "503 unknown": (503, -1000, unknown, {}),
            "unknown code": (408, -1007, timeout, {}),
            "clock": (400, -1021, late, {}),
            "duplicate": (400, -4116, "ClientOrderId is duplicated.", {}),
            "429": (429, -1003, many, {"Retry-After": "1"}),
            "418": (418, -1003, banned, {"Retry-After": "120"}),
        }
        if kind not in said:
            return None
        status, code, text, headers = said[kind]
        return _json({"code": code, "msg": text}, status, headers)

    # --- listen keys ---

    def _make_listen_key(self, params: Params) -> Any:
        return self.streams.make_key()

    def _keep_listen_key(self, params: Params) -> Any:
        self.streams.end_old_key()
        if not self.streams.listen_key:
            raise Refusal(-1125, "This listenKey does not exist.")
        return self.streams.make_key()

    def _end_listen_key(self, params: Params) -> Any:
        if self.streams.listen_key:
            self.streams.end_key()
        return {}

    # --- what there is, with its weights ---

    def _table(self) -> dict[tuple[str, str], Endpoint]:
        return self._public() | self._orders() | self._of_the_account()

    def _public(self) -> dict[tuple[str, str], Endpoint]:
        market = self.market
        table: dict[str, tuple[Handler, Weight]] = {
            "ping": (lambda params: {}, 1),
            "time": (market.server_time, 1),
            "exchangeInfo": (market.exchange_info, 1),
            "klines": (market.klines, _by_limit((99, 1), (499, 2), (1_000, 5), (10**9, 10))),
            "depth": (market.depth, _by_limit((50, 2), (100, 5), (500, 10), (10**9, 20))),
            "ticker/bookTicker": (market.book_ticker, _with_symbol(2, 5)),
            "ticker/price": (market.price, _with_symbol(1, 2)),
            "premiumIndex": (market.premium_index, _with_symbol(1, 10)),
            "fundingRate": (market.funding_history, 0),
            "fundingInfo": (market.funding_info, 0),
            "aggTrades": (market.agg_trades, 20),
        }
        return {
            ("GET", f"/fapi/v1/{name}"): Endpoint(handler=handler, weight=weight)
            for name, (handler, weight) in table.items()
        }

    def _orders(self) -> dict[tuple[str, str], Endpoint]:
        trading = self.trading
        reads: dict[str, tuple[Handler, Weight]] = {
            "order": (trading.query, 1),
            "openOrders": (trading.open_orders, _with_symbol(1, 40)),
            "allOrders": (trading.all_orders, 5),
            "algoOrder": (trading.query_algo, 1),
            "openAlgoOrders": (trading.open_algo_orders, _with_symbol(1, 40)),
            "allAlgoOrders": (trading.all_algo_orders, 5),
        }
        deletes: dict[str, Handler] = {
            "order": trading.cancel,
            "algoOrder": trading.cancel_algo,
            "allOpenOrders": trading.cancel_open,
            "algoOpenOrders": trading.cancel_open_algo,
        }
        places: dict[str, Handler] = {"order": trading.place, "algoOrder": trading.place_algo}
        table = {("GET", f"/fapi/v1/{name}"): _signed(*row) for name, row in reads.items()}
        table |= {("DELETE", f"/fapi/v1/{name}"): _signed(each, 1, trades=True) for name, each in deletes.items()}
        return table | {
            ("POST", f"/fapi/v1/{name}"): _signed(each, 0, trades=True, orders=True) for name, each in places.items()
        }

    def _of_the_account(self) -> dict[tuple[str, str], Endpoint]:
        account = self.account
        reads: dict[str, tuple[Handler, Weight]] = {
            "v1/userTrades": (account.user_trades, 5),
            "v1/income": (account.income, 30),
            "v1/positionSide/dual": (account.position_mode, 30),
            "v1/multiAssetsMargin": (account.multi_assets_mode, 30),
            "v1/symbolConfig": (account.symbol_config, 5),
            "v1/accountConfig": (account.account_config, 5),
            "v1/leverageBracket": (account.leverage_bracket, 1),
            "v1/commissionRate": (account.commission_rate, 20),
            "v1/feeBurn": (account.read_fee_burn, 30),
            "v2/positionRisk": (account.position_risk_v2, 5),
            "v3/positionRisk": (account.position_risk_v3, 5),
            "v2/balance": (account.balance, 5),
            "v3/balance": (account.balance, 5),
            "v2/account": (account.account_v2, 5),
            "v3/account": (account.account_v3, 5),
        }
        writes: dict[str, Handler] = {
            "leverage": account.set_leverage,
            "marginType": account.set_margin_type,
            "positionSide/dual": account.set_position_mode,
            "multiAssetsMargin": account.set_multi_assets_mode,
            "feeBurn": account.set_fee_burn,
        }
        keys: dict[str, Handler] = {
            "POST": self._make_listen_key,
            "PUT": self._keep_listen_key,
            "DELETE": self._end_listen_key,
        }
        table = {("GET", f"/fapi/{name}"): _signed(*row) for name, row in reads.items()}
        table |= {("POST", f"/fapi/v1/{name}"): _signed(each, 1, trades=True) for name, each in writes.items()}
        table |= {
            (method, "/fapi/v1/listenKey"): Endpoint(handler=each, weight=1, security="key")
            for method, each in keys.items()
        }
        return table | {("GET", "/sapi/v1/account/apiRestrictions"): _signed(account.api_restrictions, 1)}


def _signed(handler: Handler, weight: Weight, *, trades: bool = False, orders: bool = False) -> Endpoint:
    return Endpoint(handler=handler, weight=weight, security="signed", trades=trades, orders=orders)


def _with_symbol(one: int, every: int) -> Callable[[Params], int]:
    return lambda params: one if params.all.get("symbol") else every


def _by_limit(*steps: tuple[int, int]) -> Callable[[Params], int]:
    """The weight of the first step that is not under the limit asked for; 500 where none is."""

    def weight(params: Params) -> int:
        sent = params.all.get("limit", "500")
        limit = int(sent) if sent.isdigit() else 500
        return next(cost for most, cost in steps if limit <= most)

    return weight


def _json(payload: Any, status: int, headers: dict[str, str]) -> web.Response:
    text = json.dumps(payload, separators=(",", ":"))
    return web.Response(status=status, text=text, content_type="application/json", headers=headers)


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
