"""What Binance USD-M says about an account: money, positions, orders, fills, funding, terms, and the key itself."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from trading.errors import Misuse, OrderRejected
from trading.market.series import MS, to_ms
from trading.model import Symbol
from trading.venues.exchange import binance_rows as read
from trading.venues.exchange.binance_key import examine
from trading.venues.exchange.binance_market import MarketSide
from trading.venues.exchange.parsing import Garbled, Row, rows
from trading.venues.exchange.profile import Caller
from trading.venues.exchange.wire import (
    Code,
    Execution,
    Finding,
    Held,
    Lane,
    Margin,
    Payment,
    Purse,
    Seen,
    Terms,
)

T = TypeVar("T", Execution, Payment)

QUOTE = "USDT"
MARGINS = {"ISOLATED": Margin.ISOLATED, "CROSSED": Margin.CROSS}
PAGE = 1000
SPAN = timedelta(days=7)  # between the start and the end of one look at fills
FILLS_KEPT = timedelta(days=180)  # how far back the exchange looks, and no look begins before
INCOME_KEPT = timedelta(days=90)


class AccountSide(MarketSide):
    """Reads with a key."""

    @property
    def _account(self) -> Caller:
        if self._trade is None:
            raise Misuse("Binance: this needs a key, and none is set")
        return self._trade

    async def purse(self) -> Purse:
        answer = rows(await self._account.read("fapiPrivateV3GetBalance", {}, cost=5), "binance balance")
        for row in answer:
            if row.text("asset") == QUOTE:
                return Purse(wallet=row.number("balance"), available=row.number("availableBalance"))
        raise Garbled(f"binance balance: nothing about {QUOTE} among {len(answer)} assets")

    async def positions(self) -> tuple[Held, ...]:
        answer = await self._account.read("fapiPrivateV3GetPositionRisk", {}, cost=5)
        found = [read.held(row) for row in rows(answer, "binance positionRisk")]
        return tuple(each for each in found if each is not None)

    async def position(self, symbol: Symbol, *, lane: Lane) -> Held | None:
        """What is open of one instrument, one-way mode."""
        params = {"symbol": read.native_of(symbol)}
        answer = await self._account.read("fapiPrivateV3GetPositionRisk", params, cost=5, lane=lane)
        found = [read.held(row) for row in rows(answer, "binance positionRisk")]
        return next((each for each in found if each is not None), None)

    async def working(self, symbol: Symbol | None = None) -> tuple[Seen, ...]:
        """Conditional ones first: one that fires between the two reads is seen twice, and never not at all."""
        params = {} if symbol is None else {"symbol": read.native_of(symbol)}
        cost = 40 if symbol is None else 1
        algos = await self._account.read("fapiPrivateGetOpenAlgoOrders", params, cost=cost)
        plains = await self._account.read("fapiPrivateGetOpenOrders", params, cost=cost)
        return (
            *(read.algo(row) for row in rows(algos, "binance openAlgoOrders")),
            *(read.plain(row) for row in rows(plains, "binance openOrders")),
        )

    async def find(self, symbol: Symbol, client_id: str, *, conditional: bool) -> Seen | None:
        if not conditional:
            return await self._plain(symbol, {"origClientOrderId": client_id})
        answer = await self._known("fapiPrivateGetAlgoOrder", {"clientAlgoId": client_id})
        if answer is None:
            return None
        seen = read.algo(Row(answer, "binance algo order"))
        _same(seen.client_id, client_id, "clientAlgoId")
        return await self._followed(seen, Row(answer, "binance algo order").text("algoStatus"))

    async def find_by_id(self, symbol: Symbol, id: str) -> Seen | None:
        return await self._plain(symbol, {"orderId": id})

    async def _plain(self, symbol: Symbol, by: Mapping[str, str]) -> Seen | None:
        answer = await self._known("fapiPrivateGetOrder", {"symbol": read.native_of(symbol), **by})
        if answer is None:
            return None
        seen = read.plain(Row(answer, "binance order"))
        for key, asked in by.items():
            _same(seen.id if key == "orderId" else seen.client_id, asked, key)
        return seen

    async def _known(self, method: str, params: Mapping[str, Any]) -> Any:
        """The answer; None where the exchange says that there is no such order."""
        try:
            return await self._account.read(method, params)
        except OrderRejected as no:
            if no.code == Code.GONE:
                return None
            raise

    async def _followed(self, seen: Seen, status: str) -> Seen:
        """A conditional order that fired has its fills and its end in the plain order that it became."""
        became = await self.find_by_id(seen.symbol, seen.fired) if seen.fired else None
        if became is None and status == "FINISHED":
            raise Garbled(f"binance: {seen.client_id} has ended, and the order it became is not to be found")
        if became is None:
            return seen
        return replace(
            seen,
            quantity=became.quantity or seen.quantity,
            filled=became.filled,
            status=became.status,
            at=max(seen.at, became.at),
            note=became.note,
        )

    async def executions(self, since: datetime, symbol: Symbol | None) -> tuple[Execution, ...]:
        if symbol is None:
            raise ValueError("Binance shows fills of one instrument at a time")
        params = {"symbol": read.native_of(symbol)}

        async def page(ask: Mapping[str, Any]) -> list[Execution]:
            answer = await self._account.read("fapiPrivateGetUserTrades", {**params, **ask}, cost=5)
            return [read.execution(row) for row in rows(answer, "binance userTrades")]

        return await self._through(page, since, FILLS_KEPT, key=lambda each: each.trade)

    async def payments(self, since: datetime) -> tuple[Payment, ...]:
        async def page(ask: Mapping[str, Any]) -> list[Payment]:
            params = {"incomeType": "FUNDING_FEE", **ask}
            answer = await self._account.read("fapiPrivateGetIncome", params, cost=30)
            return [read.payment(row) for row in rows(answer, "binance income")]

        return await self._through(page, since, INCOME_KEPT, key=lambda each: each.id)

    async def _through(
        self,
        page: Callable[[Mapping[str, Any]], Awaitable[list[T]]],
        since: datetime,
        kept: timedelta,
        *,
        key: Callable[[T], str],
    ) -> tuple[T, ...]:
        """All pages of all windows from `since` until now. A full page is continued at the time of its last row, which
        comes again then and is known by its `key`."""
        now = await self.server_time()
        start = max(since, now - kept)
        found: dict[tuple[Symbol, str], T] = {}
        while True:
            end = start + SPAN
            got = await page({"startTime": to_ms(start), "endTime": to_ms(end), "limit": PAGE})
            new = {(each.symbol, key(each)): each for each in got}
            if len(got) >= PAGE and not new.keys() - found.keys():
                raise Garbled(f"binance: more than {PAGE} rows within one millisecond")
            found |= new
            start = max(each.at for each in got) if len(got) >= PAGE else end + MS
            if start > now:
                return tuple(sorted((each for each in found.values() if each.at >= since), key=lambda each: each.at))

    async def terms(self, symbol: Symbol) -> Terms:
        params = {"symbol": read.native_of(symbol)}
        answer = rows(await self._account.read("fapiPrivateGetSymbolConfig", params, cost=5), "binance symbolConfig")
        row = next((each for each in answer if each.text("symbol") == params["symbol"]), None)
        if row is None:
            raise Garbled(f"binance symbolConfig: nothing about {params['symbol']}")
        return Terms(
            leverage=int(row.number("leverage")),
            margin=read.one_of(MARGINS, row, "marginType"),
            one_way=not await self._hedged(),
        )

    async def _hedged(self) -> bool:
        # positionSide/dual tells the same for six times the weight.
        answer = await self._account.read("fapiPrivateGetAccountConfig", {}, cost=5)
        return Row(answer, "binance accountConfig").flag("dualSidePosition")

    async def examine_key(self) -> tuple[Finding, ...]:
        return await examine(self._account, practice=self._practice, hedged=self._hedged)


def _same(got: str, asked: str, what: str) -> None:
    if got != asked:
        raise Garbled(f"binance: asked for {what} {asked}, got {got[:40]!r}")
