"""A decision in words: the panel's votes, the tally, the size, each gate's answer. Pure."""

from bot.render.words import (
    amount,
    arrow,
    card,
    confidence,
    name_of,
    number,
    percent,
    price,
    quantity,
    strength,
    weight,
    yearly,
)
from bot.surface import Button, Card
from trading.decision import Abstention, Action, Approved, Decision, Denied, GateAnswer, Opinion, Plan, Seen
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


def calibrated_line(decision: Decision) -> str:
    """What the judge's confidence has been worth so far; "" where not enough is known."""
    found = decision.calibrated
    if found is None:
        return ""
    stated, worth = confidence(decision.verdict.confidence), confidence(found.value)
    return f"Confidence {stated} stated, {worth} calibrated ({found.version}, {found.n} calls)"


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


def method_lines(plan: Plan) -> tuple[str, ...]:
    """Which method set the size, and each part of its numbers on a line of its own."""
    return tuple(f"Size by {plan.method}: {plan.size_note}".split("; "))


def guard_line(plan: Plan) -> str:
    sign = plan.direction.sign
    stop, target = plan.protection.stop, plan.protection.target
    return (
        f"Stop {price(stop)} ({percent((stop - plan.price) / plan.price * sign)}), "
        f"target {price(target)} ({percent((target - plan.price) / plan.price * sign)})"
    )


def seen_line(seen: Seen) -> str:
    """Regime and volatility the size was made for; what is not known is left out, and all of it empty."""
    known = (
        f"regime {seen.regime}" if seen.regime is not None else "",
        f"volatility {yearly(seen.volatility)}" if seen.volatility is not None else "",
        f"ATR {number(float(seen.atr))}" if seen.atr is not None else "",
    )
    said = ", ".join(part for part in known if part)
    return f"{said[:1].upper()}{said[1:]}"


def shadow_lines(gate: Denied) -> tuple[str, ...]:
    """The trade that is followed on paper instead; nothing where there is none."""
    plan = gate.would
    if plan is None:
        return ()
    return f"In shadow, without an order: {plan.direction} {size_line(plan)}", guard_line(plan)


def _detail(decision: Decision, answers: tuple[GateAnswer, ...]) -> tuple[str, ...]:
    theses = tuple(
        f"{vote_line(o, decision.weights)}: {o.thesis}" if isinstance(o, Opinion) else vote_line(o, decision.weights)
        for o in decision.opinions
    )
    return (*theses, tally_line(decision), *(answer_line(a) for a in answers))


def _side(decision: Decision) -> str:
    """▲ BTC long. The verdict's, which a person may have given against the side that leads."""
    action = decision.verdict.action
    sign = "·" if action is Action.WAIT else arrow(Direction(action.value))
    return f"{sign} {name_of(decision.symbol)} {action}{' by hand' if decision.by else ''}"


def _trade(decision: Decision, gate: Approved) -> Card:
    sure = "" if decision.by else f", confidence {confidence(decision.verdict.confidence)}"  # of a person nobody knows
    return card(
        f"{_side(decision)}{sure}",
        decision.verdict.reason,
        calibrated_line(decision),
        short_votes(decision),
        seen_line(decision.seen),
        size_line(gate.plan),
        guard_line(gate.plan),
        *method_lines(gate.plan),
        f"All {len(gate.answers)} rules of the gate passed" if all(a.passed for a in gate.answers) else "",
        detail=_detail(decision, gate.answers),
        buttons=(why_button(decision.id),),
    )


def _denied(decision: Decision, gate: Denied) -> Card:
    refused = next((a for a in gate.answers if a.rule == gate.rule and not a.passed), None)
    return card(
        f"{_side(decision)} denied: {gate.rule}",
        gate.reason,
        f"{gate.rule}: {refused.value}, limit {refused.limit}" if refused and refused.value not in gate.reason else "",
        decision.verdict.reason if decision.by else f"Confidence {confidence(decision.verdict.confidence)}",
        short_votes(decision),
        *shadow_lines(gate),
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
