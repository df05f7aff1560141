"""What waits for one destination, in memory: a fresh alert is sent without asking the database for it first."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace

from storage.mail import Delivery, Outgoing

Read = Callable[[int], Awaitable[list[Outgoing]]]  # the first so many rows of the outbox


class Queue:
    """Either all that waits is here (`known`), or the outbox has to be asked.

    Rows arrive from two sides: read from the outbox, and handed over by the journal as they are committed. Ids rise
    with each commit, so a row that was read already is told by its id when it is handed over after that. A row that is
    `sending` from its commit on is handed over and never read: it stays here until it is sent.
    """

    def __init__(self, most: int) -> None:
        """`most`: rows kept in memory. What is more stays in the outbox until its turn."""
        self._most = most
        self._rows: dict[int, Outgoing] = {}
        self._newest = 0  # id of the newest row that was read or handed over
        self._meanwhile: list[Outgoing] | None = None  # handed over during a reading; None: there is none
        self._changes = 0  # of what cannot be seen from here
        self.known = False

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Outgoing]:
        return iter(self._rows.values())

    def hear(self, row: Outgoing) -> None:
        """It was committed just now."""
        if row.state is Delivery.SENDING:
            self._rows[row.id] = row
            return
        if row.id <= self._newest:
            return
        self._newest = row.id
        if self._meanwhile is not None:
            self._meanwhile.append(row)
        if self.known:
            self._rows[row.id] = row
            self._bound()

    def forget(self) -> None:
        """Something waits there that was not handed over."""
        self._changes += 1
        self._rows = self._begun()
        self.known = False

    async def fill(self, read: Read) -> None:
        """Ask the outbox, unless all is known."""
        if self.known:
            return
        heard: list[Outgoing] = []
        self._meanwhile = heard
        changes = self._changes
        try:
            rows = await read(self._most)
        finally:
            self._meanwhile = None
        newest = max((row.id for row in rows), default=0)
        self._rows = self._begun() | {row.id: row for row in rows}
        self.known = len(rows) < self._most and changes == self._changes
        self._newest = max(self._newest, newest)
        if self.known:
            self._rows |= {row.id: row for row in heard if row.id > newest}
            self._bound()

    def first(self) -> Outgoing | None:
        return min(self._rows.values(), key=_turn, default=None)

    def all(self) -> list[Outgoing]:
        return sorted(self._rows.values(), key=_turn)

    def take(self, ids: Iterable[int]) -> None:
        for id in ids:
            self._rows.pop(id, None)

    def give_back(self, rows: Iterable[Outgoing]) -> None:
        """They were not sent, and are pending again."""
        if self.known:
            self._rows |= {row.id: replace(row, state=Delivery.PENDING) for row in rows}

    def release(self) -> list[int]:
        """Ids of what was claimed and is not being sent after all."""
        ids = list(self._begun())
        self.take(ids)
        self.forget()
        return ids

    def _bound(self) -> None:
        if len(self._rows) > self._most:
            self.forget()

    def _begun(self) -> dict[int, Outgoing]:
        return {row.id: row for row in self._rows.values() if row.state is Delivery.SENDING}


def _turn(row: Outgoing) -> tuple[int, int]:
    return row.lane, row.id
