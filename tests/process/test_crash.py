"""A few of the kills that `python -m tests.process.crash --kills 50` does."""

from pathlib import Path

from tests.process.crash import crash


def test_a_killed_desk_loses_and_doubles_nothing(tmp_path: Path) -> None:
    outcome = crash(tmp_path, kills=4, seed=3, limit=300)
    assert outcome.faults == []
    assert outcome.kills == 4
    assert outcome.totals["trades"] > 0
