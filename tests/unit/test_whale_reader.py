"""The reader against a strict server: who is found, what counts, what is kept, and what is asked only once."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from storage.chain_cache import SqlChainCache
from storage.database import Database
from tests.fakes.etherscan_api import FAULTS, HARMLESS, KEY, EtherscanApi, block_of
from tests.unit.test_wallet_features import write_model
from tests.whales import (
    AT,
    BEHAVIOURS,
    BINANCE,
    COINBASE,
    EXCHANGES,
    a_row,
    a_token_row,
    an_address,
    an_exchange_wallet,
    an_internal_row,
)
from trading.asking import Kept
from trading.chain import NoReading, Reading, WalletClass, read_document
from trading.clock import ManualClock
from trading.errors import BadRecord, JournalUnwritable
from trading.onchain.classifier import Rules
from trading.onchain.etherscan import Etherscan
from trading.onchain.opening import opened
from trading.onchain.pace import Bucket
from trading.onchain.reader import MOST_JUDGED, Off, Reader
from trading.onchain.wallets import Wallets, load
from trading.voice import Lack, sha

D = Decimal
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ANN, BEN, CID = an_address(0xA), an_address(0xB), an_address(0xC)


@dataclass
class Memory:
    """A cache that forgets with the test."""

    held: dict[str, tuple[datetime, bytes]] = field(default_factory=dict)
    broken: Exception | None = None

    async def get(self, key: str) -> tuple[datetime, bytes] | None:
        return self.held.get(key)

    async def put(self, key: str, at: datetime, body: bytes) -> None:
        if self.broken:
            raise self.broken
        self.held[key] = (at, body)


@dataclass
class Book:
    """A ledger of what was kept."""

    kept: list[Kept] = field(default_factory=list)
    broken: bool = False

    async def keep(self, kept: Kept) -> int:
        if self.broken:
            raise JournalUnwritable("disk full")
        self.kept.append(kept)
        return len(self.kept)

    async def reserve(self, exchange: Any, *, about: str) -> int:
        raise NotImplementedError

    async def settle(self, kept: Kept) -> None:
        raise NotImplementedError

    async def spent(self, since: datetime) -> Sequence[Any]:
        return ()

    async def bodies(self, shas: Sequence[str]) -> dict[str, bytes]:
        return {}


@dataclass
class World:
    api: EtherscanApi
    clock: ManualClock = field(default_factory=lambda: ManualClock(AT))
    memory: Any = field(default_factory=Memory)
    book: Book = field(default_factory=Book)
    readers: list[Reader] = field(default_factory=list)

    def reader(self, *, wallets: Wallets | None = None, **client: Any) -> Reader:
        """A new one, as after a restart."""
        pace = Bucket(now=self.api.time.now, sleep=self.api.time.sleep)
        asks = Etherscan(KEY, base_url=self.api.url, wall=self.clock, pace=pace, **client)
        made = Reader(asks, wallets or load(), Rules(), self.memory, self.book, wall=self.clock)
        self.readers.append(made)
        return made


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with EtherscanApi(rate=0) as api:
        made = World(api)
        api.add("txlist", COINBASE, a_row(AT - MINUTE, COINBASE, ANN, 1))  # the chain goes on
        yield made
        for reader in made.readers:
            await reader.close()


def moved(api: EtherscanApi, at: datetime, sender: str, to: str, eth: Decimal | float, **more: Any) -> None:
    """A normal transaction, in the lists of both."""
    for who in (sender, to):
        api.add("txlist", who, a_row(at, sender, to, eth, **more))


def sums(reading: Reading) -> dict[str, tuple[Decimal, Decimal, int]]:
    return {flow.wallet: (flow.into, flow.out, flow.transactions) for flow in reading.flows}


# --- discovery ----------------------------------------------------------------------------------------------------


async def test_who_moves_a_hundred_or_more_is_found_with_both_ways_added_up(world: World) -> None:
    moved(world.api, AT - HOUR, ANN, BINANCE, 100)
    moved(world.api, AT - 2 * HOUR, ANN, COINBASE, 250)
    moved(world.api, AT - 3 * HOUR, BINANCE, ANN, 120)
    moved(world.api, AT - 4 * HOUR, BINANCE, BEN, D("700.5"))
    reading = await world.reader().reading()
    assert sums(reading) == {ANN: (D(350), D(120), 3), BEN: (D(0), D("700.5"), 1)}
    assert [flow.wallet for flow in reading.flows] == [BEN, ANN]
    assert (reading.exchanges, reading.least, reading.window) == (8, D(100), 6 * HOUR)
    assert reading.as_of == AT - MINUTE
    assert reading.at == AT


async def test_what_counts_for_nothing(world: World) -> None:
    assert block_of(AT - 6 * HOUR - SECOND) == block_of(AT - 6 * HOUR)
    moved(world.api, AT - HOUR, ANN, BINANCE, D("99.999999999999999999"))
    moved(world.api, AT - HOUR, BINANCE, COINBASE, 5_000)
    moved(world.api, AT - HOUR, ANN, BINANCE, 900, failed=True)
    moved(world.api, AT - 6 * HOUR - MINUTE, ANN, BINANCE, 900)
    moved(world.api, AT - 6 * HOUR - SECOND, ANN, BINANCE, 900)  # in the first block that is asked for
    world.api.add("tokentx", BINANCE, a_token_row(AT - HOUR, ANN, BINANCE, an_address(77)))
    world.api.add("txlist", BINANCE, a_row(AT - HOUR, BINANCE, "", 900))
    world.api.add("txlist", BINANCE, a_row(AT - HOUR, ANN, BEN, 900))
    assert (await world.reader().reading()).flows == ()
    assert "tokentx" not in world.api.actions()


async def test_what_a_contract_moves_counts_too(world: World) -> None:
    world.api.add("txlistinternal", BINANCE, an_internal_row(AT - HOUR, CID, BINANCE, 400))
    assert sums(await world.reader().reading()) == {CID: (D(400), D(0), 1)}


async def test_a_chain_without_any_row_is_no_reading_of_it(world: World) -> None:
    world.api.lists.clear()
    with pytest.raises(NoReading, match="no transaction of any exchange") as said:
        await world.reader().reading()
    assert said.value.lack is Lack.EMPTY


async def test_a_block_of_the_future_is_not_believed(world: World) -> None:
    world.clock = ManualClock(AT - HOUR)
    world.api.always = ""
    reader = world.reader()
    reader._client.block_at = later  # type: ignore[method-assign]
    with pytest.raises(NoReading, match="future"):
        await reader.reading()


async def later(at: datetime) -> int:
    return 0 if at < AT - 3 * HOUR else 999_999_999


async def test_a_wallet_of_ones_own_file_is_read_and_its_transfers_to_others_count_for_nothing(
    world: World, tmp_path: Path
) -> None:
    own = tmp_path / "wallets.toml"
    entry = 'as_of = 2026-01-01\nsource = "me"\n'
    own.write_text(
        f'[[wallet]]\naddress = "{ANN}"\nlabel = "Mine"\n{entry}[[wallet]]\naddress = "{BEN}"\nlabel = "A friend"\n'
        f'kind = "other"\n{entry}'
    )
    moved(world.api, AT - HOUR, ANN, BINANCE, 900)
    moved(world.api, AT - HOUR, BEN, ANN, 300)
    reading = await world.reader(wallets=load(own)).reading()
    assert reading.exchanges == 9
    assert sums(reading) == {BEN: (D(300), D(0), 1)}
    assert reading.flows[0].label == "A friend"


# --- whose wallets they are ---------------------------------------------------------------------------------------


async def test_each_counterparty_is_judged_by_its_ninety_days(world: World) -> None:
    import random

    history = an_exchange_wallet(ANN, random.Random(1))
    for action, rows in history.items():
        world.api.add(action, ANN, *rows)
    moved(world.api, AT - HOUR, ANN, BINANCE, 500)
    moved(world.api, AT - HOUR, BEN, BINANCE, 400)
    kinds = {flow.wallet: (flow.kind, flow.kind_confidence) for flow in (await world.reader().reading()).flows}
    assert kinds == {ANN: (WalletClass.CEX, 700_000), BEN: (WalletClass.HOLDER, 600_000)}


async def test_only_the_largest_are_judged_and_the_others_are_not_known(world: World) -> None:
    wallets = [an_address(0xF000 + n) for n in range(MOST_JUDGED + 5)]
    for n, wallet in enumerate(wallets):
        moved(world.api, AT - HOUR, wallet, BINANCE, 1_000 - n)
    reading = await world.reader().reading()
    assert len(reading.flows) == MOST_JUDGED + 5
    assert {flow.kind for flow in reading.flows[:MOST_JUDGED]} == {WalletClass.HOLDER}
    assert {flow.kind for flow in reading.flows[MOST_JUDGED:]} == {WalletClass.UNKNOWN}
    balances = [call["address"].split(",") for call in world.api.calls if call["action"] == "balancemulti"]
    assert [len(asked) for asked in balances] == [20, 20]


async def test_a_wallet_with_more_than_can_be_read_is_not_known_and_stops_nobody(world: World) -> None:
    moved(world.api, AT - HOUR, ANN, BINANCE, 500)
    reader = world.reader()
    whole = reader._client.transfers

    async def transfers(action: Any, address: str, **about: Any) -> Any:
        if address == ANN:
            from trading.onchain.etherscan import TooMuch

            raise TooMuch("an answer is too large")
        return await whole(action, address, **about)

    reader._client.transfers = transfers  # type: ignore[method-assign]
    assert [flow.kind for flow in (await reader.reading()).flows] == [WalletClass.UNKNOWN]


# --- what is asked only once --------------------------------------------------------------------------------------


async def test_nothing_is_asked_twice_within_its_lifetime(world: World) -> None:
    moved(world.api, AT - HOUR, ANN, BINANCE, 500)
    reader = world.reader()
    first = await reader.reading()
    asked = len(world.api.calls)
    world.clock.advance(10 * MINUTE - timedelta(seconds=1))
    assert await reader.reading() is first
    assert len(world.api.calls) == asked
    view = reader.view()
    assert (view.reading, view.why, view.asked, view.cached) == (first, "", asked, 1)

    world.api.calls.clear()
    world.clock.advance(timedelta(seconds=1))
    world.api.add("txlist", BINANCE, a_row(AT + 5 * MINUTE, ANN, BINANCE, 300))
    second = await reader.reading()
    assert sums(second) == {ANN: (D(800), D(0), 2)}
    assert ANN not in {call.get("address") for call in world.api.calls}, "a history is good for a day"
    assert "balancemulti" not in world.api.actions()


async def test_a_history_is_asked_again_after_a_day(world: World) -> None:
    moved(world.api, AT - HOUR, ANN, BINANCE, 500)
    reader = world.reader()
    await reader.reading()
    world.clock.advance(DAY)
    moved(world.api, AT + DAY - HOUR, ANN, BINANCE, 500)
    world.api.calls.clear()
    await reader.reading()
    assert sum(call.get("address") == ANN and call["action"] == "txlist" for call in world.api.calls) == 1


async def test_a_restart_asks_nothing_again(world: World, tmp_path: Path) -> None:
    moved(world.api, AT - HOUR, ANN, BINANCE, 500)
    first = await world.reader().reading()
    asked = len(world.api.calls)
    second = await world.reader().reading()
    assert len(world.api.calls) == asked
    assert second.record == first.record
    assert second.flows == first.flows


async def test_a_part_that_failed_is_asked_again_and_the_others_are_not(world: World) -> None:
    moved(world.api, AT - HOUR, ANN, BINANCE, 500)
    reader = world.reader()
    whole = reader._client.balances

    async def broken(addresses: Sequence[str]) -> dict[str, Decimal]:
        raise NoReading(Lack.SERVER, "no balances")

    reader._client.balances = broken  # type: ignore[method-assign]
    with pytest.raises(NoReading, match="no balances"):
        await reader.reading()
    assert reader.view().reading is None
    assert reader.view().why == "no balances"
    world.api.calls.clear()
    reader._client.balances = whole  # type: ignore[method-assign]
    assert (await reader.reading()).flows
    assert {call.get("address") for call in world.api.calls} & EXCHANGES == set()


async def test_pairs_that_ask_at_the_same_time_share_one_look(world: World) -> None:
    moved(world.api, AT - HOUR, ANN, BINANCE, 500)
    reader = world.reader()
    readings = await asyncio.gather(*(reader.reading() for _ in range(8)))
    assert len({id(reading) for reading in readings}) == 1
    lists = [(c["action"], c["address"]) for c in world.api.calls if c["action"].startswith("txlist")]
    assert len(lists) == len(set(lists))
    assert len(world.book.kept) == 1


async def test_a_caller_that_gives_up_leaves_the_look_to_the_next_one(world: World) -> None:
    world.api.hold = asyncio.Event()
    reader = world.reader()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await reader.reading()
    world.api.hold.set()
    asked = len(world.api.calls)
    assert await reader.reading()
    assert asked >= 1
    blocks = [call["action"] for call in world.api.calls].count("getblocknobytime")
    assert blocks == 2, "it was one look all along"


async def test_failures_of_callers_that_have_gone_make_no_noise(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    world.api.hold, world.api.always = asyncio.Event(), "402"
    reader = world.reader()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await reader.reading()
    world.api.hold.set()
    await asyncio.sleep(0.1)
    assert reader.view().why == "Etherscan answered 402"
    assert caplog.text == ""


# --- what is kept -------------------------------------------------------------------------------------------------


async def test_what_was_read_is_kept_under_its_hash_with_the_raw_answers(world: World) -> None:
    moved(world.api, AT - HOUR, ANN, BINANCE, 500)
    reading = await world.reader().reading()
    [kept] = world.book.kept
    document = kept.bodies[0].data
    assert reading.record == sha(document) == kept.exchange.response
    back = read_document(document)
    assert (back.flows, back.at, back.as_of) == (reading.flows, reading.at, reading.as_of)
    assert reading.exchange is not None
    assert (reading.exchange.id, reading.exchange.purpose, reading.exchange.provider) == (1, "whale", "etherscan")
    assert len(kept.bodies) == 1 + 2 * 8
    assert all(KEY.encode() not in body.data for body in kept.bodies)
    assert KEY not in repr(kept)


async def test_what_cannot_be_kept_is_no_reading(world: World) -> None:
    world.book.broken = True
    with pytest.raises(NoReading, match="could not be kept") as said:
        await world.reader().reading()
    assert said.value.lack is Lack.NOT_RECORDED


@pytest.mark.parametrize("fault", [JournalUnwritable("full"), BadRecord("torn")])
async def test_a_cache_that_fails_is_no_reading(world: World, fault: Exception) -> None:
    world.memory.broken = fault
    with pytest.raises(NoReading, match="could not be kept"):
        await world.reader().reading()


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - set(HARMLESS) - {"drip", "silent", "huge"}))
async def test_every_fault_of_the_provider_is_a_lack_of_a_reading(world: World, fault: str) -> None:
    moved(world.api, AT - HOUR, ANN, BINANCE, 500)
    world.api.always = fault
    reader = world.reader()
    with pytest.raises(NoReading) as said:
        await reader.reading()
    assert reader.view().why == said.value.reason
    assert KEY not in said.value.reason
    assert world.book.kept == []


# --- in the database ----------------------------------------------------------------------------------------------


async def test_answers_outlive_the_process_in_the_database(world: World, tmp_path: Path) -> None:
    moved(world.api, AT - HOUR, ANN, BINANCE, 500)
    database = await Database.open(tmp_path / "gavel.db")
    world.memory = SqlChainCache(database)
    first = await world.reader().reading()
    await database.close()
    asked = len(world.api.calls)
    database = await Database.open(tmp_path / "gavel.db")
    world.memory = SqlChainCache(database)
    assert (await world.reader().reading()).record == first.record
    assert len(world.api.calls) == asked
    assert await world.memory.get("nothing") is None
    await world.memory.put("new", AT + 4 * DAY, b"[]")
    assert await world.memory.get(f"discovery {BINANCE}") is None, "what nobody has renewed for days falls away"
    assert await world.memory.get("new") == (AT + 4 * DAY, b"[]")
    await database.close()


# --- opening ------------------------------------------------------------------------------------------------------


async def an_opening(world: World, key: str | None = KEY, **about: Any) -> Reader | Off:
    return await opened(key, base_url=world.api.url, cache=world.memory, ledger=world.book, wall=world.clock, **about)


async def test_without_a_key_it_is_off_and_says_so(world: World) -> None:
    off = await an_opening(world, None)
    assert off.view().why == "off: no key (ETHERSCAN_API_KEY)"
    with pytest.raises(NoReading) as said:
        await off.reading()
    assert said.value.lack is Lack.OFF
    await off.close()


async def test_a_model_of_another_schema_leaves_it_off_with_both_hashes(world: World, tmp_path: Path) -> None:
    from trading.onchain.features import SCHEMA_HASH

    off = await an_opening(world, model=write_model(tmp_path, schema_hash="cd" * 32))
    assert isinstance(off, Off)
    assert "cd" * 32 in off.view().why
    assert SCHEMA_HASH in off.view().why


async def test_a_faulty_file_of_wallets_leaves_it_off(world: World, tmp_path: Path) -> None:
    off = await an_opening(world, own_wallets=tmp_path / "nowhere.toml")
    assert isinstance(off, Off)
    assert "nowhere" in off.view().why


async def test_a_model_that_is_none_is_off_when_it_is_asked(world: World, tmp_path: Path) -> None:
    moved(world.api, AT - HOUR, ANN, BINANCE, 500)
    reader = await an_opening(world, model=write_model(tmp_path))
    assert isinstance(reader, Reader)
    reader._client._pace = Bucket(now=world.api.time.now, sleep=world.api.time.sleep)
    with pytest.raises(NoReading, match="no model that can be used"):
        await reader.reading()
    await reader.close()


def test_there_is_a_described_behaviour_for_every_class_but_unknown() -> None:
    assert set(BEHAVIOURS) == set(WalletClass) - {WalletClass.UNKNOWN}
