"""What a whole run came to, in lines that people can read: a change shows as a difference, not as another hash."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from storage.codec import from_json
from tests.process.records import Records, open_
from trading import events as m
from trading.decision import Denied
from trading.model import ZERO, Leg, Order, base_of
from trading.performance import summarise


def record(directory: Path, records: Records, *, orders: bool) -> str:
    """The golden record of a finished run; with `orders` every order, without only the trades."""
    parts = [_sum(records), _denials(directory), _exits(records), _alarms(records)]
    parts.append(_orders(records) if orders else _trades(records))
    return "\n".join(line for part in parts for line in (*part, "")).rstrip() + "\n"


def _sum(records: Records) -> Iterator[str]:
    assert records.start is not None
    found = summarise([e.trade for e in records.of(m.TradeClosed)], records.start)
    yield f"equity {found.start_equity:f} -> {found.equity:f}"
    yield f"trades {found.trades}, won {found.wins}, lost {found.losses}"
    yield f"gross {found.gross:f}, fees {found.fees:f}, funding {found.funding:f}"
    yield f"deepest fall {found.drawdown.fraction:.4%}" if found.drawdown else "never fell"
    yield f"shadow trades {len(records.of(m.ShadowClosed))}"


def _denials(directory: Path) -> Iterator[str]:
    with closing(open_(directory / "gavel.db")) as database:
        bodies = database.execute(
            "SELECT body FROM journal JOIN decisions ON decisions.seq = journal.seq WHERE outcome = 'denied'"
        )
        gates = [from_json(m.DecisionMade, body).decision.gate for (body,) in bodies]
    counts = Counter(gate.rule for gate in gates if isinstance(gate, Denied))
    yield "denied:"
    yield from (f"  {rule} {count}" for rule, count in sorted(counts.items()))


def _exits(records: Records) -> Iterator[str]:
    trades = [e.trade for e in records.of(m.TradeClosed)]
    yield "exits:"
    for reason in sorted({t.reason.value for t in trades}):
        nets = [t.net for t in trades if t.reason.value == reason]
        yield f"  {reason} {len(nets)}, net {sum(nets, ZERO):f}"
    yield f"  partial closes {sum(e.order.leg is Leg.PARTIAL for e in records.of(m.OrderIntended))}"
    yield f"  stops moved {len(records.of(m.StopMoved))}"


def _alarms(records: Records) -> Iterator[str]:
    """Breaker, monitor and sizing, in the order they came."""
    yield "alarms:"
    for _, event in records.events:
        match event:
            case m.BreakerTripped():
                causes = ", ".join(f"{c.trigger} {_short(c.value)} from {c.limit:f}" for c in event.causes)
                yield f"  {_at(event.at)} breaker {event.before.name} -> {event.after.name}: {causes}"
            case m.BreakerRecovered():
                yield f"  {_at(event.at)} breaker {event.before.name} -> {event.after.name}"
            case m.HealthChanged():
                yield f"  {_at(event.at)} health {event.before.name} -> {event.health.severity.name}"
            case m.SizingChanged():
                yield f"  {_at(event.at)} sizing {event.before} -> {event.after}"


def _trades(records: Records) -> Iterator[str]:
    yield "trades:"
    for t in (e.trade for e in records.of(m.TradeClosed)):
        yield (
            f"  {_at(t.opened_at)} {base_of(t.symbol)} {t.direction} {t.quantity:f} from {_short(t.entry)} "
            f"to {_short(t.exit)} {_at(t.closed_at)} {t.reason} {_short(t.net)}"
        )


def _orders(records: Records) -> Iterator[str]:
    """Each order where it was meant, filled or ended; a stop where it was moved."""
    yield "orders:"
    for _, event in records.events:
        match event:
            case m.OrderIntended():
                yield f"  {_at(event.at)} {_words(event.order)}"
            case m.OrderFilled():
                what = f"{event.fill.quantity:f} @ {event.fill.price:f}, fee {event.fill.fee:f}"
                yield f"  {_at(event.at)} {_words(event.order)} filled {what}"
            case m.OrderEnded():
                yield f"  {_at(event.at)} {_words(event.order)} {event.order.status}"
            case m.StopMoved():
                stop = event.position.protection.stop
                yield f"  {_at(event.at)} {base_of(event.position.symbol)} {event.kind} {event.before:f} -> {stop:f}"
            case m.TradeClosed():
                trade = event.trade
                yield f"  {_at(event.at)} {base_of(trade.symbol)} closed: {trade.reason}, {_short(trade.net)}"


def _words(order: Order) -> str:
    at = f" at {order.trigger:f}" if order.trigger is not None else ""
    return f"{base_of(order.symbol)} {order.leg} {order.side} {order.quantity:f}{at}"


def _at(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _short(value: Decimal) -> str:
    """Averages have endless digits; eight say enough."""
    return f"{value:.8g}"
