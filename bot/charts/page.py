"""One picture as a page of pixels, measured from its upper left corner: heads, texts, axes, and the PNG it becomes."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, get_font
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from PIL import Image

from bot.charts.theme import BIG, MARGIN, TICK, TITLE, WIDTH, Theme

_DPI = 72  # a point is a pixel: sizes mean the same for text and for lines
_FONT = matplotlib.get_data_path() + "/fonts/ttf/DejaVuSans{}.ttf"
_COLOURS = 96  # of the palette: plenty for lines and letters, and a third of the bytes
_TITLE_LINES = 3


@contextmanager
def our_style() -> Iterator[None]:
    """Whatever the machine's own settings say. A dollar or an underscore in a name is a letter, never a formula."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"text.parse_math": False, "axes.unicode_minus": False, "path.simplify": True})
        yield


def font(size: float, *, bold: bool = False) -> FontProperties:
    return FontProperties(fname=_FONT.format("-Bold" if bold else ""), size=size)


@cache
def _letters() -> frozenset[int]:
    return frozenset(get_font(_FONT.format("")).get_charmap())


def shown(text: str) -> str:
    """A letter that the font does not have, or that nobody can see, is a box."""
    return "".join(c if c.isprintable() and ord(c) in _letters() else "□" for c in text)


class Page:
    def __init__(self, look: Theme, height: int) -> None:
        self.look, self.height = look, height
        self._figure = Figure(figsize=(WIDTH / _DPI, height / _DPI), dpi=_DPI, facecolor=look.back)
        self._canvas: Any = FigureCanvasAgg(self._figure)

    def width_of(self, text: str, size: float, *, bold: bool = False) -> float:
        measured = self._canvas.get_renderer().get_text_width_height_descent(shown(text), font(size, bold=bold), False)
        return float(measured[0])

    def text(
        self,
        x: float,
        y: float,
        said: str,
        *,
        size: float = TICK,
        colour: str = "",
        bold: bool = False,
        across: str = "left",
        halo: bool = False,
    ) -> None:
        """x, y is its middle, or its left or right end as `across` says. `halo`: what is behind it does not disturb."""
        made = self._figure.text(
            x / WIDTH,
            1 - y / self.height,
            shown(said),
            color=colour or self.look.text,
            fontproperties=font(size, bold=bold),
            ha=across,
            va="center_baseline",
        )
        if halo:
            made.set_path_effects([withStroke(linewidth=7, foreground=self.look.back)])

    def line(self, begin: tuple[float, float], end: tuple[float, float]) -> None:
        """A thin one, to show what a text belongs to."""
        xs, ys = zip(begin, end, strict=True)
        drawn = Line2D([x / WIDTH for x in xs], [1 - y / self.height for y in ys], color=self.look.muted, lw=2)
        self._figure.add_artist(drawn)

    def head(self, title: str, *figures: tuple[str, str]) -> float:
        """The title in as many lines as it needs, then figures with their colours. Returns where the rest begins."""
        y = float(MARGIN)
        for line in self._wrapped(title, TITLE):
            self.text(MARGIN, y + TITLE * 0.6, line, size=TITLE, bold=True)
            y += TITLE * 1.25
        x = float(MARGIN)
        for said, colour in figures:
            if x > MARGIN and x + self.width_of(said, BIG) > WIDTH - MARGIN:
                x, y = MARGIN, y + BIG * 1.3
            self.text(x, y + BIG * 0.7, said, size=BIG, colour=colour)
            x += self.width_of(said, BIG) + BIG
        return y + (BIG * 1.5 if figures else 0) + 10

    def foot(self, *parts: str) -> float:
        """A line at the end of the page. Returns where what is above it has to end."""
        said = " · ".join(part for part in parts if part)
        if not said:
            return self.height - MARGIN
        self.text(MARGIN, self.height - MARGIN, self.cut(said, TICK), colour=self.look.muted)
        return self.height - MARGIN - TICK

    def axes(self, left: float, top: float, right: float, bottom: float) -> Axes:
        """An empty rectangle without a frame."""
        whole = self.height
        made = self._figure.add_axes(
            (left / WIDTH, 1 - bottom / whole, (right - left) / WIDTH, (bottom - top) / whole),
            facecolor=self.look.back,
        )
        made.set_axis_off()
        return made

    def _wrapped(self, text: str, size: float) -> Sequence[str]:
        lines: list[str] = []
        for word in text.split():
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self.width_of(longer, size, bold=True) <= WIDTH - 2 * MARGIN:
                lines[-1] = longer
            else:
                lines.append(word)
        kept, rest = lines[:_TITLE_LINES], lines[_TITLE_LINES:]
        if rest:
            kept[-1] = f"{kept[-1]} {' '.join(rest)}"
        return [self.cut(line, size, bold=True) for line in kept]

    def cut(self, text: str, size: float, *, bold: bool = False, room: float = WIDTH - 2 * MARGIN) -> str:
        """What fits, with an ellipsis where something does not."""
        if self.width_of(text, size, bold=bold) <= room:
            return text
        while text and self.width_of(f"{text}…", size, bold=bold) > room:
            text = text[:-1]
        return f"{text.rstrip()}…"

    def png(self) -> bytes:
        self._canvas.draw()
        drawn = Image.frombuffer("RGBA", (WIDTH, self.height), self._canvas.buffer_rgba(), "raw", "RGBA", 0, 1)
        out = io.BytesIO()
        drawn.convert("RGB").quantize(_COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
            out, "PNG", optimize=True
        )
        return out.getvalue()
