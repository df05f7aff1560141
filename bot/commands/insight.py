"""Why the desk did what it did: answers bound to the record."""

from bot import explain
from bot.catalogue import BadArguments, Context, command
from bot.commands.lookup import count_in, decision_named, symbol_named
from bot.render.views import decisions_card
from bot.surface import Card, Role
from trading.decision import Decision
from trading.errors import Misuse
from trading.model import Symbol

TRADED = ("long", "short")  # outcomes


@command(
    "decisions",
    help="The last decisions, WAITs included",
    usage="/decisions [n] [PAIR]",
    role=Role.VIEWER,
    example="/decisions 5 BTC",
)
async def decisions(context: Context, args: str) -> Card:
    count, symbol = "", None
    for word in args.split():
        found = symbol_named(context.desk.playbook, word)
        if found is None and not word[0].isdigit():
            raise BadArguments(f"{word[:20]!r} is neither a number nor a pair of the playbook")
        count, symbol = (count, found) if found else (word, symbol)
    lines = await context.records.decisions(count_in(count, default=10, most=50), symbol=symbol)
    return decisions_card(lines, context.desk.now())


@command(
    "why",
    help="The evidence, votes, tally and gate answers of a decision, and what became of it",
    usage="/why [ID | PAIR | last]",
    role=Role.VIEWER,
    example="/why BTC",
)
async def why(context: Context, args: str) -> Card:
    decision = await decision_named(context, args)
    return explain.why(decision, await context.records.story(decision.id))


@command(
    "ask",
    help="A question about a decision, answered from its record alone",
    usage="/ask QUESTION, with an ID or PAIR in it, or about the last decision or trade",
    role=Role.VIEWER,
    example="/ask why this size for BTC",
)
async def ask(context: Context, args: str) -> Card:
    if not args:
        raise BadArguments("what would you like to know?")
    decision, question = await _meant(context, args)
    story = await context.records.story(decision.id)
    return explain.ask(question, decision, story) if question else explain.why(decision, story)


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
