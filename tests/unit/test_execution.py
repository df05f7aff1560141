"""From an intent to a closed trade, with everything that a venue can do to it on the way."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from storage.database import Database
from storage.journal import SqlJournal
from tests.builders import BTC, ETH, a_fill, a_position, a_quote, an_order
from tests.desks import HOUR, Bench, MemoryJournal, a_desk, a_funding, a_house, a_series, payments, two_markets, until
from trading.clock import SystemClock
from trading.errors import OrderRejected, UnknownOutcome, VenueDown
from trading.events import (
    ExitTriggered,
    OrderEnded,
    OrderFilled,
    OrderIntended,
    OrderUncertain,
    PartialTriggered,
    PositionOpened,
    ProtectionConfirmed,
    ProtectionFailed,
    StopMoved,
    StopNotMoved,
    TradeClosed,
)
from trading.exit_plan import StopKind, StopMove
from trading.guarding import guard_levels, guards
from trading.messages import Decide, Halt, OrderReport
from trading.model import ClientId, ExitReason, Guard, Leg, Order, OrderKind, OrderStatus, Side, Symbol
from trading.playbook import Playbook
from trading.steps import Reduce
from trading.venues.paper_rules import PaperRules

D = Decimal
TIMED_OUT = UnknownOutcome("no answer within 10 s")


async def nothing_is_left(bench: Bench) -> bool:
    """Neither the desk nor the venue knows of anything open or working."""
    book = bench.desk.book
    return not (book.orders or book.positions or await bench.held() or await bench.working() or bench.desk.faults)


def statuses(bench: Bench, leg: Leg) -> list[OrderStatus]:
    """How the last order of this leg went, as the journal has it."""
    last = [o.client_id for o in bench.journal.orders.values() if o.leg is leg][-1]
    return bench.journal.history[last]


# --- the way in -------------------------------------------------------------------------------------------------------


async def test_the_intents_are_in_the_journal_before_the_request_leaves() -> None:
    bench = await a_desk()
    found: list[set[ClientId]] = []

    async def look(order: Order | None) -> None:
        remembered = await bench.journal.load()
        told = {e.order.client_id for e in bench.told(OrderIntended)}
        found.append({o.client_id for o in remembered.orders if o.status is OrderStatus.INTENDED} & told)

    bench.trouble.on("submit", look)
    position = await bench.enter()
    (entry,) = bench.trouble.sent(Leg.ENTRY)
    assert found == [{entry.client_id, position.protection.stop_id, position.protection.target_id}]


async def test_the_intents_are_in_the_database_before_the_request_leaves(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "desk.db")
    bench = await a_desk(journal=SqlJournal(database, route=lambda _: [], wall=SystemClock()))
    found: list[list[Leg]] = []

    async def look(order: Order | None) -> None:
        remembered = await bench.journal.load()
        assert {o.status for o in remembered.orders} == {OrderStatus.INTENDED}
        found.append(sorted(o.leg for o in remembered.orders))

    bench.trouble.on("submit", look)
    await bench.enter()
    assert found == [[Leg.ENTRY, Leg.STOP, Leg.TARGET]]
    await bench.desk.stop("done")
    await database.close()


async def test_an_entry_goes_from_intent_to_confirmed_protection() -> None:
    bench = await a_desk()
    position = await bench.enter()
    assert position.guard is Guard.CONFIRMED
    assert statuses(bench, Leg.ENTRY) == [OrderStatus.INTENDED, OrderStatus.OPEN, OrderStatus.FILLED]
    assert await bench.held() == {BTC: position.quantity}
    assert await bench.working() == {position.protection.stop_id, position.protection.target_id}
    wanted = ["OrderIntended"] * 3 + ["OrderSent", "OrderFilled", "PositionOpened", "ProtectionConfirmed"]
    assert bench.kinds()[-7:] == wanted


async def test_a_short_is_guarded_on_the_other_sides() -> None:
    bench = await a_desk()
    bench.script.short()
    await bench.decide()
    position = bench.desk.book.on(BTC)
    assert position
    assert position.protection.target < position.entry < position.protection.stop
    assert (await bench.held())[BTC] == -position.quantity
    assert position.guard is Guard.CONFIRMED


async def test_a_rejected_entry_leaves_nothing_behind() -> None:
    bench = await a_desk()
    bench.trouble.on("submit", OrderRejected("insufficient margin", code="insufficient_margin"))
    bench.script.long()
    await bench.decide()
    assert await nothing_is_left(bench)
    (ended,) = bench.told(OrderEnded)
    assert (ended.order.status, ended.order.note) == (OrderStatus.REJECTED, "insufficient margin")
    assert all(o.status.final for o in bench.journal.orders.values())
    await bench.step()
    await bench.decide()
    assert bench.desk.book.on(BTC), "the slot is free again"


async def test_an_entry_that_could_not_leave_is_abandoned_at_once() -> None:
    bench = await a_desk()
    bench.trouble.on("submit", VenueDown("no route"))
    bench.script.long()
    await bench.decide()
    assert await nothing_is_left(bench)
    assert statuses(bench, Leg.ENTRY) == [OrderStatus.INTENDED, OrderStatus.ABANDONED]


async def test_a_time_out_after_acceptance_is_looked_up_and_never_sent_again() -> None:
    bench = await a_desk()
    bench.trouble.lose_updates = True
    bench.trouble.on("submit", TIMED_OUT, when="after")
    bench.script.long()
    await bench.decide()
    assert len(bench.told(OrderUncertain)) == 1
    assert bench.desk.book.on(BTC) is None
    await bench.step()
    position = bench.desk.book.on(BTC)
    assert position
    assert position.guard is Guard.CONFIRMED
    assert (await bench.held())[BTC] == position.quantity
    await bench.step(60)
    assert len(bench.trouble.sent(Leg.ENTRY)) == 1
    assert not bench.desk.faults


async def test_a_time_out_after_acceptance_whose_look_up_fails_keeps_its_guard() -> None:
    """The stop and target of an entry that may be filled are no leftovers."""
    bench = await a_desk()
    bench.trouble.lose_updates = True
    bench.trouble.on("submit", TIMED_OUT, when="after")
    bench.trouble.on("order", VenueDown("no route"), times=3)
    bench.script.long()
    await bench.decide()
    await bench.step(3)
    assert bench.desk.book.on(BTC) is None
    assert len(await bench.working()) == 2
    await bench.step()
    position = bench.desk.book.on(BTC)
    assert position
    assert position.guard is Guard.CONFIRMED
    assert not bench.desk.faults


async def test_a_time_out_before_acceptance_is_abandoned_after_the_look_up_and_frees_the_slot() -> None:
    bench = await a_desk()
    bench.trouble.on("submit", TIMED_OUT)
    bench.script.long()
    await bench.decide()
    await bench.step(29)
    assert BTC in bench.desk.book.taken(), "it may still turn up"
    assert len(bench.desk.book.entries()) == 1
    await bench.step(1)
    assert await nothing_is_left(bench)
    assert statuses(bench, Leg.ENTRY) == [OrderStatus.INTENDED, OrderStatus.UNKNOWN, OrderStatus.ABANDONED]
    assert len(bench.trouble.sent()) == 1
    await bench.decide()
    assert bench.desk.book.on(BTC)


async def test_an_id_the_venue_knows_already_is_looked_up_and_not_taken_for_a_refusal() -> None:
    bench = await a_desk()
    bench.trouble.on("submit", OrderRejected("already known", code="duplicate"), when="after")
    bench.script.long()
    await bench.decide()
    assert len(bench.told(OrderUncertain)) == 1
    await bench.step()
    assert bench.desk.book.on(BTC)
    assert not bench.told(OrderEnded)


async def test_a_crash_between_intent_and_request_is_undone_at_the_next_start() -> None:
    bench = await a_desk()
    bench.trouble.on("submit", asyncio.Event())
    bench.script.long()
    await bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule"))
    await until(lambda: bool(bench.trouble.sent()))
    await bench.restart()
    await bench.step()
    assert await nothing_is_left(bench)
    assert statuses(bench, Leg.ENTRY) == [OrderStatus.INTENDED, OrderStatus.ABANDONED]
    assert len(bench.trouble.sent()) == 1
    await bench.decide()
    assert bench.desk.book.on(BTC)


async def test_a_crash_between_request_and_answer_finds_the_position_at_the_next_start() -> None:
    bench = await a_desk()
    bench.trouble.on("submit", asyncio.Event(), when="after")
    bench.script.long()
    await bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule"))
    await until(lambda: BTC in bench.venue._account.positions)
    bench.trouble.lose_updates = True
    await bench.restart()
    position = bench.desk.book.on(BTC)
    assert position
    assert position.guard is Guard.CONFIRMED
    assert len(bench.trouble.sent()) == 1
    assert not bench.desk.frozen


async def test_the_same_moment_is_not_decided_twice_after_a_crash() -> None:
    bench = await a_desk()
    await bench.enter()
    await bench.restart()
    bench.script.long()
    await bench.decide()
    assert len(bench.journal.decisions) == 1
    assert len(bench.trouble.sent()) == 1


async def test_an_answer_that_comes_after_the_fill_does_not_bring_the_order_back() -> None:
    """The fill is read by a reconciliation while the venue's answer is still on its way."""
    bench = await a_desk()
    answer, reading = asyncio.Event(), asyncio.Event()
    bench.trouble.lose_updates = True
    bench.trouble.on("fills", reading)
    bench.trouble.on("submit", answer, when="after")
    looking = asyncio.create_task(bench.desk.reconciler.run())
    bench.script.long()
    await bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule"))
    await until(lambda: BTC in bench.venue._account.positions)
    reading.set()
    await until(lambda: ("funding", None) in bench.trouble.calls[-1:])
    answer.set()
    await looking
    await bench.desk.settle()
    position = bench.desk.book.on(BTC)
    assert position
    legs = sorted(o.leg for o in bench.desk.book.orders.values())
    assert legs == [Leg.STOP, Leg.TARGET], "a filled entry is done"
    assert not bench.desk.faults


async def test_an_intent_that_was_given_up_is_not_sent_afterwards() -> None:
    """Time passes while the journal is still writing the intent: it is looked up, and must not be sent as well."""
    bench = await a_desk()
    bench.journal.slow = asyncio.Event()
    bench.script.long()
    await bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule"))
    await until(lambda: bool(bench.desk.book.orders))
    bench.clock.advance(timedelta(seconds=60))
    bench.desk.on_time()
    await until(lambda: "order" in [call for call, _ in bench.trouble.calls])
    bench.journal.slow.set()
    bench.journal.slow = None
    await bench.desk.settle()
    entry = next(o for o in bench.journal.orders.values() if o.leg is Leg.ENTRY)
    sent = bool(bench.trouble.sent())
    assert sent != (entry.status is OrderStatus.ABANDONED)
    assert bool(await bench.held()) == bool(bench.desk.book.positions)
    assert not bench.desk.faults


async def test_a_partial_fill_is_protected_for_what_was_filled() -> None:
    bench = await a_desk(a_series([60000] * 60, volume=0.1))
    position = await bench.enter()
    assert position.quantity == D("0.1") < bench.trouble.sent(Leg.ENTRY)[0].quantity
    assert position.guard is Guard.CONFIRMED
    guards = list(bench.desk.book.orders.values())
    assert [(o.leg, o.quantity) for o in guards] == [(Leg.STOP, D("0.1")), (Leg.TARGET, D("0.1"))]
    assert statuses(bench, Leg.ENTRY)[-2:] == [OrderStatus.PARTLY_FILLED, OrderStatus.EXPIRED]
    assert BTC in bench.desk.book.taken()
    await bench.step(30)
    assert bench.desk.book.on(BTC) == position


async def test_an_entry_of_which_nothing_filled_leaves_nothing_behind() -> None:
    bench = await a_desk(a_series([60000] * 60, volume=0.0005))
    bench.script.long()
    await bench.decide()
    assert await nothing_is_left(bench)
    assert statuses(bench, Leg.ENTRY)[-1] is OrderStatus.EXPIRED


async def test_an_entry_of_which_nothing_filled_and_nothing_was_told_is_looked_up() -> None:
    bench = await a_desk(a_series([60000] * 60, volume=0.0005))
    bench.trouble.lose_updates = True
    bench.script.long()
    await bench.decide()
    await bench.step(4)
    assert bench.desk.book.entries()
    await bench.step(1)
    assert await nothing_is_left(bench)


# --- protection -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [2, 6, 9])
async def test_protection_that_shows_late_is_waited_for(seconds: int) -> None:
    bench = await a_desk()
    bench.trouble.visible_after = timedelta(seconds=seconds)
    position = await bench.enter()
    assert position.guard is Guard.PENDING
    await bench.step(seconds - 1)
    assert not bench.told(ProtectionConfirmed)
    await bench.step(1)
    assert len(bench.told(ProtectionConfirmed)) == 1
    await bench.step(20)
    assert len(bench.told(ProtectionConfirmed)) == 1
    assert not bench.told(ProtectionFailed)
    assert bench.desk.book.on(BTC)


async def test_protection_that_does_not_show_within_10_s_closes_the_position() -> None:
    bench = await a_desk()
    bench.trouble.visible_after = HOUR
    await bench.enter()
    await bench.step(9)
    assert bench.desk.book.on(BTC)
    await bench.step(1)
    (trade,) = bench.trades
    assert trade.reason is ExitReason.UNPROTECTED
    assert "were not seen" in trade.note
    assert len(bench.told(ProtectionFailed)) == 1
    assert await nothing_is_left(bench)


async def test_a_stop_at_the_targets_level_is_no_guard() -> None:
    position = a_position()
    guard = position.protection
    at_target = an_order(client_id=guard.stop_id, side=Side.SELL, kind=OrderKind.STOP, trigger=guard.target, price=None)
    stop = replace(at_target, reduce_only=True, leg=Leg.STOP, protection=None, plan=None)
    assert not guards(position, stop, (guard.stop,))
    assert guards(position, replace(stop, trigger=guard.stop), (guard.stop,))


async def test_protection_that_cannot_be_read_is_no_protection() -> None:
    bench = await a_desk()
    bench.trouble.on("open_orders", VenueDown("no route"), times=1000)
    await bench.enter()
    await bench.step(10)
    assert [(t.reason, "could not be read" in t.note) for t in bench.trades] == [(ExitReason.UNPROTECTED, True)]


async def test_a_restart_does_not_begin_the_ten_seconds_anew() -> None:
    bench = await a_desk()
    bench.trouble.visible_after = HOUR
    await bench.enter()
    await bench.step(8)
    await bench.restart()
    assert bench.desk.book.on(BTC)
    await bench.step(2)
    assert [t.reason for t in bench.trades] == [ExitReason.UNPROTECTED]


@pytest.mark.parametrize("leg", [Leg.STOP, Leg.TARGET])
async def test_a_guard_cancelled_by_a_strangers_hand_is_missed_and_the_position_closed(leg: Leg) -> None:
    bench = await a_desk()
    position = await bench.enter()
    guard = position.protection.stop_id if leg is Leg.STOP else position.protection.target_id
    await bench.venue.cancel(BTC, guard)
    await bench.desk.settle()
    looked = bench.desk.book.on(BTC)
    assert looked
    assert looked.guard is Guard.PENDING
    await bench.step(10)
    (trade,) = bench.trades
    assert trade.reason is ExitReason.UNPROTECTED
    assert await nothing_is_left(bench)


async def test_a_guard_cancelled_unheard_is_missed_at_the_next_reconciliation() -> None:
    bench = await a_desk()
    position = await bench.enter()
    bench.trouble.lose_updates = True
    await bench.venue.cancel(BTC, position.protection.stop_id)
    await bench.sweep()
    await bench.step(16)  # ten seconds' patience, and five until the unheard close is looked up
    assert [t.reason for t in bench.trades] == [ExitReason.UNPROTECTED]


# --- the way out ------------------------------------------------------------------------------------------------------


async def test_a_stop_at_the_venue_closes_the_trade_with_its_reason() -> None:
    bench = await a_desk(a_series([60000, 60000, (60000, 60000, 58000, 58200), 58200]))
    await bench.enter()
    await bench.step(2)
    (trade,) = bench.trades
    assert (trade.reason, trade.exit) == (ExitReason.STOP_LOSS, D("58500"))
    assert trade.net == trade.gross - trade.fees == D("-1500") * trade.quantity - trade.fees
    assert D("-1.06") < trade.r < D("-1")  # the stop, and two taker fees of 0.05 %
    assert await nothing_is_left(bench), "the target went with it"


async def test_a_target_at_the_venue_closes_the_trade_with_its_reason() -> None:
    bench = await a_desk(a_series([60000, 60000, (60000, 64000, 60000, 62000), 62000]))
    await bench.enter()
    await bench.step(2)
    assert [(t.reason, t.exit) for t in bench.trades] == [(ExitReason.TAKE_PROFIT, D("63000"))]
    assert await nothing_is_left(bench)


async def test_what_is_closed_adds_up_to_the_wallet() -> None:
    bench = await a_desk(a_series([60000, 60000, (60000, 60000, 58000, 58200), 58200]))
    await bench.enter()
    await bench.step(2)
    (closed,) = bench.told(TradeClosed)
    wallet = (await bench.venue.balance()).wallet
    assert D(10000) + closed.trade.net == closed.equity == bench.desk.book.booked == wallet


async def test_a_stop_that_fills_in_two_parts_is_one_trade() -> None:
    """The bar's volume allows a part of it; the rest goes at the next open, and the desk does not get in the way."""
    calm = a_series([60000, 60000], volume=1e4)
    thin = a_series(
        [(58400, 58400, 58400, 58400), (58300, 58300, 58300, 58300), 58300],
        begins=calm.candle(1).closed_at,
        volume=0.1,
    )
    bench = await a_desk(type(calm).joined([calm, thin]))
    await bench.enter()
    await bench.step(2)
    position = bench.desk.book.on(BTC)
    assert position
    assert (position.quantity, position.closing) == (D("0.033"), ExitReason.STOP_LOSS)
    await bench.step(1)
    (trade,) = bench.trades
    assert trade.reason is ExitReason.STOP_LOSS
    assert trade.gross == D("0.1") * -1600 + D("0.033") * -1700
    assert not bench.trouble.sent(Leg.CLOSE)
    assert await nothing_is_left(bench)
    assert (await bench.venue.balance()).wallet == bench.desk.book.booked


async def test_a_close_that_fills_in_part_is_followed_by_another_for_the_rest() -> None:
    calm = a_series([60000] * 2)
    thin = a_series([60000] * 20, begins=calm.candle(1).closed_at, volume=0.1)
    bench = await a_desk(type(calm).joined([calm, thin]))
    position = await bench.enter()
    await bench.step(2)
    await bench.desk.execution.close(position, ExitReason.MANUAL, "by a test")
    await bench.desk.settle()
    left = bench.desk.book.on(BTC)
    assert left
    assert left.quantity == D("0.033")
    await bench.step(1)
    first, second = bench.trouble.sent(Leg.CLOSE)
    assert (first.quantity, second.quantity) == (D("0.133"), D("0.033"))
    assert first.client_id != second.client_id
    assert [t.reason for t in bench.trades] == [ExitReason.MANUAL]
    assert await nothing_is_left(bench)


async def test_a_close_that_could_not_leave_is_made_again() -> None:
    bench = await a_desk()
    position = await bench.enter()
    bench.trouble.on("submit", VenueDown("no route"), leg=Leg.CLOSE, times=3)
    await bench.desk.execution.close(position, ExitReason.MANUAL, "by a test")
    assert bench.desk.book.on(BTC)
    await bench.step(4)
    assert len(bench.trades) == 1
    assert len(bench.told(ExitTriggered)) == 1
    assert len({o.client_id for o in bench.trouble.sent(Leg.CLOSE)}) == 4
    assert await nothing_is_left(bench)


async def test_a_close_that_timed_out_after_acceptance_is_not_made_twice() -> None:
    bench = await a_desk()
    position = await bench.enter()
    bench.trouble.lose_updates = True
    bench.trouble.on("submit", TIMED_OUT, leg=Leg.CLOSE, when="after")
    await bench.desk.execution.close(position, ExitReason.MANUAL, "by a test")
    await bench.step(10)
    assert len(bench.trouble.sent(Leg.CLOSE)) == 1
    assert [t.reason for t in bench.trades] == [ExitReason.MANUAL]
    assert await nothing_is_left(bench)


async def test_a_close_that_timed_out_before_acceptance_is_made_again_after_the_look_up() -> None:
    bench = await a_desk()
    position = await bench.enter()
    bench.trouble.on("submit", TIMED_OUT, leg=Leg.CLOSE)
    await bench.desk.execution.close(position, ExitReason.MANUAL, "by a test")
    await bench.step(8)  # an entry is looked for much longer: a second one would double it
    first, second = bench.trouble.sent(Leg.CLOSE)
    assert first.client_id != second.client_id
    assert await nothing_is_left(bench)


async def test_a_restart_carries_a_decided_close_through() -> None:
    bench = await a_desk()
    position = await bench.enter()
    bench.trouble.on("submit", VenueDown("no route"), leg=Leg.CLOSE)
    await bench.desk.execution.close(position, ExitReason.MAX_HOLD, "held long enough")
    await bench.restart()
    await bench.step()
    (trade,) = bench.trades
    assert (trade.reason, trade.note) == (ExitReason.MAX_HOLD, "held long enough")
    assert await nothing_is_left(bench)


async def test_leftovers_are_cancelled_after_a_close() -> None:
    bench = await a_desk()
    position = await bench.enter()
    assert len(await bench.working()) == 2
    await bench.desk.execution.close(position, ExitReason.MANUAL, "by a test")
    await bench.desk.settle()
    assert await bench.working() == set()
    assert await nothing_is_left(bench)


async def test_an_instrument_with_leftovers_cannot_be_entered() -> None:
    bench = await a_desk()
    position = await bench.enter()
    bench.trouble.on("cancel", VenueDown("no route"), times=5)
    await bench.desk.execution.close(position, ExitReason.MANUAL, "by a test")
    await bench.desk.settle()
    assert len(bench.trades) == 1
    assert len(await bench.working()) == 2
    bench.script.long()
    await bench.decide()
    assert len(bench.trouble.sent(Leg.ENTRY)) == 1, "a leftover would meet the next position"
    await bench.step(3)
    assert await nothing_is_left(bench)
    await bench.decide()
    assert len(bench.trouble.sent(Leg.ENTRY)) == 2


async def test_liquidation_closes_the_trade_with_its_reason() -> None:
    bench = await a_desk(a_series([60000, 60000, 40000, 40000]))
    position = await bench.enter()
    await bench.step(2)
    (trade,) = bench.trades
    assert trade.reason is ExitReason.LIQUIDATION
    assert "10x" in trade.note
    assert trade.net >= -position.margin - position.fees
    assert (await bench.venue.balance()).wallet == bench.desk.book.booked
    assert await nothing_is_left(bench)


# --- the stop is moved ------------------------------------------------------------------------------------------------

# Up 1 %, where the stop goes to 60060.1, and then as the test wants.
UP = [60000, 60000, *[60700] * 12]


def break_even_house() -> Playbook:
    return a_house(exits={"break_even": "0.01"})


async def stop_of(bench: Bench) -> Order:
    """The one stop that works at the venue."""
    (stop,) = [t.order for t in bench.venue._account.all_resting() if t.order.kind is OrderKind.STOP]
    return stop


async def test_a_stop_is_moved_in_place_and_the_wish_is_in_the_journal_before() -> None:
    bench = await a_desk(a_series(UP), playbook=break_even_house())
    found: list[StopMove | None] = []

    async def look(order: Order | None) -> None:
        (kept,) = (await bench.journal.load()).positions
        assert order
        found.append(kept.moving)
        assert (order.trigger, kept.protection.stop) == (D(58500), D(58500)), "until then the old one stands"

    bench.trouble.on("amend", look)
    before = await bench.enter()
    await bench.step(3)
    assert [move and move.level for move in found] == [D("60060.1")]
    position = bench.desk.book.on(BTC)
    assert position
    assert (position.moving, position.protection.stop) == (None, D("60060.1"))
    assert (await stop_of(bench)).trigger == D("60060.1")
    assert (await stop_of(bench)).client_id == before.protection.stop_id
    assert bench.desk.book.orders[before.protection.stop_id].trigger == D("60060.1")
    (moved,) = bench.told(StopMoved)
    assert (moved.before, moved.kind, moved.position) == (D(58500), StopKind.BREAK_EVEN, position)
    assert [call for call, _ in bench.trouble.calls].count("amend") == 1
    await bench.step(4)
    assert len(bench.told(StopMoved)) == 1


async def test_a_moved_stop_that_fills_names_what_it_was_moved_for_and_costs_nothing() -> None:
    bench = await a_desk(a_series([*UP[:4], (60700, 60700, 59000, 59000), 59000]), playbook=break_even_house())
    position = await bench.enter()
    await bench.step(5)
    (trade,) = bench.trades
    assert (trade.reason, trade.exit) == (ExitReason.BREAK_EVEN, D("60060.1"))
    assert trade.note == "break-even stop at 60060.1 on the venue"
    assert 0 <= trade.net < D("0.1") * trade.quantity, "both fees are earned, to the tick"
    assert trade.r == (trade.net / (1500 * position.quantity)).quantize(D("0.0001")), "R is of the first stop"
    assert await nothing_is_left(bench)


@pytest.mark.parametrize("error", [VenueDown("no route"), TIMED_OUT])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_move_without_an_answer_is_asked_for_again_until_it_stands(error: Exception, when: str) -> None:
    if isinstance(error, VenueDown) and when == "after":
        return
    bench = await a_desk(a_series(UP), playbook=break_even_house())
    await bench.enter()
    bench.trouble.on("amend", error, when=when, times=4)
    bench.trouble.on("open_orders", VenueDown("no route"))
    await bench.step(2)
    position = bench.desk.book.on(BTC)
    assert position
    assert position.moving
    assert position.protection.stop == D(58500)
    assert (await stop_of(bench)).trigger == (D("60060.1") if when == "after" else D(58500))
    await bench.step(6)
    position = bench.desk.book.on(BTC)
    assert position
    assert (position.moving, position.protection.stop, position.guard) == (None, D("60060.1"), Guard.CONFIRMED)
    assert (await stop_of(bench)).trigger == D("60060.1")
    assert len(bench.told(StopMoved)) == 1
    assert not bench.told(ProtectionFailed)


async def test_a_move_that_cannot_be_read_back_waits() -> None:
    bench = await a_desk(a_series(UP), playbook=break_even_house())
    await bench.enter()
    bench.trouble.on("amend", TIMED_OUT, when="after")
    bench.trouble.on("open_orders", VenueDown("no route"), times=3)
    await bench.step(4)
    position = bench.desk.book.on(BTC)
    assert position
    assert position.moving
    await bench.step(1)
    assert len(bench.told(StopMoved)) == 1
    assert [call for call, _ in bench.trouble.calls].count("amend") == 1, "it was read, not asked for again"


async def test_a_refused_move_leaves_the_old_stop_and_is_not_asked_for_again_and_again() -> None:
    bench = await a_desk(a_series([*UP[:8], 60500, 60500, 60700, 60700, 60700]), playbook=break_even_house())
    await bench.enter()
    bench.trouble.on("amend", OrderRejected("not now", code="busy"))
    await bench.step(6)
    position = bench.desk.book.on(BTC)
    assert position
    assert (position.moving, position.protection.stop, position.guard) == (None, D(58500), Guard.CONFIRMED)
    (refused,) = bench.told(StopNotMoved)
    assert (refused.wanted, refused.reason, refused.position.memory.refused) == (D("60060.1"), "not now", D("60060.1"))
    assert (await stop_of(bench)).trigger == D(58500)
    await bench.step(4)
    assert len(bench.told(StopMoved)) == 1, "the move was reached anew"


async def test_a_stop_that_is_gone_when_it_is_to_be_moved_is_missed_and_the_position_closed() -> None:
    bench = await a_desk(a_series([*UP, *[60700] * 12]), playbook=break_even_house())
    position = await bench.enter()
    bench.trouble.lose_updates = True
    await bench.venue.cancel(BTC, position.protection.stop_id)
    bench.trouble.lose_updates = False
    await bench.step(2)
    assert len(bench.told(StopNotMoved)) == 1
    doubted = bench.desk.book.on(BTC)
    assert doubted
    assert doubted.guard is Guard.PENDING
    await bench.step(11)
    assert [t.reason for t in bench.trades] == [ExitReason.UNPROTECTED]
    assert await nothing_is_left(bench)


async def test_a_stop_that_is_gone_while_its_move_is_unanswered_is_missed() -> None:
    bench = await a_desk(a_series([*UP, *[60700] * 20]), playbook=break_even_house())
    position = await bench.enter()
    bench.trouble.on("amend", TIMED_OUT, times=99)
    await bench.step(2)
    bench.trouble.lose_updates = True
    await bench.venue.cancel(BTC, position.protection.stop_id)
    bench.trouble.lose_updates = False
    await bench.step(11)
    assert [t.reason for t in bench.trades] == [ExitReason.UNPROTECTED]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_crash_while_a_stop_is_moved_goes_on_with_it(when: str) -> None:
    bench = await a_desk(a_series(UP), playbook=break_even_house())
    await bench.enter()
    await bench.step()
    bench.trouble.on("amend", asyncio.Event(), when=when)
    playing = asyncio.create_task(bench.step())
    await until(lambda: "amend" in [call for call, _ in bench.trouble.calls])
    playing.cancel()
    await bench.restart()
    position = bench.desk.book.on(BTC)
    assert position
    assert position.moving
    await bench.step()
    position = bench.desk.book.on(BTC)
    assert position
    assert (position.moving, position.protection.stop) == (None, D("60060.1"))
    assert (await stop_of(bench)).trigger == D("60060.1")


async def test_a_guard_is_seen_at_either_level_while_its_stop_is_moved() -> None:
    position = a_position(moving=StopMove(level=D(59000), kind=StopKind.TRAILING, note=""))
    (stop_id, levels), (target_id, target) = guard_levels(position)
    assert (stop_id, levels) == (position.protection.stop_id, (D(58500), D(59000)))
    assert (target_id, target) == (position.protection.target_id, (D(63000),))


async def test_a_stop_is_confirmed_at_its_new_level_after_its_answer_was_lost() -> None:
    """The guard comes into doubt while the move is unanswered: at the venue it stands at the new level already."""
    bench = await a_desk(a_series(UP), playbook=break_even_house())
    position = await bench.enter()
    bench.trouble.on("amend", TIMED_OUT, when="after")
    await bench.step(2)
    await bench.desk.execution.doubt(position.id)
    await bench.step(2)
    now = bench.desk.book.on(BTC)
    assert now
    assert (now.guard, now.moving, now.protection.stop) == (Guard.CONFIRMED, None, D("60060.1"))


@pytest.mark.parametrize(
    ("low", "when", "reason", "exit_"),
    [
        (59000, "after", ExitReason.BREAK_EVEN, "60060.1"),  # it had arrived, unheard
        (58000, "before", ExitReason.STOP_LOSS, "58500"),  # it had not
    ],
)
async def test_a_stop_that_fills_while_its_move_is_unanswered_says_where_it_stood(
    low: int, when: str, reason: ExitReason, exit_: str
) -> None:
    bars = [*UP[:3], (60700, 60700, low, low), low, low]
    bench = await a_desk(a_series(bars), playbook=break_even_house())
    await bench.enter()
    bench.trouble.on("amend", TIMED_OUT, when=when, times=9)
    bench.trouble.on("open_orders", VenueDown("no route"), times=2)
    await bench.step(4)
    (trade,) = bench.trades
    assert (trade.reason, trade.exit) == (reason, D(exit_))
    assert exit_ in trade.note
    assert await nothing_is_left(bench)


async def test_a_move_that_is_under_way_is_dropped_when_the_position_is_closed() -> None:
    bench = await a_desk(a_series(UP), playbook=break_even_house())
    await bench.enter()
    bench.trouble.on("amend", TIMED_OUT, times=9)
    await bench.step(2)
    position = bench.desk.book.on(BTC)
    assert position
    assert position.moving
    await bench.desk.execution.close(position, ExitReason.MANUAL, "by a test")
    await bench.desk.settle()
    assert [t.reason for t in bench.trades] == [ExitReason.MANUAL]
    assert await nothing_is_left(bench)


# --- a part is closed -------------------------------------------------------------------------------------------------

PARTS = {"partials": [{"at": "0.02", "share": "0.25"}, {"at": "0.04", "share": "0.5"}]}
RISE = [60000, 60000, 61200, 61200, 62400, 62400, 62400]


async def part_bench(*bars: float | tuple[float, float, float, float], volume: float = 1e4) -> Bench:
    return await a_desk(a_series([*(bars or RISE)], volume=volume), playbook=a_house(exits=PARTS))


async def test_parts_are_closed_at_their_steps_with_ids_of_their_own() -> None:
    bench = await part_bench()
    entered = await bench.enter()
    await bench.step(5)
    position = bench.desk.book.on(BTC)
    assert position
    first, second = bench.trouble.sent(Leg.PARTIAL)
    assert (entered.quantity, first.quantity, second.quantity) == (D("0.133"), D("0.033"), D("0.066"))
    assert position.quantity == D("0.034")
    assert (await bench.held())[BTC] == D("0.034")
    assert [o.client_id[-2:] for o in (first, second)] == ["p0", "p1"]
    assert all(o.reduce_only and o.side is Side.SELL for o in (first, second))
    assert [e.quantity for e in bench.told(PartialTriggered)] == [first.quantity, second.quantity]
    assert (position.memory.partials, position.guard, position.closing) == (2, Guard.CONFIRMED, None)
    assert bench.desk.frozen == ""


async def test_the_intent_of_a_part_and_the_count_of_its_step_are_one_entry() -> None:
    bench = await part_bench()
    await bench.enter()
    found: list[tuple[int, list[OrderStatus]]] = []

    async def look(order: Order | None) -> None:
        kept = await bench.journal.load()
        parts = [o.status for o in kept.orders if o.leg is Leg.PARTIAL]
        found.append((kept.positions[0].memory.partials, parts))

    bench.trouble.on("submit", look, leg=Leg.PARTIAL)
    await bench.step(2)
    assert found == [(1, [OrderStatus.INTENDED])]


async def test_two_steps_that_are_reached_at_once_are_one_order() -> None:
    bench = await part_bench(60000, 60000, 62400, 62400)
    await bench.enter()
    await bench.step(3)
    (order,) = bench.trouble.sent(Leg.PARTIAL)
    assert (order.quantity, order.client_id[-2:]) == (D("0.099"), "p1")


async def test_while_one_part_is_on_its_way_no_other_is_sent() -> None:
    bench = await part_bench(60000, 60000, 61200, *[62400] * 45)
    await bench.enter()
    bench.trouble.on("submit", TIMED_OUT, leg=Leg.PARTIAL, when="after")
    bench.trouble.on("order", VenueDown("no route"), times=5)
    bench.trouble.lose_updates = True
    await bench.step(5)
    assert len(bench.trouble.sent(Leg.PARTIAL)) == 1
    await bench.step(10)
    assert [o.quantity for o in bench.trouble.sent(Leg.PARTIAL)] == [D("0.033"), D("0.066")]
    assert (await bench.held())[BTC] == D("0.034")


async def test_what_is_left_after_a_part_is_stopped_out_in_one_trade() -> None:
    bench = await part_bench(60000, 60000, 61200, 61200, (61200, 61200, 58000, 58000), 58000)
    await bench.enter()
    await bench.step(5)
    (trade,) = bench.trades
    assert (trade.reason, trade.quantity) == (ExitReason.STOP_LOSS, D("0.133"))
    assert trade.gross == D("0.033") * 1200 - D("0.100") * 1500
    assert statuses(bench, Leg.STOP)[-1] is OrderStatus.FILLED, "it was for more than was left, and did all it could"
    assert (await bench.venue.balance()).wallet == bench.desk.book.booked
    assert await nothing_is_left(bench)


async def test_a_last_step_that_closes_all_is_named_so() -> None:
    plan = {"partials": [{"at": "0.02", "share": "0.5"}, {"at": "0.04", "share": "0.5"}]}
    bench = await a_desk(a_series(RISE), playbook=a_house(exits=plan), step=D("0.001"), start="9023")
    position = await bench.enter()
    assert position.quantity == D("0.12")
    await bench.step(4)
    (trade,) = bench.trades
    assert (trade.reason, "50% at +4.00%" in trade.note) == (ExitReason.PARTIAL, True)
    assert await nothing_is_left(bench)


async def test_a_part_that_never_left_is_made_again_under_another_id_and_told_once() -> None:
    bench = await part_bench(60000, 60000, 61200, 61200, 61200, 61200, 61200)
    await bench.enter()
    bench.trouble.on("submit", VenueDown("no route"), leg=Leg.PARTIAL, times=2)
    await bench.step(5)
    sent = bench.trouble.sent(Leg.PARTIAL)
    assert len({o.client_id for o in sent}) == len(sent) == 3
    position = bench.desk.book.on(BTC)
    assert position
    assert position.quantity == D("0.1")
    assert len(bench.told(PartialTriggered)) == 1


async def test_a_part_that_never_left_is_not_made_where_its_move_is_gone() -> None:
    bench = await part_bench(60000, 60000, 61200, 61100, 61100, 61100)
    entered = await bench.enter()
    bench.trouble.on("submit", VenueDown("no route"), leg=Leg.PARTIAL)
    await bench.step(4)
    position = bench.desk.book.on(BTC)
    assert position
    assert (position.quantity, position.memory.partials) == (entered.quantity, 0)


async def test_a_part_that_was_refused_is_passed_over() -> None:
    bench = await part_bench()
    entered = await bench.enter()
    bench.trouble.on("submit", OrderRejected("no", code="busy"), leg=Leg.PARTIAL)
    await bench.step(3)
    position = bench.desk.book.on(BTC)
    assert position
    assert (position.quantity, position.memory.partials) == (entered.quantity, 1)
    assert statuses(bench, Leg.PARTIAL) == [OrderStatus.INTENDED, OrderStatus.REJECTED]
    await bench.step(2)
    assert len(bench.trouble.sent(Leg.PARTIAL)) == 2, "the next step is another"


async def test_a_part_of_unknown_outcome_is_looked_up_and_not_made_twice() -> None:
    bench = await part_bench(60000, 60000, *[61200] * 40)
    await bench.enter()
    bench.trouble.on("submit", TIMED_OUT, leg=Leg.PARTIAL, when="after")
    await bench.step(38)
    assert len(bench.trouble.sent(Leg.PARTIAL)) == 1
    position = bench.desk.book.on(BTC)
    assert position
    assert (position.quantity, position.memory.partials) == (D("0.1"), 1)
    assert len(bench.desk.book.orders) == 2


async def test_a_part_of_unknown_outcome_that_never_arrived_is_made_again_after_the_look_up() -> None:
    bench = await part_bench(60000, 60000, *[61200] * 50)
    await bench.enter()
    bench.trouble.on("submit", TIMED_OUT, leg=Leg.PARTIAL)
    await bench.step(20)
    assert len(bench.trouble.sent(Leg.PARTIAL)) == 1, "it may still turn up"
    await bench.step(20)
    first, second = bench.trouble.sent(Leg.PARTIAL)
    assert first.client_id != second.client_id
    assert (await bench.held())[BTC] == D("0.1")


async def test_a_part_that_fills_in_part_leaves_the_rest_open() -> None:
    calm = a_series([60000, 60000])
    thin = a_series([61200] * 10, begins=calm.candle(1).closed_at, volume=0.02)
    bench = await a_desk(type(calm).joined([calm, thin]), playbook=a_house(exits=PARTS))
    await bench.enter()
    await bench.step(8)
    position = bench.desk.book.on(BTC)
    assert position
    assert (position.quantity, position.memory.partials, position.closing) == (D("0.113"), 1, None)
    assert statuses(bench, Leg.PARTIAL)[-2:] == [OrderStatus.PARTLY_FILLED, OrderStatus.EXPIRED]
    assert len(bench.trouble.sent(Leg.PARTIAL)) == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_close_that_is_decided_while_a_part_is_on_its_way_closes_no_more_than_is_open(when: str) -> None:
    bench = await part_bench(60000, 60000, *[61200] * 60)
    await bench.enter()
    bench.trouble.lose_updates = True
    bench.trouble.on("submit", TIMED_OUT, leg=Leg.PARTIAL, when=when)
    bench.trouble.on("order", VenueDown("no route"), times=2)
    await bench.step(2)
    position = bench.desk.book.on(BTC)
    assert position
    assert position.quantity == D("0.133"), "nothing of it was heard"
    await bench.desk.execution.close(position, ExitReason.MANUAL, "by a test")
    await bench.step(45)
    (trade,) = bench.trades
    assert trade.reason is ExitReason.MANUAL
    assert await bench.held() == {}
    assert (await bench.venue.balance()).wallet == bench.desk.book.booked
    assert await nothing_is_left(bench)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_stop_that_fills_while_a_part_is_on_its_way_closes_the_trade(when: str) -> None:
    bench = await part_bench(60000, 60000, 61200, (61200, 61200, 58000, 58000), *[58000] * 45)
    await bench.enter()
    bench.trouble.on("submit", TIMED_OUT, leg=Leg.PARTIAL, when=when)
    bench.trouble.on("order", VenueDown("no route"), times=3)
    await bench.step(45)
    (trade,) = bench.trades
    assert trade.reason is ExitReason.STOP_LOSS
    assert (await bench.venue.balance()).wallet == bench.desk.book.booked
    assert await nothing_is_left(bench)


async def test_a_liquidation_while_a_part_is_on_its_way_closes_the_trade_with_its_reason() -> None:
    bench = await part_bench(60000, 60000, 61200, 40000, *[40000] * 40)
    await bench.enter()
    bench.trouble.lose_updates = True
    bench.trouble.on("submit", TIMED_OUT, leg=Leg.PARTIAL, when="after")
    bench.trouble.on("order", VenueDown("no route"), times=3)
    await bench.step(2)
    bench.trouble.lose_updates = False
    await bench.step(38)
    (trade,) = bench.trades
    assert trade.reason is ExitReason.LIQUIDATION
    assert (await bench.venue.balance()).wallet == bench.desk.book.booked
    assert await nothing_is_left(bench)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_crash_while_a_part_is_on_its_way_makes_it_once(when: str) -> None:
    bench = await part_bench(60000, 60000, *[61200] * 10)
    await bench.enter()
    await bench.step()
    bench.trouble.on("submit", asyncio.Event(), leg=Leg.PARTIAL, when=when)
    bench.desk.on_quote(bench.feed.touch(BTC, D(61200), bench.clock.now()))
    await until(lambda: bool(bench.trouble.sent(Leg.PARTIAL)))
    await bench.restart()
    await bench.step(3)
    position = bench.desk.book.on(BTC)
    assert position
    assert position.quantity == D("0.1") == (await bench.held())[BTC]
    assert len(bench.told(PartialTriggered)) == 1


# --- what a close counts on -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("long", "expected"), [(True, "60599.9"), (False, "60600.1")])
async def test_a_close_and_a_part_count_on_the_touch_they_were_decided_at(long: bool, expected: str) -> None:
    bench = await a_desk()
    (bench.script.long if long else bench.script.short)()
    await bench.decide()
    bench.script.wait()
    position = bench.desk.book.on(BTC)
    assert position
    quote = a_quote("60600")
    await bench.desk.execution.reduce(position, Reduce(step=0, quantity=D("0.001"), note=""), quote)
    await bench.desk.settle()
    position = bench.desk.book.on(BTC)
    assert position
    await bench.desk.execution.close(position, ExitReason.MANUAL, "by a test", quote)
    await bench.desk.settle()
    sent = [bench.trouble.sent(leg)[0] for leg in (Leg.PARTIAL, Leg.CLOSE)]
    assert [o.expected for o in sent] == [D(expected)] * 2


async def test_a_close_without_a_quote_counts_on_nothing() -> None:
    bench = await a_desk()
    position = await bench.enter()
    await bench.desk.execution.close(position, ExitReason.MANUAL, "by a test")
    assert bench.trouble.sent(Leg.CLOSE)[0].expected is None


# --- what is told -----------------------------------------------------------------------------------------------------


async def test_fills_told_twice_are_applied_once() -> None:
    bench = await a_desk()
    position = await bench.enter()
    (fill,) = await bench.venue.fills("")
    for _ in range(3):
        bench.desk.receive(fill)
    await bench.sweep()
    assert bench.desk.book.on(BTC) == position
    assert len(bench.told(OrderFilled)) == 1


async def test_a_fill_told_again_after_the_books_were_settled_is_applied_once() -> None:
    """A stream that repeats itself after the cursor has gone past: the order is still working."""
    calm = a_series([60000] * 2)
    thin = a_series([58400, 58400, 58400, 58400], begins=calm.candle(1).closed_at, volume=0.05)
    bench = await a_desk(type(calm).joined([calm, thin]))
    await bench.enter()
    await bench.step(2)
    await bench.sweep()
    position = bench.desk.book.on(BTC)
    assert position
    assert position.quantity == D("0.083")
    for fill in await bench.venue.fills(""):
        bench.desk.receive(fill)
    await bench.desk.settle()
    assert bench.desk.book.on(BTC) == position
    assert not bench.desk.faults


async def test_a_fill_told_again_after_a_restart_is_applied_once() -> None:
    bench = await a_desk()
    position = await bench.enter()
    await bench.sweep()
    await bench.restart()
    for fill in await bench.venue.fills(""):
        bench.desk.receive(fill)
    await bench.desk.settle()
    assert bench.desk.book.on(BTC) == position
    assert len(bench.told(OrderFilled)) == 1


async def test_fills_told_out_of_order_are_all_applied_once() -> None:
    """Two closing fills of one stop, the later told first."""
    calm = a_series([60000] * 2)
    thin = a_series([58400, 58400, 58400, 58400, 58400], begins=calm.candle(1).closed_at, volume=0.05)
    bench = await a_desk(type(calm).joined([calm, thin]))
    await bench.enter()
    bench.trouble.lose_updates = True
    await bench.step(3)
    _, first, second = await bench.venue.fills("")
    for fill in (second, first, second, first):
        bench.desk.receive(fill)
    await bench.desk.settle()
    position = bench.desk.book.on(BTC)
    assert position
    assert position.quantity == D("0.033")
    assert position.exit_quantity == D("0.1")
    await bench.step(2)
    await bench.sweep()
    assert [t.reason for t in bench.trades] == [ExitReason.STOP_LOSS]
    assert (await bench.venue.balance()).wallet == bench.desk.book.booked
    assert not bench.desk.faults


async def test_the_report_of_an_end_told_before_its_fill_loses_no_fill() -> None:
    """ "Expired" overtakes the partial fill that came before it."""
    bench = await a_desk(a_series([60000] * 60, volume=0.1))
    bench.trouble.lose_updates = True
    bench.script.long()
    await bench.decide()
    (entry,) = bench.trouble.sent(Leg.ENTRY)
    report = await bench.venue.order(BTC, entry.client_id)
    assert report
    bench.desk.receive(report)
    for fill in await bench.venue.fills(""):
        bench.desk.receive(fill)
    await bench.desk.settle()
    await bench.sweep()
    await bench.step(12)
    await bench.sweep()
    assert bool(await bench.held()) == bool(bench.desk.book.positions)
    assert not bench.desk.frozen


async def test_a_close_told_before_its_entry_was_heard_is_applied_after_it() -> None:
    """The stream has lost the entry's fill and tells the stop's: what came before is read first."""
    bench = await a_desk(a_series([60000, 60000, (60000, 60000, 58000, 58200), 58200, 58200]))
    bench.trouble.lose_updates = True
    bench.script.long()
    await bench.decide()
    bench.script.wait()
    bench.trouble.lose_updates = False
    await bench.step(2)
    assert [t.reason for t in bench.trades] == [ExitReason.STOP_LOSS]
    await bench.step()
    await bench.sweep()
    assert bench.desk.frozen == ""
    assert bench.desk.book.booked == (await bench.venue.balance()).wallet


async def test_a_close_told_before_its_entry_waits_where_nothing_can_be_read() -> None:
    bench = await a_desk(a_series([60000, 60000, (60000, 60000, 58000, 58200), *[58200] * 9]))
    bench.trouble.lose_updates = True
    bench.script.long()
    await bench.decide()
    bench.script.wait()
    bench.trouble.lose_updates = False
    bench.trouble.on("fills", VenueDown("no route"), times=3)
    await bench.step(2)
    await bench.step(6)
    await bench.sweep()
    assert [t.reason for t in bench.trades] == [ExitReason.STOP_LOSS]
    assert bench.desk.book.booked == (await bench.venue.balance()).wallet
    assert not bench.desk.faults


async def test_an_entry_filled_in_part_and_closed_before_its_end_was_heard_leaves_nothing_behind() -> None:
    """Found by the state machine: the guard of an entry in flight, filled while the stream was silent."""
    bars = [60000, 60000, (60000, 60000, 58000, 58200), *[58200] * 20]
    bench = await a_desk(a_series(bars, volume=0.1))
    bench.trouble.lose_updates = True
    bench.script.long()
    await bench.decide()
    bench.script.wait()
    await bench.step(2)
    await bench.sweep()
    await bench.step(10)
    assert [t.reason for t in bench.trades] == [ExitReason.STOP_LOSS]
    assert await nothing_is_left(bench)


async def test_fills_told_to_nobody_are_caught_up_by_reconciliation() -> None:
    bench = await a_desk()
    bench.trouble.lose_updates = True
    bench.script.long()
    await bench.decide()
    assert bench.desk.book.on(BTC) is None
    await bench.sweep()
    position = bench.desk.book.on(BTC)
    assert position
    assert position.guard is Guard.CONFIRMED
    assert len(bench.told(PositionOpened)) == 1
    assert not bench.desk.frozen


@pytest.mark.parametrize("changes", [{"side": Side.BUY}, {"quantity": D(5)}])
async def test_a_fill_of_no_order_of_ours_that_does_not_fit_changes_nothing(changes: dict[str, Any]) -> None:
    bench = await a_desk()
    position = await bench.enter()
    fill = a_fill(Side.SELL, id="000000000009", client_id=ClientId("stranger"))
    bench.desk.receive(replace(fill, **changes))
    await bench.desk.settle()
    assert bench.desk.book.on(BTC) == position
    assert not bench.desk.faults


async def test_who_reduces_our_position_at_the_venue_has_reduced_it_and_the_rest_stays_open() -> None:
    bench = await a_desk()
    position = await bench.enter()
    bench.desk.receive(a_fill(Side.SELL, id="000000000009", client_id=ClientId("stranger")))
    await bench.desk.settle()
    left = bench.desk.book.on(BTC)
    assert left
    assert (left.quantity, left.closing) == (position.quantity - D("0.1"), None)
    assert not bench.desk.faults


async def test_who_closes_our_position_at_the_venue_has_closed_the_trade() -> None:
    bench = await a_desk()
    position = await bench.enter()
    gone = a_fill(Side.SELL, id="000000000009", client_id=ClientId("stranger"))
    bench.desk.receive(replace(gone, quantity=position.quantity))
    await bench.desk.settle()
    (trade,) = bench.trades
    assert (trade.reason, trade.quantity) == (ExitReason.VENUE, position.quantity)
    assert "not by this desk" in trade.note
    assert bench.desk.book.on(BTC) is None


async def test_a_report_of_no_order_of_ours_changes_nothing() -> None:
    bench = await a_desk()
    ended = an_order(client_id=ClientId("stranger")).to(OrderStatus.CANCELLED, at=bench.clock.now())
    bench.desk.receive(OrderReport(order=ended, at=bench.clock.now()))
    await bench.desk.settle()
    assert bench.kinds() == ["DeskStarted"]


async def test_funding_lands_on_the_position_and_in_the_trade() -> None:
    start = a_series([1.0]).candle(0).opened_at
    series = a_series([60000, 60000, 60000, (60000, 60000, 58000, 58000), 58000], every=HOUR)
    bench = await a_desk(series, funding=[a_funding((start + 3 * HOUR, 0.0001))])
    await bench.enter()
    await bench.step(2)
    position = bench.desk.book.on(BTC)
    assert position
    (payment,) = payments(bench)
    assert position.funding == payment.amount == D("-0.0001") * D("0.133") * 60000
    bench.desk.receive(payment)
    await bench.sweep()
    assert len(payments(bench)) == 1, "told twice, applied once"
    await bench.step(1)
    (trade,) = bench.trades
    assert trade.funding == payment.amount
    assert trade.net == trade.gross - trade.fees + payment.amount
    assert (await bench.venue.balance()).wallet == bench.desk.book.booked


async def test_funding_told_before_its_entry_was_heard_lands_on_the_position() -> None:
    start = a_series([1.0]).candle(0).opened_at
    bench = await a_desk(a_series([60000] * 6, every=HOUR), funding=[a_funding((start + 3 * HOUR, 0.0001))])
    bench.trouble.lose_updates = True
    bench.trouble.on("submit", TIMED_OUT, when="after")
    bench.trouble.on("order", VenueDown("no route"), times=9)
    bench.script.long()
    await bench.decide()
    bench.trouble.lose_updates = False
    await bench.step(2)
    position = bench.desk.book.on(BTC)
    assert position
    assert position.funding < 0
    await bench.sweep()
    assert bench.desk.frozen == ""


async def test_two_orders_looked_up_at_once_are_each_ended_once() -> None:
    """The look-up of the first reads the fills of the second; what was known of that one before is stale then."""
    bench = await a_desk(a_series([60000] * 60, volume=0.1))
    bench.trouble.lose_updates = True
    bench.script.long()
    await bench.decide()
    bench.script.wait()
    await bench.sweep()
    await bench.step()
    position = bench.desk.book.on(BTC)
    assert position
    bench.trouble.on("submit", TIMED_OUT, leg=Leg.CLOSE, when="after")
    bench.trouble.on("order", VenueDown("no route"), times=12)
    await bench.desk.execution.close(position, ExitReason.MANUAL, "by a test")
    await bench.step(30)
    assert len(bench.trades) == 1
    assert await nothing_is_left(bench)


async def test_funding_and_the_close_after_it_both_unheard_are_caught_up_in_their_order() -> None:
    start = a_series([1.0]).candle(0).opened_at
    series = a_series([60000, 60000, 60000, (60000, 60000, 58000, 58000), 58000], every=HOUR)
    bench = await a_desk(series, funding=[a_funding((start + 3 * HOUR, 0.0001))])
    await bench.enter()
    bench.trouble.lose_updates = True
    await bench.step(3)
    await bench.sweep()
    (trade,) = bench.trades
    assert trade.funding < 0
    assert (await bench.venue.balance()).wallet == bench.desk.book.booked
    assert not bench.desk.frozen


async def test_funding_at_the_moment_of_a_close_by_the_desk_is_part_of_the_trade() -> None:
    """Both carry one time; the venue settled first, because the desk acts on what the bar brought."""
    start = a_series([1.0]).candle(0).opened_at
    bench = await a_desk(a_series([60000] * 5, every=HOUR), funding=[a_funding((start + 3 * HOUR, 0.0001))])
    await bench.enter()
    bench.trouble.lose_updates = True
    await bench.step(2)
    position = bench.desk.book.on(BTC)
    assert position
    await bench.desk.execution.close(position, ExitReason.MANUAL, "by a test")
    await bench.sweep()
    (trade,) = bench.trades
    assert trade.funding < 0
    assert not bench.desk.frozen


# --- one instrument and the others ------------------------------------------------------------------------------------


async def test_a_slow_call_on_one_instrument_does_not_delay_the_exit_of_another() -> None:
    bench = await a_desk(*two_markets(eth=[3000, 3000, 2800, 2800]))
    await bench.enter(ETH)
    stuck = asyncio.Event()
    bench.trouble.on("submit", stuck, leg=Leg.ENTRY)
    bench.script.long(BTC)
    await bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule"))
    await until(lambda: len(bench.trouble.sent(Leg.ENTRY)) == 2)
    position = bench.desk.book.on(ETH)
    assert position
    quote = bench.feed.touch(ETH, D(2800), bench.clock.now())
    bench.desk.on_quote(quote)
    await until(lambda: bool(bench.trades))
    assert bench.trades[0].symbol == ETH
    assert not bench.desk.lanes.idle, "the other one still waits"
    stuck.set()
    await bench.desk.settle()
    assert bench.desk.book.on(BTC)


async def test_an_entry_approved_but_not_sent_is_withdrawn_by_a_halt() -> None:
    bench = await a_desk()
    gate = asyncio.Event()
    bench.desk.lanes.post(BTC, gate.wait)  # type: ignore[arg-type]
    bench.script.long()
    await bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule"))
    await until(lambda: bool(bench.journal.decisions))
    await bench.desk.obey(Halt(by="a test"))
    gate.set()
    await bench.desk.settle()
    assert bench.trouble.sent() == []
    assert await nothing_is_left(bench)
    assert "halted" in bench.told(OrderEnded)[0].order.note


async def test_a_guard_known_to_the_book_is_sized_as_the_venue_holds_it() -> None:
    bench = await a_desk(a_series([60000] * 30, volume=0.1))
    position = await bench.enter()
    stop = bench.desk.book.orders[position.protection.stop_id]
    assert stop == replace(stop, quantity=position.quantity, status=OrderStatus.OPEN)


async def test_memory_and_database_remember_the_same(tmp_path: Path) -> None:
    """The journal of these tests forgets nothing that the real one keeps."""
    database = await Database.open(tmp_path / "desk.db")
    found = []
    for journal in (MemoryJournal(), SqlJournal(database, route=lambda _: [], wall=SystemClock())):
        bench = await a_desk(*two_markets(eth=[3000, 3000, 2900, 2900, 2900]), journal=journal)
        await bench.enter(ETH)
        await bench.step(2)
        await bench.enter(BTC)
        await bench.sweep()
        kept = await bench.journal.load()
        orders = {o.client_id: o for o in kept.orders}
        found.append((kept.state, kept.positions, orders, kept.fills, kept.funding))
        waits = await bench.journal.waits(bench.desk.waits.since)
        found[-1] += (list(waits),)
        await bench.desk.stop("done")
    await database.close()
    assert found[0] == found[1]


@pytest.mark.parametrize("symbol", [BTC, ETH])
async def test_the_rules_of_the_venue_do_not_stand_between_a_position_and_its_close(symbol: Symbol) -> None:
    """What is left after a partial fill may be under the venue's minimum: a close of all of it is still taken."""
    bench = await a_desk(
        *two_markets(), rules=PaperRules(impact=D(0), participation=D(1)), playbook=a_house(), min_quantity=D("0.01")
    )
    position = await bench.enter(symbol)
    await bench.desk.execution.close(position, ExitReason.MANUAL, "by a test")
    await bench.desk.settle()
    assert await nothing_is_left(bench)


async def test_an_intent_that_waits_in_its_lane_is_not_given_up() -> None:
    """At a real market nobody waits for the lanes: time passes between an entry's intent and its turn."""
    bench = await a_desk()
    bench.script.long()
    held, freed = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        held.set()
        await freed.wait()

    bench.desk.lanes.post(BTC, slow)
    await held.wait()
    await bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule"))
    await bench.desk.thinking.settle()
    for _ in range(3):
        bench.desk.on_time()
    freed.set()
    await bench.desk.settle()
    assert bench.desk.book.on(BTC)
