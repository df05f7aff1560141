"""What a place is told, and how somebody wants to be told it: in words. Pure.

`WISHED` is this file's part of the alerts.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo

from bot.render.words import RenderContext, Renderer, card, clock
from bot.surface import AGAIN, ASK, Button, Card
from trading import events as m

_NAMES = {
    "zone": "time zone",
    "quiet": "quiet hours",
    "min_pnl": "least result told alone",
    "theme": "theme of pictures",
    "pictures": "pictures with closes and digests",
    "pin": "pinned status card",
    "digest": "digest",
}
_HOW = {  # to change it
    "zone": "/timezone",
    "quiet": "/quiet",
    "min_pnl": "/alerts min",
    "theme": "/theme",
    "pictures": "/alerts pictures",
    "pin": "/alerts pin",
    "digest": "/alerts digest",
}
_MODES = ("on", "silent", "digest", "off")
_ALERTS = Button(label="Alerts", data=f"{ASK}/alerts")


def whose(owner: str) -> str:
    """ "person:ann" is told of himself, everywhere he reads alone; a place is told of itself."""
    return "for you, everywhere" if owner.startswith("person:") else f"for everybody in {owner}"


# --- wishes -------------------------------------------------------------------------------------------------------


def wish_card(wish: str, value: str, *, owner: str, help: str, range: str, choices: tuple[str, ...] = ()) -> Card:
    """One wish as it holds, and how to change it."""
    return card(
        f"{_NAMES[wish]}: {value}",
        f"{help}; {whose(owner)}.",
        f"Change it with {_HOW[wish]}: {range}",
        buttons=tuple(Button(label=c.capitalize(), data=f"{AGAIN}{_HOW[wish]} {c}") for c in choices if c != value),
    )


def wished_card(wish: str, before: str, after: str, *lines: str, owner: str) -> Card:
    """One wish that was just changed."""
    same = before == after
    title = f"{_NAMES[wish]}: {after} already" if same else f"{_NAMES[wish]}: {before} -> {after}"
    return card(title, f"It holds {whose(owner)}.", *lines, buttons=(_ALERTS,))


def zone_line(at: datetime, zone: tzinfo) -> str:
    return f"It is {clock(at, zone=zone)} there."


def _wish_changed(event: m.WishChanged, _: RenderContext) -> Card:
    name = _NAMES.get(event.wish, event.wish)
    return card(f"{name}: {event.before} -> {event.after}", f"For {event.owner.removeprefix('person:')}, by {event.by}")


# --- alerts -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How alerts stand in one place."""

    place: str
    active: bool  # it is told at all
    modes: Mapping[str, str]  # kind -> mode
    streams: Mapping[str, str]  # those that go elsewhere, and where
    wishes: Mapping[str, str]


def alerts_card(told: Told, kinds: Mapping[str, str]) -> Card:
    """`kinds`: what each of them says."""
    counts = Counter(told.modes.values())
    title = ", ".join(f"{counts[mode]} {mode}" for mode in _MODES if counts[mode])
    switch = "off" if told.active else "on"
    return card(
        f"alerts here: {title if told.active else 'off'}",
        f"{told.place} is told nothing: /alerts here on changes that." if not told.active else "",
        *(f"{mode.capitalize()}: {_of(told, mode)}" for mode in _MODES if counts[mode]),
        *(f"The stream {stream} goes to {goes_to}" for stream, goes_to in told.streams.items()),
        *(f"{_NAMES[wish].capitalize()}: {value} ({_HOW[wish]})" for wish, value in told.wishes.items()),
        "/alerts KIND on, silent, digest or off changes one of them.",
        detail=(f"{kind}: {what}" for kind, what in kinds.items()),
        buttons=(Button(label=f"All {switch} here", data=f"{ASK}/alerts here {switch}"),),
    )


def _of(told: Told, mode: str) -> str:
    return ", ".join(kind for kind, chosen in told.modes.items() if chosen == mode)


def kind_card(kind: str, mode: str, what: str, *, modes: tuple[str, ...], before: str = "") -> Card:
    """One kind of alert as it is, or, with `before`, as it has just become."""
    changed = f"{before} -> {mode}" if before and before != mode else mode
    others = (Button(label=o.capitalize(), data=f"{AGAIN}/alerts {kind} {o}") for o in modes if o != mode)
    return card(f"alerts here: {kind} {changed}", what, buttons=(*others, _ALERTS))


def place_card(place: str, *, told: bool, news: bool) -> Card:
    """`news`: it was otherwise before."""
    title = f"alerts here: {'on' if told else 'off'}{'' if news else ' already'}"
    what = "What each kind does here: /alerts" if told else "Answers still come. /alerts here on brings alerts back."
    return card(title, f"Place {place}", what, buttons=(_ALERTS,))


def stream_card(stream: str, home: str, before: str, after: str) -> Card:
    """`home`: the destination that it is a stream of."""
    where = "its own chat" if after == home else after
    was = f"Before: {before}" if before != after else "It was so already."
    return card(f"stream {stream} goes to {where}", f"It is a stream of {home}.", was, buttons=(_ALERTS,))


WISHED: dict[type[m.Event], Renderer] = {m.WishChanged: _wish_changed}
