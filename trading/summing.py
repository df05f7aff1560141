"""Tells what a UTC day or an ISO week came to, once it is over. What is due, and the sums, are in periods.py."""

from datetime import datetime

from trading import periods
from trading.book import Book
from trading.events import PeriodSummed
from trading.market.snapshot import Snapshots
from trading.ports import RECENT
from trading.scoring import Scoring
from trading.situation import known


class Summing:
    def __init__(self, *, book: Book, market: Snapshots, scoring: Scoring) -> None:
        self.book = book
        self.market = market
        self.scoring = scoring

    async def tell(self, *, weekly: bool) -> str:
        """What has ended since that was told last; a desk that is new has nothing to tell yet."""
        summed, now = self.book.state.summed, self.book.clock.now()
        period, told = periods.due(summed, now, weekly=weekly), periods.told_until(summed, now, weekly=weekly)
        if period is not None:
            total = self._total(period, now, weekly=weekly)
            if not weekly:
                await self.book.commit([total], desk={"summed": told}, exit=True)
                return "summed"
            weighed, proposed = await self.scoring.weigh()  # with the week, whether other weights would do better
            await self.book.commit([total, *proposed], desk={"summed": told, "weighed": weighed}, exit=True)
            return "summed"
        if told != summed:
            self.book.note(summed=told)
        return "nothing to sum"

    def _total(self, period: tuple[datetime, datetime], now: datetime, *, weekly: bool) -> PeriodSummed:
        return periods.total(
            self.book.trades,
            period,
            at=now,
            weekly=weekly,
            kept=RECENT,
            equity=known(lambda: self.book.equity(self.market.quote)),
            still_open=len(self.book.positions),
        )
