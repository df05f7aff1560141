"""Requests of one chat are dealt with in their order, except for those that may not wait."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

_Result = TypeVar("_Result")
_Place = asyncio.Future[None]


class Lane:
    """First come, first served. A place is taken in the moment of the call, not when the event loop gets to it.

    `act` deals with a request, `answer` says what came of it: the next request does not wait for the saying.
    """

    def __init__(self) -> None:
        self._places: deque[_Place] = deque()

    async def in_order(
        self, act: Callable[[], Awaitable[_Result]], answer: Callable[[_Result], Awaitable[object]]
    ) -> None:
        place = self._take()
        result = await self._act(place, act)
        await answer(result)

    async def at_once(
        self, act: Callable[[], Awaitable[_Result]], answer: Callable[[_Result], Awaitable[object]]
    ) -> None:
        """Act now. Where others are waiting, act a second time in our own place, so that what was asked before a halt
        and is dealt with after it (a tap that resumes) cannot undo it. Only the first result is answered."""
        if len(self._places) <= 1:  # nobody, or only the one that is being dealt with
            await answer(await act())
            return
        place = self._take()

        async def first() -> None:
            await answer(await act())

        await asyncio.gather(first(), self._act(place, act))

    async def _act(self, place: _Place, act: Callable[[], Awaitable[_Result]]) -> _Result:
        try:
            if self._places[0] is not place:
                await place
            return await act()
        finally:
            self._leave(place)

    def _take(self) -> _Place:
        place = asyncio.get_running_loop().create_future()
        self._places.append(place)
        return place

    def _leave(self, place: _Place) -> None:
        self._places.remove(place)
        if self._places and not self._places[0].done():
            self._places[0].set_result(None)
