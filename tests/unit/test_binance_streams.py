"""Binance USD-M's streams as its profile reads them."""

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from tests.binance_answers import (
    AT,
    BTC,
    ID,
    MS,
    STOP_ID,
    profile,
)
from tests.recorded import recorder
from trading.model import (
    Quote,
    Symbol,
)
from trading.venues.exchange.binance import DIALECT
from trading.venues.exchange.wire import Stir, Traded


def touch(at: int, bid: str = "69000", ask: str = "69001") -> dict[str, Any]:
    return {"e": "bookTicker", "u": 1, "s": "BTCUSDT", "b": bid, "B": "1", "a": ask, "A": "2", "T": at, "E": at + 1}


def mark(at: int, price: str = "69000.5") -> dict[str, Any]:
    return {"e": "markPriceUpdate", "E": at, "s": "BTCUSDT", "p": price, "i": "1", "r": "0.0001", "T": at}


def test_a_quote_needs_the_touch_and_the_mark() -> None:
    it, _ = profile({}, key=False)
    assert list(it.public_news(touch(MS))) == []
    [first] = it.public_news(mark(MS + 10))
    assert first == Quote(symbol=BTC, at=AT + timedelta(milliseconds=10), bid=D(69000), ask=D(69001), mark=D("69000.5"))
    [second] = it.public_news({"stream": "btcusdt@bookTicker", "data": touch(MS + 20, "69010", "69011")})
    assert isinstance(second, Quote)
    assert (second.bid, second.mark) == (D(69010), D("69000.5"))


def test_what_comes_late_is_passed_over() -> None:
    it, _ = profile({}, key=False)
    list(it.public_news(touch(MS + 100)))
    list(it.public_news(mark(MS + 100)))
    assert list(it.public_news(touch(MS + 50, "1", "2"))) == []
    assert list(it.public_news(mark(MS + 50, "1"))) == []
    [last] = it.public_news(touch(MS + 100))
    assert isinstance(last, Quote)
    assert last.bid == D(69000)


def test_a_touch_without_a_mark_for_ten_seconds_is_no_quote() -> None:
    it, _ = profile({}, key=False)
    list(it.public_news(mark(MS)))
    assert len(list(it.public_news(touch(MS + 9_000)))) == 1
    assert list(it.public_news(touch(MS + 11_000))) == []


def test_a_public_trade_knows_who_took() -> None:
    it, _ = profile({}, key=False)
    message = {"e": "aggTrade", "E": MS, "a": 1, "s": "BTCUSDT", "p": "69000.1", "q": "0.5", "T": MS, "m": True}
    assert list(it.public_news(message)) == [
        Traded(symbol=BTC, at=AT, price=D("69000.1"), quantity=D("0.5"), buy=False)
    ]
    assert list(it.public_news(message)) == []  # once
    [next_one] = it.public_news(message | {"a": 2, "m": False})
    assert isinstance(next_one, Traded)
    assert next_one.buy


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        "ping",
        {},
        {"e": "aggTrade"},
        {"e": "bookTicker", "s": "?"},
        {"result": None, "id": 1},
        touch(MS, "2", "1"),
    ],
)
def test_a_stream_that_talks_nonsense_never_raises(message: Any) -> None:
    it, _ = profile({})
    list(it.public_news(mark(MS)))
    assert list(it.public_news(message)) == []
    list(it.private_news(message))


EVENTS: list[tuple[Any, list[Stir]]] = [
    (
        {"e": "ORDER_TRADE_UPDATE", "o": {"s": "BTCUSDT", "c": ID, "x": "TRADE", "X": "PARTIALLY_FILLED"}},
        [Stir(symbol=BTC, client_id=ID, what="fill")],
    ),
    (
        {"e": "ORDER_TRADE_UPDATE", "o": {"s": "BTCUSDT", "c": ID, "x": "TRADE", "X": "FILLED"}},
        [Stir(symbol=BTC, client_id=ID, ended=True, what="fill")],
    ),
    (
        {"e": "ORDER_TRADE_UPDATE", "o": {"s": "BTCUSDT", "c": ID, "x": "EXPIRED", "X": "EXPIRED_IN_MATCH"}},
        [Stir(symbol=BTC, client_id=ID, ended=True, what="order")],
    ),
    (
        {"e": "ALGO_UPDATE", "o": {"s": "BTCUSDT", "caid": STOP_ID, "X": "TRIGGERED"}},
        [Stir(symbol=BTC, client_id=STOP_ID, what="algo")],
    ),
    (
        {"e": "ALGO_UPDATE", "o": {"s": "BTCUSDT", "caid": STOP_ID, "X": "EXPIRED"}},
        [Stir(symbol=BTC, client_id=STOP_ID, ended=True, what="algo")],
    ),
    (
        {"e": "ACCOUNT_UPDATE", "a": {"m": "ORDER", "B": [], "P": [{"s": "BTCUSDT"}, {"s": "ETHUSDT"}]}},
        [Stir(symbol=BTC, what="position"), Stir(symbol=Symbol("ETH/USDT:USDT"), what="position")],
    ),
    (
        {"e": "ACCOUNT_UPDATE", "a": {"m": "FUNDING_FEE", "B": [], "P": [{"s": "BTCUSDT"}]}},
        [Stir(symbol=BTC, what="funding")],
    ),
    ({"e": "ACCOUNT_UPDATE", "a": {"m": "DEPOSIT", "B": [], "P": []}}, [Stir(symbol=None, what="balance")]),
    ({"e": "TRADE_LITE", "s": "BTCUSDT", "c": ID}, [Stir(symbol=BTC, client_id=ID, what="fill")]),
    ({"e": "listenKeyExpired", "listenKey": "k"}, [Stir(symbol=None, what="listenKeyExpired")]),
    ({"e": "ORDER_TRADE_UPDATE"}, [Stir(symbol=None, what="unreadable")]),
    ("nonsense", [Stir(symbol=None, what="unreadable")]),
    ({"result": None, "id": 1}, []),
]


@pytest.mark.parametrize(("message", "stirs"), EVENTS)
def test_the_accounts_stream_says_where_to_look(message: Any, stirs: list[Stir]) -> None:
    it, _ = profile({})
    assert list(it.private_news(message)) == stirs


class Socket:
    """What ccxt's message handler is given as the connection."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self.url = "wss://fstream.binance.com/private/ws?listenKey=k"
        self.subscriptions: dict[str, Any] = {}

    def on_error(self, error: BaseException) -> None:
        self.errors.append(error)


def test_a_listen_key_that_ran_out_ends_the_stream_so_that_a_new_one_is_taken() -> None:
    caller, _ = recorder(DIALECT, {})
    socket = Socket()
    caller.exchange.options["linear"] = {"listenKey": "k", "lastAuthenticatedTime": MS}
    caller.exchange.handle_message(socket, {"e": "listenKeyExpired", "listenKey": "k"})
    assert len(socket.errors) == 1
    assert caller.exchange.options["linear"]["lastAuthenticatedTime"] == 0


async def test_channels_are_three_for_the_market_and_one_for_the_account() -> None:
    it, _ = profile({})
    assert [each.name for each in it.public_channels([BTC])] == ["touch", "mark", "trades"]
    assert it.public_channels([]) == ()
    assert [each.name for each in it.private_channels()] == ["account"]
