"""Free questions, answered by a closed list of looks into the journal. Code picks one by the question's words.

No model chooses, and each of them only reads. What none of them knows is not answered.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from bot.arguments import symbol_named
from bot.asking.questions import Asked, Span, asked, span
from bot.asking.tokens import COINS, one_of
from bot.reach import Context
from bot.render import asking as render
from bot.render.asking import Told
from bot.render.views import DecisionLine, state_line
from bot.results import NOTHING, scoreboard
from storage.tallies import Tally
from trading.digest import Waits
from trading.model import Symbol, Trade
from trading.playbook import Playbook

_READ = 200  # decisions whose reasons are read
_LINES = 100  # of the index at a time
_LISTED = 5000  # decisions that are counted, at most
_TRADES = 1000

Answer = Callable[[Context, Asked], Awaitable[Told]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    name: str
    example: str
    fits: Callable[[Asked], bool]
    answer: Answer


def lookup_for(context: Context, question: str) -> tuple[Lookup, Asked] | None:
    """The first that fits."""
    said = asked(question, context.desk.now(), partial(_pair, context.desk.playbook))
    return next(((one, said) for one in LOOKUPS if one.fits(said)), None)


def _pair(playbook: Playbook, word: str) -> Symbol | None:
    """Also of a coin that is not traded, now or any more: of that there may be nothing, and that is said."""
    coin = COINS.get(word)
    return symbol_named(playbook, coin or word) or (
        Symbol(f"{coin}/{playbook.quote}:{playbook.quote}") if coin else None
    )


# --- which one ----------------------------------------------------------------------------------------------------

_NONE = one_of("no not none never nothing didnt havent hasnt isnt arent wont cant dont")
_TRADING = one_of("trade trades traded trading entry entries enter entered position positions")
_MODELS = one_of("model models ai llm llms voices gemini openrouter gpt claude")
_COST = one_of("cost costs spend spent paid pay expensive money budget bill")
_MOST = one_of("biggest largest best worst top greatest highest lowest")
_OUTCOMES = one_of("win wins winner winners loss losses loser losers trade trades profit result")
_DOING = one_of("do doing does perform performed performing performance score right wrong fare record")
_RESULTS = _OUTCOMES | _DOING | one_of("lose lost won earn earned gain gained make made pnl p&l fees results did trade")
_NOW = one_of("is are hows how current currently now which what in whats")
_STATE = one_of("breaker halt halted frozen phase paused")
_STATE_REST = one_of(
    "the a we desk trading entries at level of it any there why open closed tripped doing running active"
)
_OPEN = one_of("open positions position holding hold")
_OPEN_REST = one_of("what whats is are we do the which any anything our all currently right now how many much show me")
_DIGEST = one_of(
    "happened happen digest summary summarise summarize recap report went go going things day week new how"
)


def _waits(q: Asked) -> bool:
    plain_no = any(word in q.text for word in ("no trade", "no entr", "no position")) or (
        q.pair is not None and f"no {q.pair.partition('/')[0].lower()} " in q.text
    )
    return "why" in q.words and q.any(_TRADING) and (plain_no or (q.span is not None and q.any(_NONE)))


def _costs(q: Asked) -> bool:
    return q.any(_MODELS) and q.any(_COST)


def _extremes(q: Asked) -> bool:
    return q.any(_MOST) and q.any(_OUTCOMES) and "why" not in q.words


def _persona(q: Asked) -> bool:
    how = "how" in q.words and not q.words.isdisjoint(one_of("do doing does perform performing performed fare"))
    return bool(q.persona) and "why" not in q.words and (how or (q.span is not None and q.any(_RESULTS)))


def _results(q: Asked) -> bool:
    return q.span is not None and q.any(_RESULTS) and "why" not in q.words


def _standing(q: Asked) -> bool:
    return q.any(_STATE) and q.any(_NOW) and q.words <= _STATE | _NOW | _STATE_REST


def _open(q: Asked) -> bool:
    return q.any(_OPEN) and q.words <= _OPEN | _OPEN_REST


def _digest(q: Asked) -> bool:
    return q.span is not None and q.any(_DIGEST) and not q.persona and q.pair is None and "why" not in q.words


# --- answers ------------------------------------------------------------------------------------------------------


async def _why_no_trade(context: Context, q: Asked) -> Told:
    when = q.span or span("today", context.desk.now())
    lines, whole = await _decided(context, q, when)
    held_back = [line for line in lines if line.outcome in ("wait", "denied")]
    waits, last = Waits(when.since), None
    for line in held_back[:_READ]:
        found = await context.records.decision(line.id)
        if found is not None:
            waits.add(found)
            last = last or found
    return render.waits_told(
        q,
        when,
        lines=lines,
        summed=waits.take(context.desk.now()),
        last=last,
        read=min(len(held_back), _READ),
        whole=whole,
        zone=context.about.zone,
    )


async def _decided(context: Context, q: Asked, when: Span) -> tuple[Sequence[DecisionLine], bool]:
    """What was decided then, the newest first, and whether that is all of it."""
    found: list[DecisionLine] = []
    for skip in range(0, _LISTED, _LINES):
        piece = await context.records.decisions(_LINES, q.pair, skip=skip)
        found += [line for line in piece if when.since <= line.at < when.until]
        if len(piece) < _LINES or piece[-1].at < when.since:
            return found, True
    return found, False


async def _what_persona_did(context: Context, q: Asked) -> Told:
    when = q.span or span("7d", context.desk.now())
    records = scoreboard(await _tallies(context, "persona", when))
    return render.persona_told(q, when, next((r for r in records if r.name == q.persona), None))


async def _what_came_of_it(context: Context, q: Asked) -> Told:
    when = q.span or span("7d", context.desk.now())
    pairs = [t for t in await _tallies(context, "pair", when) if t.trades]
    if q.pair is None:
        return render.results_told(q, when, _one(await _tallies(context, "all", when)), pairs)
    base = q.pair.partition("/")[0]
    return render.results_told(q, when, next((t for t in pairs if t.key == base), NOTHING), ())


async def _tallies(context: Context, dimension: str, when: Span) -> Sequence[Tally]:
    """The sums of a span: what there is since it began, less what there is since it ended."""
    figures = context.tools.figures
    began = await figures.totals(dimension, when.since)
    if when.until > context.desk.now():
        return began
    after = {t.key: t for t in await figures.totals(dimension, when.until)}
    return [_less(t, after.get(t.key, NOTHING)) for t in began]


def _less(one: Tally, other: Tally) -> Tally:
    return Tally(
        key=one.key,
        trades=one.trades - other.trades,
        wins=one.wins - other.wins,
        gross=one.gross - other.gross,
        fees=one.fees - other.fees,
        funding=one.funding - other.funding,
        won=one.won - other.won,
        lost=one.lost - other.lost,
        r=one.r - other.r,
    )


def _one(tallies: Sequence[Tally]) -> Tally:
    return next(iter(tallies), NOTHING)


async def _closed(context: Context, q: Asked, when: Span) -> Sequence[Trade]:
    trades = await context.records.trades(_TRADES, when.since, when.until)
    return [t for t in trades if q.pair is None or t.symbol == q.pair]


async def _best_and_worst(context: Context, q: Asked) -> Told:
    when = q.span or span("30d", context.desk.now())
    return render.extremes_told(q, when, await _closed(context, q, when), zone=context.about.zone)


async def _what_happened(context: Context, q: Asked) -> Told:
    when = q.span or span("today", context.desk.now())
    lines, _ = await _decided(context, q, when)
    total, trades = _one(await _tallies(context, "all", when)), await _closed(context, q, when)
    return render.digest_told(when, total, trades, lines, context.desk.status(), zone=context.about.zone)


async def _what_is_open(context: Context, q: Asked) -> Told:  # noqa: ARG001
    now = context.desk.status()
    return render.open_told(now, state_line(now, context.about.zone))


async def _how_it_stands(context: Context, q: Asked) -> Told:
    return render.standing_told(q, context.desk.status(), zone=context.about.zone)


async def _what_models_cost(context: Context, q: Asked) -> Told:  # noqa: ARG001
    return render.costs_told(await context.tools.voices.budget(), context.tools.voices.wordless)


LOOKUPS = (
    Lookup(name="costs", example="what do the models cost?", fits=_costs, answer=_what_models_cost),
    Lookup(name="waits", example="why no ETH trade today?", fits=_waits, answer=_why_no_trade),
    Lookup(name="extremes", example="which was the biggest loss this week?", fits=_extremes, answer=_best_and_worst),
    Lookup(name="persona", example="how did FLOW do this week?", fits=_persona, answer=_what_persona_did),
    Lookup(name="results", example="what did we lose on SOL last week?", fits=_results, answer=_what_came_of_it),
    Lookup(name="open", example="what is open?", fits=_open, answer=_what_is_open),
    Lookup(name="standing", example="how is the breaker?", fits=_standing, answer=_how_it_stands),
    Lookup(name="digest", example="what happened yesterday?", fits=_digest, answer=_what_happened),
)
