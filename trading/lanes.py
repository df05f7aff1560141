"""One queue and one worker per instrument: everything that touches an instrument goes through its lane, in order."""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable

from trading.errors import Misuse
from trading.model import Symbol

log = logging.getLogger(__name__)

Job = Callable[[], Awaitable[None]]
STOPPED = "The desk has stopped."


class Lanes:
    """Jobs of one instrument run one after the other, urgent ones first; instruments do not wait for each other."""

    def __init__(self, failed: Callable[[Symbol, Exception], None]) -> None:
        self._failed = failed
        self._queues: dict[Symbol, asyncio.PriorityQueue[tuple[int, int, Job]]] = {}
        self._workers: list[asyncio.Task[None]] = []
        self._numbers = itertools.count()
        self._newest: dict[tuple[Symbol, str], Job] = {}  # of what was posted under a name, and has not begun
        self._unfinished = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._waited_for: set[asyncio.Future[None]] = set()
        self._closed = False

    def post(self, symbol: Symbol, job: Job, *, urgent: bool = True) -> None:
        """Queue a job. `urgent`: before the ones that are not (exits and fills before entries). Once the lanes are
        closed nothing runs any more."""
        if self._closed:
            return
        if symbol not in self._queues:
            self._queues[symbol] = asyncio.PriorityQueue()
            self._workers.append(asyncio.create_task(self._work(symbol), name=f"lane {symbol}"))
        self._unfinished += 1
        self._idle.clear()
        self._queues[symbol].put_nowait((0 if urgent else 1, next(self._numbers), job))

    def post_newest(self, symbol: Symbol, name: str, job: Job) -> None:
        """Queue an urgent job; where one of this name waits already, the new one takes its place: a lane that is held
        up by a venue looks at the last quote, and not at each that came meanwhile."""
        waits = (symbol, name) in self._newest
        self._newest[symbol, name] = job
        if not waits:
            self.post(symbol, lambda: self._newest.pop((symbol, name))())

    async def run(self, symbol: Symbol, job: Job) -> None:
        """Queue an urgent job and wait until it is done, or has failed. Never from inside the same lane: it would wait
        for itself. Raises Misuse where the lanes are closed before it is done."""
        if self._closed:
            raise Misuse(STOPPED)
        done = asyncio.get_running_loop().create_future()

        async def told() -> None:
            try:
                await job()
            finally:
                if not self._closed and not done.done():
                    done.set_result(None)

        self._waited_for.add(done)
        self.post(symbol, told)
        try:
            await done
        finally:
            self._waited_for.discard(done)

    @property
    def idle(self) -> bool:
        return self._unfinished == 0

    async def settle(self) -> None:
        """Until nothing is queued or running."""
        await self._idle.wait()

    async def close(self) -> None:
        """End the workers; what runs is cancelled where it waits, and who waits for it is told."""
        self._closed = True
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        for done in self._waited_for:
            if not done.done():
                done.set_exception(Misuse(STOPPED))

    async def _work(self, symbol: Symbol) -> None:
        queue = self._queues[symbol]
        while True:
            _, _, job = await queue.get()
            try:
                await job()
            except Exception as error:  # a lane outlives any one job; the desk says so, and freezes
                log.exception("lane %s", symbol)
                self._failed(symbol, error)
            finally:
                self._unfinished -= 1
                if self._unfinished == 0:
                    self._idle.set()
