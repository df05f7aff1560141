"""What a failure means, by table: text and classes as ccxt 4.5.90 raises them (venues.md 4.2)."""

import importlib
from collections.abc import Mapping
from datetime import timedelta

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from tests.exchange_stub import StubDialect
from trading.errors import GavelError, OrderRejected, RateLimited, Transient, UnknownOutcome, VenueDown
from trading.venues.exchange.classify import Answer, ClockOff, clean, outcome
from trading.venues.exchange.hosts import ForeignHost
from trading.venues.exchange.loading import exchange_class
from trading.venues.exchange.wire import Code, Pause


class Bybit(StubDialect):
    name = "bybit"
    pauses = (Pause(status=403, after=timedelta(minutes=10)),)
    codes: Mapping[str, Code] = {
        "110007": Code.MARGIN,
        "110072": Code.DUPLICATE,
        "110043": Code.UNCHANGED,
        "10003": Code.AUTH,
    }
    unknown = frozenset({"10000", "10016"})
    not_done = frozenset({"10006", "429"})
    clock = frozenset({"10002"})


class Weex(StubDialect):
    name = "weex"
    codes: Mapping[str, Code] = {"-1056": Code.IP, "-3200": Code.GONE, "FAILED_ORDER_NOT_FOUND": Code.GONE}
    unknown = frozenset({"-1000", "-1054"})
    not_done: frozenset[str] = frozenset()
    clock = frozenset({"-1046"})


BINANCE, BYBIT, WEEX = StubDialect(), Bybit(), Weex()


def ccxt_error(name: str, text: str, answer: Answer | None = None, cause: BaseException | None = None) -> Exception:
    exchange_class("bybit")
    error: Exception = getattr(importlib.import_module("ccxt.base.errors"), name)(text)
    error.answer = answer  # type: ignore[attr-defined]
    error.__cause__ = cause
    return error


def answer(status: int, body: str, **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def no_connection() -> aiohttp.ClientConnectorError:
    key = ConnectionKey("fapi.binance.com", 443, True, True, None, None, None)
    return aiohttp.ClientConnectorError(key, OSError("refused"))


# For which exchange, what ccxt raised, from which status and body (0: from that text alone) -> ours for a write.
TABLE: dict[str, tuple[StubDialect, str, int, str, type[GavelError] | Code]] = {
    "text alone, by code": (BINANCE, "ExchangeError", 0, 'x {"code":-2019,"msg":"No."}', Code.MARGIN),
    "code before class": (BINANCE, "DDoSProtection", 0, 'x {"code":-2015,"msg":"Bad."}', Code.AUTH),
    "code in text, quoted": (BYBIT, "InvalidOrder", 0, 'bybit {"retCode":"110072"}', Code.DUPLICATE),
    "a word for a code": (WEEX, "ExchangeError", 400, '{"code":"x","msg":"FAILED_ORDER_NOT_FOUND"}', Code.GONE),
    "an errorCode": (WEEX, "ExchangeError", 200, '{"success":false,"errorCode":"-3200"}', Code.GONE),
    "first of a list": (BINANCE, "ExchangeError", 200, '[{"code":-2011,"msg":"Unknown order."}]', Code.GONE),
    "not modified is UNCHANGED": (BYBIT, "BadRequest", 200, '{"retCode":110043}', Code.UNCHANGED),
    "a code beats status 403": (WEEX, "PermissionDenied", 403, '{"code":-1056,"msg":"ip"}', Code.IP),
    "a code beats status 500": (BINANCE, "ExchangeNotAvailable", 500, '{"code":-2019}', Code.MARGIN),
    "clock, binance": (BINANCE, "InvalidNonce", 400, '{"code":-1021}', ClockOff),
    "clock, bybit": (BYBIT, "InvalidNonce", 200, '{"retCode":10002}', ClockOff),
    "clock, weex, as a bad request": (WEEX, "BadRequest", 400, '{"code":-1046}', ClockOff),
    "clock by class": (BINANCE, "InvalidNonce", 400, '{"code":-77}', ClockOff),
    "unknown, bybit": (BYBIT, "ExchangeError", 200, '{"retCode":10016}', UnknownOutcome),
    "unknown, weex": (WEEX, "ExchangeError", 200, '{"code":-1054,"msg":"system"}', UnknownOutcome),
    "unknown though of a class of refusals": (WEEX, "BadRequest", 200, '{"code":-1054,"msg":"x"}', UnknownOutcome),
    "retCode 429 is not done": (BYBIT, "ExchangeError", 200, '{"retCode":429}', Transient),
    "shed before it was looked at": (BINANCE, "OperationFailed", 503, '{"code":-1008}', Transient),
    "10006": (BYBIT, "RateLimitExceeded", 200, '{"retCode":10006}', RateLimited),
    "403 of bybit": (BYBIT, "RateLimitExceeded", 403, "<html>", RateLimited),
    "403 of others, a page": (BINANCE, "ExchangeNotAvailable", 403, "<html>", UnknownOutcome),
    "status 451": (BINANCE, "ExchangeNotAvailable", 451, "{}", Code.PERMISSION),
    "class of a refusal, status 500": (BINANCE, "InvalidOrder", 500, '{"code":-5}', UnknownOutcome),
    "class of a refusal, a page": (BINANCE, "AuthenticationError", 401, "<html>", UnknownOutcome),
    "class of a refusal, JSON": (BINANCE, "InvalidOrder", 400, '{"code":-5}', Code.OTHER),
    "class alone, before it left": (BINANCE, "ArgumentsRequired", 0, "no symbol", Code.OTHER),
    "a special class first": (BINANCE, "PermissionDenied", 400, '{"code":-5}', Code.PERMISSION),
    "order not found": (BINANCE, "OrderNotFound", 400, '{"code":-5}', Code.GONE),
    "bare ExchangeError": (BINANCE, "ExchangeError", 400, '{"code":-5}', UnknownOutcome),
    "ExchangeError without an answer": (BINANCE, "ExchangeError", 0, "x POST https://a/b", UnknownOutcome),
    "NullResponse": (BINANCE, "NullResponse", 200, "{}", UnknownOutcome),
    "BadResponse": (BINANCE, "BadResponse", 200, "{}", UnknownOutcome),
    "a checksum of a book": (BINANCE, "ChecksumError", 0, "", UnknownOutcome),
    "timeout": (BINANCE, "RequestTimeout", 0, "", UnknownOutcome),
    "dropped": (BINANCE, "ExchangeNotAvailable", 0, "", UnknownOutcome),
    "maintenance": (BINANCE, "OnMaintenance", 200, '{"code":-5}', UnknownOutcome),
}  # fmt: skip


def judged(what: str, *, wrote: bool) -> type[GavelError] | Code:
    dialect, kind, status, body, _ = TABLE[what]
    error = ccxt_error(kind, "", answer(status, body)) if status else ccxt_error(kind, body)
    found = outcome(error, dialect, wrote=wrote)
    return Code(found.code) if isinstance(found, OrderRejected) else type(found)


@pytest.mark.parametrize("what", TABLE)
def test_a_write(what: str) -> None:
    assert judged(what, wrote=True) == TABLE[what][-1]


@pytest.mark.parametrize("what", TABLE)
def test_a_read_is_never_of_unknown_outcome(what: str) -> None:
    ours = TABLE[what][-1]
    assert judged(what, wrote=False) == (Transient if ours is UnknownOutcome else ours)


@pytest.mark.parametrize("wrote", [True, False])
def test_what_did_not_leave_is_down(wrote: bool) -> None:
    late = aiohttp.ConnectionTimeoutError("connect")
    for error in (
        ccxt_error("ExchangeNotAvailable", "x", cause=no_connection()),
        ccxt_error("RequestTimeout", "x", cause=late),
        ccxt_error("ExchangeClosedByUser", "x"),
        ForeignHost("'evil' is not a host of this exchange"),
    ):
        assert type(outcome(error, StubDialect(), wrote=wrote)) is VenueDown


@pytest.mark.parametrize(
    "cause", [aiohttp.ServerDisconnectedError(), aiohttp.ClientOSError(104, "reset"), aiohttp.SocketTimeoutError()]
)
def test_what_broke_after_the_connection_stood_may_have_left(cause: Exception) -> None:
    assert (
        type(outcome(ccxt_error("ExchangeNotAvailable", "x", cause=cause), StubDialect(), wrote=True)) is UnknownOutcome
    )


def test_errors_that_are_not_ccxts_leave_a_write_open() -> None:
    for error in (TypeError("x"), KeyError("y"), ValueError(), TimeoutError(), OSError(104)):
        assert type(outcome(error, StubDialect(), wrote=True)) is UnknownOutcome
        assert type(outcome(error, StubDialect(), wrote=False)) is Transient


def test_our_own_errors_stay_what_they_are() -> None:
    ours = RateLimited("wait", retry_after=1)
    assert outcome(ours, StubDialect(), wrote=True) is ours


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("7", 7.0), ("0.5", 0.5), ("", 120.0), ("Wed, 21 Oct", 120.0), ("-4", 120.0), ("nan", 120.0), ("inf", 120.0),
     ("1e12", 259_200.0)],
)  # fmt: skip
def test_how_long_to_be_silent(told: str, seconds: float) -> None:
    came = answer(418, "{}", Retry_After=told) if told else answer(418, "{}")
    found = outcome(ccxt_error("DDoSProtection", "x", came), StubDialect(), wrote=True)
    assert isinstance(found, RateLimited)
    assert found.retry_after == seconds


def test_a_ban_of_which_the_dialect_knows_how_long_it_lasts() -> None:
    found = outcome(ccxt_error("RateLimitExceeded", "", answer(403, "")), Bybit(), wrote=True)
    assert isinstance(found, RateLimited)
    assert found.retry_after == 600


@pytest.mark.parametrize(
    "body", ["", "null", "[]", "[[]]", "{", '{"code":{}}', '{"code":null,"msg":5}', "7", '{"code":true}', "\x00"]
)
def test_strange_bodies_break_nothing(body: str) -> None:
    assert (
        type(outcome(ccxt_error("ExchangeError", body, answer(200, body)), StubDialect(), wrote=True)) is UnknownOutcome
    )


SECRETS = ("api-key-0123456789", "Zm9vYmFyYmF6c2lnbmF0dXJl")


@pytest.mark.parametrize(
    "said",
    [
        "error sign! origin_string[1700000000000api-key-01234567895000symbol=BTCUSDT]",
        "see https://fapi.binance.com/fapi/v1/order?symbol=BTC&signature=abc",
        "signature: Zm9vYmFyYmF6c2lnbmF0dXJl is wrong",
        "apiKey=api-key-0123456789 is revoked",
        "revoked: api-key-0123456789",
        "got 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "token = Zm9vYmFyYmF6c2lnbmF0dXJl",
    ],
)
def test_words_of_the_exchange_are_shown_without_what_was_signed(said: str) -> None:
    shown = clean(said, SECRETS)
    for secret in (*SECRETS, "https", "origin_string", "9f86d081", "signature=abc"):
        assert secret not in shown, shown
    assert "…" in shown


def test_words_are_shortened_and_our_own_ids_stay() -> None:
    assert clean("Order gv-abcdefghijklmnopqrstuvwx-s0 not found") == "Order gv-abcdefghijklmnopqrstuvwx-s0 not found"
    assert len(clean("word " * 100)) == 160
    assert clean("two\n  lines") == "two lines"


def test_a_message_says_who_what_and_which_code() -> None:
    came = answer(400, '{"code":-2019,"msg":"Margin is insufficient."}')
    found = outcome(ccxt_error("InsufficientFunds", "x https://a/b?signature=c", came), StubDialect(), wrote=True)
    assert str(found) == "stub: Margin is insufficient. (-2019), HTTP 400"


def test_without_words_the_message_says_what_kind_of_failure_it_was() -> None:
    error = ccxt_error("RequestTimeout", "stub POST https://a/b?signature=c", cause=TimeoutError())
    assert str(outcome(error, StubDialect(), wrote=True)) == "stub: RequestTimeout, no answer in time"
    error = ccxt_error("ExchangeNotAvailable", "stub POST https://a/b?signature=c <html>", answer(502, "<html>"))
    assert str(outcome(error, StubDialect(), wrote=True)) == "stub: ExchangeNotAvailable, HTTP 502"
