"""The schedule: APScheduler says when, the desk does what. Jobs only hand commands over.

Market time may run a thousand times faster than the wall, so the desk's own jobs are APScheduler triggers asked with
market time; jobs of the surface, which live in wall time, run on its asyncio scheduler.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from trading.messages import SCHEDULED, Command, Decide, SumPeriod, SumWaits, Sweep
from trading.model import EPOCH, Symbol
from trading.periods import DAY, MONDAY, WEEK
from trading.playbook import Schedule


class MarketSchedule:
    """What is due at a moment of market time. Missed firings are made up by one, never by a burst.

    Digests of a day and of a week come when it has ended, and at the first look too: it may have ended while no process
    ran. The desk knows which of them it has told.
    """

    def __init__(self, schedule: Schedule, symbols: Sequence[Symbol]) -> None:
        self._asked: datetime | None = None
        self.use(schedule, symbols)

    def use(self, schedule: Schedule, symbols: Sequence[Symbol]) -> None:
        """Fire by this schedule from now on; not again at a moment that was asked about already."""
        # Aligned to the epoch, so that a restart does not shift the hours at which the desk thinks.
        every = (
            (schedule.sweep_every, EPOCH, Sweep()),
            (DAY, EPOCH, SumPeriod()),
            (WEEK, MONDAY, SumPeriod(weekly=True)),
            (schedule.signals_every, EPOCH, Decide(symbols=tuple(symbols), trigger=SCHEDULED)),
            (schedule.digest_every, EPOCH, SumWaits()),
        )
        self._jobs = [(_trigger(span, first), command) for span, first, command in every]
        self._next: list[datetime | None] = [self._after(trigger) for trigger, _ in self._jobs]

    def _after(self, trigger: Any) -> datetime | None:
        return trigger.get_next_fire_time(None, self._asked + timedelta(microseconds=1)) if self._asked else None

    def due(self, now: datetime) -> list[Command]:
        """The commands whose time has come, in the order of the schedule."""
        found: list[Command] = []
        self._asked = now
        for n, (trigger, command) in enumerate(self._jobs):
            expected = self._next[n]
            if expected is None or expected <= now:
                self._next[n] = trigger.get_next_fire_time(None, now + timedelta(microseconds=1))
                missed = expected is not None or isinstance(command, SumPeriod)
                if missed or trigger.get_next_fire_time(None, now) == now:
                    found.append(command)
        return found


def _trigger(every: timedelta, first: datetime) -> Any:
    return IntervalTrigger(seconds=int(every.total_seconds()), start_date=first, timezone=UTC)


Job = tuple[str, timedelta, Callable[[], Awaitable[None]]]  # its name, how often, what


def wall_jobs(jobs: Sequence[Job]) -> AsyncIOScheduler:
    """A started scheduler for the surface's housekeeping. Missed runs are merged."""
    scheduler = AsyncIOScheduler(timezone=UTC)
    for name, every, job in jobs:
        scheduler.add_job(
            job, IntervalTrigger(seconds=every.total_seconds(), timezone=UTC), id=name, max_instances=1, coalesce=True
        )
    scheduler.start()
    return scheduler
