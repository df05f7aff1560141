"""Cards of words that grow out of a plain answer."""

from decimal import Decimal as D

from bot import explain
from bot.render.asking import growing_card, stopped_card, unworded_card, worded_card
from tests import surface_examples as examples
from tests.shown import Shown, shown

PLAIN = explain.ask("which votes", examples.a_decision(), examples.story())
SAID = ("FLOW was long at 0.81.", "TECHNICAL was long at 0.65.")
CARDS: dict[str, Shown] = {
    "ask_growing": shown(growing_card, PLAIN, SAID[:1], token="8f3a8f3a"),
    "ask_worded": shown(worded_card, PLAIN, SAID, model="small-1", cost=D("0.0004")),
    "ask_unworded": shown(unworded_card, PLAIN, "Not put into words: over budget."),
    "ask_stopped": shown(stopped_card, PLAIN, "Otto (telegram:9)"),
}
