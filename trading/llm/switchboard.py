"""One question to one model: pay first, ask, keep what came back, and let nothing through that was not asked for.

Whatever happens is an answer or a typed lack of one. Every request is reserved with the budget before it leaves and
settled, with its bytes, before its answer counts; nothing is repeated behind the budget's back.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from string import Template
from typing import Any

from trading.asking import A, Answer, Heard, Kept, NoAnswer, Prompt, Question, Strict, Window
from trading.envelope import enveloped
from trading.errors import JournalUnwritable
from trading.llm.budget import Governor, NoBudget
from trading.llm.catalogue import Models, ModelSpec, SearchAbility, same_model
from trading.llm.provider import Hear, Mode, Provider, Raw, Unanswered, Wire
from trading.ports import Clock
from trading.strict import Misfit, json_schema, read
from trading.voice import Basis, Body, Exchange, Lack, Source, Voice, sha

log = logging.getLogger(__name__)

AGAIN_AFTER = 0.5  # seconds, where the provider does not say how long
_PASSING = frozenset({Lack.RATE_LIMITED, Lack.SERVER, Lack.UNREACHABLE})  # worth a second attempt
_UNREAD = frozenset({Lack.BROKEN, Lack.EMPTY, Lack.CUT_OFF})  # worth saying what was wrong with it


class _Stop(Exception):
    """No answer; `lack` and `reason` say why."""

    def __init__(self, lack: Lack, reason: str) -> None:
        super().__init__(reason)
        self.lack, self.reason = lack, reason


@dataclass(slots=True)
class _Call:
    """One question while it is being asked."""

    question: Question[Any]
    spec: ModelSpec
    provider: Provider
    deadline: float  # of the loop's clock
    exchanges: list[Exchange] = field(default_factory=list)
    sources: tuple[Source, ...] = ()

    @property
    def left(self) -> float:
        return self.deadline - asyncio.get_running_loop().time()

    @property
    def voice(self) -> Voice:
        returned = next((e.returned for e in reversed(self.exchanges) if e.returned), "")
        return Voice(model=returned, sources=self.sources, exchanges=tuple(self.exchanges))


@dataclass(frozen=True, slots=True)
class _Got:
    heard: Heard
    wait: float | None = None  # seconds after which it may be tried again, where the provider says so
    value: Any = None  # what its text holds, in the schema that was asked for


class Switchboard:
    """The port LanguageModel. `off`: why a provider is not there. `heard` is told of every exchange."""

    def __init__(
        self,
        *,
        models: Models,
        providers: Mapping[str, Provider],
        off: Mapping[str, str],
        governor: Governor,
        wall: Clock,
        at_once: int,
        heard: Callable[[Exchange], None] = lambda _: None,
        again_after: float = AGAIN_AFTER,
        same: Callable[[str, str, str], bool] = lambda _, requested, returned: same_model(requested, returned),
    ) -> None:
        """`again_after`: seconds, where the provider does not say. `same`: whether it is the model that was asked, by
        provider, and both names."""
        self.models = models
        self._providers = providers
        self._off = off
        self._governor = governor
        self._wall = wall
        self._lines = asyncio.Semaphore(at_once)
        self._heard = heard
        self._same = same
        self._again_after = again_after

    def why_not(self, model: str) -> str:
        """Why a model cannot be asked at all; "" when it can. Raises BadModels for a name that nobody knows."""
        provider = self.models.named(model).provider
        return "" if provider in self._providers else self._off.get(provider, f"no provider {provider}")

    async def ask(self, question: Question[A]) -> Answer[A] | NoAnswer:
        if why := self.why_not(question.model):
            return NoAnswer(lack=Lack.OFF, reason=why)
        spec = self.models.named(question.model)
        deadline = asyncio.get_running_loop().time() + question.within.total_seconds()
        call = _Call(question, spec, self._providers[spec.provider], deadline)
        try:
            value = await self._answer(call)
        except _Stop as stop:
            return NoAnswer(lack=stop.lack, reason=stop.reason, voice=call.voice)
        except JournalUnwritable:
            return NoAnswer(lack=Lack.NOT_RECORDED, reason="what it said could not be written down", voice=call.voice)
        except Exception as error:
            log.exception("asking %s", question.model)
            # Only its name: an SDK's message may hold a key.
            return NoAnswer(lack=Lack.SERVER, reason=f"failed: {type(error).__name__}", voice=call.voice)
        return Answer(value=value, voice=call.voice)

    async def _answer(self, call: _Call) -> Any:
        """Raises _Stop, JournalUnwritable."""
        question, spec = call.question, call.spec
        if question.search is None:
            return await self._read(call, question.prompt, question.schema)
        match spec.search:
            case SearchAbility.WITH_SCHEMA:
                return await self._read(call, question.prompt, question.schema, search=question.search)
            case SearchAbility.WITHOUT_SCHEMA if question.extract is not None:
                found = await self._ask(call, self._wire(call, question.prompt, None, search=question.search), None)
                return await self._read(call, _filled(question.extract, found.heard.text), question.schema)
        raise _Stop(Lack.OFF, f"{question.model} cannot search the web")

    async def _read(self, call: _Call, prompt: Prompt, schema: type[Strict], *, search: Window | None = None) -> Any:
        """An answer that fits, at the second attempt if need be: the first one's fault is told to the model."""
        wire = self._wire(call, prompt, schema, search=search)
        try:
            return (await self._ask(call, wire, schema)).value
        except _Stop as stop:
            if stop.lack not in _UNREAD or call.left <= 0:
                raise
            said = f"{prompt.user}\n\nYour last answer could not be used: {stop.reason}. Answer again, all of it."
        return (await self._ask(call, replace(wire, prompt=replace(prompt, user=said)), schema)).value

    def _wire(self, call: _Call, prompt: Prompt, schema: type[Strict] | None, *, search: Window | None = None) -> Wire:
        return Wire(
            model=call.spec.id,
            prompt=prompt,
            mode=Mode.FREE if schema is None else call.spec.mode,
            schema=None if schema is None else json_schema(schema),
            search=search,
            most_tokens=call.question.most_tokens,
            within=0.0,  # set when it is sent
            options=dict(call.spec.options),
        )

    async def _ask(self, call: _Call, wire: Wire, schema: type[Strict] | None) -> _Got:
        """One request, and a second one where the first failed for a passing reason. Raises _Stop."""
        got = await self._exchange(call, wire, schema)
        wait = self._again_after if got.wait is None else got.wait
        if got.heard.lack in _PASSING and wait < call.left:
            await asyncio.sleep(wait)
            got = await self._exchange(call, wire, schema)
        if got.heard.lack is not None:
            raise _Stop(got.heard.lack, got.heard.reason)
        return got

    # --- one exchange -------------------------------------------------------------------------------------------

    async def _exchange(self, call: _Call, wire: Wire, schema: type[Strict] | None) -> _Got:
        """Raises _Stop where it was never sent, JournalUnwritable where it could not be kept."""
        await self._line(call)
        try:
            reserved = await self._reserve(call, wire)
            begun = asyncio.get_running_loop().time()
            came = await _sent(call.provider, replace(wire, within=max(call.left, 0.0)))
            took = asyncio.get_running_loop().time() - begun
        finally:
            self._lines.release()
        got = understood(call.provider.hear, came, schema, grounded=wire.search is not None)
        got = self._itself(call.spec, got)
        call.sources = got.heard.sources or call.sources
        await self._settle(call, _exchange_of(call.spec, reserved, got.heard, came, took), came)
        return got

    def _itself(self, spec: ModelSpec, got: _Got) -> _Got:
        """Who answers in the place of another has no voice: nobody has chosen it."""
        returned = got.heard.returned
        if got.heard.lack is not None or not returned or self._same(spec.provider, spec.id, returned):
            return got
        return replace(got, heard=replace(got.heard, lack=Lack.SUBSTITUTED, reason=f"{returned} answered instead"))

    async def _line(self, call: _Call) -> None:
        """One of so many at the same time; waiting for it is part of the deadline."""
        try:
            async with asyncio.timeout_at(call.deadline):
                await self._lines.acquire()
        except TimeoutError:
            raise _Stop(Lack.LATE, "the deadline passed before it could be asked") from None

    async def _reserve(self, call: _Call, wire: Wire) -> Exchange:
        question, prompt = call.question, wire.prompt
        length = len(prompt.system) + len(prompt.user) + len(str(wire.schema or ""))
        worst = call.spec.worst_case(wire.most_tokens, length, search=wire.search is not None)
        if worst is None:
            raise _Stop(Lack.NO_PRICE, f"nobody has said what {question.model} costs")
        wanted = Exchange(
            purpose=question.purpose,
            provider=call.spec.provider,
            requested=call.spec.id,
            at=self._wall.now(),
            prompt=prompt.label,
            prompt_hash=sha(f"{prompt.system}\n\n{prompt.user}".encode()),
            cost=worst,
            basis=Basis.RESERVED,
        )
        found = await self._governor.reserve(wanted, about=question.about)
        if isinstance(found, NoBudget):
            raise _Stop(found.lack, found.reason)
        return found

    async def _settle(self, call: _Call, exchange: Exchange, came: Raw | Unanswered) -> None:
        """Write down what it came to, with the bytes: an answer that cannot be kept is none."""
        call.exchanges.append(exchange)
        bodies = tuple(Body(data=data) for data in (came.request, came.body) if data)
        await self._governor.settle(Kept(exchange=exchange, bodies=bodies))
        self._heard(exchange)


async def _sent(provider: Provider, wire: Wire) -> Raw | Unanswered:
    try:
        return await provider.send(wire)
    except Unanswered as lost:
        return lost


def understood(hear: Hear, came: Raw | Unanswered, schema: type[Strict] | None, *, grounded: bool) -> _Got:
    """What came, held against what was asked for. `schema` None: words are enough. `grounded`: it needs sources."""
    if isinstance(came, Unanswered):
        return _Got(Heard(text="", returned="", lack=came.lack, reason=came.reason))
    heard = hear(came.status, came.body)
    if heard.lack is not None:
        return _Got(heard, came.retry_after)
    if grounded and not heard.sources:
        return _Got(replace(heard, lack=Lack.UNGROUNDED, reason="it names no page that it leans on"))
    try:
        return _Got(heard, value=read(heard.text, schema) if schema else None)
    except Misfit as misfit:
        return _Got(replace(heard, lack=Lack.BROKEN, reason=str(misfit)))


def _exchange_of(spec: ModelSpec, reserved: Exchange, heard: Heard, came: Raw | Unanswered, took: float) -> Exchange:
    cost, basis = _cost(spec, reserved, heard, came)
    return replace(
        reserved,
        returned=heard.returned,
        lack=heard.lack,
        reason=heard.reason,
        request=sha(came.request) if came.request else "",
        response=sha(came.body) if came.body else "",
        status=came.status,
        latency_ms=round(took * 1000),
        tokens_in=heard.tokens_in,
        tokens_out=heard.tokens_out,
        searches=heard.searches,
        cost=cost,
        basis=basis,
    )


def _cost(spec: ModelSpec, reserved: Exchange, heard: Heard, came: Raw | Unanswered) -> tuple[Decimal, Basis]:
    """By the provider's own figure, else by the price table. What nobody can know stands as it was reserved."""
    if heard.reported:
        return Decimal(heard.reported), Basis.REPORTED
    if heard.tokens_in or heard.tokens_out:
        known = spec.cost(heard)
        return (reserved.cost, Basis.RESERVED) if known is None else (known, Basis.TABLE)
    never_ran = not came.left if isinstance(came, Unanswered) else came.status >= 400
    return (Decimal(0), Basis.FREE) if never_ran else (reserved.cost, Basis.RESERVED)


def _filled(prompt: Prompt, answer: str) -> Prompt:
    """The second prompt with the grounded text of the first in it, as data."""
    return replace(prompt, user=Template(prompt.user).substitute(answer=enveloped("answer", [answer])))
