"""The fault menu: by name, what goes wrong, and what an honest client makes of it.

`FAULTS[name].lack` None: a correct client may still give the answer. Who notices differs: the sender (LATE,
UNREACHABLE, a body that is too large), the reader of the body (refusals, CUT_OFF, EMPTY), the strict reader of the text
(BROKEN); and only who knows the question sees that nothing is grounded or that another model answered.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from tests.fakes import http_faults as http
from tests.fakes import model_spoils as spoils
from trading.voice import Lack, Source

GEMINI, OPENROUTER, OWN = "gemini", "openrouter", "own"
ALL = frozenset({GEMINI, OPENROUTER, OWN})
_HUGE = 10 * 2**20
_HTML = b"<!DOCTYPE html>\n<html><head><title>Error</title></head><body><h1>Bad gateway</h1></body></html>\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer before it takes a provider's shape. See ModelServer.answer for the words."""

    text: str | None = ""  # None: null
    delay: float = 0.0
    sources: tuple[Source, ...] | None = None
    searches: tuple[str, ...] | None = None
    tokens: tuple[int, int] | None = None
    thoughts: int = 0  # tokens
    thinking: str = ""  # the words of them, where they are shown
    in_parts: bool = False  # Gemini: the text in two parts
    cost: Decimal | None = None
    finish: str | None = "stop"  # None: it does not say how it ended
    as_model: str | None = None
    refusal: str | None = None  # the field of that name
    blocked: str | None = None  # Gemini: the prompt did not get through
    candidates: int = 1
    error: str | None = None  # OpenRouter: the upstream failed after the answer began


class Refusal(Exception):
    """What a provider says instead of an answer. `kind` chooses the details that its shape has room for."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: int | None = None,
        kind: str = "",
        retry_after: str | None = None,
        raw: bytes | None = None,
        content_type: str = "application/json",
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.kind = status, message, kind
        self.code = code or status  # another one where an error stands inside a 200
        self.retry_after = retry_after  # the header
        self.raw, self.content_type = raw, content_type  # the whole body, where it is not the provider's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong: a refusal, or a reply, its bytes or its way over the wire spoiled."""

    lack: Lack | None
    dialects: frozenset[str] = ALL
    refusal: Refusal | None = None
    reply: Callable[[Reply], Reply] | None = None
    body: Callable[[bytes], bytes] | None = None
    wire: http.Send = http.plainly


def faults_of(dialect: str) -> tuple[str, ...]:
    """The names of all faults that a provider can have: for a parametrised test."""
    return tuple(name for name, fault in FAULTS.items() if dialect in fault.dialects)


def _refused(lack: Lack, status: int, message: str, dialects: frozenset[str] = ALL, **more: Any) -> Fault:
    return Fault(lack=lack, dialects=dialects, refusal=Refusal(status, message, **more))


def _page(lack: Lack, status: int, page: bytes = _HTML) -> Fault:
    return Fault(lack=lack, refusal=Refusal(status, "", raw=page, content_type="text/html; charset=utf-8"))


def _text(lack: Lack | None, spoil: spoils.Spoil) -> Fault:
    return Fault(lack=lack, reply=lambda reply: replace(reply, text=spoil(reply.text or "")))


def _reply(lack: Lack | None, dialects: frozenset[str] = ALL, **changes: Any) -> Fault:
    return Fault(lack=lack, dialects=dialects, reply=lambda reply: replace(reply, **changes))


def _bytes(lack: Lack | None, spoil: Callable[[bytes], bytes]) -> Fault:
    return Fault(lack=lack, body=spoil)


def _cut_short(reply: Reply) -> Reply:
    return replace(reply, text=spoils.cut(reply.text or ""), finish="length")


def _padded(body: bytes) -> bytes:
    """A valid answer that is too large to be one."""
    return b'{"padding":"' + b"x" * _HUGE + b'",' + body[1:]


_SLOW_DOWN = "Resource has been exhausted (e.g. check quota)."
_BUSY = "The model is overloaded. Please try again later."
_DATE = "Sun, 22 Nov 2099 12:00:00 GMT"

_REFUSALS: dict[str, Fault] = {
    "307_elsewhere": _refused(Lack.BROKEN, 307, "Moved.", kind="elsewhere"),  # a key is not carried to another place
    "400": _refused(Lack.BAD_REQUEST, 400, "Request contains an invalid argument."),
    "400_bad_key": _refused(Lack.DENIED, 400, "API key not valid.", frozenset({GEMINI}), kind="bad key"),
    "401": _refused(Lack.DENIED, 401, "User not found."),
    "401_with_key": _refused(
        Lack.DENIED, 401, "Incorrect API key provided:", kind="key told"
    ),  # no word of it may stay
    "402": _refused(Lack.DENIED, 402, "Insufficient credits.", frozenset({OPENROUTER}), kind="payment_required"),
    "403": _refused(Lack.DENIED, 403, "The caller does not have permission."),
    "404_retired": _refused(Lack.RETIRED, 404, "This model is no longer available.", kind="retired"),
    "429": _refused(Lack.RATE_LIMITED, 429, _SLOW_DOWN, kind="rate_limit_exceeded"),
    "429_retry_after": _refused(Lack.RATE_LIMITED, 429, _SLOW_DOWN, kind="rate_limit_exceeded", retry_after="7"),
    "429_retry_date": _refused(Lack.RATE_LIMITED, 429, _SLOW_DOWN, kind="rate_limit_exceeded", retry_after=_DATE),
    "429_retry_info": _refused(Lack.RATE_LIMITED, 429, _SLOW_DOWN, frozenset({GEMINI}), kind="retry info"),
    "429_html": _page(Lack.RATE_LIMITED, 429),
    "500_json": _refused(Lack.SERVER, 500, "An internal error has occurred.", kind="server"),
    "500_html": _page(Lack.SERVER, 500),
    "502_json": _refused(Lack.SERVER, 502, "Bad gateway.", kind="provider_unavailable"),
    "502_html": _page(Lack.SERVER, 502),
    "503_json": _refused(Lack.SERVER, 503, _BUSY, kind="provider_overloaded"),
    "503_html": _page(Lack.SERVER, 503),
    "504": _refused(Lack.SERVER, 504, "Deadline expired before operation could complete.", kind="timeout"),
    "200_error": _refused(Lack.SERVER, 200, "Provider returned error", code=502, kind="provider_unavailable"),
    "200_error_429": _refused(Lack.RATE_LIMITED, 200, _SLOW_DOWN, code=429, kind="rate_limit_exceeded"),
    "200_html": _page(Lack.BROKEN, 200),
    "200_empty": Fault(lack=Lack.EMPTY, refusal=Refusal(200, "", raw=b"")),
    "200_null": Fault(lack=Lack.BROKEN, refusal=Refusal(200, "", raw=b"null")),
    "200_list": Fault(lack=Lack.BROKEN, refusal=Refusal(200, "", raw=b"[]")),
    "200_deep": Fault(lack=Lack.BROKEN, refusal=Refusal(200, "", raw=b"[" * 100_000)),
}

_REPLIES: dict[str, Fault] = {
    "content_null": _reply(Lack.EMPTY, text=None),
    "content_empty": _reply(Lack.EMPTY, text=""),
    "only_thoughts": _reply(Lack.CUT_OFF, text="", finish="length", thoughts=900),  # thinking took all the tokens
    "truncated": Fault(lack=Lack.CUT_OFF, reply=_cut_short),
    "whole_but_length": _reply(Lack.CUT_OFF, finish="length"),
    "thoughts_shown": _reply(None, thoughts=57, thinking='{"reason": "thinking", "vote": "WAIT", "confidence": 0.1}'),
    "in_parts": _reply(None, frozenset({GEMINI}), in_parts=True),
    "refusal": _reply(Lack.REFUSED, text=None, refusal="I can't help with that request.", finish="refusal"),
    "content_filter": _reply(Lack.REFUSED, text=None, finish="safety"),
    "half_filtered": Fault(lack=Lack.REFUSED, reply=lambda r: replace(_cut_short(r), finish="safety")),
    "recitation": _reply(Lack.REFUSED, frozenset({GEMINI}), text=None, finish="RECITATION"),
    "block_reason": _reply(Lack.REFUSED, frozenset({GEMINI}), blocked="PROHIBITED_CONTENT"),
    "zero_candidates": _reply(Lack.EMPTY, candidates=0),
    "no_grounding": _reply(Lack.UNGROUNDED, frozenset({GEMINI}), sources=()),
    "unknown_finish": _reply(Lack.BROKEN, finish="SOMETHING_NEW"),
    "no_finish": _reply(Lack.CUT_OFF, finish=None),
    "continuation": _reply(Lack.CUT_OFF, frozenset({GEMINI}), finish="CONTINUATION"),
    "finish_error": _reply(Lack.SERVER, frozenset({OPENROUTER}), finish="error", error="Provider disconnected"),
    "substituted": _reply(Lack.SUBSTITUTED, as_model="somebody/else-1"),
}

_TEXTS: dict[str, Fault] = {
    "code_fence": _text(None, spoils.fenced),
    "two_fences": _text(Lack.BROKEN, spoils.twice_fenced),
    "fence_in_prose": _text(Lack.BROKEN, spoils.fenced_in_prose),
    "trailing_prose": _text(Lack.BROKEN, spoils.with_prose_after),
    "leading_prose": _text(Lack.BROKEN, spoils.with_prose_before),
    "refusal_in_words": _text(Lack.BROKEN, spoils.in_words),
    "two_objects": _text(Lack.BROKEN, spoils.twice),
    "in_a_list": _text(Lack.BROKEN, spoils.listed),
    "in_a_string": _text(Lack.BROKEN, spoils.quoted),
    "cut_but_stop": _text(Lack.BROKEN, spoils.cut),
    "trailing_comma": _text(Lack.BROKEN, spoils.with_trailing_comma),
    "duplicate_keys": _text(Lack.BROKEN, spoils.with_doubled_key),
    "nan": _text(Lack.BROKEN, spoils.with_number("NaN")),
    "infinity": _text(Lack.BROKEN, spoils.with_number("Infinity")),
    "minus_infinity": _text(Lack.BROKEN, spoils.with_number("-Infinity")),
    "1e400": _text(Lack.BROKEN, spoils.with_number("1e400")),
    "huge_integer": _text(Lack.BROKEN, spoils.with_number("1" + "0" * 5000)),
    "confidence_72": _text(Lack.BROKEN, spoils.with_number("72")),
    "confidence_text": _text(Lack.BROKEN, spoils.with_number('"0.7"')),
    "confidence_true": _text(Lack.BROKEN, spoils.with_number("true")),
    "confidence_null": _text(Lack.BROKEN, spoils.with_number("null")),
    "minus_zero": _text(None, spoils.with_number("-0.0")),
    "below_zero": _text(Lack.BROKEN, spoils.with_number("-0.1")),
    "extra_key": _text(Lack.BROKEN, spoils.with_key_too_many),
    "missing_key": _text(Lack.BROKEN, spoils.with_key_too_few),
    "no_key": _text(Lack.BROKEN, spoils.without_any_key),
    "null_verdict": _text(Lack.BROKEN, spoils.with_null),
    "lower_case": _text(Lack.BROKEN, spoils.with_small_letters),
    "other_words": _text(Lack.BROKEN, spoils.with_other_words),
    "half_a_character": _text(Lack.BROKEN, spoils.with_half_a_character),
    "deep_nesting": _text(Lack.BROKEN, spoils.deep),
}

_WIRE: dict[str, Fault] = {
    "leading_whitespace": _bytes(None, lambda body: b"\n  \n\n" + body),
    "not_utf8": _bytes(Lack.BROKEN, lambda body: re.sub(rb'"', b'"\xff', body, count=1)),
    "10mb": _bytes(Lack.CUT_OFF, _padded),
    "10mb_in_gzip": Fault(lack=Lack.CUT_OFF, body=_padded, wire=http.compressed),
    "gzip": Fault(lack=None, wire=http.compressed),
    "slow_drip": Fault(lack=Lack.LATE, wire=http.dripping),
    "stalled": Fault(lack=Lack.LATE, wire=http.stalling),
    "hang": Fault(lack=Lack.LATE, wire=http.never),
    "reset": Fault(lack=Lack.UNREACHABLE, wire=http.reset_first),
    "reset_mid_body": Fault(lack=Lack.UNREACHABLE, wire=http.reset_in_the_middle),
    "content_length_too_long": Fault(lack=Lack.UNREACHABLE, wire=http.shorter_than_said),
    "content_length_too_short": Fault(lack=Lack.BROKEN, wire=http.longer_than_said),
    "connection_refused": Fault(lack=Lack.UNREACHABLE),  # until `reopen()`, whatever `times` says
}

FAULTS: dict[str, Fault] = _REFUSALS | _REPLIES | _TEXTS | _WIRE
