"""Commands, in the imperative: what the desk obeys; and what a venue tells an instrument's queue. Frozen, keyword-only,
UTC. What the desk tells is in events.py."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from trading.breaker import Level
from trading.model import (
    Direction,
    Fill,
    FundingPayment,
    Order,
    PositionId,
    Symbol,
)

# --- what reaches an instrument's queue ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """An order as the venue tells it. `status` uses our own words; `filled` is cumulative."""

    order: Order
    at: datetime


VenueUpdate = Fill | FundingPayment | OrderReport


# --- commands -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """No new entries. Exits and protection go on."""

    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted:
    """What a person was shown when he was asked. He said yes to this, and to nothing that is much different."""

    mark: Decimal
    quantity: Decimal | None = None  # of the position; None: there was none

    def __post_init__(self) -> None:
        if self.mark <= 0:
            raise ValueError(f"a mark of {self.mark} is no price")

    def moved(self, mark: Decimal) -> Decimal:
        """How far the mark has gone from what was shown, a fraction of that."""
        return abs(mark - self.mark) / self.mark


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosePosition:
    position_id: PositionId
    by: str
    part: Decimal = Decimal(1)  # of what is open
    quoted: Quoted | None = None  # refused when the mark moved further than `limits.max_requote`, or the size changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatten:
    """Halt, withdraw entries that are on their way, and close every position at the market."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterPair:
    """Enter by hand: the panel is asked and recorded, the side is the person's, the gate is the same as ever."""

    symbol: Symbol
    direction: Direction
    by: str
    quoted: Quoted | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockPair:
    """No new entry on an instrument, or on one side of it. Exits and protection go on."""

    symbol: Symbol
    by: str
    direction: Direction | None = None  # None: both sides
    lasts: timedelta | None = None  # None: until it is unlocked
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockPair:
    """Take every lock off an instrument."""

    symbol: Symbol
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Amend:
    """Change settings of the running playbook: dotted key -> new value as text, "" for the file's own."""

    values: tuple[tuple[str, str], ...]
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPhase:
    """`phase` None: back to the playbook's own dates."""

    phase: str | None
    by: str


SCHEDULED = "schedule"  # the trigger of a round that comes by itself, again and again
BY_HAND = "by hand"  # the trigger of a decision whose side a person has chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Decide:
    """Look at these instruments now."""

    symbols: tuple[Symbol, ...]
    trigger: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Reconcile with the venue and cancel leftovers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SumWaits:
    """Tell the decisions that led to no trade as one digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetBreaker:
    """Back to CLOSED; it trips again where the reason still stands."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideBreaker:
    """Put a level in force for a while, whatever is measured."""

    level: Level
    lasts: timedelta
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOverride:
    """Back to what the breaker measures, before the override's time is over."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendPhase:
    """Change values of a phase: setting -> its new value as text ("6h", "3"), "" for the playbook file's own."""

    phase: str
    values: tuple[tuple[str, str], ...]
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """Take the last change of settings back."""

    by: str
    version: int | None = None  # of the settings that were shown; None: whatever is the last change then


@dataclass(frozen=True, slots=True, kw_only=True)
class UsePlaybook:
    """Trade by another playbook from now on. Open positions keep the exits they were opened with."""

    name: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddShadow:
    """Run a playbook on paper beside the live one, on the same market data."""

    name: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveShadow:
    name: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmLive:
    """Real money may be traded from now on, until somebody takes that back; a restart does not."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DisarmLive:
    """No new entries with real money. What is open goes on being managed."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptWallet:
    """What the venue has in the wallet is the desk's from now on: a deposit, a withdrawal, a fee in another coin."""

    by: str
    difference: Decimal | None = None  # as it was shown; None: whatever it is


@dataclass(frozen=True, slots=True, kw_only=True)
class SumPeriod:
    """Tell what the UTC day, or the week, that has just ended came to."""

    weekly: bool = False


Routine = Decide | Sweep | SumWaits | SumPeriod  # what the schedule asks for
Instruction = (  # what people ask for
    Halt
    | Resume
    | ClosePosition
    | Flatten
    | EnterPair
    | LockPair
    | UnlockPair
    | Amend
    | SetPhase
    | ResetBreaker
    | OverrideBreaker
    | EndOverride
    | AmendPhase
    | Undo
    | UsePlaybook
    | AddShadow
    | RemoveShadow
    | ArmLive
    | DisarmLive
    | AcceptWallet
)
Command = Routine | Instruction
