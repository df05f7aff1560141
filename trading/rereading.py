"""A recorded decision worked out again from what crossed the wire: each model's words are read anew from their raw
bytes, and so is what they came to. Pure.

The record says which bytes; they are kept beside it, under their hash. Where they are gone, what was read from them
then stands, and that is said. Votes of plain arithmetic on the market are taken as they are recorded.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from trading.asking import Heard, NoAnswer, Strict
from trading.bench import JudgeAnswer, ValidatorAnswer, ruling_of
from trading.calibration import worth
from trading.chain import read_document
from trading.decision import Abstention, Decision, Opinion, Ruling, Verdict, shown
from trading.errors import BadRecord
from trading.judge import JUDGE, VALIDATOR, rejudged
from trading.model import base_of
from trading.personas import council_count, sentiment, whale
from trading.personas.ballots import CouncilAnswer, absent, ballot_of
from trading.personas.council_count import Absent, Answer
from trading.playbook import Playbook
from trading.prompting import facts_of
from trading.strict import Misfit, read
from trading.voice import Basis, Exchange, Lack, Source, Voice, sha

Hear = Callable[[int, bytes], Heard]
Said = Opinion | Abstention | Ruling
S = TypeVar("S", bound=Strict)

_RULINGS: dict[str, type[JudgeAnswer] | type[ValidatorAnswer]] = {JUDGE: JudgeAnswer, VALIDATOR: ValidatorAnswer}
_DECIDED_LATER = (None, Lack.UNGROUNDED, Lack.BROKEN)  # by what the question asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first field that is not as it was."""

    field: str  # "sentiment confidence", "tally long"
    then: str
    now: str

    def __str__(self) -> str:
        return f"{self.field}: {self.then} -> {self.now}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reread:
    """What came of it. `spoilt`: bodies whose bytes are not those of then, each named."""

    verdict: Verdict
    difference: Difference | None = None
    spoilt: tuple[str, ...] = ()
    read: tuple[str, ...] = ()  # whose words were read again from their bytes
    gone: tuple[str, ...] = ()  # whose bytes are no longer kept

    @property
    def same(self) -> bool:
        return self.difference is None and not self.spoilt

    @property
    def first(self) -> str:
        """What is wrong, in one line; "" where nothing is."""
        return next(iter(self.spoilt), "") or (str(self.difference) if self.difference else "")


def shas_of(decision: Decision) -> tuple[str, ...]:
    """The bodies that it can be worked out from."""
    each = ((e.request, e.response) for e in decision.exchanges)
    return tuple(dict.fromkeys(sha for pair in each for sha in pair if sha))


def reread(decision: Decision, bodies: Mapping[str, bytes], playbook: Playbook, hear: Mapping[str, Hear]) -> Reread:
    """`playbook`: of then; `hear`: who reads the bytes of which provider. Total: whatever the bytes are."""
    again = _Again(decision, bodies, playbook, hear)
    opinions = tuple(again.said(said) for said in decision.opinions)
    rulings = tuple(again.said(said) for said in decision.rulings)
    anew = replace(decision, opinions=opinions, rulings=rulings)
    verdict = rejudged(anew, playbook.judge, playbook.validation)
    again.compare("verdict", decision.verdict, verdict)
    if decision.calibrated is not None:
        value = worth(decision.verdict.confidence, decision.calibrated)
        again.compare("calibrated", decision.calibrated, replace(decision.calibrated, value=value))
    return Reread(
        verdict=verdict,
        difference=next(iter(again.different), None),
        spoilt=tuple(again.spoilt),
        read=tuple(dict.fromkeys(again.read)),
        gone=tuple(dict.fromkeys(again.gone)),
    )


def name_of(said: Said) -> str:
    return said.who if isinstance(said, Ruling) else said.persona


class _NoWords(Exception):
    """These exchanges hold no answer: what is recorded in its place stands."""


class _NotTold(Exception):
    """The record does not say whose exchanges they are, or the settings not how they count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """One question's exchanges, read again."""

    text: str  # of the answer
    voice: Voice
    asked: str  # every text of the first request
    last: str  # and of the last one

    def value(self, schema: type[S]) -> S:
        """Raises _NoWords."""
        try:
            return read(self.text, schema)
        except Misfit:
            raise _NoWords from None


@dataclass(slots=True)
class _Again:
    """One decision while it is being read again."""

    decision: Decision
    bodies: Mapping[str, bytes]
    playbook: Playbook
    hear: Mapping[str, Hear]
    different: list[Difference] = field(default_factory=list)
    spoilt: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def compare(self, name: str, then: object, now: object) -> None:
        self.different += itertools.islice(differences(name, then, now), 1)

    def said(self, then: Any) -> Any:
        """What somebody has said, from its bytes; as it is recorded where no bytes are behind it."""
        voice, name = then.voice, name_of(then)
        exchanges = () if voice is None else voice.exchanges
        if not any(e.response for e in exchanges) or not self._whole(name, exchanges):
            return then
        try:
            now = self._anew(name, then, voice)
        except _NotTold:
            self.gone.append(name)
            return then
        except _NoWords:
            if isinstance(then, Abstention):
                self.read.append(name)
                return then
            now = Abstention(persona=name, reason="its bytes hold no answer", voice=voice)
        self.read.append(name)
        self.compare(name, then, now)
        return now

    def _whole(self, name: str, exchanges: tuple[Exchange, ...]) -> bool:
        """Whether every body is there, and is the one that its name says."""
        kinds = [("response", e.response) for e in exchanges if e.response]
        kinds += [("request", e.request) for e in exchanges if e.request and e.provider in self.hear]
        if any(key not in self.bodies for _, key in kinds):
            self.gone.append(name)
            return False
        bad = [(kind, key) for kind, key in kinds if sha(self.bodies[key]) != key]
        self.spoilt += [f"{name} {kind} {key[:8]}: its bytes are not those of then" for kind, key in bad]
        return not bad

    def _anew(self, name: str, then: Said, voice: Voice) -> Said:
        """Raises _NoWords."""
        if name not in _RULINGS and name not in self.playbook.panel:
            raise _NotTold  # by other settings than those of then
        if name == whale.NAME:
            return self._whale(then, voice)
        if name == council_count.NAME:
            return self._council(then, voice)
        words = self._words(name, voice.exchanges)
        if name == sentiment.NAME:
            return self._sentiment(then, words)
        if schema := _RULINGS.get(name):
            return ruling_of(words.value(schema), words.voice, facts=facts_of(words.asked))
        return then

    # --- each of them -----------------------------------------------------------------------------------------------

    def _sentiment(self, then: Said, words: _Words) -> Opinion | Abstention:
        at = self.decision.at
        return sentiment.opinion_of(
            sentiment.answer_about(base_of(self.decision.symbol), words.value(self._schema(words))),
            words.voice,
            facts=facts_of(words.asked),
            heard_at=_heard_at(then, at),
            at=at,
            max_age=self.playbook.panel[sentiment.NAME].max_age,
        )

    def _schema(self, words: _Words) -> type[Strict]:
        """About one pair, or about those that the request names fields for."""
        every = {base: sentiment.market_answer((base,)) for base in self.playbook.universe}
        named = tuple(b for b, one in every.items() if all(f'"{key}"' in words.last for key in one.model_fields))
        return sentiment.market_answer(named) if named else sentiment.SentimentAnswer

    def _council(self, then: Said, voice: Voice) -> Opinion | Abstention:
        seat = self.playbook.panel[council_count.NAME]
        answers = [
            self._ballot(model, exchanges, then)
            for model, exchanges in _by_model(tuple(dict.fromkeys(seat.models)), voice.exchanges)
        ]
        now = council_count.count(answers, at=self.decision.at, price=self.decision.seen.mark, seat=seat)
        if isinstance(now, Abstention) and isinstance(then, Abstention):
            return replace(now, failed=then.failed)  # what never left has no bytes that say so
        return now

    def _ballot(self, model: str, exchanges: tuple[Exchange, ...], then: Said) -> Answer:
        noted = _note_of(model, then)
        try:
            if not exchanges:
                raise _NoWords
            words = self._words(f"council {model}", exchanges)
            answer = words.value(CouncilAnswer)
        except _NoWords:
            lack = exchanges[-1].lack if exchanges else None
            no = NoAnswer(lack=lack or Lack.OFF, reason=noted, voice=Voice(exchanges=exchanges))
            return absent(model, no) if exchanges else Absent(model=model, reason=noted)
        at = _cast_at(model, then, self.decision.at)
        return ballot_of(answer, words.voice, model=model, at=at, facts=facts_of(words.asked))

    def _whale(self, then: Said, voice: Voice) -> Opinion | Abstention:
        """A reading that was too old then has only its age to say; nobody can know that of its bytes."""
        if isinstance(then, Abstention):
            raise _NoWords
        exchange = voice.exchanges[0]
        try:
            reading = replace(read_document(self.bodies[exchange.response]), exchange=exchange)
        except BadRecord:
            raise _NoWords from None
        seat, borrowed = self.playbook.panel[whale.NAME], base_of(self.decision.symbol) != whale.OWN
        return whale.opinion_of(reading, seat, at=reading.as_of, borrowed=borrowed)

    # --- exchanges --------------------------------------------------------------------------------------------------

    def _words(self, name: str, exchanges: tuple[Exchange, ...]) -> _Words:
        """Raises _NoWords where the last of them was no answer."""
        sources: tuple[Source, ...] = ()
        text = ""
        for number, exchange in enumerate(exchanges, 1):
            heard = self._heard(exchange)
            if heard is None:
                text = ""
                continue
            for part, then, now in _otherwise(exchange, heard):
                self.compare(f"{name} exchange {number} {part}", then, now)
            sources, text = heard.sources or sources, heard.text
        if exchanges[-1].lack is not None:
            raise _NoWords
        returned = next((e.returned for e in reversed(exchanges) if e.returned), "")
        return _Words(
            text=text,
            voice=Voice(model=returned, sources=sources, exchanges=exchanges),
            asked=self._texts(exchanges[0]),
            last=self._texts(exchanges[-1]),
        )

    def _heard(self, exchange: Exchange) -> Heard | None:
        """None: nothing came whole, or nobody here reads this provider's bytes."""
        reader = self.hear.get(exchange.provider)
        if reader is None or not exchange.response or not exchange.status:
            return None
        return reader(exchange.status, self.bodies[exchange.response])

    def _texts(self, exchange: Exchange) -> str:
        try:
            return "\n".join(_texts_in(json.loads(self.bodies.get(exchange.request, b"null"))))
        except (ValueError, RecursionError):
            return ""


def _otherwise(exchange: Exchange, heard: Heard) -> Iterator[tuple[str, object, object]]:
    """What the bytes alone decide of an exchange. Whether an answer fits its question comes later."""
    yield "returned", exchange.returned, heard.returned
    if heard.lack is not None or exchange.lack not in _DECIDED_LATER:
        yield "lack", exchange.lack, heard.lack
    for name in ("tokens_in", "tokens_out", "searches"):
        yield name, getattr(exchange, name), getattr(heard, name)
    if exchange.basis is Basis.REPORTED:
        yield "cost", f"{exchange.cost:f}", f"{Decimal(heard.reported or 0):f}"


def _texts_in(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            yield from itertools.chain.from_iterable(map(_texts_in, value))
        case dict():
            for key, item in value.items():
                yield f'"{key}"'
                yield from _texts_in(item)


def _heard_at(then: Said, at: datetime) -> datetime:
    """Market time at which it was asked: the fact of an opinion is of then."""
    return then.evidence[0].as_of if isinstance(then, Opinion) and then.evidence else at


def _cast_at(model: str, then: Said, at: datetime) -> datetime:
    """When a ballot was given: the fact it stands for is of then."""
    facts = then.evidence if isinstance(then, Opinion) else ()
    return next((fact.as_of for fact in facts if fact.label.startswith(f"{model} says ")), at)


def _note_of(model: str, then: Said) -> str:
    """Why a model of the council is absent, as it was noted."""
    begins = f"{model}: absent, "
    notes = then.voice.notes if then.voice else ()
    return next((note.removeprefix(begins) for note in notes if note.startswith(begins)), "")


def _by_model(models: tuple[str, ...], exchanges: tuple[Exchange, ...]) -> Iterator[tuple[str, tuple[Exchange, ...]]]:
    """Each model with its exchanges: by its name, or where it is asked under an id, in the order of the seat.

    Raises _NotTold where that does not say whose they are.
    """
    runs = [(asked, tuple(run)) for asked, run in itertools.groupby(exchanges, key=lambda e: e.requested)]
    own = {asked: run for asked, run in runs if asked in models}
    others = [run for asked, run in runs if asked not in models]
    nameless = [model for model in models if model not in own]
    if len(own) + len(others) != len(runs) or (others and len(others) != len(nameless)):
        raise _NotTold
    own |= dict(zip(nameless, others, strict=False))
    for model in models:
        yield model, own.get(model, ())


# --- differences ------------------------------------------------------------------------------------------------------


def differences(name: str, then: object, now: object) -> Iterator[Difference]:
    """Each field that is not the same, with the way to it: "verdict tally long"."""
    if isinstance(then, int | float) and isinstance(now, int | float):
        same = then == now  # a count is a whole number here and a float in a record
        yield from () if same else (Difference(field=name, then=_words(then), now=_words(now)),)
    elif type(then) is not type(now):
        yield Difference(field=name, then=_words(then), now=_words(now))
    elif is_dataclass(then):
        for part in fields(then):
            yield from differences(f"{name} {part.name}", getattr(then, part.name), getattr(now, part.name))
    elif isinstance(then, tuple) and isinstance(now, tuple) and len(then) == len(now):
        for number, (a, b) in enumerate(zip(then, now, strict=True), 1):
            yield from differences(f"{name} {number}", a, b)
    elif then != now or str(then) != str(now):
        yield Difference(field=name, then=_words(then), now=_words(now))


def _words(value: object) -> str:
    match value:
        case Opinion():
            return f"{value.stance} {shown(value.confidence)}"
        case Ruling():
            return value.said
        case Abstention():
            return f"no opinion ({value.reason})"
        case None:
            return "none"
    return str(value)
