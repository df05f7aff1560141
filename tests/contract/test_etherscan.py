"""The client against a server that is as strict as Etherscan: what it asks, what it makes of every kind of answer."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.etherscan_api import FAULTS, HARMLESS, KEY, EtherscanApi, VirtualTime, block_of
from tests.whales import AT, BINANCE, a_row, a_token_row, an_address, an_internal_row
from trading.chain import NoReading
from trading.clock import ManualClock
from trading.onchain.etherscan import ATTEMPTS, Etherscan, TooMuch
from trading.onchain.history import Action, BadRows, read_json, transfers
from trading.onchain.pace import Bucket
from trading.voice import Lack

D = Decimal
ME, OTHER = an_address(1), an_address(2)
SECOND = timedelta(seconds=1)
LAST = block_of(AT)


@pytest.fixture
async def api() -> AsyncIterator[EtherscanApi]:
    async with EtherscanApi() as made:
        yield made


def a_client(api: EtherscanApi, *, key: str = KEY, rate: float = 4.0, **changes: Any) -> Etherscan:
    pace = Bucket(rate, now=api.time.now, sleep=api.time.sleep)
    return Etherscan(key, base_url=api.url, wall=ManualClock(AT), pace=pace, **changes)


@pytest.fixture
async def client(api: EtherscanApi) -> AsyncIterator[Etherscan]:
    made = a_client(api)
    yield made
    await made.close()


async def normal(client: Etherscan, *, most: int = 100, first: int = 0, last: int = LAST) -> tuple[Any, ...]:
    return (await client.transfers(Action.NORMAL, ME, first=first, last=last, most=most)).rows


# --- what it asks -------------------------------------------------------------------------------------------------


async def test_a_row_is_read_to_the_last_wei(api: EtherscanApi, client: Etherscan) -> None:
    api.add("txlist", ME, a_row(AT - SECOND, OTHER, ME, D("123.456789012345678901")))
    [row] = await normal(client)
    assert (row.sender, row.to, row.value) == (OTHER, ME, D("123.456789012345678901"))
    assert row.at == AT - SECOND
    assert not row.failed
    assert row.method == ""


async def test_it_names_chain_list_and_order_and_never_more_rows_than_the_page(
    api: EtherscanApi, client: Etherscan
) -> None:
    await normal(client, first=5)
    [call] = api.calls
    assert call == {
        "chainid": "1", "module": "account", "action": "txlist", "address": ME, "sort": "desc",
        "startblock": "5", "endblock": str(LAST), "page": "1", "offset": "1000",
    }  # fmt: skip


async def test_nothing_found_is_an_empty_list_and_no_fault(api: EtherscanApi, client: Etherscan) -> None:
    for action in Action:
        assert (await client.transfers(action, ME, first=0, last=LAST, most=10)).rows == ()
    assert api.actions() == [action.value for action in Action]


async def test_pages_follow_each_other_and_no_row_comes_twice(api: EtherscanApi, client: Etherscan) -> None:
    rows = [a_row(AT - 12 * n * SECOND, OTHER, ME, n) for n in range(2_500)]
    api.add("txlist", ME, *rows)
    got = await normal(client, most=10_000)
    assert [row.value for row in got] == [D(n) for n in range(2_500)]
    assert [call["page"] for call in api.calls] == ["1", "2", "3"]


async def test_no_more_is_asked_than_is_wanted(api: EtherscanApi, client: Etherscan) -> None:
    api.add("txlist", ME, *(a_row(AT - 12 * n * SECOND, OTHER, ME, n) for n in range(2_500)))
    assert [row.value for row in await normal(client, most=1_200)] == [D(n) for n in range(1_200)]
    assert len(api.calls) == 2


async def test_beyond_the_window_the_block_border_moves_and_no_row_is_lost_or_doubled(
    api: EtherscanApi, client: Etherscan
) -> None:
    """Three rows a block, so that the window ends in the middle of one."""
    api.add("txlist", ME, *(a_row(AT - 12 * (n // 3) * SECOND, OTHER, ME, n) for n in range(12_345)))
    got = await normal(client, most=20_000)
    assert sorted(row.value for row in got) == [D(n) for n in range(12_345)]
    assert max(int(call["page"]) * int(call["offset"]) for call in api.calls) == 10_000


async def test_one_block_with_more_than_a_window_cannot_be_read_and_says_so(
    api: EtherscanApi, client: Etherscan
) -> None:
    api.add("txlist", ME, *(a_row(AT, OTHER, ME, 1) for _ in range(10_001)))
    with pytest.raises(TooMuch, match="one block"):
        await normal(client, most=50_000)


async def test_balances_are_asked_for_twenty_at_a_time(api: EtherscanApi, client: Etherscan) -> None:
    wallets = [an_address(n) for n in range(45)]
    api.wei = {wallet: str(n * 10**18 + 1) for n, wallet in enumerate(wallets)}
    found = await client.balances(wallets)
    assert found[wallets[44]] == D("44.000000000000000001")
    assert [len(call["address"].split(",")) for call in api.calls] == [20, 20, 5]
    assert await client.balances([]) == {}


async def test_a_block_is_found_by_its_time(client: Etherscan) -> None:
    assert await client.block_at(AT) == LAST


async def test_token_rows_carry_no_eth_and_failed_ones_say_so(api: EtherscanApi, client: Etherscan) -> None:
    api.add("tokentx", ME, a_token_row(AT, OTHER, ME, an_address(9)), a_token_row(AT, OTHER, ME, OTHER, decimals="0"))
    api.add("txlistinternal", ME, an_internal_row(AT, OTHER, ME, 5))
    api.add("txlist", ME, a_row(AT, ME, OTHER, 5, failed=True))
    tokens = (await client.transfers(Action.TOKENS, ME, first=0, last=LAST, most=10)).rows
    assert [(row.value, row.nft) for row in tokens] == [(D(0), True), (D(0), False)]
    assert (await client.transfers(Action.INTERNAL, ME, first=0, last=LAST, most=10)).rows[0].value == 5
    assert (await normal(client))[0].failed


# --- its pace -----------------------------------------------------------------------------------------------------


async def test_at_its_own_pace_it_is_never_told_that_it_is_too_fast(api: EtherscanApi, client: Etherscan) -> None:
    for _ in range(30):
        await normal(client)
    assert len(api.calls) == 30
    assert api.time.now() == pytest.approx(29 / 4)


async def test_twice_as_fast_it_is_told_so_rests_slows_down_and_gets_its_answers(api: EtherscanApi) -> None:
    client = a_client(api, rate=10)
    for _ in range(12):
        await normal(client)
    assert len(api.calls) > 12
    assert client.asked() == len(api.calls)
    api.calls.clear()
    for _ in range(12):
        await client.block_at(AT)
    await client.close()
    assert len(api.calls) <= 13


async def test_callers_are_served_in_their_order() -> None:
    time, order = VirtualTime(), []
    bucket = Bucket(4, now=time.now, sleep=time.sleep)

    async def caller(n: int) -> None:
        await bucket.turn()
        order.append((n, time.now()))

    await asyncio.gather(*(caller(n) for n in range(6)))
    assert [n for n, _ in order] == list(range(6))
    assert time.now() == pytest.approx(1.25)


# --- what goes wrong ----------------------------------------------------------------------------------------------

BROKEN = Lack.BROKEN
LACKS: dict[str, Lack] = {
    "429": Lack.RATE_LIMITED, "429 with a time": Lack.RATE_LIMITED, "too fast": Lack.RATE_LIMITED,
    "daily limit": Lack.RATE_LIMITED, "500 json": Lack.SERVER, "502 html": Lack.SERVER, "503": Lack.SERVER,
    "401": Lack.DENIED, "403 html": Lack.DENIED, "402": Lack.BAD_REQUEST, "404": Lack.BAD_REQUEST,
    "redirect": Lack.BAD_REQUEST, "notok": Lack.SERVER, "reset": Lack.UNREACHABLE, "short": Lack.UNREACHABLE,
    "broken gzip": Lack.UNREACHABLE, "drip": Lack.LATE, "silent": Lack.LATE, "wrong key": Lack.DENIED,
    "wrong key, repeated": Lack.DENIED,
}  # fmt: skip
SAID = {"huge": "too large", "key in a row": "repeats the key", "a key twice": "a key twice", "deep": "no JSON"}
AGAIN = {"429", "429 with a time", "too fast", "500 json", "502 html", "503", "notok", "reset", "short", "broken gzip"}
AGAIN |= {"drip", "silent"}


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - set(HARMLESS)))
async def test_whatever_it_answers_there_is_no_reading_and_a_reason_without_a_secret(
    api: EtherscanApi, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = a_client(api, patience=0.06, within=3.0) if fault in ("drip", "silent") else a_client(api)
    api.always = fault
    with pytest.raises(NoReading) as said:
        await normal(client)
    await client.close()
    assert said.value.lack is LACKS.get(fault, BROKEN)
    assert said.value.reason.startswith("Etherscan")
    assert SAID.get(fault, "") in said.value.reason
    assert KEY not in str(said.value) + repr(said.value) + str(said.value.__cause__) + caplog.text
    assert client.asked() == (ATTEMPTS if fault in AGAIN else 1)  # on a busy machine not all of them have arrived


@pytest.mark.parametrize("fault", sorted(HARMLESS))
async def test_what_is_merely_odd_is_still_an_answer(api: EtherscanApi, client: Etherscan, fault: str) -> None:
    api.always = fault
    assert await normal(client) == ()


@pytest.mark.parametrize("fault", sorted(AGAIN - {"drip", "silent"}))
async def test_what_passes_is_asked_again_until_there_is_an_answer(
    api: EtherscanApi, client: Etherscan, fault: str
) -> None:
    api.add("txlist", ME, a_row(AT, OTHER, ME, 7))
    api.faults.extend([fault] * (ATTEMPTS - 1))
    assert [row.value for row in await normal(client)] == [D(7)]
    assert {1, 2, 4} <= set(api.time.waited)


async def test_the_deadline_holds_however_often_it_would_be_asked_again(api: EtherscanApi) -> None:
    client = a_client(api, within=0.1)
    api.always = "drip"
    with pytest.raises(NoReading, match="no answer within") as said:
        await normal(client)
    await client.close()
    assert said.value.lack is Lack.LATE


async def test_nobody_listening_is_unreachable(api: EtherscanApi) -> None:
    pace = Bucket(now=api.time.now, sleep=api.time.sleep)
    client = Etherscan(KEY, base_url="http://127.0.0.1:1/v2/api", wall=ManualClock(AT), pace=pace)
    with pytest.raises(NoReading) as said:
        await normal(client)
    await client.close()
    assert said.value.lack is Lack.UNREACHABLE


async def test_a_wrong_key_is_said_once_and_not_sent_again_for_an_hour(
    api: EtherscanApi, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock(AT)
    client = Etherscan(
        "WRONGKEY1234567890", base_url=api.url, wall=clock, pace=Bucket(now=api.time.now, sleep=api.time.sleep)
    )
    for _ in range(3):
        with pytest.raises(NoReading, match="refuses the key") as said:
            await normal(client)
        assert said.value.lack is Lack.DENIED
    assert len(api.calls) == 1
    assert caplog.text.count("refuses the key") == 1
    clock.advance(timedelta(hours=1))
    with pytest.raises(NoReading, match="refuses the key"):
        await normal(client)
    await client.close()
    assert len(api.calls) == 2
    assert caplog.text.count("refuses the key") == 1
    assert "WRONGKEY" not in caplog.text


async def test_the_key_is_in_no_line_of_the_log_when_all_is_well(
    api: EtherscanApi, client: Etherscan, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await normal(client)
    assert KEY not in caplog.text
    assert "apikey" not in caplog.text


async def test_a_missing_balance_is_no_zero(api: EtherscanApi, client: Etherscan) -> None:
    api.always = "a list"
    with pytest.raises(NoReading):
        await client.balances([ME])


async def test_it_goes_through_no_proxy_of_the_environment(api: EtherscanApi, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    client = a_client(api)
    assert await normal(client) == ()
    await client.close()


# --- the shapes that were recorded --------------------------------------------------------------------------------


def recorded(shared: Path) -> list[tuple[str, dict[str, str], bytes]]:
    folder = shared / "data" / "onchain" / "etherscan_v2_responses"
    if not folder.is_dir():
        pytest.skip("no recorded answers of Etherscan are here")
    lines = json.loads((folder / "MANIFEST.json").read_text())
    there = [line for line in lines if (folder / line["file"]).is_file()]
    return [(line["file"], line["params"], (folder / line["file"]).read_bytes()) for line in there]


def test_every_recorded_list_of_the_real_one_is_read(shared: Path) -> None:
    count = 0
    for file, params, body in recorded(shared):
        if params["action"] in set(Action):
            answer = read_json(body)
            rows = transfers(answer["result"], Action(params["action"]))
            assert len(rows) == len(answer["result"]), file
            assert all(datetime(2015, 7, 30, tzinfo=UTC) <= row.at for row in rows), file
            count += len(rows)
    assert count > 100


def test_the_fakes_rows_have_the_fields_of_the_recorded_ones(shared: Path) -> None:
    ours = {
        "txlist": set(a_row(AT, ME, OTHER, 1)),
        "txlistinternal": set(an_internal_row(AT, ME, OTHER, 1)),
        "tokentx": set(a_token_row(AT, ME, OTHER, ME)),
    }
    for file, params, body in recorded(shared):
        if params["action"] in ours:
            for row in json.loads(body)["result"]:
                assert set(row) <= ours[params["action"]] | {"methodId", "functionName"}, file
                assert ours[params["action"]] - set(row) <= {"methodId", "functionName"}, file


def test_the_fakes_empty_answer_is_the_recorded_one(shared: Path) -> None:
    empty = {body for _, p, body in recorded(shared) if p["action"] in set(Action) and b'"0"' in body[:14]}
    assert {json.dumps(json.loads(body)) for body in empty} == {
        '{"status": "0", "message": "No transactions found", "result": []}'
    }


def test_blocks_of_the_recorded_answers_are_read(shared: Path) -> None:
    found = [read_json(body)["result"] for _, p, body in recorded(shared) if p["action"] == "getblocknobytime"]
    assert len(found) > 10
    assert all(result.isdigit() for result in found)


def test_a_row_of_a_contracts_creation_has_no_receiver() -> None:
    row = a_row(AT, ME, "", 1)
    assert transfers([row], Action.NORMAL)[0].to == ""
    with pytest.raises(BadRows):
        transfers([row | {"to": BINANCE[:-1]}], Action.NORMAL)
