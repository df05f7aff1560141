"""Any setting of the running playbook changed in the chat: ranged by the schema, kept, undoable, never by half."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.builders import BTC, a_playbook
from tests.desks import a_desk, a_house, two_markets, until
from trading.errors import BadPlaybook, JournalUnwritable, Misuse
from trading.events import SettingsChanged
from trading.messages import Amend, AmendPhase, Decide, Halt, Undo
from trading.playbook import Playbook
from trading.settings import fitting

D = Decimal
ME = "Ann (telegram:7)"


def amend(**values: str) -> Amend:
    """`__` stands for the dot."""
    return Amend(values=tuple((key.replace("__", "."), text) for key, text in values.items()), by=ME)


# --- how a value is written -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("judge.min_confidence", "0.65", D("0.65")),
        ("judge.min_confidence", "65%", D("0.65")),
        ("judge.quorum", "renormalise", "renormalise"),
        ("limits.max_positions", "3", 3),
        ("limits.manual_entry", "no", False),
        ("limits.manual_entry", "On", True),
        ("limits.manual_entry", "true", True),
        ("schedule.watch_every", "3m", timedelta(minutes=3)),
        ("schedule.watch_every", "none", None),
        ("exits.break_even", "none", None),
        ("exits.trailing", "none", None),
        ("exits.partials", "none", ()),
        ("panel.flow.weight", "1.25", D("1.25")),
        ("panel.flow.tiers", "1, 2", (1, 2)),
        ("panel.flow.tiers", "1", (1,)),
        ("universe", "BTC, ETH", ("BTC", "ETH")),
        ("universe", '["BTC"]', ("BTC",)),
        ("health.win_rate", "50%, 0.4", (D("0.5"), D("0.4"))),
        ("sizing.steps.1.above", "0.85", D("0.85")),
        ("portfolio.sectors.meme", "DOGE, LTC", ("DOGE", "LTC")),
        ("phases.final.note", "5", "5"),
        ("phases.final.note", "none", "none"),
        ("breaker.day_loss.halt", "0.06", D("0.06")),
    ],
)
def test_a_value_is_read_as_it_is_shown_or_as_a_file_would_have_it(key: str, text: str, value: object) -> None:
    base = a_playbook("desk", portfolio={"sectors": {"meme": ["DOGE"]}})
    found: object = base.amended({key: text})
    for part in key.split("."):
        match found:
            case dict():
                found = found[part]
            case tuple():
                named = {getattr(item, "name", str(n)): item for n, item in enumerate(found, 1)}
                found = named[part]
            case _:
                found = getattr(found, part)
    assert found == value


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("judge.min_confidence", "1.5", "judge.min_confidence: expected a number above 0 and up to 1, found 1.5"),
        ("judge.min_confidense", "0.5", "unknown key; did you mean 'min_confidence'?"),
        ("jugde.min_confidence", "0.5", "jugde: there is none; did you mean 'judge'?"),
        ("judge.quorum", "most", 'expected one of "worst_case", "renormalise", found "most"'),
        ("limits.manual_entry", "maybe", "expected true or false"),
        ("limits.max_leverage", "5", "sizing.leverage: 10 is above limits.max_leverage"),
        ("panel.nobody.weight", "1", "panel.nobody: there is none"),
        ("universe", "none", "universe: expected a list of at least 1"),
        ("universe", "BTC, BTC", "universe: an asset stands twice"),
        ("universe.1", "BTC", "universe: there is none"),
        ("sizing.steps.9.above", "0.5", "sizing.steps.9: there is none"),
        ("sizing.steps.1.above", "2", "sizing.steps.1.above: expected a number above 0 and up to 1"),
        ("limits", "5", "limits: expected a table"),
        ("limits.max_risk.x", "5", "limits.max_risk: there is none"),
        ("health.evry", "", "unknown key; did you mean 'every'?"),
        ("evrything", "", "evrything: unknown key"),
    ],
)
async def test_what_does_not_fit_is_refused_in_the_schemas_words(key: str, text: str, said: str) -> None:
    bench = await a_desk(playbook=a_house(health={}))
    before = bench.desk.book.state
    command = Amend(values=((key, text),), by=ME)
    with pytest.raises(BadPlaybook) as preview:
        bench.desk.changes(command)
    with pytest.raises(BadPlaybook) as done:
        await bench.desk.obey(command)
    assert said in str(done.value)
    assert str(preview.value) == str(done.value)
    assert bench.desk.book.state == before


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (amend(name="other"), "A playbook keeps its name."),
        (amend(title="Other"), "A playbook keeps its name."),
        (amend(phases__final__name="end"), "A phase keeps its name."),
        (Amend(values=(), by=ME), "Which setting?"),
        (amend(judge__min_confidence="0.6"), "That is how it is already."),
        (amend(judge__min_confidence=""), "That is how it is already."),
        (amend(quote="USDC"), "This market trades in USDT, not in USDC."),
        (amend(universe="SOL", tier1="SOL"), "This market has no instrument of desk."),
    ],
)
async def test_what_cannot_be_changed_is_refused_with_the_reason(command: Amend, said: str) -> None:
    bench = await a_desk()
    with pytest.raises(Misuse, match=said.replace("?", r"\?")):
        await bench.desk.obey(command)
    assert not bench.told(SettingsChanged)


# --- what it does -----------------------------------------------------------------------------------------------------


async def test_it_is_previewed_told_kept_and_undone() -> None:
    bench = await a_desk()
    own = bench.desk.playbook.hash
    command = amend(judge__min_confidence="0.65", limits__max_positions="3")
    rows = (("judge.min_confidence", "0.6", "0.65"), ("limits.max_positions", "5", "3"))
    assert [row for row in bench.desk.changes(command) if row in rows] == list(rows)
    assert bench.desk.playbook.hash == own, "a preview changes nothing"
    said = await bench.desk.obey(command)
    assert said.startswith("Judge.min_confidence 0.6 -> 0.65, limits.max_positions 5 -> 3")
    assert said.endswith("(settings version 1).")
    (event,) = bench.told(SettingsChanged)
    assert (event.by, event.version, event.undone) == (ME, 1, None)
    assert set(rows) <= set(event.changes)
    await bench.restart()
    assert bench.desk.playbook.judge.min_confidence == D("0.65")
    assert bench.desk.changes(Undo(by=ME))[0] == ("judge.min_confidence", "0.65", "0.6")
    await bench.desk.obey(Undo(by=ME))
    assert bench.desk.playbook.hash == own


async def test_nothing_goes_back_to_the_files_own() -> None:
    bench = await a_desk()
    own = bench.desk.playbook.hash
    await bench.desk.obey(amend(judge__drag="0.4", judge__dominance="1.3"))
    await bench.desk.obey(amend(judge__drag=""))
    assert bench.desk.book.state.overrides == {"desk/judge.dominance": "1.3"}
    await bench.desk.obey(amend(judge__dominance=""))
    assert bench.desk.playbook.hash == own


async def test_a_phase_amended_either_way_is_one_and_the_same() -> None:
    general, special = await a_desk(), await a_desk()
    said = [
        await general.desk.obey(amend(phases__final__max_hold="5h", phases__final__max_positions="2")),
        await special.desk.obey(AmendPhase(phase="final", values=(("max_hold", "5h"), ("max_positions", "2")), by=ME)),
    ]
    assert said == ["Phase final: max_positions 5 (base) -> 2, max_hold 6h -> 5h (settings version 1)."] * 2
    assert general.desk.book.state.overrides == special.desk.book.state.overrides
    assert general.desk.playbook == special.desk.playbook
    assert [e.changes for e in general.told(SettingsChanged)] == [e.changes for e in special.told(SettingsChanged)]


async def test_a_whole_part_takes_what_was_set_within_it_along() -> None:
    bench = await a_desk(playbook=a_house(health={}))
    await bench.desk.obey(amend(health__every="7"))
    await bench.desk.obey(amend(health="none"))
    assert bench.desk.playbook.health is None
    assert bench.desk.book.state.overrides == {"desk/health": "none"}
    await bench.restart()
    assert bench.desk.playbook.health is None
    await bench.desk.obey(Undo(by=ME))
    assert bench.desk.playbook.health is not None
    assert bench.desk.playbook.health.every == 7


async def test_two_settings_that_are_of_no_use_alone_survive_a_restart_together() -> None:
    bench = await a_desk(playbook=a_house(exits={"early_after": None, "early_loss": None}))
    await bench.desk.obey(amend(exits__early_after="2h", exits__early_loss="2%"))
    await bench.restart()
    assert bench.desk.playbook.exits.early_after == timedelta(hours=2)
    assert len(bench.told(SettingsChanged)) == 1, "nothing was dropped"


def test_what_fits_one_by_one_is_kept_where_not_all_fits() -> None:
    overrides = {"desk/judge.drag": "0.4", "desk/gone.away": "1", "desk/judge.dominance": "1.3", "other/x": "1"}
    fit = fitting(a_playbook("desk"), overrides)
    assert fit.dropped == ("gone.away",)
    assert fit.overrides == {k: v for k, v in overrides.items() if k != "desk/gone.away"}


async def test_another_universe_is_followed_and_what_the_market_lacks_is_said() -> None:
    bench = await a_desk(*two_markets())
    said = await bench.desk.obey(amend(universe="ETH, SOL", tier1="ETH"))
    assert said == "Universe BTC, ETH -> ETH, SOL, tier1 BTC, ETH -> ETH (settings version 1). This market has no SOL."
    bench.script.long(BTC)
    await bench.decide(BTC)
    assert not bench.journal.decisions, "it is not looked at any more"


async def test_the_panel_the_judge_and_the_schedule_follow() -> None:
    bench = await a_desk()
    heard: list[Playbook] = []
    bench.desk.followers.append(heard.append)
    bench.script.long(confidence=0.7)
    await bench.desk.obey(
        amend(judge__min_confidence="0.75", panel__flow__weight="3", schedule__watch_every="5m", tier1="BTC")
    )
    await bench.decide()
    (decision,) = bench.journal.decisions.values()
    assert decision.outcome == "wait"
    assert decision.weights == {"flow": 3000, "technical": 1000}
    assert decision.playbook_hash == bench.desk.playbook.hash
    assert bench.desk.watch.every == timedelta(minutes=5)
    assert heard == [bench.desk.playbook]


async def test_it_waits_for_a_round_and_a_halt_does_not_wait_for_it() -> None:
    bench = await a_desk(instant=False)
    bench.script.hang = asyncio.Event()
    await bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule"))
    await until(lambda: bool(bench.script.asked))
    change = asyncio.create_task(bench.desk.obey(amend(judge__drag="0.4")))
    await asyncio.sleep(0)
    await bench.desk.obey(Halt(by="Bob"))
    assert not change.done()
    bench.script.hang.set()
    await change
    assert bench.desk.playbook.judge.drag == D("0.4")


async def test_two_people_amend_at_once_and_both_changes_hold() -> None:
    bench = await a_desk()
    await asyncio.gather(bench.desk.obey(amend(judge__drag="0.4")), bench.desk.obey(amend(judge__dominance="1.3")))
    assert (bench.desk.playbook.judge.drag, bench.desk.playbook.judge.dominance) == (D("0.4"), D("1.3"))
    assert bench.desk.book.state.version == 2


async def test_a_journal_that_cannot_write_changes_nothing() -> None:
    bench = await a_desk()
    own = bench.desk.playbook.hash
    bench.journal.refusing = True
    with pytest.raises(JournalUnwritable):
        await bench.desk.obey(amend(judge__drag="0.4"))
    assert bench.desk.playbook.hash == own
    assert bench.desk.book.state.overrides == {}
