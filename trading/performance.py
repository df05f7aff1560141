"""What the closed trades add up to. Pure; money stays Decimal, and what is undefined is None."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trading.model import ZERO, ExitReason, Trade


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawdown:
    """The deepest fall of the equity after closed trades, from a peak to the low that followed it."""

    fraction: Decimal  # of the peak, 0.12 is twelve percent
    peak: Decimal
    low: Decimal
    since: datetime  # when the peak was reached; the first opening where that is the start itself
    until: datetime  # when the low was


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonTotal:
    reason: ExitReason
    trades: int
    net: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    start_equity: Decimal
    trades: int
    wins: int  # net above zero
    losses: int  # net below zero
    gross: Decimal
    fees: Decimal  # positive when paid
    funding: Decimal  # positive when received
    net: Decimal
    win_rate: Decimal | None  # of all trades; None without any
    expectancy: Decimal | None  # net per trade
    average_r: Decimal | None
    profit_factor: Decimal | None  # sum of wins / sum of losses; None without losses
    drawdown: Drawdown | None  # None when equity never fell
    best: Trade | None
    worst: Trade | None
    by_reason: tuple[ReasonTotal, ...]  # most frequent first

    @property
    def equity(self) -> Decimal:
        return self.start_equity + self.net


def _deepest(trades: Sequence[Trade], start: Decimal) -> Drawdown | None:
    deepest: Drawdown | None = None
    peak = equity = start
    since = trades[0].opened_at if trades else None
    for trade in trades:
        equity += trade.net
        if equity >= peak or since is None:
            peak, since = equity, trade.closed_at
        elif peak > 0 and (deepest is None or (peak - equity) / peak > deepest.fraction):
            fraction = (peak - equity) / peak
            deepest = Drawdown(fraction=fraction, peak=peak, low=equity, since=since, until=trade.closed_at)
    return deepest


def _by_reason(trades: Sequence[Trade]) -> tuple[ReasonTotal, ...]:
    nets: dict[ExitReason, list[Decimal]] = defaultdict(list)
    for trade in trades:
        nets[trade.reason].append(trade.net)
    totals = (ReasonTotal(reason=r, trades=len(n), net=sum(n, ZERO)) for r, n in nets.items())
    return tuple(sorted(totals, key=lambda t: (-t.trades, t.reason.value)))


def summarise(trades: Sequence[Trade], start_equity: Decimal) -> Performance:
    """In any order; they are put in the order they closed. `start_equity` is what there was before the first."""
    ordered = sorted(trades, key=lambda t: (t.closed_at, t.id))
    count = len(ordered)
    net = sum((t.net for t in ordered), ZERO)
    won = [t.net for t in ordered if t.net > 0]
    lost = [t.net for t in ordered if t.net < 0]
    return Performance(
        start_equity=start_equity,
        trades=count,
        wins=len(won),
        losses=len(lost),
        gross=sum((t.gross for t in ordered), ZERO),
        fees=sum((t.fees for t in ordered), ZERO),
        funding=sum((t.funding for t in ordered), ZERO),
        net=net,
        win_rate=Decimal(len(won)) / count if count else None,
        expectancy=net / count if count else None,
        average_r=sum((t.r for t in ordered), ZERO) / count if count else None,
        profit_factor=sum(won, ZERO) / -sum(lost, ZERO) if lost else None,
        drawdown=_deepest(ordered, start_equity),
        best=max(ordered, key=lambda t: t.net, default=None),
        worst=min(ordered, key=lambda t: t.net, default=None),
        by_reason=_by_reason(ordered),
    )
