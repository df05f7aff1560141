"""Any value of the desk, made from the type hints of its class: a new event is covered as soon as it exists."""

import dataclasses
import types
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from trading.decision import MICRO, Opinion
from trading.events import EVENTS, Event
from trading.model import Candle, Fill, Order, OrderKind, Position, Quote

Any_ = st.SearchStrategy[Any]

texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
times = st.datetimes(datetime(2001, 1, 1), datetime(2099, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001
spans = st.timedeltas(timedelta(0), timedelta(days=3650))
numbers = st.integers(-(10**18), 10**18)
floats = st.floats(allow_nan=False, allow_infinity=False)
decimals = st.builds(lambda digits, places: Decimal(digits).scaleb(-places), numbers, st.integers(0, 18))
amounts = st.builds(lambda digits, places: Decimal(digits).scaleb(-places), st.integers(1, 10**15), st.integers(0, 12))

_SCALARS: dict[Any, Any_] = {
    str: texts,
    int: numbers,
    bool: st.booleans(),
    float: floats,
    Decimal: decimals,
    datetime: times,
    timedelta: spans,
    types.NoneType: st.none(),
}


@cache
def of(hint: Any) -> Any_:
    """Values of a type hint: scalars, enums, dataclasses, unions, tuples, dicts, NewTypes."""
    while hasattr(hint, "__supertype__"):
        hint = hint.__supertype__
    if hint in _SCALARS:
        return _SCALARS[hint]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    if dataclasses.is_dataclass(hint):
        return _SPECIAL[hint]() if hint in _SPECIAL else built(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return st.one_of([of(member) for member in get_args(hint)])
    if get_origin(hint) is dict:
        return st.dictionaries(*map(of, get_args(hint)), max_size=3)
    return _tuples(get_args(hint))


def _tuples(args: tuple[Any, ...]) -> Any_:
    if args[-1] is Ellipsis:
        return st.lists(of(args[0]), max_size=2).map(tuple)
    return st.tuples(*map(of, args))


def built(cls: Any, **given: Any_) -> Any_:
    """A dataclass with every field drawn, those in `given` from the strategy there."""
    hints = get_type_hints(cls)
    return st.builds(cls, **{f.name: of(hints[f.name]) for f in dataclasses.fields(cls)} | given)


def _orders() -> Any_:
    return st.sampled_from(OrderKind).flatmap(_orders_of_kind)


def _orders_of_kind(kind: OrderKind) -> Any_:
    price = amounts if kind is OrderKind.LIMIT else st.none()
    trigger = amounts if kind in (OrderKind.STOP, OrderKind.TAKE_PROFIT) else st.none()
    filled = st.just(Decimal(0))
    return built(Order, kind=st.just(kind), price=price, trigger=trigger, quantity=amounts, filled=filled)


def _quotes() -> Any_:
    touch = st.tuples(amounts, amounts).map(sorted)
    return touch.flatmap(lambda t: built(Quote, bid=st.just(t[0]), ask=st.just(t[1]), mark=amounts))


def _candles() -> Any_:
    prices = st.lists(amounts, min_size=4, max_size=4).map(sorted)
    return prices.flatmap(
        lambda p: built(
            Candle,
            low=st.just(p[0]),
            open=st.just(p[1]),
            close=st.just(p[2]),
            high=st.just(p[3]),
            volume=amounts,
        )
    )


# Classes that refuse what their hints alone would allow.
_SPECIAL: dict[Any, Callable[[], Any_]] = {
    Order: _orders,
    Quote: _quotes,
    Candle: _candles,
    Fill: lambda: built(Fill, quantity=amounts, price=amounts),
    Opinion: lambda: built(Opinion, confidence=st.integers(0, MICRO)),
    Position: lambda: built(Position, quantity=amounts, entry_quantity=amounts),
}


def events() -> st.SearchStrategy[Event]:
    """Any event at all, each class as likely as the next."""
    return st.one_of([of(cls) for cls in EVENTS.values()])
