"""What is read out of a provider's bytes: the answer, what it leaned on and what it took; or the lack of one."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from trading.asking import Heard
from trading.llm import gemini_heard, openai_heard
from trading.llm.gemini_heard import hear_gemini, listed_gemini
from trading.llm.hearing import HEAR
from trading.llm.loose import pause, said
from trading.llm.openai_heard import hear_openai, listed_openai
from trading.llm.provider import Listed
from trading.voice import Lack, Source

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KEY = "AIzaSyB3x-Zq9_kLmN0pQrStUvWxYz012345678"


def gemini(**changes: Any) -> bytes:
    """An answer; `changes` are of its one candidate, but for whole keys of the body."""
    body: dict[str, Any] = {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "yes"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 20, "thoughtsTokenCount": 30},
        "modelVersion": "gemini-3.5-flash-lite",
    }
    for key, value in changes.items():
        (body if key in body or key == "promptFeedback" else body["candidates"][0])[key] = value
    return json.dumps(body).encode()


def openai(**changes: Any) -> bytes:
    """An answer; `changes` are of its one choice, but for whole keys of the body, and `message` adds to the message."""
    body: dict[str, Any] = {
        "model": "x-ai/grok-4.3",
        "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "yes"}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 50, "cost": 0.00123},
    }
    body["choices"][0]["message"] |= changes.pop("message", {})
    for key, value in changes.items():
        (body if key in body or key == "error" else body["choices"][0])[key] = value
    return json.dumps(body).encode()


def error(**fields: Any) -> bytes:
    return json.dumps({"error": fields}).encode()


def test_every_provider_has_its_reader() -> None:
    readers = {"gemini": hear_gemini, "openrouter": hear_openai, "own": hear_openai}
    assert readers == HEAR


def test_an_answer_of_gemini() -> None:
    assert hear_gemini(200, gemini()) == Heard(
        text="yes", returned="gemini-3.5-flash-lite", tokens_in=10, tokens_out=50
    )


def test_an_answer_of_openrouter() -> None:
    assert hear_openai(200, openai()) == Heard(
        text="yes", returned="x-ai/grok-4.3", tokens_in=10, tokens_out=50, reported="0.00123"
    )


def test_thoughts_are_no_part_of_the_answer() -> None:
    parts = [{"text": "hm", "thought": True}, {"text": "y"}, {"inlineData": {}}, 7, {"text": 8}, {"text": "es"}]
    assert hear_gemini(200, gemini(content={"parts": parts})).text == "yes"
    message = {"reasoning": "hm", "content": [{"type": "text", "text": "y"}, {"type": "text", "text": "es"}, None]}
    assert hear_openai(200, openai(message=message)).text == "yes"


@pytest.mark.parametrize("hear", [hear_gemini, hear_openai])
@pytest.mark.parametrize(
    ("status", "lack"),
    [
        (400, Lack.BAD_REQUEST),
        (401, Lack.DENIED),
        (402, Lack.DENIED),
        (403, Lack.DENIED),
        (404, Lack.RETIRED),
        (413, Lack.BAD_REQUEST),
        (429, Lack.RATE_LIMITED),
        (500, Lack.SERVER),
        (503, Lack.SERVER),
        (529, Lack.SERVER),
        (302, Lack.BROKEN),
        (0, Lack.BROKEN),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", b"null", b'{"error": "no"}', error(message="no"), error(code="x")])
def test_a_status_says_what_is_lacking_whatever_the_body_is(hear: Any, status: int, lack: Lack, body: bytes) -> None:
    heard = hear(status, body)
    assert (heard.lack, heard.text) == (lack, "")
    assert heard.reason.startswith(f"HTTP {status}")


def test_a_key_that_google_does_not_know_is_a_bad_request_there_and_a_refusal_here() -> None:
    assert (
        hear_gemini(400, error(code=400, message="API key not valid.", status="INVALID_ARGUMENT")).lack is Lack.DENIED
    )
    details = [{"reason": "API_KEY_INVALID"}]
    assert hear_gemini(400, error(message="No.", status="INVALID_ARGUMENT", details=details)).lack is Lack.DENIED


def test_google_may_put_its_error_into_a_list() -> None:
    body = json.dumps([{"error": {"code": 429, "message": "Slow down.", "status": "RESOURCE_EXHAUSTED"}}]).encode()
    assert hear_gemini(429, body) == Heard(text="", returned="", lack=Lack.RATE_LIMITED, reason="HTTP 429: Slow down.")


@pytest.mark.parametrize(
    ("fault", "lack"),
    [
        ({"code": 429, "message": "slow"}, Lack.RATE_LIMITED),
        ({"code": "429", "message": "slow"}, Lack.RATE_LIMITED),
        ({"code": 402}, Lack.DENIED),
        ({"code": 502}, Lack.SERVER),
        ({"code": "server_error"}, Lack.SERVER),
        ({"message": "?"}, Lack.SERVER),
        ({"code": 400, "metadata": {"error_type": "context_length_exceeded"}}, Lack.BAD_REQUEST),
        ({"code": 403, "metadata": {"error_type": "content_policy_violation"}}, Lack.REFUSED),
        ("it broke", Lack.SERVER),
    ],
)
def test_an_error_inside_a_200_is_judged_by_its_code(fault: Any, lack: Lack) -> None:
    assert hear_openai(200, json.dumps({"error": fault}).encode()).lack is lack
    assert hear_openai(200, openai(error=fault)).lack is lack  # of the body
    choice = {"finish_reason": "error", "error": fault}
    assert hear_openai(200, openai(choices=[choice])).lack is lack  # of the choice


def test_an_error_of_gemini_inside_a_200_is_judged_by_its_code() -> None:
    assert hear_gemini(200, error(code=503, message="busy")).lack is Lack.SERVER
    assert hear_gemini(200, error(code=7)).lack is Lack.SERVER
    assert hear_gemini(200, error(status="RESOURCE_EXHAUSTED")).lack is Lack.RATE_LIMITED


@pytest.mark.parametrize(
    ("code", "lack"),
    [
        ("model_deprecated", Lack.RETIRED),
        ("model_not_found", Lack.RETIRED),
        ("no_endpoints", Lack.RETIRED),
        ("free_variant_ended", Lack.RETIRED),
        ("temporarily_unavailable", Lack.SERVER),
        ("capacity_exhausted", Lack.SERVER),
        ("constraint_filtered", Lack.BAD_REQUEST),
        ("region_restricted", Lack.DENIED),
        ("a new word", Lack.RETIRED),
    ],
)
def test_openrouter_says_why_nobody_can_answer(code: str, lack: Lack) -> None:
    body = {"error": {"code": 404, "message": "No."}, "availability": {"code": code}}
    assert hear_openai(404, json.dumps(body).encode()).lack is lack


def test_a_parameter_that_no_host_takes_is_not_a_model_that_is_gone() -> None:
    body = error(code=404, message="No endpoints found that can handle the requested parameters.")
    assert hear_openai(404, body).lack is Lack.BAD_REQUEST
    assert hear_openai(400, error(code=400, message="x/y is not a valid model ID")).lack is Lack.RETIRED


@pytest.mark.parametrize("hear", [hear_gemini, hear_openai])
@pytest.mark.parametrize(
    ("body", "lack"),
    [
        (b"", Lack.EMPTY),
        (b" \n", Lack.EMPTY),
        (b"<html>", Lack.BROKEN),
        (b"\xff\xfe\x00", Lack.BROKEN),
        (b"null", Lack.BROKEN),
        (b"[]", Lack.BROKEN),
        (b'"yes"', Lack.BROKEN),
        (b"1e99999999999999999999", Lack.BROKEN),
        (b"9" * 5000, Lack.BROKEN),
        (b"[" * 100_000, Lack.BROKEN),
        (b"{}", Lack.EMPTY),
    ],
)
def test_a_body_that_is_none_is_a_lack(hear: Any, body: bytes, lack: Lack) -> None:
    assert hear(200, body).lack is lack


@pytest.mark.parametrize(
    ("body", "lack"),
    [
        (gemini(candidates=[]), Lack.EMPTY),
        (gemini(candidates=None), Lack.EMPTY),
        (gemini(content={"parts": [{"text": " "}]}), Lack.EMPTY),
        (gemini(content=[]), Lack.EMPTY),
        (gemini(finishReason="MAX_TOKENS"), Lack.CUT_OFF),
        (gemini(finishReason="CONTINUATION"), Lack.CUT_OFF),
        (gemini(finishReason=None), Lack.CUT_OFF),
        (gemini(finishReason="SAFETY"), Lack.REFUSED),
        (gemini(finishReason="RECITATION"), Lack.REFUSED),
        (gemini(finishReason="PROHIBITED_CONTENT"), Lack.REFUSED),
        (gemini(finishReason="MALFORMED_FUNCTION_CALL"), Lack.BROKEN),
        (gemini(finishReason="A_NEW_ONE"), Lack.BROKEN),
        (gemini(promptFeedback={"blockReason": "SAFETY"}, candidates=[]), Lack.REFUSED),
        (gemini(promptFeedback={"blockReason": "SAFETY"}), Lack.REFUSED),
    ],
)
def test_an_answer_of_gemini_that_is_none(body: bytes, lack: Lack) -> None:
    heard = hear_gemini(200, body)
    assert (heard.lack, heard.text) == (lack, "")
    assert heard.reason
    assert heard.tokens_out == 50  # it is paid all the same


@pytest.mark.parametrize(
    ("body", "lack"),
    [
        (openai(choices=[]), Lack.EMPTY),
        (openai(choices={"0": 1}), Lack.EMPTY),
        (openai(message={"content": None}), Lack.EMPTY),
        (openai(message={"content": ""}), Lack.EMPTY),
        (openai(message={"content": {"text": "yes"}}), Lack.EMPTY),
        (openai(finish_reason="length"), Lack.CUT_OFF),
        (openai(finish_reason=None), Lack.CUT_OFF),
        (openai(finish_reason="content_filter"), Lack.REFUSED),
        (openai(message={"refusal": "I cannot."}), Lack.REFUSED),
        (openai(finish_reason="error"), Lack.SERVER),
        (openai(finish_reason="tool_calls"), Lack.BROKEN),
    ],
)
def test_an_answer_of_openrouter_that_is_none(body: bytes, lack: Lack) -> None:
    heard = hear_openai(200, body)
    assert (heard.lack, heard.text) == (lack, "")
    assert heard.reason
    assert (heard.tokens_out, heard.reported) == (50, "0.00123")


def test_pages_of_a_grounded_answer_are_kept_clean_and_once() -> None:
    chunks = [
        {"web": {"uri": "https://a.example/x?y=1#z", "title": " A\n\u202etitle\u200b "}},
        {"web": {"uri": "https://a.example/x?y=1#z", "title": "again"}},
        {"web": {"uri": "javascript:alert(1)", "title": "no"}},
        {"web": {"uri": "file:///etc/passwd"}},
        {"web": {"uri": "https://someone@evil.example/", "title": "no"}},
        {"web": {"uri": "http://[broken", "title": "no"}},
        {"web": {"uri": 7, "title": "no"}},
        {"web": None},
        None,
        {"web": {"uri": "http://b.example/ü b", "title": ""}},
        {"web": {"uri": "https://c.example/" + "x" * 3000, "title": "too long"}},
        {"web": {"uri": "https://d.example/", "title": "t" * 500}},
    ]
    grounding = {"groundingChunks": chunks, "webSearchQueries": ["one", "two"]}
    heard = hear_gemini(200, gemini(groundingMetadata=grounding))
    assert heard.sources == (
        Source(title="A title", url="https://a.example/x?y=1#z"),
        Source(title="b.example", url="http://b.example/%C3%BC%20b"),
        Source(title="t" * 120, url="https://d.example/"),
    )
    assert heard.searches == 2


def test_at_most_twelve_pages_are_kept() -> None:
    chunks = [{"web": {"uri": f"https://{at}.example/", "title": str(at)}} for at in range(40)]
    heard = hear_gemini(200, gemini(groundingMetadata={"groundingChunks": chunks, "webSearchQueries": "one"}))
    assert [s.title for s in heard.sources] == [str(at) for at in range(12)]
    assert heard.searches == 0


def test_citations_of_openrouter_are_its_pages() -> None:
    notes = [
        {"type": "url_citation", "url_citation": {"url": "https://a.example/", "title": "A", "start_index": 0}},
        {"type": "file_citation", "url_citation": {"url": "https://b.example/", "title": "B"}},
        {"type": "url_citation", "url_citation": "https://c.example/"},
    ]
    usage = {"prompt_tokens": 1, "server_tool_use": {"web_search_requests": 3}}
    heard = hear_openai(200, openai(message={"annotations": notes}, usage=usage))
    assert heard.sources == (Source(title="A", url="https://a.example/"),)
    assert (heard.searches, heard.tokens_in, heard.tokens_out, heard.reported) == (3, 1, 0, "")


@pytest.mark.parametrize("usage", [None, [], "many", {"promptTokenCount": "10"}, {"promptTokenCount": -4}])
def test_counts_that_are_none_are_nought(usage: Any) -> None:
    heard = hear_gemini(200, gemini(usageMetadata=usage))
    assert (heard.lack, heard.tokens_in, heard.tokens_out) == (None, 0, 0)


def test_tokens_of_a_tool_are_tokens_of_the_prompt() -> None:
    usage = {"promptTokenCount": 5, "toolUsePromptTokenCount": 7, "candidatesTokenCount": True}
    heard = hear_gemini(200, gemini(usageMetadata=usage))
    assert (heard.tokens_in, heard.tokens_out) == (12, 0)


@pytest.mark.parametrize(
    ("cost", "reported"),
    [
        ("0.000123", "0.000123"),
        ("0.00012300", "0.00012300"),
        ("1.5e-7", "0.00000015"),
        ("0", "0"),
        ("2", "2"),
        ('"0.5"', "0.5"),
        ("-1", ""),
        ("true", ""),
        ("null", ""),
        ("NaN", ""),
        ("Infinity", ""),
        ('"NaN"', ""),
        ("1e400", ""),
        ("1e-400000", ""),
        ('"' + "9" * 100 + '"', ""),
        ("[1]", ""),
    ],
)
def test_the_cost_is_taken_to_the_digit_or_not_at_all(cost: str, reported: str) -> None:
    body = openai(usage={"cost": "@"}).replace(b'"@"', cost.encode())
    assert hear_openai(200, body).reported == reported


def test_a_reason_is_one_short_line_without_what_might_be_a_key() -> None:
    told = f"Your\nkey \u202e{KEY} is wrong; gemini-3.5-flash-lite-preview-2026 is not for you. " + "x " * 200
    for reason in (hear_gemini(401, error(message=told)).reason, hear_openai(401, error(message=told)).reason):
        assert reason.startswith("HTTP 401: Your key *** is wrong; gemini-3.5-flash-lite-preview-2026 is not for you.")
        assert len(reason) <= 180
        assert reason.isprintable()


@pytest.mark.parametrize("key", [KEY, "sk-or-v1-" + "0a1b" * 16, "sk-proj-Ab3dEf9hIj2kLm5n", "a" * 20, "7" * 20])
def test_what_might_be_a_key_is_masked(key: str) -> None:
    assert said(f"key={key}.") == "key=***."


@pytest.mark.parametrize(
    "name", ["gemini-3.5-flash-lite-preview", "RESOURCE_EXHAUSTED_FOR_NOW", "x-ai/grok-4.3-20260801"]
)
def test_names_of_models_and_words_stay_readable(name: str) -> None:
    assert said(name) == name


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("34s", 34.0),
        ("1.5s", 1.5),
        (" 0 ", 0.0),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        ("Sat, 21 Nov 2026 12:00:30 -0000", 30.0),
        ("-5", None),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        ("", None),
    ],
)
def test_how_long_a_provider_wants_to_be_left_alone(text: str, seconds: float | None) -> None:
    assert pause(text, NOW) == seconds


def test_a_body_may_say_when_to_come_again() -> None:
    details = [{"@type": "Help"}, {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}]
    assert gemini_heard.asked_pause(error(details=details)) == "34s"
    assert gemini_heard.asked_pause(b"<html>") == ""
    assert openai_heard.asked_pause(b'{"availability": {"retry_after": 9}}') == "9"
    assert openai_heard.asked_pause(b'{"availability": {"retry_after": null}}') == ""


def test_the_list_of_openrouter_has_its_prices_to_the_digit() -> None:
    rows: list[Any] = [
        {
            "id": "x/one",
            "canonical_slug": "x/one-20260101",
            "expiration_date": "2026-12-01",
            "supported_parameters": ["seed", "structured_outputs", 7],
            "pricing": {"prompt": "0.00000015", "completion": "0.0000025"},
        },
        {"id": "x/two", "expiration_date": "2026-12-01T10:00:00+02:00", "pricing": {"prompt": "-1"}},
        {"id": "x/three", "expiration_date": "soon", "pricing": [], "supported_parameters": "all"},
        {"name": "no id"},
        None,
    ]
    one, two, three = listed_openai(json.dumps({"data": rows}).encode()) or ()
    assert one == Listed(
        id="x/one",
        canonical="x/one-20260101",
        expires=datetime(2026, 12, 1, tzinfo=UTC),
        parameters=frozenset({"seed", "structured_outputs"}),
        prompt=Decimal("0.00000015"),
        completion=Decimal("0.0000025"),
    )
    assert two == Listed(id="x/two", expires=datetime(2026, 12, 1, 8, 0, tzinfo=UTC))
    assert three == Listed(id="x/three")


def test_the_list_of_gemini_has_pages() -> None:
    rows: list[Any] = [{"name": "models/gemini-3.5-flash-lite"}, {"name": 7}, 7]
    page = json.dumps({"models": rows, "nextPageToken": "t"}).encode()
    assert listed_gemini(page) == ([Listed(id="gemini-3.5-flash-lite")], "t")


@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b"{}", b'{"models": 1, "data": {}}'])
def test_what_is_no_list_of_models_is_not_an_empty_one(body: bytes) -> None:
    assert listed_gemini(body) is None
    assert listed_openai(body) is None
