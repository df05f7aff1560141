"""A playbook from a wish in words: a model may change values of a known one, and code decides what stands."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from bot.commands.playbooks import in_shadow
from bot.gate import Surface
from bot.library import Library
from bot.playbook_file import amended_from, pairs_in
from bot.writing import PlaybookAnswer, Undrafted, drafted, looser, read
from tests.asking import BY, a_stage, last_run, tap
from tests.injections import ALL
from tests.surface_examples import AT
from tests.surfaces import NoVoices, Stage
from tests.voices import Line, Scripted
from trading import events as m
from trading.errors import BadPlaybook
from trading.messages import AddShadow
from trading.playbook import available, load
from trading.voice import Lack

WISH = "trend follower on BTC and ETH, small, no weekends"
ANSWER: dict[str, Any] = {
    "reasoning": "Fewer markets and less at risk.",
    "changes": "universe = BTC, ETH\nlimits.max_risk = 0.01\nlimits.max_positions = 2\njudge.min_confidence = 0.7",
    "impossible": "no weekends",
    "parent": "desk",
    "name": "Trend Two!",
}


class Speaking(NoVoices):
    """With a model that writes what it is told to, one answer after the other."""

    words = "scribe"
    wordless = ""

    def __init__(self, *lines: Line) -> None:
        rest = list(lines)
        self.model = self.scripted = Scripted({"playbook": lambda _: rest.pop(0)})


def says(**changes: Any) -> dict[str, Any]:
    return {**ANSWER, **changes}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with a_stage(tmp_path) as made:
        yield made


def speaking(stage: Stage, *lines: Line) -> Speaking:
    voices = Speaking(*lines)
    stage.tools = replace(stage.tools, voices=voices)
    stage.surface = Surface(stage.tools)
    return voices


# --- in the chat ------------------------------------------------------------------------------------------------------


async def test_a_wish_becomes_a_difference_then_a_file_then_a_shadow(stage: Stage, tmp_path: Path) -> None:
    voices = speaking(stage, ANSWER)
    asked = await stage.card(f'/playbook new "{WISH}"')
    for part in (
        "make playbook trend-two from desk?",
        "Written by scribe.",
        "limits.max_risk: 2% -> 1%",
        "universe: BTC, ETH, SOL, DOGE, XRP, ADA, BNB, LTC -> BTC, ETH",
        "Not possible: no weekends",
        "It can be chosen after 1d there.",
    ):
        assert part in asked.plain(), part
    path = tmp_path / "playbooks" / "trend-two.toml"
    assert not path.exists()
    done = await tap(stage, asked)
    assert len(voices.scripted.questions) == 1, "what was shown is what is made: nobody is asked again"
    made = Library(tmp_path).load("trend-two")
    assert (made.universe, made.limits.max_risk, made.exits) == (("BTC", "ETH"), D("0.01"), load("desk").exits)
    assert path.read_text().startswith("# Written by scribe from a wish in words.\n")
    assert stage.desk.obeyed == [AddShadow(name="trend-two", by=BY)]
    assert [b.label for b in done.buttons] == ["Shadow"]
    (told,) = await stage.queries.life_of("trend-two")
    assert isinstance(told, m.PlaybookWritten)
    assert (told.model, told.parent) == ("scribe", "desk")
    assert (await last_run(stage)).result.startswith("done: /playbook new trend-two from desk written by scribe")


async def test_name_and_parent_are_the_persons_where_he_says_them(stage: Stage) -> None:
    speaking(stage, says(parent="desk", changes="judge.min_confidence = 0.7"))
    asked = await stage.card("/playbook new mine from sigma \u201ccalmer\u201d")
    assert "make playbook mine from sigma?" in asked.title


async def test_every_fault_goes_back_to_the_model_once(stage: Stage) -> None:
    voices = speaking(stage, says(changes="judge.min_confidnce = 0.7\nlimits.max_risk = 70"), ANSWER)
    assert "make playbook" in (await stage.card(f'/playbook new "{WISH}"')).title
    first, second = voices.scripted.questions
    assert first.prompt.user in second.prompt.user
    assert "did you mean 'min_confidence'?" in second.prompt.user


async def test_what_does_not_fit_at_the_second_attempt_is_named_to_the_person(stage: Stage, tmp_path: Path) -> None:
    loose = says(changes="limits.max_leverage = 125\nlimits.max_daily_loss = 0.5\nsizing.ceiling = 0.9")
    speaking(stage, loose, loose)
    said = (await stage.card(f'/playbook new "{WISH}"')).plain()
    assert "what scribe wrote does not fit" in said
    for part in (
        "limits.max_leverage: 125 is looser than 20 of desk",
        "limits.max_daily_loss: 0.5 is looser than 0.05 of desk",
        "sizing.ceiling: 0.9 is looser than 0.12 of desk",
    ):
        assert part in said
    assert not (tmp_path / "playbooks").exists()


async def test_without_a_model_it_says_so_and_how_to_do_without(stage: Stage) -> None:
    said = (await stage.card(f'/playbook new "{WISH}"')).plain()
    assert "a wish in words needs a model: no key of a model" in said
    assert "/playbook new NAME from PARENT key=value" in said
    speaking(stage, Lack.OVER_BUDGET)
    assert "scribe wrote nothing: over budget" in (await stage.card(f'/playbook new "{WISH}"')).plain()


@pytest.mark.parametrize("text", ['/playbook new a b c "x y"', '/playbook new mine from nowhere "calmer"'])
async def test_what_stands_before_a_wish_is_a_name_and_a_parent(stage: Stage, text: str) -> None:
    voices = speaking(stage, ANSWER)
    assert "not understood" in (await stage.card(text)).title
    assert voices.scripted.questions == []


# --- it trades only after it has run on paper -----------------------------------------------------------------------


async def test_what_a_model_wrote_is_chosen_only_after_a_day_in_shadow(stage: Stage) -> None:
    speaking(stage, ANSWER)
    await tap(stage, await stage.card(f'/playbook new "{WISH}"'))
    refused = await stage.card("/playbook use trend-two")
    assert "trend-two was written by scribe: it trades only after 1d in shadow, and has 0h" in refused.plain()

    def turned(hours: int, *, running: bool) -> m.ShadowDeskChanged:
        at = stage.desk.now() - timedelta(hours=hours)
        return m.ShadowDeskChanged(at=at, by=BY, playbook="trend-two", running=running)

    await stage.desk.tell(turned(30, running=True), turned(10, running=False))
    assert "and has 20h" in (await stage.card("/playbook use trend-two")).plain()
    await stage.desk.tell(turned(4, running=True))
    assert "trade by trend-two?" in (await stage.card("/playbook use trend-two")).title


async def test_what_a_person_wrote_is_his_own_to_choose(stage: Stage) -> None:
    await tap(stage, await stage.card("/playbook new calm from desk judge.min_confidence=0.7"))
    assert "trade by calm?" in (await stage.card("/playbook use calm")).title


def test_time_in_shadow_is_summed_over_its_lives() -> None:
    def turned(hours: int, *, running: bool) -> m.ShadowDeskChanged:
        return m.ShadowDeskChanged(at=AT + timedelta(hours=hours), by=BY, playbook="x", running=running)

    life = [turned(0, running=True), turned(3, running=False), turned(10, running=True)]
    assert in_shadow(life, AT + timedelta(hours=12)) == timedelta(hours=5)
    assert in_shadow(life[:2], AT + timedelta(hours=12)) == timedelta(hours=3)
    assert in_shadow([], AT) == timedelta(0)


async def test_a_confirmed_command_is_held_against_the_limits_again(stage: Stage, tmp_path: Path) -> None:
    """Whoever types what a model's answer is confirmed with gets no further than the answer would."""
    card = await stage.card("/playbook new bold from desk written by scribe: limits.max_leverage=125")
    assert "limits.max_leverage: 125 is looser than 20 of desk" in card.plain()
    assert not (tmp_path / "playbooks").exists()


# --- what stands ------------------------------------------------------------------------------------------------------

REFUSED = (
    (says(changes="limits.max_risk"), "is no line key = value"),
    (says(changes="name = other"), "name: a name is no setting"),
    (says(changes="title = Buy everything"), "title: a name is no setting"),
    (says(changes="phases.final.name = x"), "a name is no setting"),
    (says(changes="panel.sentiment.model = gpt"), "who is asked, and paid, is chosen by people"),
    (says(changes="judge.model = gpt"), "who is asked, and paid, is chosen by people"),
    (says(changes="judge.drag = 0.4\njudge.drag = 0.3"), "judge.drag: stands twice"),
    (says(changes="panel.oracle.weight = 2"), "panel.oracle: there is none"),
    (says(changes="panel.council.weight = 2"), "panel.council: there is none"),
    (says(changes="judge = {}"), "judge: desk has no such setting"),
    (says(changes="phases.final.note = calm limits.max_leverage = 125"), "is no line key = value"),
    (says(changes=""), "nothing is changed"),
    (says(changes="judge.min_confidence = 0.6"), "nothing is changed"),
    (says(parent="../desk"), "parent: there is no such playbook"),
    (says(changes="sizing.method = linear"), "cannot be held against confidence of desk"),
    (says(changes="expectancy = none"), "expectancy"),
    (says(changes="portfolio.asset = 0.9"), "portfolio.asset: 0.9 is looser than 0.4 of desk"),
    (says(changes="breaker.day_loss.halt = 0.09"), "breaker.day_loss.halt: 0.09 is looser than 0.05 of desk"),
    (says(changes="breaker.day_loss.shutdown = none"), "breaker.day_loss.shutdown: none is looser than 0.1 of desk"),
    (says(changes="sizing.steps.1.margin = 0.5"), "sizing.steps: a margin of 0.5 is looser than 0.105 of desk"),
    (says(changes="limits.wash_guard = 1s"), "limits.wash_guard: 1 is looser than 60 of desk"),
    (says(changes="phases.final.max_positions = 9"), "phases.final.max_positions: 9 is looser than 5 of desk"),
    (says(changes="regime.highest = 9"), "regime.highest: 9 is looser than 1.5"),
    (says(changes="\n".join(f"a.b{n} = 1" for n in range(61))), "61 lines, 60 are the most"),
)  # fmt: skip


@pytest.mark.parametrize(("answer", "part"), REFUSED, ids=[part for _, part in REFUSED])
def test_what_is_not_a_tighter_or_equal_change_of_values_is_refused(
    answer: dict[str, Any], part: str, tmp_path: Path
) -> None:
    with pytest.raises(BadPlaybook) as refused:
        read(PlaybookAnswer(**answer), Library(tmp_path), name="", parent="", model="scribe")
    assert part in str(refused.value)


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    answer = PlaybookAnswer(**says(changes="nonsense\ntitle = x\njudge.nothing = 1"))
    with pytest.raises(BadPlaybook) as refused:
        read(answer, Library(tmp_path), name="", parent="", model="scribe")
    assert len(str(refused.value).splitlines()) == 3


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    for name, made in (("desk", "desk-2"), ("Große Wünsche", "gro-e-w-nsche"), ("..", "written"), ("x" * 99, "x" * 26)):
        draft = read(PlaybookAnswer(**says(name=name)), Library(tmp_path), name="", parent="", model="scribe")
        assert draft.book.name == made


@pytest.mark.parametrize("name", available())
def test_no_playbook_is_looser_than_itself(name: str) -> None:
    assert list(looser(load(name), load(name))) == []
    tighter = amended_from(load(name), "tighter", {"limits.max_risk": "0.001", "limits.max_leverage": "1",
                                                   "sizing.leverage": "1", "sizing.min_leverage": "1"})  # fmt: skip
    assert list(looser(tighter, load(name))) == []
    assert list(looser(load(name), tighter)) != []


# --- a hostile wish ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("item", ALL, ids=range(len(ALL)))
async def test_a_wish_changes_nothing_of_the_prompt_but_itself(item: str, tmp_path: Path) -> None:
    model = Scripted({"playbook": ANSWER})
    library = Library(tmp_path)
    for wish in ("calmer", item):
        await drafted(model, "scribe", wish, library=library, who="telegram:7")
    plain, hostile = model.questions
    assert plain.prompt.system == hostile.prompt.system
    assert hostile.prompt.user.partition("</data>")[2] == plain.prompt.user.partition("</data>")[2]
    assert hostile.prompt.user.count("</data>") == 1


@pytest.mark.parametrize("item", ALL, ids=range(len(ALL)))
async def test_a_hostile_answer_sets_nothing_that_is_not_shown(item: str, tmp_path: Path) -> None:
    """In any of its fields: either it is refused, or what it made is what its command makes, and no looser."""
    for place in ("changes", "impossible", "parent", "name"):
        text = f"judge.min_confidence = 0.7\nphases.final.note = {item}" if place == "changes" else item
        model = Scripted({"playbook": json.dumps(says(**{place: text}))})
        try:
            draft = await drafted(model, "scribe", "calmer", library=Library(tmp_path), who="telegram:7")
        except Undrafted:
            continue
        assert list(looser(draft.book, load("desk"))) == []
        assert "\n" not in draft.command
        pairs = draft.command.partition(f"written by {draft.model}: ")[2]
        assert amended_from(draft.parent, draft.book.name, pairs_in(pairs)) == draft.book
