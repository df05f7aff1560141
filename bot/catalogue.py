"""The catalogue of commands: name, typed arguments, role, effect. Menus, slash commands, completion, /help and
docs/commands.md are made from it, and the gate reads a typed line by it."""

import difflib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from bot.reach import Tools
from bot.surface import Card, Role


class BadArguments(Exception):
    """The words after a command do not fit its usage; the message says which."""


class Effect(StrEnum):
    """What a command does to the desk, and how it makes sure that it is meant."""

    READS = "changes nothing"
    OWN = "changes what you are told"
    AT_ONCE = "acts at once: it is the safe direction"
    ASKS = "asks first"
    CODE = "asks for a typed code"


class Argument(Protocol):
    """One typed argument. The kinds there are stand in bot/arguments.py."""

    @property
    def name(self) -> str:
        """A Python name: the handler's keyword, and the option's name in a chat that has options."""
        ...

    @property
    def help(self) -> str: ...

    @property
    def required(self) -> bool: ...

    @property
    def rest(self) -> bool:
        """It takes all the words that are left."""
        ...

    @property
    def range(self) -> str:
        """What fits, in words: "1 to 50", "one of today, 7d, 30d, all"."""
        ...

    @property
    def choices(self) -> tuple[str, ...]:
        """All there are, where they never change and are at most 25; otherwise ()."""
        ...

    @property
    def bounds(self) -> tuple[int, int] | None:
        """Of a whole number."""
        ...

    def read(self, text: str, tools: Tools) -> Any:
        """Raises BadArguments where it does not fit."""
        ...

    def suggest(self, typed: str, tools: Tools) -> Iterable[str]:
        """Values that may be meant, the likeliest first."""
        ...


Handler = Callable[..., Awaitable[Card]]  # (context, **arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One command, for every chat."""

    path: str  # "positions", or "breaker reset" for an action of a command
    help: str
    role: Role
    effect: Effect
    example: str
    run: Handler
    args: tuple[Argument, ...] = ()
    private: bool = False  # the answer is for who asked alone, where a chat can do that

    @property
    def name(self) -> str:
        """The command's own first word."""
        return self.path.partition(" ")[0]

    @property
    def usage(self) -> str:
        words = (f"{a.name.upper()}" if a.required else f"[{a.name.upper()}]" for a in self.args)
        return " ".join((f"/{self.path}", *words))


COMMANDS: dict[str, Entry] = {}  # by path; an action stands behind its command


def command(
    path: str,
    *,
    help: str,
    role: Role,
    effect: Effect,
    example: str,
    args: Sequence[Argument] = (),
    private: bool = False,
) -> Callable[[Handler], Handler]:
    """Put an async function into the catalogue. A path can stand in it once, an action only behind its command."""

    def register(run: Handler) -> Handler:
        name, _, action = path.partition(" ")
        if path in COMMANDS or (action and name not in COMMANDS):
            raise ValueError(f"/{path} is in the catalogue already, or is an action of no command")
        COMMANDS[path] = Entry(
            path=path, help=help, role=role, effect=effect, example=example, run=run, args=tuple(args), private=private
        )
        return run

    return register


def nearest(name: str, known: Iterable[str]) -> str | None:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return close[0] if close else None


def actions(name: str, commands: Mapping[str, Entry] = COMMANDS) -> tuple[Entry, ...]:
    """The actions of a command: /breaker has "breaker reset" and "breaker override"."""
    return tuple(entry for path, entry in commands.items() if path.startswith(f"{name} "))


def find(line: str, commands: Mapping[str, Entry] = COMMANDS) -> tuple[Entry | None, str]:
    """What is asked for by "/breaker override alert 30m", and the words that are left: its arguments."""
    name, _, rest = line.removeprefix("/").strip().partition(" ")
    action, _, left = rest.strip().partition(" ")
    inner = commands.get(f"{name.lower()} {action.lower()}") if action else None
    return (inner, left.strip()) if inner else (commands.get(name.lower()), rest.strip())


def read(entry: Entry, text: str, tools: Tools) -> dict[str, Any]:
    """The arguments by name, from the words after a command. Words go to the first argument that they fit; one that is
    left out is not in the answer. Raises BadArguments."""
    words, open_ = text.split(), list(entry.args)
    found: dict[str, Any] = {}
    while words:
        taker = _take(words, open_, found, tools)
        if taker is None:
            raise BadArguments(_too_many(entry, " ".join(words)))
        words = [] if taker.rest else words[1:]
    missing = [a for a in open_ if a.required]
    if missing:
        raise BadArguments(f"which {missing[0].name}? {missing[0].range}".strip())
    return found


def _take(words: list[str], open_: list[Argument], found: dict[str, Any], tools: Tools) -> Argument | None:
    """The first argument that takes what comes next is taken off `open_`. What is required is not passed over."""
    faults = []
    for argument in open_:
        try:
            found[argument.name] = argument.read(" ".join(words) if argument.rest else words[0], tools)
        except BadArguments as fault:
            faults.append(fault)
            if argument.required:
                break
            continue
        open_.remove(argument)
        return argument
    if faults:
        raise faults[0]
    return None


def _too_many(entry: Entry, left: str) -> str:
    inner = [e.path.partition(" ")[2] for e in actions(entry.name)] if " " not in entry.path else []
    if inner and not entry.args:
        close = nearest(left.split()[0].lower(), inner)
        return f"no action {left[:20]!r}; " + (f"did you mean {close}?" if close else f"known: {', '.join(inner)}")
    return f"{left[:30]!r} is too much: {'there are no arguments' if not entry.args else f'usage {entry.usage}'}"


def line(entry: Entry, values: Mapping[str, str]) -> str:
    """What would be typed for it: the way from a chat's named options to the one line that the gate reads."""
    said = (values[a.name] for a in entry.args if values.get(a.name))
    return " ".join((f"/{entry.path}", *said))
