"""The adapters speak through the real SDKs to servers on loopback: what they ask, and all that can go wrong with it."""

import asyncio
import gc
import json
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import pytest
import pytest_asyncio
from aiohttp import web
from pydantic import Field

from tests.fakes.gemini_api import GeminiApi
from tests.fakes.model_faults import FAULTS, Refusal, faults_of
from tests.fakes.model_script import KEY
from tests.fakes.openrouter_api import OpenRouterApi
from trading.asking import Prompt, Strict, Window
from trading.clock import ManualClock
from trading.llm.gemini import Gemini
from trading.llm.hearing import HEAR
from trading.llm.openai_api import OpenAiApi
from trading.llm.provider import Listed, Mode, Provider, Raw, Unanswered, Wire
from trading.strict import Misfit, json_schema, read, schema_words
from trading.voice import Lack

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
WINDOW = Window(since=NOW - timedelta(days=1), until=NOW)
DIALECTS = ("gemini", "openrouter", "own")
MODEL = {"gemini": "gemini-3.5-flash-lite", "openrouter": "x-ai/grok-4.3", "own": "x-ai/grok-4.3"}
PATIENT, HASTY = 20.0, 0.3  # seconds


class Side(StrEnum):
    LONG = "LONG"
    SHORT = "SHORT"
    WAIT = "WAIT"


class Said(Strict):
    reason: str
    vote: Side
    confidence: Annotated[float, Field(ge=0, le=1)]


GOOD = {"reason": "funding has turned", "vote": "LONG", "confidence": 0.7}
ANSWER = Said(reason="funding has turned", vote=Side.LONG, confidence=0.7)
SCHEMA = json_schema(Said)


@dataclass(frozen=True)
class Line:
    """A fake and the adapter that speaks to it."""

    server: Any
    provider: Provider

    async def ask(self, wire: Wire) -> tuple[Raw | None, Lack | None, Any]:
        """What came, and what it is worth: a lack and its reason, or no lack and the answer."""
        try:
            raw = await self.provider.send(wire)
        except Unanswered as lost:
            self._holds_no_key(lost.request, lost.body, lost.reason)
            return None, lost.lack, lost.reason
        heard = self.provider.hear(raw.status, raw.body)
        self._holds_no_key(raw.request, raw.body, heard.reason)
        if heard.lack is not None:
            return raw, heard.lack, heard.reason
        if wire.search is not None and not heard.sources:
            return raw, Lack.UNGROUNDED, "no sources"
        if heard.returned != wire.model:
            return raw, Lack.SUBSTITUTED, heard.returned
        try:
            return raw, None, read(heard.text, Said)
        except Misfit as misfit:
            self._holds_no_key(b"", b"", misfit.reason)
            return raw, Lack.BROKEN, misfit.reason

    def _holds_no_key(self, request: bytes, body: bytes, reason: str) -> None:
        assert KEY.encode() not in request + body
        assert KEY not in reason
        assert reason == "" or reason.isprintable()


def a_server(dialect: str, **changes: Any) -> Any:
    return GeminiApi(**changes) if dialect == "gemini" else OpenRouterApi(extras=dialect == "openrouter", **changes)


def a_provider(dialect: str, url: str, key: str | None = KEY) -> Provider:
    if dialect == "gemini":
        return Gemini(key or "", base_url=url, wall=ManualClock(NOW))
    return OpenAiApi("openrouter" if dialect == "openrouter" else "own", key, base_url=url, wall=ManualClock(NOW))


def a_wire(dialect: str, **changes: Any) -> Wire:
    prompt = Prompt(name="council", version=1, system="You are careful.", user="What now?")
    wire = Wire(
        model=MODEL[dialect],
        prompt=prompt,
        mode=Mode.SCHEMA,
        schema=SCHEMA,
        search=WINDOW if dialect == "gemini" else None,
        most_tokens=500,
        within=PATIENT,
        options={},
    )
    return replace(wire, **changes)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lines() -> AsyncIterator[dict[str, Line]]:
    """One of each for the whole menu: nothing of a fault may be left for the next one."""
    async with a_line("gemini") as gemini, a_line("openrouter") as openrouter, a_line("own") as own:
        for line in (gemini, openrouter, own):
            line.server.reply = lambda _: GOOD
            await line.provider.models()  # so that a hasty request is late because of the server and nothing else
        yield {"gemini": gemini, "openrouter": openrouter, "own": own}
    gc.collect()  # what was left open says so now


@asynccontextmanager
async def a_line(dialect: str, server: Any = None, key: str | None = KEY) -> AsyncIterator[Line]:
    """Afterwards no task, socket or client is left: what is forgotten is a warning, and a warning is an error here."""
    before = asyncio.all_tasks()
    async with server or a_server(dialect) as open_server:
        provider = a_provider(dialect, open_server.url, key)
        try:
            yield Line(open_server, provider)
        finally:
            await provider.close()
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert not {task for task in left if "RequestHandler" not in repr(task)}  # those are of a fake


# --- the fault menu -------------------------------------------------------------------------------------------------


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("dialect", "name"), [(d, name) for d in DIALECTS for name in faults_of(d)])
async def test_every_fault_is_an_answer_or_a_lack_with_its_reason(
    lines: dict[str, Line], dialect: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    line, expected = lines[dialect], FAULTS[name].lack
    asked_before = len(line.server.requests)
    line.server.fault(name)
    _, lack, told = await line.ask(a_wire(dialect, within=HASTY if expected is Lack.LATE else PATIENT))
    assert lack is expected, told
    if lack is not None:
        assert told
    else:
        assert (told.vote, told.reason) == (ANSWER.vote, ANSWER.reason)
    asked = len(line.server.requests) - asked_before
    assert asked == (0 if name == "connection_refused" else 1)  # nothing is asked twice
    assert KEY not in caplog.text
    await line.server.reopen()
    assert (await line.ask(a_wire(dialect)))[1:] == (None, ANSWER)  # and the next question is answered


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_what_had_come_before_a_break_is_kept(dialect: str) -> None:
    async with a_line(dialect) as line:
        line.server.answer(json=GOOD, times=2)
        whole = (await line.provider.send(a_wire(dialect))).body
        line.server.fault("reset_mid_body")
        with pytest.raises(Unanswered) as lost:
            await line.provider.send(a_wire(dialect))
        assert 0 < len(lost.value.body) < len(whole)
        assert lost.value.body[:20] == whole[:20]
        assert lost.value.request


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("name", "left"), [("connection_refused", False), ("reset", True), ("hang", True), ("10mb", True)]
)
async def test_a_request_that_never_left_says_so(dialect: str, name: str, left: bool) -> None:
    async with a_line(dialect) as line:
        if name == "hang":
            await line.provider.models()  # the client is there, and only the server is late
        line.server.answer(json=GOOD)
        line.server.fault(name)
        with pytest.raises(Unanswered) as lost:
            await line.provider.send(a_wire(dialect, within=HASTY if name == "hang" else PATIENT))
        assert lost.value.left is left


@pytest.mark.parametrize(
    ("dialect", "name", "seconds"),
    [
        *((d, "429_retry_after", 7.0) for d in DIALECTS),
        *((d, "429", None) for d in DIALECTS),
        ("gemini", "429_retry_info", 34.0),
    ],
)
async def test_how_long_to_wait_is_handed_on(dialect: str, name: str, seconds: float | None) -> None:
    async with a_line(dialect) as line:
        line.server.answer(json=GOOD)
        line.server.fault(name)
        assert (await line.provider.send(a_wire(dialect))).retry_after == seconds
        line.server.fault("429_retry_date")
        until = datetime(2099, 11, 22, 12, 0, tzinfo=UTC)
        assert (await line.provider.send(a_wire(dialect))).retry_after == (until - NOW).total_seconds()


# --- what is asked --------------------------------------------------------------------------------------------------


async def test_gemini_is_asked_with_search_inside_the_window_and_with_the_schema() -> None:
    async with a_line("gemini") as line:
        line.server.answer(json=GOOD)
        options = {"seed": 7, "thinking_level": "low", "top_k": 3, "tools": [], "model": "other"}
        raw, lack, _ = await line.ask(a_wire("gemini", options=options))
        asked = line.server.requests[0]
        assert lack is None
        assert (asked.path, asked.system, asked.user) == (
            "/v1beta/models/gemini-3.5-flash-lite:generateContent",
            "You are careful.",
            "What now?",
        )
        assert (asked.searching, asked.window, asked.mode) == (True, WINDOW, "json_schema")
        generation = asked.body["generationConfig"]
        assert json.dumps(generation["responseJsonSchema"]) == json.dumps(SCHEMA)  # in its order
        assert (generation["maxOutputTokens"], generation["seed"]) == (500, 7)
        assert generation["thinkingConfig"] == {"thinkingLevel": "LOW"}
        assert not {"topK", "temperature"} & generation.keys()
        assert raw is not None
        assert json.loads(raw.request) == {"model": "gemini-3.5-flash-lite", **json.loads(asked.raw)}


async def test_gemini_is_asked_for_plain_words_where_no_schema_is_wanted() -> None:
    async with a_line("gemini") as line:
        line.server.answer("In words.")
        wire = a_wire("gemini", mode=Mode.FREE, schema=None, search=None, model="gemini-2.5-flash")
        raw = await line.provider.send(wire)
        assert line.provider.hear(raw.status, raw.body).text == "In words."
        body = line.server.requests[0].body
        assert "tools" not in body
        assert body["generationConfig"] == {"maxOutputTokens": 500}


async def test_an_older_gemini_that_cannot_search_and_fill_a_schema_says_so() -> None:
    async with a_line("gemini") as line:
        line.server.answer("In words.")
        _, lack, why = await line.ask(a_wire("gemini", model="gemini-2.5-flash"))
        assert (lack, "unsupported" in why) == (Lack.BAD_REQUEST, True)
        raw = await line.provider.send(a_wire("gemini", model="gemini-2.5-flash", mode=Mode.FREE, schema=None))
        assert line.provider.hear(raw.status, raw.body).sources


async def test_openrouter_is_asked_for_one_model_that_takes_all_of_it() -> None:
    async with a_line("openrouter") as line:
        line.server.answer(json=GOOD)
        options = {
            "temperature": 0.5,
            "seed": 7,
            "reasoning": {"effort": "low"},
            "provider": {"allow_fallbacks": False, "require_parameters": False, "order": ["xAI"], "more": 1},
            "models": ["another"],
            "plugins": [{"id": "response-healing"}],
            "extra_body": {"models": ["another"]},
        }
        raw, lack, answer = await line.ask(a_wire("openrouter", options=options))
        assert (lack, answer) == (None, ANSWER)
        assert json.loads(line.server.requests[0].raw) == {
            "model": "x-ai/grok-4.3",
            "messages": [
                {"role": "system", "content": "You are careful."},
                {"role": "user", "content": "What now?"},
            ],
            "max_tokens": 500,
            "temperature": 0.5,
            "seed": 7,
            "reasoning": {"effort": "low"},
            "provider": {"allow_fallbacks": False, "order": ["xAI"], "require_parameters": True},
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "council", "strict": True, "schema": SCHEMA},
            },
        }
        assert raw is not None
        assert json.loads(raw.request) == json.loads(line.server.requests[0].raw)


async def test_a_server_of_ones_own_hears_nothing_that_only_openrouter_knows() -> None:
    async with a_line("own") as line:
        line.server.answer(json=GOOD)
        wire = a_wire("own", options={"provider": {"order": []}, "reasoning": {}, "temperature": 1})
        assert (await line.ask(wire))[1:] == (None, ANSWER)
        sent = json.loads(line.server.requests[0].raw)
        assert sent.keys() == {"model", "messages", "max_tokens", "temperature", "response_format"}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("mode", [Mode.OBJECT, Mode.TEXT])
async def test_a_model_that_is_not_held_to_the_schema_is_told_it_in_words(dialect: str, mode: Mode) -> None:
    async with a_line(dialect) as line:
        line.server.answer(json=GOOD)
        assert (await line.ask(a_wire(dialect, mode=mode)))[1:] == (None, ANSWER)
        asked = line.server.requests[0]
        assert asked.user == f"What now?\n\n{schema_words(Said)}"
        assert (asked.mode, asked.schema) == ("json_object" if mode is Mode.OBJECT else "none", None)


async def test_a_model_that_only_knows_objects_answers_when_it_is_asked_for_one() -> None:
    async with a_line("openrouter") as line:
        line.server.answer(json=GOOD, times=2)
        wire = a_wire("openrouter", model="deepseek/deepseek-v4-pro")
        assert (await line.ask(wire))[1] is Lack.BAD_REQUEST
        assert (await line.ask(replace(wire, mode=Mode.OBJECT)))[1:] == (None, ANSWER)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_same_question_has_the_same_bytes_and_another_model_others(dialect: str) -> None:
    async with a_line(dialect) as line:
        line.server.reply = lambda _: GOOD
        one, two = [(await line.provider.send(a_wire(dialect))).request for _ in range(2)]
        other = (await line.provider.send(a_wire(dialect, model="gemini-3.8-flash"))).request
        assert one == two != other
        assert list(json.loads(one)) == sorted(json.loads(one))


# --- many at once, deadlines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_answers_to_questions_asked_at_once_are_not_mixed_up(dialect: str) -> None:
    async with a_line(dialect) as line:
        line.server.reply = lambda asked: GOOD | {"reason": asked.user}
        prompts = [Prompt(name="council", version=1, system="", user=f"question {at}") for at in range(12)]
        found = await asyncio.gather(*(line.ask(a_wire(dialect, prompt=prompt)) for prompt in prompts))
        assert [answer.reason for _, _, answer in found] == [prompt.user for prompt in prompts]


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_answer_after_the_deadline_is_none(dialect: str) -> None:
    async with a_line(dialect) as line:
        await line.provider.models()
        line.server.answer(json=GOOD, delay=1.0)
        assert (await line.ask(a_wire(dialect, within=HASTY)))[1] is Lack.LATE


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_without_any_time_left_nothing_is_sent(dialect: str) -> None:
    async with a_line(dialect) as line:
        for _ in range(2):  # the first of them finds no client, the second one does
            with pytest.raises(Unanswered) as lost:
                await line.provider.send(a_wire(dialect, within=0.0))
            assert (lost.value.lack, lost.value.left) == (Lack.LATE, False)
            await line.provider.models()
        assert line.server.requests == []


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_whoever_stops_waiting_is_let_go(dialect: str) -> None:
    async with a_line(dialect) as line:
        arrived = asyncio.Event()
        line.server.reply = lambda _: arrived.set() or GOOD
        line.server.fault("hang")
        asking = asyncio.create_task(line.provider.send(a_wire(dialect)))
        await arrived.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_closed_adapter_opens_again_when_it_is_asked(dialect: str) -> None:
    async with a_line(dialect) as line:
        line.server.reply = lambda _: GOOD
        for _ in range(2):
            assert (await line.ask(a_wire(dialect)))[1:] == (None, ANSWER)
            await line.provider.close()
        await line.provider.close()


# --- what must not happen -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_key_that_a_provider_repeats_goes_nowhere(dialect: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    def repeat(_: object) -> Any:
        raise Refusal(401, f"Bad key {KEY} for you.")

    async with a_line(dialect) as line:
        line.server.reply = repeat
        raw, lack, why = await line.ask(a_wire(dialect))
        assert (lack, why) == (Lack.DENIED, "HTTP 401: Bad key *** for you.")
        assert raw is not None
        assert b"Bad key *** for you." in raw.body
    assert KEY not in caplog.text


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("key", ["a key\nwith a second line, quite long", "clé-secrète-très-longue-🔑"])
async def test_a_key_that_no_header_can_hold_is_not_told_to_anybody(
    dialect: str, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with a_line(dialect, key=key) as line:
        with pytest.raises(Unanswered) as lost:
            await line.provider.send(a_wire(dialect))
        assert (lost.value.lack, lost.value.left) == (Lack.DENIED, False)
        assert lost.value.__cause__ is None
        assert key not in f"{lost.value!r} {lost.value.reason} {lost.value.request!r}"
    assert key not in caplog.text


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("changes", [{"options": {"temperature": object()}}, {"most_tokens": object()}])
async def test_what_no_request_can_be_made_of_is_a_lack(dialect: str, changes: dict[str, Any]) -> None:
    async with a_line(dialect) as line:
        with pytest.raises(Unanswered) as lost:
            await line.provider.send(a_wire(dialect, **changes))
        assert (lost.value.lack, lost.value.left) == (Lack.BAD_REQUEST, False)


async def test_an_address_that_is_none_is_a_lack() -> None:
    for provider in (
        a_provider("gemini", "nowhere"),
        a_provider("own", "http://[broken"),
        a_provider("own", "ftp://x"),
    ):
        with pytest.raises(Unanswered):
            await provider.send(a_wire("own"))
        await provider.close()


_ELSEWHERE = {
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "ALL_PROXY": "http://127.0.0.1:9",
    "OPENAI_API_KEY": "sk-of-the-environment-00000000",
    "OPENAI_ADMIN_KEY": "sk-of-the-environment-00000000",
    "OPENAI_ORG_ID": "org-of-the-environment",
    "OPENAI_PROJECT_ID": "project-of-the-environment",
    "OPENAI_BASE_URL": "http://127.0.0.1:9",
    "OPENAI_CUSTOM_HEADERS": "X-Of: the-environment",
    "GOOGLE_API_KEY": "key-of-the-environment-0000000",
    "GEMINI_API_KEY": "key-of-the-environment-0000000",
    "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9",
    "GOOGLE_GENAI_USE_VERTEXAI": "true",
    "GOOGLE_GENAI_API_VERSION": "v9",
}


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_nothing_of_the_environment_is_used_or_sent(dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in _ELSEWHERE.items():
        monkeypatch.setenv(name, value)
    async with a_line(dialect) as line:
        line.server.answer(json=GOOD)
        assert (await line.ask(a_wire(dialect)))[1:] == (None, ANSWER)
        assert "environment" not in str(line.server.requests[0].headers)


async def test_a_server_that_wants_no_key_is_sent_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment-00000000")
    async with a_line("own", OpenRouterApi(extras=False, key=None), key=None) as line:
        line.server.answer(json=GOOD)
        assert (await line.ask(a_wire("own")))[1:] == (None, ANSWER)
        assert "authorization" not in {name.lower() for name in line.server.requests[0].headers}


async def test_a_key_that_is_an_ordinary_word_blots_out_nothing() -> None:
    async with a_line("own", OpenRouterApi(extras=False, key="usage"), key="usage") as line:
        line.server.answer(json=GOOD)
        raw = await line.provider.send(a_wire("own"))
        assert line.provider.hear(raw.status, raw.body).tokens_out > 0


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_nobody_is_followed_to_another_address(dialect: str) -> None:
    seen: list[str] = []

    async def elsewhere(http: web.Request) -> web.Response:
        seen.append(http.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", elsewhere)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    provider = a_provider(dialect, f"http://{host}:{port}")
    raw = await provider.send(a_wire(dialect))
    await provider.close()
    await runner.cleanup()
    assert (raw.status, provider.hear(raw.status, raw.body).lack) == (307, Lack.BROKEN)
    assert len(seen) == 1
    assert "/elsewhere" not in seen


async def test_the_sdks_are_loaded_when_they_are_needed_and_not_before() -> None:
    code = (
        "import sys, trading.llm.gemini, trading.llm.openai_api, trading.llm.hearing, trading.strict;"
        "print(sorted({'openai', 'google.genai', 'httpx2', 'httpx', 'aiohttp'} & sys.modules.keys()))"
    )
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await child.communicate()
    assert (child.returncode, out.decode().strip()) == (0, "[]")


# --- the lists of models --------------------------------------------------------------------------------------------


async def test_the_list_of_openrouter_says_what_a_model_costs_and_when_it_ends() -> None:
    async with a_line("openrouter") as line:
        listed = {model.id: model for model in await line.provider.models()}
        assert listed["qwen/qwen3-max"].expires == datetime(2026, 12, 1, tzinfo=UTC)
        assert listed["qwen/qwen3-max"].canonical == "qwen/qwen3-max-20250923"
        assert str(listed["x-ai/grok-4.3"].completion) == "0.000002"
        assert "structured_outputs" in listed["x-ai/grok-4.3"].parameters
        assert "x-ai/grok-4-fast" not in listed


async def test_every_page_of_geminis_list_is_read() -> None:
    async with a_line("gemini") as line:
        known = line.server.models["gemini-3.8-flash"]
        line.server.models = {f"m-{at}": replace(known, id=f"m-{at}") for at in range(2001)}
        assert list(await line.provider.models()) == [Listed(id=f"m-{at}") for at in range(2001)]
        assert line.server.listings == 3


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("name", "lack"),
    [
        ("401", Lack.DENIED),
        ("429", Lack.RATE_LIMITED),
        ("503_html", Lack.SERVER),
        ("200_html", Lack.BROKEN),
        ("200_empty", Lack.BROKEN),
        ("200_list", Lack.BROKEN),
        ("reset_mid_body", Lack.UNREACHABLE),
        ("connection_refused", Lack.UNREACHABLE),
    ],
)
async def test_a_list_that_does_not_come_is_no_empty_list(dialect: str, name: str, lack: Lack) -> None:
    async with a_line(dialect) as line:
        line.server.fault(name, on="models")
        with pytest.raises(Unanswered) as lost:
            await line.provider.models()
        assert lost.value.lack is lack
        assert lost.value.reason


def test_live_and_in_a_replay_the_same_code_reads() -> None:
    for dialect in DIALECTS:
        assert a_provider(dialect, "http://127.0.0.1:9").hear is HEAR[dialect]
        assert a_provider(dialect, "http://127.0.0.1:9").name == dialect
