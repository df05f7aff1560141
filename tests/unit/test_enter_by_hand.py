"""An entry by hand: the panel is heard and recorded, the side is a person's, the gate has the last word."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest

from storage.database import Database
from storage.journal import SqlJournal
from storage.verify import Verified, verify
from tests.builders import BTC, ETH
from tests.desks import HOUR, SECOND, Bench, a_desk, a_house, a_series, two_markets, until
from trading.breaker import Level
from trading.clock import SystemClock
from trading.decision import Approved, Decision, Denied
from trading.errors import Misuse
from trading.events import OrderEnded, OrderIntended
from trading.judge import judge, rejudged
from trading.messages import (
    Amend,
    ClosePosition,
    Decide,
    EnterPair,
    Halt,
    LockPair,
    OverrideBreaker,
    Quoted,
    UnlockPair,
)
from trading.model import Direction, Leg, Symbol
from trading.playbook import load

D = Decimal
ME = "Ann (telegram:7)"
LONG, SHORT = Direction.LONG, Direction.SHORT


def enter(direction: Direction = LONG, symbol: Symbol = BTC, *, mark: str = "") -> EnterPair:
    return EnterPair(symbol=symbol, direction=direction, by=ME, quoted=Quoted(mark=D(mark)) if mark else None)


def last(bench: Bench) -> Decision:
    made: list[Decision] = list(bench.journal.decisions.values())
    return made[-1]


# --- what comes of it -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("direction", "sign"), [(LONG, 1), (SHORT, -1)])
async def test_the_side_is_the_persons_whatever_the_panel_says(direction: Direction, sign: int) -> None:
    bench = await a_desk()
    bench.script.long(confidence=0.9)
    said = await bench.desk.obey(enter(direction))
    await bench.desk.settle()
    quantity = abs((await bench.held())[BTC])
    assert (await bench.held())[BTC] == sign * quantity > -1
    decision = last(bench)
    assert isinstance(decision.gate, Approved)
    guard = decision.gate.plan.protection
    assert said == (
        f"Entering BTC {direction.value} {quantity:f} at about 60000.0, stop {guard.stop:f}, target {guard.target:f} "
        f"({decision.id})."
    )
    assert bench.desk.book.on(BTC) is not None
    assert bench.desk.frozen == ""


async def test_the_record_has_the_panel_the_person_and_every_answer() -> None:
    bench = await a_desk()
    bench.script.short(confidence=0.9)
    await bench.desk.obey(enter(LONG, mark="60100"))
    decision = last(bench)
    assert (decision.by, decision.trigger, decision.outcome) == (ME, "by hand", "long")
    assert [o.persona for o in decision.opinions] == ["flow", "technical"]
    assert decision.verdict.reason.startswith("long by hand, Ann (telegram:7); the judge said short: short leads")
    assert decision.verdict.tally == judge(decision.opinions, decision.weights, bench.playbook.judge).tally
    assert isinstance(decision.gate, Approved)
    asked = [a.rule for a in decision.gate.answers]
    assert {"by hand", "locked", "price as shown"} <= set(asked)


@pytest.mark.parametrize("panel", ["long", "short", "wait"])
@pytest.mark.parametrize("direction", [LONG, SHORT])
async def test_the_record_alone_gives_the_verdict_again(panel: str, direction: Direction) -> None:
    bench = await a_desk()
    getattr(bench.script, panel)()
    await bench.decide(BTC)
    bench.script.wait()
    for each in bench.desk.book.positions.values():
        await bench.desk.obey(ClosePosition(position_id=each.id, by=ME))
    await bench.step(61)
    getattr(bench.script, panel)()
    await bench.desk.obey(enter(direction))
    made = list(bench.journal.decisions.values())
    assert {bool(d.by) for d in made} == {True, False}
    for decision in made:
        assert rejudged(decision, bench.playbook.judge) == decision.verdict


async def test_it_is_sized_like_the_weakest_verdict_that_may_trade() -> None:
    bench = await a_desk()
    await bench.desk.obey(enter())
    by_hand = last(bench)
    assert by_hand.verdict.confidence == 600_000 == int(bench.playbook.judge.min_confidence * 1_000_000)
    assert isinstance(by_hand.gate, Approved)
    assert by_hand.gate.plan.size_note.startswith("confidence 0.60: 5.0% of equity as margin")


async def test_it_is_left_by_the_playbooks_exits() -> None:
    bench = await a_desk()
    await bench.desk.obey(enter())
    await bench.desk.settle()
    position = bench.desk.book.on(BTC)
    assert position is not None
    assert position.plan.max_hold == bench.playbook.exits.max_hold
    assert position.playbook == "desk"


# --- what the gate says no to -----------------------------------------------------------------------------------------


async def taken(bench: Bench) -> None:
    await bench.enter(BTC)


async def halted(bench: Bench) -> None:
    await bench.desk.obey(Halt(by=ME, reason="news"))


async def locked(bench: Bench) -> None:
    await bench.desk.obey(LockPair(symbol=BTC, by="Bob"))


async def full(bench: Bench) -> None:
    await bench.desk.obey(Amend(values=(("limits.max_positions", "0"),), by=ME))


async def not_of_the_universe(bench: Bench) -> None:
    await bench.desk.obey(Amend(values=(("universe", "ETH"), ("tier1", "ETH")), by=ME))


async def throttled(bench: Bench) -> None:
    await bench.desk.obey(OverrideBreaker(level=Level.THROTTLE, lasts=HOUR, by=ME))


async def never_by_hand(bench: Bench) -> None:
    await bench.desk.obey(Amend(values=(("limits.manual_entry", "no"),), by=ME))


async def frozen(bench: Bench) -> None:
    bench.desk.faults["somewhere"] = "broken"


NO = [
    (taken, "one per instrument: a position or order is open on it"),
    (halted, "trading state: trading is halted: news"),
    (locked, "locked: BTC is locked by Bob until it is unlocked"),
    (full, "position count: 0 of 0 positions are open"),
    (not_of_the_universe, "symbol: not in the universe"),
    (throttled, "circuit breaker: the breaker is at THROTTLE: confidence from 0.80"),
    (never_by_hand, "by hand: desk takes no entries by hand (limits.manual_entry)"),
    (frozen, "books: inner error on somewhere: broken"),
]


@pytest.mark.parametrize(("world", "why"), NO, ids=lambda x: getattr(x, "__name__", ""))
async def test_the_gate_says_no_and_it_is_recorded(world: Callable[[Bench], Awaitable[None]], why: str) -> None:
    bench = await a_desk(*two_markets())
    await world(bench)
    held = await bench.held()
    said = await bench.desk.obey(enter())
    await bench.desk.settle()
    decision = last(bench)
    assert said == f"BTC long is not entered. {why} ({decision.id})."
    assert (decision.outcome, decision.by) == ("denied", ME)
    assert await bench.held() == held
    assert bench.desk.waits.take(bench.clock.now()) is not None, "it counts in the digest"


async def test_a_price_that_has_moved_since_it_was_shown_is_denied() -> None:
    bench = await a_desk()
    said = await bench.desk.obey(enter(mark="61000"))
    assert "price as shown: the price was 61000 when it was shown, and is 60000 now" in said
    assert await bench.held() == {}
    await bench.desk.obey(enter(mark="60100"))
    await bench.desk.settle()
    assert await bench.held()


@pytest.mark.parametrize("name", ["smt-3.0", "smt-3.1", "council"])
def test_competition_playbooks_take_no_entries_by_hand(name: str) -> None:
    assert load(name).limits.manual_entry is False


async def test_what_expectancy_or_the_breaker_denies_is_not_followed_in_shadow() -> None:
    bench = await a_desk(playbook=a_house(health={}))
    await throttled(bench)
    await bench.desk.obey(enter())
    assert isinstance(last(bench).gate, Denied)
    assert bench.desk.book.state.shadow == ()
    await bench.step()
    bench.script.long(confidence=0.7)
    await bench.decide()
    assert len(bench.desk.book.state.shadow) == 1, "the panel's own verdict is"


# --- where nothing can be decided -------------------------------------------------------------------------------------


async def test_an_instrument_that_the_market_does_not_have_is_refused() -> None:
    bench = await a_desk()
    with pytest.raises(Misuse, match="This market has no PEPE"):
        await bench.desk.obey(enter(symbol=Symbol("PEPE/USDT:USDT")))
    assert not bench.journal.decisions


async def test_without_a_fresh_bar_it_is_refused() -> None:
    bench = await a_desk(a_series([60000, 60000, *[None] * 8, 60000]), two_markets(11)[1])
    await bench.step(6)
    with pytest.raises(Misuse, match="Nothing can be decided now: BTC/USDT:USDT"):
        await bench.desk.obey(enter())
    assert not [d for d in bench.journal.decisions.values() if d.symbol == BTC]
    assert bench.desk.faults == {}


async def test_a_journal_that_cannot_write_enters_nothing() -> None:
    bench = await a_desk()
    bench.journal.refusing = True
    with pytest.raises(Misuse, match="journal cannot be written"):
        await bench.desk.obey(enter())
    await bench.desk.settle()
    assert not bench.trouble.sent()
    assert bench.desk.book.orders == {}, "the slot is given back"


async def test_an_error_inside_freezes_the_desk_and_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = await a_desk()

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(bench.desk.cycle.situation, "facts", broken)
    with pytest.raises(Misuse, match="error inside the desk"):
        await bench.desk.obey(enter())
    assert "broken" in bench.desk.frozen


# --- more than one thing at a time ------------------------------------------------------------------------------------


async def test_in_one_moment_a_person_may_ask_again() -> None:
    """Time stands still between two bars: each time is a decision of its own."""
    bench = await a_desk()
    await bench.desk.obey(LockPair(symbol=BTC, by=ME))
    for direction in (LONG, SHORT, LONG):
        assert "locked" in await bench.desk.obey(enter(direction))
    await bench.desk.obey(UnlockPair(symbol=BTC, by=ME))
    await bench.desk.obey(enter(LONG))
    made = list(bench.journal.decisions.values())
    assert [d.outcome for d in made] == ["denied", "denied", "denied", "long"]
    assert len({d.id for d in made}) == 4
    assert {d.at for d in made} == {bench.clock.now()}


async def test_it_waits_for_a_round_that_is_being_thought_about_and_a_halt_does_not_wait_for_it() -> None:
    bench = await a_desk(*two_markets(), instant=False)
    bench.script.hang = asyncio.Event()
    bench.script.long(BTC)
    await bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule"))
    await until(lambda: len(bench.script.asked) == 2)
    asked = asyncio.create_task(bench.desk.obey(enter(LONG, ETH)))
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(bench.script.asked) == 2, "the panel is not asked yet"
    await bench.desk.obey(Halt(by="Bob"))
    bench.script.hang.set()
    assert "trading state" in await asked
    await bench.desk.settle()
    assert await bench.held() == {}


async def test_a_halt_is_taken_while_the_panel_thinks_about_it() -> None:
    bench = await a_desk(instant=False)
    bench.script.hang = asyncio.Event()
    asked = asyncio.create_task(bench.desk.obey(enter()))
    await until(lambda: len(bench.script.asked) == 2)
    await bench.desk.obey(Halt(by="Bob"))
    bench.script.hang.set()
    assert "trading state" in await asked


async def test_two_people_at_once_enter_once() -> None:
    bench = await a_desk()
    said = await asyncio.gather(bench.desk.obey(enter(LONG)), bench.desk.obey(enter(SHORT)))
    await bench.desk.settle()
    assert said[0].startswith("Entering BTC long")
    assert "one per instrument" in said[1]
    assert len(bench.trouble.sent(Leg.ENTRY)) == 1


async def test_a_round_at_the_same_moment_is_not_passed_over_for_it() -> None:
    bench = await a_desk()
    await bench.desk.obey(LockPair(symbol=BTC, by=ME))
    await bench.desk.obey(enter())
    await bench.desk.obey(UnlockPair(symbol=BTC, by=ME))
    bench.script.long()
    await bench.decide()
    assert await bench.held()


async def test_who_asked_may_go_away_and_it_is_decided_all_the_same() -> None:
    bench = await a_desk(instant=False)
    bench.script.hang = asyncio.Event()
    asked = asyncio.create_task(bench.desk.obey(enter()))
    await until(lambda: len(bench.script.asked) == 2)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    bench.script.hang.set()
    await until(lambda: bool(bench.journal.decisions))
    await bench.desk.settle()
    assert await bench.held()


async def test_a_desk_that_stops_gives_it_up_and_says_so() -> None:
    bench = await a_desk(instant=False)
    bench.script.hang = asyncio.Event()
    asked = asyncio.create_task(bench.desk.obey(enter()))
    await until(lambda: len(bench.script.asked) == 2)
    await bench.desk.stop("a test")
    with pytest.raises(Misuse, match="The desk has stopped"):
        await asked
    assert not bench.told(OrderIntended)


async def test_an_approved_entry_that_was_not_sent_is_withdrawn_by_a_halt() -> None:
    bench = await a_desk()
    stuck = asyncio.Event()
    bench.desk.lanes.post(BTC, stuck.wait)  # type: ignore[arg-type]
    assert (await bench.desk.obey(enter())).startswith("Entering")
    await bench.desk.obey(Halt(by="Bob"))
    stuck.set()
    await bench.desk.settle()
    (ended,) = bench.told(OrderEnded)
    assert ended.withdrawn
    assert not bench.trouble.sent()


# --- afterwards -------------------------------------------------------------------------------------------------------


async def test_a_real_journal_keeps_it_and_stays_whole(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "desk.db")
    journal = SqlJournal(database, route=lambda _: [], wall=SystemClock())
    bench = await a_desk(journal=journal)
    await bench.desk.obey(LockPair(symbol=BTC, by=ME))
    for _ in range(2):
        await bench.desk.obey(enter())
    assert isinstance(await verify(database), Verified)
    found = await journal.waits(bench.clock.now() - SECOND)
    assert [d.by for d in found] == [ME, ME]
    assert all(rejudged(d, bench.playbook.judge) == d.verdict for d in found)
    await database.close()
