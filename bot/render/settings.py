"""Settings in words: what each is, may be and was, who changed it when, and what a change touches. Pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo

from bot.render.changes import KEPT, range_words, value_words
from bot.render.paging import csv_file, page_buttons, page_of, page_words
from bot.render.words import card, clock, counted
from bot.surface import Button, Card
from trading.status import SettingLine

_SHOWN = 10
_HEAD = ("key", "value", "file", "range", "source", "changed by", "changed at", "version")


def _source(line: SettingLine) -> str:
    return "chat" if line.changed_by else "file"


def _setting(line: SettingLine, today: datetime, zone: tzinfo) -> str:
    """judge.min_confidence: 0.65 (file 0.6; a number above 0 and up to 1), by Ana (telegram:7) 14:05 UTC."""
    value = value_words(line.key, line.value)
    said = [f"file {value_words(line.key, line.default)}"] if line.value != line.default else []
    said += [range_words(line.key, line.range)] if line.range else []
    about = f" ({'; '.join(said)})" if said else ""
    return f"{line.key}: {value}{about}" + _changed(line, today, zone)


def _changed(line: SettingLine, today: datetime, zone: tzinfo) -> str:
    if not line.changed_by:
        return ""
    at = "" if line.changed_at is None else f" {clock(line.changed_at, today=today, zone=zone)}"
    return f", by {line.changed_by}{at}"


def settings_card(
    lines: Sequence[SettingLine], *, playbook: str, wanted: str, page: int, today: datetime, zone: tzinfo = UTC
) -> Card:
    """A page of those that were asked for. `wanted`: the filter, "" for none."""
    if not lines:
        none = "nothing has been changed in the chat: the file's values hold"
        return card(f"settings of {playbook}: none {wanted}".rstrip(), none)
    shown, page, pages = page_of(lines, page, _SHOWN)
    line = f"/settings {wanted}".rstrip()
    changed = Button(label="Changed", data="do:/settings changed")
    return card(
        f"{counted(len(lines), 'setting')} of {playbook}{f': {wanted}' if wanted else ''}",
        *(_setting(each, today, zone) for each in shown),
        page_words(page, pages),
        "Change one with /set KEY VALUE; /undo takes the last change back",
        buttons=(*page_buttons(line, page, pages), *((changed,) if not wanted else ())),
    )


def settings_file(lines: Iterable[SettingLine], *, playbook: str) -> Card:
    every = tuple(lines)
    rows = ((s.key, s.value, s.default, s.range, _source(s), s.changed_by, s.changed_at, s.version) for s in every)
    return card(f"{counted(len(every), 'setting')} of {playbook}", file=csv_file("settings.csv", _HEAD, rows))


# --- /set ---------------------------------------------------------------------------------------------------------

_TOUCHES = {
    "panel": "every decision from the next look on",
    "judge": "every decision from the next look on",
    "regime": "every entry from the next look on",
    "sizing": "every entry from now on",
    "expectancy": "every entry from now on",
    "limits": "every entry from now on",
    "portfolio": "every entry from now on",
    "exits": "positions that are opened from now on",
    "schedule": "when the desk looks, from the next look on",
    "breaker": "the circuit breaker, at once",
    "health": "the strategy monitor, from its next look on",
    "universe": "which pairs are looked at, from the next look on",
    "tier1": "which personas speak about a pair, from the next look on",
}


def touches(key: str, phase: str) -> str:
    """Whom a change of a setting is for. `phase`: the one that is on."""
    part, _, rest = key.partition(".")
    if part == "phases":
        name = rest.partition(".")[0]
        on = "the phase that is on" if name == phase else f"not on now, that is {phase}"
        return f"It is for phase {name} ({on})."
    return f"It is for {_TOUCHES.get(part, 'this playbook')}."


def set_lines(line: SettingLine | None, key: str, phase: str, held: Iterable[str]) -> tuple[str, ...]:
    """Range, the file's own value, who is affected. `held`: ids of open positions."""
    open_now = ", ".join(held)
    return (
        f"Range: {range_words(key, line.range)}" if line and line.range else "",
        f"In the file: {value_words(key, line.default)}" if line else "",
        touches(key, phase),
        f"{KEPT}: {open_now}" if open_now else "",
        "Shadow desks keep what their own files say.",
    )
