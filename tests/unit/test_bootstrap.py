"""What is wired: which personas a playbook gets, and what a market that lacks something switches off."""

from decimal import Decimal
from pathlib import Path

import pytest

from bot.arming import RULES, armed
from bot.library import Library
from bot.markets import simulated
from bot.memory import LastRun, bases_of, goes_on_with, last_run
from tests.builders import a_playbook
from tests.desks import a_house
from tests.surfaces import NoVoices
from trading.errors import BadPlaybook
from trading.playbook import PERSONAS as KNOWN
from trading.playbook import SHIPPED, Playbook, available
from trading.policies import Seat


@pytest.fixture
def everybody() -> Playbook:
    return a_playbook(panel={name: Seat(weight=Decimal(1)).model_dump() for name in KNOWN})


def test_every_persona_a_playbook_may_name_is_armed_or_says_why_not(everybody: Playbook) -> None:
    panel = armed(everybody, {}, NoVoices())
    assert set(panel.personas) == set(RULES)
    assert set(panel.off) == set(KNOWN) - set(RULES)
    assert all(panel.off.values())
    assert all(persona.name == name for name, persona in panel.personas.items())
    assert panel.instant


def test_a_market_that_can_never_show_something_switches_its_reader_off(everybody: Playbook) -> None:
    lacks = {"flow": "no taker volume"}
    panel = armed(everybody, lacks, NoVoices())
    assert "flow" not in panel.personas
    assert panel.off["flow"] == "no taker volume"


def test_what_the_playbook_switches_off_is_off() -> None:
    playbook = a_playbook(panel={"technical": {"weight": "1", "enabled": False}, "flow": {"weight": "1"}})
    panel = armed(playbook, {}, NoVoices())
    assert set(panel.personas) == {"flow"}
    assert panel.off == {"technical": "switched off in the playbook"}


# --- which playbook, which market -------------------------------------------------------------------------------------

OWN = (SHIPPED / "smt-3.1.toml").read_text().replace('name = "smt-3.1"', 'name = "mine"')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks" / "mine.toml").write_text(OWN)
    return tmp_path


def test_a_playbook_is_found_by_its_name_shipped_or_in_the_data_directory(folder: Path) -> None:
    library = Library(folder)
    assert (library.load("desk").name, library.load("mine").name) == ("desk", "mine")
    assert set(library.names()) == {*available(), "mine"}


def test_a_playbook_named_on_the_command_line_is_found_again_by_its_name(tmp_path: Path) -> None:
    given = a_house(name="given")
    assert Library(tmp_path, given).load("given") is given
    assert "given" in Library(tmp_path, given).names()
    assert set(Library(tmp_path).names()) == set(available())


@pytest.mark.parametrize(
    ("file", "name", "said"),
    [
        ("desk", "desk", "a shipped playbook is called 'desk'"),
        ("other", "other", "is called 'mine'; a file here is named like it"),
        ("mine", "miene", "no playbook 'miene'"),
        ("mine", "../playbooks/mine", "no playbook"),
        ("mine", "deks", "did you mean 'desk'"),
    ],
)
def test_what_cannot_be_told_apart_or_found_is_refused(folder: Path, file: str, name: str, said: str) -> None:
    (folder / "playbooks" / f"{file}.toml").write_text(OWN)
    with pytest.raises(BadPlaybook, match=said):
        Library(folder).load(name)


async def test_a_new_directory_has_run_nothing(tmp_path: Path) -> None:
    assert await last_run(tmp_path) is None
    assert bases_of(None, Library(tmp_path)) == frozenset()


def test_a_desk_goes_on_with_what_it_ran_last_or_says_what_to_do(folder: Path) -> None:
    library = Library(folder)
    assert goes_on_with(a_last_run("mine"), library).name == "mine"
    with pytest.raises(BadPlaybook, match="this desk ran 'lost' last; name its file with --playbook"):
        goes_on_with(a_last_run("lost"), library)


def a_last_run(playbook: str, *bases: str, beside: tuple[str, ...] = ()) -> LastRun:
    return LastRun(playbook=playbook, beside=beside, bases=frozenset(bases))


def test_the_market_has_what_is_open_and_what_the_shadow_desks_look_at(tmp_path: Path) -> None:
    needed = bases_of(a_last_run("desk", "LINK", beside=("desk", "gone")), Library(tmp_path))
    assert needed == {"LINK", *a_playbook("desk").universe}
    small = a_playbook(universe=("BTC",))
    market = simulated(1, small, also=("ETH", "BTC", "XYZ"))
    assert [i.base for i in market.feed.instruments().values()] == ["BTC", "ETH"]
