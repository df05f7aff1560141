"""The process that draws: there when it is needed, replaced when it hangs, gone with the desk, and never in its way."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.charts.studio import DrawingFailed, Studio
from bot.pictures import Bar, CandlesPicture, EquityPicture, Score, ScoresPicture

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
SECOND = timedelta(seconds=1)
EQUITY = EquityPicture(
    title="Equity", at=(AT, AT + SECOND, AT + 2 * SECOND), equity=(Decimal(100), Decimal(90), Decimal(120))
)


def about(title: str) -> ScoresPicture:
    return ScoresPicture(title=title, scores=(Score(name="a", n=1, rate=0.5, low=0.1, high=0.9),))


@asynccontextmanager
async def a_studio(**changes: Any) -> AsyncIterator[Studio]:
    studio = Studio(**{"worker": "tests.fakes.draughtsman", **changes})
    try:
        yield studio
    finally:
        await studio.close()


async def run(program: str) -> tuple[int | None, bytes]:
    """Another process's return code, and what it printed."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=ROOT, stdout=PIPE)
    printed, _ = await process.communicate()
    return process.returncode, printed


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(10):
        while not gone(pid):  # noqa: ASYNC110 - another process: nothing of ours to be woken by
            await asyncio.sleep(0.01)


async def test_a_real_picture_comes_from_another_process_and_the_loop_goes_on(tmp_path: Path) -> None:
    longest, last = 0.0, 0.0
    loop = asyncio.get_running_loop()

    def tick() -> None:
        nonlocal longest, last, handle
        now = loop.time()
        longest, last = max(longest, now - last if last else 0.0), now
        handle = loop.call_later(0.001, tick)

    handle = loop.call_later(0.001, tick)
    async with a_studio(cache=tmp_path, worker="bot.charts.worker", timeout=60 * SECOND) as studio:
        assert studio.pid is None  # no process before the first picture
        png = await studio.draw(EQUITY, dark=True)
        pid = studio.pid
        assert png.startswith(b"\x89PNG")
        assert await studio.draw(EQUITY, dark=False) != png
        assert studio.pid == pid != os.getpid()
        os.kill(pid, signal.SIGINT)  # Ctrl-C is the desk's business
        assert (await studio.draw(about("after Ctrl-C"), dark=True)).startswith(b"\x89PNG")
        assert studio.pid == pid
    handle.cancel()
    assert gone(pid)
    assert longest < 0.25  # a drawing takes longer than that; two cores are shared with whatever else runs here


async def test_the_desks_process_never_loads_what_draws() -> None:
    program = (
        "import sys, bot.charts.studio, bot.chats.console, bot.render.pictures, bot.illustrations\n"
        "assert not {'matplotlib', 'PIL'} & {name.partition('.')[0] for name in sys.modules}"
    )
    assert (await run(program))[0] == 0


async def test_equal_pictures_are_drawn_once_also_when_they_are_asked_for_at_once() -> None:
    async with a_studio() as studio:
        first = await asyncio.gather(*(studio.draw(about("one"), dark=True) for _ in range(20)))
        assert set(first) == {b"1"}
        assert await studio.draw(about("one"), dark=True) == b"1"
        assert await studio.draw(about("one"), dark=False) == b"2"  # another theme is another picture
        bars = (Bar(at=AT, open=Decimal(1), high=Decimal(1), low=Decimal(1), close=Decimal(1)),)
        finer = (Bar(at=AT, open=Decimal(1), high=Decimal(1), low=Decimal(1), close=Decimal("1.00")),)
        drawn = [await studio.draw(CandlesPicture(title="BTC", every=SECOND, bars=b), dark=True) for b in (bars, finer)]
        assert drawn == [b"3", b"4"]  # equal numbers that are written differently


async def test_old_pictures_are_forgotten() -> None:
    async with a_studio() as studio:
        drawn = [await studio.draw(about(f"number {n}"), dark=True) for n in range(1, 12)]
        assert drawn == [str(n).encode() for n in range(1, 12)]
        assert await studio.draw(about("number 11"), dark=True) == b"11"
        assert await studio.draw(about("number 1"), dark=True) == b"12"


async def test_one_that_hangs_is_replaced_and_the_next_picture_is_drawn() -> None:
    async with a_studio(timeout=timedelta(seconds=3)) as studio:
        first = int(await studio.draw(about("pid"), dark=True))
        with pytest.raises(DrawingFailed, match="TimeoutError"):
            await studio.draw(about("hang"), dark=True)
        assert gone(first)
        assert int(await studio.draw(about("pid"), dark=False)) != first


async def test_one_that_dies_is_replaced() -> None:
    async with a_studio() as studio:
        with pytest.raises(DrawingFailed, match="IncompleteRead"):
            await studio.draw(about("die"), dark=True)
        first = int(await studio.draw(about("pid"), dark=True))
        os.kill(first, signal.SIGKILL)
        await until_noticed(studio)
        with pytest.raises(DrawingFailed):
            await studio.draw(about("lost"), dark=True)
        assert int(await studio.draw(about("pid"), dark=False)) != first


async def until_noticed(studio: Studio) -> None:
    async with asyncio.timeout(10):
        while studio._process is not None and studio._process.returncode is None:  # noqa: ASYNC110 - a signal's doing
            await asyncio.sleep(0.01)


async def test_a_picture_that_cannot_be_drawn_says_why_and_may_be_tried_again() -> None:
    async with a_studio() as studio:
        for _ in range(2):
            with pytest.raises(DrawingFailed, match="ValueError: no such picture"):
                await studio.draw(about("fail"), dark=True)
        assert await studio.draw(about("fine"), dark=True) == b"3"


async def test_who_asked_may_go_while_another_still_waits() -> None:
    async with a_studio() as studio:
        hasty = asyncio.create_task(studio.draw(about("one"), dark=True))
        patient = asyncio.create_task(studio.draw(about("one"), dark=True))
        await asyncio.sleep(0)
        hasty.cancel()
        assert await patient == b"1"
        assert hasty.cancelled()


async def test_it_ends_when_nobody_looks_at_pictures_and_comes_back() -> None:
    async with a_studio(idle=timedelta(seconds=0.05)) as studio:
        first = int(await studio.draw(about("pid"), dark=True))
        await until_gone(first)
        assert studio.pid is None
        assert int(await studio.draw(about("pid"), dark=False)) != first


async def test_what_is_being_drawn_does_not_hold_the_end_up() -> None:
    studio = Studio(worker="tests.fakes.draughtsman")
    pid = int(await studio.draw(about("pid"), dark=True))
    hanging = asyncio.create_task(studio.draw(about("hang"), dark=True))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await studio.close()
        with pytest.raises(asyncio.CancelledError):
            await hanging
    assert gone(pid)
    with pytest.raises(DrawingFailed, match="stopped"):
        await studio.draw(about("late"), dark=True)


async def test_it_is_told_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAVEL_TELEGRAM_TOKEN", "123:abc")
    async with a_studio() as studio:
        names = (await studio.draw(about("environment"), dark=True)).decode().split("\n")
    assert "PYTHONPATH" in names
    assert not [name for name in names if "TOKEN" in name or name.startswith("GAVEL")]


async def test_it_does_not_outlive_a_desk_that_is_killed() -> None:
    program = (
        "import asyncio, os, signal\n"
        "from bot.charts.studio import Studio\n"
        "from tests.unit.test_studio import about\n"
        "async def main():\n"
        "    studio = Studio(worker='tests.fakes.draughtsman')\n"
        "    print((await studio.draw(about('pid'), dark=True)).decode(), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    code, pid = await run(program)
    assert code == -signal.SIGKILL
    await until_gone(int(pid))


async def test_what_draws_loads_no_more_than_it_needs() -> None:
    """It has to fit beside the desk on the smallest machine."""
    program = (
        "import sys, bot.charts.gallery\n"
        "assert not {'pandas', 'sqlalchemy', 'talib'} & {name.partition('.')[0] for name in sys.modules}"
    )
    assert (await run(program))[0] == 0
