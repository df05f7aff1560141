"""A ballot: what one model of the council says about one instrument at one moment. It speaks; counting is code."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from trading.decision import MICRO
from trading.model import require_utc
from trading.voice import Exchange


class Signal(StrEnum):
    BUY = "BUY"
    NONE = "NONE"


class Category(StrEnum):
    REGIME = "market regime"
    SETUP = "technical setup"
    ON_CHAIN = "on-chain metrics"
    MACRO = "macro catalysts"
    REWARD = "risk/reward"
    TIMING = "timing"
    INSTITUTIONS = "institutional signals"


class Mark(StrEnum):
    BULLISH = "BULLISH"
    BEARISH = "BEARISH"
    NEUTRAL = "NEUTRAL"
    UNKNOWN = "UNKNOWN"  # there is no real evidence for it: never invented, and never bullish


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a model makes of one category."""

    category: Category
    mark: Mark
    reason: str  # one line


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """One model's answer. `invalidation` is the price at which it gives its thesis up; whoever says BUY names one."""

    model: str  # "qwen/qwen3-max"
    at: datetime  # when it was given
    signal: Signal
    confidence: int  # millionths, as an opinion's
    invalidation: Decimal | None
    thesis: str
    categories: tuple[Judged, ...]  # each of `Category` once, in that order
    exchanges: tuple[Exchange, ...] = ()  # with the provider; none where it was written down before

    def __post_init__(self) -> None:
        require_utc(self.at)
        if not 0 <= self.confidence <= MICRO:
            raise ValueError(f"{self.model}: confidence {self.confidence} is not within 0..{MICRO}")
        if [judged.category for judged in self.categories] != list(Category):
            raise ValueError(f"{self.model}: a ballot judges each of the {len(Category)} categories once, in order")
        if self.invalidation is not None and not 0 < self.invalidation < Decimal("Infinity"):
            raise ValueError(f"{self.model}: invalidation price {self.invalidation} is not a price")
        if self.signal is Signal.BUY and self.invalidation is None:
            raise ValueError(f"{self.model}: a BUY without an invalidation price")

    @property
    def bullish(self) -> int:
        """How many categories are bullish."""
        return sum(judged.mark is Mark.BULLISH for judged in self.categories)
