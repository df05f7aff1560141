"""A card beside what it was made from: for its golden text, its limits, and where its numbers come from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.render.words import RenderContext, dressed
from bot.surface import Card

ABOUT = RenderContext()


@dataclass(frozen=True, slots=True)
class Shown:
    """`of`: the function of bot/render that words it; `given` and `named`: what it is handed, the view."""

    of: Callable[..., Card]
    given: tuple[Any, ...]
    named: Mapping[str, Any]

    def card(self) -> Card:
        return self.of(*self.given, **self.named)

    def worn(self) -> Card:
        """As people get it: with the mode in front, once."""
        made = self.card()
        return made if made.title.startswith(f"{ABOUT.mode} ") else dressed(made, ABOUT)

    def otherwise(self, given: tuple[Any, ...], named: Mapping[str, Any]) -> "Shown":
        return replace(self, given=given, named=named)


def shown(of: Callable[..., Card], *given: Any, **named: Any) -> Shown:
    return Shown(of, given, named)
