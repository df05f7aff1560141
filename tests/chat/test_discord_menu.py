"""The catalogue as slash commands, and slash commands as the lines that would be typed."""

from datetime import timedelta
from typing import Any

import discord
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.arguments import Base, Count, Duration, OneOf, Words
from bot.catalogue import find
from bot.chats.discord_menu import called, in_guild, in_private
from bot.surface import Role
from tests.chat.discord_stage import COMMANDS, an_entry, catalogue
from tests.fakes.discord_markup import check_commands

URGENT = frozenset({"halt"})


def offered(*entries: Any) -> list[dict[str, Any]]:
    payloads = in_guild(catalogue(*entries) if entries else COMMANDS, urgent=URGENT)
    check_commands(payloads, in_guild=True)
    return payloads


def named(payloads: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(p for p in payloads if p["name"] == name)


def test_every_command_is_offered_in_the_server_and_in_private() -> None:
    private = in_private(COMMANDS)
    check_commands(private, in_guild=False)
    bases = [path for path in COMMANDS if " " not in path]
    assert [p["name"] for p in offered()] == [p["name"] for p in private] == bases
    assert {tuple(p["contexts"]) for p in private} == {(1,)}, "or the server would show each of them twice"


def test_each_kind_of_argument_as_an_option() -> None:
    (payload,) = offered(
        an_entry(
            "x",
            Role.VIEWER,
            Count(name="n", help="How many", least=2, most=50),
            OneOf(name="by", help="By what.", known=("day", "week")),
            OneOf(name="many", help="One of many", known=tuple(f"k{n}" for n in range(40))),
            Words(name="reason", help="Why"),
            Duration(name="span", help="For how long", most=timedelta(hours=1)),
            Base(name="pair", help="", required=True),
        )
    )
    options = {o["name"]: o for o in payload["options"]}
    assert list(options) == ["pair", "n", "by", "many", "reason", "span"], "what is required comes first"
    assert [options["n"][k] for k in ("type", "min_value", "max_value", "description")] == [
        4,
        2,
        50,
        "How many. 2 to 50",
    ]
    assert [c["value"] for c in options["by"]["choices"]] == ["day", "week"]
    assert [o["name"] for o in payload["options"] if o.get("autocomplete")] == ["pair", "many", "span"]
    assert options["pair"]["description"] == "pair"


def test_a_command_with_actions_is_one_of_them_itself() -> None:
    breaker = named(offered(), "breaker")
    assert [(o["type"], o["name"]) for o in breaker["options"]] == [(1, "show"), (1, "reset")]
    taken = offered(an_entry("phase", Role.VIEWER), an_entry("phase show", Role.VIEWER))
    assert [o["name"] for o in taken[0]["options"]] == ["now", "show"]


@pytest.mark.parametrize(
    ("name", "permission"),
    [
        ("positions", None),
        ("close", discord.Permissions(manage_messages=True)),
        ("set", discord.Permissions(manage_guild=True)),
        ("halt", None),  # the safe direction is hidden from nobody
        ("breaker", None),  # whoever may see it must find it
    ],
)
def test_who_sees_a_command_in_the_list(name: str, permission: discord.Permissions | None) -> None:
    wanted = str(permission.value) if permission else None
    assert named(offered(), name)["default_member_permissions"] == wanted


def test_what_is_too_long_for_discord_is_cut() -> None:
    many = [an_entry("x", Role.VIEWER, *(Base(name=f"a{n}", help="h" * 200) for n in range(40)), help="h" * 200)]
    many += [an_entry(f"x y{n}", Role.VIEWER) for n in range(40)]
    (payload,) = offered(*many)
    assert len(payload["options"]) == 25


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"name": "positions"}, "/positions"),
        ({"name": "trades", "options": [{"name": "by", "value": "day"}, {"name": "n", "value": 5}]}, "/trades 5 day"),
        ({"name": "breaker", "options": [{"type": 1, "name": "show"}]}, "/breaker"),
        ({"name": "breaker", "options": [{"type": 1, "name": "reset", "options": []}]}, "/breaker reset"),
        ({"name": "close", "options": [{"name": "position", "value": " BTC\n"}]}, "/close BTC"),
        ({"name": "close"}, "/close"),
        ({"name": "nonsense", "options": [{"type": 1, "name": "of"}]}, "/nonsense of"),
        ({"name": "close", "options": [{"name": "strange", "value": "x"}]}, "/close"),
        ({"name": "ask", "options": [{"name": "question", "value": {"a": 1}}]}, "/ask"),
        ({}, "/"),
        ({"name": 7, "options": "x"}, "/7"),
    ],
)
def test_the_line_that_would_be_typed(data: dict[str, Any], text: str) -> None:
    assert called(data, COMMANDS).text == text


def test_what_is_being_typed() -> None:
    data = {
        "name": "set",
        "options": [{"name": "key", "value": "max", "focused": True}, {"name": "value", "value": ""}],
    }
    command = called(data, COMMANDS)
    assert (command.path, command.typing, command.values["key"]) == ("set", "key", "max")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "value", "options"]), inner),
    max_leaves=8,
)
_OPTION = st.fixed_dictionaries(
    {}, optional={"name": _JSON, "value": _JSON, "type": st.integers(0, 12) | _JSON, "focused": _JSON, "options": _JSON}
)
_DATA = st.fixed_dictionaries(
    {}, optional={"name": st.sampled_from(list(COMMANDS)) | _JSON, "options": st.lists(_OPTION, max_size=4) | _JSON}
)


@given(data=_DATA)
def test_whatever_comes_is_a_line_that_the_gate_can_read(data: dict[str, Any]) -> None:
    command = called(data, COMMANDS)
    assert command.text.startswith("/")
    assert "\n" not in command.text
    if command.entry is not None:
        assert find(command.text, COMMANDS)[0] in (command.entry, *COMMANDS.values())
