"""Small real things for tests: a_quote(), an_instrument(), a_decision(). Every one can be varied by keyword."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from trading.breaker import Level, effects
from trading.decision import MICRO, Abstention, Evidence, Opinion, Plan, Stance
from trading.exit_plan import ExitPlan, Partial, Rebalance, Regime, TimeLimits, Trailing
from trading.exits import Look
from trading.market.correlation import Correlations
from trading.market.outlook import Outlook
from trading.messages import EnterPair, Quoted
from trading.model import (
    ClientId,
    DecisionId,
    Direction,
    ExitReason,
    Fill,
    Guard,
    Instrument,
    Leg,
    Order,
    OrderKind,
    Position,
    PositionId,
    Protection,
    Quote,
    Side,
    Symbol,
    Trade,
    TradingState,
)
from trading.playbook import Playbook, load
from trading.risk.expectancy import Evidence as Results
from trading.risk.expectancy import risk_fraction
from trading.risk.facts import Facts
from trading.risk.portfolio import Exposure, Portfolio
from trading.state import PairLock

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
BTC = Symbol("BTC/USDT:USDT")
ETH = Symbol("ETH/USDT:USDT")
D = Decimal


def an_instrument(symbol: Symbol = BTC, **changes: Any) -> Instrument:
    made = Instrument(
        symbol=symbol,
        tick=D("0.1"),
        step=D("0.001"),
        min_quantity=D("0.001"),
        max_quantity=D(1000),
        min_notional=D(5),
        max_leverage=50,
        maker_fee=D("0.0002"),
        taker_fee=D("0.0005"),
        maintenance=D("0.01"),
    )
    return replace(made, **changes)


def a_quote(price: str | Decimal = "60000", *, symbol: Symbol = BTC, at: datetime = NOW) -> Quote:
    mark = D(price)
    return Quote(symbol=symbol, at=at, bid=mark - D("0.1"), ask=mark + D("0.1"), mark=mark)


def an_exit_plan(**changes: Any) -> ExitPlan:
    made = ExitPlan(
        phase="base",
        take_profit=D("0.05"),
        stop_loss=D("0.025"),
        early_after=timedelta(hours=3),
        early_loss=D("0.025"),
        force_loss=D("0.04"),
        max_hold=timedelta(hours=24),
    )
    return replace(made, **changes)


def every_exit(**changes: Any) -> ExitPlan:
    """A plan with every rule there is, in the numbers of the playbooks."""
    made = an_exit_plan(
        trailing=Trailing(
            arm=D("0.015"), step=D("0.0005"), trend=D("0.02"), range=D("0.015"), chop=D("0.01"), volatile=D("0.025")
        ),
        time_limits=TimeLimits(
            trend=timedelta(hours=4), range=timedelta(hours=2), chop=timedelta(hours=1), volatile=timedelta(minutes=30)
        ),
        regime_change=True,
        rebalance=Rebalance(net=D("0.5"), positions=3, budget=D(10)),
        invalidation=True,
        break_even=D("0.01"),
        partials=(Partial(at=D("0.02"), share=D("0.25")), Partial(at=D("0.04"), share=D("0.5"))),
    )
    return replace(made, **changes)


def a_look(mark: str = "60000", *, held: timedelta = timedelta(0), **changes: Any) -> Look:
    """What the exits of a BTC position see, this long after NOW."""
    return replace(Look(quote=a_quote(mark), now=NOW + held, instrument=an_instrument()), **changes)


def a_protection(stop: str = "58500", target: str = "63000") -> Protection:
    return Protection(stop_id=ClientId("gv-s0"), stop=D(stop), target_id=ClientId("gv-t0"), target=D(target))


def a_position(direction: Direction = Direction.LONG, **changes: Any) -> Position:
    long = direction is Direction.LONG
    made = Position(
        id=PositionId("btc-aaaaaaaa"),
        symbol=BTC,
        direction=direction,
        quantity=D("0.1"),
        cost=D(6000),
        leverage=10,
        opened_at=NOW,
        plan=an_exit_plan(),
        protection=a_protection() if long else a_protection("61500", "57000"),
        playbook="desk",
        entry_quantity=D("0.1"),
        entry_cost=D(6000),
        fees=D(3),
        guard=Guard.CONFIRMED,
        guard_since=NOW,
    )
    return replace(made, **changes)


def an_order(**changes: Any) -> Order:
    made = Order(
        client_id=ClientId("gv-e0"),
        decision_id=DecisionId("btc-aaaaaaaa"),
        leg=Leg.ENTRY,
        symbol=BTC,
        side=Side.BUY,
        kind=OrderKind.MARKET,
        quantity=D("0.1"),
        created_at=NOW,
        leverage=10,
        protection=a_protection(),
        plan=an_exit_plan(),
    )
    return replace(made, **changes)


def a_fill(side: Side = Side.BUY, quantity: str = "0.1", price: str = "60000", **changes: Any) -> Fill:
    made = Fill(
        id="000000000001",
        client_id=ClientId("gv-e0"),
        symbol=BTC,
        side=side,
        quantity=D(quantity),
        price=D(price),
        fee=D("3"),
        at=NOW,
    )
    return replace(made, **changes)


def a_trade(net: str, *, number: int = 0, **changes: Any) -> Trade:
    """A closed round trip with this net; `number` makes its id, and closes it so many seconds after NOW."""
    made = Trade(
        id=PositionId(f"btc-{number:08}"), symbol=BTC, direction=Direction.LONG, quantity=D("0.1"), entry=D(60000),
        exit=D(60000), opened_at=NOW, closed_at=NOW + timedelta(seconds=number), gross=D(net) + 6, fees=D(6),
        funding=D(0), r=D(0), reason=ExitReason.MANUAL, note="", playbook="desk", leverage=10,
    )  # fmt: skip
    return replace(made, **changes)


def an_opinion(persona: str, stance: Stance, confidence: float | int) -> Opinion:
    """Confidence as a fraction (float) or in millionths (int)."""
    micro = confidence if isinstance(confidence, int) else round(confidence * MICRO)
    fact = Evidence(label="RSI(14)", value=55.0, as_of=NOW)
    return Opinion(persona=persona, stance=stance, confidence=micro, thesis="because", evidence=(fact,))


def an_abstention(persona: str) -> Abstention:
    return Abstention(persona=persona, reason="no key")


def a_playbook(name: str = "desk", **changes: Any) -> Playbook:
    made = load(name)
    return Playbook.model_validate({**made.model_dump(), **changes})


def a_plain_playbook(**changes: Any) -> Playbook:
    """The house without the parts that a playbook may leave out, and with levels at fixed distances: what a test adds
    to it is all there is.
    """
    exits = {
        "take_profit": "0.05", "stop_loss": "0.025", "early_after": "3h", "early_loss": "0.025",
        "force_loss": "0.04", "max_hold": "24h",
    }  # fmt: skip
    without = {"expectancy": None, "portfolio": None, "health": None, "exits": exits}
    return a_playbook("desk", **{**without, **changes})


def a_plan(direction: Direction = Direction.LONG, **changes: Any) -> Plan:
    long = direction is Direction.LONG
    made = Plan(
        symbol=BTC,
        direction=direction,
        quantity=D("0.1"),
        price=D(60000),
        leverage=10,
        margin=D(600),
        notional=D(6000),
        protection=a_protection() if long else a_protection("61500", "57000"),
        method="confidence",
        size_note="",
    )
    return replace(made, **changes)


def an_outlook(**changes: Any) -> Outlook:
    made = Outlook(at=NOW, regime=Regime.RANGE, volatility=D("0.4"), atr=D(600), rsi=50.0, macd=0.0)
    return replace(made, **changes)


def a_portfolio(playbook: Playbook, equity: str | Decimal = "10000", *exposures: Exposure) -> Portfolio | None:
    """As the playbook limits it; None where it does not."""
    policy, r, cap = playbook.portfolio, playbook.exits.rebalance, playbook.limits.max_leverage
    if policy is None:
        return None
    return Portfolio(
        equity=D(equity),
        exposures=exposures,
        leverage_cap=cap,
        correlations=Correlations(policy=policy),
        policy=policy,
        rebalance=Rebalance(net=r.net, positions=r.positions, budget=policy.budget * cap) if r else None,
    )


def a_lock(direction: Direction | None = None, **changes: Any) -> PairLock:
    made = PairLock(symbol=BTC, direction=direction, until=None, by="the owner", at=NOW)
    return replace(made, **changes)


def asked_for(direction: Direction = Direction.LONG, *, at: str | None = None) -> EnterPair:
    """An entry by hand; `at`: the mark as it was shown."""
    quoted = Quoted(mark=D(at)) if at else None
    return EnterPair(symbol=BTC, direction=direction, by="the owner", quoted=quoted)


def some_facts(**changes: Any) -> Facts:
    """Everything that the playbook asks for is known, nothing is open, and nothing was traded yet."""
    playbook = changes.get("playbook") or a_playbook()
    made = Facts(
        now=NOW,
        trading=TradingState.ACTIVE,
        halt_reason="",
        frozen="",
        breaker=effects(Level.CLOSED, playbook.breaker),
        confidence=900_000,
        instrument=an_instrument(),
        playbook=playbook,
        exits=playbook.exits,
        quote=a_quote(),
        fresh=True,
        outlook=an_outlook(),
        invalidation=D(58500),
        equity=D(10000),
        booked=D(10000),
        margin_used=D(0),
        day_equity=D(10000),
        positions=0,
        max_positions=5,
        taken=frozenset(),
        last_exit=None,
        sized=risk_fraction(Results(), playbook.expectancy) if playbook.expectancy else None,
        portfolio=a_portfolio(playbook),
    )
    return replace(made, **changes)
