"""What is written to Bybit: orders, the levels of a position, and the terms of trading.

Stop and target are levels of the position ("Full" mode): the exchange makes conditional orders of them without an id of
ours, keeps them at the position's size and takes them away when it is closed. One request names the level and sets,
moves or clears it.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from trading.errors import OrderRejected, UnknownOutcome
from trading.model import Direction, Leg, Order, OrderKind, OrderStatus, Protection, Side, Symbol
from trading.venues.exchange.bybit_requests import LINEAR, Requests
from trading.venues.exchange.parsing import Garbled, plain
from trading.venues.exchange.wire import Code, Lane, Seen

SIDES = {Side.BUY: "Buy", Side.SELL: "Sell"}
LEVELS = {Leg.STOP: ("stopLoss", "sl"), Leg.TARGET: ("takeProfit", "tp")}  # the level, and what its settings begin with
LEGS = {OrderKind.STOP: Leg.STOP, OrderKind.TAKE_PROFIT: Leg.TARGET}


class OrderSide(Requests):
    """Every request of this class changes something."""

    async def place(self, order: Order, protection: Protection | None) -> Seen:
        if order.kind not in (OrderKind.MARKET, OrderKind.LIMIT):
            raise ValueError(f"{order.client_id}: a {order.kind} is a level of the position here")
        lane = Lane.EXIT if order.reduce_only else Lane.ENTRY
        answer = await self._send("privatePostV5OrderCreate", self._ordered(order, protection), lane=lane, orders=1)
        try:
            result = answer.row("result")
            if result.text("orderLinkId") != order.client_id:
                raise Garbled(f"bybit order: asked for {order.client_id}, {result.text('orderLinkId')[:40]} came")
            return _acknowledged(order, result.text("orderId"), answer.at("time"))
        except Garbled as garbled:
            raise UnknownOutcome(f"{order.client_id}: {garbled}") from None

    def _ordered(self, order: Order, protection: Protection | None) -> dict[str, Any]:
        asked: dict[str, Any] = {
            **LINEAR,
            "symbol": self._names.native(order.symbol),
            "side": SIDES[order.side],
            "orderType": "Market" if order.kind is OrderKind.MARKET else "Limit",
            "qty": plain(order.quantity),
            "orderLinkId": order.client_id,
            "positionIdx": 0,
            "timeInForce": "IOC" if order.kind is OrderKind.MARKET else "GTC",
        }
        if order.kind is OrderKind.LIMIT and order.price is not None:
            asked["price"] = plain(order.price)
        if order.reduce_only:
            asked["reduceOnly"] = True
        if protection is not None:
            asked |= {"tpslMode": "Full", **_level(Leg.STOP, protection.stop), **_level(Leg.TARGET, protection.target)}
        return asked

    async def guard(
        self,
        symbol: Symbol,
        direction: Direction,  # noqa: ARG002
        quantity: Decimal,  # noqa: ARG002
        leg: Leg,
        trigger: Decimal,
        client_id: str,  # noqa: ARG002
    ) -> None:
        """For all of the position, whose one side is known to the exchange. A level carries no id of ours."""
        await self._set_level(symbol, _level(leg, trigger))

    async def move(self, symbol: Symbol, direction: Direction, leg: Leg, standing: Seen, trigger: Decimal) -> None:  # noqa: ARG002
        try:
            await self._set_level(symbol, _level(leg, trigger))
        except OrderRejected as no:
            raise _gone_without_position(no) from None

    async def cancel(self, order: Seen) -> None:
        if order.conditional and not order.client_id and not order.quantity and order.closes is not None:
            await self._clear_level(order)
            return
        asked = {**LINEAR, "symbol": self._names.native(order.symbol)}
        asked |= {"orderId": order.id} if order.id else {"orderLinkId": order.client_id}
        if order.conditional:
            asked["orderFilter"] = "StopOrder"
        await self._send("privatePostV5OrderCancel", asked, lane=Lane.EXIT, orders=1)

    async def _clear_level(self, order: Seen) -> None:
        level, _ = LEVELS[LEGS[order.kind]]
        try:
            await self._trading_stop(order.symbol, {level: "0"})
        except OrderRejected as no:
            if no.code == Code.UNCHANGED:
                raise OrderRejected(f"no {level} is set: {no.reason}", code=Code.GONE) from None
            raise _gone_without_position(no) from None

    async def _set_level(self, symbol: Symbol, level: Mapping[str, str]) -> None:
        try:
            await self._trading_stop(symbol, level)
        except OrderRejected as no:
            if no.code != Code.UNCHANGED:  # it stands there already
                raise

    async def _trading_stop(self, symbol: Symbol, level: Mapping[str, str]) -> None:
        """The level that is named and no other: the other one stays as it is."""
        asked = {**LINEAR, "symbol": self._names.native(symbol), "tpslMode": "Full", "positionIdx": 0, **level}
        await self._send("privatePostV5PositionTradingStop", asked, lane=Lane.EXIT, orders=1)

    async def set_leverage(self, symbol: Symbol, leverage: int) -> None:
        both = {"buyLeverage": str(leverage), "sellLeverage": str(leverage)}
        asked = {**LINEAR, "symbol": self._names.native(symbol), **both}
        await self._send("privatePostV5PositionSetLeverage", asked, lane=Lane.ENTRY)

    async def set_isolated(self, symbol: Symbol, leverage: int) -> None:  # noqa: ARG002
        """Of the whole account: a unified account has one margin mode."""
        await self._send("privatePostV5AccountSetMarginMode", {"setMarginMode": "ISOLATED_MARGIN"}, lane=Lane.ENTRY)

    async def set_one_way(self, symbol: Symbol) -> None:
        asked = {**LINEAR, "symbol": self._names.native(symbol), "mode": 0}
        await self._send("privatePostV5PositionSwitchMode", asked, lane=Lane.ENTRY)


def _level(leg: Leg, trigger: Decimal) -> dict[str, str]:
    """On the mark; all of the position at market then."""
    level, short = LEVELS[leg]
    return {level: plain(trigger), f"{short}TriggerBy": "MarkPrice", f"{short}OrderType": "Market"}


def _gone_without_position(no: OrderRejected) -> OrderRejected:
    """Where nothing is open there is no level either."""
    return OrderRejected(no.reason, code=Code.GONE) if no.code == Code.REDUCE_ONLY else no


def _acknowledged(order: Order, id: str, at: datetime) -> Seen:
    """The answer says that the order has come in, and nothing more: the rest is what was asked for."""
    return Seen(
        symbol=order.symbol,
        id=id,
        client_id=order.client_id,
        kind=order.kind,
        side=order.side,
        quantity=order.quantity,
        filled=Decimal(0),
        status=OrderStatus.OPEN,
        at=at,
        reduce_only=order.reduce_only,
        price=order.price,
    )
