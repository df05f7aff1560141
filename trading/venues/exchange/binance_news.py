"""Raw messages of Binance USD-M's streams. The touch and the mark come apart, and a quote needs both."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from trading.model import Quote, Symbol
from trading.venues.exchange.binance_rows import symbol_of
from trading.venues.exchange.parsing import Garbled, Row
from trading.venues.exchange.profile import Caller
from trading.venues.exchange.wire import Channel, News, Stir, Traded

MARK_LIFE = timedelta(seconds=10)  # a mark comes every second: behind that the touch alone is no quote
ENDED = frozenset({"FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH", "REJECTED", "FINISHED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """Of one instrument, as far as its streams have told."""

    touch: tuple[datetime, Decimal, Decimal] | None = None  # when, bid, ask
    mark: tuple[datetime, Decimal] | None = None


class PublicNews:
    """Keeps the last touch, mark and trade of each instrument; what comes late or again is passed over."""

    def __init__(self) -> None:
        self._known: dict[Symbol, _Known] = {}
        self._traded: dict[str, int] = {}  # the exchange's number of the last trade

    def read(self, message: Any) -> Iterable[News]:
        try:
            row = Row(_unwrapped(message), "binance stream")
            event = row.maybe("e")
            if event == "aggTrade":
                return self._trade(row)
            if event == "bookTicker":
                return self._touch(row)
            return self._mark(row) if event == "markPriceUpdate" else ()
        except (Garbled, ValueError):  # a price that is none: the next message says it better
            return ()

    def _trade(self, row: Row) -> Iterable[News]:
        native, number = row.text("s"), int(row.number("a"))
        if number <= self._traded.get(native, -1):
            return ()
        trade = _traded(row)
        self._traded[native] = number
        return (trade,)

    def _touch(self, row: Row) -> Iterable[News]:
        symbol = symbol_of(row.text("s"))
        known = self._known.get(symbol, _Known())
        at = row.at("T")
        if known.touch is not None and at < known.touch[0]:
            return ()
        return self._quote(symbol, replace(known, touch=(at, row.number("b"), row.number("a"))), at)

    def _mark(self, row: Row) -> Iterable[News]:
        symbol = symbol_of(row.text("s"))
        known = self._known.get(symbol, _Known())
        at = row.at("E")
        if known.mark is not None and at < known.mark[0]:
            return ()
        return self._quote(symbol, replace(known, mark=(at, row.number("p"))), at)

    def _quote(self, symbol: Symbol, known: _Known, at: datetime) -> Iterable[News]:
        self._known[symbol] = known
        if known.touch is None or known.mark is None or known.touch[0] - known.mark[0] > MARK_LIFE:
            return ()
        at = max(known.touch[0], known.mark[0])
        return (Quote(symbol=symbol, at=at, bid=known.touch[1], ask=known.touch[2], mark=known.mark[1]),)


def _traded(row: Row) -> Traded:
    return Traded(
        symbol=symbol_of(row.text("s")),
        at=row.at("T"),
        price=row.number("p"),
        quantity=row.number("q"),
        buy=not row.flag("m"),  # m: the buyer was the maker
    )


def public_channels(data: Caller, symbols: Sequence[Symbol]) -> tuple[Channel, ...]:
    """Three subscriptions for all instruments together."""
    if not symbols:
        return ()
    exchange, names = data.exchange, list(symbols)
    return (
        Channel(name="touch", watch=lambda: exchange.watch_bids_asks(names)),
        Channel(name="mark", watch=lambda: exchange.watch_mark_prices(names)),
        Channel(name="trades", watch=lambda: exchange.watch_trades_for_symbols(names, params={"name": "aggTrade"})),
    )


def private_channels(trade: Caller) -> tuple[Channel, ...]:
    """One stream carries orders, conditional orders, positions and funding; whatever is watched keeps it open."""
    exchange = trade.exchange
    return (Channel(name="account", watch=lambda: exchange.watch_orders()),)


def private_news(message: Any) -> Iterable[Stir]:
    try:
        raw = _unwrapped(message)
        if isinstance(raw, dict) and "e" not in raw:
            return ()  # an answer to a subscription
        return _stirs(Row(raw, "binance stream"))
    except Garbled:
        return (Stir(symbol=None, what="unreadable"),)


def _stirs(row: Row) -> Iterable[Stir]:
    event = row.text("e")
    if event == "ORDER_TRADE_UPDATE":
        order = row.row("o")
        return (_order(order, "c", "fill" if order.maybe("x") == "TRADE" else "order"),)
    if event == "ALGO_UPDATE":
        return (_order(row.row("o"), "caid", "algo"),)
    if event == "ACCOUNT_UPDATE":
        return _account(row.row("a"))
    if event == "TRADE_LITE":
        return (Stir(symbol=symbol_of(row.text("s")), client_id=row.maybe("c"), what="fill"),)
    return (Stir(symbol=None, what=event),)


def _order(order: Row, id: str, what: str) -> Stir:
    ended = order.maybe("X") in ENDED
    return Stir(symbol=symbol_of(order.text("s")), client_id=order.maybe(id), ended=ended, what=what)


def _account(update: Row) -> Iterable[Stir]:
    """Funding of an isolated position names the position; of anything else only the balance."""
    funding = update.maybe("m") == "FUNDING_FEE"
    moved = [symbol_of(each.text("s")) for each in update.rows("P")] if update.raw.get("P") else []
    if not moved:
        return (Stir(symbol=None, what="funding" if funding else "balance"),)
    return tuple(Stir(symbol=symbol, what="funding" if funding else "position") for symbol in moved)


def _unwrapped(message: Any) -> Any:
    """Combined streams put the event below `data`."""
    return message["data"] if isinstance(message, dict) and "stream" in message and "data" in message else message
