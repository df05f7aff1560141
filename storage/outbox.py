"""The outbox: one row for each event and destination, written with the event itself, delivered at least once.

A row is `sending` before its request leaves, so that a crash in between is seen: after a restart it is pending again
with its attempts counted, and the chat is asked by key whether it has shown it already. Rows of a bundle are `held`
until they are told together as one card. Times here are wall time.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from storage import outbox_rows as rows
from storage.database import Database
from storage.mail import (
    DELIVERY_TRANSITIONS,
    SUMMED,
    Bundle,
    DeadLetter,
    Delivery,
    Lane,
    Outgoing,
    Overdue,
    Route,
    Together,
)
from storage.tables import OUTBOX
from trading.ports import Clock

__all__ = [
    "DELIVERY_TRANSITIONS",
    "SUMMED",
    "Bundle",
    "DeadLetter",
    "Delivery",
    "Lane",
    "Outbox",
    "Outgoing",
    "Overdue",
    "Route",
    "Together",
]


class Outbox:
    """Rows are added by the journal; this is what the delivery does with them. Every method is one transaction, but
    for `prune`. Each may raise JournalUnwritable or BadRecord."""

    def __init__(self, database: Database, wall: Clock) -> None:
        self._database = database
        self._wall = wall

    # --- one row after the other ----------------------------------------------------------------------------------

    async def pending(self, destination: str, limit: int) -> list[Outgoing]:
        """What is to be sent next: by lane, then in order."""
        return await self._database.read(partial(rows.pending, destination=destination, limit=limit))

    async def sending(self, ids: Sequence[int]) -> None:
        """Say before the request leaves that it may have left. Raises IllegalTransition."""
        await self._database.write(
            partial(rows.step, ids=ids, to=Delivery.SENDING, values={"attempts": OUTBOX.c.attempts + 1})
        )

    async def sent(self, id: int, reference: str) -> None:
        """`reference`: the platform's own name of the message, for later edits and replies."""
        await self.sent_all({id: reference})

    async def sent_all(self, references: Mapping[int, str]) -> None:
        """`sent` for many rows, id -> reference, in one transaction. Raises IllegalTransition: then for none."""
        now = self._wall.now()
        await self._database.write(partial(rows.sent_all, references=references, now=now))

    async def sent_together(self, ids: Sequence[int], reference: str, bundle: str) -> None:
        """They were told as one card of this bundle. It is nobody's thread: nothing will answer it."""
        values = {"reference": reference, "sent_at": self._wall.now(), "error": "", "bundle": bundle}
        await self._database.write(partial(rows.step, ids=ids, to=Delivery.SENT, values=values))

    async def put_back(self, ids: Sequence[int], error: str) -> None:
        """They were not sent: due again at once, those of a bundle with their bundle. It is the destination that
        pauses, never a single row, so that nothing overtakes it."""
        await self._database.write(partial(rows.put_back, ids=ids, error=error))

    async def give_up(self, ids: Sequence[int], error: str) -> None:
        values = {"error": error, "sent_at": self._wall.now()}
        await self._database.write(partial(rows.step, ids=ids, to=Delivery.DEAD, values=values))

    async def unfinished(self) -> list[int]:
        """At start: rows whose request may have left when the last process ended are put back. Their ids."""
        return await self._database.write(rows.recover)

    async def depth(self) -> dict[str, tuple[int, datetime]]:
        """By destination: how many are not delivered yet, and since when the oldest waits. Not those that are held."""
        return await self._database.read(rows.depth)

    # --- many as one ----------------------------------------------------------------------------------------------

    async def crowd(self, destination: str, limit: int, newest: int) -> Together | None:
        """What waits there and may be told as one card, at most `limit` of it; None for nothing."""
        return await self._database.read(partial(rows.crowd, destination=destination, limit=limit, newest=newest))

    async def hold(self, ids: Sequence[int], bundle: str, until: datetime) -> None:
        """Not now: `bundle` is told at `until`."""
        values = {"bundle": bundle, "next_try_at": until}
        await self._database.write(partial(rows.step, ids=ids, to=Delivery.HELD, values=values))

    async def held(self) -> list[Bundle]:
        """Every bundle of every destination."""
        return await self._database.read(rows.held)

    async def bundle(self, destination: str, bundle: str, limit: int, newest: int) -> Together | None:
        """The oldest `limit` rows of a bundle; None for nothing."""
        return await self._database.read(
            partial(rows.bundle, destination=destination, name=bundle, limit=limit, newest=newest)
        )

    # --- threads, and what has gone wrong -------------------------------------------------------------------------

    async def thread(self, destination: str, thread: str) -> str:
        """The reference of a thread's first message there; "" where there is none."""
        return await self._database.read(partial(rows.thread, destination=destination, thread=thread))

    async def overdue(self, before: datetime) -> list[Overdue]:
        """Critical rows that were queued before that and are not confirmed; not those that stand in for another."""
        return await self._database.read(partial(rows.overdue, before=before))

    async def hand_over(self, row: Overdue, to: Sequence[str]) -> list[str]:
        """Queue it for these destinations too. Returns those that did not have it yet."""
        return await self._database.write(partial(rows.hand_over, row=row, to=to))

    async def dead(self, n: int) -> list[DeadLetter]:
        """Messages that were refused for good, the newest first."""
        return await self._database.read(partial(rows.dead, n=n))

    async def prune(self, before: datetime) -> int:
        """Forget what was queued before that and is delivered, but for threads that are still open: their first
        message is answered yet. Page by page, so that no transaction is long. Returns how many rows went."""
        gone, after = 0, 0
        while True:
            page = await self._database.read(partial(rows.page, after=after, before=before))
            if page.delivered:
                gone += await self._database.write(partial(rows.forget, ids=page.delivered))
            if page.last is None:
                return gone
            after = page.last
