"""Gemini, through google-genai; with web search inside a window of dates where that is asked for."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from trading.llm.gemini_heard import asked_pause, hear_gemini, listed_gemini
from trading.llm.opening import Opening
from trading.llm.phrasing import not_listed, user_words
from trading.llm.provider import Listed, Mode, Raw, Unanswered, Wire
from trading.ports import Clock
from trading.voice import Lack

if TYPE_CHECKING:
    from google.genai import Client
    from google.genai.types import GenerateContentConfig

    from trading.llm.carrier import Line

HOST = "https://generativelanguage.googleapis.com/"
_LEAST = 20.0  # seconds that the service is told it has: with much fewer it fails by itself
_LISTING = 20.0  # seconds for all pages of models
_PAGES = 20


class Gemini:
    """A Provider. `base_url` None: Google's own."""

    name = "gemini"
    hear = staticmethod(hear_gemini)

    def __init__(self, key: str, *, base_url: str | None, wall: Clock, api_version: str = "v1beta") -> None:
        self._key = key
        self._base_url = base_url or HOST
        self._wall = wall
        self._version = api_version
        self._opening = Opening(self._opened)

    async def send(self, wire: Wire) -> Raw:
        """Raises Unanswered."""
        deadline = asyncio.get_running_loop().time() + wire.within
        line, client = await self._opening.by(deadline)

        async def call() -> None:
            await client.aio.models.generate_content(model=wire.model, contents=user_words(wire), config=_config(wire))

        return await line.carry(call, deadline=deadline, model=wire.model)

    async def models(self) -> Sequence[Listed]:
        """Raises Unanswered."""
        deadline = asyncio.get_running_loop().time() + _LISTING
        line, client = await self._opening.by(deadline)
        found: list[Listed] = []
        token: str | None = None
        for _ in range(_PAGES):
            page = await line.carry(partial(_listing, client, token), deadline=deadline, listing=True)
            read = listed_gemini(page.body) if page.status == 200 else None
            if read is None:
                raise not_listed(hear_gemini(page.status, page.body))
            listed, token = read
            found += listed
            if not token:
                return found
        raise Unanswered(Lack.BROKEN, f"its list of models does not end after {_PAGES} pages")

    async def close(self) -> None:
        if (opened := await self._opening.taken()) is not None:
            line, client = opened
            client.close()
            await line.close()

    def _opened(self) -> "tuple[Line, Client]":
        import httpx2
        from google.genai import Client
        from google.genai.types import HttpOptions

        from trading.llm.carrier import Line

        line = Line(key=self._key, wall=self._wall, asked_pause=asked_pause)
        options = HttpOptions(
            base_url=self._base_url,
            api_version=self._version,
            httpx_async_client=line.http,  # and not aiohttp, which is here for something else
            httpx_client=httpx2.Client(trust_env=False),  # never used; its own would read the environment
        )
        return line, Client(vertexai=False, api_key=self._key, http_options=options)


async def _listing(client: "Client", token: str | None) -> None:
    await client.aio.models.list(config={"page_size": 1000, "page_token": token} if token else {"page_size": 1000})


def _config(wire: Wire) -> "GenerateContentConfig":
    from google.genai.types import AutomaticFunctionCallingConfig, GenerateContentConfig, HttpOptions

    held: dict[str, Any] = {}
    if wire.mode in {Mode.SCHEMA, Mode.OBJECT}:
        held["response_mime_type"] = "application/json"
    if wire.mode is Mode.SCHEMA:
        held["response_json_schema"] = wire.schema
    return GenerateContentConfig(
        system_instruction=wire.prompt.system or None,
        max_output_tokens=wire.most_tokens,
        automatic_continuation=False,  # it would ask again by itself, for money
        automatic_function_calling=AutomaticFunctionCallingConfig(disable=True),
        http_options=HttpOptions(timeout=round(max(wire.within, _LEAST) * 1000)),  # milliseconds
        **held,
        **_search(wire),
        **_options(wire.options),
    )


def _search(wire: Wire) -> dict[str, Any]:
    from google.genai.types import GoogleSearch, Interval, Tool

    if wire.search is None:
        return {}
    dates = Interval(start_time=wire.search.since, end_time=wire.search.until)
    return {"tools": [Tool(google_search=GoogleSearch(time_range_filter=dates))]}


def _options(options: dict[str, Any]) -> dict[str, Any]:
    """The few that are handed on; all others stay here."""
    from google.genai.types import ThinkingConfig

    known: dict[str, Any] = {name: options[name] for name in ("temperature", "seed") if name in options}
    if "thinking_level" in options:
        known["thinking_config"] = ThinkingConfig(thinking_level=options["thinking_level"])
    return known
