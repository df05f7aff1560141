"""Settings, phases and playbooks in the chat: the difference first, then a yes, then the change."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal as D
from pathlib import Path

import pytest

from bot.library import Library
from tests import surface_examples as examples
from tests.asking import BY, LINES, a_stage, last_run, tap
from tests.surfaces import OLA, OTTO, Stage
from trading import events as m
from trading.errors import Misuse
from trading.messages import AddShadow, Amend, AmendPhase, Command, RemoveShadow, SetPhase, Undo, UsePlaybook
from trading.playbook import load


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with a_stage(tmp_path) as made:
        yield made


# --- settings ---------------------------------------------------------------------------------------------------------


async def test_a_setting_is_changed_after_difference_range_and_whom_it_is_for_were_shown(stage: Stage) -> None:
    asked = await stage.card("/set min_confidence = 0.7")
    for part in (
        "judge.min_confidence: 1 -> 0.7",
        "Range: a number above 0 and up to 1",
        "In the file: 0.6",
        "It is for every decision from the next look on.",
        f"Open positions keep the exits they were opened with: {examples.ID}",
        "Settings version 4 -> 5",
    ):
        assert part in asked.plain()
    await tap(stage, asked)
    assert stage.desk.obeyed == [Amend(values=(("judge.min_confidence", "0.7"),), by=BY)]


VALUES = (("2.5 %", "2.5%"), ("6 H", "6h"), ("file", ""), ("Default", ""), ("[1, 2]", "[1, 2]"))


async def test_a_value_is_read_as_it_is_meant_and_again_at_the_tap(stage: Stage) -> None:
    for typed, value in VALUES:
        await tap(stage, await stage.card(f"/set limits.max_risk {typed}"))
        assert stage.desk.obeyed[-1] == Amend(values=(("limits.max_risk", value),), by=BY), typed


async def test_settings_page_by_buttons_in_place_and_come_as_a_file(stage: Stage) -> None:
    first = await stage.card("/settings", who=OLA)
    assert [b.data for b in first.buttons] == ["re:/settings page=2", "do:/settings csv", "do:/settings changed"]
    second = await stage.card(button=first.buttons[0].data, who=OLA)
    assert second.buttons[0].data == "re:/settings page=1"
    file = (await stage.card("/settings csv", who=OLA)).file
    assert file is not None
    head, row, *rest = file.content.decode().splitlines()
    assert head == "key,value,file,range,source,changed by,changed at,version"
    assert row == (
        "judge.min_confidence,0.65,0.6,a number above 0 and up to 1,chat,Ana (telegram:7),2024-05-03T14:05:00Z,4"
    )
    assert len(rest) == len(LINES) - 1


async def test_undo_takes_back_only_what_it_has_shown(stage: Stage) -> None:
    asked = await stage.card("/undo")
    assert "phase final, max_hold: 6h -> 12h" in asked.plain()
    await tap(stage, await stage.card("/phase set final max_hold=6h"))
    late = await tap(stage, asked)
    assert "the settings have changed meanwhile, to version 5" in late.plain()
    await tap(stage, await stage.card("/undo"))
    assert stage.desk.obeyed[1:] == [Undo(by=BY, version=5)]


async def test_reload_shows_the_difference_names_faulty_files_and_uses_the_running_file_again(
    stage: Stage, tmp_path: Path
) -> None:
    own = tmp_path / "playbooks"
    own.mkdir()
    (own / "torn.toml").write_text('name = "torn"\n')
    asked = await stage.card("/reload")
    assert "setting.0: 1 -> 2" in asked.plain()
    assert "And 8 more settings, below" in asked.plain()
    assert "Not read, faulty: torn: torn.toml: title: missing" in asked.plain()
    await tap(stage, asked)
    assert stage.desk.obeyed == [UsePlaybook(name="desk", by=BY)]


async def test_reload_of_a_faulty_running_file_changes_nothing(stage: Stage, tmp_path: Path) -> None:
    own = tmp_path / "playbooks"
    own.mkdir()
    stage.desk.playbook = load("desk").model_copy(update={"name": "mine"})
    (own / "mine.toml").write_text('name = "mine"\ntitle = "x"\n')
    refused = (await stage.card("/reload")).plain()
    assert "nothing is changed: the running playbook's file has a fault: mine.toml: universe: missing" in refused


async def test_reload_of_files_that_say_what_runs_has_nothing_to_do(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def same(_: Command) -> tuple[tuple[str, str, str], ...]:
        raise Misuse("desk is running already.")

    monkeypatch.setattr(stage.desk, "changes", same)
    card = await stage.card("/reload")
    assert "desk is as its file says" in card.title
    assert card.token == ""


# --- phases -----------------------------------------------------------------------------------------------------------


async def test_a_phase_is_chosen_after_a_confirmation(stage: Stage) -> None:
    for typed, phase in (("/phase use Final", "final"), ("/phase use auto", None), ("/phase final", "final")):
        await tap(stage, await stage.card(typed, who=OTTO), who=OTTO)
        assert stage.desk.obeyed[-1] == SetPhase(phase=phase, by="telegram:9")


async def test_who_may_not_choose_a_phase_is_shown_it(stage: Stage) -> None:
    shown = await stage.card("/phase final", who=OLA)
    assert "protect what is there" in shown.plain()
    assert shown.token == ""
    stage.desk.view = replace(stage.desk.view, phase="final")
    assert "phase final (on)" in (await stage.card("/phase final", who=OTTO)).title


AMENDMENTS = (
    ("/phase set final max_hold=6h max_positions=3", (("max_hold", "6h"), ("max_positions", "3"))),
    ("/phase SET Final Max_Hold = 6 H  max positions=3", (("max_hold", "6h"), ("max_positions", "3"))),
    ("/phase set final max-hold= max_positions=3", (("max_hold", ""), ("max_positions", "3"))),
    ("/phase set final take_profit=2.5 % max_hold=default", (("take_profit", "2.5%"), ("max_hold", ""))),
    ("/phase set final note=hold what is there stoploss=0.01", (("note", "hold what is there"), ("stop_loss", "0.01"))),
)


@pytest.mark.parametrize(("typed", "values"), AMENDMENTS)
async def test_a_phase_is_amended_after_its_difference_was_shown(
    stage: Stage, typed: str, values: tuple[tuple[str, str], ...]
) -> None:
    asked = await stage.card(typed)
    assert "phase final, max_hold: 12h -> 6h" in asked.plain()
    assert "The phase that is on is base." in asked.plain()
    assert "Settings version 4 -> 5" in asked.plain()
    done = await tap(stage, asked)
    assert stage.desk.obeyed == [AmendPhase(phase="final", values=values, by=BY)]
    assert "phase final, max_positions: 5 (base) -> 3" in done.plain()
    assert (await last_run(stage)).changes == (("settings version", "4", "5"),)


async def test_what_was_asked_for_and_is_so_already_is_said(stage: Stage) -> None:
    asked = await stage.card("/phase set final max_hold=6h stop_loss=1%")
    assert "stop_loss: 1% already" in asked.lines
    assert not [line for line in asked.lines if line.startswith("max_hold:")]


async def test_what_a_setting_cannot_be_is_said_about_the_words_that_were_typed(stage: Stage) -> None:
    card = await stage.card("/phase set final max_hold=0h")
    assert "max_hold: should be greater than 0 (found 0h)" in card.plain()
    assert "phases." not in card.plain()
    assert "Usage: /phase set" in card.plain()


# --- playbooks --------------------------------------------------------------------------------------------------------


async def test_another_playbook_is_used_after_a_confirmation_that_says_what_positions_keep(stage: Stage) -> None:
    asked = await stage.card("/playbook use smt-3.1")
    assert "Open positions keep the exits they were opened with: btc-k3f9x2pa" in asked.plain()
    assert "setting.0: 1 -> 2" in asked.plain()
    assert "And 8 more settings, below" in asked.plain()
    assert asked.detail[-1] == "setting.19: 1 -> 2"
    done = await tap(stage, asked)
    assert stage.desk.obeyed == [UsePlaybook(name="smt-3.1", by=BY)]
    assert "playbook desk -> smt-3.1" in done.title


async def test_shadows_are_added_and_removed_after_a_confirmation(stage: Stage) -> None:
    asked = await stage.card("/shadow REMOVE SMT3.1")
    assert "240 the same" in asked.plain()
    await tap(stage, asked)
    assert "no playbook runs in shadow" in (await stage.card("/shadow")).plain()
    assert "no playbook runs in shadow" in (await stage.card("/shadow remove smt-3.1")).plain()
    await tap(stage, await stage.card("/shadow add smt-3.1"))
    name = "smt-3.1"
    assert stage.desk.obeyed == [RemoveShadow(name=name, by=BY), AddShadow(name=name, by=BY)]


PASTED = '[judge]\nmin_confidence = 0.7\n\n[[phases]]\nname = "calm"\n'
NEW = (
    "/playbook new calm from desk judge.min_confidence=0.7 sizing.leverage = 5",
    "/playbook new Calm desk judge.min_confidence=0.7 sizing.leverage=5",
    "/playbook new calm judge.min_confidence=0.7 sizing.leverage=5",
    "/playbook new calm from desk\n[judge]\nmin_confidence = 0.7\n[sizing]\nleverage = 5",
    "/playbook new calm desk\n```toml\n[judge]\nmin_confidence = 0.7\n[sizing]\nleverage = 5\n```",
)


@pytest.mark.parametrize("text", NEW)
async def test_a_new_playbook_is_shown_written_for_its_owner_alone_and_starts_in_shadow(
    stage: Stage, tmp_path: Path, text: str
) -> None:
    asked = await stage.card(text)
    assert "judge.min_confidence: 0.6 -> 0.7" in asked.plain()
    assert "sizing.leverage: 10 -> 5" in asked.plain()
    path = tmp_path / "playbooks" / "calm.toml"
    assert not path.exists()
    done = await tap(stage, asked)
    assert path.stat().st_mode & 0o777 == 0o600
    made, parent = Library(tmp_path).load("calm"), load("desk")
    assert (made.judge.min_confidence, made.sizing.leverage) == (D("0.7"), 5)
    assert made.exits == parent.exits
    assert stage.desk.obeyed == [AddShadow(name="calm", by=BY)]
    told = await stage.queries.last_event("PlaybookWritten")
    assert isinstance(told, m.PlaybookWritten)
    assert (told.playbook, told.parent) == ("calm", "desk")
    assert "playbook calm made" in done.title
    assert "[judge]" not in done.plain()
    assert (await last_run(stage)).result.startswith("done: /playbook new calm from desk")


async def test_a_whole_playbook_is_pasted_without_a_parent(stage: Stage, tmp_path: Path) -> None:
    text = 'title = "Two coins"\nuniverse = ["BTC", "ETH"]\n[panel.technical]\nweight = 1\n'
    asked = await stage.card(f"/playbook new two\n{text}")
    assert "Universe: BTC ETH" in asked.plain()
    await tap(stage, asked)
    assert Library(tmp_path).load("two").universe == ("BTC", "ETH")


NOT_A_PLAYBOOK = (
    ("/playbook new", "which name?"),
    ("/playbook new desk", "there is a playbook 'desk' already"),
    ("/playbook new ../up from desk", "is not a new name of small letters"),
    ("/playbook new calm from dsk", "did you mean desk?"),
    ("/playbook new calm from desk judge.min_confidnce=0.7", "did you mean 'min_confidence'?"),
    ("/playbook new calm from desk judge.min_confidence=70", "above 0 and up to 1, found 70"),
    ("/playbook new calm from desk faster", "is no setting=value"),
    ("/playbook new calm from desk judge.min_confidence=0.7 judge.min_confidence=0.8", "stands twice"),
    ("/playbook new calm from desk\n[judge\n", "not TOML"),
    ("/playbook new calm from desk\n[judge]\nmin_confidnce = 1", "did you mean 'min_confidence'?"),
    ('/playbook new calm from desk\nname = "other"', "the text calls itself 'other'"),
    ("/playbook new calm from desk x=1\n[judge]\nmin_confidence = 0.7", "only NAME from PARENT"),
    ('/playbook new calm\ntitle = "x"', "universe: missing"),
)


async def test_what_is_no_playbook_is_said_plainly_and_nothing_is_written(stage: Stage, tmp_path: Path) -> None:
    said = {text: (await stage.card(text)).plain() for text, _ in NOT_A_PLAYBOOK}
    assert {(text, said[text]) for text, part in NOT_A_PLAYBOOK if part not in said[text]} == set()
    assert not (tmp_path / "playbooks").exists()


async def test_a_name_that_was_taken_meanwhile_is_not_written_over(stage: Stage, tmp_path: Path) -> None:
    first, second = await stage.card("/playbook new calm from desk"), await stage.card("/playbook new calm from sigma")
    await tap(stage, first)
    assert "there is a playbook 'calm' already" in (await tap(stage, second)).plain()
    assert Library(tmp_path).load("calm").exits == load("desk").exits


async def test_a_playbook_that_finds_no_room_in_shadow_is_written_all_the_same(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(_: Command) -> str:
        raise Misuse("3 playbooks in shadow are the most")

    monkeypatch.setattr(stage.desk, "obey", full)
    done = await tap(stage, await stage.card("/playbook new calm from desk"))
    assert "does not run in shadow: 3 playbooks in shadow are the most" in done.plain()
    assert (tmp_path / "playbooks" / "calm.toml").is_file()
