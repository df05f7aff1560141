"""Every setting of the playbook that runs: its value, the file's own, what may stand there, who changed it. Pure."""

import re
from collections.abc import Mapping
from itertools import pairwise

from trading.playbook import Playbook
from trading.policies import OF_SEATS
from trading.schema import range_of
from trading.settings import own, words_of
from trading.state import Amendment, DeskState
from trading.status import SettingLine

LONG_AGO = "not known any more"  # who made a change that is older than those which are kept

_NAMES = re.compile(r"name|title|phases\.[^.]+\.name")
_SEAT = re.compile(r"panel\.([^.]+)\.([^.]+)")
_OF_ONE = {key for keys in OF_SEATS.values() for key in keys}


def setting_lines(*, file: Playbook, playbook: Playbook, state: DeskState) -> tuple[SettingLine, ...]:
    """In the order of the file. `file`: the playbook as it was written; `playbook`: as it runs.

    Left out are names, and what a seat has only because others need it.
    """
    written, running = words_of(file), words_of(playbook)
    changes = _changes(file.name, state)
    return tuple(
        _line(key, value, default=_default(key, written), playbook=playbook, changes=changes)
        for key, value in running.items()
        if not _NAMES.fullmatch(key) and (value != written.get(key) or _means_something(key))
    )


def _line(
    key: str, value: str, *, default: str, playbook: Playbook, changes: Mapping[str, Amendment | None]
) -> SettingLine:
    allowed = range_of(playbook.require(key))
    place = next((k for k in changes if key == k or key.startswith(f"{k}.")), None)  # a whole table may have been set
    if place is None:
        return SettingLine(key=key, value=value, default=default, range=allowed)
    made = changes[place]
    if made is None:
        return SettingLine(key=key, value=value, default=default, range=allowed, changed_by=LONG_AGO)
    return SettingLine(
        key=key,
        value=value,
        default=default,
        range=allowed,
        changed_by=made.by,
        changed_at=made.at,
        version=made.version,
    )


def _default(key: str, written: Mapping[str, str]) -> str:
    """A part that is left out now may be a whole table in the file."""
    there = written.get(key)
    return there if there is not None else "a table" if any(k.startswith(f"{key}.") for k in written) else ""


def _means_something(key: str) -> bool:
    seat = _SEAT.fullmatch(key)
    return seat is None or seat[2] not in _OF_ONE or seat[2] in OF_SEATS.get(seat[1], ())


def _changes(playbook: str, state: DeskState) -> dict[str, Amendment | None]:
    """Who set each override that is in force, the last time. None: that was too many changes ago."""
    found: dict[str, Amendment | None] = dict.fromkeys(own(state.overrides, playbook))
    overrides = [*(made.before for made in state.amendments), state.overrides]
    for made, (before, after) in zip(state.amendments, pairwise(overrides), strict=True):
        for key in found:
            place = f"{playbook}/{key}"
            if before.get(place) != after.get(place):
                found[key] = made
    return found
