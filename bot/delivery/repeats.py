"""The same fault again and again is told less and less often: at once, then after 1, 5, 15 and 60 minutes. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from trading import events as m
from trading.model import OrderStatus

PAUSES = tuple(timedelta(minutes=n) for n in (1, 5, 15, 60))
FORGOTTEN = timedelta(minutes=60)  # without this fault, on top of its pause: the next one is a new one

# What makes two faults the same one; "" is never held back. ProtectionFailed is not here: each is another position.
ERROR_KEY: dict[type[m.Event], Callable[[Any], str]] = {
    m.VenueLost: lambda _: "venue",
    m.ChatTroubled: lambda event: "" if event.over else f"chat {event.chat}",
    m.OrderEnded: lambda event: f"rejected {event.order.symbol}" if _rejected(event) else "",
    m.OrderUncertain: lambda event: f"uncertain {event.order.symbol}",
    m.StopNotMoved: lambda event: f"stop {event.position.symbol}",
    m.AccessRefused: lambda event: f"stranger {event.who}",
    m.DataGap: lambda event: f"gap {event.symbol}",
    m.DeskFaulted: lambda event: f"fault {event.where}",
    m.BooksDisagreed: lambda event: f"books {event.symbol}",
}
# What says that a fault is over. It is told at once, but never before a fault that is held back.
CLEARS: dict[type[m.Event], Callable[[Any], str]] = {
    m.VenueBack: lambda _: "venue",
    m.ChatTroubled: lambda event: f"chat {event.chat}" if event.over else "",
    m.BooksAgreed: lambda event: f"books {event.symbol}",
}


def _rejected(event: m.OrderEnded) -> bool:
    return event.order.status is OrderStatus.REJECTED


def _key(table: Mapping[type[m.Event], Callable[[Any], str]], event: m.Event) -> str:
    key = table.get(type(event))
    return "" if key is None else key(event)


def error_key(event: m.Event) -> str:
    """ "" for what is told each time."""
    return _key(ERROR_KEY, event)


@dataclass(slots=True, kw_only=True)
class _Fault:
    told_at: datetime
    until: datetime  # not told again before
    step: int  # into PAUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Not now."""

    bundle: str
    until: datetime


@dataclass(slots=True)
class Backoff:
    """What one destination was told of faults lately. In memory: a restart tells a fault anew."""

    _faults: dict[str, _Fault] = field(default_factory=dict)
    _held: dict[str, datetime] = field(default_factory=dict)  # bundles with rows in them, and until when

    def holds(self, event: m.Event, at: datetime) -> Hold | None:
        """None: tell it now."""
        key = error_key(event)
        subject = key or _key(CLEARS, event)
        if held := self._held.get(subject):
            return Hold(bundle=subject, until=held)
        fault = self._faults.get(key)
        return None if fault is None or at >= fault.until else Hold(bundle=key, until=fault.until)

    def held(self, bundle: str, until: datetime) -> None:
        """There are rows in this bundle."""
        self._held[bundle] = until

    def told(self, key: str, at: datetime) -> None:
        """`key`: of an error that was told by itself, or the bundle of those that were held."""
        if not key:
            return
        self._held.pop(key, None)
        fault = self._faults.get(key)
        again = fault is not None and at < fault.until + FORGOTTEN
        step = min(fault.step + 1, len(PAUSES) - 1) if fault is not None and again else 0
        self._faults[key] = _Fault(told_at=at, until=at + PAUSES[step], step=step)
        self._faults = {k: f for k, f in self._faults.items() if at < f.until + FORGOTTEN}

    def told_at(self, bundle: str) -> datetime | None:
        """When this fault was last told; None: not by this process, or long ago."""
        fault = self._faults.get(bundle)
        return None if fault is None else fault.told_at
