"""The venue's books against ours: at start and every 30 s. Unknown is not empty: it freezes entries."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from decimal import Decimal

from trading.book import Book
from trading.errors import OrderRejected, Transient, UnknownOutcome
from trading.events import BooksAgreed, BooksDisagreed, Event, VenueBack, VenueLost
from trading.execution import Execution
from trading.lanes import Job
from trading.messages import OrderReport
from trading.model import Balance, Fill, FundingPayment, Guard, Holding, Position, Symbol, Wallets
from trading.ports import Venue
from trading.tripwires import Check

log = logging.getLogger(__name__)

ACCOUNT = Symbol("account")  # stands for the balance among the instruments that can disagree
OURS = "gv-"
GATHER = 50  # fills and payments behind the cursor before it is moved
CENT = Decimal("0.01")  # a wallet is told with fewer digits than our sums have


class Reconciler:
    def __init__(
        self, *, venue: Venue, book: Book, execution: Execution, in_lane: Callable[[Symbol, Job], Awaitable[None]]
    ) -> None:
        self.venue = venue
        self.book = book
        self.execution = execution
        self._in_lane = in_lane  # all that touches an instrument goes through its lane
        self._behind: tuple[set[str], set[str]] = set(), set()  # fills and payments behind the cursors
        self.lost_at: datetime | None = None
        self.differences: dict[Symbol, str] = {}  # seen now; entries are frozen
        self.told: dict[Symbol, str] = {}  # seen twice in a row, and said
        self.balance: Balance | None = None
        self.wallets: Wallets | None = None  # at the last look; None: the venue was not read
        self._off_before: Decimal | None = None  # their difference at the look before
        self.looked_at: datetime | None = None

    @property
    def frozen(self) -> str:
        """Why entries are frozen; "" when venue and desk agree."""
        if self.lost_at is not None:
            return "the venue cannot be read"
        return "; ".join(f"{symbol}: {why}" for symbol, why in sorted(self.differences.items()))

    @property
    def agreed(self) -> Check | None:
        """The last look. None: the venue cannot be read, or there is a difference that may yet pass."""
        passing = self.differences and not self.told
        if self.looked_at is None or self.lost_at is not None or passing:
            return None
        return Check(ok=not self.told, at=self.looked_at)

    @property
    def unacceptable(self) -> str:
        """Why the venue's wallet cannot be taken as the desk's now; "" where it alone differs, and lastingly."""
        if self.lost_at is not None or self.wallets is None:
            return "The venue cannot be read: what is in its wallet is not known."
        positions = sorted((symbol, why) for symbol, why in self.differences.items() if symbol != ACCOUNT)
        if positions:
            return f"Positions differ, and come first: {'; '.join(f'{symbol}: {why}' for symbol, why in positions)}."
        if ACCOUNT not in self.differences:
            return "Nothing differs: the venue's wallet is the desk's."
        if self._off_before is None or abs(self.wallets.difference - self._off_before) > CENT:
            return "The difference was seen once only, and may pass: ask again after the next look, in 30 s."
        return ""

    def accepted(self) -> tuple[Event, ...]:
        """The venue's wallet is the desk's from now on. What that is to be told with."""
        self.differences.pop(ACCOUNT, None)
        self._off_before = None
        if self.wallets is not None:
            self.wallets = Wallets(venue=self.wallets.venue, desk=self.wallets.venue, at=self.wallets.at)
        told = self.told.pop(ACCOUNT, None) is not None
        return (BooksAgreed(at=self._now, symbol=ACCOUNT),) if told else ()

    async def run(self) -> None:
        """Catch up with what was missed, then compare. A difference is said when it is still there at the next look."""
        try:
            fills = await self.venue.fills(self.book.state.last_fill)
            payments = await self.venue.funding(self.book.state.last_funding)
            for update in self.execution.unheard(fills, payments):
                await self._in_lane(update.symbol, lambda u=update: self.execution.on_update(u))  # type: ignore[misc]
            holdings = await self._read()
        except (Transient, UnknownOutcome, OrderRejected) as error:
            await self._lose(str(error))
            return
        events: list[Event] = []
        if self.lost_at is not None:
            events.append(VenueBack(at=self._now, lost_at=self.lost_at))
            self.lost_at = None
        seen = self._compare(holdings)
        lasting = {s: why for s, why in seen.items() if s in self.differences}
        events += [
            BooksDisagreed(at=self._now, symbol=s, detail=why) for s, why in lasting.items() if self.told.get(s) != why
        ]
        events += [BooksAgreed(at=self._now, symbol=s) for s in self.told if s not in seen]
        self.told = {s: why for s, why in (self.told | lasting).items() if s in seen}
        self.differences, self.looked_at = seen, self._now
        await self._note(events, fills, payments)

    async def _note(self, events: Sequence[Event], fills: Sequence[Fill], payments: Sequence[FundingPayment]) -> None:
        """Move the cursors behind what is applied. A few are let gather: a commit for each would be waste.

        Their ids are forgotten one round later: a stream may tell again what it told a moment ago.
        """
        if self.execution.unheard(fills, payments):
            fills, payments = (), ()  # one of them could not be applied: it must not be passed over
        settled = self._now - self.venue.lag  # behind the cursor nothing may turn up any more
        fills = [f for f in fills if f.at <= settled]
        payments = [p for p in payments if p.at <= settled]
        if not events and len(fills) + len(payments) < GATHER:
            return
        cursors = {"last_fill": fills[-1].id} if fills else {}
        cursors |= {"last_funding": payments[-1].id} if payments else {}
        if events or cursors:
            await self.book.commit(events, desk=cursors, exit=True)
            self.book.fills -= self._behind[0]
            self.book.funding -= self._behind[1]
            self._behind = {f.id for f in fills}, {p.id for p in payments}

    async def _read(self) -> tuple[Holding, ...]:
        """What the venue holds, after its fills were read, so that both sides are of one moment."""
        guarded = [p for p in self.book.positions.values() if p.guard is Guard.CONFIRMED and p.closing is None]
        orders = await self.venue.open_orders()
        holdings = await self.venue.positions()
        self.balance = await self.venue.balance()
        await self._missed(guarded, orders)
        for report in orders:
            await self._orphan(report, holdings)
        return holdings

    async def _missed(self, guarded: Sequence[Position], orders: Sequence[OrderReport]) -> None:
        """Guards that were confirmed, and have gone without a word."""
        there = {report.order.client_id for report in orders}
        for position in guarded:
            if not {position.protection.stop_id, position.protection.target_id} <= there:
                await self._in_lane(position.symbol, lambda p=position: self.execution.doubt(p.id))  # type: ignore[misc]

    async def _orphan(self, report: OrderReport, holdings: Sequence[Holding]) -> None:
        """A working order with our name that no book of ours knows: it must not meet the next position.

        Unless the venue holds a position there that we do not: then it may be all that guards it.
        """
        order = report.order
        guarding = self.book.on(order.symbol) is None and any(h.symbol == order.symbol for h in holdings)
        if order.client_id.startswith(OURS) and order.client_id not in self.book.orders and not guarding:
            log.warning("cancelling %s on %s: it belongs to nothing", order.client_id, order.symbol)
            await self.venue.cancel(order.symbol, order.client_id)

    async def _lose(self, why: str) -> None:
        self.wallets = self._off_before = None
        if self.lost_at is None:
            self.lost_at = self._now
            await self.book.commit([VenueLost(at=self._now, detail=why)], exit=True)

    def _compare(self, holdings: tuple[Holding, ...]) -> dict[Symbol, str]:
        theirs: dict[Symbol, list[Holding]] = {}
        for holding in holdings:
            theirs.setdefault(holding.symbol, []).append(holding)
        ours = {p.symbol: p for p in self.book.positions.values()}
        seen: dict[Symbol, str] = {}
        for symbol in theirs.keys() | ours.keys():
            held = theirs.get(symbol, [])  # more than one: long and short at once, which no desk of ours opens
            venue = " and ".join(f"{h.direction.value} {h.quantity:f}" for h in held) or "nothing"
            desk = f"{p.direction.value} {p.quantity:f}" if (p := ours.get(symbol)) else "nothing"
            same = p and [(h.direction, h.quantity) for h in held] == [(p.direction, p.quantity)]
            if not same:
                seen[symbol] = f"the venue holds {venue}, the desk {desk}"
        wallets = self._weighed()
        if not seen and wallets is not None and abs(wallets.difference) > CENT:
            seen[ACCOUNT] = f"the venue's wallet is {wallets.venue:f}, the desk's {wallets.desk:f}"
        return seen

    def _weighed(self) -> Wallets | None:
        self._off_before = self.wallets.difference if self.wallets else None
        if self.balance is not None:
            self.wallets = Wallets(venue=self.balance.wallet, desk=self.book.booked, at=self._now)
        return self.wallets

    @property
    def _now(self) -> datetime:
        return self.book.clock.now()
