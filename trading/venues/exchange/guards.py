"""Stops and targets at an exchange: found, placed where one is missing, moved without a naked moment, taken away."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal

from trading.errors import GavelError, OrderRejected, Transient, UnknownOutcome
from trading.model import ClientId, Direction, Leg, Order, OrderKind, Position, Protection, Symbol
from trading.ports import Clock
from trading.venues.exchange.ids import generation
from trading.venues.exchange.matching import Matching
from trading.venues.exchange.profile import Profile
from trading.venues.exchange.wire import Code, Seen

log = logging.getLogger(__name__)

ANSWERS_WITHIN = 2.0  # seconds
APPEARS_WITHIN = timedelta(seconds=4)  # a guard that rides on an entry: after that it is placed by hand
Level = tuple[Leg, Decimal, ClientId]
LEGS = {OrderKind.STOP: Leg.STOP, OrderKind.TAKE_PROFIT: Leg.TARGET}


class Guards:
    def __init__(self, profile: Profile, matching: Matching, clock: Clock) -> None:
        self._profile = profile
        self._matching = matching
        self._clock = clock
        self._turn: defaultdict[Symbol, asyncio.Lock] = defaultdict(asyncio.Lock)  # one change at a time

    async def hang(self, entry: Order, protection: Protection, filled: Decimal) -> None:
        """Place both for what an entry has filled. The read-back decides: what goes wrong here is only said."""
        async with self._turn[entry.symbol]:
            for error in await self._place(entry.symbol, entry.direction, filled, _levels(protection)):
                log.warning("the protection of %s is not placed yet: %s", entry.client_id, error)

    async def complete(self, position: Position) -> None:
        """Place what is missing. Where guards ride on the entry, they have a moment to appear first."""
        young = self._clock.now() - position.opened_at < APPEARS_WITHIN
        if self._profile.attaches and young:
            return
        async with self._turn[position.symbol]:
            there = await self.standing(position.symbol)
            missing = [level for level in _levels(position.protection) if level[2] not in there]
            errors = await self._place(position.symbol, position.direction, position.quantity, missing)
        # The one that closes the position is said first.
        for error in sorted(errors, key=lambda e: getattr(e, "code", "") != Code.TRIGGERS):
            raise error

    async def _place(
        self, symbol: Symbol, direction: Direction, quantity: Decimal, levels: Iterable[Level]
    ) -> list[GavelError]:
        """All of them at once: one that hangs keeps no other one waiting. Returns what went wrong."""
        placing = (self._place_one(symbol, direction, quantity, level) for level in levels)
        return [error for error in await asyncio.gather(*placing) if error is not None]

    async def _place_one(
        self, symbol: Symbol, direction: Direction, quantity: Decimal, level: Level
    ) -> GavelError | None:
        """One that is not answered soon is given up: whether it stands is read, and it may be placed again, because the
        exchange takes each of them once."""
        leg, trigger, client_id = level
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                await self._profile.guard(symbol, direction, quantity, leg, trigger, client_id)
        except TimeoutError:
            return UnknownOutcome(f"the {leg.value} {client_id} was not answered within {ANSWERS_WITHIN:g} s")
        except OrderRejected as error:
            # It is there, and not shown yet.
            return None if error.code in (Code.EXISTS, Code.DUPLICATE, Code.UNCHANGED) else error
        except (Transient, UnknownOutcome) as error:
            return error
        return None

    async def standing(self, symbol: Symbol) -> dict[ClientId, Seen]:
        return self._matching.newest(s for s in await self._profile.working(symbol) if s.kind in LEGS)

    async def move(self, symbol: Symbol, client_id: ClientId, trigger: Decimal) -> Seen:
        """Returns the guard as it stood before. Raises OrderRejected (Code.GONE) where there is none."""
        async with self._turn[symbol]:
            found = await self._profile.working(symbol)
            standing = self._matching.newest(s for s in found if s.kind in LEGS).get(client_id)
            if standing is None:
                raise OrderRejected(f"{client_id} does not stand on {symbol}", code=Code.GONE)
            await self._tidy(found)
            if standing.trigger != trigger:
                held = [p for p in await self._profile.positions() if p.symbol == symbol]
                direction = standing.closes or (held[0].direction if held else None)
                if direction is None:
                    raise OrderRejected(f"nothing is open on {symbol}", code=Code.GONE)
                await self._profile.move(symbol, direction, LEGS[standing.kind], standing, trigger)
            return standing

    async def _tidy(self, found: Sequence[Seen]) -> None:
        """Take away a guard that another one has replaced, where its cancellation was lost."""
        newest = self._matching.newest(found)
        for seen in found:
            id = self._matching.client_id(seen)
            if newest[id] is not seen and generation(seen.client_id) < generation(newest[id].client_id):
                await self.cancel(seen)

    async def tidy(self, symbol: Symbol) -> None:
        async with self._turn[symbol]:
            await self._tidy(await self._profile.working(symbol))

    async def cancel(self, seen: Seen) -> None:
        try:
            await self._profile.cancel(seen)
        except OrderRejected as error:
            if error.code != Code.GONE:
                raise


def _levels(protection: Protection) -> tuple[Level, Level]:
    return (
        (Leg.STOP, protection.stop, protection.stop_id),
        (Leg.TARGET, protection.target, protection.target_id),
    )
