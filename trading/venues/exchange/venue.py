"""The Venue port over one exchange: sends once, looks up what was not answered, and shows the desk its own orders.

An order leaves once. Where its answer does not come, it is looked for by our id while the request is still open, so
that a position is guarded in time; what stays unknown is the desk's to look up again (trading/sending.py). Reads are
the truth; the streams (listening.py) only say when to read.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from trading.errors import NoEvidence, OrderRejected, Transient, UnknownOutcome
from trading.messages import OrderReport, VenueUpdate
from trading.model import (
    ZERO,
    Balance,
    ClientId,
    Fill,
    FundingPayment,
    Holding,
    Instrument,
    Order,
    OrderStatus,
    Position,
    Protection,
    Quote,
    Symbol,
)
from trading.ports import Clock
from trading.venues.exchange.guards import Guards
from trading.venues.exchange.ids import following, leg_of
from trading.venues.exchange.limiter import urgently
from trading.venues.exchange.matching import Intents, Matching
from trading.venues.exchange.profile import Profile
from trading.venues.exchange.records import LAG, Records
from trading.venues.exchange.terms import Terms
from trading.venues.exchange.wire import Code, Listing, Seen
from trading.venues.order_checks import TRIGGERED, check_protection, check_size, check_terms

log = logging.getLogger(__name__)

ANSWERS_WITHIN = 3.0  # seconds; then the order is looked for, while its request is still open
LOOKS_EVERY = 1.0
READ_WITHIN = 2.0  # what works on an instrument: who waits longer for it looks again
SWEPT_FOR = timedelta(seconds=45)  # an instrument that was seen without orders is taken to be without for so long

Listings = Callable[[], dict[Symbol, Listing]]
Quotes = Callable[[Symbol], Quote]


class ExchangeVenue:
    """`listings` come from whoever reads the market, and may change; `quotes` raises NoEvidence without a fresh one."""

    lag = LAG

    def __init__(self, profile: Profile, *, listings: Listings, quotes: Quotes, clock: Clock) -> None:
        self.name = profile.name
        self.arrives_within = profile.clock_window + timedelta(seconds=5)
        self.profile = profile
        self.terms = Terms(profile, clock)
        self._listings = listings
        self._quotes = quotes
        self._clock = clock
        self._matching = Matching()
        self._guards = Guards(profile, self._matching, clock)
        self._records = Records(profile, self._matching, clock)
        self._receive: Callable[[VenueUpdate], None] | None = None
        self._swept: dict[Symbol, datetime] = {}

    def follow(self, intents: Intents) -> None:
        """Whose orders these are: guards that the exchange names itself are told apart by it."""
        self._matching.intents = intents

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        return tuple(self._listings())

    # --- sending ------------------------------------------------------------------------------------------------

    async def submit(self, order: Order, protection: Protection | None = None) -> OrderReport:
        """Codes of an OrderRejected: wire.Code, order_checks."""
        if self._matching.was_sent(order.client_id):
            raise OrderRejected(f"{order.client_id} was sent already", code=Code.DUPLICATE)
        listing = self._listing(order.symbol)
        quote = await self._quote(order.symbol)
        _check(order, protection, listing, quote)
        if not order.reduce_only:
            await self._sweep_before(order.symbol)  # first: terms cannot be changed while an order stands
            await self.terms.prepare(order.symbol, order.leverage)
        rides = protection if self.profile.attaches else None
        self._matching.note(order, protection)
        self._swept.pop(order.symbol, None)
        try:
            seen = await self._placed(order, rides)
        except OrderRejected as error:
            if error.code != Code.DUPLICATE:
                self._matching.forget(order)
            if error.code in (Code.LEVERAGE, Code.MODE):
                self.terms.forget(order.symbol)
            raise
        except Transient:
            self._matching.forget(order)
            raise
        if protection is not None and rides is None and seen.filled:
            await self._guards.hang(order, protection, seen.filled)
        return self._matching.report(seen, at=self._clock.now())

    async def _placed(self, order: Order, rides: Protection | None) -> Seen:
        """Send it, once; where no answer comes, see whether it has arrived before the request gives up."""
        sending = asyncio.ensure_future(self.profile.place(order, rides))
        try:
            done, _ = await asyncio.wait({sending}, timeout=ANSWERS_WITHIN)
            while not done:
                found = await self._arrived(order)
                if found is not None:
                    return found
                done, _ = await asyncio.wait({sending}, timeout=LOOKS_EVERY)
            return sending.result()
        except UnknownOutcome:
            found = await self._arrived(order)
            if found is None:
                raise
            return found
        finally:
            if not sending.done():
                sending.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await sending

    async def _arrived(self, order: Order) -> Seen | None:
        """The order as the exchange has it; None: not seen, which says nothing."""
        try:
            with urgently():
                return await self.profile.find(order.symbol, order.client_id, conditional=order.kind in TRIGGERED)
        except (Transient, OrderRejected) as error:
            log.info("%s could not be looked up yet: %s", order.client_id, error)
            return None

    async def _sweep_before(self, symbol: Symbol) -> None:
        """No entry meets what an earlier position has left behind."""
        swept = self._swept.get(symbol)
        if swept is not None and self._clock.now() - swept < SWEPT_FOR:
            return
        try:
            for seen in await self.profile.working(symbol):
                log.warning("cancelling a leftover on %s before the entry: %s", symbol, seen.client_id or seen.id)
                await self._guards.cancel(seen)
        except UnknownOutcome as error:
            raise Transient(f"leftovers on {symbol} may still be there: {error}") from error
        self._swept[symbol] = self._clock.now()

    async def amend(self, symbol: Symbol, client_id: ClientId, *, trigger: Decimal) -> OrderReport:
        with urgently():
            stood = await self._guards.move(symbol, client_id, trigger)
        return self._matching.report(replace(stood, trigger=trigger), at=self._clock.now(), whole=stood.quantity)

    async def protect(self, position: Position) -> None:
        with urgently():
            await self._guards.complete(position)

    async def cancel(self, symbol: Symbol, client_id: ClientId) -> None:
        with urgently():
            for seen in await self.profile.working(symbol):
                if self._matching.client_id(seen) == client_id:
                    await self._guards.cancel(seen)

    # --- reading ------------------------------------------------------------------------------------------------

    async def instruments(self) -> dict[Symbol, Instrument]:
        return {symbol: _capped(listing) for symbol, listing in self._listings().items() if listing.tradable}

    async def beginning(self) -> str:
        return self._records.beginning

    async def order(self, symbol: Symbol, client_id: ClientId) -> OrderReport | None:
        with urgently():
            return await self._looked_up(symbol, client_id)

    async def _looked_up(self, symbol: Symbol, client_id: ClientId) -> OrderReport | None:
        seen = await self._shown(symbol, client_id)
        return None if seen is None else await self._report(seen)

    async def exchange_id(self, symbol: Symbol, client_id: ClientId) -> str:
        """The exchange's own id of an order of ours; "" where it does not know it."""
        seen = await self._shown(symbol, client_id)
        return "" if seen is None else seen.id

    async def _shown(self, symbol: Symbol, client_id: ClientId) -> Seen | None:
        leg = leg_of(client_id)
        guard = leg is not None and leg.value in ("stop", "target")
        seen = (await self._guards.standing(symbol)).get(client_id) if guard else None
        seen = seen or await self.profile.find(symbol, client_id, conditional=guard)
        while guard and seen is not None and seen.client_id and seen.status is OrderStatus.CANCELLED:
            later = await self.profile.find(symbol, following(seen.client_id), conditional=True)
            if later is None:
                break
            seen = later  # it was replaced: what became of the one that stands for it now counts
        return seen

    async def open_orders(self, symbol: Symbol | None = None) -> tuple[OrderReport, ...]:
        if symbol is not None:
            return await self._open_on(symbol)
        now = self._clock.now()
        found = await self.profile.working(None)
        newest = self._matching.newest(found)
        for crowded in {s.symbol for s in found if newest[self._matching.client_id(s)] is not s}:
            await self._guards.tidy(crowded)
        busy = {seen.symbol for seen in found}
        self._swept = {listed: now for listed in self._listings() if listed not in busy}
        return await self._reports(found)

    async def _open_on(self, symbol: Symbol) -> tuple[OrderReport, ...]:
        try:
            with urgently():
                async with asyncio.timeout(READ_WITHIN):
                    return await self._reports(await self.profile.working(symbol))
        except TimeoutError:
            raise Transient(f"the orders on {symbol} were not read within {READ_WITHIN:g} s") from None

    async def _reports(self, found: Iterable[Seen]) -> tuple[OrderReport, ...]:
        now, newest = self._clock.now(), self._matching.newest(found)
        whole = await self._sizes() if any(not seen.quantity for seen in newest.values()) else {}
        return tuple(
            self._matching.report(seen, at=now, whole=whole.get(seen.symbol, ZERO))
            for seen in sorted(newest.values(), key=lambda s: (s.at, s.id))
            if seen.quantity or seen.symbol in whole  # a guard for all of a position that is not there guards nothing
        )

    async def positions(self) -> tuple[Holding, ...]:
        return tuple(
            Holding(symbol=p.symbol, direction=p.direction, quantity=p.quantity, entry=p.entry)
            for p in await self.profile.positions()
        )

    async def balance(self) -> Balance:
        purse = await self.profile.purse()
        return Balance(wallet=purse.wallet, available=purse.available, as_of=self._clock.now())

    async def fills(self, after: str, symbol: Symbol | None = None) -> tuple[Fill, ...]:
        if symbol is None:
            return await self._records.fills(after, tuple(self._listings()))
        with urgently():
            return await self._records.fills(after, (symbol,))

    async def funding(self, after: str) -> tuple[FundingPayment, ...]:
        return await self._records.funding(after)

    # --- what the streams stir up -------------------------------------------------------------------------------

    def listen(self, receive: Callable[[VenueUpdate], None]) -> None:
        """One listener: a new one takes the place of the old."""
        self._receive = receive

    async def look(self, symbols: Iterable[Symbol], ended: Iterable[tuple[Symbol, ClientId]] = ()) -> None:
        """Read what is new on these instruments and tell it. Raises Transient where it cannot be read."""
        for fill in await self._records.read(symbols):
            self._tell(fill)
        for symbol, client_id in ended:
            report = await self._looked_up(symbol, client_id)
            if report is not None and report.order.status.final and report.order.status is not OrderStatus.FILLED:
                self._tell(report)

    async def look_for_funding(self) -> None:
        self._records.hurry()
        for payment in await self._records.funding(""):
            self._tell(payment)

    def _tell(self, update: VenueUpdate) -> None:
        if self._receive is not None:
            self._receive(update)

    # --- inside -------------------------------------------------------------------------------------------------

    def _listing(self, symbol: Symbol) -> Listing:
        listing = self._listings().get(symbol)
        if listing is None or not listing.tradable:
            why = listing.why if listing is not None else "it is not listed here"
            raise OrderRejected(f"{symbol}: {why}", code=Code.SYMBOL)
        return listing

    async def _quote(self, symbol: Symbol) -> Quote:
        try:
            return self._quotes(symbol)
        except NoEvidence:
            return await self.profile.quote(symbol)

    async def _report(self, seen: Seen) -> OrderReport:
        whole = ZERO if seen.quantity else (await self._sizes()).get(seen.symbol, ZERO)
        return self._matching.report(seen, at=self._clock.now(), whole=whole)

    async def _sizes(self) -> dict[Symbol, Decimal]:
        return {p.symbol: p.quantity for p in await self.profile.positions()}


def _capped(listing: Listing) -> Instrument:
    """With no position larger than what one market order can close."""
    instrument = listing.instrument
    return replace(instrument, max_quantity=min(instrument.max_quantity, listing.max_market))


def _check(order: Order, protection: Protection | None, listing: Listing, quote: Quote) -> None:
    """What the exchange would refuse, or worse, take in another way; nothing that it would take of an exit."""
    instrument = _capped(listing)
    check_terms(order, instrument, quote)
    price = order.price or order.trigger or quote.mark
    check_size(order, instrument, price=price, closes_all=order.reduce_only)
    if protection is not None:
        low, high = min(quote.bid, quote.mark), max(quote.ask, quote.mark)
        check_protection(order, protection, instrument, low=order.price or low, high=order.price or high)
