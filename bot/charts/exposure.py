"""What is held, each on its side of zero, and under it how much of each limit is used."""

from collections.abc import Sequence
from decimal import Decimal

from bot.charts.field import Field
from bot.charts.page import Page
from bot.charts.theme import LABEL, MARGIN, TICK, WIDTH, Theme
from bot.pictures import ExposurePicture, Use
from bot.render.words import amount, counted, rounded, share

_ROW = 100
_BAR = (0.52, 0.84)  # of a row: where its bar begins and ends, under its words
_MOST = 8  # of each: how many more there are is said


def draw(picture: ExposurePicture, look: Theme) -> Page:
    held = sorted(picture.notionals, key=lambda n: -abs(n[1]))
    uses = sorted(picture.uses, key=lambda u: -u.used / u.limit)
    rows = min(len(held), _MOST) + min(len(uses), _MOST)
    page = Page(look, int(Page(look, 10).head(picture.title) + _ROW * rows + 4 * TICK + MARGIN))
    y = page.head(picture.title) + 8
    y = _draw_held(page, held[:_MOST], y)
    if uses:
        page.text(MARGIN, y + TICK, "limits, and what of them is used", colour=look.muted)
        _draw_uses(page, uses[:_MOST], y + 2 * TICK)
    page.foot(_more(len(held), len(uses)), picture.foot)
    return page


def _more(held: int, uses: int) -> str:
    left = (counted(n - _MOST, what) for n, what in ((held, "position"), (uses, "limit")) if n > _MOST)
    named = " and ".join(left)
    return f"and {named} with less" if named else ""


def _field(page: Page, rows: int, top: float, across: tuple[float, float]) -> Field:
    return Field(page, (MARGIN, top, WIDTH - MARGIN, top + _ROW * rows), across=across, up=(rows, 0))


def _words(field: Field, row: int, left: str, right: str, colour: str) -> None:
    y = field.y(row + _BAR[0]) - LABEL * 0.75
    said = field.page.width_of(right, LABEL)
    field.page.text(MARGIN, y, field.page.cut(left, LABEL, room=WIDTH - 2 * MARGIN - said - 20), size=LABEL)
    field.page.text(WIDTH - MARGIN, y, right, size=LABEL, colour=colour, across="right")


def _bar(field: Field, row: int, end: float, *, colour: str, hatch: str = "") -> None:
    begin, last = _BAR
    field.axes.barh(
        row + begin,
        end,
        height=last - begin,
        align="edge",
        color=colour,
        hatch=hatch,
        edgecolor=field.page.look.back,
        lw=0,
    )


def _draw_held(page: Page, held: Sequence[tuple[str, Decimal]], top: float) -> float:
    most = float(max(abs(notional) for _, notional in held))
    field = _field(page, len(held), top, (-most, most))
    field.axes.axvline(0, color=page.look.muted, lw=2)
    for row, (name, notional) in enumerate(held):
        colour = page.look.up if notional >= 0 else page.look.down
        _words(field, row, name, amount(abs(notional)), page.look.text)
        _bar(field, row, float(notional), colour=colour)
    return field.bottom


def _draw_uses(page: Page, uses: Sequence[Use], top: float) -> None:
    look = page.look
    field = _field(page, len(uses), top, (0, max(1.0, *(use.used / use.limit for use in uses)) if uses else 1.0))
    for row, use in enumerate(uses):
        used = use.used / use.limit
        above = used > 1
        part = share(rounded(Decimal(str(used)), 3))
        _words(
            field, row, use.name, f"{use.text}, {'above: ' if above else ''}{part}", look.over if above else look.text
        )
        _bar(field, row, 1.0, colour=look.grid)
        _bar(field, row, used, colour=look.over if above else look.up, hatch="//" if above else "")
        field.axes.plot([1, 1], [row + end for end in _BAR], color=look.text, lw=4, clip_on=False)
