"""The desk about itself."""

from collections.abc import Iterable
from dataclasses import dataclass

from bot.arguments import CSV, PAGE, Base, Count
from bot.catalogue import COMMANDS, BadArguments, Effect, command, nearest
from bot.reach import Context, Tools
from bot.render.alerts import render_event
from bot.render.health import health_card
from bot.render.system import (
    command_card,
    help_card,
    logs_card,
    undelivered_card,
    undelivered_file,
)
from bot.render.words import RenderContext, card
from bot.surface import Card, Role
from storage.outbox import DeadLetter

_LOGGED = 20
_MOST_LOGGED = 500
_MOST_DEAD = 500


@command(
    "health",
    help="What is armed, degraded or off, since when, and what to do about it",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/health",
)
async def health(context: Context) -> Card:
    size = await context.records.journal_size()
    return health_card(context.desk.status(), size, context.desk.playbook, context.about.zone)


@command(
    "undelivered",
    help="Messages that a chat refused for good, and why",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/undelivered",
    args=(PAGE, CSV),
)
async def undelivered(context: Context, page: int = 1, csv: str = "") -> Card:
    about = context.about
    letters = [(letter, _title(letter, about)) for letter in await context.tools.mail.dead(_MOST_DEAD)]
    if csv:
        return undelivered_file(letters)
    return undelivered_card(letters, page, context.at or context.desk.now(), about.zone)


def _title(letter: DeadLetter, about: RenderContext) -> str:
    """What it would have said; the kind of event where that is said by another card."""
    made = render_event(letter.event, about)
    return type(letter.event).__name__ if made is None else made.title


@command(
    "logs",
    help="The newest lines of this process's log, without any secret",
    role=Role.ADMIN,
    effect=Effect.READS,
    example="/logs 50",
    args=(Count(name="n", help="How many lines; without it 20", most=_MOST_LOGGED),),
    private=True,
)
async def logs(context: Context, n: int = _LOGGED) -> Card:
    return logs_card(context.tools.log.last(n))


# --- help -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandName(Base):
    """A command of the catalogue, or an action of one: "breaker reset"."""

    rest: bool = True

    @property
    def range(self) -> str:
        return "a command, like close"

    def read(self, text: str, tools: Tools) -> str:  # noqa: ARG002
        path = " ".join(text.lower().removeprefix("/").split())
        if path not in COMMANDS:
            close = nearest(path, COMMANDS)
            raise BadArguments(f"no command /{path[:30]}" + (f"; did you mean /{close}?" if close else ""))
        return path

    def suggest(self, typed: str, tools: Tools) -> Iterable[str]:  # noqa: ARG002
        return (path for path in COMMANDS if typed.lower().removeprefix("/") in path)


@command(
    "help",
    help="The commands, or one of them with its arguments",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/help close",
    args=(CommandName(name="command", help="The command to explain"),),
)
async def help_(context: Context, command: str = "") -> Card:
    return command_card(COMMANDS[command], context.role) if command else help_card(COMMANDS, context.role)


@command("version", help="Which Gavel this is", role=Role.VIEWER, effect=Effect.READS, example="/version")
async def version(context: Context) -> Card:
    now = context.desk.status()
    return card(f"Gavel {context.tools.version}", f"{now.mode} on {now.market}, playbook {now.playbook}")
