"""What the emulated Binance USD-M tells without a key: listings, prices, books, candles, trades and funding."""

from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from itertools import count
from typing import Any

from tests.fakes.binance_exchange_gate import Params, Refusal
from tests.fakes.binance_exchange_rows import Json, digits, money, shown
from tests.fakes.exchange_core import Core
from tests.fakes.exchange_core_values import Spec

HOUR_MS = 3_600_000
INTERVALS = {
    "1m": 1,
    "3m": 3,
    "5m": 5,
    "15m": 15,
    "30m": 30,
    "1h": 60,
    "2h": 120,
    "4h": 240,
    "6h": 360,
    "8h": 480,
    "12h": 720,
    "1d": 1_440,
    "3d": 4_320,
}
_DEPTHS = (5, 10, 20, 50, 100, 500, 1_000)
_INTEREST = Decimal("0.0001")
_KEPT_TRADES = 2_000
_QUARTER_ENDS = 1_806_048_000_000  # of the one dated contract that is listed beside the perpetuals


class MarketSide:
    """Public answers over a core. `funding_rates` is what the next settlement will be; `padding` lists so many more
    markets that nobody trades."""

    def __init__(self, core: Core, *, now: Callable[[], int], padding: int = 0) -> None:
        self.core = core
        self.padding = padding
        self.funding_rates: dict[str, Decimal] = {}
        self._now = now
        self._opened = now()
        self._settled: dict[str, list[tuple[int, Decimal]]] = {}
        self._trades: dict[str, deque[Json]] = {native: deque(maxlen=_KEPT_TRADES) for native in core.specs}
        self._trade_ids = count(7_000_001)
        self._updates = count(40_000_002)
        self.last_update = dict.fromkeys(core.specs, 40_000_001)
        self._before = dict(self.last_update)
        self._shown: dict[str, tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]] = {}

    def spec(self, params: Params) -> Spec:
        return self.spec_of(params.text("symbol"))

    def spec_of(self, native: str) -> Spec:
        if native not in self.core.specs:
            raise Refusal(-1121, "Invalid symbol.")
        return self.core.specs[native]

    # --- what is listed ---

    def server_time(self, params: Params) -> Json:
        return {"serverTime": self._now()}

    def exchange_info(self, params: Params) -> Json:
        listed = [self._listed(spec, native) for native, spec in self.core.specs.items()]
        first = next(iter(self.core.specs.values()))
        dated = {"contractType": "CURRENT_QUARTER", "deliveryDate": _QUARTER_ENDS}
        listed.append(self._listed(first, f"{first.base}USDT_270326") | dated)
        listed += [self._listed(first, f"P{number:04d}USDT", f"P{number:04d}") for number in range(self.padding)]
        limits = [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
            {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
        ]
        assets = [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "0"}]
        zone = {"timezone": "UTC", "serverTime": self._now(), "futuresType": "U_MARGINED"}
        return zone | {"rateLimits": limits, "exchangeFilters": [], "assets": assets, "symbols": listed}

    def _listed(self, spec: Spec, native: str, base: str | None = None) -> Json:
        lot = {"minQty": shown(spec.min_quantity), "stepSize": shown(spec.step)}
        filters = [
            {"filterType": "PRICE_FILTER", "minPrice": shown(spec.tick), "maxPrice": "9999999"}
            | {"tickSize": shown(spec.tick)},
            {"filterType": "LOT_SIZE", "maxQty": shown(spec.max_quantity)} | lot,
            {"filterType": "MARKET_LOT_SIZE", "maxQty": shown(spec.max_market)} | lot,
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
            {"filterType": "MIN_NOTIONAL", "notional": shown(spec.min_notional)},
            {"filterType": "PERCENT_PRICE", "multiplierUp": shown(1 + spec.band)}
            | {"multiplierDown": shown(1 - spec.band), "multiplierDecimal": "4"},
            {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
        ]
        return {
            "symbol": native,
            "pair": f"{base or spec.base}USDT",
            "contractType": "PERPETUAL",
            "deliveryDate": 4133404800000,
            "onboardDate": 1569398400000,
            "status": "TRADING" if spec.api else "SETTLING",
            "maintMarginPercent": "2.5000",
            "requiredMarginPercent": "5.0000",
            "baseAsset": base or spec.base,
            "quoteAsset": "USDT",
            "marginAsset": "USDT",
            "pricePrecision": digits(spec.tick),
            "quantityPrecision": digits(spec.step),
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
            "underlyingType": "COIN",
            "underlyingSubType": ["Layer-1"],
            "triggerProtect": "0.0500",
            "liquidationFee": "0.012500",
            "marketTakeBound": "0.05",
            "maxMoveOrderLimit": 10000,
            "filters": filters,
            "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
            "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
            "permissionSets": ["GRID", "COPY"],
        }

    # --- prices ---

    def klines(self, params: Params) -> list[list[Any]]:
        spec = self.spec(params)
        interval = params.text("interval")
        if interval not in INTERVALS:
            raise Refusal(-1120, "Invalid interval.")
        start, end = span(params)
        limit = params.integer("limit", 500) or 500
        if limit > 1_500:
            raise Refusal(-1130, "Data sent for parameter 'limit' is not valid.")
        minutes = INTERVALS[interval]
        bars = self.core.klines(spec.native, minutes, start, end, limit)
        return [self._kline(bar, minutes) for bar in bars]

    @staticmethod
    def _kline(bar: tuple[Any, ...], minutes: int) -> list[Any]:
        opened, first, high, low, last, volume, taker_buy, trades = bar
        middle = (high + low) / 2
        prices = [shown(price) for price in (first, high, low, last)]
        ends = opened + minutes * 60_000 - 1
        quoted = [shown(volume), ends, money(volume * middle), trades, shown(taker_buy), money(taker_buy * middle), "0"]
        return [opened, *prices, *quoted]

    def depth(self, params: Params) -> Json:
        spec = self.spec(params)
        limit = params.integer("limit", 500)
        if limit not in _DEPTHS:
            raise Refusal(-4021, f"{limit} is not valid depth limit.")
        bids, asks = self.core.book(spec.native, limit)
        at = self._now()
        levels = {"bids": _levels(bids), "asks": _levels(asks)}
        return {"lastUpdateId": self.last_update[spec.native], "E": at, "T": at} | levels

    def book_ticker(self, params: Params) -> Json | list[Json]:
        return self._one_or_all(params, self._book_ticker)

    def _book_ticker(self, native: str) -> Json:
        bids, asks = self.core.book(native, 1)
        row: Json = {"symbol": native, "bidPrice": shown(bids[0][0]), "bidQty": shown(bids[0][1])}
        row |= {"askPrice": shown(asks[0][0]), "askQty": shown(asks[0][1])}
        return row | {"time": self._now(), "lastUpdateId": self.last_update[native]}

    def price(self, params: Params) -> Json | list[Json]:
        return self._one_or_all(params, lambda native: {"symbol": native, "price": shown(self._last(native))})

    def premium_index(self, params: Params) -> Json | list[Json]:
        return self._one_or_all(params, self._premium)

    def _premium(self, native: str) -> Json:
        mark = self.core.mark(native)
        prices = {"markPrice": money(mark), "indexPrice": money(mark), "estimatedSettlePrice": money(mark)}
        rates = {"lastFundingRate": shown(self.rate(native)), "interestRate": shown(_INTEREST)}
        return {"symbol": native} | prices | rates | {"nextFundingTime": self.next_funding(native), "time": self._now()}

    def agg_trades(self, params: Params) -> list[Json]:
        spec = self.spec(params)
        start, end = span(params)
        limit, first = params.integer("limit", 500) or 500, params.integer("fromId")
        rows = [row for row in self._trades[spec.native] if (start or 0) <= row["T"] <= (end or 10**15)]
        if first is not None:
            rows = rows[bisect_left([row["a"] for row in rows], first) :]
        return rows[:limit] if start is not None or first is not None else rows[-limit:]

    # --- funding ---

    def rate(self, native: str) -> Decimal:
        return self.funding_rates.get(native, _INTEREST)

    def next_funding(self, native: str) -> int:
        every = self.core.specs[native].funding_hours * HOUR_MS
        return (self._now() // every + 1) * every

    def settled(self, native: str, rate: Decimal, at: int) -> None:
        self._settled.setdefault(native, []).append((at, rate))

    def funding_history(self, params: Params) -> list[Json]:
        """Before the exchange opened, every settlement was at the interest rate."""
        natives = [self.spec(params).native] if params.maybe("symbol") else list(self.core.specs)
        start, end = span(params)
        limit = params.integer("limit", 100) or 100
        rows = [row for native in natives for row in self._history(native, start, end)]
        rows.sort(key=lambda row: int(row["fundingTime"]))
        return rows[:limit] if start is not None else rows[-limit:]

    def _history(self, native: str, start: int | None, end: int | None) -> list[Json]:
        every = self.core.specs[native].funding_hours * HOUR_MS
        first = max(start or 0, self._opened - 200 * every)
        past = [(at, _INTEREST) for at in range(-(-first // every) * every, self._opened, every)]
        mark = money(self.core.mark(native))
        return [
            {"symbol": native, "fundingRate": shown(rate, 8), "fundingTime": at, "markPrice": mark}
            for at, rate in past + self._settled.get(native, [])
            if (start or 0) <= at <= (end if end is not None else 10**15)
        ]

    def funding_info(self, params: Params) -> list[Json]:
        """Only of those whose interval or bounds were adjusted, as documented."""
        return [
            {"symbol": native, "adjustedFundingRateCap": "0.02000000", "adjustedFundingRateFloor": "-0.02000000"}
            | {"fundingIntervalHours": spec.funding_hours, "disclaimer": False}
            for native, spec in self.core.specs.items()
            if spec.funding_hours != 8
        ]

    # --- what streams say ---

    def traded(self, native: str, price: Decimal, quantity: Decimal, *, buy: bool) -> Json:
        """Keeps a public trade; the row without its event fields."""
        number = next(self._trade_ids)
        row: Json = {"a": number, "p": shown(price), "q": shown(quantity), "f": number, "l": number}
        row |= {"T": self._now(), "m": not buy}
        self._trades[native].append(row)
        return row

    def touch_event(self, native: str) -> Json:
        row, at = self._book_ticker(native), self._now()
        event = {"e": "bookTicker", "u": row["lastUpdateId"], "E": at, "T": at, "s": native}
        return event | {"b": row["bidPrice"], "B": row["bidQty"], "a": row["askPrice"], "A": row["askQty"]}

    def mark_event(self, native: str) -> Json:
        row = self._premium(native)
        event = {"e": "markPriceUpdate", "E": self._now(), "s": native, "p": row["markPrice"], "ap": row["markPrice"]}
        event |= {"P": row["estimatedSettlePrice"], "i": row["indexPrice"], "r": row["lastFundingRate"]}
        return event | {"T": row["nextFundingTime"]}

    def book_changed(self, native: str) -> None:
        """To be called once for each change of a book."""
        self.last_update[native], self._before[native] = next(self._updates), self.last_update[native]

    def show_depth(self, native: str) -> None:
        """Changes are told from what the book is now."""
        bids, asks = self.core.book(native, 20)
        self._shown[native] = (dict(bids), dict(asks))

    def depth_event(self, native: str) -> Json:
        """What changed in the book since the last one."""
        before = self._before[native]
        old_bids, old_asks = self._shown.get(native, ({}, {}))
        bids, asks = (dict(side) for side in self.core.book(native, 20))
        self._shown[native] = (bids, asks)
        at = self._now()
        event: Json = {"e": "depthUpdate", "E": at, "T": at, "s": native, "U": before + 1}
        event |= {"u": self.last_update[native], "pu": before}
        return event | {"b": _changes(old_bids, bids), "a": _changes(old_asks, asks)}

    def _last(self, native: str) -> Decimal:
        return (self.core.bid(native) + self.core.ask(native)) / 2

    def _one_or_all(self, params: Params, row: Callable[[str], Json]) -> Json | list[Json]:
        if params.maybe("symbol") is None:
            return [row(native) for native in self.core.specs]
        return row(self.spec(params).native)


def span(params: Params) -> tuple[int | None, int | None]:
    start, end = params.integer("startTime"), params.integer("endTime")
    if start is not None and end is not None and start > end:
        raise Refusal(-1023, "Start time is greater than end time.")
    return start, end


def _levels(side: list[tuple[Decimal, Decimal]]) -> list[list[str]]:
    return [[shown(price), shown(quantity)] for price, quantity in side]


def _changes(old: dict[Decimal, Decimal], new: dict[Decimal, Decimal]) -> list[list[str]]:
    changed = [[shown(price), shown(quantity)] for price, quantity in new.items() if old.get(price) != quantity]
    return changed + [[shown(price), "0"] for price in old if price not in new]
