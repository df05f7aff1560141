"""The menus of commands, by scope and role."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.surface import MenuLine, Role
from tests.chat.telegram_world import ANN, BOB, GROUP, LINES, STRANGER, Desk, World, a_telegram, a_world, until

EVERYWHERE = ("default", "all_private_chats", "all_chat_administrators")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        yield world


def offered(world: World, user: int, chat: int | None = None) -> tuple[str, ...]:
    return tuple(world.api.menu(user, chat))


def calls(world: World) -> int:
    return len(world.api.made("setMyCommands")) + len(world.api.made("deleteMyCommands"))


async def test_everybody_sees_the_commands_of_his_role_and_a_stranger_none(world: World) -> None:
    world.desk.roles |= {GROUP: Role.ADMIN}  # whoever wrote that: in a group one reads
    for scope in EVERYWHERE:  # left there by another bot
        world.api.menus[(scope,)] = [{"command": "flatten", "description": "x"}]
    await world.up()
    await until(lambda: calls(world) == 6)
    assert offered(world, ANN) == LINES[Role.ADMIN]
    assert offered(world, BOB) == LINES[Role.OPERATOR]
    assert offered(world, STRANGER) == ()
    assert offered(world, BOB, GROUP) == offered(world, STRANGER, GROUP) == LINES[Role.VIEWER]
    assert offered(world, STRANGER, -1) == LINES[Role.VIEWER]
    assert world.api.menus[("chat", BOB)][0] == {"command": "status", "description": "About status"}


async def test_menus_follow_the_roles_and_only_what_changed_is_sent(world: World) -> None:
    await world.up()
    await until(lambda: calls(world) == 6)
    world.desk.roles[BOB] = Role.VIEWER
    del world.desk.roles[ANN]
    world.telegram.refresh_menus()
    await until(lambda: calls(world) == 8)
    assert (offered(world, BOB), offered(world, ANN)) == (LINES[Role.VIEWER], ())
    world.telegram.refresh_menus()
    world.telegram.refresh_menus()
    await world.send_and_hear("/status")
    assert calls(world) == 8


async def test_a_menu_that_could_not_be_sent_is_sent_later(world: World) -> None:
    world.api.fail("setMyCommands", 429, "Too Many Requests: retry after 1", retry_after=1)
    world.api.fail("deleteMyCommands", 502, "Bad Gateway")
    await world.up()
    await until(lambda: offered(world, ANN) == LINES[Role.ADMIN])
    await until(lambda: offered(world, BOB) == LINES[Role.OPERATOR])


async def test_who_has_blocked_the_bot_costs_nobody_else_his_menu(world: World) -> None:
    world.api.person(ANN).block()
    await world.up()
    await until(lambda: offered(world, BOB) == LINES[Role.OPERATOR])
    world.api.person(ANN).unblock()
    world.telegram.refresh_menus()
    await until(lambda: offered(world, ANN) == LINES[Role.ADMIN])


async def test_who_was_never_met_gets_his_menu_when_he_writes(world: World) -> None:
    newcomer = 99
    world.desk.roles[newcomer] = Role.VIEWER
    await world.up()
    await until(lambda: calls(world) == 7)
    assert (offered(world, BOB), offered(world, newcomer)) == (LINES[Role.OPERATOR], ())
    world.api.person(newcomer, "New").type("/start")
    await until(lambda: offered(world, newcomer) == LINES[Role.VIEWER])


async def test_a_menu_from_an_earlier_life_is_taken_from_a_stranger_who_writes(world: World) -> None:
    world.api.menus[("chat", STRANGER)] = [{"command": "flatten", "description": "x"}]
    await world.up()
    await until(lambda: calls(world) == 6)
    for _ in range(3):
        world.api.person(STRANGER).type("/flatten")
    await until(lambda: offered(world, STRANGER) == ())
    await until(lambda: len(world.desk.done) == 3)
    await world.send_and_hear("/status")
    assert calls(world) == 7


class Strange(Desk):
    """Lines that are no commands of Telegram's, and more than it takes."""

    def menu(self, role: Role | None) -> tuple[MenuLine, ...]:
        odd = (MenuLine(name="phase set", help="two words"), MenuLine(name="Not-One", help="x"))
        return (*odd, *(MenuLine(name=f"c{n}", help="long " * 90) for n in range(120)))


async def test_what_telegram_would_refuse_is_left_out() -> None:
    async with a_world() as world:
        odd = World(world.api, desk := Strange(), world.troubles, a_telegram(world.api, desk, world.troubles))
        await odd.up()
        await until(lambda: len(offered(world, ANN)) == 100)
        assert offered(world, ANN)[:2] == ("c0", "c1")
        await odd.stop()


async def test_menus_wait_for_telegram_and_hold_up_nothing(world: World) -> None:
    world.api.slow["deleteMyCommands"] = asyncio.Event()
    await world.up()
    await world.send_and_hear("/status")
    assert world.api.menus == {}
    world.api.slow["deleteMyCommands"].set()
    await until(lambda: offered(world, ANN) == LINES[Role.ADMIN])
