"""Whatever bytes a provider sends, whatever text a model writes: an answer that fits, or a lack, and nothing else."""

import json
import math
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from trading.asking import Heard, Strict
from trading.llm.gemini_heard import asked_pause as gemini_pause
from trading.llm.gemini_heard import hear_gemini, listed_gemini
from trading.llm.openai_heard import asked_pause as openai_pause
from trading.llm.openai_heard import hear_openai, listed_openai
from trading.strict import MOST_BYTES, Misfit, read


class Side(StrEnum):
    LONG = "LONG"
    SHORT = "SHORT"
    WAIT = "WAIT"


class Part(Strict):
    weight: Annotated[int, Field(ge=1, le=5)]
    sure: bool


class Said(Strict):
    reason: Annotated[str, Field(max_length=400)]
    part: Part
    vote: Side
    confidence: Annotated[float, Field(ge=0, le=1)]


SAID = st.builds(
    Said,
    reason=st.text(st.characters(exclude_categories=["Cs"]), max_size=400),
    part=st.builds(Part, weight=st.integers(1, 5), sure=st.booleans()),
    vote=st.sampled_from(Side),
    confidence=st.floats(0, 1),
)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
GEMINI: dict[str, Any] = {
    "candidates": [
        {
            "content": {"role": "model", "parts": [{"text": "yes", "thought": False}]},
            "finishReason": "STOP",
            "groundingMetadata": {
                "webSearchQueries": ["q"],
                "groundingChunks": [{"web": {"uri": "https://a.example/", "title": "A"}}],
            },
        }
    ],
    "promptFeedback": {"blockReason": ""},
    "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2, "thoughtsTokenCount": 3},
    "modelVersion": "gemini-3.5-flash-lite",
    "error": {"code": 0, "message": "", "status": "", "details": [{"reason": "", "retryDelay": "3s"}]},
    "models": [{"name": "models/x"}],
    "nextPageToken": "t",
}
OPENAI: dict[str, Any] = {
    "model": "x/y",
    "choices": [
        {
            "finish_reason": "stop",
            "error": None,
            "message": {
                "content": "yes",
                "refusal": None,
                "annotations": [{"type": "url_citation", "url_citation": {"url": "https://a.example/", "title": "A"}}],
            },
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "cost": 0.1, "server_tool_use": {"web_search_requests": 1}},
    "error": {"code": 0, "message": "", "metadata": {"error_type": ""}},
    "availability": {"code": "", "retry_after": 1},
    "data": [
        {
            "id": "x/y",
            "canonical_slug": "x/y",
            "expiration_date": "2026-12-01",
            "supported_parameters": ["seed"],
            "pricing": {"prompt": "0.1", "completion": "0.1"},
        }
    ],
}


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value inside a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way, *(found for key, each in inner for found in places(each, (*way, key)))]


def spoiled(value: Any, way: tuple[Any, ...], by: Any) -> Any:
    """The same with something else in one place."""
    if not way:
        return by
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[way[0]] = spoiled(value[way[0]], way[1:], by)
    return copy


@st.composite
def spoiled_bodies(draw: st.DrawFn, whole: dict[str, Any]) -> bytes:
    """A valid body with something else in a few places, and now and then a byte of it changed."""
    without = draw(st.sets(st.sampled_from([*whole]), max_size=2) | st.just({"error", "promptFeedback"}))
    body: Any = {key: value for key, value in whole.items() if key not in without}
    for _ in range(draw(st.integers(0, 3))):
        body = spoiled(body, draw(st.sampled_from(places(body))), draw(JSON))
    data = bytearray(json.dumps(body).encode())
    for _ in range(draw(st.integers(0, 2))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


def value_or_misfit(text: str) -> Said | None:
    try:
        return read(text, Said)
    except Misfit as misfit:
        reason = misfit.reason
    assert reason
    assert reason.isprintable()
    assert len(reason) < 400
    return None


def is_heard(heard: Heard) -> None:
    """An answer has a text and a lack has none; what stands beside it is clean in either case."""
    assert (heard.lack is None) == bool(heard.text)
    assert (heard.lack is None) == (heard.reason == "")
    assert heard.reason.isprintable()
    assert len(heard.reason) <= 360
    assert len(heard.returned) <= 120
    assert min(heard.searches, heard.tokens_in, heard.tokens_out) >= 0
    assert heard.reported == "" or 0 <= float(heard.reported) < 10**7
    assert len(heard.sources) <= 12
    assert all(s.url.startswith(("https://", "http://")) and s.url.isascii() and s.title for s in heard.sources)


def is_total(hear: Callable[[int, bytes], Heard], status: int, body: bytes) -> None:
    is_heard(hear(status, body))
    if not 200 <= status < 300:
        assert hear(status, body).lack is not None


STATUS = st.sampled_from([200, 200, 200, 204, 302, 400, 401, 402, 403, 404, 429, 500, 503]) | st.integers(0, 999)


@given(SAID, st.booleans(), st.booleans())
def test_what_fits_is_read_back(said: Said, fenced: bool, indented: bool) -> None:
    text = json.dumps(said.model_dump(mode="json"), indent=2 if indented else None, ensure_ascii=indented)
    assert read(f"```json\n{text}\n```" if fenced else f" {text}\n", Said) == said


@given(st.text() | st.text('{}[]":,0123456789.eE-+ \n\\ntrufalsNaIiy`json', max_size=80) | JSON.map(json.dumps))
def test_any_text_is_a_value_or_a_misfit(text: str) -> None:
    value_or_misfit(text)


@given(st.binary().map(lambda data: data.decode("utf-8", "surrogateescape")))
def test_any_text_with_half_characters_is_a_value_or_a_misfit(text: str) -> None:
    value_or_misfit(text)
    value_or_misfit(json.dumps({"reason": text, "part": {"weight": 1, "sure": True}, "vote": "WAIT", "confidence": 0}))


@given(SAID, st.data())
def test_an_answer_with_something_else_in_one_place_fits_only_if_that_fits(said: Said, data: st.DataObject) -> None:
    good = said.model_dump(mode="json")
    way, by = data.draw(st.sampled_from(places(good))), data.draw(JSON)
    found = value_or_misfit(json.dumps(spoiled(good, way, by)))
    if found is not None:
        assert isinstance(by, bool if way == ("part", "sure") else str | int | float | dict)
        assert not (isinstance(by, bool) and way != ("part", "sure"))
        assert found.vote in Side
        assert math.isfinite(found.confidence)
        assert 0 <= found.confidence <= 1
        assert 1 <= found.part.weight <= 5
        assert len(found.reason) <= 400


@given(SAID, st.integers(0, 10_000), st.characters())
def test_an_answer_with_one_character_changed_is_a_value_or_a_misfit(said: Said, at: int, by: str) -> None:
    text = said.model_dump_json()
    at %= len(text)
    value_or_misfit(text[:at] + by + text[at + 1 :])
    assert value_or_misfit(text[:at]) is None  # cut off, it is never an answer


@given(SAID, st.sampled_from(["reason", "part", "vote", "confidence"]), JSON)
def test_a_key_that_stands_there_twice_is_never_an_answer(said: Said, key: str, by: Any) -> None:
    text = said.model_dump_json()
    assert value_or_misfit(f"{text[:-1]}, {json.dumps(key)}: {json.dumps(by)}}}") is None
    assert value_or_misfit(f"{{{json.dumps(key)}: {json.dumps(by)}, {text[1:]}") is None


@given(st.integers(1, 200_000), st.sampled_from(['{"a":', "[", '"', "\\", "{", "9", "```json\n{", " "]))
def test_a_text_of_any_length_is_a_misfit_soon(times: int, piece: str) -> None:
    assert value_or_misfit((piece * times)[: MOST_BYTES + 10]) is None


@given(STATUS, st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_an_answer_or_a_lack(status: int, body: bytes) -> None:
    is_total(hear_gemini, status, body)
    is_total(hear_openai, status, body)
    assert isinstance(gemini_pause(body) + openai_pause(body), str)
    listed_gemini(body)
    listed_openai(body)


@given(STATUS, spoiled_bodies(GEMINI))
def test_any_spoiled_body_of_gemini_is_an_answer_or_a_lack(status: int, body: bytes) -> None:
    is_total(hear_gemini, status, body)
    gemini_pause(body)
    listed_gemini(body)


@given(STATUS, spoiled_bodies(OPENAI))
def test_any_spoiled_body_of_openrouter_is_an_answer_or_a_lack(status: int, body: bytes) -> None:
    is_total(hear_openai, status, body)
    openai_pause(body)
    listed_openai(body)
