"""Results keep within a phone's limits whatever they are, and the figures themselves."""

from dataclasses import replace
from decimal import Decimal as D

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.render.results import group_card, personas_card, pnl_card, scores
from bot.render.words import LINE_LIMIT, TITLE_LIMIT
from bot.results import GROUPS, WINDOWS, Record, grouped, period, returns, scoreboard, since
from bot.surface import Card
from storage.tallies import Curve, Point, Tally
from tests.cards_of_figures import DAY, PERSONAS, results, tally
from tests.risk_examples import AT


def within(made: Card) -> None:
    assert 0 < len(made.title) <= TITLE_LIMIT - len("PAPER ")
    assert len(made.plain()) <= 4096
    assert all(len(b.data.encode()) <= 64 for b in made.buttons)
    assert all(len(line) <= LINE_LIMIT for line in (*made.body(), *made.detail))


# --- whatever is shown ---------------------------------------------------------------------------------------------

amounts = st.decimals(min_value=-500_000, max_value=500_000, places=6)


@st.composite
def tallies(draw: st.DrawFn, key: str = "") -> Tally:
    trades = draw(st.integers(1, 10**7))
    parts = [draw(amounts) for _ in range(4)]
    return Tally(
        key=key, trades=trades, wins=draw(st.integers(0, trades)), gross=parts[0], fees=parts[1], funding=parts[2],
        won=abs(draw(amounts)), lost=-abs(draw(amounts)), r=parts[3],
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(tallies(), tallies("BTC"), tallies("1000SHIBUSDTPERP"), st.sampled_from(WINDOWS), st.integers(0, 40))
def test_any_result_keeps_within_the_limits(total: Tally, one: Tally, other: Tally, window: str, days: int) -> None:
    shown = results(days, total=total, pairs=(one, other), window=window)
    within(pnl_card(shown, unrealised="Unrealised +1.00 in 1 position open"))
    for group in GROUPS:
        rows = tuple(replace(t, key="2026-01-05" if group == "day" else t.key) for t in (one, other))
        within(group_card(rows, window, group, net=total.net, page=1))


@settings(max_examples=40, deadline=None)
@given(tallies("flow with"), tallies("flow against"), tallies("technical neutral"), st.sampled_from(WINDOWS))
def test_any_scoreboard_keeps_within_the_limits(a: Tally, b: Tally, c: Tally, window: str) -> None:
    records = scoreboard((a, b, c))
    within(personas_card(records, window, unknown=a.trades))
    assert all(0 <= s.low <= s.rate + 1e-9 and s.rate - 1e-9 <= s.high <= 1 for s in scores(records))


# --- the figures themselves ----------------------------------------------------------------------------------------


def test_a_window_begins_at_a_utc_midnight() -> None:
    midnight = AT.replace(hour=0, minute=0, second=0, microsecond=0)
    found = [since(window, AT) for window in WINDOWS]
    assert found == [midnight, midnight - 6 * DAY, midnight - 29 * DAY, None]


def test_days_without_a_trade_count_in_the_returns() -> None:
    day = AT.date()
    points = (Point(day=day, equity=D(110), low=D(100)), Point(day=day + 3 * DAY, equity=D(99), low=D(99)))
    curve = Curve(points=points, fall=None, start=D(100))
    assert returns(curve, day + 4 * DAY) == (D("0.1"), 0, 0, D("-0.1"), 0)
    assert returns(Curve(points=(), fall=None), day) == ()


@pytest.mark.parametrize(
    ("day", "week", "month"),
    [
        ("2024-12-30", "2025-W01", "2024-12"),
        ("2027-01-01", "2026-W53", "2027-01"),
        ("2024-05-03", "2024-W18", "2024-05"),
    ],
)
def test_a_week_is_of_the_year_that_it_belongs_to(day: str, week: str, month: str) -> None:
    assert (period(day, "week"), period(day, "month")) == (week, month)


def test_periods_add_up_to_their_days_and_come_newest_first() -> None:
    days = [tally(f"2024-{month:02}-{day:02}") for month in (1, 2) for day in (1, 15, 28)]
    months = grouped(days, "month")
    assert [(m.key, m.trades, m.net) for m in months] == [("2024-02", 9, D("240.75")), ("2024-01", 9, D("240.75"))]
    assert [t.key for t in grouped(days, "day")] == sorted((t.key for t in days), reverse=True)
    assert sum(week.trades for week in grouped(days, "week")) == 18


def test_right_is_with_a_winner_or_against_a_loser() -> None:
    (flow, *_) = [r for r in scoreboard(PERSONAS) if r.name == "flow"]
    assert isinstance(flow, Record)
    assert (flow.n, flow.right) == (40, 20 + 7)
    assert [r.name for r in scoreboard(PERSONAS)] == ["flow", "sigma", "whale"]
