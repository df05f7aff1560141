"""The nouns: what cannot be built, what may follow what, and who rounds."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from tests.builders import BTC, NOW, a_fill, a_position, a_quote, an_instrument, an_order
from trading.errors import IllegalTransition
from trading.model import (
    ORDER_TRANSITIONS,
    TRADING_TRANSITIONS,
    Candle,
    Direction,
    OrderKind,
    OrderStatus,
    Side,
    Symbol,
    TradingState,
    base_of,
    require_utc,
)

D = Decimal
S = OrderStatus

# Row by row, by hand: what may follow. Everything else must raise.
MAY_FOLLOW = {
    S.INTENDED: "unknown, open, partly filled, filled, cancelled, expired, rejected, abandoned",
    S.UNKNOWN: "open, partly filled, filled, cancelled, expired, rejected, abandoned",
    S.OPEN: "partly filled, filled, cancelled, expired",
    S.PARTLY_FILLED: "partly filled, filled, cancelled, expired",
    S.FILLED: "",
    S.CANCELLED: "",
    S.EXPIRED: "",
    S.REJECTED: "",
    S.ABANDONED: "",
}


@pytest.mark.parametrize("before", S)
@pytest.mark.parametrize("after", S)
def test_every_step_of_an_order_is_legal_or_raises(before: S, after: S) -> None:
    order = replace(an_order(), status=before)
    if after.value in MAY_FOLLOW[before].split(", "):
        assert order.to(after, at=NOW).status is after
        return
    with pytest.raises(IllegalTransition, match=f"{before} -> {after}"):
        order.to(after, at=NOW)


def test_an_end_is_what_nothing_follows() -> None:
    assert {s for s in S if s.final} == {S.FILLED, S.CANCELLED, S.EXPIRED, S.REJECTED, S.ABANDONED}
    assert {s for s in S if s.working} == {S.OPEN, S.PARTLY_FILLED}
    assert not any(s.final and s.working for s in S)


def test_both_tables_name_every_state() -> None:
    assert ORDER_TRANSITIONS.keys() == set(S)
    assert TRADING_TRANSITIONS.keys() == set(TradingState)


def test_a_step_keeps_what_it_does_not_change() -> None:
    order = an_order(note="why")
    at = NOW + timedelta(seconds=1)
    opened = order.to(S.OPEN, at=at)
    assert opened == replace(order, status=S.OPEN, changed_at=at)
    filled = opened.to(S.PARTLY_FILLED, at=at, filled=D("0.04"), note="part")
    assert (filled.filled, filled.note) == (D("0.04"), "part")


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": D(0)},
        {"quantity": D(-1)},
        {"filled": D("0.2")},
        {"filled": D(-1)},
        {"kind": OrderKind.LIMIT},
        {"price": D(60000)},
        {"kind": OrderKind.STOP},
        {"trigger": D(60000)},
        {"created_at": NOW.replace(tzinfo=None)},
        {"created_at": NOW.astimezone(timezone(timedelta(hours=1)))},
    ],
)
def test_an_order_that_cannot_be_is_not_built(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"filled of|price|trigger|UTC"):
        an_order(**changes)


def test_an_order_is_not_filled_beyond_its_quantity() -> None:
    with pytest.raises(ValueError, match="filled of"):
        an_order().to(S.FILLED, at=NOW, filled=D("0.11"))


@pytest.mark.parametrize("changes", [{"quantity": D(0)}, {"price": D(0)}, {"at": NOW.replace(tzinfo=None)}])
def test_a_fill_that_cannot_be_is_not_built(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"fill|UTC"):
        replace(a_fill(), **changes)


@pytest.mark.parametrize(("bid", "ask", "mark"), [("2", "1", "1"), ("0", "1", "1"), ("1", "1", "0")])
def test_a_quote_that_cannot_be_is_not_built(bid: str, ask: str, mark: str) -> None:
    with pytest.raises(ValueError, match="not a quote"):
        replace(a_quote(), bid=D(bid), ask=D(ask), mark=D(mark))


def a_candle(open_: str, high: str, low: str, close: str, volume: str = "1") -> Candle:
    return Candle(
        symbol=BTC,
        opened_at=NOW,
        every=timedelta(hours=1),
        open=D(open_),
        high=D(high),
        low=D(low),
        close=D(close),
        volume=D(volume),
    )


@pytest.mark.parametrize("bar", ["10 9 8 9", "10 11 10.5 11", "10 11 0 10", "10 11 9 12", "10 11 9 8", "10 11 9 10 -1"])
def test_a_bar_that_cannot_be_is_not_built(bar: str) -> None:
    with pytest.raises(ValueError, match=r"not a bar|negative volume"):
        a_candle(*bar.split())


def test_a_bar_closes_when_the_next_one_opens() -> None:
    assert a_candle("10", "11", "9", "10").closed_at == NOW + timedelta(hours=1)


@pytest.mark.parametrize("at", [datetime(2026, 1, 1), NOW.astimezone(timezone(timedelta(hours=2)))])  # noqa: DTZ001
def test_a_time_is_aware_and_utc(at: datetime) -> None:
    with pytest.raises(ValueError, match="not an aware UTC time"):
        require_utc(at)


# --- rounding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "nearest", "down", "up"),
    [
        ("60000.04", "60000.0", "60000.0", "60000.1"),
        ("60000.05", "60000.0", "60000.0", "60000.1"),  # half to even
        ("60000.15", "60000.2", "60000.1", "60000.2"),
        ("60000.1", "60000.1", "60000.1", "60000.1"),
    ],
)
def test_prices_are_rounded_to_the_tick(price: str, nearest: str, down: str, up: str) -> None:
    instrument = an_instrument()
    assert instrument.round_price(D(price)) == D(nearest)
    assert instrument.round_trigger(D(price), up=False) == D(down)
    assert instrument.round_trigger(D(price), up=True) == D(up)


@pytest.mark.parametrize(
    ("step", "quantity", "rounded"),
    [
        ("0.001", "0.1339", "0.133"),
        ("0.001", "0.0009", "0"),
        ("100", "1299.99", "1200"),  # a step may be larger than one
        ("100", "99", "0"),
        ("0.3", "1", "0.9"),  # not a power of ten
    ],
)
def test_quantities_are_rounded_down_to_the_step(step: str, quantity: str, rounded: str) -> None:
    assert an_instrument(step=D(step)).round_quantity(D(quantity)) == D(rounded)


@pytest.mark.parametrize("field", ["tick", "step", "min_quantity", "max_quantity"])
def test_an_instrument_without_steps_is_not_built(field: str) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        an_instrument(**{field: D(0)})


def test_an_instrument_without_leverage_is_not_built() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        an_instrument(max_leverage=0)


# --- sides and sums ---------------------------------------------------------------------------------------------------


def test_the_sides_of_a_direction_are_opposite() -> None:
    for direction in Direction:
        assert direction.opposite.opposite is direction
        assert direction.entry is direction.opposite.exit is not direction.exit
        assert direction.sign == -direction.opposite.sign
    assert Direction.LONG.entry is Side.BUY


@pytest.mark.parametrize(("direction", "profit"), [(Direction.LONG, 1), (Direction.SHORT, -1)])
def test_a_position_earns_with_its_own_sign(direction: Direction, profit: int) -> None:
    position = a_position(direction)
    assert position.entry == 60000
    assert position.move(D(60600)) == profit * D("0.01")
    assert position.unrealised(D(60600)) == profit * 60
    assert position.margin == 600
    assert position.risk == 150
    assert position.booked == -3


def test_the_name_people_use() -> None:
    assert base_of("DOGE/USDT:USDT") == an_instrument(Symbol("DOGE/USDT:USDT")).base == "DOGE"
