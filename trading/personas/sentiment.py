"""SENTIMENT: what a model that searches the web makes of news and mood. It speaks; counting is code.

Asked for one pair, or once for all pairs of the playbook. What was heard lives for the seat's max_age of market time:
within it nobody is asked again, after it it is no evidence any more.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from trading.asking import Answer, NoAnswer, Question, Strict, Window
from trading.decision import Abstention, Evidence, Opinion, Stance
from trading.market.snapshot import Snapshot
from trading.model import base_of
from trading.playbook import Seat, span_text
from trading.policies import Scope
from trading.ports import Clock, LanguageModel
from trading.prompting import (
    ANSWER,
    Fact,
    Facts,
    Shared,
    briefed,
    broke,
    facts_of,
    free,
    micro,
    misquoted,
    prompt,
    standing,
    told,
    unheard,
)
from trading.voice import Lack, Voice

NAME = "sentiment"
ALL = "market"  # the topic of a question about all pairs
MINUTE = timedelta(minutes=1)
THESIS = 600  # characters of a model's words that are kept as its thesis
MOST_TOKENS, MORE_TOKENS = 2_048, 4_096  # of an answer about one pair, and about all of them

Fraction = Annotated[float, Field(ge=0, le=1)]
Leaning = Literal["LONG", "SHORT", "NEUTRAL"]


class SentimentAnswer(Strict):
    reasoning: str
    confidence: Fraction
    stance: Leaning


@cache
def market_answer(bases: tuple[str, ...]) -> type[Strict]:
    """The schema of an answer about several pairs: `reasoning`, then for BTC btc_reasoning, btc_confidence, btc_stance
    and so on."""
    kinds: tuple[tuple[str, Any], ...] = (("reasoning", str), ("confidence", Fraction), ("stance", Leaning))
    fields: dict[str, Any] = {f"{_key(base)}_{name}": (kind, ...) for base in bases for name, kind in kinds}
    return create_model("MarketAnswer", __base__=Strict, reasoning=(str, ...), **fields)


def answer_about(base: str, value: Strict) -> SentimentAnswer:
    """What an answer, about one pair or several, says about this one."""
    if isinstance(value, SentimentAnswer):
        return value
    own = {name: getattr(value, f"{_key(base)}_{name}") for name in SentimentAnswer.model_fields}
    return SentimentAnswer(**own)


def _key(base: str) -> str:
    return f"of_{base.lower()}" if base[0].isdigit() else base.lower()


def opinion_of(
    answer: SentimentAnswer, voice: Voice, *, facts: Facts, heard_at: datetime, at: datetime, max_age: timedelta
) -> Opinion | Abstention:
    """What an answer counts for at `at`. `facts`: those that stood in its prompt (`facts_of` its text); `heard_at` and
    `at` are market time."""
    age = at - heard_at
    lack = _lack(answer, voice, facts, age=age, max_age=max_age)
    if lack is not None:
        return Abstention(persona=NAME, reason=lack[1], failed=broke(lack[0]), voice=voice)
    thesis = told(answer.reasoning, facts, THESIS)
    return Opinion(
        persona=NAME,
        stance=Stance(answer.stance.lower()),
        confidence=micro(answer.confidence),
        thesis=f"Heard {math.ceil(age / MINUTE)} min ago: {thesis}" if age else thesis,
        evidence=(Evidence(label="sources", value=len(voice.sources), source="web search", as_of=heard_at),),
        voice=voice,
    )


def _lack(
    answer: SentimentAnswer, voice: Voice, facts: Facts, *, age: timedelta, max_age: timedelta
) -> tuple[Lack, str] | None:
    if not timedelta(0) <= age <= max_age:
        return Lack.STALE, f"what was heard is older than {span_text(max_age)}"
    if not voice.sources:
        return Lack.UNGROUNDED, Lack.UNGROUNDED.value
    if wrong := misquoted(answer.reasoning, facts):
        return Lack.UNSUPPORTED, f"{Lack.UNSUPPORTED.value}: {wrong}"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of asking, and of what."""

    at: datetime  # market time at which it was asked
    facts: dict[int, Fact]
    said: Answer[Strict] | NoAnswer


class Sentiment:
    """Asks again when what was heard is too old; several pairs that ask at once share the question about all."""

    name = NAME
    instant = False

    def __init__(
        self, seat: Seat, model: LanguageModel, *, name_of_model: str, wall: Clock, universe: Sequence[str] = ()
    ) -> None:
        """`universe`: the bases that a question about all pairs is about; another pair is asked about alone."""
        self._seat = seat
        self._model = model
        self._name_of_model = name_of_model
        self._wall = wall
        self._universe = tuple(universe)
        self._heard: dict[str, Heard] = {}  # by what was asked about
        self._flying: Shared[Heard] = Shared()

    async def opine(self, snapshot: Snapshot) -> Opinion | Abstention:
        heard, reused = self._known(snapshot), True
        if heard is None:
            topic = self._topic(snapshot)
            heard, reused = await self._flying.ask(topic, lambda: self._listen(topic, snapshot))
        if isinstance(heard.said, NoAnswer):
            return unheard(NAME, replace(heard.said, voice=free(heard.said.voice)) if reused else heard.said)
        return opinion_of(
            answer_about(base_of(snapshot.symbol), heard.said.value),
            free(heard.said.voice) if reused else heard.said.voice,
            facts=heard.facts,
            heard_at=heard.at,
            at=snapshot.at,
            max_age=self._seat.max_age,
        )

    def _topic(self, snapshot: Snapshot) -> str:
        shared = self._seat.scope is Scope.MARKET and base_of(snapshot.symbol) in self._universe
        return ALL if shared else snapshot.symbol

    def _known(self, snapshot: Snapshot) -> Heard | None:
        """An answer lives for max_age; a lack of one only for the moment it was asked in."""
        heard = self._heard.get(self._topic(snapshot))
        if heard is None or not timedelta(0) <= snapshot.at - heard.at <= self._seat.max_age:
            return None
        return heard if isinstance(heard.said, Answer) or heard.at == snapshot.at else None

    async def _listen(self, topic: str, snapshot: Snapshot) -> Heard:
        question = self._about_all(snapshot) if topic == ALL else self._about_one(snapshot)
        said = await self._model.ask(question)
        heard = self._heard[topic] = Heard(at=snapshot.at, facts=facts_of(question.prompt.user), said=said)
        return heard

    def _about_one(self, snapshot: Snapshot) -> Question[Strict]:
        return Question(
            purpose="sentiment",
            about=snapshot.about or snapshot.symbol,
            model=self._name_of_model,
            prompt=prompt("sentiment", fresh=span_text(self._seat.fresh), **briefed(snapshot)),
            schema=SentimentAnswer,
            within=self._seat.answer_within,
            search=self._window(),
            extract=prompt("extract", pairs=snapshot.symbol, answer=ANSWER),
            most_tokens=MOST_TOKENS,
        )

    def _about_all(self, snapshot: Snapshot) -> Question[Strict]:
        pairs = ", ".join(f"{base} ({_key(base)})" for base in self._universe)
        return Question(
            purpose="sentiment",
            about=f"market {snapshot.at:%Y-%m-%dT%H:%M}",
            model=self._name_of_model,
            prompt=prompt("sentiment_market", pairs=pairs, fresh=span_text(self._seat.fresh), **standing(snapshot)),
            schema=market_answer(self._universe),
            within=self._seat.answer_within,
            search=self._window(),
            extract=prompt("extract", pairs=pairs, answer=ANSWER),
            most_tokens=MORE_TOKENS,
        )

    def _window(self) -> Window:
        now = self._wall.now()
        return Window(since=now - self._seat.fresh, until=now)
