"""The desk about itself: its health in words, its log, what it could not deliver, its commands, its price."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from bot.catalogue import COMMANDS
from bot.render.health import remedy
from bot.surface import Identity, Role
from storage.outbox import DeadLetter
from tests import risk_examples as risk
from tests import surface_examples as examples
from tests.surfaces import ANA, OLA, OTTO, WALL, Stage, staged
from trading.status import Armed, Capability

TELEGRAM_LIMIT = 4096


@dataclass
class Log:
    lines: list[str] = field(default_factory=list)

    def last(self, n: int) -> Sequence[str]:
        return self.lines[-n:]


@dataclass
class Mail:
    letters: list[DeadLetter] = field(default_factory=list)

    async def dead(self, n: int) -> Sequence[DeadLetter]:
        return self.letters[:n]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def mail() -> Mail:
    return Mail()


@pytest.fixture
async def stage(tmp_path: Path, log: Log, mail: Mail) -> AsyncIterator[Stage]:
    async with staged(tmp_path, log=log, mail=mail) as made:
        yield made


# --- health -----------------------------------------------------------------------------------------------------------


async def test_what_is_not_well_says_since_when_and_what_to_do(stage: Stage) -> None:
    since = risk.AT + timedelta(hours=1)
    stage.desk.view = examples.a_status(
        capabilities=(
            Capability(name="journal", state=Armed.ARMED),
            Capability(name="persona flow", state=Armed.ARMED),
            Capability(name="persona whale", state=Armed.OFF, why="no on-chain reader in this version"),
            Capability(name="telegram", state=Armed.DEGRADED, why="another process reads it", since=since),
            Capability(name="discord", state=Armed.OFF, why="no DISCORD_BOT_TOKEN"),
        )
    )
    said = await stage.card("/health", who=OLA)
    assert "health: 1 degraded" in said.title
    assert "Armed: journal, persona flow" in said.lines
    for line, todo in (
        ("telegram: degraded since 15:05 UTC, another process reads it", "- Check TELEGRAM_BOT_TOKEN"),
        ("persona whale: off, no on-chain reader in this version", "- Only a setting, a key or a file"),
        ("discord: off, no DISCORD_BOT_TOKEN", "- Set DISCORD_BOT_TOKEN and DISCORD_GUILD_ID"),
    ):
        place = said.lines.index(line)
        assert said.lines[place + 1].startswith(todo)
    assert said.lines.index("discord: off, no DISCORD_BOT_TOKEN") > said.lines.index(
        "telegram: degraded since 15:05 UTC, another process reads it"
    )


async def test_a_desk_that_is_well_says_so(stage: Stage) -> None:
    stage.desk.view = examples.a_status(capabilities=(Capability(name="journal", state=Armed.ARMED),))
    said = await stage.card("/health")
    assert "health: all well" in said.title
    assert not [line for line in said.lines if line.startswith("- ")]
    assert [b.label for b in said.buttons] == ["Refresh", "Breaker"]


@pytest.mark.parametrize(
    "name",
    ["journal", "venue paper", "protection", "desk", "persona sigma", "market data", "models", "telegram", "discord",
     "messages to telegram:7", "heartbeat"],
)  # fmt: skip
@pytest.mark.parametrize("state", [Armed.DEGRADED, Armed.OFF])
def test_every_kind_of_capability_has_a_remedy_where_it_is_not_armed(name: str, state: Armed) -> None:
    assert remedy(Capability(name=name, state=state, why="it fails"))
    assert remedy(Capability(name=name, state=Armed.ARMED)) == ""


# --- undelivered ------------------------------------------------------------------------------------------------------


def letters(count: int) -> list[DeadLetter]:
    halted = examples.events()["halted"]
    return [
        DeadLetter(
            destination=f"telegram:{n}",
            event=halted,
            queued_at=WALL - timedelta(hours=n),
            error="Forbidden: bot was blocked by the user",
        )
        for n in range(1, count + 1)
    ]


async def test_what_was_refused_for_good_is_shown_with_its_reason(stage: Stage, mail: Mail) -> None:
    assert "every message was delivered" in (await stage.card("/undelivered", who=OLA)).title
    mail.letters = letters(1)
    said = await stage.card("/undelivered", who=OLA)
    assert "1 message refused for good" in said.title
    assert "08:30 UTC to telegram:1: PAPER HALTED by Ana (telegram:7): news" in said.lines
    assert "- Forbidden: bot was blocked by the user" in said.lines


async def test_the_undelivered_page_and_come_as_a_file(stage: Stage, mail: Mail) -> None:
    mail.letters = letters(20)
    first = await stage.card("/undelivered", who=OLA)
    assert [b.data for b in first.buttons] == ["re:/undelivered page=2", "do:/undelivered csv", "do:/health"]
    last = await stage.card("/undelivered page=3", who=OLA)
    assert "telegram:20" in last.plain()
    assert "telegram:16:" not in last.plain()
    file = (await stage.card("/undelivered csv", who=OLA)).file
    assert file is not None
    assert len(file.content.decode().splitlines()) == 21


# --- the log ----------------------------------------------------------------------------------------------------------


async def test_the_newest_lines_of_the_log_and_no_more(stage: Stage, log: Log) -> None:
    assert "the log is empty" in (await stage.card("/logs", who=ANA)).title
    log.lines = [f"12:00:{n:02} INFO line {n}" for n in range(60)]
    said = await stage.card("/logs", who=ANA)
    assert "log: the last 20 lines" in said.title
    assert "12:00:40 INFO line 40" in said.lines
    assert "12:00:39 INFO line 39" not in said.lines
    assert said.file is None


async def test_a_long_log_comes_whole_as_a_file(stage: Stage, log: Log) -> None:
    log.lines = [f"line {n} " + "x" * 190 for n in range(100)]
    said = await stage.card("/logs 100", who=ANA)
    assert len(said.plain()) < TELEGRAM_LIMIT
    assert "line 99" in said.plain()
    assert "line 0 " not in said.plain()
    assert said.file is not None
    assert len(said.file.content.decode().splitlines()) == 100


async def test_one_endless_line_is_cut(stage: Stage, log: Log) -> None:
    log.lines = ["x" * 50_000]
    assert len((await stage.card("/logs", who=ANA)).plain()) < TELEGRAM_LIMIT


async def test_the_log_is_an_admins(stage: Stage) -> None:
    assert "is for admins" in (await stage.card("/logs", who=OTTO)).plain()


# --- help, budget, version --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "role"), [(OLA, Role.VIEWER), (OTTO, Role.OPERATOR), (ANA, Role.ADMIN)])
async def test_help_has_the_commands_of_ones_role_in_one_message(who: Identity, role: Role, stage: Stage) -> None:
    said = await stage.card("/help", who=who)
    for path, entry in COMMANDS.items():
        if " " not in path:
            assert (f"/{path}: {entry.help}" in said.lines) is (entry.role <= role), path
    assert len(said.plain()) < TELEGRAM_LIMIT
    assert said.lines[0] == "To read:"
    assert ("At once:" in said.lines) is (role >= Role.OPERATOR)


async def test_help_of_a_command_has_its_arguments_ranges_and_actions(stage: Stage) -> None:
    said = (await stage.card("/help users", who=OLA)).plain()
    for part in (
        "Usage: /users [PAGE]",
        "[PAGE]: Which page of it, like page=2 (page=1 to page=9999)",
        "For admins; you are a viewer. It changes nothing.",
        "/users add ACCOUNT [ROLE] [NAME]: Let somebody use the desk",
    ):
        assert part in said
    inner = (await stage.card("/help /users add", who=ANA)).plain()
    assert "For admins. It asks first." in inner
    assert "[ROLE]: What he may do; a group or channel is a viewer (one of viewer, operator, admin)" in inner
    assert "did you mean /close?" in (await stage.card("/help clos", who=OLA)).plain()


async def test_every_command_explains_itself(stage: Stage) -> None:
    for path, entry in COMMANDS.items():
        said = await stage.card(f"/help {path}", who=ANA)
        assert f"Example: {entry.example}" in said.plain()
        assert len(said.plain()) < TELEGRAM_LIMIT
        assert all(len(b.data.encode()) <= 64 for b in said.buttons)


async def test_the_example_of_what_only_reads_can_be_tapped(stage: Stage) -> None:
    assert [b.data for b in (await stage.card("/help trades", who=OLA)).buttons] == [f"do:{COMMANDS['trades'].example}"]
    assert (await stage.card("/help close", who=ANA)).buttons == ()
    assert (await stage.card("/help audit", who=OLA)).buttons == ()


async def test_nothing_is_spent(stage: Stage) -> None:
    assert "nothing is spent" in (await stage.card("/budget", who=OLA)).title


async def test_the_version_is_said_with_what_runs(stage: Stage) -> None:
    said = await stage.card("/version", who=OLA)
    assert "Gavel 0.1.0" in said.title
    assert "PAPER on simulated market, playbook desk" in said.lines


async def test_a_zone_is_worn_by_the_undelivered(stage: Stage, mail: Mail) -> None:
    mail.letters = letters(1)
    await stage.card("/timezone Asia/Tokyo", who=OLA)
    assert "17:30 JST to telegram:1" in (await stage.card("/undelivered", who=OLA)).plain()
