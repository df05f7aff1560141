"""Who and what there is on the fake Telegram: people, groups with topics, messages as a phone shows them."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.fakes.telegram_markup import Keyboard

BOT = {"id": 123456789, "is_bot": True, "first_name": "Gavel", "username": "GavelTestBot"}
BOT |= {"can_join_groups": True, "can_read_all_group_messages": False, "supports_inline_queries": False}


@dataclass(slots=True, kw_only=True)
class Upload:
    name: str
    content: bytes = field(repr=False)


@dataclass(slots=True, kw_only=True)
class Message:
    """A message as the phone shows it."""

    id: int
    chat: int
    topic: int | None = None
    text: str  # after the entities were parsed; of a rich message: all its words
    html: str = ""  # as it was sent
    mode: str | None = None  # "HTML", "rich", or None
    tables: list[list[list[str]]] = field(default_factory=list)  # native ones: rows of cells
    silent: bool = False
    keyboard: Keyboard = field(default_factory=list)
    at: float
    by_bot: bool = True
    sender: dict[str, Any] = field(default_factory=lambda: BOT)
    reply_to: "Message | None" = None
    photo: Upload | None = None
    document: Upload | None = None
    edited: bool = False
    pinned: bool = False
    deleted: bool = False
    too_old: bool = False  # to be edited

    def key(self, label: str) -> dict[str, str]:
        found = [key for row in self.keyboard for key in row if key["text"] == label]
        assert found, f"no button {label!r} under {self.text!r}: {self.keyboard}"
        return found[0]

    def data(self, label: str) -> str:
        return self.key(label)["callback_data"]


@dataclass(slots=True, kw_only=True)
class Group:
    """A supergroup and what the bot may do there. With `topics` it is a forum."""

    id: int
    title: str = "desk"
    topics: dict[int, str] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)  # topics
    privacy: bool = True  # the bot sees only what is meant for it
    may_write: bool = True
    may_pin: bool = False
    kicked: bool = False
    moved_to: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a tap was answered with, shown for a moment to who tapped."""

    query: str
    who: int
    text: str
    alert: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One message of a chat's transcript, as plain data."""

    id: int
    sender: str
    by_bot: bool
    text: str
    html: str
    tables: tuple[tuple[tuple[str, ...], ...], ...]
    buttons: tuple[tuple[str, ...], ...]  # the labels, row by row
    styles: tuple[tuple[str, ...], ...]  # "danger", "success", "primary" or ""
    reply_to: int | None
    topic: int | None
    photo: str  # its file name
    picture: bytes = field(repr=False)
    document: str  # its file name
    edited: bool
    pinned: bool
    silent: bool


def line(message: Message) -> Line:
    return Line(
        id=message.id,
        sender=str(message.sender["first_name"]),
        by_bot=message.by_bot,
        text=message.text,
        html=message.html,
        tables=tuple(tuple(tuple(row) for row in table) for table in message.tables),
        buttons=tuple(tuple(key["text"] for key in row) for row in message.keyboard),
        styles=tuple(tuple(key.get("style", "") for key in row) for row in message.keyboard),
        reply_to=message.reply_to.id if message.reply_to and not message.reply_to.deleted else None,
        topic=message.topic,
        photo=message.photo.name if message.photo else "",
        picture=message.photo.content if message.photo else b"",
        document=message.document.name if message.document else "",
        edited=message.edited,
        pinned=message.pinned,
        silent=message.silent,
    )


class Receiver(Protocol):
    blocked: set[int]
    notes: list[Note]

    def receive(
        self, who: "Person", text: str, chat: int, *, reply_to: Message | None = None, topic: int | None = None
    ) -> Message: ...

    def receive_tap(self, who: "Person", message: Message, data: str | None) -> str: ...

    def receive_edit(self, message: Message, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Person:
    """A virtual user. Without a chat, he speaks in his private one."""

    api: Receiver
    id: int
    name: str

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "is_bot": False, "first_name": self.name}

    def type(
        self, text: str, *, chat: int | None = None, topic: int | None = None, reply_to: Message | None = None
    ) -> Message:
        return self.api.receive(self, text, chat or self.id, reply_to=reply_to, topic=topic)

    def tap(self, message: Message, label: str) -> str:
        """Press a button, be it on a message to somebody else. Returns the id of the callback query."""
        return self.api.receive_tap(self, message, message.data(label))

    def forge(self, message: Message, data: str | None) -> str:
        """Press a button that is not there, as a changed app can."""
        return self.api.receive_tap(self, message, data)

    def edit(self, message: Message, text: str) -> None:
        """Change what he said."""
        self.api.receive_edit(message, text)

    def block(self) -> None:
        self.api.blocked.add(self.id)

    def unblock(self) -> None:
        self.api.blocked.discard(self.id)

    @property
    def notes(self) -> list[str]:
        """What his taps were answered with, where that was a word."""
        return [note.text for note in self.api.notes if note.who == self.id and note.text]


@dataclass(slots=True, kw_only=True)
class Flood:
    """A token bucket for each chat: `burst` at once, then one in `every` seconds."""

    every: float = 1.0
    burst: int = 3
    levels: dict[int, tuple[float, float]] = field(default_factory=dict)  # chat -> (tokens, at)

    def wait(self, chat: int, now: float) -> float:
        """0: let it pass; else the seconds until it would."""
        tokens, at = self.levels.get(chat, (float(self.burst), now))
        tokens = min(float(self.burst), tokens + (now - at) / self.every)
        passed = tokens >= 1.0
        self.levels[chat] = (tokens - 1.0 if passed else tokens, now)
        return 0.0 if passed else (1.0 - tokens) * self.every


def message_json(message: Message, groups: dict[int, Group], *, nested: bool = False) -> dict[str, Any]:
    """As the Bot API tells it. The message that was replied to comes without the one before it."""
    group = groups.get(message.chat)
    chat: dict[str, Any] = {"id": message.chat, "type": "private", "first_name": "x"}
    if group is not None:
        chat = {"id": message.chat, "type": "supergroup", "title": group.title}
        chat |= {"is_forum": True} if group.topics else {}
    if message.deleted:
        return {"message_id": message.id, "date": 0, "chat": chat}
    shape: dict[str, Any] = {"message_id": message.id, "date": 1_700_000_000, "chat": chat, "from": message.sender}
    shape |= _content(message) | _thread(message, group)
    if message.keyboard:
        shape["reply_markup"] = {"inline_keyboard": message.keyboard}
    if message.reply_to is not None and not message.reply_to.deleted and not nested:
        shape["reply_to_message"] = message_json(message.reply_to, groups, nested=True)
    return shape


def _content(message: Message) -> dict[str, Any]:
    if message.photo is not None:
        size = {"file_id": f"f{message.id}", "file_unique_id": f"u{message.id}", "width": 10, "height": 10}
        return {"photo": [size]}
    if message.document is not None:
        name = message.document.name
        return {"document": {"file_id": f"f{message.id}", "file_unique_id": f"u{message.id}", "file_name": name}}
    if message.mode == "rich":
        return {"rich_message": {"blocks": []}}
    return {"text": message.text}


def _thread(message: Message, group: Group | None) -> dict[str, Any]:
    """A reply outside of a topic has a thread id too: that of the message it answers, which is no topic."""
    if message.topic is not None:
        return {"message_thread_id": message.topic, "is_topic_message": True}
    if group is not None and message.reply_to is not None:
        return {"message_thread_id": message.reply_to.id}
    return {}


def now() -> float:
    return asyncio.get_running_loop().time()
