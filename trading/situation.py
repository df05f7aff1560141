"""How the desk stands at this moment: its account, its portfolio, its breaker, what its closed trades have shown."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from trading.book import Book
from trading.breaker import effects, in_force
from trading.errors import NoEvidence
from trading.exit_plan import Rebalance
from trading.locks import standing_on
from trading.market.correlation import HOUR, Correlations, measure
from trading.market.outlook import Outlook
from trading.market.snapshot import Snapshot, Snapshots
from trading.messages import EnterPair
from trading.model import EPOCH, ZERO, Direction, Leg, Symbol, base_of
from trading.playbook import Phase, Playbook
from trading.risk.expectancy import Evidence, Sized, risk_fraction
from trading.risk.facts import Facts
from trading.risk.portfolio import Exposure, Portfolio

DAY = timedelta(days=1)
T = TypeVar("T")


class Situation:
    """Of one playbook. What cannot be read or valued at this moment is None."""

    def __init__(self, *, market: Snapshots, book: Book, playbook: Playbook) -> None:
        self.market = market
        self.book = book
        self.playbook = playbook
        self._measured: Correlations | None = None

    def facts(
        self,
        snapshot: Snapshot,
        outlook: Outlook,
        *,
        confidence: int,
        invalidation: Decimal | None,
        phase: Phase | None,
        frozen: str,
        asked: EnterPair | None = None,
        thought: bool = False,
        calibrated: int | None = None,
    ) -> Facts:
        """All that the gate asks for about one entry. `frozen`: why entries are, "" when they are not. `asked`: by a
        person, who has chosen the side. `thought`: the panel has taken its time, and the market may have gone on.
        `calibrated`: what the confidence has been worth so far, millionths; None: not enough is known."""
        book, playbook, now = self.book, self.playbook, self.book.clock.now()
        quote = known(lambda: self.market.quote(snapshot.symbol))  # again: the panel may have thought for a while
        margin = known(lambda: book.margin_used(lambda order: self.market.quote(order.symbol).mark))
        return Facts(
            now=now,
            trading=book.state.trading,
            halt_reason=book.state.halt_reason,
            frozen=frozen,
            breaker=effects(in_force(book.state.breaker, now), playbook.breaker),
            confidence=confidence,
            instrument=self.market.instruments()[snapshot.symbol],
            playbook=playbook,
            exits=playbook.exits_in(phase),
            quote=quote or snapshot.quote,
            fresh=quote is not None,
            outlook=outlook,
            invalidation=invalidation,
            equity=self.equity(),
            booked=book.booked,
            margin_used=margin,
            day_equity=self._day_equity(now),
            positions=len(book.positions) + len(book.entries()),
            max_positions=playbook.max_positions_in(phase),
            taken=book.taken(),
            last_exit=book.last_exit.get(snapshot.symbol),
            sized=self.sized(),
            portfolio=self.portfolio(),
            locks=standing_on(book.state.locks, snapshot.symbol, now),
            asked=asked,
            decided_on=snapshot.quote if thought else None,
            calibrated=calibrated,
        )

    def equity(self) -> Decimal | None:
        return known(lambda: self.book.equity(self.market.quote))

    def _day_equity(self, now: datetime) -> Decimal | None:
        """What this UTC day began with: yesterday's is not it."""
        state = self.book.state
        return state.day_equity if state.day is not None and now - state.day < DAY else None

    def sized(self) -> Sized | None:
        """None: the playbook does not size by what its closed trades have shown."""
        policy = self.playbook.expectancy
        evidence = self.book.state.evidence.get(self.playbook.name, Evidence())
        return None if policy is None else risk_fraction(evidence, policy)

    # --- the portfolio ------------------------------------------------------------------------------------------

    def portfolio(self) -> Portfolio | None:
        """None: the playbook has no portfolio limits."""
        policy, limits = self.playbook.portfolio, self.playbook.limits
        correlations = self.correlations()
        if policy is None or correlations is None:
            return None
        r = self.playbook.exits.rebalance
        return Portfolio(
            equity=self.equity(),
            exposures=self.exposures(),
            leverage_cap=limits.max_leverage,
            correlations=correlations,
            policy=policy,
            rebalance=Rebalance(net=r.net, positions=r.positions, budget=self.budget) if r else None,
        )

    @property
    def budget(self) -> Decimal:
        """Gross notional per unit of equity that the portfolio may hold; 0 where it has no limits."""
        policy = self.playbook.portfolio
        return policy.budget * self.playbook.limits.max_leverage if policy else ZERO

    def exposures(self) -> tuple[Exposure, ...] | None:
        """What is open, and what of an entry is on its way still, at the marks. None when a mark is missing."""
        held: dict[tuple[Symbol, Direction], Decimal] = {}
        for position in self.book.positions.values():
            held[position.symbol, position.direction] = position.quantity
        for order in self.book.orders.values():
            if order.leg is Leg.ENTRY:
                key = order.symbol, order.direction
                held[key] = held.get(key, ZERO) + order.quantity - order.filled
        return known(
            lambda: tuple(
                Exposure(
                    symbol=symbol,
                    base=base_of(symbol),
                    direction=direction,
                    notional=quantity * self.market.quote(symbol).mark,
                )
                for (symbol, direction), quantity in held.items()
            )
        )

    def correlations(self) -> Correlations | None:
        """Measured again when the full hour changes. None: the playbook has no portfolio limits."""
        policy, now = self.playbook.portfolio, self.book.clock.now()
        if policy is None:
            return None
        if self._measured is None or self._measured.as_of != now - (now - EPOCH) % HOUR:
            series = {base_of(symbol): s for symbol, s in self.market.series().items()}
            self._measured = measure(series, until=now, policy=policy)
        return self._measured


def known(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except NoEvidence:
        return None
