"""Which of a playbook's personas can sit on its panel here, and why the others cannot."""

from collections.abc import Callable, Mapping

from trading.personas.council import Ballots, Council
from trading.personas.flow import Flow
from trading.personas.panel import Persona
from trading.personas.sigma import Sigma
from trading.personas.technical import Technical
from trading.playbook import Playbook, Seat

# A persona stands here when this version can arm it; the others of a playbook are off, and say so.
PERSONAS: dict[str, Callable[[Seat], Persona]] = {"flow": Flow, "technical": Technical, "sigma": Sigma}
NOT_ARMED = {
    "whale": "no on-chain reader in this version",
    "sentiment": "no language model in this version",
    "council": "no language model in this version; recorded ballots come with --opinions FILE",
}


def armed(
    playbook: Playbook, lacks: Mapping[str, str], ballots: Ballots | None = None
) -> tuple[dict[str, Persona], dict[str, str]]:
    """The personas that speak; and those that are off, with the reason: they do not exist for the judge.

    `lacks`: what the market can never show, by persona.
    """
    here = PERSONAS if ballots is None else {**PERSONAS, "council": lambda seat: Council(seat, ballots)}
    off = {name: NOT_ARMED[name] for name in playbook.panel if name not in here}
    off |= {name: reason for name, reason in lacks.items() if name in playbook.panel}
    off |= {name: "switched off in the playbook" for name, seat in playbook.panel.items() if not seat.enabled}
    return {name: here[name](seat) for name, seat in playbook.panel.items() if name not in off}, off
