"""The pictures of alerts: a closed trade's candles, a digest's equity or days, or none at all."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from bot.illustrations import Illustrator
from bot.pictures import CandlesPicture, DaysPicture, EquityPicture
from storage.tallies import Curve, Point, Tally
from tests.builders import BTC, NOW, a_trade
from tests.picture_examples import a_series, a_story, a_tally
from trading import events as m
from trading.errors import BadRecord, Misuse
from trading.market.series import Series
from trading.model import Symbol
from trading.performance import Drawdown

D = Decimal
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
UNTIL = datetime(2026, 1, 6, tzinfo=UTC)


@dataclass
class Archive:
    """Stories, figures and candles of one small desk."""

    told: Sequence[m.Event] = field(default_factory=a_story)
    days: Sequence[Tally] = ()
    whole: Curve = field(default_factory=lambda: Curve(points=(), fall=None))
    series: Series | None = None
    torn: bool = False
    asked: list[datetime | None] = field(default_factory=list)

    async def story(self, decision_id: str) -> Sequence[m.Event]:
        if self.torn:
            raise BadRecord("a row of the journal cannot be read")
        return self.told

    async def totals(self, dimension: str, since: datetime | None = None) -> Sequence[Tally]:
        assert dimension == "day"
        self.asked.append(since)
        return self.days

    async def curve(self, since: datetime | None = None) -> Curve:
        self.asked.append(since)
        return self.whole

    def candles(self, symbol: Symbol, bars: int) -> Series:
        if self.series is None:
            raise Misuse(f"no candles of {symbol}")
        return self.series.rows(max(0, len(self.series) - bars), len(self.series))


def illustrator(archive: Archive) -> Illustrator:
    return Illustrator(archive, archive, archive, foot="PAPER · a test")


def closed() -> m.TradeClosed:
    return m.TradeClosed(at=NOW + 4 * HOUR, trade=a_trade("34", closed_at=NOW + 4 * HOUR), equity=D(10034))


def a_period(*, weekly: bool, equity: str | None = "10075") -> m.PeriodSummed:
    return m.PeriodSummed(
        at=UNTIL + HOUR, weekly=weekly, since=UNTIL - (7 * DAY if weekly else DAY), until=UNTIL, trades=2, wins=1,
        net=D(50), fees=D(1), funding=D(0), equity=None if equity is None else D(equity), open=1,
    )  # fmt: skip


def a_point(day: int, equity: str) -> Point:
    return Point(day=date(2026, 1, day), equity=D(equity), low=D(equity))


async def test_a_closed_trade_comes_with_its_candles() -> None:
    made = await illustrator(Archive(series=a_series(300, end=NOW + 6 * HOUR)))(closed())
    assert isinstance(made, CandlesPicture)
    assert [mark.kind for mark in made.marks] == ["entry", "partial", "exit"]
    assert made.foot == "PAPER · a test"


@pytest.mark.parametrize(
    "archive",
    [
        Archive(),
        Archive(series=a_series(300), torn=True),
        Archive(series=a_series(3, end=NOW - HOUR)),
    ],
    ids=["no candles", "a torn journal", "candles of another time"],
)
async def test_a_trade_of_which_something_is_missing_comes_without_a_picture(archive: Archive) -> None:
    assert await illustrator(archive)(closed()) is None


async def test_a_day_comes_with_the_equity_of_the_month_as_it_stood_then() -> None:
    later = Drawdown(fraction=D("0.9"), peak=D(10), low=D(1), since=UNTIL - DAY, until=UNTIL + HOUR)
    curve = Curve(points=(a_point(4, "10020"), a_point(5, "10050"), a_point(6, "1")), fall=later, start=D(10000))
    archive = Archive(whole=curve)
    made = await illustrator(archive)(a_period(weekly=False))
    assert isinstance(made, EquityPicture)
    assert made.equity == (D(10000), D(10020), D(10050), D(10075))
    assert made.at[-1] == UNTIL
    assert archive.asked == [UNTIL - 30 * DAY]


async def test_a_week_comes_with_the_results_of_its_days_and_those_before() -> None:
    days = [a_tally("2026-01-02", "5"), a_tally("2026-01-05", "-3"), a_tally("2026-01-06", "99")]
    archive = Archive(days=days)
    made = await illustrator(archive)(a_period(weekly=True))
    assert isinstance(made, DaysPicture)
    assert made.days == (date(2026, 1, 2), date(2026, 1, 5))
    assert archive.asked == [UNTIL - 28 * DAY]


async def test_a_week_with_one_day_of_trades_falls_back_on_equity() -> None:
    curve = Curve(points=(a_point(5, "10050"),), fall=None, start=D(10000))
    archive = Archive(days=[a_tally("2026-01-05", "50")], whole=curve)
    assert isinstance(await illustrator(archive)(a_period(weekly=True, equity=None)), EquityPicture)


async def test_a_quiet_period_and_any_other_event_come_without_a_picture() -> None:
    draw = illustrator(Archive())
    assert await draw(a_period(weekly=True)) is None
    assert await draw(a_period(weekly=False)) is None
    assert await draw(m.DataEnded(at=NOW, symbol=BTC)) is None
