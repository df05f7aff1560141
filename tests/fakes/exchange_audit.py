"""What an emulated exchange and a desk's books say of the same life, compared to the last digit."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from storage.database import Database
from storage.queries import Queries
from storage.verify import Broken, verify
from tests.fakes.exchange_core import Core
from tests.fakes.exchange_core_account import opens
from tests.fakes.exchange_core_values import CoreFill, CoreOrder
from trading.desk import Desk
from trading.events import Event, OrderFilled, OrderIntended, TradeClosed
from trading.market.series import to_ms
from trading.model import Position, Symbol
from trading.venues.exchange.ids import ours

ZERO = Decimal(0)


@dataclass
class Audit:
    """`wrong`: one line for each difference; `counts`: what has happened, to see that something has."""

    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def and_then(self, later: "Audit") -> "Audit":
        return Audit([*self.wrong, *(f"when all was closed: {line}" for line in later.wrong)], later.counts)

    def table(self) -> str:
        return "\n".join(f"{count:6} {what}" for what, count in sorted(self.counts.items()))


@dataclass
class Trip:
    """A position's life as the exchange has it: from nothing to nothing."""

    quantity: Decimal = ZERO
    gross: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO

    @property
    def sums(self) -> tuple[Decimal, Decimal, Decimal]:
        return self.gross, self.fees, self.funding


async def differences(
    core: Core,
    desk: Desk,
    database: Database,
    *,
    natives: Mapping[Symbol, str],
    strangers: set[int],
    began: Decimal,
) -> Audit:
    """`strangers`: orders that somebody else has placed; `began`: what was in the wallet."""
    events = [recorded.event for recorded in await Queries(database).events(0, 10**9)]
    wrong = [
        *_positions(core, desk, natives),
        *_guards(core, desk, natives),
        *_wallet(core, desk, began),
        *_fills(core, events, natives),
        *_trades(core, desk, events, natives),
        *_orders(core, events, strangers),
    ]
    checked = await verify(database)
    if isinstance(checked, Broken):
        wrong.append(f"the journal's chain: row {checked.seq} {checked.what}")
    if desk.frozen:
        wrong.append(f"the desk is frozen: {desk.frozen}")
    return Audit(wrong, _counts(events))


def _positions(core: Core, desk: Desk, natives: Mapping[Symbol, str]) -> list[str]:
    theirs = {(p.native, p.direction): (p.quantity, p.cost) for p in core.positions.values()}
    ours_ = {(natives[p.symbol], p.direction.value.upper()): (p.quantity, p.cost) for p in desk.book.positions.values()}
    return [] if theirs == ours_ else [f"positions: the exchange has {theirs}, the desk {ours_}"]


def _guards(core: Core, desk: Desk, natives: Mapping[Symbol, str]) -> list[str]:
    wrong, known = [], set()
    for position in desk.book.positions.values():
        held = [o for o in core.working(natives[position.symbol]) if o.conditional and o.reduce_only]
        for kind, level in (
            ("STOP_MARKET", position.protection.stop),
            ("TAKE_PROFIT_MARKET", position.protection.target),
        ):
            there = [o for o in held if o.kind == kind]
            known |= {o.id for o in there}
            if len(there) != 1 or not _guards_all(there[0], position, level):
                shown = [(o.client_id, o.trigger, o.quantity, o.close_all) for o in there]
                wrong.append(f"{position.symbol}: {kind} at {level} for {position.quantity} wanted, there is {shown}")
    left = [(o.native, o.kind, o.client_id, o.trigger) for o in core.working() if o.id not in known]
    return [*wrong, *([f"orders that guard nothing: {left}"] if left else [])]


def _guards_all(order: CoreOrder, position: Position, level: Decimal) -> bool:
    long = position.direction.value.upper() == "LONG"
    whole = order.close_all or order.remaining >= position.quantity
    return order.trigger == level and (order.side == "SELL") == long and whole


def _wallet(core: Core, desk: Desk, began: Decimal) -> list[str]:
    incomes = began + sum((income.amount for income in core.incomes), ZERO)
    if core.wallet == desk.book.booked == incomes:
        return []
    return [
        f"wallet: the exchange has {core.wallet} (by its records {incomes}), the desk has booked {desk.book.booked}"
    ]


def _fills(core: Core, events: list[Event], natives: Mapping[Symbol, str]) -> list[str]:
    theirs = Counter((f.native, f.side, f.quantity, f.price, f.fee, f.at, f.liquidation) for f in core.fills)
    booked = [e.fill for e in events if isinstance(e, OrderFilled)]
    told = Counter(
        (natives[f.symbol], f.side.value.upper(), f.quantity, f.price, f.fee, to_ms(f.at), f.liquidation)
        for f in booked
    )
    missed, invented = theirs - told, told - theirs
    return [
        *([f"fills that the desk never booked: {list(missed)}"] if missed else []),
        *([f"fills that the exchange never made: {list(invented)}"] if invented else []),
    ]


def _trips(core: Core) -> tuple[dict[str, list[Trip]], dict[str, Trip]]:
    """Closed ones by instrument in their order, and those that are open. Told by the exchange's own records."""
    fills = {fill.id: fill for fill in core.fills}
    closed: dict[str, list[Trip]] = defaultdict(list)
    live: dict[str, Trip] = defaultdict(Trip)
    for income in core.incomes:
        trip = live[income.native]
        if income.kind == "REALISED":
            trip.gross += income.amount
        elif income.kind == "FUNDING":
            trip.funding += income.amount
        elif income.kind == "COMMISSION" and income.fill is not None:
            trip.fees -= income.amount
            trip.quantity += _change(fills[income.fill])
            if trip.quantity == 0:
                closed[income.native].append(live.pop(income.native))
    return closed, {native: trip for native, trip in live.items() if trip.quantity}


def _change(fill: CoreFill) -> Decimal:
    return fill.quantity if opens(fill.side) == fill.direction else -fill.quantity


def _trades(core: Core, desk: Desk, events: list[Event], natives: Mapping[Symbol, str]) -> list[str]:
    closed, live = _trips(core)
    trades: dict[str, list[tuple[Decimal, Decimal, Decimal]]] = defaultdict(list)
    for event in events:
        if isinstance(event, TradeClosed):
            trade = event.trade
            trades[natives[trade.symbol]].append((trade.gross, trade.fees, trade.funding))
    wrong = []
    for native in sorted(closed.keys() | trades.keys()):
        theirs = [trip.sums for trip in closed.get(native, [])]
        if theirs != trades[native]:
            wrong.append(f"trades on {native} (gross, fees, funding): {theirs} there, {trades[native]} here")
    for position in desk.book.positions.values():
        trip = live.get(natives[position.symbol], Trip())
        here = position.booked + position.fees - position.funding, position.fees, position.funding
        if trip.sums != here:
            wrong.append(f"what is open on {position.symbol}: {trip.sums} there, {here} here")
    return wrong


def _orders(core: Core, events: list[Event], strangers: set[int]) -> list[str]:
    """Every order of the exchange goes back to an intent that was in the journal before it, and none is there twice."""
    intents: dict[str, datetime] = {}
    for event in events:
        if isinstance(event, OrderIntended):
            intents.setdefault(event.order.client_id, event.at)
    wrong = []
    sent: Counter[str] = Counter()
    for order in core.orders.values():
        root = _root(core, order)
        if root.id in strangers or root.liquidation:
            continue
        intent = intents.get(ours(root.client_id) or "")
        if intent is None:
            wrong.append(f"no intent for {root.client_id or root.id} ({root.kind} on {root.native})")
        elif to_ms(intent) > root.created:
            wrong.append(f"{root.client_id} was sent {to_ms(intent) - root.created} ms before its intent")
        if order is root:
            sent[order.client_id] += 1
    return [*wrong, *(f"{id} is there {count} times" for id, count in sent.items() if count > 1)]


def _root(core: Core, order: CoreOrder) -> CoreOrder:
    """The order that was sent to the exchange: what rode on it, and what it fired, came of it."""
    by = core.orders
    while (from_ := order.origin if order.origin is not None else order.parent) is not None:
        order = by[from_]
    return order


def _counts(events: list[Event]) -> Counter[str]:
    counts: Counter[str] = Counter(f"event {type(event).__name__}" for event in events)
    for event in events:
        if isinstance(event, TradeClosed):
            counts[f"left by: {event.trade.reason.value}"] += 1
        elif isinstance(event, OrderFilled):
            counts[f"fills of {event.order.leg.value}"] += 1
    return counts
