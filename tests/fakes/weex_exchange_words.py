"""How the emulated WEEX says no, and how it reads a parameter."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.fakes.exchange_core import Refused

Json = dict[str, Any]
CLIENT_ID = re.compile(r"^[.A-Z:/a-z0-9_-]{1,36}$")
# What the core refuses, in WEEX's numbers. Where its documents are silent (a duplicate id, a guard that would fire at
# once) the number is the nearest of those it documents.
REFUSALS: dict[str, tuple[int, str]] = {
    "step": (-1160, "Decimal precision error. quantity does not match stepSize."),
    "tick": (-1160, "Decimal precision error. price does not match the tick."),
    "min": (-1142, "Parameter 'quantity' is invalid: smaller than minOrderSize."),
    "max": (-3007, "Maximum contract order quantity exceeded."),
    "notional": (-1142, "Parameter 'quantity' is invalid."),
    "price": (-1140, "Parameter validation failed. price is outside of the limit price ratio."),
    "margin": (-1054, "FAILED_PRECONDITION: margin available amount not enough."),
    "reduce": (-1054, "FAILED_PRECONDITION: there is no position to close."),
    "leverage": (-3313, "Leverage exceeds maximum limit."),
    "busy": (-1128, "FAILED_PRECONDITION: there are open orders or positions."),
    "triggers": (-1142, "INVALID_ARGUMENT: the trigger price would be reached at once."),
    "exists": (-1142, "INVALID_ARGUMENT: there is such an order already."),
    "duplicate": (-1180, "Duplicate client_oid: an open order has it."),
    "gone": (-3200, "Order does not exist."),
    "symbol": (-1121, "Invalid symbol."),
}
SOFT = frozenset({"margin", "reduce"})  # the matching engine's: HTTP 200 and success false


class Refusal(Exception):
    """WEEX's V3 error: {"code": -1128, "msg": ".."} under an HTTP status."""

    def __init__(self, code: int, text: str, *, status: int = 400) -> None:
        super().__init__(f"{code} {text}")
        self.code, self.text, self.status = code, text, status


def said(refused: Refused) -> Refusal:
    code, text = REFUSALS.get(refused.kind, (-1000, "An unknown error occurred."))
    return Refusal(code, f"{text} {refused.text}".strip())


def needed(params: Json, key: str) -> str:
    value = params.get(key)
    if value is None or value == "":
        raise Refusal(-1141, f"Parameter '{key}' cannot be empty.")
    return str(value)


def one_of(params: Json, key: str, allowed: tuple[str, ...], code: int = -1142) -> str:
    value = needed(params, key)
    if value not in allowed:
        raise Refusal(code, f"Parameter '{key}' is invalid.")
    return value


def number(params: Json, key: str) -> Decimal:
    """Quantities and prices are text on this wire; a JSON number with a fraction has been through a float."""
    value = needed(params, key)
    try:
        found = Decimal(value)
    except InvalidOperation:
        raise Refusal(-1142, f"Parameter '{key}' is invalid.") from None
    if not found.is_finite() or found < 0 or isinstance(params[key], float):
        raise Refusal(-1142, f"Parameter '{key}' is invalid.")
    return found


def maybe_number(params: Json, key: str) -> Decimal | None:
    """None for nothing and for 0, which is how WEEX takes "none"."""
    return (number(params, key) or None) if params.get(key) not in (None, "") else None


def whole_number(params: Json, key: str, default: int, least: int, most: int) -> int:
    text = str(params.get(key, default))
    if not text.isdigit() or not least <= int(text) <= most:
        raise Refusal(-1140, f"Parameter validation failed. {key} must be between {least} and {most}.")
    return int(text)


def client_id(params: Json, key: str) -> str:
    value = needed(params, key)
    if not CLIENT_ID.match(value):
        raise Refusal(-1180, "client_oid length must not exceed 40 and must not contain special characters.")
    return value
