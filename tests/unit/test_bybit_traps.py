"""The traps of venues.md 1.3 that concern Bybit, one test or more for each, named after it; and a position's whole life
through the real client, against the emulated exchange."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.builders import BTC, ETH, D
from tests.exchange_stub import until
from tests.fakes.bybit_exchange import BybitExchange
from tests.fakes.exchange_core import Core
from tests.fakes.exchange_tls import Loop
from trading.clock import SystemClock
from trading.errors import OrderRejected, UnknownOutcome
from trading.identity import client_id
from trading.model import (
    DecisionId,
    Direction,
    Leg,
    Order,
    OrderKind,
    OrderStatus,
    Protection,
    Quote,
    Side,
    Symbol,
)
from trading.venues.exchange.bybit import DIALECT
from trading.venues.exchange.client import Client, open_clients
from trading.venues.exchange.hosts import Loopback
from trading.venues.exchange.profile import Profile
from trading.venues.exchange.wire import Code, Margin, Seen, Stir

DECISION = DecisionId("gv-abcdefghijklmnopqrstuvwx")
STOP, TARGET = D(93000), D(102000)


@dataclass
class Desk:
    front: BybitExchange
    profile: Profile
    data: Client
    trade: Client

    @property
    def core(self) -> Core:
        return self.front.core

    def asked(self, path: str) -> list[dict[str, Any]]:
        return [call.fields for call in self.front.requests if call.path == path]

    async def enter(self, *, attempt: int = 0, quantity: str = "0.01") -> Seen:
        order = an_order(attempt=attempt, quantity=D(quantity))
        guard = Protection(
            stop_id=client_id("tests", DECISION, Leg.STOP),
            stop=STOP,
            target_id=client_id("tests", DECISION, Leg.TARGET),
            target=TARGET,
        )
        return await self.profile.place(order, guard)


def an_order(*, attempt: int = 0, **changes: Any) -> Order:
    made: dict[str, Any] = {
        "client_id": client_id("tests", DECISION, changes.get("leg", Leg.ENTRY), attempt),
        "decision_id": DECISION,
        "leg": Leg.ENTRY,
        "symbol": BTC,
        "side": Side.BUY,
        "kind": OrderKind.MARKET,
        "quantity": D("0.01"),
        "created_at": SystemClock().now(),
    }
    return Order(**made | changes)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    clock = SystemClock()
    front = BybitExchange(Core(now=lambda: int(clock.now().timestamp() * 1000)))
    async with Loop([front]) as loop:
        keys = {"apiKey": "key", "secret": "secret"}
        loopback = Loopback(host="127.0.0.1", port=loop.port, ca=loop.ca)
        data, trade = open_clients(DIALECT, keys=keys, practice="", loopback=loopback, clock=clock)
        assert trade is not None
        profile = DIALECT.profile(data, trade, practice="")
        try:
            listings = await profile.listings(["BTC", "ETH", "DOGE"], "USDT")
            for client in (data, trade):
                DIALECT.markets(client.exchange, listings.values())
            yield Desk(front, profile, data, trade)
        finally:
            await data.close()
            await trade.close()


# --- trap 5: an empty answer is an order without an id, and no exception -------------------------------------------


@pytest.mark.parametrize("fault", ["empty 200", "drop after", "mid body", "500 after", "503 unknown"])
async def test_trap_5_an_order_without_a_whole_answer_is_unknown_and_found_by_its_id(desk: Desk, fault: str) -> None:
    desk.front.faults.add(fault, match="/v5/order/create", method="POST")
    with pytest.raises(UnknownOutcome):
        await desk.enter()
    found = await desk.profile.find(BTC, client_id("tests", DECISION, Leg.ENTRY), conditional=False)
    assert found is not None
    assert (found.status, found.filled) == (OrderStatus.FILLED, D("0.01"))
    assert len(desk.asked("/v5/order/create")) == 1


@pytest.mark.parametrize("fault", ["empty 200", "mid body"])
async def test_trap_5_so_is_every_other_write(desk: Desk, fault: str) -> None:
    await desk.enter()
    [stop, *_] = await desk.profile.working(BTC)
    writes: dict[str, Any] = {
        "/v5/position/trading-stop": lambda: desk.profile.move(BTC, Direction.LONG, Leg.STOP, stop, D(93500)),
        "/v5/position/set-leverage": lambda: desk.profile.set_leverage(BTC, 7),
    }
    for path, write in writes.items():
        desk.front.faults.add(fault, match=path, method="POST")
        with pytest.raises(UnknownOutcome):
            await write()
        assert len(desk.asked(path)) == 1


# --- trap 7: the exchange's id outranks ours, even the word None ----------------------------------------------------


async def test_trap_7_an_order_is_looked_up_by_our_id_alone(desk: Desk) -> None:
    await desk.enter()
    found = await desk.profile.find(BTC, client_id("tests", DECISION, Leg.ENTRY), conditional=False)
    assert found is not None
    assert found.client_id == client_id("tests", DECISION, Leg.ENTRY)
    [lookup] = desk.asked("/v5/order/realtime")
    assert lookup == {"category": "linear", "symbol": "BTCUSDT", "orderLinkId": found.client_id}


async def test_trap_7_what_the_exchange_has_forgotten_at_hand_is_in_its_history(desk: Desk) -> None:
    await desk.enter()
    desk.front.trade.restart()
    found = await desk.profile.find(BTC, client_id("tests", DECISION, Leg.ENTRY), conditional=False)
    assert found is not None
    assert await desk.profile.find(BTC, client_id("tests", DECISION, Leg.ENTRY, 9), conditional=False) is None


# --- trap 9: the largest market order is not the largest order ------------------------------------------------------


async def test_trap_9_a_market_order_has_its_own_largest_size(desk: Desk) -> None:
    listing = (await desk.profile.listings(["BTC"], "USDT"))[BTC]
    spec = desk.core.specs["BTCUSDT"]
    assert (listing.max_market, listing.instrument.max_quantity) == (spec.max_market, spec.max_quantity)
    assert listing.max_market < listing.instrument.max_quantity


# --- trap 10: the first private request asks two more of its own ----------------------------------------------------


async def test_trap_10_an_order_is_one_request(desk: Desk) -> None:
    before = len(desk.front.requests)
    await desk.enter()
    assert [call.path for call in desk.front.requests[before:]] == ["/v5/order/create"]


async def test_trap_10_so_is_opening_the_stream_of_the_account(desk: Desk) -> None:
    before = len(desk.front.requests)
    async with Heard(desk, desk.trade, desk.profile.private_channels()) as messages:
        await until(lambda: {"order", "execution", "position"} <= set(desk.front.streams.subscribed))
        await desk.enter()
        await until(lambda: any(message.get("topic") == "position" for message in messages))
    asked = [call.path for call in desk.front.requests[before:] if "stream" not in call.host]
    assert asked == ["/v5/order/create"]


async def test_no_request_says_that_it_came_through_a_library(desk: Desk) -> None:
    await desk.enter()
    assert not [call for call in desk.front.requests if "Referer" in call.headers]


# --- trap 11: nobody checks whether a book has lost a message -------------------------------------------------------


async def test_trap_11_no_book_is_kept_from_a_stream(desk: Desk) -> None:
    async with Heard(desk, desk.data, desk.profile.public_channels([BTC, ETH])):
        wanted = {f"{topic}.{native}" for topic in ("tickers", "publicTrade") for native in ("BTCUSDT", "ETHUSDT")}
        await until(lambda: set(desk.front.streams.subscribed) == wanted)
    book = await desk.profile.book(BTC, 5)
    assert len(book.bids) == len(book.asks) == 5
    assert book.bids[0][0] < book.asks[0][0]


async def test_trap_11_after_a_drop_the_quote_begins_with_a_new_snapshot(desk: Desk) -> None:
    async with Heard(desk, desk.data, desk.profile.public_channels([BTC])) as messages:
        quotes = lambda: [q for m in list(messages) for q in desk.profile.public_news(m) if isinstance(q, Quote)]  # noqa: E731
        await until(quotes)
        await desk.front.faults.drop_streams()
        messages.clear()
        desk.core.move("BTCUSDT", D(96500))
        await until(lambda: [q for q in quotes() if q.mark == D(96500)])
        assert next(m for m in messages if m.get("topic") == "tickers.BTCUSDT")["type"] == "snapshot"


# --- trap 14: without tpslMode ccxt takes a contract's order for a spot order ---------------------------------------


async def test_trap_14_the_emulated_exchange_sends_what_ccxt_needs(desk: Desk) -> None:
    async with Heard(desk, desk.trade, desk.profile.private_channels()) as messages:
        await until(lambda: {"order", "execution", "position"} <= set(desk.front.streams.subscribed))
        await desk.enter()
        await until(lambda: any(message.get("topic") == "order" for message in messages))
    rows = [row for message in messages if message.get("topic") == "order" for row in message["data"]]
    assert rows
    assert all("tpslMode" in row for row in rows)
    assert {desk.trade.exchange.parse_order(row)["symbol"] for row in rows} == {BTC}


def test_trap_14_our_own_reading_does_not_need_it() -> None:
    row = {"category": "linear", "symbol": "BTCUSDT", "orderLinkId": "gv-x", "orderStatus": "Filled"}
    profile = DIALECT.profile(None, None, practice="")  # type: ignore[arg-type]
    message = {"topic": "order", "data": [row]}
    assert list(profile.private_news(message)) == [Stir(symbol=BTC, client_id="gv-x", ended=True, what="order")]


# --- a position's life ----------------------------------------------------------------------------------------------


async def test_terms_are_set_and_read_back_and_what_is_so_already_is_unchanged(desk: Desk) -> None:
    desk.core.margin.update(dict.fromkeys(desk.core.specs, "CROSSED"))
    assert (await desk.profile.terms(BTC)).margin is Margin.CROSS
    await desk.profile.set_isolated(BTC, 7)
    await desk.profile.set_leverage(BTC, 7)
    terms = await desk.profile.terms(BTC)
    assert (terms.leverage, terms.margin, terms.one_way) == (7, Margin.ISOLATED, True)
    for again in (desk.profile.set_leverage(BTC, 7), desk.profile.set_one_way(BTC)):
        with pytest.raises(OrderRejected) as no:
            await again
        assert no.value.code == Code.UNCHANGED


async def test_a_mode_that_cannot_be_changed_now_says_so(desk: Desk) -> None:
    desk.core.margin.update(dict.fromkeys(desk.core.specs, "CROSSED"))
    await desk.enter()
    with pytest.raises(OrderRejected) as no:
        await desk.profile.set_isolated(BTC, 5)
    assert no.value.code == Code.BUSY


async def test_an_account_in_hedge_mode_is_seen_and_takes_no_order(desk: Desk) -> None:
    desk.core.set_position_mode(True)
    with pytest.raises(OrderRejected) as no:
        await desk.enter()
    assert no.value.code == Code.MODE
    assert desk.core.fills == []


async def test_an_id_that_is_known_there_is_a_duplicate_and_trades_nothing(desk: Desk) -> None:
    await desk.enter()
    with pytest.raises(OrderRejected) as no:
        await desk.enter()
    assert no.value.code == Code.DUPLICATE
    assert [held.quantity for held in await desk.profile.positions()] == [D("0.01")]


async def test_a_market_order_in_a_thin_market_ends_with_what_it_got(desk: Desk) -> None:
    desk.core.liquidity, desk.core.levels = D("0.001"), 4
    await desk.enter()
    found = await desk.profile.find(BTC, client_id("tests", DECISION, Leg.ENTRY), conditional=False)
    assert found is not None
    assert (found.status, found.filled, found.quantity) == (OrderStatus.CANCELLED, D("0.004"), D("0.01"))
    assert found.note.startswith("EC_NoImmediateQtyToFill")
    [held] = await desk.profile.positions()
    assert (held.quantity, held.stop, held.target) == (D("0.004"), STOP, TARGET)


async def test_both_levels_stand_after_the_entry_and_one_is_moved_while_the_other_stays(desk: Desk) -> None:
    await desk.enter()
    [held] = await desk.profile.positions()
    assert (held.quantity, held.stop, held.target) == (D("0.01"), STOP, TARGET)
    standing = {seen.kind: seen for seen in await desk.profile.working()}
    assert {kind: seen.trigger for kind, seen in standing.items()} == {
        OrderKind.STOP: STOP,
        OrderKind.TAKE_PROFIT: TARGET,
    }
    stop = standing[OrderKind.STOP]
    assert (stop.closes, stop.reduce_only, stop.quantity, stop.conditional) == (Direction.LONG, True, D(0), True)
    await desk.profile.move(BTC, Direction.LONG, Leg.STOP, stop, D(94000))
    await desk.profile.move(BTC, Direction.LONG, Leg.STOP, stop, D(94000))
    [held] = await desk.profile.positions()
    assert (held.stop, held.target) == (D(94000), TARGET)
    with pytest.raises(OrderRejected) as no:
        await desk.profile.move(BTC, Direction.LONG, Leg.STOP, stop, D(101000))
    assert no.value.code == Code.TRIGGERS
    assert (await desk.profile.positions())[0].stop == D(94000)


async def test_a_level_is_taken_away_and_hung_again(desk: Desk) -> None:
    await desk.enter()
    for seen in await desk.profile.working(BTC):
        await desk.profile.cancel(seen)
        with pytest.raises(OrderRejected) as no:
            await desk.profile.cancel(seen)
        assert no.value.code == Code.GONE
    assert await desk.profile.working(BTC) == ()
    await desk.profile.guard(BTC, Direction.LONG, D("0.01"), Leg.STOP, STOP, "gv-s0")
    [stop] = await desk.profile.working(BTC)
    assert (stop.kind, stop.trigger) == (OrderKind.STOP, STOP)


async def test_a_close_takes_the_levels_with_it_and_then_there_is_nothing_to_guard(desk: Desk) -> None:
    await desk.enter()
    [stop, *_] = await desk.profile.working(BTC)
    await desk.profile.place(an_order(leg=Leg.CLOSE, side=Side.SELL, reduce_only=True), None)
    assert await desk.profile.positions() == ()
    assert await desk.profile.working() == ()
    for late, code in (
        (desk.profile.move(BTC, Direction.LONG, Leg.STOP, stop, D(93500)), Code.GONE),
        (desk.profile.guard(BTC, Direction.LONG, D(1), Leg.STOP, STOP, "gv-s0"), Code.REDUCE_ONLY),
        (
            desk.profile.place(an_order(attempt=1, leg=Leg.CLOSE, side=Side.SELL, reduce_only=True), None),
            Code.REDUCE_ONLY,
        ),
    ):
        with pytest.raises(OrderRejected) as no:
            await late
        assert no.value.code == code


async def test_a_stop_that_fires_is_a_fill_of_the_stop_and_keeps_its_id(desk: Desk) -> None:
    start = SystemClock().now() - timedelta(minutes=1)
    await desk.enter()
    [stop] = [seen for seen in await desk.profile.working(BTC) if seen.kind is OrderKind.STOP]
    desk.core.move("BTCUSDT", D(92000))
    entry, exit = await desk.profile.executions(start, None)
    assert (entry.client_id, entry.guard, entry.side) == (client_id("tests", DECISION, Leg.ENTRY), None, Side.BUY)
    assert (exit.client_id, exit.guard, exit.order) == ("", Leg.STOP, stop.id)
    ended = await desk.profile.find_by_id(BTC, exit.order)
    assert ended is not None
    assert (ended.kind, ended.status, ended.fired) == (OrderKind.STOP, OrderStatus.FILLED, exit.order)
    fills = desk.core.fills
    assert [(f.quantity, f.price, f.fee) for f in (entry, exit)] == [(f.quantity, f.price, f.fee) for f in fills]
    purse = await desk.profile.purse()
    assert purse.wallet == desk.core.wallet == D(10000) + fills[1].realised - fills[0].fee - fills[1].fee


async def test_the_purse_in_isolated_mode_is_what_the_exchange_lets_us_use(desk: Desk) -> None:
    await desk.enter()
    await desk.profile.place(an_order(attempt=1, kind=OrderKind.LIMIT, price=D(93500)), None)
    purse = await desk.profile.purse()
    assert purse.available == desk.core.available() < purse.wallet


async def test_more_fills_than_a_page_has_are_all_read_once(desk: Desk) -> None:
    start = SystemClock().now() - timedelta(minutes=1)
    desk.core.liquidity = D("0.001")
    for _ in range(110):
        desk.core.place(
            native="BTCUSDT", side="BUY", direction=None, kind="MARKET", quantity=D("0.001"), client_id="", tif="IOC"
        )
        desk.core.move("BTCUSDT", D(96000))
    found = await desk.profile.executions(start, BTC)
    assert len(found) == len({fill.trade for fill in found}) == len(desk.core.fills) > 100
    assert [fill.at for fill in found] == sorted(fill.at for fill in found)


async def test_funding_is_read_with_its_sign_for_either_side(desk: Desk) -> None:
    start = SystemClock().now() - timedelta(minutes=1)
    await desk.enter()
    desk.core.fund("BTCUSDT", D("0.0001"))
    await desk.profile.place(an_order(leg=Leg.CLOSE, side=Side.SELL, reduce_only=True), None)
    await desk.profile.place(an_order(attempt=2, side=Side.SELL), None)
    desk.core.fund("BTCUSDT", D("0.0001"))
    paid, got = await desk.profile.payments(start)
    assert paid.amount < 0 < got.amount
    assert paid.rate == got.rate == D("0.0001")
    assert [each.amount for each in (paid, got)] == [i.amount for i in desk.core.incomes if i.kind == "FUNDING"]


async def test_the_market_is_read_through_the_real_client(desk: Desk) -> None:
    spec = desk.core.specs["DOGEUSDT"]
    doge = (await desk.profile.listings(["DOGE", "NOSUCH"], "USDT"))[Symbol("DOGE/USDT:USDT")]
    assert (doge.instrument.step, doge.instrument.min_quantity) == (spec.step, spec.min_quantity)
    assert (doge.instrument.taker_fee, doge.instrument.maintenance) == (spec.taker_fee, spec.maintenance)
    quote = await desk.profile.quote(BTC)
    assert quote.mark == desk.core.mark("BTCUSDT")
    minute = timedelta(minutes=1)
    last = await desk.profile.candles(BTC, minute, start=None, limit=1300)
    first = await desk.profile.candles(BTC, minute, start=SystemClock().now() - 1300 * minute, limit=1200)
    assert len(last.opened) == 1300
    assert len(first.opened) == 1200
    for opened in (last.opened, first.opened):
        assert {later - earlier for earlier, later in pairwise(opened)} == {60_000}
    assert last.rows[-1][3] == desk.core.last("BTCUSDT")
    now = await desk.profile.funding_now(BTC)
    assert now.next_at > SystemClock().now()
    rates = await desk.profile.funding_rates(BTC, SystemClock().now() - timedelta(days=3))
    assert len(rates) == 9


async def test_the_doctor_reads_the_key_through_the_real_client(desk: Desk) -> None:
    assert {finding.grade for finding in await desk.profile.examine_key()} == {"ok"}
    desk.front.permissions["permissions"]["Wallet"] = ["Withdraw"]
    assert (await desk.profile.examine_key())[0].grade == "error"


# --- helpers --------------------------------------------------------------------------------------------------------


class Heard:
    """Keeps channels awake and the raw messages that pass the tap."""

    def __init__(self, desk: Desk, client: Client, channels: Any) -> None:
        self._client = client
        self._channels = channels
        self._tasks: list[asyncio.Task[None]] = []
        self.messages: list[Any] = []

    async def __aenter__(self) -> list[Any]:
        self._client.stream(self.messages.append)
        self._tasks = [asyncio.create_task(self._keep(channel)) for channel in self._channels]
        return self.messages

    async def _keep(self, channel: Any) -> None:
        while True:
            try:
                await channel.watch()
            except asyncio.CancelledError:
                raise
            except Exception:  # noqa: BLE001 - a dropped stream is opened again
                await asyncio.sleep(0.02)

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
