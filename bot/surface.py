"""The surface in one place: who asks (Request), what is answered (Card), what a chat must do."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Protocol


class Role(IntEnum):
    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A person on one platform."""

    platform: str  # "console", "telegram"
    id: str
    name: str = ""

    @property
    def key(self) -> str:
        return f"{self.platform}:{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A message or a tap. Both pass the same gate."""

    who: Identity
    place: str  # the destination it came from and the answer goes to: "console:main", "telegram:12345"
    text: str = ""  # a typed message, "/halt too hot"
    button: str = ""  # the data of a tapped button
    at: datetime  # wall time


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    label: str
    data: str  # opaque, at most 64 bytes: "cf:8f3a..." confirms, "no:8f3a..." cancels, "do:/positions" asks again


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What people read, free of any platform's markup. A chat escapes every character of it.

    The title carries the message within 60 characters (a lock screen shows no more); `detail` may be folded away.
    """

    title: str
    lines: tuple[str, ...] = ()
    detail: tuple[str, ...] = ()
    buttons: tuple[Button, ...] = ()

    def plain(self) -> str:
        """Every word of it, without any markup."""
        return "\n".join((self.title, *self.lines, *self.detail))


class ChatError(Exception):
    """A card was not delivered."""


class ChatDown(ChatError):
    """Try again later: after `retry_after` seconds where the chat said so."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ChatRefused(ChatError):
    """This destination will not take it, now or later: blocked, deleted."""


class Chat(Protocol):
    """Transport only."""

    platform: str

    async def send(self, destination: str, card: Card, *, key: str, silent: bool) -> str:
        """Deliver and return the platform's message reference. `key` is unique per message: a chat that can tell
        that it has shown this key already returns without showing it again. Raises ChatDown or ChatRefused."""
        ...
