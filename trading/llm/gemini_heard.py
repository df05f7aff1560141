"""What a body of Gemini holds. The raw JSON is read: the SDK's classes drop or refuse what they do not know."""

from collections.abc import Mapping
from typing import Any

from trading.asking import Heard
from trading.llm.loose import NOT_JSON, by_status, count, distinct, line, parsed, rows, said, source, table, word
from trading.llm.provider import Listed
from trading.voice import Lack, Source

_FINISHED = {
    "STOP": None,
    "": Lack.CUT_OFF,  # it had not finished
    "MAX_TOKENS": Lack.CUT_OFF,
    "CONTINUATION": Lack.CUT_OFF,  # there would be more, for more money
    "SAFETY": Lack.REFUSED,
    "RECITATION": Lack.REFUSED,
    "BLOCKLIST": Lack.REFUSED,
    "PROHIBITED_CONTENT": Lack.REFUSED,
    "SPII": Lack.REFUSED,
    "LANGUAGE": Lack.REFUSED,
}
_CODES = {
    "INVALID_ARGUMENT": Lack.BAD_REQUEST,
    "FAILED_PRECONDITION": Lack.BAD_REQUEST,
    "UNAUTHENTICATED": Lack.DENIED,
    "PERMISSION_DENIED": Lack.DENIED,
    "NOT_FOUND": Lack.RETIRED,
    "RESOURCE_EXHAUSTED": Lack.RATE_LIMITED,
}


def hear_gemini(status: int, body: bytes) -> Heard:
    if not body.strip() and 200 <= status < 300:
        return Heard(text="", returned="", lack=Lack.EMPTY, reason="an empty body")
    data = parsed(body)
    fault = table(data[0] if isinstance(data, list) and data else data, "error")
    if not 200 <= status < 300 or fault:
        return _refused(status, fault)
    if not isinstance(data, dict):
        what = "it was not JSON" if data is NOT_JSON else "it was no JSON object"
        return Heard(text="", returned="", lack=Lack.BROKEN, reason=what)
    return _answer(data)


def _refused(status: int, fault: Mapping[str, Any]) -> Heard:
    """A status that is no 200, or an error inside a 200."""
    inside = 200 <= status < 300
    lack = _CODES.get(word(fault.get("status")), by_status(count(fault.get("code"))) if inside else by_status(status))
    if inside and lack is Lack.BROKEN:
        lack = Lack.SERVER
    message = word(fault.get("message"))
    if _bad_key(fault, message):
        lack = Lack.DENIED
    place = f"error {count(fault.get('code'))}" if inside else f"HTTP {status}"
    return Heard(text="", returned="", lack=lack, reason=": ".join(filter(None, (place, said(message)))))


def _bad_key(fault: Mapping[str, Any], message: str) -> bool:
    """A key that Google does not know is a 400 there."""
    reasons = {word(detail.get("reason")) for detail in rows(fault.get("details"))}
    return "API_KEY_INVALID" in reasons or message.lower().startswith("api key")


def _answer(data: Mapping[str, Any]) -> Heard:
    candidates = rows(data.get("candidates"))
    first = candidates[0] if candidates else {}
    text = _text(first)
    lack, reason = _lack(data, first, text)
    usage = table(data, "usageMetadata")
    grounding = table(first, "groundingMetadata")
    queries = grounding.get("webSearchQueries")
    return Heard(
        text="" if lack else text,
        returned=line(word(data.get("modelVersion")).removeprefix("models/"), 120),
        lack=lack,
        reason=reason,
        sources=_sources(grounding),
        searches=len(queries) if isinstance(queries, list) else 0,
        tokens_in=count(usage.get("promptTokenCount")) + count(usage.get("toolUsePromptTokenCount")),
        tokens_out=count(usage.get("candidatesTokenCount")) + count(usage.get("thoughtsTokenCount")),
    )


def _lack(data: Mapping[str, Any], first: Mapping[str, Any], text: str) -> tuple[Lack | None, str]:
    if blocked := word(table(data, "promptFeedback").get("blockReason")):
        return Lack.REFUSED, f"the prompt was blocked: {said(blocked)}"
    if not first:
        return Lack.EMPTY, "no candidate"
    finish = word(first.get("finishReason"))
    if (lack := _FINISHED.get(finish, Lack.BROKEN)) is not None:
        return lack, f"finish reason {said(finish) or 'missing'}"
    return (None, "") if text.strip() else (Lack.EMPTY, "no text")


def _text(candidate: Mapping[str, Any]) -> str:
    """What it says, without what it thought."""
    parts = rows(table(candidate, "content").get("parts"))
    return "".join(word(part.get("text")) for part in parts if part.get("thought") is not True)


def _sources(grounding: Mapping[str, Any]) -> tuple[Source, ...]:
    webs = [table(chunk, "web") for chunk in rows(grounding.get("groundingChunks"))]
    return distinct([source(web.get("title"), web.get("uri")) for web in webs])


def asked_pause(body: bytes) -> str:
    """What RetryInfo says, "34s"; "" where there is none."""
    data = parsed(body)
    fault = table(data[0] if isinstance(data, list) and data else data, "error")
    details = rows(fault.get("details"))
    return next((found for detail in details if (found := word(detail.get("retryDelay")))), "")


def listed_gemini(body: bytes) -> tuple[list[Listed], str] | None:
    """The models of one page, and the token of the next, "" after the last; None where it is no such page."""
    data = parsed(body)
    if not isinstance(data, dict) or not isinstance(data.get("models"), list):
        return None
    names = [word(row.get("name")).removeprefix("models/") for row in rows(data["models"])]
    return [Listed(id=line(name, 120)) for name in names if name], word(data.get("nextPageToken"))
