"""Thirty days of real candles with models on the panel, the bench and the gate: every word can be replayed.

The answers are synthetic: a script that knows nothing of the market says them, so what the desk earns by them says
nothing of any model.
"""

import asyncio
import gzip
import hashlib
import json
import sqlite3
import subprocess
import zlib
from contextlib import AsyncExitStack, closing
from itertools import islice
from pathlib import Path

from tests.fakes.gemini_api import KEY, GeminiApi, ModelRequest
from tests.fakes.model_script import Json
from tests.fakes.openrouter_api import OpenRouterApi
from tests.process import program
from tests.process.records import read
from trading.decision import Abstention, Decision, Opinion, Ruling
from trading.events import DecisionMade

HOURS = 30 * 24
PAIRS = ("BTCUSDT", "ETHUSDT")
MARKED = ("regime", "setup", "on_chain", "macro", "reward", "timing", "institutions")
MONTH = """
name = "month"
title = "Everybody who can speak"
universe = ["BTC", "ETH"]
[panel.technical]
weight = 1.0
[panel.sentiment]
weight = 1.5
max_age = "4h"
[panel.council]
weight = 1.0
models = ["x-ai/grok-4.3", "google/gemini-3.8-flash", "deepseek/deepseek-v4-flash"]
bullish = 3
[judge]
min_confidence = 0.2
model = "gemini-3.5-flash-lite"
[validation]
model = "gemini-3.5-flash-lite"
[schedule]
bar = "1h"
signals_every = "4h"
look_again = false
"""


def told(asked: ModelRequest) -> Json:
    """By the prompt's own bytes: always the same to the same question, and every kind of it."""
    dice = hashlib.sha256((asked.model + asked.user).encode()).digest()
    sure = 0.4 + dice[0] / 512
    fields = (asked.schema or {}).get("properties", {})
    if "stance" in fields:
        return {"reasoning": "A mood.", "confidence": sure, "stance": ("LONG", "SHORT", "NEUTRAL")[dice[1] % 3]}
    if "side" in fields:
        side = "LONG" if "LONG, confidence" in asked.user else "SHORT"
        return {"reasoning": "A view.", "confidence": sure, "side": "WAIT" if dice[1] % 5 == 0 else side}
    if "verdict" in fields:
        return {"reasoning": "A check.", "verdict": "REJECT" if dice[1] % 6 == 0 else "APPROVE"}
    marks = {key: "BULLISH" if dice[n + 2] % 2 else "UNKNOWN" for n, key in enumerate(MARKED)}
    reasons = {f"{key}_reason": "As it is [E1]." for key in MARKED}
    buys = dice[1] % 2 == 0
    signal = {"invalidation": 1.5 if buys else 0.0, "confidence": sure, "signal": "BUY" if buys else "NONE"}
    return {"thesis": "A thesis.", **marks, **reasons, **signal}


def play(shared: Path, place: Path) -> None:
    """The desk's month, in a directory of its own."""
    (place / "candles").mkdir()
    for pair in PAIRS:
        with gzip.open(shared / "data" / "candles" / "spot-1h-12col" / f"{pair}.csv.gz", "rt") as lines:
            (place / "candles" / f"{pair}.csv").write_text("".join(islice(lines, HOURS + 1)))
    (place / "month.toml").write_text(MONTH)
    asyncio.run(_play(place))


async def _play(place: Path) -> None:
    async with AsyncExitStack() as stack:
        gemini = await stack.enter_async_context(GeminiApi())
        openrouter = await stack.enter_async_context(OpenRouterApi())
        gemini.reply = openrouter.reply = told
        for fault in ("503_html", "truncated", "code_fence", "confidence_72", "refusal", "no_grounding"):
            gemini.fault(fault, times=3)  # a month is not without them
            if fault != "no_grounding":
                openrouter.fault(fault, times=3)
        caps = {f"GAVEL_USD_PER_{cap}": "1000" for cap in ("DECISION", "HOUR", "DAY", "MONTH")}
        process = program.start(
            "demo", "--history", "candles", "--playbook", "month.toml", "--data-dir", "data", "--json", cwd=place,
            GAVEL_VOICES="on", GEMINI_API_KEY=KEY, GEMINI_BASE_URL=gemini.url,
            OPENROUTER_API_KEY=KEY, OPENROUTER_BASE_URL=openrouter.url, **caps,
        )  # fmt: skip
        try:
            async with asyncio.timeout(program.PATIENCE * 3):
                while process.poll() is None:  # noqa: ASYNC110 - another process: nothing to be woken by
                    await asyncio.sleep(0.05)
        finally:
            process.kill()
        assert process.returncode == 0, (place / "err.txt").read_text()[-3000:]


def made(place: Path) -> list[Decision]:
    return [e.decision for e in read(place / "data", waits=True).of(DecisionMade)]


def replay(place: Path) -> subprocess.CompletedProcess[str]:
    return program.run("replay", "--all", "--data-dir", "data", "--json", cwd=place)


def test_a_month_is_the_same_from_its_raw_bytes_and_one_changed_byte_is_named(shared: Path, tmp_path: Path) -> None:
    play(shared, tmp_path)
    every_decision_is_the_same(tmp_path)
    one_changed_byte_is_named(tmp_path)


def every_decision_is_the_same(place: Path) -> None:
    done = replay(place)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    decisions = made(place)
    assert [line["decision"] for line in lines] == [d.id for d in decisions]
    assert [line for line in lines if not line["same"]] == []
    assert done.returncode == 0
    assert len(decisions) > 150
    said = [o for d in decisions for o in (*d.opinions, *d.rulings)]
    assert len([o for o in said if isinstance(o, Opinion) and o.voice]) > 300, "models did speak"
    assert {r.said for r in said if isinstance(r, Ruling)} >= {"long", "wait", "approve", "reject"}
    assert [o for o in said if isinstance(o, Abstention) and o.failed], "and did fail"
    assert {d.outcome for d in decisions} >= {"wait", "long"}


def one_changed_byte_is_named(place: Path) -> None:
    """Of one raw answer; whatever was made from it is named, and nothing else."""
    decision = next(d for d in made(place) if d.exchanges and d.exchanges[-1].response)
    exchange = decision.exchanges[-1]
    with closing(sqlite3.connect(place / "data" / "gavel.db")) as database:
        (packed,) = database.execute("SELECT data FROM bodies WHERE sha = ?", (exchange.response,)).fetchone()
        raw = bytearray(zlib.decompress(packed))
        raw[len(raw) // 2] ^= 1
        database.execute("UPDATE bodies SET data = ? WHERE sha = ?", (zlib.compress(bytes(raw)), exchange.response))
        database.commit()
        done = replay(place)
        database.execute("UPDATE bodies SET data = ? WHERE sha = ?", (packed, exchange.response))
        database.commit()
    assert done.returncode == 1
    wrong = [line for line in map(json.loads, done.stdout.splitlines()) if not line["same"]]
    assert decision.id in [line["decision"] for line in wrong]
    assert all(exchange.response[:8] in line["first"] for line in wrong), wrong
    assert replay(place).returncode == 0
