"""One destination's state in memory."""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from bot.delivery.queue import Queue
from bot.delivery.repeats import Backoff
from storage.mail import Lane, Together
from trading.errors import IllegalTransition

log = logging.getLogger(__name__)
_PROMISE = 5.0  # seconds
_THREADS = 500  # remembered; older ones are looked up
FEW, MANY = 50, 500  # rows in memory: of a chat that takes them one by one, and of one that takes them in batches


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationHealth:
    destination: str
    waiting: int
    oldest: datetime | None  # when the oldest of them was queued
    error: str  # the last; empty once a message has got through again
    since: datetime | None  # when this trouble began
    dead: int  # messages this destination refused for good, since the process began
    refusal: str  # why, the last of them


class Line:
    """What its worker knows, what the outbox has not been told yet, and how well it goes."""

    def __init__(self, destination: str, *, batched: bool) -> None:
        self.destination = destination
        self.batched = batched  # its chat knows its keys, and takes many rows at once
        self.busy = asyncio.Lock()
        self.mail = asyncio.Event()
        self.queue = Queue(MANY if batched else FEW)
        self.backoff = Backoff()
        self.due: dict[str, Lane] = {}  # bundles whose time has come
        self.begun: dict[str, Together] = {}  # cards of many that were not taken: told again as they were
        self.sent_at: datetime | None = None  # the last message
        self.promised: float | None = None  # by the loop: a row is being committed that goes before all others
        self.failures = 0  # in a row
        self._books: deque[Callable[[], Awaitable[None]]] = deque()
        self._threads: OrderedDict[str, str] = OrderedDict()  # thread -> reference of its first message here
        self._error = ""
        self._since: datetime | None = None
        self._dead, self._refusal = 0, ""

    @property
    def platform(self) -> str:
        return self.destination.partition(":")[0]

    @property
    def idle(self) -> bool:
        """Nothing waits, and nothing is in the way of what comes next."""
        waits = self.busy.locked() or len(self.queue) > 0 or bool(self.due) or self.promised is not None
        return self.queue.known and not waits and not self._error and not self._books

    def promise(self) -> None:
        """The row that is being committed is claimed: nothing goes before it until it is here."""
        self.promised = asyncio.get_running_loop().time()

    def waits_for_promise(self) -> bool:
        """A commit that failed brings nothing: it is not waited for long."""
        if self.promised is not None and asyncio.get_running_loop().time() - self.promised > _PROMISE:
            self.promised = None
        return self.promised is not None

    # --- books ----------------------------------------------------------------------------------------------------

    def book(self, entry: Callable[[], Awaitable[None]]) -> None:
        self._books.append(entry)

    async def settle(self) -> None:
        """Tell the outbox what became of its rows. What it does not take now is told again later."""
        while self._books:
            try:
                await self._books[0]()
            except IllegalTransition as error:
                log.warning("the outbox knew that already: %s", error)
            self._books.popleft()

    # --- threads --------------------------------------------------------------------------------------------------

    def thread(self, name: str) -> str | None:
        """The reference of its first message, "" where there is none; None: not known here."""
        return self._threads.get(name)

    def remember(self, name: str, reference: str) -> None:
        """The first reference of a thread stays."""
        if name and not self._threads.get(name):
            self._threads[name] = reference
            while len(self._threads) > _THREADS:
                self._threads.popitem(last=False)

    # --- health ---------------------------------------------------------------------------------------------------

    def ill(self, error: str, at: datetime) -> None:
        if not self._error:
            log.warning("%s cannot be reached: %s", self.destination, error)
            self._since = at
        self._error = error

    def well(self) -> None:
        if self._error:
            log.info("%s is reached again", self.destination)
        self.failures, self._error, self._since = 0, "", None

    def refused(self, why: str) -> None:
        log.warning("%s refused a message for good: %s", self.destination, why)
        self._dead, self._refusal = self._dead + 1, why

    def health(self, depth: tuple[int, datetime] | None) -> DestinationHealth:
        waiting, oldest = depth or (0, None)
        return DestinationHealth(
            destination=self.destination,
            waiting=waiting,
            oldest=oldest,
            error=self._error,
            since=self._since,
            dead=self._dead,
            refusal=self._refusal,
        )
