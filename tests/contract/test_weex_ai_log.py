"""WEEX's AI log as a desk keeps it: a real desk, journal and client on the emulated exchange."""

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.ai_log_keeping import credential
from bot.bootstrap import Wanted, assembled
from bot.library import Library
from bot.live_market import connected, market_of
from bot.settings import Settings
from bot.version import VERSION
from tests.ai_log_stage import BTC, RULES, UPLOAD, a_stage, native_id, until
from tests.builders import a_plain_playbook
from tests.fakes.exchange_faults import PROCESSED
from tests.fakes.exchange_house import KEYS, an_exchange
from tests.fakes.exchange_tls import Loop
from trading.clock import SystemClock
from trading.identity import client_id
from trading.model import Leg
from trading.status import Armed


async def test_decision_entry_move_and_close_are_logged_in_order_with_the_orders_as_they_were_sent(
    tmp_path: Path,
) -> None:
    async with a_stage(tmp_path) as stage:
        stage.log.start()
        position = await stage.entered()
        stage.move_stop(position)
        await until(lambda: len(stage.logs) == 4)
        stage.close(position)
        await until(lambda: len(stage.logs) == 6)
        check, decision, entry, move, close, closed = stage.logs
        assert (check["orderId"], check["model"], check["stage"]) == (None, RULES, "Strategy Generation")
        assert (decision["orderId"], decision["stage"]) == (None, "Decision Making")
        core = {order.client_id: order for order in stage.house.core.orders.values()}
        sent = stage.asked("/capi/v3/order")
        assert [entry["output"], close["output"]] == sent
        assert [entry["orderId"], close["orderId"]] == [native_id(core[body["newClientOrderId"]].id) for body in sent]
        [stop] = [o for o in stage.house.core.orders.values() if o.kind == "STOP_MARKET"]
        [moved] = stage.asked("/capi/v3/modifyTpSlOrder")
        assert move["orderId"] == native_id(stop.id) == moved["orderId"]
        assert (move["output"]["triggerPrice"], move["output"]["side"]) == (moved["triggerPrice"], "SELL")
        assert (closed["stage"], closed["orderId"], closed["output"]["closed"]) == (
            "Position Close",
            None,
            "closed by hand",
        )
        await stage.all_sent(6)
        assert stage.told == []
        assert stage.log.state.state.value == "armed"


async def test_what_is_decided_is_in_the_outbox_before_the_order_leaves(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage:
        decision = await stage.decided()
        assert await stage.states() == ["pending", "held"]
        assert stage.asked("/capi/v3/order") == []
        [_, entry] = await stage.rows()
        assert (entry.client_id, entry.lookup) == (client_id("test", decision, Leg.ENTRY), "order")


async def test_an_order_that_never_left_has_no_place_in_the_log(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage:
        decision = await stage.decided()
        stage.log.start()
        await until(lambda: len(stage.logs) == 2)
        [entry] = stage.desk.book.orders_for(decision, Leg.ENTRY)
        await stage.again()
        await asyncio.sleep(0.2)
        assert stage.stages == ["Strategy Generation", "Decision Making"]  # nobody knows yet
        await stage.desk.execution.withdraw(entry, "halted before it was sent")
        await asyncio.sleep(0.2)
        assert await stage.states() == ["sent", "void", "sent"]
        assert len(stage.logs) == 2
        assert stage.log.gap() == ""


async def test_a_process_that_dies_after_an_order_tells_of_it_when_it_is_back(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage:
        await stage.entered()
        assert stage.logs == []
        assert await stage.states() == ["pending", "pending"]
        await stage.again()
        await until(lambda: len(stage.logs) == 3)
        [order] = [o for o in stage.house.core.orders.values() if o.kind == "MARKET"]
        assert [log["orderId"] for log in stage.logs] == [None, None, native_id(order.id)]


async def test_a_stop_that_fires_is_logged_with_the_order_that_it_became(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage:
        stage.log.start()
        position = await stage.entered()
        stage.house.core.move("BTCUSDT", position.protection.stop * Decimal("0.999"))
        await until(lambda: len(stage.logs) == 4)
        fill = stage.house.core.fills[-1]
        closed = stage.logs[-1]
        assert (closed["stage"], closed["orderId"]) == ("Position Close", native_id(fill.order))
        assert (closed["output"]["type"], closed["output"]["side"]) == ("STOP_MARKET", "SELL")
        assert Decimal(closed["output"]["triggerPrice"]) == position.protection.stop
        assert closed["model"] == RULES


async def test_an_entry_is_found_after_its_stop_has_fired_too(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage:
        position = await stage.entered()
        stage.house.core.move("BTCUSDT", position.protection.stop * Decimal("0.999"))
        await until(lambda: stage.desk.book.on(BTC) is None)  # the past holds a stop that has fired now
        stage.log.start()
        await until(lambda: len(stage.logs) == 4)
        entry, fired = (fill.order for fill in stage.house.core.fills)
        assert [log["orderId"] for log in stage.logs] == [None, None, native_id(entry), native_id(fired)]


@pytest.mark.parametrize("kind", ["drop before", "drop after", "mid body", "empty 200", "500 before", "500 after"])
async def test_an_upload_that_fails_is_made_again_and_no_order_is(tmp_path: Path, kind: Any) -> None:
    async with a_stage(tmp_path) as stage:
        stage.log.start()
        await until(lambda: len(stage.logs) == 1)
        stage.front.faults.add(kind, UPLOAD, "POST", times=2)
        await stage.entered()
        await until(lambda: "Trade Execution" in stage.stages)
        times = 3 if kind in PROCESSED else 1  # whether it is there already cannot be asked: it may stand there twice
        assert stage.stages == ["Strategy Generation", *["Decision Making"] * times, "Trade Execution"]
        assert len(stage.asked("/capi/v3/order")) == 1
        await asyncio.sleep(0.1)
        await stage.all_sent(3)
        assert stage.told == []


async def test_a_key_that_may_not_write_is_asked_for_again_and_everything_is_replayed_in_order(tmp_path: Path) -> None:
    async with a_stage(tmp_path, required=True) as stage:
        stage.front.permissions["ai_log"] = False
        stage.desk.holds.append(lambda: stage.log.hold())
        assert stage.desk.frozen == "the AI log is not known to work yet"
        stage.log.start()
        await until(lambda: stage.told)
        assert "does not let this key write" in stage.desk.frozen
        assert stage.log.state.state.value == "degraded"
        await stage.entered()
        await asyncio.sleep(0.2)
        assert stage.logs == []
        assert [over for _, over in stage.told] == [False]  # once
        stage.front.permissions["ai_log"] = True
        await until(lambda: len(stage.logs) == 3)
        assert stage.stages == ["Strategy Generation", "Decision Making", "Trade Execution"]
        await until(lambda: not stage.desk.frozen)
        assert [over for _, over in stage.told] == [False, True]


async def test_a_changed_key_is_tried_before_anything_else(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage:
        stage.log.start()
        await stage.all_sent(1)
        await stage.again()  # the same key has been tried
        await stage.entered()
        await stage.all_sent(3)
        await stage.again(credential=credential({"apiKey": "another"}))
        await until(lambda: len(stage.logs) == 4)
        stages = ["Strategy Generation", "Decision Making", "Trade Execution", "Strategy Generation"]
        assert stage.stages == stages
        assert not any("key" in row.key and KEYS["apiKey"] == row.key for row in await stage.rows())


async def test_an_order_that_the_exchange_refuses_has_no_place_in_the_log(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage:
        stage.quantity = Decimal(100)  # far more than the account has margin for
        stage.log.start()
        decision = await stage.decided()
        stage.send(decision)
        await until(lambda: not stage.desk.book.orders_for(decision, Leg.ENTRY))
        await asyncio.sleep(0.2)
        assert await stage.states() == ["sent", "void", "sent"]
        assert stage.stages == ["Strategy Generation", "Decision Making"]


async def test_a_gap_freezes_entries_only_where_the_log_is_required_and_ends_by_itself(tmp_path: Path) -> None:
    async with a_stage(tmp_path, required=True) as stage:
        desk = stage.desk
        desk.holds.append(lambda: stage.log.hold())
        stage.log.start()
        await until(lambda: len(stage.logs) == 1 and not desk.frozen)
        stage.front.faults.add("500 before", UPLOAD, "POST", times=None)
        await stage.entered()
        assert desk.frozen == ""  # it is on its way
        stage.log._wall = ahead = Ahead(timedelta(seconds=61))
        assert "2 entries of the AI log not sent" in desk.frozen
        await until(lambda: stage.told)
        stage.log.required = False
        assert desk.frozen == ""
        stage.log.required = True
        stage.front.faults.clear()
        await until(lambda: len(stage.told) == 2)
        assert desk.frozen == ""
        assert [over for _, over in stage.told] == [False, True]
        assert stage.stages == ["Strategy Generation", "Decision Making", "Trade Execution"]
        assert ahead.now() > SystemClock().now()


class Ahead:
    """The time as it will be."""

    def __init__(self, by: timedelta) -> None:
        self.by = by

    def now(self) -> datetime:
        return SystemClock().now() + self.by


async def test_a_live_process_on_weex_keeps_the_log_from_its_start(tmp_path: Path) -> None:
    front = an_exchange("weex")
    front.permissions["ai_log"] = True
    async with Loop([front]) as loop:
        given = Settings(
            _env_file=None,
            GAVEL_VENUE="weex",
            GAVEL_MODE="live",
            GAVEL_WEEX_LOG="required",
            GAVEL_VENUE_LOOPBACK=f"127.0.0.1:{loop.port}",
            GAVEL_VENUE_CA=loop.ca,
            GAVEL_VOICES="off",
            WEEX_API_KEY="key",
            WEEX_API_SECRET="secret",
            WEEX_API_PASSPHRASE="pass",
        )
        playbook = a_plain_playbook(universe=("BTC",))
        connection = await connected(given, playbook, set(), SystemClock())
        try:
            market = market_of(connection, given, SystemClock())
            library = Library(tmp_path, playbook)
            wanted = Wanted(market=market, playbook=playbook, library=library, data_dir=tmp_path, speed=1.0, mute=True)
            async with assembled(given, wanted) as process:
                holds = process.desk.holds
                await until(lambda: front.ai_logs)
                await until(lambda: not any("AI log" in hold() for hold in holds))
                [line] = [line for line in process.chats.states() if line.name == "AI log"]
                assert line.state is Armed.ARMED
                [check] = front.ai_logs
                assert check["model"] == f"gavel/{VERSION} rules"
        finally:
            await connection.close()
