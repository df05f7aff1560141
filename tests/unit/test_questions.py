"""What is asked before anything is done, word for word (tests/golden/question_*.txt): for every command that asks."""

from pathlib import Path

import pytest

from bot.catalogue import COMMANDS
from bot.surface import CANCEL, CONFIRM
from tests.arrival import arrives
from tests.goldens import as_text, check_golden
from tests.questions import ASKING, ON_PAPER, golden, question, settled
from tests.surfaces import ANA, staged


@pytest.mark.parametrize("path", ASKING)
async def test_it_is_asked_as_agreed(path: str, tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        asked = await question(stage, path)
        assert [b.data[:3] for b in asked.buttons][:2] == [CONFIRM, CANCEL], asked.plain()
        assert asked.title.endswith("?")
        assert stage.desk.obeyed == []
        check_golden(golden(path), settled(as_text(asked)))
        arrives(asked)


@pytest.mark.parametrize("path", sorted(ON_PAPER))
async def test_what_a_paper_desk_cannot_do_is_not_asked(path: str, tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        answer = await stage.card(COMMANDS[path].example, who=ANA)
        assert answer.title == "PAPER refused"
        assert answer.token == ""
