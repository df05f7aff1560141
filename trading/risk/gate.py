"""The one door: Approved | Denied. Every rule that was asked leaves its answer, with limit and value. Pure."""

from collections.abc import Callable
from dataclasses import replace

from trading.breaker import Level, effects
from trading.decision import Approved, Denied, GateAnswer, Plan
from trading.risk.expectancy import Method, explored
from trading.risk.facts import Facts
from trading.risk.safety import RULES


def assess(plan: Plan, facts: Facts) -> Approved | Denied:
    """The first rule that says no decides; what comes after it was not asked."""
    answers: list[GateAnswer] = []
    for rule in RULES:
        answer = rule(facts, plan)
        if answer is None:
            continue
        answers.append(answer)
        if not answer.passed:
            return Denied(rule=answer.rule, reason=answer.reason, answers=tuple(answers))
    return Approved(plan=plan, answers=tuple(answers))


# What the strategy's own results can make say no. Real trades cannot renew that evidence while it keeps them out.
BY_RESULTS = ("circuit breaker", "expectancy")


def judge_entry(draft: Callable[[Facts], Plan], facts: Facts) -> Approved | Denied:
    """Draft a plan and assess it. What nothing but breaker or expectancy keeps out is drafted again as if they did not:
    its shadow shows what became of it, and can lead the playbook back. Nothing is at risk in a shadow.

    A side that a person has chosen has none: it would say nothing of the playbook.
    """
    answer = assess(draft(facts), facts)
    playbook, sized = facts.playbook, facts.sized
    if isinstance(answer, Approved) or answer.rule not in BY_RESULTS or facts.asked is not None:
        return answer
    if playbook.expectancy is None and playbook.health is None:
        return answer  # nothing would learn from it
    if playbook.expectancy and sized and sized.method is Method.STOPPED:
        sized = explored(sized, playbook.expectancy)
    free = replace(facts, sized=sized, breaker=effects(Level.CLOSED, playbook.breaker))
    again = assess(draft(free), free)
    return replace(answer, would=again.plan) if isinstance(again, Approved) else answer
