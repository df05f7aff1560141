"""The account of the emulated exchange: wallet, positions, fills and incomes. The wallet is what it began with plus all
incomes, to the last digit; a position is what its fills add up to."""

from collections.abc import Callable
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, ROUND_UP, Decimal
from typing import Literal

from tests.fakes.exchange_core_values import (
    CENT,
    CoreFill,
    CoreIncome,
    CoreOrder,
    CorePosition,
    Direction,
    Happening,
    Refused,
    Side,
    Spec,
)

OTHER: dict[Direction, Direction] = {"LONG": "SHORT", "SHORT": "LONG"}
NONE = Decimal(0)


def opens(side: Side) -> Direction:
    return "LONG" if side == "BUY" else "SHORT"


def closing(direction: Direction) -> Side:
    return "SELL" if direction == "LONG" else "BUY"


def booked(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_EVEN)


class Account:
    def __init__(self, wallet: Decimal, *, hedged: bool, now: Callable[[], int], emit: Callable[[Happening], None]):
        self.wallet = wallet
        self.hedged = hedged
        self.positions: dict[tuple[str, Direction], CorePosition] = {}
        self.fills: list[CoreFill] = []
        self.incomes: list[CoreIncome] = []
        self._now, self._emit = now, emit

    def set_aside(self) -> Decimal:
        return sum((position.margin for position in self.positions.values()), NONE)

    def reduces(self, order: CoreOrder) -> CorePosition | None:
        """The position that an order of this side would make smaller."""
        if not self.hedged:
            return self.positions.get((order.native, OTHER[opens(order.side)]))
        return self.positions.get((order.native, order.direction)) if opens(order.side) != order.direction else None

    def fill(
        self, order: CoreOrder, spec: Spec, *, quantity: Decimal, price: Decimal, leverage: int, maker: bool
    ) -> CoreFill:
        """Books one fill of an order: what closes first, what opens after."""
        order.filled += quantity
        order.value += quantity * price
        position = self.reduces(order)
        closes = min(quantity, position.quantity) if position is not None else NONE
        realised = self._reduce(position, closes, price) if position is not None else NONE
        changed = [position] if position is not None else []
        if quantity > closes:
            changed.append(self._open(order, quantity - closes, price, leverage))
        fee = booked(quantity * price * (spec.maker_fee if maker else spec.taker_fee))
        fill = CoreFill(
            id=len(self.fills) + 400_001,
            order=order.id,
            client_id=order.client_id,
            native=order.native,
            side=order.side,
            direction=changed[0].direction,
            quantity=quantity,
            price=price,
            fee=fee,
            realised=realised,
            at=self._now(),
            maker=maker,
            liquidation=order.liquidation,
            guard=order.guard if order.origin is not None else None,
        )
        self._book(fill)
        self._emit(("fill", fill))
        for each in changed:
            self._emit(("position", replace(each)))
        self._emit(("balance", self.wallet))
        return fill

    def fund(self, native: str, rate: Decimal, mark: Decimal) -> None:
        for position in [each for each in self.positions.values() if each.native == native]:
            self.gain("FUNDING", booked(-position.signed * mark * rate), native=native, rate=rate)
        self._emit(("balance", self.wallet))

    def transfer(self, amount: Decimal) -> None:
        self.gain("TRANSFER", amount)
        self._emit(("balance", self.wallet))

    def releverage(self, native: str, leverage: int, spare: Decimal) -> None:
        """Sets other margin aside for what is open; refused where there is not enough."""
        held = [each for each in self.positions.values() if each.native == native]
        margins = [_margin(each.cost, leverage) for each in held]
        if sum(margins, NONE) - sum((each.margin for each in held), NONE) > spare:
            raise Refused("margin", "not enough for the margin at that leverage")
        for position, margin in zip(held, margins, strict=True):
            position.leverage, position.margin, position.updated = leverage, margin, self._now()

    def gain(
        self,
        kind: Literal["FUNDING", "REALISED", "COMMISSION", "TRANSFER"],
        amount: Decimal,
        *,
        native: str = "",
        rate: Decimal | None = None,
        fill: int | None = None,
    ) -> None:
        number = len(self.incomes) + 900_001
        self.incomes.append(
            CoreIncome(id=number, native=native, kind=kind, amount=amount, rate=rate, at=self._now(), fill=fill)
        )
        self.wallet += amount

    def _book(self, fill: CoreFill) -> None:
        self.fills.append(fill)
        if fill.realised:
            self.gain("REALISED", fill.realised, native=fill.native, fill=fill.id)
        if fill.fee:
            self.gain("COMMISSION", -fill.fee, native=fill.native, fill=fill.id)

    def _open(self, order: CoreOrder, quantity: Decimal, price: Decimal, leverage: int) -> CorePosition:
        direction = order.direction if self.hedged else opens(order.side)
        now = self._now()
        position = self.positions.get((order.native, direction))
        if position is None:
            position = CorePosition(
                native=order.native,
                direction=direction,
                quantity=NONE,
                cost=NONE,
                leverage=leverage,
                margin=NONE,
                opened=now,
                updated=now,
            )
            self.positions[order.native, direction] = position
        position.quantity += quantity
        position.cost += quantity * price
        position.margin += _margin(quantity * price, leverage)
        position.updated = now
        return position

    def _reduce(self, position: CorePosition, quantity: Decimal, price: Decimal) -> Decimal:
        """The cost's share of a partial close is booked to eight places; the rest stays, so nothing is ever lost."""
        whole = quantity == position.quantity
        cost = position.cost if whole else booked(position.cost * quantity / position.quantity)
        margin = position.margin if whole else booked(position.margin * quantity / position.quantity)
        position.quantity -= quantity
        position.cost -= cost
        position.margin -= margin
        position.updated = self._now()
        if whole:
            del self.positions[position.native, position.direction]
        gained = quantity * price - cost
        return gained if position.direction == "LONG" else -gained


def _margin(value: Decimal, leverage: int) -> Decimal:
    return (value / leverage).quantize(CENT, ROUND_UP)
