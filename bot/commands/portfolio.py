"""What the desk holds and what it has earned."""

from datetime import datetime, timedelta

from bot.catalogue import BadArguments, Context, command
from bot.commands.lookup import count_in, position_named
from bot.render import render_summary
from bot.render.figures import WINDOWS
from bot.render.positions import position_card, positions_card
from bot.render.risk import sizing_lines
from bot.render.views import balance_card, state_line, status_card, trades_card
from bot.render.words import money
from bot.surface import Card, Role
from trading.model import ZERO
from trading.performance import summarise

_ALL = 1_000_000  # more trades than a desk makes in its life


@command("status", help="The desk at a glance", usage="/status", role=Role.VIEWER, example="/status")
async def status(context: Context, _: str) -> Card:
    return status_card(context.desk.status(), context.desk.playbook.sizing.method)


@command("positions", help="Every open position", usage="/positions", role=Role.VIEWER, example="/positions")
async def positions(context: Context, _: str) -> Card:
    now = context.desk.status()
    return positions_card(now, state_line(now))


@command(
    "position",
    help="One position with its stop, target and armed exit rules",
    usage="/position ID or PAIR",
    role=Role.VIEWER,
    example="/position BTC",
)
async def position(context: Context, args: str) -> Card:
    now = context.desk.status()
    return position_card(position_named(now, context.desk.playbook, args), now.at)


def _since(window: str, now: datetime) -> datetime | None:
    if window == "all":
        return None
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if window == "today" else now - timedelta(days=int(window.removesuffix("d")))


@command(
    "pnl",
    help="Results of the closed trades",
    usage="/pnl [today | 7d | 30d | all]",
    role=Role.VIEWER,
    example="/pnl 7d",
)
async def pnl(context: Context, args: str) -> Card:
    window = args.lower() or "all"
    if window not in WINDOWS:
        raise BadArguments(f"{args[:20]!r} is not one of {', '.join(WINDOWS)}")
    now = context.desk.status()
    since = _since(window, context.desk.now())
    every = await context.records.trades(_ALL)
    trades = [t for t in every if since is None or t.closed_at >= since]
    before = now.start_equity + sum((t.net for t in every), ZERO) - sum((t.net for t in trades), ZERO)
    known = now.positions and now.unrealised is not None
    still = f"Unrealised {money(now.unrealised or ZERO)} in {len(now.positions)} open" if known else ""
    sizing = sizing_lines(now.sized, context.desk.playbook.sizing.method)
    return render_summary(summarise(trades, before), window, unrealised=still, sizing=sizing)


@command("balance", help="The account", usage="/balance", role=Role.VIEWER, example="/balance")
async def balance(context: Context, _: str) -> Card:
    return balance_card(context.desk.status())


@command("trades", help="The last closed trades", usage="/trades [n]", role=Role.VIEWER, example="/trades 5")
async def trades(context: Context, args: str) -> Card:
    return trades_card(await context.records.trades(count_in(args, default=10, most=50)), context.desk.now())
