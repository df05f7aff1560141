"""One decision of each outcome, one event of each kind, one status: what the tests of the surface show."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D

from tests import risk_examples as risk
from tests.control_examples import ANA, control_events
from tests.risk_examples import AT, BTC, ETH
from tests.voice_examples import a_spoken_decision, voice_events
from trading import events as m
from trading.breaker import Level
from trading.decision import (
    Abstention,
    Action,
    Approved,
    Decision,
    Denied,
    Evidence,
    GateAnswer,
    Opinion,
    Plan,
    Seen,
    Stance,
    Tally,
    Verdict,
)
from trading.exit_plan import Entered, ExitPlan, Memory, Partial, Regime, StopKind, StopMove, Trailing
from trading.health import Severity
from trading.messages import BY_HAND
from trading.model import (
    Balance,
    ClientId,
    DecisionId,
    Direction,
    ExitReason,
    Fill,
    FundingPayment,
    Guard,
    Leg,
    Order,
    OrderKind,
    OrderStatus,
    Position,
    PositionId,
    Protection,
    Quote,
    Side,
    Trade,
    TradingState,
    Wallets,
)
from trading.reconcile import ACCOUNT
from trading.risk.expectancy import Method
from trading.status import Armed, Capability, DeskStatus, PositionStatus

ID = DecisionId("btc-k3f9x2pa")
GUARD = Protection(
    stop_id=ClientId("gv-aaaa-s0"), stop=D("62605.2"), target_id=ClientId("gv-aaaa-t0"), target=D("67421.1")
)
EXITS = ExitPlan(
    phase="base",
    take_profit=D("0.05"),
    stop_loss=D("0.025"),
    early_after=timedelta(hours=3),
    early_loss=D("0.025"),
    force_loss=D("0.04"),
    max_hold=timedelta(hours=24),
)
RICH_EXITS = replace(
    EXITS,
    trailing=Trailing(
        arm=D("0.015"),
        step=D("0.0005"),
        trend=D("0.02"),
        range=D("0.015"),
        chop=D("0.01"),
        volatile=D("0.025"),
    ),
    break_even=D("0.01"),
    partials=(Partial(at=D("0.02"), share=D("0.25")), Partial(at=D("0.04"), share=D("0.5"))),
    entered=Entered(regime=Regime.TREND_UP, rsi=58.2, macd=0.21),
)


def opinions() -> tuple[Opinion | Abstention, ...]:
    flow = Opinion(
        persona="flow",
        stance=Stance.LONG,
        confidence=812_345,
        thesis="Takers bought 61.4 % of 1250 trades in 15 minutes.",
        evidence=(
            Evidence(label="taker buy share", value=61.4321, unit="%", source="trades", as_of=AT),
            Evidence(label="book imbalance", value=-0.0123456, source="order book", as_of=AT - timedelta(seconds=3)),
        ),
    )
    technical = Opinion(
        persona="technical",
        stance=Stance.LONG,
        confidence=650_000,
        thesis="RSI(14) 58.2 and SMA 20 over SMA 50.",
        evidence=(Evidence(label="RSI(14)", value=58.2187, source="1h candles", as_of=AT - timedelta(minutes=5)),),
    )
    return flow, technical, Abstention(persona="whale", reason="no key")


def plan() -> Plan:
    return Plan(
        symbol=BTC,
        direction=Direction.LONG,
        quantity=D("0.0124"),
        price=D("64210.5"),
        leverage=10,
        margin=D("79.62102"),
        notional=D("796.2102"),
        protection=GUARD,
        method="confidence",
        size_note="confidence 0.71 commits 9 % of 10000 equity",
    )


def explored() -> Plan:
    """At exploration size."""
    note = "2 of 30 trades closed: 0.50% of equity x 1.3 (trend up) x 0.85 (volatility)"
    return replace(plan(), quantity=D("0.0034"), margin=D("21.83157"), notional=D("218.3157"), method="exploration",
                   size_note=note)  # fmt: skip


PASSED = (
    GateAnswer(rule="positions", passed=True, limit="5", value="1"),
    GateAnswer(rule="leverage", passed=True, limit="20x", value="10x"),
)
REFUSED = GateAnswer(rule="daily loss", passed=False, limit="5 %", value="5.2 %", reason="until 00:00 UTC")


STOPPED = GateAnswer(
    rule="expectancy",
    passed=False,
    limit="above 0",
    value="0.00% of equity at risk (stopped)",
    reason="no real size since E was not above 0; 2 of 30 shadow trades closed, their E 0.50; "
    "from 30 real trades, p 0.50, b 0.50, E -2.50, f -0.500",
)
BREAKER = GateAnswer(
    rule="circuit breaker", passed=True, limit="confidence from 0.70", value="THROTTLE, confidence 0.71"
)
SHARE = GateAnswer(rule="asset share", passed=True, limit="80000.00 (40.0% of 200000.00)", value="796.21 (BTC)")


def a_decision(outcome: str = "long") -> Decision:
    """outcome: long, denied, stopped (denied by expectancy) or wait."""
    tally = Tally(
        long=1_868_517_500,
        short=0,
        missing=0,
        neutral_weight=0,
        directional_weight=2500,
        missing_weight=0,
        standing=2,
        confidence=712_345,
        lead=Action.LONG,
    )
    gates = {
        "long": Approved(plan=plan(), answers=(BREAKER, *PASSED, SHARE)),
        "stopped": Denied(rule="expectancy", reason=STOPPED.reason, answers=(*PASSED, STOPPED), would=explored()),
        "denied": Denied(rule="daily loss", reason="the day has lost its part", answers=(*PASSED, REFUSED)),
        "wait": None,
    }
    action = Action.WAIT if outcome == "wait" else Action.LONG
    reason = "confidence 0.599 is under 0.60" if outcome == "wait" else "long leads and two agree"
    shown = replace(tally, confidence=599_999) if outcome == "wait" else tally
    return Decision(
        id=ID,
        symbol=BTC,
        at=AT,
        trigger="schedule",
        playbook="desk",
        playbook_hash="ab12cd34ef56",
        phase="base",
        seen=Seen(
            close=D("64205.0"),
            bid=D("64210.4"),
            ask=D("64210.5"),
            mark=D("64210.4"),
            quote_at=AT,
            bar_closed_at=AT - timedelta(minutes=5),
            interval="1h",
            funding_rate=D("0.0001"),
            regime=Regime.TREND_UP,
            volatility=D("0.4512"),
            atr=D("512.34567891234"),
            source="simulated market",
        ),
        opinions=opinions(),
        weights={"flow": 1500, "technical": 1000},
        verdict=Verdict(action=action, confidence=shown.confidence, reason=reason, tally=shown),
        gate=gates[outcome],
    )


def an_order(leg: Leg = Leg.ENTRY, **changes: object) -> Order:
    entry = Order(
        client_id=ClientId("gv-aaaa-e0"),
        decision_id=ID,
        leg=leg,
        symbol=BTC,
        side=Side.BUY if leg is Leg.ENTRY else Side.SELL,
        kind=OrderKind.MARKET,
        quantity=D("0.0124"),
        created_at=AT,
        reduce_only=leg is not Leg.ENTRY,
        leverage=10,
    )
    return replace(entry, **changes)


def a_fill(**changes: object) -> Fill:
    made = Fill(
        id="f1",
        client_id=ClientId("gv-aaaa-e0"),
        symbol=BTC,
        side=Side.BUY,
        quantity=D("0.0124"),
        price=D("64210.5"),
        fee=D("0.3184841"),
        at=AT,
    )
    return replace(made, **changes)


def a_position(**changes: object) -> Position:
    cost = D("64210.5") * D("0.0124")
    made = Position(
        id=PositionId(ID),
        symbol=BTC,
        direction=Direction.LONG,
        quantity=D("0.0124"),
        cost=cost,
        leverage=10,
        opened_at=AT,
        plan=EXITS,
        protection=GUARD,
        playbook="desk",
        entry_quantity=D("0.0124"),
        entry_cost=cost,
        fees=D("0.3184841"),
        guard=Guard.CONFIRMED,
    )
    return replace(made, **changes)


def a_moved_position(**changes: object) -> Position:
    """Trailing, after a partial exit; its stop is above the entry."""
    quantity = D("0.0093")
    made = a_position(
        quantity=quantity,
        cost=D("64210.5") * quantity,
        exit_quantity=D("0.0031"),
        exit_value=D("65500.0") * D("0.0031"),
        plan=RICH_EXITS,
        protection=replace(GUARD, stop=D("64680.0")),
        memory=Memory(armed=True, best=D("66000.0"), partials=1, stop=StopKind.TRAILING, first_stop=GUARD.stop),
    )
    return replace(made, **changes)


def a_moving_position() -> Position:
    """Its stop is on its way to break-even."""
    moving = StopMove(level=D("64274.8"), kind=StopKind.BREAK_EVEN, note="+1.02% reached +1.00%")
    return a_position(plan=RICH_EXITS, moving=moving)


def a_trade(**changes: object) -> Trade:
    made = Trade(
        id=PositionId(ID),
        symbol=BTC,
        direction=Direction.LONG,
        quantity=D("0.0124"),
        entry=D("64210.5"),
        exit=D("67421.0"),
        opened_at=AT,
        closed_at=AT + timedelta(hours=5, minutes=12),
        gross=D("39.8102"),
        fees=D("0.6528922"),
        funding=D("-0.0796"),
        r=D("1.9623112"),
        reason=ExitReason.TAKE_PROFIT,
        note="mark 67,421.0 reached the target 67,421.0",
        playbook="desk",
        leverage=10,
    )
    return replace(made, **changes)


def a_quote(mark: str = "62500.0") -> Quote:
    return Quote(symbol=BTC, at=AT, bid=D(mark), ask=D(mark), mark=D(mark))


def story() -> list[m.Event]:
    later = AT + timedelta(hours=5, minutes=12)
    sold = a_fill(id="f2", side=Side.SELL, price=D("67421.0"), at=later)
    return [
        m.DecisionMade(at=AT, decision=a_decision()),
        m.OrderIntended(at=AT, order=an_order()),
        m.OrderSent(at=AT, order=an_order(status=OrderStatus.OPEN)),
        m.OrderFilled(at=AT, order=an_order(status=OrderStatus.FILLED, filled=D("0.0124")), fill=a_fill()),
        m.PositionOpened(at=AT, position=a_position(guard=Guard.PENDING)),
        m.ProtectionConfirmed(at=AT, position=a_position()),
        m.ExitTriggered(
            at=later,
            position=a_position(),
            reason=ExitReason.TAKE_PROFIT,
            note="mark 67,421.0 reached the target 67,421.0",
            quote=a_quote("67421.0"),
        ),
        m.OrderFilled(at=later, order=an_order(Leg.TARGET, status=OrderStatus.FILLED, filled=D("0.0124")), fill=sold),
        m.TradeClosed(at=later, trade=a_trade(), equity=D("10039.0777")),
    ]


def moving_story() -> list[m.Event]:
    """A trade whose stop is moved, refused, moved again, and of which a part is closed."""
    return [
        *story()[:6],
        *(replace(e, at=AT + timedelta(hours=1)) for e in position_events().values()),
        *story()[6:],
    ]


def position_events() -> dict[str, m.Event]:
    """What happens to an open position."""
    at_break_even = a_position(
        protection=replace(GUARD, stop=D("64274.8")),
        plan=RICH_EXITS,
        memory=Memory(stop=StopKind.BREAK_EVEN, first_stop=GUARD.stop),
    )
    trailing = a_moved_position()
    return {
        "stop_moved_break_even": m.StopMoved(
            at=AT,
            position=at_break_even,
            before=D("62605.2"),
            kind=StopKind.BREAK_EVEN,
            note="+1.02% reached +1.00%",
        ),
        "partial_triggered": m.PartialTriggered(
            at=AT,
            position=at_break_even,
            quantity=D("0.0031"),
            note="+2.01% reached +2.00%: 25% of what was entered",
            quote=a_quote("65501.2"),
        ),
        "stop_moved_trailing": m.StopMoved(
            at=AT,
            position=trailing,
            before=D("64274.8"),
            kind=StopKind.TRAILING,
            note="2.00% behind the best mark 66000.0, trend up",
        ),
        "stop_not_moved": m.StopNotMoved(
            at=AT, position=trailing, wanted=D("64712.4"), reason="stop would trigger at once"
        ),
    }


def shadow_events() -> dict[str, m.Event]:
    paper = a_position(guard=Guard.PENDING, fees=D("0.11"))
    return {
        "shadow_opened": m.ShadowOpened(at=AT, position=paper),
        "shadow_closed": m.ShadowClosed(at=AT + timedelta(hours=5, minutes=12), trade=a_trade()),
    }


def risk_events() -> dict[str, m.Event]:
    until = AT + timedelta(minutes=5)
    bad = risk.throttled(AT), risk.shut_down()
    return {
        "breaker_throttle": m.BreakerTripped(at=AT, before=Level.CLOSED, after=Level.THROTTLE, causes=bad[0].causes),
        "breaker_shutdown": m.BreakerTripped(at=AT, before=Level.HALT, after=Level.SHUTDOWN, causes=bad[1].causes),
        "breaker_alert": m.BreakerTripped(at=AT, before=Level.CLOSED, after=Level.ALERT, causes=bad[0].causes[:1]),
        "breaker_recovered": m.BreakerRecovered(at=AT, before=Level.HALT, after=Level.THROTTLE, until=until),
        "breaker_closed": m.BreakerRecovered(at=AT, before=Level.ALERT, after=Level.CLOSED, until=None),
        "breaker_reset": m.BreakerReset(at=AT, by=ANA, before=Level.SHUTDOWN),
        "breaker_overridden": m.BreakerOverridden(
            at=AT, by=ANA, before=Level.HALT, level=Level.ALERT, until=AT + timedelta(hours=2)
        ),
        "breaker_override_ended": m.BreakerOverrideEnded(
            at=AT, by=ANA, level=Level.ALERT, after=Level.HALT, why="expired"
        ),
        "health_changed": m.HealthChanged(at=AT, before=Severity.NONE, health=risk.a_health()),
        "sizing_stopped": m.SizingChanged(
            at=AT, playbook="desk", before=Method.KELLY, after=Method.STOPPED, note=STOPPED.reason
        ),
        "sizing_kelly": m.SizingChanged(
            at=AT, playbook="desk", before=Method.EXPLORATION, after=Method.KELLY, note=risk.by_kelly().note
        ),
    }


def by_hand_events() -> dict[str, m.Event]:
    """A side that a person has chosen, against the panel's; and a part of a position that he has closed."""
    chosen = {"trigger": BY_HAND, "by": ANA}
    heard = a_decision().verdict
    against = replace(
        heard,
        action=Action.SHORT,
        confidence=600_000,
        reason=f"short by hand, {ANA}; the judge said long: long leads and two agree",
    )
    down = replace(plan(), direction=Direction.SHORT, protection=replace(GUARD, stop=D("65815.7"), target=D("61000.1")))
    why = "BTC is locked by Ben (telegram:8) until it is unlocked: news"
    refused = GateAnswer(rule="locked", passed=False, limit="free", value=why.removeprefix("BTC is "), reason=why)
    return {
        "decision_by_hand": m.DecisionMade(
            at=AT,
            decision=replace(a_decision(), verdict=against, gate=Approved(plan=down, answers=PASSED), **chosen),
        ),
        "decision_by_hand_denied": m.DecisionMade(
            at=AT,
            decision=replace(
                a_decision(),
                verdict=against,
                gate=Denied(rule="locked", reason=why, answers=(*PASSED, refused)),
                **chosen,
            ),
        ),
        "partial_by_hand": m.PartialTriggered(
            at=AT,
            position=a_position(),
            quantity=D("0.0062"),
            note=f"by {ANA}",
            quote=a_quote("64900.0"),
            reason=ExitReason.MANUAL,
        ),
        "exit_by_hand": m.ExitTriggered(
            at=AT, position=a_position(), reason=ExitReason.MANUAL, note=f"by {ANA}", quote=a_quote("64900.0")
        ),
        "exit_without_a_quote": m.ExitTriggered(
            at=AT, position=a_position(), reason=ExitReason.BREAKER, note="SHUTDOWN closes it"
        ),
    }


def settings_events() -> dict[str, m.Event]:
    changes = (("phases.final.max_hold", "6h", "4h"), ("phases.final.max_positions", "", "3"))
    back = tuple((what, after, before) for what, before, after in changes)
    return {
        "settings_changed": m.SettingsChanged(at=AT, by=ANA, version=5, changes=changes),
        "settings_undone": m.SettingsChanged(at=AT, by=ANA, version=6, changes=back, undone=5),
        "playbook_changed": m.PlaybookChanged(at=AT, by=ANA, before="desk", after="smt-3.1", kept=(ID,)),
        "shadow_desk_added": m.ShadowDeskChanged(at=AT, by=ANA, playbook="smt-3.1", running=True),
        "shadow_desk_removed": m.ShadowDeskChanged(at=AT, by=ANA, playbook="smt-3.1", running=False),
    }


def events() -> dict[str, m.Event]:
    """Every kind of event that has a card, by the name of its golden file."""
    lost = m.VenueLost(at=AT, detail="no answer for 12 s")
    payment = FundingPayment(id="p1", symbol=BTC, at=AT, rate=D("0.0001"), amount=D("-0.0796"))
    rejected = an_order(status=OrderStatus.REJECTED, note="insufficient margin")
    return {
        **position_events(),
        **shadow_events(),
        **risk_events(),
        **settings_events(),
        **control_events(),
        **by_hand_events(),
        **voice_events(),
        "desk_started": m.DeskStarted(
            at=AT,
            playbook="desk",
            market="simulated market",
            mode="PAPER",
            equity=D("10000"),
            open_positions=1,
            resumed=True,
            personas_off=("whale: no key",),
        ),
        "desk_stopped": m.DeskStopped(at=AT, reason="asked to stop", left_open=(a_position(),)),
        "desk_faulted": m.DeskFaulted(at=AT, where="exits of BTC", detail="KeyError: 'x'"),
        "decision_long": m.DecisionMade(at=AT, decision=a_decision()),
        "decision_of_voices": m.DecisionMade(at=AT, decision=a_spoken_decision(a_decision())),
        "decision_denied": m.DecisionMade(at=AT, decision=a_decision("denied")),
        "decision_stopped": m.DecisionMade(at=AT, decision=a_decision("stopped")),
        "decision_wait": m.DecisionMade(at=AT, decision=a_decision("wait")),
        "waits_summed": m.WaitsSummed(
            at=AT,
            since=AT - timedelta(hours=4),
            waits=38,
            denied=4,
            reasons=(("BTC", "wait", 20), ("BTC", "daily loss", 4), ("ETH", "wait", 18)),
            closest=(ID, "BTC", 599_999),
        ),
        "order_sent": m.OrderSent(at=AT, order=an_order(status=OrderStatus.OPEN)),
        "order_filled_entry": m.OrderFilled(
            at=AT, order=an_order(status=OrderStatus.FILLED, filled=D("0.0124")), fill=a_fill()
        ),
        "order_filled_stop": m.OrderFilled(
            at=AT,
            order=an_order(Leg.STOP, status=OrderStatus.FILLED, filled=D("0.0124")),
            fill=a_fill(side=Side.SELL, price=D("62590.1")),
        ),
        "order_rejected": m.OrderEnded(at=AT, order=rejected),
        "order_uncertain": m.OrderUncertain(at=AT, order=an_order(status=OrderStatus.UNKNOWN)),
        "protection_confirmed": m.ProtectionConfirmed(at=AT, position=a_position()),
        "protection_failed": m.ProtectionFailed(at=AT, position=a_position(guard=Guard.FAILED)),
        "exit_triggered": m.ExitTriggered(
            at=AT,
            position=a_position(),
            reason=ExitReason.EARLY_EXIT,
            note="-2.66 % after 3 h, limit -2.5 %",
            quote=a_quote(),
        ),
        "trade_closed": m.TradeClosed(at=AT + timedelta(hours=5, minutes=12), trade=a_trade(), equity=D("10039.0777")),
        "funding_paid": m.FundingPaid(at=AT, payment=payment, position_id=PositionId(ID)),
        "halted": m.TradingHalted(at=AT, by="Ana (telegram:7)", reason="news"),
        "resumed": m.TradingResumed(at=AT, by="Ana (telegram:7)", halted_by="Ana (telegram:7)", halt_reason="news"),
        "phase_changed": m.PhaseChanged(at=AT, by="console:owner", before="base", after="final"),
        "books_disagreed": m.BooksDisagreed(at=AT, symbol=BTC, detail="the venue holds 0, the desk 0.0124 long"),
        "books_disagreed_wallet": m.BooksDisagreed(
            at=AT, symbol=ACCOUNT, detail="the venue's wallet is 10250.00, the desk's 10000.00"
        ),
        "books_agreed": m.BooksAgreed(at=AT, symbol=BTC),
        "wallet_accepted": m.WalletAccepted(at=AT, by=ANA, before=D("10000.00"), after=D("10250.00")),
        "live_armed": m.LiveArmed(at=AT, by=ANA, equity=D("10008.23133"), venue="binance"),
        "live_disarmed": m.LiveDisarmed(at=AT, by=ANA),
        "venue_lost": lost,
        "venue_back": m.VenueBack(at=AT, lost_at=AT - timedelta(minutes=14)),
        "chat_troubled": m.ChatTroubled(at=AT, chat="telegram", detail="another process reads it", over=False),
        "data_gap": m.DataGap(at=AT, symbol=BTC, after=AT - timedelta(hours=3), until=AT, bars=3),
        "data_ended": m.DataEnded(at=AT, symbol=ETH),
        "alerts_changed": m.AlertsChanged(
            at=AT, by="console:owner", destination="console:main", kind="fill", before="on", after="off"
        ),
        "access_refused": m.AccessRefused(
            at=AT, who="telegram:666", place="telegram:666", text="/balance", reason="not on the list of users"
        ),
    }


def a_status(**changes: object) -> DeskStatus:
    view = PositionStatus(
        position=a_position(),
        quote=a_quote("64900.0"),
        rules=("stop loss at 62,605.2", "maximum hold 24h, 21 h 05 min left"),
    )
    made = DeskStatus(
        at=AT + timedelta(hours=2, minutes=55),
        mode="PAPER",
        market="simulated market",
        playbook="desk",
        phase="base",
        trading=TradingState.ACTIVE,
        halted_by="",
        halt_reason="",
        halted_at=None,
        frozen="",
        equity=D("10008.23133"),
        start_equity=D("10000"),
        realised=D("0"),
        unrealised=D("8.5498"),
        day_pnl=D("8.23133"),
        exposure=D("796.2102"),
        positions=(view,),
        pending=(),
        last_decision="btc-k3f9x2pa long 0.71",
        capabilities=(
            Capability(name="flow", state=Armed.ARMED),
            Capability(name="whale", state=Armed.OFF, why="no key"),
        ),
        balance=Balance(wallet=D("9999.6815159"), available=D("9920.06"), as_of=AT),
        breaker=risk.view(),
        sized=risk.by_kelly(),
        wallets=Wallets(venue=D("9999.6815159"), desk=D("9999.6815159"), at=AT),
        unacceptable="Nothing differs: the venue's wallet is the desk's.",
    )
    return replace(made, **changes)


def a_held_back_status(**changes: object) -> DeskStatus:
    """Throttled, of moderate health, stopped by expectancy, one trade in shadow, settings changed four times."""
    moved = PositionStatus(position=a_moved_position(), quote=a_quote("65700.0"), rules=("trailing stop at 64,680.0",))
    held = a_status(
        at=AT,
        positions=(moved,),
        breaker=risk.view(risk.throttled()),
        health=risk.a_health(),
        sized=risk.stopped(),
        shadow=(a_position(),),
        version=4,
    )
    return replace(held, **changes)
