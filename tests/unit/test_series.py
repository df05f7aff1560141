from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.market.series import Series, aggregate, exact, from_ms, to_ms
from trading.model import Symbol

BTC = Symbol("BTC/USDT:USDT")
START = to_ms(datetime(2025, 1, 1, tzinfo=UTC))
MINUTE = 60_000


def a_series(minutes: list[int], closes: list[float] | None = None, *, taker: bool = True) -> Series:
    """One-minute bars at these minutes after midnight."""
    close = np.array(closes or [100.0 + minute for minute in minutes])
    count = np.arange(1.0, len(minutes) + 1)
    return Series(
        symbol=BTC,
        every=timedelta(minutes=1),
        opened=np.array([START + minute * MINUTE for minute in minutes], dtype=np.int64),
        open=close - 0.5,
        high=close + 1,
        low=close - 2,
        close=close,
        volume=count,
        taker_buy=count / 2 if taker else None,
        trades=count * 10 if taker else None,
    )


@given(st.decimals(min_value="-1e9", max_value="1e9", allow_nan=False, allow_infinity=False, places=6))
def test_a_decimal_of_fifteen_digits_comes_back_exactly(value: Decimal) -> None:
    assert exact(float(value)) == value


@pytest.mark.parametrize(
    "text", ["0.1", "46216.93", "0.00001234", "118626.22", "1e-8", "123456789012345", "0.30000000000001"]
)
def test_a_price_keeps_its_text(text: str) -> None:
    assert exact(np.float64(text)) == Decimal(text)


@given(st.integers(0, to_ms(datetime(2199, 1, 1, tzinfo=UTC))))
def test_milliseconds_become_utc_times_and_come_back(ms: int) -> None:
    assert to_ms(from_ms(ms)) == ms
    assert from_ms(ms).tzinfo is UTC


def test_a_candle_is_its_row_in_decimals() -> None:
    candle = a_series([0, 1], [100.1, 101.7]).candle(1)
    assert (candle.open, candle.high, candle.low, candle.close) == tuple(
        map(Decimal, ("101.2", "102.7", "99.7", "101.7"))
    )
    assert candle.opened_at == datetime(2025, 1, 1, 0, 1, tzinfo=UTC)
    assert candle.closed_at == datetime(2025, 1, 1, 0, 2, tzinfo=UTC)
    assert (candle.volume, candle.taker_buy, candle.trades) == (2, 1, 20)


def test_a_candle_without_taker_volume_says_so() -> None:
    candle = a_series([0], taker=False).candle(0)
    assert candle.taker_buy is None
    assert candle.trades is None


def test_rows_are_a_view() -> None:
    series = a_series([0, 1, 2, 3])
    part = series.rows(1, 3)
    assert len(part) == 2
    assert part.close.base is not None
    assert part.candle(0) == series.candle(1)


def test_closed_is_one_interval_after_opened() -> None:
    series = a_series([0, 5])
    assert (series.closed - series.opened == MINUTE).all()


def test_no_gaps_in_whole_history() -> None:
    assert a_series([3, 4, 5]).gaps() == []
    assert a_series([3]).gaps() == []


def test_gaps_name_their_ends_and_size() -> None:
    def at(minute: int) -> datetime:
        return datetime(2025, 1, 1, 0, minute, tzinfo=UTC)

    assert a_series([0, 1, 3, 4, 10]).gaps() == [(at(2), at(3), 1), (at(5), at(10), 5)]


def test_coarse_bars_are_made_of_the_fine_ones() -> None:
    coarse = aggregate(a_series(list(range(10)), [10, 12, 9, 11, 10.5, 20, 19, 18, 17, 21]), timedelta(minutes=5))
    first, second = coarse.candle(0), coarse.candle(1)
    assert (first.open, first.high, first.low, first.close) == tuple(map(Decimal, ("9.5", "13", "7", "10.5")))
    assert (first.volume, first.taker_buy, first.trades) == (15, Decimal("7.5"), 150)
    assert second.opened_at == datetime(2025, 1, 1, 0, 5, tzinfo=UTC)
    assert coarse.every == timedelta(minutes=5)


def test_aggregation_invents_no_bar() -> None:
    coarse = aggregate(a_series([0, 1, 16, 17], taker=False), timedelta(minutes=5))
    assert [at.minute for at in map(from_ms, coarse.opened)] == [0, 15]
    assert coarse.taker_buy is None
    assert coarse.gaps()[0][2] == 2


def test_the_same_interval_is_the_same_series() -> None:
    series = a_series([0, 1])
    assert aggregate(series, timedelta(minutes=1)) is series


def test_an_interval_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="not a multiple"):
        aggregate(a_series([0, 1]), timedelta(seconds=90))


@given(st.sets(st.integers(0, 400), min_size=1, max_size=60), st.sampled_from([5, 15, 60, 240]))
def test_aggregation_keeps_extremes_totals_and_order(minutes: set[int], every: int) -> None:
    fine = a_series(sorted(minutes))
    coarse = aggregate(fine, timedelta(minutes=every))
    assert coarse.high.max() == fine.high.max()
    assert coarse.low.min() == fine.low.min()
    assert coarse.volume.sum() == fine.volume.sum()
    assert (coarse.open[0], coarse.close[-1]) == (fine.open[0], fine.close[-1])
    assert (np.diff(coarse.opened) > 0).all()
    assert (coarse.opened % (every * MINUTE) == 0).all()


@given(st.sets(st.integers(0, 400), min_size=1, max_size=60))
def test_aggregation_in_two_steps_is_aggregation_in_one(minutes: set[int]) -> None:
    fine = a_series(sorted(minutes))
    one = aggregate(fine, timedelta(hours=1))
    two = aggregate(aggregate(fine, timedelta(minutes=15)), timedelta(hours=1))
    assert [one.candle(row) for row in range(len(one))] == [two.candle(row) for row in range(len(two))]


@given(st.sets(st.integers(0, 400), min_size=2, max_size=60), st.data())
def test_parts_joined_are_the_whole(minutes: set[int], data: st.DataObject) -> None:
    series = a_series(sorted(minutes))
    cut = data.draw(st.integers(1, len(series) - 1))
    whole = Series.joined([series.rows(0, cut), series.rows(cut, len(series))])
    assert [whole.candle(row) for row in range(len(whole))] == [series.candle(row) for row in range(len(series))]
    assert whole.gaps() == series.gaps()


def test_taker_volume_of_some_parts_is_none_of_the_whole() -> None:
    whole = Series.joined([a_series([0, 1]), a_series([2], taker=False)])
    assert len(whole) == 3
    assert whole.taker_buy is None
    assert whole.trades is None
