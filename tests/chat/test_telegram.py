"""The real python-telegram-bot against a Bot API on loopback that is as strict as Telegram's."""

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from bot.chats.pace import Limit, Limits
from bot.chats.telegram_sender import REPEAT
from bot.surface import Button, Card, ChatDown, ChatRefused, Identity
from tests.chat.telegram_world import (
    ANN,
    BOB,
    CONFIRM,
    GROUP,
    STRANGER,
    Desk,
    Troubles,
    World,
    a_telegram,
    a_world,
    until,
)
from tests.fakes.telegram_api import TOKEN, Flood, TelegramApi, utf16
from trading.status import Armed


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        yield world


# --- in ------------------------------------------------------------------------------------------------------------


async def test_a_message_and_a_tap_reach_the_desk_with_who_and_where_and_are_answered(world: World) -> None:
    await world.up()
    ann = world.api.person(ANN)
    world.desk.answers["/positions now"] = Card(title="none", buttons=(Button(label="Again", data="do:/positions"),))
    ann.type("/positions now")
    await until(lambda: world.api.inbox(ANN))
    query = ann.tap(world.api.inbox(ANN)[0], "Again")
    await until(lambda: len(world.api.inbox(ANN)) == 2 and world.api.answered(query))
    assert world.desk.asked == [
        ("telegram:7", "telegram:7", "/positions now"),
        ("telegram:7", "telegram:7", "do:/positions"),
    ]
    assert world.desk.requests[0].who == Identity(platform="telegram", id="7", name="Ann")
    assert world.api.texts(ANN) == ["none", "answer to do:/positions"]
    assert world.api.inbox(ANN)[0].keyboard, "a button that asks again stays"


async def test_a_strangers_words_and_taps_reach_the_desk_as_the_strangers(world: World) -> None:
    await world.up()
    world.desk.answers |= {"/resume": CONFIRM, "cf:1a2b": Card(title="not yours"), "/status": None}
    world.api.person(ANN).type("/resume", chat=GROUP)
    await until(lambda: world.api.inbox(GROUP))
    (question,) = world.api.inbox(GROUP)
    mallory = world.api.person(STRANGER)
    query = mallory.tap(question, "Yes")
    mallory.type("/status")
    await until(lambda: world.api.answered(query) and len(world.desk.done) == 3)
    assert set(world.desk.asked[1:]) == {
        ("telegram:666", "telegram:-1001", "cf:1a2b"),
        ("telegram:666", "telegram:666", "/status"),
    }
    assert question.keyboard, "a stranger's tap must not take the owner's buttons away"
    assert world.api.inbox(GROUP) == [question]
    assert mallory.notes == ["not yours"]
    assert world.api.inbox(STRANGER) == [], "None means say nothing"


@pytest.mark.parametrize("chat", [ANN, GROUP])
async def test_a_confirmation_that_was_used_gives_way_to_its_result(world: World, chat: int) -> None:
    await world.up()
    world.desk.answers |= {"/resume": CONFIRM, "cf:1a2b": Card(title="resumed by <Ann>")}
    ann = world.api.person(ANN)
    ann.type("/resume", chat=chat)
    await until(lambda: world.api.inbox(chat))
    (question,) = world.api.inbox(chat)
    ann.tap(question, "Yes")
    await until(lambda: question.edited)
    assert (question.text, question.keyboard) == ("resumed by <Ann>", [])
    assert world.api.inbox(chat) == [question]


async def test_a_used_confirmation_without_a_word_only_loses_its_buttons(world: World) -> None:
    await world.up()
    world.desk.answers |= {"/resume": CONFIRM, "no:1a2b": None}
    ann = world.api.person(ANN)
    ann.type("/resume")
    await until(lambda: world.api.inbox(ANN))
    (question,) = world.api.inbox(ANN)
    ann.tap(question, "No")
    await until(lambda: not question.keyboard)
    assert world.api.texts(ANN) == ["Resume?"]


async def test_a_result_too_long_for_the_place_of_its_question_comes_as_new_messages(world: World) -> None:
    await world.up()
    world.desk.answers |= {"/resume": CONFIRM, "cf:1a2b": Card(title="done", lines=("word " * 1500,))}
    ann = world.api.person(ANN)
    ann.type("/resume")
    await until(lambda: world.api.inbox(ANN))
    question = world.api.inbox(ANN)[0]
    ann.tap(question, "Yes")
    await until(lambda: not question.keyboard)
    assert question.text == "Resume?"
    assert " ".join(world.api.texts(ANN)[1:]).split() == ["done", *["word"] * 1500]


async def test_in_a_group_only_what_is_meant_for_the_bot_is_heard(world: World) -> None:
    await world.up()
    ann = world.api.person(ANN)
    ann.type("good morning", chat=GROUP)
    ann.type("/halt@SomeOtherBot", chat=GROUP)
    ann.type("/status@gaveltestbot now", chat=GROUP)
    await until(lambda: world.api.inbox(GROUP))
    answer = world.api.inbox(GROUP)[0]
    assert answer.reply_to is not None
    assert answer.reply_to.text == "/status@gaveltestbot now"
    ann.type("and why?", chat=GROUP, reply_to=answer)
    await until(lambda: len(world.api.inbox(GROUP)) == 2)
    assert [text for *_, text in world.desk.asked] == ["/status now", "and why?"]


async def test_plain_text_in_private_is_answered_too(world: World) -> None:
    await world.up()
    world.api.person(ANN).type("hello")
    await until(lambda: world.api.texts(ANN) == ["answer to hello"])


async def test_halt_passes_a_slow_command_and_the_others_keep_their_order(world: World) -> None:
    await world.up()
    ann = world.api.person(ANN)
    slow = world.desk.slow["/ask why"] = asyncio.Event()
    ann.type("/ask why")
    ann.type("/status")
    await until(lambda: world.desk.requests)
    ann.type("/halt too hot")
    await until(lambda: "answer to /halt too hot" in world.api.texts(ANN))
    assert world.desk.done == ["/halt too hot"]
    slow.set()
    await until(lambda: len(world.desk.done) == 4)
    assert world.desk.done[1:3] == ["/ask why", "/status"]
    await until(lambda: len(world.api.texts(ANN)) == 3)
    assert world.api.texts(ANN) == ["answer to /halt too hot", "answer to /ask why", "answer to /status"]


async def test_what_was_asked_before_a_halt_cannot_undo_it(world: World) -> None:
    """A tap that resumes waits behind a slow command; the halt passes both and has the last word nevertheless."""
    await world.up()
    ann = world.api.person(ANN)
    world.desk.answers["/resume"] = CONFIRM
    ann.type("/resume")
    await until(lambda: world.api.inbox(ANN))
    slow = world.desk.slow["/ask why"] = asyncio.Event()
    ann.type("/ask why")
    await until(lambda: len(world.desk.requests) == 2)
    ann.tap(world.api.inbox(ANN)[0], "Yes")
    ann.type("/halt")
    await until(lambda: "/halt" in world.desk.done)
    slow.set()
    await until(lambda: len(world.desk.done) == 5)
    assert world.desk.done == ["/resume", "/halt", "/ask why", "cf:1a2b", "/halt"]
    await until(lambda: "answer to cf:1a2b" in world.api.texts(ANN) and "answer to /ask why" in world.api.texts(ANN))
    assert world.api.texts(ANN).count("answer to /halt") == 1


async def test_one_persons_slow_command_does_not_hold_up_another(world: World) -> None:
    await world.up()
    world.desk.slow["/ask why"] = asyncio.Event()
    world.api.person(ANN).type("/ask why")
    await until(lambda: world.desk.requests)
    world.api.person(BOB).type("/status")
    await until(lambda: world.api.texts(BOB) == ["answer to /status"])
    world.desk.slow["/ask why"].set()


async def test_a_storm_of_one_stranger_holds_up_nobody(world: World) -> None:
    await world.up()
    world.desk.answers = {f"/x {n}": None for n in range(1500)}
    mallory = world.api.person(STRANGER)
    for n in range(1500):
        mallory.type(f"/x {n}")
    world.api.person(ANN).type("/halt")
    await until(lambda: world.api.texts(ANN) == ["answer to /halt"])
    await until(lambda: len(world.desk.done) == 1501)
    assert [r.text for r in world.desk.requests if r.who.id == str(STRANGER)] == [f"/x {n}" for n in range(1500)]


@pytest.mark.parametrize("text", ["x" * 4096, "/halt ‮evil‬", "/😀 😀", "السلام", "/", "//", "/ halt", "​"])
async def test_whatever_is_typed_reaches_the_desk_as_it_was_typed(world: World, text: str) -> None:
    await world.up()
    world.api.person(ANN).type(text)
    said = "".join(f"answer to {text}".split())
    await until(lambda: "".join("".join(world.api.texts(ANN)).split()) == said)
    assert [r.text for r in world.desk.requests] == [text]


# --- out -----------------------------------------------------------------------------------------------------------


async def test_everything_is_escaped_and_the_buttons_arrive(world: World) -> None:
    button = Button(label="L", data="do:/x")
    card = Card(title="<b>&", lines=("a_b *c* [d](e) `f`",), detail=("<i>",), buttons=(button,))
    reference = await world.send(card, silent=True)
    (message,) = world.api.inbox(ANN)
    assert message.text == card.plain()
    assert (str(message.id), message.silent, message.mode) == (reference, True, "HTML")
    assert message.data("L") == "do:/x"
    (call,) = world.api.made("sendMessage")
    assert call.params["link_preview_options"] == {"is_disabled": True}


async def test_a_reply_of_ten_thousand_characters_arrives_whole(world: World) -> None:
    await world.up()
    words = [f"w{n:04}" for n in range(1667)]
    world.desk.answers["/why"] = Card(
        title="Why", lines=(" ".join(words),), detail=("<&>" * 50,), buttons=(Button(label="Close", data="do:/close"),)
    )
    world.api.person(ANN).type("/why")
    await until(lambda: any(m.keyboard for m in world.api.inbox(ANN)))
    inbox = world.api.inbox(ANN)
    assert " ".join(m.text for m in inbox).split() == ["Why", *words, "<&>" * 50]
    assert len(inbox) == 3
    assert all(utf16(m.text) <= 4096 for m in inbox)
    assert [bool(m.keyboard) for m in inbox] == [False, False, True]


async def test_refused_entities_arrive_as_plain_text(world: World) -> None:
    world.api.fail("sendMessage", 400, "Bad Request: can't parse entities: Unsupported start tag")
    await world.send(Card(title="a <b", lines=("c",), buttons=(Button(label="L", data="do:/x"),)))
    (message,) = world.api.inbox(ANN)
    assert (message.text, message.mode) == ("a <b\nc", None)
    assert message.keyboard


async def test_a_fault_in_a_button_does_not_cost_the_words(world: World) -> None:
    await world.send(Card(title="words", buttons=(Button(label="L", data="x" * 65),)))
    (message,) = world.api.inbox(ANN)
    assert (message.text, message.keyboard) == ("words", [])


async def test_half_a_surrogate_pair_is_no_reason_to_fail(world: World) -> None:
    await world.send(Card(title="bad \ud83d text\x00"))
    assert world.api.texts(ANN) == ["bad \ufffd text\ufffd"]


async def test_who_has_blocked_the_bot_or_is_unknown_refuses(world: World) -> None:
    world.api.blocked.add(ANN)
    for to in (ANN, 4242):
        with pytest.raises(ChatRefused):
            await world.send(Card(title="x"), to=to, key=f"k{to}")
    with pytest.raises(ChatRefused):
        await world.telegram.send("telegram:everybody", Card(title="x"), key="k", silent=False)


async def test_what_may_pass_later_is_told_as_down(world: World) -> None:
    world.api.fail("sendMessage", 502, "Bad Gateway")
    with pytest.raises(ChatDown):
        await world.send(Card(title="x"))
    world.api.fail("sendMessage", 429, "Too Many Requests: retry after 3", retry_after=3)
    with pytest.raises(ChatDown) as refused:
        await world.send(Card(title="x"), to=BOB, key="b")
    assert refused.value.retry_after == 3
    assert await world.send(Card(title="x")), "the pause of one chat is none of the other's"


async def test_a_group_that_has_moved_is_followed(world: World) -> None:
    world.api.group(GROUP).moved_to = world.api.group(-1002).id
    with pytest.raises(ChatDown):
        await world.send(Card(title="x"), to=GROUP)
    reference = await world.send(Card(title="x"), to=GROUP)
    assert world.api.texts(-1002) == ["x"]
    assert await world.telegram.edit(f"telegram:{GROUP}", reference, Card(title="y"))
    assert world.api.texts(-1002) == ["y"]


async def test_a_repetition_goes_on_where_it_was_cut_and_shows_nothing_twice(world: World) -> None:
    card = Card(title="long", lines=("word " * 1500,))
    world.api.fail("sendMessage", 502, "Bad Gateway")
    with pytest.raises(ChatDown):
        await world.send(card)
    first = await world.send(card)
    assert await world.send(card) == first
    assert len(first.split(",")) == len(world.api.inbox(ANN)) == 2


async def test_after_an_answer_that_got_lost_the_repetition_says_that_it_may_be_one(world: World) -> None:
    world.api.lose_answer("sendMessage")
    with pytest.raises(ChatDown):
        await world.send(Card(title="filled"))
    await world.send(Card(title="filled"))
    assert world.api.texts(ANN) == ["filled", "filled" + REPEAT]


async def test_our_own_pace_keeps_every_chat_within_its_limit() -> None:
    """One message in 0.2 s and not one 429, while another chat is served meanwhile."""
    async with TelegramApi(flood=Flood(every=0.2, burst=1)) as api:
        api.person(ANN), api.person(BOB)
        limits = Limits(private=(Limit(count=1, seconds=0.2),))
        telegram = a_telegram(api, Desk(), Troubles(), limits=limits)
        cards = [telegram.send(f"telegram:{ANN}", Card(title=f"n{n}"), key=f"a{n}", silent=False) for n in range(5)]
        began = time.monotonic()
        await asyncio.gather(*cards, telegram.send(f"telegram:{BOB}", Card(title="x"), key="b", silent=False))
        await telegram.close()
        assert api.texts(ANN) == ["n0", "n1", "n2", "n3", "n4"]
        assert {call.code for call in api.calls} == {200}, api.transcript()
        assert time.monotonic() - began < 2
        assert api.inbox(BOB)[0].at < api.inbox(ANN)[1].at


async def test_an_answer_goes_before_alerts_that_wait_for_their_turn() -> None:
    async with TelegramApi(flood=Flood(every=0.01, burst=50)) as api:
        ann = api.person(ANN)
        desk, troubles = Desk(), Troubles()
        telegram = a_telegram(api, desk, troubles, limits=Limits(private=(Limit(count=1, seconds=0.3),)))
        world = World(api, desk, troubles, telegram)
        await world.up()
        alerts = [asyncio.create_task(world.send(Card(title=f"n{n}"), key=f"n{n}")) for n in range(4)]
        await until(lambda: api.inbox(ANN))
        ann.type("/status")
        await asyncio.gather(*alerts)
        await world.stop()
        assert api.texts(ANN).index("answer to /status") <= 2
        assert [t for t in api.texts(ANN) if t.startswith("n")] == ["n0", "n1", "n2", "n3"]


async def test_an_answer_waits_for_the_pause_that_an_alert_was_told_of(world: World) -> None:
    await world.up()
    world.api.hold(ANN, 1)
    with pytest.raises(ChatDown):
        await world.send(Card(title="alert"))
    world.api.person(ANN).type("/status")
    world.api.person(BOB).type("/status")
    await until(lambda: world.api.texts(BOB) == ["answer to /status"])
    assert world.api.texts(ANN) == []
    await until(lambda: world.api.texts(ANN) == ["answer to /status"])
    assert world.api.too_early == 0


# --- trouble -------------------------------------------------------------------------------------------------------


async def test_telegram_down_at_the_start_is_waited_out(world: World) -> None:
    world.api.down = True
    world.start()
    await until(lambda: len(world.api.calls) >= 3)
    assert world.telegram.state.state is Armed.DEGRADED
    assert world.troubles.kinds == ["down"]
    world.api.person(ANN).type("/status")
    world.api.down = False
    await until(lambda: world.api.texts(ANN) == ["answer to /status"])
    await until(lambda: world.telegram.state.state is Armed.ARMED)
    assert world.troubles.kinds == ["down", "back"]


async def test_an_outage_is_told_once_and_answers_come_after_it(world: World) -> None:
    await world.up()
    slow = world.desk.slow["/status"] = asyncio.Event()
    world.api.person(ANN).type("/status")
    await until(lambda: world.desk.requests)
    world.api.down = True
    slow.set()
    await until(lambda: world.troubles.kinds == ["down"] and len(world.api.made("sendMessage")) >= 1)
    assert world.telegram.state.state is Armed.DEGRADED
    world.api.down = False
    await until(lambda: [t.removesuffix(REPEAT) for t in world.api.texts(ANN)] == ["answer to /status"])
    await until(lambda: world.telegram.state.state is Armed.ARMED)
    assert world.troubles.kinds == ["down", "back"]


async def test_a_second_poller_is_told_once_and_its_end_once(world: World) -> None:
    await world.up()
    async with aiohttp.ClientSession() as rival:
        for _ in range(2):
            polls = len(world.api.made("getUpdates"))
            await until(lambda: world.api.polling)
            await rival.post(f"{world.api.url}{TOKEN}/getUpdates", data={"timeout": 0})
            await until(lambda before=polls: len(world.api.made("getUpdates")) >= before + 2)
    conflicts = [c for c in world.api.made("getUpdates") if c.code == 409]
    assert len(conflicts) == 2
    assert world.troubles.kinds == ["conflict"]
    assert "same token" in world.telegram.state.why
    assert world.telegram.distrust == world.telegram.state.why
    await until(lambda: world.troubles.kinds == ["conflict", "conflict over"])
    assert world.telegram.state.state is Armed.ARMED
    assert world.telegram.distrust == ""


async def test_an_outage_is_no_reason_for_distrust_and_ends_none(world: World) -> None:
    """Only quiet polls show that the other poller is gone."""
    await world.up()
    await until(lambda: world.api.polling)
    async with aiohttp.ClientSession() as rival:
        await rival.post(f"{world.api.url}{TOKEN}/getUpdates", data={"timeout": 0})
    await until(lambda: world.telegram.distrust)
    world.api.down = True
    await until(lambda: world.troubles.kinds == ["conflict", "down"])
    began = time.monotonic()
    await until(lambda: time.monotonic() - began > 0.7)
    assert world.telegram.distrust, "it has lasted longer than the time it takes to settle, and nobody has looked"
    world.api.down = False
    await until(lambda: world.troubles.kinds == ["conflict", "down", "back", "conflict over"])
    assert world.telegram.distrust == ""


async def test_a_token_that_is_refused_is_said_without_showing_it(world: World) -> None:
    wrong = a_telegram(world.api, world.desk, world.troubles, token="1:AAwrong-token")
    task = asyncio.create_task(wrong.run())
    await until(lambda: len(world.api.calls) >= 3)
    assert wrong.state.why == "Telegram does not accept the bot's token"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await wrong.close()
    assert "wrong-token" not in str(world.troubles.seen)


async def test_a_token_revoked_while_polling_is_noticed_and_its_return_too(world: World) -> None:
    await world.up()
    world.api.fail("getUpdates", 401, "Unauthorized")
    world.api.person(ANN).type("/first")  # ends the poll under way; the next one is refused
    await until(lambda: world.troubles.kinds == ["down", "back"])
    world.api.person(ANN).type("/second")
    await until(lambda: len(world.api.texts(ANN)) == 2)


async def test_stopping_takes_no_longer_than_its_steps_although_a_command_hangs(world: World) -> None:
    await world.up()
    world.desk.slow["/ask"] = asyncio.Event()
    world.api.person(ANN).type("/ask")
    await until(lambda: world.desk.requests)
    began = time.monotonic()
    assert world.task is not None
    world.task.cancel()
    await asyncio.gather(world.task, return_exceptions=True)
    assert time.monotonic() - began < 2
    assert world.telegram.state.state is Armed.OFF
    assert await world.send(Card(title="goodbye")), "the way out stays open until it is closed"


async def test_updates_taken_before_a_stop_are_not_taken_again(world: World) -> None:
    await world.up()
    world.api.person(ANN).type("/status")
    await until(lambda: world.api.inbox(ANN))
    await world.stop()
    again = World(world.api, world.desk, world.troubles, a_telegram(world.api, world.desk, world.troubles))
    await again.up()
    world.api.person(ANN).type("/health")
    await until(lambda: "answer to /health" in world.api.texts(ANN))
    await again.stop()
    assert world.api.texts(ANN) == ["answer to /status", "answer to /health"]
