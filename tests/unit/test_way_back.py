"""One history: losses drive the size to zero, shadow trades bring it back to exploration, then Kelly returns.

The desk dies and comes back in the middle of every stage.
"""

from collections.abc import Sequence
from datetime import timedelta

from storage.codec import from_row, to_row
from tests.builders import BTC, ETH
from tests.desks import Bar, Bench, a_desk, a_house, a_series, two_markets
from trading.breaker import Level
from trading.decision import Approved, Decision, Denied
from trading.events import BreakerTripped, DecisionMade, OrderIntended, ShadowClosed, ShadowOpened, SizingChanged
from trading.health import Severity
from trading.messages import OverrideBreaker
from trading.model import ExitReason, PositionId
from trading.playbook import Playbook
from trading.risk.expectancy import Method, Sized
from trading.state import DeskState

FEW = 5  # trades that are enough, so that the story stays short
CALM = [60000 + n / 2 for n in range(80)]  # a trend, so that the regime is known
CALM_ETH = [3000 + n / 40 for n in range(80)]
LEVEL = CALM[-1]
LOSS = (LEVEL, LEVEL, 0.96 * LEVEL, LEVEL)  # through the stop and back
WIN = (LEVEL, 1.06 * LEVEL, LEVEL, LEVEL)
FALLEN = (LEVEL, LEVEL, 0.96 * LEVEL, 0.96 * LEVEL)  # a shadow trade sees the close only
RISEN = (LEVEL, 1.06 * LEVEL, LEVEL, 1.06 * LEVEL)


def a_learner() -> Playbook:
    return a_house(
        expectancy={"windows": (FEW,), "enough": FEW, "shadow": FEW},
        schedule={"look_again": False},
        exits={"early_after": None, "early_loss": None, "force_loss": None},
    )


async def a_history(*bars: Bar) -> Bench:
    market: Sequence[Bar] = [*CALM, *bars, LEVEL, LEVEL]
    bench = await a_desk(a_series(market), playbook=a_learner(), start="1000000")
    await bench.step(len(CALM) - 1)
    bench.script.long()
    return bench


def turns(*bars: Bar) -> list[Bar]:
    """Each outcome on a bar of its own, with a quiet bar after it on which the next decision is made."""
    return [b for bar in bars for b in (bar, LEVEL)]


async def turn(bench: Bench, times: int = 1) -> None:
    """Decide on the quiet bar, live through the outcome, and come to the next quiet bar."""
    for _ in range(times):
        await bench.decide()
        await bench.step(2)


def sized(bench: Bench) -> Sized:
    found = bench.desk.status().sized
    assert found is not None
    return found


def changes(bench: Bench) -> list[tuple[Method, Method]]:
    return [(e.before, e.after) for e in bench.told(SizingChanged)]


def last(bench: Bench) -> Decision:
    return bench.told(DecisionMade)[-1].decision


async def die_and_come_back(bench: Bench) -> None:
    """As a new process would, with what a database keeps of the desk's state."""
    state = bench.journal.state
    bench.journal.state = from_row(DeskState, to_row(state))
    assert bench.journal.state == state
    await bench.restart()


async def test_the_way_down_and_back_with_a_restart_in_each_stage() -> None:
    bench = await a_history(*turns(*[LOSS] * FEW, FALLEN, *[RISEN] * (FEW - 1), LOSS, *[WIN] * (FEW - 1)), *turns(WIN))

    # Exploration: five losses, the desk dies in the middle.
    await turn(bench, 2)
    await die_and_come_back(bench)
    assert sized(bench).method is Method.EXPLORATION
    await turn(bench, FEW - 2)
    assert [t.reason for t in bench.trades] == [ExitReason.STOP_LOSS] * FEW
    assert changes(bench) == [(Method.EXPLORATION, Method.STOPPED)]
    assert sized(bench).fraction == 0

    # Stopped: nothing is sent any more, what would have been is followed on paper.
    intents = len(bench.told(OrderIntended))
    await die_and_come_back(bench)
    assert sized(bench).method is Method.STOPPED
    await bench.decide()
    gate = last(bench).gate
    assert isinstance(gate, Denied)
    assert gate.rule == "expectancy"
    assert gate.would is not None
    (shadow,) = bench.desk.status().shadow
    assert shadow.id == PositionId(last(bench).id)
    assert (shadow.quantity, shadow.cost) == (gate.would.quantity, gate.would.notional)
    await die_and_come_back(bench)  # a shadow trade is open
    assert bench.desk.status().shadow == (shadow,)
    await bench.step(2)
    await turn(bench, 2)
    assert [e.trade.net > 0 for e in bench.told(ShadowClosed)] == [False, True, True]
    assert sized(bench).method is Method.STOPPED
    await die_and_come_back(bench)  # three of five shadow trades are known
    await turn(bench, 2)
    assert len(bench.told(ShadowOpened)) == len(bench.told(ShadowClosed)) == FEW
    assert changes(bench)[1:] == [(Method.STOPPED, Method.RETURNING)]
    assert len(bench.told(OrderIntended)) == intents
    assert len(bench.trades) == FEW

    # Exploration again: what came before the return does not count.
    await die_and_come_back(bench)
    assert sized(bench).method is Method.RETURNING
    explored = sized(bench).fraction
    await turn(bench, 2)
    await die_and_come_back(bench)
    assert (sized(bench).method, sized(bench).window.n) == (Method.RETURNING, 2)
    await turn(bench, FEW - 2)

    # Kelly, a quarter of it, cut to what may be risked at most.
    assert changes(bench)[2:] == [(Method.RETURNING, Method.KELLY)]
    await die_and_come_back(bench)
    assert sized(bench).method is Method.KELLY
    assert sized(bench).fraction > explored
    await bench.decide()
    assert isinstance(last(bench).gate, Approved)
    assert bench.desk.book.on(BTC)


async def test_no_restart_at_all_comes_to_the_same() -> None:
    """The very events, trade by trade: nothing of the way depends on the process that walked it."""
    outcomes = turns(*[LOSS] * FEW, FALLEN, *[RISEN] * (FEW - 1), LOSS, *[WIN] * (FEW - 1))
    straight, broken = await a_history(*outcomes), await a_history(*outcomes)
    for _ in range(3 * FEW):
        await turn(straight)
        await broken.decide()
        await broken.restart()
        await broken.step(2)
        await broken.restart()
    ignored = {"DeskStarted"}
    assert [k for k in broken.kinds() if k not in ignored] == [k for k in straight.kinds() if k not in ignored]
    assert broken.desk.book.state.evidence == straight.desk.book.state.evidence
    assert [t.net for t in broken.trades] == [t.net for t in straight.trades]


async def test_a_real_gain_does_not_lead_back() -> None:
    """Only the shadow does: a position that was open when the stop came may still close with a gain."""
    outcomes = [*CALM, *turns(*[LOSS] * FEW), LEVEL, LEVEL]
    top = CALM_ETH[-1]
    other: list[Bar] = [*CALM_ETH, *[top] * (2 * FEW), (top, 1.06 * top, top, top), top]
    bench = await a_desk(*two_markets(btc=outcomes, eth=other), playbook=a_learner(), start="1000000")
    await bench.step(len(CALM) - 1)
    await bench.enter(ETH)
    bench.script.long(BTC)
    await turn(bench, FEW)
    assert sized(bench).method is Method.STOPPED
    bench.script.wait()
    await bench.step()
    assert [(t.symbol, t.net > 0) for t in bench.trades[FEW:]] == [(ETH, True)]
    assert sized(bench).method is Method.STOPPED
    assert changes(bench) == [(Method.EXPLORATION, Method.STOPPED)]


# --- behind the circuit breaker ---------------------------------------------------------------------------------------

# A monitor that looks at every round, at few trades; a breaker that only its findings move. The panel is never as sure
# as THROTTLE asks.
ILL = {
    "every": 1, "over": FEW, "enough": FEW, "losses": (FEW, 100), "win_rate": ("0.45", "0"),
    "expectancy": ("-0.9", "-1"), "sharpe": ("-1e9", "-2e9"), "drawdown": ("0.8", "0.9"),
}  # fmt: skip
OTHERWISE_CALM = {"slippage": {}, "day_loss": {}, "cool_alert": "1s", "cool_throttle": "1s", "cool_halt": "1s"}


async def test_health_that_keeps_real_trades_out_is_renewed_by_shadow_trades() -> None:
    """Two warnings throttle. Without a shadow they would stand for ever: no real trade could take them back."""
    market: Sequence[Bar] = [*CALM, *turns(*[LOSS] * FEW, *[RISEN] * 4), LEVEL, LEVEL]
    playbook = a_house(
        health=ILL, breaker=OTHERWISE_CALM, limits={"max_daily_loss": 1}, schedule={"look_again": False},
        exits={"early_after": None, "early_loss": None, "force_loss": None},
    )  # fmt: skip
    bench = await a_desk(a_series(market), playbook=playbook, start="1000000")
    await bench.step(len(CALM) - 1)
    bench.script.long(confidence=0.7)
    await turn(bench, FEW)
    assert len(bench.trades) == FEW
    await bench.decide()
    gate = last(bench).gate
    assert isinstance(gate, Denied)
    assert (gate.rule, bench.desk.status().breaker.level) == ("circuit breaker", Level.THROTTLE)
    assert gate.would is not None
    assert bench.desk.status().shadow
    await bench.restart()
    await bench.step(2)
    assert [e.trade.net > 0 for e in bench.told(ShadowClosed)] == [True]
    assert len(bench.trades) == FEW
    for _ in range(2):
        await bench.decide()
        await bench.restart()  # what the shadow has shown survives
        await bench.step(2)
    # A gain ends the row of losses: one warning is left, and real trades go on at ALERT.
    found = bench.desk.book.state.health
    assert found is not None
    assert found.severity is Severity.MINOR
    assert bench.desk.status().breaker.level is Level.ALERT
    await bench.decide()
    assert bench.desk.book.on(BTC) or len(bench.trades) > FEW


async def test_losing_shadow_trades_of_the_same_grade_do_not_trip_again() -> None:
    """HALT once for what real trades have shown; what the shadow adds is told only when it is worse."""
    market: Sequence[Bar] = [*CALM, *turns(*[LOSS] * FEW, *[FALLEN] * 3), LEVEL, LEVEL]
    ill = {**ILL, "losses": (2, FEW), "win_rate": ("0.0001", "0")}  # one critical: severe
    playbook = a_house(
        health=ill, breaker=OTHERWISE_CALM, limits={"max_daily_loss": 1}, schedule={"look_again": False},
        exits={"early_after": None, "early_loss": None, "force_loss": None},
    )  # fmt: skip
    bench = await a_desk(a_series(market), playbook=playbook, start="1000000")
    await bench.step(len(CALM) - 1)
    bench.script.long(confidence=0.7)
    await turn(bench, FEW + 3)
    assert len(bench.told(ShadowClosed)) >= 2
    assert [e.after for e in bench.told(BreakerTripped) if e.after >= Level.HALT] == [Level.HALT]


async def test_without_anybody_to_learn_from_it_there_is_no_shadow() -> None:
    """A playbook without expectancy and health gains nothing by following what the breaker refused."""
    bench = await a_desk()
    await bench.desk.obey(OverrideBreaker(level=Level.HALT, lasts=timedelta(minutes=5), by="the owner"))
    bench.script.long()
    await bench.decide()
    gate = last(bench).gate
    assert isinstance(gate, Denied)
    assert (gate.rule, gate.would) == ("circuit breaker", None)
