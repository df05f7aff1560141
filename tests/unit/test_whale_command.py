"""/whales on the surface: what stands behind the vote, for whoever may look."""

from pathlib import Path

from tests.surfaces import OLA, NoVoices, staged
from tests.whales import CARDS, MANY, a_reading
from trading.chain import ChainView


class Voices(NoVoices):
    def chain(self) -> ChainView:
        return ChainView(reading=a_reading(*MANY), why="", asked=63, cached=211)


async def test_a_viewer_sees_the_flow_behind_the_vote(tmp_path: Path) -> None:
    async with staged(tmp_path, voices=Voices()) as stage:
        said = await stage.card("/whales", who=OLA)
    card = CARDS["whales"].card()
    assert said.table == card.table
    assert card.title in said.title
    assert set(card.lines) <= set(said.lines)


async def test_without_a_key_it_says_why_there_is_nothing(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        said = await stage.card("/whales")
    assert "Why: no key of Etherscan" in said.lines
    assert said.table is None
