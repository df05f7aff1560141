"""Under which terms an instrument is traded: one-way, isolated, the leverage that was decided. Set, and read back."""

from collections.abc import Awaitable
from contextlib import suppress
from datetime import datetime, timedelta

from trading.errors import OrderRejected, Transient, UnknownOutcome
from trading.model import Symbol
from trading.ports import Clock
from trading.venues.exchange.profile import Profile
from trading.venues.exchange.wire import Code, Margin
from trading.venues.exchange.wire import Terms as Read

GOOD_FOR = timedelta(minutes=10)  # somebody may change them in the exchange's own app


class Terms:
    def __init__(self, profile: Profile, clock: Clock) -> None:
        self._profile = profile
        self._clock = clock
        self._known: dict[Symbol, tuple[Read, datetime]] = {}

    def forget(self, symbol: Symbol | None = None) -> None:
        """Read again before the next entry; None: of every instrument."""
        if symbol is None:
            self._known.clear()
        else:
            self._known.pop(symbol, None)

    async def prepare(self, symbol: Symbol, leverage: int) -> None:
        """Raises OrderRejected where the terms cannot be had, Transient where they could not be read: nothing is sent
        under terms that were not seen."""
        known = self._known.get(symbol)
        fresh = known is not None and self._clock.now() - known[1] < GOOD_FOR
        if known is not None and fresh and not _faults(known[0], leverage):
            return
        try:
            terms = await self._read(symbol)
            if _faults(terms, leverage):
                await self._set(symbol, terms, leverage)
                terms = await self._read(symbol)
        except UnknownOutcome as error:
            raise Transient(f"the terms of {symbol} are not known: {error}") from error
        faults = _faults(terms, leverage)
        if faults:
            raise OrderRejected("; ".join(faults), code=Code.LEVERAGE if terms.one_way else Code.MODE)

    async def _read(self, symbol: Symbol) -> Read:
        self._known.pop(symbol, None)
        terms = await self._profile.terms(symbol)
        self._known[symbol] = terms, self._clock.now()
        return terms

    async def _set(self, symbol: Symbol, terms: Read, leverage: int) -> None:
        if not terms.one_way:
            await _unless_so(self._profile.set_one_way(symbol))
        if terms.margin is not Margin.ISOLATED:
            await _unless_so(self._profile.set_isolated(symbol, leverage))
        if terms.leverage != leverage:
            await _unless_so(self._profile.set_leverage(symbol, leverage))


async def _unless_so(change: Awaitable[None]) -> None:
    """What is so already is a success; what became of a change whose answer was lost is read back."""
    with suppress(UnknownOutcome):
        try:
            await change
        except OrderRejected as error:
            if error.code != Code.UNCHANGED:
                raise


def _faults(terms: Read, leverage: int) -> list[str]:
    faults = []
    if not terms.one_way:
        faults.append("the account is not in one-way mode for this instrument")
    if terms.margin is not Margin.ISOLATED:
        faults.append("the margin mode is cross, and isolated is what the desk's limits count on")
    if terms.leverage != leverage:
        faults.append(f"the leverage is {terms.leverage or 'not the same on both sides'}, {leverage} was wanted")
    return faults
