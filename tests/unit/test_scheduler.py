"""When is what due: by market time, on the hour, and made up by one."""

from datetime import UTC, datetime, timedelta

from bot.scheduler import MarketSchedule, wall_jobs
from tests.builders import BTC, ETH
from trading.messages import Command, Decide, SumPeriod, SumWaits, Sweep
from trading.playbook import Schedule

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


DIGESTS: list[Command] = [SumPeriod(), SumPeriod(weekly=True)]  # asked for at the first look of every process


def a_schedule(**changes: timedelta) -> MarketSchedule:
    base = {"sweep_every": 30 * SECOND, "signals_every": 5 * MINUTE, "digest_every": 4 * HOUR}
    return MarketSchedule(Schedule(**{**base, **changes}), [BTC, ETH])


def kinds(found: list[Command]) -> list[str]:
    """Without the digests of days and weeks, which have tests of their own."""
    return [type(c).__name__ for c in found if not isinstance(c, SumPeriod)]


def test_all_is_due_on_the_hour_books_first() -> None:
    found = a_schedule().due(NOON)
    assert found == [Sweep(), *DIGESTS, Decide(symbols=(BTC, ETH), trigger="schedule"), SumWaits()]


def test_nothing_is_due_twice_at_one_moment() -> None:
    schedule = a_schedule()
    schedule.due(NOON)
    assert schedule.due(NOON) == []


def test_a_start_between_two_hours_waits_for_the_next() -> None:
    schedule = a_schedule()
    assert schedule.due(NOON + SECOND) == DIGESTS
    assert kinds(schedule.due(NOON + 30 * SECOND)) == ["Sweep"]
    assert kinds(schedule.due(NOON + 5 * MINUTE)) == ["Sweep", "Decide"]


def test_a_restart_does_not_shift_the_hours() -> None:
    """Whenever it starts, the desk thinks at the same moments."""
    begin = NOON + 10 * MINUTE

    def moments(start: datetime) -> set[datetime]:
        schedule = a_schedule()
        minutes = [start + n * MINUTE for n in range(30) if start + n * MINUTE < begin + 15 * MINUTE]
        return {m for m in minutes if "Decide" in kinds(schedule.due(m)) and m >= begin}

    assert moments(NOON) == moments(NOON + 3 * MINUTE) == moments(NOON + 7 * MINUTE)


def test_what_was_missed_is_made_up_by_one_and_not_by_a_burst() -> None:
    schedule = a_schedule()
    schedule.due(NOON)
    assert kinds(schedule.due(NOON + HOUR + SECOND)) == ["Sweep", "Decide"]
    assert schedule.due(NOON + HOUR + 2 * SECOND) == []


def test_every_firing_of_a_day_is_there() -> None:
    schedule = a_schedule()
    found = [kind for n in range(24 * 60) for kind in kinds(schedule.due(NOON + n * MINUTE))]
    assert (found.count("Sweep"), found.count("Decide"), found.count("SumWaits")) == (24 * 60, 24 * 12, 6)


def test_bars_longer_than_the_interval_fire_once_a_bar() -> None:
    schedule = a_schedule()
    assert [len(kinds(schedule.due(NOON + n * HOUR))) for n in range(5)] == [3, 2, 2, 2, 3]


def test_digests_come_when_a_day_and_a_week_have_ended() -> None:
    schedule = a_schedule()  # 5 January 2026 is a Monday
    schedule.due(NOON)
    midnights = [NOON + timedelta(hours=12, days=n) for n in range(8)]
    looks = [m + n * 10 * MINUTE for m in midnights for n in range(-3, 4)]
    found = {at: [c for c in schedule.due(at) if isinstance(c, SumPeriod)] for at in looks}
    assert [at for at, digests in found.items() if SumPeriod() in digests] == midnights
    assert [at for at, digests in found.items() if SumPeriod(weekly=True) in digests] == [midnights[6]]
    assert midnights[6].isoweekday() == 1


def test_a_day_is_summed_before_the_next_one_is_decided_on() -> None:
    schedule = a_schedule()
    schedule.due(NOON)
    assert [type(c) for c in schedule.due(NOON + 12 * HOUR)] == [Sweep, SumPeriod, Decide, SumWaits]


def test_other_settings_do_not_ask_for_the_digests_again() -> None:
    schedule = a_schedule()
    schedule.due(NOON)
    schedule.use(Schedule(sweep_every=MINUTE), [BTC])
    assert not [c for c in schedule.due(NOON + HOUR) if isinstance(c, SumPeriod)]


def test_another_schedule_is_followed_from_the_next_moment_on() -> None:
    schedule = a_schedule()
    assert kinds(schedule.due(NOON)) == ["Sweep", "Decide", "SumWaits"]
    changed = Schedule(sweep_every=MINUTE, signals_every=HOUR, digest_every=4 * HOUR)
    schedule.use(changed, [BTC])
    assert schedule.due(NOON) == [], "this moment was asked about already"
    assert schedule.due(NOON + 30 * SECOND) == []
    assert kinds(schedule.due(NOON + 5 * MINUTE)) == ["Sweep"]
    assert Decide(symbols=(BTC,), trigger="schedule") in schedule.due(NOON + HOUR)


def test_a_schedule_changed_before_it_was_asked_is_as_if_it_had_been_the_first() -> None:
    schedule = a_schedule()
    schedule.use(Schedule(sweep_every=MINUTE, signals_every=HOUR, digest_every=4 * HOUR), [ETH])
    assert kinds(schedule.due(NOON)) == ["Sweep", "Decide", "SumWaits"]


async def test_the_housekeeping_of_the_surface_is_merged_and_never_doubled() -> None:
    async def tidy() -> None:
        """Nothing to do."""

    scheduler = wall_jobs([("tidy", 5 * SECOND, tidy)])
    try:
        (job,) = scheduler.get_jobs()
        assert (job.id, job.max_instances, job.coalesce) == ("tidy", 1, True)
    finally:
        scheduler.shutdown(wait=False)
