"""A recorded decision judged again, as it was or under other settings. Pure.

Everything is worked out from the record by the judge's own lines. What the record does not hold is said, not guessed:
the size is not made again, and rules that were not asked then are not asked now.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from bot.asking_anew import anew, keys_of_prompts, name_of, possible, shown_otherwise
from bot.limits import RULES, Compared, compared, key_of, setting
from trading.decision import Action, Approved, Decision, Denied, Opinion, Tally, Verdict, shown
from trading.errors import BadPlaybook
from trading.judge import JUDGE, VALIDATOR, rejudged
from trading.playbook import JudgePolicy, Playbook, SizingMethod, recalled, span_text

NOT_KNOWN = "not known"
_BY_CONFIDENCE = (SizingMethod.CONFIDENCE, SizingMethod.LINEAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """The settings that a record is judged by."""

    playbook: Playbook
    same: bool  # they are those of then, to the last value


def basis(decision: Decision, known: Sequence[Playbook], recorded: str | None = None) -> Basis:
    """`recorded`: the playbook of then as the journal holds it. Without it that of then among those at hand, or else
    the nearest to it."""
    if recorded is not None:
        try:
            return Basis(playbook=recalled(recorded), same=True)
        except BadPlaybook:
            pass  # of a schema that does not fit any more: the files are the next best
    then = next((p for p in known if p.hash == decision.playbook_hash), None)
    near = next((p for p in known if p.name == decision.playbook), known[0])
    return Basis(playbook=then or near, same=then is not None)


def differences(then: Verdict, again: Verdict) -> tuple[tuple[str, str, str], ...]:
    """(what, then, again) of all that is not the same to the last bit."""
    pairs = [(f.name, getattr(then, f.name), getattr(again, f.name)) for f in fields(Verdict) if f.name != "tally"]
    pairs += [(f"tally {f.name}", getattr(then.tally, f.name), getattr(again.tally, f.name)) for f in fields(Tally)]
    return tuple((name, str(a), str(b)) for name, a, b in pairs if a != b)


# --- under other settings -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer of the gate that was given again."""

    of: Compared
    limit: Decimal
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a decision would have been."""

    changes: tuple[tuple[str, str, str], ...]  # (setting, before, after)
    verdict: Verdict
    gate: tuple[Answered, ...]
    said: str  # "long", "short", "wait", "denied" or "not known"
    why: str
    resized: bool  # the size follows the confidence, and would have been another
    restopped: bool = False  # the stop would have stood elsewhere, and with it what is sized by it
    anew: tuple[tuple[str, str], ...] = ()  # (who, change): what he was asked would have been another question
    verdict_known: bool = True  # False: it hangs on an answer that nobody has asked for


def keys(decision: Decision, playbook: Playbook) -> tuple[str, ...]:
    """Settings by which a record can be judged again, or of which can be said why it cannot."""
    judge = (f"judge.{name}" for name in JudgePolicy.model_fields)
    weights = (f"panel.{name}.weight" for name in decision.weights if name in playbook.panel)
    limits = (key_of(rule, decision, playbook) for rule in RULES)
    known = (*(key for key in limits if setting(playbook, key) is not None), *keys_of_prompts(decision, playbook))
    return tuple(dict.fromkeys((*judge, *weights, *known)))


def judged(
    decision: Decision,
    found: Basis,
    changes: Mapping[str, str],
    *,
    without: Collection[str] = (),
    phase: str | None = None,
) -> Outcome:
    """`changes`: of `keys`, as a file would have them. `without`: personas that did not exist. `phase`: another one.

    Raises BadPlaybook for a value that does not fit.
    """
    changed = found.playbook.amended(changes)
    moved = decision.phase if phase is None else phase
    otherwise = anew(decision, changes, without=without, phase=moved != decision.phase)
    lone = _with(decision, changed, changes, without)
    first = next((f"without {name}" for name in without), "") or next(iter(changes), "phase")
    for who in shown_otherwise(decision, found.playbook, lone, changed):
        otherwise.setdefault(who, first)
    verdict = rejudged(lone, changed.judge, changed.validation)
    gate = answers_again(decision, found, changed, verdict.confidence, phase=moved)
    unsure = "" if decision.by else _unsure(lone, changed, otherwise)
    said, why = (NOT_KNOWN, unsure) if unsure else _said(decision, verdict, gate)
    resized = verdict.confidence != decision.verdict.confidence and changed.sizing.method in _BY_CONFIDENCE
    rows = (
        *(_gone(decision, name) for name in without),
        *(_phased(decision, found.playbook, changed, moved) if moved != decision.phase else ()),
        *((key, in_force(decision, found.playbook, key), shown_at(changed, key)) for key in changes),
    )
    return Outcome(
        changes=rows,
        verdict=verdict,
        gate=tuple(gate.values()),
        said=said,
        why=why,
        resized=resized and verdict.action is not Action.WAIT,
        restopped=verdict.action is not Action.WAIT and any(name.startswith("stop ") for name, _, _ in rows),
        anew=tuple(otherwise.items()),
        verdict_known=not unsure,
    )


def _with(decision: Decision, changed: Playbook, changes: Mapping[str, str], without: Collection[str]) -> Decision:
    """The record as the judge would have had it."""
    weights = {
        name: changed.panel[name].milli if f"panel.{name}.weight" in changes else milli
        for name, milli in decision.weights.items()
        if name not in without
    }
    opinions = tuple(said for said in decision.opinions if said.persona not in without)
    rulings = tuple(said for said in decision.rulings if name_of(said) in rulers(changed))
    return replace(decision, weights=weights, opinions=opinions, rulings=rulings)


def rulers(playbook: Playbook) -> tuple[str, ...]:
    """Whom an entry is shown to, in that order."""
    return (*((JUDGE,) if playbook.judge.model else ()), *((VALIDATOR,) if playbook.validation else ()))


def _unsure(lone: Decision, changed: Playbook, otherwise: Mapping[str, str]) -> str:
    """Why the verdict cannot be known; "" where it can, whatever would have been said."""
    open_ = [name for name in otherwise if name in lone.weights]
    actions = possible(lone, changed.judge, open_)
    if actions == {Action.WAIT}:
        return ""
    if len(actions) > 1:
        return f"{_names(open_)} would have been asked something else, and the answer cannot be known"
    ruled = {name_of(said) for said in lone.rulings}
    for who in rulers(changed):
        if who not in otherwise and who in ruled:
            behind = changed.validation if who == VALIDATOR else None
            if rejudged(lone, changed.judge, behind).action is Action.WAIT:
                return ""  # he has stopped it, and nobody behind him is asked
            continue
        what = "something else" if who in ruled else "and was not then"
        return (
            f"{who.upper()} would have been asked {what}, and the answer cannot be known: {next(iter(actions))} at most"
        )
    return ""


def _names(names: Collection[str]) -> str:
    return " and ".join(name.upper() for name in names)


def _gone(decision: Decision, name: str) -> tuple[str, str, str]:
    said = next((o for o in decision.opinions if o.persona == name), None)
    vote = f"{said.stance} {shown(said.confidence)}" if isinstance(said, Opinion) else "missing"
    return name.upper(), vote, "did not exist"


def _phased(decision: Decision, then: Playbook, changed: Playbook, phase: str) -> tuple[tuple[str, str, str], ...]:
    """What another phase changes for this entry: its exits, and where its levels would have stood."""
    before, after = (p.exits_in(p.phase_named(n)) for p, n in ((then, decision.phase), (changed, phase)))
    names = ("take_profit", "stop_loss", "max_hold")
    differ = ((n, *(_word(getattr(e, n)) for e in (before, after))) for n in names)
    levels = _moved_stop(decision, before.stop_loss, after.stop_loss, before.stop_atr)
    return (("phase", decision.phase, phase), *((f"exits.{n}", a, b) for n, a, b in differ if a != b), *levels)


def _moved_stop(
    decision: Decision, before: Decimal, after: Decimal, atrs: Decimal | None
) -> tuple[tuple[str, str, str], ...]:
    """The stop is the nearest of what is set; where the record does not come to its own one, nothing is said of it."""
    plan = decision.gate.plan if isinstance(decision.gate, Approved) else None
    if plan is None or not plan.stop_loss:
        return ()
    others = [atrs * decision.seen.atr / plan.price] if atrs and decision.seen.atr else []
    then, now = (min(wanted, *others).quantize(_SHARE) for wanted in (before, after))
    if then != plan.stop_loss.quantize(_SHARE) or then == now:
        return ()
    return (("stop at", f"{then:.2%} of price", f"{now:.2%}"),)


_SHARE = Decimal("1e-8")


def answers_again(
    decision: Decision, found: Basis, changed: Playbook, confidence: int, *, phase: str
) -> dict[str, Answered]:
    """The answers that another setting, another phase or another confidence bears on; by rule."""
    given: dict[str, Answered] = {}
    for answer in decision.gate.answers if decision.gate else ():
        before = compared(answer, decision, found.playbook, same=found.same)
        if before is None:
            continue
        of = before.at(confidence)
        key = key_of(answer.rule, replace(decision, phase=phase), changed)
        now, then = setting(changed, key), setting(found.playbook, of.key)
        used = of.then if now is None or now == then else now
        if used != of.then or of != before:
            given[answer.rule] = Answered(of=of, limit=of.limit(used), passed=of.passes(used))
    return given


def _said(decision: Decision, verdict: Verdict, again: Mapping[str, Answered]) -> tuple[str, str]:
    gate = decision.gate
    if verdict.action is Action.WAIT:
        return "wait", "it would not have been asked"
    if gate is None:
        return NOT_KNOWN, f"{verdict.action} would have been put to it, and it was not asked then"
    if verdict.action is not decision.verdict.action:
        return NOT_KNOWN, f"it was asked for {decision.verdict.action}, not for {verdict.action}"
    for answer in gate.answers:
        if not (again[answer.rule].passed if answer.rule in again else answer.passed):
            return "denied", f"denied by {answer.rule}"
    if isinstance(gate, Denied):
        return NOT_KNOWN, f"{gate.rule} would have passed; the rules behind it were not asked"
    return verdict.action.value, "every rule of it passes"


# --- settings in words --------------------------------------------------------------------------------------------


def in_force(decision: Decision, playbook: Playbook, key: str) -> str:
    """A setting as it was: the weights stand in the record itself."""
    name = key.removeprefix("panel.").removesuffix(".weight")
    if key == f"panel.{name}.weight" and name in decision.weights:
        return plain(Decimal(decision.weights[name]) / 1000)
    return shown_at(playbook, key)


def shown_at(playbook: Playbook, key: str) -> str:
    found: Any = playbook
    for part in key.split("."):
        step = found.get(part) if isinstance(found, dict) else getattr(found, part, None)
        found = playbook.phase_named(part) if isinstance(found, tuple) else step
    return _word(found)


def _word(value: Any) -> str:
    match value:
        case None:
            return "none"
        case tuple():
            return ", ".join(map(_word, value)) or "none"
        case Decimal():
            return plain(value)
        case timedelta():
            return span_text(value)
        case Enum():
            return str(value.value)
    return str(value) or "none"


def plain(value: Decimal) -> str:
    return f"{value.normalize():f}"
