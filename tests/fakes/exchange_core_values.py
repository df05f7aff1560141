"""What the emulated exchange trades in: listings, orders, fills, positions, incomes and its refusals. Money is Decimal,
times are milliseconds."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Side = Literal["BUY", "SELL"]
Direction = Literal["LONG", "SHORT"]
Kind = Literal["MARKET", "LIMIT", "STOP_MARKET", "TAKE_PROFIT_MARKET"]
Status = Literal["NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED", "REJECTED", "UNTRIGGERED", "TRIGGERED"]
Margin = Literal["ISOLATED", "CROSSED"]

CENT = Decimal("0.00000001")  # money is booked to eight places, as the three exchanges do
OPEN_STATUSES: frozenset[str] = frozenset({"NEW", "PARTIALLY_FILLED", "UNTRIGGERED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One listed perpetual. `band`: how far past the mark a limit price may be on its aggressive side."""

    base: str
    price: Decimal
    tick: Decimal
    step: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    max_market: Decimal
    min_notional: Decimal
    max_leverage: int
    maker_fee: Decimal
    taker_fee: Decimal
    maintenance: Decimal
    funding_hours: int = 8
    api: bool = True
    band: Decimal = Decimal("0.05")

    @property
    def native(self) -> str:
        return f"{self.base}USDT"


def _spec(base: str, numbers: str, *, leverage: int, maintenance: str) -> Spec:
    price, tick, step, least, most, market = (Decimal(text) for text in numbers.split())
    return Spec(
        base=base,
        price=price,
        tick=tick,
        step=step,
        min_quantity=least,
        max_quantity=most,
        max_market=market,
        min_notional=Decimal(5),
        max_leverage=leverage,
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"),
        maintenance=Decimal(maintenance),
    )


SPECS: tuple[Spec, ...] = (
    _spec("BTC", "96000 0.1 0.0001 0.0001 1200 100", leverage=400, maintenance="0.002"),
    _spec("ETH", "3400 0.01 0.001 0.001 1000000 2300", leverage=400, maintenance="0.002"),
    _spec("SOL", "180 0.01 0.1 0.1 1000000 20000", leverage=200, maintenance="0.004"),
    _spec("DOGE", "0.38 0.00001 100 100 200200000 20000000", leverage=200, maintenance="0.004"),
    _spec("XRP", "1.42 0.0001 10 10 50000000 2000000", leverage=200, maintenance="0.004"),
    _spec("ADA", "0.78 0.0001 10 10 50000000 2000000", leverage=100, maintenance="0.006"),
    _spec("BNB", "640 0.01 0.01 0.01 100000 5000", leverage=100, maintenance="0.006"),
    _spec("LTC", "92 0.01 0.1 0.1 500000 20000", leverage=100, maintenance="0.006"),
)


class Refused(Exception):
    """The exchange says no. `kind` is one of: step tick min max notional price margin reduce leverage unchanged mode
    busy triggers exists duplicate gone symbol."""

    def __init__(self, kind: str, text: str = "") -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind
        self.text = text


@dataclass(slots=True, kw_only=True)
class CoreOrder:
    """A plain or a conditional order. `direction` is the side of the position concerned.

    `parent`: the entry that a guard rode on. `fired`: the plain order that a conditional one became, whose `origin`
    names the conditional one. What fired stays TRIGGERED; its `filled` and `value` follow the plain one.
    """

    id: int
    client_id: str
    native: str
    side: Side
    direction: Direction
    kind: Kind
    quantity: Decimal  # 0: all of the position, whatever that is when it fires
    filled: Decimal = Decimal(0)
    value: Decimal = Decimal(0)  # sum of price x quantity of the fills
    price: Decimal | None = None
    trigger: Decimal | None = None
    reduce_only: bool = False
    close_all: bool = False
    conditional: bool = False
    status: Status = "NEW"
    parent: int | None = None
    fired: int | None = None
    origin: int | None = None
    created: int = 0
    updated: int = 0
    working: Literal["MARK", "LAST"] = "MARK"
    tif: str = "GTC"
    attach: tuple[Decimal | None, Decimal | None] = (None, None)
    guard: Literal["STOP", "TARGET"] | None = None  # what a conditional order that reduces is, and what it fired is
    liquidation: bool = False
    note: str = ""

    @property
    def open(self) -> bool:
        return self.status in OPEN_STATUSES

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def average(self) -> Decimal:
        """0 where nothing is filled."""
        return self.value / self.filled if self.filled else Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreFill:
    """`realised` is before the fee; `fee` is positive when paid. `guard` where a conditional order did it."""

    id: int
    order: int
    client_id: str
    native: str
    side: Side
    direction: Direction
    quantity: Decimal
    price: Decimal
    fee: Decimal
    realised: Decimal
    at: int
    maker: bool = False
    liquidation: bool = False
    guard: Literal["STOP", "TARGET"] | None = None


@dataclass(slots=True, kw_only=True)
class CorePosition:
    """`cost` is the exact sum of what is still open; `margin` the isolated margin that is set aside for it."""

    native: str
    direction: Direction
    quantity: Decimal
    cost: Decimal
    leverage: int
    margin: Decimal
    opened: int
    updated: int

    @property
    def entry(self) -> Decimal:
        return self.cost / self.quantity if self.quantity else Decimal(0)

    @property
    def signed(self) -> Decimal:
        return self.quantity if self.direction == "LONG" else -self.quantity

    def unrealised(self, mark: Decimal) -> Decimal:
        gained = self.quantity * mark - self.cost
        return gained if self.direction == "LONG" else -gained

    def liquidation(self, maintenance: Decimal) -> Decimal | None:
        """The mark at which margin and unrealised P&L just cover the maintenance margin; None: there is none."""
        if self.direction == "SHORT":
            return (self.cost + self.margin) / (self.quantity * (1 + maintenance))
        at = (self.cost - self.margin) / (self.quantity * (1 - maintenance))
        return at if at > 0 else None

    def bankrupt(self) -> Decimal:
        """The price at which all of the margin is lost."""
        lost = self.margin if self.direction == "SHORT" else -self.margin
        return (self.cost + lost) / self.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreIncome:
    id: int
    native: str  # "" for a transfer
    kind: Literal["FUNDING", "REALISED", "COMMISSION", "TRANSFER"]
    amount: Decimal  # what the wallet gained
    rate: Decimal | None = None
    at: int = 0
    fill: int | None = None  # the fill that brought it


Happening = (
    tuple[Literal["order"], CoreOrder]
    | tuple[Literal["fill"], CoreFill]
    | tuple[Literal["position"], CorePosition]
    | tuple[Literal["balance"], Decimal]
    | tuple[Literal["book"], str]
    | tuple[Literal["trade"], str, Decimal, Decimal, bool]
    | tuple[Literal["mark"], str]
)
