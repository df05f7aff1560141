"""The emulated Bybit V5 under a random walk: whatever is asked of it, its books agree with each other."""

import random
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pytest

from tests.fakes.bybit_exchange import BybitExchange
from tests.fakes.bybit_exchange_book import BybitRefusal
from tests.fakes.exchange_core import Core

NATIVES = ("BTCUSDT", "ETHUSDT", "DOGEUSDT")
STEPS = 250
LEVELS = {"StopLoss", "TakeProfit"}


class Walk:
    """Somebody who does anything at all, from a seed."""

    def __init__(self, seed: int) -> None:
        self.at = 1_790_000_000_000
        self.dice = random.Random(seed)
        self.core = Core(now=lambda: self.at)
        self.front = BybitExchange(self.core, clock=lambda: self.at)
        self.refused: set[int] = set()
        self._count = 0

    def step(self) -> None:
        self.at += self.dice.randint(1, 5000)
        native = self.dice.choice(NATIVES)
        acts: tuple[Callable[[str], Any], ...] = (self.order, self.move, self.levels, self.cancel, self.fund, self.thin)
        act = self.dice.choices(acts, weights=(9, 9, 3, 2, 1, 1))[0]
        try:
            act(native)
        except BybitRefusal as refused:
            self.refused.add(refused.code)

    def price(self, native: str, low: float, high: float) -> Decimal:
        tick = self.core.specs[native].tick
        return self.core.last(native) * Decimal(str(self.dice.uniform(low, high))) // tick * tick

    def order(self, native: str) -> None:
        self._count += 1
        long = self.dice.random() < 0.5
        quantity = self.core.specs[native].step * self.dice.randint(1, 9)
        body: dict[str, Any] = {"category": "linear", "symbol": native, "orderType": "Market", "qty": f"{quantity:f}"}
        body |= {"side": "Buy" if long else "Sell", "orderLinkId": f"gv-{self._count}"}
        if self.dice.random() < 0.4:
            body |= {"orderType": "Limit", "price": str(self.price(native, 0.97, 1.03))}
        if self.dice.random() < 0.3:
            body["reduceOnly"] = True
        elif self.dice.random() < 0.5:
            low, high = self.price(native, 0.94, 0.96), self.price(native, 1.04, 1.06)
            body |= {"stopLoss": str(low if long else high), "takeProfit": str(high if long else low)}
            body["slTriggerBy"] = self.dice.choice(("MarkPrice", "LastPrice"))
        self.front.trade.create(body)

    def move(self, native: str) -> None:
        self.core.move(native, self.price(native, 0.985, 1.015))

    def levels(self, native: str) -> None:
        level = self.dice.choice(("0", str(self.price(native, 0.95, 1.05))))
        body = {"category": "linear", "symbol": native, "tpslMode": "Full", "positionIdx": 0}
        self.front.trade.trading_stop(body | {self.dice.choice(("stopLoss", "takeProfit")): level})

    def cancel(self, native: str) -> None:
        if rows := self.standing(native):
            body = {"category": "linear", "symbol": native, "orderId": self.dice.choice(rows)["orderId"]}
            self.front.trade.cancel(body)

    def fund(self, native: str) -> None:
        self.core.fund(native, Decimal("0.0001"))

    def thin(self, native: str) -> None:
        self.core.liquidity = self.dice.choice((None, {native: self.core.specs[native].step * 3}))

    def standing(self, native: str) -> list[dict[str, Any]]:
        return self.front.trade.realtime({"category": "linear", "symbol": native, "limit": "50"})["list"]

    def executions(self) -> list[dict[str, Any]]:
        query, rows = {"category": "linear", "limit": "100"}, []
        while True:
            page = self.front.trade.executions(query)
            rows += page["list"]
            if not page["nextPageCursor"]:
                return rows
            query["cursor"] = unquote(page["nextPageCursor"])


@pytest.mark.parametrize("seed", range(4))
def test_levels_stand_only_where_a_position_is_and_cover_all_of_it(seed: int) -> None:
    walk = Walk(seed)
    for _ in range(STEPS):
        walk.step()
        for native in NATIVES:
            rows = [row for row in walk.standing(native) if row["stopOrderType"] in LEVELS]
            held = walk.front.book.held(native)
            shown = walk.front.book.position(native, held)
            told = {name for name, field in (("StopLoss", "stopLoss"), ("TakeProfit", "takeProfit")) if shown[field]}
            assert {row["stopOrderType"] for row in rows} == told
            assert len(rows) == len(told)
            if held is not None:
                assert all(Decimal(row["qty"]) == held.quantity for row in rows)
                assert all((row["side"] == "Sell") == (held.direction == "LONG") for row in rows)
            else:
                assert not rows


@pytest.mark.parametrize("seed", range(4))
def test_executions_add_up_to_the_wallet_the_positions_and_the_orders(seed: int) -> None:
    walk = Walk(seed)
    for _ in range(STEPS):
        walk.step()
    assert walk.refused <= {10001, 34040, 110003, 110007, 110009, 110017, 110094}
    rows = walk.executions()
    assert len({row["execId"] for row in rows}) == len(rows)
    assert sum(Decimal(row["execPnl"]) - Decimal(row["execFee"]) for row in rows) == walk.core.wallet - 10000
    net: defaultdict[str, Decimal] = defaultdict(Decimal)
    filled: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        if row["execType"] != "Funding":
            net[row["symbol"]] += Decimal(row["execQty"]) * (1 if row["side"] == "Buy" else -1)
            filled[row["orderId"]] += Decimal(row["execQty"])
    for native in NATIVES:
        held = walk.front.book.held(native)
        assert net[native] == (held.signed if held is not None else 0)
    for order in walk.front.book.rows(lambda order: True):
        assert Decimal(order["cumExecQty"]) == filled[order["orderId"]]
        if order["orderStatus"] == "Filled":
            assert order["cumExecQty"] == order["qty"]
