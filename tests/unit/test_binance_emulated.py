"""Binance USD-M's profile over the real client against the emulated exchange: TLS, signatures, limits, rules."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from tests.binance_answers import BTC, STOP_ID, order
from tests.fakes.binance_exchange import BinanceExchange
from tests.fakes.exchange_core import Core
from tests.fakes.exchange_tls import Loop
from trading.clock import SystemClock
from trading.errors import OrderRejected, Transient, UnknownOutcome
from trading.market.series import to_ms
from trading.model import ClientId, Direction, Leg, OrderKind, OrderStatus, Quote, Side, Symbol
from trading.venues.exchange.binance import DIALECT, BinanceProfile
from trading.venues.exchange.client import Client, open_clients
from trading.venues.exchange.hosts import Loopback
from trading.venues.exchange.ids import following
from trading.venues.exchange.wire import Channel, Code, Grade, Lane, Margin, News, Seen, Stir, Traded

BASES = ["BTC", "ETH", "SOL", "DOGE", "XRP", "ADA", "BNB", "LTC"]
TARGET_ID = "gv-aaaaaaaaaaaaaaaaaaaaaaaa-t0"
SECONDS = 10  # nothing takes that long unless something is broken


def wall() -> int:
    return to_ms(datetime.now(UTC))


@dataclass(kw_only=True)
class Desk:
    core: Core
    front: BinanceExchange
    data: Client
    trade: Client
    it: BinanceProfile
    news: list[News] = field(default_factory=list)
    stirs: list[Stir] = field(default_factory=list)
    number: int = 0

    async def buy(self, quantity: str = "0.01", **changes: Any) -> Seen:
        self.number += 1
        id = ClientId(f"gv-aaaaaaaaaaaaaaaaaaaaaaaa-e{self.number}")
        now = datetime.now(UTC)
        return await self.it.place(order(client_id=id, quantity=D(quantity), created_at=now, **changes), None)

    async def guards(self) -> list[Seen]:
        return [each for each in await self.it.working(BTC) if each.conditional]

    @property
    def lines(self) -> set[Any]:
        """Connections that carry the account's news."""
        return {each for each in self.front.streams._connections if each.account}

    @property
    def mark(self) -> D:
        return self.core.mark("BTCUSDT")


@asynccontextmanager
async def desk(**front: Any) -> AsyncIterator[Desk]:
    core = Core(now=wall)
    exchange = BinanceExchange(core, clock=wall, **front)
    async with Loop([exchange]) as loop:
        keys = {"apiKey": "key", "secret": "secret"}
        data, trade = open_clients(
            DIALECT, keys=keys, practice="", loopback=Loopback(port=loop.port, ca=loop.ca), clock=SystemClock()
        )
        assert trade is not None
        try:
            yield Desk(core=core, front=exchange, data=data, trade=trade, it=DIALECT.profile(data, trade, practice=""))
        finally:
            await data.close()
            await trade.close()


async def refusal(call: Any) -> str:
    with pytest.raises(OrderRejected) as no:
        await call
    return no.value.code


# --- reading --------------------------------------------------------------------------------------------------------


async def test_eight_instruments_are_listed_with_the_accounts_fees_and_leverage() -> None:
    async with desk(padding=20) as at:
        found = await at.it.listings(BASES, "USDT")
        assert sorted(each.instrument.base for each in found.values()) == sorted(BASES)
        for spec in at.core.specs.values():
            one = found[Symbol(f"{spec.base}/USDT:USDT")]
            its = one.instrument
            assert (its.tick, its.step, its.min_notional) == (spec.tick, spec.step, spec.min_notional)
            assert (its.max_leverage, its.maintenance) == (spec.max_leverage, spec.maintenance)
            assert (its.maker_fee, its.taker_fee) == (spec.maker_fee, spec.taker_fee)
            assert one.max_market == spec.max_market


async def test_the_market_is_read() -> None:
    async with desk() as at:
        assert abs(await at.it.server_time() - datetime.now(UTC)) < timedelta(seconds=5)
        quote = await at.it.quote(BTC)
        assert (quote.bid, quote.ask, quote.mark) == (at.core.bid("BTCUSDT"), at.core.ask("BTCUSDT"), at.mark)
        book = await at.it.book(BTC, 20)
        assert (len(book.bids), book.bids[0][0]) == (20, quote.bid)
        assert (await at.it.funding_now(BTC)).next_at > datetime.now(UTC)
        last = await at.it.candles(BTC, timedelta(minutes=5), start=None, limit=1600)
        assert len(last.opened) == 1600
        again = await at.it.candles(
            BTC, timedelta(minutes=5), start=datetime.fromtimestamp(last.opened[7] / 1000, UTC), limit=9
        )
        assert again.opened == last.opened[7:16]
        assert again.rows == last.rows[7:16]


class Counted:
    """A caller that adds up what the profile says its requests cost."""

    def __init__(self, client: Client, costs: list[int]) -> None:
        self.exchange = client.exchange
        self._client = client
        self._costs = costs

    async def read(self, method: str, params: Mapping[str, Any], *, cost: int = 1, lane: Lane = Lane.READ) -> Any:
        self._costs.append(cost)
        return await self._client.read(method, params, cost=cost, lane=lane)

    async def write(self, method: str, params: Mapping[str, Any], *, lane: Lane, cost: int = 1, orders: int = 0) -> Any:
        self._costs.append(cost)
        return await self._client.write(method, params, lane=lane, cost=cost, orders=orders)


async def test_every_request_costs_what_the_exchange_counts() -> None:
    async with desk() as at:
        costs: list[int] = []
        at.it = it = DIALECT.profile(Counted(at.data, costs), Counted(at.trade, costs), practice="")
        await it.listings(["BTC"], "USDT")  # reads once what `funding_now` needs
        yesterday = datetime.now(UTC) - timedelta(days=1)
        await at.buy()
        bought = await at.buy(kind=OrderKind.LIMIT, price=at.mark - 5000)
        await it.guard(BTC, Direction.LONG, D(1), Leg.STOP, at.mark - 1000, STOP_ID)
        [guard] = await at.guards()
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "time": it.server_time,
            "quote": lambda: it.quote(BTC),
            "small book": lambda: it.book(BTC, 20),
            "book": lambda: it.book(BTC, 100),
            "large book": lambda: it.book(BTC, 1000),
            "few candles": lambda: it.candles(BTC, timedelta(minutes=5), start=None, limit=50),
            "candles": lambda: it.candles(BTC, timedelta(minutes=5), start=None, limit=700),
            "many candles": lambda: it.candles(BTC, timedelta(minutes=5), start=None, limit=1500),
            "funding now": lambda: it.funding_now(BTC),
            "orders": lambda: it.working(BTC),
            "all orders": it.working,
            "look-up": lambda: it.find(BTC, bought.client_id, conditional=False),
            "look-up of a guard": lambda: it.find(BTC, STOP_ID, conditional=True),
            "positions": it.positions,
            "purse": it.purse,
            "terms": lambda: it.terms(BTC),
            "fills": lambda: it.executions(yesterday, BTC),
            "payments": lambda: it.payments(yesterday),
            "leverage": lambda: it.set_leverage(BTC, 40),
            "order": at.buy,
            "move": lambda: it.move(BTC, Direction.LONG, Leg.STOP, guard, at.mark - 900),
            "cancel": lambda: it.cancel(bought),
        }
        wrong = {}
        for name, call in calls.items():
            costs.clear()
            before = at.front.limits.weight.used(wall())
            await call()
            counted = at.front.limits.weight.used(wall()) - before
            if counted != sum(costs):
                wrong[name] = (sum(costs), counted)
        assert wrong == {}


# --- orders ---------------------------------------------------------------------------------------------------------


async def test_an_order_is_filled_found_and_paid_for() -> None:
    async with desk() as at:
        before = await at.it.purse()
        seen = await at.buy("0.012")
        assert (seen.status, seen.filled) == (OrderStatus.FILLED, D("0.012"))
        found = await at.it.find(BTC, seen.client_id, conditional=False)
        assert found is not None
        assert (found.id, found.status, found.filled) == (seen.id, OrderStatus.FILLED, D("0.012"))
        assert await at.it.find_by_id(BTC, seen.id) == found
        assert await at.it.find(BTC, "gv-aaaaaaaaaaaaaaaaaaaaaaaa-e99", conditional=False) is None
        [held] = await at.it.positions()
        assert (held.symbol, held.direction, held.quantity) == (BTC, Direction.LONG, D("0.012"))
        fills = await at.it.executions(datetime.now(UTC) - timedelta(hours=1), BTC)
        assert sum(each.quantity for each in fills) == D("0.012")
        assert {each.order for each in fills} == {seen.id}
        assert before.wallet - (await at.it.purse()).wallet == sum(each.fee for each in fills)


async def test_a_limit_order_stands_until_it_is_cancelled() -> None:
    async with desk() as at:
        price = at.mark - 5000
        seen = await at.buy(kind=OrderKind.LIMIT, price=price)
        [standing] = await at.it.working(BTC)
        assert (standing.id, standing.price, standing.status) == (seen.id, price, OrderStatus.OPEN)
        assert await at.it.working() == (standing,)
        await at.it.cancel(standing)
        assert await at.it.working(BTC) == ()
        assert await refusal(at.it.cancel(standing)) == Code.GONE
        ended = await at.it.find(BTC, seen.client_id, conditional=False)
        assert ended is not None
        assert ended.status is OrderStatus.CANCELLED


async def test_what_the_exchange_refuses_comes_with_our_word_for_it() -> None:
    async with desk() as at:
        assert await refusal(at.buy("0.01234567")) == Code.STEP
        assert await refusal(at.buy("0.001", kind=OrderKind.LIMIT, price=D(1000))) in (Code.SIZE, Code.PRICE)
        assert await refusal(at.buy("90")) == Code.MARGIN
        assert await refusal(at.buy("0.01", side=Side.SELL, reduce_only=True)) == Code.REDUCE_ONLY
        assert await refusal(at.it.set_leverage(BTC, 500)) == Code.LEVERAGE
        standing = await at.buy(kind=OrderKind.LIMIT, price=at.mark - 5000)
        at.number -= 1
        assert await refusal(at.buy(kind=OrderKind.LIMIT, price=at.mark - 5000)) == Code.DUPLICATE
        at.core.margin["BTCUSDT"] = "CROSSED"
        assert await refusal(at.it.set_isolated(BTC, 5)) == Code.BUSY
        await at.it.cancel(standing)
        nonsense = replace(standing, symbol=Symbol("XYZ/USDT:USDT"))
        assert await refusal(at.it.cancel(nonsense)) == Code.SYMBOL


async def test_terms_are_set_and_read_back_and_set_again_without_harm() -> None:
    async with desk() as at:
        await at.it.set_leverage(BTC, 7)
        await at.it.set_leverage(BTC, 7)
        at.core.margin["BTCUSDT"] = "CROSSED"
        assert (await at.it.terms(BTC)).margin is Margin.CROSS
        await at.it.set_isolated(BTC, 7)
        assert await refusal(at.it.set_isolated(BTC, 7)) == Code.UNCHANGED
        assert await refusal(at.it.set_one_way(BTC)) == Code.UNCHANGED
        terms = await at.it.terms(BTC)
        assert (terms.leverage, terms.margin, terms.one_way) == (7, Margin.ISOLATED, True)


async def test_a_wrong_key_and_a_wrong_clock_are_told_apart() -> None:
    async with desk(keys=("key", "another secret")) as at:
        assert await refusal(at.it.positions()) == Code.AUTH
    async with desk() as at:
        at.front.skew_ms = 60_000
        with pytest.raises(Transient):
            await at.buy()
        assert not at.core.orders
        await at.buy()  # the client has set its time right
        assert len(at.core.orders) == 1


# --- guards ---------------------------------------------------------------------------------------------------------


async def test_a_position_is_guarded_and_each_guard_moved_without_a_naked_moment() -> None:
    async with desk() as at:
        await at.buy()
        await at.it.guard(BTC, Direction.LONG, D("0.01"), Leg.STOP, at.mark - 1000, STOP_ID)
        await at.it.guard(BTC, Direction.LONG, D("0.01"), Leg.TARGET, at.mark + 1000, TARGET_ID)
        assert {each.kind for each in await at.guards()} == {OrderKind.STOP, OrderKind.TAKE_PROFIT}
        assert await refusal(at.it.guard(BTC, Direction.LONG, D(1), Leg.STOP, at.mark - 900, "another")) == Code.EXISTS
        standing_always = watch_for_naked(at)
        for step in range(1, 5):
            for leg, kind, sign in ((Leg.STOP, OrderKind.STOP, -1), (Leg.TARGET, OrderKind.TAKE_PROFIT, 1)):
                [old] = [each for each in await at.guards() if each.kind is kind]
                await at.it.move(BTC, Direction.LONG, leg, old, at.mark + sign * (1000 - 100 * step))
                [new] = [each for each in await at.guards() if each.kind is kind]
                assert new.trigger == at.mark + sign * (1000 - 100 * step)
                assert new.client_id == following(old.client_id)
                assert (new.quantity == 0) != (old.quantity == 0)
                assert new.closes is Direction.LONG
        assert standing_always() == []


def watch_for_naked(at: Desk) -> Callable[[], list[Any]]:
    """Every moment at which a type of guard was missing."""
    naked: list[Any] = []

    def look(_: Any) -> None:
        kinds = {each.kind for each in at.core.working("BTCUSDT", conditional=True)}
        if at.core.positions and len(kinds) < 2:
            naked.append(kinds)

    at.core.listeners.append(look)
    return lambda: naked


@pytest.mark.parametrize("moves", [0, 1])
async def test_a_stop_that_fires_is_seen_with_what_it_sold(moves: int) -> None:
    async with desk() as at:
        await at.buy()
        await at.it.guard(BTC, Direction.LONG, D("0.01"), Leg.STOP, at.mark - 1000, STOP_ID)
        id = STOP_ID
        for _ in range(moves):
            [old] = await at.guards()
            await at.it.move(BTC, Direction.LONG, Leg.STOP, old, at.mark - 900)
            id = following(id)
        at.core.move("BTCUSDT", at.mark - 1500)
        assert await at.it.positions() == ()
        seen = await at.it.find(BTC, id, conditional=True)
        assert seen is not None
        assert (seen.status, seen.filled, bool(seen.fired)) == (OrderStatus.FILLED, D("0.01"), True)
        sold = [
            each
            for each in await at.it.executions(datetime.now(UTC) - timedelta(hours=1), BTC)
            if each.side is Side.SELL
        ]
        assert {each.order for each in sold} == {seen.fired}
        assert await at.guards() == []


async def test_a_stop_that_would_fire_at_once_and_one_without_a_position_are_refused() -> None:
    async with desk() as at:
        await at.buy()
        late = at.it.guard(BTC, Direction.LONG, D("0.01"), Leg.STOP, at.mark + 1000, STOP_ID)
        assert await refusal(late) == Code.TRIGGERS
        await at.it.guard(BTC, Direction.LONG, D("0.01"), Leg.STOP, at.mark - 1000, STOP_ID)
        [old] = await at.guards()
        moving = at.it.move(BTC, Direction.LONG, Leg.STOP, old, at.mark + 1000)
        assert await refusal(moving) == Code.TRIGGERS
        assert await at.guards() == [old]


@pytest.mark.parametrize("kind", ["drop after", "mid body", "empty 200", "500 after", "502 after", "503 unknown"])
async def test_a_move_whose_answer_is_lost_leaves_the_old_guard(kind: str) -> None:
    async with desk() as at:
        await at.buy()
        await at.it.guard(BTC, Direction.LONG, D("0.01"), Leg.STOP, at.mark - 1000, STOP_ID)
        [old] = await at.guards()
        at.front.faults.add(kind, match="/fapi/v1/algoOrder", method="POST")
        with pytest.raises(UnknownOutcome):
            await at.it.move(BTC, Direction.LONG, Leg.STOP, old, at.mark - 900)
        assert old in await at.guards()


@pytest.mark.parametrize("kind", ["drop after", "mid body", "empty 200", "500 after", "502 after", "503 unknown"])
async def test_an_order_whose_answer_is_lost_is_unknown_and_found_by_its_id(kind: str) -> None:
    async with desk() as at:
        at.front.faults.add(kind, match="/fapi/v1/order", method="POST")
        with pytest.raises(UnknownOutcome):
            await at.buy()
        found = await at.it.find(BTC, f"gv-aaaaaaaaaaaaaaaaaaaaaaaa-e{at.number}", conditional=False)
        assert found is not None
        assert found.status is OrderStatus.FILLED
        assert len(at.core.orders) == 1


@pytest.mark.parametrize("kind", ["429", "418", "clock"])
async def test_an_order_that_was_certainly_not_carried_out_is_transient(kind: str) -> None:
    async with desk() as at:
        at.front.faults.add(kind, match="/fapi/v1/order", method="POST")
        with pytest.raises(Transient):
            await at.buy()
        assert not at.core.orders


# --- money ----------------------------------------------------------------------------------------------------------


async def test_funding_is_read_as_it_was_booked() -> None:
    async with desk() as at:
        await at.buy("0.1")
        before = (await at.it.purse()).wallet
        at.core.fund("BTCUSDT", D("0.0003"))
        [one] = await at.it.payments(datetime.now(UTC) - timedelta(hours=1))
        assert one.symbol == BTC
        assert one.amount == (await at.it.purse()).wallet - before
        assert one.amount < 0


async def test_the_key_is_examined() -> None:
    async with desk() as at:
        findings = {each.name: each.grade for each in await at.it.examine_key()}
        assert findings["permissions of the key"] is Grade.OK
        assert findings["position mode"] is Grade.OK
        at.front.permissions["enableWithdrawals"] = True
        findings = {each.name: each.grade for each in await at.it.examine_key()}
        assert findings["permissions of the key"] is Grade.ERROR


# --- streams --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def listening(client: Client, channels: tuple[Channel, ...]) -> AsyncIterator[None]:
    async def keep(channel: Channel) -> None:
        while True:
            try:
                await channel.watch()
            except asyncio.CancelledError:
                raise
            except Exception:  # noqa: BLE001 - as the adapter does: it comes back
                await asyncio.sleep(0.05)

    tasks = [asyncio.create_task(keep(each)) for each in channels]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(done: Callable[[], Any], nudge: Callable[[], Any] = lambda: None) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            if done():
                return
            nudge()
            await asyncio.sleep(0.02)


async def test_quotes_and_trades_stream_with_few_markets_and_no_other_request() -> None:
    async with desk() as at:
        found = await at.it.listings(["BTC", "ETH"], "USDT")
        exchange = at.data.stream(lambda message: at.news.extend(at.it.public_news(message)))
        DIALECT.markets(exchange, found.values())
        asked = len(at.front.requests)
        async with listening(at.data, at.it.public_channels(list(found))):

            def nudge() -> None:
                at.core.move("BTCUSDT", at.core.last("BTCUSDT") + 1)

            await until(lambda: {type(each) for each in at.news} == {Quote, Traded}, nudge)
        quotes = [each for each in at.news if isinstance(each, Quote) and each.symbol == BTC]
        assert quotes
        assert [each.path for each in at.front.requests[asked:] if not each.path.endswith("/ws")] == []
        assert len(exchange.markets) == 2


async def test_the_account_streams_what_happens_and_comes_back_after_a_drop() -> None:
    async with desk() as at:
        found = await at.it.listings(["BTC"], "USDT")
        exchange = at.trade.stream(lambda message: at.stirs.extend(at.it.private_news(message)))
        DIALECT.markets(exchange, found.values())
        async with listening(at.trade, at.it.private_channels()):
            await until(lambda: at.lines)
            await at.buy()
            await at.it.guard(BTC, Direction.LONG, D("0.01"), Leg.STOP, at.mark - 1000, STOP_ID)
            await until(lambda: {"fill", "algo", "position"} <= {each.what for each in at.stirs})
            assert [each.client_id for each in at.stirs if each.what == "fill" and each.ended]
            at.core.fund("BTCUSDT", D("0.0001"))
            await until(lambda: "funding" in {each.what for each in at.stirs})
            before = at.lines
            await at.front.faults.drop_streams()
            await until(lambda: at.lines - before)
            at.stirs.clear()
            await at.buy()
            await until(lambda: "fill" in {each.what for each in at.stirs})


async def test_a_listen_key_that_ran_out_is_replaced() -> None:
    async with desk() as at:
        found = await at.it.listings(["BTC"], "USDT")
        exchange = at.trade.stream(lambda message: at.stirs.extend(at.it.private_news(message)))
        DIALECT.markets(exchange, found.values())
        async with listening(at.trade, at.it.private_channels()):
            await until(lambda: at.lines)
            before = at.lines
            at.front.streams.end_key()
            await until(lambda: at.lines - before)
            assert len(at.front.calls("POST", "/fapi/v1/listenKey")) == 2
            at.stirs.clear()
            await at.buy()
            await until(lambda: "fill" in {each.what for each in at.stirs})


async def test_the_demo_is_another_host_with_the_same_words() -> None:
    core = Core(now=wall)
    front = BinanceExchange(core, clock=wall)
    async with Loop([front]) as loop:
        data, trade = open_clients(
            DIALECT,
            keys={"apiKey": "key", "secret": "secret"},
            practice="demo",
            loopback=Loopback(port=loop.port, ca=loop.ca),
            clock=SystemClock(),
        )
        assert trade is not None
        try:
            it = DIALECT.profile(data, trade, practice="demo")
            await it.listings(["BTC"], "USDT")
            seen = await it.place(order(created_at=datetime.now(UTC)), None)
            assert seen.status is OrderStatus.FILLED
            assert {each.host for each in front.requests} == {"demo-fapi.binance.com"}
        finally:
            await data.close()
            await trade.close()


async def test_no_exit_waits_behind_reading() -> None:
    async with desk() as at:
        await at.buy()
        close = order(
            client_id=ClientId("gv-aaaaaaaaaaaaaaaaaaaaaaaa-c0"), side=Side.SELL, quantity=D("0.01"), reduce_only=True
        )
        seen = await at.it.place(close, None)
        assert seen.status is OrderStatus.FILLED
        assert await at.it.positions() == ()
        assert Lane.EXIT < Lane.READ
