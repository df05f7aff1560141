"""Bybit V5's public endpoints over the emulated exchange."""

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.fakes.bybit_exchange_book import Book, BybitRefusal, Params, paged, whole
from tests.fakes.bybit_exchange_rows import text
from tests.fakes.bybit_exchange_trade import linear, linear_category
from tests.fakes.exchange_core import Core, Spec

INTERVALS = {str(minutes): minutes for minutes in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720)} | {"D": 1440, "W": 10080}
HOUR = 3_600_000
FUNDING_DAYS = 60


class Market:
    """`padding`: further listed instruments that nobody trades. `rates`: what will be settled next."""

    def __init__(self, book: Book, *, now: Callable[[], int], padding: int = 0) -> None:
        self._book = book
        self._core: Core = book.core
        self._now = now
        self.padding = padding
        self.rates: dict[str, Decimal] = dict.fromkeys(self._core.specs, Decimal("0.0001"))
        self._trades: dict[str, deque[Params]] = {native: deque(maxlen=1000) for native in self._core.specs}
        self._count = 0

    # --- what the core reports --------------------------------------------------------------------------------------

    def traded(self, native: str, price: Decimal, quantity: Decimal, buy: bool) -> Params:
        """Keeps a public trade and gives it as the stream tells it."""
        self._count += 1
        at, side = self._now(), "Buy" if buy else "Sell"
        uuid = f"a0a0a0a0-0000-4000-8000-{self._count:012x}"
        self._trades[native].appendleft(
            {
                "execId": uuid,
                "symbol": native,
                "price": text(price),
                "size": text(quantity),
                "side": side,
                "time": str(at),
                "isBlockTrade": False,
                "isRPITrade": False,
                "seq": str(self._count),
            }
        )
        told = {"T": at, "s": native, "S": side, "v": text(quantity), "p": text(price), "L": "PlusTick", "i": uuid}
        return told | {"BT": False, "RPI": False, "seq": self._count}

    # --- endpoints --------------------------------------------------------------------------------------------------

    def time(self, query: Params) -> Params:
        now = self._now()
        return {"timeSecond": str(now // 1000), "timeNano": f"{now}000000"}

    def instruments(self, query: Params) -> Params:
        """Without `status` only what trades; 500 a page without `limit`."""
        linear_category(query)
        rows = [instrument_row(spec) for spec in self._core.specs.values()]
        rows += [padding_row(number) for number in range(self.padding)]
        if native := query.get("symbol"):
            rows = [row for row in rows if row["symbol"] == native]
            if not rows:
                raise BybitRefusal(10001, "Not supported symbols")
        else:
            status = query.get("status", "Trading")
            rows = [row for row in rows if row["status"] == status]
        if base := query.get("baseCoin"):
            rows = [row for row in rows if row["baseCoin"] == base]
        page = paged(rows, lambda row: row["symbol"], query, most=1000, usual=500)
        last = not page["list"] or page["list"][-1] is rows[-1]
        return {"category": "linear"} | page | ({"nextPageCursor": ""} if last else {})

    def kline(self, query: Params) -> Params:
        """Newest first, the unfinished bar included; with start and end, the last `limit` of them."""
        native = linear(self._book, query)
        minutes = INTERVALS.get(query.get("interval", ""))
        if minutes is None:
            raise BybitRefusal(10001, "Invalid period!")
        limit = min(whole(query, "limit", 200), 1000)
        start = whole(query, "start", 0) if query.get("start") else None
        end = whole(query, "end", 0) if query.get("end") else None
        bars = self._core.klines(native, minutes, start, end, limit, newest=end is not None)
        rows = [[str(bar[0]), *(text(number) for number in bar[1:6]), text(bar[4] * bar[5])] for bar in bars]
        return {"symbol": native, "category": "linear", "list": rows[::-1]}

    def orderbook(self, query: Params) -> Params:
        native = linear(self._book, query)
        limit = whole(query, "limit", 25)
        if not 1 <= limit <= 1000:
            raise BybitRefusal(10001, "Request parameter error: limit")
        return self.book_row(native, limit) | {"ts": self._now(), "cts": self._now()}

    def book_row(self, native: str, depth: int) -> Params:
        bids, asks = self._core.book(native, depth)
        shown = [[[text(price), text(size)] for price, size in side] for side in (bids, asks)]
        return {"s": native, "b": shown[0], "a": shown[1], "u": self._count + 2, "seq": self._count + 7961638724}

    def tickers(self, query: Params) -> Params:
        linear_category(query)
        natives = [linear(self._book, query)] if query.get("symbol") else list(self._core.specs)
        return {"category": "linear", "list": [self.ticker_row(native) for native in natives]}

    def ticker_row(self, native: str) -> Params:
        core, spec = self._core, self._core.specs[native]
        day = core.klines(native, 60, limit=24)
        volume = sum((bar[5] for bar in day), Decimal(0))
        last, first = core.last(native), day[0][1]
        return self.live_row(native) | {
            "symbol": native,
            "tickDirection": "ZeroPlusTick",
            "prevPrice24h": text(first),
            "price24hPcnt": text(((last - first) / first).quantize(Decimal("0.000001"))),
            "highPrice24h": text(max(bar[2] for bar in day)),
            "lowPrice24h": text(min(bar[3] for bar in day)),
            "prevPrice1h": text(day[-1][1]),
            "openInterest": text(1000 * spec.min_quantity),
            "openInterestValue": text(1000 * spec.min_quantity * last),
            "turnover24h": text(volume * last),
            "volume24h": text(volume),
            "fundingIntervalHour": str(spec.funding_hours),
            "fundingCap": "0.00375",
            "predictedDeliveryPrice": "",
            "basisRate": "",
            "basis": "",
            "deliveryFeeRate": "",
            "deliveryTime": "0",
            "preOpenPrice": "",
            "preQty": "",
            "curPreListingPhase": "",
        }

    def live_row(self, native: str) -> Params:
        """What the ticker stream repeats when it changes."""
        core = self._core
        bids, asks = core.book(native, 1)
        return {
            "lastPrice": text(core.last(native)),
            "indexPrice": text(core.mark(native)),
            "markPrice": text(core.mark(native)),
            "fundingRate": text(self.rates[native]),
            "nextFundingTime": str(self._next_funding(core.specs[native])),
            "bid1Price": text(bids[0][0]) if bids else "",
            "bid1Size": text(bids[0][1]) if bids else "",
            "ask1Price": text(asks[0][0]) if asks else "",
            "ask1Size": text(asks[0][1]) if asks else "",
        }

    def _next_funding(self, spec: Spec) -> int:
        every = spec.funding_hours * HOUR
        return (self._now() // every + 1) * every

    def recent_trades(self, query: Params) -> Params:
        """Newest first."""
        native = linear(self._book, query)
        rows = list(self._trades[native])[: min(whole(query, "limit", 500), 1000)]
        return {"category": "linear", "list": rows}

    def funding_history(self, query: Params) -> Params:
        """Newest first: a made-up past at the current rate, and what was settled since."""
        native = linear(self._book, query)
        end = whole(query, "endTime", self._now())
        if query.get("startTime") and not query.get("endTime"):
            raise BybitRefusal(10001, "Request parameter error: endTime is needed with startTime")
        start = whole(query, "startTime", 0)
        rows = [(at, rate) for at, rate in self._settled(native) if start <= at <= end]
        rows.sort(reverse=True)
        shown = [
            {"symbol": native, "fundingRate": text(rate), "fundingRateTimestamp": str(at)}
            for at, rate in rows[: min(whole(query, "limit", 200), 200)]
        ]
        return {"category": "linear", "list": shown}

    def _settled(self, native: str) -> list[tuple[int, Decimal]]:
        every = self._core.specs[native].funding_hours * HOUR
        last = self._now() // every
        past = {
            number * every: self.rates[native] for number in range(last - FUNDING_DAYS * 24 * HOUR // every, last + 1)
        }
        paid = {each.at: each.rate for each in self._core.incomes if each.native == native and each.rate is not None}
        return list((past | paid).items())

    def risk_limit(self, query: Params) -> Params:
        """Two tiers of each; without a symbol fifteen symbols a page."""
        linear_category(query)
        natives = [linear(self._book, query)] if query.get("symbol") else list(self._core.specs)
        rows = [row for native in natives for row in risk_rows(self._core.specs[native])]
        page = paged(rows, lambda row: str(row["id"]) + row["symbol"], query | {"limit": "30"}, most=30, usual=30)
        return {"category": "linear"} | page | ({"nextPageCursor": ""} if len(natives) == 1 else {})


def risk_rows(spec: Spec) -> list[Params]:
    def tier(number: int, value: str, maintenance: Decimal, leverage: int, lowest: int) -> Params:
        return {
            "id": number,
            "symbol": spec.native,
            "riskLimitValue": value,
            "maintenanceMargin": text(maintenance),
            "initialMargin": text((Decimal(1) / leverage).quantize(Decimal("0.0001"))),
            "isLowestRisk": lowest,
            "maxLeverage": f"{leverage}.00",
            "mmDeduction": "",
        }

    second = max(1, spec.max_leverage // 2)
    return [
        tier(1, "2000000", spec.maintenance, spec.max_leverage, 1),
        tier(2, "4000000", spec.maintenance * 2, second, 0),
    ]


def instrument_row(spec: Spec) -> Params:
    """What may not be traded through the API is a contract before its launch."""
    return {
        "symbol": spec.native,
        "contractType": "LinearPerpetual",
        "status": "Trading" if spec.api else "PreLaunch",
        "baseCoin": spec.base,
        "quoteCoin": "USDT",
        "launchTime": "1585526400000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(max(0, -int(spec.tick.as_tuple().exponent))),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": f"{spec.max_leverage}.00", "leverageStep": "0.01"},
        "priceFilter": {
            "minPrice": text(spec.tick),
            "maxPrice": text(spec.tick * 19_999_998),
            "tickSize": text(spec.tick),
        },
        "lotSizeFilter": {
            "maxOrderQty": text(spec.max_quantity),
            "minOrderQty": text(spec.min_quantity),
            "qtyStep": text(spec.step),
            "postOnlyMaxOrderQty": text(spec.max_quantity),
            "maxMktOrderQty": text(spec.max_market),
            "minNotionalValue": text(spec.min_notional),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": spec.funding_hours * 60,
        "settleCoin": "USDT",
        "copyTrading": "both",
        "upperFundingRate": "0.00375",
        "lowerFundingRate": "-0.00375",
        "isPreListing": not spec.api,
        "preListingInfo": None if spec.api else {"curAuctionPhase": "CallAuction"},
        "riskParameters": {"priceLimitRatioX": "0.05", "priceLimitRatioY": "0.1"},
        "displayName": "",
        "symbolType": "",
        "skipCallAuction": False,
    }


def padding_row(number: int) -> Params:
    filler: dict[str, Any] = dict.fromkeys(("maker_fee", "taker_fee", "maintenance"), Decimal("0.001"))
    spec = Spec(
        base=f"C{number:04d}",
        price=Decimal(1),
        tick=Decimal("0.0001"),
        step=Decimal("0.1"),
        min_quantity=Decimal("0.1"),
        max_quantity=Decimal(1_000_000),
        max_market=Decimal(100_000),
        min_notional=Decimal(5),
        max_leverage=25,
        **filler,
    )
    return instrument_row(spec)
