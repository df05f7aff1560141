"""What a stated confidence is worth, by hand: sums, the shrunk rate, the line, and the size that comes of it."""

from dataclasses import replace
from decimal import Decimal
from math import exp, log

import pytest

from tests.builders import a_plain_playbook, some_facts
from trading.calibration import (
    ENOUGH,
    KEPT,
    MANY,
    CalibrationRecord,
    Cell,
    Sums,
    added,
    calibrated,
    estimate,
    labelled,
    record_of,
    worth,
)
from trading.decision import MICRO, Calibrated
from trading.model import DecisionId, Direction
from trading.policies import StatedOr
from trading.risk.sizing import plan_entry

D = Decimal
LONG, SHORT = Direction.LONG, Direction.SHORT


def a_record(*cells: tuple[int, int, int], model: str = "") -> CalibrationRecord:
    """(stated in hundredths, calls, right)."""
    return CalibrationRecord(
        model=model, direction=LONG, cells=tuple(Cell(at=at, n=n, right=right) for at, n, right in cells)
    )


def sums(*calls: tuple[float, bool]) -> Sums:
    found = Sums()
    for stated, right in calls:
        found = found.plus(round(stated * MICRO), right)
    return found


# --- sums -----------------------------------------------------------------------------------------------------------


def test_a_brier_score_by_hand() -> None:
    # (.8 - 1)^2 + (.7 - 0)^2 + (.6 - 1)^2 = .04 + .49 + .16 = .69; two of three right: 2/3 x 1/3 = 2/9
    found = sums((0.8, True), (0.7, False), (0.6, True))
    assert found.brier == pytest.approx(0.23)
    assert found.skill == pytest.approx(1 - 0.23 / (2 / 9))
    assert (found.n, found.right, found.stated) == (3, 2, 2_100_000)


def test_who_states_the_base_rate_has_no_skill() -> None:
    assert sums(*[(0.75, n % 4 > 0) for n in range(80)]).skill == pytest.approx(0)


def test_skill_is_not_defined_where_all_came_out_the_same() -> None:
    assert sums((0.8, True), (0.9, True)).skill is None
    assert Sums().brier is None


def test_bins_begin_at_their_edges() -> None:
    found = sums((0.599999, True), (0.6, False), (0.7, True), (0.8, True), (0.899999, False), (0.9, True), (1.0, True))
    assert [(b.n, b.right) for b in found.bins] == [(1, 1), (1, 0), (1, 1), (2, 1), (2, 2)]


def test_a_calibration_error_is_told_from_a_hundred_calls_on() -> None:
    calls = [(0.75, n % 2 == 0) for n in range(MANY)]
    assert sums(*calls[:-1]).error is None
    assert sums(*calls).error == pytest.approx(0.25)


def test_sums_of_models_add_up_to_those_of_all_calls() -> None:
    calls = [(n / 40, n % 3 == 0) for n in range(41)]
    assert added([sums(*calls[:17]), sums(*calls[17:])]) == sums(*calls)
    assert added(()) == Sums()


def test_log_loss_is_clipped() -> None:
    sure = a_record((100, 1, 0))
    assert sure.log_loss == pytest.approx(-log(0.001))
    assert a_record((80, 4, 3)).log_loss == pytest.approx(-(3 * log(0.8) + log(0.2)) / 4)
    assert a_record().log_loss is None


# --- the record -----------------------------------------------------------------------------------------------------


def test_a_record_is_of_one_model_and_one_side() -> None:
    records = labelled((), "a", LONG, stated=700_000, right=True)
    records = labelled(records, "a", SHORT, stated=700_000, right=False)
    records = labelled(records, "b", LONG, stated=650_000, right=True)
    records = labelled(records, "a", LONG, stated=704_999, right=False)
    assert record_of(records, "a", LONG).cells == (Cell(at=70, n=2, right=1),)
    assert record_of(records, "a", SHORT).cells == (Cell(at=70, n=1, right=0),)
    assert record_of(records, "b", LONG).right == 1
    assert record_of(records, "c", LONG).n == 0


def test_confidences_are_kept_to_the_nearest_hundredth() -> None:
    record = a_record().plus(705_000, True).plus(704_999, True).plus(MICRO, True).plus(0, False)
    assert [cell.at for cell in record.cells] == [0, 70, 71, 100]


def test_records_of_models_that_are_gone_are_let_go() -> None:
    records: tuple[CalibrationRecord, ...] = ()
    for n in range(KEPT + 3):
        records = labelled(records, f"model-{n}", LONG, stated=700_000, right=True)
    assert len(records) == KEPT
    assert record_of(records, "model-0", LONG).n == 0
    assert record_of(records, f"model-{KEPT + 2}", LONG).n == 1


# --- calibrating ----------------------------------------------------------------------------------------------------


def test_nothing_is_said_under_thirty_calls() -> None:
    assert calibrated(700_000, a_record((70, ENOUGH - 1, 20))) is None
    found = calibrated(700_000, a_record((70, ENOUGH, 20)))
    # (20 + 25) / (30 + 50) = .5625
    assert found == Calibrated(value=562_500, version="direction-1 shrunk", n=30, right=20)


def test_without_a_call_it_is_one_half() -> None:
    assert estimate(900_000, a_record()).value == 500_000


def test_a_line_is_drawn_from_a_hundred_calls_on() -> None:
    before, after = (calibrated(700_000, a_record((70, n, 54))) for n in (MANY - 1, MANY))
    assert before is not None
    assert after is not None
    assert (before.version, before.slope) == ("direction-1 shrunk", None)
    assert after.version == "direction-1 platt"
    assert after.slope is not None


def test_an_overconfident_judge_is_taken_down() -> None:
    """Stated .72, true .54, in the long run."""
    found = calibrated(720_000, a_record((72, 10_000, 5_400)))
    assert found is not None
    assert found.value == pytest.approx(540_000, abs=3_000)


def test_a_judge_who_is_worth_what_he_states_is_left_alone() -> None:
    cells = [(at, 2_000, 20 * at) for at in range(55, 95, 5)]
    for stated in (600_000, 700_000, 800_000):
        found = calibrated(stated, a_record(*cells))
        assert found is not None
        assert found.value == pytest.approx(stated, abs=8_000)


def test_who_is_right_less_often_the_surer_he_is_gets_a_flat_line() -> None:
    found = calibrated(900_000, a_record((60, 400, 300), (90, 400, 100)))
    assert found is not None
    assert found.slope == 0
    assert found.value == pytest.approx(500_000, abs=20_000)


def test_the_prior_keeps_a_hundred_lucky_calls_below_certainty() -> None:
    found = calibrated(800_000, a_record((80, 100, 100)))
    assert found is not None
    assert found.value < 985_000


def missed(record: CalibrationRecord, slope: float, intercept: float) -> float:
    """How unlikely the record is by a line, and the line by the prior: slope .8 +- .5, intercept 0 +- .5."""
    lost = ((slope - 0.8) ** 2 + intercept**2) / 2 / 0.25
    for cell in record.cells:
        p = 1 / (1 + exp(-(slope * log(cell.at / (100 - cell.at)) + intercept)))
        lost -= cell.right * log(p) + (cell.n - cell.right) * log(1 - p)
    return lost


@pytest.mark.parametrize(
    "cells", [((80, 100, 100),), ((60, 80, 41), (70, 80, 44), (90, 60, 37)), ((55, 90, 20), (95, 30, 29))]
)
def test_the_line_is_the_likeliest_there_is(cells: tuple[tuple[int, int, int], ...]) -> None:
    record = a_record(*cells)
    found = estimate(700_000, record)
    assert found.slope is not None
    assert found.intercept is not None
    slope, intercept = float(found.slope), float(found.intercept)
    for by in ((0.002, 0.0), (-0.002, 0.0), (0.0, 0.002), (0.0, -0.002)):
        assert missed(record, slope, intercept) < missed(record, slope + by[0], intercept + by[1])


def test_the_record_of_a_decision_is_enough_to_work_it_out_again() -> None:
    for record in (a_record((70, 40, 25)), a_record((60, 80, 41), (70, 80, 44), (90, 60, 37))):
        found = calibrated(731_234, record)
        assert found is not None
        assert worth(731_234, replace(found, value=0)) == found.value


# --- the size that comes of it --------------------------------------------------------------------------------------

# Steps: above .80 10.5 %, above .70 9 %, above .60 7 %, else 5 %. The stop does not bound: 2 % of risk is raised.
SIZES = [
    ("stated", 900_000, 600_000, "10.5%"),
    ("calibrated", 900_000, None, "5.0%"),
    ("calibrated", 900_000, 600_000, "5.0%"),
    ("calibrated", 900_000, 600_001, "7.0%"),
    ("calibrated", 900_000, 700_000, "7.0%"),
    ("calibrated", 900_000, 700_001, "9.0%"),
    ("calibrated", 900_000, 800_000, "9.0%"),
    ("calibrated", 900_000, 800_001, "10.5%"),
    ("calibrated", 600_000, 900_000, "5.0%"),
    ("calibrated", 700_000, 900_000, "7.0%"),
    ("calibrated", 800_000, 900_000, "9.0%"),
    ("calibrated", 800_001, 800_001, "10.5%"),
]


def noted(which: str, stated: int, known: int | None, **sizing: object) -> str:
    part = {**a_plain_playbook().model_dump()["sizing"], "confidence": StatedOr(which), **sizing}
    facts = some_facts(playbook=a_plain_playbook(sizing=part), confidence=stated, calibrated=known)
    return plan_entry(facts, LONG, desk="test", decision=DecisionId("btc-aaaaaaaa")).size_note


@pytest.mark.parametrize(("which", "stated", "known", "margin"), SIZES)
def test_the_smaller_of_both_confidences_sizes(which: str, stated: int, known: int | None, margin: str) -> None:
    assert f": {margin} of equity as margin at 10x" in noted(which, stated, known)


@pytest.mark.parametrize(
    ("which", "stated", "known", "said"),
    [
        ("stated", 900_000, 620_000, "confidence 0.90: 10.5%"),
        ("calibrated", 900_000, 620_000, "confidence 0.62 calibrated, 0.90 stated: 7.0%"),
        ("calibrated", 620_000, 900_000, "confidence 0.62 stated, 0.90 calibrated: 7.0%"),
        ("calibrated", 900_000, None, "confidence 0.90 stated, what it is worth is not known yet: 5.0%"),
    ],
)
def test_the_size_says_which_of_them_it_was(which: str, stated: int, known: int | None, said: str) -> None:
    assert noted(which, stated, known).startswith(said)


def test_on_a_line_nothing_known_is_its_low_end() -> None:
    assert "from 5.0% to 20.0%: 5.0% of equity" in noted("calibrated", 950_000, None, method="linear")
    assert "from 5.0% to 20.0%: 20.0% of equity" in noted("calibrated", 950_000, 950_000, method="linear")


def test_steps_that_fall_with_confidence_make_nothing_larger() -> None:
    steps = ({"above": D("0.8"), "margin": D("0.06")}, {"above": D("0.6"), "margin": D("0.09")})
    assert ": 6.0% of equity" in noted("calibrated", 900_000, 700_000, steps=steps)
