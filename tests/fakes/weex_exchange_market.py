"""WEEX's public calls on the emulated exchange. Each takes the front and the query, and answers with JSON."""

import itertools
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.fakes import weex_exchange_rows as rows
from tests.fakes.exchange_core import Spec
from tests.fakes.weex_exchange_rows import Json, plain, ticked
from tests.fakes.weex_exchange_words import Refusal, whole_number

if TYPE_CHECKING:
    from tests.fakes.weex_exchange import WeexExchange

MINUTES = {"1m": 1, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "4h": 240, "12h": 720, "1d": 1440, "1w": 10080}
HOUR = 3_600_000
Call = Callable[["WeexExchange", Json], Any]


def time(front: "WeexExchange", query: Json) -> Any:
    return {"serverTime": front.server_time()}


def exchange_info(front: "WeexExchange", query: Json) -> Any:
    listed = [rows.symbol(spec) for spec in front.core.specs.values()]
    filler = whole_number(query, "padding", front.padding, 0, 5000)
    like = rows.symbol(next(iter(front.core.specs.values())))
    for number in range(filler):
        base = f"PAD{number}"
        listed.append({**like, "symbol": f"{base}USDT", "baseAsset": base})
    return {
        "assets": [{"asset": "USDT", "marginAvailable": True}],
        "symbols": listed,
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "SECOND", "intervalNum": 10, "limit": front.weight_limit},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 1, "limit": front.order_limit},
        ],
    }


def api_trading_symbols(front: "WeexExchange", query: Json) -> Any:
    return [native for native, spec in front.core.specs.items() if spec.api]


def depth(front: "WeexExchange", query: Json) -> Any:
    spec = front.spec(query)
    levels = whole_number(query, "limit", 15, 1, 200)
    if levels not in (15, 200):
        raise Refusal(-1140, "Parameter validation failed. limit must be 15 or 200.")
    bids, asks = front.core.book(spec.native, levels)
    return {"asks": levelled(asks, spec), "bids": levelled(bids, spec), "lastUpdateId": front.book_number(spec.native)}


def levelled(levels: Any, spec: Spec) -> list[list[str]]:
    return [[ticked(price, spec), plain(quantity)] for price, quantity in levels]


def book_ticker(front: "WeexExchange", query: Json) -> Any:
    return front.listed(query, _touch)


def _touch(front: "WeexExchange", spec: Spec) -> Json:
    bids, asks = front.core.book(spec.native, 1)
    (bid, bid_quantity), (ask, ask_quantity) = bids[0], asks[0]
    return {
        "symbol": spec.native,
        "bidPrice": ticked(bid, spec),
        "bidQty": plain(bid_quantity),
        "askPrice": ticked(ask, spec),
        "askQty": plain(ask_quantity),
        "time": front.server_time(),
    }


def ticker(front: "WeexExchange", query: Json) -> Any:
    return front.listed(query, _day)


def _day(front: "WeexExchange", spec: Spec) -> Json:
    now = front.server_time()
    bars = front.core.klines(spec.native, 60, None, None, 24)
    last, opened = front.core.last(spec.native), bars[0][1]
    volume = sum((bar[5] for bar in bars), Decimal(0))
    return {
        "symbol": spec.native,
        "priceChange": plain(last - opened),
        "priceChangePercent": f"{(last - opened) / opened:.6f}",
        "lastPrice": ticked(last, spec),
        "openPrice": ticked(opened, spec),
        "highPrice": ticked(max(bar[2] for bar in bars), spec),
        "lowPrice": ticked(min(bar[3] for bar in bars), spec),
        "volume": plain(volume),
        "quoteVolume": rows.money(volume * last),
        "openTime": bars[0][0],
        "closeTime": now,
        "markPrice": plain(front.core.mark(spec.native)),
        "indexPrice": plain(front.core.mark(spec.native)),
    }


def symbol_price(front: "WeexExchange", query: Json) -> Any:
    """The last price; `priceType` says the mark's."""
    spec = front.spec(query)
    mark = query.get("priceType") == "MARK"
    price = front.core.mark(spec.native) if mark else front.core.last(spec.native)
    return {"symbol": spec.native, "price": ticked(price, spec), "time": front.server_time()}


def trades(front: "WeexExchange", query: Json) -> Any:
    """Newest first."""
    spec = front.spec(query)
    limit = whole_number(query, "limit", 100, 1, 1000)
    seen = reversed(front.trades[spec.native])
    return [front_trade(spec, *each) for each in itertools.islice(seen, limit)]


def front_trade(spec: Spec, number: int, at: int, price: Decimal, quantity: Decimal, buy: bool) -> Json:
    return {
        "id": trade_id(number),
        "price": ticked(price, spec),
        "qty": plain(quantity),
        "quoteQty": plain(price * quantity),
        "time": at,
        "isBuyerMaker": not buy,
        "isBestMatch": True,
    }


def trade_id(number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, str(number)))


def klines(front: "WeexExchange", query: Json) -> Any:
    """The last ones only: a start is not read."""
    spec, minutes = front.spec(query), _minutes(query)
    limit = whole_number(query, "limit", 100, 1, 1000)
    return _candles(front, spec, minutes, None, None, limit)


def history_klines(front: "WeexExchange", query: Json) -> Any:
    spec, minutes = front.spec(query), _minutes(query)
    start, end = span(query)
    limit = whole_number(query, "limit", 100, 1, 100)
    return _candles(front, spec, minutes, start, end, limit)


def _candles(
    front: "WeexExchange", spec: Spec, minutes: int, start: int | None, end: int | None, limit: int
) -> list[Any]:
    bars = front.core.klines(spec.native, minutes, start, end, limit)
    found = [rows.candle(bar, minutes, spec) for bar in bars]
    return found[::-1] if front.newest_first else found


def _minutes(query: Json) -> int:
    minutes = MINUTES.get(str(query.get("interval", "")))
    if minutes is None:
        raise Refusal(-1142, "Parameter 'interval' is invalid.")
    return minutes


def span(query: Json) -> tuple[int | None, int | None]:
    start, end = (int(query[key]) if query.get(key) else None for key in ("startTime", "endTime"))
    if start is not None and end is not None and start > end:
        raise Refusal(-1171, "startTime cannot be greater than endTime.")
    return start, end


def premium_index(front: "WeexExchange", query: Json) -> Any:
    return front.listed(query, _premium)


def _premium(front: "WeexExchange", spec: Spec) -> Json:
    now, every = front.server_time(), spec.funding_hours * HOUR
    mark, rate = front.core.mark(spec.native), front.rates[spec.native]
    return {
        "symbol": spec.native,
        "markPrice": plain(mark),
        "indexPrice": plain(mark),
        "forecastFundingRate": f"{rate:.8f}",
        "lastFundingRate": f"{front.last_rates[spec.native]:.8f}",
        "interestRate": "0.001",
        "nextFundingTime": (now // every + 1) * every,
        "time": now,
        "collectCycle": spec.funding_hours * 60,
    }


def funding_rate(front: "WeexExchange", query: Json) -> Any:
    """Settled rates, newest first."""
    spec = front.spec(query)
    start, end = span(query)
    limit = whole_number(query, "limit", 100, 1, 1000)
    every = spec.funding_hours * HOUR
    last = min(end or front.server_time(), front.server_time()) // every * every
    times = [at for at in (last - every * step for step in range(limit)) if start is None or at >= start]
    rate = f"{front.last_rates[spec.native]:.8f}"
    mark = plain(front.core.mark(spec.native))
    return [{"symbol": spec.native, "fundingRate": rate, "fundingTime": at, "markPrice": mark} for at in times]


def open_interest(front: "WeexExchange", query: Json) -> Any:
    return {"symbol": front.spec(query).native, "openInterest": "128345.67", "time": front.server_time()}


CALLS: dict[tuple[str, str], tuple[int, Call]] = {
    ("GET", "time"): (1, time),
    ("GET", "exchangeInfo"): (1, exchange_info),
    ("GET", "apiTradingSymbols"): (5, api_trading_symbols),
    ("GET", "depth"): (1, depth),
    ("GET", "ticker/bookTicker"): (1, book_ticker),
    ("GET", "ticker/24hr"): (40, ticker),
    ("GET", "symbolPrice"): (1, symbol_price),
    ("GET", "trades"): (5, trades),
    ("GET", "klines"): (1, klines),
    ("GET", "markPriceKlines"): (1, klines),
    ("GET", "historyKlines"): (5, history_klines),
    ("GET", "premiumIndex"): (1, premium_index),
    ("GET", "fundingRate"): (5, funding_rate),
    ("GET", "openInterest"): (2, open_interest),
}
