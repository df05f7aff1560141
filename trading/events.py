"""Events, in the past tense: what the desk and its surface tell, and the journal keeps. Frozen, keyword-only, UTC."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from trading.breaker import Cause, Level
from trading.decision import Decision
from trading.exit_plan import StopKind
from trading.health import Health, Severity
from trading.model import (
    DecisionId,
    Direction,
    ExitReason,
    Fill,
    FundingPayment,
    Order,
    Position,
    PositionId,
    Quote,
    Symbol,
    Trade,
)
from trading.risk.expectancy import Method
from trading.voice import Lack


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskStarted(Event):
    playbook: str
    market: str
    mode: str
    equity: Decimal
    open_positions: int
    resumed: bool
    personas_off: tuple[str, ...] = ()  # "whale: ..." with the reason
    settings: str = ""  # the playbook that runs from now on, whole: `Playbook.hash` is over this text


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskStopped(Event):
    reason: str
    left_open: tuple[Position, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionMade(Event):
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitsSummed(Event):
    """The digest of decisions that led to no trade. `reasons`: (instrument, action or rule, count)."""

    since: datetime
    waits: int
    denied: int
    reasons: tuple[tuple[str, str, int], ...]
    closest: tuple[str, str, int] | None = None  # (decision id, instrument, confidence) of the strongest WAIT


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntended(Event):
    """Journalled before the request leaves."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSent(Event):
    """The venue has taken the order."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilled(Event):
    order: Order
    fill: Fill


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEnded(Event):
    """Cancelled, expired, rejected or abandoned; `order.note` says why."""

    order: Order
    withdrawn: bool = False  # the desk took it back itself: nothing has failed


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUncertain(Event):
    """A request left and no answer came: it is being looked up."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionOpened(Event):
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionConfirmed(Event):
    """Stop and target were read back from the venue."""

    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionFailed(Event):
    """They were not, in time; the position is being closed."""

    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitTriggered(Event):
    """The desk has decided to close: which rule, with its numbers."""

    position: Position
    reason: ExitReason
    note: str
    quote: Quote | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialTriggered(Event):
    """A step of the plan was reached, or a person asked for it: a part of the position is being closed."""

    position: Position
    quantity: Decimal
    note: str
    quote: Quote | None = None
    reason: ExitReason = ExitReason.PARTIAL  # or MANUAL


@dataclass(frozen=True, slots=True, kw_only=True)
class StopMoved(Event):
    """The venue holds the stop at its new level; `position` has it."""

    position: Position
    before: Decimal
    kind: StopKind
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopNotMoved(Event):
    """The venue refused; the stop stands where it stood."""

    position: Position
    wanted: Decimal
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeClosed(Event):
    trade: Trade
    equity: Decimal  # after it: start + all realised, without open positions


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingPaid(Event):
    payment: FundingPayment
    position_id: PositionId


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingHalted(Event):
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingResumed(Event):
    by: str
    halted_by: str
    halt_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceLost(Event):
    """A model or the chain reader does not answer any more, or not as it must. Said once, until it is back."""

    voice: str  # "gemini-3.5-flash-lite", "etherscan"
    lack: Lack
    reason: str
    serves: tuple[str, ...]  # what does without it: "sentiment", "council", "judge", "whale"


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceBack(Event):
    voice: str
    lost_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSubstituted(Event):
    """Another model answered than was asked."""

    requested: str
    returned: str
    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelExpiring(Event):
    """A model that the playbook asks will be gone soon, or is."""

    model: str
    expires: datetime
    days: int  # negative: it is over
    instead: str = ""  # what its file names as successor


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetReached(Event):
    """Something is given up so that what matters more can still be paid."""

    cap: str  # "decision", "hour", "day", "month", "ask"
    limit: Decimal  # USD
    used: Decimal  # with what is reserved
    given_up: str  # "phrasing of /ask", "sentiment", ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CallScored(Event):
    """A persona took a side on an instrument, its horizon has passed: was it right?

    `version` names the definition of the label. Calls of one persona on one instrument never overlap in time.
    """

    version: str  # "direction-1"
    persona: str  # "judge" for verdicts
    model: str  # the identity that answered; "" for rules
    symbol: Symbol
    decision_id: DecisionId
    direction: Direction
    confidence: int  # millionths
    called_at: datetime
    horizon: timedelta
    price: Decimal  # mark when it was made
    then: Decimal  # mark at the horizon
    costs: Decimal  # fraction of price, both ways
    right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsProposed(Event):
    """What the record of the personas suggests. Nothing is changed by it: a person may."""

    playbook: str
    n: int
    rows: tuple[tuple[str, str, str], ...]  # (persona, weight now, weight proposed)
    gain: tuple[Decimal, Decimal]  # 95 % interval of the gain in hit rate, fractions


@dataclass(frozen=True, slots=True, kw_only=True)
class PairLocked(Event):
    symbol: Symbol
    direction: Direction | None
    until: datetime | None
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairUnlocked(Event):
    symbol: Symbol
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flattened(Event):
    """Everything is being closed."""

    by: str
    positions: tuple[PositionId, ...]
    withdrawn: int  # entries that were on their way


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodSummed(Event):
    """The daily or weekly digest. Quote units; `best` and `worst` are (trade id, instrument, net)."""

    weekly: bool
    since: datetime
    until: datetime
    trades: int
    wins: int
    net: Decimal
    fees: Decimal
    funding: Decimal
    equity: Decimal | None  # with what is open; None: a mark is missing
    open: int
    best: tuple[str, str, Decimal] | None = None
    worst: tuple[str, str, Decimal] | None = None
    complete: bool = True  # False: there were more trades than the desk keeps at hand, and these are the last of them


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseChanged(Event):
    by: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerTripped(Event):
    before: Level
    after: Level
    causes: tuple[Cause, ...]  # those that ask for it
    in_force: Level | None = None  # what applies then: an override may say otherwise. None: a record of before


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRecovered(Event):
    """One level down."""

    before: Level
    after: Level
    until: datetime | None  # when the next level down may come
    in_force: Level | None = None  # as in BreakerTripped


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerReset(Event):
    by: str
    before: Level
    in_force: Level | None = None  # as in BreakerTripped


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerOverridden(Event):
    by: str
    before: Level  # in force until now
    level: Level
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerOverrideEnded(Event):
    by: str
    level: Level
    after: Level  # in force from now on
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthChanged(Event):
    """The strategy monitor has come to another grade."""

    before: Severity
    health: Health


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingChanged(Event):
    """The closed trades, or the shadow trades, lead to another way of sizing."""

    playbook: str
    before: Method
    after: Method
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowOpened(Event):
    """A trade that the playbook would have made, were it not stopped: it is followed on paper, without an order."""

    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowClosed(Event):
    trade: Trade


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsChanged(Event):
    """`changes`: (setting, before, after), in words."""

    by: str
    version: int
    changes: tuple[tuple[str, str, str], ...]
    undone: int | None = None  # the version that this takes back
    settings: str = ""  # as in DeskStarted


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookChanged(Event):
    by: str
    before: str
    after: str
    kept: tuple[str, ...]  # open positions, which keep the exits they were opened with
    settings: str = ""  # as in DeskStarted


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowDeskChanged(Event):
    """A playbook now runs on paper beside the live one, or does no more."""

    by: str
    playbook: str
    running: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BooksDisagreed(Event):
    """What the venue holds is not what the desk holds; entries are frozen until it is mended."""

    symbol: Symbol
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BooksAgreed(Event):
    symbol: Symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletAccepted(Event):
    """A person has taken the venue's wallet as the desk's: a deposit, a withdrawal. It is no profit and no loss."""

    by: str
    before: Decimal
    after: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveArmed(Event):
    """A person has confirmed that real money is traded: the desk may enter."""

    by: str
    equity: Decimal
    venue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveDisarmed(Event):
    """Nothing is entered any more; what is open goes on being managed."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueLost(Event):
    """Said once; entries freeze until it answers again."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueBack(Event):
    lost_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskFaulted(Event):
    """An error inside the desk itself; entries are frozen until a restart, exits and protection go on."""

    where: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatTroubled(Event):
    """A chat cannot be reached, or somebody else reads it too; `over` when that has ended. The desk goes on."""

    chat: str
    detail: str
    over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DataGap(Event):
    """Bars are missing; nothing is bridged."""

    symbol: Symbol
    after: datetime
    until: datetime
    bars: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DataEnded(Event):
    """An instrument has no data any more; it is not traded."""

    symbol: Symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsChanged(Event):
    by: str
    destination: str
    kind: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WishChanged(Event):
    """Somebody wants something told otherwise: time zone, quiet hours, the least result worth an alert, ..."""

    by: str
    owner: str  # "person:ann", or the destination it is for
    wish: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleChanged(Event):
    """Who may use the desk has changed. `before` and `after`: "operator", "telegram:7 discord:9", "" for nothing."""

    by: str
    person: str
    what: str  # "added", "role", "removed", "linked", "unlinked"
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalAsked(Event):
    """A second person is needed: anybody with the role but the one who asked may confirm."""

    by: str
    what: str  # "reset the breaker after SHUTDOWN and resume"
    token: str
    until: datetime  # wall time


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookWritten(Event):
    """A playbook was made in the chat. It runs in shadow until somebody chooses it."""

    by: str
    playbook: str
    parent: str
    model: str = ""  # that wrote it from a wish in words; "": a person did


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRun(Event):
    """The audit of the surface: who asked what, from where, what came of it, and what was different after it."""

    who: str
    place: str  # "console", "telegram:12345"
    text: str
    result: str  # "done", "confirmation asked", "refused: ..."
    changes: tuple[tuple[str, str, str], ...] = ()  # (what, before, after)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRefused(Event):
    who: str
    place: str
    text: str
    reason: str


EVENTS: dict[str, type[Event]] = {cls.__name__: cls for cls in Event.__subclasses__()}
