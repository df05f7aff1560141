"""Bybit V5, linear USDT perpetuals on a unified account: the profile and what the client has to know of it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from trading.errors import Misuse
from trading.model import Symbol
from trading.venues.exchange import bybit_codes
from trading.venues.exchange.bybit_account import AccountSide
from trading.venues.exchange.bybit_market import MarketSide
from trading.venues.exchange.bybit_orders import OrderSide
from trading.venues.exchange.bybit_requests import COIN
from trading.venues.exchange.bybit_streams import Tickers, stirs
from trading.venues.exchange.profile import Caller, Dialect, Profile
from trading.venues.exchange.wire import Channel, Code, Listing, News, Pause, Rate, Stir


class BybitProfile(MarketSide, AccountSide, OrderSide):
    name = "bybit"
    title = "Bybit V5"
    attaches = True
    clock_window = timedelta(seconds=5)  # late; no more than one second early
    sees_all_fills = True

    def __init__(self, data: Caller, trade: Caller | None, *, practice: str = "") -> None:
        super().__init__(data, trade, practice=practice)
        self._tickers = Tickers(self._names)

    def public_channels(self, symbols: Sequence[Symbol]) -> tuple[Channel, ...]:
        exchange, wanted = self._data.exchange, list(symbols)
        if not wanted:
            return ()
        return (
            Channel(name="bybit tickers", watch=lambda: exchange.watch_tickers(wanted)),
            Channel(name="bybit trades", watch=lambda: exchange.watch_trades_for_symbols(wanted)),
        )

    def public_news(self, message: Any) -> Iterable[News]:
        return self._tickers.news(message)

    def private_channels(self) -> tuple[Channel, ...]:
        exchange = self._account.exchange
        return (
            Channel(name="bybit orders", watch=lambda: exchange.watch_orders()),
            Channel(name="bybit executions", watch=lambda: exchange.watch_my_trades()),
            Channel(name="bybit positions", watch=lambda: exchange.watch_positions()),
        )

    def private_news(self, message: Any) -> Iterable[Stir]:
        return stirs(message, self._names)


class BybitDialect:
    name: str = "bybit"
    ccxt_id: str = "bybit"
    domains: tuple[str, ...] = (
        "api.bybit.com",
        "stream.bybit.com",
        "api-testnet.bybit.com",
        "stream-testnet.bybit.com",
        "api-demo.bybit.com",
        "stream-demo.bybit.com",
    )
    secrets: tuple[str, ...] = ("apiKey", "secret")
    practices: tuple[str, ...] = ("demo", "testnet")
    options: Mapping[str, Any] = {
        # Set beforehand, or the first private request makes two more of its own (venues.md 1.3-10).
        "enableUnifiedMargin": False,
        "enableUnifiedAccount": True,
        "defaultType": "swap",
        "defaultSubType": "linear",
        "defaultSettle": COIN,
        "fetchMarkets": {"types": ["linear"]},
        "recvWindow": 5000,
        # what ccxt keeps of messages that have passed the tap is of no use
        "tradesLimit": 10,
        "ordersLimit": 10,
        # or the stream of positions reads all of them over REST, past our limiter
        "watchPositions": {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False},
    }
    rates: tuple[Rate, ...] = (
        Rate(name="requests", limit=600, per=timedelta(seconds=5)),
        Rate(name="orders", limit=10, per=timedelta(seconds=1)),
    )
    pauses: tuple[Pause, ...] = (
        Pause(status=403, after=timedelta(minutes=10)),
        Pause(status=429, after=timedelta(seconds=5)),
    )
    codes: Mapping[str, Code] = bybit_codes.CODES
    unknown: frozenset[str] = bybit_codes.UNKNOWN
    not_done: frozenset[str] = bybit_codes.NOT_DONE
    clock: frozenset[str] = bybit_codes.CLOCK

    def practise(self, exchange: Any, practice: str) -> None:
        if practice == "testnet":
            exchange.set_sandbox_mode(True)
        elif practice == "demo":
            exchange.enable_demo_trading(True)
        else:
            raise Misuse(f"Bybit has no practice account {practice!r}: it has {' and '.join(self.practices)}")

    def classes(self, plain: type[Any]) -> type[Any]:
        """As it is: what we use of ccxt's class is right."""
        return plain

    def markets(self, exchange: Any, listings: Iterable[Listing]) -> None:
        exchange.set_markets([_market_of(exchange, listing) for listing in listings])

    def profile(self, data: Caller, trade: Caller | None, *, practice: str) -> Profile:
        return BybitProfile(data, trade, practice=practice)


def _market_of(exchange: Any, listing: Listing) -> Any:
    symbol = listing.instrument.symbol
    base, _, quote = symbol.partition(":")[0].partition("/")
    return exchange.safe_market_structure(
        {
            "id": listing.native,
            "symbol": symbol,
            "base": base,
            "baseId": base,
            "quote": quote,
            "quoteId": quote,
            "settle": quote,
            "settleId": quote,
            "type": "swap",
            "subType": "linear",
            "contract": True,
            "swap": True,
            "linear": True,
            "inverse": False,
            "spot": False,
            "active": True,
            "contractSize": 1.0,
            "precision": {"amount": float(listing.instrument.step), "price": float(listing.instrument.tick)},
            "info": listing.raw,
        }
    )


DIALECT: Dialect = BybitDialect()
