"""Which single change would have turned a recorded decision: found exactly, the smallest of each kind. Pure.

The judge's own lines serve a whole column of weights at once, so nothing here repeats its arithmetic.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np

from bot.limits import compared
from bot.rejudging import Basis, plain
from trading.decision import MICRO, Action, Decision, Opinion, Stance
from trading.errors import BadPlaybook
from trading.judge import Vote, strengths
from trading.playbook import JudgePolicy, Playbook, Quorum

_HEAVIEST = 100_000  # thousandths: the most a vote may weigh
_MOST_DOMINANCE = 1_000_000  # thousandths
_MILLI = Decimal(1000)
_ACTIONS = {1: Action.LONG, 0: Action.WAIT, -1: Action.SHORT}

Votes = dict[str, Vote]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """`what`: a setting, or a persona that had not spoken."""

    what: str
    before: str
    after: str
    leads_to: str  # "long", "wait", "position count passes"
    size: Decimal | None = None  # of the change, against what was; None: it has no size


def flips(decision: Decision, found: Basis) -> tuple[Flip, ...]:
    """The smallest change of each kind, the smallest first. A side that a person has chosen hangs on no vote."""
    made = [*_of_the_gate(decision, found), *(() if decision.by else of_the_verdict(decision, found.playbook.judge))]
    return tuple(sorted(made, key=lambda f: (f.size is None, f.size or Decimal(0))))


# --- the verdict --------------------------------------------------------------------------------------------------


def of_the_verdict(decision: Decision, policy: JudgePolicy) -> Iterator[Flip]:
    spoken = {o.persona: o.conviction for o in decision.opinions if isinstance(o, Opinion)}
    votes = {
        name: Vote(weight=milli, conviction=spoken.get(name, 0), missing=name not in spoken)
        for name, milli in decision.weights.items()
    }
    now = int(_acts(votes, policy))
    yield from _by_confidence(votes, policy, now)
    yield from _by_policy(votes, policy, now)
    yield from (flip for name in votes for flip in _by_weight(name, votes, policy, now))
    yield from (flip for name in votes if votes[name].missing for flip in _by_voice(name, votes, policy, now))


def _acts(votes: Votes, policy: JudgePolicy) -> Any:
    """1 long, -1 short, 0 wait: of one bar, or of a column."""
    found = strengths(list(votes.values()), policy)
    return found.side * (found.confidence >= int(policy.min_confidence * MICRO))


def _size(before: Decimal, after: Decimal) -> Decimal | None:
    return abs(after - before) / before if before else None


def _setting(name: str, before: Decimal, after: Decimal, act: int) -> Flip:
    leads_to = _ACTIONS[act].value
    return Flip(what=name, before=plain(before), after=plain(after), leads_to=leads_to, size=_size(before, after))


def _by_confidence(votes: Votes, policy: JudgePolicy, now: int) -> Iterator[Flip]:
    found = strengths(list(votes.values()), policy)
    border = found.confidence + 1 if now else found.confidence  # millionths
    if found.side and 0 < border <= MICRO:
        yield _setting("judge.min_confidence", policy.min_confidence, Decimal(border) / MICRO, 0 if now else found.side)


def _by_policy(votes: Votes, policy: JudgePolicy, now: int) -> Iterator[Flip]:
    def act(**changed: Any) -> int:
        return int(_acts(votes, policy.model_copy(update=changed)))

    for count in sorted(range(1, len(votes) + 2), key=lambda n: abs(n - policy.min_agreeing)):
        if act(min_agreeing=count) != now:
            before, after = Decimal(policy.min_agreeing), Decimal(count)
            yield _setting("judge.min_agreeing", before, after, act(min_agreeing=count))
            break
    for name, least, most in (("dominance", 1000, _MOST_DOMINANCE), ("drag", 0, 1000)):
        held: Decimal = getattr(policy, name)
        turned = _nearest(int(held * 1000), least, most, partial(_turns, act, name, now))
        if turned is not None:
            yield _setting(f"judge.{name}", held, turned / _MILLI, act(**{name: turned / _MILLI}))
    other = Quorum.RENORMALISE if policy.quorum is Quorum.WORST_CASE else Quorum.WORST_CASE
    if act(quorum=other) != now:
        leads_to = _ACTIONS[act(quorum=other)].value
        yield Flip(what="judge.quorum", before=policy.quorum.value, after=other.value, leads_to=leads_to)


def _turns(act: Callable[..., int], name: str, now: int, milli: int) -> bool:
    return act(**{name: milli / _MILLI}) != now


def _nearest(now: int, least: int, most: int, turned: Callable[[int], bool]) -> int | None:
    """The nearest number at which something has turned that turns once on each side, if at all."""
    found = [n for n in (_first(now, most, turned), _first(now, least, turned)) if n is not None]
    return min(found, key=lambda n: abs(n - now), default=None)


def _first(here: int, end: int, turned: Callable[[int], bool]) -> int | None:
    """By halving the way, up or down."""
    if not turned(end):
        return None
    while abs(end - here) > 1:
        middle = (here + end) // 2
        here, end = (here, middle) if turned(middle) else (middle, end)
    return end


def _by_weight(name: str, votes: Votes, policy: JudgePolicy, now: int) -> Iterator[Flip]:
    vote: Vote = votes[name]
    weights: Any = np.arange(_HEAVIEST + 1)
    acts = np.broadcast_to(_acts({**votes, name: replace(vote, weight=weights)}, policy), weights.shape)
    turned = np.flatnonzero(acts != now)
    if len(turned):
        after = int(turned[np.abs(turned - vote.weight).argmin()])
        before = Decimal(vote.weight) / _MILLI
        yield _setting(f"panel.{name}.weight", before, after / _MILLI, int(acts[after]))


def _by_voice(name: str, votes: Votes, policy: JudgePolicy, now: int) -> Iterator[Flip]:
    """What one that was missing would have had to say: neutral where that is enough, or the least on each side."""

    def act(conviction: int) -> int:
        return int(
            _acts({**votes, name: Vote(weight=votes[name].weight, conviction=conviction, missing=False)}, policy)
        )

    if act(0) != now:
        yield Flip(what=name, before="missing", after="neutral", leads_to=_ACTIONS[act(0)].value)
        return
    for stance in (Stance.LONG, Stance.SHORT):
        # More of the same can turn it only once more, after the first millionth.
        least = 1 if act(stance.sign) != now else _first(1, MICRO, partial(_says, act, stance, now))
        if least is not None:
            leads_to = _ACTIONS[act(stance.sign * least)].value
            after = f"{stance} {plain(Decimal(least) / MICRO)}"
            yield Flip(what=name, before="missing", after=after, leads_to=leads_to)


def _says(act: Callable[[int], int], stance: Stance, now: int, conviction: int) -> bool:
    return act(stance.sign * conviction) != now


# --- the gate -----------------------------------------------------------------------------------------------------


def _of_the_gate(decision: Decision, found: Basis) -> Iterator[Flip]:
    """Limits that would have let through what was denied, or kept out what was not."""
    gate = decision.gate
    if gate is None:
        return
    for answer in gate.answers:
        if answer.passed is not decision.approved:
            continue
        of = compared(answer, decision, found.playbook, same=found.same)
        after = of.turns() if of else None
        if of is not None and after is not None and _fits(found.playbook, of.key, after):
            leads_to = f"{answer.rule} {'refuses' if answer.passed else 'passes'}"
            before = plain(of.then)
            yield Flip(what=of.key, before=before, after=plain(after), leads_to=leads_to, size=_size(of.then, after))


def _fits(playbook: Playbook, key: str, value: Decimal) -> bool:
    text = f"{plain(value)}s" if key == "limits.wash_guard" else plain(value)
    try:
        playbook.amended({key: text})
    except BadPlaybook:
        return False
    return True
