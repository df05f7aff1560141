"""The fake of Gemini speaks the shapes of the real one and refuses what that refuses. The real SDK talks to it."""

import json
import warnings
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.fakes.gemini_api import GeminiApi
from tests.fakes.model_clients import GEMINI_MODEL, bare, gemini_sdk, question, said
from trading.asking import Window
from trading.voice import Source

LITE, FLASH, OLD = "gemini-3.5-flash-lite", GEMINI_MODEL, "gemini-2.5-flash"
GOOD = {"reason": "calm", "vote": "LONG", "confidence": 0.7}
TEXT = json.dumps(GOOD)
SCHEMA = {"type": "object", "properties": {"confidence": {"type": "number", "maximum": 1}}}
SPAN = {"start_time": datetime(2026, 11, 20, tzinfo=UTC), "end_time": datetime(2026, 11, 21, tzinfo=UTC)}
BACK = {"start_time": SPAN["end_time"], "end_time": SPAN["start_time"]}
AS_JSON = {"response_mime_type": "application/json", "response_json_schema": SCHEMA}


# --- what it says ---------------------------------------------------------------------------------------------


async def test_gemini_answers_with_text_usage_version_and_id_and_keeps_the_question() -> None:
    async with GeminiApi() as server, gemini_sdk(server) as models:
        server.answer(json=GOOD, tokens=(11, 7), thoughts=5)
        config = {"system_instruction": "You judge.", "response_mime_type": "application/json", "seed": 4}
        got = await models.generate_content(
            model=FLASH, contents="BTC?", config=config | {"response_json_schema": SCHEMA}
        )
    assert got.text == TEXT
    assert (got.model_version, got.response_id) == (FLASH, "resp-1")
    usage = got.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.thoughts_token_count) == (11, 7, 5)
    assert usage.total_token_count == 23
    (asked,) = server.requests
    assert (asked.model, asked.system, asked.user, asked.mode) == (FLASH, "You judge.", "BTC?", "json_schema")
    assert asked.schema == SCHEMA
    assert asked.body["generationConfig"]["seed"] == 4
    assert json.loads(asked.raw)["contents"]
    assert not asked.searching


async def test_gemini_reads_snake_case_as_it_reads_camel_case() -> None:
    """But the names inside a schema are the client's own."""
    schema = {"type": "object", "properties": {"exit_price": {"type": "number"}}}
    span = {"start_time": "2026-11-20T00:00:00Z", "end_time": "2026-11-21T00:00:00Z"}
    snake = {
        "system_instruction": {"parts": [{"text": "s"}]},
        "generation_config": {"response_mime_type": "application/json", "response_json_schema": schema},
        "tools": [{"google_search": {"time_range_filter": span}}],
    }
    camel = {
        "systemInstruction": {"parts": [{"text": "s"}]},
        "generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": schema},
        "tools": [
            {"googleSearch": {"timeRangeFilter": {"startTime": span["start_time"], "endTime": span["end_time"]}}}
        ],
    }
    async with GeminiApi() as server:
        server.answer("x", times=2)
        statuses = [(await bare(server, **body)).status_code for body in (snake, camel)]
    first, second = server.requests
    assert statuses == [200, 200]
    assert first.body == second.body
    assert first.schema == schema
    assert first.window == Window(since=datetime(2026, 11, 20, tzinfo=UTC), until=datetime(2026, 11, 21, tzinfo=UTC))


async def test_gemini_says_what_an_answer_with_search_leans_on() -> None:
    """Offsets count bytes, not characters."""
    search = {"tools": [{"google_search": {"time_range_filter": SPAN}}]}
    pages = [Source(title="news.example", url="https://news.example/1")]
    async with GeminiApi() as server, gemini_sdk(server) as models:
        server.answer("Ruhig – so.", sources=pages, searches=["btc", "eth"])
        server.answer("x", sources=())
        server.answer("x")
        full, none, own = [await models.generate_content(model=FLASH, contents="?", config=search) for _ in range(3)]
    grounding = full.candidates[0].grounding_metadata
    assert grounding.web_search_queries == ["btc", "eth"]
    assert [(c.web.title, c.web.uri) for c in grounding.grounding_chunks] == [
        ("news.example", "https://news.example/1")
    ]
    assert grounding.grounding_supports[0].segment.end_index == 13
    assert grounding.grounding_supports[0].grounding_chunk_indices == [0]
    assert grounding.search_entry_point.rendered_content
    assert none.candidates[0].grounding_metadata.grounding_chunks is None
    assert none.candidates[0].grounding_metadata.web_search_queries
    assert len(own.candidates[0].grounding_metadata.grounding_chunks) == 2
    assert server.requests[0].window == Window(since=SPAN["start_time"], until=SPAN["end_time"])


async def test_gemini_grounds_nothing_without_a_search() -> None:
    async with GeminiApi() as server, gemini_sdk(server) as models:
        server.answer("x", sources=[Source(title="a", url="https://a.example")])
        got = await models.generate_content(model=FLASH, contents="?")
    assert got.candidates[0].grounding_metadata is None


async def test_gemini_streams_pieces_and_ends_with_how_it_ended() -> None:
    async with GeminiApi() as server, gemini_sdk(server) as models:
        server.answer("one two three four")
        chunks = [c async for c in await models.generate_content_stream(model=FLASH, contents="?")]
    assert len(chunks) > 1
    assert "".join(c.text for c in chunks) == "one two three four"
    assert [c.candidates[0].finish_reason for c in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].candidates[0].finish_reason.value == "STOP"
    assert server.requests[0].streamed


async def test_gemini_streams_one_list_to_who_does_not_ask_for_events() -> None:
    async with GeminiApi() as server:
        server.answer("one two three four")
        chunks = (await bare(server, path=f"/v1beta/models/{FLASH}:streamGenerateContent")).json()
    assert "".join(said("gemini", c) for c in chunks) == "one two three four"


async def test_gemini_lists_its_models_page_by_page_without_the_retired() -> None:
    async with GeminiApi(new_key=True) as server, gemini_sdk(server) as models:
        found = [m async for m in await models.list(config={"page_size": 1})]
        one = await models.get(model=FLASH)
    assert [m.name for m in found] == [f"models/{LITE}", f"models/{FLASH}"]
    assert found[0].input_token_limit
    assert one.name == f"models/{FLASH}"
    assert server.listings == 3


async def test_gemini_does_not_hold_an_answer_to_the_ranges_of_the_schema() -> None:
    async with GeminiApi() as server, gemini_sdk(server) as models:
        server.answer(json={"confidence": 72})
        config = {"response_mime_type": "application/json", "response_json_schema": SCHEMA}
        got = await models.generate_content(model=FLASH, contents="?", config=config)
    assert json.loads(got.text) == {"confidence": 72}


async def test_gemini_lite_leaves_the_sampling_out_of_account() -> None:
    async with GeminiApi() as server, gemini_sdk(server) as models:
        server.answer("x", times=2)
        config = {"temperature": 0.0, "top_p": 0.5, "top_k": 1, "thinking_config": {"thinking_level": "LOW"}}
        for model in (LITE, FLASH):
            await models.generate_content(model=model, contents="?", config=config)
    assert [r.dropped for r in server.requests] == [("temperature", "topP", "topK"), ()]


async def test_gemini_answers_a_dead_id_with_another_model_where_it_is_routed() -> None:
    async with GeminiApi() as server, gemini_sdk(server) as models:
        server.shut_down(OLD, routed_to=LITE)
        server.answer("x")
        got = await models.generate_content(model=OLD, contents="?")
    assert got.model_version == LITE


async def test_gemini_asked_to_continue_is_billed_twice_unless_the_sdk_is_told_not_to() -> None:
    async with GeminiApi() as server, gemini_sdk(server) as models:
        server.answer("one", finish="CONTINUATION", times=2)
        server.answer(" two")
        await models.generate_content(model=FLASH, contents="?", config={"automatic_continuation": False})
        once = len(server.requests)
        await models.generate_content(model=FLASH, contents="?")
    assert (once, len(server.requests)) == (1, 3)
    assert server.requests[-1].body["continuationToken"]


async def test_gemini_is_asked_on_v1_by_default() -> None:
    async with GeminiApi() as server, gemini_sdk(server, version="v1") as models:
        server.answer("x")
        assert (await models.generate_content(model=FLASH, contents="?")).text == "x"
    assert server.requests[0].path.startswith("/v1/")


async def test_an_unknown_ending_is_taken_with_a_warning() -> None:
    async with GeminiApi() as server, gemini_sdk(server) as models:
        server.answer("x", finish="SOMETHING_NEW")
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            got = await models.generate_content(model=FLASH, contents="?")
    assert got.text == "x"
    assert any("SOMETHING_NEW" in str(w.message) for w in told)


# --- what it refuses ------------------------------------------------------------------------------------------


def searching(span: dict[str, Any] | None) -> dict[str, Any]:
    return {"tools": [{"google_search": {"time_range_filter": span} if span else {}}]}


GEMINI_REFUSALS: dict[str, tuple[str, dict[str, Any], int, str, str]] = {
    "unknown id": ("gemini-9", {}, 404, "NOT_FOUND", "is not found"),
    "retired id": ("gemini-1.5-flash", {}, 404, "NOT_FOUND", "is not found"),
    "search with json on 2.x": (
        OLD,
        AS_JSON | searching(SPAN),
        400,
        "INVALID_ARGUMENT",
        "Tool use with a response mime",
    ),
    "frequency penalty": (LITE, {"frequency_penalty": 0.5}, 400, "INVALID_ARGUMENT", "frequencyPenalty"),
    "presence penalty": (LITE, {"presence_penalty": 0.5}, 400, "INVALID_ARGUMENT", "presencePenalty"),
    "thinking budget": (LITE, {"thinking_config": {"thinking_budget": 99}}, 400, "INVALID_ARGUMENT", "thinking_level"),
    "half a time range": (
        FLASH,
        searching({"start_time": SPAN["start_time"]}),
        400,
        "INVALID_ARGUMENT",
        "must be set together",
    ),
    "a range backwards": (FLASH, searching(BACK), 400, "INVALID_ARGUMENT", "must not be after"),
    "schema without json": (FLASH, {"response_json_schema": SCHEMA}, 400, "INVALID_ARGUMENT", "response_mime_type"),
}


@pytest.mark.parametrize("case", GEMINI_REFUSALS)
async def test_gemini_refuses(case: str) -> None:
    from google.genai.errors import ClientError

    model, config, code, status, words = GEMINI_REFUSALS[case]
    async with GeminiApi() as server, gemini_sdk(server) as models:
        server.answer("x")
        with pytest.raises(ClientError, match=words) as refused:
            await models.generate_content(model=model, contents="?", config=config)
    assert (refused.value.code, refused.value.status) == (code, status)
    assert [asked.model for asked in server.requests] == [model]
    assert not server.unexpected


@pytest.mark.parametrize(
    ("model", "config"),
    [
        (FLASH, AS_JSON | searching(SPAN)),
        (OLD, searching(SPAN)),
        (OLD, AS_JSON),
        (LITE, {"frequency_penalty": 0.0}),
        (FLASH, {"frequency_penalty": 0.5, "thinking_config": {"thinking_budget": 9}}),
        (FLASH, searching(None)),
    ],
)
async def test_gemini_takes_what_is_next_to_what_it_refuses(model: str, config: dict[str, Any]) -> None:
    async with GeminiApi() as server, gemini_sdk(server) as models:
        server.answer("x")
        assert (await models.generate_content(model=model, contents="?", config=config)).text == "x"


async def test_gemini_lite_refuses_a_last_turn_of_the_model() -> None:
    from google.genai.errors import ClientError

    turns = [{"role": role, "parts": [{"text": "x"}]} for role in ("user", "model")]
    async with GeminiApi() as server, gemini_sdk(server) as models:
        server.answer("x")
        with pytest.raises(ClientError, match="last turn"):
            await models.generate_content(model=LITE, contents=turns)
        assert (await models.generate_content(model=FLASH, contents=turns)).text == "x"


async def test_gemini_closes_old_ids_to_new_keys() -> None:
    from google.genai.errors import ClientError

    async with GeminiApi(new_key=True) as server, gemini_sdk(server) as models:
        with pytest.raises(ClientError, match="no longer available to new users") as refused:
            await models.generate_content(model=OLD, contents="?")
    assert refused.value.code == 404


async def test_gemini_says_400_to_a_wrong_key_and_403_to_none() -> None:
    from google.genai.errors import ClientError

    async with GeminiApi() as server, gemini_sdk(server, key="AIzaWrong") as models:
        with pytest.raises(ClientError, match="API key not valid") as refused:
            await models.generate_content(model=FLASH, contents="?")
        with pytest.raises(ClientError, match="API key not valid"):
            await models.list()
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:
            path, _, body = question("gemini")
            keyless = await client.post(server.url + path, json=body)
    assert refused.value.code == 400
    assert refused.value.details["error"]["details"][0]["reason"] == "API_KEY_INVALID"
    assert (keyless.status_code, keyless.json()["error"]["status"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    "more",
    [
        {"temprature": 1},
        {"generationConfig": {"max_tokens": 4}},
        {"tools": [{"google_serch": {}}]},
        {"tools": [{"googleSearch": {"exclude_domains": ["a"]}}]},
        {"generationConfig": {"thinkingConfig": {"effort": "low"}}},
    ],
)
async def test_gemini_refuses_a_field_it_does_not_know(more: dict[str, Any]) -> None:
    async with GeminiApi() as server:
        got = await bare(server, **more)
    assert got.status_code == 400
    assert "Unknown name" in got.json()["error"]["message"]


async def test_gemini_refuses_no_contents_no_object_and_an_unknown_method() -> None:
    async with GeminiApi() as server, httpx.AsyncClient(trust_env=False, verify=False) as client:
        empty = await bare(server, contents=[])
        path, headers, body = question("gemini")
        garbled = await client.post(server.url + path, headers=headers, content=b"{")
        strange = await client.post(server.url + path.replace("generateContent", "tell"), headers=headers, json=body)
        nowhere = await client.get(server.url + "/v2/models", headers=headers)
    assert [r.status_code for r in (empty, garbled, strange, nowhere)] == [400, 400, 404, 404]
    assert server.strayed == 1
