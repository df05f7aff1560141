"""The venue's books against ours: what is said, how often, and when entries freeze and thaw."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.builders import BTC, ETH, a_fill, an_order
from tests.desks import COOLS_FAST, Bench, a_desk, a_house, a_series, two_markets
from trading import reconcile
from trading.decision import Denied
from trading.errors import UnknownOutcome, VenueDown
from trading.events import BooksAgreed, BooksDisagreed, OrderFilled, TradeClosed, VenueBack, VenueLost
from trading.model import ClientId, ExitReason, Guard, Leg, Order, OrderKind, OrderStatus, Side

D = Decimal
FREE = {"taker_fee": D(0), "maker_fee": D(0)}  # so that a stranger's round trip leaves the wallet as it was


async def stranger(bench: Bench, side: Side, quantity: str, number: int = 1, **changes: object) -> None:
    """An order by another hand on the same account."""
    order = an_order(
        client_id=ClientId(f"by-hand-{number}"),
        side=side,
        quantity=D(quantity),
        created_at=bench.clock.now(),
        protection=None,
        plan=None,
        **changes,
    )
    await bench.venue.submit(order)
    await bench.desk.settle()


def last_denial(bench: Bench) -> str:
    gate = list(bench.journal.decisions.values())[-1].gate
    assert isinstance(gate, Denied)
    return gate.reason


async def test_books_that_agree_say_nothing() -> None:
    bench = await a_desk()
    await bench.enter()
    before = len(bench.journal.events)
    for _ in range(3):
        await bench.sweep()
    assert len(bench.journal.events) == before
    assert bench.desk.frozen == ""


async def test_a_position_the_desk_does_not_hold_freezes_at_once_and_is_said_after_two_looks() -> None:
    bench = await a_desk(**FREE)
    await stranger(bench, Side.BUY, "0.01")
    await bench.sweep()
    assert "the venue holds long 0.01, the desk nothing" in bench.desk.frozen
    assert not bench.told(BooksDisagreed)
    await bench.sweep()
    assert [e.symbol for e in bench.told(BooksDisagreed)] == [BTC]
    await bench.sweep()
    assert len(bench.told(BooksDisagreed)) == 1
    bench.script.long()
    await bench.decide()
    assert "the venue holds long" in last_denial(bench)
    assert bench.trouble.sent(Leg.ENTRY)[1:] == []


async def test_it_thaws_when_the_books_agree_again() -> None:
    bench = await a_desk(playbook=a_house(breaker=COOLS_FAST), **FREE)
    await stranger(bench, Side.BUY, "0.01")
    await bench.sweep()
    await bench.sweep()
    await stranger(bench, Side.SELL, "0.01", 2, reduce_only=True)
    await bench.sweep()
    assert bench.desk.frozen == ""
    assert [e.symbol for e in bench.told(BooksAgreed)] == [BTC]
    await bench.step()
    await bench.sweep()
    assert len(bench.told(BooksAgreed)) == 1
    await bench.step(2)
    assert await bench.enter()


async def test_a_difference_that_is_gone_at_the_second_look_is_never_said() -> None:
    bench = await a_desk(**FREE)
    await stranger(bench, Side.BUY, "0.01")
    await bench.sweep()
    await stranger(bench, Side.SELL, "0.01", 2, reduce_only=True)
    await bench.sweep()
    await bench.sweep()
    assert not bench.told(BooksDisagreed)
    assert not bench.told(BooksAgreed)


async def test_a_difference_that_changes_is_said_again() -> None:
    bench = await a_desk(**FREE)
    await stranger(bench, Side.BUY, "0.01")
    await bench.sweep()
    await bench.sweep()
    await stranger(bench, Side.BUY, "0.01", 2)
    await bench.sweep()
    first, second = bench.told(BooksDisagreed)
    assert ("long 0.01," in first.detail, "long 0.02," in second.detail) == (True, True)


async def test_one_instrument_that_differs_freezes_entries_on_all() -> None:
    bench = await a_desk(*two_markets(), **FREE)
    await stranger(bench, Side.BUY, "0.01")
    await bench.sweep()
    bench.script.long(ETH)
    await bench.decide(ETH)
    assert bench.desk.book.on(ETH) is None
    assert "books" in [d.gate.rule for d in bench.journal.decisions.values()]


async def test_a_position_made_smaller_by_a_strangers_hand_is_smaller_in_our_books_too() -> None:
    bench = await a_desk()
    await bench.enter()
    await stranger(bench, Side.SELL, "0.033", reduce_only=True)
    await bench.sweep()
    (position,) = bench.desk.book.positions.values()
    assert (position.quantity, position.closing) == (D("0.100"), None)
    assert bench.desk.frozen == ""


async def test_a_position_made_larger_by_a_strangers_hand_is_a_difference() -> None:
    bench = await a_desk()
    await bench.enter()
    await stranger(bench, Side.BUY, "0.033")
    await bench.sweep()
    assert "the venue holds long 0.166, the desk long 0.133" in bench.desk.frozen


async def test_exits_go_on_while_the_books_differ() -> None:
    bench = await a_desk(*two_markets(btc=[60000, 60000, (60000, 60000, 58000, 58000), 58000], eth=[3000] * 4))
    await bench.enter()
    await stranger(bench, Side.BUY, "0.1", symbol=ETH)
    await bench.sweep()
    assert bench.desk.frozen
    await bench.step(2)
    assert [t.reason for t in bench.trades] == [ExitReason.STOP_LOSS]


async def test_a_wallet_that_is_off_by_more_than_a_cent_freezes_entries() -> None:
    bench = await a_desk()
    bench.venue._account.totals.wallet += D("0.01")
    await bench.sweep()
    assert bench.desk.frozen == ""
    bench.venue._account.totals.wallet += D("0.01")
    await bench.sweep()
    assert "the venue's wallet is 10000.02, the desk's 10000" in bench.desk.frozen


# --- lost and back ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["fills", "funding", "open_orders", "positions", "balance"])
@pytest.mark.parametrize("error", [VenueDown("no route"), UnknownOutcome("no answer")])
async def test_a_venue_that_is_lost_is_said_once_and_back_once(call: str, error: Exception) -> None:
    bench = await a_desk()
    lost_at = bench.clock.now()
    bench.trouble.on(call, error, times=3)
    for _ in range(3):
        await bench.sweep()
        assert bench.desk.frozen == "the venue cannot be read"
    assert len(bench.told(VenueLost)) == 1
    assert not bench.told(VenueBack)
    bench.script.long()
    await bench.decide()
    assert last_denial(bench) == "the venue cannot be read"
    for _ in range(2):
        await bench.sweep()
    (back,) = bench.told(VenueBack)
    assert back.lost_at == lost_at
    assert bench.desk.frozen == ""


async def test_what_could_not_be_read_is_not_nothing() -> None:
    """Pitfall 19: a failed read of positions is no proof that there are none."""
    bench = await a_desk()
    position = await bench.enter()
    bench.trouble.on("positions", VenueDown("no route"), times=3)
    await bench.sweep()
    await bench.sweep()
    assert bench.desk.book.on(BTC) == position
    assert not bench.told(BooksDisagreed)
    assert len(bench.told(VenueLost)) == 1


async def test_a_venue_lost_at_the_start_freezes_and_the_desk_starts() -> None:
    bench = await a_desk()
    await bench.kill()
    bench.trouble.on("fills", VenueDown("no route"))
    await bench.open()
    assert bench.desk.frozen
    assert len(bench.told(VenueLost)) == 1
    await bench.sweep()
    assert bench.desk.frozen == ""


# --- orders without an owner ------------------------------------------------------------------------------------------


async def a_forgotten_stop(bench: Bench) -> Order:
    """A working order with our name that no book of ours knows."""
    order = an_order(
        client_id=ClientId("gv-forgotten-s0"),
        leg=Leg.STOP,
        side=Side.SELL,
        kind=OrderKind.STOP,
        trigger=D(50000),
        quantity=D("0.01"),
        reduce_only=True,
        created_at=bench.clock.now(),
        protection=None,
        plan=None,
    )
    await bench.venue.submit(order)
    return order


async def test_an_order_of_ours_that_belongs_to_nothing_is_cancelled() -> None:
    bench = await a_desk()
    await bench.enter()
    forgotten = await a_forgotten_stop(bench)
    assert forgotten.client_id in await bench.working()
    await bench.sweep()
    assert forgotten.client_id not in await bench.working()
    assert len(await bench.working()) == 2


async def test_an_order_of_another_hand_is_left_alone() -> None:
    bench = await a_desk()
    await bench.enter()
    theirs = replace(await a_forgotten_stop(bench), client_id=ClientId("by-hand-stop"))
    await bench.venue.submit(theirs)
    await bench.sweep()
    assert theirs.client_id in await bench.working()


async def test_what_guards_a_position_that_is_not_ours_is_left_alone() -> None:
    """It is all that stands between that position and the market; entries are frozen meanwhile."""
    bench = await a_desk()
    await stranger(bench, Side.BUY, "0.01")
    forgotten = await a_forgotten_stop(bench)
    for _ in range(3):
        await bench.sweep()
    assert forgotten.client_id in await bench.working()
    assert bench.desk.frozen


# --- cursors ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cursors move at every look."""
    monkeypatch.setattr(reconcile, "GATHER", 1)


@pytest.mark.usefixtures("eager")
async def test_the_cursors_move_behind_what_is_applied_and_it_is_not_asked_for_again() -> None:
    bench = await a_desk()
    await bench.enter()
    await bench.sweep()
    (fill,) = await bench.venue.fills("")
    assert bench.journal.state.last_fill == bench.desk.book.state.last_fill == fill.id
    assert await bench.venue.fills(fill.id) == ()


@pytest.mark.usefixtures("eager")
async def test_a_fill_told_again_after_the_cursor_has_passed_is_applied_once() -> None:
    """A stream repeats what it told; the order is still working for the rest."""
    calm = a_series([60000] * 2)
    thin = a_series([58400] * 4, begins=calm.candle(1).closed_at, volume=0.05)
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


@pytest.mark.usefixtures("eager")
async def test_a_restart_asks_from_the_cursor_on() -> None:
    bench = await a_desk()
    position = await bench.enter()
    await bench.sweep()
    await bench.restart()
    assert bench.desk.book.on(BTC) == position
    assert len(bench.told(OrderFilled)) == 1


@pytest.mark.usefixtures("eager")
async def test_a_fill_that_cannot_be_applied_is_not_passed_over() -> None:
    """It makes no sense to our books: that is said, entries freeze, and the cursor stays before it."""
    bench = await a_desk()
    position = await bench.enter()
    bench.trouble.lose_updates = True
    await stranger(bench, Side.BUY, "0.1")
    too_much = a_fill(Side.SELL, "0.2", id="000000000002", client_id=position.protection.stop_id)
    bench.venue._account.fills[1] = too_much
    await bench.sweep()
    assert BTC in bench.desk.faults
    assert "inner error" in bench.desk.frozen
    assert bench.desk.book.state.last_fill < too_much.id
    assert bench.desk.book.on(BTC) == position


async def test_all_that_happened_while_the_desk_was_dead_is_applied_at_the_start() -> None:
    bench = await a_desk(a_series([60000, 60000, (60000, 60000, 58000, 58000), 58000]))
    await bench.enter()
    await bench.kill()
    step = next(bench.bars())
    bench.clock.set(step.at)
    bench.venue.advance(step.candles[0], bench.feed.touch(BTC, D(60000), step.at))
    step = next(bench.bars())
    bench.clock.set(step.at)
    bench.venue.advance(step.candles[0], bench.feed.touch(BTC, D(58000), step.at))
    await bench.open()
    await bench.desk.settle()
    assert [t.reason for t in bench.trades] == [ExitReason.STOP_LOSS]
    assert len(bench.told(TradeClosed)) == 1
    assert bench.desk.book.orders == {}
    assert await bench.working() == set()


async def test_a_guard_seen_again_after_a_doubt_is_confirmed_and_nothing_is_closed() -> None:
    bench = await a_desk()
    position = await bench.enter()
    await bench.desk.execution.doubt(position.id)
    await bench.step(1)
    again = bench.desk.book.on(BTC)
    assert again
    assert again.guard is Guard.CONFIRMED
    await bench.step(15)
    assert not bench.trades


async def test_an_order_that_ended_unheard_is_known_to_have_ended() -> None:
    bench = await a_desk(a_series([60000] * 60, volume=0.1))
    bench.trouble.lose_updates = True
    bench.script.long()
    await bench.decide()
    await bench.step(6)
    (entry,) = [o for o in bench.journal.orders.values() if o.leg is Leg.ENTRY]
    assert (entry.status, entry.filled) == (OrderStatus.EXPIRED, D("0.1"))
