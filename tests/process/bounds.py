"""What a crash of the market may cost at most, worked out from the candles alone, and what may not happen in it."""

import csv
import gzip
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from tests.process.records import Records
from trading.breaker import Level
from trading.events import (
    BreakerOverridden,
    BreakerRecovered,
    BreakerReset,
    BreakerTripped,
    DecisionMade,
    OrderIntended,
    TradeClosed,
)
from trading.model import Direction, Leg, Trade, base_of

SLIP = Decimal("0.005") * Decimal("0.1").sqrt()  # the paper venue's own: impact x square root of the largest share
Bars = list[tuple[int, Decimal, Decimal, Decimal]]  # open time in ms, open, high, low


def bars_of(directory: Path) -> dict[str, Bars]:
    """By base."""
    return {path.name.partition("USDT")[0]: _bars(path) for path in sorted(directory.glob("*.csv.gz"))}


def _bars(path: Path) -> Bars:
    with gzip.open(path, "rt") as lines:
        rows = csv.DictReader(lines)
        return [(int(r["open_time"]), Decimal(r["open"]), Decimal(r["high"]), Decimal(r["low"])) for r in rows]


def no_entry_in_halt(records: Records) -> Iterator[str]:
    """From the trip on, in the order of the journal: not even a decision of the same moment."""
    level = Level.CLOSED
    for _, event in records.events:
        match event:
            case BreakerTripped(after=after) | BreakerRecovered(after=after) | BreakerOverridden(level=after):
                level = after
            case BreakerReset():
                level = Level.CLOSED
            case DecisionMade(decision=decision) if decision.approved and level >= Level.HALT:
                yield f"{decision.id} was approved at {level.name}"


def no_trade_loses_more_than_gaps_make_unavoidable(
    records: Records, candles: Mapping[str, Bars], every: timedelta
) -> Iterator[str]:
    """A stop is a promise to leave at its level, or at the first price beyond it; what it costs is bounded by that."""
    stops = {e.order.decision_id: e.order.trigger for e in records.of(OrderIntended) if e.order.leg is Leg.STOP}
    for trade in (e.trade for e in records.of(TradeClosed)):
        stop = stops[trade.id]
        assert stop is not None
        worst = _worst_price(trade, stop, candles[base_of(trade.symbol)], every)
        worst *= 1 - SLIP * trade.direction.sign
        bound = (worst - trade.entry) * trade.quantity * trade.direction.sign - trade.fees + trade.funding
        if trade.net < bound - Decimal("0.01"):
            yield f"{trade.id} made {trade.net}, and no less than {bound:.2f} was unavoidable"


def _worst_price(trade: Trade, stop: Decimal, bars: Bars, every: timedelta) -> Decimal:
    """The stop, or the open of the first bar after the entry that begins beyond it."""
    long = trade.direction is Direction.LONG
    opened = int(trade.opened_at.timestamp() * 1000)
    first = bisect_left(bars, opened, key=lambda bar: bar[0])
    for at, price, high, low in bars[first:]:
        if at >= int((trade.closed_at + every).timestamp() * 1000):
            break
        if low <= stop if long else high >= stop:
            return min(price, stop) if long else max(price, stop)
    return stop
