"""Bybit's answers as checked values: names, the envelope, and the market. Pure: no requests."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from trading.market.series import to_ms
from trading.model import Instrument, OrderBook, Quote, Side, Symbol
from trading.venues.exchange.parsing import Garbled, Row
from trading.venues.exchange.wire import Candles, FundingNow, Listing

_SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}
_COLUMNS = ("start", "open", "high", "low", "close", "volume")
_MINUTES = frozenset({1, 3, 5, 15, 30, 60, 120, 240, 360, 720})
_PERPETUAL = re.compile(r"([A-Z0-9]+?)(USDT|PERP)")


class Names:
    """Our symbols and the exchange's. What no listing names is derived, so that foreign positions have names too."""

    def __init__(self) -> None:
        self._natives: dict[Symbol, str] = {}
        self._symbols: dict[str, Symbol] = {}

    def learn(self, listing: Listing) -> None:
        self._natives[listing.instrument.symbol] = listing.native
        self._symbols[listing.native] = listing.instrument.symbol

    def native(self, symbol: Symbol) -> str:
        if symbol in self._natives:
            return self._natives[symbol]
        base, _, quote = symbol.partition(":")[0].partition("/")
        return f"{base}PERP" if quote == "USDC" else f"{base}{quote}"

    def symbol(self, native: str) -> Symbol:
        if native in self._symbols:
            return self._symbols[native]
        found = _PERPETUAL.fullmatch(native)
        if found is None:
            return Symbol(native)
        quote = "USDC" if found[2] == "PERP" else "USDT"
        return Symbol(f"{found[1]}/{quote}:{quote}")


def answered(raw: Any, where: str) -> Row:
    """The envelope of every answer; a refusal never gets here, the client has raised it."""
    answer = Row(raw, where)
    if answer.text("retCode") != "0":
        raise Garbled(f"{where}: retCode is {answer.text('retCode')}")
    return answer


def only(found: list[Row], native: str, where: str) -> Row:
    """The row of this instrument."""
    for row in found:
        if row.text("symbol") == native:
            return row
    raise Garbled(f"{where}: nothing on {native}")


def side_of(row: Row) -> Side:
    side = _SIDES.get(row.text("side"))
    if side is None:
        raise Garbled(f"{row.where}: side is {row.text('side')[:20]!r}")
    return side


def listing_of(row: Row, tier: Row, *, maker: Decimal, taker: Decimal) -> Listing:
    """`tier`: the lowest tier of the risk limit."""
    lots, prices, leverage = row.row("lotSizeFilter"), row.row("priceFilter"), row.row("leverageFilter")
    why = _untradable(row)
    quote = row.text("quoteCoin")
    instrument = Instrument(
        symbol=Symbol(f"{row.text('baseCoin')}/{quote}:{quote}"),
        tick=prices.number("tickSize"),
        step=lots.number("qtyStep"),
        min_quantity=lots.number("minOrderQty"),
        max_quantity=lots.number("maxOrderQty"),
        min_notional=lots.number("minNotionalValue"),
        max_leverage=int(leverage.number("maxLeverage")),
        maker_fee=maker,
        taker_fee=taker,
        maintenance=_maintenance(tier),
        funding_every=timedelta(minutes=int(row.number("fundingInterval"))),
    )
    return Listing(
        instrument=instrument,
        native=row.text("symbol"),
        max_market=lots.number("maxMktOrderQty"),
        tradable=not why,
        why=why,
        raw=row.raw,
    )


def _untradable(row: Row) -> str:
    if row.maybe("isPreListing").lower() == "true":
        return "not launched yet"
    if row.text("status") != "Trading":
        return f"its status is {row.text('status')}"
    return ""


def _maintenance(tier: Row) -> Decimal:
    """A fraction. Old answers give percent: with them, initial margin times leverage is 100, not 1."""
    rate = tier.number("maintenanceMargin")
    percent = tier.number("initialMargin") * tier.number("maxLeverage") > 10
    return rate / 100 if percent else rate


def lowest_tier(tiers: list[Row], native: str) -> Row:
    """The tier in which a position begins."""
    own = [tier for tier in tiers if tier.text("symbol") == native]
    if not own:
        raise Garbled(f"bybit risk limit: nothing on {native}")
    return min(own, key=lambda tier: tier.number("riskLimitValue"))


def interval_of(every: timedelta) -> str:
    if every == timedelta(days=1):
        return "D"
    if every == timedelta(days=7):
        return "W"
    minutes, rest = divmod(every, timedelta(minutes=1))
    if rest or minutes not in _MINUTES:
        raise ValueError(f"Bybit has no candles of {every}")
    return str(minutes)


def bars(result: Row) -> list[Row]:
    """Candles as rows, oldest first: the exchange sends the newest first."""
    return [_columns(line, _COLUMNS, result.where) for line in reversed(_lines(result, "list"))]


def candles_of(rows: list[Row]) -> Candles:
    """No taker volume and no number of trades: this exchange's candles do not tell."""
    return Candles(
        opened=tuple(to_ms(row.at("start")) for row in rows),
        rows=tuple(
            (row.number("open"), row.number("high"), row.number("low"), row.number("close"), row.number("volume"))
            for row in rows
        ),
        taker_buy=None,
        trades=None,
    )


def quote_of(row: Row, symbol: Symbol, at: datetime) -> Quote:
    try:
        return Quote(
            symbol=symbol,
            at=at,
            bid=row.number("bid1Price"),
            ask=row.number("ask1Price"),
            mark=row.number("markPrice"),
        )
    except ValueError as bad:
        raise Garbled(f"{row.where}: {bad}") from None


def book_of(result: Row, symbol: Symbol) -> OrderBook:
    return OrderBook(symbol=symbol, at=result.at("ts"), bids=_levels(result, "b"), asks=_levels(result, "a"))


def _levels(result: Row, key: str) -> tuple[tuple[Decimal, Decimal], ...]:
    found = [_columns(line, ("price", "size"), result.where) for line in _lines(result, key)]
    return tuple((row.number("price"), row.number("size")) for row in found)


def funding_of(row: Row, every: timedelta) -> FundingNow:
    """`every`: as the instrument is listed, for an answer that does not say it."""
    hours = row.above_zero("fundingIntervalHour")
    return FundingNow(
        rate=row.number("fundingRate"),
        next_at=row.at("nextFundingTime"),
        every=timedelta(hours=int(hours)) if hours else every,
    )


def _lines(result: Row, key: str) -> list[Any]:
    lines = result.raw.get(key)
    if not isinstance(lines, list):
        raise Garbled(f"{result.where}: {key} is no list")
    return lines


def _columns(line: Any, names: tuple[str, ...], where: str) -> Row:
    if not isinstance(line, list) or len(line) < len(names):
        raise Garbled(f"{where}: a line of {len(names)} values is expected")
    return Row(dict(zip(names, line, strict=False)), where)


def fees_of(found: list[Row]) -> Mapping[str, tuple[Decimal, Decimal]]:
    """Native name to (maker, taker)."""
    return {row.text("symbol"): (row.number("makerFeeRate"), row.number("takerFeeRate")) for row in found}
