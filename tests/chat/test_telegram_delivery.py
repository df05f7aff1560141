"""The outbox, its delivery and a Telegram together."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.delivery import Delivery
from bot.render.words import RenderContext
from bot.surface import Card
from storage.journal import SqlJournal
from storage.outbox import Lane, Outbox, Route
from tests.chat.telegram_world import ANN, BOB, World, a_world, until
from tests.storage_builders import a_database
from trading.clock import SystemClock
from trading.events import Event, TradingHalted


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        yield world


@dataclass
class Alerts:
    """Journal and delivery, wired to a Telegram."""

    delivery: Delivery
    journal: SqlJournal

    async def tell(self, *reasons: str) -> None:
        await self.journal.commit([TradingHalted(at=datetime.now(UTC), by="x", reason=r) for r in reasons])


@pytest.fixture
async def alerts(world: World, tmp_path: Path) -> AsyncIterator[Alerts]:
    database = await a_database(tmp_path / "desk.db")
    outbox = Outbox(database, SystemClock())
    delivery = Delivery(
        outbox=outbox,
        chats={"telegram": world.telegram},
        render=halted,
        wall=SystemClock(),
        late_after=timedelta(seconds=0.4),
        first_pause=timedelta(seconds=0.05),
        longest_pause=timedelta(seconds=0.2),
    )
    routes = [Route(destination=f"telegram:{who}", lane=Lane.RISK) for who in (ANN, BOB)]
    journal = SqlJournal(database, route=lambda _: routes, wall=SystemClock())
    journal.mail.append(delivery.hear)
    task = asyncio.create_task(delivery.run())
    yield Alerts(delivery, journal)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await database.close()


def halted(event: Event, _: RenderContext) -> Card:
    assert isinstance(event, TradingHalted)
    return Card(title=event.reason)


def titles(world: World, chat: int) -> list[str]:
    return [text.partition("\n")[0] for text in world.api.texts(chat)]


async def test_after_an_outage_every_alert_comes_in_its_order_and_the_late_say_so(world: World, alerts: Alerts) -> None:
    await alerts.tell("before")
    await until(lambda: titles(world, ANN) == ["before"])
    world.api.down = True
    began = time.monotonic()
    await alerts.tell("a", "b", "c")
    await until(lambda: time.monotonic() - began > 0.5 and len(world.api.made("")) == 0)
    (ann, _) = await alerts.delivery.health()
    assert (ann.destination, ann.waiting) == ("telegram:7", 3)
    assert ann.error.startswith("NetworkError")
    world.api.down = False
    for chat in (ANN, BOB):
        await until(lambda chat=chat: titles(world, chat) == ["before", "a", "b", "c"])
    for text in world.api.texts(ANN)[1:]:
        assert re.search(r"^late: queued \d\d:\d\d UTC, \d+ s ago$", text, re.MULTILINE)


async def test_flood_control_in_one_chat_is_obeyed_and_holds_up_no_other(world: World, alerts: Alerts) -> None:
    world.api.hold(ANN, 1)
    await alerts.tell("a", "b")
    await until(lambda: titles(world, BOB) == ["a", "b"])
    assert titles(world, ANN) == []
    await until(lambda: titles(world, ANN) == ["a", "b"])
    assert len([c for c in world.api.calls if c.code == 429]) == 1
    assert world.api.too_early == 0
