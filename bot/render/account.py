"""An account in words, for the shell. Pure."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from bot.at_exchange import Standing, Working
from bot.closing import Closed
from bot.render.words import money, price, quantity
from trading.model import base_of


def position_line(held: Standing) -> str:
    parts = [
        f"{base_of(held.symbol)} {held.direction} {quantity(held.quantity)}",
        f"entry {price(held.entry, held.mark)}",
        f"mark {price(held.mark)}" if held.mark is not None else "mark not known",
        f"unrealised {money(held.unrealised)}" if held.unrealised is not None else "unrealised not known",
        f"liquidation {price(held.liquidation, held.mark)}" if held.liquidation is not None else "liquidation not told",
        _guard("stop", held.stop, held),
        _guard("target", held.target, held),
    ]
    return ", ".join(parts)


def _guard(name: str, level: Decimal | None, held: Standing) -> str:
    if level is not None:
        return f"{name} {price(level)}"
    return f"{name} MISSING" if held.guards_known else f"{name} not known"


def order_line(order: Working) -> str:
    size = "all" if not order.quantity else quantity(order.quantity)
    at = f" at {price(order.price)}" if order.price is not None else ""
    filled = f", {quantity(order.filled)} filled" if order.filled else ""
    only = ", reduce-only" if order.reduce_only else ""
    kind = order.kind.value.replace("_", " ")
    return f"{base_of(order.symbol)} {order.side} {kind} {size}{at}{filled}{only}, {order.id}"


def closed_lines(done: Closed) -> tuple[str, ...]:
    name = f"{base_of(done.symbol)} {done.direction}"
    average = f" at {price(done.value / done.priced)}" if done.priced else ""
    fee = f", fee {price(done.fee)}" if done.priced else ""
    sold = f"{name}: {quantity(done.filled)} of {quantity(done.asked)} closed{average}{fee}"
    lines = [sold, *(f"{name}: {fault}" for fault in done.faults)]
    if done.left is None:
        lines.append(f"{name}: look again with `gavel positions`; closing again opens nothing")
    elif done.left:
        lines.append(f"{name}: {quantity(done.left)} is still open, and its stop was left alone; run this again")
    if done.cancelled:
        lines.append(f"{name}: cancelled {', '.join(done.cancelled)}")
    return tuple(lines)


def is_done(done: Closed) -> bool:
    return done.left == 0 and not done.faults


# --- JSON: money as text, exact ---------------------------------------------------------------------------------------


def positions_json(found: Sequence[Standing]) -> dict[str, Any]:
    return {
        "positions": [
            {
                "symbol": p.symbol,
                "direction": p.direction.value,
                "quantity": _text(p.quantity),
                "entry": _text(p.entry),
                "mark": _text(p.mark),
                "unrealised": _text(p.unrealised),
                "liquidation": _text(p.liquidation),
                "stop": _text(p.stop),
                "target": _text(p.target),
                "guards_known": p.guards_known,
            }
            for p in found
        ]
    }


def orders_json(found: Sequence[Working]) -> dict[str, Any]:
    return {
        "orders": [
            {
                "symbol": o.symbol,
                "id": o.id,
                "kind": o.kind.value,
                "side": o.side,
                "quantity": _text(o.quantity),
                "filled": _text(o.filled),
                "price": _text(o.price),
                "reduce_only": o.reduce_only,
            }
            for o in found
        ]
    }


def closed_json(done: Sequence[Closed]) -> dict[str, Any]:
    return {
        "closed": [
            {
                "symbol": d.symbol,
                "direction": d.direction.value,
                "asked": _text(d.asked),
                "filled": _text(d.filled),
                "price": _text(d.value / d.priced) if d.priced else None,
                "fee": _text(d.fee),
                "left": _text(d.left),
                "cancelled": list(d.cancelled),
                "faults": list(d.faults),
            }
            for d in done
        ]
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"
