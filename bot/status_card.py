"""A status card pinned in each chat that wants one: edited while the desk lives, so that its age is the heartbeat."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from bot.surface import Card, Chat, ChatDown, ChatRefused
from storage.pins import Pin
from trading.errors import GavelError
from trading.ports import Clock

log = logging.getLogger(__name__)

_REFUSED_FOR = timedelta(hours=1)  # then it is tried again: somebody may have let us in


class Pins(Protocol):
    """See storage/pins.py."""

    async def load(self) -> dict[str, Pin]: ...

    async def put(self, pin: Pin) -> None: ...

    async def forget(self, destination: str) -> None: ...


def wanted(destination: str, *, owner: str, wish: str) -> bool:
    """`wish`: what the owner has said, "" for nothing. Unasked it is in private chats and in Discord's channel; a
    terminal has a line of its own for that."""
    platform = destination.partition(":")[0]
    if platform == "console":
        return False
    return wish == "on" if wish else owner.startswith("person:") or platform == "discord"


class StatusCards:
    """`destinations`: where alerts go; `wanted`: whether a card is wanted there; `card` and `farewell`: what it says
    there now, and once it is not wanted any more."""

    def __init__(
        self,
        *,
        chats: Mapping[str, Chat],
        destinations: Callable[[], Iterable[str]],
        wanted: Callable[[str], bool],
        card: Callable[[str], Card],
        farewell: Callable[[str], Card],
        pins: Pins,
        wall: Clock,
        every: timedelta = timedelta(seconds=20),
        patience: timedelta = timedelta(seconds=5),
    ) -> None:
        self._chats = chats
        self._destinations = destinations
        self._wanted = wanted
        self._card = card
        self._farewell = farewell
        self._store = pins
        self._wall = wall
        self._every = every
        self._patience = patience.total_seconds()
        self._pins: dict[str, Pin] | None = None
        self._not_before: dict[str, datetime] = {}
        self._busy: dict[str, asyncio.Task[None]] = {}

    async def refresh(self) -> None:
        """For the wall scheduler, every few seconds. One chat that hangs holds up no other. Raises nothing."""
        try:
            pins = self._pins = self._pins if self._pins is not None else await self._store.load()
        except GavelError as error:
            log.warning("the status cards cannot be read: %s", error)
            return
        for destination in sorted({*pins, *self._destinations()} - self._busy.keys()):
            task = asyncio.create_task(self._look(destination, pins), name=f"status card {destination}")
            self._busy[destination] = task
            task.add_done_callback(lambda _, there=destination: self._busy.pop(there, None))  # type: ignore[misc]
        if self._busy:
            await asyncio.wait(self._busy.values(), timeout=self._patience)

    async def close(self) -> None:
        for task in list(self._busy.values()):
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def _look(self, destination: str, pins: dict[str, Pin]) -> None:
        chat, now = self._chats.get(destination.partition(":")[0]), self._wall.now()
        if chat is None or now < self._not_before.get(destination, now):
            return
        try:
            if destination in self._destinations() and self._wanted(destination):
                await self._keep(chat, destination, pins, now)
            elif destination in pins:
                await self._drop(chat, destination, pins)
        except ChatDown:
            self._not_before[destination] = now + self._every  # its own delivery says so, once
        except ChatRefused as error:
            log.info("no status card in %s: %s", destination, error)
            self._not_before[destination] = now + _REFUSED_FOR
        except GavelError as error:
            log.warning("where the status card of %s stands was not written: %s", destination, error)
        except Exception:
            log.exception("the status card of %s was not made", destination)
            self._not_before[destination] = now + self._every

    async def _keep(self, chat: Chat, destination: str, pins: dict[str, Pin], now: datetime) -> None:
        card, pin = self._card(destination), pins.get(destination)
        body = card.plain()
        if pin is not None and pin.body == body:
            return
        if pin is None or not await chat.edit(destination, pin.reference, card):
            key = f"status:{destination}:{now.isoformat()}"
            reference = await chat.send(destination, card, key=key, silent=True)
            await self._pin(chat, destination, reference)
        else:
            reference = pin.reference
        self._not_before[destination] = now + self._every
        pins[destination] = Pin(destination=destination, reference=reference, body=body, at=now)
        await self._store.put(pins[destination])

    async def _pin(self, chat: Chat, destination: str, reference: str) -> None:
        """A card that may not be pinned is a card all the same."""
        try:
            await chat.pin(destination, reference)
        except (ChatDown, ChatRefused) as error:
            log.info("the status card in %s is not pinned: %s", destination, error)

    async def _drop(self, chat: Chat, destination: str, pins: dict[str, Pin]) -> None:
        await chat.edit(destination, pins[destination].reference, self._farewell(destination))
        del pins[destination]
        await self._store.forget(destination)
