"""WEEX's order calls on the emulated exchange: plain orders and, apart from them, conditional ("algo") ones."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from tests.fakes import weex_exchange_rows as rows
from tests.fakes.exchange_core import CoreOrder, Refused, Spec
from tests.fakes.weex_exchange_market import Call
from tests.fakes.weex_exchange_rows import Json, core_id, wire_id
from tests.fakes.weex_exchange_words import (
    SOFT,
    Refusal,
    client_id,
    maybe_number,
    needed,
    number,
    one_of,
    said,
)

if TYPE_CHECKING:
    from tests.fakes.weex_exchange import WeexExchange

LAST, MARK = "CONTRACT_PRICE", "MARK_PRICE"
NOT_FOUND = "FAILED_ORDER_NOT_FOUND"
Direction = Literal["LONG", "SHORT"]


# --- placing -------------------------------------------------------------------------------------------------------


def place(front: "WeexExchange", params: Json) -> Any:
    """Side and positionSide together say what it does: SELL with SHORT opens a short, beside a long or not."""
    spec = _tradable(front, params)
    kind = one_of(params, "type", ("LIMIT", "MARKET"), -1116)
    name = client_id(params, "newClientOrderId")
    tif = "GTC"
    if kind == "LIMIT":
        tif = one_of({"timeInForce": "GTC", **params}, "timeInForce", ("GTC", "IOC", "FOK", "POST_ONLY"), -1115)
    stop, target = maybe_number(params, "slTriggerPrice"), maybe_number(params, "tpTriggerPrice")
    answer = _placed(
        front,
        spec,
        params,
        name,
        kind=kind,
        quantity=number(params, "quantity"),
        price=number(params, "price") if kind == "LIMIT" else None,
        tif=tif,
        attach=(stop, target),
        working=LAST,
    )
    return [answer] if front.order_in_list else answer


def place_algo(front: "WeexExchange", params: Json) -> Any:
    spec = _tradable(front, params)
    kind = one_of(params, "type", ("STOP_MARKET", "TAKE_PROFIT_MARKET"), -1116)
    name = client_id(params, "clientAlgoId") if params.get("clientAlgoId") else ""
    return _placed(
        front,
        spec,
        params,
        name,
        kind=kind,
        quantity=number(params, "quantity"),
        trigger=number(params, "triggerPrice"),
        attach=(maybe_number(params, "presetStopLossPrice"), maybe_number(params, "presetTakeProfitPrice")),
        working=_working(params, "SlWorkingType" if kind == "STOP_MARKET" else "TpWorkingType"),
    )


def place_tpsl(front: "WeexExchange", params: Json) -> Any:
    """A stop or a target for what is open. No quantity, or 0: for all of it, whatever it is when it fires."""
    spec = _tradable(front, params)
    stop = one_of(params, "planType", ("STOP_LOSS", "TAKE_PROFIT")) == "STOP_LOSS"
    direction = one_of(params, "positionSide", ("LONG", "SHORT"))
    if maybe_number(params, "executePrice"):
        raise Refusal(-1142, "Parameter 'executePrice' is invalid: guards execute at the market here.")
    quantity = maybe_number(params, "quantity")
    if quantity is None and not front.whole_position_guards:
        raise Refusal(-1141, "Parameter 'quantity' cannot be empty.")
    name = client_id(params, "clientAlgoId") if params.get("clientAlgoId") else ""
    answer = _placed(
        front,
        spec,
        {"side": "SELL" if direction == "LONG" else "BUY", "positionSide": direction},
        name,
        kind="STOP_MARKET" if stop else "TAKE_PROFIT_MARKET",
        quantity=quantity or Decimal(0),
        close_all=quantity is None,
        trigger=number(params, "triggerPrice"),
        working=_working(params, "triggerPriceType"),
    )
    answer.pop("clientOrderId")
    return [answer] if front.tpsl_in_list else answer


def _placed(front: "WeexExchange", spec: Spec, params: Json, name: str, *, working: str, **wanted: Any) -> Json:
    """What its engine refuses comes back under HTTP 200 with success false."""
    side = one_of(params, "side", ("BUY", "SELL"), -1117)
    direction: Any = one_of(params, "positionSide", ("LONG", "SHORT"))
    if wanted.get("attach", (None, None)) != (None, None) and (side == "BUY") != (direction == "LONG"):
        raise Refusal(-1128, "Combination of optional parameters invalid: guards ride on entries only.")
    front.core.leverage[spec.native] = front.terms[spec.native].of(direction)
    front.riding = _riding(params)
    watched = "MARK" if working == MARK else "LAST"
    try:
        order = front.core.place(
            native=spec.native, side=side, direction=direction, client_id=name, working=watched, **wanted
        )
    except Refused as refused:
        if refused.kind not in SOFT or not front.soft_rejects:
            raise
        refusal = said(refused)
        return rows.rejected(refusal.code, refusal.text, name)
    front.remember(order)
    return rows.accepted(order.id, rows.guard_id(order))


def _riding(params: Json) -> dict[str, str]:
    """By which price each attached guard will trigger; the last one where nothing is said."""
    keys = {"STOP_MARKET": "SlWorkingType", "TAKE_PROFIT_MARKET": "TpWorkingType"}
    return {kind: _working(params, key) for kind, key in keys.items()}


def _working(params: Json, key: str) -> str:
    return one_of(params, key, (LAST, MARK)) if params.get(key) else LAST


def _tradable(front: "WeexExchange", params: Json) -> Spec:
    spec = front.spec(params)
    if not front.permissions["trade"]:
        raise Refusal(-1052, "Insufficient permissions for this action.")
    if not spec.api:
        raise Refusal(-1058, "No permission for this trading pair.")
    return spec


def modify_tpsl(front: "WeexExchange", params: Json) -> Any:
    """In place, under the same id. Level and price kind as they are already: success."""
    it = _known(front, needed(params, "orderId"), conditional=True)
    if it is None or not it.open:
        raise Refusal(-3200, "Order does not exist.")
    try:
        front.core.replace_trigger(it.id, number(params, "triggerPrice"))
    except Refused as refused:
        if refused.kind != "unchanged":
            raise
    if params.get("triggerPriceType"):
        it.working = "MARK" if _working(params, "triggerPriceType") == MARK else "LAST"
    return {"success": True}


def no_batches(front: "WeexExchange", params: Json) -> Any:
    raise Refusal(-1150, "Request method 'POST' not supported")


# --- cancelling ----------------------------------------------------------------------------------------------------


def cancel(front: "WeexExchange", params: Json) -> Any:
    name = str(params.get("origClientOrderId") or "")
    if not params.get("orderId") and not name:
        raise Refusal(-1140, "Either orderId or origClientOrderId must be sent.")
    return _cancelled(front, str(params.get("orderId") or ""), name, conditional=False)


def cancel_algo(front: "WeexExchange", params: Json) -> Any:
    return _cancelled(front, needed(params, "orderId"), "", conditional=True)


def _cancelled(front: "WeexExchange", number: str, name: str, *, conditional: bool) -> Json:
    it = _known(front, number, conditional=conditional) if number else front.core.find(name, conditional)
    if it is None or not it.open:
        if front.gone_as_text:
            return rows.cancelled(number, name, failure=NOT_FOUND)
        raise Refusal(-3200, "Order does not exist.")
    front.core.cancel(it.id)
    return rows.cancelled(wire_id(it.id), name or rows.guard_id(it))


def cancel_several(front: "WeexExchange", params: Json) -> Any:
    numbers, names = params.get("orderIdList") or [], params.get("origClientOrderIdList") or []
    done = [_cancelled(front, str(each), "", conditional=False) for each in numbers]
    done += [_cancelled(front, "", str(each), conditional=False) for each in names]
    return {"orderList": done}


def cancel_all(front: "WeexExchange", params: Json) -> Any:
    """Plain orders only: the conditional ones stay."""
    return _all_cancelled(front, params, conditional=False)


def cancel_all_algo(front: "WeexExchange", params: Json) -> Any:
    return _all_cancelled(front, params, conditional=True)


def _all_cancelled(front: "WeexExchange", params: Json, *, conditional: bool) -> Any:
    native = front.spec(params).native if params.get("symbol") else None
    gone = [front.core.cancel(each.id) for each in front.core.working(native, conditional)]
    return [rows.cancelled(wire_id(each.id), rows.guard_id(each)) for each in gone]


def close_positions(front: "WeexExchange", params: Json) -> Any:
    """An empty body closes everything there is, and a symbol alone both of its sides: nobody may ever send that."""
    if not params:
        front.violations.append("closePositions with an empty body")
    native = front.spec(params).native if params.get("symbol") else None
    wanted = str(params.get("positionId") or "")
    closed = []
    for held in list(front.core.positions.values()):
        number = rows.position_id(held)
        if native in (None, held.native) and wanted in ("", str(number)):
            side: Any = "SELL" if held.direction == "LONG" else "BUY"
            order = front.core.place(
                native=held.native,
                side=side,
                direction=held.direction,
                kind="MARKET",
                quantity=held.quantity,
                client_id="",
            )
            row = {"positionId": number, "success": True, "successOrderId": wire_id(order.id), "errorMessage": ""}
            closed.append(row)
    return closed


def _known(front: "WeexExchange", text: str, *, conditional: bool) -> CoreOrder | None:
    it = front.core.by_id(core_id(text))
    return it if it is not None and it.conditional == conditional else None


# --- the record of the AI ------------------------------------------------------------------------------------------


def upload_ai_log(front: "WeexExchange", params: Json) -> Any:
    """Only accounts on the organiser's list may. What was taken is kept in `ai_logs`."""
    if not front.permissions["ai_log"]:
        raise Refusal(-1052, "Insufficient permissions for this action.")
    for key in ("stage", "model"):
        if not isinstance(params.get(key), str) or not params[key]:
            raise Refusal(-1141, f"Parameter '{key}' cannot be empty.")
    for key in ("input", "output"):
        if not isinstance(params.get(key), dict) or not params[key]:
            raise Refusal(-1142, f"Parameter '{key}' is invalid: a JSON object is expected.")
    if not isinstance(params.get("explanation"), str) or not 0 < len(params["explanation"]) <= 1000:
        raise Refusal(-1140, "Parameter validation failed. explanation must be between 1 and 1000 characters.")
    if not isinstance(params.get("orderId"), int | None) or isinstance(params.get("orderId"), bool):
        raise Refusal(-1142, "Parameter 'orderId' is invalid: a long is expected.")
    front.ai_logs.append(params)
    return {"code": "00000", "msg": "success", "requestTime": front.server_time(), "data": "upload success"}


def _demo_balance(front: "WeexExchange", params: Json) -> Any:
    return [
        {
            "asset": "SUSDT",
            "balance": "1000.00000000",
            "availableBalance": "1000.00000000",
            "frozen": "0",
            "unrealizePnl": "0",
        }
    ]


def _demo_nothing(front: "WeexExchange", params: Json) -> Any:
    return []


CALLS: dict[tuple[str, str], tuple[int, Call]] = {
    ("POST", "order"): (5, place),
    ("DELETE", "order"): (3, cancel),
    ("DELETE", "allOpenOrders"): (10, cancel_all),
    ("POST", "algoOrder"): (5, place_algo),
    ("DELETE", "algoOrder"): (3, cancel_algo),
    ("DELETE", "algoOpenOrders"): (10, cancel_all_algo),
    ("POST", "placeTpSlOrder"): (5, place_tpsl),
    ("POST", "modifyTpSlOrder"): (5, modify_tpsl),
    ("POST", "closePositions"): (50, close_positions),
    ("POST", "batchOrders"): (10, no_batches),
    ("DELETE", "batchOrders"): (10, cancel_several),
    ("POST", "order/uploadAiLog"): (1, upload_ai_log),
    ("GET", "sim/balance"): (10, _demo_balance),
    ("GET", "sim/position/allPosition"): (15, _demo_nothing),
    ("GET", "sim/order/history"): (10, _demo_nothing),
}
PLACED = {("POST", "order"), ("POST", "algoOrder"), ("POST", "placeTpSlOrder")}
COUNTED = PLACED | {("DELETE", "order"), ("DELETE", "algoOrder")}
