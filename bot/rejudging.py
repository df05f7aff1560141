"""A recorded decision judged again, as it was or under other settings. Pure.

Everything is worked out from the record by the judge's own lines. What the record does not hold is said, not guessed:
the size is not made again, and rules that were not asked then are not asked now.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from bot.limits import RULES, Compared, compared, key_of, setting
from trading.decision import Action, Decision, Denied, Tally, Verdict
from trading.judge import rejudged
from trading.playbook import JudgePolicy, Playbook, SizingMethod, span_text

NOT_KNOWN = "not known"
_BY_CONFIDENCE = (SizingMethod.CONFIDENCE, SizingMethod.LINEAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """The settings that a record is judged by."""

    playbook: Playbook
    same: bool  # they are those of then, to the last value


def basis(decision: Decision, known: Sequence[Playbook]) -> Basis:
    """Of the playbooks at hand the one of then, or else the nearest to it."""
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


def keys(decision: Decision, playbook: Playbook) -> tuple[str, ...]:
    """Settings by which a record can be judged again."""
    judge = (f"judge.{name}" for name in JudgePolicy.model_fields)
    weights = (f"panel.{name}.weight" for name in decision.weights if name in playbook.panel)
    limits = (key_of(rule, decision, playbook) for rule in RULES)
    return (*judge, *weights, *(key for key in limits if setting(playbook, key) is not None))


def judged(decision: Decision, found: Basis, changes: Mapping[str, str]) -> Outcome:
    """`changes`: of `keys`, as a file would have them. Raises BadPlaybook for a value that does not fit."""
    changed = found.playbook.amended(changes)
    weights = {
        name: changed.panel[name].milli if f"panel.{name}.weight" in changes else milli
        for name, milli in decision.weights.items()
    }
    verdict = rejudged(replace(decision, weights=weights), changed.judge)
    gate = _gate(decision, found, changed, verdict.confidence)
    said, why = _said(decision, verdict, gate)
    resized = verdict.confidence != decision.verdict.confidence and changed.sizing.method in _BY_CONFIDENCE
    return Outcome(
        changes=tuple((key, in_force(decision, found.playbook, key), shown_at(changed, key)) for key in changes),
        verdict=verdict,
        gate=tuple(gate.values()),
        said=said,
        why=why,
        resized=resized and verdict.action is not Action.WAIT,
    )


def _gate(decision: Decision, found: Basis, changed: Playbook, confidence: int) -> dict[str, Answered]:
    """The answers that another setting, or another confidence, bears on; by rule."""
    given: dict[str, Answered] = {}
    for answer in decision.gate.answers if decision.gate else ():
        before = compared(answer, decision, found.playbook, same=found.same)
        if before is None:
            continue
        of = before.at(confidence)
        now, then = setting(changed, of.key), setting(found.playbook, of.key)
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
    match found:
        case Decimal():
            return plain(found)
        case timedelta():
            return span_text(found)
        case Enum():
            return str(found.value)
    return str(found)


def plain(value: Decimal) -> str:
    return f"{value.normalize():f}"
