"""Exits over whole paths of prices: nothing is enlarged, no stop goes back, and a restart changes nothing."""

import asyncio
import random
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import BTC, ETH, a_look, a_position, every_exit
from tests.desks import Bench, a_desk, a_house, a_series
from trading.errors import OrderRejected, UnknownOutcome, VenueDown
from trading.events import StopMoved
from trading.exit_plan import Entered, Regime, StopKind
from trading.exits import MOVED, RULES, Exit
from trading.market.outlook import Outlook, Outlooks
from trading.market.snapshot import Snapshot
from trading.model import Direction, ExitReason, Leg, OrderKind, Position
from trading.playbook import Playbook
from trading.risk_policies import RegimePolicy
from trading.steps import Reduce, counted, next_step, remember, stop_moved

D = Decimal
MINUTE = timedelta(minutes=1)

tenths = st.integers(-12, 12)  # of a percent, one bar's move
outlooks = st.builds(
    Outlook,
    regime=st.sampled_from([None, *Regime]),
    rsi=st.sampled_from([None, 20.0, 50.0, 80.0]),
    macd=st.sampled_from([None, -0.5, 0.0, 0.5]),
)


# --- as values --------------------------------------------------------------------------------------------------------


class Paper:
    """A position that does what its exits say, without any order."""

    def __init__(self, direction: Direction) -> None:
        entered = Entered(regime=Regime.TREND_UP, rsi=50.0, macd=0.0)
        self.position = a_position(direction, plan=every_exit(rebalance=None, entered=entered))
        self.left: Exit | None = None
        self.closed = D(0)

    def look(self, mark: Decimal, minutes: int, outlook: Outlook) -> None:
        look = a_look(str(mark), held=minutes * MINUTE, outlook=outlook)
        position = replace(self.position, memory=remember(self.position, look))
        while (step := next_step(position, look)) is not None and self.left is None:
            position = self.take(position, step, mark)
        self.position = position

    def take(self, position: Position, step: Any, mark: Decimal) -> Position:
        sign = position.direction.sign
        if isinstance(step, Exit):
            self.left = step
            return position
        if isinstance(step, Reduce):
            assert 0 < step.quantity <= position.quantity
            self.closed += step.quantity
            rest = position.quantity - step.quantity
            cost = position.cost * rest / position.quantity
            return replace(position, quantity=rest, cost=cost, memory=counted(position, step))
        assert (step.level - position.protection.stop) * sign > 0, "only in favour"
        assert (mark - step.level) * sign > 0, "never to where the mark has been"
        return stop_moved(position, step)


@given(direction=st.sampled_from(Direction), path=st.lists(st.tuples(tenths, outlooks), max_size=40))
@settings(max_examples=150)
def test_parts_never_close_more_than_is_open_and_stops_only_move_in_favour(
    direction: Direction, path: list[tuple[int, Outlook]]
) -> None:
    paper, mark, first = Paper(direction), D(60000), a_position(direction).protection.stop
    for minutes, (move, outlook) in enumerate(path):
        mark = (mark * (1 + D(move) / 1000)).quantize(D("0.1"))
        before = paper.position.memory
        paper.look(mark, minutes, outlook)
        after = paper.position.memory
        if before.best is not None and after.best is not None:
            assert (after.best - before.best) * direction.sign >= 0
        assert after.armed >= before.armed
        assert after.partials >= before.partials
        if paper.left:
            break
    entered = paper.position.entry_quantity
    assert paper.closed <= entered * D("0.75")
    assert paper.position.quantity == entered - paper.closed
    assert (paper.position.protection.stop - first) * direction.sign >= 0


# --- as a desk --------------------------------------------------------------------------------------------------------

EVERYTHING: dict[str, Any] = {
    "stop_loss": "0.012",
    "take_profit": "0.025",
    "early_after": "8m",
    "early_loss": "0.004",
    "force_loss": "0.009",
    "max_hold": "20m",
    "trailing": {},
    "time_limits": {"trend": "25m", "range": "18m", "chop": "15m", "volatile": "12m"},
    "regime_change": True,
    "rebalance": {"positions": 2, "net": "0.2102"},
    "invalidation": True,
    "break_even": "0.005",
    "partials": [{"at": "0.008", "share": "0.25"}, {"at": "0.02", "share": "0.5"}],
}


def every_rule(watch_every: str | None = None) -> Playbook:
    """What sizes and denies entries is out of the way: this is about exits."""
    return a_house(
        breaker={"day_loss": {"alert": "1"}},
        exits=EVERYTHING,
        portfolio={"asset": "1", "group": "1", "sector": "1"},
        limits={"max_daily_loss": "1", "max_leverage": 10},
        schedule={"watch_every": watch_every},
    )


def a_path(start: float, moves: list[int]) -> list[Any]:
    """Bars with wicks; a move is in tenths of a percent."""
    bars, price = [(start, start, start, start)] * 2, start
    for move in moves:
        close = round(price * (1 + move / 1000), 1)
        bars.append((price, max(price, close) + start / 2000, min(price, close) - start / 2000, close))
        price = close
    return bars


@dataclass(frozen=True)
class Bar:
    """What happens in a minute: two markets move, and look like this."""

    btc: int  # tenths of a percent
    eth: int
    outlook: Outlook


class Told(Outlooks):
    """The markets look as they were told to, bar by bar."""

    def __init__(self, bars: list[Bar]) -> None:
        super().__init__(RegimePolicy())
        self._bars = bars

    def __call__(self, snapshot: Snapshot) -> Outlook:
        return self._bars[min(snapshot.row, len(self._bars) - 1)].outlook


class Minutes:
    """One desk over all bars: it enters where there is room, every fifth minute, and is killed when it is told to."""

    def __init__(self, bars: list[Bar], restarts: set[int], watch_every: str | None) -> None:
        self.bars, self.restarts, self.watch_every = bars, restarts, watch_every
        self.length = len(bars)
        self.bench: Bench

    async def run(self) -> dict[str, Any]:
        btc = a_series(a_path(60000.0, [b.btc for b in self.bars]), every=MINUTE)
        eth = a_series(a_path(3000.0, [b.eth for b in self.bars]), symbol=ETH, every=MINUTE)
        self.bench = await a_desk(btc, eth, playbook=every_rule(self.watch_every))
        self.look_as_told()
        for minute in range(self.length):
            await self.play(minute)
        outcome = await self.outcome()
        await self.bench.kill()
        return outcome

    def look_as_told(self) -> None:
        self.bench.desk.watch.outlooks = self.bench.desk.cycle.outlooks = Told(self.bars)

    async def play(self, minute: int) -> None:
        (self.bench.script.short if minute % 3 == 2 else self.bench.script.long)(BTC)
        (self.bench.script.short if minute % 2 else self.bench.script.long)(ETH)
        if minute % 5 == 0:
            await self.bench.decide(BTC, ETH)
        if minute in self.restarts:
            await self.bench.restart()
            self.look_as_told()
        await self.bench.step()

    async def outcome(self) -> dict[str, Any]:
        bench, book = self.bench, self.bench.desk.book
        assert bench.desk.faults == {}
        assert book.booked == (await bench.venue.balance()).wallet
        return {
            "orders": [
                (o.client_id, o.leg, o.quantity, o.filled, o.trigger, o.expected, o.status)
                for o in bench.journal.orders.values()
            ],
            "trades": [(t.id, t.reason, t.quantity, t.exit, t.net, t.r, t.closed_at) for t in bench.trades],
            "stops moved": [(m.position.id, m.at, m.position.protection.stop, m.kind) for m in bench.told(StopMoved)],
            "open": list(book.positions.values()),
            "equity": book.booked,
        }


def outcome_of(bars: list[Bar], restarts: set[int], watch_every: str | None = None) -> dict[str, Any]:
    return asyncio.run(asyncio.wait_for(Minutes(bars, restarts, watch_every).run(), 30))


def some_bars(seed: int, length: int) -> list[Bar]:
    """A market that trends for a while, and then another way."""
    dice = random.Random(seed)
    bars: list[Bar] = []
    while len(bars) < length:
        drift, other, regime = dice.randint(-3, 3), dice.randint(-3, 3), dice.choice([None, *Regime])
        rsi, macd = dice.choice([None, 20.0, 50.0, 80.0]), dice.choice([None, -0.5, 0.0, 0.5])
        outlook = Outlook(regime=regime, rsi=rsi, macd=macd)
        for _ in range(dice.randint(3, 12)):
            bars.append(Bar(drift + dice.randint(-3, 3), other + dice.randint(-3, 3), outlook))
    return bars


def test_a_restart_at_every_bar_changes_nothing_on_the_way_through_every_exit() -> None:
    reasons: set[ExitReason] = set()
    for seed in (33, 49):
        bars = some_bars(seed, 60)
        without = outcome_of(bars, set())
        assert outcome_of(bars, set(range(60))) == without
        reasons |= {reason for _, reason, *_ in without["trades"]}
        assert [leg for _, leg, *_ in without["orders"] if leg is Leg.PARTIAL]
        assert {kind for *_, kind in without["stops moved"]} == {StopKind.BREAK_EVEN, StopKind.TRAILING}
    assert reasons >= {rule.reason for rule in RULES} | set(MOVED.values())


@given(
    seed=st.integers(0, 10**6),
    restarts=st.sets(st.integers(0, 39), min_size=1, max_size=8),
    watch_every=st.sampled_from([None, "3m"]),
)
@settings(max_examples=6, deadline=None)
def test_a_restart_at_any_bar_changes_no_exit(seed: int, restarts: set[int], watch_every: str | None) -> None:
    bars = some_bars(seed, 40)
    assert outcome_of(bars, restarts, watch_every) == outcome_of(bars, set(), watch_every)


# --- a venue that fails ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    minute: int
    call: str
    error: Exception
    when: str
    times: int


BEFORE = (VenueDown("no route"), UnknownOutcome("no answer"), OrderRejected("no", code="busy"))


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    call = draw(st.sampled_from(["amend", "amend", "submit", "submit", "order", "open_orders", "fills"]))
    when = draw(st.sampled_from(["before", "after"]))
    error = UnknownOutcome("no answer")
    if when == "before":
        error = draw(st.sampled_from(BEFORE if call in ("amend", "submit") else BEFORE[:2]))
    return Fault(draw(st.integers(0, 39)), call, error, when, draw(st.integers(1, 3)))


class Failing(Minutes):
    """The same, with a venue that does not always answer, to moves of stops and to parts above all."""

    def __init__(self, bars: list[Bar], restarts: set[int], planned: list[Fault]) -> None:
        super().__init__(bars, restarts, None)
        self.length -= 4  # to come right in
        self.planned = planned

    async def play(self, minute: int) -> None:
        for fault in self.planned:
            if fault.minute == minute:
                leg = Leg.PARTIAL if fault.call == "submit" else None
                self.bench.trouble.on(fault.call, fault.error, when=fault.when, leg=leg, times=fault.times)
        await super().play(minute)
        self.nothing_is_naked()

    def nothing_is_naked(self) -> None:
        """At the venue itself: all that is open has one stop and one target of its own, for no less than all of it."""
        account = self.bench.venue._account
        for symbol, held in account.positions.items():
            working = [t.order for t in account.resting(symbol)]
            assert sorted(o.kind for o in working) == [OrderKind.STOP, OrderKind.TAKE_PROFIT]
            for order in working:
                assert order.reduce_only
                assert order.side is held.direction.exit
                assert order.quantity - order.filled >= held.quantity

    async def come_right(self) -> None:
        bench = self.bench
        bench.trouble.plans.clear()
        bench.script.wait()
        for _ in range(3):
            await bench.step()
            await bench.sweep()
        book = bench.desk.book
        assert bench.desk.faults == {}
        assert bench.desk.reconciler.frozen == ""
        assert {p.symbol: p.quantity * p.direction.sign for p in book.positions.values()} == await bench.held()
        for position in book.positions.values():
            stops = [t.order.trigger for t in bench.venue._account.resting(position.symbol)]
            assert {position.protection.stop, position.protection.target} == set(stops)
            assert position.moving is None
        legs = [o.leg for o in book.orders.values()]
        assert legs.count(Leg.STOP) == legs.count(Leg.TARGET) == len(book.positions) == len(legs) / 2

    async def outcome(self) -> dict[str, Any]:
        await self.come_right()
        sent = [o.client_id for o in self.bench.trouble.sent()]
        assert len(sent) == len(set(sent)), "an order was sent twice"
        for moved in self.bench.told(StopMoved):
            assert (moved.position.protection.stop - moved.before) * moved.position.direction.sign > 0
        return await super().outcome()


@given(
    seed=st.integers(0, 10**6),
    planned=st.lists(faults(), min_size=1, max_size=8),
    restarts=st.sets(st.integers(0, 39), max_size=3),
)
@settings(max_examples=10, deadline=None)
def test_a_venue_that_fails_while_a_stop_is_moved_or_a_part_is_closed_loses_nothing(
    seed: int, planned: list[Fault], restarts: set[int]
) -> None:
    bars = some_bars(seed, 43)
    asyncio.run(asyncio.wait_for(Failing(bars, restarts, planned).run(), 30))
