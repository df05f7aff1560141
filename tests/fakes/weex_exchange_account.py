"""WEEX's account calls on the emulated exchange: money, positions, terms, income. Each takes the front and the
parameters (of the query, or of the body of a POST) and answers with JSON."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.fakes import weex_exchange_rows as rows
from tests.fakes.exchange_core import CoreFill, CorePosition, Refused, Spec
from tests.fakes.weex_exchange_market import Call, span
from tests.fakes.weex_exchange_rows import Json, money, plain
from tests.fakes.weex_exchange_words import Refusal, needed, one_of, whole_number

if TYPE_CHECKING:
    from tests.fakes.weex_exchange import WeexExchange

DAY = 86_400_000
SUCCESS = "200"


@dataclass(slots=True)
class Terms:
    """What WEEX keeps for one symbol: a leverage for each margin mode and side."""

    margin: str = "CROSSED"
    separated: str = "COMBINED"
    cross: int = 20
    long: int = 20
    short: int = 20

    def of(self, direction: str) -> int:
        if self.margin == "CROSSED":
            return self.cross
        return self.long if direction == "LONG" else self.short


def balance(front: "WeexExchange", params: Json) -> Any:
    """`balance` is the wallet; `frozen` what working orders hold."""
    core = front.core
    held = core.wallet - core.account.set_aside() - core.available()
    return [
        {
            "asset": "USDT",
            "balance": money(core.wallet),
            "availableBalance": money(core.available()),
            "frozen": money(max(Decimal(0), held)),
            "unrealizePnl": plain(core.unrealised()),
        }
    ]


def account_config(front: "WeexExchange", params: Json) -> Any:
    may = front.permissions
    return {
        "canTrade": may["trade"],
        "canDeposit": True,
        "canWithdraw": may["withdraw"],
        "dualSidePosition": True,
        "updateTime": front.server_time(),
    }


def symbol_config(front: "WeexExchange", params: Json) -> Any:
    return front.listed(params, _config)


def _config(front: "WeexExchange", spec: Spec) -> Json:
    terms = front.terms[spec.native]
    return {
        "symbol": spec.native,
        "marginType": terms.margin,
        "separatedType": terms.separated,
        "crossLeverage": f"{terms.cross}.00",
        "isolatedLongLeverage": str(terms.long),
        "isolatedShortLeverage": str(terms.short),
    }


def commission_rate(front: "WeexExchange", params: Json) -> Any:
    spec = front.spec(params)
    return {
        "symbol": spec.native,
        "makerCommissionRate": plain(spec.maker_fee),
        "takerCommissionRate": plain(spec.taker_fee),
    }


def all_position(front: "WeexExchange", params: Json) -> Any:
    return [shown(front, held) for held in front.core.positions.values()]


def single_position(front: "WeexExchange", params: Json) -> Any:
    native = front.spec(params).native
    return [shown(front, held) for held in front.core.positions.values() if held.native == native]


def shown(front: "WeexExchange", held: CorePosition) -> Json:
    core = front.core
    return rows.position(
        held,
        since_opened(front, held),
        margin=front.terms[held.native].margin,
        mark=core.mark(held.native),
        maintenance=core.specs[held.native].maintenance,
    )


def since_opened(front: "WeexExchange", held: CorePosition) -> Iterable[CoreFill]:
    fills = front.core.fills
    return (
        each
        for each in fills
        if (each.native, each.direction) == (held.native, held.direction) and each.at >= held.opened
    )


def set_leverage(front: "WeexExchange", params: Json) -> Any:
    """Each margin mode has its own; to set those of one mode does not change the mode. The same again is success."""
    spec = front.spec(params)
    terms = front.terms[spec.native]
    mode = one_of(params, "marginType", ("CROSSED", "ISOLATED")) if "marginType" in params else "CROSSED"
    wanted = ("crossLeverage",) if mode == "CROSSED" else ("isolatedLongLeverage", "isolatedShortLeverage")
    if not all(params.get(key) for key in wanted):
        raise Refusal(-1128, f"Combination of optional parameters invalid: {mode} goes with {', '.join(wanted)}.")
    numbers = [_leverage(params, key, spec) for key in wanted]
    if terms.margin == mode and numbers[0] == numbers[-1]:
        _tell_core(front, spec, numbers[0])
    if mode == "CROSSED":
        terms.cross = numbers[0]
    else:
        terms.long, terms.short = numbers
    config = _config(front, spec)
    return {key: value for key, value in config.items() if key != "separatedType"}


def _leverage(params: Json, key: str, spec: Spec) -> int:
    text = needed(params, key)
    if not text.isdigit():
        raise Refusal(-1142, f"Parameter '{key}' is invalid.")
    if not 1 <= int(text) <= spec.max_leverage:
        raise Refusal(-3313, "Leverage exceeds maximum limit.")
    return int(text)


def _tell_core(front: "WeexExchange", spec: Spec, leverage: int) -> None:
    try:
        front.core.set_leverage(spec.native, leverage)
    except Refused as refused:
        if refused.kind != "unchanged":
            raise


def margin_type(front: "WeexExchange", params: Json) -> Any:
    """Margin mode and merging of positions; refused while something is open there. The same again is success."""
    spec = front.spec(params)
    mode = one_of(params, "marginType", ("CROSSED", "ISOLATED"))
    merging = params.get("separatedType") or front.terms[spec.native].separated
    if merging not in ("COMBINED", "SEPARATED"):
        raise Refusal(-1142, "Parameter 'separatedType' is invalid.")
    terms = front.terms[spec.native]
    if (mode, merging) != (terms.margin, terms.separated):
        if front.core.working(spec.native) or any(key[0] == spec.native for key in front.core.positions):
            raise Refused("busy", "")
        terms.margin, terms.separated = mode, merging
        front.core.margin[spec.native] = "ISOLATED" if mode == "ISOLATED" else "CROSSED"
        front.core.leverage[spec.native] = terms.of("LONG")
    return done(front)


def done(front: "WeexExchange") -> Json:
    return {"code": SUCCESS, "msg": "success", "requestTime": front.server_time()}


def income(front: "WeexExchange", params: Json) -> Any:
    """Bills, newest first, within 100 days; a start needs an end. The next page begins where the oldest one ends."""
    start, end = span(params)
    if (start is None) != (end is None):
        raise Refusal(-1128, "Combination of optional parameters invalid: startTime and endTime.")
    if start is not None and end is not None and end - start > 100 * DAY:
        raise Refusal(-1170, "Time range cannot exceed 100 days.")
    limit = whole_number(params, "limit", 20, 1, 100)
    found = [each for each in _bills(front) if _asked(each, params, start, end)]
    return {"hasNextPage": len(found) > limit, "nextKey": None, "items": found[:limit]}


def _bills(front: "WeexExchange") -> list[Json]:
    fills = {each.id: each for each in front.core.fills}
    running = front.core.wallet - sum((each.amount for each in front.core.incomes), Decimal(0))
    bills = []
    for each in front.core.incomes:
        running += each.amount
        bills.append(rows.bill(each, running, fills.get(each.fill) if each.fill is not None else None))
    return bills[::-1]


def _asked(bill: Json, params: Json, start: int | None, end: int | None) -> bool:
    wanted = all(params.get(key) in (None, "", bill[key]) for key in ("symbol", "incomeType", "asset"))
    return wanted and within(bill["time"], start, end)


def within(at: int, start: int | None, end: int | None) -> bool:
    return (start is None or at >= start) and (end is None or at <= end)


CALLS: dict[tuple[str, str], tuple[int, Call]] = {
    ("GET", "account/balance"): (10, balance),
    ("GET", "account/accountConfig"): (10, account_config),
    ("GET", "account/symbolConfig"): (10, symbol_config),
    ("GET", "account/commissionRate"): (10, commission_rate),
    ("GET", "account/position/allPosition"): (15, all_position),
    ("GET", "account/position/singlePosition"): (3, single_position),
    ("POST", "account/leverage"): (20, set_leverage),
    ("POST", "account/marginType"): (50, margin_type),
    ("POST", "account/income"): (5, income),
}
