"""What every part of the WEEX profile stands on: its two clients, the names of instruments, and reading of ranges."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from trading.errors import Misuse
from trading.market.series import from_ms
from trading.model import Symbol
from trading.venues.exchange.parsing import Garbled, Row, rows
from trading.venues.exchange.profile import Caller

QUOTE = "USDT"
DAY = 86_400_000  # milliseconds


class WeexBase:
    """`data` and `trade` are separate clients: what is read of the market never holds up an order."""

    def __init__(self, data: Caller, trade: Caller | None) -> None:
        self._data = data
        self._signed = trade
        self._natives: dict[Symbol, str] = {}
        self._symbols: dict[str, Symbol] = {}

    @property
    def _trade(self) -> Caller:
        if self._signed is None:
            raise Misuse("WEEX: the account was asked for, and there is no key")
        return self._signed

    def _learn(self, symbol: Symbol, native: str) -> None:
        self._natives[symbol] = native
        self._symbols[native] = symbol

    def _native(self, symbol: Symbol) -> str:
        """ "BTC/USDT:USDT" -> "BTCUSDT": V3 names are the two assets."""
        pair = symbol.partition(":")[0]
        return self._natives.get(symbol) or pair.replace("/", "")

    def _symbol(self, native: str, asset: str = QUOTE) -> Symbol:
        """Instruments that we do not trade as well: a position in one of them has to be seen."""
        known = self._symbols.get(native)
        if known is not None:
            return known
        if not native.endswith(asset) or native == asset:
            raise Garbled(f"weex: {native!r} is no instrument in {asset}")
        return Symbol(f"{native.removesuffix(asset)}/{asset}:{asset}")


def now_ms(caller: Caller) -> int:
    """The exchange's time as the client knows it, milliseconds."""
    return int(caller.exchange.nonce())


def now(caller: Caller) -> datetime:
    return from_ms(now_ms(caller))


async def read_rows(caller: Caller, method: str, params: Mapping[str, Any], *, cost: int, where: str) -> list[Row]:
    """Of one instrument some documents show a list of one, and some the object alone."""
    answer = await caller.read(method, params, cost=cost)
    return rows([answer] if isinstance(answer, dict) and "symbol" in answer else answer, where)


Span = Callable[[int, int], Awaitable[tuple[list[Row], bool]]]


async def whole(read: Span, start: int, end: int) -> list[Row]:
    """Every row of a range in time, where one answer holds only so many: `read` says whether it was cut short.

    A cut answer is asked for again in two halves: which end of it was cut off is not documented.
    """
    found, cut = await read(start, end)
    if not cut:
        return found
    if end <= start:
        raise Garbled(f"weex: more rows at {start} than one answer holds")
    middle = (start + end) // 2
    return [*await whole(read, start, middle), *await whole(read, middle + 1, end)]


def distinct(found: list[Row], key: str) -> list[Row]:
    """Pages shift while they are read: each row once."""
    return list({row.text(key): row for row in found}.values())
