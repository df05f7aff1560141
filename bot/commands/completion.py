"""What may be typed next, for a chat that can complete: from the catalogue, like everything that is suggested."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from bot.arguments import SUGGESTED
from bot.catalogue import COMMANDS, Argument, BadArguments, Entry, actions, find
from bot.reach import DeskPort, Tools
from bot.render.words import amount, clock
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


def complete(tools: Tools, typed: str) -> list[str]:
    """Whole lines that may be meant by what is typed so far."""
    if not typed.startswith("/"):
        return []
    done, space, part = typed.rpartition(" ")
    if not space:
        return [f"/{name}" for name in COMMANDS if " " not in name and f"/{name}".startswith(typed.lower())]
    entry, words = find(done)
    if entry is None:
        return []
    known = _lines(entry, words.split(), " ".join(done.split()), part, tools)
    return list(islice(dict.fromkeys(known), SUGGESTED))


def _lines(entry: Entry, words: list[str], done: str, part: str, tools: Tools) -> Iterator[str]:
    """`done`: what is typed of the line without its last word, `part`; `words`: those of it that are arguments."""
    if not words and " " not in entry.path:
        names = (action.path.partition(" ")[2] for action in actions(entry.name))
        yield from (f"{done} {name}" for name in names if name.startswith(part.lower()))
    open_, left = _open(entry, words, tools)
    kept, begun = done.split(" ")[: -len(left) or None], " ".join((*left, part))
    for argument in open_:
        if argument.rest or not left:
            yield from (" ".join((*kept, value)) for value in argument.suggest(begun, tools))
        if argument.required:
            return


def _open(entry: Entry, words: list[str], tools: Tools) -> tuple[list[Argument], list[str]]:
    """The arguments that are still to come, and the words that belong to the next of them already."""
    open_, left = list(entry.args), list(words)
    while left:
        taker = next((a for a in open_ if a.rest or _reads(a, left[0], tools)), None)
        if taker is None or taker.rest:
            return ([] if taker is None else [taker]), left
        open_.remove(taker)
        left.pop(0)
    return open_, left


def _reads(argument: Argument, word: str, tools: Tools) -> bool:
    try:
        argument.read(word, tools)
    except BadArguments:
        return False
    return True
