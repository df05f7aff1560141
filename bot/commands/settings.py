"""The settings of the running playbook: all of them, one changed, a change taken back, the file read again."""

import asyncio

from bot.arguments import CHANGED, CSV, PAGE, Count, SettingFilter, SettingKey, SettingValue
from bot.catalogue import BadArguments, Effect, command
from bot.commands.playbooks import SHOWN, shortened
from bot.reach import Context, Shelf
from bot.render.changes import change_lines, kept_line
from bot.render.settings import set_lines, settings_card, settings_file
from bot.render.words import card
from bot.surface import Button, Card, Role
from trading.errors import BadPlaybook, Misuse
from trading.messages import Amend, Undo, UsePlaybook
from trading.status import SettingLine

_UNDO = Button(label="Undo", data="do:/undo")
_FILE = "file"  # the word for the value that the playbook's file has


@command(
    "settings",
    help="Every setting: value, the file's own, range, who changed it when",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/settings judge",
    args=(SettingFilter(name="filter", help="A part of the key, or changed; without it all"), PAGE, CSV),
)
async def settings(context: Context, filter: str = "", page: int = 1, csv: str = "") -> Card:
    name = context.desk.playbook.name
    lines = [line for line in context.desk.settings() if _fits(line, filter)]
    if csv:
        return settings_file(lines, playbook=name)
    today, zone = context.desk.now(), context.about.zone
    return settings_card(lines, playbook=name, wanted=filter, page=page, today=today, zone=zone)


def _fits(line: SettingLine, wanted: str) -> bool:
    return bool(line.changed_by) if wanted == CHANGED else wanted in line.key


# --- changing -------------------------------------------------------------------------------------------------------


@command(
    "set",
    help="Change a setting, shown as a difference first; it survives a restart",
    role=Role.ADMIN,
    effect=Effect.ASKS,
    example="/set judge.min_confidence 0.65",
    args=(
        SettingKey(name="key", help="The setting, see /settings", required=True),
        SettingValue(name="value", help="What it is to be; file: as the playbook's file has it", required=True),
    ),
)
async def set_(context: Context, key: str, value: str) -> Card:
    now = context.desk.status()
    wanted = Amend(values=((key, value),), by=context.by)
    lines = change_lines(_changes(context, wanted))
    if context.confirmed:
        done = await context.desk.obey(wanted)
        version = f"Settings version {context.desk.status().version}"
        undo = "/undo takes it back; it asks first."
        return card(f"{key} changed", *lines, version, undo, detail=(done,), buttons=(_UNDO,))
    line = next((s for s in context.desk.settings() if s.key == key), None)
    return await context.ask(
        f"/set {key} {value or _FILE}",
        f"set {key}?",
        *lines,
        *set_lines(line, key, now.phase, (p.position.id for p in now.positions)),
        _version(now.version),
    )


def _changes(context: Context, wanted: Amend) -> tuple[tuple[str, str, str], ...]:
    """Raises BadArguments, about the words that were typed."""
    try:
        return context.desk.changes(wanted)
    except BadPlaybook as fault:
        raise BadArguments(str(fault)) from fault


def _version(now: int) -> str:
    return f"Settings version {now} -> {now + 1}"


@command(
    "undo",
    help="Take the last change of settings back",
    role=Role.ADMIN,
    effect=Effect.ASKS,
    example="/undo",
    args=(Count(name="version", help="The settings version that is meant; without it the last", least=0, most=10**9),),
)
async def undo(context: Context, version: int | None = None) -> Card:
    now = context.desk.status()
    if version not in (None, now.version):
        raise Misuse(f"the settings have changed meanwhile, to version {now.version}: type /undo again")
    wanted = Undo(by=context.by, version=now.version)
    lines = change_lines(context.desk.changes(wanted))
    if context.confirmed:
        return card("undone", await context.desk.obey(wanted), *lines)
    title = "undo the last change of settings?"
    # The version rides along, so that what is taken back is what was shown.
    return await context.ask(f"/undo {now.version}", title, *lines, _version(now.version))


# --- reading the files again ------------------------------------------------------------------------------------------


@command(
    "reload",
    help="Read the playbook files again, shown as a difference first",
    role=Role.ADMIN,
    effect=Effect.ASKS,
    example="/reload",
)
async def reload(context: Context) -> Card:
    now, name = context.desk.status(), context.desk.playbook.name
    faults = await asyncio.to_thread(_faults, context.library)
    if name in faults:
        raise Misuse(f"nothing is changed: the running playbook's file has a fault: {faults[name]}")
    read = len(context.library.names()) - len(faults)
    others = (
        f"Read: {read} playbooks. One that runs in shadow goes on as it was; /shadow remove and add reads it again.",
        *(f"Not read, faulty: {other}: {fault}" for other, fault in faults.items()),
    )
    wanted = UsePlaybook(name=name, by=context.by)
    try:
        lines = change_lines(context.desk.changes(wanted))
    except Misuse:
        return card(f"{name} is as its file says", "Nothing to change.", *others)
    if context.confirmed:
        return card(f"{name} read again", await context.desk.obey(wanted), *others, detail=lines, buttons=(_UNDO,))
    return await context.ask(
        "/reload",
        f"read {name} again?",
        *shortened(lines),
        kept_line(p.position.id for p in now.positions),
        *others,
        _version(now.version),
        detail=lines[SHOWN:],
    )


def _faults(library: Shelf) -> dict[str, str]:
    """By name, in one line each."""
    found = {}
    for name in library.names():
        try:
            library.load(name)
        except BadPlaybook as fault:
            found[name] = " ".join(str(fault).split())
    return found
