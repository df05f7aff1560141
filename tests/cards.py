"""Every card there is: those that people ask for, and an alert for every kind of event."""

import inspect
import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import get_type_hints

import bot.render
from bot.render.alerts import render_event
from bot.surface import Card
from tests import (
    cards_of_asking,
    cards_of_figures,
    cards_of_people,
    cards_of_scores,
    cards_of_the_desk,
    cards_of_voices,
    whales,
)
from tests import surface_examples as examples
from tests.shown import ABOUT, Shown, shown
from trading import events as m

EVENTS: dict[str, m.Event] = examples.events()
CARDS: dict[str, Shown] = (
    cards_of_asking.CARDS
    | cards_of_figures.CARDS
    | cards_of_people.CARDS
    | cards_of_scores.CARDS
    | cards_of_the_desk.CARDS
    | cards_of_voices.CARDS
    | whales.CARDS
)


def an_alert(event: m.Event) -> Card:
    made = render_event(event, ABOUT)
    assert made is not None, f"{type(event).__name__} has no alert"
    return made


ALERTS: dict[str, Shown] = {name: shown(an_alert, event) for name, event in EVENTS.items()}
# By the name of the golden file.
ALL: dict[str, Shown] = {f"alert_{name}": alert for name, alert in ALERTS.items()} | {
    f"card_{name}": card for name, card in CARDS.items()
}


def functions() -> dict[str, Callable[..., Card]]:
    """Those of bot/render that word a card of a view, by "module.name"."""
    found: dict[str, Callable[..., Card]] = {}
    for module in pkgutil.iter_modules(bot.render.__path__):
        there = import_module(f"bot.render.{module.name}")
        for name, thing in inspect.getmembers(there, inspect.isfunction):
            own = thing.__module__ == there.__name__ and not name.startswith("_") and module.name != "words"
            if own and get_type_hints(thing).get("return") is Card:
                found[f"{module.name}.{name}"] = thing
    return found
