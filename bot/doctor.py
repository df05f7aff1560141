"""The self-check: exchange, account, chats, models, database. For `gavel doctor`, the start of live, and /health.

    doctor = Doctor.of(settings, ...)
    found = await doctor.look()

Each line says ok, warning or error, and how to mend it. It only reads, and no secret is in what it says.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bot.doctor_account import Books
from bot.doctor_house import house_looks
from bot.doctor_looks import Found, Look, bounded
from bot.redaction import Redactor
from bot.settings import Settings
from trading.ports import Clock
from trading.venues.exchange.wire import Finding, Grade

if TYPE_CHECKING:  # it loads a whole network library
    from bot.doctor_market import Checkup
    from trading.desk import Desk

CHECKED_EVERY = timedelta(minutes=10)
WHOLE = 45.0  # seconds for a part, whose looks are bounded one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """`often`: looked at again while the desk runs; what /health shows from elsewhere is not."""

    look: Look
    often: bool = True


class Doctor:
    """Implements reach.Doctor. `found` is the newest of each part, and empty before the first look."""

    def __init__(self, parts: Mapping[str, Part], *, redactor: Redactor, checkup: "Checkup | None" = None) -> None:
        self._parts = parts
        self._checkup = checkup
        self._redactor = redactor
        self._found: dict[str, Found] = {}

    @classmethod
    def of(cls, settings: Settings, *, directory: Path, market: "Checkup | Look | None", wall: Clock) -> "Doctor":
        """`market`: the exchange's part, or what stands for it; None: the market is simulated. `directory`: the desk's
        own."""
        look = market if market is None or callable(market) else market.look
        parts = {"market": Part(look=look or _simulated)}
        parts["house"] = Part(look=house_looks(directory))
        parts["people"] = Part(look=partial(_people, settings, directory, wall), often=False)
        checkup = None if market is None or callable(market) else market
        return cls(parts, redactor=Redactor(settings.secrets), checkup=checkup)

    def follow(self, desk: "Desk") -> None:
        """From now on this desk says what is its own."""
        if self._checkup is not None:
            self._checkup.playbook = lambda: desk.playbook
            self._checkup.books = partial(_books_of, desk)

    @property
    def found(self) -> Found:
        return tuple(finding for name in self._parts for finding in self._found.get(name, ()))

    async def look(self) -> Found:
        await self._at(self._parts)
        return self.found

    async def refresh(self) -> None:
        """For the wall scheduler: what may change while the desk runs."""
        await self._at(name for name, part in self._parts.items() if part.often)

    async def _at(self, names: Iterable[str]) -> None:
        wanted = {name: self._parts[name].look for name in names}
        found = await asyncio.gather(*(bounded(name, look, patience=WHOLE) for name, look in wanted.items()))
        self._found |= {name: tuple(map(self._clean, each)) for name, each in zip(wanted, found, strict=True)}

    def _clean(self, finding: Finding) -> Finding:
        clean = self._redactor.text
        return replace(finding, detail=clean(finding.detail), mend=clean(finding.mend))


async def _people(settings: Settings, directory: Path, wall: Clock) -> Found:
    from bot.doctor_people import people_looks  # here: it loads what speaks to them, and a start on paper needs none

    return await people_looks(settings, directory, wall)()


async def _simulated() -> Found:
    return (Finding(name="market", grade=Grade.OK, detail="simulated: there is no exchange to look at"),)


async def _books_of(desk: "Desk") -> Books:
    return Books.of(desk.book.positions.values(), desk.book.orders.values())
