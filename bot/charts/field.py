"""A rectangle of a page in which values are drawn, and the round values and times that stand beside it."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from bot.charts.page import Page
from bot.charts.scales import time_lines
from bot.charts.theme import TICK, WIDTH

TIMES = 64  # pixels under a field that the names of its times need
_APART = 190  # pixels from one time to the next


class Field:
    """`left`, `top`, `right` and `bottom` in pixels of the page; `across` and `up` are the values at its borders."""

    def __init__(
        self,
        page: Page,
        place: tuple[float, float, float, float],
        *,
        across: tuple[float, float],
        up: tuple[float, float],
    ) -> None:
        self.page = page
        self.left, self.top, self.right, self.bottom = place
        self._across, self._up = across, up
        self.axes = page.axes(*place)
        self.axes.set_xlim(*across)
        self.axes.set_ylim(*up)

    def x(self, value: float) -> float:
        """In pixels of the page."""
        first, last = self._across
        return self.left + (self.right - self.left) * (value - first) / (last - first)

    def y(self, value: float) -> float:
        low, high = self._up
        return self.bottom - (self.bottom - self.top) * (value - low) / (high - low)

    def numbers(self, named: Iterable[tuple[Decimal, str]], *, taken: Iterable[float] = ()) -> None:
        """A line across at each value, named at its right end. `taken`: heights on the page where something stands."""
        others = tuple(taken)
        for value, name in named:
            self.axes.axhline(float(value), color=self.page.look.grid, lw=1.5, zorder=0)
            y = self.y(float(value))
            if all(abs(y - other) > TICK * 1.2 for other in others):
                self.page.text(self.right + 14, y, name, colour=self.page.look.muted)

    def times(self, first: datetime, last: datetime, *, named: bool = True) -> None:
        """A line up at round times. The values across are seconds since `first`."""
        most = max(2, int((self.right - self.left) / _APART))
        for at, name in time_lines(first, last, most):
            seconds = (at - first).total_seconds()
            self.axes.axvline(seconds, color=self.page.look.grid, lw=1.5, zorder=0)
            x, half = self.x(seconds), self.page.width_of(name, TICK) / 2
            if named and half + 8 <= x <= WIDTH - half - 8:
                self.page.text(x, self.bottom + TIMES / 2, name, colour=self.page.look.muted, across="center")
