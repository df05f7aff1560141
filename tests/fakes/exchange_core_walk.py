"""A market that goes its own way on the emulated exchange: seeded steps, now and then a leap, and trades of others."""

import random
from decimal import Decimal

from tests.fakes.exchange_core import Core

_LEAP = 12  # how many ordinary steps a leap is
_CALM = Decimal("0.0001")


class Walk:
    """`swing`: an ordinary step as a share of the price. The same seed over the same exchange walks the same way."""

    def __init__(self, core: Core, *, seed: int, swing: Decimal = _CALM * 3, leaps: float = 0.01) -> None:
        self._core = core
        self._dice = random.Random(seed)
        self._swing = swing
        self._leaps = leaps

    def step(self) -> None:
        """Every market moves once, and somebody trades in it."""
        for native in self._core.specs:
            self._move(native)

    def _move(self, native: str) -> None:
        core, dice = self._core, self._dice
        size = _LEAP if dice.random() < self._leaps else 1
        change = self._swing * size * Decimal(dice.randint(-2_000, 2_000)) / 1_000
        core.move(native, core.last(native) * (1 + change))
        buy = dice.random() < 0.5
        quantity = core.specs[native].step * dice.randint(1, 50)
        core.print_trade(native, core.ask(native) if buy else core.bid(native), quantity, buy)

    def fund(self) -> None:
        """Settles funding everywhere, at rates of either sign."""
        for native in self._core.specs:
            self._core.fund(native, _CALM * self._dice.randint(-10, 20) / 10)
