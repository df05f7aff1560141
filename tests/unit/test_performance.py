"""What closed trades add up to, against sums worked out by hand; and what is undefined."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.render.figures import performance_json, render_summary
from tests.surface_examples import a_trade
from trading.model import ExitReason, PositionId, Trade
from trading.performance import Drawdown, Performance, Stretch, at_once, joined, sharpe, sortino, summarise, wilson

START = datetime(2024, 5, 1, tzinfo=UTC)


def trade(number: int, gross: str, *, fees: str = "1", funding: str = "0", r: str = "1", reason: ExitReason) -> Trade:
    opened = START + timedelta(hours=number)
    return a_trade(
        id=PositionId(f"btc-{number:08}"),
        opened_at=opened,
        closed_at=opened + timedelta(minutes=30),
        gross=D(gross),
        fees=D(fees),
        funding=D(funding),
        r=D(r),
        reason=reason,
    )


def four() -> Performance:
    trades = [
        trade(1, "101", r="2", reason=ExitReason.TAKE_PROFIT),  # +100 -> 1100
        trade(2, "-109", r="-1", reason=ExitReason.STOP_LOSS),  # -110 -> 990
        trade(3, "-53.5", funding="-0.5", r="-1", reason=ExitReason.STOP_LOSS),  # -55 -> 935
        trade(4, "66", r="1", reason=ExitReason.TAKE_PROFIT),  # +65 -> 1000
    ]
    return summarise(trades[::-1], D("1000"))


def test_four_trades_add_up() -> None:
    result = four()
    assert (result.trades, result.wins, result.losses) == (4, 2, 2)
    assert result.net == result.gross - result.fees + result.funding == D("0")
    assert result.equity == D("1000")
    assert result.win_rate == D("0.5")
    assert result.expectancy == D("0")
    assert result.average_r == D("0.25")
    assert result.profit_factor == D("1")
    assert result.best is not None
    assert result.worst is not None
    assert (result.best.net, result.worst.net) == (D("100"), D("-110"))


def test_the_deepest_fall_runs_from_its_peak_to_its_low() -> None:
    fall = four().drawdown
    assert fall is not None
    assert fall.fraction == D("0.15")  # 1100 -> 935
    assert (fall.peak, fall.low) == (D("1100"), D("935"))
    assert fall.since == START + timedelta(hours=1, minutes=30)
    assert fall.until == START + timedelta(hours=3, minutes=30)


def test_exits_are_counted_by_reason() -> None:
    totals = [(t.reason, t.trades, t.net) for t in four().by_reason]
    assert totals == [(ExitReason.STOP_LOSS, 2, D("-165")), (ExitReason.TAKE_PROFIT, 2, D("165"))]


def test_without_trades_everything_undefined_is_none() -> None:
    none = summarise([], D("1000"))
    assert (none.win_rate, none.expectancy, none.average_r, none.profit_factor, none.drawdown) == (None,) * 5
    assert none.equity == D("1000")
    assert "No closed trade" in render_summary(none).plain()


def test_without_losses_there_is_no_profit_factor_and_no_drawdown() -> None:
    won = summarise([trade(1, "10", reason=ExitReason.TAKE_PROFIT)], D("1000"))
    assert won.profit_factor is None
    assert won.drawdown is None
    assert performance_json(won)["profit_factor"] is None
    assert "profit factor not defined without a loss" in render_summary(won).plain()


def test_card_and_json_tell_the_same_figures() -> None:
    result = four()
    plain, data = render_summary(result, "7d").plain(), performance_json(result)
    assert data["max_drawdown"] == "0.15"
    assert "Maximum drawdown 15%" in plain
    assert data["exits"]["stop loss"] == {"trades": 2, "net": "-165.0"}
    assert "stop loss: 2, -165.00" in plain
    assert "P&L 7d 0.00" in plain


cents = st.decimals(min_value=-500, max_value=500, places=2)


@given(st.lists(cents, max_size=30))
def test_equity_is_start_plus_every_net_to_the_last_digit(grosses: list[D]) -> None:
    trades = [trade(n, str(g), reason=ExitReason.MAX_HOLD) for n, g in enumerate(grosses)]
    result = summarise(trades, D("20000"))
    assert result.equity == D("20000") + sum((t.net for t in trades), D(0))
    assert sum((t.net for t in result.by_reason), D(0)) == result.net
    assert result.drawdown is None or 0 < result.drawdown.fraction < 1


# --- falls ---------------------------------------------------------------------------------------------------------

steps = st.lists(st.sampled_from([D(-50), D(-20), D(-10), D(0), D(10), D(20), D(50)]), min_size=1, max_size=14)


def walk(nets: Sequence[D]) -> list[Stretch]:
    equity, points = D(100), []
    for n, net in enumerate(nets):
        equity += net
        points.append(at_once(equity, START + timedelta(hours=n)))
    assert all(point.low >= 0 for point in points)
    return points


def step_by_step(points: Sequence[Stretch]) -> Drawdown | None:
    """The deepest fall by going along and keeping the last peak."""
    deepest, peak, since = None, points[0].high, points[0].high_at
    for point in points[1:]:
        equity, at = point.low, point.low_at
        if equity >= peak:
            peak, since = equity, at
        elif peak > 0 and (deepest is None or (peak - equity) / peak > deepest.fraction):
            deepest = Drawdown(fraction=(peak - equity) / peak, peak=peak, low=equity, since=since, until=at)
    return deepest


@settings(max_examples=300)
@given(steps, st.integers(1, 14), st.integers(1, 14))
def test_stretches_can_be_cut_anywhere_and_joined(nets: list[D], one: int, other: int) -> None:
    points = walk(nets)
    first, last = sorted((one, other))
    parts = [part for part in (points[:first], points[first:last], points[last:]) if part]
    whole = reduce(joined, points)
    assert reduce(joined, [reduce(joined, part) for part in parts]) == whole
    assert whole.fall == step_by_step(points)
    assert (whole.high, whole.low) == (max(p.high for p in points), min(p.low for p in points))


# --- ratios --------------------------------------------------------------------------------------------------------


def test_sharpe_and_sortino_of_twenty_days_by_hand() -> None:
    returns = [D("0.02"), D("-0.01")] * 10  # mean 0.005, squares around it 20 x 0.015^2, losses 10 x 0.01^2
    assert sharpe(returns) == pytest.approx(D("0.005") / (20 * D("0.000225") / 19).sqrt() * D(365).sqrt())
    assert sortino(returns) == pytest.approx(D("0.005") / (10 * D("0.0001") / 20).sqrt() * D(365).sqrt())


def test_too_few_days_and_days_all_alike_have_no_ratio() -> None:
    assert (sharpe([D("0.02"), D("-0.01")] * 9), sortino([D("0.02"), D("-0.01")] * 9)) == (None, None)
    assert (sharpe([D("0.01")] * 30), sortino([D("0.01")] * 30)) == (None, None)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"), [(5, 10, 0.2366, 0.7634), (0, 20, 0.0, 0.1611), (90, 100, 0.8256, 0.9448)]
)
def test_the_interval_of_a_rate(hits: int, n: int, low: float, high: float) -> None:
    """Against the published values of the score interval."""
    assert wilson(hits, n) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@given(st.integers(0, 400), st.integers(0, 400))
def test_the_interval_holds_the_rate_and_is_whole_without_evidence(one: int, other: int) -> None:
    hits, n = sorted((one, other))
    low, high = wilson(hits, n)
    assert 0 <= low <= high <= 1
    assert n == 0 or low - 1e-12 <= hits / n <= high + 1e-12
    assert n > 0 or (low, high) == (0, 1)
