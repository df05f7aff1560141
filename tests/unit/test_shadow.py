"""Trades on paper: prices, fees and rules as the desk itself would have had them, and never an order."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import BTC, ETH, NOW, a_position, a_protection, a_quote, an_exit_plan, an_instrument, an_order
from tests.desks import Bar, Bench, a_desk, a_house, a_series, two_markets
from trading import shadow
from trading.decision import Denied
from trading.errors import BadRecord
from trading.events import DecisionMade, DeskStarted, Event, ShadowClosed, ShadowOpened
from trading.exit_plan import Partial, Trailing
from trading.exits import Look
from trading.messages import Halt
from trading.model import Direction, ExitReason, Guard, Position, PositionId, Side, Trade
from trading.playbook import Playbook
from trading.risk.expectancy import Evidence
from trading.steps import remember

D = Decimal
BARE = {"early_after": None, "early_loss": None, "force_loss": None, "max_hold": None}
FEE = D("0.0005")


def at(mark: str, *, spread: str = "10", minutes: float = 1) -> Look:
    price = D(mark)
    quote = replace(a_quote(mark), bid=price - D(spread), ask=price + D(spread))
    return Look(quote=quote, now=NOW + timedelta(minutes=minutes), instrument=an_instrument())


def a_shadow(direction: Direction = Direction.LONG, **plan: Any) -> Position:
    return a_position(direction, plan=an_exit_plan(**(BARE | plan)))


def followed(position: Position, look: Look) -> Position | Trade:
    return shadow.followed(replace(position, memory=remember(position, look)), look)


# --- entered ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", Side)
def test_it_is_entered_at_the_price_the_plan_counts_on_with_the_takers_fee(side: Side) -> None:
    entry = an_order(side=side, expected=D(60010), quantity=D("0.2"))
    made = shadow.opened(entry, an_instrument(), playbook="desk")
    assert (made.quantity, made.cost, made.fees) == (D("0.2"), D(12002), D(12002) * FEE)
    assert made.direction.entry is side
    assert made.id == PositionId(entry.decision_id)
    assert (made.opened_at, made.playbook, made.guard) == (entry.created_at, "desk", Guard.CONFIRMED)
    assert (made.plan, made.protection) == (entry.plan, entry.protection)


def test_an_entry_that_counts_on_no_price_makes_none() -> None:
    with pytest.raises(BadRecord, match="counts on no price"):
        shadow.opened(an_order(), an_instrument(), playbook="desk")


# --- left -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "mark", "reason", "price"),
    [
        (Direction.LONG, "58500", ExitReason.STOP_LOSS, "58490"),  # the bid: a taker pays the spread
        (Direction.LONG, "57000", ExitReason.STOP_LOSS, "56990"),  # through the stop: no better than the quote
        (Direction.LONG, "63000", ExitReason.TAKE_PROFIT, "62990"),
        (Direction.LONG, "64000", ExitReason.TAKE_PROFIT, "63000"),  # never better than the target itself
        (Direction.SHORT, "61500", ExitReason.STOP_LOSS, "61510"),
        (Direction.SHORT, "57000", ExitReason.TAKE_PROFIT, "57010"),
        (Direction.SHORT, "56000", ExitReason.TAKE_PROFIT, "57000"),
    ],
)
def test_it_is_left_at_the_touch(direction: Direction, mark: str, reason: ExitReason, price: str) -> None:
    position = a_shadow(direction)
    trade = shadow.guarded(position, at(mark))
    assert isinstance(trade, Trade)
    assert (trade.reason, trade.exit) == (reason, D(price))
    assert trade.fees == position.fees + D(price) * position.quantity * FEE
    assert trade.gross == (D(price) - 60000) * position.quantity * direction.sign
    assert trade.funding == 0
    assert trade == followed(position, at(mark))


@pytest.mark.parametrize(
    ("direction", "mark"), [(Direction.LONG, "58500.1"), (Direction.LONG, "62999.9"), (Direction.SHORT, "61499.9")]
)
def test_just_not_at_a_level_it_stays(direction: Direction, mark: str) -> None:
    position = a_shadow(direction)
    assert shadow.guarded(position, at(mark)) is None
    assert followed(position, at(mark)) == position


def test_a_part_is_closed_and_the_rest_goes_on_and_the_sums_are_of_both() -> None:
    position = a_shadow(partials=(Partial(at=D("0.02"), share=D("0.5")),))
    left = followed(position, at("61200"))
    assert isinstance(left, Position)
    assert (left.quantity, left.memory.partials) == (D("0.05"), 1)
    assert followed(left, at("61200")) == left  # once
    trade = followed(left, at("58500"))
    assert isinstance(trade, Trade)
    assert trade.gross == (D(61190) - 60000) * D("0.05") + (D(58490) - 60000) * D("0.05")
    assert trade.fees == position.fees + (D(61190) + D(58490)) * D("0.05") * FEE


def test_a_part_that_is_all_of_it_closes_it() -> None:
    trade = followed(a_shadow(partials=(Partial(at=D("0.02"), share=D(1)),)), at("61200"))
    assert isinstance(trade, Trade)
    assert trade.reason is ExitReason.PARTIAL


def test_its_stop_moves_without_a_venue_and_names_the_exit() -> None:
    position = a_shadow(break_even=D("0.01"))
    moved = followed(position, at("60600"))
    assert isinstance(moved, Position)
    assert moved.protection.stop > 60000
    trade = shadow.guarded(moved, at("60000"))
    assert isinstance(trade, Trade)
    assert trade.reason is ExitReason.BREAK_EVEN


def test_a_trailing_stop_follows_the_best_mark() -> None:
    trailing = Trailing(
        arm=D("0.015"), step=D("0.0005"), trend=D("0.02"), range=D("0.015"), chop=D("0.01"), volatile=D("0.025")
    )
    position: Position | Trade = a_shadow(trailing=trailing)
    for mark in ("60900", "62000"):
        assert isinstance(position, Position)
        position = followed(position, at(mark))
    assert isinstance(position, Position)
    assert (position.memory.best, position.protection.stop) == (D(62000), D(61380))  # 1 %: the regime is not known
    trade = followed(position, at("61380"))
    assert isinstance(trade, Trade)
    assert trade.reason is ExitReason.TRAILING_STOP


marks = st.lists(st.integers(57000, 64000).map(str), max_size=12)


@settings(max_examples=40, deadline=None)
@given(marks, st.sampled_from(Direction), st.booleans())
def test_it_closes_exactly_what_was_entered_and_never_gains_by_the_spread(
    path: list[str], direction: Direction, parts: bool
) -> None:
    partials = (Partial(at=D("0.01"), share=D("0.25")), Partial(at=D("0.02"), share=D("0.5"))) if parts else ()
    protection = a_protection() if direction is Direction.LONG else a_protection("61500", "57000")
    position: Position | Trade = replace(a_shadow(direction, partials=partials), protection=protection)
    open_before = D("0.1")
    for mark in path:
        if isinstance(position, Trade):
            break
        assert position.quantity <= open_before
        open_before = position.quantity
        dear, cheap = followed(position, at(mark)), followed(position, at(mark, spread="0"))
        if isinstance(dear, Trade) and isinstance(cheap, Trade):
            assert dear.net <= cheap.net  # the same where both are at the target
        position = dear
    if isinstance(position, Trade):
        assert position.quantity == D("0.1")
        assert position.net == position.gross - position.fees


# --- by the desk ------------------------------------------------------------------------------------------------------

CALM = [60000 + n / 2 for n in range(80)]
TOP = CALM[-1]


def a_learner(**changes: Any) -> Playbook:
    return a_house(
        expectancy={"windows": (3,), "enough": 3, "shadow": 30},
        schedule={"look_again": False},
        exits={**BARE, **changes},
    )


async def a_stopped_desk(*bars: Bar, playbook: Playbook | None = None) -> Bench:
    """At the last bar of a calm trend, with nothing but losses behind it."""
    bench = await a_desk(a_series([*CALM, *bars]), playbook=playbook or a_learner(), start="1000000")
    bench.desk.book.note(evidence={"desk": Evidence(trades=(D(-3),) * 3, stopped=True)})
    await bench.step(len(CALM) - 1)
    bench.script.long()
    return bench


async def test_a_stopped_desk_sends_nothing_and_follows_one_shadow_on_an_instrument() -> None:
    bench = await a_stopped_desk(*[TOP] * 5)
    for _ in range(3):
        await bench.decide()
        await bench.step()
    assert not bench.trouble.sent()
    assert [type(d.decision.gate) for d in bench.told(DecisionMade)] == [Denied] * 3
    assert len(bench.told(ShadowOpened)) == len(bench.desk.status().shadow) == 1
    assert bench.desk.status().equity == 1_000_000
    assert bench.desk.book.taken() == frozenset()


async def test_a_decision_denied_for_another_reason_opens_none() -> None:
    bench = await a_stopped_desk(TOP, playbook=a_learner().model_copy(update={"universe": ("ETH",)}))
    await bench.decide()
    assert not bench.told(ShadowOpened)
    halted = await a_stopped_desk(TOP)
    await halted.desk.obey(Halt(by="the owner"))
    await halted.decide()
    assert not halted.told(ShadowOpened)


async def test_it_is_opened_in_the_same_transaction_as_its_decision() -> None:
    bench = await a_stopped_desk(TOP, TOP)
    bench.journal.refusing = True
    await bench.decide()
    assert bench.desk.status().shadow == ()
    assert not bench.told(DecisionMade)
    written = await a_stopped_desk(TOP, TOP)
    await written.decide()
    assert written.kinds()[-2:] == ["DecisionMade", "ShadowOpened"]
    assert written.journal.state.shadow == written.desk.status().shadow


async def test_where_its_data_end_it_is_settled_at_the_last_price() -> None:
    btc, eth = two_markets(btc=[*CALM, TOP], eth=[3000.0] * 90)
    bench = await a_desk(btc, eth, playbook=a_learner(), start="1000000")
    bench.desk.book.note(evidence={"desk": Evidence(trades=(D(-3),) * 3, stopped=True)})
    await bench.step(len(CALM) - 1)
    bench.script.long()
    await bench.decide()
    await bench.step(5)
    (closed,) = bench.told(ShadowClosed)
    assert (closed.trade.symbol, closed.trade.reason) == (BTC, ExitReason.END_OF_DATA)
    assert ETH not in {p.symbol for p in bench.desk.status().shadow}


# A path on which the trailing stop arms and moves, parts are closed and the stop is reached.
PATH: list[Bar] = [TOP * f for f in (1.004, 1.012, 1.018, 1.026, 1.024, 1.045, 1.047, 1.03, 1.02)]
RICH = {
    "break_even": D("0.01"),
    "trailing": {},
    "partials": ({"at": D("0.02"), "share": D("0.25")}, {"at": D("0.04"), "share": D("0.5")}),
    "take_profit": D("0.2"),
}


async def walked(restarts: frozenset[int]) -> tuple[list[Trade], list[Event]]:
    bench = await a_stopped_desk(*PATH, TOP, playbook=a_learner(**RICH))
    await bench.decide()
    bench.script.wait()
    for n in range(len(PATH)):
        if n in restarts:
            await bench.restart()
        await bench.step()
    told = [e for e in bench.journal.events if not isinstance(e, DeskStarted)]
    return [e.trade for e in bench.told(ShadowClosed)], told


@settings(max_examples=5, deadline=None)
@given(st.frozensets(st.integers(0, len(PATH) - 1)))
async def test_restarts_anywhere_change_nothing(restarts: frozenset[int]) -> None:
    trades, told = await walked(frozenset())
    assert [t.reason for t in trades] == [ExitReason.TRAILING_STOP]
    assert await walked(restarts) == (trades, told)
