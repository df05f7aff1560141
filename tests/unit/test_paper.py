"""The paper venue's rules, one table or one case each, in round numbers so that the sums can be done in the head."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.paper_market import ALL, BTC, DOGE, HOUR, NO_IMPACT, START, PaperMarket, an_instrument, d
from trading.errors import BadRecord, OrderRejected, Transient, UnknownOutcome, VenueDown
from trading.messages import OrderReport
from trading.model import (
    ClientId,
    Direction,
    FundingPayment,
    Order,
    OrderKind,
    OrderStatus,
    Side,
    Symbol,
)
from trading.venues.paper import PaperVenue
from trading.venues.paper_rules import PaperRules

STOP, TARGET, LIMIT = OrderKind.STOP, OrderKind.TAKE_PROFIT, OrderKind.LIMIT


@pytest.fixture
def market() -> PaperMarket:
    """BTC at 100, volume 1000, no spread, no impact: a fill costs its fee of 0.05 % and nothing else."""
    market = PaperMarket()
    market.flat_bar(100)
    return market


def held(market: PaperMarket, symbol: Symbol = BTC) -> tuple[Direction, Decimal] | None:
    position = market.venue._account.positions.get(symbol)
    return (position.direction, position.quantity) if position else None


async def ids(market: PaperMarket) -> list[ClientId]:
    return [report.order.client_id for report in await market.venue.open_orders()]


async def state(market: PaperMarket, client_id: ClientId) -> Order:
    report = await market.venue.order(BTC, client_id)
    assert report
    return report.order


# --- market orders ---


async def test_a_market_order_fills_at_the_touch_and_pays_the_taker_fee() -> None:
    market = PaperMarket(spread="0.4")
    market.flat_bar(100)
    report = await market.buy(2)
    (fill,) = market.told
    assert (report.order.status, report.order.filled) == (OrderStatus.FILLED, d(2))
    assert (fill.price, fill.fee, fill.maker, fill.id) == (d("100.2"), d("0.1002"), False, "000000000001")
    assert await market.wallet() == d("9999.8998")
    assert (await market.venue.balance()).available == d("9999.8998") - d("20.04")


@pytest.mark.parametrize(
    ("side", "quantity", "price"),
    [
        (Side.BUY, 1, "100.1"),  # 100 x (1 + 0.01 x sqrt(1/1000)) = 100.0316, up to the tick
        (Side.BUY, 40, "100.2"),  # sqrt(0.04) = 0.2 exactly
        (Side.SELL, 1, "99.9"),
        (Side.SELL, 90, "99.7"),  # sqrt(0.09) = 0.3 exactly
    ],
)
async def test_slippage_grows_with_the_square_root_of_the_share_of_volume(
    side: Side, quantity: int, price: str
) -> None:
    market = PaperMarket(start=100_000, rules=PaperRules(impact=d("0.01")))
    market.flat_bar(100)
    await market.venue.submit(market.order(side, quantity))
    assert market.told[0].price == d(price)


async def test_a_market_order_has_at_most_its_share_of_the_bar_and_the_rest_expires(market: PaperMarket) -> None:
    market.flat_bar(100, volume=12)
    report = await market.buy(2)
    assert (report.order.status, report.order.filled) == (OrderStatus.EXPIRED, d("1.2"))
    assert "share" in report.order.note
    told = [u.order.status for u in market.updates if isinstance(u, OrderReport)]
    assert told == [OrderStatus.PARTLY_FILLED, OrderStatus.EXPIRED]
    again = await market.buy(1)  # the share is one for all orders of the account
    assert (again.order.status, again.order.filled) == (OrderStatus.EXPIRED, d(0))
    market.flat_bar(100, volume=12)
    assert (await market.buy(1)).order.status is OrderStatus.FILLED


async def test_a_halted_market_fills_nothing_and_says_so(market: PaperMarket) -> None:
    market.flat_bar(100, volume=0)
    report = await market.buy(1)
    assert (report.order.status, report.order.filled) == (OrderStatus.EXPIRED, d(0))
    assert "no volume" in report.order.note
    assert market.told == []
    assert await market.wallet() == d(10_000)


# --- refusals ---

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("off the step (pitfall 4)", {"quantity": d("1.0005")}, "step"),
    ("DOGE off its step of 100 (pitfall 4)", {"symbol": DOGE, "quantity": d(150)}, "step"),
    ("too much", {"quantity": d(101)}, "max_quantity"),
    ("notional below the minimum (pitfall 5)", {"quantity": d("0.049")}, "min_notional"),
    ("limit price off the tick", {"kind": LIMIT, "price": d("99.95")}, "tick"),
    ("leverage above the instrument's", {"leverage": 51}, "leverage"),
    ("leverage below one", {"leverage": 0}, "leverage"),
    ("a stop that could open", {"kind": STOP, "trigger": d(101)}, "reduce_only"),
    ("a close sent when flat (pitfall 7)", {"reduce_only": True}, "reduce_only"),
    ("a stop already passed", {"kind": STOP, "trigger": d(99), "reduce_only": True}, "trigger"),
    (
        "more margin than there is",
        {"quantity": d(100), "leverage": 1, "price": d(101), "kind": LIMIT},
        "insufficient_margin",
    ),
    ("not listed", {"symbol": Symbol("XMR/USDT:USDT")}, "symbol"),
]


@pytest.mark.parametrize(("_why", "changes", "code"), REFUSED, ids=[case[0] for case in REFUSED])
async def test_an_order_outside_the_rules_is_refused_and_nothing_happens(
    market: PaperMarket, _why: str, changes: dict[str, Any], code: str
) -> None:
    market.flat_bar("0.2", symbol=DOGE)
    before = await market.all_there_is()
    order = market.order(Side.BUY, **({"quantity": d(1)} | changes))
    with pytest.raises(OrderRejected) as refusal:
        await market.venue.submit(order)
    assert refusal.value.code == code
    assert refusal.value.reason
    assert await market.all_there_is() == before
    assert await market.venue.order(BTC, order.client_id) is None


async def test_a_minimum_above_the_step_is_a_refusal() -> None:
    market = PaperMarket(instruments=(an_instrument(min_quantity=d("0.1")),))
    market.flat_bar(100)
    with pytest.raises(OrderRejected) as refusal:
        await market.buy("0.099")
    assert refusal.value.code == "min_quantity"


async def test_leverage_that_the_maintenance_margin_forbids_is_refused() -> None:
    market = PaperMarket(instruments=(an_instrument(maintenance=d("0.05")),))
    market.flat_bar(100)
    with pytest.raises(OrderRejected, match="liquidated at once"):
        await market.buy(1, leverage=20)


async def test_before_the_first_bar_there_is_no_price() -> None:
    with pytest.raises(OrderRejected) as refusal:
        await PaperMarket().buy(1)
    assert refusal.value.code == "no_market"


async def test_margin_is_counted_over_positions_and_resting_orders() -> None:
    market = PaperMarket(start=100)
    market.flat_bar(100)
    await market.buy(5)  # margin 50, fee 0.25
    await market.buy(4, kind=LIMIT, price=d(90))  # holds back 36 + 0.18
    available = (await market.venue.balance()).available
    assert available == d("99.75") - 50 - d("36.18")
    with pytest.raises(OrderRejected, match=r"insufficient margin: needs 20\.1.*available 13\.57"):
        await market.buy(2)
    assert (await market.buy(1)).order.status is OrderStatus.FILLED


async def test_an_id_that_is_known_is_never_a_second_order(market: PaperMarket) -> None:
    order = market.order(Side.BUY, 1)
    await market.venue.submit(order)
    with pytest.raises(OrderRejected) as refusal:
        await market.venue.submit(order)
    assert refusal.value.code == "duplicate"
    assert held(market) == (Direction.LONG, d(1))


async def test_the_ids_of_protection_are_taken_before_it_hangs_out(market: PaperMarket) -> None:
    guard = market.guard(80, 120)
    await market.buy(1, guard, kind=LIMIT, price=d(90))
    for again in (guard, None):
        order = market.order(Side.BUY, 1) if again else market.order(Side.BUY, 1, client_id=guard.stop_id)
        with pytest.raises(OrderRejected) as refusal:
            await market.venue.submit(order, again)
        assert refusal.value.code == "duplicate"


# --- limit orders ---


@pytest.mark.parametrize(
    ("side", "bar", "filled"),
    [
        (Side.BUY, (100, 101, "95.1", 98), False),
        (Side.BUY, (100, 101, 95, 98), False),  # touched is not traded through
        (Side.BUY, (100, 101, "94.9", 98), True),
        (Side.BUY, (90, 92, 89, 91), True),  # a gap in its favour fills at its own price
        (Side.SELL, (100, 105, 99, 102), False),
        (Side.SELL, (100, "105.1", 99, 102), True),
        (Side.SELL, (110, 111, 109, 110), True),
    ],
)
async def test_a_limit_order_fills_as_maker_when_the_bar_trades_through(
    market: PaperMarket, side: Side, bar: tuple[Any, Any, Any, Any], filled: bool
) -> None:
    price = d(95) if side is Side.BUY else d(105)
    report = await market.venue.submit(market.order(side, 1, kind=LIMIT, price=price))
    assert report.order.status is OrderStatus.OPEN
    market.bar(*bar)
    assert [(f.price, f.maker) for f in market.told] == ([(price, True)] if filled else [])
    assert await ids(market) == ([] if filled else [report.order.client_id])


async def test_a_marketable_limit_order_takes_the_touch_but_nothing_worse_than_its_price() -> None:
    market = PaperMarket(rules=PaperRules(impact=d("0.5")))
    market.flat_bar(100)
    await market.buy(10, kind=LIMIT, price=d(102))  # impact alone would ask 105
    await market.sell(1, kind=LIMIT, price=d(97))
    assert [(f.price, f.maker) for f in market.told] == [(d(102), False), (d("98.4"), False)]


async def test_a_limit_order_rests_with_what_the_volume_left(market: PaperMarket) -> None:
    market.flat_bar(100, volume=10)
    report = await market.buy(3, kind=LIMIT, price=d(100))
    assert (report.order.status, report.order.filled) == (OrderStatus.PARTLY_FILLED, d(1))
    market.bar(100, 101, 99, 100, volume=15)
    assert (await state(market, report.order.client_id)).filled == d("2.5")
    market.bar(100, 101, 99, 100, volume=0)
    market.bar(100, 101, 99, 100)
    assert (await state(market, report.order.client_id)).status is OrderStatus.FILLED


async def test_cancel_ends_an_order_once_and_is_no_error_afterwards(market: PaperMarket) -> None:
    report = await market.buy(1, kind=LIMIT, price=d(90))
    for _ in range(2):
        await market.venue.cancel(BTC, report.order.client_id)
    await market.venue.cancel(BTC, ClientId("never-seen"))
    assert (await state(market, report.order.client_id)).status is OrderStatus.CANCELLED
    assert await ids(market) == []
    assert (await market.venue.balance()).available == d(10_000)


# --- protection ---


async def test_protection_rides_on_the_entry_for_what_was_filled(market: PaperMarket) -> None:
    market.flat_bar(100, volume=12)
    guard = market.guard(95, 110)
    await market.buy(2, guard)
    stop, target = [report.order for report in await market.venue.open_orders()]
    assert (stop.client_id, stop.kind, stop.trigger, stop.leg.value) == (guard.stop_id, STOP, d(95), "stop")
    assert (target.client_id, target.kind, target.trigger) == (guard.target_id, TARGET, d(110))
    assert stop.quantity == target.quantity == d("1.2")
    assert stop.reduce_only is target.reduce_only is True
    assert stop.side is target.side is Side.SELL
    assert stop.decision_id == "btc-test2"


async def test_an_entry_that_does_not_fill_hangs_nothing_out(market: PaperMarket) -> None:
    market.flat_bar(100, volume=0)
    await market.buy(2, market.guard(95, 110))
    assert await ids(market) == []


async def test_protection_grows_with_an_entry_that_fills_in_parts(market: PaperMarket) -> None:
    guard = market.guard(80, 120)
    market.flat_bar(100, volume=10)
    await market.buy(3, guard, kind=LIMIT, price=d(100))
    market.bar(100, 101, 99, 100, volume=15)
    assert (await state(market, guard.stop_id)).quantity == d("2.5")
    await market.venue.cancel(BTC, guard.stop_id)
    market.bar(100, 101, 99, 100)  # the last half would have no stop
    assert held(market) == (Direction.LONG, d("2.5"))
    assert await ids(market) == [guard.target_id]


@pytest.mark.parametrize(
    ("side", "stop", "target", "code"),
    [
        (Side.BUY, 100, 110, "protection"),  # at the mark
        (Side.BUY, 101, 110, "protection"),
        (Side.BUY, 95, 100, "protection"),
        (Side.BUY, 95, "100.1", "protection"),  # beyond the mark, but not beyond the fill after slippage (pitfall 6)
        (Side.BUY, 110, 95, "protection"),
        (Side.SELL, 95, 90, "protection"),
        (Side.SELL, 105, 101, "protection"),
        (Side.BUY, "95.05", 110, "tick"),
        (Side.BUY, 95, "110.05", "tick"),
    ],
)
async def test_protection_on_the_wrong_side_refuses_the_whole_submit(
    side: Side, stop: Any, target: Any, code: str
) -> None:
    market = PaperMarket(spread="0.2")
    market.flat_bar(100)
    with pytest.raises(OrderRejected) as refusal:
        await market.venue.submit(market.order(side, 1), market.guard(stop, target))
    assert refusal.value.code == code
    assert held(market) is None


async def test_protection_rides_on_entries_only(market: PaperMarket) -> None:
    await market.buy(1)
    order = market.order(Side.SELL, 1, reduce_only=True)
    with pytest.raises(OrderRejected, match="only ride on an entry"):
        await market.venue.submit(order, market.guard(110, 90))


LONG_EXITS: list[tuple[str, tuple[Any, Any, Any, Any], str | None]] = [
    ("neither is reached", (100, "109.9", "95.1", 100), None),
    ("the stop, at its trigger", (100, 101, 95, 96), "95"),
    ("the bar opens beyond the stop: at the open", (93, 94, 92, 93), "93"),
    ("the target, at its trigger", (100, 110, 99, 105), "110"),
    ("the bar opens beyond the target: at the open", (112, 113, 94, 100), "112"),
    ("both within one bar: the unfavourable one", (100, 111, 94, 105), "95"),
]


@pytest.mark.parametrize(("_why", "bar", "exit_"), LONG_EXITS, ids=[case[0] for case in LONG_EXITS])
async def test_how_a_guarded_long_ends_in_one_bar(
    market: PaperMarket, _why: str, bar: tuple[Any, Any, Any, Any], exit_: str | None
) -> None:
    await market.buy(1, market.guard(95, 110))
    market.bar(*bar)
    assert [f.price for f in market.told[1:]] == ([] if exit_ is None else [d(exit_)])


@pytest.mark.parametrize(("_why", "bar", "exit_"), LONG_EXITS, ids=[case[0] for case in LONG_EXITS])
async def test_a_short_is_its_mirror_image(
    market: PaperMarket, _why: str, bar: tuple[Any, Any, Any, Any], exit_: str | None
) -> None:
    await market.sell(1, market.guard(105, 90))
    open_, high, low, close = (200 - d(price) for price in bar)
    market.bar(str(open_), str(low), str(high), str(close))
    assert [f.price for f in market.told[1:]] == ([] if exit_ is None else [200 - d(exit_)])
    assert all(f.side is Side.BUY for f in market.told[1:])


async def test_a_stop_slips_and_a_target_does_not() -> None:
    market = PaperMarket(rules=PaperRules(impact=d("0.1")))
    for bar, price in [((100, 100, 95, 95), "94"), ((100, 110, 100, 100), "110")]:  # 95 x (1 - 0.1 x sqrt(10/1000))
        market.flat_bar(100)
        await market.buy(10, market.guard(95, 110), leverage=5)
        market.bar(*bar)
        assert market.told[-1].price == d(price)
        assert held(market) is None


async def test_the_other_leg_stays_and_expires_when_it_triggers_without_a_position(market: PaperMarket) -> None:
    guard = market.guard(95, 110)
    await market.buy(1, guard)
    market.bar(100, 101, 94, 96)
    assert await ids(market) == [guard.target_id]  # the venue does not sweep: the desk does
    market.bar(100, 111, 99, 105)
    assert (await state(market, guard.target_id)).status is OrderStatus.EXPIRED
    assert held(market) is None


async def test_a_leftover_stop_hits_the_next_position_unless_it_is_swept(market: PaperMarket) -> None:
    """Pitfall 12 as it is in the world; the desk must cancel leftovers."""
    guard = market.guard(95, 110)
    await market.buy(1, guard)
    market.bar(100, 111, 99, 100)
    await market.buy(1)
    market.bar(100, 101, 94, 96)
    assert held(market) is None
    await market.sell(1)
    assert await ids(market) == []


async def test_a_stop_that_finds_no_volume_waits_for_the_next_open(market: PaperMarket) -> None:
    guard = market.guard(95, 110)
    await market.buy(10, guard)
    market.bar(94, 94, 94, 94, volume=0)
    assert held(market) == (Direction.LONG, d(10))
    market.bar(97, 98, 96, 97, volume=40)
    assert (held(market), market.told[-1].price) == ((Direction.LONG, d(6)), d(97))
    assert (await state(market, guard.stop_id)).status is OrderStatus.PARTLY_FILLED
    market.flat_bar(98)
    assert (held(market), market.told[-1].price) == (None, d(98))
    assert (await state(market, guard.stop_id)).status is OrderStatus.FILLED


# --- moving a stop or a target ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "level", "code"),
    [
        (Side.BUY, "99.9", None),
        (Side.BUY, "100", "trigger"),  # the mark is there already
        (Side.BUY, "100.1", "trigger"),
        (Side.SELL, "100.1", None),
        (Side.SELL, "100", "trigger"),
        (Side.SELL, "99.9", "trigger"),
        (Side.BUY, "99.95", "tick"),
        (Side.BUY, "0", "tick"),
        (Side.BUY, "-1", "tick"),
        (Side.BUY, "90", None),  # the venue does not ask whether it is better: that is the desk's rule
    ],
)
async def test_a_stop_can_be_moved_up_to_the_mark(
    market: PaperMarket, side: Side, level: str, code: str | None
) -> None:
    guard = market.guard("95", "110") if side is Side.BUY else market.guard("105", "90")
    await (market.buy if side is Side.BUY else market.sell)(1, guard)
    before = await market.all_there_is()
    if code is None:
        report = await market.venue.amend(BTC, guard.stop_id, trigger=d(level))
        assert report.order.trigger == d(level) == (await state(market, guard.stop_id)).trigger
        return
    with pytest.raises(OrderRejected) as refusal:
        await market.venue.amend(BTC, guard.stop_id, trigger=d(level))
    assert refusal.value.code == code
    assert await market.all_there_is() == before


async def test_a_target_is_not_moved_to_where_the_mark_has_been(market: PaperMarket) -> None:
    guard = market.guard("95", "110")
    await market.buy(1, guard)
    with pytest.raises(OrderRejected) as refusal:
        await market.venue.amend(BTC, guard.target_id, trigger=d(100))
    assert refusal.value.code == "trigger"
    await market.venue.amend(BTC, guard.target_id, trigger=d("100.1"))


async def test_the_level_that_stands_already_is_no_error_even_where_it_is_reached(market: PaperMarket) -> None:
    """The answer to the first request was lost; by the time of the second, the market is there."""
    guard = market.guard("95", "110")
    await market.buy(1, guard)
    await market.venue.amend(BTC, guard.stop_id, trigger=d(99))
    market.updates.clear()
    account = market.venue._account
    market_now = account.market(BTC)
    assert market_now.quote
    market_now.quote = replace(market_now.quote, mark=d(98))
    assert (await market.venue.amend(BTC, guard.stop_id, trigger=d(99))).order.trigger == d(99)
    assert market.updates == []


async def test_a_triggered_stop_is_moved_no_more(market: PaperMarket) -> None:
    guard = market.guard("95", "110")
    await market.buy(1, guard)
    market.flat_bar(94, volume=0)
    with pytest.raises(OrderRejected) as refusal:
        await market.venue.amend(BTC, guard.stop_id, trigger=d(93))
    assert refusal.value.code == "gone"


async def test_only_stops_and_targets_are_moved(market: PaperMarket) -> None:
    resting = await market.buy(1, kind=OrderKind.LIMIT, price=d(90))
    for symbol, client_id in ((BTC, resting.order.client_id), (DOGE, resting.order.client_id), (BTC, ClientId("no"))):
        with pytest.raises(OrderRejected) as refusal:
            await market.venue.amend(symbol, client_id, trigger=d(80))
        assert refusal.value.code == "gone"


async def test_a_moved_stop_is_told_and_survives_a_restart(tmp_path: Path) -> None:
    market = PaperMarket(store=tmp_path / "paper.db")
    market.flat_bar(100)
    guard = market.guard("95", "110")
    await market.buy(1, guard)
    await market.venue.amend(BTC, guard.stop_id, trigger=d(99))
    told = market.updates[-1]
    assert isinstance(told, OrderReport)
    assert told.order == await state(market, guard.stop_id)
    market.restart()
    assert (await state(market, guard.stop_id)).trigger == d(99)
    market.bar(100, 100, 98, 98)
    assert [f.price for f in market.told[1:]] == [d(99)]


async def test_a_moved_stop_grows_with_its_entry_and_stays_where_it_is(market: PaperMarket) -> None:
    guard = market.guard("95", "110")
    market.flat_bar(100, volume=10)
    order = await market.buy(2, guard, kind=OrderKind.LIMIT, price=d(100))
    assert order.order.filled == 1
    await market.venue.amend(BTC, guard.stop_id, trigger=d(97))
    market.bar(100, 100, 99, 99, volume=100)
    stop = await state(market, guard.stop_id)
    assert (stop.quantity, stop.trigger) == (d(2), d(97))


async def test_an_entry_and_its_stop_within_one_bar(market: PaperMarket) -> None:
    """The price fell through the entry and on through the stop; the high may have come before: no target."""
    guard = market.guard(90, 105)
    await market.buy(1, guard, kind=LIMIT, price=d(95))
    market.bar(100, 106, 89, 104)
    assert [(f.client_id, f.price) for f in market.told[1:]] == [(guard.stop_id, d(90))]
    await market.venue.cancel(BTC, guard.target_id)
    later = market.guard(90, 105)
    await market.buy(1, later, kind=LIMIT, price=d(95))
    market.bar(100, 106, 94, 104)
    assert held(market) == (Direction.LONG, d(1))
    assert await ids(market) == [later.stop_id, later.target_id]


# --- reduce-only and one-way positions ---


async def test_a_close_for_more_than_is_open_is_cut(market: PaperMarket) -> None:
    await market.buy(1)
    report = await market.close(Side.SELL, 5)
    assert (report.order.status, report.order.quantity) == (OrderStatus.FILLED, d(1))
    assert held(market) is None


async def test_a_close_on_the_wrong_side_is_refused(market: PaperMarket) -> None:
    """Pitfall 7: a short closed by a sell would grow."""
    await market.sell(1)
    with pytest.raises(OrderRejected) as refusal:
        await market.close(Side.SELL, 1)
    assert refusal.value.code == "reduce_only"
    assert held(market) == (Direction.SHORT, d(1))


async def test_a_close_touches_its_own_instrument_only(market: PaperMarket) -> None:
    """Pitfall 9."""
    market.flat_bar("0.2", volume=1_000_000, symbol=DOGE)
    await market.buy(1)
    await market.buy(1000, symbol=DOGE)
    await market.close(Side.SELL, 1)
    assert (held(market), held(market, DOGE)) == (None, (Direction.LONG, d(1000)))


async def test_a_ladder_never_closes_more_than_the_position(market: PaperMarket) -> None:
    """Pitfall 15."""
    await market.buy(1)
    for trigger in (103, 104, 105):
        await market.close(Side.SELL, "0.6", kind=TARGET, trigger=d(trigger))
    market.bar(100, 106, 99, 100)
    assert [f.quantity for f in market.told[1:]] == [d("0.6"), d("0.4")]
    assert held(market) is None
    assert await ids(market) == []


async def test_a_rest_below_the_minimum_can_be_closed() -> None:
    market = PaperMarket(instruments=(an_instrument(min_quantity=d(1), min_notional=d(90)),))
    market.flat_bar(100)
    await market.buy(1)
    market.flat_bar(100, volume=5)
    assert (await market.close(Side.SELL, 1)).order.filled == d("0.5")
    market.flat_bar(100)
    assert (await market.close(Side.SELL, "0.5")).order.status is OrderStatus.FILLED


async def test_an_opposite_order_reduces_and_flips(market: PaperMarket) -> None:
    await market.buy(2)
    market.flat_bar(110)
    await market.sell(3)
    assert held(market) == (Direction.SHORT, d(1))
    assert (await market.venue.positions())[0].entry == d(110)
    assert await market.wallet() == d(10_000) + 20 - d("0.1") - d("0.165")
    market.flat_bar(100)
    await market.buy(1)
    assert held(market) is None
    assert await market.wallet() == d(10_000) + 20 + 10 - d("0.1") - d("0.165") - d("0.05")


async def test_a_flip_needs_margin_for_what_it_opens() -> None:
    market = PaperMarket(start=100)
    market.flat_bar(100)
    await market.buy(9)
    with pytest.raises(OrderRejected, match="insufficient margin"):
        await market.sell(20)
    await market.sell(18)
    assert held(market) == (Direction.SHORT, d(9))


async def test_a_flip_cannot_spend_the_margin_that_its_close_has_lost() -> None:
    market = PaperMarket(start=100)
    market.flat_bar(100)
    await market.buy(9)  # margin 90
    market.flat_bar(92)  # 72 of it are gone
    with pytest.raises(OrderRejected, match="insufficient margin: needs 83"):
        await market.sell(18)
    await market.sell(10)
    assert held(market) == (Direction.SHORT, d(1))


async def test_partial_closes_lose_nothing_to_rounding(market: PaperMarket) -> None:
    for price in ("100", "100.1", "100.3"):
        market.flat_bar(price)
        await market.buy(1)
    for price in ("101.1", "99.7", "103.3"):
        market.flat_bar(price)
        await market.close(Side.SELL, 1)
    totals = market.venue._account.totals
    assert totals.realised == d("101.1") + d("99.7") + d("103.3") - d("300.4")
    assert totals.wallet == totals.start + totals.realised - totals.fees
    assert (await market.venue.balance()).available == totals.wallet


# --- funding ---


@pytest.mark.parametrize(
    ("side", "rate", "amount"),
    [(Side.BUY, "0.0001", "-0.02"), (Side.SELL, "0.0001", "0.02"), (Side.BUY, "-0.0003", "0.06")],
)
async def test_longs_pay_positive_funding(market: PaperMarket, side: Side, rate: str, amount: str) -> None:
    await market.venue.submit(market.order(side, 2))
    before = await market.wallet()
    for _ in range(2):  # the second is the same settlement again
        market.venue.settle_funding(BTC, market.clock.now(), d(rate), d(100))
    assert await market.wallet() == before + d(amount)
    (payment,) = await market.venue.funding("")
    assert (payment.id, payment.amount, payment.rate) == ("000000000001", d(amount), d(rate))
    assert [u for u in market.updates if isinstance(u, FundingPayment)] == [payment]
    assert await market.venue.funding(payment.id) == ()


async def test_who_holds_nothing_pays_nothing(market: PaperMarket) -> None:
    market.venue.settle_funding(BTC, market.clock.now(), d("0.01"), d(100))
    assert await market.venue.funding("") == ()
    await market.buy(1)
    market.venue.settle_funding(BTC, market.clock.now(), d("0.01"), d(100))  # seen before, then flat
    assert await market.venue.funding("") == ()


# --- liquidation ---

# long 1 at 100, leverage 20: margin 5, liquidation (100 - 5) / (1 - 0.005) = 95.477, bankruptcy 95
LIQUIDATED: list[tuple[str, tuple[Any, Any, Any, Any], str | None, str | None]] = [
    ("not reached", (100, 101, "95.5", 96), None, None),
    ("at the liquidation price, on the tick", (100, 101, 95, 96), "95.4", "0.0477"),
    ("gap between liquidation and bankruptcy: the open", ("95.2", 96, 95, 95), "95.2", "0.0476"),
    ("gap beyond bankruptcy: the margin and no more", (80, 81, 79, 80), "95", "0"),
]


@pytest.mark.parametrize(("_why", "bar", "price", "fee"), LIQUIDATED, ids=[case[0] for case in LIQUIDATED])
async def test_liquidation_of_a_long(
    market: PaperMarket, _why: str, bar: tuple[Any, Any, Any, Any], price: str | None, fee: str | None
) -> None:
    await market.buy(1, leverage=20)
    before = await market.wallet()
    market.bar(*bar)
    closes = market.told[1:]
    assert [(f.price, f.fee, f.client_id, f.liquidation) for f in closes] == (
        [(d(price), d(fee), "liquidation-2", True)] if price and fee else []
    )
    assert await market.wallet() >= before - 5
    assert (held(market) is None) == bool(price)


async def test_liquidation_of_a_short(market: PaperMarket) -> None:
    await market.sell(1, leverage=20)  # (100 + 5) / 1.005 = 104.477
    market.bar(100, 105, 99, 104)
    (fill,) = market.told[1:]
    assert (fill.price, fill.side, fill.liquidation) == (d("104.5"), Side.BUY, True)


async def test_the_stop_before_the_liquidation_price_fires_first(market: PaperMarket) -> None:
    await market.buy(1, market.guard(97, 110), leverage=20)
    market.bar(100, 101, 90, 91)
    assert [(f.price, f.liquidation) for f in market.told[1:]] == [(d(97), False)]


async def test_a_gap_beyond_liquidation_leaves_nothing_to_the_stop(market: PaperMarket) -> None:
    await market.buy(1, market.guard(97, 110), leverage=20)
    market.bar(94, 95, 93, 94)
    assert [(f.price, f.liquidation) for f in market.told[1:]] == [(d(95), True)]
    assert await ids(market) == []


async def test_a_stop_beyond_liquidation_never_fires(market: PaperMarket) -> None:
    """Pitfall 17: a 5 % stop at 50x."""
    guard = market.guard(95, 110)
    await market.buy(1, guard, leverage=50)
    market.bar(100, 101, 94, 95)
    assert [f.liquidation for f in market.told[1:]] == [True]
    assert market.told[-1].price > 95
    ended = await state(market, guard.stop_id)
    assert (ended.status, ended.note) == (OrderStatus.EXPIRED, "the position was liquidated")


async def test_a_liquidation_ends_each_resting_order_once(market: PaperMarket) -> None:
    guard = market.guard(95, 110)
    await market.buy(1, guard, leverage=50)
    market.bar(100, 111, 94, 105)  # stop and target both lie in the bar that liquidates
    for client_id in (guard.stop_id, guard.target_id):
        reports = [u.order for u in market.updates if isinstance(u, OrderReport) and u.order.client_id == client_id]
        assert [r.status for r in reports] == [OrderStatus.OPEN, OrderStatus.EXPIRED]


async def test_what_a_stop_could_not_close_is_liquidated(market: PaperMarket) -> None:
    await market.buy(10, market.guard(97, 110), leverage=20)
    market.bar(100, 101, 90, 91, volume=40)
    assert [(f.quantity, f.liquidation) for f in market.told[1:]] == [(d(4), False), (d(6), True)]


async def test_without_leverage_a_long_is_never_liquidated(market: PaperMarket) -> None:
    await market.buy(1, leverage=1)
    market.bar(100, 100, "0.1", "0.1")
    assert held(market) == (Direction.LONG, d(1))


# --- profit and loss, whole (pitfall 24) ---


@pytest.mark.parametrize(("side", "sign"), [(Side.BUY, 1), (Side.SELL, -1)])
@pytest.mark.parametrize("leverage", [1, 10])
async def test_profit_has_the_sign_of_the_side_and_pays_fees_and_funding(
    market: PaperMarket, side: Side, sign: int, leverage: int
) -> None:
    await market.venue.submit(market.order(side, 2, leverage=leverage))
    market.venue.settle_funding(BTC, market.clock.now(), d("0.0001"), d(100))
    market.flat_bar(104)
    await market.close(Side.SELL if side is Side.BUY else Side.BUY, 2)
    fees = d("0.1") + d("0.104")
    assert await market.wallet() == d(10_000) + sign * 8 - sign * d("0.02") - fees


# --- updates, ids, order of events ---


async def test_updates_come_in_order_and_ids_rise(market: PaperMarket) -> None:
    guard = market.guard(95, 110)
    await market.buy(1, guard)
    kinds = [u.order.client_id if isinstance(u, OrderReport) else u.id for u in market.updates]
    assert kinds == ["000000000001", "gv-test-2", guard.stop_id, guard.target_id]
    await market.close(Side.SELL, 1)
    fills = await market.venue.fills("")
    assert [f.id for f in fills] == ["000000000001", "000000000002"]
    assert await market.venue.fills(fills[0].id) == fills[1:]
    assert await market.venue.fills(fills[1].id) == ()
    assert market.told == list(fills)


async def test_updates_are_durable_before_they_are_told(tmp_path: Path) -> None:
    market = PaperMarket(store=tmp_path / "paper.db")
    seen: list[int] = []

    def look(_: object) -> None:
        with sqlite3.connect(tmp_path / "paper.db") as db:
            seen.extend(db.execute("SELECT count(*) FROM rows WHERE kind = 'fill'").fetchone())

    market.flat_bar(100)
    market.venue.listen(look)
    await market.buy(1)
    assert seen == [1, 1]


# --- the end of the data ---


async def test_after_the_end_only_a_close_is_taken_and_it_fills_in_full(market: PaperMarket) -> None:
    await market.buy(10, market.guard(95, 110))
    market.flat_bar(101, volume=1)
    for _ in range(2):
        market.venue.end_of_data(BTC)
    assert await ids(market) == []
    for refused in (market.order(Side.BUY, 1), market.order(Side.SELL, 1, kind=LIMIT, price=d(105), reduce_only=True)):
        with pytest.raises(OrderRejected) as refusal:
            await market.venue.submit(refused)
        assert refusal.value.code == "ended"
    report = await market.close(Side.SELL, 10)
    assert (report.order.status, market.told[-1].price) == (OrderStatus.FILLED, d(101))


async def test_data_that_go_on_after_all_open_the_market_again(market: PaperMarket) -> None:
    market.venue.end_of_data(BTC)
    market.flat_bar(101)
    assert (await market.buy(1)).order.status is OrderStatus.FILLED


# --- memory ---


async def test_a_new_venue_on_the_same_store_is_the_same_account(tmp_path: Path) -> None:
    market = PaperMarket(store=tmp_path / "paper.db", rules=PaperRules())
    market.flat_bar(100)
    market.flat_bar("0.2", volume=1_000_000, symbol=DOGE)
    guard = market.guard(95, 110)
    await market.buy(3, guard)
    await market.sell(2000, symbol=DOGE)
    await market.buy(1, market.guard(80, 120), kind=LIMIT, price=d(90))
    market.venue.settle_funding(BTC, market.clock.now(), d("0.0001"), d(100))
    before = await market.all_there_is()
    market.restart()
    assert await market.all_there_is() == before
    market.bar(100, 101, 89, 91)
    assert market.told[-2].client_id == guard.stop_id
    assert market.told[-1].price == d(90)
    assert (await market.buy(1)).order.status is OrderStatus.FILLED


async def test_bars_and_funding_seen_before_are_not_seen_again(tmp_path: Path) -> None:
    market = PaperMarket(store=tmp_path / "paper.db")
    market.flat_bar(100)
    await market.buy(1, market.guard(95, 110), kind=LIMIT, price=d(99))
    market.bar(100, 101, 98, 100)
    market.venue.settle_funding(BTC, market.clock.now(), d("0.0001"), d(100))
    market.bar(100, 101, 94, 100)
    before = await market.all_there_is()
    market.restart()
    for bar in market.bars[BTC]:
        market.venue.advance(*bar)
    market.venue.settle_funding(BTC, START + 2 * HOUR, d("0.0001"), d(100))
    assert await market.all_there_is() == before


async def test_a_triggered_stop_is_remembered_as_triggered(tmp_path: Path) -> None:
    market = PaperMarket(store=tmp_path / "paper.db")
    market.flat_bar(100)
    await market.buy(1, market.guard(95, 110))
    market.flat_bar(94, volume=0)
    market.restart()
    market.flat_bar(99)
    assert [f.price for f in market.told[1:]] == [d(99)]


async def test_an_orderly_close_keeps_the_touch(tmp_path: Path) -> None:
    market = PaperMarket(store=tmp_path / "paper.db")
    market.flat_bar(100)
    market.venue.close()
    market.bars.clear()
    market.restart()
    assert (await market.buy(1)).order.status is OrderStatus.FILLED


def test_a_file_that_is_no_account_is_refused(tmp_path: Path) -> None:
    (tmp_path / "junk.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(BadRecord, match=r"junk\.db"):
        PaperMarket(store=tmp_path / "junk.db")
    with sqlite3.connect(tmp_path / "new.db") as db:
        db.execute("PRAGMA user_version = 7")
    with pytest.raises(BadRecord, match="version 7"):
        PaperMarket(store=tmp_path / "new.db")


async def test_what_cannot_be_written_has_not_happened(tmp_path: Path) -> None:
    market = PaperMarket(store=tmp_path / "paper.db")
    market.flat_bar(100)
    await market.buy(1)
    before = await market.all_there_is()
    store = market.venue._store
    assert store
    store._db.execute("PRAGMA query_only = 1")
    with pytest.raises(VenueDown):
        await market.buy(1)
    store._db.execute("PRAGMA query_only = 0")
    assert await market.all_there_is() == before
    assert len(market.told) == 1
    assert (await market.buy(1)).order.status is OrderStatus.FILLED


# --- faults ---


class Broken:
    """Raises what it is told to at the next submit."""

    def __init__(self, *, before: Exception | None = None, after: Exception | None = None, hidden: int = 0) -> None:
        self.visible_after = timedelta(seconds=hidden)
        self.lose_updates = False
        self._before, self._after = before, after

    async def before(self, call: str, order: Order | None) -> None:
        if call == "submit" and self._before:
            raise self._before

    async def after(self, call: str, order: Order | None) -> None:
        if call == "submit" and self._after:
            raise self._after


@pytest.mark.parametrize(
    ("faults", "happened"),
    [
        (lambda: Broken(before=Transient("busy")), False),
        (lambda: Broken(before=UnknownOutcome("timed out")), False),
        (lambda: Broken(after=UnknownOutcome("timed out")), True),
    ],
)
async def test_a_lost_answer_is_looked_up(faults: Callable[[], Broken], happened: bool) -> None:
    market = PaperMarket(faults=faults())
    market.flat_bar(100)
    order = market.order(Side.BUY, 1)
    with pytest.raises((Transient, UnknownOutcome)):
        await market.venue.submit(order)
    report = await market.venue.order(BTC, order.client_id)
    assert (report is not None and report.order.status is OrderStatus.FILLED) == happened
    assert (held(market) is not None) == happened


async def test_protection_may_show_late() -> None:
    """Pitfall 18."""
    faults = Broken(hidden=4)
    market = PaperMarket(faults=faults)
    market.flat_bar(100)
    guard = market.guard(95, 110)
    await market.buy(1, guard)
    market.clock.advance(timedelta(seconds=3))
    assert await ids(market) == []
    market.clock.advance(timedelta(seconds=1))
    assert await ids(market) == [guard.stop_id, guard.target_id]


async def test_updates_may_be_lost_but_reads_are_the_truth() -> None:
    faults = Broken()
    faults.lose_updates = True
    market = PaperMarket(faults=faults)
    market.flat_bar(100)
    await market.buy(1)
    assert market.updates == []
    assert len(await market.venue.fills("")) == 1


# --- settings ---


@pytest.mark.parametrize("rules", [{"impact": d("-0.1")}, {"participation": d(0)}, {"participation": d("1.1")}])
def test_rules_out_of_range_cannot_be_built(rules: dict[str, Decimal]) -> None:
    with pytest.raises(ValueError, match="paper rules"):
        PaperRules(**rules)


async def test_the_whole_bar_may_be_had_where_the_rules_say_so() -> None:
    market = PaperMarket(rules=ALL)
    market.flat_bar(100, volume=5)
    assert (await market.buy(5)).order.status is OrderStatus.FILLED


async def test_it_lists_what_it_was_given(market: PaperMarket) -> None:
    assert set(await market.venue.instruments()) == {BTC, DOGE}
    assert isinstance(market.venue, PaperVenue)
    assert NO_IMPACT.participation == d("0.1")
