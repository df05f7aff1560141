"""Which event goes to which chat and to which of its streams, on which lane, how loudly, alone or in the digest."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Protocol

from bot.kinds import (
    DEFAULTS,
    DIGEST,
    KINDS,
    LANE_OF,
    MODES,
    OFF,
    ON,
    REQUIRED,
    SILENT,
    STREAM_OF,
    STREAMS,
    kind_of,
    thread_of,
)
from storage.mail import Lane, Route
from trading import events as m
from trading.model import ZERO

__all__ = [
    "DEFAULTS",
    "DIGEST",
    "KINDS",
    "MODES",
    "OFF",
    "ON",
    "REQUIRED",
    "SILENT",
    "STREAMS",
    "STREAM_OF",
    "Routing",
    "kind_of",
    "thread_of",
]


class Wishes(Protocol):
    def min_pnl(self, owner: str) -> Decimal:
        """The least result, won or lost, that a closed trade is told alone for."""
        ...


class NoWishes:
    def min_pnl(self, owner: str) -> Decimal:  # noqa: ARG002
        return ZERO


class Routing:
    """event -> routes. `preferences` are (destination, kind) -> mode and `streams` (destination, stream) -> the place
    it goes to, as the database has them. `owner`: whose wishes hold at a destination."""

    def __init__(
        self,
        destinations: Iterable[str],
        preferences: Mapping[tuple[str, str], str] | None = None,
        *,
        streams: Mapping[tuple[str, str], str] | None = None,
        wishes: Wishes | None = None,
        owner: Callable[[str], str] = str,
    ) -> None:
        self._destinations = dict.fromkeys(destinations)
        self._preferences = dict(preferences or {})
        self._streams = dict(streams or {})
        self._wishes = wishes or NoWishes()
        self._owner = owner

    def __call__(self, event: m.Event) -> list[Route]:
        """At most one route to a place: where several of a chat's streams, or of its neighbours', meet, the loudest."""
        kind = kind_of(event)
        if kind is None:
            return []
        found: dict[str, Route] = {}
        for destination in self._destinations:
            mode = self._mode_of(event, destination, kind)
            if mode != OFF:
                route = self._route(event, destination, kind, mode)
                found[route.destination] = min(found.get(route.destination, route), route, key=_loudness)
        return list(found.values())

    def _mode_of(self, event: m.Event, destination: str, kind: str) -> str:
        mode = self.mode(destination, kind)
        if isinstance(event, m.TradeClosed) and mode in (ON, SILENT):
            least = self._wishes.min_pnl(self._owner(destination))
            return DIGEST if abs(event.trade.net) < least else mode
        return mode

    def _route(self, event: m.Event, destination: str, kind: str, mode: str) -> Route:
        return Route(
            destination=self._streams.get((destination, STREAM_OF[kind]), destination),
            lane=LANE_OF.get(kind, Lane.DIGEST),
            silent=mode == SILENT,
            thread=thread_of(event),
            bundle="digest" if mode == DIGEST else "",
            critical=kind in REQUIRED,
        )

    # --- what each chat prefers -----------------------------------------------------------------------------------

    def mode(self, destination: str, kind: str) -> str:
        """What the chat chose, or the default. A kind that is required is told at once in one place at least."""
        chosen = self._preferences.get((destination, kind), DEFAULTS.get(kind, ON))
        return chosen if chosen in MODES and self._may(destination, kind, chosen) else ON

    def _may(self, destination: str, kind: str, mode: str) -> bool:
        """What is required may be off where the same person is told in another place: it comes here too when that one
        does not take it."""
        if kind not in REQUIRED or mode in (ON, SILENT):
            return True
        mine = (d for d in self._destinations if d != destination and self._owner(d) == self._owner(destination))
        return mode == OFF and any(self._preferences.get((d, kind), ON) in (ON, SILENT) for d in mine)

    def modes(self, destination: str) -> dict[str, str]:
        return {kind: self.mode(destination, kind) for kind in KINDS}

    def change(self, destination: str, kind: str, mode: str) -> str:
        """Returns the mode before. Raises ValueError for a kind, mode or pair of them that cannot be."""
        if kind not in KINDS or mode not in MODES or not self._may(destination, kind, mode):
            raise ValueError(f"alerts of kind {kind!r} cannot be {mode!r}")
        before = self.mode(destination, kind)
        self._preferences[destination, kind] = mode
        return before

    # --- where it is told -----------------------------------------------------------------------------------------

    @property
    def destinations(self) -> tuple[str, ...]:
        """Those that are told anything."""
        return tuple(self._destinations)

    def add(self, destination: str) -> bool:
        """False: it was one already."""
        new = destination not in self._destinations
        self._destinations[destination] = None
        return new

    def remove(self, destination: str) -> bool:
        """False: it was none. What is queued for it already is still told."""
        known = destination in self._destinations
        self._destinations.pop(destination, None)
        return known

    def streams(self, destination: str) -> dict[str, str]:
        """Where each of its streams goes: the destination itself, unless it was set otherwise."""
        return {stream: self._streams.get((destination, stream), destination) for stream in STREAMS}

    def set_stream(self, destination: str, stream: str, goes_to: str) -> str:
        """`goes_to` "": back to the destination itself. Returns where it went before. Raises ValueError."""
        if stream not in STREAMS:
            raise ValueError(f"there is no stream {stream!r}")
        before = self.streams(destination)[stream]
        if goes_to in ("", destination):
            self._streams.pop((destination, stream), None)
        else:
            self._streams[destination, stream] = goes_to
        return before

    def home(self, place: str) -> str:
        """The destination whose stream is told in a place."""
        if place in self._destinations:
            return place
        return next((home for (home, _), goes_to in self._streams.items() if goes_to == place), place)

    def owner_of(self, place: str) -> str:
        """Whose wishes hold in a place where alerts are told."""
        return self._owner(self.home(place))


def _loudness(route: Route) -> tuple[bool, bool]:
    return route.bundle != "", route.silent
