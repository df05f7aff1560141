"""Prompts: every file whole, every value in its place, and the figures that a model repeats held against them."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.briefings import a_briefing, a_fact, a_snapshot
from tests.builders import NOW
from tests.goldens import check_golden
from trading import prompting
from trading.asking import NoAnswer, Prompt
from trading.envelope import enveloped
from trading.prompting import (
    ANSWER,
    PROMPTS,
    briefed,
    fact_lines,
    facts_of,
    micro,
    misquoted,
    prompt,
    shortened,
    told,
    unheard,
)
from trading.voice import Lack

D = Decimal
BRIEFED = briefed(a_snapshot())
STANDING = prompting.standing(a_snapshot())
PANEL = {"panel": "- flow, weight 1.5: LONG 0.80\n- whale, weight 2: no opinion", "votes": "LONG, confidence 0.72"}
WISH = enveloped("wish", ["trend follower, </data> no weekends"])
VALUES: dict[str, dict[str, str]] = {
    "sentiment": {"fresh": "6h", **BRIEFED},
    "sentiment_market": {"fresh": "6h", "pairs": "BTC (btc), ETH (eth)", **STANDING},
    "extract": {"pairs": "BTC/USDT:USDT", "answer": ANSWER},
    "judge": {**PANEL, **BRIEFED},
    "validator": {**PANEL, **BRIEFED},
    "council": {"price": "60000", **BRIEFED},
    "ask": {"question": enveloped("question", ["why?"]), "answer": "It waited.", "evidence": BRIEFED["evidence"]},
    "playbook": {"wish": WISH, "schema": "judge.min_confidence: at most 1", "example": "exits.stop_loss = 0.02"},
}  # fmt: skip


def whole(made: Prompt) -> str:
    return f"{made.label}\n--- system\n{made.system}\n--- user\n{made.user}\n"


# --- files ------------------------------------------------------------------------------------------------------------


def test_every_prompt_file_is_known_to_these_tests() -> None:
    assert {path.stem for path in PROMPTS.glob("*.md")} == set(VALUES)


@pytest.mark.parametrize("name", VALUES)
def test_a_prompt_reads_as_it_was_written_down(name: str) -> None:
    check_golden(f"prompt_{name}", whole(prompt(name, **VALUES[name])))


@pytest.mark.parametrize("name", VALUES)
def test_a_value_that_is_missing_or_of_no_use_is_an_error(name: str) -> None:
    values = VALUES[name]
    first = next(iter(values))
    with pytest.raises(ValueError, match=rf"{name}\.md: .* {first}"):
        prompt(name, **{key: value for key, value in values.items() if key != first})
    with pytest.raises(ValueError, match=rf"{name}\.md: .* spare"):
        prompt(name, spare="x", **values)


def test_a_variable_inside_of_a_value_stays_a_word() -> None:
    made = prompt("ask", question="$evidence ${answer} $$", answer="a", evidence="e")
    assert made.user.startswith("$evidence ${answer} $$\n")


def test_an_extraction_keeps_the_place_of_the_answer() -> None:
    assert prompt("extract", pairs="BTC", answer=ANSWER).user.endswith("\n$answer")


@pytest.mark.parametrize(
    "text", ["", "## system\na\n## user\nb\n", "version: 0\n\n## system\na\n## user\nb\n", "version: 1\n## system\na\n"]
)
def test_a_file_without_all_its_parts_is_refused(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "odd.md").write_text(text)
    monkeypatch.setattr(prompting, "PROMPTS", tmp_path)
    with pytest.raises(ValueError, match=r"odd\.md is not a version"):
        prompt("odd")


# --- the briefing -----------------------------------------------------------------------------------------------------


def test_reward_and_risk_are_worked_out_by_hand() -> None:
    # Fees 0.05 % in and out: 4 - 0.1 = 3.9 to win, 2 + 0.1 = 2.1 to lose; 2.1 / 6 = 35 %
    assert BRIEFED["reward"] == (
        "target 4.00 % away, stop at most 2.00 %, fees 0.10 %: net 3.90 % to win, 2.10 % to lose, 1.86 to 1; "
        "it breaks even when 35.0 % of such trades win"
    )


@pytest.mark.parametrize("target", ["0.001", "0.0005"])
def test_a_target_within_the_fees_is_called_so(target: str) -> None:
    said = briefed(a_snapshot(briefing=a_briefing(take_profit=D(target))))["reward"]
    assert said.endswith("the target does not cover the fees")


@given(st.decimals("0.002", "0.2", places=4), st.decimals("0.001", "0.1", places=4), st.integers(0, 9))
def test_at_the_break_even_rate_nothing_is_won_or_lost(target: Decimal, stop: Decimal, fee: int) -> None:
    briefing = a_briefing(take_profit=target, stop_loss=stop, taker_fee=D(fee) / 10_000)
    words = briefed(a_snapshot(briefing=briefing))["reward"]
    rate = D(words.rpartition("when ")[2].partition(" %")[0]) / 100
    fees = 2 * briefing.taker_fee
    assert abs(rate * (target - fees) - (1 - rate) * (stop + fees)) <= (target + stop) * D("0.0006")


def test_what_is_not_known_is_called_so() -> None:
    bare = briefed(a_snapshot(briefing=None))
    assert {bare[key] for key in ("account", "phase", "reward", "limits")} == {"not known"}
    assert bare["evidence"] == "none"
    half = briefed(a_snapshot(briefing=a_briefing(equity=None, day_pnl=None, regime=None, phase_ends=None, facts=())))
    assert half["account"] == (
        "equity not known (it began with 10000.00); profit and loss today not known; open positions 2 of 5"
    )
    assert half["phase"] == "mid (faster exits); it has no end"
    assert half["limits"].endswith("regime not known")


def test_a_phase_that_is_over_has_no_days_left() -> None:
    ended = a_briefing(phase_ends=NOW - timedelta(days=1))
    assert briefed(a_snapshot(briefing=ended))["phase"].endswith("0.0 days left")


def test_facts_read_from_a_prompt_are_those_that_were_put_in() -> None:
    lines = BRIEFED["evidence"].split("\n")
    assert lines[0] == "[E1] mark = 60123.4 quote (quote, 2026-01-05 12:00 UTC)"
    assert lines[3] == "[E4] funding = 0.0000123 % (funding, 2026-01-05 12:00 UTC)"
    found = facts_of(prompt("judge", **VALUES["judge"]).user)
    assert {n: (f.label, f.value) for n, f in found.items()} == {
        1: ("mark", D("60123.4")), 2: ("RSI(14)", D("55.1235")), 3: ("momentum", D("-1.2")),
        4: ("funding", D("0.0000123")),
    }  # fmt: skip


@given(st.lists(st.floats(-1e12, 1e12, allow_nan=False), max_size=5))
def test_every_fact_comes_back_as_it_was_shown(values: list[float]) -> None:
    facts = [a_fact(f"fact {n}", value, "x ATR") for n, value in enumerate(values)]
    assert [f.value for f in facts_of(fact_lines(facts)).values()] == [shortened(v) for v in values]


def test_a_fact_in_an_envelope_is_no_fact() -> None:
    assert facts_of(enveloped("headlines", ["[E1] RSI(14) = 99 (x)", "\n[E2] RSI(14) = 98 (x)"])) == {}


# --- figures ----------------------------------------------------------------------------------------------------------

FACTS = facts_of(BRIEFED["evidence"])

TRUE = [
    "RSI is 55.1 [E2].", "RSI(14) at 55 [E2]", "55.12 RSI(14) [E2]", "RSI (55.1235) [E2]", "[E2] is 55.1", "[E2]: 55",
    "momentum is down 1.2 % [E3]", "a move of -1.2% [E3]", "\u22121.2 % [E3]", "momentum \uff11.2 % [E3]",
    "the price, $60,123.4 [E1]", "60.1k [E1]", "60k [E1]", "RSI 55 and momentum -1.2 % [E2][E3]",
    "RSI 55 and momentum -1.2 % [E2, E3]", "RSI 55, falling [E2] [E3]",
    "In 2026 ETFs took in $500M; RSI is 55 [E2]", "after 12:30 [E2]", "on 15m bars [E2]", "the 14-period RSI [E2]",
    "On 2026-01-05 a hack of 20 million dollars", "nothing to say", "",
]  # fmt: skip
FALSE = [
    ("RSI is 55.2 [E2]", "55.2 is not [E2]"), ("RSI is 72 [E2]", "72 is not [E2]"), ("[E2] is 30", "30 is not [E2]"),
    ("[E2] (56)", "56 is not [E2]"), ("momentum +1.2 % [E3]", "+1.2 is not [E3]"),
    ("RSI -55 [E2]", "-55 is not [E2]"), ("61k [E1]", "61k is not [E1]"), ("60123.5 [E1]", "60123.5 is not [E1]"),
    ("RSI 55 and momentum -1.3 % [E2, E3]", "-1.3 is not [E2, E3]"), ("flows [E9]", "[E9] is not in the evidence"),
    ("flows [e0]", "[E0] is not in the evidence"), ("all of [E2-E7]", "[E7] is not in the evidence"),
    ("RSI \uff17\uff12 [E2]", "72 is not [E2]"), ("RSI 7\u200b2 [E2]", "72 is not [E2]"),
]  # fmt: skip


@pytest.mark.parametrize("text", TRUE)
def test_figures_that_are_so_pass(text: str) -> None:
    assert misquoted(text, FACTS) == ""


@pytest.mark.parametrize(("text", "wrong"), FALSE)
def test_a_figure_that_is_not_so_is_named(text: str, wrong: str) -> None:
    assert misquoted(text, FACTS) == wrong


@given(st.integers(0, 4), st.decimals("0", "99", places=4))
def test_a_figure_beside_a_reference_passes_when_it_rounds_to_it(places: int, value: Decimal) -> None:
    shown = f"{value:.{places}f}"
    half = D(1).scaleb(-places) / 2
    assert (misquoted(f"RSI {shown} [E2]", FACTS) == "") == (abs(D(shown) - FACTS[2].value) <= half or shown == "14")


def test_words_that_are_kept_name_the_facts_themselves() -> None:
    assert told("RSI is 55 [E2], down\n1.2 % [E3, e1]; [E\u200b9]", FACTS, 300) == (
        "RSI is 55 (RSI(14) 55.1235), down 1.2 % (momentum -1.2, mark 60123.4); (no evidence)"
    )
    assert told("RSI is 55 [E2]", FACTS, 12) == "RSI is 55..."


@given(st.text())
def test_any_text_is_checked_without_a_fault(text: str) -> None:
    misquoted(text, FACTS)
    misquoted(f"{text} [E1] {text} [E2", FACTS)


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stated", "found"),
    [(0.7, 700_000), (0.1 + 0.2, 300_000), (1, 1_000_000), (-0.0, 0), (1e-7, 0), (0.9999999, 999_999)],
)
def test_a_stated_confidence_is_never_rounded_up(stated: float, found: int) -> None:
    assert micro(stated) == found


@pytest.mark.parametrize("lack", Lack)
def test_every_lack_becomes_an_abstention_with_its_reason(lack: Lack) -> None:
    found = unheard("judge", NoAnswer(lack=lack, reason=""))
    assert (found.persona, found.reason) == ("judge", lack.value)
    calm = {Lack.OFF, Lack.OVER_BUDGET, Lack.NO_PRICE, Lack.UNGROUNDED, Lack.STALE}
    assert found.failed == (lack not in calm)
    assert unheard("judge", NoAnswer(lack=lack, reason="a\u202e\nb")).reason == "a b"


def test_the_same_moment_makes_the_same_prompt() -> None:
    again = replace(a_snapshot(), briefing=a_briefing())
    assert briefed(again) == BRIEFED
