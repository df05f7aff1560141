"""Answers are in no outbox: they are tried again from where they are made, while somebody may still be waiting."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from bot.surface import ChatDown, ChatRefused

_Result = TypeVar("_Result")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    first: timedelta  # the pause before trying again, doubled up to ...
    longest: timedelta
    altogether: timedelta

    async def insist(self, say: Callable[[], Awaitable[_Result]], what: str) -> _Result | None:
        """What `say` returns; None when it was refused, or could not be delivered for too long: the log has it."""
        give_up = _now() + self.altogether.total_seconds()
        pause = self.first
        while True:
            try:
                return await say()
            except ChatRefused as error:
                log.warning("%s was refused: %s", what, error)
                return None
            except ChatDown as error:
                wait = pause.total_seconds() if error.retry_after is None else error.retry_after
                if _now() + wait > give_up:
                    log.warning("%s could not be delivered and is given up: %s", what, error)
                    return None
            await asyncio.sleep(wait)
            pause = min(pause * 2, self.longest)


def _now() -> float:
    return asyncio.get_running_loop().time()
