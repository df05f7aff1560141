"""OpenRouter on loopback, and (with `extras=False`) any server that speaks the OpenAI protocol and nothing else.

It refuses unknown and retired models, drops in silence what a model does not support unless `require_parameters` is
set, and has a model that knows json_object alone and wants the word in the prompt. A server of one's own refuses what
only OpenRouter knows.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from aiohttp import web

from tests.fakes.http_faults import Payload
from tests.fakes.model_faults import FAULTS, OPENROUTER, OWN, Refusal, Reply, faults_of
from tests.fakes.model_script import KEY, Json, ModelRequest, ModelServer, counted, dumped, pieces, read_json

__all__ = ["FAULTS", "KEY", "ModelRequest", "OpenRouterApi", "OpenRouterModel", "Refusal", "Reply", "faults_of"]

_FINISH = {"safety": "content_filter", "refusal": "stop"}
_NATIVE = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
_PLAIN = {"max_tokens", "max_completion_tokens", "temperature", "top_p", "stop", "seed", "frequency_penalty"}
_PLAIN |= {"presence_penalty", "response_format", "logprobs", "top_logprobs", "tools", "tool_choice", "n", "user"}
_ALWAYS = {"model", "messages", "stream", "stream_options"}
_EXTRAS = {"provider", "plugins", "reasoning", "models", "route", "transforms", "usage", "top_k", "min_p", "session_id"}
_NOT_CHOSEN_BY = _ALWAYS | _EXTRAS - {"reasoning", "top_k", "min_p"} | {"n", "user"}  # no matter of the model
_CREATED = 1763596800


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRouterModel:
    """`object_only`: json_schema is refused by its provider, as DeepSeek does. Prices: USD a token, as text."""

    id: str
    canonical: str = ""
    prompt: str = "0.0000005"
    completion: str = "0.000002"
    parameters: tuple[str, ...] = (
        "max_tokens",
        "temperature",
        "seed",
        "response_format",
        "structured_outputs",
        "reasoning",
    )
    expires: str | None = None  # a day: "2026-12-01"
    provider: str = "Synthetic"
    object_only: bool = False
    retired: bool = False
    replacements: tuple[str, ...] = ()
    routed_to: str = ""  # who answers in its place, without a word

    def listed(self) -> Json:
        pricing = {"prompt": self.prompt, "completion": self.completion, "request": "0", "web_search": "0"}
        return {
            "id": self.id,
            "canonical_slug": self.canonical or self.id,
            "name": self.id,
            "created": _CREATED,
            "context_length": 131072,
            "architecture": {"modality": "text->text", "input_modalities": ["text"], "output_modalities": ["text"]},
            "pricing": pricing | {"internal_reasoning": "0"},
            "top_provider": {"context_length": 131072, "max_completion_tokens": 32768, "is_moderated": False},
            "supported_parameters": list(self.parameters),
            "expiration_date": self.expires,
        }


_NO_SCHEMA = ("max_tokens", "temperature", "seed", "response_format")
MODELS = (
    OpenRouterModel(id="x-ai/grok-4.3", canonical="x-ai/grok-4.3-20260801", provider="xAI"),
    OpenRouterModel(id="google/gemini-3.8-flash", provider="Google"),
    OpenRouterModel(id="qwen/qwen3-max", canonical="qwen/qwen3-max-20250923", expires="2026-12-01"),
    OpenRouterModel(id="deepseek/deepseek-v4-flash", parameters=_NO_SCHEMA, provider="DeepSeek"),
    OpenRouterModel(id="deepseek/deepseek-v4-pro", parameters=_NO_SCHEMA, provider="DeepSeek", object_only=True),
    OpenRouterModel(id="deepseek/deepseek-chat-v3.1", parameters=_NO_SCHEMA),
    OpenRouterModel(id="x-ai/grok-4-fast", retired=True, provider="xAI", replacements=("x-ai/grok-4.3",)),
)


class OpenRouterApi(ModelServer):
    """`extras=False`: a server of one's own; with `key=None` it asks for none. `models` may be changed at any time."""

    def __init__(
        self, *, key: str | None = KEY, models: tuple[OpenRouterModel, ...] = MODELS, extras: bool = True
    ) -> None:
        super().__init__(key=key)
        self.models = {model.id: model for model in models}
        self.extras = extras
        self.dialect, self.base = (OPENROUTER, "/api/v1") if extras else (OWN, "/v1")
        self.generations: dict[str, Json] = {}
        self.limit: Decimal | None = None  # of the key, in USD; None: it has none
        self.spent = Decimal(0)

    def retire(self, model: str, *, replacements: tuple[str, ...] = ()) -> None:
        self.models[model] = replace(self.models[model], retired=True, replacements=replacements)

    def routes(self, app: web.Application) -> None:
        app.router.add_post(f"{self.base}/chat/completions", self.guarded(self._complete))
        app.router.add_get(f"{self.base}/models", self.guarded(self._models))
        if self.extras:
            app.router.add_get(f"{self.base}/key", self.guarded(self._key))
            app.router.add_get(f"{self.base}/generation", self.guarded(self._generation))
        app.router.add_route("*", "/{path:.*}", self.nowhere)

    # --- what stands beside the questions ---------------------------------------------------------------------------

    async def _models(self, http: web.Request) -> web.StreamResponse:
        """OpenRouter's list is public."""
        if not self.extras:
            self._admit(http)
        alive = [model for model in self.models.values() if not model.retired]
        if self.extras:
            return await self.listed({"data": [model.listed() for model in alive]}, http)
        plain = [{"id": m.id, "object": "model", "created": _CREATED, "owned_by": "me"} for m in alive]
        return await self.listed({"object": "list", "data": plain}, http)

    async def _key(self, http: web.Request) -> web.StreamResponse:
        self._admit(http)
        spent, limit = float(self.spent), self.limit
        left = None if limit is None else float(limit - self.spent)
        held = {"label": "sk-or-v1-fak...456", "limit": None if limit is None else float(limit), "limit_reset": None}
        used = {"usage": spent, "usage_daily": spent, "usage_weekly": spent, "usage_monthly": spent}
        return web.json_response({"data": held | {"limit_remaining": left, "is_free_tier": False} | used})

    async def _generation(self, http: web.Request) -> web.StreamResponse:
        self._admit(http)
        found = self.generations.get(http.query.get("id", ""))
        if found is None:
            raise Refusal(404, f"Generation {http.query.get('id', '')} not found")
        return web.json_response({"data": found})

    # --- questions --------------------------------------------------------------------------------------------------

    async def _complete(self, http: web.Request) -> web.StreamResponse:
        raw = await http.read()
        body = read_json(raw)
        known = self.models.get(str(body.get("model")))
        asked = _asked(http, raw, body, known if self.extras else None)
        self.kept(asked, http)
        self._admit(http)
        self._check(body)
        self._check_model(asked, known)
        if self.limit is not None and self.spent >= self.limit:
            raise Refusal(402, "Insufficient credits. Add more to go on.", kind="payment_required")
        return await self.answered(asked, http)

    def _admit(self, http: web.Request) -> None:
        given = http.headers.get("Authorization", "")
        if self.key is None or given == f"Bearer {self.key}":
            return
        raise Refusal(401, "User not found." if given else "No auth credentials found")

    def _check(self, body: Json) -> None:
        known = _ALWAYS | _PLAIN | (_EXTRAS if self.extras else set())
        for name in sorted(body.keys() - known):
            raise Refusal(400, f"Unrecognized request argument supplied: {name}")
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise Refusal(400, 'Input required: specify "prompt" or "messages"')
        if any(turn.get("role") not in _ROLES or not isinstance(turn.get("content"), str | list) for turn in messages):
            raise Refusal(400, "messages: a role and a content are needed")
        shape = body.get("response_format") or {"type": "text"}
        if shape.get("type") not in ("text", "json_object", "json_schema"):
            raise Refusal(400, "response_format.type: Invalid option")
        if shape["type"] == "json_schema" and not {"name", "schema"} <= (shape.get("json_schema") or {}).keys():
            raise Refusal(400, "response_format.json_schema: name and schema are required")

    def _check_model(self, asked: ModelRequest, known: OpenRouterModel | None) -> None:
        if known is None:
            raise Refusal(400 if self.extras else 404, f"{asked.model} is not a valid model ID", kind="model_not_found")
        if known.retired:
            raise Refusal(404, f"No endpoints found for {known.id}.", kind="retired")
        if asked.dropped and (asked.body.get("provider") or {}).get("require_parameters"):
            raise Refusal(404, _NO_ENDPOINTS, kind="no_endpoints")
        if known.object_only and asked.mode == "json_schema":
            raise Refusal(400, "This response_format type is unavailable now")
        if known.object_only and asked.mode == "json_object" and "json" not in f"{asked.system}{asked.user}".lower():
            told = "Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'."
            raise Refusal(400, told)

    # --- answers ----------------------------------------------------------------------------------------------------

    def rendered(self, asked: ModelRequest, reply: Reply) -> Payload:
        known, number = self.models[asked.model], f"gen-{_CREATED}-{len(self.generations) + 1:06d}"
        head: Json = {"id": number, "object": "chat.completion", "created": _CREATED}
        head["model"] = reply.as_model or known.routed_to or asked.model
        head["system_fingerprint"] = None
        if self.extras:
            head["provider"] = known.provider
        usage = self._usage(asked, reply, known)
        self._keep(head, usage, reply)
        if asked.streamed:
            return Payload(body=self._streamed(asked, reply, head, usage), content_type="text/event-stream")
        return Payload(body=dumped(head | {"choices": self._choices(reply), "usage": usage}))

    def _choices(self, reply: Reply) -> list[Json]:
        if reply.candidates == 0:
            return []
        message: Json = {"role": "assistant", "content": reply.text, "refusal": reply.refusal}
        choice: Json = {"index": 0, "logprobs": None} | self._finish(reply)
        if self.extras:
            message |= _reasoning(reply) | _annotations(reply)
        if reply.error is not None:
            choice["error"] = {"code": 502, "message": reply.error, "metadata": {"error_type": "provider_unavailable"}}
        return [choice | {"message": message}]

    def _finish(self, reply: Reply) -> Json:
        reason = _finish(reply)
        native = {"native_finish_reason": _NATIVE.get(reason or "", reason)} if self.extras else {}
        return {"finish_reason": reason} | native

    def _streamed(self, asked: ModelRequest, reply: Reply, head: Json, usage: Json) -> bytes:
        head = head | {"object": "chat.completion.chunk"}
        deltas = [{"role": "assistant", "content": text} for text in pieces(reply.text or "")]
        chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
        chunks.append({"choices": [{"index": 0, "delta": {"content": ""}} | self._finish(reply)]})
        if self.extras or (asked.body.get("stream_options") or {}).get("include_usage"):
            chunks.append({"choices": [], "usage": usage})
        comment = b": OPENROUTER PROCESSING\n\n" if self.extras else b""
        return comment + b"".join(b"data: " + dumped(head | c) + b"\n\n" for c in chunks) + b"data: [DONE]\n\n"

    def _usage(self, asked: ModelRequest, reply: Reply, known: OpenRouterModel) -> Json:
        prompt, answer = reply.tokens or (counted(asked.system + asked.user), counted(reply.text or ""))
        answer += reply.thoughts
        usage: Json = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
        usage["prompt_tokens_details"] = {"cached_tokens": 0}
        usage["completion_tokens_details"] = {"reasoning_tokens": reply.thoughts}
        if not self.extras:
            return usage
        cost = prompt * Decimal(known.prompt) + answer * Decimal(known.completion) if reply.cost is None else reply.cost
        usage |= {"cost": float(cost), "is_byok": False, "cost_details": {"upstream_inference_cost": None}}
        return usage | {"server_tool_use": {"web_search_requests": 0}}

    def _keep(self, head: Json, usage: Json, reply: Reply) -> None:
        cost = Decimal(str(usage.get("cost", 0)))
        self.spent += cost
        self.generations[head["id"]] = {
            "id": head["id"],
            "model": head["model"],
            "provider_name": head.get("provider"),
            "created_at": "2026-11-20T00:00:00.000Z",
            "total_cost": float(cost),
            "usage": float(cost),
            "is_byok": False,
            "tokens_prompt": usage["prompt_tokens"],
            "tokens_completion": usage["completion_tokens"],
            "finish_reason": _finish(reply),
            "streamed": False,
        }

    # --- refusals ---------------------------------------------------------------------------------------------------

    def refused(self, refusal: Refusal, model: str) -> Json:
        if not self.extras:
            return {"error": {"message": self.message(refusal), "type": "error", "param": None, "code": refusal.code}}
        error: Json = {"code": refusal.code, "message": self.message(refusal)}
        if refusal.kind in _ERROR_TYPES:
            known = self.models.get(model)
            told = {"error_type": refusal.kind, "provider_name": known.provider if known else None}
            error["metadata"] = told | {"provider_code": None, "raw": refusal.message}
        body: Json = {"error": error, "user_id": "user_synthetic"}
        if refusal.kind in _AVAILABILITY:
            known = self.models.get(model)
            body["availability"] = {
                "code": _AVAILABILITY[refusal.kind],
                "fallback_models": list(known.replacements) if known else [],
                "retry_after": None,
                "docs_url": "https://openrouter.ai/docs/api/reference/errors-and-debugging",
            }
        return body


_ROLES = ("system", "developer", "user", "assistant", "tool")
_ERROR_TYPES = {"rate_limit_exceeded", "provider_overloaded", "provider_unavailable", "payment_required"}
_ERROR_TYPES |= {"timeout", "server"}
_AVAILABILITY = {"retired": "model_deprecated", "model_not_found": "model_not_found", "no_endpoints": "no_endpoints"}
_AVAILABILITY |= {"provider_overloaded": "capacity_exhausted"}
_NO_ENDPOINTS = (
    "No endpoints found that can handle the requested parameters. "
    "To learn more about provider routing, visit https://openrouter.ai/docs/guides/routing/provider-selection"
)


def _asked(http: web.Request, raw: bytes, body: Json, known: OpenRouterModel | None) -> ModelRequest:
    shape = body.get("response_format") or {}
    turns = [turn for turn in body.get("messages") or [] if isinstance(turn, dict)]
    kind = shape.get("type", "text")
    return ModelRequest(
        path=http.path,
        query=dict(http.query),
        headers=http.headers,
        raw=raw,
        body=body,
        model=str(body.get("model")),
        system="\n".join(_words(t) for t in turns if t.get("role") in ("system", "developer")),
        user="\n".join(_words(t) for t in turns if t.get("role") not in ("system", "developer")),
        mode=kind if kind in ("json_schema", "json_object") else "none",
        schema=(shape.get("json_schema") or {}).get("schema"),
        streamed=bool(body.get("stream")),
        dropped=_dropped(body, kind, known) if known else (),
    )


def _dropped(body: Json, kind: str, known: OpenRouterModel) -> tuple[str, ...]:
    """What this model is asked for and does not support."""
    wanted = {name for name in body.keys() - _NOT_CHOSEN_BY if body[name] is not None}
    wanted |= {"structured_outputs"} if kind == "json_schema" else set()
    wanted -= {"response_format"} if kind == "text" else set()
    return tuple(sorted(wanted - set(known.parameters)))


def _words(turn: Json) -> str:
    content: Any = turn.get("content")
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content)
    return str(content or "")


def _finish(reply: Reply) -> str | None:
    return _FINISH.get(reply.finish or "", reply.finish)


def _reasoning(reply: Reply) -> Json:
    if not reply.thoughts:
        return {"reasoning": None}
    words = reply.thinking or "Synthetic thoughts."
    detail = {"type": "reasoning.text", "text": words, "format": "unknown", "index": 0}
    return {"reasoning": words, "reasoning_details": [detail]}


def _annotations(reply: Reply) -> Json:
    if not reply.sources:
        return {}
    cited = [{"url": s.url, "title": s.title, "start_index": 0, "end_index": 0} for s in reply.sources]
    return {"annotations": [{"type": "url_citation", "url_citation": each} for each in cited]}
