"""WEEX V3 perpetuals: what the client has to know of it, and its profile.

Positions are kept by side: LONG and SHORT may stand beside each other, and every order says which one it means. The
desk opens one side only; COMBINED (all entries of a side are one position) is what it calls one-way.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from trading.errors import BadSettings
from trading.venues.exchange import weex_codes
from trading.venues.exchange.profile import Caller
from trading.venues.exchange.weex_account import WeexAccount
from trading.venues.exchange.weex_market import WeexMarket
from trading.venues.exchange.weex_orders import WeexOrders
from trading.venues.exchange.weex_streams import WeexStreams
from trading.venues.exchange.wire import Code, Listing, Pause, Rate

UPLOAD = "contractPrivatePostCapiV3OrderUploadAiLog"  # ccxt has no method for it: `classes` adds this one
SUCCESS = frozenset({"0", "00000", "200"})


class WeexProfile(WeexMarket, WeexOrders, WeexAccount, WeexStreams):
    name = "weex"
    title = "WEEX"
    attaches = True
    clock_window = timedelta(seconds=30)
    sees_all_fills = True  # userTrades: the instrument is a filter, and may be left out

    def __init__(self, data: Caller, trade: Caller | None) -> None:
        super().__init__(data, trade)
        self._begin()


class WeexDialect:
    name = "weex"
    ccxt_id = "weex"
    domains: tuple[str, ...] = ("api-contract.weex.com", "ws-contract.weex.com")
    secrets: tuple[str, ...] = ("apiKey", "secret", "password")
    practices: tuple[str, ...] = ()  # its demo takes four calls, without leverage, cancellation or stops
    options: Mapping[str, Any] = MappingProxyType(
        {
            "defaultType": "swap",
            # What these would fetch by themselves passes no limiter of ours, and is read over REST anyway.
            "watchBalance": {"fetchBalanceSnapshot": False, "awaitBalanceSnapshot": False},
            "watchPositions": {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False},
        }
    )
    # 500 in 10 s is the smaller of two documented figures, 50 orders a minute what its FAQ allows. All orders of ours
    # count in the minute, closes as well: a limit too far below would hold up exits that the exchange would take.
    rates: tuple[Rate, ...] = (
        Rate(name="weight", limit=400, per=timedelta(seconds=10)),
        Rate(name="weight a minute", limit=2400, per=timedelta(minutes=1), header="X-USED-WEIGHT-1M"),
        Rate(name="orders", limit=10, per=timedelta(seconds=1)),
        Rate(name="orders a minute", limit=40, per=timedelta(minutes=1), header="X-ORDER-COUNT-1M"),
    )
    pauses: tuple[Pause, ...] = (Pause(status=429, after=timedelta(seconds=10)),)
    codes: Mapping[str, Code] = MappingProxyType(weex_codes.CODES)
    unknown = weex_codes.UNKNOWN
    not_done = weex_codes.NOT_DONE
    clock = weex_codes.CLOCK

    def practise(self, exchange: Any, practice: str) -> None:  # noqa: ARG002  there is none
        raise BadSettings("WEEX has no practice account that can trade: use GAVEL_MODE=paper on its live prices")

    def classes(self, plain: type[Any]) -> type[Any]:
        """Quantities are in base units, whatever ccxt makes of `contractVal` (venues.md 1.3-2): parse_market is the one
        place where that holds, because markets_by_id has copies."""

        def parse_market(exchange: Any, market: Any) -> Any:
            parsed = plain.parse_market(exchange, market)
            return parsed if parsed is None or not parsed["swap"] else {**parsed, "contractSize": 1.0}

        def handle_errors(exchange: Any, code: Any, reason: Any, url: Any, method: Any, *rest: Any) -> Any:
            """An answer with a success code and a message is none of its errors: uploadAiLog answers so."""
            response = rest[2] if len(rest) > 2 else None
            if code == 200 and isinstance(response, dict) and str(response.get("code")) in SUCCESS:
                return None
            return plain.handle_errors(exchange, code, reason, url, method, *rest)

        async def upload(exchange: Any, params: Any) -> Any:
            path = "capi/v3/order/uploadAiLog"
            return await exchange.request(path, ["contractPrivate"], "POST", params, config={"cost": 1})

        mended = {"parse_market": parse_market, "handle_errors": handle_errors, UPLOAD: upload}
        return type(plain.__name__, (plain,), mended)

    def markets(self, exchange: Any, listings: Iterable[Listing]) -> None:
        exchange.set_markets([exchange.parse_market(listing.raw) for listing in listings])

    def profile(self, data: Caller, trade: Caller | None, *, practice: str) -> WeexProfile:
        if practice:
            self.practise(None, practice)
        return WeexProfile(data, trade)


DIALECT = WeexDialect()
