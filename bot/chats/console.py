"""The chat in the terminal: cards as they would stand on a phone, a prompt, a transcript of what was told."""

import asyncio
import contextlib
import logging
import sys
import textwrap
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TextIO

from bot.chats.transcript import Transcript
from bot.surface import Card, ChatRefused, Identity, Request
from trading.clock import SystemClock

log = logging.getLogger(__name__)

DESTINATION = "console:main"
OWNER = Identity(platform="console", id="owner")
WIDTH = 60
Handle = Callable[[Request], Awaitable[Card | None]]
Print = Callable[[str, list[str]], None]  # title, and the lines under it


def _hints(card: Card) -> Iterator[str]:
    """What the buttons would do, as commands to type."""
    asked = [b.data.partition(":")[2] for b in card.buttons if b.data.startswith("cf:")]
    if asked:
        yield f"Type yes to confirm or no to cancel (or /confirm {asked[0]})"
    typed = [b.data.removeprefix("do:") for b in card.buttons if b.data.startswith("do:")]
    if typed:
        yield "> " + "  ".join(typed)


def layout(card: Card, *, folded: bool) -> tuple[str, list[str]]:
    """Title and lines within 60 columns. A folded card keeps its detail back, as a phone does."""
    title, *rest = textwrap.wrap(card.title, WIDTH - 2) or [""]
    texts = (*rest, *card.lines, *(() if folded else card.detail), *_hints(card))
    lines = [
        f"│ {piece}"
        for text in texts
        for piece in textwrap.wrap(text, WIDTH - 2, subsequent_indent="  ", break_on_hyphens=False)
    ]
    return f"┌ {title}", [*lines, "└"]


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
        stdin: TextIO | None = None,
        stdout: TextIO | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        """`complete` gives whole lines that may follow what is typed; `quiet` leaves alerts to the
        transcript and answers what is typed all the same; `mute` prints nothing at all."""
        self._data_dir = data_dir
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

    async def send(self, destination: str, card: Card, *, key: str, silent: bool) -> str:  # noqa: ARG002
        """Once per key, over all restarts. `silent` means nothing here: a terminal never rings.

        Raises ChatRefused for another destination, ChatDown when the transcript cannot be written.
        """
        if destination != DESTINATION:
            raise ChatRefused(f"{destination} is not this terminal")
        if key not in self._transcript:
            self._transcript.add(key, self._now(), card.plain())
            if not self._quiet:
                self._show(card, folded=True)
        return key

    def _show(self, card: Card, *, folded: bool) -> None:
        if self._mute:
            return
        try:
            self._print(*layout(card, folded=folded))
        except OSError as error:  # the pipe or terminal was closed; the desk goes on
            self._mute = True
            log.warning("the terminal is gone (%s): from here on only the transcript is written", error.strerror)

    async def run(self, handle: Handle) -> None:
        """Read commands until somebody asks to stop."""
        if self._interactive:
            from bot.chats.prompt import Prompt

            prompt = Prompt(self._data_dir / "console_history", self._toolbar, self._complete)
            with prompt.above():
                await self._loop(prompt.line, handle)
        else:
            await self._loop(_Stdin(self._stdin).line, handle)

    async def _loop(self, read: Callable[[], Awaitable[str]], handle: Handle) -> None:
        while True:
            try:
                text = (await read()).strip()
            except (EOFError, KeyboardInterrupt):
                text = "/quit"
            if text.lower() in ("/quit", "/exit"):
                self._stop()
                return
            if text:
                await self._answer(text, handle)

    async def _answer(self, text: str, handle: Handle) -> None:
        card = await handle(self._request(text))
        if card is not None:
            asked = [b.data.partition(":")[2] for b in card.buttons if b.data.startswith("cf:")]
            self._asked = asked[0] if asked else ""  # "yes" is about the card above it, never about an older one
            self._show(card, folded=False)

    def _request(self, text: str) -> Request:
        """The words "yes", "no" and "/confirm TOKEN" are the taps of a keyboard."""
        word, _, rest = text.partition(" ")
        button = ""
        if word.lower() == "/confirm" and rest:
            button = f"cf:{rest.strip()}"
        elif self._asked and text.lower() in ("yes", "no"):
            button = f"{'cf' if text.lower() == 'yes' else 'no'}:{self._asked}"
        return Request(who=OWNER, place=DESTINATION, text="" if button else text, button=button, at=self._now())

    def close(self) -> None:
        self._transcript.close()
