"""The markets as the desk sees them."""

from bot.catalogue import BadArguments, Context, command
from bot.commands.lookup import pair_named
from bot.render.market import market_card, regimes_card
from bot.surface import Card, Role


@command(
    "market",
    help="One pair: features, score by category, rules that fired, regime",
    usage="/market PAIR",
    role=Role.VIEWER,
    example="/market BTC",
)
async def market(context: Context, args: str) -> Card:
    if not args:
        raise BadArguments(f"which pair? known: {', '.join(context.desk.playbook.universe)}")
    return market_card(context.desk.market(pair_named(context.desk.playbook, args)))


@command(
    "regime",
    help="Which market each pair is in, and what it makes of a trade's risk",
    usage="/regime",
    role=Role.VIEWER,
    example="/regime",
)
async def regime(context: Context, _: str) -> Card:
    return regimes_card(context.desk.regimes())
