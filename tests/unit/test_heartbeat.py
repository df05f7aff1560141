"""When the desk counts as alive, what it says of that, and to whom."""

import logging
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from sqlalchemy import select

from bot.heartbeat import EVERY, Heartbeat, read_signs, write_signs
from storage.pulse import Pulse
from storage.tables import PULSE
from tests.storage_builders import a_database
from tests.surface_examples import a_status
from trading.clock import ManualClock
from trading.errors import JournalUnwritable
from trading.status import Armed, DeskStatus

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass
class Outside:
    """The watchdog outside. `answers`: its next status codes."""

    asked: int = 0
    answers: list[int] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.asked += 1
        return web.Response(status=self.answers.pop(0) if self.answers else 200)


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    watchdog, app = Outside(), web.Application()
    app.router.add_get("/ping/secret-id", watchdog.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    watchdog.url = f"http://127.0.0.1:{runner.addresses[0][1]}/ping/secret-id"
    yield watchdog
    await runner.cleanup()


@dataclass
class Desk:
    directory: Path
    url: str = ""
    wall: ManualClock = field(default_factory=lambda: ManualClock(START))
    fault: Exception | None = None

    def __post_init__(self) -> None:
        self.heart = Heartbeat(
            self.directory,
            wall=self.wall,
            status=a_status,
            destinations=lambda: ("console:main", "telegram:7"),
            writable=self._write,
            url=self.url,
        )

    async def _write(self) -> None:
        if self.fault is not None:
            raise self.fault

    async def beat(self, *, steps: bool = True, after: timedelta = EVERY) -> str:
        """What the file says is not well."""
        self.wall.advance(after)
        if steps:
            self.heart.stepped()
        await self.heart.beat()
        signs = read_signs(self.directory / "heartbeat")
        assert signs is not None
        assert signs.at == self.wall.now()
        return signs.why


async def test_the_file_says_what_somebody_needs_who_finds_the_desk_dead(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert await desk.beat() == ""
    signs = read_signs(tmp_path / "heartbeat")
    assert signs is not None
    assert (signs.at, signs.well_at, signs.mode, signs.stopped) == (START + EVERY, START + EVERY, "PAPER", "")
    assert signs.held == ("BTC long 0.0124 @ 64,210.5, stop 62,605.2, target 67,421.1",)
    assert signs.destinations == ("console:main", "telegram:7")
    assert os.listdir(tmp_path) == ["heartbeat"]


async def test_a_journal_that_takes_nothing_is_no_life(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.beat()
    desk.fault = JournalUnwritable("disk full")
    assert await desk.beat() == "the journal takes nothing: disk full"
    signs = read_signs(tmp_path / "heartbeat")
    assert signs is not None
    assert signs.well_at == START + EVERY
    desk.fault = None
    assert await desk.beat() == ""


async def test_a_market_that_stands_still_is_no_life(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for _ in range(6):
        assert await desk.beat(steps=False) == ""
    assert await desk.beat(steps=False) == "the market stands still since 140 s"
    assert await desk.beat() == ""


async def test_a_desk_that_hung_says_so_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.beat()
    assert await desk.beat(after=timedelta(seconds=75)) == "the desk hung for 55 s"
    assert await desk.beat() == ""


async def test_the_watchdog_outside_is_asked_for_only_while_all_is_well(tmp_path: Path, outside: Outside) -> None:
    desk = Desk(tmp_path, outside.url)
    await desk.beat()
    assert (outside.asked, desk.heart.state.state, desk.heart.state.why) == (1, Armed.ARMED, "")
    desk.fault = JournalUnwritable("disk full")
    await desk.beat()
    assert (outside.asked, desk.heart.state.state) == (1, Armed.DEGRADED)
    assert desk.heart.state.why == "the journal takes nothing: disk full"
    desk.fault = None
    await desk.beat()
    assert (outside.asked, desk.heart.state.state) == (2, Armed.ARMED)
    await desk.heart.farewell("done")


async def test_a_watchdog_that_does_not_answer_is_logged_once_and_never_by_its_address(
    tmp_path: Path, outside: Outside, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="bot")
    desk = Desk(tmp_path, outside.url)
    outside.answers = [500, 500, 404]
    for why in ("500", "500", "404"):
        await desk.beat()
        assert desk.heart.state.why == f"the watchdog outside answers {why}"
        assert desk.heart.state.since == START + EVERY
    await desk.beat()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    closed = Desk(tmp_path, "http://127.0.0.1:9/secret-id")
    await closed.beat()
    assert closed.heart.state.why == "the watchdog outside does not answer: ConnectError"
    assert "secret-id" not in caplog.text
    for each in (desk, closed):
        await each.heart.farewell("done")


async def test_without_an_address_nothing_is_asked_for(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.beat()
    assert (desk.heart.state.state, desk.heart.state.why) == (Armed.OFF, "no GAVEL_HEARTBEAT_URL")


async def test_a_desk_that_is_stopped_says_so_in_its_last_sign(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.heart.farewell("asked to stop")
    signs = read_signs(tmp_path / "heartbeat")
    assert signs is not None
    assert (signs.stopped, signs.why) == ("asked to stop", "")


async def test_a_directory_that_is_gone_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(tmp_path / "gone")
    desk.wall.advance(EVERY)
    await desk.heart.beat()
    assert "the sign of life was not written" in caplog.text


async def test_a_desk_that_cannot_say_how_it_is_gives_no_sign(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(tmp_path)

    def broken() -> DeskStatus:
        raise ZeroDivisionError("a bug")

    desk.heart._status = broken
    desk.wall.advance(EVERY)
    await desk.heart.beat()
    assert read_signs(tmp_path / "heartbeat") is None
    assert "the desk cannot say how it is" in caplog.text


def test_half_a_file_or_none_is_no_sign(tmp_path: Path) -> None:
    assert read_signs(tmp_path / "heartbeat") is None
    for text in (b"", b"{", b"[1]", b'{"at": "2026-03-01T12:00:00+00:00"}'):
        (tmp_path / "heartbeat").write_bytes(text)
        assert read_signs(tmp_path / "heartbeat") is None


async def test_a_sign_is_read_as_it_was_written(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.beat()
    signs = read_signs(tmp_path / "heartbeat")
    assert signs is not None
    write_signs(tmp_path / "again", replace(signs, why="x"))
    assert read_signs(tmp_path / "again") == replace(signs, why="x")


async def test_the_pulse_finds_out_by_writing(tmp_path: Path) -> None:
    database, wall = await a_database(tmp_path / "desk.db"), ManualClock(START)
    pulse = Pulse(database, wall)
    for _ in range(2):
        wall.advance(EVERY)
        await pulse.beat()
        assert await database.read(lambda connection: connection.execute(select(PULSE)).all()) == [(1, wall.now())]
    await database.write(lambda connection: connection.exec_driver_sql("DROP TABLE pulse").rowcount)
    with pytest.raises(JournalUnwritable):
        await pulse.beat()
    await database.close()
