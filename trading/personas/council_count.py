"""The council's arithmetic: ballots in, one opinion out. Pure; the persona that asks for them is council.py.

A vote to buy counts when enough categories are bullish and the price is still above the one at which its model gives
up. Enough such votes make a long; whatever else was said is no vote for anything, and there are no shorts. Too few
ballots to say yes at all are no opinion.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from trading.ballot import Ballot, Signal
from trading.decision import MICRO, Abstention, Evidence, Opinion, Stance
from trading.playbook import Seat, span_text

NAME = "council"
QUORUM = 2  # ballots without which there is no opinion: one model alone is no council


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """A model that was asked and has no say."""

    model: str
    reason: str


Answer = Ballot | Absent


class Standing(StrEnum):
    BUYS = "BUY"
    DOUBTS = "BUY, too few categories bullish"
    GAVE_UP = "BUY, price at its invalidation"
    NOTHING = "NONE"


def standing(ballot: Ballot, price: Decimal, seat: Seat) -> Standing:
    """What a ballot counts for at this price; at its invalidation price a model has given up."""
    if ballot.signal is not Signal.BUY or ballot.invalidation is None:
        return Standing.NOTHING
    if ballot.bullish < seat.bullish:
        return Standing.DOUBTS
    return Standing.BUYS if ballot.invalidation < price else Standing.GAVE_UP


def fresh(answer: Answer, at: datetime, seat: Seat) -> Answer:
    """A ballot of the future, or one older than the seat allows, is none; one exactly that old still counts."""
    if isinstance(answer, Absent):
        return answer
    if answer.at > at:
        return Absent(model=answer.model, reason="its ballot is of the future")
    if at - answer.at > seat.max_age:
        return Absent(model=answer.model, reason=f"its ballot is older than {span_text(seat.max_age)}")
    return answer


def count(answers: Sequence[Answer], *, at: datetime, price: Decimal, seat: Seat) -> Opinion | Abstention:
    """One answer a model. Confidence is the mean of those who buy, rounded down; invalidation the nearest of theirs."""
    heard = [fresh(answer, at, seat) for answer in answers]
    ballots = [answer for answer in heard if isinstance(answer, Ballot)]
    absent = [answer for answer in heard if isinstance(answer, Absent)]
    needed = max(QUORUM, seat.agree)
    if len(ballots) < needed:
        why = "; ".join(f"{a.model}: {a.reason}" for a in absent)
        few = f"{len(ballots)} of {len(answers)} models have a ballot, {needed} are needed"
        return Abstention(persona=NAME, reason=f"{few} ({why})" if why else few)
    said = [(ballot, standing(ballot, price, seat)) for ballot in ballots]
    buying = [ballot for ballot, stands in said if stands is Standing.BUYS]
    agreed = len(buying) >= seat.agree
    return Opinion(
        persona=NAME,
        stance=Stance.LONG if agreed else Stance.NEUTRAL,
        confidence=sum(b.confidence for b in buying) // len(buying) if agreed else 0,
        thesis=_thesis(said, absent, agreed=agreed),
        evidence=tuple(_fact(ballot, stands) for ballot, stands in said),
        invalidation=max(b.invalidation for b in buying if b.invalidation) if agreed else None,
    )


def _fact(ballot: Ballot, stands: Standing) -> Evidence:
    """The one number of a ballot that decided what it counts for."""
    value, unit = _number(ballot, stands)
    label = f"{ballot.model} says {stands}"
    return Evidence(label=label, value=float(value), unit=unit, source="ballot", as_of=ballot.at)


def _number(ballot: Ballot, stands: Standing) -> tuple[float | Decimal, str]:
    match stands:
        case Standing.DOUBTS:
            return ballot.bullish, "bullish categories"
        case Standing.GAVE_UP if ballot.invalidation is not None:
            return ballot.invalidation, "quote units"
        case _:
            return ballot.confidence / MICRO, "confidence"


def _thesis(said: Sequence[tuple[Ballot, Standing]], absent: Sequence[Absent], *, agreed: bool) -> str:
    """Names every model; every number in it is one of the facts, confidences rounded."""
    words = [f"{ballot.model} says {_words(ballot, stands)}" for ballot, stands in said]
    words += [f"{a.model} is absent" for a in absent]
    return f"The council {'buys' if agreed else 'does not buy'}: {'; '.join(words)}."


def _words(ballot: Ballot, stands: Standing) -> str:
    match stands:
        case Standing.DOUBTS:
            return f"BUY, but finds only {ballot.bullish} categories bullish"
        case Standing.GAVE_UP:
            return f"BUY, but the price has reached {ballot.invalidation:f}, where it gives up"
        case _:
            return f"{stands} ({ballot.confidence / MICRO:.2f})"
