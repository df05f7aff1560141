"""What both fakes of model providers share: answers are said in order, and each named fault does at the wire what its
name says. Where an SDK hides the wire, a bare client looks."""

import asyncio
import gzip
import json
from typing import Any

import httpx
import pytest

from tests.fakes.gemini_api import KEY, GeminiApi, Reply
from tests.fakes.http_faults import Payload
from tests.fakes.model_clients import (
    ASK,
    GEMINI_MODEL,
    OPENROUTER_MODEL,
    a_server,
    bare,
    ended,
    gemini_sdk,
    openai_sdk,
    question,
    said,
    wire,
)
from tests.fakes.model_faults import FAULTS, faults_of
from tests.fakes.openrouter_api import OpenRouterApi
from trading.voice import Lack

LITE, FLASH, GROK = "gemini-3.5-flash-lite", GEMINI_MODEL, OPENROUTER_MODEL
GOOD = {"reason": "calm", "vote": "LONG", "confidence": 0.7}
TEXT = json.dumps(GOOD)
DIALECTS = ("gemini", "openrouter", "own")


# --- the script -------------------------------------------------------------------------------------------------------


async def test_answers_come_in_order_and_to_the_model_they_are_for() -> None:
    async with OpenRouterApi() as server:
        server.answer("for qwen", model="qwen/qwen3-max")
        server.answer("first", times=2)
        server.answer("second")
        got = [said("openrouter", (await bare(server)).json()) for _ in range(3)]
        late = said("openrouter", (await bare(server, model="qwen/qwen3-max")).json())
    assert (got, late) == (["first", "first", "second"], "for qwen")


@pytest.mark.parametrize("reply", [TEXT, GOOD, Reply(text=TEXT)], ids=["text", "object", "reply"])
async def test_a_function_answers_where_nothing_is_queued(reply: Any) -> None:
    async with OpenRouterApi() as server:
        server.reply = lambda asked: reply if asked.model == GROK else "other"
        server.answer("queued")
        got = [said("openrouter", (await bare(server)).json()) for _ in range(2)]
    assert got == ["queued", TEXT]


async def test_a_question_nobody_expected_is_a_500_and_is_counted() -> None:
    async with GeminiApi() as server:
        got = await bare(server)
    assert (got.status_code, server.unexpected) == (500, 1)
    assert "no answer queued" in got.json()["error"]["message"]


async def test_a_slow_answer_holds_up_no_other() -> None:
    async with GeminiApi() as server:
        arrived = asyncio.Event()
        server.answer("quick", model=FLASH)
        server.reply = lambda asked: arrived.set() or Reply(text="slow", delay=60)
        slow = asyncio.create_task(bare(server, path=question("gemini")[0].replace(FLASH, LITE)))
        await arrived.wait()
        quick = await bare(server)
        assert not slow.done()
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
    assert said("gemini", quick.json()) == "quick"


async def test_a_refusal_leaves_the_answer_for_the_next_question_and_a_spoil_takes_it() -> None:
    async with GeminiApi() as server:
        server.answer("one")
        server.answer("two")
        server.fault("503_json", times=2)
        server.fault("content_empty", model=FLASH)
        got = [await bare(server) for _ in range(4)]
    assert [r.status_code for r in got] == [503, 503, 200, 200]
    assert [said("gemini", r.json()) for r in got[2:]] == ["", "two"]


async def test_a_mended_server_has_no_faults_left() -> None:
    async with GeminiApi() as server:
        server.answer("x")
        server.fault("503_json", times=1000)
        assert (await bare(server)).status_code == 503
        server.mend()
        assert (await bare(server)).status_code == 200


async def test_a_fault_can_meet_the_list_of_models() -> None:
    async with GeminiApi() as server, gemini_sdk(server) as models:
        server.answer("x")
        server.fault("500_html", on="models")
        from google.genai.errors import ServerError

        with pytest.raises(ServerError):
            await models.list()
        assert (await models.generate_content(model=FLASH, contents="?")).text == "x"
        assert (await models.list()).name


def test_only_faults_a_provider_can_have_are_taken() -> None:
    with pytest.raises(KeyError):
        GeminiApi().fault("no such thing")
    with pytest.raises(ValueError, match="openrouter has no fault block_reason"):
        OpenRouterApi().fault("block_reason")
    with pytest.raises(ValueError, match="a list of models cannot"):
        OpenRouterApi().fault("code_fence", on="models")
    with pytest.raises(ValueError, match="a text or an object"):
        OpenRouterApi().answer()


# --- the menu of faults -----------------------------------------------------------------------------------------------

FENCED = f"```json\n{TEXT}\n```"
TEXTS: dict[str, str] = {
    "code_fence": FENCED,
    "two_fences": f"{FENCED}\n\n{FENCED}",
    "fence_in_prose": f"Here is my decision:\n\n{FENCED}\n\nTrade safely!",
    "trailing_prose": f"{TEXT}\n\nNote that markets are volatile.",
    "leading_prose": f"Here is the JSON you asked for: {TEXT}",
    "refusal_in_words": "I'm sorry, but I can't help with trading decisions.",
    "two_objects": f"{TEXT}\n{TEXT}",
    "in_a_list": f"[{TEXT}]",
    "in_a_string": json.dumps(TEXT),
    "cut_but_stop": TEXT[: len(TEXT) // 2],
    "trailing_comma": '{"reason": "calm", "vote": "LONG", "confidence": 0.7,}',
    "duplicate_keys": '{"reason": "calm", "vote": "LONG", "confidence": 0.7, "vote": "SHORT"}',
    "nan": '{"reason": "calm", "vote": "LONG", "confidence": NaN}',
    "infinity": '{"reason": "calm", "vote": "LONG", "confidence": Infinity}',
    "minus_infinity": '{"reason": "calm", "vote": "LONG", "confidence": -Infinity}',
    "1e400": '{"reason": "calm", "vote": "LONG", "confidence": 1e400}',
    "huge_integer": '{"reason": "calm", "vote": "LONG", "confidence": 1' + "0" * 5000 + "}",
    "confidence_72": '{"reason": "calm", "vote": "LONG", "confidence": 72}',
    "confidence_text": '{"reason": "calm", "vote": "LONG", "confidence": "0.7"}',
    "confidence_true": '{"reason": "calm", "vote": "LONG", "confidence": true}',
    "confidence_null": '{"reason": "calm", "vote": "LONG", "confidence": null}',
    "minus_zero": '{"reason": "calm", "vote": "LONG", "confidence": -0.0}',
    "below_zero": '{"reason": "calm", "vote": "LONG", "confidence": -0.1}',
    "extra_key": '{"reason": "calm", "vote": "LONG", "confidence": 0.7, "leverage": 100}',
    "missing_key": '{"reason": "calm", "vote": "LONG"}',
    "no_key": "{}",
    "null_verdict": '{"reason": "calm", "vote": null, "confidence": 0.7}',
    "lower_case": '{"reason": "calm", "vote": "long", "confidence": 0.7}',
    "other_words": '{"reason": "calm", "vote": "BUY", "confidence": 0.7}',
    "half_a_character": '{"reason": "\\ud800", "vote": "LONG", "confidence": 0.7}',
    "deep_nesting": '{"a":' * 100_000,
}
HARMLESS = {"code_fence", "minus_zero", "thoughts_shown", "in_parts", "leading_whitespace", "gzip"}
STATUSES = {name: int(name[:3]) for name in FAULTS if name[:3].isdigit() and FAULTS[name].refusal is not None}
REPLIES = {
    *("content_null", "content_empty", "only_thoughts", "truncated", "whole_but_length", "refusal", "content_filter"),
    *("half_filtered", "recitation", "block_reason", "zero_candidates", "no_grounding", "continuation", "finish_error"),
    *("substituted", "thoughts_shown", "in_parts", "unknown_finish", "no_finish"),
}
WIRES = {
    *("leading_whitespace", "not_utf8", "10mb", "10mb_in_gzip", "gzip", "slow_drip", "stalled", "hang", "reset"),
    *("reset_mid_body", "content_length_too_long", "content_length_too_short", "connection_refused"),
}


def test_every_fault_of_the_menu_is_looked_at_below() -> None:
    assert set(FAULTS) == TEXTS.keys() | STATUSES.keys() | REPLIES | WIRES
    assert {name for name, fault in FAULTS.items() if fault.lack is None} == HARMLESS
    assert {FAULTS[name].lack for name in TEXTS} == {None, Lack.BROKEN}


def test_a_fault_belongs_to_the_providers_that_can_have_it() -> None:
    everybody = {name for name in FAULTS if all(name in faults_of(dialect) for dialect in DIALECTS)}
    of_gemini = {
        "400_bad_key",
        "429_retry_info",
        "recitation",
        "block_reason",
        "no_grounding",
        "continuation",
        "in_parts",
    }
    of_openrouter = {"402", "finish_error"}
    assert not everybody & (of_gemini | of_openrouter)
    assert set(faults_of("gemini")) == everybody | of_gemini
    assert set(faults_of("openrouter")) == everybody | of_openrouter
    assert set(faults_of("own")) == everybody


@pytest.mark.parametrize("name", [name for name in TEXTS if FAULTS[name].lack is Lack.BROKEN])
@pytest.mark.parametrize(
    "answer",
    [
        {"reasoning": "BTC", "verdict": "BUY", "score": 3},
        {"trend": {"why": "up"}, "side": "NONE", "size": 1, "confidence": 0.5},
        {"confidence": 0.2, "why": "", "vote": "WAIT"},
    ],
)
async def test_a_broken_text_is_not_what_was_said_whatever_the_schema(name: str, answer: dict[str, Any]) -> None:
    """Read by somebody who takes no key twice, and for whom 1 is not True."""
    async with OpenRouterApi() as server:
        server.answer(json=answer)
        server.fault(name)
        text = said("openrouter", (await bare(server)).json())
    try:
        read = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return
    assert repr(read) != repr(json.loads(json.dumps(answer), object_pairs_hook=list))


def having(*names: str) -> list[Any]:
    return [(dialect, name) for dialect in DIALECTS for name in names if name in faults_of(dialect)]


async def spoiled(dialect: str, name: str, **more: Any) -> httpx.Response:
    async with a_server(dialect) as server:
        server.answer(json=GOOD)
        server.fault(name)
        return await bare(server, **more)


@pytest.mark.parametrize(("dialect", "name"), having(*TEXTS))
async def test_a_spoiled_text_is_what_its_name_says(dialect: str, name: str) -> None:
    got = await spoiled(dialect, name)
    body = got.json()
    assert (got.status_code, said(dialect, body)) == (200, TEXTS[name])
    assert ended(dialect, body) in ("STOP", "stop")


@pytest.mark.parametrize(("dialect", "name"), having(*STATUSES))
async def test_a_refusal_has_its_status_and_the_provider_s_shape(dialect: str, name: str) -> None:
    got = await spoiled(dialect, name)
    assert got.status_code == STATUSES[name]
    if name.endswith("_html"):
        assert got.headers["content-type"].startswith("text/html")
        assert got.text.startswith("<!DOCTYPE html>")
        return
    if FAULTS[name].refusal.raw is not None:
        assert got.content == {"200_empty": b"", "200_null": b"null", "200_list": b"[]"}.get(name, b"[" * 100_000)
        return
    error = got.json()["error"]
    assert error["code"] == {"200_error": 502, "200_error_429": 429}.get(name, got.status_code)
    assert error["message"]
    assert got.headers.get("retry-after") == {
        "429_retry_after": "7",
        "429_retry_date": "Sun, 22 Nov 2099 12:00:00 GMT",
    }.get(name)
    if dialect == "gemini":
        assert error["status"].isupper()


async def test_a_redirect_leads_to_where_following_is_noticed() -> None:
    async with OpenRouterApi() as server:
        server.fault("307_elsewhere", times=2)
        first = await bare(server)
        stayed = server.strayed
        async with httpx.AsyncClient(trust_env=False, verify=False, follow_redirects=True) as client:
            path, headers, body = question("openrouter")
            await client.post(server.url + path, headers=headers, json=body)
    assert (first.headers["location"], stayed, server.strayed) == ("/elsewhere", 0, 1)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_provider_may_tell_the_key_it_was_given(dialect: str) -> None:
    assert KEY in (await spoiled(dialect, "401_with_key")).json()["error"]["message"]


async def test_gemini_says_when_to_come_back_in_the_body() -> None:
    details = (await spoiled("gemini", "429_retry_info")).json()["error"]["details"]
    assert details[-1] == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}
    assert "details" not in (await spoiled("gemini", "429")).json()["error"]


async def test_openrouter_says_what_kind_of_error_it_is() -> None:
    kinds = ("402", "429", "502_json", "503_json", "504", "200_error")
    errors = [(await spoiled("openrouter", name)).json() for name in kinds]
    assert [e["error"]["metadata"]["error_type"] for e in errors] == [
        "payment_required",
        "rate_limit_exceeded",
        "provider_unavailable",
        "provider_overloaded",
        "timeout",
        "provider_unavailable",
    ]
    assert errors[3]["availability"]["code"] == "capacity_exhausted"
    assert (await spoiled("openrouter", "404_retired")).json()["availability"]["code"] == "model_deprecated"


@pytest.mark.parametrize(
    ("name", "text", "finish"),
    [
        ("content_null", None, ("STOP", "stop")),
        ("content_empty", "", ("STOP", "stop")),
        ("only_thoughts", "", ("MAX_TOKENS", "length")),
        ("truncated", TEXT[: len(TEXT) // 2], ("MAX_TOKENS", "length")),
        ("whole_but_length", TEXT, ("MAX_TOKENS", "length")),
        ("refusal", None, ("PROHIBITED_CONTENT", "stop")),
        ("content_filter", None, ("SAFETY", "content_filter")),
        ("half_filtered", TEXT[: len(TEXT) // 2], ("SAFETY", "content_filter")),
        ("thoughts_shown", TEXT, ("STOP", "stop")),
        ("unknown_finish", TEXT, ("SOMETHING_NEW", "SOMETHING_NEW")),
        ("no_finish", TEXT, (None, None)),
        ("substituted", TEXT, ("STOP", "stop")),
    ],
)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_spoiled_answer_ends_as_its_name_says(
    dialect: str, name: str, text: str | None, finish: tuple[str | None, str | None]
) -> None:
    body = (await spoiled(dialect, name)).json()
    assert said(dialect, body) == text
    assert ended(dialect, body) == finish[dialect != "gemini"]
    assert body["modelVersion" if dialect == "gemini" else "model"].startswith("somebody") == (name == "substituted")
    if name == "refusal" and dialect != "gemini":
        assert body["choices"][0]["message"]["refusal"]


async def test_thoughts_that_are_shown_stand_apart_from_the_answer() -> None:
    parts = (await spoiled("gemini", "thoughts_shown")).json()["candidates"][0]["content"]["parts"]
    message = (await spoiled("openrouter", "thoughts_shown")).json()["choices"][0]["message"]
    assert [p.get("thought", False) for p in parts] == [True, False]
    assert json.loads(parts[0]["text"])["vote"] == json.loads(message["reasoning"])["vote"] == "WAIT"


async def test_the_faults_that_only_one_provider_has() -> None:
    blocked = (await spoiled("gemini", "block_reason")).json()
    assert blocked["promptFeedback"] == {"blockReason": "PROHIBITED_CONTENT"}
    assert "candidates" not in blocked
    assert ended("gemini", (await spoiled("gemini", "recitation")).json()) == "RECITATION"
    assert ended("gemini", (await spoiled("gemini", "continuation")).json()) == "CONTINUATION"
    bald = (await spoiled("gemini", "no_grounding", tools=[{"googleSearch": {}}])).json()["candidates"][0]
    assert "groundingChunks" not in bald["groundingMetadata"]
    assert len((await spoiled("gemini", "in_parts")).json()["candidates"][0]["content"]["parts"]) == 2
    (choice,) = (await spoiled("openrouter", "finish_error")).json()["choices"]
    assert (choice["finish_reason"], choice["error"]["code"]) == ("error", 502)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_zero_candidates_are_none_and_tokens_are_billed_all_the_same(dialect: str) -> None:
    body = (await spoiled(dialect, "zero_candidates")).json()
    assert not body.get("candidates")
    assert not body.get("choices")
    assert body["usageMetadata" if dialect == "gemini" else "usage"]


# --- faults of the wire -----------------------------------------------------------------------------------------------


async def cut_up(dialect: str, name: str, **patience: Any) -> tuple[bytes, bytes, str]:
    """Head, body and end of what comes over a bare socket."""
    async with a_server(dialect) as server:
        server.answer(json=GOOD)
        server.fault(name)
        got, end = await wire(server, **patience)
    head, _, body = got.partition(b"\r\n\r\n")
    return head, body, end


def promised(head: bytes) -> int:
    line = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    return int(line.split(b":")[1])


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_whitespace_before_the_body_and_gzip_leave_the_answer_what_it_is(dialect: str) -> None:
    _, body, _ = await cut_up(dialect, "leading_whitespace")
    assert body[:1] == b"\n"
    assert said(dialect, json.loads(body)) == TEXT
    head, body, _ = await cut_up(dialect, "gzip")
    assert b"Content-Encoding: gzip" in head
    assert said(dialect, json.loads(gzip.decompress(body))) == TEXT
    assert said(dialect, (await spoiled(dialect, "gzip")).json()) == TEXT


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_body_that_is_no_text_or_too_large(dialect: str) -> None:
    _, body, _ = await cut_up(dialect, "not_utf8")
    with pytest.raises(UnicodeDecodeError):
        body.decode()
    _, body, _ = await cut_up(dialect, "10mb")
    assert len(body) > 10 * 2**20
    assert said(dialect, json.loads(body)) == TEXT
    _, body, _ = await cut_up(dialect, "10mb_in_gzip")
    assert len(body) < 2**16
    assert len(gzip.decompress(body)) > 10 * 2**20


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_length_that_is_not_kept(dialect: str) -> None:
    head, body, end = await cut_up(dialect, "content_length_too_long")
    assert (promised(head) - len(body), end) == (100, "closed")
    assert said(dialect, json.loads(body)) == TEXT
    head, body, end = await cut_up(dialect, "content_length_too_short")
    assert (promised(head), end) == (len(body) // 2, "closed")


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_connection_that_breaks(dialect: str) -> None:
    assert await cut_up(dialect, "reset") == (b"", b"", "reset")
    head, body, end = await cut_up(dialect, "reset_mid_body")
    assert (len(body), end) == (promised(head) // 2, "reset")


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_answer_that_never_ends(dialect: str) -> None:
    assert await cut_up(dialect, "hang", first=0.2) == (b"", b"", "open")
    head, body, end = await cut_up(dialect, "stalled", then=0.2)
    assert (len(body), end) == (promised(head) // 2, "open")
    head, body, end = await cut_up(dialect, "slow_drip", reads=6)
    assert end == "open"
    assert 0 < len(body) < promised(head)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_last_byte_of_a_slow_drip_never_comes(dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_server(dialect) as server:
        monkeypatch.setattr(server, "rendered", lambda asked, reply: Payload(body=b"abc"))
        server.answer(json=GOOD)
        server.fault("slow_drip")
        got, end = await wire(server, then=0.3)
    assert (got.partition(b"\r\n\r\n")[2], end) == (b"ab", "open")


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_connections_are_refused_until_the_server_opens_again(dialect: str) -> None:
    path, headers, body = question(dialect)
    async with a_server(dialect) as server, httpx.AsyncClient(trust_env=False, verify=False) as client:
        server.answer("x", times=2)
        await client.post(server.url + path, headers=headers, json=body)  # leaves a connection open
        server.fault("connection_refused")
        for _ in range(2):
            with pytest.raises(httpx.TransportError):
                await client.post(server.url + path, headers=headers, json=body)
        with pytest.raises(ConnectionRefusedError):
            await wire(server)
        await server.reopen()
        assert (await client.post(server.url + path, headers=headers, json=body)).status_code == 200


# --- what the SDKs make of it: facts the adapters rest on -------------------------------------------------------------


async def test_the_sdks_leave_with_errors_of_many_kinds_where_the_wire_breaks() -> None:
    """An adapter that catches the SDK's own errors alone lets these through."""
    async with GeminiApi() as server, gemini_sdk(server) as models:
        server.fault("200_html")
        with pytest.raises(json.JSONDecodeError):
            await models.generate_content(model=FLASH, contents="?")
    async with OpenRouterApi() as server, openai_sdk(server) as client:
        server.fault("200_error")
        got = await client.chat.completions.create(model=GROK, messages=ASK)
        assert got.choices is None
        server.fault("200_html")
        assert isinstance(await client.chat.completions.create(model=GROK, messages=ASK), str)
