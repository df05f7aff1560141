"""An emulated exchange with our adapter before it: real client, addresses, TLS and signatures, all on loopback."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.binance_exchange import BinanceExchange
from tests.fakes.bybit_exchange import BybitExchange
from tests.fakes.exchange_core import Core
from tests.fakes.exchange_faults import Faults
from tests.fakes.exchange_tls import Loop
from tests.fakes.weex_exchange import WEEX_SPECS, WeexExchange
from trading.clock import SystemClock
from trading.errors import NoEvidence
from trading.messages import VenueUpdate
from trading.model import Quote, Symbol
from trading.venues.exchange.account_stream import AccountStream
from trading.venues.exchange.client import Client, open_clients
from trading.venues.exchange.hosts import Loopback
from trading.venues.exchange.listening import Listening
from trading.venues.exchange.profile import Dialect, Profile
from trading.venues.exchange.registry import DIALECTS
from trading.venues.exchange.venue import ExchangeVenue
from trading.venues.exchange.wire import Listing

NAMES = ("weex", "binance", "bybit")
KEYS = {"apiKey": "key", "secret": "secret", "password": "pass"}


def now_ms() -> int:
    return int(time.time() * 1000)


def an_exchange(name: str, *, clock: Callable[[], int] = now_ms, **core: Any) -> Any:
    """One emulated exchange with its core; `front.core` moves its market."""
    faults = Faults()
    match name:
        case "weex":
            return WeexExchange(
                Core(**{"specs": WEEX_SPECS, "now": clock, "hedged": True, **core}), faults=faults, clock=clock
            )
        case "binance":
            return BinanceExchange(Core(**{"now": clock, **core}), faults=faults, clock=clock)
        case _:
            return BybitExchange(Core(**{"now": clock, **core}), faults=faults, clock=clock)


def keys_for(name: str) -> dict[str, str]:
    return {key: KEYS[key] for key in DIALECTS[name].secrets}


def no_quotes(symbol: Symbol) -> Quote:
    """Nobody listens to the market: each check reads it."""
    raise NoEvidence(f"{symbol}: nobody listens")


@dataclass
class House:
    name: str
    front: Any
    loop: Loop
    dialect: Dialect
    data: Client
    trade: Client
    profile: Profile
    venue: ExchangeVenue
    stream: AccountStream
    listings: dict[Symbol, Listing]
    updates: list[VenueUpdate] = field(default_factory=list)
    listening: Listening | None = None

    @property
    def core(self) -> Core:
        core: Core = self.front.core
        return core

    def native(self, symbol: Symbol) -> str:
        return self.listings[symbol].native

    async def listen(self) -> None:
        """Open the account's stream, and wait until it stands."""
        self.dialect.markets(self.trade.stream(self.stream.hear), self.listings.values())
        self.listening = Listening(
            "account", self.profile.private_channels(), SystemClock(), back=self.stream.everything
        )
        self.listening.start()
        async with asyncio.timeout(10):
            while not self.streams_stand():  # noqa: ASYNC110 - the exchange has no event for it
                await asyncio.sleep(0.02)

    def streams_stand(self) -> bool:
        streams = self.front.streams
        match self.name:
            case "weex":
                return any(socket.private and len(socket.channels) >= 4 for socket in streams.sockets)
            case "binance":
                return any(connection.account for connection in streams._connections)
            case _:
                return any(socket.private and len(socket.topics) >= 3 for socket in streams._sockets)

    async def quiet(self) -> None:
        """Until what the account's stream has stirred up is read."""
        await asyncio.sleep(0.1)
        async with asyncio.timeout(10):
            while self.stream.busy:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.02)


@asynccontextmanager
async def a_house(
    name: str, bases: Sequence[str] = ("BTC",), *, front: Any = None, **core: Any
) -> AsyncIterator[House]:
    front = front or an_exchange(name, **core)
    async with AsyncExitStack() as opened:
        loop = await opened.enter_async_context(Loop([front]))
        dialect, clock = DIALECTS[name], SystemClock()
        loopback = Loopback(port=loop.port, ca=loop.ca)
        data, trade = open_clients(dialect, keys=keys_for(name), practice="", loopback=loopback, clock=clock)
        assert trade is not None
        opened.push_async_callback(data.close)
        opened.push_async_callback(trade.close)
        profile = dialect.profile(data, trade, practice="")
        listings = await profile.listings(bases, "USDT")
        venue = ExchangeVenue(profile, listings=lambda: listings, quotes=no_quotes, clock=clock)
        stream = AccountStream(venue)
        opened.push_async_callback(stream.close)
        house = House(name, front, loop, dialect, data, trade, profile, venue, stream, listings)
        venue.listen(house.updates.append)
        try:
            yield house
        finally:
            if house.listening is not None:
                await house.listening.close()
