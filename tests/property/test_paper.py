"""The paper venue under any sequence of orders, bars and funding: money is conserved, a restart changes nothing."""

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.paper_market import BTC, PaperMarket, an_instrument, d
from trading.errors import OrderRejected
from trading.messages import OrderReport
from trading.model import ZERO, ClientId, Direction, Fill, OrderKind, OrderStatus, Protection, Side
from trading.venues.paper_rules import SATOSHI, PaperRules
from trading.venues.paper_state import Deal, PaperPosition, settle

START = 1000
MARKET = an_instrument(step=d("0.01"), min_quantity=d("0.01"))
Step = Callable[[PaperMarket], Awaitable[None]]


def at_percent(price: Decimal, percent: int) -> Decimal:
    return max(MARKET.round_price(price * (100 + percent) / 100), MARKET.tick)


@dataclass(frozen=True)
class Bar:
    """Moves in percent of the last close; the low and the high lie `depth` beyond the rest."""

    open: int
    close: int
    depth: int
    volume: int

    async def __call__(self, market: PaperMarket) -> None:
        last = market.bars[BTC][-1][0].close
        first, final = at_percent(last, self.open), at_percent(last, self.close)
        high, low = at_percent(max(first, final), self.depth), at_percent(min(first, final), -self.depth)
        market.bar(str(first), str(high), str(low), str(final), volume=self.volume)


@dataclass(frozen=True)
class Send:
    side: Side
    kind: OrderKind
    hundredths: int
    percent: int  # where price or trigger lies
    reduce_only: bool
    leverage: int
    guard: tuple[int, int] | None  # percent of stop and target, from the last close

    async def __call__(self, market: PaperMarket) -> None:
        last = market.bars[BTC][-1][0].close
        falls = (self.side is Side.SELL) == (self.kind is OrderKind.STOP)
        where = at_percent(last, self.percent)
        if self.kind in (OrderKind.STOP, OrderKind.TAKE_PROFIT):  # mostly on the side where it guards
            where = at_percent(last, -abs(self.percent) if falls else abs(self.percent))
        order = market.order(
            self.side,
            str(Decimal(self.hundredths) / 100),
            kind=self.kind,
            price=where if self.kind is OrderKind.LIMIT else None,
            trigger=where if self.kind in (OrderKind.STOP, OrderKind.TAKE_PROFIT) else None,
            reduce_only=self.reduce_only or self.kind in (OrderKind.STOP, OrderKind.TAKE_PROFIT),
            leverage=self.leverage,
        )
        try:
            await market.venue.submit(order, self._protection(market, last))
        except OrderRejected:
            assert await market.venue.order(BTC, order.client_id) is None

    def _protection(self, market: PaperMarket, last: Decimal) -> Protection | None:
        guard = market.guard(1, 2)
        if self.guard is None:
            return None
        sign = 1 if self.side is Side.BUY else -1
        stop, target = (at_percent(last, sign * percent) for percent in (-self.guard[0], self.guard[1]))
        return Protection(stop_id=guard.stop_id, stop=stop, target_id=guard.target_id, target=target)


@dataclass(frozen=True)
class Cancel:
    number: int

    async def __call__(self, market: PaperMarket) -> None:
        working = await market.venue.open_orders()
        if working:
            await market.venue.cancel(BTC, working[self.number % len(working)].order.client_id)


@dataclass(frozen=True)
class Funding:
    rate: int  # hundredths of a percent

    async def __call__(self, market: PaperMarket) -> None:
        market.fund(str(Decimal(self.rate) / 10_000))


@dataclass(frozen=True)
class End:
    luck: int  # hypothesis loves to repeat itself, and an ended market refuses nearly all

    async def __call__(self, market: PaperMarket) -> None:
        if self.luck == 7:
            market.venue.end_of_data(BTC)


percents = st.integers(-6, 6)
guards = st.none() | st.tuples(st.integers(1, 8), st.integers(1, 8))
volumes = st.sampled_from([10_000, 100, 10_000, 10, 10_000, 0])
bars = st.builds(Bar, percents, percents, st.integers(0, 5), volumes)
sends = st.builds(
    Send,
    st.sampled_from(Side),
    st.sampled_from([OrderKind.MARKET] * 4 + [OrderKind.LIMIT] * 2 + [OrderKind.STOP, OrderKind.TAKE_PROFIT]),
    st.integers(5, 1000),
    percents,
    st.sampled_from([False, False, False, True]),
    st.sampled_from([1, 3, 10, 20, 50]),
    guards,
)
fundings = st.builds(Funding, st.integers(-75, 75))
rare = st.builds(Cancel, st.integers(0, 20)) | st.builds(End, st.integers(0, 7))
steps = st.lists(st.one_of(bars, sends, bars, sends, sends, fundings, rare), min_size=8, max_size=25)
rules = st.builds(
    PaperRules, impact=st.sampled_from([d(0), d("0.005"), d("0.5")]), participation=st.sampled_from([d("0.1"), d(1)])
)


def a_market(rules: PaperRules, store: Path | None = None) -> PaperMarket:
    market = PaperMarket(start=START, rules=rules, spread="0.1", store=store, instruments=(MARKET,))
    market.flat_bar(100)
    return market


def signed(fill: Fill) -> Decimal:
    return fill.quantity if fill.side is Side.BUY else -fill.quantity


def check_books(market: PaperMarket) -> None:
    """The books against what can be worked out from fills and payments alone."""
    account = market.venue._account
    totals, position = account.totals, account.positions.get(BTC)
    held = position.quantity * position.direction.sign if position else ZERO
    cost = position.cost * position.direction.sign if position else ZERO
    assert held == sum((signed(f) for f in account.fills), ZERO)
    traded = sum((-signed(f) * f.price for f in account.fills), ZERO)
    fees = sum((f.fee for f in account.fills), ZERO)
    funding = sum((p.amount for p in account.payments), ZERO)
    assert totals.realised == traded + cost
    assert (totals.fees, totals.funding) == (fees, funding)
    assert totals.wallet == START + traded + cost - fees + funding
    paid = sum((-p.amount for p in account.payments if p.amount < 0), ZERO)
    margin = position.margin if position else ZERO
    assert totals.wallet + paid >= margin - 100 * SATOSHI  # but for funding, no loss goes beyond the margin
    assert market.told == account.fills


def check_orders(market: PaperMarket) -> None:
    account = market.venue._account
    filled: dict[ClientId, Decimal] = defaultdict(Decimal)
    held = ZERO
    for fill in account.fills:
        ticket = account.tickets.get(fill.client_id)
        assert (ticket is None) == fill.liquidation
        if ticket is None or ticket.order.reduce_only:
            assert held * signed(fill) < 0, "reduce-only opened or enlarged"
            assert fill.quantity <= abs(held), "reduce-only flipped"
        held += signed(fill)
        filled[fill.client_id] += fill.quantity
    for client_id, ticket in account.tickets.items():
        assert ticket.order.filled == filled[client_id]
        assert ticket.order.status.working == (client_id in account.working.get(BTC, {}))


async def play(market: PaperMarket, actions: list[Step], *, restarts: frozenset[int] = frozenset()) -> PaperMarket:
    for number, action in enumerate(actions):
        await action(market)
        if number in restarts:
            market.venue._store._db.close()  # type: ignore[union-attr]  # what a kill leaves: nothing was flushed
            market.restart()
        check_books(market)
    check_orders(market)
    return market


@given(actions=steps, rules=rules)
@settings(max_examples=200, deadline=None)
def test_money_is_conserved_and_reduce_only_reduces(actions: list[Step], rules: PaperRules) -> None:
    asyncio.run(play(a_market(rules), actions))


@given(actions=steps, rules=rules, restarts=st.frozensets(st.integers(0, 24)))
@settings(max_examples=60, deadline=None)
def test_a_restart_at_any_point_changes_nothing(
    actions: list[Step], rules: PaperRules, restarts: frozenset[int]
) -> None:
    async def compare(store: Path) -> None:
        straight = await play(a_market(rules), actions)
        broken = await play(a_market(rules, store), actions, restarts=restarts)
        assert await broken.all_there_is() == await straight.all_there_is()
        assert broken.updates == straight.updates
        broken.venue.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(Path(folder) / "paper.db"))


@given(actions=steps, rules=rules)
@settings(max_examples=60, deadline=None)
def test_feeding_every_bar_again_changes_nothing(actions: list[Step], rules: PaperRules) -> None:
    async def compare() -> None:
        market = await play(a_market(rules), actions)
        before, told = await market.all_there_is(), len(market.updates)
        for bar in market.bars[BTC]:
            market.venue.advance(*bar)
        assert await market.all_there_is() == before
        assert len(market.updates) == told

    asyncio.run(compare())


@given(actions=steps, rules=rules)
@settings(max_examples=60, deadline=None)
def test_every_order_goes_forward_and_ends_once(actions: list[Step], rules: PaperRules) -> None:
    market = asyncio.run(play(a_market(rules), actions))
    seen: dict[ClientId, OrderReport] = {}
    for update in market.updates:
        if isinstance(update, OrderReport):
            before = seen.get(update.order.client_id)
            assert before is None or not before.order.status.final
            assert before is None or before.order.filled <= update.order.filled
            seen[update.order.client_id] = update
    for client_id, report in seen.items():
        status = market.venue._account.tickets[client_id].order.status
        assert status is report.order.status
        assert status is not OrderStatus.INTENDED


# --- one deal against one position ---

prices = st.integers(1, 10_000_000).map(lambda n: Decimal(n) / 10)
quantities = st.integers(1, 1_000_000).map(lambda n: Decimal(n) / 100)


@pytest.mark.parametrize("direction", list(Direction))
@given(data=st.data(), quantity=quantities, entry=prices, out=prices, leverage=st.integers(1, 50))
@settings(max_examples=200, deadline=None)
def test_no_close_loses_more_than_the_margin(
    direction: Direction, data: st.DataObject, quantity: Decimal, entry: Decimal, out: Decimal, leverage: int
) -> None:
    cost = entry * quantity
    margin = (cost / leverage).quantize(SATOSHI)
    held = PaperPosition(symbol=BTC, direction=direction, quantity=quantity, cost=cost, margin=margin)
    closing = data.draw(quantities.filter(lambda q: q <= quantity) | st.just(quantity))
    deal = Deal(
        client_id=ClientId("x"),
        side=direction.exit,
        quantity=closing,
        price=out,
        leverage=1,
        at=PaperMarket().clock.now(),
    )
    result = settle(held, MARKET, deal)
    part, rest = held.split(closing)
    assert result.realised - result.fee >= -part.margin
    assert result.fee >= 0
    assert result.position == rest
    left = rest or PaperPosition(symbol=BTC, direction=direction, quantity=ZERO, cost=ZERO, margin=ZERO)
    assert (part.quantity + left.quantity, part.cost + left.cost, part.margin + left.margin) == (quantity, cost, margin)
    better = (result.price - out) * direction.sign
    assert better >= 0, "the bound on the price only ever helps the position"


@given(quantity=quantities, entry=prices, leverage=st.integers(2, 50))
def test_liquidation_lies_between_entry_and_bankruptcy(quantity: Decimal, entry: Decimal, leverage: int) -> None:
    cost = entry * quantity
    for direction in Direction:
        held = PaperPosition(symbol=BTC, direction=direction, quantity=quantity, cost=cost, margin=cost / leverage)
        edge, bankrupt = held.liquidation(MARKET.maintenance), entry * (1 - direction.sign / Decimal(leverage))
        assert (edge - bankrupt) * direction.sign > 0
        assert (entry - edge) * direction.sign > 0
        assert held.liquidated_at(bankrupt, MARKET.maintenance)
        assert not held.liquidated_at(entry, MARKET.maintenance)
