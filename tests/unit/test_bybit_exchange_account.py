"""The emulated Bybit V5: the account, who may ask, and what goes wrong on the way."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import ccxt.pro
import pytest

from tests.fakes.bybit_exchange_desk import BTC, NATIVE, SECRET, Desk, bybit_desk, now_ms


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with bybit_desk() as desk:
        yield desk


# --- the account ------------------------------------------------------------------------------------------------------


async def test_leverage_and_modes_say_when_nothing_changes(desk: Desk) -> None:
    client = desk.client
    body = {"category": "linear", "symbol": NATIVE}
    five = body | {"buyLeverage": "5", "sellLeverage": "5"}
    await client.private_post_v5_position_set_leverage(five)
    assert (await desk.position())["leverage"] == "5"
    with pytest.raises(ccxt.BadRequest, match="110043"):
        await client.private_post_v5_position_set_leverage(five)
    with pytest.raises(ccxt.BadRequest, match="110013"):
        await client.private_post_v5_position_set_leverage(five | {"buyLeverage": "500", "sellLeverage": "500"})
    with pytest.raises(ccxt.BadRequest, match="10001"):
        await client.private_post_v5_position_set_leverage(five | {"sellLeverage": "6"})
    with pytest.raises(ccxt.NoChange, match="110025"):
        await client.private_post_v5_position_switch_mode(body | {"mode": 0})
    await desk.create("gv-a-e1")
    with pytest.raises(ccxt.BadRequest, match="110024"):
        await client.private_post_v5_position_switch_mode(body | {"mode": 3})
    await desk.create("gv-a-c1", "Sell", reduceOnly=True)
    await desk.create("gv-b-e1", orderType="Limit", price="95000")
    with pytest.raises(ccxt.BadRequest, match="110028"):
        await client.private_post_v5_position_switch_mode(body | {"mode": 3})


async def test_the_margin_mode_is_of_the_whole_account(desk: Desk) -> None:
    client = desk.client
    for mode in ("REGULAR_MARGIN", "ISOLATED_MARGIN", "ISOLATED_MARGIN"):
        await client.private_post_v5_account_set_margin_mode({"setMarginMode": mode})
        assert (await client.private_get_v5_account_info())["result"]["marginMode"] == mode
    await desk.create("gv-a-e1")
    with pytest.raises(ccxt.ExchangeError, match="3400045"):
        await client.private_post_v5_account_set_margin_mode({"setMarginMode": "REGULAR_MARGIN"})


async def test_in_isolated_mode_what_is_available_follows_from_the_coins_own_numbers(desk: Desk) -> None:
    await desk.create("gv-a-e1")
    await desk.create("gv-b-e1", orderType="Limit", price="95000")
    (account,) = (await desk.client.private_get_v5_account_wallet_balance({"accountType": "UNIFIED"}))["result"]["list"]
    (coin,) = account["coin"]
    assert account["totalAvailableBalance"] == ""
    used = Decimal(coin["totalPositionIM"]) + Decimal(coin["totalOrderIM"])
    assert Decimal(coin["walletBalance"]) - used == desk.core.available()
    await desk.client.load_markets()
    assert (await desk.client.fetch_balance())["USDT"]["total"] == float(desk.core.wallet)


async def test_positions_without_a_symbol_are_only_those_that_are_open(desk: Desk) -> None:
    await desk.client.load_markets()
    await desk.create("gv-a-e1", "Sell")
    desk.core.move(NATIVE, Decimal(95000))
    (position,) = await desk.client.fetch_positions()
    assert (position["side"], position["contracts"], position["entryPrice"]) == ("short", 0.01, 95999.9)
    assert position["unrealizedPnl"] == pytest.approx(9.999)
    assert position["liquidationPrice"] > 95999.9
    with pytest.raises(ccxt.BadRequest, match="symbol or settleCoin"):
        await desk.client.private_get_v5_position_list({"category": "linear"})


async def test_funding_is_an_execution_whose_fee_is_positive_when_paid(desk: Desk) -> None:
    await desk.create("gv-a-e1")
    before = desk.core.wallet
    desk.core.fund(NATIVE, Decimal("0.0001"))
    query = {"category": "linear", "execType": "Funding"}
    (row,) = (await desk.client.private_get_v5_execution_list(query))["result"]["list"]
    assert (row["execFee"], row["feeRate"], row["side"], row["execQty"]) == ("0.096", "0.0001", "Buy", "0.01")
    assert before - desk.core.wallet == Decimal(row["execFee"])


async def test_the_transaction_log_adds_up_to_the_wallet(desk: Desk) -> None:
    await desk.create("gv-a-e1")
    desk.core.fund(NATIVE, Decimal("-0.0001"))
    desk.core.move(NATIVE, Decimal(97000))
    await desk.create("gv-a-c1", "Sell", reduceOnly=True)
    desk.core.transfer(Decimal(-50))
    log = desk.client.private_get_v5_account_transaction_log
    rows = (await log({"accountType": "UNIFIED"}))["result"]["list"]
    assert [row["type"] for row in rows] == ["TRANSFER_OUT", "TRADE", "SETTLEMENT", "TRADE"]
    assert Decimal(rows[0]["cashBalance"]) == desk.core.wallet
    assert sum(Decimal(row["change"]) for row in rows) == desk.core.wallet - 10000
    for row in rows:
        funding = Decimal(row["funding"] or 0)
        assert Decimal(row["change"]) == Decimal(row["cashFlow"]) - Decimal(row["fee"]) + funding


async def test_executions_are_paged_newest_first_until_a_page_is_empty(desk: Desk) -> None:
    desk.front.limits.endpoints.clear()
    for number in range(5):
        await desk.create(f"gv-{number}")
    seen: list[str] = []
    cursor, pages = "", 0
    while True:
        query = {"category": "linear", "limit": 2} | ({"cursor": cursor} if cursor else {})
        result = (await desk.client.private_get_v5_execution_list(query))["result"]
        seen += [row["orderLinkId"] for row in result["list"]]
        pages += 1
        if not (cursor := result["nextPageCursor"]):
            break
    assert seen == [f"gv-{number}" for number in (4, 3, 2, 1, 0)]
    assert pages == 4


async def test_a_window_of_more_than_seven_days_is_refused(desk: Desk) -> None:
    query = {"category": "linear", "startTime": now_ms() - 8 * 86_400_000, "endTime": now_ms()}
    with pytest.raises(ccxt.BadRequest, match="7 days"):
        await desk.client.private_get_v5_execution_list(query)


async def test_late_fills_are_listed_late_while_the_position_is_there_at_once(desk: Desk) -> None:
    desk.core.late_fills_ms = 60_000
    await desk.create("gv-a-e1")
    assert (await desk.client.private_get_v5_execution_list({"category": "linear"}))["result"]["list"] == []
    assert (await desk.position())["size"] == "0.01"


async def test_a_liquidation_is_a_bust_trade(desk: Desk) -> None:
    body = {"category": "linear", "symbol": NATIVE, "buyLeverage": "100", "sellLeverage": "100"}
    await desk.client.private_post_v5_position_set_leverage(body)
    await desk.create("gv-a-e1")
    desk.core.move(NATIVE, Decimal(94000))
    row = (await desk.client.private_get_v5_execution_list({"category": "linear"}))["result"]["list"][0]
    assert (row["execType"], row["createType"], row["orderLinkId"]) == ("BustTrade", "CreateByLiq", "")


async def test_fees_are_told_for_a_symbol(desk: Desk) -> None:
    await desk.client.load_markets()
    fee = await desk.client.fetch_trading_fee(BTC)
    assert (fee["maker"], fee["taker"]) == (0.0002, 0.0005)


# --- who may ask ------------------------------------------------------------------------------------------------------


async def test_a_wrong_signature_and_an_unknown_key_are_refused(desk: Desk) -> None:
    with pytest.raises(ccxt.AuthenticationError, match="10004"):
        await desk.another(secret="another").private_get_v5_account_info()
    with pytest.raises(ccxt.AuthenticationError, match="10003"):
        await desk.another(apiKey="another").private_get_v5_account_info()
    assert SECRET not in "".join(call.body + call.query for call in desk.front.requests)


@pytest.mark.parametrize(("skew", "good"), [(-900, True), (-2500, False), (4000, True), (5200, False)])
async def test_a_clock_that_is_off_is_refused(desk: Desk, skew: int, good: bool) -> None:
    desk.front.skew_ms = skew
    if good:
        await desk.client.private_get_v5_account_info()
        return
    with pytest.raises(ccxt.InvalidNonce, match="10002"):
        await desk.client.private_get_v5_account_info()


async def test_permissions_addresses_and_expiry_are_checked(desk: Desk) -> None:
    told = (await desk.client.private_get_v5_user_query_api())["result"]
    assert (told["readOnly"], told["uta"], told["permissions"]["Wallet"], told["ips"]) == (0, 1, [], ["127.0.0.1"])
    desk.front.permissions["permissions"]["ContractTrade"] = ["Position"]
    with pytest.raises(ccxt.PermissionDenied, match="10005"):
        await desk.create("gv-a-e1")
    desk.front.permissions["readOnly"] = 1
    with pytest.raises(ccxt.PermissionDenied, match="10005"):
        await desk.client.private_post_v5_account_set_margin_mode({"setMarginMode": "REGULAR_MARGIN"})
    assert (await desk.client.private_get_v5_account_info())["retCode"] == 0
    desk.front.ip_ok = False
    with pytest.raises(ccxt.PermissionDenied, match="10010"):
        await desk.client.private_get_v5_account_info()
    desk.front.permissions["expiredAt"] = "2020-01-01T00:00:00Z"
    with pytest.raises(ccxt.AuthenticationError, match="33004"):
        await desk.client.private_get_v5_account_info()


async def test_more_than_ten_orders_a_second_are_too_many(desk: Desk) -> None:
    desk.front.limits.endpoints["/v5/order/create"] = 2
    await desk.create("gv-0")
    assert desk.client.last_response_headers["X-Bapi-Limit-Status"] == "1"
    await desk.create("gv-1")
    with pytest.raises(ccxt.RateLimitExceeded, match="10006"):
        await desk.create("gv-2")
    assert len(desk.core.orders) == 2


async def test_an_address_that_asks_too_often_is_shut_out(desk: Desk) -> None:
    desk.front.limits.address = 1
    await desk.client.public_get_v5_market_time()
    with pytest.raises(ccxt.RateLimitExceeded, match="403"):
        await desk.client.public_get_v5_market_time()
    desk.front.limits.address = 600
    with pytest.raises(ccxt.RateLimitExceeded, match="403"):
        await desk.client.public_get_v5_market_time()


@pytest.mark.parametrize(
    ("kind", "error", "done"),
    [
        ("drop before", ccxt.NetworkError, False),
        ("drop after", ccxt.NetworkError, True),
        ("mid body", ccxt.BaseError, True),
        ("503 unknown", ccxt.ExchangeError, True),
        ("500 before", ccxt.NetworkError, False),
        ("502 after", ccxt.NetworkError, True),
        ("unknown code", ccxt.ExchangeError, False),
        ("429", ccxt.RateLimitExceeded, False),
        ("418", ccxt.RateLimitExceeded, False),
        ("403", ccxt.RateLimitExceeded, False),
        ("clock", ccxt.InvalidNonce, False),
        ("duplicate", ccxt.InvalidOrder, False),
    ],
)
async def test_faults_strike_before_or_after_the_order_is_taken(
    desk: Desk, kind: Any, error: type[Exception], done: bool
) -> None:
    desk.front.faults.add(kind, match="/v5/order/create", method="POST")
    with pytest.raises(error):
        await desk.create("gv-a-e1")
    assert [row["orderLinkId"] for row in await desk.realtime(openOnly=1)] == (["gv-a-e1"] if done else [])


async def test_practice_accounts_have_hosts_of_their_own(desk: Desk) -> None:
    demo, testnet = desk.another(), desk.another()
    demo.enable_demo_trading(True)
    testnet.set_sandbox_mode(True)
    for client in (demo, testnet):
        await client.private_get_v5_account_info()
    assert [call.host for call in desk.front.requests] == ["api-demo.bybit.com", "api-testnet.bybit.com"]
