"""The WEEX profile through the real client against the emulated exchange: signed, over TLS, in both readings of what
its documents leave open."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from tests.weex_bench import BTC, CLOSING, ENTRY, GUARD, STOP, a_bench, entry
from trading.errors import OrderRejected, RateLimited
from trading.model import Direction, Leg, OrderKind, OrderStatus, Side, Symbol
from trading.venues.exchange.weex import WeexProfile
from trading.venues.exchange.wire import Code, Grade

MINUTE = timedelta(minutes=1)
Act = Callable[[WeexProfile], Any]
READINGS: dict[str, dict[str, Any]] = {
    "as documented": {},
    "the other way": {
        "soft_rejects": False,
        "gone_as_text": False,
        "order_in_list": True,
        "tpsl_in_list": False,
        "singles": True,
        "newest_first": True,
        "partial_status": "PARTIAL_FILL",
    },
}


@pytest.mark.parametrize("reading", READINGS)
async def test_a_position_is_opened_guarded_moved_and_closed(reading: str) -> None:
    async with a_bench(**READINGS[reading]) as bench:
        profile, began = bench.profile, await bench.profile.server_time()
        await bench.isolate()
        guard = replace(GUARD, stop=bench.near("0.95"), target=bench.near("1.10"))
        await profile.place(entry(quantity=D("0.02"), leverage=5), guard)
        [held] = await profile.positions()
        assert (held.symbol, held.direction, held.quantity, held.leverage) == (BTC, Direction.LONG, D("0.02"), 5)
        stop, target = sorted(await profile.working(BTC), key=lambda seen: seen.trigger or D(0))
        assert (stop.kind, stop.trigger, stop.client_id, stop.closes) == (
            OrderKind.STOP,
            guard.stop,
            "",
            held.direction,
        )
        assert (target.kind, target.trigger) == (OrderKind.TAKE_PROFIT, guard.target)
        assert {order.working for order in bench.core.working("BTCUSDT")} == {"MARK"}
        await profile.move(BTC, Direction.LONG, Leg.STOP, stop, bench.near("0.97"))
        moved = {seen.id: seen.trigger for seen in await profile.working(BTC)}
        assert moved == {stop.id: bench.near("0.97"), target.id: guard.target}
        close = entry(**{**CLOSING, "quantity": D("0.02")})
        await profile.place(close, None)
        assert await profile.positions() == ()
        for left in await profile.working(BTC):
            await profile.cancel(left)
        assert await profile.working() == ()
        with pytest.raises(OrderRejected) as refused:
            await profile.cancel(stop)
        assert refused.value.code == Code.GONE
        opened, closed = await profile.executions(began - timedelta(seconds=1), None)
        assert (opened.side, closed.side) == (Side.BUY, Side.SELL)
        first = await profile.find_by_id(BTC, opened.order)
        assert first is not None
        assert (first.client_id, first.status, first.filled) == (ENTRY, OrderStatus.FILLED, D("0.02"))
        assert bench.front.violations == []


async def test_a_guard_of_ours_is_found_by_its_id_and_says_what_it_became() -> None:
    async with a_bench() as bench:
        await bench.isolate()
        await bench.profile.place(entry(quantity=D("0.02")), None)
        await bench.profile.guard(BTC, Direction.LONG, D("0.02"), Leg.STOP, bench.near("0.99"), STOP)
        seen = await bench.profile.find(BTC, STOP, conditional=True)
        assert seen is not None
        assert seen.status is OrderStatus.OPEN
        bench.core.move("BTCUSDT", bench.near("0.98"))
        fired = await bench.profile.find(BTC, STOP, conditional=True)
        assert fired is not None
        became = await bench.profile.find_by_id(BTC, fired.fired)
        assert became is not None
        assert (became.status, became.side) == (OrderStatus.FILLED, Side.SELL)
        assert await bench.profile.positions() == ()


async def test_what_was_sent_is_found_by_our_id_and_what_was_not_is_none() -> None:
    async with a_bench() as bench:
        await bench.isolate()
        await bench.profile.place(entry(quantity=D("0.02")), None)
        found = await bench.profile.find(BTC, ENTRY, conditional=False)
        assert found is not None
        assert (found.filled, found.status) == (D("0.02"), OrderStatus.FILLED)
        assert await bench.profile.find(BTC, STOP, conditional=False) is None
        assert await bench.profile.find(BTC, STOP, conditional=True) is None


REFUSED: dict[str, tuple[Act, Code]] = {
    "off its step": (lambda p: p.place(entry(quantity=D("0.00015")), None), Code.STEP),
    "more than a market order may be": (lambda p: p.place(entry(quantity=D(2000)), None), Code.SIZE),
    "more than there is": (lambda p: p.place(entry(quantity=D(90)), None), Code.MARGIN),
    "a close of nothing": (lambda p: p.place(entry(**CLOSING), None), Code.REDUCE_ONLY),
    "a leverage that is not": (lambda p: p.set_leverage(BTC, 1000), Code.LEVERAGE),
    "an instrument that is not": (lambda p: p.set_leverage(Symbol("XYZ/USDT:USDT"), 5), Code.SYMBOL),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_a_refusal_of_the_exchange_has_our_word_for_it(what: str) -> None:
    act, code = REFUSED[what]
    async with a_bench() as bench:
        await bench.isolate()
        with pytest.raises(OrderRejected) as refused:
            await act(bench.profile)
        assert refused.value.code == code, refused.value.reason


async def test_throttled_is_a_pause_of_ten_seconds() -> None:
    async with a_bench() as bench:
        bench.front.faults.add("429", match="/capi/v3/order", method="POST")
        with pytest.raises(RateLimited) as limited:
            await bench.profile.place(entry(), None)
        assert limited.value.retry_after == 10


async def test_an_address_that_is_not_on_the_list_is_said_in_the_examination() -> None:
    async with a_bench() as bench:
        trading, withdrawals = await bench.profile.examine_key()
        assert (trading.grade, withdrawals.grade) == (Grade.OK, Grade.WARNING)
        assert "does not tell" in withdrawals.detail
        bench.front.permissions["trade"] = False
        assert (await bench.profile.examine_key())[0].grade is Grade.ERROR
        bench.front.ip_ok, bench.front.ip_as_code = False, True
        [unreadable] = await bench.profile.examine_key()
        assert unreadable.grade is Grade.ERROR
        assert "addresses" in unreadable.mend


async def test_the_market_of_the_emulated_exchange_is_read_without_a_key() -> None:
    async with a_bench() as bench:
        profile = bench.profile
        quote = await profile.quote(BTC)
        assert quote.bid < quote.ask
        book = await profile.book(BTC, 50)
        assert len(book.bids) >= 50
        assert (book.bids[0][0], book.asks[0][0]) == (quote.bid, quote.ask)
        bars = await profile.candles(BTC, 5 * MINUTE, start=quote.at - timedelta(days=5), limit=1300)
        assert len(bars.opened) == 1300
        assert all(b - a == 300_000 for a, b in zip(bars.opened, bars.opened[1:], strict=False))
        assert bars.taker_buy is not None
        funding = await profile.funding_now(BTC)
        assert quote.at < funding.next_at <= quote.at + funding.every
        rates = await profile.funding_rates(BTC, quote.at - timedelta(days=2))
        assert [at for at, _ in rates] == sorted(at for at, _ in rates)
        paths = {call.path for call in bench.front.requests}
        assert not any("24hr" in path for path in paths)


async def test_funding_that_was_settled_is_read_back() -> None:
    async with a_bench() as bench:
        began = await bench.profile.server_time()
        await bench.isolate()
        await bench.profile.place(entry(quantity=D("0.02")), None)
        bench.core.fund("BTCUSDT", D("0.0001"))
        [paid] = await bench.profile.payments(began - timedelta(seconds=1))
        assert paid.symbol == BTC
        assert paid.amount < 0
