"""Pictures and files follow the words, and cost nobody anything when they fail."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from bot.pictures import DaysPicture, EquityPicture
from bot.surface import Button, Card, File
from tests.chat.telegram_world import ANN, BOB, GROUP, World, a_telegram, a_world, png, until

EQUITY = EquityPicture(title="equity", at=(datetime(2026, 1, 5, tzinfo=UTC),), equity=(Decimal(1),))
DAYS = DaysPicture(title="days", days=(date(2026, 1, 5),), net=(Decimal(1),))
CSV = File(name="trades.csv", content=b"a,b\r\n1,2\r\n")
PNL = Card(title="P&L", picture=EQUITY, buttons=(Button(label="Days", data="re:/pnl by day"),))
FORUM, FILLS = -1002, 5


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        world.api.group(FORUM, topics={FILLS: "fills"})
        yield world


async def test_first_the_words_then_silently_the_picture_and_the_file(world: World) -> None:
    await world.send(Card(title="P&L", picture=EQUITY, file=CSV))
    await until(lambda: len(world.api.enclosed(ANN)) == 2)
    words, photo, document = world.api.conversation(ANN)
    assert (words.text, words.silent) == ("P&L", False)
    assert (photo.photo, photo.picture, photo.silent) == ("equity.png", png("equity"), True)
    assert (document.document, document.silent) == ("trades.csv", True)
    assert photo.reply_to == document.reply_to == words.id
    (file,) = [m.document for m in world.api.enclosed(ANN) if m.document]
    assert file.content == CSV.content


async def test_a_picture_hangs_on_the_last_of_several_messages_and_stays_in_their_topic(world: World) -> None:
    await world.send(Card(title="long", lines=("word " * 1500,), picture=EQUITY), to=f"{FORUM}/{FILLS}")
    await until(lambda: world.api.enclosed(FORUM))
    (photo,) = world.api.enclosed(FORUM)
    assert (photo.reply_to, photo.topic) == (world.api.inbox(FORUM)[-1], FILLS)


async def test_the_words_do_not_wait_for_the_drawing(world: World) -> None:
    drawing = world.painter.slow["equity"] = asyncio.Event()
    await world.send(PNL)
    await world.send(Card(title="filled"), key="2")
    assert world.api.texts(ANN) == ["P&L", "filled"]
    drawing.set()
    await until(lambda: world.api.enclosed(ANN))


async def test_nothing_waits_for_an_upload(world: World) -> None:
    upload = world.api.slow["sendPhoto"] = asyncio.Event()
    await world.send(PNL)
    await until(lambda: world.painter.drawn)
    async with asyncio.timeout(1):
        await world.send(Card(title="breaker"), key="2")
    assert world.api.enclosed(ANN) == []
    upload.set()
    await until(lambda: world.api.enclosed(ANN))


async def test_pictures_are_as_dark_as_their_place(world: World) -> None:
    world.desk.light = {f"telegram:{BOB}"}
    await world.send(PNL, key="1")
    await world.send(PNL, to=BOB, key="2")
    await until(lambda: len(world.painter.drawn) == 2)
    assert world.painter.drawn == [(EQUITY, True), (EQUITY, False)]


async def test_a_repetition_under_the_same_key_encloses_nothing_twice(world: World) -> None:
    card = Card(title="P&L", picture=EQUITY, file=CSV)
    for _ in range(3):
        await world.send(card)
    await world.send(card, key="other")
    await world.telegram.close()  # waits for them
    sent = [said.photo or said.document for said in world.api.conversation(ANN) if not said.text]
    assert sorted(sent) == ["equity.png", "equity.png", "trades.csv", "trades.csv"]


# --- faults --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [RuntimeError("no font"), TimeoutError(), ValueError()])
async def test_a_drawing_that_fails_costs_a_line_of_the_log(
    world: World, fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    world.painter.fault = fault
    await world.send(Card(title="P&L", picture=EQUITY, file=CSV))
    await until(lambda: world.api.enclosed(ANN))
    (file,) = world.api.enclosed(ANN)
    assert file.document, "the file comes all the same"
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == [
        f"a picture was not sent: {fault!r}"
    ]


async def test_an_upload_that_is_refused_costs_a_line_of_the_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.api.fail("sendPhoto", 400, "Bad Request: IMAGE_PROCESS_FAILED")
    world.api.fail("sendDocument", 413, "Request Entity Too Large")
    with caplog.at_level(logging.WARNING, "bot"):
        await world.send(Card(title="P&L", picture=EQUITY, file=CSV))
        await until(lambda: len(caplog.records) >= 1)
    assert "a picture was refused: BadRequest: Image_process_failed" in caplog.text
    assert world.api.texts(ANN) == ["P&L"]


async def test_an_upload_that_was_put_off_is_tried_again(world: World) -> None:
    world.api.fail("sendPhoto", 429, "Too Many Requests: retry after 1", retry_after=1)
    world.api.fail("sendDocument", 502, "Bad Gateway")
    await world.send(Card(title="P&L", picture=EQUITY, file=CSV))
    await until(lambda: len(world.api.enclosed(ANN)) == 2)


async def test_an_upload_that_may_have_arrived_is_not_repeated(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.api.lose_answer("sendPhoto")
    await world.send(PNL)
    await until(lambda: "it may have arrived" in caplog.text)
    assert len(world.api.enclosed(ANN)) == len(world.api.made("sendPhoto")) == 1


async def test_a_picture_of_words_that_are_gone_is_not_sent(world: World, caplog: pytest.LogCaptureFixture) -> None:
    drawing = world.painter.slow["equity"] = asyncio.Event()
    await world.send(PNL)
    world.api.delete(world.api.inbox(ANN)[0])
    drawing.set()
    await until(lambda: "was refused" in caplog.text)
    assert world.api.enclosed(ANN) == []


async def test_without_an_artist_there_are_no_pictures(world: World) -> None:
    plain = a_telegram(world.api, world.desk, world.troubles)
    await plain.send(f"telegram:{ANN}", Card(title="P&L", picture=EQUITY, file=CSV), key="1", silent=False)
    await until(lambda: world.api.enclosed(ANN))
    assert [m.document is not None for m in world.api.enclosed(ANN)] == [True]
    await plain.close()


async def test_a_stop_does_not_wait_for_a_picture_for_long(world: World) -> None:
    world.painter.slow["equity"] = asyncio.Event()
    await world.send(PNL)
    async with asyncio.timeout(1):
        await world.telegram.close()


# --- answers in place ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chat", [None, GROUP])
async def test_a_card_that_changes_gets_its_new_picture_in_the_place_of_the_old(world: World, chat: int | None) -> None:
    await world.up()
    where = chat or ANN
    world.desk.answers |= {"/pnl": PNL, "re:/pnl by day": Card(title="by day", picture=DAYS)}
    world.api.person(ANN).type("/pnl", chat=chat)
    await until(lambda: world.api.enclosed(where))
    world.api.person(ANN).tap(world.api.inbox(where)[0], "Days")
    (photo,) = world.api.enclosed(where)
    await until(lambda: photo.edited)
    assert world.api.texts(where) == ["by day"]
    assert photo.photo is not None
    assert (photo.photo.name, photo.photo.content) == ("days.png", png("days"))


async def test_a_picture_that_was_deleted_comes_anew(world: World) -> None:
    reference = await world.send(PNL)
    await until(lambda: world.api.enclosed(ANN))
    world.api.delete(world.api.enclosed(ANN)[0])
    assert await world.telegram.edit(f"telegram:{ANN}", reference, Card(title="by day", picture=DAYS))
    await until(lambda: world.api.enclosed(ANN))
    assert world.api.enclosed(ANN)[0].photo is not None


async def test_a_slow_drawing_never_replaces_a_newer_one(world: World) -> None:
    drawing = world.painter.slow["equity"] = asyncio.Event()
    reference = await world.send(PNL)
    days = Card(title="by day", picture=DAYS)
    newest = Card(title="again", picture=DaysPicture(title="newest", days=DAYS.days, net=DAYS.net))
    for card in (days, newest):
        assert await world.telegram.edit(f"telegram:{ANN}", reference, card)
    drawing.set()
    await until(lambda: world.api.enclosed(ANN) and world.api.enclosed(ANN)[0].edited)
    (photo,) = world.api.enclosed(ANN)
    assert photo.photo is not None
    assert photo.photo.content == png("newest")
    assert [picture.title for picture, _ in world.painter.drawn] == ["equity", "newest"]
