"""What a body of OpenRouter, or of a server that speaks as OpenAI does, holds. The raw JSON is read."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from trading.asking import Heard
from trading.llm.loose import (
    NOT_JSON,
    by_status,
    count,
    decimal,
    distinct,
    line,
    parsed,
    rows,
    said,
    source,
    table,
    word,
)
from trading.llm.provider import Listed
from trading.voice import Lack, Source

_FINISHED = {
    "stop": None,
    "": Lack.CUT_OFF,  # it had not finished
    "length": Lack.CUT_OFF,
    "content_filter": Lack.REFUSED,
    "error": Lack.SERVER,
}
# The finer words come first: a 404 may be a model that is gone, or a parameter that no host of it takes.
_WORDS = {
    "model_not_found": Lack.RETIRED,
    "no_endpoints": Lack.RETIRED,
    "model_deprecated": Lack.RETIRED,
    "free_variant_ended": Lack.RETIRED,
    "model_unavailable_upstream": Lack.SERVER,
    "capacity_exhausted": Lack.SERVER,
    "temporarily_unavailable": Lack.SERVER,
    "constraint_filtered": Lack.BAD_REQUEST,
    "wrong_endpoint": Lack.BAD_REQUEST,
    "context_length_exceeded": Lack.BAD_REQUEST,
    "privacy_restricted": Lack.DENIED,
    "region_restricted": Lack.DENIED,
    "payment_required": Lack.DENIED,
    "insufficient_quota": Lack.DENIED,
    "invalid_api_key": Lack.DENIED,
    "rate_limit_exceeded": Lack.RATE_LIMITED,
    "provider_overloaded": Lack.SERVER,
    "provider_unavailable": Lack.SERVER,
    "timeout": Lack.SERVER,
    "server": Lack.SERVER,
    "refusal": Lack.REFUSED,
    "content_policy_violation": Lack.REFUSED,
}
# Both come under codes that say something else as well.
_PHRASES = {"handle the requested parameters": Lack.BAD_REQUEST, "is not a valid model ID": Lack.RETIRED}


def hear_openai(status: int, body: bytes) -> Heard:
    if not body.strip() and 200 <= status < 300:
        return Heard(text="", returned="", lack=Lack.EMPTY, reason="an empty body")
    data = parsed(body)
    whole = data if isinstance(data, dict) else {}
    if not 200 <= status < 300 or whole.get("error"):
        return _with_usage(whole, text="", lack=_refused(status, whole), reason=_reason(status, whole))
    if not isinstance(data, dict):
        what = "it was not JSON" if data is NOT_JSON else "it was no JSON object"
        return Heard(text="", returned="", lack=Lack.BROKEN, reason=what)
    choices = rows(data.get("choices"))
    first = choices[0] if choices else {}
    text = _text(table(first, "message").get("content"))
    lack, reason = _lack(first, text)
    return _with_usage(data, text="" if lack else text, lack=lack, reason=reason, sources=_sources(first))


def _with_usage(
    data: Mapping[str, Any], *, text: str, lack: Lack | None, reason: str, sources: tuple[Source, ...] = ()
) -> Heard:
    usage = table(data, "usage")
    cost = decimal(usage.get("cost"))
    return Heard(
        text=text,
        returned=line(word(data.get("model")), 120),
        lack=lack,
        reason=reason,
        sources=sources,
        searches=count(table(usage, "server_tool_use").get("web_search_requests")),
        tokens_in=count(usage.get("prompt_tokens")),
        tokens_out=count(usage.get("completion_tokens")),  # what it thought is in it
        reported="" if cost is None else format(cost, "f"),
    )


def _refused(status: int, whole: Mapping[str, Any]) -> Lack:
    """By the provider's own words, else by the HTTP status, else by the code of an error inside a 200."""
    fault = table(whole, "error")
    message = word(fault.get("message"))
    if known := next((lack for part, lack in _PHRASES.items() if part in message), None):
        return known
    told = (
        table(whole, "availability").get("code"),
        table(fault, "metadata").get("error_type"),
        fault.get("code"),
        fault.get("type"),
    )
    if known := next((_WORDS[each] for each in map(word, told) if each in _WORDS), None):
        return known
    lack = by_status(_code(fault) if 200 <= status < 300 else status)
    return Lack.SERVER if lack is Lack.BROKEN and 200 <= status < 300 else lack


def _code(fault: Mapping[str, Any]) -> int:
    code = fault.get("code")
    return int(code) if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) < 4 else count(code)


def _reason(status: int, whole: Mapping[str, Any]) -> str:
    fault = table(whole, "error")
    message = word(fault.get("message")) or word(whole.get("error")) or word(whole.get("message"))
    place = f"error {_code(fault)}" if 200 <= status < 300 else f"HTTP {status}"
    gone = word(table(whole, "availability").get("code"))
    return ": ".join(filter(None, (place, said(gone), said(message))))


def _lack(first: Mapping[str, Any], text: str) -> tuple[Lack | None, str]:
    if not first:
        return Lack.EMPTY, "no choice"
    if first.get("error"):
        return _refused(200, first), _reason(200, first)
    if refusal := word(table(first, "message").get("refusal")):
        return Lack.REFUSED, said(refusal)
    finish = word(first.get("finish_reason"))
    if (lack := _FINISHED.get(finish, Lack.BROKEN)) is not None:
        return lack, f"finish reason {said(finish) or 'missing'}"
    return (None, "") if text.strip() else (Lack.EMPTY, "no text")


def _text(content: Any) -> str:
    """Text, or a list of parts of it."""
    return word(content) or "".join(word(part.get("text")) for part in rows(content) if part.get("type") == "text")


def _sources(first: Mapping[str, Any]) -> tuple[Source, ...]:
    notes = rows(table(first, "message").get("annotations"))
    cited = [table(note, "url_citation") for note in notes if note.get("type") == "url_citation"]
    return distinct([source(page.get("title"), page.get("url")) for page in cited])


def asked_pause(body: bytes) -> str:
    """Seconds, as the provider puts them into the body; "" where it does not."""
    after = decimal(table(parsed(body), "availability").get("retry_after"))
    return "" if after is None else str(after)


def listed_openai(body: bytes) -> list[Listed] | None:
    """None where it is no list of models."""
    data = parsed(body)
    if not isinstance(data, dict) or not isinstance(data.get("data"), list):
        return None
    return [_listed(row) for row in rows(data["data"]) if word(row.get("id"))]


def _listed(row: Mapping[str, Any]) -> Listed:
    parameters, pricing = row.get("supported_parameters"), table(row, "pricing")
    return Listed(
        id=line(word(row.get("id")), 120),
        canonical=line(word(row.get("canonical_slug")), 120),
        expires=_moment(row.get("expiration_date")),
        parameters=frozenset(filter(None, map(word, parameters))) if isinstance(parameters, list) else frozenset(),
        prompt=decimal(pricing.get("prompt")),
        completion=decimal(pricing.get("completion")),
    )


def _moment(value: Any) -> datetime | None:
    """A day or a moment; a day is over for us when it begins."""
    try:
        found = datetime.fromisoformat(word(value))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
