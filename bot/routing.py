"""Which event goes to which chat, on which lane, how loudly. The kinds of alerts and what each chat prefers."""

from collections.abc import Iterable, Mapping

from storage.outbox import Lane, Route
from trading import messages as m
from trading.breaker import Level
from trading.decision import Decision
from trading.exit_plan import StopKind

ON, SILENT, OFF = MODES = ("on", "silent", "off")

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
    "funding": "Funding paid or received",
    "shadow": "Trades followed on paper while the closed ones allow no real size",
    "breaker": "The circuit breaker at ALERT, and each step back down",
    "risk": "Halts, circuit breaker from THROTTLE on, strategy health, sizing, failed protection, books that disagree",
    "desk": "Start, stop, phase, playbook and settings of the desk",
    "venue": "The venue is lost or back",
    "chat": "A chat is lost or back, or read by somebody else too",
    "data": "Gaps in the data, and its end",
    "access": "A stranger tried to use the desk",
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
    "desk": SILENT,
    "data": SILENT,
    "access": SILENT,
}
REQUIRED = frozenset({"risk", "venue"})  # never off: they say when money is at risk

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
    m.FundingPaid: "funding",
    m.TradingHalted: "risk",
    m.TradingResumed: "risk",
    m.BooksDisagreed: "risk",
    m.BooksAgreed: "risk",
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
    m.ChatTroubled: "chat",
    m.DataGap: "data",
    m.DataEnded: "data",
    m.AccessRefused: "access",
}
_LANE_OF: dict[str, Lane] = {
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


class Routing:
    """event -> routes. `preferences` are (destination, kind) -> mode as the database has them."""

    def __init__(self, destinations: Iterable[str], preferences: Mapping[tuple[str, str], str] | None = None) -> None:
        self._destinations = tuple(dict.fromkeys(destinations))
        self._preferences = dict(preferences or {})

    def __call__(self, event: m.Event) -> list[Route]:
        kind = kind_of(event)
        if kind is None:
            return []
        modes = ((destination, self.mode(destination, kind)) for destination in self._destinations)
        lane = _LANE_OF.get(kind, Lane.DIGEST)
        return [Route(destination=d, lane=lane, silent=mode == SILENT) for d, mode in modes if mode != OFF]

    def mode(self, destination: str, kind: str) -> str:
        """What the chat chose, or the default. A kind that is required is on even if a database says off."""
        chosen = self._preferences.get((destination, kind), DEFAULTS.get(kind, ON))
        return ON if chosen not in MODES or (chosen == OFF and kind in REQUIRED) else chosen

    def modes(self, destination: str) -> dict[str, str]:
        return {kind: self.mode(destination, kind) for kind in KINDS}

    def change(self, destination: str, kind: str, mode: str) -> str:
        """Returns the mode before. Raises ValueError for a kind, mode or pair of them that cannot be."""
        if kind not in KINDS or mode not in MODES or (kind in REQUIRED and mode == OFF):
            raise ValueError(f"alerts of kind {kind!r} cannot be {mode!r}")
        before = self.mode(destination, kind)
        self._preferences[destination, kind] = mode
        return before
