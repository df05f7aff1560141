"""WEEX V3, the account: money, positions, fills, funding, and the terms instruments are traded under."""

from datetime import datetime

from trading.errors import GavelError
from trading.market.series import to_ms
from trading.model import ZERO, Direction, Side, Symbol
from trading.venues.exchange.parsing import Garbled, Row
from trading.venues.exchange.weex_names import DAY, QUOTE, Span, WeexBase, distinct, now_ms, read_rows, whole
from trading.venues.exchange.weex_orders import done
from trading.venues.exchange.wire import (
    Execution,
    Finding,
    Grade,
    Held,
    Lane,
    Margin,
    Payment,
    Purse,
    Terms,
)

FILLS = 100  # userTrades, one answer
FILL_DAYS = 7 * DAY  # its longest range
BILLS = 100  # account/income, one answer
BILL_DAYS = 90 * DAY  # a hundred are allowed
FUNDING = "position_funding"
MARGINS = {"ISOLATED": Margin.ISOLATED, "CROSSED": Margin.CROSS}


class WeexAccount(WeexBase):
    async def purse(self) -> Purse:
        found = await read_rows(
            self._trade, "contractPrivateGetCapiV3AccountBalance", {}, cost=10, where="weex balance"
        )
        for row in found:
            if row.maybe("asset") == QUOTE:
                return Purse(wallet=row.number("balance"), available=row.number("availableBalance"))
        raise Garbled(f"weex balance: {QUOTE} is not in the answer")

    async def positions(self) -> tuple[Held, ...]:
        found = await read_rows(
            self._trade, "contractPrivateGetCapiV3AccountPositionAllPosition", {}, cost=15, where="weex position"
        )
        return tuple(self._held(row) for row in found if row.number("size") != 0)

    async def executions(self, since: datetime, symbol: Symbol | None) -> tuple[Execution, ...]:
        asked = {} if symbol is None else {"symbol": self._native(symbol)}

        async def span(start: int, end: int) -> tuple[list[Row], bool]:
            found = await read_rows(
                self._trade,
                "contractPrivateGetCapiV3UserTrades",
                {**asked, "startTime": start, "endTime": end, "limit": FILLS},
                cost=5,
                where="weex fill",
            )
            return found, len(found) >= FILLS

        found = distinct(await self._ranges(span, since, FILL_DAYS), "id")
        fills = (self._execution(row) for row in found)
        return tuple(sorted((f for f in fills if f.at >= since), key=lambda f: (f.at, len(f.trade), f.trade)))

    async def payments(self, since: datetime) -> tuple[Payment, ...]:
        async def span(start: int, end: int) -> tuple[list[Row], bool]:
            asked = {"incomeType": FUNDING, "startTime": start, "endTime": end, "limit": BILLS}
            answer = await self._trade.read("contractPrivatePostCapiV3AccountIncome", asked, cost=5)
            row = Row(answer, "weex income")
            return row.rows("items"), row.flag("hasNextPage")

        found = distinct(await self._ranges(span, since, BILL_DAYS), "billId")
        paid = (self._payment(row) for row in found if row.text("incomeType") == FUNDING)
        return tuple(sorted((p for p in paid if p.at >= since), key=lambda p: (p.at, p.id)))

    async def _ranges(self, span: Span, since: datetime, longest: int) -> list[Row]:
        """From `since` to the present, in ranges that the exchange allows. Both ends are given: one alone is refused by
        some endpoints."""
        found: list[Row] = []
        start, present = to_ms(since), now_ms(self._trade)
        while start <= present:
            end = min(start + longest - 1, present)
            found += await whole(span, start, end)
            start = end + 1
        return found

    # --- terms ---

    async def terms(self, symbol: Symbol) -> Terms:
        native = self._native(symbol)
        found = await read_rows(
            self._trade,
            "contractPrivateGetCapiV3AccountSymbolConfig",
            {"symbol": native},
            cost=10,
            where="weex symbolConfig",
        )
        row = next((row for row in found if row.maybe("symbol") == native), None)
        if row is None:
            raise Garbled(f"weex symbolConfig: {native} is not in the answer")
        margin = MARGINS.get(row.text("marginType"))
        if margin is None:
            raise Garbled(f"weex symbolConfig: marginType is {row.text('marginType')[:30]!r}")
        # There is no one-way mode: COMBINED means one position a side, and the desk opens one side only.
        return Terms(leverage=_leverage(row, margin), margin=margin, one_way=row.text("separatedType") == "COMBINED")

    async def set_leverage(self, symbol: Symbol, leverage: int) -> None:
        """Without `marginType` the leverage of the cross margin would be set."""
        asked = {
            "symbol": self._native(symbol),
            "marginType": "ISOLATED",
            "isolatedLongLeverage": leverage,
            "isolatedShortLeverage": leverage,
        }
        answer = await self._trade.write("contractPrivatePostCapiV3AccountLeverage", asked, lane=Lane.ENTRY, cost=20)
        if not (isinstance(answer, dict) and answer.get("symbol") == asked["symbol"]):  # it echoes what is so now
            done(answer, "leverage")

    async def set_isolated(self, symbol: Symbol, leverage: int) -> None:  # noqa: ARG002
        """`leverage` is set for itself: this endpoint knows none."""
        await self._set_mode(symbol)

    async def set_one_way(self, symbol: Symbol) -> None:
        """One endpoint sets margin and merging together, so both are given as they are wanted."""
        await self._set_mode(symbol)

    async def _set_mode(self, symbol: Symbol) -> None:
        asked = {"symbol": self._native(symbol), "marginType": "ISOLATED", "separatedType": "COMBINED"}
        answer = await self._trade.write("contractPrivatePostCapiV3AccountMarginType", asked, lane=Lane.ENTRY, cost=50)
        done(answer, "marginType")

    # --- the examination ---

    async def examine_key(self) -> tuple[Finding, ...]:
        try:
            answer = await self._trade.read("contractPrivateGetCapiV3AccountAccountConfig", {}, cost=10)
            config = Row(answer, "weex accountConfig")
        except GavelError as error:
            return (_unreadable(error),)
        return _trading(config), _withdrawals()

    # --- parsing ---

    def _held(self, row: Row) -> Held:
        size = row.number("size")
        try:
            direction = Direction(row.text("side").lower())
        except ValueError as error:
            raise Garbled(f"{row.where}: {error}") from None
        return Held(
            symbol=self._symbol(row.text("symbol"), row.maybe("asset") or QUOTE),
            direction=direction,
            quantity=abs(size),
            entry=row.number("openValue") / abs(size),
            leverage=int(row.number("leverage")) if row.maybe("leverage") else None,
            liquidation=row.above_zero("liquidatePrice"),
        )

    def _execution(self, row: Row) -> Execution:
        asset = row.maybe("commissionAsset")
        in_quote = asset in ("", QUOTE)
        try:
            side = Side(row.text("side").lower())
        except ValueError as error:
            raise Garbled(f"{row.where}: {error}") from None
        return Execution(
            symbol=self._symbol(row.text("symbol")),
            trade=row.text("id"),
            order=row.text("orderId"),
            client_id="",
            side=side,
            quantity=row.number("qty"),
            price=row.number("price"),
            fee=row.number("commission") if in_quote else ZERO,
            at=row.at("time"),
            maker=row.flag("maker"),
            realised=row.maybe_number("realizedPnl"),
            fee_asset="" if in_quote else asset,
        )

    def _payment(self, row: Row) -> Payment:
        return Payment(
            symbol=self._symbol(row.text("symbol"), row.maybe("asset") or QUOTE),
            id=row.text("billId"),
            at=row.at("time"),
            amount=row.number("income"),
        )


def _leverage(row: Row, margin: Margin) -> int | None:
    """None where the two sides differ."""
    if margin is Margin.CROSS:
        return int(row.number("crossLeverage"))
    long, short = row.number("isolatedLongLeverage"), row.number("isolatedShortLeverage")
    return int(long) if long == short else None


def _unreadable(error: Exception) -> Finding:
    return Finding(
        name="key",
        grade=Grade.ERROR,
        detail=f"the account cannot be read: {error}",
        mend="check key, secret, passphrase and the list of allowed addresses; a new key takes up to 15 minutes",
    )


def _trading(config: Row) -> Finding:
    if config.maybe("canTrade").lower() == "false":
        mend = "tick the permission for futures on the key's page"
        return Finding(name="trading", grade=Grade.ERROR, detail="the account may not trade futures", mend=mend)
    return Finding(name="trading", grade=Grade.OK, detail="the futures account is readable")


def _withdrawals() -> Finding:
    """`canWithdraw` is about the account: nothing tells what the key may do."""
    return Finding(
        name="withdrawals",
        grade=Grade.WARNING,
        detail="WEEX does not tell whether this key may withdraw",
        mend="look at the key's page: only reading and futures should be ticked, with a list of allowed addresses",
    )
