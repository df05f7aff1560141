"""Every setting with its value, the file's own, its range in words, and who changed it."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from tests.builders import a_playbook
from tests.desks import SECOND, Bench, a_desk, a_house
from trading.errors import BadPlaybook
from trading.messages import Amend, AmendPhase, Undo, UsePlaybook
from trading.playbook import available, load
from trading.setting_lines import LONG_AGO, setting_lines
from trading.settings import UNDOABLE, words_of
from trading.state import DeskState
from trading.status import SettingLine

D = Decimal
ME, YOU = "Ann (telegram:7)", "Bob (discord:9)"


def lines(bench: Bench) -> dict[str, SettingLine]:
    return {line.key: line for line in bench.desk.settings()}


def shown(name: str) -> tuple[SettingLine, ...]:
    book = load(name)
    return setting_lines(file=book, playbook=book, state=DeskState(desk="x", playbook=name, start_equity=D(1)))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("judge.min_confidence", "0.6", "above 0, at most 1"),
        ("judge.quorum", "worst_case", "one of worst_case, renormalise"),
        ("judge.dominance", "1.15", "from 1"),
        ("judge.drag", "0.5", "0 to 1"),
        ("limits.max_positions", "5", "whole, from 0"),
        ("limits.manual_entry", "yes", "yes or no"),
        ("limits.wash_guard", "1m", "a span like 6h"),
        ("limits.max_requote", "0.005", "above 0, at most 1"),
        ("universe", "BTC, ETH, SOL, DOGE, XRP, ADA, BNB, LTC", 'a list, each an asset as venues write it, like "BTC"'),
        ("panel.flow.weight", "1.5", "0 to 100"),
        ("panel.flow.window", "15m", "a span like 6h"),
        ("exits.max_hold", "1d", "a span like 6h, or none"),
        ("exits.target_of_margin", "", "above 0, or none"),
        ("phases.final.max_hold", "6h", "a span like 6h, or none"),
        ("phases.final.max_positions", "5 (base)", "whole, from 0, or none"),
        ("phases.final.starts", "", "a UTC time like 2026-01-05T00:00:00Z, or none"),
        ("phases.final.note", "protect what is there", ""),
        ("health.win_rate", "0.45, 0.35", "2 values, each 0 to 1"),
        ("health.sharpe", "0.5, 0", "2 values, each a number"),
        ("breaker.day_loss.halt", "0.05", "above 0, or none"),
        ("portfolio.sectors.L1", "SOL, ADA, AVAX", 'a list, each an asset as venues write it, like "BTC"'),
        ("portfolio.otherwise", "0.5", "-1 to 1"),
        ("sizing.steps.1.above", "0.8", "above 0, at most 1"),
    ],
)
def test_a_setting_is_shown_with_its_range(key: str, value: str, words: str) -> None:
    (line,) = (each for each in shown("desk") if each.key == key)
    assert (line.value, line.default, line.range) == (value, value, words)
    assert (line.changed_by, line.changed_at, line.version) == ("", None, None)


def leaves(value: Any, path: str = "") -> Iterator[str]:
    """Every place of a playbook that holds a value, found without the code under test."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from leaves(getattr(value, name), f"{path}.{name}".strip("."))
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}")
    elif isinstance(value, tuple) and value and all(isinstance(item, BaseModel) for item in value):
        for n, item in enumerate(value, 1):
            yield from leaves(item, f"{path}.{getattr(item, 'name', n)}")
    else:
        yield path


@pytest.mark.parametrize("name", available())
def test_all_settings_are_there_once_and_only_names_and_strangers_are_not(name: str) -> None:
    found = [line.key for line in shown(name)]
    assert len(found) == len(set(found))
    missing = {key for key in leaves(load(name)) if key not in found}
    assert {key for key in missing if not key.startswith("panel.")} == {
        "name", "title", *(f"phases.{p.name}.name" for p in load(name).phases),
    }  # fmt: skip
    assert "panel.flow.window" not in missing
    assert all(key.rpartition(".")[2] not in ("weight", "enabled", "tiers") for key in missing)


@pytest.mark.parametrize("name", available())
def test_what_is_shown_can_be_said_again_and_changes_nothing(name: str) -> None:
    book = load(name)
    for line in shown(name):
        if line.value and not line.value.endswith("(base)"):
            assert book.amended({line.key: line.value}) == book, line


@pytest.mark.parametrize("name", available())
def test_every_setting_that_is_shown_can_be_asked_for(name: str) -> None:
    book = load(name)
    for line in shown(name):
        book.require(line.key)
    with pytest.raises(BadPlaybook, match="did you mean 'judge'"):
        book.require("jugde.min_confidence")


# --- who changed it ---------------------------------------------------------------------------------------------------


async def test_it_says_who_changed_it_when_and_in_which_version_also_after_a_restart() -> None:
    bench = await a_desk()
    await bench.desk.obey(Amend(values=(("judge.drag", "0.4"),), by=ME))
    first = bench.clock.now()
    await bench.step()
    await bench.desk.obey(AmendPhase(phase="final", values=(("max_hold", "5h"),), by=YOU))
    for _ in range(2):
        found = lines(bench)
        drag, hold = found["judge.drag"], found["phases.final.max_hold"]
        assert (drag.value, drag.default) == ("0.4", "0.5")
        assert (drag.changed_by, drag.changed_at, drag.version) == (ME, first, 1)
        assert (hold.value, hold.default) == ("5h", "6h")
        assert (hold.changed_by, hold.changed_at, hold.version) == (YOU, first + SECOND, 2)
        assert {line.key for line in found.values() if line.changed_by} == {"judge.drag", "phases.final.max_hold"}
        await bench.restart()


async def test_the_last_who_set_it_is_named_and_undoing_names_the_one_before() -> None:
    bench = await a_desk()
    await bench.desk.obey(Amend(values=(("judge.drag", "0.4"),), by=ME))
    await bench.desk.obey(Amend(values=(("judge.drag", "0.3"), ("judge.dominance", "2")), by=YOU))
    assert (lines(bench)["judge.drag"].changed_by, lines(bench)["judge.drag"].version) == (YOU, 2)
    await bench.desk.obey(Undo(by=YOU))
    assert (lines(bench)["judge.drag"].changed_by, lines(bench)["judge.drag"].version) == (ME, 1)
    assert lines(bench)["judge.dominance"].changed_by == ""
    await bench.desk.obey(Amend(values=(("judge.drag", ""),), by=YOU))
    assert lines(bench)["judge.drag"].changed_by == ""


async def test_a_change_that_is_too_old_to_be_undone_has_lost_its_name() -> None:
    bench = await a_desk()
    await bench.desk.obey(Amend(values=(("judge.drag", "0.4"),), by=ME))
    for n in range(UNDOABLE):
        await bench.desk.obey(Amend(values=(("limits.max_positions", str(n + 10)),), by=YOU))
    drag = lines(bench)["judge.drag"]
    assert (drag.value, drag.changed_by, drag.changed_at, drag.version) == ("0.4", LONG_AGO, None, None)


async def test_a_part_that_was_taken_out_is_one_line() -> None:
    bench = await a_desk(playbook=a_house(exits=a_playbook("desk").exits.model_dump(), portfolio={}))
    await bench.desk.obey(Amend(values=(("exits.trailing", "none"),), by=ME))
    found = lines(bench)
    trailing = found["exits.trailing"]
    assert (trailing.value, trailing.default, trailing.range) == ("", "a table", "a table, or none")
    assert trailing.changed_by == ME
    assert not [key for key in found if key.startswith("exits.trailing.")]


async def test_another_playbook_has_settings_of_its_own() -> None:
    bench = await a_desk()
    bench.library = {"other": a_house(name="other"), "desk": bench.playbook}
    await bench.desk.obey(Amend(values=(("judge.drag", "0.4"),), by=ME))
    await bench.desk.obey(UsePlaybook(name="other", by=ME))
    assert lines(bench)["judge.drag"].changed_by == ""
    await bench.desk.obey(UsePlaybook(name="desk", by=YOU))
    assert lines(bench)["judge.drag"].changed_by == ME


def test_every_word_of_a_playbook_has_a_line_or_is_left_out_on_purpose() -> None:
    assert {line.key for line in shown("desk")} <= set(words_of(load("desk")))
