"""One market of the emulated exchange: its prices, what stands at each level of the book, and its bars."""

import zlib
from decimal import ROUND_HALF_UP, Decimal

from tests.fakes.exchange_core_history import Bars
from tests.fakes.exchange_core_values import Side, Spec

Level = tuple[Decimal, Decimal]  # price, quantity


class Market:
    """`spread`: ticks from the last price to either side of the book. `depth`: quantity at each of `levels` levels, one
    tick apart, that each move restores; None: endless at the touch."""

    def __init__(self, spec: Spec, *, at_ms: int) -> None:
        self.spec = spec
        self.last = spec.price
        self.mark = spec.price
        self.spread = 1
        self.bars = Bars(spec, at_ms=at_ms)
        self._eaten: dict[tuple[Side, int], Decimal] = {}

    @property
    def bid(self) -> Decimal:
        return max(self.spec.tick, self.last - self.spread * self.spec.tick)

    @property
    def ask(self) -> Decimal:
        return self.last + self.spread * self.spec.tick

    def on_grid(self, price: Decimal) -> Decimal:
        ticks = (price / self.spec.tick).quantize(Decimal(1), ROUND_HALF_UP)
        return max(Decimal(1), ticks) * self.spec.tick

    def arrive(self, price: Decimal, *, at_ms: int, mark: Decimal | None = None) -> None:
        self.last = price
        self.mark = price if mark is None else mark
        self._eaten.clear()
        self.bars.moved(price, at_ms)

    def sweep(
        self, side: Side, quantity: Decimal, *, limit: Decimal | None, depth: Decimal | None, levels: int
    ) -> list[Level]:
        """What a taker of `quantity` would get now, best price first; less than it wants where the book is too thin."""
        got: list[Level] = []
        for at in range(1 if depth is None else levels):
            price = self._level(side, at)
            beyond = limit is not None and (price > limit if side == "BUY" else price < limit)
            if quantity <= 0 or beyond or price <= 0:
                break
            there = quantity if depth is None else self._left(side, at, depth)
            if (part := min(there, quantity)) > 0:
                got.append((price, part))
                quantity -= part
        return got

    def eat(self, side: Side, price: Decimal, quantity: Decimal) -> None:
        at = int(abs(price - self._level(side, 0)) / self.spec.tick)
        self._eaten[side, at] = self._eaten.get((side, at), Decimal(0)) + quantity

    def book(self, depth: int, liquidity: Decimal | None, levels: int) -> tuple[list[Level], list[Level]]:
        """Bids and asks, best first. Where liquidity is endless the quantities are made up, alike for like prices."""
        return self._ladder("SELL", depth, liquidity, levels), self._ladder("BUY", depth, liquidity, levels)

    def _ladder(self, taker: Side, depth: int, liquidity: Decimal | None, levels: int) -> list[Level]:
        count = depth if liquidity is None else min(depth, levels)
        ladder = []
        for at in range(count):
            price = self._level(taker, at)
            there = self._invented(price) if liquidity is None else self._left(taker, at, liquidity)
            if price > 0 and there > 0:
                ladder.append((price, there))
        return ladder

    def _level(self, taker: Side, at: int) -> Decimal:
        away = at * self.spec.tick
        return self.ask + away if taker == "BUY" else self.bid - away

    def _left(self, taker: Side, at: int, depth: Decimal) -> Decimal:
        whole = max(self.spec.step, depth // self.spec.step * self.spec.step)
        return max(Decimal(0), whole - self._eaten.get((taker, at), Decimal(0)))

    def _invented(self, price: Decimal) -> Decimal:
        share = 1 + zlib.crc32(f"{self.spec.base}{price}".encode()) % 9
        return share * self.typical(20_000)

    def typical(self, notional: int) -> Decimal:
        """A quantity worth about so much."""
        return max(self.spec.step, notional / self.last // self.spec.step * self.spec.step)
