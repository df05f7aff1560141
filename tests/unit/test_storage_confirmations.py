"""A question is answered by its owner, in time, once; and preferences are kept."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from storage.confirmations import TTL, Confirmations, Refused, Taken, Why
from storage.database import Database
from storage.preferences import Preferences
from tests.storage_builders import AT, a_database
from trading.clock import ManualClock

ME, STRANGER = "telegram:7", "telegram:8"
SECOND = timedelta(seconds=1)
CLOSE = Taken(command="/close btc-aaaa", summary="close BTC long 0.5")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await a_database(tmp_path / "gavel.db")
    yield opened
    await opened.close()


@pytest.fixture
def wall() -> ManualClock:
    return ManualClock(AT)


@pytest.fixture
def confirmations(database: Database, wall: ManualClock) -> Confirmations:
    return Confirmations(database, wall)


async def ask(confirmations: Confirmations) -> str:
    return await confirmations.ask(ME, "telegram:100", CLOSE.command, CLOSE.summary)


async def test_its_owner_takes_it_once(confirmations: Confirmations, wall: ManualClock) -> None:
    token = await ask(confirmations)
    assert len(token) >= 8
    assert int(token, 16) >= 0
    assert await confirmations.take(token, ME) == CLOSE
    wall.advance(SECOND)
    assert await confirmations.take(token, ME) == Refused(reason=Why.CONFIRMED, by=ME, at=AT)
    assert await confirmations.cancel(token, ME) == Refused(reason=Why.CONFIRMED, by=ME, at=AT)


async def test_a_strangers_tap_uses_nothing_up(confirmations: Confirmations) -> None:
    token = await ask(confirmations)
    assert await confirmations.take(token, STRANGER) == Refused(reason=Why.NOT_YOURS, by=ME)
    assert await confirmations.cancel(token, STRANGER) == Refused(reason=Why.NOT_YOURS, by=ME)
    assert await confirmations.take(token, ME) == CLOSE
    assert await confirmations.take(token, STRANGER) == Refused(reason=Why.NOT_YOURS, by=ME)


async def test_in_time_or_not_at_all(confirmations: Confirmations, wall: ManualClock) -> None:
    token, late = await ask(confirmations), await ask(confirmations)
    wall.advance(TTL - timedelta(microseconds=1))
    assert await confirmations.take(token, ME) == CLOSE
    wall.advance(timedelta(microseconds=1))
    assert await confirmations.take(late, ME) == Refused(reason=Why.EXPIRED, at=AT + TTL)


async def test_a_token_nobody_asked_for_is_unknown(confirmations: Confirmations) -> None:
    assert await confirmations.take("deadbeef", ME) == Refused(reason=Why.UNKNOWN)


async def test_cancelled_is_used_up(confirmations: Confirmations) -> None:
    token = await ask(confirmations)
    assert await confirmations.cancel(token, ME) == CLOSE
    assert await confirmations.take(token, ME) == Refused(reason=Why.CANCELLED, by=ME, at=AT)


async def test_ten_taps_at_once_take_it_once(confirmations: Confirmations) -> None:
    token = await ask(confirmations)
    answers = await asyncio.gather(*(confirmations.take(token, ME) for _ in range(10)))
    assert answers.count(CLOSE) == 1
    assert sum(isinstance(answer, Refused) for answer in answers) == 9


async def test_two_processes_take_it_once(tmp_path: Path, confirmations: Confirmations, wall: ManualClock) -> None:
    token = await ask(confirmations)
    other = await Database.open(tmp_path / "gavel.db")
    both = (confirmations, Confirmations(other, wall))
    answers = await asyncio.gather(*(each.take(token, ME) for each in both * 3))
    await other.close()
    assert answers.count(CLOSE) == 1


async def test_a_restart_between_question_and_tap(
    tmp_path: Path, database: Database, confirmations: Confirmations, wall: ManualClock
) -> None:
    token = await ask(confirmations)
    await database.close()
    again = await Database.open(tmp_path / "gavel.db")
    assert await Confirmations(again, wall).take(token, ME) == CLOSE
    await again.close()


async def test_preferences_are_kept_and_replaced(tmp_path: Path, database: Database) -> None:
    preferences = Preferences(database)
    assert await preferences.load() == {}
    await preferences.put("telegram:1", "fill", "silent")
    await preferences.put("telegram:1", "wait", "off")
    await preferences.put("telegram:1", "fill", "on")
    again = await Database.open(tmp_path / "gavel.db")
    assert await Preferences(again).load() == {("telegram:1", "fill"): "on", ("telegram:1", "wait"): "off"}
    await again.close()
