"""Why the desk did what it did: answers bound to the record."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence

from bot import explain
from bot.arguments import CSV, PAGE, Count, DecisionName, OneOf, Pair, Words, symbol_named
from bot.asking.checker import Facts, facts_of
from bot.asking.growing import Said, Unsaid
from bot.asking.lookups import LOOKUPS, lookup_for
from bot.asking.phrasing import phrased
from bot.catalogue import Effect, command
from bot.commands.lookup import decision_named
from bot.commands.results import in_pieces
from bot.reach import Context
from bot.render import record
from bot.render.asking import askable_lines
from bot.render.views import DecisionLine, Page, decisions_card, decisions_file
from bot.render.words import name_of, with_line
from bot.surface import Card, Role
from trading.decision import Decision
from trading.errors import Misuse
from trading.events import Event
from trading.model import Symbol
from trading.playbook import PERSONAS

TRADED = ("long", "short")  # outcomes
_OUTCOMES = (*TRADED, "denied", "wait", "traded")
_SHOWN = 10
_MARKS = "?!.,;:\"'()"


@command(
    "decisions",
    help="The decisions, WAITs included, newest first, page by page or as a file",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/decisions 5 BTC",
    args=(
        Count(name="n", help="How many to a page; without it 10", most=30),
        Pair(name="pair", help="Of this pair alone"),
        OneOf(name="outcome", help="That came to this alone", known=_OUTCOMES),
        PAGE,
        CSV,
    ),
)
async def decisions(
    context: Context, n: int = _SHOWN, pair: Symbol | None = None, outcome: str = "", page: int = 1, csv: str = ""
) -> Card:
    fetch = _decisions(context, pair, outcome)
    if csv:
        return await asyncio.to_thread(decisions_file, await in_pieces(fetch))
    found = await fetch(n + 1, (page - 1) * n)
    words = ("/decisions", "" if n == _SHOWN else str(n), name_of(pair) if pair else "", outcome)
    shown = Page(line=" ".join(w for w in words if w), number=page, more=len(found) > n, zone=context.about.zone)
    return decisions_card(found[:n], context.desk.now(), shown)


def _decisions(
    context: Context, pair: Symbol | None, outcome: str
) -> Callable[[int, int], Awaitable[Sequence[DecisionLine]]]:
    outcomes = TRADED if outcome == "traded" else (outcome,) if outcome else None
    return lambda n, skip: context.records.decisions(n, pair, outcomes, skip=skip)


@command(
    "why",
    help="The evidence, votes, tally and gate answers of a decision, and what became of it",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/why BTC",
    args=(DecisionName(name="decision", help="Which decision; without it the last"),),
)
async def why(context: Context, decision: str = "last") -> Card:
    found = await decision_named(context, decision)
    return explain.why(found, await context.records.story(found.id), zone=context.about.zone)


@command(
    "ask",
    help="A question about a decision or the journal, answered from the record alone",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/ask why this size for BTC",
    args=(
        Words(
            name="question",
            help="With an id or a pair in it, about the last decision or trade, or like: why no ETH trade today?",
            required=True,
        ),
    ),
)
async def ask(context: Context, question: str) -> Card:
    looked = None if _names_a_decision(question) else lookup_for(context, question)
    if looked is not None:
        lookup, asked = looked
        told = await lookup.answer(context, asked)
        facts = facts_of((told.title, *told.lines), names=_names(context), understood=told.understood)
        return in_words(context, question, told.card(), evidence=(), facts=facts)
    decision, rest = await _meant(context, question)
    story, zone = await context.records.story(decision.id), context.about.zone
    if not rest:
        return _worded(context, question, rest, explain.why(decision, story, zone=zone), decision, story)
    plain = explain.ask(rest, decision, story, zone=zone)
    if not explain.answers(rest, decision, story):
        return with_line(plain, *askable_lines(one.example for one in LOOKUPS))
    return _worded(context, question, rest, plain, decision, story)


def _worded(
    context: Context, question: str, rest: str, plain: Card, decision: Decision, story: Sequence[Event]
) -> Card:
    zone = context.about.zone
    evidence = record.evidence(decision, zone)
    lines = (*explain.said(rest, decision, story, zone=zone), *evidence)
    facts = facts_of(
        lines,
        names=_names(context),
        understood=(name_of(decision.symbol),),
        kept_out=decision.outcome in ("wait", "denied"),
    )
    return in_words(context, question, plain, evidence=evidence, facts=facts)


def in_words(context: Context, question: str, plain: Card, *, evidence: Sequence[str], facts: Facts) -> Card:
    """The plain answer; with a model it may grow into words once it stands there. See bot/asking/growing.py."""
    voices = context.tools.voices
    if not voices.words:
        return plain

    async def phrase() -> Said | Unsaid:
        return await phrased(
            voices, person=context.person, question=question, plain=plain, evidence=evidence, facts=facts
        )

    return context.tools.growths.begin(plain, phrase, person=context.person, about=context.about)


def _names(context: Context) -> tuple[str, ...]:
    return (*PERSONAS, *context.desk.playbook.universe)


def _names_a_decision(question: str) -> bool:
    """An id of one, like btc-k3f9x2pa: then it is about that, whatever else it says."""
    return any(
        re.fullmatch(r"[a-z0-9]{2,10}-[a-z0-9]{6,10}", word.strip(_MARKS).lower()) and any(c.isdigit() for c in word)
        for word in question.split()
    )


async def _unnamed(context: Context, question: str) -> Decision:
    """The last decision, or the last one that traded where only that can answer: most decisions are to wait."""
    last = await decision_named(context, "last")
    if explain.answers(question, last, await context.records.story(last.id)):
        return last
    traded = await context.records.decisions(1, outcomes=TRADED)
    found = await decision_named(context, traded[0].id) if traded else last
    return found if explain.answers(question, found, await context.records.story(found.id)) else last


async def _meant(context: Context, text: str) -> tuple[Decision, str]:
    """The decision a question is about, and the question without its name."""
    words = text.split()
    names = [w.strip(_MARKS) for w in words]
    for at, name in enumerate(names):
        if _is_id(name) or _is_pair(context, name):
            found = await _try(context, name)
            if found is not None:
                return found, " ".join([*words[:at], *words[at + 1 :]])
    return await _unnamed(context, text), text


def _is_id(word: str) -> bool:
    base, dash, rest = word.partition("-")
    return bool(dash) and base.isalnum() and rest.isalnum()


def _is_pair(context: Context, word: str) -> Symbol | None:
    return symbol_named(context.desk.playbook, word)


async def _try(context: Context, name: str) -> Decision | None:
    """None for a word that only looks like an id ("take-profit"); a pair nobody decided about yet is an error."""
    try:
        return await decision_named(context, name)
    except Misuse:
        if _is_pair(context, name):
            raise
        return None
