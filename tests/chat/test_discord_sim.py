"""The same adapter under SimCord, which plays Discord's own app: it lets people do only what they could do there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import discord
import pytest
import simcord

from bot.chats.discord import Discord
from bot.surface import Button, Card, Role
from tests.chat.discord_stage import CODED, COMMANDS, QUESTION, QUICK, REFUSED, Desk
from trading.clock import SystemClock
from trading.status import Armed


@dataclass
class Stage:
    env: simcord.Env
    desk: Desk
    chat: Discord
    channel: simcord.ChannelHandle
    ann: simcord.MemberActor  # admin, and a moderator of the server
    vera: simcord.MemberActor  # viewer
    eve: simcord.MemberActor  # nobody

    async def restart(self) -> None:
        await self.env.restart_bot(self.chat.client())

    def message(self) -> discord.Message:
        """The last one that everybody sees."""
        message = self.channel.last_message
        assert message is not None
        return message


@asynccontextmanager
async def a_stage() -> AsyncIterator[Stage]:
    """No fixture: SimCord's clock belongs to the task that has started it."""
    guilds = discord.Intents(guilds=True)
    async with simcord.run(discord.Client(intents=guilds), approved_intents=guilds) as env:
        guild = env.create_guild()
        channel = guild.create_text_channel("desk")
        mods = guild.create_role("mods", permissions=discord.Permissions(manage_messages=True, manage_guild=True))
        ann = guild.add_member(env.create_user("ann"), roles=[mods])
        vera, eve = (guild.add_member(env.create_user(name)) for name in ("vera", "eve"))
        desk = Desk(roles={str(ann.id): Role.ADMIN, str(vera.id): Role.VIEWER})
        adapter = Discord(token="x", guild=guild.id, service=desk, clock=SystemClock(), commands=COMMANDS, timing=QUICK)
        stage = Stage(env, desk, adapter, channel, ann, vera, eve)
        await stage.restart()
        yield stage
        await adapter.close()


async def test_everything_is_offered_to_who_may_see_it() -> None:
    async with a_stage() as stage:
        assert stage.chat.state.state is Armed.ARMED
        everything = {path for path in COMMANDS if path != "breaker"} | {"breaker show"}
        assert set(stage.ann.available_commands(stage.channel)) == everything
        hidden = {"close", "flatten", "set"}
        assert set(stage.vera.available_commands(stage.channel)) == everything - hidden
        assert stage.chat.state.name == "discord"


@pytest.mark.parametrize(
    ("command", "options", "line"),
    [
        ("positions", {}, "/positions"),
        ("trades", {"by": "week", "n": 50}, "/trades 50 week"),
        ("ask", {"question": "why not?"}, "/ask why not?"),
        ("close", {"position": "BTC"}, "/close BTC"),
        ("breaker show", {}, "/breaker"),
        ("breaker reset", {"reason": "checked"}, "/breaker reset checked"),
        ("set", {"key": "max_hold", "value": "6h"}, "/set max_hold 6h"),
        ("halt", {}, "/halt"),
    ],
)
async def test_every_shape_of_command_is_called(command: str, options: dict[str, str | int], line: str) -> None:
    async with a_stage() as stage:
        result = await stage.ann.slash(stage.channel, command, **options)
        assert (result.acknowledged, result.ephemeral) == (True, False)
        assert stage.desk.heard == [line]
        assert stage.message().content == f"**PAPER answer to {line}**".replace("_", "\\_")


async def test_what_does_not_fit_never_leaves_the_app() -> None:
    async with a_stage() as stage:
        for options in ({"n": 51}, {"by": "year"}, {"n": "5"}):
            with pytest.raises(simcord.OptionError):
                await stage.ann.slash(stage.channel, "trades", **options)
        with pytest.raises(simcord.OptionError):
            await stage.ann.slash(stage.channel, "close")
        assert stage.desk.heard == []


async def test_a_stranger_hears_it_alone_and_then_nothing() -> None:
    async with a_stage() as stage:
        first = await stage.eve.slash(stage.channel, "positions")
        assert first.ephemeral
        assert first.response is not None
        assert first.response.content == "**This desk is private.**"
        stage.desk.roles = {str(stage.eve.id): Role.VIEWER}
        stage.desk.answers["/positions"] = None
        second = await stage.eve.slash(stage.channel, "positions")
        assert second.response is None


async def test_suggestions() -> None:
    async with a_stage() as stage:
        found = await stage.ann.autocomplete(stage.channel, "close", "position", "b")
        assert [choice["value"] for choice in found] == ["BTC", "ETH"]
        assert stage.desk.typing == [("close", "position", "b")]


async def test_a_private_chat_has_the_commands_too() -> None:
    async with a_stage() as stage:
        result = await stage.ann.user.slash("balance")
        assert not result.ephemeral
        assert stage.desk.requests[0].place == f"discord:@{stage.ann.id}"
        assert stage.desk.requests[0].private


async def test_a_question_is_answered_by_its_owner_after_a_restart() -> None:
    async with a_stage() as stage:
        stage.desk.answers |= {"/flatten": QUESTION, "cf:1a2b": Card(title="PAPER closed")}
        await stage.ann.slash(stage.channel, "flatten")
        await stage.restart()
        await stage.ann.click(stage.message(), label="Yes")
        assert (stage.message().content, stage.message().components) == ("**PAPER closed**", [])


async def test_a_foreign_tap_takes_nothing_away() -> None:
    async with a_stage() as stage:
        stage.desk.answers |= {"/flatten": QUESTION, "cf:1a2b": REFUSED}
        await stage.ann.slash(stage.channel, "flatten")
        for other in (stage.vera, stage.eve):
            tap = await other.click(stage.message(), label="Yes")
            assert [m.ephemeral for m in tap.followups] == [True]
        assert stage.message().content == "**PAPER close BTC?**"
        assert stage.message().components


async def test_a_form_asks_for_the_code() -> None:
    async with a_stage() as stage:
        stage.desk.answers |= {"/flatten": CODED, "cf:9f9f": Card(title="PAPER flat")}
        await stage.ann.slash(stage.channel, "flatten")
        shown = await stage.ann.click(stage.message(), label="Flatten")
        assert shown.modal is not None
        assert shown.modal["title"] == "Flatten"
        await stage.restart()
        await stage.ann.submit_modal(shown, {"typed": "4821"})
        assert [(r.button, r.text) for r in stage.desk.requests[-1:]] == [("cf:9f9f", "4821")]
        assert stage.message().content == "**PAPER flat**"


async def test_pages_are_turned_in_place() -> None:
    async with a_stage() as stage:
        buttons = (Button(label="Next", data="re:/trades page=2"), Button(label="Last", data="re:/trades page=2"))
        stage.desk.answers |= {"/trades": Card(title="1", buttons=buttons), "re:/trades page=2": Card(title="2")}
        await stage.vera.slash(stage.channel, "trades")
        await stage.vera.click(stage.message(), label="Last")
        assert stage.message().content == "**2**"


async def test_a_refusal_is_taken_aside() -> None:
    async with a_stage() as stage:
        stage.desk.answers["/positions"] = Card(title="PAPER refused", lines=("not now",), refused=True)
        result = await stage.vera.slash(stage.channel, "positions")
        assert result.response is None
        assert [(m.content, m.ephemeral) for m in result.followups] == [("**PAPER refused**\nnot now", True)]


async def test_a_fault_of_discords_is_no_fault_of_ours() -> None:
    async with a_stage() as stage:
        stage.env.inject_error("PATCH", "/webhooks/*", status=503, times=1)
        result = await stage.ann.slash(stage.channel, "positions")
        await stage.env.advance_time(1)
        assert result.response is not None
        assert result.response.content == "**PAPER answer to /positions**"
