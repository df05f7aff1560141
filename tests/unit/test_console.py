"""The terminal chat: each alert once over all restarts, commands from a pipe, and a real terminal."""

import asyncio
import io
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pexpect
import pytest

from bot.chats.console import DESTINATION, OWNER, Console, layout
from bot.surface import Button, Card, ChatDown, ChatRefused, Request

AT = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
CARD = Card(
    title="PAPER ▲ BTC long 0.0124 @ 64,210.5",
    lines=("Filled 0.0124 of 0.0124",),
    detail=("a detail",),
    buttons=(Button(label="Why", data="do:/why btc-k3f9x2pa"),),
)
ASKED = Card(
    title="PAPER close?", buttons=(Button(label="Confirm", data="cf:abc"), Button(label="Cancel", data="no:abc"))
)


def a_console(
    directory: Path, out: io.StringIO, *, stdin: str = "", quiet: bool = False, mute: bool = False
) -> tuple[Console, asyncio.Event]:
    stopped = asyncio.Event()
    console = Console(
        directory,
        stop=stopped.set,
        stdin=io.StringIO(stdin),
        stdout=out,
        quiet=quiet,
        mute=mute,
        now=lambda: AT,
        interactive=False,
    )
    return console, stopped


def transcript(directory: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (directory / "console.jsonl").read_text().splitlines()]


async def test_a_key_is_shown_once_even_after_a_restart(tmp_path: Path) -> None:
    out = io.StringIO()
    for _ in range(2):
        console, _stopped = a_console(tmp_path, out)
        for _ in range(2):
            assert await console.send(DESTINATION, CARD, key="1:console:main", silent=False) == "1:console:main"
        console.close()
    assert out.getvalue().count("BTC long") == 1
    assert transcript(tmp_path) == [{"key": "1:console:main", "at": AT.isoformat(), "text": CARD.plain()}]


async def test_a_torn_last_line_is_closed_and_its_card_shown_again(tmp_path: Path) -> None:
    (tmp_path / "console.jsonl").write_bytes(b'{"key":"1","at":"x","text":"y"}\n{"key":"2","at"')
    console, _ = a_console(tmp_path, out := io.StringIO())
    await console.send(DESTINATION, CARD, key="1", silent=False)
    await console.send(DESTINATION, CARD, key="2", silent=False)
    console.close()
    assert out.getvalue().count("BTC long") == 1
    again, _ = a_console(tmp_path, out)
    await again.send(DESTINATION, CARD, key="2", silent=False)
    again.close()
    assert out.getvalue().count("BTC long") == 1


@pytest.mark.parametrize("how", [{"quiet": True}, {"mute": True}])
async def test_quiet_leaves_alerts_to_the_transcript_and_answers_all_the_same(
    tmp_path: Path, how: dict[str, bool]
) -> None:
    async def handle(request: Request) -> Card | None:
        return Card(title=f"answer to {request.text}")

    console, _ = a_console(tmp_path, out := io.StringIO(), stdin="/status\n/quit\n", **how)
    await console.send(DESTINATION, CARD, key="1", silent=False)
    async with asyncio.timeout(5):
        await console.run(handle)
    console.close()
    assert "BTC long" not in out.getvalue()
    assert ("answer to /status" in out.getvalue()) == ("quiet" in how)
    assert len(transcript(tmp_path)) == 1


async def test_a_terminal_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    console, _ = a_console(tmp_path, Gone())
    for key in ("1", "2"):
        await console.send(DESTINATION, CARD, key=key, silent=False)
    console.close()
    assert [line["key"] for line in transcript(tmp_path)] == ["1", "2"]


async def test_another_destination_is_refused(tmp_path: Path) -> None:
    console, _ = a_console(tmp_path, io.StringIO())
    with pytest.raises(ChatRefused):
        await console.send("console:other", CARD, key="1", silent=False)
    console.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
async def test_a_transcript_that_cannot_be_written_shows_nothing_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "console.jsonl").symlink_to("/dev/full")
    console, _ = a_console(tmp_path, out := io.StringIO())
    with pytest.raises(ChatDown, match="cannot be written"):
        await console.send(DESTINATION, CARD, key="1", silent=False)
    console.close()
    assert out.getvalue() == ""


def test_cards_stand_within_sixty_columns_and_alerts_fold_their_detail() -> None:
    wide = Card(title="t" * 60, lines=("word " * 40, "x" * 150), detail=("a detail",))
    title, lines = layout(wide, folded=False)
    assert all(len(line) <= 60 for line in (title, *lines))
    assert "│ a detail" in lines
    assert "│ a detail" not in layout(wide, folded=True)[1]
    assert "│ > /why btc-k3f9x2pa" in layout(CARD, folded=True)[1]


async def heard(directory: Path, stdin: str) -> tuple[list[Request], str]:
    """What a console asks the surface for when these lines are piped into it, and what it prints."""
    requests: list[Request] = []

    async def handle(request: Request) -> Card | None:
        requests.append(request)
        return ASKED if request.text == "/close BTC" else Card(title="answered", detail=("in full",))

    console, stopped = a_console(directory, out := io.StringIO(), stdin=stdin)
    async with asyncio.timeout(5):
        await console.run(handle)
    console.close()
    assert stopped.is_set()
    return requests, out.getvalue()


async def test_lines_of_a_pipe_are_commands(tmp_path: Path) -> None:
    requests, printed = await heard(tmp_path, "/status\n\n  /pnl 7d  \n/quit\n")
    assert [(r.who, r.place, r.text, r.at) for r in requests] == [
        (OWNER, DESTINATION, "/status", AT),
        (OWNER, DESTINATION, "/pnl 7d", AT),
    ]
    assert "in full" in printed


async def test_yes_confirms_the_last_question_once_and_the_hint_says_so(tmp_path: Path) -> None:
    requests, printed = await heard(tmp_path, "yes\n/close BTC\nyes\nyes\n/close BTC\nno\n/confirm f00\n/quit\n")
    assert [r.button or r.text for r in requests] == [
        "yes",
        "/close BTC",
        "cf:abc",
        "yes",
        "/close BTC",
        "no:abc",
        "cf:f00",
    ]
    assert "Type yes to confirm or no to cancel (or /confirm abc)" in " ".join(printed.replace("│", "").split())


async def test_yes_is_never_about_a_question_before_the_last_answer(tmp_path: Path) -> None:
    requests, _ = await heard(tmp_path, "/close BTC\n/status\nyes\n/quit\n")
    assert [r.button or r.text for r in requests] == ["/close BTC", "/status", "yes"]


async def test_the_end_of_a_pipe_does_not_stop_the_desk(tmp_path: Path) -> None:
    async def handle(_: Request) -> Card | None:
        return None

    console, stopped = a_console(tmp_path, io.StringIO(), stdin="/status\n")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await console.run(handle)
    console.close()
    assert not stopped.is_set()


PROGRAM = """
import asyncio, sys
from pathlib import Path
from bot.chats.console import DESTINATION, Console
from bot.surface import Card

async def main(directory):
    done = asyncio.Event()
    console = Console(Path(directory), stop=done.set, toolbar=lambda: " PAPER equity 10,000.00 ",
                      complete=lambda typed: [c for c in ("/status", "/stats") if c.startswith(typed)] if typed else [])
    async def handle(request):
        return Card(title=f"answer to {request.text}")
    await console.send(DESTINATION, Card(title="PAPER first alert"), key="1", silent=False)
    task = asyncio.create_task(console.run(handle))
    await asyncio.sleep(0.3)
    await console.send(DESTINATION, Card(title="PAPER second alert"), key="2", silent=False)
    await done.wait()
    await task
    print("stopped in order")

asyncio.run(main(sys.argv[1]))
"""


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[pexpect.spawn]:
    child = pexpect.spawn(
        sys.executable,
        ["-c", PROGRAM, str(tmp_path)],
        cwd=str(Path(__file__).parents[2]),
        encoding="utf-8",
        timeout=20,
        dimensions=(40, 100),
        env={**os.environ, "TERM": "xterm"},
    )
    yield child
    child.close(force=True)


@pytest.mark.parametrize("end", ["/quit\r", "\x03", "\x04"])
def test_a_real_terminal_has_prompt_toolbar_alerts_and_an_end(terminal: pexpect.spawn, end: str) -> None:
    terminal.expect("first alert")
    terminal.expect_exact("\x1b[6n")  # where is the cursor?
    terminal.send("\x1b[10;1R")
    terminal.expect("equity 10,000.00")
    terminal.expect("second alert")
    terminal.send("/status\r")
    terminal.expect("answer to /status")
    terminal.send(end)
    terminal.expect("stopped in order")
