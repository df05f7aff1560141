"""The terminal chat: each alert once over all restarts, commands from a pipe, and a real terminal."""

import asyncio
import io
import json
import os
import stat
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pexpect
import pytest

from bot.chats.console import DESTINATION, OWNER, Console
from bot.chats.console_text import WIDTH, button_of, layout
from bot.chats.keepsakes import keep
from bot.pictures import Picture, Score, ScoresPicture
from bot.surface import Button, Card, ChatDown, ChatRefused, File, Identity, MenuLine, Request, Role, Table

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
CODED = Card(
    title="PAPER flatten?",
    lines=("Type 4821 to confirm.",),
    buttons=(
        Button(label="Confirm", data="cf:abc", form="Type 4821 to confirm"),
        Button(label="Cancel", data="no:abc"),
    ),
)
SCORES = ScoresPicture(title="Personas", scores=(Score(name="flow", n=3, rate=0.5, low=0.1, high=0.9),))


@dataclass
class Desk:
    """Implements Service: answers by a table, and remembers what it was asked."""

    answers: Callable[[Request], Card | None]
    asked: list[Request] = field(default_factory=list)
    in_the_dark: bool = False

    async def handle(self, request: Request) -> Card | None:
        self.asked.append(request)
        return self.answers(request)

    async def shown(self, card: Card, destination: str, reference: str) -> None:
        raise AssertionError("what is printed cannot be greyed out")

    async def growing(self, card: Card, every: float) -> AsyncGenerator[Card, None]:
        for grown in ():
            yield grown

    def suggest(self, request: Request, command: str, argument: str, typed: str) -> tuple[str, ...]:
        return ()

    def menu(self, role: Role | None) -> tuple[MenuLine, ...]:
        return ()

    def members(self, platform: str) -> tuple[tuple[Identity, Role], ...]:
        return ()

    def dark(self, destination: str) -> bool:
        return self.in_the_dark


def a_console(directory: Path, out: io.StringIO, *, stdin: str = "", **others: Any) -> tuple[Console, asyncio.Event]:
    stopped = asyncio.Event()
    console = Console(
        directory,
        stop=stopped.set,
        stdin=io.StringIO(stdin),
        stdout=out,
        now=lambda: AT,
        interactive=False,
        **others,
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
    console, _ = a_console(tmp_path, out := io.StringIO(), stdin="/status\n/quit\n", **how)
    await console.send(DESTINATION, CARD, key="1", silent=False)
    async with asyncio.timeout(5):
        await console.run(Desk(lambda request: Card(title=f"answer to {request.text}")))
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


# --- how a card stands there --------------------------------------------------------------------------------------


def test_cards_stand_within_sixty_columns_and_alerts_fold_their_detail() -> None:
    wide = Card(title="t" * 60, lines=("word " * 40, "x" * 150), detail=("a detail",))
    title, lines = layout(wide, folded=False)
    assert all(len(line) <= WIDTH for line in (title, *lines))
    assert "│ a detail" in lines
    assert "│ a detail" not in layout(wide, folded=True)[1]
    assert "│ > /why btc-k3f9x2pa" in layout(CARD, folded=True)[1]


def test_a_table_stands_in_columns_with_its_numbers_at_the_right_before_the_lines() -> None:
    rows = (("BTC", "+12.40", "2 h 05 min"), ("SOL", "-103.10", ""))
    card = Card(title="trades", lines=("a line",), table=Table(head=("pair", "net", "held"), rows=rows))
    assert layout(card, folded=False)[1] == [
        "│ pair      net  held",
        "│ BTC    +12.40  2 h 05 min",
        "│ SOL   -103.10",
        "│ a line",
        "└",
    ]


def test_a_table_that_is_too_wide_stands_as_lines() -> None:
    rows = (("BTC", "w" * 30, "x" * 30),)
    _, lines = layout(Card(title="trades", table=Table(head=("a", "b", "c"), rows=rows)), folded=False)
    assert lines[0] == f"│ BTC · {'w' * 30} ·"
    assert all(len(line) <= WIDTH for line in lines)
    assert layout(Card(title="none", table=Table(head=("a",), rows=())), folded=False)[1] == ["└"]


def test_buttons_stand_there_as_words_to_type() -> None:
    buttons = (
        Button(label="Next", data="re:/trades page=2"),
        Button(label="Why", data="do:/why last"),
        Button(label="Why?", data="do:/why last"),
    )
    assert layout(Card(title="t", buttons=buttons), folded=True)[1] == ["│ > /trades page=2  /why last", "└"]


@pytest.mark.parametrize(
    ("text", "asked", "button", "said"),
    [
        ("yes", "abc", "cf:abc", ""),
        ("NO", "abc", "no:abc", ""),
        ("yes", "", "", "yes"),
        ("yes please", "abc", "", "yes please"),
        ("/confirm abc", "", "cf:abc", ""),
        ("/confirm abc 4821", "", "cf:abc", "4821"),
        ("/cancel abc", "", "no:abc", ""),
        ("/confirm", "abc", "", "/confirm"),
        ("4821", "abc", "", "4821"),
        ("/close BTC 50%", "abc", "", "/close BTC 50%"),
    ],
)
def test_what_is_typed_may_stand_for_a_tap(text: str, asked: str, button: str, said: str) -> None:
    assert button_of(text, asked) == (button, said)


# --- what is typed ------------------------------------------------------------------------------------------------


async def heard(directory: Path, stdin: str) -> tuple[list[Request], str]:
    """What a console asks the surface for when these lines are piped into it, and what it prints."""
    known = {"/close BTC": ASKED, "/flatten": CODED}
    desk = Desk(lambda request: known.get(request.text, Card(title="answered", detail=("in full",))))
    console, stopped = a_console(directory, out := io.StringIO(), stdin=stdin)
    async with asyncio.timeout(5):
        await console.run(desk)
    console.close()
    assert stopped.is_set()
    return desk.asked, out.getvalue()


async def test_lines_of_a_pipe_are_commands(tmp_path: Path) -> None:
    requests, printed = await heard(tmp_path, "/status\n\n  /pnl 7d  \n/quit\n")
    assert [(r.who, r.place, r.text, r.at, r.private) for r in requests] == [
        (OWNER, DESTINATION, "/status", AT, True),
        (OWNER, DESTINATION, "/pnl 7d", AT, True),
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


async def test_a_code_is_typed_as_it_is(tmp_path: Path) -> None:
    requests, printed = await heard(tmp_path, "/flatten\n4821\n/quit\n")
    assert [(r.text, r.button) for r in requests] == [("/flatten", ""), ("4821", "")]
    assert "Type 4821 to confirm." in printed
    assert "> /cancel abc" in printed
    assert "Type yes" not in printed


async def test_the_end_of_a_pipe_does_not_stop_the_desk(tmp_path: Path) -> None:
    console, stopped = a_console(tmp_path, io.StringIO(), stdin="/status\n")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await console.run(Desk(lambda _: None))
    console.close()
    assert not stopped.is_set()


# --- what a terminal cannot show ----------------------------------------------------------------------------------


@dataclass
class Painter:
    """Implements Artist: draws when it is let, and remembers for which theme."""

    let: asyncio.Event = field(default_factory=asyncio.Event)
    themes: list[bool] = field(default_factory=list)
    fails: bool = False

    async def draw(self, picture: Picture, *, dark: bool) -> bytes:
        self.themes.append(dark)
        await self.let.wait()
        if self.fails:
            raise RuntimeError("no colours left")
        return b"\x89PNG " + picture.title.encode()


PICTURED = Card(title="PAPER personas", picture=SCORES)
LISTED = Card(title="PAPER trades", file=File(name="trades.csv", content=b"pair,net\nBTC,12.40\n"))


async def settled(console: Console) -> None:
    await asyncio.gather(*console._following)


async def test_a_picture_that_was_asked_for_follows_its_words_as_a_file(tmp_path: Path) -> None:
    painter = Painter()
    console, _ = a_console(tmp_path, out := io.StringIO(), artist=painter)
    await console.answer("/personas", Desk(lambda _: PICTURED, in_the_dark=True))
    assert "PAPER personas" in out.getvalue()  # before anything is drawn
    assert not (tmp_path / "pictures").exists()
    painter.let.set()
    await settled(console)
    console.close()
    (path,) = (tmp_path / "pictures").iterdir()
    assert path.name.startswith("scores-20260105-093000-")
    assert path.read_bytes() == b"\x89PNG Personas"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert out.getvalue().endswith(f"Picture {path}\n")
    assert painter.themes == [True]


@pytest.mark.parametrize("how", [{"mute": True, "artist": Painter()}, {}], ids=["mute", "nobody draws"])
async def test_without_a_terminal_or_an_artist_there_is_no_picture(tmp_path: Path, how: dict[str, Any]) -> None:
    console, _ = a_console(tmp_path, out := io.StringIO(), **how)
    await console.answer("/personas", Desk(lambda _: PICTURED))
    await settled(console)
    console.close()
    assert "Picture" not in out.getvalue()
    assert not (tmp_path / "pictures").exists()


async def test_a_picture_that_is_not_drawn_costs_no_word(tmp_path: Path) -> None:
    painter = Painter(fails=True)
    painter.let.set()
    console, _ = a_console(tmp_path, out := io.StringIO(), artist=painter)
    await console.answer("/personas", Desk(lambda _: PICTURED))
    await settled(console)
    console.close()
    assert out.getvalue() == "┌ PAPER personas\n└\n"


@pytest.mark.parametrize("wanted", [True, False])
async def test_pictures_of_alerts_are_drawn_where_they_are_wanted(tmp_path: Path, wanted: bool) -> None:
    painter = Painter()
    painter.let.set()
    console, _ = a_console(tmp_path, out := io.StringIO(), artist=painter, pictured=lambda: wanted)
    running = asyncio.create_task(console.run(Desk(lambda _: None)))
    await asyncio.sleep(0)
    await console.send(DESTINATION, PICTURED, key="1", silent=False)
    await settled(console)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    console.close()
    assert ("Picture" in out.getvalue()) is wanted
    assert painter.themes == [False] * wanted


async def test_quiet_keeps_an_alerts_file_and_picture_back_too(tmp_path: Path) -> None:
    console, _ = a_console(tmp_path, out := io.StringIO(), quiet=True, artist=Painter(), pictured=lambda: True)
    await console.send(DESTINATION, LISTED, key="1", silent=False)
    await console.send(DESTINATION, PICTURED, key="2", silent=False)
    assert not console._following
    console.close()
    assert out.getvalue() == ""


async def test_a_list_follows_its_words_as_a_file_for_its_owner_only(tmp_path: Path) -> None:
    console, _ = a_console(tmp_path, out := io.StringIO())
    await console.answer("/trades csv", Desk(lambda _: LISTED))
    await settled(console)
    console.close()
    (path,) = (tmp_path / "files").iterdir()
    assert path.read_bytes() == b"pair,net\nBTC,12.40\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert f"File {path}\n" in out.getvalue()


async def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("not a directory")
    console, _ = a_console(tmp_path, out := io.StringIO())
    await console.answer("/trades csv", Desk(lambda _: LISTED))
    await settled(console)
    console.close()
    assert "trades.csv could not be written: File exists" in out.getvalue()


async def test_what_is_being_drawn_does_not_hold_the_end_up(tmp_path: Path) -> None:
    console, stopped = a_console(tmp_path, io.StringIO(), stdin="/personas\n/quit\n", artist=Painter())
    async with asyncio.timeout(5):
        await console.run(Desk(lambda _: PICTURED))
    console.close()
    assert stopped.is_set()


@pytest.mark.parametrize(
    ("name", "begins", "ends"),
    [
        ("trades.csv", "trades-20260105-093000-", ".csv"),
        ("../../etc/passwd", "passwd-2026", ""),
        (".hidden", "hidden-2026", ""),
        ("a b/../c;d.c sv", "c-d-2026", ""),
        ("", "file-2026", ""),
    ],
)
def test_no_name_leads_out_of_the_directory(tmp_path: Path, name: str, begins: str, ends: str) -> None:
    path = keep(tmp_path / "files", name, b"content", AT)
    assert path.parent == tmp_path / "files"
    assert path.name.startswith(begins)
    assert path.name.endswith(ends)


def test_nothing_is_overwritten_but_the_same(tmp_path: Path) -> None:
    kept = {keep(tmp_path, "trades.csv", content, AT) for content in (b"one", b"two", b"one")}
    assert {path.read_bytes() for path in kept} == {b"one", b"two"}


async def test_what_is_printed_stays(tmp_path: Path) -> None:
    console, _ = a_console(tmp_path, out := io.StringIO())
    reference = await console.send(DESTINATION, CARD, key="1", silent=False, reply_to="0")
    before = out.getvalue()
    assert not await console.edit(DESTINATION, reference, ASKED)
    await console.pin(DESTINATION, reference)
    console.close()
    assert out.getvalue() == before


# --- a real terminal ----------------------------------------------------------------------------------------------

PROGRAM = """
import asyncio, sys
from pathlib import Path
from bot.chats.console import DESTINATION, Console
from bot.surface import Card

async def main(directory):
    done = asyncio.Event()
    console = Console(Path(directory), stop=done.set, toolbar=lambda: " PAPER equity 10,000.00 ",
                      complete=lambda typed: [c for c in ("/status", "/stats") if c.startswith(typed)] if typed else [])
    class Desk:
        async def handle(self, request):
            return Card(title=f"answer to {request.text}")
    await console.send(DESTINATION, Card(title="PAPER first alert"), key="1", silent=False)
    task = asyncio.create_task(console.run(Desk()))
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
