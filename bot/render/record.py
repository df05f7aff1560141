"""The parts of a decision's record in words, for /why and /ask. Pure.

Every number, side and symbol stands in the record or in the events that followed it. Nothing is worked out here: a
distance or a ratio that the record does not hold is not said. Each part is empty where the record holds nothing of it.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, tzinfo

from bot.render.decisions import (
    answer_line,
    calibrated_line,
    method_lines,
    seen_line,
    size_line,
    tally_line,
    vote_line,
)
from bot.render.words import (
    amount,
    bought,
    clock,
    confidence,
    money,
    multiple,
    name_of,
    number,
    price,
    quantity,
    rate,
)
from trading import events as m
from trading.decision import (
    Abstention,
    Action,
    Approved,
    Decision,
    Denied,
    Evidence,
    GateAnswer,
    Opinion,
    Plan,
    Ruling,
)
from trading.model import Leg
from trading.voice import Exchange

Story = Sequence[m.Event]

_SIZED_BY = frozenset({"expectancy", "circuit breaker", "size", "risk", "trade margin", "free balance"})
_PORTFOLIO = frozenset({"asset share", "correlated group", "sector share", "one-sided", "positions", "margin in use"})


# --- the panel and the judge --------------------------------------------------------------------------------------


def verdict(decision: Decision) -> tuple[str, ...]:
    said = decision.verdict
    return (f"Verdict: {said.action}, confidence {confidence(said.confidence)}. {said.reason}",)


def _vote(decision: Decision, opinion: Opinion | Abstention) -> str:
    line = vote_line(opinion, decision.weights)
    return f"{line}. {opinion.thesis}" if isinstance(opinion, Opinion) else line


def _gives_up(decision: Decision) -> tuple[str, ...]:
    return tuple(
        f"{o.persona.upper()} gives its thesis up at {price(o.invalidation)}"
        for o in decision.opinions
        if isinstance(o, Opinion) and o.invalidation is not None
    )


def votes(decision: Decision) -> tuple[str, ...]:
    return (*(_vote(decision, o) for o in decision.opinions), *_gives_up(decision))


def _fact(decision: Decision, key: str, persona: str, fact: Evidence, zone: tzinfo) -> str:
    unit = fact.unit if fact.unit.startswith("%") else f" {fact.unit}".rstrip()
    as_of = clock(fact.as_of, today=decision.at, zone=zone)
    source = f"{fact.source}, {as_of}" if fact.source else as_of
    return f"[{key}] {persona.upper()}: {fact.label} {number(fact.value)}{unit} ({source})"


def evidence(decision: Decision, zone: tzinfo = UTC) -> tuple[str, ...]:
    return tuple(_fact(decision, key, persona, fact, zone) for key, persona, fact in decision.evidence())


def persona(decision: Decision, name: str, zone: tzinfo = UTC) -> tuple[str, ...]:
    """What one of them said, and its facts."""
    said = tuple(_vote(decision, o) for o in decision.opinions if o.persona == name)
    return (*said, *(_fact(decision, k, p, f, zone) for k, p, f in decision.evidence() if p == name))


def tally(decision: Decision) -> tuple[str, ...]:
    return (tally_line(decision),)


# --- models and the chain -----------------------------------------------------------------------------------------


def _named(said: Opinion | Abstention | Ruling) -> str:
    return (said.who if isinstance(said, Ruling) else said.persona).upper()


def _ruling(said: Ruling | Abstention) -> str:
    """What a model said of the verdict that the votes had come to."""
    if isinstance(said, Abstention):
        return f"{_named(said)} gave no answer: {said.reason}"
    sure = "" if said.confidence is None else f", confidence {confidence(said.confidence)}"
    return f"{_named(said)} says {said.said}{sure}. {said.thesis}"


def rulings(decision: Decision) -> tuple[str, ...]:
    worth = calibrated_line(decision)
    return (*(_ruling(said) for said in decision.rulings), *((worth,) if worth else ()))


def _behind(said: Opinion | Abstention | Ruling) -> Iterable[str]:
    """Who spoke, what else it said, and the pages it leaned on, each with its link on a line of its own."""
    if said.voice is None:
        return
    if said.voice.model:
        yield f"{_named(said)} is {said.voice.model}"
    yield from (f"{_named(said)}: {note}" for note in said.voice.notes)
    for source in said.voice.sources:
        yield f"{_named(said)} leans on {source.title}"
        yield source.url


def sources(decision: Decision) -> tuple[str, ...]:
    return tuple(line for said in (*decision.opinions, *decision.rulings) for line in _behind(said))


def exchanges(decision: Decision) -> tuple[str, ...]:
    """Each question to a model or the chain, and what came of it."""
    return tuple(_exchange(e) for e in decision.exchanges)


def _exchange(e: Exchange) -> str:
    asked = f"{e.purpose} asked {e.requested or e.provider}" + (f" ({e.prompt})" if e.prompt else "")
    came = f"answered by {e.returned}" if e.lack is None else f"{e.lack}: {e.reason}" if e.reason else f"{e.lack}"
    searched = f", {e.searches} searched for" if e.searches else ""
    used = f", {e.tokens_in} tokens in, {e.tokens_out} out{searched}" if e.tokens_in or e.tokens_out else ""
    return f"{asked}: {came}{used}, {e.cost:f} USD ({e.basis})"


# --- the gate and the plan ----------------------------------------------------------------------------------------


def _answers(decision: Decision) -> tuple[GateAnswer, ...]:
    return decision.gate.answers if decision.gate is not None else ()


def _answered(decision: Decision, rules: Iterable[str]) -> tuple[str, ...]:
    return tuple(answer_line(a) for a in _answers(decision) if a.rule in rules)


def _plan(decision: Decision) -> Plan | None:
    """The entry that was sent, or the one that is followed on paper instead."""
    match decision.gate:
        case Approved(plan=plan):
            return plan
        case Denied(would=plan):
            return plan
    return None


def _on_paper(decision: Decision) -> str:
    return " in shadow, without an order" if isinstance(decision.gate, Denied) else ""


def gate(decision: Decision) -> tuple[str, ...]:
    head = () if decision.gate is not None else ("The gate was not asked: the verdict was to wait",)
    if isinstance(decision.gate, Denied):
        head = (f"Denied by {decision.gate.rule}: {decision.gate.reason}",)
    return (*head, *(answer_line(a) for a in _answers(decision)))


def sized(decision: Decision) -> tuple[str, ...]:
    plan = _plan(decision)
    if plan is None:
        return ()
    return f"Size{_on_paper(decision)}: {size_line(plan)}", *method_lines(plan)


def size(decision: Decision) -> tuple[str, ...]:
    """The method that set it with its numbers, and each rule that bears on it."""
    lines = (*sized(decision), *_answered(decision, _SIZED_BY))
    known = seen_line(decision.seen)
    return (*lines, known) if lines and known else lines


def leverage(decision: Decision) -> tuple[str, ...]:
    rules = tuple(answer_line(a) for a in _answers(decision) if "leverage" in a.rule.lower())
    plan = _plan(decision)
    return (*((f"Leverage {plan.leverage}x, margin {amount(plan.margin)}",) if plan else ()), *rules)


def breaker(decision: Decision) -> tuple[str, ...]:
    return _answered(decision, ("circuit breaker",))


def portfolio(decision: Decision) -> tuple[str, ...]:
    return _answered(decision, _PORTFOLIO)


def guards(decision: Decision, story: Story, zone: tzinfo = UTC) -> tuple[str, ...]:
    plan = _plan(decision)
    planned: tuple[str, ...] = ()
    if plan is not None:
        guard = plan.protection
        planned = (f"Planned{_on_paper(decision)}: stop {price(guard.stop)}, target {price(guard.target)}",)
    kinds = (m.ProtectionConfirmed, m.ProtectionFailed, m.StopMoved, m.StopNotMoved)
    return (*planned, *_told(decision, story, kinds, zone=zone))


# --- the market and the making ------------------------------------------------------------------------------------


def outlook(decision: Decision) -> tuple[str, ...]:
    """Regime, volatility and ATR, as the decision saw them."""
    known = seen_line(decision.seen)
    unknown = "" if decision.seen.regime is not None else "The regime was not known at that bar."
    return tuple(line for line in (known, unknown) if line)


def seen(decision: Decision, zone: tzinfo = UTC) -> tuple[str, ...]:
    saw = decision.seen
    bar = clock(saw.bar_closed_at, today=decision.at, zone=zone)
    quoted = clock(saw.quote_at, today=decision.at, zone=zone)
    funding = "" if saw.funding_rate is None else f", funding rate {rate(saw.funding_rate)}"
    return (
        f"Seen: close {price(saw.close)} of the {saw.interval} bar of {bar}, mark {price(saw.mark)}, "
        f"bid {price(saw.bid)}, ask {price(saw.ask)} at {quoted}{funding}",
    )


def made(decision: Decision, zone: tzinfo = UTC) -> tuple[str, ...]:
    return (
        f"Made {clock(decision.at, zone=zone)} ({decision.trigger}), playbook {decision.playbook}, settings "
        f"{decision.playbook_hash}, phase {decision.phase}, {decision.seen.source}",
    )


def change(decision: Decision) -> tuple[str, ...]:
    """What the outcome hung on: what kept a trade away, or what would have."""
    match decision.gate:
        case Denied() as denied:
            refused = tuple(answer_line(a) for a in denied.answers if not a.passed)
            return (f"Denied by {denied.rule}: {denied.reason}", *refused, "Rules after it were not asked.")
        case Approved(answers=answers):
            passed = "It passed every rule. Any of these, past its limit, would have kept it out:"
            return (*verdict(decision), passed, *(answer_line(a) for a in answers), *_gives_up(decision))
        case None:
            silent = (vote_line(o, decision.weights) for o in decision.opinions if isinstance(o, Abstention))
            lead = decision.verdict.tally.lead
            side = f"The side that leads is {lead}." if lead is not Action.WAIT else "No side leads."
            return (*verdict(decision), side, tally_line(decision), *silent)


# --- what became of it --------------------------------------------------------------------------------------------


def _order(event: m.OrderSent | m.OrderEnded | m.OrderUncertain) -> str:
    order = event.order
    guarding = order.leg in (Leg.STOP, Leg.TARGET)
    match event:
        case m.OrderSent() if not guarding:
            return f"{order.leg} order sent, {order.side} {quantity(order.quantity)} {name_of(order.symbol)}"
        case m.OrderEnded() if not guarding:
            return f"{order.leg} order {order.status}" + (f": {order.note}" if order.note else "")
        case m.OrderUncertain():
            return f"{order.leg} order without an answer, looked up"
    return ""


def _trade(event: m.TradeClosed | m.ShadowClosed) -> str:
    t = event.trade
    where = "closed in shadow" if isinstance(event, m.ShadowClosed) else "closed"
    result = f"net {money(t.net)} ({multiple(t.r)}), gross {money(t.gross)}, fees {amount(t.fees)}"
    return f"{where} by {t.reason}, {price(t.entry)} to {price(t.exit)}, {result}"


def _happened(event: m.Event) -> str:
    """One event of the story; empty for those that say nothing new."""
    match event:
        case m.OrderSent() | m.OrderEnded() | m.OrderUncertain():
            return _order(event)
        case m.OrderFilled(order=o, fill=f):
            what = f"{quantity(f.quantity)} {name_of(f.symbol)} @ {price(f.price)}, fee {amount(f.fee)}"
            return f"{bought(f.side)} {what} ({o.leg})"
        case m.ProtectionConfirmed(position=p):
            return f"protection confirmed, stop {price(p.protection.stop)}, target {price(p.protection.target)}"
        case m.ProtectionFailed():
            return "protection not confirmed, position closed"
        case m.FundingPaid(payment=f):
            return f"funding {money(f.amount)}"
        case m.TradeClosed() | m.ShadowClosed():
            return _trade(event)
    return _exit(event)


def _exit(event: m.Event) -> str:
    match event:
        case m.ExitTriggered(reason=reason, note=note):
            return f"exit by {reason}" + (f". {note}" if note else "")
        case m.PartialTriggered(quantity=part, note=note):
            return f"closing a part, {quantity(part)}" + (f". {note}" if note else "")
        case m.StopMoved(position=p, before=before, kind=kind, note=note):
            return f"stop {price(before)} -> {price(p.protection.stop)} ({kind})" + (f". {note}" if note else "")
        case m.StopNotMoved(wanted=wanted, reason=reason):
            return f"stop not moved to {price(wanted)}: {reason}"
        case m.ShadowOpened(position=p):
            guard = p.protection
            return f"followed in shadow, stop {price(guard.stop)}, target {price(guard.target)}"
    return ""


def _told(
    decision: Decision, events: Story, kinds: tuple[type[m.Event], ...] = (m.Event,), *, zone: tzinfo
) -> tuple[str, ...]:
    chosen = (e for e in events if isinstance(e, kinds))
    return tuple(f"{clock(e.at, today=decision.at, zone=zone)}: {said}" for e in chosen if (said := _happened(e)))


def story(decision: Decision, events: Story, zone: tzinfo = UTC) -> tuple[str, ...]:
    return _told(decision, events, zone=zone)


def exits(decision: Decision, events: Story, zone: tzinfo = UTC) -> tuple[str, ...]:
    return _told(decision, events, (m.PartialTriggered, m.ExitTriggered, m.TradeClosed, m.ShadowClosed), zone=zone)
