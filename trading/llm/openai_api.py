"""OpenRouter, or any server that speaks as OpenAI does (one of one's own, too), through the openai SDK."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from trading.llm.openai_heard import asked_pause, hear_openai, listed_openai
from trading.llm.opening import Opening
from trading.llm.phrasing import not_listed, user_words
from trading.llm.provider import Listed, Mode, Raw, Wire
from trading.ports import Clock

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from trading.llm.carrier import Line

_LISTING = 20.0  # seconds
_ROUTES = ("allow_fallbacks", "data_collection", "ignore", "max_price", "only", "order", "quantizations", "sort", "zdr")


class OpenAiApi:
    """A Provider. `key` None: the server wants none."""

    hear = staticmethod(hear_openai)

    def __init__(self, name: Literal["openrouter", "own"], key: str | None, *, base_url: str, wall: Clock) -> None:
        self.name: str = name
        self._key = key
        self._base_url = base_url
        self._wall = wall
        self._opening = Opening(self._opened)

    async def send(self, wire: Wire) -> Raw:
        """Raises Unanswered."""
        deadline = asyncio.get_running_loop().time() + wire.within
        line, client = await self._opening.by(deadline)

        async def call() -> None:
            await client.chat.completions.with_raw_response.create(
                **_asked(wire, routed=self.name == "openrouter"), timeout=max(wire.within, 0.001)
            )

        return await line.carry(call, deadline=deadline, model=wire.model)

    async def models(self) -> Sequence[Listed]:
        """Raises Unanswered."""
        deadline = asyncio.get_running_loop().time() + _LISTING
        line, client = await self._opening.by(deadline)

        async def call() -> None:
            await client.models.with_raw_response.list(timeout=_LISTING)

        page = await line.carry(call, deadline=deadline, listing=True)
        listed = listed_openai(page.body) if page.status == 200 else None
        if listed is None:
            raise not_listed(hear_openai(page.status, page.body))
        return listed

    async def close(self) -> None:
        if (opened := await self._opening.taken()) is not None:
            await opened[0].close()  # the SDK has nothing of its own

    def _opened(self) -> "tuple[Line, AsyncOpenAI]":
        from openai import AsyncOpenAI

        from trading.llm.carrier import Line

        line = Line(key=self._key, wall=self._wall, asked_pause=asked_pause)
        # Without a key the SDK would look for one in the environment; the line lets none of it out.
        client = AsyncOpenAI(api_key=self._key or "none", base_url=self._base_url, max_retries=0, http_client=line.http)
        return line, client


def _asked(wire: Wire, *, routed: bool) -> dict[str, Any]:
    """`routed`: with what OpenRouter alone understands."""
    system = [{"role": "system", "content": wire.prompt.system}] if wire.prompt.system else []
    asked: dict[str, Any] = {
        "model": wire.model,
        "messages": [*system, {"role": "user", "content": user_words(wire)}],
        "max_tokens": wire.most_tokens,
        **_form(wire),
        **{name: wire.options[name] for name in ("temperature", "seed") if name in wire.options},
    }
    if routed:
        # Without it a host that does not know the schema drops it, and nobody says so.
        asked["extra_body"] = {"provider": {**_route(wire.options), "require_parameters": True}}
        if "reasoning" in wire.options:
            asked["extra_body"]["reasoning"] = wire.options["reasoning"]
    return asked


def _route(options: Mapping[str, Any]) -> dict[str, Any]:
    """Which hosts of the one model may answer; never another model."""
    chosen = options.get("provider")
    return {key: chosen[key] for key in _ROUTES if key in chosen} if isinstance(chosen, Mapping) else {}


def _form(wire: Wire) -> dict[str, Any]:
    match wire.mode:
        case Mode.SCHEMA:
            name = re.sub(r"[^A-Za-z0-9_-]", "_", wire.prompt.name)[:64] or "answer"
            held = {"name": name, "strict": True, "schema": wire.schema}
            return {"response_format": {"type": "json_schema", "json_schema": held}}
        case Mode.OBJECT:
            return {"response_format": {"type": "json_object"}}
        case _:
            return {}
