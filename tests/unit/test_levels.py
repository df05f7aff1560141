"""Where stop and target stand: the nearest of what is set, rounded away from the price, worked out by hand."""

from decimal import Decimal
from typing import Any

import pytest

from tests.builders import (
    a_plain_playbook,
    a_plan,
    a_protection,
    an_instrument,
    an_opinion,
    an_outlook,
    some_facts,
)
from trading.decision import Abstention, Opinion, Stance
from trading.model import Direction
from trading.risk.facts import Facts
from trading.risk.levels import Levels, levels, nearest_invalidation, way_to_liquidation
from trading.risk.safety import stop_before_liquidation

D = Decimal
LONG, SHORT = Direction.LONG, Direction.SHORT
PLAIN = a_plain_playbook()


def facts(*, atr: str | None = "600", invalidation: str | None = None, **exits: Any) -> Facts:
    """Of an instrument with a tick of 0.1 and a maintenance margin of 1 %; 5 % up and 2.5 % down unless told."""
    return some_facts(
        playbook=PLAIN,
        exits=PLAIN.exits.model_copy(update=exits),
        outlook=an_outlook(atr=None if atr is None else D(atr)),
        invalidation=None if invalidation is None else D(invalidation),
    )


def of(f: Facts, direction: Direction = LONG, *, price: str = "60000", leverage: int = 10) -> Levels:
    return levels(f, direction, price=D(price), leverage=leverage)


# --- the nearest ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("set_", "stop", "short_stop"),
    [
        ({}, "58500", "61500"),
        ({"stop_atr": D("1.5")}, "59100", "60900"),
        ({"stop_atr": D("2.5")}, "58500", "61500"),  # on the border both are the same
        ({"stop_atr": D("2.50001")}, "58500", "61500"),  # the percentage is the outer bound
        ({"stop_atr": D("2.499")}, "58500.6", "61499.4"),
        ({"stop_atr": D(1), "stop_loss": D("0.009")}, "59460", "60540"),
    ],
)
def test_the_nearest_stop_that_is_set_counts(set_: dict[str, Any], stop: str, short_stop: str) -> None:
    f = facts(**set_)
    assert (of(f).stop, of(f, SHORT).stop) == (D(stop), D(short_stop))
    assert of(f).stop_loss == (60000 - D(stop)) / 60000 == of(f, SHORT).stop_loss


@pytest.mark.parametrize(
    ("set_", "target", "short_target"),
    [
        ({}, "63000", "57000"),
        ({"target_atr": D(3)}, "61800", "58200"),
        ({"target_atr": D(5)}, "63000", "57000"),
        ({"target_atr": D("5.001")}, "63000", "57000"),
        ({"target_atr": D("4.999")}, "62999.4", "57000.6"),
        ({"target_of_margin": D(1)}, "63000", "57000"),  # 1 / 10 is farther than 5 %
        ({"target_of_margin": D("0.4")}, "62400", "57600"),
        ({"target_of_margin": D("0.4"), "target_atr": D(3)}, "61800", "58200"),
        ({"target_of_margin": D(10), "take_profit": D(1)}, "120000", "0.1"),  # a short cannot win more than all
    ],
)
def test_the_nearest_target_that_is_set_counts(set_: dict[str, Any], target: str, short_target: str) -> None:
    f = facts(**set_)
    assert (of(f).target, of(f, SHORT).target) == (D(target), D(short_target))


def test_a_thousand_percent_of_margin_is_ten_over_leverage() -> None:
    f = facts(target_of_margin=D(10), take_profit=D(1))
    assert of(f, leverage=50).take_profit == D("0.2")
    assert of(f, leverage=100).take_profit == D("0.1")
    assert of(f, leverage=75).take_profit == D("0.13333333")
    assert of(f, leverage=75).target == 68000


def test_what_is_not_known_sets_no_level() -> None:
    f = facts(atr=None, stop_atr=D(1), target_atr=D(1), stop_at_invalidation=True)
    assert (of(f).stop, of(f).target) == (58500, 63000)
    assert f.unknown == ("the ATR", "an invalidation price"), "and the gate denies it"


@pytest.mark.parametrize(("direction", "stop", "target"), [(LONG, "58500.0", "63000.2"), (SHORT, "61500.2", "57000.0")])
def test_stop_and_target_are_never_nearer_than_the_playbook_says(direction: Direction, stop: str, target: str) -> None:
    # 60000.1 x 0.975 = 58500.0975 down, x 1.05 = 63000.105 up; x 1.025 = 61500.1025 up, x 0.95 = 57000.095 down
    found = of(facts(), direction, price="60000.1")
    assert (found.stop, found.target) == (D(stop), D(target))
    assert (found.stop_loss, found.take_profit) == (D("0.025"), D("0.05")), "the distances are those of the playbook"


def test_atr_levels_are_rounded_away_too() -> None:
    f = facts(atr="333.33", stop_atr=D(1), target_atr=D(2))
    assert (of(f).stop, of(f).target) == (D("59666.6"), D("60666.7"))
    assert (of(f, SHORT).stop, of(f, SHORT).target) == (D("60333.4"), D("59333.3"))


# --- the invalidation price -------------------------------------------------------------------------------------------


def council(invalidation: str, **changes: Any) -> Facts:
    return facts(invalidation=invalidation, stop_at_invalidation=True, stop_loss=D(1), **changes)


@pytest.mark.parametrize(
    ("invalidation", "stop"),
    [
        ("59000", "59000"),
        ("59000.05", "59000.0"),  # away from the price
        ("56220", "56220"),  # 70 % of the way: (1/10 - 1 %) x 0.7 = 6.3 %
        ("56220.05", "56220"),
        ("56219.9", "56220"),  # and from there on it is tightened
        ("54600.1", "56220"),
        ("54600", "54600"),  # liquidation itself: 9 %
        ("54599.9", "54599.9"),
    ],
)
def test_an_invalidation_price_is_a_stop_inside_the_way_to_liquidation(invalidation: str, stop: str) -> None:
    f = council(invalidation)
    found = of(f)
    assert found.stop == D(stop)
    plan = a_plan(protection=a_protection(stop=stop))
    answer = stop_before_liquidation(f, plan)
    assert answer.passed is (found.stop >= 56220)
    if not answer.passed:
        assert (answer.limit, answer.value[:3]) == ("6.30%", "9.0")


@pytest.mark.parametrize(
    ("invalidation", "stop"),
    [("63780", "63780"), ("63780.1", "63780"), ("65399.9", "63780"), ("65400", "65400"), ("61000", "61000")],
)
def test_a_short_has_it_above(invalidation: str, stop: str) -> None:
    assert of(council(invalidation), SHORT).stop == D(stop)


@pytest.mark.parametrize("leverage", [50, 60, 75, 99])
def test_a_tightened_stop_passes_its_rule_at_any_leverage(leverage: int) -> None:
    f = some_facts(
        playbook=PLAIN,
        exits=PLAIN.exits.model_copy(update={"stop_at_invalidation": True, "stop_loss": D(1)}),
        instrument=an_instrument(maintenance=D("0.005")),
    )
    way = way_to_liquidation(leverage, f.instrument)
    for direction in Direction:
        price = D(60000)
        far = price * (1 - direction.sign * way * D("0.85"))
        made = levels(_with(f, far), direction, price=price, leverage=leverage)
        assert (far - made.stop) * direction.sign < 0, "nearer than the invalidation"
        plan = a_plan(direction, leverage=leverage, protection=a_protection(stop=str(made.stop)))
        assert stop_before_liquidation(f, plan).passed


def _with(f: Facts, invalidation: Decimal) -> Facts:
    return some_facts(playbook=f.playbook, exits=f.exits, instrument=f.instrument, invalidation=invalidation)


def test_a_playbook_that_asks_for_none_is_not_tightened() -> None:
    f = facts(stop_loss=D("0.07"), invalidation="59000")
    assert of(f).stop == 55800
    assert not stop_before_liquidation(f, a_plan(protection=a_protection(stop="55800"))).passed


def test_a_nearer_percentage_or_atr_comes_before_the_invalidation() -> None:
    f = facts(invalidation="59000", stop_at_invalidation=True, stop_atr=D(1))
    assert of(f).stop == 59400
    assert of(facts(invalidation="58000", stop_at_invalidation=True)).stop == 58500


@pytest.mark.parametrize("invalidation", ["60000", "60000.1", "90000"])
def test_a_thesis_that_is_given_up_already_is_no_entry(invalidation: str) -> None:
    f = council(invalidation)
    found = of(f)
    assert found.stop >= 60000
    answer = stop_before_liquidation(f, a_plan(protection=a_protection(stop=str(found.stop))))
    assert (answer.passed, "has passed the stop" in answer.reason) == (False, True)


def says(stance: Stance, price: str | None, name: str = "council") -> Opinion:
    voice = an_opinion(name, stance, 0.9)
    return Opinion(
        persona=name,
        stance=stance,
        confidence=voice.confidence,
        thesis="",
        evidence=(),
        invalidation=None if price is None else D(price),
    )


def test_the_nearest_invalidation_is_of_the_winning_side_alone() -> None:
    heard = (
        says(Stance.LONG, "57000"),
        says(Stance.LONG, "58000"),
        says(Stance.LONG, None),
        says(Stance.SHORT, "61000"),
        says(Stance.SHORT, "62000"),
        says(Stance.NEUTRAL, "59999"),
        Abstention(persona="whale", reason="no key"),
    )
    assert nearest_invalidation(heard, LONG) == 58000
    assert nearest_invalidation(heard, SHORT) == 61000
    assert nearest_invalidation(heard[2:5], LONG) is None
    assert nearest_invalidation((), LONG) is None
