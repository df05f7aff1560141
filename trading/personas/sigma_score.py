"""SIGMA: two readings of the same 16 indicators, a continuous score (V1) and counted rules (V2), and who arbitrates.

V1 is the weighted sum of six categories, each continuous in -1..1, damped where volatility is high. Its sign is its
direction, its size its confidence. How each category is made of indicators is ours: see CATEGORIES.

V2 is nine rules. Eight take a side when they fire; the side with more of them is V2's, a tie is none. ADX takes none:
above 25 it supports, under 15 it conflicts with whichever side leads. Where the playbook leaves a number open:

- *confidence* of V2 is the lead among the rules that took a side, (for - against) / (for + against). ADX is not in it:
  it says how much to trust a side, not which.
- *agreeing* and *in conflict* count rules that fired, ADX among them.
- *agreeing on 50 % of its rules*: agreeing less conflicting, of all nine. Of the rules that fired a valid V2 always has
  more than half, and without the conflicting ones never under 3 of 9 = 33 %: either way a branch could not be taken.
- RSI, Stochastic, band and z speak against the move (oversold is long), the others with it.
- *within 0.5 % of a band* is of price, the border included; a price beyond the band is at it. Where both bands are that
  near (a calm five-minute market) every price is at a band, so the rule is silent. All other borders are strict.
- *EMA order* is 9 > 20 > 50 or the reverse, as in the regime.

Everything compared with a border is a whole number (millionths, counts), so that columns and single rows agree on it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trading.decision import MICRO, Stance
from trading.market.features import DAY, Features, rolling_sum
from trading.market.series import Floats, Ints
from trading.personas.panel import NEUTRAL_BELOW, Votes, bounded

Signs = NDArray[np.int8]  # -1, 0, 1
Bools = NDArray[np.bool_]

WARM_UP = 200  # bars: EMA 200 needs them
STANCES = {1: Stance.LONG, -1: Stance.SHORT, 0: Stance.NEUTRAL}

# --- V1: categories -------------------------------------------------------------------------------------------------
# Each part counts in full on about a quarter of real bars, of one hour and of five minutes alike: chosen for frequency,
# not for profit; so |V1| before damping is over 0.7 on 8-10 % of bars. Distances are in ATRs: no price is in them.

CALM, STORM = 0.2, 0.6  # Garman-Klass volatility: no damping up to the first, full damping from the second on
DAMPED = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    name: str
    weight: float
    value: Callable[[Features], Floats]  # -1..1

    @property
    def label(self) -> str:
        return f"V1 {self.name}"


def _momentum(f: Features) -> Floats:
    """Speed: RSI, MACD, stochastic and CCI, each from its own middle."""
    oscillators = bounded(f.rsi - 50, 10) + bounded(f.stoch_k - 50, 20) + bounded(f.cci, 90)
    return (oscillators + bounded(f.macd_hist_atr, 0.15)) / 4


def _trend(f: Features) -> Floats:
    """Averages apart, price from the slowest, slope; in full from ADX 25 on."""
    near, far = bounded((f.ema9 - f.ema20) / f.atr, 0.5), bounded((f.ema20 - f.ema50) / f.atr, 0.75)
    slow = bounded((f.series.close - f.ema200) / f.atr, 3)
    slope = bounded(f.slope * f.series.close / f.atr, 0.15)
    return (near + far + slow + slope) / 4 * np.clip(f.adx / 25, 0, 1)


def _volatility(f: Features) -> Floats:
    """A break out of the usual range: where the price stands in the Keltner and in the Bollinger channel."""
    from_mean = f.series.close - f.sma20
    return (bounded(from_mean / f.atr, 1) + bounded(from_mean / (f.bollinger_upper - f.bollinger_middle), 0.5)) / 2


def _volume(f: Features) -> Floats:
    """Money flow, the share of 20 bars' volume by which OBV moved, and the distance from the day's VWAP."""
    moved = np.full(len(f.obv), np.nan)
    moved[20:] = f.obv[20:] - f.obv[: max(len(f.obv) - 20, 0)]
    share = moved / rolling_sum(f.series.volume, 20)
    # A random walk moves sqrt(bars of a day) ATRs or so in a day; that is what makes a distance from VWAP large.
    day = 0.15 * np.sqrt(max(DAY / f.series.every, 1))
    return (bounded(f.mfi - 50, 15) + bounded(share, 0.2) + bounded((f.series.close - f.vwap) / f.atr, day)) / 3


def _mean_reversion(f: Features) -> Floats:
    """Back to the mean: only what is far out counts, so that it need not fight every trend."""
    z = np.sign(f.zscore) * np.clip(np.abs(f.zscore) - 1.5, 0, 1)
    rsi = np.clip((f.rsi - 70) / 15, 0, 1) - np.clip((30 - f.rsi) / 15, 0, 1)
    return 0.0 - (z + rsi) / 2  # never -0.0


def _probability(f: Features) -> Floats:
    """Share of Monte Carlo paths that end higher; in full at the borders of the rule."""
    return bounded(f.monte_carlo - 0.5, 0.15)


CATEGORIES = (
    Category(name="momentum", weight=0.25, value=_momentum),
    Category(name="trend", weight=0.20, value=_trend),
    Category(name="volatility", weight=0.15, value=_volatility),
    Category(name="volume", weight=0.10, value=_volume),
    Category(name="mean reversion", weight=0.20, value=_mean_reversion),
    Category(name="probability", weight=0.10, value=_probability),
)


def damping(garman_klass: Floats) -> Floats:
    """1 in a calm market, down to 0.5 in a storm."""
    return 1 - DAMPED * np.clip((garman_klass - CALM) / (STORM - CALM), 0, 1)


# --- V2: rules ------------------------------------------------------------------------------------------------------

AT_BAND = 0.005  # of price
MIN_CONFIDENCE = 400_000  # millionths
MIN_AGREEING, MAX_CONFLICTING = 3, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`stance`: the side it takes when it fires; for ADX, which takes none, 1 supports and -1 conflicts."""

    name: str
    label: str  # of its value
    unit: str
    threshold: str
    value: Callable[[Features], Floats]
    stance: Callable[[Features, Floats], Signs]
    sided: bool = True


def _beyond(low: float, high: float, *, above: int) -> Callable[[Features, Floats], Signs]:
    """`above` over `high`, its opposite under `low`, 0 from one to the other."""

    def stance(_features: Features, value: Floats) -> Signs:
        return (above * (value > high).astype(np.int8) - above * (value < low).astype(np.int8)).astype(np.int8)

    return stance


def _rooms(f: Features) -> tuple[Floats, Floats]:
    """Way down to the lower and up to the upper band, fractions of price; negative beyond."""
    close = f.series.close
    return (close - f.bollinger_lower) / close, (f.bollinger_upper - close) / close


def _nearer_band(f: Features) -> Floats:
    return np.minimum(*_rooms(f))


def _at_one_band(f: Features, _value: Floats) -> Signs:
    lower, upper = (room <= AT_BAND for room in _rooms(f))
    return lower.astype(np.int8) - upper.astype(np.int8)


def _ema_order(f: Features) -> Floats:
    """The smaller of the two gaps where both have one sign, in ATRs; 0 where they have not."""
    first, second = f.ema9 - f.ema20, f.ema20 - f.ema50
    rising, falling = np.minimum(first, second), np.maximum(first, second)
    return np.where(rising > 0, rising, np.where(falling < 0, falling, np.where(np.isnan(rising), np.nan, 0))) / f.atr


# fmt: off
RULES = (
    Rule(name="RSI", label="RSI(14)", unit="", threshold="under 30 long, over 70 short",
         value=lambda f: f.rsi, stance=_beyond(30, 70, above=-1)),
    Rule(name="MACD", label="MACD histogram", unit="x ATR", threshold="over 0.1 long, under -0.1 short",
         value=lambda f: f.macd_hist_atr, stance=_beyond(-0.1, 0.1, above=1)),
    Rule(name="Stochastic", label="Stochastic %K", unit="", threshold="under 20 long, over 80 short",
         value=lambda f: f.stoch_k, stance=_beyond(20, 80, above=-1)),
    Rule(name="Bollinger", label="way to the nearer band", unit="of price",
         threshold="within 0.005 of the lower band alone long, of the upper alone short",
         value=_nearer_band, stance=_at_one_band),
    Rule(name="EMA order", label="smaller gap of EMA 9, 20, 50", unit="x ATR",
         threshold="9 > 20 > 50 long, 9 < 20 < 50 short", value=_ema_order, stance=_beyond(0, 0, above=1)),
    Rule(name="Monte Carlo", label="paths that end higher", unit="of all", threshold="over 0.65 long, under 0.35 short",
         value=lambda f: f.monte_carlo, stance=_beyond(0.35, 0.65, above=1)),
    Rule(name="z-score", label="z-score(20)", unit="", threshold="under -2 long, over 2 short",
         value=lambda f: f.zscore, stance=_beyond(-2, 2, above=-1)),
    Rule(name="slope", label="slope(10)", unit="of price a bar", threshold="over 0.0005 long, under -0.0005 short",
         value=lambda f: f.slope, stance=_beyond(-0.0005, 0.0005, above=1)),
    Rule(name="ADX", label="ADX(14)", unit="", threshold="over 25 supports, under 15 conflicts",
         value=lambda f: f.adx, stance=_beyond(15, 25, above=1), sided=False),
)
# fmt: on


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counted:
    """V2 over all rows."""

    side: Signs  # 0: a tie, and then nothing agrees or conflicts
    confidence: Ints  # millionths, cut
    agreeing: Ints
    conflicting: Ints
    valid: Bools


def count(stances: tuple[Signs, ...]) -> Counted:
    """From each rule's stance, in the order of RULES."""
    sided, backing = (
        np.array([s for rule, s in zip(RULES, stances, strict=True) if rule.sided is x]) for x in (True, False)
    )
    longs, shorts = (sided > 0).sum(axis=0), (sided < 0).sum(axis=0)
    most, least = np.maximum(longs, shorts), np.minimum(longs, shorts)
    confidence = (most - least) * MICRO // np.maximum(most + least, 1)
    agreeing = np.where(most == least, 0, most + (backing > 0).sum(axis=0))
    conflicting = np.where(most == least, 0, least + (backing < 0).sum(axis=0))
    return Counted(
        side=np.sign(longs - shorts).astype(np.int8),
        confidence=confidence,
        agreeing=agreeing,
        conflicting=conflicting,
        valid=is_valid(confidence, agreeing, conflicting),
    )


def is_valid(confidence: Any, agreeing: Any, conflicting: Any) -> Any:
    """For ints and for columns."""
    return (confidence >= MIN_CONFIDENCE) & (agreeing >= MIN_AGREEING) & (conflicting <= MAX_CONFLICTING)


# --- orchestrator -----------------------------------------------------------------------------------------------------

ALONE_ABOVE = 700_000  # millionths: V1 that strong speaks without V2
MOST, SOME = 50, 30  # percent of the rules, those in conflict taken off


class Outcome(StrEnum):
    """Who carried it, in the order in which it is asked. A thesis holds these words, hence no number is in them."""

    SILENT = "the score takes no side"
    OPPOSED = "the score and the rules take opposite sides"
    CONFIRMED = "most of the rules agree"
    KEPT = "some of the rules agree"
    DOUBTED = "few of the rules agree"
    ALONE = "the rules are not valid, the score is strong enough alone"
    WEAK = "the rules are not valid, the score is too weak alone"

    @property
    def tenths(self) -> int:
        """What V1's confidence is multiplied by; 0 is WAIT."""
        return _TENTHS.get(self, 0)


_TENTHS = {Outcome.CONFIRMED: 11, Outcome.KEPT: 10, Outcome.DOUBTED: 7, Outcome.ALONE: 8}
OUTCOMES = tuple(Outcome)
_FACTORS = np.array([outcome.tenths for outcome in OUTCOMES], dtype=np.int64)


def orchestrate(score: Ints, *, side: Signs, valid: Bools, net: Ints, of: int = len(RULES)) -> Signs:
    """Places in OUTCOMES, the first that holds in their order. `score` is V1 in signed millionths; the rest is V2's:
    `net` is how many rules agree, less those in conflict, `of` so many."""
    holds = (
        score == 0,
        valid & (side != np.sign(score)),
        valid & (net * 100 > MOST * of),
        valid & (net * 100 > SOME * of),
        valid,
        np.abs(score) > ALONE_ABOVE,
    )
    return np.select(holds, range(len(holds)), len(holds)).astype(np.int8)


def confidence_of(score: Ints, outcomes: Signs) -> Ints:
    """Millionths, cut, 1 at most; 0 where it is too weak to take a side."""
    confidence = np.minimum(np.abs(score) * _FACTORS[outcomes] // 10, MICRO)
    return np.where(confidence < NEUTRAL_BELOW, 0, confidence)


# --- all of it, in columns --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scored:
    """One row per bar. Where `votes.absent`, the score is 0 and so is what follows from it."""

    needed: int  # bars
    categories: tuple[Floats, ...]  # in the order of CATEGORIES
    before: Floats  # their weighted sum
    damping: Floats
    score: Ints  # after damping, signed millionths
    values: tuple[Floats, ...]  # in the order of RULES
    stances: tuple[Signs, ...]
    rules: Counted
    outcomes: Signs  # places in OUTCOMES
    votes: Votes


def score(features: Features, *, min_bars: int = WARM_UP) -> Scored:
    """Both readings and their arbitration over all rows; from `min_bars` bars on, never before EMA 200 is there."""
    needed = max(min_bars, WARM_UP)
    with np.errstate(all="ignore"):  # a market that stood still has no ATR and no bands: not finite, so absent
        categories = tuple(category.value(features) for category in CATEGORIES)
        values = tuple(rule.value(features) for rule in RULES)
        stances = tuple(rule.stance(features, value) for rule, value in zip(RULES, values, strict=True))
    before = sum((c.weight * v for c, v in zip(CATEGORIES, categories, strict=True)), np.zeros(len(features.rsi)))
    damp = damping(features.garman_klass)
    absent = ~np.logical_and.reduce([np.isfinite(column) for column in (before, damp, *values)])
    absent[: needed - 1] = True
    total = np.rint(np.where(absent, 0.0, before * damp) * MICRO).astype(np.int64)
    rules = count(stances)
    outcomes = orchestrate(total, side=rules.side, valid=rules.valid, net=rules.agreeing - rules.conflicting)
    confidence = confidence_of(total, outcomes)
    direction = np.where(confidence == 0, 0, np.sign(total)).astype(np.int8)
    return Scored(
        needed=needed,
        categories=categories,
        before=before,
        damping=damp,
        score=total,
        values=values,
        stances=stances,
        rules=rules,
        outcomes=outcomes,
        votes=Votes(direction=direction, confidence=confidence, absent=absent),
    )
