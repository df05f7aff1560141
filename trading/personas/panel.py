"""The panel: what a persona is, how a rule persona votes in columns, and how all of them are asked at once."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trading.decision import MICRO, Abstention, Opinion, Stance
from trading.errors import GavelError, NoEvidence
from trading.market.features import Features
from trading.market.series import Floats, from_ms
from trading.market.snapshot import Snapshot

log = logging.getLogger(__name__)

NEUTRAL_BELOW = MICRO // 10  # a score weaker than this takes no side
FUNDING_SCALE = 0.0005  # funding per settlement that counts in full: five times the usual 0.01 %


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Votes:
    """One row per bar. Where `absent`, the other two are 0."""

    direction: NDArray[np.int8]  # -1, 0, 1
    confidence: NDArray[np.int64]  # millionths
    absent: NDArray[np.bool_]


class Persona(Protocol):
    """A member of the panel."""

    name: str
    instant: bool  # answers without waiting for anything: asked without a task and a deadline

    async def opine(self, snapshot: Snapshot) -> Opinion | Abstention:
        """Reads rows <= `snapshot.row` only. May raise NoEvidence: it then abstains."""
        ...


class RulePersona(Persona, Protocol):
    """A persona of arithmetic alone: what it says at a row is a column over all rows."""

    def votes(self, features: Features) -> Votes:
        """All rows at once; each is what `opine` says there in a market without an order book."""
        ...


# --- scores: how evidence becomes a vote --------------------------------------------------------------------------


def bounded(column: Floats, scale: float) -> Floats:
    """Linear within +-`scale`, -1..1; NaN stays NaN."""
    return np.clip(column / scale, -1.0, 1.0)


def against_funding(rate: Floats) -> Floats:
    """-1..1: who pays for a position is in the majority, and that gets squeezed. 0 where the rate is not known."""
    return np.where(np.isfinite(rate), bounded(-rate, FUNDING_SCALE), 0.0)


def votes_of(score: Floats, absent: NDArray[np.bool_]) -> Votes:
    """Scores in -1..1 as votes: the sign is the side, the size the strength, in whole millionths."""
    present = np.where(absent, 0.0, score)
    confidence = np.minimum(np.rint(np.abs(present) * MICRO), MICRO).astype(np.int64)
    side = np.where(confidence < NEUTRAL_BELOW, 0, np.sign(present))
    return Votes(direction=side.astype(np.int8), confidence=confidence, absent=absent)


def vote_of(score: float) -> tuple[Stance, int]:
    """One score, by the same arithmetic."""
    confidence = min(round(abs(score) * MICRO), MICRO)
    if confidence < NEUTRAL_BELOW:
        return Stance.NEUTRAL, confidence
    return (Stance.LONG if score > 0 else Stance.SHORT), confidence


def bar_closed_at(snapshot: Snapshot) -> datetime:
    return from_ms(snapshot.features.series.opened[snapshot.row]) + snapshot.every


# --- asking -------------------------------------------------------------------------------------------------------


async def convene(
    panel: Sequence[Persona],
    snapshot: Snapshot,
    *,
    timeout: float | None,  # noqa: ASYNC109 - one deadline for each persona, not one for the call
) -> tuple[Opinion | Abstention, ...]:
    """What each persona says, in the panel's order; all are asked at once, each has `timeout` seconds of wall time.

    Nobody's failure is anybody else's: no evidence, a missed deadline and an unexpected error become abstentions.
    """
    if all(persona.instant for persona in panel):  # a task costs more than a rule persona's whole answer
        return tuple([await _ask(persona, snapshot, within=None) for persona in panel])
    async with asyncio.TaskGroup() as group:
        slow = {p.name: group.create_task(_ask(p, snapshot, within=timeout)) for p in panel if not p.instant}
        quick = {p.name: await _ask(p, snapshot, within=None) for p in panel if p.instant}
    return tuple(quick[p.name] if p.instant else slow[p.name].result() for p in panel)


async def _ask(persona: Persona, snapshot: Snapshot, *, within: float | None) -> Opinion | Abstention:
    deadline = asyncio.timeout(within)
    try:
        async with deadline:
            return await persona.opine(snapshot)
    except NoEvidence as lack:
        return Abstention(persona=persona.name, reason=str(lack))
    except Exception as error:
        if deadline.expired():
            return Abstention(persona=persona.name, reason=f"no answer within {within:g} s", failed=True)
        log.exception("persona %s failed on %s", persona.name, snapshot.symbol)
        # Of errors that are not ours only the name: an SDK's message may hold a key, and this stands on a card.
        what = str(error) if isinstance(error, GavelError) else type(error).__name__
        return Abstention(persona=persona.name, reason=f"failed: {what}", failed=True)
