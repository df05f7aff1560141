"""Which voices a process has: by its keys, its market and its playbook; and what it says of those that it has not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bot.__main__ import REAL_SPEED, SIM_SPEED, Wanted, _speed
from bot.arming import armed
from bot.settings import Settings
from bot.voices import BY_FILE, NOT_REAL, SWITCHED_OFF, Voices, asked_by
from tests.briefings import a_snapshot
from tests.builders import NOW, a_playbook
from tests.fakes.gemini_api import KEY, GeminiApi
from tests.fakes.ledger import MemoryLedger
from tests.surface_examples import a_decision
from trading.clock import ManualClock
from trading.decision import Abstention, Action
from trading.errors import BadModels
from trading.events import VoiceLost
from trading.llm.catalogue import Models
from trading.playbook import Playbook, load
from trading.status import Armed
from trading.voice import Lack


class NoAnswers:
    """A cache of the chain's answers that never holds one."""

    async def get(self, key: str) -> tuple[datetime, bytes] | None:
        return None

    async def put(self, key: str, at: datetime, body: bytes) -> None: ...


@asynccontextmanager
async def some_voices(*, real: bool = True, **settings: Any) -> AsyncIterator[Voices]:
    made = Settings(_env_file=None, **settings)
    opened = await Voices.open(made, ledger=MemoryLedger(), cache=NoAnswers(), real=real, wall=ManualClock(NOW))
    try:
        yield opened
    finally:
        await opened.close()


def off(playbook: Playbook, voices: Voices) -> dict[str, str]:
    return dict(armed(playbook, {}, voices).off)


KEYS = {"GEMINI_API_KEY": "k" * 20, "OPENROUTER_API_KEY": "k" * 20, "ETHERSCAN_API_KEY": "k" * 20}


async def test_without_a_key_each_says_which_and_the_rules_sit_alone() -> None:
    async with some_voices() as voices:
        panel = armed(load("desk"), {}, voices)
        assert panel.off == {"whale": "no key (ETHERSCAN_API_KEY)", "sentiment": "no GEMINI_API_KEY"}
        assert panel.instant
        assert off(load("council"), voices) == {"council": f"no OPENROUTER_API_KEY; {BY_FILE}"}
        assert voices.wordless == "no GEMINI_API_KEY"
        assert voices.words == ""


async def test_with_keys_and_a_real_market_everybody_sits() -> None:
    async with some_voices(**KEYS) as voices:
        panel = armed(load("desk"), {}, voices)
        assert panel.off == {}
        assert list(panel.personas) == list(load("desk").panel)
        assert not panel.instant
        assert panel.bench is None, "no model is asked about the verdict unless the playbook says so"
        assert voices.words == "gemini-3.5-flash-lite"


async def test_in_a_market_that_is_not_real_they_are_asked_only_where_that_is_wanted() -> None:
    async with some_voices(real=False, **KEYS) as voices:
        assert set(off(load("desk"), voices).values()) == {NOT_REAL}
        assert voices.words, "words are about the record, which is real"
    async with some_voices(real=False, GAVEL_VOICES="on", **KEYS) as voices:
        assert off(load("desk"), voices) == {}
    async with some_voices(GAVEL_VOICES="off", **KEYS) as voices:
        assert set(off(load("desk"), voices).values()) == {SWITCHED_OFF}
        assert voices.wordless == SWITCHED_OFF


async def test_a_council_of_which_too_few_can_be_asked_is_off() -> None:
    models = ("x-ai/grok-4.3", "gemini-3.5-flash-lite", "no-such-model")
    council = a_playbook(panel={"council": {"weight": 1, "models": models}})
    async with some_voices(GEMINI_API_KEY="k" * 20) as voices:
        assert off(council, voices)["council"].startswith("no OPENROUTER_API_KEY; no model 'no-such-model'")
    async with some_voices(**KEYS) as voices:
        assert off(council, voices) == {}, "two of three are enough"


async def test_a_shadow_desk_with_the_same_seat_hears_the_same_voice() -> None:
    async with some_voices(**KEYS) as voices:
        one, other = armed(load("desk"), {}, voices).personas, armed(load("desk"), {}, voices).personas
        assert one["sentiment"] is other["sentiment"]
        assert one["whale"] is other["whale"]
        assert one["flow"] is not other["flow"]
        changed = load("desk").amended({"panel.sentiment.max_age": "3h"})
        assert armed(changed, {}, voices).personas["sentiment"] is not one["sentiment"]


async def test_a_playbook_that_asks_a_model_about_its_verdicts_has_a_bench() -> None:
    judged = load("desk").amended({"judge.model": "gemini-3.5-flash-lite"})
    async with some_voices(**KEYS) as voices:
        assert armed(judged, {}, voices).bench is not None
        assert not armed(judged, {}, voices).instant


async def test_nor_is_a_model_asked_about_a_verdict_on_a_market_that_is_not_real() -> None:
    judged = load("desk").amended({"judge.model": "gemini-3.5-flash-lite"})
    async with GeminiApi() as gemini:
        keys = {"GEMINI_API_KEY": KEY, "GEMINI_BASE_URL": gemini.url}
        async with some_voices(real=False, **keys) as voices:
            bench = armed(judged, {}, voices).bench
            assert bench is not None
            verdict = replace(a_decision().verdict, action=Action.LONG)
            (said,) = await bench.rule(a_snapshot(), verdict, (), weights={})
        assert isinstance(said, Abstention)
        assert said.reason == NOT_REAL
        assert gemini.requests == []


def test_where_models_are_asked_a_market_second_takes_a_second_unless_somebody_says_otherwise() -> None:
    asked = Settings(_env_file=None, GAVEL_VOICES="on")
    assert _speed(Wanted(), asked) == REAL_SPEED
    assert _speed(Wanted(speed=60.0), asked) == 60
    assert _speed(Wanted(), Settings(_env_file=None)) == SIM_SPEED
    assert _speed(Wanted(history=Path("candles")), asked) is None, "a replay waits for them by itself"


def test_who_is_asked_is_told_by_the_playbook() -> None:
    judged = load("council").amended({"judge.model": "gemini-3.5-flash-lite"})
    asked = asked_by(judged, Models.load())
    assert asked["gemini-3.5-flash-lite"] == ("judge",)
    assert asked["x-ai/grok-4.3"] == ("council",)
    assert asked_by(load("sigma"), Models.load()) == {}


async def test_a_models_file_that_does_not_fit_is_named(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text('[models.x]\nprovider = "nobody"\nschema = "none"\n')
    with pytest.raises(BadModels, match="provider"):
        async with some_voices(models_file=None, GAVEL_MODELS_FILE=tmp_path / "models.toml"):
            pass


async def test_a_model_that_is_gone_is_told_once_and_stands_in_the_health() -> None:
    told: list[Any] = []

    async def tell(*events: Any) -> None:
        told.extend(events)

    async with GeminiApi() as gemini, some_voices(GEMINI_API_KEY=KEY, GEMINI_BASE_URL=gemini.url) as voices:
        assert voices.state is None, "no desk, nobody asked"
        playbook = load("desk").amended({"panel.sentiment.model": "gemini-2.5-pro"})
        voices.follow(SimpleNamespace(playbook=playbook, now=lambda: NOW, tell=tell))  # type: ignore[arg-type]
        gemini.shut_down("gemini-2.5-pro")
        await voices.watch.check()
        await voices.watch.check()
        lost = [event for event in told if isinstance(event, VoiceLost)]
        assert [(e.voice, e.lack, e.serves) for e in lost] == [("gemini-2.5-pro", Lack.RETIRED, ("sentiment",))]
        assert voices.state is not None
        assert voices.state.state is Armed.DEGRADED
        assert "gemini-2.5-pro" in voices.state.why
