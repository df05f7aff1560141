"""Which single change would have turned a recorded decision: found exactly, the smallest of each kind. Pure.

The judge's own lines serve a whole column of weights at once, so nothing here repeats its arithmetic.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np

from bot.asking_anew import asked, name_of
from bot.limits import compared
from bot.rejudging import Basis, answers_again, plain, rulers
from trading.decision import MICRO, Abstention, Action, Decision, Opinion, Ruling, Stance
from trading.errors import BadPlaybook
from trading.judge import JUDGE, VALIDATOR, Vote, rejudged, strengths
from trading.playbook import JudgePolicy, Playbook, Quorum
from trading.policies import ValidationPolicy

_HEAVIEST = 100_000  # thousandths: the most a vote may weigh
_MOST_DOMINANCE = 1_000_000  # thousandths
_MILLI = Decimal(1000)
_BORDER = "judge.min_confidence"
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
    made = [*_of_the_gate(decision, found), *_of_phases(decision, found)]
    if not decision.by:
        made += _of_votes(decision, found.playbook)
    return tuple(sorted(made, key=lambda f: (f.size is None, f.size or Decimal(0))))


def _of_votes(decision: Decision, playbook: Playbook) -> Iterator[Flip]:
    """An entry that a model would be asked about is one only if it agrees. Where one was stopped so, votes that lead to
    waiting lead to what is."""
    behind = " and ".join(who.upper() for who in rulers(playbook))
    for flip in (*of_the_verdict(decision, playbook.judge), *_of_the_panel(decision, playbook.judge)):
        waits = flip.leads_to == Action.WAIT
        if (waits and decision.verdict.action is Action.WAIT) or (decision.rulings and flip.what == _BORDER):
            continue
        yield flip if waits or not behind else replace(flip, leads_to=f"{flip.leads_to}, if {behind} agrees")
    yield from _of_rulings(decision, playbook)


def _of_rulings(decision: Decision, playbook: Playbook) -> Iterator[Flip]:
    """Each of those who ruled, had he not been asked; where another behind him was not, he would have been."""
    yield from _by_lowered(decision, playbook)
    for said in decision.rulings:
        others = tuple(r for r in decision.rulings if r is not said)
        policy = playbook.judge.model_copy(update={"model": ""}) if name_of(said) == JUDGE else playbook.judge
        validation = playbook.validation if name_of(said) == JUDGE else None
        act = rejudged(replace(decision, rulings=others), policy, _if_asked(validation, others)).action
        behind = [who for who in rulers(playbook) if who not in {name_of(r) for r in decision.rulings}]
        if act is not decision.verdict.action:
            leads_to = f"{act}, if {' and '.join(behind).upper()} agrees" if behind else str(act)
            yield Flip(what=f"without {name_of(said)}", before=_ruled(said), after="not asked", leads_to=leads_to)


def _by_lowered(decision: Decision, playbook: Playbook) -> Iterator[Flip]:
    """The border at the confidence that the judge's model has left of it."""
    verdict, policy = decision.verdict, playbook.judge
    border = verdict.confidence + (verdict.action is not Action.WAIT)
    if not decision.rulings or not 0 < border <= MICRO:
        return
    moved = policy.model_copy(update={"min_confidence": Decimal(border) / MICRO})
    act = rejudged(decision, moved, _if_asked(playbook.validation, decision.rulings)).action
    unasked = [who for who in rulers(playbook) if who not in {name_of(r) for r in decision.rulings}]
    if act is not verdict.action:
        after = plain(Decimal(border) / MICRO)
        size = _size(policy.min_confidence, Decimal(border) / MICRO)
        leads_to = f"{act}, if {' and '.join(unasked).upper()} agrees" if unasked else str(act)
        yield Flip(what=_BORDER, before=plain(policy.min_confidence), after=after, leads_to=leads_to, size=size)


def _if_asked(validation: ValidationPolicy | None, rulings: Sequence[Ruling | Abstention]) -> ValidationPolicy | None:
    """One that was not asked keeps nothing out here: that it would have been is said."""
    return validation if any(name_of(said) == VALIDATOR for said in rulings) else None


def _ruled(said: Ruling | Abstention) -> str:
    return said.said if isinstance(said, Ruling) else "no answer"


# --- the verdict --------------------------------------------------------------------------------------------------


def of_the_verdict(decision: Decision, policy: JudgePolicy) -> Iterator[Flip]:
    votes = _votes(decision)
    now = int(_acts(votes, policy))
    yield from _by_confidence(votes, policy, now)
    yield from _by_policy(votes, policy, now)
    yield from (flip for name in votes for flip in _by_weight(name, votes, policy, now))
    yield from (flip for name in votes if votes[name].missing for flip in _by_voice(name, votes, policy, now))


def _votes(decision: Decision) -> Votes:
    spoken = {o.persona: o.conviction for o in decision.opinions if isinstance(o, Opinion)}
    return {
        name: Vote(weight=milli, conviction=spoken.get(name, 0), missing=name not in spoken)
        for name, milli in decision.weights.items()
    }


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
        yield _setting(_BORDER, policy.min_confidence, Decimal(border) / MICRO, 0 if now else found.side)


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


def _of_the_panel(decision: Decision, policy: JudgePolicy) -> Iterator[Flip]:
    """Each persona, had it not existed."""
    votes = _votes(decision)
    now = int(_acts(votes, policy))
    for name, vote in votes.items():
        others = {other: said for other, said in votes.items() if other != name}
        act = int(_acts(others, policy)) if others else 0
        if act != now:
            leads_to = _ACTIONS[act].value
            yield Flip(what=f"without {name}", before=_said(vote), after="did not exist", leads_to=leads_to)


def _said(vote: Vote) -> str:
    if vote.missing:
        return "did not speak"
    return str({1: Stance.LONG, -1: Stance.SHORT}.get((vote.conviction > 0) - (vote.conviction < 0), Stance.NEUTRAL))


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


def _of_phases(decision: Decision, found: Basis) -> Iterator[Flip]:
    """Other phases of the playbook by which a rule would have answered otherwise; a model is told of the phase."""
    if decision.gate is None or asked(decision):
        return
    confidence = decision.verdict.confidence
    for phase in ("base", *(p.name for p in found.playbook.phases)):
        again = answers_again(decision, found, found.playbook, confidence, phase=phase)
        turned = [a for a in decision.gate.answers if a.rule in again and again[a.rule].passed is not a.passed]
        if first := next((a for a in turned if a.passed is decision.approved), None):
            leads_to = f"{first.rule} {'refuses' if first.passed else 'passes'}"
            yield Flip(what="phase", before=decision.phase, after=phase, leads_to=leads_to)


def _fits(playbook: Playbook, key: str, value: Decimal) -> bool:
    text = f"{plain(value)}s" if key == "limits.wash_guard" else plain(value)
    try:
        playbook.amended({key: text})
    except BadPlaybook:
        return False
    return True
