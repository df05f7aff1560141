"""What the desk is at one moment, in words: status, positions, balance, lists. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from bot.render.decisions import why_button
from bot.render.positions import UNKNOWN, position_title, refresh
from bot.render.risk import breaker_lines, health_lines, severity_word, sized_words, sizing_lines
from bot.render.words import (
    amount,
    card,
    clock,
    confidence,
    money,
    multiple,
    name_of,
)
from bot.surface import Button, Card
from trading.breaker import Level
from trading.health import Severity
from trading.model import Trade, TradingState
from trading.playbook import Playbook, SizingMethod
from trading.status import Armed, Capability, DeskStatus


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


def state_line(status: DeskStatus) -> str:
    """What entries are doing, and who said so."""
    if status.trading is TradingState.HALTED:
        since = "" if status.halted_at is None else f" since {clock(status.halted_at, today=status.at)}"
        because = f": {status.halt_reason}" if status.halt_reason else ""
        return f"Halted by {status.halted_by}{since}{because}. Exits and protection go on."
    return held_back(status) or _allowed(status)


def held_back(status: DeskStatus) -> str:
    """Why nothing real enters although nobody has halted the desk; empty where entries may come."""
    if status.frozen:
        return f"Entries frozen: {status.frozen}"
    if status.breaker.level >= Level.HALT:
        return f"No new entries: the breaker is at {status.breaker.level.name}. Exits and protection go on."
    if status.sized is not None and status.sized.fraction <= 0:
        return "Entries in shadow only: the closed trades allow no real size."
    return ""


def _allowed(status: DeskStatus) -> str:
    throttled = status.breaker.level is Level.THROTTLE
    return "Entries at high confidence and reduced size only" if throttled else "Entries allowed"


def _state_word(status: DeskStatus) -> str:
    if status.trading is TradingState.HALTED:
        return "HALTED"
    if status.frozen:
        return "frozen"
    level = status.breaker.level
    return "active" if level < Level.THROTTLE else f"breaker {level.name}"


def _risk_line(status: DeskStatus, sizing: SizingMethod) -> str:
    """The three that hold the desk back, in one line; what a playbook has no part for is left out."""
    overridden = ", overridden" if status.breaker.override else ""
    health = "" if status.health is None else f"; strategy health {severity_word(status.health)}"
    sized = "" if status.sized is None else f"; size: {sized_words(status.sized, sizing)}"
    return f"Breaker {status.breaker.level.name}{overridden}{health}{sized}"


def status_card(status: DeskStatus, sizing: SizingMethod) -> Card:
    """`sizing`: the playbook's own method, a bound beside what the closed trades allow."""
    day = UNKNOWN if status.day_pnl is None else money(status.day_pnl)
    equity = UNKNOWN if status.equity is None else amount(status.equity)
    unrealised = UNKNOWN if status.unrealised is None else money(status.unrealised)
    off = [c for c in status.capabilities if c.state is not Armed.ARMED]
    return card(
        f"{_state_word(status)}, equity {equity}, day {day}",
        state_line(status),
        f"Realised {money(status.realised)}, unrealised {unrealised}",
        f"{len(status.positions)} open, exposure {amount(status.exposure)}, {len(status.pending)} on the way",
        *(position_title(p) for p in status.positions),
        f"On paper only: {', '.join(f'{name_of(p.symbol)} {p.direction}' for p in status.shadow)}"
        if status.shadow
        else "",
        _risk_line(status, sizing),
        f"Last decision: {status.last_decision}" if status.last_decision else "No decision since this start",
        f"Playbook {status.playbook}, phase {status.phase}"
        + (f", settings version {status.version}" if status.version else ""),
        f"Not armed: {', '.join(f'{c.name} ({c.state})' for c in off)}" if off else "",
        buttons=(refresh("status"), Button(label="Positions", data="do:/positions")),
    )


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
        buttons=(refresh("balance"),),
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


def _health_word(status: DeskStatus) -> str:
    worst = [c for c in status.capabilities if c.state is Armed.DEGRADED]
    ill = status.health is not None and status.health.severity is not Severity.NONE
    said = (
        f"{len(worst)} degraded" if worst else "",
        f"breaker {status.breaker.level.name}" if status.breaker.level is not Level.CLOSED else "",
        f"strategy {severity_word(status.health)}" if status.health and ill else "",
    )
    return ", ".join(s for s in said if s) or "all well"


def health_card(status: DeskStatus, journal_size: int, playbook: Playbook) -> Card:
    """`playbook`: the one that runs."""
    monitored = playbook.health is not None
    unseen = "Strategy health: not looked at yet" if monitored else "The playbook has no strategy monitor"
    return card(
        f"health: {_health_word(status)}",
        state_line(status),
        *(_capability(c, status.at) for c in status.capabilities),
        *breaker_lines(status.breaker, status.at),
        *(health_lines(status.health) if status.health else (unseen,)),
        *sizing_lines(status.sized, playbook.sizing.method),
        f"Journal entries: {journal_size:,}",
        f"Market time {clock(status.at)}",
        buttons=(refresh("health"), Button(label="Breaker", data="do:/breaker")),
    )
