"""Every call into a chat: at that chat's pace, to where it has moved, and its errors in our words."""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import httpx
from telegram import Bot
from telegram.error import BadRequest, ChatMigrated, Forbidden, InvalidToken, RetryAfter, TelegramError
from telegram.request import BaseRequest

from bot.chats.pace import Gate, Limits, Pace
from bot.surface import ChatDown, ChatRefused

_Result = TypeVar("_Result")
_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_GONE = ("chat not found", "deactivated", "not enough rights", "have no rights", "write_forbidden", "peer_id_invalid")

log = logging.getLogger(__name__)


def describe(error: TelegramError) -> str:
    """An error in words that are safe to show: the library puts the token into one of them."""
    if isinstance(error, InvalidToken):
        return "Telegram does not accept the bot's token"
    return f"{type(error).__name__}: {error}"


def is_gone(error: BadRequest) -> bool:
    """Whether the chat takes nothing, in whatever form."""
    return any(word in error.message.lower() for word in _GONE)


def is_unchanged(error: BadRequest) -> bool:
    """An edit that would change nothing is refused, although nothing is left to do."""
    return "not modified" in error.message.lower()


def may_have_arrived(error: ChatDown) -> bool:
    """Whether the connection failed under a request that had left; an error that was answered has done nothing."""
    cause = error.__cause__.__cause__ if error.__cause__ else None
    return isinstance(cause, httpx.HTTPError) and not isinstance(cause, _NEVER_LEFT)


class Wire:
    """The library's Bot, which never polls, behind the pace of each chat."""

    def __init__(self, *, token: str, base_url: str, request: BaseRequest, limits: Limits) -> None:
        self._request = request
        self.bot = Bot(token, base_url=base_url, request=request, get_updates_request=request)
        self._pace = Pace(limits)
        self._moved: dict[int, int] = {}  # groups that became supergroups

    async def close(self) -> None:
        await self._request.shutdown()

    async def await_turn(self, chat: int) -> None:
        """Wait until the pace lets an alert go."""
        await self._pace.gate(chat).await_turn()

    def now_at(self, chat: int) -> int:
        """The id that a chat has now."""
        return self._moved.get(chat, chat)

    async def call(
        self, chat: int, call: Callable[[], Awaitable[_Result]], *, first: bool, upload: bool = False
    ) -> _Result:
        """Make a call at the chat's pace; `first`: before alerts. While an `upload` is under way others may pass it.

        Raises ChatDown, ChatRefused, or BadRequest for the caller to judge.
        """
        gate = self._pace.gate(chat)
        async with gate.turn(first=first):
            if not upload:
                return await self._translated(chat, gate, call)
        return await self._translated(chat, gate, call)

    async def _translated(self, chat: int, gate: Gate, call: Callable[[], Awaitable[_Result]]) -> _Result:
        try:
            return await call()
        except RetryAfter as error:
            pause = seconds(error.retry_after)
            gate.hold(pause)
            raise ChatDown(describe(error), retry_after=pause) from error
        except ChatMigrated as error:
            self._moved[chat] = error.new_chat_id
            log.warning("the Telegram group %s is now %s", chat, error.new_chat_id)
            raise ChatDown(describe(error), retry_after=0.0) from error
        except Forbidden as error:
            raise ChatRefused(describe(error)) from error
        except BadRequest as error:
            if is_gone(error):
                raise ChatRefused(describe(error)) from error
            raise
        except TelegramError as error:
            raise ChatDown(describe(error)) from error


def seconds(pause: int | timedelta) -> float:
    return pause.total_seconds() if isinstance(pause, timedelta) else float(pause)
