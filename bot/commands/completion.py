"""What may be typed next, for a chat that can complete."""

from collections.abc import Sequence
from datetime import datetime

from bot.catalogue import COMMANDS, DeskPort
from bot.commands.phases import SETTINGS
from bot.render.figures import WINDOWS
from bot.render.words import amount, clock, name_of
from bot.routing import KINDS, MODES
from trading.breaker import Level
from trading.status import DeskStatus


def toolbar(desk: DeskPort, begins: datetime | None = None, ends: datetime | None = None) -> str:
    """Mode, market time, equity, whether entries are allowed; of a market that ends, how far it is."""
    now = desk.status()
    equity = "equity not known" if now.equity is None else f"equity {amount(now.equity)}"
    held = f"{len(now.positions)} open"
    played = f" ({(now.at - begins) / (ends - begins):.0%})" if begins and ends and ends > begins else ""
    at = f"{clock(now.at)}{played}"
    return f" {now.mode} · {now.market} · {at} · {equity} · {held} · {now.trading}{_held_back(now)} "


def _held_back(now: DeskStatus) -> str:
    tripped = "" if now.breaker.level is Level.CLOSED else f", breaker {now.breaker.level.name}"
    return f"{', entries frozen' if now.frozen else ''}{tripped}"


def _arguments(desk: DeskPort, name: str, playbooks: Sequence[str]) -> list[str]:
    now, book = desk.status(), desk.playbook
    held = [p.position.id for p in now.positions]
    pairs = [name_of(p.position.symbol) for p in now.positions]
    last = now.last_decision.split()[:1]
    phases = [p.name for p in book.phases]
    choices = {
        "position": [*pairs, *held],
        "close": [*pairs, *held],
        "why": ["last", *last, *held, *book.universe],
        "ask": [*last, *held, *book.universe],
        "decisions": list(book.universe),
        "pnl": list(WINDOWS),
        "market": list(book.universe),
        "breaker": ["reset", *(f"override {level.name.lower()} for 1h" for level in Level)],
        "phase": [*phases, "auto", *(f"set {phase} {setting}=" for phase in phases for setting in SETTINGS)],
        "playbook": ["list", *playbooks, *(f"{verb} {name}" for verb in ("show", "use") for name in playbooks)],
        "shadow": [f"{verb} {name}" for verb in ("add", "remove") for name in playbooks],
        "alerts": [f"{kind} {mode}" for kind in KINDS for mode in MODES],
        "help": list(COMMANDS),
    }
    return list(dict.fromkeys(choices.get(name, [])))


def complete(desk: DeskPort, typed: str, playbooks: Sequence[str] = ()) -> list[str]:
    """Whole lines that begin with what is typed. `playbooks`: the names there are."""
    if not typed.startswith("/"):
        return []
    word, space, rest = typed.partition(" ")
    if not space:
        return [f"/{name}" for name in COMMANDS if f"/{name}".startswith(word.lower())]
    fitting = _arguments(desk, word.removeprefix("/").lower(), playbooks)
    return [f"{word} {argument}" for argument in fitting if argument.lower().startswith(rest.lower())]
