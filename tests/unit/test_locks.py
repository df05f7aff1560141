"""Locks on an instrument, or on one side of it: entries wait, nothing else does."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.database import Database
from storage.journal import SqlJournal
from tests.builders import BTC, ETH, NOW, a_lock
from tests.desks import SECOND, Bench, a_desk, two_markets, until
from trading.clock import SystemClock
from trading.decision import Denied
from trading.errors import Misuse
from trading.events import OrderEnded, PairLocked, PairUnlocked, TradeClosed
from trading.locks import against, in_force, locked, standing_on, unlocked, words
from trading.messages import ClosePosition, Decide, LockPair, UnlockPair
from trading.model import Direction, OrderStatus, Symbol
from trading.state import PairLock

LONG, SHORT = Direction.LONG, Direction.SHORT
ME = "the owner"


def lock(direction: Direction | None = None, *, lasts: int | None = None, reason: str = "") -> LockPair:
    span = None if lasts is None else timedelta(seconds=lasts)
    return LockPair(symbol=BTC, by=ME, direction=direction, lasts=span, reason=reason)


def denial(bench: Bench) -> tuple[str, str]:
    gate = list(bench.journal.decisions.values())[-1].gate
    assert isinstance(gate, Denied)
    return gate.rule, gate.reason


# --- what they are ----------------------------------------------------------------------------------------------------


def test_a_lock_ends_at_its_very_moment() -> None:
    until_noon = a_lock(until=NOW)
    assert until_noon.stands(NOW - timedelta(microseconds=1))
    assert not until_noon.stands(NOW)
    assert a_lock().stands(NOW + timedelta(days=9999))


SIDES = st.sampled_from([LONG, SHORT, None])
LOCKS = st.lists(
    st.builds(
        a_lock,
        SIDES,
        symbol=st.sampled_from([BTC, ETH]),
        until=st.none() | st.integers(-5, 5).map(lambda n: NOW + n * SECOND),
    ),
    max_size=6,
)


@given(LOCKS, SIDES, st.none() | st.integers(1, 100))
def test_a_new_lock_takes_the_place_of_one_on_the_same_side_and_of_none_else(
    before: list[PairLock], side: Direction | None, lasts: int | None
) -> None:
    held = tuple(before)
    made, after = locked(held, lock(side, lasts=lasts), NOW)
    assert after[-1] == made
    assert made.until == (None if lasts is None else NOW + lasts * SECOND)
    assert all(each.stands(NOW) for each in after)
    others = [each for each in in_force(held, NOW) if (each.symbol, each.direction) != (BTC, side)]
    assert list(after[:-1]) == others


@given(LOCKS)
def test_what_is_unlocked_is_free_and_the_rest_stays(before: list[PairLock]) -> None:
    held = tuple(before)
    if not standing_on(held, BTC, NOW):
        with pytest.raises(Misuse, match="BTC is not locked"):
            unlocked(held, BTC, NOW)
        return
    after = unlocked(held, BTC, NOW)
    assert standing_on(after, BTC, NOW) == ()
    assert standing_on(after, ETH, NOW) == standing_on(held, ETH, NOW)


@pytest.mark.parametrize(
    ("side", "keeps_out"), [(LONG, {LONG}), (SHORT, {SHORT}), (None, {LONG, SHORT})], ids=["long", "short", "both"]
)
def test_a_lock_keeps_its_side_out(side: Direction | None, keeps_out: set[Direction]) -> None:
    assert {d for d in Direction if against((a_lock(side),), d)} == keeps_out


def test_a_lock_in_words() -> None:
    assert words(a_lock()) == "locked by the owner until it is unlocked"
    timed = a_lock(SHORT, until=NOW, reason="news at noon")
    assert words(timed) == "locked for shorts by the owner until 2026-01-05 12:00:00 UTC: news at noon"


# --- what they do -----------------------------------------------------------------------------------------------------


async def test_a_locked_instrument_is_not_entered_and_the_others_are() -> None:
    bench = await a_desk(*two_markets())
    said = await bench.desk.obey(lock(reason="too wild"))
    assert said == "BTC is locked by the owner until it is unlocked: too wild. Exits and protection go on."
    (event,) = bench.told(PairLocked)
    assert (event.symbol, event.direction, event.until, event.by, event.reason) == (BTC, None, None, ME, "too wild")
    bench.script.long(BTC, ETH)
    await bench.decide(ETH, BTC)
    assert set(await bench.held()) == {ETH}
    assert denial(bench) == ("locked", "BTC is locked by the owner until it is unlocked: too wild")
    assert [each.symbol for each in bench.desk.status().locks] == [BTC]


async def test_a_lock_on_one_side_leaves_the_other_free() -> None:
    bench = await a_desk()
    await bench.desk.obey(lock(LONG))
    bench.script.long()
    await bench.decide()
    assert await bench.held() == {}
    await bench.step()
    bench.script.short()
    await bench.decide()
    assert (await bench.held())[BTC] < 0


async def test_a_lock_that_is_over_keeps_nothing_out_and_is_forgotten() -> None:
    bench = await a_desk()
    await bench.desk.obey(lock(lasts=5))
    bench.script.long()
    await bench.step(4)
    await bench.decide()
    assert denial(bench)[0] == "locked"
    await bench.step()
    assert bench.desk.status().locks == ()
    assert bench.desk.book.state.locks
    await bench.sweep()
    assert not bench.desk.book.state.locks
    await bench.decide()
    assert await bench.held()


async def test_exits_of_a_locked_instrument_go_on() -> None:
    bench = await a_desk()
    position = await bench.enter()
    await bench.desk.obey(lock())
    await bench.desk.obey(ClosePosition(position_id=position.id, by=ME))
    await bench.desk.settle()
    assert bench.told(TradeClosed)


async def test_an_entry_that_was_approved_and_not_sent_is_withdrawn() -> None:
    bench = await a_desk()
    stuck = asyncio.Event()
    bench.desk.lanes.post(BTC, stuck.wait)  # type: ignore[arg-type]
    bench.script.long()
    await bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule"))
    await until(lambda: bool(bench.desk.book.entries()))
    await bench.desk.obey(lock(SHORT))
    await bench.desk.obey(lock(LONG, reason="news"))
    stuck.set()
    await bench.desk.settle()
    (ended,) = bench.told(OrderEnded)
    assert (ended.order.status, ended.withdrawn) == (OrderStatus.ABANDONED, True)
    assert ended.order.note == "BTC was locked by the owner before it was sent"
    assert not bench.trouble.sent()


# --- people -----------------------------------------------------------------------------------------------------------


async def test_locking_again_replaces_and_unlocking_takes_every_lock_off() -> None:
    bench = await a_desk(*two_markets())
    for command in (lock(LONG, lasts=5), lock(LONG, lasts=50), lock(SHORT), lock()):
        await bench.desk.obey(command)
    await bench.desk.obey(LockPair(symbol=ETH, by=ME))
    found = [(each.direction, each.until) for each in bench.desk.status().locks if each.symbol == BTC]
    assert found == [(LONG, bench.clock.now() + 50 * SECOND), (SHORT, None), (None, None)]
    assert await bench.desk.obey(UnlockPair(symbol=BTC, by="another")) == "BTC may be entered again."
    assert [each.symbol for each in bench.desk.status().locks] == [ETH]
    assert [(e.symbol, e.by) for e in bench.told(PairUnlocked)] == [(BTC, "another")]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (UnlockPair(symbol=BTC, by=ME), "BTC is not locked."),
        (LockPair(symbol=Symbol("PEPE/USDT:USDT"), by=ME), "This market has no PEPE."),
        (UnlockPair(symbol=Symbol("PEPE/USDT:USDT"), by=ME), "This market has no PEPE."),
        (lock(lasts=0), "needs some time"),
        (lock(lasts=-1), "needs some time"),
    ],
)
async def test_what_cannot_be_is_refused(command: LockPair | UnlockPair, said: str) -> None:
    bench = await a_desk()
    with pytest.raises(Misuse, match=said):
        await bench.desk.obey(command)
    assert bench.desk.book.state.locks == ()
    assert not bench.told(PairLocked)


async def test_a_lock_is_taken_while_the_journal_cannot_write() -> None:
    bench = await a_desk()
    bench.journal.refusing = True
    await bench.desk.obey(lock())
    assert bench.desk.status().locks
    bench.journal.refusing = False
    await bench.sweep()
    assert len(bench.told(PairLocked)) == 1


async def test_a_lock_survives_a_restart_of_a_real_journal(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "desk.db")
    bench = await a_desk(journal=SqlJournal(database, route=lambda _: [], wall=SystemClock()))
    await bench.desk.obey(lock(SHORT, lasts=3600, reason="a reason"))
    before = bench.desk.status().locks
    await bench.restart()
    assert len(before) == 1
    assert bench.desk.status().locks == before
    await database.close()


async def test_two_people_lock_at_once_and_both_locks_hold() -> None:
    bench = await a_desk()
    bench.journal.slow = asyncio.Event()
    given = [asyncio.create_task(bench.desk.obey(command)) for command in (lock(LONG), lock(SHORT))]
    for _ in range(20):
        await asyncio.sleep(0)
    bench.journal.slow.set()
    await asyncio.gather(*given)
    assert {each.direction for each in bench.desk.status().locks} == {LONG, SHORT}
