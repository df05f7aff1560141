"""The venue's books against ours: at start and every 30 s. Unknown is not empty: it freezes entries."""

import logging
from datetime import datetime
from decimal import Decimal

from trading.book import Book
from trading.errors import Transient, UnknownOutcome
from trading.execution import Execution
from trading.messages import BooksAgreed, BooksDisagreed, Event, OrderReport, VenueBack, VenueLost
from trading.model import Balance, Holding, Symbol
from trading.ports import Venue

log = logging.getLogger(__name__)

ACCOUNT = Symbol("account")  # stands for the balance among the instruments that can disagree
OURS = "gv-"
CENT = Decimal("0.01")  # a wallet is told with fewer digits than our sums have


class Reconciler:
    def __init__(self, *, venue: Venue, book: Book, execution: Execution) -> None:
        self.venue = venue
        self.book = book
        self.execution = execution
        self.lost_at: datetime | None = None
        self.differences: dict[Symbol, str] = {}  # seen now; entries are frozen
        self.told: dict[Symbol, str] = {}  # seen twice in a row, and said
        self.balance: Balance | None = None

    @property
    def frozen(self) -> str:
        """Why entries are frozen; "" when venue and desk agree."""
        if self.lost_at is not None:
            return "the venue cannot be read"
        return "; ".join(f"{symbol}: {why}" for symbol, why in sorted(self.differences.items()))

    async def run(self) -> None:
        """Catch up with what was missed, then compare. A difference is said when it is still there at the next look."""
        try:
            cursors, holdings = await self._read()
        except (Transient, UnknownOutcome) as error:
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
        self.differences = seen
        if events or cursors:
            await self.book.commit(events, desk=cursors, exit=True)
            self.book.fills.clear()
            self.book.funding.clear()

    async def _read(self) -> tuple[dict[str, str], tuple[Holding, ...]]:
        """Everything the venue tells, fills first, so that what is compared is of one moment."""
        cursors = await self.execution.catch_up()
        orders = await self.venue.open_orders()
        holdings = await self.venue.positions()
        self.balance = await self.venue.balance()
        for report in orders:
            await self._orphan(report)
        return cursors, holdings

    async def _orphan(self, report: OrderReport) -> None:
        """A working order with our name that no book of ours knows: it must not meet the next position."""
        order = report.order
        if order.client_id.startswith(OURS) and order.client_id not in self.book.orders:
            log.warning("cancelling %s on %s: it belongs to nothing", order.client_id, order.symbol)
            await self.venue.cancel(order.symbol, order.client_id)

    async def _lose(self, why: str) -> None:
        if self.lost_at is None:
            self.lost_at = self._now
            await self.book.commit([VenueLost(at=self._now, detail=why)], exit=True)

    def _compare(self, holdings: tuple[Holding, ...]) -> dict[Symbol, str]:
        theirs = {h.symbol: h for h in holdings}
        ours = {p.symbol: p for p in self.book.positions.values()}
        seen: dict[Symbol, str] = {}
        for symbol in theirs.keys() | ours.keys():
            venue = f"{h.direction.value} {h.quantity:f}" if (h := theirs.get(symbol)) else "nothing"
            desk = f"{p.direction.value} {p.quantity:f}" if (p := ours.get(symbol)) else "nothing"
            same = h and p and (h.direction, h.quantity) == (p.direction, p.quantity)
            if not same:
                seen[symbol] = f"the venue holds {venue}, the desk {desk}"
        if not seen and self.balance is not None and abs(self.balance.wallet - self.book.booked) > CENT:
            seen[ACCOUNT] = f"the venue's wallet is {self.balance.wallet:f}, the desk's {self.book.booked:f}"
        return seen

    @property
    def _now(self) -> datetime:
        return self.book.clock.now()
