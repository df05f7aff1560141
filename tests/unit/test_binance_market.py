"""What Binance USD-M tells everybody, as its profile reads it."""

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from tests.binance_answers import (
    ANSWERS,
    AT,
    BTC,
    KLINE,
    MS,
    F,
    market_row,
    profile,
)
from tests.recorded import Request
from trading.model import (
    Quote,
    Symbol,
)
from trading.venues.exchange.parsing import Garbled


async def test_time_and_instruments_without_a_key_are_the_published_ones() -> None:
    rows = [market_row("BTC"), market_row("ETH"), market_row("SOL"), market_row("BTC", contractType="CURRENT_QUARTER")]
    it, requests = profile(
        ANSWERS
        | {
            f"GET {F}/exchangeInfo": {"symbols": rows},
            f"GET {F}/fundingInfo": [{"symbol": "ETHUSDT", "fundingIntervalHours": 4}],
        },
        key=False,
    )
    assert await it.server_time() == AT
    found = await it.listings(["BTC", "ETH", "XYZ"], "USDT")
    assert list(found) == [BTC, "ETH/USDT:USDT"]
    btc = found[BTC].instrument
    assert (btc.tick, btc.step, btc.min_quantity, btc.max_quantity) == (D("0.10"), D("0.001"), D("0.001"), D(1000))
    assert (btc.min_notional, btc.max_leverage, btc.maintenance) == (D(100), 20, D("0.025"))
    assert (btc.maker_fee, btc.taker_fee) == (D("0.0002"), D("0.0005"))
    assert (btc.funding_every, found[Symbol("ETH/USDT:USDT")].instrument.funding_every) == (
        timedelta(hours=8),
        timedelta(hours=4),
    )
    assert (found[BTC].max_market, found[BTC].native, found[BTC].tradable) == (D(120), "BTCUSDT", True)
    assert [each.path for each in requests] == [f"{F}/time", f"{F}/exchangeInfo", f"{F}/fundingInfo"]


async def test_with_a_key_leverage_and_fees_are_the_accounts_own() -> None:
    brackets = [
        {"bracket": 1, "initialLeverage": 125, "maintMarginRatio": 0.004},
        {"bracket": 2, "initialLeverage": 100},
    ]
    it, requests = profile(
        ANSWERS
        | {
            f"GET {F}/exchangeInfo": {"symbols": [market_row("BTC"), market_row("ETH")]},
            f"GET {F}/leverageBracket": [{"symbol": f"{base}USDT", "brackets": brackets} for base in ("BTC", "ETH")],
            f"GET {F}/commissionRate": {"makerCommissionRate": "0.0001", "takerCommissionRate": "0.0004"},
        }
    )
    found = (await it.listings(["BTC"], "USDT"))[BTC].instrument
    assert (found.max_leverage, found.maintenance) == (125, D("0.004"))
    assert (found.maker_fee, found.taker_fee) == (D("0.0001"), D("0.0004"))
    fees = [each for each in requests if each.path == f"{F}/commissionRate"]
    assert [(each.meant, each.cost) for each in fees] == [({"symbol": "BTCUSDT"}, 20)]


async def test_an_instrument_that_is_not_trading_is_listed_with_the_reason() -> None:
    it, _ = profile(ANSWERS | {f"GET {F}/exchangeInfo": {"symbols": [market_row(status="SETTLING")]}}, key=False)
    found = (await it.listings(["BTC"], "USDT"))[BTC]
    assert (found.tradable, found.why) == (False, "the exchange says SETTLING")


async def test_a_market_orders_coarser_step_and_larger_minimum_rule_for_all_orders() -> None:
    row = market_row()
    row["filters"][2] |= {"stepSize": "0.01", "minQty": "0.05"}
    it, _ = profile(ANSWERS | {f"GET {F}/exchangeInfo": {"symbols": [row]}}, key=False)
    found = (await it.listings(["BTC"], "USDT"))[BTC].instrument
    assert (found.step, found.min_quantity) == (D("0.01"), D("0.05"))


@pytest.mark.parametrize("gone", ["PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE", "MIN_NOTIONAL"])
async def test_a_missing_filter_is_no_default(gone: str) -> None:
    row = market_row()
    row["filters"] = [each for each in row["filters"] if each["filterType"] != gone]
    it, _ = profile(ANSWERS | {f"GET {F}/exchangeInfo": {"symbols": [row]}}, key=False)
    with pytest.raises(Garbled, match=gone):
        await it.listings(["BTC"], "USDT")


def bars(request: Request) -> list[list[Any]]:
    """A minute's bar from 100 hours before AT until AT, as the exchange pages them."""
    minutes, size = 60_000, int(request.params["limit"])
    opened = range(MS - 6000 * minutes, MS + 1, minutes)
    start = int(request.params.get("startTime", 0))
    end = int(request.params.get("endTime", 2**62))
    found = [each for each in opened if start <= each <= end]
    found = found[:size] if "startTime" in request.params else found[-size:]
    return [[each, *KLINE[1:]] for each in found]


@pytest.mark.parametrize(("limit", "pages"), [(2, 1), (1500, 1), (1501, 2), (3100, 3), (9000, 5)])
async def test_candles_come_in_as_few_pages_as_it_takes(limit: int, pages: int) -> None:
    it, requests = profile({f"GET {F}/klines": bars}, key=False)
    last = await it.candles(BTC, timedelta(minutes=1), start=None, limit=limit)
    assert len(requests) == pages
    assert len(last.opened) == min(limit, 6001)
    assert last.opened[-1] == MS
    first = await it.candles(BTC, timedelta(minutes=1), start=AT - timedelta(minutes=5500), limit=limit)
    assert len(first.opened) == min(limit, 5501)
    assert first.opened[0] == MS - 5500 * 60_000
    assert {later - earlier for earlier, later in zip(first.opened, first.opened[1:], strict=False)} <= {60_000}
    assert first.rows[0] == (D(1), D(3), D("0.5"), D(2), D(10))
    assert (first.taker_buy or ())[0] == D(6)
    assert (first.trades or ())[0] == 7


@pytest.mark.parametrize(
    ("limit", "weight"), [(99, 1), (100, 2), (499, 2), (500, 5), (1000, 5), (1001, 10), (1500, 10)]
)
async def test_candles_cost_by_how_many_are_asked_for(limit: int, weight: int) -> None:
    it, requests = profile({f"GET {F}/klines": bars}, key=False)
    await it.candles(BTC, timedelta(minutes=1), start=None, limit=limit)
    assert requests[0].cost == weight


async def test_bars_out_of_order_or_of_another_shape_are_garbled() -> None:
    for answer in ([KLINE, KLINE], [KLINE[:5]], [{"t": 1}], {"code": 0}):
        it, _ = profile({f"GET {F}/klines": answer}, key=False)
        with pytest.raises(Garbled):
            await it.candles(BTC, timedelta(minutes=5), start=None, limit=5)


async def test_a_quote_is_the_touch_and_the_mark() -> None:
    it, requests = profile(ANSWERS, key=False)
    assert await it.quote(BTC) == Quote(symbol=BTC, at=AT, bid=D(69000), ask=D(69001), mark=D("69000.5"))
    assert [each.path for each in requests] == [f"{F}/ticker/bookTicker", f"{F}/premiumIndex"]


async def test_a_crossed_touch_is_garbled() -> None:
    touch = {"bidPrice": "2", "askPrice": "1", "time": MS}
    it, _ = profile(ANSWERS | {f"GET {F}/ticker/bookTicker": touch}, key=False)
    with pytest.raises(Garbled):
        await it.quote(BTC)


@pytest.mark.parametrize(
    ("depth", "asked", "weight"), [(1, 5, 2), (20, 20, 2), (21, 50, 2), (60, 100, 5), (2000, 1000, 20)]
)
async def test_a_book_has_at_least_as_many_levels_as_were_asked_for(depth: int, asked: int, weight: int) -> None:
    it, requests = profile(ANSWERS, key=False)
    book = await it.book(BTC, depth)
    assert (requests[0].params["limit"], requests[0].cost) == (str(asked), weight)
    assert (book.bids, book.asks) == (((D(1), D(2)),), ((D(3), D(4)),))


async def test_funding_of_now_and_of_the_past_over_all_pages() -> None:
    hour = 3_600_000
    settled = [{"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingTime": MS + each * hour} for each in range(1500)]

    def page(request: Request) -> list[Any]:
        return [each for each in settled if each["fundingTime"] >= int(request.params["startTime"])][:1000]

    it, requests = profile(
        ANSWERS
        | {f"GET {F}/fundingRate": page, f"GET {F}/fundingInfo": [{"symbol": "BTCUSDT", "fundingIntervalHours": 4}]},
        key=False,
    )
    now = await it.funding_now(BTC)
    assert (now.rate, now.next_at, now.every) == (D("0.0001"), AT + timedelta(hours=1), timedelta(hours=4))
    past = await it.funding_rates(BTC, AT)
    assert (len(past), past[0], past[-1][0]) == (1500, (AT, D("0.0001")), AT + timedelta(hours=1499))
    assert len(requests) == 4
