"""A ledger in memory that can be told not to take what it is given, and to take its time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from trading.asking import Kept
from trading.errors import JournalUnwritable
from trading.voice import Exchange


@dataclass(slots=True, kw_only=True)
class Written:
    id: int
    at: datetime
    about: str
    purpose: str
    model: str
    cost: Decimal
    settled: bool = False


@dataclass(slots=True)
class MemoryLedger:
    lines: dict[int, Written] = field(default_factory=dict)
    kept: dict[str, bytes] = field(default_factory=dict)
    full: bool = False  # it takes nothing
    slow: asyncio.Event | None = None  # it waits for this before it takes anything

    async def reserve(self, exchange: Exchange, *, about: str) -> int:
        return await self._written(exchange, about, settled=False)

    async def settle(self, kept: Kept) -> None:
        await self._wait()
        line = self.lines[kept.exchange.id]
        line.cost, line.settled = kept.exchange.cost, True
        self.kept.update({body.sha: body.data for body in kept.bodies})

    async def keep(self, kept: Kept) -> int:
        self.kept.update({body.sha: body.data for body in kept.bodies})
        return await self._written(kept.exchange, kept.exchange.purpose, settled=True)

    async def spent(self, since: datetime) -> Sequence[Written]:
        return [line for line in self.lines.values() if line.at >= since]

    async def bodies(self, shas: Sequence[str]) -> dict[str, bytes]:
        return {key: self.kept[key] for key in shas if key in self.kept}

    async def _written(self, exchange: Exchange, about: str, *, settled: bool) -> int:
        await self._wait()
        id = len(self.lines) + 1
        self.lines[id] = Written(
            id=id,
            at=exchange.at,
            about=about,
            purpose=exchange.purpose,
            model=exchange.requested,
            cost=exchange.cost,
            settled=settled,
        )
        return id

    async def _wait(self) -> None:
        await (asyncio.sleep(0) if self.slow is None else self.slow.wait())
        if self.full:
            raise JournalUnwritable("the disk is full")
