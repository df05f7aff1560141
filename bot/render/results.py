"""What closed trades came to, in words: over a window, by groups, by persona. Pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, tzinfo
from decimal import Decimal

from bot.pictures import Picture, Score
from bot.render.paging import csv_file, page_buttons, page_of, page_words
from bot.render.words import amount, card, clock, counted, money, multiple, percent, rounded, share
from bot.results import GROUPS, WINDOWS, Record, Results, average_r, expectancy, profit_factor, win_rate
from bot.surface import AGAIN, ASK, Button, Card, File, Table
from storage.tallies import Tally
from trading.performance import ENOUGH_DAYS, Drawdown, sharpe, sortino

ROWS = 12  # of a group to a page
_COLUMNS = ("key", "trades", "wins", "net", "gross", "fees", "funding", "won", "lost", "r")


def window_words(window: str) -> str:
    """What a window is: days are UTC days, whoever reads."""
    return {"all": "since the desk began", "today": "today, UTC"}.get(window, f"the last {window[:-1]} UTC days")


# --- one window ---------------------------------------------------------------------------------------------------


def pnl_card(
    results: Results,
    *,
    unrealised: str,
    sizing: Iterable[str] = (),
    picture: Picture | None = None,
    zone: tzinfo = UTC,
) -> Card:
    """`unrealised`: a line about what is open; "" where nothing is. `sizing` says what sets the size now."""
    total, window = results.total, results.window
    change = "" if results.roi is None else f" ({percent(results.roi)})"
    others = (Button(label=w, data=f"{AGAIN}/pnl {w}") for w in WINDOWS if w != window)
    return card(
        f"P&L {window} {money(total.net)}{change}, {counted(total.trades, 'trade')}",
        *(_figures(results, zone) if total.trades else (f"No closed trade {_in(window)}",)),
        unrealised,
        _equity(results),
        detail=sizing,
        buttons=(*others, Button(label="By pair", data=f"{ASK}/pnl {window} by pair")),
        picture=picture,
    )


def _in(window: str) -> str:
    return window_words(window) if window in ("all", "today") else f"in {window_words(window)}"


def _equity(results: Results) -> str:
    if results.roi is None:
        return f"Equity {amount(results.equity)} by the closed trades"
    return f"Equity {amount(results.equity)} by the closed trades, ROI {percent(results.roi)}"


def _figures(results: Results, zone: tzinfo) -> tuple[str, ...]:
    total, factor = results.total, profit_factor(results.total)
    said = "not defined without a loss" if factor is None else _two(factor)
    return (
        f"Realised {money(total.net)}: gross {money(total.gross)}, fees {money(-total.fees)}, "
        f"funding {money(total.funding)}",
        f"Win rate {share(win_rate(total) or Decimal(0))}: {total.wins} won, {total.trades - total.wins} did not",
        f"Expectancy {money(expectancy(total) or Decimal(0))} a trade, {multiple(average_r(total) or Decimal(0))}; "
        f"profit factor {said}",
        _ratios(results.returns),
        fall_line(results.curve.fall, zone),
        f"Best pair {_pair(results.best)}" if results.best else "",
        f"Worst pair {_pair(results.worst)}" if results.worst else "",
    )


def _two(value: Decimal) -> str:
    return f"{rounded(value, 2):,f}"


def _pair(tally: Tally) -> str:
    return f"{tally.key} {money(tally.net)}, {counted(tally.trades, 'trade')}"


def _ratios(returns: Sequence[Decimal]) -> str:
    days = counted(len(returns), "day")
    if len(returns) < ENOUGH_DAYS:
        return f"Sharpe and Sortino from {ENOUGH_DAYS} days on: {days} so far"
    known = (("Sharpe", sharpe(returns)), ("Sortino", sortino(returns)))
    said = ", ".join(f"{name} {'not defined' if value is None else _two(value)}" for name, value in known)
    return f"{said} a year, from {days} since its first trade"


def fall_line(fall: Drawdown | None, zone: tzinfo = UTC) -> str:
    if fall is None:
        return "Maximum drawdown 0%"
    return (
        f"Maximum drawdown {share(fall.fraction)}, {amount(fall.peak)} to {amount(fall.low)}, "
        f"{clock(fall.since, zone=zone)} to {clock(fall.until, zone=zone)}"
    )


# --- groups -------------------------------------------------------------------------------------------------------


def group_card(
    rows: Sequence[Tally], window: str, group: str, *, net: Decimal, page: int, picture: Picture | None = None
) -> Card:
    """One line each. `net`: of the window, as the groups of personas do not add up to it."""
    line = f"/pnl {window} by {group}"
    if not rows:
        return card(f"P&L {window} by {group}", f"No closed trade {_in(window)}")
    shown, page, pages = page_of(rows, page, ROWS)
    others = (Button(label=f"By {g}", data=f"{AGAIN}/pnl {window} by {g}") for g in GROUPS if g != group)
    return card(
        f"P&L {window} by {group}, {money(net)}",
        page_words(page, pages),
        "A trade counts for each persona of its decision, with it or against it." if group == "persona" else "",
        table=Table(head=(group, "net", "trades", "won", "a trade"), rows=tuple(_row(t, group) for t in shown)),
        buttons=(*page_buttons(line, page, pages), *others),
        picture=picture,
    )


def _row(tally: Tally, group: str) -> tuple[str, ...]:
    return (
        key_words(tally.key, group),
        money(tally.net),
        counted(tally.trades, "trade"),
        f"{share(rounded(win_rate(tally) or Decimal(0), 3))} won",
        f"{money(expectancy(tally) or Decimal(0))} each",
    )


def key_words(key: str, group: str) -> str:
    """ "flow with" -> "FLOW with"."""
    name, _, relation = key.rpartition(" ")
    if group != "persona":
        return key
    return f"{name.upper()} {relation}" if name else "no record of the decision"


def group_file(rows: Iterable[Tally], window: str, group: str) -> File:
    cells = ([getattr(row, name) for name in _COLUMNS] for row in rows)
    return csv_file(f"pnl-{window}-by-{group}.csv", (group, *_COLUMNS[1:]), cells)


# --- personas -----------------------------------------------------------------------------------------------------


def scores(records: Iterable[Record]) -> tuple[Score, ...]:
    """As a picture shows them: those that have a record."""
    return tuple(
        Score(name=r.name.upper(), n=r.n, rate=r.right / r.n, low=r.interval[0], high=r.interval[1])
        for r in records
        if r.n
    )


def personas_card(records: Sequence[Record], window: str, *, unknown: int, picture: Picture | None = None) -> Card:
    """`unknown`: closed trades without a record of their decision."""
    others = tuple(Button(label=w, data=f"{AGAIN}/personas {w}") for w in WINDOWS if w != window)
    missing = f"{counted(unknown, 'trade')} without a record of the decision left out" if unknown else ""
    if not records:
        return card(f"personas, {window}: no closed trade yet", missing, buttons=others)
    first = records[0]
    lead = f": {first.name.upper()} right {_rate(first)} of {first.n}" if first.n else ""
    return card(
        f"personas, {window}{lead}",
        *(line for record in records for line in _record(record)),
        "Right is with a winner or against a loser. The range is 95 %: where it holds 50 %, nothing is shown yet.",
        missing,
        buttons=others,
        picture=picture,
    )


def _rate(record: Record) -> str:
    return f"{record.right / record.n:.0%}"


def _record(record: Record) -> tuple[str, ...]:
    low, high = record.interval
    sure = f"{_rate(record)} of {record.n} right ({low:.0%} to {high:.0%})" if record.n else "never took a side"
    sides = ((record.stood, "with"), (record.against, "against"))
    nets = ", ".join(f"{word} {money(t.net)} ({t.trades})" for t, word in sides if t.trades)
    rest = ", ".join(f"{word} {t.trades}" for t, word in ((record.neutral, "neutral"), (record.abstained, "abstained"))
                     if t.trades)  # fmt: skip
    return f"{record.name.upper()}: {sure}", f"Net {nets}" if nets else "", rest.capitalize()
