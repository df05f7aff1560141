"""What the emulated WEEX looks at before it does anything: address, headers, clock, signature, limits."""

import base64
import hashlib
import hmac
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from tests.fakes.weex_exchange_words import Json, Refusal

CLOCK_WINDOW = 30_000
SECOND = 1000
MINUTE = 60 * SECOND
DOWN = "<html><head><title>521: Web server is down</title></head><body></body></html>"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeexCall:
    """A request as it came. `query` is raw: what was signed, in its order."""

    method: str
    host: str
    path: str
    query: str
    body: str
    headers: Mapping[str, str]
    at: int

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path


async def read(request: web.Request, at: int) -> WeexCall:
    path, _, query = request.raw_path.partition("?")
    return WeexCall(
        method=request.method,
        host=request.host.partition(":")[0],
        path=path,
        query=query,
        body=(await request.read()).decode(),
        headers=request.headers,
        at=at,
    )


@dataclass
class Meter:
    """How much was used, by the minute and less."""

    spent: deque[tuple[int, int]] = field(default_factory=deque)

    def add(self, at: int, amount: int) -> None:
        while self.spent and self.spent[0][0] <= at - MINUTE:
            self.spent.popleft()
        self.spent.append((at, amount))

    def used(self, at: int, window: int) -> int:
        return sum(amount for spent_at, amount in self.spent if spent_at > at - window)


@dataclass
class Gate:
    """Keys, and the limits: `weight_limit` in ten seconds, `order_limit` in one."""

    key: str
    secret: str
    passphrase: str
    weight_limit: int = 500
    order_limit: int = 10
    weights: Meter = field(default_factory=Meter)
    orders: Meter = field(default_factory=Meter)
    refused_for_speed: int = 0

    def check(self, headers: Mapping[str, str], signed: str, now: int) -> None:
        """`signed`: METHOD, path, query and body, as they are signed after the time. Raises Refusal."""
        key, sign, stamp, phrase = (
            headers.get(f"ACCESS-{name}", "") for name in ("KEY", "SIGN", "TIMESTAMP", "PASSPHRASE")
        )
        for value, code, name in ((key, -1040, "KEY"), (sign, -1041, "SIGN"), (stamp, -1042, "TIMESTAMP")):
            if not value:
                raise Refusal(code, f"ACCESS_{name} header is required.")
        if not stamp.isdigit():
            raise Refusal(-1043, "Invalid ACCESS_TIMESTAMP.")
        if abs(int(stamp) - now) > CLOCK_WINDOW:
            raise Refusal(-1046, "Request timestamp expired.")
        if key != self.key:
            raise Refusal(-1044, "Invalid ACCESS_KEY.")
        if phrase != self.passphrase:
            raise Refusal(-1049, "API key or passphrase incorrect.")
        if not hmac.compare_digest(sign, self.signature(stamp + signed)):
            raise Refusal(-1047, "API authentication failed.")

    def signature(self, text: str) -> str:
        return base64.b64encode(hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).digest()).decode()

    def spend(self, weight: int, order: int, now: int) -> None:
        """Raises Refusal with status 429, which costs nothing."""
        over = self.weights.used(now, 10 * SECOND) + weight > self.weight_limit
        if over or self.orders.used(now, SECOND) + order > self.order_limit:
            self.refused_for_speed += 1
            raise Refusal(429, "Too many requests, please slow down.", status=429)
        self.weights.add(now, weight)
        if order:
            self.orders.add(now, order)

    def headers(self, now: int) -> dict[str, str]:
        return {
            "X-USED-WEIGHT-1M": str(self.weights.used(now, MINUTE)),
            "X-ORDER-COUNT-10S": str(self.orders.used(now, 10 * SECOND)),
            "X-ORDER-COUNT-1M": str(self.orders.used(now, MINUTE)),
        }


def refused(refusal: Refusal) -> web.Response:
    body: Json = {"code": refusal.code, "msg": refusal.text}
    return web.json_response(body, status=refusal.status)
