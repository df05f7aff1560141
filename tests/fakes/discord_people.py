"""Who and what there is on the fake Discord: people, channels with threads, messages as a phone shows them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.fakes.discord_markup import EPHEMERAL, STYLES, Json, shown

APPLICATION = 900_000_000_000_000_001
BOT: Json = {
    "id": str(APPLICATION),
    "username": "Gavel",
    "global_name": None,
    "discriminator": "0",
    "avatar": None,
    "bot": True,
}
EVERYTHING = (1 << 53) - 1  # permissions


@dataclass(slots=True, kw_only=True)
class Upload:
    name: str
    content: bytes = field(repr=False)


@dataclass(slots=True, kw_only=True)
class Channel:
    """A text channel of the server, a thread in one, or somebody's private channel."""

    id: int
    name: str = "desk"
    parent: int | None = None  # of a thread
    private_of: int | None = None  # a person
    closed: bool = False  # the bot may not write here
    gone: bool = False

    @property
    def type(self) -> int:
        if self.private_of is not None:
            return 1
        return 0 if self.parent is None else 11


@dataclass(slots=True, kw_only=True)
class Message:
    """A message as the phone shows it."""

    id: int
    channel: int
    content: str  # as it was sent
    at: float
    sender: Json = field(default_factory=lambda: BOT)
    by_bot: bool = True
    components: list[Json] = field(default_factory=list)
    flags: int = 0
    nonce: str = ""
    silent: bool = False
    reply_to: int | None = None
    files: list[Upload] = field(default_factory=list)
    edited: bool = False
    pinned: bool = False
    deleted: bool = False
    loading: bool = False  # "Gavel is thinking..."
    ephemeral_to: int | None = None  # the one person who sees it

    @property
    def text(self) -> str:
        return shown(self.content) if self.by_bot else self.content

    @property
    def keys(self) -> list[Json]:
        return [key for row in self.components for key in row["components"]]

    @property
    def labels(self) -> list[str]:
        return [key["label"] for key in self.keys]

    def data(self, label: str) -> str:
        found = [str(key["custom_id"]) for key in self.keys if key["label"] == label]
        assert found, f"no button {label!r} under {self.text!r}: {self.labels}"
        return found[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One message of a channel's transcript, as plain data."""

    id: int
    sender: str
    by_bot: bool
    text: str
    markup: str
    buttons: tuple[tuple[str, ...], ...]  # the labels, row by row
    styles: tuple[tuple[str, ...], ...]  # "danger", "success", "primary" or ""
    reply_to: int | None
    photo: str  # its file name
    picture: bytes = field(repr=False)
    document: str  # its file name
    edited: bool
    pinned: bool
    silent: bool
    ephemeral_to: int | None


def line(message: Message) -> Line:
    pictures = [f for f in message.files if f.name.endswith(".png")]
    documents = [f for f in message.files if not f.name.endswith(".png")]
    rows = [row["components"] for row in message.components]
    return Line(
        id=message.id,
        sender=str(message.sender["username"]),
        by_bot=message.by_bot,
        text=message.text,
        markup=message.content,
        buttons=tuple(tuple(key["label"] for key in row) for row in rows),
        styles=tuple(tuple(STYLES[key["style"]] for key in row) for row in rows),
        reply_to=message.reply_to,
        photo=pictures[0].name if pictures else "",
        picture=pictures[0].content if pictures else b"",
        document=documents[0].name if documents else "",
        edited=message.edited,
        pinned=message.pinned,
        silent=message.silent,
        ephemeral_to=message.ephemeral_to,
    )


@dataclass(slots=True, kw_only=True)
class Interaction:
    """Something that somebody did, and what came of it."""

    id: int
    token: str
    type: int  # 2 command, 3 tap, 4 typing, 5 form
    at: float
    who: int
    channel: int
    message: Message | None = None  # that was tapped
    said: Message | None = None  # the command, as the channel shows it
    response: int | None = None  # type of the callback; None: not acknowledged
    original: Message | None = None
    followups: list[Message] = field(default_factory=list)
    form: Json | None = None
    choices: list[str] | None = None

    @property
    def answered(self) -> bool:
        """Whoever did it has seen something come of it."""
        if self.type == 4:
            return self.choices is not None
        thinking = self.original is not None and self.original.loading
        return self.response is not None and not thinking

    async def over(self) -> None:
        await until(lambda: self.answered)

    @property
    def texts(self) -> list[str]:
        """What was said to it, in messages of its own."""
        fresh = [self.original] if self.original and self.original is not self.message else []
        return [m.text for m in (*fresh, *self.followups) if not m.deleted and not m.loading]


class Receiver(Protocol):
    channels: dict[int, Channel]

    def private_channel(self, user: int) -> Channel: ...

    def receive(self, who: "Person", type: int, channel: int, data: Json, **more: Any) -> Interaction: ...

    def command(self, name: str, channel: int, who: "Person") -> Json: ...

    @property
    def desk(self) -> int: ...


@dataclass(slots=True)
class Person:
    """A virtual user. Without a channel he acts in the first one of the server."""

    api: Receiver
    id: int
    name: str
    permissions: int = EVERYTHING
    takes_private: bool = True  # messages from the bot

    def as_json(self) -> Json:
        names = {"username": self.name, "global_name": self.name}
        return {"id": str(self.id), **names, "discriminator": "0", "avatar": None}

    @property
    def private(self) -> int:
        """The id of his private channel with the bot."""
        return self.api.private_channel(self.id).id

    def slash(self, name: str, /, *, where: int | None = None, **options: Any) -> Interaction:
        """Call "halt" or "breaker reset", as far as Discord lets him: only what is registered, and fits."""
        channel = where or self.api.desk
        data = _called(self.api.command(name, channel, self), name, options)
        said = " ".join((f"/{name}", *(str(value) for value in options.values())))
        return self.api.receive(self, 2, channel, data, said=said)

    async def complete(
        self, name: str, argument: str, typed: str, /, *, where: int | None = None, **options: Any
    ) -> list[str]:
        """What is suggested while he types an argument."""
        channel = where or self.api.desk
        data = _called(self.api.command(name, channel, self), name, options | {argument: typed}, typing=argument)
        done = self.api.receive(self, 4, channel, data)
        await until(lambda: done.choices is not None)
        assert done.choices is not None
        return done.choices

    def tap(self, message: Message, label: str) -> Interaction:
        """Press a button under a message that he sees."""
        assert message.ephemeral_to in (None, self.id), f"{self.name} does not see this message"
        return self.forge(message, message.data(label))

    def forge(self, message: Message, custom_id: str) -> Interaction:
        """Press a button that is not there, or one that he does not see."""
        data = {"custom_id": custom_id, "component_type": 2}
        return self.api.receive(self, 3, message.channel, data, message=message)

    async def submit(self, message: Message, label: str, typed: str) -> Interaction:
        """Press a button and fill in the form that it opens."""
        tapped = self.tap(message, label)
        await until(lambda: tapped.form is not None)
        return self.fill_in(tapped, typed)

    def fill_in(self, tapped: Interaction, typed: str) -> Interaction:
        form = tapped.form
        assert form is not None, "no form was opened"
        field_ = form["components"][0]["component"]
        assert len(typed) <= field_.get("max_length", 4000), "the field takes no more"
        part = {"type": 18, "id": 1, "component": {"type": 4, "custom_id": field_["custom_id"], "value": typed}}
        data = {"custom_id": form["custom_id"], "components": [part]}
        return self.api.receive(self, 5, tapped.channel, data, message=tapped.message)


def _called(command: Json, name: str, options: Json, *, typing: str = "") -> Json:
    """The data of a slash command, as Discord's own app would let it be sent."""
    *_, last = name.split(" ")
    action = next((o for o in command["options"] if o["type"] == 1 and o["name"] == last), None)
    known = {o["name"]: o for o in (action or command).get("options", [])}
    assert not options.keys() - known.keys(), f"/{name} has no {sorted(options.keys() - known.keys())}"
    missing = [n for n, o in known.items() if o.get("required") and n not in options]
    assert typing or not missing, f"/{name} wants {missing}"
    given = [_given(known[n], value) | ({"focused": True} if n == typing else {}) for n, value in options.items()]
    inner = [{"type": 1, "name": action["name"], "options": given}] if action else given
    return {"id": command["id"], "name": command["name"], "type": 1, "options": inner}


def _given(option: Json, value: Any) -> Json:
    assert isinstance(value, int if option["type"] == 4 else str), f"{option['name']} takes no {value!r}"
    if "choices" in option:
        assert value in [choice["value"] for choice in option["choices"]], f"{option['name']} has no {value!r}"
    if option["type"] == 4:
        assert option["min_value"] <= value <= option["max_value"], f"{option['name']}: {value}"
    return {"type": option["type"], "name": option["name"], "value": value}


# --- as Discord tells it ----------------------------------------------------------------------------------------------


def channel_json(channel: Channel, guild: int, people: dict[int, Person]) -> Json:
    shape: Json = {"id": str(channel.id), "type": channel.type}
    if channel.private_of is not None:
        return shape | {"recipients": [people[channel.private_of].as_json()]}
    shape |= {"guild_id": str(guild), "name": channel.name, "position": 0, "permission_overwrites": [], "nsfw": False}
    shape["parent_id"] = str(channel.parent) if channel.parent else None
    if channel.parent is None:
        return shape
    told = {"archived": False, "auto_archive_duration": 60, "archive_timestamp": _TIME, "locked": False}
    counts = {"message_count": 0, "member_count": 1, "rate_limit_per_user": 0}
    return shape | {"owner_id": BOT["id"], "thread_metadata": told, **counts}


def message_json(message: Message) -> Json:
    files = [
        {"id": str(message.id + n + 1), "filename": f.name, "size": len(f.content), "url": "", "proxy_url": ""}
        for n, f in enumerate(message.files)
    ]
    shape: Json = {
        "id": str(message.id),
        "channel_id": str(message.channel),
        "author": message.sender,
        "content": message.content,
        "timestamp": _TIME,
        "edited_timestamp": _TIME if message.edited else None,
        "tts": False,
        "mention_everyone": False,
        "mentions": [],
        "mention_roles": [],
        "attachments": files,
        "embeds": [],
        "pinned": message.pinned,
        "type": 0 if message.reply_to is None else 19,
        "components": message.components,
        "flags": message.flags | (EPHEMERAL if message.ephemeral_to is not None else 0),
    }
    if message.reply_to is not None:
        shape["message_reference"] = {"message_id": str(message.reply_to), "channel_id": str(message.channel)}
    return shape


_TIME = "2026-01-05T09:30:00.000000+00:00"


def now() -> float:
    return asyncio.get_running_loop().time()


async def until(condition: Callable[[], object], within: float = 10.0) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - sockets on both sides: there is nothing to be woken by
            await asyncio.sleep(0.002)
