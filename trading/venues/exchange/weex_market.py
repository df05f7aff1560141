"""WEEX V3, the market: instruments, candles, quotes, books, funding. No key is needed."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from trading.market.series import MS, to_ms
from trading.model import ZERO, Instrument, OrderBook, Quote, Symbol
from trading.venues.exchange.parsing import Garbled, Row
from trading.venues.exchange.weex_names import WeexBase, now, now_ms, read_rows, whole
from trading.venues.exchange.wire import Candles, FundingNow, Listing

log = logging.getLogger(__name__)

INTERVALS = {
    timedelta(minutes=1): "1m",
    timedelta(minutes=5): "5m",
    timedelta(minutes=15): "15m",
    timedelta(minutes=30): "30m",
    timedelta(hours=1): "1h",
    timedelta(hours=4): "4h",
    timedelta(hours=12): "12h",
    timedelta(days=1): "1d",
    timedelta(weeks=1): "1w",
}
LAST_BARS = 1000  # klines: the last ones only, there is no start
PAST_BARS = 100  # historyKlines: from any time on
RATES = 1000  # fundingRate
COLUMNS = 11
USUAL_FUNDING = timedelta(hours=8)
PERCENT = Decimal("0.01")  # a fee of 1 % is a percentage that was taken for a fraction


class WeexMarket(WeexBase):
    async def server_time(self) -> datetime:
        answer = await self._data.read("contractGetCapiV3MarketTime", {})
        return Row(answer, "weex time").at("serverTime")

    async def listings(self, bases: Sequence[str], quote: str) -> dict[Symbol, Listing]:
        info = Row(await self._data.read("contractGetCapiV3MarketExchangeInfo", {}), "weex exchangeInfo")
        open_to_api = await self._data.read("contractGetCapiV3MarketApiTradingSymbols", {}, cost=5)
        if not isinstance(open_to_api, list):
            raise Garbled(f"weex apiTradingSymbols: a list is expected, {open_to_api!r:.80} came")
        cycles = await self._cycles()
        found = {}
        for row in info.rows("symbols"):
            if row.maybe("baseAsset") in bases and row.maybe("quoteAsset") == row.maybe("marginAsset") == quote:
                listing = _listed(row, cycles, tradable=row.maybe("symbol") in open_to_api)
                if listing is not None:
                    found[listing.instrument.symbol] = listing
                    self._learn(listing.instrument.symbol, listing.native)
        return found

    async def _cycles(self) -> dict[str, timedelta]:
        """How often funding is settled, of all instruments in one request."""
        found = await read_rows(
            self._data, "contractGetCapiV3MarketPremiumIndex", {}, cost=1, where="weex premiumIndex"
        )
        return {row.text("symbol"): _cycle(row) for row in found if row.maybe("collectCycle")}

    # --- candles ---

    async def candles(self, symbol: Symbol, every: timedelta, *, start: datetime | None, limit: int) -> Candles:
        """Raises ValueError for an interval that WEEX has not: nothing is put together from finer ones here."""
        if every not in INTERVALS:
            raise ValueError(f"WEEX has no candles of {every}: {', '.join(INTERVALS.values())}")
        if start is None and limit <= LAST_BARS:
            return _columns(await self._last_bars(symbol, every, limit), limit=limit)
        step = every // MS
        present = now_ms(self._data) // step * step
        first = present - (limit - 1) * step if start is None else -(-to_ms(start) // step) * step
        last = min(first + (limit - 1) * step, present)
        reach = present - (LAST_BARS - 2) * step  # one to spare: a bar may begin while we ask
        bars: list[list[Any]] = []
        for begin in range(first, min(last, reach - step) + 1, PAST_BARS * step):
            bars += await self._past_bars(symbol, every, begin, min(begin + (PAST_BARS - 1) * step, last, reach - step))
        if last >= reach:
            count = (present - max(first, reach)) // step + 2
            bars += await self._last_bars(symbol, every, min(count, LAST_BARS))
        return _columns(bars, limit=limit, start=start)

    async def _last_bars(self, symbol: Symbol, every: timedelta, count: int) -> list[list[Any]]:
        asked = {"symbol": self._native(symbol), "interval": INTERVALS[every], "limit": count}
        return _bars(await self._data.read("contractGetCapiV3MarketKlines", asked))

    async def _past_bars(self, symbol: Symbol, every: timedelta, begin: int, end: int) -> list[list[Any]]:
        asked = {
            "symbol": self._native(symbol),
            "interval": INTERVALS[every],
            "startTime": begin,
            "endTime": end,
            "limit": (end - begin) // (every // MS) + 1,
        }
        return _bars(await self._data.read("contractGetCapiV3MarketHistoryKlines", asked, cost=5))

    # --- prices ---

    async def quote(self, symbol: Symbol) -> Quote:
        """Touch and mark from two small requests: the 24-hour ticker has both in one and costs twenty times as much."""
        native = self._native(symbol)
        found = await read_rows(
            self._data,
            "contractGetCapiV3MarketTickerBookTicker",
            {"symbol": native},
            cost=1,
            where="weex bookTicker",
        )
        touch = _of(native, found, "bookTicker")
        premium = await self._premium(symbol)
        at = max(touch.at("time"), premium.at("time"))  # both were so just now, however long they have been so
        prices = touch.number("bidPrice"), touch.number("askPrice"), premium.number("markPrice")
        return _quote(symbol, at, *prices)

    async def book(self, symbol: Symbol, depth: int) -> OrderBook:
        asked = {"symbol": self._native(symbol), "limit": 15 if depth <= 15 else 200}
        row = Row(await self._data.read("contractGetCapiV3MarketDepth", asked), "weex depth")
        bids, asks = levels(row.raw.get("bids")), levels(row.raw.get("asks"))
        return OrderBook(
            symbol=symbol,
            at=now(self._data),  # the answer carries no time
            bids=tuple(sorted(bids, reverse=True)),
            asks=tuple(sorted(asks)),
        )

    # --- funding ---

    async def funding_now(self, symbol: Symbol) -> FundingNow:
        """The forecast is what will be settled next, `nextFundingTime` is when; `time` beside it is the present."""
        row = await self._premium(symbol)
        rate = row.maybe_number("forecastFundingRate")
        if rate is None:
            rate = row.number("lastFundingRate")
        return FundingNow(rate=rate, next_at=row.at("nextFundingTime"), every=_cycle(row))

    async def funding_rates(self, symbol: Symbol, since: datetime) -> tuple[tuple[datetime, Decimal], ...]:
        native = self._native(symbol)

        async def span(start: int, end: int) -> tuple[list[Row], bool]:
            asked = {"symbol": native, "startTime": start, "endTime": end, "limit": RATES}
            found = await read_rows(
                self._data, "contractGetCapiV3MarketFundingRate", asked, cost=5, where="weex fundingRate"
            )
            return found, len(found) >= RATES

        found = await whole(span, to_ms(since), max(now_ms(self._data), to_ms(since)))
        rates = {row.at("fundingTime"): row.number("fundingRate") for row in found}
        return tuple((at, rates[at]) for at in sorted(rates) if at >= since)

    async def _premium(self, symbol: Symbol) -> Row:
        native = self._native(symbol)
        asked = {"symbol": native}
        found = await read_rows(
            self._data, "contractGetCapiV3MarketPremiumIndex", asked, cost=1, where="weex premiumIndex"
        )
        return _of(native, found, "premiumIndex")


# --- parsing ----------------------------------------------------------------------------------------------------------


def _listed(row: Row, cycles: dict[str, timedelta], *, tradable: bool) -> Listing | None:
    """None, and a line in the log, for a row that cannot be understood: one instrument less, not all of them."""
    try:
        instrument = _instrument(row, cycles.get(row.text("symbol"), USUAL_FUNDING))
    except (Garbled, ValueError) as error:
        log.warning("weex: %s is left out: %s", row.maybe("symbol") or "an instrument", error)
        return None
    return Listing(
        instrument=instrument,
        native=row.text("symbol"),
        max_market=row.above_zero("marketOpenLimitSize") or instrument.max_quantity,
        tradable=tradable,
        why="" if tradable else "WEEX does not offer it to API users (apiTradingSymbols)",
        raw=row.raw,
    )


def _instrument(row: Row, funding_every: timedelta) -> Instrument:
    most = int(row.number("maxLeverage"))
    base, quote = row.text("baseAsset"), row.text("quoteAsset")
    return Instrument(
        symbol=Symbol(f"{base}/{quote}:{quote}"),
        tick=_power(row, "pricePrecision"),
        step=_power(row, "quantityPrecision"),
        min_quantity=row.number("minOrderSize"),
        max_quantity=row.number("maxOrderSize"),
        min_notional=ZERO,  # none is published
        max_leverage=most,
        maker_fee=_fee(row, "makerFeeRate"),
        taker_fee=_fee(row, "takerFeeRate"),
        maintenance=_maintenance(most),
        funding_every=funding_every,
    )


def _power(row: Row, key: str) -> Decimal:
    """A precision is a signed power of ten: 4 is 0.0001, -2 is 100."""
    digits = row.number(key)
    if digits != int(digits) or abs(digits) > 12:
        raise Garbled(f"{row.where}: {key} is {digits}")
    return Decimal(f"{Decimal(1).scaleb(-int(digits)):f}")


def _fee(row: Row, key: str) -> Decimal:
    fee = row.number(key)
    if abs(fee) >= PERCENT:
        raise Garbled(f"{row.where}: {key} is {fee}, which is no fraction of the notional")
    return fee


def _maintenance(most: int) -> Decimal:
    """WEEX publishes no maintenance margin. Half of the smallest initial margin is the usual share, but at 400x that
    is only 0.125 %: never less than 0.5 % is assumed, so that liquidation is expected too early and not too late."""
    return max(Decimal("0.005"), 1 / (2 * Decimal(most)))


def _cycle(row: Row) -> timedelta:
    minutes = row.number("collectCycle")
    if not 0 < minutes <= 7 * 24 * 60:
        raise Garbled(f"{row.where}: collectCycle is {minutes}")
    return timedelta(minutes=int(minutes))


def _of(native: str, found: list[Row], where: str) -> Row:
    """The row of one instrument: which others come along is the exchange's affair."""
    for row in found:
        if row.maybe("symbol") == native:
            return row
    raise Garbled(f"weex {where}: {native} is not in the answer")


def _quote(symbol: Symbol, at: datetime, bid: Decimal, ask: Decimal, mark: Decimal) -> Quote:
    try:
        return Quote(symbol=symbol, at=at, bid=bid, ask=ask, mark=mark)
    except ValueError as error:
        raise Garbled(f"weex quote: {error}") from None


def levels(raw: Any) -> list[tuple[Decimal, Decimal]]:
    """[["2096.77", "45.592"], ...]"""
    if not isinstance(raw, list) or not all(isinstance(level, list) and len(level) >= 2 for level in raw):
        raise Garbled(f"weex depth: levels are expected, {raw!r:.80} came")
    return [(number(level[0]), number(level[1])) for level in raw]


def number(value: Any) -> Decimal:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise Garbled(f"weex: {value!r:.40} is no number") from None
    if not found.is_finite():
        raise Garbled(f"weex: {value!r:.40} is no number")
    return found


def _bars(raw: Any) -> list[list[Any]]:
    if not isinstance(raw, list) or not all(isinstance(bar, list) and len(bar) >= COLUMNS for bar in raw):
        raise Garbled(f"weex klines: bars of {COLUMNS} columns are expected, {raw!r:.80} came")
    return raw


def _columns(bars: list[list[Any]], *, limit: int, start: datetime | None = None) -> Candles:
    """Oldest first, each bar once, whatever order they came in: the first `limit` from `start` on, or the last ones."""
    known = {int(number(bar[0])): bar for bar in bars}
    opened = sorted(known)[-limit:] if start is None else [at for at in sorted(known) if at >= to_ms(start)][:limit]
    kept = [known[at] for at in opened]
    return Candles(
        opened=tuple(opened),
        rows=tuple((number(b[1]), number(b[2]), number(b[3]), number(b[4]), number(b[5])) for b in kept),
        taker_buy=tuple(number(bar[9]) for bar in kept),
        trades=tuple(int(number(bar[8])) for bar in kept),
    )
