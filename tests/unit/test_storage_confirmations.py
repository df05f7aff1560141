"""A question is answered by its owner, in time, once; and preferences are kept."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from storage.confirmations import TTL, Confirmations, Lapsed, Refused, Taken, Why
from storage.database import Database
from storage.preferences import Preferences
from tests.storage_builders import AT, a_database
from trading.clock import ManualClock
from trading.messages import Quoted

ME, STRANGER = "ann", "bea"  # people: it does not matter from which of their accounts they answer
SECOND = timedelta(seconds=1)
CLOSE = Taken(command="/close btc-aaaa", summary="close BTC long 0.5", asked_by=ME)


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


async def ask(confirmations: Confirmations, **more: Any) -> str:
    return await confirmations.ask(ME, "telegram:100", CLOSE.command, CLOSE.summary, **more)


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


async def test_a_code_has_to_be_typed_and_a_wrong_one_uses_nothing_up(confirmations: Confirmations) -> None:
    token = await ask(confirmations, code="4711")
    for typed in ("", "4712", "٤٧١١", "47110"):
        assert await confirmations.take(token, ME, typed) == Refused(reason=Why.WRONG_CODE)
    assert await confirmations.take(token, STRANGER, "4711") == Refused(reason=Why.NOT_YOURS, by=ME)
    assert await confirmations.take(token, ME, "4711") == CLOSE


async def test_to_cancel_no_code_is_needed(confirmations: Confirmations) -> None:
    token = await ask(confirmations, code="4711")
    assert await confirmations.cancel(token, ME) == CLOSE


@pytest.mark.parametrize("quantity", [None, Decimal("0.0124")])
async def test_what_was_shown_comes_back_with_the_answer(
    confirmations: Confirmations, quantity: Decimal | None
) -> None:
    shown = Quoted(mark=Decimal("64900.10"), quantity=quantity)
    taken = await confirmations.take(await ask(confirmations, quoted=shown), ME)
    assert taken == replace(CLOSE, quoted=shown)


async def test_a_second_persons_question_is_anybodys_but_who_asked(confirmations: Confirmations) -> None:
    token = await ask(confirmations, others=True)
    assert await confirmations.take(token, ME) == Refused(reason=Why.YOURS, by=ME)
    assert await confirmations.take(token, STRANGER) == CLOSE
    assert await confirmations.take(token, "cleo") == Refused(reason=Why.CONFIRMED, by=STRANGER, at=AT)


async def test_open_questions_are_those_one_may_answer_newest_first(
    confirmations: Confirmations, wall: ManualClock
) -> None:
    mine = await ask(confirmations, code="4711")
    wall.advance(SECOND)
    anybodys = await ask(confirmations, others=True)
    wall.advance(SECOND)
    newest = await ask(confirmations)
    assert [q.token for q in await confirmations.open_for(ME)] == [newest, mine]
    assert [q.token for q in await confirmations.open_for(STRANGER)] == [anybodys]
    shown = (await confirmations.open_for(ME))[1]
    assert (shown.command, shown.code, shown.place) == (CLOSE.command, "4711", "telegram:100")
    assert (shown.asked_at, shown.expires_at) == (AT, AT + TTL)
    await confirmations.take(newest, ME)
    wall.advance(TTL - 2 * SECOND)
    assert await confirmations.open_for(ME) == []
    assert [q.token for q in await confirmations.open_for(STRANGER)] == [anybodys]


async def test_what_is_over_is_greyed_out_where_it_stands_once(confirmations: Confirmations, wall: ManualClock) -> None:
    answered, expired, unseen = [await ask(confirmations) for _ in range(3)]
    await confirmations.shown(answered, "telegram:100", "ref 1")
    await confirmations.shown(expired, "telegram:100", "ref 2")
    assert await confirmations.lapsed() == []
    wall.advance(SECOND)
    await confirmations.take(answered, ME)
    await confirmations.take(unseen, ME)
    said = {"destination": "telegram:100", "command": CLOSE.command, "summary": CLOSE.summary}
    first = Lapsed(token=answered, reference="ref 1", outcome="already confirmed", by=ME, at=AT + SECOND, **said)
    assert await confirmations.lapsed() == [first]
    await confirmations.greyed(answered)
    wall.advance(TTL)
    second = Lapsed(token=expired, reference="ref 2", outcome="", by="", at=AT + TTL, **said)
    assert await confirmations.lapsed() == [second]
    await confirmations.greyed(expired)
    assert await confirmations.lapsed() == []


async def test_where_the_answer_took_the_questions_place_nothing_is_greyed_out(
    confirmations: Confirmations, wall: ManualClock
) -> None:
    here, elsewhere, unsaid = [await ask(confirmations) for _ in range(3)]
    for token in (here, elsewhere):
        await confirmations.shown(token, "telegram:100", f"ref {token}")
    await confirmations.take(here, ME, tapped_in="telegram:100")
    await confirmations.cancel(elsewhere, ME, tapped_in="discord:@9")
    await confirmations.take(unsaid, ME, tapped_in="telegram:100")  # before it was written where it stands
    await confirmations.shown(unsaid, "telegram:100", "ref")
    assert [lapsed.token for lapsed in await confirmations.lapsed()] == [elsewhere]


async def test_a_question_shown_again_stands_where_it_stood_first(
    confirmations: Confirmations, wall: ManualClock
) -> None:
    token = await ask(confirmations)
    await confirmations.shown(token, "telegram:100", "first")
    await confirmations.shown(token, "discord:@9", "second")
    wall.advance(TTL)
    assert [(lapsed.destination, lapsed.reference) for lapsed in await confirmations.lapsed()] == [
        ("telegram:100", "first")
    ]


# --- preferences ----------------------------------------------------------------------------------------------------


async def test_preferences_are_kept_and_replaced(tmp_path: Path, database: Database) -> None:
    preferences = Preferences(database)
    assert await preferences.load() == {}
    await preferences.put("telegram:1", "fill", "silent")
    await preferences.put("telegram:1", "wait", "off")
    await preferences.put("telegram:1", "fill", "on")
    again = await Database.open(tmp_path / "gavel.db")
    assert await Preferences(again).load() == {("telegram:1", "fill"): "on", ("telegram:1", "wait"): "off"}
    await again.close()


async def test_destinations_and_streams_are_kept_and_replaced(tmp_path: Path, database: Database) -> None:
    preferences = Preferences(database, ManualClock(AT))
    assert (await preferences.destinations(), await preferences.streams()) == ({}, {})
    await preferences.put_destination("telegram:-1001", active=True, by="ann")
    await preferences.put_destination("telegram:7", active=False, by="ann")
    await preferences.put_destination("telegram:7", active=True, by="ann")
    await preferences.put_stream("telegram:-1001", "risk", "telegram:-1001/15", by="ann")
    await preferences.put_stream("telegram:-1001", "fills", "telegram:-1001/16", by="ann")
    await preferences.put_stream("telegram:-1001", "risk", "", by="ann")
    again = await Database.open(tmp_path / "gavel.db")
    assert await Preferences(again).destinations() == {"telegram:-1001": True, "telegram:7": True}
    assert await Preferences(again).streams() == {("telegram:-1001", "fills"): "telegram:-1001/16"}
    await again.close()
