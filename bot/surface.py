"""The surface in one place: who asks (Request), what is answered (Card), what a chat must do."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Protocol

from bot.pictures import Picture


class Role(IntEnum):
    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An account on one platform. Who stands behind it, the directory of people knows."""

    platform: str  # "console", "telegram", "discord"
    id: str
    name: str = ""

    @property
    def key(self) -> str:
        return f"{self.platform}:{self.id}"


# A destination, and a place, is "platform:chat", or "platform:chat/thread" for a forum topic (Telegram) or a thread
# (Discord). Somebody's private chat is "telegram:USER" and "discord:@USER"; the terminal is "console:main".


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A message, a tap, or a form that was filled in. All pass the same gate."""

    who: Identity
    place: str  # the destination it came from and the answer goes to
    text: str = ""  # a typed message, "/halt too hot"; with a button: what was typed into its form
    button: str = ""  # the data of a tapped button
    at: datetime  # wall time
    private: bool = True  # nobody but `who` reads this place


class Style(StrEnum):
    """How a button looks, where a chat can show it. Never the only bearer of a meaning."""

    PLAIN = "plain"
    PRIMARY = "primary"
    SUCCESS = "success"
    DANGER = "danger"


# What the data of a button begins with.
CONFIRM, CANCEL = "cf:", "no:"  # a token follows: good for one tap, the answer takes the question's place
ASK, AGAIN = "do:", "re:"  # a command follows: answered by a new message, or in the place of this one
STOP = "st:"  # a token follows, of a card that grows: it grows no further, the answer takes its place


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    label: str
    data: str  # opaque, at most 64 bytes: "cf:8f3a...", "no:8f3a...", "do:/positions", "re:/trades page=2"
    style: Style = Style.PLAIN
    form: str = ""  # a word that has to be typed with the tap is asked for under this label; "": none is


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows that a chat with native tables shows as one; everywhere else each row is a line or two."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]  # each as long as `head`

    def lines(self) -> tuple[str, ...]:
        """A row as one line: its first cell, then the others."""
        return tuple(" · ".join(cell for cell in row if cell) for row in self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    name: str  # "trades.csv"
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What people read, free of any platform's markup. A chat escapes every character of it.

    The title carries the message within 60 characters (a lock screen shows no more); `table` comes before `lines`;
    `detail` may be folded away. `picture` and `file` follow the words, and never hold them up.
    """

    title: str
    lines: tuple[str, ...] = ()
    detail: tuple[str, ...] = ()
    buttons: tuple[Button, ...] = ()
    table: Table | None = None
    picture: Picture | None = None
    file: File | None = None
    private: bool = False  # only for who asked, where a chat can do that
    refused: bool = False  # a no of the gate's: nothing was done, and a question that was tapped may be open still
    grows: str = ""  # a token: once it is shown, the service knows what is to take its place, see Service.growing

    def body(self) -> tuple[str, ...]:
        """The table's rows as lines, then the lines."""
        return (*(self.table.lines() if self.table else ()), *self.lines)

    def plain(self) -> str:
        """Every word of it, without any markup."""
        return "\n".join((self.title, *self.body(), *self.detail))

    @property
    def token(self) -> str:
        """Of the confirmation that this card asks for; "" where it asks for none."""
        return next((b.data.removeprefix(CONFIRM) for b in self.buttons if b.data.startswith(CONFIRM)), "")


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
    """Transport only. Each call may raise ChatDown or ChatRefused."""

    platform: str

    async def send(self, destination: str, card: Card, *, key: str, silent: bool, reply_to: str = "") -> str:
        """Deliver and return the platform's reference of the message. `key` is unique per message: a chat that can
        tell that it has shown this key already returns without showing it again. `reply_to`: the reference of a
        message there that this one belongs to; one that is gone is no reason not to deliver."""
        ...

    async def edit(self, destination: str, reference: str, card: Card) -> bool:
        """Put a card in the place of a message of ours. False when that cannot be done: too old, too long, gone.
        A card that changes nothing is no error."""
        ...

    async def pin(self, destination: str, reference: str) -> None:
        """Keep a message in sight."""
        ...


class Artist(Protocol):
    """Draws pictures off the event loop."""

    async def draw(self, picture: Picture, *, dark: bool) -> bytes:
        """A PNG. Raises whatever goes wrong: a chat then goes without the picture, never without the words."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuLine:
    """One command in a chat's menu."""

    name: str  # "positions"
    help: str


class Service(Protocol):
    """What a chat may ask of the desk's surface. It is the one gate: a chat decides nothing itself."""

    async def handle(self, request: Request) -> Card | None:
        """The answer, or None where silence is the answer. Raises nothing of its own."""
        ...

    async def shown(self, card: Card, destination: str, reference: str) -> None:
        """A card that asks for a confirmation stands there now, so that it can be greyed out when it is over."""
        ...

    def growing(self, card: Card, every: float) -> AsyncGenerator[Card, None]:
        """What is to take the place of a card that `grows`, one after the other, at least `every` seconds apart."""
        ...

    def suggest(self, request: Request, command: str, argument: str, typed: str) -> tuple[str, ...]:
        """At most 25 values of a command's argument that fit what is typed; none for who may not use it."""
        ...

    def menu(self, role: Role | None) -> tuple[MenuLine, ...]:
        """The commands of a role; None: a stranger's, which is empty."""
        ...

    def members(self, platform: str) -> tuple[tuple[Identity, Role], ...]:
        """The accounts of a platform that have a role; groups and channels among them."""
        ...

    def dark(self, destination: str) -> bool:
        """Whether pictures are dark there."""
        ...


Handle = Callable[[Request], Awaitable[Card | None]]
