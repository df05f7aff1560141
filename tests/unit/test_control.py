"""People, dates and playbooks that change the same thing at the same moment: nothing is lost, nothing is done twice."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.builders import BTC, ETH, NOW
from tests.desks import SECOND, Bench, a_desk, a_house, two_markets, until
from trading.errors import Misuse
from trading.events import (
    DecisionMade,
    ExitTriggered,
    OrderEnded,
    PhaseChanged,
    PlaybookChanged,
    SettingsChanged,
    TradingHalted,
    TradingResumed,
)
from trading.messages import AmendPhase, ClosePosition, Decide, Halt, Resume, SetPhase, Undo, UsePlaybook
from trading.model import ExitReason, Leg, OrderStatus
from trading.personas.panel import Persona
from trading.playbook import Phase, Playbook
from trading.status import Armed

D = Decimal
ME, YOU = "one", "another"
AMEND = AmendPhase(phase="final", values=(("max_hold", "5h"),), by=YOU)


async def at_once(bench: Bench, *commands: Halt | Resume | SetPhase | AmendPhase | Undo | UsePlaybook) -> list[object]:
    """All given before the journal has taken the first; what each of them comes to."""
    bench.journal.slow = asyncio.Event()
    given = [asyncio.create_task(bench.desk.obey(command)) for command in commands]
    for _ in range(20):
        await asyncio.sleep(0)
    bench.journal.slow.set()
    return await asyncio.gather(*given, return_exceptions=True)


async def a_library(*others: Playbook, playbook: Playbook | None = None) -> Bench:
    bench = await a_desk(playbook=playbook or a_house())
    bench.library = {p.name: p for p in (bench.playbook, *others)}
    return bench


def calm(begins: int = 10) -> Playbook:
    """A playbook with a phase by date, in seconds from the beginning, and one by hand."""
    dates = Phase(name="calm", starts=NOW + begins * SECOND, ends=NOW + 1000 * SECOND, max_hold=timedelta(hours=1))
    return a_house(phases=(dates, Phase(name="byhand", take_profit=D("0.01"))))


def phases(bench: Bench) -> list[tuple[str, str, str]]:
    return [(e.before, e.after, e.by) for e in bench.told(PhaseChanged)]


# --- two people at once -----------------------------------------------------------------------------------------------


async def test_a_phase_and_a_setting_changed_at_once_are_two_versions_and_both_hold() -> None:
    bench = await a_library()
    await at_once(bench, SetPhase(phase="mid", by=ME), AMEND)
    state = bench.desk.book.state
    assert (state.phase, state.overrides) == ("mid", {"desk/phases.final.max_hold": "5h"})
    assert [a.version for a in state.amendments] == [1, 2]
    await bench.desk.obey(Undo(by=ME))
    assert (bench.desk.book.state.phase, bench.desk.book.state.overrides) == ("mid", {})


async def test_a_phase_that_another_playbook_does_not_have_is_not_set_on_it() -> None:
    bench = await a_library(a_house(name="bare", phases=[]))
    used, chosen = await at_once(bench, UsePlaybook(name="bare", by=YOU), SetPhase(phase="mid", by=ME))
    assert isinstance(used, str)
    assert isinstance(chosen, Misuse)
    assert (bench.desk.playbook.name, bench.desk.book.state.phase) == ("bare", None)


async def test_two_halts_and_two_resumes_at_once_are_one_each() -> None:
    bench = await a_desk()
    first, second = await at_once(bench, Halt(by=ME, reason=""), Halt(by=YOU, reason=""))
    assert (first, second) == ("No new entries. Exits and protection go on.", "Already halted by one.")
    _, refused = await at_once(bench, Resume(by=ME), Resume(by=YOU))
    assert isinstance(refused, Misuse)
    assert (len(bench.told(TradingHalted)), len(bench.told(TradingResumed))) == (1, 1)


async def test_what_two_people_take_back_at_once_is_taken_back_once() -> None:
    bench = await a_library()
    await bench.desk.obey(SetPhase(phase="mid", by=ME))
    await bench.desk.obey(AMEND)
    _, refused = await at_once(bench, Undo(by=ME, version=2), Undo(by=YOU, version=2))
    assert isinstance(refused, Misuse)
    assert "to version 3" in str(refused)
    assert bench.desk.book.state.phase == "mid"
    assert [e.undone for e in bench.told(SettingsChanged)] == [None, 2]


async def test_a_halt_does_not_wait_for_a_playbook_that_waits_for_the_panel() -> None:
    bench = await a_desk(instant=False)
    bench.library = {"other": a_house(name="other")}
    bench.script.hang = asyncio.Event()
    await bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule"))
    await until(lambda: bool(bench.script.asked))
    change = asyncio.create_task(bench.desk.obey(UsePlaybook(name="other", by=ME)))
    await asyncio.sleep(0)
    assert await bench.desk.obey(Halt(by=YOU, reason="")) == "No new entries. Exits and protection go on."
    assert not change.done()
    bench.script.hang.set()
    await change


# --- phases by their dates --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        SetPhase(phase=None, by=ME),
        AmendPhase(phase="calm", values=(("max_hold", "2h"),), by=ME),
    ],
)
async def test_a_phase_that_its_date_has_brought_is_said_though_a_person_comes_first(command: SetPhase) -> None:
    bench = await a_desk(playbook=calm())
    await bench.step(12)
    await bench.desk.obey(command)
    await bench.sweep()
    assert phases(bench) == [("base", "calm", "the playbook's dates")]


async def test_a_phase_that_its_date_has_brought_is_not_the_doing_of_who_leaves_it() -> None:
    bench = await a_desk(playbook=calm())
    await bench.step(12)
    await bench.desk.obey(SetPhase(phase="byhand", by=ME))
    assert phases(bench) == [("base", "calm", "the playbook's dates"), ("calm", "byhand", ME)]


async def test_a_phase_that_began_while_the_desk_was_down_is_said_with_the_start() -> None:
    bench = await a_desk(playbook=calm())
    bench.clock.set(NOW + 60 * SECOND)
    await bench.restart()
    await bench.restart()
    await bench.sweep()
    assert phases(bench) == [("base", "calm", "the playbook's dates")]


async def test_a_phase_by_hand_that_its_file_has_no_more_is_said_to_have_ended() -> None:
    bench = await a_desk(playbook=calm(begins=1000 - 1))
    await bench.desk.obey(SetPhase(phase="byhand", by=ME))
    bench.playbook = a_house(phases=[])
    await bench.restart()
    assert phases(bench)[1:] == [("byhand", "base", "the start")]
    assert bench.desk.book.state.phase is None
    assert not bench.told(PlaybookChanged)


# --- another playbook -------------------------------------------------------------------------------------------------


async def test_a_position_is_of_the_playbook_that_decided_on_it() -> None:
    """The entry is on its way while another playbook comes to run."""
    bench = await a_library(a_house(name="other"))
    gate = asyncio.Event()
    bench.trouble.on("submit", gate, leg=Leg.ENTRY)
    bench.script.long()
    await bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule"))
    await until(lambda: bool(bench.trouble.sent(Leg.ENTRY)))
    await bench.desk.obey(UsePlaybook(name="other", by=ME))
    gate.set()
    await bench.desk.settle()
    position = bench.desk.book.on(BTC)
    assert position
    assert (position.playbook, bench.desk.book.state.playbook) == ("desk", "other")


async def test_a_playbook_whose_panel_cannot_be_armed_is_not_taken_by_half() -> None:
    bench = await a_library(a_house(name="other"))
    arm = bench.desk.running._arm

    def fails(playbook: Playbook) -> tuple[dict[str, Persona], dict[str, str]]:
        raise RuntimeError("no seat")

    bench.desk.running._arm = fails
    with pytest.raises(RuntimeError, match="no seat"):
        await bench.desk.obey(UsePlaybook(name="other", by=ME))
    bench.desk.running._arm = arm
    assert (bench.desk.playbook.name, bench.desk.book.state.playbook) == ("desk", "desk")
    assert not bench.told(PlaybookChanged)


# --- between the decision and its order -------------------------------------------------------------------------------


def busy(bench: Bench) -> asyncio.Event:
    """The lane of BTC is, until this is set."""
    over = asyncio.Event()

    async def wait() -> None:
        await over.wait()

    bench.desk.lanes.post(BTC, wait)
    return over


async def approved(bench: Bench) -> asyncio.Event:
    """An entry is approved and waits for its lane, which is busy until this is set."""
    over = busy(bench)
    bench.script.long()
    await bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule"))
    await until(lambda: bool(bench.told(DecisionMade)))
    await bench.desk.thinking.settle()
    return over


async def test_an_entry_is_not_sent_after_its_data_has_ended() -> None:
    bench = await a_desk()
    over = await approved(bench)
    await bench.desk.on_data_ended(BTC)
    over.set()
    await bench.desk.settle()
    assert bench.trouble.sent() == []
    assert [(e.order.status, e.order.note) for e in bench.told(OrderEnded)] == [
        (OrderStatus.ABANDONED, "its data ended before it was sent")
    ]


async def test_an_entry_is_not_sent_after_entries_were_frozen() -> None:
    bench = await a_desk(*two_markets())
    over = await approved(bench)

    async def breaks() -> None:
        raise RuntimeError("books do not add up")

    bench.desk.lanes.post(ETH, breaks)
    await until(lambda: bool(bench.desk.faults))
    over.set()
    await bench.desk.settle()
    assert bench.trouble.sent() == []
    assert "books do not add up" in bench.told(OrderEnded)[0].order.note


# --- ends of data, and of a disk --------------------------------------------------------------------------------------


async def test_what_a_person_closes_as_its_data_ends_is_closed_once() -> None:
    bench = await a_desk()
    position = await bench.enter()
    over = busy(bench)
    closing = asyncio.create_task(bench.desk.obey(ClosePosition(position_id=position.id, by=ME)))
    await asyncio.sleep(0)
    await bench.desk.on_data_ended(BTC)
    over.set()
    await closing
    await bench.desk.settle()
    assert [e.reason for e in bench.told(ExitTriggered)] == [ExitReason.MANUAL]
    assert len(bench.trouble.sent(Leg.CLOSE)) == 1
    assert [t.reason for t in bench.trades] == [ExitReason.MANUAL]


async def test_a_round_that_writes_nothing_does_not_say_that_the_journal_writes_again() -> None:
    bench = await a_desk()
    bench.journal.refusing = True
    await bench.decide()
    await bench.step()
    await bench.decide(ETH)
    journal = bench.desk.status().capabilities[0]
    assert (journal.name, journal.state) == ("journal", Armed.DEGRADED)
    bench.journal.refusing = False
    await bench.sweep()
    assert bench.desk.status().capabilities[0].state is Armed.ARMED
