"""What weights the personas would have earned: learned in shadow, proposed with an interval, applied by nobody. Pure.

Each decision with a known outcome is a trial. Weights follow the sleeping experts of Freund et al. (1997): who did not
speak keeps his weight, and those who spoke divide what they have together by how right they were; with the fixed share
of Herbster and Warmuth (1998), so that who was wrong for long can come back. Every vote is counted before it is learned
from.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import exp

from trading.model import Symbol

ENOUGH = 200  # trials in which at least two spoke
BLOCK = 20  # trials that follow each other are resampled together: the market binds them
RESAMPLES = 1000
RATE = 0.1  # how fast is learned
SHARE = 0.01  # of their weight that all who spoke divide evenly
_DIGIT, _HUNDREDTH = Decimal("1e-4"), Decimal("0.01")
_TIE = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A decision whose horizon has passed."""

    at: datetime
    until: datetime
    symbol: Symbol
    move: Decimal  # of the mark, a fraction
    costs: Decimal  # likewise, both ways
    said: tuple[tuple[str, int], ...]  # (persona, conviction in signed millionths), of those that took a side

    def right(self, sign: int) -> bool:
        return self.move * sign > self.costs


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    n: int
    rows: tuple[tuple[str, str, str], ...]  # (persona, weight now, weight proposed)
    gain: tuple[Decimal, Decimal]  # 95 % interval of the gain in hit rate, fractions


@dataclass(frozen=True, slots=True, kw_only=True)
class NoProposal:
    n: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """When it was looked at last, and what came of it."""

    at: datetime
    playbook: str
    found: Proposal | NoProposal


def propose(trials: Sequence[Trial], weights: Mapping[str, Decimal]) -> Proposal | NoProposal:
    """`weights`: of the playbook. The same trials and weights give the same answer, whatever their order."""
    heard = [trial for trial in apart(trials) if _speakers(trial, weights) > 1]
    n, total = len(heard), sum(weights.values())
    if n < ENOUGH or not total:
        return NoProposal(n=n, reason=f"{n} of {ENOUGH} decisions with two sides heard and a known outcome")
    now = {name: float(weight / total) for name, weight in weights.items()}
    gains, learned = _learned(heard, now)
    low, high = _interval(gains, _seed(heard, weights))
    if low <= 0:
        said = f"the gain in hit rate is {low:+.1%} to {high:+.1%}: not surely above zero"
        return NoProposal(n=n, reason=said)
    rows = tuple(
        (name, f"{weight.normalize():f}", f"{(Decimal(learned[name]) * total).quantize(_HUNDREDTH):f}")
        for name, weight in weights.items()
    )
    return Proposal(n=n, rows=rows, gain=(low, high))


def apart(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """In the order of their time, without those that overlap an earlier one of the same instrument."""
    free: dict[Symbol, datetime] = {}
    kept = []
    for trial in sorted(trials, key=lambda t: (t.at, t.symbol)):
        if trial.symbol not in free or free[trial.symbol] <= trial.at:
            free[trial.symbol] = trial.until
            kept.append(trial)
    return tuple(kept)


def _speakers(trial: Trial, weights: Mapping[str, Decimal]) -> int:
    return sum(weights.get(name, 0) > 0 for name, _ in trial.said)


# --- learning -------------------------------------------------------------------------------------------------------


def _learned(trials: Sequence[Trial], now: Mapping[str, float]) -> tuple[list[float], dict[str, float]]:
    """What each trial would have gained in hits, and the weights in the end."""
    weights, gains = dict(now), []
    for trial in trials:
        gains.append(_hit(trial, weights) - _hit(trial, now))
        _learn(trial, weights)
    return gains, weights


def _hit(trial: Trial, weights: Mapping[str, float]) -> float:
    """1 right, 0 wrong, and a half where the votes are even."""
    vote = sum(weights.get(name, 0.0) * conviction for name, conviction in trial.said)
    return 0.5 if abs(vote) < _TIE else float(trial.right(1 if vote > 0 else -1))


def _learn(trial: Trial, weights: dict[str, float]) -> None:
    awake = [(name, conviction) for name, conviction in trial.said if weights.get(name, 0.0) > 0]
    mass = sum(weights[name] for name, _ in awake)
    after = {n: weights[n] * exp(0.0 if trial.right(1 if c > 0 else -1) else -RATE) for n, c in awake}
    scale = mass / sum(after.values()) if after else 0.0
    for name, weight in after.items():
        weights[name] = (1 - SHARE) * weight * scale + SHARE * mass / len(after)


# --- how sure -------------------------------------------------------------------------------------------------------


def _interval(gains: Sequence[float], seed: bytes) -> tuple[Decimal, Decimal]:
    """95 % by a bootstrap over blocks that do not overlap (Carlstein 1986)."""
    blocks = [gains[first : first + BLOCK] for first in range(0, len(gains), BLOCK)]
    sums = [(sum(block), len(block)) for block in blocks]
    draws = _draws(seed, len(sums))
    means = []
    for _ in range(RESAMPLES):
        drawn = [sums[next(draws)] for _ in sums]
        means.append(sum(total for total, _ in drawn) / sum(n for _, n in drawn))
    means.sort()
    cut = RESAMPLES // 40
    return Decimal(means[cut]).quantize(_DIGIT), Decimal(means[-1 - cut]).quantize(_DIGIT)


def _draws(seed: bytes, below: int) -> Iterator[int]:
    """An endless row of numbers that anybody can draw again."""
    count = 0
    while True:
        digest = hashlib.sha256(seed + count.to_bytes(8, "big")).digest()
        yield from (int.from_bytes(digest[n : n + 4], "big") % below for n in range(0, len(digest), 4))
        count += 1


def _seed(trials: Sequence[Trial], weights: Mapping[str, Decimal]) -> bytes:
    """By what is looked at, so that looking again cannot change the answer."""
    found = hashlib.sha256(repr(sorted(weights.items())).encode())
    for trial in trials:
        found.update(f"{trial.at.isoformat()} {trial.symbol} {trial.move} {trial.said}".encode())
    return found.digest()
