"""The desk about itself in words: its commands, its log, what could not be delivered. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from itertools import groupby

from bot.catalogue import Argument, Effect, Entry, actions
from bot.reach import a_role
from bot.render.paging import carried, csv_file, encoded, page_buttons, page_of, page_words
from bot.render.words import card, clock, counted
from bot.surface import ASK, Button, Card, File, Role
from storage.outbox import DeadLetter

_DEAD_SHOWN = 8
_LOG_SHOWN = 3000  # characters
_GROUPS = {
    Effect.READS: "To read",
    Effect.OWN: "What you are told",
    Effect.AT_ONCE: "At once",
    Effect.ASKS: "After a confirmation",
    Effect.CODE: "After a typed code",
}


# --- help ---------------------------------------------------------------------------------------------------------


def help_card(commands: Mapping[str, Entry], role: Role) -> Card:
    """The commands of a role, by what they do to the desk."""
    order = list(Effect)
    mine = [e for path, e in commands.items() if e.role <= role and " " not in path]
    mine.sort(key=lambda e: order.index(e.effect))
    return card(
        f"{len(mine)} commands for {a_role(role)}",
        *(
            line
            for effect, entries in groupby(mine, key=lambda e: e.effect)
            for line in (f"{_GROUPS[effect]}:", *(f"/{e.path}: {e.help}" for e in entries))
        ),
        "/help COMMAND says more: /help close",
    )


def command_card(entry: Entry, role: Role) -> Card:
    """One command: arguments with their ranges, actions, whom it is for, what it does."""
    yours = "" if role >= entry.role else f"; you are {a_role(role)}"
    inner = actions(entry.name) if " " not in entry.path else ()
    return card(
        f"/{entry.path}",
        f"{entry.help}.",
        f"Usage: {entry.usage}",
        *(argument_line(argument) for argument in entry.args),
        f"Example: {entry.example}",
        f"For {entry.role.name.lower()}s{yours}. It {entry.effect}.",
        *(f"{e.usage}: {e.help}" for e in inner),
        buttons=(Button(label=entry.example, data=f"{ASK}{entry.example}"),) if _harmless(entry, role) else (),
    )


def _harmless(entry: Entry, role: Role) -> bool:
    """Its example may be tapped: it only reads, and fits a button."""
    return entry.effect is Effect.READS and role >= entry.role and carried(f"{ASK}{entry.example}")


def argument_line(argument: Argument) -> str:
    name = argument.name.upper() if argument.required else f"[{argument.name.upper()}]"
    return f"{name}: {argument.help}" + (f" ({argument.range})" if argument.range else "")


# --- the process --------------------------------------------------------------------------------------------------


def logs_card(lines: Sequence[str]) -> Card:
    """The newest at the end. What is too long for a card comes whole as a file."""
    if not lines:
        return card("the log is empty")
    shown = _newest(lines)
    cut = len(shown) < len(lines)
    whole = File(name="gavel.log", content=encoded("\n".join(lines) + "\n")) if cut else None
    return card(
        f"log: the last {counted(len(lines), 'line')}" if len(lines) > 1 else "log: the last line",
        f"Here the newest {len(shown)}, all of them in the file" if cut else "",
        *shown,
        file=whole,
    )


def _newest(lines: Sequence[str]) -> list[str]:
    """As many of the last lines as a card holds, at least one."""
    shown: list[str] = []
    room = _LOG_SHOWN
    for line in reversed(lines):
        room -= len(line) + 1
        if room < 0 and shown:
            break
        shown.insert(0, line[:_LOG_SHOWN])
    return shown


Letters = Sequence[tuple[DeadLetter, str]]  # with what it says


def undelivered_card(letters: Letters, page: int, at: datetime, zone: tzinfo) -> Card:
    """Messages that a destination refused for good, newest first."""
    if not letters:
        return card("every message was delivered, or still waits")
    shown, page, pages = page_of(letters, page, _DEAD_SHOWN)
    lines = (
        line
        for letter, said in shown
        for line in (
            f"{clock(letter.queued_at, today=at, zone=zone)} to {letter.destination}: {said}",
            f"- {letter.error or 'refused without a reason'}",
        )
    )
    return card(
        f"{counted(len(letters), 'message')} refused for good",
        *lines,
        page_words(page, pages),
        "They are not sent again. A bot that was blocked has to be let in again by whoever blocked it.",
        buttons=(*page_buttons("/undelivered", page, pages), Button(label="Health", data=f"{ASK}/health")),
    )


def undelivered_file(letters: Letters) -> Card:
    rows = ((letter.queued_at, letter.destination, said, letter.error) for letter, said in letters)
    made = csv_file("undelivered.csv", ("queued", "destination", "message", "why"), rows)
    return card(f"{counted(len(letters), 'message')} refused for good", file=made)
