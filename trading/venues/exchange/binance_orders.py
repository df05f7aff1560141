"""What Binance USD-M is told to do. Stops and targets never ride on an order there: they are orders of a service of
their own, placed after the fill."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

from trading.errors import GavelError, OrderRejected, UnknownOutcome
from trading.model import Direction, Leg, Order, OrderKind, Protection, Symbol
from trading.venues.exchange import binance_rows as read
from trading.venues.exchange.binance_account import AccountSide
from trading.venues.exchange.ids import following
from trading.venues.exchange.parsing import Garbled, Row, plain
from trading.venues.exchange.wire import Code, Lane, Seen

TYPES = {OrderKind.MARKET: "MARKET", OrderKind.LIMIT: "LIMIT"}


class OrderSide(AccountSide):
    """Writes. Placing costs no weight, and one of the account's orders."""

    async def set_leverage(self, symbol: Symbol, leverage: int) -> None:
        params = {"symbol": read.native_of(symbol), "leverage": leverage}
        answer = await self._account.write("fapiPrivatePostLeverage", params, lane=Lane.ENTRY)
        with told("leverage"):
            _equal(Row(answer, "binance leverage"), "leverage", str(leverage))

    async def set_isolated(self, symbol: Symbol, leverage: int) -> None:  # noqa: ARG002  it is kept apart from it
        params = {"symbol": read.native_of(symbol), "marginType": "ISOLATED"}
        await self._accepted("fapiPrivatePostMarginType", params)

    async def set_one_way(self, symbol: Symbol) -> None:  # noqa: ARG002  one mode for all
        """Of the whole account, whatever the instrument."""
        await self._accepted("fapiPrivatePostPositionSideDual", {"dualSidePosition": "false"})

    async def _accepted(self, method: str, params: Mapping[str, Any]) -> None:
        answer = await self._account.write(method, params, lane=Lane.ENTRY)
        with told(method):
            _equal(Row(answer, f"binance {method}"), "code", "200")

    async def place(self, order: Order, protection: Protection | None) -> Seen:
        if protection is not None:
            raise ValueError("Binance attaches nothing to an order: a stop sent with it is dropped without a word")
        if order.kind not in TYPES:
            raise ValueError(f"{order.client_id}: a {order.kind} is placed as a guard")
        answer = await self._account.write(
            "fapiPrivatePostOrder",
            _request(order),
            lane=Lane.EXIT if order.reduce_only else Lane.ENTRY,
            cost=0,
            orders=1,
        )
        with told("order"):
            return _acknowledged(Row(answer, "binance order"), order)

    async def guard(
        self,
        symbol: Symbol,
        direction: Direction,
        quantity: Decimal,  # noqa: ARG002  all of it, whatever it is then
        leg: Leg,
        trigger: Decimal,
        client_id: str,
    ) -> None:
        """For all of the position: the exchange takes it away with the position. Only one of a
        type may stand so on a side: a second one is Code.EXISTS."""
        await self._guard(symbol, direction, leg, trigger, client_id, {"closePosition": "true"})

    async def _guard(
        self,
        symbol: Symbol,
        direction: Direction,
        leg: Leg,
        trigger: Decimal,
        client_id: str,
        size: Mapping[str, str],
    ) -> None:
        params = {
            "algoType": "CONDITIONAL",
            "symbol": read.native_of(symbol),
            "side": direction.exit.upper(),
            "type": read.GUARDS[leg],
            "triggerPrice": plain(trigger),
            "workingType": "MARK_PRICE",
            "clientAlgoId": client_id,
            "newOrderRespType": "RESULT",
            **size,
        }
        answer = await self._account.write("fapiPrivatePostAlgoOrder", params, lane=Lane.EXIT, cost=0, orders=1)
        with told("algo order"):
            row = Row(answer, "binance algo order")
            row.text("algoId")
            _equal(row, "clientAlgoId", client_id)

    async def move(self, symbol: Symbol, direction: Direction, leg: Leg, standing: Seen, trigger: Decimal) -> None:
        """The new one first, then the old one away. Where the old one closes the position as a whole the new one goes
        by quantity, and the other way round, for only one of the first sort may stand. UnknownOutcome, with the old one
        left where it is, when it is not known that the new one stands; and when both may stand."""
        size = await self._other_size(symbol, standing)
        try:
            await self._guard(symbol, direction, leg, trigger, following(standing.client_id), size)
        except OrderRejected as no:
            if no.code in (Code.EXISTS, Code.DUPLICATE):
                raise UnknownOutcome(f"{standing.client_id}: another one stands beside it already: {no}") from no
            raise
        await self._away(standing)

    async def _other_size(self, symbol: Symbol, standing: Seen) -> dict[str, str]:
        if standing.quantity:
            return {"closePosition": "true"}
        held = await self.position(symbol, lane=Lane.EXIT)
        if held is None:
            raise OrderRejected(f"{symbol}: nothing is open that could be guarded", code=Code.GONE)
        return {"quantity": plain(held.quantity), "reduceOnly": "true"}

    async def _away(self, old: Seen) -> None:
        try:
            await self.cancel(old)
        except OrderRejected as no:
            if no.code != Code.GONE:
                raise UnknownOutcome(f"{old.client_id} is replaced and could not be cancelled: {no}") from no
        except UnknownOutcome:
            raise
        except GavelError as failed:
            raise UnknownOutcome(f"{old.client_id} is replaced and was not cancelled: {failed}") from failed

    async def cancel(self, order: Seen) -> None:
        if order.conditional:
            method, params = "fapiPrivateDeleteAlgoOrder", {"algoId": order.id}
        else:
            method, params = "fapiPrivateDeleteOrder", {"symbol": read.native_of(order.symbol), "orderId": order.id}
        answer = await self._account.write(method, params, lane=Lane.EXIT)
        with told("cancel"):
            _equal(Row(answer, "binance cancel"), "algoId" if order.conditional else "orderId", order.id)


def _request(order: Order) -> dict[str, Any]:
    params = {
        "symbol": read.native_of(order.symbol),
        "side": order.side.upper(),
        "type": TYPES[order.kind],
        "quantity": plain(order.quantity),
        "newClientOrderId": order.client_id,
        "newOrderRespType": "RESULT",
    }
    if order.price is not None:
        params |= {"price": plain(order.price), "timeInForce": "GTC"}
    if order.reduce_only:
        params["reduceOnly"] = "true"
    return params


def _acknowledged(row: Row, order: Order) -> Seen:
    """The exchange's row, filled up with what the request said: newer answers tell less than older ones did."""
    _equal(row, "clientOrderId", order.client_id)
    said = {
        "symbol": read.native_of(order.symbol),
        "side": order.side.upper(),
        "type": TYPES[order.kind],
        "origQty": str(order.quantity),
        "executedQty": "0",
        "status": "NEW",
        "reduceOnly": order.reduce_only,
        "updateTime": str(int(order.created_at.timestamp() * 1000)),
    }
    seen = read.plain(Row(said | {key: value for key, value in row.raw.items() if value is not None}, row.where))
    if seen.symbol != order.symbol or seen.side is not order.side or seen.quantity != order.quantity:
        raise Garbled(f"{row.where}: {order.client_id} came back as another order")
    return seen if seen.price is not None or order.price is None else replace(seen, price=order.price)


def _equal(row: Row, key: str, wanted: str) -> None:
    if row.text(key) != wanted:
        raise Garbled(f"{row.where}: {key} is {row.text(key)[:40]!r} and not {wanted!r}")


@contextmanager
def told(what: str) -> Iterator[None]:
    """Around the reading of an answer to a write: one that cannot be read leaves it open whether it was done."""
    try:
        yield
    except Garbled as bad:
        raise UnknownOutcome(f"binance {what}: the answer cannot be read: {bad}") from bad
