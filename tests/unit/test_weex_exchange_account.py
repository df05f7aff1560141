"""The emulated WEEX: who is let in, its market, its terms, its bills, the record of the AI."""

import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import ccxt.pro as ccxt
import pytest

from tests.fakes.weex_exchange_rows import plain
from tests.weex_stage import BTC, on_stage

# --- the door -------------------------------------------------------------------------------------------------------


async def test_a_wrong_signature_is_refused() -> None:
    async with on_stage(credentials={"secret": "another"}) as stage:
        with pytest.raises(ccxt.AuthenticationError, match="-1047"):
            await stage.client.fetch_balance()


@pytest.mark.parametrize(("credentials", "code"), [({"apiKey": "no"}, "-1044"), ({"password": "no"}, "-1049")])
async def test_a_wrong_key_or_passphrase_is_refused(credentials: dict[str, str], code: str) -> None:
    async with on_stage(credentials=credentials) as stage:
        with pytest.raises(ccxt.AuthenticationError, match=code):
            await stage.client.fetch_balance()


@pytest.mark.parametrize("skew", [31_000, -31_000])
async def test_a_clock_more_than_thirty_seconds_off_is_refused(skew: int) -> None:
    async with on_stage() as stage:
        stage.weex.skew_ms = skew
        with pytest.raises(ccxt.BadRequest, match="-1046"):
            await stage.client.fetch_balance()
        stage.weex.skew_ms = skew // 31 * 29
        assert (await stage.client.fetch_balance())["USDT"]["free"] == 10_000


async def test_the_signature_covers_query_and_body_to_the_byte() -> None:
    async with on_stage() as stage:
        stamp = str(stage.weex.server_time())
        signed = stage.weex.gate.signature(stamp + "GET/capi/v3/openOrders?symbol=BTCUSDT&limit=5")
        headers = {"ACCESS-KEY": "key", "ACCESS-PASSPHRASE": "pass", "ACCESS-TIMESTAMP": stamp, "ACCESS-SIGN": signed}
        url = "https://api-contract.weex.com/capi/v3/openOrders?"
        async with stage.http.get(url + "symbol=BTCUSDT&limit=5", headers=headers) as answer:
            assert answer.status == 200
        async with stage.http.get(url + "limit=5&symbol=BTCUSDT", headers=headers) as answer:
            assert (await answer.json())["code"] == -1047


async def test_an_address_that_is_not_allowed_gets_521() -> None:
    async with on_stage() as stage:
        stage.weex.ip_ok = False
        with pytest.raises(ccxt.ExchangeNotAvailable):
            await stage.client.fetch_balance()
        stage.weex.ip_as_code = True
        with pytest.raises(ccxt.PermissionDenied, match="-1056"):
            await stage.client.fetch_balance()


async def test_more_weight_or_orders_than_allowed_is_429_and_does_nothing() -> None:
    async with on_stage() as stage:
        stage.weex.gate.order_limit = 2
        for number in range(3):
            await stage.order(f"gv-{number}-e0")
        assert (stage.status, len(stage.core.orders)) == (429, 2)
        stage.clock.ahead += 11_000
        stage.weex.gate.weight_limit = 40
        await stage.ask("GET", "market/ticker/24hr", symbol="BTCUSDT")
        await stage.ask("GET", "market/time")
        assert (stage.status, stage.weex.gate.refused_for_speed) == (429, 2)


async def test_used_weight_is_told_in_the_headers() -> None:
    async with on_stage() as stage:
        url = "https://api-contract.weex.com/capi/v3/market/depth?symbol=BTCUSDT&limit=15"
        for used in ("1", "2"):
            async with stage.http.get(url) as answer:
                assert answer.headers["X-USED-WEIGHT-1M"] == used


async def test_what_the_key_may_not_do_is_refused() -> None:
    async with on_stage() as stage:
        stage.weex.permissions["trade"] = False
        assert (await stage.order())["code"] == -1052
        assert (await stage.ask("GET", "account/accountConfig"))["canTrade"] is False


async def test_a_symbol_that_is_not_traded_through_the_api_can_be_read_only() -> None:
    async with on_stage() as stage:
        stage.core.specs["LTCUSDT"] = replace(stage.core.specs["LTCUSDT"], api=False)
        assert "LTCUSDT" not in await stage.ask("GET", "market/apiTradingSymbols")
        assert (await stage.order(symbol="LTCUSDT", quantity="1"))["code"] == -1058
        assert (await stage.ask("GET", "market/symbolPrice", symbol="LTCUSDT"))["symbol"] == "LTCUSDT"


# --- the market -----------------------------------------------------------------------------------------------------


async def test_candles_have_eleven_columns_and_say_what_takers_bought() -> None:
    async with on_stage() as stage:
        rows = await stage.ask("GET", "market/klines", symbol="BTCUSDT", interval="5m", limit=3)
        assert [len(row) for row in rows] == [11, 11, 11]
        assert [row[0] for row in rows] == sorted(row[0] for row in rows)
        assert all(row[6] - row[0] == 300_000 and Decimal(row[9]) <= Decimal(row[5]) for row in rows)
        assert (await stage.ask("GET", "market/klines", symbol="BTCUSDT", interval="5m", limit=1001))["code"] == -1140
        start = rows[0][0] - 300_000 * 150
        asked = {"symbol": "BTCUSDT", "interval": "5m", "startTime": start, "endTime": start + 300_000 * 149}
        old = await stage.ask("GET", "market/historyKlines", **asked)
        assert (len(old), old[0][0]) == (100, start)
        assert (await stage.ask("GET", "market/historyKlines", **asked, limit=101))["code"] == -1140
        ohlcv = await stage.client.fetch_ohlcv(BTC, "5m", limit=3)
        assert [row[0] for row in ohlcv] == [row[0] for row in rows]


async def test_the_book_is_fifteen_or_two_hundred_levels_deep() -> None:
    async with on_stage() as stage:
        book = await stage.client.fetch_order_book(BTC, 200)
        assert (len(book["bids"]), len(book["asks"])) == (200, 200)
        assert book["bids"][0][0] < 96_000 < book["asks"][0][0]
        assert (await stage.ask("GET", "market/depth", symbol="BTCUSDT", limit=50))["code"] == -1140
        (touch,) = await stage.ask("GET", "market/ticker/bookTicker", symbol="BTCUSDT")
        assert (touch["bidPrice"], touch["askPrice"]) == ("95999.9", "96000.1")


async def test_padding_lists_as_many_more_symbols() -> None:
    async with on_stage(padding=642) as stage:
        await stage.client.load_markets()
        assert len(stage.client.symbols) == 650


async def test_funding_is_announced_paid_and_billed() -> None:
    async with on_stage() as stage:
        await stage.order()
        told = await stage.client.fetch_funding_rate(BTC)
        assert (told["fundingRate"], told["interval"]) == (0.0001, "8h")
        assert int(told["info"]["nextFundingTime"]) % (8 * 3_600_000) == 0
        stage.core.fund("BTCUSDT", Decimal("0.0003"))
        (paid,) = await stage.client.fetch_funding_history(BTC)
        assert paid["amount"] == -0.288
        (rate,) = await stage.ask("GET", "market/fundingRate", symbol="BTCUSDT", limit=1)
        assert rate["fundingRate"] == "0.00030000"
        bills = await stage.ask("POST", "account/income", limit=2)
        assert (bills["hasNextPage"], len(bills["items"])) == (False, 2)
        assert [each["incomeType"] for each in bills["items"]] == ["position_funding", "position_open_long"]
        (money,) = await stage.ask("GET", "account/balance")
        assert money["balance"] == bills["items"][0]["balance"]


async def test_a_liquidation_is_billed_and_leaves_nothing_open() -> None:
    async with on_stage(wallet=Decimal(100)) as stage:
        await stage.client.set_margin_mode("isolated", BTC)
        await stage.client.set_leverage(100, BTC, {"marginMode": "isolated"})
        await stage.order(slTriggerPrice="90000")
        stage.core.move("BTCUSDT", Decimal("94000"))
        assert await stage.ask("GET", "account/position/allPosition") == []
        bills = await stage.ask("POST", "account/income", incomeType="finish_liquidate")
        assert Decimal(bills["items"][-1]["income"]) < 0
        assert len(await stage.ask("GET", "openAlgoOrders")) == 1, "what stood by quantity stands on"


@pytest.mark.parametrize("seed", range(3))
async def test_fills_bills_and_balance_agree_to_the_last_digit(seed: int) -> None:
    dice = random.Random(seed)
    async with on_stage() as stage:
        for number in range(40):
            stage.clock.ahead += 1000
            side, held = dice.choice(["BUY", "SELL"]), dice.choice(["LONG", "SHORT"])
            size = plain(dice.randint(1, 400) * Decimal("0.0001"))
            await stage.order(f"gv-{number}-e0", side=side, positionSide=held, quantity=size)
            price = stage.core.last("BTCUSDT") * Decimal(dice.randint(990, 1010)) / 1000
            stage.core.move("BTCUSDT", price)
            if number % 10 == 9:
                stage.core.fund("BTCUSDT", Decimal(dice.randint(-5, 5)) / 10_000)
        fills = await stage.ask("GET", "userTrades")
        bills = (await stage.ask("POST", "account/income", limit=100))["items"]
        (money,) = await stage.ask("GET", "account/balance")
        earned = sum(Decimal(each["realizedPnl"]) - Decimal(each["commission"]) for each in fills)
        funding = sum(Decimal(each["income"]) for each in bills if each["incomeType"] == "position_funding")
        assert Decimal(money["balance"]) == 10_000 + earned + funding
        assert Decimal(money["balance"]) == 10_000 + sum(Decimal(each["income"]) for each in bills)
        shown = await stage.ask("GET", "account/position/allPosition")
        added_up = {held: _net(fills, held) for held in ("LONG", "SHORT")}
        open_now = {held: size for held, size in added_up.items() if size}
        assert {each["side"]: Decimal(each["size"]) for each in shown} == open_now


def _net(fills: list[Any], held: str) -> Decimal:
    opening = "BUY" if held == "LONG" else "SELL"
    of_side = [each for each in fills if each["positionSide"] == held]
    return sum((Decimal(each["qty"]) * (1 if each["side"] == opening else -1) for each in of_side), Decimal(0))


# --- terms ----------------------------------------------------------------------------------------------------------


async def test_leverage_is_kept_for_each_margin_mode_and_side() -> None:
    async with on_stage() as stage:
        await stage.client.set_margin_mode("isolated", BTC)
        await stage.client.set_leverage(8, BTC, {"marginMode": "isolated"})
        told = await stage.client.fetch_leverage(BTC)
        assert (told["marginMode"], told["longLeverage"], told["info"]["crossLeverage"]) == ("isolated", 8, "20.00")
        await stage.order()
        (held,) = await stage.ask("GET", "account/position/allPosition")
        assert (held["marginType"], held["leverage"], Decimal(held["liquidatePrice"]) > 80_000) == (
            "ISOLATED",
            "8.00",
            True,
        )
        with pytest.raises(ccxt.InvalidOrder, match="-3313"):
            await stage.client.set_leverage(401, BTC, {"marginMode": "isolated"})
        with pytest.raises(ccxt.BadRequest, match="-1128"):
            await stage.client.set_margin_mode("cross", BTC)


async def test_another_leverage_sets_other_margin_aside_for_what_is_open() -> None:
    async with on_stage(wallet=Decimal(100)) as stage:
        await stage.order()
        wanted = {"symbol": "BTCUSDT", "marginType": "CROSSED"}
        await stage.ask("POST", "account/leverage", **wanted, crossLeverage=40)
        assert stage.core.positions["BTCUSDT", "LONG"].margin < 25
        assert (await stage.ask("POST", "account/leverage", **wanted, crossLeverage=5))["code"] == -1054
        assert (await stage.ask("GET", "account/symbolConfig", symbol="BTCUSDT"))[0]["crossLeverage"] == "40.00"


async def test_to_set_what_is_set_already_is_success() -> None:
    async with on_stage() as stage:
        for _ in range(2):
            told = await stage.ask("POST", "account/marginType", symbol="BTCUSDT", marginType="ISOLATED")
            assert told["code"] == "200"
            wanted = {"isolatedLongLeverage": 5, "isolatedShortLeverage": 5}
            told = await stage.ask("POST", "account/leverage", symbol="BTCUSDT", marginType="ISOLATED", **wanted)
            assert told["isolatedShortLeverage"] == "5"


# --- the record of the AI -------------------------------------------------------------------------------------------


async def test_an_ai_log_is_taken_from_listed_accounts_only_and_checked() -> None:
    async with on_stage() as stage:
        log = {
            "orderId": None,
            "stage": "Decision Making",
            "model": "m-1",
            "input": {"a": 1},
            "output": {"b": 2},
            "explanation": "Because.",
        }
        assert (await stage.ask("POST", "order/uploadAiLog", **log))["code"] == -1052
        stage.weex.permissions["ai_log"] = True
        told = await stage.ask("POST", "order/uploadAiLog", **log)
        assert (told["code"], told["data"]) == ("00000", "upload success")
        assert (await stage.ask("POST", "order/uploadAiLog", **{**log, "explanation": "x" * 1001}))["code"] == -1140
        assert (await stage.ask("POST", "order/uploadAiLog", **{**log, "input": "text"}))["code"] == -1142
        assert stage.weex.ai_logs == [log]
