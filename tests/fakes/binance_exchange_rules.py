"""Which orders the emulated Binance USD-M takes: names and values of parameters, and its words for each refusal."""

from decimal import Decimal

from tests.fakes.binance_exchange_gate import Params, Refusal
from tests.fakes.binance_exchange_rows import digits
from tests.fakes.exchange_core import Refused, Spec
from tests.fakes.exchange_core_values import Kind, Side

_SIGNING = frozenset({"recvWindow", "timestamp", "signature"})
_PLACING = frozenset({"symbol", "side", "positionSide", "type", "timeInForce", "quantity", "price", "reduceOnly"})
_PLACING |= {"closePosition", "workingType", "priceProtect", "newOrderRespType", "priceMatch", "goodTillDate"}
_PLACING |= {"selfTradePreventionMode", "callbackRate"} | _SIGNING
ORDER_PARAMS = _PLACING | {"newClientOrderId", "stopPrice", "activationPrice"}
ALGO_PARAMS = _PLACING | {"algoType", "clientAlgoId", "triggerPrice", "activatePrice"}
ORDER_KEYS = frozenset({"symbol", "orderId", "origClientOrderId"}) | _SIGNING
ALGO_KEYS = frozenset({"symbol", "algoId", "clientAlgoId"}) | _SIGNING
SWALLOWED = frozenset({"stopLoss", "takeProfit"})  # what a lenient exchange takes for nothing (venues.md 1.3-1)

_PLAIN: dict[str, Kind] = {"MARKET": "MARKET", "LIMIT": "LIMIT"}
_GUARDS: dict[str, Kind] = {"STOP_MARKET": "STOP_MARKET", "TAKE_PROFIT_MARKET": "TAKE_PROFIT_MARKET"}
_NOT_EMULATED = ("STOP", "TAKE_PROFIT", "TRAILING_STOP_MARKET")
_IN_FORCE = ("GTC", "IOC", "FOK", "GTX", "GTD")
_SIDES: dict[str, Side] = {"BUY": "BUY", "SELL": "SELL"}

_WORDS = {
    "step": (-4023, "Qty not increased by step size."),
    "tick": (-4014, "Price not increased by tick size."),
    "min": (-4004, "Quantity less than min quantity."),
    "max": (-4005, "Quantity greater than max quantity."),
    "margin": (-2019, "Margin is insufficient."),
    "reduce": (-2022, "ReduceOnly Order is rejected."),
    "triggers": (-2021, "Order would immediately trigger."),
    "exists": (-4130, "An open stop or take profit order with GTE and closePosition in the direction is existing."),
    "duplicate": (-4116, "ClientOrderId is duplicated."),
    "mode": (-4061, "Order's position side does not match user's setting."),
    "gone": (-2011, "Unknown order sent."),
    "symbol": (-4140, "Invalid symbol status for opening position."),
}
_PRECISION = (-1111, "Precision is over the maximum defined for this asset.")
_NO_POSITION = (
    "Time in Force (TIF) GTE can only be used with open positions. Please ensure that positions are available."
)


def refusal(refused: Refused) -> Refusal:
    return Refusal(*_WORDS[refused.kind])


def order_refusal(refused: Refused, params: Params, spec: Spec) -> Refusal:
    """The words for an order that the core refused: some depend on what was asked."""
    if refused.kind == "reduce" and params.flag("closePosition"):
        return Refusal(-4509, _NO_POSITION)
    if refused.kind == "price" and params.text("side") == "SELL":
        return Refusal(-4024, "Limit price can't be lower than the mark price multiplier floor.")
    if refused.kind == "price":
        return Refusal(-4016, "Limit price can't be higher than the mark price multiplier cap.")
    if refused.kind == "notional":
        least = f"{spec.min_notional:f}"
        return Refusal(-4164, f"Order's notional must be no smaller than {least} (unless you choose reduce only).")
    return refusal(refused)


def side_of(params: Params) -> Side:
    side = params.text("side")
    if side not in _SIDES:
        raise Refusal(-1117, "Invalid side.")
    return _SIDES[side]


def plain_kind(params: Params) -> Kind:
    kind = params.text("type")
    if kind in _GUARDS or kind in _NOT_EMULATED:
        text = "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
        raise Refusal(-4120, text)
    if kind not in _PLAIN:
        raise Refusal(-1116, "Invalid orderType.")
    if params.flag("closePosition"):
        raise Refusal(-4136, f"Target strategy invalid for orderType {kind},closePosition true")
    return _PLAIN[kind]


def guard_kind(params: Params) -> Kind:
    if params.text("algoType") != "CONDITIONAL":
        raise Refusal(-1130, "Data sent for parameter 'algoType' is not valid.")
    kind = params.text("type")
    if kind in _NOT_EMULATED:
        raise Refusal(-4084, "Method is not allowed currently. Upcoming soon.")
    if kind not in _GUARDS:
        raise Refusal(-1116, "Invalid orderType.")
    if (params.maybe("timeInForce") or "GTC") not in (*_IN_FORCE, "GTE_GTC"):
        raise Refusal(-1115, "Invalid timeInForce.")
    params.none_of("price")
    return _GUARDS[kind]


def amount(params: Params, spec: Spec) -> Decimal:
    params.text("quantity")
    quantity = params.number("quantity") or Decimal(0)
    if quantity <= 0:
        raise Refusal(-4003, "Quantity less than or equal to zero.")
    if digits(quantity) > digits(spec.step):
        raise Refusal(*_PRECISION)
    return quantity


def price_of(params: Params, name: str, spec: Spec) -> Decimal | None:
    price = params.number(name)
    if price is None:
        return None
    if price <= 0:
        raise Refusal(-4001, "Price less than 0.") if name == "price" else Refusal(-4006, "Stop price less than zero.")
    if digits(price) > digits(spec.tick):
        raise Refusal(*_PRECISION)
    return price


def in_force(params: Params, kind: str, price: Decimal | None) -> str:
    if kind == "MARKET":
        params.none_of("price", "timeInForce")
        return "GTC"
    tif = params.text("timeInForce")
    if tif not in _IN_FORCE:
        raise Refusal(-1115, "Invalid timeInForce.")
    if price is None:
        params.text("price")
    return tif


def working_type(params: Params) -> str:
    working = params.maybe("workingType") or "CONTRACT_PRICE"
    if working not in ("MARK_PRICE", "CONTRACT_PRICE"):
        raise Refusal(-4031, f"Invalid parameter working type: {working}")
    return "MARK" if working == "MARK_PRICE" else "LAST"


def answer_type(params: Params) -> str:
    answer = params.maybe("newOrderRespType") or "ACK"
    if answer not in ("ACK", "RESULT"):
        raise Refusal(-1136, "Invalid newOrderRespType.")
    return answer


def closes_all(params: Params) -> bool:
    if not params.flag("closePosition"):
        return False
    if "quantity" in params.all:
        raise Refusal(-4137, "Quantity must be zero with closePosition equals true")
    params.none_of("reduceOnly")
    return True
