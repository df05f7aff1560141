"""Results over many trades: the summary of a whole run, and the same figures as plain data. Pure."""

from typing import Any

from bot.render.words import amount, card, clock, counted, money, multiple, name_of, percent, rounded, share
from bot.surface import Card
from trading.model import Trade
from trading.performance import Drawdown, Performance


def _drawdown_line(fall: Drawdown | None) -> str:
    if fall is None:
        return "Maximum drawdown 0%"
    return (
        f"Maximum drawdown {share(fall.fraction)}, {amount(fall.peak)} to {amount(fall.low)}, "
        f"{clock(fall.since)} to {clock(fall.until)}"
    )


def _trade_words(trade: Trade) -> str:
    return f"{name_of(trade.symbol)} {trade.direction} {money(trade.net)} ({multiple(trade.r)}), {trade.id}"


def _lines(result: Performance) -> tuple[str, ...]:
    if result.win_rate is None or result.expectancy is None or result.average_r is None:
        return (f"No closed trade. Equity {amount(result.equity)} before open positions",)
    factor = "not defined without a loss" if result.profit_factor is None else f"{rounded(result.profit_factor, 2):f}"
    return (
        f"Win rate {share(result.win_rate)}: {result.wins} won, {result.losses} lost",
        f"Expectancy {money(result.expectancy)} a trade, {multiple(result.average_r)}; profit factor {factor}",
        f"Gross {money(result.gross)}, fees {money(-result.fees)}, funding {money(result.funding)}",
        _drawdown_line(result.drawdown),
        f"Equity {amount(result.equity)} by the closed trades, from {amount(result.start_equity)}",
        f"Best {_trade_words(result.best)}" if result.best else "",
        f"Worst {_trade_words(result.worst)}" if result.worst else "",
        *(f"{total.reason}: {total.trades}, {money(total.net)}" for total in result.by_reason),
    )


def render_summary(result: Performance, window: str = "all") -> Card:
    """Net result of a window in the title."""
    change = f" ({percent(result.net / result.start_equity)})" if result.start_equity > 0 else ""
    return card(f"P&L {window} {money(result.net)}{change}, {counted(result.trades, 'trade')}", *_lines(result))


def _plain(value: Any) -> str | None:
    return None if value is None else f"{value:f}"


def performance_json(result: Performance) -> dict[str, Any]:
    """The same figures for a program: exact decimals as strings, times in ISO 8601, null where undefined."""
    fall = result.drawdown
    return {
        "start_equity": _plain(result.start_equity),
        "equity": _plain(result.equity),
        "trades": result.trades,
        "wins": result.wins,
        "losses": result.losses,
        "win_rate": _plain(result.win_rate),
        "expectancy": _plain(result.expectancy),
        "average_r": _plain(result.average_r),
        "profit_factor": _plain(result.profit_factor),
        "gross": _plain(result.gross),
        "fees": _plain(result.fees),
        "funding": _plain(result.funding),
        "net": _plain(result.net),
        "max_drawdown": "0" if fall is None else _plain(fall.fraction),
        "max_drawdown_since": None if fall is None else fall.since.isoformat(),
        "max_drawdown_until": None if fall is None else fall.until.isoformat(),
        "exits": {t.reason.value: {"trades": t.trades, "net": _plain(t.net)} for t in result.by_reason},
    }
