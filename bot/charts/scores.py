"""How often each persona stood with the winning side, with the range in which the truth may lie."""

from decimal import Decimal

from bot.charts.field import Field
from bot.charts.page import Page
from bot.charts.theme import LABEL, MARGIN, TICK, WIDTH, Theme
from bot.pictures import Score, ScoresPicture
from bot.render.words import rounded, share

_ROW = 100
_HALF = 0.5  # what a coin would reach


def draw(picture: ScoresPicture, look: Theme) -> Page:
    about = "stood with the winner; bar: 95 % range"
    blank = Page(look, 10).head(picture.title, (about, look.muted))
    page = Page(look, int(blank) + _ROW * len(picture.scores) + 2 * TICK + 2 * MARGIN)
    top = page.head(picture.title, (about, look.muted)) + 10
    page.foot(picture.foot)
    bottom = top + _ROW * len(picture.scores)
    left = MARGIN + max(page.width_of(_name(page, s), LABEL) for s in picture.scores) + 44
    right = WIDTH - MARGIN - page.width_of("100% of 10,000", LABEL)
    field = Field(page, (left, top, right, bottom), across=(0, 1), up=(len(picture.scores), 0))
    for value in (0, _HALF, 1):
        field.axes.axvline(value, color=look.muted if value == _HALF else look.grid, lw=2)
        page.text(field.x(value), bottom + TICK, f"{value:.0%}", colour=look.muted, across="center")
    for row, score in enumerate(picture.scores):
        _draw_score(field, row, score)
    return page


def _name(page: Page, score: Score) -> str:
    return page.cut(score.name, LABEL, room=300)


def _percent(value: float) -> str:
    return share(rounded(Decimal(str(value)), 2))


def _draw_score(field: Field, row: int, score: Score) -> None:
    page, look = field.page, field.page.look
    y = field.y(row + 0.5)
    page.text(MARGIN, y, _name(page, score), size=LABEL, bold=True)
    sure = score.low > _HALF or score.high < _HALF
    colour = (look.up if score.rate > _HALF else look.down) if sure else look.muted
    field.axes.plot([score.low, score.high], [row + 0.5] * 2, color=colour, lw=14, solid_capstyle="butt", alpha=0.55)
    field.axes.plot([score.rate], [row + 0.5], "o", color=colour, ms=20, mec=look.back, mew=3, clip_on=False)
    page.text(field.right + 24, y - LABEL * 0.6, f"{_percent(score.rate)} of {score.n:,}", size=LABEL)
    page.text(field.right + 24, y + LABEL * 0.6, f"{_percent(score.low)} to {_percent(score.high)}", colour=look.muted)
