"""The watch over the desk itself: every trigger is wired, and what the breaker says binds at once, restart or not."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from tests.builders import BTC, ETH, NOW, an_order
from tests.desks import COOLS_FAST, HOUR, SECOND, Bar, Bench, a_desk, a_house, a_series, two_markets, until
from trading.breaker import Cause, Level, Tripwire
from trading.decision import Denied
from trading.errors import Misuse, OrderRejected, VenueDown
from trading.events import (
    BreakerOverridden,
    BreakerOverrideEnded,
    BreakerRecovered,
    BreakerReset,
    BreakerTripped,
    HealthChanged,
    OrderEnded,
    OrderIntended,
)
from trading.health import Severity
from trading.messages import Decide, EndOverride, OverrideBreaker, ResetBreaker
from trading.model import ClientId, ExitReason, Leg, Order, OrderStatus, Side
from trading.playbook import Playbook

D = Decimal
QUIET = {"alert": None, "throttle": None, "halt": None, "shutdown": None}  # a trigger that never asks
ONE_LOSS: list[Bar] = [60000.0, 60000.0, (60000.0, 60000.0, 58000.0, 60000.0), *[60000.0] * 60]
LOSSES: list[Bar] = [60000.0, *[bar for _ in range(12) for bar in (60000.0, (60000.0, 60000.0, 58000.0, 60000.0))]]


def level(bench: Bench) -> Level:
    return bench.desk.status().breaker.level


def trips(bench: Bench) -> list[tuple[Level, Level]]:
    return [(e.before, e.after) for e in bench.told(BreakerTripped)]


def cause(bench: Bench, wire: Tripwire) -> Cause | None:
    return next((c for c in bench.desk.status().breaker.causes if c.trigger is wire), None)


def last_rule(bench: Bench) -> str:
    gate = list(bench.journal.decisions.values())[-1].gate
    return gate.rule if isinstance(gate, Denied) else ""


def only(**triggers: Any) -> Playbook:
    """A house whose breaker has these triggers alone."""
    silent = dict.fromkeys(("latency", "failures", "slippage", "day_loss"), QUIET)
    return a_house(breaker=silent | triggers, schedule={"look_again": False})


# --- each trigger is wired --------------------------------------------------------------------------------------------


async def test_a_slow_venue_trips_by_the_mean_of_its_last_ten_calls() -> None:
    """Nine tenths of a second on one call of ten, where a hundredth is too much; failed calls are timed too."""
    playbook = only(latency={**QUIET, "alert": D("0.09")})
    bench = await a_desk(playbook=playbook)
    await bench.sweep()
    assert level(bench) is Level.CLOSED

    async def slow(_: Order | None) -> None:
        bench.clock.advance(timedelta(milliseconds=900))
        raise VenueDown("after a long while")

    bench.trouble.on("positions", slow)
    await bench.sweep()
    found = cause(bench, Tripwire.LATENCY)
    assert found is not None
    assert (found.value, found.level) == (D("0.09"), Level.ALERT)
    assert trips(bench) == [(Level.CLOSED, Level.ALERT)]


async def refuse(bench: Bench, times: int) -> None:
    """One entry after the other is rejected by the venue, a second apart."""
    bench.script.long()
    bench.trouble.on("submit", OrderRejected("no"), leg=Leg.ENTRY, times=times)
    for _ in range(times):
        await bench.decide()
        await bench.step()


@pytest.mark.parametrize(
    ("times", "reached"), [(1, Level.CLOSED), (2, Level.ALERT), (3, Level.THROTTLE), (5, Level.HALT)]
)
async def test_orders_that_fail_are_counted(times: int, reached: Level) -> None:
    bench = await a_desk()
    await refuse(bench, times)
    assert level(bench) is reached


async def test_an_order_that_never_left_counts_and_one_the_desk_withdrew_does_not() -> None:
    bench = await a_desk()
    bench.script.long()
    bench.trouble.on("submit", VenueDown("no route"))
    await bench.decide()
    assert len(bench.desk.book.state.samples.failures) == 1
    await bench.step()
    stuck = asyncio.Event()
    bench.desk.lanes.post(BTC, stuck.wait)  # type: ignore[arg-type]
    await bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule"))
    await until(lambda: len(bench.told(OrderIntended)) == 6)
    await bench.desk.obey(OverrideBreaker(level=Level.HALT, lasts=HOUR, by="the owner"))
    stuck.set()
    await bench.desk.settle()
    assert [(e.order.status, e.withdrawn) for e in bench.told(OrderEnded)] == [
        (OrderStatus.ABANDONED, False),
        (OrderStatus.ABANDONED, True),
    ]
    assert len(bench.desk.book.state.samples.failures) == 1


async def test_fills_worse_than_expected_trip_by_their_mean() -> None:
    """A gap: the stop at 58500 fills at 58000, the entry was as expected. (0 + 500 / 58500) / 2 = 0.43 %."""
    bench = await a_desk(
        a_series([60000.0, 60000.0, 58000.0, 58000.0]), playbook=only(slippage={"throttle": D("0.004")})
    )
    await bench.enter()
    await bench.step(2)
    found = cause(bench, Tripwire.SLIPPAGE)
    assert found is not None
    assert found.value == D("0.008547009") / 2
    assert level(bench) is Level.THROTTLE


async def test_a_short_is_slipped_by_a_price_above() -> None:
    bench = await a_desk(
        a_series([60000.0, 60000.0, 62000.0, 62000.0]), playbook=only(slippage={"throttle": D("0.004")})
    )
    bench.script.short()
    await bench.decide()
    await bench.step(2)
    assert [bool(s > 0) for s in bench.desk.book.state.samples.slippages] == [False, True]
    assert level(bench) is Level.THROTTLE


async def test_the_days_loss_trips_while_the_position_is_still_open() -> None:
    """80 % of equity long, down 2.5 %, just not at the stop: 2 % of the day's opening equity are lost."""
    bench = await a_desk(a_series([60000.0, 60000.0, 58501.0, 58501.0]), playbook=only(day_loss={"alert": D("0.0199")}))
    await bench.enter()
    await bench.step(2)
    assert bench.desk.book.on(BTC)
    assert level(bench) is Level.ALERT
    assert cause(bench, Tripwire.DAY_LOSS) is not None


async def test_a_day_whose_marks_are_missing_is_not_known_and_lowers_nothing() -> None:
    every = [60000.0, 60000.0, 58501.0, 58501.0, 58501.0, None, None, None, None, 60000.0, 60000.0, 60000.0, 60000.0]
    playbook = a_house(breaker={"day_loss": {**QUIET, "alert": D("0.015")}} | COOLS_FAST)
    bench = await a_desk(a_series(every), two_markets(13)[1], playbook=playbook)
    await bench.enter()
    await bench.step(2)
    assert level(bench) is Level.ALERT
    await bench.step(4)
    view = bench.desk.status().breaker
    assert (view.level, view.held_by) == (Level.ALERT, (Tripwire.DAY_LOSS,))
    await bench.step(6)
    assert level(bench) is Level.CLOSED


def ill(**changes: Any) -> Playbook:
    health = {
        "every": 5,
        "enough": 2,
        "losses": (2, 3),
        "win_rate": (D("0.01"), D(0)),
        "sharpe": (D("-1e9"), D("-1e10")),
    }
    fine = {"expectancy": (D(-1), D(-2)), "drawdown": (D("0.98"), D("0.99"))}
    base = dict.fromkeys(("latency", "failures", "slippage", "day_loss"), QUIET)
    return a_house(health=health | fine | changes, breaker=base, schedule={"look_again": False})


async def lose(bench: Bench, times: int) -> None:
    """One losing trade after the other, one scheduled round each."""
    bench.script.long()
    for _ in range(times):
        await bench.decide()
        await bench.step(2)
    bench.script.wait()


async def test_the_strategy_is_looked_at_every_five_scheduled_rounds() -> None:
    bench = await a_desk(a_series(LOSSES), playbook=ill())
    await lose(bench, 3)
    await bench.decide()
    assert (bench.desk.book.state.rounds, bench.desk.status().health) == (4, None)
    await bench.desk.obey(Decide(symbols=(BTC,), trigger="after close"))
    await bench.desk.settle()
    assert bench.desk.book.state.rounds == 4
    await bench.step()
    await bench.decide()
    health = bench.desk.status().health
    assert health is not None
    assert (health.severity, health.n) == (Severity.SEVERE, 3)
    (changed,) = bench.told(HealthChanged)
    assert (changed.before, changed.health) == (Severity.NONE, health)
    assert level(bench) is Level.HALT
    assert cause(bench, Tripwire.HEALTH) is not None


async def test_a_round_lived_again_after_a_restart_is_counted_once() -> None:
    bench = await a_desk(a_series(LOSSES), playbook=ill())
    await bench.decide()
    await bench.restart()
    await bench.decide()
    assert bench.desk.book.state.rounds == 1
    await bench.step()
    await bench.decide()
    assert bench.desk.book.state.rounds == 2


async def test_an_emergency_of_health_closes_positions_where_the_playbook_says_so() -> None:
    playbook = ill(losses=(1, 2), expectancy=(D(1), D(0)), close_on_emergency=True)
    eth: list[Bar] = [3000.0] * len(LOSSES)
    bench = await a_desk(*two_markets(btc=LOSSES, eth=eth), playbook=playbook)
    await bench.enter(ETH)
    await bench.step()
    await lose(bench, 3)
    assert level(bench) is Level.CLOSED
    await bench.step()
    await bench.decide()
    assert level(bench) is Level.SHUTDOWN
    assert [t.reason for t in bench.trades if t.symbol == ETH] == [ExitReason.HEALTH]


async def test_a_journal_that_refuses_halts_at_once_and_shuts_down_at_the_third_look() -> None:
    bench = await a_desk(playbook=a_house(breaker=COOLS_FAST))
    bench.journal.refusing = True
    seen = []
    for _ in range(3):
        await bench.decide()
        seen.append(level(bench))
        await bench.step()
    assert seen == [Level.HALT, Level.HALT, Level.SHUTDOWN]
    bench.journal.refusing = False
    await bench.sweep()
    assert trips(bench) == [(Level.CLOSED, Level.HALT), (Level.HALT, Level.SHUTDOWN)]  # told when it could be


async def test_a_sweep_tries_the_journal_again() -> None:
    bench = await a_desk(playbook=a_house(breaker=COOLS_FAST))
    bench.journal.refusing = True
    await bench.decide()
    bench.journal.refusing = False
    await bench.step()
    await bench.sweep()
    await bench.step(4)
    assert level(bench) is Level.CLOSED
    assert [(e.before, e.after) for e in bench.told(BreakerRecovered)] == list(
        pairwise([Level.HALT, Level.THROTTLE, Level.ALERT, Level.CLOSED])
    )


async def stranger(bench: Bench) -> None:
    """Somebody else trades on the account."""
    order = an_order(
        client_id=ClientId("by-hand"), side=Side.BUY, quantity=D("0.01"), created_at=bench.clock.now(),
        protection=None, plan=None,
    )  # fmt: skip
    await bench.venue.submit(order)
    await bench.desk.settle()


async def test_books_that_do_not_reconcile_halt_when_it_lasts_and_shut_down_after_three_looks() -> None:
    bench = await a_desk()
    await stranger(bench)
    seen = []
    for _ in range(4):
        await bench.sweep()
        seen.append(level(bench))
        await bench.step()
    assert seen == [Level.CLOSED, Level.HALT, Level.HALT, Level.SHUTDOWN]  # the first look: it may yet pass


# --- a crash ----------------------------------------------------------------------------------------------------------

TEN = timedelta(seconds=10)
# Ten minutes, thirty percent, gaps through every stop: BTC goes first, ETH follows two bars later.
CRASH_BTC: list[Bar] = [60000.0, 60000.0, *[(55000.0 - n * 220, 55000.0 - n * 220, 54700.0 - n * 220, 54800.0 - n * 220) for n in range(60)]]  # fmt: skip  # noqa: E501
CRASH_ETH: list[Bar] = [3000.0] * 4 + [(2800.0 - n * 12, 2800.0 - n * 12, 2785.0 - n * 12, 2790.0 - n * 12) for n in range(58)]  # fmt: skip  # noqa: E501


async def in_a_crash(playbook: Playbook) -> Bench:
    series = (a_series(CRASH_BTC, symbol=BTC, every=TEN), a_series(CRASH_ETH, symbol=ETH, every=TEN))
    bench = await a_desk(*series, playbook=playbook)
    bench.script.long(BTC, ETH)
    await bench.decide(BTC, ETH)
    assert len(bench.desk.book.positions) == 2
    await bench.step()
    return bench


async def test_in_a_crash_the_breaker_acts_on_the_same_bar_before_any_decision() -> None:
    bench = await in_a_crash(a_house())
    await bench.step()  # the gap: BTC is stopped out far below its stop, and looked at again at once
    (trip,) = bench.told(BreakerTripped)
    assert trip.at == bench.clock.now() == NOW + 3 * TEN
    assert trip.after is Level.HALT
    assert {c.trigger for c in trip.causes} >= {Tripwire.DAY_LOSS, Tripwire.SLIPPAGE}
    after_close = [d for d in bench.journal.decisions.values() if d.trigger == "after close"]
    assert [d.at for d in after_close] == [trip.at]
    assert last_rule(bench) == "circuit breaker"


async def test_in_a_crash_the_daily_loss_alone_acts_on_the_same_bar_too() -> None:
    playbook = a_house(breaker={"day_loss": QUIET, "slippage": QUIET})
    bench = await in_a_crash(playbook)
    await bench.step()
    assert level(bench) is Level.CLOSED
    assert last_rule(bench) == "daily loss"


async def test_in_a_crash_halt_lets_exits_through_and_no_entry_and_gaps_are_all_that_is_lost() -> None:
    bench = await in_a_crash(a_house())
    entries = list(bench.desk.book.positions.values())
    for _ in range(50):
        await bench.step()
        await bench.decide(BTC, ETH)
    assert level(bench) in (Level.HALT, Level.SHUTDOWN)
    assert {t.symbol for t in bench.trades} == {BTC, ETH}
    assert len(bench.trouble.sent(Leg.ENTRY)) == 2
    # What the gaps make unavoidable: each position is out at the open of the bar that jumped over its stop.
    opens = {BTC: D(55000), ETH: D(2800)}
    lost = sum((p.cost - opens[p.symbol] * p.quantity for p in entries), D(0))
    fees = sum((t.fees for t in bench.trades), D(0))
    assert bench.desk.book.booked >= 10000 - lost - fees


@pytest.mark.parametrize("reached", [Level.HALT, Level.SHUTDOWN])
async def test_no_entry_passes_in_halt_or_shutdown(reached: Level) -> None:
    bench = await a_desk()
    await bench.desk.obey(OverrideBreaker(level=reached, lasts=HOUR, by="the owner"))
    bench.script.long()
    await bench.decide()
    assert last_rule(bench) == "circuit breaker"
    assert not bench.trouble.sent()


async def test_an_entry_that_waits_is_withdrawn_when_the_breaker_trips_in_between() -> None:
    """Approved, journalled, and stuck in its lane, while orders fail elsewhere."""
    bench = await a_desk()
    stuck = asyncio.Event()
    bench.desk.lanes.post(BTC, stuck.wait)  # type: ignore[arg-type]
    bench.script.long()
    await bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule"))
    await until(lambda: bool(bench.told(OrderIntended)))
    book = bench.desk.book
    book.note(samples=replace(book.state.samples, failures=(bench.clock.now(),) * 5))
    stuck.set()
    await bench.desk.settle()
    assert not bench.trouble.sent()
    assert trips(bench) == [(Level.CLOSED, Level.HALT)]
    (ended,) = bench.told(OrderEnded)
    assert (ended.withdrawn, ended.order.note) == (True, "the breaker went to HALT before it was sent")


# --- what SHUTDOWN does -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("close", [True, False])
async def test_shutdown_closes_positions_only_where_the_playbook_says_so(close: bool) -> None:
    bench = await a_desk(playbook=a_house(breaker={"close_on_shutdown": close}))
    await bench.enter()
    await bench.desk.obey(OverrideBreaker(level=Level.SHUTDOWN, lasts=HOUR, by="the owner"))
    await bench.desk.settle()
    assert [t.reason for t in bench.trades] == [ExitReason.BREAKER] * close
    assert (bench.desk.book.on(BTC) is None) is close


async def test_only_a_person_leaves_shutdown() -> None:
    bench = await a_desk(a_series(ONE_LOSS), playbook=only(day_loss={"shutdown": D("0.001")}))
    await bench.enter()
    await bench.step(40)
    assert level(bench) is Level.SHUTDOWN
    assert bench.desk.status().breaker.until is None
    await bench.desk.obey(OverrideBreaker(level=Level.CLOSED, lasts=3 * SECOND, by="the owner"))
    assert level(bench) is Level.CLOSED
    await bench.step(4)
    assert level(bench) is Level.SHUTDOWN
    said = await bench.desk.obey(ResetBreaker(by="the owner"))
    assert said == "Reset, and at SHUTDOWN again at once: day loss."


# --- what people do ---------------------------------------------------------------------------------------------------


async def test_a_reset_is_journalled_and_lets_entries_in_again() -> None:
    bench = await a_desk()
    await refuse(bench, 5)
    assert level(bench) is Level.HALT
    bench.clock.advance(timedelta(minutes=5))  # the failures are over, the cool-down is not
    assert level(bench) is Level.HALT
    assert await bench.desk.obey(ResetBreaker(by="the owner")) == "The breaker is CLOSED; it was at HALT."
    (event,) = bench.told(BreakerReset)
    assert (event.by, event.before) == ("the owner", Level.HALT)
    assert bench.journal.state is not None
    assert bench.journal.state.breaker.level is Level.CLOSED
    with pytest.raises(Misuse, match="nothing to reset"):
        await bench.desk.obey(ResetBreaker(by="the owner"))


async def test_a_reset_is_refused_while_the_books_are_broken() -> None:
    bench = await a_desk()
    await stranger(bench)
    await bench.sweep()
    await bench.sweep()
    with pytest.raises(Misuse, match="books not in order yet"):
        await bench.desk.obey(ResetBreaker(by="the owner"))
    with pytest.raises(Misuse, match="would hide HALT"):
        await bench.desk.obey(OverrideBreaker(level=Level.CLOSED, lasts=HOUR, by="the owner"))
    assert level(bench) is Level.HALT
    assert not bench.told(BreakerReset)
    assert not bench.told(BreakerOverridden)


async def test_an_override_expires_by_itself() -> None:
    bench = await a_desk()
    said = await bench.desk.obey(OverrideBreaker(level=Level.HALT, lasts=3 * SECOND, by="the owner"))
    assert said == "HALT is in force until 2026-01-05 12:00:04 UTC; it was CLOSED."
    (begun,) = bench.told(BreakerOverridden)
    assert (begun.by, begun.before, begun.level) == ("the owner", Level.CLOSED, Level.HALT)
    await bench.step(2)
    assert level(bench) is Level.HALT
    await bench.step()
    (ended,) = bench.told(BreakerOverrideEnded)
    assert (ended.by, ended.level, ended.after, ended.why) == ("the owner", Level.HALT, Level.CLOSED, "expired")
    bench.script.long()
    await bench.decide()
    assert bench.desk.book.on(BTC)


async def test_an_override_that_is_over_before_it_begins_is_refused() -> None:
    bench = await a_desk()
    with pytest.raises(Misuse, match="over already"):
        await bench.desk.obey(OverrideBreaker(level=Level.HALT, lasts=timedelta(0), by="the owner"))


async def test_an_override_is_ended_early_by_a_person() -> None:
    bench = await a_desk()
    with pytest.raises(Misuse, match="no override of the breaker is in force"):
        await bench.desk.obey(EndOverride(by="another"))
    await bench.desk.obey(OverrideBreaker(level=Level.HALT, lasts=HOUR, by="the owner"))
    assert await bench.desk.obey(EndOverride(by="another")) == (
        "The override is over; the breaker is at CLOSED, as measured."
    )
    (ended,) = bench.told(BreakerOverrideEnded)
    assert (ended.by, ended.level, ended.after, ended.why) == (
        "the owner", Level.HALT, Level.CLOSED, "ended by another",
    )  # fmt: skip
    await bench.restart()
    assert level(bench) is Level.CLOSED
    bench.script.long()
    await bench.decide()
    assert bench.desk.book.on(BTC)


async def test_what_is_told_of_the_breaker_says_what_applies_under_an_override() -> None:
    bench = await a_desk(playbook=a_house(breaker={"failures": {**QUIET, "alert": D(1)}} | COOLS_FAST))
    await bench.desk.obey(OverrideBreaker(level=Level.THROTTLE, lasts=HOUR, by="the owner"))
    await refuse(bench, 1)
    (tripped,) = bench.told(BreakerTripped)
    assert (tripped.after, tripped.in_force) == (Level.ALERT, Level.THROTTLE)
    await bench.desk.obey(ResetBreaker(by="the owner"))
    (reset,) = bench.told(BreakerReset)
    assert (reset.before, reset.in_force) == (Level.ALERT, Level.THROTTLE)
    await bench.desk.obey(EndOverride(by="the owner"))
    bench.clock.advance(timedelta(minutes=6))
    await bench.sweep()
    (recovered,) = bench.told(BreakerRecovered)
    assert (recovered.after, recovered.in_force) == (Level.CLOSED, Level.CLOSED)


# --- restarts ---------------------------------------------------------------------------------------------------------


async def test_a_restart_keeps_level_causes_cool_down_samples_and_override() -> None:
    bench = await a_desk()
    await refuse(bench, 5)
    await bench.desk.obey(OverrideBreaker(level=Level.SHUTDOWN, lasts=HOUR, by="the owner"))
    before, samples = bench.desk.status().breaker, bench.desk.book.state.samples
    await bench.restart()
    after = bench.desk.status().breaker
    assert (after.level, after.measured, after.since, after.until) == (
        Level.SHUTDOWN, Level.HALT, before.since, before.until,
    )  # fmt: skip
    assert (after.causes, after.override) == (before.causes, before.override)
    assert bench.desk.book.state.samples.failures == samples.failures
    assert trips(bench)[-1] == (Level.THROTTLE, Level.HALT)  # told once


async def test_what_the_breaker_says_is_written_with_the_state_it_left() -> None:
    """Event and level in one transaction: a journal that has the one has the other."""
    bench = await a_desk()
    await refuse(bench, 3)
    state = bench.journal.state
    assert state is not None
    assert trips(bench) == [(Level.CLOSED, Level.ALERT), (Level.ALERT, Level.THROTTLE)]
    assert state.breaker.level is Level.THROTTLE


async def test_a_quiet_desk_writes_nothing_of_its_watch() -> None:
    bench = await a_desk()
    before = len(bench.journal.events)
    await bench.step(50)
    assert bench.journal.events[before:] == []
    assert level(bench) is Level.CLOSED
