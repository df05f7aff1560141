"""What the closed trades add up to. Pure; money stays Decimal, and what is undefined is None."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import reduce
from math import sqrt

from trading.model import ZERO, ExitReason, Trade

ENOUGH_DAYS = 20  # under so many, a yearly figure says nothing
_YEAR = Decimal(365)  # days: these markets never close
_Z95 = 1.959963984540054  # two-sided 95 % of the normal distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawdown:
    """The deepest fall of the equity after closed trades, from a peak to the low that followed it."""

    fraction: Decimal  # of the peak, 0.12 is twelve percent
    peak: Decimal
    low: Decimal
    since: datetime  # when the peak was reached; the first opening where that is the start itself
    until: datetime  # when the low was


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The equity over some trades, one after the other, as far as falls go: what follows it can be joined to it.

    Where a value was reached more than once, the high is dated by the last time and the low by the first: so a fall is
    as short as it can be.
    """

    high: Decimal
    high_at: datetime
    low: Decimal
    low_at: datetime
    fall: Drawdown | None = None  # the deepest; None: it never fell


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


# --- falls --------------------------------------------------------------------------------------------------------


def at_once(equity: Decimal, at: datetime) -> Stretch:
    """One moment. Below zero nothing is left to fall: that is a fall by all of it, and no fall is more."""
    left = max(equity, ZERO)
    return Stretch(high=left, high_at=at, low=left, low_at=at)


def joined(first: Stretch, then: Stretch) -> Stretch:
    """Both as one. The deepest fall is in one of them, or from the high of the first to the low of the second."""
    higher, lower = then.high >= first.high, then.low < first.low
    return Stretch(
        high=then.high if higher else first.high,
        high_at=then.high_at if higher else first.high_at,
        low=then.low if lower else first.low,
        low_at=then.low_at if lower else first.low_at,
        fall=reduce(_deeper, (first.fall, _between(first, then), then.fall)),
    )


def _between(first: Stretch, then: Stretch) -> Drawdown | None:
    if first.high <= 0 or then.low >= first.high:
        return None
    fraction = (first.high - then.low) / first.high
    return Drawdown(fraction=fraction, peak=first.high, low=then.low, since=first.high_at, until=then.low_at)


def _deeper(one: Drawdown | None, other: Drawdown | None) -> Drawdown | None:
    """Of two equally deep ones the first that was reached; of two that end together the one from the higher peak, and
    then the shorter."""
    if one is None or other is None:
        return one or other
    if one.fraction != other.fraction:
        return one if one.fraction > other.fraction else other
    if one.until != other.until:
        return one if one.until < other.until else other
    return one if (one.peak, one.since) > (other.peak, other.since) else other


def _deepest(trades: Sequence[Trade], start: Decimal) -> Drawdown | None:
    if not trades:
        return None
    equity, walked = start, at_once(start, trades[0].opened_at)
    for trade in trades:
        equity += trade.net
        walked = joined(walked, at_once(equity, trade.closed_at))
    return walked.fall


# --- ratios -------------------------------------------------------------------------------------------------------


def sharpe(returns: Sequence[Decimal]) -> Decimal | None:
    """Mean / sample deviation of daily returns x sqrt(365); after Sharpe (1994), the reference being zero.

    None under 20 days, and where all days are the same.
    """
    if len(returns) < ENOUGH_DAYS:
        return None
    mean = sum(returns, ZERO) / len(returns)
    squares = sum(((r - mean) * (r - mean) for r in returns), ZERO)
    return mean / (squares / (len(returns) - 1)).sqrt() * _YEAR.sqrt() if squares else None


def sortino(returns: Sequence[Decimal]) -> Decimal | None:
    """Mean / downside deviation of daily returns x sqrt(365), the target being zero; after Sortino and van der Meer
    (1991). None under 20 days, and where no day lost."""
    if len(returns) < ENOUGH_DAYS:
        return None
    squares = sum((r * r for r in returns if r < 0), ZERO)
    mean = sum(returns, ZERO) / len(returns)
    return mean / (squares / len(returns)).sqrt() * _YEAR.sqrt() if squares else None


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a rate of which `hits` of `n` were seen; after Wilson (1927). (0, 1) without any."""
    if not n:
        return 0.0, 1.0
    rate, z2 = hits / n, _Z95**2
    middle = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 / (1 + z2 / n) * sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


# --- all together -------------------------------------------------------------------------------------------------


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
