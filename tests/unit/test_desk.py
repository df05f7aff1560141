"""The desk as a whole: halts, phases, days, restarts, and a journal that cannot write."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.scheduler import MarketSchedule
from storage.database import Database
from storage.journal import SqlJournal
from storage.verify import Verified, verify
from tests.builders import BTC, ETH, NOW
from tests.desks import COOLS_FAST, HOUR, Bench, a_desk, a_funding, a_house, a_series, two_markets, until
from trading.clock import SystemClock
from trading.decision import Denied
from trading.errors import Misuse, VenueDown
from trading.events import (
    BooksDisagreed,
    DataEnded,
    DataGap,
    DeskFaulted,
    DeskStarted,
    DeskStopped,
    ExitTriggered,
    OrderFilled,
    OrderSent,
    PhaseChanged,
    PositionOpened,
    ProtectionConfirmed,
    TradeClosed,
    TradingHalted,
    TradingResumed,
    WaitsSummed,
)
from trading.market.series import Series
from trading.messages import ClosePosition, Command, Decide, Halt, Resume, SetPhase, SumWaits
from trading.model import Direction, ExitReason, Guard, Leg, OrderStatus, TradingState
from trading.playbook import Phase
from trading.status import Armed

D = Decimal
SECOND = timedelta(seconds=1)
DROP = [60000.0, 60000.0, (60000.0, 60000.0, 58000.0, 58000.0), 58000.0, 58000.0]


def last_rule(bench: Bench) -> str:
    gate = list(bench.journal.decisions.values())[-1].gate
    assert isinstance(gate, Denied)
    return gate.rule


# --- halt and resume --------------------------------------------------------------------------------------------------


async def test_a_halt_acts_at_once() -> None:
    bench = await a_desk()
    said = await bench.desk.obey(Halt(by="the owner", reason="too hot"))
    assert said == "No new entries. Exits and protection go on."
    bench.script.long()
    await bench.decide()
    assert last_rule(bench) == "trading state"
    assert not bench.trouble.sent()
    (event,) = bench.told(TradingHalted)
    assert (event.by, event.reason) == ("the owner", "too hot")


async def test_a_halt_acts_while_the_panel_thinks_and_while_a_lane_is_stuck() -> None:
    """Nothing that is slow stands between the word and its effect."""
    bench = await a_desk(*two_markets(), instant=False)
    bench.script.long(BTC)
    bench.script.hang = asyncio.Event()
    stuck = asyncio.Event()
    bench.desk.lanes.post(ETH, stuck.wait)  # type: ignore[arg-type]
    await bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule"))
    await until(lambda: len(bench.script.asked) == 2)
    await bench.desk.obey(Halt(by="the owner"))
    assert bench.desk.status().trading is TradingState.HALTED
    stuck.set()
    bench.script.hang.set()
    await bench.desk.settle()
    assert not bench.trouble.sent()


async def test_a_second_halt_changes_nothing_and_names_the_first() -> None:
    bench = await a_desk()
    await bench.desk.obey(Halt(by="the owner", reason="too hot"))
    assert await bench.desk.obey(Halt(by="another")) == "Already halted by the owner."
    assert len(bench.told(TradingHalted)) == 1
    assert bench.desk.status().halt_reason == "too hot"


async def test_a_halt_survives_a_restart() -> None:
    bench = await a_desk()
    await bench.desk.obey(Halt(by="the owner", reason="too hot"))
    await bench.restart()
    status = bench.desk.status()
    assert (status.trading, status.halted_by, status.halt_reason) == (TradingState.HALTED, "the owner", "too hot")
    assert status.halted_at == NOW + SECOND
    bench.script.long()
    await bench.step()
    await bench.decide()
    assert last_rule(bench) == "trading state"


async def test_exits_go_on_while_halted() -> None:
    bench = await a_desk(a_series(DROP))
    await bench.enter()
    await bench.desk.obey(Halt(by="the owner"))
    await bench.step(2)
    assert [t.reason for t in bench.trades] == [ExitReason.STOP_LOSS]
    assert bench.desk.book.orders == {}


async def test_protection_goes_on_while_halted() -> None:
    bench = await a_desk()
    bench.trouble.visible_after = HOUR
    await bench.enter()
    await bench.desk.obey(Halt(by="the owner"))
    await bench.step(10)
    assert [t.reason for t in bench.trades] == [ExitReason.UNPROTECTED]


async def test_an_entry_approved_but_not_sent_is_withdrawn_by_a_halt() -> None:
    bench = await a_desk()
    stuck = asyncio.Event()
    bench.desk.lanes.post(BTC, stuck.wait)  # type: ignore[arg-type]
    bench.script.long()
    await bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule"))
    await until(lambda: bool(bench.journal.decisions))
    await bench.desk.obey(Halt(by="the owner"))
    stuck.set()
    await bench.desk.settle()
    assert not bench.trouble.sent()
    assert {o.status for o in bench.journal.orders.values()} == {OrderStatus.ABANDONED}
    assert bench.desk.book.taken() == frozenset()


async def test_resume_lets_entries_in_again_and_says_what_it_ended() -> None:
    bench = await a_desk()
    await bench.desk.obey(Halt(by="the owner", reason="too hot"))
    await bench.desk.obey(Resume(by="another"))
    (event,) = bench.told(TradingResumed)
    assert (event.by, event.halted_by, event.halt_reason) == ("another", "the owner", "too hot")
    assert await bench.enter()
    await bench.restart()
    status = bench.desk.status()
    assert (status.trading, status.halted_by, status.halted_at) == (TradingState.ACTIVE, "", None)


async def test_resume_without_a_halt_is_refused() -> None:
    bench = await a_desk()
    with pytest.raises(Misuse, match="not halted"):
        await bench.desk.obey(Resume(by="the owner"))


# --- by hand ----------------------------------------------------------------------------------------------------------


async def test_a_position_is_closed_by_hand() -> None:
    bench = await a_desk()
    position = await bench.enter()
    said = await bench.desk.obey(ClosePosition(position_id=position.id, by="the owner"))
    assert said == "Closing BTC long 0.133 at market."
    await bench.desk.settle()
    (trade,) = bench.trades
    assert (trade.reason, trade.note) == (ExitReason.MANUAL, "by the owner")
    assert await bench.held() == {}
    assert await bench.working() == set()


async def test_a_close_by_hand_is_taken_while_halted() -> None:
    bench = await a_desk()
    position = await bench.enter()
    await bench.desk.obey(Halt(by="the owner"))
    await bench.desk.obey(ClosePosition(position_id=position.id, by="the owner"))
    await bench.desk.settle()
    assert len(bench.trades) == 1


async def test_a_second_close_by_hand_sends_nothing() -> None:
    bench = await a_desk()
    position = await bench.enter()
    bench.trouble.on("submit", VenueDown("no route"), leg=Leg.CLOSE)
    await bench.desk.obey(ClosePosition(position_id=position.id, by="the owner"))
    said = await bench.desk.obey(ClosePosition(position_id=position.id, by="the owner"))
    assert "is being closed already: closed by hand" in said
    assert len(bench.trouble.sent(Leg.CLOSE)) == 1


async def test_a_close_of_nothing_is_refused() -> None:
    bench = await a_desk()
    position = await bench.enter()
    with pytest.raises(Misuse, match="no open position"):
        await bench.desk.obey(ClosePosition(position_id=replace(position, id="btc-nobody1").id, by="the owner"))  # type: ignore[arg-type]


async def test_who_asked_for_a_close_may_go_away_while_it_waits() -> None:
    """A chat that gives up waiting must not break the lane."""
    bench = await a_desk()
    position = await bench.enter()
    stuck = asyncio.Event()
    bench.desk.lanes.post(BTC, stuck.wait)  # type: ignore[arg-type]
    asking = asyncio.create_task(bench.desk.obey(ClosePosition(position_id=position.id, by="the owner")))
    await asyncio.sleep(0)
    asking.cancel()
    stuck.set()
    await bench.desk.settle()
    assert bench.desk.faults == {}
    assert len(bench.trades) == 1


# --- a journal that cannot write --------------------------------------------------------------------------------------


async def test_a_journal_that_cannot_write_stops_entries_and_they_go_on_when_it_can() -> None:
    bench = await a_desk(playbook=a_house(breaker=COOLS_FAST | {"cool_halt": 3 * SECOND}))
    bench.journal.refusing = True
    bench.script.long()
    await bench.decide()
    assert not bench.trouble.sent()
    assert bench.desk.book.orders == {}
    journal = next(c for c in bench.desk.status().capabilities if c.name == "journal")
    assert journal.state is Armed.DEGRADED
    bench.journal.refusing = False
    await bench.step()
    await bench.decide()
    assert last_rule(bench) == "circuit breaker"  # writable again, and still cooling down
    await bench.step(4)
    await bench.decide()
    assert bench.desk.book.on(BTC)
    assert all(c.state is Armed.ARMED for c in bench.desk.status().capabilities)


async def test_exits_go_on_while_the_journal_cannot_write_and_are_written_when_it_can() -> None:
    bench = await a_desk(a_series([*DROP, *[58000.0] * 20]))
    position = await bench.enter()
    bench.journal.refusing = True
    await bench.step(2)
    assert await bench.held() == {}
    assert bench.desk.book.positions == {}
    assert not bench.told(TradeClosed)
    assert bench.desk.frozen == "the journal cannot be written"
    bench.script.long()
    await bench.decide()
    assert len(bench.trouble.sent(Leg.ENTRY)) == 1
    bench.script.wait()
    bench.journal.refusing = False
    await bench.step()
    await bench.decide()
    assert [e.trade.id for e in bench.told(TradeClosed)] == [position.id]
    assert bench.kinds().index("OrderFilled", bench.kinds().index("ProtectionConfirmed")) < bench.kinds().index(
        "TradeClosed"
    )
    assert bench.journal.positions == {}
    assert bench.journal.state.realised == bench.trades[0].net
    assert bench.desk.frozen == ""
    assert all(o.status.final for o in bench.journal.orders.values())


async def test_an_exit_by_the_desk_goes_on_while_the_journal_cannot_write() -> None:
    bench = await a_desk()
    position = await bench.enter()
    bench.journal.refusing = True
    await bench.desk.obey(ClosePosition(position_id=position.id, by="the owner"))
    await bench.desk.settle()
    assert await bench.held() == {}
    assert bench.desk.faults == {}
    bench.journal.refusing = False
    await bench.step()
    await bench.decide()
    assert [k for k in bench.kinds() if k in ("ExitTriggered", "TradeClosed")] == ["ExitTriggered", "TradeClosed"]


async def test_a_journal_that_fails_between_intent_and_answer_loses_nothing_and_needs_no_restart() -> None:
    """The request has left: what comes of it is kept until it can be written, whatever it was."""
    bench = await a_desk()

    async def fail(_: object) -> None:
        bench.journal.refusing = True

    bench.trouble.on("submit", fail)
    position = await bench.enter()
    assert position.guard is Guard.CONFIRMED
    assert bench.desk.faults == {}
    assert not bench.told(OrderSent)
    bench.journal.refusing = False
    await bench.desk.obey(SumWaits())
    assert [len(bench.told(k)) for k in (OrderSent, OrderFilled, PositionOpened, ProtectionConfirmed)] == [1, 1, 1, 1]
    assert bench.journal.positions[position.id] == position
    assert bench.desk.frozen == ""


@pytest.mark.parametrize("command", [SumWaits(), Decide(symbols=(BTC,), trigger="schedule")])
async def test_a_schedule_that_meets_a_dead_journal_does_not_end_the_desk(command: Command) -> None:
    bench = await a_desk()
    await bench.decide()
    bench.journal.refusing = True
    bench._due = lambda _: [command]
    bench.player.due = bench._due
    await bench.step(3)
    assert bench.desk.faults == {}
    bench.journal.refusing = False
    await bench.step(1)
    assert bench.desk.frozen == ""


async def test_a_digest_that_could_not_be_written_is_told_when_it_can() -> None:
    bench = await a_desk()
    await bench.decide()
    bench.journal.refusing = True
    await bench.desk.obey(SumWaits())
    bench.journal.refusing = False
    await bench.desk.tell()
    (digest,) = bench.told(WaitsSummed)
    assert digest.waits == 1


async def test_a_halt_is_taken_while_the_journal_cannot_write() -> None:
    bench = await a_desk()
    bench.journal.refusing = True
    await bench.desk.obey(Halt(by="the owner"))
    bench.journal.refusing = False
    bench.script.long()
    await bench.decide()
    assert last_rule(bench) == "trading state"
    assert len(bench.told(TradingHalted)) == 1
    await bench.restart()
    assert bench.desk.status().trading is TradingState.HALTED


# --- the exit path ----------------------------------------------------------------------------------------------------


async def test_an_exit_does_not_wait_for_a_persona_that_hangs() -> None:
    bench = await a_desk(*two_markets(), instant=False)
    bench.script.long(BTC)
    await bench.decide(BTC)
    bench.script.hang = asyncio.Event()
    await bench.desk.obey(Decide(symbols=(ETH,), trigger="schedule"))
    await until(lambda: any(symbol == ETH for symbol, _ in bench.script.asked))
    bench.desk.on_quote(replace(bench.feed.quote(BTC), mark=D(58000)))
    await until(lambda: bool(bench.trades))
    assert bench.trades[0].reason is ExitReason.STOP_LOSS
    assert ETH not in {d.symbol for d in bench.journal.decisions.values()}
    assert (ETH, bench.clock.now()) in bench.script.asked
    bench.script.hang.set()
    await bench.desk.settle()


@pytest.mark.parametrize(
    ("bars", "reason"),
    [
        ([60000.0, 60000.0, *[59200.0] * 5], ExitReason.EARLY_EXIT),
        ([60000.0, 60000.0, *[60000.0] * 25], ExitReason.MAX_HOLD),
    ],
)
async def test_the_rules_of_time_close_at_market(bars: list[float], reason: ExitReason) -> None:
    house = a_house(exits={"early_loss": D("0.01")})
    bench = await a_desk(a_series(bars, every=HOUR), playbook=house)
    await bench.enter()
    while not bench.trades:
        await bench.step()
    (trade,) = bench.trades
    assert trade.reason is reason
    assert trade.closed_at - trade.opened_at == (timedelta(hours=3) if reason is ExitReason.EARLY_EXIT else 24 * HOUR)
    assert len(bench.told(ExitTriggered)) == 1
    assert bench.told(ExitTriggered)[0].quote


async def test_a_stop_the_venue_has_lost_is_made_good_by_the_desk() -> None:
    bench = await a_desk(a_series(DROP))
    position = await bench.enter()
    bench.trouble.lose_updates = True
    await bench.venue.cancel(BTC, position.protection.stop_id)
    bench.trouble.lose_updates = False
    await bench.step(2)
    assert [t.reason for t in bench.trades] == [ExitReason.STOP_LOSS]
    assert len(bench.trouble.sent(Leg.CLOSE)) == 1


async def test_an_exit_is_triggered_once_however_many_quotes_come() -> None:
    bench = await a_desk()
    await bench.enter()
    low = replace(bench.feed.quote(BTC), mark=D(58000))
    for _ in range(5):
        bench.desk.on_quote(low)
    await bench.desk.settle()
    assert len(bench.told(ExitTriggered)) == 1
    assert len(bench.trouble.sent(Leg.CLOSE)) == 1


async def test_exits_are_looked_at_as_often_as_the_playbook_says() -> None:
    house = a_house(schedule={"watch_every": timedelta(minutes=3)})
    bench = await a_desk(playbook=house)
    await bench.enter()
    quote = bench.feed.quote(BTC)
    bench.desk.on_quote(quote)
    await bench.desk.settle()
    low = replace(quote, mark=D(58000))
    bench.desk.on_quote(replace(low, at=quote.at + timedelta(seconds=179)))
    await bench.desk.settle()
    assert not bench.told(ExitTriggered)
    bench.desk.on_quote(replace(low, at=quote.at + timedelta(seconds=180)))
    await bench.desk.settle()
    assert len(bench.told(ExitTriggered)) == 1


async def test_after_a_close_it_looks_again() -> None:
    bench = await a_desk(a_series(DROP))
    await bench.enter()
    bench.script.long()
    await bench.step(2)
    assert [d.trigger for d in bench.journal.decisions.values()] == ["schedule", "after close"]
    again = bench.desk.book.on(BTC)
    assert again
    assert again.entry == 58000


async def test_after_a_close_it_does_not_look_where_the_playbook_says_so() -> None:
    bench = await a_desk(a_series(DROP), playbook=a_house(schedule={"look_again": False}))
    await bench.enter()
    bench.script.long()
    await bench.step(2)
    assert len(bench.journal.decisions) == 1


# --- phases -----------------------------------------------------------------------------------------------------------


def dated(*phases: tuple[str, int, int]) -> Any:
    return a_house(
        phases=(
            *(Phase(name=n, starts=NOW + a * SECOND, ends=NOW + b * SECOND, max_positions=0) for n, a, b in phases),
            Phase(name="byhand", take_profit=D("0.01")),
        )
    )


async def test_a_phase_begins_and_ends_by_its_dates_and_is_said_once() -> None:
    bench = await a_desk(playbook=dated(("calm", 10, 20)))
    for _ in range(30):
        await bench.step()
        await bench.sweep()
        await bench.sweep()
    assert [(e.before, e.after, e.at) for e in bench.told(PhaseChanged)] == [
        ("base", "calm", NOW + 10 * SECOND),
        ("calm", "base", NOW + 20 * SECOND),
    ]


async def test_a_phase_that_begins_while_the_journal_cannot_write_is_said_when_it_can() -> None:
    bench = await a_desk(playbook=dated(("calm", 5, 50)))
    await bench.step(10)
    bench.journal.refusing = True
    await bench.sweep()
    bench.journal.refusing = False
    await bench.desk.tell()
    assert [e.after for e in bench.told(PhaseChanged)] == ["calm"]


async def test_a_phase_by_date_binds_from_its_first_moment() -> None:
    bench = await a_desk(playbook=dated(("calm", 10, 20)))
    await bench.step(9)
    bench.script.long()
    await bench.decide()
    assert last_rule(bench) == "position count"
    assert list(bench.journal.decisions.values())[-1].phase == "calm"


async def test_a_phase_chosen_by_hand_goes_before_the_dates_and_survives_a_restart() -> None:
    bench = await a_desk(playbook=dated(("calm", 0, 100)))
    assert await bench.desk.obey(SetPhase(phase="byhand", by="the owner")) == "Phase: byhand."
    await bench.restart()
    assert bench.desk.status().phase == "byhand"
    position = await bench.enter()
    assert (position.plan.phase, position.plan.take_profit) == ("byhand", D("0.01"))
    assert position.protection.target == D(60600)
    assert await bench.desk.obey(SetPhase(phase=None, by="the owner")) == "Phase: calm."
    assert [(e.before, e.after, e.by) for e in bench.told(PhaseChanged)] == [
        ("calm", "byhand", "the owner"),
        ("byhand", "calm", "the owner"),
    ]


async def test_a_later_phase_does_not_touch_what_is_open() -> None:
    bench = await a_desk(playbook=dated())
    position = await bench.enter()
    await bench.desk.obey(SetPhase(phase="byhand", by="the owner"))
    await bench.step(3)
    assert bench.desk.book.on(BTC) == position


async def test_a_phase_that_does_not_exist_is_refused() -> None:
    bench = await a_desk(playbook=dated())
    with pytest.raises(Misuse, match=r"no phase 'clam'; known: byhand"):
        await bench.desk.obey(SetPhase(phase="clam", by="the owner"))


async def test_the_same_phase_again_says_nothing() -> None:
    bench = await a_desk(playbook=dated())
    await bench.desk.obey(SetPhase(phase="byhand", by="the owner"))
    await bench.desk.obey(SetPhase(phase="byhand", by="the owner"))
    assert len(bench.told(PhaseChanged)) == 1


# --- the digest -------------------------------------------------------------------------------------------------------


async def test_the_digest_counts_waits_and_denials_once() -> None:
    bench = await a_desk(playbook=a_house(limits={"max_positions": 0}))
    for _ in range(3):
        await bench.decide()
        await bench.step()
    bench.script.long()
    await bench.decide()
    await bench.desk.obey(SumWaits())
    (digest,) = bench.told(WaitsSummed)
    assert (digest.waits, digest.denied) == (3, 1)
    assert digest.reasons == (("BTC", "denied: position count", 1), ("BTC", "no lead", 3))
    await bench.desk.obey(SumWaits())
    assert len(bench.told(WaitsSummed)) == 1, "there was nothing since"


async def test_the_digest_is_rebuilt_after_a_restart() -> None:
    bench = await a_desk(playbook=a_house(limits={"max_positions": 0}))
    for _ in range(2):
        await bench.decide()
        await bench.step()
    bench.script.long()
    await bench.decide()
    await bench.restart()
    await bench.step()
    bench.script.long(confidence=0.3)
    await bench.decide()
    await bench.desk.obey(SumWaits())
    (digest,) = bench.told(WaitsSummed)
    assert (digest.waits, digest.denied) == (3, 1)
    assert digest.since == NOW + SECOND
    closest = list(bench.journal.decisions.values())[-1]
    assert digest.closest == (closest.id, BTC, 300_000)


async def test_what_a_digest_has_told_is_not_told_again_after_a_restart() -> None:
    """Decided and summed in one moment, as the schedule does."""
    bench = await a_desk()
    await bench.step()
    await bench.decide()
    await bench.desk.obey(SumWaits())
    await bench.restart()
    await bench.step()
    await bench.desk.obey(SumWaits())
    assert len(bench.told(WaitsSummed)) == 1


# --- data -------------------------------------------------------------------------------------------------------------


async def test_the_end_of_data_closes_at_the_last_price() -> None:
    bench = await a_desk(a_series([60000, 60000, 60600]))
    await bench.enter()
    bench.script.long()
    await bench.step(2)
    (trade,) = bench.trades
    assert (trade.reason, trade.exit) == (ExitReason.END_OF_DATA, D(60600))
    assert len(bench.told(DataEnded)) == 1
    assert bench.desk.book.orders == {}
    assert len(bench.journal.decisions) == 1, "it does not look again where nothing comes any more"
    await bench.decide()
    assert len(bench.journal.decisions) == 1


async def test_the_end_of_one_instruments_data_leaves_the_others_alone() -> None:
    bench = await a_desk(*two_markets(btc=[60000] * 4, eth=[3000] * 9))
    await bench.enter(ETH)
    await bench.step(5)
    assert bench.desk.book.on(ETH)
    assert [e.symbol for e in bench.told(DataEnded)] == [BTC]
    market = bench.desk.status().capabilities[-1]
    assert (market.state, market.why) == (Armed.DEGRADED, "no more data: BTC")


async def test_a_gap_is_told_and_nothing_is_traded_in_it() -> None:
    btc = [60000.0, 60000.0, None, None, None, 60000.0, 60000.0]
    bench = await a_desk(*two_markets(btc=btc, eth=[3000] * 7))
    bench.script.long(BTC)
    for _ in range(3):
        await bench.step()
        if bench.clock.now() > NOW + 2 * SECOND:
            await bench.decide(BTC)
    assert not bench.journal.decisions
    assert not bench.told(DataGap)
    await bench.step(2)
    (gap,) = bench.told(DataGap)
    assert (gap.symbol, gap.after, gap.until, gap.bars) == (BTC, NOW + 2 * SECOND, NOW + 5 * SECOND, 3)
    await bench.decide(BTC)
    assert bench.desk.book.on(BTC)


async def test_a_position_in_a_gap_is_not_valued_and_not_closed_at_an_old_price() -> None:
    btc = [60000.0, 60000.0, None, None, None, 57000.0, 57000.0]
    bench = await a_desk(*two_markets(btc=btc, eth=[3000] * 7))
    await bench.enter(BTC)
    await bench.step(3)
    status = bench.desk.status()
    assert (status.equity, status.unrealised, status.positions[0].quote) == (None, None, None)
    assert not bench.trades
    await bench.step(2)
    (trade,) = bench.trades
    assert (trade.reason, trade.exit) == (ExitReason.STOP_LOSS, D(57000)), "the first price after it, not the trigger"


async def test_a_gap_is_not_told_again_after_a_crash_in_its_moment() -> None:
    btc = [60000.0, None, 60000.0, 60000.0]
    bench = await a_desk(*two_markets(btc=btc, eth=[3000] * 4))
    await bench.step(2)
    (gap,) = bench.told(DataGap)
    await bench.restart()
    for step in bench.feed.steps(bench.desk.resumed_at):
        await bench.player.play(step)
        break
    assert bench.told(DataGap) == [gap]


# --- restarts ---------------------------------------------------------------------------------------------------------


async def test_a_restart_goes_on_from_where_it_was() -> None:
    bench = await a_desk(*two_markets(eth=[3000, 3000, 2900, *[2900] * 30]))
    await bench.enter(ETH)
    await bench.step(3)
    position = await bench.enter(BTC)
    state = bench.desk.book.state
    await bench.restart()
    assert bench.desk.book.state == state
    assert bench.desk.book.positions == {position.id: position}
    assert bench.desk.book.booked == (await bench.venue.balance()).wallet
    first, second = bench.told(DeskStarted)
    assert (first.resumed, second.resumed, second.open_positions) == (False, True, 1)
    await bench.sweep()
    assert bench.desk.frozen == ""


async def test_the_age_of_a_position_is_not_reset_by_a_restart() -> None:
    bench = await a_desk(a_series([60000] * 40, every=HOUR))
    await bench.enter()
    await bench.step(20)
    await bench.restart()
    await bench.step(4)
    assert [t.reason for t in bench.trades] == [ExitReason.MAX_HOLD]


async def test_the_wash_guard_survives_a_restart() -> None:
    bench = await a_desk()
    position = await bench.enter()
    await bench.step()
    await bench.desk.obey(ClosePosition(position_id=position.id, by="the owner"))
    await bench.desk.settle()
    await bench.restart()
    await bench.step()
    bench.script.short()
    await bench.decide()
    assert last_rule(bench) == "wash guard"


async def test_stopping_says_what_is_left_open() -> None:
    bench = await a_desk()
    position = await bench.enter()
    assert await bench.desk.stop("asked to stop") == (position,)
    (stopped,) = bench.told(DeskStopped)
    assert (stopped.reason, stopped.left_open) == ("asked to stop", (position,))
    assert await bench.working() == {position.protection.stop_id, position.protection.target_id}


async def test_stopping_does_not_wait_for_a_request_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trading.desk.STOP_WITHIN", 0.05)
    bench = await a_desk()
    position = await bench.enter()
    bench.trouble.on("submit", asyncio.Event(), leg=Leg.CLOSE)
    asking = asyncio.create_task(bench.desk.obey(ClosePosition(position_id=position.id, by="the owner")))
    await until(lambda: bench.trouble.sent(Leg.CLOSE))
    (left,) = await asyncio.wait_for(bench.desk.stop("asked to stop"), 5)
    assert (left.id, left.closing) == (position.id, ExitReason.MANUAL)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


# --- inner errors -----------------------------------------------------------------------------------------------------


async def test_an_inner_error_is_said_once_and_freezes_entries_but_not_exits() -> None:
    bench = await a_desk(*two_markets(btc=DROP, eth=[3000.0] * 5))
    await bench.enter()

    async def breaks() -> None:
        raise RuntimeError("broken")

    for _ in range(3):
        bench.desk.lanes.post(BTC, breaks)
    await bench.desk.settle()
    assert [(e.where, e.detail) for e in bench.told(DeskFaulted)] == [(BTC, "RuntimeError: broken")]
    bench.script.long(ETH)
    await bench.decide(ETH)
    assert last_rule(bench) == "books"
    await bench.step(2)
    assert [t.reason for t in bench.trades] == [ExitReason.STOP_LOSS]


async def test_a_thinker_that_breaks_is_said_and_thinks_again() -> None:
    bench = await a_desk()

    async def breaks(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    run, bench.desk.cycle.run = bench.desk.cycle.run, breaks  # type: ignore[method-assign,assignment]
    await bench.decide()
    assert bench.desk.faults == {"cycle": "RuntimeError: broken"}
    bench.desk.cycle.run = run  # type: ignore[method-assign]
    bench.script.long()
    await bench.decide()
    assert last_rule(bench) == "books"


async def test_a_position_too_many_told_by_a_stranger_does_not_stop_the_exits() -> None:
    bench = await a_desk(a_series(DROP))
    await bench.enter()
    bench.venue._account.totals.wallet -= 100
    await bench.sweep()
    await bench.sweep()
    assert len(bench.told(BooksDisagreed)) == 1
    await bench.step(2)
    assert len(bench.trades) == 1


# --- what it shows ----------------------------------------------------------------------------------------------------


async def test_the_status_adds_up() -> None:
    bench = await a_desk(a_series([60000, 60000, 60600, 60600]))
    position = await bench.enter()
    await bench.step(2)
    status = bench.desk.status()
    assert status.unrealised == D("0.133") * 600
    assert status.equity == D(10000) - position.fees + D("0.133") * 600
    assert status.day_pnl == status.equity - 10000
    assert status.exposure == position.cost
    assert (status.mode, status.market, status.playbook, status.phase) == ("PAPER", "a test", "desk", "base")
    assert status.positions[0].rules[0] == "stop loss at 58500.0"
    assert status.last_decision == f"{position.id} long 0.90"
    assert [c.name for c in status.capabilities][:4] == ["journal", "venue paper", "protection", "desk"]


async def test_a_guard_that_is_not_confirmed_shows_in_the_self_check() -> None:
    bench = await a_desk()
    bench.trouble.visible_after = HOUR
    position = await bench.enter()
    shown = next(c for c in bench.desk.status().capabilities if c.name == "protection")
    assert (shown.state, shown.why) == (Armed.DEGRADED, f"not confirmed yet: {position.id}")


async def test_a_new_day_opens_with_its_own_equity_and_only_once() -> None:
    bars = [60000.0] * 13 + [60600.0] * 12
    bench = await a_desk(a_series(bars, every=HOUR))
    position = await bench.enter()
    while bench.clock.now().day == NOW.day:
        await bench.step()
    opened = D(10000) - position.fees + D("0.133") * bench.feed.quote(BTC).mark - position.cost
    assert bench.desk.book.state.day_equity == opened
    await bench.step(3)
    assert bench.desk.book.state.day_equity == opened
    assert bench.desk.status().day_pnl == bench.desk.status().equity - opened  # type: ignore[operator]


# --- the same again ---------------------------------------------------------------------------------------------------


@pytest.fixture
def wild() -> tuple[list[Series], list[Any]]:
    """Two markets that rise, fall, gap and end, with funding: every kind of event comes to pass."""
    waves = [1 + 0.03 * ((n * 7) % 11 - 5) / 5 + 0.02 * ((n * 3) % 5 - 2) / 2 for n in range(150)]
    btc = [(60000 * w, 60000 * w * 1.01, 60000 * w * 0.985, 60000 * w * 1.002) for w in waves]
    eth: list[Any] = [3000 / w for w in waves]
    eth[70:75] = [None] * 5
    series = [a_series(btc, every=HOUR, volume=50), a_series(eth[:140], symbol=ETH, every=HOUR)]
    return series, [a_funding(*((NOW + n * HOUR, 0.0003 * (-1) ** n) for n in range(4, 150, 8)))]


async def play(path: Path, wild: tuple[list[Series], list[Any]]) -> AsyncIterator[Any]:
    series, funding = wild
    database = await Database.open(path)
    journal = SqlJournal(database, route=lambda _: [], wall=SystemClock())
    house = a_house(schedule={"signals_every": HOUR, "digest_every": 12 * HOUR}, limits={"max_daily_loss": D(1)})
    due = MarketSchedule(house.schedule, [BTC, ETH]).due
    bench = await a_desk(*series, journal=journal, playbook=house, funding=funding, due=due)
    bench.script.long(BTC, confidence=0.8)
    bench.script.short(ETH, confidence=0.7)
    for step in bench.bars():
        bench.clock.set(step.at)
        await bench.player.play(step)
    await bench.desk.stop("the end")
    yield bench, await verify(database)
    await database.close()


async def test_the_same_run_twice_gives_the_same_journal(tmp_path: Path, wild: tuple[list[Series], list[Any]]) -> None:
    heads = []
    for name in ("one.db", "two.db"):
        async for bench, verified in play(tmp_path / name, wild):
            assert isinstance(verified, Verified)
            assert verified.rows > 100
            assert bench.desk.faults == {}
            assert bench.desk.frozen == ""
            assert bench.desk.book.booked == (await bench.venue.balance()).wallet
            heads.append(verified)
    assert heads[0] == heads[1]


Due = Callable[[datetime], list[Command]]


async def test_equity_is_the_start_and_the_sum_of_all_trades_to_the_last_digit(
    wild: tuple[list[Series], list[Any]],
) -> None:
    series, funding = wild
    house = a_house(schedule={"signals_every": HOUR}, limits={"max_daily_loss": D(1)})
    bench = await a_desk(*series, playbook=house, funding=funding, due=MarketSchedule(house.schedule, [BTC, ETH]).due)
    bench.script.long(BTC, confidence=0.8)
    bench.script.short(ETH, confidence=0.7)
    for step in bench.bars():
        bench.clock.set(step.at)
        await bench.player.play(step)
    trades = bench.trades
    assert len(trades) > 10
    assert {t.direction for t in trades} == set(Direction)
    assert any(t.funding for t in trades)
    assert bench.desk.book.booked == D(10000) + sum(t.net for t in trades) == (await bench.venue.balance()).wallet
    confirmed = {e.position.id for e in bench.told(ProtectionConfirmed)}
    intended = {o.decision_id for o in bench.journal.orders.values()}
    assert {t.id for t in trades} <= confirmed & intended
