"""What models have cost, and the bytes of every exchange with one, in the database. Wall time."""

import logging
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Executable, Row, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from storage.database import Database
from storage.tables import BODIES, EXCHANGES
from trading.asking import Kept
from trading.errors import BadRecord
from trading.voice import Basis, Body, Exchange, sha

log = logging.getLogger(__name__)

_BATCH = 500  # keys in one statement
_COLUMNS = [EXCHANGES.c[name] for name in ("id", "at", "about", "purpose", "requested", "cost", "settled")]
_SPENT = select(*_COLUMNS).where(EXCHANGES.c.at >= bindparam("since")).order_by(EXCHANGES.c.id)
_HELD = select(BODIES.c.sha, BODIES.c.data).where(BODIES.c.sha.in_(bindparam("shas", expanding=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpentLine:
    """One line of the ledger, the port's Spent. `model`: the one that was asked."""

    id: int
    at: datetime
    about: str
    purpose: str
    model: str
    cost: Decimal
    settled: bool


class SqlLedger:
    """The port Ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(self, exchange: Exchange, *, about: str) -> int:
        row = {**_row(exchange), "about": about, "settled": False}
        return await self._database.write(lambda connection: _inserted(connection, row))

    async def settle(self, kept: Kept) -> None:
        """Raises BadRecord for an exchange that was never reserved; then nothing of it is written."""
        await self._database.write(lambda connection: _settle(connection, kept))

    async def keep(self, kept: Kept) -> int:
        """`about` is its purpose: it belongs to no decision alone."""
        row = {**_row(kept.exchange), "about": kept.exchange.purpose, "settled": True}

        def work(connection: Connection) -> int:
            _add_bodies(connection, kept.bodies, kept.exchange.at)
            return _inserted(connection, row)

        return await self._database.write(work)

    async def spent(self, since: datetime) -> Sequence[SpentLine]:
        return await self._database.read(
            lambda connection: [_spent(row) for row in connection.execute(_SPENT, {"since": since})]
        )

    async def bodies(self, shas: Sequence[str]) -> dict[str, bytes]:
        """One whose bytes are not what its key says is left out, as if it were gone."""
        return await self._database.read(lambda connection: dict(_held(connection, shas)))

    async def as_kept(self, shas: Sequence[str]) -> dict[str, bytes]:
        """Likewise, whatever the bytes are now: for whoever looks whether they are still those that were written."""

        def work(connection: Connection) -> dict[str, bytes]:
            found = _rows(connection, shas)
            return {key: packed if (data := _unpacked(packed)) is None else data for key, packed in found}

        return await self._database.read(work)

    async def prune(self, before: datetime) -> int:
        """Forget the bytes of older exchanges; what they cost stays. Returns how many bodies went."""
        old = delete(BODIES).where(BODIES.c.at < before)
        return await self._database.write(lambda connection: connection.execute(old).rowcount)


def _row(exchange: Exchange) -> dict[str, Any]:
    """Every column but `id`, `about` and `settled`."""
    row = {c.name: getattr(exchange, c.name) for c in EXCHANGES.columns if c.name not in ("id", "about", "settled")}
    return {**row, "lack": "" if exchange.lack is None else exchange.lack.value, "basis": Basis(exchange.basis).value}


def _inserted(connection: Connection, row: dict[str, Any]) -> int:
    key = connection.execute(insert(EXCHANGES), row).inserted_primary_key
    assert key is not None  # there always is one where a row was inserted
    return int(key[0])


def _settle(connection: Connection, kept: Kept) -> None:
    exchange = kept.exchange
    row = {**_row(exchange), "settled": True}
    done = connection.execute(update(EXCHANGES).where(EXCHANGES.c.id == exchange.id).values(row))
    if done.rowcount != 1:
        raise BadRecord(f"exchange {exchange.id} was never reserved")
    _add_bodies(connection, kept.bodies, exchange.at)


def _add_bodies(connection: Connection, bodies: Iterable[Body], at: datetime) -> None:
    rows = [{"sha": body.sha, "data": zlib.compress(body.data, 6), "size": len(body.data), "at": at} for body in bodies]
    if rows:
        connection.execute(_unless_there(connection.dialect.name), rows)


def _unless_there(dialect: str) -> Executable:
    """The same bytes may cross the wire again: they are kept once, as long as their newest use asks for."""
    new = (postgresql if dialect == "postgresql" else sqlite).insert(BODIES)
    newest: Executable = new.on_conflict_do_update(index_elements=[BODIES.c.sha], set_={"at": new.excluded.at})
    return newest


def _held(connection: Connection, shas: Sequence[str]) -> Iterable[tuple[str, bytes]]:
    for key, packed in _rows(connection, shas):
        data = _unpacked(packed)
        if data is not None and sha(data) == key:
            yield key, data
        else:
            log.error("the bytes kept under %s are not those that were written", key)


def _rows(connection: Connection, shas: Sequence[str]) -> Iterable[tuple[str, bytes]]:
    wanted = list(dict.fromkeys(shas))
    for start in range(0, len(wanted), _BATCH):
        found = connection.execute(_HELD, {"shas": wanted[start : start + _BATCH]})
        yield from ((row.sha, row.data) for row in found)


def _unpacked(packed: bytes) -> bytes | None:
    try:
        return zlib.decompress(packed)
    except zlib.error:
        return None


def _spent(row: Row[Any]) -> SpentLine:
    return SpentLine(
        id=row.id,
        at=row.at,
        about=row.about,
        purpose=row.purpose,
        model=row.requested,
        cost=row.cost,
        settled=row.settled,
    )
