"""Cards of many alerts, of a day and of a week, and the notes under an alert that did not come as it should."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.render.digest import DIGESTS, TITLES, again_note, digest_note, late_note, stand_in_note, together_card
from bot.render.words import LINE_LIMIT, TITLE_LIMIT, RenderContext, card, dressed
from tests.risk_examples import BTC, ETH
from trading.events import PeriodSummed

AT = datetime(2026, 3, 2, tzinfo=UTC)
ABOUT = RenderContext()
BERLIN = RenderContext(zone=ZoneInfo("Europe/Berlin"))


def a_day(**changes: Any) -> PeriodSummed:
    values: dict[str, Any] = {
        "at": AT,
        "weekly": False,
        "since": AT - timedelta(days=1),
        "until": AT,
        "trades": 3,
        "wins": 2,
        "net": D("12.4"),
        "fees": D("1.2"),
        "funding": D("-0.05"),
        "equity": D("10012.4"),
        "open": 2,
        "best": ("btc-1", BTC, D("20")),
        "worst": ("eth-1", ETH, D("-9.6")),
    }
    return PeriodSummed(**{**values, **changes})


def period(event: PeriodSummed, about: RenderContext = ABOUT) -> tuple[str, tuple[str, ...]]:
    made = DIGESTS[PeriodSummed](event, about)
    assert made is not None
    return made.title, made.lines


def test_a_day_is_told_with_what_it_came_to() -> None:
    assert period(a_day()) == (
        "day +12.40, 3 trades, 2 won",
        (
            "2026-03-01 00:00 UTC to 2026-03-02 00:00 UTC",
            "Equity 10,012.40, 2 open",
            "Fees -1.20, funding -0.05",
            "Best +20.00: BTC, btc-1",
            "Worst -9.60: ETH, eth-1",
        ),
    )
    assert period(a_day(), BERLIN)[1][0] == "2026-03-01 01:00 CET to 2026-03-02 01:00 CET"


def test_a_week_without_a_trade_or_a_mark_says_so() -> None:
    quiet = a_day(weekly=True, trades=0, wins=0, net=D(0), best=None, worst=None, equity=None, open=1)
    title, lines = period(quiet)
    assert title == "week without a closed trade"
    assert lines[1:] == ("Equity not known: a mark is missing, 1 open",)


def test_a_sum_over_a_part_of_the_trades_says_so() -> None:
    assert "these are the last of them" in period(a_day(complete=False))[1][-1]


def test_a_card_of_many_says_the_newest_first_and_counts_the_rest() -> None:
    made = together_card(
        [dressed(card(f"BTC wait {n}", f"reason {n}"), ABOUT) for n in range(3)],
        500,
        {"WaitsSummed": 2, "DecisionMade": 498},
        note="late",
        about=ABOUT,
    )
    assert made.title == "PAPER 500 alerts, last: BTC wait 0"
    assert made.lines == (
        "Last: BTC wait 0",
        "reason 0",
        "· BTC wait 1",
        "· BTC wait 2",
        "and 497 more: decision made 498, waits summed 2 in all",
        "late",
        "simulated market",
    )


@given(titles=st.lists(st.text(min_size=1), min_size=1, max_size=TITLES), rest=st.integers(0, 10**6))
def test_whatever_is_summed_up_fits_a_phone(titles: list[str], rest: int) -> None:
    cards = [dressed(card(title), ABOUT) for title in titles]
    made = together_card(cards, len(cards) + rest, {"DecisionMade": len(cards) + rest}, about=ABOUT)
    assert len(made.title) <= TITLE_LIMIT
    assert all(len(line) <= LINE_LIMIT for line in made.lines)
    assert f"{len(cards) + rest:,} alert" in made.title


@pytest.mark.parametrize(
    ("note", "words"),
    [
        (late_note(AT, AT + timedelta(minutes=14), ABOUT), "late: queued 00:00 UTC, 14 min ago"),
        (late_note(AT, AT + timedelta(hours=26), BERLIN), "late: queued 2026-03-02 01:00 CET, 1 d 2 h ago"),
        (digest_note(AT, AT + timedelta(hours=1), ABOUT), "The digest since 00:00 UTC"),
        (again_note(1, AT, AT, ABOUT), "once more since 00:00 UTC; the same is told less and less often"),
        (again_note(7, AT, AT, ABOUT), "7 more times since 00:00 UTC; the same is told less and less often"),
        (stand_in_note("telegram", timedelta(seconds=30)), "telegram has not taken this for 30 s"),
    ],
)
def test_notes(note: str, words: str) -> None:
    assert note == words
