"""WEEX V3, what its streams say. Futures have no stream of the touch: it is the top of a small book, kept here."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from trading.model import ZERO, Quote, Symbol
from trading.venues.exchange.parsing import Garbled, Row
from trading.venues.exchange.weex_market import levels
from trading.venues.exchange.weex_names import WeexBase
from trading.venues.exchange.weex_orders import ENDED, OURS
from trading.venues.exchange.wire import Channel, News, Stir, Traded

DEPTH = "15"
FRESH = timedelta(seconds=10)  # touch and mark come in two channels: a quote has none that is older than this
# A gap is mended by a new subscription, which costs two of the 240 that a connection has an hour: not more often.
MENDED_EVERY = timedelta(minutes=5)
# One source says "orders" and "positions", another "order" and "position".
ACCOUNT = {
    "order": "order",
    "orders": "order",
    "fill": "fill",
    "position": "position",
    "positions": "position",
    "account": "balance",
}
CONTROL = frozenset({"ping", "pong"})
SETTLED = "PositionFundingSettle"
TRADED = "OrderUpdate"
FINAL = frozenset(ENDED)


class Book:
    """The best levels, from a snapshot and what changed since. After a gap there is none until the next snapshot."""

    __slots__ = ("_asks", "_bids", "_last", "at", "torn")

    def __init__(self) -> None:
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}
        self._last: int | None = None
        self.at: datetime | None = None
        self.torn = False

    def take(self, row: Row, *, snapshot: bool) -> bool:
        """Whether the message was news: not one that came twice, or late, or after a gap."""
        first, last = int(row.number("U")) if row.maybe("U") else 0, int(row.number("u"))
        if snapshot:
            self._bids, self._asks, self._last, self.torn = {}, {}, None, False
        elif self._last is None or last <= self._last:
            return False
        elif first > self._last + 1:  # ccxt does not look (venues.md 1.3-11)
            self._bids, self._asks, self._last, self.torn = {}, {}, None, True
            return False
        _change(self._bids, levels(row.raw.get("b")))
        _change(self._asks, levels(row.raw.get("a")))
        self._last, self.at = last, row.at("E")
        return True

    @property
    def touch(self) -> tuple[Decimal, Decimal] | None:
        if not self._bids or not self._asks:
            return None
        bid, ask = max(self._bids), min(self._asks)
        return (bid, ask) if bid < ask else None


class WeexStreams(WeexBase):
    def _begin(self) -> None:
        self._books: dict[str, Book] = {}
        self._marks: dict[str, tuple[datetime, Decimal]] = {}
        self._mended: dict[str, datetime] = {}

    # --- the market ---

    def public_channels(self, symbols: Sequence[Symbol]) -> tuple[Channel, ...]:
        return tuple(channel for symbol in symbols for channel in self._channels(symbol))

    def _channels(self, symbol: Symbol) -> tuple[Channel, ...]:
        exchange = self._data.exchange

        async def book() -> Any:
            if self._to_mend(self._native(symbol)):
                await exchange.un_watch_order_book(symbol, {"depth": DEPTH})
            return await exchange.watch_order_book(symbol, None, {"depth": DEPTH})

        async def mark() -> Any:
            return await exchange.watch_ticker(symbol)

        async def trades() -> Any:
            return await exchange.watch_trades(symbol)

        return (
            Channel(name=f"{symbol} book", watch=book),
            Channel(name=f"{symbol} mark", watch=mark),
            Channel(name=f"{symbol} trades", watch=trades),
        )

    def _to_mend(self, native: str) -> bool:
        """Whether a torn book is to be subscribed to anew; once in a while, whatever comes of it."""
        book, seen = self._books.get(native), self._marks.get(native)
        if book is None or not book.torn or seen is None:
            return False
        last = self._mended.get(native)
        if last is not None and seen[0] - last < MENDED_EVERY:
            return False
        self._mended[native] = seen[0]
        return True

    def public_news(self, message: Any) -> Iterable[News]:
        try:
            return tuple(self._news(message))
        except (Garbled, ValueError, ArithmeticError):
            return ()  # one message that makes no sense; if all do, quotes grow old, and that is seen

    def _news(self, message: Any) -> Iterable[News]:
        if not isinstance(message, dict) or str(message.get("s") or "") not in self._symbols:
            return ()
        row, event = Row(message, "weex stream"), str(message.get("e"))
        native = row.text("s")
        if event == "trade":  # its snapshot tells again what has been told before the connection broke
            return self._trades(native, row)
        if event in ("depth", "depthSnapshot"):
            book = self._books.setdefault(native, Book())
            fresh = book.take(row, snapshot=event == "depthSnapshot" or row.maybe("d") == "SNAPSHOT")
            return self._quotes(native, row.at("E")) if fresh else ()
        return self._marked(native, row) if event == "ticker" else ()

    def _marked(self, native: str, row: Row) -> Iterable[News]:
        at = row.at("E")
        known = self._marks.get(native)
        if known is not None and at < known[0]:
            return ()
        [data] = row.rows("d")
        self._marks[native] = at, data.number("m")
        return self._quotes(native, at)

    def _quotes(self, native: str, at: datetime) -> Iterable[Quote]:
        book, mark = self._books.get(native), self._marks.get(native)
        touch = book.touch if book is not None else None
        if book is None or book.at is None or touch is None or mark is None:
            return ()
        if abs(at - book.at) > FRESH or abs(at - mark[0]) > FRESH:
            return ()
        return (Quote(symbol=self._symbols[native], at=at, bid=touch[0], ask=touch[1], mark=mark[1]),)

    def _trades(self, native: str, row: Row) -> Iterable[Traded]:
        told = [
            Traded(
                symbol=self._symbols[native],
                at=trade.at("T"),
                price=trade.number("p"),
                quantity=trade.number("q"),
                buy=not trade.flag("m"),  # m: the buyer was the maker
            )
            for trade in row.rows("d")
        ]
        return sorted(told, key=lambda trade: trade.at)

    # --- the account ---

    def private_channels(self) -> tuple[Channel, ...]:
        exchange = self._trade.exchange

        async def orders() -> Any:
            return await exchange.watch_orders()

        async def fills() -> Any:
            return await exchange.watch_my_trades()

        async def positions() -> Any:
            return await exchange.watch_positions()

        async def money() -> Any:
            return await exchange.watch_balance()

        return (
            Channel(name="orders", watch=orders),
            Channel(name="fills", watch=fills),
            Channel(name="positions", watch=positions),
            Channel(name="account", watch=money),
        )

    def private_news(self, message: Any) -> Iterable[Stir]:
        """Messages carry a version `v`. What a gap in it means is not documented; REST is read every 30 s anyway."""
        if not isinstance(message, dict) or _is_control(message):
            return ()
        what = "funding" if message.get("msgEvent") == SETTLED else ACCOUNT.get(str(message.get("e")), "")
        if message.get("e") == "account":
            # Money that a trade has moved: other channels tell it with the instrument, here it would stir all of them.
            return () if message.get("msgEvent") == TRADED else (Stir(symbol=None, what=what),)
        try:
            found = tuple(self._stir(each, what) for each in Row(message, "weex stream").rows("d"))
        except (Garbled, ValueError):
            found = ()
        return found if what and found else (Stir(symbol=None, what=what or "unknown"),)

    def _stir(self, row: Row, what: str) -> Stir:
        id = row.maybe("clientOrderId")
        return Stir(
            symbol=self._symbol(row.text("symbol"), row.maybe("coin") or "USDT"),
            client_id=id if id.startswith(OURS) else "",
            ended=row.maybe("status").upper() in FINAL,
            what=what,
        )


def _change(side: dict[Decimal, Decimal], changed: list[tuple[Decimal, Decimal]]) -> None:
    for price, quantity in changed:
        if quantity > ZERO:
            side[price] = quantity
        else:
            side.pop(price, None)


def _is_control(message: dict[str, Any]) -> bool:
    """Answers to subscriptions, and the exchange asking whether we are there: ccxt answers it."""
    if "result" in message or str(message.get("method", "")).upper() == "PONG":
        return True
    return str(message.get("event") or message.get("type") or "").lower() in CONTROL
