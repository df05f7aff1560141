"""Where lines and labels of pictures stand, whatever the numbers are."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bot.charts.labels import Box, Room, around, spread, tie
from bot.charts.scales import number_label, number_lines, time_lines

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
pixels = st.floats(-500, 1500)
sizes = st.floats(1, 300)
boxes = st.builds(lambda x, y, w, h: around(x, y, width=w, height=h), pixels, pixels, sizes, sizes)


@given(
    st.decimals(min_value="-1e9", max_value="1e9", places=9),
    st.decimals(min_value="0.000000001", max_value="1e9", places=9),
    st.integers(2, 9),
)
def test_number_lines_are_round_even_and_inside(low: Decimal, height: Decimal, most: int) -> None:
    lines = number_lines(low, low + height, most)
    assert 1 <= len(lines) <= most
    assert all(low <= line <= low + height for line in lines)
    steps = {after - before for before, after in pairwise(lines)}
    assert len(steps) <= 1
    for step in steps:
        assert step.normalize().as_tuple().digits in ((1,), (2,), (2, 5), (5,))
        assert all(line % step == 0 for line in lines)
    if height >= Decimal("0.01"):  # money
        assert [Decimal(number_label(line).replace(",", "")) for line in lines] == list(lines)


@given(st.integers(0, 10**9), st.integers(60, 10**9), st.integers(2, 6))
def test_time_lines_are_full_moments_inside(begin: int, length: int, most: int) -> None:
    first = AT + timedelta(seconds=begin)
    last = first + timedelta(seconds=length)
    lines = time_lines(first, last, most)
    assert len(lines) <= most
    assert all(first <= at <= last for at, _ in lines)
    assert all(at.second == 0 and at.minute % 5 == 0 for at, _ in lines)
    assert all(before < after for (before, _), (after, _) in pairwise(lines))


def test_times_are_named_by_what_matters_at_their_scale() -> None:
    def names(length: timedelta) -> list[str]:
        return [name for _, name in time_lines(AT, AT + length, 4)]

    assert names(timedelta(hours=1)) == ["12:00", "12:30", "13:00"]
    assert names(timedelta(days=1)) == ["12:00", "6 Jan", "12:00"]
    assert names(timedelta(days=20)) == ["12 Jan", "19 Jan"]
    assert names(timedelta(days=300)) == ["Apr 2026", "Jul 2026", "Oct 2026"]


@given(st.lists(st.floats(-200, 1300), max_size=12), st.floats(1, 120))
def test_names_at_the_border_keep_their_order_and_their_distance(wanted: list[float], apart: float) -> None:
    placed = spread(wanted, apart=apart, top=0, bottom=1000)
    assert len(placed) == len(wanted)
    assert all(-1e-6 <= y <= 1000 + 1e-6 for y in placed)
    ranked = [y for _, y in sorted(zip(wanted, placed, strict=True))]
    room = min(apart, 1000 / max(len(wanted) - 1, 1))
    assert all(after - before >= room - 1e-6 for before, after in pairwise(ranked))


@given(st.lists(st.floats(100, 900), max_size=5, unique=True))
def test_names_that_are_far_enough_apart_stand_where_they_are_wanted(wanted: list[float]) -> None:
    if all(b - a >= 50 for a, b in pairwise(sorted(wanted))):
        assert spread(wanted, apart=50, top=0, bottom=1000) == wanted


@given(st.lists(boxes, max_size=20), st.lists(st.tuples(pixels, pixels, sizes, sizes, st.booleans()), max_size=8))
def test_labels_never_cover_each_other_nor_what_is_taken(
    better_not: list[Box], labels: list[tuple[float, float, float, float, bool]]
) -> None:
    whole = Box(left=0, top=0, right=1000, bottom=900)
    room = Room(whole, better_not=better_not)
    taken = [around(500, 450, width=40, height=40)]
    room.take(taken[0])
    for x, y, width, height, up in labels:
        at = room.beside(x, y, width=width, height=height, up=up)
        if at is not None:
            made = around(*at, width=width, height=height)
            assert made.within(whole)
            assert not any(made.meets(other) for other in taken)
            taken.append(made)


def test_a_label_goes_where_the_bars_are_not_before_it_stands_on_them() -> None:
    whole = Box(left=0, top=0, right=1000, bottom=1000)
    above = Box(left=0, top=0, right=1000, bottom=480)
    assert Room(whole).beside(500, 500, width=100, height=60, up=True) == (500, 452)
    assert Room(whole, better_not=[above]).beside(500, 500, width=100, height=60, up=True) == (500, 548)
    assert Room(whole, better_not=[whole]).beside(500, 500, width=100, height=60, up=True) == (500, 452)


@given(boxes, boxes)
def test_a_tie_ends_on_both(one: Box, other: Box) -> None:
    for (x, y), box in zip(tie(one, other), (one, other), strict=True):
        assert box.left - 1e-6 <= x <= box.right + 1e-6
        assert box.top - 1e-6 <= y <= box.bottom + 1e-6
