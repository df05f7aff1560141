"""Where pictures are drawn: one process beside the desk's own, there only while somebody looks at pictures."""

import asyncio
import logging
import os
import pickle
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import OrderedDict
from datetime import timedelta
from pathlib import Path

from bot.charts.worker import ANSWER, LENGTH
from bot.pictures import Picture

log = logging.getLogger(__name__)

_ROOT = Path(__file__).resolve().parents[2]
_KEPT = 8  # pictures that are not drawn again
_NEEDED = ("PATH", "HOME", "TMPDIR", "SYSTEMROOT")  # of the environment: whoever draws needs no token and no key
_SMALL = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_TRIM_THRESHOLD_": "100000"}  # what it does not use it gives back
_BROKEN = (TimeoutError, EOFError, OSError)  # asyncio.IncompleteReadError is an EOFError


class DrawingFailed(Exception):
    """There is no picture; the words do without."""


class Studio:
    """Implements Artist. The process starts with the first picture, and ends after `idle` without one; one that does
    not answer within `timeout` is replaced."""

    def __init__(
        self,
        cache: Path | None = None,
        *,
        idle: timedelta = timedelta(seconds=120),
        timeout: timedelta = timedelta(seconds=20),
        worker: str = "bot.charts.worker",
    ) -> None:
        """`cache`: a directory where the list of fonts is kept, which takes a second to make; None: the usual one."""
        self._environment = {name: os.environ[name] for name in _NEEDED if name in os.environ}
        self._environment |= _SMALL | {"PYTHONPATH": str(_ROOT)} | ({"MPLCONFIGDIR": str(cache)} if cache else {})
        self._idle, self._timeout, self._worker = idle.total_seconds(), timeout.total_seconds(), worker
        self._process: Process | None = None
        self._one = asyncio.Lock()  # one picture at a time
        self._drawn: OrderedDict[bytes, asyncio.Task[bytes]] = OrderedDict()
        self._resting: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Of the process that draws, while there is one."""
        return None if self._process is None else self._process.pid

    async def draw(self, picture: Picture, *, dark: bool) -> bytes:
        """A PNG. The same picture asked for twice is drawn once. Raises DrawingFailed."""
        job = pickle.dumps((picture, dark))
        drawing = self._drawn.get(job)
        if drawing is None:
            drawing = self._drawn[job] = asyncio.create_task(self._draw(job), name="picture")
            drawing.add_done_callback(lambda done: self._forget(job, done))
        self._drawn.move_to_end(job)
        return await asyncio.shield(drawing)  # another may be waiting for it too

    def _forget(self, job: bytes, done: "asyncio.Task[bytes]") -> None:
        """What failed may be tried again; of what succeeded the oldest go."""
        if done.cancelled() or done.exception() is not None:
            self._drawn.pop(job, None)
        for old in [key for key, task in self._drawn.items() if task.done()][:-_KEPT]:
            del self._drawn[old]

    async def _draw(self, job: bytes) -> bytes:
        async with self._one:
            if self._closed:
                raise DrawingFailed("the desk is being stopped")
            try:
                async with asyncio.timeout(self._timeout):
                    made, answer = await self._asked(job)
            except _BROKEN as error:
                await self._dismiss()
                log.warning("no picture, the process that draws is replaced: %s", type(error).__name__)
                raise DrawingFailed(f"the process that draws gave no answer ({type(error).__name__})") from error
            self._rest()
        if not made:
            raise DrawingFailed(answer.decode(errors="replace"))
        return answer

    async def _asked(self, job: bytes) -> tuple[bool, bytes]:
        if self._process is None:
            self._process = await self._started()
        to, back = self._process.stdin, self._process.stdout
        assert to is not None
        assert back is not None
        to.write(LENGTH.pack(len(job)) + job)
        await to.drain()
        made, length = ANSWER.unpack(await back.readexactly(ANSWER.size))
        return bool(made), await back.readexactly(length)

    async def _started(self) -> Process:
        """In a session of its own, so that Ctrl-C reaches the desk alone."""
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._worker,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=self._environment,
            start_new_session=True,
        )

    # --- its end ------------------------------------------------------------------------------------------------

    def _rest(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
        self._resting = asyncio.create_task(self._retire(), name="studio rests")

    async def _retire(self) -> None:
        await asyncio.sleep(self._idle)
        async with self._one:
            await self._dismiss()

    async def _dismiss(self) -> None:
        """Nothing is lost with it: it holds nothing. It would end by itself, too, if the desk were gone."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def close(self) -> None:
        """What is being drawn is given up."""
        self._closed = True
        tasks = [task for task in (*self._drawn.values(), self._resting) if task is not None and not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._dismiss()
