"""Checks the journal's hash chain, row by row, and names the first bad one."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, RowMapping, select

from storage.database import Database
from storage.journal import GENESIS, chain_head, row_hash
from storage.tables import JOURNAL

_BATCH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    rows: int
    head: str  # the last row's hash: two equal journals have equal heads


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """`seq` is the first row that cannot be trusted."""

    seq: int
    what: str


async def verify(database: Database) -> Verified | Broken:
    """Streams the whole chain in batches. It sees a changed, missing, added or moved row, and a cut-off end.

    It cannot see a chain that was computed anew from end to end: for that, keep a head somewhere else.
    """
    seq, prev = 0, GENESIS
    while True:
        rows, head = await database.read(partial(_batch, after=seq))
        if not rows:
            return _end(seq, prev, head)
        for row in rows:
            if fault := _fault(row, seq, prev):
                return fault
            seq, prev = row["seq"], row["hash"]


def _batch(connection: Connection, *, after: int) -> tuple[Sequence[RowMapping], tuple[int, str]]:
    """The next rows, and the chain's head at that same moment: the desk may be writing meanwhile."""
    found = select(JOURNAL).where(JOURNAL.c.seq > after).order_by(JOURNAL.c.seq).limit(_BATCH)
    return connection.execute(found).mappings().all(), chain_head(connection)


def _end(seq: int, prev: str, head: tuple[int, str]) -> Verified | Broken:
    if head[0] > seq:
        return Broken(seq=seq + 1, what=f"missing: the journal had {head[0]} rows")
    if head != (seq, prev):
        return Broken(seq=seq, what="not the row the journal ended with")
    return Verified(rows=seq, head=prev)


def _fault(row: RowMapping, before: int, prev: str) -> Broken | None:
    if row["seq"] != before + 1:
        return Broken(seq=before + 1, what=f"missing: the next row is {row['seq']}")
    if row["prev"] != prev:
        return Broken(seq=row["seq"], what=f"does not follow row {before}: moved, or that row was replaced")
    if row_hash(row) != row["hash"]:
        return Broken(seq=row["seq"], what="changed: its hash is not the hash of what it holds")
    return None
