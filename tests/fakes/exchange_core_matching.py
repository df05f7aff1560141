"""Matching in the emulated exchange: what fills, what fires, what is liquidated, and guards that ride on entries."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from tests.fakes.exchange_core_account import NONE, Account, closing, opens
from tests.fakes.exchange_core_market import Level, Market
from tests.fakes.exchange_core_rules import about, fires, reached, twin
from tests.fakes.exchange_core_values import (
    CoreOrder,
    CorePosition,
    Direction,
    Happening,
    Kind,
    Margin,
    Refused,
    Spec,
    Status,
)

Depth = Decimal | dict[str, Decimal] | None
_LEVERAGE = 20  # until it is set


class Matching:
    """The state of the exchange and what happens in it by itself; what an account asks for is in Core."""

    def __init__(
        self,
        specs: Iterable[Spec],
        *,
        wallet: Decimal,
        now: Callable[[], int],
        hedged: bool,
        duplicates: str,
        attach_delay_ms: int,
        ack_only: bool,
        attach_close_all: bool,
    ) -> None:
        self.now = now
        self.specs = {spec.native: spec for spec in specs}
        self.markets = {native: Market(spec, at_ms=now()) for native, spec in self.specs.items()}
        self.account = Account(wallet, hedged=hedged, now=now, emit=self._emit)
        self.leverage = {native: min(_LEVERAGE, spec.max_leverage) for native, spec in self.specs.items()}
        self.margin: dict[str, Margin] = dict.fromkeys(self.specs, "ISOLATED")
        self.listeners: list[Callable[[Happening], None]] = []
        self.duplicates = duplicates
        self.attach_delay_ms = attach_delay_ms
        self.attach_close_all = attach_close_all
        self.ack_only = ack_only
        self.several_close_all = False
        self.late_fills_ms = 0
        self.liquidity: Depth = None
        self.levels = 5
        self._orders: dict[int, CoreOrder] = {}
        self._open: dict[int, CoreOrder] = {}
        self._by_client: dict[str, list[CoreOrder]] = {}
        self._riding: list[tuple[int, CoreOrder]] = []  # guards that will appear: when, and the entry they ride on

    def available(self) -> Decimal:
        """What new margin can be taken from: neither unrealised P&L nor what working orders hold."""
        held = sum((self._reserve(order) for order in self._open.values()), NONE)
        return max(NONE, self.account.wallet - self.account.set_aside() - held)

    def tick(self) -> None:
        """Lets attached guards appear whose time has come."""
        if not self._riding:
            return
        now = self.now()
        due = [entry for at, entry in self._riding if at <= now]
        self._riding = [(at, entry) for at, entry in self._riding if at > now]
        for entry in due:
            self._appear(entry)

    # --- accepting and ending -----------------------------------------------------------------------------------

    def _accept(self, order: CoreOrder) -> None:
        order.id = 70_000_001 + len(self._orders)
        order.created = self.now()
        order.status = "UNTRIGGERED" if order.conditional else "NEW"
        if order.conditional and order.reduce_only:
            order.guard = "STOP" if order.kind == "STOP_MARKET" else "TARGET"
        self._orders[order.id] = self._open[order.id] = order
        if order.client_id:
            self._by_client.setdefault(order.client_id, []).append(order)
        self._changed(order)

    def _check_margin(self, order: CoreOrder, market: Market) -> None:
        """Initial margin of what would open, and the fee of all of it."""
        position = self.account.reduces(order)
        closes = min(order.quantity, position.quantity) if position is not None else NONE
        price = order.price or (market.ask if order.side == "BUY" else market.bid)
        needed = (order.quantity - closes) * price / self.leverage[order.native]
        if needed > 0 and needed + order.quantity * price * market.spec.taker_fee > self.available():
            raise Refused("margin", "not enough available")

    def _market(self, native: str) -> Market:
        if native not in self.markets:
            raise Refused("symbol", f"{native} is not listed")
        return self.markets[native]

    def _depth(self, native: str) -> Decimal | None:
        return self.liquidity.get(native) if isinstance(self.liquidity, dict) else self.liquidity

    def _resting(self, native: str) -> list[CoreOrder]:
        return [each for each in self._open.values() if each.native == native and not each.conditional]

    def _waiting(self, native: str) -> list[CoreOrder]:
        return [each for each in self._open.values() if each.native == native and each.conditional]

    def _held(self, native: str) -> list[CorePosition]:
        return [each for each in self.account.positions.values() if each.native == native]

    def _reserve(self, order: CoreOrder) -> Decimal:
        """What a resting order that may open holds back."""
        if order.conditional or order.reduce_only or order.price is None:
            return NONE
        value = order.remaining * order.price
        return value / self.leverage[order.native] + value * self.specs[order.native].taker_fee

    def _traded(self, market: Market, price: Decimal, quantity: Decimal, buy: bool) -> None:
        market.bars.traded(price, quantity, buy=buy, at_ms=self.now())
        self._emit(("trade", market.spec.native, price, quantity, buy))

    def _end(self, order: CoreOrder, status: Status, note: str = "") -> CoreOrder:
        order.status = status
        order.note = note or order.note
        self._open.pop(order.id, None)
        self._changed(order)
        return order

    def _changed(self, order: CoreOrder) -> None:
        order.updated = self.now()
        self._emit(("order", replace(order)))

    def _emit(self, happening: Happening) -> None:
        for listener in list(self.listeners):
            listener(happening)

    # --- filling ----------------------------------------------------------------------------------------------------

    def _execute(self, order: CoreOrder) -> None:
        """What trades at once; then a limit order rests, and everything else ends."""
        market = self._market(order.native)
        limit = order.price if order.kind == "LIMIT" else None
        levels = self._sweep(market, order, limit)
        if (order.tif in ("POST_ONLY", "GTX") and levels) or (
            order.tif == "FOK" and sum((got for _, got in levels), NONE) < order.quantity
        ):
            self._end(order, "EXPIRED", f"{order.tif} could not be met")
            return
        for price, quantity in levels:
            if order.open:
                market.eat(order.side, price, quantity)
                self._fill(order, quantity, price, maker=False)
        if order.open and (order.kind != "LIMIT" or order.tif in ("IOC", "FOK")):
            self._end(order, "EXPIRED", "no more at that price")
            self.tick()

    def _sweep(self, market: Market, order: CoreOrder, limit: Decimal | None) -> list[Level]:
        wanted = self._wanted(order)
        return market.sweep(order.side, wanted, limit=limit, depth=self._depth(order.native), levels=self.levels)

    def _wanted(self, order: CoreOrder) -> Decimal:
        """What is left of it; never more than there is to reduce."""
        if not order.reduce_only:
            return order.remaining
        position = self.account.reduces(order)
        return NONE if position is None else min(order.remaining, position.quantity)

    def _give(self, order: CoreOrder, most: Decimal) -> Decimal:
        """Fills a resting order at its own price; one with nothing left to reduce ends."""
        quantity = min(most, self._wanted(order))
        if quantity <= 0:
            self._end(order, "EXPIRED", "nothing to reduce")
        elif order.price is not None:
            self._fill(order, quantity, order.price, maker=True)
        return quantity

    def _fill(self, order: CoreOrder, quantity: Decimal, price: Decimal, *, maker: bool) -> None:
        market = self._market(order.native)
        leverage = self.leverage[order.native]
        before = self.account.reduces(order)
        ends = order.remaining <= quantity
        order.status = "FILLED" if ends else "PARTIALLY_FILLED"  # whoever hears of the fill sees the order so
        order.updated = self.now()
        if ends:
            self._open.pop(order.id, None)
        self.account.fill(order, market.spec, quantity=quantity, price=price, leverage=leverage, maker=maker)
        self._follow(order)
        self._changed(order)
        self._traded(market, price, quantity, (order.side == "BUY") != maker)
        if before is not None and before.quantity == 0:
            self._gone_flat(before)
        if order.attach != (None, None):
            self._ride(order)

    def _follow(self, order: CoreOrder) -> None:
        """The conditional order shows what the plain one that it became has done."""
        if order.origin is not None:
            conditional = self._orders[order.origin]
            conditional.filled, conditional.value, conditional.updated = order.filled, order.value, self.now()

    def _gone_flat(self, position: CorePosition) -> None:
        for order in list(self._open.values()):
            if order.conditional and order.close_all and about(order, position):
                self._end(order, "CANCELED", "the position is closed")

    # --- guards that ride on an entry -------------------------------------------------------------------------------

    def _ride(self, entry: CoreOrder) -> None:
        if all(riding is not entry for _, riding in self._riding):
            self._riding.append((self.now() + self.attach_delay_ms, entry))
            with suppress(RuntimeError):  # no loop runs: it appears when somebody next looks
                asyncio.get_running_loop().call_later(self.attach_delay_ms / 1000 + 0.002, self.tick)
        if not entry.open:
            self.tick()

    def _appear(self, entry: CoreOrder) -> None:
        direction = entry.direction if self.account.hedged else opens(entry.side)
        if (entry.native, direction) not in self.account.positions:
            return
        kinds: tuple[Kind, Kind] = ("STOP_MARKET", "TAKE_PROFIT_MARKET")
        for kind, trigger in zip(kinds, entry.attach, strict=True):
            if trigger is not None:
                self._attach(entry, direction, kind, trigger)
        self._react(self._market(entry.native))

    def _attach(self, entry: CoreOrder, direction: Direction, kind: Kind, trigger: Decimal) -> None:
        quantity = NONE if self.attach_close_all else entry.filled - self._guarded(entry, kind)
        guard = CoreOrder(
            id=0,
            client_id="",
            native=entry.native,
            side=closing(direction),
            direction=direction,
            kind=kind,
            quantity=quantity,
            trigger=trigger,
            reduce_only=True,
            close_all=self.attach_close_all,
            conditional=True,
            parent=entry.id,
        )
        for other in self._open.values():
            if twin(other, guard) and (self.attach_close_all if other.close_all else other.parent == entry.id):
                other.trigger, other.quantity, other.parent = trigger, guard.quantity, entry.id
                self._changed(other)
                return
        self._accept(guard)

    def _guarded(self, entry: CoreOrder, kind: Kind) -> Decimal:
        """What earlier guards of an entry that fills in parts have closed already."""
        ended = [each for each in self._orders.values() if each.parent == entry.id and not each.open]
        return sum((each.filled for each in ended if each.conditional and each.kind == kind), NONE)

    # --- what a price does ------------------------------------------------------------------------------------------

    def _next_stop(self, market: Market, target: Decimal) -> Decimal:
        """The next price on the way at which something of ours happens, or the target."""
        here, native = market.last, market.spec.native
        prices = [order.price for order in self._resting(native)]
        prices += [order.trigger for order in self._waiting(native)]
        prices += [self._liquidates(market, position) for position in self._held(native)]
        low, high = min(here, target), max(here, target)
        between = [price for price in prices if price is not None and low < price < high]
        if not between:
            return target
        return min(between) if target > here else max(between)

    def _arrive(self, market: Market, price: Decimal, mark: Decimal | None) -> None:
        native = market.spec.native
        rising = price >= market.last
        market.arrive(price, at_ms=self.now(), mark=mark)
        self._traded(market, price, market.typical(10_000), rising)
        self._emit(("book", native))
        self._emit(("mark", native))
        self._react(market)

    def _react(self, market: Market) -> None:
        """Triggers, then limit orders, then liquidations, as long as one leads to another."""
        native = market.spec.native
        while True:
            fired = next((each for each in self._waiting(native) if fires(each, each.trigger or NONE, market)), None)
            if fired is not None:
                self._fire(fired)
                continue
            resting = next((each for each in self._resting(native) if reached(each, market.last)), None)
            if resting is not None:
                self._give(resting, resting.remaining)
                continue
            broke = next((each for each in self._held(native) if self._is_broke(market, each)), None)
            if broke is None:
                return
            self._liquidate(market, broke)

    def _fire(self, order: CoreOrder) -> None:
        position = self.account.reduces(order)
        if order.reduce_only and position is None:
            self._end(order, "EXPIRED", "nothing to reduce")
            return
        quantity = order.quantity
        if order.reduce_only and position is not None:
            quantity = position.quantity if order.close_all else min(quantity, position.quantity)
        plain = replace(order, kind="MARKET", quantity=quantity, conditional=False, origin=order.id, fired=None)
        plain.trigger, plain.tif = None, "IOC"
        try:
            if not order.reduce_only:
                self._check_margin(plain, self._market(order.native))
        except Refused as refusal:
            self._end(order, "REJECTED", refusal.text)
            return
        self._end(order, "TRIGGERED")
        self._accept(plain)
        order.fired = plain.id
        self._execute(plain)
        self._changed(order)

    def _liquidates(self, market: Market, position: CorePosition) -> Decimal | None:
        """The first tick at which a position is liquidated."""
        at = position.liquidation(market.spec.maintenance)
        if at is None:
            return None
        way = ROUND_FLOOR if position.direction == "LONG" else ROUND_CEILING
        return (at / market.spec.tick).quantize(Decimal(1), way) * market.spec.tick

    def _is_broke(self, market: Market, position: CorePosition) -> bool:
        at = position.liquidation(market.spec.maintenance)
        if at is None:
            return False
        return market.mark <= at if position.direction == "LONG" else market.mark >= at

    def _liquidate(self, market: Market, position: CorePosition) -> None:
        """All of it at the mark, and never beyond the price at which its margin is gone: the exchange bears that."""
        long = position.direction == "LONG"
        tick = market.spec.tick
        worst = (position.bankrupt() / tick).quantize(Decimal(1), ROUND_CEILING if long else ROUND_FLOOR) * tick
        order = CoreOrder(
            id=0,
            client_id="",
            native=position.native,
            side=closing(position.direction),
            direction=position.direction,
            kind="MARKET",
            quantity=position.quantity,
            reduce_only=True,
            liquidation=True,
            note="liquidation",
        )
        self._accept(order)
        self._fill(order, position.quantity, max(market.mark, worst) if long else min(market.mark, worst), maker=False)
