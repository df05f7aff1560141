"""What Bybit says about an account: money, positions, orders, fills, funding, terms, and the key itself."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from trading.market.series import MS, to_ms
from trading.model import Symbol
from trading.venues.exchange import bybit_account_reading as reading
from trading.venues.exchange.bybit_doctor import NOT_ON_DEMO, examined
from trading.venues.exchange.bybit_requests import COIN, LINEAR, Requests
from trading.venues.exchange.parsing import Garbled, Row
from trading.venues.exchange.wire import Execution, Finding, Held, Margin, Payment, Purse, Seen, Terms

RECORDS = 100  # a page of executions
SPAN = timedelta(days=7) - MS  # the longest time that executions can be asked for at once


class AccountSide(Requests):
    """Reads with a key."""

    async def purse(self) -> Purse:
        asked = {"accountType": "UNIFIED", "coin": COIN}
        answer = await self._ask(self._account, "privateGetV5AccountWalletBalance", asked)
        accounts = answer.row("result").rows("list")
        if len(accounts) != 1:
            raise Garbled(f"bybit wallet: {len(accounts)} accounts")
        return reading.purse_of(accounts[0], COIN)

    async def positions(self) -> tuple[Held, ...]:
        """Of everything settled in our coin: what is settled in another one cannot touch our money in isolated mode."""
        rows, _ = await self._pages("privateGetV5PositionList", {"settleCoin": COIN, "limit": 200})
        held = (reading.held_of(row, self._names) for row in rows)
        return tuple(each for each in held if each is not None)

    async def working(self, symbol: Symbol | None = None) -> tuple[Seen, ...]:
        where = {"settleCoin": COIN} if symbol is None else {"symbol": self._names.native(symbol)}
        found: dict[str, Seen] = {}
        for filter in ("StopOrder", "Order"):  # in this order: what fires in between is in the second
            asked = {**where, "openOnly": 0, "orderFilter": filter, "limit": 50}
            rows, _ = await self._pages("privateGetV5OrderRealtime", asked)
            found |= {seen.id: seen for seen in (reading.order_of(row, self._names) for row in rows)}
        return tuple(seen for seen in found.values() if seen.status.working)

    async def find(self, symbol: Symbol, client_id: str, *, conditional: bool) -> Seen | None:  # noqa: ARG002
        """Orders of both kinds answer to their id alike."""
        return await self._find(symbol, "orderLinkId", client_id)

    async def find_by_id(self, symbol: Symbol, id: str) -> Seen | None:
        return await self._find(symbol, "orderId", id)

    async def _find(self, symbol: Symbol, key: str, id: str) -> Seen | None:
        """One key alone: an order id that is sent beside it outranks ours, even an empty one. What has ended is in the
        history after a while."""
        for method in ("privateGetV5OrderRealtime", "privateGetV5OrderHistory"):
            asked = {**LINEAR, "symbol": self._names.native(symbol), key: id}
            answer = await self._ask(self._account, method, asked)
            for row in answer.row("result").rows("list"):
                if row.maybe(key) == id:
                    return reading.order_of(row, self._names)
        return None

    async def executions(self, since: datetime, symbol: Symbol | None) -> tuple[Execution, ...]:
        where = {} if symbol is None else {"symbol": self._names.native(symbol)}
        rows = [row for row in await self._records(since, where) if row.text("execType") in reading.FILLS]
        return tuple(reading.execution_of(row, self._names) for row in rows)

    async def payments(self, since: datetime) -> tuple[Payment, ...]:
        rows = [row for row in await self._records(since, {"execType": "Funding"}) if row.text("execType") == "Funding"]
        return tuple(reading.payment_of(row, self._names) for row in rows)

    async def _records(self, since: datetime, where: Mapping[str, Any]) -> list[Row]:
        """Oldest first, each once, in spans as long as the exchange answers for."""
        found: dict[str, Row] = {}
        while True:
            end = since + SPAN
            asked = {**where, "startTime": to_ms(since), "endTime": to_ms(end), "limit": RECORDS}
            rows, now = await self._pages("privateGetV5ExecutionList", asked, short_is_last=False)
            found |= {row.text("execId"): row for row in reversed(rows)}
            if end >= now:
                return sorted(found.values(), key=lambda row: row.at("execTime"))
            since = end + MS

    async def terms(self, symbol: Symbol) -> Terms:
        rows, _ = await self._pages("privateGetV5PositionList", {"symbol": self._names.native(symbol), "limit": 200})
        if not rows:
            raise Garbled(f"bybit position: nothing on {symbol}")
        account = await self._ask(self._account, "privateGetV5AccountInfo", {})
        isolated = account.row("result").text("marginMode") == "ISOLATED_MARGIN"
        return Terms(
            leverage=reading.leverage_of(rows),
            margin=Margin.ISOLATED if isolated else Margin.CROSS,
            one_way=all(row.number("positionIdx") == 0 for row in rows),
        )

    async def examine_key(self) -> tuple[Finding, ...]:
        if self._practice == "demo":
            return (NOT_ON_DEMO,)
        key = await self._ask(self._account, "privateGetV5UserQueryApi", {})
        account = await self._ask(self._account, "privateGetV5AccountInfo", {})
        return examined(key.row("result"), account.row("result"), key.at("time"))
