"""The traps of venues.md 1.3 that are WEEX's, one test or more for each. First what ccxt does, then what we do."""

import asyncio
import importlib
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from tests.weex_bench import (
    ACCEPTED,
    BTC,
    CLOSING,
    DOGE,
    ENTRY,
    GUARD,
    STOP,
    Bench,
    a_bench,
    a_profile,
    algo_row,
    entry,
    order_row,
    static,
)
from trading.errors import UnknownOutcome
from trading.market.series import from_ms
from trading.model import Direction, Leg, OrderStatus, Protection, Side
from trading.venues.exchange.parsing import Garbled, Row
from trading.venues.exchange.weex import DIALECT

TREE = Path(__file__).resolve().parents[2] / "trading"


def guard_near(bench: Bench) -> Protection:
    return replace(GUARD, stop=bench.near("0.95"), target=bench.near("1.10"))


def plain_class() -> Any:
    return importlib.import_module("ccxt.pro.weex").weex


# --- trap 2: quantities are in base units, contractVal or not -------------------------------------


def test_trap_2_a_contract_is_one_coin_in_every_copy_that_ccxt_keeps_of_a_market() -> None:
    raw = static("market_and_ws", "BTC/USDT:USDT")
    assert plain_class()().parse_market(raw)["contractSize"] == 0.0001  # what is mended
    exchange = DIALECT.classes(plain_class())({"options": dict(DIALECT.options)})
    exchange.set_markets([exchange.parse_market(raw)])
    assert exchange.market(BTC)["contractSize"] == 1.0
    [by_id] = exchange.markets_by_id["BTCUSDT"]
    assert by_id["contractSize"] == 1.0
    assert set(exchange.markets) == {BTC}  # ours, and no others


async def test_trap_2_a_fill_costs_what_it_cost_on_the_stream_and_in_the_books() -> None:
    async with a_bench() as bench:
        await bench.isolate()
        watching = asyncio.create_task(bench.trade.exchange.watch_orders())
        async with asyncio.timeout(5):
            while not any("orders" in socket.channels for socket in bench.front.streams.sockets):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await bench.profile.place(entry(quantity=D("0.02")), None)
        async with asyncio.timeout(5):
            orders = await watching
        price = bench.core.mark("BTCUSDT")
        assert all(abs(D(str(each["average"])) / price - 1) < D("0.01") for each in orders if each["filled"])
        [held] = await bench.profile.positions()
        assert (held.quantity, abs(held.entry / price - 1) < D("0.01")) == (D("0.02"), True)


# --- trap 3: there is no net mode -----------------------------------------------------------------

SIDES = {
    "a long is opened": ({"side": Side.BUY}, ("BUY", "LONG")),
    "a short is opened": ({"side": Side.SELL}, ("SELL", "SHORT")),
    "a long is closed": ({**CLOSING, "side": Side.SELL}, ("SELL", "LONG")),
    "a short is closed": ({**CLOSING, "side": Side.BUY}, ("BUY", "SHORT")),
}


@pytest.mark.parametrize("what", SIDES)
async def test_trap_3_every_order_says_which_position_it_means(what: str) -> None:
    changes, expected = SIDES[what]
    profile, caller = a_profile({"/capi/v3/order": ACCEPTED})
    seen = await profile.place(entry(**changes), None)
    sent = caller.requests[0].params
    assert (sent["side"], sent["positionSide"]) == expected
    closes = Direction(expected[1].lower()) if changes.get("reduce_only") else None
    assert (seen.closes, seen.reduce_only) == (closes, closes is not None)


@pytest.mark.parametrize(("direction", "side"), [(Direction.LONG, "SELL"), (Direction.SHORT, "BUY")])
async def test_trap_3_a_guard_is_on_the_side_of_its_position(direction: Direction, side: str) -> None:
    profile, caller = a_profile({"/capi/v3/algoOrder": ACCEPTED})
    for leg in (Leg.STOP, Leg.TARGET):
        await profile.guard(BTC, direction, D(1), leg, D(60000), STOP)
    assert {(r.params["side"], r.params["positionSide"]) for r in caller.requests} == {(side, direction.name)}


async def test_trap_3_a_close_leaves_nothing_on_either_side() -> None:
    async with a_bench() as bench:
        await bench.isolate()
        await bench.profile.place(entry(quantity=D("0.02")), None)
        await bench.profile.place(entry(**{**CLOSING, "quantity": D("0.02")}), None)
        assert await bench.profile.positions() == ()


async def test_trap_3_separated_positions_are_not_what_the_desk_calls_one_way() -> None:
    for separated, one_way in (("COMBINED", True), ("SEPARATED", False)):
        config = {"symbol": "BTCUSDT", "marginType": "CROSSED", "separatedType": separated, "crossLeverage": "20.00"}
        profile, _ = a_profile({"/capi/v3/account/symbolConfig": [config]})
        terms = await profile.terms(BTC)
        assert (terms.one_way, terms.leverage) == (one_way, 20)


# --- trap 4: statuses -----------------------------------------------------------------------------

_S = OrderStatus
STATUSES: tuple[tuple[str, str, OrderStatus], ...] = (
    ("NEW", "0", _S.OPEN),
    ("PENDING", "0", _S.OPEN),
    ("NEW", "0.01", _S.PARTLY_FILLED),
    ("partial_fill", "0.01", _S.PARTLY_FILLED),
    ("PARTIALLY_FILLED", "0.01", _S.PARTLY_FILLED),
    ("PARTIALLY_FILLED", "0.02", _S.FILLED),
    ("CANCELING", "0", _S.OPEN),
    ("CANCELING", "0.01", _S.PARTLY_FILLED),
    ("FILLED", "0.02", _S.FILLED),
    ("full_fill", "0.02", _S.FILLED),
    ("CANCELED", "0", _S.CANCELLED),
    ("CANCELED", "0.01", _S.CANCELLED),
    ("EXPIRED", "0.01", _S.EXPIRED),
    ("REJECTED", "0", _S.REJECTED),
    ("UNTRIGGERED", "0", _S.OPEN),
)


@pytest.mark.parametrize(("shown", "filled", "status"), STATUSES)
async def test_trap_4_a_status_is_read_from_its_own_words_and_what_was_filled(
    shown: str, filled: str, status: OrderStatus
) -> None:
    profile, _ = a_profile({"/capi/v3/order": order_row(1, status=shown, executedQty=filled)})
    seen = await profile.find_by_id(BTC, "1")
    assert seen is not None
    assert (seen.status, seen.filled) == (status, D(filled))
    assert plain_class()().parse_order_status("partial_fill") == "closed"  # what ccxt would have said


async def test_trap_4_a_status_that_nobody_knows_is_no_status() -> None:
    profile, _ = a_profile({"/capi/v3/order": order_row(1, status="SOMETHING")})
    with pytest.raises(Garbled, match="SOMETHING"):
        await profile.find_by_id(BTC, "1")
    profile, _ = a_profile({"/capi/v3/openOrders": [], "/capi/v3/openAlgoOrders": [algo_row(1, algoStatus="ODD")]})
    with pytest.raises(Garbled, match="ODD"):
        await profile.working()


def test_trap_4_what_an_algo_becomes_is_told_only_once_it_has_fired() -> None:
    profile, _ = a_profile({})
    waiting, fired = (Row(algo_row(1, algoStatus=shown), "a row") for shown in ("UNTRIGGERED", "TRIGGERED"))
    assert profile._algo(waiting).fired == ""  # 55 is the entry that it rode on
    assert profile._algo(fired).fired == "55"
    assert (profile._algo(waiting).status, profile._algo(fired).status) == (OrderStatus.OPEN, OrderStatus.FILLED)


# --- trap 5: an answer without an id, parameters that ccxt changes --------------------------------


async def test_trap_5_an_empty_answer_to_an_order_is_an_unknown_outcome() -> None:
    async with a_bench() as bench:
        await bench.isolate()
        bench.front.faults.add("empty 200", match="/capi/v3/order", method="POST")
        with pytest.raises(UnknownOutcome):
            await bench.profile.place(entry(quantity=D("0.02")), guard_near(bench))
        [held] = await bench.profile.positions()  # and it was carried out
        assert held.quantity == D("0.02")
        found = await bench.profile.find(BTC, ENTRY, conditional=False)
        assert found is not None


async def test_trap_5_an_acknowledgement_is_not_a_fill() -> None:
    profile, _ = a_profile({"/capi/v3/order": ACCEPTED})
    seen = await profile.place(entry(), None)
    assert (seen.status, seen.filled, seen.id) == (OrderStatus.OPEN, D(0), "7371")


async def test_trap_5_what_is_sent_is_a_fresh_object_each_time() -> None:
    profile, caller = a_profile({"/capi/v3/algoOrder": ACCEPTED})
    for _ in range(2):
        await profile.guard(BTC, Direction.LONG, D("0.01"), Leg.STOP, D(60000), STOP)
    first, second = caller.requests
    assert first.params == second.params


# --- trap 6: prices without the dear ticker -------------------------------------------------------


async def test_trap_6_a_quote_costs_two_units_and_never_the_24_hour_ticker() -> None:
    async with a_bench() as bench:
        bench.front.requests.clear()
        await bench.profile.quote(BTC)
        paths = [call.path for call in bench.front.requests]
        assert paths == ["/capi/v3/market/ticker/bookTicker", "/capi/v3/market/premiumIndex"]


async def test_trap_6_reading_the_market_does_not_hold_up_an_order() -> None:
    async with a_bench() as bench:
        assert bench.data.limiter is not bench.trade.limiter
        assert not bench.data.exchange.enableRateLimit
        assert not bench.trade.exchange.enableRateLimit


# --- trap 9: a market order has its own largest size ----------------------------------------------


async def test_trap_9_the_largest_market_order_is_not_the_largest_order() -> None:
    raw = static("market_and_ws", "BTC/USDT:USDT")
    assert plain_class()().parse_market(raw)["limits"]["amount"]["max"] == 1200.0  # all that ccxt tells
    profile, _ = a_profile(
        {
            "/capi/v3/market/exchangeInfo": {"symbols": [raw]},
            "/capi/v3/market/apiTradingSymbols": ["BTCUSDT"],
            "/capi/v3/market/premiumIndex": [],
        }
    )
    listing = (await profile.listings(["BTC"], "USDT"))[BTC]
    assert (listing.max_market, listing.instrument.max_quantity) == (D(100), D(1200))


# --- trap 11: nobody checks the numbers of book messages ------------------------------------------


async def test_trap_11_a_lost_book_message_is_noticed_and_the_book_is_asked_for_again() -> None:
    async with a_bench() as bench:
        news: list[Any] = []
        bench.data.stream(lambda message: news.extend(bench.profile.public_news(message)))
        channel = bench.profile.public_channels([BTC])[0]
        mark = bench.profile.public_channels([BTC])[1]
        await asyncio.wait_for(mark.watch(), 5)
        await asyncio.wait_for(channel.watch(), 5)
        bench.core.move("BTCUSDT", bench.near("1.001"))
        await _settled(bench)
        assert news
        bench.front._counted["BTCUSDT"] += 5  # five messages that never came
        bench.core.move("BTCUSDT", bench.near("1.002"))
        await _settled(bench)
        assert bench.profile._books["BTCUSDT"].torn
        told = len(news)
        bench.core.move("BTCUSDT", bench.near("1.003"))
        await _settled(bench)
        assert len(news) == told  # no quote out of a torn book
        await asyncio.wait_for(channel.watch(), 5)
        await _settled(bench)
        assert not bench.profile._books["BTCUSDT"].torn
        assert news[-1].bid == (await bench.profile.quote(BTC)).bid


async def _settled(bench: Any) -> None:
    """Everything that was pushed has arrived."""
    for _ in range(20):
        await asyncio.sleep(0.005)
    assert all(socket.queue.empty() for socket in bench.front.streams.sockets)


# --- trap 12: when funding is settled, what fees are ----------------------------------------------


async def test_trap_12_the_next_settlement_is_not_the_present() -> None:
    row = static("response_subset", "fetchFundingRate")["httpResponse"]
    profile, _ = a_profile({"/capi/v3/market/premiumIndex": [{**row[0], "symbol": "BTCUSDT", "collectCycle": "240"}]})
    funding = await profile.funding_now(BTC)
    assert funding.next_at == from_ms(1775606400000)
    assert funding.next_at > from_ms(int(row[0]["time"]))
    assert funding.every == timedelta(hours=4)


async def test_trap_12_fees_are_fractions_and_those_of_the_row() -> None:
    assert plain_class()().fees["contract"]["taker"] == 0.08  # per cent, and read as a fraction by ccxt
    async with a_bench() as bench:
        listings = await bench.profile.listings(["BTC", "DOGE"], "USDT")
        assert {listing.instrument.taker_fee for listing in listings.values()} == {D("0.0008")}
        assert listings[DOGE].instrument.maker_fee < D("0.001")


# --- pitfall 9: the call that closes everything ---------------------------------------------------


def test_pitfall_9_nothing_here_can_close_all_positions_at_once() -> None:
    forbidden = re.compile(r"closePositions|close_all_positions", re.IGNORECASE)
    for path in TREE.rglob("*.py"):
        found = [line for line in path.read_text().splitlines() if forbidden.search(line)]
        assert not found, f"{path.name}: {found}"


async def test_pitfall_9_no_call_of_the_profile_sends_an_empty_body() -> None:
    async with a_bench() as bench:
        await bench.isolate()
        await bench.profile.place(entry(quantity=D("0.02")), guard_near(bench))
        for seen in await bench.profile.working(BTC):
            await bench.profile.cancel(seen)
        await bench.profile.place(entry(**{**CLOSING, "quantity": D("0.02")}), None)
        writes = [call for call in bench.front.requests if call.method in ("POST", "DELETE")]
        assert writes
        assert all(len(call.body) > 2 or "orderId=" in call.target for call in writes)
        assert bench.front.violations == []
