"""Cash and positions conserve, to the last digit, under any sequence of fills, fees and funding."""

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.builders import NOW, a_fill, a_position, a_protection, an_order
from trading import ledger
from trading.errors import BadRecord
from trading.model import ZERO, Direction, ExitReason, FundingPayment, Position, Side, Symbol, Trade

D = Decimal
quantities = st.integers(1, 10**7).map(lambda n: D(n) / 1000)
prices = st.integers(1, 10**8).map(lambda n: D(n) / 10**4)
amounts = st.integers(-(10**12), 10**12).map(lambda n: D(n) / 10**8)
fees = st.integers(-(10**8), 10**10).map(lambda n: D(n) / 10**8)


@dataclass(frozen=True)
class Grow:
    quantity: Decimal
    price: Decimal
    fee: Decimal


@dataclass(frozen=True)
class Shrink:
    """Close this many thousandths of what is open; 1000 is all."""

    share: int
    price: Decimal
    fee: Decimal


@dataclass(frozen=True)
class Pay:
    amount: Decimal


Step = Grow | Shrink | Pay
steps = st.one_of(
    st.builds(Grow, quantities, prices, fees),
    st.builds(Shrink, st.integers(1, 1000), prices, fees),
    st.builds(Pay, amounts),
)


class Account:
    """What a cashier would write down: money in and out, and pieces in the drawer."""

    def __init__(self, direction: Direction) -> None:
        self.direction = direction
        self.cash = ZERO
        self.pieces = ZERO
        self.position: Position | None = None
        self.trades: list[Trade] = []
        self.at = NOW

    def _trade(self, quantity: Decimal, price: Decimal, fee: Decimal, side: Side) -> None:
        sign = 1 if side is Side.BUY else -1
        self.pieces += sign * quantity
        self.cash -= sign * quantity * price + fee

    def do(self, step: Step) -> None:
        self.at += timedelta(seconds=1)
        match step:
            case Grow(quantity, price, fee):
                self._grow(quantity, price, fee)
            case Shrink(share, price, fee) if self.position:
                whole = int(self.position.quantity * 1000)
                self._shrink(D(max(1, whole * share // 1000)) / 1000, price, fee)
            case Pay(amount) if self.position:
                self.cash += amount
                payment = FundingPayment(id="1", symbol=Symbol("X"), at=self.at, rate=ZERO, amount=amount)
                self.position = ledger.funded(self.position, payment)

    def _grow(self, quantity: Decimal, price: Decimal, fee: Decimal) -> None:
        side = self.direction.entry
        fill = replace(a_fill(side), quantity=quantity, price=price, fee=fee, at=self.at)
        self._trade(quantity, price, fee, side)
        if self.position is None:
            order = an_order(side=side, quantity=quantity)
            self.position = ledger.opened(order, fill, playbook="desk")
        else:
            self.position = ledger.increased(self.position, fill)

    def _shrink(self, quantity: Decimal, price: Decimal, fee: Decimal) -> None:
        assert self.position
        side = self.direction.exit
        fill = replace(a_fill(side), quantity=quantity, price=price, fee=fee, at=self.at)
        self._trade(quantity, price, fee, side)
        left = ledger.reduced(self.position, fill)
        if left is None:
            self.trades.append(ledger.closed(self.position, fill, reason=ExitReason.MANUAL, note=""))
        self.position = left

    def worth(self, mark: Decimal) -> Decimal:
        """What the desk says it has made."""
        made = sum((t.net for t in self.trades), ZERO)
        return made + (self.position.booked + self.position.unrealised(mark) if self.position else ZERO)


@settings(max_examples=300, deadline=None)
@given(direction=st.sampled_from(Direction), todo=st.lists(steps, max_size=25), mark=prices)
@example(
    direction=Direction.LONG,  # 24 decimals and five digits before them are more than a Decimal's 28
    todo=[
        Grow(D("24.803"), D("3338.1273"), ZERO),
        Grow(D("73.061"), D("1114.2542"), ZERO),
        Shrink(609, D("0.0001"), ZERO),
    ],
    mark=D("1677.8804"),
)
def test_trades_and_open_positions_add_up_to_the_cash_that_moved(
    direction: Direction, todo: list[Step], mark: Decimal
) -> None:
    account = Account(direction)
    for step in todo:
        account.do(step)
        held = account.position.quantity * direction.sign if account.position else ZERO
        assert held == account.pieces
        assert account.worth(mark) == account.cash + account.pieces * mark


@given(direction=st.sampled_from(Direction), todo=st.lists(steps, max_size=25), last=prices)
def test_when_all_is_closed_only_trades_are_left(direction: Direction, todo: list[Step], last: Decimal) -> None:
    account = Account(direction)
    for step in todo:
        account.do(step)
    if account.position:
        account.do(Shrink(1000, last, ZERO))
    assert account.position is None
    assert account.pieces == 0
    assert sum((t.net for t in account.trades), ZERO) == account.cash
    assert all(t.net == t.gross - t.fees + t.funding for t in account.trades)


@given(parts=st.lists(st.integers(1, 500), min_size=1, max_size=6), price=prices, exit_=prices)
def test_a_trade_is_the_same_in_one_fill_or_in_many(parts: list[int], price: Decimal, exit_: Decimal) -> None:
    whole = D(sum(parts)) / 1000
    one, many = Account(Direction.LONG), Account(Direction.LONG)
    one.do(Grow(whole, price, ZERO))
    one.do(Shrink(1000, exit_, ZERO))
    for part in parts:
        many.do(Grow(D(part) / 1000, price, ZERO))
    for part in parts:
        many._shrink(D(part) / 1000, exit_, ZERO)
    assert [(t.gross, t.quantity, t.entry) for t in one.trades] == [(t.gross, t.quantity, t.entry) for t in many.trades]


@given(extra=quantities)
def test_more_than_is_open_cannot_be_closed(extra: Decimal) -> None:
    position = a_position()
    fill = replace(a_fill(Side.SELL), quantity=position.quantity + extra)
    with pytest.raises(BadRecord, match="closed of"):
        ledger.reduced(position, fill)


def test_an_entry_without_its_guard_opens_nothing() -> None:
    with pytest.raises(BadRecord, match="no protection"):
        ledger.opened(replace(an_order(), protection=None), a_fill(), playbook="desk")


def test_a_trade_without_risk_has_no_r() -> None:
    flat = a_position(protection=a_protection(stop="60000"))
    trade = ledger.closed(flat, a_fill(Side.SELL, price="61000"), reason=ExitReason.MANUAL, note="")
    assert trade.r == 0


def test_r_counts_fees_and_funding() -> None:
    # 150 at risk; +100 gross, fees 3 + 3, funding -19: net 75 is half an R
    position = ledger.funded(a_position(), FundingPayment(id="1", symbol=Symbol("X"), at=NOW, rate=ZERO, amount=D(-19)))
    trade = ledger.closed(position, a_fill(Side.SELL, price="61000"), reason=ExitReason.MANUAL, note="")
    assert (trade.gross, trade.net, trade.r) == (D(100), D(75), D("0.5"))


def test_more_of_an_entry_has_to_be_guarded_anew() -> None:
    grown = ledger.increased(a_position(), a_fill(at=NOW + timedelta(seconds=3)))
    assert (grown.guard.value, grown.guard_since) == ("pending", NOW + timedelta(seconds=3))
    assert (grown.entry_quantity, grown.quantity) == (D("0.2"), D("0.2"))
