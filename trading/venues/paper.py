"""The paper venue: a small exchange of its own, driven by bars. It survives the desk's death, so its state is its own.

It is one-way and isolated: one position per instrument, margin = notional / leverage of the orders that made it. Each
request and each bar is one durable transaction, and updates go out after it. A bar or a funding that was processed
before is a no-op, so that after a crash the feed may begin again where the desk last was. A bar on which nothing
happened leaves nothing in the store, nor does a funding that met no position: before any request, the feed must begin
with the last bar and funding the desk has finished, so that the touch and what was settled are known again.

When an instrument's data end, what rests on it expires, and what is open can be closed in full at the last touch.
"""

import copy
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from trading.errors import OrderRejected, VenueDown
from trading.messages import OrderReport, VenueUpdate
from trading.model import (
    EPOCH,
    ZERO,
    Balance,
    Candle,
    ClientId,
    Fill,
    FundingPayment,
    Holding,
    Instrument,
    Order,
    OrderKind,
    OrderStatus,
    Position,
    Protection,
    Quote,
    Symbol,
)
from trading.ports import Clock
from trading.venues.order_checks import TRIGGERED, check_protection, check_size, check_terms, touch
from trading.venues.paper_book import Account, Changes
from trading.venues.paper_faults import Call, Faults, NoFaults
from trading.venues.paper_match import Matcher
from trading.venues.paper_rules import PaperRules, marketable, money
from trading.venues.paper_state import Market, Ticket
from trading.venues.paper_store import PaperStore


class PaperVenue:
    """The Venue port over a simulated account. `start_balance` counts only when `store` holds no account yet."""

    name = "paper"
    lag = timedelta(0)
    arrives_within = timedelta(0)

    def __init__(
        self,
        *,
        instruments: Mapping[Symbol, Instrument],
        clock: Clock,
        store: Path | None,
        start_balance: Decimal,
        rules: PaperRules | None = None,
        faults: Faults | None = None,
    ) -> None:
        """Raises BadRecord when `store` is not a paper account."""
        self._instruments = dict(instruments)
        self._clock = clock
        self._start = start_balance
        self._rules = rules or PaperRules()
        self._faults: Faults = faults or NoFaults()
        self._store = PaperStore(store) if store else None
        self._account = self._load()
        self._receive: Callable[[VenueUpdate], None] | None = None

    @property
    def lived_until(self) -> datetime | None:
        """Close of the last bar that any instrument has lived through; None for a venue that has seen none."""
        last = max((market.closed_at for market in self._account.markets.values()), default=EPOCH)
        return last if last > EPOCH else None

    def relist(self, instruments: Mapping[Symbol, Instrument]) -> None:
        """Trade by these from now on; what is listed no more can still be closed."""
        self._instruments |= instruments

    # --- the market, in time order ---

    def advance(self, candle: Candle, quote: Quote) -> None:
        """Process the bar that has just closed, then take `quote` as the touch. A bar seen before is a no-op."""
        symbol, account = candle.symbol, self._account
        market = account.market(symbol)
        closed_at = candle.closed_at
        if closed_at <= market.closed_at:
            return
        if not market.ended and symbol not in account.positions and not account.working.get(symbol):
            _roll(market, candle, quote, closed_at)
            return
        with self._step(symbol):
            _roll(market, candle, quote, closed_at)
            account.changes.any = market.ended
            market.ended = False
            self._matcher(symbol, closed_at).run(candle)

    def settle_funding(self, symbol: Symbol, at: datetime, rate: Decimal, mark: Decimal) -> None:
        """Pay or receive `rate` x notional at `mark` on what is open; longs pay when positive. Seen before: a no-op."""
        market = self._account.market(symbol)
        if at <= market.funded_at:
            return
        if symbol not in self._account.positions:
            market.funded_at = at
            return
        with self._step(symbol):
            market.funded_at = at
            self._account.fund(symbol, rate, mark, at=at)

    def end_of_data(self, symbol: Symbol) -> None:
        """No bar will come any more."""
        market = self._account.market(symbol)
        if market.ended:
            return
        with self._step(symbol):
            market.ended = True
            self._account.changes.any = True
            for ticket in self._account.resting(symbol):
                self._account.end(ticket, OrderStatus.EXPIRED, "trading has ended: no more data", at=self._clock.now())

    def close(self) -> None:
        """Write what the last bars left unwritten, and let go of the store."""
        if self._store:
            self._store.write(self._account, Changes(), tuple(self._account.markets.values()))
            self._store.close()

    # --- the Venue port ---

    def listen(self, receive: Callable[[VenueUpdate], None]) -> None:
        """One listener: a new one takes the place of the old."""
        self._receive = receive

    async def instruments(self) -> dict[Symbol, Instrument]:
        async with Call(self._faults, "instruments"):
            return dict(self._instruments)

    async def beginning(self) -> str:
        return ""

    async def submit(self, order: Order, protection: Protection | None = None) -> OrderReport:
        """Codes of an OrderRejected: order_checks, paper_rules."""
        async with Call(self._faults, "submit", order):
            fresh = replace(order, status=OrderStatus.INTENDED, filled=ZERO)
            instrument, quote = self._checked(fresh, protection)
            ticket = Ticket(order=self._cut(fresh), number=len(self._account.tickets) + 1, protection=protection)
            self._check_price(ticket, instrument, quote)
            with self._step(order.symbol):
                self._matcher(order.symbol, self._clock.now()).accept(ticket, quote)
            return self._report(self._account.tickets[order.client_id])

    async def protect(self, position: Position) -> None:
        async with Call(self._faults, "protect"):
            missing = self._account.unguarded(position.symbol, position.protection)
            if missing:
                with self._step(position.symbol):
                    self._account.hang_out(position, missing, at=self._clock.now())

    async def cancel(self, symbol: Symbol, client_id: ClientId) -> None:
        async with Call(self._faults, "cancel"):
            ticket = self._account.working.get(symbol, {}).get(client_id)
            if ticket is not None:
                with self._step(symbol):
                    self._account.end(ticket, OrderStatus.CANCELLED, ticket.order.note, at=self._clock.now())

    async def amend(self, symbol: Symbol, client_id: ClientId, *, trigger: Decimal) -> OrderReport:
        """Codes of an OrderRejected: order_checks, paper_rules. A stop that was triggered cannot be moved any more."""
        known = self._account.working.get(symbol, {}).get(client_id)
        async with Call(self._faults, "amend", known.order if known else None):
            ticket, quote = self._movable(symbol, client_id)
            if ticket.order.trigger != trigger:
                moved = replace(ticket.order, trigger=trigger, changed_at=self._clock.now())
                check_terms(moved, self._instruments[symbol], quote)
                with self._step(symbol):
                    self._account.keep(replace(ticket, order=moved), at=moved.changed_at)
            return self._report(self._account.tickets[client_id])

    async def order(self, symbol: Symbol, client_id: ClientId) -> OrderReport | None:
        async with Call(self._faults, "order"):
            ticket = self._account.tickets.get(client_id)
            return self._report(ticket) if ticket and ticket.order.symbol == symbol else None

    async def open_orders(self, symbol: Symbol | None = None) -> tuple[OrderReport, ...]:
        async with Call(self._faults, "open_orders"):
            hidden_since = self._clock.now() - self._faults.visible_after
            resting = (t for t in self._account.all_resting() if symbol in (None, t.order.symbol))
            seen = (t for t in resting if t.parent is None or t.order.created_at <= hidden_since)
            return tuple(self._report(t) for t in sorted(seen, key=lambda t: t.number))

    async def positions(self) -> tuple[Holding, ...]:
        async with Call(self._faults, "positions"):
            return tuple(
                Holding(symbol=p.symbol, direction=p.direction, quantity=p.quantity, entry=p.cost / p.quantity)
                for _, p in sorted(self._account.positions.items())
            )

    async def balance(self) -> Balance:
        async with Call(self._faults, "balance"):
            free = max(self._account.free(self._instruments), ZERO)
            return Balance(wallet=self._account.totals.wallet, available=free, as_of=self._clock.now())

    async def fills(self, after: str, symbol: Symbol | None = None) -> tuple[Fill, ...]:  # noqa: ARG002
        async with Call(self._faults, "fills"):
            return tuple(self._account.fills[int(after or 0) :])

    async def funding(self, after: str) -> tuple[FundingPayment, ...]:
        async with Call(self._faults, "funding"):
            return tuple(self._account.payments[int(after or 0) :])

    # --- checks that need the books ---

    def _checked(self, order: Order, protection: Protection | None) -> tuple[Instrument, Quote]:
        instrument, market = self._instruments.get(order.symbol), self._account.market(order.symbol)
        if instrument is None:
            raise OrderRejected(f"{order.symbol} is not listed here", code="symbol")
        if market.quote is None:
            raise OrderRejected(f"{order.symbol} has no price yet", code="no_market")
        guards = (protection.stop_id, protection.target_id) if protection else ()
        for client_id in (order.client_id, *guards):
            if self._account.knows(client_id):
                raise OrderRejected(f"client id {client_id} is already known", code="duplicate")
        if market.ended and (not order.reduce_only or order.kind is not OrderKind.MARKET):
            raise OrderRejected(f"trading in {order.symbol} has ended: only a market close is taken", code="ended")
        check_terms(order, instrument, market.quote)
        opened = self._account.reducible(order)
        price = order.price or order.trigger or touch(market.quote, order.side)
        check_size(order, instrument, price=price, closes_all=order.reduce_only and order.quantity >= opened)
        if order.reduce_only and not opened:
            raise OrderRejected("reduce-only, and nothing is open on the other side", code="reduce_only")
        return instrument, market.quote

    def _movable(self, symbol: Symbol, client_id: ClientId) -> tuple[Ticket, Quote]:
        ticket, quote = self._account.working.get(symbol, {}).get(client_id), self._account.market(symbol).quote
        if ticket is None or quote is None or ticket.triggered or ticket.order.kind not in TRIGGERED:
            raise OrderRejected(f"{client_id} is no working stop or target on {symbol}", code="gone")
        return ticket, quote

    def _cut(self, order: Order) -> Order:
        """A reduce-only order for no more than is open."""
        opened = self._account.reducible(order)
        if not order.reduce_only or order.quantity <= opened:
            return order
        return replace(order, quantity=opened)

    def _check_price(self, ticket: Ticket, instrument: Instrument, quote: Quote) -> None:
        """Protection and margin, at the price the order is to fill at."""
        order, matcher = ticket.order, self._matcher(ticket.order.symbol, self._clock.now())
        now = order.kind is OrderKind.MARKET or marketable(order, quote)
        price = order.price or quote.mark
        if now:
            price = matcher.price_now(ticket, quote, min(order.quantity, matcher.allowed()))
        if ticket.protection:
            span = (price, quote.mark) if now else (price,)
            check_protection(order, ticket.protection, instrument, low=min(span), high=max(span))
        if not order.reduce_only:
            self._check_margin(order, instrument, price)

    def _check_margin(self, order: Order, instrument: Instrument, price: Decimal) -> None:
        """Margin for what may open, and the fee for all, out of what is free and what a market order first releases."""
        free = self._account.free(self._instruments)
        opening = order.quantity
        position = self._account.positions.get(order.symbol)
        closing = min(order.quantity, self._account.reducible(order))
        if position and closing and order.kind is OrderKind.MARKET:
            part, _ = position.split(closing)
            free += max(part.margin + min(part.profit(price), ZERO), ZERO)
            opening -= closing
            if not opening:
                return
        fee = order.quantity * price * max(instrument.taker_fee, instrument.maker_fee)
        worst = max(price, order.price or price)
        needed = money(opening * worst / order.leverage + fee)
        if needed > free:
            raise OrderRejected(f"insufficient margin: needs {needed}, available {free}", code="insufficient_margin")

    # --- inside ---

    def _matcher(self, symbol: Symbol, at: datetime) -> Matcher:
        return Matcher(self._account, self._instruments[symbol], self._rules, at)

    def _report(self, ticket: Ticket) -> OrderReport:
        return OrderReport(order=ticket.order, at=self._clock.now())

    def _load(self) -> Account:
        account = Account(self._start)
        return self._store.load(account) if self._store else account

    @contextmanager
    def _step(self, symbol: Symbol) -> Iterator[None]:
        """One transaction: write what the body changed, then tell it. Unwritable: VenueDown, and nothing happened."""
        before = copy.copy(self._account.market(symbol))
        yield
        changes = self._account.changes
        if not changes.any:
            return
        if self._store:
            try:
                self._store.write(self._account, changes, (self._account.markets[symbol],))
            except sqlite3.Error as error:
                self._roll_back(before)
                raise VenueDown(f"the paper account could not be written: {error}") from error
        self._account.changes = Changes()
        if self._receive and not self._faults.lose_updates:
            for update in changes.updates:
                self._receive(update)

    def _roll_back(self, before: Market) -> None:
        markets = self._account.markets | {before.symbol: before}
        self._account = self._load()
        self._account.markets = markets


def _roll(market: Market, candle: Candle, quote: Quote, closed_at: datetime) -> None:
    market.closed_at = closed_at
    market.quote = quote
    market.volume = candle.volume
    market.taken = ZERO
