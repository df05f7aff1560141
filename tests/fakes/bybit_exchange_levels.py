"""Stop loss and take profit of Bybit's Full mode: levels of the position. They stand as conditional orders without an
orderLinkId, close all that is open whatever its size is then, and vanish with the position."""

from decimal import Decimal
from typing import Literal

from tests.fakes.bybit_exchange_book import Book, BybitRefusal
from tests.fakes.exchange_core import CoreOrder, CorePosition

Kind = Literal["STOP_MARKET", "TAKE_PROFIT_MARKET"]
Wanted = dict[Kind, tuple[Decimal, bool]]  # the level (0: none any more), and whether the mark fires it
NAMES: dict[Kind, str] = {"STOP_MARKET": "StopLoss", "TAKE_PROFIT_MARKET": "TakeProfit"}
ZERO = Decimal(0)


def change_levels(book: Book, native: str, wanted: Wanted) -> None:
    """What position/trading-stop does. Raises for all of it, or does all of it."""
    position = book.held(native)
    if position is None:
        raise BybitRefusal(10001, "can not set tp/sl/ts for zero position")
    standing = {kind: _standing(book, native, kind) for kind in wanted}
    changes = {kind: level for kind, level in wanted.items() if level[0] != _level(standing[kind])}
    if not changes:
        raise BybitRefusal(34040, "not modified")
    for kind, (level, on_mark) in changes.items():
        if level:
            check_level(book, native, kind, level, long=position.direction == "LONG", on_mark=on_mark)
    for kind, (level, on_mark) in changes.items():
        _put(book, position, kind, level, standing=standing[kind], on_mark=on_mark)


def check_level(
    book: Book, native: str, kind: Kind, level: Decimal, *, long: bool, on_mark: bool, base: Decimal | None = None
) -> None:
    """A level is on the tick, and on its side of `base`: a limit order's price, else the price that fires it."""
    if level < 0 or level % book.core.specs[native].tick:
        raise BybitRefusal(10001, "Price invalid")
    here = base or (book.core.mark(native) if on_mark else book.core.last(native))
    below = long == (kind == "STOP_MARKET")
    if level < here if below else level > here:
        return
    shown, limit = int(level * 10_000), int(here * 10_000)
    side, than = "Buy" if long else "Sell", "lower than" if below else "greater than"
    by = "" if base else "??MarkPrice" if on_mark else "??LastPrice"
    raise BybitRefusal(10001, f"{NAMES[kind]}:{shown} set for {side} position should be {than} base_price:{limit}{by}")


def _standing(book: Book, native: str, kind: Kind) -> CoreOrder | None:
    return next((each for each in book.level_orders(native) if each.kind == kind), None)


def _level(standing: CoreOrder | None) -> Decimal:
    return (standing.trigger or ZERO) if standing is not None else ZERO


def _put(
    book: Book, position: CorePosition, kind: Kind, level: Decimal, *, standing: CoreOrder | None, on_mark: bool
) -> None:
    if standing is not None and level:
        standing.working = "MARK" if on_mark else "LAST"
        book.core.replace_trigger(standing.id, level)
    elif standing is not None:
        standing.note = "by user"
        book.core.cancel(standing.id)
    else:
        book.core.place(
            native=position.native,
            side="SELL" if position.direction == "LONG" else "BUY",
            direction=position.direction,
            kind=kind,
            client_id="",
            trigger=level,
            close_all=True,
            working="MARK" if on_mark else "LAST",
        )
