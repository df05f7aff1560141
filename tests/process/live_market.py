"""`gavel run` on an emulated exchange: another process with the real client, a market that walks, and a clock that is
set so that the next close is near."""

import asyncio
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.exchange_core_walk import Walk
from tests.fakes.exchange_house import an_exchange
from tests.fakes.exchange_tls import Loop
from tests.process import program
from tests.process.records import Records, read

# The real command with the wall's clock put forward: nothing else in the desk reads the time.
SHIFTED = """
import sys
from datetime import timedelta
from trading.clock import SystemClock
ahead, real = timedelta(milliseconds=int(sys.argv.pop(1))), SystemClock.now
SystemClock.now = lambda self: real(self) + ahead
sys.argv[0] = "gavel"
from bot.__main__ import main
main()
"""
# One voice is enough, and it looks at each minute's bar.
EVERY_MINUTE = (
    program.BUSY.replace('"5m"', '"1m"')
    .replace('name = "busy"', 'name = "minutely"')
    .replace("[panel.flow]", '[panel.flow]\nwindow = "3m"')
)
PACE = 0.1  # seconds between two moves of the market
PATIENCE = 110  # seconds, for what takes a few: where the first close was missed, the next is waited for


def to_close(before: timedelta, every: timedelta = timedelta(minutes=1)) -> int:
    """How far to put the clock forward, in ms, so that a bar closes that long from now."""
    now = datetime.now(UTC)
    epoch = datetime.fromtimestamp(0, UTC)
    return (every - (now + before - epoch) % every) // timedelta(milliseconds=1)


class Live:
    """`front`: the exchange. The market walks until `still` is set."""

    def __init__(self, name: str, place: Path, front: Any, loop: Loop, ahead: int) -> None:
        self.name, self.place, self.front, self.loop, self.ahead = name, place, front, loop, ahead
        self.still = asyncio.Event()
        self.process: subprocess.Popen[str] | None = None

    @property
    def core(self) -> Any:
        return self.front.core

    @property
    def data(self) -> Path:
        return self.place / "data" / f"{self.name}-paper"

    @property
    def said(self) -> str:
        return (self.place / "out.txt").read_text()

    @property
    def log(self) -> str:
        return (self.place / "err.txt").read_text()

    def start(self, **extra: str) -> None:
        with (self.place / "out.txt").open("a") as out, (self.place / "err.txt").open("a") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SHIFTED, str(self.ahead), "run"],
                cwd=self.place,
                env=program.environment(
                    GAVEL_VENUE=self.name,
                    GAVEL_VENUE_LOOPBACK=f"127.0.0.1:{self.loop.port}",
                    GAVEL_VENUE_CA=str(self.loop.ca),
                    **({"GAVEL_PLAYBOOK": "minutely.toml"} | extra),
                ),
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                text=True,
            )

    def type(self, text: str) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def records(self) -> Records:
        return read(self.data, waits=True)

    async def until(self, there: Callable[[], object], what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not there():
                    assert self.process is not None
                    if self.process.poll() is not None:
                        pytest.fail(f"it ended before {what}\n{self.log[-3000:]}")
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pytest.fail(f"waited in vain for {what}\n{self.log[-3000:]}\n{self.said[-2000:]}")

    async def until_said(self, words: str, *, log: bool = False) -> None:
        """Once more than so far."""
        text = (lambda: self.log) if log else (lambda: self.said)
        before = len(re.findall(words, text()))
        await self.until(lambda: len(re.findall(words, text())) > before, words)

    async def stop(self) -> float:
        """By SIGTERM; how long it took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        await self.until_over()
        assert self.process.returncode == 0, self.log[-3000:]
        return time.monotonic() - began

    async def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        await self.until_over()

    async def until_over(self) -> None:
        process = self.process
        assert process is not None
        async with asyncio.timeout(PATIENCE):
            while process.poll() is None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()

    async def walk(self, swing: Decimal) -> None:
        market = Walk(self.core, seed=1, swing=swing)
        while True:
            if not self.still.is_set():
                market.step()
            await asyncio.sleep(PACE)


@asynccontextmanager
async def live(
    name: str, place: Path, *, ahead: int, swing: Decimal = Decimal("0.0002"), **core: Any
) -> AsyncIterator[Live]:
    (place / "minutely.toml").write_text(EVERY_MINUTE)
    front = an_exchange(name, clock=lambda: int(time.time() * 1000) + ahead, **core)
    async with Loop([front]) as loop:
        live = Live(name, place, front, loop, ahead)
        walking = asyncio.create_task(live.walk(swing))
        try:
            yield live
        finally:
            walking.cancel()
            await asyncio.gather(walking, return_exceptions=True)
            if live.process is not None and live.process.poll() is None:
                await live.kill()
