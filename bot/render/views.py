"""What the desk is at one moment, in words: status, positions, balance, lists. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Protocol

from bot.render.decisions import why_button
from bot.render.paging import csv_file, page_buttons
from bot.render.positions import UNKNOWN, position_title, refresh
from bot.render.risk import severity_word, sized_words
from bot.render.words import (
    amount,
    card,
    clock,
    confidence,
    counted,
    money,
    multiple,
    name_of,
)
from bot.surface import ASK, Button, Card
from trading.breaker import Level
from trading.decision import MICRO
from trading.model import Trade, TradingState
from trading.playbook import SizingMethod
from trading.state import PairLock
from trading.status import Armed, DeskStatus


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


def state_line(status: DeskStatus, zone: tzinfo = UTC) -> str:
    """What entries are doing, and who said so."""
    if status.trading is TradingState.HALTED:
        since = "" if status.halted_at is None else f" since {clock(status.halted_at, today=status.at, zone=zone)}"
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


def locked_line(status: DeskStatus, zone: tzinfo = UTC) -> str:
    """The pairs that are locked; "" where none is. /locks says who locked them and why."""
    return f"Locked: {'; '.join(_lock(lock, zone) for lock in status.locks)}" if status.locks else ""


def _lock(lock: PairLock, zone: tzinfo) -> str:
    sides = f" {lock.direction}" if lock.direction else ""
    return f"{name_of(lock.symbol)}{sides}" + (f" until {clock(lock.until, zone=zone)}" if lock.until else "")


def status_card(status: DeskStatus, sizing: SizingMethod, *, slots: int | None = None, zone: tzinfo = UTC) -> Card:
    """`sizing`: the playbook's own method, a bound beside what the closed trades allow. `slots`: how many positions the
    phase that is on allows."""
    day = UNKNOWN if status.day_pnl is None else money(status.day_pnl)
    equity = UNKNOWN if status.equity is None else amount(status.equity)
    unrealised = UNKNOWN if status.unrealised is None else money(status.unrealised)
    off = [c for c in status.capabilities if c.state is not Armed.ARMED]
    return card(
        f"{_state_word(status)}, equity {equity}, day {day}",
        state_line(status, zone),
        f"Realised {money(status.realised)}, unrealised {unrealised}",
        f"{len(status.positions)} open, exposure {amount(status.exposure)}, {len(status.pending)} on the way"
        f"{_slots(status, slots)}",
        *(position_title(p) for p in status.positions),
        f"On paper only: {', '.join(f'{name_of(p.symbol)} {p.direction}' for p in status.shadow)}"
        if status.shadow
        else "",
        locked_line(status, zone),
        _risk_line(status, sizing),
        f"Last decision: {status.last_decision}" if status.last_decision else "No decision since this start",
        f"Playbook {status.playbook}, phase {status.phase}"
        + (f", settings version {status.version}" if status.version else ""),
        f"Not armed: {', '.join(f'{c.name} ({c.state})' for c in off)}" if off else "",
        buttons=(refresh("status"), Button(label="Positions", data="do:/positions")),
    )


def _slots(status: DeskStatus, slots: int | None) -> str:
    """An entry on its way has its slot already, as the gate counts."""
    used = len(status.positions) + len(status.pending)
    return "" if slots is None else f": {used} of {slots} slots used"


def balance_card(status: DeskStatus, zone: tzinfo = UTC) -> Card:
    equity = UNKNOWN if status.equity is None else amount(status.equity)
    balance = status.balance
    wallet = "The venue's balance is not known"
    if balance is not None:
        as_of = clock(balance.as_of, today=status.at, zone=zone)
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


# --- lists --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a list that is read page by page. `more`: something comes after it."""

    line: str  # the command without its page
    number: int = 1
    more: bool = False
    zone: tzinfo = UTC

    @property
    def buttons(self) -> tuple[Button, ...]:
        return page_buttons(self.line, self.number, self.number + self.more)

    @property
    def words(self) -> str:
        return f"page {self.number}" if self.number > 1 or self.more else "newest first"


def trades_card(trades: Sequence[Trade], at: datetime, page: Page = Page(line="/trades")) -> Card:
    if not trades:
        return card("no closed trade yet" if page.number == 1 else f"trades: no page {page.number}")
    lines = (
        f"{name_of(t.symbol)} {t.direction} {money(t.net)} ({multiple(t.r)}), {t.reason}, "
        f"{clock(t.closed_at, today=at, zone=page.zone)}, {t.id}"
        for t in trades
    )
    first = Button(label="Newest", data=f"{ASK}/trade {trades[0].id}")
    return card(f"{counted(len(trades), 'trade')}, {page.words}", *lines, buttons=(*page.buttons, first))


def trades_file(trades: Sequence[Trade]) -> Card:
    head = [field.name for field in fields(Trade)]
    rows = ([*(getattr(t, name) for name in head), t.net] for t in trades)
    return card(f"{counted(len(trades), 'trade')}, as a file", file=csv_file("trades.csv", (*head, "net"), rows))


def decisions_card(lines: Sequence[DecisionLine], at: datetime, page: Page = Page(line="/decisions")) -> Card:
    if not lines:
        return card("no such decision yet" if page.number == 1 else f"decisions: no page {page.number}")
    words = (
        f"{name_of(d.symbol)} {d.outcome}{f' ({d.action})' if d.outcome == 'denied' else ''} "
        f"{confidence(d.confidence)}, {clock(d.at, today=at, zone=page.zone)}, {d.id}"
        for d in lines
    )
    buttons = (*page.buttons, why_button(lines[0].id))
    return card(f"{counted(len(lines), 'decision')}, {page.words}", *words, buttons=buttons)


def decisions_file(lines: Sequence[DecisionLine]) -> Card:
    head = ("id", "at", "symbol", "outcome", "action", "confidence")
    rows = ((d.id, d.at, d.symbol, d.outcome, d.action, Decimal(d.confidence) / MICRO) for d in lines)
    made = csv_file("decisions.csv", head, rows)
    return card(f"{counted(len(lines), 'decision')}, as a file", file=made)
