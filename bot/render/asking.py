"""The answers to /ask that are no single decision's, and how words grow out of a plain answer. Pure.

A line begins with whom it is about: the checker of words goes by that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, timedelta, tzinfo
from decimal import Decimal

from bot.asking.questions import Asked, Span
from bot.render.positions import position_title
from bot.render.risk import breaker_lines, breaker_title
from bot.render.views import DecisionLine, locked_line, state_line
from bot.render.words import amount, card, clock, confidence, counted, money, multiple, name_of, share, with_line
from bot.results import Record
from bot.surface import ASK, STOP, Button, Card
from storage.tallies import Tally
from trading.decision import Decision
from trading.events import WaitsSummed
from trading.model import Trade, TradingState
from trading.spending import BudgetView
from trading.status import DeskStatus

UNDER_WAY = "Being put into words …"
_REASONS = 8
_PAIRS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A plain answer. `lines`: whole, as the words of a model are held against them."""

    title: str
    lines: tuple[str, ...]
    button: Button
    understood: frozenset[str] = frozenset()  # whom all of it is about

    def card(self) -> Card:
        return card(self.title, *self.lines, buttons=(self.button,))


# --- words that grow ----------------------------------------------------------------------------------------------


def growing_card(plain: Card, said: Sequence[str], *, token: str) -> Card:
    """The plain answer, whole, and as much of the words as there is."""
    grown = with_line(plain, *((" ".join(said),) if said else ()), UNDER_WAY)
    return replace(grown, grows=token, buttons=(*plain.buttons, Button(label="Stop", data=f"{STOP}{token}")))


def worded_card(plain: Card, said: Sequence[str], *, model: str, cost: Decimal) -> Card:
    """The words; behind them the plain answer that they were held against."""
    signed = f"Said by {model}, {usd(cost)}. Each number, name and side of it stands in the record."
    return card(plain.title, " ".join(said), signed, detail=(*plain.body(), *plain.detail), buttons=plain.buttons)


def unworded_card(plain: Card, why: str) -> Card:
    return with_line(plain, why)


def stopped_card(plain: Card, by: str) -> Card:
    return with_line(plain, f"No words: stopped by {by}.")


def usd(cost: Decimal) -> str:
    """A model's price for a sentence is small."""
    return f"${cost:.4f}"


def askable_lines(examples: Iterable[str]) -> tuple[str, ...]:
    """What else can be asked, for who has asked what nobody knows."""
    return (f"Of the journal can be asked: {' · '.join(examples)}",)


# --- the journal --------------------------------------------------------------------------------------------------


def _when(when: Span) -> str:
    last = when.until - timedelta(days=1)
    return f"{when.since:%Y-%m-%d}, UTC" if last == when.since else f"{when.since:%Y-%m-%d} to {last:%Y-%m-%d}, UTC"


def _named(q: Asked) -> tuple[str, frozenset[str]]:
    base = name_of(q.pair) if q.pair else ""
    return base, frozenset({base} - {""})


def _button(label: str, line: str) -> Button:
    return Button(label=label, data=f"{ASK}{line}")


def waits_told(
    q: Asked,
    when: Span,
    *,
    lines: Sequence[DecisionLine],
    summed: WaitsSummed | None,
    last: Decision | None,
    read: int,
    whole: bool,
    zone: tzinfo = UTC,
) -> Told:
    """`lines`: of the index. `summed`: of the newest `read` that came to no trade. `last`: the newest of those."""
    base, understood = _named(q)
    of = f"{base} " if base else ""
    traded = [line for line in lines if line.outcome not in ("wait", "denied")]
    if not lines:
        return Told(
            title=f"no {of}decision {when.name}",
            lines=(_when(when), f"The record holds no {of}decision of that time."),
            button=_button("Decisions", f"/decisions {base}".strip()),
            understood=understood,
        )
    waits, denied = (sum(line.outcome == outcome for line in lines) for outcome in ("wait", "denied"))
    reasons = sorted(summed.reasons, key=lambda r: (-r[2], r[0], r[1])) if summed else []
    fewer = "" if whole and read == waits + denied else f"Reasons of the last {read:,} alone:"
    return Told(
        title=f"{of}{when.name}: {counted(len(traded), 'trade')}, {counted(waits, 'wait')}, {denied:,} denied",
        lines=(
            _when(when),
            *(f"{name_of(t.symbol)} traded: {t.id} {t.outcome} {confidence(t.confidence)}" for t in traded[:_REASONS]),
            fewer,
            *(f"{where}: {why}, {n:,} of {read:,}" for where, why, n in reasons[:_REASONS]),
            _closest(summed),
            f"{name_of(last.symbol)} at {clock(last.at, zone=zone)}: {last.verdict.reason}" if last else "",
        ),
        button=_button("Decisions", f"/decisions {base}".strip()),
        understood=understood,
    )


def _closest(summed: WaitsSummed | None) -> str:
    if summed is None or summed.closest is None:
        return ""
    id, symbol, sure = summed.closest
    return f"{name_of(symbol)} came closest: {id}, confidence {confidence(sure)}"


def _came_to(tally: Tally) -> str:
    return f"net {money(tally.net)}, {counted(tally.trades, 'trade')}, {tally.wins} won"


def results_told(q: Asked, when: Span, total: Tally, pairs: Sequence[Tally]) -> Told:
    base, understood = _named(q)
    of = f"{base} " if base else ""
    button = _button("Results", "/pnl 30d by pair")
    if not total.trades:
        line = f"The record holds no {of}trade that closed then."
        return Told(title=f"no {of}trade {when.name}", lines=(_when(when), line), button=button, understood=understood)
    worst_first = sorted(pairs, key=lambda t: t.net)[:_PAIRS]
    return Told(
        title=f"{of}{when.name}: {_came_to(total)}",
        lines=(
            _when(when),
            f"Gross {money(total.gross)}, fees {money(-total.fees)}, funding {money(total.funding)}",
            f"Winners {money(total.won)}, the others {money(total.lost)}, together {multiple(total.r)}",
            *(f"{pair.key}: {_came_to(pair)}" for pair in worst_first),
        ),
        button=button,
        understood=understood,
    )


def persona_told(q: Asked, when: Span, record: Record | None) -> Told:
    name = q.persona.upper()
    button = _button("Personas", "/personas")
    if record is None or not record.n:
        lines = (_when(when), f"{name} took no side in a trade that closed then.")
        return Told(title=f"{name} {when.name}: no record", lines=lines, button=button, understood=frozenset({name}))
    low, high = (share(Decimal(repr(edge)).quantize(Decimal("0.01"))) for edge in record.interval)
    few = " Too few to tell." if record.n < 30 else ""
    return Told(
        title=f"{name} {when.name}: right in {record.right} of {record.n}",
        lines=(
            _when(when),
            f"{name} was right in {record.right} of {counted(record.n, 'trade')} that closed: {low} to {high}.{few}",
            f"{name} with the trade: {_came_to(record.stood)}",
            f"{name} against it: {_came_to(record.against)}",
            f"{name} was neutral in {record.neutral.trades} and silent in {record.abstained.trades}",
        ),
        button=button,
        understood=frozenset({name}),
    )


def _trade_line(word: str, trade: Trade, zone: tzinfo) -> str:
    return (
        f"{name_of(trade.symbol)} {word}: {money(trade.net)} ({multiple(trade.r)}), {trade.direction}, closed by "
        f"{trade.reason} at {clock(trade.closed_at, zone=zone)}, {trade.id}"
    )


def _ends(trades: Sequence[Trade], zone: tzinfo) -> tuple[str, ...]:
    if not trades:
        return ()
    best, worst = max(trades, key=lambda t: t.net), min(trades, key=lambda t: t.net)
    lines = (_trade_line("best", best, zone), _trade_line("worst", worst, zone))
    return lines if best is not worst else (_trade_line("the only one", best, zone),)


def extremes_told(q: Asked, when: Span, trades: Sequence[Trade], *, zone: tzinfo = UTC) -> Told:
    base, understood = _named(q)
    of = f"{base} " if base else ""
    button = _button("Trades", "/trades")
    if not trades:
        line = f"The record holds no {of}trade that closed then."
        return Told(title=f"no {of}trade {when.name}", lines=(_when(when), line), button=button, understood=understood)
    return Told(
        title=f"{of}{when.name}: best and worst of {counted(len(trades), 'trade')}",
        lines=(_when(when), *_ends(trades, zone)),
        button=button,
        understood=understood,
    )


def digest_told(
    when: Span,
    total: Tally,
    trades: Sequence[Trade],
    lines: Sequence[DecisionLine],
    now: DeskStatus,
    *,
    zone: tzinfo = UTC,
) -> Told:
    waits, denied = (sum(line.outcome == outcome for line in lines) for outcome in ("wait", "denied"))
    return Told(
        title=f"{when.name}: {_came_to(total)}" if total.trades else f"{when.name}: no closed trade",
        lines=(
            _when(when),
            *_ends(trades, zone),
            f"{counted(len(lines), 'decision')}: {counted(waits, 'wait')}, {denied:,} denied",
            f"Now: {len(now.positions)} open. {state_line(now, zone)}",
        ),
        button=_button("Results", "/pnl 7d"),
    )


# --- the desk -----------------------------------------------------------------------------------------------------


def open_told(now: DeskStatus, state: str) -> Told:
    button = _button("Positions", "/positions")
    if not now.positions:
        return Told(title="nothing is open", lines=(state,), button=button)
    unrealised = "not known" if now.unrealised is None else money(now.unrealised)
    return Told(
        title=f"{len(now.positions)} open, unrealised {unrealised}",
        lines=(
            *(f"{position_title(view)}, entry {view.position.entry:,f}, {view.position.id}" for view in now.positions),
            f"Exposure {amount(now.exposure)}",
        ),
        button=button,
    )


def standing_told(q: Asked, now: DeskStatus, *, zone: tzinfo = UTC) -> Told:
    halted = "halted" if now.trading is TradingState.HALTED else "not halted"
    title = breaker_title(now.breaker, now.at) if "breaker" in q.words else halted
    return Told(
        title=f"phase {now.phase}" if "phase" in q.words else title,
        lines=(
            *breaker_lines(now.breaker, now.at, zone),
            state_line(now, zone),
            f"Phase {now.phase}, playbook {now.playbook}",
            locked_line(now, zone),
        ),
        button=_button("Breaker", "/breaker"),
    )


def costs_told(view: BudgetView, wordless: str) -> Told:
    button = _button("Budget", "/budget")
    if not view.costs:
        why = f"No words by a model: {wordless}." if wordless else ""
        return Told(
            title="no model was paid this month", lines=("The record holds no cost of one.", why), button=button
        )
    total = sum((cost.cost for cost in view.costs), Decimal(0))
    return Told(
        title=f"models this month: {usd(total)}",
        lines=(
            *(f"{c.purpose} by {c.model}: {usd(c.cost)}, {counted(c.calls, 'call')}" for c in view.costs[:_PAIRS]),
            *(f"Of the {cap.name}: {usd(cap.settled + cap.reserved)} of {usd(cap.limit)}" for cap in view.caps),
        ),
        button=button,
    )
