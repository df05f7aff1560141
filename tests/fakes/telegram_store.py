"""What there is on the fake Telegram: chats, messages, menus, and what waits to be told to the bot."""

import asyncio
from collections import deque
from typing import Any

from tests.fakes.telegram_people import BOT, Group, Line, Message, Note, Person, line, message_json, now

Scope = tuple[str | int, ...]


class Store:
    def __init__(self) -> None:
        self.messages: dict[tuple[int, int], Message] = {}
        self.menus: dict[Scope, list[dict[str, str]]] = {}
        self.notes: list[Note] = []
        self.blocked: set[int] = set()
        self.groups: dict[int, Group] = {}
        self._people: dict[int, Person] = {}
        self._updates: deque[dict[str, Any]] = deque()
        self._numbers = iter(range(1, 10**9))
        self._queries: dict[str, int] = {}  # id -> who tapped; gone once it is answered
        self._news = asyncio.Event()

    # --- people and groups ------------------------------------------------------------------------------------------

    def person(self, id: int, name: str = "Ann") -> Person:
        """Somebody who has started the bot, so that it may write to him."""
        return self._people.setdefault(id, Person(self, id, name))

    def group(self, id: int, **more: Any) -> Group:
        """A group the bot is in."""
        return self.groups.setdefault(id, Group(id=id, **more))

    def receive(
        self, who: Person, text: str, chat: int, *, reply_to: Message | None = None, topic: int | None = None
    ) -> Message:
        said = self._keep(chat, text, sender=who.as_json(), by_bot=False, reply_to=reply_to, topic=topic)
        if chat > 0 or self._is_for_bot(said, self.group(chat)):
            self._queue({"message": self._as_json(said)})
        return said

    def _is_for_bot(self, said: Message, group: Group) -> bool:
        """Privacy mode: a command without a name or with the bot's, or a reply to the bot."""
        if not group.privacy or (said.reply_to is not None and said.reply_to.by_bot):
            return True
        to = said.text.split(maxsplit=1)[0].partition("@")[2] if said.text.strip() else ""
        return said.text.startswith("/") and to.lower() in ("", str(BOT["username"]).lower())

    def receive_edit(self, message: Message, text: str) -> None:
        message.text, message.edited = text, True
        self._queue({"edited_message": self._as_json(message) | {"edit_date": 1_700_000_001}})

    def receive_tap(self, who: Person, message: Message, data: str | None) -> str:
        query = f"q{next(self._numbers)}"
        self._queries[query] = who.id
        tapped: dict[str, Any] = {"id": query, "from": who.as_json(), "chat_instance": "1"}
        tapped |= {"game_short_name": "chess"} if data is None else {"data": data}
        self._queue({"callback_query": tapped | {"message": self._as_json(message)}})
        return query

    def answered(self, query: str) -> bool:
        return query not in self._queries

    def delete(self, message: Message) -> None:
        message.deleted = True

    # --- what was seen ----------------------------------------------------------------------------------------------

    def inbox(self, chat: int) -> list[Message]:
        """What the bot said there in words, oldest first."""
        return [m for m in self._all(chat) if m.by_bot and m.photo is None and m.document is None]

    def enclosed(self, chat: int) -> list[Message]:
        """Pictures and files that the bot sent there."""
        return [m for m in self._all(chat) if m.photo is not None or m.document is not None]

    def texts(self, chat: int) -> list[str]:
        return [m.text for m in self.inbox(chat)]

    def conversation(self, chat: int, *, topic: int | None = None) -> list[Line]:
        """All that stands in a chat, or in one topic of it, as plain data, oldest first."""
        return [line(m) for m in self._all(chat) if topic is None or m.topic == topic]

    def _all(self, chat: int) -> list[Message]:
        return [m for (where, _), m in sorted(self.messages.items()) if where == chat and not m.deleted]

    def menu(self, user: int, chat: int | None = None) -> list[str]:
        """The commands that somebody is offered there: of the narrowest scope that was set."""
        scopes: tuple[Scope, ...] = (("chat", user), ("all_private_chats",), ("default",))
        if chat is not None:
            scopes = (("chat_member", chat, user), ("chat", chat), ("all_group_chats",), ("default",))
        found = next((self.menus[scope] for scope in scopes if scope in self.menus), [])
        return [command["command"] for command in found]

    # --- keeping ----------------------------------------------------------------------------------------------------

    def _queue(self, update: dict[str, Any]) -> None:
        self._updates.append({"update_id": next(self._numbers), **update})
        self._news.set()

    def _keep(self, chat: int, text: str, **more: Any) -> Message:
        message = Message(id=next(self._numbers), chat=chat, text=text, at=now(), **more)
        self.messages[chat, message.id] = message
        return message

    def _as_json(self, message: Message) -> dict[str, Any]:
        return message_json(message, self.groups)
