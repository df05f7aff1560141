"""Native tables, against a server that knows them and one that does not."""

import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.chats.telegram_sender import REPEAT
from bot.surface import Button, Card, ChatDown, ChatRefused, Style, Table
from tests.chat.telegram_world import ANN, BOB, World, a_world, until
from tests.fakes.telegram_api import Message

TABLE = Table(head=("trade", "P&L", "R"), rows=(("BTC <long>", "+12.40", "+1.2R"), ("ETH short", "-3.10", "-0.3R")))
TRADES = Card(
    title="2 trades",
    lines=("since Monday", "page 1"),
    detail=("fees & funding",),
    table=TABLE,
    buttons=(Button(label="Older", data="re:/trades page=2", style=Style.PRIMARY),),
)
AS_LINES = "2 trades\nBTC <long> · +12.40 · +1.2R\nETH short · -3.10 · -0.3R\nsince Monday\npage 1\nfees & funding"
FORUM, FILLS = -1002, 5
HERE = f"telegram:{ANN}"


@pytest.fixture
async def new() -> AsyncIterator[World]:
    async with a_world(rich=True) as world:
        world.api.group(FORUM, topics={FILLS: "fills"})
        yield world


@pytest.fixture
async def old() -> AsyncIterator[World]:
    async with a_world() as world:
        yield world


def only(world: World, chat: int = ANN) -> Message:
    (message,) = world.api.inbox(chat)
    return message


async def test_a_new_server_shows_a_table_as_one(new: World) -> None:
    reference = await new.send(TRADES, silent=True)
    message = only(new)
    assert message.tables == [
        [["trade", "P&L", "R"], ["BTC <long>", "+12.40", "+1.2R"], ["ETH short", "-3.10", "-0.3R"]]
    ]
    assert (str(message.id), message.mode, message.silent) == (reference, "rich", True)
    assert message.key("Older")["style"] == "primary"
    assert message.html == (
        "<p><b>2 trades</b></p><table striped>"
        '<tr><th>trade</th><th align="right">P&amp;L</th><th align="right">R</th></tr>'
        '<tr><td>BTC &lt;long&gt;</td><td align="right">+12.40</td><td align="right">+1.2R</td></tr>'
        '<tr><td>ETH short</td><td align="right">-3.10</td><td align="right">-0.3R</td></tr></table>'
        "<p>since Monday<br>page 1</p><details><summary>Details</summary><p>fees &amp; funding</p></details>"
    )
    assert len(new.api.calls) == 1


async def test_an_old_server_shows_it_as_lines_and_is_asked_once(old: World) -> None:
    await old.send(TRADES, key="1")
    await old.send(TRADES, key="2", to=BOB)
    assert old.api.texts(ANN) == old.api.texts(BOB) == [AS_LINES]
    assert only(old).mode == "HTML"
    assert only(old).keyboard
    assert [c.code for c in old.api.made("sendRichMessage")] == [404]


async def test_a_table_that_is_refused_is_shown_as_lines_this_once(new: World) -> None:
    new.api.fail("sendRichMessage", 400, "Bad Request: RICH_VALIDATE_CTOR_NOT_ALLOWED")
    await new.send(TRADES, key="1")
    await new.send(TRADES, key="2")
    assert [m.mode for m in new.api.inbox(ANN)] == ["HTML", "rich"]
    assert new.api.inbox(ANN)[0].text == AS_LINES


async def test_a_refused_table_of_several_messages_is_not_tried_again_in_between(new: World) -> None:
    new.api.fail("sendRichMessage", 400, "Bad Request: no")
    long = replace(TRADES, table=replace(TABLE, rows=(("word " * 40, "+1", "1"),) * 40))
    await new.send(long)
    assert [m.mode for m in new.api.inbox(ANN)] == ["HTML", "HTML", "HTML"]
    assert " ".join(new.api.texts(ANN)).split() == long.plain().split()


@pytest.mark.parametrize("new_server", [True, False])
async def test_native_tables_can_be_switched_off(new_server: bool) -> None:
    async with a_world(rich=new_server, native=False) as world:
        await world.send(TRADES)
        assert await world.telegram.edit(HERE, str(only(world).id), replace(TRADES, title="new"))
        assert (only(world).mode, only(world).text) == ("HTML", AS_LINES.replace("2 trades", "new"))
        assert world.api.made("sendRichMessage") == []


async def test_a_card_without_a_table_needs_no_rich_message(new: World) -> None:
    await new.send(replace(TRADES, table=None))
    assert only(new).mode == "HTML"


async def test_a_refused_token_is_not_taken_for_an_old_server(new: World) -> None:
    new.api.fail("sendRichMessage", 401, "Unauthorized")
    with pytest.raises(ChatDown, match="does not accept the bot's token"):
        await new.send(TRADES)
    await new.send(TRADES)
    assert only(new).mode == "rich"


async def test_a_chat_that_is_gone_takes_no_table_either(new: World) -> None:
    with pytest.raises(ChatRefused, match="Chat not found"):
        await new.send(TRADES, to=4242)
    new.api.person(ANN).block()
    with pytest.raises(ChatRefused, match="blocked"):
        await new.send(TRADES, key="2")
    assert len(new.api.calls) == 2


async def test_a_table_goes_into_its_topic_as_a_reply(new: World) -> None:
    entry = await new.send(Card(title="entry"), to=f"{FORUM}/{FILLS}", key="1")
    await new.send(TRADES, to=f"{FORUM}/{FILLS}", key="2", reply_to=entry)
    first, second = new.api.inbox(FORUM)
    assert (second.mode, second.topic, second.reply_to) == ("rich", FILLS, first)
    new.api.groups[FORUM].closed.add(FILLS)
    await new.send(TRADES, to=f"{FORUM}/{FILLS}", key="3")
    assert new.api.inbox(FORUM)[2].topic is None


async def test_flood_control_holds_for_tables_too(new: World) -> None:
    new.api.fail("sendRichMessage", 429, "Too Many Requests: retry after 3", retry_after=3)
    with pytest.raises(ChatDown) as refused:
        await new.send(TRADES)
    assert refused.value.retry_after == 3


async def test_a_table_whose_answer_got_lost_comes_with_a_word_about_it(new: World) -> None:
    new.api.lose_answer("sendRichMessage")
    with pytest.raises(ChatDown):
        await new.send(TRADES)
    await new.send(TRADES)
    first, second = new.api.inbox(ANN)
    assert second.text == f"{first.text}{REPEAT}"
    assert second.mode == "rich"


async def test_what_is_too_much_for_one_rich_message_comes_as_lines(new: World) -> None:
    many = replace(TRADES, table=replace(TABLE, rows=TABLE.rows * 400))
    await new.send(many)
    assert {m.mode for m in new.api.inbox(ANN)} == {"HTML"}
    assert " ".join(new.api.texts(ANN)).split() == many.plain().split()


async def test_a_long_table_is_one_message(new: World) -> None:
    long = replace(TRADES, table=replace(TABLE, rows=(("word " * 40, "+1", "1"),) * 100))
    await new.send(long)
    assert len(only(new).tables[0]) == 101


# --- edits ---------------------------------------------------------------------------------------------------------


async def test_a_table_is_turned_in_place_and_may_come_and_go(new: World) -> None:
    reference = await new.send(TRADES)
    message = only(new)
    other = replace(TABLE, rows=(("SOL", "0.00", "0R"),))
    assert await new.telegram.edit(HERE, reference, replace(TRADES, table=other))
    assert (message.mode, message.tables[0][1]) == ("rich", ["SOL", "0.00", "0R"])
    assert await new.telegram.edit(HERE, reference, replace(TRADES, table=other)), "nothing new is no error"
    assert await new.telegram.edit(HERE, reference, Card(title="no trades"))
    assert (message.mode, message.text, message.tables) == ("HTML", "no trades", [])
    assert await new.telegram.edit(HERE, reference, TRADES)
    assert message.mode == "rich"


async def test_on_an_old_server_a_turned_table_is_lines(old: World) -> None:
    reference = await old.send(Card(title="x"))
    assert await old.telegram.edit(HERE, reference, TRADES)
    assert only(old).text == AS_LINES


async def test_a_table_that_cannot_be_turned_says_so(new: World) -> None:
    reference = await new.send(TRADES)
    new.api.delete(only(new))
    assert not await new.telegram.edit(HERE, reference, replace(TRADES, title="new"))


async def test_pages_of_a_table_are_tapped_through(new: World) -> None:
    await new.up()
    new.desk.answers |= {"/trades": TRADES, "re:/trades page=2": replace(TRADES, title="page 2", buttons=())}
    new.api.person(ANN).type("/trades")
    await until(lambda: new.api.inbox(ANN))
    new.api.person(ANN).tap(only(new), "Older")
    await until(lambda: only(new).edited)
    assert (only(new).mode, only(new).keyboard) == ("rich", [])


async def test_an_old_server_is_said_once(old: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "bot"):
        for number in range(3):
            await old.send(TRADES, key=str(number))
    assert caplog.text.count("knows no rich messages") == 1
