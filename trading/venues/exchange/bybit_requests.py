"""How Bybit is asked: one envelope around every answer, pages with a cursor, and what is known of the instruments."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from trading.errors import Misuse, OrderRejected, UnknownOutcome
from trading.model import Symbol
from trading.venues.exchange.bybit_codes import refined
from trading.venues.exchange.bybit_reading import Names, answered
from trading.venues.exchange.parsing import Garbled, Row
from trading.venues.exchange.profile import Caller
from trading.venues.exchange.wire import Lane, Listing

LINEAR = {"category": "linear"}
COIN = "USDT"
PAGES = 500  # more than these are no answer to a question of ours


class Requests:
    """What the three sides of the profile have in common."""

    def __init__(self, data: Caller, trade: Caller | None, *, practice: str = "") -> None:
        self._data = data
        self._trade = trade
        self._practice = practice
        self._names = Names()
        self._listed: dict[Symbol, Listing] = {}

    @property
    def _account(self) -> Caller:
        if self._trade is None:
            raise Misuse("Bybit's account cannot be read without a key")
        return self._trade

    async def _market(self, method: str, params: Mapping[str, Any]) -> Row:
        return await self._ask(self._data, method, {**LINEAR, **params})

    async def _ask(self, caller: Caller, method: str, params: Mapping[str, Any]) -> Row:
        try:
            return answered(await caller.read(method, dict(params)), f"bybit {method}")
        except OrderRejected as no:
            raise refined(no) from None

    async def _pages(
        self, method: str, params: Mapping[str, Any], *, short_is_last: bool = True
    ) -> tuple[list[Row], datetime]:
        """All rows, as they come, and the exchange's time of the last answer.

        The last page has a cursor too. `short_is_last`: a page that is not full is taken for the last one; records of
        money are read until a page is empty.
        """
        rows: list[Row] = []
        cursor: dict[str, str] = {}
        for _ in range(PAGES):
            answer = await self._ask(self._account, method, {**LINEAR, **params, **cursor})
            result = answer.row("result")
            page = result.rows("list")
            rows += page
            next_page = result.maybe("nextPageCursor")
            if not page or not next_page or (short_is_last and len(page) < params.get("limit", 1)):
                return rows, answer.at("time")
            cursor = {"cursor": next_page}
        raise Garbled(f"bybit {method}: no end of pages")

    async def _send(self, method: str, params: Mapping[str, Any], *, lane: Lane, orders: int = 0) -> Row:
        try:
            return answered(
                await self._account.write(method, dict(params), lane=lane, orders=orders), f"bybit {method}"
            )
        except OrderRejected as no:
            raise refined(no) from None
        except Garbled as garbled:
            raise UnknownOutcome(str(garbled)) from None
