"""What the desk is at one moment, in words: status, positions, balance, lists. Pure."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from bot.render.decisions import why_button
from bot.render.words import (
    amount,
    arrow,
    card,
    clock,
    confidence,
    money,
    multiple,
    name_of,
    percent,
    price,
    quantity,
    quote_of,
    share,
    span,
)
from bot.surface import Button, Card
from trading.model import Position, Quote, Trade, TradingState
from trading.playbook import Playbook, span_text
from trading.status import Armed, Capability, DeskStatus, PositionStatus

UNKNOWN = "not known"


class DecisionLine(Protocol):
    """One decision in a list, as storage keeps it for reading."""

    @property
    def id(self) -> str: ...
    @property
    def symbol(self) -> str: ...
    @property
    def at(self) -> datetime: ...
    @property
    def outcome(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def confidence(self) -> int: ...


def _refresh(what: str) -> Button:
    return Button(label="Refresh", data=f"do:/{what}")


def state_line(status: DeskStatus) -> str:
    """What entries are doing, and who said so."""
    if status.trading is TradingState.HALTED:
        since = "" if status.halted_at is None else f" since {clock(status.halted_at, today=status.at)}"
        because = f": {status.halt_reason}" if status.halt_reason else ""
        return f"Halted by {status.halted_by}{since}{because}. Exits and protection go on."
    return f"Entries frozen: {status.frozen}" if status.frozen else "Entries allowed"


def _state_word(status: DeskStatus) -> str:
    return "HALTED" if status.trading is TradingState.HALTED else "frozen" if status.frozen else "active"


def status_card(status: DeskStatus) -> Card:
    day = UNKNOWN if status.day_pnl is None else money(status.day_pnl)
    equity = UNKNOWN if status.equity is None else amount(status.equity)
    unrealised = UNKNOWN if status.unrealised is None else money(status.unrealised)
    off = [c for c in status.capabilities if c.state is not Armed.ARMED]
    return card(
        f"{_state_word(status)}, equity {equity}, day {day}",
        state_line(status),
        f"Realised {money(status.realised)}, unrealised {unrealised}",
        f"{len(status.positions)} open, exposure {amount(status.exposure)}, {len(status.pending)} on the way",
        *(_position_title(p) for p in status.positions),
        f"Last decision: {status.last_decision}" if status.last_decision else "No decision yet",
        f"Playbook {status.playbook}, phase {status.phase}",
        f"Not armed: {', '.join(f'{c.name} ({c.state})' for c in off)}" if off else "",
        buttons=(_refresh("status"), Button(label="Positions", data="do:/positions")),
    )


def _position_title(view: PositionStatus) -> str:
    position, quote = view.position, view.quote
    head = f"{arrow(position.direction)} {name_of(position.symbol)} {position.direction}"
    if quote is None:
        return f"{head} {quantity(position.quantity)}, no fresh quote"
    return f"{head} {percent(position.move(quote.mark))} {money(position.unrealised(quote.mark))}"


def _r_of(position: Position, quote: Quote) -> str:
    return f" ({multiple(position.unrealised(quote.mark) / position.risk)})" if position.risk else ""


def _distance(level: Decimal, quote: Quote) -> str:
    return f"{percent((level - quote.mark) / quote.mark)} from the mark"


def _guards(position: Position, quote: Quote | None) -> tuple[str, str]:
    stop, target = position.protection.stop, position.protection.target
    if quote is None:
        return f"Stop {price(stop)}", f"Target {price(target)}"
    return f"Stop {price(stop)}, {_distance(stop, quote)}", f"Target {price(target)}, {_distance(target, quote)}"


def _position_lines(view: PositionStatus, at: datetime) -> tuple[str, ...]:
    position, quote = view.position, view.quote
    entry = f"{quantity(position.quantity)} @ {price(position.entry, position.protection.stop)}, {position.leverage}x"
    mark = "No fresh quote" if quote is None else f"Mark {price(quote.mark)}"
    gain = "" if quote is None else f", {money(position.unrealised(quote.mark))}{_r_of(position, quote)}"
    return (
        entry,
        f"{mark}{gain}",
        *_guards(position, quote),
        f"Protection {position.guard}, open for {span(at - position.opened_at)}",
        f"Closing: {position.closing} {position.closing_note}" if position.closing else "",
    )


def positions_card(status: DeskStatus) -> Card:
    views = status.positions
    if not views:
        return card("no open position", state_line(status), buttons=(_refresh("positions"),))
    unrealised = UNKNOWN if status.unrealised is None else money(status.unrealised)
    lines = [
        line for v in views for line in (_position_title(v), *_position_lines(v, status.at), f"Id {v.position.id}")
    ]
    buttons = (Button(label=name_of(v.position.symbol), data=f"do:/position {v.position.id}") for v in views)
    return card(f"{len(views)} open, unrealised {unrealised}", *lines, buttons=(_refresh("positions"), *buttons))


def position_card(view: PositionStatus, at: datetime) -> Card:
    position = view.position
    return card(
        _position_title(view),
        *_position_lines(view, at),
        f"Margin {amount(position.margin)}, at risk {amount(position.risk)} {quote_of(position.symbol)}",
        f"Fees {money(-position.fees)}, funding {money(position.funding)}",
        f"Opened {clock(position.opened_at, today=at)} by {position.playbook}, phase {position.plan.phase}",
        *(f"Armed: {rule}" for rule in view.rules),
        f"Id {position.id}",
        buttons=(
            _refresh(f"position {position.id}"),
            why_button(position.id),
            Button(label="Close", data=f"do:/close {position.id}"),
        ),
    )


def close_lines(view: PositionStatus) -> tuple[str, ...]:
    """Size, mark and result as they are at this moment: what a closing would settle, before its fee and slippage."""
    position, quote = view.position, view.quote
    size = f"{name_of(position.symbol)} {position.direction} {quantity(position.quantity)}, at the market, reduce-only"
    if quote is None:
        return size, "No fresh quote: the result cannot be said now"
    result = f"unrealised {money(position.unrealised(quote.mark))}{_r_of(position, quote)}"
    return size, f"Mark {price(quote.mark)}, {percent(position.move(quote.mark))}, {result}"


def balance_card(status: DeskStatus) -> Card:
    equity = UNKNOWN if status.equity is None else amount(status.equity)
    balance = status.balance
    wallet = "The venue's balance is not known"
    if balance is not None:
        as_of = clock(balance.as_of, today=status.at)
        wallet = f"Wallet {amount(balance.wallet)}, available {amount(balance.available)}, as of {as_of}"
    unrealised = UNKNOWN if status.unrealised is None else money(status.unrealised)
    return card(
        f"equity {equity}",
        f"Started with {amount(status.start_equity)}",
        f"Realised {money(status.realised)}, unrealised {unrealised}",
        wallet,
        f"Exposure {amount(status.exposure)}",
        buttons=(_refresh("balance"),),
    )


def trades_card(trades: Sequence[Trade], at: datetime) -> Card:
    if not trades:
        return card("no closed trade yet")
    lines = (
        f"{name_of(t.symbol)} {t.direction} {money(t.net)} ({multiple(t.r)}), {t.reason}, "
        f"{clock(t.closed_at, today=at)}, {t.id}"
        for t in trades
    )
    return card(f"last {len(trades)} trades, newest first", *lines)


def decisions_card(lines: Sequence[DecisionLine], at: datetime) -> Card:
    if not lines:
        return card("no decision yet")
    words = (
        f"{name_of(d.symbol)} {d.outcome}{f' ({d.action})' if d.outcome == 'denied' else ''} "
        f"{confidence(d.confidence)}, {clock(d.at, today=at)}, {d.id}"
        for d in lines
    )
    return card(f"last {len(lines)} decisions, newest first", *words, buttons=(why_button(lines[0].id),))


def _capability(line: Capability, at: datetime) -> str:
    since = "" if line.since is None else f" since {clock(line.since, today=at)}"
    return f"{line.name}: {line.state}{since}" + (f", {line.why}" if line.why else "")


def health_card(status: DeskStatus, journal_size: int) -> Card:
    worst = [c for c in status.capabilities if c.state is Armed.DEGRADED]
    word = f"{len(worst)} degraded" if worst else "all well"
    return card(
        f"health: {word}",
        state_line(status),
        *(_capability(c, status.at) for c in status.capabilities),
        f"Journal: {journal_size} entries",
        f"Market time {clock(status.at)}",
        buttons=(_refresh("health"),),
    )


def phase_card(playbook: Playbook, current: str) -> Card:
    phases = (
        f"{p.name}: {p.note or 'no note'}" + (f", {clock(p.starts)} to {clock(p.ends)}" if p.starts and p.ends else "")
        for p in playbook.phases
    )
    return card(f"phase {current}", *phases, "Change it with /phase NAME, or /phase auto for the playbook's dates")


def playbook_card(book: Playbook, *, running: bool, others: Sequence[str]) -> Card:
    exits, limits, sizing = book.exits, book.limits, book.sizing
    seats = (f"{n.upper()} {s.weight.normalize():f}{'' if s.enabled else ' off'}" for n, s in book.panel.items())
    return card(
        f"playbook {book.name}{' (running)' if running else ''}",
        book.title,
        f"Universe: {' '.join(book.universe)}",
        f"Panel: {', '.join(seats)}",
        f"Trades from confidence {book.judge.min_confidence}, at least {book.judge.min_agreeing} agreeing",
        f"Leverage {sizing.leverage}x, margin {share(sizing.floor)} to {share(sizing.ceiling)} of equity",
        f"At most {limits.max_positions} positions, daily loss {share(limits.max_daily_loss)}",
        f"Target {share(exits.take_profit)}, stop {share(exits.stop_loss)}, held at most {span_text(exits.max_hold)}",
        f"Looks every {span_text(book.schedule.signals_every)}; settings {book.hash}",
        f"Others: {', '.join(others)}" if others else "",
    )
