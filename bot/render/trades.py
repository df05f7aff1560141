"""One closed trade in words: how it went, its orders and fills, and why it was left. Pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo

from bot.pictures import Picture
from bot.render.decisions import why_button
from bot.render.words import (
    amount,
    bought,
    card,
    clock,
    money,
    multiple,
    name_of,
    percent,
    price,
    quantity,
    span,
)
from bot.surface import ASK, Button, Card
from trading.model import Fill, Leg, Order, Trade


def trade_card(
    trade: Trade,
    *,
    orders: Sequence[Order],
    fills: Sequence[Fill],
    at: datetime,
    zone: tzinfo = UTC,
    picture: Picture | None = None,
) -> Card:
    """`orders` and `fills`: all of the trade, as far as the journal has them."""
    legs = {order.client_id: order.leg for order in orders}
    opened, closed = (clock(t, today=at, zone=zone) for t in (trade.opened_at, trade.closed_at))
    move = (trade.exit - trade.entry) / trade.entry * trade.direction.sign
    return card(
        f"{name_of(trade.symbol)} {trade.direction} {money(trade.net)} ({multiple(trade.r)}), {trade.reason}",
        f"{quantity(trade.quantity)} @ {price(trade.entry)} to {price(trade.exit)}, {percent(move)}, {trade.leverage}x",
        f"Gross {money(trade.gross)}, fees {money(-trade.fees)}, funding {money(trade.funding)}",
        f"Exit: {trade.reason}" + (f"; {trade.note}" if trade.note else ""),
        f"Opened {opened}, closed {closed}, after {span(trade.closed_at - trade.opened_at)}",
        *(_filled(fill, legs.get(fill.client_id), at=at, zone=zone) for fill in fills),
        f"Playbook {trade.playbook}",
        f"Id {trade.id}",
        detail=_orders(orders),
        buttons=(why_button(trade.id), Button(label="Trades", data=f"{ASK}/trades")),
        picture=picture,
    )


def _filled(fill: Fill, leg: Leg | None, *, at: datetime, zone: tzinfo) -> str:
    what = "liquidation" if fill.liquidation else leg or "order not in the journal"
    return (
        f"{clock(fill.at, today=at, zone=zone)}: {bought(fill.side)} {quantity(fill.quantity)} @ {price(fill.price)} "
        f"({what}), fee {amount(fill.fee)}"
    )


def _orders(orders: Iterable[Order]) -> tuple[str, ...]:
    """Folded away: most of them only stood by. Times in UTC."""
    return tuple(_order(order) for order in orders)


def _order(order: Order) -> str:
    level = order.trigger if order.trigger is not None else order.price
    where = f" at {price(level)}" if level is not None else ""
    some = f" {quantity(order.filled)} of" if order.filled and order.filled != order.quantity else ""
    said = f": {order.note}" if order.note else ""
    return (
        f"{clock(order.created_at)} {order.leg}: {order.side} {order.kind}{where}, {order.status}{some} "
        f"{quantity(order.quantity)}, {order.client_id}{said}"
    )
