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


def judge_entry(draft: Callable[[Facts], Plan], facts: Facts) -> Approved | Denied:
    """Draft a plan and assess it. What nothing but a bad expectancy keeps out is drafted again at exploration size: its
    shadow can lead the playbook back. Nor does the breaker keep a shadow out: nothing is at risk, and the same losses
    that stop a playbook trip it too, so that there would be no way back behind it.
    """
    answer = assess(draft(facts), facts)
    policy, sized = facts.playbook.expectancy, facts.sized
    if isinstance(answer, Approved) or policy is None or sized is None or sized.method is not Method.STOPPED:
        return answer
    exploring = replace(facts, sized=explored(sized, policy), breaker=effects(Level.CLOSED, facts.playbook.breaker))
    again = assess(draft(exploring), exploring)
    return replace(answer, would=again.plan) if isinstance(again, Approved) else answer
