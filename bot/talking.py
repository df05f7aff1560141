"""The chats of a process: which are armed, which are not and why, and what they tell about themselves."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from bot.chats.trouble import OnTrouble, Trouble
from bot.delivery import DestinationHealth
from bot.settings import Settings
from bot.surface import Artist, Chat, Service
from trading.desk import Desk
from trading.errors import BadSettings
from trading.events import ChatTroubled
from trading.ports import Clock
from trading.status import Armed, Capability

log = logging.getLogger(__name__)


class Running(Chat, Protocol):
    """A chat with a connection of its own."""

    @property
    def state(self) -> Capability: ...

    async def run(self) -> None:
        """For ever; ends by cancellation only."""
        ...

    async def close(self) -> None: ...

    def refresh_menus(self) -> object:
        """People or roles have changed."""
        ...


@dataclass(slots=True, kw_only=True)
class Chats:
    """How the chats and their deliveries stand, for /health."""

    running: list[Running] = field(default_factory=list)
    refused: list[Capability] = field(default_factory=list)  # chats that are not started, and why
    mail: tuple[DestinationHealth, ...] = ()
    others: list[Callable[[], Capability | None]] = field(default_factory=list)  # what else the surface keeps up
    lines: list[Callable[[], tuple[Capability, ...]]] = field(default_factory=list)  # likewise, several at once

    def states(self) -> tuple[Capability, ...]:
        chats = (*(chat.state for chat in self.running), *self.refused)
        others = (state() for state in self.others)
        told = (*chats, *(_mail_state(m) for m in self.mail), *(line for line in others if line is not None))
        return (*told, *(line for lines in self.lines for line in lines()))

    def distrust(self, platform: str) -> str:
        """Why commands of a platform must not be obeyed now; "" where they may."""
        found = (getattr(chat, "distrust", "") for chat in self.running if chat.platform == platform)
        return next(found, "")

    def by_platform(self) -> dict[str, Chat]:
        return {chat.platform: chat for chat in self.running}

    def refresh_menus(self) -> None:
        for chat in self.running:
            chat.refresh_menus()


def _mail_state(mail: DestinationHealth) -> Capability:
    """One destination's deliveries as a line of /health."""
    faults = [mail.error] if mail.error else []
    if faults and mail.waiting:
        faults.append(f"{mail.waiting} waiting")
    if mail.dead:
        faults.append(f"{mail.dead} refused for good: {mail.refusal}")
    state = Armed.DEGRADED if faults else Armed.ARMED
    return Capability(name=f"messages to {mail.destination}", state=state, why="; ".join(faults), since=mail.since)


def teller(desk: Desk) -> Callable[[str], OnTrouble]:
    """Journal what a chat's own thread of events has to say, without making it wait."""
    telling: set[asyncio.Task[None]] = set()

    def of(chat: str) -> OnTrouble:
        def tell(kind: Trouble, detail: str) -> None:
            over = kind in (Trouble.BACK, Trouble.CONFLICT_OVER)
            task = asyncio.create_task(desk.tell(ChatTroubled(at=desk.now(), chat=chat, detail=detail, over=over)))
            telling.add(task)
            task.add_done_callback(telling.discard)

        return tell

    return of


def armed(
    chats: Chats, settings: Settings, service: Service, wall: Clock, *, artist: Artist, tell: Callable[[str], OnTrouble]
) -> None:
    """Add each chat that has a token; of the others, and of those that nobody may use, the reason in one line."""
    builders: dict[str, Callable[[], Running | str]] = {
        "telegram": lambda: _telegram(settings, service, wall, artist=artist, tell=tell("telegram")),
        "discord": lambda: _discord(settings, service, wall, artist=artist, tell=tell("discord")),
    }
    for name, build in builders.items():
        try:
            made = build()
        except BadSettings as error:
            log.error("%s", error)
            made = str(error)
        if isinstance(made, str):
            chats.refused.append(Capability(name=name, state=Armed.OFF, why=made))
        else:
            chats.running.append(made)


def _telegram(settings: Settings, service: Service, wall: Clock, *, artist: Artist, tell: OnTrouble) -> Running | str:
    if settings.telegram_token is None:
        return "no TELEGRAM_BOT_TOKEN"
    from bot.chats.telegram import DEFAULT_BASE_URL, Telegram

    return Telegram(
        token=settings.telegram_token,
        service=service,
        clock=wall,
        url=settings.telegram_base_url or DEFAULT_BASE_URL,
        on_trouble=tell,
        artist=artist,
    )


def _discord(settings: Settings, service: Service, wall: Clock, *, artist: Artist, tell: OnTrouble) -> Running | str:
    if settings.discord_token is None:
        return "no DISCORD_BOT_TOKEN"
    if settings.discord_guild is None:
        return "no DISCORD_GUILD_ID: the commands have no server to stand in"
    if not service.members("discord"):
        return "DISCORD_ALLOWED_USERS is empty: nobody may use the bot, so it is not started"
    from bot.chats.discord import Discord

    return Discord(
        token=settings.discord_token,
        guild=settings.discord_guild,
        channel=settings.discord_channel,
        service=service,
        clock=wall,
        artist=artist,
        api_base=settings.discord_api_base or "",
        gateway=settings.discord_gateway_url or "",
        on_trouble=tell,
    )
