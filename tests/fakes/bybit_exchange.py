"""An emulated Bybit V5 (category linear, one-way, unified account) over the little exchange of exchange_core: REST and
websockets as they are documented, with signatures, the clock window, permissions and limits checked."""

import hashlib
import hmac
import json
import time
from collections import deque
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from tests.fakes.bybit_exchange_account import PERMISSIONS, Account
from tests.fakes.bybit_exchange_book import Book, BybitRefusal, Params
from tests.fakes.bybit_exchange_market import Market
from tests.fakes.bybit_exchange_streams import Streams
from tests.fakes.bybit_exchange_trade import Trade
from tests.fakes.exchange_core import Core, Happening
from tests.fakes.exchange_faults import Faults

HOSTS = (
    "api.bybit.com",
    "api-testnet.bybit.com",
    "api-demo.bybit.com",
    "stream.bybit.com",
    "stream-testnet.bybit.com",
    "stream-demo.bybit.com",
)
TOO_MANY = "Too many visits. Exceeded the API Rate Limit."
FAULTS: dict[str, tuple[int, str]] = {
    "429": (10006, TOO_MANY),
    "418": (10018, "Exceeded the IP Rate Limit."),
    "clock": (10002, "invalid request, please check your server timestamp or recv_window param"),
    "unknown code": (10016, "Internal System Error."),
    "503 unknown": (10000, "Server Timeout"),
    "duplicate": (110072, "OrderLinkedID is duplicate"),
}
BANNED = "<html><head><title>403 Forbidden</title></head><body>access too frequent</body></html>"
Endpoint = Callable[[Params], Params]


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

    @property
    def fields(self) -> Params:
        """The parameters, of the query or of the body."""
        return json.loads(self.body) if self.method == "POST" else dict(parse_qsl(self.query, keep_blank_values=True))


@dataclass(slots=True)
class Limits:
    """Requests a second of an account for each endpoint, and of an address in all. For tests to change."""

    endpoints: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            (
                "/v5/order/create",
                "/v5/order/cancel",
                "/v5/order/cancel-all",
                "/v5/position/set-leverage",
                "/v5/position/trading-stop",
                "/v5/account/fee-rate",
                "/v5/user/query-api",
            ),
            10,
        )
    )
    others: int = 50
    address: int = 600  # in five seconds
    ban_ms: int = 600_000
    banned_until: int = 0
    _used: dict[str, deque[int]] = field(default_factory=dict)

    def banned(self, at: int) -> bool:
        """Counts a request of the address; over the limit it is shut out for ten minutes."""
        if at >= self.banned_until and self._count("", at, per_ms=5_000) > self.address:
            self.banned_until = at + self.ban_ms
        return at < self.banned_until

    def left(self, path: str, at: int) -> tuple[int, int]:
        """Counts a request of the account: the limit, and what is left of it in this second; -1: too many."""
        limit = self.endpoints.get(path, self.others)
        return limit, max(-1, limit - self._count(path, at, per_ms=1_000))

    def _count(self, name: str, at: int, *, per_ms: int) -> int:
        times = self._used.setdefault(name, deque())
        while times and times[0] <= at - per_ms:
            times.popleft()
        times.append(at)
        return len(times)


class BybitExchange:
    """`skew_ms`: how far the exchange's clock is ahead. `permissions`: the answer of user/query-api. `padding`: listed
    instruments that nobody trades. `trade.lenient`: unknown fields of order/create are passed over."""

    hosts = HOSTS

    def __init__(
        self,
        core: Core,
        *,
        keys: tuple[str, ...] = ("key", "secret"),
        clock: Callable[[], int] | None = None,
        faults: Faults | None = None,
        padding: int = 0,
    ) -> None:
        core.duplicates = "always"
        core.attach_close_all = True
        self.core = core
        self.keys = keys
        self.faults = faults or Faults()
        self.skew_ms = 0
        self.ip_ok = True
        self.permissions: Params = deepcopy(PERMISSIONS)
        self.limits = Limits()
        self.requests: list[Call] = []
        self._clock = clock or (lambda: time.time_ns() // 1_000_000)
        self.book = Book(core)
        self.trade = Trade(self.book, now=self.now)
        self.market = Market(self.book, now=self.now, padding=padding)
        self.account = Account(self.book, key=lambda: self.permissions | {"apiKey": self.keys[0]}, now=self.now)
        self.streams = Streams(self, self.book, self.market, self.account.wallet_row)
        self._public, self._private = self._routes()
        core.listeners.append(self._heard)

    def now(self) -> int:
        return self._clock() + self.skew_ms

    def _routes(self) -> tuple[dict[str, Endpoint], dict[tuple[str, str], Endpoint]]:
        market, trade, account = self.market, self.trade, self.account
        public = {
            "time": market.time,
            "instruments-info": market.instruments,
            "kline": market.kline,
            "orderbook": market.orderbook,
            "tickers": market.tickers,
            "recent-trade": market.recent_trades,
            "funding/history": market.funding_history,
            "risk-limit": market.risk_limit,
        }
        private = {
            ("POST", "order/create"): trade.create,
            ("POST", "order/cancel"): trade.cancel,
            ("POST", "order/cancel-all"): trade.cancel_all,
            ("GET", "order/realtime"): trade.realtime,
            ("GET", "order/history"): trade.history,
            ("GET", "execution/list"): trade.executions,
            ("POST", "position/trading-stop"): trade.trading_stop,
            ("GET", "position/list"): account.positions,
            ("POST", "position/set-leverage"): account.set_leverage,
            ("POST", "position/switch-mode"): account.switch_mode,
            ("GET", "account/wallet-balance"): account.wallet,
            ("GET", "account/info"): account.info,
            ("POST", "account/set-margin-mode"): account.set_margin_mode,
            ("GET", "account/fee-rate"): account.fee_rate,
            ("GET", "account/transaction-log"): account.transactions,
            ("GET", "user/query-api"): account.query_api,
        }
        return (
            {f"/v5/market/{name}": endpoint for name, endpoint in public.items()},
            {(method, f"/v5/{name}"): endpoint for (method, name), endpoint in private.items()},
        )

    # --- REST -------------------------------------------------------------------------------------------------------

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self.streams.serve(request)
        call = Call(
            method=request.method,
            host=request.host.partition(":")[0],
            path=request.path,
            query=request.raw_path.partition("?")[2],
            body=await request.text(),
            headers=dict(request.headers),
            at=self.now(),
        )
        self.requests.append(call)

        async def process() -> web.Response:
            return self._answered(call)

        return await self.faults.serve(request, process, self._spoilt)

    def _answered(self, call: Call) -> web.Response:
        if self.limits.banned(self.now()):
            return web.Response(status=403, text=BANNED, content_type="text/html")
        public = self._public.get(call.path) if call.method == "GET" else None
        private = self._private.get((call.method, call.path))
        if public is None and private is None:
            return web.Response(status=404, text="404 page not found")
        headers: dict[str, str] = {}
        try:
            if public is not None:
                return self._reply(0, "OK", public(_pairs(call.query)))
            headers = self._admit(call)
            assert private is not None
            text = "Request accepted" if call.path.endswith("set-margin-mode") else "OK"
            return self._reply(0, text, private(_parameters(call)), headers)
        except BybitRefusal as refused:
            if refused.code == 10006:
                headers = self._limit_headers(self.limits.endpoints.get(call.path, self.limits.others), 0)
            return self._reply(refused.code, refused.text, refused.result, headers)

    def _admit(self, call: Call) -> dict[str, str]:
        """Key, address, signature, clock, permissions, limit, in this order; the headers of the answer."""
        head = {name.upper(): value for name, value in call.headers.items()}
        stamp, window = head.get("X-BAPI-TIMESTAMP", ""), head.get("X-BAPI-RECV-WINDOW", "5000")
        key, secret = self.keys[:2]
        if head.get("X-BAPI-API-KEY") != key:
            raise BybitRefusal(10003, "API key is invalid.")
        if self.permissions["expiredAt"] < time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.now() / 1000)):
            raise BybitRefusal(33004, "Your api key has expired.")
        if not self.ip_ok:
            raise BybitRefusal(10010, "Unmatched IP, please check your API key's bound IP addresses.")
        payload = stamp + key + window + (call.body if call.method == "POST" else call.query)
        signed = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(signed, head.get("X-BAPI-SIGN", "").lower()):
            raise BybitRefusal(10004, "error sign! origin_string[hidden]")
        self._check_clock(stamp, window)
        self._check_permission(call)
        limit, left = self.limits.left(call.path, self.now())
        if left < 0:
            raise BybitRefusal(10006, TOO_MANY)
        return self._limit_headers(limit, left)

    def _check_clock(self, stamp: str, window: str) -> None:
        now = self.now()
        good = stamp.isdecimal() and window.isdecimal() and now - int(window) <= int(stamp) < now + 1000
        if not good:
            told = f"req_timestamp[{stamp}],server_timestamp[{now}],recv_window[{window}]"
            raise BybitRefusal(10002, f"{FAULTS['clock'][1]}. {told}")

    def _check_permission(self, call: Call) -> None:
        if call.method != "POST":
            return
        allowed = self.permissions["permissions"]["ContractTrade"]
        needed = {"/v5/order": "Order", "/v5/position": "Position"}.get(call.path.rpartition("/")[0])
        if self.permissions["readOnly"] or (needed and needed not in allowed):
            raise BybitRefusal(10005, "Permission denied, please check your API key permissions.")

    def _limit_headers(self, limit: int, left: int) -> dict[str, str]:
        return {
            "X-Bapi-Limit": str(limit),
            "X-Bapi-Limit-Status": str(left),
            "X-Bapi-Limit-Reset-Timestamp": str(self.now() + (1000 if left == 0 else 0)),
        }

    def _reply(self, code: int, text: str, result: Params, headers: dict[str, str] | None = None) -> web.Response:
        body = {"retCode": code, "retMsg": text, "result": result, "retExtInfo": {}, "time": self.now()}
        return web.json_response(body, headers=headers)

    def _spoilt(self, kind: str) -> web.Response | None:
        if kind == "403":
            return web.Response(status=403, text=BANNED, content_type="text/html")
        if kind not in FAULTS:
            return None
        headers = self._limit_headers(10, 0) if kind == "429" else {}
        return self._reply(*FAULTS[kind], {}, headers)

    # --- what the core reports --------------------------------------------------------------------------------------

    def _heard(self, happening: Happening) -> None:
        match happening:
            case ("order", order):
                self.book.appeared(order)
                if self.streams.anybody:
                    self._tell_order(order.id)
            case ("fill", fill):
                self.book.filled(fill)
                if self.streams.anybody:
                    self.streams.private("execution", [self.book.execution(fill)])
            case ("position", position):
                if self.streams.anybody:
                    self._tell_position(position.native)
            case ("balance", _):
                if (paid := self.book.settled()) and self.streams.anybody:
                    self.streams.private("execution", paid)
                self.streams.wallet()
            case ("trade", native, price, quantity, buy):
                self.streams.traded(native, self.market.traded(native, price, quantity, buy))
                self.streams.prices(native)
            case ("book" | "mark", native):
                self.streams.prices(native)

    def _tell_order(self, number: int) -> None:
        root = self.book.root(number)
        self.streams.private("order", [self.book.row(root)])
        if root.close_all:
            self._tell_position(root.native)

    def _tell_position(self, native: str) -> None:
        row = self.book.position(native, self.book.held(native))
        entry = row.pop("avgPrice")
        self.streams.private("position", [row | {"entryPrice": entry}])


def _pairs(query: str) -> Params:
    return dict(parse_qsl(query, keep_blank_values=True))


def _parameters(call: Call) -> Params:
    if call.method != "POST":
        return _pairs(call.query)
    try:
        body: Any = json.loads(call.body or "{}", parse_float=Decimal)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise BybitRefusal(10001, "Request parameter error: the body is not JSON")
    return body
