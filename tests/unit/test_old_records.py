"""What a journal of an earlier version holds is read as if what came later had been left at its default."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from storage.codec import from_json, from_row, to_json, to_row
from tests.builders import a_position
from tests.surface_examples import a_decision
from trading.breaker import Level
from trading.decision import Decision
from trading.events import BreakerRecovered, BreakerReset, BreakerTripped, CommandRun, PartialTriggered
from trading.model import ExitReason
from trading.state import DeskState, Summed

AT = datetime(2026, 1, 5, tzinfo=UTC)
OLD: list[tuple[Any, tuple[str, ...]]] = [
    (CommandRun(at=AT, who="Ann", place="console", text="/halt", result="done"), ("changes",)),
    (a_decision(), ("by",)),
    (BreakerTripped(at=AT, before=Level.CLOSED, after=Level.HALT, causes=()), ("in_force",)),
    (BreakerRecovered(at=AT, before=Level.HALT, after=Level.THROTTLE, until=AT), ("in_force",)),
    (BreakerReset(at=AT, by="Ann", before=Level.HALT), ("in_force",)),
    (PartialTriggered(at=AT, position=a_position(), quantity=Decimal(1), note="+2%"), ("reason",)),
]


@pytest.mark.parametrize(("record", "newer"), OLD, ids=lambda x: type(x).__name__)
def test_a_record_of_before_is_read_with_the_defaults(record: Any, newer: tuple[str, ...]) -> None:
    older = json.loads(to_json(record))
    for name in newer:
        del older[name]
    assert from_json(type(record), json.dumps(older)) == record


def test_the_defaults_say_that_nothing_of_it_was_there() -> None:
    by_type = {type(record): record for record, _ in OLD}
    assert by_type[CommandRun].changes == ()
    assert by_type[Decision].by == ""
    assert by_type[PartialTriggered].reason is ExitReason.PARTIAL
    assert by_type[BreakerTripped].in_force is None


def test_the_row_of_a_desk_of_before_has_no_lock_and_nothing_summed() -> None:
    fresh = DeskState(desk="gavel", playbook="desk", start_equity=Decimal(10000))
    migrated = {"locks": "[]", "flattened_at": None, "summed": "{}", "live_by": "", "live_at": None}  # as migrations do
    row = to_row(fresh) | migrated
    found = from_row(DeskState, row)
    assert found == fresh
    assert (found.locks, found.flattened_at, found.summed) == ((), None, Summed())
