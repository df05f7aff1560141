"""Equity over time, and under it how far it stands below its highest so far."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import accumulate

from bot.charts.field import TIMES, Field
from bot.charts.page import Page
from bot.charts.scales import day_label, number_label, number_lines
from bot.charts.theme import MARGIN, TICK, WIDTH, Theme
from bot.pictures import EquityPicture
from bot.render.words import amount, money, percent, share
from trading.model import ZERO

_HEIGHT = 1080
_LOWER = 0.27  # of what is left for both fields


def draw(picture: EquityPicture, look: Theme) -> Page:
    page = Page(look, _HEIGHT)
    begin, end = picture.equity[0], picture.equity[-1]
    won = end - begin
    change = f" ({percent(won / begin)})" if begin > 0 else ""
    top = page.head(
        picture.title,
        (amount(end), look.text),
        (f"{money(won)}{change}", look.of(won)),
        (f"from {amount(begin)}", look.muted),
    )
    bottom = page.foot("Times in UTC", picture.foot) - TIMES
    middle = bottom - (bottom - top) * _LOWER
    right = WIDTH - MARGIN - _names_width(page, picture)
    _equity(page, picture, (MARGIN, top, right, middle - 70))
    _drawdown(page, picture, (MARGIN, middle, right, bottom))
    return page


def _seconds(picture: EquityPicture) -> list[float]:
    return [(at - picture.at[0]).total_seconds() for at in picture.at]


def _bounds(picture: EquityPicture) -> tuple[Decimal, Decimal]:
    low, high = min(picture.equity), max(picture.equity)
    around = (high - low) / 12 or abs(high) / 100 or Decimal(1)
    return low - around, high + around


def _lines(picture: EquityPicture) -> list[tuple[Decimal, str]]:
    return [(value, number_label(value)) for value in number_lines(*_bounds(picture), 5)]


def _names_width(page: Page, picture: EquityPicture) -> float:
    names = [name for _, name in (*_lines(picture), *_fall_lines(_lowest(_falls(picture))))]
    return 14 + max(page.width_of(name, TICK) for name in names)


def _equity(page: Page, picture: EquityPicture, place: tuple[float, float, float, float]) -> None:
    look, seconds = page.look, _seconds(picture)
    low, high = _bounds(picture)
    field = Field(page, place, across=(0, seconds[-1]), up=(float(low), float(high)))
    field.numbers(_lines(picture))
    field.times(picture.at[0], picture.at[-1], named=False)
    values = [float(e) for e in picture.equity]
    field.axes.fill_between(seconds, values, float(low), color=look.up, alpha=0.14, lw=0)
    field.axes.plot(seconds, values, color=look.up, lw=4, solid_joinstyle="round", clip_on=False)
    field.axes.plot(seconds[-1:], values[-1:], "o", color=look.up, ms=14, clip_on=False)
    field.axes.axhline(values[0], color=look.muted, lw=2, ls=(0, (4, 4)))


def _falls(picture: EquityPicture) -> list[Decimal]:
    """Fractions of the highest so far, zero or negative."""
    peaks = accumulate(picture.equity, max)
    return [e / peak - 1 if peak > 0 else ZERO for e, peak in zip(picture.equity, peaks, strict=True)]


def _drawdown(page: Page, picture: EquityPicture, place: tuple[float, float, float, float]) -> None:
    look, seconds, falls = page.look, _seconds(picture), _falls(picture)
    deepest = min(falls)
    when = picture.at[falls.index(deepest)]
    said = f"drawdown, deepest {percent(deepest)} on {day_label(when)}" if deepest else "no drawdown"
    page.text(place[0], place[1] - 30, said, colour=look.down if deepest else look.muted)
    low = _lowest(falls)
    field = Field(page, place, across=(0, seconds[-1]), up=(float(low), 0))
    field.numbers(_fall_lines(low))
    field.times(picture.at[0], picture.at[-1])
    values = [float(f) for f in falls]
    field.axes.fill_between(seconds, values, 0, color=look.down, alpha=0.3, lw=0)
    field.axes.plot(seconds, values, color=look.down, lw=3, solid_joinstyle="round", clip_on=False)


def _lowest(falls: Sequence[Decimal]) -> Decimal:
    """Where the field ends: a little below the deepest."""
    return min(falls) * Decimal("1.1") or Decimal("-0.01")


def _fall_lines(low: Decimal) -> list[tuple[Decimal, str]]:
    return [(value, f"-{share(-value)}" if value else "0%") for value in number_lines(low, ZERO, 3)]
