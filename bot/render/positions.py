"""Open positions in words: where they stand, what guards them, what their exits remember. Pure."""

from datetime import UTC, datetime, tzinfo
from decimal import Decimal

from bot.pictures import Picture
from bot.render.decisions import why_button
from bot.render.words import (
    amount,
    arrow,
    card,
    clock,
    money,
    multiple,
    name_of,
    percent,
    price,
    quantity,
    quote_of,
    share,
    span,
)
from bot.surface import AGAIN, ASK, Button, Card
from trading.exit_plan import StopKind
from trading.model import ExitReason, Position, Quote
from trading.status import DeskStatus, PositionStatus

UNKNOWN = "not known"


def refresh(what: str) -> Button:
    return Button(label="Refresh", data=f"{AGAIN}/{what}")


def held_line(position: Position) -> str:
    """BTC long 0.0124 @ 64,210.5."""
    entry = price(position.entry, position.protection.stop)
    return f"{name_of(position.symbol)} {position.direction} {quantity(position.quantity)} @ {entry}"


def position_title(view: PositionStatus) -> str:
    position, quote = view.position, view.quote
    head = f"{arrow(position.direction)} {name_of(position.symbol)} {position.direction}"
    if quote is None:
        return f"{head} {quantity(position.quantity)}, no fresh quote"
    return f"{head} {percent(position.move(quote.mark))} {money(position.unrealised(quote.mark))}"


def _r_of(position: Position, quote: Quote) -> str:
    return f" ({multiple(position.unrealised(quote.mark) / position.risk)})" if position.risk else ""


def _distance(level: Decimal, quote: Quote) -> str:
    return f"{percent((level - quote.mark) / quote.mark)} from the mark"


def _guards(position: Position, quote: Quote | None) -> tuple[str, str]:
    guard, kind = position.protection, position.memory.stop
    moved = "" if kind is StopKind.LOSS else f" ({kind})"
    stop, target = f"Stop {price(guard.stop)}{moved}", f"Target {price(guard.target)}"
    if quote is None:
        return stop, target
    return f"{stop}, {_distance(guard.stop, quote)}", f"{target}, {_distance(guard.target, quote)}"


def at_stop(position: Position) -> str:
    """What the stop would leave of what is open, before fees: it may have been moved to where nothing is lost."""
    left = position.unrealised(position.protection.stop)
    what = f"at risk {amount(-left)}" if left <= 0 else f"the stop keeps {money(left)}"
    return f"{what} {quote_of(position.symbol)} before fees"


def closing_by(reason: ExitReason) -> str:
    """Why it is being closed; it is not closed yet."""
    return "by hand" if reason is ExitReason.MANUAL else reason.value


# --- what the exits remember --------------------------------------------------------------------------------------


def _trailing(position: Position) -> str:
    trailing, memory = position.plan.trailing, position.memory
    if trailing is None:
        return ""
    if not memory.armed:
        return f"Trailing stop: not armed, from {percent(trailing.arm)} on"
    best = "" if memory.best is None else f", best mark {price(memory.best, position.protection.stop)}"
    return f"Trailing stop: armed{best}"


def _break_even(position: Position) -> str:
    at, stop = position.plan.break_even, position.memory.stop
    if at is None:
        return ""
    return f"Break-even: {f'from {percent(at)} on' if stop is StopKind.LOSS else 'done'}"


def _partials(position: Position) -> str:
    steps, taken = position.plan.partials, position.memory.partials
    if not steps:
        return ""
    ahead = steps[taken:]
    then = f", next {share(ahead[0].share)} of the entry at {percent(ahead[0].at)}" if ahead else ""
    return f"Partial exits: {taken} of {len(steps)} taken{then}"


def _moving(position: Position) -> str:
    move = position.moving
    if move is None:
        return ""
    why = f": {move.note}" if move.note else ""
    return f"Stop on its way to {price(move.level)} ({move.kind}){why}. Until then it stands where it is."


def _remembered(position: Position) -> str:
    """One line of what has happened so far; empty while nothing has."""
    memory, said = position.memory, []
    if memory.armed:
        said.append("trailing armed" + (f" at best {price(memory.best)}" if memory.best is not None else ""))
    if memory.partials:
        said.append(f"{memory.partials} of {len(position.plan.partials)} partial exits taken")
    return f"Exits: {', '.join(said)}" if said else ""


# --- cards --------------------------------------------------------------------------------------------------------


def _lines(view: PositionStatus, at: datetime) -> tuple[str, ...]:
    position, quote = view.position, view.quote
    entry = f"{quantity(position.quantity)} @ {price(position.entry, position.protection.stop)}, {position.leverage}x"
    whole = f", left of {quantity(position.entry_quantity)}" if position.exit_quantity else ""
    mark = "No fresh quote" if quote is None else f"Mark {price(quote.mark)}"
    gain = "" if quote is None else f", {money(position.unrealised(quote.mark))}{_r_of(position, quote)}"
    return (
        f"{entry}{whole}",
        f"{mark}{gain}",
        *_guards(position, quote),
        f"Protection {position.guard}, open for {span(at - position.opened_at)}",
        _moving(position),
        f"Closing: {closing_by(position.closing)} {position.closing_note}" if position.closing else "",
    )


def positions_card(status: DeskStatus, state: str) -> Card:
    """`state`: what entries are doing, for a desk that holds nothing."""
    views = status.positions
    if not views:
        return card("no open position", state, buttons=(refresh("positions"),))
    unrealised = UNKNOWN if status.unrealised is None else money(status.unrealised)
    lines = [
        line
        for v in views
        for line in (position_title(v), *_lines(v, status.at), _remembered(v.position), f"Id {v.position.id}")
    ]
    buttons = (Button(label=name_of(v.position.symbol), data=f"do:/position {v.position.id}") for v in views)
    return card(f"{len(views)} open, unrealised {unrealised}", *lines, buttons=(refresh("positions"), *buttons))


def position_card(view: PositionStatus, at: datetime, zone: tzinfo = UTC, *, picture: Picture | None = None) -> Card:
    position = view.position
    booked = f", booked {money(position.booked)}" if position.exit_quantity else ""
    return card(
        position_title(view),
        *_lines(view, at),
        _trailing(position),
        _break_even(position),
        _partials(position),
        f"Margin {amount(position.margin)}, {at_stop(position)}",
        f"Fees {money(-position.fees)}, funding {money(position.funding)}{booked}",
        f"Opened {clock(position.opened_at, today=at, zone=zone)} by {position.playbook}, phase {position.plan.phase}",
        f"Entered in {position.plan.entered.regime}" if position.plan.entered.regime else "",
        *(f"Armed: {rule}" for rule in view.rules),
        f"Id {position.id}",
        buttons=(
            refresh(f"position {position.id}"),
            why_button(position.id),
            Button(label="Chart", data=f"{ASK}/position {position.id} chart"),
            Button(label="Close", data=f"{ASK}/close {position.id}"),
        ),
        picture=picture,
    )


def chart_card(view: PositionStatus, picture: Picture | None) -> Card:
    """The picture alone, with the position's line."""
    why = "" if picture is not None else "No candles to draw: the market gives none of that time."
    back = Button(label="Position", data=f"{ASK}/position {view.position.id}")
    return card(position_title(view), why, buttons=(back,), picture=picture)


def close_lines(view: PositionStatus, part: Decimal = Decimal(1)) -> tuple[str, ...]:
    """Size, mark and result as they are at this moment: what a closing would settle, before its fee and slippage."""
    position, quote = view.position, view.quote
    held = f"{name_of(position.symbol)} {position.direction} {quantity(position.quantity)}"
    some = "" if part == 1 else f"{share(part)} of it, about {quantity((position.quantity * part).normalize())}: "
    size = f"{held}; {some}at the market, reduce-only" if some else f"{held}, at the market, reduce-only"
    if quote is None:
        return size, "No fresh quote: the result cannot be said now"
    result = f"unrealised {money(position.unrealised(quote.mark))}{_r_of(position, quote)}"
    partly = f", {money(position.unrealised(quote.mark) * part)} of it in this part" if some else ""
    return size, f"Mark {price(quote.mark)}, {percent(position.move(quote.mark))}, {result}{partly}"
