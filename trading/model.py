"""The desk's nouns. Values are frozen, money is Decimal, time is aware UTC; a wrong value cannot be built."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import NewType

from trading.errors import IllegalTransition
from trading.exit_plan import NOTHING_YET, ExitPlan, Memory, StopMove

Symbol = NewType("Symbol", str)  # ccxt's unified form of a linear perpetual, "BTC/USDT:USDT"
ClientId = NewType("ClientId", str)  # ours: [a-z0-9-], at most 32 characters, see trading/identity.py
DecisionId = NewType("DecisionId", str)
PositionId = NewType("PositionId", str)  # the id of the decision that opened it

ZERO = Decimal(0)


def base_of(symbol: str) -> str:
    """ "BTC/USDT:USDT" -> "BTC": the name people use."""
    return symbol.partition("/")[0]


def require_utc(at: datetime) -> None:
    if at.tzinfo is None or at.utcoffset() != timedelta(0):
        raise ValueError(f"{at!r} is not an aware UTC time")


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"


class Direction(StrEnum):
    LONG = "long"
    SHORT = "short"

    @property
    def sign(self) -> int:
        return 1 if self is Direction.LONG else -1

    @property
    def entry(self) -> Side:
        return Side.BUY if self is Direction.LONG else Side.SELL

    @property
    def exit(self) -> Side:
        return Side.SELL if self is Direction.LONG else Side.BUY

    @property
    def opposite(self) -> "Direction":
        return Direction.SHORT if self is Direction.LONG else Direction.LONG


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """A linear perpetual as its venue lists it. The only owner of rounding."""

    symbol: Symbol
    tick: Decimal  # price step, quote units
    step: Decimal  # quantity step, base units; may be 100 (negative precision)
    min_quantity: Decimal
    max_quantity: Decimal
    min_notional: Decimal  # quote units
    max_leverage: int
    maker_fee: Decimal  # fraction of notional
    taker_fee: Decimal
    maintenance: Decimal  # maintenance margin, fraction of notional
    funding_every: timedelta = timedelta(hours=8)

    def __post_init__(self) -> None:
        if min(self.tick, self.step, self.min_quantity, self.max_quantity) <= 0 or self.max_leverage < 1:
            raise ValueError(f"{self.symbol}: steps, sizes and leverage must be positive")

    @property
    def base(self) -> str:
        return base_of(self.symbol)

    def round_price(self, price: Decimal) -> Decimal:
        """Nearest tick."""
        return (price / self.tick).quantize(Decimal(1), ROUND_HALF_EVEN) * self.tick

    def round_trigger(self, price: Decimal, *, up: bool) -> Decimal:
        """To the tick at or above (`up`) or at or below `price`: a trigger is rounded away from its own side."""
        return (price / self.tick).quantize(Decimal(1), ROUND_CEILING if up else ROUND_FLOOR) * self.tick

    def round_quantity(self, quantity: Decimal) -> Decimal:
        """Down to the step; never up, so that a plan is never enlarged."""
        return (quantity / self.step).quantize(Decimal(1), ROUND_DOWN) * self.step


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """One closed bar. `taker_buy` (base units) and `trades` are None where the source has none."""

    symbol: Symbol
    opened_at: datetime
    every: timedelta
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal  # base units
    taker_buy: Decimal | None = None
    trades: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.low <= min(self.open, self.close) <= max(self.open, self.close) <= self.high:
            raise ValueError(
                f"{self.symbol} {self.opened_at}: not a bar: {self.open} {self.high} {self.low} {self.close}"
            )
        if self.volume < 0:
            raise ValueError(f"{self.symbol} {self.opened_at}: negative volume {self.volume}")

    @property
    def closed_at(self) -> datetime:
        return self.opened_at + self.every


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The touch and the mark at one moment."""

    symbol: Symbol
    at: datetime
    bid: Decimal
    ask: Decimal
    mark: Decimal

    def __post_init__(self) -> None:
        if not 0 < self.bid <= self.ask or self.mark <= 0:
            raise ValueError(f"{self.symbol} {self.at}: not a quote: {self.bid} / {self.ask}, mark {self.mark}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBook:
    """Levels best first, as (price, quantity)."""

    symbol: Symbol
    at: datetime
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]


class OrderKind(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"  # stop-market: becomes a market order when the mark passes `trigger` against the position
    TAKE_PROFIT = "take_profit"  # the same, in the position's favour


class Leg(StrEnum):
    """What an order is for. Together with the decision it determines the client id."""

    ENTRY = "entry"
    STOP = "stop"
    TARGET = "target"
    PARTIAL = "partial"  # a part of the position, by a step of its plan
    CLOSE = "close"


class OrderStatus(StrEnum):
    INTENDED = "intended"  # journalled, not sent yet
    UNKNOWN = "unknown"  # sent, no answer: to be looked up
    OPEN = "open"
    PARTLY_FILLED = "partly filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    ABANDONED = "abandoned"  # certainly never reached the venue

    @property
    def final(self) -> bool:
        return not ORDER_TRANSITIONS[self]

    @property
    def working(self) -> bool:
        return self in (OrderStatus.OPEN, OrderStatus.PARTLY_FILLED)


_S = OrderStatus
_ENDS = frozenset({_S.FILLED, _S.CANCELLED, _S.EXPIRED})
# The life of an order. A step that is not here raises IllegalTransition.
ORDER_TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    _S.INTENDED: frozenset({_S.OPEN, _S.PARTLY_FILLED, _S.UNKNOWN, _S.REJECTED, _S.ABANDONED}) | _ENDS,
    _S.UNKNOWN: frozenset({_S.OPEN, _S.PARTLY_FILLED, _S.REJECTED, _S.ABANDONED}) | _ENDS,
    _S.OPEN: frozenset({_S.PARTLY_FILLED}) | _ENDS,
    _S.PARTLY_FILLED: frozenset({_S.PARTLY_FILLED}) | _ENDS,
    _S.FILLED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.REJECTED: frozenset(),
    _S.ABANDONED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """The two orders that guard a position on the venue itself: both reduce-only, for `quantity`."""

    stop_id: ClientId
    stop: Decimal
    target_id: ClientId
    target: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order as the desk knows it. It is an intent until the venue has answered."""

    client_id: ClientId
    decision_id: DecisionId
    leg: Leg
    symbol: Symbol
    side: Side
    kind: OrderKind
    quantity: Decimal
    created_at: datetime
    price: Decimal | None = None  # limit orders
    trigger: Decimal | None = None  # stop and take-profit orders
    reduce_only: bool = False
    leverage: int = 1
    expected: Decimal | None = None  # the price that was counted on when it was decided: what slippage is measured from
    status: OrderStatus = OrderStatus.INTENDED
    filled: Decimal = ZERO
    changed_at: datetime | None = None
    note: str = ""  # why it was sent (an exit's rule) or why it ended (a reject's reason)
    protection: Protection | None = None  # entries: the guard that goes with it
    plan: ExitPlan | None = None  # entries: the exits its position will have

    def __post_init__(self) -> None:
        require_utc(self.created_at)
        if self.quantity <= 0 or not 0 <= self.filled <= self.quantity:
            raise ValueError(f"{self.client_id}: {self.filled} filled of {self.quantity}")
        if (self.kind is OrderKind.LIMIT) != (self.price is not None):
            raise ValueError(f"{self.client_id}: a limit order, and only that, has a price")
        if (self.kind in (OrderKind.STOP, OrderKind.TAKE_PROFIT)) != (self.trigger is not None):
            raise ValueError(f"{self.client_id}: a trigger order, and only that, has a trigger")

    @property
    def direction(self) -> Direction:
        """Of the position that an entry opens."""
        return Direction.LONG if self.side is Direction.LONG.entry else Direction.SHORT

    def to(
        self, status: OrderStatus, *, at: datetime, filled: Decimal | None = None, note: str | None = None
    ) -> "Order":
        """The order one step further. Raises IllegalTransition where the table has no such step."""
        if status not in ORDER_TRANSITIONS[self.status]:
            raise IllegalTransition(f"order {self.client_id}: {self.status} -> {status}")
        return replace(
            self,
            status=status,
            filled=self.filled if filled is None else filled,
            changed_at=at,
            note=self.note if note is None else note,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution. `fee` is in quote units, positive when paid."""

    id: str  # the venue's own, unique per venue and increasing in time
    client_id: ClientId
    symbol: Symbol
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    at: datetime
    maker: bool = False
    liquidation: bool = False

    def __post_init__(self) -> None:
        require_utc(self.at)
        if self.quantity <= 0 or self.price <= 0:
            raise ValueError(f"fill {self.id}: {self.quantity} @ {self.price}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingPayment:
    """Funding settled on a position; `amount` is in quote units, positive when received."""

    id: str
    symbol: Symbol
    at: datetime
    rate: Decimal
    amount: Decimal


class ExitReason(StrEnum):
    STOP_LOSS = "stop loss"
    TAKE_PROFIT = "take profit"
    EARLY_EXIT = "early exit"
    FORCE_EXIT = "force exit"
    BREAK_EVEN = "break-even stop"
    TRAILING_STOP = "trailing stop"
    TIME_LIMIT = "time limit"
    MAX_HOLD = "maximum hold"
    REGIME_CHANGE = "regime change"
    REBALANCE = "portfolio rebalance"
    INVALIDATION = "thesis invalidated"
    PARTIAL = "partial exit"  # its last step closed what was left
    BREAKER = "circuit breaker"
    HEALTH = "strategy health"
    MANUAL = "closed by hand"
    UNPROTECTED = "protection not confirmed"
    LIQUIDATION = "liquidation"
    END_OF_DATA = "end of data"
    VENUE = "closed at the venue"  # found flat on reconciliation, the desk had not asked for it


class Guard(StrEnum):
    """Whether the venue itself was seen to hold a position's stop and target."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """An open position. `cost` is the sum of price x quantity of what is open, so that averages never round."""

    id: PositionId
    symbol: Symbol
    direction: Direction
    quantity: Decimal
    cost: Decimal
    leverage: int
    opened_at: datetime
    plan: ExitPlan
    protection: Protection
    playbook: str
    entry_quantity: Decimal  # all that was ever bought into it
    entry_cost: Decimal
    exit_quantity: Decimal = ZERO
    exit_value: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    guard: Guard = Guard.PENDING
    guard_since: datetime | None = None  # when the state of `guard` began
    closing: ExitReason | None = None  # set when the desk has decided to close it
    closing_note: str = ""  # the rule's numbers, in words
    closes: int = 0  # close orders sent so far: the number of the next leg
    memory: Memory = NOTHING_YET
    moving: StopMove | None = None  # journalled before the venue is asked, gone when it has answered

    @property
    def entry(self) -> Decimal:
        """Average entry price of what is open."""
        return self.cost / self.quantity

    def move(self, mark: Decimal) -> Decimal:
        """Unlevered move of `mark` against the entry, a fraction, positive is profit."""
        return (mark - self.entry) / self.entry * self.direction.sign

    def unrealised(self, mark: Decimal) -> Decimal:
        """Quote units, before fees and funding."""
        return (mark * self.quantity - self.cost) * self.direction.sign

    @property
    def booked(self) -> Decimal:
        """What is realised on it already: partial exits, fees, funding. Quote units."""
        return (self.exit_value - (self.entry_cost - self.cost)) * self.direction.sign - self.fees + self.funding

    @property
    def margin(self) -> Decimal:
        return self.cost / self.leverage

    @property
    def risk(self) -> Decimal:
        """What the first stop would have cost on the whole entry: the R of an R-multiple, quote units."""
        entry = self.entry_cost / self.entry_quantity
        return abs(entry - (self.memory.first_stop or self.protection.stop)) * self.entry_quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A closed round trip. net = gross - fees + funding, exactly."""

    id: PositionId
    symbol: Symbol
    direction: Direction
    quantity: Decimal
    entry: Decimal
    exit: Decimal
    opened_at: datetime
    closed_at: datetime
    gross: Decimal
    fees: Decimal
    funding: Decimal
    r: Decimal  # net / risk at entry
    reason: ExitReason
    note: str
    playbook: str
    leverage: int

    @property
    def net(self) -> Decimal:
        return self.gross - self.fees + self.funding


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The account as the venue tells it, quote units."""

    wallet: Decimal  # without unrealised P&L
    available: Decimal  # free for new margin
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallets:
    """What the venue and the desk's own books have in the wallet, of one moment."""

    venue: Decimal
    desk: Decimal
    at: datetime

    @property
    def difference(self) -> Decimal:
        return self.venue - self.desk


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A position as the venue tells it."""

    symbol: Symbol
    direction: Direction
    quantity: Decimal
    entry: Decimal


class TradingState(StrEnum):
    ACTIVE = "active"
    HALTED = "halted"


TRADING_TRANSITIONS: dict[TradingState, frozenset[TradingState]] = {
    TradingState.ACTIVE: frozenset({TradingState.HALTED}),
    TradingState.HALTED: frozenset({TradingState.ACTIVE}),
}


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
