"""What a tap does: who may, what gives way to what, and where a question stands."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import aiohttp
import pytest

from bot.chats.telegram_inbox import ASIDE, UNREACHED
from bot.surface import Button, Card, Role, Style
from tests.chat.telegram_world import ANN, BOB, CONFIRM, GROUP, QUICK, STRANGER, World, a_telegram, a_world, until
from tests.fakes.telegram_api import TOKEN, Message

PAGE = Card(title="page 1", buttons=(Button(label="Older", data="re:/trades page=2"),))
NEXT = Card(title="page 2", buttons=(Button(label="Newer", data="re:/trades"),))
FORUM, FILLS = -1002, 5


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        world.api.group(FORUM, topics={FILLS: "fills"}, privacy=False)
        await world.up()
        yield world


async def show(
    world: World, card: Card, *, to: int = ANN, chat: int | None = None, topic: int | None = None
) -> Message:
    """Somebody asks, and gets this card."""
    before = len(world.api.inbox(chat or to))
    world.desk.answers["/ask"] = card
    world.api.person(to).type("/ask", chat=chat, topic=topic)
    await until(lambda: len(world.api.inbox(chat or to)) > before)
    return world.api.inbox(chat or to)[-1]


async def tapped(world: World, query: str) -> None:
    done = len(world.desk.done)
    await until(lambda: world.api.answered(query) and len(world.desk.done) >= done)


# --- looks ---------------------------------------------------------------------------------------------------------


async def test_buttons_have_their_style_and_stand_two_in_a_row(world: World) -> None:
    styles = [Button(label=style.value, data=f"do:/{style.value}", style=style) for style in Style]
    message = await show(world, Card(title="t", buttons=tuple(styles)))
    assert [[key["text"] for key in row] for row in message.keyboard] == [["plain", "primary"], ["success", "danger"]]
    assert [key.get("style") for row in message.keyboard for key in row] == [None, "primary", "success", "danger"]


async def test_a_label_that_cannot_be_sent_is_made_sendable(world: World) -> None:
    message = await show(world, Card(title="t", buttons=(Button(label="a\x00\ud83d", data="do:/x"),)))
    assert message.keyboard[0][0]["text"] == "a\ufffd\ufffd"


# --- in place, and anew --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chat", [None, GROUP])
async def test_paging_happens_in_place(world: World, chat: int | None) -> None:
    message = await show(world, PAGE, chat=chat)
    world.desk.answers |= {"re:/trades page=2": NEXT, "re:/trades": PAGE}
    world.api.person(ANN).tap(message, "Older")
    await until(lambda: message.text == "page 2")
    world.api.person(ANN).tap(message, "Newer")
    await until(lambda: message.text == "page 1")
    assert world.api.inbox(chat or ANN) == [message]


async def test_a_refresh_that_finds_nothing_new_changes_nothing(world: World) -> None:
    message = await show(world, PAGE)
    world.desk.answers["re:/trades page=2"] = PAGE
    query = world.api.person(ANN).tap(message, "Older")
    await until(lambda: [c for c in world.api.made("editMessageText") if "not modified" in c.description])
    await tapped(world, query)
    assert world.api.inbox(ANN) == [message]


async def test_a_card_that_cannot_be_turned_comes_anew(world: World) -> None:
    message = await show(world, PAGE)
    message.too_old = True
    world.desk.answers["re:/trades page=2"] = NEXT
    world.api.person(ANN).tap(message, "Older")
    await until(lambda: world.api.texts(ANN) == ["page 1", "page 2"])
    assert world.api.inbox(ANN)[1].keyboard


async def test_a_button_that_asks_is_answered_by_a_message_of_its_own(world: World) -> None:
    alert = Card(title="filled", buttons=(Button(label="Why", data="do:/why 1"),))
    await world.send(alert, to=GROUP)
    (message,) = world.api.inbox(GROUP)
    world.api.person(BOB).tap(message, "Why")
    await until(lambda: len(world.api.inbox(GROUP)) == 2)
    answer = world.api.inbox(GROUP)[1]
    assert answer.reply_to is message, "in a group one sees what it is about"
    assert message.keyboard


async def test_silence_after_a_tap_changes_nothing(world: World) -> None:
    message = await show(world, PAGE)
    world.desk.answers["re:/trades page=2"] = None
    await tapped(world, world.api.person(ANN).tap(message, "Older"))
    await until(lambda: len(world.desk.done) == 2)
    assert (world.api.texts(ANN), message.edited) == (["page 1"], False)


# --- whose card it is ----------------------------------------------------------------------------------------------


async def test_a_colleague_may_turn_a_card_if_the_desk_lets_him(world: World) -> None:
    """Else he gets a note, and hers stays."""
    world.desk.answers["re:/trades page=2"] = Card(title="PAPER refused", lines=("/audit is for admins",), refused=True)
    message = await show(world, PAGE, chat=GROUP)
    query = world.api.person(BOB).tap(message, "Older")
    await until(lambda: world.api.answered(query))
    assert world.api.person(BOB).notes == ["PAPER refused\n/audit is for admins"]
    world.desk.answers["re:/trades page=2"] = NEXT
    world.api.person(BOB).tap(message, "Older")
    await until(lambda: message.text == "page 2")
    assert world.api.inbox(GROUP) == [message]


async def test_a_card_for_all_is_turned_by_whoever_has_a_role_there(world: World) -> None:
    await world.send(PAGE, to=GROUP)
    (message,) = world.api.inbox(GROUP)
    world.desk.answers |= {"re:/trades page=2": NEXT, "re:/trades": Card(title="private desk")}
    world.api.person(BOB).tap(message, "Older")
    await until(lambda: message.text == "page 2")
    query = world.api.person(STRANGER).tap(message, "Newer")
    await until(lambda: world.api.answered(query))
    assert world.api.person(STRANGER).notes == ["private desk"]
    world.desk.roles[GROUP] = Role.VIEWER
    world.desk.answers["re:/trades"] = PAGE
    world.api.person(STRANGER).tap(message, "Newer")
    await until(lambda: message.text == "page 1")
    assert world.api.inbox(GROUP) == [message]


async def test_a_tap_of_somebody_else_takes_no_question_away(world: World) -> None:
    """The desk decides whether a tap counts; where it does not, who tapped gets a note."""
    question = await show(world, CONFIRM, chat=GROUP)
    world.desk.answers |= {"cf:1a2b": Card(title="PAPER refused", lines=("only Ann can answer this",), refused=True)}
    for id in (BOB, STRANGER):
        query = world.api.person(id).tap(question, "Yes")
        await until(lambda query=query: world.api.answered(query))
        assert world.api.person(id).notes == ["PAPER refused\nonly Ann can answer this"]
    assert not any(note.alert for note in world.api.notes)
    assert question.keyboard
    world.desk.answers |= {"cf:1a2b": Card(title="resumed")}
    world.api.person(ANN).tap(question, "Yes")
    await until(lambda: question.text == "resumed")
    assert (question.keyboard, world.api.inbox(GROUP)) == ([], [question])


async def test_a_question_for_a_second_person_gives_way_to_his_answer(world: World) -> None:
    await world.send(CONFIRM, to=GROUP)
    (question,) = world.api.inbox(GROUP)
    world.desk.answers |= {
        "cf:1a2b": Card(title="PAPER refused", lines=("a second person has to answer this",), refused=True)
    }
    query = world.api.person(ANN).tap(question, "Yes")
    await until(lambda: world.api.answered(query))
    assert question.keyboard
    world.desk.answers |= {"cf:1a2b": Card(title="PAPER resumed")}
    world.api.person(BOB).tap(question, "Yes")
    await until(lambda: question.text == "PAPER resumed")


async def test_a_silent_answer_to_somebody_else_leaves_the_buttons(world: World) -> None:
    question = await show(world, CONFIRM, chat=GROUP)
    world.desk.answers |= {"cf:1a2b": None}
    query = world.api.person(BOB).tap(question, "Yes")
    await until(lambda: world.api.answered(query))
    world.api.person(BOB).type("/status", chat=GROUP)
    await until(lambda: "answer to /status" in world.api.texts(GROUP))
    assert question.keyboard


async def test_a_no_that_is_final_takes_the_place_of_the_question(world: World) -> None:
    """Its owner has used it up, and the desk would not do it."""
    question = await show(world, CONFIRM)
    world.desk.answers |= {"cf:1a2b": Card(title="PAPER refused", lines=("the desk is halted already",), refused=True)}
    world.api.person(ANN).tap(question, "Yes")
    await until(lambda: question.text == "PAPER refused\nthe desk is halted already")
    assert not question.keyboard


async def test_while_nobody_is_obeyed_a_question_stays() -> None:
    async with a_world(timing=replace(QUICK, settle=timedelta(seconds=30))) as world:
        await world.up()
        question = await show(world, CONFIRM)
        await until(lambda: world.api.polling)
        async with aiohttp.ClientSession() as rival:
            await rival.post(f"{world.api.url}{TOKEN}/getUpdates", data={"timeout": 0})
        await until(lambda: world.telegram.distrust)
        world.desk.answers |= {
            "cf:1a2b": Card(title="PAPER refused", lines=("another process reads this",), refused=True)
        }
        query = world.api.person(ANN).tap(question, "Yes")
        await until(lambda: world.api.answered(query))
        assert world.api.person(ANN).notes == ["PAPER refused\nanother process reads this"]
        assert question.keyboard


async def test_a_question_that_came_from_a_tap_in_a_group_knows_its_owner(world: World) -> None:
    await world.send(Card(title="filled", buttons=(Button(label="Close", data="do:/close 1"),)), to=GROUP)
    world.desk.answers |= {"do:/close 1": CONFIRM, "cf:1a2b": Card(title="closed")}
    world.api.person(BOB).tap(world.api.inbox(GROUP)[0], "Close")
    await until(lambda: len(world.api.inbox(GROUP)) == 2)
    question = world.api.inbox(GROUP)[1]
    world.desk.answers["cf:1a2b"] = Card(title="PAPER refused", lines=("it is closed already",), refused=True)
    world.api.person(BOB).tap(question, "Yes")
    await until(lambda: question.text == "PAPER refused\nit is closed already")
    assert world.api.person(BOB).notes == []


async def test_a_question_that_cannot_be_replaced_is_answered_under_it(world: World) -> None:
    question = await show(world, CONFIRM, chat=GROUP)
    question.too_old = True
    world.api.person(ANN).tap(question, "Yes")
    await until(lambda: len(world.api.inbox(GROUP)) == 2)
    assert world.api.inbox(GROUP)[1].reply_to is question


async def test_after_a_restart_a_question_is_still_answered_in_its_place(world: World) -> None:
    question = await show(world, CONFIRM, chat=GROUP)
    await world.stop()
    again = World(world.api, world.desk, world.troubles, a_telegram(world.api, world.desk, world.troubles))
    await again.up()
    world.api.person(ANN).tap(question, "No")
    await until(lambda: question.text == "answer to no:1a2b")
    await again.stop()


async def test_a_note_is_cut_to_what_telegram_shows(world: World) -> None:
    question = await show(world, CONFIRM, chat=GROUP)
    world.desk.answers["cf:1a2b"] = Card(title="refused", lines=("😀" * 300,), refused=True)
    query = world.api.person(BOB).tap(question, "Yes")
    await until(lambda: world.api.answered(query))
    assert world.api.person(BOB).notes == ["refused\n" + "😀" * 96]


# --- typed codes ---------------------------------------------------------------------------------------------------

CODED = Card(
    title="flatten?",
    lines=("Type 4821 to confirm.",),
    buttons=(Button(label="Confirm", data="cf:9f", form="Type 4821 to confirm"), Button(label="Cancel", data="no:9f")),
)


async def test_a_button_that_wants_a_word_leaves_its_question_standing(world: World) -> None:
    """Telegram has no form: the code comes as a message."""
    question = await show(world, CODED)
    world.desk.answers |= {
        "cf:9f": Card(title="PAPER refused", lines=("that is not the code",), refused=True),
        "4821": Card(title="flat"),
    }
    ann = world.api.person(ANN)
    query = ann.tap(question, "Confirm")
    await until(lambda: world.api.answered(query))
    assert ann.notes == ["PAPER refused\nthat is not the code"]
    assert (world.desk.requests[-1].button, world.desk.requests[-1].text) == ("cf:9f", "")
    assert question.keyboard
    ann.type("4821")
    await until(lambda: "flat" in world.api.texts(ANN))
    assert world.desk.requests[-1].text == "4821"


async def test_a_button_that_wants_a_word_gives_way_where_the_desk_wants_none(world: World) -> None:
    question = await show(world, CODED)
    world.api.person(ANN).tap(question, "Confirm")
    await until(lambda: question.text == "answer to cf:9f")


async def test_in_a_group_a_code_counts_where_it_replies_to_the_bot(world: World) -> None:
    question = await show(world, CODED, chat=GROUP)
    ann = world.api.person(ANN)
    ann.type("4821", chat=GROUP)
    ann.type("1234", chat=GROUP, reply_to=question)
    await until(lambda: "answer to 1234" in world.api.texts(GROUP))
    assert [text for *_, text in world.desk.asked] == ["/ask", "1234"]


async def test_a_question_with_a_code_can_be_cancelled_by_a_tap(world: World) -> None:
    question = await show(world, CODED)
    world.api.person(ANN).tap(question, "Cancel")
    await until(lambda: question.text == "answer to no:9f")


# --- where a question stands ---------------------------------------------------------------------------------------


async def test_the_desk_is_told_where_a_question_stands(world: World) -> None:
    answered = await show(world, CONFIRM)
    in_topic = await show(world, CONFIRM, chat=FORUM, topic=FILLS)
    alerted = await world.send(CONFIRM, to=BOB)
    assert await world.telegram.edit(f"telegram:{BOB}", alerted, CONFIRM)
    world.desk.answers["re:/x"] = CONFIRM
    world.api.person(ANN).forge(answered, "re:/x")
    await until(lambda: len(world.desk.stood) == 5)
    assert world.desk.stood == [
        ("1a2b", "telegram:7", str(answered.id)),
        ("1a2b", f"telegram:{FORUM}/{FILLS}", str(in_topic.id)),
        ("1a2b", "telegram:8", alerted),
        ("1a2b", "telegram:8", alerted),
        ("1a2b", "telegram:7", str(answered.id)),
    ]


async def test_a_desk_that_cannot_note_it_costs_no_question(world: World) -> None:
    world.desk.fault = RuntimeError("disk full")
    question = await show(world, CONFIRM)
    assert question.keyboard
    assert await world.send(CONFIRM, to=BOB) == await world.send(CONFIRM, to=BOB)


# --- places --------------------------------------------------------------------------------------------------------


async def test_requests_carry_their_place_and_whether_others_read_it(world: World) -> None:
    ann = world.api.person(ANN)
    ann.type("/a")
    ann.type("/b", chat=GROUP)
    ann.type("/c", chat=FORUM, topic=FILLS)
    general = ann.type("/d", chat=FORUM)
    ann.type("/e", chat=FORUM, reply_to=general)
    await until(lambda: len(world.desk.requests) == 5)
    assert [(r.text, r.place, r.private) for r in sorted(world.desk.requests, key=lambda r: r.text)] == [
        ("/a", "telegram:7", True),
        ("/b", "telegram:-1001", False),
        ("/c", "telegram:-1002/5", False),
        ("/d", "telegram:-1002", False),
        ("/e", "telegram:-1002", False),
    ]


async def test_all_that_answers_in_a_topic_stays_in_it(world: World) -> None:
    world.desk.answers |= {"do:/x": Card(title="x"), "re:/trades page=2": NEXT}
    message = await show(world, PAGE, chat=FORUM, topic=FILLS)
    ann = world.api.person(ANN)
    ann.forge(message, "do:/x")
    await until(lambda: len(world.api.inbox(FORUM)) == 2)
    message.too_old = True
    ann.tap(message, "Older")
    await until(lambda: len(world.api.inbox(FORUM)) == 3)
    assert {m.topic for m in world.api.inbox(FORUM)} == {FILLS}
    assert {r.place for r in world.desk.requests} == {f"telegram:{FORUM}/{FILLS}"}


async def test_what_is_for_one_alone_is_said_in_his_private_chat(world: World) -> None:
    secret = Card(title="3 users", private=True, buttons=PAGE.buttons)
    await show(world, secret, chat=GROUP)
    assert world.api.texts(GROUP) == [ASIDE.title]
    assert world.api.texts(ANN) == ["3 users"]
    world.desk.answers["re:/trades page=2"] = replace(secret, title="users")
    alert = await world.send(PAGE, to=GROUP, key="alert")
    world.api.person(ANN).tap(world.api.messages[GROUP, int(alert)], "Older")
    await until(lambda: world.api.texts(ANN) == ["3 users", "users"])
    assert world.api.messages[GROUP, int(alert)].text == "page 1"


async def test_who_cannot_be_written_to_is_told_so_and_nobody_else_learns_it(world: World) -> None:
    world.api.person(ANN).block()
    await show(world, Card(title="3 users", private=True), chat=GROUP)
    assert world.api.texts(GROUP) == [UNREACHED.title]
    assert world.api.texts(ANN) == []


async def test_in_a_private_chat_a_private_card_is_as_any_other(world: World) -> None:
    await show(world, Card(title="3 users", private=True))
    assert world.api.texts(ANN) == ["3 users"]


# --- what is not for the desk --------------------------------------------------------------------------------------


async def test_what_was_edited_afterwards_is_not_a_command(world: World) -> None:
    ann = world.api.person(ANN)
    said = ann.type("/status")
    await until(lambda: len(world.desk.done) == 1)
    ann.edit(said, "/halt")
    ann.type("/help")
    await until(lambda: len(world.desk.done) == 2)
    assert world.desk.done == ["/status", "/help"]


async def test_a_tap_without_data_is_acknowledged_and_no_more(world: World) -> None:
    message = await show(world, PAGE)
    query = world.api.person(ANN).forge(message, None)
    await until(lambda: world.api.answered(query))
    assert world.desk.done == ["/ask"]


async def test_a_tap_on_a_message_that_is_no_longer_to_be_seen_is_answered_anew(world: World) -> None:
    message = await show(world, PAGE)
    world.api.delete(message)
    world.api.person(ANN).forge(message, "re:/trades page=2")
    await until(lambda: world.api.texts(ANN) == ["answer to re:/trades page=2"])
    world.api.person(ANN).forge(message, "cf:1a2b")
    await until(lambda: world.api.texts(ANN)[1:] == ["answer to cf:1a2b"])
