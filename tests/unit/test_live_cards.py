"""Every alert, card, question and picture of a desk that trades real money wears LIVE, and none says paper of it."""

import ast
import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.catalogue import COMMANDS
from bot.commands.completion import toolbar
from bot.render.alerts import render_event
from bot.render.words import RenderContext, dressed
from bot.surface import Card
from tests.cards import CARDS, EVENTS
from tests.questions import ASKING, question
from tests.surfaces import Stage, staged

MARKET = "Bybit V5, live prices"
ABOUT = RenderContext(mode="LIVE", market=MARKET)
# What is followed in shadow is on paper on a live desk too. These speak of it.
IN_SHADOW = re.compile("shadow|playbook_written|sizing_stopped|alerts|status_held_back|playbook new")
# Of a way out of live, and of what it leads to.
WAY_OUT = re.compile(r"/?mode paper|GAVEL_MODE=paper")
CLAIMS = re.compile("PAPER|(?i:paper (money|venue|position|account|order)|no money)")
OF_PAPER = re.compile("paper", re.IGNORECASE)


def live(value: Any, field: str = "") -> Any:
    """The same view, of a live desk."""
    match value:
        case RenderContext(mode="PAPER"):
            return dataclasses.replace(value, mode="LIVE", market=MARKET)
        case str():
            return (
                value.replace("PAPER", "LIVE").replace("venue paper", "venue bybit").replace("simulated market", MARKET)
            )
        case bool():
            return False if field == "paper" else value
        case Mapping():
            return {key: live(inner, str(key)) for key, inner in value.items()}
        case tuple() | list():
            return type(value)(map(live, value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        there = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
        changed = {name: live(inner, name) for name, inner in there.items()}
        if changed != there:
            return dataclasses.replace(value, **changed)
    return value


def wears_live(name: str, made: Card) -> None:
    assert made.title.startswith("LIVE "), made.title
    said = WAY_OUT.sub("", made.plain() + "\n".join((*made.detail, *(b.label for b in made.buttons))))
    forbidden = CLAIMS if IN_SHADOW.search(name) else OF_PAPER
    assert forbidden.search(said) is None, said
    if made.picture is not None:
        assert made.picture.foot == f"LIVE · {MARKET}"


@pytest.mark.parametrize("name", EVENTS)
def test_an_alert_of_a_live_desk_wears_live(name: str) -> None:
    made = render_event(live(EVENTS[name]), ABOUT)
    assert made is not None
    wears_live(name, made)


@pytest.mark.parametrize("name", [name for name in CARDS if name != "unseen"])  # told where there is no desk
def test_a_card_of_a_live_desk_wears_live(name: str) -> None:
    shown = CARDS[name]
    made = shown.of(*live(shown.given), **live(shown.named))
    wears_live(name, made if made.title.startswith("LIVE ") else dressed(made, ABOUT))


def goes_live(stage: Stage) -> None:
    stage.desk.view = live(stage.desk.view)
    stage.surface._tools = dataclasses.replace(stage.tools, about=ABOUT)


@pytest.mark.parametrize("path", ASKING)
async def test_a_question_of_a_live_desk_wears_live(path: str, tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        goes_live(stage)
        wears_live(path, await question(stage, path))


async def test_whatever_is_typed_on_a_live_desk_is_answered_with_live(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        goes_live(stage)
        for path, entry in COMMANDS.items():
            made = await stage.card(entry.example)
            assert made.title.startswith("LIVE "), path
            assert CLAIMS.search(WAY_OUT.sub("", made.plain())) is None, made.plain()
            assert made.picture is None or made.picture.foot == f"LIVE · {MARKET}"
        assert toolbar(stage.desk).startswith(f" LIVE · {MARKET} ")


def constants(path: Path) -> list[str]:
    """Texts of a file that name the mode, but for its docstrings."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    documented = [n for n in nodes if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
    docstrings = [ast.get_docstring(n, clean=False) for n in documented]
    found = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return [text for text in found if "PAPER" in text and text not in docstrings]


def test_no_file_of_the_surface_says_paper_by_a_constant() -> None:
    """Whose money it is comes from the desk. RenderContext has a default, which everything of a process is given anew;
    the watch compares with what the desk has written."""
    bot = Path(__file__).resolve().parents[2] / "bot"
    named = {str(path.relative_to(bot)): constants(path) for path in bot.rglob("*.py")}
    assert {name for name, texts in named.items() if texts} == {"render/words.py", "watchman.py"}


def test_a_paper_card_would_be_noticed() -> None:
    with pytest.raises(AssertionError):
        wears_live("mode", dressed(Card(title="mode", lines=("Orders are filled by a paper venue.",)), ABOUT))
    with pytest.raises(AssertionError):
        wears_live("shadow", dressed(Card(title="x", lines=("PAPER BTC long",)), ABOUT))
