"""What days and weeks came to: told once when they are over, over restarts and gaps, and added up exactly."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.scheduler import MarketSchedule
from tests.builders import ETH, a_trade
from tests.desks import HOUR, Bench, a_desk, a_house, a_series, two_markets
from trading.events import PeriodSummed
from trading.messages import SumPeriod
from trading.model import Symbol, Trade
from trading.periods import DAY, WEEK, due, ended_at, told_until, total
from trading.ports import RECENT
from trading.state import Summed

D = Decimal
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
NOON = MONDAY + 12 * HOUR
MOMENTS = st.integers(-2000 * 86400, 5000 * 86400).map(lambda n: MONDAY + timedelta(seconds=n, microseconds=n % 7))


# --- when -------------------------------------------------------------------------------------------------------------


@given(now=MOMENTS, weekly=st.booleans())
def test_a_period_ends_at_midnight_and_a_week_on_monday(now: datetime, weekly: bool) -> None:
    until = ended_at(now, weekly=weekly)
    assert until <= now < until + (WEEK if weekly else DAY)
    assert (until.hour, until.minute, until.second, until.microsecond) == (0, 0, 0, 0)
    assert not weekly or until.isoweekday() == 1


@given(looks=st.lists(MOMENTS, min_size=2, max_size=20), weekly=st.booleans())
def test_however_it_is_asked_each_moment_is_told_once_and_none_is_left_out(looks: list[datetime], weekly: bool) -> None:
    summed = Summed()
    told: list[tuple[datetime, datetime]] = []
    for now in sorted(looks):
        period = due(summed, now, weekly=weekly)
        told += [period] if period else []
        summed = told_until(summed, now, weekly=weekly)
        assert due(summed, now, weekly=weekly) is None
    ends = [until for _, until in told]
    assert [since for since, _ in told] == [ended_at(min(looks), weekly=weekly), *ends][: len(told)]
    assert (ends or [ended_at(min(looks), weekly=weekly)])[-1] == ended_at(max(looks), weekly=weekly)


def test_days_and_weeks_are_told_apart() -> None:
    summed = told_until(Summed(), NOON, weekly=False)
    assert summed == Summed(daily=MONDAY)
    assert told_until(summed, NOON, weekly=True) == Summed(daily=MONDAY, weekly=MONDAY)


# --- what -------------------------------------------------------------------------------------------------------------


def at(net: str, closed: datetime, *, number: int = 0, **changes: Any) -> Trade:
    return a_trade(net, number=number, closed_at=closed, **changes)


def summed_up(*trades: Trade, kept: int = RECENT) -> PeriodSummed:
    period = MONDAY, MONDAY + DAY
    return total(trades, period, at=MONDAY + DAY, weekly=False, kept=kept, equity=None, still_open=2)


def test_it_adds_up_what_closed_within_it() -> None:
    event = summed_up(
        at("-99", MONDAY - timedelta(microseconds=1), number=1),
        at("10.5", MONDAY, number=2),
        at("-4.25", NOON, number=3, symbol=ETH, funding=D("-0.5")),
        at("0", MONDAY + DAY - timedelta(microseconds=1), number=4),
        at("77", MONDAY + DAY, number=5),
    )
    assert (event.trades, event.wins, event.open) == (3, 1, 2)
    assert (event.net, event.fees, event.funding) == (D("5.75"), D(18), D("-0.5"))
    assert event.best == ("btc-00000002", "BTC/USDT:USDT", D("10.5"))
    assert event.worst == ("btc-00000003", "ETH/USDT:USDT", D("-4.75"))
    assert (event.since, event.until, event.weekly, event.complete) == (MONDAY, MONDAY + DAY, False, True)


def test_a_day_without_a_trade_and_one_with_a_single_one() -> None:
    nothing = summed_up()
    assert nothing.trades == nothing.net == 0
    assert nothing.best is nothing.worst is None
    one = summed_up(at("3", NOON))
    assert one.best is not None
    assert one.worst is None


@pytest.mark.parametrize(
    ("oldest", "kept", "complete"),
    [(MONDAY, 3, False), (NOON, 3, False), (MONDAY - HOUR, 3, True), (MONDAY, 4, True)],
)
def test_it_says_when_it_may_not_be_all(oldest: datetime, kept: int, complete: bool) -> None:
    trades = [at("1", oldest, number=1), at("1", NOON, number=2), at("1", NOON, number=3)]
    assert summed_up(*trades, kept=kept).complete is complete


@given(nets=st.lists(st.decimals("-1e6", "1e6", places=8), max_size=30))
def test_sums_are_exact(nets: list[Decimal]) -> None:
    event = summed_up(*(at(str(net), NOON, number=n) for n, net in enumerate(nets)))
    assert event.net == sum(nets, D(0))
    assert event.wins == sum(net > 0 for net in nets)
    if nets:
        assert event.best is not None
        assert event.best[2] == max(nets)
    if len(nets) > 1:
        assert event.worst is not None
        assert event.worst[2] == min(nets)


# --- a desk -----------------------------------------------------------------------------------------------------------


async def by_the_hour(begins: datetime, hours: int, prices: Any = 60000) -> Bench:
    house = a_house(schedule={"signals_every": HOUR, "digest_every": 24 * HOUR}, limits={"max_daily_loss": 1})
    bars = [prices] * hours if isinstance(prices, int) else prices
    series = a_series(bars, every=HOUR, begins=begins, volume=1e6)
    return await a_desk(series, playbook=house, due=MarketSchedule(house.schedule, [Symbol("BTC/USDT:USDT")]).due)


def told(bench: Bench, *, weekly: bool = False) -> list[tuple[datetime, datetime]]:
    return [(e.since, e.until) for e in bench.told(PeriodSummed) if e.weekly is weekly]


async def test_each_day_and_each_week_is_told_once_at_its_end() -> None:
    bench = await by_the_hour(NOON, 24 * 15)
    await bench.step(24 * 14)
    days = [(MONDAY + n * DAY, MONDAY + (n + 1) * DAY) for n in range(14)]
    assert told(bench) == days
    assert told(bench, weekly=True) == [(MONDAY, MONDAY + WEEK), (MONDAY + WEEK, MONDAY + 2 * WEEK)]
    assert [e.at for e in bench.told(PeriodSummed) if not e.weekly] == [until for _, until in days]


async def test_a_desk_that_begins_has_nothing_to_tell() -> None:
    bench = await by_the_hour(MONDAY - HOUR, 5)
    await bench.step(3)
    assert bench.told(PeriodSummed) == []


async def test_a_restart_tells_no_day_twice() -> None:
    bench = await by_the_hour(NOON, 30)
    await bench.step(12)
    assert len(told(bench)) == 1
    await bench.restart()
    for weekly in (False, True):
        await bench.desk.obey(SumPeriod(weekly=weekly))
    await bench.step(3)
    assert len(bench.told(PeriodSummed)) == 1


async def test_what_ended_while_nothing_ran_is_made_up_by_one() -> None:
    bench = await by_the_hour(NOON, 24 * 12)
    await bench.step(2)
    await bench.kill()
    bench.clock.set(NOON + 9 * DAY)
    await bench.open()
    for weekly in (False, True):
        await bench.desk.obey(SumPeriod(weekly=weekly))
    assert told(bench) == [(MONDAY, MONDAY + 9 * DAY)]
    assert told(bench, weekly=True) == [(MONDAY, MONDAY + WEEK)]


async def test_a_day_that_could_not_be_written_is_told_when_it_can() -> None:
    bench = await by_the_hour(NOON, 30)
    await bench.step(10)
    bench.journal.refusing = True
    await bench.step(1)
    assert told(bench) == []
    bench.journal.refusing = False
    await bench.step(2)
    assert told(bench) == [(MONDAY, MONDAY + DAY)]


async def test_it_holds_the_days_trades_and_the_equity_with_what_is_open() -> None:
    bench = await by_the_hour(NOON, 30, [60000, 60000, (60000, 60000, 58000, 58000), *[59000] * 30])
    bench.script.long()
    await bench.step(1)
    bench.script.wait()
    await bench.step(11)
    (event,) = (e for e in bench.told(PeriodSummed) if not e.weekly)
    assert event.trades == len(bench.trades) == 1
    assert event.net == bench.trades[0].net == bench.desk.book.state.realised
    assert event.fees == bench.trades[0].fees
    assert event.equity == bench.desk.book.equity(bench.view.quote)
    assert event.open == len(bench.desk.book.positions)
    assert event.complete


async def test_a_missing_mark_is_said_and_not_guessed() -> None:
    bench = await a_desk(a_series([60000.0, 60000.0, *[None] * 8, 60000.0]), two_markets(11)[1])
    await bench.enter()
    bench.desk.book.note(summed=Summed(daily=MONDAY - DAY))
    await bench.step(6)
    assert await bench.desk.obey(SumPeriod()) == "summed"
    (event,) = bench.told(PeriodSummed)
    assert event.equity is None
    assert event.open == 1
