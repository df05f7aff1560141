"""What happens to an open position, in words: guarded, its stop moved, a part or all of it closed, on paper too. Pure.

`EXITS` is this file's part of the alerts.
"""

from bot.render.decisions import why_button
from bot.render.positions import at_stop, closing_by, held_line
from bot.render.words import (
    RenderContext,
    Renderer,
    amount,
    arrow,
    card,
    clock,
    money,
    multiple,
    name_of,
    percent,
    price,
    quantity,
    quote_of,
    span,
)
from bot.surface import Button, Card
from trading import events as m
from trading.exit_plan import StopKind
from trading.model import Position, Quote, Trade


def _position_button(position: Position) -> Button:
    return Button(label="Position", data=f"do:/position {position.id}")


def _levels(position: Position) -> tuple[str, str]:
    stop, target = position.protection.stop, position.protection.target
    return (
        f"Stop {price(stop)} ({percent(position.move(stop))})",
        f"Target {price(target)} ({percent(position.move(target))})",
    )


def _protected(event: m.ProtectionConfirmed, _: RenderContext) -> Card:
    position = event.position
    return card(
        f"{arrow(position.direction)} {held_line(position)} protected",
        *_levels(position),
        f"Both read back from the venue; {at_stop(position)}",
        buttons=(_position_button(position), why_button(position.id)),
    )


def _unprotected(event: m.ProtectionFailed, _: RenderContext) -> Card:
    position = event.position
    return card(
        f"{name_of(position.symbol)} {position.direction} NOT PROTECTED, closing it",
        f"Stop {price(position.protection.stop)} and target {price(position.protection.target)} were not confirmed "
        "by the venue in time.",
        held_line(position),
    )


def _moved(position: Position, quote: Quote | None) -> tuple[str, str]:
    """The move for a title, and the mark with what it makes of the position."""
    if quote is None:
        return "", ""
    said = f"Mark {price(quote.mark)}, unrealised {money(position.unrealised(quote.mark))}"
    return f" {percent(position.move(quote.mark))}", said


def _exiting(event: m.ExitTriggered, _: RenderContext) -> Card:
    position = event.position
    move, mark = _moved(position, event.quote)
    title = f"{name_of(position.symbol)} {position.direction}{move}: {closing_by(event.reason)}, closing"
    return card(title, event.note, mark, held_line(position))


def _partial(event: m.PartialTriggered, _: RenderContext) -> Card:
    position = event.position
    move, mark = _moved(position, event.quote)
    return card(
        f"{name_of(position.symbol)} {position.direction}{move}: closing a part, {quantity(event.quantity)}",
        event.note,
        mark,
        f"{held_line(position)} before it",
        buttons=(_position_button(position), why_button(position.id)),
    )


_MOVED_TO = {
    StopKind.LOSS: "Stop loss",
    StopKind.BREAK_EVEN: "Break-even: at this level the trade costs nothing, fees included",
    StopKind.TRAILING: "Trailing behind the best mark",
}


def _stop_moved(event: m.StopMoved, _: RenderContext) -> Card:
    position = event.position
    stop = price(position.protection.stop)
    return card(
        f"{name_of(position.symbol)} {position.direction} stop {price(event.before)} -> {stop}",
        f"{_MOVED_TO[event.kind]}. The venue holds it.",
        event.note,
        f"{held_line(position)}, {at_stop(position)}",
        buttons=(_position_button(position), why_button(position.id)),
    )


def _stop_not_moved(event: m.StopNotMoved, _: RenderContext) -> Card:
    position = event.position
    return card(
        f"{name_of(position.symbol)} {position.direction} stop not moved, it stands at "
        f"{price(position.protection.stop)}",
        f"The venue refused {price(event.wanted)}: {event.reason}",
        "The desk's own rules watch on.",
        held_line(position),
        buttons=(_position_button(position),),
    )


def _result(trade: Trade) -> str:
    return "no gain" if trade.net == 0 else "won" if trade.net > 0 else "lost"


def _trade_lines(trade: Trade, event: m.Event, about: RenderContext) -> tuple[str, ...]:
    return (
        trade.note,
        f"{quantity(trade.quantity)} from {price(trade.entry)} to {price(trade.exit)}, {trade.leverage}x",
        f"Gross {money(trade.gross)}, fees {money(-trade.fees)}, funding {money(trade.funding)} "
        f"{quote_of(trade.symbol)}",
        f"Held {span(trade.closed_at - trade.opened_at)}, "
        f"from {clock(trade.opened_at, today=event.at, zone=about.zone)}",
    )


def _trade_title(trade: Trade) -> str:
    net = f"{_result(trade)} {money(trade.net)} ({multiple(trade.r)})"
    return f"{name_of(trade.symbol)} {trade.direction} {net}, {trade.reason}"


def _closed(event: m.TradeClosed, about: RenderContext) -> Card:
    trade = event.trade
    return card(
        _trade_title(trade),
        *_trade_lines(trade, event, about),
        f"Equity {amount(event.equity)}, open positions at cost",
        buttons=(why_button(trade.id),),
    )


# --- on paper, while the closed trades allow no real size -----------------------------------------------------------


def _shadow_opened(event: m.ShadowOpened, _: RenderContext) -> Card:
    position = event.position
    return card(
        f"shadow {arrow(position.direction)} {held_line(position)}",
        "Followed on paper: no order was sent. The closed trades allow no real size now.",
        *_levels(position),
        buttons=(why_button(position.id),),
    )


def _shadow_closed(event: m.ShadowClosed, about: RenderContext) -> Card:
    trade = event.trade
    return card(
        f"shadow {_trade_title(trade)}",
        "On paper: nothing was earned or lost. It counts towards the way back to real size.",
        *_trade_lines(trade, event, about),
        buttons=(why_button(trade.id),),
    )


EXITS: dict[type[m.Event], Renderer] = {
    m.ProtectionConfirmed: _protected,
    m.ProtectionFailed: _unprotected,
    m.ExitTriggered: _exiting,
    m.PartialTriggered: _partial,
    m.StopMoved: _stop_moved,
    m.StopNotMoved: _stop_not_moved,
    m.TradeClosed: _closed,
    m.ShadowOpened: _shadow_opened,
    m.ShadowClosed: _shadow_closed,
}
