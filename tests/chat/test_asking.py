"""/ask in words, through every chat's own door: the plain answer first, words that grow, Stop, and /halt in between."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.chats.discord import Timing as DiscordTiming
from bot.chats.telegram import Timing as TelegramTiming
from tests.chat.dialogues import a_position, a_wait
from tests.chat.drivers import Driver, OnConsole, Seen, until
from tests.chat.house import House, a_house_of
from tests.chat.test_dialogues import CHATS
from tests.injections import ALL as HOSTILE
from tests.surfaces import NoVoices
from tests.voices import Line, Scripted
from trading.asking import Question
from trading.model import TradingState
from trading.voice import Lack

QUESTION = "/ask why BTC"
WORDS = ("FLOW was long at 0.90.", "TECHNICAL was long too.", "The verdict was long, with confidence 0.90.")
FITTING = {"sentences": " ".join(WORDS), "evidence": ""}
UNDER_WAY = "Being put into words"


class Talking(NoVoices):
    """Voices of a process with a model for words."""

    words = "small"
    wordless = ""

    def __init__(self, says: Line | Callable[[Question[Any]], Line | Awaitable[Line]]) -> None:
        self.scripted = Scripted({"ask": says})
        self.model = self.scripted


@dataclass
class Slow:
    """A model that thinks until it is let go."""

    says: Line = field(default_factory=lambda: FITTING)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: bool = False

    async def __call__(self, _: Question[Any]) -> Line:
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return self.says


@dataclass
class Scene:
    house: House
    driver: Driver
    voices: Talking

    async def say(self, text: str, who: str = "ann", *, room: bool = False) -> None:
        said = len(self.house.service.said)
        await self.driver.type(who, text, room=room)
        await until(lambda: len(self.house.service.said) > said, f"an answer to {text}")

    def seen(self, who: str, *, room: bool) -> list[Seen]:
        """On a terminal also what was printed behind an answer."""
        if isinstance(self.driver, OnConsole):
            cards = self.driver._seat(who).cards()
            return [Seen(str(n), " ".join(lines), ()) for n, lines in enumerate(cards)]
        return self.driver.seen(who, room=room)

    def all_of(self, who: str = "ann", *, room: bool = False) -> str:
        return "\n".join(m.text for m in self.seen(who, room=room))

    async def sees(self, pattern: str, who: str = "ann", *, room: bool = False) -> Seen:
        await until(lambda: self._with(pattern, who, room), f"{pattern!r} on the screen")
        return self._with(pattern, who, room)[-1]

    def _with(self, pattern: str, who: str, room: bool) -> list[Seen]:
        return [m for m in self.seen(who, room=room) if re.search(pattern, " ".join(m.text.split()))]

    async def stop(self, who: str = "ann", *, room: bool = False) -> None:
        said = len(self.house.service.said)
        if self.driver.platform == "console":
            token = next(c.grows for _, c in reversed(self.house.service.said) if c and c.grows)
            await self.driver.type(who, f"/stop {token}", room=room)
        else:
            await self.driver.tap(who, await self.sees(UNDER_WAY, who, room=room), "Stop", room=room)
        await until(lambda: len(self.house.service.said) > said, "an answer to Stop")

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.house.service.surface._tools.growths.counts)


@asynccontextmanager
async def a_scene(chat: str, directory: Path, says: Any) -> AsyncIterator[Scene]:
    """With a position in BTC, and a model that says so."""
    voices = Talking(says)
    async with a_house_of(directory, voices=voices) as house:
        await a_position(house)
        async with CHATS[chat](house, directory) as driver:
            yield Scene(house, driver, voices)


everywhere = pytest.mark.parametrize("chat", CHATS)


@everywhere
async def test_the_plain_answer_stands_at_once_and_grows_into_words(chat: str, tmp_path: Path) -> None:
    slow = Slow()
    async with a_scene(chat, tmp_path, slow) as scene:
        await scene.say(QUESTION)
        first = await scene.sees(UNDER_WAY)
        assert "Verdict: long" in " ".join(first.text.split())
        assert chat == "console" or "Stop" in first.buttons
        slow.go.set()
        last = await scene.sees("Said by small")
        shown = " ".join(last.text.split())
        assert " ".join(WORDS) in shown
        assert "$0.0010" in shown
        assert chat == "console" or "Verdict: long" in shown  # folded behind the words; a terminal has printed it
        assert chat == "console" or ("Stop" not in last.buttons and last.id == first.id)
        assert scene.counts == {"said": 1}


@everywhere
async def test_it_grows_sentence_by_sentence_with_the_plain_answer_above(chat: str, tmp_path: Path) -> None:
    async with a_scene(chat, tmp_path, FITTING) as scene:
        grown = []
        service = scene.house.service.surface
        ask = service.growing

        async def watched(card: Any, every: float) -> AsyncIterator[Any]:
            async for one in ask(card, every):
                grown.append(one)
                yield one

        service.growing = watched  # type: ignore[assignment,method-assign]
        await scene.say(QUESTION)
        await scene.sees("Said by small")
        assert len(grown) == len(WORDS)
        for n, half in enumerate(grown[:-1], 1):
            assert " ".join(WORDS[:n]) in half.plain()
            assert "Verdict: long" in "\n".join(half.lines)
            assert half.grows
        assert not grown[-1].grows


@everywhere
async def test_halt_is_answered_at_once_while_a_model_thinks(chat: str, tmp_path: Path) -> None:
    slow = Slow()
    async with a_scene(chat, tmp_path, slow) as scene:
        await scene.say(QUESTION)
        await scene.sees(UNDER_WAY)
        await until(lambda: scene.voices.scripted.questions, "the model to be asked")
        await scene.say("/positions")
        await scene.sees("1 open")
        await scene.say("/halt too hot")
        await scene.sees("No new entries")
        assert scene.house.bench.desk.status().trading is TradingState.HALTED
        assert not slow.go.is_set()
        slow.go.set()
        await scene.sees("Said by small")


@everywhere
async def test_stop_ends_it_at_once(chat: str, tmp_path: Path) -> None:
    slow = Slow()
    async with a_scene(chat, tmp_path, slow) as scene:
        await scene.say(QUESTION)
        await until(lambda: scene.voices.scripted.questions, "the model to be asked")
        await scene.stop()
        left = await scene.sees("No words: stopped by")
        assert "Verdict: long" in " ".join(left.text.split())
        assert chat == "console" or "Stop" not in left.buttons
        await until(lambda: slow.cancelled, "the request to be let go")
        await scene.say("/status")
        assert "Said by" not in scene.all_of()
        assert scene.counts == {"stopped": 1}


@pytest.mark.parametrize("chat", ["telegram", "discord"])
async def test_an_operator_may_stop_what_another_asked_and_a_viewer_may_not(chat: str, tmp_path: Path) -> None:
    slow = Slow()
    async with a_scene(chat, tmp_path, slow) as scene:
        await scene.say(QUESTION, room=True)
        await until(lambda: scene.voices.scripted.questions, "the model to be asked")
        await scene.stop("vera", room=True)
        await scene.sees("only who asked, or an operator", "vera", room=True)
        assert not slow.cancelled
        await scene.stop("otto", room=True)
        await scene.sees("No words: stopped by Otto", room=True)
        await until(lambda: slow.cancelled, "the request to be let go")


@everywhere
async def test_words_that_do_not_fit_leave_the_plain_answer(chat: str, tmp_path: Path) -> None:
    async with a_scene(chat, tmp_path, {"sentences": "FLOW was short at 0.90.", "evidence": ""}) as scene:
        await scene.say(QUESTION)
        left = await scene.sees("did not fit the record")
        shown = " ".join(left.text.split())
        assert "Verdict: long" in shown
        assert "short" not in shown
        assert scene.counts == {"unfit": 1}


@everywhere
async def test_without_an_answer_the_plain_one_stands_and_says_why(chat: str, tmp_path: Path) -> None:
    async with a_scene(chat, tmp_path, Lack.OVER_BUDGET) as scene:
        await scene.say(QUESTION)
        left = await scene.sees("Not put into words: over budget")
        assert "Verdict: long" in " ".join(left.text.split())
        assert scene.counts == {"unsaid": 1}


@everywhere
async def test_one_at_a_time_for_each_person(chat: str, tmp_path: Path) -> None:
    slow = Slow()
    async with a_scene(chat, tmp_path, slow) as scene:
        await scene.say(QUESTION)
        await until(lambda: scene.voices.scripted.questions, "the model to be asked")
        await scene.say("/ask which votes for BTC?")
        await scene.sees("your last question still is")
        assert len(scene.voices.scripted.questions) == 1
        slow.go.set()
        await scene.sees("Said by small")


@pytest.mark.parametrize("chat", ["telegram", "discord"])
async def test_after_a_restart_a_half_grown_card_is_the_plain_answer(chat: str, tmp_path: Path) -> None:
    """The process that knew of it is gone: its Stop says so, and takes nothing away."""
    slow = Slow()
    async with a_scene(chat, tmp_path, slow) as scene:
        await scene.say(QUESTION)
        shown = await scene.sees(UNDER_WAY)
        growths = scene.house.service.surface._tools.growths
        growths._known.clear()
        await scene.stop()
        await scene.sees("any more")
        kept = next(m for m in scene.driver.seen("ann", room=False) if m.id == shown.id)
        assert "Verdict: long" in " ".join(kept.text.split())


async def test_a_hostile_question_changes_nothing_but_its_own_answer(tmp_path: Path) -> None:
    """It is data in the prompt. The model here obeys it: still it reaches neither the desk nor the other questions."""
    saying: dict[str, Any] = {"evidence": ""}
    async with a_scene("console", tmp_path, lambda _: dict(saying)) as scene:
        before = scene.house.bench.desk.status()
        for item in HOSTILE:
            saying["sentences"] = item
            await scene.say("/ask why BTC " + " ".join(item.split()))
            await until(lambda: not scene.house.service.surface._tools.growths._busy, "the words")
        after = scene.house.bench.desk.status()
        assert (before.trading, before.positions, before.version) == (after.trading, after.positions, after.version)
        prompts = {(q.prompt.system, *q.prompt.user.split("</data>")[1:]) for q in scene.voices.scripted.questions}
        assert len({system for system, *_ in prompts}) == 1
        assert all(q.search is None and q.purpose == "ask" for q in scene.voices.scripted.questions)


async def test_without_a_model_it_is_as_it_always_was(tmp_path: Path) -> None:
    async with a_house_of(tmp_path) as house, CHATS["telegram"](house, tmp_path) as driver:
        await a_position(house)
        scene = Scene(house, driver, Talking(Lack.OFF))
        await scene.say(QUESTION)
        shown = await scene.sees("Verdict: long")
        assert "Stop" not in shown.buttons
        assert UNDER_WAY not in shown.text


FREE = (
    ("why no BTC trade today?", "BTC today: 0 trades, 1 wait, 0 denied"),
    ("how did FLOW do this week?", "FLOW this week: no record"),
    ("what did we lose on SOL last week?", "no SOL trade last week"),
    ("what is open?", "nothing is open"),
    ("how is the breaker?", "breaker CLOSED"),
    ("are we halted?", "not halted"),
    ("which phase are we in?", "phase base"),
    ("which was the biggest loss this week?", "no trade this week"),
    ("what happened today?", "today: no closed trade"),
    ("what do the models cost?", "no model was paid this month"),
    ("what is the weather?", "does not hold that.*Of the journal can be asked"),
)


@everywhere
async def test_free_questions_need_no_key(chat: str, tmp_path: Path) -> None:
    async with a_house_of(tmp_path) as house:
        await a_wait(house)
        async with CHATS[chat](house, tmp_path) as driver:
            scene = Scene(house, driver, Talking(Lack.OFF))
            for question, answer in FREE:
                await scene.say(f"/ask {question}")
                await scene.sees(answer)


def test_edits_are_a_second_apart_in_private_and_three_where_others_read() -> None:
    for timing in (TelegramTiming(), DiscordTiming()):
        assert timing.growth.total_seconds() >= 1
        assert timing.growth_in_group.total_seconds() >= 3
