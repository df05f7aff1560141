"""What Binance USD-M says of an account, as its profile reads it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from tests.binance_answers import (
    ANSWERS,
    AT,
    BTC,
    ID,
    MS,
    STOP_ID,
    F,
    algo_row,
    held_row,
    plain_row,
    profile,
)
from tests.recorded import Request
from trading.errors import Misuse, OrderRejected
from trading.market.series import to_ms
from trading.model import (
    Direction,
    OrderKind,
    OrderStatus,
    Side,
    Symbol,
)
from trading.venues.exchange import binance_rows
from trading.venues.exchange.parsing import Garbled, Row
from trading.venues.exchange.wire import Code, Margin


async def test_without_a_key_the_account_is_refused_in_words() -> None:
    it, requests = profile(ANSWERS, key=False)
    with pytest.raises(Misuse, match="key"):
        await it.positions()
    assert not requests


async def test_a_balance_without_the_quote_asset_is_not_an_empty_purse() -> None:
    for answer in ([], [{"asset": "BNB", "balance": "1", "availableBalance": "1"}], {"code": 0}):
        it, _ = profile({"GET /fapi/v3/balance": answer})
        with pytest.raises(Garbled):
            await it.purse()


async def test_positions_are_what_is_open_foreign_ones_too() -> None:
    rows = [held_row(), held_row("0"), held_row("-5", symbol="1000PEPEUSDC", liquidationPrice="3.5")]
    it, _ = profile({"GET /fapi/v3/positionRisk": rows})
    long, short = await it.positions()
    assert (long.symbol, long.direction, long.quantity, long.entry) == (BTC, Direction.LONG, D("0.012"), D("69000.1"))
    assert (long.liquidation, long.leverage) == (None, None)
    assert (short.symbol, short.direction, short.quantity) == ("1000PEPE/USDC:USDC", Direction.SHORT, D(5))
    assert short.liquidation == D("3.5")


def test_names_go_both_ways() -> None:
    for symbol, native in {
        BTC: "BTCUSDT",
        "BTC/USDT:USDT-261225": "BTCUSDT_261225",
        "ETH/USDC:USDC": "ETHUSDC",
        "SOMETHING": "SOMETHING",
    }.items():
        assert binance_rows.native_of(Symbol(symbol)) == native
        assert binance_rows.symbol_of(native) == symbol


async def test_an_order_that_the_exchange_does_not_know_is_none() -> None:
    gone = OrderRejected("Order does not exist.", code=Code.GONE)
    it, _ = profile({f"GET {F}/order": gone, f"GET {F}/algoOrder": gone})
    assert await it.find(BTC, ID, conditional=False) is None
    assert await it.find(BTC, STOP_ID, conditional=True) is None
    assert await it.find_by_id(BTC, "7371") is None


async def test_any_other_no_to_a_look_up_is_not_absence() -> None:
    no = OrderRejected("Invalid API-key", code=Code.AUTH)
    it, _ = profile({f"GET {F}/order": no})
    with pytest.raises(OrderRejected):
        await it.find(BTC, ID, conditional=False)


async def test_an_answer_about_another_order_is_garbled() -> None:
    it, _ = profile(
        {f"GET {F}/order": plain_row(clientOrderId="another"), f"GET {F}/algoOrder": algo_row(clientAlgoId="x")}
    )
    with pytest.raises(Garbled):
        await it.find(BTC, ID, conditional=False)
    with pytest.raises(Garbled):
        await it.find(BTC, STOP_ID, conditional=True)


async def test_a_standing_guard_is_seen_for_what_it_is() -> None:
    it, _ = profile({f"GET {F}/openAlgoOrders": [algo_row()], f"GET {F}/openOrders": []})
    [seen] = await it.working()
    assert (seen.id, seen.client_id, seen.kind, seen.trigger) == ("2146760", STOP_ID, OrderKind.STOP, D("60000.1"))
    assert (seen.quantity, seen.conditional, seen.reduce_only, seen.closes) == (D(0), True, True, Direction.LONG)
    assert (seen.status, seen.at, seen.fired) == (OrderStatus.OPEN, AT, "")


@pytest.mark.parametrize("status", ["TRIGGERED", "FINISHED"])
async def test_a_guard_that_fired_is_followed_to_the_order_it_became(status: str) -> None:
    became = plain_row(orderId=99, side="SELL", reduceOnly=True, clientOrderId="something-of-theirs")
    it, requests = profile(
        {f"GET {F}/algoOrder": algo_row(algoStatus=status, actualOrderId="99"), f"GET {F}/order": became}
    )
    seen = await it.find(BTC, STOP_ID, conditional=True)
    assert seen is not None
    assert (seen.fired, seen.status, seen.filled, seen.quantity) == ("99", OrderStatus.FILLED, D("0.012"), D("0.012"))
    assert (seen.client_id, seen.conditional) == (STOP_ID, True)
    assert requests[1].meant == {"symbol": "BTCUSDT", "orderId": "99"}


async def test_a_guard_that_has_ended_without_a_trace_is_garbled_and_not_filled() -> None:
    gone = OrderRejected("Order does not exist.", code=Code.GONE)
    it, _ = profile({f"GET {F}/algoOrder": algo_row(algoStatus="FINISHED", actualOrderId="99"), f"GET {F}/order": gone})
    with pytest.raises(Garbled):
        await it.find(BTC, STOP_ID, conditional=True)


def test_a_status_that_is_not_documented_is_garbled() -> None:
    for read, row in ((binance_rows.plain, plain_row(status="ODD")), (binance_rows.algo, algo_row(algoStatus="ODD"))):
        with pytest.raises(Garbled, match="ODD"):
            read(Row(row, "an order"))


def trade(id: int, at: datetime, **changes: Any) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "id": id,
        "orderId": 7371,
        "side": "SELL",
        "price": "69000.1",
        "qty": "0.01",
        "realizedPnl": "27.384",
        "commission": "0.18905360",
        "commissionAsset": "USDT",
        "time": to_ms(at),
        "maker": False,
        "positionSide": "BOTH",
    } | changes


def windowed(everything: list[dict[str, Any]], size: int) -> Any:
    """As the exchange answers: within startTime and endTime, at most seven days, the oldest `size`."""

    def page(request: Request) -> list[Any]:
        start, end = int(request.params["startTime"]), int(request.params["endTime"])
        assert end - start <= 7 * 86_400_000
        return [each for each in everything if start <= each["time"] <= end][:size]

    return page


async def test_fills_are_read_through_all_windows_and_pages() -> None:
    since = AT - timedelta(days=20)
    # Twelve hundred within an hour, three at a time in the same millisecond, and one in each of the last weeks.
    crowd = [trade(n, since + timedelta(seconds=n // 3)) for n in range(1200)]
    later = [trade(2000 + n, since + timedelta(days=9 * n)) for n in (1, 2)]
    it, requests = profile({f"GET {F}/time": {"serverTime": MS}, f"GET {F}/userTrades": windowed(crowd + later, 1000)})
    found = await it.executions(since, BTC)
    assert [each.trade for each in found] == [str(each["id"]) for each in crowd + later]
    one = found[0]
    assert (one.order, one.client_id, one.side, one.quantity) == ("7371", "", Side.SELL, D("0.01"))
    assert (one.fee, one.fee_asset, one.realised, one.maker) == (D("0.18905360"), "", D("27.384"), False)
    assert {each.params["limit"] for each in requests[1:]} == {"1000"}


async def test_fills_of_the_last_week_are_one_request() -> None:
    it, requests = profile({f"GET {F}/time": {"serverTime": MS}, f"GET {F}/userTrades": []})
    assert await it.executions(AT - timedelta(days=1), BTC) == ()
    assert len(requests) == 2


async def test_fills_from_the_beginning_of_time_are_asked_for_as_far_back_as_the_exchange_looks() -> None:
    it, requests = profile({f"GET {F}/time": {"serverTime": MS}, f"GET {F}/userTrades": []})
    await it.executions(datetime(1970, 1, 1, tzinfo=UTC), BTC)
    assert 25 < len(requests) < 30


async def test_fills_of_all_instruments_at_once_are_not_to_be_had() -> None:
    it, _ = profile({})
    assert not it.sees_all_fills
    with pytest.raises(ValueError, match="one instrument"):
        await it.executions(AT, None)


async def test_a_fee_in_another_asset_is_not_the_wallets() -> None:
    it, _ = profile(
        {
            f"GET {F}/time": {"serverTime": MS},
            f"GET {F}/userTrades": [trade(1, AT, commission="0.001", commissionAsset="BNB")],
        }
    )
    [one] = await it.executions(AT, BTC)
    assert (one.fee, one.fee_asset) == (D(0), "BNB")


async def test_funding_that_was_paid_is_read_as_income() -> None:
    row = {
        "symbol": "BTCUSDT",
        "incomeType": "FUNDING_FEE",
        "income": "-0.134317",
        "asset": "USDT",
        "time": MS,
        "tranId": 9689322392,
        "tradeId": "",
    }
    it, requests = profile({f"GET {F}/time": {"serverTime": MS}, f"GET {F}/income": [row]})
    [one] = await it.payments(AT)
    assert (one.symbol, one.id, one.at, one.amount, one.rate) == (BTC, "9689322392", AT, D("-0.134317"), None)
    assert (requests[1].meant["incomeType"], requests[1].cost) == ("FUNDING_FEE", 30)


async def test_terms_are_read_back() -> None:
    config = [{"symbol": "BTCUSDT", "marginType": "CROSSED", "isAutoAddMargin": "false", "leverage": 21}]
    it, _ = profile({f"GET {F}/symbolConfig": config, f"GET {F}/accountConfig": {"dualSidePosition": True}})
    terms = await it.terms(BTC)
    assert (terms.leverage, terms.margin, terms.one_way) == (21, Margin.CROSS, False)


@pytest.mark.parametrize("answer", [[], [{"symbol": "ETHUSDT", "marginType": "CROSSED", "leverage": 5}], {"code": 1}])
async def test_terms_of_another_instrument_are_none(answer: Any) -> None:
    it, _ = profile({f"GET {F}/symbolConfig": answer})
    with pytest.raises(Garbled):
        await it.terms(BTC)
