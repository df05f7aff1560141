"""Orders by hand: close one position, close all of them, enter. Each says first what it would do at this moment."""

import secrets
from decimal import Decimal

from bot.arguments import OneOf, OpenPosition, Pair, Share
from bot.catalogue import Effect, command
from bot.commands.lookup import position_named
from bot.reach import Context
from bot.render.orders import enter_lines, flatten_lines
from bot.render.positions import close_lines
from bot.render.views import DecisionLine, held_back, state_line
from bot.render.words import card, counted, name_of, share
from bot.surface import Button, Card, Role
from trading.errors import Misuse
from trading.messages import ClosePosition, EnterPair, Flatten, Quoted
from trading.model import Direction, Symbol
from trading.status import PositionStatus

_ALL = Decimal(1)
_POSITIONS = Button(label="Positions", data="do:/positions")


@command(
    "close",
    help="Close a position, or a part of it, at the market",
    role=Role.OPERATOR,
    effect=Effect.ASKS,
    example="/close BTC 50%",
    args=(
        OpenPosition(name="position", help="The open position, by its id or pair", required=True),
        Share(name="part", help="How much of it, like 50%; without it all"),
    ),
)
async def close(context: Context, position: str, part: Decimal = _ALL) -> Card:
    view = position_named(context.desk.status(), context.desk.playbook, position)
    held = view.position
    if held.closing is not None:
        raise Misuse(f"{held.id} is being closed already: {held.closing}")
    some = "" if part == _ALL else f"{share(part)} of "
    title = f"{some}{name_of(held.symbol)} {held.direction}"
    lines = close_lines(view, part)
    if context.confirmed:
        wanted = ClosePosition(position_id=held.id, by=context.by, part=part, quoted=context.quoted)
        return card(f"closing {title}", await context.desk.obey(wanted), "At the tap:", *lines)
    return await context.ask(
        f"/close {held.id}" if part == _ALL else f"/close {held.id} {(part * 100).normalize():f}%",
        f"close {title}?",
        *lines,
        f"Id {held.id}",
        quoted=_quoted(view),
        danger=True,
    )


def _quoted(view: PositionStatus) -> Quoted | None:
    """What the yes will be about; without a mark there is nothing that it could be held against."""
    return None if view.quote is None else Quoted(mark=view.quote.mark, quantity=view.position.quantity)


@command(
    "flatten",
    help="Halt, withdraw entries that are on their way, and close every position at the market",
    role=Role.OPERATOR,
    effect=Effect.CODE,
    example="/flatten",
)
async def flatten(context: Context) -> Card:
    now = context.desk.status()
    if not now.positions and not now.pending:
        raise Misuse("nothing is open and nothing is on its way. /halt stops new entries.")
    lines = flatten_lines(now)
    if context.confirmed:
        done = await context.desk.obey(Flatten(by=context.by))
        return card("flattening", done, "At that moment:", *lines, buttons=(_POSITIONS,))
    return await context.ask(
        "/flatten",
        f"flatten: close {counted(len(now.positions), 'position')}?",
        *lines,
        "Changes: everything is closed at the market, and the desk is halted until /resume.",
        code=f"{secrets.randbelow(10_000):04}",
    )


@command(
    "enter",
    help="Enter a pair by hand, through the same gate as any entry",
    role=Role.OPERATOR,
    effect=Effect.ASKS,
    example="/enter BTC long",
    args=(
        Pair(name="pair", help="The pair to enter", required=True),
        OneOf(name="side", help="Which side", known=("long", "short"), required=True),
    ),
)
async def enter(context: Context, pair: Symbol, side: str) -> Card:
    book, now, base = context.desk.playbook, context.desk.status(), name_of(pair)
    if not book.limits.manual_entry:
        raise Misuse(f"playbook {book.name} allows no entry by hand: its limits.manual_entry is off")
    direction = Direction(side)
    if context.confirmed:
        wanted = EnterPair(symbol=pair, direction=direction, by=context.by, quoted=context.quoted)
        done, made = await context.desk.obey(wanted), await _last_decision(context, pair)
        denied = made is not None and made.outcome == "denied"
        return card(f"{base} {direction} {'not entered' if denied else 'by hand'}", done, buttons=(_POSITIONS,))
    quote = context.desk.market(pair).quote
    last = await _last_decision(context, pair)
    return await context.ask(
        f"/enter {base} {direction}",
        f"enter {base} {direction}?",
        *enter_lines(quote, last, context.about.zone),
        f"All the same: {held_back(now)}" if held_back(now) else state_line(now),
        quoted=Quoted(mark=quote.mark),
    )


async def _last_decision(context: Context, pair: Symbol) -> DecisionLine | None:
    return next(iter(await context.records.decisions(1, symbol=pair)), None)
