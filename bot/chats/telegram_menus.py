"""The menus of commands: to everybody his role's, to strangers none."""

import asyncio
import logging
import re
from collections.abc import Mapping
from datetime import timedelta

from telegram import (
    Bot,
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllChatAdministrators,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    BotCommandScopeDefault,
)
from telegram.error import BadRequest, Forbidden, RetryAfter, TelegramError

from bot.chats.telegram_place import PLATFORM
from bot.chats.telegram_wire import describe, seconds
from bot.surface import Role, Service

_DESCRIPTION, _MOST = 256, 100  # characters of a line, lines of a menu
_NAME = re.compile("[a-z0-9_]{1,32}")
_REMEMBERED = 1000  # scopes

_Menu = tuple[BotCommand, ...]

log = logging.getLogger(__name__)


class Menus:
    """Sends what has changed, and tries until it is there. A menu is a convenience: the gate decides, not the menu."""

    def __init__(self, bot: Bot, *, service: Service, first_pause: timedelta, longest_pause: timedelta) -> None:
        self._bot = bot
        self._service = service
        self._first_pause = first_pause.total_seconds()
        self._longest_pause = longest_pause.total_seconds()
        self._due = asyncio.Event()
        self._due.set()
        self._there: dict[BotCommandScope, _Menu] = {}  # as they were sent
        self._heard: set[int] = set()  # people without a menu of theirs, since the last sending

    def refresh(self) -> None:
        """Roles or people have changed."""
        self._due.set()

    def heard(self, user: int) -> None:
        """Somebody speaks in his private chat: now he can be given a menu, or one from an earlier life be taken."""
        if BotCommandScopeChat(user) not in self._there and len(self._there) < _REMEMBERED:
            self._heard.add(user)
            self.refresh()

    async def run(self) -> None:
        """For ever; ends by cancellation only."""
        pause = self._first_pause
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self._send(self._wanted())
                pause = self._first_pause
            except TelegramError as error:
                log.info("the menus of commands are not there yet: %s", describe(error))
                self._due.set()
                await asyncio.sleep(seconds(error.retry_after) if isinstance(error, RetryAfter) else pause)
                pause = min(pause * 2, self._longest_pause)

    def _wanted(self) -> dict[BotCommandScope, _Menu]:
        wanted: dict[BotCommandScope, _Menu] = dict.fromkeys((*self._there, *map(BotCommandScopeChat, self._heard)), ())
        self._heard.clear()
        wanted[BotCommandScopeDefault()] = ()
        wanted[BotCommandScopeAllPrivateChats()] = ()
        wanted[BotCommandScopeAllChatAdministrators()] = ()
        wanted[BotCommandScopeAllGroupChats()] = self._menu(Role.VIEWER)
        for who, role in self._service.members(PLATFORM):
            if who.id.isdecimal():  # a listed group has the menu of all groups
                wanted[BotCommandScopeChat(int(who.id))] = self._menu(role)
        return wanted

    def _menu(self, role: Role) -> _Menu:
        lines = [line for line in self._service.menu(role) if _NAME.fullmatch(line.name)]
        return tuple(BotCommand(line.name, line.help[:_DESCRIPTION]) for line in lines[:_MOST])

    async def _send(self, wanted: Mapping[BotCommandScope, _Menu]) -> None:
        for scope, menu in wanted.items():
            if self._there.get(scope) == menu:
                continue
            try:
                if menu:
                    await self._bot.set_my_commands(menu, scope)
                else:
                    await self._bot.delete_my_commands(scope)
            except (BadRequest, Forbidden) as error:  # who has never written to the bot is no chat yet
                log.info("a menu of commands was not taken: %s", describe(error))
            else:
                self._there[scope] = menu
