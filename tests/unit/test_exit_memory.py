"""What the exits of an open position remember is saved with it, from look to look and over a restart."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.builders import BTC, ETH
from tests.desks import Bench, a_desk, a_house, a_series, two_markets
from trading.errors import OrderRejected
from trading.events import ExitTriggered, StopMoved
from trading.exit_plan import NOTHING_YET, Memory, Regime, StopKind
from trading.market.outlook import Outlook, Outlooks
from trading.market.snapshot import Snapshot
from trading.model import ExitReason, Position
from trading.risk_policies import RegimePolicy

D = Decimal
SECOND = timedelta(seconds=1)
TREND = Outlook(regime=Regime.TREND_UP)
# Armed at 60900, 2 % behind the best in a trend.
CLIMB = [60000, 60000, 60900, 61000, 61010, 61500, 61500, 61500, 61500]


class Told(Outlooks):
    """Every market looks like this."""

    def __init__(self, outlook: Outlook) -> None:
        super().__init__(RegimePolicy())
        self.outlook = outlook
        self.asked = 0

    def __call__(self, snapshot: Snapshot) -> Outlook:
        self.asked += 1
        return self.outlook


def held(bench: Bench, symbol: Any = BTC) -> Position:
    position = bench.desk.book.on(symbol)
    assert position
    return position


async def a_trail(*bars: Any, outlook: Outlook = TREND, **exits: Any) -> Bench:
    """A long at 60000 with a trailing stop, in a market that looks as it is told."""
    bench = await a_desk(a_series([*(bars or CLIMB)]), playbook=a_house(exits={"trailing": {}, **exits}))
    bench.desk.watch.outlooks = Told(outlook)
    await bench.enter()
    return bench


async def test_the_best_mark_is_saved_with_the_position_when_it_changes() -> None:
    bench = await a_trail()
    saved: list[Decimal | None] = []
    for _ in range(5):
        await bench.step()
        saved.append(bench.journal.positions[held(bench).id].memory.best)
    assert saved == [None, D(60900), D(61000), D(61000), D(61500)]  # 61010 is less than a step
    assert bench.journal.positions[held(bench).id] == held(bench)


async def test_what_is_remembered_survives_a_restart() -> None:
    bench = await a_trail()
    await bench.step(3)
    before = held(bench)
    await bench.restart()
    assert held(bench) == before
    assert held(bench).memory == Memory(armed=True, best=D(61000), stop=StopKind.TRAILING, first_stop=D(58500))


async def test_the_venues_stop_follows_and_closes_with_its_own_name() -> None:
    bench = await a_trail(*CLIMB, (61500, 61500, 60000, 60100), 60100)
    await bench.step(9)
    assert [m.position.protection.stop for m in bench.told(StopMoved)] == [D("59682"), D("59780"), D("60270")]
    (trade,) = bench.trades
    assert (trade.reason, trade.exit) == (ExitReason.TRAILING_STOP, D("60270"))
    assert not bench.told(ExitTriggered), "the venue itself did it"


async def test_where_the_stop_could_not_be_moved_the_desk_is_the_second_line() -> None:
    bench = await a_trail(*CLIMB[:7], (61500, 61500, 60200, 60200), 60200)
    bench.trouble.on("amend", OrderRejected("no", code="busy"), times=9)
    await bench.step(7)
    (trade,) = bench.trades
    assert (trade.reason, trade.exit) == (ExitReason.TRAILING_STOP, D("60200"))
    assert len(bench.told(ExitTriggered)) == 1


async def test_a_regime_that_narrows_moves_the_stop_and_one_that_widens_does_not() -> None:
    bench = await a_trail(*CLIMB[:6], 61500, 61500, 61500)
    told = bench.desk.watch.outlooks
    assert isinstance(told, Told)
    await bench.step(5)
    assert held(bench).protection.stop == D("60270")
    told.outlook = Outlook(regime=Regime.VOLATILE)
    await bench.step()
    assert held(bench).protection.stop == D("60270")
    told.outlook = Outlook(regime=Regime.CHOP)
    await bench.step()
    assert held(bench).protection.stop == D("60885")


async def test_a_position_without_such_exits_asks_for_no_market_and_remembers_nothing() -> None:
    bench = await a_desk(a_series([*CLIMB]))
    told = bench.desk.watch.outlooks = Told(TREND)
    await bench.enter()
    commits = len(bench.journal.events)
    await bench.step(5)
    assert told.asked == 0
    assert held(bench).memory == NOTHING_YET
    assert len(bench.journal.events) == commits


async def test_a_market_without_a_fresh_bar_is_not_known_and_the_other_exits_go_on() -> None:
    bench = await a_trail(*CLIMB, time_limits={}, max_hold="3s")
    bench.desk.watch.outlooks = Told(Outlook(regime=Regime.VOLATILE))
    position = held(bench)
    quote = bench.feed.quote(BTC)
    bench.feed.move_to(quote.at + 2 * SECOND)
    look = bench.desk.watch.look(position, replace(quote, at=quote.at + 2 * SECOND))
    assert look.outlook == Outlook()
    bench.desk.on_quote(replace(quote, at=quote.at + 3 * SECOND))
    await bench.desk.settle()
    assert [t.reason for t in bench.trades] == [ExitReason.MAX_HOLD]


async def test_how_often_is_looked_is_kept_over_a_restart() -> None:
    bench = await a_desk(
        a_series([60000] * 3 + [58600] * 7),
        playbook=a_house(schedule={"watch_every": "5s"}, exits={"force_loss": "0.02"}),
    )
    await bench.enter()
    await bench.step()
    first = held(bench).memory.looked
    assert first == bench.clock.now()
    for _ in range(4):
        await bench.restart()
        await bench.step()
        assert held(bench).memory.looked == first
    assert not bench.told(ExitTriggered)
    await bench.step()
    assert [t.reason for t in bench.trades] == [ExitReason.FORCE_EXIT]


async def test_the_pace_may_change_while_it_runs() -> None:
    bench = await a_trail()
    bench.desk.watch.every = timedelta(hours=1)
    await bench.step()
    looked = held(bench).memory.looked
    bench.desk.watch.every = None
    await bench.step()
    assert looked is not None
    assert held(bench).memory.best == D(60900)


# --- what is open beside it -------------------------------------------------------------------------------------------

ONE_SIDED: dict[str, Any] = {
    "exits": {"rebalance": {"positions": 2, "net": "0.2"}},
    "portfolio": {"asset": "1", "group": "1", "sector": "1"},
    "limits": {"max_leverage": 10},
}


async def two_longs() -> Bench:
    """Each 0.8 of equity; 2 times equity on one side is allowed."""
    bench = await a_desk(*two_markets(btc=[60000] * 9, eth=[3000] * 2 + [3003] * 7), playbook=a_house(**ONE_SIDED))
    await bench.enter(BTC)
    await bench.enter(ETH)
    return bench


async def test_the_standing_is_of_all_that_stays_open_and_of_nothing_that_has_no_mark() -> None:
    bench = await two_longs()
    quote = bench.feed.quote(BTC)
    standing = bench.desk.watch.look(held(bench), quote).standing
    assert standing
    assert {s.id for s in standing.positions} == {p.id for p in bench.desk.book.positions.values()}
    assert standing.equity == bench.desk.book.equity(bench.feed.quote)
    bench.desk.book.positions[held(bench, ETH).id] = replace(held(bench, ETH), closing=ExitReason.MANUAL)
    left = bench.desk.watch.look(held(bench), quote).standing
    assert left
    assert [s.id for s in left.positions] == [held(bench).id]
    bench.feed.move_to(quote.at + 5 * SECOND)
    assert bench.desk.watch.look(held(bench), quote).standing is None


async def test_the_weakest_of_the_heavy_side_goes_and_the_other_stays() -> None:
    bench = await two_longs()
    for symbol in (BTC, ETH):
        position = held(bench, symbol)
        rule = position.plan.rebalance
        assert rule
        tight = replace(position.plan, rebalance=replace(rule, net=D("0.05")))
        bench.desk.book.positions[position.id] = replace(position, plan=tight)
    await bench.step(2)
    (trade,) = bench.trades
    assert (trade.symbol, trade.reason) == (BTC, ExitReason.REBALANCE), "ETH has risen"
    assert held(bench, ETH)


@pytest.mark.parametrize("symbol", [BTC, ETH])
async def test_a_position_that_has_no_such_rule_looks_at_no_other(symbol: Any) -> None:
    bench = await a_desk(*two_markets(9))
    await bench.enter(symbol)
    assert bench.desk.watch.look(held(bench, symbol), bench.feed.quote(symbol)).standing is None
