"""Positions closed at market without a desk, by the exchange's own size, and what became of it."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from bot.at_exchange import cancel_all
from bot.render.words import quote_of
from trading.errors import GavelError, OrderRejected, Transient, UnknownOutcome
from trading.identity import client_id
from trading.model import ZERO, ClientId, DecisionId, Direction, Leg, Order, OrderKind, Symbol, base_of
from trading.ports import Clock
from trading.venues.exchange.profile import Profile
from trading.venues.exchange.wire import Code, Execution, Held, Listing, Seen

LOOKS = (0.2, 0.3, 0.5, 1.0, 1.0, 2.0, 2.0, 3.0)  # seconds before each look for what became of an order
A_WHILE = timedelta(minutes=1)  # clocks differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """What became of one instrument. `faults`: what is not as it was asked for; empty where all is done."""

    symbol: Symbol
    direction: Direction
    asked: Decimal
    filled: Decimal = ZERO
    value: Decimal = ZERO  # sum of price x quantity of the fills that were read
    priced: Decimal = ZERO  # how much of it that is
    fee: Decimal = ZERO
    left: Decimal | None = ZERO  # still open; None: could not be read
    cancelled: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


async def close_all(profile: Profile, symbols: Sequence[Symbol], clock: Clock) -> tuple[Closed, ...]:
    """By the size that the exchange has of each now. What fails on one does not keep the others from being closed.

    Raises Transient, OrderRejected where the positions cannot be read: then nothing was sent.
    """
    held = [h for h in await profile.positions() if h.symbol in symbols]
    listings: Mapping[Symbol, Listing] = {}
    for quote in {quote_of(h.symbol) for h in held}:
        with suppress(GavelError):  # without, an order that is too large is refused, and that is said
            listings = {**listings, **await profile.listings([base_of(h.symbol) for h in held], quote)}
    closing = Closing(profile, clock, listings)
    return tuple([await closing.close(each) for each in held])


@dataclass(slots=True)
class Closing:
    """Closes positions at market, reduce-only: whatever is sent twice or late, it opens nothing."""

    profile: Profile
    clock: Clock
    listings: Mapping[Symbol, Listing] = field(default_factory=dict)

    async def close(self, held: Held) -> Closed:
        """Never raises what a venue raises: it is in `faults`."""
        since = self.clock.now() - A_WHILE
        faults: list[str] = []
        sent: list[Seen] = []
        for order in self._orders(held):
            try:
                sent.append(await self._sent(order))
            except OrderRejected as no:
                if no.code != Code.REDUCE_ONLY:  # it is closed already
                    faults.append(f"refused: {no}")
                break
            except Transient as failed:
                faults.append(f"not sent: {failed}")
                break
            except UnknownOutcome as failed:
                faults.append(f"whether the order {order.client_id} has arrived is not known: {failed}")
                break
        filled = sum((seen.filled for seen in sent), ZERO)
        fills = await self._fills(held.symbol, since, sent, filled)
        left, cancelled, more = await self._left(held)
        return Closed(
            symbol=held.symbol,
            direction=held.direction,
            asked=held.quantity,
            filled=filled,
            value=sum((fill.price * fill.quantity for fill in fills), ZERO),
            priced=sum((fill.quantity for fill in fills), ZERO),
            fee=sum((fill.fee for fill in fills), ZERO),
            left=left,
            cancelled=cancelled,
            faults=(*faults, *more),
        )

    def _orders(self, held: Held) -> list[Order]:
        """One, or several where the exchange takes no market order of that size."""
        listing = self.listings.get(held.symbol)
        most = listing.max_market if listing is not None else held.quantity
        now, rest = self.clock.now(), held.quantity
        found: list[Order] = []
        while rest > ZERO:
            quantity = min(rest, most)
            found.append(_market_order(held, quantity, now, len(found)))
            rest -= quantity
        return found

    async def _sent(self, order: Order) -> Seen:
        """Sent once. Where no answer comes it is looked for; raises UnknownOutcome where it is not found."""
        unanswered = ""
        try:
            seen: Seen | None = await self.profile.place(order, None)
        except UnknownOutcome as error:
            seen, unanswered = None, str(error)
        for pause in LOOKS:
            if seen is not None and seen.status.final:
                return seen
            await asyncio.sleep(pause)
            with suppress(Transient, OrderRejected):
                seen = await self.profile.find(order.symbol, order.client_id, conditional=False) or seen
        if seen is None:
            raise UnknownOutcome(unanswered)
        return seen

    async def _fills(self, symbol: Symbol, since: datetime, sent: Sequence[Seen], filled: Decimal) -> list[Execution]:
        """They may come a moment after the order says that it is filled."""
        ids = {seen.id for seen in sent} | {seen.client_id for seen in sent if seen.client_id}
        found: list[Execution] = []
        for pause in LOOKS[:4] if filled else ():
            with suppress(Transient, OrderRejected):
                every = await self.profile.executions(since, symbol)
                found = [fill for fill in every if fill.order in ids or (fill.client_id and fill.client_id in ids)]
            if sum((fill.quantity for fill in found), ZERO) >= filled:
                break
            await asyncio.sleep(pause)
        return found

    async def _left(self, held: Held) -> tuple[Decimal | None, tuple[str, ...], tuple[str, ...]]:
        """What is open there now; where that is nothing, all orders there are taken away. While something is open its
        stop stays."""
        try:
            there = [h for h in await self.profile.positions() if h.symbol == held.symbol]
            left = sum((h.quantity for h in there if h.direction is held.direction), ZERO)
            if there:
                return left, (), ()
            cancelled, faults = await cancel_all(self.profile, await self.profile.working(held.symbol))
            return left, cancelled, faults
        except GavelError as failed:
            return None, (), (f"what is left could not be read: {failed}",)


def _market_order(held: Held, quantity: Decimal, now: datetime, number: int) -> Order:
    shell = DecisionId(f"{base_of(held.symbol).lower()} {held.direction} {now.isoformat()}")
    id: ClientId = client_id("shell", shell, Leg.CLOSE, number)
    return Order(
        client_id=id,
        decision_id=shell,
        leg=Leg.CLOSE,
        symbol=held.symbol,
        side=held.direction.exit,
        kind=OrderKind.MARKET,
        quantity=quantity,
        created_at=now,
        reduce_only=True,
    )
