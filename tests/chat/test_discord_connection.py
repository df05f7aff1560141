"""The life of the connection to Discord: waited for, cut, resumed, thrown out, refused; and what is told of it."""

import asyncio
import contextlib
import io
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route
from pydantic import SecretStr

from bot.chats.discord import Discord
from bot.chats.discord_watch import Watch
from bot.chats.discord_wire import point_at
from bot.redaction import install
from bot.surface import Card, ChatDown
from tests.chat.discord_stage import ANN, EVE, OTTO, QUICK, Troubles, World, a_discord, a_world
from tests.fakes.discord_api import DESK, TOKEN, DiscordApi, until
from trading.clock import ManualClock
from trading.errors import BadSettings
from trading.status import Armed


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with DiscordApi() as api, a_world(api) as world:
        yield world


async def answered(world: World, command: str = "positions") -> None:
    done = world.api.person(ANN).slash(command)
    await done.over()


@contextlib.asynccontextmanager
async def running(discord: Discord) -> AsyncIterator[None]:
    task = asyncio.create_task(discord.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await discord.close()


# --- coming up --------------------------------------------------------------------------------------------------------


async def test_only_what_is_needed_is_asked_for_and_the_commands_are_registered_once(world: World) -> None:
    await world.up()
    assert world.api.gateway.identified == 1, "with guilds as the only intent, or it would have been closed with 4014"
    assert len(world.api.commands) == 2
    world.api.gateway.drop(4004)
    await until(lambda: world.api.gateway.identified == 2 and world.discord.state.state is Armed.ARMED)
    assert len(world.api.made("PUT", "/commands")) == 2


async def test_rest_down_at_the_start_is_waited_out(world: World) -> None:
    world.api.down = True
    world.start()
    await until(lambda: len(world.api.calls) >= 3)
    assert world.discord.state.state is Armed.DEGRADED
    assert world.troubles.kinds == ["down"]
    world.api.down = False
    await until(lambda: world.discord.state.state is Armed.ARMED)
    await answered(world)
    await until(lambda: world.troubles.kinds == ["down", "back"])


async def test_a_gateway_that_lets_nobody_in_is_waited_out(world: World) -> None:
    world.api.gateway.refusing = True
    world.start()
    await until(lambda: world.api.gateway.connections >= 8)  # the library alone would take minutes
    world.api.gateway.refusing = False
    await until(lambda: world.discord.state.state is Armed.ARMED)
    await until(lambda: world.troubles.kinds == ["down", "back"])


async def test_a_gateway_that_says_nothing_is_left_and_tried_again() -> None:
    quick = replace(QUICK, ready=timedelta(seconds=0.2))
    async with DiscordApi() as api, a_world(api, timing=quick) as world:
        api.gateway.silent = True
        world.start()
        await until(lambda: api.gateway.connections >= 2)
        assert world.discord.state.why == "Discord did not answer in time"
        api.gateway.silent = False
        await until(lambda: world.discord.state.state is Armed.ARMED)


async def test_a_wrong_token_is_said_once_and_tried_again_without_showing_it(world: World) -> None:
    wrong = a_discord(world.api, world.desk, world.troubles, token=SecretStr("wrong.token.of-somebody"))
    async with running(wrong):
        await until(lambda: len(world.api.made("GET", "/users/@me")) >= 3)
        assert wrong.state.why == "Discord does not accept the bot's token"
        assert world.troubles.seen == [("down", "Discord does not accept the bot's token")]
    assert "wrong" not in f"{world.troubles.seen} {wrong!r} {vars(wrong)}"


async def test_a_token_revoked_while_connected_is_noticed_and_its_return_too(world: World) -> None:
    await world.up()
    world.api.fail("GET", "/users/@me", 401, "401: Unauthorized", times=2)
    world.api.gateway.drop(4004)
    await until(lambda: world.troubles.kinds == ["down"])
    assert world.discord.state.why == "Discord does not accept the bot's token"
    await until(lambda: world.troubles.kinds == ["down", "back"])
    await answered(world)


async def test_a_server_that_does_not_know_the_bot_leaves_it_without_commands_and_says_so(world: World) -> None:
    world.api.fail("PUT", "/guilds/.*/commands", 403, "Missing Access", code=50001)
    world.start()
    await until(lambda: "could not be registered" in world.discord.state.why)
    states = [world.discord.state.state]
    assert world.api.commands == {}
    world.discord.refresh_menus()
    await until(lambda: world.discord.state.why == "")
    states.append(world.discord.state.state)
    await answered(world)
    assert states == [Armed.DEGRADED, Armed.ARMED]


# --- cuts -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["dropped", "asked to reconnect", "closed in order"])
async def test_a_short_cut_is_resumed_and_not_worth_telling(world: World, how: str) -> None:
    quick = replace(QUICK, settle=timedelta(seconds=5))
    calm = a_discord(world.api, world.desk, world.troubles, timing=quick)
    async with running(calm):
        await until(lambda: calm.state.state is Armed.ARMED)
        if how == "asked to reconnect":
            world.api.gateway.ask_to_reconnect()
        else:
            world.api.gateway.drop(4000 if how == "dropped" else 1000)
        done = world.api.person(ANN).slash("positions")  # nobody is connected: it is told to who resumes
        await until(lambda: done.answered and calm.state.state is Armed.ARMED)
        assert (world.api.gateway.identified, world.api.gateway.resumed) == (1, 1)
        assert world.desk.heard == ["/positions"]
    assert world.troubles.kinds == []


async def test_a_long_cut_is_told_once_and_its_end_once(world: World) -> None:
    await world.up()
    since = world.discord.state.since
    world.api.gateway.refusing = True
    world.api.gateway.drop()
    await until(lambda: world.api.gateway.connections >= 4)
    assert world.discord.state.state is Armed.DEGRADED
    assert world.discord.state.since is not None
    assert since is not None
    assert world.discord.state.since > since
    world.api.gateway.refusing = False
    await until(lambda: world.discord.state.state is Armed.ARMED)
    await answered(world)
    await until(lambda: world.troubles.kinds == ["down", "back"])


async def test_a_session_that_discord_forgot_begins_anew(world: World) -> None:
    await world.up()
    world.api.gateway.forget_sessions()
    world.api.gateway.drop()
    await until(lambda: world.api.gateway.identified == 2 and world.discord.state.state is Armed.ARMED, within=12)
    await answered(world)


async def test_a_connection_without_a_sign_of_life_is_given_up_and_comes_back() -> None:
    quick = replace(QUICK, silence=timedelta(seconds=0.4))
    async with DiscordApi() as api, a_world(api, timing=quick) as world:
        api.gateway.heartbeat = 0.1
        api.gateway.deaf = True
        world.start()
        await until(lambda: api.gateway.resumed)
        api.gateway.deaf = False
        await until(lambda: world.discord.state.state is Armed.ARMED)
        await answered(world)


async def test_who_is_thrown_out_again_and_again_comes_back_at_a_pace(world: World) -> None:
    """The library alone would come back a thousand times a second."""
    world.api.gateway.throw_out = 25
    world.start()
    await until(lambda: world.api.gateway.throw_out == 0)
    at = world.api.gateway.identified_at
    assert len(at) >= 5, "after five cuts a session is given up"
    assert min(later - earlier for earlier, later in pairwise(at[2:])) >= 0.2, "and the pauses grow"
    await until(lambda: world.api.gateway.connected and world.discord.state.state is Armed.ARMED)
    await answered(world)
    await until(lambda: world.troubles.kinds[-1:] == ["back"])
    assert len(world.troubles.kinds) <= 10, "not each of the cuts is told"


async def test_what_is_being_dealt_with_in_a_cut_is_answered_after_it(world: World) -> None:
    await world.up()
    slow = world.desk.slow["/positions"] = asyncio.Event()
    done = world.api.person(ANN).slash("positions")
    await until(lambda: world.desk.requests)
    world.api.gateway.drop(4004)  # the whole session ends, and its connections with it
    await until(lambda: world.api.gateway.identified == 2 and world.discord.state.state is Armed.ARMED)
    slow.set()
    await until(lambda: world.api.texts() == ["PAPER answer to /positions"])
    assert not done.answered, "as a message of its own"


async def test_alerts_go_out_while_the_gateway_is_away(world: World) -> None:
    await world.up()
    world.api.gateway.refusing = True
    world.api.gateway.drop()
    await until(lambda: world.discord.state.state is Armed.DEGRADED)
    await world.discord.send(f"discord:{DESK}", Card(title="PAPER tripped"), key="k", silent=False)
    assert world.api.texts() == ["PAPER tripped"]


async def test_what_comes_back_for_a_blink_has_not_come_back() -> None:
    troubles = Troubles()
    clock = ManualClock(datetime(2026, 1, 5, tzinfo=UTC))
    watch = Watch(clock=clock, settle=timedelta(seconds=0.05), rivalry=timedelta(seconds=1), on_trouble=troubles)
    watch.lost("cut")
    await until(lambda: troubles.kinds == ["down"])
    for _ in range(3):
        watch.up()
        watch.lost("cut again")
    await asyncio.sleep(0.15)  # longer than it takes to tell
    assert (troubles.kinds, watch.state.why) == (["down"], "cut again")
    watch.up()
    await until(lambda: troubles.kinds == ["down", "back"])
    watch.off()


async def test_a_second_process_with_the_same_token_is_told_once_and_its_end_once() -> None:
    quick = replace(QUICK, rivalry=timedelta(seconds=0.3))
    async with DiscordApi() as api, a_world(api, timing=quick) as world:
        await world.up()
        for _ in range(2):
            api.fail("POST", "/callback", 400, "Interaction has already been acknowledged.", code=40060)
        ann = api.person(ANN)
        taken = [ann.slash("positions"), ann.slash("flatten")]
        await until(lambda: world.discord.distrust)
        assert "same token" in world.discord.state.why
        await until(lambda: not world.discord.distrust)
        await until(lambda: world.discord.state.state is Armed.ARMED)
        assert (world.desk.heard, [t.texts for t in taken]) == ([], [[], []]), "the other one has dealt with it"
        assert world.troubles.kinds == ["conflict", "conflict over"]


# --- going down -------------------------------------------------------------------------------------------------------


async def test_stopping_is_quick_although_a_command_hangs_and_the_way_out_stays_open(world: World) -> None:
    await world.up()
    world.desk.slow["/positions"] = asyncio.Event()
    world.api.person(ANN).slash("positions")
    await until(lambda: world.desk.requests)
    began = time.monotonic()
    await world.rest()
    assert time.monotonic() - began < 2
    assert world.discord.state.state is Armed.OFF
    await world.discord.send(f"discord:{DESK}", Card(title="goodbye"), key="k", silent=False)
    assert world.api.texts() == ["goodbye"]


async def test_the_way_to_the_real_discord_is_restored() -> None:
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    async with DiscordApi() as api, a_world(api):
        assert before != (Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY) == (api.base, yarl.URL(api.gateway_url))
    assert before == (Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY)
    assert Route.BASE.startswith("https://discord.com/")


@pytest.mark.parametrize(
    ("api_base", "gateway"),
    [
        ("https://example.org/api", ""),
        ("https://127.0.0.1.example.org/api", ""),
        ("http://127.0.0.1@example.org/api", ""),
        ("http://user@127.0.0.1/api", ""),
        ("ftp://127.0.0.1/api", ""),
        ("10.0.0.1:80", ""),
        ("http://[::1/api", ""),
        ("", "wss://gateway.example.org/"),
        ("", "http://127.0.0.1:1/"),
    ],
)
def test_a_foreign_address_would_get_the_token_and_is_refused(api_base: str, gateway: str) -> None:
    before = Route.BASE
    with pytest.raises(BadSettings, match=r"DISCORD_(API_BASE|GATEWAY_URL)"):
        point_at(api_base, gateway)
    assert before == Route.BASE


@pytest.mark.parametrize("base", ["http://127.0.0.1:8081/api/v10/", "http://localhost:8081/api/v10", "http://[::1]/a"])
def test_this_machine_is_taken(base: str) -> None:
    restore = point_at(base, "ws://127.0.0.1:8081/gw/")
    assert base.rstrip("/") == Route.BASE
    restore()


# --- silence ----------------------------------------------------------------------------------------------------------


async def test_the_token_is_in_no_log_line_not_even_at_debug(world: World, caplog: pytest.LogCaptureFixture) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    root.addHandler(handler)
    undo = install([SecretStr(TOKEN)])
    caplog.set_level(logging.DEBUG)
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in ("discord", "aiohttp")]
    levels = {name: logging.getLogger(name).level for name in names}
    try:
        await world.up()
        for name in names:  # louder than they are ever allowed to be
            logging.getLogger(name).setLevel(logging.DEBUG)
        await answered(world)
        world.api.gateway.drop()
        await until(lambda: world.api.gateway.resumed)
        world.api.down = True
        with pytest.raises(ChatDown) as down:
            await world.discord.send(f"discord:{DESK}", Card(title="x"), key="k", silent=False)
        world.api.down = False
        world.api.gateway.drop(4004)
        await until(lambda: world.api.gateway.identified == 2)
        await world.stop()
    finally:
        undo()
        root.removeHandler(handler)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
    logged = stream.getvalue() + caplog.text
    assert "socket" in logged.lower(), "the library did say something"
    assert TOKEN not in f"{logged} {down.value!r} {world.troubles.seen} {world.discord.state}"


async def test_the_library_is_quiet_about_what_the_watch_says(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await world.up()
    world.api.gateway.refusing = True
    world.api.gateway.drop()
    await until(lambda: world.api.gateway.connections >= 4)
    world.api.gateway.refusing = False
    await until(lambda: world.discord.state.state is Armed.ARMED)
    said = [r for r in caplog.records if r.name.startswith("discord") or r.exc_info]
    assert said == []
    assert [r.levelname for r in caplog.records if "Discord: down" in r.getMessage()] == ["WARNING"]


# --- what the library cannot read -------------------------------------------------------------------------------------


async def test_an_interaction_that_nobody_can_read_costs_neither_the_connection_nor_an_answer(world: World) -> None:
    await world.up()
    otto = world.api.person(OTTO)
    for missing in ("user", "version", "application_id", "type", "attachment_size_limit"):
        done = otto.slash("positions", where=otto.private)
        told = world.api.gateway.last()
        world.api.gateway.dispatch("INTERACTION_CREATE", {k: v for k, v in told.items() if k != missing} | {"id": "1"})
        await done.over()
    for torn in ({}, {"id": "x"}, {"id": "1", "token": None}, {"id": [], "token": "t", "type": 4}):
        world.api.gateway.dispatch("INTERACTION_CREATE", torn)
    await answered(world)
    assert world.api.gateway.identified == 1


async def test_who_cannot_be_read_is_told_so(world: World) -> None:
    await world.up()
    world.api.gateway.mangle = lambda told: {k: v for k, v in told.items() if k != "version"}
    commands = [world.api.person(EVE).slash("positions"), world.api.person(ANN).slash("flatten")]
    await until(lambda: all(c.answered for c in commands))
    assert [c.texts for c in commands] == [["That could not be read, and nothing was done. Try it again."]] * 2
    assert await world.api.person(ANN).complete("why", "decision", "x") == []
    assert world.desk.requests == []
