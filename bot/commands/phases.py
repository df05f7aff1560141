"""Phases: which one is on, what each says, and the way back from a change of settings."""

import re

from bot.catalogue import BadArguments, Context, command
from bot.commands.lookup import one_of
from bot.render.changes import KEPT, change_lines, phase_card
from bot.render.words import card
from bot.surface import Card, Role
from trading.errors import BadPlaybook, Misuse
from trading.messages import AmendPhase, SetPhase, Undo
from trading.playbook import Phase, Playbook

SETTINGS = tuple(name for name in Phase.model_fields if name != "name")
_AS_IN_FILE = frozenset({"", "file", "default"})


@command(
    "phase",
    help="Show the phases or choose one (operators), change what one says (admins); each asks",
    usage="/phase [NAME | auto | set NAME key=value ...]",
    role=Role.VIEWER,
    example="/phase final",
)
async def phase(context: Context, args: str) -> Card:
    now, book = context.desk.status(), context.desk.playbook
    first, _, rest = args.strip().partition(" ")
    if not first:
        return phase_card(book, now.phase, now.version)
    if first.lower() == "set":
        return await _set(context, rest)
    return await _choose(context, args)


async def _choose(context: Context, word: str) -> Card:
    context.need(Role.OPERATOR, "choosing a phase")
    now, book = context.desk.status(), context.desk.playbook
    name = one_of(word, [*(p.name for p in book.phases), "auto"], "phase")
    if context.confirmed:
        done = await context.desk.obey(SetPhase(phase=None if name == "auto" else name, by=context.by))
        return card(f"phase {name}", done)
    chosen = book.phase_named(name)
    lines = (f"Changes: {now.phase} -> {name}", chosen.note if chosen else "By the playbook's own dates")
    return await context.ask(f"/phase {name}", f"set phase {name}?", *lines, "Open positions keep their exits.")


# --- /phase set ---------------------------------------------------------------------------------------------------


def _value(text: str) -> str:
    """ "6 H" -> "6h", "2.5 %" -> "2.5%"; a word for "as in the file" -> ""; else as it was typed."""
    if text.lower() in _AS_IN_FILE:
        return ""
    sized = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd%])", text, re.IGNORECASE)
    return f"{sized[1]}{sized[2].lower()}" if sized else text


def _key_at_end(words: list[str]) -> int:
    """How many words at the end of a stretch name the setting that the next "=" is about: "6h max hold" ends in two."""
    ends = (n for n in range(len(words), 0, -1) if "_".join(words[-n:]).lower().replace("-", "_") in SETTINGS)
    return next(ends, 1)


def settings_in(text: str) -> tuple[tuple[str, str], ...]:
    """ "max_hold=6h max positions = 3" -> (("max_hold", "6h"), ("max_positions", "3")). Raises BadArguments."""
    first, *stretches = [part.split() for part in text.split("=")]
    if not first or not stretches:
        raise BadArguments(f"a setting and its value are needed, like max_hold=6h; known: {', '.join(SETTINGS)}")
    keys, values = ["_".join(first)], []
    for stretch in stretches[:-1]:
        ends = _key_at_end(stretch) if stretch else 0
        keys.append("_".join(stretch[len(stretch) - ends :]))
        values.append(" ".join(stretch[: len(stretch) - ends]))
    values.append(" ".join(stretches[-1]))
    named = [one_of(key, SETTINGS, "setting") for key in keys]
    if len(set(named)) != len(named):
        raise BadArguments("a setting stands twice")
    return tuple(zip(named, map(_value, values), strict=True))


def _phase_and_rest(book: Playbook, text: str) -> tuple[str, str]:
    if not book.phases:
        raise Misuse("the playbook has no phases")
    word, _, rest = text.strip().partition(" ")
    return one_of(word, [p.name for p in book.phases], "phase"), rest


def _typed(name: str, values: tuple[tuple[str, str], ...]) -> str:
    return f"/phase set {name} {' '.join(f'{key}={value}' for key, value in values)}"


async def _set(context: Context, text: str) -> Card:
    context.need(Role.ADMIN, "/phase set")
    now = context.desk.status()
    name, rest = _phase_and_rest(context.desk.playbook, text)
    wanted = AmendPhase(phase=name, values=settings_in(rest), by=context.by)
    changes = _changes(context, wanted)
    kept = (f"{key}: {value} already" for key, value in wanted.values if f"phases.{name}.{key}" not in changes)
    lines = (*change_lines(list(changes.values())), *kept)
    if context.confirmed:
        await context.desk.obey(wanted)
        version = f"Settings version {context.desk.status().version}"
        return card(f"phase {name} changed", *lines, version, "/undo takes it back; it asks first.")
    applies = "It is the phase that is on." if now.phase == name else f"The phase that is on is {now.phase}."
    return await context.ask(
        _typed(name, wanted.values), f"change phase {name}?", *lines, f"{applies} {KEPT}.", _version(now.version)
    )


def _changes(context: Context, wanted: AmendPhase) -> dict[str, tuple[str, str, str]]:
    """By the setting's key. Raises Misuse, about the words that were typed."""
    try:
        return {row[0]: row for row in context.desk.changes(wanted)}
    except BadPlaybook as fault:
        raise BadArguments(str(fault).replace(f"phases.{wanted.phase}.", "")) from fault


def _version(now: int) -> str:
    return f"Settings version {now} -> {now + 1}"


# --- /undo --------------------------------------------------------------------------------------------------------


@command(
    "undo",
    help="Take the last change of settings back (asks)",
    usage="/undo",
    role=Role.ADMIN,
    example="/undo",
)
async def undo(context: Context, args: str) -> Card:
    now = context.desk.status()
    if args and args != f"{now.version}":
        raise Misuse(f"the settings have changed meanwhile, to version {now.version}: type /undo again")
    wanted = Undo(by=context.by, version=now.version)
    lines = change_lines(context.desk.changes(wanted))
    if context.confirmed:
        return card("taken back", await context.desk.obey(wanted), *lines)
    title = "take the last change of settings back?"
    # The version rides along, so that what is taken back is what was shown.
    return await context.ask(f"/undo {now.version}", title, *lines, _version(now.version))
