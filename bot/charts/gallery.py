"""Which file draws which kind of picture."""

from collections.abc import Callable
from typing import Any

from bot.charts import candles, days, equity, exposure, scores
from bot.charts.page import Page, our_style
from bot.charts.theme import Theme, theme
from bot.pictures import CandlesPicture, DaysPicture, EquityPicture, ExposurePicture, Picture, ScoresPicture

DRAWS: dict[type, Callable[[Any, Theme], Page]] = {
    EquityPicture: equity.draw,
    DaysPicture: days.draw,
    CandlesPicture: candles.draw,
    ScoresPicture: scores.draw,
    ExposurePicture: exposure.draw,
}


def png(picture: Picture, *, dark: bool) -> bytes:
    """The same bytes for the same picture."""
    with our_style():
        return DRAWS[type(picture)](picture, theme(dark=dark)).png()
