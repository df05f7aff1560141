"""Cards of models and of what they cost, each with what it was made from."""

from zoneinfo import ZoneInfo

from bot import explain
from bot.render.voices import budget_card, budget_file, models_card
from tests import voice_examples as examples
from tests.shown import Shown, shown
from tests.surface_examples import a_decision

BERLIN = ZoneInfo("Europe/Berlin")
SPOKEN = examples.a_spoken_decision(a_decision())
CARDS: dict[str, Shown] = {
    "why_voices": shown(explain.why, SPOKEN, zone=BERLIN),
    "ask_sources": shown(explain.ask, "which sources", SPOKEN),
    "ask_cost": shown(explain.ask, "what did it cost", SPOKEN),
    "budget": shown(budget_card, examples.a_budget()),
    "budget_roomy": shown(budget_card, examples.a_roomy_budget()),
    "budget_shut": shown(budget_card, examples.a_shut_budget()),
    "budget_unspent": shown(budget_card, examples.an_unspent_budget()),
    "budget_file": shown(budget_file, examples.a_budget()),
    "models": shown(models_card, examples.models(), BERLIN),
    "models_idle": shown(models_card, examples.models()[3:], BERLIN),
    "models_none": shown(models_card, (), BERLIN),
}
