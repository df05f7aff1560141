"""What models may cost and have cost, as it is shown. The arithmetic is in llm/budget.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

# What is given up first: each purpose may use the caps up to its own share of them, so that the judge can still be paid
# when the panel has been, and words are the first to go.
SHARES: Mapping[str, Decimal] = {
    "ask": Decimal("0.5"),
    "playbook": Decimal("0.5"),
    "validator": Decimal("0.8"),
    "sentiment": Decimal("0.9"),
    "council": Decimal("0.9"),
    "judge": Decimal(1),
}
WORDS = frozenset({"ask", "playbook"})  # purposes with a cap of their own
# What people read of a purpose that is given up, where its name alone would not say it.
GIVEN_UP: Mapping[str, str] = {
    "ask": "phrasing of /ask",
    "playbook": "playbooks in words",
    "validator": "validation of entries",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """US dollars. The hour is any 60 minutes, day and month are those of UTC."""

    decision: Decimal
    hour: Decimal
    day: Decimal
    month: Decimal
    words: Decimal  # of the day's, what /ask and /playbook new may cost


@dataclass(frozen=True, slots=True, kw_only=True)
class CapUse:
    name: str  # "hour", "day", "month", "words"
    limit: Decimal
    settled: Decimal
    reserved: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCost:
    """This UTC month."""

    model: str
    purpose: str
    calls: int
    cost: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """One exchange with a model."""

    at: datetime
    about: str
    purpose: str
    model: str
    cost: Decimal  # the reservation until it is settled
    settled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLine:
    """A model of models.toml, and how it stands."""

    name: str
    provider: str
    state: str  # "armed", or why it is not
    asked: tuple[str, ...] = ()  # what it serves in the running playbook: "sentiment", "judge", ...
    input: Decimal | None = None  # USD for a million tokens; None: not known
    output: Decimal | None = None
    search: Decimal | None = None  # USD for one query, or one prompt; None: it does not search, or nobody knows
    search_per: str = ""
    expires: datetime | None = None
    instead: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetView:
    at: datetime
    caps: tuple[CapUse, ...]
    per_decision: Decimal
    costs: tuple[ModelCost, ...]  # the dearest first
    given_up: tuple[str, ...]  # purposes that nothing is left for now, in the order of the ladder
    voices: tuple[tuple[str, str], ...]  # (who, "armed" or why not): of each provider and model that is asked
    models: tuple[ModelLine, ...] = ()  # of models.toml, in its order
    last: tuple[Paid, ...] = ()  # the newest first
