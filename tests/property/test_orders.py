"""The life of an order: no path outside the table, whatever venue, market and owner do to it."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.builders import BTC, ETH, NOW, an_order
from tests.desks import Bench, a_desk, a_house, a_series
from trading.errors import IllegalTransition, JournalUnwritable, Misuse, OrderRejected, UnknownOutcome, VenueDown
from trading.messages import ClosePosition, Decide, EnterPair, Flatten, Halt, Resume
from trading.model import ORDER_TRANSITIONS, Direction, Guard, Leg, OrderStatus, TradingState

D = Decimal
BARS = 400


class OneOrder(RuleBasedStateMachine):
    """An order that is asked for any step at all."""

    def __init__(self) -> None:
        super().__init__()
        self.order = an_order()
        self.path = [OrderStatus.INTENDED]

    @rule(status=st.sampled_from(OrderStatus), tenths=st.integers(0, 100))
    def step(self, status: OrderStatus, tenths: int) -> None:
        filled = max(self.order.filled, D(tenths) / 1000)
        before = self.order
        if status in ORDER_TRANSITIONS[before.status]:
            self.order = before.to(status, at=NOW, filled=filled)
            self.path.append(status)
            return
        with pytest.raises(IllegalTransition):
            before.to(status, at=NOW, filled=filled)
        assert self.order == before

    @invariant()
    def it_went_by_the_table(self) -> None:
        assert all(b in ORDER_TRANSITIONS[a] for a, b in pairwise(self.path))
        assert sum(s.final for s in self.path) <= 1
        assert self.path.count(OrderStatus.OPEN) <= 1

    @invariant()
    def it_is_never_filled_beyond_its_quantity(self) -> None:
        assert 0 <= self.order.filled <= self.order.quantity

    @invariant()
    def what_has_ended_stays_ended(self) -> None:
        assert self.order.status.final == (not ORDER_TRANSITIONS[self.order.status])


CALLS = st.sampled_from(
    ["submit", "amend", "cancel", "order", "open_orders", "positions", "balance", "fills", "funding"]
)
FAULTS = st.sampled_from(
    [
        (VenueDown("no route"), "before"),
        (UnknownOutcome("no answer"), "before"),
        (UnknownOutcome("no answer"), "after"),
    ]
)
SYMBOLS = st.sampled_from([BTC, ETH])


def a_path(start: float, moves: list[int]) -> list[Any]:
    """Bars with wicks; a move is in tenths of a percent."""
    bars, price = [], start
    for move in moves:
        close = round(price * (1 + move / 1000), 1)
        bars.append((price, max(price, close) + start / 500, min(price, close) - start / 500, close))
        price = min(max(close, start / 4), start * 4)
    return bars


# Everything that touches an open position on its way: its stop moved twice, parts closed.
MANAGED: dict[str, Any] = {
    "max_hold": timedelta(seconds=20),
    "trailing": {},
    "break_even": "0.01",
    "partials": [{"at": "0.01", "share": "0.25"}, {"at": "0.02", "share": "0.5"}],
}


class WholeDesk(RuleBasedStateMachine):
    """A desk, a venue that fails in every way it can, an owner who interferes, and a process that dies."""

    bench: Bench

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.bars = BARS - 2

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(work, 5))

    @initialize(seed=st.integers(0, 2**16), volume=st.sampled_from([0.05, 1.0, 10000.0]))
    def open(self, seed: int, volume: float) -> None:
        moves = [0] * 3 + [((seed * (n + 7) * 7919) % 81) - 40 for n in range(BARS)]
        btc = a_series(a_path(60000.0, moves), volume=volume)
        eth = a_series(a_path(3000.0, moves[:3] + moves[:2:-1]), symbol=ETH, volume=volume)
        house = a_house(limits={"max_daily_loss": D(1), "max_positions": 2}, exits=MANAGED)
        self.bench = self.do(a_desk(btc, eth, playbook=house))

    @rule(n=st.integers(1, 6))
    def time_passes(self, n: int) -> None:
        n = min(n, self.bars)
        self.bars -= n
        self.do(self.bench.step(n))

    @rule(symbol=SYMBOLS, long=st.booleans())
    def decide(self, symbol: Any, long: bool) -> None:
        (self.bench.script.long if long else self.bench.script.short)(symbol)
        self.do(self.bench.decide(symbol))
        self.bench.script.wait()

    @rule()
    def sweep(self) -> None:
        self.do(self.bench.sweep())

    @rule(call=CALLS, fault=FAULTS, times=st.integers(1, 4))
    def the_venue_fails(self, call: str, fault: tuple[Exception, str], times: int) -> None:
        error, when = fault
        self.bench.trouble.on(call, error, when=when, times=times)

    @rule(code=st.sampled_from(["insufficient_margin", "protection"]))
    def the_venue_refuses(self, code: str) -> None:
        self.bench.trouble.on("submit", OrderRejected("no", code=code), leg=Leg.ENTRY)

    @rule(move=st.booleans())
    def the_venue_refuses_a_move_or_a_part(self, move: bool) -> None:
        self.bench.trouble.on("amend" if move else "submit", OrderRejected("no"), leg=None if move else Leg.PARTIAL)

    @rule(silent=st.booleans())
    def the_stream_breaks_or_mends(self, silent: bool) -> None:
        self.bench.trouble.lose_updates = silent

    @rule(seconds=st.sampled_from([0, 3, 60]))
    def orders_show_late(self, seconds: int) -> None:
        self.bench.trouble.visible_after = timedelta(seconds=seconds)

    @rule(times=st.integers(1, 3))
    def the_stream_repeats_itself(self, times: int) -> None:
        self.do(self.hear_again(times))

    async def hear_again(self, times: int) -> None:
        for fill in self.bench.venue._account.fills[-4:] * times:
            self.bench.desk.receive(fill)
        await self.bench.desk.settle()

    @precondition(lambda self: bool(self.bench.desk.book.positions))
    @rule(stop=st.booleans())
    def a_stranger_cancels_a_guard(self, stop: bool) -> None:
        self.do(self.lose_guard(stop))

    async def lose_guard(self, stop: bool) -> None:
        """By the venue's own hand, so that no injected fault is used up."""
        position = next(iter(self.bench.desk.book.positions.values()), None)
        if position is None:
            return  # it was being closed, and is
        guard = position.protection.stop_id if stop else position.protection.target_id
        venue = self.bench.venue
        ticket = venue._account.working.get(position.symbol, {}).get(guard)
        if ticket and not ticket.triggered:
            with venue._step(position.symbol):
                venue._account.end(ticket, OrderStatus.CANCELLED, "by hand", at=self.bench.clock.now())
        await self.bench.desk.settle()

    @precondition(lambda self: bool(self.bench.desk.book.positions))
    @rule(part=st.sampled_from(["1", "0.5", "0.25", "0.01"]))
    def the_owner_closes(self, part: str) -> None:
        position = next(iter(self.bench.desk.book.positions))
        with suppress(Misuse):  # too small a part, or one while another is on its way
            self.do(self.bench.desk.obey(ClosePosition(position_id=position, by="the owner", part=D(part))))
        self.do(self.bench.desk.settle())

    @rule(symbol=SYMBOLS, direction=st.sampled_from(Direction))
    def the_owner_enters(self, symbol: Any, direction: Direction) -> None:
        with suppress(Misuse):  # no fresh bar, or no journal
            self.do(self.bench.desk.obey(EnterPair(symbol=symbol, direction=direction, by="the owner")))
        self.do(self.bench.desk.settle())

    @rule(settled=st.booleans())
    def the_owner_flattens(self, settled: bool) -> None:
        self.do(self.bench.desk.obey(Flatten(by="the owner")))
        if settled:
            self.do(self.bench.desk.settle())

    @rule()
    def the_owner_halts_or_resumes(self) -> None:
        halted = self.bench.desk.book.state.trading is TradingState.HALTED
        with suppress(JournalUnwritable):  # a halt is always taken; a resume only when it can be written
            self.do(self.bench.desk.obey(Resume(by="the owner") if halted else Halt(by="the owner")))

    @rule(refusing=st.booleans())
    def the_disk_fills_or_empties(self, refusing: bool) -> None:
        self.bench.journal.refusing = refusing

    @precondition(lambda self: not self.bench.journal.refusing and not self.bench.desk.book.unwritten)
    @rule(thinking=st.booleans())
    def the_process_dies(self, thinking: bool) -> None:
        if thinking:
            self.bench.script.long(BTC)
            self.do(self.bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule")))
            for _ in range(3):
                self.do(asyncio.sleep(0))
            self.bench.script.wait()
        self.do(self.bench.restart())

    # --- what always holds ----------------------------------------------------------------------------------------

    @invariant()
    def every_order_went_by_the_table(self) -> None:
        for path in self.bench.journal.history.values():
            steps = [b in ORDER_TRANSITIONS[a] or a is b for a, b in pairwise(path)]
            assert all(steps), path

    @invariant()
    def nothing_broke_inside(self) -> None:
        assert self.bench.desk.faults == {}

    @invariant()
    def no_order_was_sent_twice(self) -> None:
        sent = [o.client_id for o in self.bench.trouble.sent()]
        assert len(sent) == len(set(sent))

    @invariant()
    def no_instrument_has_two_positions(self) -> None:
        held = [p.symbol for p in self.bench.desk.book.positions.values()]
        assert len(held) == len(set(held)) <= 2

    def teardown(self) -> None:
        """When the venue behaves again, all comes right: equal books, guarded positions, nothing forgotten."""
        if not hasattr(self, "bench"):
            return
        bench = self.bench
        bench.trouble.plans.clear()
        bench.trouble.lose_updates = False
        bench.trouble.visible_after *= 0
        bench.journal.refusing = False
        try:
            self.do(self.come_right())
        finally:
            self.do(bench.kill())
            self.loop.close()

    async def come_right(self) -> None:
        bench = self.bench
        for _ in range(min(45, self.bars)):
            await bench.step()
        for _ in range(2):
            await bench.sweep()
        await bench.desk.tell()
        book = bench.desk.book
        assert book.state.flattened_at is None or not book.positions or self.bars < 45
        assert bench.desk.faults == {}
        assert bench.desk.reconciler.frozen == "", bench.desk.reconciler.frozen
        assert {p.symbol: p.quantity * p.direction.sign for p in book.positions.values()} == await bench.held()
        assert book.booked == (await bench.venue.balance()).wallet
        guards = {i for p in book.positions.values() for i in (p.protection.stop_id, p.protection.target_id)}
        assert guards >= await bench.working()
        levels = {p.protection.stop_id: p.protection.stop for p in book.positions.values()}
        working = {t.order.client_id: t.order.trigger for t in bench.venue._account.all_resting()}
        assert all(working.get(i, level) == level for i, level in levels.items())
        assert all(p.guard is Guard.CONFIRMED or p.closing for p in book.positions.values())
        assert book.state.realised == sum(t.net for t in bench.trades)
        assert bench.journal.positions == book.positions


def test_an_order_has_no_path_outside_the_table() -> None:
    run_state_machine_as_test(OneOrder, settings=settings(max_examples=60, stateful_step_count=12, deadline=None))


def test_no_trouble_leads_an_order_outside_the_table_or_the_books_astray() -> None:
    run_state_machine_as_test(
        WholeDesk,
        settings=settings(
            max_examples=120, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
