"""Live ballots: each model of the council is asked; what it says becomes a ballot, or an absence with its reason."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from trading.asking import NoAnswer, Question, Strict
from trading.ballot import Ballot, Category, Judged, Mark, Signal
from trading.envelope import clean
from trading.market.snapshot import Snapshot
from trading.model import Symbol
from trading.personas.council_count import Absent, Answer
from trading.playbook import Seat
from trading.ports import LanguageModel
from trading.prompting import Facts, Shared, briefed, broke, cited, facts_of, micro, misquoted, prompt, told, unpaid
from trading.voice import Lack, Voice

THESIS, REASON = 400, 160  # characters of a model's words that are kept
MOST_TOKENS = 2_048

Marked = Literal["BULLISH", "BEARISH", "NEUTRAL", "UNKNOWN"]


class CouncilAnswer(Strict):
    thesis: str
    regime_reason: str
    regime: Marked
    setup_reason: str
    setup: Marked
    on_chain_reason: str
    on_chain: Marked
    macro_reason: str
    macro: Marked
    reward_reason: str
    reward: Marked
    timing_reason: str
    timing: Marked
    institutions_reason: str
    institutions: Marked
    invalidation: Annotated[float, Field(ge=0)]  # 0: none
    confidence: Annotated[float, Field(ge=0, le=1)]
    signal: Literal["BUY", "NONE"]

    def said(self, category: Category) -> tuple[Mark, str]:
        """Its verdict, and why."""
        key = category.name.lower()
        return Mark(getattr(self, key)), getattr(self, f"{key}_reason")

    @property
    def words(self) -> tuple[str, ...]:
        return self.thesis, *(self.said(category)[1] for category in Category)


def ballot_of(answer: CouncilAnswer, voice: Voice, *, model: str, at: datetime, facts: Facts) -> Ballot | Absent:
    """What an answer comes to. `model`: as it is asked for; `facts`: those that stood in its prompt.

    A verdict whose reason names no evidence has none: it is UNKNOWN, whatever the model calls it.
    """
    if wrong := next(filter(None, (misquoted(words, facts) for words in answer.words)), ""):
        return _absent(model, Lack.UNSUPPORTED, f"{Lack.UNSUPPORTED.value}: {wrong}", voice)
    if answer.signal == "BUY" and not answer.invalidation:
        return _absent(model, Lack.BROKEN, "a BUY without an invalidation price", voice)
    return Ballot(
        model=model,
        at=at,
        signal=Signal(answer.signal),
        confidence=micro(answer.confidence),
        invalidation=Decimal(repr(answer.invalidation)) if answer.invalidation else None,
        thesis=told(answer.thesis, facts, THESIS),
        categories=tuple(_judged(category, *answer.said(category), facts) for category in Category),
        exchanges=voice.exchanges,
    )


def _judged(category: Category, mark: Mark, reason: str, facts: Facts) -> Judged:
    borne_out = any(number in facts for number in cited(reason))
    return Judged(category=category, mark=mark if borne_out else Mark.UNKNOWN, reason=told(reason, facts, REASON))


def absent(model: str, no: NoAnswer) -> Absent:
    return _absent(model, no.lack, clean(no.reason) or no.lack.value, no.voice)


def _absent(model: str, lack: Lack, reason: str, voice: Voice) -> Absent:
    return Absent(model=model, reason=reason, failed=broke(lack), exchanges=voice.exchanges)


class LiveBallots:
    """A ballot lives for the seat's max_age of market time: within it its model is not asked again."""

    instant = False

    def __init__(self, model: LanguageModel, seat: Seat) -> None:
        self._model = model
        self._seat = seat
        self._cast: dict[tuple[str, Symbol], Ballot] = {}
        self._flying: Shared[Answer] = Shared()

    async def ask(self, model: str, snapshot: Snapshot) -> Answer:
        key = model, snapshot.symbol
        kept = self._cast.get(key)
        if kept and timedelta(0) <= snapshot.at - kept.at <= self._seat.max_age:
            return replace(kept, exchanges=unpaid(kept.exchanges))
        answer, shared = await self._flying.ask(key, lambda: self._vote(model, snapshot))
        return replace(answer, exchanges=unpaid(answer.exchanges)) if shared else answer

    async def _vote(self, model: str, snapshot: Snapshot) -> Answer:
        question = self._question(model, snapshot)
        said = await self._model.ask(question)
        if isinstance(said, NoAnswer):
            return absent(model, said)
        facts = facts_of(question.prompt.user)
        ballot = ballot_of(said.value, said.voice, model=model, at=snapshot.at, facts=facts)
        if isinstance(ballot, Ballot):
            self._cast[model, snapshot.symbol] = ballot
        return ballot

    def _question(self, model: str, snapshot: Snapshot) -> Question[CouncilAnswer]:
        return Question(
            purpose="council",
            about=snapshot.about or snapshot.symbol,
            model=model,
            prompt=prompt("council", price=f"{snapshot.quote.mark:f}", **briefed(snapshot)),
            schema=CouncilAnswer,
            within=self._seat.answer_within,
            most_tokens=MOST_TOKENS,
        )
