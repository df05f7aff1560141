"""Everything is closed, whatever still comes is closed too, and nothing is entered until somebody resumes."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from storage.database import Database
from storage.journal import SqlJournal
from tests.builders import BTC, ETH
from tests.desks import HOUR, Bench, a_desk, a_house, two_markets, until
from trading.breaker import Level
from trading.clock import SystemClock
from trading.errors import UnknownOutcome, VenueDown
from trading.events import ExitTriggered, Flattened, OrderEnded, TradingHalted
from trading.messages import ClosePosition, Decide, Flatten, Halt, OverrideBreaker, ResetBreaker, Resume
from trading.model import ExitReason, Leg, TradingState

D = Decimal
ME = "Ann (telegram:7)"
FLATTEN = Flatten(by=ME)


async def two_positions() -> Bench:
    bench = await a_desk(*two_markets())
    await bench.enter(BTC)
    await bench.enter(ETH)
    return bench


async def test_everything_is_closed_and_trading_is_halted() -> None:
    bench = await two_positions()
    said = await bench.desk.obey(FLATTEN)
    await bench.desk.settle()
    assert said == "Halted. Closing 2 positions at market: BTC long 0.133, ETH long 2.665."
    assert await bench.held() == {}
    assert await bench.working() == set()
    assert {(t.reason, t.note) for t in bench.trades} == {(ExitReason.MANUAL, f"flattened by {ME}")}
    (told,) = bench.told(Flattened)
    assert (told.by, set(told.positions), told.withdrawn) == (ME, {t.id for t in bench.trades}, 0)
    (halt,) = bench.told(TradingHalted)
    assert (halt.by, halt.reason) == (ME, "flattened")
    status = bench.desk.status()
    assert (status.trading, status.halted_by, status.halt_reason) == (TradingState.HALTED, ME, "flattened")


async def test_with_nothing_open_it_halts() -> None:
    bench = await a_desk()
    assert await bench.desk.obey(FLATTEN) == "Halted. Nothing is open."
    bench.script.long()
    await bench.decide()
    assert await bench.held() == {}


async def test_a_halted_desk_is_flattened_without_a_second_halt() -> None:
    bench = await two_positions()
    await bench.desk.obey(Halt(by="Bob", reason="lunch"))
    await bench.desk.obey(FLATTEN)
    await bench.desk.settle()
    assert await bench.held() == {}
    assert len(bench.told(TradingHalted)) == 1
    assert bench.desk.status().halt_reason == "flattened"


async def test_what_is_being_closed_already_keeps_its_reason() -> None:
    bench = await a_desk()
    position = await bench.enter()
    bench.trouble.on("submit", VenueDown("no route"), leg=Leg.CLOSE)
    await bench.desk.obey(ClosePosition(position_id=position.id, by="Bob"))
    await bench.desk.obey(FLATTEN)
    await bench.step(3)
    (trade,) = bench.trades
    assert trade.note == "by Bob"


# --- entries on their way ---------------------------------------------------------------------------------------------


async def test_an_entry_that_was_not_sent_is_withdrawn() -> None:
    bench = await a_desk()
    stuck = asyncio.Event()
    bench.desk.lanes.post(BTC, stuck.wait)  # type: ignore[arg-type]
    bench.script.long()
    await bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule"))
    await until(lambda: bool(bench.desk.book.entries()))
    said = await bench.desk.obey(FLATTEN)
    stuck.set()
    await bench.desk.settle()
    assert said == "Halted. Nothing is open. 1 entry on its way is withdrawn, or closed where it fills."
    assert bench.told(Flattened)[0].withdrawn == 1
    (ended,) = bench.told(OrderEnded)
    assert (ended.withdrawn, ended.order.note) == (True, "halted before it was sent")
    assert not bench.trouble.sent()


async def test_an_entry_of_unknown_outcome_is_closed_when_it_turns_out_to_have_filled() -> None:
    bench = await a_desk()
    bench.trouble.on("submit", UnknownOutcome("no answer"), leg=Leg.ENTRY, when="after")
    bench.trouble.on("order", VenueDown("no route"), times=3)
    bench.trouble.lose_updates = True
    bench.script.long()
    await bench.decide()
    await bench.desk.obey(FLATTEN)
    await bench.step(1)
    assert await bench.held() != {}
    await bench.step(8)
    await bench.sweep()
    await bench.step(3)
    assert await bench.held() == {}
    (trade,) = bench.trades
    assert (trade.reason, trade.note) == (ExitReason.MANUAL, f"flattened by {ME}")
    assert bench.desk.frozen == ""


async def test_the_venue_is_asked_to_take_back_what_it_has_of_an_entry() -> None:
    bench = await a_desk()
    bench.trouble.on("submit", UnknownOutcome("no answer"), leg=Leg.ENTRY)
    bench.script.long()
    await bench.decide()
    await bench.desk.obey(FLATTEN)
    await bench.desk.settle()
    assert [call for call, _ in bench.trouble.calls].count("cancel") == 1


async def test_an_entry_that_cannot_be_taken_back_is_no_fault() -> None:
    bench = await a_desk()
    bench.trouble.on("submit", UnknownOutcome("no answer"), leg=Leg.ENTRY)
    bench.trouble.on("cancel", VenueDown("no route"))
    bench.script.long()
    await bench.decide()
    await bench.desk.obey(FLATTEN)
    await bench.desk.settle()
    assert bench.desk.faults == {}


async def test_a_round_that_is_being_thought_about_enters_nothing_and_is_not_waited_for() -> None:
    bench = await a_desk(instant=False)
    bench.script.hang = asyncio.Event()
    bench.script.long()
    await bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule"))
    await until(lambda: bool(bench.script.asked))
    await bench.desk.obey(FLATTEN)
    bench.script.hang.set()
    await bench.desk.settle()
    assert not bench.trouble.sent()


# --- when things are broken -------------------------------------------------------------------------------------------


async def test_while_the_venue_is_down_it_is_decided_and_carried_out_when_it_is_back() -> None:
    bench = await two_positions()
    bench.trouble.on("submit", VenueDown("no route"), leg=Leg.CLOSE, times=4)
    await bench.desk.obey(FLATTEN)
    await bench.desk.settle()
    assert set(await bench.held()) == {BTC, ETH}
    await bench.step(5)
    assert await bench.held() == {}


async def test_while_the_journal_cannot_write_everything_is_closed_and_written_later() -> None:
    bench = await two_positions()
    bench.journal.refusing = True
    assert (await bench.desk.obey(FLATTEN)).startswith("Halted. Closing 2 positions")
    await bench.desk.settle()
    assert await bench.held() == {}
    bench.journal.refusing = False
    await bench.sweep()
    assert len(bench.told(Flattened)) == 1
    assert len(bench.told(ExitTriggered)) == len(bench.trades) == 2


async def test_a_stuck_lane_holds_up_neither_the_others_nor_the_answer() -> None:
    bench = await two_positions()
    stuck = asyncio.Event()
    bench.desk.lanes.post(BTC, stuck.wait)  # type: ignore[arg-type]
    await bench.desk.obey(FLATTEN)
    await until(lambda: len(bench.trades) == 1)
    assert set(await bench.held()) == {BTC}
    stuck.set()
    await bench.desk.settle()
    assert await bench.held() == {}


async def test_a_crash_right_after_it_closes_everything_at_the_next_start(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "desk.db")
    bench = await a_desk(*two_markets(), journal=SqlJournal(database, route=lambda _: [], wall=SystemClock()))
    await bench.enter(BTC)
    bench.desk.lanes.post(BTC, asyncio.Event().wait)  # type: ignore[arg-type]
    await bench.desk.obey(FLATTEN)
    await bench.restart()
    assert set(await bench.held()) == {BTC}
    await bench.step(2)
    assert await bench.held() == {}
    await database.close()


# --- the way back -----------------------------------------------------------------------------------------------------


async def test_after_a_resume_entries_stay_open_again() -> None:
    bench = await two_positions()
    await bench.desk.obey(FLATTEN)
    await bench.desk.settle()
    await bench.desk.obey(Resume(by=ME))
    await bench.step(61)
    await bench.enter(BTC)
    await bench.step(5)
    assert set(await bench.held()) == {BTC}


@pytest.mark.parametrize("halted", [True, False])
async def test_after_shutdown_a_reset_and_a_resume_let_entries_in_again(halted: bool) -> None:
    bench = await a_desk(playbook=a_house(breaker={"failures": {"shutdown": D(1)}, "failures_within": "2s"}))
    bench.script.long()
    bench.trouble.on("submit", VenueDown("no route"), leg=Leg.ENTRY)
    await bench.decide()
    if halted:
        await bench.desk.obey(Halt(by=ME))
    await bench.step(5)
    assert bench.desk.status().breaker.level is Level.SHUTDOWN
    assert await bench.desk.obey(ResetBreaker(by=ME)) == "The breaker is CLOSED; it was at SHUTDOWN."
    if halted:
        await bench.desk.obey(Resume(by=ME))
    await bench.step()
    await bench.decide()
    assert await bench.held()


async def test_a_flattened_desk_under_an_override_is_closed_all_the_same() -> None:
    bench = await two_positions()
    await bench.desk.obey(OverrideBreaker(level=Level.CLOSED, lasts=HOUR, by=ME))
    await bench.desk.obey(FLATTEN)
    await bench.desk.settle()
    assert await bench.held() == {}
