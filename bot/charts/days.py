"""Net result by day, week or month: few as rows that can be read one by one, many as columns over time."""

from datetime import UTC, date, datetime, time
from decimal import Decimal

from bot.charts.field import TIMES, Field
from bot.charts.page import Page
from bot.charts.scales import day_label, number_label, number_lines
from bot.charts.theme import LABEL, MARGIN, TICK, WIDTH, Theme
from bot.pictures import DaysPicture
from bot.render.words import counted, money
from trading.model import ZERO

_ROWS = 14  # at most so many rows; more become columns
_ROW = 66
_HEIGHT = 900  # with columns
_THIN = 2.5  # pixels of the narrowest column that still has a colour
_LENGTH = {"day": 1, "week": 7, "month": 28}  # days that a column stands for


def draw(picture: DaysPicture, look: Theme) -> Page:
    rows = len(picture.days) <= _ROWS
    page = Page(look, _height(picture, look) if rows else _HEIGHT)
    top = _head(page, picture)
    if rows:
        _rows(page, picture, top)
    else:
        _columns(page, picture, top, page.foot("Days in UTC", picture.foot) - TIMES)
    return page


def _head(page: Page, picture: DaysPicture) -> float:
    whole = sum(picture.net, ZERO)
    won = sum(1 for net in picture.net if net > 0)
    return page.head(
        picture.title,
        (money(whole), page.look.of(whole)),
        (f"{won} of {counted(len(picture.net), picture.unit)} won", page.look.muted),
    )


def _height(picture: DaysPicture, look: Theme) -> int:
    """The head is as high as its title needs."""
    return int(_head(Page(look, _HEIGHT), picture)) + len(picture.days) * _ROW + MARGIN + 2 * TICK


def _name(day: date, unit: str) -> str:
    at = datetime.combine(day, time(), UTC)
    return f"{at:%b %Y}" if unit == "month" else f"{day_label(at)}"


def _rows(page: Page, picture: DaysPicture, top: float) -> None:
    """Day, bar from the common zero, amount at the bar's own end."""
    look = page.look
    page.foot("Days in UTC", picture.foot)
    names = [_name(day, picture.unit) for day in picture.days]
    said = [money(net) for net in picture.net]
    left = MARGIN + max(page.width_of(name, LABEL) for name in names) + 24
    widest = max(page.width_of(s, LABEL) for s in said) + 16
    room = WIDTH - MARGIN - left
    down, up = max(-min(*picture.net, ZERO), ZERO), max(*picture.net, ZERO)
    scale = float(room - widest * ((down > 0) + (up > 0))) / float(down + up or 1)
    zero = left + (widest + float(down) * scale if down else 0)
    field = Field(
        page, (left, top, WIDTH - MARGIN, top + len(names) * _ROW), across=(left, WIDTH - MARGIN), up=(len(names), 0)
    )
    field.axes.axvline(zero, color=look.muted, lw=2)
    for row, (name, words, net) in enumerate(zip(names, said, picture.net, strict=True)):
        y, end = field.y(row + 0.5), zero + float(net) * scale
        page.text(MARGIN, y, name, size=LABEL, colour=look.muted)
        field.axes.barh(row + 0.5, end - zero, left=zero, height=0.62, color=look.of(net))
        lost = net < 0 or (not up and down > 0)  # with nothing won, all the room is on the left
        page.text(end - 12 if lost else end + 12, y, words, size=LABEL, across="right" if lost else "left")


def _columns(page: Page, picture: DaysPicture, top: float, bottom: float) -> None:
    """Over time, so that days without a trade are seen; the best and the worst are named."""
    look, unit = page.look, picture.unit
    first, last = (datetime.combine(d, time(), UTC) for d in (picture.days[0], picture.days[-1]))
    length = 86400.0 * _LENGTH[unit]
    low, high = min(*picture.net, ZERO), max(*picture.net, ZERO)
    beside = (high - low) / 8 or Decimal(1)
    low, high = low - (beside if low else ZERO), high + (beside if high or not low else ZERO)
    lines = [(value, number_label(value)) for value in number_lines(low, high, 5)]
    right = WIDTH - MARGIN - 14 - max((page.width_of(name, TICK) for _, name in lines), default=0)
    seconds = [(d - picture.days[0]).total_seconds() for d in picture.days]
    field = Field(
        page,
        (MARGIN, top, right, bottom),
        across=(0, seconds[-1] + length),
        up=(float(low), float(high)),
    )
    field.numbers(lines)
    field.times(first, last)
    field.axes.vlines(
        [s + length / 2 for s in seconds],
        0,
        [float(net) for net in picture.net],
        lw=max(_THIN, 0.8 * (right - MARGIN) * length / (seconds[-1] + length)),
        color=[look.of(net) for net in picture.net],
    )
    field.axes.axhline(0, color=look.muted, lw=2)
    for extreme in sorted({max(picture.net), min(picture.net)}):
        _name_extreme(page, field, picture, extreme, seconds[picture.net.index(extreme)] + length / 2)


def _name_extreme(page: Page, field: Field, picture: DaysPicture, net: Decimal, seconds: float) -> None:
    day = picture.days[picture.net.index(net)]
    said = f"{money(net)} on {_name(day, picture.unit)}" if picture.unit == "day" else money(net)
    half = page.width_of(said, TICK) / 2
    x = min(max(field.x(seconds), MARGIN + half), field.right - half)  # the numbers stand to the right of it
    y = field.y(float(net)) + (TICK * 0.8 if net < 0 else -TICK * 0.8)
    page.text(x, y, said, across="center")
