"""Where in Telegram: a chat or a topic of it, and the messages that stand there."""

from dataclasses import dataclass
from typing import Self

from telegram import MaybeInaccessibleMessage, Message

from bot.surface import ChatRefused

PLATFORM = "telegram"
_GENERAL = 1  # the topic that is none: Telegram knows no thread of that number


@dataclass(frozen=True, slots=True)
class Place:
    """A chat's id is its person's where it is private, and negative where it is a group."""

    chat: int
    topic: int | None = None

    @classmethod
    def of(cls, destination: str) -> Self:
        """Of "telegram:7" or "telegram:-1001/5". Raises ChatRefused for anything else."""
        platform, _, rest = destination.partition(":")
        chat, slash, topic = rest.partition("/")
        if platform != PLATFORM or not _is_number(chat.removeprefix("-")) or (slash and not _is_number(topic)):
            raise ChatRefused(f"{destination!r} is not a Telegram chat")
        return cls(int(chat), _topic(int(topic) if slash else None))

    @classmethod
    def under(cls, message: MaybeInaccessibleMessage) -> Self:
        """Where an answer to a message goes. A thread that is no topic is only a reply's."""
        if not isinstance(message, Message) or not message.is_topic_message:
            return cls(message.chat.id)
        return cls(message.chat.id, _topic(message.message_thread_id))

    @property
    def private(self) -> bool:
        return self.chat > 0

    def __str__(self) -> str:
        return f"{PLATFORM}:{self.chat}" + ("" if self.topic is None else f"/{self.topic}")


def ids_of(reference: str) -> tuple[int, ...]:
    """The messages of "17,18", which is one card; none where it is no reference of ours."""
    parts = reference.split(",")
    return tuple(map(int, parts)) if all(map(_is_number, parts)) else ()


def reference_of(ids: list[int]) -> str:
    return ",".join(map(str, ids))


def _topic(thread: int | None) -> int | None:
    return None if thread == _GENERAL else thread


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 20
