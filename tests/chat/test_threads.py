"""How an alert reaches a phone: as an answer to the first of its trade, silently in quiet hours, with its picture, and
on another platform when its own does not take it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from bot.pictures import EquityPicture, Picture
from bot.render.alerts import render_event
from bot.routing import Routing
from bot.surface import Card, ChatDown
from storage.outbox import Lane, Route
from tests.chat.posts import (
    DISCORD,
    OTHER,
    PHONE,
    SECOND,
    SOON,
    Phone,
    Post,
    a_post,
    note,
    risk,
    running,
    until,
)
from tests.surface_examples import AT, a_decision, a_fill, a_position, a_trade, an_order
from trading import events as m
from trading.model import OrderStatus


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    async with a_post(tmp_path) as made:
        yield made


# --- one thread of messages for each position -------------------------------------------------------------------------

FILLED = m.OrderFilled(at=AT, order=an_order(status=OrderStatus.FILLED), fill=a_fill())
LIFE: tuple[m.Event, ...] = (
    m.DecisionMade(at=AT, decision=a_decision()),
    m.OrderSent(at=AT, order=an_order(status=OrderStatus.OPEN)),
    FILLED,
    m.ProtectionConfirmed(at=AT, position=a_position()),
    m.TradeClosed(at=AT, trade=a_trade(), equity=a_trade().net),
)


async def test_the_messages_of_a_position_answer_the_first_of_them(post: Post) -> None:
    phone = Phone()
    post.routes = Routing([PHONE, OTHER])
    async with running(post.delivery(phone, render=render_event)):
        for event in LIFE:
            await post.tell(event)
            await post.all_told()
        await post.tell(m.VenueLost(at=AT, detail="no answer"))
        await post.all_told()
    for chat in (PHONE, OTHER):
        mine = [told for told in phone.told if told.destination == chat]
        assert [told.reply_to for told in mine] == ["", *[mine[0].reference] * 4, ""]


async def test_a_thread_goes_on_after_a_restart(post: Post) -> None:
    phone = Phone()
    post.routes = Routing([PHONE])
    for event in LIFE[:2]:
        await post.tell(event)
        assert await post.delivery(phone, render=render_event).drain(SOON) == 0
        post.wall.advance(SECOND)
    later = Phone(told=list(phone.told))
    await post.tell(*LIFE[2:])
    assert await post.delivery(later, render=render_event).drain(SOON) == 0
    assert [told.reply_to for told in later.told] == ["", *["m1"] * 4]


async def test_where_decisions_are_off_a_thread_begins_with_the_order(post: Post) -> None:
    phone = Phone()
    post.routes = Routing([PHONE], {(PHONE, "decision"): "off"})
    async with running(post.delivery(phone, render=render_event)):
        for event in LIFE:
            await post.tell(event)
            await post.all_told()
    assert [told.reply_to for told in phone.told] == ["", *["m1"] * 3]


async def test_nothing_answers_a_card_of_many(post: Post) -> None:
    phone = Phone()
    post.routes = Routing([PHONE])
    await post.tell(*(m.DecisionMade(at=AT, decision=a_decision()) for _ in range(1)))
    post.routes = post.usual
    await post.tell(*(note(f"d{n}") for n in range(20)))
    delivery = post.delivery(phone, render=lambda event, about: Card(title=type(event).__name__))
    assert await delivery.drain(SOON) == 0
    post.routes = Routing([PHONE])
    await post.tell(FILLED)
    assert await delivery.drain(SOON) == 0
    assert [told.reply_to for told in phone.told] == ["", ""]


# --- quiet hours ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("critical", "chosen_silent", "quiet", "silent"),
    [
        (False, False, False, False),
        (False, False, True, True),
        (False, True, False, True),
        (True, False, True, False),  # what is critical rings at night
        (True, True, False, True),  # but not where somebody has chosen that it never does
        (True, True, True, True),
    ],
)
async def test_quiet_hours_hold_for_what_is_not_critical(
    post: Post, critical: bool, chosen_silent: bool, quiet: bool, silent: bool
) -> None:
    phone = Phone()
    post.routes = lambda _: [Route(destination=PHONE, lane=Lane.FILL, silent=chosen_silent, critical=critical)]
    post.wishes.silence = {"person:ann"} if quiet else {"person:bob"}
    await post.tell(note("a"))
    await post.delivery(phone, owner=lambda _: "person:ann").drain(SOON)
    assert [told.silent for told in phone.told] == [silent]


async def test_a_card_of_many_is_quiet_at_night_too(post: Post) -> None:
    phone = Phone()
    post.routes = lambda _: [Route(destination=PHONE, lane=Lane.DECISION)]
    await post.tell(*(note(f"d{n}") for n in range(20)))
    post.wishes.silence = {PHONE}
    await post.delivery(phone).drain(SOON)
    assert [told.silent for told in phone.told] == [True]


# --- pictures ---------------------------------------------------------------------------------------------------------

PICTURE = EquityPicture(title="equity", at=(), equity=())
CLOSED = LIFE[-1]


@dataclass
class Studio:
    fails: bool = False
    never: bool = False
    asked: list[m.Event] = field(default_factory=list)

    async def __call__(self, event: m.Event) -> Picture | None:
        self.asked.append(event)
        if self.fails:
            raise ZeroDivisionError("no candle")
        if self.never:
            await asyncio.Event().wait()
        return PICTURE


async def told_with(post: Post, studio: Studio, *to: str) -> list[Picture | None]:
    phone = Phone()
    post.routes = lambda _: [Route(destination=there, lane=Lane.FILL) for there in to or (PHONE,)]
    await post.tell(FILLED, CLOSED)
    delivery = post.delivery(phone, render=render_event, illustrate=studio, picture_within=timedelta(milliseconds=20))
    assert await delivery.drain(SOON) == 0
    return [told.card.picture for told in phone.told if told.key.startswith("2:")]


async def test_a_close_comes_with_its_picture_made_once(post: Post) -> None:
    studio = Studio()
    assert await told_with(post, studio, PHONE, OTHER) == [PICTURE, PICTURE]
    assert studio.asked == [CLOSED]


async def test_who_wants_no_pictures_gets_none(post: Post) -> None:
    post.wishes.pictureless = {PHONE}
    studio = Studio()
    assert await told_with(post, studio) == [None]
    assert studio.asked == []


@pytest.mark.parametrize("studio", [Studio(fails=True), Studio(never=True)], ids=["fails", "hangs"])
async def test_the_words_do_not_wait_for_a_picture_that_does_not_come(post: Post, studio: Studio) -> None:
    assert await told_with(post, studio) == [None]


# --- the other platform -----------------------------------------------------------------------------------------------


def on_discord(_: str) -> tuple[str, ...]:
    return (DISCORD,)


async def test_what_one_platform_does_not_take_in_30_s_goes_to_the_other_once(post: Post) -> None:
    phone, discord = Phone(faults=[ChatDown("cut")] * 999), Phone(platform="discord")
    post.routes = lambda e: [Route(destination=PHONE, lane=Lane.RISK, critical=isinstance(e, m.TradingHalted))]
    delivery = post.delivery(phone, discord, stand_ins=on_discord)
    async with running(delivery):
        await post.tell(note("ordinary"))
        post.wall.advance(60 * SECOND)  # longer than any start
        await post.tell(risk("breaker HALT"))
        post.wall.advance(29 * SECOND)
        await delivery.tick()
        assert await post.outbox.pending(DISCORD, 9) == discord.told == []
        post.wall.advance(1 * SECOND)
        for _ in range(3):
            await delivery.tick()
        await until(lambda: len(discord.told) == 1)
        phone.faults.clear()
        await post.all_told()
    assert discord.titles(DISCORD) == ["breaker HALT"]
    assert discord.told[0].card.lines == ("telegram has not taken this for 30 s",)
    assert not discord.told[0].silent
    assert sorted(phone.titles()) == ["breaker HALT", "ordinary"]


async def test_a_platform_gets_its_30_s_after_a_start_too(post: Post) -> None:
    discord = Phone(platform="discord")
    post.routes = lambda _: [Route(destination=PHONE, lane=Lane.RISK, critical=True)]
    await post.tell(risk("from before"))
    post.wall.advance(timedelta(hours=3))
    delivery = post.delivery(discord, stand_ins=on_discord)
    async with running(delivery):
        await until(lambda: delivery._started_at is not None)
        await delivery.tick()
        assert discord.told == []
        post.wall.advance(30 * SECOND)
        await delivery.tick()
        await until(lambda: len(discord.told) == 1)
    assert discord.told[0].card.lines[0] == "telegram has not taken this for 30 s"


async def test_who_has_it_on_the_other_platform_already_is_not_told_again(post: Post) -> None:
    discord = Phone(platform="discord")
    post.routes = lambda _: [Route(destination=there, lane=Lane.RISK, critical=True) for there in (PHONE, DISCORD)]
    delivery = post.delivery(discord, stand_ins=on_discord)
    async with running(delivery):
        await until(lambda: delivery._started_at is not None)
        await post.tell(risk("breaker HALT"))
        await until(lambda: len(discord.told) == 1)
        post.wall.advance(60 * SECOND)
        await delivery.tick()
    assert [told.card.lines for told in discord.told] == [()]
