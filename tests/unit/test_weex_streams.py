"""WEEX's streams: what their messages say, and the sockets themselves on the emulated exchange."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

from tests.recorded import sample
from tests.weex_bench import BTC, DOGE, ENTRY, STOP, a_bench, a_profile, entry, static
from trading.market.series import to_ms
from trading.model import Direction, Leg, Quote
from trading.venues.exchange.weex import WeexProfile
from trading.venues.exchange.wire import Channel, Traded


def at(ms: int) -> datetime:
    return datetime(2026, 11, 21, tzinfo=UTC) + timedelta(milliseconds=ms)


def depth(first: int, last: int, bids: Any, asks: Any, *, ms: int = 0, event: str = "depth") -> dict[str, Any]:
    return {"e": event, "E": to_ms(at(ms)), "s": "BTCUSDT", "U": first, "u": last, "l": 15, "b": bids, "a": asks}


def mark(price: str, ms: int = 0) -> dict[str, Any]:
    return {"e": "ticker", "E": to_ms(at(ms)), "s": "BTCUSDT", "d": [{"c": "1", "m": price}]}


SNAPSHOT = depth(1, 10, [["99", "1"], ["98", "2"]], [["101", "1"], ["102", "3"]], event="depthSnapshot")


def streaming() -> WeexProfile:
    profile, _ = a_profile({})
    profile._learn(BTC, "BTCUSDT")
    return profile


def told(profile: WeexProfile, *messages: Any) -> list[Any]:
    return [news for message in messages for news in profile.public_news(message)]


def test_a_quote_is_the_top_of_the_book_with_the_mark_of_the_ticker() -> None:
    profile = streaming()
    assert told(profile, SNAPSHOT) == []  # no mark yet
    [first] = told(profile, mark("100.5", 5))
    assert (first.bid, first.ask, first.mark, first.at) == (D(99), D(101), D("100.5"), at(5))
    [second] = told(profile, depth(11, 12, [["99", "0"], ["98.5", "1"]], [["100", "2"]], ms=9))
    assert (second.bid, second.ask, second.mark) == (D("98.5"), D(100), D("100.5"))


def test_a_book_message_that_comes_twice_or_late_changes_nothing() -> None:
    profile = streaming()
    told(profile, mark("100"), SNAPSHOT)
    newer = depth(11, 12, [["99", "0"]], [], ms=2)
    assert [news.bid for news in told(profile, newer, newer)] == [D(98)]
    assert told(profile, depth(9, 10, [["99.5", "1"]], [])) == []


def test_after_a_gap_there_is_no_quote_until_the_book_is_whole_again() -> None:
    profile = streaming()
    told(profile, mark("100"), SNAPSHOT)
    assert told(profile, depth(14, 15, [["97", "1"]], []), depth(16, 17, [["97", "1"]], []), mark("100", 3)) == []
    assert profile._to_mend("BTCUSDT")
    assert not profile._to_mend("BTCUSDT")  # not again at once: subscriptions are counted
    assert len(told(profile, {**SNAPSHOT, "u": 20})) == 1
    assert not profile._to_mend("BTCUSDT")


def test_a_quote_has_no_old_half() -> None:
    profile = streaming()
    told(profile, mark("100"), SNAPSHOT)
    late = 10_001
    assert told(profile, mark("100", late)) == []  # the touch is too old
    assert told(streaming_with_old_mark := streaming(), mark("100"), {**SNAPSHOT, "E": to_ms(at(late))}) == []
    assert len(told(streaming_with_old_mark, mark("100", late))) == 1


def test_trades_say_what_the_taker_did_and_a_snapshot_of_them_is_no_news() -> None:
    found = static("market_and_ws", "ws_trade")["messages"]
    profile = streaming()
    trades = told(profile, *found)
    assert [(trade.price, trade.quantity, trade.buy) for trade in trades] == [
        (D("76713.1"), D("0.0015"), True),
        (D("76712.9"), D("0.0007"), False),
    ]
    assert told(profile, {**found[-1], "e": "tradeSnapshot"}) == []


NONSENSE: tuple[Any, ...] = (
    None,
    "pong",
    [],
    {},
    {"e": "depth", "s": "BTCUSDT"},
    {"e": "ticker", "s": "BTCUSDT", "E": 1, "d": []},
    {"e": "depth", "s": "BTCUSDT", "U": 1, "u": 2, "E": 1, "b": [["x", "1"]], "a": []},
    {"e": "trade", "s": "BTCUSDT", "d": [{"T": 1}]},
    {"e": "ticker", "s": "XYZUSDT", "E": 1, "d": [{"m": "1"}]},
)


def test_nonsense_on_a_stream_is_no_news_and_no_error() -> None:
    profile = streaming()
    told(profile, mark("100"), SNAPSHOT)
    assert told(profile, *NONSENSE) == []
    for message in NONSENSE:
        list(profile.private_news(message))


def test_the_accounts_messages_stir_what_they_are_about() -> None:
    profile = streaming()
    order = sample("weex", "ws:handle_orders")[0]
    ended = {**order, "d": [{**order["d"][0], "clientOrderId": ENTRY}]}
    [stir] = profile.private_news(ended)
    assert (stir.symbol, stir.client_id, stir.ended, stir.what) == (DOGE, ENTRY, True, "order")
    [stir] = profile.private_news(order)
    assert stir.client_id == ""  # not one of ours
    [stir] = profile.private_news({**order, "d": [{**order["d"][0], "status": "PENDING"}]})
    assert not stir.ended
    [stir] = profile.private_news(sample("weex", "ws:handle_positions")[0])
    assert (stir.symbol, stir.what) == (DOGE, "position")
    [stir] = profile.private_news({**sample("weex", "ws:handle_positions")[0], "msgEvent": "PositionFundingSettle"})
    assert stir.what == "funding"
    [stir] = profile.private_news(sample("weex", "ws:handle_balance")[1])
    assert (stir.symbol, stir.what) == (None, "balance")
    filled = {**sample("weex", "ws:handle_balance")[1], "msgEvent": "OrderUpdate"}
    assert list(profile.private_news(filled)) == []  # the order's own message names the instrument


def test_what_is_not_understood_on_the_accounts_stream_stirs_too_and_control_messages_do_not() -> None:
    profile = streaming()
    [stir] = profile.private_news({"e": "something new", "d": 1})
    assert (stir.symbol, stir.what) == (None, "unknown")
    for control in ({"result": True, "id": 2}, {"type": "ping", "time": "1"}, {"id": "5", "method": "PONG"}):
        assert list(profile.private_news(control)) == []


# --- the sockets ----------------------------------------------------------------------------------


class Watching:
    """Watches channels, and keeps what passes the tap."""

    def __init__(self, channels: tuple[Channel, ...]) -> None:
        self._tasks = [asyncio.create_task(self._watch(channel)) for channel in channels]

    async def _watch(self, channel: Channel) -> None:
        while True:
            await channel.watch()

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110  what is waited for has no event
            await asyncio.sleep(0.01)


async def test_quotes_and_trades_come_over_the_real_socket() -> None:
    async with a_bench() as bench:
        news: list[Any] = []
        bench.data.stream(lambda message: news.extend(bench.profile.public_news(message)))
        watching = Watching(bench.profile.public_channels([BTC, DOGE]))
        await until(lambda: {n.symbol for n in news if isinstance(n, Quote)} == {BTC, DOGE})
        bench.core.move("BTCUSDT", bench.near("1.01"))
        bench.core.print_trade("BTCUSDT", bench.near("1.00"), D("0.5"), True)
        await until(lambda: any(isinstance(n, Traded) and n.quantity == D("0.5") and n.buy for n in news))
        expected = await bench.profile.quote(BTC)
        await until(lambda: [n for n in news if isinstance(n, Quote) and n.symbol == BTC][-1].bid == expected.bid)
        last = [n for n in news if isinstance(n, Quote) and n.symbol == BTC][-1]
        assert (last.ask, last.mark) == (expected.ask, expected.mark)
        await watching.end()


async def test_orders_fills_and_positions_stir_over_the_real_socket() -> None:
    async with a_bench() as bench:
        stirs: list[Any] = []
        bench.trade.stream(lambda message: stirs.extend(bench.profile.private_news(message)))
        watching = Watching(bench.profile.private_channels())
        await until(lambda: {"orders", "fill", "positions", "account"} <= _channels(bench))
        await bench.isolate()
        await bench.profile.place(entry(quantity=D("0.02")), None)
        await bench.profile.guard(BTC, Direction.LONG, D("0.02"), Leg.STOP, bench.near("0.95"), STOP)
        bench.core.transfer(D(5))
        await until(lambda: {"order", "fill", "position", "balance"} <= {stir.what for stir in stirs})
        await until(lambda: any(stir.client_id == ENTRY and stir.ended and stir.symbol == BTC for stir in stirs))
        bench.core.fund("BTCUSDT", D("0.0001"))
        await until(lambda: any(stir.what == "funding" for stir in stirs))
        assert "unknown" not in {stir.what for stir in stirs}
        assert [stir.what for stir in stirs if stir.symbol is None] == ["balance", "funding"]  # not the trades
        await watching.end()


def _channels(bench: Any) -> set[str]:
    return {name for socket in bench.front.streams.sockets for name in socket.channels}
