"""What the fake Discord knows: people, channels, messages, commands, interactions, and how fast the bot may talk."""

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.discord_gateway import GatewayEnd
from tests.fakes.discord_markup import Json, Refusal, bad_form
from tests.fakes.discord_people import (
    APPLICATION,
    BOT,
    Channel,
    Interaction,
    Line,
    Message,
    Person,
    channel_json,
    line,
    message_json,
    now,
)

TOKEN = "OTAwMDAwMDAwMDAwMDAwMDAx.Gfake1.token_for-the-tests-0123456789abcdef"
GUILD, DESK = 800_000_000_000_000_001, 800_000_000_000_000_002
NONCE_KEPT = 300.0  # seconds
_UNKNOWN = {"message": 10008, "channel": 10003, "interaction": 10062, "webhook": 10015, "user": 10013}


def unknown(what: str) -> Refusal:
    return Refusal(404, f"Unknown {what.capitalize()}", code=_UNKNOWN[what])


@dataclass(slots=True, kw_only=True)
class Rates:
    """At most `count` messages in any `per` seconds in each channel. Others are let through."""

    count: int = 5
    per: float = 5.0
    seen: dict[int, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def take(self, channel: int, at: float) -> tuple[int, float]:
        """What is left of this window, and the seconds until it is over; -1: too fast."""
        window = self.seen[channel]
        while window and at - window[0] >= self.per:
            window.popleft()
        if len(window) >= self.count:
            return -1, window[0] + self.per - at
        window.append(at)
        return self.count - len(window), window[0] + self.per - at


class Store:
    def __init__(self, *, rates: Rates, acknowledge_within: float, token_life: float) -> None:
        self.rates = rates
        self.acknowledge_within = acknowledge_within
        self.token_life = token_life
        self.messages: dict[int, Message] = {}
        self.channels: dict[int, Channel] = {DESK: Channel(id=DESK)}
        self.people: dict[int, Person] = {}
        self.interactions: list[Interaction] = []
        self.commands: dict[int | None, list[Json]] = {}  # by server; None: everywhere
        self.held: dict[int, float] = {}  # channel -> until when every message gets 429
        self.gateway = GatewayEnd(token=TOKEN, ready=_ready, after=self._guilds)
        self._numbers = iter(range(810_000_000_000_000_000, 10**18, 16))

    # --- people and places ------------------------------------------------------------------------------------------

    @property
    def desk(self) -> int:
        return DESK

    def person(self, id: int, name: str = "Ann") -> Person:
        """Somebody in the server."""
        return self.people.setdefault(id, Person(self, id, name))

    def thread(self, id: int, name: str = "fills", parent: int = DESK) -> Channel:
        return self.channels.setdefault(id, Channel(id=id, name=name, parent=parent))

    def private_channel(self, user: int) -> Channel:
        found = next((c for c in self.channels.values() if c.private_of == user), None)
        return found or self.channels.setdefault(number := self.number(), Channel(id=number, private_of=user))

    def number(self) -> int:
        """A snowflake."""
        return next(self._numbers)

    def command(self, name: str, channel: int, who: Person) -> Json:
        """What Discord's app offers there under this name."""
        private = self.channels[channel].private_of is not None
        offered = self.commands.get(None if private else GUILD, [])
        found = next((c for c in offered if c["name"] == name.split(" ")[0]), None)
        assert found is not None, f"/{name} is not registered for {'private chats' if private else 'the server'}"
        needed = int(found["default_member_permissions"] or 0)
        assert needed & ~who.permissions == 0, f"/{name} is hidden from {who.name}"
        return found

    def receive(self, who: Person, type: int, channel: int, data: Json, **more: Any) -> Interaction:
        id, said = self.number(), more.get("said")
        done = Interaction(id=id, token=f"it-{id}", type=type, at=now(), who=who.id, channel=channel)
        done.message = more.get("message")
        if said is not None:
            done.said = self.keep(channel, said, sender=who.as_json(), by_bot=False)
        self.interactions.append(done)
        self.gateway.dispatch("INTERACTION_CREATE", self.interaction_json(done, who, data))
        return done

    # --- messages -----------------------------------------------------------------------------------------------------

    def keep(self, channel: int, content: str, **more: Any) -> Message:
        message = Message(id=self.number(), channel=channel, content=content, at=now(), **more)
        self.messages[message.id] = message
        return message

    def open_channel(self, id: int) -> Channel:
        """Raises Refusal where the bot may not write."""
        channel = self.channels.get(id)
        if channel is None or channel.gone:
            raise unknown("channel")
        if channel.private_of is not None and not self.people[channel.private_of].takes_private:
            raise Refusal(403, "Cannot send messages to this user", code=50007)
        if channel.closed:
            raise Refusal(403, "Missing Permissions", code=50013)
        return channel

    def mine(self, channel: int, id: int) -> Message:
        """A message of the bot's that everybody sees. Raises Refusal."""
        message = self.messages.get(id)
        hidden = message is None or message.deleted or message.ephemeral_to is not None
        if message is None or hidden or message.channel != channel:
            raise unknown("message")
        if not message.by_bot:
            raise Refusal(403, "Cannot edit a message authored by another user", code=50005)
        return message

    def known(self, channel: int, nonce: str) -> Message | None:
        """A message that was sent with this nonce not long ago."""
        since = now() - NONCE_KEPT
        same = (m for m in self.messages.values() if m.nonce == nonce and m.channel == channel and m.at > since)
        return next(same, None)

    def interaction(self, token: str) -> Interaction | None:
        return next((i for i in self.interactions if i.token == token), None)

    def private(self, user: int) -> Channel:
        if user not in self.people:
            raise bad_form("recipient_id: Unknown user")
        return self.private_channel(user)

    # --- what was seen ------------------------------------------------------------------------------------------------

    def inbox(self, channel: int = DESK, *, reader: int | None = None) -> list[Message]:
        """What the bot said there in words, oldest first: all of it, or what one person sees."""
        return [m for m in self._all(channel, reader) if m.by_bot and not m.files]

    def enclosed(self, channel: int = DESK) -> list[Message]:
        """Pictures and files that the bot sent there."""
        return [m for m in self._all(channel, None) if m.files]

    def texts(self, channel: int = DESK, *, reader: int | None = None) -> list[str]:
        return [m.text for m in self.inbox(channel, reader=reader)]

    def conversation(self, channel: int = DESK, *, reader: int | None = None) -> list[Line]:
        """All that stands in a channel, as plain data, oldest first: all of it, or what one person sees."""
        return [line(m) for m in self._all(channel, reader)]

    def _all(self, channel: int, reader: int | None) -> Iterable[Message]:
        there = [m for m in self.messages.values() if m.channel == channel and not m.deleted and not m.loading]
        return [m for m in there if reader is None or m.ephemeral_to in (None, reader)]

    # --- as the gateway tells it --------------------------------------------------------------------------------------

    def channel_json(self, channel: Channel) -> Json:
        return channel_json(channel, GUILD, self.people)

    def interaction_json(self, done: Interaction, who: Person, data: Json) -> Json:
        channel = self.channels[done.channel]
        private = channel.private_of is not None
        shape: Json = {
            "id": str(done.id),
            "application_id": str(APPLICATION),
            "type": done.type,
            "token": done.token,
            "version": 1,
            "data": data,
            "channel_id": str(done.channel),
            "channel": self.channel_json(channel),
            "locale": "en-GB",
            "entitlements": [],
            "authorizing_integration_owners": {},
            "context": 1 if private else 0,
            "attachment_size_limit": 10 * 2**20,
            "app_permissions": "0",
        }
        if done.message is not None:
            shape["message"] = message_json(done.message)
        if private:
            return shape | {"user": who.as_json()}
        member: Json = {"user": who.as_json(), "roles": [], "joined_at": None, "deaf": False, "mute": False, "flags": 0}
        return shape | {"guild_id": str(GUILD), "member": member | {"permissions": str(who.permissions)}}

    def _guilds(self) -> list[tuple[str, Json]]:
        rooms = [c for c in self.channels.values() if c.private_of is None]
        shape: Json = {"id": str(GUILD), "name": "desk", "owner_id": "1", "roles": [], "emojis": [], "features": []}
        shape |= {"members": [], "member_count": 2}
        shape["channels"] = [self.channel_json(c) for c in rooms if c.parent is None]
        shape["threads"] = [self.channel_json(c) for c in rooms if c.parent is not None]
        return [("GUILD_CREATE", shape)]


def _ready() -> Json:
    guilds = [{"id": str(GUILD), "unavailable": True}]
    return {"v": 10, "user": BOT, "guilds": guilds, "application": {"id": str(APPLICATION), "flags": 0}}
