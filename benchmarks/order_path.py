"""How long an order takes from its decision to the exchange's server, beside a bare post over the same TLS.

    python -m benchmarks.order_path [--repeats 24] [--venue binance]

The emulated exchanges run in a process of their own on this machine; everything else is the real thing: ccxt with its
signatures, TLS on loopback, streams, a desk with its journal in SQLite as for real money (what is committed is on the
disk). A round: a person asks for an entry, and the gate approves it; "entry" is from that verdict until the server sees
the order, whose intents are in the journal by then. Then the market falls, and the exchange pushes the mark; "exit" is
from the moment in which that message is heard until the server sees the order that closes. In the same rounds a bare
aiohttp post of a like body goes to the same server over a connection that is open, and as many bytes as an intent has
are written to the same disk and forced onto it. What is above these two is our own time, and that has a limit.
"""

import argparse
import asyncio
import copy
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from bot.live_player import LivePlayer
from storage.database import Database
from storage.journal import SqlJournal
from tests.builders import a_plain_playbook
from tests.desks import Script, Scripted
from tests.fakes.exchange_house import NAMES, an_exchange, keys_for
from tests.fakes.exchange_tls import Loop
from trading.clock import SystemClock
from trading.decision import Approved
from trading.desk import Desk
from trading.errors import NoEvidence
from trading.market.view import View
from trading.messages import Command, EnterPair, OverrideBreaker, Sweep
from trading.model import Direction, Guard, Leg, Symbol
from trading.playbook import Playbook
from trading.running import Panel
from trading.tripwires import Level
from trading.venues.exchange.connection import Connection
from trading.venues.exchange.hosts import Loopback, tls
from trading.venues.exchange.profile import Dialect
from trading.venues.exchange.registry import DIALECTS

LIMIT = 5.0  # ms of our own time, in the median
BASES = ("BTC", "ETH", "SOL", "DOGE", "XRP", "ADA", "BNB", "LTC")
PAIRS = [Symbol(f"{base}/USDT:USDT") for base in BASES]
SWEEP_EVERY = timedelta(seconds=3)  # oftener than in life: each instrument comes again within seconds
APART = 0.5  # seconds between two rounds: what the one leaves behind is not paid by the other
WIDER = 50  # times what the exchanges allow: the limits are counted as in life, and meant for a slower desk
FALLS = Decimal("0.994")
PAGES = b"x" * 32_768  # what a decision with its three intents adds to the log
BODY = b"symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.1&newClientOrderId=" + b"x" * 120


# --- the exchange, a process of its own -----------------------------------------------------------------------------


class Control:
    """What the benchmark tells the server, and takes a bare post."""

    hosts = ("localhost",)

    def __init__(self, front: Any) -> None:
        self.front = front
        self.seen: list[tuple[float, str]] = []  # by this machine's monotonic clock

    async def handle(self, request: web.Request) -> web.Response:
        at = time.monotonic()
        text = (await request.read()).decode()
        match request.path:
            case "/bare":
                return web.json_response({"at": at})
            case "/move":
                native, factor = text.split()
                self.front.core.move(native, self.front.core.last(native) * Decimal(factor))
            case "/seen":
                return web.json_response([at for at, there in self.seen if text in there])
        return web.json_response({})


async def _serve(name: str) -> None:
    """Until a line comes in."""
    front = an_exchange(name)
    if name == "binance":
        front.limits.weight.limit *= WIDER
    elif name == "weex":
        front.gate.weight_limit *= WIDER
    control = Control(front)
    handle = front.handle

    async def stamped(request: web.Request) -> web.StreamResponse:
        at = time.monotonic()
        if request.method == "POST":
            control.seen.append((at, f"{request.raw_path} {(await request.read()).decode()}"))
        answer: web.StreamResponse = await handle(request)
        return answer

    front.handle = stamped
    async with Loop([front, control]) as loop:
        print(json.dumps([loop.port, str(loop.ca)]), flush=True)
        await asyncio.to_thread(sys.stdin.readline)


class Disk:
    """Writes to a file as the journal does to its log: until it is there."""

    def __init__(self, directory: Path) -> None:
        self._file = (directory / "bare").open("wb", buffering=0)

    def _write(self) -> None:
        self._file.write(PAGES)
        os.fdatasync(self._file.fileno())

    async def bare(self) -> float:
        """Milliseconds, with the way to a thread and back."""
        began = time.monotonic()
        await asyncio.to_thread(self._write)
        return (time.monotonic() - began) * 1e3

    def close(self) -> None:
        self._file.close()


class Server:
    def __init__(self, name: str) -> None:
        self._name = name

    async def __aenter__(self) -> "Server":
        command = (sys.executable, "-m", "benchmarks.order_path", "--serve", self._name)
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
        assert self._process.stdout is not None
        port, ca = json.loads(await self._process.stdout.readline())
        self.loopback = Loopback(port=port, ca=Path(ca))
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls(self.loopback)))
        self._at = f"https://localhost:{port}"
        return self

    async def ask(self, what: str, body: bytes = b"") -> Any:
        async with self._session.post(f"{self._at}/{what}", data=body) as answer:
            return await answer.json()

    async def bare(self) -> float:
        """Milliseconds until the server sees a plain post."""
        began = time.monotonic()
        return (float((await self.ask("bare", BODY))["at"]) - began) * 1e3

    async def seen(self, text: str) -> float:
        found = await self.ask("seen", text.encode())
        if not found:
            raise SystemExit(f"{text} never came to the server")
        return float(found[0])

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


# --- the desk --------------------------------------------------------------------------------------------------------


def playbook() -> Playbook:
    """The house, with an exit on the quote well before the stop at the exchange."""
    exits = {"take_profit": "0.05", "stop_loss": "0.025", "force_loss": "0.005"}
    base = a_plain_playbook()
    limits = base.limits.model_copy(update={"max_daily_loss": Decimal("0.9"), "wash_guard": timedelta(seconds=1)})
    changes = {
        "limits": limits.model_dump(),
        "schedule": {**base.schedule.model_dump(), "look_again": False},
        "breaker": {
            **base.breaker.model_dump(),
            "day_loss": {"alert": 0.5, "throttle": 0.6, "halt": 0.7, "shutdown": 0.8},
        },
    }
    return a_plain_playbook(universe=BASES, exits=exits, **changes)


def _unhurried(dialect: Any) -> Dialect:
    widened: Dialect = copy.copy(dialect)
    rates = tuple(replace(rate, limit=rate.limit * WIDER) for rate in dialect.rates)
    object.__setattr__(widened, "rates", rates)  # some are frozen
    return widened


class Stamps:
    """Milliseconds spent in each part, from when they were last taken until the first order was handed on."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._handed: dict[str, float] = {}
        self._began = self._computed = 0.0

    def around(self, holder: Any, name: str, what: str) -> None:
        plain: Callable[..., Awaitable[Any]] = getattr(holder, name)

        async def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return await plain(*args, **kwargs)
            finally:
                self.spent[what] += (time.perf_counter() - began) * 1e3

        setattr(holder, name, timed)

    def of(self, holder: Any, name: str, what: str) -> None:
        plain: Callable[..., Any] = getattr(holder, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return plain(*args, **kwargs)
            finally:
                self.spent[what] += (time.perf_counter() - began) * 1e3

        setattr(holder, name, timed)

    def handed(self, exchange: Any) -> None:
        """When a request is handed on to be sent: what this process has computed and waited by then."""
        plain = exchange.fetch

        async def fetch(url: str, method: str = "GET", *rest: Any) -> Any:
            if method != "GET" and not self._handed:
                self.spent["all until it is handed on"] = (time.perf_counter() - self._began) * 1e3
                self.spent["of that computed, all threads"] = (time.process_time() - self._computed) * 1e3
                self._handed = dict(self.spent)
            return await plain(url, method, *rest)

        exchange.fetch = fetch

    def take(self) -> dict[str, float]:
        spent, self._handed, self.spent = self._handed, {}, defaultdict(float)
        self._began, self._computed = time.perf_counter(), time.process_time()
        return spent


class Way:
    """A desk on one exchange, with a stamp at each end of what is measured."""

    def __init__(self, desk: Desk, connection: Connection, server: Server, script: Script) -> None:
        self.desk = desk
        self.connection = connection
        self.server = server
        self.script = script
        self.playing: asyncio.Task[bool] | None = None
        self.approved = self.heard = 0.0
        self.stamps = Stamps()
        self.below: dict[Symbol, Decimal] = {}
        self._watch()

    def _watch(self) -> None:
        desk, feed, trade = self.desk, self.connection.feed, self.connection.trade
        assert trade is not None
        gate, hear = desk.cycle._gate, feed.hear

        def gated(*args: Any) -> Any:
            answer = gate(*args)
            if isinstance(answer, Approved):
                self.stamps.take()
                self.approved = time.monotonic()
            return answer

        def heard(message: Any) -> None:
            at = time.monotonic()
            hear(message)
            for symbol, level in list(self.below.items()):
                if feed.mark(symbol) <= level:
                    del self.below[symbol]
                    self.stamps.take()
                    self.heard = at

        desk.cycle._gate = gated  # type: ignore[method-assign]
        self.connection.data.stream(heard)
        self.stamps.around(desk.book.journal, "commit", "journal: commits to disk")
        self.stamps.around(trade.limiter, "take", "limiter: the turn to send")
        self.stamps.of(trade.exchange, "sign", "ccxt: signing")
        self.stamps.handed(trade.exchange)

    async def until(self, there: Callable[[], bool], what: str) -> None:
        for _ in range(4_000):
            if there():
                return
            if self.playing is not None and self.playing.done():
                self.playing.result()
            await asyncio.sleep(0.005)
        unfinished = [f"{o.client_id} {o.status.value}" for o in self.desk.book.orders.values()]
        raise SystemExit(f"it never came to be: {what}; unfinished: {unfinished}; {self.desk.frozen}")

    async def entered(self, symbol: Symbol) -> tuple[float, dict[str, float]]:
        self.script.long(symbol, confidence=0.95)
        sent = self._sent(Leg.ENTRY)
        await self.until(lambda: self._has_bar(symbol), f"a fresh bar of {symbol}")
        said = await self.desk.obey(EnterPair(symbol=symbol, direction=Direction.LONG, by="a benchmark"))
        try:
            id = await asyncio.wait_for(sent, 10)
        except TimeoutError:
            raise SystemExit(f"no entry on {symbol}: {said}") from None
        spent, began = self.stamps.take(), self.approved
        await self.until(lambda: self._guarded(symbol), f"a guarded position on {symbol}")
        return (await self.server.seen(id) - began) * 1e3, spent

    def _has_bar(self, symbol: Symbol) -> bool:
        try:
            self.desk.market.snapshot(symbol)
        except NoEvidence:
            return False
        return True

    def _guarded(self, symbol: Symbol) -> bool:
        position = self.desk.book.on(symbol)
        return position is not None and position.guard is Guard.CONFIRMED and self.desk.lanes.idle

    def _sent(self, leg: Leg) -> "asyncio.Future[str]":
        """The id of the next order for this, as soon as it is answered."""
        venue, done = self.desk.venue, asyncio.get_running_loop().create_future()
        submit = type(venue).submit

        async def noted(order: Any, protection: Any = None) -> Any:
            try:
                return await submit(venue, order, protection)
            finally:
                if order.leg is leg and not done.done():
                    done.set_result(order.client_id)

        venue.submit = noted  # type: ignore[method-assign]
        return done

    async def left(self, symbol: Symbol) -> tuple[float, dict[str, float]]:
        native = self.connection.feed.listings[symbol].native
        position = self.desk.book.on(symbol)
        assert position is not None
        self.below[symbol] = position.entry * Decimal("0.995")
        sent = self._sent(Leg.CLOSE)
        await self.server.ask("move", f"{native} {FALLS}".encode())
        id = await asyncio.wait_for(sent, 10)
        spent, began = self.stamps.take(), self.heard
        await self.until(lambda: symbol not in self.desk.book.taken() and self.desk.lanes.idle, f"{symbol} is flat")
        await self.server.ask("move", f"{native} {1 / FALLS}".encode())
        return (await self.server.seen(id) - began) * 1e3, spent


async def measure(name: str, repeats: int, directory: Path) -> bool:
    async with AsyncExitStack() as opened:
        server = await opened.enter_async_context(Server(name))
        clock, script, plan = SystemClock(), Script(), playbook()
        connection = await Connection.open(
            _unhurried(DIALECTS[name]),
            keys=keys_for(name),
            practice="",
            loopback=server.loopback,
            clock=clock,
            bases=BASES,
            quote="USDT",
            every=plan.schedule.bar,
        )
        opened.push_async_callback(connection.close)
        database = await Database.open(directory / "desk.db", durable=True)
        opened.push_async_callback(database.close)
        assert connection.venue is not None
        view = View(connection.feed, plan)
        desk = await Desk.open(
            name="bench",
            journal=SqlJournal(database, route=lambda _: [], wall=clock),
            clock=clock,
            market=view,
            venue=connection.venue,
            playbook=plan,
            arm=lambda p: Panel(personas={n: Scripted(n, script) for n in p.panel}, off={}),
            load=lambda _: plan,
            tags={},
        )
        connection.venue.follow(desk.book)
        await desk.start()
        way = Way(desk, connection, server, script)
        swept = [clock.now()]

        def due(at: datetime) -> list[Command]:
            if at - swept[0] < SWEEP_EVERY:
                return []
            swept[0] = at
            return [Sweep()]

        player = LivePlayer(desk=desk, feed=connection.feed, venue=None, due=due, keep=connection.run)
        playing = way.playing = asyncio.create_task(player.run())
        try:
            await asyncio.sleep(1.0)
            await desk.obey(OverrideBreaker(level=Level.CLOSED, lasts=timedelta(hours=12), by="a benchmark"))
            return await rounds(name, way, repeats, Disk(directory))
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
            await desk.stop("measured")


async def rounds(name: str, way: Way, repeats: int, disk: Disk) -> bool:
    """The first entry on each instrument reads its terms; it is told apart."""
    first: list[float] = []
    entries: list[float] = []
    exits: list[float] = []
    bare: list[float] = []
    forced: list[float] = []
    parts: Spent = {"entry": defaultdict(list), "exit": defaultdict(list)}
    for n in range(repeats + len(PAIRS)):
        symbol = PAIRS[n % len(PAIRS)]
        await asyncio.sleep(APART)
        while way.desk.frozen:  # a look at the books fell into the middle of an exit
            await way.desk.obey(Sweep())
        bare.append(await way.server.bare())
        forced.append(await disk.bare())
        entry, spent = await way.entered(symbol)
        (first if n < len(PAIRS) else entries).append(entry)
        if n >= len(PAIRS):
            for what, ms in spent.items():
                parts["entry"][what].append(ms)
        bare.append(await way.server.bare())
        exit_, spent = await way.left(symbol)
        exits.append(exit_)
        for what, ms in spent.items():
            parts["exit"][what].append(ms)
    disk.close()
    return told(name, bare, forced, {"first entry": first, "entry": entries, "exit": exits}, parts)


Spent = dict[str, dict[str, list[float]]]


def told(name: str, bare: list[float], forced: list[float], ways: dict[str, list[float]], parts: Spent) -> bool:
    plain, disk = statistics.median(bare), statistics.median(forced)
    print(f"\n{name}: until the server sees it, medians of {len(ways['entry'])}, in ms")
    print(f"  {'':14}{'median':>9}{'p90':>9}{'bare post':>11}{'bare disk':>11}{'ratio':>8}{'our own':>10}{'limit':>8}")
    good = True
    for what, times in ways.items():
        median, ninth = statistics.median(times), statistics.quantiles(times, n=10)[-1]
        own, ratio = median - plain - disk, median / (plain + disk)
        limit = "" if what == "first entry" else f"{LIMIT:.1f}"
        good &= not limit or own < LIMIT
        print(f"  {what:14}{median:9.2f}{ninth:9.2f}{plain:11.2f}{disk:11.2f}{ratio:8.1f}{own:10.2f}{limit:>8}")
    for what, spent in parts.items():
        for part, times in sorted(spent.items()):
            print(f"  {what:6} {part:28} {statistics.median(times):6.2f} ms")
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=24)
    parser.add_argument("--venue", choices=NAMES)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.serve:
        asyncio.run(_serve(wanted.serve))
        return
    good = True
    for name in (wanted.venue,) if wanted.venue else NAMES:
        with tempfile.TemporaryDirectory() as scratch:
            good &= asyncio.run(measure(name, wanted.repeats, Path(scratch)))
    if not good:
        raise SystemExit("over the limit")


if __name__ == "__main__":
    main()
