"""Requests leave for the exchange's own hosts only: whatever ccxt, its options or a redirect would have."""

from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import certifi
import pytest

from tests.exchange_stub import KEYS, StubDialect, StubExchange, a_bench, says
from tests.fakes.exchange_tls import Loop
from trading.clock import ManualClock
from trading.errors import Misuse, VenueDown
from trading.venues.exchange.client import Client
from trading.venues.exchange.hosts import ForeignHost, Loopback, Pins, Redirected, session
from trading.venues.exchange.wire import Lane

PINS = Pins(("fapi.binance.com", ".bybit.com"))


@pytest.mark.parametrize(
    "url",
    [
        "https://fapi.binance.com/fapi/v1/order?a=b",
        "wss://fapi.binance.com/ws",
        "https://api.bybit.com/v5",
        "https://api-demo.bybit.com:443/v5",
    ],
)
def test_the_exchanges_own_hosts_pass(url: str) -> None:
    PINS.check(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://fapi.binance.com/fapi/v1/order",
        "ws://fapi.binance.com/ws",
        "file:///etc/passwd",
        "/fapi/v1/order",
        "",
        "https://binance.com/",
        "https://FAPI.binance.com/",
        "https://bybit.com/",
        "https://evilbybit.com/",
        "https://fapi.binance.com.evil.com/",
        "https://evil.com/fapi.binance.com",
        "https://fapi.binance.com@evil.com/",
        "https://evil.com#fapi.binance.com",
        "https://user:word@fapi.binance.com/",
        "https://fapi.binance.com:8443/",
        "https://fapi.binance.com./",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://2130706433/",
        "https://xn--fapi-binance.com/",
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    with pytest.raises(ForeignHost) as caught:
        PINS.check(url)
    assert isinstance(caught.value, Misuse)


def test_without_domains_nothing_passes() -> None:
    with pytest.raises(ForeignHost):
        Pins(()).check("https://fapi.binance.com/")


async def test_a_client_whose_urls_were_changed_sends_nothing_there() -> None:
    async with a_bench() as bench:
        bench.client.exchange.urls["api"]["fapiPrivate"] = "https://evil.example/fapi/v1"
        with pytest.raises(VenueDown, match=r"'evil\.example' is not a host of this exchange"):
            await bench.client.write("fapiPrivatePostOrder", {"symbol": "BTCUSDT"}, lane=Lane.ENTRY)
        bench.client.exchange.urls["api"]["fapiPrivate"] = "http://fapi.binance.com/fapi/v1"
        with pytest.raises(VenueDown, match="only https and wss leave"):
            await bench.client.write("fapiPrivatePostOrder", {"symbol": "BTCUSDT"}, lane=Lane.ENTRY)
        assert bench.exchange.seen == []


async def test_nor_with_a_session_that_ccxt_might_open_by_itself() -> None:
    async with a_bench() as bench, aiohttp.ClientSession() as open_to_all:
        bench.client.exchange.session = open_to_all
        bench.client.exchange.urls["api"]["fapiPrivate"] = f"http://127.0.0.1:{bench.loopback.port}/fapi/v1"
        with pytest.raises(VenueDown, match="only https and wss leave"):
            await bench.client.write("fapiPrivatePostOrder", {"symbol": "BTCUSDT"}, lane=Lane.ENTRY)


async def test_a_websocket_elsewhere_is_not_opened() -> None:
    async with a_bench(keys=None) as bench:
        exchange = bench.client.stream(lambda message: None)
        for url in ("wss://evil.example/ws", "ws://fstream.binance.com/ws", "wss://127.0.0.1/ws"):
            with pytest.raises(ForeignHost):
                exchange.client(url)


async def test_the_session_alone_refuses_too() -> None:
    exchange = StubExchange(hosts=("fapi.binance.com", "127.0.0.1", "www.binance.com"))
    async with Loop([exchange]) as loop:
        only = session(("fapi.binance.com",), Loopback(port=loop.port, ca=loop.ca))
        async with only:
            for url in ("https://www.binance.com/", f"https://127.0.0.1:{loop.port}/", "http://fapi.binance.com/"):
                with pytest.raises(ForeignHost):
                    await only.get(url)
            with pytest.raises(ForeignHost):
                await only.ws_connect("wss://www.binance.com/ws")
            async with only.get("https://fapi.binance.com/") as answer:
                assert answer.status == 200
        assert [seen.host for seen in exchange.seen] == ["fapi.binance.com"]


async def test_the_resolver_refuses_too() -> None:
    async with session(("fapi.binance.com",)) as only:
        connector = only.connector
        assert isinstance(connector, aiohttp.TCPConnector)
        with pytest.raises(OSError, match="is not a host of this exchange"):
            await connector._resolver.resolve("www.binance.com", 443)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    exchange = StubExchange()
    exchange.plan("/here", says("", status=status, Location="https://fapi.binance.com/there"))
    async with Loop([exchange]) as loop:
        async with session(exchange.hosts, Loopback(port=loop.port, ca=loop.ca)) as only:
            with pytest.raises(Redirected):
                await only.get("https://fapi.binance.com/here")
        assert [seen.path for seen in exchange.seen] == ["/here"]


async def test_a_certificate_of_somebody_else_is_not_trusted() -> None:
    async with Loop([StubExchange()]) as loop:
        others = Loopback(port=loop.port, ca=Path(certifi.where()))
        async with session(("fapi.binance.com",), others) as trusting:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await trusting.get("https://fapi.binance.com/")


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with a_bench() as bench:
        assert await bench.client.read("fapiPublicGetTime", {}) == {}


async def test_a_proxy_in_the_dialects_options_is_not_used_either() -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    exchange = StubExchange()
    async with Loop([exchange]) as loop:
        client = Client(StubDialect(), clock=clock, keys=KEYS, loopback=Loopback(port=loop.port, ca=loop.ca))
        try:
            assert client.exchange.aiohttp_trust_env is False
            assert client.exchange.aiohttp_proxy is None
            assert client.exchange.check_proxy_settings() == [None, None, None]
        finally:
            await client.close()
