"""The markets as the desk sees them."""

from bot.arguments import Pair
from bot.catalogue import Effect, command
from bot.pictures import Picture
from bot.reach import Context
from bot.render.market import market_card, regimes_card
from bot.render.pictures import BARS, candles_picture
from bot.surface import Card, Role
from trading.errors import Misuse
from trading.model import Symbol


@command(
    "market",
    help="One pair: candles, features, score by category, rules that fired, regime",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/market BTC",
    args=(Pair(name="pair", help="The pair to look at", required=True),),
)
async def market(context: Context, pair: Symbol) -> Card:
    view = context.desk.market(pair)
    return market_card(view, _candles(context, pair), context.about.zone)


def _candles(context: Context, pair: Symbol) -> Picture | None:
    try:
        series = context.desk.candles(pair, BARS)
    except Misuse:
        return None  # the words stand without them
    return candles_picture(pair, series, bars=BARS, title="")


@command(
    "regime",
    help="Which market each pair is in, and what it makes of a trade's risk",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/regime",
)
async def regime(context: Context) -> Card:
    return regimes_card(context.desk.regimes(), context.about.zone)
