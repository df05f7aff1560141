"""The catalogue holds together, whatever is put into it: for Telegram's menus, Discord's slash commands, and people."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.arguments import Count, OneOf, Words
from bot.catalogue import COMMANDS, BadArguments, Effect, Entry, actions, command, find, line, read
from bot.commands.completion import complete, toolbar
from bot.commands.document import document
from bot.surface import Role
from tests.surfaces import Stage, staged

ALL = pytest.mark.parametrize("path", COMMANDS)
DISCORD_NAME = re.compile(r"[a-z0-9_-]{1,32}")
DOCUMENT = Path(__file__).parents[2] / "docs" / "commands.md"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        yield made


@ALL
def test_help_and_names_fit_every_chat(path: str) -> None:
    entry = COMMANDS[path]
    assert 0 < len(entry.help) <= 100
    assert not entry.help.endswith(".")
    assert all(DISCORD_NAME.fullmatch(word) for word in path.split(" "))
    assert path.count(" ") <= 1
    assert len(actions(entry.name)) <= 25
    for argument in entry.args:
        assert DISCORD_NAME.fullmatch(argument.name)
        assert argument.name.isidentifier()
        assert 0 < len(argument.help) <= 100, argument.name
        assert len(argument.choices) <= 25
    assert len(entry.args) <= 25
    assert len({a.name for a in entry.args}) == len(entry.args)


@ALL
def test_arguments_stand_in_an_order_that_can_be_read(path: str) -> None:
    args = COMMANDS[path].args
    required = [a.required for a in args]
    assert required == sorted(required, reverse=True), "a required argument after an optional one"
    assert not any(a.rest for a in args[:-1]), "something after an argument that takes all the rest"


@ALL
def test_what_acts_is_no_viewers_and_what_is_a_viewers_only_tells(path: str) -> None:
    entry = COMMANDS[path]
    if entry.effect in (Effect.ASKS, Effect.CODE, Effect.AT_ONCE):
        assert entry.role > Role.VIEWER
    if entry.role is Role.VIEWER:
        assert entry.effect in (Effect.READS, Effect.OWN)


async def test_every_example_is_read_as_its_command(stage: Stage) -> None:
    for path, entry in COMMANDS.items():
        found, words = find(entry.example)
        assert found is entry, path
        values = read(entry, words, stage.tools)
        assert set(values) <= {a.name for a in entry.args}
        assert {a.name for a in entry.args if a.required} <= set(values), path


async def test_choices_and_bounds_are_what_is_read(stage: Stage) -> None:
    for argument in (a for entry in COMMANDS.values() for a in entry.args):
        for choice in argument.choices:
            argument.read(choice, stage.tools)
        for bound in argument.bounds or ():
            assert argument.read(str(bound), stage.tools) == bound
        for beyond in (argument.bounds[0] - 1, argument.bounds[1] + 1) if argument.bounds else ():
            with pytest.raises(BadArguments):
                argument.read(str(beyond), stage.tools)


@ALL
def test_options_by_name_become_the_same_line(path: str) -> None:
    entry = COMMANDS[path]
    values = {a.name: f"<{a.name}>" for a in entry.args}
    assert line(entry, values) == " ".join((f"/{path}", *values.values()))
    assert line(entry, {}) == f"/{path}"


def test_an_action_needs_its_command_and_a_path_stands_once() -> None:
    said: dict[str, Any] = {"help": "x", "role": Role.VIEWER, "effect": Effect.READS, "example": "/x"}
    for path in ("nothing reset", "status"):
        with pytest.raises(ValueError, match="in the catalogue already, or is an action of no command"):
            command(path, **said)(_unused)


async def _unused(**_: Any) -> Any:
    raise AssertionError


# --- reading ----------------------------------------------------------------------------------------------------------

WORDS = Entry(
    path="x",
    help="x",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/x",
    run=_unused,
    args=(
        OneOf(name="what", help="what", known=("red", "blue"), required=True),
        Count(name="n", help="how many", most=9),
        OneOf(name="where", help="where", known=("here", "there")),
        Words(name="why", help="why"),
    ),
)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("red", {"what": "red"}),
        ("RED 3", {"what": "red", "n": 3}),
        ("red there 3", {"what": "red", "where": "there", "n": 3}),
        ("red because of it", {"what": "red", "why": "because of it"}),
        ("red 3 because here", {"what": "red", "n": 3, "why": "because here"}),
        ("red 3 4", {"what": "red", "n": 3, "why": "4"}),
    ],
)
async def test_words_go_to_the_first_argument_that_they_fit(text: str, values: dict[str, Any], stage: Stage) -> None:
    assert read(WORDS, text, stage.tools) == values


@pytest.mark.parametrize(
    ("text", "said"), [("", "which what?"), ("rod", "did you mean red?"), ("3 red", "no what '3'")]
)
async def test_what_is_required_is_not_passed_over(text: str, said: str, stage: Stage) -> None:
    with pytest.raises(BadArguments) as caught:
        read(WORDS, text, stage.tools)
    assert said in str(caught.value)


# --- completion -------------------------------------------------------------------------------------------------------


async def test_completion_comes_from_the_catalogue(stage: Stage) -> None:
    def offers(typed: str) -> list[str]:
        return complete(stage.tools, typed)

    assert offers("/po") == ["/positions", "/position"]
    assert offers("hello") == []
    assert offers("/nothing ") == []
    assert offers("/close b") == ["/close BTC", "/close btc-k3f9x2pa"]
    assert offers("/close BTC 5") == ["/close BTC 50%"]
    assert offers("/close  BTC  5") == ["/close BTC 50%"]
    assert offers("/close BTC 50% ") == []
    assert offers("/market b") == ["/market BTC", "/market BNB"]
    assert offers("/breaker r") == ["/breaker reset"]
    assert "/breaker override halt" in offers("/breaker override h")
    assert offers("/users role ot") == ["/users role otto"]
    assert offers("/users role otto vi") == ["/users role otto viewer"]
    assert offers("/alerts stream ri") == ["/alerts stream risk"]
    assert offers("/alerts fill ")[:2] == ["/alerts fill on", "/alerts fill silent"]
    assert offers("/timezone new y") == ["/timezone America/New_York"]
    assert len(offers("/timezone ")) == 25


async def test_whatever_completion_offers_for_an_example_can_be_read(stage: Stage) -> None:
    """But for what is never all of a line: it may be, and nothing in it makes another command of it."""
    for path, entry in COMMANDS.items():
        for end in range(len(entry.example) + 1):
            for offered in complete(stage.tools, entry.example[:end]):
                assert offered.startswith("/")
                found, _ = find(offered)
                assert found is not None, (path, offered)


async def test_the_toolbar_says_how_the_desk_stands(stage: Stage) -> None:
    assert "PAPER · simulated market · 2024-05-03 17:00 UTC · equity 10,008.23" in toolbar(stage.desk)
    at = stage.desk.status().at
    played = toolbar(stage.desk, at - timedelta(hours=1), at + timedelta(hours=3))
    assert "2024-05-03 17:00 UTC (25%) · equity" in played


# --- the document -----------------------------------------------------------------------------------------------------


def test_the_document_is_the_catalogues() -> None:
    assert DOCUMENT.read_text() == document(), "python -m bot.commands.document > docs/commands.md"


def test_the_document_names_every_command_with_all_its_arguments() -> None:
    text = document()
    for entry in COMMANDS.values():
        assert f"`{entry.usage}`" in text
        assert f"Example: `{entry.example}`" in text
        assert all(argument.help.replace("<", "&lt;") in text for argument in entry.args)
