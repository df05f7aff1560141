"""Ballots for the council, written by a script. There is no model in here: nobody thinks, and nobody knows anything.

Three made-up voters go by the names of the playbook's models, so that its seat can be tried on any candle files. Each
reads one thing of a bar, and has its own threshold:

- grok's says BUY while the short average is above the long one (in ATRs)
- gemini's says BUY while RSI is high, but not spent
- deepseek's says BUY while volatility is low and the price rises

A voter that is sure marks all seven categories bullish, a voter that says BUY without being sure leaves two UNKNOWN;
so every way of counting occurs. The same candles give the same file, byte for byte.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from trading.ballot import Category, Mark, Signal
from trading.market.features import Features, build
from trading.market.series import from_ms
from trading.venues import history


@dataclass(frozen=True, slots=True, kw_only=True)
class Voter:
    name: str
    reads: str
    value: Callable[[Features, int], float]
    buys: Callable[[float], bool]
    sure: Callable[[float], bool]
    confidence: float
    gives_up: float  # below the close, a fraction of it: near enough for the highest leverage


def _trend(f: Features, row: int) -> float:
    return float((f.sma20[row] - f.sma50[row]) / f.atr[row]) if f.atr[row] > 0 else float("nan")


def _rsi(f: Features, row: int) -> float:
    return float(f.rsi[row])


def _calm_rise(f: Features, row: int) -> float:
    """Volatility, as a negative number while the price falls."""
    return float(f.garman_klass[row]) if f.momentum[row] > 0 else -float(f.garman_klass[row])


VOTERS = (
    Voter(
        name="x-ai/grok-4.3", reads="SMA 20 - SMA 50, ATRs", value=_trend,
        buys=lambda v: v > 0, sure=lambda v: v > 1, confidence=0.7, gives_up=0.006,
    ),
    Voter(
        name="google/gemini-3.8-flash", reads="RSI", value=_rsi,
        buys=lambda v: 50 < v < 80, sure=lambda v: 55 < v < 75, confidence=0.8, gives_up=0.005,
    ),
    Voter(
        name="deepseek/deepseek-v4-pro", reads="volatility, signed by the move", value=_calm_rise,
        buys=lambda v: 0 < v < 1, sure=lambda v: 0 < v < 0.6, confidence=0.65, gives_up=0.004,
    ),
)  # fmt: skip


def lines(features: Features) -> Iterator[str]:
    """One line for each voter and bar from which on it can read anything, at the bar's close."""
    series = features.series
    for row in range(len(series)):
        at, close = (from_ms(series.opened[row]) + series.every).isoformat(), float(series.close[row])
        for voter in VOTERS:
            value = voter.value(features, row)
            if isfinite(value):
                yield json.dumps({"at": at, "symbol": series.symbol, **_says(voter, value, close)})


def _says(voter: Voter, value: float, close: float) -> dict[str, object]:
    buys, sure = voter.buys(value), voter.sure(value)
    reason = f"scripted: {voter.reads}"
    marks = [Mark.BULLISH if buys else Mark.NEUTRAL] * len(Category)
    if not sure:
        marks[-2:] = [Mark.UNKNOWN] * 2
    return {
        "model": voter.name,
        "signal": Signal.BUY if buys else Signal.NONE,
        "confidence": voter.confidence,
        "invalidation": round(close * (1 - voter.gives_up), 8) if buys else None,
        "thesis": f"{reason} {value:.4f}",
        "categories": {c: {"verdict": m, "reason": reason} for c, m in zip(Category, marks, strict=True)},
    }


def write_opinions(candles: Path, file: Path) -> Path:
    """A file of ballots for all pairs of a directory of candle files."""
    found = history.load(candles)
    with file.open("w", encoding="utf-8") as out:
        for _, series in sorted(found.series.items()):
            out.writelines(f"{line}\n" for line in lines(build(series)))
    return file
