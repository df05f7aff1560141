"""What the connection to Discord tells about itself: up, cut off for longer than a blink, or without its commands."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

from bot.chats.trouble import OnTrouble, Trouble
from trading.ports import Clock
from trading.status import Armed, Capability

RIVAL = "another process answers for this bot with the same token: each command lands in a random one"

log = logging.getLogger(__name__)


class Watch:
    """Turns what happens to the connection into a state; says each change once.

    Discord moves its bots to other servers every few hours: what is back within `settle` was no trouble, and what was
    back for less than that is not yet over.
    """

    def __init__(self, *, clock: Clock, settle: timedelta, rivalry: timedelta, on_trouble: OnTrouble | None) -> None:
        """`rivalry`: when a second process was not noticed for so long, it is gone."""
        self._clock = clock
        self._settle = settle.total_seconds()
        self._rivalry = rivalry.total_seconds()
        self._on_trouble = on_trouble
        self._down = ""  # why; empty while connected
        self._fault = ""  # what is wrong although we are connected
        self._told = False  # of the trouble there is now
        self._timer: asyncio.TimerHandle | None = None
        self._rival: asyncio.TimerHandle | None = None  # until when there is one
        self._connected = False
        self.state = Capability(name="discord", state=Armed.OFF, why="not started", since=clock.now())

    def connecting(self) -> None:
        self._set(Armed.DEGRADED, "connecting")

    def up(self) -> None:
        """Discord has taken us, for the first time or again."""
        self._connected, self._down = True, ""
        self._announce(self._say_back if self._told else None)
        self._show()

    def lost(self, why: str) -> None:
        """The connection failed; somebody is working on it."""
        if self._connected or not self._down:
            self._announce(None if self._told else self._say_down)
        self._connected, self._down = False, why
        self._show()

    def fault(self, what: str) -> None:
        """Something that does not cut the connection; "": it is over."""
        if what and what != self._fault:
            log.warning("Discord: %s", what)
        self._fault = what
        if self._connected:
            self._show()

    def rival(self) -> None:
        """Somebody else has answered what was asked of us."""
        before, self._rival = self._rival, asyncio.get_running_loop().call_later(self._rivalry, self._alone_again)
        self._show()
        if before is None:
            self._tell(Trouble.CONFLICT, RIVAL)
        else:
            before.cancel()

    @property
    def conflict(self) -> str:
        """Why nobody knows which process hears a command; "" where there is no doubt."""
        return "" if self._rival is None else RIVAL

    def off(self) -> None:
        self._announce(None)
        if self._rival is not None:
            self._rival.cancel()
            self._rival = None
        self._set(Armed.OFF, "stopped")

    def _announce(self, say: Callable[[], None] | None) -> None:
        """When it has lasted for a while; what was to be announced until now is not."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._settle, say) if say else None

    def _say_down(self) -> None:
        self._told = True
        self._tell(Trouble.DOWN, self._down)

    def _say_back(self) -> None:
        self._told = False
        self._tell(Trouble.BACK, "the connection to Discord is back")

    def _alone_again(self) -> None:
        self._rival = None
        self._tell(Trouble.CONFLICT_OVER, "no other process answers for this bot any more")
        self._show()

    def _show(self) -> None:
        why = self._down or self.conflict or self._fault
        self._set(Armed.DEGRADED if why else Armed.ARMED, why)

    def _set(self, state: Armed, why: str) -> None:
        if (state, why) != (self.state.state, self.state.why):
            since = self.state.since if state is self.state.state else self._clock.now()
            self.state = Capability(name="discord", state=state, why=why, since=since)

    def _tell(self, kind: Trouble, detail: str) -> None:
        level = logging.WARNING if kind in (Trouble.DOWN, Trouble.CONFLICT) else logging.INFO
        log.log(level, "Discord: %s: %s", kind, detail)
        if self._on_trouble is not None:
            self._on_trouble(kind, detail)
