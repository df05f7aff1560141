"""What each event teaches, and what teaches nothing; the same lesson in the same transaction."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.builders import BTC, NOW, a_fill, a_position, a_trade, an_order
from tests.desks import a_desk, a_house
from trading.events import (
    Event,
    FundingPaid,
    OrderEnded,
    OrderFilled,
    PlaybookChanged,
    ShadowClosed,
    ShadowOpened,
    SizingChanged,
    TradeClosed,
)
from trading.lessons import learned
from trading.model import FundingPayment, Leg, OrderStatus, PositionId, Side
from trading.playbook import Playbook
from trading.ports import RECENT
from trading.risk.expectancy import Evidence, Method
from trading.state import DeskState, Samples

D = Decimal
MINUTE = timedelta(minutes=1)
LEARNS = a_house(expectancy={"windows": (3,), "enough": 3, "shadow": 3})
PLAIN = a_house()


def a_state(**changes: Any) -> DeskState:
    return DeskState(desk="test", playbook="desk", start_equity=D(10000), **changes)


def after(state: DeskState, *events: Event, playbook: Playbook = LEARNS) -> dict[str, Any]:
    return learned(state, events, playbook).changes


def filled(price: str, expected: str | None, side: Side = Side.BUY, **changes: Any) -> OrderFilled:
    order = an_order(side=side, expected=None if expected is None else D(expected), **changes)
    return OrderFilled(at=NOW, order=order, fill=a_fill(side=side, price=price))


def ended(status: OrderStatus, *, leg: Leg = Leg.ENTRY, withdrawn: bool = False, minutes: int = 0) -> OrderEnded:
    at = NOW + minutes * MINUTE
    return OrderEnded(at=at, order=an_order(leg=leg).to(status, at=at), withdrawn=withdrawn)


def closed(net: str, *, playbook: str = "desk", number: int = 0) -> TradeClosed:
    return TradeClosed(at=NOW, trade=a_trade(net, playbook=playbook, number=number), equity=D(10000))


def shadow_closed(net: str, *, playbook: str = "desk", number: int = 0) -> ShadowClosed:
    return ShadowClosed(at=NOW, trade=a_trade(net, playbook=playbook, number=number))


def a_shadow(number: int) -> Any:
    return a_position(id=PositionId(f"btc-{number:08}"))


# --- fills: what prices cost more than expected -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "price", "slipped"),
    [
        (Side.BUY, "60060", "0.001"),
        (Side.BUY, "59940", "-0.001"),
        (Side.SELL, "59940", "0.001"),
        (Side.SELL, "60060", "-0.001"),
        (Side.SELL, "60000", "0"),
    ],
)
@pytest.mark.parametrize("leg", Leg)
def test_worse_than_expected_is_positive_for_both_sides_and_every_leg(
    side: Side, price: str, slipped: str, leg: Leg
) -> None:
    samples = after(a_state(), filled(price, "60000", side, leg=leg))["samples"]
    assert (samples.slippages, samples.last_fill) == ((D(slipped),), "000000000001")


def test_a_fill_that_nothing_was_expected_of_says_nothing() -> None:
    assert after(a_state(), filled("60000", None)) == {}


def test_the_last_ten_fills_are_kept() -> None:
    full = a_state(samples=Samples(slippages=tuple(D(n) for n in range(10)), last_fill="x"))
    assert after(full, filled("60000", "60000"))["samples"].slippages == (*(D(n) for n in range(1, 10)), D(0))


# --- orders that failed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [s for s in OrderStatus if s in (OrderStatus.REJECTED, OrderStatus.ABANDONED)])
@pytest.mark.parametrize("leg", [Leg.ENTRY, Leg.PARTIAL, Leg.CLOSE])
def test_an_order_refused_or_lost_has_failed(status: OrderStatus, leg: Leg) -> None:
    assert after(a_state(), ended(status, leg=leg))["samples"].failures == (NOW,)


@pytest.mark.parametrize(
    "event",
    [
        ended(OrderStatus.CANCELLED),
        ended(OrderStatus.EXPIRED),
        ended(OrderStatus.ABANDONED, withdrawn=True),
        ended(OrderStatus.ABANDONED, leg=Leg.STOP),
        ended(OrderStatus.REJECTED, leg=Leg.TARGET),
    ],
)
def test_an_order_taken_back_or_a_guard_that_went_with_its_entry_has_not(event: OrderEnded) -> None:
    assert after(a_state(), event) == {}


def test_failures_are_kept_as_long_as_they_can_count() -> None:
    state = a_state(samples=Samples(failures=(NOW, NOW + timedelta(microseconds=1))))
    samples = after(state, ended(OrderStatus.REJECTED, minutes=5))["samples"]
    assert samples.failures == (NOW + timedelta(microseconds=1), NOW + 5 * MINUTE)


# --- trades -----------------------------------------------------------------------------------------------------------


def test_a_closed_trade_is_evidence_of_its_playbook() -> None:
    assert after(a_state(), closed("-3")) == {"evidence": {"desk": Evidence(trades=(D(-3),))}}


@pytest.mark.parametrize(
    ("event", "playbook"),
    [
        (closed("-3"), PLAIN),  # does not size by evidence
        (closed("-3", playbook="sigma"), LEARNS),  # of another one, which does not run
        (shadow_closed("3", playbook="sigma"), LEARNS),
        (FundingPaid(at=NOW, payment=FundingPayment(id="1", symbol=BTC, at=NOW, rate=D(0), amount=D(1)),
                     position_id=PositionId("x")), LEARNS),
    ],
)  # fmt: skip
def test_what_no_running_policy_can_judge_teaches_nothing(event: Event, playbook: Playbook) -> None:
    assert learned(a_state(), [event], playbook).changes == {}


def test_evidence_of_another_playbook_stays_as_it_was() -> None:
    state = a_state(evidence={"sigma": Evidence(trades=(D(5),))})
    assert after(state, closed("1"))["evidence"]["sigma"] == Evidence(trades=(D(5),))


def test_the_way_of_sizing_is_told_when_it_changes_and_only_then() -> None:
    state = a_state(evidence={"desk": Evidence(trades=(D(-3), D(-3)))})
    (event,) = learned(state, [closed("-3")], LEARNS).events
    assert isinstance(event, SizingChanged)
    assert (event.before, event.after, event.playbook) == (Method.EXPLORATION, Method.STOPPED, "desk")
    assert "no real size since E was not above 0" in event.note
    assert learned(a_state(), [closed("-3")], LEARNS).events == ()


# --- shadow trades ----------------------------------------------------------------------------------------------------

STOPPED = Evidence(trades=(D(-3),) * 3, stopped=True)


def test_a_shadow_trade_is_followed_from_its_opening_to_its_close() -> None:
    state = a_state(evidence={"desk": STOPPED}, shadow=(a_shadow(1),))
    assert after(state, ShadowOpened(at=NOW, position=a_shadow(2))) == {"shadow": (a_shadow(1), a_shadow(2))}
    changes = after(state, shadow_closed("2", number=1))
    assert changes["shadow"] == ()
    assert changes["evidence"]["desk"].shadow == (D(2),)


def test_the_shadow_trade_that_leads_back_drops_the_others() -> None:
    turning = Evidence(trades=(D(-3),) * 3, shadow=(D(-1), D(1)), stopped=True)
    state = a_state(evidence={"desk": turning}, shadow=(a_shadow(1), a_shadow(2), a_shadow(3)))
    lesson = learned(state, [shadow_closed("1", number=1)], LEARNS)
    assert lesson.changes == {"evidence": {"desk": Evidence(returns=1)}, "shadow": ()}
    (event,) = lesson.events
    assert isinstance(event, SizingChanged)
    assert (event.before, event.after) == (Method.STOPPED, Method.RETURNING)
    assert event.note.endswith("2 open shadow trades are followed no longer")


def test_another_playbook_begins_without_the_shadow_and_the_health_of_the_last() -> None:
    state = a_state(evidence={"desk": STOPPED}, shadow=(a_shadow(1),))
    changed = PlaybookChanged(at=NOW, by="the owner", before="desk", after="sigma", kept=())
    assert after(state, changed) == {"shadow": ()}


# --- the same transaction ---------------------------------------------------------------------------------------------


async def test_a_lesson_is_written_with_its_event_or_not_at_all() -> None:
    bench = await a_desk(playbook=LEARNS)
    book = bench.desk.book
    bench.journal.refusing = True
    with pytest.raises(Exception, match="the disk is full"):
        await book.commit([ended(OrderStatus.REJECTED)])
    assert book.state.samples.failures == ()
    bench.journal.refusing = False
    await book.commit([ended(OrderStatus.REJECTED)])
    assert book.state.samples.failures == bench.journal.state.samples.failures == (NOW,)


async def test_what_is_measured_while_a_lesson_is_written_is_not_lost() -> None:
    bench = await a_desk()
    book = bench.desk.book
    bench.journal.slow = asyncio.Event()
    writing = asyncio.create_task(book.commit([ended(OrderStatus.REJECTED)]))
    await asyncio.sleep(0)
    book.timed(D("1.5"))
    bench.journal.slow.set()
    await writing
    assert book.state.samples.failures == (NOW,)
    assert book.state.samples.latencies[-1] == D("1.5")


async def test_what_is_noted_is_written_by_the_next_transaction_and_once() -> None:
    bench = await a_desk()
    book, event = bench.desk.book, ended(OrderStatus.CANCELLED)
    book.note(event, rounds=7)
    assert event not in bench.journal.events
    bench.journal.refusing = True
    with pytest.raises(Exception, match="the disk is full"):
        await book.commit([])
    bench.journal.refusing = False
    await book.commit([])
    await book.commit([])
    assert bench.journal.events.count(event) == 1
    assert bench.journal.state.rounds == 7


async def test_the_last_closed_trades_are_at_hand_and_come_back_after_a_restart() -> None:
    bench = await a_desk()
    trades = [a_trade("1", number=n) for n in range(RECENT + 1)]
    for trade in trades:
        await bench.desk.book.commit([], [trade])
    assert bench.desk.book.trades == tuple(trades[1:])
    await bench.restart()
    assert bench.desk.book.trades == tuple(trades[1:])
