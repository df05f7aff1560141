"""WEEX's look-ups of orders and fills on the emulated exchange."""

from typing import TYPE_CHECKING, Any

from tests.fakes import weex_exchange_rows as rows
from tests.fakes.exchange_core import CoreOrder
from tests.fakes.weex_exchange_account import DAY, within
from tests.fakes.weex_exchange_market import Call, span
from tests.fakes.weex_exchange_rows import Json, core_id
from tests.fakes.weex_exchange_words import Refusal, whole_number

if TYPE_CHECKING:
    from tests.fakes.weex_exchange import WeexExchange


def get(front: "WeexExchange", params: Json) -> Any:
    """By the exchange's id only; conditional orders as well."""
    if not params.get("orderId"):
        raise Refusal(-1140, "Parameter validation failed. orderId must be sent.")
    it = front.core.by_id(core_id(params["orderId"]))
    if it is None:
        raise Refusal(-3200, "Order does not exist.")
    return _plain(front, it)


def open_orders(front: "WeexExchange", params: Json) -> Any:
    native = _native(front, params)
    going = [it for it in front.core.history(native, conditional=False) if front.canceling(it)]
    return [_plain(front, it) for it in _page(front, params, front.core.working(native, False) + going, 100)]


def open_algo(front: "WeexExchange", params: Json) -> Any:
    found = _page(front, params, front.core.working(_native(front, params), True), 100)
    return [rows.algo(it, front.core.specs[it.native]) for it in found]


def history(front: "WeexExchange", params: Json) -> Any:
    """Ended orders of both kinds, newest first, of the last 90 days."""
    _recent(front, params, 90)
    ended = [it for it in front.core.history(_native(front, params)) if not front.canceling(it)]
    return [_plain(front, it) for it in _page(front, params, ended, 1000)]


def all_algo(front: "WeexExchange", params: Json) -> Any:
    _recent(front, params, 90)
    ended = front.core.history(_native(front, params), conditional=True)
    found = _page(front, params, ended, 100)
    more = len(_page(front, {**params, "limit": 100}, ended, 100)) > len(found)
    return {"orders": [rows.algo(it, front.core.specs[it.native]) for it in found], "hasMore": more}


def user_trades(front: "WeexExchange", params: Json) -> Any:
    """Newest first; a week at most in one question, the last one where no time is given."""
    start, end = span(params)
    if start is not None and (end or front.server_time()) - start > 7 * DAY:
        raise Refusal(-1170, "Time range cannot exceed 7 days.")
    if start is None:
        start = (end or front.server_time()) - 7 * DAY
    native, order = _native(front, params), core_id(params.get("orderId") or "")
    limit = whole_number(params, "limit", 100, 1, 100)
    found = [
        each
        for each in front.core.visible_fills()
        if within(each.at, start, end) and native in (None, each.native) and order in (0, each.order)
    ]
    return [rows.fill(each) for each in found[::-1][:limit]]


def _native(front: "WeexExchange", params: Json) -> str | None:
    return front.spec(params).native if params.get("symbol") else None


def _recent(front: "WeexExchange", params: Json, days: int) -> None:
    start, _ = span(params)
    if start is not None and front.server_time() - start > days * DAY:
        raise Refusal(-1170, f"startTime must be within the last {days} days.")


def _page(front: "WeexExchange", params: Json, orders: list[CoreOrder], most: int) -> list[CoreOrder]:
    """Newest first, by the time they were created."""
    start, end = span(params)
    limit = whole_number(params, "limit", 100, 1, most)
    page = whole_number(params, "page", front.first_page, front.first_page, 10_000) - front.first_page
    found = sorted((it for it in orders if within(it.created, start, end)), key=lambda it: it.id, reverse=True)
    return found[page * limit : (page + 1) * limit]


def _plain(front: "WeexExchange", it: CoreOrder) -> Json:
    row = rows.order(it, front.core.specs[it.native], partial=front.partial_status)
    return {**row, "status": "CANCELING"} if front.canceling(it) else row


CALLS: dict[tuple[str, str], tuple[int, Call]] = {
    ("GET", "order"): (3, get),
    ("GET", "openOrders"): (5, open_orders),
    ("GET", "order/history"): (10, history),
    ("GET", "userTrades"): (5, user_trades),
    ("GET", "openAlgoOrders"): (3, open_algo),
    ("GET", "allAlgoOrders"): (10, all_algo),
}
