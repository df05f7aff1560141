"""A venue whose every call is timed with the desk's own clock: what the circuit breaker's latency is measured from."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar

from trading.messages import OrderReport, VenueUpdate
from trading.model import (
    Balance,
    ClientId,
    Fill,
    FundingPayment,
    Holding,
    Instrument,
    Order,
    Position,
    Protection,
    Symbol,
)
from trading.ports import Clock, Venue

T = TypeVar("T")
_MICROSECOND = timedelta(microseconds=1)


class TimedVenue:
    """The Venue port around another one. `note` is told the seconds of each call, of failed ones too."""

    def __init__(self, venue: Venue, *, clock: Clock, note: Callable[[Decimal], None]) -> None:
        self.name = venue.name
        self.lag = venue.lag
        self.arrives_within = venue.arrives_within
        self._venue = venue
        self._clock = clock
        self._note = note

    async def instruments(self) -> dict[Symbol, Instrument]:
        return await self._timed(self._venue.instruments())

    async def beginning(self) -> str:
        return await self._timed(self._venue.beginning())

    async def submit(self, order: Order, protection: Protection | None = None) -> OrderReport:
        return await self._timed(self._venue.submit(order, protection))

    async def amend(self, symbol: Symbol, client_id: ClientId, *, trigger: Decimal) -> OrderReport:
        return await self._timed(self._venue.amend(symbol, client_id, trigger=trigger))

    async def protect(self, position: Position) -> None:
        await self._timed(self._venue.protect(position))

    async def cancel(self, symbol: Symbol, client_id: ClientId) -> None:
        await self._timed(self._venue.cancel(symbol, client_id))

    async def order(self, symbol: Symbol, client_id: ClientId) -> OrderReport | None:
        return await self._timed(self._venue.order(symbol, client_id))

    async def open_orders(self, symbol: Symbol | None = None) -> tuple[OrderReport, ...]:
        return await self._timed(self._venue.open_orders(symbol))

    async def positions(self) -> tuple[Holding, ...]:
        return await self._timed(self._venue.positions())

    async def balance(self) -> Balance:
        return await self._timed(self._venue.balance())

    async def fills(self, after: str, symbol: Symbol | None = None) -> tuple[Fill, ...]:
        return await self._timed(self._venue.fills(after, symbol))

    async def funding(self, after: str) -> tuple[FundingPayment, ...]:
        return await self._timed(self._venue.funding(after))

    def listen(self, receive: Callable[[VenueUpdate], None]) -> None:
        self._venue.listen(receive)

    async def _timed(self, call: Awaitable[T]) -> T:
        began = self._clock.now()
        try:
            return await call
        finally:
            self._note(Decimal((self._clock.now() - began) // _MICROSECOND) / 1_000_000)
