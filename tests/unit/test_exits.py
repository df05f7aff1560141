"""Each exit at its exact border, on both sides."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.builders import NOW, a_position, a_protection, a_quote, an_exit_plan
from trading.exits import RULES, EarlyExit, ForceExit, MaxHold, Rule, StopLoss, TakeProfit, armed, first_of, hours
from trading.model import Direction, ExitReason, Position

D = Decimal
LONG, SHORT = Direction.LONG, Direction.SHORT
NOT_YET = timedelta(hours=3) - timedelta(microseconds=1)
EARLY = timedelta(hours=3)
DAY = timedelta(hours=24)

# The rule, the side, the mark, the time held: does it fire? Entry 60000, stop 2.5 %, target 5 %, force 4 %, early 1 %.
CASES = [
    (StopLoss(), LONG, "58500", timedelta(0), True),
    (StopLoss(), LONG, "58500.1", DAY, False),
    (StopLoss(), SHORT, "61500", timedelta(0), True),
    (StopLoss(), SHORT, "61499.9", DAY, False),
    (TakeProfit(), LONG, "63000", timedelta(0), True),
    (TakeProfit(), LONG, "62999.9", DAY, False),
    (TakeProfit(), SHORT, "57000", timedelta(0), True),
    (TakeProfit(), SHORT, "57000.1", DAY, False),
    (EarlyExit(), LONG, "59399.9", EARLY, True),
    (EarlyExit(), LONG, "59400", EARLY, False),  # exactly what is allowed
    (EarlyExit(), LONG, "59399.9", NOT_YET, False),
    (EarlyExit(), SHORT, "60600.1", EARLY, True),
    (EarlyExit(), SHORT, "60600", EARLY, False),
    (EarlyExit(), SHORT, "60600.1", NOT_YET, False),
    (ForceExit(), LONG, "57599.9", timedelta(0), True),
    (ForceExit(), LONG, "57600", DAY, False),
    (ForceExit(), SHORT, "62400.1", timedelta(0), True),
    (ForceExit(), SHORT, "62400", DAY, False),
    (MaxHold(), LONG, "60000", DAY, True),
    (MaxHold(), LONG, "60000", DAY - timedelta(microseconds=1), False),
    (MaxHold(), SHORT, "60000", DAY, True),
    (MaxHold(), SHORT, "60000", DAY - timedelta(microseconds=1), False),
]


def a_held(direction: Direction) -> Position:
    return a_position(direction, plan=an_exit_plan(early_loss=D("0.01")))


@pytest.mark.parametrize(("rule", "direction", "mark", "held", "fires"), CASES)
def test_a_rule_fires_at_its_border_and_just_does_not_before_it(
    rule: Rule, direction: Direction, mark: str, held: timedelta, fires: bool
) -> None:
    found = rule.check(a_held(direction), a_quote(mark), NOW + held)
    assert (found is not None) is fires
    if found:
        assert found.note


def test_every_rule_has_both_borders_on_both_sides() -> None:
    seen = {(type(rule), direction, fires) for rule, direction, _, _, fires in CASES}
    assert seen == {(type(rule), d, fires) for rule in RULES for d in Direction for fires in (True, False)}


@pytest.mark.parametrize(
    ("mark", "held", "reason"),
    [
        ("58500", EARLY, ExitReason.STOP_LOSS),  # also early
        ("57000", EARLY, ExitReason.STOP_LOSS),  # also early and forced
        ("59000", EARLY, ExitReason.EARLY_EXIT),
        ("59000", DAY, ExitReason.EARLY_EXIT),  # also held too long
        ("63000", DAY, ExitReason.TAKE_PROFIT),
        ("60001", DAY, ExitReason.MAX_HOLD),
    ],
)
def test_the_first_rule_that_fires_names_the_reason(mark: str, held: timedelta, reason: ExitReason) -> None:
    found = first_of(a_held(LONG), a_quote(mark), NOW + held)
    assert found
    assert found.reason is reason


def test_a_gap_through_a_lost_stop_is_caught_by_the_second_line() -> None:
    far = a_position(protection=a_protection(stop="1"))
    found = first_of(far, a_quote("57000"), NOW)
    assert found
    assert found.reason is ExitReason.FORCE_EXIT


def test_nothing_fires_on_a_quiet_market() -> None:
    assert first_of(a_held(LONG), a_quote("60000"), NOW + timedelta(hours=1)) is None


def test_every_rule_says_its_number() -> None:
    assert armed(a_held(LONG)) == (
        "stop loss at 58500",
        "take profit at 63000",
        "early exit from 3h 00m on below -1.00%",
        "force exit below -4.00%",
        "maximum hold 24h 00m",
    )


def test_the_exits_are_those_the_position_was_opened_with() -> None:
    """Exits come from the position's own plan: nothing else is asked."""
    patient = a_position(plan=an_exit_plan(max_hold=timedelta(hours=48)))
    assert first_of(patient, a_quote("60000"), NOW + timedelta(hours=47)) is None


@pytest.mark.parametrize(
    ("span", "words"), [(timedelta(minutes=59, seconds=59), "59m"), (timedelta(hours=1), "1h 00m")]
)
def test_spans_in_words(span: timedelta, words: str) -> None:
    assert hours(span) == words
