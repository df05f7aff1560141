"""/why and /ask: answers that say what a decision's record holds, and nothing else. Pure.

Every number, side and symbol in an answer stands in the record or in the events that followed it. Nothing is worked
out here: a distance or a ratio that the record does not hold is not said.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.render.decisions import answer_line, size_line, tally_line, vote_line
from bot.render.words import (
    amount,
    bought,
    card,
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
from bot.surface import Button, Card
from trading import messages as m
from trading.decision import Abstention, Approved, Decision, Denied, Evidence, GateAnswer, Opinion
from trading.model import Leg
from trading.playbook import PERSONAS

Story = Sequence[m.Event]
Part = Callable[[Decision, Story], tuple[str, ...]]


# --- the parts of a record, in words ------------------------------------------------------------------------------


def _verdict(decision: Decision, _: Story = ()) -> tuple[str, ...]:
    verdict = decision.verdict
    return (f"Verdict: {verdict.action}, confidence {confidence(verdict.confidence)}. {verdict.reason}",)


def _vote(decision: Decision, opinion: Opinion | Abstention) -> str:
    line = vote_line(opinion, decision.weights)
    return f"{line}. {opinion.thesis}" if isinstance(opinion, Opinion) else line


def _votes(decision: Decision, _: Story = ()) -> tuple[str, ...]:
    return tuple(_vote(decision, o) for o in decision.opinions)


def _fact(decision: Decision, key: str, persona: str, fact: Evidence) -> str:
    unit = fact.unit if fact.unit == "%" else f" {fact.unit}".rstrip()
    as_of = clock(fact.as_of, today=decision.at)
    source = f"{fact.source}, {as_of}" if fact.source else as_of
    return f"[{key}] {persona.upper()}: {fact.label} {number(fact.value)}{unit} ({source})"


def _evidence(decision: Decision, _: Story = ()) -> tuple[str, ...]:
    return tuple(_fact(decision, key, persona, fact) for key, persona, fact in decision.evidence())


def _tally(decision: Decision, _: Story = ()) -> tuple[str, ...]:
    return (tally_line(decision),)


def _answers(decision: Decision) -> tuple[GateAnswer, ...]:
    return decision.gate.answers if decision.gate is not None else ()


def _gate(decision: Decision, _: Story = ()) -> tuple[str, ...]:
    head = () if decision.gate is not None else ("The gate was not asked: the verdict was to wait",)
    if isinstance(decision.gate, Denied):
        head = (f"Denied by {decision.gate.rule}: {decision.gate.reason}",)
    return (*head, *(answer_line(a) for a in _answers(decision)))


def _size(decision: Decision, _: Story = ()) -> tuple[str, ...]:
    if not isinstance(decision.gate, Approved):
        return ()
    plan = decision.gate.plan
    return f"Size: {size_line(plan)}", f"By {plan.method}: {plan.size_note}"


def _guards(decision: Decision, story: Story) -> tuple[str, ...]:
    planned: tuple[str, ...] = ()
    if isinstance(decision.gate, Approved):
        guard = decision.gate.plan.protection
        planned = (f"Planned: stop {price(guard.stop)}, target {price(guard.target)}",)
    kinds = (m.ProtectionConfirmed, m.ProtectionFailed)
    return (*planned, *(_event(decision, e) for e in story if isinstance(e, kinds)))


def _leverage(decision: Decision, _: Story = ()) -> tuple[str, ...]:
    rules = tuple(answer_line(a) for a in _answers(decision) if "leverage" in a.rule.lower())
    plan = decision.gate.plan if isinstance(decision.gate, Approved) else None
    return (*((f"Leverage {plan.leverage}x, margin {amount(plan.margin)}",) if plan else ()), *rules)


def _seen(decision: Decision, _: Story = ()) -> tuple[str, ...]:
    seen = decision.seen
    bar = clock(seen.bar_closed_at, today=decision.at)
    funding = "" if seen.funding_rate is None else f", funding rate {rate(seen.funding_rate)}"
    return (
        f"Seen: close {price(seen.close)} of the {seen.interval} bar of {bar}, mark {price(seen.mark)}, "
        f"bid {price(seen.bid)}, ask {price(seen.ask)} at {clock(seen.quote_at, today=decision.at)}{funding}",
    )


def _made(decision: Decision, _: Story = ()) -> tuple[str, ...]:
    return (
        f"Made {clock(decision.at)} ({decision.trigger}), playbook {decision.playbook}, settings "
        f"{decision.playbook_hash}, phase {decision.phase}, {decision.seen.source}",
    )


def _event(decision: Decision, event: m.Event) -> str:
    """One event of the story; empty for those that say nothing new."""
    at = clock(event.at, today=decision.at)
    match event:
        case m.OrderSent(order=o) if o.leg not in (Leg.STOP, Leg.TARGET):
            return f"{at}: {o.leg} order sent, {o.side} {quantity(o.quantity)} {name_of(o.symbol)}"
        case m.OrderFilled(order=o, fill=f):
            what = f"{quantity(f.quantity)} {name_of(f.symbol)} @ {price(f.price)}, fee {amount(f.fee)}"
            return f"{at}: {bought(f.side)} {what} ({o.leg})"
        case m.OrderEnded(order=o) if o.leg not in (Leg.STOP, Leg.TARGET):
            return f"{at}: {o.leg} order {o.status}" + (f": {o.note}" if o.note else "")
        case m.OrderUncertain(order=o):
            return f"{at}: {o.leg} order without an answer, looked up"
        case m.ProtectionConfirmed(position=p):
            guard = p.protection
            return f"{at}: protection confirmed, stop {price(guard.stop)}, target {price(guard.target)}"
        case m.ProtectionFailed():
            return f"{at}: protection not confirmed, position closed"
        case m.ExitTriggered():
            return f"{at}: exit by {event.reason}" + (f". {event.note}" if event.note else "")
        case m.FundingPaid(payment=f):
            return f"{at}: funding {money(f.amount)}"
        case m.TradeClosed(trade=t):
            result = f"net {money(t.net)} ({multiple(t.r)}), gross {money(t.gross)}, fees {amount(t.fees)}"
            return f"{at}: closed by {t.reason}, {price(t.entry)} to {price(t.exit)}, {result}"
    return ""


def _story(decision: Decision, story: Story) -> tuple[str, ...]:
    return tuple(line for e in story if (line := _event(decision, e)))


def _exits(decision: Decision, story: Story) -> tuple[str, ...]:
    return tuple(_event(decision, e) for e in story if isinstance(e, m.ExitTriggered | m.TradeClosed))


# --- questions ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A part of the record, and the words people ask for it with."""

    name: str
    words: frozenset[str]
    part: Part


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


def _topic(name: str, words: str, part: Part) -> Topic:
    return Topic(name=name, words=_words(words), part=part)


TOPICS = (
    _topic("votes", "vote votes voted persona personas panel opinion opinions thesis theses abstain abstained", _votes),
    _topic("verdict", "verdict judge judged confidence confident sure conviction agree agreed", _verdict),
    _topic("tally", "tally confidence confident sure weight weights quorum missing winning losing", _tally),
    _topic("evidence", "evidence facts fact indicator indicators proof rsi sma momentum", _evidence),
    _topic("market", "price prices market mark bid ask quote funding seen see saw spread", _seen),
    _topic("size", "size sized sizing big bigger small smaller much quantity margin notional", _size),
    _topic("leverage", "leverage leveraged lever", _leverage),
    _topic("gate", "risk risks risky gate gates rule rules limit limits denied deny refused allowed daily", _gate),
    _topic("protection", "stop stops target targets protection protected guard sl tp", _guards),
    _topic("exit", "exit exits exited close closed closing sold profit loss pnl result won lost earned", _exits),
    _topic("story", "order orders fill fills filled fee fees happened happen then after executed", _story),
    _topic("making", "when time made trigger playbook phase settings source", _made),
)
# Words that ask for nothing by themselves: "why did you buy it" is about the whole.
_PLAIN = _words(
    "why whynot how what which who was were is are am do did does the a an it its this that these those you your we",
    "i me my desk gavel bot not no for of in on at to and or with by from about here there so trade traded trading",
    "enter entered entry open opened buy bought sell long short wait waited waiting decide decided decision go went",
    "take took taken position tell explain please show reason reasons because pair instead",
)
_AHEAD = _words("will would tomorrow next future predict prediction forecast should could going expect")
_WHOLE: tuple[Part, ...] = (_verdict, _votes, _tally, _gate)


def _asked_words(question: str) -> list[str]:
    return re.findall(r"[a-z0-9&]+", question.lower().replace("'", ""))


def _persona(decision: Decision, persona: str) -> tuple[str, ...]:
    votes = tuple(_vote(decision, o) for o in decision.opinions if o.persona == persona)
    facts = tuple(_fact(decision, k, p, f) for k, p, f in decision.evidence() if p == persona)
    return (*votes, *facts)


def _matching(words: Sequence[str], decision: Decision, story: Story) -> tuple[str, ...]:
    """The lines that answer, or nothing: when the record has none, or when the question is about something else."""
    if not _AHEAD.isdisjoint(words):
        return ()
    lines = [line for name in PERSONAS if name in words for line in _persona(decision, name)]
    parts = [t.part for t in TOPICS if not t.words.isdisjoint(words)]
    if not parts and not lines and set(words) <= _PLAIN | {name_of(decision.symbol).lower()}:
        parts = list(_WHOLE)
    lines += [line for part in parts for line in part(decision, story)]
    return tuple(dict.fromkeys(lines))


def _held(decision: Decision, story: Story) -> str:
    names = ", ".join(t.name for t in TOPICS if t.part(decision, story))
    voices = ", ".join(o.persona.upper() for o in decision.opinions)
    return f"It holds: {names}" + (f"; {voices}" if voices else "")


def _head(decision: Decision) -> str:
    return f"{decision.id}: {name_of(decision.symbol)} {decision.outcome}"


def _why_button(decision: Decision) -> Button:
    return Button(label="All of it", data=f"do:/why {decision.id}")


def ask(question: str, decision: Decision, story: Story = ()) -> Card:
    """The part of the record that a question is about, by its topic words; or that the record does not hold it."""
    lines = _matching(_asked_words(question), decision, story)
    if not lines:
        lines = (f"The record of decision {decision.id} does not hold that.", _held(decision, story))
    return card(_head(decision), *lines, buttons=(_why_button(decision),))


def why(decision: Decision, story: Story = ()) -> Card:
    """The whole record: verdict, votes and what happened first; evidence, tally, gate and size behind it."""
    return card(
        f"{_head(decision)}, confidence {confidence(decision.verdict.confidence)}",
        *_verdict(decision),
        *_votes(decision),
        *_story(decision, story),
        detail=(
            *_evidence(decision),
            *_tally(decision),
            *_gate(decision),
            *_size(decision),
            *_guards(decision, ()),
            *_seen(decision),
            *_made(decision),
        ),
    )
