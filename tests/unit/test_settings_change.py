"""Settings changed while the desk runs: in the schema's own words, undoable, kept over a restart, never by half."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.builders import BTC, a_playbook
from tests.desks import Bench, a_desk, a_house, until
from trading.decision import Decision
from trading.errors import BadPlaybook, Misuse
from trading.events import PhaseChanged, PlaybookChanged, SettingsChanged
from trading.messages import AddShadow, AmendPhase, Decide, SetPhase, Undo, UsePlaybook
from trading.model import ExitReason
from trading.playbook import Playbook
from trading.settings import UNDOABLE, differences

D = Decimal
HOUR = timedelta(hours=1)
ME = "a test"


def amend(phase: str = "final", **values: str) -> AmendPhase:
    return AmendPhase(phase=phase, values=tuple(values.items()), by=ME)


def use(name: str) -> UsePlaybook:
    return UsePlaybook(name=name, by=ME)


UNDO = Undo(by=ME)


def another(name: str = "another", **changes: object) -> Playbook:
    return a_house(name=name, **changes)


async def a_desk_with(*others: Playbook, **rest: object) -> Bench:
    """A desk whose library holds these playbooks, too."""
    bench = await a_desk(**rest)  # type: ignore[arg-type]
    bench.library = {p.name: p for p in (bench.playbook, *others)}
    return bench


def hold(bench: Bench, phase: str = "final") -> timedelta | None:
    found = bench.desk.playbook.phase_named(phase)
    assert found
    return found.max_hold


def last_decision(bench: Bench) -> Decision:
    return list(bench.journal.decisions.values())[-1]


# --- single values ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("phases.final.max_hold", "5h", 5 * HOUR),
        ("phases.final.max_positions", "3", 3),
        ("phases.final.max_positions", "0", 0),
        ("phases.final.take_profit", "0.025", D("0.025")),
        ("phases.final.take_profit", "2.5%", D("0.025")),
        ("phases.final.take_profit", "1", D(1)),
        ("phases.final.note", "all hands", "all hands"),
    ],
)
def test_a_value_is_read_as_a_file_would_have_it(key: str, text: str, value: object) -> None:
    phase = a_playbook("desk").amended({key: text}).phase_named("final")
    assert getattr(phase, key.rpartition(".")[2]) == value


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("phases.final.max_hodl", "5h", "phases.final.max_hodl: unknown key; did you mean 'max_hold'?"),
        ("phases.final.max_hold", "0h", "phases.final.max_hold: expected a length of time above 0"),
        ("phases.final.max_hold", "soon", "phases.final.max_hold: .*soon"),
        ("phases.final.max_positions", "-1", "phases.final.max_positions: expected a whole number"),
        ("phases.final.max_positions", "2.5", "phases.final.max_positions: expected a whole number"),
        ("phases.final.take_profit", "0", "phases.final.take_profit: expected a number above 0 and up to 1"),
        ("phases.final.take_profit", "1.01", "phases.final.take_profit: expected a number above 0 and up to 1"),
        ("phases.final.take_profit", "101%", "phases.final.take_profit: expected a number above 0 and up to 1"),
        ("phases.final.take_profit", "nan", "phases.final.take_profit: expected a number above 0 and up to 1"),
        ("phases.final.starts", "2026-01-05T00:00:00Z", "phases.final.ends: missing: starts is of no use without it"),
        ("phases.final.starts", "2026-01-05T00:00:00", "phases.final.starts: "),
        ("phases.finale.max_hold", "5h", "phases.finale: there is none; did you mean 'final'?"),
        ("fases.final.max_hold", "5h", "fases: there is none; did you mean 'phases'?"),
        ("phases.final", "5h", "phases.final: there is none"),
        ("title.x", "5h", "title: there is none"),
    ],
)
def test_what_does_not_fit_is_refused_in_the_schemas_words(key: str, text: str, said: str) -> None:
    with pytest.raises(BadPlaybook, match=said.replace("?", r"\?")):
        a_playbook("desk").amended({key: text})


def test_a_value_set_to_what_it_was_is_the_same_settings() -> None:
    playbook = a_playbook("desk")
    assert playbook.amended({"phases.final.max_hold": "6h"}).hash == playbook.hash
    assert playbook.amended({"phases.final.max_hold": "5h"}).hash != playbook.hash
    assert playbook.amended({}) is playbook


# --- amending ---------------------------------------------------------------------------------------------------------


async def test_an_amendment_is_told_with_what_it_changed() -> None:
    bench = await a_desk()
    said = await bench.desk.obey(amend(max_hold="5h", max_positions="2"))
    assert said == "Phase final: max_positions 5 (base) -> 2, max_hold 6h -> 5h (settings version 1)."
    assert hold(bench) == 5 * HOUR
    (event,) = bench.told(SettingsChanged)
    assert (event.by, event.version, event.undone) == (ME, 1, None)
    assert event.changes == (
        ("phases.final.max_positions", "5 (base)", "2"),
        ("phases.final.max_hold", "6h", "5h"),
    )


async def test_what_it_would_change_can_be_seen_before() -> None:
    bench = await a_desk()
    rows = bench.desk.changes(amend(max_hold="5h"))
    assert rows == (("phases.final.max_hold", "6h", "5h"),)
    assert hold(bench) == 6 * HOUR
    assert bench.desk.book.state.version == 0
    assert not bench.told(SettingsChanged)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (amend("finale", max_hold="5h"), "no phase 'finale'; known: early, mid, late, final"),
        (amend(max_hodl="5h"), "did you mean 'max_hold'"),
        (amend(max_hodl=""), "did you mean 'max_hold'"),
        (amend(max_hold="0h"), "length of time above 0"),
        (amend(max_hold="6h"), "how it is already"),
        (amend(name="end"), "keeps its name"),
        (amend(), "Which setting"),
        (UNDO, "nothing to undo"),
        (use("another"), "no playbook 'another'"),
        (use("deks"), "did you mean 'desk'"),
    ],
)
async def test_what_cannot_be_changed_is_refused_with_the_reason(command: AmendPhase, said: str) -> None:
    bench = await a_desk()
    before = bench.desk.book.state
    for attempt in (bench.desk.obey(command), asyncio.to_thread(bench.desk.changes, command)):
        with pytest.raises(Misuse, match=said):
            await attempt
    assert bench.desk.book.state == before


async def test_an_empty_value_goes_back_to_the_files_own() -> None:
    bench = await a_desk()
    own = bench.desk.playbook.hash
    await bench.desk.obey(amend(max_hold="5h", take_profit="0.04"))
    await bench.desk.obey(amend(max_hold="", take_profit=""))
    assert hold(bench) == 6 * HOUR
    assert bench.desk.playbook.hash == own
    assert bench.desk.book.state.overrides == {}
    assert bench.desk.book.state.version == 2


async def test_new_entries_follow_an_amendment_and_open_positions_do_not() -> None:
    bench = await a_desk()
    await bench.desk.obey(SetPhase(phase="final", by=ME))
    first = await bench.enter()
    assert first.plan.max_hold == 6 * HOUR
    await bench.desk.obey(amend(max_hold="5h", take_profit="0.03"))
    assert bench.desk.book.positions[first.id].plan == first.plan
    await bench.desk.execution.close(first, ExitReason.MANUAL, "by a test")
    await bench.step(61)
    second = await bench.enter()
    assert (second.plan.max_hold, second.plan.take_profit) == (5 * HOUR, D("0.03"))


async def test_the_record_of_a_decision_carries_the_settings_it_was_made_under() -> None:
    bench = await a_desk()
    await bench.decide()
    before = last_decision(bench).playbook_hash
    await bench.desk.obey(amend(max_hold="5h"))
    await bench.step()
    await bench.decide()
    assert last_decision(bench).playbook_hash == bench.desk.playbook.hash != before


# --- undoing ----------------------------------------------------------------------------------------------------------


async def test_undo_takes_the_last_change_back_and_is_itself_a_version() -> None:
    bench = await a_desk()
    own = bench.desk.playbook.hash
    await bench.desk.obey(amend(max_hold="5h"))
    await bench.desk.obey(amend(max_hold="4h"))
    assert bench.desk.changes(UNDO) == (("phases.final.max_hold", "4h", "5h"),)
    said = await bench.desk.obey(UNDO)
    assert said == "Undone: phase final: max_hold 5h -> 4h (settings version 3)."
    assert hold(bench) == 5 * HOUR
    await bench.desk.obey(UNDO)
    assert bench.desk.playbook.hash == own
    assert [(e.version, e.undone) for e in bench.told(SettingsChanged)] == [(1, None), (2, None), (3, 2), (4, 1)]
    with pytest.raises(Misuse, match="nothing to undo"):
        await bench.desk.obey(UNDO)


async def test_a_phase_set_by_hand_can_be_undone() -> None:
    bench = await a_desk()
    await bench.desk.obey(SetPhase(phase="mid", by=ME))
    await bench.desk.obey(SetPhase(phase="final", by=ME))
    await bench.desk.obey(UNDO)
    assert bench.desk.book.state.phase == "mid"
    await bench.desk.obey(UNDO)
    assert bench.desk.book.state.phase is None
    assert [e.after for e in bench.told(PhaseChanged)] == ["mid", "final", "mid", "base"]


async def test_a_phase_set_to_what_it_is_leaves_nothing_to_undo() -> None:
    bench = await a_desk()
    await bench.desk.obey(SetPhase(phase="mid", by=ME))
    await bench.desk.obey(SetPhase(phase="mid", by=ME))
    assert len(bench.desk.book.state.amendments) == 1


async def test_only_so_many_changes_are_kept_for_undoing() -> None:
    bench = await a_desk()
    for n in range(UNDOABLE + 3):
        await bench.desk.obey(amend(max_positions=str(n)))
    state = bench.desk.book.state
    assert (state.version, len(state.amendments), state.amendments[0].version) == (UNDOABLE + 3, UNDOABLE, 4)


# --- a restart --------------------------------------------------------------------------------------------------------


async def test_an_amendment_is_kept_over_a_restart_and_can_be_undone_after_it() -> None:
    bench = await a_desk()
    own = bench.desk.playbook.hash
    await bench.desk.obey(amend(max_hold="5h"))
    changed = bench.desk.playbook.hash
    await bench.restart()
    assert hold(bench) == 5 * HOUR
    assert bench.desk.playbook.hash == changed
    assert bench.desk.book.state.version == 1
    await bench.desk.obey(UNDO)
    assert bench.desk.playbook.hash == own
    await bench.restart()
    assert hold(bench) == 6 * HOUR
    assert bench.desk.book.state.version == 2


async def test_an_override_that_its_file_has_no_place_for_any_more_is_dropped_and_said_once() -> None:
    bench = await a_desk()
    await bench.desk.obey(amend(max_hold="5h"))
    await bench.desk.obey(amend("mid", max_hold="11h"))
    phases = [p.model_dump() for p in bench.playbook.phases if p.name != "final"]
    bench.playbook = a_house(phases=phases)
    await bench.restart()
    assert hold(bench, "mid") == 11 * HOUR
    event = bench.told(SettingsChanged)[-1]
    assert (event.by, event.changes) == ("the playbook's file", (("phases.final.max_hold", "5h", "gone"),))
    assert bench.desk.book.state.overrides == {"desk/phases.mid.max_hold": "11h"}
    await bench.restart()
    assert len(bench.told(SettingsChanged)) == 3


async def test_a_start_with_another_playbook_is_said_once_and_can_be_undone() -> None:
    other = another()
    bench = await a_desk_with(other)
    bench.playbook = other
    await bench.restart()
    await bench.restart()
    (event,) = bench.told(PlaybookChanged)
    assert (event.before, event.after, event.by) == ("desk", "another", "the start")
    await bench.desk.obey(UNDO)
    assert bench.desk.playbook.name == "desk"


# --- using another playbook -------------------------------------------------------------------------------------------


async def test_open_positions_keep_their_exits_and_new_entries_have_the_new_ones() -> None:
    bench = await a_desk_with(another(exits={"take_profit": "0.07"}))
    position = await bench.enter(BTC)
    said = await bench.desk.obey(use("another"))
    assert said == (
        "Playbook desk -> another (settings version 1). "
        f"Open positions keep the exits they were opened with: BTC long {position.id}. This market has no ETH."
    )
    (event,) = bench.told(PlaybookChanged)
    assert (event.before, event.after, event.kept, event.by) == ("desk", "another", (position.id,), ME)
    assert bench.desk.book.positions[position.id].plan == position.plan
    await bench.desk.execution.close(position, ExitReason.MANUAL, "by a test")
    await bench.step(61)
    second = await bench.enter(BTC)
    assert second.plan.take_profit == D("0.07")
    decision = last_decision(bench)
    assert (decision.playbook, decision.playbook_hash) == ("another", bench.desk.playbook.hash)


async def test_the_panel_the_view_and_who_follows_change_with_it() -> None:
    whole = another(schedule={"watch_every": "3m"}).model_dump()
    bench = await a_desk_with(Playbook.model_validate({**whole, "panel": {"technical": {"weight": 1}}}))
    heard: list[str] = []
    bench.desk.followers.append(lambda playbook: heard.append(playbook.name))
    await bench.desk.obey(use("another"))
    await bench.decide()
    assert set(bench.desk.panel.personas) == {"technical"}
    assert bench.desk.watch.every == timedelta(minutes=3)
    assert heard == ["another"]
    assert [o.persona for o in last_decision(bench).opinions] == ["technical"]


async def test_it_is_refused_where_the_market_has_nothing_of_it() -> None:
    bench = await a_desk_with(another(universe=("SOL", "ETH")))
    with pytest.raises(Misuse, match="no instrument of another"):
        await bench.desk.obey(use("another"))
    with pytest.raises(Misuse, match="desk is running already"):
        await bench.desk.obey(use("desk"))


async def test_a_file_that_has_changed_is_read_again() -> None:
    bench = await a_desk_with()
    bench.library["desk"] = a_house(exits={"take_profit": "0.07"})
    assert bench.desk.changes(use("desk")) == (("exits.take_profit", "0.05", "0.07"),)
    assert await bench.desk.obey(use("desk")) == "Playbook desk as its file is now (settings version 1)."
    assert bench.desk.playbook.exits.take_profit == D("0.07")


async def test_overrides_stay_with_the_playbook_they_were_made_for() -> None:
    bench = await a_desk_with(another())
    await bench.desk.obey(amend(max_hold="5h"))
    await bench.desk.obey(use("another"))
    assert hold(bench) == 6 * HOUR
    await bench.desk.obey(amend(max_hold="7h"))
    assert ("phases.final.max_hold", "7h", "5h") in bench.desk.changes(use("desk"))
    await bench.desk.obey(use("desk"))
    assert hold(bench) == 5 * HOUR
    await bench.desk.obey(use("another"))
    assert hold(bench) == 7 * HOUR


async def test_using_a_playbook_can_be_undone_over_a_restart() -> None:
    other = another()
    bench = await a_desk_with(other)
    await bench.desk.obey(amend(max_hold="5h"))
    await bench.desk.obey(use("another"))
    bench.playbook = other
    await bench.restart()
    await bench.desk.obey(UNDO)
    assert (bench.desk.playbook.name, hold(bench)) == ("desk", 5 * HOUR)
    assert [(e.before, e.after) for e in bench.told(PlaybookChanged)] == [("desk", "another"), ("another", "desk")]
    assert bench.desk.book.state.playbook == "desk"


@pytest.mark.parametrize(("phase", "goes_on"), [("final", "final"), ("early", None)])
async def test_a_phase_set_by_hand_goes_on_where_the_other_has_it(phase: str, goes_on: str | None) -> None:
    other = another(phases=[{"name": "final", "max_hold": "2h"}])
    bench = await a_desk_with(other)
    await bench.desk.obey(SetPhase(phase=phase, by=ME))
    await bench.desk.obey(use("another"))
    assert bench.desk.book.state.phase == goes_on
    await bench.desk.obey(UNDO)
    assert bench.desk.book.state.phase == phase


async def test_a_decision_is_made_under_one_set_of_settings() -> None:
    """The panel is thinking; the change waits for it, and the record is of the settings it began with."""
    bench = await a_desk_with(another(), instant=False)
    before = bench.desk.playbook.hash
    bench.script.hang = asyncio.Event()
    await bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule"))
    await until(lambda: bool(bench.script.asked))
    change = asyncio.create_task(bench.desk.obey(use("another")))
    await asyncio.sleep(0)
    assert bench.desk.playbook.name == "desk"
    bench.script.hang.set()
    await change
    await bench.desk.settle()
    assert bench.desk.playbook.name == "another"
    assert last_decision(bench).playbook_hash == before


async def test_settings_that_cannot_be_written_are_not_taken() -> None:
    bench = await a_desk_with(another())
    bench.journal.refusing = True
    for command in (amend(max_hold="5h"), use("another")):
        with pytest.raises(Exception, match="disk is full"):
            await bench.desk.obey(command)
    assert (bench.desk.playbook.name, hold(bench)) == ("desk", 6 * HOUR)


async def test_a_desk_alone_keeps_no_shadow_desks() -> None:
    bench = await a_desk()
    with pytest.raises(Misuse, match="live desk only"):
        await bench.desk.obey(AddShadow(name="desk", by=ME))


# --- differences ------------------------------------------------------------------------------------------------------


def test_no_difference_between_a_playbook_and_itself() -> None:
    assert differences(a_playbook("desk"), a_playbook("desk")) == ()


def test_differences_are_in_the_words_of_a_file() -> None:
    before = a_house(exits={"trailing": None}, limits={"max_risk": "0.02"})
    after = a_house(exits={"trailing": {"arm": "0.01"}}, limits={"max_risk": "0.010"}, universe=("BTC",))
    rows = {name: (a, b) for name, a, b in differences(before, after)}
    assert rows["limits.max_risk"] == ("0.02", "0.01")
    assert rows["exits.trailing.arm"] == ("", "0.01")
    assert rows["universe"] == ("BTC, ETH", "BTC")
    assert "exits.trailing" not in rows


def test_every_shipped_playbook_can_be_told_from_every_other() -> None:
    desk, smt = a_playbook("desk"), a_playbook("smt-3.1")
    rows = differences(desk, smt)
    assert rows[0] == ("playbook", "desk", "smt-3.1")
    assert all(a != b for _, a, b in rows)
    assert {(n, b, a) for n, a, b in rows} == set(differences(smt, desk))
