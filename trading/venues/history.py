"""A directory of candle files as price history. Bad input is one BadHistory; whatever else is odd is one note each.

What is refused: see candle_file.py; further two different bars for one time, a step that is not a multiple of the
interval, two intervals without a choice. What is noted: gaps (never bridged), identical duplicates (dropped), wicks
beyond a quarter of the price (kept), bars without volume (kept), files and columns that were not used.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np

from trading.errors import BadHistory
from trading.market.series import MS, Floats, FundingSeries, Ints, Series, from_ms
from trading.model import Symbol, base_of
from trading.venues.candle_file import Bars, interval_in, pair_in, read_bars
from trading.venues.columns import COLUMNAR, TEXT, kind_of, name_of, read_columns

WICK = 0.25  # of the body's nearer end: none in three years of real hourly bars, Nov 2022 and Aug 2024 included
RUN = 6  # equal steps in a row, longer than the interval: bars of another interval, and no outages
LATE = timedelta(hours=1)  # how much earlier than the others an instrument may end, or later begin, without a note
MINUTE = "%Y-%m-%d %H:%M"
_FUNDING = {
    "funding_time": ("funding_time", "fundingtime", "calc_time", "timestamp", "time"),
    "funding_rate": ("funding_rate", "fundingrate", "last_funding_rate", "rate"),
}

Pairs = Mapping[str, Sequence[Bars]]  # by base, files in the order of their first bar


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All that a directory holds, sorted by symbol. `notes` are plain lines for people."""

    series: dict[Symbol, Series]
    funding: dict[Symbol, FundingSeries]
    notes: tuple[str, ...]
    every: timedelta
    name: str  # of the directory


def load(
    directory: Path,
    *,
    quote: str = "USDT",
    bases: Sequence[str] | None = None,
    every: timedelta | None = None,
    funding: Path | None = None,
) -> History:
    """Raises BadHistory. `bases` picks pairs, `every` picks the interval where there are several.

    Without `funding`, DIRECTORY/funding and then DIRECTORY/../funding is looked for.
    """
    if not directory.is_dir():
        raise BadHistory(f"{directory}: not a directory")
    notes: list[str] = []
    files = _select(directory, quote, bases, every, notes)
    every, pairs = _one_interval(directory, [(base, read_bars(path)) for base, path in files], every, notes)
    symbols = {base: Symbol(f"{base}/{quote}:{quote}") for base in sorted(pairs)}
    series = {symbol: _series(symbol, pairs[base], every, notes) for base, symbol in symbols.items()}
    notes += [*_oddities(series), *_missing(series, bases)]
    rates = _funding(directory, funding, list(series), quote, notes)
    return History(series=series, funding=rates, notes=tuple(notes), every=every, name=directory.resolve().name)


def _select(
    directory: Path, quote: str, bases: Sequence[str] | None, every: timedelta | None, notes: list[str]
) -> list[tuple[str, Path]]:
    """The files to read, with their bases."""
    chosen: list[tuple[str, Path]] = []
    ignored: list[str] = []
    for path in sorted(entry for entry in directory.iterdir() if entry.is_file() and not entry.name.startswith(".")):
        base = pair_in(path, quote) if kind_of(path) else None
        wanted = base is not None and (bases is None or base in bases)
        if base is not None and wanted and (every is None or interval_in(path) in (None, every)):
            chosen.append((base, path))
        else:
            ignored.append(path.name)
    if not chosen:
        folders = ", ".join(sorted(entry.name for entry in directory.iterdir() if entry.is_dir()))
        inside = f"; its folders are {folders}" if folders else ""
        raise BadHistory(
            f"{directory}: no candle file to use; PAIR with one of {', '.join(TEXT + COLUMNAR)} is expected, "
            f"such as BTC{quote}.csv{inside}"
        )
    if ignored:
        notes.append(f"Files not used: {_list(ignored)}.")
    return chosen


def _one_interval(
    directory: Path, files: Sequence[tuple[str, Bars]], every: timedelta | None, notes: list[str]
) -> tuple[timedelta, Pairs]:
    """The interval of all bars and the files that have it."""
    found: dict[timedelta, list[tuple[str, Bars]]] = defaultdict(list)
    for base, bars in files:
        found[_interval(bars, every)].append((base, bars))
    if every is None and len(found) > 1:
        raise BadHistory(f"{directory}: more than one interval: {_held(found)}; choose one")
    chosen = every or next(iter(found))
    if chosen not in found:
        raise BadHistory(f"{directory}: no bars of {_span(chosen)}; found {_held(found)}")
    pairs: dict[str, list[Bars]] = defaultdict(list)
    for base, bars in sorted(found[chosen], key=lambda file: int(file[1].opened[0])):
        pairs[base].append(bars)
        notes.extend(bars.notes)
    others = [bars.columns.path.name for step in found if step != chosen for _, bars in found[step]]
    if others:
        notes.append(f"Files of another interval, not used: {_list(others)}.")
    return chosen, pairs


def _held(found: Mapping[timedelta, Sequence[tuple[str, Bars]]]) -> str:
    """ "5 min (BTCUSDT_5m.csv), 1 h (ETHUSDT_1h.csv)" """
    files = {step: _list([bars.columns.path.name for _, bars in found[step]]) for step in sorted(found)}
    return ", ".join(f"{_span(step)} ({names})" for step, names in files.items())


def _interval(bars: Bars, asked: timedelta | None) -> timedelta:
    """From the file's name, otherwise the most frequent step, otherwise (one bar) what was asked for."""
    steps = np.diff(bars.opened)
    steps = steps[steps > 0]
    if not len(steps):
        known = bars.said or asked
        if known is None:
            raise BadHistory(f"{name_of(bars.columns.path)}: one bar, and no interval in the file's name")
        return known
    sizes, counts = np.unique(steps, return_counts=True)
    usual = timedelta(milliseconds=int(sizes[np.argmax(counts)]))
    if bars.said and usual % bars.said:
        said = f"the name says {_span(bars.said)}, most steps are {_span(usual)}"
        raise BadHistory(f"{name_of(bars.columns.path)}: mixed intervals: {said}")
    return bars.said or usual


def _series(symbol: Symbol, files: Sequence[Bars], every: timedelta, notes: list[str]) -> Series:
    """The files of one pair as one series; duplicates are gone, gaps stay."""
    opened = np.concatenate([bars.opened for bars in files])
    order = np.argsort(opened, kind="stable")
    keep = order[_first_of_each(files, opened, order, notes, base_of(symbol))]

    def column(name: str) -> Floats | None:
        parts = [getattr(bars, name) for bars in files]
        return None if any(part is None for part in parts) else np.concatenate(parts)[keep]

    def needed(name: str) -> Floats:
        return np.concatenate([getattr(bars, name) for bars in files])[keep]

    _check_steps(files, opened, keep, every)
    return Series(
        symbol=symbol,
        every=every,
        opened=opened[keep],
        open=needed("open"),
        high=needed("high"),
        low=needed("low"),
        close=needed("close"),
        volume=needed("volume"),
        taker_buy=column("taker_buy"),
        trades=column("trades"),
    )


def _first_of_each(files: Sequence[Bars], opened: Ints, order: Ints, notes: list[str], base: str) -> Ints:
    """Positions in `order` without the identical duplicates. Raises when two bars of one time differ."""
    again = 1 + np.flatnonzero(np.diff(opened[order]) == 0)
    for position in again:
        (one, first), (two, second) = _origin(files, int(order[position - 1])), _origin(files, int(order[position]))
        if _row(one, first) != _row(two, second):
            said = f"a second, different bar for {from_ms(two.opened[second])}"
            raise two.columns.bad(second, f"{said}; the first is at {one.columns.where(first)}")
    if len(again):
        notes.append(f"{base}: {_count(len(again), 'identical duplicate bar')} dropped.")
    return np.delete(np.arange(len(order)), again)


def _check_steps(files: Sequence[Bars], opened: Ints, keep: Ints, every: timedelta) -> None:
    """Raises where bars of another interval are among these."""
    steps = np.diff(opened[keep])
    odd = np.flatnonzero(steps % (every // MS))
    if not len(odd) and len(steps) > RUN:
        same = np.lib.stride_tricks.sliding_window_view(steps, RUN)
        odd = np.flatnonzero((same == same[:, :1]).all(axis=1) & (same[:, 0] != every // MS))
    if len(odd):
        row = int(odd[0])
        bars, line = _origin(files, int(keep[row + 1]))
        step = _span(timedelta(milliseconds=int(steps[row])))
        raise bars.columns.bad(line, f"mixed intervals: {step} after the bar before, among bars of {_span(every)}")


def _origin(files: Sequence[Bars], position: int) -> tuple[Bars, int]:
    """The file and row that a position in the joined columns came from."""
    for bars in files:
        if position < len(bars):
            return bars, position
        position -= len(bars)
    raise IndexError(position)


def _row(bars: Bars, row: int) -> tuple[float | None, ...]:
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume, bars.taker_buy, bars.trades)
    return tuple(None if column is None else float(column[row]) for column in columns)


def _oddities(series: Mapping[Symbol, Series]) -> Iterable[str]:
    """One line for all pairs that share it: an outage of the venue is in all of them."""
    shared: dict[str, list[str]] = defaultdict(list)
    for symbol, each in series.items():
        for line in _odd(each):
            shared[line].append(base_of(symbol))
    return (f"{_list(bases)}: {line}" for line, bases in shared.items())


def _odd(series: Series) -> Iterable[str]:
    gaps = series.gaps()
    if gaps:
        first = ", ".join(f"{start:{MINUTE}} to {end:{MINUTE}}" for start, end, _ in gaps[:3])
        more = f", and {len(gaps) - 3} more" if len(gaps) > 3 else ""
        missing = _count(sum(bars for *_, bars in gaps), "bar")
        yield f"{_count(len(gaps), 'gap')}, {missing} missing, not bridged: {first}{more}."
    body_low, body_high = np.minimum(series.open, series.close), np.maximum(series.open, series.close)
    wicks = np.flatnonzero((series.low < body_low * (1 - WICK)) | (series.high > body_high * (1 + WICK)))
    if len(wicks):
        row = int(wicks[0])
        yield (
            f"{_count(len(wicks), 'suspicious wick')} beyond {WICK:.0%} of the price, kept; the first at "
            f"{_at(series.opened[row])}: low {series.low[row]:.10g}, high {series.high[row]:.10g}, "
            f"close {series.close[row]:.10g}."
        )
    still = int(np.count_nonzero(series.volume == 0))
    if still:
        yield f"{_count(still, 'bar')} without volume, kept."


def _missing(series: Mapping[Symbol, Series], bases: Sequence[str] | None) -> Iterable[str]:
    """What the set as a whole lacks."""
    there = {base_of(symbol): each for symbol, each in series.items()}
    absent = [base for base in bases or () if base not in there]
    if absent:
        yield f"No candles for {_list(absent)}."
    begin, end = min(each.opened[0] for each in there.values()), max(each.closed[-1] for each in there.values())
    for base, each in there.items():
        if end - each.closed[-1] > LATE // MS:
            yield f"{base} ends early, at {_at(each.closed[-1])}; the last ends at {_at(end)}."
        if each.opened[0] - begin > LATE // MS:
            yield f"{base} begins late, at {_at(each.opened[0])}; the first begins at {_at(begin)}."
    silent = [base for base, each in there.items() if each.taker_buy is None]
    if silent:
        yield f"No taker volume: {_list(silent)}."


def _funding(
    directory: Path, asked: Path | None, symbols: Sequence[Symbol], quote: str, notes: list[str]
) -> dict[Symbol, FundingSeries]:
    """Funding of the pairs that have a file; the rest pay none, and a note says so."""
    if asked is not None and not asked.is_dir():
        raise BadHistory(f"{asked}: not a directory of funding files")
    places = [asked] if asked else [directory / "funding", directory.resolve().parent / "funding"]
    place = next((place for place in places if place is not None and place.is_dir()), None)
    if place is None:
        notes.append("No funding rates: no funding is paid.")
        return {}
    files = {pair_in(path, quote): path for path in sorted(place.iterdir()) if path.is_file() and kind_of(path)}
    rates = {symbol: _rates(symbol, files[base_of(symbol)]) for symbol in symbols if base_of(symbol) in files}
    notes.append(f"Funding from {place.parent.name}/{place.name}.")
    without = [base_of(symbol) for symbol in symbols if symbol not in rates]
    if without:
        notes.append(f"No funding rates: {_list(without)}.")
    return rates


def _rates(symbol: Symbol, path: Path) -> FundingSeries:
    columns = read_columns(path, _FUNDING)
    columns.require(tuple(_FUNDING))
    at, rate = columns.times("funding_time"), columns.numbers("funding_rate")
    wrong = 1 + np.flatnonzero(np.diff(at) <= 0)
    if len(wrong):
        row = int(wrong[0])
        raise columns.bad(row, f"funding time does not rise: {from_ms(at[row])} after {from_ms(at[row - 1])}")
    return FundingSeries(symbol=symbol, at=at, rate=rate)


def _at(ms: int) -> str:
    return f"{from_ms(ms):{MINUTE}}"


def _span(every: timedelta) -> str:
    for size, word in ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min")):
        if not every % size:
            return f"{every // size} {word}"
    return f"{every.total_seconds():g} s"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _list(names: Sequence[str]) -> str:
    """The first few names; a thousand file names are no note."""
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
