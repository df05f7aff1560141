"""WEEX's AI log: what a model was asked, what it answered, and the order that came of it (venues.md, uploadAiLog).

A log that is refused or lost says nothing about the order: whoever calls this must never send an order again for it.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from trading.errors import OrderRejected, UnknownOutcome
from trading.model import ClientId, Direction, Leg, Order, Symbol
from trading.venues.exchange.parsing import plain
from trading.venues.exchange.profile import Caller
from trading.venues.exchange.records import fill_id, time_of
from trading.venues.exchange.venue import ExchangeVenue
from trading.venues.exchange.weex import SUCCESS, UPLOAD
from trading.venues.exchange.weex_codes import code_of
from trading.venues.exchange.weex_orders import MARK, entry_request
from trading.venues.exchange.wire import Code, Lane

LIMIT = 1000  # characters of an explanation
_SENTENCE = re.compile(r"[.!?…][\"'”’)\]]*(?=\s|$)|\n")
_WORD = re.compile(r"\s")


async def upload(
    caller: Caller,
    *,
    order_id: str | None,
    stage: str,
    model: str,
    input: Mapping[str, Any],
    output: Mapping[str, Any],
    explanation: str,
) -> None:
    """`order_id`: the exchange's, None for a decision not to trade. `model`: the id exactly as its provider gave it.

    The body is made into text once, by ccxt: what is signed is what is sent. Raises ValueError for a log that its rules
    forbid, OrderRejected, Transient, and UnknownOutcome, after which the same log may be sent again.
    """
    if not (stage.strip() and model.strip() and input and output and explanation.strip()):
        raise ValueError("an AI log needs stage, model, input, output and explanation")
    body = {
        "orderId": None if order_id is None else int(order_id),
        "stage": stage,
        "model": model,
        "input": exact(input),
        "output": exact(output),
        "explanation": cut(explanation),
    }
    _check(await caller.write(UPLOAD, body, lane=Lane.READ))


def exact(value: Mapping[str, Any]) -> Any:
    """The same as JSON can hold it: amounts as text, with every digit they have."""
    return json.loads(json.dumps(value, default=_text, allow_nan=False))


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise TypeError(f"{type(value).__name__} has no place in an AI log")


def cut(explanation: str, limit: int = LIMIT) -> str:
    """At the end of the last sentence that fits; of the last word where there is none; anywhere if it is one word."""
    text = explanation.strip()
    if _length(text) <= limit:
        return text
    head = _head(text, limit)
    ends = [found.end() for found in _SENTENCE.finditer(text) if found.end() <= len(head)]
    if not ends:
        ends = [found.start() for found in _WORD.finditer(text) if found.start() <= len(head)]
    return (head[: ends[-1]].rstrip() if ends else "") or head


def _head(text: str, limit: int) -> str:
    """As many whole characters as fit."""
    used = 0
    for at, character in enumerate(text):
        used += _length(character)
        if used > limit:
            return text[:at]
    return text


def _length(text: str) -> int:
    """As the other side counts: a character outside of the basic plane is two."""
    return sum(2 if ord(character) > 0xFFFF else 1 for character in text)


def _check(answer: Any) -> None:
    if not isinstance(answer, dict) or "code" not in answer:
        raise UnknownOutcome("weex AI log: the answer says neither yes nor no")
    number = str(answer["code"])
    if number not in SUCCESS:
        said = str(answer.get("msg") or "")
        code = code_of(number, said)
        raise OrderRejected(f"weex AI log: {number} {said}"[:160], code=Code.PERMISSION if "allow" in said else code)


class WeexLog:
    """The AI log of one account: how orders look there, their ids, and the upload. `natives`: the exchange's names."""

    def __init__(self, trade: Caller, venue: ExchangeVenue, natives: Callable[[], Mapping[Symbol, str]]) -> None:
        self._trade = trade
        self._venue = venue
        self._natives = natives

    # --- as sent ---

    def native(self, symbol: Symbol) -> str:
        return self._natives().get(symbol) or symbol.partition(":")[0].replace("/", "")

    def order(self, order: Order) -> dict[str, Any]:
        return entry_request(self.native(order.symbol), order, order.protection)

    def guard(
        self, symbol: Symbol, direction: Direction, leg: Leg, quantity: Decimal, trigger: Decimal
    ) -> dict[str, Any]:
        return {
            "symbol": self.native(symbol),
            "side": direction.exit.name,
            "positionSide": direction.name,
            "type": "STOP_MARKET" if leg is Leg.STOP else "TAKE_PROFIT_MARKET",
            "quantity": plain(quantity),
            "triggerPrice": plain(trigger),
            "triggerPriceType": MARK,
        }

    # --- ids; "" where the exchange does not know it ---

    async def id_of(self, symbol: Symbol, client_id: ClientId) -> str:
        return await self._venue.exchange_id(symbol, client_id)

    async def id_by_fill(self, symbol: Symbol, fill: str) -> str:
        """Of the order that a fill was of."""
        executions = await self._venue.profile.executions(time_of(fill) - timedelta(seconds=1), symbol)
        return next((each.order for each in executions if fill_id(each) == fill), "")

    # --- sent ---

    async def upload(self, order_id: str, body: Mapping[str, Any]) -> None:
        """`body`: stage, model, input, output, explanation. Raises what the function of this name raises."""
        await upload(self._trade, order_id=order_id or None, **body)
