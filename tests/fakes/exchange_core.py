"""A real little exchange, in memory: matching, isolated margin, conditional orders, liquidation, funding, bars.

It knows no protocol: the emulated exchanges put their own on it. Deterministic: the time is asked of `now`."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal

from tests.fakes.exchange_core_account import NONE, OTHER, opens
from tests.fakes.exchange_core_history import Bar
from tests.fakes.exchange_core_market import Level, Market
from tests.fakes.exchange_core_matching import Matching
from tests.fakes.exchange_core_rules import check_prices, check_shape, fires, reached, twin
from tests.fakes.exchange_core_values import (
    SPECS,
    CoreFill,
    CoreIncome,
    CoreOrder,
    CorePosition,
    Direction,
    Happening,
    Kind,
    Margin,
    Refused,
    Side,
    Spec,
)

__all__ = [
    "SPECS",
    "Core",
    "CoreFill",
    "CoreIncome",
    "CoreOrder",
    "CorePosition",
    "Happening",
    "Refused",
    "Spec",
]

_CONDITIONAL: tuple[Kind, ...] = ("STOP_MARKET", "TAKE_PROFIT_MARKET")


class Core(Matching):
    """One account and its markets.

    `duplicates`: client ids are unique among "open" orders of one kind (plain or conditional), or "always".
    `attach_delay_ms`: so long after a fill its attached guards appear. `attach_close_all`: they belong to the position
    (one stop and one target a side, moved by a later entry), not to the quantity filled. `ack_only`: `place` answers
    with the order as accepted, before anything was filled. `late_fills_ms`: so late `visible_fills` shows a fill.
    `liquidity`: quantity (or by native) at each of `levels` levels, one tick apart, that each move restores; a market
    order eats them from the touch on, one fill a level, and what finds nothing is EXPIRED. None: endless at the touch.
    Crossed margin is a word here: what is set aside is always isolated.
    Listeners get copies: what a happening shows is how it was then.
    """

    def __init__(
        self,
        specs: Iterable[Spec] = SPECS,
        *,
        wallet: Decimal = Decimal(10_000),
        now: Callable[[], int],
        hedged: bool = False,
        duplicates: str = "open",
        attach_delay_ms: int = 0,
        ack_only: bool = False,
        attach_close_all: bool = False,
    ) -> None:
        super().__init__(
            specs,
            wallet=wallet,
            now=now,
            hedged=hedged,
            duplicates=duplicates,
            attach_delay_ms=attach_delay_ms,
            ack_only=ack_only,
            attach_close_all=attach_close_all,
        )

    # --- what can be read -------------------------------------------------------------------------------------------

    @property
    def wallet(self) -> Decimal:
        return self.account.wallet

    @property
    def hedged(self) -> bool:
        return self.account.hedged

    @property
    def orders(self) -> dict[int, CoreOrder]:
        """By id. Reading lets guards that are due appear."""
        self.tick()
        return self._orders

    @property
    def fills(self) -> list[CoreFill]:
        return self.account.fills

    @property
    def positions(self) -> dict[tuple[str, Direction], CorePosition]:
        """Open ones only."""
        return self.account.positions

    @property
    def incomes(self) -> list[CoreIncome]:
        return self.account.incomes

    def visible_fills(self, now: int | None = None) -> list[CoreFill]:
        at = (self.now() if now is None else now) - self.late_fills_ms
        return [fill for fill in self.fills if fill.at <= at]

    def unrealised(self) -> Decimal:
        return sum((each.unrealised(self.mark(each.native)) for each in self.positions.values()), NONE)

    def liquidation(self, position: CorePosition) -> Decimal | None:
        return position.liquidation(self.specs[position.native].maintenance)

    def mark(self, native: str) -> Decimal:
        return self._market(native).mark

    def last(self, native: str) -> Decimal:
        return self._market(native).last

    def bid(self, native: str) -> Decimal:
        return self._market(native).bid

    def ask(self, native: str) -> Decimal:
        return self._market(native).ask

    def book(self, native: str, depth: int) -> tuple[list[Level], list[Level]]:
        """Bids and asks, best first."""
        return self._market(native).book(depth, self._depth(native), self.levels)

    def klines(
        self,
        native: str,
        minutes: int = 1,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
        *,
        newest: bool = False,
    ) -> list[Bar]:
        """(open ms, open, high, low, close, volume, taker buy volume, trades), oldest first, the running bar included.

        More than `limit` between start and end: the first where a start is given, else (or with `newest`) the last.
        """
        bars = self._market(native).bars
        return bars.read(minutes, start_ms, end_ms, limit, newest=newest, at_ms=self.now())

    def by_id(self, order_id: int) -> CoreOrder | None:
        return self.orders.get(order_id)

    def find(self, client_id: str, conditional: bool | None = None) -> CoreOrder | None:
        """The newest order of that client id; plain or conditional ones only where asked."""
        self.tick()
        known = self._by_client.get(client_id, [])
        return next((order for order in reversed(known) if conditional in (None, order.conditional)), None)

    def working(self, native: str | None = None, conditional: bool | None = None) -> list[CoreOrder]:
        self.tick()
        return [order for order in self._open.values() if _matches(order, native, conditional)]

    def history(self, native: str | None = None, conditional: bool | None = None) -> list[CoreOrder]:
        """Orders that have ended, oldest first."""
        return [each for each in self.orders.values() if not each.open and _matches(each, native, conditional)]

    # --- what the market does ---------------------------------------------------------------------------------------

    def move(self, native: str, price: Decimal, mark: Decimal | None = None) -> None:
        """The market trades from where it is to this price (put on the tick) and stays there, and the mark with it.

        It stops at every limit price, trigger and liquidation price on its way. A resting limit order fills when the
        market trades at its price or beyond.
        """
        self.tick()
        market = self._market(native)
        target = market.on_grid(price)
        while True:
            stop = self._next_stop(market, target)
            ends = stop == target
            self._arrive(market, stop, mark if ends else None)
            if ends:
                return

    def move_mark(self, native: str, mark: Decimal) -> None:
        """The mark alone jumps, until the next move brings it back to the last price."""
        self.tick()
        market = self._market(native)
        market.mark = mark
        self._emit(("mark", native))
        self._react(market)

    def print_trade(self, native: str, price: Decimal, quantity: Decimal, buy: bool) -> None:
        """Somebody else's trade: it fills resting orders at its price up to its quantity, and moves no price."""
        self.tick()
        market = self._market(native)
        left = quantity
        for order in [each for each in self._resting(native) if (each.side == "SELL") == buy]:
            if left > 0 and order.open and reached(order, price):
                left -= self._give(order, min(left, order.remaining))
        self._traded(market, price, quantity, buy)

    def fund(self, native: str, rate: Decimal) -> None:
        """Settles funding now on what is open, at the mark; a positive rate is paid by longs."""
        self.account.fund(native, rate, self.mark(native))

    # --- what the account does --------------------------------------------------------------------------------------

    def place(
        self,
        *,
        native: str,
        side: Side,
        kind: Kind,
        client_id: str,
        quantity: Decimal = NONE,
        direction: Direction | None = None,
        price: Decimal | None = None,
        trigger: Decimal | None = None,
        reduce_only: bool = False,
        close_all: bool = False,
        tif: str = "GTC",
        attach: tuple[Decimal | None, Decimal | None] = (None, None),
        parent: int | None = None,
        working: str = "MARK",
    ) -> CoreOrder:
        """One way: the direction follows from side and position. Hedged: it has to be given. Raises Refused."""
        self.tick()
        market = self._market(native)
        order = CoreOrder(
            id=0,
            client_id=client_id,
            native=native,
            side=side,
            direction=self._direction(native, side, direction, reduces=reduce_only or close_all),
            kind=kind,
            quantity=quantity,
            price=price,
            trigger=trigger,
            reduce_only=reduce_only or close_all or (self.hedged and opens(side) != direction),
            close_all=close_all,
            conditional=kind in _CONDITIONAL,
            parent=parent,
            working="LAST" if working == "LAST" else "MARK",
            tif=tif,
            attach=attach,
        )
        self._check(order, market)
        self._accept(order)
        accepted = replace(order)
        if not order.conditional:
            self._execute(order)
        return accepted if self.ack_only else order

    def replace_trigger(self, order_id: int, trigger: Decimal) -> CoreOrder:
        """In place: never a moment without it."""
        order = self._orders.get(order_id)
        if order is None or not order.open or not order.conditional:
            raise Refused("gone", "no such order is waiting")
        market = self._market(order.native)
        if trigger <= 0 or trigger % market.spec.tick != 0:
            raise Refused("tick", f"{trigger} is off the tick {market.spec.tick}")
        if trigger == order.trigger:
            raise Refused("unchanged", "it is there already")
        if fires(order, trigger, market):
            raise Refused("triggers", "it would fire at once")
        order.trigger = trigger
        self._changed(order)
        return order

    def cancel(self, order_id: int) -> CoreOrder:
        self.tick()
        order = self._orders.get(order_id)
        if order is None or not order.open:
            raise Refused("gone", "no such order is working")
        return self._end(order, "CANCELED")

    def set_leverage(self, native: str, leverage: int) -> None:
        spec = self._market(native).spec
        if not 1 <= leverage <= spec.max_leverage:
            raise Refused("leverage", f"{leverage} is not within 1 and {spec.max_leverage}")
        if leverage == self.leverage[native]:
            raise Refused("unchanged", "leverage is so already")
        self.account.releverage(native, leverage, self.available())
        self.leverage[native] = leverage

    def set_margin(self, native: str, mode: Margin) -> None:
        self._market(native)
        if mode == self.margin[native]:
            raise Refused("unchanged", "the margin mode is so already")
        if self.working(native) or any(key[0] == native for key in self.positions):
            raise Refused("busy", "there is a position or an order")
        self.margin[native] = mode

    def set_position_mode(self, hedged: bool) -> None:
        if hedged == self.hedged:
            raise Refused("unchanged", "the position mode is so already")
        if self.working() or self.positions:
            raise Refused("busy", "there is a position or an order")
        self.account.hedged = hedged

    def transfer(self, amount: Decimal) -> None:
        """A deposit, or a withdrawal where negative."""
        if amount < 0 and -amount > self.available():
            raise Refused("margin", "more than is available")
        self.account.transfer(amount)

    # --- placing ----------------------------------------------------------------------------------------------------

    def _direction(self, native: str, side: Side, direction: Direction | None, *, reduces: bool) -> Direction:
        if self.hedged:
            if direction is None:
                raise Refused("mode", "with both sides open an order has to say which it is about")
            return direction
        other = OTHER[opens(side)]
        return other if reduces or (native, other) in self.positions else opens(side)

    def _check(self, order: CoreOrder, market: Market) -> None:
        self._check_new(order)
        check_shape(order, market.spec)
        check_prices(order, market)
        if order.reduce_only:
            self._check_reducing(order)
        elif not order.conditional:
            self._check_margin(order, market)

    def _check_new(self, order: CoreOrder) -> None:
        if not order.client_id:
            return
        for other in self._by_client.get(order.client_id, []):
            if self.duplicates == "always" or (other.open and other.conditional == order.conditional):
                raise Refused("duplicate", f"{order.client_id} is known")

    def _check_reducing(self, order: CoreOrder) -> None:
        position = self.account.reduces(order)
        if position is None:
            raise Refused("reduce", "there is nothing to reduce")
        if order.close_all and order.conditional and not self.several_close_all:
            for other in self._open.values():
                if other.close_all and twin(other, order):
                    raise Refused("exists", "there is one already")
        if not order.conditional:
            order.quantity = position.quantity if order.close_all else min(order.quantity, position.quantity)


def _matches(order: CoreOrder, native: str | None, conditional: bool | None) -> bool:
    return native in (None, order.native) and conditional in (None, order.conditional)
