"""Candles, with what was done on them."""

from bot.charts.field import TIMES, Field
from bot.charts.overlay import draw_levels, draw_marks
from bot.charts.page import Page
from bot.charts.scene import Scene, standing
from bot.charts.theme import MARGIN, TICK, WIDTH, Theme
from bot.pictures import Bar, CandlesPicture
from bot.render.words import percent, span

_HEIGHT = 1080
_LINES = 6  # across, at most


def draw(picture: CandlesPicture, look: Theme) -> Page:
    page, scene = Page(look, _HEIGHT), Scene.of(picture)
    top = page.head(picture.title, (_about(picture), look.muted)) + 12
    bottom = page.foot("Times in UTC", picture.foot) - TIMES
    right = WIDTH - MARGIN - _gutter(page, scene, picture)
    field = Field(
        page,
        (MARGIN, top, right, bottom),
        across=(0, scene.x(scene.last)),
        up=(float(scene.low), float(scene.high)),
    )
    taken = draw_levels(field, scene, picture.levels)
    field.numbers(scene.lines(_LINES), taken=taken)
    field.times(scene.first, scene.last)
    _draw_bars(field, scene, picture)
    draw_marks(field, scene, picture)
    return page


def _about(picture: CandlesPicture) -> str:
    """Of a position the title says what it came to; of a market, this line does."""
    first, last = picture.bars[0], picture.bars[-1]
    length = span(last.at + picture.every - first.at)
    move = "" if picture.direction else f"{percent(last.close / first.open - 1)} in "
    return f"{move}{length}, bars of {span(picture.every)}"


def _gutter(page: Page, scene: Scene, picture: CandlesPicture) -> float:
    """What the names to the right need."""
    levels = [scene.said(level.price) for level in standing(picture.levels)]
    widths = [page.width_of(name, TICK) for _, name in scene.lines(_LINES)]
    widths += [page.width_of(name, TICK, bold=True) for name in levels]
    return 14 + max([*widths, page.width_of("target ↑", TICK) if levels else 0.0])


def _draw_bars(field: Field, scene: Scene, picture: CandlesPicture) -> None:
    """One that rose is hollow, one that fell is full."""
    look, every = field.page.look, picture.every.total_seconds()
    rose = [bar for bar in picture.bars if bar.close >= bar.open]
    fell = [bar for bar in picture.bars if bar.close < bar.open]
    for bars, line, fill in ((rose, look.up, look.back), (fell, look.down, look.down)):
        middle = [scene.x(bar.at) + every / 2 for bar in bars]
        lows, highs = [float(bar.low) for bar in bars], [float(bar.high) for bar in bars]
        field.axes.vlines(middle, lows, highs, color=line, lw=2.4, zorder=2)
        field.axes.bar(
            middle,
            [_body(bar) for bar in bars],
            bottom=[float(min(bar.open, bar.close)) for bar in bars],
            width=every * 0.7,
            facecolor=fill,
            edgecolor=line,
            lw=2.4,
            zorder=3,
        )


def _body(bar: Bar) -> float:
    return float(abs(bar.close - bar.open))
