"""What models cost and which there are, asked from a chat."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import voice_examples as examples
from tests.surfaces import OLA, NoVoices, Stage, staged
from trading.spending import BudgetView


@dataclass
class Voices(NoVoices):
    view: BudgetView = field(default_factory=examples.a_budget)

    def __post_init__(self) -> None:
        NoVoices.__init__(self)

    async def budget(self) -> BudgetView:
        return self.view


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path, voices=Voices()) as made:
        yield made


async def test_the_budget_says_what_is_used_given_up_and_who_is_armed(stage: Stage) -> None:
    said = await stage.card("/budget", who=OLA)
    assert said.title == "PAPER models: 11.161 of 30.00 USD this month"
    for line in (
        "Given up for now: phrasing of /ask, playbooks in words",
        "Hour: 0.333 of 0.50 (66.67%), 0.120 of it set aside",
        "gemini-3.5-flash-lite: armed",
        "x-ai/grok-4.3: no OPENROUTER_API_KEY",
    ):
        assert line in said.lines
    assert said.table is not None
    assert said.table.rows[0] == ("gemini-3.5-flash-lite", "sentiment", "1204", "10.830")


async def test_the_last_exchanges_come_as_a_file(stage: Stage) -> None:
    said = await stage.card("/budget csv", who=OLA)
    assert said.file is not None
    assert said.file.name == "budget.csv"
    assert said.file.content.decode().splitlines()[1:] == [
        "2024-05-03T14:05:00Z,btc-k3f9x2pa,judge,gemini-3.5-flash-lite,0.12026,no",
        "2024-05-03T14:05:00Z,ask telegram:7,ask,gemini-3.5-flash-lite,0.00043,yes",
    ]


async def test_the_models_stand_there_those_that_are_asked_first_in_ones_own_zone(stage: Stage) -> None:
    await stage.card("/timezone Europe/Berlin", who=OLA)
    said = await stage.card("/models", who=OLA)
    assert said.lines[0] == "The playbook asks:"
    assert said.lines[1] == "gemini-3.5-flash-lite for sentiment, judge: armed"
    assert "until 2024-05-12 02:00 CEST, then gemini-3.5-flash-lite" in said.plain()


async def test_without_any_key_nothing_is_spent(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        assert "nothing is spent" in (await stage.card("/budget", who=OLA)).title
        assert "no model can be asked" in (await stage.card("/models", who=OLA)).title
