"""How fast the whole desk replays candle files: journal, alerts and all.

    python -m benchmarks.replay DIR [--playbook NAME]

Prints bars, wall and CPU seconds of the whole process, and what bare SQLite takes to insert the same journal
rows in the same run: the ratio says more than the seconds of a shared machine.
"""

import argparse
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def replay(history: Path, playbook: str, data: Path) -> tuple[dict[str, object], float, float]:
    """The demo's own summary, wall seconds, CPU seconds of the child."""
    command = [sys.executable, "-m", "bot", "demo", "--history", str(history), "--playbook", playbook]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(
        [*command, "--speed", "max", "--json", "--data-dir", str(data)], check=True, capture_output=True, text=True
    )
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(done.stdout), wall, cpu


def bare_inserts(journal: Path, scratch: Path) -> tuple[int, float]:
    """Rows of the journal, and seconds to insert them in one transaction per moment, without anything else."""
    rows = sqlite3.connect(journal).execute("SELECT * FROM journal ORDER BY seq").fetchall()
    target = sqlite3.connect(scratch, isolation_level=None)
    target.execute("PRAGMA journal_mode=WAL")
    target.execute("PRAGMA synchronous=NORMAL")
    target.execute("CREATE TABLE journal (seq INTEGER PRIMARY KEY, at, kind, symbol, decision_id, body, prev, hash)")
    began = time.perf_counter()
    moment = None
    target.execute("BEGIN")
    for row in rows:
        if row[1] != moment:
            target.execute("COMMIT")
            target.execute("BEGIN")
            moment = row[1]
        target.execute("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    target.execute("COMMIT")
    return len(rows), time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("history", type=Path)
    parser.add_argument("--playbook", default="desk")
    wanted = parser.parse_args()

    from trading.venues.history import load

    bars = sum(len(series) for series in load(wanted.history).series.values())
    with tempfile.TemporaryDirectory() as scratch:
        summary, wall, cpu = replay(wanted.history, wanted.playbook, Path(scratch) / "desk")
        rows, bare = bare_inserts(Path(scratch) / "desk" / "gavel.db", Path(scratch) / "bare.db")
    print(f"{bars:,} bars, {rows:,} journal rows, {summary['trades']} trades")
    print(f"whole process: {wall:.1f} s wall, {cpu:.1f} s CPU, {bars / wall:,.0f} bars/s")
    print(f"bare SQLite inserts of the same rows: {bare:.2f} s; ratio {wall / bare:.1f}")


if __name__ == "__main__":
    main()
