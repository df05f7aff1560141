"""The decisions that led to no trade, counted for one digest instead of a hundred messages."""

from collections import Counter
from datetime import datetime

from trading.decision import Decision, Denied, Opinion
from trading.events import WaitsSummed
from trading.model import base_of


class Waits:
    """Counts WAITs and denials since the last digest; rebuilt from the journal after a restart."""

    def __init__(self, since: datetime) -> None:
        self.since = since
        self._reasons: Counter[tuple[str, str]] = Counter()
        self._waits = self._denied = 0
        self._closest: tuple[str, str, int] | None = None

    def add(self, decision: Decision) -> None:
        if decision.approved:
            return
        self._reasons[base_of(decision.symbol), _why(decision)] += 1
        if isinstance(decision.gate, Denied):
            self._denied += 1
            return
        self._waits += 1
        if decision.verdict.confidence > (self._closest[2] if self._closest else 0):
            self._closest = (decision.id, decision.symbol, decision.verdict.confidence)

    def take(self, now: datetime) -> WaitsSummed | None:
        """The digest up to now, and begin the next; None when there was nothing."""
        if not self._reasons:
            self.since = now
            return None
        reasons = tuple((base, why, n) for (base, why), n in sorted(self._reasons.items()))
        event = WaitsSummed(
            at=now, since=self.since, waits=self._waits, denied=self._denied, reasons=reasons, closest=self._closest
        )
        Waits.__init__(self, now)
        return event


def _why(decision: Decision) -> str:
    """A short class of reasons: the denying rule, or how the votes stood."""
    if isinstance(decision.gate, Denied):
        return f"denied: {decision.gate.rule}"
    if not any(isinstance(o, Opinion) for o in decision.opinions):
        return "nobody spoke"
    lead = decision.verdict.tally.lead.value
    return "no lead" if lead == "wait" else f"{lead}, too weak"
