"""The fake Discord is as strict as the real one, or the tests of the adapter would mean nothing."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tests.fakes.discord_api import DESK, GUILD, TOKEN, DiscordApi, Rates
from tests.fakes.discord_markup import Refusal, check_commands, check_components, check_form, shown
from tests.fakes.discord_people import APPLICATION

ANN = 11
QUIET: dict[str, list[str]] = {"parse": []}
Ask = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
async def api() -> AsyncIterator[DiscordApi]:
    async with DiscordApi(rates=Rates(count=2, per=60), acknowledge_within=0.05) as api:
        api.person(ANN)
        yield api


@pytest.fixture
async def ask(api: DiscordApi) -> AsyncIterator[Ask]:
    async with aiohttp.ClientSession() as session:

        async def ask(method: str, path: str, body: Any = None, *, token: str = TOKEN) -> tuple[int, Any]:
            headers = {"Authorization": f"Bot {token}"}
            async with session.request(method, f"{api.base}{path}", json=body or {}, headers=headers) as answer:
                assert answer.status == 204 or answer.headers["Content-Type"] == "application/json"
                return answer.status, None if answer.status == 204 else await answer.json()

        yield ask


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"content": "x" * 2001}, 50035),
        ({"content": " "}, 50006),
        ({"content": "x", "allowed_mentions": {"parse": ["users"]}}, 50035),
        ({"content": "x", "contnet": "y"}, 50035),
        ({"content": "x", "nonce": "n" * 26}, 50035),
        ({"content": "x", "flags": 64}, 50035),
        ({"content": "snake_case"}, 50035),
        ({"content": "@everyone"}, 50035),
        ({"content": "x", "embeds": [{"description": "y" * 4097}]}, 50035),
        ({"content": "x", "embeds": [{"description": "y" * 4000}] * 2}, 50035),
        ({"content": "x", "message_reference": {"message_id": "1", "fail_if_not_exists": True}}, 50035),
        ({"content": "x", "attachments": [{"id": "0", "filename": "f"}]}, 50035),
    ],
)
async def test_messages(ask: Ask, body: dict[str, Any], code: int) -> None:
    status, answer = await ask("POST", f"/channels/{DESK}/messages", {"allowed_mentions": QUIET} | body)
    assert (status, answer["code"]) == (400, code)


async def test_a_nonce_is_shown_once_and_a_channel_has_its_pace(api: DiscordApi, ask: Ask) -> None:
    body = {"content": "x", "allowed_mentions": QUIET, "nonce": "n", "enforce_nonce": True}
    first, second, third = [await ask("POST", f"/channels/{DESK}/messages", body) for _ in range(3)]
    assert first[1]["id"] == second[1]["id"]
    assert (third[0], third[1]["message"]) == (429, "You are being rate limited.")
    assert len(api.messages) == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/channels/1/messages", 404),
        ("PATCH", f"/channels/{DESK}/messages/1", 404),
        ("PUT", f"/channels/{DESK}/messages/pins/1", 404),
        ("PUT", f"/applications/{APPLICATION}/guilds/1/commands", 403),
        ("POST", "/interactions/1/nobody/callback", 404),
        ("POST", f"/webhooks/{APPLICATION}/nobody", 404),
        ("GET", "/users/@you", 404),
    ],
)
async def test_what_is_not_there(ask: Ask, method: str, path: str, status: int) -> None:
    assert (await ask(method, path))[0] == status


async def test_a_stranger_is_not_let_in(ask: Ask) -> None:
    assert await ask("GET", "/users/@me", token="wrong") == (401, {"message": "401: Unauthorized", "code": 0})


async def test_an_interaction_is_acknowledged_once_and_in_time(api: DiscordApi, ask: Ask) -> None:
    done = api.receive(api.person(ANN), 3, DESK, {})
    path = f"/interactions/{done.id}/{done.token}/callback"
    assert (await ask("POST", path, {"type": 6}))[0] == 400, "there is no message to update"
    assert (await ask("POST", path, {"type": 5}))[0] == 200
    assert (await ask("POST", path, {"type": 5}))[1]["code"] == 40060
    late = api.receive(api.person(ANN), 3, DESK, {})
    late.at -= 1
    assert (await ask("POST", f"/interactions/{late.id}/{late.token}/callback", {"type": 5}))[1]["code"] == 10062
    done.at -= 1000
    assert (await ask("POST", f"/webhooks/{APPLICATION}/{done.token}"))[1]["code"] == 50027


async def test_the_first_message_after_thinking_is_as_hidden_as_was_announced(api: DiscordApi, ask: Ask) -> None:
    done = api.receive(api.person(ANN), 3, DESK, {})
    await ask("POST", f"/interactions/{done.id}/{done.token}/callback", {"type": 5})
    body = {"content": "x", "allowed_mentions": QUIET, "flags": 64}
    for _ in range(2):
        await ask("POST", f"/webhooks/{APPLICATION}/{done.token}", body)
    assert [m.ephemeral_to for m in api.inbox()] == [None, ANN]


def test_people_can_do_only_what_discord_lets_them(api: DiscordApi) -> None:
    ann = api.person(ANN)
    option = {"type": 4, "name": "n", "description": "x", "min_value": 1, "max_value": 5, "required": True}
    command = {"name": "close", "options": [option], "default_member_permissions": "8", "id": "1"}
    api.commands[GUILD] = [command]
    for options in ({}, {"n": 6}, {"n": "5"}, {"m": 1}):
        with pytest.raises(AssertionError):
            ann.slash("close", **options)
    with pytest.raises(AssertionError, match="not registered"):
        ann.slash("close", where=ann.private, n=1)
    ann.permissions = 0
    with pytest.raises(AssertionError, match="hidden"):
        ann.slash("close", n=1)


@pytest.mark.parametrize(
    "text", ["*x*", "a_b", "`x`", "~~x~~", "||x||", "<@1>", "[a](b)", "# x", "- x", "1. x", "> # x"]
)
def test_markup_that_nobody_meant_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        shown(text)


@pytest.mark.parametrize(
    ("text", "words"), [("**a \\*b**", "a *b"), ("> q", "q"), ("<https://a.b/c_d>", "https://a.b/c_d")]
)
def test_what_a_phone_shows(text: str, words: str) -> None:
    assert shown(text) == words


def key(**more: Any) -> dict[str, Any]:
    return {"type": 2, "style": 2, "label": "x", "custom_id": "y"} | more


@pytest.mark.parametrize(
    "rows",
    [
        [[key(), key()]],
        [[key(custom_id=str(n)) for n in range(6)]],
        [[key(custom_id=str(n))] for n in range(6)],
        [[key(label="x" * 81)]],
        [[key(custom_id="y" * 101)]],
        [[key(style=6)]],
        [[key(url="https://example.org")]],
        [[]],
    ],
)
def test_buttons(rows: list[list[dict[str, Any]]]) -> None:
    with pytest.raises(Refusal):
        check_components([{"type": 1, "components": row} for row in rows])


def test_forms() -> None:
    part = {"type": 18, "label": "x", "component": {"type": 4, "custom_id": "y"}}
    check_form({"custom_id": "a", "title": "b", "components": [part]})
    many: list[dict[str, Any]] = [part] * 6
    faults: list[dict[str, Any]] = [{"title": "b" * 46}, {"custom_id": ""}, {"components": many}, {"color": 1}]
    for more in faults:
        with pytest.raises(Refusal):
            check_form({"custom_id": "a", "title": "b", "components": [part]} | more)


@pytest.mark.parametrize(
    "fault",
    [
        {"name": "Upper"},
        {"name": "x" * 33},
        {"description": ""},
        {"description": "x" * 101},
        {"contexts": [0]},
        {"options": [{"type": 3, "name": f"n{n}", "description": "x"} for n in range(26)]},
        {"options": [{"type": 3, "name": "a", "description": "x"}, {"type": 1, "name": "b", "description": "x"}]},
        {
            "options": [
                {"type": 3, "name": "a", "description": "x"},
                {"type": 3, "name": "b", "description": "x", "required": True},
            ]
        },
        {"options": [{"type": 3, "name": "a", "description": "x", "choices": [{"name": "", "value": "x"}]}]},
    ],
)
def test_commands(fault: dict[str, Any]) -> None:
    command: dict[str, Any] = {"name": "x", "description": "y", "options": []}
    check_commands([command], in_guild=True)
    with pytest.raises(Refusal):
        check_commands([command | fault], in_guild=True)
