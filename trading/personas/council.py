"""COUNCIL: several models judge one market, each for itself; enough of them that agree make a long.

They are asked at the same time, each with its own deadline. One that fails or is late is absent, never a vote, and
never in the way of the others. What the ballots come to is counted in council_count.py.
"""

import asyncio
import logging
from typing import Protocol

from trading.decision import Abstention, Opinion
from trading.errors import GavelError, NoEvidence
from trading.market.snapshot import Snapshot
from trading.personas.council_count import NAME, Absent, Answer, count
from trading.playbook import Seat

log = logging.getLogger(__name__)

GRACE = 2.0  # seconds beyond a model's own deadline: its own word of being late comes first, with what it has cost


class Ballots(Protocol):
    """Who votes. It stands here and not in ports.py because it is asked about a snapshot."""

    instant: bool  # answers without waiting for anything

    async def ask(self, model: str, snapshot: Snapshot) -> Answer:
        """Raises NoEvidence when this model has none, and has not been asked for one."""
        ...


class Council:
    """One seat for several models."""

    name = NAME

    def __init__(self, seat: Seat, ballots: Ballots, *, within: float | None = None) -> None:
        """`within`: seconds each model has; the seat's own deadline without it."""
        self.instant = ballots.instant
        self._seat = seat
        self._models = tuple(dict.fromkeys(seat.models))  # nobody votes twice
        self._ballots = ballots
        self._within = seat.answer_within.total_seconds() + GRACE if within is None else within

    async def opine(self, snapshot: Snapshot) -> Opinion | Abstention:
        answers = await self._answers(snapshot)
        return count(answers, at=snapshot.at, price=snapshot.quote.mark, seat=self._seat)

    async def _answers(self, snapshot: Snapshot) -> list[Answer]:
        if self.instant:  # a task costs more than the whole answer
            return [await self._ask(model, snapshot, within=None) for model in self._models]
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(self._ask(model, snapshot, within=self._within)) for model in self._models]
        return [task.result() for task in asked]

    async def _ask(self, model: str, snapshot: Snapshot, *, within: float | None) -> Answer:
        deadline = asyncio.timeout(within)
        try:
            async with deadline:
                return await self._ballots.ask(model, snapshot)
        except NoEvidence as lack:
            return Absent(model=model, reason=str(lack))
        except Exception as error:
            if deadline.expired():
                return Absent(model=model, reason=f"no answer within {within:g} s", failed=True)
            log.exception("%s failed on %s", model, snapshot.symbol)
            # Of errors that are not ours only the name: an SDK's message may hold a key, and this stands on a card.
            what = str(error) if isinstance(error, GavelError) else type(error).__name__
            return Absent(model=model, reason=f"failed: {what}", failed=True)
