"""Which models there are, what each can do and what it costs: models.toml, and the prices that providers list."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from trading.asking import Heard
from trading.errors import BadModels
from trading.llm.provider import Listed, Mode

SHIPPED = Path(__file__).with_name("models.toml")
MOST_SEARCHES = 8  # queries that one answer is thought to make at most
SEARCHED = 16_000  # tokens of what they find, which may be billed as input
_PER_MILLION = -6
_DATED = re.compile(r"-(\d{3,8}|\d{4}-\d\d-\d\d)$")  # "-001", "-0613", "-20260401", "-2026-04-01"


class SearchAbility(StrEnum):
    WITH_SCHEMA = "with_schema"
    WITHOUT_SCHEMA = "without_schema"
    NONE = "none"


class SearchPer(StrEnum):
    QUERY = "query"
    PROMPT = "prompt"


# --- the file ---------------------------------------------------------------------------------------------------------

Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[!-~]+$", description="a name without spaces")]


def _number(value: Any) -> Any:
    """Only what TOML writes as a number: neither "0.3" nor true is one."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("a number is expected")
    return value


Usd = Annotated[Decimal, BeforeValidator(_number), Field(ge=0, le=100_000, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Price(_Part):
    input: Usd
    output: Usd
    search: Usd | None = None
    search_per: SearchPer = SearchPer.QUERY


class _Entry(_Part):
    provider: Literal["gemini", "openrouter", "own"]
    id: Name | None = None
    search: SearchAbility = SearchAbility.NONE
    mode: Literal["json_schema", "json_object", "none"] = Field(alias="schema")
    price: _Price | None = None
    expires: date | None = None
    instead: Name | None = None
    options: dict[str, Any] = Field(default_factory=dict)


class _Defaults(_Part):
    sentiment: Name
    judge: Name
    council: tuple[Name, ...] = Field(min_length=1)
    words: Name


class _File(_Part):
    defaults: _Defaults
    models: dict[Name, _Entry]


# --- what it says -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """USD: of a million tokens, and of one search."""

    input: Decimal
    output: Decimal
    search: Decimal | None = None  # None: not known
    search_per: SearchPer = SearchPer.QUERY

    def of(self, tokens_in: int, tokens_out: int, searches: int) -> Decimal | None:
        """None: there was a search, and nobody knows what one costs."""
        paid = searches if self.search_per is SearchPer.QUERY else min(searches, 1)
        if paid and self.search is None:
            return None
        tokens = (tokens_in * self.input + tokens_out * self.output).scaleb(_PER_MILLION)
        return tokens + paid * (self.search or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    name: str  # as playbooks write it
    id: str  # as its provider does
    provider: str
    search: SearchAbility = SearchAbility.NONE
    mode: Mode = Mode.SCHEMA
    price: Price | None = None  # None: nobody has said; it is not asked then
    expires: datetime | None = None
    instead: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def worst_case(self, most_tokens: int, prompt_chars: int, search: bool) -> Decimal | None:
        """USD that one request can cost; None where a price is missing. A token is taken to be two characters or more,
        of the schema too: `prompt_chars` is all that is sent."""
        if self.price is None:
            return None
        tokens_in = -(-prompt_chars // 2) + (SEARCHED if search else 0)
        return self.price.of(tokens_in, most_tokens, MOST_SEARCHES if search else 0)

    def cost(self, heard: Heard) -> Decimal | None:
        """USD by the price table; None where a price is missing."""
        return None if self.price is None else self.price.of(heard.tokens_in, heard.tokens_out, heard.searches)

    def priced(self, listed: Listed) -> "ModelSpec":
        """With the price that its provider lists; a search costs what the file says."""
        if not (_is_price(listed.prompt) and _is_price(listed.completion)):
            return self
        known = self.price or Price(input=Decimal(0), output=Decimal(0))
        return replace(self, price=replace(known, input=_million(listed.prompt), output=_million(listed.completion)))


def _is_price(value: Decimal | None) -> bool:
    """A list may say -1 where the price depends on what answers."""
    return value is not None and value.is_finite() and value >= 0


def _million(value: Decimal | None) -> Decimal:
    return (value or Decimal(0)).scaleb(-_PER_MILLION)


class Models:
    """Made by `Models.load`. Never changes: what a provider lists makes a new one."""

    def __init__(self, specs: Iterable[ModelSpec], defaults: Mapping[str, tuple[str, ...]]) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._defaults = defaults

    @classmethod
    def load(cls, path: Path | None = None) -> "Models":
        """The shipped file, with one's own laid over it. Raises BadModels, which names every fault."""
        data = _read(SHIPPED)
        if path is not None:
            data = _over(data, _read(path))
        return _models(data, origin=(path or SHIPPED).name)

    @property
    def all(self) -> tuple[ModelSpec, ...]:
        return tuple(self._specs.values())

    @property
    def council(self) -> tuple[str, ...]:
        """Who sits on a council whose playbook names nobody."""
        return self._defaults["council"]

    def named(self, name: str) -> ModelSpec:
        """Raises BadModels, with the nearest name there is."""
        found = self._specs.get(name)
        if found is None:
            raise BadModels(f"no model {name[:60]!r}{_nearest(name, self._specs)}")
        return found

    def default(self, purpose: str) -> str:
        """The name of the model that is asked where the playbook names none. "judge" stands for the validator too,
        "words" for "ask" and "playbook"; of a council, the first."""
        own = {"validator": "judge", "ask": "words", "playbook": "words"}.get(purpose, purpose)
        return self._defaults[own][0]

    def known_as(self, provider: str, id: str) -> ModelSpec | None:
        """By what its provider calls it."""
        return next((s for s in self._specs.values() if (s.provider, s.id) == (provider, id)), None)

    def priced(self, provider: str, listed: Sequence[Listed]) -> "Models":
        """With the prices of a provider's own list."""
        by_id = {each.id: each for each in listed}
        specs = (s.priced(by_id[s.id]) if s.provider == provider and s.id in by_id else s for s in self.all)
        return Models(specs, self._defaults)


def same_model(requested: str, returned: str) -> bool:
    """Whether an answer's model is the one that was asked, or a dated name of it: "x-ai/grok-4.3-20260401"."""
    asked, came = (name.removeprefix("models/").lower() for name in (requested, returned))
    plain = asked.partition(":")[0]  # "x-ai/grok-4.3:free" is answered without the variant
    return came in (asked, plain) or _DATED.sub("", came) in (asked, plain)


# --- reading ----------------------------------------------------------------------------------------------------------


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError) as error:
        raise BadModels(f"{path.name} cannot be read: {error}") from error
    except (tomllib.TOMLDecodeError, ArithmeticError) as error:
        raise BadModels(f"{path.name} is no TOML: {error}") from error


def _over(shipped: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """A table of both is that of one's own laid over the shipped one; whatever is no table is told by the schema."""
    merged = {**shipped, **own}
    for key in ("defaults", "models"):
        if isinstance(own.get(key), dict):
            merged[key] = {**shipped[key], **own[key]}
    return merged


def _models(data: Mapping[str, Any], *, origin: str) -> Models:
    try:
        file = _File.model_validate(data)
    except ValidationError as error:
        raise BadModels(_list(origin, map(_fault, error.errors()))) from None
    specs = {name: _spec(name, entry) for name, entry in file.models.items()}
    defaults = {key: (value,) if isinstance(value, str) else value for key, value in file.defaults}
    if faults := [*_unknown(specs, defaults), *_unwritten(specs)]:
        raise BadModels(_list(origin, faults))
    return Models(specs.values(), defaults)


def _spec(name: str, entry: _Entry) -> ModelSpec:
    return ModelSpec(
        name=name,
        id=entry.id or name,
        provider=entry.provider,
        search=entry.search,
        mode=Mode(entry.mode),
        price=None if entry.price is None else Price(**dict(entry.price)),
        expires=None if entry.expires is None else datetime.combine(entry.expires, time(), UTC),
        instead=entry.instead or "",
        options=entry.options,
    )


def _unknown(specs: Mapping[str, ModelSpec], defaults: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Names that stand somewhere and are no entry's."""
    named = [(f"defaults.{key}", name) for key, names in defaults.items() for name in names]
    named += [(f"models.{spec.name}.instead", spec.instead) for spec in specs.values() if spec.instead]
    return [f"{where}: no model {name!r}{_nearest(name, specs)}" for where, name in named if name not in specs]


def _unwritten(specs: Mapping[str, ModelSpec]) -> list[str]:
    searching = {s.name: s.price for s in specs.values() if s.search is not SearchAbility.NONE}
    return [
        f"models.{name}.price.search: missing, and it searches"
        for name, price in searching.items()
        if price is not None and price.search is None
    ]


def _fault(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"] if part != "[key]") or "the file"
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown{_nearest(str(error['loc'][-1]), _keys(error['loc']))}"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}"


def _keys(place: Sequence[str | int]) -> list[str]:
    """What may stand at the place of an unknown key."""
    parts: dict[int, type[BaseModel]] = {1: _File, 2: _Defaults, 3: _Entry, 4: _Price}
    return [each.alias or name for name, each in parts[min(len(place), 4)].model_fields.items()]


def _nearest(word: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {found[0]!r}?" if found else f"; known: {', '.join(known)}"


def _list(origin: str, faults: Iterable[str]) -> str:
    return f"{origin}:\n" + "\n".join(f"  {fault}" for fault in dict.fromkeys(faults))
