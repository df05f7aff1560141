"""What one exchange has to say for itself: the port that weex.py, binance.py and bybit.py implement.

A profile builds requests and reads answers; it decides nothing, waits for nothing but its client, keeps no state but
what its streams need, and never sends a write twice. Every request goes through the client's `read` or `write` with
ccxt's implicit methods (signed raw calls); nothing of ccxt's unified objects passes.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from trading.model import Direction, Leg, Order, OrderBook, Protection, Quote, Symbol
from trading.venues.exchange.wire import (
    Candles,
    Channel,
    Code,
    Execution,
    Finding,
    FundingNow,
    Held,
    Lane,
    Listing,
    News,
    Pause,
    Payment,
    Purse,
    Rate,
    Seen,
    Stir,
    Terms,
)


class Caller(Protocol):
    """A ccxt instance under our control (client.py). `method` is the name of one of ccxt's implicit methods,
    "fapiPrivatePostOrder"; `params` is sent as it is, and never changed."""

    async def read(self, method: str, params: Mapping[str, Any], *, cost: int = 1, lane: Lane = Lane.READ) -> Any:
        """Raises Transient (RateLimited, VenueDown), OrderRejected where the exchange says no. Never UnknownOutcome:
        nothing can have happened."""
        ...

    async def write(self, method: str, params: Mapping[str, Any], *, lane: Lane, cost: int = 1, orders: int = 0) -> Any:
        """Once, and never again. `orders`: how many it counts as against the exchange's order limits.

        Raises OrderRejected (it said no), Transient (it certainly was not carried out), UnknownOutcome (all else).
        """
        ...

    @property
    def exchange(self) -> Any:
        """The ccxt instance, for signing of what ccxt does not know and for websockets."""
        ...


class Profile(Protocol):
    """`data` and `trade` are separate clients. Symbols are ours; the profile knows the native names of what `listings`
    has found. Reads raise what Caller.read raises, and Garbled (parsing.py) for an answer of another shape; writes what
    Caller.write raises: an answer to a write that has another shape is UnknownOutcome."""

    name: str  # "binance"
    title: str  # "Binance USD-M"
    attaches: bool  # stop and target ride on the entry
    clock_window: timedelta  # how far a signed request's time may be off
    sees_all_fills: bool  # executions(None) reads all instruments at once

    # --- the market (no key) ---

    async def server_time(self) -> datetime: ...

    async def listings(self, bases: Sequence[str], quote: str) -> dict[Symbol, Listing]:
        """Of these bases only: what is not used is not kept. What the exchange does not list is not in the answer."""
        ...

    async def candles(self, symbol: Symbol, every: timedelta, *, start: datetime | None, limit: int) -> Candles:
        """The first `limit` bars from `start` on; without it the last ones. As few requests as it takes."""
        ...

    async def quote(self, symbol: Symbol) -> Quote: ...

    async def book(self, symbol: Symbol, depth: int) -> OrderBook:
        """At least `depth` levels a side where there are so many."""
        ...

    async def funding_now(self, symbol: Symbol) -> FundingNow: ...

    async def funding_rates(self, symbol: Symbol, since: datetime) -> tuple[tuple[datetime, Decimal], ...]:
        """Settled rates, oldest first."""
        ...

    def public_channels(self, symbols: Sequence[Symbol]) -> tuple[Channel, ...]:
        """Quotes (touch and mark) and trades."""
        ...

    def public_news(self, message: Any) -> Iterable[News]:
        """What a raw message of the public stream says; nothing for what is none of ours. Never raises."""
        ...

    # --- the account ---

    async def purse(self) -> Purse: ...

    async def positions(self) -> tuple[Held, ...]:
        """Everything open on the account, instruments we do not trade included (their `symbol` in ccxt's form)."""
        ...

    async def working(self, symbol: Symbol | None = None) -> tuple[Seen, ...]:
        """Plain and conditional orders that may still do something. None: of the whole account."""
        ...

    async def find(self, symbol: Symbol, client_id: str, *, conditional: bool) -> Seen | None:
        """One order by our id, among those that ended too. None: the exchange says that it does not know it."""
        ...

    async def find_by_id(self, symbol: Symbol, id: str) -> Seen | None:
        """One plain order by the exchange's id."""
        ...

    async def executions(self, since: datetime, symbol: Symbol | None) -> tuple[Execution, ...]:
        """Fills at or after `since`, all pages, oldest first. None only where `sees_all_fills`."""
        ...

    async def payments(self, since: datetime) -> tuple[Payment, ...]:
        """Funding at or after `since`, all pages, oldest first."""
        ...

    async def terms(self, symbol: Symbol) -> Terms: ...

    async def set_leverage(self, symbol: Symbol, leverage: int) -> None:
        """OrderRejected with Code.UNCHANGED is for the caller to take as success; so for the next two."""
        ...

    async def set_isolated(self, symbol: Symbol, leverage: int) -> None: ...

    async def set_one_way(self, symbol: Symbol) -> None: ...

    # --- writes ---

    async def place(self, order: Order, protection: Protection | None) -> Seen:
        """One order, with stop and target attached where `attaches` (without, `protection` must be None: raises
        ValueError). Quantities and prices are sent exactly as they are: rounding was the caller's.

        What an acknowledgement does not tell is what the request said, with status OPEN and nothing filled.
        """
        ...

    async def guard(
        self, symbol: Symbol, direction: Direction, quantity: Decimal, leg: Leg, trigger: Decimal, client_id: str
    ) -> None:
        """Place a stop or a target for an open position, on the mark, reduce-only, where none stands.

        For all of the position where the exchange can say so, for `quantity` otherwise.
        """
        ...

    async def move(self, symbol: Symbol, direction: Direction, leg: Leg, standing: Seen, trigger: Decimal) -> None:
        """Move a standing guard to another level, in place, or (where that cannot be) place the new one first and
        cancel the old one then: there is no moment without one. Raises OrderRejected with Code.GONE, Code.TRIGGERS."""
        ...

    async def cancel(self, order: Seen) -> None:
        """Raises OrderRejected with Code.GONE where it is not there any more."""
        ...

    # --- the examination ---

    async def examine_key(self) -> tuple[Finding, ...]:
        """Permissions, IP allow-list, account kind: what can be asked without trading."""
        ...

    # --- streams of the account ---

    def private_channels(self) -> tuple[Channel, ...]:
        """Orders, fills and positions."""
        ...

    def private_news(self, message: Any) -> Iterable[Stir]:
        """What a raw message of the account's stream says. Never raises: what is not understood is a Stir too."""
        ...


class Dialect(Protocol):
    """What the client has to know of an exchange before any profile exists: static, one object a module."""

    @property
    def name(self) -> str: ...

    @property
    def ccxt_id(self) -> str:
        """ "binanceusdm"."""
        ...

    @property
    def domains(self) -> tuple[str, ...]:
        """Hosts that a key may be sent to, "fapi.binance.com"; a leading dot: any below it."""
        ...

    @property
    def secrets(self) -> tuple[str, ...]:
        """Which credentials it needs: "apiKey", "secret", "password"."""
        ...

    @property
    def practices(self) -> tuple[str, ...]:
        """ "demo", "testnet": practice accounts it can trade on."""
        ...

    @property
    def options(self) -> Mapping[str, Any]:
        """Of the ccxt instance."""
        ...

    @property
    def rates(self) -> tuple[Rate, ...]: ...

    @property
    def pauses(self) -> tuple[Pause, ...]: ...

    @property
    def codes(self) -> Mapping[str, Code]:
        """Its refusals, by its own code as text."""
        ...

    @property
    def unknown(self) -> frozenset[str]:
        """Its codes after which a write may or may not have been carried out."""
        ...

    @property
    def not_done(self) -> frozenset[str]:
        """Its codes after which it certainly was not, and may be tried later (busy, throttled)."""
        ...

    @property
    def clock(self) -> frozenset[str]:
        """Its codes for a request whose time is off."""
        ...

    def practise(self, exchange: Any, practice: str) -> None:
        """Turn a ccxt instance to a practice account."""
        ...

    def classes(self, plain: type[Any]) -> type[Any]:
        """The ccxt class to use: `plain`, or a subclass that mends what is wrong in it (venues.md 1.3-2)."""
        ...

    def markets(self, exchange: Any, listings: Iterable[Listing]) -> None:
        """Tell a ccxt instance of these markets, and of no others, for its websocket part: nothing is fetched."""
        ...

    def profile(self, data: Caller, trade: Caller | None, *, practice: str) -> Profile:
        """`trade` None: only the market is read."""
        ...
