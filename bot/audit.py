"""What a command has changed of the desk: its stance before and after, compared. Pure."""

from collections.abc import Mapping

from bot.render.words import name_of
from trading.status import DeskStatus

Stance = Mapping[str, str]
NONE = "-"


def stance(status: DeskStatus) -> Stance:
    """All of the desk that a person can change, in words."""
    said = {
        "trading": str(status.trading) + (f": {status.halt_reason}" if status.halt_reason else ""),
        "playbook": status.playbook,
        "phase": status.phase,
        "settings version": str(status.version),
        "breaker": status.breaker.level.name,
        "live trading": f"confirmed by {status.live_by}" if status.live_at else "not confirmed",
        "start equity": f"{status.start_equity:f}",
    }
    for lock in status.locks:
        sides = f" {lock.direction}" if lock.direction else ""
        until = f" until {lock.until:%Y-%m-%d %H:%M} UTC" if lock.until else ""
        said[f"lock {name_of(lock.symbol)}{sides}"] = f"on{until}"
    for view in status.positions:
        held = view.position
        said[f"position {held.id}"] = f"closing: {held.closing}" if held.closing else f"open {held.quantity:f}"
    for order in status.pending:
        said[f"entry {order.decision_id}"] = "on its way"
    return said


def differences(before: Stance, after: Stance) -> tuple[tuple[str, str, str], ...]:
    """(what, before, after) of what is not the same."""
    names = dict.fromkeys((*before, *after))
    rows = ((name, before.get(name, NONE), after.get(name, NONE)) for name in names)
    return tuple(row for row in rows if row[1] != row[2])
