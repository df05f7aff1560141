"""The one door: assess() -> Approved | Denied. Every rule that was asked leaves its answer, with limit and value."""

from trading.decision import Approved, Denied, GateAnswer, Plan
from trading.risk.safety import RULES, Facts


def assess(plan: Plan, facts: Facts) -> Approved | Denied:
    """The first rule that says no decides; what comes after it was not asked."""
    answers: list[GateAnswer] = []
    for rule in RULES:
        answer = rule(facts, plan)
        answers.append(answer)
        if not answer.passed:
            return Denied(rule=answer.rule, reason=answer.reason, answers=tuple(answers))
    return Approved(plan=plan, answers=tuple(answers))
