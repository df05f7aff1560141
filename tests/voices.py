"""A language model that answers from a script. Nobody thinks in here; every answer is synthetic, and read as strictly
as a real one."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from tests.builders import NOW
from trading.asking import A, Answer, NoAnswer, Question
from trading.strict import Misfit, read
from trading.voice import Basis, Exchange, Lack, Source, Voice, sha

PAGE = Source(title="example.org", url="https://example.org/news")
COST = Decimal("0.001")

Line = str | dict[str, Any] | Lack  # the text of an answer; its fields; why there is none
Scripts = Callable[[Question[Any]], Line | Awaitable[Line]]


class Scripted:
    """Implements the port LanguageModel. `script`: by purpose, or by the model's name, what is said, or what says it.

    `returned`: who says that it has answered, where that is not who was asked. `sources`: what a question with search
    leans on. Whoever is not in the script is off. `questions`: all that was asked, in order.
    """

    def __init__(
        self,
        script: Mapping[str, Line | Scripts],
        *,
        returned: Mapping[str, str] | None = None,
        sources: tuple[Source, ...] = (PAGE,),
        at: datetime = NOW,
    ) -> None:
        self.script = dict(script)
        self.returned = dict(returned or {})
        self.sources = sources
        self.at = at
        self.questions: list[Question[Any]] = []

    async def ask(self, question: Question[A]) -> Answer[A] | NoAnswer:
        self.questions.append(question)
        line = self.script.get(question.model, self.script.get(question.purpose, Lack.OFF))
        said = line(question) if callable(line) else line
        if isinstance(said, Awaitable):
            said = await said
        if isinstance(said, Lack):
            return self._lacks(question, said, text="")
        text = said if isinstance(said, str) else orjson.dumps(said).decode()
        if question.search and not self.sources:
            return self._lacks(question, Lack.UNGROUNDED, text=text)
        try:
            value = read(text, question.schema)
        except Misfit as misfit:
            return self._lacks(question, Lack.BROKEN, text=text, reason=misfit.reason)
        return Answer(value=value, voice=self._voice(question, text))

    def prompts(self, purpose: str) -> list[str]:
        """Each prompt of this purpose, whole."""
        return [f"{q.prompt.system}\n\n{q.prompt.user}" for q in self.questions if q.purpose == purpose]

    def _lacks(self, question: Question[Any], lack: Lack, *, text: str, reason: str = "") -> NoAnswer:
        if lack is Lack.OFF:  # nobody was there to be asked
            return NoAnswer(lack=lack, reason="no key")
        reason = reason or lack.value
        return NoAnswer(lack=lack, reason=reason, voice=self._voice(question, text, lack=lack, reason=reason))

    def _voice(self, question: Question[Any], text: str, *, lack: Lack | None = None, reason: str = "") -> Voice:
        returned = self.returned.get(question.model, question.model)
        prompt = f"{question.prompt.system}\n\n{question.prompt.user}"
        exchange = Exchange(
            id=len(self.questions),
            purpose=question.purpose,
            provider="script",
            requested=question.model,
            returned=returned,
            at=self.at,
            lack=lack,
            reason=reason,
            prompt=question.prompt.label,
            prompt_hash=sha(prompt.encode()),
            request=sha(prompt.encode()),
            response=sha(text.encode(errors="surrogatepass")) if text else "",
            status=200,
            cost=COST,
            basis=Basis.REPORTED,
        )
        sources = self.sources if question.search and lack is None else ()
        return Voice(model=returned, sources=sources, exchanges=(exchange,))
