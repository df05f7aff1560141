"""Where alerts go: which places settings and people make destinations, and who stands in for one that is mute."""

from collections.abc import Iterable, Mapping, Sequence

from bot.accounts import account_at, chat_of, is_room
from bot.chats.console import DESTINATION as TERMINAL
from bot.people import Directory
from bot.routing import Routing
from bot.settings import Settings


def platform_of(destination: str) -> str:
    return destination.partition(":")[0]


def private_place(account: str) -> str:
    """Somebody's own chat: "telegram:7", "discord:@9"."""
    platform, _, id = account.partition(":")
    return f"discord:@{id}" if platform == "discord" else account


class Places:
    """`switched`: what was switched on or off in the chat, over what settings and people come to."""

    def __init__(self, settings: Settings, people: Directory, switched: Mapping[str, bool]) -> None:
        self._settings = settings
        self._people = people
        self._given = self._by_settings()
        on = (place for place, active in switched.items() if active and self._is_somebodys(place))
        self.destinations = tuple(place for place in dict.fromkeys((*self._given, *on)) if switched.get(place, True))

    def _by_settings(self) -> tuple[str, ...]:
        """The terminal; everybody's own chat on Telegram; on Discord the channel, or without one everybody's own."""
        found = [TERMINAL]
        if self._settings.telegram_token is not None:
            found += self._own("telegram")
        if self._settings.discord_token is not None:
            channel = self._settings.discord_channel
            found += [f"discord:{channel}"] if channel is not None else self._own("discord")
        return tuple(found)

    def _own(self, platform: str) -> list[str]:
        keys = (who.key for who, _ in self._people.members(platform))
        return [private_place(key) for key in keys if not is_room(key)]

    def follow(self, routing: Routing) -> None:
        """People have changed: who is new is told, who is gone is told no more."""
        before, self._given = self._given, self._by_settings()
        for place in set(self._given) - set(before):
            routing.add(place)
        gone = (place for place in routing.destinations if not self._is_somebodys(place))
        for place in {*before, *gone} - set(self._given):
            routing.remove(place)

    def _is_somebodys(self, place: str) -> bool:
        """A room, or the private chat of somebody who may use the desk."""
        key = account_at(place)
        return is_room(key) or self._people.named(key) is not None

    def stand_ins(self, destination: str, among: Iterable[str]) -> Sequence[str]:
        """Where a critical alert goes that `destination` does not take: the same person's chats on other platforms, or
        else whatever there is on them. The terminal is nobody's phone."""
        here = platform_of(destination)
        others = [p for p in among if platform_of(p) not in (here, platform_of(TERMINAL))]
        person = self._people.named(account_at(chat_of(destination)))
        elsewhere = ({platform_of(place) for place in others} | self._armed()) - {here}
        accounts = person.accounts if person is not None else ()
        own = [private_place(key) for key in accounts if platform_of(key) in elsewhere]
        return own or others

    def _armed(self) -> set[str]:
        tokens = {"telegram": self._settings.telegram_token, "discord": self._settings.discord_token}
        return {platform for platform, token in tokens.items() if token is not None}
