"""The governor of what models may cost: what it refuses, what it says, and what it knows after a crash."""

import asyncio
import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from tests.fakes.ledger import MemoryLedger
from trading.asking import Kept
from trading.clock import ManualClock
from trading.errors import JournalUnwritable
from trading.events import BudgetReached
from trading.llm.books import KEPT
from trading.llm.budget import Governor, NoBudget
from trading.spending import SHARES, BudgetView, Caps, CapUse, ModelCost
from trading.voice import Basis, Body, Exchange, Lack

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CAPS = Caps(decision=D("0.10"), hour=D("0.50"), day=D(3), month=D(30), words=D("0.25"))
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass
class House:
    """A governor over a ledger in memory, and what it has told."""

    caps: Caps = CAPS
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    told: list[BudgetReached] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.governor = self.started()

    def started(self) -> Governor:
        return Governor(self.caps, self.ledger, self.clock, told=self.told.append, now=lambda: NOW - DAY)

    async def ask(self, cost: str, purpose: str = "judge", *, about: str = "btc-1", **more: Any) -> Exchange | NoBudget:
        wanted = Exchange(
            purpose=purpose,
            provider="gemini",
            requested="lite",
            at=self.clock.now(),
            cost=D(cost),
            basis=Basis.RESERVED,
        )
        return await self.governor.reserve(replace(wanted, **more), about=about)

    async def pay(self, cost: str, purpose: str = "judge", *, about: str = "btc-1", reserved: str = "") -> None:
        found = await self.ask(reserved or cost, purpose, about=about)
        assert isinstance(found, Exchange), found
        await self.governor.settle(Kept(exchange=replace(found, cost=D(cost), basis=Basis.TABLE)))

    def use(self, cap: str) -> CapUse:
        return next(use for use in self.governor.view().caps if use.name == cap)


def refused(found: Exchange | NoBudget) -> tuple[str, D, D]:
    assert isinstance(found, NoBudget), found
    assert found.lack is Lack.OVER_BUDGET
    return found.cap, found.limit, found.used


# --- caps -------------------------------------------------------------------------------------------------------------


async def test_exactly_the_cap_may_be_used_and_nothing_above_it() -> None:
    house = House()
    await house.pay("0.06")
    assert refused(await house.ask("0.0400001")) == ("decision", D("0.10"), D("0.06"))
    found = await house.ask("0.04")
    assert isinstance(found, Exchange)
    assert (found.id, found.basis, found.cost) == (2, Basis.RESERVED, D("0.04"))
    assert refused(await house.ask("0.0000001"))[0] == "decision"
    assert isinstance(await house.ask("0.01", about="btc-2"), Exchange), "another decision has its own"


async def test_a_refusal_says_which_cap_and_how_much_of_it_is_used() -> None:
    house = House()
    await house.pay("0.06")
    found = await house.ask("0.05")
    assert isinstance(found, NoBudget)
    assert found.reason == "0.06 of 0.1 USD for this decision are used, it may cost 0.05"


async def test_the_hour_is_any_sixty_minutes_and_the_day_is_that_of_utc() -> None:
    house = House(caps=replace(CAPS, decision=D(9), day=D("0.9")))
    await house.pay("0.5")
    house.clock.advance(HOUR - timedelta(microseconds=1))
    assert refused(await house.ask("0.01")) == ("hour", D("0.50"), D("0.5"))
    house.clock.advance(timedelta(microseconds=1))
    await house.pay("0.4")
    house.clock.advance(2 * HOUR)
    assert refused(await house.ask("0.01")) == ("day", D("0.9"), D("0.9"))
    house.clock.set(NOW.replace(hour=0) + DAY)
    await house.pay("0.5")


async def test_the_month_is_that_of_utc() -> None:
    house = House(caps=replace(CAPS, decision=D(9), hour=D(9), day=D(9), month=D(5)))
    await house.pay("5")
    house.clock.advance(DAY)
    assert refused(await house.ask("0.01")) == ("month", D(5), D(5))
    house.clock.set(datetime(2026, 12, 1, tzinfo=UTC))
    await house.pay("5")


async def test_a_call_of_the_last_day_that_is_reserved_in_the_next_is_of_the_last() -> None:
    house = House(caps=replace(CAPS, decision=D(9), hour=D(9), day=D("0.5")))
    await house.pay("0.5")
    house.clock.advance(DAY)
    assert refused(await house.ask("0.1", at=NOW + MINUTE)) == ("day", D("0.5"), D("0.5"))
    assert isinstance(await house.ask("0.1"), Exchange)


async def test_words_have_a_cap_of_their_own_and_belong_to_no_decision() -> None:
    house = House()
    for _ in range(2):
        await house.pay("0.12", "ask", about="ask telegram:7")
    assert refused(await house.ask("0.02", "playbook", about="ask telegram:7")) == ("words", D("0.25"), D("0.24"))
    assert house.use("words").settled == D("0.24")
    house.clock.advance(DAY)
    await house.pay("0.12", "ask", about="ask telegram:7")


async def test_each_purpose_may_use_its_share_and_an_extraction_is_of_its_own() -> None:
    house = House(caps=replace(CAPS, decision=D(9), hour=D(1), words=D(9)))
    await house.pay("0.5", "ask", about="ask a")
    assert refused(await house.ask("0.01", "ask")) == ("hour", D("0.50"), D("0.5"))
    await house.pay("0.3", "validator")
    assert refused(await house.ask("0.01", "validator"))[1] == D("0.8")
    await house.pay("0.1", "sentiment extract")
    assert refused(await house.ask("0.01", "sentiment"))[1] == D("0.9")
    assert refused(await house.ask("0.01", "sentiment extract"))[1] == D("0.9")
    await house.pay("0.1", "judge")
    assert refused(await house.ask("0.01", "judge"))[1] == D(1)


async def test_a_purpose_that_nobody_has_ranked_may_use_the_least() -> None:
    house = House()
    assert refused(await house.ask("0.06", "daydream")) == ("decision", D("0.050"), D(0))


async def test_calls_at_the_same_time_never_share_the_same_room() -> None:
    house = House()
    found = await asyncio.gather(*(house.ask("0.03") for _ in range(20)))
    assert sum(isinstance(f, Exchange) for f in found) == 3


async def test_what_costs_nothing_goes_on_where_nothing_may_be_spent() -> None:
    house = House(caps=Caps(decision=D(0), hour=D(0), day=D(0), month=D(0), words=D(0)))
    await house.pay("0")
    assert refused(await house.ask("0.00001"))[0] == "decision"
    assert house.governor.view().given_up == tuple(SHARES)


@pytest.mark.parametrize(
    ("cost", "basis"),
    [("0", Basis.FREE), ("NaN", Basis.RESERVED), ("-1", Basis.RESERVED), ("Infinity", Basis.RESERVED)],
)
async def test_an_unknown_price_is_refused(cost: str, basis: Basis) -> None:
    house = House()
    found = await house.ask(cost, basis=basis)
    assert isinstance(found, NoBudget)
    assert (found.lack, found.cap, house.ledger.lines) == (Lack.NO_PRICE, "", {})


# --- what it came to --------------------------------------------------------------------------------------------------


async def test_the_real_cost_takes_the_place_of_the_reservation() -> None:
    house = House()
    await house.pay("0.01", reserved="0.09")
    assert (house.use("hour").settled, house.use("hour").reserved) == (D("0.01"), D(0))
    await house.ask("0.09")
    assert (house.use("month").settled, house.use("month").reserved) == (D("0.01"), D("0.09"))


async def test_a_call_that_was_dearer_is_counted_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    house = House(caps=replace(CAPS, decision=D(9)))
    with caplog.at_level(logging.WARNING):
        await house.pay("0.3", reserved="0.1")
        await house.pay("0.3", reserved="0.1")
    assert [r.getMessage() for r in caplog.records] == [
        "lite has cost 0.3 USD, set aside were 0.1: it is counted",
    ]
    assert refused(await house.ask("0.01")) == ("hour", D("0.50"), D("0.6"))


async def test_a_settlement_that_cannot_be_written_leaves_the_reservation_and_can_be_tried_again() -> None:
    house = House()
    found = await house.ask("0.09")
    assert isinstance(found, Exchange)
    kept = Kept(exchange=replace(found, cost=D("0.01")), bodies=(Body(data=b"x"),))
    house.ledger.full = True
    with pytest.raises(JournalUnwritable):
        await house.governor.settle(kept)
    assert (house.use("hour").settled, house.use("hour").reserved) == (D(0), D("0.09"))
    house.ledger.full = False
    await house.governor.settle(kept)
    assert (house.use("hour").settled, house.use("hour").reserved) == (D("0.01"), D(0))
    assert house.ledger.kept == {Body(data=b"x").sha: b"x"}


async def test_nothing_is_settled_twice() -> None:
    house = House()
    found = await house.ask("0.09")
    assert isinstance(found, Exchange)
    kept = Kept(exchange=replace(found, cost=D("0.01")))
    both = await asyncio.gather(*(house.governor.settle(kept) for _ in range(2)), return_exceptions=True)
    assert [type(b) for b in both] == [type(None), JournalUnwritable]
    assert house.use("hour").settled == D("0.01")


async def test_a_reservation_that_cannot_be_written_is_taken_back_and_refused() -> None:
    house = House()
    house.ledger.full = True
    found = await house.ask("0.09")
    assert isinstance(found, NoBudget)
    assert (found.lack, found.cap) == (Lack.NOT_RECORDED, "")
    assert (house.use("hour").reserved, house.governor.view().costs, house.told) == (D(0), (), [])
    house.ledger.full = False
    await house.pay("0.09")


# --- crash, restart, cancellation -------------------------------------------------------------------------------------


async def test_a_restart_knows_what_was_paid_and_keeps_what_was_only_reserved() -> None:
    house = House()
    await house.pay("0.04")
    await house.ask("0.05")
    await house.pay("0.1", "ask", about="ask a")
    before = house.governor.view()
    house.governor = house.started()
    await house.governor.open()
    after = house.governor.view()
    assert (after.caps, after.costs, after.last) == (before.caps, before.costs, before.last)
    assert refused(await house.ask("0.02")) == ("decision", D("0.10"), D("0.09"))


async def test_what_was_only_kept_is_not_in_the_books_after_a_restart_either() -> None:
    house = House()
    free = Exchange(purpose="whale", provider="etherscan", requested="txlist", at=NOW)
    await house.ledger.keep(Kept(exchange=free))
    await house.pay("0", "sentiment")
    await house.pay("0.01", "daydream")
    before = house.governor.view()
    house.governor = house.started()
    await house.governor.open()
    after = house.governor.view()
    assert (after.caps, after.costs, after.last) == (before.caps, before.costs, before.last)


async def test_a_restart_in_a_new_month_still_knows_the_last_hour() -> None:
    house = House(clock=ManualClock(datetime(2026, 11, 30, 23, 40, tzinfo=UTC)))
    await house.pay("0.1", about="a")
    house.clock.advance(30 * MINUTE)
    house.governor = house.started()
    await house.governor.open()
    assert (house.use("hour").settled, house.use("day").settled, house.use("month").settled) == (D("0.1"), 0, 0)


async def test_a_caller_that_gives_up_before_it_is_written_gets_it_back() -> None:
    house = House()
    house.ledger.slow = asyncio.Event()
    asking = asyncio.create_task(house.ask("0.09"))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert house.use("hour").reserved == D("0.09"), "it may be written yet"
    house.ledger.slow.set()
    await house.governor.close()
    assert (house.use("hour").settled, house.use("hour").reserved) == (0, 0)
    assert [(line.cost, line.settled) for line in house.ledger.lines.values()] == [(0, True)]


async def test_a_caller_that_gives_up_while_it_is_settled_has_it_settled() -> None:
    house = House()
    found = await house.ask("0.09")
    assert isinstance(found, Exchange)
    house.ledger.slow = asyncio.Event()
    settling = asyncio.create_task(house.governor.settle(Kept(exchange=replace(found, cost=D("0.01")))))
    await asyncio.sleep(0)
    settling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await settling
    house.ledger.slow.set()
    await house.governor.close()
    assert house.use("hour").settled == D("0.01")


# --- what it says -----------------------------------------------------------------------------------------------------


async def test_a_cap_is_told_once_for_each_purpose_until_there_is_room_again() -> None:
    house = House(caps=replace(CAPS, decision=D(9)))
    await house.pay("0.4")
    for _ in range(3):
        await house.ask("0.2", "judge")
        await house.ask("0.2", "sentiment")
    assert [(e.cap, e.limit, e.used, e.given_up, e.at) for e in house.told] == [
        ("hour", D("0.50"), D("0.4"), "judge", NOW - DAY),
        ("hour", D("0.450"), D("0.4"), "sentiment", NOW - DAY),
    ]
    house.clock.advance(HOUR)
    await house.pay("0.4")
    await house.ask("0.2", "judge")
    assert len(house.told) == 3


async def test_that_decisions_run_out_of_their_room_is_told_once_a_day() -> None:
    house = House()
    for n in range(3):
        await house.pay("0.01", about=f"btc-{n}")
        await house.ask("0.2", about=f"btc-{n}")
    assert [(e.cap, e.used) for e in house.told] == [("decision", D("0.01"))]
    house.clock.advance(DAY)
    await house.ask("0.2", about="btc-9")
    assert len(house.told) == 2


async def test_what_is_given_up_is_said_in_the_order_of_the_ladder_and_comes_back() -> None:
    house = House(caps=replace(CAPS, decision=D(9)))
    assert house.governor.view().given_up == ()
    await house.pay("0.41")
    assert house.governor.view().given_up == ("ask", "playbook", "validator")
    await house.ask("0.08", "sentiment")
    assert house.governor.view().given_up == ("ask", "playbook", "validator", "sentiment")
    assert house.told[-1].given_up == "sentiment"
    house.clock.advance(HOUR)
    assert house.governor.view().given_up == ()
    await house.pay("0.25", "ask", about="ask a")
    assert house.governor.view().given_up == ("ask", "playbook")


async def test_the_view_has_the_costs_by_model_the_dearest_first() -> None:
    house = House()
    await house.pay("0.01")
    await house.pay("0.02")
    await house.pay("0.04", "sentiment", about="btc-2")
    await house.ask("0.005", "council", about="btc-3")
    view = house.governor.view(voices=(("lite", "armed"),))
    assert isinstance(view, BudgetView)
    assert view.costs == (
        ModelCost(model="lite", purpose="sentiment", calls=1, cost=D("0.04")),
        ModelCost(model="lite", purpose="judge", calls=2, cost=D("0.03")),
        ModelCost(model="lite", purpose="council", calls=1, cost=D("0.005")),
    )
    assert (view.at, view.per_decision, view.voices) == (NOW, D("0.10"), (("lite", "armed"),))
    assert [use.name for use in view.caps] == ["hour", "day", "month", "words"]
    assert [(p.purpose, p.cost, p.settled) for p in view.last[:2]] == [
        ("council", D("0.005"), False),
        ("sentiment", D("0.04"), True),
    ]


async def test_a_long_life_is_not_remembered_line_by_line() -> None:
    house = House(caps=Caps(decision=D(9), hour=D(9), day=D(99), month=D(99), words=D(9)))
    for n in range(KEPT + 50):
        await house.pay("0.001", about=f"btc-{n}")
    house.clock.advance(DAY)
    await house.pay("0.001", about="btc-x")
    view = house.governor.view()
    assert len(view.last) == KEPT
    assert house.use("month").settled == D("0.001") * (KEPT + 51)
    house.clock.advance(30 * DAY)
    assert house.use("month").settled == 0
    house.clock.advance(DAY)
    await house.pay("0.001", about="btc-1")
    assert house.use("month").settled == D("0.001")
