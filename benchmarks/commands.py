"""How fast commands answer over a long journal, and whether they ever hold up the event loop.

    python -m benchmarks.commands [--trades 100000] [--decisions 1000000] [--runs 60] [--keep FILE]

Fills a database in a temporary directory (or FILE, once, so that it can be measured again), then asks the real
commands through the real surface, the entry in the audit included. Beside them stand a bare query by the same index,
and how long the loop did nothing else: the longest single step of its thread in CPU time, which a busy machine does not
blur, and the longest delay of a coroutine that only wants to be woken each millisecond, beside that of an idle loop.
"""

import argparse
import asyncio
import gc
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.long_journal import BEGINS, LASTS, fill
from bot.gate import Surface
from bot.people import Directory
from bot.reach import Tools
from bot.render.words import RenderContext
from bot.routing import Routing
from bot.surface import Request
from bot.version import VERSION
from bot.wishes import Wishes
from storage.confirmations import Confirmations
from storage.database import Database
from storage.journal import SqlJournal
from storage.people import Register
from storage.preferences import Preferences
from storage.queries import Queries
from storage.tallies import Tallies
from storage.wishes import WishList
from tests.surfaces import OWNER, Desk, NoLog, NoMail, Shelf
from trading.clock import SystemClock

COMMANDS = (
    "/positions", "/pnl", "/pnl 7d", "/pnl 30d", "/pnl all by pair", "/pnl all by day", "/pnl all by month",
    "/pnl 30d by persona", "/decisions", "/decisions BTC", "/decisions traded", "/decisions BTC denied",
    "/decisions page=5000", "/trades", "/trades page=5000", "/trade last", "/personas", "/personas 30d", "/why last",
    "/ask why this size", "/whatif last", "/replay last", "/status", "/balance", "/audit",
)  # fmt: skip
FILES = ("/trades csv", "/decisions csv")
BARE = "SELECT * FROM decisions ORDER BY seq DESC LIMIT 10"


@dataclass
class Watch:
    """How long the loop was held, in milliseconds."""

    step: float = 0.0  # of CPU time, the longest single callback
    delay: float = 0.0  # the latest that a coroutine was woken


@contextmanager
def steps_of(watch: Watch) -> Iterator[None]:
    """Time every callback of the loop."""
    run = asyncio.Handle._run

    def timed(handle: Any) -> None:
        began = time.thread_time()
        run(handle)
        watch.step = max(watch.step, (time.thread_time() - began) * 1000)

    asyncio.Handle._run = timed  # type: ignore[method-assign]
    try:
        yield
    finally:
        asyncio.Handle._run = run  # type: ignore[method-assign]


@dataclass
class Sweeps:
    """Garbage collections hold every thread: the longest, in milliseconds."""

    longest: float = 0.0
    began: float = 0.0

    def __call__(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self.began = time.perf_counter()
        else:
            self.longest = max(self.longest, (time.perf_counter() - self.began) * 1000)


async def tick(watch: Watch) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        watch.delay = max(watch.delay, (time.perf_counter() - began) * 1000 - 1)


async def timed(ask: Callable[[], Awaitable[object]], runs: int) -> tuple[list[float], Watch]:
    """Milliseconds of each run, after one that is not counted, and how the loop fared."""
    await ask()
    watch, took = Watch(), []
    with steps_of(watch):
        ticking = asyncio.create_task(tick(watch))
        for _ in range(runs):
            began = time.perf_counter()
            await ask()
            took.append((time.perf_counter() - began) * 1000)
        ticking.cancel()
    return took, watch


def line(name: str, took: Sequence[float], watch: Watch | None = None) -> str:
    p95 = sorted(took)[int(len(took) * 0.95)]
    held = f"{watch.step:9.1f} {watch.delay:9.1f}" if watch else ""
    return f"{name:26} {statistics.median(took):9.2f} {p95:9.2f} {held}"


def bare(path: Path, runs: int) -> list[float]:
    connection, took = sqlite3.connect(path), []
    for _ in range(runs):
        began = time.perf_counter()
        connection.execute(BARE).fetchall()
        took.append((time.perf_counter() - began) * 1000)
    connection.close()
    return took


async def measure(path: Path, runs: int) -> None:
    sweeps = Sweeps()
    gc.callbacks.append(sweeps)
    database, wall = await Database.open(path), SystemClock()
    desk = Desk(SqlJournal(database, route=lambda _: [], wall=wall))
    desk.view = replace(desk.view, at=BEGINS + LASTS)
    surface = Surface(await _tools(desk, database, wall))

    def asking(text: str) -> Callable[[], Awaitable[object]]:
        def ask() -> Awaitable[object]:
            return surface.handle(Request(who=OWNER, place="console:main", text=text, at=wall.now()))

        return ask

    print(f"{'milliseconds':26} {'median':>9} {'p95':>9} {'step':>9} {'delay':>9}")
    print(line("bare indexed query", bare(path, runs)))
    print(line("an idle loop", *await timed(lambda: asyncio.sleep(0.01), runs)))
    for text in COMMANDS:
        print(line(text, *await timed(asking(text), runs)))
    for text in FILES:
        print(line(text, *await timed(asking(text), max(3, runs // 20))))
    await database.close()
    gc.callbacks.remove(sweeps)
    print(f"the longest garbage collection, which is part of some delays: {sweeps.longest:.0f} ms")


async def _tools(desk: Desk, database: Database, wall: SystemClock) -> Tools:
    """All but the desk and the chats are the real ones."""
    return Tools(
        desk=desk,
        records=Queries(database),
        figures=Tallies(database),
        confirmations=Confirmations(database, wall),
        people=await Directory.open(Register(database, wall)),
        preferences=Preferences(database, wall),
        wishes=await Wishes.open(WishList(database, wall)),
        mail=NoMail(),
        routing=Routing(["console:main"]),
        library=Shelf(),
        log=NoLog(),
        about=RenderContext(),
        version=VERSION,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trades", type=int, default=100_000)
    parser.add_argument("--decisions", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--keep", type=Path)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        path = wanted.keep or Path(scratch) / "desk.db"
        if not path.exists():
            began = time.perf_counter()
            asyncio.run(fill(path, trades=wanted.trades, decisions=wanted.decisions))
            print(f"filled in {time.perf_counter() - began:.0f} s")
        print(f"{wanted.trades:,} trades, {wanted.decisions:,} decisions, {path.stat().st_size / 2**20:,.0f} MiB")
        asyncio.run(measure(path, wanted.runs))


if __name__ == "__main__":
    main()
