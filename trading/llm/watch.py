"""Whether the models that are asked are still there, still themselves, and still answer.

`check` reads what the providers list, at the start and once a day; `heard` is told of every exchange.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from trading.errors import BadModels, GavelError
from trading.events import Event, ModelExpiring, ModelSubstituted, VoiceBack, VoiceLost
from trading.llm.catalogue import Models, ModelSpec, SearchAbility, same_model
from trading.llm.provider import Listed, Provider, Unanswered
from trading.ports import Clock
from trading.spending import ModelLine
from trading.voice import Exchange, Lack

log = logging.getLogger(__name__)

SOON = timedelta(days=14)  # an end within this is told
IN_A_ROW = 3  # failures that make a loss
# Not the model's doing.
_OURS = frozenset({Lack.OFF, Lack.OVER_BUDGET, Lack.NO_PRICE, Lack.NOT_RECORDED, Lack.STALE, Lack.UNSUPPORTED})

Tell = Callable[..., Awaitable[None]]  # events; raises JournalUnwritable
Asked = Callable[[], Mapping[str, Sequence[str]]]  # models that the running playbook asks -> what each serves there


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loss:
    at: datetime  # the desk's time
    lack: Lack
    reason: str


class ModelWatch:
    """`models`: the catalogue, with listed prices once they were read; `adopt` is handed each new one. `now`: the time
    that events wear, the desk's. `off`: why a provider is not there."""

    def __init__(
        self,
        models: Models,
        providers: Mapping[str, Provider],
        wall: Clock,
        tell: Tell,
        asked: Asked,
        *,
        off: Mapping[str, str] | None = None,
        adopt: Callable[[Models], None] = lambda _: None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self.models = models
        self._providers = providers
        self._off = off or {}
        self._wall = wall
        self._tell = tell
        self._asked = asked
        self._adopt = adopt
        self._now = now or wall.now
        self._listed: dict[str, dict[str, Listed]] = {}  # by provider: every name a model has there
        self._said: dict[tuple[str, str], date] = {}  # (model, what) -> on which day
        self._failures: Counter[str] = Counter()  # in a row
        self._lost: dict[str, _Loss] = {}
        self._substituted: set[tuple[str, str]] = set()
        self._telling: set[asyncio.Task[None]] = set()

    # --- once a day -----------------------------------------------------------------------------------------------

    async def check(self) -> None:
        """Read the lists, take over their prices, and tell of what the playbook asks and cannot have for long."""
        await asyncio.gather(*(self._read(name, provider) for name, provider in self._providers.items()))
        events = [event for name, serves in self._asked().items() for event in self._look(name, tuple(serves))]
        if events:
            await self._told(*events)

    async def _read(self, name: str, provider: Provider) -> None:
        """A list that cannot be read changes nothing: whether a model answers is found out by asking it."""
        try:
            listed = await provider.models()
        except Unanswered as error:
            log.warning("the models of %s could not be read: %s", name, error.reason)
            return
        self._listed[name] = {known: each for each in listed for known in (each.canonical, each.id) if known}
        self.models = self.models.priced(name, listed)
        self._adopt(self.models)

    def _look(self, name: str, serves: tuple[str, ...]) -> Iterator[Event]:
        try:
            spec = self.models.named(name)
        except BadModels as error:
            yield from self._missing(name, Lack.RETIRED, str(error), serves)
            return
        if spec.provider not in self._providers:
            return
        expires = self._expires(spec)
        if expires is not None and expires - self._wall.now() <= SOON and self._first_today(name, "expires"):
            days = (expires.date() - self._wall.now().date()).days
            yield ModelExpiring(at=self._now(), model=name, expires=expires, days=days, instead=spec.instead)
        if self._is_gone(spec):
            yield from self._missing(name, Lack.RETIRED, f"{spec.provider} does not list it", serves)
        elif spec.price is None:
            yield from self._missing(name, Lack.NO_PRICE, "nobody has said what it costs", serves)
        elif name in self._lost and self._lost[name].lack in (Lack.RETIRED, Lack.NO_PRICE):
            yield self._found(name)

    def _missing(self, name: str, lack: Lack, reason: str, serves: tuple[str, ...]) -> Iterator[Event]:
        before = self._lost.get(name)
        self._lost[name] = _Loss(at=self._now() if before is None else before.at, lack=lack, reason=reason)
        if self._first_today(name, "lost"):
            yield VoiceLost(at=self._now(), voice=name, lack=lack, reason=reason, serves=serves)

    def _first_today(self, name: str, what: str) -> bool:
        today = self._wall.now().date()
        before = self._said.get((name, what))
        self._said[name, what] = today
        return before != today

    def _is_gone(self, spec: ModelSpec) -> bool:
        """A server that lists nothing at all does not say that."""
        listed = self._listed.get(spec.provider, {})
        return bool(listed) and spec.id.partition(":")[0] not in listed and spec.id not in listed

    def _expires(self, spec: ModelSpec) -> datetime | None:
        """The earlier end, of the list's and the file's."""
        listed = self._listed.get(spec.provider, {}).get(spec.id)
        ends = (spec.expires, None if listed is None else listed.expires)
        return min((end for end in ends if end is not None), default=None)

    # --- after every call -----------------------------------------------------------------------------------------

    def heard(self, exchange: Exchange) -> None:
        """Told of every exchange, whatever came of it. Never waits, never raises."""
        name = self._name(exchange)
        if exchange.returned:
            self._compare(exchange)
        if exchange.lack is None:
            self._failures.pop(name, None)
            if name in self._lost:
                self._soon(self._found(name))
        elif exchange.lack not in _OURS:
            self._failures[name] += 1
            if self._failures[name] == IN_A_ROW and name not in self._lost:
                self._soon(self._losing(name, exchange, exchange.lack))

    def _name(self, exchange: Exchange) -> str:
        """As playbooks write it, where they can."""
        spec = self.models.known_as(exchange.provider, exchange.requested)
        return (exchange.requested or exchange.provider) if spec is None else spec.name

    def _losing(self, name: str, exchange: Exchange, lack: Lack) -> VoiceLost:
        self._lost[name] = _Loss(at=self._now(), lack=lack, reason=exchange.reason)
        self._first_today(name, "lost")
        serves = tuple(self._asked().get(name, ())) or (exchange.purpose.partition(" ")[0],)
        return VoiceLost(at=self._now(), voice=name, lack=lack, reason=exchange.reason, serves=serves)

    def _found(self, name: str) -> VoiceBack:
        loss = self._lost.pop(name)
        self._said.pop((name, "lost"), None)
        return VoiceBack(at=self._now(), voice=name, lost_at=loss.at)

    def _compare(self, exchange: Exchange) -> None:
        pair = (exchange.requested, exchange.returned)
        if pair in self._substituted or self.same(exchange.provider, *pair):
            return
        self._substituted.add(pair)
        self._soon(ModelSubstituted(at=self._now(), requested=pair[0], returned=pair[1], provider=exchange.provider))

    def same(self, provider: str, requested: str, returned: str) -> bool:
        """Whether it is the model that was asked: by a dated name of it, or by one that its provider lists for it."""
        listed = self._listed.get(provider, {}).get(requested)
        return same_model(requested, returned) or (listed is not None and returned in (listed.id, listed.canonical))

    # --- telling --------------------------------------------------------------------------------------------------

    def _soon(self, event: Event) -> None:
        work: Coroutine[Any, Any, None] = self._told(event)
        task = asyncio.get_running_loop().create_task(work)
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _told(self, *events: Event) -> None:
        try:
            await self._tell(*events)
        except GavelError as error:
            log.error("of the models nobody was told: %s", error)

    async def close(self) -> None:
        """What is being told is told to its end."""
        while self._telling:
            await asyncio.wait(set(self._telling))

    # --- how they stand -------------------------------------------------------------------------------------------

    def why_not(self, name: str) -> str:
        """Why a model cannot be asked now, or is not well; "" where it is armed. Raises BadModels."""
        spec = self.models.named(name)
        if spec.provider not in self._providers:
            return self._off.get(spec.provider, f"no provider {spec.provider}")
        if (loss := self._lost.get(name)) is not None:
            return f"{loss.lack}: {loss.reason}" if loss.reason else str(loss.lack)
        if self._is_gone(spec):
            return f"{spec.provider} does not list it"
        return "nobody has said what it costs" if spec.price is None else ""

    def voices(self) -> tuple[tuple[str, str], ...]:
        """Of each model that the playbook asks: "armed", or why not."""
        return tuple((name, self._state(name)) for name in self._asked())

    def _state(self, name: str) -> str:
        try:
            return self.why_not(name) or "armed"
        except BadModels as error:
            return str(error)

    def lines(self) -> tuple[ModelLine, ...]:
        """The catalogue, and how each of it stands."""
        asked = self._asked()
        return tuple(self._line(spec, tuple(asked.get(spec.name, ()))) for spec in self.models.all)

    def _line(self, spec: ModelSpec, asked: tuple[str, ...]) -> ModelLine:
        line = ModelLine(
            name=spec.name,
            provider=spec.provider,
            state=self.why_not(spec.name) or "armed",
            asked=asked,
            expires=self._expires(spec),
            instead=spec.instead,
        )
        price = spec.price
        if price is None:
            return line
        line = replace(line, input=price.input, output=price.output)
        if spec.search is SearchAbility.NONE:
            return line
        return replace(line, search=price.search, search_per=price.search_per.value)
