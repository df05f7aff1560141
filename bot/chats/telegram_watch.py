"""What polling tells about itself: connected, cut off, in conflict with a second poller, or refused."""

import asyncio
import logging
from datetime import timedelta
from typing import Any

from telegram.error import Conflict, TelegramError
from telegram.request import HTTPXRequest

from bot.chats.telegram_wire import describe
from bot.chats.trouble import OnTrouble, Trouble
from trading.ports import Clock
from trading.status import Armed, Capability

log = logging.getLogger(__name__)
_REFUSED = (401, 404)  # the token is unknown; after it the library polls no more


SECOND_POLLER = "another process reads this bot's messages with the same token: each command lands in a random one"


class Watch:
    """Turns the results of single polls into a state; says each change once."""

    def __init__(self, *, clock: Clock, settle: timedelta, on_trouble: OnTrouble | None) -> None:
        self.refused = asyncio.Event()  # polling has ended
        self._clock = clock
        self._settle = settle.total_seconds()
        self._on_trouble = on_trouble
        self._conflict_at: float | None = None  # the latest, by the event loop's time
        self._down = ""  # why; empty while polls are answered
        self._answered = False  # since it was last asked
        self.state = Capability(name="telegram", state=Armed.OFF, why="not started", since=clock.now())

    def answered(self) -> None:
        """Telegram answers: a poll with updates, or with none."""
        self._answered = True
        if self._down:
            self._down = ""
            self._tell(Trouble.BACK, "Telegram answers again")
        if self._conflict_at is not None and _now() - self._conflict_at >= self._settle:
            self._conflict_at = None
            self._tell(Trouble.CONFLICT_OVER, "no other process reads this bot's messages any more")
        self._show()

    def failed(self, error: TelegramError) -> None:
        """A poll failed. The library goes on polling."""
        if isinstance(error, Conflict):
            self._conflicted()
        else:
            self.lost(describe(error))

    def lost(self, why: str) -> None:
        first = not self._down
        self._down = why
        if first:
            self._tell(Trouble.DOWN, why)
        self._show()

    def connecting(self) -> None:
        self._set(Armed.DEGRADED, "connecting")

    def off(self) -> None:
        self._set(Armed.OFF, "stopped")

    @property
    def conflict(self) -> str:
        """Why what is read here cannot be trusted; "" while this process alone reads."""
        return "" if self._conflict_at is None else SECOND_POLLER

    def fresh(self) -> bool:
        """Whether a poll was answered since this was last asked."""
        answered, self._answered = self._answered, False
        return answered

    def _conflicted(self) -> None:
        first = self._conflict_at is None
        self._conflict_at = _now()
        if first:
            self._tell(Trouble.CONFLICT, SECOND_POLLER)
        self._show()

    def _show(self) -> None:
        if self._down:
            self._set(Armed.DEGRADED, self._down)
        elif self._conflict_at is not None:
            self._set(Armed.DEGRADED, SECOND_POLLER)
        else:
            self._set(Armed.ARMED, "")

    def _set(self, state: Armed, why: str) -> None:
        if (state, why) != (self.state.state, self.state.why):
            since = self.state.since if state is self.state.state else self._clock.now()
            self.state = Capability(name="telegram", state=state, why=why, since=since)

    def _tell(self, kind: Trouble, detail: str) -> None:
        level = logging.WARNING if kind in (Trouble.DOWN, Trouble.CONFLICT) else logging.INFO
        log.log(level, "Telegram: %s: %s", kind, detail)
        if self._on_trouble is not None:
            self._on_trouble(kind, detail)


class Polling(HTTPXRequest):
    """What getUpdates goes through: the library tells nobody of a poll that succeeds, times out or was the last."""

    def __init__(self, watch: Watch, **settings: Any) -> None:
        super().__init__(connection_pool_size=2, **settings)
        self._watch = watch

    async def do_request(self, *args: Any, **settings: Any) -> tuple[int, bytes]:
        try:
            code, payload = await super().do_request(*args, **settings)
        except TelegramError as error:
            self._watch.failed(error)
            raise
        if code in _REFUSED:
            self._watch.lost("Telegram does not accept the bot's token")
            self._watch.refused.set()
        elif code < 300:
            self._watch.answered()
        return code, payload


def _now() -> float:
    return asyncio.get_running_loop().time()
