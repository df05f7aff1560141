"""What every Venue (trading/ports.py) must do, whatever stands behind it.

A venue's own test module subclasses VenueContract and gives it a `bench`: the venue, one instrument of it that is flat,
and a hand on the market.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count
from typing import Protocol

import pytest

from trading.errors import OrderRejected
from trading.messages import OrderReport, VenueUpdate
from trading.model import (
    ClientId,
    DecisionId,
    Direction,
    Fill,
    FundingPayment,
    Instrument,
    Leg,
    Order,
    OrderKind,
    OrderStatus,
    Protection,
    Quote,
    Side,
)
from trading.ports import Clock, Venue

STOP, TARGET = OrderKind.STOP, OrderKind.TAKE_PROFIT


class Bench(Protocol):
    """Volume is never short here: a market order of ten times the smallest size fills at once."""

    @property
    def venue(self) -> Venue: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def instrument(self) -> Instrument: ...

    @property
    def updates(self) -> Sequence[VenueUpdate]:
        """All that the venue told."""
        ...

    async def touch(self) -> Quote: ...

    async def move(self, fraction: Decimal) -> None:
        """The market trades from here to (1 + fraction) x the mark, and stays there."""
        ...

    async def settle_funding(self, rate: Decimal) -> None: ...

    async def quiet(self) -> None:
        """Until all that has happened has been told."""
        ...


@dataclass
class Desk:
    """The smallest client there is: builds orders, and sends them."""

    bench: Bench
    numbers: "count[int]"

    def new_id(self, leg: Leg = Leg.ENTRY) -> ClientId:
        return ClientId(f"gv-contract-{next(self.numbers)}-{leg.value[0]}0")

    def size(self, times: int = 10) -> Decimal:
        """A whole number of smallest sizes that satisfies the minimum notional."""
        return self.bench.instrument.min_quantity * times

    async def near(self, fraction: str) -> Decimal:
        mark = (await self.bench.touch()).mark
        return self.bench.instrument.round_price(mark * (1 + Decimal(fraction)))

    def order(self, side: Side, quantity: Decimal | None = None, *, kind: OrderKind = OrderKind.MARKET) -> Order:
        placeholder = Decimal(1)
        return Order(
            client_id=self.new_id(),
            decision_id=DecisionId("btc-contract"),
            leg=Leg.ENTRY,
            symbol=self.bench.instrument.symbol,
            side=side,
            kind=kind,
            quantity=self.size() if quantity is None else quantity,
            created_at=self.bench.clock.now(),
            price=placeholder if kind is OrderKind.LIMIT else None,
            trigger=placeholder if kind in (STOP, TARGET) else None,
            leverage=5,
        )

    async def limit(self, side: Side, fraction: str) -> Order:
        return replace(self.order(side, kind=OrderKind.LIMIT), price=await self.near(fraction))

    async def guard(self, stop: str, target: str) -> Protection:
        return Protection(
            stop_id=self.new_id(Leg.STOP),
            stop=await self.near(stop),
            target_id=self.new_id(Leg.TARGET),
            target=await self.near(target),
        )

    async def open(self, side: Side, guard: Protection | None = None) -> Order:
        order = self.order(side)
        await self.bench.venue.submit(order, guard)
        return order

    def closing(self, side: Side, quantity: Decimal | None = None) -> Order:
        return replace(self.order(side, quantity), client_id=self.new_id(Leg.CLOSE), leg=Leg.CLOSE, reduce_only=True)

    async def held(self) -> tuple[Direction, Decimal] | None:
        for holding in await self.bench.venue.positions():
            if holding.symbol == self.bench.instrument.symbol:
                return holding.direction, holding.quantity
        return None

    async def working(self) -> dict[ClientId, Order]:
        return {report.order.client_id: report.order for report in await self.bench.venue.open_orders()}

    async def looked_up(self, order: Order) -> Order | None:
        report = await self.bench.venue.order(order.symbol, order.client_id)
        return report.order if report else None

    async def is_refused(self, order: Order, guard: Protection | None = None) -> str:
        with pytest.raises(OrderRejected) as refusal:
            await self.bench.venue.submit(order, guard)
        assert refusal.value.reason
        return refusal.value.code


def likeness(order: Order) -> tuple[object, ...]:
    """What two reports of one order have in common, whenever they were made."""
    return order.client_id, order.kind, order.side, order.quantity, order.price, order.status, order.filled


class VenueContract:
    """Subclass it, name the subclass Test..., and define the fixture `bench`."""

    @pytest.fixture
    def desk(self, bench: Bench) -> Desk:
        return Desk(bench, count(1))

    # --- reading ---

    async def test_it_lists_its_instruments(self, bench: Bench) -> None:
        assert (await bench.venue.instruments())[bench.instrument.symbol] == bench.instrument

    async def test_a_fresh_account_holds_nothing(self, bench: Bench, desk: Desk) -> None:
        assert await desk.held() is None
        assert await desk.working() == {}
        balance = await bench.venue.balance()
        assert balance.wallet >= balance.available > 0

    async def test_an_order_it_never_saw_is_none(self, desk: Desk) -> None:
        assert await desk.looked_up(desk.order(Side.BUY)) is None

    # --- market orders ---

    @pytest.mark.parametrize("side", list(Side))
    async def test_a_market_order_opens_a_position(self, bench: Bench, desk: Desk, side: Side) -> None:
        order = desk.order(side)
        report = await bench.venue.submit(order)
        direction = Direction.LONG if side is Side.BUY else Direction.SHORT
        assert report.order.client_id == order.client_id
        assert await desk.held() == (direction, order.quantity)
        found = await desk.looked_up(order)
        assert found
        assert (found.status, found.filled) == (OrderStatus.FILLED, order.quantity)
        assert (found.decision_id, found.leg) == (order.decision_id, order.leg)

    async def test_fills_are_told_and_can_be_read_again(self, bench: Bench, desk: Desk) -> None:
        first, second = await desk.open(Side.BUY), await desk.open(Side.BUY)
        await bench.quiet()
        fills = await bench.venue.fills("")
        assert [f.client_id for f in fills] == [first.client_id, second.client_id]
        assert [f.id for f in fills] == sorted({f.id for f in fills})
        assert await bench.venue.fills(fills[0].id) == fills[1:]
        assert await bench.venue.fills(fills[1].id) == ()
        assert [u for u in bench.updates if isinstance(u, Fill)] == list(fills)
        assert all(f.quantity == first.quantity and f.fee > 0 and not f.maker for f in fills)

    async def test_a_round_trip_costs_what_its_fills_say(self, bench: Bench, desk: Desk) -> None:
        before = (await bench.venue.balance()).wallet
        await desk.open(Side.BUY)
        await bench.move(Decimal("0.01"))
        await bench.venue.submit(desk.closing(Side.SELL))
        bought, sold = await bench.venue.fills("")
        gross = (sold.price - bought.price) * sold.quantity
        balance = await bench.venue.balance()
        assert balance.wallet == before + gross - bought.fee - sold.fee
        assert balance.available == balance.wallet

    async def test_a_position_ties_up_margin(self, bench: Bench, desk: Desk) -> None:
        await desk.open(Side.BUY)
        balance = await bench.venue.balance()
        assert balance.available < balance.wallet

    async def test_the_same_id_is_never_a_second_order(self, bench: Bench, desk: Desk) -> None:
        order = await desk.open(Side.BUY)
        await desk.is_refused(order)
        assert await desk.held() == (Direction.LONG, order.quantity)

    # --- refusals: nothing happens ---

    @pytest.mark.parametrize("fault", ["off the step", "below the minimum", "above the maximum", "leverage"])
    async def test_an_order_outside_the_rules_is_refused(self, bench: Bench, desk: Desk, fault: str) -> None:
        instrument, order = bench.instrument, desk.order(Side.BUY)
        wrong = {
            "off the step": replace(order, quantity=order.quantity + instrument.step / 2),
            "below the minimum": replace(order, quantity=instrument.min_quantity / 2),
            "above the maximum": replace(order, quantity=instrument.max_quantity + instrument.step),
            "leverage": replace(order, leverage=instrument.max_leverage + 1),
        }[fault]
        await desk.is_refused(wrong)
        assert await desk.held() is None
        assert await desk.looked_up(wrong) is None

    async def test_an_order_that_cannot_be_paid_is_refused(self, bench: Bench, desk: Desk) -> None:
        mark = (await bench.touch()).mark
        wallet = (await bench.venue.balance()).wallet
        quantity = bench.instrument.round_quantity(wallet * 2 / mark)
        assert bench.instrument.max_quantity >= quantity, "the bench's account is too rich for this case"
        await desk.is_refused(replace(desk.order(Side.BUY, quantity), leverage=1))
        assert await desk.held() is None

    # --- resting orders ---

    async def test_a_limit_order_rests_until_the_market_trades_through(self, bench: Bench, desk: Desk) -> None:
        order = await desk.limit(Side.BUY, "-0.02")
        report = await bench.venue.submit(order)
        assert report.order.status is OrderStatus.OPEN
        assert {id: likeness(o) for id, o in (await desk.working()).items()} == {
            order.client_id: likeness(report.order)
        }
        assert await bench.venue.fills("") == ()
        await bench.move(Decimal("-0.03"))
        (fill,) = await bench.venue.fills("")
        assert (fill.client_id, fill.price, fill.maker) == (order.client_id, order.price, True)
        assert await desk.working() == {}

    async def test_cancel_is_idempotent(self, bench: Bench, desk: Desk) -> None:
        order = await desk.limit(Side.BUY, "-0.02")
        await bench.venue.submit(order)
        for _ in range(2):
            await bench.venue.cancel(order.symbol, order.client_id)
        assert await desk.working() == {}
        found = await desk.looked_up(order)
        assert found
        assert found.status is OrderStatus.CANCELLED
        await bench.move(Decimal("-0.03"))
        assert await bench.venue.fills("") == ()

    # --- reduce-only ---

    async def test_reduce_only_cannot_open(self, desk: Desk) -> None:
        await desk.is_refused(desk.closing(Side.SELL))
        assert await desk.held() is None

    async def test_reduce_only_cannot_enlarge(self, desk: Desk) -> None:
        opened = await desk.open(Side.SELL)
        await desk.is_refused(desk.closing(Side.SELL))
        assert await desk.held() == (Direction.SHORT, opened.quantity)

    async def test_reduce_only_cannot_flip(self, bench: Bench, desk: Desk) -> None:
        await desk.open(Side.BUY)
        await bench.venue.submit(desk.closing(Side.SELL, desk.size(30)))
        assert await desk.held() is None

    async def test_a_partial_close_leaves_the_rest(self, bench: Bench, desk: Desk) -> None:
        await desk.open(Side.BUY)
        await bench.venue.submit(desk.closing(Side.SELL, desk.size(4)))
        assert await desk.held() == (Direction.LONG, desk.size(6))

    # --- protection ---

    async def test_protection_rests_on_the_venue_itself(self, bench: Bench, desk: Desk) -> None:
        guard = await desk.guard("-0.03", "0.04")
        entry = await desk.open(Side.BUY, guard)
        working = await desk.working()
        stop, target = working[guard.stop_id], working[guard.target_id]
        assert (stop.kind, stop.trigger, stop.leg) == (STOP, guard.stop, Leg.STOP)
        assert (target.kind, target.trigger, target.leg) == (TARGET, guard.target, Leg.TARGET)
        for leg in (stop, target):
            assert (leg.side, leg.quantity, leg.reduce_only) == (Side.SELL, entry.quantity, True)
            assert leg.decision_id == entry.decision_id

    @pytest.mark.parametrize(("side", "fraction"), [(Side.BUY, "-0.035"), (Side.SELL, "0.035")])
    async def test_the_stop_closes_what_goes_wrong(self, bench: Bench, desk: Desk, side: Side, fraction: str) -> None:
        sign = "-" if side is Side.BUY else ""
        guard = await desk.guard(f"{sign}0.03", "0.04" if side is Side.BUY else "-0.04")
        await desk.open(side, guard)
        await bench.move(Decimal(fraction))
        assert await desk.held() is None
        assert (await bench.venue.fills(""))[-1].client_id == guard.stop_id

    @pytest.mark.parametrize(("side", "fraction"), [(Side.BUY, "0.045"), (Side.SELL, "-0.045")])
    async def test_the_target_takes_the_profit(self, bench: Bench, desk: Desk, side: Side, fraction: str) -> None:
        sign = "" if side is Side.BUY else "-"
        guard = await desk.guard("-0.03" if side is Side.BUY else "0.03", f"{sign}0.04")
        await desk.open(side, guard)
        await bench.move(Decimal(fraction))
        assert await desk.held() is None
        assert (await bench.venue.fills(""))[-1].client_id == guard.target_id

    async def test_protection_on_the_wrong_side_refuses_the_whole(self, desk: Desk) -> None:
        order = desk.order(Side.BUY)
        await desk.is_refused(order, await desk.guard("0.03", "0.04"))
        assert await desk.held() is None
        assert await desk.working() == {}

    async def test_a_leg_can_be_cancelled_by_its_own_id(self, bench: Bench, desk: Desk) -> None:
        guard = await desk.guard("-0.03", "0.04")
        await desk.open(Side.BUY, guard)
        await bench.venue.cancel(bench.instrument.symbol, guard.target_id)
        assert set(await desk.working()) == {guard.stop_id}

    # --- moving a leg ---

    @pytest.mark.parametrize("side", list(Side))
    async def test_a_stop_is_moved_in_place_and_guards_at_its_new_level(
        self, bench: Bench, desk: Desk, side: Side
    ) -> None:
        sign = "-" if side is Side.BUY else ""
        guard = await desk.guard(f"{sign}0.03", "0.04" if side is Side.BUY else "-0.04")
        entry = await desk.open(side, guard)
        level = await desk.near(f"{sign}0.01")
        report = await bench.venue.amend(entry.symbol, guard.stop_id, trigger=level)
        assert (report.order.client_id, report.order.trigger) == (guard.stop_id, level)
        working = await desk.working()
        assert set(working) == {guard.stop_id, guard.target_id}
        stop = working[guard.stop_id]
        assert (stop.trigger, stop.quantity, stop.reduce_only) == (level, entry.quantity, True)
        await bench.move(Decimal(f"{sign}0.015"))
        assert await desk.held() is None
        assert (await bench.venue.fills(""))[-1].client_id == guard.stop_id

    async def test_asking_twice_for_the_same_level_is_no_error(self, bench: Bench, desk: Desk) -> None:
        guard = await desk.guard("-0.03", "0.04")
        entry = await desk.open(Side.BUY, guard)
        level = await desk.near("-0.01")
        first = await bench.venue.amend(entry.symbol, guard.stop_id, trigger=level)
        again = await bench.venue.amend(entry.symbol, guard.stop_id, trigger=level)
        assert again.order.trigger == first.order.trigger == level
        assert len(await desk.working()) == 2

    async def test_a_target_can_be_moved_too(self, bench: Bench, desk: Desk) -> None:
        guard = await desk.guard("-0.03", "0.04")
        entry = await desk.open(Side.BUY, guard)
        await bench.venue.amend(entry.symbol, guard.target_id, trigger=await desk.near("0.01"))
        await bench.move(Decimal("0.015"))
        assert await desk.held() is None

    @pytest.mark.parametrize("fraction", ["0.01", "0"])
    async def test_a_stop_is_not_moved_to_where_the_mark_has_been(
        self, bench: Bench, desk: Desk, fraction: str
    ) -> None:
        guard = await desk.guard("-0.03", "0.04")
        entry = await desk.open(Side.BUY, guard)
        with pytest.raises(OrderRejected) as refusal:
            await bench.venue.amend(entry.symbol, guard.stop_id, trigger=await desk.near(fraction))
        assert refusal.value.code != "gone"
        assert (await desk.working())[guard.stop_id].trigger == guard.stop
        assert await desk.held() == (Direction.LONG, entry.quantity)

    async def test_what_works_no_more_cannot_be_moved(self, bench: Bench, desk: Desk) -> None:
        guard = await desk.guard("-0.03", "0.04")
        entry = await desk.open(Side.BUY, guard)
        await bench.venue.cancel(entry.symbol, guard.stop_id)
        for client_id in (guard.stop_id, entry.client_id, desk.new_id()):
            with pytest.raises(OrderRejected) as refusal:
                await bench.venue.amend(entry.symbol, client_id, trigger=await desk.near("-0.01"))
            assert refusal.value.code == "gone"
        assert set(await desk.working()) == {guard.target_id}

    # --- funding, updates ---

    async def test_funding_is_paid_on_what_is_open(self, bench: Bench, desk: Desk) -> None:
        await desk.open(Side.BUY)
        before = (await bench.venue.balance()).wallet
        await bench.settle_funding(Decimal("0.0001"))
        (payment,) = await bench.venue.funding("")
        assert payment.amount < 0
        assert (await bench.venue.balance()).wallet == before + payment.amount
        assert await bench.venue.funding(payment.id) == ()
        await bench.quiet()
        assert [u for u in bench.updates if isinstance(u, FundingPayment)] == [payment]

    async def test_the_last_report_told_is_what_a_look_up_says(self, bench: Bench, desk: Desk) -> None:
        guard = await desk.guard("-0.03", "0.04")
        entry = await desk.open(Side.BUY, guard)
        await bench.move(Decimal("-0.035"))
        await bench.quiet()
        told = {u.order.client_id: u.order for u in bench.updates if isinstance(u, OrderReport)}
        assert set(told) <= {entry.client_id, guard.stop_id, guard.target_id}
        for order in told.values():
            found = await desk.looked_up(order)
            assert found
            assert likeness(found) == likeness(order)
