"""Alerts to Discord: where they go, what they hang on, how fast, and what becomes of a failure."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from bot.chats.discord_sender import REPEAT, Sender
from bot.chats.pace import Limit, Limits
from bot.pictures import EquityPicture
from bot.surface import Button, Card, ChatDown, ChatRefused, File
from tests.chat.discord_stage import ANN, FAST, OTTO, QUESTION, VERA, World, a_discord, a_world
from tests.fakes.discord_api import DESK, TOKEN, DiscordApi, Rates, until

FILLS = 77_001
DESTINATION = f"discord:{DESK}"
CARD = Card(title="PAPER filled", lines=("long 0.10 BTC @ 64 210",))
PICTURE = EquityPicture(title="Equity", at=(), equity=())


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Nobody listens: alerts need no gateway."""
    async with DiscordApi() as api:
        api.thread(FILLS)
        async with a_world(api) as world:
            yield world


async def send(world: World, card: Card = CARD, *, to: str = DESTINATION, key: str = "k", **more: str | bool) -> str:
    silent, reply_to = bool(more.get("silent", False)), str(more.get("reply_to", ""))
    return await world.discord.send(to, card, key=key, silent=silent, reply_to=reply_to)


async def test_a_channel_a_thread_and_a_private_chat_are_reached(world: World) -> None:
    for number, to in enumerate((DESTINATION, f"discord:{DESK}/{FILLS}", f"discord:@{ANN}", f"discord:@{ANN}")):
        await send(world, to=to, key=f"k{number}")
    ann = world.api.person(ANN).private
    assert [len(world.api.inbox(channel)) for channel in (DESK, FILLS, ann)] == [1, 1, 2]
    assert len(world.api.made("POST", "/users/@me/channels")) == 1, "a private chat is opened once"
    assert world.api.gateway.connections == 0


def test_where_alerts_go_by_themselves(world: World) -> None:
    members = ["discord:@11", "discord:@12", "discord:@13"]
    assert list(world.discord.destinations) == members
    world.desk.roles = {**world.desk.roles, "#55": max(world.desk.roles.values())}
    assert list(world.discord.destinations) == [*members, "discord:55"]
    assert a_discord(world.api, world.desk, channel=DESK).destinations == (DESTINATION,)


async def test_what_a_phone_shows_of_a_card(world: World) -> None:
    card = Card(
        title="PAPER ▲ BTC *long*",
        lines=("0.10 @ 64_210", "- not a list", "https://example.org/a_b"),
        detail=("because `x` > <@1>", "@everyone"),
        buttons=(Button(label="Why", data="do:/why 1"),),
    )
    reference = await send(world, card, silent=True)
    (line,) = world.api.conversation()
    assert line.text == card.plain()
    assert (str(line.id), line.silent, line.buttons) == (reference, True, (("Why",),))
    assert line.markup.split("\n") == [
        r"**PAPER ▲ BTC \*long\***",
        r"0.10 @ 64\_210",
        r"\- not a list",
        "<https://example.org/a_b>",
        r"> because \`x\` > \<@1>",
        "> @\u200beveryone",
    ]


async def test_a_card_of_ten_thousand_characters_arrives_whole(world: World) -> None:
    words = [f"w{n:04}" for n in range(1667)]
    card = Card(title="Why", lines=(" ".join(words),), detail=("_&_" * 50,), buttons=QUESTION.buttons)
    reference = await send(world, card)
    inbox = world.api.inbox()
    assert reference.split(",") == [str(m.id) for m in inbox]
    assert " ".join(m.text for m in inbox).split() == ["Why", *words, "_&_" * 50]
    assert [bool(m.labels) for m in inbox] == [*[False] * (len(inbox) - 1), True]


async def test_the_messages_of_a_position_hang_on_one_another(world: World) -> None:
    entry = await send(world)
    await send(world, key="exit", reply_to=entry)
    await send(world, key="gone", reply_to="12345")
    assert [m.reply_to for m in world.api.inbox()] == [None, int(entry), None]


async def test_the_same_key_is_shown_once_and_by_another_process_too(world: World) -> None:
    first = await send(world)
    assert await send(world) == first
    assert len(world.api.made("POST", "/messages")) == 1
    await world.restart()
    assert await send(world) == first, "Discord knows it by its nonce"
    assert world.api.texts() == [CARD.plain()]


async def test_after_an_answer_that_got_lost_the_repetition_is_not_shown_again(world: World) -> None:
    world.api.lose_answer("POST", "/messages")
    with pytest.raises(ChatDown):
        await send(world)
    await send(world)
    assert world.api.texts() == [CARD.plain()]


async def test_when_discord_may_have_forgotten_the_nonce_the_repetition_says_that_it_may_be_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.chats.discord_sender._NONCE_KEPT", 0.0)
    monkeypatch.setattr("tests.fakes.discord_store.NONCE_KEPT", 0.0)
    world.api.lose_answer("POST", "/messages")
    with pytest.raises(ChatDown):
        await send(world)
    await send(world)
    assert world.api.texts() == [CARD.plain(), CARD.plain() + REPEAT]


async def test_a_repetition_goes_on_where_it_was_cut(world: World) -> None:
    long = Card(title="long", lines=("word " * 700,))
    await send(world, key="other")
    parts = len((await send(world, long, key="whole")).split(","))
    world.api.calls.clear()
    world.api.fail("POST", "/messages", 503, "upstream")
    with pytest.raises(ChatDown):
        await send(world, long)
    reference = await send(world, long)
    assert len(reference.split(",")) == parts
    assert len([c for c in world.api.made("POST", "/messages") if c.status == 200]) == parts


@pytest.mark.parametrize("to", ["discord:everybody", "telegram:7", "discord:", "discord:@", "discord:1/x", ""])
async def test_what_is_no_place_on_discord_is_refused(world: World, to: str) -> None:
    with pytest.raises(ChatRefused):
        await send(world, to=to)
    await world.discord.await_turn(to)


async def test_who_will_not_take_it_refuses(world: World) -> None:
    world.api.person(VERA).takes_private = False
    world.api.channels[FILLS].closed = True
    for number, to in enumerate((f"discord:@{VERA}", f"discord:{DESK}/{FILLS}", "discord:4242", "discord:@4242")):
        with pytest.raises(ChatRefused):
            await send(world, to=to, key=f"k{number}")


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_server_that_stumbles_is_down_and_not_refusing(world: World, status: int) -> None:
    quick = Sender(token=SecretStr(TOKEN), limits=FAST, patience=0.3)
    await quick.send(DESTINATION, CARD, key="first")
    world.api.fail("POST", "/messages", status, "oops", times=9)
    with pytest.raises(ChatDown):
        await quick.send(DESTINATION, CARD, key="k")
    await quick.close()


async def test_a_long_rate_limit_is_told_and_a_short_one_sat_out(world: World) -> None:
    await send(world, key="before")
    world.api.hold(DESK, 60)
    with pytest.raises(ChatDown) as refused:
        await send(world)
    assert refused.value.retry_after == pytest.approx(60, abs=1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await world.discord.await_turn(DESTINATION)
    await world.discord.await_turn(f"discord:@{OTTO}")
    await send(world, to=f"discord:@{OTTO}", key="other")
    world.api.hold(FILLS, 0.2)
    await send(world, to=f"discord:{DESK}/{FILLS}", key="short")
    assert len(world.api.made("POST", f"/channels/{FILLS}/")) == 2


async def test_a_ban_by_the_proxy_in_front_is_told_with_its_pause(world: World) -> None:
    """A 429 without a Via header is no rate limit of Discord's own: the library raises it at once."""
    await send(world, key="before")
    world.api.bare = True
    world.api.fail("POST", "/messages", 429, "banned", retry_after=7.0)
    with pytest.raises(ChatDown) as refused:
        await send(world)
    assert refused.value.retry_after == 7.0


async def test_our_own_pace_keeps_every_channel_within_its_limit() -> None:
    """Not one 429, while another channel is served meanwhile."""
    limits = Limits(private=(Limit(count=2, seconds=0.3),), group=(Limit(count=2, seconds=0.3),))
    async with DiscordApi(rates=Rates(count=2, per=0.3)) as api, a_world(api, limits=limits) as world:
        api.thread(FILLS)
        began = time.monotonic()
        alerts = [send(world, Card(title=f"n{n}"), key=f"n{n}") for n in range(5)]
        await asyncio.gather(*alerts, send(world, to=f"discord:{DESK}/{FILLS}", key="other"))
        assert api.texts() == ["n0", "n1", "n2", "n3", "n4"]
        assert {call.status for call in api.calls} == {200}, api.transcript()
        assert time.monotonic() - began < 3
        assert api.inbox(FILLS)[0].at < api.inbox(DESK)[2].at


async def test_a_card_is_put_in_the_place_of_another(world: World) -> None:
    reference = await send(world, QUESTION)
    assert await world.discord.edit(DESTINATION, reference, CARD)
    assert await world.discord.edit(DESTINATION, reference, CARD), "changing nothing is no error"
    (message,) = world.api.inbox()
    assert (message.text, message.labels) == (CARD.plain(), [])


async def test_what_cannot_be_edited_is_said(world: World) -> None:
    reference = await send(world)
    long = Card(title="x", lines=("word " * 900,))
    assert not await world.discord.edit(DESTINATION, reference, long)
    assert not await world.discord.edit(DESTINATION, "12345", CARD)
    assert not await world.discord.edit(DESTINATION, "17,18", CARD)
    world.api.fail("PATCH", "/messages", 503, "upstream")
    with pytest.raises(ChatDown):
        await world.discord.edit(DESTINATION, reference, CARD)


async def test_a_message_is_kept_in_sight(world: World) -> None:
    reference = await send(world)
    await world.discord.pin(DESTINATION, reference)
    assert world.api.conversation()[0].pinned
    with pytest.raises(ChatRefused):
        await world.discord.pin(DESTINATION, "12345")
    with pytest.raises(ChatRefused):
        await world.discord.pin(DESTINATION, "no reference")


async def test_a_picture_and_a_file_follow_an_alert_as_a_reply_that_does_not_ring(world: World) -> None:
    card = replace(CARD, picture=PICTURE, file=File(name="trades.csv", content=b"a,b\n"))
    reference = await send(world, card, to=f"discord:@{ANN}")
    private = world.api.person(ANN).private
    await until(lambda: world.api.enclosed(private))
    words, enclosed = world.api.conversation(private)
    assert (words.text, str(words.id)) == (CARD.plain(), reference)
    assert (enclosed.photo, enclosed.document, enclosed.reply_to) == ("picture.png", "trades.csv", words.id)
    assert (words.silent, enclosed.silent) == (False, True)
    assert world.painter.drawn == [(PICTURE, True)]


async def test_a_picture_that_fails_costs_an_alert_nothing(world: World) -> None:
    world.painter.failing = True
    await send(world, replace(CARD, picture=PICTURE))
    await until(lambda: world.painter.drawn)
    await send(world, key="next")
    assert world.api.texts() == [CARD.plain(), CARD.plain()]


async def test_a_question_that_comes_as_an_alert_is_noted_too(world: World) -> None:
    reference = await send(world, QUESTION)
    assert world.desk.asked_at == [("1a2b", DESTINATION, reference)]


async def test_a_button_that_discord_does_not_take_does_not_cost_the_words(world: World) -> None:
    await send(world, key="before")
    world.api.fail("POST", "/messages", 400, "Invalid Form Body", code=50035)
    await send(world, QUESTION)
    assert (world.api.texts()[-1], world.api.inbox()[-1].labels) == ("PAPER close BTC?", [])


async def test_a_wrong_token_is_down_without_being_shown(world: World) -> None:
    wrong = Sender(token=SecretStr("wrong.token.of-somebody"), limits=FAST)
    with pytest.raises(ChatDown, match="does not accept the bot's token") as refused:
        await wrong.send(DESTINATION, CARD, key="k")
    assert "wrong" not in f"{refused.value} {refused.value.__cause__}"
    await wrong.close()


async def test_rest_that_is_down_is_down_and_comes_back(world: World) -> None:
    world.api.down = True
    with pytest.raises(ChatDown):
        await send(world)
    world.api.down = False
    await send(world)
    assert world.api.texts() == [CARD.plain()]
