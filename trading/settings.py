"""The settings a desk runs on: a playbook's file, and what people have changed of it in the chat. Pure.

Overrides belong to the playbook they were made for and stay with it: `DeskState.overrides` keeps them under
"playbook/dotted.key". Another playbook runs without them; who comes back to the first finds it as he left it, and sees
so before he confirms. A phase chosen by hand goes on where the other playbook has one of that name, else it ends.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from trading.errors import BadPlaybook, Misuse
from trading.events import Event, PhaseChanged, PlaybookChanged, SettingsChanged
from trading.messages import Amend, AmendPhase, Undo, UsePlaybook
from trading.playbook import Phase, Playbook, span_text
from trading.state import Amendment, DeskState

UNDOABLE = 50  # changes that can be taken back
BY_DATES = "the playbook's dates"

Row = tuple[str, str, str]  # setting, before, after
Load = Callable[[str], Playbook]
Alter = Amend | AmendPhase | Undo | UsePlaybook


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of settings worked out, not yet made."""

    what: str  # "phase final: max_hold 12h -> 6h"
    file: Playbook  # whose overrides are in force from then on
    playbook: Playbook  # with them
    overrides: dict[str, str]  # of all playbooks
    phase: str | None  # set by hand
    rows: tuple[Row, ...]
    dropped: tuple[str, ...] = ()  # overrides that do not fit their playbook's file any more
    undoes: Amendment | None = None


def work_out(command: Alter, *, state: DeskState, file: Playbook, running: Playbook, load: Load) -> Change:
    """`file`: the running playbook without its overrides. Raises Misuse with the reason when it cannot be."""
    match command:
        case Amend():
            return _amend(command, state, file=file, running=running)
        case AmendPhase():
            require_phase(command.phase, running)
            values = tuple((f"phases.{command.phase}.{key}", text) for key, text in command.values)
            return _amend(Amend(values=values, by=command.by), state, file=file, running=running)
        case Undo():
            return _undo(command, state, file=file, running=running, load=load)
        case UsePlaybook():
            return _use(command, state, running=running, load=load)


def _amend(command: Amend, state: DeskState, *, file: Playbook, running: Playbook) -> Change:
    if not command.values:
        raise Misuse("Which setting?")
    overrides = dict(state.overrides)
    for key, text in command.values:
        _require_changeable(key, file)
        place = f"{file.name}/{key}"
        # What was set within it goes with it.
        overrides = {k: v for k, v in overrides.items() if k != place and not k.startswith(f"{place}.")}
        if text.strip():
            overrides[place] = text.strip()
    playbook = file.amended(own(overrides, file.name))
    rows = differences(running, playbook)
    if not rows:
        raise Misuse("That is how it is already.")
    return Change(what=_words(rows), file=file, playbook=playbook, overrides=overrides, phase=state.phase, rows=rows)


def _require_changeable(key: str, file: Playbook) -> None:
    """Raises Misuse; an unknown key with the nearest that there is."""
    if key in ("name", "title"):
        raise Misuse("A playbook keeps its name.")
    if re.fullmatch(r"phases\.[^.]+\.name", key):
        raise Misuse("A phase keeps its name.")
    file.require(key)


def _words(rows: Sequence[Row]) -> str:
    """ "judge.min_confidence 0.6 -> 0.7"; where all are of one phase "phase final: max_hold 12h -> 6h"."""
    phases = {name.rpartition(".")[0] for name, _, _ in rows}
    (place,) = phases if len(phases) == 1 else ("",)
    of_phase = re.fullmatch(r"phases\.([^.]+)", place)
    cut = f"{place}." if of_phase else ""
    changed = ", ".join(f"{name.removeprefix(cut)} {before or '-'} -> {after or '-'}" for name, before, after in rows)
    return f"phase {of_phase[1]}: {changed}" if of_phase else changed


def _undo(command: Undo, state: DeskState, *, file: Playbook, running: Playbook, load: Load) -> Change:
    if command.version not in (None, state.version):
        raise Misuse(f"The settings have changed meanwhile, to version {state.version}.")
    if not state.amendments:
        raise Misuse("There is nothing to undo.")
    last = state.amendments[-1]
    if last.playbook != file.name:
        file = load(last.playbook)
    fit = fitting(file, last.before)
    return Change(
        what=f"undone: {last.what}",
        file=file,
        playbook=fit.playbook,
        overrides=fit.overrides,
        phase=last.phase,
        rows=_rows(running, fit.playbook, state.phase, last.phase),
        dropped=fit.dropped,
        undoes=last,
    )


def _use(command: UsePlaybook, state: DeskState, *, running: Playbook, load: Load) -> Change:
    file = load(command.name)
    fit = fitting(file, state.overrides)
    phase = state.phase if state.phase and fit.playbook.phase_named(state.phase) else None
    rows = _rows(running, fit.playbook, state.phase, phase)
    if not rows:
        raise Misuse(f"{running.name} is running already.")
    again = file.name == running.name
    return Change(
        what=f"playbook {file.name} as its file is now" if again else f"playbook {running.name} -> {file.name}",
        file=file,
        playbook=fit.playbook,
        overrides=fit.overrides,
        phase=phase,
        rows=rows,
        dropped=fit.dropped,
    )


def require_phase(name: str, playbook: Playbook) -> None:
    """Raises Misuse, and names those that there are."""
    names = [p.name for p in playbook.phases]
    if name not in names:
        raise Misuse(f"There is no phase {name!r}; known: {', '.join(names) or 'none'}.")


# --- overrides --------------------------------------------------------------------------------------------------------


def own(overrides: Mapping[str, str], playbook: str) -> dict[str, str]:
    """Those of one playbook, by their keys in its file."""
    mine = f"{playbook}/"
    return {key.removeprefix(mine): text for key, text in overrides.items() if key.startswith(mine)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    playbook: Playbook
    overrides: dict[str, str]  # of all playbooks
    dropped: tuple[str, ...]


def fitting(file: Playbook, overrides: Mapping[str, str]) -> Fit:
    """A playbook with those of its overrides that still fit: its file may have changed since they were made."""
    mine = own(overrides, file.name)
    kept = mine if _fits(file, mine) else _one_by_one(file, mine)
    dropped = tuple(key for key in mine if key not in kept)
    rest = {key: text for key, text in overrides.items() if key not in {f"{file.name}/{d}" for d in dropped}}
    return Fit(playbook=file.amended(kept), overrides=rest, dropped=dropped)


def _fits(file: Playbook, overrides: Mapping[str, str]) -> bool:
    try:
        file.amended(overrides)
    except BadPlaybook:
        return False
    return True


def _one_by_one(file: Playbook, overrides: Mapping[str, str]) -> dict[str, str]:
    """One that is of no use without another goes where that one goes."""
    kept: dict[str, str] = {}
    for key, text in overrides.items():
        if _fits(file, {**kept, key: text}):
            kept[key] = text
    return kept


# --- making a change --------------------------------------------------------------------------------------------------


def amendment(state: DeskState, *, what: str, at: datetime, by: str) -> dict[str, Any]:
    """What a change of settings makes of the desk's state, so that it can be undone: a new version, and the old one."""
    version = state.version + 1
    made = Amendment(
        version=version, at=at, by=by, what=what, playbook=state.playbook, phase=state.phase, before=state.overrides
    )
    return {"version": version, "amendments": (*state.amendments, made)[-UNDOABLE:]}


def state_after(change: Change, state: DeskState, *, at: datetime, by: str) -> dict[str, Any]:
    """The fields of the desk's state that a change sets."""
    changed = {"playbook": change.playbook.name, "overrides": change.overrides, "phase": change.phase}
    if change.undoes:
        return {**changed, "version": state.version + 1, "amendments": state.amendments[:-1]}
    return {**changed, **amendment(state, what=change.what, at=at, by=by)}


def told_of(change: Change, state: DeskState, *, at: datetime, by: str, kept: tuple[str, ...]) -> list[Event]:
    """What is told of it. `kept`: open positions."""
    found: list[Event] = []
    rows, text = change.rows, change.playbook.text
    if change.playbook.name != state.playbook:
        found.append(
            PlaybookChanged(at=at, by=by, before=state.playbook, after=change.playbook.name, kept=kept, settings=text)
        )
        rows = (("playbook", state.playbook, change.playbook.name),)
        if change.undoes is None:
            return found
    undone = change.undoes.version if change.undoes else None
    version = state.version + 1
    return [*found, SettingsChanged(at=at, by=by, version=version, changes=rows, undone=undone, settings=text)]


def found_at_start(
    fit: Fit, state: DeskState, *, at: datetime, kept: tuple[str, ...]
) -> tuple[list[Event], dict[str, Any]]:
    """What is not as the last process left it: what is told of it, and the fields of the desk's state it sets."""
    playbook = fit.playbook
    changed: dict[str, Any] = {"playbook": playbook.name, "overrides": fit.overrides}
    events: list[Event] = []
    if state.playbook != playbook.name:
        by, before = "the start", state.playbook
        events.append(PlaybookChanged(at=at, by=by, before=before, after=playbook.name, kept=kept))
        changed |= amendment(state, what=f"playbook {before} -> {playbook.name}", at=at, by=by)
    if fit.dropped:
        rows = tuple((key, state.overrides[f"{playbook.name}/{key}"], "gone") for key in fit.dropped)
        changed["version"] = state.version + 1
        events.append(SettingsChanged(at=at, by="the playbook's file", version=changed["version"], changes=rows))
    changed["phase"] = state.phase if state.phase and playbook.phase_named(state.phase) else None
    return [*events, *_phase_since(playbook, state, chosen=changed["phase"], at=at)], changed


def _phase_since(playbook: Playbook, state: DeskState, *, chosen: str | None, at: datetime) -> list[Event]:
    """That another phase is on than when the last process ended: its date came, or the file has it no more."""
    lived = state.market_at if state.playbook == playbook.name else None
    before, after = state.phase or phase_name(playbook, None, lived or at), phase_name(playbook, chosen, at)
    by = "the start" if state.phase else BY_DATES
    return [PhaseChanged(at=at, by=by, before=before, after=after)] if before != after else []


def phase_on(playbook: Playbook, chosen: str | None, at: datetime) -> Phase | None:
    """Chosen by hand, or by the playbook's dates; None: the base settings."""
    return playbook.phase_named(chosen) if chosen else playbook.phase_at(at)


def phase_name(playbook: Playbook, chosen: str | None, at: datetime) -> str:
    phase = phase_on(playbook, chosen, at)
    return phase.name if phase else "base"


# --- differences ------------------------------------------------------------------------------------------------------

_BASE = {"take_profit": "exits", "stop_loss": "exits", "max_hold": "exits", "max_positions": "limits"}
NONE = ""  # not set


def differences(before: Playbook, after: Playbook) -> tuple[Row, ...]:
    """Each setting that is not the same, with its values as a file writes them."""
    old, new = words_of(before), words_of(after)
    names = list(dict.fromkeys((*old, *new)))
    rows = ((name, old.get(name, NONE), new.get(name, NONE)) for name in names if name != "title")
    return tuple(("playbook" if n == "name" else n, a, b) for n, a, b in rows if a != b)


def _rows(before: Playbook, after: Playbook, old: str | None, new: str | None) -> tuple[Row, ...]:
    """Likewise, with the phase that was set by hand."""
    by_hand = (("phase", old or "by its dates", new or "by its dates"),) if old != new else ()
    return (*differences(before, after), *by_hand)


def words_of(playbook: Playbook) -> dict[str, str]:
    """Dotted key -> words. What a phase leaves out is the base's."""
    words = dict(_flat("", playbook.model_dump()))
    for phase in playbook.phases:
        for key, part in _BASE.items():
            if getattr(phase, key) is None:
                words[f"phases.{phase.name}.{key}"] = f"{words[f'{part}.{key}']} (base)"
    return words


def _flat(place: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [row for key, inner in value.items() for row in _flat(f"{place}.{key}" if place else str(key), inner)]
    if isinstance(value, Sequence) and not isinstance(value, str):
        if value and all(isinstance(item, Mapping) for item in value):
            parts = [(item.get("name", str(n)), item) for n, item in enumerate(value, start=1)]
            return [row for name, item in parts for row in _flat(f"{place}.{name}", item)]
        return [(place, ", ".join(_word(item) for item in value) or NONE)]
    return [(place, _word(value))]


def _word(value: Any) -> str:
    match value:
        case None:
            return NONE
        case bool():
            return "yes" if value else "no"
        case Decimal():
            return f"{value.normalize():f}"
        case timedelta():
            return span_text(value)
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}Z"
        case _:
            return str(value)
