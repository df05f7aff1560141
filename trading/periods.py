"""What UTC days and ISO weeks of the market's time came to. Pure.

A period is told when it is over, and once: `Summed` remembers up to when that was done. What a desk that was down has
missed is made up by one digest over all of it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from trading.events import PeriodSummed
from trading.model import EPOCH, ZERO, Trade
from trading.state import Summed

DAY, WEEK = timedelta(days=1), timedelta(days=7)
MONDAY = EPOCH + 4 * DAY  # the first one: ISO weeks begin on it


def ended_at(now: datetime, *, weekly: bool) -> datetime:
    """When the last whole day, or week, ended."""
    return now - ((now - MONDAY) % WEEK if weekly else (now - EPOCH) % DAY)


def due(summed: Summed, now: datetime, *, weekly: bool) -> tuple[datetime, datetime] | None:
    """What has ended and was not told, from when until when. None: nothing, or no desk has lived through it."""
    since, until = (summed.weekly if weekly else summed.daily), ended_at(now, weekly=weekly)
    return (since, until) if since is not None and since < until else None


def told_until(summed: Summed, now: datetime, *, weekly: bool) -> Summed:
    until = ended_at(now, weekly=weekly)
    return Summed(daily=summed.daily, weekly=until) if weekly else Summed(daily=until, weekly=summed.weekly)


def total(
    trades: Sequence[Trade],
    period: tuple[datetime, datetime],
    *,
    at: datetime,
    weekly: bool,
    kept: int,
    equity: Decimal | None,
    still_open: int,
) -> PeriodSummed:
    """`trades`: the last `kept` of all, oldest first. One that closes as a period ends is of the next."""
    since, until = period
    found = sorted((t for t in trades if since <= t.closed_at < until), key=lambda t: t.net)
    named = [(t.id, t.symbol, t.net) for t in found]
    return PeriodSummed(
        at=at,
        weekly=weekly,
        since=since,
        until=until,
        trades=len(found),
        wins=sum(t.net > 0 for t in found),
        net=sum((t.net for t in found), ZERO),
        fees=sum((t.fees for t in found), ZERO),
        funding=sum((t.funding for t in found), ZERO),
        equity=equity,
        open=still_open,
        best=named[-1] if named else None,
        worst=named[0] if len(named) > 1 else None,
        complete=len(trades) < kept or trades[0].closed_at < since,
    )
