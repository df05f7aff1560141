"""How a process tells people of its desk, and what it does for that again and again in wall time: the post, the pinned
status cards, questions that are over, the sign of life."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from bot.delivery import Delivery
from bot.expiry import Expiry
from bot.heartbeat import EVERY, Heartbeat
from bot.illustrations import Illustrator
from bot.memory import Memory
from bot.reach import DeskPort
from bot.render.standing import pinned_card, unpinned_card
from bot.render.words import RenderContext
from bot.scheduler import Job
from bot.status_card import StatusCards, wanted
from bot.surface import Card, Chat
from bot.talking import Chats
from trading.ports import Clock

_OFTEN = timedelta(seconds=2)
_SOON = timedelta(seconds=5)
_HOURLY = timedelta(hours=1)
_DAILY = timedelta(days=1)
_PATIENCE, _BARS = timedelta(minutes=2), 3  # how long, and for how many bars, the market may stand still
KEPT_RAW = timedelta(days=400)  # raw bytes of exchanges, for replays; then what was read from them stands alone
KEPT = timedelta(days=30)  # messages that were delivered, for replies to them
_GRACE = timedelta(seconds=1)  # for what is being sent when the desk stops

Look = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Built once the desk and its chats are there. `about`: whose money, which market; `seats`: every chat by its
    platform, the terminal included."""

    memory: Memory
    desk: DeskPort
    chats: Chats
    seats: Mapping[str, Chat]
    about: RenderContext
    wall: Clock

    def dressed_for(self, place: str) -> RenderContext:
        """With the time zone of whoever reads it there."""
        return replace(self.about, zone=self.memory.wishes.zone(self.memory.routing.owner_of(place)))

    def delivery(self) -> Delivery:
        memory = self.memory
        foot = f"{self.about.mode} · {self.about.market}"
        return Delivery(
            outbox=memory.outbox,
            chats=self.seats,
            about=self.dressed_for,
            wishes=memory.wishes,
            owner=memory.routing.owner_of,
            stand_ins=lambda place: memory.places.stand_ins(place, memory.routing.destinations),
            illustrate=Illustrator(memory.records, memory.figures, self.desk, foot=foot),
            wall=self.wall,
            grace=_GRACE,
        )

    def cards(self) -> StatusCards:
        return StatusCards(
            chats=self.seats,
            destinations=lambda: self.memory.routing.destinations,
            wanted=self._wants_card,
            card=self._card,
            farewell=lambda place: unpinned_card(self.wall.now(), self.dressed_for(place)),
            pins=self.memory.pins,
            wall=self.wall,
            patience=_SOON - timedelta(seconds=1),  # the next round comes then, and must not find this one
        )

    def _wants_card(self, place: str) -> bool:
        owner = self.memory.routing.owner_of(place)
        return wanted(place, owner=owner, wish=self.memory.wishes.get(owner, "pin"))

    def _card(self, place: str) -> Card:
        return pinned_card(self.desk.status(), self.wall.now(), self.dressed_for(place))

    def expiry(self) -> Expiry:
        return Expiry(questions=self.memory.confirmations, chats=self.seats, about=self.dressed_for, name=self._called)

    def _called(self, person: str) -> str:
        known = self.memory.people.named(person)
        return known.name if known else person

    def heartbeat(self, directory: Path, url: str, market_within: timedelta) -> Heartbeat:
        return Heartbeat(
            directory,
            wall=self.wall,
            status=self.desk.status,
            destinations=lambda: self.memory.routing.destinations,
            writable=self.memory.pulse.beat,
            url=url,
            market_within=market_within,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Housekeeping:
    """`jobs` are for the wall scheduler."""

    telling: Telling
    delivery: Delivery
    cards: StatusCards
    expiry: Expiry
    heartbeat: Heartbeat
    models: Look
    also: Sequence[Job] = ()

    @classmethod
    def of(
        cls, telling: Telling, directory: Path, *, url: str, bar: timedelta, models: Look, also: Sequence[Job] = ()
    ) -> "Housekeeping":
        """`url`: of the watchdog outside, "" for none. `bar`: how long one takes on the wall. `models`: looks whether
        those that are asked are still there."""
        heartbeat = telling.heartbeat(directory, url, max(_PATIENCE, _BARS * bar))
        telling.chats.others.append(lambda: heartbeat.state)
        return cls(
            telling=telling,
            delivery=telling.delivery(),
            cards=telling.cards(),
            expiry=telling.expiry(),
            heartbeat=heartbeat,
            models=models,
            also=also,
        )

    @property
    def jobs(self) -> Sequence[Job]:
        return (
            ("post", _OFTEN, self._post),
            ("status cards", _SOON, self.cards.refresh),
            ("questions", _SOON, self.expiry.sweep),
            ("heartbeat", EVERY, self.heartbeat.beat),
            ("old messages", _HOURLY, self._prune),
            ("models", _DAILY, self.models),
            *self.also,
        )

    async def close(self, reason: str) -> None:
        """The desk stops on purpose."""
        await self.cards.close()
        await self.heartbeat.farewell(reason)

    async def _post(self) -> None:
        await self.delivery.tick()
        self.telling.chats.mail = await self.delivery.health()

    async def _prune(self) -> None:
        now = self.telling.wall.now()
        await self.telling.memory.outbox.prune(now - KEPT)
        await self.telling.memory.ledger.prune(now - KEPT_RAW)
