"""The desk's sign of life: a file that `gavel watch` reads, and an address outside that is asked for while all is well.

Truly alive is more than a process that runs: the journal takes a write, the market goes on, the loop is not stuck.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from bot.render.standing import held_lines
from trading.errors import GavelError
from trading.ports import Clock
from trading.status import Armed, Capability, DeskStatus

log = logging.getLogger(__name__)

FILE = "heartbeat"
EVERY = timedelta(seconds=20)
_TIMEOUT = 5.0  # seconds, of each thing that is waited for


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What the file says."""

    at: datetime  # wall time
    pid: int
    mode: str  # "PAPER"
    well_at: datetime  # when all was well for the last time
    why: str  # what is not; "" when all is well
    stopped: str  # why it was stopped on purpose; "" while it runs
    held: tuple[str, ...]  # open positions, in words
    destinations: tuple[str, ...]  # where alerts go


def read_signs(path: Path) -> Signs | None:
    """None: there is no such file, or it holds something else."""
    try:
        said: dict[str, Any] = orjson.loads(path.read_bytes())
        times = {name: datetime.fromisoformat(said[name]) for name in ("at", "well_at")}
        lists = {name: tuple(map(str, said[name])) for name in ("held", "destinations")}
        return Signs(**{**said, **times, **lists})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_signs(path: Path, signs: Signs) -> None:
    """Whole or not at all: a reader never sees half of it."""
    draft = path.with_name(f"{path.name}.new")
    draft.write_bytes(orjson.dumps(asdict(signs)))
    os.replace(draft, path)


class Heartbeat:
    """`writable` raises where the journal takes nothing. `market_within`: how long the market may stand still."""

    def __init__(
        self,
        directory: Path,
        *,
        wall: Clock,
        status: Callable[[], DeskStatus],
        destinations: Callable[[], Sequence[str]],
        writable: Callable[[], Awaitable[None]],
        url: str = "",
        market_within: timedelta = timedelta(minutes=2),
        stuck_after: timedelta = timedelta(seconds=30),
    ) -> None:
        self._path = directory / FILE
        self._wall = wall
        self._status = status
        self._destinations = destinations
        self._writable = writable
        self._url = url
        self._market_within = market_within
        self._stuck_after = stuck_after
        self._well_at = self._stepped_at = wall.now()
        self._beat_at: datetime | None = None
        self._client: Any = None  # its library loads with the first ping
        self.state = Capability(name="heartbeat", state=Armed.OFF, why="" if url else "no GAVEL_HEARTBEAT_URL")

    def stepped(self) -> None:
        """The market has moved on."""
        self._stepped_at = self._wall.now()

    async def beat(self) -> None:
        """For the wall scheduler, every 20 s. Raises nothing."""
        why = await self._ill()
        now = self._wall.now()
        self._well_at = self._well_at if why else now
        try:
            signs = self._signs(now, why)
        except Exception:  # no sign is a sign
            log.exception("the desk cannot say how it is")
            return
        await self._write(signs)
        if self._url:
            self._say(why or await self._ping())

    async def farewell(self, reason: str) -> None:
        """The desk stops on purpose: nobody has to be woken."""
        await self._write(self._signs(self._wall.now(), "", stopped=reason))
        if self._client is not None:
            await self._client.aclose()

    # --- is it alive? ---------------------------------------------------------------------------------------------

    async def _ill(self) -> str:
        """What is not well; "" when all is."""
        before, self._beat_at = self._beat_at, self._wall.now()
        hung = self._beat_at - before - EVERY if before is not None else timedelta()
        if hung > self._stuck_after:
            return f"the desk hung for {hung // timedelta(seconds=1)} s"
        still = self._beat_at - self._stepped_at
        if still > self._market_within:
            return f"the market stands still since {still // timedelta(seconds=1)} s"
        return await self._unwritable()

    async def _unwritable(self) -> str:
        try:
            async with asyncio.timeout(_TIMEOUT):
                await self._writable()
        except (GavelError, TimeoutError) as error:
            return f"the journal takes nothing: {error or 'no answer'}"
        return ""

    # --- saying so ------------------------------------------------------------------------------------------------

    def _signs(self, now: datetime, why: str, stopped: str = "") -> Signs:
        status = self._status()
        return Signs(
            at=now,
            pid=os.getpid(),
            mode=status.mode,
            well_at=self._well_at,
            why=why,
            stopped=stopped,
            held=held_lines(status),
            destinations=tuple(self._destinations()),
        )

    async def _write(self, signs: Signs) -> None:
        try:
            await asyncio.to_thread(write_signs, self._path, signs)
        except OSError as error:
            log.warning("the sign of life was not written: %s", error.strerror)

    async def _ping(self) -> str:
        """Why the address did not answer; "" when it did. Never the address itself: it is a secret."""
        import httpx

        if self._client is None:
            logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs the URL
            self._client = httpx.AsyncClient(timeout=_TIMEOUT)
        try:
            answer = await self._client.get(self._url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return f"the watchdog outside does not answer: {type(error).__name__}"
        return "" if answer.status_code < 400 else f"the watchdog outside answers {answer.status_code}"

    def _say(self, fault: str) -> None:
        """Each change once, in the log; how it is, in /health."""
        before, state = self.state, Armed.DEGRADED if fault else Armed.ARMED
        if state is not before.state:
            log.log(logging.WARNING if fault else logging.INFO, "heartbeat: %s", fault or "well")
            self.state = Capability(name="heartbeat", state=state, why=fault, since=self._wall.now())
        elif fault != before.why:
            self.state = Capability(name="heartbeat", state=state, why=fault, since=before.since)
