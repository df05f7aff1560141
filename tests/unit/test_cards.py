"""Every card and every alert word for word (tests/golden/*.txt; rewrite them with GAVEL_GOLDEN=write), within the
limits of a phone; and none without such a text, none of the texts without a card."""

import re

import pytest

from bot.render.alerts import RENDERERS, WORDLESS
from bot.render.words import LINE_LIMIT, LINK, RenderContext, dressed
from bot.surface import Card
from tests.cards import ALERTS, ALL, CARDS, EVENTS, functions
from tests.goldens import GOLDEN, as_text, check_golden
from tests.questions import ASKING, golden
from trading import events as m
from trading.playbook import available, load
from trading.prompting import PROMPTS

HASH = re.compile("|".join(load(name).hash for name in available()))  # of files that somebody may well change
FIRST_LINE = 52  # characters beside the mode


@pytest.mark.parametrize("name", ALL)
def test_it_is_worded_as_agreed(name: str) -> None:
    check_golden(name, HASH.sub("0123456789ab", as_text(ALL[name].card())))


@pytest.mark.parametrize("name", ALL)
def test_its_first_line_carries_the_message_behind_the_mode(name: str) -> None:
    worn = ALL[name].worn()
    mode, _, message = worn.title.partition(" ")
    assert mode in ("PAPER", "GAVEL")
    assert 0 < len(message) <= FIRST_LINE, message
    assert not message.endswith("…")


@pytest.mark.parametrize("name", ALL)
def test_it_is_within_the_limits_of_a_phone(name: str) -> None:
    worn = ALL[name].worn()
    assert len(worn.plain()) <= 4096
    assert all(len(button.data.encode()) <= 64 for button in worn.buttons)
    assert all(0 < len(line) <= LINE_LIMIT or LINK.fullmatch(line) for line in (*worn.body(), *worn.detail))


@pytest.mark.parametrize("name", ALL)
def test_a_side_has_its_word_beside_its_sign(name: str) -> None:
    """Never a sign or a colour alone."""
    for line in ALL[name].card().plain().splitlines():
        assert "▲" not in line or "long" in line, line
        assert "▼" not in line or "short" in line, line


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_wears_mode_and_market(name: str) -> None:
    about = RenderContext(mode="BACKTEST", market="history: hourly candles")
    made = RENDERERS[type(EVENTS[name])](EVENTS[name], about)
    assert made is not None
    worn = dressed(made, about, EVENTS[name].at)
    assert worn.title.startswith("BACKTEST ")
    assert worn.lines[-1].endswith(" UTC · history: hourly candles")


# --- none is missing, none is left over -------------------------------------------------------------------------------


def test_every_event_has_words_or_is_said_to_have_none() -> None:
    assert set(m.EVENTS.values()) == set(RENDERERS) | WORDLESS


def test_every_event_that_has_words_has_a_golden_alert() -> None:
    worded = {cls for cls in m.EVENTS.values() if cls not in WORDLESS}
    assert worded - {type(event) for event in EVENTS.values()} == set()


def test_every_function_that_words_a_card_has_a_golden_card() -> None:
    there = functions()
    missing = {name for name, function in there.items() if function not in {shown.of for shown in CARDS.values()}}
    assert missing == set()
    assert len(there) > 45


def test_no_golden_text_is_left_over() -> None:
    prompts = {f"prompt_{path.stem}" for path in PROMPTS.glob("*.md")}  # tests/unit/test_prompting.py
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(ALL) | set(map(golden, ASKING)) | prompts


def test_a_card_without_a_golden_text_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GAVEL_GOLDEN", raising=False)
    with pytest.raises(AssertionError, match="no golden file"):
        check_golden("card_of_nothing", as_text(Card(title="x")))
