"""Playbooks made in the chat: from a parent, from a pasted text, written as files; and files read again."""

import tomllib
from decimal import Decimal as D
from pathlib import Path

import pytest

from bot.library import Library
from bot.playbook_file import amended_from, as_toml, pairs_in, pasted
from trading.errors import BadPlaybook
from trading.playbook import Playbook, available, load, parse

SMALL = 'name = "small"\ntitle = "Small"\nuniverse = ["BTC"]\n[panel.technical]\nweight = 1\n'


def as_text(book: Playbook) -> str:
    return "\n".join((*as_toml(book), ""))


# --- made from another one --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", available())
def test_a_child_is_its_parent_but_for_its_name_title_and_what_was_said(name: str) -> None:
    parent = load(name)
    child = amended_from(parent, "calm", pairs_in("judge.min_confidence=0.7"))
    assert (child.name, child.title) == ("calm", f"{parent.title} (from {name})")
    assert child.judge.min_confidence == D("0.7")
    same = {"name": parent.name, "title": parent.title, "judge": parent.judge}
    assert child.model_copy(update=same) == parent
    assert parse(as_text(child), origin="calm") == child


@pytest.mark.parametrize("name", available())
def test_a_pasted_table_goes_into_its_parents(name: str) -> None:
    parent = load(name)
    assert pasted("[judge]\nmin_confidence = 0.7", "calm", parent) == parent.model_copy(
        update={"name": "calm", "judge": parent.judge.model_copy(update={"min_confidence": D("0.7")})}
    )


def test_a_title_of_any_kind_is_kept() -> None:
    title = 'Slow "and" steady \\ \N{TURTLE}'
    child = amended_from(load("desk").model_copy(update={"title": title}), "calm", {})
    assert parse(as_text(child), origin="x").title == f"{title} (from desk)"
    assert amended_from(load("desk"), "calm", pairs_in("title=My own way")).title == "My own way"


def test_pairs_are_read_however_they_are_spaced() -> None:
    wanted = {"judge.min_confidence": "0.7", "title": "My own way", "exits.max_hold": "6h"}
    assert pairs_in("judge.min_confidence=0.7 title=My own way exits.max_hold = 6h") == wanted
    assert pairs_in("  judge.min_confidence = 0.7  title = My own way exits.max_hold=6h ") == wanted
    assert pairs_in("") == {}


# --- written ----------------------------------------------------------------------------------------------------------


def test_a_new_file_is_its_owners_alone_and_can_be_read_again(tmp_path: Path) -> None:
    library = Library(tmp_path)
    written = library.write("small", SMALL)
    path = tmp_path / "playbooks" / "small.toml"
    assert path.stat().st_mode & 0o777 == 0o600
    assert library.load("small") == written
    assert "small" in library.names()
    assert tomllib.loads(path.read_text())["title"] == "Small"
    assert [p.name for p in path.parent.iterdir()] == ["small.toml"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("other", SMALL, "'other' cannot be the name of a playbook called 'small'"),
        ("../small", SMALL, "cannot be the name"),
        ("desk", SMALL.replace("small", "desk"), "there is a playbook 'desk' already"),
        ("small", SMALL.replace("title", "titel"), "unknown key; did you mean 'title'"),
        ("small", "name = ", "not TOML"),
    ],
)
def test_what_does_not_fit_is_not_written(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(BadPlaybook, match=said):
        Library(tmp_path).write(name, text)
    assert not (tmp_path / "playbooks").exists()


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.write("small", SMALL)
    with pytest.raises(BadPlaybook, match="already"):
        library.write("small", SMALL.replace("Small", "Other"))
    assert library.load("small").title == "Small"


def test_a_folder_that_cannot_be_written_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "playbooks").write_text("a file, not a folder")
    with pytest.raises(BadPlaybook, match=r"small\.toml cannot be written"):
        Library(tmp_path).write("small", SMALL)


# --- read again -------------------------------------------------------------------------------------------------------


def test_the_file_of_the_command_line_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "anything.toml"
    path.write_text(SMALL)
    library = Library(tmp_path, load(str(path)), file=path)
    path.write_text(SMALL.replace("Small", "Other"))
    assert library.load("small").title == "Other"
    path.write_text(SMALL.replace('"small"', '"else"'))
    with pytest.raises(BadPlaybook, match="is called 'else'"):
        library.load("small")


def test_a_file_is_read_anew_when_it_has_changed_and_only_then(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.write("small", SMALL)
    first = library.load("small")
    assert library.load("small") is first
    assert library.load("desk") is library.load("desk")
    path = tmp_path / "playbooks" / "small.toml"
    path.write_text(SMALL.replace("Small", "Other"))
    assert library.load("small").title == "Other"
    path.write_text("nothing")
    with pytest.raises(BadPlaybook):
        library.load("small")
    path.write_text(SMALL)
    assert library.load("small").title == "Small"
