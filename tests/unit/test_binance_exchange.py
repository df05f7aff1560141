"""The emulated Binance USD-M under the real client: its market, its gate and the account."""

from decimal import Decimal

import ccxt.pro
import pytest

from tests.fakes.binance_exchange_desk import BTC, desk, wall

# --- the market ---


async def test_the_real_client_reads_the_eight_markets_with_their_steps() -> None:
    async with desk() as at:
        markets = await at.client.load_markets()
        assert {each["base"] for each in markets.values() if each["swap"]} == {
            *["BTC", "ETH", "SOL", "DOGE", "XRP", "ADA", "BNB", "LTC"]
        }
        assert markets["DOGE/USDT:USDT"]["precision"]["amount"] == 100
        assert markets[BTC]["limits"]["market"]["max"] == 100


async def test_further_markets_are_listed_on_demand() -> None:
    async with desk(padding=50) as at:
        assert len(await at.client.load_markets()) == 59


async def test_candles_have_twelve_columns_and_tell_what_takers_bought() -> None:
    async with desk() as at:
        rows = await at.client.fapiPublicGetKlines({"symbol": "BTCUSDT", "interval": "5m", "limit": 3})
        assert [len(row) for row in rows] == [12, 12, 12]
        assert all(0 <= Decimal(row[9]) <= Decimal(row[5]) for row in rows)
        again = await at.client.fapiPublicGetKlines(
            {"symbol": "BTCUSDT", "interval": "5m", "startTime": rows[0][0], "limit": 2}
        )
        assert [row[0] for row in again] == [rows[0][0], rows[1][0]]
        assert await at.code("fapiPublicGetKlines", symbol="BTCUSDT", interval="7m") == -1120
        assert await at.code("fapiPublicGetKlines", symbol="NONEUSDT", interval="5m") == -1121


async def test_quotes_the_book_and_funding_agree_with_the_market() -> None:
    async with desk() as at:
        at.core.move("BTCUSDT", Decimal(97_000))
        ticker = await at.client.fapiPublicGetTickerBookTicker({"symbol": "BTCUSDT"})
        book = await at.client.fapiPublicGetDepth({"symbol": "BTCUSDT", "limit": 10})
        premium = await at.client.fapiPublicGetPremiumIndex({"symbol": "BTCUSDT"})
        assert Decimal(ticker["bidPrice"]) == at.core.bid("BTCUSDT") == Decimal(book["bids"][0][0])
        assert len(book["asks"]) == 10
        assert Decimal(premium["markPrice"]) == 97_000
        assert int(premium["nextFundingTime"]) % 28_800_000 == 0
        assert await at.code("fapiPublicGetDepth", symbol="BTCUSDT", limit=7) == -4021
        assert await at.client.fapiPublicGetFundingInfo() == []
        rates = await at.client.fapiPublicGetFundingRate({"symbol": "BTCUSDT", "limit": 3})
        assert [int(each["fundingTime"]) % 28_800_000 for each in rates] == [0, 0, 0]


# --- the gate ---


async def test_a_wrong_signature_is_refused() -> None:
    async with desk(keys=("key", "another secret")) as at:
        with pytest.raises(ccxt.pro.AuthenticationError, match="-1022"):
            await at.client.fapiPrivateV3GetBalance()


async def test_an_unknown_key_and_a_foreign_address_are_refused_alike() -> None:
    async with desk(keys=("stranger", "secret")) as at:
        assert await at.code("fapiPrivateV3GetBalance") == -2015
        async with at.http.get("https://fapi.binance.com/fapi/v3/balance") as answer:
            assert (answer.status, (await answer.json())["code"]) == (401, -2014)
    async with desk() as at:
        at.front.ip_ok = False
        assert await at.code("fapiPrivateV3GetBalance") == -2015


@pytest.mark.parametrize(("skew", "code"), [(12_000, -1021), (-2_000, -1021), (4_000, 0), (-500, 0)])
async def test_a_clock_that_is_off_is_refused(skew: int, code: int) -> None:
    async with desk() as at:
        at.front.skew_ms = skew
        assert await at.code("fapiPrivateV3GetBalance") == code
        told = await at.client.fapiPublicGetTime()
        assert abs(int(told["serverTime"]) - wall() - skew) < 1_000


async def test_what_was_just_done_is_seen_at_once_however_the_clock_is_off() -> None:
    async with desk() as at:
        at.front.skew_ms = -30_000
        at.client.options["timeDifference"] = 30_000
        placed = await at.buy()
        assert await at.code("fapiPrivateGetOrder", symbol="BTCUSDT", orderId=placed["orderId"]) == 0
        assert len(await at.client.fapiPrivateGetUserTrades({"symbol": "BTCUSDT"})) == 1


async def test_a_window_over_a_minute_is_refused() -> None:
    async with desk() as at:
        assert await at.code("fapiPrivateV3GetBalance", recvWindow=60_001) == -1131


async def test_weight_is_counted_told_and_refused_and_who_goes_on_is_banned() -> None:
    at_ms = [1_800_000_000_000]
    async with desk(now=lambda: at_ms[0]) as at:
        at.front.limits.weight.limit = 45
        for expected in ("40", "45"):
            weight = {"X-MBX-USED-WEIGHT-1M": expected}
            symbol = {} if expected == "40" else {"limit": "500", "symbol": "BTCUSDT", "interval": "1m"}
            path = "fapi/v1/klines" if symbol else "fapi/v1/aggTrades?symbol=BTCUSDT"
            for _ in range(1 if symbol else 2):
                async with at.http.get(f"https://fapi.binance.com/{path}", params=symbol) as answer:
                    assert answer.status == 200
            assert {name: answer.headers[name] for name in weight} == weight
        for expected_status in (429, 429, 429, 418, 418):
            async with at.http.get("https://fapi.binance.com/fapi/v1/time") as answer:
                assert (answer.status, (await answer.json())["code"]) == (expected_status, -1003)
                assert int(answer.headers["Retry-After"]) > 0
        at_ms[0] += 180_000
        async with at.http.get("https://fapi.binance.com/fapi/v1/time") as answer:
            assert answer.status == 200


async def test_orders_are_counted_apart_and_weigh_nothing() -> None:
    async with desk() as at:
        at.front.limits.orders_10s.limit = 1
        at.front.limits.orders_10s.per_ms = 10**9
        await at.buy()
        headers = at.client.last_response_headers
        told = {name: headers[name] for name in headers if name.upper().startswith("X-MBX")}
        assert {name.upper(): count for name, count in told.items()} == {
            "X-MBX-USED-WEIGHT-1M": "0",
            "X-MBX-ORDER-COUNT-10S": "1",
            "X-MBX-ORDER-COUNT-1M": "1",
        }
        assert (
            await at.code("fapiPrivatePostOrder", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01") == -1015
        )


async def test_every_request_is_kept_as_it_was_sent() -> None:
    async with desk() as at:
        await at.buy(newClientOrderId="gv-seven-e0")
        (call,) = at.front.calls("POST", "/fapi/v1/order")
        assert call.host == "fapi.binance.com"
        assert "newClientOrderId=gv-seven-e0" in call.body
        assert call.query == ""


async def test_the_permissions_of_the_key_are_told_and_a_key_that_may_not_trade_cannot() -> None:
    async with desk() as at:
        told = await at.client.sapiGetAccountApiRestrictions()
        assert (told["enableWithdrawals"], told["enableFutures"], told["ipRestrict"]) == (False, True, True)
        at.front.permissions["enableFutures"] = False
        assert (
            await at.code("fapiPrivatePostOrder", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01") == -2015
        )


async def test_the_practice_account_speaks_the_same() -> None:
    async with desk() as at:
        at.client.enable_demo_trading(True)
        await at.buy()
        assert {call.host for call in at.front.requests} == {"demo-fapi.binance.com"}


# --- the account ---


async def test_modes_are_set_read_back_and_refused_when_nothing_changes() -> None:
    async with desk() as at:
        client = at.client
        assert await at.code("fapiPrivatePostPositionSideDual", dualSidePosition="false") == -4059
        assert (await client.fapiPrivateGetPositionSideDual())["dualSidePosition"] is False
        assert await at.code("fapiPrivatePostMarginType", symbol="BTCUSDT", marginType="ISOLATED") == -4046
        assert await at.code("fapiPrivatePostMarginType", symbol="BTCUSDT", marginType="CROSSED") == 0
        for _ in range(2):
            assert await at.code("fapiPrivatePostLeverage", symbol="BTCUSDT", leverage=7) == 0
        assert await at.code("fapiPrivatePostLeverage", symbol="BTCUSDT", leverage=999) == -4028
        (terms,) = await client.fapiPrivateGetSymbolConfig({"symbol": "BTCUSDT"})
        assert (terms["marginType"], terms["leverage"]) == ("CROSSED", 7)
        assert (await client.fapiPrivateGetMultiAssetsMargin())["multiAssetsMargin"] is False
        assert await at.code("fapiPrivatePostMultiAssetsMargin", multiAssetsMargin="false") == -4171
        assert (await client.fapiPrivateGetFeeBurn())["feeBurn"] is False
        rate = await client.fapiPrivateGetCommissionRate({"symbol": "BTCUSDT"})
        assert Decimal(rate["takerCommissionRate"]) == at.core.specs["BTCUSDT"].taker_fee
        brackets = await client.fapiPrivateGetLeverageBracket()
        assert brackets[0]["brackets"][0]["initialLeverage"] == 400


async def test_modes_cannot_change_under_a_position() -> None:
    async with desk() as at:
        await at.buy()
        assert await at.code("fapiPrivatePostMarginType", symbol="BTCUSDT", marginType="CROSSED") == -4048
        assert await at.code("fapiPrivatePostPositionSideDual", dualSidePosition="true") == -4068
        assert await at.code("fapiPrivatePostLeverage", symbol="BTCUSDT", leverage=2) == -4161
    async with desk() as at:
        await at.client.create_order(BTC, "limit", "buy", 0.01, 95000)
        assert await at.code("fapiPrivatePostMarginType", symbol="BTCUSDT", marginType="CROSSED") == -4047
        assert await at.code("fapiPrivatePostPositionSideDual", dualSidePosition="true") == -4067


async def test_in_hedge_mode_orders_have_to_name_their_side() -> None:
    async with desk() as at:
        assert await at.code("fapiPrivatePostPositionSideDual", dualSidePosition="true") == 0
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
        assert await at.code("fapiPrivatePostOrder", **order) == -4061
        assert await at.code("fapiPrivatePostOrder", **order, positionSide="LONG", reduceOnly="true") == -1106
        assert await at.code("fapiPrivatePostOrder", **order, positionSide="LONG") == 0


async def test_funding_is_settled_into_income_and_history() -> None:
    async with desk() as at:
        await at.buy()
        at.core.fund("BTCUSDT", Decimal("0.0003"))
        (paid,) = await at.client.fapiPrivateGetIncome({"incomeType": "FUNDING_FEE"})
        assert Decimal(paid["income"]) == at.core.incomes[-1].amount < 0
        history = await at.client.fapiPublicGetFundingRate({"symbol": "BTCUSDT", "limit": 1})
        assert Decimal(history[0]["fundingRate"]) == Decimal("0.0003")
        at.front.fund("ETHUSDT", Decimal("-0.0002"))
        history = await at.client.fapiPublicGetFundingRate({"symbol": "ETHUSDT", "limit": 1})
        assert Decimal(history[0]["fundingRate"]) == Decimal("-0.0002"), "nobody held anything"


async def test_fills_are_read_by_pages_and_seven_days_at_a_time() -> None:
    at_ms = [1_800_000_000_000]
    day = 86_400_000
    async with desk(now=lambda: at_ms[0]) as at:
        at.client.milliseconds = lambda: at_ms[0]
        for _ in range(3):
            await at.buy()
            at_ms[0] += 5 * day
        trades = at.client.fapiPrivateGetUserTrades
        assert len(await trades({"symbol": "BTCUSDT"})) == 1, "the last seven days"
        since = {"symbol": "BTCUSDT", "startTime": 1_800_000_000_000}
        assert len(await trades(since)) == 2, "seven days from the start on"
        first = at.core.fills[1].id
        assert [each["id"] for each in await trades({"symbol": "BTCUSDT", "fromId": first, "limit": 1})] == [first]
        assert await at.code("fapiPrivateGetUserTrades", **since, endTime=at_ms[0]) == -4165
        assert await at.code("fapiPrivateGetUserTrades", **since, fromId=1) == -1128
        assert await at.code("fapiPrivateGetUserTrades") == -1102


async def test_a_liquidation_is_an_order_of_the_exchange() -> None:
    async with desk() as at:
        await at.client.fapiPrivatePostLeverage({"symbol": "BTCUSDT", "leverage": 100})
        await at.buy()
        at.core.move("BTCUSDT", Decimal(94_000))
        orders = await at.client.fapiPrivateGetAllOrders({"symbol": "BTCUSDT"})
        assert orders[-1]["clientOrderId"].startswith("autoclose-")
        assert at.core.positions == {}
