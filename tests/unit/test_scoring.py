"""The desk scores its calls: at their horizon, once, across restarts and gaps; and keeps the sums up."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from storage.database import Database
from storage.journal import SqlJournal
from storage.scores import Score, board, keep
from storage.tables import METADATA
from storage.tallies import Tallies
from tests import storage_builders as small
from tests.builders import BTC, ETH, NOW
from tests.desks import SECOND, Bench, a_desk, a_house, a_series, two_markets
from trading.calibration import LABEL, Cell, Sums, record_of
from trading.calls import JUDGE, Attendance
from trading.clock import SystemClock
from trading.decision import Approved, Denied
from trading.events import CallScored, DeskFaulted, Event, PeriodSummed, WeightsProposed
from trading.experts import NoProposal, Proposal, Trial, Weighed
from trading.messages import Halt, SumPeriod
from trading.model import DecisionId, Direction, Symbol
from trading.state import DeskState, Summed

D = Decimal
LONG, SHORT = Direction.LONG, Direction.SHORT
TEN = 10 * SECOND
HOUSE = a_house(exits={"max_hold": TEN})
RISING = [60000.0 + 20 * n for n in range(60)]


async def a_bench(prices: list[float | None] = RISING, **changes: object) -> Bench:  # type: ignore[assignment]
    """Halted, so that a verdict is denied and nothing is open: calls are made all the same."""
    bench = await a_desk(a_series(prices), playbook=HOUSE, **changes)  # type: ignore[arg-type]
    await bench.desk.obey(Halt(by="the owner"))
    return bench


async def called(bench: Bench, direction: Direction = LONG) -> None:
    (bench.script.long if direction is LONG else bench.script.short)(BTC)
    await bench.decide()
    bench.script.wait()


def scored(bench: Bench) -> list[tuple[str, Direction, bool]]:
    return [(event.persona, event.direction, event.right) for event in bench.told(CallScored)]


# --- at the horizon -------------------------------------------------------------------------------------------------


async def test_a_call_is_scored_when_its_horizon_has_passed() -> None:
    bench = await a_bench()
    await called(bench)
    assert isinstance(list(bench.journal.decisions.values())[-1].gate, Denied)
    await bench.step(9)
    assert bench.told(CallScored) == []
    await bench.step()
    assert scored(bench) == [("flow", LONG, True), ("technical", LONG, True), (JUDGE, LONG, True)]
    event = bench.told(CallScored)[0]
    assert (event.at - event.called_at, event.horizon, event.version) == (TEN, TEN, LABEL)
    assert (event.price, event.then) == (D("60000.0"), D("60200.0"))
    assert event.costs == D("0.0010"), "the taker's fee both ways"
    assert event.decision_id in bench.journal.decisions
    assert bench.desk.book.state.calls == ()
    await bench.step(20)
    assert len(bench.told(CallScored)) == 3, "each is scored once"


async def test_a_move_that_does_not_pay_the_fees_is_wrong_for_both_sides() -> None:
    for direction in Direction:
        bench = await a_bench([60000.0 + 5 * n for n in range(30)])  # 50 in ten seconds, 60 are paid
        await called(bench, direction)
        await bench.step(10)
        assert [right for _, _, right in scored(bench)] == [False] * 3


async def test_decisions_in_between_open_no_other_call() -> None:
    bench = await a_bench()
    await called(bench)
    for _ in range(5):
        await bench.step()
        await called(bench, SHORT)
    await bench.step(5)
    assert {direction for _, direction, _ in scored(bench)} == {LONG}
    await called(bench, SHORT)
    await bench.step(10)
    assert scored(bench)[3:] == [("flow", SHORT, False), ("technical", SHORT, False), (JUDGE, SHORT, False)]


async def test_a_day_is_the_horizon_where_the_playbook_has_none() -> None:
    bench = await a_desk(a_series(RISING), playbook=a_house(exits={"max_hold": None}))
    await called(bench)
    assert {call.horizon for call in bench.desk.book.state.calls} == {timedelta(hours=24)}


async def test_the_phase_has_a_horizon_of_its_own() -> None:
    phases = ({"name": "final", "max_hold": 3 * SECOND},)
    bench = await a_desk(a_series(RISING), playbook=a_house(exits={"max_hold": TEN}, phases=phases))
    bench.desk.book.note(phase="final")
    await called(bench)
    assert {call.horizon for call in bench.desk.book.state.calls} == {3 * SECOND}


async def test_an_entry_that_is_made_is_a_call_like_any_other() -> None:
    bench = await a_desk(a_series(RISING), playbook=HOUSE)
    await bench.enter()
    assert isinstance(list(bench.journal.decisions.values())[-1].gate, Approved)
    await bench.step(10)
    assert (JUDGE, LONG, True) in scored(bench)


# --- what can come between ------------------------------------------------------------------------------------------


async def test_open_calls_survive_a_restart_and_are_in_the_decisions_own_transaction() -> None:
    bench = await a_bench()
    await called(bench)
    state = bench.journal.state
    assert [call.persona for call in state.calls] == ["flow", "technical", JUDGE]
    await bench.step(4)
    await bench.restart()
    await bench.step(6)
    assert len(bench.told(CallScored)) == 3


async def test_a_mark_that_is_missing_is_waited_for() -> None:
    prices: list[float | None] = [60000.0] * 60
    prices[11:12] = [None]  # the horizon falls into the gap; it may be late by a second
    bench = await a_bench(prices)
    await called(bench)
    await bench.step(10)
    assert {event.at - event.called_at for event in bench.told(CallScored)} <= {TEN, 11 * SECOND}
    assert len(bench.told(CallScored)) == 3


async def test_a_mark_that_comes_too_late_is_none_and_the_call_is_counted_as_lost() -> None:
    prices: list[float | None] = [60000.0] * 60
    prices[9:20] = [None] * 11
    bench = await a_bench(prices)
    await called(bench)
    await bench.step(12)
    assert bench.told(CallScored) == []
    assert bench.desk.book.state.calls == ()
    await bench.step()
    assert {(row.persona, row.lost) for row in bench.desk.book.state.attendance} == {
        ("flow", 1), ("technical", 1), (JUDGE, 1),
    }  # fmt: skip
    await called(bench)
    assert len(bench.desk.book.state.calls) == 3, "there is room for the next"


async def test_a_journal_that_cannot_write_scores_later_and_faults_nothing() -> None:
    bench = await a_bench()
    await called(bench)
    await bench.step(9)
    bench.journal.refusing = True
    await bench.step()
    assert bench.told(CallScored) == []
    bench.journal.refusing = False
    await bench.step()
    assert len(bench.told(CallScored)) == 3
    assert bench.desk.faults == {}
    assert bench.told(DeskFaulted) == []


async def test_scoring_looks_at_nothing_while_nothing_is_due() -> None:
    bench = await a_bench()
    assert not bench.desk.scoring.due
    await called(bench)
    assert not bench.desk.scoring.due


# --- what the judge's confidence was worth --------------------------------------------------------------------------


async def test_what_the_judge_stated_is_in_its_record_by_side() -> None:
    bench = await a_bench()
    await called(bench)
    await bench.step(10)
    await called(bench, SHORT)
    await bench.step(10)
    judged = bench.desk.book.state.judged
    stated = bench.told(CallScored)[2].confidence
    assert record_of(judged, "", LONG).cells == (Cell(at=round(stated / 10_000), n=1, right=1),)
    assert record_of(judged, "", SHORT).right == 0
    assert record_of(judged, "", SHORT).n == 1


async def test_everybody_who_was_asked_is_counted() -> None:
    bench = await a_bench()
    await called(bench)
    await bench.step()
    await bench.decide()
    assert bench.desk.book.state.attendance == tuple(
        Attendance(persona=name, asked=2, sided=1, neutral=1) for name in ("flow", "technical", JUDGE)
    )


# --- the sums -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    found = await small.a_database(tmp_path / "gavel.db")
    yield found
    await found.close()


def a_call(persona: str = "flow", confidence: int = 700_000, right: bool = True, **changes: object) -> CallScored:
    made = CallScored(
        at=NOW, version=LABEL, persona=persona, model="", symbol=BTC, decision_id=DecisionId("btc-aaaa"),
        direction=LONG, confidence=confidence, called_at=NOW - TEN, horizon=TEN, price=D(100), then=D(101),
        costs=D("0.001"), right=right,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


async def test_a_desk_on_a_database_keeps_its_scoreboard(database: Database) -> None:
    journal = SqlJournal(database, route=lambda _: [], wall=SystemClock())
    bench = await a_bench(journal=journal)
    await called(bench)
    await bench.step(10)
    await called(bench)
    await bench.desk.book.commit([], exit=True)
    figures = Tallies(database)
    found = {score.persona: score for score in await figures.board()}
    assert set(found) == {"flow", "technical", JUDGE}
    assert (found["flow"].sums.n, found["flow"].sums.right) == (1, 1)
    assert found["flow"].attendance == Attendance(persona="flow", asked=2, sided=2)
    learned = await figures.learned()
    assert learned.judged == bench.desk.book.state.judged
    assert learned.weighed is None
    (trial,) = await journal.trials(10)
    assert trial == Trial(
        at=NOW + SECOND, until=NOW + SECOND + TEN, symbol=BTC, move=D(200) / D(60000), costs=D("0.0010"),
        said=(("flow", 900_000), ("technical", 900_000)),
    )  # fmt: skip


async def test_another_model_begins_a_row_of_its_own(database: Database) -> None:
    journal = SqlJournal(database, route=lambda _: [], wall=SystemClock())
    await journal.commit([a_call("sentiment", model="a"), a_call("sentiment", model="b", right=False)])
    await journal.commit([a_call("sentiment", model="b"), a_call("sentiment", model="b", version="direction-2")])
    found = [(s.model, s.version, s.sums.n, s.sums.right) for s in await Tallies(database).board()]
    assert found == [("a", "direction-1", 1, 1), ("b", "direction-1", 2, 1), ("b", "direction-2", 1, 1)]


async def test_who_has_no_call_yet_stands_on_the_board(database: Database) -> None:
    journal = SqlJournal(database, route=lambda _: [], wall=SystemClock())
    whale = Attendance(persona="whale", asked=7, abstained=7)
    await journal.commit([], [small.a_desk(attendance=(whale,))])
    assert await Tallies(database).board() == [
        Score(persona="whale", model="", version=LABEL, sums=Sums(), attendance=whale)
    ]


async def test_a_database_without_a_desk_has_an_empty_board(database: Database) -> None:
    assert await Tallies(database).board() == []
    assert (await Tallies(database).learned()).judged == ()


async def test_what_was_learned_comes_back_as_it_was_written(database: Database) -> None:
    journal = SqlJournal(database, route=lambda _: [], wall=SystemClock())
    bench = await a_bench(journal=journal)
    await called(bench)
    await bench.step(10)
    await called(bench)
    for found in (
        NoProposal(n=3, reason="3 of 200"),
        Proposal(n=210, rows=(("flow", "1", "1.2"),), gain=(D("0.01"), D("0.02"))),
        None,
    ):
        weighed = found and Weighed(at=NOW, playbook="desk", found=found)
        await bench.desk.book.commit([], desk={"weighed": weighed}, exit=True)
        kept = await journal.load()
        assert kept is not None
        assert kept.state == bench.desk.book.state
        assert len(kept.state.calls) == 3


async def test_trials_are_the_last_decisions_oldest_first_and_each_once(database: Database) -> None:
    journal = SqlJournal(database, route=lambda _: [], wall=SystemClock())
    for n in range(5):
        id = f"btc-{n}"
        await journal.commit([small.decided(id)])
        await journal.commit(
            [a_call(name, decision_id=DecisionId(id), called_at=NOW + n * TEN) for name in ("flow", "technical")]
        )
    await journal.commit([a_call(decision_id=DecisionId("nowhere"))])
    assert [(t.at - NOW) // TEN for t in await journal.trials(4)] == [2, 3, 4]  # the fourth is of no decision
    assert {t.said for t in await journal.trials(4)} == {(("flow", 700_000), ("technical", 700_000))}


CALLS = st.lists(
    st.builds(
        a_call,
        st.sampled_from(["flow", "whale", JUDGE]),
        st.integers(0, 1_000_000),
        st.booleans(),
        model=st.sampled_from(["", "a"]),
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(CALLS, st.integers(1, 7))
def test_the_sums_are_those_of_the_calls_however_they_are_written(calls: list[CallScored], each: int) -> None:
    engine = create_engine("sqlite://")
    METADATA.create_all(engine)
    with engine.begin() as connection:
        for first in range(0, len(calls), each):
            keep(connection, calls[first : first + each])
        found = {(s.persona, s.model): s.sums for s in board(connection)}
    engine.dispose()
    wanted: dict[tuple[str, str], Sums] = {}
    for call in calls:
        before = wanted.get((call.persona, call.model), Sums())
        wanted[call.persona, call.model] = before.plus(call.confidence, call.right)
    assert found == wanted


# --- weights with the weekly digest ---------------------------------------------------------------------------------


def outvoted(n: int) -> list[Trial]:
    """TECHNICAL is right four times in five, FLOW a coin that weighs more."""
    made = []
    for k in range(n):
        up = 1 if k % 2 else -1
        technical = up if k % 5 else -up
        at = NOW + k * TEN
        said = (("flow", 700_000 * (1 if (k // 2) % 2 else -1)), ("technical", 700_000 * technical))
        made.append(Trial(at=at, until=at + TEN, symbol=BTC, move=D("0.02") * up, costs=D("0.001"), said=said))
    return made


async def a_week_later(trials: list[Trial]) -> Bench:
    bench = await a_bench()

    async def of_the_journal(n: int) -> list[Trial]:
        return trials[:n]

    bench.journal.trials = of_the_journal
    bench.desk.book.note(summed=Summed(daily=NOW - timedelta(days=8), weekly=NOW - timedelta(days=8)))
    await bench.desk.obey(SumPeriod(weekly=False))
    assert bench.desk.book.state.weighed is None
    await bench.desk.obey(SumPeriod(weekly=True))
    return bench


async def test_other_weights_are_proposed_with_the_weekly_digest_and_change_nothing() -> None:
    bench = await a_week_later(outvoted(300))
    (event,) = bench.told(WeightsProposed)
    assert [type(e) for e in bench.journal.events][-2:] == [PeriodSummed, WeightsProposed]
    assert event.n == 300
    assert [(name, now) for name, now, _ in event.rows] == [("flow", "1.5"), ("technical", "1")]
    assert event.gain[0] > 0
    weighed = bench.desk.book.state.weighed
    assert weighed is not None
    assert weighed.found == Proposal(n=event.n, rows=event.rows, gain=event.gain)
    assert bench.desk.playbook.hash == HOUSE.hash, "nothing is applied"


async def test_without_enough_decisions_the_reason_is_kept_and_nothing_is_told() -> None:
    bench = await a_week_later(outvoted(40))
    assert bench.told(WeightsProposed) == []
    weighed = bench.desk.book.state.weighed
    assert weighed is not None
    assert weighed.found == NoProposal(n=40, reason="40 of 200 decisions with two sides heard and a known outcome")


async def test_what_waits_to_be_written_is_weighed_too() -> None:
    bench, seen = await a_bench(), []

    async def of_the_journal(n: int) -> list[Trial]:
        seen.append(len(bench.journal.decisions))
        return []

    bench.journal.trials = of_the_journal
    bench.desk.book.patience = 32
    await bench.decide()
    assert len(bench.journal.decisions) == 0
    await bench.desk.scoring.weigh()
    assert seen == [1]


async def test_calls_are_no_reason_for_the_breaker_to_look() -> None:
    bench, looks = await a_bench(), []
    bench.desk.book.learnt = lambda: looks.append(1)
    await called(bench)
    await bench.step(10)
    assert len(bench.told(CallScored)) == 3
    assert looks == []


# --- the same run, the same events ----------------------------------------------------------------------------------


async def a_run() -> list[Event]:
    bench = await a_desk(*two_markets(60, btc=RISING), playbook=HOUSE)
    for n in range(40):
        sides = {0: bench.script.long, 1: bench.script.short}
        sides[n % 2](*((BTC, ETH) if n % 3 else (Symbol(ETH),)))
        await bench.decide(BTC, ETH)
        await bench.step()
    events: list[Event] = bench.journal.events
    assert len([e for e in events if isinstance(e, CallScored)]) > 10
    return events


async def test_two_equal_runs_score_the_same() -> None:
    assert await a_run() == await a_run()


async def test_a_state_of_before_knows_no_calls() -> None:
    state = DeskState(desk="test", playbook="desk", start_equity=D(1))
    assert (state.calls, state.attendance, state.judged, state.weighed) == ((), (), (), None)
