"""The kinds of alerts: what each says, which events are of it, on which lane and in which stream it is told. Pure."""

from storage.mail import Lane
from trading import events as m
from trading.breaker import Level
from trading.decision import Decision
from trading.exit_plan import StopKind

ON, SILENT, OFF, DIGEST = MODES = ("on", "silent", "off", "digest")

# Every kind a person can choose a mode for, with what it says.
KINDS: dict[str, str] = {
    "decision": "Decisions to trade",
    "denied": "Decisions the gate refused, one by one",
    "wait": "Decisions to wait, one by one",
    "digest": "Decisions without a trade, summed up",
    "order": "Orders sent, and those that ended without a fill",
    "fill": "Fills",
    "protection": "Stop and target confirmed by the venue, a stop moved to break-even",
    "trailing": "Each step of a trailing stop",
    "exit": "An exit rule has fired, for a part or for all",
    "close": "A trade is closed, with its result",
    "report": "What a day or a week came to, with a picture",
    "funding": "Funding paid or received",
    "shadow": "Trades followed on paper while the closed ones allow no real size",
    "breaker": "The circuit breaker at ALERT, and each step back down",
    "risk": "Halts, locks, flattening, the breaker from THROTTLE on, health, sizing, failed protection, wrong books, "
    "real money",
    "desk": "Start, stop, phase, playbooks and settings of the desk, and what people wish to be told",
    "venue": "The venue is lost or back",
    "chat": "A chat is lost or back, or read by somebody else too",
    "data": "Gaps in the data, and its end",
    "voice": "A model or the chain reader is lost, back, near its end or another one; a budget is reached",
    "score": "Whether a persona was right, once its horizon has passed",
    "access": "A stranger tried to use the desk, or who may use it has changed",
}
# The digest covers what led to no trade, and a closed trade its funding: saying each alone would hide the fills. So
# would a trailing stop, which may move dozens of times; /position shows where it stands.
DEFAULTS: dict[str, str] = {
    "denied": OFF,
    "wait": OFF,
    "funding": OFF,
    "digest": SILENT,
    "order": SILENT,
    "protection": SILENT,
    "trailing": OFF,
    "shadow": SILENT,
    "score": OFF,
    "report": SILENT,
    "desk": SILENT,
    "data": SILENT,
    "access": SILENT,
}
# Never off and never late: they say when money is at risk. What is not taken in time goes to the other platform too.
REQUIRED = frozenset({"risk", "venue"})
DECISIONS, FILLS, RISK, OPS = STREAMS = ("decisions", "fills", "risk", "ops")
STREAM_OF: dict[str, str] = {
    "decision": DECISIONS,
    "denied": DECISIONS,
    "wait": DECISIONS,
    "digest": DECISIONS,
    "order": FILLS,
    "fill": FILLS,
    "protection": FILLS,
    "trailing": FILLS,
    "exit": FILLS,
    "close": FILLS,
    "report": FILLS,
    "funding": FILLS,
    "shadow": FILLS,
    "breaker": RISK,
    "risk": RISK,
    "venue": RISK,
    "desk": OPS,
    "chat": OPS,
    "data": OPS,
    "voice": OPS,
    "score": DECISIONS,
    "access": OPS,
}

_KIND_OF: dict[type[m.Event], str] = {
    m.WaitsSummed: "digest",
    m.OrderSent: "order",
    m.OrderEnded: "order",
    m.OrderFilled: "fill",
    m.OrderUncertain: "risk",
    m.ProtectionConfirmed: "protection",
    m.ProtectionFailed: "risk",
    m.ExitTriggered: "exit",
    m.PartialTriggered: "exit",
    m.StopNotMoved: "protection",
    m.ShadowOpened: "shadow",
    m.ShadowClosed: "shadow",
    m.BreakerRecovered: "breaker",
    m.BreakerReset: "risk",
    m.BreakerOverridden: "risk",
    m.BreakerOverrideEnded: "risk",
    m.HealthChanged: "risk",
    m.SizingChanged: "risk",
    m.TradeClosed: "close",
    m.PeriodSummed: "report",
    m.FundingPaid: "funding",
    m.TradingHalted: "risk",
    m.TradingResumed: "risk",
    m.PairLocked: "risk",
    m.PairUnlocked: "risk",
    m.Flattened: "risk",
    m.ApprovalAsked: "risk",
    m.BooksDisagreed: "risk",
    m.BooksAgreed: "risk",
    m.WalletAccepted: "risk",
    m.LiveArmed: "risk",
    m.LiveDisarmed: "risk",
    m.VenueLost: "venue",
    m.VenueBack: "venue",
    m.DeskFaulted: "risk",
    m.DeskStarted: "desk",
    m.DeskStopped: "desk",
    m.PhaseChanged: "desk",
    m.SettingsChanged: "desk",
    m.PlaybookChanged: "desk",
    m.ShadowDeskChanged: "desk",
    m.AlertsChanged: "desk",
    m.WishChanged: "desk",
    m.PlaybookWritten: "desk",
    m.ChatTroubled: "chat",
    m.VoiceLost: "voice",
    m.VoiceBack: "voice",
    m.ModelSubstituted: "voice",
    m.ModelExpiring: "voice",
    m.BudgetReached: "voice",
    m.CallScored: "score",
    m.WeightsProposed: "desk",
    m.DataGap: "data",
    m.DataEnded: "data",
    m.AccessRefused: "access",
    m.PeopleChanged: "access",
}
LANE_OF: dict[str, Lane] = {
    "risk": Lane.RISK,
    "venue": Lane.RISK,
    "breaker": Lane.RISK,
    "chat": Lane.RISK,
    "exit": Lane.FILL,
    "close": Lane.FILL,
    "fill": Lane.FILL,
    "protection": Lane.FILL,
    "trailing": Lane.FILL,
    "order": Lane.FILL,  # before its fill, so on the same lane
    "report": Lane.FILL,  # rare, and never summed up with others: it is a sum itself
    "decision": Lane.DECISION,
    "desk": Lane.DECISION,
}


def _kind_of_decision(decision: Decision) -> str:
    return {"wait": "wait", "denied": "denied"}.get(decision.outcome, "decision")


def kind_of(event: m.Event) -> str | None:
    """The kind of alert an event is; None for what is never told."""
    match event:
        case m.DecisionMade(decision=decision):
            return _kind_of_decision(decision)
        case m.StopMoved(kind=kind):
            return "trailing" if kind is StopKind.TRAILING else "protection"
        case m.BreakerTripped(after=level):
            return "breaker" if level is Level.ALERT else "risk"
    return _KIND_OF.get(type(event))


def thread_of(event: m.Event) -> str:
    """The decision that an event's message belongs to, so that a trade's messages answer one another; "" for none."""
    match event:
        case m.DecisionMade(decision=decision):
            return decision.id if decision.approved else ""
        case m.OrderSent(order=order) | m.OrderFilled(order=order) | m.OrderEnded(order=order):
            return order.decision_id
        case m.OrderUncertain(order=order):
            return order.decision_id
        case m.TradeClosed(trade=trade) | m.ShadowClosed(trade=trade):
            return trade.id
        case m.FundingPaid(position_id=id):
            return id
    held = getattr(event, "position", None)
    return "" if held is None else str(held.id)
