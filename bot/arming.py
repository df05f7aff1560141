"""Which of a playbook's personas can sit on its panel here, and why the others cannot."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from trading.bench import Bench
from trading.personas.council import Ballots, Council
from trading.personas.flow import Flow
from trading.personas.panel import Persona
from trading.personas.sigma import Sigma
from trading.personas.technical import Technical
from trading.playbook import Playbook, Seat
from trading.running import Panel

RULES: dict[str, Callable[[Seat], Persona]] = {"flow": Flow, "technical": Technical, "sigma": Sigma}

SWITCHED_OFF = "switched off in the playbook"


class Voices(Protocol):
    """Who speaks beside the rules: each of them, or the reason why not."""

    def sentiment(self, seat: Seat, universe: Sequence[str]) -> Persona | str:
        """`universe`: the pairs that one question may be about."""
        ...

    def whale(self, seat: Seat) -> Persona | str: ...

    def council(self, seat: Seat) -> Ballots | str: ...

    def bench(self, playbook: Playbook) -> Bench | None:
        """Models that are asked about a verdict; None where the playbook asks none."""
        ...


def armed(playbook: Playbook, lacks: Mapping[str, str], voices: Voices, ballots: Ballots | None = None) -> Panel:
    """The personas that speak; and those that are off, with the reason: they do not exist for the judge.

    `lacks`: what the market can never show, by persona. `ballots`: a council's that were written down before.
    """
    personas: dict[str, Persona] = {}
    off: dict[str, str] = {}
    for name, seat in playbook.panel.items():
        why = lacks.get(name, "") if seat.enabled else SWITCHED_OFF
        found = why or _seated(name, seat, playbook, voices, ballots)
        if isinstance(found, str):
            off[name] = found
        else:
            personas[name] = found
    return Panel(personas=personas, off=off, bench=voices.bench(playbook))


def _seated(name: str, seat: Seat, playbook: Playbook, voices: Voices, ballots: Ballots | None) -> Persona | str:
    match name:
        case "sentiment":
            return voices.sentiment(seat, playbook.universe)
        case "whale":
            return voices.whale(seat)
        case "council":
            found = voices.council(seat) if ballots is None else ballots
            return found if isinstance(found, str) else Council(seat, found)
    return RULES[name](seat)
