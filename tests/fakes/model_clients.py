"""Clients of the fakes of model providers: the real SDKs, and bare ones for what an SDK hides."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.fakes.gemini_api import KEY, GeminiApi
from tests.fakes.model_script import ModelServer
from tests.fakes.openrouter_api import OpenRouterApi

ASK = [{"role": "user", "content": "What now? Answer in JSON."}]
GEMINI_MODEL, OPENROUTER_MODEL = "gemini-3.8-flash", "x-ai/grok-4.3"


def a_server(dialect: str) -> ModelServer:
    return GeminiApi() if dialect == "gemini" else OpenRouterApi(extras=dialect == "openrouter")


@asynccontextmanager
async def gemini_sdk(server: GeminiApi, *, key: str = KEY, version: str = "v1beta") -> AsyncIterator[Any]:
    from google import genai
    from google.genai import types

    client = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=server.url, api_version=version))
    try:
        yield client.aio.models
    finally:
        await client.aio.aclose()
        client.close()


@asynccontextmanager
async def openai_sdk(server: OpenRouterApi, *, key: str = KEY) -> AsyncIterator[Any]:
    from openai import AsyncOpenAI

    async with AsyncOpenAI(api_key=key, base_url=server.url, max_retries=0) as client:
        yield client


def question(dialect: str) -> tuple[str, dict[str, str], dict[str, Any]]:
    """Path, headers and body of a plain question."""
    if dialect == "gemini":
        body: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "What now?"}]}]}
        return f"/v1beta/models/{GEMINI_MODEL}:generateContent", {"x-goog-api-key": KEY}, body
    body = {"model": OPENROUTER_MODEL, "messages": ASK}
    return "/chat/completions", {"Authorization": f"Bearer {KEY}"}, body


async def bare(server: ModelServer, *, path: str = "", **more: Any) -> httpx.Response:
    """The answer to a plain question, or to one with `more` in its body."""
    plain, headers, body = question(server.dialect)
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=20) as client:
        return await client.post(server.url + (path or plain), headers=headers, json=body | more)


async def wire(
    server: ModelServer, *, first: float = 20.0, then: float = 20.0, reads: int = 10**6
) -> tuple[bytes, str]:
    """Every byte that comes back, and how it ended: "closed", "reset", or "open" after so many seconds of silence (at
    first, and then) or so many reads."""
    loop, got = asyncio.get_running_loop(), b""
    at = urlsplit(server.url)
    with socket.socket() as line:
        line.setblocking(False)
        await loop.sock_connect(line, (at.hostname, at.port))
        await loop.sock_sendall(line, _request(server))
        for count in range(reads):
            try:
                async with asyncio.timeout(then if count else first):
                    chunk = await loop.sock_recv(line, 65536)
            except TimeoutError:
                return got, "open"
            except ConnectionResetError:
                return got, "reset"
            if not chunk:
                return got, "closed"
            got += chunk
    return got, "open"


def _request(server: ModelServer) -> bytes:
    path, headers, body = question(server.dialect)
    at, content = urlsplit(server.url), json.dumps(body).encode()
    head = {"Host": at.netloc, "Content-Length": str(len(content)), "Connection": "close"} | headers
    lines = [f"POST {at.path}{path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
    return "\r\n".join(lines).encode() + content


def said(dialect: str, body: dict[str, Any]) -> Any:
    """The text of an answer, where a client would look for it."""
    if dialect == "gemini":
        parts = body["candidates"][0]["content"].get("parts")
        return None if parts is None else "".join(p["text"] for p in parts if not p.get("thought"))
    return body["choices"][0]["message"]["content"]


def ended(dialect: str, body: dict[str, Any]) -> str | None:
    return body["candidates"][0].get("finishReason") if dialect == "gemini" else body["choices"][0]["finish_reason"]
