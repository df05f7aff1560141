"""What Binance USD-M tells everybody: instruments, candles, quotes, books, funding."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from trading.market.series import to_ms
from trading.model import OrderBook, Quote, Symbol
from trading.venues.exchange.binance_rows import HOURS, listing, native_of, settled
from trading.venues.exchange.parsing import Garbled, Row, rows
from trading.venues.exchange.profile import Caller
from trading.venues.exchange.wire import Candles, FundingNow, Listing

PAGE = 1500  # bars of one request
RATES_PAGE = 1000
INTERVALS = {
    timedelta(minutes=1): "1m",
    timedelta(minutes=3): "3m",
    timedelta(minutes=5): "5m",
    timedelta(minutes=15): "15m",
    timedelta(minutes=30): "30m",
    timedelta(hours=1): "1h",
    timedelta(hours=2): "2h",
    timedelta(hours=4): "4h",
    timedelta(hours=6): "6h",
    timedelta(hours=8): "8h",
    timedelta(hours=12): "12h",
    timedelta(days=1): "1d",
}
# The first columns of a kline by place: the close time and the quote volume are not kept.
COLUMNS = ("opened", "open", "high", "low", "close", "volume", "", "", "trades", "taker_buy")
DEPTHS = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}  # levels -> weight
PUBLIC_FEES = (Decimal("0.0002"), Decimal("0.0005"))  # maker, taker: the published base tier


class MarketSide:
    """Reads without a key; with one, the account's own fees and brackets."""

    def __init__(self, data: Caller, trade: Caller | None, *, practice: str) -> None:
        self._data = data
        self._trade = trade
        self._practice = practice
        self._hours: dict[str, int] | None = None  # between fundings, as last read with the listings

    async def server_time(self) -> datetime:
        return Row(await self._data.read("fapiPublicGetTime", {}), "binance time").at("serverTime")

    async def listings(self, bases: Sequence[str], quote: str) -> dict[Symbol, Listing]:
        answer = Row(await self._data.read("fapiPublicGetExchangeInfo", {}), "binance exchangeInfo")
        wanted = [row for row in answer.rows("symbols") if _wanted(row, set(bases), quote)]
        self._hours = hours = await self._funding_hours()
        brackets = await self._brackets()
        found = [await self._listing(row, brackets, hours) for row in wanted]
        return {each.instrument.symbol: each for each in found}

    async def _listing(
        self, row: Row, brackets: Mapping[str, tuple[int, Decimal]], hours: Mapping[str, int]
    ) -> Listing:
        native = row.text("symbol")
        if brackets and native not in brackets:
            raise Garbled(f"binance leverageBracket: nothing about {native}")
        leverage, maintenance = brackets[native] if brackets else _public_bracket(row)
        return listing(
            row,
            leverage=leverage,
            maintenance=maintenance,
            fees=await self._fees(native),
            hours=hours.get(native, HOURS),
        )

    async def _funding_hours(self) -> dict[str, int]:
        """Only what is off the usual eight hours is in it."""
        answer = rows(await self._data.read("fapiPublicGetFundingInfo", {}), "binance fundingInfo")
        return {row.text("symbol"): int(row.number("fundingIntervalHours")) for row in answer}

    async def _brackets(self) -> dict[str, tuple[int, Decimal]]:
        """Leverage and maintenance of the first bracket, the one that a position begins in. Needs a key."""
        if self._trade is None:
            return {}
        answer = rows(await self._trade.read("fapiPrivateGetLeverageBracket", {}), "binance leverageBracket")
        return {row.text("symbol"): _first(row) for row in answer}

    async def _fees(self, native: str) -> tuple[Decimal, Decimal]:
        if self._trade is None:
            return PUBLIC_FEES
        answer = await self._trade.read("fapiPrivateGetCommissionRate", {"symbol": native}, cost=20)
        row = Row(answer, "binance commissionRate")
        return row.number("makerCommissionRate"), row.number("takerCommissionRate")

    async def candles(self, symbol: Symbol, every: timedelta, *, start: datetime | None, limit: int) -> Candles:
        found: list[tuple[Decimal, ...]] = []
        ask: dict[str, Any] = {} if start is None else {"startTime": to_ms(start)}
        while len(found) < limit:
            size = min(PAGE, limit - len(found))
            page = await self._bars(symbol, every, ask, size)
            found = page + found if start is None else found + page
            if len(page) < size:
                break
            ask = {"endTime": int(found[0][0]) - 1} if start is None else {"startTime": int(found[-1][0]) + 1}
        return _candles(found)

    async def _bars(
        self, symbol: Symbol, every: timedelta, ask: Mapping[str, Any], limit: int
    ) -> list[tuple[Decimal, ...]]:
        params = {"symbol": native_of(symbol), "interval": INTERVALS[every], "limit": limit, **ask}
        answer = await self._data.read("fapiPublicGetKlines", params, cost=_weight_of_bars(limit))
        return [_bar(each) for each in _columns(answer)]

    async def quote(self, symbol: Symbol) -> Quote:
        params = {"symbol": native_of(symbol)}
        touch = Row(await self._data.read("fapiPublicGetTickerBookTicker", params, cost=2), "binance bookTicker")
        mark = Row(await self._data.read("fapiPublicGetPremiumIndex", params), "binance premiumIndex")
        try:
            return Quote(
                symbol=symbol,
                at=max(touch.at("time"), mark.at("time")),  # a quiet book has an old time, and is right
                bid=touch.number("bidPrice"),
                ask=touch.number("askPrice"),
                mark=mark.number("markPrice"),
            )
        except ValueError as wrong:
            raise Garbled(f"binance quote: {wrong}") from None

    async def book(self, symbol: Symbol, depth: int) -> OrderBook:
        levels = next((each for each in DEPTHS if each >= depth), 1000)
        params = {"symbol": native_of(symbol), "limit": levels}
        row = Row(await self._data.read("fapiPublicGetDepth", params, cost=DEPTHS[levels]), "binance depth")
        return OrderBook(symbol=symbol, at=row.at("E"), bids=_levels(row, "bids"), asks=_levels(row, "asks"))

    async def funding_now(self, symbol: Symbol) -> FundingNow:
        native = native_of(symbol)
        answer = await self._data.read("fapiPublicGetPremiumIndex", {"symbol": native})
        row = Row(answer, "binance premiumIndex")
        if self._hours is None:
            self._hours = await self._funding_hours()
        return FundingNow(
            rate=row.number("lastFundingRate"),
            next_at=row.at("nextFundingTime"),
            every=timedelta(hours=self._hours.get(native, HOURS)),
        )

    async def funding_rates(self, symbol: Symbol, since: datetime) -> tuple[tuple[datetime, Decimal], ...]:
        found: list[tuple[datetime, Decimal]] = []
        start = to_ms(since)
        while True:
            params = {"symbol": native_of(symbol), "startTime": start, "limit": RATES_PAGE}
            answer = rows(await self._data.read("fapiPublicGetFundingRate", params), "binance fundingRate")
            found += [settled(row) for row in answer]
            if len(answer) < RATES_PAGE:
                return tuple(found)
            start = to_ms(found[-1][0]) + 1


def _wanted(row: Row, bases: set[str], quote: str) -> bool:
    assets = {row.maybe("quoteAsset"), row.maybe("marginAsset") or quote}
    return row.maybe("baseAsset") in bases and assets == {quote} and row.maybe("contractType") == "PERPETUAL"


def _public_bracket(row: Row) -> tuple[int, Decimal]:
    """Without a key the brackets are not to be had. The two percentages of exchangeInfo are the same for every
    instrument and stricter than the real first bracket: 20 times is what any account may use, new ones included.
    """
    required, kept = row.number("requiredMarginPercent"), row.number("maintMarginPercent")
    if required <= 0:
        raise Garbled(f"{row.where}: requiredMarginPercent is {required}")
    return max(1, int(100 / required)), kept / 100


def _first(row: Row) -> tuple[int, Decimal]:
    firsts = [each for each in row.rows("brackets") if each.text("bracket") == "1"]
    if len(firsts) != 1:
        raise Garbled(f"binance leverageBracket: {row.text('symbol')} has no first bracket")
    first = firsts[0]
    return int(first.number("initialLeverage")), first.number("maintMarginRatio")


def _weight_of_bars(limit: int) -> int:
    return 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1000 else 10


def _columns(answer: Any) -> Iterable[Row]:
    if not isinstance(answer, list):
        raise Garbled("binance klines: a list is expected")
    for bar in answer:
        if not isinstance(bar, list) or len(bar) < len(COLUMNS):
            raise Garbled("binance klines: a bar of another shape")
        yield Row(dict(zip(COLUMNS, bar, strict=False)), "binance klines")


def _bar(row: Row) -> tuple[Decimal, ...]:
    return tuple(row.number(name) for name in COLUMNS if name)


def _candles(bars: Sequence[tuple[Decimal, ...]]) -> Candles:
    opened = tuple(int(bar[0]) for bar in bars)
    if any(later <= earlier for earlier, later in pairwise(opened)):
        raise Garbled("binance klines: the bars are not in their order")
    return Candles(
        opened=opened,
        rows=tuple((bar[1], bar[2], bar[3], bar[4], bar[5]) for bar in bars),
        taker_buy=tuple(bar[7] for bar in bars),
        trades=tuple(int(bar[6]) for bar in bars),
    )


def _levels(row: Row, side: str) -> tuple[tuple[Decimal, Decimal], ...]:
    raw = row.raw.get(side)
    if not isinstance(raw, list) or not all(isinstance(each, list) and len(each) >= 2 for each in raw):
        raise Garbled(f"{row.where}: {side} is no list of levels")
    named = (Row({"price": each[0], "quantity": each[1]}, f"{row.where}: {side}") for each in raw)
    return tuple((each.number("price"), each.number("quantity")) for each in named)
