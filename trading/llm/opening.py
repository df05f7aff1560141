"""A client that is slow to load: made once, in a thread, when it is first needed."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from trading.llm.provider import Unanswered
from trading.voice import Lack

PASSED = "the deadline passed before it could be asked"

T = TypeVar("T")


class Opening(Generic[T]):
    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: asyncio.Future[T] | None = None

    async def by(self, deadline: float) -> T:
        """`deadline`: of the loop's clock. What is being made goes on behind a deadline that has passed.

        Raises Unanswered: late, or it cannot be made; then it is tried anew the next time.
        """
        if self._made is None:
            self._made = asyncio.ensure_future(asyncio.to_thread(self._make))
        try:
            async with asyncio.timeout_at(deadline):
                return await asyncio.shield(self._made)
        except TimeoutError:
            raise Unanswered(Lack.LATE, PASSED, left=False) from None
        except Unanswered:
            self._made = None
            raise
        except Exception as error:  # noqa: BLE001 - an SDK's own words may hold the key
            self._made = None
            why = f"its client cannot be made ({type(error).__name__})"
            raise Unanswered(Lack.BAD_REQUEST, why, left=False) from None

    async def taken(self) -> T | None:
        """What was made, for whoever closes it; the next use makes another. None where there is none."""
        made, self._made = self._made, None
        if made is None:
            return None
        (found,) = await asyncio.gather(made, return_exceptions=True)
        return None if isinstance(found, BaseException) else found
