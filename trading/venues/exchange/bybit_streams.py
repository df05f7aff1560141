"""What Bybit's raw stream messages say: quotes out of snapshots and deltas, trades, and stirs of the account."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from trading.model import Quote, Side
from trading.venues.exchange.bybit_account_reading import ENDED
from trading.venues.exchange.bybit_reading import Names, quote_of, side_of
from trading.venues.exchange.parsing import Garbled, Row
from trading.venues.exchange.wire import News, Stir, Traded

_FIELDS = ("bid1Price", "ask1Price", "markPrice")
_WORDS = {"order": "order", "execution": "fill", "execution.fast": "fill", "position": "position", "wallet": "balance"}


class Tickers:
    """A ticker is sent whole once and then only as far as it changed: the touch and the mark are kept here.

    Every field keeps the sequence number it came with, so that a message which arrives late changes nothing that is
    newer than itself.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._fields: dict[str, dict[str, tuple[Decimal, str]]] = {}  # native -> field -> (sequence, value)

    def news(self, message: Any) -> Iterable[News]:
        try:
            row = Row(message, "bybit stream")
            topic, _, native = row.maybe("topic").partition(".")
            if topic == "tickers":
                return self._quotes(row, native)
            if topic == "publicTrade":
                return [self._traded(trade) for trade in row.rows("data")]
        except (Garbled, ValueError):
            pass
        return ()

    def _quotes(self, row: Row, native: str) -> tuple[Quote, ...]:
        if not self._merged(row, native):
            return ()
        fields = self._fields[native]
        if any(field not in fields for field in _FIELDS):
            return ()
        whole = Row({field: value for field, (_, value) in fields.items()}, row.where)
        return (quote_of(whole, self._names.symbol(native), row.at("ts")),)

    def _merged(self, row: Row, native: str) -> bool:
        """Whether this message brought anything new."""
        data, sequence = row.row("data"), row.maybe_number("cs") or Decimal(0)
        if row.text("type") == "snapshot":
            self._fields[native] = {}
        fields = self._fields.setdefault(native, {})
        fresh = False
        for field in _FIELDS:
            value = data.maybe(field)
            if value and (field not in fields or fields[field][0] <= sequence):
                fields[field] = (sequence, value)
                fresh = True
        return fresh

    def _traded(self, row: Row) -> Traded:
        side = Row({"side": row.text("S")}, row.where)
        at: datetime = row.at("T")
        return Traded(
            symbol=self._names.symbol(row.text("s")),
            at=at,
            price=row.number("p"),
            quantity=row.number("v"),
            buy=side_of(side) is Side.BUY,
        )


def stirs(message: Any, names: Names) -> Iterable[Stir]:
    """Acknowledgements and answers to pings carry no topic: nothing has happened then."""
    try:
        row = Row(message, "bybit account stream")
        topic = row.maybe("topic")
        if not topic and (row.maybe("op") or row.maybe("ret_msg")):
            return ()
        if topic not in _WORDS:
            return (Stir(symbol=None, what=topic or "something"),)
        if topic == "wallet":
            return (Stir(symbol=None, what="balance"),)
        return [_stir(each, _WORDS[topic], names) for each in row.rows("data") if _is_linear(each)]
    except Garbled:
        return (Stir(symbol=None, what="something"),)


def _is_linear(row: Row) -> bool:
    return row.maybe("category") in ("", "linear")


def _stir(row: Row, word: str, names: Names) -> Stir:
    if word == "order" and row.maybe("stopOrderType") not in ("", "UNKNOWN"):
        word = "algo"
    if word == "fill" and row.maybe("execType") == "Funding":
        word = "funding"
    return Stir(
        symbol=names.symbol(row.text("symbol")),
        client_id=row.maybe("orderLinkId"),
        ended=row.maybe("orderStatus") in ENDED,
        what=word,
    )
