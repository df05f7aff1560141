"""What the desk shows of itself at one moment: the views the surface renders."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from trading.breaker import BreakerView
from trading.health import Health
from trading.market.correlation import Rho
from trading.market.outlook import Outlook
from trading.model import Balance, Order, Position, Quote, Symbol, TradingState, Wallets
from trading.personas.sigma import SigmaView
from trading.risk.expectancy import Sized
from trading.risk.portfolio import Use
from trading.state import PairLock


class Armed(StrEnum):
    ARMED = "armed"
    DEGRADED = "degraded"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """One line of the desk's self-check."""

    name: str
    state: Armed
    why: str = ""  # of what is armed: figures, or nothing
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionStatus:
    position: Position
    quote: Quote | None  # None: no fresh quote
    rules: tuple[str, ...]  # each exit rule that is armed, with its number and its distance, in words


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskStatus:
    at: datetime
    mode: str  # "PAPER"
    market: str  # "simulated market"
    playbook: str
    phase: str
    trading: TradingState
    halted_by: str
    halt_reason: str
    halted_at: datetime | None
    frozen: str  # why entries are frozen although not halted; "" when they are not
    equity: Decimal | None  # start + realised + unrealised; None when a mark is missing
    start_equity: Decimal
    realised: Decimal
    unrealised: Decimal | None
    day_pnl: Decimal | None
    exposure: Decimal  # sum of notional, quote units
    positions: tuple[PositionStatus, ...]
    pending: tuple[Order, ...]  # entries on their way
    last_decision: str  # "btc-k3f9x2pa long 0.71" or ""
    capabilities: tuple[Capability, ...]
    breaker: BreakerView
    health: Health | None = None  # None: the monitor has not looked yet, or the playbook has none
    sized: Sized | None = None  # what the closed trades allow to risk; None: the playbook does not ask them
    shadow: tuple[Position, ...] = ()  # followed on paper while the playbook is stopped
    version: int = 0  # of the settings
    balance: Balance | None = None
    locks: tuple[PairLock, ...] = ()  # those in force
    live_by: str = ""  # who has confirmed that real money is traded; "" on paper, and until somebody has
    live_at: datetime | None = None
    wallets: Wallets | None = None  # at the last look; None: the venue was not read
    unacceptable: str = ""  # why the venue's wallet cannot be taken as the desk's now; "" where it can


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingLine:
    """One setting of the running playbook, in the words of its file."""

    key: str  # "judge.min_confidence"
    value: str
    default: str  # the playbook file's own value
    range: str  # "0 to 1", "one of confidence, kelly", "a span like 6h"; "" where anything of its kind goes
    changed_by: str = ""  # "" where the file's value is in force
    changed_at: datetime | None = None
    version: int | None = None


# --- what single commands show --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One feature of a market. `value` None: not known at this bar."""

    name: str  # "RSI(14)"
    value: float | None
    unit: str = ""  # "x ATR", "%", ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketView:
    """What /market shows: one instrument at its last closed bar."""

    symbol: Symbol
    quote: Quote
    interval: str  # "5m"
    outlook: Outlook
    multiplier: Decimal | None  # what its regime makes of a trade's risk; None: the regime is not known
    damping: Decimal | None  # what its volatility makes of it; None: the playbook does not ask
    figures: tuple[Figure, ...]
    sigma: SigmaView | None
    sigma_silent: str  # why SIGMA has nothing to say; "" when it has


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeLine:
    symbol: Symbol
    outlook: Outlook | None  # None: no fresh bar
    multiplier: Decimal | None
    why: str = ""  # why there is no outlook


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureView:
    """What /exposure shows. Quote units; None is what cannot be known at this moment."""

    equity: Decimal | None
    gross: Decimal | None
    net: Decimal | None
    heat: Decimal | None
    budget: Decimal | None  # None also where the playbook has no [portfolio]
    margin_used: Decimal | None
    max_margin: Decimal | None
    uses: tuple[Use, ...]
    correlations: tuple[tuple[str, str, Rho], ...]  # of each two assets that are open
    limited: bool  # the playbook has a [portfolio]
    why: str = ""  # what is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One moment and instrument at which the live desk and a shadow desk did not do the same."""

    at: datetime
    symbol: Symbol
    ours: str  # "long", "short", "wait", "denied", "nothing" (it did not look, or was in a position)
    theirs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowDeskView:
    """A playbook on paper beside the live one, since `since`."""

    playbook: str
    since: datetime
    start_equity: Decimal
    equity: Decimal | None  # with unrealised; None: a mark is missing
    trades: int  # closed since then
    net: Decimal
    open: int
    ours_trades: int  # the live desk's, over the same time
    ours_net: Decimal
    same: int  # decisions at the same moment on the same instrument with the same outcome
    different: int
    differences: tuple[Difference, ...]  # the last few, newest first
