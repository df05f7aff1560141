"""What profiles and the adapter say to each other: an exchange's answers as checked values. Money is Decimal, time UTC.

A profile (profile.py) turns one exchange's raw answers into these and nothing else; the adapter (venue.py) knows no
exchange by name.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any

from trading.model import Direction, Instrument, Leg, OrderKind, OrderStatus, Quote, Side, Symbol


class Lane(IntEnum):
    """Who goes first when the exchange's limits are near: the lower number."""

    EXIT = 0  # closes, cancels, protection, moves of a stop
    ENTRY = 1
    READ = 2


class Code(StrEnum):
    """Why an exchange said no, in our words: the `code` of an OrderRejected. Profiles map their numbers to these."""

    AUTH = "auth"  # key, passphrase or signature: a person has to mend it
    PERMISSION = "permission"  # the key may not do this
    IP = "ip"  # the key does not work from this address
    DUPLICATE = "duplicate"  # the client id is known there
    GONE = "gone"  # there is no such order any more
    MARGIN = "insufficient_margin"
    SIZE = "size"  # quantity or notional outside what it takes
    STEP = "step"  # off the step or the tick
    PRICE = "price"  # a limit price outside its band
    TRIGGERS = "triggers"  # a stop or target that would fire at once
    REDUCE_ONLY = "reduce_only"  # nothing is open on the other side
    EXISTS = "exists"  # there is one already where only one may be (Binance: closePosition, -4130)
    LEVERAGE = "leverage"
    MODE = "mode"  # position or margin mode
    UNCHANGED = "unchanged"  # it is so already: that is success
    SYMBOL = "symbol"  # not listed, or not tradable through the API
    BUSY = "busy"  # open orders or a position forbid the change
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """An instrument and what only its exchange has to know of it."""

    instrument: Instrument
    native: str  # the exchange's own name, "BTCUSDT"
    max_market: Decimal  # largest market order, base units
    tradable: bool = True  # through the API; False: its data may be read
    why: str = ""  # why it is not tradable
    raw: Any = None  # the exchange's own row, for ccxt's websocket part


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An order as the exchange shows it: plain or conditional ("algo"), working or ended."""

    symbol: Symbol
    id: str  # the exchange's
    client_id: str  # "" where it carries none (a guard that rode on an entry)
    kind: OrderKind
    side: Side
    quantity: Decimal  # base units; 0: all of the position, whatever that is then
    filled: Decimal
    status: OrderStatus
    at: datetime  # last change
    reduce_only: bool = False
    price: Decimal | None = None
    trigger: Decimal | None = None
    conditional: bool = False  # it stands among the conditional orders, and is cancelled there
    closes: Direction | None = None  # the side of the position that it reduces, where the exchange says so
    fired: str = ""  # id of the plain order that a conditional one became
    forced: bool = False  # the exchange's own: a liquidation, or a deleveraging
    note: str = ""  # why it ended, in the exchange's words


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A position as the exchange shows it."""

    symbol: Symbol
    direction: Direction
    quantity: Decimal
    entry: Decimal
    leverage: int | None = None
    liquidation: Decimal | None = None  # None: none, or not told
    stop: Decimal | None = None  # levels that belong to the position itself (Bybit)
    target: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One fill. `trade` is the exchange's id of it, unique with the symbol."""

    symbol: Symbol
    trade: str
    order: str  # the exchange's id of the order
    client_id: str  # "" where the exchange does not say: it is looked up by `order`
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal  # quote units, positive when paid
    at: datetime
    maker: bool = False
    liquidation: bool = False
    guard: Leg | None = None  # STOP or TARGET, where the exchange says that such an order did it
    realised: Decimal | None = None  # its own P&L of this fill, before fees; None: not told
    fee_asset: str = ""  # where it is not the quote asset: `fee` is 0 then, and the wallet is not touched by it


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Funding that was settled; positive when received, quote units."""

    symbol: Symbol
    id: str
    at: datetime
    amount: Decimal
    rate: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """The account in the quote asset."""

    wallet: Decimal  # without unrealised P&L
    available: Decimal


class Margin(StrEnum):
    ISOLATED = "isolated"
    CROSS = "cross"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Under which terms an instrument is traded on this account, as read back."""

    leverage: int | None  # None: differs between the sides, or not told
    margin: Margin
    one_way: bool  # one position an instrument; True as well where modes do not exist (WEEX, see profile)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candles:
    """Bars as read, oldest first, possibly with the unfinished one at the end: the reader drops what has not closed."""

    opened: tuple[int, ...]  # milliseconds UTC
    rows: tuple[tuple[Decimal, Decimal, Decimal, Decimal, Decimal], ...]  # open, high, low, close, volume (base)
    taker_buy: tuple[Decimal, ...] | None  # base units; None: this exchange's candles do not tell
    trades: tuple[int, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingNow:
    """The rate that will be settled next, and when."""

    rate: Decimal
    next_at: datetime
    every: timedelta


# --- what streams say ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Traded:
    """A public trade. `buy`: the taker bought."""

    symbol: Symbol
    at: datetime
    price: Decimal
    quantity: Decimal
    buy: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stir:
    """Something happened on the account. A stream is a hint: what it was is read over REST.

    `client_id` where the message names an order; `ended` where it says that the order will do nothing more.
    """

    symbol: Symbol | None  # None: anywhere
    client_id: str = ""
    ended: bool = False
    what: str = ""  # "fill", "order", "position", "balance", "algo"; for the log


News = Quote | Traded  # public


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One subscription of ccxt's websocket part. `watch` is awaited again and again; what it returns is not used:
    every raw message has passed the tap before (venues.md 1.3-13)."""

    name: str  # "BTC/USDT:USDT book ticker"
    watch: Callable[[], Awaitable[Any]]


# --- limits -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So much of one thing within a sliding window."""

    name: str  # "weight", "orders"
    limit: int
    per: timedelta
    header: str = ""  # where the exchange tells how much is used; "" where it does not


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """How long to be silent after a refusal for speed, where the exchange does not say it itself (Retry-After)."""

    status: int  # HTTP status
    after: timedelta


# --- the examination (doctor) ---------------------------------------------------------------------------------------


class Grade(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of `gavel doctor`."""

    name: str  # "clock", "permissions of the key"
    grade: Grade
    detail: str
    mend: str = ""  # what to do about it; "" when ok
