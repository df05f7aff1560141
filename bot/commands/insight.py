"""Why the desk did what it did: answers bound to the record."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from bot import explain
from bot.arguments import CSV, PAGE, Count, DecisionName, OneOf, Pair, Words, symbol_named
from bot.catalogue import Effect, command
from bot.commands.lookup import decision_named
from bot.commands.results import in_pieces
from bot.reach import Context
from bot.render.views import DecisionLine, Page, decisions_card, decisions_file
from bot.render.words import name_of
from bot.surface import Card, Role
from trading.decision import Decision
from trading.errors import Misuse
from trading.model import Symbol

TRADED = ("long", "short")  # outcomes
_OUTCOMES = (*TRADED, "denied", "wait", "traded")
_SHOWN = 10


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
    help="A question about a decision, answered from its record alone",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/ask why this size for BTC",
    args=(
        Words(
            name="question",
            help="With an id or a pair in it, or else about the last decision or trade",
            required=True,
        ),
    ),
)
async def ask(context: Context, question: str) -> Card:
    decision, rest = await _meant(context, question)
    story, zone = await context.records.story(decision.id), context.about.zone
    return explain.ask(rest, decision, story, zone=zone) if rest else explain.why(decision, story, zone=zone)


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
    names = [w.strip("?!.,;:\"'()") for w in words]
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
