"""The fake of OpenRouter, and of a server of one's own that speaks as OpenAI does: its shapes, and what it refuses. The
real SDK talks to it."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.model_clients import ASK, OPENROUTER_MODEL, bare, openai_sdk
from tests.fakes.openrouter_api import OpenRouterApi

GROK, FAST = OPENROUTER_MODEL, "x-ai/grok-4-fast"
NO_SCHEMA, OBJECT_ONLY = "deepseek/deepseek-v4-flash", "deepseek/deepseek-v4-pro"
GOOD = {"reason": "calm", "vote": "LONG", "confidence": 0.7}
TEXT = json.dumps(GOOD)
SCHEMA = {"type": "object", "properties": {"confidence": {"type": "number", "maximum": 1}}}
SHAPED = {"type": "json_schema", "json_schema": {"name": "vote", "strict": True, "schema": SCHEMA}}


# --- what it says -----------------------------------------------------------------------------------------


async def test_openrouter_answers_with_cost_provider_and_reasoning_and_remembers_the_generation() -> None:
    async with OpenRouterApi() as server, openai_sdk(server) as client:
        server.limit = Decimal(20)
        server.answer(json=GOOD, tokens=(100, 20), thoughts=30, cost="0.00012", finish="length")
        got = await client.chat.completions.create(model=GROK, messages=ASK, max_tokens=99)
        once = await client.get("/generation", cast_to=object, options={"params": {"id": got.id}})
        key = await client.get("/key", cast_to=object)
    choice = got.choices[0]
    assert choice.message.content == TEXT
    assert (choice.finish_reason, choice.native_finish_reason) == ("length", "MAX_TOKENS")
    assert choice.message.reasoning
    assert (got.model, got.provider) == (GROK, "xAI")
    assert (got.usage.cost, got.usage.completion_tokens) == (0.00012, 50)
    assert got.usage.completion_tokens_details.reasoning_tokens == 30
    assert once["data"]["total_cost"] == 0.00012
    assert (key["data"]["usage"], key["data"]["limit_remaining"]) == (0.00012, 19.99988)
    assert server.requests[0].body["max_tokens"] == 99


async def test_openrouter_reckons_the_cost_from_its_prices_where_none_is_given() -> None:
    async with OpenRouterApi() as server, openai_sdk(server) as client:
        server.answer("x", tokens=(1000, 100))
        got = await client.chat.completions.create(model=GROK, messages=ASK)
    assert Decimal(str(got.usage.cost)) == 1000 * Decimal("0.0000005") + 100 * Decimal("0.000002")


async def test_openrouter_lists_prices_as_text_parameters_and_the_day_of_expiry() -> None:
    async with OpenRouterApi() as server, openai_sdk(server) as client:
        found = {m.id: m.model_extra async for m in client.models.list()}
    assert FAST not in found
    assert found[GROK]["pricing"]["completion"] == "0.000002"
    assert found[GROK]["canonical_slug"] == "x-ai/grok-4.3-20260801"
    assert "structured_outputs" in found[GROK]["supported_parameters"]
    assert "structured_outputs" not in found[NO_SCHEMA]["supported_parameters"]
    assert (found[GROK]["expiration_date"], found["qwen/qwen3-max"]["expiration_date"]) == (None, "2026-12-01")


async def test_openrouter_drops_in_silence_what_the_model_does_not_support() -> None:
    async with OpenRouterApi() as server, openai_sdk(server) as client:
        server.answer("prose", times=2)
        got = await client.chat.completions.create(model=NO_SCHEMA, messages=ASK, response_format=SHAPED, top_p=0.5)
        await client.chat.completions.create(model=GROK, messages=ASK, response_format=SHAPED)
    assert got.choices[0].message.content == "prose"
    assert [r.dropped for r in server.requests] == [("structured_outputs", "top_p"), ()]
    assert [(r.mode, r.schema) for r in server.requests] == [("json_schema", SCHEMA)] * 2


async def test_openrouter_streams_pieces_and_the_cost_at_the_end() -> None:
    async with OpenRouterApi() as server, openai_sdk(server) as client:
        server.answer("one two three four", cost="0.5")
        chunks = [c async for c in await client.chat.completions.create(model=GROK, messages=ASK, stream=True)]
    texts = [c.choices[0].delta.content for c in chunks if c.choices]
    assert len(texts) > 2
    assert "".join(texts) == "one two three four"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage.cost == 0.5


async def test_a_server_of_ones_own_knows_no_extras() -> None:
    from openai import BadRequestError, NotFoundError

    async with OpenRouterApi(key=None, extras=False) as server, openai_sdk(server, key="whatever") as client:
        server.answer("x", thoughts=3)
        got = await client.chat.completions.create(model=GROK, messages=ASK)
        listed = [m.id async for m in client.models.list()]
        with pytest.raises(BadRequestError, match="Unrecognized request argument supplied: provider"):
            await client.chat.completions.create(model=GROK, messages=ASK, extra_body={"provider": {}})
        with pytest.raises(NotFoundError):
            await client.get("/key", cast_to=object)
        with pytest.raises(NotFoundError, match="not a valid model ID"):
            await client.chat.completions.create(model="nobody", messages=ASK)
    assert server.url.endswith("/v1")
    assert not server.url.endswith("/api/v1")
    assert got.model_extra == {}
    assert got.usage.model_extra == {}
    assert "reasoning" not in (got.choices[0].message.model_extra or {})
    assert GROK in listed


# --- what it refuses --------------------------------------------------------------------------------------

STRICT = {"provider": {"require_parameters": True}}
OPENROUTER_REFUSALS: dict[str, tuple[dict[str, Any], int, str, str | None]] = {
    "unknown model": ({"model": "x/nobody"}, 400, "not a valid model ID", "model_not_found"),
    "retired model": ({"model": FAST}, 404, "No endpoints found for", "model_deprecated"),
    "schema required of a model without": (
        {"model": NO_SCHEMA, "response_format": SHAPED, "extra_body": STRICT},
        404,
        "No endpoints found that can handle the requested parameters",
        "no_endpoints",
    ),
    "temperature required of a model without": (
        {"model": NO_SCHEMA, "top_p": 0.5, "extra_body": STRICT},
        404,
        "No endpoints found that can handle the requested parameters",
        "no_endpoints",
    ),
    "schema where only objects are known": (
        {"model": OBJECT_ONLY, "response_format": SHAPED},
        400,
        "This response_format type is unavailable now",
        None,
    ),
    "object without the word": (
        {
            "model": OBJECT_ONLY,
            "response_format": {"type": "json_object"},
            "messages": [{"role": "user", "content": "What now?"}],
        },
        400,
        "must contain the word 'json'",
        None,
    ),
    "no messages": ({"model": GROK, "messages": []}, 400, "messages", None),
    "unknown argument": ({"model": GROK, "extra_body": {"temprature": 1}}, 400, "Unrecognized", None),
    "unknown shape": ({"model": GROK, "response_format": {"type": "yaml"}}, 400, "response_format", None),
}


@pytest.mark.parametrize("case", OPENROUTER_REFUSALS)
async def test_openrouter_refuses(case: str) -> None:
    from openai import APIStatusError

    asked, code, words, availability = OPENROUTER_REFUSALS[case]
    async with OpenRouterApi() as server, openai_sdk(server) as client:
        server.answer("x")
        with pytest.raises(APIStatusError, match=words) as refused:
            await client.chat.completions.create(**({"messages": ASK} | asked))
    body = refused.value.response.json()
    assert refused.value.status_code == body["error"]["code"] == code
    assert body.get("availability", {}).get("code") == availability
    assert not server.unexpected


@pytest.mark.parametrize(
    "asked",
    [
        {"model": GROK, "response_format": SHAPED, "extra_body": STRICT, "temperature": 0.1, "seed": 1},
        {"model": NO_SCHEMA, "response_format": {"type": "json_object"}, "extra_body": STRICT},
        {"model": OBJECT_ONLY, "response_format": {"type": "json_object"}},
        {"model": GROK, "response_format": {"type": "text"}, "extra_body": {"reasoning": {"effort": "low"}}},
    ],
)
async def test_openrouter_takes_what_is_next_to_what_it_refuses(asked: dict[str, Any]) -> None:
    async with OpenRouterApi() as server, openai_sdk(server) as client:
        server.answer("x")
        await client.chat.completions.create(messages=ASK, **asked)
    assert server.requests[0].dropped == ()


async def test_openrouter_names_what_could_replace_a_retired_model() -> None:
    async with OpenRouterApi() as server:
        server.retire("qwen/qwen3-max", replacements=("qwen/next",))
        got = await bare(server, model="qwen/qwen3-max")
    assert got.json()["availability"]["fallback_models"] == ["qwen/next"]


async def test_openrouter_answers_until_the_credit_is_used_up() -> None:
    async with OpenRouterApi() as server:
        server.limit = Decimal(20)
        server.answer("x", cost="20", times=2)
        statuses = [(await bare(server)).status_code for _ in range(2)]
    assert statuses == [200, 402]


async def test_a_refusal_speaks_of_its_own_question_however_many_come_at_once() -> None:
    async with OpenRouterApi() as server:
        server.retire("qwen/qwen3-max", replacements=("qwen/next",))
        server.reply = lambda asked: "x"
        asked = [bare(server, model=model) for model in ("qwen/qwen3-max", FAST, GROK, "qwen/qwen3-max", GROK)]
        got = [(each.json().get("availability") or {}).get("fallback_models") for each in await asyncio.gather(*asked)]
    assert got == [["qwen/next"], [GROK], None, ["qwen/next"], None]


async def test_openrouter_refuses_a_wrong_key_and_an_unknown_generation() -> None:
    from openai import AuthenticationError, NotFoundError

    async with OpenRouterApi() as server, openai_sdk(server, key="sk-wrong") as client:
        with pytest.raises(AuthenticationError):
            await client.chat.completions.create(model=GROK, messages=ASK)
        with pytest.raises(AuthenticationError):
            await client.get("/key", cast_to=object)
        async with openai_sdk(server) as known:
            with pytest.raises(NotFoundError):
                await known.get("/generation", cast_to=object, options={"params": {"id": "gen-0"}})
