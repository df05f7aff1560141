"""Telegram as the delivery sees it: replies, edits, pins, topics."""

import logging
from collections.abc import AsyncIterator

import pytest

from bot.surface import Button, Card, ChatDown, ChatRefused, Style
from tests.chat.telegram_world import ANN, GROUP, World, a_world
from tests.fakes.telegram_api import Message

FORUM, FILLS, RISK = -1002, 5, 6
HERE = f"telegram:{ANN}"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        world.api.group(FORUM, topics={FILLS: "fills", RISK: "risk"})
        yield world


def only(world: World, chat: int = ANN) -> Message:
    (message,) = world.api.inbox(chat)
    return message


# --- replies -------------------------------------------------------------------------------------------------------


async def test_the_messages_of_a_position_reply_to_one_another(world: World) -> None:
    entry = await world.send(Card(title="entry"), key="1")
    await world.send(Card(title="exit"), key="2", reply_to=entry)
    first, second = world.api.inbox(ANN)
    assert second.reply_to is first


async def test_a_reply_to_a_card_of_several_messages_hangs_on_its_first(world: World) -> None:
    long = await world.send(Card(title="long", lines=("word " * 1500,)), key="1")
    await world.send(Card(title="exit"), key="2", reply_to=long)
    first, _, reply = world.api.inbox(ANN)
    assert reply.reply_to is first


async def test_what_is_answered_may_be_gone_or_no_message_at_all(world: World) -> None:
    entry = await world.send(Card(title="entry"), key="1")
    world.api.delete(only(world))
    await world.send(Card(title="exit"), key="2", reply_to=entry)
    await world.send(Card(title="more"), key="3", reply_to="a reference from elsewhere")
    assert world.api.texts(ANN) == ["exit", "more"]
    assert [m.reply_to for m in world.api.inbox(ANN)] == [None, None]


# --- topics --------------------------------------------------------------------------------------------------------


async def test_a_destination_can_be_a_topic(world: World) -> None:
    await world.send(Card(title="filled"), to=f"{FORUM}/{FILLS}")
    await world.send(Card(title="general"), to=f"{FORUM}/1", key="g")
    assert [(m.text, m.topic) for m in world.api.inbox(FORUM)] == [("filled", FILLS), ("general", None)]
    assert len(world.api.calls) == 2, "the general topic is no thread"


@pytest.mark.parametrize("close", [True, False])
async def test_a_topic_that_takes_nothing_any_more_swallows_no_message(world: World, close: bool) -> None:
    if close:
        world.api.groups[FORUM].closed.add(FILLS)
    else:
        del world.api.groups[FORUM].topics[FILLS]
    button = Button(label="Why", data="do:/why")
    await world.send(Card(title="filled", lines=("<b>",), buttons=(button,)), to=f"{FORUM}/{FILLS}")
    message = only(world, FORUM)
    assert (message.text, message.topic, message.mode) == ("filled\n<b>", None, "HTML")
    assert message.keyboard


async def test_a_reply_to_a_message_that_is_gone_from_another_topic_arrives(world: World) -> None:
    """Telegram forgives a missing message in the same topic only."""
    entry = await world.send(Card(title="entry"), to=f"{FORUM}/{FILLS}", key="1")
    world.api.delete(only(world, FORUM))
    await world.send(Card(title="exit"), to=f"{FORUM}/{RISK}", key="2", reply_to=entry)
    message = only(world, FORUM)
    assert (message.text, message.topic, message.reply_to, message.mode) == ("exit", RISK, None, "HTML")


@pytest.mark.parametrize("to", ["", "x", "7/x", "7/", "-", "--7", "7/5/6", "٣", "1" * 30])
async def test_what_is_no_chat_is_refused(world: World, to: str) -> None:
    with pytest.raises(ChatRefused, match="is not a Telegram chat"):
        await world.send(Card(title="x"), to=to)
    with pytest.raises(ChatRefused):
        await world.telegram.edit(f"telegram:{to}", "1", Card(title="x"))
    with pytest.raises(ChatRefused):
        await world.telegram.pin(f"discord:{ANN}", "1")
    await world.telegram.await_turn(f"telegram:{to}")
    assert world.api.calls == []


# --- edits ---------------------------------------------------------------------------------------------------------


async def test_a_card_takes_the_place_of_another_with_its_buttons(world: World) -> None:
    reference = await world.send(Card(title="a", buttons=(Button(label="L", data="do:/x"),)))
    other = Button(label="M", data="do:/y", style=Style.DANGER)
    assert await world.telegram.edit(HERE, reference, Card(title="b <", lines=("c",), buttons=(other,)))
    message = only(world)
    assert (message.text, message.mode, message.key("M")["style"]) == ("b <\nc", "HTML", "danger")
    assert await world.telegram.edit(HERE, reference, Card(title="over"))
    assert (message.text, message.keyboard) == ("over", [])


async def test_an_edit_that_changes_nothing_is_no_error(world: World) -> None:
    reference = await world.send(Card(title="a"))
    assert await world.telegram.edit(HERE, reference, Card(title="a"))
    assert not only(world).edited


async def test_an_edit_whose_markup_is_refused_is_plain(world: World) -> None:
    reference = await world.send(Card(title="a"))
    world.api.fail("editMessageText", 400, "Bad Request: can't parse entities: oh")
    assert await world.telegram.edit(HERE, reference, Card(title="b"))
    assert (only(world).text, only(world).mode) == ("b", None)


@pytest.mark.parametrize("why", ["gone", "old", "long", "unknown", "nonsense"])
async def test_what_cannot_be_edited_says_so(world: World, why: str) -> None:
    reference = await world.send(Card(title="a"))
    message = only(world)
    message.deleted, message.too_old = why == "gone", why == "old"
    reference = {"unknown": "999", "nonsense": "x,,"}.get(why, reference)
    card = Card(title="word " * 1500) if why == "long" else Card(title="b")
    assert await world.telegram.edit(HERE, reference, card) is False
    assert message.text == "a"


async def test_of_a_card_in_several_messages_the_last_gives_way(world: World) -> None:
    """There its buttons are."""
    asked = Card(title="long", lines=("word " * 1500,), buttons=(Button(label="Yes", data="cf:1"),))
    reference = await world.send(asked)
    assert await world.telegram.edit(HERE, reference, Card(title="expired"))
    first, last = world.api.inbox(ANN)
    assert (first.edited, last.text, last.keyboard) == (False, "expired", [])
    assert await world.telegram.edit(HERE, reference, Card(title="new", lines=("other " * 1000,)))
    assert " ".join(world.api.texts(ANN)).split() == ["new", *["other"] * 1000]


async def test_an_edit_while_telegram_is_down_or_has_blocked_us(world: World) -> None:
    reference = await world.send(Card(title="a"))
    world.api.fail("editMessageText", 502, "Bad Gateway")
    with pytest.raises(ChatDown):
        await world.telegram.edit(HERE, reference, Card(title="b"))
    world.api.fail("editMessageText", 429, "Too Many Requests: retry after 1", retry_after=1)
    with pytest.raises(ChatDown) as refused:
        await world.telegram.edit(HERE, reference, Card(title="b"))
    assert refused.value.retry_after == 1
    world.api.person(ANN).block()
    with pytest.raises(ChatRefused):
        await world.telegram.edit(HERE, reference, Card(title="b"))


async def test_a_card_from_a_group_that_the_bot_was_thrown_out_of_is_refused(world: World) -> None:
    reference = await world.send(Card(title="a"), to=GROUP)
    world.api.groups[GROUP].kicked = True
    with pytest.raises(ChatRefused, match="kicked"):
        await world.telegram.edit(f"telegram:{GROUP}", reference, Card(title="b"))
    world.api.groups[GROUP].kicked, world.api.groups[GROUP].may_write = False, False
    with pytest.raises(ChatRefused, match="Not enough rights"):
        await world.send(Card(title="a"), to=GROUP, key="2")


# --- pins ----------------------------------------------------------------------------------------------------------


async def test_a_message_is_pinned_silently(world: World) -> None:
    await world.up()
    reference = await world.send(Card(title="status", lines=("word " * 1500,)))
    await world.telegram.pin(HERE, reference)
    first, second = world.api.inbox(ANN)
    assert (first.pinned, second.pinned) == (True, False)
    (call,) = world.api.made("pinChatMessage")
    assert call.params["disable_notification"] == "true"
    assert world.desk.requests == [], "what Telegram says about the pin is not for the desk"


async def test_a_pin_without_the_right_to_it_is_refused_and_said_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    reference = await world.send(Card(title="status"), to=GROUP)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with pytest.raises(ChatRefused, match="Not enough rights to manage pinned messages"):
                await world.telegram.pin(f"telegram:{GROUP}", reference)
    assert len([r for r in caplog.records if "pinned" in r.getMessage()]) == 1
    world.api.groups[GROUP].may_pin = True
    await world.telegram.pin(f"telegram:{GROUP}", reference)
    assert only(world, GROUP).pinned


async def test_a_pin_of_what_is_gone_is_refused(world: World) -> None:
    for reference in ("999", "", "x"):
        with pytest.raises(ChatRefused):
            await world.telegram.pin(HERE, reference)
