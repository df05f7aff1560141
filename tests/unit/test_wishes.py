"""Each wish has a range and a default, one way in which it is kept, and a meaning at any moment in any zone."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.wishes import WISHES, Wishes, zones
from storage.database import Database
from storage.wishes import WishList
from tests.storage_builders import AT, a_database
from trading.clock import ManualClock
from trading.errors import Misuse

ANN, ROOM = "person:ann", "telegram:-1001"
HOUR = timedelta(hours=1)
MOMENTS = st.integers(0, 3 * 365 * 86400).map(lambda n: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=n))
CLOCK = st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda t: f"{t[0]:02}:{t[1]:02}")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await a_database(tmp_path / "gavel.db")
    yield opened
    await opened.close()


@pytest.fixture
async def wishes(database: Database) -> Wishes:
    return await Wishes.open(WishList(database, ManualClock(AT)))


def wanting(**said: str) -> Wishes:
    """Somebody's wishes, in memory: what they mean needs no database."""
    unused: WishList = None  # type: ignore[assignment]
    return Wishes(unused, {(ANN, wish): value for wish, value in said.items()})


KEPT = (
    ("zone", "europe/berlin", "Europe/Berlin"),
    ("zone", "new york", "America/New_York"),
    ("zone", "utc", "UTC"),
    ("quiet", "22-07", "22:00-07:00"),
    ("quiet", "22:30 - 7:05", "22:30-07:05"),
    ("quiet", "22 to 7", "22:00-07:00"),
    ("quiet", "OFF", "off"),
    ("min_pnl", "25", "25"),
    ("min_pnl", "0.50", "0.5"),
    ("min_pnl", "1e3", "1000"),
    ("min_pnl", "-0", "0"),
    ("theme", "Dark", "dark"),
    ("pictures", "off", "off"),
    ("pin", "on", "on"),
    ("digest", "HOURLY", "hourly"),
    ("digest", "daily 8", "daily 08:00"),
    ("digest", "daily  20:15", "daily 20:15"),
)


@pytest.mark.parametrize(("wish", "typed", "kept"), KEPT)
async def test_a_wish_is_kept_in_one_way_and_survives(wish: str, typed: str, kept: str, database: Database) -> None:
    wall = ManualClock(AT)
    wishes = await Wishes.open(WishList(database, wall))
    assert await wishes.put(ANN, wish, typed, by="test") == ""
    for each in (wishes, await Wishes.open(WishList(database, wall))):
        assert each.get(ANN, wish) == kept
        assert each.get(ROOM, wish) == ""
    assert await wishes.put(ANN, wish, kept, by="test") == kept


REFUSED = (
    ("zone", "Berlin/Europe", "like Europe/Berlin|did you mean"),
    ("zone", "europe/berln", "did you mean Europe/Berlin"),
    ("zone", "../../etc/passwd", "no time zone"),
    ("quiet", "22", "not a span with two ends"),
    ("quiet", "22-22", "not a span with two ends"),
    ("quiet", "24-07", "a span like 22-07"),
    ("quiet", "22-07-09", "two ends"),
    ("quiet", "²²-07", "a span like 22-07"),
    ("min_pnl", "-1", "from 0 to 1,000,000,000"),
    ("min_pnl", "NaN", "from 0"),
    ("min_pnl", "sNaN", "from 0"),
    ("min_pnl", "Infinity", "from 0"),
    ("min_pnl", "1e-999999", "from 0"),
    ("min_pnl", "1e99", "from 0"),
    ("min_pnl", "1,5", "from 0"),
    ("theme", "black", "light or dark"),
    ("pin", "yes", "on or off"),
    ("digest", "daily", "like daily 08:00"),
    ("digest", "weekly 08:00", "like daily 08:00"),
    ("digest", "daily 25:00", "like daily 08:00"),
    ("digest", "hourly 08:00", "like daily 08:00"),
)


@pytest.mark.parametrize(("wish", "typed", "said"), REFUSED)
async def test_what_cannot_be_is_refused_and_changes_nothing(wish: str, typed: str, said: str, wishes: Wishes) -> None:
    with pytest.raises(Misuse, match=said):
        await wishes.put(ANN, wish, typed, by="test")
    assert wishes.get(ANN, wish) == ""


@pytest.mark.parametrize("wish", WISHES)
def test_defaults_and_suggestions_are_values_that_can_be_kept(wish: str) -> None:
    known = WISHES[wish]
    assert known.read(known.default) == known.default
    assert all(known.read(value) for value in known.suggest())
    assert set(known.choices) <= set(known.suggest())


@given(wish=st.sampled_from(sorted(WISHES)), text=st.text(max_size=30))
def test_whatever_is_typed_is_refused_or_kept_so_that_it_reads_the_same_again(wish: str, text: str) -> None:
    try:
        kept = WISHES[wish].read(text)
    except Misuse:
        return
    assert WISHES[wish].read(kept) == kept
    assert len(kept) <= 40


def test_without_wishes_the_defaults_hold() -> None:
    wishes = wanting()
    assert wishes.zone(ANN) is UTC
    assert wishes.min_pnl(ANN) == 0
    assert not wishes.dark(ANN)
    assert not wishes.quiet(ANN, AT)
    assert wishes.pin(ANN)
    assert wishes.pictures(ANN)


def test_wishes_are_what_they_say() -> None:
    wishes = wanting(zone="Asia/Kolkata", theme="dark", pin="off", pictures="off", min_pnl="12.5")
    assert wishes.zone(ANN) == ZoneInfo("Asia/Kolkata")
    assert wishes.dark(ANN)
    assert not wishes.pin(ANN)
    assert not wishes.pictures(ANN)
    assert wishes.min_pnl(ANN) == Decimal("12.5")


async def test_a_topic_has_the_wishes_of_its_chat(wishes: Wishes) -> None:
    await wishes.put(f"{ROOM}/15", "theme", "dark", by="test")
    assert wishes.dark(ROOM)
    assert wishes.dark(f"{ROOM}/16")


async def test_what_cannot_be_read_any_more_is_as_if_it_was_not_said(database: Database) -> None:
    kept = WishList(database, ManualClock(AT))
    await kept.put(ANN, "zone", "Europe/Atlantis", by="an older version")
    await kept.put(ANN, "colour", "blue", by="an older version")
    await kept.put(ANN, "theme", "dark", by="an older version")
    wishes = await Wishes.open(kept)
    assert wishes.zone(ANN) is UTC
    assert wishes.dark(ANN)
    assert wishes.get(ANN, "colour") == ""


def test_the_list_of_zones_is_the_standard_librarys() -> None:
    assert set(zones()) <= available_timezones()
    assert "Europe/Berlin" in zones()


# --- quiet hours ----------------------------------------------------------------------------------------------------

QUIET = (
    ("22:00-07:00", "21:59", False),
    ("22:00-07:00", "22:00", True),
    ("22:00-07:00", "00:00", True),
    ("22:00-07:00", "06:59", True),
    ("22:00-07:00", "07:00", False),
    ("01:00-05:30", "00:59", False),
    ("01:00-05:30", "05:29", True),
    ("01:00-05:30", "05:30", False),
    ("off", "03:00", False),
)


@pytest.mark.parametrize(("hours", "clock", "quiet"), QUIET)
def test_quiet_hours_begin_with_their_first_minute_and_end_before_their_last(
    hours: str, clock: str, quiet: bool
) -> None:
    at = datetime.fromisoformat(f"2026-01-05T{clock}:00+00:00")
    assert wanting(quiet=hours).quiet(ANN, at) is quiet


def test_quiet_hours_are_the_owners() -> None:
    wishes = wanting(quiet="22:00-07:00", zone="America/New_York")
    assert wishes.quiet(ANN, datetime(2026, 1, 5, 3, tzinfo=UTC))  # 22:00 there
    assert not wishes.quiet(ANN, datetime(2026, 1, 5, 12, tzinfo=UTC))  # 07:00 there
    assert wishes.quiet(ANN, datetime(2026, 7, 5, 2, tzinfo=UTC))  # 22:00 there, in summer
    assert not wishes.quiet(ROOM, datetime(2026, 1, 5, 3, tzinfo=UTC))


@given(begin=CLOCK, end=CLOCK, at=MOMENTS, zone=st.sampled_from(zones()))
def test_a_moment_is_quiet_by_one_of_two_opposite_spans(begin: str, end: str, at: datetime, zone: str) -> None:
    if begin != end:
        one, other = (wanting(quiet=f"{a}-{b}", zone=zone) for a, b in ((begin, end), (end, begin)))
        assert one.quiet(ANN, at) is not other.quiet(ANN, at)


# --- the digest -----------------------------------------------------------------------------------------------------


def test_an_hourly_digest_comes_with_the_hour() -> None:
    assert wanting().digest_at(ANN, AT + timedelta(minutes=59, seconds=59)) == AT + HOUR
    assert wanting().digest_at(ANN, AT) == AT + HOUR
    half = wanting(zone="Asia/Kolkata")  # five and a half hours ahead
    assert half.digest_at(ANN, AT) == AT + HOUR / 2


DAILY = (
    ("UTC", "2026-01-05T07:59:59Z", "2026-01-05T08:00:00Z"),
    ("UTC", "2026-01-05T08:00:00Z", "2026-01-06T08:00:00Z"),
    ("Europe/Berlin", "2026-01-05T06:59:00Z", "2026-01-05T07:00:00Z"),
    ("Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T06:00:00Z"),  # the night the clocks went forward
    ("Pacific/Auckland", "2026-01-05T18:00:00Z", "2026-01-05T19:00:00Z"),  # tomorrow there
    ("America/Los_Angeles", "2026-01-05T01:00:00Z", "2026-01-05T16:00:00Z"),  # yesterday there
)


@pytest.mark.parametrize(("zone", "after", "due"), DAILY)
def test_a_daily_digest_comes_at_its_time_of_the_owners_day(zone: str, after: str, due: str) -> None:
    wishes = wanting(digest="daily 08:00", zone=zone)
    assert wishes.digest_at(ANN, datetime.fromisoformat(after)) == datetime.fromisoformat(due)


@given(at=MOMENTS, time=CLOCK, zone=st.sampled_from(zones()))
def test_a_daily_digest_is_next_and_not_two_days_away(at: datetime, time: str, zone: str) -> None:
    wishes = wanting(digest=f"daily {time}", zone=zone)
    due = wishes.digest_at(ANN, at)
    assert at < due <= at + timedelta(hours=27)
    assert wishes.digest_at(ANN, due) > due


@given(at=MOMENTS, zone=st.sampled_from(zones()))
def test_an_hourly_digest_is_within_the_hour(at: datetime, zone: str) -> None:
    due = wanting(zone=zone).digest_at(ANN, at)
    assert at < due <= at + HOUR
