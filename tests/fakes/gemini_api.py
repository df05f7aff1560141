"""The Gemini Developer API on loopback, as strict as the real one where a client could get it wrong.

It refuses unknown fields, retired and unknown ids, search together with JSON on 2.x ids, half a time range, a schema
without the JSON mime type and, for the ids that have left them behind, penalties, thinking budgets and a last turn of
the model. Like the real one, it does not hold an answer to the ranges and enums of the schema.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from aiohttp import web

from tests.fakes.http_faults import Payload
from tests.fakes.model_faults import FAULTS, GEMINI, Refusal, Reply, faults_of
from tests.fakes.model_script import KEY, Json, ModelRequest, ModelServer, counted, dumped, pieces, read_json
from trading.asking import Window
from trading.voice import Source

__all__ = ["FAULTS", "KEY", "GeminiApi", "GeminiModel", "ModelRequest", "Refusal", "Reply", "faults_of"]

_STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
_STATUS |= {
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "safety": "SAFETY", "refusal": "PROHIBITED_CONTENT"}

_TOP = {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings", "cachedContent"}
_TOP |= {"serviceTier", "store", "labels", "model", "continuationToken"}
_GENERATION = {"temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "stopSequences", "seed"}
_GENERATION |= {"presencePenalty", "frequencyPenalty", "responseMimeType", "responseSchema", "responseJsonSchema"}
_GENERATION |= {"thinkingConfig", "responseLogprobs", "logprobs", "responseModalities", "mediaResolution"}
_TOOLS = {"googleSearch", "urlContext", "codeExecution", "functionDeclarations", "googleMaps", "fileSearch"}
_SEARCH = {"timeRangeFilter", "searchTypes"}
_THINKING = {"thinkingLevel", "thinkingBudget", "includeThoughts"}
_VERBATIM = {"responseSchema", "responseJsonSchema"}  # whose keys are the client's own
_IGNORED = ("temperature", "topP", "topK")


@dataclass(frozen=True, slots=True, kw_only=True)
class GeminiModel:
    """`closed_to_new_keys`: 404 for a key that has never used it. `modern`: the rules of gemini-3.5-flash-lite."""

    id: str
    search_with_json: bool = True
    modern: bool = False
    closed_to_new_keys: bool = False
    retired: bool = False
    routed_to: str = ""  # who answers in its place, without a word

    def listed(self) -> Json:
        return {
            "name": f"models/{self.id}",
            "version": "001",
            "displayName": self.id.replace("-", " ").title(),
            "inputTokenLimit": 1048576,
            "outputTokenLimit": 65536,
            "supportedGenerationMethods": ["generateContent", "countTokens"],
            "thinking": True,
        }


MODELS = (
    GeminiModel(id="gemini-3.5-flash-lite", modern=True),
    GeminiModel(id="gemini-3.8-flash"),
    GeminiModel(id="gemini-2.5-flash", search_with_json=False, closed_to_new_keys=True),
    GeminiModel(id="gemini-2.5-pro", search_with_json=False, closed_to_new_keys=True),
    GeminiModel(id="gemini-1.5-flash", search_with_json=False, retired=True),
)


class GeminiApi(ModelServer):
    """`new_key`: the key never used the ids that are closed to new ones. `models` may be changed at any time."""

    dialect = GEMINI

    def __init__(self, *, key: str = KEY, models: tuple[GeminiModel, ...] = MODELS, new_key: bool = False) -> None:
        super().__init__(key=key)
        self.models = {model.id: model for model in models}
        self.new_key = new_key
        self.next_id = 0

    def shut_down(self, model: str, *, routed_to: str = "") -> None:
        """From now on this id is gone, or another model answers for it."""
        known = self.models[model]
        self.models[model] = replace(known, retired=not routed_to, routed_to=routed_to)

    def routes(self, app: web.Application) -> None:
        app.router.add_get("/{version:v1|v1beta}/models", self.guarded(self._models))
        app.router.add_get("/{version:v1|v1beta}/models/{model}", self.guarded(self._model))
        app.router.add_post("/{version:v1|v1beta}/models/{model}:{method}", self.guarded(self._generate))
        app.router.add_route("*", "/{path:.*}", self.nowhere)

    # --- the list of models -----------------------------------------------------------------------------------------

    async def _models(self, http: web.Request) -> web.StreamResponse:
        self._admit(http)
        size = min(1000, int(http.query.get("pageSize", http.query.get("page_size", 50))))
        start = _page(http.query.get("pageToken", http.query.get("page_token", "")))
        alive = [m.listed() for m in self.models.values() if not m.retired and not self._closed(m)]
        body: Json = {"models": alive[start : start + size]}
        if start + size < len(alive):
            body["nextPageToken"] = f"page-{start + size}"
        return await self.listed(body, http)

    async def _model(self, http: web.Request) -> web.StreamResponse:
        self._admit(http)
        known = self._known(http.match_info["model"], http.match_info["version"], "GetModel")
        return await self.listed(known.listed(), http)

    # --- questions --------------------------------------------------------------------------------------------------

    async def _generate(self, http: web.Request) -> web.StreamResponse:
        raw, method = await http.read(), http.match_info["method"]
        body = _camel(read_json(raw))
        asked, known = _asked(http, raw, body), self.models.get(http.match_info["model"])
        if known is not None and known.modern:
            asked = replace(asked, dropped=tuple(k for k in _IGNORED if k in body.get("generationConfig", {})))
        self.kept(asked, http)
        self._admit(http)
        if method not in ("generateContent", "streamGenerateContent"):
            raise Refusal(404, f"Method {method} is not known.")
        check_fields(body)
        check_body(body, self._known(asked.model, http.match_info["version"], method))
        return await self.answered(asked, http)

    def _admit(self, http: web.Request) -> None:
        key = http.headers.get("x-goog-api-key", http.query.get("key", ""))
        if not key:
            raise Refusal(403, "Method doesn't allow unregistered callers (callers without established identity).")
        if key != self.key:
            raise Refusal(400, "API key not valid. Please pass a valid API key.", kind="bad key")

    def _known(self, model: str, version: str, method: str) -> GeminiModel:
        known = self.models.get(model)
        if known is None or known.retired:
            told = f"models/{model} is not found for API version {version}, or is not supported for {method}."
            raise Refusal(404, f"{told} Call ModelService.ListModels to see the list of available models.")
        if self._closed(known):
            raise Refusal(404, f"This model models/{model} is no longer available to new users.")
        return known

    def _closed(self, known: GeminiModel) -> bool:
        return self.new_key and known.closed_to_new_keys

    # --- answers ----------------------------------------------------------------------------------------------------

    def rendered(self, asked: ModelRequest, reply: Reply) -> Payload:
        self.next_id += 1
        known = self.models[asked.model]
        said = reply.as_model or known.routed_to or asked.model
        tail = {"usageMetadata": _usage(asked, reply), "modelVersion": said, "responseId": f"resp-{self.next_id}"}
        if not asked.streamed:
            return Payload(body=dumped(_candidates(asked, reply) | tail))
        chunks = _chunks(asked, reply, tail)
        if asked.query.get("alt") != "sse":
            return Payload(body=dumped(chunks))
        stream = b"".join(b"data: " + dumped(chunk) + b"\r\n\r\n" for chunk in chunks)
        return Payload(body=stream, content_type="text/event-stream")

    def refused(self, refusal: Refusal, model: str) -> Json:
        error: Json = {"code": refusal.code, "message": self.message(refusal)}
        error["status"] = _STATUS.get(refusal.code, "UNKNOWN")
        if refusal.kind == "retry info":
            info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}
            error["details"] = [{"@type": "type.googleapis.com/google.rpc.Help", "links": []}, info]
        if refusal.kind == "bad key":
            info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
            error["details"] = [info | {"domain": "googleapis.com"}]
        return {"error": error}


# --- what is refused --------------------------------------------------------------------------------------------------


def check_fields(body: Json) -> None:
    """Raises Refusal for a name the API does not know."""
    _only(body, _TOP, "")
    generation = body.get("generationConfig", {})
    _only(generation, _GENERATION, " at 'generation_config'")
    _only(generation.get("thinkingConfig", {}), _THINKING, " at 'generation_config.thinking_config'")
    for at, tool in enumerate(body.get("tools", [])):
        _only(tool, _TOOLS, f" at 'tools[{at}]'")
        _only(tool.get("googleSearch", {}), _SEARCH, f" at 'tools[{at}].google_search'")


def _only(held: Json, known: set[str], where: str) -> None:
    for name in held.keys() - known:
        raise Refusal(400, f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.')


def check_body(body: Json, model: GeminiModel) -> None:
    """Raises Refusal for what this model does not do."""
    contents, generation = body.get("contents") or [], body.get("generationConfig", {})
    if not contents:
        raise Refusal(400, "* GenerateContentRequest.contents: contents is not specified")
    if any(turn.get("role", "user") not in ("user", "model") for turn in contents):
        raise Refusal(400, "Please use a valid role: user, model.")
    as_json = generation.get("responseMimeType") == "application/json"
    if not as_json and generation.keys() & _VERBATIM:
        raise Refusal(400, "response_schema is only allowed with response_mime_type application/json")
    if len(generation.keys() & _VERBATIM) > 1:
        raise Refusal(400, "Only one of response_schema and response_json_schema can be set.")
    if as_json and body.get("tools") and not model.search_with_json:
        raise Refusal(400, "Tool use with a response mime type: 'application/json' is unsupported")
    for tool in body.get("tools", []):
        _read_window(tool.get("googleSearch", {}).get("timeRangeFilter", {}))
    thinking = generation.get("thinkingConfig", {})
    if {"thinkingLevel", "thinkingBudget"} <= thinking.keys():
        raise Refusal(400, "You can only set one of thinking_level and thinking_budget.")
    if model.modern:
        _check_modern(contents, generation, thinking)


def _check_modern(contents: list[Json], generation: Json, thinking: Json) -> None:
    if contents[-1].get("role") == "model":
        raise Refusal(400, "The last turn must not have the role 'model'.")
    for name in ("presencePenalty", "frequencyPenalty"):
        if generation.get(name, 0) != 0:
            raise Refusal(400, f"{name} is not supported for this model.")
    if "thinkingBudget" in thinking:
        raise Refusal(400, "thinking_budget is not supported for this model. Use thinking_level.")


# --- reading a question -----------------------------------------------------------------------------------------------


def _asked(http: web.Request, raw: bytes, body: Json) -> ModelRequest:
    generation = body.get("generationConfig") or {}
    schema = generation.get("responseJsonSchema") or generation.get("responseSchema")
    as_json = generation.get("responseMimeType") == "application/json"
    searches = [tool["googleSearch"] for tool in body.get("tools") or [] if "googleSearch" in tool]
    return ModelRequest(
        path=http.path,
        query=dict(http.query),
        headers=http.headers,
        raw=raw,
        body=body,
        model=http.match_info["model"],
        system=_words([body.get("systemInstruction") or {}]),
        user=_words(body.get("contents") or []),
        mode="json_schema" if schema else "json_object" if as_json else "none",
        schema=schema,
        searching=bool(searches),
        window=_window(searches[0].get("timeRangeFilter")) if searches else None,
        streamed=http.match_info["method"].startswith("stream"),
    )


def _words(contents: list[Json]) -> str:
    return "\n".join(str(part.get("text", "")) for turn in contents for part in turn.get("parts") or [])


def _window(told: Json | None) -> Window | None:
    """None for a range that is none, too: `check_body` refuses it."""
    try:
        return _read_window(told or {})
    except Refusal:
        return None


def _read_window(told: Json) -> Window | None:
    """Raises Refusal for half a range, for one that ends before it begins, and for times without a zone."""
    if not told:
        return None
    try:
        since, until = datetime.fromisoformat(told["startTime"]), datetime.fromisoformat(told["endTime"])
    except KeyError:
        raise Refusal(400, "time_range_filter: start_time and end_time must be set together.") from None
    except (TypeError, ValueError):
        raise Refusal(400, "Invalid value at 'time_range_filter': no Timestamp") from None
    if since.tzinfo is None or until.tzinfo is None:
        raise Refusal(400, "Invalid value at 'time_range_filter': a Timestamp has a time zone.")
    if since > until:
        raise Refusal(400, "time_range_filter: start_time must not be after end_time.")
    return Window(since=since, until=until)


def _camel(value: Any) -> Any:
    """The same with every key in camel case, but for what stands in a schema."""
    if isinstance(value, list):
        return [_camel(each) for each in value]
    if not isinstance(value, dict):
        return value
    named = ((re.sub(r"_([a-z])", lambda m: m[1].upper(), key), held) for key, held in value.items())
    return {key: held if key in _VERBATIM else _camel(held) for key, held in named}


def _page(token: str) -> int:
    if not token:
        return 0
    if not (found := re.fullmatch(r"page-(\d+)", token)):
        raise Refusal(400, "Invalid page token.")
    return int(found[1])


# --- shaping an answer ------------------------------------------------------------------------------------------------


def _candidates(asked: ModelRequest, reply: Reply) -> Json:
    if reply.blocked is not None:
        return {"promptFeedback": {"blockReason": reply.blocked}}
    if reply.candidates == 0:
        return {}
    content: Json = {"role": "model"}
    if reply.text is not None:
        content["parts"] = _parts(reply, reply.text)
    candidate: Json = {"content": content, "index": 0}
    if reply.finish is not None:
        candidate["finishReason"] = _FINISH.get(reply.finish, reply.finish)
    if reply.finish == "CONTINUATION":
        candidate["continuationToken"] = "c3ludGhldGlj"
    if asked.searching:
        candidate["groundingMetadata"] = _grounding(asked, reply)
    return {"candidates": [candidate]}


def _parts(reply: Reply, text: str) -> list[Json]:
    shown = [{"text": reply.thinking, "thought": True}] if reply.thinking else []
    if not text and reply.thoughts:
        return shown
    parts = [{"text": each} for each in pieces(text, 2)] if reply.in_parts else [{"text": text}]
    signed = {"thoughtSignature": "c3ludGhldGlj"} if reply.thoughts else {}
    return shown + parts[:-1] + [parts[-1] | signed]


def _chunks(asked: ModelRequest, reply: Reply, tail: Json) -> list[Json]:
    """A stream: pieces of the text, and only the last one says how it ended and what it leaned on."""
    last = _candidates(asked, reply)
    if not last.get("candidates") or reply.text is None:
        return [last | tail]
    *before, end = pieces(reply.text)
    last["candidates"][0]["content"] = {"role": "model", "parts": [{"text": end}]}
    return [
        {"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}]} | tail
        for text in before
    ] + [last | tail]


def _grounding(asked: ModelRequest, reply: Reply) -> Json:
    sources = _SOURCES if reply.sources is None else reply.sources
    searches = ("synthetic search",) if reply.searches is None else reply.searches
    grounding: Json = {"webSearchQueries": list(searches), "retrievalMetadata": {}}
    grounding["searchEntryPoint"] = {"renderedContent": "<div>synthetic</div>", "sdkBlob": "c3ludGhldGlj"}
    if sources:
        text = reply.text or ""
        segment = {"partIndex": 0, "startIndex": 0, "endIndex": len(text.encode("utf-8", "replace")), "text": text}
        support = {"segment": segment, "groundingChunkIndices": list(range(len(sources)))}
        grounding["groundingChunks"] = [{"web": {"uri": s.url, "title": s.title}} for s in sources]
        grounding["groundingSupports"] = [support | {"confidenceScores": [0.9] * len(sources)}]
    return grounding


_REDIRECT = "https://vertexaisearch.cloud.google.com/grounding-api-redirect/"
_SOURCES = (
    Source(title="example.com", url=f"{_REDIRECT}synthetic-1"),
    Source(title="example.org", url=f"{_REDIRECT}synthetic-2"),
)


def _usage(asked: ModelRequest, reply: Reply) -> Json:
    prompt, answer = reply.tokens or (counted(asked.system + asked.user), counted(reply.text or ""))
    tools = 64 if asked.searching else 0
    answer = 0 if reply.blocked is not None else answer
    usage = {"promptTokenCount": prompt, "candidatesTokenCount": answer, "thoughtsTokenCount": reply.thoughts}
    usage |= {"toolUsePromptTokenCount": tools, "totalTokenCount": prompt + answer + reply.thoughts + tools}
    details = [{"modality": "TEXT", "tokenCount": prompt}]
    counts = {name: count for name, count in usage.items() if count}
    return counts | {"promptTokensDetails": details, "serviceTier": "standard"}
