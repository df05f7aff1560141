"""What the account's stream stirs up: reads over REST, one at a time an instrument, however many messages come."""

import asyncio
import logging
from typing import Any

from trading.errors import GavelError
from trading.model import ClientId, Symbol
from trading.venues.exchange.ids import ours
from trading.venues.exchange.venue import ExchangeVenue
from trading.venues.exchange.wire import Stir

log = logging.getLogger(__name__)

AGAIN_AFTER = (0.2, 1.0)  # seconds: records come a moment after the message that announces them


class AccountStream:
    def __init__(self, venue: ExchangeVenue) -> None:
        self._venue = venue
        self._stirred: dict[Symbol, int] = {}  # how many messages came since its reader began
        self._ended: dict[Symbol, set[ClientId]] = {}
        self._reading: dict[Symbol, asyncio.Task[None]] = {}

    @property
    def busy(self) -> bool:
        """Whether anything that was stirred up is still to be read."""
        return bool(self._reading)

    def hear(self, message: Any) -> None:
        """The tap of the account's connection."""
        for stir in self._venue.profile.private_news(message):
            self.stir(stir)

    def stir(self, stir: Stir) -> None:
        for symbol in self._about(stir):
            self._stirred[symbol] = self._stirred.get(symbol, 0) + 1
            id = ours(stir.client_id)
            if stir.ended and id is not None:
                self._ended.setdefault(symbol, set()).add(id)
            if symbol not in self._reading:
                task = asyncio.create_task(self._read(symbol, funding=stir.what == "funding"))
                self._reading[symbol] = task
                task.add_done_callback(lambda _, s=symbol: self._reading.pop(s, None))  # type: ignore[misc]

    def everything(self) -> None:
        """After a gap: whatever happened in it was not heard."""
        self.stir(Stir(symbol=None, what="gap"))

    async def close(self) -> None:
        tasks = list(self._reading.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _about(self, stir: Stir) -> tuple[Symbol, ...]:
        known = self._venue.symbols
        if stir.symbol is None:
            return known
        return (stir.symbol,) if stir.symbol in known else ()

    async def _read(self, symbol: Symbol, *, funding: bool) -> None:
        """Read at once, and twice more in a moment; from the beginning again while more messages come."""
        while self._stirred.get(symbol):
            for pause in (0.0, *AGAIN_AFTER):
                await asyncio.sleep(pause)
                self._stirred[symbol] = 0
                await self._look(symbol, funding=funding)
                if self._stirred[symbol]:
                    break

    async def _look(self, symbol: Symbol, *, funding: bool) -> None:
        ended = self._ended.pop(symbol, set())
        try:
            await self._venue.look([symbol], [(symbol, id) for id in sorted(ended)])
            if funding:
                await self._venue.look_for_funding()
        except GavelError as error:
            self._ended.setdefault(symbol, set()).update(ended)
            log.info("%s could not be read after a message: %s", symbol, error)
