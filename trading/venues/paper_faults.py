"""The ways in which a venue lets its client down, for tests to inject."""

from datetime import timedelta
from typing import Protocol

from trading.model import Order


class Faults(Protocol):
    """Both hooks may wait (latency), or raise Transient (`before`) or UnknownOutcome (either).

    Raised from `before`, nothing has happened; raised from `after`, it has, and only the answer is lost.
    """

    visible_after: timedelta  # protection shows in open_orders() only this long after it was made
    lose_updates: bool  # the listener hears nothing

    async def before(self, call: str, order: Order | None) -> None: ...

    async def after(self, call: str, order: Order | None) -> None: ...


class NoFaults:
    visible_after = timedelta(0)
    lose_updates = False

    async def before(self, call: str, order: Order | None) -> None:
        """Nothing stands in the way."""

    async def after(self, call: str, order: Order | None) -> None:
        """The answer arrives."""


class Call:
    """The faults around one request. An answer can only be lost after a request that was carried out."""

    def __init__(self, faults: Faults, name: str, order: Order | None = None) -> None:
        self._faults, self._name, self._order = faults, name, order

    async def __aenter__(self) -> None:
        await self._faults.before(self._name, self._order)

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self._faults.after(self._name, self._order)
