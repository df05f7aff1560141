"""The voices of this process: which models and which chain reader are armed, what they cost, and who looks after them.

Who has no key, or a market that is not real, is off and says why; the desk goes on without. A seat's persona is built
once and kept: a shadow desk with the same seat hears what was heard already, and pays for nothing.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from bot.settings import Settings
from trading.asking import A, NoAnswer, Question
from trading.bench import Bench
from trading.chain import ChainView
from trading.desk import Desk
from trading.errors import BadModels
from trading.events import Event
from trading.llm.budget import Governor
from trading.llm.catalogue import Models
from trading.llm.gemini import Gemini
from trading.llm.openai_api import OpenAiApi
from trading.llm.provider import Provider
from trading.llm.switchboard import Switchboard
from trading.llm.watch import ModelWatch
from trading.onchain import opening as onchain
from trading.personas.ballots import LiveBallots
from trading.personas.council import Ballots
from trading.personas.panel import Persona
from trading.personas.sentiment import Sentiment
from trading.personas.whale import Whale
from trading.playbook import Playbook, Seat
from trading.ports import ChainCache, Clock, LanguageModel, Ledger, OnChain
from trading.spending import BudgetView, Caps
from trading.status import Armed, Capability
from trading.voice import Lack

log = logging.getLogger(__name__)

T = TypeVar("T")
SWITCHED_OFF = "switched off (GAVEL_VOICES=off)"
NOT_REAL = "this market is not a real one; GAVEL_VOICES=on asks all the same"
BY_FILE = "recorded ballots come with --opinions FILE"
OPENROUTER = "https://openrouter.ai/api/v1"


def caps_of(settings: Settings) -> Caps:
    return Caps(
        decision=settings.usd_decision,
        hour=settings.usd_hour,
        day=settings.usd_day,
        month=settings.usd_month,
        words=settings.usd_words,
    )


def providers_of(settings: Settings, wall: Clock) -> tuple[dict[str, Provider], dict[str, str]]:
    """Those that have a key; of the others, why they are not there."""
    if settings.voices == "off":
        return {}, dict.fromkeys(("gemini", "openrouter", "own"), SWITCHED_OFF)
    there: dict[str, Provider] = {}
    off = {"gemini": "no GEMINI_API_KEY", "openrouter": "no OPENROUTER_API_KEY", "own": "no GAVEL_MODEL_URL"}
    if settings.gemini_key:
        there["gemini"] = Gemini(settings.gemini_key.get_secret_value(), base_url=settings.gemini_base, wall=wall)
    if settings.openrouter_key:
        key, base = settings.openrouter_key.get_secret_value(), settings.openrouter_base or OPENROUTER
        there["openrouter"] = OpenAiApi("openrouter", key, base_url=base, wall=wall)
    if settings.own_model_url:
        own = settings.own_model_key.get_secret_value() if settings.own_model_key else None
        there["own"] = OpenAiApi("own", own, base_url=settings.own_model_url.get_secret_value(), wall=wall)
    return there, {name: why for name, why in off.items() if name not in there}


def asked_by(playbook: Playbook, models: Models) -> dict[str, tuple[str, ...]]:
    """The models that a playbook asks, by name, and what each serves in it."""
    asked: defaultdict[str, list[str]] = defaultdict(list)
    for name, seat in playbook.panel.items():
        if name == "sentiment" and seat.enabled:
            asked[seat.model or models.default(name)].append(name)
        for model in seat.models if name == "council" and seat.enabled else ():
            asked[model].append(name)
    if playbook.judge.model:
        asked[playbook.judge.model].append("judge")
    if playbook.validation:
        asked[playbook.validation.model].append("validator")
    return {model: tuple(serves) for model, serves in asked.items()}


class Mute:
    """Models that are not to be asked."""

    def __init__(self, why: str) -> None:
        self._why = why

    async def ask(self, question: Question[A]) -> NoAnswer:  # noqa: ARG002
        return NoAnswer(lack=Lack.OFF, reason=self._why)


class Voices:
    """`silent`: why nobody may speak about this market; "" where they may. Words for people are asked for anywhere."""

    def __init__(
        self, settings: Settings, *, models: Models, ledger: Ledger, chain: OnChain, silent: str, wall: Clock
    ) -> None:
        self._ledger = ledger
        self._chain = chain
        self._silent = silent
        self._wall = wall
        self._seated: dict[tuple[str, str], Any] = {}
        self._desk: Desk | None = None
        self._telling: set[asyncio.Task[None]] = set()
        self._providers, off = providers_of(settings, wall)
        self._governor = Governor(caps_of(settings), ledger, wall, told=self._soon, now=self._now)
        self.watch = ModelWatch(
            models, self._providers, wall, self._tell, self._asked, off=off, adopt=self._adopt, now=self._now
        )
        self.model = Switchboard(
            models=models,
            providers=self._providers,
            off=off,
            governor=self._governor,
            wall=wall,
            at_once=settings.model_calls,
            heard=self.watch.heard,
            same=self.watch.same,
        )

    @classmethod
    async def open(cls, settings: Settings, *, ledger: Ledger, cache: ChainCache, real: bool, wall: Clock) -> "Voices":
        """`real`: whether the market is one that exists now. Raises BadModels for a models.toml that does not fit."""
        chain = await onchain.opened(
            settings.etherscan_key.get_secret_value() if settings.etherscan_key else None,
            base_url=settings.etherscan_base,
            own_wallets=settings.wallets_file,
            model=settings.whale_model,
            cache=cache,
            ledger=ledger,
            wall=wall,
        )
        silent = {"off": SWITCHED_OFF, "on": ""}.get(settings.voices, "" if real else NOT_REAL)
        models = Models.load(settings.models_file)
        voices = cls(settings, models=models, ledger=ledger, chain=chain, silent=silent, wall=wall)
        await voices._governor.open()
        return voices

    def follow(self, desk: Desk) -> None:
        """Tell this desk of what happens to them, and look after the models that its playbook asks."""
        self._desk = desk

    async def close(self) -> None:
        await self.watch.close()
        await asyncio.gather(*self._telling, return_exceptions=True)
        await self._governor.close()
        await asyncio.gather(self._chain.close(), *(p.close() for p in self._providers.values()))

    def _adopt(self, models: Models) -> None:
        self.model.models = models

    def _asked(self) -> dict[str, tuple[str, ...]]:
        return {} if self._desk is None or self._silent else asked_by(self._desk.playbook, self.model.models)

    def _now(self) -> datetime:
        return self._wall.now() if self._desk is None else self._desk.now()

    async def _tell(self, *events: Event) -> None:
        if self._desk is not None:
            await self._desk.tell(*events)

    def _soon(self, event: Event) -> None:
        """For whoever cannot wait."""
        task = asyncio.create_task(self._tell(event))
        self._telling.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._telling.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("of the voices nobody was told: %s", error)

    # --- the panel ----------------------------------------------------------------------------------------------

    def sentiment(self, seat: Seat, universe: Sequence[str]) -> Persona | str:
        """Or why there is none."""
        model = seat.model or self.model.models.default("sentiment")
        if why := self._or_silent(self._why_not(model)):
            return why
        return self._kept(
            f"sentiment {','.join(universe)}",
            seat,
            lambda: Sentiment(seat, self.model, name_of_model=model, wall=self._wall, universe=universe),
        )

    def whale(self, seat: Seat) -> Persona | str:
        if why := self._or_silent(self._chain.off):
            return why
        return self._kept("whale", seat, lambda: Whale(seat, self._chain, wall=self._wall))

    def council(self, seat: Seat) -> Ballots | str:
        """Off where not enough of its models can be asked at all."""
        missing = {name: why for name in seat.models if (why := self._why_not(name))}
        few = len(set(seat.models)) - len(missing) < max(seat.agree, 2)
        if why := self._or_silent("; ".join(dict.fromkeys(missing.values())) if few else ""):
            return f"{why}; {BY_FILE}"
        return self._kept("council", seat, lambda: LiveBallots(self.model, seat))

    def bench(self, playbook: Playbook) -> Bench | None:
        """None: the playbook asks no model about its verdicts."""
        if not playbook.judge.model and playbook.validation is None:
            return None
        model: LanguageModel = Mute(self._silent) if self._silent else self.model
        return Bench(playbook.judge, playbook.validation, model)

    def _kept(self, name: str, seat: Seat, build: Callable[[], T]) -> T:
        key = name, seat.model_dump_json()
        if key not in self._seated:
            self._seated[key] = build()
        found: T = self._seated[key]
        return found

    def _or_silent(self, why: str) -> str:
        """A missing key is said before a market that is not real: it has to be mended first."""
        return self._silent if self._silent == SWITCHED_OFF else why or self._silent

    def _why_not(self, model: str) -> str:
        try:
            return self.model.why_not(model)
        except BadModels as error:
            return str(error)

    # --- the surface --------------------------------------------------------------------------------------------

    @property
    def state(self) -> Capability | None:
        """How the models stand that the running playbook asks; None where it asks none."""
        asked = self.watch.voices()
        faults = "; ".join(f"{name}: {why}" for name, why in asked if why != "armed")
        if not asked:
            return None
        return Capability(name="models", state=Armed.DEGRADED if faults else Armed.ARMED, why=faults)

    @property
    def words(self) -> str:
        return "" if self.wordless else self.model.models.default("words")

    @property
    def wordless(self) -> str:
        return self._why_not(self.model.models.default("words"))

    async def budget(self) -> BudgetView:
        return self._governor.view(voices=self.watch.voices(), models=self.watch.lines())

    def chain(self) -> ChainView:
        return self._chain.view()

    async def bodies(self, shas: Sequence[str]) -> dict[str, bytes]:
        return await self._ledger.as_kept(shas)
