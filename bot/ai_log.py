"""Sends an exchange's AI log from its outbox: one at a time, in order, again and again until it is there.

Nothing here touches an order. An upload whose answer is lost is made again, so an entry may stand in the log twice.
What the exchange refuses for good is kept and shown, and the next one goes on.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from storage.ai_log import Counts, Stand, Waiting
from trading.ailog import Lookup
from trading.errors import BadRecord, JournalUnwritable, OrderRejected, RateLimited, Transient, UnknownOutcome
from trading.model import ClientId, Symbol
from trading.ports import Clock
from trading.status import Armed, Capability

log = logging.getLogger(__name__)

NAME = "AI log"
LATE = timedelta(seconds=60)  # what is not sent by then is a gap
LOOKED_FOR = timedelta(minutes=2)  # how long an order's id is asked for; then the entry goes without
KEPT = timedelta(days=90)  # what was sent
NOT_ALLOWED = frozenset({"auth", "permission", "ip"})  # wire.Code: it is the key that is refused, not the entry


class Log(Protocol):
    """The exchange's side (weex_ai.WeexLog)."""

    async def id_of(self, symbol: Symbol, client_id: ClientId) -> str: ...

    async def id_by_fill(self, symbol: Symbol, fill: str) -> str: ...

    async def upload(self, order_id: str, body: Mapping[str, Any]) -> None: ...


class Box(Protocol):
    """The outbox (storage.ai_log.AiLogBox)."""

    lost: str
    told: Callable[[], None]

    async def first(self) -> Waiting | None: ...

    async def counts(self) -> Counts: ...

    async def found(self, id: int, order_id: str) -> None: ...

    async def ended(self, id: int, stand: Stand, note: str = "") -> None: ...

    async def prune(self, before: datetime) -> None: ...

    async def verified(self, credential: str) -> bool: ...

    async def verify(self, credential: str, body: dict[str, Any]) -> None: ...

    async def distrust(self, credential: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds between attempts."""

    first: float = 1.0  # after a failure; then twice as long each time
    longest: float = 30.0
    refused: float = 3600.0  # after the key was refused
    look: float = 2.0  # at the clock, while something waits
    between: float = 0.25  # after an entry: a replay must not use up what the desk may ask of the exchange
    looked_up: float = 2.0  # likewise, after one whose order had to be looked up


class AiLog:
    """`rules`: how a desk without a model is called. `required`: nothing is entered while the log has a gap. `tell`: a
    gap (False), or its end (True), in words."""

    def __init__(
        self,
        box: Box,
        exchange: Log,
        *,
        credential: str,
        rules: str,
        required: bool,
        wall: Clock,
        tell: Callable[[str, bool], Awaitable[None]],
        pace: Pace | None = None,
    ) -> None:
        self.required = required
        self._box = box
        self._exchange = exchange
        self._credential = credential
        self._rules = rules
        self._wall = wall
        self._tell = tell
        self._pace = pace or Pace()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._verified = False
        self._refused = ""  # why the key may not write
        self._error = ""  # of the last attempt
        self._failures = 0
        self._first: Waiting | None = None
        self._counts = Counts(waiting=0, refused=0)
        self._sent: int | None = None  # the entry that is there, and not marked as sent yet
        self._told = False  # that there is a gap
        self._pruned_at: datetime | None = None
        box.told = self._wake.set

    # --- how it stands ----------------------------------------------------------------------------------------------

    def gap(self) -> str:
        """What the log lacks, in words; "" where nothing is late."""
        if self._refused:
            return f"the exchange does not let this key write to the AI log: {self._refused}"
        if self._box.lost:
            return f"an entry of the AI log could not be made: {self._box.lost}"
        late = self._first is not None and self._wall.now() - self._first.at > LATE
        if late:
            why = f": {self._error}" if self._error else ""
            waiting = self._counts.waiting
            return f"{waiting} {'entry' if waiting == 1 else 'entries'} of the AI log not sent{why}"
        if self._counts.refused:
            return f"the exchange has refused the last {self._counts.refused} of the AI log: {self._counts.refusal}"
        return ""

    def hold(self) -> str:
        """Why nothing may be entered; "" where it may. For Desk.holds, where the log is required."""
        if not self.required:
            return ""
        return self.gap() or ("" if self._verified else "the AI log is not known to work yet")

    @property
    def state(self) -> Capability:
        """A line of /health."""
        gap = self.gap()
        if gap or not self._verified:
            since = self._first.at if self._first is not None else None
            return Capability(name=NAME, state=Armed.DEGRADED, why=gap or self._error or "not tried yet", since=since)
        return Capability(name=NAME, state=Armed.ARMED)

    # --- life -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="AI log")

    async def close(self) -> None:
        """What is on its way may have arrived: the next start sends it again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            wait = await self._tried()
            await self._say()
            try:
                async with asyncio.timeout(wait):
                    await self._pause(wait)
            except TimeoutError:
                continue

    async def _pause(self, wait: float) -> None:
        """New entries wake only who has nothing to do."""
        if self._failures or self._refused or (self._first is not None and not self._first.held):
            await asyncio.sleep(wait)
        else:
            await self._wake.wait()

    async def _tried(self) -> float:
        """Seconds until the next attempt."""
        try:
            wait = await self._step()
        except OrderRejected as error:
            return await self._on_refusal(error)
        except RateLimited as error:
            return max(self._failed(error), error.retry_after)
        except (Transient, UnknownOutcome, BadRecord, JournalUnwritable) as error:
            return self._failed(error)
        except Exception as error:
            log.exception("AI log")
            return self._failed(error)
        self._failures, self._error = 0, ""
        return wait

    def _failed(self, error: Exception) -> float:
        self._failures += 1
        self._error = str(error) or type(error).__name__
        log.info("AI log: %s", self._error)
        return float(min(self._pace.longest, self._pace.first * 2 ** min(self._failures - 1, 16)))

    async def _say(self) -> None:
        """A gap once, and once that it is over."""
        gap = self.gap()
        if bool(gap) == self._told:
            return
        self._told = bool(gap)
        (log.warning if gap else log.info)("AI log: %s", gap or "complete again")
        words = f"{gap}. Nothing is entered until it is complete." if gap and self.required else gap
        try:
            await self._tell(words or "It is complete again.", not gap)
        except JournalUnwritable as error:
            log.warning("AI log: %s", error)

    # --- one step ---------------------------------------------------------------------------------------------------

    async def _step(self) -> float:
        """Send what is next. Seconds until the next look."""
        await self._look()
        if self._sent is not None:
            await self._mark(self._sent, Stand.SENT)
            return 0.0
        if not self._verified:
            await self._verify()
            return 0.0
        entry = self._first
        if entry is None:
            await self._prune()
            return self._pace.longest
        if entry.held:
            return self._pace.look
        order_id = entry.order_id or await self._order_id(entry)
        if order_id is None:
            raise Transient(f"the exchange does not show the order of entry {entry.id} yet")
        await self._post(entry, order_id)
        return self._pace.looked_up if entry.lookup else self._pace.between

    async def _look(self) -> None:
        self._first, self._counts = await self._box.first(), await self._box.counts()

    async def _post(self, entry: Waiting, order_id: str) -> None:
        try:
            await self._exchange.upload(order_id, entry.body)
        except ValueError as error:
            await self._mark(entry.id, Stand.REFUSED, str(error))
        except OrderRejected as error:
            if error.code in NOT_ALLOWED:
                raise
            await self._mark(entry.id, Stand.REFUSED, error.reason)
        else:
            self._sent = entry.id
            await self._mark(entry.id, Stand.SENT)

    async def _mark(self, id: int, stand: Stand, note: str = "") -> None:
        if stand is Stand.REFUSED:
            log.warning("AI log: entry %s is refused: %s", id, note)
        await self._box.ended(id, stand, note)
        self._sent = None
        await self._look()

    async def _order_id(self, entry: Waiting) -> str | None:
        """The exchange's id of the order that an entry is about; "" for one without; None: not shown yet."""
        match entry.lookup:
            case Lookup.ORDER:
                found = await self._exchange.id_of(entry.symbol, entry.client_id)
            case Lookup.FILL:
                found = await self._exchange.id_by_fill(entry.symbol, entry.fill)
            case Lookup.GUARD:  # one that has fired meanwhile, or was taken away, has no id any more
                return await self._exchange.id_of(entry.symbol, entry.client_id)
            case _:
                return ""
        if found:
            await self._box.found(entry.id, found)
        elif self._wall.now() - entry.at < LOOKED_FOR:
            return None
        else:
            log.warning("AI log: the exchange does not show the order of entry %s: it goes without an id", entry.id)
        return found

    # --- the key ----------------------------------------------------------------------------------------------------

    async def _verify(self) -> None:
        """Whether this key may write at all, tried with an entry about no trade; once for each key."""
        if not await self._box.verified(self._credential):
            body = {
                "stage": "Strategy Generation",
                "model": self._rules,
                "input": {"question": "may this account write to the AI log"},
                "output": {"action": "none"},
                "explanation": "This entry is about no trade. It checks that this account may write to the log.",
            }
            await self._exchange.upload("", body)
            await self._box.verify(self._credential, body)
        self._verified, self._refused = True, ""

    async def _on_refusal(self, error: OrderRejected) -> float:
        """The key is refused: nothing else is sent until an entry about no trade is taken."""
        if error.code not in NOT_ALLOWED and self._verified:  # of a look-up
            return self._failed(error)
        self._refused, self._error, self._verified = error.reason, error.reason, False
        try:
            await self._box.distrust(self._credential)
        except JournalUnwritable as unwritten:
            log.warning("AI log: %s", unwritten)
        return self._pace.refused

    async def _prune(self) -> None:
        now = self._wall.now()
        if self._pruned_at is None or now - self._pruned_at >= timedelta(hours=1):
            self._pruned_at = now
            await self._box.prune(now - KEPT)
