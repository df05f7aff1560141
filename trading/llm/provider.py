"""What a provider of models has to be: one request out, its raw bytes back; and pure code that reads those bytes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from trading.asking import Heard, Prompt, Window
from trading.errors import GavelError
from trading.voice import Lack


class Mode(StrEnum):
    """How a model is held to its schema."""

    SCHEMA = "json_schema"  # by the provider
    OBJECT = "json_object"  # any JSON object; the schema stands in the prompt
    TEXT = "none"  # the schema stands in the prompt, and nothing else helps
    FREE = "free"  # words are wanted: no schema at all


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """One request. `options`: of the model's own entry in models.toml ("temperature", "thinking", ...)."""

    model: str  # the provider's id
    prompt: Prompt
    mode: Mode
    schema: dict[str, Any] | None  # JSON schema; None with FREE
    search: Window | None
    most_tokens: int
    within: float  # seconds, the hard deadline of this one request
    options: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """What crossed the wire: the body that was sent, canonical, without headers and keys; and the one that came back.
    A refusal of the provider (4xx, 5xx) is one as well."""

    request: bytes
    status: int
    body: bytes
    retry_after: float | None = None  # seconds, as the provider asks for


class Unanswered(GavelError):
    """No answer came back whole: `lack` is LATE, UNREACHABLE or CUT_OFF. `body`: what had come of it. `left`: whether
    the request may have reached the provider, who may then want money for it."""

    status: int
    retry_after: float | None

    def __init__(self, lack: Lack, reason: str, *, request: bytes = b"", body: bytes = b"", left: bool = True) -> None:
        super().__init__(reason)
        self.status, self.retry_after = 0, None
        self.lack, self.reason, self.request, self.body, self.left = lack, reason, request, body, left


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A model as its provider lists it."""

    id: str
    canonical: str = ""
    expires: datetime | None = None
    parameters: frozenset[str] = frozenset()
    prompt: Decimal | None = None  # USD a token
    completion: Decimal | None = None


class Provider(Protocol):
    @property
    def name(self) -> str:
        """ "gemini", "openrouter", "own"."""
        ...

    @property
    def hear(self) -> "Hear":
        """What a body of his holds."""
        ...

    async def send(self, wire: Wire) -> Raw:
        """One request, one answer: never repeated in here. Raises Unanswered."""
        ...

    async def models(self) -> Sequence[Listed]:
        """Raises Unanswered."""
        ...

    async def close(self) -> None: ...


Hear = Callable[[int, bytes], Heard]  # HTTP status and raw body; total: whatever the bytes, never an exception
