"""A plain answer put into words by a model, and held against it. Whatever goes wrong, the plain answer stands."""

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta

from bot.asking.checker import Facts, Refusal, checked
from bot.asking.growing import Said, Unsaid
from bot.asking.tokens import sentences
from bot.reach import Voices
from bot.surface import Card
from trading.asking import NoAnswer, Question, Strict
from trading.envelope import enveloped
from trading.prompting import prompt

log = logging.getLogger(__name__)

WITHIN = timedelta(seconds=30)
_TOKENS = 1024
_LINES = 60  # of an answer and of its evidence, that a model is given


class AskAnswer(Strict):
    sentences: str
    evidence: str  # "E1 E3"


async def phrased(
    voices: Voices, *, person: str, question: str, plain: Card, evidence: Sequence[str], facts: Facts
) -> Said | Unsaid:
    """`evidence`: the lines that [E#] refers to. `facts`: of both."""
    heard = await voices.model.ask(
        Question(
            purpose="ask",
            about=f"ask {person}",
            model=voices.words,
            prompt=prompt(
                "ask",
                question=enveloped("question", [question]),
                answer=enveloped("answer", [plain.title, *plain.body(), *plain.detail][:_LINES]),
                evidence=enveloped("evidence", evidence[:_LINES]),
            ),
            schema=AskAnswer,
            within=WITHIN,
            most_tokens=_TOKENS,
        )
    )
    if isinstance(heard, NoAnswer):
        return Unsaid(why=f"Not put into words: {heard.reason or heard.lack.value}.")
    fits = _fits(heard.value, facts)
    if isinstance(fits, Refusal):
        log.warning("words of %s did not fit the record: %s", heard.voice.model, fits)
        return Unsaid(why=f"The words of a model did not fit the record ({fits.why}): they are not shown.", unfit=True)
    return Said(sentences=sentences(fits), model=heard.voice.model or voices.words, cost=heard.voice.cost)


def _fits(answer: AskAnswer, facts: Facts) -> str | Refusal:
    unknown = next((key for key in _keys(answer.evidence) if key not in facts.evidence), "")
    if unknown:
        return Refusal(why="a fact that the record does not hold", what=unknown[:20])
    return checked(answer.sentences, facts)


def _keys(text: str) -> Iterable[str]:
    return (word.strip("[]") for word in text.replace(",", " ").split() if word.lower() not in ("none", "-"))
