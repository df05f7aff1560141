"""What the doctor is told of a Binance key."""

from typing import Any

import pytest

from tests.binance_answers import (
    F,
    profile,
)
from trading.errors import OrderRejected
from trading.venues.exchange.parsing import Garbled
from trading.venues.exchange.wire import Code, Grade

REST = "GET /sapi/v1/account/apiRestrictions"
RIGHTS_LINE = "permissions of the key"
RIGHTS = {"ipRestrict": True, "enableReading": True, "enableWithdrawals": False, "enableFutures": True}
ACCOUNT = {
    REST: RIGHTS,
    f"GET {F}/accountConfig": {"dualSidePosition": False},
    f"GET {F}/multiAssetsMargin": {"multiAssetsMargin": False},
    f"GET {F}/feeBurn": {"feeBurn": False},
}


async def test_a_good_key_passes_in_every_line() -> None:
    it, requests = profile(ACCOUNT)
    assert {each.grade for each in await it.examine_key()} == {Grade.OK}
    assert {each.host for each in requests} == {"api.binance.com", "fapi.binance.com"}


@pytest.mark.parametrize(
    ("path", "answer", "name", "grade"),
    [
        (REST, RIGHTS | {"enableWithdrawals": True}, RIGHTS_LINE, Grade.ERROR),
        (REST, RIGHTS | {"enableFutures": False}, RIGHTS_LINE, Grade.ERROR),
        (REST, RIGHTS | {"permitsUniversalTransfer": True}, RIGHTS_LINE, Grade.WARNING),
        (REST, RIGHTS | {"ipRestrict": False}, "IP allow-list", Grade.WARNING),
        (f"GET {F}/accountConfig", {"dualSidePosition": True}, "position mode", Grade.ERROR),
        (f"GET {F}/multiAssetsMargin", {"multiAssetsMargin": True}, "margin assets", Grade.ERROR),
        (f"GET {F}/feeBurn", {"feeBurn": True}, "fees", Grade.WARNING),
    ],
)
async def test_what_is_wrong_with_a_key_is_said_with_the_way_to_mend_it(
    path: str, answer: Any, name: str, grade: Grade
) -> None:
    it, _ = profile(ACCOUNT | {path: answer})
    [found] = [each for each in await it.examine_key() if each.grade is not Grade.OK]
    assert (found.name, found.grade) == (name, grade)
    assert found.mend


async def test_a_look_that_is_refused_is_a_line_and_the_others_go_on() -> None:
    it, _ = profile(ACCOUNT | {REST: OrderRejected("Invalid API-key, IP, or permissions", code=Code.AUTH)})
    findings = {each.name: each for each in await it.examine_key()}
    assert findings[RIGHTS_LINE].grade is Grade.ERROR
    assert "Invalid API-key" in findings[RIGHTS_LINE].detail
    assert findings["fees"].grade is Grade.OK


async def test_a_right_that_is_not_told_is_not_taken_for_absent() -> None:
    rights = {key: value for key, value in RIGHTS.items() if key != "enableWithdrawals"}
    it, _ = profile(ACCOUNT | {"GET /sapi/v1/account/apiRestrictions": rights})
    with pytest.raises(Garbled):
        await it.examine_key()


async def test_on_the_demo_no_other_host_is_asked_and_it_is_said() -> None:
    it, requests = profile(ACCOUNT, practice="demo")
    findings = await it.examine_key()
    assert (findings[0].grade, "demo" in findings[0].detail) == (Grade.WARNING, True)
    assert {each.host for each in requests} == {"demo-fapi.binance.com"}
