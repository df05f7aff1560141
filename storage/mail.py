"""What waits in the outbox, in the words of those who send it: routes, rows, bundles. Plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum

from trading.events import Event


class Lane(IntEnum):
    """What may overtake what: a lower lane goes first. Within a lane and a destination order is kept."""

    RISK = 0
    REPLY = 1
    FILL = 2
    DECISION = 3
    DIGEST = 4


SUMMED = frozenset({Lane.DECISION, Lane.DIGEST})  # what may be told as one card where much of it waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where an event is to be told, how urgently, and whether the phone stays quiet."""

    destination: str  # "console:main", "telegram:12345"
    lane: Lane
    silent: bool = False
    thread: str = ""  # the decision it belongs to: the messages of a thread answer one another
    bundle: str = ""  # told together with the others of its bundle, later
    critical: bool = False  # told on another platform too when this one does not take it in time


class Delivery(StrEnum):
    PENDING = "pending"
    HELD = "held"  # its bundle is told later
    SENDING = "sending"  # a request may have left
    SENT = "sent"
    DEAD = "dead"  # this destination will never take it


# The life of an outbox row. A step that is not here raises IllegalTransition.
DELIVERY_TRANSITIONS: dict[Delivery, frozenset[Delivery]] = {
    Delivery.PENDING: frozenset({Delivery.SENDING, Delivery.HELD, Delivery.DEAD}),
    Delivery.HELD: frozenset({Delivery.SENDING, Delivery.DEAD}),
    Delivery.SENDING: frozenset({Delivery.SENT, Delivery.PENDING, Delivery.HELD, Delivery.DEAD}),
    Delivery.SENT: frozenset(),
    Delivery.DEAD: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One event on its way to one destination."""

    id: int
    destination: str
    lane: Lane
    silent: bool
    event: Event
    seq: int  # of the event in the journal
    queued_at: datetime
    attempts: int = 0  # requests that may have left before this one
    state: Delivery = Delivery.PENDING
    thread: str = ""
    bundle: str = ""
    critical: bool = False
    instead_of: str = ""  # the destination that did not take it in time

    @property
    def key(self) -> str:
        """Unique per message and the same after every restart."""
        return f"{self.seq}:{self.destination}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """Rows that are told as one card; never none."""

    ids: tuple[int, ...]  # all of them, oldest first
    newest: tuple[Outgoing, ...]  # the last few of them, newest first
    oldest: datetime  # when the first was queued
    silent: bool  # all of them are
    kinds: Mapping[str, int]  # name of the event -> how many of them

    @property
    def key(self) -> str:
        return f"{self.ids[0]}-{self.ids[-1]}x{len(self.ids)}:{self.newest[0].destination}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Held rows of one destination that wait to be told together."""

    destination: str
    bundle: str
    lane: Lane  # the most urgent of them
    count: int
    oldest: datetime
    due_at: datetime  # the earliest of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """A critical row that its destination has not taken."""

    seq: int  # of its event
    destination: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that its destination will never take."""

    destination: str
    event: Event
    queued_at: datetime
    error: str
