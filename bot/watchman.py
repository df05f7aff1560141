"""Watches the desk from a second process, and tells its chats once when it is gone and once when it is back."""

import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from bot.heartbeat import FILE, Signs, read_signs
from bot.render.standing import gone_card, returned_card, stopped_card, unseen_card
from bot.render.words import RenderContext
from bot.surface import Card, ChatDown, ChatRefused
from trading.ports import Clock

log = logging.getLogger(__name__)

NOTES = "watch"  # the file that remembers what was told
UNSEEN, GONE, ILL, STOPPED = "unseen", "gone", "not well", "stopped"
Tell = Callable[[str, Card, bool], Awaitable[None]]  # destination, card, silent; may raise ChatDown or ChatRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is the matter with the desk."""

    kind: str
    since: datetime
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What was told of a trouble, and to whom: another watch, or the next run of this one, does not tell it again."""

    kind: str
    since: datetime
    told: tuple[str, ...] = ()


def judge(signs: Signs | None, now: datetime, *, older: timedelta, began: datetime) -> Trouble | None:
    """None: the desk is alive. `began`: when this watch did, for a desk that has never given a sign."""
    if signs is None:
        return Trouble(kind=UNSEEN, since=began) if now - began >= older else None
    if now - signs.at > older:
        return Trouble(kind=STOPPED if signs.stopped else GONE, since=signs.at, why=signs.stopped)
    if signs.why and now - signs.well_at > older:
        return Trouble(kind=ILL, since=signs.well_at, why=signs.why)
    return None


class Watchman:
    """`otherwise`: who is told where the desk itself has never said who is."""

    def __init__(
        self, directory: Path, *, wall: Clock, older: timedelta, tell: Tell, otherwise: Sequence[str] = ()
    ) -> None:
        self._signs = directory / FILE
        self._notes = directory / NOTES
        self._wall = wall
        self._older = older
        self._tell = tell
        self._otherwise = tuple(otherwise)
        self._began = wall.now()

    async def look(self, *, once: bool = False) -> Trouble | None:
        """Judge, and tell who does not know yet. `once`: a desk that has never been seen is not waited for."""
        signs, now, notes = read_signs(self._signs), self._wall.now(), self._read()
        older = timedelta() if once and signs is None else self._older
        trouble = judge(signs, now, older=older, began=self._began)
        if trouble is None:
            if notes is not None and signs is not None:
                await self._tell_back(notes, signs, now)
            return None
        if notes is None or notes.kind != trouble.kind:
            notes = Notes(kind=trouble.kind, since=trouble.since)
        await self._tell_trouble(trouble, notes, signs, now)
        return trouble

    async def _tell_trouble(self, trouble: Trouble, notes: Notes, signs: Signs | None, now: datetime) -> None:
        card, silent = _card(trouble, signs, now), trouble.kind == STOPPED
        told = notes.told
        for destination in self._destinations(signs):
            if destination not in told and await self._told(destination, card, silent=silent):
                told = (*told, destination)
        if told != notes.told or not self._notes.exists():
            self._write(replace(notes, told=told))

    async def _tell_back(self, notes: Notes, signs: Signs, now: datetime) -> None:
        card = returned_card(notes.since, now, _about(signs))
        missing = [there for there in notes.told if not await self._told(there, card, silent=notes.kind == STOPPED)]
        if missing:
            self._write(replace(notes, told=tuple(missing)))
        else:
            self._notes.unlink(missing_ok=True)

    async def _told(self, destination: str, card: Card, *, silent: bool) -> bool:
        """False: to be tried again. One that refuses has heard all it will."""
        try:
            await self._tell(destination, card, silent)
        except ChatDown as error:
            log.warning("%s was not told: %s", destination, error)
            return False
        except ChatRefused as error:
            log.warning("%s cannot be told: %s", destination, error)
        return True

    def _destinations(self, signs: Signs | None) -> tuple[str, ...]:
        return (signs.destinations if signs is not None else ()) or self._otherwise

    def _read(self) -> Notes | None:
        try:
            said: dict[str, Any] = orjson.loads(self._notes.read_bytes())
            return Notes(kind=said["kind"], since=datetime.fromisoformat(said["since"]), told=tuple(said["told"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def _write(self, notes: Notes) -> None:
        draft = self._notes.with_name(f"{NOTES}.new")
        try:
            draft.write_bytes(orjson.dumps(asdict(notes)))
            os.replace(draft, self._notes)
        except OSError as error:
            log.warning("what was told is not remembered: %s", error.strerror)


def _about(signs: Signs | None) -> RenderContext:
    return RenderContext(mode=signs.mode if signs is not None else "GAVEL", market="gavel watch")


def _card(trouble: Trouble, signs: Signs | None, now: datetime) -> Card:
    about = _about(signs)
    if signs is None:
        return unseen_card(about)
    held, paper = signs.held, signs.mode == "PAPER"
    if trouble.kind == STOPPED:
        return stopped_card(trouble.since, reason=trouble.why, held=held, paper=paper, about=about)
    return gone_card(trouble.since, now, ill=trouble.kind == ILL, why=trouble.why, held=held, paper=paper, about=about)
