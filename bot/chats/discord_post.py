"""One message to Discord from a process that has no other business there: over REST, without a gateway."""

from collections.abc import Callable

from pydantic import SecretStr

from bot.chats.discord_sender import Sender, target
from bot.chats.discord_wire import point_at, quieten
from bot.surface import Card


class DiscordPost:
    """`destination`: "discord:CHANNEL", "discord:CHANNEL/THREAD" or "discord:@USER". `api_base` is for tests.

    Raises BadSettings for an `api_base` that is not this machine, ChatRefused for what is no place on Discord.
    """

    def __init__(self, *, token: SecretStr | str, destination: str, api_base: str = "") -> None:
        target(destination)
        self._destination = destination
        self._restore: Callable[[], None] = point_at(api_base)
        self._sender = Sender(token=token if isinstance(token, SecretStr) else SecretStr(token))
        quieten()

    async def send(self, card: Card, *, key: str, silent: bool = False) -> str:
        """Deliver and return the reference of the message. The same key is shown once. Raises ChatDown, ChatRefused."""
        return await self._sender.send(self._destination, card, key=key, silent=silent)

    async def close(self) -> None:
        try:
            await self._sender.close()
        finally:
            self._restore()
