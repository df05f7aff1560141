"""Whatever the record: a calibrated confidence is a number between 0 and 1 that never falls as more is stated."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import a_plain_playbook, some_facts
from trading.calibration import MANY, CalibrationRecord, Sums, calibrated, estimate, worth
from trading.decision import MICRO, Calibrated
from trading.model import DecisionId, Direction
from trading.risk.sizing import plan_entry

confidences = st.integers(0, MICRO)
few = settings(max_examples=60, deadline=None)


@st.composite
def records(draw: st.DrawFn) -> CalibrationRecord:
    record = CalibrationRecord(model="", direction=draw(st.sampled_from(Direction)))
    for _ in range(draw(st.integers(0, 6))):
        stated, right = draw(confidences), draw(st.booleans())
        for _ in range(draw(st.sampled_from([1, 10, 40, 150]))):
            record = record.plus(stated, right)
    return record


@few
@given(records(), st.lists(confidences, min_size=2, max_size=6).map(sorted))
def test_it_lies_between_nought_and_one_and_never_falls(record: CalibrationRecord, stated: list[int]) -> None:
    values = [estimate(each, record).value for each in stated]
    assert values == sorted(values)
    assert all(0 <= value <= MICRO for value in values)


@few
@given(records(), confidences)
def test_it_is_worked_out_again_from_what_a_decision_holds(record: CalibrationRecord, stated: int) -> None:
    found = estimate(stated, record)
    assert worth(stated, replace(found, value=0)) == found.value
    assert found.n == record.n
    assert (found.slope is not None) == (record.n >= MANY)
    assert found.slope is None or found.slope >= 0
    assert calibrated(stated, record) in (None, found)


@given(confidences)
def test_without_a_call_it_is_the_prior(stated: int) -> None:
    assert estimate(stated, CalibrationRecord(model="", direction=Direction.LONG)).value == MICRO // 2


@few
@given(st.lists(st.tuples(confidences, st.booleans()), max_size=40), st.randoms(use_true_random=False))
def test_the_order_of_calls_does_not_matter(calls: list[tuple[int, bool]], chance: object) -> None:
    other = list(calls)
    chance.shuffle(other)  # type: ignore[attr-defined]
    one, two = (CalibrationRecord(model="", direction=Direction.LONG) for _ in range(2))
    for stated, right in calls:
        one = one.plus(stated, right)
    for stated, right in other:
        two = two.plus(stated, right)
    assert one == two


decimals = st.decimals(min_value=-10_000, max_value=10_000, places=6)


@given(confidences, decimals.map(abs), decimals)
def test_any_line_that_was_ever_written_down_can_be_read(stated: int, slope: Decimal, intercept: Decimal) -> None:
    by = Calibrated(value=0, version="direction-1 platt", n=100, slope=slope, intercept=intercept)
    assert 0 <= worth(stated, by) <= MICRO


@few
@given(st.lists(st.tuples(confidences, st.booleans()), max_size=60))
def test_sums_are_exact(calls: list[tuple[int, bool]]) -> None:
    found = Sums()
    for stated, right in calls:
        found = found.plus(stated, right)
    assert found.n == len(calls) == sum(b.n for b in found.bins)
    assert found.right == sum(right for _, right in calls) == sum(b.right for b in found.bins)
    assert found.stated == sum(stated for stated, _ in calls) == sum(b.stated for b in found.bins)
    assert found.squares == sum((stated - MICRO * right) ** 2 for stated, right in calls)
    assert found.brier is None or 0 <= found.brier <= 1
    assert found.skill is None or found.skill <= 1


@few
@given(confidences, st.none() | confidences)
def test_what_is_known_never_makes_a_position_larger(stated: int, known: int | None) -> None:
    def quantity(which: str) -> Decimal:
        part = {**a_plain_playbook().model_dump()["sizing"], "confidence": which}
        facts = some_facts(playbook=a_plain_playbook(sizing=part), confidence=stated, calibrated=known)
        return plan_entry(facts, Direction.LONG, desk="test", decision=DecisionId("btc-aaaaaaaa")).quantity

    assert quantity("calibrated") <= quantity("stated")
