"""The entry path: who is asked, who gets the slot, and what stands in the record."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.builders import BTC, ETH, NOW
from tests.desks import COOLS_FAST, HOUR, Bench, a_desk, a_feed, a_house, a_series, two_markets, until
from trading.calibration import CalibrationRecord
from trading.decision import Abstention, Approved, Decision, Denied
from trading.errors import JournalUnwritable, VenueDown
from trading.events import OrderIntended
from trading.exit_plan import NO_EVIDENCE
from trading.judge import judge
from trading.market.feed import Feed
from trading.market.view import View
from trading.messages import Decide, Halt
from trading.model import Direction, ExitReason, Leg, OrderStatus

D = Decimal
SECOND = timedelta(seconds=1)
BEGINS = a_series([1.0]).candle(0).opened_at


def decisions(bench: Bench) -> list[Decision]:
    return list(bench.journal.decisions.values())


def denial(decision: Decision) -> str:
    assert isinstance(decision.gate, Denied)
    return decision.gate.rule


async def test_two_entries_in_one_round_cannot_share_the_last_slot() -> None:
    bench = await a_desk(*two_markets(), playbook=a_house(limits={"max_positions": 1}))
    bench.script.long(BTC, confidence=0.7)
    bench.script.long(ETH, confidence=0.8)
    await bench.decide(BTC, ETH)
    assert [(d.symbol, d.outcome) for d in decisions(bench)] == [(ETH, "long"), (BTC, "denied")]
    assert denial(decisions(bench)[1]) == "position count"
    assert set(await bench.held()) == {ETH}, "the slot went to the stronger verdict"


async def test_two_rounds_at_once_cannot_share_the_last_slot() -> None:
    """Both have thought for a while; the journal is slow; neither has an order at the venue yet."""
    bench = await a_desk(*two_markets(), playbook=a_house(limits={"max_positions": 1}), instant=False)
    bench.script.long(BTC, ETH)
    bench.script.hang = asyncio.Event()
    bench.journal.slow = asyncio.Event()
    run = bench.desk.cycle.run
    rounds = [asyncio.create_task(run([s], "schedule", phase=None, frozen=lambda: "")) for s in (BTC, ETH)]
    await until(lambda: len(bench.script.asked) == 4)
    bench.script.hang.set()
    await until(lambda: bool(bench.desk.book.entries()))
    bench.journal.slow.set()
    made = [r.decisions[0] for r in await asyncio.gather(*rounds)]
    assert sorted(d.outcome for d in made) == ["denied", "long"]
    assert denial(next(d for d in made if not d.approved)) == "position count"
    assert len(bench.desk.book.entries()) == 1


async def test_two_rounds_at_once_cannot_enter_one_instrument_twice() -> None:
    bench = await a_desk(instant=False)
    bench.script.long()
    bench.script.hang = asyncio.Event()
    rounds = [
        asyncio.create_task(bench.desk.cycle.run([BTC], trigger, phase=None, frozen=lambda: ""))
        for trigger in ("one", "two")
    ]
    await until(lambda: len(bench.script.asked) == 4)
    bench.script.hang.set()
    made = [r.decisions[0] for r in await asyncio.gather(*rounds)]
    assert sorted(d.outcome for d in made) == ["denied", "long"]
    assert denial(next(d for d in made if not d.approved)) == "one per instrument"


async def test_margin_on_its_way_counts_against_what_is_free() -> None:
    """Two entries in one round: the second sees the first one's margin although nothing has filled."""
    house = a_house(limits={"max_margin": D("0.1")})
    bench = await a_desk(*two_markets(), playbook=house)
    bench.script.long(BTC, ETH)
    await bench.decide(BTC, ETH)
    assert [d.outcome for d in decisions(bench)] == ["long", "denied"]
    assert denial(decisions(bench)[1]) == "margin in use"


async def test_a_denied_decision_sends_nothing_and_is_written() -> None:
    bench = await a_desk(playbook=a_house(limits={"max_positions": 0}))
    bench.script.long()
    await bench.decide()
    (decision,) = decisions(bench)
    assert denial(decision) == "position count"
    assert not bench.told(OrderIntended)
    assert not bench.trouble.sent()
    assert bench.desk.book.orders == {}


async def test_a_wait_asks_no_gate() -> None:
    bench = await a_desk()
    await bench.decide()
    (decision,) = decisions(bench)
    assert (decision.outcome, decision.gate) == ("wait", None)


async def test_the_record_alone_gives_the_verdict_again() -> None:
    bench = await a_desk()
    bench.script.long(confidence=0.777)
    await bench.decide()
    (d,) = decisions(bench)
    assert judge(d.opinions, d.weights, bench.playbook.judge) == d.verdict
    assert (d.playbook, d.playbook_hash, d.phase) == ("desk", bench.playbook.hash, "base")
    assert (d.seen.close, d.seen.mark, d.seen.interval) == (D(60000), D(60000), "1s")
    assert d.seen.bar_closed_at == d.seen.quote_at == d.at == bench.clock.now()
    assert d.weights == {"flow": 1500, "technical": 1000}
    assert isinstance(d.gate, Approved)
    assert d.gate.plan.quantity == bench.trouble.sent(Leg.ENTRY)[0].quantity


async def test_an_entry_carries_its_exits_and_its_guard() -> None:
    bench = await a_desk()
    await bench.enter()
    (entry,) = bench.trouble.sent(Leg.ENTRY)
    exits = bench.playbook.exits
    plan = exits.plan(phase="base", stop_loss=D("0.025"), take_profit=D("0.05"), entered=NO_EVIDENCE, budget=D(0))
    assert entry.plan == replace(plan, playbook="desk")
    assert entry.protection
    assert (entry.protection.stop, entry.protection.target) == (D(58500), D(63000))
    assert (entry.leverage, entry.reduce_only) == (10, False)


async def test_an_instrument_that_is_taken_is_not_thought_about() -> None:
    bench = await a_desk()
    await bench.enter()
    asked = len(bench.script.asked)
    await bench.step()
    await bench.decide()
    assert len(bench.script.asked) == asked


async def test_an_instrument_outside_the_universe_is_not_thought_about() -> None:
    bench = await a_desk(*two_markets(), playbook=a_house(universe=("BTC",)))
    bench.script.long(ETH, BTC)
    await bench.decide(ETH, BTC)
    assert [d.symbol for d in decisions(bench)] == [BTC]
    assert {symbol for symbol, _ in bench.script.asked} == {BTC}


async def test_a_persona_that_breaks_is_missing_and_not_a_vote() -> None:
    bench = await a_desk()

    async def broken(_: Any) -> Any:
        raise ZeroDivisionError

    bench.desk.cycle.panel.personas["flow"].opine = broken  # type: ignore[method-assign]
    bench.script.long()
    await bench.decide()
    (decision,) = decisions(bench)
    assert isinstance(decision.opinions[0], Abstention)
    assert decision.outcome == "wait"


async def test_a_verdict_from_a_persona_that_takes_its_time_is_checked_against_the_world_as_it_is_then() -> None:
    """The gate is asked after the panel, with the state of that moment."""
    bench = await a_desk(instant=False)
    bench.script.long()
    bench.script.hang = asyncio.Event()
    await bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule"))
    await until(lambda: len(bench.script.asked) == 2)
    await bench.desk.obey(Halt(by="a test"))
    bench.script.hang.set()
    await bench.desk.settle()
    assert denial(decisions(bench)[0]) == "trading state"
    assert not bench.trouble.sent()


async def test_a_venue_lost_while_the_panel_thinks_freezes_what_comes_of_it() -> None:
    bench = await a_desk(instant=False)
    bench.script.long()
    bench.script.hang = asyncio.Event()
    await bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule"))
    await until(lambda: len(bench.script.asked) == 2)
    bench.trouble.on("positions", VenueDown("no route"))
    await bench.desk.reconciler.run()
    bench.script.hang.set()
    await bench.desk.settle()
    assert denial(decisions(bench)[0]) == "books"
    assert not bench.trouble.sent()


# --- the journal ------------------------------------------------------------------------------------------------------


async def test_a_journal_that_refuses_sends_nothing_and_gives_the_slot_back() -> None:
    bench = await a_desk(playbook=a_house(breaker=COOLS_FAST))
    bench.journal.refusing = True
    bench.script.long()
    with pytest.raises(JournalUnwritable):
        await bench.desk.cycle.run([BTC], "schedule", phase=None, frozen=lambda: "")
    assert bench.desk.book.orders == {}
    assert not bench.trouble.sent()
    bench.journal.refusing = False
    await bench.sweep()
    await bench.step(4)
    await bench.decide()
    assert bench.desk.book.on(BTC)


async def test_a_thought_broken_off_gives_the_slot_back() -> None:
    bench = await a_desk()
    bench.journal.slow = asyncio.Event()
    bench.script.long()
    thinking = asyncio.create_task(bench.desk.cycle.run([BTC], "schedule", phase=None, frozen=lambda: ""))
    await until(lambda: bool(bench.desk.book.orders))
    thinking.cancel()
    await asyncio.gather(thinking, return_exceptions=True)
    assert bench.desk.book.orders == {}


# --- no evidence ------------------------------------------------------------------------------------------------------


def with_hole(bars: int = 6) -> Feed:
    """BTC has no bars from the third to the fifth second; ETH has all of them."""
    btc: list[float | None] = [60000, 60000, None, None, None, 60000, 60000]
    return a_feed(a_series(btc, symbol=BTC), a_series([3000] * 7, symbol=ETH))


async def test_nothing_is_decided_where_there_is_no_fresh_bar() -> None:
    bench = await a_desk(*with_hole()._chapters(None).__next__().paths.values())
    bench.script.long(BTC)
    await bench.step(2)
    await bench.decide(BTC, ETH)
    assert [d.symbol for d in decisions(bench)] == [ETH]


async def test_an_equity_that_is_not_known_denies_entries() -> None:
    """A position has no mark: what the desk is worth cannot be said, so nothing new is opened."""
    bench = await a_desk(*with_hole()._chapters(None).__next__().paths.values())
    await bench.enter(BTC)
    await bench.step(2)
    bench.script.long(ETH)
    await bench.decide(ETH)
    last = decisions(bench)[-1]
    assert (last.symbol, denial(last)) == (ETH, "facts known")
    assert last.gate.reason == "not known: equity"  # type: ignore[union-attr]


async def test_a_bar_that_is_still_open_is_not_decided_on() -> None:
    """The indicators stand on bars of five seconds: between two of them the last closed one is used."""
    fine = a_series([60000 + n for n in range(12)])
    feed = a_feed(fine)
    view = View(feed, a_house(schedule={"bar": "5s"}))
    rows = {}
    for step in feed.steps():
        second = (step.at - BEGINS) // SECOND
        if second >= 5:
            rows[second] = view.snapshot(BTC).row
    assert rows == {5: 0, 6: 0, 7: 0, 8: 0, 9: 0, 10: 1, 11: 1, 12: 1}


# --- after a close ----------------------------------------------------------------------------------------------------


async def test_the_wash_guard_keeps_the_other_side_out_for_a_minute() -> None:
    bench = await a_desk()
    position = await bench.enter()
    await bench.step()
    bench.script.short()
    await bench.desk.execution.close(position, ExitReason.MANUAL, "by a test")
    await bench.desk.settle()
    assert denial(decisions(bench)[-1]) == "wash guard"
    await bench.step(59)
    await bench.decide()
    assert denial(decisions(bench)[-1]) == "wash guard"
    await bench.step(1)
    await bench.decide()
    opened = bench.desk.book.on(BTC)
    assert opened
    assert opened.direction is Direction.SHORT


async def test_the_wash_guard_lets_the_same_side_in_again() -> None:
    bench = await a_desk()
    position = await bench.enter()
    await bench.step()
    bench.script.long()
    await bench.desk.execution.close(position, ExitReason.MANUAL, "by a test")
    await bench.desk.settle()
    assert bench.desk.book.on(BTC)


async def test_the_days_loss_is_counted_once_and_not_at_every_look() -> None:
    house = a_house(limits={"max_daily_loss": D("0.02"), "max_risk": D("0.012")}, schedule={"look_again": False})
    bars = [60000.0, 60000.0, (60000.0, 60000.0, 58000.0, 60000.0), *[60000.0] * 30]
    bench = await a_desk(a_series(bars), playbook=house)
    await bench.enter()
    await bench.step(2)
    (trade,) = bench.trades
    assert D(-150) < trade.net < D(-100), "a loss of 1.2 %, and a limit of 2 %"
    for _ in range(20):  # pitfall 25: the same loss again at every look
        await bench.sweep()
        await bench.step()
        await bench.decide()
    bench.script.long()
    await bench.step()
    await bench.decide()
    assert bench.desk.book.on(BTC), "one loss is one loss"


async def test_the_days_loss_denies_entries_until_the_next_utc_day() -> None:
    house = a_house(limits={"max_daily_loss": D("0.02")}, schedule={"look_again": False})
    drop = [60000.0, 60000.0, (60000.0, 60000.0, 58000.0, 58000.0)]
    bars = [*drop, *[58000.0] * 30]
    bench = await a_desk(a_series(bars, every=HOUR, begins=NOW), playbook=house)
    await bench.enter()
    await bench.step(2)
    lost = bench.desk.book.state.day_equity - bench.desk.book.booked
    assert lost > 200
    bench.script.long()
    while bench.clock.now().day == NOW.day:
        await bench.decide()
        assert denial(decisions(bench)[-1]) == "daily loss"
        await bench.step()
    await bench.decide()
    assert bench.desk.book.on(BTC), "a new day has its own loss"
    assert bench.desk.book.state.day_equity == D(10000) - lost


async def test_unrealised_loss_counts_for_the_day_too() -> None:
    house = a_house(limits={"max_daily_loss": D("0.01")})
    bench = await a_desk(*two_markets(btc=[60000, 60000, 58900, 58900], eth=[3000] * 4), playbook=house)
    await bench.enter(BTC)
    await bench.step(2)
    bench.script.long(ETH)
    await bench.decide(ETH)
    assert denial(decisions(bench)[-1]) == "daily loss"


async def test_a_decision_of_the_same_moment_is_not_made_twice() -> None:
    bench = await a_desk()
    await bench.decide()
    await bench.decide()
    assert len(decisions(bench)) == 1


async def test_what_was_approved_stands_in_the_journal_as_intended_first() -> None:
    bench = await a_desk()
    await bench.enter()
    history = [bench.journal.history[o.client_id][0] for o in bench.journal.orders.values()]
    assert history == [OrderStatus.INTENDED] * 3
    kinds = bench.kinds()
    assert kinds.index("DecisionMade") < kinds.index("OrderIntended") < kinds.index("OrderSent")


async def test_a_thought_without_instruments_is_nothing() -> None:
    bench = await a_desk()
    await bench.desk.obey(Decide(symbols=(), trigger="schedule"))
    await bench.desk.settle()
    assert bench.kinds() == ["DeskStarted"]


# --- what its confidence has been worth -------------------------------------------------------------------------------


async def test_what_the_judges_confidence_has_been_worth_stands_in_the_record_and_may_size() -> None:
    """After forty calls of which a quarter were right, nine tenths are not worth nine tenths."""
    bench = await a_desk(playbook=a_house(sizing={"confidence": "calibrated"}))
    record = CalibrationRecord(model="", direction=Direction.LONG)
    for n in range(40):
        record = record.plus(900_000, right=n % 4 == 0)
    bench.desk.book.note(judged=(record,))
    bench.script.long(confidence=0.9)
    await bench.decide()
    (decision,) = decisions(bench)
    assert decision.calibrated is not None
    assert decision.calibrated.n == 40
    assert decision.calibrated.value < 500_000 < decision.verdict.confidence
    assert isinstance(decision.gate, Approved)
    stated = await a_desk()
    stated.script.long(confidence=0.9)
    await stated.decide()
    plain = decisions(stated)[0].gate
    assert isinstance(plain, Approved)
    assert decision.gate.plan.margin < plain.plan.margin
    assert decisions(stated)[0].calibrated is None


async def test_rounds_that_come_while_models_think_are_made_up_by_one_and_never_by_a_burst() -> None:
    bench = await a_desk(instant=False)
    bench.script.hang = asyncio.Event()
    for _ in range(9):
        await bench.desk.obey(Decide(symbols=(BTC,), trigger="schedule"))
        await until(lambda: len(bench.script.asked) == 2)
    bench.clock.set(bench.clock.now() + timedelta(milliseconds=1))
    bench.script.hang.set()
    await bench.desk.settle()
    assert len(bench.script.asked) <= 4, "the one that was under way, and one more"
    await bench.decide(BTC)
    assert bench.desk.thinking._rounds == set()
