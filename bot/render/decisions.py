"""A decision in words: the panel's votes, the tally, the size, each gate's answer. Pure."""

from bot.render.words import amount, arrow, card, confidence, name_of, percent, price, quantity, strength, weight
from bot.surface import Button, Card
from trading.decision import Abstention, Action, Approved, Decision, Denied, GateAnswer, Opinion, Plan
from trading.model import Direction


def why_button(decision_id: str) -> Button:
    return Button(label="Why", data=f"do:/why {decision_id}")


def vote_line(opinion: Opinion | Abstention, weights: dict[str, int]) -> str:
    """FLOW long 0.80, weight 1.5."""
    name = opinion.persona.upper()
    if isinstance(opinion, Abstention):
        return f"{name} abstained: {opinion.reason}"
    worth = weights.get(opinion.persona)
    return f"{name} {opinion.stance} {confidence(opinion.confidence)}" + (f", weight {weight(worth)}" if worth else "")


def short_votes(decision: Decision) -> str:
    """FLOW long 0.80 · TECHNICAL neutral 0.20 · WHALE abstained."""
    return " · ".join(
        f"{o.persona.upper()} abstained"
        if isinstance(o, Abstention)
        else f"{o.persona.upper()} {o.stance} {confidence(o.confidence)}"
        for o in decision.opinions
    )


def tally_line(decision: Decision) -> str:
    """The judge's sums, as weight x conviction."""
    tally = decision.verdict.tally
    won, lost = (tally.short, tally.long) if tally.lead is Action.SHORT else (tally.long, tally.short)
    return (
        f"Tally: winning {strength(won)}, losing {strength(lost)}, missing {strength(tally.missing)}; "
        f"{tally.standing} standing with the winner; confidence {confidence(tally.confidence)}"
    )


def answer_line(answer: GateAnswer) -> str:
    """One rule of the gate: what it saw against what it allows."""
    word = "passed" if answer.passed else "refused"
    tail = f" ({answer.reason})" if answer.reason else ""
    return f"{answer.rule} {word}: {answer.value}, limit {answer.limit}{tail}"


def size_line(plan: Plan) -> str:
    return (
        f"{quantity(plan.quantity)} {name_of(plan.symbol)} at {price(plan.price)}, {plan.leverage}x, "
        f"margin {amount(plan.margin)}, notional {amount(plan.notional)}"
    )


def guard_line(plan: Plan) -> str:
    sign = plan.direction.sign
    stop, target = plan.protection.stop, plan.protection.target
    return (
        f"Stop {price(stop)} ({percent((stop - plan.price) / plan.price * sign)}), "
        f"target {price(target)} ({percent((target - plan.price) / plan.price * sign)})"
    )


def _detail(decision: Decision, answers: tuple[GateAnswer, ...]) -> tuple[str, ...]:
    theses = tuple(
        f"{vote_line(o, decision.weights)}: {o.thesis}" if isinstance(o, Opinion) else vote_line(o, decision.weights)
        for o in decision.opinions
    )
    return (*theses, tally_line(decision), *(answer_line(a) for a in answers))


def _arrow(decision: Decision) -> str:
    lead = decision.verdict.tally.lead
    return "·" if lead is Action.WAIT else arrow(Direction(lead.value))


def _trade(decision: Decision, gate: Approved) -> Card:
    base, action = name_of(decision.symbol), decision.verdict.action
    return card(
        f"{_arrow(decision)} {base} {action}, confidence {confidence(decision.verdict.confidence)}",
        decision.verdict.reason,
        short_votes(decision),
        size_line(gate.plan),
        guard_line(gate.plan),
        f"Size by {gate.plan.method}: {gate.plan.size_note}",
        f"All {len(gate.answers)} rules of the gate passed" if all(a.passed for a in gate.answers) else "",
        detail=_detail(decision, gate.answers),
        buttons=(why_button(decision.id),),
    )


def _denied(decision: Decision, gate: Denied) -> Card:
    base, action = name_of(decision.symbol), decision.verdict.action
    refused = next((a for a in gate.answers if a.rule == gate.rule and not a.passed), None)
    return card(
        f"{_arrow(decision)} {base} {action} denied: {gate.rule}",
        gate.reason,
        f"{gate.rule}: {refused.value}, limit {refused.limit}" if refused else "",
        f"Confidence {confidence(decision.verdict.confidence)}. {short_votes(decision)}",
        detail=_detail(decision, gate.answers),
        buttons=(why_button(decision.id),),
    )


def _wait(decision: Decision) -> Card:
    tally = decision.verdict.tally
    lead = "" if tally.lead is Action.WAIT else f", {tally.lead} leads with {confidence(tally.confidence)}"
    return card(
        f"{name_of(decision.symbol)} wait{lead}",
        decision.verdict.reason,
        short_votes(decision),
        detail=_detail(decision, ()),
        buttons=(why_button(decision.id),),
    )


def decision_card(decision: Decision) -> Card:
    """A trade, a denial or a WAIT."""
    match decision.gate:
        case Approved() as gate:
            return _trade(decision, gate)
        case Denied() as gate:
            return _denied(decision, gate)
        case None:
            return _wait(decision)
