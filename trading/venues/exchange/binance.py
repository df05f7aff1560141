"""Binance USD-M futures: what the client has to know of it, and its profile."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from trading.model import Symbol
from trading.venues.exchange.binance_codes import CLOCK, CODES, NOT_DONE, UNKNOWN
from trading.venues.exchange.binance_news import PublicNews, private_channels, private_news, public_channels
from trading.venues.exchange.binance_orders import OrderSide
from trading.venues.exchange.profile import Caller
from trading.venues.exchange.wire import Channel, Code, Listing, News, Pause, Rate, Stir

WINDOW = timedelta(seconds=5)  # how long a signed request stays good: what is later than that is refused


class BinanceProfile(OrderSide):
    """The two sides of the exchange over two clients."""

    name = "binance"
    title = "Binance USD-M"
    attaches = False
    clock_window = WINDOW
    sees_all_fills = False

    def __init__(self, data: Caller, trade: Caller | None, *, practice: str) -> None:
        super().__init__(data, trade, practice=practice)
        self._news = PublicNews()

    def public_channels(self, symbols: Sequence[Symbol]) -> tuple[Channel, ...]:
        return public_channels(self._data, symbols)

    def public_news(self, message: Any) -> Iterable[News]:
        return self._news.read(message)

    def private_channels(self) -> tuple[Channel, ...]:
        return private_channels(self._account)

    def private_news(self, message: Any) -> Iterable[Stir]:
        return private_news(message)


OPTIONS: Mapping[str, Any] = MappingProxyType(
    {
        "recvWindow": int(WINDOW.total_seconds() * 1000),
        "maxRetriesOnFailure": 0,
        # With a key ccxt would ask other hosts of the exchange for these when it loads markets.
        "fetchCurrencies": False,
        "fetchMargins": False,
        "watchPositions": {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False},
        "watchBalance": {"fetchBalanceSnapshot": False, "awaitBalanceSnapshot": False},
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BinanceDialect:
    name: str = "binance"
    ccxt_id: str = "binanceusdm"
    domains: tuple[str, ...] = (
        "fapi.binance.com",
        "fstream.binance.com",
        "api.binance.com",  # the rights of a key are told there
        "demo-fapi.binance.com",
        "fstream.binancefuture.com",  # the demo's streams
    )
    secrets: tuple[str, ...] = ("apiKey", "secret")
    practices: tuple[str, ...] = ("demo",)
    options: Mapping[str, Any] = field(default_factory=lambda: OPTIONS)
    rates: tuple[Rate, ...] = (
        Rate(name="weight", limit=2400, per=timedelta(minutes=1), header="X-MBX-USED-WEIGHT-1M"),
        Rate(name="orders", limit=300, per=timedelta(seconds=10), header="X-MBX-ORDER-COUNT-10S"),
        Rate(name="orders", limit=1200, per=timedelta(minutes=1), header="X-MBX-ORDER-COUNT-1M"),
    )
    pauses: tuple[Pause, ...] = (
        Pause(status=429, after=timedelta(minutes=1)),
        Pause(status=418, after=timedelta(minutes=2)),  # the shortest ban; the longest is three days
        Pause(status=403, after=timedelta(minutes=5)),  # the firewall before the exchange
    )
    codes: Mapping[str, Code] = field(default_factory=lambda: CODES)
    unknown: frozenset[str] = UNKNOWN
    not_done: frozenset[str] = NOT_DONE
    clock: frozenset[str] = CLOCK

    def practise(self, exchange: Any, practice: str) -> None:
        if practice not in self.practices:
            raise ValueError(f"Binance has no {practice!r} to practise on, only {', '.join(self.practices)}")
        exchange.enable_demo_trading(True)

    def classes(self, plain: type[Any]) -> type[Any]:
        return type(plain.__name__, (_Renewing, plain), {})

    def markets(self, exchange: Any, listings: Iterable[Listing]) -> None:
        exchange.set_markets([exchange.parse_market(each.raw) for each in listings])

    def profile(self, data: Caller, trade: Caller | None, *, practice: str) -> BinanceProfile:
        return BinanceProfile(data, trade, practice=practice)


class _Renewing:
    """ccxt does nothing when the exchange says that a listen key has run out: the stream would stay open and silent."""

    options: dict[str, Any]

    def handle_message(self, client: Any, message: Any) -> None:
        if isinstance(message, dict) and message.get("e") == "listenKeyExpired":
            self.options["linear"] = {"listenKey": None, "lastAuthenticatedTime": 0}
            client.on_error(ConnectionError("the listen key has expired"))
            return
        super().handle_message(client, message)  # type: ignore[misc]


DIALECT = BinanceDialect()
