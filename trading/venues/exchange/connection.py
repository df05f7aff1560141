"""One exchange, connected: its clients, its market, its account, and the tasks that keep them current."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta

from trading.model import Symbol
from trading.ports import Clock
from trading.venues.exchange.account_stream import AccountStream
from trading.venues.exchange.client import Client, open_clients
from trading.venues.exchange.hosts import Loopback
from trading.venues.exchange.listening import Listening
from trading.venues.exchange.live_feed import LiveFeed
from trading.venues.exchange.profile import Dialect, Profile
from trading.venues.exchange.venue import ExchangeVenue
from trading.venues.exchange.wire import Channel

log = logging.getLogger(__name__)


class Connection:
    """Open with `Connection.open`; `run` beside the desk; `close` at the end. `venue` None: only the market is read."""

    def __init__(
        self,
        dialect: Dialect,
        *,
        data: Client,
        trade: Client | None,
        practice: str,
        clock: Clock,
        bases: Sequence[str],
        quote: str,
        every: timedelta,
    ) -> None:
        self.dialect = dialect
        self.practice = practice
        self.data, self.trade = data, trade
        self.profile: Profile = dialect.profile(data, trade, practice=practice)
        self.feed = LiveFeed(self.profile, bases=bases, quote=quote, every=every, clock=clock)
        self.venue: ExchangeVenue | None = None
        self.account: AccountStream | None = None
        self.streams: list[Listening] = []
        self._clock = clock
        self._relisted = asyncio.Event()
        self._subscribed: set[Symbol] = set()
        if trade is not None:
            self.venue = ExchangeVenue(
                self.profile, listings=lambda: self.feed.listings, quotes=self.feed.quote, clock=clock
            )
            self.account = AccountStream(self.venue)

    @classmethod
    async def open(
        cls,
        dialect: Dialect,
        *,
        keys: Mapping[str, str] | None,
        practice: str,
        loopback: Loopback | None,
        clock: Clock,
        bases: Sequence[str],
        quote: str,
        every: timedelta,
    ) -> "Connection":
        """Raises Transient where the market cannot be read, OrderRejected where it is refused, BadSettings for keys
        that are not whole."""
        data, trade = open_clients(dialect, keys=keys, practice=practice, loopback=loopback, clock=clock)
        async with AsyncExitStack() as opened:
            ahead = timedelta()
            for client in (data, trade):
                if client is not None:
                    opened.push_async_callback(client.close)
                    ahead = await client.resync()
            made = cls(
                dialect,
                data=data,
                trade=trade,
                practice=practice,
                clock=clock,
                bases=bases,
                quote=quote,
                every=every,
            )
            made.feed.bars.ahead = ahead
            await made.feed.open()
            made._listen()
            opened.pop_all()
        return made

    def _listen(self) -> None:
        """Subscribe to what there is; the sockets open with `run`."""
        listings = list(self.feed.listings.values())
        self.dialect.markets(self.data.stream(self.feed.hear), listings)
        self._market = Listening("market", self._market_channels(), self._clock, back=self.feed.back)
        self.streams.append(self._market)
        self.feed.followers.append(self._relisted.set)
        if self.trade is not None and self.account is not None:
            self.dialect.markets(self.trade.stream(self.account.hear), listings)
            account = self.profile.private_channels()
            self.streams.append(Listening("account", account, self._clock, back=self.account.everything))

    def _market_channels(self) -> Sequence[Channel]:
        self._subscribed = set(self.feed.instruments())
        return self.profile.public_channels(sorted(self._subscribed))

    async def run(self) -> None:
        """For ever; ends by cancellation only."""
        for stream in self.streams:
            stream.start()
        await asyncio.gather(self.feed.run(), self._follow())

    async def _follow(self) -> None:
        """Where more instruments are traded than before, their streams are opened too."""
        while True:
            await self._relisted.wait()
            self._relisted.clear()
            listings = list(self.feed.listings.values())
            for client in (self.data, self.trade):
                if client is not None:
                    self.dialect.markets(client.exchange, listings)
            if not self.feed.instruments().keys() <= self._subscribed:
                await self._market.renew(self._market_channels())

    async def close(self) -> None:
        for stream in self.streams:
            await stream.close()
        if self.account is not None:
            await self.account.close()
        clients = [client.close() for client in (self.data, self.trade) if client is not None]
        await asyncio.gather(*clients, return_exceptions=True)
