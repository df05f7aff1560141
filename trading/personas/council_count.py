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
from trading.decision import MICRO, Abstention, Evidence, Opinion, Stance, shown
from trading.playbook import Seat, span_text
from trading.voice import Exchange, Lack, Voice

NAME = "council"
QUORUM = 2  # ballots without which there is no opinion: one model alone is no council


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """A model that was asked and has no say."""

    model: str
    reason: str
    failed: bool = False  # something broke; False: it has said nothing yet
    exchanges: tuple[Exchange, ...] = ()


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
        return Absent(model=answer.model, reason="its ballot is of the future", exchanges=answer.exchanges)
    if at - answer.at > seat.max_age:
        reason = f"its ballot is older than {span_text(seat.max_age)}"
        return Absent(model=answer.model, reason=reason, exchanges=answer.exchanges)
    return answer


def identity(ballot: Ballot) -> str:
    """Who has voted, as it names itself; a ballot that was written down before names nobody else."""
    named = [e.returned for e in ballot.exchanges if e.returned and e.lack is None]
    return named[-1] if named else ballot.model


def distinct(answers: Sequence[Answer]) -> list[Answer]:
    """One vote a model: whoever was answered by a model that has voted already, under another name, is absent."""
    seen: dict[str, str] = {}
    found: list[Answer] = []
    for answer in answers:
        if isinstance(answer, Ballot) and (first := seen.setdefault(identity(answer), answer.model)) != answer.model:
            reason = f"{Lack.SUBSTITUTED.value}: the one that voted for {first} already"
            answer = Absent(model=answer.model, reason=reason, failed=True, exchanges=answer.exchanges)
        found.append(answer)
    return found


def count(answers: Sequence[Answer], *, at: datetime, price: Decimal, seat: Seat) -> Opinion | Abstention:
    """One answer a model. Confidence is the mean of those who buy, rounded down; invalidation the nearest of theirs."""
    heard = distinct([fresh(answer, at, seat) for answer in answers])
    ballots = [answer for answer in heard if isinstance(answer, Ballot)]
    absent = [answer for answer in heard if isinstance(answer, Absent)]
    needed = max(QUORUM, seat.agree)
    if len(ballots) < needed:
        why = "; ".join(f"{a.model}: {a.reason}" for a in absent)
        few = f"{len(ballots)} of {len(answers)} models have a ballot, {needed} are needed"
        reason = f"{few} ({why})" if why else few
        return Abstention(persona=NAME, reason=reason, failed=any(a.failed for a in absent), voice=_voice(heard))
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
        voice=_voice(heard),
    )


def _voice(heard: Sequence[Answer]) -> Voice | None:
    """None where nobody was asked: ballots that were written down before."""
    exchanges = tuple(exchange for answer in heard for exchange in answer.exchanges)
    if not exchanges:
        return None
    return Voice(
        model=", ".join(identity(answer) for answer in heard if isinstance(answer, Ballot)),
        notes=tuple(_note(answer) for answer in heard),
        exchanges=exchanges,
    )


def _note(answer: Answer) -> str:
    if isinstance(answer, Absent):
        return f"{answer.model}: absent, {answer.reason}"
    price = f", gives up at {answer.invalidation:f}" if answer.invalidation is not None else ""
    judged = "; ".join(
        f"{j.category.value} {j.mark.value}" + (f" ({j.reason})" if j.reason else "") for j in answer.categories
    )
    return f"{answer.model}: {answer.signal.value} {shown(answer.confidence)}{price}: {answer.thesis} {judged}"


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
