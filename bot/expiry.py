"""Questions that are over lose their buttons: the message says what became of them."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from bot.render.standing import over_card
from bot.render.words import RenderContext
from bot.surface import Chat, ChatDown, ChatRefused
from storage.confirmations import Lapsed
from trading.errors import GavelError

log = logging.getLogger(__name__)


class Questions(Protocol):
    """See storage/confirmations.py."""

    async def lapsed(self) -> Sequence[Lapsed]: ...

    async def greyed(self, token: str) -> None: ...


class Expiry:
    """`about`: how cards are dressed at a destination; `name`: what a person is called."""

    def __init__(
        self,
        *,
        questions: Questions,
        chats: Mapping[str, Chat],
        about: Callable[[str], RenderContext],
        name: Callable[[str], str] = str,
    ) -> None:
        self._questions = questions
        self._chats = chats
        self._about = about
        self._name = name

    async def sweep(self) -> None:
        """For the wall scheduler, every few seconds. Raises nothing; what cannot be done now is done next time."""
        try:
            for question in await self._questions.lapsed():
                if await self._grey(question):
                    await self._questions.greyed(question.token)
        except GavelError as error:
            log.warning("questions that are over keep their buttons: %s", error)

    async def _grey(self, question: Lapsed) -> bool:
        """False: its chat is down. One that is gone, or too old to be edited, has nothing left to press."""
        chat = self._chats.get(question.destination.partition(":")[0])
        if chat is None:
            return True
        card = over_card(
            question.summary,
            question.command,
            question.outcome.removeprefix("already "),
            by=self._name(question.by),
            at=question.at,
            about=self._about(question.destination),
        )
        try:
            await chat.edit(question.destination, question.reference, card)
        except ChatDown:
            return False
        except ChatRefused as error:
            log.info("a question in %s keeps its buttons: %s", question.destination, error)
        return True
