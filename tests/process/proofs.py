"""What must hold of a desk's records: at every moment, also right after a kill, and after an orderly stop.

Each proof gives the faults it found, in words; none is good.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal

from bot.render.alerts import render_event
from bot.render.words import RenderContext
from bot.routing import Routing
from storage.codec import to_json
from tests.process.records import CONSOLE, Records
from trading.events import (
    DeskStarted,
    OrderEnded,
    OrderFilled,
    OrderIntended,
    PositionOpened,
    ProtectionConfirmed,
    StopMoved,
    TradeClosed,
)
from trading.model import ZERO, Fill, Leg, Order, Side, Symbol

Proof = Callable[[Records], Iterator[str]]
ABOUT = RenderContext(mode="PAPER", market="any")


def faults(records: Records, *, stopped: bool) -> list[str]:
    """`stopped`: the last process ended in order, so that nothing may be half done."""
    proofs = (*ALWAYS, *STOPPED) if stopped else ALWAYS
    return [f"{proof.__name__}: {fault}" for proof in proofs for fault in proof(records)]


# --- at every moment ----------------------------------------------------------------------------------------------


def intents(records: Records) -> dict[str, Order]:
    return {e.order.client_id: e.order for e in records.of(OrderIntended)}


def moved_to(records: Records) -> dict[str, set[Decimal | None]]:
    """The levels that each stop was moved to, or is on its way to."""
    levels: dict[str, set[Decimal | None]] = defaultdict(set)
    for event in records.of(StopMoved):
        levels[event.position.protection.stop_id].add(event.position.protection.stop)
    for position in records.positions:
        if position.moving is not None:
            levels[position.protection.stop_id].add(position.moving.level)
    return levels


def every_order_at_the_venue_was_intended(records: Records) -> Iterator[str]:
    """With the same words: side, kind, reduce-only, for no more than was meant, and at a level that was meant."""
    meant, moved = intents(records), moved_to(records)
    for id, ticket in records.account.orders.items():
        order, intent = ticket.order, meant.get(id)
        if intent is None:
            yield f"{id} is at the venue and was never intended"
            continue
        terms = [(o.symbol, o.side, o.kind, o.reduce_only, o.decision_id) for o in (order, intent)]
        at = order.trigger == intent.trigger or order.trigger in moved[id]
        if terms[0] != terms[1] or not at or order.quantity > intent.quantity:
            yield f"{id} is not what was intended: {order} instead of {intent}"


def no_order_is_doubled(records: Records) -> Iterator[str]:
    """One intent, one order; one entry a decision; and never more filled than was asked for."""
    for id, count in Counter(e.order.client_id for e in records.of(OrderIntended)).items():
        if count > 1:
            yield f"{id} was intended {count} times"
    orders = [ticket.order for ticket in records.account.orders.values()]
    for decision, count in Counter(o.decision_id for o in orders if o.leg is Leg.ENTRY).items():
        if count > 1:
            yield f"decision {decision} entered {count} times"
    filled: dict[str, Decimal] = defaultdict(Decimal)
    for fill in records.account.fills:
        filled[fill.client_id] += fill.quantity
    for order in orders:
        if filled[order.client_id] != order.filled or order.filled > order.quantity:
            yield f"{order.client_id}: {filled[order.client_id]} filled of {order.quantity}"


def exposure(fills: list[Fill]) -> Iterator[tuple[Fill, Decimal, Decimal]]:
    """Each fill with what was held on its instrument before and after it; short is negative."""
    held: dict[Symbol, Decimal] = defaultdict(Decimal)
    for fill in fills:
        before = held[fill.symbol]
        held[fill.symbol] += fill.quantity if fill.side is Side.BUY else -fill.quantity
        yield fill, before, held[fill.symbol]


def an_exit_never_enlarges(records: Records) -> Iterator[str]:
    """What is no entry makes a position smaller and does not turn it; an entry never meets another's position."""
    for fill, before, after in exposure(records.account.fills):
        ticket = records.account.orders.get(fill.client_id)
        if ticket is None or ticket.order.leg is not Leg.ENTRY:
            if abs(after) >= abs(before) or after * before < 0:
                yield f"fill {fill.id} of {fill.client_id} takes {fill.symbol} from {before} to {after}"
        elif before * after < 0 or abs(after) < abs(before):
            yield f"entry {fill.client_id} met a position: {fill.symbol} from {before} to {after}"


def journalled_fills_are_the_venues(records: Records) -> Iterator[str]:
    """None invented, none changed, none twice."""
    theirs = {fill.id: fill for fill in records.account.fills}
    ours = [event.fill for event in records.of(OrderFilled)]
    for id, count in Counter(fill.id for fill in ours).items():
        if count > 1:
            yield f"fill {id} is in the journal {count} times"
    for fill in ours:
        if theirs.get(fill.id) != fill:
            yield f"fill {fill.id}: the journal says {fill}, the venue {theirs.get(fill.id)}"


def every_position_at_the_venue_is_guarded(records: Records) -> Iterator[str]:
    """Stop and target work there for all of it, from its first moment."""
    for symbol, position in records.account.positions.items():
        working = [t.order for t in records.account.orders.values() if t.order.status.working]
        for leg in (Leg.STOP, Leg.TARGET):
            guards = [o for o in working if o.leg is leg and o.symbol == symbol and o.side is position.direction.exit]
            if sum((o.quantity - o.filled for o in guards), ZERO) < position.quantity:
                yield f"{symbol} {position.quantity} has no {leg} for all of it"


def nothing_is_recorded_twice(records: Records) -> Iterator[str]:
    """But a start that was killed may begin at the same moment."""
    found = Counter((type(event), to_json(event)) for _, event in records.events)
    for (kind, body), count in found.items():
        if count > 1 and kind is not DeskStarted:
            yield f"{count} times in the journal: {kind.__name__} {body[:200]!r}"


def no_alert_is_told_twice(records: Records) -> Iterator[str]:
    for key, count in Counter(records.told).items():
        if count > 1:
            yield f"{key} was told {count} times"


def every_alert_is_queued(records: Records) -> Iterator[str]:
    """With its event, in the same transaction; and nothing is told that was not queued."""
    route = Routing((CONSOLE,))
    queued = {mail.key for mail in records.mail if mail.destination == CONSOLE}
    for seq, event in records.events:
        if route(event) and f"{seq}:{CONSOLE}" not in queued:
            yield f"row {seq}, {type(event).__name__}, was never queued"
    yield from (f"{key} was told and is not in the outbox" for key in records.told if key not in queued)


def what_counts_as_sent_was_told(records: Records) -> Iterator[str]:
    told, events = set(records.told), dict(records.events)
    for mail in records.mail:
        if mail.destination == CONSOLE and mail.state == "sent" and mail.key not in told:
            event = events.get(mail.seq)
            if event is None or render_event(event, ABOUT) is not None:
                yield f"{mail.key} counts as sent and was never told: {event}"


def alerts_of_a_lane_keep_their_order(records: Records) -> Iterator[str]:
    lanes = {mail.key: mail.lane for mail in records.mail}
    last: dict[int, int] = {}
    for key in records.told:
        lane, seq = lanes.get(key, -1), int(key.partition(":")[0])
        if seq < last.get(lane, 0):
            yield f"{key} was told after row {last[lane]} of the same lane"
        last[lane] = seq


# --- after an orderly stop ----------------------------------------------------------------------------------------


def every_fill_is_in_the_journal(records: Records) -> Iterator[str]:
    ours = {event.fill.id for event in records.of(OrderFilled)}
    yield from (f"fill {fill.id} was lost" for fill in records.account.fills if fill.id not in ours)


def desk_and_venue_hold_the_same(records: Records) -> Iterator[str]:
    ours = {p.symbol: (p.direction, p.quantity, p.cost) for p in records.positions}
    theirs = {s: (p.direction, p.quantity, p.cost) for s, p in records.account.positions.items()}
    if ours != theirs or len(ours) != len(records.positions):
        yield f"the desk holds {ours}, the venue {theirs}"


def money_is_conserved(records: Records) -> Iterator[str]:
    """Wallet = start + closed trades + what is booked on open positions, to the last digit."""
    nets = sum((event.trade.net for event in records.of(TradeClosed)), ZERO)
    if nets != records.realised:
        yield f"the trades add up to {nets}, the desk says {records.realised}"
    open_ = sum((position.booked for position in records.positions), ZERO)
    wallet = records.account.wallet
    if records.start is not None and wallet is not None and records.start + nets + open_ != wallet:
        yield f"{records.start} + {nets} + {open_} is not the wallet, {wallet}"


def nothing_is_left_over(records: Records) -> Iterator[str]:
    """What works at the venue guards a position of the desk's, and that one knows it as confirmed."""
    ids = {id for p in records.positions for id in (p.protection.stop_id, p.protection.target_id)}
    working = {t.order.client_id for t in records.account.orders.values() if t.order.status.working}
    if working != ids:
        yield f"working at the venue: {sorted(working)}; guarding positions: {sorted(ids)}"
    yield from (f"{p.id} is not confirmed: {p.guard}" for p in records.positions if p.guard.value != "confirmed")


def every_alert_was_sent(records: Records) -> Iterator[str]:
    """Together with `what_counts_as_sent_was_told`: none is lost."""
    left = [mail.key for mail in records.mail if mail.destination == CONSOLE and mail.state != "sent"]
    if left:
        yield f"{len(left)} not sent: {left[:5]}"


def every_trade_is_whole(records: Records) -> Iterator[str]:
    """An intent, fills on both sides, protection confirmed, one exit reason, closed once."""
    meant = {o.decision_id: o for o in intents(records).values() if o.leg is Leg.ENTRY}
    entered: dict[str, Decimal] = defaultdict(Decimal)
    left: dict[str, Decimal] = defaultdict(Decimal)
    for event in records.of(OrderFilled):
        (entered if event.order.leg is Leg.ENTRY else left)[event.order.decision_id] += event.fill.quantity
    confirmed = {event.position.id for event in records.of(ProtectionConfirmed)}
    trades = [event.trade for event in records.of(TradeClosed)]
    if len({trade.id for trade in trades}) != len(trades):
        yield "a trade was closed twice"
    for trade in trades:
        if trade.id not in meant:
            yield f"{trade.id} was never intended"
        if not entered[trade.id] == left[trade.id] == trade.quantity:
            yield f"{trade.id}: {entered[trade.id]} in, {left[trade.id]} out, {trade.quantity} in the trade"
        if trade.id not in confirmed:
            yield f"{trade.id} was never seen to be protected"
        if not trade.reason.value:
            yield f"{trade.id} has no exit reason"
    opened = {event.position.id for event in records.of(PositionOpened)}
    if opened != {trade.id for trade in trades} | {p.id for p in records.positions}:
        yield "a position was opened that is neither open nor closed"


def every_intent_has_come_to_an_end(records: Records) -> Iterator[str]:
    """Sent and done, ended with a reason, or guarding what is open: nothing hangs in between.

    The guards of an entry that came to nothing go with it, without an event of their own.
    """
    done = {e.order.client_id for e in records.of(OrderEnded)}
    done |= {e.order.client_id for e in records.of(OrderFilled) if e.order.filled == e.order.quantity}
    done |= {id for p in records.positions for id in (p.protection.stop_id, p.protection.target_id)}
    opened = {event.position.id for event in records.of(PositionOpened)}
    for id, order in intents(records).items():
        if id not in done and (order.leg not in (Leg.STOP, Leg.TARGET) or order.decision_id in opened):
            yield f"intent {id} hangs"


ALWAYS: tuple[Proof, ...] = (
    every_order_at_the_venue_was_intended,
    no_order_is_doubled,
    an_exit_never_enlarges,
    journalled_fills_are_the_venues,
    every_position_at_the_venue_is_guarded,
    nothing_is_recorded_twice,
    no_alert_is_told_twice,
    every_alert_is_queued,
    what_counts_as_sent_was_told,
    alerts_of_a_lane_keep_their_order,
)
STOPPED: tuple[Proof, ...] = (
    every_fill_is_in_the_journal,
    desk_and_venue_hold_the_same,
    money_is_conserved,
    nothing_is_left_over,
    every_alert_was_sent,
    every_trade_is_whole,
    every_intent_has_come_to_an_end,
)
