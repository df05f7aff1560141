from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.fakes.exchange_core import SPECS, Core, CoreOrder, Happening, Refused
from tests.fakes.exchange_core_walk import Walk

BTC, ETH, DOGE = "BTCUSDT", "ETHUSDT", "DOGEUSDT"
STARTED = 1_790_000_030_000


class Now:
    def __init__(self) -> None:
        self.ms = STARTED

    def __call__(self) -> int:
        return self.ms


def D(text: str | int) -> Decimal:
    return Decimal(text)


def a_core(**terms: object) -> tuple[Core, Now]:
    now = Now()
    return Core(now=now, **terms), now  # type: ignore[arg-type]


def market(core: Core, side: str = "BUY", quantity: str = "0.01", native: str = BTC, **more: object) -> CoreOrder:
    client_id = more.pop("client_id", f"m{len(core.orders)}")
    terms = {"kind": "MARKET", "client_id": client_id, "quantity": D(quantity)} | more
    return core.place(native=native, side=side, **terms)  # type: ignore[arg-type]


def limit(core: Core, side: str, price: str, quantity: str = "0.01", **more: object) -> CoreOrder:
    return market(core, side, quantity, kind="LIMIT", price=D(price), **more)


def stop(core: Core, trigger: str, side: str = "SELL", **more: object) -> CoreOrder:
    terms = {"kind": "STOP_MARKET", "trigger": D(trigger), "close_all": True, "quantity": D(0)} | more
    return core.place(native=BTC, side=side, client_id=f"s{len(core.orders)}", **terms)  # type: ignore[arg-type]


def target(core: Core, trigger: str, side: str = "SELL", **more: object) -> CoreOrder:
    return stop(core, trigger, side, kind="TAKE_PROFIT_MARKET", **more)


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        act()
    return refused.value.kind


def heard(core: Core) -> list[Happening]:
    log: list[Happening] = []
    core.listeners.append(log.append)
    return log


# --- money ------------------------------------------------------------------------------------------------------------


def test_a_round_trip_costs_the_spread_and_two_fees_to_the_last_digit() -> None:
    core, _ = a_core()
    market(core)
    market(core, "SELL", reduce_only=True)
    bought, sold = core.fills
    assert (bought.price, sold.price) == (D("96000.1"), D("95999.9"))
    assert (bought.fee, sold.fee) == (D("0.4800005"), D("0.4799995"))
    assert core.wallet == D(10_000) - D("0.002") - D("0.96")
    assert core.positions == {}
    assert [each.kind for each in core.incomes] == ["COMMISSION", "REALISED", "COMMISSION"]


def test_a_position_has_the_average_of_what_it_cost_and_a_part_that_closes_takes_its_share() -> None:
    core, _ = a_core()
    market(core, quantity="0.01")
    core.move(BTC, D(97_000))
    market(core, quantity="0.02")
    position = core.positions[BTC, "LONG"]
    assert position.cost == D("960.001") + D("1940.002")
    assert position.entry == position.cost / D("0.03")
    market(core, "SELL", "0.01", reduce_only=True)
    realised = core.fills[-1].realised
    assert realised == D("969.999") - (D("2900.003") / 3).quantize(D("0.00000001"))
    market(core, "SELL", "0.02", reduce_only=True)
    assert realised + core.fills[-1].realised == 3 * D("969.999") - D("2900.003")


def test_fees_are_booked_to_eight_places() -> None:
    core, _ = a_core()
    market(core, quantity="0.0003")
    assert D("96000.1") * D("0.0003") * D("0.0005") == D("0.014400015")
    assert core.fills[-1].fee == D("0.01440002")


def test_margin_is_set_free_with_the_part_that_closes() -> None:
    core, _ = a_core()
    market(core, quantity="0.03")
    market(core, "SELL", "0.01", reduce_only=True)
    assert core.positions[BTC, "LONG"].margin == D("96.0001")
    assert core.available() == core.wallet - D("96.0001")


def test_the_fee_has_to_be_there_beside_the_margin() -> None:
    poor, _ = a_core(wallet=D("48.00005") + D("0.48"))
    assert refusal(lambda: market(poor)) == "margin"
    enough, _ = a_core(wallet=D("48.00005") + D("0.4800005"))
    market(enough)
    assert enough.available() == 0


def test_one_order_may_close_one_side_and_open_the_other() -> None:
    core, _ = a_core()
    market(core, quantity="0.01")
    guard = stop(core, "95000")
    market(core, "SELL", "0.03")
    assert list(core.positions) == [(BTC, "SHORT")]
    assert core.positions[BTC, "SHORT"].quantity == D("0.02")
    assert core.fills[-1].realised == D("-0.002")
    assert guard.status == "CANCELED"


def test_funding_is_paid_by_longs_on_the_value_at_the_mark() -> None:
    core, _ = a_core()
    market(core)
    before = core.wallet
    core.fund(BTC, D("0.0001"))
    assert core.wallet - before == D("-0.096")
    core.fund(BTC, D("-0.0002"))
    assert core.wallet - before == D("0.096")
    assert [each.rate for each in core.incomes if each.kind == "FUNDING"] == [D("0.0001"), D("-0.0002")]
    core.fund(ETH, D("0.01"))
    assert core.wallet - before == D("0.096")


def test_what_is_available_is_the_wallet_without_margins_and_without_what_orders_hold() -> None:
    core, _ = a_core()
    market(core)
    assert core.available() == core.wallet - D("48.00005")
    order = limit(core, "BUY", "95000", "0.02")
    assert core.available() == core.wallet - D("48.00005") - D(95) - D("0.95")
    core.cancel(order.id)
    assert core.available() == core.wallet - D("48.00005")
    core.move(BTC, D(99_000))
    assert core.available() == core.wallet - D("48.00005")


def test_a_withdrawal_takes_no_more_than_is_available() -> None:
    core, _ = a_core()
    market(core)
    assert refusal(lambda: core.transfer(-core.wallet)) == "margin"
    core.transfer(-core.available())
    assert core.available() == 0


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "terms"),
    [
        ("step", {"quantity": "0.00015"}),
        ("min", {"quantity": "0"}),
        ("max", {"quantity": "100.0001"}),
        ("margin", {"quantity": "2.1"}),
        ("symbol", {"native": "PEPEUSDT"}),
        ("step", {"native": DOGE, "quantity": "150"}),
        ("min", {"native": DOGE, "quantity": "50"}),
        ("notional", {"native": "XRPUSDT", "quantity": "10", "kind": "LIMIT", "price": D("0.4")}),
        ("reduce", {"side": "SELL", "reduce_only": True}),
        ("tick", {"kind": "LIMIT", "price": D("95000.05")}),
        ("price", {"kind": "LIMIT", "price": D("101000")}),
        ("price", {"kind": "LIMIT"}),
        ("triggers", {"attach": (D(96_000), None)}),
        ("triggers", {"attach": (None, D(96_000))}),
        ("triggers", {"side": "SELL", "attach": (D(95_000), None)}),
        ("tick", {"attach": (D("95000.01"), None)}),
    ],
)
def test_an_order_against_the_rules_is_refused_and_leaves_nothing(kind: str, terms: dict[str, object]) -> None:
    core, _ = a_core()
    assert refusal(lambda: market(core, **terms)) == kind  # type: ignore[arg-type]
    assert core.orders == {}
    assert core.wallet == 10_000


def test_an_instrument_that_is_not_for_the_api_is_not_traded() -> None:
    core, _ = a_core(specs=[replace(SPECS[0], api=False)])
    assert refusal(lambda: market(core)) == "symbol"
    assert core.klines(BTC, limit=1)


def test_a_trigger_that_would_fire_at_once_is_refused() -> None:
    core, _ = a_core()
    market(core)
    assert refusal(lambda: stop(core, "96000")) == "triggers"
    assert refusal(lambda: target(core, "96000")) == "triggers"
    guard = stop(core, "95000")
    assert refusal(lambda: core.replace_trigger(guard.id, D(96_500))) == "triggers"
    assert refusal(lambda: core.replace_trigger(guard.id, D(95_000))) == "unchanged"
    assert core.replace_trigger(guard.id, D(95_500)).trigger == D(95_500)


def test_leverage_and_modes_are_refused_where_they_may_not_change() -> None:
    core, _ = a_core()
    assert refusal(lambda: core.set_leverage(BTC, 401)) == "leverage"
    assert refusal(lambda: core.set_leverage(BTC, 20)) == "unchanged"
    assert refusal(lambda: core.set_margin(BTC, "ISOLATED")) == "unchanged"
    assert refusal(lambda: core.set_position_mode(False)) == "unchanged"
    limit(core, "BUY", "95000")
    assert refusal(lambda: core.set_margin(BTC, "CROSSED")) == "busy"
    assert refusal(lambda: core.set_position_mode(True)) == "busy"
    core.set_margin(ETH, "CROSSED")
    core.set_leverage(BTC, 10)
    assert (core.leverage[BTC], core.margin[ETH]) == (10, "CROSSED")


def test_less_leverage_sets_more_margin_aside_or_is_refused() -> None:
    core, _ = a_core(wallet=D(100))
    market(core)
    core.set_leverage(BTC, 40)
    assert core.positions[BTC, "LONG"].margin == D("24.000025")
    assert refusal(lambda: core.set_leverage(BTC, 5)) == "margin"
    assert core.leverage[BTC] == core.positions[BTC, "LONG"].leverage == 40


def test_an_id_is_unique_among_open_orders_or_always() -> None:
    core, _ = a_core()
    limit(core, "BUY", "95000", client_id="a")
    assert refusal(lambda: market(core, client_id="a")) == "duplicate"
    market(core, client_id="b")
    market(core, client_id="b")
    core.place(native=BTC, side="SELL", kind="STOP_MARKET", trigger=D(95_000), close_all=True, client_id="a")
    always, _ = a_core(duplicates="always")
    market(always, client_id="b")
    assert refusal(lambda: market(always, client_id="b")) == "duplicate"


# --- limit orders and the book ----------------------------------------------------------------------------------------


def test_a_limit_order_rests_until_the_market_trades_there_and_pays_as_maker() -> None:
    core, _ = a_core()
    order = limit(core, "BUY", "95500")
    core.move(BTC, D("95500.1"))
    assert order.status == "NEW"
    core.move(BTC, D(95_000))
    assert order.status == "FILLED"
    fill = core.fills[-1]
    assert (fill.price, fill.maker, fill.fee) == (D(95_500), True, D("0.191"))


def test_a_limit_order_that_crosses_takes_at_the_touch() -> None:
    core, _ = a_core()
    order = limit(core, "BUY", "96500")
    assert (order.status, core.fills[-1].price, core.fills[-1].maker) == ("FILLED", D("96000.1"), False)


@pytest.mark.parametrize(
    ("tif", "price", "status"),
    [
        ("POST_ONLY", "96500", "EXPIRED"),
        ("POST_ONLY", "95500", "NEW"),
        ("IOC", "95500", "EXPIRED"),
        ("FOK", "96500", "FILLED"),
        ("FOK", "95500", "EXPIRED"),
    ],
)
def test_how_long_an_order_is_good_for(tif: str, price: str, status: str) -> None:
    core, _ = a_core()
    assert limit(core, "BUY", price, tif=tif).status == status


def test_a_thin_book_fills_level_by_level_and_the_rest_expires() -> None:
    core, _ = a_core()
    core.liquidity, core.levels = D("0.01"), 3
    order = market(core, quantity="0.05")
    assert [(each.price, each.quantity) for each in core.fills] == [
        (D("96000.1"), D("0.01")),
        (D("96000.2"), D("0.01")),
        (D("96000.3"), D("0.01")),
    ]
    assert (order.status, order.filled) == ("EXPIRED", D("0.03"))
    assert core.positions[BTC, "LONG"].quantity == D("0.03")
    assert market(core, quantity="0.01").filled == 0
    assert core.book(BTC, 5)[1] == []
    core.move(BTC, D(96_000))
    assert market(core, quantity="0.01").status == "FILLED"


def test_the_book_has_its_best_prices_around_the_last_one() -> None:
    core, _ = a_core()
    bids, asks = core.book(BTC, 20)
    assert (bids[0][0], asks[0][0], len(bids), len(asks)) == (core.bid(BTC), core.ask(BTC), 20, 20)
    assert [price for price, _ in bids] == sorted((price for price, _ in bids), reverse=True)
    assert core.book(BTC, 20) == (bids, asks)


def test_a_printed_trade_fills_what_rests_there_up_to_its_size() -> None:
    core, _ = a_core()
    order = limit(core, "BUY", "95500", "0.03")
    core.print_trade(BTC, D(95_600), D(5), False)
    core.print_trade(BTC, D(95_500), D("0.01"), True)
    assert order.filled == 0
    core.print_trade(BTC, D(95_500), D("0.01"), False)
    assert (order.status, order.filled) == ("PARTIALLY_FILLED", D("0.01"))
    assert core.last(BTC) == 96_000


def test_a_printed_trade_leaves_alone_what_was_filled_on_its_way() -> None:
    core, _ = a_core()
    first = limit(core, "SELL", "96000", attach=(D(96_400), None))
    second = limit(core, "SELL", "96000")
    core.print_trade(BTC, D(96_000), D("0.05"), True)
    assert (first.status, second.status) == ("FILLED", "FILLED")


# --- conditional orders -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "way"), [("BUY", -1), ("SELL", 1)])
def test_a_stop_fires_on_the_way_at_its_trigger_and_closes_everything(side: str, way: int) -> None:
    core, _ = a_core()
    market(core, side, "0.02")
    exit_side = "SELL" if side == "BUY" else "BUY"
    guard = stop(core, str(96_000 + way * 500), exit_side)
    other = target(core, str(96_000 - way * 500), exit_side)
    core.move(BTC, D(96_000 + way * 2_000))
    assert core.positions == {}
    fill = core.fills[-1]
    assert (fill.price, fill.quantity, fill.guard) == (D(96_000 + way * 500) + way * D("0.1"), D("0.02"), "STOP")
    assert (guard.status, guard.filled, other.status) == ("TRIGGERED", D("0.02"), "CANCELED")
    assert guard.fired is not None
    plain = core.orders[guard.fired]
    assert (plain.kind, plain.status, plain.origin, plain.client_id) == ("MARKET", "FILLED", guard.id, guard.client_id)
    assert (plain.conditional, plain.trigger, plain.reduce_only, plain.close_all) == (False, None, True, True)
    assert core.working() == []


def test_a_target_fires_when_the_mark_is_there() -> None:
    core, _ = a_core()
    market(core)
    guard = target(core, "96500")
    core.move(BTC, D("96499.9"))
    assert guard.status == "UNTRIGGERED"
    core.move(BTC, D("96500"))
    assert guard.status == "TRIGGERED"
    assert core.fills[-1].guard == "TARGET"


def test_triggers_look_at_the_mark_unless_they_were_told_to_look_at_the_last_price() -> None:
    core, _ = a_core()
    market(core)
    on_mark = stop(core, "95000", close_all=False, quantity=D("0.01"), reduce_only=True)
    on_last = stop(core, "95000", close_all=False, quantity=D("0.01"), reduce_only=True, working="LAST")
    core.move_mark(BTC, D(94_900))
    assert (on_mark.status, on_last.status) == ("TRIGGERED", "UNTRIGGERED")
    assert core.fills[-1].price == D("95999.9")


def test_there_is_one_closing_order_of_a_kind_a_side() -> None:
    core, _ = a_core()
    market(core)
    stop(core, "95000")
    assert refusal(lambda: stop(core, "95100")) == "exists"
    target(core, "97000")
    core.several_close_all = True
    stop(core, "95100")
    assert len(core.working(BTC, conditional=True)) == 3


def test_a_guard_by_quantity_outlives_its_position_and_expires_when_it_fires_on_nothing() -> None:
    core, _ = a_core()
    market(core, quantity="0.02")
    guard = stop(core, "95000", close_all=False, quantity=D("0.01"), reduce_only=True)
    closes = stop(core, "94000")
    market(core, "SELL", "0.02", reduce_only=True)
    assert (guard.status, closes.status) == ("UNTRIGGERED", "CANCELED")
    core.move(BTC, D(94_500))
    assert (guard.status, guard.fired, guard.note) == ("EXPIRED", None, "nothing to reduce")
    assert len(core.fills) == 2


def test_a_left_over_guard_hits_the_next_position() -> None:
    core, _ = a_core()
    market(core, quantity="0.02")
    stop(core, "95000", close_all=False, quantity=D("0.02"), reduce_only=True)
    market(core, "SELL", "0.02", reduce_only=True)
    market(core, quantity="0.05")
    core.move(BTC, D(94_500))
    assert core.positions[BTC, "LONG"].quantity == D("0.03")


def test_a_reduce_only_order_is_cut_to_the_position() -> None:
    core, _ = a_core()
    market(core, quantity="0.02")
    order = market(core, "SELL", "0.05", reduce_only=True)
    assert (order.quantity, order.status) == (D("0.02"), "FILLED")
    assert core.positions == {}


def test_attached_guards_appear_after_the_fill_with_what_it_filled() -> None:
    core, now = a_core(attach_delay_ms=400)
    core.liquidity, core.levels = D("0.01"), 2
    entry = market(core, quantity="0.05", attach=(D(95_000), D(97_000)))
    assert core.working() == []
    now.ms += 399
    assert core.working() == []
    now.ms += 1
    guards = core.working(BTC, conditional=True)
    assert [(each.kind, each.trigger, each.quantity, each.parent, each.guard) for each in guards] == [
        ("STOP_MARKET", D(95_000), D("0.02"), entry.id, "STOP"),
        ("TAKE_PROFIT_MARKET", D(97_000), D("0.02"), entry.id, "TARGET"),
    ]


def test_attached_guards_grow_with_an_entry_that_fills_in_parts() -> None:
    core, _ = a_core()
    limit(core, "BUY", "95500", "0.03", attach=(D(95_000), None))
    assert core.working(conditional=True) == []
    core.print_trade(BTC, D(95_500), D("0.01"), False)
    assert [each.quantity for each in core.working(conditional=True)] == [D("0.01")]
    core.print_trade(BTC, D(95_500), D("0.02"), False)
    assert [each.quantity for each in core.working(conditional=True)] == [D("0.03")]


def test_a_later_part_of_an_entry_is_guarded_for_itself_where_the_first_guard_has_fired() -> None:
    core, _ = a_core()
    limit(core, "BUY", "95500", "0.03", attach=(D(95_000), None))
    core.print_trade(BTC, D(95_500), D("0.01"), False)
    core.tick()
    core.move_mark(BTC, D(94_900))
    assert core.positions == {}
    core.move_mark(BTC, D(96_000))
    core.print_trade(BTC, D(95_500), D("0.02"), False)
    assert [each.quantity for each in core.working(conditional=True)] == [D("0.02")]


def test_guards_of_a_position_that_is_gone_before_they_appear_never_do() -> None:
    core, now = a_core(attach_delay_ms=400)
    market(core, attach=(D(95_000), None))
    market(core, "SELL", reduce_only=True)
    now.ms += 500
    assert core.working() == []


def test_a_price_that_has_passed_a_guard_before_it_appears_fires_it() -> None:
    core, now = a_core(attach_delay_ms=400)
    market(core, attach=(D(95_500), None))
    core.move(BTC, D(95_000))
    assert core.positions
    now.ms += 400
    core.tick()
    assert core.positions == {}


def test_guards_that_belong_to_the_position_are_moved_by_a_later_entry() -> None:
    core, _ = a_core(attach_close_all=True)
    market(core, attach=(D(95_000), D(97_000)))
    market(core, attach=(D(95_500), None))
    assert [(each.trigger, each.quantity, each.close_all) for each in core.working()] == [
        (D(95_500), D(0), True),
        (D(97_000), D(0), True),
    ]
    market(core, "SELL", "0.02", reduce_only=True)
    assert core.working() == []


def test_what_has_ended_is_not_cancelled_again() -> None:
    core, _ = a_core()
    order = limit(core, "BUY", "95000")
    assert core.cancel(order.id).status == "CANCELED"
    assert refusal(lambda: core.cancel(order.id)) == "gone"
    assert refusal(lambda: core.cancel(1)) == "gone"
    assert refusal(lambda: core.replace_trigger(order.id, D(95_000))) == "gone"
    assert core.history() == [order]


# --- liquidation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "way"), [("BUY", -1), ("SELL", 1)])
def test_a_position_is_liquidated_on_the_way_where_its_margin_ends(side: str, way: int) -> None:
    core, _ = a_core()
    core.set_leverage(BTC, 100)
    market(core, side)
    position = next(iter(core.positions.values()))
    at, margin = core.liquidation(position), position.margin
    assert at is not None
    guard = stop(core, str(96_000 + way * 3_000), "SELL" if side == "BUY" else "BUY")
    core.move(BTC, D(96_000 + way * 900 * 96 // 100))
    assert [each.liquidation for each in core.fills] == [False, True]
    fill = core.fills[-1]
    assert abs(fill.price - at) < D("0.1")
    assert -margin <= fill.realised < -margin * D("0.75")
    assert (core.positions, guard.status) == ({}, "CANCELED")


def test_a_jump_of_the_mark_takes_no_more_than_the_margin() -> None:
    core, _ = a_core()
    market(core)
    margin = core.positions[BTC, "LONG"].margin
    core.move_mark(BTC, D(50_000))
    assert core.fills[-1].liquidation
    assert -margin <= core.fills[-1].realised < -margin + D("0.01")


def test_a_stop_before_the_liquidation_price_saves_the_rest() -> None:
    core, _ = a_core()
    market(core)
    stop(core, "95500")
    core.move(BTC, D(50_000))
    assert [each.liquidation for each in core.fills] == [False, False]


# --- both sides at once -----------------------------------------------------------------------------------------------


def test_both_sides_may_be_open_where_the_exchange_has_no_net_mode() -> None:
    core, _ = a_core(hedged=True)
    market(core, "BUY", "0.02", direction="LONG")
    market(core, "SELL", "0.03", direction="SHORT")
    assert {key: each.quantity for key, each in core.positions.items()} == {
        (BTC, "LONG"): D("0.02"),
        (BTC, "SHORT"): D("0.03"),
    }
    market(core, "SELL", "0.05", direction="LONG")
    assert list(core.positions) == [(BTC, "SHORT")]
    assert refusal(lambda: market(core, "SELL", "0.05", direction="LONG")) == "reduce"
    assert refusal(lambda: market(core, "SELL", "0.05")) == "mode"


def test_a_guard_of_one_side_leaves_the_other_alone() -> None:
    core, _ = a_core(hedged=True)
    market(core, "BUY", "0.02", direction="LONG", attach=(D(95_000), None))
    market(core, "SELL", "0.02", direction="SHORT", attach=(D(98_000), None))
    core.move(BTC, D(94_000))
    assert list(core.positions) == [(BTC, "SHORT")]
    assert [each.direction for each in core.working()] == ["SHORT"]


# --- what is told -----------------------------------------------------------------------------------------------------


def test_listeners_hear_of_everything_as_it_was_then() -> None:
    core, _ = a_core()
    log = heard(core)
    order = limit(core, "BUY", "95500")
    core.move(BTC, D(95_500))
    orders = [each[1] for each in log if each[0] == "order"]
    assert [each.status for each in orders] == ["NEW", "FILLED"]
    assert order.status == "FILLED"
    assert [each[0] for each in log if each[0] not in ("order", "trade")] == [
        "book",
        "mark",
        "fill",
        "position",
        "balance",
    ]
    market(core, "SELL", reduce_only=True)
    closed = [each[1] for each in log if each[0] == "position"][-1]
    assert (closed.native, closed.quantity) == (BTC, 0)


def test_who_hears_of_a_fill_sees_the_order_filled_and_no_longer_working() -> None:
    core, _ = a_core()
    seen: list[tuple[str, int]] = []

    def look(happening: Happening) -> None:
        if happening[0] == "fill":
            seen.append((core.orders[happening[1].order].status, len(core.working())))

    core.listeners.append(look)
    core.liquidity = D("0.01")
    market(core, quantity="0.02")
    assert seen == [("PARTIALLY_FILLED", 1), ("FILLED", 0)]


def test_an_acknowledgement_shows_the_order_before_it_filled() -> None:
    core, _ = a_core(ack_only=True)
    order = market(core, client_id="a")
    assert (order.status, order.filled) == ("NEW", 0)
    found = core.find("a")
    assert found is not None
    assert (found.status, found.id) == ("FILLED", order.id)


def test_late_fills_are_seen_late_and_positions_at_once() -> None:
    core, now = a_core()
    core.late_fills_ms = 700
    market(core)
    assert core.positions
    assert core.visible_fills() == []
    now.ms += 700
    assert core.visible_fills() == core.fills


# --- bars -------------------------------------------------------------------------------------------------------------


def test_bars_are_the_same_each_time_and_meet_the_price_of_now() -> None:
    one, _ = a_core()
    two, _ = a_core()
    bars = one.klines(BTC, limit=3_000)
    assert bars == two.klines(BTC, limit=3_000)
    assert bars[-200:] == one.klines(BTC, limit=200)
    assert [bar[0] for bar in bars] == [STARTED // 60_000 * 60_000 - 60_000 * back for back in range(2_999, -1, -1)]
    assert bars[-2][4] == one.last(BTC)
    for before, after in pairwise(bars):
        assert before[4] == after[1]
    for _, opened, high, low, closed, volume, taker, _ in bars:
        assert low <= min(opened, closed) <= max(opened, closed) <= high
        assert 0 <= taker <= volume
        assert closed % D("0.1") == 0


def test_longer_bars_are_made_of_the_minutes() -> None:
    core, _ = a_core()
    (hour,) = core.klines(ETH, 60, end_ms=STARTED - 3_600_000, limit=1)
    minutes = core.klines(ETH, 1, start_ms=hour[0], limit=60)
    assert hour == (
        minutes[0][0],
        minutes[0][1],
        max(bar[2] for bar in minutes),
        min(bar[3] for bar in minutes),
        minutes[-1][4],
        sum(bar[5] for bar in minutes),
        sum(bar[6] for bar in minutes),
        sum(bar[7] for bar in minutes),
    )


def test_what_is_traded_now_is_in_the_running_bar() -> None:
    core, now = a_core()
    core.move(BTC, D(96_300))
    core.print_trade(BTC, D(96_400), D("1.5"), True)
    core.move(BTC, D(95_900))
    (bar,) = core.klines(BTC, limit=1)
    assert bar[1:5] == (D(96_000), D(96_400), D(95_900), D(95_900))
    assert D("1.5") < bar[6] < bar[5]
    now.ms += 180_000
    bars = core.klines(BTC, limit=3)
    assert [(each[1:6]) for each in bars] == [(D(95_900),) * 4 + (D(0),)] * 3
    market(core)
    assert core.klines(BTC, limit=1)[0][5] == D("0.01")


def test_a_range_of_bars_is_cut_where_the_reader_asks() -> None:
    core, _ = a_core()
    start, end = STARTED - 100 * 60_000, STARTED - 50 * 60_000
    whole = core.klines(BTC, 1, start, end)
    assert all(start <= bar[0] <= end for bar in whole)
    assert core.klines(BTC, 1, start, end, 10) == whole[:10]
    assert core.klines(BTC, 1, start, end, 10, newest=True) == whole[-10:]
    assert core.klines(BTC, 1, start + 10**10, None, 10) == []


def test_bars_hang_together_however_the_market_walks() -> None:
    core, now = a_core()
    walk = Walk(core, seed=3)
    for _ in range(200):
        now.ms += 7_000
        walk.step()
    for native, spec in core.specs.items():
        bars = core.klines(native, limit=30)
        assert bars[-1][4] == core.last(native)
        for before, after in pairwise(bars):
            assert after[0] - before[0] == 60_000
            assert after[1] == before[4]
        for _, opened, high, low, closed, volume, taker, _ in bars:
            assert low <= min(opened, closed) <= max(opened, closed) <= high
            assert 0 <= taker <= volume
            assert volume % spec.step == closed % spec.tick == 0
        (hour,) = core.klines(native, 1_440, limit=1)
        assert hour[4] == core.last(native)


def test_a_walk_is_the_same_for_the_same_seed() -> None:
    paths = []
    for seed in (3, 3, 4):
        core, _ = a_core()
        walk = Walk(core, seed=seed)
        market(core)
        for _ in range(50):
            walk.step()
        walk.fund()
        paths.append(([core.last(native) for native in core.specs], core.wallet))
    assert paths[0] == paths[1] != paths[2]


# --- whatever happens -------------------------------------------------------------------------------------------------

QUANTITIES = st.sampled_from([D("0.001"), D("0.004"), D("0.01"), D("0.0137"), D("0.05")])
SIDES = st.sampled_from(["BUY", "SELL"])
TICKS = st.integers(-15_000, 15_000)


class Exchange(RuleBasedStateMachine):
    hedged = False

    @initialize(thin=st.booleans(), close_all=st.booleans(), delay=st.sampled_from([0, 300]))
    def begin(self, thin: bool, close_all: bool, delay: int) -> None:
        terms = {"attach_delay_ms": delay, "attach_close_all": close_all, "hedged": self.hedged}
        self.core, self.now = a_core(wallet=D(1_000), **terms)
        self.core.liquidity = D("0.005") if thin else None
        self.moved_in = D(0)
        self.paid = D(0)
        self.count = 0
        self.had: dict[int, Decimal] = {}
        self.core.listeners.append(self.listen)

    def listen(self, happening: Happening) -> None:
        """Reduce-only orders never open and never turn a position."""
        if happening[0] != "fill":
            return
        fill = happening[1]
        order = self.core._orders[fill.order]
        if order.reduce_only:
            before = self.had.get(self.key(order.direction), D(0))
            assert fill.quantity <= abs(before), "more than there was to reduce"
        self.had = self.held()

    def held(self) -> dict[int, Decimal]:
        return {self.key(key[1]): each.signed for key, each in self.core.positions.items()}

    def key(self, direction: str) -> int:
        return 1 if direction == "LONG" else -1

    def price(self, ticks: int) -> Decimal:
        return max(D(1), self.core.last(BTC) + ticks * D("0.1"))

    def attempt(self, **terms: object) -> None:
        self.count += 1
        terms = {"native": BTC, "client_id": f"c{self.count}"} | terms
        try:
            self.core.place(**terms)  # type: ignore[arg-type]
        except Refused:
            return

    @rule(
        side=SIDES,
        quantity=QUANTITIES,
        reduce_only=st.booleans(),
        attach=st.sampled_from([None, 300, 3_000]),
        direction=st.sampled_from(["LONG", "SHORT"]),
    )
    def trade(self, side: str, quantity: Decimal, reduce_only: bool, attach: int | None, direction: str) -> None:
        guards: tuple[Decimal | None, Decimal | None] = (None, None)
        if attach is not None and not reduce_only:
            way = attach if side == "BUY" else -attach
            guards = (self.price(-way), self.price(2 * way))
        self.attempt(
            side=side, kind="MARKET", quantity=quantity, reduce_only=reduce_only, attach=guards, direction=direction
        )

    @rule(
        side=SIDES,
        quantity=QUANTITIES,
        ticks=TICKS,
        reduce_only=st.booleans(),
        tif=st.sampled_from(["GTC", "IOC"]),
        attach=st.booleans(),
    )
    def rest(self, side: str, quantity: Decimal, ticks: int, reduce_only: bool, tif: str, attach: bool) -> None:
        direction = ("LONG" if side == "BUY" else "SHORT") if not reduce_only else "LONG" if side == "SELL" else "SHORT"
        stop = self.price(ticks - 4_000 if side == "BUY" else ticks + 4_000) if attach and not reduce_only else None
        self.attempt(
            attach=(stop, None),
            side=side,
            kind="LIMIT",
            quantity=quantity,
            price=self.price(ticks),
            reduce_only=reduce_only,
            tif=tif,
            direction=direction,
        )

    @rule(
        side=SIDES,
        ticks=TICKS,
        kind=st.sampled_from(["STOP_MARKET", "TAKE_PROFIT_MARKET"]),
        quantity=st.one_of(st.none(), QUANTITIES),
        reduce_only=st.booleans(),
    )
    def guard(self, side: str, ticks: int, kind: str, quantity: Decimal | None, reduce_only: bool) -> None:
        self.attempt(
            side=side,
            kind=kind,
            trigger=self.price(ticks),
            quantity=quantity or D(0),
            close_all=quantity is None,
            reduce_only=reduce_only,
            direction="LONG" if side == "SELL" else "SHORT",
        )

    @rule(ticks=TICKS, wait=st.sampled_from([0, 100, 400, 61_000]))
    def move(self, ticks: int, wait: int) -> None:
        self.now.ms += wait
        self.core.move(BTC, self.price(ticks))

    @rule(ticks=TICKS)
    def mark_jumps(self, ticks: int) -> None:
        self.core.move_mark(BTC, self.price(ticks))

    @rule(ticks=st.integers(-200, 200), quantity=QUANTITIES, buy=st.booleans())
    def others_trade(self, ticks: int, quantity: Decimal, buy: bool) -> None:
        self.core.print_trade(BTC, self.price(ticks), quantity, buy)

    @rule(pick=st.integers(0, 9))
    def cancel(self, pick: int) -> None:
        working = self.core.working()
        if working:
            self.core.cancel(working[pick % len(working)].id)

    @rule(pick=st.integers(0, 9), ticks=TICKS)
    def shift(self, pick: int, ticks: int) -> None:
        working = self.core.working(conditional=True)
        if working:
            try:
                self.core.replace_trigger(working[pick % len(working)].id, self.price(ticks))
            except Refused:
                return

    @rule(rate=st.sampled_from([D("0.0001"), D("-0.00037")]))
    def fund(self, rate: Decimal) -> None:
        for position in self.core.positions.values():
            self.paid -= (position.signed * self.core.mark(BTC) * rate).quantize(D("0.00000001"))
        self.core.fund(BTC, rate)

    @rule(amount=st.sampled_from([D(50), D("-20.5"), D(-5_000)]))
    def transfer(self, amount: Decimal) -> None:
        try:
            self.core.transfer(amount)
        except Refused:
            return
        self.moved_in += amount

    @rule(leverage=st.sampled_from([1, 5, 50, 125]))
    def set_leverage(self, leverage: int) -> None:
        try:
            self.core.set_leverage(BTC, leverage)
        except Refused:
            return

    @invariant()
    def money_is_conserved(self) -> None:
        realised = sum((fill.realised for fill in self.core.fills), D(0))
        fees = sum((fill.fee for fill in self.core.fills), D(0))
        assert self.core.wallet == D(1_000) + realised - fees + self.paid + self.moved_in
        assert self.core.wallet == D(1_000) + sum((each.amount for each in self.core.incomes), D(0))
        cash = sum(((1 if fill.side == "SELL" else -1) * fill.quantity * fill.price for fill in self.core.fills), D(0))
        open_cost = sum(
            (self.key(each.direction) * each.cost for each in self.core.positions.values()),
            D(0),
        )
        assert realised == cash + open_cost

    @invariant()
    def a_position_is_the_sum_of_its_fills(self) -> None:
        filled = sum(((1 if fill.side == "BUY" else -1) * fill.quantity for fill in self.core.fills), D(0))
        assert sum((each.signed for each in self.core.positions.values()), D(0)) == filled
        assert all(each.quantity > 0 and each.margin > 0 for each in self.core.positions.values())
        assert self.hedged or len(self.core.positions) <= 1

    @invariant()
    def no_order_is_filled_beyond_its_quantity(self) -> None:
        for order in self.core.orders.values():
            done = [fill for fill in self.core.fills if fill.order == order.id]
            if order.fired is None:
                assert order.filled == sum((fill.quantity for fill in done), D(0))
                assert order.value == sum((fill.quantity * fill.price for fill in done), D(0))
            assert order.filled <= order.quantity or order.close_all
            assert (order.status == "FILLED") == (order.filled == order.quantity and not order.conditional)

    @invariant()
    def no_closing_order_waits_without_a_position(self) -> None:
        for order in self.core.working(conditional=True):
            assert not order.close_all or (BTC, order.direction) in self.core.positions


class BothSides(Exchange):
    hedged = True


CAREFUL = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestWhateverHappens = Exchange.TestCase
TestWhateverHappens.settings = CAREFUL
TestWhateverHappensOnBothSides = BothSides.TestCase
TestWhateverHappensOnBothSides.settings = CAREFUL
