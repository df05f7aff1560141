"""Instruments, or one side of them, that people keep the desk out of. Pure.

A lock stops entries, and nothing else. What it keeps out is not followed in shadow: it is a person's view of the
market, not a result of the playbook's, so the playbook has nothing to learn from it.
"""

from collections.abc import Iterable
from datetime import datetime

from trading.errors import Misuse
from trading.messages import LockPair
from trading.model import Direction, Symbol, base_of
from trading.state import PairLock

Locks = tuple[PairLock, ...]


def in_force(locks: Iterable[PairLock], now: datetime) -> Locks:
    return tuple(lock for lock in locks if lock.stands(now))


def standing_on(locks: Iterable[PairLock], symbol: Symbol, now: datetime) -> Locks:
    return tuple(lock for lock in in_force(locks, now) if lock.symbol == symbol)


def against(locks: Iterable[PairLock], direction: Direction) -> PairLock | None:
    """The first that keeps this side out."""
    return next((lock for lock in locks if lock.keeps_out(direction)), None)


def locked(locks: Iterable[PairLock], command: LockPair, now: datetime) -> tuple[PairLock, Locks]:
    """The new lock, and all that stand with it: it takes the place of one on the same side. Raises Misuse."""
    if command.lasts is not None and command.lasts.total_seconds() <= 0:
        raise Misuse("A lock needs some time to last.")
    made = PairLock(
        symbol=command.symbol,
        direction=command.direction,
        until=None if command.lasts is None else now + command.lasts,
        by=command.by,
        at=now,
        reason=command.reason,
    )
    side = made.symbol, made.direction
    return made, (*(lock for lock in in_force(locks, now) if (lock.symbol, lock.direction) != side), made)


def unlocked(locks: Iterable[PairLock], symbol: Symbol, now: datetime) -> Locks:
    """Those of other instruments. Raises Misuse where nothing is locked."""
    standing = in_force(locks, now)
    rest = tuple(lock for lock in standing if lock.symbol != symbol)
    if len(rest) == len(standing):
        raise Misuse(f"{base_of(symbol)} is not locked.")
    return rest


def words(lock: PairLock) -> str:
    """locked for longs by Ann until 2026-01-05 14:00 UTC: too wild."""
    side = f" for {lock.direction.value}s" if lock.direction else ""
    until = f" until {lock.until:%Y-%m-%d %H:%M:%S} UTC" if lock.until else " until it is unlocked"
    why = f": {lock.reason}" if lock.reason else ""
    return f"locked{side} by {lock.by}{until}{why}"
