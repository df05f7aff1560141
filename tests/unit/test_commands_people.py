"""Who may use the desk, changed from the chat: asked first, journalled, at once; the audit; the questions."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.surface import CANCEL, CONFIRM, Card, Identity, Role
from tests.surfaces import ANA, EVE, OLA, OTTO, OWNER, Stage, staged, token_of
from trading import events as m

NEW = Identity(platform="telegram", id="4711", name="Bea")
ROOM = "telegram:-1001"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        yield made


async def confirmed(stage: Stage, text: str, who: Identity = ANA) -> Card:
    asked = await stage.card(text, who=who)
    assert asked.token, asked.plain()
    return await stage.card(button=f"{CONFIRM}{asked.token}", who=who)


async def changes(stage: Stage) -> list[m.PeopleChanged]:
    return [e for e in await stage.audit() if isinstance(e, m.PeopleChanged)]


def roles(stage: Stage) -> dict[str, int]:
    return {p.id: p.role for p in stage.tools.people.all()}


# --- users --------------------------------------------------------------------------------------------------------


async def test_users_lists_everybody_with_role_accounts_and_source(stage: Stage) -> None:
    said = await stage.card("/users", who=ANA)
    assert said.title == "PAPER 4 users, 2 admins"
    assert "Ana (ana): admin, added in the chat. telegram:7" in said.lines
    assert "Owner (owner): admin, sits at the terminal. console:owner" in said.lines


async def test_somebody_is_let_in_after_a_yes_and_at_once(stage: Stage) -> None:
    assert (await stage.card("/status", who=NEW)).plain() == "This desk is private."
    asked = await stage.card("/users add telegram:4711 operator Bea Lee", who=ANA)
    assert "Changes: nothing -> operator, who sees everything; halts" in asked.plain()
    assert "bea-lee" not in roles(stage)
    await stage.card(button=f"{CONFIRM}{asked.token}", who=ANA)
    assert roles(stage)["bea-lee"] == Role.OPERATOR
    assert "equity" in (await stage.card("/status", who=NEW)).title
    (told,) = await changes(stage)
    assert (told.by, told.person, told.what, told.before, told.after) == (
        "Ana (telegram:7)",
        "bea-lee",
        "added",
        "",
        "operator telegram:4711",
    )


async def test_a_group_is_let_in_to_watch_without_naming_a_role(stage: Stage) -> None:
    await confirmed(stage, f'/users add {ROOM} "Trading room"')
    assert roles(stage)["trading-room"] == Role.VIEWER
    assert "equity" in (await stage.card("/status", who=EVE, place=f"{ROOM}/15", private=False)).title
    said = (await stage.card("/halt", who=EVE, place=ROOM, private=False)).plain()
    assert "/halt is for operators, you are a viewer" in said
    listed = await stage.card("/users", who=ANA)
    assert "4 users, 1 group, 2 admins" in listed.title
    assert "Trading room (trading-room): viewer, everybody in it, added in the chat. telegram:-1001" in listed.lines


async def test_a_role_is_changed_and_taken_at_once(stage: Stage) -> None:
    said = await confirmed(stage, "/users role otto viewer")
    assert "otto: operator -> viewer" in said.title.lower()
    assert "/halt is for operators, you are a viewer" in (await stage.card("/halt", who=OTTO)).plain()
    (told,) = await changes(stage)
    assert (told.what, told.before, told.after) == ("role", "operator", "viewer")


async def test_somebody_is_removed_from_every_account(stage: Stage) -> None:
    await confirmed(stage, "/users link otto discord:9")
    asked = token_of(await stage.card("/close BTC", who=OTTO))
    await confirmed(stage, "/users remove Otto")
    assert (await stage.card(button=f"{CONFIRM}{asked}", who=OTTO)).plain() == "This desk is private."
    assert (await stage.card("/halt", who=Identity(platform="discord", id="9"))).plain() == "This desk is private."
    assert await stage.say("/halt", who=OTTO) is None
    assert stage.desk.obeyed == []
    assert [(c.what, c.before, c.after) for c in await changes(stage)] == [
        ("removed", "operator discord:9 telegram:9", ""),
        ("linked", "telegram:9", "discord:9 telegram:9"),
    ]


async def test_an_account_is_linked_and_unlinked(stage: Stage) -> None:
    there = Identity(platform="discord", id="815")
    asked = await stage.card("/users link otto discord:<@815>", who=ANA)
    assert "whoever writes from discord:815 is Otto: operator" in asked.plain()
    await stage.card(button=f"{CONFIRM}{asked.token}", who=ANA)
    assert "halted" in (await stage.card("/halt", who=there, place="discord:@815")).title
    await confirmed(stage, "/users unlink discord:815")
    assert (await stage.card("/resume", who=there, place="discord:@815")).plain() == "This desk is private."


async def test_one_that_stood_alone_is_said_to_before_it_is_linked(stage: Stage) -> None:
    asked = await stage.card("/users link otto telegram:8", who=ANA)
    assert "telegram:8 stood alone as Ola (ola): viewer, added in the chat. telegram:8" in asked.plain()
    await stage.card(button=f"{CONFIRM}{asked.token}", who=ANA)
    assert "ola" not in roles(stage)


async def test_no_is_no(stage: Stage) -> None:
    before = roles(stage)
    for text in (
        "/users add telegram:4711 admin Bea",
        "/users role ola admin",
        "/users remove ola",
        "/users link ola discord:1",
    ):
        asked = await stage.card(text, who=ANA)
        await stage.card(button=f"{CANCEL}{asked.token}", who=ANA)
    assert roles(stage) == before
    assert await changes(stage) == []


REFUSED = (
    ("/users add telegram:4711 Bea", "which role? one of viewer, operator, admin"),
    ("/users add @bea operator", "is no account"),
    ("/users add 4711 operator", "is no account"),
    ("/users add telegram:8 operator Bea", "telegram:8 is Ola already; /users role ola changes the role"),
    (f"/users add {ROOM} operator Room", "can be a viewer only"),
    ("/users role otto", "which role? one of viewer, operator, admin"),
    ("/users role otto boss", "no role 'boss'"),
    ("/users role otto operator", "Otto is operator already"),
    ("/users role nobody admin", "nobody is called nobody"),
    ("/users role ana viewer", "nobody changes his own role or removes himself"),
    ("/users role owner viewer", "sits at the terminal, and is always an admin"),
    ("/users remove ana", "nobody changes his own role or removes himself"),
    ("/users remove telegram:7", "nobody changes his own role or removes himself"),
    ("/users remove owner", "sits at the terminal, and is always an admin"),
    ("/users link nobody discord:1", "nobody is called nobody"),
    ("/users unlink discord:1", "nobody is called discord:1"),
    ("/users ad telegram:1", "Did you mean /users add?"),
)


@pytest.mark.parametrize(("text", "said"), REFUSED)
async def test_what_cannot_be_is_refused_before_it_is_asked(text: str, said: str, stage: Stage) -> None:
    card = await stage.card(text, who=ANA)
    assert card.token == ""
    assert said in " ".join(card.plain().split())


async def test_what_became_impossible_before_the_yes_is_refused_then(stage: Stage) -> None:
    asked = await stage.card("/users add telegram:4711 viewer Bea", who=ANA)
    await confirmed(stage, "/users add telegram:4711 viewer Cleo", OWNER)
    assert "telegram:4711 is Cleo already" in (await stage.card(button=f"{CONFIRM}{asked.token}", who=ANA)).plain()


async def test_two_admins_cannot_remove_each_other_both(stage: Stage) -> None:
    await confirmed(stage, "/users role otto admin")
    his = await stage.card("/users remove ana", who=OTTO)
    hers = await stage.card("/users remove otto", who=ANA)
    await stage.card(button=f"{CONFIRM}{his.token}", who=OTTO)
    assert (await stage.card(button=f"{CONFIRM}{hers.token}", who=ANA)).plain() == "This desk is private."
    assert roles(stage)["otto"] == Role.ADMIN


# --- audit --------------------------------------------------------------------------------------------------------


async def test_the_audit_says_who_where_what_and_what_was_different(stage: Stage) -> None:
    await stage.card("/halt too hot", who=OTTO, place=ROOM, private=False)
    await stage.card("/balance", who=EVE)
    await stage.card("/nonsense", who=OLA)
    await confirmed(stage, "/users role ola operator")
    said = (await stage.card("/audit 10", who=ANA)).plain()
    for part in (
        "telegram:9 in telegram:-1001: /halt too hot -> done",
        "- trading: active -> halted: too hot",
        "Eve (telegram:666) in telegram:666: /balance -> refused: not on the list of users",
        "telegram:8 in telegram:8: /nonsense -> refused: unknown command",
        "Ana (telegram:7) in users: role -> changed",
        "- ola: viewer -> operator",
    ):
        assert part in said
    assert said.index("- ola: viewer") < said.index("/nonsense") < said.index("/halt too hot")


async def test_the_audit_pages_and_comes_as_a_file(stage: Stage) -> None:
    for n in range(12):
        await stage.card(f"/position {n}", who=OLA)
    first = await stage.card("/audit 5", who=ANA)
    assert [b.data for b in first.buttons] == ["re:/audit 5 page=2", "do:/audit 5 csv"]
    second = await stage.card(button=first.buttons[0].data, who=ANA)
    assert "/position 11" in first.plain()
    assert "/position 11" not in second.plain()
    assert "/position 7" in second.plain()
    file = (await stage.card("/audit csv", who=ANA)).file
    assert file is not None
    head, *rows = file.content.decode().splitlines()
    assert head == "at,who,where,what,result,changed,before,after"
    assert sum("/position" in row for row in rows) == 12


async def test_audit_and_users_answer_only_who_asked_where_others_read(stage: Stage) -> None:
    for text in ("/audit", "/users", "/logs", "/questions"):
        assert (await stage.card(text, who=ANA, place=ROOM, private=False)).private, text


# --- questions ----------------------------------------------------------------------------------------------------


async def test_open_questions_come_with_their_buttons_on_the_other_platform(stage: Stage) -> None:
    there = Identity(platform="discord", id="70")
    await confirmed(stage, "/users link ana discord:70")
    assert "no question is open for you" in (await stage.card("/questions", who=there, place="discord:@70")).title
    token = token_of(await stage.card("/close BTC", who=ANA))
    said = await stage.card("/questions", who=there, place="discord:@70")
    assert "1 question open for you" in said.title
    assert "Asked in telegram:7" in said.plain()
    assert [b.data for b in said.buttons[:2]] == [f"{CONFIRM}{token}", f"{CANCEL}{token}"]
    await stage.card(button=said.buttons[0].data, who=there, place="discord:@70")
    assert len(stage.desk.obeyed) == 1
    assert "no question" in (await stage.card("/questions", who=ANA)).title


async def test_a_code_stands_with_its_question(stage: Stage) -> None:
    asked = await stage.card("/flatten", who=ANA)
    code = asked.buttons[0].form.split()[1]
    said = await stage.card("/questions", who=ANA)
    assert f"Type {code} to confirm" in said.plain()
    assert said.buttons[0].form == f"Type {code} to confirm"


async def test_questions_of_others_are_not_shown(stage: Stage) -> None:
    await stage.card("/close BTC", who=ANA)
    assert "no question" in (await stage.card("/questions", who=OTTO)).title


async def test_more_questions_than_buttons_are_said_to_be(stage: Stage) -> None:
    for _ in range(6):
        await stage.card("/close BTC", who=ANA)
    said = await stage.card("/questions", who=ANA)
    assert "6 questions open for you" in said.title
    assert "2 more: answer these first" in said.plain()
    assert len(said.buttons) == 9
