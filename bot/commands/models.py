"""Which models there are, and what they cost."""

from bot.arguments import CSV
from bot.catalogue import Effect, command
from bot.reach import Context
from bot.render.voices import budget_card, budget_file, models_card
from bot.surface import Card, Role


@command(
    "budget",
    help="What models cost, what is left of each cap, and what is given up for it",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/budget",
    args=(CSV,),
)
async def budget(context: Context, csv: str = "") -> Card:
    view = await context.tools.voices.budget()
    return budget_file(view) if csv else budget_card(view)


@command(
    "models",
    help="The models that can be asked, what each costs, and how it stands",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/models",
)
async def models(context: Context) -> Card:
    view = await context.tools.voices.budget()
    return models_card(view.models, context.about.zone)
