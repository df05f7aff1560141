"""Paper or live: whose money it is."""

from bot.catalogue import Effect, command
from bot.reach import Context
from bot.render.words import card
from bot.surface import Card, Role
from trading.errors import Misuse

_NO_VENUE = "this version has no adapter to a real venue, so there is nothing to send a live order to"


@command(
    "mode",
    help="Whether the desk trades on paper or live",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/mode",
)
async def mode(context: Context) -> Card:
    now = context.desk.status()
    return card(
        f"mode {now.mode.lower()}",
        "Orders are filled by a paper venue. No money moves.",
        f"Market: {now.market}",
        f"Live trading: not here; {_NO_VENUE}.",
    )


@command(
    "mode live",
    help="Trade with real money, where there is a venue for it; this version has none",
    role=Role.ADMIN,
    effect=Effect.CODE,
    example="/mode live",
)
async def live(context: Context) -> Card:  # noqa: ARG001
    raise Misuse(f"{_NO_VENUE}. The desk stays on paper, and no code is asked for.")


@command(
    "mode paper",
    help="Trade on paper",
    role=Role.ADMIN,
    effect=Effect.ASKS,
    example="/mode paper",
)
async def paper(context: Context) -> Card:
    now = context.desk.status()
    raise Misuse(f"the desk is on {now.mode.lower()} already; {_NO_VENUE}")
