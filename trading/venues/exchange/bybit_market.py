"""What Bybit says about the market: instruments, candles, quotes, books, funding rates."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from trading.errors import OrderRejected
from trading.market.series import MS, to_ms
from trading.model import OrderBook, Quote, Symbol
from trading.venues.exchange import bybit_reading as reading
from trading.venues.exchange.bybit_requests import LINEAR, PAGES, Requests
from trading.venues.exchange.parsing import Garbled, Row
from trading.venues.exchange.wire import Candles, Code, FundingNow, Listing

BASE_FEES = (Decimal("0.0002"), Decimal("0.00055"))  # maker, taker: what is published for accounts without a level
BARS = 1000  # a page of candles
SETTLED = 200  # a page of funding rates
DEEPEST = 500  # levels of a book


class MarketSide(Requests):
    """Reads without a key, but for the fees of the account."""

    async def server_time(self) -> datetime:
        answer = await self._ask(self._data, "publicGetV5MarketTime", {})
        return answer.at("time")

    async def listings(self, bases: Sequence[str], quote: str) -> dict[Symbol, Listing]:
        fees = await self._fees()
        found: dict[Symbol, Listing] = {}
        for base in bases:
            row = await self._instrument(f"{base}{quote}")
            if row is not None and row.text("contractType") == "LinearPerpetual":
                maker, taker = fees.get(row.text("symbol"), BASE_FEES)
                tier = await self._lowest_tier(row.text("symbol"))
                listing = reading.listing_of(row, tier, maker=maker, taker=taker)
                found[listing.instrument.symbol] = listing
                self._names.learn(listing)
        self._listed |= found
        return found

    async def _instrument(self, native: str) -> Row | None:
        try:
            answer = await self._market("publicGetV5MarketInstrumentsInfo", {"symbol": native})
        except OrderRejected as no:
            if no.code == Code.SYMBOL:
                return None
            raise
        rows = answer.row("result").rows("list")
        return next((row for row in rows if row.text("symbol") == native), None)

    async def _lowest_tier(self, native: str) -> Row:
        answer = await self._market("publicGetV5MarketRiskLimit", {"symbol": native})
        return reading.lowest_tier(answer.row("result").rows("list"), native)

    async def _fees(self) -> Mapping[str, tuple[Decimal, Decimal]]:
        """Of this account; nothing without a key, and on demo accounts, which do not tell."""
        if self._trade is None or self._practice == "demo":
            return {}
        answer = await self._ask(self._trade, "privateGetV5AccountFeeRate", LINEAR)
        return reading.fees_of(answer.row("result").rows("list"))

    async def candles(self, symbol: Symbol, every: timedelta, *, start: datetime | None, limit: int) -> Candles:
        asked = {"symbol": self._names.native(symbol), "interval": reading.interval_of(every)}
        if start is None:
            rows = await self._last_bars(asked, limit)
        else:
            rows = await self._bars_from(asked, self._first_bar(symbol, start, every), every, limit)
        return reading.candles_of(rows)

    async def _last_bars(self, asked: Mapping[str, Any], limit: int) -> list[Row]:
        rows: list[Row] = []
        end: dict[str, int] = {}
        while len(rows) < limit:
            count = min(BARS, limit - len(rows))
            answer = await self._market("publicGetV5MarketKline", {**asked, **end, "limit": count})
            page = reading.bars(answer.row("result"))
            rows = page + rows
            if len(page) < count:
                break
            end = {"end": to_ms(page[0].at("start")) - 1}
        return rows[-limit:]

    async def _bars_from(self, asked: Mapping[str, Any], first: int, every: timedelta, limit: int) -> list[Row]:
        """In windows, since it is not said which bars come where there are more than one page of them."""
        rows: list[Row] = []
        while len(rows) < limit:
            count = min(BARS, limit - len(rows))
            window = {"start": first, "end": first + count * (every // MS) - 1, "limit": count}
            answer = await self._market("publicGetV5MarketKline", {**asked, **window})
            rows += reading.bars(answer.row("result"))
            first = window["end"] + 1
            if first > to_ms(answer.at("time")):
                break
        return rows

    def _first_bar(self, symbol: Symbol, start: datetime, every: timedelta) -> int:
        """Nothing is asked for of the time before an instrument was launched."""
        listing = self._listed.get(symbol)
        launched = Row(listing.raw, "bybit listing").maybe_number("launchTime") if listing else None
        first, step = to_ms(start), every // MS
        return first + max(0, int(launched or 0) - first) // step * step

    async def quote(self, symbol: Symbol) -> Quote:
        row, at = await self._ticker(symbol)
        return reading.quote_of(row, symbol, at)

    async def book(self, symbol: Symbol, depth: int) -> OrderBook:
        asked = {"symbol": self._names.native(symbol), "limit": min(depth, DEEPEST)}
        answer = await self._market("publicGetV5MarketOrderbook", asked)
        return reading.book_of(answer.row("result"), symbol)

    async def funding_now(self, symbol: Symbol) -> FundingNow:
        row, _ = await self._ticker(symbol)
        listing = self._listed.get(symbol)
        return reading.funding_of(row, listing.instrument.funding_every if listing else timedelta(hours=8))

    async def _ticker(self, symbol: Symbol) -> tuple[Row, datetime]:
        native = self._names.native(symbol)
        answer = await self._market("publicGetV5MarketTickers", {"symbol": native})
        return reading.only(answer.row("result").rows("list"), native, "bybit ticker"), answer.at("time")

    async def funding_rates(self, symbol: Symbol, since: datetime) -> tuple[tuple[datetime, Decimal], ...]:
        """From the newest back: a beginning alone is refused."""
        asked = {"symbol": self._names.native(symbol), "limit": SETTLED}
        found: list[tuple[datetime, Decimal]] = []
        end: dict[str, int] = {}
        for _ in range(PAGES):
            answer = await self._market("publicGetV5MarketFundingHistory", {**asked, **end})
            rows = answer.row("result").rows("list")
            found += [(row.at("fundingRateTimestamp"), row.number("fundingRate")) for row in rows]
            if len(rows) < SETTLED or found[-1][0] <= since:
                return tuple(sorted(each for each in found if each[0] >= since))
            end = {"endTime": to_ms(found[-1][0]) - 1}
        raise Garbled("bybit funding rates: no end of pages")
