"""Phases: which one is on, what each says, choosing one, and changing what one says."""

from bot.arguments import PhaseName, Words, one_of, setting_value
from bot.catalogue import BadArguments, Effect, command
from bot.reach import Context
from bot.render.changes import KEPT, change_lines, one_phase_card, phase_card
from bot.render.words import card
from bot.surface import Card, Role
from trading.errors import BadPlaybook
from trading.messages import AmendPhase, SetPhase
from trading.playbook import Phase

SETTINGS = tuple(name for name in Phase.model_fields if name != "name")


@command(
    "phase",
    help="The phases: which one is on, what each says. With a name, operators are asked whether to choose it",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/phase",
    args=(PhaseName(name="phase", help="One of them; without it all"),),
)
async def phase(context: Context, phase: str = "") -> Card:
    now, book, zone = context.desk.status(), context.desk.playbook, context.about.zone
    chosen = book.phase_named(phase)
    if phase not in ("", now.phase) and context.role >= Role.OPERATOR:
        return await use(context, phase)
    if chosen is not None:
        return one_phase_card(chosen, on=now.phase == chosen.name, zone=zone)
    return phase_card(book, now.phase, now.version, zone)


@command(
    "phase use",
    help="Choose a phase by hand, or go back to the playbook's dates",
    role=Role.OPERATOR,
    effect=Effect.ASKS,
    example="/phase use auto",
    args=(PhaseName(name="phase", help="The phase; auto: by the playbook's dates", required=True),),
)
async def use(context: Context, phase: str) -> Card:
    now, book = context.desk.status(), context.desk.playbook
    if context.confirmed:
        done = await context.desk.obey(SetPhase(phase=None if phase == "auto" else phase, by=context.by))
        return card(f"phase {phase}", done)
    chosen = book.phase_named(phase)
    lines = (f"Changes: {now.phase} -> {phase}", chosen.note if chosen else "By the playbook's own dates")
    return await context.ask(f"/phase use {phase}", f"set phase {phase}?", *lines, "Open positions keep their exits.")


# --- /phase set ---------------------------------------------------------------------------------------------------


@command(
    "phase set",
    help="Change what a phase says, shown as a difference first",
    role=Role.ADMIN,
    effect=Effect.ASKS,
    example="/phase set final max_hold=6h max_positions=3",
    args=(
        PhaseName(name="phase", help="The phase to change", required=True, auto=False),
        Words(name="changes", help=f"setting=value ...; the settings: {', '.join(SETTINGS)}", required=True, most=400),
    ),
)
async def set_(context: Context, phase: str, changes: str) -> Card:
    now = context.desk.status()
    wanted = AmendPhase(phase=phase, values=settings_in(changes), by=context.by)
    rows = _changes(context, wanted)
    kept = (f"{key}: {value} already" for key, value in wanted.values if f"phases.{phase}.{key}" not in rows)
    lines = (*change_lines(list(rows.values())), *kept)
    if context.confirmed:
        await context.desk.obey(wanted)
        version = f"Settings version {context.desk.status().version}"
        return card(f"phase {phase} changed", *lines, version, "/undo takes it back; it asks first.")
    applies = "It is the phase that is on." if now.phase == phase else f"The phase that is on is {now.phase}."
    return await context.ask(
        f"/phase set {phase} {' '.join(f'{key}={value}' for key, value in wanted.values)}",
        f"change phase {phase}?",
        *lines,
        f"{applies} {KEPT}.",
        f"Settings version {now.version} -> {now.version + 1}",
    )


def _changes(context: Context, wanted: AmendPhase) -> dict[str, tuple[str, str, str]]:
    """By the setting's key. Raises BadArguments, about the words that were typed."""
    try:
        return {row[0]: row for row in context.desk.changes(wanted)}
    except BadPlaybook as fault:
        raise BadArguments(str(fault).replace(f"phases.{wanted.phase}.", "")) from fault


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
    return tuple(zip(named, map(setting_value, values), strict=True))
