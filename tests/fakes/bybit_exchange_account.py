"""Bybit V5's position and account endpoints, and what a key may do."""

from collections.abc import Callable
from decimal import Decimal

from tests.fakes.bybit_exchange_book import Book, BybitRefusal, Params, paged, refusal, window
from tests.fakes.bybit_exchange_rows import SIDES, fill_uuid, funding_uuid, order_uuid, text
from tests.fakes.bybit_exchange_trade import linear, linear_category, number
from tests.fakes.exchange_core import CoreFill, CoreIncome, Refused

ZERO = Decimal(0)
PERMISSIONS: Params = {
    "readOnly": 0,
    "permissions": {
        "ContractTrade": ["Order", "Position"],
        "Spot": [],
        "Wallet": [],
        "Options": [],
        "Derivatives": ["DerivativesTrade"],
        "CopyTrading": [],
        "BlockTrade": [],
        "Exchange": [],
        "NFT": [],
        "Affiliate": [],
        "Earn": [],
    },
    "ips": ["127.0.0.1"],
    "type": 1,
    "deadlineDay": 83,
    "expiredAt": "2099-05-15T03:13:24Z",
    "createdAt": "2026-02-15T03:13:24Z",
    "unified": 0,
    "uta": 1,
    "isMaster": True,
}


class Account:
    """`key`: the answer of user/query-api. `unified_status`: 5 and 6 are UTA 2.0."""

    def __init__(self, book: Book, *, key: Callable[[], Params], now: Callable[[], int]) -> None:
        self._book = book
        self._core = book.core
        self._now = now
        self._key = key
        self.unified_status = 6

    @property
    def isolated(self) -> bool:
        return all(mode == "ISOLATED" for mode in self._core.margin.values())

    # --- positions --------------------------------------------------------------------------------------------------

    def positions(self, query: Params) -> Params:
        """With a symbol also what is flat; with settleCoin only what is open; 20 a page without `limit`."""
        linear_category(query)
        if query.get("symbol"):
            natives = [linear(self._book, query)]
        elif query.get("settleCoin"):
            held = {native for native, _ in self._core.positions}
            natives = [native for native in self._core.specs if native in held and query["settleCoin"] == "USDT"]
        else:
            raise BybitRefusal(10001, "Missing some parameters that must be filled in, symbol or settleCoin")
        rows = [self._book.position(native, self._book.held(native)) for native in natives]
        return {"category": "linear"} | paged(rows, lambda row: row["symbol"], query, most=200, usual=20)

    def set_leverage(self, body: Params) -> Params:
        native = linear(self._book, body)
        buy, sell = number(body, "buyLeverage"), number(body, "sellLeverage")
        if buy != sell or buy != int(buy) or not isinstance(body["buyLeverage"], str):
            raise BybitRefusal(10001, "buy leverage invalid")
        try:
            self._core.set_leverage(native, int(buy))
        except Refused as refused:
            if refused.kind == "unchanged":
                raise BybitRefusal(110043, "leverage not modified") from None
            raise refusal(refused) from None
        return {}

    def switch_mode(self, body: Params) -> Params:
        linear_category(body)
        if body.get("mode") not in (0, 3) or not (body.get("symbol") or body.get("coin")):
            raise BybitRefusal(10001, "Request parameter error: mode, symbol or coin")
        try:
            self._core.set_position_mode(body["mode"] == 3)
        except Refused as refused:
            if refused.kind == "unchanged":
                raise BybitRefusal(110025, "Position mode is not modified") from None
            if self._core.positions:
                text = "You have an existing position, so position mode cannot be switched"
                raise BybitRefusal(110024, text) from None
            raise BybitRefusal(110028, "Open orders exist, so you cannot change position mode") from None
        return {}

    # --- the account ------------------------------------------------------------------------------------------------

    def wallet(self, query: Params) -> Params:
        if query.get("accountType") != "UNIFIED":
            raise BybitRefusal(10001, "accountType only support UNIFIED.")
        coins = query.get("coin", "USDT").split(",")
        return {"list": [self.wallet_row(shown="USDT" in coins)]}

    def wallet_row(self, *, shown: bool = True) -> Params:
        """In isolated margin mode there are no margin numbers of the whole account: they are empty."""
        core = self._core
        equity = core.wallet + core.unrealised()
        used = sum((each.margin for each in core.positions.values()), ZERO)
        orders = core.wallet - used - core.available()
        account = {
            "accountIMRate": "0",
            "accountMMRate": "0",
            "totalMarginBalance": text(equity),
            "totalAvailableBalance": text(core.available()),
            "totalInitialMargin": text(used + orders),
            "totalMaintenanceMargin": "0",
        }
        if self.isolated:
            account = dict.fromkeys(account, "")
        return account | {
            "accountType": "UNIFIED",
            "accountLTV": "0",
            "totalEquity": text(equity),
            "totalWalletBalance": text(core.wallet),
            "totalPerpUPL": text(core.unrealised()),
            "coin": [self._coin(equity, used, orders)] if shown else [],
        }

    def _coin(self, equity: Decimal, used: Decimal, orders: Decimal) -> Params:
        return {
            "coin": "USDT",
            "equity": text(equity),
            "usdValue": text(equity),
            "walletBalance": text(self._core.wallet),
            "free": "",
            "locked": "0",
            "borrowAmount": "0",
            "availableToBorrow": "",
            "availableToWithdraw": "",
            "accruedInterest": "0",
            "totalOrderIM": text(orders),
            "totalPositionIM": text(used),
            "totalPositionMM": "0",
            "unrealisedPnl": text(self._core.unrealised()),
            "cumRealisedPnl": "0",
            "bonus": "0",
            "marginCollateral": True,
            "collateralSwitch": True,
            "spotHedgingQty": "0",
        }

    def info(self, query: Params) -> Params:
        return {
            "marginMode": "ISOLATED_MARGIN" if self.isolated else "REGULAR_MARGIN",
            "updatedTime": "1697078946000",
            "unifiedMarginStatus": self.unified_status,
            "dcpStatus": "OFF",
            "timeWindow": 10,
            "smpGroup": 0,
            "isMasterTrader": False,
            "spotHedgingStatus": "OFF",
        }

    def set_margin_mode(self, body: Params) -> Params:
        """Of the whole account. The mode that it has already is accepted."""
        mode = body.get("setMarginMode")
        if mode not in ("ISOLATED_MARGIN", "REGULAR_MARGIN"):
            raise BybitRefusal(10001, "Request parameter error: setMarginMode")
        if (mode == "ISOLATED_MARGIN") != self.isolated and (self._core.positions or self._core.working()):
            reasons = [{"reasonCode": "3400091", "reasonMsg": "You have open positions or orders"}]
            raise BybitRefusal(3400045, "Set margin mode failed", result={"reasons": reasons})
        for native in self._core.specs:
            self._core.margin[native] = "ISOLATED" if mode == "ISOLATED_MARGIN" else "CROSSED"
        return {"reasons": []}

    def fee_rate(self, query: Params) -> Params:
        linear_category(query)
        natives = [linear(self._book, query)] if query.get("symbol") else list(self._core.specs)
        specs = [self._core.specs[native] for native in natives]
        return {
            "category": "linear",
            "list": [
                {
                    "symbol": spec.native,
                    "baseCoin": "",
                    "takerFeeRate": text(spec.taker_fee),
                    "makerFeeRate": text(spec.maker_fee),
                }
                for spec in specs
            ],
        }

    def query_api(self, query: Params) -> Params:
        named = {"id": "13770661", "note": "test", "secret": "", "userID": 24617703}
        return named | self._key() | {"inviterID": 0, "vipLevel": "No VIP", "mktMakerLevel": "0", "affiliateID": 0}

    # --- what moved the wallet --------------------------------------------------------------------------------------

    def transactions(self, query: Params) -> Params:
        """Newest first: trades with their fee, settlements of funding, transfers."""
        if query.get("accountType", "UNIFIED") != "UNIFIED":
            raise BybitRefusal(10001, "accountType only support UNIFIED.")
        start, end = window(query, self._now())
        rows = [row for row in self._entries() if start <= int(row["transactionTime"]) <= end]
        for name, field in (("type", "type"), ("currency", "currency"), ("category", "category")):
            if wanted := query.get(name):
                rows = [row for row in rows if row[field] in (wanted, "")]
        return paged(rows[::-1], lambda row: row["id"], query, most=50, usual=20)

    def _entries(self) -> list[Params]:
        """Oldest first. One row a fill, whatever it booked."""
        core = self._core
        fills = {fill.id: fill for fill in core.fills}
        moves: list[tuple[int, Params, Decimal]] = [
            (fill.at, self._trade(fill), fill.realised - fill.fee) for fill in fills.values()
        ]
        moves += [(each.at, _other(each), each.amount) for each in core.incomes if each.fill is None]
        moves.sort(key=lambda move: move[0])
        cash = core.wallet - sum((change for _, _, change in moves), ZERO)
        rows = []
        for at, row, change in moves:
            cash += change
            rows.append(row | {"change": text(change), "cashBalance": text(cash), "transactionTime": str(at)})
        return rows

    def _trade(self, fill: CoreFill) -> Params:
        order = self._book.root(fill.order)
        spec = self._core.specs[fill.native]
        return _entry(
            f"{fill_uuid(fill.id)}_trade",
            kind="LIQUIDATION" if fill.liquidation else "TRADE",
            native=fill.native,
        ) | {
            "side": SIDES[fill.side],
            "qty": text(fill.quantity),
            "size": text(fill.quantity),
            "tradePrice": text(fill.price),
            "fee": text(fill.fee),
            "feeRate": text(spec.maker_fee if fill.maker else spec.taker_fee),
            "cashFlow": text(fill.realised),
            "tradeId": fill_uuid(fill.id),
            "orderId": order_uuid(order.id),
            "orderLinkId": order.client_id,
        }


def _other(income: CoreIncome) -> Params:
    if income.kind == "FUNDING":
        told = {
            "funding": text(income.amount),
            "feeRate": text(income.rate or ZERO),
            "tradeId": funding_uuid(income.id),
        }
        return _entry(f"{funding_uuid(income.id)}_funding", kind="SETTLEMENT", native=income.native) | told
    kind = "TRANSFER_IN" if income.amount > 0 else "TRANSFER_OUT"
    return _entry(f"{income.id}_transfer", kind=kind, native="") | {"cashFlow": text(income.amount)}


def _entry(identity: str, *, kind: str, native: str) -> Params:
    return {
        "id": identity,
        "symbol": native,
        "category": "linear" if native else "",
        "side": "None",
        "type": kind,
        "transSubType": "",
        "qty": "0",
        "size": "0",
        "currency": "USDT",
        "tradePrice": "0",
        "funding": "",
        "fee": "0",
        "cashFlow": "0",
        "feeRate": "0",
        "bonusChange": "",
        "tradeId": "",
        "orderId": "",
        "orderLinkId": "",
        "extraFees": "",
    }
