"""What a failure of ccxt means for us: one of trading/errors.py, by the rules of venues.md 4.2.

A write counts as refused only where that is certain; all else may have been carried out. ccxt's own choice of class is
asked last: it takes a broken answer for a refusal, and a revoked key for a ban. Its classes are known by name, so that
this file needs no ccxt.
"""

import asyncio
import json
import math
import re
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from trading.errors import GavelError, OrderRejected, RateLimited, Transient, UnknownOutcome, VenueDown
from trading.venues.exchange.hosts import ForeignHost
from trading.venues.exchange.profile import Dialect
from trading.venues.exchange.wire import Code

LONGEST = 160  # characters of the exchange's words
BAN = 10.0  # seconds of silence where neither the exchange nor the dialect says how long
THROTTLED = 1.0  # and where it was not a ban, but a limit by the second
FAR = 3 * 86_400.0  # the longest ban documented

CODE_KEYS = ("retCode", "ret_code", "code", "errorCode")
WORD_KEYS = ("retMsg", "ret_msg", "msg", "errorMessage", "message")
NO_ERROR = frozenset({"", "0", "200", "00000"})

# ccxt's classes that are a refusal and nothing else; the first that fits, special ones before general ones.
REFUSALS = {
    "PermissionDenied": Code.PERMISSION,
    "AuthenticationError": Code.AUTH,
    "BadSymbol": Code.SYMBOL,
    "MarginModeAlreadySet": Code.UNCHANGED,
    "NoChange": Code.UNCHANGED,
    "InsufficientFunds": Code.MARGIN,
    "DuplicateOrderId": Code.DUPLICATE,
    "OrderNotFound": Code.GONE,
    "InvalidOrder": Code.OTHER,
    "OperationRejected": Code.OTHER,
    "BadRequest": Code.OTHER,
    "ArgumentsRequired": Code.OTHER,
    "NotSupported": Code.OTHER,
}
THROTTLES = frozenset({"RateLimitExceeded", "DDoSProtection"})
NEVER_LEFT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, socket.gaierror)


class ClockOff(Transient):
    """Refused because the request's time is off: certainly not done, and right again after a resync."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back before ccxt raised. The client ties it to the exception, as `answer`."""

    status: int
    headers: Mapping[str, str]
    body: str


def outcome(error: BaseException, dialect: Dialect, *, wrote: bool, hide: Collection[str] = ()) -> GavelError:
    """What `error` means for the request: `wrote`, whether it could have changed something. `hide`: our own secrets."""
    if isinstance(error, ForeignHost):
        return VenueDown(str(error))
    if isinstance(error, GavelError):
        return error
    case = _Case(error, dialect, wrote, hide)
    return case.by_code() or case.by_status() or case.by_way() or case.by_class() or case.open()


def nothing_said(dialect: Dialect, *, wrote: bool) -> GavelError:
    """An answer that is none: empty, or not JSON."""
    why = f"{dialect.name}: an empty answer, or none in JSON"
    return UnknownOutcome(why) if wrote else Transient(why)


class _Case:
    def __init__(self, error: BaseException, dialect: Dialect, wrote: bool, hide: Collection[str]) -> None:
        self._error = error
        self._dialect = dialect
        self._wrote = wrote
        self._classes = frozenset(each.__name__ for each in type(error).__mro__)
        answer = getattr(error, "answer", None)
        self._answer: Answer | None = answer if isinstance(answer, Answer) else None
        self._row = _row(self._answer.body if self._answer else str(error))
        self._code = _first(self._row, CODE_KEYS)
        self._word = _first(self._row, WORD_KEYS)
        self._text = f"{dialect.name}: {self._described(hide)}"

    def by_code(self) -> GavelError | None:
        """By the dialect's own codes; some of them are words."""
        dialect = self._dialect
        for said in (self._code, self._word):
            if said in NO_ERROR:
                continue
            if said in dialect.clock:
                return ClockOff(self._text)
            if said in dialect.unknown:
                return self.open()
            if said in dialect.not_done:
                return self._throttled() if self._is_throttle() else Transient(self._text)
            if said in dialect.codes:
                return self._refused(dialect.codes[said])
        return None

    def by_status(self) -> GavelError | None:
        status = self._status
        if self._pauses_on(status):
            return self._throttled()
        if status == 451:  # for legal reasons
            return self._refused(Code.PERMISSION)
        return self.open() if status >= 500 else None

    def by_way(self) -> GavelError | None:
        """Whether it left at all."""
        if self._answer is None:
            if isinstance(self._error.__cause__ or self._error, NEVER_LEFT):
                return VenueDown(f"{self._dialect.name}: not reached ({type(self._error.__cause__).__name__})")
            if "ExchangeClosedByUser" in self._classes:
                return VenueDown(f"{self._dialect.name}: the client is closed")
        return None

    def by_class(self) -> GavelError | None:
        if self._answer is not None and self._row is None:
            return None  # a page of somebody on the way: ccxt's class is only its guess from the status
        if "InvalidNonce" in self._classes and "ChecksumError" not in self._classes:
            return ClockOff(self._text)
        if self._classes & THROTTLES:
            return self._throttled()
        code = next((code for name, code in REFUSALS.items() if name in self._classes), None)
        return self._refused(code) if code is not None else None

    def open(self) -> GavelError:
        """It may have been carried out. A read cannot have done anything."""
        return UnknownOutcome(self._text) if self._wrote else Transient(self._text)

    @property
    def _status(self) -> int:
        return self._answer.status if self._answer else 0

    def _pauses_on(self, status: int) -> bool:
        return status in (418, 429) or any(pause.status == status for pause in self._dialect.pauses)

    def _is_throttle(self) -> bool:
        return bool(self._classes & THROTTLES) or self._pauses_on(self._status)

    def _refused(self, code: Code) -> OrderRejected:
        return OrderRejected(self._text, code=code)

    def _throttled(self) -> RateLimited:
        otherwise = BAN if self._pauses_on(self._status) else THROTTLED
        documented = (p.after.total_seconds() for p in self._dialect.pauses if p.status == self._status)
        seconds = _retry_after(self._answer) or next(documented, otherwise)
        return RateLimited(self._text, retry_after=seconds)

    def _described(self, hide: Collection[str]) -> str:
        """The exchange's words if it said any, else what kind of failure it was: never ccxt's text, which has the
        address with key and signature in it."""
        status = f"HTTP {self._status}" if self._answer else ""
        if not (self._word or self._code):
            waited = isinstance(self._error.__cause__, asyncio.TimeoutError | TimeoutError)
            return ", ".join(filter(None, (type(self._error).__name__, status, "no answer in time" if waited else "")))
        words = f"{clean(self._word, hide)} ({self._code})" if self._word else f"code {self._code}"
        return f"{words}, {status}" if self._status >= 400 else words


def _row(text: str) -> dict[str, Any] | None:
    """The object in an answer, or the first of a list; None where there is no JSON."""
    start = min((at for at in (text.find("{"), text.find("[")) if at >= 0), default=-1)
    if start < 0:
        return None
    try:
        found, _ = json.JSONDecoder(parse_float=str).raw_decode(text, start)
    except ValueError:
        return None
    if isinstance(found, list) and found:
        found = found[0]
    return found if isinstance(found, dict) else None


def _first(row: dict[str, Any] | None, keys: tuple[str, ...]) -> str:
    for key in keys:
        value = (row or {}).get(key)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value) not in NO_ERROR:
            return str(value)
    return ""


def _retry_after(answer: Answer | None) -> float:
    """Seconds; 0 where there is none to be read."""
    told = next((v for k, v in answer.headers.items() if k.lower() == "retry-after"), "") if answer else ""
    try:
        seconds = float(told)
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), FAR) if math.isfinite(seconds) else 0.0


_ADDRESS = re.compile(r"\b\w+://\S+")
_SIGNED = re.compile(r"origin_string\[[^\]]*\]?", re.IGNORECASE)  # Bybit shows what it expected to be signed
_PAIR = re.compile(
    r"\b(signature|sign|api[-_ ]?key|secret|passphrase|token|listenkey|timestamp|recvwindow)\b\s*[=:]\s*[^\s&,}\])]+",
    re.IGNORECASE,
)
_LONG = re.compile(r"[A-Za-z0-9+/=_-]{24,}")


def clean(text: str, hide: Collection[str] = ()) -> str:
    """An exchange's words, short, without addresses, keys and signatures. Our own client ids stay."""
    for secret in hide:
        if len(secret) >= 8:
            text = text.replace(secret, "…")
    for pattern in (_ADDRESS, _SIGNED, _PAIR):
        text = pattern.sub("…", text)
    text = _LONG.sub(lambda found: found[0] if found[0].startswith("gv-") else "…", text)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
