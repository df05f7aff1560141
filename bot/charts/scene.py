"""What is seen of a picture's candles: times and prices at the borders, and how prices are written. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from bot.charts.scales import number_lines
from bot.pictures import CandlesPicture, Level, Mark
from bot.render.words import price, rounded

_LEAST = 16  # bars across, so that one bar is not a wall
_CROWDED = 3  # levels are taken in as long as the bars keep a third of the height


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    first: datetime
    last: datetime
    low: Decimal
    high: Decimal
    like: Decimal  # a price with the decimals of the venue's tick, as far as the bars show it

    @staticmethod
    def of(picture: CandlesPicture) -> "Scene":
        bars, every = picture.bars, picture.every
        last = max([bars[-1].at + every, *(mark.at + every for mark in picture.marks)])
        low, high = _borders(picture)
        return Scene(
            first=min(bars[0].at, last - _LEAST * every),
            last=last,
            low=low,
            high=high,
            like=max((b.close for b in bars), key=_decimals),
        )

    def x(self, at: datetime) -> float:
        """Seconds from the left border."""
        return (at - self.first).total_seconds()

    def sees(self, mark: Mark) -> bool:
        return self.first <= mark.at <= self.last

    def inside(self, value: Decimal) -> Decimal:
        """The value itself, or the border it lies beyond."""
        return min(max(value, self.low), self.high)

    def said(self, value: Decimal) -> str:
        return price(value, self.like)

    def lines(self, most: int) -> tuple[tuple[Decimal, str], ...]:
        """Round prices with their names; none that the venue has no price for."""
        decimals = max(0, _decimals(self.like))
        return tuple((v, self.said(v)) for v in number_lines(self.low, self.high, most) if rounded(v, decimals) == v)


def _decimals(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def _borders(picture: CandlesPicture) -> tuple[Decimal, Decimal]:
    """Round all bars and marks, and every level that does not press them flat: the nearest first."""
    low = min(b.low for b in picture.bars)
    high = max(b.high for b in picture.bars)
    low, high = min((low, *(m.price for m in picture.marks))), max((high, *(m.price for m in picture.marks)))
    most = (high - low) * _CROWDED
    for level in sorted(standing(picture.levels), key=lambda v: max(low - v.price, v.price - high)):
        taller = min(low, level.price), max(high, level.price)
        if taller[1] - taller[0] <= most:
            low, high = taller
    beside = (high - low) / 12 or high / 200
    return low - beside, high + beside


def standing(levels: Sequence[Level]) -> tuple[Level, ...]:
    """The last level of each kind: what has a name at the border."""
    return tuple({level.kind: level for level in levels}.values())
