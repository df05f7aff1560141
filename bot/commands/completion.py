"""What may be typed next, for a chat that can complete."""

from bot.catalogue import COMMANDS, DeskPort
from bot.render.figures import WINDOWS
from bot.render.words import amount, clock, name_of
from bot.routing import KINDS, MODES
from trading.playbook import available
from trading.status import DeskStatus


def toolbar(desk: DeskPort) -> str:
    """Mode, market time, equity, and whether entries are allowed."""
    now = desk.status()
    equity = "equity not known" if now.equity is None else f"equity {amount(now.equity)}"
    held = f"{len(now.positions)} open"
    return f" {now.mode} · {now.market} · {clock(now.at)} · {equity} · {held} · {now.trading}{_frozen(now)} "


def _frozen(now: DeskStatus) -> str:
    return ", entries frozen" if now.frozen else ""


def _arguments(desk: DeskPort, name: str) -> list[str]:
    now, book = desk.status(), desk.playbook
    held = [p.position.id for p in now.positions]
    pairs = [name_of(p.position.symbol) for p in now.positions]
    last = now.last_decision.split()[:1]
    choices = {
        "position": [*pairs, *held],
        "close": [*pairs, *held],
        "why": ["last", *last, *held, *book.universe],
        "ask": [*last, *held, *book.universe],
        "decisions": list(book.universe),
        "pnl": list(WINDOWS),
        "phase": [*(p.name for p in book.phases), "auto"],
        "playbook": list(available()),
        "alerts": [f"{kind} {mode}" for kind in KINDS for mode in MODES],
        "help": list(COMMANDS),
    }
    return list(dict.fromkeys(choices.get(name, [])))


def complete(desk: DeskPort, typed: str) -> list[str]:
    """Whole lines that begin with what is typed."""
    if not typed.startswith("/"):
        return []
    word, space, rest = typed.partition(" ")
    if not space:
        return [f"/{name}" for name in COMMANDS if f"/{name}".startswith(word.lower())]
    fitting = _arguments(desk, word.removeprefix("/").lower())
    return [f"{word} {argument}" for argument in fitting if argument.lower().startswith(rest.lower())]
