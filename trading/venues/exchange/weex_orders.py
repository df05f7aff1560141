"""WEEX V3, orders: what it takes, what it answers, how it shows an order. Plain and conditional ones are two services.

Every order names a position side: SELL with LONG closes, SELL with SHORT opens a short beside the long (venues.md
1.3-3).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from trading.errors import OrderRejected, UnknownOutcome
from trading.model import ZERO, Direction, Leg, Order, OrderKind, OrderStatus, Protection, Side, Symbol
from trading.venues.exchange.parsing import Garbled, Row, plain
from trading.venues.exchange.weex_codes import UNKNOWN, code_of
from trading.venues.exchange.weex_names import WeexBase, distinct, now, read_rows
from trading.venues.exchange.wire import Code, Lane, Seen

OURS = "gv-"  # what rides on an entry gets an id of the exchange's making, and is nobody's then
PAGE = 100
PAST_PAGE = 1000  # order/history
PAGES = 20
MARK = "MARK_PRICE"

# By its own words and never by ccxt's: ccxt calls a part-filled order closed (venues.md 1.3-4).
WORKING = frozenset({"NEW", "OPEN", "PENDING", "PARTIALLY_FILLED", "PARTIAL_FILL", "CANCELING", "UNTRIGGERED"})
ENDED = {
    "FILLED": OrderStatus.FILLED,
    "FULL_FILL": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELLED,
    "CANCELLED": OrderStatus.CANCELLED,
    "EXPIRED": OrderStatus.EXPIRED,
    "REJECTED": OrderStatus.REJECTED,
    "FAILED": OrderStatus.REJECTED,
}
FIRED = frozenset({"TRIGGERED", "TRIGGERING", "FINISHED", "FILLED"})


class WeexOrders(WeexBase):
    # --- writes ---

    async def place(self, order: Order, protection: Protection | None) -> Seen:
        asked = entry_request(self._native(order.symbol), order, protection)
        lane = Lane.EXIT if order.reduce_only else Lane.ENTRY
        answer = await self._write("contractPrivatePostCapiV3Order", asked, lane=lane, cost=5, orders=1)
        return Seen(
            symbol=order.symbol,
            id=placed(answer, "order"),
            client_id=order.client_id,
            kind=order.kind,
            side=order.side,
            quantity=order.quantity,
            filled=ZERO,
            status=OrderStatus.OPEN,
            at=now(self._trade),
            reduce_only=order.reduce_only,
            price=order.price,
            closes=order.direction.opposite if order.reduce_only else None,
        )

    async def guard(
        self, symbol: Symbol, direction: Direction, quantity: Decimal, leg: Leg, trigger: Decimal, client_id: str
    ) -> None:
        """For `quantity`: whether leaving it out means the whole position is told differently in different places."""
        working = "SlWorkingType" if leg is Leg.STOP else "TpWorkingType"
        asked = {
            "symbol": self._native(symbol),
            "side": direction.exit.name,
            "positionSide": direction.name,
            "type": "STOP_MARKET" if leg is Leg.STOP else "TAKE_PROFIT_MARKET",
            "quantity": plain(quantity),
            "triggerPrice": plain(trigger),
            "clientAlgoId": client_id,
            "reduceOnly": True,
            working: MARK,
        }
        answer = await self._write("contractPrivatePostCapiV3AlgoOrder", asked, lane=Lane.EXIT, cost=5, orders=1)
        placed(answer, "algoOrder")

    async def move(
        self,
        symbol: Symbol,  # noqa: ARG002  the order's id says all of it
        direction: Direction,  # noqa: ARG002
        leg: Leg,  # noqa: ARG002
        standing: Seen,
        trigger: Decimal,
    ) -> None:
        asked = {"orderId": _number(standing.id), "triggerPrice": plain(trigger), "triggerPriceType": MARK}
        answer = await self._write("contractPrivatePostCapiV3ModifyTpSlOrder", asked, lane=Lane.EXIT, cost=5, orders=1)
        done(answer, "modifyTpSlOrder")

    async def cancel(self, order: Seen) -> None:
        method = "contractPrivateDeleteCapiV3AlgoOrder" if order.conditional else "contractPrivateDeleteCapiV3Order"
        done(await self._write(method, {"orderId": order.id}, lane=Lane.EXIT, cost=3), "cancel")

    async def _write(self, method: str, asked: Mapping[str, Any], *, lane: Lane, cost: int, orders: int = 0) -> Any:
        """Its numbers are often general ones: the words beside them say which rule it was."""
        try:
            return await self._trade.write(method, asked, lane=lane, cost=cost, orders=orders)
        except OrderRejected as error:
            if error.code != Code.OTHER:
                raise
            raise OrderRejected(error.reason, code=code_of("", error.reason)) from None

    # --- reading ---

    async def working(self, symbol: Symbol | None = None) -> tuple[Seen, ...]:
        """A conditional order may be shown among the plain ones as well: it is taken as the conditional one it is."""
        plain_ones = [seen for seen in await self._open(symbol) if not seen.status.final]
        algos = [seen for seen in await self._open_algos(symbol) if not seen.status.final]
        known = {seen.id for seen in algos}
        return (*(seen for seen in plain_ones if seen.id not in known), *algos)

    async def find(self, symbol: Symbol, client_id: str, *, conditional: bool) -> Seen | None:
        """A look-up by our id is not documented: the lists are read, those of working orders first, as an order goes
        from there to the past and never back."""
        for read in (self._open_algos, self._past_algos) if conditional else (self._open, self._past):
            for seen in await read(symbol):
                if seen.client_id == client_id and seen.conditional == conditional:
                    return seen
        return None

    async def find_by_id(self, symbol: Symbol, id: str) -> Seen | None:  # noqa: ARG002  ids are of all
        try:
            answer = await self._trade.read("contractPrivateGetCapiV3Order", {"orderId": id}, cost=3)
        except OrderRejected as error:
            if error.code == Code.GONE:
                return None
            raise
        return self._plain(Row(answer, "weex order"))

    async def _open(self, symbol: Symbol | None) -> list[Seen]:
        found = await self._pages("contractPrivateGetCapiV3OpenOrders", symbol, size=PAGE, cost=5)
        return [self._plain(row) for row in distinct(found, "orderId")]

    async def _past(self, symbol: Symbol | None) -> list[Seen]:
        found = await self._pages("contractPrivateGetCapiV3OrderHistory", symbol, size=PAST_PAGE, cost=10)
        return [self._plain(row) for row in distinct(found, "orderId")]

    async def _open_algos(self, symbol: Symbol | None) -> list[Seen]:
        found = await self._pages("contractPrivateGetCapiV3OpenAlgoOrders", symbol, size=PAGE, cost=3)
        return [self._algo(row) for row in distinct(found, "algoId")]

    async def _past_algos(self, symbol: Symbol | None) -> list[Seen]:
        """The one list that says itself whether there is more."""
        found: list[Row] = []
        for page in range(1, PAGES + 1):
            asked = self._page(symbol, page, PAGE)
            answer = await self._trade.read("contractPrivateGetCapiV3AllAlgoOrders", asked, cost=10)
            row = Row(answer, "weex allAlgoOrders")
            found += row.rows("orders")
            if not row.flag("hasMore"):
                return [self._algo(each) for each in distinct(found, "algoId")]
        raise Garbled(f"weex allAlgoOrders: more than {PAGES} pages")

    async def _pages(self, method: str, symbol: Symbol | None, *, size: int, cost: int) -> list[Row]:
        found: list[Row] = []
        for page in range(1, PAGES + 1):
            asked = self._page(symbol, page, size)
            more = await read_rows(self._trade, method, asked, cost=cost, where="weex order")
            found += more
            if len(more) < size:
                return found
        raise Garbled(f"weex {method}: more than {PAGES} pages")

    def _page(self, symbol: Symbol | None, page: int, size: int) -> dict[str, Any]:
        """The first page is what comes without a number: they are said to begin with 1."""
        asked: dict[str, Any] = {} if symbol is None else {"symbol": self._native(symbol)}
        return {**asked, "limit": size} if page == 1 else {**asked, "limit": size, "page": page}

    # --- one order as it is shown ---

    def _plain(self, row: Row) -> Seen:
        quantity, filled, shown = row.number("origQty"), row.number("executedQty"), row.text("status").upper()
        trigger = row.above_zero("stopPrice")
        fired = trigger is not None and shown in FIRED  # a conditional one, shown among the plain ones as well
        status = OrderStatus.FILLED if fired else _status(row, shown, quantity, filled)
        side, closes = _sides(row)
        return Seen(
            symbol=self._symbol(row.text("symbol")),
            id=row.text("orderId"),
            client_id=_ours(row.maybe("clientOrderId")),
            kind=_kind(row.text("type"), trigger, row.above_zero("price")),
            side=side,
            quantity=quantity,
            filled=filled,
            status=status,
            at=row.at("updateTime"),
            reduce_only=closes is not None,
            price=row.above_zero("price"),
            trigger=trigger,
            conditional=shown == "UNTRIGGERED" or (fired and shown != "FILLED"),
            closes=closes,
            note=shown.lower() if status.final and status is not OrderStatus.FILLED else "",
        )

    def _algo(self, row: Row) -> Seen:
        shown = row.text("algoStatus").upper()
        fired = shown in FIRED
        quantity = row.maybe_number("quantity") or ZERO
        status = OrderStatus.FILLED if fired else _status(row, shown, quantity, ZERO)
        side, closes = _sides(row)
        trigger = row.above_zero("triggerPrice")
        return Seen(
            symbol=self._symbol(row.text("symbol")),
            id=row.text("algoId"),
            client_id=_ours(row.maybe("clientAlgoId")),
            kind=_kind(row.text("orderType"), trigger, row.above_zero("price")),
            side=side,
            quantity=quantity,
            filled=quantity if fired else ZERO,
            status=status,
            at=row.at("updateTime"),
            reduce_only=closes is not None,
            price=row.above_zero("price"),
            trigger=trigger,
            conditional=True,
            closes=closes,
            # Until it has fired, `actualOrderId` is the entry that it rode on.
            fired=_id(row.maybe("actualOrderId")) if fired else "",
            note=shown.lower() if status.final and not fired else "",
        )


# --- requests -------------------------------------------------------------------------------------------------------


def entry_request(native: str, order: Order, protection: Protection | None) -> dict[str, Any]:
    """Raises ValueError for a trigger order: those go through `guard`."""
    if order.kind not in (OrderKind.MARKET, OrderKind.LIMIT):
        raise ValueError(f"{order.client_id}: a {order.kind} order is no plain order")
    direction = order.direction.opposite if order.reduce_only else order.direction
    asked: dict[str, Any] = {
        "symbol": native,
        "side": order.side.name,
        "positionSide": direction.name,
        "type": order.kind.name,
        "quantity": plain(order.quantity),
        "newClientOrderId": order.client_id,
    }
    if order.price is not None:
        asked |= {"price": plain(order.price), "timeInForce": "GTC"}
    if order.reduce_only:
        asked |= {"reduceOnly": True}
    if protection is not None:
        asked |= {"slTriggerPrice": plain(protection.stop), "SlWorkingType": MARK}
        asked |= {"tpTriggerPrice": plain(protection.target), "TpWorkingType": MARK}
    return asked


def _number(id: str) -> Any:
    """The documentation has a number here and text elsewhere."""
    return int(id) if id.isdigit() else id


# --- answers to writes ----------------------------------------------------------------------------------------------


def placed(answer: Any, what: str) -> str:
    """The id of an order that was taken. HTTP 200 says nothing: a refusal comes with it too."""
    raw = _checked(answer, what)
    id = _id(str(raw.get("orderId") or ""))
    if not id:
        raise UnknownOutcome(f"weex {what}: no id in the answer")
    return id


def done(answer: Any, what: str) -> None:
    raw = _checked(answer, what)
    if str(raw.get("status", "")).upper() == "FAILED":
        raise _refusal(raw, what)
    told = _says_yes(raw) or _id(str(raw.get("orderId") or ""))
    if not told:
        raise UnknownOutcome(f"weex {what}: the answer says neither yes nor no")


def _checked(answer: Any, what: str) -> Mapping[str, Any]:
    """Some endpoints wrap one result into a list."""
    if isinstance(answer, list) and len(answer) == 1:
        answer = answer[0]
    if not isinstance(answer, dict):
        raise UnknownOutcome(f"weex {what}: {answer!r:.60} is no answer")
    if str(answer.get("success", "")).lower() == "false":
        raise _refusal(answer, what)
    return answer


def _says_yes(raw: Mapping[str, Any]) -> bool:
    return str(raw.get("success", "")).lower() == "true" or str(raw.get("code", "")) in ("200", "00000", "0")


def _refusal(raw: Mapping[str, Any], what: str) -> OrderRejected | UnknownOutcome:
    number = str(raw.get("errorCode") or raw.get("code") or "")
    text = str(raw.get("errorMessage") or raw.get("errorMsg") or raw.get("msg") or "")
    code = code_of(number, text)
    said = f"weex {what}: {number} {text}".rstrip()
    return UnknownOutcome(said) if number in UNKNOWN and code is Code.OTHER else OrderRejected(said, code=code)


# --- parsing --------------------------------------------------------------------------------------------------------


def _ours(id: str) -> str:
    return id if id.startswith(OURS) else ""


def _id(text: str) -> str:
    return "" if text in ("", "0", "None") else text


def _status(row: Row, shown: str, quantity: Decimal, filled: Decimal) -> OrderStatus:
    if shown in ENDED:
        return ENDED[shown]
    if shown not in WORKING:
        raise Garbled(f"{row.where}: the status {shown[:30]!r} is not known")
    if quantity > 0 and filled >= quantity:
        return OrderStatus.FILLED
    return OrderStatus.PARTLY_FILLED if filled > 0 else OrderStatus.OPEN


def _kind(shown: str, trigger: Decimal | None, price: Decimal | None) -> OrderKind:
    """Of an order that somebody else placed too, whatever kind that is: enough to cancel it."""
    if shown.upper().startswith("TAKE_PROFIT"):
        return OrderKind.TAKE_PROFIT
    if shown.upper().startswith("STOP") or trigger is not None:
        return OrderKind.STOP
    return OrderKind.LIMIT if shown.upper() == "LIMIT" or price is not None else OrderKind.MARKET


def _sides(row: Row) -> tuple[Side, Direction | None]:
    """The side, and which position it reduces: None for one that opens."""
    try:
        side, position = Side(row.text("side").lower()), Direction(row.text("positionSide").lower())
    except ValueError as error:
        raise Garbled(f"{row.where}: {error}") from None
    return side, position if side is position.exit else None
