"""What the desk shows of itself at one moment: the views the surface renders."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from trading.model import Balance, Order, Position, Quote, TradingState


class Armed(StrEnum):
    ARMED = "armed"
    DEGRADED = "degraded"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """One line of the desk's self-check."""

    name: str
    state: Armed
    why: str = ""  # empty when armed
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
    balance: Balance | None = None
