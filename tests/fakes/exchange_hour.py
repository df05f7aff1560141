"""A stretch of an emulated exchange's life with a whole live desk in it, and everything that can go wrong by chance:
requests, streams, thin books, late records, funding, somebody at the exchange's own app, and restarts.

    python -m tests.fakes.exchange_hour --venue bybit --seed 7 --minutes 60

Time is the loop's (exchange_time.py): an hour takes as long as its computing. What the end must be like is in
exchange_audit.py.
"""

import argparse
import asyncio
import logging
import random
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection as Sql

from bot.live_player import LivePlayer
from bot.scheduler import MarketSchedule
from storage.database import Database
from storage.journal import SqlJournal
from tests.desks import Script, Scripted
from tests.fakes.exchange_audit import Audit, differences
from tests.fakes.exchange_core import Core, Refused
from tests.fakes.exchange_core_walk import Walk
from tests.fakes.exchange_faults import Kind
from tests.fakes.exchange_house import NAMES, an_exchange, keys_for
from tests.fakes.exchange_time import LoopClock, run
from tests.fakes.exchange_tls import Loop
from trading.desk import Desk
from trading.errors import GavelError
from trading.market.view import View
from trading.messages import ClosePosition, EnterPair, Halt, ResetBreaker, Resume, Sweep
from trading.model import Direction, Position, Symbol
from trading.playbook import load
from trading.running import Panel
from trading.venues.exchange.connection import Connection
from trading.venues.exchange.hosts import Loopback
from trading.venues.exchange.registry import DIALECTS

T = TypeVar("T")

SOMEBODY = "somebody"
# Bans are not among them: they come by themselves, once or twice an hour.
KINDS: tuple[Kind, ...] = (
    "hang",
    "drop before",
    "drop after",
    "mid body",
    "empty 200",
    "500 before",
    "500 after",
    "502 after",
    "503 unknown",
    "429",
    "clock",
    "slow",
    "unknown code",
)
BANS: tuple[Kind, ...] = ("418", "403", "html 403")
STREAMS = ("silent", "reordered", "doubled", "late")
WRITES = ("POST", "PUT", "DELETE")
GAP = 6.0
SWING = Decimal("0.0003")
log = logging.getLogger(__name__)


class InlineDatabase(Database):
    """SQLite on the loop itself: threads and a loop whose time jumps do not go together."""

    async def read(self, work: Callable[[Sql], T]) -> T:
        return self._look(work)

    async def close(self) -> None:
        self._write_engine.dispose()
        self._read_engine.dispose()


class Hour:
    """Use `live` for a stretch of it, `rest` for the end. `gap`: seconds between two accidents, on an average."""

    def __init__(self, name: str, *, seed: int, place: Path, gap: float = GAP, swing: Decimal = SWING) -> None:
        self.name = name
        self.place = place
        self.clock = LoopClock()
        self.front = an_exchange(name, clock=self.clock.ms, attach_delay_ms=150)
        self.core: Core = self.front.core
        self.walk = Walk(self.core, seed=seed, swing=swing)
        self.dice = random.Random(seed)
        self.seed = seed
        self.gap = gap
        self.script = Script()
        self.playbook = load("desk")
        self.counts: Counter[str] = Counter()
        self.strangers: set[int] = set()  # orders that somebody placed at the exchange's own app
        self.wallet = self.core.wallet
        self._spells: set[asyncio.Task[None]] = set()
        self._acts: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (4, self._one_request),
            (3, self._bad_requests),
            (3, self._bad_stream),
            (2, self._cut_streams),
            (2, self._thin),
            (2, self._late_records),
            (2, self._fund),
            (2, self._closed_at_the_exchange),
            (1, self._guard_taken_away),
            (8, self._entered_by_hand),
            (2, self._closed_by_hand),
            (1, self._leap),
        ]

    # --- the process: a connection, a desk, a player ---------------------------------------------------------------

    async def open(self, port: int, ca: Path) -> None:
        self._loopback = Loopback(port=port, ca=ca)
        await self._begin()

    async def _begin(self) -> None:
        async with AsyncExitStack() as opened:
            self.database = await InlineDatabase.open(self.place / "desk.db", inline=True)
            opened.push_async_callback(self.database.close)
            self.connection = await self._connected()
            opened.push_async_callback(self.connection.close)
            feed, venue = self.connection.feed, self.connection.venue
            assert venue is not None
            view = View(feed, self.playbook)
            self.desk = await self._until_it_works(lambda: self._desk(view))
            venue.follow(self.desk.book)
            schedule = MarketSchedule(self.desk.playbook.schedule, sorted(feed.instruments()))
            await self.desk.start()
            player = LivePlayer(
                desk=self.desk, feed=feed, venue=None, due=schedule.due, keep=self.connection.run, beside=_nobody
            )
            self._playing = asyncio.create_task(player.run(), name="player")
            opened.pop_all()

    async def _connected(self) -> Connection:
        return await self._until_it_works(
            lambda: Connection.open(
                DIALECTS[self.name],
                keys=keys_for(self.name),
                practice="",
                loopback=self._loopback,
                clock=self.clock,
                bases=self.playbook.universe,
                quote=self.playbook.quote,
                every=self.playbook.schedule.bar,
            )
        )

    async def _desk(self, view: View) -> Desk:
        venue = self.connection.venue
        assert venue is not None
        return await Desk.open(
            name="hour",
            journal=SqlJournal(self.database, route=lambda _: [], wall=self.clock),
            clock=self.clock,
            market=view,
            venue=venue,
            playbook=self.playbook,
            arm=lambda playbook: Panel(personas={n: Scripted(n, self.script) for n in playbook.panel}, off={}),
            load=load,
            tags={},
        )

    async def _until_it_works(self, attempt: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """A process that cannot begin ends, and is started again."""
        for _ in range(60):
            try:
                return await attempt()
            except GavelError as error:
                log.info("not started: %s", error)
                self.counts["start that failed"] += 1
                await asyncio.sleep(5.0)
        raise AssertionError("the process never came up")

    async def end(self, *, politely: bool) -> None:
        """The process ends: as asked, or where it stands."""
        self._playing.cancel()
        await asyncio.gather(self._playing, return_exceptions=True)
        if politely:
            await self.desk.stop("asked to stop")
        else:
            await self.desk.thinking.stop()
            await self.desk.lanes.close()
        await self.connection.close()
        await self.database.close()

    async def restart(self) -> None:
        politely = self.dice.random() < 0.5
        self.counts["stop" if politely else "crash"] += 1
        await self.end(politely=politely)
        await asyncio.sleep(self.dice.uniform(0.5, 20.0))
        await self._begin()

    # --- a stretch of time -----------------------------------------------------------------------------------------

    async def live(self, minutes: float, *, restarts: int) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + minutes * 60
        beside = [asyncio.create_task(self._trade(), name="the market"), asyncio.create_task(self._talk())]
        again = sorted(self.dice.uniform(0.2, 0.9) * minutes * 60 + loop.time() for _ in range(restarts))
        bans = sorted(self.dice.uniform(0.1, 0.9) * minutes * 60 + loop.time() for _ in range(int(minutes / 25)))
        try:
            while loop.time() < until:
                await asyncio.sleep(self.dice.expovariate(1 / self.gap))
                self._alive(beside)
                if again and loop.time() >= again[0]:
                    again.pop(0)
                    await self.restart()
                elif bans and loop.time() >= bans[0]:
                    bans.pop(0)
                    self._fault(self.dice.choice(BANS))
                else:
                    acts = [act for _, act in self._acts]
                    await self.dice.choices(acts, [weight for weight, _ in self._acts])[0]()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    def _alive(self, beside: list["asyncio.Task[None]"]) -> None:
        for task in (*beside, self._playing, *self._spells):
            if task.done() and not task.cancelled():
                task.result()

    async def _trade(self) -> None:
        while True:
            self.walk.step()
            await asyncio.sleep(1.0)

    async def _talk(self) -> None:
        """What the panel says, and a person who looks at the desk every minute."""
        sides = (Direction.LONG, Direction.SHORT, None)
        while True:
            self.script.wait()
            for symbol in self.symbols:
                side, sure = self.dice.choice(sides), self.dice.uniform(0.6, 0.95)
                if side is not None:
                    (self.script.long if side is Direction.LONG else self.script.short)(symbol, confidence=sure)
            await self._ask(ResetBreaker(by=SOMEBODY))
            if self.desk.book.state.halted_by:
                await self._ask(Resume(by=SOMEBODY))
            await asyncio.sleep(60.0)

    async def rest(self, within: float = 900.0) -> None:
        """Everything goes well from now on; until nothing is unfinished. Raises where that does not come."""
        for task in self._spells:
            task.cancel()
        await asyncio.gather(*self._spells, return_exceptions=True)
        self.front.faults.clear()
        self.core.liquidity, self.core.late_fills_ms = None, 0
        await self._ask(Halt(by=SOMEBODY))
        calm = 0
        for _ in range(int(within / 5)):
            await asyncio.sleep(5.0)
            await self.desk.obey(Sweep())
            calm = calm + 1 if self.settled else 0
            if calm >= 3:
                return
        found = "\n".join((await self.audit()).wrong)
        raise AssertionError(f"it never came to rest: {self.unsettled}\n{found}")

    @property
    def settled(self) -> bool:
        return not self.unsettled

    @property
    def unsettled(self) -> str:
        desk = self.desk
        found = [s for s in sorted(desk.book.taken()) if desk.execution.needs_attention(s)]
        account = self.connection.account
        busy = account is not None and account.busy
        words = [f"unfinished on {', '.join(found)}"] if found else []
        words += [desk.frozen] if desk.frozen else []
        words += ["the lanes are busy"] if not desk.lanes.idle else []
        return "; ".join([*words, *(["the stream is read"] if busy else [])])

    async def audit(self) -> Audit:
        return await differences(
            self.core, self.desk, self.database, natives=self._natives(), strangers=self.strangers, began=self.wallet
        )

    async def flat(self) -> None:
        """Somebody closes everything by hand."""
        for position in tuple(self.desk.book.positions.values()):
            await self._ask(ClosePosition(position_id=position.id, by=SOMEBODY))
        await self.rest()

    # --- what happens ----------------------------------------------------------------------------------------------

    @property
    def symbols(self) -> list[Symbol]:
        return sorted(self.connection.feed.instruments())

    def _natives(self) -> dict[Symbol, str]:
        return {symbol: listing.native for symbol, listing in self.connection.feed.listings.items()}

    def _for_a_while(self, shortest: float, longest: float, after: Callable[[], None]) -> None:
        async def spell(seconds: float) -> None:
            await asyncio.sleep(seconds)
            after()

        task = asyncio.create_task(spell(self.dice.uniform(shortest, longest)))
        self._spells.add(task)
        task.add_done_callback(self._spells.discard)

    def _fault(self, kind: Kind, method: str = "") -> None:
        self.counts[f"fault {kind}"] += 1
        self.front.faults.add(kind, method=method)

    async def _one_request(self) -> None:
        self._fault(self.dice.choice(KINDS), self.dice.choice(("", "GET", "POST", "POST", "POST")))

    async def _bad_requests(self) -> None:
        faults = self.front.faults
        kinds = tuple(self.dice.sample(KINDS, 3))
        methods = self.dice.choice(((), WRITES))
        self.counts["bad spell of requests"] += 1
        faults.scatter(
            seed=self.dice.randrange(10**6), share=self.dice.uniform(0.05, 0.4), kinds=kinds, methods=methods
        )
        self._for_a_while(5, 30, lambda: faults.scatter(seed=0, share=0.0, kinds=kinds))

    async def _bad_stream(self) -> None:
        faults = self.front.faults
        faults.stream = self.dice.choice(STREAMS)
        faults.streams_hit = self.dice.choice(("all", "public", "private"))
        self.counts[f"stream {faults.stream}"] += 1

        def well() -> None:
            faults.stream = ""

        self._for_a_while(5, 40, well)

    async def _cut_streams(self) -> None:
        self.counts["streams cut"] += 1
        await self.front.faults.drop_streams(politely=self.dice.random() < 0.3)

    async def _thin(self) -> None:
        """A market order meets a part of what it wants."""
        core = self.core
        thin = Decimal(self.dice.choice((300, 1_000, 3_000)))
        core.liquidity = {native: thin / core.mark(native) for native in core.specs}
        self.counts["thin book"] += 1

        def well() -> None:
            core.liquidity = None

        self._for_a_while(5, 30, well)

    async def _late_records(self) -> None:
        core = self.core
        core.late_fills_ms = self.dice.randrange(200, 6_000)
        self.counts["late records"] += 1

        def well() -> None:
            core.late_fills_ms = 0

        self._for_a_while(5, 40, well)

    async def _fund(self) -> None:
        self.counts["funding"] += 1
        self.walk.fund()

    async def _leap(self) -> None:
        native = self.dice.choice(sorted(self.core.specs))
        self.counts["leap"] += 1
        change = Decimal(self.dice.randint(-30, 30)) / 1_000
        self.core.move(native, self.core.last(native) * (1 + change))

    async def _closed_at_the_exchange(self) -> None:
        """Somebody closes a position, or half of it, in the exchange's own app."""
        if not self.core.positions:
            return
        held = self.core.positions[self.dice.choice(sorted(self.core.positions))]
        step = self.core.specs[held.native].step
        quantity = held.quantity if self.dice.random() < 0.5 else held.quantity / 2 // step * step
        try:
            order = self.core.place(
                native=held.native,
                side="SELL" if held.direction == "LONG" else "BUY",
                direction=held.direction,
                kind="MARKET",
                client_id="",
                quantity=quantity or held.quantity,
                reduce_only=True,
            )
        except Refused:
            return
        self.strangers.add(order.id)
        self.counts["closed at the exchange"] += 1

    async def _guard_taken_away(self) -> None:
        """Somebody cancels a stop or a target in the exchange's own app."""
        guards = self.core.working(conditional=True)
        if guards:
            self.core.cancel(self.dice.choice(sorted(guards, key=lambda order: order.id)).id)
            self.counts["guard taken away"] += 1

    async def _entered_by_hand(self) -> None:
        symbol = self.dice.choice(self.symbols)
        side = self.dice.choice((Direction.LONG, Direction.SHORT))
        await self._ask(EnterPair(symbol=symbol, direction=side, by=SOMEBODY))

    async def _closed_by_hand(self) -> None:
        held: list[Position] = sorted(self.desk.book.positions.values(), key=lambda p: p.id)
        if held:
            part = self.dice.choice((Decimal(1), Decimal("0.5"), Decimal("0.3")))
            await self._ask(ClosePosition(position_id=self.dice.choice(held).id, by=SOMEBODY, part=part))

    async def _ask(self, command: Any) -> None:
        """As a person does: what cannot be done now is told to him, and that is all."""
        try:
            async with asyncio.timeout(30):
                await self.desk.obey(command)
        except (GavelError, TimeoutError) as error:
            log.info("%s: %s", type(command).__name__, error)
        else:
            self.counts[f"asked: {type(command).__name__}"] += 1


async def _nobody(_: Any) -> None:
    """No shadow desk lives beside this one."""


def command(name: str, seed: int, minutes: float, restarts: int) -> str:
    return (
        f"python -m tests.fakes.exchange_hour --venue {name} --seed {seed} --minutes {minutes:g} --restarts {restarts}"
    )


async def an_hour(name: str, *, seed: int, minutes: float, restarts: int, place: Path, **how: Any) -> Audit:
    """Lives it, and looks at the books twice: with what is open at its end, and when all is closed."""
    hour = Hour(name, seed=seed, place=place, **how)
    async with Loop([hour.front]) as loop:
        await hour.open(loop.port, loop.ca)
        try:
            await hour.live(minutes, restarts=restarts)
            await hour.rest()
            found = await hour.audit()
            await hour.flat()
            found = found.and_then(await hour.audit())
        finally:
            await hour.end(politely=True)
    found.counts.update(hour.counts)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venue", choices=NAMES, default="binance")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--restarts", type=int, default=3)
    parser.add_argument("--gap", type=float, default=GAP)
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO if given.verbose else logging.ERROR)
    with tempfile.TemporaryDirectory() as place:
        found = run(
            lambda: an_hour(
                given.venue,
                seed=given.seed,
                minutes=given.minutes,
                restarts=given.restarts,
                place=Path(place),
                gap=given.gap,
            )
        )
    print(found.table())
    if found.wrong:
        raise SystemExit("\n".join(found.wrong))


if __name__ == "__main__":
    main()
