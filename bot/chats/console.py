"""The chat in the terminal: cards as they would stand on a phone, a prompt, a transcript of what was told."""

import asyncio
import contextlib
import logging
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from bot.chats.console_text import button_of, layout
from bot.chats.growing import grow
from bot.chats.keepsakes import keep
from bot.chats.transcript import Transcript
from bot.pictures import Picture
from bot.surface import Artist, Card, ChatRefused, Identity, Request, Service
from trading.clock import SystemClock

log = logging.getLogger(__name__)

DESTINATION = "console:main"
OWNER = Identity(platform="console", id="owner")
Print = Callable[[str, list[str]], None]  # title, and the lines under it


def printing_to(out: TextIO) -> Print:
    def show(title: str, lines: list[str]) -> None:
        out.write("\n".join((title, *lines)) + "\n")
        out.flush()

    return show


class _Stdin:
    """Lines of a stream that is no terminal. A daemon thread reads, so that a silent stream never holds the exit up."""

    def __init__(self, stream: TextIO) -> None:
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[str] = asyncio.Queue()
        threading.Thread(target=self._read, args=(stream,), daemon=True, name="stdin").start()

    def _read(self, stream: TextIO) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            for line in stream:
                self._loop.call_soon_threadsafe(self._lines.put_nowait, line)

    async def line(self) -> str:
        """Waits for ever after the end of the stream: the desk goes on without a keyboard."""
        return await self._lines.get()


class Console:
    """Implements Chat for the one destination "console:main"."""

    platform = "console"

    def __init__(
        self,
        data_dir: Path,
        *,
        stop: Callable[[], None],
        toolbar: Callable[[], str] = lambda: "",
        complete: Callable[[str], list[str]] = lambda _: [],
        interactive: bool | None = None,
        quiet: bool = False,
        mute: bool = False,
        artist: Artist | None = None,
        pictured: Callable[[], bool] = lambda: False,
        owner: Identity = OWNER,
        stdin: TextIO | None = None,
        stdout: TextIO | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        """`complete` gives whole lines that may follow what is typed; `quiet` leaves alerts to the
        transcript and answers what is typed all the same; `mute` prints nothing at all. Pictures are drawn by
        `artist`: those that a person asked for, and where `pictured` those of alerts. `owner`: whoever sits here.
        """
        self.owner = owner
        self._data_dir = data_dir
        self._artist = artist
        self._pictured = pictured
        self._service: Service | None = None  # while somebody may type
        self._following: set[asyncio.Task[None]] = set()  # pictures, files and words on their way
        self._transcript = Transcript(data_dir / "console.jsonl")
        self._stop = stop
        self._toolbar = toolbar
        self._complete = complete
        self._stdin = stdin or sys.stdin
        out = stdout or sys.stdout
        seated = self._stdin.isatty() and out.isatty() if interactive is None else interactive
        self._interactive = seated and not mute
        self._quiet = quiet
        self._mute = mute
        self._now = now or SystemClock().now
        self._asked = ""  # token of the confirmation that the last answer asks for
        self._print = self._styled() if self._interactive else printing_to(out)

    def _styled(self) -> Print:
        from bot.chats.prompt import show

        return show

    # --- what is told -------------------------------------------------------------------------------------------

    async def send(self, destination: str, card: Card, *, key: str, silent: bool, reply_to: str = "") -> str:  # noqa: ARG002
        """Once per key, over all restarts. `silent` means nothing here, a terminal never rings, nor does `reply_to`:
        what belongs together stands together anyhow.

        Raises ChatRefused for another destination, ChatDown when the transcript cannot be written.
        """
        if destination != DESTINATION:
            raise ChatRefused(f"{destination} is not this terminal")
        if key not in self._transcript:
            self._transcript.add(key, self._now(), card.plain())
            if not self._quiet:
                self._show(card, folded=True)
                self._follow(card, self._service, pictured=self._pictured())
        return key

    async def edit(self, destination: str, reference: str, card: Card) -> bool:  # noqa: ARG002
        """What is printed stays."""
        return False

    async def pin(self, destination: str, reference: str) -> None:
        """A terminal has its toolbar."""

    def _show(self, card: Card, *, folded: bool) -> None:
        self._say(*layout(card, folded=folded))

    def _say(self, title: str, lines: Sequence[str] = ()) -> None:
        if self._mute:
            return
        try:
            self._print(title, list(lines))
        except OSError as error:  # the pipe or terminal was closed; the desk goes on
            self._mute = True
            log.warning("the terminal is gone (%s): from here on only the transcript is written", error.strerror)

    # --- what follows the words ---------------------------------------------------------------------------------

    def _follow(self, card: Card, service: Service | None, *, pictured: bool) -> None:
        """The card's file and its picture, when they are ready. Nothing waits for them."""
        picture = card.picture if pictured and self._artist is not None and service is not None else None
        if self._mute or (card.file is None and picture is None):
            return
        dark = service is not None and service.dark(DESTINATION)
        self._behind(self._keep(card, picture, dark=dark))

    def _behind(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="console follows up")
        self._following.add(task)
        task.add_done_callback(self._following.discard)

    async def _keep(self, card: Card, picture: Picture | None, *, dark: bool) -> None:
        if card.file is not None:
            await self._kept("files", card.file.name, card.file.content)
        if picture is not None and self._artist is not None:
            try:
                png = await self._artist.draw(picture, dark=dark)
            except Exception:
                log.exception("a picture was not drawn")
                return
            await self._kept("pictures", f"{type(picture).__name__.removesuffix('Picture').lower()}.png", png)

    async def _kept(self, folder: str, name: str, content: bytes) -> None:
        try:
            path = await asyncio.to_thread(keep, self._data_dir / folder, name, content, self._now())
            self._say(f"{folder.removesuffix('s').capitalize()} {path}")
        except OSError as error:
            self._say(f"{name} could not be written: {error.strerror}")

    # --- what is asked ------------------------------------------------------------------------------------------

    async def run(self, service: Service) -> None:
        """Read commands until somebody asks to stop."""
        self._service = service
        try:
            if self._interactive:
                from bot.chats.prompt import Prompt

                prompt = Prompt(self._data_dir / "console_history", self._toolbar, self._complete)
                with prompt.above():
                    await self._loop(prompt.line, service)
            else:
                await self._loop(_Stdin(self._stdin).line, service)
        finally:
            self._service = None
            for task in self._following:
                task.cancel()
            await asyncio.gather(*self._following, return_exceptions=True)

    async def _loop(self, read: Callable[[], Awaitable[str]], service: Service) -> None:
        while True:
            try:
                text = (await read()).strip()
            except (EOFError, KeyboardInterrupt):
                text = "/quit"
            if text.lower() in ("/quit", "/exit"):
                self._stop()
                return
            if text:
                await self.answer(text, service)

    async def answer(self, text: str, service: Service) -> None:
        """What a line that was typed leads to."""
        button, said = button_of(text, self._asked)
        card = await service.handle(
            Request(who=self.owner, place=DESTINATION, text=said, button=button, at=self._now(), private=True)
        )
        if card is not None:
            self._asked = card.token  # "yes" is about the card above it, never about an older one
            self._show(card, folded=False)
            self._follow(card, service, pictured=True)
            if card.grows:
                self._behind(self._grow(card, service))

    async def _grow(self, card: Card, service: Service) -> None:
        """What is printed stays: the words come as a card of their own, when they are whole."""

        async def replace(_: Card) -> bool:
            return False

        async def say(grown: Card) -> None:
            self._show(grown, folded=True)

        await grow(service.growing(card, 0), replace, say)

    def close(self) -> None:
        self._transcript.close()
