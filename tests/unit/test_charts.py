"""Drawn pictures: everything readable and on the page, the same bytes for the same picture, in a process of its own."""

import io
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.text import Text
from PIL import Image

from bot.charts.gallery import DRAWS, our_style, png
from bot.charts.page import Page, shown
from bot.charts.theme import DARK, LIGHT, WIDTH, Theme
from bot.pictures import (
    Bar,
    CandlesPicture,
    DaysPicture,
    EquityPicture,
    ExposurePicture,
    Level,
    Mark,
    Picture,
    Score,
    ScoresPicture,
    Use,
)
from trading.model import Direction

D = Decimal
AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
FIVE = timedelta(minutes=5)
ROOT = Path(__file__).parents[2]
LEAST = 28  # pixels of a letter, across 1080: what a phone can show

EQUITY = EquityPicture(
    title="Equity, 3 days",
    at=tuple(AT + timedelta(days=n) for n in range(4)),
    equity=(D(10000), D("10250.50"), D("9635.47"), D("10100.10")),
)
DAYS = DaysPicture(
    title="Result by day", days=(date(2026, 1, 4), date(2026, 1, 5)), net=(D("12.40"), D("-3.1")), foot="PAPER"
)


def bars(count: int, *, like: str = "64000.0", step: str = "10.5") -> tuple[Bar, ...]:
    """Up two, down one."""
    made, price = [], D(like)
    for n in range(count):
        close = price + D(step) * (2 if n % 2 else -1)
        made.append(
            Bar(
                at=AT + n * FIVE,
                open=price,
                high=max(price, close) + D(step),
                low=min(price, close) - D(step),
                close=close,
            )
        )
        price = close
    return tuple(made)


CANDLES = CandlesPicture(
    title="▲ BTC long +1.20% +9.70",
    every=FIVE,
    bars=bars(60),
    direction=Direction.LONG,
    levels=(
        Level(since=AT + FIVE, until=None, price=D("63998.333333333333"), kind="entry"),
        Level(since=AT + FIVE, until=AT + 20 * FIVE, price=D("63900.0"), kind="stop"),
        Level(since=AT + 20 * FIVE, until=None, price=D("64010.0"), kind="stop"),
        Level(since=AT + FIVE, until=None, price=D("99000.0"), kind="target"),
        Level(since=AT + FIVE, until=None, price=D("64300.0"), kind="mark"),
    ),
    marks=(
        Mark(at=AT + FIVE, price=D("63998.333333333333"), kind="entry", label="entry"),
        Mark(at=AT + 25 * FIVE, price=D("64160.5"), kind="partial", label="25% out"),
        Mark(at=AT + 50 * FIVE, price=D("64270.0"), kind="exit", label="trailing stop"),
    ),
)
SCORES = ScoresPicture(title="Personas", scores=(Score(name="technical", n=120, rate=0.583, low=0.494, high=0.668),))
EXPOSURE = ExposurePicture(
    title="Exposure 105,000.00",
    notionals=(("BTC long", D(84000)), ("ETH short", D(-21000))),
    uses=(
        Use(name="asset BTC", used=84000.0, limit=80000.0, text="84,000 of 80,000"),
        Use(name="margin", used=5400.0, limit=6000.0, text="5,400 of 6,000"),
    ),
)
PICTURES: dict[str, Picture] = {
    "equity": EQUITY,
    "days": DAYS,
    "candles": CANDLES,
    "scores": SCORES,
    "exposure": EXPOSURE,
}


def drawn(picture: Picture, look: Theme = DARK) -> Page:
    with our_style():
        return DRAWS[type(picture)](picture, look)


def texts(page: Page) -> list[Text]:
    return [text for text in page._figure.findobj(Text) if text.get_text()]


def said(picture: Picture) -> list[str]:
    return [text.get_text() for text in texts(drawn(picture))]


def faults(page: Page) -> list[str]:
    """Texts that leave the page, are too small, or stand on one another."""
    renderer = page._canvas.get_renderer()
    found, boxes = [], [(text.get_text(), text.get_window_extent(renderer)) for text in texts(page)]
    found += [f"{text.get_text()!r} is small" for text in texts(page) if text.get_fontsize() < LEAST]
    for n, (name, box) in enumerate(boxes):
        if box.x0 < 0 or box.y0 < 0 or box.x1 > WIDTH or box.y1 > page.height:
            found.append(f"{name!r} leaves the page")
        for other, under in boxes[n + 1 :]:
            across = min(box.x1, under.x1) - max(box.x0, under.x0)
            if across > 1 and min(box.y1, under.y1) - max(box.y0, under.y0) > 5:
                found.append(f"{name!r} stands on {other!r}")
    return found


# --- what is on them ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("dark", [True, False])
def test_a_picture_is_a_light_png_and_the_same_one_each_time(name: str, dark: bool) -> None:
    first = png(PICTURES[name], dark=dark)
    with Image.open(io.BytesIO(first)) as image:
        assert image.format == "PNG"
        assert image.width == WIDTH
        assert 300 <= image.height <= 2000
        corner = image.convert("RGB").getpixel((2, 2))
    assert corner == tuple(bytes.fromhex((DARK if dark else LIGHT).back.removeprefix("#")))
    assert len(first) < 60_000
    assert png(PICTURES[name], dark=dark) == first


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("equity", ["10,100.10", "+100.10 (+1.00%)", "from 10,000.00", "drawdown, deepest -6.00% on 7 Jan"]),
        ("days", ["+9.30", "1 of 2 days won", "4 Jan", "+12.40", "5 Jan", "-3.10", "Days in UTC · PAPER"]),
        (
            "candles",
            ["entry", "63,998.3", "stop", "64,010.0", "target ↑", "99,000.0", "mark", "25% out", "trailing stop"],
        ),
        ("scores", ["technical", "58% of 120", "49% to 67%", "50%"]),
        ("exposure", ["BTC long", "84,000.00", "ETH short", "84,000 of 80,000, above: 105%", "5,400 of 6,000, 90%"]),
    ],
)
def test_numbers_and_names_are_written_out(name: str, words: list[str]) -> None:
    written = said(PICTURES[name])
    assert [word for word in words if word not in written] == []


def test_a_name_is_never_a_formula_and_never_a_missing_letter() -> None:
    odd = r"$x_1^{2}$ & <b>100%</b> \frac"
    assert odd in said(replace(DAYS, title=odd))
    assert shown("币 🚀 ▲ é ‮") == "□ □ ▲ é □"
    assert png(replace(DAYS, title="$unclosed {"), dark=True)


def test_few_colours_are_enough_to_keep_the_rare_ones() -> None:
    """A small dot is the only thing in its colour."""
    small = ScoresPicture(title="Personas", scores=(Score(name="a", n=99_999, rate=0.44, low=0.43, high=0.45),))
    wanted = bytes.fromhex(DARK.down.removeprefix("#"))
    with Image.open(io.BytesIO(png(small, dark=True))) as image:
        found = image.convert("RGB").getcolors()
    assert found is not None
    assert min(max(abs(a - b) for a, b in zip(colour, wanted, strict=True)) for _, colour in found) <= 8


def test_rising_and_falling_candles_differ_in_more_than_colour() -> None:
    page = drawn(CANDLES)
    bodies = [patch for axes in page._figure.axes for patch in axes.patches]
    fills = {(patch.get_facecolor() == patch.get_edgecolor()) for patch in bodies}
    assert len(bodies) == len(CANDLES.bars)
    assert fills == {True, False}


def _shine(colour: str) -> float:
    """Relative luminance, as WCAG 2 has it."""
    parts = [part / 255 for part in bytes.fromhex(colour.removeprefix("#"))]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("look", [DARK, LIGHT], ids=["dark", "light"])
@pytest.mark.parametrize("kind", ["text", "muted", "up", "down", "stop", "target", "over"])
def test_every_colour_of_letters_can_be_read(look: Theme, kind: str) -> None:
    light, dark = sorted((_shine(getattr(look, kind)), _shine(look.back)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5  # WCAG AA


# --- any picture --------------------------------------------------------------------------------------------------

titles = st.text(max_size=150)
amounts = st.decimals(min_value="-9999999", max_value="9999999", places=2)
moments = st.lists(st.integers(0, 3_000_000), min_size=2, max_size=60, unique=True).map(sorted)


@st.composite
def equities(draw: st.DrawFn) -> EquityPicture:
    minutes = draw(moments)
    equity = draw(st.lists(amounts, min_size=len(minutes), max_size=len(minutes)))
    return EquityPicture(
        title=draw(titles),
        at=tuple(AT + timedelta(minutes=m) for m in minutes),
        equity=tuple(equity),
        foot=draw(titles),
    )


@st.composite
def many_days(draw: st.DrawFn) -> DaysPicture:
    days = draw(st.lists(st.integers(0, 500), min_size=2, max_size=40, unique=True).map(sorted))
    net = draw(st.lists(amounts, min_size=len(days), max_size=len(days)))
    unit = draw(st.sampled_from(["day", "week", "month"]))
    return DaysPicture(
        title=draw(titles), days=tuple(date(2025, 1, 1) + timedelta(days=d) for d in days), net=tuple(net), unit=unit
    )


@st.composite
def candle_pictures(draw: st.DrawFn) -> CandlesPicture:
    """Prices from 0.0000001 to a million, bars of a minute to a day, anything at all on them."""
    decimals = draw(st.integers(0, 9))
    tick = D(1).scaleb(-decimals)
    base = draw(st.integers(100, 99_999))
    moves = draw(
        st.lists(st.tuples(st.integers(-30, 30), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=50)
    )
    every = timedelta(minutes=draw(st.sampled_from([1, 5, 60, 1440])))
    made, price = [], base
    for n, (move, over, under) in enumerate(moves):
        close = max(20, price + move)
        made.append(
            Bar(
                at=AT + n * every,
                open=price * tick,
                high=(max(price, close) + over) * tick,
                low=(min(price, close) - under) * tick,
                close=close * tick,
            )
        )
        price = close
    prices = st.integers(1, 200_000).map(lambda p: p * tick)
    times = st.integers(-20, 70).map(lambda n: AT + n * every)
    level = st.builds(
        Level, since=times, until=st.none(), price=prices, kind=st.sampled_from(["entry", "stop", "target", "mark"])
    )
    near = st.integers(-40, 40).map(lambda p: max(1, base + p) * tick)
    mark = st.builds(
        Mark, at=times, price=near, kind=st.sampled_from(["entry", "partial", "exit"]), label=st.text(max_size=24)
    )
    return CandlesPicture(
        title=draw(titles),
        every=every,
        bars=tuple(made),
        direction=draw(st.sampled_from([None, *Direction])),
        levels=tuple(draw(st.lists(level, max_size=6))),
        marks=tuple(draw(st.lists(mark, max_size=6))),
    )


rates = st.tuples(*[st.floats(0, 1)] * 3).map(sorted)
score = st.builds(
    lambda name, n, of: Score(name=name, n=n, low=of[0], rate=of[1], high=of[2]),
    st.text(min_size=1, max_size=40),
    st.integers(1, 99_999),
    rates,
)
scoreboards = st.builds(ScoresPicture, title=titles, scores=st.lists(score, min_size=1, max_size=8).map(tuple))
use = st.builds(
    Use,
    name=st.text(max_size=60),
    used=st.floats(0, 1e6),
    limit=st.floats(1, 1e6),
    text=st.just("1,000,000 of 1,000,000"),
)
held = st.tuples(st.text(min_size=1, max_size=30), amounts.filter(bool))
exposures = st.builds(
    ExposurePicture,
    title=titles,
    notionals=st.lists(held, min_size=1, max_size=12).map(tuple),
    uses=st.lists(use, max_size=12).map(tuple),
)


@settings(max_examples=12, deadline=None)
@given(st.one_of(equities(), many_days()))
def test_every_word_of_any_results_is_on_the_page_alone_and_large_enough(picture: Picture) -> None:
    assert faults(drawn(picture)) == []


@settings(max_examples=15, deadline=None)
@given(candle_pictures())
def test_every_word_on_any_candles_is_on_the_page_alone_and_large_enough(picture: Picture) -> None:
    assert faults(drawn(picture)) == []


@settings(max_examples=10, deadline=None)
@given(st.one_of(scoreboards, exposures))
def test_every_word_of_any_list_is_on_the_page_alone_and_large_enough(picture: Picture) -> None:
    assert faults(drawn(picture)) == []
