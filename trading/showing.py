"""The desk as it shows itself: its books at the market's prices, and what of it is armed. Pure but for looking."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from trading import exits
from trading.book import Book
from trading.breaker import describe
from trading.errors import NoEvidence
from trading.lessons import evidence_of
from trading.locks import in_force
from trading.market.snapshot import Snapshots
from trading.model import ZERO, Guard, Position, Symbol, base_of
from trading.reconcile import Reconciler
from trading.risk.expectancy import Sized, risk_fraction
from trading.running import Running
from trading.status import Armed, Capability, DeskStatus, PositionStatus


def status_of(
    book: Book,
    *,
    market: Snapshots,
    mode: str,
    phase: str,
    frozen: str,
    last_decision: str,
    reconciler: Reconciler,
    capabilities: tuple[Capability, ...],
) -> DeskStatus:
    """One moment of the desk. Where a mark is missing, what depends on it is None, never a guess."""
    state = book.state
    try:
        unrealised = book.unrealised(market.quote)
    except NoEvidence:
        unrealised = None
    equity = None if unrealised is None else book.booked + unrealised
    return DeskStatus(
        at=book.clock.now(),
        mode=mode,
        market=market.source,
        playbook=book.playbook.name,
        phase=phase,
        trading=state.trading,
        halted_by=state.halted_by,
        halt_reason=state.halt_reason,
        halted_at=state.halted_at,
        frozen=frozen,
        equity=equity,
        start_equity=state.start_equity,
        realised=state.realised,
        unrealised=unrealised,
        day_pnl=None if equity is None else equity - (state.day_equity or equity),
        exposure=sum((p.cost for p in book.positions.values()), ZERO),
        positions=tuple(_position(p, market) for p in book.positions.values()),
        pending=book.entries(),
        last_decision=last_decision,
        capabilities=capabilities,
        balance=reconciler.balance,
        breaker=describe(state.breaker, book.clock.now()),
        health=state.health if book.playbook.health else None,
        sized=_sized(book),
        shadow=state.shadow,
        version=state.version,
        locks=in_force(state.locks, book.clock.now()),
        live_by=state.live_by,
        live_at=state.live_at,
        wallets=reconciler.wallets,
        unacceptable=reconciler.unacceptable,
    )


def _sized(book: Book) -> Sized | None:
    policy = book.playbook.expectancy
    return risk_fraction(evidence_of(book.state, book.playbook.name), policy) if policy else None


def _position(position: Position, market: Snapshots) -> PositionStatus:
    try:
        quote = market.quote(position.symbol)
    except NoEvidence:
        quote = None
    return PositionStatus(position=position, quote=quote, rules=exits.armed(position))


def self_check(
    running: Running, reconciler: Reconciler, *, faults: Mapping[str, str], ended: Iterable[Symbol]
) -> tuple[Capability, ...]:
    """What is armed, what is not, and why. `faults`: inner errors by place. `ended`: what has no more data."""
    book = reconciler.book
    refuses = book.unwritten or (book.writable is not None and not book.writable.ok)
    return (
        _capability("journal", "not writable; entries frozen" if refuses else ""),
        _capability(f"venue {reconciler.venue.name}", reconciler.frozen, reconciler.lost_at),
        _capability("protection", _not_guarded(book)),
        _capability("desk", "; ".join(f"{where}: {what}" for where, what in faults.items())),
        *(Capability(name=f"persona {name}", state=Armed.ARMED) for name in running.panel.personas),
        *(Capability(name=f"persona {name}", state=Armed.OFF, why=why) for name, why in running.panel.off.items()),
        _capability("market data", _ended_words(ended)),
    )


def _capability(name: str, fault: str, since: datetime | None = None) -> Capability:
    """Armed, or degraded by a fault."""
    return Capability(name=name, state=Armed.DEGRADED if fault else Armed.ARMED, why=fault, since=since)


def _not_guarded(book: Book) -> str:
    unseen = [p.id for p in book.positions.values() if p.guard is not Guard.CONFIRMED]
    return f"not confirmed yet: {', '.join(unseen)}" if unseen else ""


def _ended_words(ended: Iterable[Symbol]) -> str:
    names = ", ".join(sorted(base_of(symbol) for symbol in ended))
    return f"no more data: {names}" if names else ""
