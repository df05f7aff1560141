"""Answers as ccxt's source shows them, read by Binance USD-M's profile."""

from decimal import Decimal as D

from tests.binance_answers import (
    AT,
    BTC,
    F,
    profile,
)
from tests.recorded import sample
from trading.market.series import from_ms
from trading.model import (
    OrderStatus,
)
from trading.venues.exchange import binance_rows
from trading.venues.exchange.parsing import Row


def test_the_order_samples_of_this_market_are_read() -> None:
    of_ours = [
        each
        for each in sample("binance", "parse_order")
        if isinstance(each, dict)
        and str(each.get("symbol", "")).endswith("USDT")
        and "cumQuote" in each
        and "reduceOnly" in each
    ]
    assert len(of_ours) >= 3
    seen = [binance_rows.plain(Row(each, "sample")) for each in of_ours]
    assert {each.status for each in seen} == {OrderStatus.OPEN}
    assert {each.symbol for each in seen} == {BTC}


def test_the_conditional_order_sample_is_read() -> None:
    [one] = [each for each in sample("binance", "parse_order") if isinstance(each, dict) and "algoId" in each][:1]
    seen = binance_rows.algo(Row(one, "sample"))
    assert (seen.id, seen.trigger, seen.quantity, seen.closes) == ("3358", D("100000.00"), D("0.002"), None)


def test_the_fill_and_income_samples_are_read() -> None:
    fills = [
        row
        for each in sample("binance", "fetch_my_trades")
        if isinstance(each, list)
        for row in each
        if row.get("marginAsset") == "USDT"
    ]
    assert [binance_rows.execution(Row(each, "sample")).realised for each in fills] == [D("27.38400000")]
    incomes = [each for each in sample("binance", "parse_income") if each.get("incomeType") == "FUNDING_FEE"]
    assert binance_rows.payment(Row(incomes[0], "sample")).amount == D("0.00134317")


async def test_the_market_samples_are_read() -> None:
    [premium] = [each for each in sample("binance", "fetch_funding_rate") if isinstance(each, dict)]
    [rate] = [each for each in sample("binance", "fetch_funding_rate_history") if isinstance(each, dict)]
    [intervals] = [each for each in sample("binance", "fetch_funding_intervals") if isinstance(each, list)]
    it, _ = profile(
        {f"GET {F}/premiumIndex": premium, f"GET {F}/fundingRate": [rate], f"GET {F}/fundingInfo": intervals}, key=False
    )
    now = await it.funding_now(BTC)
    assert (now.rate, now.next_at) == (D("0.00063521"), from_ms(1621267200000))
    assert await it.funding_rates(BTC, AT) == ((from_ms(1621267200000), D("0.00063521")),)


def test_the_stream_samples_are_read() -> None:
    it, _ = profile({})
    bad = [
        each
        for name in ("ws:handle_positions", "ws:handle_order_update", "ws:parse_ws_ticker", "ws:handle_bids_asks")
        for each in sample("binance", name)
        if isinstance(each, dict) and any(stir.what == "unreadable" for stir in it.private_news(each))
    ]
    assert bad == []
    marks = [each for each in sample("binance", "ws:parse_ws_ticker") if each.get("e") == "markPriceUpdate"]
    assert list(it.public_news(marks[0])) == []  # a mark alone
