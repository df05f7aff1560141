"""What happened, in words: one renderer an event. Every card wears the mode and the market. Pure.

Those of positions, of risk and of settings stand with their views, in exits.py, risk.py and changes.py.
"""

from collections import defaultdict

from bot.render.changes import CHANGES
from bot.render.decisions import decision_card, why_button
from bot.render.digest import DIGESTS
from bot.render.exits import EXITS
from bot.render.mode import MONEY
from bot.render.orders import ORDERS
from bot.render.people import PEOPLE
from bot.render.positions import held_line
from bot.render.risk import RISK
from bot.render.voices import VOICES
from bot.render.wishes import WISHED
from bot.render.words import (
    RenderContext,
    Renderer,
    amount,
    arrow,
    bought,
    card,
    clock,
    confidence,
    dressed,
    money,
    name_of,
    price,
    quantity,
    quote_of,
    rate,
    span,
)
from bot.surface import Button, Card
from trading import events as m
from trading.model import Direction, Leg, Order, OrderKind, OrderStatus, Side
from trading.reconcile import ACCOUNT

_PURPOSE = {Leg.ENTRY: "entry", Leg.STOP: "stop", Leg.TARGET: "target", Leg.PARTIAL: "partial exit", Leg.CLOSE: "close"}


def _sent_at(order: Order) -> str:
    if order.kind is OrderKind.LIMIT and order.price is not None:
        return f"limit {price(order.price)}"
    return f"trigger {price(order.trigger)}" if order.trigger is not None else "at the market"


def _started(event: m.DeskStarted, _: RenderContext) -> Card:
    positions = f"{event.open_positions} open position{'' if event.open_positions == 1 else 's'}"
    return card(
        f"desk {'goes on' if event.resumed else 'started'}, {positions}, equity {amount(event.equity)}",
        f"Playbook {event.playbook}, {event.mode}, {event.market}",
        *(f"Off: {persona}" for persona in event.personas_off),
        buttons=(Button(label="Status", data="do:/status"),),
    )


def _stopped(event: m.DeskStopped, _: RenderContext) -> Card:
    left = event.left_open
    words = f"{len(left)} left open" if left else "nothing left open"
    guards = (
        f"Left open: {held_line(p)}, stop {price(p.protection.stop)}, target {price(p.protection.target)} ({p.guard})"
        for p in left
    )
    return card(f"desk stopped, {words}", event.reason, *guards)


def _decided(event: m.DecisionMade, _: RenderContext) -> Card:
    return decision_card(event.decision)


def _summed(event: m.WaitsSummed, about: RenderContext) -> Card:
    by_name: dict[str, list[str]] = defaultdict(list)
    for name, what, count in event.reasons:
        by_name[name_of(name)].append(f"{what} {count}")
    lines = [f"{name}: {', '.join(counts)}" for name, counts in by_name.items()]
    closest = ""
    buttons: tuple[Button, ...] = ()
    if event.closest is not None:
        decision, symbol, reached = event.closest
        closest = f"Closest to a trade: {name_of(symbol)} with {confidence(reached)} ({decision})"
        buttons = (why_button(decision),)
    since = clock(event.since, today=event.at, zone=about.zone)
    return card(
        f"no trade: {event.waits} waits, {event.denied} denied", f"Since {since}", *lines, closest, buttons=buttons
    )


def _sent(event: m.OrderSent, _: RenderContext) -> Card | None:
    order = event.order
    if order.leg in (Leg.STOP, Leg.TARGET):
        return None  # the card of the confirmed protection says it
    return card(
        f"{name_of(order.symbol)} {order.side} order sent: {quantity(order.quantity)} {_sent_at(order)}",
        f"{_PURPOSE[order.leg].capitalize()}, {order.leverage}x" + (", reduce-only" if order.reduce_only else ""),
        order.note,
        f"Order {order.client_id}",
    )


def _filled(event: m.OrderFilled, _: RenderContext) -> Card:
    order, fill = event.order, event.fill
    name, what = name_of(order.symbol), f"{quantity(fill.quantity)} @ {price(fill.price)}"
    if order.leg is Leg.ENTRY:
        direction = Direction.LONG if fill.side is Side.BUY else Direction.SHORT
        title = f"{arrow(direction)} {name} {direction} {what}"
    else:
        title = f"{name} {bought(fill.side)} {what}, {_PURPOSE[order.leg]}"
    return card(
        title,
        f"Filled {quantity(order.filled)} of {quantity(order.quantity)}",
        f"Fee {amount(fill.fee)} {quote_of(fill.symbol)}, {'maker' if fill.maker else 'taker'}",
        "Liquidation by the venue" if fill.liquidation else "",
        buttons=(why_button(order.decision_id),),
    )


def _ended(event: m.OrderEnded, _: RenderContext) -> Card | None:
    order = event.order
    failed = order.status in (OrderStatus.REJECTED, OrderStatus.ABANDONED)
    if not failed and order.leg in (Leg.STOP, Leg.TARGET):
        return None  # the other half of a protection that did its work
    return card(
        f"{name_of(order.symbol)} {order.side} order {order.status} ({_PURPOSE[order.leg]})",
        order.note,
        f"Filled {quantity(order.filled)} of {quantity(order.quantity)}",
        f"Order {order.client_id}",
    )


def _uncertain(event: m.OrderUncertain, _: RenderContext) -> Card:
    order = event.order
    return card(
        f"{name_of(order.symbol)} {order.side} order: no answer, looking it up",
        f"{quantity(order.quantity)} {_sent_at(order)}, {_PURPOSE[order.leg]}. It is not sent again.",
        f"Order {order.client_id}",
    )


def _funding(event: m.FundingPaid, _: RenderContext) -> Card:
    payment = event.payment
    word = "received" if payment.amount > 0 else "paid"
    return card(
        f"{name_of(payment.symbol)} funding {word} {money(payment.amount)} {quote_of(payment.symbol)}",
        f"Rate {rate(payment.rate)}, position {event.position_id}",
    )


def _halted(event: m.TradingHalted, _: RenderContext) -> Card:
    return card(
        f"HALTED by {event.by}" + (f": {event.reason}" if event.reason else ""),
        "No new entries. Exits and protection go on.",
        "/resume asks what changes and starts entries again.",
        buttons=(Button(label="Resume", data="do:/resume"), Button(label="Positions", data="do:/positions")),
    )


def _resumed(event: m.TradingResumed, _: RenderContext) -> Card:
    because = f": {event.halt_reason}" if event.halt_reason else ""
    return card(f"resumed by {event.by}", "New entries are allowed.", f"It was halted by {event.halted_by}{because}")


def _faulted(event: m.DeskFaulted, _: RenderContext) -> Card:
    rest = "No new entries until a restart. Exits and protection go on."
    return card(f"DESK FAULT, entries frozen: {event.where}", event.detail, rest)


def _disagreed(event: m.BooksDisagreed, _: RenderContext) -> Card:
    if event.symbol != ACCOUNT:
        return card(f"{name_of(event.symbol)} BOOKS DISAGREE, entries frozen", event.detail)
    return card(
        "account BOOKS DISAGREE, entries frozen",
        event.detail,
        "A deposit, a withdrawal, a fee in another coin? /wallet shows it, and lets an admin accept it.",
        buttons=(Button(label="Wallet", data="do:/wallet"),),
    )


def _agreed(event: m.BooksAgreed, _: RenderContext) -> Card:
    return card(f"{name_of(event.symbol)} books agree again", "Entries are no longer frozen for it.")


def _lost(event: m.VenueLost, _: RenderContext) -> Card:
    return card("VENUE LOST, entries frozen", event.detail, "Stops and targets stand at the venue.")


def _back(event: m.VenueBack, about: RenderContext) -> Card:
    lost = clock(event.lost_at, today=event.at, zone=about.zone)
    return card(f"venue back after {span(event.at - event.lost_at)}", f"Lost at {lost}.")


def _chat(event: m.ChatTroubled, _: RenderContext) -> Card:
    if event.over:
        return card(f"{event.chat} is well again", event.detail)
    return card(f"{event.chat.upper()} IN TROUBLE", event.detail, "The desk goes on; what is to be said waits.")


def _gap(event: m.DataGap, about: RenderContext) -> Card:
    after, until = (clock(at, zone=about.zone) for at in (event.after, event.until))
    return card(
        f"{name_of(event.symbol)} data gap: {event.bars} bar{'' if event.bars == 1 else 's'} missing",
        f"After {after}, until {until}. Nothing is bridged.",
    )


def _data_ended(event: m.DataEnded, _: RenderContext) -> Card:
    return card(f"{name_of(event.symbol)} has no more data", "It is not traded any more.")


def _knocked(event: m.AccessRefused, _: RenderContext) -> Card:
    return card("a stranger knocked and was refused", f"Who: {event.who}", f"Where: {event.place}", event.reason)


RENDERERS: dict[type[m.Event], Renderer] = {
    m.DeskStarted: _started,
    m.DeskStopped: _stopped,
    m.DecisionMade: _decided,
    m.WaitsSummed: _summed,
    m.OrderSent: _sent,
    m.OrderFilled: _filled,
    m.OrderEnded: _ended,
    m.OrderUncertain: _uncertain,
    m.FundingPaid: _funding,
    m.TradingHalted: _halted,
    m.TradingResumed: _resumed,
    m.DeskFaulted: _faulted,
    m.BooksDisagreed: _disagreed,
    m.BooksAgreed: _agreed,
    m.VenueLost: _lost,
    m.VenueBack: _back,
    m.ChatTroubled: _chat,
    m.DataGap: _gap,
    m.DataEnded: _data_ended,
    m.AccessRefused: _knocked,
    **EXITS,
    **RISK,
    **MONEY,
    **CHANGES,
    **DIGESTS,
    **ORDERS,
    **PEOPLE,
    **WISHED,
    **VOICES,
}
# Said by another card: the fill before and the protection after it; the request's own answer.
WORDLESS: frozenset[type[m.Event]] = frozenset({m.OrderIntended, m.PositionOpened, m.CommandRun})


def render_event(event: m.Event, about: RenderContext) -> Card | None:
    """The alert for an event; None where another card says it already. KeyError for an event nobody wrote words for."""
    if type(event) in WORDLESS:
        return None
    made = RENDERERS[type(event)](event, about)
    return None if made is None else dressed(made, about, event.at)
