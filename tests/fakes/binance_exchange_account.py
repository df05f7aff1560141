"""The account of the emulated Binance USD-M: balances, positions, fills, income, and the modes it is in."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.fakes.binance_exchange_gate import Params, Refusal
from tests.fakes.binance_exchange_market import span
from tests.fakes.binance_exchange_rows import (
    INCOME_TYPES,
    Json,
    empty_position_row,
    fill_row,
    income_row,
    money,
    position_row,
    shown,
)
from tests.fakes.binance_exchange_rules import refusal
from tests.fakes.exchange_core import Core, CorePosition, Refused, Spec

_WEEK_MS = 7 * 86_400_000
_TYPES = frozenset(INCOME_TYPES.values()) | {"WELCOME_BONUS", "INSURANCE_CLEAR", "COMMISSION_REBATE", "API_REBATE"}
_DONE = {"code": 200, "msg": "success"}
_NOT_V3 = ("leverage", "marginType", "isAutoAddMargin", "maxNotionalValue", "isolated")

PERMISSIONS: dict[str, Any] = {
    "ipRestrict": True,
    "createTime": 1_760_000_000_000,
    "enableReading": True,
    "enableSpotAndMarginTrading": False,
    "enableWithdrawals": False,
    "enableInternalTransfer": False,
    "enableMargin": False,
    "enableFutures": True,
    "permitsUniversalTransfer": False,
    "enableVanillaOptions": False,
    "enableFixApiTrade": False,
    "enableFixReadOnly": False,
    "enablePortfolioMarginTrading": False,
}


class AccountSide:
    def __init__(self, core: Core, *, spec_of: Callable[[str], Spec], now: Callable[[], int]) -> None:
        self.core = core
        self.permissions = dict(PERMISSIONS)
        self.multi_assets = False
        self.fee_burn = False
        self._spec_of = spec_of
        self._now = now

    # --- money ---

    def isolated_sum(self) -> Decimal:
        held = [each for each in self.core.positions.values() if self.is_isolated(each.native)]
        return sum((each.margin for each in held), Decimal(0))

    def is_isolated(self, native: str) -> bool:
        return self.core.margin[native] == "ISOLATED"

    def balance(self, params: Params) -> list[Json]:
        wallet, free = self.core.wallet, self.core.available()
        return [
            self._balance("USDT", wallet, wallet - self.isolated_sum(), free),
            self._balance("BNB", *[Decimal(0)] * 3),
        ]

    def _balance(self, asset: str, wallet: Decimal, cross: Decimal, free: Decimal) -> Json:
        row: Json = {
            "accountAlias": "SgsR",
            "asset": asset,
            "balance": money(wallet),
            "crossWalletBalance": money(cross),
        }
        row |= {"crossUnPnl": "0.00000000", "availableBalance": money(free), "maxWithdrawAmount": money(free)}
        return row | {"marginAvailable": True, "updateTime": self._now()}

    def account_v3(self, params: Params) -> Json:
        return self._account() | {"positions": [self._account_position(each) for each in self._held(None)]}

    def account_v2(self, params: Params) -> Json:
        modes = {"feeTier": 0, "canTrade": True, "canDeposit": True, "canWithdraw": True, "feeBurn": self.fee_burn}
        modes |= {"multiAssetsMargin": self.multi_assets, "tradeGroupId": -1, "updateTime": 0}
        return modes | self._account() | {"positions": self.position_risk_v2(params)}

    def _account(self) -> Json:
        wallet, free, gained = self.core.wallet, self.core.available(), self.core.unrealised()
        held = self._held(None)
        values = {each.native: each.quantity * self.core.mark(each.native) for each in held}
        initial = sum((values[each.native] / each.leverage for each in held), Decimal(0))
        least = sum((values[each.native] * self._spec_of(each.native).maintenance for each in held), Decimal(0))
        margins = {
            "initialMargin": money(initial),
            "maintMargin": money(least),
            "openOrderInitialMargin": money(Decimal(0)),
        }
        margins |= {"positionInitialMargin": money(initial), "crossUnPnl": money(Decimal(0))}
        margins |= {"crossWalletBalance": money(wallet - self.isolated_sum()), "availableBalance": money(free)}
        margins |= {"maxWithdrawAmount": money(free), "marginBalance": money(wallet + gained)}
        asset = {"asset": "USDT", "walletBalance": money(wallet), "unrealizedProfit": money(gained)} | margins
        total = {"totalInitialMargin": money(initial), "totalMaintMargin": money(least)}
        total |= {"totalWalletBalance": money(wallet), "totalUnrealizedProfit": money(gained)}
        total |= {"totalMarginBalance": money(wallet + gained), "totalPositionInitialMargin": money(initial)}
        total |= {"totalOpenOrderInitialMargin": money(Decimal(0)), "totalCrossUnPnl": money(Decimal(0))}
        total |= {"totalCrossWalletBalance": money(wallet - self.isolated_sum())}
        total |= {"availableBalance": money(free), "maxWithdrawAmount": money(free)}
        return total | {"assets": [asset | {"marginAvailable": True, "updateTime": self._now()}]}

    def _account_position(self, position: CorePosition) -> Json:
        row = self._position(position)
        names = ("symbol", "positionSide", "positionAmt", "isolatedMargin", "notional", "isolatedWallet", "updateTime")
        kept = {name: row[name] for name in (*names, "initialMargin", "maintMargin")}
        return kept | {"unrealizedProfit": row["unRealizedProfit"]}

    # --- positions ---

    def position_risk_v3(self, params: Params) -> list[Json]:
        """Of those with a position (or a working order) only."""
        native = params.maybe("symbol")
        rows = [self._position(each) for each in self._held(native)]
        waiting = {order.native for order in self.core.working(native)} - {row["symbol"] for row in rows}
        return rows + [empty_position_row(each, self.core.mark(each), "BOTH") for each in sorted(waiting)]

    def position_risk_v2(self, params: Params) -> list[Json]:
        """Of all instruments, with leverage and margin mode."""
        native = params.maybe("symbol")
        rows = {row["symbol"]: row for row in (self._position(each) for each in self._held(native))}
        natives = [native] if native else list(self.core.specs)
        return [
            self._with_terms(rows.get(each) or empty_position_row(each, self.core.mark(each), "BOTH"))
            for each in natives
        ]

    def _with_terms(self, row: Json) -> Json:
        native = row["symbol"]
        isolated = self.is_isolated(native)
        terms = (str(self.core.leverage[native]), "isolated" if isolated else "cross", "false", "1000000", isolated)
        return row | dict(zip(_NOT_V3, terms, strict=True))

    def _position(self, position: CorePosition) -> Json:
        spec, mark = self._spec_of(position.native), self.core.mark(position.native)
        isolated = self.is_isolated(position.native)
        return position_row(position, spec, mark, hedged=self.core.hedged, isolated=isolated)

    def _held(self, native: str | None) -> list[CorePosition]:
        if native is not None:
            self._spec_of(native)
        return [each for each in self.core.positions.values() if native in (None, each.native)]

    # --- what was ---

    def user_trades(self, params: Params) -> list[Json]:
        """Seven days at most: the last ones, or the ones from the start on. Oldest first."""
        spec = self._spec_of(params.text("symbol"))
        start, end = span(params)
        limit, first, order = params.integer("limit", 500), params.integer("fromId"), params.integer("orderId")
        if limit is None or limit > 1_000:
            raise Refusal(-1130, "Data sent for parameter 'limit' is not valid.")
        if first is not None and (start is not None or end is not None):
            raise Refusal(-1128, "Combination of optional parameters invalid.")
        if start is not None and end is not None and end - start > _WEEK_MS:
            raise Refusal(-4165, "Invalid time interval")
        now = self._now()
        mine = [fill for fill in self.core.visible_fills(now) if fill.native == spec.native]
        mine = [fill for fill in mine if order in (None, fill.order)]
        if first is not None:
            chosen = [fill for fill in mine if fill.id >= first][:limit]
        else:
            begins = start if start is not None else (end if end is not None else now) - _WEEK_MS
            ends = end if end is not None else begins + _WEEK_MS + 1_000
            chosen = [fill for fill in mine if begins <= fill.at <= ends]
            chosen = chosen[:limit] if start is not None else chosen[-limit:]
        return [fill_row(fill, hedged=self.core.hedged) for fill in chosen]

    def income(self, params: Params) -> list[Json]:
        """Without times the last seven days; 100 rows unless more are asked for. Oldest first."""
        start, end = span(params)
        kind, native = params.maybe("incomeType"), params.maybe("symbol")
        if kind is not None and kind not in _TYPES:
            raise Refusal(-1130, "Data sent for parameter 'incomeType' is not valid.")
        limit, page = params.integer("limit", 100) or 100, params.integer("page", 1) or 1
        if limit > 1_000:
            raise Refusal(-1130, "Data sent for parameter 'limit' is not valid.")
        begins = start if start is not None else (end if end is not None else self._now()) - _WEEK_MS
        rows = [
            income_row(each)
            for each in self.core.incomes
            if native in (None, each.native) and begins <= each.at <= (end if end is not None else 10**15)
        ]
        rows = [row for row in rows if kind in (None, row["incomeType"])]
        return rows[(page - 1) * limit : page * limit]

    # --- modes ---

    def set_leverage(self, params: Params) -> Json:
        spec = self._spec_of(params.text("symbol"))
        params.text("leverage")
        wanted = params.integer("leverage") or 0
        held = self._held(spec.native)
        if held and self.is_isolated(spec.native) and 0 < wanted < self.core.leverage[spec.native]:
            text = "Leverage reduction is not supported in Isolated Margin Mode with open positions."
            raise Refusal(-4161, text)
        try:
            self.core.set_leverage(spec.native, wanted)
        except Refused as refused:
            if refused.kind == "leverage":
                raise Refusal(-4028, f"Leverage {wanted} is not valid") from refused
            if refused.kind != "unchanged":  # the same again is a success here
                raise refusal(refused) from refused
        return {"symbol": spec.native, "leverage": wanted, "maxNotionalValue": "1000000"}

    def set_margin_type(self, params: Params) -> Json:
        spec = self._spec_of(params.text("symbol"))
        wanted = params.text("marginType")
        if wanted not in ("ISOLATED", "CROSSED"):
            raise Refusal(-1130, "Data sent for parameter 'marginType' is not valid.")
        if wanted == "ISOLATED" and self.multi_assets:
            raise Refusal(-4168, "Unable to adjust to isolated-margin mode under the Multi-Assets mode.")
        try:
            self.core.set_margin(spec.native, "ISOLATED" if wanted == "ISOLATED" else "CROSSED")
        except Refused as refused:
            if refused.kind == "unchanged":
                raise Refusal(-4046, "No need to change margin type.") from refused
            if self._held(spec.native):
                raise Refusal(-4048, "Margin type cannot be changed if there exists position.") from refused
            raise Refusal(-4047, "Margin type cannot be changed if there exists open orders.") from refused
        return dict(_DONE)

    def position_mode(self, params: Params) -> Json:
        return {"dualSidePosition": self.core.hedged}

    def set_position_mode(self, params: Params) -> Json:
        params.text("dualSidePosition")
        try:
            self.core.set_position_mode(params.flag("dualSidePosition"))
        except Refused as refused:
            if refused.kind == "unchanged":
                raise Refusal(-4059, "No need to change position side.") from refused
            if self.core.positions:
                raise Refusal(-4068, "Position side cannot be changed if there exists position.") from refused
            raise Refusal(-4067, "Position side cannot be changed if there exists open orders.") from refused
        return dict(_DONE)

    def multi_assets_mode(self, params: Params) -> Json:
        return {"multiAssetsMargin": self.multi_assets}

    def set_multi_assets_mode(self, params: Params) -> Json:
        params.text("multiAssetsMargin")
        wanted = params.flag("multiAssetsMargin")
        if wanted == self.multi_assets:
            text = "Adjusted asset mode is currently set and does not need to be adjusted repeatedly."
            raise Refusal(-4171, text)
        if wanted and any(self.is_isolated(each.native) for each in self.core.positions.values()):
            raise Refusal(
                -4167,
                "Unable to adjust to Multi-Assets mode with symbols of USDⓈ-M Futures under isolated-margin mode.",
            )
        self.multi_assets = wanted
        return dict(_DONE)

    def symbol_config(self, params: Params) -> list[Json]:
        native = params.maybe("symbol")
        natives = [self._spec_of(native).native] if native else list(self.core.specs)
        return [
            {"symbol": each, "marginType": self.core.margin[each], "isAutoAddMargin": False}
            | {"leverage": self.core.leverage[each], "maxNotionalValue": "1000000"}
            for each in natives
        ]

    def account_config(self, params: Params) -> Json:
        can = {"feeTier": 0, "canTrade": True, "canDeposit": True, "canWithdraw": True, "updateTime": 0}
        modes = {"dualSidePosition": self.core.hedged, "multiAssetsMargin": self.multi_assets, "tradeGroupId": -1}
        return can | modes

    def leverage_bracket(self, params: Params) -> Json | list[Json]:
        native = params.maybe("symbol")
        if native is not None:
            return self._brackets(self._spec_of(native))
        return [self._brackets(spec) for spec in self.core.specs.values()]

    @staticmethod
    def _brackets(spec: Spec) -> Json:
        row: Json = {"bracket": 1, "initialLeverage": spec.max_leverage, "notionalCap": 5_000_000, "notionalFloor": 0}
        row |= {"maintMarginRatio": float(spec.maintenance), "cum": 0.0}
        return {"symbol": spec.native, "notionalCoef": 1.5, "brackets": [row]}

    def commission_rate(self, params: Params) -> Json:
        spec = self._spec_of(params.text("symbol"))
        rates = {"makerCommissionRate": shown(spec.maker_fee), "takerCommissionRate": shown(spec.taker_fee)}
        return {"symbol": spec.native} | rates | {"rpiCommissionRate": shown(spec.maker_fee)}

    def read_fee_burn(self, params: Params) -> Json:
        return {"feeBurn": self.fee_burn}

    def set_fee_burn(self, params: Params) -> Json:
        params.text("feeBurn")
        self.fee_burn = params.flag("feeBurn")
        return dict(_DONE)

    def api_restrictions(self, params: Params) -> Json:
        return dict(self.permissions)
