"""Buttons and forms. All that a tap needs stands in the button's own id, so they live across restarts.

The library need not listen to them: it would keep each one in memory. Taps are heard as plain interactions.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import discord
from discord import ui

from bot.surface import Button, Style

_MOST, _ID, _LABEL, _FORM_LABEL, _TYPED = 25, 100, 80, 45, 100  # Discord's limits, but for the last
_STYLES = {
    Style.PLAIN: discord.ButtonStyle.secondary,
    Style.PRIMARY: discord.ButtonStyle.primary,
    Style.SUCCESS: discord.ButtonStyle.success,
    Style.DANGER: discord.ButtonStyle.danger,
}
# "cf:8f3a", or "|Type 4821|cf:8f3a" where a word is asked for, or "2||re:/x" for the second button with this data.
_CUSTOM_ID = re.compile(r"(?s)(?:\d*\|([^|]*)\|)?((?:cf|no|do|re|st):.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    data: str  # of the button; what is no button of ours, as it came
    form: str = ""  # the label of the word that is asked for


def keyboard(buttons: Sequence[Button]) -> ui.View | None:
    if not buttons:
        return None
    view = ui.View(timeout=None)
    for button, custom_id in zip(buttons[:_MOST], _custom_ids(buttons), strict=False):
        label = button.label[:_LABEL] or "-"
        view.add_item(ui.Button(label=label, custom_id=custom_id, style=_STYLES[button.style]))
    view.stop()
    return view


def _custom_ids(buttons: Sequence[Button]) -> Iterator[str]:
    """No two in a message may be the same."""
    seen: set[str] = set()
    for number, button in enumerate(buttons):
        again = button.data in seen
        seen.add(button.data)
        if not again and not button.form:
            yield button.data[:_ID]
            continue
        front = f"{number if again else ''}|"
        room = _ID - len(front) - 1 - len(button.data)
        yield f"{front}{button.form.replace('|', '/')[: max(0, room)]}|{button.data}"[:_ID]


def pressed(custom_id: str) -> Pressed:
    found = _CUSTOM_ID.fullmatch(custom_id)
    return Pressed(data=found[2], form=found[1] or "") if found else Pressed(data=custom_id[:_ID])


def form(about: str, tapped: Pressed) -> ui.Modal:
    """Asks for one word. `about`: its title."""
    modal = ui.Modal(title=about[:_FORM_LABEL] or "-", custom_id=tapped.data, timeout=None)
    field: ui.TextInput[ui.Modal] = ui.TextInput(custom_id="typed", max_length=_TYPED)
    modal.add_item(ui.Label(text=tapped.form[:_FORM_LABEL], component=field))
    modal.stop()
    return modal


def typed(data: Mapping[str, Any]) -> str:
    """What was typed into a form, from the data of an interaction; "" where nothing was."""
    return next((value.strip()[:_TYPED] for value in _values(data)), "")


def _values(shape: object) -> Iterator[str]:
    if isinstance(shape, Mapping):
        if isinstance(value := shape.get("value"), str):
            yield value
        yield from _values(shape.get("component"))
        yield from _values(shape.get("components"))
    elif isinstance(shape, list):
        for inner in shape:
            yield from _values(inner)


def label_of(message: discord.Message | None, custom_id: str) -> str:
    """Of a button under a message."""
    rows = message.components if message else []
    keys = (key for row in rows if isinstance(row, discord.ActionRow) for key in row.children)
    return next((k.label or "" for k in keys if isinstance(k, discord.Button) and k.custom_id == custom_id), "")
