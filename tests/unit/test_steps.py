"""What is less than leaving: arming, the best mark, the stop moved, a part closed. Each at its exact border."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.builders import a_look, a_position, a_protection, an_exit_plan, an_instrument, every_exit
from trading.exit_plan import NOTHING_YET, Memory, Partial, Regime, StopKind, StopMove
from trading.exits import Exit
from trading.market.outlook import NOTHING_KNOWN, Outlook
from trading.model import Direction, ExitReason, Guard, Position
from trading.steps import (
    TRIES,
    Reduce,
    break_even_level,
    counted,
    is_retry,
    next_step,
    partial,
    remember,
    stop_move,
    stop_moved,
    untaken,
)

D = Decimal
LONG, SHORT = Direction.LONG, Direction.SHORT
DISTANCES, PARTIALS = every_exit().trailing, every_exit().partials
TREND = Outlook(regime=Regime.TREND_UP)


def a_held(direction: Direction = LONG, *, memory: Memory = NOTHING_YET, **plan: object) -> Position:
    """At 60000; a stop at 2.5 %, and only what the test asks for."""
    return a_position(direction, plan=an_exit_plan(early_after=None, early_loss=None, **plan), memory=memory)


# --- arming, and the best mark ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "mark", "is_armed"),
    [(LONG, "60900", True), (LONG, "60899.9", False), (SHORT, "59100", True), (SHORT, "59100.1", False)],
)
def test_the_trailing_stop_is_armed_at_its_move(direction: Direction, mark: str, is_armed: bool) -> None:
    memory = remember(a_held(direction, trailing=DISTANCES), a_look(mark))
    assert (memory.armed, memory.best) == (is_armed, D(mark) if is_armed else None)


@pytest.mark.parametrize(
    ("direction", "mark", "best"),
    [
        (LONG, "61030.5", "61030.5"),  # a step of 0.05 % of 61000 is 30.5
        (LONG, "61030.4", "61000"),
        (LONG, "50000", "61000"),
        (SHORT, "58970.5", "58970.5"),  # of 59000: 29.5
        (SHORT, "58970.6", "59000"),
        (SHORT, "70000", "59000"),
    ],
)
def test_the_best_mark_is_noted_in_steps_and_never_goes_back(direction: Direction, mark: str, best: str) -> None:
    begun = Memory(armed=True, best=D(61000) if direction is LONG else D(59000))
    memory = remember(a_held(direction, trailing=DISTANCES, memory=begun), a_look(mark))
    assert (memory.armed, memory.best) == (True, D(best))


def test_without_a_trailing_stop_nothing_is_remembered() -> None:
    assert remember(a_held(), a_look("70000")) == NOTHING_YET


# --- the stop at what a round trip costs ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "mark", "level"),
    [
        (LONG, "60600", "60060.1"),  # 60000 x 1.0005 / 0.9995 = 60060.03, up to the tick
        (LONG, "60599.9", None),
        (SHORT, "59400", "59940"),  # 60000 x 0.9995 / 1.0005 = 59940.03, down
        (SHORT, "59400.1", None),
    ],
)
def test_the_stop_goes_to_break_even_at_its_move(direction: Direction, mark: str, level: str | None) -> None:
    move = stop_move(a_held(direction, break_even=D("0.01")), a_look(mark))
    assert (move and (move.level, move.kind)) == (level and (D(level), StopKind.BREAK_EVEN))


@pytest.mark.parametrize(("direction", "worse"), [(LONG, -1), (SHORT, 1)])
def test_at_break_even_the_fees_of_both_ways_are_earned_and_one_tick_worse_they_are_not(
    direction: Direction, worse: int
) -> None:
    position, instrument = a_held(direction), an_instrument()

    def net(price: Decimal) -> Decimal:
        fees = (position.cost + price * position.quantity) * instrument.taker_fee
        return position.unrealised(price) - fees

    level = break_even_level(position, instrument)
    assert net(level) >= 0 > net(level + worse * instrument.tick)


def test_break_even_is_that_of_the_whole_entry_after_a_part_was_closed() -> None:
    part = a_held(break_even=D("0.01"))
    rest = replace(part, quantity=D("0.04"), cost=D("2400.00000001"), exit_quantity=D("0.06"))
    assert break_even_level(rest, an_instrument()) == break_even_level(part, an_instrument())


def test_the_stop_is_never_moved_back() -> None:
    better = replace(a_held(break_even=D("0.01")), protection=a_protection(stop="60060.1"))
    assert stop_move(better, a_look("60600")) is None
    assert stop_move(replace(better, protection=a_protection(stop="60060")), a_look("60600"))


@pytest.mark.parametrize(("mark", "moves"), [("60060.1", False), ("60060.2", True)])
def test_the_stop_is_not_moved_to_where_the_mark_is(mark: str, moves: bool) -> None:
    early = a_held(break_even=D("0.0001"))
    assert (stop_move(early, a_look(mark)) is not None) is moves


# --- the stop behind the best mark ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "best", "level"), [(LONG, "61000", "59780"), (SHORT, "59000", "60180"), (LONG, "61001", "59780.9")]
)
def test_the_venues_stop_follows_the_trailing_level(direction: Direction, best: str, level: str) -> None:
    """Rounded away from the market: 61001 x 0.98 = 59780.98."""
    position = a_held(direction, trailing=DISTANCES, memory=Memory(armed=True, best=D(best)))
    move = stop_move(position, a_look(best, outlook=TREND))
    assert move
    assert (move.level, move.kind) == (D(level), StopKind.TRAILING)


def test_of_two_levels_the_better_one_is_taken() -> None:
    both = a_held(trailing=DISTANCES, break_even=D("0.01"), memory=Memory(armed=True, best=D(61000)))
    move = stop_move(both, a_look("61000", outlook=TREND))
    assert move
    assert (move.level, move.kind) == (D("60060.1"), StopKind.BREAK_EVEN)
    tight = stop_move(both, a_look("61000", outlook=Outlook(regime=Regime.CHOP)))
    assert tight
    assert (tight.level, tight.kind) == (D(60390), StopKind.TRAILING)


def test_a_wider_regime_does_not_move_the_stop_back() -> None:
    position = a_held(trailing=DISTANCES, memory=Memory(armed=True, best=D(61000), stop=StopKind.TRAILING))
    position = replace(position, protection=a_protection(stop="60390"))
    assert stop_move(position, a_look("61000", outlook=Outlook(regime=Regime.VOLATILE))) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"guard": Guard.PENDING},
        {"guard": Guard.FAILED},
        {"moving": StopMove(level=D(1), kind=StopKind.TRAILING, note="")},
        {"memory": Memory(refused=D("60060.1"))},
    ],
)
def test_a_stop_that_is_not_seen_or_on_its_way_or_refused_there_is_not_moved(changes: dict[str, object]) -> None:
    position = a_held(break_even=D("0.01"))
    assert stop_move(position, a_look("60600"))
    assert stop_move(replace(position, **changes), a_look("60600")) is None  # type: ignore[arg-type]


def test_a_refused_level_is_asked_for_again_when_the_move_is_reached_anew() -> None:
    refused = a_held(break_even=D("0.01"), memory=Memory(refused=D("60060.1")))
    assert remember(refused, a_look("60600")).refused
    assert remember(refused, a_look("60599.9")).refused is None


def test_a_moved_stop_keeps_the_r_it_began_with() -> None:
    position = a_held()
    once = stop_moved(position, StopMove(level=D("60060.1"), kind=StopKind.BREAK_EVEN, note=""))
    twice = stop_moved(once, StopMove(level=D(61000), kind=StopKind.TRAILING, note=""))
    assert (twice.protection.stop, twice.memory.stop, twice.memory.first_stop) == (
        D(61000),
        StopKind.TRAILING,
        D(58500),
    )
    assert position.risk == once.risk == twice.risk == 150
    assert twice.protection.target == position.protection.target


# --- a part -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "mark", "taken", "step", "quantity"),
    [
        (LONG, "61200", 0, 0, "0.025"),  # a quarter of 0.1
        (LONG, "61199.9", 0, None, None),
        (LONG, "62400", 1, 1, "0.05"),
        (LONG, "62399.9", 1, None, None),
        (LONG, "62400", 0, 1, "0.075"),  # both at once
        (LONG, "70000", 2, None, None),
        (SHORT, "58800", 0, 0, "0.025"),
        (SHORT, "58800.1", 0, None, None),
        (SHORT, "57600", 1, 1, "0.05"),
        (SHORT, "57600.1", 1, None, None),
        (SHORT, "57600", 0, 1, "0.075"),
        (SHORT, "50000", 2, None, None),
    ],
)
def test_a_part_is_closed_at_its_move(
    direction: Direction, mark: str, taken: int, step: int | None, quantity: str | None
) -> None:
    found = partial(a_held(direction, partials=PARTIALS, memory=Memory(partials=taken)), a_look(mark))
    assert (found and (found.step, found.quantity)) == (None if step is None else (step, D(quantity or 0)))


@pytest.mark.parametrize(
    ("entered", "least", "expected"),
    [
        ("0.007", "0.001", (0, "0.001")),  # 0.00175: down to the step
        ("0.003", "0.001", None),  # 0.00075 is nothing
        ("0.007", "0.002", None),  # below the minimum of the venue
        ("0.008", "0.002", (0, "0.002")),
    ],
)
def test_a_step_too_small_to_send_is_passed_over(entered: str, least: str, expected: tuple[int, str] | None) -> None:
    quantity = D(entered)
    position = a_held(partials=PARTIALS)
    small = replace(
        position, quantity=quantity, cost=60000 * quantity, entry_quantity=quantity, entry_cost=60000 * quantity
    )
    look = replace(a_look("61200"), instrument=an_instrument(min_quantity=D(least)))
    found = partial(small, look)
    assert (found and (found.step, found.quantity)) == (expected and (expected[0], D(expected[1])))
    later = partial(small, replace(look, quote=a_look("62400").quote))
    whole = [D(entered) * share for share in (D("0.25"), D("0.5"))]
    sent = [p for p in (look.instrument.round_quantity(w) for w in whole) if p >= D(least)]
    assert (later and (later.step, later.quantity)) == ((1, sum(sent)) if sent else None)


def test_a_part_is_never_more_than_is_open() -> None:
    all_of_it = (Partial(at=D("0.02"), share=D("0.75")), Partial(at=D("0.04"), share=D("0.25")))
    rest = replace(a_held(partials=all_of_it), quantity=D("0.04"), cost=D(2400))
    found = partial(rest, a_look("61200"))
    assert found
    assert found.quantity == D("0.04")


def test_a_step_that_never_reached_the_venue_is_due_again_and_not_for_ever() -> None:
    position = a_held(partials=PARTIALS)
    look = a_look("62400")
    for lost in range(TRIES):
        part = partial(position, look)
        assert part == Reduce(step=1, quantity=D("0.075"), note="+4.00%: 25% at +2.00%, 50% at +4.00%")
        assert is_retry(position.memory) is (lost > 0)
        position = replace(position, memory=counted(position, part))
        assert partial(position, look) is None
        position = untaken(position)
    position = untaken(replace(position, memory=replace(position.memory, partials=2)))
    assert partial(position, look) is None


def test_a_step_after_one_that_was_lost_is_not_a_retry() -> None:
    position = a_held(partials=PARTIALS)
    first = Reduce(step=0, quantity=D("0.025"), note="")
    lost = untaken(replace(position, memory=counted(position, first)))
    assert lost.memory.partials == 0
    taken = replace(lost, memory=counted(lost, first))
    assert not is_retry(taken.memory)


# --- all together -----------------------------------------------------------------------------------------------------


def test_the_most_urgent_step_is_taken_first() -> None:
    position = a_held(break_even=D("0.01"), partials=PARTIALS)
    look = a_look("61200")
    first = next_step(position, look)
    assert isinstance(first, StopMove)
    position = stop_moved(position, first)
    second = next_step(position, look)
    assert isinstance(second, Reduce)
    position = replace(position, memory=counted(position, second))
    assert next_step(position, look) is None
    leave = next_step(position, a_look("60060"))
    assert isinstance(leave, Exit)
    assert leave.reason is ExitReason.BREAK_EVEN


def test_a_position_without_any_of_it_only_leaves() -> None:
    assert remember(a_held(), a_look("62999.9")) == NOTHING_YET
    assert next_step(a_held(), a_look("62999.9", outlook=NOTHING_KNOWN)) is None
