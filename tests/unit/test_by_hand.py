"""What people do to a position: all of it or a part, at the price they saw, without disturbing the plan."""

import asyncio
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import BTC
from tests.desks import Bench, a_desk, a_house, a_series, two_markets
from trading.errors import Misuse, OrderRejected, UnknownOutcome, VenueDown
from trading.events import ExitTriggered, OrderEnded, OrderFilled, OrderIntended, PartialTriggered
from trading.exit_plan import NOTHING_YET
from trading.messages import ClosePosition, Quoted
from trading.model import ExitReason, Guard, Leg, OrderStatus, Position, PositionId

D = Decimal
ME = "the owner"
PARTS = {"partials": [{"at": "0.02", "share": "0.25"}, {"at": "0.04", "share": "0.5"}]}


def close(position: Position, part: str = "1", **quoted: str) -> ClosePosition:
    shown = Quoted(**{key: D(value) for key, value in quoted.items()}) if quoted else None
    return ClosePosition(position_id=position.id, by=ME, part=D(part), quoted=shown)


async def is_settled(bench: Bench) -> bool:
    """Desk and venue hold the same, to the last digit, and nothing hangs."""
    await bench.sweep()
    wallet = (await bench.venue.balance()).wallet
    return bench.desk.frozen == "" and wallet == bench.desk.book.booked


# --- a part -----------------------------------------------------------------------------------------------------------


async def test_a_part_is_closed_by_hand_and_the_rest_stays_guarded() -> None:
    bench = await a_desk()
    position = await bench.enter()
    said = await bench.desk.obey(close(position, "0.5"))
    await bench.desk.settle()
    assert said == "Closing 0.066 of BTC long 0.133 at market."
    (order,) = bench.trouble.sent(Leg.CLOSE)
    assert (order.quantity, order.reduce_only, order.note) == (D("0.066"), True, "by the owner")
    assert (await bench.held())[BTC] == D("0.067")
    left = bench.desk.book.positions[position.id]
    assert (left.quantity, left.guard, left.closing, left.memory) == (D("0.067"), Guard.CONFIRMED, None, NOTHING_YET)
    (told,) = bench.told(PartialTriggered)
    assert (told.quantity, told.reason, told.note) == (D("0.066"), ExitReason.MANUAL, "by the owner")
    assert told.quote is not None
    assert not bench.told(ExitTriggered)
    assert await is_settled(bench)


async def test_the_plans_own_steps_are_taken_as_if_no_hand_had_been_there() -> None:
    bars: list[float] = [60000, 60000, 60000, 61200, 61200, 62400, 62400, 62400]
    bench = await a_desk(a_series(bars), playbook=a_house(exits=PARTS))
    position = await bench.enter()
    await bench.desk.obey(close(position, "0.1"))
    await bench.step(4)
    assert bench.desk.book.positions[position.id].memory.partials == 1
    await bench.step(2)
    parts = [o.quantity for o in bench.trouble.sent(Leg.PARTIAL)]
    assert parts == [D("0.033"), D("0.066")], "shares of what was entered"
    assert (await bench.held())[BTC] == D("0.133") - D("0.013") - D("0.033") - D("0.066")
    assert await is_settled(bench)


async def test_a_second_part_is_another_order() -> None:
    bench = await a_desk()
    position = await bench.enter()
    for _ in range(2):
        await bench.desk.obey(close(position, "0.5"))
        await bench.desk.settle()
    first, second = bench.trouble.sent(Leg.CLOSE)
    assert (first.quantity, second.quantity) == (D("0.066"), D("0.033"))
    assert first.client_id != second.client_id
    await bench.desk.obey(close(position))
    await bench.desk.settle()
    (trade,) = bench.trades
    assert (trade.reason, trade.quantity, trade.note) == (ExitReason.MANUAL, D("0.133"), "by the owner")
    assert len({o.client_id for o in bench.trouble.sent(Leg.CLOSE)}) == 3
    assert await bench.held() == {}
    assert await is_settled(bench)


async def test_what_would_be_less_than_the_smallest_order_goes_with_the_rest() -> None:
    bench = await a_desk(min_quantity=D("0.02"))
    position = await bench.enter()
    said = await bench.desk.obey(close(position, "0.9"))
    await bench.desk.settle()
    assert said == "Closing BTC long 0.133 at market. What would be left is less than the smallest order."
    (trade,) = bench.trades
    assert trade.reason is ExitReason.MANUAL


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("0", "more than nothing"),
        ("-0.5", "more than nothing"),
        ("1.01", "at most all of it"),
        ("0.1", "That would be 0.013 of 0.133; the smallest order is 0.02."),
    ],
)
async def test_a_part_that_cannot_be_is_refused(part: str, said: str) -> None:
    bench = await a_desk(min_quantity=D("0.02"))
    position = await bench.enter()
    with pytest.raises(Misuse, match=said):
        await bench.desk.obey(close(position, part))
    await bench.desk.settle()
    assert not bench.trouble.sent(Leg.CLOSE)
    assert bench.desk.faults == {}, "a refusal is no fault of the desk"


@given(part=st.decimals("0.0001", "1", places=4), least=st.sampled_from(["0.001", "0.01", "0.05"]))
async def test_any_part_leaves_nothing_or_at_least_the_smallest_order(part: Decimal, least: str) -> None:
    bench = await a_desk(min_quantity=D(least))
    position = await bench.enter()
    try:
        await bench.desk.obey(ClosePosition(position_id=position.id, by=ME, part=part))
    except Misuse:
        assert position.quantity * part < D(least)
        return
    await bench.desk.settle()
    left = (await bench.held()).get(BTC, D(0))
    assert left == 0 or left >= D(least)
    assert left >= position.quantity * (1 - part) or left == 0
    assert left % D("0.001") == 0


# --- a part and what else may happen ----------------------------------------------------------------------------------


async def test_while_a_part_is_on_its_way_no_other_is_sent_by_hand_nor_by_the_plan() -> None:
    bars: list[float] = [60000, 60000, 61200, 61200, 61200, 61200]
    bench = await a_desk(a_series(bars), playbook=a_house(exits=PARTS))
    position = await bench.enter()
    bench.trouble.on("submit", UnknownOutcome("no answer"), leg=Leg.CLOSE, when="after")
    bench.trouble.on("order", VenueDown("no route"), times=9)
    bench.trouble.lose_updates = True
    await bench.desk.obey(close(position, "0.5"))
    with pytest.raises(Misuse, match="being closed already"):
        await bench.desk.obey(close(position, "0.5"))
    await bench.step(2)
    assert not bench.trouble.sent(Leg.PARTIAL)
    assert len(bench.trouble.sent(Leg.CLOSE)) == 1


@pytest.mark.parametrize("error", [VenueDown("no route"), OrderRejected("not now")])
async def test_a_part_that_is_lost_is_not_sent_again_and_can_be_asked_for_again(error: Exception) -> None:
    bench = await a_desk()
    position = await bench.enter()
    bench.trouble.on("submit", error, leg=Leg.CLOSE)
    await bench.desk.obey(close(position, "0.5"))
    await bench.step(10)
    (ended,) = bench.told(OrderEnded)
    assert ended.order.status in (OrderStatus.ABANDONED, OrderStatus.REJECTED)
    assert bench.desk.book.positions[position.id].memory == NOTHING_YET
    assert len(bench.trouble.sent(Leg.CLOSE)) == 1
    await bench.desk.obey(close(position, "0.5"))
    await bench.desk.settle()
    assert (await bench.held())[BTC] == D("0.067")
    assert await is_settled(bench)


async def test_a_part_of_unknown_outcome_is_looked_up_and_not_made_twice() -> None:
    bench = await a_desk()
    position = await bench.enter()
    bench.trouble.on("submit", UnknownOutcome("no answer"), leg=Leg.CLOSE, when="after")
    bench.trouble.lose_updates = True
    await bench.desk.obey(close(position, "0.5"))
    await bench.step(10)
    assert len(bench.trouble.sent(Leg.CLOSE)) == 1
    assert bench.desk.book.positions[position.id].quantity == (await bench.held())[BTC] == D("0.067")
    assert await is_settled(bench)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_crash_while_a_part_is_on_its_way_makes_it_at_most_once(when: str) -> None:
    bench = await a_desk()
    position = await bench.enter()
    bench.trouble.on("submit", UnknownOutcome("the process died"), leg=Leg.CLOSE, when=when)
    bench.trouble.lose_updates = True
    await bench.desk.obey(close(position, "0.5"))
    await bench.restart()
    await bench.step(40)
    held = D("0.133") if when == "before" else D("0.067")
    assert (await bench.held())[BTC] == bench.desk.book.positions[position.id].quantity == held
    assert await is_settled(bench)


async def test_a_part_by_hand_that_meets_the_stop_closes_no_more_than_is_open() -> None:
    """The stop has filled at the venue, and the desk has not heard it: the part finds less than it asks for."""
    bench = await a_desk(a_series([60000, 60000, (60000, 60000, 58000, 58000), 58000, 58000, 58000]))
    position = await bench.enter()
    bench.trouble.lose_updates = True
    await bench.step(1)
    step = next(bench.bars())
    bench.clock.set(step.at)
    for candle in step.candles:
        bench.venue.advance(candle, bench.feed.touch(candle.symbol, candle.close, candle.closed_at))
    await bench.desk.obey(close(position, "0.5"))
    bench.trouble.lose_updates = False
    await bench.step(3)
    await bench.sweep()
    assert await bench.held() == {}
    assert [t.reason for t in bench.trades] == [ExitReason.STOP_LOSS]
    assert await is_settled(bench)


async def test_a_part_that_turns_out_to_be_all_that_is_left_is_closed_by_hand() -> None:
    """The rest may have gone by a stop that filled in part: what closes last gives the trade its reason."""
    bench = await a_desk()
    position = await bench.enter()
    await bench.desk.execution.take(position, position.quantity, "by the owner", None)
    await bench.desk.settle()
    (trade,) = bench.trades
    assert (trade.reason, trade.note) == (ExitReason.MANUAL, "by the owner")


# --- as it was shown --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["60300", "59702", "60000"])
async def test_a_close_near_the_price_that_was_shown_is_carried_out(mark: str) -> None:
    bench = await a_desk()
    position = await bench.enter()
    await bench.desk.obey(close(position, mark=mark, quantity="0.133"))
    await bench.desk.settle()
    assert len(bench.trades) == 1


@pytest.mark.parametrize(
    ("quoted", "said"),
    [
        ({"mark": "60302"}, "BTC was at 60,302 when it was shown, and is at 60,000 now: 0.501%, more than 0.500%"),
        ({"mark": "59000"}, "1.695%, more than 0.500%. Ask again."),
        ({"mark": "60000", "quantity": "0.2"}, "BTC was 0.2 when it was shown, and is 0.133 now. Ask again."),
    ],
)
@pytest.mark.parametrize("part", ["1", "0.5"])
async def test_a_close_at_another_price_or_size_is_refused(quoted: dict[str, str], said: str, part: str) -> None:
    bench = await a_desk()
    position = await bench.enter()
    with pytest.raises(Misuse, match=said):
        await bench.desk.obey(close(position, part, **quoted))
    assert not bench.trouble.sent(Leg.CLOSE)
    assert bench.desk.faults == {}


async def test_how_far_it_may_have_moved_is_the_playbooks() -> None:
    bench = await a_desk(playbook=a_house(limits={"max_requote": "0.02"}))
    position = await bench.enter()
    await bench.desk.obey(close(position, mark="59000"))
    await bench.desk.settle()
    assert len(bench.trades) == 1


async def test_a_close_without_a_fresh_price_is_refused_where_one_was_shown_and_goes_on_where_none_was() -> None:
    bars = [60000.0, 60000.0, *[None] * 8, 60000.0]
    bench = await a_desk(a_series(bars), two_markets(11)[1])
    position = await bench.enter(BTC)
    await bench.step(6)
    with pytest.raises(Misuse, match="no fresh price of BTC"):
        await bench.desk.obey(close(position, mark="60000"))
    assert (await bench.desk.obey(close(position))).startswith("Closing BTC long")
    (order,) = bench.trouble.sent(Leg.CLOSE)
    assert order.expected is None


async def test_what_is_closed_is_what_is_open_when_its_turn_comes() -> None:
    """Another's close of a part stands before it in the lane."""
    bench = await a_desk()
    position = await bench.enter()
    await bench.desk.obey(close(position, "0.5"))
    await bench.desk.settle()
    with pytest.raises(Misuse, match=r"BTC was 0.133 when it was shown, and is 0.067 now"):
        await bench.desk.obey(close(position, mark="60000", quantity="0.133"))


async def test_an_error_inside_the_lane_is_said_to_who_asked_and_freezes_the_desk() -> None:
    bench = await a_desk()
    position = await bench.enter()
    bench.trouble.on("submit", RuntimeError("broken"), leg=Leg.CLOSE)
    with pytest.raises(Misuse, match="error inside the desk"):
        await bench.desk.obey(close(position))
    assert "broken" in bench.desk.frozen


async def test_a_close_that_a_stop_of_the_desk_cuts_off_is_said() -> None:
    bench = await a_desk()
    position = await bench.enter()
    bench.desk.lanes.post(BTC, asyncio.Event().wait)  # type: ignore[arg-type]
    asked = asyncio.create_task(bench.desk.obey(close(position)))
    await asyncio.sleep(0)
    await bench.desk.lanes.close()
    with pytest.raises(Misuse, match="has stopped"):
        await asked
    with pytest.raises(Misuse, match="has stopped"):
        await bench.desk.obey(close(position))


async def test_a_part_of_what_is_not_open_is_refused() -> None:
    bench = await a_desk()
    with pytest.raises(Misuse, match="no open position btc-nobody"):
        await bench.desk.obey(ClosePosition(position_id=PositionId("btc-nobody"), by=ME, part=D("0.5")))


async def test_the_intent_of_a_part_is_in_the_journal_before_it_leaves() -> None:
    bench = await a_desk()
    position = await bench.enter()
    await bench.desk.obey(close(position, "0.5"))
    await bench.desk.settle()
    kinds = [type(e) for e in bench.journal.events if isinstance(e, PartialTriggered | OrderIntended | OrderFilled)]
    assert kinds[-3:] == [PartialTriggered, OrderIntended, OrderFilled]
