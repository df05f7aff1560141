"""What a decision is made of: evidence, opinions, the tally, each gate's answer, and the record that holds them all."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from trading.exit_plan import Regime
from trading.model import ZERO, DecisionId, Direction, Protection, Symbol
from trading.voice import Exchange, Voice

MICRO = 1_000_000  # confidences are whole millionths, so that borders and ties are exact and sums commute


def shown(confidence: int) -> str:
    """Millionths as people read them: cut, not rounded, so that what is under a border never reads as on it."""
    return f"{confidence // (MICRO // 100) / 100:.2f}"


class Stance(StrEnum):
    LONG = "long"
    SHORT = "short"
    NEUTRAL = "neutral"

    @property
    def sign(self) -> int:
        return {"long": 1, "short": -1}.get(self.value, 0)


class Action(StrEnum):
    LONG = "long"
    SHORT = "short"
    WAIT = "wait"

    @property
    def direction(self) -> Direction:
        """Raises ValueError for WAIT."""
        return Direction(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One fact a persona leaned on."""

    label: str  # "RSI(14)"
    value: float
    unit: str = ""  # "%", "bars", "x ATR", ...
    source: str = ""  # "1h candles", "order book", "funding"
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    persona: str
    stance: Stance
    confidence: int  # millionths, 0..MICRO: strength of conviction, not a probability
    thesis: str
    evidence: tuple[Evidence, ...]
    invalidation: Decimal | None = None  # the price at which it gives its thesis up, where it names one
    voice: Voice | None = None  # of a model or a chain reader; None: arithmetic on the snapshot

    def __post_init__(self) -> None:
        if not 0 <= self.confidence <= MICRO:
            raise ValueError(f"{self.persona}: confidence {self.confidence} is not within 0..{MICRO}")

    @property
    def conviction(self) -> int:
        """Signed millionths."""
        return self.stance.sign * self.confidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Abstention:
    persona: str
    reason: str
    failed: bool = False  # something broke: not merely nothing to go by
    voice: Voice | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What a model said of a verdict that the votes had come to. It can lower or stop, never raise or turn."""

    who: str  # "judge" or "validator"
    said: str  # "long", "short", "wait"; "approve", "reject"
    confidence: int | None  # millionths; None: it was not asked for one
    thesis: str
    voice: Voice


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """What a stated confidence has been worth so far."""

    value: int  # millionths
    version: str  # of labels and method: "direction-1 shrunk", "direction-1 platt"
    n: int  # labelled calls it rests on
    right: int = 0  # of them
    slope: Decimal | None = None  # of Platt's line in log-odds; None where only shrunk
    intercept: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The judge's arithmetic. Weights are thousandths, strengths are weight x conviction (billionths)."""

    long: int
    short: int
    missing: int
    neutral_weight: int
    directional_weight: int
    missing_weight: int
    standing: int  # personas on the winning side
    confidence: int  # millionths; 0 where no side leads
    lead: Action  # the side that leads, whether or not it may trade


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    action: Action
    confidence: int  # millionths
    reason: str  # one line: why this and not the other
    tally: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class GateAnswer:
    """One rule's answer: what it allows, what it saw."""

    rule: str
    passed: bool
    limit: str
    value: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An entry with every number it needs. All prices are on the tick, the quantity is on the step."""

    symbol: Symbol
    direction: Direction
    quantity: Decimal
    price: Decimal  # the touch the plan was made at
    leverage: int
    margin: Decimal
    notional: Decimal
    protection: Protection
    method: str  # which method set the size
    size_note: str  # its numbers, in words
    stop_loss: Decimal = ZERO  # distance of the stop, a fraction of price
    take_profit: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    plan: Plan
    answers: tuple[GateAnswer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    rule: str
    reason: str
    answers: tuple[GateAnswer, ...]
    would: Plan | None = None  # at exploration size, when nothing but "expectancy" keeps it out: its shadow is followed


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The market as the decision saw it."""

    close: Decimal
    bid: Decimal
    ask: Decimal
    mark: Decimal
    quote_at: datetime
    bar_closed_at: datetime
    interval: str  # "1h"
    funding_rate: Decimal | None
    regime: Regime | None = None
    volatility: Decimal | None = None  # Garman-Klass, fraction a year
    atr: Decimal | None = None  # price units
    source: str  # "simulated market", "history: spot-1h-12col", ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The record. From it alone the verdict can be computed again (`judge.rejudged`)."""

    id: DecisionId
    symbol: Symbol
    at: datetime
    trigger: str  # "schedule", "after close", "by hand"
    playbook: str
    playbook_hash: str
    phase: str
    seen: Seen
    opinions: tuple[Opinion | Abstention, ...]
    weights: dict[str, int]  # thousandths, of the personas that exist for this instrument
    verdict: Verdict
    gate: Approved | Denied | None  # None: the judge said WAIT and no gate was asked
    by: str = ""  # the person who has chosen the side; "": the judge has
    rulings: tuple[Ruling | Abstention, ...] = ()  # of models that were asked about the verdict, in that order
    calibrated: Calibrated | None = None  # the verdict's confidence by its record; None: nothing is known yet

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Every exchange with a provider that it was made from, in the order of the record."""
        voices = [said.voice for said in (*self.opinions, *self.rulings)]
        return tuple(exchange for voice in voices if voice is not None for exchange in voice.exchanges)

    @property
    def approved(self) -> bool:
        return isinstance(self.gate, Approved)

    @property
    def outcome(self) -> str:
        """ "long", "short", "wait" or "denied"."""
        if self.gate is None:
            return "wait"
        return self.verdict.action.value if self.approved else "denied"

    def evidence(self) -> tuple[tuple[str, str, Evidence], ...]:
        """Every fact with its number: ("E1", persona, evidence), in the order of the record."""
        facts = [(o.persona, e) for o in self.opinions if isinstance(o, Opinion) for e in o.evidence]
        return tuple((f"E{n}", persona, e) for n, (persona, e) in enumerate(facts, 1))
