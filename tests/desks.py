"""A desk assembled by hand: real venue, feed and player, a journal in memory, personas that say what a test wants.

The market is written down bar by bar. Nothing here waits for the wall: time is what the bars say it is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import numpy as np

from bot.player import Pace, Player
from tests.builders import BTC, ETH, NOW, a_plain_playbook, an_instrument, an_opinion
from trading.clock import ManualClock
from trading.decision import Abstention, Decision, Opinion, Stance
from trading.desk import PAPER, Desk
from trading.errors import BadRecord, JournalUnwritable
from trading.events import DataEnded, DataGap, DecisionMade, Event, FundingPaid, OrderFilled, ShadowClosed
from trading.experts import Trial
from trading.market.feed import Feed
from trading.market.moments import Chapter
from trading.market.series import FundingSeries, Series, to_ms
from trading.market.snapshot import Snapshot
from trading.market.view import View
from trading.messages import Command, Decide, Sweep
from trading.model import FundingPayment, Leg, Order, OrderStatus, Position, Symbol, Trade
from trading.playbook import Playbook, load
from trading.ports import RECENT, Journal, State
from trading.running import Panel
from trading.state import DeskState
from trading.venues.paper import PaperVenue
from trading.venues.paper_rules import PaperRules

D = Decimal
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
E = TypeVar("E", bound=Event)
Bar = float | tuple[float, float, float, float] | None  # a flat bar, (open, high, low, close), or a hole


# --- a market --------------------------------------------------------------------------------------------------------


def a_series(
    bars: Sequence[Bar], *, symbol: Symbol = BTC, every: timedelta = SECOND, begins: datetime = NOW, volume: float = 1e4
) -> Series:
    """Bars one after the other from `begins` on; None leaves a hole."""
    there = [(n, bar if isinstance(bar, tuple) else (bar,) * 4) for n, bar in enumerate(bars) if bar is not None]
    columns = np.array([bar for _, bar in there], dtype=np.float64)
    opened = [to_ms(begins + n * every) for n, _ in there]
    return Series(
        symbol=symbol,
        every=every,
        opened=np.array(opened, dtype=np.int64),
        open=columns[:, 0],
        high=columns[:, 1],
        low=columns[:, 2],
        close=columns[:, 3],
        volume=np.full(len(there), volume),
    )


def a_funding(*settlements: tuple[datetime, float], symbol: Symbol = BTC) -> FundingSeries:
    return FundingSeries(
        symbol=symbol,
        at=np.array([to_ms(at) for at, _ in settlements], dtype=np.int64),
        rate=np.array([rate for _, rate in settlements], dtype=np.float64),
    )


def a_feed(*series: Series, funding: Sequence[FundingSeries] = (), spread: str = "0", **instrument: Any) -> Feed:
    paths = {s.symbol: s for s in series}
    rates = {f.symbol: f for f in funding}
    chapter = Chapter(paths=paths, history=paths, funding=rates)
    instruments = {s: an_instrument(s, **instrument) for s in paths}
    return Feed(chapters=lambda _: iter([chapter]), instruments=instruments, source="a test", spread=D(spread))


class OwnBars(View):
    """Decides on the bars a test has written down, whatever length its playbook would rather have."""

    def use(self, playbook: Playbook) -> None:
        schedule = playbook.schedule.model_copy(update={"bar": SECOND})
        super().use(playbook.model_copy(update={"schedule": schedule}))


COOLS_FAST = {"cool_alert": SECOND, "cool_throttle": SECOND, "cool_halt": SECOND}  # a breaker that is soon CLOSED again


def a_house(**changes: Mapping[str, Any] | Any) -> Playbook:
    """The plain house playbook with FLOW and TECHNICAL alone; a mapping changes single keys of a section."""
    base = a_plain_playbook().model_dump()
    changes.setdefault("universe", ("BTC", "ETH"))
    seats = {name: base["panel"][name] for name in ("flow", "technical")}
    merged = {k: {**(base[k] or {}), **v} if isinstance(v, Mapping) else v for k, v in changes.items()}
    return Playbook.model_validate({**base, "panel": seats, **merged})


# --- what stands around the desk --------------------------------------------------------------------------------------


class Script:
    """What the whole panel says. `hang`: it thinks until this event is set."""

    def __init__(self) -> None:
        self.says: dict[Symbol, tuple[Stance, float]] = {}
        self.hang: asyncio.Event | None = None
        self.asked: list[tuple[Symbol, datetime]] = []

    def long(self, *symbols: Symbol, confidence: float = 0.9) -> None:
        self.says |= dict.fromkeys(symbols or (BTC,), (Stance.LONG, confidence))

    def short(self, *symbols: Symbol, confidence: float = 0.9) -> None:
        self.says |= dict.fromkeys(symbols or (BTC,), (Stance.SHORT, confidence))

    def wait(self) -> None:
        self.says.clear()


class Scripted:
    """A persona that says what the script says."""

    def __init__(self, name: str, script: Script, *, instant: bool = True) -> None:
        self.name = name
        self.instant = instant
        self._script = script

    async def opine(self, snapshot: Snapshot) -> Opinion | Abstention:
        self._script.asked.append((snapshot.symbol, snapshot.at))
        if self._script.hang is not None:
            await self._script.hang.wait()
        stance, confidence = self._script.says.get(snapshot.symbol, (Stance.NEUTRAL, 0.0))
        return an_opinion(self.name, stance, confidence)


Act = Exception | asyncio.Event | Callable[[Order | None], Awaitable[None]]


@dataclass
class Plan:
    """What is to go wrong with one kind of request, and how often."""

    call: str
    act: Act
    when: str
    leg: Leg | None
    times: int


class Trouble:
    """The venue's faults as a test wants them; it also keeps every request that was made."""

    def __init__(self) -> None:
        self.visible_after = timedelta(0)
        self.lose_updates = False
        self.calls: list[tuple[str, Order | None]] = []
        self.plans: list[Plan] = []

    def on(self, call: str, act: Act, *, when: str = "before", leg: Leg | None = None, times: int = 1) -> Plan:
        """The next `times` requests of this kind raise, wait for an event, or call back."""
        self.plans.append(Plan(call, act, when, leg, times))
        return self.plans[-1]

    def sent(self, leg: Leg | None = None) -> list[Order]:
        """Orders whose submission was begun."""
        return [o for call, o in self.calls if call == "submit" and o is not None and leg in (None, o.leg)]

    async def before(self, call: str, order: Order | None) -> None:
        self.calls.append((call, order))
        await self._happen("before", call, order)

    async def after(self, call: str, order: Order | None) -> None:
        await self._happen("after", call, order)

    async def _happen(self, when: str, call: str, order: Order | None) -> None:
        for plan in self.plans:
            fits = plan.when == when and plan.call == call and (plan.leg is None or (order and order.leg is plan.leg))
            if fits and plan.times > 0:
                plan.times -= 1
                await _act(plan.act, order)


async def _act(act: Act, order: Order | None) -> None:
    if isinstance(act, Exception):
        raise act
    if isinstance(act, asyncio.Event):
        await act.wait()
    else:
        await act(order)


@dataclass(kw_only=True)
class Kept:
    """What the memory journal gives back at a restart."""

    state: DeskState
    positions: tuple[Position, ...]
    orders: tuple[Order, ...]
    fills: frozenset[str]
    funding: frozenset[str]
    exits: tuple[Trade, ...]
    trades: tuple[Trade, ...]
    shadow_trades: tuple[Trade, ...]
    told: frozenset[tuple[str, Symbol]]


class MemoryJournal:
    """The Journal port in memory: it keeps what it is given, refuses what the database would, and nothing while told.

    A commit lets others run, as a disk would.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.history: dict[str, list[OrderStatus]] = {}  # every state an order was written in
        self.orders: dict[str, Order] = {}
        self.positions: dict[str, Position] = {}
        self.trades: dict[str, Trade] = {}
        self.state: DeskState | None = None
        self.refusing = False
        self.slow: asyncio.Event | None = None  # a commit waits for this

    async def commit(self, events: Sequence[Event], states: Sequence[State] = ()) -> None:
        await asyncio.sleep(0)
        if self.slow is not None:
            await self.slow.wait()
        if self.refusing:
            raise JournalUnwritable("the disk is full")
        found = [*self.decisions, *(e.decision.id for e in events if isinstance(e, DecisionMade))]
        fills = [*self.fills, *(e.fill.id for e in events if isinstance(e, OrderFilled))]
        if len(set(found)) < len(found) or len(set(fills)) < len(fills):
            raise BadRecord("it is there already")
        self.events += events
        for state in states:
            self._store(state)

    def _store(self, state: State) -> None:
        match state:
            case Order():
                self.orders[state.client_id] = state
                self.history.setdefault(state.client_id, []).append(state.status)
            case Position():
                self.positions[state.id] = state
            case Trade():
                self.trades[state.id] = state
                self.positions.pop(state.id, None)
            case DeskState():
                self.state = state

    @property
    def decisions(self) -> dict[str, Decision]:
        return {e.decision.id: e.decision for e in self.events if isinstance(e, DecisionMade)}

    @property
    def fills(self) -> dict[str, datetime]:
        return {e.fill.id: e.fill.at for e in self.events if isinstance(e, OrderFilled)}

    async def load(self) -> Kept | None:
        if self.state is None:
            return None
        paid = {e.payment.id: e.payment.at for e in self.events if isinstance(e, FundingPaid)}
        return Kept(
            state=self.state,
            positions=tuple(self.positions.values()),
            orders=tuple(o for o in self.orders.values() if not o.status.final),
            fills=_since(self.fills, self.state.last_fill),
            funding=_since(paid, self.state.last_funding),
            exits=tuple({t.symbol: t for t in self.trades.values()}.values()),
            trades=tuple(self.trades.values())[-RECENT:],
            shadow_trades=tuple(e.trade for e in self.events if isinstance(e, ShadowClosed)),
            told=frozenset(
                (type(e).__name__, e.symbol)
                for e in self.events
                if isinstance(e, DataGap | DataEnded) and (not self.state.market_at or e.at >= self.state.market_at)
            ),
        )

    async def known(self, decisions: Sequence[str]) -> frozenset[str]:
        return frozenset(decisions) & self.decisions.keys()

    async def waits(self, since: datetime) -> Sequence[Decision]:
        return [d for d in self.decisions.values() if d.at >= since and not d.approved]

    async def trials(self, n: int) -> Sequence[Trial]:
        return []


def _since(applied: Mapping[str, datetime], last: str) -> frozenset[str]:
    return frozenset(i for i, at in applied.items() if last not in applied or at >= applied[last])


# --- the desk ---------------------------------------------------------------------------------------------------------


class Bench:
    """A desk, and a hand on everything around it. Open it with `a_desk`."""

    def __init__(
        self,
        *,
        feed: Feed,
        journal: Journal,
        playbook: Playbook,
        due: Callable[[datetime], list[Command]],
        rules: PaperRules,
        start: Decimal,
        instant: bool,
        mode: str = PAPER,
    ) -> None:
        self.feed = feed
        self.journal: Any = journal
        self.playbook = playbook
        self.view = OwnBars(feed, playbook)
        self.script = Script()
        self.trouble = Trouble()
        self.library: dict[str, Playbook] = {}  # playbooks by name, before the shipped ones
        self._due = due
        self._instant = instant
        self._mode = mode
        self._steps = self.feed.steps()
        self._first = next(self._steps)
        self.clock = ManualClock(self._first.at)
        self.venue = PaperVenue(
            instruments=feed.instruments(),
            clock=self.clock,
            store=None,
            start_balance=start,
            rules=rules,
            faults=self.trouble,
        )
        self.desk: Desk
        self.player: Player

    async def open(self) -> None:
        """Read the journal and start, as a new process would."""
        self.desk = await Desk.open(
            name="test",
            journal=self.journal,
            clock=self.clock,
            market=self.view,
            venue=self.venue,
            playbook=self.playbook,
            arm=self._arm,
            load=self._load,
            tags={"market": "a test"},
            mode=self._mode,
        )
        self.view.use(self.desk.playbook)
        self.desk.followers.append(self.view.use)
        self.player = Player(
            desk=self.desk, feed=self.feed, venue=self.venue, clock=self.clock, due=self._due, pace=Pace(None)
        )
        await self.desk.start()

    def _arm(self, playbook: Playbook) -> Panel:
        return Panel(personas={n: Scripted(n, self.script, instant=self._instant) for n in playbook.panel}, off={})

    def _load(self, name: str) -> Playbook:
        return self.library.get(name) or load(name)

    async def begin(self) -> None:
        await self.open()
        await self.player.play(self._first)

    async def kill(self) -> None:
        """The process dies where it stands; the venue lives on."""
        await self.desk.thinking.stop()
        await self.desk.lanes.close()
        self.trouble.plans.clear()

    async def restart(self) -> None:
        await self.kill()
        await self.open()
        await self.desk.settle()

    async def step(self, times: int = 1) -> None:
        """Play the next bars."""
        for _ in range(times):
            step = next(self._steps)
            self.clock.set(step.at)
            await self.player.play(step)

    def bars(self) -> Iterator[Any]:
        """The bars that are left, for a test that plays them itself."""
        return self._steps

    async def decide(self, *symbols: Symbol) -> None:
        await self.desk.obey(Decide(symbols=symbols or (BTC,), trigger="schedule"))
        await self.desk.settle()

    async def sweep(self) -> None:
        await self.desk.obey(Sweep())
        await self.desk.settle()

    async def enter(self, symbol: Symbol = BTC) -> Position:
        """A confirmed long position."""
        self.script.long(symbol)
        await self.decide(symbol)
        self.script.wait()
        position = self.desk.book.on(symbol)
        assert position is not None
        return position

    # --- looking ------------------------------------------------------------------------------------------------

    def told(self, kind: type[E]) -> list[E]:
        return [e for e in self.journal.events if isinstance(e, kind)]

    def kinds(self) -> list[str]:
        return [type(e).__name__ for e in self.journal.events]

    @property
    def trades(self) -> list[Trade]:
        return list(self.journal.trades.values())

    async def held(self) -> dict[Symbol, Decimal]:
        """What the venue holds, signed. Not a request: no fault can touch it."""
        return {s: p.quantity * p.direction.sign for s, p in self.venue._account.positions.items()}

    async def working(self) -> set[str]:
        """Client ids of the orders that rest at the venue."""
        return {t.order.client_id for t in self.venue._account.all_resting()}


async def a_desk(
    *series: Series,
    journal: Journal | None = None,
    playbook: Playbook | None = None,
    funding: Sequence[FundingSeries] = (),
    due: Callable[[datetime], list[Command]] = lambda _: [],
    rules: PaperRules | None = None,
    start: str = "10000",
    instant: bool = True,
    mode: str = PAPER,
    **instrument: Any,
) -> Bench:
    """A started desk that stands at the close of the first bar. By default 120 seconds of BTC at 60000."""
    bench = Bench(
        feed=a_feed(*(series or (a_series([60000] * 120),)), funding=funding, **instrument),
        journal=journal or MemoryJournal(),
        playbook=playbook or a_house(),
        due=due,
        rules=rules or PaperRules(impact=D(0), participation=D(1)),
        start=D(start),
        instant=instant,
        mode=mode,
    )
    await bench.begin()
    return bench


async def until(there: Callable[[], bool]) -> None:
    """Let the loop run until something is so; no wall time passes."""
    for _ in range(2000):
        if there():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to be")


def two_markets(
    bars: int = 120, *, btc: Sequence[Bar] | None = None, eth: Sequence[Bar] | None = None
) -> tuple[Series, Series]:
    return a_series(btc or [60000] * bars, symbol=BTC), a_series(eth or [3000] * bars, symbol=ETH)


def payments(bench: Bench) -> list[FundingPayment]:
    return [e.payment for e in bench.told(FundingPaid)]
