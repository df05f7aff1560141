"""The budget under any interleaving of calls, settlements, lost writes, cancellations, crashes and restarts: what is
settled and reserved never comes to more than a cap."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.fakes.ledger import MemoryLedger, Written
from trading.asking import Kept
from trading.clock import ManualClock
from trading.errors import JournalUnwritable
from trading.llm.budget import Governor, NoBudget
from trading.spending import SHARES, WORDS, Caps
from trading.voice import Basis, Exchange, Lack

START = datetime(2026, 11, 30, 22, 30, tzinfo=UTC)  # the end of an hour, a day and a month is near
CAPS = Caps(decision=D("0.30"), hour=D("0.60"), day=D("1.00"), month=D("1.60"), words=D("0.20"))
CENT = D("0.01")


def a_call(cents: int, purpose: str = "judge", **changes: Any) -> Exchange:
    made = Exchange(purpose=purpose, provider="own", requested="m", at=START, cost=cents * CENT, basis=Basis.RESERVED)
    return replace(made, **changes)


@dataclass(slots=True)
class Gated(MemoryLedger):
    """Each write waits until it is let through, or refused."""

    waiting: list[asyncio.Future[bool]] = field(default_factory=list)

    async def _wait(self) -> None:
        gate = asyncio.get_running_loop().create_future()
        self.waiting.append(gate)
        if not await gate:
            raise JournalUnwritable("refused")


class Course(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = ManualClock(START)
        self.ledger = Gated()
        self.asking: list[asyncio.Task[Exchange | NoBudget]] = []
        self.settling: list[asyncio.Task[None]] = []
        self.granted: list[Exchange] = []

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def turn(self) -> None:
        """Let everything go as far as it can without the ledger."""
        for _ in range(6):
            self.run(asyncio.sleep(0))
        for task in [t for t in self.asking if t.done()]:
            self.asking.remove(task)
            if not task.cancelled() and isinstance(found := task.result(), Exchange):
                self.granted.append(found)
        for done in [t for t in self.settling if t.done()]:
            self.settling.remove(done)
            if not done.cancelled():
                done.exception()

    @initialize()
    def open(self) -> None:
        self.governor = Governor(CAPS, self.ledger, self.clock)
        self.run(self.governor.open())

    # --- what happens -------------------------------------------------------------------------------------------

    @rule(
        cents=st.integers(0, 40),
        purpose=st.sampled_from(list(SHARES)),
        about=st.sampled_from("abc"),
        n=st.integers(1, 4),
    )
    def ask(self, cents: int, purpose: str, about: str, n: int) -> None:
        for _ in range(n):
            wanted = a_call(cents, purpose, at=self.clock.now())
            self.asking.append(self.loop.create_task(self.governor.reserve(wanted, about=about)))
        self.turn()

    @precondition(lambda self: self.granted)
    @rule(which=st.integers(0, 99), share=st.integers(0, 100))
    def settle(self, which: int, share: int) -> None:
        exchange = self.granted.pop(which % len(self.granted))
        done = replace(exchange, cost=exchange.cost * share / 100, basis=Basis.TABLE)
        self.settling.append(self.loop.create_task(self.governor.settle(Kept(exchange=done))))
        self.turn()

    @precondition(lambda self: self.ledger.waiting)
    @rule(which=st.integers(0, 99), taken=st.booleans())
    def write(self, which: int, taken: bool) -> None:
        gate = self.ledger.waiting.pop(which % len(self.ledger.waiting))
        gate.set_result(taken)
        self.turn()

    @precondition(lambda self: self.asking)
    @rule(which=st.integers(0, 99))
    def cancel_a_call(self, which: int) -> None:
        self.asking[which % len(self.asking)].cancel()
        self.turn()

    @precondition(lambda self: self.settling)
    @rule(which=st.integers(0, 99))
    def cancel_a_settlement(self, which: int) -> None:
        self.settling[which % len(self.settling)].cancel()
        self.turn()

    @rule(minutes=st.sampled_from([1, 29, 59, 60, 61, 300]))
    def wait(self, minutes: int) -> None:
        self.clock.advance(timedelta(minutes=minutes))

    @rule(written=st.booleans())
    def crash(self, written: bool) -> None:
        """`written`: the database took what was on its way, and nobody heard of it."""
        for gate in self.ledger.waiting:
            gate.set_result(written)
        self.ledger.waiting.clear()
        self.turn()
        self.stop()
        self.open()

    @rule()
    def restart(self) -> None:
        """In peace: everything is written to its end."""
        while self.ledger.waiting:
            self.ledger.waiting.pop().set_result(True)
            self.turn()
        before = self.governor.view()
        self.stop()
        self.open()
        after = self.governor.view()
        assert (after.caps, after.costs) == (before.caps, before.costs)

    def stop(self) -> None:
        for task in (*self.asking, *self.settling):
            task.cancel()
        self.turn()
        for gate in self.ledger.waiting:  # what the cancelled ones wanted to give back is lost with the process
            gate.set_result(False)
        self.ledger.waiting.clear()
        self.run(self.governor.close())
        self.asking, self.settling, self.granted = [], [], []

    def teardown(self) -> None:
        if hasattr(self, "governor"):
            self.stop()
        self.loop.close()

    # --- what always holds --------------------------------------------------------------------------------------

    @invariant()
    def no_cap_is_passed(self) -> None:
        if hasattr(self, "governor"):
            for use in self.governor.view().caps:
                assert use.settled + use.reserved <= use.limit, use
                assert use.settled >= 0
                assert use.reserved >= 0

    @invariant()
    def the_ledger_itself_passes_none(self) -> None:
        lines = list(self.ledger.lines.values())
        for about in "abc":
            of_it = [line for line in lines if line.about == about and line.purpose not in WORDS]
            assert month_by_month(of_it, "%Y-%m") <= CAPS.decision
        assert month_by_month(lines, "%Y-%m") <= CAPS.month
        assert month_by_month(lines, "%Y-%m-%d") <= CAPS.day
        assert month_by_month([line for line in lines if line.purpose in WORDS], "%Y-%m-%d") <= CAPS.words
        for line in lines:
            hour = [o.cost for o in lines if line.at - timedelta(hours=1) < o.at <= line.at]
            assert sum(hour) <= CAPS.hour


def month_by_month(lines: list[Written], form: str) -> D:
    """The most that any one of them came to."""
    sums: dict[str, D] = {}
    for line in lines:
        key = line.at.strftime(form)
        sums[key] = sums.get(key, D(0)) + line.cost
    return max(sums.values(), default=D(0))


TestCourse = Course.TestCase
TestCourse.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


# --- the ladder -------------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(
    caps=st.tuples(*[st.integers(0, 200)] * 3),
    spent=st.lists(st.tuples(st.sampled_from(list(SHARES)), st.integers(0, 60)), max_size=8),
    cents=st.integers(1, 60),
)
def test_what_is_lower_on_the_ladder_is_given_up_first(
    caps: tuple[int, int, int], spent: list[tuple[str, int]], cents: int
) -> None:
    hour, day, month = (cap * CENT for cap in caps)
    limits = Caps(decision=D(100), hour=hour, day=day, month=month, words=D(100))
    asyncio.run(_ladder(limits, spent, cents))


async def _ladder(caps: Caps, spent: list[tuple[str, int]], cents: int) -> None:
    limits = (caps.hour, caps.day, caps.month)
    refused = []
    for purpose, share in SHARES.items():
        governor = Governor(caps, MemoryLedger(), ManualClock(START))
        for n, (before, cost) in enumerate(spent):
            await governor.reserve(a_call(cost, before), about=f"{n}")
        used = next(use.reserved for use in governor.view().caps if use.name == "month")
        found = await governor.reserve(a_call(cents, purpose), about="x")
        assert isinstance(found, NoBudget) is any(used + cents * CENT > limit * share for limit in limits)
        refused.append(isinstance(found, NoBudget))
    assert refused == sorted(refused, reverse=True), "whoever may use more is refused last"


@settings(max_examples=100, deadline=None)
@given(
    basis=st.sampled_from([b for b in Basis if b is not Basis.RESERVED]) | st.just(Basis.RESERVED),
    cost=st.sampled_from([D("NaN"), D("Infinity"), D("-Infinity"), D("-0.01"), D(0), D("0.01")]),
)
def test_only_a_worst_case_that_is_a_number_is_reserved(basis: Basis, cost: D) -> None:
    async def ask() -> Exchange | NoBudget:
        governor = Governor(CAPS, ledger, ManualClock(START))
        return await governor.reserve(a_call(0, cost=cost, basis=basis), about="a")

    ledger = MemoryLedger()
    found = asyncio.run(ask())
    if basis is Basis.RESERVED and cost.is_finite() and cost >= 0:
        assert isinstance(found, Exchange)
    else:
        assert isinstance(found, NoBudget)
        assert found.lack is Lack.NO_PRICE
        assert ledger.lines == {}
