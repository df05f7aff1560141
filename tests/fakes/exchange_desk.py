"""A desk that trades on an emulated exchange through the real adapter, and lives by itself as a live one does: it looks
at what is unfinished every second, at the venue's books every thirty. Its time is the loop's (exchange_time.py)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from bot.live_player import LOOK_EVERY
from tests.builders import a_plain_playbook, an_exit_plan
from tests.desks import MemoryJournal
from tests.fakes.exchange_core import Core
from tests.fakes.exchange_core_values import CorePosition, Happening
from tests.fakes.exchange_house import House, an_exchange, keys_for
from tests.fakes.exchange_time import LoopClock
from tests.fakes.exchange_tls import Loop
from trading.desk import Desk
from trading.errors import NoEvidence
from trading.events import OrderIntended
from trading.exit_plan import StopKind, StopMove
from trading.identity import client_id
from trading.market.series import Series
from trading.market.snapshot import Snapshot
from trading.messages import Sweep
from trading.model import (
    DecisionId,
    Direction,
    ExitReason,
    Instrument,
    Leg,
    Order,
    OrderKind,
    Position,
    Protection,
    Quote,
    Symbol,
)
from trading.running import Panel
from trading.venues.exchange.account_stream import AccountStream
from trading.venues.exchange.client import Client
from trading.venues.exchange.hosts import Loopback
from trading.venues.exchange.limiter import Limiter, Silence
from trading.venues.exchange.registry import DIALECTS
from trading.venues.exchange.venue import ExchangeVenue

SWEEP_EVERY = timedelta(seconds=30)
LEVERAGE = 10


class Marks:
    """The market as the desk sees it, without asking anybody."""

    source = "an emulated exchange"

    def __init__(self, house: House, clock: LoopClock) -> None:
        self._house = house
        self._clock = clock

    def instruments(self) -> dict[Symbol, Instrument]:
        return {symbol: listing.instrument for symbol, listing in self._house.listings.items()}

    def quote(self, symbol: Symbol) -> Quote:
        core, native = self._house.core, self._house.native(symbol)
        return Quote(
            symbol=symbol, at=self._clock.now(), bid=core.bid(native), ask=core.ask(native), mark=core.mark(native)
        )

    def snapshot(self, symbol: Symbol) -> Snapshot:
        raise NoEvidence(f"{symbol}: nobody decides here")

    def series(self) -> Mapping[Symbol, Series]:
        return {}


class Watcher:
    """Looks at the exchange at each happening and at each tick: how long a position stood without a stop for all of it,
    and how large it has ever been."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.longest = 0  # ms
        self.most: dict[tuple[str, str], Decimal] = {}
        self._bare: dict[tuple[str, str], int] = {}
        core.listeners.append(self._happened)

    def _happened(self, happening: Happening) -> None:
        self.look()

    def look(self) -> None:
        now = self.core.now()
        held = self.core.positions
        for key in [key for key in self._bare if key not in held]:
            self.longest = max(self.longest, now - self._bare.pop(key))
        for key, position in held.items():
            self.most[key] = max(self.most.get(key, Decimal(0)), position.quantity)
            if self._guarded(position):
                self.longest = max(self.longest, now - self._bare.pop(key, now))
            else:
                self.longest = max(self.longest, now - self._bare.setdefault(key, now))

    def _guarded(self, position: CorePosition) -> bool:
        stops = [
            order
            for order in self.core._open.values()
            if order.kind == "STOP_MARKET"
            and order.conditional
            and (order.native, order.direction) == (position.native, position.direction)
            and (order.side == "SELL") == (position.direction == "LONG")
        ]
        whole = any(order.close_all for order in stops)
        return whole or sum((order.remaining for order in stops), Decimal(0)) >= position.quantity


class ExchangeDesk:
    def __init__(self, house: House, desk: Desk, journal: MemoryJournal, clock: LoopClock, limiter: Limiter) -> None:
        self.house = house
        self.desk = desk
        self.journal = journal
        self.clock = clock
        self.limiter = limiter
        self.watcher = Watcher(house.core)
        self.direction = Direction.LONG  # of what is entered
        self.silence = 0.0  # seconds that the exchange would hear nothing from us
        self._numbers = 0
        self._later: list[asyncio.Task[None]] = []
        self._task: asyncio.Task[None] | None = None
        self._sweep: asyncio.Task[str] | None = None

    @property
    def core(self) -> Core:
        return self.house.core

    # --- life ---

    def start(self) -> None:
        self._task = asyncio.create_task(self._live(), name="the desk's second hand")

    async def _live(self) -> None:
        swept = self.clock.now()
        while True:
            self.watcher.look()
            self.silence += LOOK_EVERY.total_seconds() if self.limiter.silent_for else 0.0
            self._trade_on()
            self.desk.on_time()
            if self.clock.now() - swept >= SWEEP_EVERY:
                swept = self.clock.now()
                self.sweep()
            await asyncio.sleep(LOOK_EVERY.total_seconds())

    def _trade_on(self) -> None:
        """A book that was eaten fills up again."""
        if self.core.liquidity is not None:
            for native in self.core.specs:
                self.core.move(native, self.core.last(native))

    def sweep(self) -> None:
        """A look at the venue's books, beside everything else; one at a time."""
        if self._sweep is None or self._sweep.done():
            self._sweep = asyncio.create_task(self.desk.obey(Sweep()))

    async def swept(self) -> None:
        self.sweep()
        assert self._sweep is not None
        await self._sweep

    async def stop(self) -> None:
        for task in (self._task, self._sweep, *self._later):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await self.desk.stop("done")

    # --- what is done ---

    async def enter(self, symbol: Symbol, quantity: Decimal, *, leverage: int = LEVERAGE) -> DecisionId:
        """As a decision hands it on: three intents in the journal, then the entry to its lane."""
        self._numbers += 1
        decision = DecisionId(f"{symbol[:3].lower()}-{self._numbers:08d}")
        orders = self._intents(decision, symbol, quantity, leverage)
        now = self.clock.now()
        self.desk.book.reserve(orders)
        await self.desk.book.commit([OrderIntended(at=now, order=order) for order in orders], orders)
        self.desk.lanes.post(symbol, lambda: self._send(orders[0]), urgent=False)
        return decision

    async def _send(self, entry: Order) -> None:
        if self.desk.book.orders.get(entry.client_id) == entry:
            await self.desk.execution.send(entry)

    def _intents(self, decision: DecisionId, symbol: Symbol, quantity: Decimal, leverage: int) -> list[Order]:
        instrument, mark = self.house.listings[symbol].instrument, self.core.mark(self.house.native(symbol))
        direction = self.direction
        name = self.desk.book.state.desk
        guard = Protection(
            stop_id=client_id(name, decision, Leg.STOP),
            stop=instrument.round_price(mark * (1 - Decimal("0.03") * direction.sign)),
            target_id=client_id(name, decision, Leg.TARGET),
            target=instrument.round_price(mark * (1 + Decimal("0.04") * direction.sign)),
        )
        entry = Order(
            client_id=client_id(name, decision, Leg.ENTRY),
            decision_id=decision,
            leg=Leg.ENTRY,
            symbol=symbol,
            side=direction.entry,
            kind=OrderKind.MARKET,
            quantity=quantity,
            created_at=self.clock.now(),
            leverage=leverage,
            expected=mark,
            protection=guard,
            plan=an_exit_plan(),
        )
        stop, target = (
            replace(
                entry,
                client_id=id,
                leg=leg,
                side=direction.exit,
                kind=kind,
                trigger=trigger,
                expected=trigger,
                reduce_only=True,
                protection=None,
                plan=None,
            )
            for id, leg, kind, trigger in (
                (guard.stop_id, Leg.STOP, OrderKind.STOP, guard.stop),
                (guard.target_id, Leg.TARGET, OrderKind.TAKE_PROFIT, guard.target),
            )
        )
        return [entry, stop, target]

    def move_stop(self, position: Position, fraction: str) -> StopMove:
        """Nearer to the price by this fraction of it, in its lane."""
        instrument = self.house.listings[position.symbol].instrument
        level = instrument.round_price(position.protection.stop * (1 + Decimal(fraction) * position.direction.sign))
        move = StopMove(level=level, kind=StopKind.TRAILING, note="a test")
        self.desk.lanes.post(position.symbol, lambda: self._move(position, move))
        return move

    async def _move(self, position: Position, move: StopMove) -> None:
        found = self.desk.book.positions.get(position.id)
        if found is not None:
            await self.desk.execution.move_stop(found, move)

    def close(self, position: Position) -> None:
        desk, id = self.desk, position.id
        desk.lanes.post(position.symbol, lambda: desk.execution.close_now(id, ExitReason.MANUAL, "a test"))

    def later(self, seconds: float, act: Callable[[], Awaitable[Any]]) -> None:
        """Something that happens to the exchange meanwhile."""

        async def happen() -> None:
            await asyncio.sleep(seconds)
            await act()

        self._later.append(asyncio.create_task(happen()))

    # --- waiting, looking ---

    @property
    def settled(self) -> bool:
        """Nothing is on its way, and nothing needs a second look."""
        desk = self.desk
        attended = not any(desk.execution.needs_attention(symbol) for symbol in desk.book.taken())
        return desk.lanes.idle and attended and not self.house.stream.busy

    async def settle(self, within: float = 900.0) -> bool:
        """Until it is settled for two seconds on end; False where that does not come."""
        calm = 0
        for _ in range(int(within)):
            await asyncio.sleep(1.0)
            calm = calm + 1 if self.settled else 0
            if calm >= 2:
                return True
        return False

    def position(self, symbol: Symbol) -> Position | None:
        return self.desk.book.on(symbol)


@asynccontextmanager
async def a_desk_at(name: str, symbols: tuple[str, ...] = ("BTC",), **core: Any) -> AsyncIterator[ExchangeDesk]:
    """On a JumpingLoop only: the exchange, its streams, and a started desk."""
    clock, loop_time = LoopClock(), asyncio.get_running_loop().time
    front = an_exchange(name, clock=clock.ms, **core)
    async with AsyncExitStack() as opened:
        loop = await opened.enter_async_context(Loop([front]))
        dialect, silence = DIALECTS[name], Silence()
        loopback = Loopback(port=loop.port, ca=loop.ca)

        def client(keys: dict[str, str] | None) -> Client:
            limiter = Limiter(dialect.rates, silence=silence, monotonic=loop_time)
            made = Client(dialect, clock=clock, keys=keys, loopback=loopback, limiter=limiter)
            opened.push_async_callback(made.close)
            return made

        data, trade = client(None), client(keys_for(name))
        profile = dialect.profile(data, trade, practice="")
        listings = await profile.listings(symbols, "USDT")
        house = House(name, front, loop, dialect, data, trade, profile, None, None, listings)  # type: ignore[arg-type]
        marks = Marks(house, clock)
        house.venue = ExchangeVenue(profile, listings=lambda: listings, quotes=marks.quote, clock=clock)
        house.stream = AccountStream(house.venue)
        opened.push_async_callback(house.stream.close)
        journal = MemoryJournal()
        desk = await Desk.open(
            name="test",
            journal=journal,
            clock=clock,
            market=marks,
            venue=house.venue,
            playbook=a_plain_playbook(),
            arm=lambda _: Panel(personas={}, off={}),
            load=lambda _: a_plain_playbook(),
            tags={},
        )
        desk.patient = False
        house.venue.follow(desk.book)
        at = ExchangeDesk(house, desk, journal, clock, trade.limiter)
        await desk.start()
        await house.listen()
        assert house.listening is not None
        opened.push_async_callback(house.listening.close)
        at.start()
        opened.push_async_callback(at.stop)
        yield at
