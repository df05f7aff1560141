"""The bench: models that are asked about a verdict. They lower or stop what the votes have come to, and nothing else.

Their prompts hold sides, numbers and our own evidence, no words of another voice: so no headline and no label that one
of them has read reaches another by a single byte.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from trading.asking import NoAnswer, Question, Strict
from trading.decision import Abstention, Action, Opinion, Ruling, Verdict, shown
from trading.judge import JUDGE, REJECT, VALIDATOR, bounded
from trading.market.snapshot import Snapshot
from trading.policies import JudgePolicy, ValidationPolicy
from trading.ports import LanguageModel
from trading.prompting import Facts, briefed, broke, facts_of, micro, misquoted, prompt, told, unheard
from trading.voice import Lack, Voice

THESIS = 600  # characters of a model's words that are kept
MOST_TOKENS = 1_024


class JudgeAnswer(Strict):
    reasoning: str
    confidence: Annotated[float, Field(ge=0, le=1)]
    side: Literal["LONG", "SHORT", "WAIT"]


class ValidatorAnswer(Strict):
    reasoning: str
    verdict: Literal["APPROVE", "REJECT"]


R = TypeVar("R", JudgeAnswer, ValidatorAnswer)


def ruling_of(answer: JudgeAnswer | ValidatorAnswer, voice: Voice, *, facts: Facts) -> Ruling | Abstention:
    """What an answer counts for. `facts`: those that stood in its prompt.

    A yes that rests on a figure which is not in the evidence is none. A no needs no figures.
    """
    who, said, confidence = _said(answer)
    wrong = misquoted(answer.reasoning, facts)
    if wrong and said not in (Action.WAIT.value, REJECT):
        lack = Lack.UNSUPPORTED
        return Abstention(persona=who, reason=f"{lack.value}: {wrong}", failed=broke(lack), voice=voice)
    return Ruling(who=who, said=said, confidence=confidence, thesis=told(answer.reasoning, facts, THESIS), voice=voice)


def _said(answer: JudgeAnswer | ValidatorAnswer) -> tuple[str, str, int | None]:
    if isinstance(answer, JudgeAnswer):
        return JUDGE, answer.side.lower(), micro(answer.confidence)
    return VALIDATOR, answer.verdict.lower(), None


class Bench:
    """Asks nobody about a WAIT: there is nothing to lower or to stop."""

    def __init__(self, policy: JudgePolicy, validation: ValidationPolicy | None, model: LanguageModel) -> None:
        self._policy = policy
        self._validation = validation
        self._model = model

    async def rule(
        self,
        snapshot: Snapshot,
        verdict: Verdict,
        opinions: Sequence[Opinion | Abstention],
        *,
        weights: Mapping[str, int],
    ) -> tuple[Ruling | Abstention, ...]:
        """The judge's model first; then the validator, where it is an entry still. `weights`: thousandths, of the
        voices that count."""
        if verdict.action is Action.WAIT:
            return ()
        panel = seated(opinions, weights)
        rulings: tuple[Ruling | Abstention, ...] = ()
        if self._policy.model:
            rulings = (await self._ask(self._judging(snapshot, panel, verdict), JUDGE),)
            verdict = bounded(verdict, rulings, self._policy, None)
        if self._validation and verdict.action is not Action.WAIT:
            asked = self._validating(snapshot, panel, verdict, self._validation)
            rulings = (*rulings, await self._ask(asked, VALIDATOR))
        return rulings

    async def _ask(self, question: Question[R], who: str) -> Ruling | Abstention:
        said = await self._model.ask(question)
        if isinstance(said, NoAnswer):
            return unheard(who, said)
        return ruling_of(said.value, said.voice, facts=facts_of(question.prompt.user))

    def _judging(self, snapshot: Snapshot, panel: str, verdict: Verdict) -> Question[JudgeAnswer]:
        return Question(
            purpose=JUDGE,
            about=snapshot.about or snapshot.symbol,
            model=self._policy.model,
            prompt=prompt(JUDGE, panel=panel, votes=proposed(verdict), **briefed(snapshot)),
            schema=JudgeAnswer,
            within=self._policy.answer_within,
            most_tokens=MOST_TOKENS,
        )

    def _validating(
        self, snapshot: Snapshot, panel: str, verdict: Verdict, policy: ValidationPolicy
    ) -> Question[ValidatorAnswer]:
        return Question(
            purpose=VALIDATOR,
            about=snapshot.about or snapshot.symbol,
            model=policy.model,
            prompt=prompt(VALIDATOR, panel=panel, votes=proposed(verdict), **briefed(snapshot)),
            schema=ValidatorAnswer,
            within=policy.answer_within,
            most_tokens=MOST_TOKENS,
        )


def seated(opinions: Sequence[Opinion | Abstention], weights: Mapping[str, int]) -> str:
    """Each voice with its weight, its side and how sure it is; in the order of the panel, without a word of theirs."""
    spoken = {o.persona: o for o in opinions if isinstance(o, Opinion)}
    return "\n".join(f"- {name}, weight {_weight(milli)}: {_vote(spoken.get(name))}" for name, milli in weights.items())


def _weight(milli: int) -> str:
    return f"{Decimal(milli) / 1000:f}"


def _vote(opinion: Opinion | None) -> str:
    return "no opinion" if opinion is None else f"{opinion.stance.value.upper()} {shown(opinion.confidence)}"


def proposed(verdict: Verdict) -> str:
    return f"{verdict.action.value.upper()}, confidence {shown(verdict.confidence)}"
