"""What the desk holds: at a glance, position by position, and the account."""

from datetime import timedelta

from bot.arguments import OneOf, OpenPosition
from bot.catalogue import Effect, command
from bot.commands.lookup import position_named
from bot.pictures import Picture
from bot.reach import Context
from bot.render.pictures import position_picture
from bot.render.positions import chart_card, position_card, positions_card
from bot.render.views import balance_card, state_line, status_card
from bot.surface import Card, Role
from trading.errors import Misuse
from trading.market.series import Series
from trading.model import Symbol
from trading.status import PositionStatus

_BEFORE = 60  # bars that are asked for besides those of a position's own time
_MOST = 3000


@command(
    "status",
    help="The desk at a glance, and how many of its slots are used",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/status",
)
async def status(context: Context) -> Card:
    now, book = context.desk.status(), context.desk.playbook
    slots = book.max_positions_in(book.phase_named(now.phase))
    return status_card(now, book.sizing.method, slots=slots, zone=context.about.zone)


@command("positions", help="Every open position", role=Role.VIEWER, effect=Effect.READS, example="/positions")
async def positions(context: Context) -> Card:
    now = context.desk.status()
    return positions_card(now, state_line(now, context.about.zone))


@command(
    "position",
    help="One position: stop, target, armed exit rules, and its candles",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/position BTC",
    args=(
        OpenPosition(name="position", help="The open position, by its id or pair", required=True),
        OneOf(name="view", help="Its picture alone", known=("chart",)),
    ),
)
async def position(context: Context, position: str, view: str = "") -> Card:
    now = context.desk.status()
    found = position_named(now, context.desk.playbook, position)
    picture = await _candles(context, found)
    if view:
        return chart_card(found, picture)
    return position_card(found, now.at, context.about.zone, picture=picture)


@command("balance", help="The account", role=Role.VIEWER, effect=Effect.READS, example="/balance")
async def balance(context: Context) -> Card:
    return balance_card(context.desk.status(), context.about.zone)


async def _candles(context: Context, view: PositionStatus) -> Picture | None:
    held = view.position
    series = candles_since(context, held.symbol, context.desk.now() - held.opened_at)
    if series is None:
        return None
    return position_picture(held, await context.records.story(held.id), series, quote=view.quote)


def candles_since(context: Context, symbol: Symbol, age: timedelta) -> Series | None:
    """The candles of so long, and some before; None where the market has none: the words stand without them."""
    bars = min(_MOST, age // context.desk.playbook.schedule.bar + _BEFORE)
    try:
        return context.desk.candles(symbol, bars)
    except Misuse:
        return None
