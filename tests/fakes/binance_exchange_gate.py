"""The gate of the emulated Binance USD-M: parameters, signatures, the clock window, the limits, and how it says no."""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import parse_qsl

LEGAL_ID = re.compile(r"^[\.A-Z\:/a-z0-9_-]{1,36}$")
_LEGAL_NUMBER = re.compile(r"^([0-9]{1,20})(\.[0-9]{1,20})?$")
_AHEAD_MS = 1_000
_WINDOW_MS = 5_000
_LONGEST_WINDOW_MS = 60_000
_WARNINGS = 3  # so many 429 are answered before the address is banned
_BAN_MS = 120_000


class Refusal(Exception):
    """The exchange says no: {"code": ..., "msg": ...} with an HTTP status."""

    def __init__(self, code: int, text: str, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text
        self.status = status
        self.headers = dict(headers or {})


class Params:
    """Named parameters as they came, query and body together."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self.all: dict[str, str] = {}
        for name, value in pairs:
            if name in self.all:
                raise Refusal(-1101, f"Duplicate values for parameter '{name}'.")
            self.all[name] = value

    def maybe(self, name: str) -> str | None:
        value = self.all.get(name)
        if value == "":
            raise Refusal(-1105, f"Parameter '{name}' was empty.")
        return value

    def text(self, name: str) -> str:
        value = self.all.get(name)
        if not value:
            raise Refusal(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
        return value

    def integer(self, name: str, default: int | None = None) -> int | None:
        value = self.maybe(name)
        if value is None:
            return default
        if not value.isdigit():
            raise Refusal(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
        return int(value)

    def number(self, name: str) -> Decimal | None:
        value = self.maybe(name)
        if value is None:
            return None
        if not _LEGAL_NUMBER.match(value):
            legal = "^([0-9]{1,20})(\\.[0-9]{1,20})?$"
            raise Refusal(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")
        return Decimal(value)

    def flag(self, name: str) -> bool:
        value = (self.maybe(name) or "false").lower()
        if value not in ("true", "false"):
            raise Refusal(-1130, f"Data sent for parameter '{name}' is not valid.")
        return value == "true"

    def either(self, one: str, other: str) -> None:
        if not self.all.get(one) and not self.all.get(other):
            raise Refusal(-1102, f"Param '{one}' or '{other}' must be sent, but both were empty/null!")

    def none_of(self, *names: str) -> None:
        for name in names:
            if name in self.all:
                raise Refusal(-1106, f"Parameter '{name.lower()}' sent when not required.")

    def refuse_unknown(self, known: frozenset[str]) -> None:
        read = sum(1 for name in self.all if name in known)
        if read < len(self.all):
            text = f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{len(self.all)}'."
            raise Refusal(-1104, text)


@dataclass(slots=True)
class Window:
    """How much of a limit is used within the running interval."""

    limit: int
    per_ms: int
    _started: int = 0
    _used: int = 0

    def used(self, at: int) -> int:
        if self._started != at // self.per_ms:
            self._started, self._used = at // self.per_ms, 0
        return self._used

    def add(self, much: int, at: int) -> None:
        self._used = self.used(at) + much

    def seconds_left(self, at: int) -> int:
        return max(1, -(-(self.per_ms - at % self.per_ms) // 1_000))


@dataclass(slots=True)
class Limits:
    """What one address and one account may do. The numbers are for tests to change."""

    weight: Window = field(default_factory=lambda: Window(2_400, 60_000))
    orders_10s: Window = field(default_factory=lambda: Window(300, 10_000))
    orders_1m: Window = field(default_factory=lambda: Window(1_200, 60_000))
    funding_5m: Window = field(default_factory=lambda: Window(500, 300_000))
    banned_until: int = 0
    warned: int = 0

    def charge(self, weight: int, at: int, *, funding: bool = False) -> None:
        """Takes the weight, or refuses with 429, and with 418 those who do not listen."""
        if at < self.banned_until:
            raise self._ban(at)
        window = self.funding_5m if funding else self.weight
        window.add(1 if funding else weight, at)
        if window.used(at) <= window.limit:
            return
        self.warned += 1
        if self.warned > _WARNINGS:
            self.banned_until = at + _BAN_MS
            raise self._ban(at)
        text = f"Too many requests; current limit is {window.limit} requests per minute."
        raise Refusal(-1003, text, 429, {"Retry-After": str(window.seconds_left(at))})

    def check_orders(self, at: int) -> None:
        for window, words in ((self.orders_10s, "TEN_SECONDS"), (self.orders_1m, "MINUTE")):
            if window.used(at) >= window.limit:
                text = f"Too many new orders; current limit is {window.limit} orders per {words}."
                raise Refusal(-1015, text, 429, {"Retry-After": str(window.seconds_left(at))})

    def count_order(self, at: int) -> None:
        self.orders_10s.add(1, at)
        self.orders_1m.add(1, at)

    def headers(self, at: int, *, orders: bool) -> dict[str, str]:
        told = {"X-MBX-USED-WEIGHT-1M": str(self.weight.used(at))}
        if orders:
            told["X-MBX-ORDER-COUNT-10S"] = str(self.orders_10s.used(at))
            told["X-MBX-ORDER-COUNT-1M"] = str(self.orders_1m.used(at))
        return told

    def _ban(self, at: int) -> Refusal:
        text = f"Way too many requests; IP banned until {self.banned_until}. Please use the websocket for live updates."
        return Refusal(-1003, text, 418, {"Retry-After": str(max(1, (self.banned_until - at) // 1_000))})


def check_key(sent: str | None, key: str, *, ip_ok: bool) -> None:
    if not sent or not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", sent):
        raise Refusal(-2014, "API-key format invalid.", 401)
    if sent != key or not ip_ok:
        raise Refusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)


def check_signed(query: str, body: str, params: Params, secret: str, at: int) -> None:
    """The time first, then the HMAC over query and body exactly as they were sent."""
    sent = params.text("timestamp")
    if not sent.isdigit():
        raise Refusal(-1100, "Illegal characters found in parameter 'timestamp'; legal range is '^[0-9]{1,20}$'.")
    window = params.integer("recvWindow", _WINDOW_MS) or 0
    if window > _LONGEST_WINDOW_MS:
        raise Refusal(-1131, "recvWindow must be less than 60000")
    if int(sent) >= at + _AHEAD_MS:
        raise Refusal(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if at - int(sent) > window:
        raise Refusal(-1021, "Timestamp for this request is outside of the recvWindow.")
    signature = params.text("signature")
    payload = _unsigned(query) + _unsigned(body)
    made = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(made, signature):
        raise Refusal(-1022, "Signature for this request is not valid.")


def read_params(query: str, body: str) -> Params:
    pairs = parse_qsl(query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True)
    return Params(pairs)


def client_id(params: Params, name: str, made: Callable[[], str]) -> str:
    """The id as sent, or one of the exchange's own making."""
    if name not in params.all:
        return made()
    if not LEGAL_ID.match(params.all[name]):
        raise Refusal(-4015, "Client order id is not valid.")
    return params.all[name]


def _unsigned(sent: str) -> str:
    return "&".join(part for part in sent.split("&") if part and not part.startswith("signature="))
