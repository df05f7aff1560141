"""The gate's answers of a record, compared again with other limits: as far as the record holds what it takes. Pure.

An answer keeps its value and its limit in words, money to the cent; so a comparison here is as fine as that. Rules that
bound the size (risk, margin of one trade, share of one asset) are not among them: with another limit the entry would
have had another size.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from trading.decision import MICRO, Decision, GateAnswer
from trading.playbook import Playbook

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_CENTS = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How a rule's limit follows from a setting. `limit`: of (what the record says, the setting then, the setting)."""

    key: str
    step: Decimal  # settings are looked for in such steps
    limit: Callable[[str, Decimal, Decimal], Decimal]
    at_most: bool = True  # the value may be at most the limit; otherwise at least
    border: bool = True  # whether the limit itself is allowed
    by_then: bool = False  # the setting of then has to be known


def _numbers(text: str) -> list[Decimal]:
    return [Decimal(found.replace(",", "")) for found in _NUMBER.findall(text)]


def _itself(_: str, __: Decimal, setting: Decimal) -> Decimal:
    return setting


def _percent(_: str, __: Decimal, setting: Decimal) -> Decimal:
    return setting * 100


def _of_budget(said: str, _: Decimal, setting: Decimal) -> Decimal:
    """ "80000.00 (40.0% of 200000.00)"."""
    return _numbers(said)[-1] * setting


def _in_proportion(said: str, then: Decimal, setting: Decimal) -> Decimal:
    return _numbers(said)[0] * setting / then


RULES = {
    "circuit breaker": Rule(
        key="breaker.throttle_confidence", step=Decimal("1e-6"), limit=_itself, at_most=False, by_then=True
    ),
    "position count": Rule(key="limits.max_positions", step=Decimal(1), limit=_itself, border=False),
    "wash guard": Rule(key="limits.wash_guard", step=Decimal(1), limit=_itself, at_most=False),
    "price as shown": Rule(key="limits.max_requote", step=_CENTS, limit=_percent),
    "leverage": Rule(key="sizing.min_leverage", step=Decimal(1), limit=_itself, at_most=False),
    "stop before liquidation": Rule(
        key="limits.stop_within", step=Decimal("0.001"), limit=_in_proportion, by_then=True
    ),
    "correlated group": Rule(key="portfolio.group", step=_CENTS, limit=_of_budget),
    "sector share": Rule(key="portfolio.sector", step=_CENTS, limit=_of_budget),
    "one-sided": Rule(key="exits.rebalance.net", step=_CENTS, limit=_in_proportion, by_then=True),
    "margin in use": Rule(key="limits.max_margin", step=_CENTS, limit=_in_proportion, by_then=True),
    "daily loss": Rule(key="limits.max_daily_loss", step=_CENTS, limit=_in_proportion, border=False, by_then=True),
}


def key_of(rule: str, decision: Decision, playbook: Playbook) -> str:
    """The setting of a rule, as it was in force: a phase may have its own."""
    key, phase = RULES[rule].key, playbook.phase_named(decision.phase)
    if key == "limits.max_positions" and phase is not None and phase.max_positions is not None:
        return f"phases.{phase.name}.max_positions"
    return key


def setting(playbook: Playbook, key: str) -> Decimal | None:
    """A number of a playbook, lengths of time in seconds; None where it has none."""
    found: Any = playbook
    for part in key.split("."):
        found = playbook.phase_named(part) if isinstance(found, tuple) else getattr(found, part, None)
    if isinstance(found, timedelta):
        return Decimal(int(found.total_seconds()))
    return Decimal(found) if isinstance(found, Decimal | int) and not isinstance(found, bool) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One answer that can be given again. `then`: the setting it was given under."""

    answer: GateAnswer
    key: str
    rule: Rule
    value: Decimal
    then: Decimal

    def limit(self, setting: Decimal) -> Decimal:
        return self.rule.limit(self.answer.limit, self.then, setting)

    def passes(self, setting: Decimal) -> bool:
        limit = self.limit(setting)
        if self.value == limit:
            return self.rule.border
        return self.value < limit if self.rule.at_most else self.value > limit

    def at(self, confidence: int) -> "Compared":
        """The same answer to another confidence, millionths, where it is about that."""
        value = Decimal(confidence) / MICRO
        return replace(self, value=value) if self.answer.rule == "circuit breaker" else self

    def turns(self) -> Decimal | None:
        """The setting nearest to that of then at which the answer is the other one; None: there is none above 0."""
        limit, one = self.limit(self.then), self.rule.step
        if limit <= 0:
            return None
        wider = self.rule.at_most != self.answer.passed  # whether the setting has to grow for it
        near = self.then * self.value / limit
        found = near.quantize(one, ROUND_CEILING if wider else ROUND_FLOOR)
        found += 0 if self.passes(found) is not self.answer.passed else one if wider else -one
        return found if found > 0 else None


def compared(answer: GateAnswer, decision: Decision, playbook: Playbook, *, same: bool) -> Compared | None:
    """`playbook`: by whose settings; `same`: it is that of then, to the last setting. None: the record does not hold
    what it takes."""
    rule = RULES.get(answer.rule)
    if rule is None or not _numbers(answer.limit) or (rule.by_then and not same):
        return None
    key = key_of(answer.rule, decision, playbook)
    then, value = _in_force(answer, setting(playbook, key), rule), _value(answer, decision)
    if then is None or value is None or then <= 0:
        return None
    found = Compared(answer=answer, key=key, rule=rule, value=value, then=then)
    return found if found.passes(then) is answer.passed else None  # cut off at the cent, or it hung on more than this


def _value(answer: GateAnswer, decision: Decision) -> Decimal | None:
    if answer.rule == "circuit breaker":
        throttled = answer.limit.startswith("confidence from")
        return Decimal(decision.verdict.confidence) / MICRO if throttled else None
    numbers = _numbers(answer.value)
    if answer.rule == "one-sided" and len(numbers) > 1 and numbers[1] < _numbers(answer.limit)[-1]:
        return None  # too few are open for it, whatever the limit
    return next(iter(numbers), None)


def _in_force(answer: GateAnswer, now: Decimal | None, rule: Rule) -> Decimal | None:
    """The setting then: where the limit is the setting itself, the record says it."""
    if rule.limit is _itself and answer.rule != "circuit breaker":
        return next(iter(_numbers(answer.limit)), None)
    if rule.limit is _percent:
        return _numbers(answer.limit)[0] / 100
    if rule.limit is _of_budget:
        said = _numbers(answer.limit)
        return said[1] / 100 if len(said) > 2 else None
    return now
