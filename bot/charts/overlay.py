"""What was done, on the candles: where entry, stop and target stood, and each fill with its name."""

from collections.abc import Sequence

from bot.charts.field import Field
from bot.charts.labels import Box, Room, around, spread, tie
from bot.charts.scene import Scene, standing
from bot.charts.theme import TICK, Theme
from bot.pictures import CandlesPicture, Level, Mark
from trading.model import Direction

_DASHES: dict[str, tuple[float, ...]] = {"stop": (4, 2), "target": (9, 3, 2, 3), "mark": (1, 2)}  # entry: whole
_TAG = TICK * 2.5  # height of a level's name with its price under it
_MARKERS = {"partial": "D", "exit": "X"}
_MARK = 26  # size of a fill's sign
_OVER = 6  # the bars


def _colour(kind: str, look: Theme) -> str:
    return {"stop": look.stop, "target": look.target, "mark": look.muted}.get(kind, look.text)


# --- levels -------------------------------------------------------------------------------------------------------


def draw_levels(field: Field, scene: Scene, levels: Sequence[Level]) -> list[float]:
    """Returns the heights on the page at which names stand now."""
    before: Level | None = None
    for level in levels:
        colour, right = _colour(level.kind, field.page.look), scene.last if level.until is None else level.until
        dashes = (0, _DASHES[level.kind]) if level.kind in _DASHES else "solid"
        at = [scene.x(max(level.since, scene.first)), scene.x(right)]
        field.axes.plot(at, [float(level.price)] * 2, color=colour, lw=3, ls=dashes, zorder=1)
        if before is not None and before.kind == level.kind:
            field.axes.plot(at[:1] * 2, [float(before.price), float(level.price)], color=colour, lw=3, zorder=1)
        before = level
    return _name_levels(field, scene, standing(levels))


def _name_levels(field: Field, scene: Scene, named: Sequence[Level]) -> list[float]:
    wanted = [field.y(float(scene.inside(level.price))) for level in named]
    heights = spread(wanted, apart=_TAG + 6, top=field.top + _TAG / 2, bottom=field.bottom - _TAG / 2)
    page, x = field.page, field.right + 14
    for y, level in zip(heights, named, strict=True):
        colour = _colour(level.kind, page.look)
        beyond = " ↑" if level.price > scene.high else " ↓" if level.price < scene.low else ""
        page.text(x, y - TICK * 0.6, f"{level.kind}{beyond}", colour=colour)
        page.text(x, y + TICK * 0.6, scene.said(level.price), colour=colour, bold=True)
    return [y + way * TICK * 0.6 for y in heights for way in (-1, 1)]


# --- fills --------------------------------------------------------------------------------------------------------


def draw_marks(field: Field, scene: Scene, picture: CandlesPicture) -> None:
    """Each fill, with its name where no level says the same."""
    look, short = field.page.look, picture.direction is Direction.SHORT
    seen = [mark for mark in picture.marks if scene.sees(mark)]
    room = _room(field, scene, picture)
    for mark in seen:
        x, y = scene.x(mark.at), float(mark.price)
        shape = _MARKERS.get(mark.kind, "v" if short else "^")
        field.axes.plot([x], [y], shape, ms=_MARK, color=look.text, mec=look.back, mew=3, zorder=_OVER, clip_on=False)
        room.take(around(field.x(x), field.y(y), width=_MARK, height=_MARK))
    named = {(level.kind, scene.said(level.price)) for level in picture.levels}
    for mark in seen:
        if (mark.kind, scene.said(mark.price)) not in named:
            _name_mark(field, scene, mark, room, up=(mark.kind == "entry") is short)


def _room(field: Field, scene: Scene, picture: CandlesPicture) -> Room:
    """Names stand on bars and levels only where there is nowhere else."""
    every = picture.every
    bars = [
        Box(
            left=field.x(scene.x(bar.at)),
            top=field.y(float(bar.high)),
            right=field.x(scene.x(bar.at + every)),
            bottom=field.y(float(bar.low)),
        )
        for bar in picture.bars
    ]
    lines = [
        Box(
            left=field.left,
            top=field.y(float(level.price)) - 3,
            right=field.right,
            bottom=field.y(float(level.price)) + 3,
        )
        for level in picture.levels
    ]
    whole = Box(left=field.left, top=field.top, right=field.right, bottom=field.bottom)
    return Room(whole, better_not=[*bars, *lines])


def _name_mark(field: Field, scene: Scene, mark: Mark, room: Room, *, up: bool) -> None:
    """Two short lines, tied to the point; left out where the picture is full."""
    page, x, y = field.page, field.x(scene.x(mark.at)), field.y(float(mark.price))
    lines = (mark.label or mark.kind, scene.said(mark.price))
    width = max(page.width_of(line, TICK) for line in lines) + 12
    at = room.beside(x, y, width=width, height=_TAG, up=up)
    if at is None:
        return
    page.line(*tie(around(x, y, width=_MARK, height=_MARK), around(*at, width=width, height=_TAG)))
    for line, below in zip(lines, (-0.6, 0.6), strict=True):
        page.text(at[0], at[1] + below * TICK, line, across="center", halo=True)
