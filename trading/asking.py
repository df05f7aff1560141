"""What is asked of a language model, and what comes back: an answer that fits its schema, or a typed lack of one."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from trading.voice import Body, Exchange, Lack, Source, Voice


class Strict(BaseModel):
    """Base of every schema that a model answers: nothing is coerced, nothing may be extra, every number is finite.

    Small and flat, reasoning first and the verdict last; no list that may be empty.
    """

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)


A = TypeVar("A", bound=Strict, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A rendered prompt file."""

    name: str  # "sentiment"
    version: int
    system: str
    user: str

    @property
    def label(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which pages may be leaned on, by their date."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Generic[A]):
    purpose: str  # see `Exchange.purpose`; the budget knows each
    about: str  # what its cost belongs to: "btc-k3f9x2pa", "market 2026-01-05T12:00", "ask telegram:7"
    model: str  # a name of models.toml
    prompt: Prompt
    schema: type[A]
    within: timedelta  # the deadline of all of it, a second attempt included
    search: Window | None = None  # with web search; without a source the answer is none
    extract: Prompt | None = (
        None  # for models that cannot search and fill a schema at once: the second, tool-less call.
    )
    # Its user text has $answer where the grounded text of the first goes, as data.
    most_tokens: int = 1024  # of the answer, thinking included


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[A]):
    value: A
    voice: Voice


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    lack: Lack
    reason: str  # for people: no secret, no stack
    voice: Voice = field(default_factory=Voice)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one body of a provider holds, read by pure code: live and in a replay alike."""

    text: str  # "" with a lack
    returned: str
    lack: Lack | None = None
    reason: str = ""
    sources: tuple[Source, ...] = ()
    searches: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    reported: str = ""  # USD, as the provider says it; "" where it does not


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One exchange as it is written down: what the record refers to, and the bytes."""

    exchange: Exchange
    bodies: tuple[Body, ...] = ()
