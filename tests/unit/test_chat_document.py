"""docs/chat.md and the README say of the chat what the code says."""

import inspect
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import bot.commands  # noqa: F401 - fills the catalogue
from bot.catalogue import COMMANDS, BadArguments, Entry, actions, find, read
from bot.chats import discord, telegram
from bot.chats.discord_menu import SHOW
from bot.cli.watch import watch
from bot.commands.second import APPROVE_FOR
from bot.delivery import Delivery
from bot.delivery.courier import BURST, FEW
from bot.delivery.repeats import PAUSES
from bot.heartbeat import EVERY, Heartbeat
from bot.reach import CONFIRM_FOR, Tools
from bot.routing import DEFAULTS, KINDS, MODES, ON, REQUIRED, STREAM_OF, STREAMS
from bot.settings import known_variables
from bot.status_card import StatusCards
from bot.surface import Role
from bot.wishes import WISHES
from tests.surfaces import staged
from trading.playbook import load
from trading.risk import safety

ROOT = Path(__file__).resolve().parents[2]
PAGES = {name: (ROOT / name).read_text() for name in ("docs/chat.md", "README.md")}
DOCUMENT = PAGES["docs/chat.md"]
WORDS = " ".join(DOCUMENT.split())
HOW = {  # the command of a wish
    "zone": "timezone",
    "quiet": "quiet",
    "min_pnl": "alerts min",
    "theme": "theme",
    "pictures": "alerts pictures",
    "pin": "alerts pin",
    "digest": "alerts digest",
}
STANDS_FOR = {argument.name.upper() for entry in COMMANDS.values() for argument in entry.args} | {"ID"}


def rows(first: str) -> list[list[str]]:
    """The rows of the table whose first column has this head."""
    table = DOCUMENT.partition(f"\n| {first} |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()[2:]]


def default_of(of: object, name: str) -> timedelta:
    found = inspect.signature(of).parameters[name].default  # type: ignore[arg-type]
    assert isinstance(found, timedelta)
    return found


def seconds(span: timedelta) -> str:
    return f"{span / timedelta(seconds=1):g} s"


def minutes(span: timedelta) -> str:
    return f"{span / timedelta(minutes=1):g} min"


# --- tables -----------------------------------------------------------------------------------------------------------


def test_every_kind_with_what_it_says_its_default_and_its_stream() -> None:
    told = [[f"`{k}`", says, DEFAULTS.get(k, ON), STREAM_OF[k]] for k, says in KINDS.items()]
    assert rows("kind") == told


def test_modes_roles_streams_and_what_is_critical() -> None:
    assert [row[0] for row in rows("mode")] == [f"`{mode}`" for mode in ("on", "silent", "digest", "off")]
    assert {row[0].strip("`") for row in rows("mode")} == set(MODES)
    assert [row[0] for row in rows("role")] == [f"`{role.name.lower()}`" for role in Role]
    assert ", ".join(f"`{stream}`" for stream in STREAMS) in WORDS
    assert f"{' and '.join(f'`{kind}`' for kind in sorted(REQUIRED))} are **critical**" in WORDS


def test_every_wish_with_its_command_its_help_and_its_default() -> None:
    assert HOW.keys() == WISHES.keys()
    by_command = {find(row[0].strip("`"))[0].path: row[1:] for row in rows("command")}  # type: ignore[union-attr]
    assert by_command == {HOW[name]: [wish.help, wish.default] for name, wish in WISHES.items()}


def test_the_variables_are_those_of_the_chat() -> None:
    named = [name for row in rows("variable") for name in re.findall(r"`([A-Z_]+)`", row[0])]
    ours = [n for n in known_variables() if n.startswith(("TELEGRAM_", "DISCORD_", "GAVEL_HEARTBEAT"))]
    assert sorted(named) == sorted(ours)


# --- figures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        f"within **{seconds(CONFIRM_FOR)}**",
        f"everybody else, for {minutes(APPROVE_FOR)}",
        f"more than {BURST} decisions, or more than {FEW} that an outage has left",
        f"more than {seconds(default_of(Delivery, 'late_after'))} late",
        f"has not taken for {seconds(default_of(Delivery, 'stand_in_after'))}",
        f"then after {', '.join(f'{p / timedelta(minutes=1):g}' for p in PAUSES[:-1])} and "
        f"{PAUSES[-1] / timedelta(minutes=1):g} minutes",
        f"edited at most every {seconds(default_of(StatusCards, 'every'))}",
        f"asked for every {seconds(EVERY)} while all is well",
        f"the market has moved within {minutes(default_of(Heartbeat, 'market_within'))}",
        f"has been gone for {seconds(telegram.Timing().settle)} (Discord: not noticed for "
        f"{minutes(discord.Timing().rivalry)})",
        f"`limits.max_requote` ({load('desk').limits.max_requote:.1%}".replace("%", " %"),
    ],
)
def test_figures_are_those_of_the_code(words: str) -> None:
    assert words in WORDS


def test_how_old_the_last_sign_of_life_may_be() -> None:
    older = next(option for option in watch.params if option.name == "older")
    assert older.default == "60s"
    assert "for `--older` (60 s)" in WORDS


def test_the_readme_counts_the_gates_rules() -> None:
    assert f"**Gate**: {len(safety.RULES)} rules in order" in PAGES["README.md"]


# --- what is named ----------------------------------------------------------------------------------------------------


def commands_in(page: str) -> list[str]:
    """`/pnl 30d` and the lines of a block that begin with a slash, without what is said about them."""
    inline = re.findall(r"`(/[a-z][^`]*)`", page)
    blocks = re.findall(r"^(/[a-z].*?)(?: {3,}.*)?$", page, re.MULTILINE)
    return sorted({line for found in (*inline, *blocks) for line in [" ".join(found.split())]})


@pytest.mark.parametrize("page", PAGES)
async def test_every_command_that_is_named_is_one_and_can_be_understood(page: str, tmp_path: Path) -> None:
    faults = []
    async with staged(tmp_path) as stage:
        for line in commands_in(PAGES[page]):
            entry, words = find(line, COMMANDS)
            if entry is None:
                faults.append(f"{line}: no such command")
            elif not STANDS_FOR & set(words.split()):
                faults += [f"{line}: {fault}" for fault in misread(entry, words, stage.tools)]
    assert faults == []


def misread(entry: Entry, words: str, tools: Tools) -> Iterator[str]:
    """On Discord a command that has actions is called by "show"."""
    if words in ("", SHOW) and (not words or actions(entry.name)):
        return
    try:
        read(entry, words, tools)
    except BadArguments as fault:
        yield str(fault)


@pytest.mark.parametrize("page", PAGES)
def test_every_variable_that_is_named_is_read(page: str) -> None:
    named = set(re.findall(r"`((?:GAVEL|TELEGRAM|DISCORD)_[A-Z_]+)[`=]", PAGES[page]))
    assert named <= set(known_variables())


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_is_linked_is_there(page: str) -> None:
    linked = re.findall(r'\]\(([^)#]+)[^)]*\)|src="([^"]+)"', PAGES[page])
    files = [a or b for a, b in linked if not (a or b).startswith("http")]
    assert files
    assert [f for f in files if not ((ROOT / page).parent / f).is_file()] == []
