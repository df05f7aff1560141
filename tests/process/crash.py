"""kill -9 at random moments of a demo run, and a look at the records after each: `python -m tests.process.crash`.

Most kills wait until the desk says that it goes on and strike while it trades; some strike while it starts, some while
it stops. After every tenth and the last it runs on for a moment, is stopped with SIGTERM, and nothing may be half done.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.process import program, proofs
from tests.process.records import CONSOLE, Chain, Records, read
from trading.events import DecisionMade, OrderEnded, OrderFilled, OrderSent, TradeClosed
from trading.model import OrderStatus

STARTING = 1.5  # seconds; a kill within them hits the start-up
TRADING = 1.2  # seconds after the desk has begun to trade
STOPPING = 0.4  # seconds after SIGTERM
SETTLE = 10  # kills between two orderly stops
CALM = "60"  # market seconds a second of the last run: slow enough that every alert is told before it ends


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What was found. `seen`: how often a kill left something to be mended, so that one knows the kills did hit."""

    kills: int = 0
    early: int = 0  # before the desk had begun
    late: int = 0  # after it was told to stop
    runs: int = 1  # data directories: a history that ends is begun again in another one
    faults: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        moments = f"{self.early} while it started, {self.late} while it stopped"
        lines = [f"{self.kills} kills ({moments}), {self.runs} data directories"]
        lines += [f"  kills that left {what}: {count}" for what, count in sorted(self.seen.items())]
        lines += [f"  in the end, {what}: {count}" for what, count in sorted(self.totals.items())]
        return "\n".join([*lines, *(self.faults or ["no fault"])])


class Run:
    """One data directory, and a desk that is killed in it."""

    def __init__(self, directory: Path, history: Path | None, chance: random.Random, outcome: Outcome) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.history = history
        self.chance = chance
        self.outcome = outcome
        self.chain = Chain()
        directory.mkdir(parents=True)
        (directory / "busy.toml").write_text(program.BUSY)

    def start(self, speed: str) -> subprocess.Popen[str]:
        market = ("--history", self.history) if self.history else ("--seed", "7")
        args = ("demo", *market, "--playbook", "busy.toml", "--speed", speed, "--data-dir", self.data)
        return program.start(*args, cwd=self.directory)

    def strike(self) -> bool:
        """Start, kill, look. False when the history ended before the kill."""
        process = self.start("max")
        early, late = self.chance.random() < 0.2, self.chance.random() < 0.15
        try:
            if early:
                over = wait(process, self.chance.uniform(0.05, STARTING))
            else:
                over = self._begun(process) or wait(process, self.chance.uniform(0.0, TRADING))
            if late and not over:
                process.send_signal(signal.SIGTERM)
                wait(process, self.chance.uniform(0.0, STOPPING))
        finally:
            process.kill()
            process.wait()
        if over:
            self._expect(process.returncode == 0, f"ended by itself with {process.returncode}: {self.err()[-500:]}")
            return False
        self.outcome.kills += 1
        self.outcome.early += early
        self.outcome.late += late and not early
        self._look(stopped=False)
        return True

    def settle(self) -> Records:
        """Go on for a moment, stop in order, and hold everything against everything."""
        process = self.start(CALM)
        try:
            over = self._begun(process) or wait(process, 3.0)
            process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            process.wait(program.PATIENCE)
            took = time.monotonic() - began
            self._expect(over or took < program.STOPS_WITHIN, f"SIGTERM took {took:.1f} s")
        finally:
            process.kill()
            process.wait()
        self._expect(process.returncode == 0, f"an orderly stop ended with {process.returncode}: {self.err()[-500:]}")
        return self._look(stopped=True)

    def finish(self) -> None:
        """The last stop of this directory, and what all of it comes to."""
        records = self.settle()
        verified = program.run("verify", "--data-dir", self.data, cwd=self.directory)
        self._expect(verified.returncode == 0, f"gavel verify: {verified.stderr}")
        for what, kind in (("decisions to trade", DecisionMade), ("fills", OrderFilled), ("trades", TradeClosed)):
            self.outcome.totals[what] += len(records.of(kind))
        self.outcome.totals["alerts told"] += len(records.told)
        self.outcome.totals["journal rows"] += self.chain.seq
        self.outcome.totals["positions left open"] += len(records.positions)

    def err(self) -> str:
        return (self.directory / "err.txt").read_text()

    def _begun(self, process: subprocess.Popen[str]) -> bool:
        """Wait until the desk has told something; True when the process has ended by itself."""
        transcript, patience = self.data / "console.jsonl", time.monotonic() + program.PATIENCE
        before = size(transcript)
        while size(transcript) == before:
            if wait(process, 0.02):
                return True
            if time.monotonic() > patience:
                self._expect(False, f"nothing told in {program.PATIENCE} s after a start: {self.err()[-500:]}")
                return False
        return False

    def _look(self, *, stopped: bool) -> Records:
        records = read(self.data)
        found = [*proofs.faults(records, stopped=stopped), *self.chain.faults(self.data)]
        at = f"{'stopped' if stopped else 'killed'} after kill {self.outcome.kills}"
        self.outcome.faults += [f"{self.directory.name} {at}: {fault}" for fault in found]
        if "Traceback" in self.err():
            self._expect(False, f"a traceback {at}: {self.err()[-2000:]}")
        if not stopped:
            self.outcome.seen.update(left_behind(records))
        return records

    def _expect(self, fine: bool, fault: str) -> None:
        if not fine:
            self.outcome.faults.append(f"{self.directory.name}: {fault}")


def left_behind(records: Records) -> set[str]:
    """What a kill has torn apart: the next start has to mend it."""
    known = {event.fill.id for event in records.of(OrderFilled)}
    at_venue = {id: ticket.order.status for id, ticket in records.account.orders.items()}
    entries = {id for id, order in proofs.intents(records).items() if order.leg.value in ("entry", "close")}
    unread = [fill for fill in records.account.fills if fill.id not in known]
    states = {mail.state for mail in records.mail if mail.destination == CONSOLE}
    torn = {
        "a fill that the journal did not know": bool(unread),
        "an intent that never reached the venue": bool(entries - at_venue.keys() - ended(records)),
        "an order at the venue that was not journalled as sent": bool(at_venue.keys() & entries - sent(records)),
        "a position not yet confirmed": any(p.guard.value == "pending" for p in records.positions),
        "a partly filled order": OrderStatus.PARTLY_FILLED in at_venue.values(),
        "alerts still to be told": "pending" in states,
        "alerts that may have been told": "sending" in states,
    }
    return {what for what, found in torn.items() if found}


def ended(records: Records) -> set[str]:
    return {event.order.client_id for event in records.of(OrderEnded)}


def sent(records: Records) -> set[str]:
    told = (*records.of(OrderSent), *records.of(OrderFilled), *records.of(OrderEnded))
    return {event.order.client_id for event in told}


def size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def wait(process: subprocess.Popen[str], seconds: float) -> bool:
    """Whether it ended by itself within this time."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def crash(directory: Path, *, kills: int, seed: int, history: Path | None = None, limit: float = 1800) -> Outcome:
    """Kill a desk so many times. `limit`: seconds after which no further kill is begun, which is a fault."""
    outcome, chance, deadline = Outcome(), random.Random(seed), time.monotonic() + limit
    run = Run(directory / "run-1", history, chance, outcome)
    while outcome.kills < kills:
        if time.monotonic() > deadline:
            outcome.faults.append(f"not done within {limit:.0f} s")
            break
        if not run.strike():
            run.finish()
            outcome.runs += 1
            run = Run(directory / f"run-{outcome.runs}", history, chance, outcome)
        elif outcome.kills % SETTLE == 0 and outcome.kills < kills:
            run.settle()
    run.finish()
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description="kill -9 a demo run at random moments and check its records")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--history", type=Path, help="candle files instead of the simulated market")
    parser.add_argument("--keep", type=Path, help="where to leave the records")
    given = parser.parse_args()
    history = given.history.resolve() if given.history else None
    with tempfile.TemporaryDirectory() as temporary:
        outcome = crash(given.keep or Path(temporary), kills=given.kills, seed=given.seed, history=history)
    print(outcome)
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
