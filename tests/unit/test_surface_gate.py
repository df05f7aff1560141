"""The one gate: how a line is read, questions and codes, strangers, and what is written of it all."""

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.arguments import OneOf, Words
from bot.catalogue import Effect, Entry
from bot.gate import Surface
from bot.reach import Context
from bot.render.words import card
from bot.surface import CANCEL, CONFIRM, Card, Identity, Request, Role
from storage.confirmations import TTL
from tests.surfaces import ANA, EVE, OLA, OTTO, WALL, Desk, Stage, staged, token_of
from trading import events as m
from trading.errors import JournalUnwritable, Misuse

ROOM = "telegram:-1001"
ON_DISCORD = Identity(platform="discord", id="70", name="Ana there")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        yield made


# --- a small catalogue, to look at the gate alone ------------------------------------------------------------------

done: list[str] = []


async def _look(context: Context, what: str = "all") -> Card:
    return card(f"looked at {what}")


async def _act(context: Context, words: str = "") -> Card:
    done.append(f"{context.typed} by {context.person}")
    return card("acted")


async def _ask(context: Context) -> Card:
    if context.confirmed:
        done.append(f"asked by {context.person}")
        return card("done")
    return await context.ask("/ask", "really?")


async def _code(context: Context) -> Card:
    if context.confirmed:
        done.append(f"code of {context.person}")
        return card("done")
    return await context.ask("/code", "really, really?", code="4711")


async def _fail(context: Context) -> Card:
    raise RuntimeError("secret inner detail")


async def _refuse(context: Context) -> Card:
    raise Misuse("it is too late")


def an_entry(path: str, run: Any, role: Role, effect: Effect, *args: Any, private: bool = False) -> Entry:
    return Entry(
        path=path, help=path, role=role, effect=effect, example=f"/{path}", run=run, args=args, private=private
    )


WHAT = OneOf(name="what", help="what", known=("all", "some"))
SMALL = {
    entry.path: entry
    for entry in (
        an_entry("look", _look, Role.VIEWER, Effect.READS, WHAT),
        an_entry("look secret", _look, Role.ADMIN, Effect.READS, private=True),
        an_entry("halt", _act, Role.OPERATOR, Effect.AT_ONCE, Words(name="words", help="why")),
        an_entry("ask", _ask, Role.OPERATOR, Effect.ASKS),
        an_entry("code", _code, Role.OPERATOR, Effect.CODE),
        an_entry("fail", _fail, Role.VIEWER, Effect.READS),
        an_entry("refuse", _refuse, Role.VIEWER, Effect.READS),
    )
}


@pytest.fixture
async def small(stage: Stage) -> Stage:
    """The same stage with the small catalogue. Ana has an account on Discord too."""
    done.clear()
    await stage.tools.people.link("ana", ON_DISCORD.key)
    stage.surface = Surface(stage.tools, SMALL)
    return stage


async def result(stage: Stage) -> str:
    last = (await stage.audit())[0]
    assert isinstance(last, m.CommandRun)
    return last.result


# --- answers ---------------------------------------------------------------------------------------------------------


async def test_private_answers_are_marked_where_others_read(small: Stage) -> None:
    assert (await small.card("/look secret", who=ANA, place=ROOM, private=False)).private
    assert not (await small.card("/look secret", who=ANA)).private
    assert not (await small.card("/look", who=ANA, place=ROOM, private=False)).private


# --- how a line may be written --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["/halt", "/HALT", " /halt ", "/halt@OurBot", "/halt@OurBot too hot", "/halt\ntoo hot", "/halt\ttoo"]
)
async def test_a_line_is_read_as_it_is_meant(small: Stage, text: str) -> None:
    await small.card(text, who=OTTO)
    assert len(done) == 1


@pytest.mark.parametrize("button", ["do:/halt", "re:/halt", "do: /halt too hot"])
async def test_a_button_carries_a_command(small: Stage, button: str) -> None:
    await small.card(button=button, who=OTTO)
    assert len(done) == 1


@pytest.mark.parametrize("button", ["/halt", "xx:/halt", "do", "halt", "\x00", "cf:", "no:", "cf:/halt", "do:"])
async def test_what_nobody_made_a_button_of_does_nothing(small: Stage, button: str) -> None:
    await small.card("/halt", button=button, who=OTTO)
    assert done == []
    assert (await result(small)).startswith("refused")


@pytest.mark.parametrize(("text", "said"), [
    ("/lok", "Did you mean /look?"),
    ("hello", "commands begin with /"),
    ("", "commands begin with /"),
    ("/", "no command /"),
    ("/look nothing", "one of all, some|known: all, some"),
    ("/look all of it", "is too much"),
    ("yes", "no question is open here"),
    ("NO", "no question is open here"),
    ("4711", "no question is open here"),
    ("/refuse", "it is too late"),
])  # fmt: skip
async def test_what_cannot_be_done_is_said_plainly_and_audited(small: Stage, text: str, said: str) -> None:
    words = (await small.card(text, who=OTTO)).plain()
    assert any(part in words for part in said.split("|"))
    assert (await result(small)).startswith("refused")


async def test_an_action_has_a_role_of_its_own(small: Stage) -> None:
    assert "looked at some" in (await small.card("/look some", who=OLA)).title
    assert "/look secret is for admins, you are a viewer" in (await small.card("/look secret", who=OLA)).plain()


# --- questions ------------------------------------------------------------------------------------------------------


async def test_a_question_is_answered_once_by_whoever_was_asked(small: Stage) -> None:
    token = token_of(await small.card("/ask", who=OTTO))
    assert done == []
    assert "only otto can answer" in (await small.card(button=f"{CONFIRM}{token}", who=ANA)).plain().lower()
    assert await small.say(button=f"{CONFIRM}{token}", who=EVE) is not None
    assert done == []
    said = await small.card(button=f"{CONFIRM}{token}", who=OTTO)
    assert done == ["asked by otto"]
    assert "/ask, confirmed by telegram:9, 2026-01-05 09:30 UTC" in said.plain()
    for again in (CONFIRM, CANCEL):
        words = (await small.card(button=f"{again}{token}", who=OTTO)).plain().lower()
        assert "already confirmed by otto" in words
    assert len(done) == 1


async def test_what_is_asked_on_one_platform_is_answered_on_the_other(small: Stage) -> None:
    token = token_of(await small.card("/ask", who=ANA))
    await small.card(button=f"{CONFIRM}{token}", who=ON_DISCORD, place="discord:@70")
    assert done == ["asked by ana"]


async def test_no_is_the_end_of_it(small: Stage) -> None:
    token = token_of(await small.card("/ask", who=OTTO))
    assert "nothing was done" in (await small.card(button=f"{CANCEL}{token}", who=OTTO)).plain()
    assert "already cancelled" in (await small.card(button=f"{CONFIRM}{token}", who=OTTO)).plain()
    assert done == []


async def test_too_late_is_refused(small: Stage) -> None:
    token = token_of(await small.card("/ask", who=OTTO))
    small.wall.advance(TTL)
    assert "expired at 2026-01-05 09:32 UTC" in (await small.card(button=f"{CONFIRM}{token}", who=OTTO)).plain()
    assert done == []


async def test_a_role_that_is_gone_at_the_tap_is_gone(small: Stage) -> None:
    token = token_of(await small.card("/ask", who=OTTO))
    await small.tools.people.change_role("otto", Role.VIEWER)
    assert "is for operators" in (await small.card(button=f"{CONFIRM}{token}", who=OTTO)).plain()
    await small.tools.people.remove("otto")
    assert (await small.card(button=f"{CONFIRM}{token}", who=OTTO)).plain() == "This desk is private."
    assert done == []


async def test_a_code_is_typed_with_the_tap(small: Stage) -> None:
    asked = await small.card("/code", who=OTTO)
    assert "Type 4711 to confirm." in asked.plain()
    assert asked.buttons[0].form == "Type 4711 to confirm"
    for typed in ("", "4712", "yes"):
        words = (await small.card(typed, button=f"{CONFIRM}{token_of(asked)}", who=OTTO)).plain()
        assert "not the code; the question is still open" in words
    assert done == []
    await small.card(" 4711 ", button=f"{CONFIRM}{token_of(asked)}", who=OTTO)
    assert done == ["code of otto"]


async def test_a_code_is_typed_as_a_message_on_whatever_platform(small: Stage) -> None:
    await small.card("/code", who=ANA)
    assert "no question is open" in (await small.card("4711", who=OTTO)).plain()
    assert "not the code" in (await small.card("0815", who=ANA)).plain()
    await small.card("4711", who=ON_DISCORD, place="discord:@70")
    assert done == ["code of ana"]
    assert "no question is open" in (await small.card("4711", who=ANA)).plain()


async def test_where_a_question_stands_is_remembered(small: Stage) -> None:
    asked = await small.card("/ask", who=OTTO)
    await small.surface.shown(asked, "telegram:9", "message 5")
    await small.surface.shown(await small.card("/look", who=OTTO), "telegram:9", "message 6")
    small.wall.advance(TTL)
    lapsed = await small.tools.confirmations.lapsed()  # type: ignore[attr-defined]
    assert [(at.token, at.destination, at.reference) for at in lapsed] == [(token_of(asked), "telegram:9", "message 5")]


async def test_the_answer_to_a_tap_stays_and_a_question_answered_elsewhere_is_greyed_out(small: Stage) -> None:
    for tap in (CONFIRM, CANCEL):
        for who, place in ((ANA, "telegram:7"), (ON_DISCORD, "discord:@70")):
            asked = await small.card("/ask", who=ANA)
            await small.surface.shown(asked, "telegram:7", f"message {tap}{place}")
            await small.card(button=f"{tap}{token_of(asked)}", who=who, place=place)
    coded = await small.card("/code", who=ANA)
    await small.surface.shown(coded, "telegram:7", "message of the code")
    await small.card("4711", who=ANA)
    lapsed = await small.tools.confirmations.lapsed()  # type: ignore[attr-defined]
    assert {at.reference for at in lapsed} == {
        "message cf:discord:@70",
        "message no:discord:@70",
        "message of the code",
    }


async def test_that_it_cannot_be_remembered_is_no_error(
    small: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def full(*_: object) -> None:
        raise JournalUnwritable("disk full")

    asked = await small.card("/ask", who=OTTO)
    monkeypatch.setattr(small.tools.confirmations, "shown", full)
    await small.surface.shown(asked, "telegram:9", "message 5")
    assert "was not written" in caplog.text


# --- strangers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asks", [{"text": "/balance"}, {"button": "do:/balance"}, {"button": "cf:abcdef0123456789"}])
async def test_a_stranger_gets_no_data_and_is_audited(stage: Stage, asks: dict[str, str]) -> None:
    said = await stage.card(who=EVE, **asks)
    assert said.plain() == "This desk is private."
    last = (await stage.audit())[0]
    assert isinstance(last, m.AccessRefused)
    assert (last.who, last.place) == ("Eve (telegram:666)", "telegram:666")
    assert last.text == (asks.get("text") or asks["button"])


async def test_a_stranger_is_answered_once_a_minute_and_cannot_flood_the_journal(stage: Stage) -> None:
    answers = [await stage.say("/balance", who=EVE) for _ in range(50)]
    assert [a is None for a in answers] == [False, *[True] * 49]
    assert len([e for e in await stage.audit() if isinstance(e, m.AccessRefused)]) == 10
    stage.wall.advance(timedelta(minutes=1))
    assert await stage.say("/balance", who=EVE) is not None


async def test_nothing_is_suggested_to_strangers_or_above_ones_role(small: Stage) -> None:
    def suggest(who: Identity, command: str, argument: str, typed: str = "") -> tuple[str, ...]:
        request = Request(who=who, place=f"telegram:{who.id}", at=WALL)
        return small.surface.suggest(request, command, argument, typed)

    assert suggest(OLA, "look", "what") == ("all", "some")
    assert suggest(OLA, "look", "what", "so") == ("some",)
    assert suggest(EVE, "look", "what") == ()
    assert suggest(OLA, "look", "which") == ()
    assert suggest(OLA, "nothing", "what") == ()
    small.surface = Surface(small.tools, SMALL | {"look": replace(SMALL["look"], role=Role.ADMIN)})
    assert suggest(OTTO, "look", "what") == ()
    assert suggest(ANA, "look", "what") == ("all", "some")


async def test_menus_hold_what_a_role_may_and_a_strangers_is_empty(small: Stage) -> None:
    names = {role: [line.name for line in small.surface.menu(role)] for role in (None, *Role)}
    assert names[None] == []
    assert names[Role.VIEWER] == ["look", "fail", "refuse"]
    assert names[Role.OPERATOR] == names[Role.ADMIN] == ["look", "halt", "ask", "code", "fail", "refuse"]
    telegram = {(who.id, role) for who, role in small.surface.members("telegram")}
    assert telegram == {("7", Role.ADMIN), ("8", Role.VIEWER), ("9", Role.OPERATOR)}


async def test_pictures_are_dark_where_somebody_wants_them_so(small: Stage) -> None:
    await small.tools.wishes.put("person:ana", "theme", "dark", by="test")
    assert small.surface.dark("telegram:7")
    assert small.surface.dark("discord:@70")
    assert not small.surface.dark("telegram:9")


# --- a platform that cannot be trusted ------------------------------------------------------------------------------


async def test_while_another_process_reads_the_bot_only_halt_is_obeyed(small: Stage) -> None:
    asked = token_of(await small.card("/ask", who=ANA))
    troubled = {"telegram"}
    why = "another process reads it"
    small.surface = Surface(small.tools, SMALL, trouble=lambda platform: why if platform in troubled else "")
    for text, button in (
        ("/look", ""),
        ("", "do:/look"),
        ("", f"{CONFIRM}{asked}"),
        ("", f"{CANCEL}{asked}"),
        ("x", ""),
    ):
        said = (await small.card(text, button=button, who=ANA)).plain()
        assert f"refused: {why}" in said
    assert done == []
    for halt in ("/halt", "/Halt@OurBot now", " /halt"):
        await small.card(halt, who=ANA)
    await small.card(button="do:/halt", who=ANA)
    assert len(done) == 4
    await small.card(button=f"{CONFIRM}{asked}", who=ON_DISCORD, place="discord:@70")
    troubled.clear()
    await small.card("/look", who=ANA)
    assert done[-1] == "asked by ana"


# --- what is written of it ------------------------------------------------------------------------------------------


async def test_each_request_is_audited_with_what_was_different_after_it(stage: Stage) -> None:
    await stage.card("/halt too hot", who=OTTO, place=ROOM, private=False)
    last = (await stage.audit())[0]
    assert isinstance(last, m.CommandRun)
    assert (last.who, last.place, last.text, last.result) == ("telegram:9", ROOM, "/halt too hot", "done")
    assert last.changes == (("trading", "active", "halted: too hot"),)
    await stage.card("/status", who=OLA)
    last = (await stage.audit())[0]
    assert isinstance(last, m.CommandRun)
    assert (last.text, last.changes) == ("/status", ())


async def test_an_error_inside_is_told_honestly_and_logged_once(small: Stage, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        said = await small.card("/fail", who=OLA)
    assert len(caplog.records) == 1
    error = said.title.removeprefix("PAPER error ")
    assert error in caplog.text
    assert "secret inner detail" in caplog.text
    assert "secret inner detail" not in said.plain()
    assert await result(small) == f"error {error}"


async def test_a_journal_that_takes_nothing_does_not_stop_a_halt(small: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*events: m.Event) -> None:
        raise JournalUnwritable("disk full")

    monkeypatch.setattr(small.desk, "tell", full)
    said = await small.card("/halt", who=OTTO)
    assert len(done) == 1
    assert "not audited" in said.plain()
    assert (await small.card("/look", who=EVE)).plain() == "This desk is private."


async def test_a_desk_that_cannot_say_how_it_stands_is_halted_all_the_same(
    small: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def torn() -> None:
        raise RuntimeError("torn")

    monkeypatch.setattr(small.desk, "status", torn)
    monkeypatch.setattr(Desk, "now", lambda _: WALL)
    await small.card("/halt", who=OTTO)
    assert len(done) == 1
    assert await result(small) == "done"


async def test_cards_wear_the_readers_time_zone(small: Stage) -> None:
    await small.tools.wishes.put("person:otto", "zone", "Asia/Tokyo", by="test")
    token = token_of(await small.card("/ask", who=OTTO))
    small.wall.advance(TTL)
    assert "2026-01-05 18:32 JST" in (await small.card(button=f"{CONFIRM}{token}", who=OTTO)).plain()
