"""Time has one source. Nothing else in the desk reads the wall clock."""

from datetime import UTC, datetime, timedelta


class SystemClock:
    """The machine's own time, aware UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until it is set: the time of a simulated or replayed market."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def set(self, to: datetime) -> None:
        """Move to `to`. Raises ValueError when that lies in the past: time never runs backwards."""
        if to < self._now:
            raise ValueError(f"the clock stands at {self._now.isoformat()} and cannot go back to {to.isoformat()}")
        self._now = to

    def advance(self, by: timedelta) -> None:
        self.set(self._now + by)
