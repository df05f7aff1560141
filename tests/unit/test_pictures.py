"""Records and views as pictures: what is shown is what was recorded, and nothing is shown of nothing."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.pictures import Mark, Score
from bot.render import pictures
from storage.tallies import Curve, Point
from tests.builders import BTC, NOW, a_position, a_protection, a_quote, a_trade
from tests.picture_examples import FIVE, HOUR, a_series, a_story, a_tally, at_stop
from tests.risk_examples import an_exposure, an_unknown_exposure
from trading.model import Direction, ExitReason, Leg
from trading.performance import Drawdown
from trading.status import PositionStatus

D = Decimal
DAY = date(2026, 1, 3)


def points(*equity: str) -> tuple[Point, ...]:
    return tuple(Point(day=DAY + timedelta(days=n), equity=D(e), low=D(e)) for n, e in enumerate(equity))


# --- equity -------------------------------------------------------------------------------------------------------


def test_equity_runs_from_its_start_through_each_day_to_this_moment() -> None:
    curve = Curve(points=points("10100", "10050"), fall=None)
    made = pictures.equity_picture(curve, start=D(10000), now=NOW, equity=D("10075.5"), title="Equity")
    assert made is not None
    assert made.equity == (D(10000), D(10100), D(10050), D("10075.5"))
    assert made.at[0] == datetime(2026, 1, 3, tzinfo=UTC)
    assert [at.date() for at in made.at] == [DAY, DAY, date(2026, 1, 4), NOW.date()]
    assert made.at[-1] == NOW


def test_a_day_that_is_not_over_ends_now() -> None:
    curve = Curve(points=points("1", "2", "3"), fall=None)  # the third of them is today
    closed = pictures.equity_picture(curve, start=D(1), now=NOW, equity=None, title="")
    whole = pictures.equity_picture(curve, start=D(1), now=NOW, equity=D(4), title="")
    assert closed is not None
    assert whole is not None
    assert (closed.at[-1], closed.equity[-1]) == (NOW, D(3))
    assert (whole.at[-1], whole.equity[-1]) == (NOW, D(4))  # with what is open


def test_the_deepest_fall_is_drawn_through_its_own_peak_and_low() -> None:
    fall = Drawdown(
        fraction=D("0.2"),
        peak=D(11000),
        low=D(8800),
        since=datetime(2026, 1, 3, 9, tzinfo=UTC),
        until=datetime(2026, 1, 4, 15, tzinfo=UTC),
    )
    curve = Curve(points=points("10100", "10050"), fall=fall)
    made = pictures.equity_picture(curve, start=D(10000), now=NOW, equity=None, title="")
    assert made is not None
    drawn = dict(zip(made.at, made.equity, strict=True))
    assert (drawn[fall.since], drawn[fall.until]) == (D(11000), D(8800))
    assert max(1 - e / max(made.equity[: n + 1]) for n, e in enumerate(made.equity)) == fall.fraction


def test_no_equity_is_shown_of_a_desk_that_has_closed_nothing() -> None:
    empty = Curve(points=(), fall=None)
    assert pictures.equity_picture(empty, start=D(1), now=NOW, equity=D(1), title="") is None


@given(st.lists(st.decimals(min_value=1, max_value=10**6, places=2), min_size=1, max_size=30))
def test_times_of_equity_always_rise(equity: list[Decimal]) -> None:
    curve = Curve(points=points(*map(str, equity)), fall=None)
    now = datetime(2026, 1, 3, 12, tzinfo=UTC) + timedelta(days=len(equity) - 1)
    made = pictures.equity_picture(curve, start=D(1), now=now, equity=D(5), title="")
    assert made is not None
    assert list(made.at) == sorted(set(made.at))
    assert len(made.at) == len(made.equity) == len(equity) + 1


@given(st.randoms(use_true_random=False), st.integers(700, 4000))
@settings(max_examples=20, deadline=None)
def test_a_long_history_is_thinned_and_keeps_its_ends_its_peak_and_its_deepest_fall(chance: Random, days: int) -> None:
    equity = [D(chance.randrange(100, 10**8)).scaleb(-2) for _ in range(days)]
    curve = Curve(points=points(*map(str, equity)), fall=None)
    now = datetime(2026, 1, 3, tzinfo=UTC) + timedelta(days=len(equity))
    made = pictures.equity_picture(curve, start=equity[0], now=now, equity=None, title="")
    assert made is not None
    assert len(made.at) <= pictures.POINTS + 10
    assert (made.equity[0], made.equity[-1]) == (equity[0], equity[-1])
    assert (max(made.equity), min(made.equity)) == (max(equity), min(equity))
    assert deepest(made.equity) == deepest(equity)


def deepest(equity: Sequence[Decimal]) -> Decimal:
    return max(1 - e / peak for e, peak in zip(equity, accumulate(equity, max), strict=True))


# --- results ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "keys", "days", "net"),
    [
        ("day", ("2026-01-05", "2026-01-04"), (date(2026, 1, 4), date(2026, 1, 5)), (D(2), D(1))),
        ("week", ("2026-01-04", "2026-01-05", "2026-01-11"), (date(2025, 12, 29), date(2026, 1, 5)), (D(1), D(5))),
        ("week", ("2026-W01", "2026-W02"), (date(2025, 12, 29), date(2026, 1, 5)), (D(1), D(2))),
        ("month", ("2025-12-31", "2026-01-01", "2026-01-31"), (date(2025, 12, 1), date(2026, 1, 1)), (D(1), D(5))),
        ("month", ("2025-12", "2026-01"), (date(2025, 12, 1), date(2026, 1, 1)), (D(1), D(2))),
    ],
)
def test_results_are_summed_to_their_period(
    unit: str, keys: tuple[str, ...], days: tuple[date, ...], net: tuple[Decimal, ...]
) -> None:
    tallies = [a_tally(key, str(n + 1)) for n, key in enumerate(keys)]
    made = pictures.days_picture(tallies, unit=unit, title="")
    assert made is not None
    assert (made.days, made.net) == (days, net)


def test_more_days_than_can_be_told_apart_are_summed_by_week() -> None:
    tallies = [a_tally((DAY + timedelta(days=n)).isoformat(), "1") for n in range(pictures.COLUMNS + 1)]
    made = pictures.days_picture(tallies, unit="day", title="Net by day, all")
    assert made is not None
    assert (made.unit, made.title) == ("week", "Net by day, all, summed by week")
    assert sum(made.net) == pictures.COLUMNS + 1
    assert all(day.weekday() == 0 for day in made.days)


def test_one_bar_is_not_a_picture_of_results() -> None:
    assert pictures.days_picture([a_tally("2026-01-05", "1")], unit="day", title="") is None
    assert pictures.days_picture([], unit="day", title="") is None


# --- candles ------------------------------------------------------------------------------------------------------


def test_the_last_bars_are_shown_as_the_venue_gave_them() -> None:
    made = pictures.candles_picture(BTC, a_series(100), bars=3, title="BTC")
    assert made is not None
    assert [bar.close for bar in made.bars] == [D(98), D(99), D(100)]
    assert made.bars[-1].at == NOW - FIVE
    assert (made.every, made.direction) == (FIVE, None)


@given(st.integers(1, 3000))
def test_many_bars_are_joined_to_as_few_as_a_phone_can_show_and_none_is_lost(count: int) -> None:
    series = a_series(count)
    made = pictures.candles_picture(BTC, series, bars=count, title="")
    assert made is not None
    assert 1 <= len(made.bars) <= pictures.BARS + 1  # a longer bar may begin before the first of them
    assert made.bars[0].at <= NOW - count * FIVE
    assert made.bars[-1].close == count
    assert made.bars[0].open == 1


def test_no_bars_no_picture() -> None:
    empty = a_series(1).rows(0, 0)
    assert pictures.candles_picture(BTC, empty, bars=10, title="") is None
    assert pictures.position_picture(a_position(), (), empty, quote=None) is None
    assert pictures.trade_picture(a_trade("1"), (), empty) is None


# --- positions and trades -----------------------------------------------------------------------------------------


def test_a_position_shows_its_entry_the_way_of_its_stop_its_target_and_the_mark() -> None:
    story = a_story()[:-1]
    position = at_stop(a_position(protection=a_protection("58500", "63000")), "60500")
    series = a_series(200, end=NOW + 4 * HOUR)
    made = pictures.position_picture(position, story, series, quote=a_quote("60600"))
    assert made is not None
    assert made.title == "▲ BTC long +1.00% +60.00"
    assert made.direction is Direction.LONG
    stops = [(level.since, level.until, level.price) for level in made.levels if level.kind == "stop"]
    assert stops == [
        (NOW, NOW + HOUR, D(58500)),
        (NOW + HOUR, NOW + 3 * HOUR, D(60030)),
        (NOW + 3 * HOUR, None, D(60500)),
    ]
    others = {level.kind: level.price for level in made.levels if level.kind != "stop"}
    assert others == {"entry": D(60000), "target": D(63000), "mark": D(60600)}
    assert made.marks == (
        Mark(at=NOW, price=D(60000), kind="entry", label="entry"),
        Mark(at=NOW + 2 * HOUR, price=D(61006), kind="partial", label="25% out"),
    )
    assert made.bars[0].at < NOW - HOUR
    assert made.bars[-1].at == NOW + 4 * HOUR - FIVE


def test_a_position_without_a_quote_and_without_a_story_shows_what_it_knows() -> None:
    made = pictures.position_picture(a_position(Direction.SHORT), (), a_series(60), quote=None)
    assert made is not None
    assert made.title == "▼ BTC short"
    assert [level.kind for level in made.levels] == ["entry", "stop", "target"]
    assert made.marks == ()
    assert len(made.bars) == 16  # opened as the last bar closed: what came before it


def test_a_trade_shows_why_it_was_left_and_what_stood_until_then() -> None:
    closed = NOW + 4 * HOUR
    trade = a_trade("34.20", closed_at=closed, reason=ExitReason.TRAILING_STOP, exit=D(60480), r=D("0.23"))
    made = pictures.trade_picture(trade, a_story(exit_leg=Leg.STOP), a_series(400, end=closed + 9 * HOUR))
    assert made is not None
    assert made.title == "▲ BTC long +34.20 (+0.23R), trailing stop"
    assert made.marks[-1] == Mark(at=closed, price=D(60480), kind="exit", label="trailing stop")
    assert [level.until for level in made.levels if level.kind != "stop"] == [closed, closed]
    assert [level.price for level in made.levels if level.kind == "stop"] == [D(58500), D(60030), D(60500)]
    assert made.bars[0].at < NOW
    assert closed < made.bars[-1].at < closed + 3 * HOUR  # not all that came after it


def test_a_trade_whose_story_is_not_known_still_shows_where_it_was_entered_and_left() -> None:
    closed = NOW + HOUR
    trade = a_trade("-5", closed_at=closed, reason=ExitReason.VENUE, exit=D(59950))
    made = pictures.trade_picture(trade, (), a_series(60, end=closed))
    assert made is not None
    assert [(mark.at, mark.price, mark.label) for mark in made.marks] == [
        (NOW, D(60000), ""),
        (closed, D(59950), "closed at the venue"),
    ]


def test_a_trade_of_a_time_without_bars_has_no_picture() -> None:
    trade = a_trade("-5", closed_at=NOW + HOUR)
    assert pictures.trade_picture(trade, a_story(), a_series(60, end=NOW + 40 * HOUR)) is None


# --- personas and exposure ----------------------------------------------------------------------------------------


def test_a_persona_without_a_record_is_not_on_the_scoreboard() -> None:
    known = Score(name="flow", n=3, rate=0.5, low=0.1, high=0.9)
    unknown = replace(known, name="whale", n=0)
    made = pictures.scores_picture([known, unknown], "Personas")
    assert made is not None
    assert made.scores == (known,)
    assert pictures.scores_picture([unknown], "Personas") is None


def test_exposure_shows_each_position_and_each_limit() -> None:
    view = an_exposure()
    held = [
        PositionStatus(position=a_position(), quote=a_quote("61000"), rules=()),
        PositionStatus(position=a_position(Direction.SHORT, quantity=D("0.05")), quote=a_quote("61000"), rules=()),
    ]
    made = pictures.exposure_picture(view, held)
    assert made is not None
    assert made.title == "Exposure 114,000.00, equity 10,000.00"
    assert made.notionals == (("BTC long", D(6100)), ("BTC short", D(-3050)))
    texts = {use.name: use.text for use in made.uses}
    assert texts["margin"] == "5,400 of 6,000"
    assert texts["asset BTC"] == "84,000 of 80,000"
    assert texts["group BTC, ETH net long"] == "63,000 of 120,000"
    assert len(made.uses) == len(view.uses) + 2


def test_exposure_falls_back_on_its_two_sides_where_a_mark_is_missing() -> None:
    held = [PositionStatus(position=a_position(), quote=None, rules=())]
    made = pictures.exposure_picture(an_exposure(), held)
    assert made is not None
    assert made.notionals == (("long", D(93000)), ("short", D(-21000)))
    assert pictures.exposure_picture(an_unknown_exposure(), held) is None
