"""What the gate is told: gathered from a real desk at one moment, with what could not be read left open."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.builders import BTC, ETH, NOW, a_position, an_opinion, an_order, an_outlook
from tests.desks import HOUR, Bench, Scripted, a_desk, a_house, a_series, two_markets
from trading.breaker import BreakerState, Level
from trading.decision import Approved, Decision, Denied, Opinion, Stance
from trading.events import OrderIntended, ShadowOpened
from trading.exit_plan import Regime
from trading.market.snapshot import Snapshot
from trading.model import ClientId, DecisionId, Direction, Leg, PositionId, Side
from trading.playbook import Playbook
from trading.risk.expectancy import Evidence, Method
from trading.risk.facts import Facts
from trading.running import Panel

D = Decimal
# Hourly bars that swing by 2 %: an ATR of about 1200, and a volatility over 0.8 a year.
WILD = [(60000.0, 60600.0, 59400.0, 60000.0)] * 80
WILD_ETH = [(3000.0, 3030.0, 2970.0, 3000.0)] * 80


def decisions(bench: Bench) -> list[Decision]:
    return list(bench.journal.decisions.values())


def facts(bench: Bench, **changes: Any) -> Facts:
    asked: dict[str, Any] = {"confidence": 900_000, "invalidation": None, "phase": None, "frozen": ""}
    return bench.desk.cycle.situation.facts(bench.view.snapshot(BTC), an_outlook(), **{**asked, **changes})


async def a_wild_desk(playbook: Playbook, bars: int = 60) -> Bench:
    """It stands after some days of hourly bars: the market is known, and volatile."""
    both = a_series(WILD, every=HOUR), a_series(WILD_ETH, symbol=ETH, every=HOUR)
    bench = await a_desk(*both, playbook=playbook)
    await bench.step(bars)
    return bench


def put(bench: Bench, **state: Any) -> None:
    bench.desk.book.state = replace(bench.desk.book.state, **state)


# --- the account --------------------------------------------------------------------------------------------------


async def test_a_fresh_desk_knows_all_it_needs() -> None:
    bench = await a_desk()
    f = facts(bench)
    assert f.unknown == ()
    assert (f.equity, f.booked, f.available, f.margin_used, f.day_equity) == (10000, 10000, 10000, 0, 10000)
    assert (f.fresh, f.positions, f.taken, f.sized, f.portfolio) == (True, 0, frozenset(), None, None)


async def test_yesterdays_opening_equity_is_not_todays() -> None:
    bench = await a_desk()
    now = bench.clock.now()
    put(bench, day=now - timedelta(days=1) + timedelta(microseconds=1))
    assert facts(bench).day_equity == 10000
    put(bench, day=now - timedelta(days=1))
    assert facts(bench).unknown == ("the day's opening equity",)
    put(bench, day=None)
    assert facts(bench).unknown == ("the day's opening equity",)


async def test_margin_on_its_way_without_a_mark_is_not_known() -> None:
    """The instrument has no bars any more; its entry has not been answered yet."""
    bench = await a_desk(*two_markets(eth=[3000.0, 3000.0, None, None, 3000.0, 3000.0]))
    await bench.step(3)
    bench.desk.book.reserve([an_order(symbol=ETH)])
    f = facts(bench)
    assert (f.margin_used, f.available) == (None, None)
    assert f.unknown == ("the margin in use",)


async def test_a_price_that_is_gone_is_not_fresh() -> None:
    bench = await a_desk(*two_markets(btc=[60000.0, 60000.0, None, None, 60000.0], eth=[3000.0] * 5))
    before = bench.view.snapshot(BTC)
    await bench.step(2)
    asked: dict[str, Any] = {"confidence": 0, "invalidation": None, "phase": None, "frozen": ""}
    f = bench.desk.cycle.situation.facts(before, an_outlook(), **asked)
    assert f.quote == before.quote
    assert f.unknown == ("a fresh price",)


# --- the breaker --------------------------------------------------------------------------------------------------


async def test_the_breaker_in_force_halves_or_denies() -> None:
    bench = await a_desk(playbook=a_house(), instant=True)
    full = facts(bench)
    put(bench, breaker=BreakerState(level=Level.THROTTLE, since=NOW, until=NOW + HOUR))
    assert facts(bench).breaker.size_factor == full.breaker.size_factor / 2
    put(bench, breaker=BreakerState(level=Level.HALT, since=NOW, until=NOW + HOUR))
    assert facts(bench).breaker.entries is False


# --- expectancy ---------------------------------------------------------------------------------------------------


async def test_each_playbook_is_sized_by_its_own_trades() -> None:
    bench = await a_wild_desk(a_house(expectancy={}))
    lost = Evidence(trades=(D(-1),) * 30)
    put(bench, evidence={"another": lost})
    sized = facts(bench).sized
    assert sized
    assert sized.method is Method.EXPLORATION
    put(bench, evidence={"desk": lost})
    sized = facts(bench).sized
    assert sized
    assert sized.method is Method.STOPPED


async def test_a_market_that_is_not_known_yet_denies_a_playbook_that_sizes_by_it() -> None:
    bench = await a_desk(playbook=a_house(expectancy={}))
    bench.script.long()
    await bench.decide()
    gate = decisions(bench)[-1].gate
    assert isinstance(gate, Denied)
    assert (gate.rule, gate.reason) == ("facts known", "not known: the regime, the volatility")


async def test_exploration_sets_the_size_and_says_so() -> None:
    bench = await a_wild_desk(a_house(expectancy={}, exits={"stop_atr": D("1.5"), "target_atr": D(3)}))
    bench.script.long()
    await bench.decide()
    decision = decisions(bench)[-1]
    assert decision.seen.regime is Regime.VOLATILE
    assert decision.seen.volatility is not None
    assert decision.seen.atr is not None
    assert isinstance(decision.gate, Approved)
    plan = decision.gate.plan
    # 0.5 % x 0.3 x 0.3 of 10000 is 4.5, at a stop of 1.5 x 1200 = 1800, the percentage 1500: 180 at 60000
    assert plan.method == "expectancy (exploration)"
    assert plan.quantity == D("0.003")
    assert plan.protection.stop == 58500, "the percentage is the outer bound"
    (entry,) = bench.trouble.sent(Leg.ENTRY)
    assert entry.plan
    assert entry.plan.entered.regime is Regime.VOLATILE
    assert entry.plan.entered.macd == 0
    assert entry.plan.entered.rsi is None, "it never moved from close to close"
    assert (entry.plan.stop_loss, entry.plan.take_profit) == (plan.stop_loss, plan.take_profit)


async def test_while_stopped_nothing_is_sent_and_a_shadow_is_opened() -> None:
    bench = await a_wild_desk(a_house(expectancy={}))
    put(bench, evidence={"desk": Evidence(trades=(D(-1),) * 30)})
    bench.script.long()
    await bench.decide()
    gate = decisions(bench)[-1].gate
    assert isinstance(gate, Denied)
    assert gate.rule == "expectancy"
    assert gate.would
    assert gate.would.quantity == D("0.003")
    assert not bench.told(OrderIntended)
    assert not bench.trouble.sent()
    assert bench.desk.book.orders == {}
    (opened,) = bench.told(ShadowOpened)
    assert (opened.position.quantity, opened.position.entry) == (gate.would.quantity, gate.would.price)


# --- the portfolio ------------------------------------------------------------------------------------------------


async def test_the_portfolio_is_what_is_open_and_what_is_on_its_way() -> None:
    bench = await a_desk(*two_markets(), playbook=a_house(portfolio={}, exits={"rebalance": {}}))
    book = bench.desk.book
    book.positions[PositionId("btc-x")] = a_position(id=PositionId("btc-x"), quantity=D("0.1"))
    rest = an_order(client_id=ClientId("e1"), decision_id=DecisionId("btc-x"), quantity=D("0.3"), filled=D("0.1"))
    other = an_order(
        client_id=ClientId("e2"), decision_id=DecisionId("eth-x"), symbol=ETH, side=Side.SELL, quantity=D(2)
    )
    stop = an_order(client_id=ClientId("s1"), leg=Leg.STOP, symbol=ETH, quantity=D(9))
    book.reserve([rest, other, stop])
    portfolio = bench.desk.cycle.situation.portfolio()
    assert portfolio
    assert portfolio.exposures is not None
    found = {(e.base, e.direction): e.notional for e in portfolio.exposures}
    assert found == {("BTC", Direction.LONG): D("0.3") * 60000, ("ETH", Direction.SHORT): 6000}
    assert portfolio.rebalance
    assert portfolio.budget == (10000 - 3) * 20
    assert portfolio.rebalance.budget == 20


async def test_an_exposure_without_a_mark_leaves_the_whole_open() -> None:
    house = a_house(portfolio={})
    bench = await a_desk(*two_markets(eth=[3000.0, 3000.0, None, None, 3000.0, 3000.0]), playbook=house)
    await bench.step(3)
    bench.desk.book.reserve([an_order(symbol=ETH)])
    assert bench.desk.cycle.situation.exposures() is None
    assert facts(bench).unknown == ("the margin in use", "the open exposure")


async def test_a_second_like_position_in_one_round_is_denied_by_the_first() -> None:
    # The budget is 10000 x 20 x 0.05 = 10000; BTC takes 7980, and 60 % of it is what BTC and ETH may have together.
    house = a_house(portfolio={"budget": D("0.05"), "asset": D(1), "sector": D(1), "group": D("0.8")})
    bench = await a_desk(*two_markets(), playbook=house)
    bench.script.long(BTC, ETH)
    await bench.decide(BTC, ETH)
    first, second = decisions(bench)
    assert isinstance(first.gate, Approved)
    assert isinstance(second.gate, Denied)
    assert second.gate.rule == "correlated group"
    assert "net long in BTC, ETH" in second.gate.reason


async def test_what_would_be_thrown_out_again_is_not_opened() -> None:
    # Half of a budget of 10000 x 20 x 0.1, from two positions on: 10000. Each takes about 8000.
    house = a_house(
        portfolio={"budget": D("0.1"), "asset": D(1), "sector": D(1), "group": D(1)},
        exits={"rebalance": {"positions": 2}},
    )
    bench = await a_desk(*two_markets(), playbook=house)
    bench.script.long(BTC, ETH)
    await bench.decide(BTC, ETH)
    first, second = decisions(bench)
    assert first.approved
    assert isinstance(second.gate, Denied)
    assert second.gate.rule == "one-sided"
    entry = bench.trouble.sent(Leg.ENTRY)[0]
    assert entry.plan
    assert entry.plan.rebalance
    assert entry.plan.rebalance.budget == 2


async def test_correlations_are_measured_again_with_the_full_hour_only() -> None:
    minutes = a_series([60000.0 + n % 7 for n in range(200)], every=timedelta(minutes=1))
    bench = await a_desk(minutes, playbook=a_house(portfolio={}))
    situation = bench.desk.cycle.situation
    first = situation.correlations()
    assert first
    assert first.as_of == NOW
    await bench.step(58)
    assert bench.clock.now() == NOW + timedelta(minutes=59)
    assert situation.correlations() is first
    await bench.step()
    second = situation.correlations()
    assert second
    assert second is not first
    assert second.as_of == NOW + HOUR


async def test_correlations_are_measured_on_what_has_closed() -> None:
    """After ten days of hours BTC and ETH are alike by measure, not by the table."""
    hours = 24 * 10
    move = [float(60000 + 500 * ((n * 7919) % 13)) for n in range(hours)]
    both = a_series(move, every=HOUR), a_series([x / 20 for x in move], symbol=ETH, every=HOUR)
    bench = await a_desk(*both, playbook=a_house(portfolio={}))
    await bench.step(100)
    early = bench.desk.cycle.situation.correlations()
    await bench.step(100)
    late = bench.desk.cycle.situation.correlations()
    assert early
    assert late
    assert (early.rho("BTC", "ETH").measured, early.rho("BTC", "ETH").value) == (False, D("0.85"))
    assert (late.rho("BTC", "ETH").measured, late.rho("BTC", "ETH").value) == (True, D(1))


# --- the invalidation price ---------------------------------------------------------------------------------------


class Naming(Scripted):
    """Says the script, and names a price at which it gives up."""

    price: Decimal | None = None

    async def opine(self, snapshot: Snapshot) -> Opinion:
        voice = an_opinion(self.name, Stance.LONG, 0.9)
        return replace(voice, invalidation=self.price)


async def with_invalidations(*prices: str | None) -> Bench:
    bench = await a_desk(playbook=a_house(exits={"stop_at_invalidation": True}))
    for name, price in zip(bench.desk.cycle.panel.personas, prices, strict=True):
        voice = Naming(name, bench.script)
        voice.price = None if price is None else D(price)
        bench.desk.cycle.panel.personas[name] = voice  # type: ignore[index]
    await bench.decide()
    return bench


async def test_the_stop_stands_at_the_nearest_invalidation() -> None:
    bench = await with_invalidations("59000", "59400")
    gate = decisions(bench)[-1].gate
    assert isinstance(gate, Approved)
    assert (gate.plan.protection.stop, gate.plan.stop_loss) == (59400, D("0.01"))


async def test_without_an_invalidation_price_nothing_is_opened() -> None:
    bench = await with_invalidations(None, None)
    gate = decisions(bench)[-1].gate
    assert isinstance(gate, Denied)
    assert (gate.rule, gate.reason) == ("facts known", "not known: an invalidation price")


# --- another playbook ---------------------------------------------------------------------------------------------


async def test_another_playbook_is_used_from_the_next_round_on() -> None:
    bench = await a_desk(*two_markets())
    cycle, script = bench.desk.cycle, bench.script
    script.long(BTC, ETH)
    other = a_house(name="other", universe=("ETH",), limits={"max_positions": 1}, portfolio={})
    situation = cycle.situation
    cycle.use(other, Panel(personas={"technical": Scripted("technical", script)}, off={}))
    assert cycle.weights[ETH] == {"technical": 1000}
    assert cycle.situation is not situation
    assert cycle.situation.playbook is other
    await bench.decide(BTC, ETH)
    (decision,) = decisions(bench)
    assert (decision.symbol, decision.playbook, decision.playbook_hash) == (ETH, "other", other.hash)
    assert decision.weights == {"technical": 1000}
