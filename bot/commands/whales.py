"""What the chain shows of large holders."""

from bot.catalogue import Effect, command
from bot.reach import Context
from bot.render.whales import whales_card
from bot.surface import Card, Role


@command(
    "whales",
    help="What large holders moved to and from exchanges: the flow behind WHALE's vote",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/whales",
)
async def whales(context: Context) -> Card:
    return whales_card(context.tools.voices.chain(), context.about.zone)
