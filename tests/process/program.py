"""The real `gavel`, as a subprocess in a directory of its own, with nothing of this machine's settings."""

import os
import random
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GAVEL = Path(sys.executable).parent / "gavel"
PATIENCE = 120  # seconds for what takes one or two on an idle machine: only what truly hangs fails
STOPS_WITHIN = 10  # seconds: 5 are promised, on a machine of one's own

# Trades all the time: one voice is enough, the exits are near, and after each close it looks again.
BUSY = """
name = "busy"
title = "As many trades as there can be"
universe = ["BTC", "ETH", "SOL", "DOGE", "XRP", "ADA", "BNB", "LTC"]
[panel.flow]
weight = 1.5
min_trades = 0
[panel.technical]
weight = 1.0
[judge]
min_confidence = 0.2
min_agreeing = 1
dominance = 1
quorum = "renormalise"
[sizing]
steps = []
otherwise = 0.05
leverage = 5
[limits]
max_positions = 8
max_daily_loss = 1
wash_guard = "1s"
[exits]
take_profit = 0.005
stop_loss = 0.004
early_after = "10m"
early_loss = 0.002
force_loss = 0.03
max_hold = "30m"
break_even = 0.0015
partials = [{ at = 0.001, share = 0.25 }, { at = 0.003, share = 0.25 }]
trailing = { arm = 0.002, step = 0.0001, trend = 0.001, range = 0.001, chop = 0.001, volatile = 0.001 }
[schedule]
bar = "5m"
signals_every = "5m"
sweep_every = "30s"
digest_every = "4h"
look_again = true
"""


_OURS = ("GAVEL_", "TELEGRAM_", "DISCORD_", "GEMINI_", "OPENROUTER_", "ETHERSCAN_")


def environment(**extra: str) -> dict[str, str]:
    """This process's own, without anything that Gavel reads."""
    bare = {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}
    return bare | {"PYTHONUNBUFFERED": "1", "TERM": "xterm"} | extra


def start(*args: str | Path, cwd: Path, **extra: str) -> subprocess.Popen[str]:
    """Start it with a closed keyboard. Its output goes to `cwd`/out.txt and err.txt, so that no pipe ever fills up."""
    with (cwd / "out.txt").open("a") as out, (cwd / "err.txt").open("a") as err:
        return subprocess.Popen(
            [str(GAVEL), *map(str, args)],
            cwd=cwd,
            env=environment(**extra),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            text=True,
        )


def run(*args: str | Path, cwd: Path, typed: str = "", **extra: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end; `typed` is what comes down the pipe."""
    return subprocess.run(
        [str(GAVEL), *map(str, args)],
        cwd=cwd,
        env=environment(**extra),
        input=typed,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def candles(directory: Path, bars: int, *, simple: bool = False) -> Path:
    """Hourly CSV of three pairs with long trends, so that a desk finds something to do; the same on every call."""
    directory.mkdir(parents=True)
    for number, (pair, price) in enumerate((("BTCUSDT", 60_000.0), ("ETHUSDT", 3_000.0), ("SOLUSDT", 150.0))):
        lines = _bars(random.Random(number), price, bars)
        head = "time,open,high,low,close,volume\n" if simple else ""
        rows = (line if not simple else ",".join(line.split(",")[:6]) for line in lines)
        (directory / f"{pair}.csv").write_text(head + "\n".join(rows) + "\n")
    return directory


def _bars(chance: random.Random, price: float, bars: int) -> list[str]:
    """Lines of Binance's twelve columns. Takers follow the trend."""
    opened, trend, lines = 1_714_521_600_000, 1, []
    for n in range(bars):
        trend = chance.choice((-1, 1)) if n % 40 == 0 else trend
        close = price * (1 + 0.004 * trend + chance.gauss(0, 0.004))
        high = max(price, close) * (1 + abs(chance.gauss(0, 0.002)))
        low = min(price, close) * (1 - abs(chance.gauss(0, 0.002)))
        volume = 1e8 / price
        bought = volume * (0.5 + 0.2 * trend)
        money = f"{volume:.3f},{opened + 3_599_999},{volume * close:.2f},1000,{bought:.3f},{bought * close:.2f},0"
        lines.append(f"{opened},{price:.2f},{high:.2f},{low:.2f},{close:.2f},{money}")
        price, opened = round(close, 2), opened + 3_600_000
    return lines
