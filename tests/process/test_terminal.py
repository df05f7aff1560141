"""The real `gavel` in a real pseudo-terminal, with somebody typing."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

from bot.gate import COMMANDS  # from here it is filled
from tests.process import program, proofs
from tests.process.records import read
from trading.events import CommandRun, OrderIntended, TradingHalted, TradingResumed
from trading.model import Leg


class Terminal:
    """A screen and a keyboard. A real terminal answers questions, so this one does too."""

    def __init__(self, child: "pexpect.spawn[str]") -> None:
        self.child = child

    def see(self, words: str) -> None:
        """Wait until this is written, a regular expression."""
        until = time.monotonic() + program.PATIENCE
        while self.child.expect([words, "\x1b\\[6n"], timeout=max(until - time.monotonic(), 0)):
            self.child.send("\x1b[10;1R")

    def type(self, text: str) -> None:
        self.child.send(text)

    def end(self) -> int:
        """Wait for the end; the exit code."""
        self.child.expect(pexpect.EOF, timeout=program.PATIENCE)
        self.child.close()
        return int(self.child.exitstatus)


@contextmanager
def terminal(place: Path) -> Iterator[Terminal]:
    child: pexpect.spawn[str] = pexpect.spawn(
        str(program.GAVEL),
        ["demo", "--playbook", "busy.toml", "--speed", "300", "--data-dir", "data"],
        cwd=str(place),
        env=program.environment(),
        encoding="utf-8",
        dimensions=(60, 100),
    )
    try:
        yield Terminal(child)
    finally:
        child.close(force=True)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "busy.toml").write_text(program.BUSY)
    return tmp_path


def test_a_person_at_a_terminal_rules_the_desk(place: Path) -> None:
    with terminal(place) as first:
        first.see("gavel>")
        first.see("PAPER .*protected")
        first.type("/status\r")
        first.see("active, equity [0-9,.]+, day")
        first.type("/help\r")
        first.see(f"{sum(' ' not in path for path in COMMANDS)} commands for an admin")
        first.see("/positions: ")
        first.type("/pos")
        first.see("/positions")  # the menu of what may follow
        first.type("\t\r")  # its first line
        first.see(r"\d open, unrealised|no open position")
        first.type("/halt testing\r")
        first.see("No new entries. Exits and protection go on.")
        first.type("\x03")
        began = time.monotonic()
        first.see(r"desk stopped, (\d left open|nothing left open)")
        assert first.end() == 0
        assert time.monotonic() - began < program.STOPS_WITHIN

    halted = read(place / "data")
    assert proofs.faults(halted, stopped=True) == []
    assert [(e.by, e.reason) for e in halted.of(TradingHalted)] == [("console:owner", "testing")]

    with terminal(place) as second:
        second.see("desk goes on")
        second.type("/status\r")
        second.see("HALTED, equity")
        second.see("Halted by console:owner since .*testing")
        second.type("/resume\r")
        second.see("resume entries\\?")
        second.see("Type yes to confirm")
        second.type("yes\r")
        second.see("Entries are allowed again.")
        second.see("PAPER .*confidence")  # and it decides to trade again
        second.type("\x03")
        second.see("desk stopped")
        assert second.end() == 0

    records = read(place / "data")
    assert proofs.faults(records, stopped=True) == []
    at = {type(event): seq for seq, event in records.events if isinstance(event, TradingHalted | TradingResumed)}
    entries = [
        seq for seq, event in records.events if isinstance(event, OrderIntended) and event.order.leg is Leg.ENTRY
    ]
    assert not [seq for seq in entries if at[TradingHalted] < seq < at[TradingResumed]]
    assert [seq for seq in entries if seq > at[TradingResumed]]
    audit = [(e.who, e.text, e.result) for e in records.of(CommandRun)]
    typed = ("/status", "/help", "/positions", "/halt testing", "/status")
    assert audit[:5] == [("console:owner", text, "done") for text in typed]
    assert audit[5] == ("console:owner", "/resume", "confirmation asked")
    assert (audit[6][1][:3], audit[6][2]) == ("cf:", "done: /resume")
