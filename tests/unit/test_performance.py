"""What closed trades add up to, against sums worked out by hand; and what is undefined."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

from hypothesis import given
from hypothesis import strategies as st

from bot.render import performance_json, render_summary
from tests.surface_examples import a_trade
from trading.model import ExitReason, PositionId, Trade
from trading.performance import Performance, summarise

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
