"""The real `gavel run` with models at the other end: they speak, they fall silent, they come back; the desk goes on."""

import asyncio
import re
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from tests.fakes.gemini_api import KEY, GeminiApi, ModelRequest
from tests.fakes.model_script import Json
from tests.process import program
from tests.process.records import read
from trading.decision import Abstention, Opinion
from trading.events import DecisionMade, DeskStarted, OrderIntended, VoiceBack, VoiceLost

# Two voices have to agree, and one of them asks a model again every ten minutes of market time.
TALKING = re.sub(r"universe = .*", 'universe = ["BTC"]', program.BUSY)
TALKING = TALKING.replace("min_agreeing = 1", "min_agreeing = 2").replace(
    'quorum = "renormalise"', 'quorum = "worst_case"'
)
TALKING = TALKING.replace(
    "[panel.technical]\nweight = 1.0\n",
    '[panel.technical]\nweight = 1.0\n[panel.sentiment]\nweight = 3.0\nmax_age = "10m"\nanswer_within = "5s"\n',
)
SPEED = 300  # five minutes of market time a second


class Desk:
    def __init__(self, place: Path, gemini: GeminiApi) -> None:
        self.place = place
        self.gemini = gemini
        (place / "talking.toml").write_text(TALKING)

    def start(self, **extra: str) -> subprocess.Popen[str]:
        keys = {"GEMINI_API_KEY": KEY, "GEMINI_BASE_URL": self.gemini.url, "GAVEL_USD_PER_HOUR": "50"}
        caps = {"GAVEL_USD_PER_DAY": "50", "GAVEL_PLAYBOOK": "talking.toml", "GAVEL_LOG_LEVEL": "DEBUG"}
        return program.start(
            "run", "--speed", str(SPEED), "--data-dir", "data", cwd=self.place, **(keys | caps | extra)
        )

    @property
    def heard(self) -> list[Opinion | Abstention]:
        """What SENTIMENT has said, decisions to wait included."""
        return [o for d in decisions(self.place) for o in d.decision.opinions if o.persona == "sentiment"]

    async def until(self, there: Callable[[], object], what: str) -> None:
        try:
            async with asyncio.timeout(program.PATIENCE):
                while not there():  # noqa: ASYNC110 - another process, and files: nothing to be woken by
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"waited in vain for {what}\n{(self.place / 'err.txt').read_text()[-3000:]}")

    async def stop(self, process: subprocess.Popen[str]) -> None:
        process.send_signal(signal.SIGTERM)
        await self.until(lambda: process.poll() is not None, "its end")
        assert process.returncode == 0, (self.place / "err.txt").read_text()[-3000:]


def decisions(place: Path) -> list[DecisionMade]:
    return read(place / "data", waits=True).of(DecisionMade)


def a_mood(_: ModelRequest) -> Json:
    return {"reasoning": "Buyers everywhere.", "confidence": 0.9, "stance": "LONG"}


async def test_a_model_speaks_falls_silent_once_and_comes_back(tmp_path: Path) -> None:
    async with GeminiApi() as gemini:
        desk = Desk(tmp_path, gemini)
        gemini.reply = a_mood
        process = desk.start(GAVEL_VOICES="on")
        try:
            await desk.until(lambda: any(isinstance(o, Opinion) for o in desk.heard), "a mood")
            gemini.fault("503_json", times=100_000)
            await desk.until(lambda: read(tmp_path / "data").of(VoiceLost), "the loss")
            lost_at = read(tmp_path / "data").of(VoiceLost)[0].at
            await desk.until(
                lambda: decisions(tmp_path)[-1].at > lost_at and isinstance(desk.heard[-1], Abstention), "it"
            )
            seen = len(decisions(tmp_path))
            await desk.until(lambda: len(decisions(tmp_path)) >= seen + 5, "more decisions")
            silent = [d for d in decisions(tmp_path)[seen:] if isinstance(_mood(d), Abstention)]
            gemini.mend()
            await desk.until(lambda: read(tmp_path / "data").of(VoiceBack), "its return")
            await desk.until(lambda: isinstance(desk.heard[-1], Opinion), "its voice")
        finally:
            await desk.stop(process)
        records = read(tmp_path / "data")
        assert len(records.of(VoiceLost)) == 1, "it is said once"
        assert silent
        intended = {e.order.decision_id for e in records.of(OrderIntended)}
        assert not intended & {d.decision.id for d in silent}, "its weight counts against an entry while it is gone"
        text = (tmp_path / "out.txt").read_text()
        assert "gemini-3.5-flash-lite" in text
        checked = program.run("verify", "--data-dir", "data", cwd=tmp_path)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        again = program.run("replay", "--all", "--data-dir", "data", "--json", cwd=tmp_path)
        assert again.returncode == 0, again.stdout + again.stderr
        assert not holding(KEY, tmp_path), "the key stands nowhere"


async def test_killed_in_the_middle_of_a_question_its_reservation_stands_and_the_desk_goes_on(tmp_path: Path) -> None:
    async with GeminiApi() as gemini:
        desk = Desk(tmp_path, gemini)
        gemini.reply = a_mood
        gemini.fault("hang", times=100_000)
        process = desk.start(GAVEL_VOICES="on")
        await desk.until(lambda: gemini.requests, "a question")
        process.kill()
        process.wait()
        (left,) = reserved(tmp_path)
        assert left > 0, "nobody knows what it cost, so all of it counts"
        gemini.mend()
        process = desk.start(GAVEL_VOICES="on")
        try:
            await desk.until(lambda: any(isinstance(o, Opinion) for o in desk.heard), "a mood")
        finally:
            await desk.stop(process)
        assert left in reserved(tmp_path), "and after the restart too"
        checked = program.run("verify", "--data-dir", "data", cwd=tmp_path)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        ids = [made.decision.id for made in decisions(tmp_path)]
        assert len(ids) == len(set(ids))


def reserved(place: Path) -> list[Decimal]:
    """What is set aside and was never settled, USD."""
    with closing(sqlite3.connect(f"file:{place / 'data' / 'gavel.db'}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT cost FROM exchanges WHERE NOT settled ORDER BY id").fetchall()
    return [Decimal(cost) for (cost,) in rows]


def holding(secret: str, place: Path) -> list[str]:
    """Files with it in them."""
    files = [path for path in place.rglob("*") if path.is_file()]
    return [path.name for path in files if secret.encode() in path.read_bytes()]


def _mood(made: DecisionMade) -> Opinion | Abstention | None:
    return next((o for o in made.decision.opinions if o.persona == "sentiment"), None)


@pytest.mark.parametrize(
    ("env", "why"),
    [
        ({"GEMINI_API_KEY": ""}, "sentiment: no GEMINI_API_KEY"),
        ({}, "sentiment: this market is not a real one"),
        ({"GAVEL_VOICES": "off"}, "sentiment: switched off"),
    ],
)
async def test_without_a_voice_the_desk_says_so_and_goes_on(tmp_path: Path, env: dict[str, str], why: str) -> None:
    async with GeminiApi() as gemini:
        desk = Desk(tmp_path, gemini)
        process = desk.start(**env)
        try:
            await desk.until(lambda: read(tmp_path / "data").of(DecisionMade), "a decision to trade")
        finally:
            await desk.stop(process)
        (started,) = read(tmp_path / "data").of(DeskStarted)
        assert any(line.startswith(why) for line in started.personas_off)
        assert gemini.requests == []
