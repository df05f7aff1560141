"""One candle file -> checked bars: the right columns, real numbers, whole bars, time that rises."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trading.errors import BadHistory
from trading.market.series import Floats, Ints, from_ms
from trading.venues.columns import Columns, name_of, read_columns

_BINANCE = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume"),
    *("trades", "taker_buy_base", "taker_buy_quote", "ignore"),
)
_HEADERLESS = {len(_BINANCE): _BINANCE, 6: _BINANCE[:6]}
_NEEDED = ("time", "open", "high", "low", "close", "volume")
_NAMES = {
    "time": ("open_time", "timestamp", "time", "datetime", "date", "__index_level_0__"),
    **{name: (name,) for name in _NEEDED[1:]},
    "taker_buy": ("taker_buy_base", "taker_buy_volume", "taker_buy_base_asset_volume", "taker_buy_base_volume"),
    "trades": ("trades", "count", "number_of_trades"),
}
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_INTERVAL = re.compile(r"([1-9][0-9]{0,2})([mhdw])")
_ROUNDING = 1 + 1e-9  # a taker volume summed in floats may pass the volume by its last bits


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """The rows of one file, as they stand there. `notes` are plain lines about what was not used."""

    columns: Columns
    said: timedelta | None  # the interval in the file's name
    opened: Ints  # milliseconds UTC, never falling
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    taker_buy: Floats | None
    trades: Floats | None
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.opened)


def pair_in(path: Path, quote: str) -> str | None:
    """The base in a file's name, "BTC" for spot-klines-BTCUSDT-1h-2024-10-28.zip; None when there is none."""
    words = _words(path.name.upper())
    for before, word in zip(["", *words], words, strict=False):
        if word == quote and before:
            return before
        if word.endswith(quote) and word != quote:
            return word.removesuffix(quote)
    return None


def interval_in(path: Path) -> timedelta | None:
    """The interval in a file's name, 1 h for BTCUSDT_1h.csv; None when there is none. "1M" is a month, and none."""
    found = [match for word in _words(path.name) if (match := _INTERVAL.fullmatch(word))]
    return int(found[0][1]) * _UNITS[found[0][2]] if found else None


def read_bars(path: Path) -> Bars:
    """Raises BadHistory with file, line and reason. A wrong taker volume or trade count costs only its own column."""
    columns = read_columns(path, _NAMES, headerless=_HEADERLESS)
    columns.require(_NEEDED)
    opened = columns.times("time")
    bars = {name: columns.numbers(name) for name in _NEEDED[1:]}
    _check(columns, opened, bars)
    taker_buy, taker_notes = _extra(columns, "taker_buy", bars["volume"] * _ROUNDING)
    trades, trade_notes = _extra(columns, "trades", np.full(len(opened), np.inf))
    return Bars(
        columns=columns,
        said=interval_in(path),
        opened=opened,
        open=bars["open"],
        high=bars["high"],
        low=bars["low"],
        close=bars["close"],
        volume=bars["volume"],
        taker_buy=taker_buy,
        trades=trades,
        notes=(*_digits(columns), *taker_notes, *trade_notes),
    )


def _words(name: str) -> list[str]:
    return re.split(r"[^A-Za-z0-9]+", name)


def _check(columns: Columns, opened: Ints, bars: Mapping[str, Floats]) -> None:
    """Raises for the first row, in the order of the file, that is no bar."""
    high, low = bars["high"], bars["low"]
    rules: list[tuple[NDArray[np.bool_], str]] = [
        (np.r_[False, opened[1:] < opened[:-1]], "time goes backwards: {time} after {before}"),
        *((bars[name] <= 0, f"{name} is {{{name}}}: a price is positive") for name in _NEEDED[1:5]),
        (high < low, "high {high} is below low {low}"),
        *(
            ((bars[name] > high) | (bars[name] < low), f"{name} {{{name}}} is outside low {{low}} .. high {{high}}")
            for name in ("open", "close")
        ),
        (bars["volume"] < 0, "volume {volume} is negative"),
    ]
    wrong = [(int(np.argmax(mask)), reason) for mask, reason in rules if mask.any()]
    if wrong:
        row, reason = min(wrong, key=lambda found: found[0])
        times = {"time": from_ms(opened[row]), "before": from_ms(opened[row - 1])}
        raise columns.bad(row, reason.format(**times, **{name: values[row] for name, values in bars.items()}))


def _extra(columns: Columns, name: str, most: Floats) -> tuple[Floats | None, tuple[str, ...]]:
    """A column that bars can do without: (values, notes), None with the reason where any value is wrong.

    More taker volume than volume is the source's error, and its other rows are then no evidence either.
    """
    if name not in columns.data:
        return None, ()
    try:
        values = columns.numbers(name)
    except BadHistory as reason:
        return None, (f"{reason}; the column is not used.",)
    wrong = np.flatnonzero((values < 0) | (values > most))
    if len(wrong):
        row = int(wrong[0])
        limit = "negative" if values[row] < 0 else "more than the volume"
        return None, (f"{columns.where(row)}: {name} {values[row]:g} is {limit}; the column is not used.",)
    return values, ()


def _digits(columns: Columns) -> tuple[str, ...]:
    """Numbers beyond a float's 15 digits are used, rounded in their last digits, and told."""
    long = {name: count for name in _NEEDED[1:] if (count := columns.long(name))}
    said = ", ".join(f"{name} {count}" for name, count in long.items())
    return (f"{name_of(columns.path)}: numbers of more than 15 digits, rounded: {said}.",) if long else ()
